"""The roster changes twice while cases flow: a region joins, and another replaces its keys."""

import asyncio
import time
from typing import Final

from ledger.cosignature import line_key_id
from ledger.names import mirror_name
from ledger.tlog_proof import TlogProof
from nodes.adapters.network import (
    CERTIFICATES_FILE,
    CONFIG_FILE,
    GOVERNANCE_FOLDER,
    TOKEN_FILE,
)
from nodes.cli.demo.cast import GUANGXI, SICHUAN, TIBET
from nodes.cli.demo.changes import change, run_here, share_certificate, shouxin
from nodes.cli.demo.office import Office
from nodes.cli.demo.scenes import enrol_region, enrolments, lend, publish_items
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.traffic import Traffic
from nodes.cli.demo.trouble import one_act, said_json
from nodes.cli.demo.world import World

FETCHED_S: Final = 60.0
CASES_S: Final = 40.0
ACTS_MAX: Final = 12


async def join(world: World, terminal: Terminal, traffic: Traffic) -> None:
    """A sixth region joins: proposed, approved, in force, and it fetches all it must mirror."""
    terminal.scene("join")
    steward, acts = world.office(SICHUAN.code), _acts(world)
    before = len(world.lags.accepted)
    folder = world.folder / GUANGXI.code
    apart = world.folder / f"{GOVERNANCE_FOLDER}-{GUANGXI.code}"
    public_port, peer_port = world.spare_ports
    said = await shouxin(
        "roster", "join", folder, "--region", GUANGXI.code, "--name", GUANGXI.name,
        "--name-en", GUANGXI.name_en, "--public-port", public_port, "--peer-port", peer_port,
        "--certificates", steward.folder / CERTIFICATES_FILE, "--keys", apart,
        "--node", steward.folder,
    )  # fmt: skip
    changes = world.folder / "join.json"
    changes.write_text(said, "utf-8")
    share_certificate(world, folder)
    with traffic.dense():
        took_s = await change(world, changes)
    meanwhile, slowest_ms = _acts(world) - acts, _slowest_ms(world, before)
    terminal.expect(
        "join.in-force",
        meanwhile > 0 and all(it.status["roster"]["version"] == 2 for it in world.all()),
        took=took_s,
        quorum=world.roster.quorum(steward.origin),
        acts=meanwhile,
        slowest=slowest_ms,
    )
    guangxi = Office(
        home=GUANGXI,
        config=folder / CONFIG_FILE,
        operator=(folder / TOKEN_FILE).read_text("ascii").strip(),
        roster=world.roster,
        lags=world.lags,
        watch_s=steward.watch_s,
    )
    await shouxin("roster", "history", "-o", folder / "rosters.cbor", "--node", steward.folder)
    sizes = {it.origin: it.status["size"] for it in world.all()}
    world.offices[GUANGXI.code] = guangxi
    began = time.monotonic()
    await guangxi.start()
    with terminal.progress("join.progress", sum(sizes.values())) as steps:
        fetched = 0
        while fetched < sum(sizes.values()) and time.monotonic() < began + FETCHED_S:
            await guangxi.next_news()
            logs = guangxi.status.get("logs", {})
            now = sum(
                min(size, logs.get(origin, {}).get("judged_size", 0))
                for origin, size in sizes.items()
            )
            steps.done(now - fetched)
            fetched = now
    terminal.expect(
        "join.fetched",
        fetched == sum(sizes.values()) and guangxi.status["state"] == "serving",
        count=fetched,
        took=time.monotonic() - began,
    )
    others = [it for it in world.all() if it is not guangxi]
    with terminal.progress("enrol.progress", enrolments(GUANGXI)) as steps:
        await enrol_region(guangxi, steps.done, seals=False)
    await publish_items(guangxi)
    await asyncio.gather(
        *(lend(guangxi, it) for it in others), *(lend(it, guangxi) for it in others)
    )
    traffic.back(guangxi)
    count = await traffic.more(2, CASES_S, GUANGXI.code)
    terminal.expect("join.cases", count >= 2, count=count)
    terminal.expect("join.counts", await _is_counted(steward, GUANGXI.code))
    await _old_proof(world, terminal, guangxi, "join.proof", traffic)
    world.verdicts["join"] = {
        "region": GUANGXI.code, "in_force_s": round(took_s, 2), "entries": fetched,
        "acts_meanwhile": meanwhile, "slowest_ms": round(slowest_ms),
    }  # fmt: skip


