"""The second story: the roster changes, a region is lost for good, two regions lie."""

import asyncio
from collections.abc import Sequence
from itertools import permutations
from typing import Final

from nodes.cli.demo import joining, lies
from nodes.cli.demo.cast import YUNNAN
from nodes.cli.demo.ending import end, tell_model
from nodes.cli.demo.office import Office
from nodes.cli.demo.ruin import ruin
from nodes.cli.demo.scenes import (
    enrol_region,
    enrolments,
    lend,
    may_take_in,
    publish_items,
    settled,
)
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.traffic import Traffic
from nodes.cli.demo.world import World

FIRST_CASES: Final = 4
CASES_S: Final = 60.0
WATCH_S: Final = 0.15


async def tell(world: World, terminal: Terminal) -> None:
    """Tell it, while cases flow."""
    for office in world.all():
        office.watch_s = WATCH_S  # cases wait for steps, and no figure is taken here
    world.office(YUNNAN.code).outbox = world.folder / "outbox"
    traffic = Traffic(world.all())
    try:
        await begin(world, terminal, traffic)
        await joining.join(world, terminal, traffic)
        await joining.rotate(world, terminal, traffic)
        await ruin(world, terminal, traffic)
        world.liars = 2
        note = await lies.fork(world, terminal, traffic)
        await lies.swear(world, terminal, note)
        await traffic.stop()
    finally:
        await traffic.cancel()
    terminal.expect("flow.end", not traffic.failed, count=traffic.closed)
    for words in traffic.failed[:5]:
        terminal.quote(words, "red")
    world.verdicts["traffic"] = {"closed": traffic.closed, "failed": len(traffic.failed)}
    world.verdicts["standing"] = [office.code for office in world.all()]
    await end(world, terminal)
    tell_model(world, terminal)


async def begin(world: World, terminal: Terminal, traffic: Traffic) -> None:
    """Five regions work with each other, and go on doing so from here."""
    terminal.scene("flow")
    count = sum(enrolments(it.home) for it in world.all())
    with terminal.progress("enrol.progress", count) as steps:
        await asyncio.gather(*(enrol_region(it, steps.done, seals=False) for it in world.all()))
    await asyncio.gather(*map(publish_items, world.all()))
    pairs = list(permutations(world.all(), 2))
    await lend_all(pairs)
    answers = await asyncio.gather(*(may_take_in(owner, window) for owner, window in pairs))
    await settled(world)
    terminal.expect("flow.live", all(answers), parties=count, grants=len(pairs))
    traffic.start()
    closed = await traffic.more(FIRST_CASES, CASES_S)
    terminal.expect("flow.first", closed >= FIRST_CASES, count=closed)


async def lend_all(pairs: Sequence[tuple[Office, Office]]) -> None:
    """Let the first of each pair lend the other's window its rights."""
    await asyncio.gather(*(lend(owner, window) for owner, window in pairs))
