"""How a region comes back in a successor log: what must be here first, and how that log begins.

It is the region's own node that begins it, once it holds and has judged the closed log up to its
cut, and a quorum of the freezes that date what is below.

Source: protocol.md section 6.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ledger.checkpoint import Checkpoint
from ledger.continuing import continues_body, fitting_lines, frozen_lines
from ledger.errors import LedgerError, RefusedError
from ledger.frozen import Frozen, decode_frozen
from ledger.lineage import ancestors, before
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Closing
from ledger.statement import decode_statement
from nodes.core.notes import SignedHead
from nodes.core.sight import INDEX_PAST_ALL
from nodes.ports import Reader


def lacking(closed: Mapping[str, Closing], stored: Mapping[str, int]) -> Mapping[str, SignedHead]:
    """Return the cuts of closed logs that our copies do not reach yet."""
    return {
        origin: SignedHead(Checkpoint(origin, closing.size, closing.root), b"")
        for origin, closing in closed.items()
        if stored.get(origin, 0) < closing.size
    }


def read_reports(rosters: Sequence[Roster], origin: str, reader: Reader) -> Mapping[str, Frozen]:
    """Return, by region, the freezes of a log that are judged here and bind under a version.

    Args:
        rosters: All versions up to that one.
        origin: Of the log.
        reader: Of what is stored.
    """
    roster = rosters[-1]
    lost = roster.region_of_origin(origin)
    regions = roster.witnesses_of(origin)
    rows = reader.facts([(roster.origin_of(it), lost, INDEX_PAST_ALL) for it in regions])
    reports: dict[str, Frozen] = {}
    for region, fact in zip(regions, rows, strict=True):
        state = {} if fact is None else fact.state
        if fact is None or (state.get("frozen"), state.get("roster")) != (origin, roster.version):
            continue
        for entry in reader.entries(fact.origin, fact.index, fact.index + 1):
            reports[region] = decode_frozen(decode_statement(entry).act.body, region, rosters)
    return reports


def waits_for(
    chain: RosterChain, origin: str, judged_size: Callable[[str], int], reader: Reader
) -> str:
    """Return what a log may not begin without, in words; empty where it may begin now."""
    closed = chain.newest.closed
    for old, closing in ancestors(closed, origin):
        if judged_size(old) < closing.size:
            return f"{judged_size(old)} of {closing.size} entries of {old} are here and judged"
    old_one = before(closed, origin)
    if old_one is None:
        return ""
    roster = chain.last_with(old_one)
    needed = roster.quorum(old_one) if roster.witnesses_of(old_one) else 0
    try:
        found = len(read_reports(chain.rosters[: roster.version], old_one, reader))
    except LedgerError:
        found = 0
    if found < needed:
        return f"{found} of {needed} freezes of {old_one} are here"
    return ""


def opening_body(
    genesis: Mapping[str, Any], roster: Roster, chain: RosterChain, origin: str, reader: Reader
) -> dict[str, Any]:
    """Return the body of a successor log's first entry.

    Raises:
        RefusedError: ``open-log``: no log is closed that it goes on from.
    """
    old = before(roster.closed, origin)
    if old is None:
        raise RefusedError(f"no log is closed that {origin} goes on from", code="open-log")
    reports = read_reports(chain.rosters[: chain.last_with(old).version], old, reader)
    lines = fitting_lines(genesis, frozen_lines(reports, roster.closed[old].size))
    return continues_body(genesis, roster, origin, lines)
