"""Floors: what the machine itself costs, measured in the same run as what is held against it."""

import asyncio
import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from ledger.keys import SigningKey, verify

MICROSECONDS: Final = 1e6
STATEMENT_BYTES: Final = 600


@dataclass(slots=True)
class Floors:
    """What the machine itself asks for the parts, in microseconds of CPU or milliseconds."""

    verify_us: float
    insert_us: float
    fsync_ms: float
    parse_us: float = 0.0
    request_us: float = 0.0
    request_ms: float = 0.0


class LoadError(Exception):
    """What was sent was not answered as it should be."""


def cpu_us(work: Callable[[], object], rounds: int, repeats: int = 5) -> float:
    """Return the CPU microseconds of one call: the median over repeats of a mean over rounds."""
    figures = []
    for _ in range(repeats):
        begin = time.process_time()
        for _ in range(rounds):
            work()
        figures.append((time.process_time() - begin) / rounds * MICROSECONDS)
    return statistics.median(figures)


def verification_us(rounds: int = 1_000, repeats: int = 5) -> float:
    """Return V: the CPU time of one raw Ed25519 verification of a 600-byte statement."""
    key = SigningKey.from_seed(bytes(range(32)))
    message = bytes(STATEMENT_BYTES)
    signature = key.sign(message)
    return cpu_us(lambda: verify(key.public, message, signature), rounds, repeats)


def insertion_us(rows: int = 100) -> float:
    """Return the CPU time of inserting one 600-byte row with ``rows`` to a durable transaction."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "floor.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE floor (key INTEGER PRIMARY KEY, entry BLOB)")
        payload = bytes(STATEMENT_BYTES)
        start = 0

        def commit() -> None:
            nonlocal start
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO floor VALUES (?, ?)", [(start + at, payload) for at in range(rows)]
            )
            connection.execute("COMMIT")
            start += rows

        figure = cpu_us(commit, 50) / rows
        connection.close()
    return figure


def fsync_ms(rounds: int = 50) -> float:
    """Return the median wall time of one small durable transaction in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "floor.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE floor (key INTEGER PRIMARY KEY, entry BLOB)")
        figures = []
        for at in range(rounds):
            begin = time.perf_counter()
            connection.execute("INSERT INTO floor VALUES (?, ?)", (at, bytes(STATEMENT_BYTES)))
            figures.append((time.perf_counter() - begin) * 1e3)
        connection.close()
    return statistics.median(figures)


class Caller(asyncio.Protocol):
    """One keep-alive connection that sends prepared requests one after another, at almost no cost.

    A client library would spend as much as the server and hide what the server can do.
    """

    def __init__(
        self,
        requests: Iterable[bytes],
        done: asyncio.Event,
        latencies_s: list[float],
        rest_s: float = 0.0,
    ) -> None:
        self._requests = iter(requests)
        self._rest_s = rest_s
        self._done = done
        self._latencies_s = latencies_s
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.statuses: dict[int, int] = {}
        self.bodies: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            self._done.set()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; when it is whole, go on with the next request."""
        self._received += data
        answer = whole_answer(self._received)
        if answer is None:
            return
        status, body = answer
        self._latencies_s.append(time.perf_counter() - self._sent_at)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.bodies.append(body)
        self._received = b""
        if self._rest_s:
            asyncio.get_running_loop().call_later(self._rest_s, self._send)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count an early end as the end."""
        del exc
        self._done.set()


def whole_answer(received: bytes) -> tuple[int, bytes] | None:
    """Return status and body of an HTTP/1.1 answer; None while a part of it is still to come."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return None
    _, names_length, value = head.lower().partition(b"\r\ncontent-length:")
    length = int(value.partition(b"\r\n")[0]) if names_length else 0
    return None if len(body) < length else (int(head[9:12]), body)


def request_bytes(
    method: str, path: str, *, token: str = "", body: bytes = b"", content_type: str = ""
) -> bytes:
    """Return one HTTP/1.1 request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


EMPTY: Final = request_bytes("GET", "/v1/ping")
"""What a node answers without doing anything."""


class Blast:
    """What came of sending prepared requests over several connections."""

    def __init__(
        self,
        seconds: float,
        latencies_s: list[float],
        statuses: dict[int, int],
        bodies: list[bytes] | None = None,
    ) -> None:
        self.seconds = seconds
        self.latencies_s = sorted(latencies_s)
        self.statuses = statuses
        self.bodies = [] if bodies is None else bodies

    def __add__(self, other: "Blast") -> "Blast":
        """Return what came of both, one after the other."""
        statuses = dict(self.statuses)
        for status, count in other.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
        return Blast(
            self.seconds + other.seconds,
            self.latencies_s + other.latencies_s,
            statuses,
            self.bodies + other.bodies,
        )

    def expect(self, status: int) -> "Blast":
        """Return this, where all answers have a status.

        Raises:
            LoadError: Some have another.
        """
        if set(self.statuses) != {status}:
            raise LoadError(f"the load was not answered with {status} alone: {self.statuses}")
        return self

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Return the latency that ``share`` of the requests did not exceed."""
        return quantile(self.latencies_s, share) * 1e3


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return what ``share`` of some values in their order do not exceed."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile.

    The measuring process holds what it has measured before; a full look through that takes 50 ms,
    in which it would neither send nor hear, and every answer that waits would seem as slow.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


async def blast(
    port: int,
    requests_by_connection: Sequence[Iterable[bytes]],
    host: str = "127.0.0.1",
    rest_s: float = 0.0,
) -> Blast:
    """Send each connection's requests one after another, all connections at once.

    Between an answer and the next request a connection rests for so long.
    """
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    callers, events = [], []
    with uncollected():
        begin = time.perf_counter()
        for requests in requests_by_connection:
            done = asyncio.Event()
            _, caller = await loop.create_connection(
                partial(Caller, requests, done, latencies, rest_s), host, port
            )
            callers.append(caller)
            events.append(done)
        for event in events:
            await event.wait()
        seconds = time.perf_counter() - begin
    statuses: dict[int, int] = {}
    for caller in callers:
        for status, count in caller.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    bodies = [body for caller in callers for body in caller.bodies]
    return Blast(seconds, latencies, statuses, bodies)
