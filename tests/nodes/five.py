"""Five regions in one process: real nodes, sockets, certificates and databases, and links to cut.

All nodes run in one loop, in a thread of its own; a test speaks to them through ``nodes.client``,
one call after the other. One region stands behind relays, so that its links can be cut.
"""

import asyncio
import contextlib
import dataclasses
import os
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ledger.errors import NotFoundError
from nodes.adapters.network import Founded, found_network, southwest_five
from nodes.api.serve import Running, running
from nodes.cli.demo.cast import HOMES, MATERIALS, RIGHTS_ALL, Home
from nodes.cli.demo.free_ports import free_ports
from nodes.cli.demo.relay import Relay
from nodes.client import Acted, CheckAnswer, Client, Patience, Word
from nodes.config import load_config
from tests.foreign.test_aics import aics_environment
from tests.nodes.loops import loop_in_thread
from tests.nodes.stage import Shifted
from tests.nodes.waiting import until

T = TypeVar("T")

SICHUAN, CHONGQING, GUIZHOU, YUNNAN, TIBET = HOMES
FAR = SICHUAN
"""Stands behind relays."""
WATCHED = GUIZHOU
"""Has a witness of another make, where the machine has one."""
FOREIGN_NAME = "foreign.example/witness"
DAY_S = 86_400

# What nodes must agree on, as a function of the logs alone; rows are told by origin.
PROJECTED: Mapping[str, str] = {
    "facts": '"index", object, leaf, state',
    "mentions": '"index", object',
    "tied JOIN objects USING (object_id)": '"index", name, time_s',
    "findings": '"index", code, subject, severity, detail, evidence',
    "uses": '"index", fact_origin, fact_object, fact_index, view_size, fresh_at_s, status',
    "evidence": "low, high, seen_by_s, at",
}


