"""A whole node on PostgreSQL: its server goes away and comes back, and a standby takes over."""

import contextlib
import itertools
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Connection, RootTransaction

from ledger.checkpoint import Checkpoint
from ledger.encoding import decode, encode
from ledger.errors import UnavailableError
from ledger.hashing import hash_leaf
from ledger.note import Note, check_signed, checkpoint_of
from ledger.signed_roster import SignedRoster, check_genesis
from loadtests.stage import START_S_MAX, Stage, StageError
from nodes.cli.demo.free_ports import free_ports
from nodes.cli.fsck import check_folder
from nodes.cli.repair import repair_folder
from nodes.node import Node
from nodes.store.postgresql import LostCommitError
from tests.nodes.durable import CBOR, ForkedStage, Load, free_base_port, read_entries, roots_at
from tests.nodes.postgres import Cluster, end_writer, put_on
from tests.nodes.stage import HERE, THERE, Station, open_desk, station
from tests.nodes.waiting import until

KILLS = 3
TAKEOVER_S_MAX = 8.0


@pytest.fixture
def on_server(own_cluster: Cluster, tmp_path: Path) -> Iterator[Station]:
    with station(tmp_path, 2) as made:
        put_on(made.home(HERE), own_cluster.new_database())
        made.start(HERE, THERE)
        yield made


def act(station: Station, name: str) -> int:
    asked = {"kind": "party.enrol", "subject": f"{HERE}/department/{name}", "body": {"name": "局"}}
    token = station.founded.tokens[HERE]
    return station.ask("POST", "/v1/acts", json.dumps(asked).encode(), token=token).status


def leaves_of(station: Station) -> list[bytes]:
    def fetch(path: str) -> bytes:
        return station.ask("GET", path).body

    head = checkpoint_of(fetch("/log/checkpoint"))
    leaves = [hash_leaf(entry) for entry in read_entries(fetch, head.size)]
    assert roots_at(leaves, {head.size}) == {head.size: head.root}
    return leaves


def test_a_node_on_postgresql_does_what_a_node_does(on_server: Station) -> None:
    desk = open_desk(on_server)
    window = {"party": desk.officer, "role": "window"}
    token = on_server.call(HERE, "POST", "/v1/tokens", window)["token"]
    now_s = on_server.clock.now_s()
    batch = [desk.open_case(f"p{at}", now_s).entry for at in range(300)]
    answer = on_server.ask("POST", "/v1/ingest", encode(batch), token=token, Content_Type=CBOR)
    results = decode(answer.body)["results"]
    assert [result[0] for result in results] == [0] * 300
    again = on_server.ask("POST", "/v1/ingest", encode(batch), token=token, Content_Type=CBOR)
    assert decode(again.body)["results"] == results
    query = f"/v1/check?window={desk.window}&right=intake&item={desk.item}"
    assert on_server.ask("GET", query, token=token).json()["allowed"] == "yes"
    last = on_server.act(
        HERE, "party.enrol", f"{HERE}/department/z", {"name": "末局"}, wait="replicated"
    )
    assert last["finality"] == "replicated"
    leaves = leaves_of(on_server)
    on_server.stop(HERE)
    on_server.start(HERE)
    until(lambda: on_server.status()["state"] == "serving")
    assert leaves_of(on_server)[: len(leaves)] == leaves
    checked = on_server.run(check_folder(on_server.home(HERE), None, None))
    assert on_server.origin(HERE) in {it.report.origin for it in checked}
    assert all(it.is_sound for it in checked)
    with pytest.raises(UnavailableError):
        on_server.run(repair_folder(on_server.home(HERE)))


def test_a_node_answers_503_while_its_server_is_away_and_then_goes_on(
    on_server: Station, own_cluster: Cluster
) -> None:
    assert act(on_server, "before") == 201
    for mode in ("fast", "immediate"):
        leaves = leaves_of(on_server)
        size = len(leaves)
        own_cluster.stop(mode)
        assert act(on_server, f"{mode}-away") == 503
        assert on_server.ask("GET", f"/entries/{size - 1}").status == 503
        assert on_server.ask("GET", "/v1/ping").status == 204
        assert on_server.status()["size"] == size
        own_cluster.start()
        tries = itertools.count()
        until(lambda: act(on_server, f"{mode}-{next(tries)}") == 201)  # noqa: B023 - called at once
        assert on_server.ask("GET", f"/entries/{size - 1}").status == 200
        assert leaves_of(on_server)[:size] == leaves
        assert on_server.status()["state"] == "serving"


