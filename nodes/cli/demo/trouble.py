"""The other scenes: a link is cut, an auditor checks, a database is altered, another is lost."""

import asyncio
import json
import shutil
import sqlite3
import sys
import time
from typing import Any, Final

from ledger.cosignature import LINE_BYTES
from ledger.errors import LedgerError, NotFoundError
from ledger.hashing import hash_leaf
from ledger.note import Signature
from ledger.tiles import TILE_WIDTH
from ledger.tlog_proof import TlogProof
from ledger.tree import Frontier
from nodes.cli.audit import ServedLog, compare
from nodes.cli.demo.cast import CHONGQING, GUIZHOU, TIBET, YUNNAN
from nodes.cli.demo.changes import run_here
from nodes.cli.demo.flow import Plan, carry_on, case_name, receive
from nodes.cli.demo.office import Office
from nodes.cli.demo.scenes import settled
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.world import World, now_s
from nodes.cli.telling import tell_fields
from nodes.client import Client

CUT_S: Final = 3.0
SHORT_WAIT_MS: Final = 1_200
REBUILD_S: Final = 75.0
"""The others send their newest notes again at least each R, so by then everything has come back."""

_SIGNING: Final = 4  # of five, the one whose log it is does not count


async def cut(world: World, terminal: Terminal) -> None:
    """One region's link is cut: it goes on alone, marks what it does, and settles after."""
    terminal.scene("cut")
    yunnan, tibet = world.office(YUNNAN.code), world.office(TIBET.code)
    await settled(world)
    await world.cut()
    cut_at = time.monotonic()
    terminal.say("cut.cut")
    owners = [office for office in world.all() if office is not yunnan]
    plans = [
        Plan(case_name(YUNNAN, 900_021 + at), yunnan, owner) for at, owner in enumerate(owners)
    ]
    for plan in plans:
        await receive(plan)
    safe = await yunnan.act(
        "case.note", plans[0].name, {"remark": "断网期间照常受理"},
        officer=YUNNAN.receiver, wait="replicated", timeout_ms=SHORT_WAIT_MS,
    )  # fmt: skip
    told = [await yunnan.case(plan.name) for plan in plans]
    lines = [line for each in told for line in each["lines"]]
    terminal.expect(
        "cut.accepted",
        safe.finality == "accepted" and {line["finality"] for line in lines} == {"accepted"},
        count=len(plans),
        acts=len(lines),
    )
    opens = [line["confirmation"] for line in lines if line["grant"]]
    terminal.expect("cut.open", bool(opens) and set(opens) == {"open"}, count=len(opens))
    answer = await (await yunnan.client()).check(YUNNAN.window, "deliver", TIBET.item())
    age_s = max(now_s() - it["fresh_at_s"] for it in answer.relied) if answer.relied else 0
    constants = world.roster.constants
    terminal.expect(
        "cut.check",
        answer.allowed == "yes" and 0 <= age_s <= constants.staleness_s - constants.refresh_s,
        age=age_s,
        bound=constants.staleness_s - constants.refresh_s,
    )
    unseen = [office for office in owners if not await _knows(office, plans[0].name)]
    terminal.expect("cut.unseen", len(unseen) == len(owners), count=len(unseen))
    began = time.monotonic()
    other = await tibet.act(
        "basis.publish", f"{TIBET.code}/basis/during-the-cut",
        {"title": "断网期间", "document": "示例", "valid_from": 1, "valid_until": 4_000_000_000},
        officer=TIBET.grantor, wait="replicated",
    )  # fmt: skip
    signed = await lines_over(tibet, other.index)
    quorum = tibet.status["quorum"]
    terminal.expect(
        "cut.others",
        other.finality == "replicated" and YUNNAN.code not in signed["mirror"],
        took=(time.monotonic() - began) * 1000,
        lines=len(signed["mirror"]),
        quorum=quorum,
    )
    await asyncio.sleep(max(0.0, CUT_S - (time.monotonic() - cut_at)))
    lasted_s = time.monotonic() - cut_at
    await world.join()
    began = time.monotonic()
    healed = await yunnan.until(
        lambda status: min(status["witnessed_size"], status["replicated_size"]) > safe.index
    )
    terminal.expect("cut.healed", healed, lasted=lasted_s, took=(time.monotonic() - began) * 1000)
    await asyncio.gather(*(carry_on(plan) for plan in plans))
    await settled(world)
    standing = await _confirmations(world, plans, wait_s=15)
    terminal.expect(
        "cut.settled", standing == {"confirmed"}, count=len(plans), words=_join(standing)
    )
    yunnan.forget_pending()


