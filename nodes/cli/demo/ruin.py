"""A region is destroyed, its fence and keys with it, and comes back in its successor log."""

import asyncio
import shutil
import time
from typing import Any, Final

from ledger.errors import UnavailableError
from ledger.names import successor_origin
from nodes.adapters.network import CERTIFICATES_FILE, CONFIG_FILE, HEIR_FILE, TOKEN_FILE
from nodes.cli.demo.cast import SICHUAN, TIBET, YUNNAN
from nodes.cli.demo.changes import change, share_certificate, shouxin
from nodes.cli.demo.flow import Plan, carry_on, case_name, receive
from nodes.cli.demo.office import Office
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.traffic import Traffic
from nodes.cli.demo.world import World

CUT_S: Final = 25.0
LOOK_S: Final = 0.2
HEIR_S: Final = 45.0
LOST_CASES: Final = 2


async def ruin(world: World, terminal: Terminal, traffic: Traffic) -> None:
    """Everything of a region is gone but what the others hold and what its callers kept."""
    terminal.scene("ruin")
    yunnan, steward = world.office(YUNNAN.code), world.office(SICHUAN.code)
    old = yunnan.origin
    await traffic.without(yunnan.code)
    await yunnan.until(lambda status: status["replicated_size"] == status["size"])
    caller = await yunnan.client(YUNNAN.receiver)
    await caller.settle()
    await world.cut()
    replicated = (await caller.status())["replicated_size"]
    owners = (world.office(TIBET.code), steward)
    plans = [Plan(case_name(YUNNAN, 900_031 + at), yunnan, it) for at, it in enumerate(owners)]
    for plan in plans:
        await receive(plan)
    kept = len(caller.outstanding)
    await yunnan.kill()
    shutil.rmtree(yunnan.folder)
    world.gone.add(yunnan.code)
    terminal.say("ruin.lost", size=replicated, count=len(plans), acts=kept)
    cut, holder = await _cut(world, old)
    terminal.expect(
        "ruin.cut",
        cut["size"] >= replicated and not cut["forked"],
        size=cut["size"],
        replicated=replicated,
        regions=len(cut["reports"]),
    )
    folder, draft = world.folder / f"{YUNNAN.code}-2", world.folder / "closing.roster"
    at = ("--node", steward.folder)
    await shouxin(
        "loss", "prepare", folder, "--region", YUNNAN.code,
        "--certificates", steward.folder / CERTIFICATES_FILE, *at,
    )  # fmt: skip
    await shouxin(
        "loss", "close", old, "--heir", folder / HEIR_FILE, "-o", draft, "--node", holder.folder
    )
    for office in world.all():
        await shouxin("loss", "check", draft, "--node", office.folder)
    share_certificate(world, folder)
    took_s = await change(world, draft)
    versions = world.folder / "versions.cbor"
    await shouxin("roster", "history", "-o", versions, *at)
    await shouxin("loss", "revive", folder, "--roster", versions)
    heir = Office(
        home=YUNNAN,
        config=folder / CONFIG_FILE,
        operator=(folder / TOKEN_FILE).read_text("ascii").strip(),
        roster=world.roster,
        lags=world.lags,
        outbox=yunnan.outbox,
        watch_s=yunnan.watch_s,
    )
    await yunnan.close()
    world.offices[YUNNAN.code] = heir
    world.gone.discard(YUNNAN.code)
    began = time.monotonic()
    await heir.start()
    serves = await heir.until(
        lambda status: status["state"] == "serving" and status["replicated_size"] > 0,
        wait_s=HEIR_S,
    )
    terminal.expect(
        "ruin.heir",
        serves and heir.origin == successor_origin(old) == heir.status["origin"],
        origin=heir.origin,
        version=world.roster.version,
        took=time.monotonic() - began,
        agreed=took_s,
    )
    await _salvage(world, terminal, heir, plans, kept)
    traffic.back(heir)
    world.verdicts["ruin"] = {
        "region": YUNNAN.code, "closed": old, "cut": cut["size"], "replicated": replicated,
        "successor": heir.origin, "salvaged": kept, "in_force_s": round(took_s, 2),
    }  # fmt: skip


async def _cut(world: World, origin: str) -> tuple[dict[str, Any], Office]:
    """Freeze the log at every other region; return where it is cut, and who holds all the bytes.

    Raises:
        UnavailableError: ``too-few-frozen``: not decided in time.
    """
    for office in world.all():
        await shouxin("loss", "freeze", origin, "--node", office.folder)
    clients = [(office, await office.client()) for office in world.all()]
    deadline_s = time.monotonic() + CUT_S
    found: dict[str, Any] = {}
    while time.monotonic() < deadline_s:
        for office, client in clients:
            found = await client.cut(origin)
            if found["decided"] and len(found["reports"]) == len(clients):
                return found, office
        await asyncio.sleep(LOOK_S)
    raise UnavailableError(f"no cut of {origin} is decided: {found}", code="too-few-frozen")


async def _salvage(
    world: World, terminal: Terminal, heir: Office, plans: list[Plan], kept: int
) -> None:
    """The caller brings back what it kept; the cases it was about go on to their end."""
    home = heir.home
    for officer, _, _, role in home.officers():
        await heir.give_token(officer, role)
    caller = await heir.client(home.receiver)
    brought = len(caller.outstanding)
    deadline_s = time.monotonic() + HEIR_S
    while await caller.settle() and time.monotonic() < deadline_s:
        # The new node has not heard of every log yet; what it refuses for that is tried again, and
        # with it what only stands on that, which it refuses for reasons of its own.
        codes = {error.code for error in caller.refused.values()}
        if codes and "stale-view" not in codes:
            break
        await heir.next_news()
    for error in list(caller.refused.values())[:3]:
        terminal.quote(f"{error.code}: {error}", "red")
    found = [await heir.case(plan.name) for plan in plans]
    terminal.expect(
        "ruin.salvaged",
        brought == kept and not caller.outstanding and all(len(it["lines"]) >= 2 for it in found),
        count=kept,
    )
    # The old key store is gone with the region's officers' keys in it.
    operator = await heir.client()
    for officer, _, _, _ in home.officers():
        key = await operator.make_officer_key(officer)
        await heir.act(
            "party.rekey", officer, {"key": key, "holder": "region", "reason": "密钥随机房损毁"}
        )
    again = [Plan(plan.name, heir, plan.owner) for plan in plans]
    await asyncio.gather(*map(carry_on, again))
    told = [await plan.owner.case(plan.name) for plan in again]
    deadline_s = time.monotonic() + CUT_S
    while any(it["stage"] != "closed" for it in told) and time.monotonic() < deadline_s:
        await asyncio.sleep(LOOK_S)  # its last act is in Yunnan's log, and on its way
        told = [await plan.owner.case(plan.name) for plan in again]
    terminal.expect(
        "ruin.closed",
        all(it["stage"] == "closed" and not it["findings"] for it in told),
        count=len(told),
    )
    named = case_name(home, 900_041, heir.life)
    fresh = Plan(named, heir, world.office(TIBET.code))
    await receive(fresh)
    terminal.expect("ruin.number", "/2-" in named, case=named)
