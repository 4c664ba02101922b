"""A small network to be mistreated: nodes that start and stop one by one, and plain HTTP."""

import asyncio
import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from loadtests.stage import Desk, Stage, make_desk
from nodes.adapters.clock import SystemClock
from nodes.adapters.network import Founded
from nodes.adapters.tls import peer_client
from nodes.api.serve import Running, running
from nodes.config import load_config
from tests.nodes.live import found
from tests.nodes.loops import loop_in_thread

__all__ = ["Answer", "Desk", "Shifted", "Station", "open_desk", "station"]

HERE, THERE = "510000", "500000"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "")

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value

    @property
    def said(self) -> tuple[int, str]:
        """Status and code of problem details."""
        return self.status, self.json()["code"]


class Shifted:
    """The real time and a little more; tests let it pass."""

    def __init__(self) -> None:
        self.by_ms = 0

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self.by_ms

    def now_s(self) -> int:
        return self.now_ms() // 1000


@dataclass
class Station:
    """Nodes of one network in a thread of their own, started and stopped as the test says."""

    founded: Founded
    loop: asyncio.AbstractEventLoop
    clock: Shifted
    environment: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Running] = field(default_factory=dict)
    _stacks: dict[str, contextlib.AsyncExitStack] = field(default_factory=dict)

    def run(self, story: Any, timeout_s: float = 20) -> Any:
        """Run a coroutine in the nodes' loop."""
        return asyncio.run_coroutine_threadsafe(story, self.loop).result(timeout_s)

    def start(self, *regions: str) -> None:
        async def begin(region: str) -> None:
            stack = contextlib.AsyncExitStack()
            config = load_config(self.founded.configs[region], self.environment)
            world = running(config, self.environment, self.clock)
            self.nodes[region] = await stack.enter_async_context(world)
            self._stacks[region] = stack

        for region in regions:
            self.run(begin(region))

    def stop(self, *regions: str) -> None:
        for region in regions or tuple(self.nodes):
            task = self.nodes.pop(region).driver._ended
            # A driver that has stopped by itself says why; no test here may end like that.
            failed = task.exception() if task is not None and task.done() else None
            self.run(self._stacks.pop(region).aclose())
            if failed is not None:
                raise failed

    def home(self, region: str) -> Path:
        return self.founded.configs[region].parent

    def database(self, region: str) -> Path:
        return self.home(region) / "data" / "node.db"

    def origin(self, region: str) -> str:
        return self.founded.roster.members[region].origin

    def size(self, region: str = HERE) -> int:
        return self.nodes[region].service.node.snapshot.size

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str = "",
        region: str = HERE,
        timeout_s: float = 30,
        **headers: str,
    ) -> Answer:
        base = urlsplit(self.founded.roster.members[region].url)
        connection = http.client.HTTPConnection(base.hostname or "", base.port, timeout=timeout_s)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["Authorization"] = f"Bearer {token}"
        return send(connection, method, path, body, given)

    def ask_as_peer(
        self, method: str, path: str, body: bytes | None = None, *, region: str = HERE
    ) -> Answer:
        """Call the peer listener with the certificate of another member."""
        (other, *_) = [it for it in self.founded.configs if it != region]
        base = urlsplit(self.founded.roster.members[region].peer)
        connection = http.client.HTTPSConnection(
            base.hostname or "", base.port, timeout=30, context=self.transport(other, region)
        )
        return send(connection, method, path, body, {})

    def transport(self, caller: str, called: str) -> ssl.SSLContext:
        home = self.home(caller) / "tls"
        pem = (self.home(called) / "tls" / "node.pem").read_text()
        return peer_client(home / "node.pem", home / "node.key", pem)

    def status(self, region: str = HERE) -> dict[str, Any]:
        return self.ask("GET", "/v1/status", region=region).json()

    # What ``loadtests.stage.make_desk`` asks of a stage.

    def call(
        self,
        region: str,
        method: str,
        path: str,
        value: object = None,
        token: str | None = None,
    ) -> Any:
        body = None if value is None else json.dumps(value).encode()
        answer = self.ask(
            method, path, body, token=token or self.founded.tokens[region], region=region
        )
        assert answer.status < 300, answer
        return answer.json()

    def act(
        self,
        region: str,
        kind: str,
        subject: str,
        body: dict[str, Any],
        *,
        officer: str | None = None,
        token: str | None = None,
        wait: str = "accepted",
    ) -> Any:
        value = {"kind": kind, "subject": subject, "body": body}
        if officer is not None:
            value["officer"] = officer
        return self.call(region, "POST", f"/v1/acts?wait={wait}&timeout_ms=15000", value, token)


def open_desk(stage: "Station | Stage", region: str = HERE, name: str = "one") -> Desk:
    """A window whose officer holds their own key, with a live grant over one item of its region."""
    return make_desk(stage, region, name)  # type: ignore[arg-type]


def send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
) -> Answer:
    """Send one request and close the connection."""
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read())
    finally:
        connection.close()


@contextlib.contextmanager
def station(
    folder: Path, regions: int = 2, environment: dict[str, str] | None = None
) -> Iterator[Station]:
    """Found a network of the first few regions; nothing runs yet."""
    founded = found(folder, regions)
    with loop_in_thread() as loop:
        made = Station(founded, loop, Shifted(), environment or {})
        try:
            yield made
        finally:
            made.stop()
