"""Proposals for one roster version: the steward, stalls, and rounds with other members.

Each round has one proposal at most, since it is an entry of one member's log and logs do not fork;
but where a log has a small committee, that committee and its writer may show two of them.
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
    """``proposals`` are by round, in order where a round has two."""

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
    excludes: bool = True
    """Of two proposals that stalls name of one round, one is repeated where the other cannot have
    been completed; else any of them is."""
    old_key_counts: bool = True
    """Who changes its governance key with P signs it with the old one, for both versions; else the
    new version lacks that member's signature."""


def build(
    rules: Rules, *, members: int = 4, rounds: int = 3, liars: int = 1, forks: bool = False
) -> Model:
    """Return the model; with ``forks`` each proposer's log may show two proposals in its round."""
    f = (members - 1) // 3
    needed = quorum(members, f)
    fresh = Member((NOTHING,) * rounds, (None,) * rounds)

    def proposed(state: State) -> list[Claim]:
        return [(r, value) for r, values in enumerate(state.proposals) for value in values]

    def lies(state: State, at: int) -> set[Claim]:
        """What a liar's stall in round ``at`` may say."""
        shown = {
            (r, value) for r, values in enumerate(state.proposals[: at + 1]) for value in values
        }
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
            least = max(needed - rules.stalls_less - lying, 0)
            # More than are needed are cited only to rule one of two out.
            for honest in range(least, (len(stalls) if forks else least) + 1):
                for told in set(combinations(sorted(stalls), honest)):
                    for lied in combinations_with_replacement(sorted(lies(state, at - 1)), lying):
                        free |= possible((*told, *lied))
        return free

    def possible(claims: tuple[Claim, ...]) -> set[str]:
        """Return what may be proposed where these stalls are cited."""
        highest, _ = max(claims, default=NO_CLAIM)
        if highest < 0 or not rules.repeats:
            return set(VALUES)
        named = {value for at, value in claims if at == highest}
        if not rules.excludes:
            return named
        return {
            value
            for value in named
            if all(
                sum(claim != (highest, other) for claim in claims) > members - needed + f
                for other in named - {value}
            )
        }

    def proposing(state: State) -> Iterator[Step]:
        for at in range(rounds):
            shown = state.proposals[at]
            if not shown or (forks and len(shown) < len(VALUES)):
                for value in sorted(allowed(state, at) - set(shown)):
                    if value == "Q" and at == 0 and not shown:
                        continue  # the first proposal is called P
                    both = "".join(sorted(shown + value))
                    proposals = (*state.proposals[:at], both, *state.proposals[at + 1 :])
                    yield (
                        f"round {at + 1}: {value} is proposed",
                        state._replace(proposals=proposals),
                    )

    def signing(state: State, at: int) -> Iterator[Step]:
        one = state.members[at]
        for r, value in proposed(state):
            stalled = one.stalled[r] is not None and not rules.signs_after_stall
            elsewhere = not rules.rounds and any(one.signed)
            if not one.signed[r] and r >= one.round() and not stalled and not elsewhere:
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
        name=f"roster rounds: {members} members, {liars} lying, {rounds} rounds, "
        + ("two proposals in one" if forks else names),
        start=State((NOTHING,) * rounds, (fresh,) * (members - liars)),
        steps=steps,
        holds=holds,
        canonical=lambda state: State(state.proposals, tuple(sorted(state.members, key=_order))),
        # Of two proposals none may ever be ruled out: that is a stated limit.
        fair=None if forks else steps,
        # Without the liars' signatures, which nobody can count on.
        done=lambda state: bool(complete(state, 0)),
    )


def _order(one: Member) -> tuple[object, ...]:
    return (one.signed, tuple(claim or (-2, NOTHING) for claim in one.stalled))


def _with(state: State, at: int, moved: Member) -> State:
    return state._replace(members=(*state.members[:at], moved, *state.members[at + 1 :]))
