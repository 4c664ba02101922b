"""What a load test does, stage by stage; where it goes depends on what was measured.

Pure: a programme is a generator of stages that is sent what each of them came to.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from loadtests.schedule import Curve

Loop = Literal["closed", "open"]
Programme = Generator["Stage", "Measured", "Saturation | None"]
"""Returns the saturation point; None where none was looked for."""

CLOSED_CLIENTS: Final = (1, 16, 64, 256)
OPEN_SHARES: Final = (0.25, 0.5, 0.8, 0.95)
POOL: Final = 256
"""Clients of an open loop: as many turns can be under way at once."""
KEPT_UP: Final = 0.97
P99_MS_MAX: Final = 1_000.0
FAILED_MAX: Final = 0.01
CLOSE_ENOUGH: Final = 1.08
PROBES_MAX: Final = 6
PROBE_SHARE: Final = 0.75
"""How long a probe is, against the other stages."""
VERIFY_ALL_BELOW: Final = 16
"""Up to so many clients every receipt is verified, above it one of ``ONE_OF``."""
ONE_OF: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stretch of load.

    Args:
        clients: How many there are; of an open loop, how many turns can be under way at once.
        rate: Turns a second, of an open loop; 0 in a closed one.
        warm_s: At its beginning, in which nothing is measured.
        verify_one_of: Of how many receipts one is verified; 1: every one.
        happening: What is done as it begins (``loadtests.happenings``); mostly nothing.
    """

    name: str
    loop: Loop
    clients: int
    seconds: float
    rate: float = 0.0
    warm_s: float = 1.0
    verify_one_of: int = ONE_OF
    curve: Curve = "even"
    happening: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a stage came to, as far as the next one depends on it; rates are turns a second.

    Args:
        chance: By how much fewer answers may come than turns begin though the network keeps up:
            of what is under way, there is by chance more at the end than at the beginning.
    """

    offered: float
    answered: float
    failed: float
    p99_ms: float | None
    chance: float = 0.0

    @property
    def kept_up(self) -> bool:
        """Whether the network did what was asked of it, in time."""
        return (
            self.answered >= KEPT_UP * self.offered - self.chance
            and self.failed <= FAILED_MAX
            and self.p99_ms is not None
            and self.p99_ms <= P99_MS_MAX
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """What the search came to, in turns a second.

    Args:
        rate: The highest that was kept up with; where none was, the next lower one to be tried.
        is_kept_up: Whether it was.
        too_much: The lowest that was not kept up with; None where all were.
    """

    rate: float
    is_kept_up: bool
    too_much: float | None


def search(start: float, seconds: float) -> Generator[Stage, Measured, Saturation]:
    """Find the highest rate that is kept up with: from ``start`` up or down, then in between.

    Kept up with is a rate of which 97 % are answered in the stage itself, but for chance, 99 %
    within a second from their intended start, and at most 1 % are failures.
    """
    good, bad, rate = 0.0, None, start
    for number in range(PROBES_MAX):
        measured = yield Stage(
            name=f"probe {number + 1}: {rate:.0f}/s",
            loop="open",
            clients=POOL,
            rate=rate,
            seconds=seconds,
        )
        if measured.kept_up:
            good = rate
        else:
            bad = rate
        if bad is None:
            rate = good * 1.3
        elif not good:
            rate = bad * 0.7
        elif bad / good <= CLOSE_ENOUGH:
            break
        else:
            rate = (good + bad) / 2
    # Where nothing was kept up with, the next lower rate is the best guess, and the stages after
    # this one show what it is worth.
    return Saturation(rate=good or rate, is_kept_up=good > 0, too_much=bad)


def saturation(
    seconds: float,
    *,
    closed: Sequence[int] = CLOSED_CLIENTS,
    shares: Sequence[float] = OPEN_SHARES,
) -> Programme:
    """Closed loops of more and more clients, then the search, then shares of what it found."""
    best = 0.0
    for clients in closed:
        measured = yield Stage(
            name=f"closed, {clients} client{'s' if clients > 1 else ''}",
            loop="closed",
            clients=clients,
            seconds=seconds,
            verify_one_of=1 if clients <= VERIFY_ALL_BELOW else ONE_OF,
        )
        best = max(best, measured.answered)
    found = yield from search(max(1.0, best * 0.8), seconds * PROBE_SHARE)
    for share in shares:
        yield Stage(
            name=f"open, {share:.0%} of saturation",
            loop="open",
            clients=POOL,
            rate=found.rate * share,
            seconds=seconds,
            verify_one_of=1 if share <= 0.5 else ONE_OF,
        )
    return found


def steady(rate: float, seconds: float, *, stages: int = 1) -> Generator[Stage, Measured, None]:
    """One rate all the time; in several stages for a soak, so that a drift shows."""
    for number in range(stages):
        name = f"steady {rate:g}/s" + (f", part {number + 1}" if stages > 1 else "")
        yield Stage(name=name, loop="open", clients=POOL, rate=rate, seconds=seconds / stages)


def holiday(rate: float, seconds: float) -> Generator[Stage, Measured, None]:
    """A plain day and the first day after the holidays, three times as busy, by their hours."""
    for name, times in (("plain day", 1.0), ("after the holidays", 3.0)):
        yield Stage(
            name=f"{name}, {rate * times:g}/s on average",
            loop="open",
            clients=POOL,
            rate=rate * times,
            seconds=seconds / 2,
            curve="day",
        )


def cut(rate: float, seconds: float) -> Generator[Stage, Measured, None]:
    """The same rate before, while and after the links to one region are cut."""
    names = (("before the cut", ""), ("cut off", "cut"), ("joined again", "join"))
    return _thirds(rate, seconds, names)


def flood(rate: float, seconds: float) -> Generator[Stage, Measured, None]:
    """The same rate before, while and after somebody floods one region with refused acts."""
    names = (("before the flood", ""), ("flooded", "flood"), ("after it", "calm"))
    return _thirds(rate, seconds, names)


def _thirds(
    rate: float, seconds: float, names: Sequence[tuple[str, str]]
) -> Generator[Stage, Measured, None]:
    """One rate in three stages, each with what happens as it begins."""
    for name, happening in names:
        yield Stage(
            name=name,
            loop="open",
            clients=POOL,
            rate=rate,
            seconds=seconds / 3,
            happening=happening,
        )
