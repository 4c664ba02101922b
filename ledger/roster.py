"""The roster: which regions belong to the network, their keys, and how many of them make a quorum.

The genesis roster is trusted by its SHA-256 and carries every member's signature; each later
version is signed by governance quorums of the version before it and of its own members. When a
version takes effect in a log is not decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Literal

from ledger import encoding, names, policy
from ledger.checkpoint import SIZE_MAX
from ledger.cosignature import line_key_id
from ledger.errors import MalformedError, NotFoundError, UnverifiedError
from ledger.hashing import EMPTY_ROOT, HASH_BYTES
from ledger.keys import POST_QUANTUM_PUBLIC_BYTES, PUBLIC_BYTES, SigningKey, verify
from ledger.note import ED25519, ED25519_COSIGNATURE, POST_QUANTUM_COSIGNATURE, VerifierKey
from ledger.suites import SM2_PUBLIC_BYTES, SM2_SM3, SUITES, check_point

FORMAT: Final = "shouxin/roster/v1"
SIGNED_PREFIX: Final = b"shouxin/roster/v1\n"
STALENESS_S_MIN: Final = 180
MEMBERS_MAX: Final = 1_024
TEXT_CHARS_MAX: Final = 255
NUMBER_MAX: Final = 2**53 - 1

Role = Literal["witness", "mirror"]

_KEY_NAMES: Final = ("log", "witness", "mirror", "receipt", "issuer", "governance")
_POST_QUANTUM_NAMES: Final = ("log_pq", "witness_pq", "mirror_pq")
_MAPS: Final = ("members", "pins", "closed")
_OPTIONAL_NAMES: Final = (*_POST_QUANTUM_NAMES, "log_sm2")
# Two for each log, asked for with each note.
_verifier_key = lru_cache(maxsize=1_024)(VerifierKey)

_EMPTY: Final[Mapping[bytes, "tuple[Cosigner, ...]"]] = MappingProxyType({})

Cosigner = tuple[str, str, bytes]
"""Region, key name and public key of one who may sign a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberKeys:
    """A region's public keys, one for each purpose.

    The ML-DSA-44 keys (``…_pq``) and the SM2 key of the log are None where the region signs with
    Ed25519 alone.
    """

    log: bytes
    witness: bytes
    mirror: bytes
    receipt: bytes
    issuer: bytes
    governance: bytes
    log_pq: bytes | None = None
    witness_pq: bytes | None = None
    mirror_pq: bytes | None = None
    log_sm2: bytes | None = None

    def __post_init__(self) -> None:
        for name in _KEY_NAMES:
            if not _is_bytes(getattr(self, name), PUBLIC_BYTES):
                raise _bad(f"the {name} key has {PUBLIC_BYTES} bytes")
        for name in _POST_QUANTUM_NAMES:
            key = getattr(self, name)
            if key is not None and not _is_bytes(key, POST_QUANTUM_PUBLIC_BYTES):
                raise _bad(f"the {name} key has {POST_QUANTUM_PUBLIC_BYTES} bytes")
        if self.log_sm2 is not None:
            if not _is_bytes(self.log_sm2, SM2_PUBLIC_BYTES):
                raise _bad(f"the log_sm2 key has {SM2_PUBLIC_BYTES} bytes")
            try:
                check_point(self.log_sm2)
            except UnverifiedError as error:
                raise _bad("the log_sm2 key is no point of its curve") from error

    def all(self) -> tuple[bytes, ...]:
        """Return every key that is there."""
        named = (getattr(self, name) for name in (*_KEY_NAMES, *_OPTIONAL_NAMES))
        return tuple(key for key in named if key is not None)

    def to_map(self) -> dict[str, bytes]:
        """Return the map that the roster holds."""
        named = ((name, getattr(self, name)) for name in (*_KEY_NAMES, *_OPTIONAL_NAMES))
        return {name: key for name, key in named if key is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A region in the network.

    Args:
        name: In Chinese.
        name_en: In English.
        origin: Of the log that it writes.
        url: Public base URL, without a slash at its end.
        peer: Base URL for other nodes, the same way.
        tls: SHA-256 of the pinned certificate's DER; None where the transport is not pinned.
        witnesses: Regions that witness and mirror its log, ascending; None for every other member.
        faulty_max: f; None for the greatest third.
    """

    name: str
    name_en: str
    origin: str
    url: str
    peer: str
    tls: bytes | None
    keys: MemberKeys
    witnesses: tuple[str, ...] | None = None
    faulty_max: int | None = None

    def __post_init__(self) -> None:
        for text in (self.name, self.name_en, self.origin, self.url, self.peer):
            if type(text) is not str or not 1 <= len(text) <= TEXT_CHARS_MAX:
                raise _bad(f"a member's texts have 1 to {TEXT_CHARS_MAX} characters")
        names.check_origin(self.origin)
        for url in (self.url, self.peer):
            if not url.startswith(("http://", "https://")) or not _is_plain(url):
                raise _bad(f"not a base URL: {url!r}")
        if self.tls is not None and not _is_bytes(self.tls, 32):
            raise _bad("tls is null or the SHA-256 of a certificate")
        if self.faulty_max is not None:
            _check_number(self.faulty_max, "faulty_max", least=0)
        if self.witnesses is not None:
            for region in self.witnesses:
                _check_region(region)
            if list(self.witnesses) != sorted(set(self.witnesses)):
                raise _bad("witnesses are distinct and ascending")

    def to_map(self) -> dict[str, Any]:
        """Return the map that the roster holds."""
        return {
            "name": self.name,
            "name_en": self.name_en,
            "origin": self.origin,
            "url": self.url,
            "peer": self.peer,
            "tls": self.tls,
            "keys": self.keys.to_map(),
            "witnesses": None if self.witnesses is None else list(self.witnesses),
            "faulty_max": self.faulty_max,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The times by which all members judge.

    Args:
        candidate_ms: How long a candidate waits for its quorums before the next one is chosen.
        delta_s: Clock tolerance, δ.
        refresh_s: How often a candidate is sent again, R.
        staleness_s: How old a view may be that a use relies on, S.
    """

    candidate_ms: int = 2_000
    delta_s: int = 5
    refresh_s: int = 60
    staleness_s: int = 600

    def __post_init__(self) -> None:
        for name in ("candidate_ms", "delta_s", "refresh_s", "staleness_s"):
            _check_number(getattr(self, name), name, least=1)
        if self.staleness_s < STALENESS_S_MIN:
            raise _bad(f"staleness_s is never below {STALENESS_S_MIN}, not {self.staleness_s}")
        # Views are renewed at half the staleness; a line must have been refreshed by then.
        if 2 * self.refresh_s > self.staleness_s or 2 * self.delta_s > self.staleness_s:
            raise _bad("refresh_s and delta_s are at most half of staleness_s")

    def to_map(self) -> dict[str, int]:
        """Return the map that the roster holds."""
        return {
            "candidate_ms": self.candidate_ms,
            "delta_s": self.delta_s,
            "refresh_s": self.refresh_s,
            "staleness_s": self.staleness_s,
        }


@dataclass(frozen=True, slots=True)
class Pin:
    """A tree of a log that was replicated when a version was made; copies extend it or are none."""

    size: int
    root: bytes

    def __post_init__(self) -> None:
        _check_tree(self.size, self.root)

    def to_map(self) -> list[Any]:
        """Return what the roster holds."""
        return [self.size, self.root]


@dataclass(frozen=True, slots=True)
class Closing:
    """Where a log ended, and the log that takes over its cases.

    Args:
        size: Of the cut: entries from here on are void.
        root: Of the tree of that size.
        successor: Origin of the region's own next log, or of another member's; None where there was
            nothing to take over.
    """

    size: int
    root: bytes
    successor: str | None

    def __post_init__(self) -> None:
        _check_tree(self.size, self.root)
        if self.successor is not None:
            if type(self.successor) is not str:
                raise _bad("a successor is null or an origin")
            names.check_origin(self.successor)

    def to_map(self) -> dict[str, Any]:
        """Return what the roster holds."""
        return {"size": self.size, "root": self.root, "successor": self.successor}


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """One version of the roster. Whether its members signed it, ``ledger.roster_chain`` says.

    Invariant: no two keys are equal, no two members share an origin, for each log any two quorums
    have more than f members in common, and no closed log has a writer.

    Args:
        version: From 1, the genesis.
        previous: SHA-256 of the version before it; None in the genesis alone.
        rules: Version of the rules that acts are judged by.
        steward: The member whose log carries proposals for the next version.
        members: By region.
        pins: By origin, of each log of the version before; empty in the genesis alone.
        closed: By origin, every log that was ever closed.
        suites: What statements may be signed with beside Ed25519, ascending.
    """

    network: str
    version: int
    previous: bytes | None
    rules: int
    steward: str
    constants: Constants
    members: Mapping[str, Member]
    pins: Mapping[str, Pin] = field(default_factory=dict)
    closed: Mapping[str, Closing] = field(default_factory=dict)
    suites: tuple[str, ...] = ()
    _regions: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _witnesses: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _quorums: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _lines: Mapping[tuple[str, str], Mapping[bytes, tuple[Cosigner, ...]]] = field(
        init=False, repr=False, compare=False
    )
    _sha256: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.network) is not str or type(self.steward) is not str:
            raise _bad("network and steward are text")
        _check_number(self.version, "version", least=1)
        _check_number(self.rules, "rules", least=0)
        if (self.previous is None) != (self.version == 1):
            raise _bad("the genesis roster, and it alone, has no previous")
        if self.previous is not None and not _is_bytes(self.previous, 32):
            raise _bad("previous is the SHA-256 of a roster")
        if not 1 <= len(self.members) <= MEMBERS_MAX:
            raise _bad(f"a roster has 1 to {MEMBERS_MAX} members")
        for region, member in self.members.items():
            if names.region_of_origin(member.origin) != region:
                raise _bad(f"the origin of {region} is that of another region")
            if names.network_of(member.origin) != self.network:
                raise _bad(f"the origin of {region} is in another network")
        if self.steward not in self.members:
            raise _bad(f"the steward is not a member: {self.steward!r}")
        self._check_suites()
        keys = [key for member in self.members.values() for key in member.keys.all()]
        if len(set(keys)) != len(keys):
            raise _bad("no two keys of a roster are equal")
        ordered = MappingProxyType(
            {region: self.members[region] for region in sorted(self.members)}
        )
        object.__setattr__(self, "members", ordered)
        self._check_past()
        self._index()
        for region, member in self.members.items():
            self._check_quorum(region, member)
        object.__setattr__(self, "_sha256", sha256(self.encode()).digest())

    def _check_past(self) -> None:
        """Check what is said of logs as they were before this version."""
        if self.version == 1 and (self.pins or self.closed):
            raise _bad("a genesis roster pins and closes nothing")
        for origin in (*self.pins, *self.closed):
            if names.network_of(origin) != self.network:
                raise _bad(f"a log of another network: {origin}")
        live = {member.origin for member in self.members.values()}
        for origin, closing in self.closed.items():
            if origin in live:
                raise _bad(f"a closed log has no writer: {origin}")
            heir = closing.successor
            if heir is not None and heir not in live and heir not in self.closed:
                raise _bad(f"the successor of {origin} is no log of the network: {heir}")
            if heir == origin:
                raise _bad(f"a log does not follow itself: {origin}")
        for origin in live:
            number = names.number_of_origin(origin)
            first = names.origin_for(self.network, names.region_of_origin(origin))
            before = first if number == 2 else f"{first}/{number - 1}"
            if number > 1 and before not in self.closed:
                raise _bad(f"{origin} follows a log that is not closed")
        for name in ("pins", "closed"):
            held = getattr(self, name)
            ordered = MappingProxyType({origin: held[origin] for origin in sorted(held)})
            object.__setattr__(self, name, ordered)

    def _check_suites(self) -> None:
        # An unknown suite is one that this program cannot judge by: better no roster than that.
        if type(self.suites) is not tuple or not all(suite in SUITES for suite in self.suites):
            raise _bad(f"suites are of {', '.join(SUITES)}")
        if list(self.suites) != sorted(set(self.suites)):
            raise _bad("suites are distinct and ascending")
        lines = [region for region, it in self.members.items() if it.keys.log_sm2 is not None]
        if lines and SM2_SM3 not in self.suites:
            raise _bad(f"{min(lines)} has an SM2 key, and the roster does not name {SM2_SM3}")

    def _index(self) -> None:
        """Work out once what is asked for each line of each log."""
        regions = {member.origin: region for region, member in self.members.items()}
        witnesses: dict[str, tuple[str, ...]] = {}
        for region, member in self.members.items():
            listed = member.witnesses
            if listed is None:
                listed = tuple(other for other in self.members if other != region)
            if region in listed or not set(listed) <= self.members.keys():
                raise _bad(f"the witnesses of {region} are other members")
            witnesses[member.origin] = listed
        cosigners: dict[tuple[str, str], tuple[bytes, Cosigner]] = {}
        for region, member in self.members.items():
            for role, name, public in (
                ("witness", names.witness_name(member.origin), member.keys.witness),
                ("mirror", names.mirror_name(member.origin), member.keys.mirror),
            ):
                cosigners[region, role] = (line_key_id(name, public), (region, name, public))
        lines = {}
        for origin, listed in witnesses.items():
            for role in ("witness", "mirror"):
                by_id: dict[bytes, tuple[Cosigner, ...]] = {}
                for region in listed:
                    key_id, cosigner = cosigners[region, role]
                    # Four bytes of hash may meet by chance: both are kept, and both are tried.
                    by_id[key_id] = (*by_id.get(key_id, ()), cosigner)
                lines[origin, role] = MappingProxyType(by_id)
        object.__setattr__(self, "_regions", MappingProxyType(regions))
        object.__setattr__(self, "_witnesses", MappingProxyType(witnesses))
        object.__setattr__(self, "_lines", MappingProxyType(lines))
        quorums = {
            origin: policy.quorum(len(listed), self.faulty_max(origin))
            for origin, listed in witnesses.items()
        }
        object.__setattr__(self, "_quorums", MappingProxyType(quorums))

    def _check_quorum(self, region: str, member: Member) -> None:
        count = len(self._witnesses[member.origin])
        if count == 0:
            if member.faulty_max:
                raise _bad(f"{region} has no witnesses, and so none that may fail")
            return
        faulty, quorum = self.faulty_max(member.origin), self.quorum(member.origin)
        # Any two choices of q share more than f by the formula; there must be q to choose.
        if quorum > count:
            raise MalformedError(
                f"{region}: no safe quorum of {count} witnesses where {faulty} may fail",
                code="unsafe-quorum",
            )

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the roster's bytes, by which a genesis is trusted and a version follows."""
        return self._sha256

    @property
    def origins(self) -> tuple[str, ...]:
        """The logs of all members, ascending by region."""
        return tuple(self._regions)

    def member(self, region: str) -> Member:
        """Return the member of ``region``.

        Raises:
            NotFoundError: There is none.
        """
        try:
            return self.members[region]
        except KeyError as error:
            raise NotFoundError(f"no member of the network: {region}") from error

    def origin_of(self, region: str) -> str:
        """Return the origin of the log that ``region`` writes."""
        return self.member(region).origin

    def region_of_origin(self, origin: str) -> str:
        """Return the region that writes the log ``origin``.

        Raises:
            NotFoundError: No member writes it.
        """
        try:
            return self._regions[origin]
        except KeyError as error:
            raise NotFoundError(f"no log of the network: {origin}") from error

    def witnesses_of(self, origin: str) -> tuple[str, ...]:
        """Return the regions that witness and mirror the log, ascending."""
        self.region_of_origin(origin)
        return self._witnesses[origin]

    def faulty_max(self, origin: str) -> int:
        """Return f: how many of the log's witnesses may lie without harm."""
        stated = self.member(self.region_of_origin(origin)).faulty_max
        return policy.byzantine_max(len(self._witnesses[origin])) if stated is None else stated

    def quorum(self, origin: str) -> int:
        """Return q: how many lines make a quorum for the log.

        A log without witnesses has a quorum of one, of none who could sign it; it is never reached.
        """
        self.region_of_origin(origin)
        return self._quorums[origin]

    def witness_keys(self, origin: str) -> Mapping[bytes, tuple[Cosigner, ...]]:
        """Return who may sign witness lines for the log, by key id."""
        return self._lines.get((origin, "witness"), _EMPTY)

    def mirror_keys(self, origin: str) -> Mapping[bytes, tuple[Cosigner, ...]]:
        """Return who may sign mirror lines for the log, by key id."""
        return self._lines.get((origin, "mirror"), _EMPTY)

    def log_key(self, origin: str) -> VerifierKey:
        """Return the key that signs the log's notes."""
        public = self.member(self.region_of_origin(origin)).keys.log
        return _verifier_key(origin, ED25519, public)

    def log_keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """Return every key that signs the log's notes: Ed25519, then ML-DSA-44 where it has one."""
        public = self.member(self.region_of_origin(origin)).keys.log_pq
        if public is None:
            return (self.log_key(origin),)
        return (self.log_key(origin), _verifier_key(origin, POST_QUANTUM_COSIGNATURE, public))

    def post_quantum_key(self, region: str, role: Role) -> VerifierKey | None:
        """Return the ML-DSA-44 key of a region's witness or mirror; None where it has none."""
        member = self.member(region)
        if role == "witness":
            name, public = names.witness_name(member.origin), member.keys.witness_pq
        else:
            name, public = names.mirror_name(member.origin), member.keys.mirror_pq
        return None if public is None else VerifierKey(name, POST_QUANTUM_COSIGNATURE, public)

    def tlog_policy(self, origin: str, role: Role) -> str:
        """Return the log's quorum as a policy file that other programs read.

        Source: C2SP tlog-policy.
        """
        keys = {}
        for region in self._witnesses[origin]:
            witness = self.members[region]
            if role == "witness":
                name, public = names.witness_name(witness.origin), witness.keys.witness
            else:
                name, public = names.mirror_name(witness.origin), witness.keys.mirror
            keys[region] = VerifierKey(name, ED25519_COSIGNATURE, public)
        return self._policy(f"{role} lines", origin, self.log_keys(origin), keys)

    def post_quantum_policy(self, origin: str, role: Role) -> str:
        """Return the log's quorum by ML-DSA-44 lines alone, for the second note of its checkpoints.

        The quorum is that of ``tlog_policy``, though fewer regions may have such a key. Where the
        log has one, its Ed25519 line does not do.

        Raises:
            NotFoundError: Fewer regions than the quorum have such a key.

        Source: C2SP tlog-policy.
        """
        regions = self.witnesses_of(origin)
        found = {region: self.post_quantum_key(region, role) for region in regions}
        keys = {region: key for region, key in found.items() if key is not None}
        if regions and len(keys) < self.quorum(origin):
            raise NotFoundError(
                f"{len(keys)} of {len(regions)} regions have an ML-DSA-44 {role} key", code="no-key"
            )
        return self._policy(f"ML-DSA-44 {role} lines", origin, self.log_keys(origin)[-1:], keys)

    def _policy(
        self,
        what: str,
        origin: str,
        logs: Sequence[VerifierKey],
        witnesses: Mapping[str, VerifierKey],
    ) -> str:
        url = self.member(self.region_of_origin(origin)).url
        lines = [f"# {origin}: {what} by roster version {self.version}"]
        lines += [f"log {key.encode()} {url}/log" for key in logs]
        lines += [
            f"witness {region} {key.encode()} {self.members[region].peer}/c2sp"
            for region, key in witnesses.items()
        ]
        regions = tuple(witnesses)
        if regions:
            lines.append(f"group members {self.quorum(origin)} {' '.join(regions)}")
        lines.append(f"quorum {'members' if regions else 'none'}")
        return "\n".join(lines) + "\n"

    def encode(self) -> bytes:
        """Return the bytes that governance keys sign."""
        named = {"suites": list(self.suites)} if self.suites else {}
        return encoding.encode(
            {
                "format": FORMAT,
                "network": self.network,
                "version": self.version,
                "previous": self.previous,
                "rules": self.rules,
                "steward": self.steward,
                "constants": self.constants.to_map(),
                "members": {region: member.to_map() for region, member in self.members.items()},
                "pins": {origin: pin.to_map() for origin, pin in self.pins.items()},
                "closed": {origin: item.to_map() for origin, item in self.closed.items()},
            }
            | named
        )

    @classmethod
    def decode(cls, data: bytes) -> "Roster":
        """Decode a roster's bytes.

        Raises:
            MalformedError: The bytes are not canonical, or no sound roster.
        """
        value = encoding.decode(data)
        wanted = "format network version previous rules steward constants members pins closed"
        is_named = type(value) is dict and "suites" in value
        fields = _exact(value, f"{wanted} suites" if is_named else wanted)
        suites = fields.pop("suites", [])
        if type(suites) is not list or is_named != bool(suites):
            raise _bad("suites is a list of at least one, or is not there")
        if fields.pop("format") != FORMAT:
            raise _bad(f"the format is not {FORMAT}")
        constants = _exact(fields.pop("constants"), "candidate_ms delta_s refresh_s staleness_s")
        members, pins, closed = (_map(fields.pop(name), name) for name in _MAPS)
        return cls(
            **fields,
            constants=Constants(**constants),
            members={region: decode_member(member) for region, member in members.items()},
            pins={origin: _decode_pin(pin) for origin, pin in pins.items()},
            closed={
                origin: Closing(**_exact(item, "size root successor"))
                for origin, item in closed.items()
            },
            suites=tuple(suites),
        )


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
        _check_number(self.round, "round", least=0)
        regions = [region for region, _ in self.signatures]
        for region in regions:
            _check_region(region)
        if not regions or regions != sorted(set(regions)):
            raise _bad("a roster's signatures are distinct and ascending by region")
        if not all(_is_bytes(signature, 64) for _, signature in self.signatures):
            raise _bad("a roster's signatures have 64 bytes")

    @property
    def roster(self) -> Roster:
        """The roster as the bytes say it; trust it only within a ``RosterChain``."""
        return Roster.decode(self.body)

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
                raise _bad("a signed roster is its bytes, a round and its signatures")
        pairs = []
        for pair in signatures:
            match pair:
                case [str(region), bytes(signature)]:
                    pairs.append((region, signature))
                case _:
                    raise _bad("a roster's signature is region and signature")
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


