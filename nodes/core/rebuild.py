"""How a node gets back the entries of its own log that it has lost.

What it fetches from mirrors is believed only as far as it hashes to a root that the node itself
remembers or has signed. Which numbers commits get, and what is projected, is the node's concern.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, MalformedError
from ledger.proofs import subtree_root
from ledger.tiles import TILE_BYTES, TILE_LEVELS, extend_tiles, split_hashes
from nodes.core.copies import Copy, LogReader
from nodes.core.exchange import MIRROR, NEWEST, origin_hash
from nodes.core.fetching import Bundle, Need, Tile, fetch_tree
from nodes.core.notes import open_head
from nodes.core.ready import AppendEntries, Write
from nodes.core.recovery import agrees
from nodes.core.rosters import Rosters
from nodes.core.submission import SendingLimits, backoff_ms
from nodes.ports import FenceMark


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
