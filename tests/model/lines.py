"""Cosigning: a writer that forks, witnesses with one row, up to f that lie.

The writer signed a common head and two branches that grow from it. Honest cosigners take them in
any order; liars have signed everything from the start. A quorum counts q keys; two inconsistent
heads with a quorum each are two final histories, whichever kinds of line make the quorums.

Written from sections 0 and 1 of the protocol alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import NamedTuple

from tests.model.explorer import Model, Step
from tests.model.invariants import Invariant, quorum

Head = tuple[str, int]
"""(branch, size); branch "" is common to both histories."""

EMPTY: Head = ("", 0)
SHORT: tuple[Head, ...] = (("", 1), ("A", 2), ("B", 2))
LONG: tuple[Head, ...] = (("", 1), ("A", 2), ("A", 3), ("B", 2))


@cache
def extends(old: Head, new: Head) -> bool:
    return new[1] >= old[1] and (old[0] in {"", new[0]})


def inconsistent(one: Head, other: Head) -> bool:
    return not extends(one, other) and not extends(other, one)


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and the ways in which a careless node might differ from it."""

    one_row: bool = True
    """One row for witness and mirror key; else each key has its own."""
    durable_first: bool = True
    """The row is durable before the answer leaves; else a crash may forget it."""
    check_growth: bool = True
    """A cosigner signs only what extends its row."""
    quorum_less: int = 0
    """By how much the quorum is too small."""


class Cosigner(NamedTuple):
    """An honest one: its row or rows, what the disk has of them, and every line it gave."""

    row: Head = EMPTY
    mirror_row: Head = EMPTY
    disk: Head = EMPTY
    witnessed: frozenset[Head] = frozenset()
    mirrored: frozenset[Head] = frozenset()


def may_witness(row: Head, head: Head, rules: Rules) -> bool:
    return not rules.check_growth or extends(row, head)


def may_mirror(one: Cosigner, head: Head, rules: Rules) -> bool:
    """The mirror key signs sizes up to the row's, on its branch.

    With a row of its own it looks only at what the mirror key signed before.
    """
    return (not rules.one_row or extends(head, one.row)) and extends(one.mirror_row, head)


@cache
def moves(one: Cosigner, heads: tuple[Head, ...], rules: Rules) -> tuple[tuple[str, Cosigner], ...]:
    return tuple(_moves(one, heads, rules))


def _moves(one: Cosigner, heads: tuple[Head, ...], rules: Rules) -> Iterator[tuple[str, Cosigner]]:
    for head in heads:
        name = f"{head[0]}{head[1]}"
        if may_witness(one.row, head, rules):
            moved = one._replace(row=head, witnessed=one.witnessed | {head})
            yield f"witnesses {name}", moved._replace(disk=head) if rules.durable_first else moved
        if may_mirror(one, head, rules):
            yield f"mirrors {name}", one._replace(mirror_row=head, mirrored=one.mirrored | {head})
    if not rules.durable_first:
        yield "writes its row to disk", one._replace(disk=one.row)
        yield "crashes and reads its row again", one._replace(row=one.disk)


@cache
def covers(lines: frozenset[Head], head: Head) -> bool:
    """Whether a line stands for ``head``: one on a larger tree of its branch does too."""
    return any(extends(head, signed) for signed in lines)


def two_histories(
    state: Iterable[Cosigner], heads: tuple[Head, ...], liars: int, needed: int
) -> bool:
    """Whether two inconsistent heads have a quorum each, of lines of either kind."""
    final = []
    for head in heads:
        counts = [0, 0]
        for one in state:
            counts[0] += covers(one.witnessed, head)
            counts[1] += covers(one.mirrored, head)
        if max(counts) + liars >= needed:
            final.append(head)
    return any(inconsistent(one, other) for one, other in combinations(final, 2))


@cache
def convicts(one: Cosigner) -> bool:
    """Whether an honest cosigner's own lines lie on two branches."""
    signed = one.witnessed | one.mirrored
    return any(inconsistent(a, b) for a, b in combinations(signed, 2))


def build(
    rules: Rules, *, n: int = 4, f: int = 1, liars: int = 1, heads: tuple[Head, ...] = SHORT
) -> Model:
    """Walk all interleavings of the honest cosigners, who are alike and so kept sorted."""
    needed = quorum(n, f) - rules.quorum_less

    def steps(state: tuple[Cosigner, ...]) -> Iterator[Step]:
        for at, one in enumerate(state):
            for label, moved in moves(one, heads, rules):
                yield f"cosigner {at + 1} {label}", (*state[:at], moved, *state[at + 1 :])

    holds: dict[Invariant, Callable[[tuple[Cosigner, ...]], bool]] = {
        Invariant.ONE_HISTORY: lambda state: not two_histories(state, heads, liars, needed),
        Invariant.ONE_BRANCH: lambda state: not any(convicts(one) for one in state),
    }
    return Model(
        name=f"lines: n = {n}, f = {f}, {liars} lying",
        start=(Cosigner(),) * (n - liars),
        steps=steps,
        holds=holds,
        canonical=lambda state: tuple(sorted(state, key=_order)),
    )


@cache
def _order(one: Cosigner) -> tuple[object, ...]:
    return (*one[:3], tuple(sorted(one.witnessed)), tuple(sorted(one.mirrored)))
