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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import event

from ledger.checkpoint import Checkpoint
from ledger.encoding import decode, encode
from ledger.hashing import hash_leaf
from ledger.note import Note, check_signed
from ledger.proofs import check_consistency, prove_consistency
from ledger.receipt import check_inclusion_receipt
from ledger.roster import Roster
from ledger.signed_roster import SignedRoster, check_genesis
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
from nodes.core.exchange import encode_add_checkpoint, origin_hash
from nodes.ports import FenceMark
from tests.nodes.stage import HERE, THERE, Answer, Desk, Station, open_desk, station
from tests.nodes.waiting import until

CBOR, COSE, JSON = "application/cbor", "application/cose", "application/json"
KILLS = 6
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
                head = Checkpoint.decode(Note.decode(data).text)
                if self.heads.setdefault(head.size, head.root) != head.root:
                    self.trouble.append(f"two roots at {head.size}")


@pytest.mark.process
def test_kill_nine_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    seed = int(os.environ.get("SHOUXIN_TEST_SEED", "17"))
    generator = random.Random(seed)  # noqa: S311 - the moments of death
    stage = Stage(tmp_path / "network", (HERE, THERE), free_base_port(4))
    with contextlib.ExitStack() as stack:
        stack.callback(stage.__exit__, None, None, None)
        stage.__enter__()
        desk = open_desk(stage)
        roster = check_genesis(
            SignedRoster.decode((stage.folder / HERE / "genesis.roster").read_bytes())
        )
        home = stage.folder / HERE

        def fetch(path: str) -> bytes:
            return stage.fetch(HERE, path)

        sizes, heads = [0], []
        with Load(stage, roster, desk) as load:
            for death in range(KILLS + 1):
                time.sleep(generator.uniform(0.1, 0.9))
                with_acks, with_heads = dict(load.known), dict(load.heads)
                note = Note.decode(fetch("/log/checkpoint"))
                check_signed(note, [roster.log_key(desk.origin)])
                head = Checkpoint.decode(note.text)
                leaves = [hash_leaf(entry) for entry in read_entries(fetch, head.size)]
                # Whatever any answer said before this checkpoint was read stands where it said.
                for leaf, index in with_acks.items():
                    assert leaves[index] == leaf, (seed, death, index)
                assert head.size >= sizes[-1], (seed, death)
                sizes.append(head.size)
                seen = {size: root for size, root in with_heads.items() if size <= head.size}
                seen[head.size] = head.root
                assert roots_at(leaves, set(seen)) == seen, (seed, death)
                for older in heads:
                    proof = prove_consistency(older.size, head.size, served_tree(fetch, head.size))
                    check_consistency(older.size, head.size, older.root, head.root, proof)
                heads.append(head)
                status = stage.call(HERE, "GET", "/v1/status")
                assert (status["state"], status["resting"]) == ("serving", False), status
                if death == KILLS:
                    break
                stage.kill(HERE)
                check_at_rest(home, tmp_path / f"death{death}")
                stage.start(HERE)
                stage.wait(HERE)
        assert not load.trouble, (seed, load.trouble[:5])
        assert len(load.known) > 100 * KILLS, load.answers
        # The same bytes again stand where they stood, whoever has died in between and how often.
        again = random.Random(seed).sample(sorted(load.known), 200)  # noqa: S311 - any will do
        entries = read_entries(fetch, head.size)
        sent = [entries[load.known[leaf]] for leaf in again if load.known[leaf] < head.size]
        answer = load.send("POST", "/v1/ingest", encode(sent), CBOR)[1]
        assert decode(answer)["results"] == [[0, load.known[hash_leaf(entry)]] for entry in sent]
        final = stage.act(
            HERE, "party.enrol", f"{HERE}/department/z", {"name": "末局"}, wait="replicated"
        )
        assert final["finality"] == "replicated"
    check_at_rest(home, tmp_path / "end")
    assert stored(tmp_path / "end")[0] == fence_of(tmp_path / "end" / "fence").commit


# ---- a disk that is full, a database that is locked ---------------------------------------------


