"""The main job: the story runs on real processes, and what it claims is what its facts say."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nodes.cli.demo.free_ports import free_ports
from tests.nodes.waiting import until
from tests.nodes.walk import COMMAND_S_MAX, ROOT, commands, shouxin

pytestmark = pytest.mark.process

REGIONS = {"500000", "510000", "520000", "530000", "540000"}
STAYS = "The nodes stay up."


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one run of the README's demo.

    Args:
        answers: What each command of the README's walk printed beside the running nodes.
        bundle_bytes: Size of the bundle that the walk exported.
    """

    status: int
    lines: list[str]
    answers: dict[str, str]
    bundle_bytes: int


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run the README's demo with few cases, and its walk beside the nodes that stay up."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "build").mkdir()
    walk = commands("README.md", "## From clone to a verified case in five minutes")
    [demo] = [it for it in walk if it.startswith("make demo")]
    arguments = shlex.split(demo.split("ARGS=", 1)[1].strip('"'))
    with subprocess.Popen(
        [sys.executable, "-m", "nodes.cli", "demo", *arguments, "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if STAYS in line:
                break
        assert STAYS in lines[-1], "".join(lines)
        try:
            answers = _walk(walk, folder)
        finally:
            process.send_signal(signal.SIGINT)
        lines += process.stdout
        status = process.wait(COMMAND_S_MAX)
    return Told(status, lines, answers, (folder / "build" / "case.bundle").stat().st_size)


def _walk(walk: list[str], folder: Path) -> dict[str, str]:
    exports = [it.removeprefix("export ") for it in walk if it.startswith("export ")]
    exported = dict(it.split("=", 1) for it in exports)
    asked = [it for it in walk if it.startswith("shouxin ")]
    return {it.split()[1]: shouxin(it, folder, exported) for it in asked}


@pytest.fixture(scope="module")
def facts(told: Told) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told.lines[-1])
    return found


def test_every_expectation_holds(told: Told, facts: dict[str, Any]) -> None:
    failed = [it for it in facts["expectations"] if not it["held"]]
    assert failed == []
    assert facts["broken"] == ""
    assert facts["held"] is True
    assert told.status == 0
    assert len(facts["expectations"]) >= 35


def test_each_command_of_the_walk_does_what_it_says(told: Told) -> None:
    assert len(told.answers) >= 6
    assert "Sichuan" in told.answers["trace"]
    assert "540000/grant/" in told.answers["trace"]
    assert told.answers["verify"]
    assert told.bundle_bytes > 10_000


def test_a_case_ends_with_sealed_papers_that_verify_and_are_counted(facts: dict[str, Any]) -> None:
    held = {it["name"] for it in facts["expectations"] if it["held"]}
    claims = ("approval", "valid", "recorded", "changed", "link", "counted")
    assert {f"papers.{claim}" for claim in claims} <= held


def test_a_paper_comes_along_and_is_destroyed_and_the_proof_stays(facts: dict[str, Any]) -> None:
    held = {it["name"] for it in facts["expectations"] if it["held"]}
    assert {f"vault.{claim}" for claim in ("read", "refused", "told", "gone", "proven")} <= held


def test_all_nodes_hold_the_same_five_logs(facts: dict[str, Any]) -> None:
    assert facts["regions"].keys() == REGIONS
    for region in facts["regions"].values():
        assert region["seen_by"].keys() == REGIONS
        assert {(it["size"], it["root"]) for it in region["seen_by"].values()} == {
            (region["size"], region["root"])
        }


def test_only_the_node_that_lost_its_database_rests(facts: dict[str, Any]) -> None:
    resting = {code for code, region in facts["regions"].items() if region["resting"]}
    assert resting == {"500000"}
    assert {region["state"] for region in facts["regions"].values()} == {"serving"}


def test_each_refusal_names_its_rule(facts: dict[str, Any]) -> None:
    assert [it["code"] for it in facts["refusals"]] == [
        "window-not-granted",
        "no-grant",
        "extra-material",
        "decision-stays",
        "personal-data",
        "grant-not-live",
    ]


def test_the_bundle_verifies_and_a_changed_byte_does_not(facts: dict[str, Any]) -> None:
    bundle = facts["verdicts"]["bundle"]
    assert (bundle["status"], bundle["verified"], bundle["stage"]) == (0, True, "closed")
    assert all(size > 0 for size in bundle["as_of"].values())
    assert facts["verdicts"]["changed_byte"] == {"status": 1, "step": "inclusion"}


def test_the_altered_entry_is_named_by_each_check(facts: dict[str, Any]) -> None:
    altered = facts["verdicts"]["altered"]
    assert altered["fsck"] == altered["mirror"] == altered["entry"]
    assert altered["state"] == altered["code"] == "behind-fence"


def test_lags_are_given_for_all_three_words(facts: dict[str, Any]) -> None:
    under_load = facts["lags_ms"]["under_load"]
    for word in ("accepted", "witnessed", "replicated"):
        assert under_load[word]["count"] > 100
        assert 0 < under_load[word]["p50"] <= under_load[word]["p95"]
    one_at_a_time = facts["lags_ms"]["one_at_a_time"]
    assert all(one_at_a_time[word]["count"] > 0 for word in ("accepted", "witnessed", "replicated"))


def test_the_story_leaves_no_process_behind(told: Told) -> None:
    listed = [line for line in told.lines if "http://127.0.0.1:" in line][:5]
    assert len(listed) == 5
    for line in listed:
        words = line.split()
        process = int(words[words.index(next(w for w in words if w.startswith("http"))) + 1])
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_nodes_end_with_whoever_started_them_however_that_ends(tmp_path: Path) -> None:
    [base, *_] = free_ports(3)
    shouxin = [sys.executable, "-m", "nodes.cli", "network"]
    subprocess.run(
        [*shouxin, "init", str(tmp_path / "net"), "--regions", "530000", "--base-port", str(base)],
        check=True,
        capture_output=True,
    )
    with subprocess.Popen(
        [*shouxin, "up", str(tmp_path / "net")], stdout=subprocess.PIPE, text=True
    ) as up:
        assert up.stdout is not None
        assert "listening http://127.0.0.1:" in up.stdout.readline()
        up.kill()

    def gone() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", listening_port(tmp_path))) != 0

    until(gone, "the node outlives the command that started it")


def listening_port(folder: Path) -> int:
    config = tomllib.loads((folder / "net" / "530000" / "node.toml").read_text())
    port: int = config["listen"]["public_port"]
    return port
