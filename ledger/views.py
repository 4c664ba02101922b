"""Lines inside entries: views of other logs, block records, and the two times that lines give.

Only mirror lines that are bytes inside entries count, so every reader computes the same times from
the same bytes. Whether a block's (size, root) are those of the log that holds it, and whether a
line is dated later than the reader's clock allows, only the reader knows: neither is checked here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from ledger.checkpoint import SIZE_MAX, Checkpoint
from ledger.cosignature import LINE_BYTES, Line, check_line
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.hashing import HASH_BYTES
from ledger.note import Note, Signature, check_signed
from ledger.roster import Role, Roster
from ledger.roster_fields import NUMBER_MAX

VIEW_KIND: Final = "log.view"
BLOCK_KIND: Final = "log.block"
EPOCH_KIND: Final = "log.epoch"
VIEW_LINES_MAX: Final = 256


class GoodLine(NamedTuple):
    """A line that holds: the region whose key signed it, when, and its 76 bytes."""

    region: str
    time_s: int
    line: bytes


class Cover(NamedTuple):
    """What a good line in a block record says: this mirror held so many entries at that time."""

    region: str
    size: int
    time_s: int


class Count(NamedTuple):
    """What the lines of one candidate in a block record say.

    ``before`` is by the version that an epoch ends, and empty for all but the note of an epoch.
    """

    size: int
    covers: tuple[Cover, ...]
    before: tuple[Cover, ...] = ()


class FixedRange(NamedTuple):
    """Entries from ``low`` up to before ``high``, whose ``seen_by`` is now settled for good."""

    low: int
    high: int
    seen_by_s: int


def check_lines(
    roster: Roster, origin: str, checkpoint: Checkpoint, lines: Iterable[bytes], role: Role
) -> tuple[GoodLine, ...]:
    """Check that every line is by a different region that may sign it, over ``checkpoint``.

    Returns:
        The lines in their order.

    Raises:
        UnverifiedError: ``bad-line``.
    """
    good: list[GoodLine] = []
    for line in lines:
        found = _check_one(roster, origin, checkpoint, line, role)
        if any(found.region == other.region for other in good):
            raise UnverifiedError(f"two {role} lines of {found.region}", code="bad-line")
        good.append(found)
    return tuple(good)


def collect_lines(
    roster: Roster, origin: str, checkpoint: Checkpoint, lines: Iterable[bytes], role: Role
) -> tuple[GoodLine, ...]:
    """Return the lines that hold, the first of each region, and pass over the rest."""
    good: dict[str, GoodLine] = {}
    for line in lines:
        try:
            found = _check_one(roster, origin, checkpoint, line, role)
        except LedgerError:
            continue
        good.setdefault(found.region, found)
    return tuple(good.values())


def fresh_at(times: Iterable[int], quorum: int) -> int | None:
    """Return the q-th largest time: no quorum had seen more before then.

    With the smallest instead, one liar would keep an old view fresh for ever. The times are one for
    each region, of lines on exactly the same tree; None where there are fewer than ``quorum``.
    """
    return _nth(sorted(times, reverse=True), quorum)


def seen_by(times: Iterable[int], quorum: int) -> int | None:
    """Return the q-th smallest time: the entry existed by then.

    The times are one for each region, the earliest of its lines on trees that hold the entry; None
    where there are fewer than ``quorum``.
    """
    return _nth(sorted(times), quorum)


@dataclass(frozen=True, slots=True)
class View:
    """Another log's note as a quorum of its mirrors saw it. Every signature in it holds.

    Args:
        roster: Version of the roster by which the lines count.
        fresh_at_s: No quorum had seen a larger tree before then.
        note: The viewed log's note, with its own signature line alone.
        before: Lines by the version before ``roster``; there are some iff the view is of a note
            that first covers the epoch of ``roster`` in the viewed log.
    """

    origin: str
    size: int
    root: bytes
    roster: int
    fresh_at_s: int
    note: bytes
    lines: tuple[bytes, ...]
    before: tuple[bytes, ...] = ()


def view_body(
    note: bytes,
    roster: Roster,
    lines: Iterable[GoodLine],
    before: tuple[Roster, Iterable[GoodLine]] | None = None,
) -> dict[str, Any]:
    """Return the body of a ``log.view`` act.

    Of more lines than a quorum it takes the latest, as they make the view the freshest. Of the note
    it takes the text and the log's own line.

    Args:
        note: Of the viewed log.
        roster: By which ``lines`` count.
        lines: Mirror lines on the note.
        before: For a note that first covers an epoch: the version before ``roster``, and lines by
            that one.

    Raises:
        MalformedError: It is no note of a log of the roster.
        UnverifiedError: ``no-quorum``; or the note is not signed by its log.
    """
    text, signature, checkpoint = _open_note(note, roster)
    body = {
        "note": Note(text, (signature,)).encode(),
        "roster": roster.version,
        "lines": _latest(lines, roster.quorum(checkpoint.origin)),
    }
    if before is not None:
        body["before"] = _latest(before[1], before[0].quorum(checkpoint.origin))
    decode_view(body, roster, None if before is None else before[0])
    return body


def decode_view(body: Mapping[str, Any], roster: Roster, before: Roster | None = None) -> View:
    """Read the body of a ``log.view`` act and check all of it.

    1. The fields are those of the form, and the lines are counted by ``roster``.
    2. The note is canonical and holds the viewed log's own signature alone, which holds.
    3. Exactly q lines, of distinct mirrors of that log, hold over it.
    4. Where there are lines ``before``, the same by the version before ``roster``. The view is then
       as fresh as the less fresh of the two.

    Whether the note's size asks for lines by that version, only the viewed log's entries say.

    Args:
        body: Of the act.
        roster: The version that the body names.
        before: The version before that; needed where the body has lines by it.

    Raises:
        MalformedError: (1), or the note is no note.
        UnverifiedError: ``unknown-key`` or ``bad-signature`` (2), ``no-quorum`` or ``bad-line``
            (3) or (4).
    """
    has_before = "before" in body
    note, version, lines = _fields(  # (1)
        {name: value for name, value in body.items() if name != "before"}, "note roster lines"
    )
    if type(note) is not bytes or type(version) is not int:
        raise _bad("a view is a note, a roster version and lines")
    if version != roster.version:
        raise _bad(f"the view counts by roster version {version}, not {roster.version}")
    raw = _raw_lines(lines)
    text, signature, checkpoint = _open_note(note, roster)  # (2)
    if Note(text, (signature,)).encode() != note:
        raise _bad("a view's note holds its log's own signature line alone")
    fresh_at_s = _check_quorum(roster, checkpoint, raw)  # (3)
    earlier: tuple[bytes, ...] = ()
    if has_before:  # (4)
        if before is None or before.version + 1 != version:
            raise _bad(f"there is no version before {version} to count lines by")
        earlier = _raw_lines(body["before"])
        fresh_at_s = min(fresh_at_s, _check_quorum(before, checkpoint, earlier))
    return View(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        roster=version,
        fresh_at_s=fresh_at_s,
        note=note,
        lines=raw,
        before=earlier,
    )


def _latest(lines: Iterable[GoodLine], quorum: int) -> list[bytes]:
    latest = sorted(lines, key=lambda line: (-line.time_s, line.region))[:quorum]
    return [line.line for line in sorted(latest)]


def _check_quorum(roster: Roster, checkpoint: Checkpoint, raw: tuple[bytes, ...]) -> int:
    """Check that exactly a quorum of mirrors signed, and return how fresh that makes the note."""
    origin, quorum = checkpoint.origin, roster.quorum(checkpoint.origin)
    if len(raw) > quorum:
        raise _bad(f"a view of {origin} holds {quorum} lines, not {len(raw)}")
    good = check_lines(roster, origin, checkpoint, raw, "mirror")
    fresh_at_s = fresh_at([line.time_s for line in good], quorum)
    if fresh_at_s is None:
        raise UnverifiedError(
            f"a view of {origin} needs {quorum} lines, not {len(good)}", code="no-quorum"
        )
    return fresh_at_s


@dataclass(frozen=True, slots=True)
class BlockLines:
    """The first mirror lines of an earlier candidate. Not checked: ``check_block_lines`` does."""

    size: int
    root: bytes
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block record: what its log had published, and which lines had come in.

    Args:
        height: Counts block records from 1.
        size: Of the previous published checkpoint.
        root: Its root.
        note: SHA-256 of its text, without signature lines.
        roster: Version in force.
        rules: Version in force.
        map_root: Root of the object map at that size.
        lines: Ascending by size, at most that of the checkpoint.
    """

    height: int
    size: int
    root: bytes
    note: bytes
    roster: int
    rules: int
    map_root: bytes
    lines: tuple[BlockLines, ...]


