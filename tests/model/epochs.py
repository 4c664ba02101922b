"""One roster version follows another in a log: a witness of four is swapped at the epoch entry.

Two models on one roster change. In the first the writer forks, with the epoch entry on either
branch, at either place, or on neither. In the second it forks nothing, but ends a grant about the
time of the change, and views are dated. Two cosigners stand in both versions, one in the old and
one in the new alone; in each version one more lies.

Written from section 7 of the protocol alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from tests.model.explorer import Model, Step
from tests.model.invariants import Invariant, quorum

Q = quorum(4, 1)
OLD, NEW = frozenset({0, 1, 2}), frozenset({0, 1, 3})
"""The honest cosigners of the two versions; a liar stands beside them in each."""
NAMES = ("a cosigner of both", "another of both", "the one that leaves", "the one that joins")


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and what it keeps out."""

    epoch_note: bool = True
    """The first checkpoint over the epoch entry needs both quorums; else the signed roster does."""
    early_views: bool = False
    """A view's lines are counted by the version it names, before the epoch note has both."""
    floor: bool = True
    """Nothing at or above the epoch entry was seen before the later quorum on its note."""


# ---- the writer forks ---------------------------------------------------------------------------

Head = tuple[str, int]
HEADS: tuple[Head, ...] = (("A", 2), ("A", 3), ("B", 2), ("B", 3))
"""Two branches grow from a tree of one entry, which all have."""
NONE = 9
"""The size at which a branch without an epoch entry would cover it."""


class Forked(NamedTuple):
    epochs: tuple[int, int] | None
    """The size at which each branch covers its epoch entry; None before the writer chose."""
    lines: tuple[frozenset[Head], ...] = (frozenset(),) * 4


def build_forks(rules: Rules) -> Model:
    def steps(state: Forked) -> Iterator[Step]:
        if state.epochs is None:
            for places in ((a, b) for a in (2, 3, NONE) for b in (2, 3, NONE) if a >= b):
                text = " and ".join(
                    f"{branch}{at}" if at != NONE else "nowhere"
                    for branch, at in zip("AB", places, strict=True)
                )
                yield f"the epoch entry is first covered by {text}", Forked(places)
            return
        for at, lines in enumerate(state.lines):
            for head in HEADS:
                if head not in lines and all(
                    branch == head[0] and size <= head[1] for branch, size in lines
                ):
                    moved = (*state.lines[:at], lines | {head}, *state.lines[at + 1 :])
                    yield f"{NAMES[at]} signs {head[0]}{head[1]}", state._replace(lines=moved)

    def has_quorum(state: Forked, version: frozenset[int], heads: set[Head]) -> bool:
        return sum(bool(heads & state.lines[at]) for at in version) + 1 >= Q

    def joint(state: Forked, branch: str, epoch: int) -> bool:
        """Whether an epoch note of this branch has both quorums, on that same note."""
        notes = [head for head in HEADS if head[0] == branch and head[1] >= epoch]
        return any(all(has_quorum(state, who, {note}) for who in (OLD, NEW)) for note in notes)

    def stands(state: Forked, head: Head) -> bool:
        """Whether some reader takes this head for final, by block records or by a view."""
        assert state.epochs is not None
        epoch = state.epochs["AB".index(head[0])]
        above = {other for other in HEADS if other[0] == head[0] and other[1] >= head[1]}
        if head[1] < epoch:
            return has_quorum(state, OLD, above) or (
                rules.early_views and has_quorum(state, NEW, {head})
            )
        in_force = not rules.epoch_note or joint(state, head[0], epoch)
        final = in_force and has_quorum(state, NEW, above)
        viewed = (in_force or rules.early_views) and has_quorum(state, NEW, {head})
        return final or viewed

    def one_history(state: Forked) -> bool:
        if state.epochs is None:
            return True
        standing = [head for head in HEADS if stands(state, head)]
        return all(one[0] == other[0] for one, other in combinations(standing, 2))

    def canonical(state: Forked) -> Forked:
        first, second, *rest = state.lines
        if sorted(first) > sorted(second):
            return state._replace(lines=(second, first, *rest))
        return state

    return Model(
        name="epochs: a writer that forks, one witness of four swapped, f = 1",
        start=Forked(None),
        steps=steps,
        holds={Invariant.ONE_HISTORY: one_history},
        canonical=canonical,
    )