def decode_member(value: object) -> Member:
    """Read a member as the roster's map holds it.

    Raises:
        MalformedError: It is none.
    """
    fields = _exact(value, "name name_en origin url peer tls keys witnesses faulty_max")
    keys = fields.pop("keys")
    if type(keys) is not dict or not (
        set(_KEY_NAMES) <= keys.keys() <= {*_KEY_NAMES, *_OPTIONAL_NAMES}
    ):
        raise _bad("a member's keys are not those of the format")
    if None in keys.values():
        raise _bad("a key that is not there has no field")
    witnesses = fields.pop("witnesses")
    if witnesses is not None and type(witnesses) is not list:
        raise _bad("witnesses is null or a list of regions")
    return Member(
        **fields,
        keys=MemberKeys(**keys),
        witnesses=None if witnesses is None else tuple(witnesses),
    )


def _decode_pin(value: object) -> Pin:
    match value:
        case [int(size), bytes(root)]:
            return Pin(size, root)
        case _:
            raise _bad("a pin is size and root")


def _map(value: object, name: str) -> dict[str, Any]:
    """Return ``value``, a map with keys of text."""
    if type(value) is not dict or not all(type(key) is str for key in value):
        raise _bad(f"{name} is a map")
    return value


def _exact(value: object, keys: str) -> dict[str, Any]:
    """Return ``value``, a map with exactly these keys."""
    if type(value) is not dict or value.keys() != set(keys.split()):
        raise _bad(f"not a map with the keys {keys}")
    return value


def _check_region(value: object) -> None:
    if type(value) is not str:
        raise _bad("a region is text")
    names.check_region(value)


def _check_number(value: object, name: str, *, least: int) -> None:
    if type(value) is not int or not least <= value <= NUMBER_MAX:
        raise _bad(f"{name} is a number from {least}")


def _check_tree(size: object, root: object) -> None:
    if type(size) is not int or not 0 <= size <= SIZE_MAX or not _is_bytes(root, HASH_BYTES):
        raise _bad("a tree is size and root")
    if size == 0 and root != EMPTY_ROOT:
        raise _bad("the empty tree has one root, and this is not it")


def _is_bytes(value: object, size: int) -> bool:
    return type(value) is bytes and len(value) == size


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url and not url.endswith("/")


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-field")
