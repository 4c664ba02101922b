"""The roster version that closes a lost region's log at its cut.

Source: protocol.md sections 6 and 7.
"""

from collections.abc import Mapping
from dataclasses import replace

from ledger.errors import RefusedError
from ledger.member import Member
from ledger.names import successor_origin
from ledger.roster import Roster
from ledger.roster_chain import check_follows
from ledger.roster_fields import Closing, Pin


def close_log(
    roster: Roster, origin: str, cut: Pin, pins: Mapping[str, Pin], heir: Member | None
) -> Roster:
    """Return the version after ``roster`` that closes ``origin`` at ``cut``; nobody has signed it.

    With ``heir`` the region goes on in its successor log, with new keys; without, it leaves the
    network, and so must not be its steward.

    Args:
        roster: The newest version.
        origin: Of the lost log.
        cut: Where it ends.
        pins: Of each other log of ``roster``, a tree that is replicated.
        heir: The region's member from now on.

    Raises:
        NotFoundError: No member writes the log.
        RefusedError: ``bad-successor``: ``heir`` writes another log than the successor.
        UnverifiedError: The version may not follow, as ``check_follows`` says.
    """
    region = roster.region_of_origin(origin)
    successor = successor_origin(origin)
    if heir is not None and heir.origin != successor:
        raise RefusedError(f"the successor of {origin} is {successor}", code="bad-successor")
    members = {
        at: _without(member, region) if heir is None else member
        for at, member in roster.members.items()
        if at != region
    }
    if heir is not None:
        members[region] = heir
    closing = Closing(cut.size, cut.root, None if heir is None else successor)
    new = roster.following(
        steward=roster.steward if heir is not None or roster.steward != region else min(members),
        members=members,
        # Who has frozen the log can show no more of it than before, and must sign this version: so
        # its pin stays. What it holds is bound by the cut.
        pins={at: roster.pinned(at) if at == origin else pins[at] for at in roster.origins},
        closed={**roster.closed, origin: closing},
    )
    check_follows(roster, new)
    return new


def _without(member: Member, region: str) -> Member:
    """Return a member whose log a region that leaves witnesses no more."""
    if not member.witnesses or region not in member.witnesses:
        return member
    return replace(member, witnesses=tuple(it for it in member.witnesses if it != region))
