"""Custody: regions whose logs are seen late, one branch of a case, and a region that is lost.

A region sees a prefix of another's log, and longer ones later. Each acts when its own log and what
it sees allow it, and each has its own opinion of who holds the branch. A log may be closed once,
at a cut no lower than what anyone has seen of it; its successor goes on from there, and projections
treat the two as one.

Written from sections 5 and 6 of the protocol alone; it shares no code with the ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Model, Step
from tests.model.invariants import Invariant

OPEN = -1


class Entry(NamedTuple):
    """``at`` is the place of the offer answered or ended: (region, index); ``to`` the receiver."""

    kind: str
    at: tuple[int, int] = (-1, -1)
    to: int = -1

    def words(self) -> str:
        if self.kind == "offer":
            return f"offers the branch to {self.to}"
        return f"appends the {self.kind} of offer {self.at[1]} of {self.at[0]}"


class State(NamedTuple):
    logs: tuple[tuple[Entry, ...], ...]
    views: tuple[tuple[int, ...], ...]
    """views[a][b]: how many entries of b's log region a sees; its own are all seen."""
    cuts: tuple[int, ...] = (OPEN,) * 3
    """Where each region's first log was closed; OPEN while it was not."""


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
    accepted_is_released: bool = False
    """In a closed log, an offer that was open at the cut counts as released once accepted."""


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


def _open_at_cut(state: State, region: int, offer: int) -> bool:
    cut = state.cuts[region]
    return cut != OPEN and offer < cut and not ended(state.logs[region][:cut], offer, region)


def holds_it(state: State, region: int, rules: Rules) -> bool:
    """Whether ``region`` thinks that it holds the branch, from its own log and its views."""
    own = state.logs[region]
    got = 1 if region == 0 else 0
    lost = 0
    for other in range(len(state.logs)):
        if other == region:
            continue
        log = seen(state, region, other)
        for index, entry in enumerate(log):
            if entry.kind != "offer" or entry.to != region:
                continue
            accepted = answer_to(own, (other, index)) == "accept"
            if rules.moves_at_acceptance:
                got += accepted and ended(log, index, other) != "cancel"
            elif rules.any_release:
                got += accepted and any(later.kind == "release" for later in log[index:])
            elif rules.cancel_ends_nothing:
                got += is_released(log, index, other)
            elif rules.accepted_is_released and _open_at_cut(state, other, index):
                got += accepted
            else:
                got += ended(log, index, other) == "release"
    for index, entry in enumerate(own):
        if entry.kind != "offer":
            continue
        end = ended(own, index, region)
        answer = answer_to(seen(state, region, entry.to), (region, index))
        if rules.moves_at_acceptance:
            lost += answer == "accept" and end != "cancel"
        elif rules.accepted_is_released and _open_at_cut(state, region, index):
            lost += answer == "accept" or end == "release"
        else:
            lost += end == "release"
    return got > lost


def acts(state: State, region: int, rules: Rules) -> Iterator[Entry]:
    """Yield what ``region`` may append now."""
    own = state.logs[region]
    others = [other for other in range(len(state.logs)) if other != region]
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
        if not end:
            yield Entry("cancel", (region, index))
    if open_count < rules.open_max and holds_it(state, region, rules):
        for other in others:
            yield Entry("offer", to=other)
    for other in others:
        for index, entry in enumerate(seen(state, region, other)):
            is_offer = entry.kind == "offer" and entry.to == region
            if is_offer and not answer_to(own, (other, index)):
                yield Entry("accept", (other, index))
                yield Entry("decline", (other, index))


def build(rules: Rules, *, entries_max: int, closings_max: int = 0) -> Model:
    """Three regions; the first has the case at the start, the other two are alike."""
    regions = range(3)

    def steps(state: State) -> Iterator[Step]:
        total = sum(len(log) for log in state.logs)
        for region in regions:
            if total < entries_max:
                for entry in acts(state, region, rules):
                    logs = list(state.logs)
                    logs[region] = (*logs[region], entry)
                    yield f"{region} {entry.words()}", state._replace(logs=tuple(logs))
            for other in regions:
                if other != region and state.views[region][other] < len(state.logs[other]):
                    views = [list(row) for row in state.views]
                    views[region][other] = len(state.logs[other])
                    yield (
                        f"{region} sees {len(state.logs[other])} entries of {other}",
                        state._replace(views=tuple(tuple(row) for row in views)),
                    )
            if len(regions) - state.cuts.count(OPEN) < closings_max:
                lowest = max(state.views[other][region] for other in regions)
                for cut in range(max(1, lowest), len(state.logs[region]) + 1):
                    logs, cuts = list(state.logs), list(state.cuts)
                    logs[region], cuts[region] = logs[region][:cut], cut
                    yield (
                        f"{region} is lost, and its log closed at {cut}",
                        state._replace(logs=tuple(logs), cuts=tuple(cuts)),
                    )

    def one_holder(state: State) -> bool:
        return sum(holds_it(state, region, rules) for region in regions) <= 1

    return Model(
        name=f"custody: 3 regions, {entries_max} entries, {closings_max} closed",
        start=State(((),) * 3, ((0,) * 3,) * 3),
        steps=steps,
        holds={Invariant.ONE_HOLDER: one_holder},
        canonical=lambda state: min(state, _renamed(state)),
    )


_OTHER = {-1: -1, 0: 0, 1: 2, 2: 1}


def _renamed(state: State) -> State:
    """Return the same state with regions 1 and 2 called by each other's names."""

    def entry(one: Entry) -> Entry:
        return Entry(one.kind, (_OTHER[one.at[0]], one.at[1]), _OTHER[one.to])

    def swapped(row: tuple[int, ...]) -> tuple[int, ...]:
        return (row[0], row[2], row[1])

    logs = [tuple(entry(one) for one in log) for log in state.logs]
    views = [swapped(row) for row in state.views]
    return State((logs[0], logs[2], logs[1]), (views[0], views[2], views[1]), swapped(state.cuts))
