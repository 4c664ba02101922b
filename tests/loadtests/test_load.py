"""One tiny load test of a real node, from founding it to the report."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nodes.cli.demo.free_ports import free_ports

ROOT = Path(__file__).parents[2]


@pytest.mark.process
def test_a_tiny_run_ends_with_a_report_in_which_receipts_and_proofs_hold(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "loadtests.load", "--shape", "steady", "--regions", "1"]
    command += ["--seconds", "2.5", "--rate", "20", "--clients", "1", "--output", str(tmp_path)]
    command += ["--base-port", str(free_ports(2)[0])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=150, check=False)
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
