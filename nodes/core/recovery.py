"""Whether a node may write again after a start, and how it gets back what it has lost.

A node that has forgotten something writes nothing and cosigns nothing (protocol.md section 6). What
it fetches from mirrors is believed only as far as it hashes to a root that the node itself
remembers or has signed. Which numbers commits get, and what is projected, is the node's concern.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Literal

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, MalformedError, UnavailableError, UnverifiedError
from ledger.hashing import HASH_BYTES, hash_leaf
from ledger.proofs import root_at, subtree_root
from ledger.tiles import (
    TILE_BYTES,
    TILE_LEVELS,
    TILE_WIDTH,
    decode_entry_bundle,
    entries_path,
    extend_tiles,
    frontier_from_edge,
    partial_width,
    split_hashes,
    tile_path,
)
from nodes.core.copies import Copy, LogReader, node_reader, read_edge
from nodes.core.exchange import MIRROR, NEWEST, origin_hash
from nodes.core.notes import open_head
from nodes.core.ready import AppendEntries, Write
from nodes.core.rosters import Rosters
from nodes.core.submission import SendingLimits, backoff_ms
from nodes.ports import FenceMark

BEHIND_WITNESSES: Final = "behind-witnesses"
REBUILDING: Final = "rebuilding"
ALTERED: Final = "altered"


# ---- may we write -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """What a start finds: whether the node may write, and why not."""

    state: Literal["serving", "behind-fence"]
    move_fence: bool
    """Whether the store is past the fence, which is to be moved up first."""
    why: str


def decide_start(  # noqa: PLR0917 - the fence, then the store
    mark: FenceMark | None, commit: int, origin: str, size: int, root: bytes, reader: LogReader
) -> Start:
    """Compare the store with the fence.

    The store may serve iff its commit number is not smaller than the fence's and its tree extends
    the fence's head. A new node is told from one that lost its store by its fence, which says
    commit 0.

    Args:
        mark: The fence; None where it is missing, which counts as behind.
        commit: Number of the store's last commit.
        origin: Of our own log.
        size: How many entries the store has.
        root: Root of its tree, as ``check_head`` has found it.
        reader: Reads its tiles.
    """
    if mark is None:
        return _behind("there is no fence")
    if commit < mark.commit:
        return _behind(f"the store is at commit {commit}, the fence at {mark.commit}")
    if size < mark.size:
        return _behind(f"the store has {size} entries, the fence {mark.size}")
    if not agrees(Checkpoint(origin, mark.size, mark.root), size, reader):
        return _behind(f"the store's tree does not have the fence's root at {mark.size}")
    past = (commit, size, root) != (mark.commit, mark.size, mark.root)
    return Start("serving", move_fence=past, why="")


def _behind(why: str) -> Start:
    return Start("behind-fence", move_fence=False, why=why)


def agrees(claim: Checkpoint, size: int, reader: LogReader) -> bool:
    """Say whether our store of ``size`` entries has gone through this head of our own log."""
    if claim.size > size:
        return False
    try:
        return root_at(claim.size, node_reader(reader, claim.origin)) == claim.root
    except LedgerError:
        return False  # tiles are missing or short


# ---- is the store what it was -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in the store that does not hash to what is above it."""

    what: Literal["entry", "tile", "edge"]
    level: int
    """Of the tile; 0 for entries."""
    index: int
    """Of the entry, or of the tile."""

    def __str__(self) -> str:
        if self.what == "entry":
            return f"entry {self.index}"
        if self.what == "tile":
            return f"tile {self.index} at level {self.level}"
        return "the right edge of the tree"


