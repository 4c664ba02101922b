"""The times that a block record proves of its own log, for readers who hold but a few entries.

A node settles when entries were seen as it goes through a whole log. Each candidate in a block
record has a whole quorum of lines, so the first record that covers an entry says all there is about
it, and whoever holds that record reads the same time from it.

That the lines are on the log's own tree is for the reader who holds that tree to see; a quorum of
mirrors does not sign two of one size.

Source: protocol.md section 4.
"""

from ledger.epochs import Epochs
from ledger.views import Block, seen_by


def block_fresh_at(epochs: Epochs, index: int, block: Block) -> int | None:
    """Return the time that the largest candidate in a block record with a quorum of lines proves.

    Mirrors date their lines in the order of the trees, so no smaller candidate proves a later one.
    None where the record holds no quorum of good lines at all.

    Args:
        epochs: Of the log.
        index: Of the block record.
        block: Its body.
    """
    found = (epochs.fresh_at(item, index) for item in reversed(block.lines))
    return next((time_s for time_s in found if time_s is not None), None)


def block_seen_by(epochs: Epochs, index: int, block: Block, of: int) -> int | None:
    """Return by when a block record shows the entry at ``of`` to exist; None where it does not.

    Of each mirror counts the earliest line on a tree that holds the entry, by the version that the
    entry is dated by. What an epoch begins was not seen before its note had both quorums.
    """
    roster = epochs.dating(of)
    earliest: dict[str, int] = {}
    for item in block.lines:
        if item.size <= of:
            continue
        for region, time_s in epochs.times(item, index).get(roster.version, {}).items():
            earliest[region] = min(time_s, earliest.get(region, time_s))
    found = seen_by(earliest.values(), roster.quorum(epochs.origin))
    return None if found is None else max(found, epochs.floor_at(of))
