"""How a story ends: every database is checked again, and all nodes are compared."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from nodes.cli.demo.changes import run_here
from nodes.cli.demo.office import Office
from nodes.cli.demo.scenes import settled
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.trouble import said_json
from nodes.cli.demo.world import World
from nodes.cli.show import table

LIE: Final = "equivocation"
LOOKS_MAX: Final = 3


def load_model() -> dict[str, Any]:
    """Return what the model of the rules found when it was last explored; the suite holds it so."""
    text = resources.files(__package__).joinpath("model.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def tell_model(world: World, terminal: Terminal) -> None:
    """Tell the model's report, which is a figure of the rules and not of these nodes."""
    found = load_model()
    world.verdicts["model"] = found
    held = not found["broken"] and found["killed"] == found["mutants"]
    terminal.expect("end.model", held, **found)


async def end(world: World, terminal: Terminal) -> None:
    """Compare what each node holds of each log, and show what rules were broken."""
    nodes = len(world.all())
    terminal.scene("end", nodes=nodes)
    await settled(world)
    sound = await _look(world)
    looks = 1
    # A quiet log may just have closed its last block, and one node was looked at before it.
    while not _is_same(world) and looks < LOOKS_MAX:
        await settled(world)
        sound = await _look(world)
        looks += 1
    shown = table(terminal.text("end.log"), *(terminal.name(it.home) for it in world.all()))
    for office in world.all():
        views = world.seen[office.code].values()
        cells = [f"{it['size']} {it['root'][:10]}…" if it["root"] else "–" for it in views]
        shown.add_row(terminal.name(office.home), *cells)
    terminal.show(shown)
    terminal.expect("end.same", _is_same(world), nodes=nodes)
    terminal.expect("end.fsck", sound, nodes=nodes)
    found = await asyncio.gather(*map(_findings, world.all()))
    is_same = all(each == found[0] for each in found)
    for origin, index, code in found[0]:
        terminal.quote(f"{origin} #{index} {code}", "dim" if code == LIE else "red")
    if not world.liars:
        terminal.expect("end.findings", not any(found), count=sum(map(len, found)), nodes=nodes)
        return
    codes = [code for _, _, code in found[0]]
    terminal.expect(
        "end.lies", is_same and codes == [LIE] * world.liars, count=len(codes), nodes=nodes
    )


async def _findings(office: Office) -> list[tuple[str, int, str]]:
    """Return what a node has found, by where it stands."""
    found = await (await office.client()).findings()
    return sorted((it["origin"], it["index"], it["code"]) for it in found)


async def _look(world: World) -> bool:
    """Check every database with ``fsck``, keep what it found, and say whether all are sound."""
    checks = [await run_here("fsck", office.folder, "--json") for office in world.all()]
    world.seen = seen_by_all(world, [said_json(said) for _, said in checks])
    return all(status == 0 for status, _ in checks)


def _is_same(world: World) -> bool:
    """Whether all nodes hold all logs with the same sizes and roots."""
    return all(
        len({(view["size"], view["root"]) for view in views.values()}) == 1
        and all(view["root"] for view in views.values())
        for views in world.seen.values()
    )


def seen_by_all(
    world: World, reports: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, for each log, its size and root as each node holds it.

    Args:
        world: Everything that runs.
        reports: What ``fsck`` found at each node, in the cast's order: its roots are grown anew
            from the entries that the node stores.
    """
    held = {
        reader.code: {log["origin"]: log for log in report.get("logs", [])}
        for reader, report in zip(world.all(), reports, strict=True)
    }
    return {
        writer.code: {
            reader.code: {
                name: held[reader.code].get(writer.origin, {}).get(name)
                for name in ("size", "root")
            }
            for reader in world.all()
        }
        for writer in world.all()
    }
