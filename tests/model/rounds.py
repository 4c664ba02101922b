"""Proposals for one roster version: the steward, stalls, and rounds with other members.

Each round has one proposal at most, since it is an entry of one member's log and logs do not fork.
Honest members sign it or stall; liars among the members sign everything, and stall with any claim
that can be shown. The leader of a round chooses which stalls to cite and, where they leave it
free, what to propose. A signature counts with those of its own round: counted over all rounds, two
proposals of one version can both be completed, in four rounds.

Written from section 7 of the protocol alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product
from typing import NamedTuple

from tests.model.explorer import Model, Step
from tests.model.invariants import Invariant, quorum

NOTHING = ""
VALUES = ("P", "Q")

Claim = tuple[int, str]
"""(round, what was signed in it); round -1 and NOTHING where nothing was."""
NO_CLAIM: Claim = (-1, NOTHING)


class Member(NamedTuple):
    """An honest one: what it signed in each round, and in which rounds it stalled, saying what."""

    signed: tuple[str, ...]
    stalled: tuple[Claim | None, ...]

    def highest(self) -> Claim:
        signed = [(at, value) for at, value in enumerate(self.signed) if value]
        return signed[-1] if signed else NO_CLAIM

    def round(self) -> int:
        """Return the highest round that it took part in; -1 where it took part in none."""
        taken = [
            at
            for at, (value, claim) in enumerate(zip(self.signed, self.stalled, strict=True))
            if value or claim is not None
        ]
        return taken[-1] if taken else -1


class State(NamedTuple):
    proposals: tuple[str, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and what it keeps out."""

    rounds: bool = True
    """Stalls open rounds; else two members propose at once, and each member signs the first."""
    repeats: bool = True
    """A proposal repeats that of the highest round any cited stall names."""
    signs_after_stall: bool = False
    """A member that stalled still signs in that round."""
    stalls_less: int = 0
    """By how much too few stalls open a round."""
    rounds_apart: bool = True
    """Signatures count with those of their own round; else a document keeps all it ever got."""
    claims_unchecked: bool = False
    """A stall's claim is believed though no such proposal stands in that round."""
    old_key_counts: bool = True
    """Who changes its governance key with P signs it with the old one, for both versions; else the
    new version lacks that member's signature."""


def build(rules: Rules, *, members: int = 4, rounds: int = 3, liars: int = 1) -> Model:
    f = (members - 1) // 3
    needed = quorum(members, f)
    fresh = Member((NOTHING,) * rounds, (None,) * rounds)

    def lies(state: State, at: int) -> set[Claim]:
        """What a liar's stall in round ``at`` may say."""
        shown = {(r, value) for r, value in enumerate(state.proposals[: at + 1]) if value}
        if rules.claims_unchecked:
            shown |= set(product(range(at + 1), VALUES))
        return shown | {NO_CLAIM}

    def allowed(state: State, at: int) -> set[str]:
        """Return what the leader of round ``at`` may propose."""
        if at == 0 or not rules.rounds:
            return set(VALUES)
        stalls = [claim for one in state.members if (claim := one.stalled[at - 1]) is not None]
        free: set[str] = set()
        for lying in range(liars + 1):
            honest = needed - rules.stalls_less - lying
            for told in set(combinations(sorted(stalls), max(honest, 0))):
                for lied in combinations_with_replacement(sorted(lies(state, at - 1)), lying):
                    highest = max((*told, *lied), default=NO_CLAIM)
                    if highest == NO_CLAIM or not rules.repeats:
                        return set(VALUES)
                    free.add(highest[1])
        return free

    def proposing(state: State) -> Iterator[Step]:
        for at in range(rounds):
            if not state.proposals[at]:
                for value in sorted(allowed(state, at)):
                    if value == "Q" and at == 0:
                        continue  # the first proposal is called P
                    proposals = (*state.proposals[:at], value, *state.proposals[at + 1 :])
                    yield (
                        f"round {at + 1}: {value} is proposed",
                        state._replace(proposals=proposals),
                    )

    def signing(state: State, at: int) -> Iterator[Step]:
        one = state.members[at]
        for r, value in enumerate(state.proposals):
            stalled = one.stalled[r] is not None and not rules.signs_after_stall
            elsewhere = not rules.rounds and any(one.signed)
            if value and not one.signed[r] and r >= one.round() and not stalled and not elsewhere:
                signed = (*one.signed[:r], value, *one.signed[r + 1 :])
                yield (
                    f"member {at + 1} signs {value} in round {r + 1}",
                    _with(state, at, one._replace(signed=signed)),
                )

    def stalling(state: State, at: int) -> Iterator[Step]:
        one = state.members[at]
        for r in range(rounds - 1 if rules.rounds else 0):
            # The last round of the model is never stalled: the protocol has no last one.
            is_open = r == 0 or bool(allowed(state, r))
            if is_open and one.stalled[r] is None and r >= one.round():
                stalled = (*one.stalled[:r], one.highest(), *one.stalled[r + 1 :])
                said = one.highest()[1] or "nothing"
                yield (
                    f"member {at + 1} stalls round {r + 1}, having signed {said}",
                    _with(state, at, one._replace(stalled=stalled)),
                )

    def steps(state: State) -> Iterator[Step]:
        yield from proposing(state)
        for at in range(len(state.members)):
            yield from signing(state, at)
            yield from stalling(state, at)

    def complete(state: State, extra: int) -> set[str]:
        """Return what has q_m signatures, with those that liars give to everything."""
        found = set()
        for value in VALUES:
            counts = [sum(one.signed[r] == value for one in state.members) for r in range(rounds)]
            if not rules.rounds_apart:
                counts.append(sum(value in one.signed for one in state.members))
            missing = value == "P" and not rules.old_key_counts
            if max(counts) - missing + extra >= needed:
                found.add(value)
        return found

    holds: dict[Invariant, Callable[[State], bool]] = {
        Invariant.ONE_VERSION: lambda state: len(complete(state, liars)) <= 1
    }
    names = "stalls" if rules.rounds else "no stalls"
    return Model(
        name=f"roster rounds: {members} members, {liars} lying, {rounds} rounds, {names}",
        start=State((NOTHING,) * rounds, (fresh,) * (members - liars)),
        steps=steps,
        holds=holds,
        canonical=lambda state: State(state.proposals, tuple(sorted(state.members, key=_order))),
        fair=steps,
        # Without the liars' signatures, which nobody can count on.
        done=lambda state: bool(complete(state, 0)),
    )


def _order(one: Member) -> tuple[object, ...]:
    return (one.signed, tuple(claim or (-2, NOTHING) for claim in one.stalled))


def _with(state: State, at: int, moved: Member) -> State:
    return state._replace(members=(*state.members[:at], moved, *state.members[at + 1 :]))