class Town:
    """Two regions on one disk that can be taken away from the first."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.desk = open_desk(station)
        self.count = 0
        window = {"party": self.desk.officer, "role": "window"}
        self.token = station.call(HERE, "POST", "/v1/tokens", window)["token"]
        self.spare = station.call(HERE, "POST", "/v1/tokens", window)["id"]

    def fetch(self, path: str) -> bytes:
        answer = self.station.ask("GET", path)
        assert answer.status == 200, answer
        return answer.body

    def cases(self, count: int) -> list[bytes]:
        self.count += count
        now_s = self.station.clock.now_s()
        return [self.desk.open_case(f"t{self.count - at}", now_s).entry for at in range(count)]

    def act(self) -> Answer:
        self.count += 1
        subject = f"{HERE}/department/t{self.count}"
        # Long enough that no page on disk has room for it already.
        asked = {"kind": "party.enrol", "subject": subject, "body": {"name": "局" * 1_500}}
        token = self.station.founded.tokens[HERE]
        return self.station.ask("POST", "/v1/acts", json.dumps(asked).encode(), token=token)

    def ingest(self, entries: list[bytes]) -> Answer:
        return self.station.ask(
            "POST", "/v1/ingest", encode(entries), token=self.token, Content_Type=CBOR
        )

    def check_log(self) -> None:
        """What is published is whole, and is what the store holds."""
        head = Checkpoint.decode(Note.decode(self.fetch("/log/checkpoint")).text)
        leaves = [hash_leaf(entry) for entry in read_entries(self.fetch, head.size)]
        assert roots_at(leaves, {head.size}) == {head.size: head.root}
        read = served_tree(self.fetch, head.size)
        proof = prove_consistency(2, head.size, read)
        check_consistency(2, head.size, roots_at(leaves, {2})[2], head.root, proof)

    def writes(self, batch: list[bytes]) -> dict[str, Callable[[], Answer]]:
        """Everything that writes, by name. Each act is too long for the room left on any page."""
        ask, operator = self.station.ask, self.station.founded.tokens[HERE]
        asked = json.dumps({"party": HERE, "role": "auditor"}).encode()
        return {
            "act": self.act,
            "ingest": lambda: self.ingest(batch),
            "entries": lambda: ask("POST", "/entries", batch[0], Content_Type=COSE),
            "issue": lambda: ask("POST", "/v1/tokens", asked, token=operator),
            "revoke": lambda: ask("DELETE", f"/v1/tokens/{self.spare}", token=operator),
        }

    def check_unavailable_and_back(
        self, code: str, mend: Callable[[], object], *names: str
    ) -> None:
        """While nothing can be written, all are told so and all is read; then it goes on."""
        station = self.station
        size = station.size()
        batch = self.cases(25)
        writes = self.writes(batch)
        with ThreadPoolExecutor(len(writes)) as pool:
            asked = {name: pool.submit(writes[name]) for name in names or writes}
            query = f"/v1/check?window={self.desk.window}&right=intake&item={self.desk.item}"
            assert station.ask("GET", query, token=self.token).json()["allowed"] == "yes"
            answers = {name: future.result() for name, future in asked.items()}
        for name, answer in answers.items():
            assert answer.status == 503, (name, answer)
            assert answer.headers["retry-after"] == "1"
            if name == "entries":
                assert decode(answer.body)[-2].startswith(f"{code}: ")
            else:
                assert answer.json()["code"] == code, name
        assert station.size() == size
        status = station.status()
        assert (status["state"], status["size"]) == ("serving", size)
        self.check_log()
        assert station.ask("GET", f"/entries/{size - 1}").status == 200
        mend()
        assert until(lambda: (answer := self.act()).status != 503 and answer).status == 201
        results = decode(self.ingest(batch).body)["results"]
        assert [result[0] for result in results] == [0] * len(batch)
        assert results[0][1] > size
        assert self.writes(batch)["issue"]().status == 201
        assert self.writes(batch)["revoke"]().status == 200
        self.check_log()
        hall = f"{HERE}/hall/{code}"
        last = station.act(HERE, "party.enrol", hall, {"name": "厅"}, wait="replicated")
        assert last["finality"] == "replicated"
        station.stop(HERE)
        check_at_rest(station.home(HERE), station.home(HERE) / "scratch")
        station.start(HERE)
        assert station.status()["state"] == "serving"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk_is_said_and_left_behind(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        station_ = stack.enter_context(station(tmp_path / "network"))
        disk = station_.home(HERE) / "data"
        disk.mkdir(mode=0o700)
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "small", str(disk)]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("mounting is not allowed here")
        stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=True)
        stack.callback(station_.stop)
        station_.start(HERE, THERE)
        town = Town(station_)
        rest = disk / "rest"
        with rest.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4_096))
        town.check_unavailable_and_back("disk", rest.unlink)


def test_a_database_that_may_not_grow_is_said_and_left_behind(tmp_path: Path) -> None:
    with station(tmp_path / "network") as station_:
        station_.start(HERE, THERE)
        town = Town(station_)
        pages = [1]

        def limit(connection: Any) -> None:
            raw = connection.connection.driver_connection
            raw.execute(f"PRAGMA max_page_count={pages[0]}")

        # The smallest limit that SQLite takes is the present size.
        event.listen(station_.nodes[HERE].service.readers._engine, "begin", limit)
        for _ in range(3):
            town.act()
        # What is short may still find room on pages that are there.
        town.check_unavailable_and_back(
            "disk", lambda: pages.__setitem__(0, 2**30), "act", "ingest"
        )


def test_a_locked_database_is_said_and_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.store.engine.BUSY_TIMEOUT_MS", 200)
    with station(tmp_path / "network") as station_:
        station_.start(HERE, THERE)
        town = Town(station_)
        other = sqlite3.connect(station_.database(HERE), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        town.check_unavailable_and_back("busy", lambda: other.execute("ROLLBACK"))
        other.close()


# ---- a node that has forgotten ------------------------------------------------------------------


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with station(tmp_path / "network") as station_:
        station_.start(HERE, THERE)
        yield Town(station_)


def keep(town: Town) -> Path:
    """Copy the first region's database and fence aside, then let it go on a little."""
    home = town.station.home(HERE)
    kept = home / "kept"
    town.station.stop(HERE)
    shutil.copytree(home / "data", kept / "data")
    shutil.copy(home / "keys" / "fence", kept / "fence")
    town.station.start(HERE)
    hall = f"{HERE}/hall/kept"
    done = town.station.act(HERE, "party.enrol", hall, {"name": "厅"}, wait="replicated")
    assert done["finality"] == "replicated"
    town.station.act(THERE, "party.enrol", f"{THERE}/hall/kept", {"name": "厅"}, wait="replicated")
    town.station.stop(HERE)
    return kept


