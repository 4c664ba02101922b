"""Environments of their own for other people's packages, which cannot stand beside ours."""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def environment(name: str, against: str, python: str = sys.executable) -> Path:
    """Return the interpreter of an environment below ``build/``, made by whoever comes first.

    Its packages are pinned by hash in ``NAME.txt`` beside this file. Ours installs them, so that it
    needs no pip of its own.
    """
    packages, folder = HERE / f"{name}.txt", HERE.parent.parent / "build" / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(packages.read_bytes() + python.encode()).hexdigest()
    made, mark = folder / "venv" / "bin" / "python", folder / "installed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.exists() and mark.read_text() == wanted:
            return made
        pip = [sys.executable, "-m", "pip", "--python", str(made), "install", "--quiet"]
        options = ("--disable-pip-version-check", "--require-hashes", "--no-deps", "--no-compile")
        for command in (
            [python, "-m", "venv", "--clear", "--without-pip", str(folder / "venv")],
            [*pip, *options, "-r", str(packages)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"NOT CHECKED against {against}: {done.stderr.strip()[-300:]}")
        mark.write_text(wanted)
    return made
