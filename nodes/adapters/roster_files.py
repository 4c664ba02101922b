"""The roster as files give it: the genesis, which is pinned, and the versions after it."""

from pathlib import Path

from ledger.encoding import decode
from ledger.errors import MalformedError, UnverifiedError
from ledger.names import check_region
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.signed_roster import SignedRoster, check_genesis
from nodes.config import Config


def load_roster(config: Config) -> tuple[bytes, Roster]:
    """Return the genesis roster, as signed and as read, which must be the one that is pinned.

    Raises:
        MalformedError: It cannot be read.
        UnverifiedError: ``wrong-genesis``, or a member's signature does not hold.
    """
    try:
        signed = config.node.roster.read_bytes()
    except OSError as error:
        raise MalformedError(f"cannot read {config.node.roster}", code="bad-config") from error
    try:
        roster = check_genesis(SignedRoster.decode(signed))
    except MalformedError as error:
        raise MalformedError(
            f"{config.node.roster} is no genesis roster: {error}", code=error.code
        ) from error
    if roster.sha256.hex() != config.node.genesis:
        raise UnverifiedError(
            f"{config.node.roster} has another hash than node.genesis", code="wrong-genesis"
        )
    check_region(config.node.region)
    return signed, roster


def load_chain(config: Config) -> RosterChain:
    """Return the versions of the roster that the node's folder holds, from the genesis on.

    Raises:
        MalformedError: One cannot be read.
        UnverifiedError: ``wrong-genesis``, or a version does not follow the one before.
    """
    signed, roster = load_roster(config)
    chain = RosterChain((signed,), (roster,))
    for version in read_versions(config.node.rosters):
        chain = chain.extended(version)
    return chain


def read_versions(path: Path) -> list[bytes]:
    """Return the signed versions in a file; none where it is not there.

    Raises:
        MalformedError: It holds something else.
    """
    if not path.exists():
        return []
    found = decode(path.read_bytes())
    if type(found) is not list or not all(type(it) is bytes for it in found):
        raise MalformedError(f"{path} is no file of rosters", code="bad-config")
    return found
