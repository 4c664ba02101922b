"""What a node has acknowledged stays, whatever happens to its process, its disk and its files."""

import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.checkpoint import Checkpoint
from ledger.encoding import decode, encode
from ledger.hashing import hash_leaf
from ledger.note import Note, check_signed
from ledger.proofs import check_consistency, prove_consistency
from ledger.receipt import check_inclusion_receipt
from ledger.roster import Roster, SignedRoster, check_genesis
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
from loadtests.stage import Stage, make_desk
from nodes.adapters.fence_file import FileFence
from nodes.core.exchange import origin_hash
from nodes.ports import FenceMark
from tests.nodes.stage import HERE, THERE, Answer, Station, open_desk, station

CBOR, COSE, JSON = "application/cbor", "application/cose", "application/json"
KILLS = 6

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


# ---- kill -9 ------------------------------------------------------------------------------------


def free_base_port(count: int) -> int:
    """The first of ``count`` ports in a row that nobody listens on."""
    generator = random.Random(time.monotonic_ns())  # noqa: S311 - any will do
    while True:
        base = generator.randrange(20_000, 60_000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(base, base + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base


class Load:
    """Callers who send without pause, and remember every answer that says an act is recorded.

    Invariant: ``known`` holds a leaf only if the node's answer has named its index.
    """

    def __init__(self, stage: Stage, roster: Roster, batches: list[list[bytes]], singles: list[bytes]) -> None:
        self._stage = stage
        self._receipt_key = roster.members[HERE].keys.receipt
        self._lock = threading.Lock()
        self.known: dict[bytes, int] = {}
        self.heads: dict[int, bytes] = {}
        self.trouble: list[str] = []
        self.answers: dict[int, int] = {}
        self._ending = threading.Event()
        halves = batches[::2], batches[1::2]
        works = [
            *(lambda half=half: self._batches(half) for half in halves),
            lambda: self._singles(singles),
            lambda: self._acts("a"),
            lambda: self._acts("b"),
            self._watch,
        ]
        self._threads = [threading.Thread(target=self._guard, args=(work,)) for work in works]

    def __enter__(self) -> "Load":
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

    def _send(self, method: str, path: str, body: bytes | None, kind: str) -> bytes | None:
        """The answer's body; None where there was none, or the node could not say."""
        port, token = self._stage.port(HERE), self._stage.tokens[HERE]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self._ending.wait(0.02)
            return None
        finally:
            connection.close()
        with self._lock:
            self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
        if answer.status not in {200, 201, 403, 409, 503}:
            self.trouble.append(f"{method} {path}: {answer.status} {data[:300]!r}")
        return data if answer.status in {200, 201} else None

    def _batches(self, batches: list[list[bytes]]) -> None:
        for batch in batches:
            # The same bytes again, until an answer says what became of them.
            answer = None
            while answer is None:
                if self._ending.is_set():
                    return
                answer = self._send("POST", "/v1/ingest", encode(batch), CBOR)
            for entry, result in zip(batch, decode(answer)["results"], strict=True):
                if result[0] == 0:
                    self._learn(entry, result[1])
                else:
                    self.trouble.append(f"refused: {result}")
        self.trouble.append("the prepared statements ran out")

    def _singles(self, entries: list[bytes]) -> None:
        for entry in entries:
            answer = None
            while answer is None:
                if self._ending.is_set():
                    return
                answer = self._send("POST", "/entries", entry, COSE)
            receipt = check_inclusion_receipt(answer, hash_leaf(entry), self._receipt_key)
            self._learn(entry, receipt.index)
        self.trouble.append("the prepared statements ran out")

    def _acts(self, name: str) -> None:
        number = 0
        while not self._ending.is_set():
            number += 1
            subject = f"{HERE}/department/{name}{number}"
            asked = {"kind": "party.enrol", "subject": subject, "body": {"name": "局"}}
            answer = self._send("POST", "/v1/acts", json.dumps(asked).encode(), JSON)
            if answer is not None:
                value = json.loads(answer)
                self._learn(bytes.fromhex(value["leaf"]), value["index"])

    def _watch(self) -> None:
        """Remember every checkpoint that is published."""
        while not self._ending.wait(0.02):
            answer = self._send("GET", "/log/checkpoint", None, JSON)
            if answer is not None:
                head = Checkpoint.decode(Note.decode(answer).text)
                if self.heads.setdefault(head.size, head.root) != head.root:
                    self.trouble.append(f"two roots at {head.size}")


@pytest.mark.process
def test_kill_nine_at_any_moment_loses_nothing_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.stage._command", lambda: [sys.executable, "-m", "nodes.cli"])
    seed = int(os.environ.get("SHOUXIN_TEST_SEED", "17"))
    generator = random.Random(seed)  # noqa: S311 - the moments of death
    stage = Stage(tmp_path / "network", (HERE, THERE), free_base_port(4))
    with contextlib.ExitStack() as stack:
        stack.callback(stage.__exit__, None, None, None)
        stage.__enter__()
        desk = make_desk(stage, HERE)
        now_s = int(time.time())  # noqa: TID251 - the load comes from outside
        statements = [desk.open_case(f"k{at}", now_s).entry for at in range(9_000)]
        batches = [statements[at : at + 20] for at in range(0, 8_000, 20)]
        roster = check_genesis(
            SignedRoster.decode((stage.folder / HERE / "genesis.roster").read_bytes())
        )
        home = stage.folder / HERE

        def fetch(path: str) -> bytes:
            return stage.fetch(HERE, path)

        sizes, heads = [0], []
        with Load(stage, roster, batches, statements[8_000:]) as load:
            for death in range(KILLS + 1):
                time.sleep(generator.uniform(0.2, 1.4))
                with_acks = dict(load.known)
                note = Note.decode(fetch("/log/checkpoint"))
                check_signed(note, [roster.log_key(desk.origin)])
                head = Checkpoint.decode(note.text)
                leaves = [hash_leaf(entry) for entry in read_entries(fetch, head.size)]
                # Whatever any answer said before this checkpoint was read stands where it said.
                for leaf, index in with_acks.items():
                    assert leaves[index] == leaf, (seed, death, index)
                assert head.size >= sizes[-1], (seed, death)
                sizes.append(head.size)
                seen = {size: root for size, root in load.heads.items() if size <= head.size}
                seen[head.size] = head.root
                assert roots_at(leaves, set(seen)) == seen, (seed, death)
                for older in heads:
                    proof = prove_consistency(
                        older.size, head.size, served_tree(fetch, head.size)
                    )
                    check_consistency(older.size, head.size, older.root, head.root, proof)
                heads.append(head)
                status = stage.call(HERE, "GET", "/v1/status")
                assert (status["state"], status["resting"]) == ("serving", False), status
                if death == KILLS:
                    break
                stage.processes[HERE].kill()
                stage.processes[HERE].wait()
                check_at_rest(home, tmp_path / f"death{death}")
                stage.start(HERE)
                stage.wait(HERE)
        assert not load.trouble, (seed, load.trouble[:5])
        assert len(load.known) > 100 * KILLS, load.answers
        # Acts that a dead process never answered stand or not; the ones sent again stand once.
        final = stage.act(HERE, "party.enrol", f"{HERE}/department/z", {"name": "末局"}, wait="replicated")
        assert final["finality"] == "replicated"
    check_at_rest(home, tmp_path / "end")
    assert stored(tmp_path / "end")[0] == fence_of(tmp_path / "end" / "fence").commit
