"""Logs as their writers please, right or wrong, and a node's judgement of them."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ledger.beginning import genesis_body
from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey
from ledger.kind import Kinds
from ledger.names import mirror_name
from ledger.note import Note, sign_ed25519
from ledger.roster_chain import RosterChain
from ledger.signed_roster import sign_roster
from ledger.statement import Act, Citation, sign_statement
from ledger.tiles import TileEdge, extend_tiles
from ledger.tree import Frontier
from ledger.views import Block, BlockLines, block_body
from nodes.core.follower import Follower
from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits
from nodes.core.log_state import LogState
from nodes.core.projection import Projection
from nodes.core.ready import AppendEntries
from nodes.core.rosters import Rosters
from nodes.core.sight import Sight
from nodes.store.apply import apply
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.findings import load_findings
from nodes.store.reader import StoreReader
from tests import slow_map
from tests.nodes import neighbours

A, B, C, D = "500000", "510000", "520000", "530000"
NOW_S = 1_800_000_000
ROSTER = neighbours.make_roster((A, B, C, D))
SIGNED = sign_roster(
    ROSTER, {region: neighbours.key(region, "governance") for region in (A, B, C, D)}
).encode()
CHAIN = RosterChain((SIGNED,), (ROSTER,))
BASIS = {"title": "依据", "document": "1号", "valid_from": 0, "valid_until": 2**33}


class Writer:
    """A region's log as its writer pleases, right or wrong; it keeps no rules at all."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.origin = ROSTER.origin_of(region)
        self.entries: list[bytes] = []
        self.newest: dict[str, bytes] = {}
        self.height = 0

    def add(
        self,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        time_s: int = NOW_S,
        citations: tuple[Citation, ...] = (),
        key: SigningKey | None = None,
        previous: bytes | None = None,
        issuer: str = "",
    ) -> int:
        before = self.newest.get(subject) if previous is None else previous
        act = Act(kind, 1, before, citations, body)
        signer = key or neighbours.key(self.region, "issuer")
        made = sign_statement(signer, issuer or self.region, subject, time_s, act)
        self.entries.append(made.entry)
        self.newest[subject] = made.leaf
        return len(self.entries) - 1

    def genesis(self) -> "Writer":
        self.add("log.genesis", self.origin, genesis_body(SIGNED, ROSTER.rules))
        return self

    def basis(self, name: str, **more: Any) -> int:
        return self.add("basis.publish", f"{self.region}/basis/{name}", BASIS, **more)

    def root(self, size: int) -> bytes:
        return Frontier.empty().extend([hash_leaf(entry) for entry in self.entries[:size]]).root()

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, self.root(size))

    def lines(self, size: int, times: Mapping[str, int]) -> tuple[bytes, ...]:
        """Mirror lines of these regions at these times."""
        checkpoint = self.checkpoint(size)
        return tuple(
            sign_line(
                mirror_name(ROSTER.origin_of(region)),
                neighbours.key(region, "mirror"),
                checkpoint,
                time_s,
            ).encode()
            for region, time_s in times.items()
        )

    def block(self, lines: tuple[BlockLines, ...] = (), **changed: Any) -> int:
        size = len(self.entries)
        self.height += 1
        fields: dict[str, Any] = {
            "height": self.height,
            "size": size,
            "root": self.root(size),
            "note": sha256(self.checkpoint(size).text()).digest(),
            "roster": 1,
            "rules": 1,
            "map_root": slow_map.root(slow_map.acts_of(self.entries)),
            "lines": lines,
            **changed,
        }
        return self.add("log.block", self.origin, block_body(Block(**fields)))

    def seen(self, size: int, times: Mapping[str, int]) -> BlockLines:
        return BlockLines(size, self.root(size), self.lines(size, times))

    def view_body(self, of: "Writer", size: int, times: Mapping[str, int]) -> dict[str, Any]:
        text = of.checkpoint(size).text()
        signature = sign_ed25519(of.origin, neighbours.key(of.region, "log"), text)
        lines = sorted(of.lines(size, times))
        return {"note": Note(text, (signature,)).encode(), "roster": 1, "lines": lines}

    def view(self, of: "Writer", size: int, times: Mapping[str, int]) -> int:
        return self.add("log.view", of.origin, self.view_body(of, size, times))


class Judge:
    """One reader of logs, on a store of its own."""

    def __init__(self, chunk: int = 256, kinds: Kinds = KINDS) -> None:
        engine = open_sqlite(None)
        create_schema(engine)
        self.connection = engine.connect()
        self.ids = LogIDs()
        self.reader = StoreReader(self.connection, self.ids)
        self.sight = Sight(1_000)
        self.stored: dict[str, int] = {}
        self.edges: dict[str, TileEdge] = {}
        self.follower: Follower
        projection = Projection(Ground(Rosters(CHAIN), kinds, self.sight, self.state_of))
        limits = Limits(judged_chunk_entries_max=chunk)
        self.follower = Follower(projection, limits)
        self.seen: list[tuple[int, int, int]] = []

    def store(self, writer: Writer, end: int | None = None) -> None:
        start = self.stored.get(writer.origin, 0)
        new = writer.entries[start:end]
        leaves = [hash_leaf(entry) for entry in new]
        update = extend_tiles(start, self.edges.get(writer.origin, ()), leaves)
        self.edges[writer.origin] = update.edge
        self.stored[writer.origin] = update.size
        write = AppendEntries(writer.origin, start, tuple(new), tuple(leaves), update.tiles)
        apply(self.connection, self.ids, [write])

    def judge(self, now_s: int = NOW_S) -> None:
        for judged in self.follower.step(self.stored, now_s * 1000, self.reader):
            apply(self.connection, self.ids, judged.writes)
            self.seen += [(row.low, row.high, row.seen_by_s) for row in judged.effects.evidence]
        self.sight.settle()

    def codes(self) -> list[tuple[int, str]]:
        rows = load_findings(self.connection, self.ids)
        return sorted((row.index, row.code) for row in rows)

    def state_of(self, origin: str) -> LogState | None:
        return self.follower.states.get(origin)

    def size(self, writer: Writer) -> int:
        return self.follower.judged_size(writer.origin)


def judged(*writers: Writer, now_s: int = NOW_S) -> Judge:
    judge = Judge()
    for writer in writers:
        judge.store(writer)
    judge.judge(now_s)
    return judge
