"""Which logs a node follows for the roster's sake, where it does not witness every log.

Source: docs/adr/0020-words-on-the-roster-stand-on-themselves.md.
"""

from collections.abc import Callable

from ledger.kind import Fact
from ledger.lineage import before
from ledger.roster_acts import roster_object
from nodes.core.roster_judge import STALLS
from nodes.core.rosters import Rosters


def governed(
    rosters: Rosters, region: str, row: Callable[[str, str], Fact | None], *, has_begun: bool
) -> frozenset[str]:
    """Return the logs that a region follows though none of its acts rests on them.

    1. Everybody follows the steward's, in which the next version is proposed.
    2. The steward follows all, since it is to see what it pins, and who approves. So does whoever
       has stalled a round: the next one may be theirs to propose.
    3. Who begins the successor of a lost log follows those that froze it: it begins with their
       freezes.

    Args:
        rosters: What is known of the network.
        region: The node's own.
        row: By origin and object: the newest row that is stored.
        has_begun: Whether the region's own log has an entry.
    """
    newest, own = rosters.newest, rosters.home_of(region)
    found = {newest.origin_of(newest.steward)}  # (1)
    said = row(own, roster_object(region, newest.version + 1))
    if region == newest.steward or (said is not None and said.state.get(STALLS)):  # (2)
        found |= set(newest.origins)
    lost = before(newest.closed, own)
    if lost is not None and not has_begun:  # (3)
        last = rosters.chain.last_with(lost)
        found |= {last.origin_of(it) for it in last.witnesses_of(lost)} & set(newest.origins)
    return frozenset(found)
