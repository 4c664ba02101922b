"""Real nodes on loopback in a thread of their own, for tests that talk to them."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nodes.adapters.clock import SystemClock
from nodes.adapters.network import Founded, Founding, found_network, southwest_five
from nodes.api.serve import Running, running
from nodes.cli.demo.free_ports import free_ports
from nodes.client import Client
from nodes.config import load_config
from nodes.ports import Clock
from tests.nodes.loops import loop_in_thread

T = TypeVar("T")
NOW_S = SystemClock().now_ms() // 1000


@dataclass
class Live:
    """Nodes that serve, by region."""

    founded: Founded
    nodes: dict[str, Running]
    loop: asyncio.AbstractEventLoop

    def run(self, story: Coroutine[Any, Any, T], timeout_s: float = 20) -> T:
        """Run a coroutine in the nodes' loop."""
        return asyncio.run_coroutine_threadsafe(story, self.loop).result(timeout_s)

    def client(self, at: str, token: str | None = None, /, **options: Any) -> Client:
        given = self.founded.tokens[at] if token is None else token
        return Client(self.founded.roster.members[at].url, given, **options)

    def size(self, region: str) -> int:
        return self.nodes[region].service.node.snapshot.size


def found(folder: Path, regions: int, *, post_quantum: bool = False, sm2: bool = False) -> Founded:
    founding = southwest_five()
    ports = free_ports(2 * regions)
    places = tuple(
        dataclasses.replace(place, public_port=ports[2 * at], peer_port=ports[2 * at + 1])
        for at, place in enumerate(founding.places[:regions])
    )
    founding = dataclasses.replace(founding, places=places, post_quantum=post_quantum, sm2=sm2)
    return found_network(folder, founding, NOW_S)


@contextlib.contextmanager
def live(
    folder: Path,
    regions: int = 1,
    clock: Clock | None = None,
    environment: dict[str, str] | None = None,
    *,
    post_quantum: bool = False,
    sm2: bool = False,
    founding: Founding | None = None,
) -> Iterator[Live]:
    """Found a network of the first few regions, or another, and have all its nodes serve."""
    if founding is None:
        founded = found(folder, regions, post_quantum=post_quantum, sm2=sm2)
    else:
        founded = found_network(folder, founding, NOW_S)
    nodes: dict[str, Running] = {}
    stack = contextlib.AsyncExitStack()

    async def begin() -> None:
        for region, path in founded.configs.items():
            config = load_config(path, environment or {})
            world = running(config, environment or {}, clock or SystemClock())
            nodes[region] = await stack.enter_async_context(world)

    with loop_in_thread() as loop:
        try:
            asyncio.run_coroutine_threadsafe(begin(), loop).result(20)
            yield Live(founded, nodes, loop)
        finally:
            asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(20)
