"""Evidence that a key has signed two histories of one log: it convicts by its own bytes alone.

Against a log: two of its heads of one size with different roots; or two of its heads, and hashes
that recompute the newer root exactly while giving another old root. Against a witness or mirror:
two of its lines that go back in size as time goes on, or that lie on two branches in one of those
two ways. A proof that merely fails is none of these: it proves nothing, and convicts nobody.

Evidence stands in the body of a ``log.evidence`` entry of whoever found it, and in a file that is
checked from the genesis roster alone.

Source: protocol.md section 8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ledger import encoding
from ledger.checkpoint import Checkpoint
from ledger.cosignature import LINE_BYTES, Line, check_line
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.hashing import HASH_BYTES
from ledger.keys import SIGNATURE_BYTES, key_thumbprint, verify
from ledger.names import check_origin, check_region, mirror_name, witness_name
from ledger.note import Note
from ledger.proofs import consistency_roots
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.roster_fields import NUMBER_MAX
from ledger.signed_roster import SignedRoster

EVIDENCE_KIND: Final = "log.evidence"
FORMAT: Final = "shouxin/evidence/v1"
HASHES_MAX: Final = 128

Against = Literal["log", "witness", "mirror"]
Shown = Literal["two-roots", "two-branches", "back-in-size"]

AGAINST: Final[tuple[Against, ...]] = ("log", "witness", "mirror")
_SIGNED_BYTES: Final[Mapping[str, int]] = {
    "log": SIGNATURE_BYTES,
    "witness": LINE_BYTES,
    "mirror": LINE_BYTES,
}


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that the accused key signed: that a log had this head.

    Args:
        roster: Version of the roster that gives the key.
        head: What was signed.
        signed: A log's Ed25519 signature over the head's text; a witness's or mirror's line.
    """

    roster: int
    head: Checkpoint
    signed: bytes

    @property
    def time_s(self) -> int:
        """When a line is dated; 0 for a log, which dates nothing."""
        return int.from_bytes(self.signed[4:12]) if len(self.signed) == LINE_BYTES else 0

    def rank(self) -> tuple[int, bytes, bytes]:
        """Return what the two statements of one evidence are ordered by."""
        return self.head.size, self.head.root, self.signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivocation:
    """Two statements of one key that no honest key makes both. Nothing of it is checked yet.

    Args:
        against: Which key of the region.
        region: Whose key it is.
        said: Both statements, the smaller tree first; they are about one log.
        hashes: What ``consistency_roots`` makes both roots from, where the sizes differ and the
            times do not already tell; else none.
    """

    against: Against
    region: str
    said: tuple[Said, Said]
    hashes: tuple[bytes, ...] = ()

    @property
    def origin(self) -> str:
        """The log that both statements are about."""
        return self.said[0].head.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Conviction:
    """What evidence proves, and against whom.

    Args:
        against: Which key of the region.
        region: Whose key it is.
        origin: Of the log that it signed two histories of.
        public: The key.
        shown: How the two statements contradict each other.
        sizes: Of the two trees.
        times_s: Of the two lines; zeros for a log, which dates nothing.
    """

    against: Against
    region: str
    origin: str
    public: bytes
    shown: Shown
    sizes: tuple[int, int]
    times_s: tuple[int, int]

    @property
    def subject(self) -> str:
        """The object that stands for the convicted key: a new key is not convicted."""
        return evidence_object(self.region, self.public)

    @property
    def detail(self) -> str:
        """What is proved, in words."""
        who = f"the {self.against} key of {self.region}"
        small, large = self.sizes
        match self.shown:
            case "two-roots":
                return f"{who} signed two roots of {self.origin} at size {small}"
            case "two-branches":
                return (
                    f"{who} signed {self.origin} at sizes {small} and {large}, "
                    "and the larger tree does not begin with the smaller"
                )
            case "back-in-size":
                return (
                    f"{who} signed {self.origin} at size {large} by {self.times_s[1]}, "
                    f"and at size {small} later, at {self.times_s[0]}"
                )


def evidence_object(region: str, public: bytes) -> str:
    """Return the name of the object that stands for evidence against a key of a region."""
    return f"{region}/evidence/{key_thumbprint(public).hex()[:32]}"


# ---- making -------------------------------------------------------------------------------------


def said_by_log(roster: int, note: bytes) -> Said:
    """Return what a log's note says, by the note's first signature line.

    Raises:
        MalformedError: It is no note of a checkpoint.
    """
    decoded = Note.decode(note)
    return Said(roster, Checkpoint.decode(decoded.text), decoded.signatures[0].blob)


