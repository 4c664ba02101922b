"""The mirror: stores the entries of other logs, and says so with its own key.

It holds no state of its own: rows, copies and keys are those of ``Heads``. Entries are stored as
far as their proofs lead to the pending checkpoint; the mirror key signs only what is stored whole.

Source: C2SP tlog-mirror; ``/peer/lines`` and ``/peer/newest`` are ours (formats, section 8).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger.checkpoint import Checkpoint
from ledger.cosignature import line_signature
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.hashing import HASH_BYTES, hash_leaf
from ledger.names import mirror_name, witness_name
from ledger.note import Note, Signature, checkpoint_of
from ledger.proofs import check_subtree_consistency, root_at
from ledger.roster import Role
from ledger.tiles import (
    TILE_WIDTH,
    EntryBundleID,
    TileEdge,
    encode_entry_bundle,
    extend_tiles,
    parse_tile_path,
)
from ledger.tree import Frontier
from nodes.core.copies import LogReader, node_reader
from nodes.core.exchange import (
    GIVEN_ROWS_MAX,
    MIRROR,
    MIRROR_INFO_TYPE,
    NEWEST,
    SIZE_TYPE,
    MirrorInfo,
    Package,
    Upload,
    encode_given,
    encode_lines,
    encode_size,
    origin_hash,
)
from nodes.core.heads import Heads
from nodes.core.notes import open_head
from nodes.core.ready import AppendEntries, PeerCalled, PeerReply, PeerRow, Ready, Reply, Write
from nodes.core.witness import refusal

EXCESS_ENTRIES_MAX: Final = 8_192
"""How far below the next entry an upload may start."""
OCTETS: Final = "application/octet-stream"

_NAMES: Final[Mapping[Role, Callable[[str], str]]] = MappingProxyType(
    {"witness": witness_name, "mirror": mirror_name}
)


class Mirror:
    """Answers ``add-entries``, ``/peer/lines``, ``/peer/newest`` and the monitoring paths."""

    def __init__(self, heads: Heads) -> None:
        self._heads = heads
        self._hashes = {origin_hash(it): it for it in heads.rosters.chain.origins()}

    # ---- add-entries ----------------------------------------------------------------------------

    def add_entries(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """Take one upload. Never raises: what is wrong with it is in the reply.

        In the order of the specification, with its statuses:

        1. The header is whole (400), and the log one that we mirror (404), whose branch we have not
           left (403).
        2. It has had a pending checkpoint (422).
        3. The upload's end is that of the pending checkpoint, or the mirror's own size for a mere
           refresh; its start is not beyond our next entry, nor far below it (409).
        4. There is a whole package, or none is needed (400).
        5. Each package leads to the pending root, beside what is stored (422); those before it are
           kept.
        6. All is stored up to the end: our line (200). Else how far we are (202).

        While our keys rest, (6) answers 202 with a next entry at the upload's end.
        """
        try:
            return self._store(event, now_ms, reader)
        except LedgerError as error:
            return Ready(replies=(Reply(event.request_id, refusal(error)),))

    def _store(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        heads = self._heads
        upload = Upload.decode(event.body)  # (1)
        origin = upload.origin
        if origin not in heads.logs:
            raise NotFoundError(f"we do not mirror {origin[:80]!r}")
        heads.check_not_turned(origin)  # packages would be proven on the branch that is laid aside
        row = heads.row(origin)
        if row is None or not row.pending:  # (2)
            raise UnverifiedError("there is no pending checkpoint yet")
        stored = heads.stored_size(origin)
        ends = (row.witnessed_size, row.mirrored_size if row.mirrored else row.witnessed_size)
        if (
            upload.end not in ends or not stored - EXCESS_ENTRIES_MAX <= upload.start <= stored
        ):  # (3)
            return self._info(event, row, stored, 409)
        if upload.start < upload.end and not upload.packages:  # (4)
            raise MalformedError("there is no whole package of entries")
        if heads.halted:
            heads.check_may_sign()
        writes, failed = self._packages(upload, row, reader)  # (5)
        if failed is not None:
            return Ready(writes=writes, replies=(Reply(event.request_id, refusal(failed)),))
        stored = heads.stored_size(origin)
        if stored < upload.end or heads.resting:  # (6)
            return self._info(event, row, stored, 202, writes)
        try:
            signed, signatures = self._sign(row, upload.end, now_ms, reader)
        except (RefusedError, UnavailableError) as error:
            return Ready(writes=writes, replies=(Reply(event.request_id, refusal(error)),))
        moved = heads.row(origin)
        assert moved is not None
        beside, more = heads.sign_second("mirror", moved.mirrored)
        reply = PeerReply(200, encode_lines((*signatures, *more)))
        return Ready(writes=(*writes, *signed, *beside), replies=(Reply(event.request_id, reply),))

    def _packages(
        self, upload: Upload, row: PeerRow, reader: LogReader
    ) -> tuple[tuple[Write, ...], UnverifiedError | None]:
        """Store what is new in the packages, up to the first whose proof fails."""
        copy = self._heads.copy(upload.origin, reader)
        pending = Checkpoint(upload.origin, row.witnessed_size, row.witnessed_root)
        grown = grow(copy.size, copy.edge, copy.frontier, upload, pending)
        if grown.append is None:
            return (), grown.failed
        copy.size, copy.edge, copy.frontier = grown.frontier.size, grown.edge, grown.frontier
        return (grown.append,), grown.failed

    def _info(
        self,
        event: PeerCalled,
        row: PeerRow,
        stored: int,
        status: int,
        writes: tuple[Write, ...] = (),
    ) -> Ready:
        info = MirrorInfo(pending_size=row.witnessed_size, next_entry=stored)
        reply = PeerReply(status, info.encode(), MIRROR_INFO_TYPE)
        return Ready(writes=writes, replies=(Reply(event.request_id, reply),))

    # ---- lines ----------------------------------------------------------------------------------

    def lines(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """Give a line, dated now, on a note of exactly the size that we mirror; else 409 with ours.

        A line on a smaller one would say that we have seen nothing larger.
        """
        heads = self._heads
        try:
            head, _ = open_head(event.body, heads.rosters)
            checkpoint = head.checkpoint
            if checkpoint.origin not in heads.logs:
                raise NotFoundError(f"we do not mirror {checkpoint.origin}")
            writes = heads.compare(head, reader)
            if writes:
                error = UnverifiedError("the log has signed two histories", code="equivocation")
                return Ready(writes=writes, replies=(Reply(event.request_id, refusal(error)),))
            row = heads.row(checkpoint.origin)
            if row is None or checkpoint.size != row.mirrored_size or not row.mirrored:
                size = 0 if row is None else row.mirrored_size
                reply = PeerReply(409, encode_size(size), SIZE_TYPE)
                return Ready(replies=(Reply(event.request_id, reply),))
            if Note.decode(row.mirrored).text != checkpoint.text():
                raise UnverifiedError("we mirror another root of that size", code="equivocation")
            writes, signatures = self._sign(row, checkpoint.size, now_ms, reader)
        except LedgerError as error:
            return Ready(replies=(Reply(event.request_id, refusal(error)),))
        reply = PeerReply(200, encode_lines(signatures))
        return Ready(writes=writes, replies=(Reply(event.request_id, reply),))

    def own_line(
        self, origin: str, now_ms: int, reader: LogReader
    ) -> tuple[tuple[Write, ...], tuple[Signature, ...]]:
        """Sign the size that we mirror, dated now.

        Raises:
            NotFoundError: We mirror nothing of that log.
            UnavailableError: We may not sign now.
        """
        row = self._heads.row(origin)
        if row is None or not row.mirrored:
            raise NotFoundError(f"we mirror nothing of {origin}")
        return self._sign(row, row.mirrored_size, now_ms, reader)

    def _sign(
        self, row: PeerRow, size: int, now_ms: int, reader: LogReader
    ) -> tuple[tuple[Write, ...], tuple[Signature, ...]]:
        """Sign the pending checkpoint, stored whole, or the mirror's own of before."""
        heads = self._heads
        heads.check_not_convicted(row.origin)
        heads.check_not_turned(row.origin)
        note = row.mirrored if size == row.mirrored_size and row.mirrored else row.pending
        checkpoint = checkpoint_of(note)
        assert checkpoint.size == size
        copy = heads.copy(row.origin, reader)
        root = copy.frontier.root() if copy.size == size else self._root(row.origin, size, reader)
        if root != checkpoint.root:
            # Proofs led here from the same store, so the store has changed under us.
            raise UnavailableError("our copy does not have that root", code="altered")
        new = replace(row, mirrored_size=size, mirrored=note)
        return heads.sign("mirror", new, checkpoint, now_ms)

    def _root(self, origin: str, size: int, reader: LogReader) -> bytes:
        try:
            return root_at(size, node_reader(reader, origin))
        except LedgerError as error:
            raise UnavailableError(str(error), code="altered") from error

    # ---- what others may read -------------------------------------------------------------------

    def newest(self, event: PeerCalled, own_note: bytes) -> Ready:
        """Give the newest note that we hold of a log, with our own lines on it.

        Args:
            event: The request.
            own_note: The newest note of our own log; empty before the first.
        """
        origin = self._hashes.get(event.path.removeprefix(NEWEST))
        note = b""
        if origin == self._heads.own:
            note = own_note
        elif origin is not None and (row := self._heads.row(origin)) is not None and row.pending:
            note = self._with_lines(row.pending, origin, row.witnessed_size)
        reply = PeerReply(200, note) if note else refusal(NotFoundError("we hold no such note"))
        return Ready(replies=(Reply(event.request_id, reply),))

    def read(self, event: PeerCalled, reader: LogReader) -> Ready:
        """Answer the monitoring paths of the logs that we mirror: checkpoint, tiles, entries.

        Tiles and entries of our own log are there as well, for whoever lacks them.
        """
        try:
            reply = self._read(event.path, reader)
        except LedgerError as error:
            reply = refusal(error)
        return Ready(replies=(Reply(event.request_id, reply),))

    def given(self, event: PeerCalled, reader: LogReader) -> Ready:
        """Give a page of the lines that one of our keys ever gave for a log."""
        where, _, query = event.path.partition("?")
        _, role, name, _ = where.split("/")
        origin = self._hashes.get(name)
        if origin is None or origin == self._heads.own:
            missing = NotFoundError("we give no lines on that log")
            return Ready(replies=(Reply(event.request_id, refusal(missing)),))
        asked = dict(part.partition("=")[::2] for part in query.split("&"))
        numbers = [asked.get(key, "") for key in ("since", "after")]
        since_s, after = (int(text) if text.isdecimal() else None for text in numbers)
        rows = reader.given(
            origin, role, since_s or 0, -1 if after is None else after, GIVEN_ROWS_MAX
        )
        reply = PeerReply(200, encode_given(rows), OCTETS)
        return Ready(replies=(Reply(event.request_id, reply),))

    def _read(self, path: str, reader: LogReader) -> PeerReply:
        name, _, what = path.removeprefix(MIRROR).partition("/")
        origin = self._hashes.get(name)
        row = None if origin is None else self._heads.row(origin)
        kept = {self._heads.own, *self._heads.closed}
        if origin is None or (row is None and origin not in kept):
            raise NotFoundError("we do not mirror that log")
        if what == "checkpoint":
            if row is None or not row.mirrored or origin in self._heads.turned:
                raise NotFoundError("we mirror nothing of that log yet")
            return PeerReply(200, self._with_lines(row.mirrored, origin, row.mirrored_size))
        tile = parse_tile_path(what)
        if isinstance(tile, EntryBundleID):
            first = tile.index * TILE_WIDTH
            entries = reader.entries(origin, first, first + tile.width)
            if len(entries) < tile.width:
                raise NotFoundError("that bundle is not stored so far")
            return PeerReply(200, encode_entry_bundle(entries), OCTETS)
        place = (tile.level, tile.index)
        hashes = reader.tiles(origin, [place]).get(place, b"")[: tile.width * HASH_BYTES]
        if len(hashes) < tile.width * HASH_BYTES:
            raise NotFoundError("that tile is not stored so far")
        return PeerReply(200, hashes, OCTETS)

    def _with_lines(self, note: bytes, origin: str, size: int) -> bytes:
        """Return a note with our own lines on exactly that size."""
        heads = self._heads
        signatures = list[Signature]()
        for role, name in _NAMES.items():
            last = heads.last_line(role, origin)
            if last is not None and last[0] == size:
                signatures.append(line_signature(name(heads.own), last[1]))
        return Note.decode(note).with_signatures(*signatures).encode()


