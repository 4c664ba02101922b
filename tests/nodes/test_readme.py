"""The README's walk from a clone to a verified case, run as it stands there."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
SECTION = "## From clone to a verified case in five minutes"
STAYS = "The nodes stay up."
COMMAND_S_MAX = 60


def commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(SECTION, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\$ (.*)$", section, re.MULTILINE)


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
    environment = {**os.environ, **exported, "PYTHONPATH": str(ROOT)}
    answers = {}
    for command in asked:
        words = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", "nodes.cli", *words[1:]],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_S_MAX,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        answers[words[1]] = done.stdout
    assert "Sichuan" in answers["trace"]
    assert "540000/grant/" in answers["trace"]
    assert answers["verify"]
    assert (elsewhere / "build" / "case.bundle").stat().st_size > 10_000
