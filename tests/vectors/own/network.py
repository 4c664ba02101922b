"""A small network with fixed keys, and logs that tests write in it.

All keys grow from their names, so every run makes the same bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from ledger.bundle_file import ClosedLog, ProvenEntry, ProvenHead, ProvenLeaf, ProvenLog
from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.hashing import EMPTY_ROOT
from ledger.keys import SigningKey
from ledger.member import Member, MemberKeys
from ledger.names import mirror_name, origin_for, witness_name
from ledger.note import Note, sign_ed25519
from ledger.roster import Role, Roster
from ledger.roster_fields import Constants, Pin
from ledger.signed_roster import SignedRoster, sign_roster
from ledger.statement import Act, Citation, Statement, sign_statement
from ledger.views import GoodLine
from tests import rfc9162

NETWORK = "southwest-five.example"
REGIONS = {
    "500000": ("重庆市", "Chongqing"),
    "510000": ("四川省", "Sichuan"),
    "520000": ("贵州省", "Guizhou"),
    "530000": ("云南省", "Yunnan"),
    "540000": ("西藏自治区", "Tibet"),
}
NAMES = {"450000": ("广西壮族自治区", "Guangxi")} | REGIONS
PURPOSES = ("log", "witness", "mirror", "receipt", "issuer", "governance")
TIME_S = 1_793_000_000
CASE = "510000/case/2026-000017"
GRANT = "540000/grant/2026-000001"
OFFICER = "510000/officer/w3-01"
SICHUAN = f"{NETWORK}/510000"
TIBET = f"{NETWORK}/540000"
GUANGXI = "450000"


def key(owner: str, purpose: str = "officer") -> SigningKey:
    """The key of an owner for one purpose; whoever can read can make it."""
    return SigningKey.from_seed(sha256(f"shouxin vector key {owner} {purpose}".encode()).digest())


def member(region: str, **changes: Any) -> Member:
    """A region of the network, as the genesis roster has it."""
    name, name_en = NAMES.get(region, (region, region))
    fields: dict[str, Any] = {
        "name": name,
        "name_en": name_en,
        "origin": origin_for(NETWORK, region),
        "url": f"https://{region}.example",
        "peer": f"https://peer.{region}.example:8443",
        "tls": sha256(f"certificate of {region}".encode()).digest(),
        "keys": MemberKeys(**{purpose: key(region, purpose).public for purpose in PURPOSES}),
    }
    return Member(**fields | changes)


def roster(regions: Iterable[str] = REGIONS, **changes: Any) -> Roster:
    """The genesis roster of the given regions."""
    members = {region: member(region) for region in regions}
    fields: dict[str, Any] = {
        "network": NETWORK,
        "version": 1,
        "previous": None,
        "rules": 1,
        "steward": min(members),
        "constants": Constants(),
        "members": members,
    }
    return Roster(**fields | changes)


def successor_of(made: Roster, region: str, **changes: Any) -> Roster:
    """The next version of a roster, with one member changed."""
    return following(made, members=dict(made.members) | {region: member(region, **changes)})


def following(made: Roster, **changes: Any) -> Roster:
    """The version after a roster; the logs are pinned where they were, or empty."""
    pins = {origin: made.pins.get(origin, Pin(0, EMPTY_ROOT)) for origin in made.origins}
    return made.following(**{"pins": pins, **changes})


def new_keys(region: str, number: int) -> MemberKeys:
    """The keys of a region's successor log; that of governance lay elsewhere and stays."""
    fresh = {purpose: key(f"{region}/{number}", purpose).public for purpose in PURPOSES[:-1]}
    return MemberKeys(**fresh, governance=key(region, "governance").public)


def signed(made: Roster, regions: Iterable[str] | None = None) -> SignedRoster:
    """A roster signed by all its members, or by the regions given."""
    return sign_roster(made, {it: key(it, "governance") for it in regions or made.members})


class Log:
    """A region's log, kept as a list; roots and proofs come from the slow model."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.origin = origin_for(NETWORK, region)
        self.statements: list[Statement] = []

    @property
    def entries(self) -> list[bytes]:
        """The entries' bytes."""
        return [statement.entry for statement in self.statements]

    def act(
        self,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        officer: str | None = None,
        citations: tuple[Citation, ...] = (),
    ) -> Statement:
        """Append what an officer or, without one, the region itself did."""
        before = [it.leaf for it in self.statements if it.subject == subject]
        act = Act(kind, 1, before[-1] if before else None, citations, body)
        signer = key(self.region, "issuer") if officer is None else key(officer)
        time_s = TIME_S + len(self.statements)
        made = sign_statement(signer, officer or self.region, subject, time_s, act)
        self.statements.append(made)
        return made

    def cite(self, role: str, index: int) -> Citation:
        """A citation of one of the entries."""
        return Citation(role, self.origin, index, self.statements[index].leaf)

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """The head at a size, the newest one if none is given."""
        size = len(self.statements) if size is None else size
        return Checkpoint(self.origin, size, rfc9162.root(self.entries[:size]))

    def note(self, size: int | None = None) -> bytes:
        """The log's signed note at a size."""
        text = self.checkpoint(size).encode()
        return Note(text, (sign_ed25519(self.origin, key(self.region, "log"), text),)).encode()

    def proof(self, index: int, size: int | None = None) -> list[bytes]:
        """An inclusion proof."""
        return rfc9162.inclusion(index, self.entries[:size])

    def lines(
        self,
        regions: Iterable[str],
        role: Role,
        *,
        times: Sequence[int] = (),
        size: int | None = None,
    ) -> tuple[GoodLine, ...]:
        """Lines of these regions on one head, a second apart if no times are given."""
        head = self.checkpoint(size)
        return tuple(
            line(region, role, head, times[at] if times else TIME_S + 100 + at)
            for at, region in enumerate(regions)
        )


def line(region: str, role: Role, head: Checkpoint, time_s: int) -> GoodLine:
    """One region's line on a head."""
    name = (witness_name if role == "witness" else mirror_name)(origin_for(NETWORK, region))
    return GoodLine(region, time_s, sign_line(name, key(region, role), head, time_s).encode())


def proven(log: Log, made: Roster, indexes: Iterable[int]) -> ProvenLog:
    """A log's part of a bundle, with lines of the first q of its witnesses."""
    regions = made.witnesses_of(log.origin)[: made.quorum(log.origin)]
    return ProvenLog(
        roster=made.version,
        note=log.note(),
        witness=tuple(it.line for it in log.lines(regions, "witness")),
        mirror=tuple(it.line for it in log.lines(regions, "mirror")),
        entries=tuple(
            ProvenEntry(index, log.statements[index].entry, tuple(log.proof(index)))
            for index in indexes
        ),
    )


def closed_log(log: Log, version: int, indexes: Iterable[int]) -> ClosedLog:
    """A log's part of a bundle once a version has closed it at all that it holds."""
    return ClosedLog(
        closed=version,
        heads=(ProvenHead(3, log.checkpoint(3).root, tuple(rfc9162.consistency(3, log.entries))),),
        leaves=(ProvenLeaf(2, log.statements[2].leaf, tuple(log.proof(2))),),
        entries=tuple(
            ProvenEntry(index, log.statements[index].entry, tuple(log.proof(index)))
            for index in indexes
        ),
    )