def test_a_server_that_comes_back_as_an_older_copy_is_written_to_no_more(
    on_server: Station, own_cluster: Cluster
) -> None:
    assert act(on_server, "before") == 201
    own_cluster.stop()
    old = own_cluster.folder / "old"
    shutil.copytree(own_cluster.folder / "data", old)
    subprocess.run(["chown", "-R", "--reference=data", "old"], cwd=own_cluster.folder, check=True)
    own_cluster.start()
    tries = itertools.count()
    until(lambda: act(on_server, f"shown{next(tries)}") == 201)
    own_cluster.stop()
    shutil.rmtree(own_cluster.folder / "data")
    old.rename(own_cluster.folder / "data")
    own_cluster.start()
    until(lambda: on_server.status()["state"] == "behind-fence")
    assert act(on_server, "after") == 503


# ---- a standby -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Pair(ForkedStage):
    """Two regions, of which the first has two processes on one database."""

    url: str = ""
    ports: list[tuple[int, int]] = field(default_factory=list)
    turn: Iterator[int] = field(default_factory=lambda: itertools.cycle((0, 1)))

    def port(self, region: str) -> int:
        # Every caller asks the two in turn: whoever stands by says so.
        return Stage.port(self, region) if region != HERE else self.ports[next(self.turn)][0]

    def start(self, region: str) -> None:
        if region != HERE:
            Stage.start(self, region)
            return
        put_on(self.folder / HERE, self.url)
        base = Stage.port(self, HERE)
        spare = free_ports(2)
        self.ports = [(base, base + 1), (spare[0], spare[1])]
        for number in (0, 1):
            self.start_one(number)
        self.processes[HERE] = self.processes["0"]

    def log_of(self, region: str) -> Path:
        # The first of the two is the one that is waited for.
        return Stage.log_of(self, region) if region != HERE else self._log(0)

    def _log(self, number: int) -> Path:
        return self.folder / HERE / f"node{number}.log"

    def start_one(self, number: int) -> None:
        public, peer = self.ports[number]
        environment = {
            "SHOUXIN_LISTEN_PUBLIC_PORT": str(public),
            "SHOUXIN_LISTEN_PEER_PORT": str(peer),
        }
        self.processes[str(number)] = self._begin(HERE, self._log(number), environment)

    def state(self, number: int) -> str:
        """What one of the two says that it does; empty where it says nothing."""
        kept, self.turn = self.turn, itertools.repeat(number)
        try:
            return str(self.call(HERE, "GET", "/v1/status")["state"])
        except (OSError, StageError):
            return ""
        finally:
            self.turn = kept

    def stands_by(self, number: int) -> bool:
        """Whether one of the two does; it fails where that one has ended."""
        assert self.processes[str(number)].poll() is None
        return self.state(number) == "standby"

    def act(self, *arguments: object, **named: object) -> dict[str, object]:  # type: ignore[override]
        return again(lambda: Stage.act(self, *arguments, **named))  # type: ignore[arg-type]

    def call_again(self, *arguments: object) -> object:
        return again(lambda: Stage.call(self, *arguments))  # type: ignore[arg-type]


