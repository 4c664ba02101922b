"""A model of custody: three regions, three logs, views that lag as they like, one branch of a case.

A region sees a prefix of another's log, and longer ones later. Each acts when its own log and what
it sees allow it, and each has its own opinion of who holds the branch; at no time may two regions
think that they hold it.

Written from protocol.md section 5 alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

REGIONS = (0, 1, 2)
LOG_MAX = 5


class Entry(NamedTuple):
    """``at`` is the place of the entry answered or ended: (region, index); ``to`` the receiver."""

    kind: str
    at: tuple[int, int] = (-1, -1)
    to: int = -1


class State(NamedTuple):
    logs: tuple[tuple[Entry, ...], ...]
    views: tuple[tuple[int, ...], ...]
    """views[a][b]: how many entries of b's log region a sees; its own are all seen."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and designs that were rejected."""

    moves_at_acceptance: bool = False
    """Custody moves when the receiver accepts."""
    any_release: bool = False
    """A receiver that accepted takes any later release in the holder's log for its own."""
    open_max: int = 1
    """How many offers of one branch may be open at once."""
    cancel_ends_nothing: bool = False
    """A release may follow the cancel of the same offer, and the receiver counts it."""


def seen(state: State, region: int, other: int) -> tuple[Entry, ...]:
    if region == other:
        return state.logs[region]
    return state.logs[other][: state.views[region][other]]


def ended(log: tuple[Entry, ...], offer: int, region: int) -> str:
    """Return how the offer ended in its own log: the first of release and cancel counts."""
    for entry in log:
        if entry.kind in {"release", "cancel"} and entry.at == (region, offer):
            return entry.kind
    return ""


def is_released(log: tuple[Entry, ...], offer: int, region: int) -> bool:
    return any(entry.kind == "release" and entry.at == (region, offer) for entry in log)


def answer_to(log: tuple[Entry, ...], offer: tuple[int, int]) -> str:
    for entry in log:
        if entry.kind in {"accept", "decline"} and entry.at == offer:
            return entry.kind
    return ""


def holds_it(state: State, region: int, rules: Rules) -> bool:
    """Whether ``region`` thinks that it holds the branch, from its own log and its views."""
    got = 1 if region == 0 else 0
    lost = 0
    for other in REGIONS:
        if other == region:
            continue
        log = seen(state, region, other)
        for index, entry in enumerate(log):
            if entry.kind != "offer" or entry.to != region:
                continue
            accepted = answer_to(state.logs[region], (other, index)) == "accept"
            released = any(later.kind == "release" for later in log[index:])
            if rules.moves_at_acceptance:
                got += accepted and ended(log, index, other) != "cancel"
            elif rules.any_release:
                got += accepted and released
            elif rules.cancel_ends_nothing:
                got += is_released(log, index, other)
            else:
                got += ended(log, index, other) == "release"
    own = state.logs[region]
    for index, entry in enumerate(own):
        if entry.kind == "offer":
            end = ended(own, index, region)
            if rules.moves_at_acceptance:
                answer = answer_to(seen(state, region, entry.to), (region, index))
                lost += answer == "accept" and end != "cancel"
            else:
                lost += end == "release"
    return got > lost


def steps_of(rules: Rules, entries_max: int) -> Callable[[State], Iterator[State]]:
    def append(state: State, region: int, entry: Entry) -> State:
        logs = list(state.logs)
        logs[region] = (*logs[region], entry)
        return state._replace(logs=tuple(logs))

    def acts(state: State, region: int) -> Iterator[Entry]:
        own = state.logs[region]
        holder = holds_it(state, region, rules)
        open_count = 0
        for index, entry in enumerate(own):
            if entry.kind != "offer":
                continue
            end = ended(own, index, region)
            open_count += not end
            answer = answer_to(seen(state, region, entry.to), (region, index))
            may = not end or (rules.cancel_ends_nothing and not is_released(own, index, region))
            if answer == "accept" and may and not rules.moves_at_acceptance:
                yield Entry("release", (region, index), entry.to)
            if not end and answer != "accept":
                yield Entry("cancel", (region, index))
        if holder and open_count < rules.open_max:
            for other in REGIONS:
                if other != region:
                    yield Entry("offer", to=other)
        for other in REGIONS:
            if other == region:
                continue
            for index, entry in enumerate(seen(state, region, other)):
                is_offer = entry.kind == "offer" and entry.to == region
                if is_offer and not answer_to(own, (other, index)):
                    yield Entry("accept", (other, index))
                    yield Entry("decline", (other, index))

    def steps(state: State) -> Iterator[State]:
        total = sum(len(log) for log in state.logs)
        for region in REGIONS:
            if total < entries_max and len(state.logs[region]) < LOG_MAX:
                for entry in acts(state, region):
                    yield append(state, region, entry)
            for other in REGIONS:
                if other != region and state.views[region][other] < len(state.logs[other]):
                    views = [list(row) for row in state.views]
                    views[region][other] = len(state.logs[other])
                    yield state._replace(views=tuple(tuple(row) for row in views))

    return steps


def run(explore: Callable[..., Any], rules: Rules, entries_max: int) -> Any:
    def holds(state: State) -> bool:
        return sum(holds_it(state, region, rules) for region in REGIONS) <= 1

    start = State(((), (), ()), ((0, 0, 0),) * 3)
    return explore(start, steps_of(rules, entries_max), holds)


def test_two_regions_never_hold_a_branch(explore: Callable[..., Any]) -> None:
    found = run(explore, Rules(), entries_max=7)
    assert found.broken is None
    assert found.states > 15_000


def test_custody_that_moves_at_acceptance_gives_two_holders(explore: Callable[..., Any]) -> None:
    """The receiver accepts while the holder, behind a cut link, cancels: nobody lied."""
    assert run(explore, Rules(moves_at_acceptance=True), entries_max=6).broken is not None


@pytest.mark.parametrize(
    "rules",
    [
        Rules(any_release=True),
        Rules(open_max=2),
        Rules(cancel_ends_nothing=True),
    ],
    ids=["any release taken for one's own", "two offers open", "released after a cancel"],
)
def test_each_careless_handoff_gives_two_holders(explore: Callable[..., Any], rules: Rules) -> None:
    assert run(explore, rules, entries_max=6).broken is not None
