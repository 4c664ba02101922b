"""The stage that load tests are set on: what it measures, and what if it cannot be set."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from loadtests import stage
from loadtests.network import Network
from loadtests.stage import Stage, StageError, process_cpu_s
from nodes.cli.demo.free_ports import free_ports


class Folders(Stage):
    """A stage with folders and no keys, for programs that pretend to be nodes."""

    __slots__ = ()

    def _found(self) -> None:
        for region in self.regions:
            (self.folder / region).mkdir(parents=True)
            (self.folder / region / "operator.token").write_text("t")

    def _ports(self) -> tuple[int, ...]:
        """Nobody listens."""
        return ()


def test_where_one_node_does_not_start_none_is_left_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import sys, time; '/b/' in sys.argv[-1] and sys.exit('unwell'); time.sleep(99)"
    monkeypatch.setattr(stage, "_command", lambda: [sys.executable, "-c", program])
    made = Folders(tmp_path, ("b", "a"), 0)
    with pytest.raises(StageError, match="unwell"), made:
        pytest.fail("one of two is not there")
    assert {process.poll() is None for process in made.processes.values()} == {False}


def test_what_a_node_says_that_does_not_start_is_told_wherever_it_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(Folders):
        __slots__ = ()

        def log_of(self, region: str) -> Path:
            return self.folder / region / "node0.log"

    monkeypatch.setattr(stage, "_command", lambda: [sys.executable, "-c", "exit('unwell')"])
    with pytest.raises(StageError, match="unwell"), Other(tmp_path, ("b",), 0):
        pytest.fail("it is not there")


def test_a_taken_port_is_told_before_anything_is_founded(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(StageError, match=f"port {port} is taken"),
            Stage(tmp_path / "network", ("510000",), port),
        ):
            pytest.fail("somebody else answers there")
    assert not (tmp_path / "network").exists()


def test_where_links_can_be_cut_the_ports_of_the_relays_are_looked_at_as_well(
    tmp_path: Path,
) -> None:
    base_port = free_ports(6)[0]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base_port + 5))
        taken.listen()
        network = Network(tmp_path / "network", ("510000", "500000"), base_port, can_cut=True)
        with pytest.raises(StageError, match=f"port {base_port + 5} is taken"), network:
            pytest.fail("nothing could be carried between them")
    assert not (tmp_path / "network").exists()


def test_the_processor_time_of_a_process_is_what_it_says_of_itself() -> None:
    before_s = time.process_time()
    told_s = process_cpu_s(os.getpid())
    assert before_s <= told_s + 0.02
    assert told_s <= time.process_time() + 0.02
