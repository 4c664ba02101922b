"""Commands as the pages give them, and how to run them."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND_S_MAX = 60


def commands(page: str, heading: str) -> list[str]:
    """Return the commands that a page gives under a heading."""
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
