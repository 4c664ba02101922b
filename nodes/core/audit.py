"""What other regions hold of a log, and the lines they gave on it, asked for from time to time.

Each node serves every line that its witness and mirror keys ever signed. From each region one page
is read in the time R, of one key for one log in turn, from where the last page ended; so the cost
is bounded, whatever the others serve. A page is looked through without checking signatures; what
stands out in it, and its last line, are checked and handed to the watch.

In between, its newest note of each log is asked for and compared with our own copy. So a writer
that shows two histories is found out though nobody relies on its log; and at once where a line of
an honest witness turns out to be on another tree than ours.

Source: protocol.md sections 0 and 8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from ledger.checkpoint import Checkpoint
from ledger.encoding import decode, encode
from ledger.errors import LedgerError, MalformedError
from ledger.roster import Role
from ledger.views import collect_lines
from nodes.core.copies import LogReader
from nodes.core.exchange import NEWEST, GivenRow, decode_given, lines_path, origin_hash
from nodes.core.heads import Heads
from nodes.core.notes import good_lines, open_head
from nodes.core.ready import PutMemory, Write
from nodes.core.watch import Watch

AUDITED: Final = "audit/"
"""Memory under this name and a region holds how far its pages have been read."""
CHECKED_ROWS_MAX: Final = 16
"""Of one page: what stands out beyond that is looked at with what comes later."""

_What = Role | Literal["newest"]
_NEWEST: Final = "newest"
_ASKED: Final[tuple[_What, ...]] = ("witness", "mirror", _NEWEST)
_Stream = tuple[_What, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A request for one page, or for a newest note; to be remembered until its answer."""

    stream: _Stream
    path: str


@dataclass(slots=True)
class _Reading:
    """How far one region's pages have been read."""

    streams: tuple[_Stream, ...]
    at: dict[_Stream, tuple[int, int]]
    doubted: list[str] = field(default_factory=list)
    """Logs of which the region has signed another tree than ours: its newest note is asked for."""
    turn: int = 0
    due_ms: int | None = None


class Audit:
    """Reads pages, one of each region in the time R.

    Args:
        heads: Our rows, and who gives lines on which log.
        watch: Takes what is found.
        memory: Small values of the core's own, by name.
    """

    def __init__(self, heads: Heads, watch: Watch, memory: Mapping[str, bytes]) -> None:
        self._heads = heads
        self._watch = watch
        roster = heads.roster
        self._period_ms = roster.constants.refresh_s * 1000
        self._readings: dict[str, _Reading] = {}
        streams: dict[str, list[_Stream]] = {}
        # Lines on what we do not hold could not stand out.
        held = {heads.own, *heads.logs}
        for origin in roster.origins:
            for region in roster.witnesses_of(origin) if origin in held else ():
                streams.setdefault(region, []).extend((role, origin) for role in _ASKED)
        streams.pop(heads.region, None)
        for region in sorted(streams):
            stored = memory.get(AUDITED + region)
            rows = decode(stored) if stored else []
            at = {(role, origin): (since_s, after) for role, origin, since_s, after in rows}
            self._readings[region] = _Reading(tuple(streams[region]), at)

    def question(self, peer: str, now_ms: int) -> Page | None:
        """Return the page to ask a region for now; None: none is due."""
        reading = self._readings.get(peer)
        if reading is None:
            return None
        if reading.doubted:
            return _newest(reading.doubted.pop())
        if reading.due_ms is None or reading.due_ms - now_ms > self._period_ms:
            reading.due_ms = now_ms + self._period_ms
        if now_ms < reading.due_ms:
            return None
        reading.due_ms = now_ms + self._period_ms
        what, origin = stream = reading.streams[reading.turn % len(reading.streams)]
        reading.turn += 1
        if what == _NEWEST:
            return _newest(origin)
        since_s, after = reading.at.get(stream, (0, -1))
        return Page(stream, lines_path(what, origin, since_s=since_s, after=after))

    def answered(  # noqa: PLR0917 - peer, page, answer, time, store: no two alike
        self, peer: str, page: Page, status: int, body: bytes, now_ms: int, reader: LogReader
    ) -> tuple[Write, ...]:
        """Take a page; one that is none is passed over, since it proves nothing."""
        reading = self._readings[peer]
        latest_s = now_ms // 1000 + self._heads.roster.constants.delta_s
        role, origin = page.stream
        try:
            if status != 200:
                raise MalformedError(f"answered {status}")
            if role == _NEWEST:
                return self._take_newest(origin, body, latest_s, reader)
            rows = decode_given(body)
        except LedgerError:
            return ()
        if not rows or any(row.time_s > latest_s for row in rows):
            return ()
        kept = _Kept(reader)
        for row in self._standing_out(rows, origin, kept):
            try:
                head = Checkpoint(origin, row.size, row.root)
            except MalformedError:
                continue
            lines = collect_lines(self._heads.roster, origin, head, (row.line,), role)
            own = [line for line in lines if line.region == peer]
            self._watch.note(role, head, own)
            if own and origin not in reading.doubted and self._heads.is_off_branch(head, kept):
                reading.doubted.append(origin)
        reading.at[page.stream] = (rows[-1].time_s, rows[-1].size)
        stored = [[*stream, *at] for stream, at in sorted(reading.at.items())]
        return (PutMemory(AUDITED + peer, encode(stored)),)

    def _take_newest(
        self, origin: str, body: bytes, latest_s: int, reader: LogReader
    ) -> tuple[Write, ...]:
        """Compare a region's newest note with what we hold."""
        rosters = self._heads.rosters
        head, note = open_head(body, rosters)
        if head.checkpoint.origin != origin:
            raise MalformedError("a note of another log came back")
        for role in ("witness", "mirror"):
            lines = good_lines(rosters.of(origin), head.checkpoint, note.signatures, role, latest_s)
            self._watch.note(role, head.checkpoint, lines)
        return self._heads.compare(head, reader)

    def wake_at_ms(self) -> list[int]:
        """Return when the next page of each region is due."""
        return [it.due_ms for it in self._readings.values() if it.due_ms is not None]

    def _standing_out(
        self, rows: Sequence[GivenRow], origin: str, reader: LogReader
    ) -> list[GivenRow]:
        """Return what may contradict something: in the page, our copy, or what came before it."""
        found = [rows[0]]
        largest = rows[0]
        for row in rows[1:]:
            same = row.size == largest.size
            if (same and row.root != largest.root) or row.size < largest.size:
                found += (largest, row)
            elif not same and self._is_stray(row, origin, reader):
                found.append(row)
            if row.size > largest.size:
                largest = row
        return [*found[:CHECKED_ROWS_MAX], rows[-1]]

    def _is_stray(self, row: GivenRow, origin: str, reader: LogReader) -> bool:
        try:
            head = Checkpoint(origin, row.size, row.root)
        except MalformedError:
            return False
        return self._heads.is_off_branch(head, reader)


def _newest(origin: str) -> Page:
    return Page((_NEWEST, origin), NEWEST + origin_hash(origin))


class _Kept:
    """A reader that keeps tiles for as long as one page is looked through: rows share most."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._tiles: dict[tuple[int, int], bytes] = {}
        self.entries, self.given = reader.entries, reader.given

    def tiles(
        self, origin: str, wanted: Sequence[tuple[int, int]]
    ) -> Mapping[tuple[int, int], bytes]:
        """Return tiles, each read once; all of them are of one log."""
        lacking = [place for place in wanted if place not in self._tiles]
        if lacking:
            self._tiles.update(self._reader.tiles(origin, lacking))
        return self._tiles