def block_body(block: Block) -> dict[str, Any]:
    """Return the body of a ``log.block`` act."""
    body = {
        "height": block.height,
        "size": block.size,
        "root": block.root,
        "note": block.note,
        "roster": block.roster,
        "rules": block.rules,
        "map": block.map_root,
        "lines": [
            [item.size, item.root, list(item.lines)]
            for item in sorted(block.lines, key=lambda item: item.size)
        ],
    }
    decode_block(body)
    return body


def decode_block(body: Mapping[str, Any]) -> Block:
    """Read the body of a ``log.block`` act; the lines in it are not checked.

    Raises:
        MalformedError: A field is not of the form.
    """
    height, size, root, note, roster, rules, map_root, lines = _fields(
        body, "height size root note roster rules map lines"
    )
    _check_number(height, "height", least=1, most=SIZE_MAX)
    _check_number(size, "size", least=1, most=SIZE_MAX)
    _check_number(roster, "roster", least=1, most=NUMBER_MAX)
    _check_number(rules, "rules", least=0, most=NUMBER_MAX)
    for name, value in (("root", root), ("note", note), ("map", map_root)):
        _check_hash(value, name)
    if type(lines) is not list:
        raise _bad("a block's lines are a list")
    decoded = tuple(_decode_block_lines(item) for item in lines)
    sizes = [item.size for item in decoded]
    if sizes != sorted(set(sizes)) or (sizes and sizes[-1] > size):
        raise _bad("a block's lines ascend by size, up to the block's own")
    return Block(
        height=height,
        size=size,
        root=root,
        note=note,
        roster=roster,
        rules=rules,
        map_root=map_root,
        lines=decoded,
    )


