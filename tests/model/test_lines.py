"""A model of cosigning: a writer that forks, witnesses with one row, up to f that lie.

The writer signed a common head and two branches that grow from it. Honest cosigners take them in
any order; liars have signed everything from the start. A quorum counts q keys; two inconsistent
heads with a quorum each are two final histories, whichever kinds of line make the quorums.

Written from protocol.md sections 0 and 1 alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import pytest

# Heads are (branch, size); branch "" is common to both histories. Size 0 is the empty tree.
HEADS = (("", 1), ("A", 2), ("A", 3), ("B", 2))
EMPTY = ("", 0)
NOTHING: frozenset[tuple[str, int]] = frozenset()


def extends(old: tuple[str, int], new: tuple[str, int]) -> bool:
    return new[1] >= old[1] and (old[0] in {"", new[0]})


def inconsistent(one: tuple[str, int], other: tuple[str, int]) -> bool:
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


@dataclass(frozen=True, slots=True, order=True)
class Cosigner:
    """An honest one: its row or rows, what the disk has of them, and every line it gave."""

    row: tuple[str, int] = EMPTY
    mirror_row: tuple[str, int] = EMPTY
    disk: tuple[str, int] = EMPTY
    witnessed: tuple[tuple[str, int], ...] = ()
    mirrored: tuple[tuple[str, int], ...] = ()


def moves(one: Cosigner, rules: Rules) -> Iterator[Cosigner]:
    for head in HEADS:
        if not rules.check_growth or extends(one.row, head):
            disk = head if rules.durable_first else one.disk
            lines = tuple(sorted({*one.witnessed, head}))
            yield Cosigner(head, one.mirror_row, disk, lines, one.mirrored)
        # The mirror key signs sizes up to the row's, on its branch; with a row of its own it
        # looks only at what the mirror key signed before.
        allowed = extends(head, one.row) if rules.one_row else True
        if allowed and extends(one.mirror_row, head):
            lines = tuple(sorted({*one.mirrored, head}))
            yield Cosigner(one.row, head, one.disk, one.witnessed, lines)
    if not rules.durable_first:
        yield Cosigner(one.row, one.mirror_row, one.row, one.witnessed, one.mirrored)  # flushed
        yield Cosigner(one.disk, one.mirror_row, one.disk, one.witnessed, one.mirrored)  # crashed


@cache
def reachable(rules: Rules) -> tuple[Cosigner, ...]:
    """Return every state of one honest cosigner; cosigners do not talk to each other."""
    seen, waiting = {Cosigner()}, [Cosigner()]
    while waiting:
        for following in moves(waiting.pop(), rules):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return tuple(sorted(seen))


def two_histories(lines: Iterable[Cosigner], liars: int, quorum: int) -> bool:
    """Whether two inconsistent heads have a quorum each, of lines of either kind."""
    final = set()
    cosigners = tuple(lines)
    for head in HEADS:
        # A line on a larger tree of the branch covers the smaller ones too.
        for kind in ("witnessed", "mirrored"):
            count = sum(
                any(extends(head, signed) for signed in getattr(one, kind)) for one in cosigners
            )
            if count + liars >= quorum:
                final.add(head)
    return any(inconsistent(one, other) for one, other in product(final, final))


def run(explore: Callable[..., Any], *, n: int, liars: int, quorum: int, rules: Rules) -> Any:
    """Walk all interleavings of the honest cosigners, which are alike and so kept sorted."""

    def steps(state: tuple[Cosigner, ...]) -> Iterator[tuple[Cosigner, ...]]:
        for at, one in enumerate(state):
            for moved in moves(one, rules):
                yield tuple(sorted((*state[:at], moved, *state[at + 1 :])))

    def holds(state: tuple[Cosigner, ...]) -> bool:
        return not two_histories(state, liars, quorum)

    return explore((Cosigner(),) * (n - liars), steps, holds)


@pytest.mark.parametrize(("n", "liars", "quorum"), [(3, 0, 2), (3, 1, 3), (4, 1, 3)])
def test_no_two_histories_become_final_with_at_most_f_liars(
    explore: Callable[..., Any], n: int, liars: int, quorum: int
) -> None:
    found = run(explore, n=n, liars=liars, quorum=quorum, rules=Rules())
    assert found.broken is None
    assert found.states > 500


@pytest.mark.parametrize(("n", "liars", "quorum"), [(3, 0, 1), (3, 1, 2), (4, 1, 2)])
def test_a_quorum_smaller_by_one_lets_two_histories_become_final(
    explore: Callable[..., Any], n: int, liars: int, quorum: int
) -> None:
    assert run(explore, n=n, liars=liars, quorum=quorum, rules=Rules()).broken is not None


def test_more_than_f_liars_beside_a_forking_writer_break_it(explore: Callable[..., Any]) -> None:
    """The stated limit: with f + 1 liars no promise is left, and the model says so."""
    assert run(explore, n=4, liars=2, quorum=3, rules=Rules()).broken is not None


@pytest.mark.parametrize(
    "rules",
    [Rules(one_row=False), Rules(durable_first=False), Rules(check_growth=False)],
    ids=["a row for each key", "answered before it is durable", "growth not checked"],
)
def test_each_careless_cosigner_lets_two_histories_become_final(
    explore: Callable[..., Any], rules: Rules
) -> None:
    assert run(explore, n=4, liars=1, quorum=3, rules=rules).broken is not None


def test_one_row_keeps_every_line_of_an_honest_key_on_one_branch() -> None:
    for one in reachable(Rules()):
        signed = (*one.witnessed, *one.mirrored)
        assert not any(inconsistent(a, b) for a, b in product(signed, signed))
