"""One tiny load test of a real node, from founding it to the report."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from nodes.cli.demo.free_ports import free_ports

ROOT = Path(__file__).parents[2]


def command(folder: Path, shape: str, seconds: float) -> list[str]:
    words = [sys.executable, "-m", "loadtests.load", "--shape", shape, "--seconds", f"{seconds}"]
    words += ["--regions", "1", "--rate", "20", "--clients", "1", "--output", str(folder)]
    return [*words, "--base-port", str(free_ports(2)[0])]


@pytest.mark.process
def test_a_tiny_run_ends_with_a_report_in_which_receipts_and_proofs_hold(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path, "steady", 2.5), cwd=ROOT, capture_output=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads((tmp_path / "report.json").read_text())
    [stage] = found["stages"]
    sums, levels = stage["sums"], stage["levels"]
    assert sums["turns"] == sums["offered"] > 0
    assert sums["unanswered"] == sums.get("failed", 0) == 0
    assert levels["accepted"]["count"] == sums["turns"] - sum(
        it["count"]
        for name, it in stage["acts"].items()
        if name in {"platform: check", "auditor: trace of a case"}
    )
    # A log that nobody witnesses is never more than accepted, and still has its proof.
    assert set(levels) == {"accepted", "proven"}
    assert levels["proven"]["count"] == sums["followed"] > 0
    assert found["disk"]["bytes_an_entry_and_replica"] > 400
    assert stage["processes"]["node 510000"]["cpu_s"] > 0
    assert "<svg" in (tmp_path / "report.html").read_text()


@pytest.mark.process
def test_who_is_interrupted_or_loses_a_node_has_a_report_of_what_was_measured(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        command(tmp_path, "soak", 60), cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = ""
        while "part 1:" not in said:
            said = process.stderr.readline()
            assert said, "it ended before the first stage did"
        [node] = [it for it in psutil.Process(process.pid).children() if "node" in it.cmdline()]
        node.kill()
        process.send_signal(signal.SIGINT)
        told = " ".join(process.stderr.read().split())
        assert process.wait(60) == 2
    assert "not to its end: it was interrupted" in told
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["cut_short"] == "it was interrupted"
    [ended] = found["ended"]
    assert ended.startswith("node 510000 ended in ")
    assert ended.endswith(", status -9; its log is node-510000.log")
    assert (tmp_path / "node-510000.log").exists()
    # What was interrupted before anything of it was measured is not among them.
    assert len(found["stages"]) in {1, 2}
    assert found["stages"][-1]["stage"]["seconds"] <= 6
    assert not node.is_running()
