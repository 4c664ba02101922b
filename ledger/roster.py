"""The roster: which regions belong to the network, their keys, and how many of them make a quorum.

The genesis roster is trusted by its SHA-256 and carries every member's signature; each later
version is signed by governance quorums of the version before it and of its own members. When a
version takes effect in a log is not decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Literal

from ledger import encoding, names, policy
from ledger.cosignature import line_key_id
from ledger.errors import MalformedError, NotFoundError
from ledger.hashing import EMPTY_ROOT
from ledger.keys import SIGNATURE_BYTES
from ledger.member import Member, decode_member
from ledger.note import ED25519, POST_QUANTUM_COSIGNATURE, VerifierKey
from ledger.roster_fields import (
    Closing,
    Constants,
    Pin,
    bad_field,
    check_number,
    decode_pin,
    exact,
    is_bytes,
    text_map,
)
from ledger.suites import SM2_SM3, SUITES

FORMAT: Final = "shouxin/roster/v1"
MEMBERS_MAX: Final = 1_024

Role = Literal["witness", "mirror"]

_MAPS: Final = ("members", "pins", "closed")
# Two for each log, asked for with each note.
_verifier_key = lru_cache(maxsize=1_024)(VerifierKey)

_EMPTY: Final[Mapping[bytes, "tuple[Cosigner, ...]"]] = MappingProxyType({})

Cosigner = tuple[str, str, bytes]
"""Region, key name and public key of one who may sign a line."""


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
        proofs: By region, of governance keys that this version brings to members of before: each
            key's own signature, which says that it is held (``ledger.key_proof``).
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
    proofs: Mapping[str, bytes] = field(default_factory=dict)
    _regions: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _witnesses: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _quorums: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _lines: Mapping[tuple[str, str], Mapping[bytes, tuple[Cosigner, ...]]] = field(
        init=False, repr=False, compare=False
    )
    _sha256: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.network) is not str or type(self.steward) is not str:
            raise bad_field("network and steward are text")
        check_number(self.version, "version", least=1)
        check_number(self.rules, "rules", least=0)
        if (self.previous is None) != (self.version == 1):
            raise bad_field("the genesis roster, and it alone, has no previous")
        if self.previous is not None and not is_bytes(self.previous, 32):
            raise bad_field("previous is the SHA-256 of a roster")
        if not 1 <= len(self.members) <= MEMBERS_MAX:
            raise bad_field(f"a roster has 1 to {MEMBERS_MAX} members")
        for region, member in self.members.items():
            if names.region_of_origin(member.origin) != region:
                raise bad_field(f"the origin of {region} is that of another region")
            if names.network_of(member.origin) != self.network:
                raise bad_field(f"the origin of {region} is in another network")
        if self.steward not in self.members:
            raise bad_field(f"the steward is not a member: {self.steward!r}")
        self._check_suites()
        keys = [key for member in self.members.values() for key in member.keys.all()]
        if len(set(keys)) != len(keys):
            raise bad_field("no two keys of a roster are equal")
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
            raise bad_field("a genesis roster pins and closes nothing")
        for origin in (*self.pins, *self.closed):
            if names.network_of(origin) != self.network:
                raise bad_field(f"a log of another network: {origin}")
        live = {member.origin for member in self.members.values()}
        for origin, closing in self.closed.items():
            if origin in live:
                raise bad_field(f"a closed log has no writer: {origin}")
            heir = closing.successor
            if heir is not None and heir not in live and heir not in self.closed:
                raise bad_field(f"the successor of {origin} is no log of the network: {heir}")
            if heir == origin:
                raise bad_field(f"a log does not follow itself: {origin}")
        for origin in live:
            number = names.number_of_origin(origin)
            first = names.origin_for(self.network, names.region_of_origin(origin))
            before = first if number == 2 else f"{first}/{number - 1}"
            if number > 1 and before not in self.closed:
                raise bad_field(f"{origin} follows a log that is not closed")
        if self.version == 1 and self.proofs:
            raise bad_field("the members of a genesis roster sign it themselves")
        for region, proof in self.proofs.items():
            if region not in self.members or not is_bytes(proof, SIGNATURE_BYTES):
                raise bad_field("a proof is a signature by a member's governance key")
        for name in ("pins", "closed", "proofs"):
            held = getattr(self, name)
            ordered = MappingProxyType({key: held[key] for key in sorted(held)})
            object.__setattr__(self, name, ordered)

    def _check_suites(self) -> None:
        # An unknown suite is one that this program cannot judge by: better no roster than that.
        if type(self.suites) is not tuple or not all(suite in SUITES for suite in self.suites):
            raise bad_field(f"suites are of {', '.join(SUITES)}")
        if list(self.suites) != sorted(set(self.suites)):
            raise bad_field("suites are distinct and ascending")
        lines = [region for region, it in self.members.items() if it.keys.log_sm2 is not None]
        if lines and SM2_SM3 not in self.suites:
            raise bad_field(f"{min(lines)} has an SM2 key, and the roster does not name {SM2_SM3}")

    def _index(self) -> None:
        """Work out once what is asked for each line of each log."""
        regions = {member.origin: region for region, member in self.members.items()}
        witnesses: dict[str, tuple[str, ...]] = {}
        for region, member in self.members.items():
            listed = member.witnesses
            if listed is None:
                listed = tuple(other for other in self.members if other != region)
            if region in listed or not set(listed) <= self.members.keys():
                raise bad_field(f"the witnesses of {region} are other members")
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
                raise bad_field(f"{region} has no witnesses, and so none that may fail")
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

    def has_log(self, origin: str) -> bool:
        """Say whether a member writes the log ``origin``."""
        return origin in self._regions

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

    def pinned(self, origin: str) -> Pin:
        """Return what this version pins of a log: nothing yet of one that joined with it."""
        return self.pins.get(origin, Pin(0, EMPTY_ROOT))

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

    def following(self, **changes: Any) -> "Roster":  # noqa: ANN401 - any field
        """Return the version after this one, changed; nobody has signed it.

        What is said of one version alone, proofs of new keys, is not carried over.
        """
        fresh = {"version": self.version + 1, "previous": self.sha256, "proofs": {}}
        return replace(self, **{**fresh, **changes})

    def encode(self) -> bytes:
        """Return the bytes that governance keys sign."""
        named: dict[str, Any] = {"suites": list(self.suites)} if self.suites else {}
        if self.proofs:
            named["proofs"] = dict(self.proofs)
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
        named = [name for name in ("suites", "proofs") if type(value) is dict and name in value]
        fields = exact(value, " ".join((wanted, *named)))
        if not all(fields[name] for name in named):
            raise bad_field(f"{' and '.join(named)} hold at least one each, or are not there")
        suites, proofs = fields.pop("suites", []), text_map(fields.pop("proofs", {}), "proofs")
        if type(suites) is not list:
            raise bad_field("suites is a list")
        if fields.pop("format") != FORMAT:
            raise bad_field(f"the format is not {FORMAT}")
        constants = exact(fields.pop("constants"), "candidate_ms delta_s refresh_s staleness_s")
        members, pins, closed = (text_map(fields.pop(name), name) for name in _MAPS)
        return cls(
            **fields,
            constants=Constants(**constants),
            members={region: decode_member(member) for region, member in members.items()},
            pins={origin: decode_pin(pin) for origin, pin in pins.items()},
            closed={
                origin: Closing(**exact(item, "size root successor"))
                for origin, item in closed.items()
            },
            suites=tuple(suites),
            proofs=proofs,
        )