def count_lines(
    roster: Roster, origin: str, item: BlockLines, before: Roster | None = None
) -> Count:
    """Return what the good lines of a candidate in a block record say; others count for nothing.

    They are not refused with the whole block, since the entry stands in the log all the same.

    Args:
        roster: The version in force in the log's tree of the candidate's size.
        origin: Of the log that holds the block.
        item: Its size and root are those of the log's own tree, which the caller has seen to.
        before: The version that an epoch ended, where the candidate first covers it.
    """
    checkpoint = Checkpoint(origin, item.size, item.root)

    def covers(version: Roster) -> tuple[Cover, ...]:
        found = collect_lines(version, origin, checkpoint, item.lines, "mirror")
        return tuple(Cover(line.region, item.size, line.time_s) for line in found)

    return Count(item.size, covers(roster), () if before is None else covers(before))


@dataclass(frozen=True, slots=True)
class Evidence:
    """When the entries of one log existed, as its block records tell it so far.

    Invariant: entries below ``size`` have their ``seen_by`` settled, and no later line moves it; of
    the lines so far only those on larger trees are kept, as no other can count any more.

    Args:
        quorum: q of the log.
        size: How many entries are settled.
        covers: Per mirror and tree the earliest time, in order.
        floor_s: Nothing from here on was seen earlier: when the last epoch had its quorums.
    """

    quorum: int
    size: int = 0
    covers: tuple[Cover, ...] = ()
    floor_s: int = 0

    def fixed(self, block_lines: Iterable[Cover]) -> tuple[list[FixedRange], "Evidence"]:
        """Take in the good lines of the next block record, and say which entries they settle.

        An entry is settled in the first block record by which q mirrors hold a tree with it: at the
        q-th smallest of the mirrors' earliest times over all lines up to that record.

        Args:
            block_lines: All of them from one block record, from ``check_block_lines``.

        Returns:
            Adjoining ranges from the old ``size`` to the new one, and the evidence after it.
        """
        earliest: dict[tuple[str, int], int] = {}
        for region, size, time_s in (*self.covers, *block_lines):
            if size > self.size:
                key = (region, size)
                earliest[key] = min(time_s, earliest.get(key, time_s))
        covers = sorted(Cover(region, size, time_s) for (region, size), time_s in earliest.items())
        largest = {cover.region: cover.size for cover in covers}  # sorted: the last one stays
        reached = fresh_at(largest.values(), self.quorum)
        if reached is None:
            return [], replace(self, covers=tuple(covers))
        ranges: list[FixedRange] = []
        low = self.size
        for high in sorted({cover.size for cover in covers if cover.size <= reached}):
            by_region: dict[str, int] = {}
            for region, size, time_s in covers:
                if size >= high:
                    by_region[region] = min(time_s, by_region.get(region, time_s))
            settled = seen_by(by_region.values(), self.quorum)
            assert settled is not None  # q mirrors reach past this range
            settled = max(settled, self.floor_s)
            if ranges and ranges[-1].seen_by_s == settled:
                low = ranges.pop().low
            ranges.append(FixedRange(low, high, settled))
            low = high
        rest = tuple(cover for cover in covers if cover.size > reached)
        return ranges, Evidence(self.quorum, reached, rest, self.floor_s)

    def crossed(self, count: Count, quorum: int) -> tuple[list[FixedRange], "Evidence"]:
        """Take in the lines on the note of an epoch, and count by the new version from there on.

        The epoch entry itself, the last in that tree, and all after it were not seen before the
        later of the two q-th smallest times on the note (protocol.md section 7).

        Args:
            count: Quorums by both versions.
            quorum: q by the new version.
        """
        times = [seen_by((cover.time_s for cover in count.covers), quorum)]
        if count.before:
            times.append(seen_by((cover.time_s for cover in count.before), self.quorum))
            ranges, _ = self.fixed(count.before)
        else:
            # Nobody could sign by the version before: what it left open, the new one dates.
            ranges, _ = replace(self, quorum=quorum, covers=()).fixed(count.covers)
        floor_s = max(self.floor_s, *(it for it in times if it is not None))
        low, high, seen_by_s = ranges.pop()
        assert high == count.size
        if low < high - 1:
            ranges.append(FixedRange(low, high - 1, seen_by_s))
        ranges.append(FixedRange(high - 1, high, max(seen_by_s, floor_s)))
        return ranges, Evidence(quorum, count.size, (), floor_s)


