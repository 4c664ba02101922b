"""The walk of the operations page, run as it stands there; that of the README is in test_demo."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.adapters.network import found_network, southwest_five
from nodes.cli.demo.free_ports import free_ports
from tests.nodes.walk import COMMAND_S_MAX, ROOT, commands, shouxin

pytestmark = pytest.mark.process

RUN = "interrupt to stop them"


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