def accuse(
    against: Against, region: str, said: Sequence[Said], hashes: Sequence[bytes] = ()
) -> Equivocation:
    """Put two statements into the one order that evidence has. Whether they convict is not said."""
    one, other = sorted(said, key=Said.rank)
    return Equivocation(against=against, region=region, said=(one, other), hashes=tuple(hashes))


def is_back_in_size(said: tuple[Said, Said]) -> bool:
    """Say whether two lines, the one on the smaller tree first, go back in size as time goes on."""
    small, large = said
    return small.head.size < large.head.size and small.time_s > large.time_s > 0


# ---- bytes --------------------------------------------------------------------------------------


def evidence_body(evidence: Equivocation) -> dict[str, Any]:
    """Return the body of a ``log.evidence`` act."""
    return {
        "against": evidence.against,
        "region": evidence.region,
        "origin": evidence.origin,
        "said": [[it.roster, it.head.size, it.head.root, it.signed] for it in evidence.said],
        "hashes": list(evidence.hashes),
    }


def decode_evidence(body: object) -> Equivocation:
    """Read the body of a ``log.evidence`` act; no signature is checked yet.

    Raises:
        MalformedError: ``bad-field``: it is not of the form, or not in its one order.
    """
    fields = _exact(body, "against region origin said hashes")
    against, region, origin = fields["against"], fields["region"], fields["origin"]
    if against not in AGAINST:
        raise _bad("evidence is against a log, a witness or a mirror")
    if type(region) is not str or type(origin) is not str:
        raise _bad("evidence names a region and a log")
    check_region(region)
    check_origin(origin)
    said = fields["said"]
    if type(said) is not list or len(said) != 2:
        raise _bad("evidence holds two statements")
    one, other = (_decode_said(item, origin, _SIGNED_BYTES[against]) for item in said)
    if one.rank() >= other.rank():
        raise _bad("the smaller tree comes first, then the smaller root")
    hashes = fields["hashes"]
    if type(hashes) is not list or len(hashes) > HASHES_MAX:
        raise _bad(f"evidence has at most {HASHES_MAX} hashes")
    if not all(type(item) is bytes and len(item) == HASH_BYTES for item in hashes):
        raise _bad(f"a hash has {HASH_BYTES} bytes")
    return Equivocation(against=against, region=region, said=(one, other), hashes=tuple(hashes))


def encode_file(rosters: Sequence[bytes], evidence: Equivocation) -> bytes:
    """Return evidence as a file that is checked with nothing but the genesis roster.

    Args:
        rosters: Signed rosters from the genesis to the newest that a statement names.
        evidence: What the file is about.
    """
    return encoding.encode(
        {"format": FORMAT, "rosters": list(rosters), "evidence": evidence_body(evidence)}
    )


def check_file(data: bytes, genesis: SignedRoster) -> Conviction:
    """Check an evidence file from a genesis roster that the caller trusts.

    1. It is of the form.
    2. Its rosters begin with that genesis, and each follows the one before.
    3. The evidence convicts.

    Raises:
        UnverifiedError: ``form`` (1), ``roster`` (2), or what ``check_evidence`` says (3).
    """
    try:  # (1)
        fields = _exact(encoding.decode(data), "format rosters evidence")
        chain = fields["rosters"]
        if fields["format"] != FORMAT:
            raise _bad(f"the format is not {FORMAT}")
        if type(chain) is not list or not all(type(item) is bytes for item in chain) or not chain:
            raise _bad("rosters are byte strings, the genesis at least")
        evidence = decode_evidence(fields["evidence"])
    except MalformedError as error:
        raise UnverifiedError(str(error), code="form") from error
    try:  # (2)
        rosters = RosterChain.check(chain)
        if rosters.genesis.sha256 != genesis.roster.sha256:
            raise UnverifiedError("the file begins with another genesis roster")
    except LedgerError as error:
        raise UnverifiedError(str(error), code="roster") from error
    return check_evidence(evidence, {it.version: it for it in rosters.rosters})  # (3)


def is_evidence_file(data: bytes) -> bool:
    """Say whether a file calls itself evidence of an equivocation, before anything is checked."""
    try:
        value = encoding.decode(data)
    except MalformedError:
        return False
    return isinstance(value, dict) and value.get("format") == FORMAT


# ---- checking -----------------------------------------------------------------------------------