def put_back_database(town: Town, kept: Path) -> None:
    home = town.station.home(HERE)
    shutil.rmtree(home / "data")
    shutil.copytree(kept / "data", home / "data")


def check_writes_nothing(town: Town, code: str) -> None:
    """It says what is wrong, serves what it has, and signs nothing for anyone."""
    station = town.station
    status = station.status()
    assert (status["state"], status["detail"] != "") == (code, True), status
    size = status["size"]
    assert town.act().said == (503, code)
    answer = town.ingest(town.cases(2))
    assert answer.said == (503, code)
    answer = station.ask("POST", "/entries", town.cases(1)[0], Content_Type=COSE)
    assert (answer.status, decode(answer.body)[-2][: len(code)]) == (503, code)
    asked = json.dumps({"party": HERE, "role": "auditor"}).encode()
    operator = station.founded.tokens[HERE]
    assert station.ask("POST", "/v1/tokens", asked, token=operator).said == (503, code)

    note = Note.decode(station.ask("GET", "/log/checkpoint", region=THERE).body)
    own_line = Note(note.text, note.signatures[:1]).encode()
    there = Checkpoint.decode(note.text).size
    known = status["logs"][station.origin(THERE)]["witnessed_size"]
    tree = served_tree(lambda path: station.ask("GET", path, region=THERE).body, there)
    for old in {known, there}:
        proof = prove_consistency(old, there, tree)
        answer = station.ask_as_peer(
            "POST", "/c2sp/add-checkpoint", encode_add_checkpoint(old, proof, own_line)
        )
        # Where it stands it may say, but it signs nothing.
        wanted = {503} if old == known else {409, 503}
        assert answer.status in wanted, answer
        assert code.encode() in answer.body or answer.status == 409
    answer = station.ask_as_peer("POST", "/peer/lines", own_line)
    assert answer.status in {409, 503}, answer
    newest = station.ask_as_peer("GET", f"/peer/newest/{origin_hash(station.origin(THERE))}")
    assert newest.status in {200, 404, 503}

    assert station.status()["size"] == size == station.size()
    town.check_log()
    assert station.ask("GET", f"/entries/{size - 1}").status == 200
    query = f"/v1/check?window={town.desk.window}&right=intake&item={town.desk.item}"
    assert station.ask("GET", query, token=town.token).status == 200
    assert station.ask("GET", f"/v1/objects/{town.desk.window}", token=town.token).status == 200
    assert station.ask("GET", "/v1/entries/3/proof").status == 200


