"""One tiny load test of a real node, from founding it to the report."""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from nodes.cli.demo.free_ports import free_ports

ROOT = Path(__file__).parents[2]


def command(folder: Path, shape: str, seconds: float) -> list[str]:
    words = [sys.executable, "-m", "loadtests.load", "--shape", shape, "--seconds", f"{seconds}"]
    words += ["--regions", "1", "--rate", "20", "--clients", "1", "--output", str(folder)]
    return [*words, "--base-port", str(free_ports(2)[0])]


def quantile_ms(counts_us: dict[str, int], share: float) -> float:
    """Add them up from the least until so many are passed, as the README tells a reader to."""
    passed, wanted = 0, math.ceil(sum(counts_us.values()) * share)
    for value_us in sorted(counts_us, key=int):
        passed += counts_us[value_us]
        if passed >= wanted:
            return int(value_us) / 1e3
    raise AssertionError("there are as many as all")


def check_each_figure_from_what_it_is_made_of(found: dict[str, Any]) -> None:
    """Reckon again whatever the page tells, by the README's table of how to trace a figure."""
    for stage in found["stages"]:
        sums, seconds = stage["sums"], stage["stage"]["seconds"] - stage["stage"]["warm_s"]
        for one in (*stage["acts"].values(), *stage["levels"].values()):
            counts = one["counts_us"]
            assert one["count"] == sum(counts.values())
            for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99), ("max_ms", 1)):
                assert one[name] == quantile_ms(counts, share)
        assert stage["acts_a_second"] == pytest.approx(sums["acts"] / seconds)
        assert stage["measured"]["answered"] == pytest.approx(sums["answered"] / seconds)
        assert stage["measured"]["offered"] == pytest.approx(sums["offered"] / seconds)
        assert sums["turns"] == sum(it["count"] for it in stage["acts"].values())
        assert sums["offered"] == sums["turns"] + sums["not begun"]
        assert sums["followed"] == stage["levels"]["proven"]["count"] + sums["not proven in time"]
        assert sums["acts in all"] == sum(stage["accepted_at"].values())
        nodes_s = 0.0
        for name, used in stage["processes"].items():
            assert used["cores"] == pytest.approx(used["cpu_s"] / stage["metered_s"])
            nodes_s += used["cpu_s"] * name.startswith("node ")
        assert stage["cpu_ms_an_act"] == pytest.approx(nodes_s * 1e3 / sums["acts in all"])
    disk = found["disk"]
    assert disk["database_bytes_grown"] > 0
    grown, stored = disk["database_bytes_grown"], disk["entries_stored"]
    assert disk["bytes_an_entry_and_replica"] == pytest.approx(grown / stored)
    for region, one in found["recorded"].items():
        answered = sum(it["accepted_at"].get(region, 0) for it in found["stages"])
        assert one["accepted"] == one["in_log"] == answered
    assert sum(it["accepted"] for it in found["recorded"].values()) > 0


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
        if name.startswith(("platform: check", "auditor: trace of a case", "held back"))
    )
    # A log that nobody witnesses is never more than accepted, and still has its proof.
    assert set(levels) == {"accepted", "proven"}
    assert levels["proven"]["count"] == sums["followed"] > 0
    assert found["disk"]["bytes_an_entry_and_replica"] > 400
    assert stage["processes"]["node 510000"]["cpu_s"] > 0
    assert "<svg" in (tmp_path / "report.html").read_text()
    check_each_figure_from_what_it_is_made_of(found)


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
