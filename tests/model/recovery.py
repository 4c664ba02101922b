"""A region is lost: its fence, its mirrors, the frozen reports, the cut, and a backup restored.

The log of one region and four mirrors, f = 1, q = 3: three honest ones, and one that cosigns
everything, keeps nothing and reports what it likes. An entry is the number of the life in which
the region wrote it, so that other entries at the same place are told apart. People may freeze and
close whatever they like, whenever they like: a region that is only cut off goes on meanwhile.

The protocol asks for q frozen reports; that is enough where the writer does not lie. Where it
forked, a liar's report can drag the cut below what two honest mirrors hold, and only those who sign
the closing keep the rest from growing to a quorum: so they must have stopped cosigning by then.

Written from section 6 of the protocol alone; it shares no code with the ledger.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import NamedTuple

from tests.model.explorer import Model, Step
from tests.model.invariants import Invariant, quorum

N, F = 4, 1
Q = quorum(N, F)
ASKED = N - Q + F + 1
"""How many mirrors must answer before a region may say what was replicated."""
Q_MEMBERS = quorum(5, 1)

Content = tuple[int, ...]
MISSING = -1


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol, and what it keeps out."""

    fence_first: bool = True
    """The fence is written before a note is shown."""
    heeds_fence: bool = True
    """A database behind its fence writes nothing; else it goes on from a backup."""
    heeds_tail: bool = True
    """A region whose tail no mirror has writes nothing; else it goes on under the same origin."""
    frozen_less: int = 0
    """By how much too few members have frozen at the cut."""
    frozen_rests: bool = True
    """A member that froze a log never cosigns it again."""
    own_size: bool = True
    """A member signs no cut below its own mirrored size."""
    signer_rests: bool = True
    """A member that signs the closing cosigns the log no more, frozen or not."""
    forgetful_rests: bool = True
    """A mirror that lost its rows rests; else it starts from nothing with its old key."""
    turns: bool = False
    """A mirror may turn to another branch than it has signed: it holds and reports that one from
    then on, and signs nothing more."""
    turns_to_quorum: bool = True
    """It turns to no branch that a quorum has not signed."""
    keeps_until_replicated: bool = True
    """A caller keeps statement and receipt until replicated; else until accepted."""


class Mirror(NamedTuple):
    held: Content = ()
    lines: frozenset[Content] = frozenset()
    state: str = "awake"
    """awake, turned, frozen or forgetful."""
    went_back: bool = False
    """Whether its key signed less, or another branch, than it had signed before."""


class State(NamedTuple):
    database: Content
    fence: int
    is_up: bool
    life: int
    shown: frozenset[Content]
    let_go: Content
    """What callers no longer keep themselves."""
    cut: Content | None
    """None while the log is not closed."""
    mirrors: tuple[Mirror, ...]


def extends(old: Content, new: Content) -> bool:
    return new[: len(old)] == old


def common(contents: list[Content]) -> Content:
    shortest = min(contents, key=len)
    size = len(shortest)
    while any(content[:size] != shortest[:size] for content in contents):
        size -= 1
    return shortest[:size]


@cache
def cut_of(reports: tuple[Content, ...]) -> Content:
    """Return the cut of these reports: the largest consistent one.

    Where they conflict: the branch with a quorum, else the last size on which all agree.
    """
    largest = max(reports, key=len)
    if all(extends(report, largest) for report in reports):
        return largest
    for content in sorted(set(reports), key=len, reverse=True):
        if sum(extends(content, report) for report in reports) >= Q:
            return content
    return common(list(reports))


