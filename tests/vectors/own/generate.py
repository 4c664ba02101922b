"""A small network with fixed keys, and the vectors made from it.

Tests take the network from here; ``python -m tests.vectors.own.generate`` writes the vectors again.
All keys grow from their names, so every run makes the same bytes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.bundle_file import (
    Bundle,
    ClosedLog,
    ProvenEntry,
    ProvenHead,
    ProvenLeaf,
    ProvenLog,
)
from ledger.checkpoint import Checkpoint
from ledger.continuing import continues_body, frozen_lines
from ledger.cosignature import sign_line
from ledger.epochs import epoch_body
from ledger.equivocation import (
    EVIDENCE_KIND,
    accuse,
    check_evidence,
    encode_file,
    evidence_body,
    said_by_log,
)
from ledger.frozen import Frozen, Held
from ledger.hashing import EMPTY_ROOT
from ledger.key_proof import proof_message, prove_key
from ledger.keys import SigningKey
from ledger.map_tree import prove, rebuild
from ledger.member import Member, MemberKeys
from ledger.names import mirror_name, origin_for, witness_name
from ledger.note import Note, sign_ed25519
from ledger.object_map import is_object
from ledger.receipt import (
    make_consistency_receipt,
    make_inclusion_receipt,
    transparent_statement,
)
from ledger.roster import Role, Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    STALL_KIND,
    Approval,
    Proposal,
    Stall,
    roster_object,
    sign_proposal,
    sign_stall,
)
from ledger.roster_change import change_of
from ledger.roster_fields import Closing, Constants, Pin
from ledger.roster_policy import tlog_policy
from ledger.signed_roster import SignedRoster, sign_roster
from ledger.statement import Act, Citation, Statement, sign_statement
from ledger.views import EPOCH_KIND, Block, BlockLines, GoodLine, block_body, view_body
from tests import rfc9162
from tests.vectors.own.vault import vault_vector

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


class Example:
    """Tibet grants, Sichuan relies on a view of it and opens a case."""

    def __init__(self) -> None:
        self.roster = roster()
        self.signed = signed(self.roster)
        genesis = {
            "leaf": "cose-sign1/rfc9162-sha256",
            "roster": self.signed.encode(),
            "rules": self.roster.rules,
        }
        self.tibet, self.sichuan = Log("540000"), Log("510000")
        for log in (self.tibet, self.sichuan):
            log.act("log.genesis", log.origin, genesis)
        self.grant = self.tibet.act(
            "grant.offer", GRANT, {"to": "510000", "rights": ["intake"], "item": "000500000001"}
        )
        others = ("500000", "520000", "530000")
        self.view = self.sichuan.act(
            "log.view",
            TIBET,
            view_body(self.tibet.note(), self.roster, self.tibet.lines(others, "mirror")),
        )
        first = self.sichuan.checkpoint(1)
        lines = tuple(it.line for it in self.sichuan.lines(others, "mirror", size=1))
        self.block = self.sichuan.act(
            "log.block",
            SICHUAN,
            block_body(
                Block(
                    height=1,
                    size=1,
                    root=first.root,
                    note=sha256(first.encode()).digest(),
                    roster=1,
                    rules=1,
                    map_root=bytes(32),
                    lines=(BlockLines(1, first.root, lines),),
                )
            ),
        )
        self.case = self.sichuan.act(
            "case.open",
            CASE,
            {"item": "000500000001", "window": "510000/window/w3"},
            officer=OFFICER,
            citations=(
                Citation("view", TIBET, 1, self.sichuan.statements[1].leaf),
                self.tibet.cite("grant", 1),
            ),
        )
        acts = [
            (it.subject, index, it.leaf)
            for index, it in enumerate(self.sichuan.statements)
            if is_object(it.subject)
        ]
        acts += [(f"510000/case/2026-0000{number}", number, bytes(32)) for number in range(18, 30)]
        acts.append((CASE, 30, bytes(31) + b"\1"))
        grown = rebuild(acts, 31)
        assert grown.root is not None
        leaves = {index: leaf for _, index, leaf in acts}
        nodes = grown.nodes()
        self.map_acts, self.map_root = acts, grown.root.hash
        self.map_proofs = [
            prove(name, grown.root, nodes.get, leaves.__getitem__)
            for name in (CASE, "510000/case/2026-000030", "540000/grant/1")
        ]
        self.bundle = Bundle(
            CASE,
            (self.signed.encode(),),
            {
                SICHUAN: proven(self.sichuan, self.roster, (0, 1, 3)),
                TIBET: proven(self.tibet, self.roster, (1,)),
            },
        )
        receipt_key = key("510000", "receipt")
        self.receipt = make_inclusion_receipt(
            receipt_key,
            SICHUAN,
            CASE,
            TIME_S + 60,
            4,
            3,
            self.sichuan.proof(3),
            self.sichuan.checkpoint().root,
        )
        self.consistency = make_consistency_receipt(
            receipt_key,
            SICHUAN,
            SICHUAN,
            TIME_S + 60,
            3,
            4,
            rfc9162.consistency(3, self.sichuan.entries),
            self.sichuan.checkpoint().root,
        )

        # Sichuan shows a second history: the larger tree does not begin with the smaller.
        self.fork = Log("510000")
        self.fork.act("log.genesis", SICHUAN, genesis)
        for number in range(4):
            self.fork.act("case.open", f"510000/case/other-{number}", {}, officer=OFFICER)
        said = (said_by_log(1, self.sichuan.note(3)), said_by_log(1, self.fork.note(5)))
        hashes = rfc9162.consistency(3, self.fork.entries)
        self.evidence = accuse("log", "510000", said, hashes)
        self.conviction = check_evidence(self.evidence, {1: self.roster})
        guizhou = Log("520000")
        guizhou.act("log.genesis", guizhou.origin, genesis)
        self.recorded = guizhou.act(
            EVIDENCE_KIND, self.conviction.subject, evidence_body(self.evidence)
        )

    def chain(self) -> tuple[Roster, ...]:
        """The genesis; then Guangxi joins; then Sichuan's log is closed and goes on in another."""
        heads = {log.origin: log.checkpoint() for log in (self.tibet, self.sichuan)}
        pins = {
            origin: Pin(heads[origin].size, heads[origin].root)
            if origin in heads
            else Pin(0, EMPTY_ROOT)
            for origin in self.roster.origins
        }
        six = following(
            self.roster,
            members=dict(self.roster.members) | {GUANGXI: member(GUANGXI)},
            pins=pins,
        )
        head = heads[SICHUAN]
        heir = f"{SICHUAN}/2"
        reborn = member("510000", origin=heir, keys=new_keys("510000", 2))
        closed = following(
            six,
            members=dict(six.members) | {"510000": reborn},
            closed={SICHUAN: Closing(head.size, head.root, heir)},
        )
        return self.roster, six, closed

    def proven_key(self) -> dict[str, Any]:
        """Sichuan changes its governance key: the new one proves itself, the old one signs."""
        fresh = key("510000/2", "governance")
        keys = replace(self.roster.members["510000"].keys, governance=fresh.public)
        proof = prove_key(fresh, NETWORK, 2, "510000")
        changed = dict(self.roster.members) | {"510000": member("510000", keys=keys)}
        new = following(self.roster, members=changed, proofs={"510000": proof})
        return {
            "signed": [self.signed.encode().hex(), signed(new).encode().hex()],
            "message": proof_message(NETWORK, 2, "510000", fresh.public).hex(),
            "proof": proof.hex(),
        }

    def change(self) -> dict[str, Any]:
        """The version that Guangxi joins with, as what it changes of the genesis."""
        six = self.chain()[1]
        return {
            "before": self.roster.encode().hex(),
            "change": change_of(self.roster, six).hex(),
            "sha256": six.sha256.hex(),
        }

    def crossed(self) -> Bundle:
        """The bundle once Sichuan's log is closed, known by its cut alone."""
        rosters = tuple(signed(made).encode() for made in self.chain())
        logs = {**self.bundle.logs, SICHUAN: closed_log(self.sichuan, 3, (0, 1, 3))}
        return Bundle(CASE, rosters, logs)

    def forked_on(self) -> Log:
        """Sichuan's log as its old keys would write it on beyond the cut."""
        log = Log("510000")
        log.statements = list(self.sichuan.statements)
        log.act("case.accept", CASE, {}, officer=OFFICER)
        return log

    def turned(self) -> "Turned":
        """Sichuan's log goes on under the version that Guangxi joins with."""
        return Turned(self)

    def steps(self) -> dict[str, Any]:
        """The steward proposes that version, Sichuan signs it, and Tibet stalls instead."""
        six = self.chain()[1]
        body = six.encode()
        joiner = sign_proposal(key(GUANGXI, "governance"), body, 1)
        proposal = Proposal(1, body, (), ((GUANGXI, joiner),))
        approval = Approval(
            2, 1, proposal.sha256, sign_proposal(key("510000", "governance"), body, 1)
        )
        stall = sign_stall(key("540000", "governance"), NETWORK, Stall(2, 1, None))

        def entry(region: str, kind: str, said: Mapping[str, Any]) -> str:
            act = Act(kind, 1, None, (), said)
            name = roster_object(region, 2)
            return sign_statement(key(region, "issuer"), region, name, TIME_S, act).entry.hex()

        return {
            "propose": entry(six.steward, PROPOSE_KIND, proposal.to_body()),
            "approve": entry("510000", APPROVE_KIND, approval.to_body()),
            "stall": entry("540000", STALL_KIND, stall.to_body()),
            "sha256": six.sha256.hex(),
            "stalled": stall.message(NETWORK).hex(),
        }

    def loss(self) -> dict[str, Any]:
        """Sichuan's log is frozen, and goes on; an act that it had lost is salvaged."""
        six, closed = self.chain()[1:]
        head, heir = self.sichuan.checkpoint(), f"{SICHUAN}/2"
        mirror = line("520000", "mirror", head, TIME_S + 200).line
        witness = line("520000", "witness", head, TIME_S + 200).line
        frozen = Frozen(
            SICHUAN,
            six.version,
            Held(head, self.sichuan.note(), witness),
            Held(head, self.sichuan.note(), mirror),
        )
        genesis = {
            "leaf": "cose-sign1/rfc9162-sha256",
            "roster": signed(closed).encode(),
            "rules": closed.rules,
        }
        begun = continues_body(genesis, closed, heir, frozen_lines({"520000": frozen}, head.size))
        lost = sign_statement(
            key(OFFICER),
            OFFICER,
            "510000/case/2026-000018",
            TIME_S,
            Act("case.open", 1, None, (), {}),
        )
        entries = [*self.sichuan.entries, lost.entry]
        receipt = make_inclusion_receipt(
            key("510000", "receipt"),
            SICHUAN,
            lost.subject,
            TIME_S + 90,
            len(entries),
            head.size,
            rfc9162.inclusion(head.size, entries),
            rfc9162.root(entries),
        )
        salvage = {"statement": lost.entry, "receipt": receipt}

        def entry(by: SigningKey, region: str, subject: str, kind: str, body: Any) -> str:
            act = Act(kind, 1, None, (), body)
            return sign_statement(by, region, subject, TIME_S + 300, act).entry.hex()

        issuer = key("510000/2", "issuer")
        return {
            "frozen": entry(
                key("520000", "issuer"), "520000", "510000", "log.frozen", frozen.to_body()
            ),
            "continues": entry(issuer, "510000", heir, "log.continues", begun),
            "salvage": entry(issuer, "510000", lost.subject, "log.salvage", salvage),
            "origin": SICHUAN,
            "size": head.size,
            "root": head.root.hex(),
            "lost": lost.leaf.hex(),
        }

    def vectors(self) -> dict[str, dict[str, Any]]:
        """The vectors, by file name."""
        turned = self.turned()
        head = self.sichuan.checkpoint()
        case = self.case
        chain = self.chain()
        return {
            "names": {
                "parties": ["510000", OFFICER],
                "objects": [CASE, GRANT],
                "origins": [SICHUAN, f"{SICHUAN}/2"],
                "no_parties": [
                    "51000",
                    "510000/",
                    "510000/officer",
                    "510000/officer/",
                    "５１００００",
                ],
                "no_objects": [
                    "510000",
                    "510000/case/a b",
                    "510000/Case/1",
                    f"510000/case/{'1' * 65}",
                ],
                "no_origins": ["510000", f"{SICHUAN}/", f"{SICHUAN}/1", "https://a.example/510000"],
            },
            "statement": {
                "entry": case.entry.hex(),
                "leaf": case.leaf.hex(),
                "public": key(OFFICER).public.hex(),
                "kid": case.kid.hex(),
                "issuer": case.issuer,
                "subject": case.subject,
                "time_s": case.time_s,
                "kind": case.act.kind,
                "signed": case.signed.hex(),
            },
            "genesis": {"entry": self.sichuan.statements[0].entry.hex()},
            "view": {
                "entry": self.view.entry.hex(),
                "origin": TIBET,
                "size": 2,
                "root": self.tibet.checkpoint().root.hex(),
                "fresh_at_s": TIME_S + 100,
            },
            "block": {"entry": self.block.entry.hex(), "height": 1, "size": 1},
            "map": {
                "acts": [[name, index, leaf.hex()] for name, index, leaf in self.map_acts],
                "root": self.map_root.hex(),
                "held": self.map_proofs[0].encode().hex(),
                "absent": {
                    "510000/case/2026-000030": self.map_proofs[1].encode().hex(),
                    "540000/grant/1": self.map_proofs[2].encode().hex(),
                },
                "object": CASE,
            },
            "receipt": {
                "receipt": self.receipt.hex(),
                "transparent": transparent_statement(case.entry, [self.receipt]).hex(),
                "entry": case.entry.hex(),
                "public": key("510000", "receipt").public.hex(),
                "origin": SICHUAN,
                "size": 4,
                "index": 3,
                "root": head.root.hex(),
                "consistency": self.consistency.hex(),
                "old_size": 3,
                "old_root": self.sichuan.checkpoint(3).root.hex(),
            },
            "roster": {
                "signed": self.signed.encode().hex(),
                "sha256": self.roster.sha256.hex(),
                "policy": tlog_policy(self.roster, SICHUAN, "witness"),
            },
            "roster-chain": {
                "signed": [signed(made).encode().hex() for made in chain],
                "sha256": [made.sha256.hex() for made in chain],
                "origins": [list(made.origins) for made in chain],
                "closed": {origin: item.successor for origin, item in chain[-1].closed.items()},
            },
            "evidence": {
                "entry": self.recorded.entry.hex(),
                "file": encode_file([self.signed.encode()], self.evidence).hex(),
                "genesis": self.roster.sha256.hex(),
                "subject": self.conviction.subject,
                "shown": self.conviction.shown,
                "sizes": list(self.conviction.sizes),
            },
            "epoch": {
                "entry": turned.epoch.entry.hex(),
                "record": turned.record.entry.hex(),
                "view": turned.view.entry.hex(),
                "start": 4,
                "proven_at": 5,
                "seen_by_s": turned.floor_s,
                "bundle": turned.bundle().encode().hex(),
                "genesis": self.roster.sha256.hex(),
            },
            "key-proof": self.proven_key(),
            "roster-change": self.change(),
            "roster-acts": self.steps(),
            "loss": self.loss(),
            "vault": vault_vector(),
            "closed": {
                "bundle": self.crossed().encode().hex(),
                "genesis": self.roster.sha256.hex(),
                "origin": SICHUAN,
                "size": head.size,
                "root": head.root.hex(),
            },
            "bundle": {
                "bundle": self.bundle.encode().hex(),
                "genesis": self.roster.sha256.hex(),
                "subject": CASE,
            },
        }


