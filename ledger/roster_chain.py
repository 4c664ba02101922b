"""The versions of a network's roster, each checked against the one before, from the genesis on.

When a version takes effect in a log is not decided here; that needs an entry and two quorums.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from ledger import policy
from ledger.errors import LedgerError, NotFoundError, UnverifiedError
from ledger.key_proof import proof_message
from ledger.keys import key_thumbprint, verify
from ledger.member import Member
from ledger.note import VerifierKey
from ledger.roster import Roster
from ledger.signed_roster import SignedRoster, check_genesis, signed_message

_NODE_KEYS: Final = frozenset(
    (
        *("log", "witness", "mirror", "receipt", "issuer"),
        *("log_pq", "witness_pq", "mirror_pq", "log_sm2"),
    )
)


def governance_quorum(roster: Roster) -> int:
    """Return q_m: how many members must sign the next version.

    Source: protocol.md section 7.
    """
    count = len(roster.members)
    return policy.quorum(count, policy.byzantine_max(count))


def check_follows(roster: Roster, new: Roster) -> None:
    """Check that ``new`` may come after ``roster``, whoever signed it.

    1. It is the next version of the same network.
    2. It names the hash of the version before it.
    3. No log vanishes: each is written on, or closed here.
    4. Earlier closings stay as they are, and only logs of the version before are closed.
    5. Every log of the version before is pinned, not below its earlier pin nor above its cut.
    6. A log that is closed is taken over by a log that has a writer.
    7. A region whose log was closed brings new keys for all that its node signs.
    8. Of each log that goes on, enough mirrors stay that one honest one holds what is pinned.
    9. What is said to prove a new governance key is of a member that changes it, and by that key.

    Raises:
        UnverifiedError: With a code for each: ``roster-version`` (1), ``roster-previous`` (2),
            ``open-log`` (3), ``closing-changed`` (4), ``bad-pin`` (5), ``bad-successor`` (6),
            ``retired-key`` (7), ``removes-too-many`` (8), ``unproven-key`` (9).

    Source: protocol.md sections 6 and 7.
    """
    if (new.network, new.version) != (roster.network, roster.version + 1):  # (1)
        raise _refused(
            f"version {new.version} of {new.network} is not next after {roster.version}",
            "roster-version",
        )
    if new.previous != roster.sha256:  # (2)
        raise _refused(
            f"version {new.version} follows another version {roster.version}", "roster-previous"
        )
    live = set(new.origins)
    for origin in roster.origins:  # (3)
        if origin not in live and origin not in new.closed:
            raise _refused(f"neither written on nor closed: {origin}", "open-log")
    kept = {origin: new.closed.get(origin) for origin in roster.closed}
    newly = new.closed.keys() - roster.closed.keys()
    if kept != dict(roster.closed) or not newly <= set(roster.origins):  # (4)
        raise _refused(
            "only a log of the version before is closed, and for good", "closing-changed"
        )
    _check_pins(roster, new)  # (5)
    for origin in sorted(newly):
        heir = new.closed[origin].successor
        if heir is not None and heir not in live:  # (6)
            raise _refused(f"the successor of {origin} has no writer: {heir}", "bad-successor")
        region = roster.region_of_origin(origin)
        before, after = roster.members[region], new.members.get(region)
        if after is not None and set(_node_keys(before)) & set(_node_keys(after)):  # (7)
            raise _refused(f"a key of {region} outlives its log {origin}", "retired-key")
    _check_removals(roster, new)  # (8)
    for region, proof in new.proofs.items():  # (9)
        public = new.members[region].keys.governance
        changes = region in roster.members and public != roster.members[region].keys.governance
        if not changes or not _is_held(new, region, proof):
            raise _refused(f"no proof of a new governance key: {region}", "unproven-key")


def _is_held(new: Roster, region: str, proof: bytes) -> bool:
    """Say whether a version's proof is by the very key that it names for the region."""
    public = new.members[region].keys.governance
    return _holds(public, proof_message(new.network, new.version, region, public), proof)


