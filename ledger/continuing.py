"""Entry 0 of a successor log: which log it goes on from, and where that one was cut off.

Source: protocol.md section 6.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.checkpoint import Checkpoint
from ledger.encoding import encode
from ledger.errors import MalformedError, RefusedError
from ledger.frozen import Frozen
from ledger.lineage import before
from ledger.roster import Roster
from ledger.statement import ENTRY_BYTES_MAX
from ledger.views import BlockLines, Cover, collect_lines

CONTINUES_KIND: Final = "log.continues"
LINES_MAX: Final = 256
AROUND_BYTES: Final = 768
"""What a first entry takes at most, but for what any first entry says and for its lines."""


@dataclass(frozen=True, slots=True)
class Continues:
    """What a successor log begins with.

    Args:
        origin: Of the closed log.
        size: Of the cut.
        root: Of the cut.
        lines: Mirror lines from the members' freezes, which date what no block record does.
    """

    origin: str
    size: int
    root: bytes
    lines: tuple[BlockLines, ...]


def continues_body(
    genesis: Mapping[str, Any], roster: Roster, origin: str, lines: Iterable[BlockLines]
) -> dict[str, Any]:
    """Return the body of the ``log.continues`` act of ``origin``.

    Args:
        genesis: What a log's first entry says in any case: the form of leaves, the roster and the
            rules that it begins under.
        roster: The version that it begins under.
        origin: Of the successor log.
        lines: Mirror lines on the closed log, each on a tree up to the cut.

    Raises:
        RefusedError: ``open-log``: no log is closed for this one to go on from.
    """
    old = before(roster.closed, origin)
    if old is None:
        raise RefusedError(f"no log is closed that {origin} goes on from", code="open-log")
    closing = roster.closed[old]
    ordered = sorted(lines, key=lambda item: (item.size, item.lines))
    return {
        **genesis,
        "origin": old,
        "size": closing.size,
        "root": closing.root,
        "lines": [[item.size, item.root, list(item.lines)] for item in ordered],
    }


def decode_continues(
    body: Mapping[str, Any], genesis: Mapping[str, Any], roster: Roster, origin: str
) -> Continues:
    """Read the body of the ``log.continues`` act of ``origin``; the lines in it are not checked.

    1. It names the log that was closed for this one, and the very cut of the roster.
    2. The lines ascend, and are on trees up to the cut.

    Raises:
        MalformedError: (2).
        RefusedError: ``open-log``; ``bad-genesis`` (1).
    """
    lines = body.get("lines")
    if type(lines) is not list or len(lines) > LINES_MAX:
        raise _bad("the lines of a log that goes on are a list")
    found = [_decode_lines(item) for item in lines]
    expected = continues_body(genesis, roster, origin, found)
    if {**body, "lines": None} != {**expected, "lines": None}:  # (1)
        raise RefusedError(
            "the log goes on from another cut or roster than is in force", code="bad-genesis"
        )
    if lines != expected["lines"] or any(item.size > body["size"] for item in found):  # (2)
        raise _bad("the lines of a log that goes on ascend, up to the cut")
    return Continues(body["origin"], body["size"], body["root"], tuple(found))


def frozen_lines(reports: Mapping[str, Frozen], cut_size: int) -> tuple[BlockLines, ...]:
    """Return the mirror lines in freezes that date entries below the cut."""
    found: list[BlockLines] = []
    for report in reports.values():
        held = report.mirrored
        if held is not None and held.line is not None and held.checkpoint.size <= cut_size:
            found.append(BlockLines(held.checkpoint.size, held.checkpoint.root, (held.line,)))
    return tuple(found)


def fitting_lines(
    genesis: Mapping[str, Any], lines: Iterable[BlockLines]
) -> tuple[BlockLines, ...]:
    """Return the lines that a first entry has room for, beside a roster that may nearly fill it.

    Those on the largest trees: they date what others date as well, and more.
    """
    room = ENTRY_BYTES_MAX - AROUND_BYTES - len(encode(dict(genesis)))
    found: list[BlockLines] = []
    for item in sorted(lines, key=lambda item: item.size, reverse=True)[:LINES_MAX]:
        room -= len(encode([item.size, item.root, list(item.lines)]))
        if room < 0:
            break
        found.append(item)
    return tuple(found)


def covers(
    continues: Continues, roster: Roster, root_at: Callable[[int], bytes]
) -> tuple[Cover, ...]:
    """Return what the good lines say; the others count for nothing.

    Args:
        continues: Of the successor log.
        roster: The last version under which the closed log had a writer.
        root_at: Root of the closed log's first entries, up to the cut.
    """
    found: list[Cover] = []
    for item in continues.lines:
        if root_at(item.size) != item.root:
            continue
        checkpoint = Checkpoint(continues.origin, item.size, item.root)
        good = collect_lines(roster, continues.origin, checkpoint, item.lines, "mirror")
        found += [Cover(line.region, item.size, line.time_s) for line in good]
    return tuple(found)


def _decode_lines(item: object) -> BlockLines:
    match item:
        case [int(size), bytes(root), [bytes(line)]] if type(size) is int and size > 0:
            return BlockLines(size, root, (line,))
        case _:
            raise _bad("a line of a log that goes on is size, root and line")


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-field")
