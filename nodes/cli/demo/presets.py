"""The story of a preset: its network founded, loaded, used, and looked at from every node."""

import asyncio
import time
from itertools import permutations
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from authz.case_bundle import judge_bundle
from authz.preset import Preset
from ledger.bundle import check_bundle
from ledger.errors import LedgerError
from ledger.names import region_of
from nodes.adapters.network import ROSTER_FILE, Founding, Place, found_network
from nodes.cli.demo.ending import end
from nodes.cli.demo.flow import Plan, case_name, whole_life
from nodes.cli.demo.free_ports import free_ports
from nodes.cli.demo.lags import Lags
from nodes.cli.demo.loading import count_steps, home_of, load, milestone_name
from nodes.cli.demo.office import Office
from nodes.cli.demo.scenes import CONCURRENT_CASES, settled
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.world import World, now_s
from nodes.cli.show import table
from nodes.core.kinds import KINDS

BUNDLE_S_MAX: Final = 60
LISTED_S_MAX: Final = 20
ASK_AGAIN_S: Final = 0.2


def founding_of(preset: Preset, ports: list[int]) -> Founding:
    """Return the founding of a preset's regions on this machine; each has two of the ports."""
    places = tuple(
        Place(
            region=region.code,
            name=region.name,
            name_en=region.name_en,
            public_port=ports[2 * at],
            peer_port=ports[2 * at + 1],
        )
        for at, region in enumerate(preset.regions)
    )
    return Founding(network=preset.network, steward=preset.steward, places=places)


def found(folder: Path, base_port: int, preset: Preset) -> World:
    """Found a preset's network below ``folder``; nothing runs yet."""
    count = 2 * len(preset.regions)
    ports = free_ports(count) if base_port == 0 else list(range(base_port, base_port + count))
    founded = found_network(folder, founding_of(preset, ports), now_s())
    lags = Lags()
    offices = {
        region.code: Office(
            home=home_of(region),
            config=founded.configs[region.code],
            operator=founded.tokens[region.code],
            roster=founded.roster,
            lags=lags,
        )
        for region in preset.regions
    }
    return World(folder, folder / ROSTER_FILE, founded.roster, offices, (), lags)


async def tell(world: World, terminal: Terminal, preset: Preset) -> None:
    """Load the preset, carry one case between every two regions, and compare the nodes."""
    terminal.scene("preset.load", title=preset.title, document=preset.document)
    with terminal.progress("preset.progress", count_steps(preset)) as steps:
        grants = await load(world.offices, preset, steps.done)
    _show_regions(terminal, preset)
    await settled(world)
    await _lent(world, terminal, preset, grants)
    await _milestones(world, terminal, preset)
    await _cases(world, terminal)
    await end(world, terminal)


def _show_regions(terminal: Terminal, preset: Preset) -> None:
    shown = table(*terminal.text("preset.columns").split("|"))
    for region in preset.regions:
        at = 0 if terminal.language == "zh" else 1
        members = "、".join(name for _, name in region.members)
        name = (region.name, region.name_en)[at]
        shown.add_row(region.code, name, region.competent[at], ", ".join(region.items), members)
    terminal.show(shown)


async def _lent(world: World, terminal: Terminal, preset: Preset, grants: list[str]) -> None:
    """Every item is lent to every other window, and each node says the same."""
    items = [office.home.item(number) for office in world.all() for number in office.home.items]
    wanted = set(grants)
    listed = await asyncio.gather(*(_listed(office, items, wanted) for office in world.all()))
    held = all(it == wanted for it in listed)
    terminal.expect("preset.lent", held, count=len(grants), nodes=len(listed))
    dark = 0
    for office in world.all():
        client = await office.client()
        for other in world.all():
            dark += len((await client.ungranted(other.code))["items"])
    terminal.expect("preset.dark", dark == 0, count=len(items))
    for code in preset.agreements:
        name = f"{preset.steward}/agreement/{preset.name}-{code}"
        side = world.office(code)
        state = await side.row(name, side.origin, lambda row: row.get("st") == "signed")
        terminal.expect("preset.agreement", state["live"] is True, agreement=name)


