"""What entries come to, found out once for several simulated nodes, and by each again in a sample.

Judging is a question whose answer follows from bytes: from a log up to the entries in question, and
from what views in it name of other logs (protocol.md section 4). So a node of a world may take over
what another found, where all of that is the same here; what it then does with it (its tables, its
tree, its notes) it does itself. Only what stands is taken over: an entry that is void, a breach, an
epoch, a word on the roster is judged by everybody. The first to find out is mostly the writer of a
log, who judges each act before it stands there; where it is not, the first of the others.

One answer in ``SAMPLE`` is found out again by the node that would have taken it over, and any
difference is a broken promise. A plan that says ``each`` shares nothing, as in all worlds in which
bugs are looked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ledger.checkpoint import Checkpoint
from ledger.kind import Severity, ViewFact
from ledger.salvage import SALVAGE_KIND
from ledger.statement import UnverifiedStatement, decode_statement
from ledger.views import BLOCK_KIND, VIEW_KIND, GoodLine, decode_block
from nodes.core.batch import Batch, Means
from nodes.core.blocks import good_lines
from nodes.core.effects import Effects
from nodes.core.follower import Follower, Judged
from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits
from nodes.core.log_state import LogState
from nodes.core.notes import SignedHead
from nodes.core.own_words import LOG_KINDS
from nodes.core.projection import Projection
from nodes.core.ready import AdvanceProjection, AppendEntries, PutMap, Write
from nodes.core.sequencer import Sequencer
from nodes.core.waiting import LINE_TIME
from nodes.ports import Reader
from simulator.world import BrokenError, World

MODES: Final = ("each", "shared")
SAMPLE: Final = 64
ENTRIES_MAX: Final = 16_384
"""Of which answers are kept; the oldest are forgotten."""
_SHARED_WORDS: Final = frozenset({BLOCK_KIND, VIEW_KIND})

_Place = tuple[bytes, frozenset[str], str, int, bytes]
"""The newest version of the roster, the logs that are near, and a log up to some entry."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What entries of a log came to; ``state`` is that of the log after them, and never changes."""

    entries: tuple[bytes, ...]
    judged: Judged
    state: LogState
    root: bytes
    """Of the log after them."""
    newest_line_s: int
    """The latest date of a line in one of them."""

    def holds(self, ground: Ground, now_s: int, reader: Reader) -> bool:
        """Say whether a node sees all that it rests on: no line of its future, and each view."""
        if self.newest_line_s > now_s + ground.delta_s:
            return False
        for view in self.judged.effects.views:
            viewed = ground.state_of(view.origin)
            if viewed is None or viewed.size < view.size:
                return False
            if ground.root(view.origin, view.size, reader) != view.root:
                return False
        return True


class _Places:
    """Says where entries begin, as one node sees it.

    Args:
        ground: Of the node.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._near: tuple[int, frozenset[str]] = (0, frozenset())

    def at(self, origin: str, size: int, root: bytes) -> _Place:
        """Return the place of what comes after the first entries of a log."""
        rosters = self._ground.rosters
        newest = rosters.newest
        if self._near[0] != newest.version:
            near = frozenset(filter(self._ground.is_near, rosters.chain.origins()))
            self._near = (newest.version, near)
        return (newest.sha256, self._near[1], origin, size, root)


class Book:
    """The answers that the nodes of one world have found, by the place where their entries begin.

    Args:
        world: Whose counts say how many were shared.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._answers: dict[_Place, list[_Answer]] = {}
        self._entries = 0
        self._asked = 0

    def find(self, place: _Place) -> Sequence[_Answer]:
        """Return what is known from a place on."""
        return self._answers.get(place, ())

    def put(self, place: _Place, answer: _Answer) -> None:
        """Keep an answer, and forget the oldest if there are too many."""
        self._answers.setdefault(place, []).append(answer)
        self._entries += len(answer.entries)
        while self._entries > ENTRIES_MAX:
            oldest = next(iter(self._answers))
            self._entries -= sum(len(it.entries) for it in self._answers.pop(oldest))

    def is_sample(self) -> bool:
        """Say whether the answer that was just found is to be found out again."""
        self._asked += 1
        return self._asked % SAMPLE == 0


