"""Bytes of other logs that judging waits for, pulled from whoever holds them.

As a rule a log's writer brings its entries. But a node that was cut off, or has lost its store, may
hold views of entries that it does not have, and their writer may have nothing new to send for long.
A valid view says that honest regions hold them (protocol.md section 4), so they are asked.

What comes is believed only as far as it hashes to a head that a quorum of mirrors has signed, that
our own row is at already, or where the roster cut a closed log off. The row moves there first, and
only along its own tree, so what is stored is always on the row's branch; nothing is signed. Such a
head was its log's candidate, so moving to it scatters nobody's candidates.

A writer may have shown us a larger note and withhold what it covers, or have died just then. What
nobody gives under our row's head is pulled under the quorum's smaller one, which lies beneath it
unless the writer has forked its log. The row stays, and our mirror key signs for the row's tree or
for what it signed before, never for that.

Of a log that we have turned away from (``nodes.core.turning``) the head that we turned to takes the
place of the row, which stays where it is. Before that, a path of tiles shows how far the offered
tree is ours, and whether it begins with all that stands here. The same shows of a log that was
closed on another tree than ours how much of our copy may stay.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, MalformedError
from ledger.proofs import Reader as NodeReader
from ledger.proofs import prove_roots, root_at
from ledger.tiles import TILE_LEVELS, extend_tiles, read_nodes
from nodes.core.copies import LogReader
from nodes.core.epoch_path import fetch_epochs
from nodes.core.exchange import MIRROR, origin_hash
from nodes.core.fetching import Bundle, Need, Tile, fetch_path, fetch_shared, fetch_tree, is_tile_of
from nodes.core.heads import Heads
from nodes.core.notes import Known, SignedHead
from nodes.core.ready import AppendEntries, PeerRow, Write
from nodes.core.submission import SendingLimits, backoff_ms
from nodes.core.turning import Offer, astray


@dataclass(frozen=True, slots=True)
class Pull:
    """A request to one holder of a log, as it must be remembered until its answer."""

    origin: str
    path: str
    about: Need


@dataclass(frozen=True, slots=True)
class _Move:
    """The target is known to extend the row, which goes there before anything is stored."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """An offered tree begins with all that stands here, and we are at another one.

    Args:
        shared_size: How many entries it begins with that our copy begins with as well.
    """

    shared_size: int


_MOVE: Final = _Move()
_Plan = Generator[Need | Bundle | Tile | _Move | _Compared, Sequence[bytes], None]
_Path = Generator[Need, Sequence[bytes], bool]


class _OffBranchError(Exception):
    """The target is not on the tree that our row is on.

    Args:
        tiles: Of the target's tree, as far as they are needed to compare the two; empty where what
            is stored tells.
        shared_size: How much of our copy is of the target's tree, as far as is known.
    """

    def __init__(
        self, tiles: Mapping[tuple[int, int], bytes] | None = None, shared_size: int = 0
    ) -> None:
        super().__init__("another branch")
        self.tiles = {} if tiles is None else tiles
        self.shared_size = shared_size


@dataclass(slots=True)
class _Job:
    """One log that is being pulled.

    Invariant: at most one holder, ``source``, is asked at a time, for all of a need; ``files`` are
    those of ``need`` that it has given.
    """

    target: SignedHead
    row: PeerRow | None
    plan: _Plan
    need: Need | None = None
    source: str | None = None
    files: list[bytes] = field(default_factory=list)
    has_failed: bool = False
    """Whether the last answer was none, or nonsense."""
    is_below: bool = False
    """Whether the target is smaller than our row, whose own tree nobody has given."""
    refused: set[str] = field(default_factory=set)
    """Who has given nothing for the present need."""
    offer: Offer | None = None
    """What is only compared, and not copied yet; None for any other job."""


@dataclass(slots=True)
class _Holder:
    """How a region has answered for one log."""

    failures: int = 0
    due_ms: int = 0


class CatchUp:
    """Pulls what is lacking of other logs; does nothing while nothing is.

    Bounded by the logs that we mirror: one job a log, one request in flight and one bundle in
    memory a job.
    """

    def __init__(self, heads: Heads, limits: SendingLimits) -> None:
        self._heads = heads
        self._limits = limits
        self._jobs: dict[str, _Job] = {}
        self._lacking: Mapping[str, SignedHead] = {}
        self._holders: dict[tuple[str, str], _Holder] = {}
        """By origin and region; kept while the log is lacking, so that a new job asks no sooner."""
        self._given_up: dict[str, Checkpoint] = {}
        """By origin, the last target that does not fit what we hold: not tried again."""
        self._compared: dict[str, tuple[Offer, tuple[int, int], _Compared | None]] = {}
        """By origin, the last offer that was compared, how many entries were stored and judged, and
        what came out."""
        self._reader: LogReader | None = None
        """Of the transaction that a plan runs in."""

    @property
    def pulled(self) -> tuple[str, ...]:
        """The origins that are being pulled."""
        return tuple(self._jobs)

    def want(
        self,
        lacking: Mapping[str, SignedHead],
        known: Mapping[str, Known],
        offers: Mapping[str, Offer],
        reader: LogReader,
    ) -> tuple[Write, ...]:
        """Pull these logs at least up to these heads, each of which a quorum of mirrors signed.

        Args:
            lacking: All that is lacking now; what was and is not any more is dropped when the next
                request for it fails, or all of it is here.
            known: Notes with a quorum of mirror lines; a larger one is aimed at instead.
            offers: What may be turned to; compared before anything else is pulled of that log.
            reader: Of the store.
        """
        self._lacking = {**lacking, **{origin: it.turn.head for origin, it in offers.items()}}
        if not self._lacking and not self._jobs:
            if self._holders:
                self._holders.clear()
            return ()
        writes: tuple[Write, ...] = ()
        if self._heads.halted:
            return ()
        for offer in offers.values():
            writes += self._weigh(offer, reader)
        for origin, head in lacking.items():
            is_here = self._heads.stored_size(origin) >= head.checkpoint.size
            is_weighed = origin in self._jobs and self._jobs[origin].offer is not None
            if is_here or is_weighed or origin == self._heads.own:
                continue
            target = self._target(head, known.get(origin))
            job = self._jobs.get(origin)
            if job is not None and self._is_refused(job):
                below = self._vouched(head, known.get(origin))
                if not job.is_below and below.checkpoint.size < job.target.checkpoint.size:
                    writes += self._begin(below, reader, is_below=True)
                    continue
            elif job is not None and job.is_below:
                continue
            if job is not None:
                # What nobody gives may be had under a larger head. While it comes, a log that grows
                # all the time must not make us begin again all the time.
                larger = target.checkpoint.size > job.target.checkpoint.size
                if not job.has_failed or not larger:
                    continue
            if self._given_up.get(origin) != target.checkpoint:
                writes += self._begin(target, reader)
        return writes

    def _weigh(self, offer: Offer, reader: LogReader) -> tuple[Write, ...]:
        """Compare an offer, and turn to it once that is done and nothing else stands here since.

        Our copy may have grown meanwhile: its writer brings entries whenever it likes. What was of
        the offered tree still is, and what has come since may be of the other one.
        """
        head = offer.turn.head
        origin = head.checkpoint.origin
        stored = self._heads.stored_size(origin)
        job = self._jobs.get(origin)
        compared, had, found = self._compared.get(origin, (None, (0, 0), None))
        if compared == offer and found is not None:
            shared = found.shared_size
            is_astray = shared < min(stored, head.checkpoint.size)
            return offer.turn.writes(shared if is_astray else None)
        if compared == offer and (had == (stored, offer.judged_size) or job is not None):
            return ()
        if job is not None and job.offer == offer:
            return ()
        self._compared.pop(origin, None)
        row = self._heads.row(origin)
        job = self._jobs[origin] = _Job(head, row, self._plan_offer(offer, row), offer=offer)
        return self._go_on(job, None, reader)

    def next_pull(self, peer: str, now_ms: int) -> Pull | None:
        """Return what to ask of a region now; None: nothing."""
        if self._heads.halted:
            return None
        for origin, job in self._jobs.items():
            if job.source not in {None, peer} or not self._may_hold(peer, origin):
                continue
            holder = self._holders.get((origin, peer))
            if holder and 0 < holder.due_ms - now_ms <= self._limits.backoff_ms_max:
                continue
            assert job.need is not None
            job.source = peer
            path = f"{MIRROR}{origin_hash(origin)}/{job.need.paths[len(job.files)]}"
            return Pull(origin, path, job.need)
        return None

    def answered(  # noqa: PLR0917 - peer, request, answer, time, store: no two alike
        self, peer: str, pull: Pull, status: int, body: bytes, now_ms: int, reader: LogReader
    ) -> tuple[Write, ...]:
        """Take a holder's answer."""
        job = self._jobs.get(pull.origin)
        if job is None or job.need is not pull.about or job.source != peer or self._heads.halted:
            return ()  # asked before the last failure, or for a job that is over
        try:
            if status != 200:
                raise MalformedError(f"answered {status}")
            job.files.append(body)
            if len(job.files) < len(pull.about.paths):
                return ()
            given = pull.about.check(job.files)
        except LedgerError:
            self.failed(peer, pull, now_ms)
            return ()
        self._holders.pop((pull.origin, peer), None)
        return self._go_on(job, given, reader)

    def failed(self, peer: str, pull: Pull, now_ms: int) -> None:
        """Leave a holder that gave nothing or nonsense; others are asked at once."""
        job = self._jobs.get(pull.origin)
        if job is None or job.need is not pull.about or job.source != peer:
            return
        job.files, job.source, job.has_failed = [], None, True
        job.refused.add(peer)
        holder = self._holders.setdefault((pull.origin, peer), _Holder())
        holder.failures += 1
        salt = f"{self._heads.region}\n{peer}\npull"
        holder.due_ms = now_ms + backoff_ms(self._limits, salt, holder.failures)
        if pull.origin not in self._lacking:
            del self._jobs[pull.origin]

    def wake_at_ms(self) -> list[int]:
        """Return when holders may be asked again."""
        return [
            holder.due_ms for (origin, _), holder in self._holders.items() if origin in self._jobs
        ]

    def _may_hold(self, peer: str, origin: str) -> bool:
        if origin in self._heads.closed:
            return True
        rosters = self._heads.rosters
        return peer == rosters.region_of_origin(origin) or peer in rosters.witnesses_of(origin)

    def _target(self, head: SignedHead, known: Known | None) -> SignedHead:
        """Return the head to aim at: the largest known, or our row's where that is beyond it."""
        origin = head.checkpoint.origin
        if origin in self._heads.closed:
            return head
        head = self._vouched(head, known)
        turn = self._heads.turned.get(origin)
        if turn is not None:
            return turn.head if turn.checkpoint.size > head.checkpoint.size else head
        row = self._heads.row(origin)
        if row is not None and row.pending and row.witnessed_size > head.checkpoint.size:
            head = SignedHead(
                Checkpoint(origin, row.witnessed_size, row.witnessed_root), row.pending
            )
        return head

    def _vouched(self, head: SignedHead, known: Known | None) -> SignedHead:
        """Return the largest head that a quorum of mirrors vouches for."""
        if known is None or known.size <= head.checkpoint.size:
            return head
        checkpoint = Checkpoint(head.checkpoint.origin, known.size, known.root)
        return SignedHead(checkpoint, known.note)

    def _is_refused(self, job: _Job) -> bool:
        """Say whether nobody who may hold a log has given what a job needs of it."""
        origin = job.target.checkpoint.origin
        rosters = self._heads.rosters
        asked = {rosters.region_of_origin(origin), *rosters.witnesses_of(origin)}
        return asked - {self._heads.region} <= job.refused

    def _begin(
        self, target: SignedHead, reader: LogReader, *, is_below: bool = False
    ) -> tuple[Write, ...]:
        origin = target.checkpoint.origin
        row = self._heads.row(origin)
        if origin in self._heads.closed:
            plan: _Plan = self._plan_closed(target.checkpoint)
        elif is_below:
            plan = self._tree(target.checkpoint)
        elif origin in self._heads.turned:
            plan = self._plan_turned(target.checkpoint, self._heads.turned[origin].checkpoint)
        else:
            plan = self._plan(target.checkpoint, row)
        job = self._jobs[origin] = _Job(target, row, plan, is_below=is_below)
        return self._go_on(job, None, reader)

    def _plan(self, target: Checkpoint, row: PeerRow | None) -> _Plan:
        """Say what to fetch, and when the row moves.

        1. The target's tree begins with our row's.
        2. The row moves to the target.
        3. Tiles and bundles come, from the root down and from left to right.
        """
        size, root = target.size, target.root
        had = 0 if row is None else row.witnessed_size
        if row is not None and 0 < had < size:  # (1)
            tiles = yield from fetch_path(size, root, had)
            if root_at(had, _read(tiles)) != row.witnessed_root:
                raise _OffBranchError(tiles)
        elif row is not None and had == size and row.witnessed_root != root:
            raise _OffBranchError
        if had < size:  # (2)
            yield _MOVE
        yield from self._tree(target)  # (3)

    def _plan_closed(self, target: Checkpoint) -> _Plan:
        """Say what to fetch of a closed log, unless our copy is of another tree than its cut.

        It stands by the roster's own word; no row of ours adds anything to that.
        """
        shared = yield from self._shared(target)
        if shared < min(self._heads.stored_size(target.origin), target.size):
            raise _OffBranchError(shared_size=shared)
        yield from self._tree(target)

    def _plan_turned(self, target: Checkpoint, turned: Checkpoint) -> _Plan:
        """Say what to fetch of a log that we have turned away from: on what we turned to."""
        if not (yield from self._begins(target, turned)):
            raise _OffBranchError
        yield from self._tree(target)

    def _plan_offer(self, offer: Offer, row: PeerRow | None) -> _Plan:
        """Say what to fetch to compare an offer with what is here.

        1. It begins with all that stands here, and is of one tree with the best note.
        2. Our copy or our row is of another tree: else there is nothing to turn to.
        3. Its lines count in it.
        """
        target, standing, known = offer.turn.checkpoint, offer.standing, offer.known
        shared = yield from self._shared(target)
        if standing is not None and shared < standing.size:  # (1)
            return
        if known is not None:
            large, small = (known, target) if known.size > target.size else (target, known)
            if not (yield from self._begins(large, small)):
                return
        parted = shared + 1  # (2)
        if shared >= min(self._heads.stored_size(target.origin), target.size):
            if row is None or not 0 < row.witnessed_size <= target.size:
                return
            parted = row.witnessed_size
            seen = Checkpoint(target.origin, parted, row.witnessed_root)
            if (yield from self._begins(target, seen)):
                return
        if (yield from self._is_counted(offer, shared, parted)):  # (3)
            yield _Compared(shared)

    def _is_counted(self, offer: Offer, shared_size: int, parted_size: int) -> _Path:
        """Say what to fetch to know whether an offer's lines count in its tree.

        1. By what is in force where the two trees are known to be one, if that is right up to where
           they part: then no quorum on the other is one by that version.
        2. Or by what the offered tree shows of its own epochs.
        """
        start = min(offer.judged_size, shared_size)
        common = offer.common(start)
        if start + 1 == parted_size and offer.is_counted(common):  # (1)
            return True
        epochs = yield from fetch_epochs(offer.turn.checkpoint, common, start, parted_size)  # (2)
        return epochs is not None and offer.is_counted(epochs)

    def _shared(self, tree: Checkpoint) -> Generator[Need, Sequence[bytes], int]:
        """Say what to fetch to know how many entries a tree begins with as our copy does."""

        def ours(level: int, index: int) -> bytes:
            assert self._reader is not None
            found = self._reader.tiles(tree.origin, [(level, index)])
            return found.get((level, index), b"")

        return (yield from fetch_shared(tree.size, tree.root, ours))

    def _begins(self, tree: Checkpoint, other: Checkpoint) -> _Path:
        """Say what to fetch to know whether a tree begins with another one, no larger."""
        if other.size == tree.size:
            return other.root == tree.root
        tiles = yield from fetch_path(tree.size, tree.root, other.size)
        return root_at(other.size, _read(tiles)) == other.root

    def _tree(self, target: Checkpoint) -> _Plan:
        """Say what to fetch of a tree, as far as it is not stored."""

        def is_wanted(level: int, index: int, hash_: bytes) -> bool:
            return self._is_wanted(target.origin, level, index, hash_)

        yield from fetch_tree(target.size, target.root, is_wanted)

    def _go_on(
        self, job: _Job, given: Sequence[bytes] | None, reader: LogReader
    ) -> tuple[Write, ...]:
        """Go on with a job's plan up to its next need, and store what comes out.

        Args:
            job: Which.
            given: What its need is answered with; None at its start.
            reader: Of the store.
        """
        origin = job.target.checkpoint.origin
        writes: list[Write] = []
        self._reader = reader
        job.files, job.source, job.has_failed = [], None, False
        job.refused.clear()
        try:
            item = next(job.plan) if given is None else job.plan.send(given)
            while not isinstance(item, Need):
                if isinstance(item, Bundle):
                    writes += self._store(origin, item, reader)
                elif isinstance(item, _Move):
                    if not self._is_at(job.row, self._heads.row(origin)):
                        # The log's writer came first. What it showed us must be compared as well.
                        again = self._begin(self._target(job.target, None), reader)
                        return (*writes, *again)
                    writes.append(self._move(job.target))
                elif isinstance(item, _Compared):
                    self._has_compared(job, item)
                item = next(job.plan)
            job.need = item
        except StopIteration:
            del self._jobs[origin]
            if job.offer is not None and origin not in self._compared:
                self._has_compared(job, None)
        except _OffBranchError as error:
            self._give_up(job)
            writes += self._convict(job, error.tiles)
            if origin in self._heads.closed:
                # What is stored is of another tree than the cut, though not as long.
                writes.append(astray(origin, error.shared_size))
        except LedgerError:
            self._give_up(job)  # our own copy cannot be read: nothing that others could mend
        finally:
            self._reader = None
        return tuple(writes)

    def _give_up(self, job: _Job) -> None:
        checkpoint = job.target.checkpoint
        del self._jobs[checkpoint.origin]
        if job.offer is not None:
            self._has_compared(job, None)
            return
        self._given_up[checkpoint.origin] = checkpoint

    def _has_compared(self, job: _Job, found: _Compared | None) -> None:
        """Keep what came out of comparing an offer with our copy as it is now."""
        assert job.offer is not None
        origin = job.target.checkpoint.origin
        had = (self._heads.stored_size(origin), job.offer.judged_size)
        self._compared[origin] = (job.offer, had, found)

    def _is_wanted(self, origin: str, level: int, index: int, root: bytes) -> bool:
        """Say whether anything of a full tile is not stored yet."""
        reader = self._reader
        assert reader is not None
        if (index + 1) << (TILE_LEVELS * (level + 1)) > self._heads.stored_size(origin):
            return True
        tile = reader.tiles(origin, [(level, index)]).get((level, index), b"")
        if not is_tile_of(tile, root):
            raise _OffBranchError
        return False

    def _store(self, origin: str, bundle: Bundle, reader: LogReader) -> tuple[Write, ...]:
        """Append what is new in a bundle; its writer may have brought some of it meanwhile."""
        copy = self._heads.copy(origin, reader)
        have = copy.size - bundle.start
        if have >= len(bundle.entries):
            return ()
        edge = copy.edge[0] if copy.edge else b""
        if have < 0 or edge != b"".join(bundle.leaves[:have]):
            raise _OffBranchError
        entries, leaves = bundle.entries[have:], bundle.leaves[have:]
        update = extend_tiles(copy.size, copy.edge, leaves)
        start = copy.size
        copy.frontier = copy.frontier.extend(leaves)
        copy.size, copy.edge = update.size, update.edge
        return (AppendEntries(origin, start, entries, leaves, update.tiles),)

    def _move(self, target: SignedHead) -> Write:
        """Move the row to the target, and sign nothing."""
        checkpoint = target.checkpoint
        row = self._heads.row(checkpoint.origin) or PeerRow.unheard(checkpoint.origin)
        return self._heads.move(
            replace(
                row,
                witnessed_size=checkpoint.size,
                witnessed_root=checkpoint.root,
                pending=target.note,
            )
        )

    def _is_at(self, before: PeerRow | None, now: PeerRow | None) -> bool:
        """Say whether a row is still where it was."""
        if before is None or now is None:
            return before is now
        return (before.witnessed_size, before.witnessed_root) == (
            now.witnessed_size,
            now.witnessed_root,
        )

    def _convict(self, job: _Job, tiles: Mapping[tuple[int, int], bytes]) -> tuple[Write, ...]:
        """Keep the bytes that show two histories, where they do."""
        row, new = job.row, job.target
        if row is None or not row.pending or new.checkpoint.origin in self._heads.closed:
            return ()
        if new.checkpoint.origin in self._heads.turned:
            return ()
        older = Checkpoint(row.origin, row.witnessed_size, row.witnessed_root)
        size, root = new.checkpoint.size, new.checkpoint.root
        if older.size == size:
            if older.root == root:
                return ()
            return self._heads.convict(row.origin, (row.pending, new.note))
        if not tiles:
            return ()
        try:
            hashes = prove_roots(older.size, size, _read(tiles))
        except LedgerError:
            return ()  # the path holds too little: the note alone shows nothing
        return self._heads.convict(row.origin, (row.pending, new.note), hashes)


def _read(tiles: Mapping[tuple[int, int], bytes]) -> NodeReader:
    return read_nodes(lambda _wanted: tiles)
