"""Dated lines: when an entry existed, until when a view was fresh, and how a use settles.

The grantor's log has a head before a revocation and one after it. Honest cosigners date their
lines by clocks that are off by at most one tick, and never go back in time or size; liars sign
either head with any date up to now. The adversary chooses which lines become bytes in views and
block records: of an honest cosigner the newest line on the old head and the earliest on the new
one serve it best.

Written from sections 0 and 4 of the protocol alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Model, Step
from tests.model.invariants import Invariant, quorum

SKEW = 1
STALENESS = 1
NEVER = -9


class Cosigner(NamedTuple):
    """An honest one: its last date, its newest line on the old head, its first on the new one."""

    last: int = NEVER
    old: int = NEVER
    new: int = NEVER


class State(NamedTuple):
    now: int
    revoked: int
    """The tick in which the revocation entered the log; NEVER before."""
    honest: tuple[Cosigner, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and careless readings of it."""

    fresh_smallest: bool = False
    """Freshness by the q-th smallest date."""
    seen_first: bool = False
    """Existence by the first line alone."""
    clock_may_step_back: bool = False
    """A line is dated by the clock even where the last one was later."""
    any_view_settles: bool = False
    """An open use is settled by the next view, whether or not that is as fresh as the use."""


def fresh_at(dates: Sequence[int], needed: int, rules: Rules) -> int:
    """Return the best date that q of these lines give a view; NEVER where they are too few."""
    if len(dates) < needed:
        return NEVER
    # Of q lines the q-th largest date is the smallest one, and the q-th smallest the largest.
    return max(dates) if rules.fresh_smallest else sorted(dates)[-needed]


def seen_by(dates: Sequence[int], needed: int, rules: Rules) -> int:
    """Return the earliest date by which these lines say that an entry existed."""
    if len(dates) < needed:
        return NEVER
    return min(dates) if rules.seen_first else sorted(dates)[needed - 1]


def build(
    rules: Rules, *, n: int = 4, f: int = 1, liars: int = 1, ticks: int = 3, needed: int = 0
) -> Model:
    needed = needed or quorum(n, f)

    def steps(state: State) -> Iterator[Step]:
        if state.now < ticks:
            yield "a tick passes", state._replace(now=state.now + 1)
        if state.revoked == NEVER:
            yield "the grant is revoked", state._replace(revoked=state.now)
        for at, one in enumerate(state.honest):
            if one.new != NEVER:
                continue
            for error in range(-SKEW, SKEW + 1):
                clock = state.now + error
                date = clock if rules.clock_may_step_back else max(clock, one.last)
                signed = [("old", Cosigner(date, max(one.old, date), NEVER))]
                if state.revoked != NEVER:
                    signed.append(("new", Cosigner(date, one.old, date)))
                for head, moved in signed:
                    honest = (*state.honest[:at], moved, *state.honest[at + 1 :])
                    yield (
                        f"cosigner {at + 1} signs the {head} head, dated {date}",
                        state._replace(honest=honest),
                    )

    def end_of(state: State) -> int:
        """Return the earliest seen_by that the revocation can be given."""
        dates = [one.new for one in state.honest if one.new != NEVER]
        return seen_by([*dates, *[-SKEW] * liars], needed, rules) if dates else NEVER

    def view_of(state: State) -> int:
        """Return the latest fresh_at that a view without the revocation can be given."""
        dates = [one.old for one in state.honest if one.old != NEVER]
        return fresh_at([*dates, *[state.now + SKEW] * liars], needed, rules)

    def existed(state: State) -> bool:
        end = end_of(state)
        return end == NEVER or end + SKEW >= state.revoked

    def fresh(state: State) -> bool:
        end = end_of(state)
        return end == NEVER or view_of(state) <= end

    def binds(state: State) -> bool:
        end, view = end_of(state), view_of(state)
        if NEVER in {end, view}:
            return True
        for use in range(end + STALENESS + 1, state.now + SKEW + 1):
            confirmed = use - view <= STALENESS
            late = rules.any_view_settles or view >= use
            if confirmed or late:
                return False
        return True

    holds: dict[Invariant, Callable[[State], bool]] = {
        Invariant.EXISTED: existed,
        Invariant.FRESH: fresh,
        Invariant.BINDS: binds,
    }
    return Model(
        name=f"views and freshness: n = {n}, f = {f}, {liars} lying, {ticks} ticks",
        start=State(0, NEVER, (Cosigner(),) * (n - liars)),
        steps=steps,
        holds=holds,
        canonical=lambda state: state._replace(honest=tuple(sorted(state.honest))),
    )
