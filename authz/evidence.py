"""The times that a block record proves of its own log, for readers who hold but a few entries.

A node settles these times as it goes through a whole log. Each candidate in a block record has a
whole quorum of lines, so the first record that covers an entry says all there is about it, and
whoever holds that record reads the same times from it.

Source: protocol.md section 4.
"""

from collections import Counter
from collections.abc import Sequence

from ledger.roster import Roster
from ledger.views import Block, Cover, check_block_lines, fresh_at, seen_by


def block_covers(roster: Roster, origin: str, block: Block) -> tuple[Cover, ...]:
    """Return what the good lines of a block record say, of each candidate with a quorum of them.

    That the lines are on the log's own tree is for the reader who holds that tree to see; a quorum
    of mirrors does not sign two of one size.
    """
    covers = check_block_lines(roster, origin, block)
    counts = Counter(cover.size for cover in covers)
    quorum = roster.quorum(origin)
    return tuple(cover for cover in covers if counts[cover.size] >= quorum)


def block_fresh_at(covers: Sequence[Cover], quorum: int) -> int | None:
    """Return the latest time that a block record proves; None where it has no quorum of lines."""
    sizes = {cover.size for cover in covers}
    found = [
        fresh_at([cover.time_s for cover in covers if cover.size == size], quorum)
        for size in sorted(sizes)
    ]
    return max((it for it in found if it is not None), default=None)


def block_seen_by(covers: Sequence[Cover], quorum: int, index: int) -> int | None:
    """Return by when a block record shows the entry at ``index`` to exist; None where it does not.

    Of each mirror counts the earliest line on a tree that holds the entry.
    """
    earliest: dict[str, int] = {}
    for cover in covers:
        if cover.size > index:
            known = earliest.get(cover.region, cover.time_s)
            earliest[cover.region] = min(known, cover.time_s)
    return seen_by(earliest.values(), quorum)