def check_head(origin: str, size: int, root: bytes, reader: LogReader) -> None:
    """Check the tree's right edge and the newest entries: cheap, whatever the size.

    1. The tiles at the right edge lead to ``root``.
    2. The entries of the last bundle hash to the leaves that are there.

    Raises:
        UnavailableError: ``altered``: the store is not what it was.
    """
    try:
        edge = read_edge(origin, size, reader)
    except MalformedError as error:
        raise UnavailableError(str(error), code=ALTERED) from error
    if frontier_from_edge(size, edge).root() != root:  # (1)
        raise UnavailableError(f"the tiles of {size} entries have another root", code=ALTERED)
    if size:  # (2)
        last = (size - 1) // TILE_WIDTH
        leaves = reader.tiles(origin, [(0, last)]).get((0, last), b"")
        for damage in _bad_entries(origin, last, size, leaves, reader):
            raise UnavailableError(f"{damage} has changed", code=ALTERED)


def check_all(origin: str, size: int, root: bytes, reader: LogReader) -> Iterator[Damage]:
    """Hash everything again, from the root down, and yield what does not hash to what is above it.

    What stands below a damaged tile is checked by its own, lower tiles only if these are what the
    tile above should have said; so one altered row is named as itself.
    """
    try:
        edge = read_edge(origin, size, reader)
    except MalformedError:
        yield Damage("edge", 0, 0)
        return
    if frontier_from_edge(size, edge).root() != root:
        yield Damage("edge", 0, 0)
        return
    for level in range(len(edge) - 1, -1, -1):
        first = size >> (TILE_LEVELS * (level + 1)) << TILE_LEVELS
        if level == 0:
            if edge[0]:
                yield from _bad_entries(origin, first >> TILE_LEVELS, size, edge[0], reader)
            break
        for at, hash_ in enumerate(split_hashes(edge[level])):
            yield from _bad_below(origin, level - 1, first + at, hash_, size, reader)


def _bad_below(  # noqa: PLR0917 - a place and what it must be
    origin: str, level: int, index: int, root: bytes, size: int, reader: LogReader
) -> Iterator[Damage]:
    """Yield the damage in a full tile with this root, and below it."""
    tile = reader.tiles(origin, [(level, index)]).get((level, index), b"")[:TILE_BYTES]
    if len(tile) < TILE_BYTES or subtree_root(split_hashes(tile)) != root:
        yield Damage("tile", level, index)
        derived = _derive(origin, level, index, size, reader)
        if derived is None or subtree_root(split_hashes(derived)) != root:
            return  # What is below cannot be told good from bad before the tile is mended.
        tile = derived
    if level == 0:
        yield from _bad_entries(origin, index, size, tile, reader)
        return
    for at, hash_ in enumerate(split_hashes(tile)):
        yield from _bad_below(origin, level - 1, index * TILE_WIDTH + at, hash_, size, reader)


def _derive(origin: str, level: int, index: int, size: int, reader: LogReader) -> bytes | None:
    """Return a full tile as what is stored below it gives it; None if something is missing."""
    if level == 0:
        first = index * TILE_WIDTH
        entries = reader.entries(origin, first, min(first + TILE_WIDTH, size))
        if len(entries) < TILE_WIDTH:
            return None
        return b"".join(map(hash_leaf, entries))
    places = [(level - 1, index * TILE_WIDTH + at) for at in range(TILE_WIDTH)]
    found = reader.tiles(origin, places)
    if any(len(found.get(place, b"")) < TILE_BYTES for place in places):
        return None
    return b"".join(subtree_root(split_hashes(found[place][:TILE_BYTES])) for place in places)


def _bad_entries(
    origin: str, bundle: int, size: int, leaves: bytes, reader: LogReader
) -> Iterator[Damage]:
    """Yield the entries of a bundle that do not hash to its leaves."""
    first = bundle * TILE_WIDTH
    end = min(first + TILE_WIDTH, size)
    entries = reader.entries(origin, first, end)
    for index in range(first, end):
        at = (index - first) * HASH_BYTES
        entry = entries[index - first] if index - first < len(entries) else None
        if entry is None or hash_leaf(entry) != leaves[at : at + HASH_BYTES]:
            yield Damage("entry", 0, index)


