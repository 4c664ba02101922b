"""What a node has acknowledged stays, whatever happens to its process, its disk and its files."""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from ledger.checkpoint import Checkpoint
from ledger.encoding import decode, encode
from ledger.hashing import hash_leaf
from ledger.note import Note, check_signed, checkpoint_of
from ledger.proofs import check_consistency, prove_consistency
from ledger.signed_roster import SignedRoster, check_genesis
from nodes.core.exchange import encode_add_checkpoint, origin_hash
from tests.nodes.durable import (
    CBOR,
    COSE,
    ForkedStage,
    Load,
    check_at_rest,
    fence_of,
    free_base_port,
    read_entries,
    roots_at,
    served_tree,
    stored,
)
from tests.nodes.stage import HERE, THERE, Answer, Station, open_desk, station
from tests.nodes.waiting import until

KILLS = 6


# ---- kill -9 ------------------------------------------------------------------------------------


@pytest.mark.process
def test_kill_nine_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    seed = int(os.environ.get("SHOUXIN_TEST_SEED", "17"))
    generator = random.Random(seed)  # noqa: S311 - the moments of death
    stage = ForkedStage(tmp_path / "network", (HERE, THERE), free_base_port(4))
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
        head = checkpoint_of(self.fetch("/log/checkpoint"))
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
    enough = 2**30
    pages = [enough]
    with station(tmp_path / "network") as station_, contextlib.ExitStack() as stack:

        def limit(connection: Connection) -> None:
            if connection.engine.url.database == str(station_.database(HERE)):
                raw: Any = connection.connection.driver_connection
                raw.execute(f"PRAGMA max_page_count={pages[0]}")

        # Before any node runs: listeners may not change while one of them is called.
        event.listen(Engine, "begin", limit)
        stack.callback(event.remove, Engine, "begin", limit)
        stack.callback(station_.stop)
        station_.start(HERE, THERE)
        town = Town(station_)
        # The smallest limit that SQLite takes is the present size.
        pages[0] = 1
        for _ in range(3):
            town.act()
        # What is short may still find room on pages that are there.
        town.check_unavailable_and_back(
            "disk", lambda: pages.__setitem__(0, enough), "act", "ingest"
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