async def _knows(office: Office, case: str) -> bool:
    try:
        await office.case(case)
    except NotFoundError:
        return False
    return True


async def _confirmations(world: World, plans: list[Plan], *, wait_s: float) -> set[str]:
    """Return how the reliances of the first acts stand, once nothing is open or time is up."""
    deadline_s = time.monotonic() + wait_s
    standing: set[str] = set()
    while time.monotonic() < deadline_s:
        standing = set()
        for office in world.all():
            for plan in plans:
                told = await office.case(plan.name)
                # What was done last waits for the next block, which records who has seen it.
                early = [
                    line["confirmation"]
                    for line in told["lines"]
                    if line["grant"] and line["kind"] in {"case.open", "case.verify"}
                ]
                standing.update(early)
        if "open" not in standing:
            break
        await world.all()[0].next_news()
    return standing


async def audit(world: World, terminal: Terminal, plan: Plan) -> None:
    """An auditor who trusts no node traces a case, exports its bundle, and checks it alone."""
    terminal.scene("audit", case=plan.name)
    guizhou = world.office(GUIZHOU.code)
    client = await guizhou.client(GUIZHOU.auditor)
    told = await client.case(plan.name)
    names = {
        code: (office.home.name if terminal.language == "zh" else office.home.name_en)
        for code, office in world.offices.items()
    }
    tell_fields(terminal.out, told, terminal.language, names, indent=2)
    denied = None
    try:
        await client.act("case.note", plan.name, {"remark": "x"}, officer=GUIZHOU.auditor)
    except LedgerError as error:
        denied = error.code
    terminal.expect("audit.reads", denied == "wrong-role", code=denied)
    bundle = await client.bundle(plan.name)
    good, bad = world.folder / "case.bundle", world.folder / "changed.bundle"
    good.write_bytes(bundle)
    bad.write_bytes(changed(bundle))
    genesis = ("--roster", str(world.genesis))
    status, said = await run_command("verify", str(good), *genesis, "--json")
    verdict = said_json(said)
    world.verdicts["bundle"] = {
        "status": status, "bytes": len(bundle), "verified": verdict.get("verified"),
        "holder": verdict.get("holder"), "stage": verdict.get("stage"),
        "as_of": {origin: log["size"] for origin, log in verdict.get("as_of", {}).items()},
    }  # fmt: skip
    same = [line["kind"] for line in verdict.get("lines", [])] == [
        line["kind"] for line in told["lines"]
    ]
    terminal.expect(
        "audit.verified",
        status == 0 and verdict.get("verified") is True and same,
        size=len(bundle) / 1024,
        entries=sum(log["entries"] for log in verdict.get("as_of", {}).values()),
        logs=len(verdict.get("as_of", {})),
    )
    status, said = await run_command("verify", str(bad), *genesis, "--json")
    verdict = said_json(said)
    world.verdicts["changed_byte"] = {"status": status, "step": verdict.get("step")}
    terminal.expect(
        "audit.changed", status == 1 and verdict.get("verified") is False, step=verdict.get("step")
    )
    terminal.quote(str(verdict.get("detail", "")))


def changed(bundle: bytes) -> bytes:
    """Return the bundle with one bit of its decision flipped: granted reads otherwise."""
    at = bundle.index(b"granted", bundle.index(b"case.decide"))
    return bundle[:at] + bytes((bundle[at] ^ 1,)) + bundle[at + 1 :]


