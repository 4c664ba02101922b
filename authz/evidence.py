"""The times that a block record proves of its own log, for readers who hold but a few entries.

A node settles when entries were seen as it goes through a whole log. Each candidate in a block
record has a whole quorum of lines, so the first record that covers an entry says all there is about
it, and whoever holds that record reads the same time from it.

That the lines are on the log's own tree is for the reader who holds that tree to see; a quorum of
mirrors does not sign two of one size.

Source: protocol.md section 4.
"""

from ledger.checkpoint import Checkpoint
from ledger.roster import Roster
from ledger.views import Block, BlockLines, GoodLine, collect_lines, fresh_at, seen_by


def block_fresh_at(roster: Roster, origin: str, block: Block) -> int | None:
    """Return the time that the largest candidate in a block record with a quorum of lines proves.

    Mirrors date their lines in the order of the trees, so no smaller candidate proves a later one.
    None where the record holds no quorum of good lines at all.
    """
    quorum = roster.quorum(origin)
    for item in reversed(block.lines):
        found = fresh_at([line.time_s for line in _good(roster, origin, item)], quorum)
        if found is not None:
            return found
    return None


def block_seen_by(roster: Roster, origin: str, block: Block, index: int) -> int | None:
    """Return by when a block record shows the entry at ``index`` to exist; None where it does not.

    Of each mirror counts the earliest line on a tree that holds the entry.
    """
    quorum = roster.quorum(origin)
    earliest: dict[str, int] = {}
    for item in block.lines:
        if item.size <= index:
            continue
        good = _good(roster, origin, item)
        for line in good if len(good) >= quorum else ():
            earliest[line.region] = min(line.time_s, earliest.get(line.region, line.time_s))
    return seen_by(earliest.values(), quorum)


def _good(roster: Roster, origin: str, item: BlockLines) -> tuple[GoodLine, ...]:
    checkpoint = Checkpoint(origin, item.size, item.root)
    return collect_lines(roster, origin, checkpoint, item.lines, "mirror")