class Grown(NamedTuple):
    """What an upload comes to: the copy's right edge after it, and what is to be stored.

    ``failed`` says why nothing was taken from some package on.
    """

    frontier: Frontier
    edge: TileEdge
    append: AppendEntries | None
    failed: UnverifiedError | None


def grow(
    start: int, edge: TileEdge, frontier: Frontier, upload: Upload, pending: Checkpoint
) -> Grown:
    """Take what is new in the packages of an upload, up to the first whose proof fails.

    Args:
        start: How many entries are stored.
        edge: Of those.
        frontier: Of those.
        upload: Begins at or below ``start``.
        pending: The checkpoint to which each package must lead.
    """
    entries, leaves = list[bytes](), list[bytes]()
    width = start % TILE_WIDTH
    before = len(frontier.peaks) - width.bit_count()
    tile = Frontier(width, frontier.peaks[before:])
    failed: UnverifiedError | None = None
    for package in upload.packages:
        at = start + len(entries)
        if package.end <= at:
            continue  # All of it is stored, on the branch that we have checked.
        assert package.rounded_start == at - tile.size
        new = package.entries[at - package.start :]
        added = [hash_leaf(entry) for entry in new]
        grown = tile.extend(added)
        try:
            # The first stands beside what is stored, which may have been pulled on another branch
            # than the pending one; the others stand beside the first.
            _check_package(
                package, grown.root(), pending, None if entries else frontier.peaks[:before]
            )
        except UnverifiedError as error:
            failed = error
            break
        entries += new
        leaves += added
        tile = Frontier.empty() if package.end % TILE_WIDTH == 0 else grown
    if not entries:
        return Grown(frontier, edge, None, failed)
    update = extend_tiles(start, edge, leaves)
    if tile.size == width + len(leaves):  # What was hashed for the proof is the tree's edge.
        longer = Frontier(update.size, (*frontier.peaks[:before], *tile.peaks))
    else:
        longer = frontier.extend(leaves)
    append = AppendEntries(upload.origin, start, tuple(entries), tuple(leaves), update.tiles)
    return Grown(longer, update.edge, append, failed)


def _check_package(
    package: Package, root: bytes, pending: Checkpoint, before: Sequence[bytes] | None
) -> None:
    """Check that leaves with this root are where the package says, in the pending tree."""
    check_subtree_consistency(
        package.rounded_start,
        package.end,
        pending.size,
        root,
        package.proof,
        pending.root,
        before,
    )
