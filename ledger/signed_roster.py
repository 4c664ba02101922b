"""A roster with governance signatures over it; which of them it needs, its chain says."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger import encoding
from ledger.errors import UnverifiedError
from ledger.keys import SigningKey, verify
from ledger.roster import Roster
from ledger.roster_fields import bad_field, check_number, check_region, is_bytes

SIGNED_PREFIX: Final = b"shouxin/roster/v1\n"

# A version comes again in every log, and in each word on it; a great one takes 0.1 s.
decode_roster = lru_cache(maxsize=4)(Roster.decode)


@dataclass(frozen=True, slots=True)
class SignedRoster:
    """A roster's bytes and governance signatures over them, by region. Not yet checked.

    Args:
        body: The roster.
        round: In which it was proposed and signed; 0 for the genesis, which nobody proposes.
        signatures: Ascending by region.
    """

    body: bytes
    round: int
    signatures: tuple[tuple[str, bytes], ...]

    def __post_init__(self) -> None:
        check_number(self.round, "round", least=0)
        regions = [region for region, _ in self.signatures]
        for region in regions:
            check_region(region)
        if not regions or regions != sorted(set(regions)):
            raise bad_field("a roster's signatures are distinct and ascending by region")
        if not all(is_bytes(signature, 64) for _, signature in self.signatures):
            raise bad_field("a roster's signatures have 64 bytes")

    @property
    def roster(self) -> Roster:
        """The roster as the bytes say it; trust it only within a ``RosterChain``."""
        return decode_roster(self.body)

    def encode(self) -> bytes:
        """Return the bytes that bundles and genesis entries hold."""
        signatures = [list(pair) for pair in self.signatures]
        return encoding.encode([self.body, self.round, signatures])

    @classmethod
    def decode(cls, data: bytes) -> "SignedRoster":
        """Decode the array of body, round and signatures; the body is looked at when it is used.

        Raises:
            MalformedError: The bytes are not canonical, or not of the form.
        """
        match encoding.decode(data):
            case [bytes(body), int(round_), list(signatures)]:
                pass
            case _:
                raise bad_field("a signed roster is its bytes, a round and its signatures")
        pairs = []
        for pair in signatures:
            match pair:
                case [str(region), bytes(signature)]:
                    pairs.append((region, signature))
                case _:
                    raise bad_field("a roster's signature is region and signature")
        return cls(body, round_, tuple(pairs))


def signed_message(body: bytes, round_: int) -> bytes:
    """Return what a governance key signs: a roster's bytes, as proposed in a round.

    The round is under the signature since signatures of different rounds must not count together:
    four rounds could then complete two versions of one number (docs/model.md).
    """
    return SIGNED_PREFIX + round_.to_bytes(8) + body


def sign_roster(
    roster: Roster, governance: Mapping[str, SigningKey], round_: int | None = None
) -> SignedRoster:
    """Sign a roster with the governance keys given, by region.

    ``round_`` is the first where nothing is said, and none for a genesis.
    """
    if round_ is None:
        round_ = 0 if roster.version == 1 else 1
    body = roster.encode()
    message = signed_message(body, round_)
    signatures = tuple((region, governance[region].sign(message)) for region in sorted(governance))
    return SignedRoster(body, round_, signatures)


def check_genesis(signed: SignedRoster) -> Roster:
    """Check that a first roster is sound and signed by every one of its members.

    That it is the right one, only its SHA-256 from elsewhere can say.

    Raises:
        MalformedError: It is no sound roster.
        UnverifiedError: It is no genesis, a member's signature is missing, or one does not hold.
    """
    roster = signed.roster
    if roster.version != 1:
        raise UnverifiedError(f"a genesis roster has version 1, not {roster.version}")
    if signed.round:
        raise UnverifiedError("a genesis roster is proposed in no round")
    if [region for region, _ in signed.signatures] != list(roster.members):
        raise UnverifiedError("a genesis roster is signed by all members", code="no-quorum")
    for region, signature in signed.signatures:
        verify(roster.members[region].keys.governance, signed_message(signed.body, 0), signature)
    return roster