def check_evidence(evidence: Equivocation, rosters: Mapping[int, Roster]) -> Conviction:
    """Check that evidence convicts, and return whom, and of what.

    1. Both statements are by keys that the rosters give the region for this purpose; lines are by
       one and the same key. (A log whose key was rotated is still the one log.)
    2. Both signatures hold.
    3. The statements contradict each other: two roots of one size; or lines that go back in size
       as time goes on; or hashes that recompute the larger tree's root exactly while giving another
       root for the smaller. Hashes stand there in this last case alone.

    Args:
        evidence: Decoded.
        rosters: Checked, by version.

    Raises:
        UnverifiedError: ``unknown-key`` (1), ``bad-signature`` (2), ``no-contradiction`` or
            ``bad-proof`` (3). It proves nothing then.
    """
    keys = [_key(evidence, it, rosters) for it in evidence.said]  # (1)
    if evidence.against != "log" and keys[0] != keys[1]:
        raise UnverifiedError("the two lines are by two keys", code="unknown-key")
    for said, public in zip(evidence.said, keys, strict=True):  # (2)
        if evidence.against == "log":
            verify(public, said.head.text(), said.signed)
        else:
            name = _cosigner(evidence, rosters[said.roster])
            check_line(_line(said), name, public, said.head)
    return convicted_by(evidence, keys[1], _contradiction(evidence))  # (3)


def convicted_by(evidence: Equivocation, public: bytes, shown: Shown) -> Conviction:
    """Return what evidence proves that was checked before, when it named this key."""
    small, large = evidence.said
    return Conviction(
        against=evidence.against,
        region=evidence.region,
        origin=evidence.origin,
        public=public,
        shown=shown,
        sizes=(small.head.size, large.head.size),
        times_s=(small.time_s, large.time_s),
    )


def _contradiction(evidence: Equivocation) -> Shown:
    """Return how two statements contradict each other, whose signatures hold."""
    small, large = (said.head for said in evidence.said)
    shown: Shown | None = None
    if small.size == large.size:
        # Of one tree there may be many lines.
        shown = "two-roots" if small.root != large.root else None
    elif is_back_in_size(evidence.said):
        shown = "back-in-size"
    elif evidence.hashes:
        old_root, new_root = consistency_roots(small.size, large.size, evidence.hashes)
        if new_root != large.root:
            raise UnverifiedError(
                "the hashes do not lead to the larger tree's root", code="bad-proof"
            )
        if old_root == small.root:
            raise _consistent("the larger tree begins with the smaller")
        return "two-branches"
    if shown is None:
        raise _consistent("nothing here says that the statements contradict each other")
    if evidence.hashes:
        raise _consistent("there are hashes where none are asked for")
    return shown


def _key(evidence: Equivocation, said: Said, rosters: Mapping[int, Roster]) -> bytes:
    roster = rosters.get(said.roster)
    member = None if roster is None else roster.members.get(evidence.region)
    if member is None:
        raise UnverifiedError(
            f"roster version {said.roster} with {evidence.region} is not known", code="unknown-key"
        )
    if evidence.against != "log":
        return member.keys.witness if evidence.against == "witness" else member.keys.mirror
    if member.origin != evidence.origin:
        raise UnverifiedError(
            f"{evidence.region} does not write {evidence.origin}", code="unknown-key"
        )
    return member.keys.log


def _cosigner(evidence: Equivocation, roster: Roster) -> str:
    origin = roster.members[evidence.region].origin
    return witness_name(origin) if evidence.against == "witness" else mirror_name(origin)


def _line(said: Said) -> Line:
    try:
        return Line.decode(said.signed)
    except MalformedError as error:
        raise UnverifiedError(f"a line has no form: {error}", code="bad-signature") from error


def _decode_said(item: object, origin: str, signed_bytes: int) -> Said:
    match item:
        case [int(roster), int(size), bytes(root), bytes(signed)]:
            pass
        case _:
            raise _bad("a statement is roster version, size, root and what signs it")
    if type(roster) is not int or not 1 <= roster <= NUMBER_MAX or type(size) is not int:
        raise _bad("a roster version and a size are numbers")
    if len(signed) != signed_bytes:
        raise _bad(f"what signs a statement here has {signed_bytes} bytes")
    try:
        return Said(roster, Checkpoint(origin, size, root), signed)
    except MalformedError as error:
        raise _bad(str(error)) from error


def _exact(value: object, keys: str) -> dict[str, Any]:
    """Return ``value``, a map with exactly these keys."""
    if not isinstance(value, Mapping) or value.keys() != set(keys.split()):
        raise _bad(f"not a map with the keys {keys}")
    return dict(value)


def _consistent(message: str) -> UnverifiedError:
    return UnverifiedError(message, code="no-contradiction")


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-field")
