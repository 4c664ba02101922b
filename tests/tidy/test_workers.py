"""Tests that forks share out are all run, once, and whatever becomes of one of them is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CONFTEST = """
import os, pytest
from tests.workers import bundles_of, run_in_forks

def pytest_runtestloop(session):
    run_in_forks(session, bundles_of(session.items, lambda item: str(item.path)), 2)
    return True

@pytest.fixture(scope="session")
def mine(tmp_path_factory):
    yield tmp_path_factory.mktemp("mine")
    with open("ended", "a") as file:
        file.write(f"{os.getpid()} ")
"""

SOUND = """
import os
import pytest

RUN = os.getpid()

@pytest.mark.parametrize("at", range(5))
def test_it_is_run_by_a_fork(at, mine):
    print("said in {name}")
    assert os.getpid() != RUN
    with open("run", "a") as file:
        file.write("{name}%d " % at)
"""

WRONG = """
import time

def test_it_is_wrong(mine):
    print("what the wrong one says")
    assert mine is None
"""

GONE = """
import os

def test_it_takes_its_worker_along():
    os._exit(0)

def test_it_is_never_run():
    pass
"""


def ran(folder: Path, *arguments: str, **files: str) -> "subprocess.CompletedProcess[str]":
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text.replace("{name}", name))
    options = ("-q", "-p", "no:cacheprovider", f"--rootdir={folder}", "-c", os.devnull)
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments, str(folder)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_test_is_run_once_and_one_that_fails_is_told_with_what_it_wrote(
    tmp_path: Path,
) -> None:
    done = ran(tmp_path, a=SOUND, b=WRONG, c=SOUND, d=SOUND)
    assert done.returncode == 1
    assert "1 failed, 15 passed" in done.stdout
    assert "test_b.py::test_it_is_wrong" in done.stdout
    assert "what the wrong one says" in done.stdout
    assert "said in" not in done.stdout
    run = (tmp_path / "run").read_text().split()
    assert sorted(run) == [f"{name}{at}" for name in "acd" for at in range(5)]
    ended = (tmp_path / "ended").read_text().split()
    assert 1 <= len(set(ended)) == len(ended) <= 2


def test_a_worker_that_ends_before_its_time_fails_the_run(tmp_path: Path) -> None:
    done = ran(tmp_path, a=SOUND, b=GONE)
    assert done.returncode != 0
    assert "a worker has ended, and 2 tests were not run" in done.stdout + done.stderr
    assert "test_it_takes_its_worker_along" in done.stdout + done.stderr


def test_no_more_is_run_than_was_asked_for_once_enough_has_failed(tmp_path: Path) -> None:
    many = SOUND.replace("range(5)", "range(2_000)")
    done = ran(tmp_path, "-x", a=WRONG, b=many)
    assert done.returncode == 1
    assert "stopping after 1 failures" in done.stdout
    assert "1 failed" in done.stdout
    run = tmp_path / "run"
    assert not run.exists() or len(run.read_text().split()) < 2_000


@pytest.mark.parametrize("count", [1, 2])
def test_a_fixture_of_a_session_is_made_once_a_worker(tmp_path: Path, count: int) -> None:
    files = dict.fromkeys("ab"[:count], SOUND)
    assert ran(tmp_path, **files).returncode == 0
    assert len((tmp_path / "ended").read_text().split()) <= count
