"""Candidates: one note to all, and who may bring a log's notes to its witnesses.

Three honest witnesses and one that never answers. The writer publishes as it commits and has one
candidate; somebody else brings witnesses whatever was published. A line counts for the one tree
that it is on, as it must for a view's freshness.

Written from sections 0 and 2 of the protocol alone; it shares no code with the ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Model, Step
from tests.model.invariants import Invariant

PENDING, REFUSED = -1, 0


class Witness(NamedTuple):
    row: int = 0
    answer: int = PENDING
    """To the present candidate: the size it signed."""
    heard: bool = False
    """Whether the log itself sent it something within R."""


class State(NamedTuple):
    published: int
    candidate: int
    heard_by_all: bool
    """Whether all heard the log when this candidate was chosen, and have since."""
    honest: tuple[Witness, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and what it keeps out."""

    from_anyone: bool = False
    """A note that anyone brings moves a witness's row."""
    newest_to_each: bool = False
    """Each witness is sent the newest note, not the one candidate."""


def build(rules: Rules, *, published_max: int = 4, witnesses: int = 3) -> Model:
    def steps(state: State) -> Iterator[Step]:
        if state.published < published_max:
            size = state.published + 1
            yield f"the writer publishes {size}", state._replace(published=size)
        if state.published > state.candidate:
            heard = all(one.heard for one in state.honest)
            waiting = tuple(one._replace(answer=PENDING) for one in state.honest)
            yield (
                f"the writer's candidate is {state.published}",
                State(state.published, state.published, heard, waiting),
            )
        if any(one.heard for one in state.honest):
            deaf = tuple(one._replace(heard=False) for one in state.honest)
            yield (
                "R passes, and the writer sends nothing",
                state._replace(honest=deaf, heard_by_all=False),
            )
        for at, one in enumerate(state.honest):
            sent = state.published if rules.newest_to_each else state.candidate
            if sent and one.answer in {PENDING, REFUSED}:
                signed = sent if one.row <= sent else REFUSED
                moved = Witness(max(one.row, sent), signed, heard=True)
                did = f"signs {sent}" if signed else f"refuses {sent}, being at {one.row}"
                yield f"witness {at + 1} {did}", _with(state, at, moved)
            for size in range(one.row + 1, state.published + 1):
                if rules.from_anyone or not one.heard:
                    moved = one._replace(row=size)
                    yield f"someone brings {size} to witness {at + 1}", _with(state, at, moved)

    def gets_a_quorum(state: State) -> bool:
        answers = [one.answer for one in state.honest]
        # The fourth witness lies and is silent: q = 3 are all three of the honest ones.
        return not state.heard_by_all or PENDING in answers or len(set(answers)) == 1

    return Model(
        name=f"candidates: {witnesses} honest witnesses and one silent, {published_max} notes",
        start=State(0, 0, heard_by_all=False, honest=(Witness(),) * witnesses),
        steps=steps,
        holds={Invariant.CANDIDATE: gets_a_quorum},
        canonical=lambda state: state._replace(honest=tuple(sorted(state.honest))),
    )


def _with(state: State, at: int, moved: Witness) -> State:
    return state._replace(honest=(*state.honest[:at], moved, *state.honest[at + 1 :]))
