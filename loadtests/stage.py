"""A network of real node processes on loopback, set up for a measurement and then taken down."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil

from ledger.keys import SigningKey
from ledger.statement import Act, Citation, Statement, sign_statement

START_S_MAX: Final = 90
START_BESIDE_S_MAX: Final = 15.0
_PROCESS_CLOCK: Final = 2
"""The clock of what a process has used, in the last bits of Linux's numbers of clocks."""
YEAR_S: Final = 365 * 86_400


class StageError(Exception):
    """The stage could not be set; the message says which call failed and how."""


@dataclass(slots=True)
class Stage:
    """Node processes of one network, each with its own folder; use as a context manager."""

    folder: Path
    regions: Sequence[str]
    base_port: int
    tokens: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        check_free(self._ports())
        self._found()
        try:
            for region in self.regions:
                self.tokens[region] = (self.folder / region / "operator.token").read_text().strip()
                self.start(region)
            for region in self.regions:
                self.wait(region)
        except BaseException:
            # Whoever is not let in is not let out either.
            self._end_all()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_all()

    def _end_all(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            _end(process)

    def _ports(self) -> Iterable[int]:
        """Return all that somebody will listen on."""
        return range(self.base_port, self.base_port + 2 * len(self.regions))

    def port(self, region: str) -> int:
        """Return the public port of a region's node."""
        return self.base_port + 2 * list(self.regions).index(region)

    def start(self, region: str) -> None:
        """Start a region's node; its log is ``node.log`` in its folder."""
        self.processes[region] = self._begin(region, self.log_of(region), {})

    def _begin(
        self, region: str, path: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Begin a process of a region's node that says what it has to say into a file.

        It ends when its standard input does, so that no node outlives us, however we end.
        """
        config = self.folder / region / "node.toml"
        with path.open("ab") as log:
            return subprocess.Popen(
                [*_command(), "node", "run", "--leash", "--config", str(config)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                # Whoever interrupts us at a terminal leaves it to us when nodes end.
                process_group=0,
            )

    def stop(self, region: str) -> None:
        """Stop a region's node, and wait until it has."""
        process = self.processes.pop(region)
        process.send_signal(signal.SIGTERM)
        _end(process)

    def kill(self, region: str) -> None:
        """End a region's node at once, as a power cut would."""
        process = self.processes.pop(region)
        process.kill()
        _end(process)

    def wait(self, region: str) -> None:
        """Wait until a region's node answers.

        Raises:
            StageError: It does not within ``START_S_MAX``, and a little for each node that may be
                starting beside it.
        """
        deadline = time.monotonic() + START_S_MAX + START_BESIDE_S_MAX * len(self.processes)
        while time.monotonic() < deadline:
            if self.processes[region].poll() is not None:
                break
            with suppress(OSError, socket.timeout, StageError):
                self.call(region, "GET", "/v1/status")
                return
            time.sleep(0.1)
        raise StageError(f"{region} did not start: {self.log_of(region).read_text()}")

    def log_of(self, region: str) -> Path:
        """Return the file that a region's node writes what it has to say into."""
        return self.folder / region / "node.log"

    def cpu_s(self, region: str) -> float:
        """Return the CPU seconds a region's node has used."""
        return process_cpu_s(self.processes[region].pid)

    def memory_bytes(self, region: str) -> int:
        """Return the resident memory of a region's node."""
        return int(psutil.Process(self.processes[region].pid).memory_info().rss)

    def database_bytes(self, region: str) -> int:
        """Return what a region's database takes on disk, its write-ahead log included."""
        return sum(path.stat().st_size for path in (self.folder / region / "data").glob("*"))

    def content_bytes(self, region: str) -> int:
        """Return what a region's database holds: its pages, be they in the write-ahead log yet.

        The log keeps the size it once had, some megabytes, whatever is in it.
        """
        database = f"file:{self.folder / region / 'data' / 'node.db'}?mode=ro"
        with closing(sqlite3.connect(database, uri=True)) as connection:
            pages, size, free = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "page_size", "freelist_count")
            )
        return int((pages - free) * size)

    def call(
        self,
        region: str,
        method: str,
        path: str,
        value: Mapping[str, Any] | None = None,
        token: str | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON answer to one request.

        Raises:
            StageError: The answer is not a success.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port(region), timeout=30)
        headers = {"Authorization": f"Bearer {token or self.tokens[region]}"}
        body = None
        if value is not None:
            body = json.dumps(value).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise StageError(f"{method} {path} at {region}: {answer.status} {data[:400]!r}")
        return json.loads(data) if data else None

    def fetch(self, region: str, path: str) -> bytes:
        """Return the bytes at a public path.

        Raises:
            StageError: The answer is not a success.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port(region), timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise StageError(f"GET {path} at {region}: {answer.status}")
        return data

    def act(
        self,
        region: str,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        officer: str | None = None,
        token: str | None = None,
        wait: str = "accepted",
    ) -> dict[str, Any]:
        """Record one act that the node composes and signs."""
        value = {"kind": kind, "subject": subject, "body": dict(body)}
        if officer is not None:
            value["officer"] = officer
        answer: dict[str, Any] = self.call(
            region, "POST", f"/v1/acts?wait={wait}&timeout_ms=20000", value, token
        )
        return answer

    def _found(self) -> None:
        self._shouxin(
            "network",
            "init",
            str(self.folder),
            "--regions",
            ",".join(self.regions),
            "--base-port",
            str(self.base_port),
        )

    def _shouxin(self, *arguments: str) -> None:
        done = subprocess.run([*_command(), *arguments], capture_output=True, check=False)
        if done.returncode != 0:
            raise StageError(f"shouxin {' '.join(arguments)}: {done.stderr.decode()[:800]}")


def check_free(ports: Iterable[int]) -> None:
    """Find out before anything is founded whether it can be listened on ports of the loopback.

    Raises:
        StageError: Another process has one of them.
    """
    for port in ports:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError as error:
                raise StageError(f"port {port} is taken by another process") from error


def process_cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used, as finely as the system tells them."""
    if sys.platform == "linux":
        # Its clock, to the nanosecond; what ``/proc`` says is counted in steps of 10 ms.
        return time.clock_gettime(~pid << 3 | _PROCESS_CLOCK)
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _command() -> list[str]:
    return [sys.executable, "-m", "nodes.cli"]


