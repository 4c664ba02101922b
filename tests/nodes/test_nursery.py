"""Nodes that are forked are processes like any other, and how each of them ends is known."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.errors import UnavailableError
from nodes.cli import nursery
from nodes.cli.nursery import Born, begin
from tests.nodes.waiting import until

pytestmark = pytest.mark.process

Beginning = Callable[..., Born]


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


@pytest.fixture
def beginning(said: Path) -> Iterator[Beginning]:
    """Begins commands whose output goes to a file, and ends what a test has left."""
    begun: list[Born] = []

    def begin_here(*arguments: str, **environment: str) -> Born:
        with said.open("ab") as file:
            made = begin(
                arguments,
                stdout=file.fileno(),
                stderr=file.fileno(),
                environment={**os.environ, **environment},
                name="shouxin 一二三四五",
            )
        begun.append(made)
        return made

    yield begin_here
    for it in begun:
        it.kill()
        it.wait()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("--version",), 0), (("no-such-command",), 2), (("fsck", "/nonexistent"), 4)],
)
def test_a_forked_command_ends_with_its_own_status(
    beginning: Beginning, said: Path, arguments: tuple[str, ...], status: int
) -> None:
    made = beginning(*arguments)
    assert made.wait(30) == status
    assert made.returncode == made.poll() == status
    assert b"shouxin" in said.read_bytes()


@pytest.fixture
def waiting(tmp_path: Path, beginning: Beginning) -> Born:
    """A command that reads a named pipe which nobody writes to."""
    os.mkfifo(tmp_path / "never")
    return beginning("node", "run", "--config", str(tmp_path / "never"))


def test_a_forked_process_has_a_session_of_its_own(waiting: Born) -> None:
    until(lambda: os.getsid(waiting.pid) == waiting.pid)
    assert waiting.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_is_known_which_signal_ended_a_forked_process(waiting: Born, number: int) -> None:
    # Only then has it begun to do what it was begun for.
    until(lambda: os.getsid(waiting.pid) == waiting.pid)
    waiting.send_signal(number)
    assert waiting.wait(30) == -number
    waiting.send_signal(number)
    assert waiting.stdin.closed


def test_a_signal_to_one_that_has_ended_takes_its_end_from_nobody_who_watches(
    waiting: Born,
) -> None:
    until(lambda: os.getsid(waiting.pid) == waiting.pid)
    waiting.kill()
    assert select.select([waiting.fileno()], [], [], 30)[0]
    waiting.send_signal(signal.SIGTERM)
    assert select.select([waiting.fileno()], [], [], 0)[0]
    assert waiting.poll() == -signal.SIGKILL


def test_what_one_was_given_no_other_sees(beginning: Beginning, said: Path, tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("")
    run = ("node", "run", "--config", str(tmp_path / "node.toml"))
    assert beginning(*run, SHOUXIN_NODE_REGION="510000").wait(30) == 2
    assert b"node.region" not in said.read_bytes()
    assert beginning(*run).wait(30) == 2
    assert b"node.region" in said.read_bytes()


def test_a_forked_process_holds_nothing_open_that_is_the_nurserys(
    beginning: Beginning, waiting: Born
) -> None:
    other = beginning("--version")
    assert other.wait(30) == 0
    descriptors = {path.readlink().name for path in Path(f"/proc/{waiting.pid}/fd").iterdir()}
    assert not any(it.startswith("socket:") for it in descriptors)
    assert len(descriptors) <= 4


def test_where_the_nursery_has_ended_nothing_starts_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, beginning: Beginning
) -> None:
    made = nursery._Nursery()
    monkeypatch.setattr(nursery, "_nursery", lambda _ours: made)
    made._process.kill()
    made._process.wait()
    with pytest.raises(UnavailableError) as refused:
        beginning("--version")
    assert refused.value.code == "no-start"
    made._close()