class Turned:
    """A log that comes to version 2, in which Guangxi is a mirror more: four lines are a quorum."""

    def __init__(self, example: Example) -> None:
        self.old, self.new = example.chain()[:2]
        self.rosters = (example.signed.encode(), signed(self.new).encode())
        self.log = log = Log("510000")
        log.statements = list(example.sichuan.statements)
        self.epoch = log.act(EPOCH_KIND, SICHUAN, epoch_body(self.rosters[1]))
        self.before = log.lines(("500000", "520000", "530000"), "mirror", times=(TIME_S + 150,) * 3)
        times = (TIME_S + 160, *(line.time_s for line in self.before))
        self.after = log.lines((GUANGXI, "500000", "520000", "530000"), "mirror", times=times)
        self.floor_s = TIME_S + 160
        self.record = self.note_lines(it.line for it in self.after)
        viewing = Log("540000")
        viewing.statements = list(example.tibet.statements)
        body = view_body(log.note(5), self.new, self.after, (self.old, self.before))
        self.view = viewing.act("log.view", SICHUAN, body)
        self.case = log.act("case.accept", CASE, {}, officer=OFFICER)

    def note_lines(self, lines: Iterable[bytes], *, version: int = 2, size: int = 5) -> Statement:
        """Record the next block, with lines on the note of a size."""
        at = len(self.log.statements)
        head, previous = self.log.checkpoint(size), self.log.checkpoint(at)
        block = Block(
            height=2,
            size=at,
            root=previous.root,
            note=sha256(previous.encode()).digest(),
            roster=version,
            rules=1,
            map_root=bytes(32),
            lines=(BlockLines(size, head.root, tuple(lines)),),
        )
        return self.log.act("log.block", SICHUAN, block_body(block))

    def bundle(self, indexes: Iterable[int] = (0, 1, 3, 4, 5, 6), version: int = 2) -> Bundle:
        """Some of its entries in a bundle, counted by a version."""
        part = proven(self.log, (self.old, self.new)[version - 1], indexes)
        return Bundle(CASE, self.rosters, {SICHUAN: part})


def main() -> None:
    """Write every vector beside this file."""
    for name, vector in Example().vectors().items():
        sourced = {"source": "this project; see README.md"} | vector
        text = json.dumps(sourced, ensure_ascii=False, indent=2)
        (Path(__file__).parent / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