# ---- dated views --------------------------------------------------------------------------------

NEVER = -9


class Layout(NamedTuple):
    """Heads are 0, 1, …; head 0 has the grant. Which head first covers what."""

    name: str
    heads: int
    epoch: int
    end: int


LAYOUTS = (
    Layout("the end and the epoch entry in one note", 2, 1, 1),
    Layout("the epoch entry, then the end", 3, 1, 2),
    Layout("the end, then the epoch entry", 3, 2, 1),
)


class Cosigner(NamedTuple):
    """Its largest head; for each head, its first and its newest date, where they can matter."""

    at: int
    first: tuple[int, ...]
    newest: tuple[int, ...]


class Dated(NamedTuple):
    now: int
    honest: tuple[Cosigner, ...]


def build_views(rules: Rules, layout: Layout, *, ticks: int = 1) -> Model:
    never = (NEVER,) * layout.heads

    def steps(state: Dated) -> Iterator[Step]:
        if state.now < ticks:
            yield "a tick passes", state._replace(now=state.now + 1)
        for at, one in enumerate(state.honest):
            for head in range(one.at, layout.heads):
                first, newest = list(one.first), list(one.newest)
                if head >= min(layout.end, layout.epoch) and first[head] == NEVER:
                    first[head] = state.now
                if head < layout.end:
                    newest[head] = state.now
                moved = Cosigner(head, tuple(first), tuple(newest))
                honest = (*state.honest[:at], moved, *state.honest[at + 1 :])
                yield f"{NAMES[at]} signs head {head} at {state.now}", state._replace(honest=honest)

    def earliest(state: Dated, version: frozenset[int], heads: range) -> int:
        """Return the q-th smallest date on these heads, liars' dates as early as can be."""
        dates = [0]
        for at in version:
            signed = [state.honest[at].first[head] for head in heads]
            dates += sorted(date for date in signed if date != NEVER)[:1]
        dates.sort()
        return dates[Q - 1] if len(dates) >= Q else NEVER

    def latest(state: Dated, version: frozenset[int], head: int) -> int:
        """Return the q-th largest date on exactly this head, liars' dates as late as can be."""
        dates = [state.honest[at].newest[head] for at in version]
        dates = sorted([date for date in dates if date != NEVER] + [state.now])
        return dates[-Q] if len(dates) >= Q else NEVER

    def joint(state: Dated) -> int:
        """Return the later of the two q-th smallest dates on the epoch note; NEVER without both."""
        note = range(layout.epoch, layout.epoch + 1)
        both = [earliest(state, version, note) for version in (OLD, NEW)]
        return NEVER if NEVER in both else max(both)

    def seen_by(state: Dated) -> int:
        above = range(layout.end, layout.heads)
        if layout.end < layout.epoch:
            return earliest(state, OLD, above)
        seen, floor = earliest(state, NEW, above), joint(state)
        if NEVER in {seen, floor}:
            return NEVER
        return max(seen, floor) if rules.floor else seen

    def fresh_at(state: Dated, head: int) -> int:
        if rules.early_views:
            return max(latest(state, OLD, head), latest(state, NEW, head))
        if head < layout.epoch:
            return latest(state, OLD, head)
        return NEVER if joint(state) == NEVER else latest(state, NEW, head)

    def fresh(state: Dated) -> bool:
        end = seen_by(state)
        return end == NEVER or all(fresh_at(state, head) <= end for head in range(layout.end))

    def canonical(state: Dated) -> Dated:
        first, second, *rest = state.honest
        return state._replace(honest=(*sorted((first, second)), *rest))

    holds: dict[Invariant, Callable[[Dated], bool]] = {Invariant.FRESH: fresh}
    return Model(
        name=f"epochs: dated views, {layout.name}, {ticks + 1} dates",
        start=Dated(0, (Cosigner(0, never, never),) * 4),
        steps=steps,
        holds=holds,
        canonical=canonical,
    )
