"""A few nodes' network sides on real stores, joined by calls, with failures as tests ask."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count

from sqlalchemy import Connection, Engine

from ledger.checkpoint import Checkpoint
from ledger.hashing import hash_leaf
from ledger.keys import PostQuantumKey, SigningKey
from ledger.member import Member, MemberKeys
from ledger.names import origin_for
from ledger.note import Note, sign_ed25519
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Constants
from ledger.tiles import extend_tiles, frontier_from_edge
from nodes.core.candidate import ForeignWitness
from nodes.core.network import Network, NetworkState
from nodes.core.notes import second_note, sign_head
from nodes.core.ready import (
    AppendEntries,
    PeerAnswered,
    PeerCalled,
    PeerReply,
    PeerRequest,
    PutNote,
    Ready,
    Tick,
)
from nodes.core.rosters import Rosters
from nodes.core.submission import SendingLimits
from nodes.ports import RoleKeys
from nodes.store.apply import apply
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.peers import load_state
from nodes.store.reader import StoreReader

NETWORK = "neighbours.example"
REGIONS = ("500000", "510000", "520000", "530000", "540000")
START_MS = 1_800_000_000_000
ROLES = ("log", "witness", "mirror", "receipt", "issuer", "governance")


def key(region: str, role: str) -> SigningKey:
    return SigningKey(sha256(f"{region} {role}".encode()).digest())


def post_quantum_key(region: str, role: str) -> PostQuantumKey:
    return PostQuantumKey(sha256(f"{region} {role}".encode()).digest())


def make_roster(
    regions: Iterable[str] = REGIONS,
    *,
    faulty_max: int | None = None,
    post_quantum: Iterable[str] = (),
    **constants: int,
) -> Roster:
    """Make a roster; ``post_quantum`` names the roles, such as ``log_pq``, that have such keys."""
    more = tuple(post_quantum)
    regions = tuple(regions)
    members = {
        region: Member(
            name=region,
            name_en=region,
            origin=origin_for(NETWORK, region),
            url=f"http://{region}.example",
            peer=f"http://{region}.example",
            tls=None,
            keys=MemberKeys(
                **{role: key(region, role).public for role in ROLES},
                **{role: post_quantum_key(region, role).public for role in more},
            ),
            faulty_max=faulty_max,
        )
        for region in regions
    }
    return Roster(
        network=NETWORK,
        version=1,
        previous=None,
        rules=1,
        steward=regions[0],
        constants=Constants(**constants),
        members=members,
    )


def rosters_of(roster: Roster) -> Rosters:
    """One version, as a node knows it; whoever signed it."""
    return Rosters(RosterChain((b"",), (roster,)))


@dataclass
class Log:
    """A log that a test writes, with its notes: also one that forks."""

    region: str
    entries: list[bytes] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return origin_for(NETWORK, self.region)

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.entries) if size is None else size
        leaves = [hash_leaf(entry) for entry in self.entries[:size]]
        update = extend_tiles(0, (), leaves)
        return Checkpoint(self.origin, size, frontier_from_edge(size, update.edge).root())

    def note(self, size: int | None = None) -> bytes:
        text = self.checkpoint(size).text()
        return Note(text, (sign_ed25519(self.origin, key(self.region, "log"), text),)).encode()

    def tiles(self) -> Mapping[tuple[int, int], bytes]:
        return extend_tiles(0, (), [hash_leaf(entry) for entry in self.entries]).tiles


class LogReader:
    """Reads of logs in memory."""

    def __init__(self, *logs: Log) -> None:
        self._logs = {log.origin: log for log in logs}

    def entries(self, origin: str, start: int, end: int) -> list[bytes]:
        return self._logs[origin].entries[start:end]

    def tiles(self, origin: str, wanted: Iterable[tuple[int, int]]) -> dict:
        tiles = self._logs[origin].tiles()
        return {place: tiles[place] for place in wanted if place in tiles}


def entries(count_: int, word: str = "entry") -> list[bytes]:
    """As many entries, each of its own; another word makes another branch."""
    return [f"{word} {index}".encode() for index in range(count_)]


class CrashError(Exception):
    """The process dies here."""


def die(now: object) -> None:
    if now:
        raise CrashError


class Host:
    """One node's network side on its store. Its own log is written by ``append``."""

    def __init__(
        self,
        roster: Roster,
        region: str,
        *,
        engine: Engine | None = None,
        limits: SendingLimits | None = None,
        foreign: Iterable[ForeignWitness] = (),
    ) -> None:
        self.roster = roster
        self.region = region
        self.origin = roster.origin_of(region)
        self.limits = limits
        self.foreign = tuple(foreign)
        self.engine = open_sqlite(None) if engine is None else engine
        self.log = Log(region)
        self.ids = count(1)
        self.wake_at_ms: int | None = None
        create_schema(self.engine)
        self.load()

    def load(self) -> None:
        """Start again from what the store holds."""
        with self.engine.begin() as connection:
            ids = LogIDs()
            state = load_state(connection, ids, self.origin)
            self.log.entries = list(StoreReader(connection, ids).entries(self.origin, 0, 1 << 30))
        self.network = self.build(state)

    def build(self, state: NetworkState) -> Network:
        return Network(
            rosters=rosters_of(self.roster),
            region=self.region,
            held=(self.keys(),),
            state=state,
            foreign=self.foreign,
            limits=self.limits,
            next_id=lambda: next(self.ids),
        )

    def keys(self) -> RoleKeys:
        return RoleKeys(
            **{role: key(self.region, role) for role in ROLES[:-1]},
            **{role: self.post_quantum(role) for role in ("log_pq", "witness_pq", "mirror_pq")},
        )

    def post_quantum(self, role: str) -> PostQuantumKey | None:
        """Return our ML-DSA-44 key of a role that the roster gives one."""
        has_one = getattr(self.roster.member(self.region).keys, role) is not None
        return post_quantum_key(self.region, role) if has_one else None

    def step(
        self,
        events: Iterable[PeerCalled | PeerAnswered | Tick],
        now_ms: int,
        *,
        crash: str = "",
        also: Callable[[Connection, StoreReader], Ready] | None = None,
    ) -> Ready:
        """Step like a node does. After a ``crash``, before or after the commit, it starts again."""
        replies, requests = [], []
        try:
            with self.engine.begin() as connection:
                ids = LogIDs()
                reader = StoreReader(connection, ids)
                if also is not None:
                    apply(connection, ids, also(connection, reader).writes)
                for event in events:
                    ready = self.network.step(event, now_ms, reader)
                    apply(connection, ids, ready.writes)
                    replies += ready.replies
                    requests += ready.requests
                ready = self.network.flush(now_ms, reader)
                apply(connection, ids, ready.writes)
                requests += ready.requests
                self.wake_at_ms = ready.wake_at_ms
                die(crash == "before")
            die(crash == "after")
        except CrashError:
            self.load()
            return Ready()
        return Ready(replies=tuple(replies), requests=tuple(requests))

    def append(self, entries: Iterable[bytes], now_ms: int) -> Ready:
        """Append to the own log, publish, and say what is to be sent."""
        entries = tuple(entries)

        def write(_connection: Connection, _reader: StoreReader) -> Ready:
            start = len(self.log.entries)
            before = [hash_leaf(entry) for entry in self.log.entries]
            edge = extend_tiles(0, (), before).edge
            leaves = tuple(hash_leaf(entry) for entry in entries)
            update = extend_tiles(start, edge, leaves)
            self.log.entries += entries
            head = sign_head(
                self.log.checkpoint(), key(self.region, "log"), self.post_quantum("log_pq")
            )
            self.network.publish(head.checkpoint, head.note, head.post_quantum)
            return Ready(
                writes=(
                    AppendEntries(self.origin, start, entries, leaves, update.tiles),
                    PutNote(self.origin, len(self.log.entries), head.note, finished=False),
                    *second_note(head),
                )
            )

        return self.step((), now_ms, also=write)