@dataclass
class Five:
    """The network, and what the tests have made in it."""

    founded: Founded
    loop: asyncio.AbstractEventLoop
    clock: Shifted
    inward: Relay
    outward: tuple[Relay, ...]
    foreign_key: str
    """Verifier key of the foreign witness; empty where there is none."""
    foreign_lack: str
    """Why there is none."""
    nodes: dict[str, Running] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    _stacks: dict[str, contextlib.AsyncExitStack] = field(default_factory=dict)
    _clients: dict[str, Client] = field(default_factory=dict)

    # ---- nodes ----------------------------------------------------------------------------------

    def run(self, story: Awaitable[T], timeout_s: float = 40) -> T:
        """Run a coroutine in the nodes' loop."""

        async def told() -> T:
            return await story

        return asyncio.run_coroutine_threadsafe(told(), self.loop).result(timeout_s)

    async def start(self, *homes: Home) -> None:
        """Start nodes; all of them without a name."""
        for home in homes or HOMES:
            stack = contextlib.AsyncExitStack()
            config = load_config(self.founded.configs[home.code], {})
            world = running(config, {}, self.clock)
            self.nodes[home.code] = await stack.enter_async_context(world)
            self._stacks[home.code] = stack

    async def stop(self, *homes: Home) -> None:
        """Stop nodes in good order; all of them without a name."""
        for home in homes or HOMES:
            for party in [party for party in self._clients if party[:6] == home.code]:
                await self._clients.pop(party).__aexit__(None, None, None)
            if (stack := self._stacks.pop(home.code, None)) is not None:
                failed = self.nodes.pop(home.code).driver._ended
                await stack.aclose()
                if failed is not None:
                    # A driver that has stopped by itself says why; no test here may end like that.
                    await failed

    def cut(self) -> None:
        """Cut the far region's links, both ways."""
        for relay in (self.inward, *self.outward):
            self.run(relay.cut())

    def heal(self) -> None:
        """Let the far region's links carry again."""
        for relay in (self.inward, *self.outward):
            self.run(relay.join())

    def origin(self, home: Home) -> str:
        """Return the log of a region."""
        return self.founded.roster.origin_of(home.code)

    def rows(self, home: Home, table: str) -> list[tuple[Any, ...]]:
        """Return what a node's database holds in a table of the projection, log by log."""
        path = self.founded.configs[home.code].parent / "data" / "node.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            found = database.execute(
                f"SELECT origin, {PROJECTED[table]} FROM {table} JOIN logs USING (log_id)"  # noqa: S608 - our own words
                " ORDER BY 1, 2, 3"
            )
            return list(found)

    # ---- calls ----------------------------------------------------------------------------------

    async def client(self, party: str) -> Client:
        """Return the client of an officer, or of a region's operator."""
        if party not in self._clients:
            region = party[:6]
            made = Client(
                self.founded.roster.member(region).url,
                self.tokens[party],
                roster=self.founded.roster,
                region=region,
                patience=Patience(attempts_max=3),
            )
            self._clients[party] = await made.__aenter__()
        return self._clients[party]

    def ask(self, home: Home, question: Callable[[Client], Awaitable[T]]) -> T:
        """Put a question to a region's node as its operator."""

        async def asked() -> T:
            return await question(await self.client(home.code))

        return self.run(asked())

    async def do(
        self,
        party: str,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        wait: Word = "accepted",
        timeout_ms: int = 15_000,
    ) -> Acted:
        """Have an officer act, or a region where ``party`` is one."""
        client = await self.client(party)
        officer = party if "/" in party else None
        return await client.act(
            kind, subject, body, officer=officer, wait=wait, timeout_ms=timeout_ms
        )

    def act(
        self,
        party: str,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        wait: Word = "accepted",
        timeout_ms: int = 15_000,
    ) -> Acted:
        """As ``do``, from a test."""
        return self.run(self.do(party, kind, subject, body, wait=wait, timeout_ms=timeout_ms))

    def status(self, home: Home) -> dict[str, Any]:
        """Return what a node says of itself."""
        return self.ask(home, lambda client: client.status())

    def check(self, window: str, right: str, item: str) -> CheckAnswer:
        """Ask the window's own node."""
        [home] = [home for home in HOMES if home.code == window[:6]]
        return self.ask(home, lambda client: client.check(window, right, item))

    def case(self, home: Home, name: str) -> dict[str, Any]:
        """Return a case as a node tells it."""
        return self.ask(home, lambda client: client.case(name))

    # ---- waiting --------------------------------------------------------------------------------

    def sees(self, home: Home, acted: Acted) -> None:
        """Wait until an entry of another log can be relied on at a node."""
        self.run(self.seen(home, acted))

    async def seen(self, home: Home, acted: Acted) -> None:
        client = await self.client(home.code)
        async with asyncio.timeout(20):
            while True:
                if reach(await client.status(), acted.origin) > acted.index:
                    return
                await asyncio.sleep(0.02)

    def settle(self) -> None:
        """Wait until every node has judged all that anyone has written."""
        until(self._is_settled)

    def _is_settled(self) -> bool:
        statuses = [self.status(home) for home in HOMES]
        sizes = {status["origin"]: status["size"] for status in statuses}
        return all(
            status["replicated_size"] == status["size"]
            and all(log["judged_size"] == sizes[it] for it, log in status["logs"].items())
            for status in statuses
        )

    def row(self, home: Home, name: str, at: Home) -> Mapping[str, Any]:
        """Return the newest row of an object in a region's log, as the node ``at`` knows it."""

        async def asked(client: Client) -> Mapping[str, Any]:
            try:
                facts = (await client.object(name))["facts"]
            except NotFoundError:
                return {}
            return next((it["state"] for it in facts if it["origin"] == self.origin(home)), {})

        return self.ask(at, asked)

    # ---- the domain -----------------------------------------------------------------------------

    async def enrol(self, home: Home) -> None:
        """Enrol a region's departments, hall and windows, and then its officers."""
        operator = await self.client(home.code)

        async def officer(name: str, unit: str, roles: tuple[str, ...], role: str) -> None:
            key = await operator.make_officer_key(name)
            fields = {"unit": unit, "key": key, "holder": "region", "roles": list(roles)}
            await self.do(home.code, "party.enrol", name, fields)
            self.tokens[name] = (await operator.issue_token(name, role))["token"]

        for type_ in ("department", "hall", "window"):
            units = [it for it in home.units() if f"/{type_}/" in it[0]]
            await asyncio.gather(*(self.do(home.code, "party.enrol", *unit) for unit in units))
        await asyncio.gather(*(officer(*it) for it in home.officers()))

    def publish(self, owner: Home, name: str) -> str:
        """Have a department publish an item, and return its name."""
        item = f"{owner.code}/item/{name}"
        fields = {
            "version": 1,
            "title": "异地就医备案",
            "code": "002036015000",
            "department": owner.department,
            "materials": sorted(MATERIALS),
            "days": 5,
        }
        self.act(owner.grantor, "item.publish", item, fields)
        return item

    def offer(self, owner: Home, grantee: Home, item: str) -> str:
        """Lend another region's window all four rights over an item, and return the grant."""
        grant = item.replace("/item/", "/grant/")
        now_s = self.clock.now_s()
        fields = {
            "item": item,
            "item_version": 1,
            "window": grantee.window,
            "rights": list(RIGHTS_ALL),
            "valid_from": now_s - 60,
            "valid_until": now_s + 30 * DAY_S,
            "staleness_s": self.founded.roster.constants.staleness_s,
        }
        self.sees(grantee, self.act(owner.grantor, "grant.offer", grant, fields))
        return grant

    def lend(self, owner: Home, grantee: Home, name: str) -> "Lent":
        """Publish an item and lend it to a window, which accepts."""
        item = self.publish(owner, name)
        grant = self.offer(owner, grantee, item)
        body = {"window": grantee.window, "item": item}
        self.act(grantee.manager, "grant.accept", grant, body)
        return Lent(self, owner, grantee, item, grant)


