"""``shouxin node``: one region's node, in this process.

It imports nothing that only people at a terminal need: every node's start pays for it.
"""

import argparse
import asyncio
import logging
import os
import sys
from contextlib import suppress

from nodes.adapters.clock import SystemClock
from nodes.adapters.memory import settle_memory
from nodes.api.serve import running
from nodes.cli.processes import cancel_on_signals
from nodes.config import Config, load_config


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
        service = node.service
        settle_memory()
        url = service.roster.member(service.region).url
        print(f"listening {url} region {service.region} {service.node.snapshot.state}", flush=True)
        await node.wait_failed()


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
