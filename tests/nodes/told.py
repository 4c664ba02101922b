"""A whole case in the network of five, and what its nodes must agree on."""

import hashlib
from typing import Any

from authz.case_bundle import judge_bundle
from ledger.bundle import check_bundle
from ledger.checkpoint import Checkpoint
from ledger.errors import UnavailableError
from ledger.note import Note
from nodes.cli.demo.cast import HOMES, Home
from nodes.client import Acted, Word
from nodes.core.exchange import origin_hash
from nodes.core.kinds import KINDS
from tests.nodes.five import (
    FAR,
    PROJECTED,
    SICHUAN,
    TIBET,
    Five,
    Lent,
)
from tests.nodes.waiting import until

NEARBY = tuple(home for home in HOMES if home is not FAR)


class Told:
    """A whole case between the counter in Chengdu and the department in Lhasa."""

    name = "510000/case/2026-000001"

    def __init__(self, five: Five) -> None:
        self.lent: Lent = five.lend(TIBET, SICHUAN, "whole")
        self.before = self.lent.may()
        clerk, ground = SICHUAN.receiver, self.lent.ground
        self.opened = self.lent.open(self.name)
        missing = {"missing": ["photo"], **ground}
        five.act(clerk, "case.notice", self.name, missing)
        brought = {"received": ["photo"], **ground}
        five.act(clerk, "case.supplement", self.name, brought)
        seen = {"documents": ["id-card"], "result": "match", "method": "original", **ground}
        five.act(clerk, "case.verify", self.name, seen)
        self.lent.hand_over(self.name)
        document = hashlib.sha256(b"decision").digest()
        decision = {"result": "granted", "basis": "国办发〔2020〕35号", "document": document}
        self.decided = five.act(TIBET.decider, "case.decide", self.name, decision)
        self.lent.hand_over(self.name, back=True)
        self.lent.finish(self.name)
        five.settle()


def note_at(five: Five, home: Home, path: str = "/log/checkpoint") -> Note:
    return Note.decode(five.ask(home, lambda client: client.fetch(path)))


def remark(five: Five, home: Home, wait: Word = "accepted", timeout_ms: int = 15_000) -> Acted:
    """An act of a region that concerns nobody else."""
    at = five.status(home)["size"]
    basis = f"{home.code}/basis/{at}"
    now_s = five.clock.now_s()
    term = {"valid_from": now_s, "valid_until": now_s + 86_400}
    body = {"title": "方案", "document": f"第{at}号", **term}
    return five.act(home.code, "basis.publish", basis, body, wait=wait, timeout_ms=timeout_ms)


def replicated(five: Five, home: Home, case: str) -> dict[str, Any]:
    """A case as a node tells it, or nothing while it has not heard that all of it is replicated."""
    story = five.case(home, case)
    return story if {line["finality"] for line in story["lines"]} == {"replicated"} else {}


def complete_bundle(five: Five, home: Home, case: str) -> bytes:
    """The bundle, or nothing while the notes at hand do not prove the end of the case."""
    try:
        data = five.ask(home, lambda client: client.bundle(case))
    except UnavailableError:
        return b""
    closed = judge_bundle(check_bundle(data, five.founded.roster.sha256), KINDS).stage == "closed"
    return data if closed else b""


def check_agreement(five: Five) -> None:
    """All nodes hold the same logs, and have made the same of them."""
    five.settle()
    for home in HOMES:
        origin = five.origin(home)
        heads = []
        for at in HOMES:
            path = "/log/checkpoint" if at is home else f"/mirror/{origin_hash(origin)}/checkpoint"
            head = Checkpoint.decode(note_at(five, at, path).text)
            heads.append((head.origin, head.size, head.root.hex()))
        status = five.status(home)
        assert set(heads) == {(origin, status["size"], status["root"])}
    for table in PROJECTED:
        here = five.rows(SICHUAN, table)
        for home in HOMES[1:]:
            there = five.rows(home, table)
            assert [row for row in there if row not in here] == [], (table, home.code)
            assert len(there) == len(here), (table, home.code)


def settle_uses(five: Five) -> None:
    """Wait until no use is open: each log goes on, which records its evidence, and then views."""

    def settled() -> bool:
        five.settle()
        if all(row[-1] != "open" for home in HOMES for row in five.rows(home, "uses")):
            return True
        for home in HOMES:
            remark(five, home)
        return False

    until(settled)
