"""A model of dated lines: when an entry existed, and until when a view was fresh.

The grantor's log has a head before a revocation and one after it. Honest cosigners date their
lines by clocks that are off by at most one tick, and never go back in time or size; liars sign
either head with any date up to now. The adversary chooses which lines become bytes in views and
block records.

Written from protocol.md sections 0 and 4 alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import Any, NamedTuple

TICKS = 3
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


def steps_of(rules: Rules) -> Callable[[State], Iterator[State]]:
    def steps(state: State) -> Iterator[State]:
        if state.now < TICKS:
            yield state._replace(now=state.now + 1)
        if state.revoked == NEVER:
            yield state._replace(revoked=state.now)
        for at, one in enumerate(state.honest):
            for error in range(-SKEW, SKEW + 1):
                clock = state.now + error
                date = clock if rules.clock_may_step_back else max(clock, one.last)
                signed = []
                if one.new == NEVER:
                    signed.append(Cosigner(date, max(one.old, date), NEVER))
                    if state.revoked != NEVER:
                        signed.append(Cosigner(date, one.old, date))
                for moved in signed:
                    honest = tuple(sorted((*state.honest[:at], moved, *state.honest[at + 1 :])))
                    yield state._replace(honest=honest)

    return steps


def fresh_at(dates: Sequence[int], quorum: int, rules: Rules) -> int:
    ordered = sorted(dates, reverse=not rules.fresh_smallest)
    return ordered[quorum - 1]


def seen_by(dates: Sequence[int], quorum: int, rules: Rules) -> int:
    return min(dates) if rules.seen_first else sorted(dates)[quorum - 1]


def choices(dates: list[int], liars: int, quorum: int, latest: int) -> Iterator[list[int]]:
    """Every set of at least q lines that the adversary can put together, liars' dates free."""
    usable = sorted(date for date in dates if date != NEVER)
    for mask in range(1 << len(usable)):
        chosen = [date for at, date in enumerate(usable) if mask >> at & 1]
        for used in range(liars + 1):
            if len(chosen) + used >= quorum:
                for lies in combinations_with_replacement(range(-SKEW, latest + 1), used):
                    yield [*chosen, *lies]


def holds_of(liars: int, quorum: int, rules: Rules) -> Callable[[State], bool]:
    def holds(state: State) -> bool:
        latest = state.now + SKEW
        ends = {
            seen_by(dates, quorum, rules)
            for dates in choices([one.new for one in state.honest], liars, quorum, latest)
        }
        # (1) An entry existed by the time that its lines say, give or take a clock.
        if ends and state.revoked != NEVER and min(ends) + SKEW < state.revoked:
            return False
        views = {
            fresh_at(dates, quorum, rules)
            for dates in choices([one.old for one in state.honest], liars, quorum, latest)
        }
        # (2) A use that was seen more than S after the end was seen is confirmed by no view
        # that lacks the end. Uses may be seen at any tick, so only the best view matters.
        return not any(view + STALENESS > end + STALENESS for view, end in product(views, ends))

    return holds


def run(explore: Callable[..., Any], n: int, liars: int, quorum: int, rules: Rules) -> Any:
    start = State(0, NEVER, (Cosigner(),) * (n - liars))
    return explore(start, steps_of(rules), holds_of(liars, quorum, rules))


def test_no_old_view_is_fresher_than_the_end_it_lacks(explore: Callable[..., Any]) -> None:
    found = run(explore, 4, 1, 3, Rules())
    assert found.broken is None
    assert found.states > 1_000


def test_without_liars_it_holds_for_four_regions_too(explore: Callable[..., Any]) -> None:
    assert run(explore, 3, 0, 2, Rules()).broken is None


def test_the_smallest_date_for_freshness_lets_one_liar_keep_a_view_fresh(
    explore: Callable[..., Any],
) -> None:
    assert run(explore, 4, 1, 3, Rules(fresh_smallest=True)).broken is not None


def test_the_first_line_for_existence_lets_one_liar_backdate(explore: Callable[..., Any]) -> None:
    assert run(explore, 4, 1, 3, Rules(seen_first=True)).broken is not None


def test_a_cosigner_whose_clock_may_step_back_breaks_dated_evidence(
    explore: Callable[..., Any],
) -> None:
    assert run(explore, 3, 0, 2, Rules(clock_may_step_back=True)).broken is not None


def test_one_liar_more_than_f_breaks_it(explore: Callable[..., Any]) -> None:
    assert run(explore, 4, 2, 3, Rules()).broken is not None