def test_a_node_behind_its_fence_reads_and_writes_nothing_until_its_records_are_back(
    town: Town,
) -> None:
    kept, home = keep(town), town.station.home(HERE)
    newest = home / "newest"
    shutil.copytree(home / "data", newest)
    put_back_database(town, kept)
    before = stored(home / "data")
    for _ in range(2):  # a second start forgives no more than the first
        town.station.start(HERE)
        check_writes_nothing(town, "behind-fence")
        town.station.stop(HERE)
    assert stored(home / "data")[1:] == before[1:]
    shutil.rmtree(home / "data")
    shutil.copytree(newest, home / "data")
    town.station.start(HERE)
    assert town.station.status()["state"] == "serving"
    assert town.act().status == 201


def test_a_missing_or_a_broken_fence_counts_as_behind(town: Town) -> None:
    fence = town.station.home(HERE) / "keys" / "fence"
    town.station.stop(HERE)
    good = fence.read_bytes()
    for broken in (None, b"", bytes(8_192), good.replace(good[:8], b"12345678")):
        fence.unlink()
        if broken is not None:
            fence.write_bytes(broken)
        town.station.start(HERE)
        assert town.station.status()["state"] == "behind-fence"
        assert town.act().said == (503, "behind-fence")
        town.station.stop(HERE)
    town.station.start(HERE)
    check_writes_nothing(town, "behind-fence")
    town.station.stop(HERE)
    fence.write_bytes(good)
    town.station.start(HERE)
    assert town.act().status == 201


def test_a_node_restored_with_its_fence_is_told_by_its_witnesses(town: Town) -> None:
    kept, home = keep(town), town.station.home(HERE)
    put_back_database(town, kept)
    shutil.copy(kept / "fence", home / "keys" / "fence")
    town.station.start(HERE)
    until(lambda: town.station.status()["state"] != "serving", "nobody tells it")
    check_writes_nothing(town, "behind-witnesses")
    town.station.stop(HERE)
    # Once told, it knows without being told again.
    town.station.stop(THERE)
    town.station.start(HERE)
    assert town.station.status()["state"] == "behind-witnesses"
    assert town.act().said == (503, "behind-witnesses")


def test_an_altered_entry_is_found_at_the_start(town: Town) -> None:
    home = town.station.home(HERE)
    town.station.stop(HERE)
    database = sqlite3.connect(home / "data" / "node.db")
    with database:
        ((key, entry),) = database.execute(
            "SELECT key, entry FROM entries WHERE key & 0xffffffffff = 5 ORDER BY key LIMIT 1"
        )
        database.execute("UPDATE entries SET entry = ? WHERE key = ?", (entry[:-1] + b"x", key))
    database.close()
    town.station.start(HERE)
    status = town.station.status()
    assert status["state"] != "serving"
    assert "5" in status["detail"]
    assert town.act().said == (503, status["state"])
