"""What the first entry of any log says: the form of its leaves, the roster and rules it begins by.

Source: docs/formats/own.md section 3.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from ledger.errors import RefusedError
from ledger.roster import Roster
from ledger.roster_chain import RosterChain, check_successor
from ledger.roster_change import ROSTER_BYTES_MAX, read_signed, written_signed

GENESIS_KIND: Final = "log.genesis"
LEAF_FORMAT: Final = "cose-sign1/rfc9162-sha256"


def genesis_body(signed_roster: bytes, rules: int, version: int = 1) -> dict[str, Any]:
    """Return the body of a ``log.genesis`` act.

    A genesis roster that is greater than an entry is named by its SHA-256 and length. Everybody has
    it, since it is trusted by that very hash.
    """
    named: object = signed_roster
    if version == 1 and len(signed_roster) > ROSTER_BYTES_MAX:
        named = [sha256(signed_roster).digest(), len(signed_roster)]
    return {"leaf": LEAF_FORMAT, "roster": named, "rules": rules}


def check_beginning(body: Mapping[str, Any], chain: RosterChain, roster: Roster) -> dict[str, Any]:
    """Check under which version a log begins, and return what any first entry says.

    Args:
        body: Of the first entry.
        chain: In which ``roster`` is.
        roster: The version that the log begins under.

    Raises:
        LedgerError: It names another version, or one that too few have signed.
    """
    signed = body.get("roster")
    if roster.version == 1:
        expected = genesis_body(chain.signed[0], roster.rules)
        if signed != expected["roster"]:
            raise RefusedError("the genesis names another roster", code="bad-genesis")
        return expected
    if type(signed) is not bytes:
        raise RefusedError("a log begins under a signed roster", code="bad-genesis")
    before = chain.at(roster.version - 1)
    if signed != written_signed(chain.signed[roster.version - 1], before):
        # The same version may come with other signatures, as long as they are enough.
        found = read_signed(signed, before)
        if found.body != roster.encode():
            raise RefusedError("the genesis names another roster", code="bad-genesis")
        check_successor(before, found)
    return genesis_body(signed, roster.rules, roster.version)