def _check_pins(roster: Roster, new: Roster) -> None:
    if set(new.pins) != set(roster.origins):
        raise _refused(
            f"the logs of version {roster.version}, and no others, are pinned", "bad-pin"
        )
    for origin, pin in new.pins.items():
        for least, most in ((roster.pins.get(origin), pin), (pin, new.closed.get(origin))):
            if least is None or most is None:
                continue
            if least.size > most.size or (least.size == most.size and least.root != most.root):
                raise _refused(f"{origin} is pinned at {pin.size}", "bad-pin")


def _check_removals(roster: Roster, new: Roster) -> None:
    """Check that of each log an honest mirror stays, of the q that hold what is pinned.

    At least q - f of them are honest. A region whose own log is closed has lost its copies too.
    """
    for origin in roster.origins:
        if origin in new.closed:
            continue
        staying = {
            region
            for region in new.witnesses_of(origin)
            if region in roster.members and roster.origin_of(region) not in new.closed
        }
        removed = set(roster.witnesses_of(origin)) - staying
        if removed and len(removed) >= roster.quorum(origin) - roster.faulty_max(origin):
            raise _refused(
                f"{origin} loses {len(removed)} of {len(roster.witnesses_of(origin))} mirrors",
                "removes-too-many",
            )


def check_signed_by(roster: Roster, signed: SignedRoster, new: Roster) -> None:
    """Check that governance quorums of both versions signed ``new``, in one round.

    Args:
        roster: The version before.
        signed: The bytes of ``new``, with signatures.
        new: May follow (``check_follows``). A member that changes its governance key signs with the
            old one, since nobody knows the new one yet. That counts for both versions if ``new``
            holds the new key's proof, and else for ``roster`` alone.

    Raises:
        UnverifiedError: ``bad-signature``: one holds under no governance key of either version;
            ``no-quorum``: too few members of one of them signed, or of a log's committee, or in no
            round.
    """
    if not signed.round:
        raise _refused("a later version is signed in a round", "no-quorum")
    message = signed_message(signed.body, signed.round)
    signed_by: dict[int, set[str]] = {roster.version: set(), new.version: set()}
    for region, signature in signed.signatures:
        held = [
            version.version
            for version in (roster, new)
            if region in version.members
            and _holds(version.members[region].keys.governance, message, signature)
        ]
        if not held:
            raise _refused(f"the signature of {region} fails", "bad-signature")
        if region in new.proofs and held == [roster.version]:
            held.append(new.version)
        for version_number in held:
            signed_by[version_number].add(region)
    for version in (roster, new):
        needed = governance_quorum(version)
        if len(signed_by[version.version]) < needed:
            raise _refused(
                f"{needed} members of version {version.version} must sign version {new.version}",
                "no-quorum",
            )
    for region, needed in committees_needed(roster, new).items():
        signers = signed_by[roster.version].intersection(roster.members[region].witnesses or ())
        if len(signers) < needed:
            raise _refused(
                f"{needed} who witness the log of {region} must sign version {new.version}",
                "no-quorum",
            )


def committees_needed(roster: Roster, new: Roster) -> Mapping[str, int]:
    """Return, by region, how many of its log's committee must sign the next version.

    They alone hold the log. One honest of them has compared what is pinned of it with its own copy;
    and a quorum of them has frozen it, where it is closed. Where every member witnesses a log, the
    members who must sign anyway are enough.
    """
    return {
        region: roster.quorum(member.origin)
        if member.origin in new.closed
        else roster.faulty_max(member.origin) + 1
        for region, member in roster.members.items()
        if member.witnesses
    }


def check_successor(roster: Roster, signed: SignedRoster) -> Roster:
    """Check that ``signed`` follows ``roster`` and that governance quorums of both signed it.

    Raises:
        MalformedError: It is no sound roster.
        UnverifiedError: It does not follow (``check_follows``), or is not signed as it must be.

    Source: protocol.md section 7.
    """
    new = signed.roster
    check_follows(roster, new)
    check_signed_by(roster, signed, new)
    return new


