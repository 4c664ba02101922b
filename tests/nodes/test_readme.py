"""The walks of README and operations page, run as they stand there."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.adapters.network import found_network, southwest_five
from nodes.cli.demo.free_ports import free_ports

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
SECTION = "## From clone to a verified case in five minutes"
STAYS = "The nodes stay up."
RUN = "interrupt to stop them"
COMMAND_S_MAX = 60


def commands(page: str = "README.md", heading: str = SECTION) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.split(heading, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^ *\$ (.*)$", section, re.MULTILINE)


def shouxin(command: str, folder: Path, exported: Mapping[str, str]) -> str:
    """Run a command of a page, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "nodes.cli", *shlex.split(command)[1:]],
        cwd=folder,
        env={**os.environ, **exported, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_S_MAX,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder beside a running demo, whose files lie where the README has them."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "build").mkdir()
    [demo] = [it for it in commands() if it.startswith("make demo")]
    arguments = shlex.split(demo.split("ARGS=", 1)[1].strip('"'))
    with subprocess.Popen(
        [sys.executable, "-m", "nodes.cli", "demo", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = []
        for line in process.stdout:
            told.append(line)
            if STAYS in line:
                break
        assert STAYS in told[-1], "".join(told)
        yield folder
        process.send_signal(signal.SIGINT)
        assert process.wait(COMMAND_S_MAX) == 0


def test_each_command_of_the_walk_does_what_it_says(elsewhere: Path) -> None:
    exported = dict(
        it.removeprefix("export ").split("=", 1) for it in commands() if it.startswith("export ")
    )
    asked = [it for it in commands() if it.startswith("shouxin ")]
    assert len(asked) >= 6
    answers = {it.split()[1]: shouxin(it, elsewhere, exported) for it in asked}
    assert "Sichuan" in answers["trace"]
    assert "540000/grant/" in answers["trace"]
    assert answers["verify"]
    assert (elsewhere / "build" / "case.bundle").stat().st_size > 10_000


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A folder beside a running network that is empty, at ports of its own."""
    founding = southwest_five()
    ports = free_ports(2 * len(founding.places))
    places = tuple(
        replace(place, public_port=ports.pop(), peer_port=ports.pop()) for place in founding.places
    )
    network = tmp_path / "build" / "mine"
    found_network(network, replace(founding, places=places), int(time.time()))
    with subprocess.Popen(
        [sys.executable, "-m", "nodes.cli", "network", "up", str(network)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(RUN in line for line in process.stdout)
        yield tmp_path
        process.send_signal(signal.SIGINT)
        assert process.wait(COMMAND_S_MAX) == 0


def test_the_first_acts_of_an_empty_network_lead_to_a_case(fresh: Path) -> None:
    exported: dict[str, str] = {}
    key, told = "", ""
    for command in commands("docs/operations.md", "## First acts"):
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            exported[name] = value
            continue
        told = shouxin(command.replace("=KEY ", f"={key} "), fresh, exported)
        if command.startswith("shouxin officer-key "):
            key = json.loads(told)["key"]
    assert "open a case" in told
    assert "No findings" in told