def _check_one(
    roster: Roster, origin: str, checkpoint: Checkpoint, raw: bytes, role: Role
) -> GoodLine:
    """Check one line and return whose it is."""
    if checkpoint.origin != origin:
        raise UnverifiedError(f"a checkpoint of {checkpoint.origin}, not {origin}", code="bad-line")
    keys = roster.mirror_keys(origin) if role == "mirror" else roster.witness_keys(origin)
    try:
        line = Line.decode(raw)
    except MalformedError as error:
        raise UnverifiedError(f"a {role} line has no form: {error}", code="bad-line") from error
    for region, name, public in keys.get(line.key_id, ()):
        try:
            check_line(line, name, public, checkpoint)
        except UnverifiedError:
            continue
        return GoodLine(region, line.time_s, raw)
    raise UnverifiedError(
        f"no {role} of {origin} signed this line for size {checkpoint.size}", code="bad-line"
    )


def _open_note(note: bytes, roster: Roster) -> tuple[bytes, Signature, Checkpoint]:
    """Return text, the log's own signature, and checkpoint of a note that its log signed."""
    opened = Note.decode(note)
    checkpoint = Checkpoint.decode(opened.text)
    if not roster.has_log(checkpoint.origin):
        raise UnverifiedError(f"no log of the network: {checkpoint.origin}", code="unknown-key")
    (verified,) = check_signed(opened, [roster.log_key(checkpoint.origin)])
    return opened.text, verified.signature, checkpoint


def _decode_block_lines(item: object) -> BlockLines:
    match item:
        case [int(size), bytes(root), lines]:
            _check_number(size, "size", least=1, most=SIZE_MAX)
            _check_hash(root, "root")
            return BlockLines(size, root, _raw_lines(lines))
        case _:
            raise _bad("a block's lines are size, root and lines")


def _raw_lines(lines: object) -> tuple[bytes, ...]:
    if type(lines) is not list or not 1 <= len(lines) <= VIEW_LINES_MAX:
        raise _bad(f"there are 1 to {VIEW_LINES_MAX} lines")
    if not all(type(line) is bytes and len(line) == LINE_BYTES for line in lines):
        raise _bad(f"a line has {LINE_BYTES} bytes")
    return tuple(lines)


def _fields(body: Mapping[str, Any], keys: str) -> list[Any]:
    """Return the values of a body with exactly these keys, in this order."""
    ordered = keys.split()
    if body.keys() != set(ordered):
        raise _bad(f"not a map with the keys {keys}")
    return [body[key] for key in ordered]


def _check_number(value: object, name: str, *, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise _bad(f"{name} is a number from {least}")


def _check_hash(value: object, name: str) -> None:
    if type(value) is not bytes or len(value) != HASH_BYTES:
        raise _bad(f"{name} is a hash of {HASH_BYTES} bytes")


def _nth(ordered: Sequence[int], quorum: int) -> int | None:
    return ordered[quorum - 1] if len(ordered) >= quorum else None


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-field")