class Neighbours:
    """Hosts on one clock. ``cut`` holds (from, to) pairs over which nothing passes."""

    def __init__(self, roster: Roster | None = None, **options: object) -> None:
        self.roster = make_roster() if roster is None else roster
        self.now_ms = START_MS
        self.hosts = {
            region: Host(self.roster, region, **options)  # type: ignore[arg-type]
            for region in self.roster.members
        }
        self.cut: set[tuple[str, str]] = set()
        self.call_ids = count(1)
        self.sent: list[tuple[str, PeerRequest]] = []

    def deliver(
        self, sender: str, requests: Iterable[PeerRequest], rounds_max: int = 2_000
    ) -> None:
        """Carry requests and answers until nobody has anything to say."""
        queue = [(sender, request) for request in requests]
        for _ in range(rounds_max):
            if not queue:
                return
            caller, request = queue.pop(0)
            self.sent.append((caller, request))
            reply = PeerReply(0, b"cut")
            if request.to in self.hosts and (caller, request.to) not in self.cut:
                ready = self.hosts[request.to].step(
                    [PeerCalled(next(self.call_ids), request.path, request.body, caller)],
                    self.now_ms,
                )
                queue += [(request.to, item) for item in ready.requests]
                if ready.replies:
                    value = ready.replies[0].value
                    assert isinstance(value, PeerReply)
                    if (request.to, caller) not in self.cut:
                        reply = value
            answer = PeerAnswered(request.request_id, reply.status, reply.body)
            ready = self.hosts[caller].step([answer], self.now_ms)
            queue += [(caller, item) for item in ready.requests]
        raise AssertionError("the nodes never fall silent")

    def append(self, region: str, *entries: bytes) -> None:
        self.deliver(region, self.hosts[region].append(entries, self.now_ms).requests)

    def tick(self, by_ms: int = 0) -> None:
        """Let time pass, and let everyone do what is due then."""
        self.now_ms += by_ms
        for region, host in self.hosts.items():
            self.deliver(region, host.step([Tick()], self.now_ms).requests)

    def run(self, for_ms: int, step_ms: int = 250) -> None:
        for _ in range(for_ms // step_ms):
            self.tick(step_ms)

    def isolate(self, region: str) -> None:
        others = [other for other in self.hosts if other != region]
        self.cut |= {(region, other) for other in others} | {(other, region) for other in others}