@dataclass(frozen=True, slots=True)
class Desk:
    """A window whose officer signs with a key of their own, and a live grant for one item."""

    region: str
    origin: str
    window: str
    officer: str
    key: SigningKey
    item: str
    department: str
    grant: str
    acceptance_index: int
    acceptance_leaf: bytes

    def open_case(self, number: str, time_s: int) -> Statement:
        """Return a signed ``case.open`` of about 600 bytes, as a window's own system makes it."""
        body = {
            "item": self.item,
            "item_version": 1,
            "department": self.department,
            "mode": "agency",
            "materials": [bytes([at]) * 32 for at in range(3)],
            "grant": self.grant,
            "window": self.window,
        }
        # Within one region the grant's newest row is its acceptance, so both roles cite that.
        citations = tuple(
            Citation(role, self.origin, self.acceptance_index, self.acceptance_leaf)
            for role in ("acceptance", "grant")
        )
        act = Act("case.open", 1, None, citations, body)
        return sign_statement(self.key, self.officer, f"{self.region}/case/{number}", time_s, act)


def make_desk(stage: Stage, region: str, name: str = "one") -> Desk:
    """Enrol a department, a window and officers; publish an item; lend its intake to the window."""
    department = f"{region}/department/{name}"
    window = f"{region}/window/{name}"
    officer = f"{region}/officer/{name}-window"
    granter = f"{region}/officer/{name}-granter"
    item = f"{region}/item/{name}"
    grant = f"{region}/grant/{name}"
    key = SigningKey.from_seed(name.encode().ljust(32, b"\0")[:32])
    stage.act(region, "party.enrol", department, {"name": "Department"})
    hall = f"{region}/hall/{name}"
    stage.act(region, "party.enrol", hall, {"name": "Hall"})
    stage.act(
        region,
        "party.enrol",
        window,
        {"name": "Window", "hall": hall, "department": department},
    )
    stage.act(
        region,
        "party.enrol",
        officer,
        {"unit": window, "key": key.public.hex(), "holder": "officer", "roles": ["receive"]},
    )
    made = stage.call(region, "POST", "/v1/officers", {"party": granter})
    stage.act(
        region,
        "party.enrol",
        granter,
        {"unit": department, "key": made["key"], "holder": "region", "roles": ["grant", "manage"]},
    )
    token = stage.call(region, "POST", "/v1/tokens", {"party": granter, "role": "authority"})[
        "token"
    ]
    stage.act(
        region,
        "item.publish",
        item,
        {
            "version": 1,
            "title": "Measured item",
            "code": "000000000001",
            "department": department,
            "materials": ["m1", "m2", "m3"],
            "days": 5,
        },
        officer=granter,
        token=token,
    )
    now_s = int(time.time())  # noqa: TID251 - the load comes from outside, on the world's own clock
    stage.act(
        region,
        "grant.offer",
        grant,
        {
            "item": item,
            "item_version": 1,
            "window": window,
            "rights": ["intake", "notice"],
            "valid_from": now_s - 60,
            "valid_until": now_s + YEAR_S,
            "staleness_s": 600,
        },
        officer=granter,
        token=token,
    )
    accepted = stage.act(
        region,
        "grant.accept",
        grant,
        {"window": window, "item": item},
        officer=granter,
        token=token,
    )
    return Desk(
        region=region,
        origin=accepted["origin"],
        window=window,
        officer=officer,
        key=key,
        item=item,
        department=department,
        grant=grant,
        acceptance_index=accepted["index"],
        acceptance_leaf=bytes.fromhex(accepted["leaf"]),
    )
