"""How the next roster version comes about: proposals, approvals and stalls, as entries of logs.

Each is a word of the log that it stands in and carries what a governance key signed offline; the
node's own keys only put it into the log. What may be said when depends on the log and on the views
in it, and is judged in the node's core.

Source: protocol.md section 7.
"""

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Self

from ledger import names
from ledger.encoding import encode
from ledger.errors import MalformedError
from ledger.hashing import HASH_BYTES
from ledger.keys import SigningKey
from ledger.roster import Roster
from ledger.roster_change import read, written
from ledger.roster_fields import NUMBER_MAX
from ledger.signed_roster import signed_message

PROPOSE_KIND: Final = "roster.propose"
APPROVE_KIND: Final = "roster.approve"
STALL_KIND: Final = "roster.stall"
ROSTER_KINDS: Final = frozenset({PROPOSE_KIND, APPROVE_KIND, STALL_KIND})
STALL_PREFIX: Final = b"shouxin/roster-stall/v1\n"
SIGNATURE_BYTES: Final = 64
STALL_ROOM_BYTES: Final = 8
JOINER_ROOM_BYTES: Final = 76
"""What a region in ``stalls``, and one with its signature, take in a proposal at most."""

Signed = tuple[int, bytes]
"""A round, and the SHA-256 of the version that was signed in it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A version that a region proposes in a round, with what joiners have signed already.

    Args:
        round: From 1, the steward's.
        body: The roster's bytes.
        stalls: The regions whose stalls opened this round; none in the first.
        signatures: Of members that only the new version has: they have no log to approve in.
    """

    round: int
    body: bytes
    stalls: tuple[str, ...] = ()
    signatures: tuple[tuple[str, bytes], ...] = ()

    @property
    def sha256(self) -> bytes:
        """By which it is approved."""
        return sha256(self.body).digest()

    def to_body(self, before: Roster | None = None) -> dict[str, Any]:
        """Return the body of the act; a great version is written as what it changes of ``before``.

        Raises:
            RefusedError: ``version-too-large``.
        """
        beside = _beside_bytes(self.stalls, self.signatures)
        return {
            "round": self.round,
            "roster": written(self.body, before, beside),
            "stalls": list(self.stalls),
            "signatures": [list(pair) for pair in self.signatures],
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any], before: Roster) -> Self:
        """Read the body of the act; the roster in it is not checked.

        Args:
            body: Of the act.
            before: The version in force in the log that it stands in.

        Raises:
            MalformedError: It is not of the form.
            UnverifiedError: ``roster-previous``: it changes another version.
        """
        round_, roster, stalls, signatures = _fields(body, "round roster stalls signatures")
        if type(roster) is not bytes or type(stalls) is not list or type(signatures) is not list:
            raise _bad("a proposal is round, roster, stalls and signatures")
        pairs: list[tuple[str, bytes]] = []
        for pair in signatures:
            match pair:
                case [str(region), bytes(signature)]:
                    pairs.append((region, _signature(signature)))
                case _:
                    raise _bad("a joiner's signature is region and signature")
        for regions in (stalls, [region for region, _ in pairs]):
            if not all(type(region) is str for region in regions):
                raise _bad("a region is text")
            for region in regions:
                names.check_region(region)
            if regions != sorted(set(regions)):
                raise _bad("regions are distinct and ascending")
        whole = read(roster, before, _beside_bytes(stalls, pairs))
        return cls(_number(round_, "round"), whole, tuple(stalls), tuple(pairs))


@dataclass(frozen=True, slots=True)
class Approval:
    """A member signs the proposal of a round; the signature is the one that the roster carries."""

    version: int
    round: int
    sha256: bytes
    signature: bytes

    def to_body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {
            "version": self.version,
            "round": self.round,
            "sha256": self.sha256,
            "signature": self.signature,
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> Self:
        """Read the body of the act.

        Raises:
            MalformedError: It is not of the form.
        """
        version, round_, digest, signature = _fields(body, "version round sha256 signature")
        return cls(
            _number(version, "version"),
            _number(round_, "round"),
            _hash(digest),
            _signature(signature),
        )


@dataclass(frozen=True, slots=True)
class Stall:
    """A member signs nothing more in a round, and says what it has signed last, if anything."""

    version: int
    round: int
    signed: Signed | None
    signature: bytes = field(default=bytes(SIGNATURE_BYTES))

    def message(self, network: str) -> bytes:
        """Return the bytes that the governance key signs."""
        signed = None if self.signed is None else list(self.signed)
        return STALL_PREFIX + encode([network, self.version, self.round, signed])

    def to_body(self) -> dict[str, Any]:
        """Return the body of the act."""
        return {
            "version": self.version,
            "round": self.round,
            "signed": None if self.signed is None else list(self.signed),
            "signature": self.signature,
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> Self:
        """Read the body of the act.

        Raises:
            MalformedError: It is not of the form.
        """
        version, round_, signed, signature = _fields(body, "version round signed signature")
        match signed:
            case None:
                before = None
            case [at, digest]:
                before = (_number(at, "round"), _hash(digest))
            case _:
                raise _bad("what was signed is null, or round and hash")
        return cls(
            _number(version, "version"), _number(round_, "round"), before, _signature(signature)
        )


def proposer_of(roster: Roster, round_: int) -> str:
    """Return who proposes in a round: the steward, then by region, and round again."""
    regions = list(roster.members)
    return regions[(regions.index(roster.steward) + round_ - 1) % len(regions)]


def roster_object(region: str, version: int) -> str:
    """Return the object that all words of a region on a version are about."""
    return f"{region}/roster/{version}"


def sign_proposal(key: SigningKey, body: bytes, round_: int) -> bytes:
    """Sign a roster's bytes, as proposed in a round, with a governance key, offline."""
    return key.sign(signed_message(body, round_))


def sign_stall(key: SigningKey, network: str, stall: Stall) -> Stall:
    """Sign a stall with a governance key, offline."""
    signature = key.sign(stall.message(network))
    return Stall(stall.version, stall.round, stall.signed, signature)


def _beside_bytes(stalls: Sized, signatures: Sized) -> int:
    """Return what a proposal holds beside its version; the form of the version depends on it."""
    return STALL_ROOM_BYTES * len(stalls) + JOINER_ROOM_BYTES * len(signatures)


def _fields(body: Mapping[str, Any], keys: str) -> list[Any]:
    ordered = keys.split()
    if body.keys() != set(ordered):
        raise _bad(f"not a map with the keys {keys}")
    return [body[key] for key in ordered]


def _number(value: object, name: str) -> int:
    if type(value) is not int or not 1 <= value <= NUMBER_MAX:
        raise _bad(f"{name} is a number from 1")
    return value


def _hash(value: object) -> bytes:
    if type(value) is not bytes or len(value) != HASH_BYTES:
        raise _bad("a version is named by its SHA-256")
    return value


def _signature(value: object) -> bytes:
    if type(value) is not bytes or len(value) != SIGNATURE_BYTES:
        raise _bad(f"a signature has {SIGNATURE_BYTES} bytes")
    return value


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-field")
