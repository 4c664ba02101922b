"""Two versions after each other: pins, keys that are stolen once retired, a member that returns.

Versions 0, 1 and 2 of three witnesses each, f = 0, q = 2. Version 1 swaps two of them; they retire
with version 2, and retired keys are worth nothing: somebody steals them and signs whatever the
forking writer likes. Branches A and C begin with the epoch entry of version 1, B has none. A reader
holds the newest roster, refuses what contradicts its pins, and keeps what it once took for final.

Written from section 7 of the protocol alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from tests.model.explorer import Model, Step
from tests.model.invariants import Invariant, quorum

Q = quorum(3, 0)
COMMON = ""
BRANCHES = ("A", "B", "C")
WITH_EPOCH = frozenset({"A", "C"})
VERSIONS = (frozenset({0, 1, 2}), frozenset({0, 3, 4}))
RETIRED = frozenset({1, 2})
RETURNING = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and what it keeps out."""

    waits_for_epoch: bool = True
    """Version 2 is signed only when the epoch note of version 1 is replicated."""
    returns_with_row: bool = True
    """A member that returns with its old key goes on from its row; else from the pin."""


class State(NamedTuple):
    version: int = 0
    pin: str = COMMON
    rows: tuple[str, ...] = (COMMON,) * 5
    lines: tuple[frozenset[str], ...] = (frozenset(),) * 5
    accepted: frozenset[str] = frozenset()
    """What some reader took for final."""


def build(rules: Rules, *, stolen: bool) -> Model:
    """Build the model with stolen keys, or with a member that returns."""

    def signers(state: State, branch: str) -> set[int]:
        signed = {at for at, lines in enumerate(state.lines) if branch in lines}
        return signed | RETIRED if stolen and state.version == 2 else signed

    def final(state: State, branch: str) -> bool:
        needed = VERSIONS if branch in WITH_EPOCH else VERSIONS[:1]
        if branch in WITH_EPOCH and state.version == 0:
            return False
        return all(len(signers(state, branch) & version) >= Q for version in needed)

    def read(state: State) -> State:
        """Let readers take what is final now and does not contradict the pin."""
        taken = {
            branch for branch in BRANCHES if state.pin in {COMMON, branch} and final(state, branch)
        }
        return state._replace(accepted=state.accepted | taken)

    def sign_next(state: State) -> Iterator[Step]:
        for pin in (COMMON, *BRANCHES):
            replicated = pin == COMMON or pin in state.accepted
            late_enough = pin in WITH_EPOCH or not rules.waits_for_epoch
            if not replicated or state.pin not in {COMMON, pin}:
                continue
            if state.version == 1 and not late_enough:
                continue
            rows = list(state.rows)
            if state.version == 0:
                rows[3] = rows[4] = pin
            elif not stolen and not rules.returns_with_row:
                rows[RETURNING] = pin
            name = pin or "the common head"
            yield (
                f"version {state.version + 1} is signed, and pins {name}",
                read(State(state.version + 1, pin, tuple(rows), state.lines, state.accepted)),
            )

    def may_sign(state: State, at: int) -> bool:
        if at in {3, 4}:
            return state.version > 0
        if at == RETURNING:
            return state.version == 0 or (state.version == 2 and not stolen)
        return at == 0 or state.version < 2

    def steps(state: State) -> Iterator[Step]:
        if state.version < 2:
            yield from sign_next(state)
        for at, row in enumerate(state.rows):
            if not may_sign(state, at):
                continue
            for branch in BRANCHES:
                if row in {COMMON, branch} and branch not in state.lines[at]:
                    rows = (*state.rows[:at], branch, *state.rows[at + 1 :])
                    lines = state.lines[at] | {branch}
                    all_lines = (*state.lines[:at], lines, *state.lines[at + 1 :])
                    moved = state._replace(rows=rows, lines=all_lines)
                    yield f"witness {at + 1} signs {branch}", read(moved)

    holds: dict[Invariant, Callable[[State], bool]] = {
        Invariant.ONE_HISTORY: lambda state: len(state.accepted) <= 1,
        Invariant.ONE_BRANCH: lambda state: (
            not any(list(combinations(lines, 2)) for lines in state.lines)
        ),
    }
    what = "retired keys are stolen" if stolen else "a member returns"
    return Model(name=f"pins: two roster steps, {what}", start=State(), steps=steps, holds=holds)