def _acts(world: World) -> int:
    """Return how many acts the people of all regions have recorded."""
    return sum(office.acts for office in world.all())


def _slowest_ms(world: World, before: int) -> float:
    """Return the longest that an act took to be accepted, of those after the first so many."""
    return max(world.lags.accepted[before:], default=0.0)


async def _is_counted(office: Office, code: str) -> bool:
    """Whether a region's lines stand among those that make an act of another one replicated."""
    for number in range(ACTS_MAX):
        signed = await one_act(office, f"counted-{code}-{number}")
        if code in signed["mirror"]:
            return True
    return False


async def _old_proof(
    world: World, terminal: Terminal, office: Office, name: str, traffic: Traffic
) -> None:
    """Export a case that was closed under the first version, and check it from the genesis."""
    plan = traffic.first
    assert plan is not None
    client = await office.client()
    bundle = world.folder / "old-case.bundle"
    bundle.write_bytes(await client.bundle(plan.name))
    genesis = ("--roster", str(world.genesis), "--json")
    status, said = await run_here("verify", bundle, *genesis)
    verdict = said_json(said)
    held = status == 0 and verdict.get("stage") == "closed"
    terminal.expect(name, held, case=plan.name)
    if not held:
        terminal.quote(said[-400:], "red")
    world.verdicts["old_proof"] = {"status": status, "stage": verdict.get("stage")}


async def rotate(world: World, terminal: Terminal, traffic: Traffic) -> None:
    """A region's witness and mirror keys are replaced; its log keeps its name."""
    terminal.scene("rotate")
    tibet, acts = world.office(TIBET.code), _acts(world)
    before = len(world.lags.accepted)
    said = await shouxin("roster", "keys", "witness", "mirror", "--node", tibet.folder)
    changes = world.folder / "rotate.json"
    changes.write_text(said, "utf-8")
    old = world.roster.member(TIBET.code).keys.mirror
    with traffic.dense():
        took_s = await change(world, changes)
    meanwhile, slowest_ms = _acts(world) - acts, _slowest_ms(world, before)
    new = world.roster.member(TIBET.code).keys.mirror
    terminal.expect(
        "rotate.in-force",
        meanwhile > 0 and new != old,
        took=took_s,
        version=world.roster.version,
        acts=meanwhile,
        slowest=slowest_ms,
    )
    signs = await _signs_with(world.office(SICHUAN.code), mirror_name(tibet.origin), new)
    terminal.expect("rotate.signs", signs)
    await _old_proof(world, terminal, tibet, "rotate.proof", traffic)
    world.verdicts["rotate"] = {
        "region": TIBET.code, "in_force_s": round(took_s, 2), "acts_meanwhile": meanwhile,
        "slowest_ms": round(slowest_ms),
    }  # fmt: skip


async def _signs_with(office: Office, name: str, public: bytes) -> bool:
    """Whether lines of a key come to stand below an act of another region."""
    wanted = line_key_id(name, public)
    for number in range(ACTS_MAX):
        made = await office.act(
            "basis.publish", f"{office.code}/basis/rotated-{number}",
            {"title": "示例", "document": "示例", "valid_from": 1, "valid_until": 4_000_000_000},
            officer=office.home.grantor, wait="replicated",
        )  # fmt: skip
        proof = TlogProof.decode(await (await office.client()).proof(made.index))
        if any(line.key_id == wanted for line in proof.note.signatures):
            return True
    return False
