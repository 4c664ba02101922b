"""``shouxin demo``: the story from first to last, and what it comes to."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from ledger.errors import LedgerError, MalformedError
from nodes.cli.demo import membership, paper, presets, scenes, trouble, vaults
from nodes.cli.demo.cast import SICHUAN, TIBET
from nodes.cli.demo.ending import end
from nodes.cli.demo.flow import Plan
from nodes.cli.demo.loading import load_text
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.world import World, found, start
from nodes.cli.processes import cancel_on_signals
from nodes.cli.show import print_json, table

CASES_MIN: Final = 20
"""So that every pair of regions has one, Tibet's for Chengdu among them."""


def demo(given: argparse.Namespace) -> int:
    """Tell the story; 0 if every expectation held."""
    terminal = Terminal(given.lang)
    if given.cases < CASES_MIN:
        raise MalformedError(f"--cases is at least {CASES_MIN}", code="bad-field")
    with suppress(asyncio.CancelledError):
        return asyncio.run(_run(given, terminal))
    return 130


async def _run(given: argparse.Namespace, terminal: Terminal) -> int:
    cancel_on_signals()
    if given.folder is not None:
        return await _play(given, terminal, given.folder)
    with tempfile.TemporaryDirectory(prefix="shouxin-") as folder:
        return await _play(given, terminal, Path(folder) / "network")


async def _play(given: argparse.Namespace, terminal: Terminal, folder: Path) -> int:
    began = time.monotonic()
    preset = None if given.preset is None else load_text(given.preset)
    title = terminal.text("title") if preset is None else f"授信 · {preset.title}"
    terminal.out.print(Text(title, style="bold"))
    if preset is None:
        terminal.out.print(Text(terminal.text(f"subtitle.{given.story}"), style="dim"))
        world = found(folder, given.base_port)
    else:
        terminal.out.print(Text(terminal.text("subtitle.preset"), style="dim"))
        world = presets.found(folder, given.base_port, preset)
    world.setup_s = time.monotonic() - began
    try:
        await start(world)
        if preset is None:
            _introduce(world, terminal)
        else:
            presets.introduce(world, terminal, preset)
        terminal.started = time.monotonic()
        broken = ""
        try:
            if preset is None:
                await STORIES[given.story](world, terminal, given.cases)
            else:
                await presets.tell(world, terminal, preset)
        except (LedgerError, TimeoutError) as error:
            code = error.code if isinstance(error, LedgerError) else "late"
            broken = f"{code}: {str(error)[-400:]}"
            terminal.out.print(Text(terminal.text("broken", why=broken), style="bold red"))
            _last_words(world, terminal)
        took_s = time.monotonic() - terminal.started
        facts = await _facts(world, terminal, took_s, broken)
        _sum_up(world, terminal, took_s, broken)
        if not given.once:
            await _stay(world, terminal, given)
        if given.json:
            terminal.out.print()
            print_json(facts)
        return 0 if facts["held"] else 1
    finally:
        await world.close()


def _introduce(world: World, terminal: Terminal) -> None:
    quorum = world.roster.quorum(world.all()[0].origin)
    terminal.out.print()
    terminal.say("setup", took=world.setup_s, quorum=quorum)
    shown = table(*terminal.text("setup.columns").split("|"))
    for office in world.all():
        process = office.process
        shown.add_row(
            office.code,
            terminal.name(office.home),
            office.url,
            "" if process is None else str(process.process.pid),
            str(office.folder),
        )
    terminal.show(shown)


async def _windows(world: World, terminal: Terminal, count: int) -> None:
    """Tell what windows do, and what stands against cuts, alterations and deleted databases."""
    await scenes.enrol(world, terminal)
    await scenes.publish(world, terminal)
    await scenes.grant(world, terminal)
    plans = await scenes.cases(world, terminal, count)
    await paper.papers(world, terminal, _between(plans))
    await scenes.quiet(world, terminal)
    await vaults.vault(world, terminal)
    await scenes.refuse(world, terminal)
    await scenes.revoke(world, terminal)
    await trouble.cut(world, terminal)
    await trouble.audit(world, terminal, _between(plans))
    await trouble.alter(world, terminal)
    await trouble.lose(world, terminal)
    await end(world, terminal)


async def _membership(world: World, terminal: Terminal, _: int) -> None:
    await membership.tell(world, terminal)


STORIES: Final = {"windows": _windows, "membership": _membership}


def _between(plans: list[Plan]) -> Plan:
    """Return the case that Chengdu took in for Tibet."""
    wanted = (SICHUAN.code, TIBET.code)
    return next(it for it in plans if (it.window.code, it.owner.code) == wanted)


async def _facts(world: World, terminal: Terminal, took_s: float, broken: str) -> dict[str, Any]:
    return {
        "held": terminal.all_held and not broken,
        "broken": broken,
        "expectations": [asdict(it) for it in terminal.expectations],
        "duration_s": round(took_s, 2),
        "setup_s": round(world.setup_s, 2),
        "genesis": world.roster.sha256,
        "regions": {
            office.code: {
                "name": office.home.name,
                "url": office.url,
                "state": office.status.get("state"),
                "resting": office.status.get("resting"),
                **world.seen.get(office.code, {}).get(office.code, {}),
                "acts": office.acts,
                "seen_by": world.seen.get(office.code, {}),
            }
            for office in world.all()
        },
        "lags_ms": {"under_load": world.lags.fields(), "one_at_a_time": world.quiet.fields()},
        "refusals": world.refusals,
        "verdicts": world.verdicts,
    }


def _sum_up(world: World, terminal: Terminal, took_s: float, broken: str) -> None:
    terminal.out.print()
    terminal.say("end.duration", took=took_s, setup=world.setup_s)
    count = len(terminal.expectations)
    failed = [it for it in terminal.expectations if not it.held]
    if not failed and not broken:
        terminal.out.print(Text("  " + terminal.text("end.held", count=count), style="bold green"))
        return
    words = terminal.text("end.failed", failed=len(failed), count=count)
    if failed:
        terminal.out.print(Text("  " + words, style="bold red"))
    for it in failed:
        terminal.out.print(Text(f"    {it.name}: {it.detail}", style="red"))


def _last_words(world: World, terminal: Terminal) -> None:
    """Show what a node said that has ended though nobody told it to."""
    for office in world.all():
        if office.process is not None and not office.process.is_running:
            terminal.quote(f"{office.code}: {office.process.last_words()[-1500:]}", "red")


async def _stay(world: World, terminal: Terminal, given: argparse.Namespace) -> None:
    """Say where everything is, and wait to be interrupted."""
    out = terminal.out
    out.print()
    for office in world.all():
        out.print(Text(f"  {office.home.name} {office.home.name_en:<10} {office.url}"))
    out.print(Text("  " + terminal.text("stay.folder", folder=world.folder)))
    out.print(Text("  " + terminal.text("stay.try"), style="dim"))
    first = world.offices.get(SICHUAN.code) or world.all()[0]
    node, case = first.folder, f"{first.code}/case/2026-000001"
    language = " --lang zh" if given.lang == "zh" else ""
    # ``make demo`` runs the command from an environment that the terminal need not have entered.
    shouxin = "shouxin" if shutil.which("shouxin") else sys.argv[0]
    for words in (
        f"{shouxin} status --node {node}",
        f"{shouxin} trace {case} --node {node}{language}",
        f"{shouxin} bundle {case} --node {node} -o case.bundle",
        f"{shouxin} verify case.bundle --roster {world.genesis}{language}",
    ):
        out.print(Text("    " + words), soft_wrap=True)
    out.print(Text("  " + terminal.text("stay"), style="bold"))
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