class SharedFollower(Follower):
    """Judges what nobody has judged before it, and a sample of the rest.

    Args:
        projection: Judges.
        limits: Of the node.
        book: Of its world.
    """

    def __init__(self, projection: Projection, limits: Limits, book: Book) -> None:
        super().__init__(projection, limits)
        self._book = book
        self._places = _Places(projection.ground)

    def _chunk(self, state: LogState, end: int, now_s: int, reader: Reader) -> Judged:
        ground = self._projection.ground
        if ground.kinds is not KINDS:  # a lawless node's answers are its own
            return super()._chunk(state, end, now_s, reader)
        origin, start = state.origin, state.size
        place = self._places.at(origin, start, ground.root(origin, start, reader))
        entries = reader.entries(origin, start, end)
        known = self._known(place, entries, now_s, reader)
        if known is not None and not self._book.is_sample():
            return self._take(known)
        before = state.unjudged
        if known is not None:
            end = start + len(known.entries)
        made = super()._chunk(state, end, now_s, reader)
        if known is not None:
            self._book.world.count("judging compared")
            _check_same(known, made)
        elif made.state.size > start:
            taken = tuple(entries[: made.state.size - start])
            if made.state.unjudged == before and _all_stand(taken, made.effects):
                root = ground.root(origin, made.state.size, reader)
                self._book.put(place, _answer(taken, made, root))
        return made

    def _known(
        self, place: _Place, entries: Sequence[bytes], now_s: int, reader: Reader
    ) -> _Answer | None:
        """Return what is known of these entries, or of the first of them; None: nothing."""
        ground = self._projection.ground
        for answer in self._book.find(place):
            if (
                answer.entries == tuple(entries[: len(answer.entries)])
                and sum(map(len, answer.entries)) <= self._bytes_left
                and answer.holds(ground, now_s, reader)
            ):
                return answer
        return None

    def _take(self, answer: _Answer) -> Judged:
        """Take over what another node has found."""
        state, ground = answer.state.copy(), self._projection.ground
        self.states[state.origin] = state
        self._bytes_left -= sum(map(len, answer.entries))
        ground.sight.add(answer.judged.effects.facts)
        ground.remember_root(state.origin, state.size, answer.root)
        return replace(answer.judged, state=state)


class SharedSequencer(Sequencer):
    """Says what it found when it took acts into its own log.

    Args:
        means: Of its node.
        book: Of its world.
    """

    def __init__(self, means: Means, book: Book) -> None:
        super().__init__(means)
        self._book = book
        self._places = _Places(means.projection.ground)
        self._grown: PutMap | None = None
        """What the map of objects grew by, where it did before the next block."""

    def grow_map(self, reader: Reader) -> tuple[Write, ...]:
        """Take the newest acts into the object map."""
        written = super().grow_map(reader)
        for write in written:
            if isinstance(write, PutMap):
                self._grown = write
        return written

    def writes(self, batch: Batch, now_ms: int) -> tuple[Write, ...]:
        """Grow the tree by the batch, and say what the batch came to."""
        before, grown = self.head, self._grown
        written = super().writes(batch, now_ms)
        self._grown = None
        ground = self._means.projection.ground
        signed = self.head.signed
        if signed is None or ground.kinds is not KINDS or self.state.open_epoch is not None:
            return written
        followed = _as_followed(written, before.size, grown)
        entries = tuple(batch.entries)
        if followed is None or self.state.unjudged or not _all_stand(entries, batch.effects):
            return written
        statements = [decode_statement(entry) for entry in entries]
        lines = list(_lines(statements, batch.effects.views, self._origin, ground))
        effects = replace(
            batch.effects,
            lines=[(head.checkpoint, good) for head, good in lines],
            shown=[(head, good) for head, good in lines if head.note],
            noticed=[(at, statements[at - before.size]) for at, _ in batch.effects.noticed],
        )
        judged = Judged(self._origin, self.state, effects, followed)
        place = self._places.at(self._origin, before.size, before.frontier.root())
        self._book.put(place, _answer(entries, judged, signed.checkpoint.root))
        return written


