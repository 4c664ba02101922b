"""The scene of papers: a case ends with a sealed PDF and OFD, which anybody can check."""

import asyncio
import shutil
import time
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ledger.errors import LedgerError
from nodes.cli.demo import trouble
from nodes.cli.demo.changes import run_here
from nodes.cli.demo.flow import Plan
from nodes.cli.demo.office import HAS_DOCUMENTS, Office
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.world import World
from nodes.cli.show import table

FORMATS: Final = ("pdf", "ofd")


async def papers(world: World, terminal: Terminal, plan: Plan) -> None:
    """The owning department seals the result twice, as PDF and as OFD; both are then checked."""
    terminal.scene("papers")
    if not HAS_DOCUMENTS:
        terminal.say("papers.missing")
        return
    office = plan.owner
    folder = world.folder / "papers"
    folder.mkdir(exist_ok=True)
    trust = folder / "trust.pem"
    trust.write_bytes(await (await office.client()).seal_trust())
    files = [folder / f"result.{form}" for form in FORMATS]
    early = ""
    for form, file in zip(FORMATS, files, strict=True):
        began = time.monotonic()
        data, refused = await _sealed(office, plan, form)
        early = early or refused
        file.write_bytes(data)
        took_ms = (time.monotonic() - began) * 1000
        terminal.say("papers.made", file=file, size=len(data) / 1024, took=took_ms)
    terminal.expect("papers.approval", early == "approval-missing", code=early)
    checked = await asyncio.gather(*(_check(office, trust, file) for file in files))
    shown = table(*terminal.text("papers.columns").split("|"))
    for file, (status, said) in zip(files, checked, strict=True):
        steps = sum(len(it["steps"]) for it in said.get("reports", ()))
        use = said.get("record") or {}
        shown.add_row(
            file.name, str(steps), "✓" if status == 0 else "✗", f"#{use.get('index', '–')}"
        )
    terminal.show(shown)
    terminal.expect("papers.valid", all(status == 0 for status, _ in checked))
    terminal.expect("papers.recorded", all(said.get("record") for _, said in checked))
    changed = [_altered(file) for file in files]
    after = await asyncio.gather(*(_check(office, trust, file) for file in changed))
    terminal.expect("papers.changed", all(status in {1, 2} for status, _ in after))
    await _foreign(terminal, files[0], changed[0])
    await _link(office, terminal, files[1], checked[1][1].get("record") or {})
    counted = await (await office.client()).seal_count(office.home.seal)
    lines = (await office.case(plan.name))["lines"]
    uses = {line["subject"] for line in lines if line["kind"] == "seal.use"}
    recorded = {(said.get("record") or {}).get("subject") for _, said in checked}
    terminal.expect(
        "papers.counted",
        counted["signatures"] == len(recorded & uses) == len(FORMATS)
        and counted["unrecorded"] is None,
        count=counted["signatures"],
    )


async def _sealed(office: Office, plan: Plan, form: str) -> tuple[bytes, str]:
    """Draw, try to seal too early, have it approved, seal; return the file and the refusal."""
    home = office.home
    keeper = await office.client(home.keeper)
    drawn = await keeper.draw_paper(
        {
            "case": plan.name,
            "kind": "result",
            "format": form,
            "seal": home.seal,
            "officer": home.keeper,
            "applicant": "格桑*",
            "result": plan.result,
            "reasons": "申请材料齐全，符合法定条件。",
        }
    )
    draft = bytes.fromhex(drawn["draft"])
    refused = ""
    try:
        await keeper.seal_paper(draft)
    except LedgerError as error:
        refused = error.code
    await office.act("seal.approve", drawn["subject"], drawn["approve"], officer=home.approver)
    sealed = await keeper.seal_paper(draft)
    data: bytes = sealed["file"]
    office.acts += 1
    return data, refused


async def _check(office: Office, trust: Path, file: Path) -> tuple[int, dict[str, Any]]:
    arguments = ("seal", "verify", file, "--trust", trust, "--node", office.folder, "--json")
    status, said = await run_here(*arguments)
    return status, trouble.said_json(said) if status in {0, 1} else {}


async def _foreign(terminal: Terminal, file: Path, changed: Path) -> None:
    """Let poppler's pdfsig look at the PDF and at the changed one, where it is installed."""
    if shutil.which("pdfsig") is None:
        terminal.say("papers.no-pdfsig")
        return
    found, after = await _pdfsig(file), await _pdfsig(changed)
    terminal.expect("papers.pdfsig", "Signature is Valid" in found, said=found)
    terminal.expect("papers.pdfsig-changed", "Signature is Valid" not in after, said=after)


async def _pdfsig(file: Path) -> str:
    run = await asyncio.create_subprocess_exec(
        "pdfsig",
        str(file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said = (await run.communicate())[0].decode("utf-8", "replace")
    return next((it.strip(" -") for it in said.splitlines() if "Signature Validation" in it), "–")


async def _link(office: Office, terminal: Terminal, file: Path, use: dict[str, Any]) -> None:
    """Follow the code on a paper, as a citizen's phone does: without a token."""
    short = str(use.get("subject", "")).rpartition("/p")[2]
    told = await (await office.client()).paper_record(short, _digest(file))
    terminal.expect(
        "papers.link", told["verdict"] == "recorded" and told["is_document"], link=f"/p/{short}"
    )


def _digest(file: Path) -> bytes:
    return sha256(file.read_bytes()).digest()


def _altered(file: Path) -> Path:
    """Write a copy of a file with one byte changed, in the middle."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    made = file.with_name(f"changed-{file.name}")
    made.write_bytes(data)
    return made
