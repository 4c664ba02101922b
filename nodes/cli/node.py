"""``shouxin node``: one region's node, in this process.

It imports nothing that only people at a terminal need: every node's start pays for it.
"""

import argparse
import asyncio
import gc
import logging
import os
import sys
from contextlib import suppress
from typing import Final

from nodes.adapters.clock import SystemClock
from nodes.adapters.memory import settle_memory
from nodes.api.serve import running
from nodes.cli.processes import cancel_on_signals
from nodes.config import Config, load_config

YOUNG_OBJECTS_MAX: Final = 10_000
"""So many more objects than have gone make the interpreter look for cycles among them. A step makes
few cycles and some thousand objects: with the 700 of its own accord, a tenth of a node's processor
time went into looking."""


def run(given: argparse.Namespace) -> int:
    """Run one node in this process until it is told to stop (SIGTERM, SIGINT)."""
    config = load_config(given.config, os.environ)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    with suppress(asyncio.CancelledError):
        asyncio.run(_serve(config, leash=given.leash))
    return 0


async def _serve(config: Config, *, leash: bool) -> None:
    cancel_on_signals()
    if leash:
        _cancel_when_input_ends()
    async with running(config, os.environ, SystemClock()) as node:
        _collect_rarely()
        service = node.service
        settle_memory()
        url = service.roster.member(service.region).url
        print(f"listening {url} region {service.region} {service.node.snapshot.state}", flush=True)
        await node.wait_failed()


def _collect_rarely() -> None:
    """Look for cycles of garbage rarely, and never among what is there for good."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 20, 20)


def _cancel_when_input_ends() -> None:
    """Stop when whoever started us has ended: then our standard input ends too."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            task.cancel()

    loop.add_reader(descriptor, readable)
