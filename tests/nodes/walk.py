"""Commands as the pages give them, and how to run them."""

import contextlib
import io
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from nodes.cli.main import main

ROOT = Path(__file__).parents[2]
COMMAND_S_MAX = 60


def commands(page: str, heading: str) -> list[str]:
    """Return the commands that a page gives under a heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.split(heading, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^ *\$ (.*)$", section, re.MULTILINE)


def shouxin(command: str, folder: Path, exported: Mapping[str, str]) -> str:
    """Run a command of a page, in this process, and return what it printed."""
    said = io.StringIO()
    with (
        contextlib.chdir(folder),
        pytest.MonkeyPatch.context() as environment,
        contextlib.redirect_stdout(said),
    ):
        for name, value in exported.items():
            environment.setenv(name, value)
        status = main(shlex.split(command)[1:])
    assert status == 0, (command, said.getvalue())
    return said.getvalue()