def reach(status: Mapping[str, Any], origin: str) -> int:
    """Return how far a node can rely on another log: the newest note, once it is judged."""
    log = status["logs"][origin]
    size: int = log.get("known", {}).get("size", 0)
    return size if size <= log.get("judged_size", 0) else 0


@dataclass(frozen=True)
class Lent:
    """An item of one region that another region's window may take in."""

    five: Five
    owner: Home
    window: Home
    item: str
    grant: str

    @property
    def ground(self) -> dict[str, str]:
        return {"grant": self.grant, "window": self.window.window}

    def open(self, case: str) -> Acted:
        """Take a case in at the window."""
        fields = {
            "item": self.item,
            "item_version": 1,
            "department": self.owner.department,
            "mode": "counter",
            **self.ground,
        }
        return self.five.act(self.window.receiver, "case.open", case, fields)

    def revoke(self) -> Acted:
        """End the grant."""
        return self.five.act(
            self.owner.grantor, "grant.revoke", self.grant, {"reason": "授权范围调整"}
        )

    def may(self) -> CheckAnswer:
        """Ask whether the window may take a case in."""
        return self.five.check(self.window.window, "intake", self.item)

    def hand_over(self, case: str, *, back: bool = False) -> None:
        """Custody goes to the owner, or back: offer and accept by people, the rest by the nodes."""
        giver, by, unit = self.window, self.window.receiver, self.owner.department
        taker, taken_by = self.owner, self.owner.decider
        if back:
            giver, by, unit = self.owner, self.owner.decider, self.window.window
            taker, taken_by = self.window, self.window.receiver
        five = self.five
        five.sees(taker, five.act(by, "handoff.offer", case, {"unit": unit}))
        five.act(taken_by, "handoff.accept", case, {"holder": giver.code})

        def released() -> bool:
            return five.row(giver, case, at=giver).get("at") == "away"

        until(released)
        size = five.status(giver)["size"]
        origin = five.origin(giver)

        until(lambda: reach(five.status(taker), origin) >= size)

    def finish(self, case: str) -> None:
        """Deliver the result and close the case."""
        served = {"mode": "counter", **self.ground}
        self.five.act(self.window.receiver, "case.deliver", case, served)
        self.five.act(self.window.receiver, "case.close", case, {})