# ---- fetching what hashes right -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Need:
    """Files that must all come from one mirror, and what tells whether they are right.

    Args:
        paths: Below a mirrored log's prefix.
        check: Returns what the files hold; raises ``LedgerError`` if they are not what is needed.
    """

    paths: tuple[str, ...]
    check: Callable[[Sequence[bytes]], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Entries from ``start`` on, each of which hashes to its place below the root asked for."""

    start: int
    entries: tuple[bytes, ...]
    leaves: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """All hashes of a tile that leads to the root asked for."""

    level: int
    index: int
    hashes: bytes


Wanted = Callable[[int, int, bytes], bool]
"""Whether anything in or below the full tile at (level, index), which has this root, is missing."""


def fetch_tree(
    size: int, root: bytes, wanted: Wanted
) -> Generator[Need | Bundle | Tile, Sequence[bytes], None]:
    """Say what to fetch of a log, from the root down and from left to right.

    Each ``Need`` is answered, through ``send``, with what its ``check`` returned; so nothing below
    is asked for before what is above it is known to be right. Tiles and bundles come out as they
    are known, and are answered with anything.
    """
    levels = -(-size.bit_length() // TILE_LEVELS)
    widths = [partial_width(level, size) for level in range(levels)]
    paths = tuple(
        tile_path(level, size >> (TILE_LEVELS * (level + 1)), width)
        for level, width in enumerate(widths)
        if width
    )
    edge: list[bytes] = []
    if paths:
        found = iter((yield Need(paths, _edge_check(size, root, widths))))
        edge = [next(found) if width else b"" for width in widths]
    for level in range(levels - 1, -1, -1):
        index = size >> (TILE_LEVELS * (level + 1))
        if not edge[level]:
            continue
        yield Tile(level, index, edge[level])
        if level == 0:
            yield from _fetch_bundle(index, edge[0])
            continue
        for at, hash_ in enumerate(split_hashes(edge[level])):
            yield from _fetch_below(level - 1, index * TILE_WIDTH + at, hash_, wanted)


def fetch_path(
    size: int, root: bytes, position: int
) -> Generator[Need, Sequence[bytes], dict[tuple[int, int], bytes]]:
    """Say what to fetch of a log to know what its tree was at ``position``; return those tiles.

    They are the tiles at the right edge that the tree had then, and those at its edge now.
    """
    tiles = yield from _fetch_edge(size, root)
    # From the top, so that what is above a tile says what it must be.
    for level in range(_levels(size) - 1, -1, -1):
        index = position >> (TILE_LEVELS * (level + 1))
        if (level, index) in tiles or not partial_width(level, position):
            continue
        yield from _fetch_tile(level, index, tiles)
    return tiles


def fetch_shared(
    size: int, root: bytes, ours: Callable[[int, int], bytes]
) -> Generator[Need, Sequence[bytes], int]:
    """Say what to fetch of a log to know how many entries it begins with that we hold as well.

    Args:
        size: Of its tree.
        root: Of it.
        ours: Returns the tile at (level, index) of what we hold; empty where there is none.
    """
    tiles = yield from _fetch_edge(size, root)
    index = 0
    # From the top: below the first hash that differs, or that one of the two lacks, they part.
    for level in range(_levels(size) - 1, -1, -1):
        if index != size >> (TILE_LEVELS * (level + 1)):
            yield from _fetch_tile(level, index, tiles)
        both = zip(
            split_hashes(tiles.get((level, index), b"")),
            split_hashes(ours(level, index)),
            strict=False,
        )
        equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
        # A tile of ours that is not what lies below it must not lead past the log's own edge.
        index = index * TILE_WIDTH + min(equal, TILE_WIDTH - 1)
    return index


def _levels(size: int) -> int:
    """Return how many levels of tiles a log has."""
    return -(-size.bit_length() // TILE_LEVELS)


def _fetch_edge(
    size: int, root: bytes
) -> Generator[Need, Sequence[bytes], dict[tuple[int, int], bytes]]:
    """Fetch the tiles at the right edge of a tree, as far as they are not whole."""
    widths = [partial_width(level, size) for level in range(_levels(size))]
    places = [(level, size >> (TILE_LEVELS * (level + 1))) for level in range(len(widths))]
    paths = tuple(tile_path(*places[level], width) for level, width in enumerate(widths) if width)
    found = iter((yield Need(paths, _edge_check(size, root, widths))))
    return {place: next(found) for place, width in zip(places, widths, strict=True) if width}


def _fetch_tile(
    level: int, index: int, tiles: dict[tuple[int, int], bytes]
) -> Generator[Need, Sequence[bytes], None]:
    """Fetch a full tile, and those above it that are not there yet."""
    above, at = divmod(index, TILE_WIDTH)
    if (level + 1, above) not in tiles:
        yield from _fetch_tile(level + 1, above, tiles)
    root = tiles[level + 1, above][at * HASH_BYTES : (at + 1) * HASH_BYTES]
    (tiles[level, index],) = yield Need((tile_path(level, index),), _tile_check(level, index, root))


def _fetch_below(
    level: int, index: int, root: bytes, wanted: Wanted
) -> Generator[Need | Bundle | Tile, Sequence[bytes], None]:
    if not wanted(level, index, root):
        return
    (tile,) = yield Need((tile_path(level, index),), _tile_check(level, index, root))
    yield Tile(level, index, tile)
    if level == 0:
        yield from _fetch_bundle(index, tile)
        return
    for at, hash_ in enumerate(split_hashes(tile)):
        yield from _fetch_below(level - 1, index * TILE_WIDTH + at, hash_, wanted)


def _fetch_bundle(
    index: int, leaves: bytes
) -> Generator[Need | Bundle | Tile, Sequence[bytes], None]:
    width = len(leaves) // HASH_BYTES

    def check(files: Sequence[bytes]) -> Sequence[bytes]:
        (data,) = files
        entries = decode_entry_bundle(data, width)
        if b"".join(map(hash_leaf, entries)) != leaves:
            raise UnverifiedError(f"bundle {index} has other entries")
        return entries

    entries = yield Need((entries_path(index, width),), check)
    yield Bundle(index * TILE_WIDTH, tuple(entries), tuple(split_hashes(leaves)))


def is_tile_of(tile: bytes, root: bytes) -> bool:
    """Say whether these are all hashes of a full tile with this root."""
    return len(tile) == TILE_BYTES and subtree_root(split_hashes(tile)) == root


def _tile_check(
    level: int, index: int, root: bytes
) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    def check(files: Sequence[bytes]) -> Sequence[bytes]:
        (tile,) = files
        if not is_tile_of(tile, root):
            raise UnverifiedError(f"tile {index} at level {level} has another root")
        return files

    return check


def _edge_check(
    size: int, root: bytes, widths: Sequence[int]
) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    def check(files: Sequence[bytes]) -> Sequence[bytes]:
        found = iter(files)
        edge = [next(found) if width else b"" for width in widths]
        if frontier_from_edge(size, edge).root() != root:
            raise UnverifiedError(f"the right edge at {size} has another root")
        return files

    return check


# ---- rebuilding our own log ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fetch:
    """A request to one mirror, as it must be remembered until its answer."""

    path: str
    about: Need | None
    """None: a question for its newest note of our log."""


class Rebuild:
    """Fetches back the entries of our own log, up to the fence's head.

    1. Ask mirrors for their newest note, until n − q + f + 1 have answered: among so many, one
       honest mirror holds each replicated entry.
    2. The target is the fence's head, or a note of ours beyond it that one of them holds.
    3. Fetch the tree at the target from whichever mirror has it; what does not hash right is asked
       of another one.

    Nothing is written before the right edge of the target's tree has come and is right: so if the
    tail is missing everywhere, nothing is. The node stays halted until ``is_done``.
    """

    def __init__(  # noqa: PLR0917 - in the order of what is known
        self,
        rosters: Rosters,
        origin: str,
        mark: FenceMark,
        stored_size: int,
        reader: LogReader,
        limits: SendingLimits,
    ) -> None:
        self._rosters = rosters
        self._origin = origin
        self._mark = mark
        self.target = Checkpoint(origin, mark.size, mark.root)
        self._limits = limits
        self._mirrors = rosters.witnesses_of(origin)
        # What was replicated was so by the version in force then; which one, only the lost log
        # says, so as many are waited for as any of them asks.
        self._enough = min(
            max(
                len(self._mirrors) - roster.quorum(origin) + roster.faulty_max(origin) + 1
                for roster in rosters.of(origin)
            ),
            len(self._mirrors),
        )
        self._answered: dict[str, Checkpoint | None] = {}
        self._failures: dict[str, int] = {}
        self._due_ms: dict[str, int] = {}
        self._copy = Copy.load(origin, stored_size, reader)
        self._is_on_mark = mark.size > stored_size or agrees(self.target, stored_size, reader)
        self._skip = self._known_tiles(reader)
        self._plan: Generator[Need | Bundle | Tile, Sequence[bytes], None] | None = None
        self._need: Need | None = None
        self._source: str | None = None
        self._files: list[bytes] = []
        self.is_done = False
        self.is_stuck = False
        """Whether what the store still holds is of another tree: then no mirror can help."""
        self.why = "asking the mirrors what they hold of our log"

    def _known_tiles(self, reader: LogReader) -> dict[tuple[int, int], bytes]:
        """Return the roots of the full tiles that the store has, which are not fetched again."""
        known: dict[tuple[int, int], bytes] = {}
        size = self._copy.size
        for level in range(len(self._copy.edge)):
            full = size >> (TILE_LEVELS * (level + 1))
            places = [(level, index) for index in range(full)]
            for place, tile in reader.tiles(self._origin, places).items():
                if len(tile) >= TILE_BYTES:
                    known[place] = subtree_root(split_hashes(tile[:TILE_BYTES]))
        return known

    def next_fetch(self, peer: str, now_ms: int) -> Fetch | None:
        """Return what to ask of a mirror now; None: nothing."""
        waits = 0 < self._due_ms.get(peer, 0) - now_ms <= self._limits.backoff_ms_max
        if self.is_done or self.is_stuck or peer not in self._mirrors or waits:
            return None
        prefix = origin_hash(self._origin)
        if self._need is None:
            return Fetch(NEWEST + prefix, None)
        if peer not in self._answered:
            return Fetch(NEWEST + prefix, None)
        head = self._answered[peer]
        if head is None or head.size < self.target.size or self._source not in {None, peer}:
            return None
        # One mirror at a time: it is left only when it fails.
        self._source = peer
        have = len(self._files)
        return Fetch(f"{MIRROR}{prefix}/{self._need.paths[have]}", self._need)

    def answered(
        self, peer: str, fetch: Fetch, status: int, body: bytes, now_ms: int
    ) -> tuple[Write, ...]:
        """Take a mirror's answer."""
        if self.is_done or self.is_stuck:
            return ()
        if fetch.about is not None and fetch.about is not self._need:
            return ()  # what was asked before the last failure
        try:
            if fetch.about is None:
                return self._take_newest(peer, status, body, now_ms)
            return self._take_file(peer, fetch.about, status, body)
        except LedgerError as error:
            self._files = []
            self._source = None
            if self._need is not None:
                self.why = (
                    f"no mirror yet has {self._need.paths[0]} up to {self.target.size}: {error}"
                )
            self._wait(peer, now_ms)
            return ()

    def wake_at_ms(self) -> list[int]:
        """Return when mirrors may be asked again."""
        return [] if self.is_done else list(self._due_ms.values())

    def _take_newest(self, peer: str, status: int, body: bytes, now_ms: int) -> tuple[Write, ...]:
        if status == 404:
            self._answered[peer] = None
        elif status == 200:
            head, _ = open_head(body, self._rosters)
            if head.checkpoint.origin != self._origin:
                raise MalformedError("a note of another log came back")
            self._answered[peer] = head.checkpoint
        else:
            raise MalformedError(f"answered {status}")
        if self._plan is not None:
            return ()
        self._wait(peer, now_ms)  # asked again only if the others do not make up enough
        if len(self._answered) < self._enough:
            self.why = f"{len(self._answered)} of {self._enough} mirrors have answered"
            return ()
        held = [head for head in self._answered.values() if head is not None]
        newest = max(held, key=lambda head: head.size, default=None)
        if newest is None or newest.size < self._mark.size:
            size = 0 if newest is None else newest.size
            self.why = f"the mirrors know {size} entries, the fence {self._mark.size}"
            return ()
        # A note of ours beyond the fence was shown to someone: it must not be signed otherwise.
        if newest.size > self._mark.size:
            self.target = newest
        self._plan = fetch_tree(self.target.size, self.target.root, self._is_wanted)
        self.why = f"fetching {self.target.size} entries"
        self._due_ms.clear()
        self._failures.clear()
        return self._advance(())

    def _take_file(self, peer: str, need: Need, status: int, body: bytes) -> tuple[Write, ...]:
        if status != 200:
            raise MalformedError(f"answered {status}")
        files = self._files
        files.append(body)
        self._failures.pop(peer, None)
        if len(files) < len(need.paths):
            return ()
        return self._advance(need.check(files))

    def _advance(self, given: Sequence[bytes]) -> tuple[Write, ...]:
        """Go on with the plan up to its next need, storing what comes out."""
        plan = self._plan
        assert plan is not None
        self._files = []
        writes: list[Write] = []
        try:
            item = plan.send(given) if self._need is not None else next(plan)
            while not isinstance(item, Need):
                if isinstance(item, Bundle):
                    if not self._fits(item):
                        self._stick()
                        return ()
                    writes += self._store(item)
                item = next(plan)
            self._need = item
        except StopIteration:
            self._need = None
            self._finish()
        return tuple(writes)

    def _fits(self, bundle: Bundle) -> bool:
        """Say whether what the store holds of a bundle's place is the bundle's own beginning."""
        copy = self._copy
        have = copy.size - bundle.start
        if have >= len(bundle.entries):
            return True  # all of it is stored, and the root over all says whether it is right
        edge = copy.edge[0] if copy.edge else b""
        return have >= 0 and edge == b"".join(bundle.leaves[:have])

    def _stick(self) -> None:
        self._need = None
        self.is_stuck = True
        self.why = "what the store still holds is of another tree"

    def _store(self, bundle: Bundle) -> tuple[Write, ...]:
        copy = self._copy
        have = copy.size - bundle.start
        if have >= len(bundle.entries):
            return ()
        entries, leaves = bundle.entries[have:], bundle.leaves[have:]
        to_mark = self._mark.size - copy.size
        if 0 < to_mark <= len(leaves):
            self._is_on_mark = copy.frontier.extend(leaves[:to_mark]).root() == self._mark.root
        update = extend_tiles(copy.size, copy.edge, leaves)
        start = copy.size
        copy.frontier = copy.frontier.extend(leaves)
        copy.size, copy.edge = update.size, update.edge
        return (AppendEntries(self._origin, start, entries, leaves, update.tiles),)

    def _finish(self) -> None:
        copy = self._copy
        is_target = copy.size == self.target.size and copy.frontier.root() == self.target.root
        if not is_target or not self._is_on_mark:
            self._stick()
            return
        self.is_done = True
        self.why = ""

    def _is_wanted(self, level: int, index: int, root: bytes) -> bool:
        return self._skip.get((level, index)) != root

    def _wait(self, peer: str, now_ms: int) -> None:
        attempt = self._failures[peer] = self._failures.get(peer, 0) + 1
        self._due_ms[peer] = now_ms + backoff_ms(self._limits, f"{peer}\nrebuild", attempt)