def _as_followed(
    written: Sequence[Write], start: int, grown: PutMap | None
) -> tuple[Write, ...] | None:
    """Return what a writer has written as a follower does; None where the two do not agree.

    A writer lets the map of objects grow before the block record that names its root, and a
    follower when it reads that.
    """
    [appended] = [write for write in written if isinstance(write, AppendEntries)]
    last = next(at for at, write in enumerate(written) if isinstance(write, AdvanceProjection))
    judged = [write for write in written[: last + 1] if write is not appended]
    is_block = decode_statement(appended.entries[0]).act.kind == BLOCK_KIND
    if not any(isinstance(write, PutMap) for write in judged) and grown is not None:
        judged.insert(-1, grown)
    sizes = [write.grown.size for write in judged if isinstance(write, PutMap)]
    return tuple(judged) if sizes == [start] * is_block else None


def _lines(
    statements: Sequence[UnverifiedStatement],
    views: Sequence[ViewFact],
    origin: str,
    ground: Ground,
) -> Iterator[tuple[SignedHead, tuple[GoodLine, ...]]]:
    """Give the lines in what a writer recorded, each of which it had checked when it came.

    A block record holds the lines alone, a view the note as well.
    """
    shown = iter(views)
    for made in statements:
        act = made.act
        if act.kind == BLOCK_KIND:
            block = decode_block(act.body)
            roster = ground.rosters.at(block.roster)
            for item in block.lines:
                head = Checkpoint(origin, item.size, item.root)
                yield SignedHead(head, b""), good_lines(roster, origin, item.lines)
        elif act.kind == VIEW_KIND:
            view = next(shown)
            head = Checkpoint(view.origin, view.size, view.root)
            roster = ground.rosters.at(act.body["roster"])
            lines = good_lines(roster, view.origin, act.body["lines"])
            yield SignedHead(head, act.body["note"]), lines


def _answer(entries: tuple[bytes, ...], made: Judged, root: bytes) -> _Answer:
    """Return what is kept of what a node has found, with the root of the log after it."""
    newest = max((date for entry in entries for date in _dates(entry)), default=0)
    return _Answer(entries, made, made.state.copy(), root, newest)


def _all_stand(entries: Sequence[bytes], effects: Effects) -> bool:
    """Say whether entries stand, all of them, and change nothing but facts."""
    if effects.voids or any(it.severity == Severity.BREACH.value for it in effects.findings):
        return False
    kinds = {decode_statement(entry).act.kind for entry in entries}
    return SALVAGE_KIND not in kinds and not kinds & LOG_KINDS - _SHARED_WORDS


def _dates(entry: bytes) -> Iterator[int]:
    """Give the dates of the lines in an entry that stands."""
    made: UnverifiedStatement = decode_statement(entry)
    lines: list[bytes] = []
    if made.act.kind == BLOCK_KIND:
        lines += [line for item in decode_block(made.act.body).lines for line in item.lines]
    elif made.act.kind == VIEW_KIND:
        lines += [*made.act.body["lines"], *made.act.body.get("before", ())]
    for line in lines:
        yield int.from_bytes(line[LINE_TIME])


def _check_same(known: _Answer, made: Judged) -> None:
    """Check that a node has found what another has."""
    one, other = known.judged, made
    if (
        other.effects == one.effects
        and _comparable(other.writes) == _comparable(one.writes)
        and other.state.views == known.state.views
        and other.state.times == known.state.times
    ):
        return
    raise BrokenError(f"nodes judge {one.origin} up to {known.state.size} in two ways")


def _comparable(writes: Sequence[Write]) -> list[Write]:
    """Return writes without what memory had ready, which differs after a restart."""
    return [
        replace(it, grown=replace(it.grown, loaded=())) if isinstance(it, PutMap) else it
        for it in writes
    ]