@dataclass(frozen=True)
class RosterChain:
    """The verified versions from the genesis to the newest that is known.

    Invariant: each follows the one before, and no key that was ever retired is in use again.
    """

    signed: tuple[bytes, ...]
    rosters: tuple[Roster, ...]

    @classmethod
    def check(cls, signed: Sequence[bytes]) -> Self:
        """Check a chain of signed rosters, each by the one before.

        That the genesis is the right one, only its SHA-256 from elsewhere can say.

        Raises:
            MalformedError: One is no sound roster.
            UnverifiedError: One is not signed as it must be, or does not follow.
        """
        if not signed:
            raise UnverifiedError("a chain of rosters begins with the genesis")
        chain = cls((signed[0],), (check_genesis(SignedRoster.decode(signed[0])),))
        for more in signed[1:]:
            chain = chain.extended(more)
        return chain

    def extended(self, signed: bytes) -> Self:
        """Return the chain with one more version.

        Raises:
            MalformedError: It is no sound roster.
            UnverifiedError: It does not follow, or is not signed as it must be.
        """
        new = check_successor(self.newest, SignedRoster.decode(signed))
        self.check_keys(new)
        return type(self)((*self.signed, signed), (*self.rosters, new))

    def check_next(self, new: Roster) -> None:
        """Check that ``new`` may follow the newest version, whoever signed it.

        Raises:
            UnverifiedError: It may not; see ``check_follows``, and ``retired-key``.
        """
        check_follows(self.newest, new)
        self.check_keys(new)

    def check_keys(self, new: Roster) -> None:
        """Check that a key is either where the newest version has it, or was never there before.

        Raises:
            UnverifiedError: ``retired-key``.
        """
        present = dict(_places(self.newest))
        for public, place in _places(new):
            if public in self._known_keys and present.get(public) != place:
                raise _refused(f"the {place[1]} key of {place[0]} is used again", "retired-key")

    @cached_property
    def _known_keys(self) -> frozenset[bytes]:
        return frozenset(key for roster in self.rosters for key, _ in _places(roster))

    @property
    def genesis(self) -> Roster:
        """Version 1."""
        return self.rosters[0]

    @property
    def newest(self) -> Roster:
        """The last version of the chain; where it is in force, each log says."""
        return self.rosters[-1]

    def at(self, version: int) -> Roster:
        """Return one version.

        Raises:
            NotFoundError: ``unknown-roster``: the chain does not reach it.
        """
        if not 1 <= version <= len(self.rosters):
            raise NotFoundError(
                f"roster version {version} is not known here, only up to {len(self.rosters)}",
                code="unknown-roster",
            )
        return self.rosters[version - 1]

    def first_with(self, origin: str) -> Roster:
        """Return the first version in which a log has a writer: that under which it begins.

        Raises:
            NotFoundError: There is none.
        """
        for roster in self.rosters:
            if roster.has_log(origin):
                return roster
        raise NotFoundError(f"no log of the network: {origin}")

    def last_with(self, origin: str) -> Roster:
        """Return the last version in which a log has a writer.

        Raises:
            NotFoundError: It never had one.
        """
        self.first_with(origin)
        return next(roster for roster in reversed(self.rosters) if roster.has_log(origin))

    def origins(self) -> tuple[str, ...]:
        """Return every log that ever had a writer, in the order in which they joined."""
        return tuple(dict.fromkeys(it for roster in self.rosters for it in roster.origins))

    def log_keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """Return every key that ever signed the log's notes, the newest first."""
        found = [
            key
            for roster in reversed(self.rosters)
            if roster.has_log(origin)
            for key in roster.log_keys(origin)
        ]
        return tuple(dict.fromkeys(found))

    def keys_of(self, origin: str, purpose: str) -> dict[bytes, bytes]:
        """Return, by thumbprint, every key that ever served a purpose of the log's region then.

        Args:
            origin: Of a log; closed or not.
            purpose: ``receipt`` or ``issuer``.
        """
        found = [
            getattr(roster.members[roster.region_of_origin(origin)].keys, purpose)
            for roster in self.rosters
            if roster.has_log(origin)
        ]
        return {key_thumbprint(public): public for public in found}


def _places(roster: Roster) -> Iterator[tuple[bytes, tuple[str, str]]]:
    """Give each key of a roster, with the region and purpose that it serves."""
    for region, member in roster.members.items():
        for purpose, public in member.keys.to_map().items():
            yield public, (region, purpose)


def _node_keys(member: Member) -> Iterator[bytes]:
    return (key for name, key in member.keys.to_map().items() if name in _NODE_KEYS)


def _holds(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        verify(public, message, signature)
    except LedgerError:
        return False
    return True


def _refused(message: str, code: str) -> UnverifiedError:
    return UnverifiedError(message, code=code)
