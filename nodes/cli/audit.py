"""Checking a whole log again from its parts, wherever they lie: a database, or a node's addresses.

Nothing that is stored is believed but the note's signature: entries are hashed, the tree is grown
anew from the leaf hashes, and every tile is compared with what it must be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from sqlalchemy import Engine, select

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, MalformedError, NotFoundError, UnavailableError
from ledger.hashing import EMPTY_ROOT, HASH_BYTES, hash_leaf
from ledger.map_tree import Node, check_stored
from ledger.note import Note, VerifierKey, checkpoint_of
from ledger.object_map import EMPTY_MAP_ROOT
from ledger.roster_chain import RosterChain
from ledger.statement import decode_statement
from ledger.tiles import (
    TILE_WIDTH,
    Tile,
    TileEdge,
    decode_entry_bundle,
    entries_path,
    extend_tiles,
    tile_path,
)
from ledger.tree import Frontier
from ledger.views import decode_block
from nodes.client import Client
from nodes.core.notes import check_log
from nodes.core.rosters import recalled
from nodes.store import schema
from nodes.store.engine import WRITER, open_store
from nodes.store.entries import LogIDs, load_entries, load_sizes, load_tiles
from nodes.store.maps import drop, load_newest, load_node
from nodes.store.notes import load_memory
from nodes.wire import origin_hash

NAMED_MAX: Final = 20
"""Altered entries that a report names; it counts them all."""


class LogKeys(Protocol):
    """Says which keys may sign a log's notes: a roster, or a chain of its versions."""

    def log_keys(self, origin: str) -> Sequence[VerifierKey]:
        """Every key that may have signed them, the newest first; none for a log it knows not."""


class Source(Protocol):
    """Where the parts of one log come from."""

    @property
    def origin(self) -> str:
        """Whose log it is."""

    async def size(self) -> int:
        """How many entries are there."""

    async def note(self) -> bytes | None:
        """The newest signed note on at most ``size`` entries; None where there is none."""

    async def entries(self, start: int, end: int) -> Sequence[bytes]:
        """The entries [start, end) of one bundle; fewer where fewer are there."""

    async def tile(self, level: int, index: int, width: int) -> bytes:
        """The first ``width`` hashes of a tile; fewer where fewer are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check of one log found.

    Args:
        root: Over the entries as they are, at ``size``.
        note_size: Of the note that was compared; 0 where there is none.
        altered: Indexes of entries that do not hash to their leaf, ascending, the first few.
        altered_count: How many there are.
        wrong_tiles: Paths of tiles that are not what lies below them makes them, the first few.
        trouble: What is wrong, in words; empty where all holds.
        first: The first entry that is wrong, so far as it can be told from here; None otherwise.
        leaves_hold: Whether the stored leaf hashes lead to the signed root, so that they can be
            trusted to tell a right entry from a wrong one.
    """

    origin: str
    size: int
    root: bytes
    note_size: int
    altered: tuple[int, ...] = ()
    altered_count: int = 0
    wrong_tiles: tuple[str, ...] = ()
    trouble: str = ""
    first: int | None = None
    leaves_hold: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """The first entry in which two copies of a log differ; None where they agree up to ``size``."""

    origin: str
    size: int
    index: int | None


