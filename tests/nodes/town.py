"""Whole nodes on real stores, joined by calls: what leaves one arrives at once, or not at all."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from ledger.errors import LedgerError
from ledger.hashing import EMPTY_ROOT
from ledger.keys import SigningKey
from ledger.kind import Kinds
from ledger.roster_chain import RosterChain
from ledger.signed_roster import sign_roster
from nodes.core.kinds import KINDS
from nodes.core.ready import (
    Compose,
    Event,
    PeerAnswered,
    PeerCalled,
    PeerReply,
    PeerRequest,
    Register,
    Registered,
    RegisterReply,
    Tick,
)
from nodes.node import Node, Outbox, Ports, RoleKeys, Settings, build
from nodes.ports import FenceMark, Signer
from nodes.store.engine import open_sqlite
from nodes.store.findings import load_findings, load_uses
from nodes.store.reader import StoreReader
from tests.nodes import neighbours

if TYPE_CHECKING:
    from ledger.roster import Roster

START_MS = 1_800_000_000_000


class Clock:
    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms


class Fence:
    """In memory; keeps every mark, so that tests can see their order."""

    def __init__(self) -> None:
        self.mark: FenceMark | None = FenceMark(0, 0, EMPTY_ROOT)

    def load(self) -> FenceMark | None:
        return self.mark

    def store(self, mark: FenceMark) -> None:
        assert self.mark is None or mark.commit >= self.mark.commit
        self.mark = mark


class Officers:
    def __init__(self) -> None:
        self.keys: dict[str, SigningKey] = {}

    def signer(self, party: str) -> Signer | None:
        return self.keys.get(party)


def officer_key(party: str) -> SigningKey:
    return SigningKey(sha256(party.encode()).digest())


@dataclass
class House:
    """One region: its node and what outlives it."""

    region: str
    engine: Engine
    fence: Fence = field(default_factory=Fence)
    officers: Officers = field(default_factory=Officers)
    node: Node | None = None
    ids: Any = field(default_factory=lambda: count(1))

    @property
    def running(self) -> Node:
        assert self.node is not None
        return self.node


class Town:
    """Nodes of some regions. ``cut`` holds regions that nobody reaches and that reach nobody.

    With ``gathers``, what is under way to a node is one step of it, as the driver would have it;
    without, each message is a step of its own, and a crash can come between any two.
    """

    def __init__(
        self,
        *regions: str,
        folder: Path | None = None,
        kinds: Kinds = KINDS,
        post_quantum: Iterable[str] = (),
        gathers: bool = True,
        **constants: int,
    ) -> None:
        self.post_quantum = tuple(post_quantum)
        self.roster: Roster = neighbours.make_roster(
            regions, post_quantum=self.post_quantum, **constants
        )
        governance = {region: neighbours.key(region, "governance") for region in regions}
        self.signed = sign_roster(self.roster, governance).encode()
        self.chain = RosterChain.check([self.signed])
        self.clock = Clock()
        self.kinds = kinds
        self.folder = folder
        self.gathers = gathers
        self.cut: set[str] = set()
        self.houses = {region: House(region, self.engine(region)) for region in regions}
        self.calls: list[tuple[str, str, str]] = []
        self._queue: deque[tuple[str, PeerRequest]] = deque()

    def engine(self, region: str) -> Engine:
        return open_sqlite(None if self.folder is None else self.folder / f"{region}.sqlite")

    def origin(self, region: str) -> str:
        return self.roster.origin_of(region)

    def start(self, *regions: str) -> None:
        for region in regions or tuple(self.houses):
            self.begin(region)
        self.settle()

    def begin(self, region: str) -> Node:
        """Start one node, of whose questions none has been answered yet."""
        house = self.houses[region]
        keys = {
            role: neighbours.key(region, role)
            for role in ("log", "witness", "mirror", "receipt", "issuer")
        }
        more = {role: neighbours.post_quantum_key(region, role) for role in self.post_quantum}
        ports = Ports(
            clock=self.clock,
            fence=house.fence,
            keys=RoleKeys(**keys, **more),
            officers=house.officers,
            engine=house.engine,
        )
        house.node = build(Settings(region=region), self.chain, ports, self.kinds)
        self._leave(region, house.node.start(self.clock.ms))
        return house.node

    def kill(self, region: str) -> None:
        """End a process without warning; what it had sent and nobody has taken yet is lost."""
        house = self.houses[region]
        house.node = None
        self._queue = deque(item for item in self._queue if item[0] != region)
        if self.folder is not None:
            house.engine.dispose()
            house.engine = self.engine(region)

    def node(self, region: str) -> Node:
        return self.houses[region].running

    def step(self, region: str, *events: Event) -> Outbox:
        outbox = self.node(region).step(events, self.clock.ms)
        self._leave(region, outbox)
        return outbox

    def _leave(self, region: str, outbox: Outbox) -> None:
        for request in outbox.requests:
            self._queue.append((region, request))

    def settle(self) -> None:
        """Deliver everything until nothing is under way."""
        for _ in range(100_000):
            if not self._queue:
                return
            self._deliver()
        raise AssertionError("the nodes never come to rest")

    def _deliver(self) -> None:
        """Deliver what is under way, or one message of it, and then the answers."""
        sent = [self._queue.popleft() for _ in range(len(self._queue) if self.gathers else 1)]
        calls: dict[str, list[tuple[str, PeerRequest, PeerCalled]]] = {}
        answers: dict[str, list[PeerAnswered]] = {}
        for region, request in sent:
            self.calls.append((region, request.to, request.path))
            if self._reaches(region, request.to):
                request_id = next(self.houses[request.to].ids) + 1_000_000
                called = PeerCalled(request_id, request.path, request.body, region)
                calls.setdefault(request.to, []).append((region, request, called))
            else:
                lost = PeerAnswered(request.request_id, 0, b"no way")
                answers.setdefault(region, []).append(lost)
        for target, asked in calls.items():
            outbox = self.step(target, *(called for _, _, called in asked))
            replies = {it.request_id: it.value for it in outbox.replies}
            for region, request, called in asked:
                reply = replies[called.request_id]
                known = isinstance(reply, PeerReply)
                status, body = (reply.status, reply.body) if known else (503, b"")
                answered = PeerAnswered(request.request_id, status, body)
                answers.setdefault(region, []).append(answered)
        for region, taken in answers.items():
            if self.houses[region].node is not None:
                self.step(region, *taken)

    def _reaches(self, region: str, target: str) -> bool:
        house = self.houses.get(target)
        return house is not None and house.node is not None and not self.cut & {region, target}

    def tick(self, seconds: float, *, by: float = 15) -> None:
        """Let time pass in small steps, all nodes awake."""
        end_ms = self.clock.ms + int(seconds * 1000)
        while self.clock.ms < end_ms:
            self.clock.ms = min(end_ms, self.clock.ms + int(by * 1000))
            for region, house in self.houses.items():
                if house.node is not None:
                    self.step(region)
            self.settle()

    def rounds(self, times: int = 3) -> None:
        """Step every node a few times at one moment."""
        for _ in range(times):
            for region, house in self.houses.items():
                if house.node is not None:
                    self.step(region)
            self.settle()

    # ---- acts -----------------------------------------------------------------------------------

    def ask(self, region: str, event: Event) -> tuple[Registered, ...]:
        outbox = self.step(region, event)
        (reply,) = [it.value for it in outbox.replies if it.request_id == 7]
        if isinstance(reply, LedgerError):
            raise reply
        assert isinstance(reply, RegisterReply)
        return reply.results

    def try_act(
        self, region: str, kind: str, subject: str, body: Mapping[str, Any], issuer: str = ""
    ) -> Registered:
        event = Compose(
            request_id=7, kind=kind, issuer=issuer or region, subject=subject, body=body
        )
        (result,) = self.ask(region, event)
        return result

    def act(
        self, region: str, kind: str, subject: str, body: Mapping[str, Any], issuer: str = ""
    ) -> int:
        result = self.try_act(region, kind, subject, body, issuer)
        if result.error is not None:
            raise result.error
        assert result.index is not None
        return result.index

    def register(self, region: str, *statements: Any) -> tuple[Registered, ...]:
        return self.ask(region, Register(7, statements))

    # ---- what a node holds ----------------------------------------------------------------------

    def findings(self, region: str) -> list[tuple[str, int, str]]:
        with self.houses[region].engine.connect() as connection:
            reader = StoreReader(connection)
            return [
                (row.origin, row.index, row.code) for row in load_findings(connection, reader.ids)
            ]

    def uses(self, region: str, origin: str, index: int) -> list[str]:
        with self.houses[region].engine.connect() as connection:
            reader = StoreReader(connection)
            return [use.status for use in load_uses(connection, reader.ids, origin, index)]

    def fact(self, region: str, origin: str, object_: str) -> Any:
        with self.houses[region].engine.connect() as connection:
            (fact,) = StoreReader(connection).facts([(origin, object_, 2**62)])
            return fact


# ---- a few parties ------------------------------------------------------------------------------

YEAR_S = 365 * 86_400


def furnish(town: Town, region: str) -> None:
    """Enrol a department, a hall, a window and three officers whose keys the region holds."""
    department, hall = f"{region}/department/d", f"{region}/hall/h"
    window = f"{region}/window/w"
    town.act(region, "party.enrol", department, {"name": "部门"})
    town.act(region, "party.enrol", hall, {"name": "大厅"})
    town.act(
        region, "party.enrol", window, {"name": "窗口", "hall": hall, "department": department}
    )
    for name, unit, roles in (
        ("clerk", window, ["receive"]),
        ("decider", department, ["decide", "receive"]),
        ("manager", department, ["grant", "manage"]),
    ):
        party = f"{region}/officer/{name}"
        key = officer_key(party)
        town.houses[region].officers.keys[party] = key
        body = {"unit": unit, "key": key.public, "holder": "region", "roles": roles}
        town.act(region, "party.enrol", party, body)


def lend(town: Town, owner: str, window_region: str, number: str = "g1", **more: Any) -> str:
    """Publish an item at its owner and grant a window elsewhere all four rights over it."""
    item, grant = f"{owner}/item/i", f"{owner}/grant/{number}"
    department, manager = f"{owner}/department/d", f"{owner}/officer/manager"
    if town.fact(owner, town.origin(owner), item) is None:
        town.act(
            owner,
            "item.publish",
            item,
            {
                "version": 1,
                "title": "事项",
                "code": "000131127004",
                "department": department,
                "materials": ["form", "photo"],
                "days": 20,
            },
            manager,
        )
    now_s = town.clock.ms // 1000
    town.act(
        owner,
        "grant.offer",
        grant,
        {
            "item": item,
            "item_version": 1,
            "window": f"{window_region}/window/w",
            "rights": ["deliver", "intake", "notice", "verify"],
            "valid_from": now_s - 60,
            "valid_until": now_s + YEAR_S,
            "staleness_s": town.roster.constants.staleness_s,
            **more,
        },
        manager,
    )
    town.rounds()
    town.act(
        window_region,
        "grant.accept",
        grant,
        {"window": f"{window_region}/window/w", "item": item},
        f"{window_region}/officer/manager",
    )
    town.rounds()
    return grant


def open_case(town: Town, region: str, owner: str, grant: str, number: str) -> int:
    return town.act(
        region,
        "case.open",
        f"{region}/case/{number}",
        {
            "item": f"{owner}/item/i",
            "item_version": 1,
            "department": f"{owner}/department/d",
            "mode": "agency",
            "grant": grant,
            "window": f"{region}/window/w",
        },
        f"{region}/officer/clerk",
    )


class Driven(Town):
    """Nodes that are stepped as the driver does it: answers first, and then what is owed."""

    def step(self, region: str, *events: Event) -> Outbox:
        node = self.node(region)
        outbox = node.step(events, self.clock.ms, answers_first=True)
        self._leave(region, outbox)
        self._leave(region, node.step([Tick()], self.clock.ms, answers_first=True))
        return outbox
