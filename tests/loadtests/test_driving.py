"""What is told of a load that ended before it was through."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.driving import Told, last_error
from loadtests.stage import StageError


def test_the_last_error_of_a_log_is_told_with_where_it_stands(tmp_path: Path) -> None:
    log = tmp_path / "locust.log"
    log.write_text(
        "a warning\nValueError: first\n\nOSError: [Errno 28] No space left\nType  Name\n"
    )
    assert last_error(log) == "OSError: [Errno 28] No space left (locust.log)"
    log.write_text("[2026] WARNING: nothing of that kind\n")
    assert last_error(log) == ""


def test_what_was_told_before_the_load_ended_is_heard_and_then_how_it_ended(tmp_path: Path) -> None:
    events = tmp_path / "events"
    events.write_text('{"event": "begin"}\n{"event": "tick"}\n')
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        process.wait()
        heard = []
        told = iter(Told(events, process))
        heard.append(next(told)["event"])
        heard.append(next(told)["event"])
        with pytest.raises(StageError, match="ended with status 3 before it was through"):
            next(told)
    assert heard == ["begin", "tick"]


def test_a_load_that_says_nothing_is_given_up_unless_somebody_is_waited_for(tmp_path: Path) -> None:
    events = tmp_path / "events"
    events.touch()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with pytest.raises(StageError, match="said nothing for 0 s"):
            list(Told(events, process, 0.01))
        process.kill()