def build(
    rules: Rules, *, sizes: int = 2, forks: bool = False, amnesia: bool = False, loss: bool = True
) -> Model:
    """Build the model.

    Args:
        sizes: How many entries the log has at most.
        forks: The writer lies: it shows two branches, and promises nothing any more.
        amnesia: A mirror may lose its rows.
        loss: The region may lose its database.
    """

    def writing(state: State) -> Iterator[Step]:
        if forks:
            for content in ((0,), (0, 0), (0, 1)):
                if content not in state.shown:
                    yield (
                        f"the writer shows {_name(content)}",
                        state._replace(shown=state.shown | {content}),
                    )
            return
        database = state.database
        if state.is_up and len(database) < sizes:
            more = (*database, state.life)
            yield f"an act is accepted at {len(database)}", state._replace(database=more)
        if state.is_up and database and database not in state.shown:
            fence = len(database) if rules.fence_first else state.fence
            shown = state.shown | {database}
            yield f"{_name(database)} is shown", state._replace(shown=shown, fence=fence)
        if not rules.fence_first and state.is_up and state.fence < len(database):
            yield "the fence is written", state._replace(fence=len(database))

    def losing(state: State) -> Iterator[Step]:
        if forks:
            return
        if loss and state.is_up and state.life == 0:
            for size in range(len(state.database)):
                down = state._replace(database=state.database[:size], is_up=False, life=1)
                yield f"the database falls back to {size} entries", down
                yield f"the same, and the fence is lost ({size})", down._replace(fence=MISSING)
        if not state.is_up and state.cut is None:
            if len(state.database) >= state.fence != MISSING or not rules.heeds_fence:
                yield "the region starts", state._replace(is_up=True)
            elif state.fence != MISSING:
                yield from rebuilding(state)

    def rebuilding(state: State) -> Iterator[Step]:
        # One that lost its rows does not answer; the liar answers that it has nothing.
        able = [one.held for one in state.mirrors if one.state != "forgetful"]
        for answers in sorted(set(combinations([*able, ()], ASKED))):
            fetched = max(answers, key=len)
            reaches = len(fetched) >= state.fence
            if reaches or not rules.heeds_tail:
                yield (
                    f"the region rebuilds {_name(fetched)} from {len(answers)} mirrors, and starts",
                    state._replace(database=fetched, is_up=True),
                )

    def mirroring(state: State) -> Iterator[Step]:
        for at, one in enumerate(state.mirrors):
            awake = one.state == "awake" or (one.state == "frozen" and not rules.frozen_rests)
            for content in sorted(state.shown) if awake else ():
                if content != one.held and extends(one.held, content):
                    back = any(not extends(old, content) for old in one.lines)
                    moved = one._replace(
                        held=content, lines=one.lines | {content}, went_back=one.went_back or back
                    )
                    yield f"mirror {at + 1} takes {_name(content)}", _with(state, at, moved)
            for content in sorted(state.shown) if rules.turns and one.state == "awake" else ():
                is_other = not extends(content, one.held) and not extends(one.held, content)
                if is_other and (replicated(state, content) or not rules.turns_to_quorum):
                    turned = one._replace(held=content, state="turned")
                    yield f"mirror {at + 1} turns to {_name(content)}", _with(state, at, turned)
            if one.state in {"awake", "turned"}:
                frozen = one._replace(state="frozen")
                yield f"mirror {at + 1} freezes at {_name(one.held)}", _with(state, at, frozen)
            if one.state == "awake":
                forgot = any(other.state == "forgetful" for other in state.mirrors)
                if amnesia and not forgot and one.lines:
                    how = "forgetful" if rules.forgetful_rests else "awake"
                    lost = one._replace(held=(), state=how)
                    yield f"mirror {at + 1} loses its rows", _with(state, at, lost)

    def letting_go(state: State) -> Iterator[Step]:
        for content in sorted(state.shown):
            told = replicated(state, content) or not rules.keeps_until_replicated
            if told and len(content) > len(state.let_go) and extends(state.let_go, content):
                yield f"callers let go of {_name(content)}", state._replace(let_go=content)

    def closing(state: State) -> Iterator[Step]:
        frozen = [one.held for one in state.mirrors if one.state == "frozen"]
        lies = sorted({(), *state.shown})
        choices = {tuple(sorted(frozen))}
        choices |= {tuple(sorted((*frozen, lie))) for lie in lies}
        for reports in sorted(choices):
            if len(reports) < Q - rules.frozen_less:
                continue
            cut = cut_of(reports)
            # Beside the honest members, the liar signs, and the lost region's own people.
            willing = [extends(one.held, cut) or not rules.own_size for one in state.mirrors]
            if 2 + sum(willing) < Q_MEMBERS:
                continue
            mirrors = tuple(
                one._replace(state="frozen")
                if signs and rules.signer_rests and one.state == "awake"
                else one
                for one, signs in zip(state.mirrors, willing, strict=True)
            )
            yield f"the log is closed at {_name(cut)}", state._replace(cut=cut, mirrors=mirrors)

    def steps(state: State) -> Iterator[Step]:
        yield from writing(state)
        yield from mirroring(state)
        yield from letting_go(state)
        yield from losing(state)
        if state.cut is None:
            yield from closing(state)

    def replicated(state: State, content: Content) -> bool:
        return (
            sum(any(extends(content, line) for line in one.lines) for one in state.mirrors) + 1 >= Q
        )

    def replicated_stays(state: State) -> bool:
        cut = state.cut
        return cut is None or all(
            extends(content, cut) for content in state.shown if replicated(state, content)
        )

    def signs_once(state: State) -> bool:
        return all(extends(*sorted(pair, key=len)) for pair in combinations(sorted(state.shown), 2))

    holds: dict[Invariant, Callable[[State], bool]] = {
        Invariant.REPLICATED_STAYS: replicated_stays,
        Invariant.ONE_BRANCH: lambda state: not any(one.went_back for one in state.mirrors),
    }
    if not forks:
        holds[Invariant.SIGNS_ONCE] = signs_once
        holds[Invariant.NOTHING_LOST] = lambda state: (
            state.cut is None or extends(state.let_go, state.cut)
        )
    what = "a writer that forks" if forks else "a region lost"
    more = ", a mirror that forgets" if amnesia else ", mirrors that turn" if rules.turns else ""
    return Model(
        name=f"recovery: {what}{more}, {sizes} entries",
        start=State((), 0, True, 0, frozenset(), (), None, (Mirror(),) * (N - 1)),
        steps=steps,
        holds=holds,
        canonical=lambda state: state._replace(mirrors=tuple(sorted(state.mirrors, key=_order))),
    )


@cache
def _order(one: Mirror) -> tuple[object, ...]:
    return (one.held, tuple(sorted(one.lines)), one.state, one.went_back)


def _with(state: State, at: int, moved: Mirror) -> State:
    return state._replace(mirrors=(*state.mirrors[:at], moved, *state.mirrors[at + 1 :]))


def _name(content: Content) -> str:
    """Name a tree: its size, and a stroke for each entry that was written in a second life."""
    return f"{len(content)}{chr(39) * sum(content)}"
