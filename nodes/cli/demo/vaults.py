"""The scene of the vault: a paper comes along with its case, is destroyed, and the proof stays."""

import asyncio
import time
from typing import Any, Final

from authz.case_bundle import judge_bundle
from ledger.bundle import check_bundle
from ledger.commitment import check_opening
from ledger.errors import LedgerError
from nodes.cli.arguments.vaults import ERASURE
from nodes.cli.demo.cast import GUIZHOU, SICHUAN, TIBET
from nodes.cli.demo.flow import Plan, case_name, hand_over, opening
from nodes.cli.demo.office import WAIT_S, WATCH_S, Office
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.world import World
from nodes.core.kinds import KINDS

PAPER: Final = "户口簿第一页（样本）".encode() * 100
NAME: Final = "户口簿.txt"


async def vault(world: World, terminal: Terminal) -> None:
    """Chengdu keeps a paper for Tibet, who reads it; both destroy it, and the case still proves."""
    terminal.scene("vault")
    window, owner, stranger = map(world.office, (SICHUAN.code, TIBET.code, GUIZHOU.code))
    plan = Plan(case_name(SICHUAN, 900_051), window, owner)
    here, there = window.home, owner.home
    await window.act("case.open", plan.name, opening(plan), officer=here.receiver)
    began = time.monotonic()
    clerk = await window.client(here.receiver)
    kept = await clerk.put_in_vault(plan.name, NAME, PAPER, officer=here.receiver)
    took_ms = (time.monotonic() - began) * 1000
    terminal.say("vault.kept", paper=kept["paper"], commitment=kept["commitment"], took=took_ms)
    await hand_over(
        plan.name, window, owner, by=here.receiver, to=there.department, taken_by=there.decider
    )
    began = time.monotonic()
    read = await _read(owner, there.decider, kept["paper"])
    took_ms = (time.monotonic() - began) * 1000
    salt, commitment = (bytes.fromhex(kept[name]) for name in ("salt", "commitment"))
    check_opening(commitment, salt, read["content"])
    terminal.expect("vault.read", read["content"] == PAPER, took=took_ms)
    code = await _refused(stranger, stranger.home.decider, kept["paper"])
    terminal.expect("vault.refused", code == "never-held", code=code)
    before = await _bundle(world, window, plan.name, "vault.put")
    operator = await window.client()
    done = await operator.shred(plan.name, basis=ERASURE, reason="申请人要求删除")
    terminal.say("vault.shredded", tombstone=done["tombstone"])
    await owner.sees(window.origin, done["index"])
    code = await _refused(owner, there.decider, kept["paper"])
    terminal.expect("vault.told", code == "unanswered-tombstone", code=code)
    answer = {"basis": ERASURE, "reason": "随原受理地一并删除", "tombstone": done["tombstone"]}
    await (await owner.client()).shred(plan.name, **answer)
    codes = {
        await _refused(office, officer, kept["paper"])
        for office, officer in ((window, here.receiver), (owner, there.decider))
    }
    terminal.expect("vault.gone", codes == {"shredded"}, code=", ".join(sorted(codes)))
    after = await _bundle(world, window, plan.name, "vault.shred")
    proven = [judge_bundle(check_bundle(it, world.roster.sha256), KINDS) for it in (before, after)]
    terminal.expect("vault.proven", not any(it.findings for it in proven))


async def _read(office: Office, officer: str, paper: str) -> dict[str, Any]:
    """Read a paper as soon as the officer's node sees that the case is there."""
    client = await office.client(officer)
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                return await client.read_from_vault(paper)
            except LedgerError as error:
                if error.code not in {"never-held", "not-holder", "behind", "no-answer"}:
                    raise
            await asyncio.sleep(WATCH_S)


async def _refused(office: Office, officer: str, paper: str) -> str:
    """Return with what code a paper is not given."""
    client = await office.client(officer)
    try:
        await client.read_from_vault(paper)
    except LedgerError as error:
        return error.code
    return ""


async def _bundle(world: World, office: Office, case: str, kind: str) -> bytes:
    """Export the evidence of a case, once it covers an act of a kind."""
    client = await office.client()
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                data = await client.bundle(case)
            except LedgerError as error:
                if error.code not in {"not-replicated", "unknown-object", "not-found"}:
                    raise
            else:
                lines = judge_bundle(check_bundle(data, world.roster.sha256), KINDS).lines
                if any(line.kind == kind for line in lines):
                    return data
            await asyncio.sleep(WATCH_S)