async def alter(world: World, terminal: Terminal) -> None:
    """Somebody turns a decision into its opposite in a node's database."""
    terminal.scene("alter")
    guizhou, tibet = world.office(GUIZHOU.code), world.office(TIBET.code)
    await settled(world)
    await guizhou.stop()
    index = alter_decision(guizhou)
    terminal.say("alter.altered", index=index)
    await guizhou.start()
    await guizhou.until(lambda _: True)
    state, detail = guizhou.status["state"], guizhou.status.get("detail", "")
    before = guizhou.status["size"]
    error = await guizhou.refused("seal.suspend", GUIZHOU.seal, {"reason": "测试"})
    code = "" if error is None else error.code
    terminal.expect(
        "alter.halted", state != "serving" and bool(code), state=state, code=code, why=detail
    )
    signed = await one_act(tibet, "while-altered")
    unsigned = GUIZHOU.code not in {*signed["witness"], *signed["mirror"]}
    enough = all(len(role) == tibet.status["quorum"] for role in signed.values())
    terminal.expect(
        "alter.signs-nothing",
        unsigned and enough and guizhou.status["size"] == before,
        lines=len(signed["witness"]),
    )
    status, said = await run_here("fsck", guizhou.folder, "--json")
    compared, said_beside = await run_here("fsck", guizhou.folder, "--against", tibet.url, "--json")
    alone = _log_of(said_json(said), guizhou.origin)
    terminal.expect(
        "alter.fsck", status == 1 and alone.get("first") == index, index=alone.get("first")
    )
    beside = _log_of(said_json(said_beside), guizhou.origin)
    terminal.expect(
        "alter.mirror",
        compared == 1 and beside.get("differs_at") == index,
        index=beside.get("differs_at"),
        mirror=tibet.home.name if terminal.language == "zh" else tibet.home.name_en,
    )
    terminal.quote(str(alone.get("trouble", "")))
    world.verdicts["altered"] = {
        "region": GUIZHOU.code, "entry": index, "state": state, "code": code,
        "fsck": alone.get("first"), "mirror": beside.get("differs_at"),
    }  # fmt: skip
    await guizhou.stop()
    status, said = await run_here("repair", guizhou.folder, "--json")
    repaired = said_json(said).get("repaired", [])
    terminal.expect(
        "alter.repaired",
        status == 0 and [it["entries"] for it in repaired] == [[index]],
        source=repaired[0]["sources"][0] if repaired else "-",
    )
    await guizhou.start()
    serving = await guizhou.until(lambda status: status["state"] == "serving")
    acted = await guizhou.act("seal.suspend", GUIZHOU.seal, {"reason": "盘点"}, wait="replicated")
    terminal.expect("alter.serves", serving and acted.finality == "replicated", index=acted.index)


def alter_decision(office: Office) -> int:
    """Turn a decision in a stopped node's own log into its opposite; return its index."""
    with sqlite3.connect(office.folder / "data" / "node.db") as database:
        (log_id,) = database.execute(
            "SELECT log_id FROM logs WHERE origin = ?", (office.origin,)
        ).fetchone()
        rows = database.execute(
            "SELECT key, entry FROM entries WHERE key >= ? AND key < ? ORDER BY key",
            (log_id << 40, (log_id + 1) << 40),
        )
        key, entry = next(
            (key, entry) for key, entry in rows if b"case.decide" in entry and b"granted" in entry
        )
        lie = entry.replace(b"granted", b"refused")
        database.execute("UPDATE entries SET entry = ? WHERE key = ?", (lie, key))
    database.close()
    return int(key) & ((1 << 40) - 1)