@contextlib.contextmanager
def five_regions(
    folder: Path, prepare: Callable[[Founded], None] = lambda _founded: None
) -> Iterator[Five]:
    """Found the network, have all nodes serve, and enrol everyone.

    ``prepare`` changes what was founded before anything runs.
    """
    ports = free_ports(3 * len(HOMES) + 1)
    public, peer, relayed = (ports[at::3][: len(HOMES)] for at in range(3))
    founding = southwest_five()
    assert [place.region for place in founding.places] == [home.code for home in HOMES]
    far = HOMES.index(FAR)
    places = tuple(
        dataclasses.replace(
            place,
            public_port=public[at],
            peer_port=peer[at],
            peer_url=f"https://127.0.0.1:{relayed[at]}" if at == far else "",
        )
        for at, place in enumerate(founding.places)
    )
    clock = Shifted()
    founded = found_network(
        folder / "network", dataclasses.replace(founding, places=places), clock.now_s()
    )
    prepare(founded)
    relays = [Relay(relayed[at], peer[at]) for at in range(len(HOMES))]
    with founded.configs[FAR.code].open("a") as config:
        config.write("\n[peers]\n")
        for at, home in enumerate(HOMES):
            if home is not FAR:
                config.write(f'"{home.code}" = "https://127.0.0.1:{relayed[at]}"\n')
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(loop_in_thread())
        key, lack = stack.enter_context(_foreign(folder, founded, ports[-1]))
        outward = tuple(relay for at, relay in enumerate(relays) if at != far)
        five = Five(founded, loop, clock, relays[far], outward, key, lack)
        five.tokens.update(founded.tokens)
        stack.callback(five.cut)
        five.heal()
        stack.callback(lambda: five.run(five.stop()))
        five.run(five.start())

        async def enrolled() -> None:
            await asyncio.gather(*(five.enrol(home) for home in HOMES))

        five.run(enrolled())
        yield five


@contextlib.contextmanager
def _foreign(folder: Path, founded: Founded, port: int) -> Iterator[tuple[str, str]]:
    """Run a witness of another make for one of the logs, where the machine can."""
    try:
        python = aics_environment()
    except pytest.skip.Exception as lack:
        yield "", str(lack)
        return
    path = folder / "witness.json"
    environ = {name: it for name, it in os.environ.items() if not name.startswith("PYTHON")}

    def command(name: str, *options: str) -> list[str]:
        return [str(python), "-m", "aics_witness", name, "--config", str(path), *options]

    def told(name: str, *options: str) -> str:
        return subprocess.run(
            command(name, *options), check=True, capture_output=True, text=True, env=environ
        ).stdout.strip()

    key = told("init", "--name", FOREIGN_NAME, "--listen", f"127.0.0.1:{port}")
    roster = founded.roster
    origin = roster.origin_of(WATCHED.code)
    told("add-log", "--origin", origin, "--vkey", roster.log_key(origin).encode())
    with founded.configs[WATCHED.code].open("a") as config:
        config.write(
            f'\n[[witness]]\nname = "foreign"\nvkey = "{key}"\nurl = "http://127.0.0.1:{port}"\n'
        )
    with (folder / "witness.log").open("wb") as log:
        process = subprocess.Popen(command("serve"), stdout=log, stderr=log, env=environ)
        try:
            yield key, ""
        finally:
            process.terminate()
            process.wait(10)
