"""One story in the small network, and what came of it: joining, closing, loss and lies."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from ledger.bundle_file import Bundle
from ledger.continuing import continues_body, frozen_lines
from ledger.epochs import epoch_body
from ledger.equivocation import EVIDENCE_KIND, accuse, check_evidence, evidence_body, said_by_log
from ledger.frozen import Frozen, Held
from ledger.hashing import EMPTY_ROOT
from ledger.key_proof import proof_message, prove_key
from ledger.keys import SigningKey
from ledger.map_tree import prove, rebuild
from ledger.object_map import is_object
from ledger.receipt import make_consistency_receipt, make_inclusion_receipt
from ledger.roster import Roster
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
from ledger.roster_fields import Closing, Pin
from ledger.statement import Act, Citation, Statement, sign_statement
from ledger.views import EPOCH_KIND, Block, BlockLines, block_body, view_body
from tests import rfc9162
from tests.vectors.own.network import (
    CASE,
    GRANT,
    GUANGXI,
    NETWORK,
    OFFICER,
    SICHUAN,
    TIBET,
    TIME_S,
    Log,
    closed_log,
    following,
    key,
    line,
    member,
    new_keys,
    proven,
    roster,
    signed,
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