async def lose(world: World, terminal: Terminal) -> None:
    """One node is killed and its database deleted; it comes back from what the others hold."""
    terminal.scene("lose")
    chongqing, tibet = world.office(CHONGQING.code), world.office(TIBET.code)
    await settled(world)
    before = dict(chongqing.status)
    await chongqing.kill()
    shutil.rmtree(chongqing.folder / "data")
    terminal.say("lose.lost", size=before["size"])
    began = time.monotonic()
    await chongqing.start()
    await chongqing.until(lambda _: True)
    first_state = chongqing.status["state"]
    # The others do not wait for it.
    others = [office for office in world.all() if office is not chongqing]
    signed = await asyncio.gather(*(one_act(office, "meanwhile") for office in others))
    rebuilt = await chongqing.until(lambda status: status["state"] == "serving", wait_s=REBUILD_S)
    took_s = time.monotonic() - began
    after = dict(chongqing.status)
    same = rebuilt and await _has_root(tibet, chongqing, before)
    terminal.expect(
        "lose.rebuilt",
        same and first_state != "serving",
        size=before["size"],
        took=took_s,
        state=first_state,
    )
    acted = await chongqing.act(
        "seal.suspend", CHONGQING.seal, {"reason": "恢复后盘点"}, wait="replicated"
    )
    terminal.expect("lose.writes", acted.finality == "replicated", index=acted.index)
    signed += await asyncio.gather(*(one_act(office, "afterwards") for office in others))
    named = [code for lines in signed for role in lines.values() for code in role]
    terminal.expect("lose.resting", after.get("resting") is True and CHONGQING.code not in named)
    quorum = tibet.status["quorum"]
    exact = all(len(role) == quorum for lines in signed for role in lines.values())
    terminal.expect("lose.quorum", exact, acts=len(signed), quorum=quorum, of=_SIGNING)
    world.verdicts["lost"] = {
        "region": CHONGQING.code, "size": before["size"], "rebuilt_s": round(took_s, 2),
        "first_state": first_state, "resting": after.get("resting"),
    }  # fmt: skip


async def one_act(office: Office, name: str) -> dict[str, list[str]]:
    """Record an act, wait until it is replicated, and return who signed for it."""
    made = await office.act(
        "basis.publish", f"{office.code}/basis/{office.life}{name}",
        {"title": "示例", "document": "示例", "valid_from": 1, "valid_until": 4_000_000_000},
        officer=office.home.grantor, wait="replicated",
    )  # fmt: skip
    return await lines_over(office, made.index)


async def _has_root(mirror: Office, office: Office, before: dict[str, Any]) -> bool:
    """Whether the log, at its old size, still has the root that it had."""
    async with Client(office.url) as client, Client(mirror.url) as other:
        mine = ServedLog(client, office.origin, is_own=True)
        theirs = ServedLog(other, office.origin, is_own=False)
        if (await compare(mine, theirs)).index is not None:
            return False
        tree, size = Frontier.empty(), int(before["size"])
        for start in range(0, size, TILE_WIDTH):
            end = min(size, start + TILE_WIDTH)
            tree = tree.extend([hash_leaf(entry) for entry in await mine.entries(start, end)])
    return tree.size == size and tree.root().hex() == before["root"]


# ---- reading what nodes say ----------------------------------------------------------------------


async def lines_over(office: Office, index: int) -> dict[str, list[str]]:
    """Return which regions' witness and mirror lines the proof of an entry carries."""
    client = await office.client()
    proof = TlogProof.decode(await client.proof(index))
    found: dict[str, list[str]] = {"witness": [], "mirror": []}
    for line in proof.note.signatures:
        role = line.name.rsplit("/", 1)[-1]
        if role in found and _is_line(line):
            found[role].append(line.name.rsplit("/", 2)[-2])
    return found


def _is_line(signature: Signature) -> bool:
    return len(signature.key_id + signature.blob) == LINE_BYTES


def _log_of(report: dict[str, Any], origin: str) -> dict[str, Any]:
    return next((it for it in report.get("logs", []) if it["origin"] == origin), {})


def _join(words: set[str]) -> str:
    return ", ".join(sorted(words))


async def run_command(*arguments: str) -> tuple[int, str]:
    """Run ``shouxin`` as anyone would, in a process of its own; return its status and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nodes.cli", *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode("utf-8", "replace")


def said_json(said: str) -> dict[str, Any]:
    """Return the JSON object in what a command said; an empty one where there is none."""
    for line in reversed(said.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}
