"""Lines of other regions' keys, compared with what those keys signed before.

Of each key and log three lines are kept: on the largest tree, the latest, and one that is not on
the tree that we hold. Any two that no honest key signs both become evidence. Everything here was
checked when it came; nothing waits for it, and what contradicts nothing is forgotten.

Source: protocol.md section 8.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.checkpoint import Checkpoint
from ledger.equivocation import Said, accuse
from ledger.errors import LedgerError
from ledger.note import KEY_ID_BYTES, Signature
from ledger.proofs import prove_roots, root_at
from ledger.roster import Role
from ledger.views import GoodLine
from nodes.core.copies import LogReader, node_reader
from nodes.core.heads import Heads
from nodes.core.notes import line_bytes
from nodes.core.ready import Write

QUEUED_MAX: Final = 4_096
"""Heads with lines that wait for the next look; more are passed over."""

HEADS_COMPARED_MAX: Final = 2
"""Of each role and log: views show the newest head, and the one before it."""

_ROLES: Final[tuple[Role, ...]] = ("witness", "mirror")


@dataclass(slots=True)
class _Seen:
    """A line, and whether its tree is the one that we hold; None where we cannot tell yet."""

    head: Checkpoint
    line: GoodLine
    is_ours: bool | None


@dataclass(slots=True)
class _Past:
    """What is kept of one key for one log."""

    largest: _Seen
    latest: _Seen
    stray: _Seen | None = None

    def is_about(self, head: Checkpoint) -> bool:
        """Say whether the line on the largest tree is on this one."""
        seen = self.largest.head
        return seen.size == head.size and seen.root == head.root

    def goes_on(self, head: Checkpoint, line: GoodLine) -> bool:
        """Take a later line on a larger tree of ours, which contradicts nothing: as nearly all."""
        last = self.largest
        if (
            last is not self.latest
            or self.stray is not None
            or last.is_ours is not True
            or last.head.size >= head.size
            or last.line.time_s >= line.time_s
        ):
            return False
        last.head, last.line = head, line
        return True

    def all(self) -> Iterator[_Seen]:
        """Give each line once."""
        yield self.largest
        if self.latest is not self.largest:
            yield self.latest
        if self.stray is not None:
            yield self.stray


class Watch:
    """Looks at every line that comes along, from wherever.

    Args:
        heads: Our rows and copies, and who is convicted.
        own_size: How many entries our own log has.
    """

    def __init__(self, heads: Heads, own_size: Callable[[], int]) -> None:
        self._heads = heads
        self._own_size = own_size
        self._past: dict[tuple[Role, str], dict[bytes, _Past]] = {}
        """By role and log, then by key id: a region's new key is not held to what its old one
        signed."""
        self._known_ours: dict[str, Checkpoint] = {}
        """By log, the head that was last found to be of the tree that we hold: all its witnesses
        and mirrors sign the same one."""
        self._compared: dict[tuple[Role, str], dict[Checkpoint, set[GoodLine]]] = {}
        """By role and log, the newest heads of the tree that we hold, and the lines on them that
        were compared: each comes again in block records and in the views of many logs."""
        self._queue: list[tuple[Role, Checkpoint, tuple[GoodLine, ...]]] = []

    def note(self, role: Role, head: Checkpoint, lines: Iterable[GoodLine]) -> None:
        """Take lines that hold, to be looked at before the next entries are appended."""
        taken = tuple(lines)
        known = self._compared.get((role, head.origin), {}).get(head)
        if known is not None and known.issuperset(taken):
            return
        if taken and len(self._queue) < QUEUED_MAX:
            self._queue.append((role, head, taken))

    def stands_out(self, head: Checkpoint, signatures: Iterable[Signature]) -> bool:
        """Say whether unchecked lines on a head would go back in size, if they held."""
        by_role = [self._past.get((role, head.origin), {}) for role in _ROLES]
        for raw in line_bytes(signatures):
            for keys in by_role:
                past = keys.get(raw[:KEY_ID_BYTES])
                if past is None or head.size >= past.largest.head.size:
                    continue
                if int.from_bytes(raw[4:12]) > past.largest.line.time_s:
                    return True
        return False

    def look(self, reader: LogReader) -> tuple[Write, ...]:
        """Compare what has come since the last look, and convict whoever it convicts."""
        if not self._queue:
            return ()
        queue, self._queue = self._queue, []
        writes: list[Write] = []
        own = self._heads.region
        for role, head, lines in queue:
            is_ours: bool | None = None
            is_asked = False
            compared = self._compared.get((role, head.origin), {}).get(head)
            keys = self._past.setdefault((role, head.origin), {})
            for line in lines:
                if line.region == own or (compared and line in compared):
                    continue
                past = keys.get(line.line[:KEY_ID_BYTES])
                if past is not None and past.is_about(head):
                    is_ours = past.largest.is_ours
                elif not is_asked:
                    is_ours, is_asked = self._is_ours(head, reader), True
                if past is not None and is_ours and past.goes_on(head, line):
                    continue
                writes += self._compare(role, past, _Seen(head, line, is_ours), reader)
            if is_ours:
                self._remember(role, head, lines)
        return tuple(writes)

    def _remember(self, role: Role, head: Checkpoint, lines: Iterable[GoodLine]) -> None:
        """Take note that lines on a head of our tree were compared, and forget older heads."""
        of_log = self._compared.setdefault((role, head.origin), {})
        of_log.setdefault(head, set()).update(lines)
        if len(of_log) > HEADS_COMPARED_MAX:
            del of_log[min(of_log, key=lambda it: it.size)]

    def _compare(
        self, role: Role, past: _Past | None, new: _Seen, reader: LogReader
    ) -> Sequence[Write]:
        if past is None:
            stray = new if new.is_ours is False else None
            keys = self._past.setdefault((role, new.head.origin), {})
            keys[new.line.line[:KEY_ID_BYTES]] = _Past(new, new, stray)
            return ()
        for old in past.all():
            writes = self._accuse(role, old, new, reader)
            if writes:
                return writes
        if new.head.size > past.largest.head.size:
            past.largest = new
        if (new.line.time_s, -new.head.size) > (past.latest.line.time_s, -past.latest.head.size):
            past.latest = new
        if new.is_ours is False:
            past.stray = new
        return ()

    def _accuse(self, role: Role, old: _Seen, new: _Seen, reader: LogReader) -> Sequence[Write]:
        """Return what follows where two lines contradict each other; nothing where they do not."""
        small, large = (old, new) if old.head.size <= new.head.size else (new, old)
        hashes: Sequence[bytes] = ()
        if small.head.size == large.head.size:
            if small.head.root == large.head.root:
                return ()
        elif small.line.time_s <= large.line.time_s:  # else it went back in size
            if small.is_ours is None and large.is_ours:
                small.is_ours = self._is_ours(small.head, reader)
            if small.is_ours is not False or not large.is_ours or not small.head.size:
                return ()
            read = node_reader(reader, large.head.origin)
            try:
                hashes = prove_roots(small.head.size, large.head.size, read)
            except LedgerError:
                return ()  # our own tiles are not what they were, which convicts nobody
        said = (self._said(small), self._said(large))
        evidence = accuse(role, new.line.region, said, hashes)
        return self._heads.convictions.take(evidence)

    def _said(self, seen: _Seen) -> Said:
        origin, key_id = seen.head.origin, seen.line.line[:4]
        versions = [
            roster.version
            for roster in self._heads.rosters.of(origin)
            if key_id in roster.witness_keys(origin) or key_id in roster.mirror_keys(origin)
        ]
        version = versions[-1] if versions else self._heads.rosters.version_of(origin)
        return Said(version, seen.head, seen.line.line)

    def _is_ours(self, head: Checkpoint, reader: LogReader) -> bool | None:
        heads = self._heads
        if self._known_ours.get(head.origin) == head:
            return True
        row = None if head.origin in heads.turned else heads.row(head.origin)
        if row is not None and (row.witnessed_size, row.witnessed_root) == (head.size, head.root):
            return True
        held = self._own_size() if head.origin == heads.own else heads.stored_size(head.origin)
        if head.size > held:
            return None
        try:
            is_ours = root_at(head.size, node_reader(reader, head.origin)) == head.root
        except LedgerError:
            return None
        if is_ours:
            self._known_ours[head.origin] = head
        return is_ours
