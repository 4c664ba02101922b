"""What is metered of processes, those that end meanwhile included."""

import subprocess
import sys

from loadtests.machine import ELSEWHERE, Meter

_BUSY = "import sys; sum(range(300_000)); print(flush=True); sys.stdin.read()"


def test_of_a_process_that_ends_is_told_what_was_seen_of_it_and_then_nothing_more() -> None:
    meter = Meter()
    with subprocess.Popen(
        [sys.executable, "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        meter.watch("it", process.pid)
        meter.begin()
        process.stdout.readline()
        assert meter.look() == []
        process.kill()
        process.wait()
        used, ended, _ = meter.end()
    assert ended == ["it"]
    assert used["it"]["memory_bytes"] > 0
    assert used["it"]["cpu_s"] >= 0
    meter.begin()
    used, ended, _ = meter.end()
    assert ended == []
    assert set(used) == {ELSEWHERE}


def test_a_process_that_has_gone_before_it_is_watched_is_none() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    meter = Meter()
    meter.watch("it", process.pid)
    meter.begin()
    assert set(meter.end().used) == {ELSEWHERE}