def again(work: Callable[[], dict[str, object]], timeout_s: float = 20.0) -> dict[str, object]:
    """Ask until somebody answers who can."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return work()
        except (OSError, StageError) as error:
            if time.monotonic() > deadline or not (
                isinstance(error, OSError) or " 503 " in str(error)
            ):
                raise
            time.sleep(0.05)


def test_a_commit_that_happened_though_nobody_was_told_stands(
    on_server: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert act(on_server, "before") == 201
    size = on_server.size()
    honest = Node._commit_now
    left = iter([True])

    def commit_now(node: Node, connection: Connection, transaction: RootTransaction) -> None:
        honest(node, connection, transaction)
        if node is on_server.nodes[HERE].service.node and next(left, False):
            raise LostCommitError("the session ended inside a commit")

    with monkeypatch.context() as patched:
        patched.setattr(Node, "_commit_now", commit_now)
        asked = {"kind": "party.enrol", "subject": f"{HERE}/department/x", "body": {"name": "局"}}
        token = on_server.founded.tokens[HERE]
        answer = on_server.ask("POST", "/v1/acts", json.dumps(asked).encode(), token=token)
        until(lambda: next(left, None) is None)
    if answer.status != 201:  # the step may have been another one's
        assert answer.said == (500, "unknown-outcome")
    until(lambda: act(on_server, "x") == 403)
    assert on_server.size() > size
    assert act(on_server, "after") == 201
    assert len(leaves_of(on_server)) == on_server.size()


@pytest.mark.process
def test_a_standby_takes_over_within_seconds_and_has_all_that_was_acknowledged(
    tmp_path: Path, cluster: Cluster
) -> None:
    stage = Pair(tmp_path / "network", (HERE, THERE), free_base_port(4), url=cluster.new_database())
    with contextlib.ExitStack() as stack:
        stack.callback(stage.__exit__, None, None, None)
        stage.__enter__()
        until(
            lambda: sorted(map(stage.state, (0, 1))) == ["serving", "standby"],
            wait_s=2 * START_S_MAX,
        )
        writes = [stage.state(0), stage.state(1)].index("serving")
        stage.turn = itertools.repeat(writes)
        desk = open_desk(stage)
        stage.turn = itertools.cycle((0, 1))
        roster = check_genesis(
            SignedRoster.decode((stage.folder / HERE / "genesis.roster").read_bytes())
        )
        with Load(stage, roster, desk) as load:
            for _ in range(KILLS):
                time.sleep(1.0)
                acknowledged = dict(load.known)
                stage.processes[str(writes)].send_signal(signal.SIGKILL)
                stage.processes[str(writes)].wait()
                other = 1 - writes
                until(
                    lambda other=other: stage.state(other) == "serving",
                    "nobody takes over",
                    wait_s=TAKEOVER_S_MAX,
                )
                port = stage.ports[other][0]
                leaves = read_leaves(stage, port, roster, desk.origin)
                for leaf, index in acknowledged.items():
                    assert leaves[index] == leaf
                stage.start_one(writes)
                until(lambda dead=writes: stage.stands_by(dead), wait_s=START_S_MAX)
                # Whoever stands by shows the same log.
                shown = read_leaves(stage, stage.ports[writes][0], roster, desk.origin)
                assert shown[: len(leaves)] == leaves
                writes = other
            time.sleep(0.5)
        assert not load.trouble, load.trouble[:5]
        assert len(load.known) > 100 * KILLS, load.answers
        leaves = read_leaves(stage, stage.ports[writes][0], roster, desk.origin)
        for leaf, index in load.known.items():
            assert leaves[index] == leaf
        final = stage.act(
            HERE, "party.enrol", f"{HERE}/department/z", {"name": "末局"}, wait="replicated"
        )
        assert final["finality"] == "replicated"
        # A session that ends under a living writer: the other one writes, this one stops.
        end_writer(cluster, stage.url)
        until(lambda: stage.processes[str(writes)].poll() is not None)
        assert stage.processes[str(writes)].returncode == 70
        assert stage.state(1 - writes) == "serving"
        stage.act(HERE, "party.enrol", f"{HERE}/department/y", {"name": "续局"})


def read_leaves(stage: Pair, port: int, roster: object, origin: str) -> list[bytes]:
    """The leaves of the log as one of the processes serves it, under a note that holds."""
    number = [public for public, _ in stage.ports].index(port)
    kept, stage.turn = stage.turn, itertools.repeat(number)
    try:
        note = Note.decode(stage.fetch(HERE, "/log/checkpoint"))
        check_signed(note, [roster.log_key(origin)])  # type: ignore[attr-defined]
        head = Checkpoint.decode(note.text)
        entries = read_entries(lambda path: stage.fetch(HERE, path), head.size)
    finally:
        stage.turn = kept
    leaves = [hash_leaf(entry) for entry in entries]
    assert roots_at(leaves, {head.size}) == {head.size: head.root}
    return leaves