async def _listed(office: Office, items: list[str], wanted: set[str]) -> set[str]:
    """Return the live grants that a node lists, once they are those that are wanted, or in time."""
    client = await office.client()
    end_s = time.monotonic() + LISTED_S_MAX
    while True:
        pages = [await client.windows(item, "intake", rows=500) for item in items]
        found = {row["grant"] for page in pages for row in page["windows"]}
        if found == wanted or time.monotonic() > end_s:
            return found
        await asyncio.sleep(ASK_AGAIN_S)


async def _milestones(world: World, terminal: Terminal, preset: Preset) -> None:
    client = await world.office(preset.steward).client()
    held = True
    for number, milestone in enumerate(preset.milestones, 1):
        name = milestone_name(preset, number)
        [fact] = (await client.object(name))["facts"]
        held = held and fact["state"]["target"] == milestone.target
        terminal.quote(f"{milestone.matter}  {milestone.target}")
    terminal.expect("preset.milestones", held, count=len(preset.milestones))


async def _cases(world: World, terminal: Terminal) -> None:
    """One case between every two regions, whole; then the evidence for each from a third node."""
    pairs = list(permutations(world.all(), 2))
    terminal.scene("preset.cases", count=len(pairs))
    numbers = {office.code: 0 for office in world.all()}
    plans: list[Plan] = []
    for window, owner in pairs:
        numbers[window.code] += 1
        name = case_name(window.home, numbers[window.code])
        plans.append(Plan(name, window, owner, noticed=len(plans) % 3 == 0))
    gate = asyncio.Semaphore(CONCURRENT_CASES)
    done = await asyncio.gather(*(_carried(plan, gate) for plan in plans))
    for words in [it for it in done if it][:5]:
        terminal.quote(words, "red")
    terminal.expect("preset.carried", not any(done), count=len(plans))
    told: list[dict[str, Any]] = []
    for office in world.all():
        told += [await _closed(office, plan) for plan in plans]
    terminal.expect(
        "preset.told",
        all(
            not it["findings"] and _places(it) == _places(told[at % len(plans)])
            for at, it in enumerate(told)
        ),
        count=len(plans),
        nodes=len(world.all()),
    )
    proven = await asyncio.gather(*(_proven(world, plan) for plan in plans))
    terminal.expect("preset.proven", all(proven), count=len(plans))


def _places(told: dict[str, Any]) -> list[tuple[str, int]]:
    return [(line["origin"], line["index"]) for line in told["lines"]]


async def _carried(plan: Plan, gate: asyncio.Semaphore) -> str:
    try:
        async with gate:
            await whole_life(plan)
    except LedgerError as error:
        return f"{plan.name}: {error.code}: {error}"
    return ""


async def _closed(office: Office, plan: Plan) -> dict[str, Any]:
    """Return a case as a node tells it, once its last act has come there."""
    await office.row(plan.name, plan.window.origin, lambda row: row.get("stage") == "closed")
    return await office.case(plan.name)


async def _proven(world: World, plan: Plan) -> bool:
    """Say whether the bundle of a case proves its end with the genesis roster alone."""
    third = next(it for it in world.all() if it.code not in {region_of(plan.name), plan.owner.code})
    client = await third.client()
    async with asyncio.timeout(BUNDLE_S_MAX):
        while True:
            try:
                data = await client.bundle(plan.name)
            except LedgerError as error:
                if error.code not in {"not-replicated", "unknown-object"}:
                    raise
            else:
                judged = judge_bundle(check_bundle(data, world.roster.sha256), KINDS)
                if judged.stage == "closed":
                    return not judged.findings
            await asyncio.sleep(ASK_AGAIN_S)


def introduce(world: World, terminal: Terminal, preset: Preset) -> None:
    """Say which network this is."""
    terminal.out.print()
    terminal.say("preset.setup", nodes=len(world.all()), took=world.setup_s)
    for office in world.all():
        terminal.out.print(Text(f"  {office.code} {terminal.name(office.home)} {office.url}"))
    terminal.say("preset.parties", preset=preset.name)
