"""The second story: members change, a region is lost, two lie; and what it claims is what holds."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.nodes.walk import ROOT

pytestmark = pytest.mark.process

STORY_S_MAX = 420


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run it once, as anyone would, and return its facts."""
    told = subprocess.run(
        [sys.executable, "-m", "nodes.cli", "demo", "--story", "membership", "--once", "--json"],
        cwd=tmp_path_factory.mktemp("story"),
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=STORY_S_MAX,
    )
    try:
        found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        pytest.fail(told.stdout[-3_000:])
    assert (told.returncode == 0) == found["held"], told.stdout[-3_000:]
    return found


def test_every_expectation_of_the_second_story_holds(facts: dict[str, Any]) -> None:
    assert facts["broken"] == ""
    assert [it for it in facts["expectations"] if not it["held"]] == []
    assert facts["held"] is True
    assert facts["verdicts"]["traffic"]["failed"] == 0
    assert facts["verdicts"]["traffic"]["closed"] > 5


@pytest.mark.parametrize(
    ("scene", "against", "shown"), [("fork", "log", "two-roots"), ("swear", "witness", None)]
)
def test_a_lie_is_held_by_everyone_and_its_evidence_verifies_alone(
    facts: dict[str, Any], scene: str, against: str, shown: str | None
) -> None:
    lie = facts["verdicts"][scene]
    assert set(lie["convicted_at"]) == set(facts["verdicts"]["standing"])
    evidence = lie["evidence"]
    assert (evidence["status"], evidence["against"]) == (0, against)
    assert evidence["region"] == lie["region"]
    assert evidence["shown"] == (shown or "back-in-size")
    assert evidence["changed_byte"] != 0


def test_a_region_joins_in_seconds_and_proofs_from_before_hold(facts: dict[str, Any]) -> None:
    assert facts["verdicts"]["join"]["region"] == "450000"
    assert 0 < facts["verdicts"]["join"]["in_force_s"] < 90
    assert facts["verdicts"]["join"]["slowest_ms"] > 0
    assert facts["verdicts"]["join"]["entries"] > 100
    assert facts["verdicts"]["old_proof"] == {"status": 0, "stage": "closed"}
    assert facts["regions"]["450000"]["state"] == "serving"


def test_a_region_replaces_its_keys_without_a_restart(facts: dict[str, Any]) -> None:
    assert facts["verdicts"]["rotate"]["region"] == "540000"
    assert 0 < facts["verdicts"]["rotate"]["in_force_s"] < 90


def test_a_destroyed_region_comes_back_with_all_that_was_replicated_or_kept(
    facts: dict[str, Any],
) -> None:
    lost = facts["verdicts"]["ruin"]
    assert lost["cut"] >= lost["replicated"] > 0
    assert lost["successor"] == f"{lost['closed']}/2"
    assert lost["salvaged"] >= 4
    assert facts["regions"][lost["region"]]["state"] == "serving"


def test_the_models_report_is_told(facts: dict[str, Any]) -> None:
    model = facts["verdicts"]["model"]
    assert model["states"] > 10_000
    assert (model["broken"], model["killed"]) == (0, model["mutants"])
    assert model["command"] == "python -m tests.model"


def test_a_forked_log_is_cosigned_by_nobody_any_more(facts: dict[str, Any]) -> None:
    assert facts["verdicts"]["fork"]["cosigned_after"] == []
