"""What a log says to anyone who reads it, and a load that remembers what it was told."""

import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ledger.encoding import decode, encode
from ledger.hashing import hash_leaf
from ledger.note import checkpoint_of
from ledger.receipt import check_inclusion_receipt
from ledger.roster import Roster
from ledger.tiles import (
    TILE_WIDTH,
    Tile,
    decode_entry_bundle,
    entries_path,
    partial_width,
    read_nodes,
    tile_path,
)
from ledger.tree import Frontier
from loadtests.stage import Stage
from nodes.adapters.clock import SystemClock
from nodes.adapters.fence_file import FileFence
from nodes.cli.nursery import Born, begin
from nodes.ports import FenceMark
from tests.nodes.stage import HERE, Desk

CBOR, COSE, JSON = "application/cbor", "application/cose", "application/json"
BREATH_S = 0.01

Fetch = Callable[[str], bytes]


# ---- reading a log as anyone can ----------------------------------------------------------------


def read_entries(fetch: Fetch, size: int) -> list[bytes]:
    """Every entry of a published log."""
    entries: list[bytes] = []
    while len(entries) < size:
        width = min(TILE_WIDTH, size - len(entries))
        path = entries_path(len(entries) // TILE_WIDTH, None if width == TILE_WIDTH else width)
        entries += decode_entry_bundle(fetch(f"/log/{path}"), width)
    return entries


def served_tree(fetch: Fetch, size: int) -> Any:
    """Reads nodes of a log's tree from the tiles that its node serves."""

    def read(wanted: Sequence[Tile]) -> dict[Tile, bytes]:
        found = {}
        for level, index in wanted:
            width = min(TILE_WIDTH, partial_width(level, size)) or TILE_WIDTH
            last = size // TILE_WIDTH ** (level + 1)
            path = tile_path(level, index, width if index == last else None)
            found[level, index] = fetch(f"/log/{path}")
        return found

    return read_nodes(read)


def roots_at(leaves: Sequence[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The roots of a log at some of its sizes."""
    frontier, roots, at = Frontier.empty(), {}, 0
    for size in sorted(sizes):
        frontier, at = frontier.extend(leaves[at:size]), size
        roots[size] = frontier.root()
    return roots


def stored(folder: Path) -> tuple[int, int, list[bytes]]:
    """Commit number, size and entries of the own log, from a database that nobody has open."""
    connection = sqlite3.connect(folder / "node.db")
    try:
        (commit,) = connection.execute("SELECT number FROM commits").fetchone()
        row = connection.execute(
            "SELECT log_id, size FROM logs WHERE origin LIKE ?", (f"%/{HERE}",)
        ).fetchone()
        log, size = row or (0, 0)
        rows = connection.execute(
            "SELECT entry FROM entries WHERE key >> 40 = ? ORDER BY key", (log,)
        ).fetchall()
        return commit, size, [entry for (entry,) in rows]
    finally:
        connection.close()


def fence_of(path: Path) -> FenceMark:
    fence = FileFence.open(path)
    try:
        mark = fence.load()
        assert mark is not None
        return mark
    finally:
        fence.close()


def check_at_rest(home: Path, scratch: Path) -> None:
    """The fence of a node that has ended is at its database, or one commit before.

    Looks at copies, so that recovery is left to the node's own start.
    """
    scratch.mkdir()
    for path in (home / "data").glob("node.db*"):
        shutil.copy(path, scratch)
    shutil.copy(home / "keys" / "fence", scratch)
    mark = fence_of(scratch / "fence")
    commit, size, entries = stored(scratch)
    assert mark.commit <= commit <= mark.commit + 1
    assert mark.size <= size == len(entries)
    leaves = [hash_leaf(entry) for entry in entries]
    assert roots_at(leaves, {mark.size}) == {mark.size: mark.root}


def free_base_port(count: int) -> int:
    """The first of ``count`` ports in a row that nobody listens on."""
    generator = random.Random(time.monotonic_ns())  # noqa: S311 - any will do
    while True:
        base = generator.randrange(20_000, 60_000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(base, base + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base


class ForkedStage(Stage):
    """A stage whose nodes are forked: processes of their own, which need not read all modules."""

    __slots__ = ()

    def _begin(self, region: str, path: Path, environment: Mapping[str, str]) -> Born:  # type: ignore[override]
        config = self.folder / region / "node.toml"
        with path.open("ab") as log:
            return begin(
                ("node", "run", "--leash", "--config", str(config)),
                stdout=log.fileno(),
                stderr=log.fileno(),
                environment={**os.environ, **environment},
                name=f"shouxin {region}",
            )


class Load:
    """Callers who send all the time, and remember every answer that says an act is recorded.

    Each takes a short breath between two requests, so that there is always something under way and
    yet the machine is not theirs alone.

    Invariant: ``known`` holds a leaf only if the node's answer has named its index.
    """

    def __init__(self, stage: Stage, roster: Roster, desk: Desk) -> None:
        self._stage = stage
        self._desk = desk
        self._receipt_key = roster.members[HERE].keys.receipt
        self._lock = threading.Lock()
        self.known: dict[bytes, int] = {}
        self.heads: dict[int, bytes] = {}
        self.trouble: list[str] = []
        self.answers: dict[int, int] = {}
        self._ending = threading.Event()
        works = [
            lambda: self._ingest("one"),
            lambda: self._ingest("two"),
            self._register,
            lambda: self._acts("a"),
            lambda: self._acts("b"),
            self._watch,
        ]
        self._threads = [threading.Thread(target=self._guard, args=(work,)) for work in works]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told by the test, in its own thread
            self.trouble.append(repr(error))

    def _learn(self, entry_or_leaf: bytes, index: int) -> None:
        leaf = entry_or_leaf if len(entry_or_leaf) == 32 else hash_leaf(entry_or_leaf)
        with self._lock:
            if self.known.setdefault(leaf, index) != index:
                self.trouble.append(f"one statement at {index} and {self.known[leaf]}")

    def send(self, method: str, path: str, body: bytes | None, kind: str) -> tuple[int, bytes]:
        """Status and body of the answer; status 0 where there was none."""
        self._ending.wait(BREATH_S)
        port, token = self._stage.port(HERE), self._stage.tokens[HERE]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self._ending.wait(0.02)
            return 0, b""
        finally:
            connection.close()
        with self._lock:
            self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
        good = answer.status in {200, 201, 503} or b"stale-time" in data
        if not good:
            self.trouble.append(f"{method} {path}: {answer.status} {data[:300]!r}")
        return answer.status, data

    def _ingest(self, name: str) -> None:
        number = 0
        while not self._ending.is_set():
            number += 1
            now_s = SystemClock().now_ms() // 1000
            batch = [self._desk.open_case(f"{name}{number}-{at}", now_s).entry for at in range(20)]
            answer = self._send_again("POST", "/v1/ingest", encode(batch), CBOR)
            if answer is None:
                return
            for entry, result in zip(batch, decode(answer)["results"], strict=True):
                if result[0] == 0:
                    self._learn(entry, result[1])
                elif result[1] != "stale-time":  # it waited too long for the node to be back
                    self.trouble.append(f"refused: {result}")

    def _register(self) -> None:
        number = 0
        while not self._ending.is_set():
            number += 1
            now_s = SystemClock().now_ms() // 1000
            entry = self._desk.open_case(f"single{number}", now_s).entry
            answer = self._send_again("POST", "/entries", entry, COSE)
            if answer is not None:
                receipt = check_inclusion_receipt(answer, hash_leaf(entry), self._receipt_key)
                self._learn(entry, receipt.index)

    def _send_again(self, method: str, path: str, body: bytes, kind: str) -> bytes | None:
        """The same bytes again, until an answer says what became of them; None: it is refused."""
        while not self._ending.is_set():
            status, data = self.send(method, path, body, kind)
            if status in {200, 201}:
                return data
            if status == 400 and b"stale-time" in data:
                return None
        return None

    def _acts(self, name: str) -> None:
        number = 0
        while not self._ending.is_set():
            number += 1
            subject = f"{HERE}/department/{name}{number}"
            asked = {"kind": "party.enrol", "subject": subject, "body": {"name": "局"}}
            status, data = self.send("POST", "/v1/acts", json.dumps(asked).encode(), JSON)
            if status == 201:
                value = json.loads(data)
                self._learn(bytes.fromhex(value["leaf"]), value["index"])

    def _watch(self) -> None:
        """Remember every checkpoint that is published."""
        while not self._ending.wait(0.02):
            status, data = self.send("GET", "/log/checkpoint", None, JSON)
            if status == 200:
                head = checkpoint_of(data)
                if self.heads.setdefault(head.size, head.root) != head.root:
                    self.trouble.append(f"two roots at {head.size}")
