"""Settings every test shares."""

import gc
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from nodes.adapters.memory import settle_memory

# Files whose tests start processes. One worker runs them all, so that no two stand in each other's
# way, while the others run the rest.
STARTING = {
    "tests/loadtests/test_load.py",
    "tests/nodes/test_demo.py",
    "tests/nodes/test_durability.py",
    "tests/nodes/test_nursery.py",
    "tests/nodes/test_postgresql_node.py",
    "tests/nodes/test_readme.py",
    "tests/nodes/test_story.py",
}

# Of the others, those that work for long, with their seconds. What is long begins early, so that no
# worker is left alone with it at the end.
LONG = {
    "tests/simulator/test_worlds.py": 40,
    "tests/nodes/test_five.py": 30,
    "tests/simulator/test_planted_bugs.py": 22,
    "tests/nodes/test_epochs.py": 19,
    "tests/model/test_replay.py": 20,
    "tests/nodes/test_withheld.py": 18,
    "tests/nodes/test_withheld_lines.py": 16,
    "tests/nodes/test_any_bytes.py": 16,
    "tests/simulator/test_losses.py": 15,
    "tests/nodes/test_coming_back.py": 13,
    "tests/model/test_models.py": 13,
    "tests/nodes/test_views.py": 12,
    "tests/nodes/test_node.py": 9,
    "tests/nodes/test_catchup.py": 11,
    "tests/nodes/test_post_quantum.py": 11,
    "tests/nodes/test_convictions.py": 11,
    "tests/simulator/test_rosters.py": 11,
    "tests/nodes/test_roster_acts.py": 10,
    "tests/nodes/test_hostile_writers.py": 9,
    "tests/nodes/test_succession.py": 9,
    "tests/nodes/test_cli.py": 8,
    "tests/nodes/test_papers.py": 8,
    "tests/nodes/test_papers_kept.py": 8,
    "tests/nodes/test_presets.py": 8,
    "tests/seals/test_pdf.py": 8,
    "tests/ledger/test_encoding.py": 8,
    "tests/nodes/test_candidate_lines.py": 7,
    "tests/nodes/test_papers_unsigned.py": 7,
    "tests/nodes/test_roster_command.py": 7,
    "tests/nodes/test_vault.py": 7,
    "tests/simulator/test_freezing.py": 6,
    "tests/simulator/test_lies.py": 6,
}

MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps files in memory
MEMORY_BYTES_MIN = 4 << 30


def roomy(folder: Path) -> bool:
    return folder.is_dir() and shutil.disk_usage(folder).free >= MEMORY_BYTES_MIN


# What a killed process wrote the system has, wherever it puts it. So the folders of tests lie
# in memory where there is room, and no test waits for the disk of another.
if "TMPDIR" not in os.environ and roomy(MEMORY):
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None

# Nothing that is collected goes before the end, so nobody looks for what has.
gc.disable()

# No test calls anyone whom a public authority vouches for. To read the certificates of them all is
# a tenth of a node's start.
os.environ.setdefault("SSL_CERT_FILE", os.devnull)

settings.register_profile(
    "push",
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("night", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "push"))


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """Gives each worker whole files, for their fixtures; what starts processes counts as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "processes" if file in STARTING else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Share the tests out among workers."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what starts processes first, then the files that take longest or have most tests."""
    sizes = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[bool, int, int, str]:
        file = item.nodeid.partition("::")[0]
        starts = file in STARTING
        assert starts or item.get_closest_marker("process") is None, f"STARTING lacks {item.path}"
        return not starts, -LONG.get(file, 0), -sizes[item.path], str(item.path)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Go about memory as a node does: what stands by now is half a million objects, all to stay.

    With the interpreter's own thresholds a twentieth of all processor time went into looking.
    """
    gc.enable()
    settle_memory()