async def examine(source: Source, keys: LogKeys) -> Report:
    """Check one log.

    1. Every entry hashes to the leaf hash stored for it.
    2. Every tile above is what the leaf hashes make it.
    3. The newest note is signed by the log's key, and its root is the tree's.
    """
    size = await source.size()
    signed = await source.note()
    checkpoint, trouble = _opened(signed, source.origin, keys)
    note_size = 0 if checkpoint is None else checkpoint.size
    by_entries, by_leaves = Frontier.empty(), Frontier.empty()
    edge: TileEdge = ()
    roots: list[bytes] = []
    expected: dict[Tile, bytes] = {}
    altered: list[int] = []
    missing: int | None = None
    for start in range(0, size, TILE_WIDTH):
        end = min(size, start + TILE_WIDTH)
        entries = await source.entries(start, end)
        leaves = [hash_leaf(entry) for entry in entries]
        stored = _split(await source.tile(0, start // TILE_WIDTH, end - start))
        if len(leaves) < end - start or len(stored) < end - start:
            missing = start + min(len(leaves), len(stored))
        altered += [
            start + at
            for at, (leaf, kept) in enumerate(zip(leaves, stored, strict=False))
            if leaf != kept
        ]  # (1)
        if missing is not None:
            break
        # At the note's size the tree is looked at twice: as the entries are, as the leaves say.
        cut = note_size - start
        if 0 < cut <= end - start:
            roots = [
                by_entries.extend(leaves[:cut]).root(),
                by_leaves.extend(stored[:cut]).root(),
            ]
        by_entries, by_leaves = by_entries.extend(leaves), by_leaves.extend(stored)
        update = extend_tiles(start, edge, stored)
        edge = update.edge
        expected |= {tile: hashes for tile, hashes in update.tiles.items() if tile[0] > 0}
    wrong = await _wrong_tiles(source, expected) if missing is None else ()  # (2)
    leaves_hold = not trouble and missing is None and (not note_size or roots[1] == checkpoint.root)  # type: ignore[union-attr]  # fmt: skip
    first = altered[0] if altered else missing
    if missing is not None:
        trouble = trouble or f"entry {missing} is missing"
    elif altered:
        trouble = f"entry {altered[0]} is not what was stored: it does not hash to its leaf"
    elif checkpoint is not None and roots and roots[0] != checkpoint.root:  # (3)
        trouble = trouble or f"the tree of {note_size} entries has another root than its note"
    elif wrong:
        trouble = trouble or f"{wrong[0]} is not what lies below it"
    return Report(
        origin=source.origin,
        size=size,
        root=by_entries.root() if size else EMPTY_ROOT,
        note_size=note_size,
        altered=tuple(altered[:NAMED_MAX]),
        altered_count=len(altered),
        wrong_tiles=wrong[:NAMED_MAX],
        trouble=trouble,
        first=first,
        leaves_hold=leaves_hold,
    )


async def compare(source: Source, other: Source) -> Difference:
    """Find the first entry in which ``source`` differs from another copy of its log."""
    size = min(await source.size(), await other.size())
    for start in range(0, size, TILE_WIDTH):
        end = min(size, start + TILE_WIDTH)
        leaves = [hash_leaf(entry) for entry in await source.entries(start, end)]
        theirs = _split(await other.tile(0, start // TILE_WIDTH, end - start))
        for at in range(end - start):
            if at >= len(leaves) or at >= len(theirs) or leaves[at] != theirs[at]:
                return Difference(source.origin, size, start + at)
    return Difference(source.origin, size, None)


def _opened(signed: bytes | None, origin: str, keys: LogKeys) -> tuple[Checkpoint | None, str]:
    if signed is None:
        return None, ""
    try:
        note = Note.decode(signed)
        checkpoint = Checkpoint.decode(note.text)
        check_log(note, keys.log_keys(origin), origin)
        if checkpoint.origin != origin:
            return None, f"the note is one of {checkpoint.origin}"
    except LedgerError as error:
        return None, f"the note does not hold: {error}"
    return checkpoint, ""


async def _wrong_tiles(source: Source, expected: Mapping[Tile, bytes]) -> tuple[str, ...]:
    wrong = []
    for (level, index), hashes in sorted(expected.items()):
        width = len(hashes) // HASH_BYTES
        if await source.tile(level, index, width) != hashes:
            wrong.append(tile_path(level, index, width))
    return tuple(wrong)


def _split(hashes: bytes) -> list[bytes]:
    whole = len(hashes) - len(hashes) % HASH_BYTES
    return [hashes[at : at + HASH_BYTES] for at in range(0, whole, HASH_BYTES)]


# ---- from a node's database ----------------------------------------------------------------------


class StoredLogs:
    """The database of a node, opened to be looked at. Used as a context manager."""

    def __init__(self, path: Path, url: str = "") -> None:
        if not url and not path.is_file():
            raise NotFoundError(f"no database {path}", code="no-database")
        self._store = open_store(path, url)
        self.engine: Engine = self._store.reading

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def write(self) -> Engine:
        """Return an engine to write with.

        Raises:
            UnavailableError: ``standby``: another process has the right to write.
        """
        election = self._store.election
        if election is not None and not election.win():
            raise UnavailableError("a node is writing to this database", code="standby")
        return self._store.writing

    def origins(self) -> list[str]:
        """Return whose logs are stored."""
        with self.engine.connect() as connection:
            return [origin for origin, size in load_sizes(connection).items() if size]

    def rosters(self, known: RosterChain) -> RosterChain:
        """Return the versions of the roster that are known, with those that are stored here."""
        with self.engine.connect() as connection:
            return recalled(known, load_memory(connection))

    def log(self, origin: str) -> "StoredLog":
        """Return one of the logs."""
        return StoredLog(self.engine, origin)

    def wrong_rows(self, origin: str) -> list[int]:
        """Return the indexes of rows of objects that name another leaf than their entry has now."""
        with self.engine.connect() as connection:
            ids = LogIDs()
            log_id = ids.find(connection, origin) or 0
            size = load_sizes(connection).get(origin, 0)
            rows = schema.facts.c
            query = select(rows.index, rows.leaf).where(rows.log_id == log_id).order_by(rows.index)
            wrong: list[int] = []
            low, leaves = -1, list[bytes]()
            for index, leaf in connection.execute(query):
                if index // TILE_WIDTH != low:
                    low = index // TILE_WIDTH
                    start = low * TILE_WIDTH
                    found = load_entries(connection, ids, origin, start, start + TILE_WIDTH)
                    leaves = [hash_leaf(entry) for entry in found]
                at = index - low * TILE_WIDTH
                if index >= size or at >= len(leaves) or leaves[at] != leaf:
                    wrong.append(index)
            return wrong

    def wrong_nodes(self, origin: str) -> list[str]:
        """Return where the stored object map of a log does not hash to what is above it.

        The root is held against the block record of that size.
        """
        with self.engine.connect() as connection:
            ids = LogIDs()
            state = load_newest(connection, ids, origin)

            def load(prefix: bytes) -> Node | None:
                data = load_node(connection, ids, origin, prefix)
                return None if data is None else Node.decode(prefix, data)

            wrong = [prefix.decode(errors="replace") for prefix in check_stored(state.root, load)]
            record = load_entries(connection, ids, origin, state.size, state.size + 1)
            try:
                named = decode_block(decode_statement(record[0]).act.body).map_root
            except (IndexError, LedgerError):
                return wrong  # no block record: a log that has none for long
            root = EMPTY_MAP_ROOT if state.root is None else state.root.hash
            return wrong if named == root else ["root", *wrong]

    def drop_map(self, origin: str) -> None:
        """Forget the object map of a log; its node makes it again from the entries."""
        with self.write().execution_options(**{WRITER: True}).begin() as connection:
            drop(connection, LogIDs(), origin)


class StoredLog:
    """A log in a database."""

    def __init__(self, engine: Engine, origin: str) -> None:
        self._engine = engine
        self._ids = LogIDs()
        self.origin = origin

    async def size(self) -> int:
        """Return how many entries are stored."""
        with self._engine.connect() as connection:
            return load_sizes(connection).get(self.origin, 0)

    async def note(self) -> bytes | None:
        """Return the newest note that the entries reach."""
        size = await self.size()
        table = schema.notes.c
        with self._engine.connect() as connection:
            query = (
                select(table.note)
                .where(
                    table.log_id == (self._ids.find(connection, self.origin) or 0),
                    table.size <= size,
                )
                .order_by(table.size.desc())
                .limit(1)
            )
            found: bytes | None = connection.execute(query).scalar()
            return found

    async def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Return stored entries."""
        with self._engine.connect() as connection:
            return load_entries(connection, self._ids, self.origin, start, end)

    async def tile(self, level: int, index: int, width: int) -> bytes:
        """Return stored hashes."""
        with self._engine.connect() as connection:
            found = load_tiles(connection, self._ids, self.origin, [(level, index)])
        return found.get((level, index), b"")[: width * HASH_BYTES]


# ---- from a node's addresses ---------------------------------------------------------------------


class ServedLog:
    """A log as a node serves it: its own, or one that it mirrors."""

    def __init__(self, client: Client, origin: str, *, is_own: bool) -> None:
        self._client = client
        self._prefix = "/log" if is_own else f"/mirror/{origin_hash(origin)}"
        self._note: bytes | None = None
        self.origin = origin

    async def size(self) -> int:
        """Return the size of the newest checkpoint."""
        signed = await self.note()
        return 0 if signed is None else checkpoint_of(signed).size

    async def note(self) -> bytes | None:
        """Return the newest checkpoint, the same one as long as this object lives."""
        if self._note is None:
            try:
                self._note = await self._client.fetch(f"{self._prefix}/checkpoint")
            except NotFoundError:
                return None
        return self._note

    async def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Return the entries of a bundle."""
        path = entries_path(start // TILE_WIDTH, _width(end - start))
        try:
            return decode_entry_bundle(
                await self._client.fetch(f"{self._prefix}/{path}"), end - start
            )
        except (NotFoundError, MalformedError):
            return []

    async def tile(self, level: int, index: int, width: int) -> bytes:
        """Return the hashes of a tile."""
        path = tile_path(level, index, _width(width))
        try:
            return await self._client.fetch(f"{self._prefix}/{path}")
        except NotFoundError:
            return b""


def _width(count: int) -> int | None:
    return None if count == TILE_WIDTH else count
