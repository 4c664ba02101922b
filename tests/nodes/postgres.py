"""A real PostgreSQL server of the tests' own, in a folder of its own, on loopback."""

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from nodes.cli.demo.free_ports import free_ports

_INSTALLED = "/usr/lib/postgresql"
_SERVER_USER = "postgres"


def find_binaries() -> Path | None:
    """The folder of the newest server's programs; None where there is none."""
    found = [path for path in Path(_INSTALLED).glob("*/bin") if (path / "initdb").exists()]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).resolve().parent


@dataclass
class Cluster:
    """A server that can be stopped, killed and started again; every test has its own database."""

    folder: Path
    binaries: Path
    port: int
    _numbers: Iterator[int] = field(default_factory=count)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self.run(self.binaries / "pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """``fast`` ends sessions in good order, ``immediate`` as a crash does."""
        self.run(self.binaries / "pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def new_database(self) -> str:
        """URL of an empty database."""
        name = f"node{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{_SERVER_USER}@127.0.0.1:{self.port}/{name}"

    def execute(self, command: str, database: str) -> list[tuple[object, ...]]:
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.execute(text(command))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    def run(self, program: str | Path, *arguments: str | Path) -> None:
        """Run a program as the server's user, in its folder."""
        # The server refuses to run as root.
        user = _SERVER_USER if os.geteuid() == 0 else None
        done = subprocess.run(
            [program, *arguments],
            cwd=self.folder,
            user=user,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, (program, done.stderr)


def _can_run() -> str:
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(_SERVER_USER)
        except KeyError:
            return f"there is no user {_SERVER_USER}, and the server does not run as root"
    return ""


@functools.cache
def _empty(binaries: Path) -> Path:
    """A server that has just been made, to be copied: making one takes a second and more."""
    folder = Path(tempfile.mkdtemp(prefix="shouxin-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if os.geteuid() == 0:
        shutil.chown(folder, _SERVER_USER)
    made = Cluster(folder, binaries, 0)
    options = ("-A", "trust", "-U", _SERVER_USER, "-E", "UTF8", "--locale=C.UTF-8")
    made.run(binaries / "initdb", "-D", "data", *options)
    return folder / "data"


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Make a server and run it; skips the test where none is installed."""
    pytest.importorskip("psycopg", reason="NOT TESTED: PostgreSQL; the driver is not installed")
    binaries = find_binaries()
    why = "no server is installed" if binaries is None else _can_run()
    if binaries is None or why:
        pytest.skip(f"NOT TESTED: PostgreSQL; {why} (apt-get install postgresql)")
    # Not below pytest's folder, which other users may not enter.
    folder = Path(tempfile.mkdtemp(prefix="shouxin-"))
    (port,) = free_ports(1)
    made = Cluster(folder, binaries, port)
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _SERVER_USER)
        made.run("cp", "-a", _empty(binaries), "data")
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(AssertionError):
                made.stop("immediate")
    finally:
        shutil.rmtree(folder)


def end_writer(cluster: Cluster, url: str) -> None:
    """End the session of whoever writes, as a server does that loses its client."""
    command = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    cluster.execute(command, url.rpartition("/")[2])


def put_on(home: Path, url: str) -> None:
    """Have the node of a folder use a PostgreSQL database."""
    config = home / "node.toml"
    text = config.read_text()
    assert text.count("[node]\n") == 1
    config.write_text(text.replace("[node]\n", f'[node]\ndatabase_url = "{url}"\n'))
