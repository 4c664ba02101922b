"""Requests sent each at its time, whatever became of those before, by a client with little tail."""

import asyncio
import selectors
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from loadtests.floors import Blast, quantile, uncollected, whole_answer

CONNECTIONS: Final = 32
"""As many requests can be under way at once; the next ones wait, and their clocks run."""
LEAD_S: Final = 0.02
PATIENCE_S: Final = 60.0
"""So long after the last request was due all answers have come, or some never will."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What came of a load at a fixed rate.

    Args:
        blast: The answers; each one's latency counts from when its request should have been sent.
        late_s: By how much the sender itself was late, of each request that found a connection
            free: so long this process was due to run, and was not run.
    """

    blast: Blast
    late_s: Sequence[float]

    def late_ms(self, share: float) -> float:
        """Return by how much ``share`` of the starts were not later than they should have been."""
        return quantile(sorted(self.late_s), share) * 1e3


def paced(
    port: int,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    connections: int = CONNECTIONS,
) -> Pace:
    """Send requests in turn, each at its time, so that a slow answer cannot hide the next.

    Raises:
        ConnectionError: The node ended a connection.
        TimeoutError: It left requests without an answer.
    """
    # What waits with ``epoll`` wakes at the next whole millisecond: longer than an answer takes.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    task = loop.create_task(_paced(port, requests, rate, seconds, connections))
    try:
        with uncollected():
            return loop.run_until_complete(task)
    finally:
        if not task.done():  # we are interrupted, and leave no connection behind
            task.cancel()
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        loop.close()


async def _paced(
    port: int, requests: Sequence[bytes], rate: float, seconds: float, connections: int
) -> Pace:
    loop = asyncio.get_running_loop()
    pacer = _Pacer(loop, requests, rate, max(1, int(rate * seconds)))
    lines = [
        (await loop.create_connection(lambda: _Line(pacer), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    begin_s = pacer.start(lines)
    try:
        await asyncio.wait_for(pacer.done, LEAD_S + seconds + PATIENCE_S)
        took_s = loop.time() - begin_s
    finally:
        for line in lines:
            line.close()
        # The loop ends next, and connections are closed only when it comes round to them.
        await asyncio.sleep(0)
    return Pace(Blast(took_s, pacer.latencies_s, pacer.statuses), pacer.late_s)


class _Pacer:
    """Whose turn it is, and what has been answered."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, requests: Sequence[bytes], rate: float, total: int
    ) -> None:
        self._loop = loop
        self._requests = requests
        self._rate = rate
        self._total = total
        self._begin_s = 0.0
        self._next = 0
        self._free: list[_Line] = []
        self.done: asyncio.Future[None] = loop.create_future()
        self.latencies_s: list[float] = []
        self.late_s: list[float] = []
        self.statuses: dict[int, int] = {}

    def start(self, lines: Sequence["_Line"]) -> float:
        """Begin shortly, over lines that are open; return when."""
        self._free = list(lines)
        self._begin_s = self._loop.time() + LEAD_S
        self._loop.call_at(self._begin_s, self._send_due)
        return self._begin_s

    def _send_due(self, *, waited: bool = False) -> None:
        """Send all that is due while a line is free, and come back for the next.

        Args:
            waited: Whether no line was free until now, so that we are not late by ourselves.
        """
        now_s = self._loop.time()
        while self._free and self._next < self._total:
            intended_s = self._begin_s + self._next / self._rate
            if intended_s > now_s:
                self._loop.call_at(intended_s, self._send_due)
                return
            if not waited:
                self.late_s.append(now_s - intended_s)
            self._free.pop().send(self._requests[self._next % len(self._requests)], intended_s)
            self._next += 1

    def answered(self, line: "_Line", status: int) -> None:
        """Take an answer; a line that was waited for sends what is longest due."""
        self.latencies_s.append(self._loop.time() - line.intended_s)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if len(self.latencies_s) == self._total:
            self.done.set_result(None)
        waited = not self._free
        self._free.append(line)
        if waited:
            self._send_due(waited=True)

    def ended(self) -> None:
        """Say that a line has gone that should have stayed."""
        if not self.done.done():
            self.done.set_exception(ConnectionError("the node ended a connection"))


class _Line(asyncio.Protocol):
    """One connection that is kept, with one request under way at most."""

    def __init__(self, pacer: _Pacer) -> None:
        self._pacer = pacer
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.intended_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where requests go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, intended_s: float) -> None:
        """Send a request that should have been sent at a time."""
        assert self._transport is not None
        self.intended_s = intended_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer."""
        self._received += data
        answer = whole_answer(self._received)
        if answer is not None:
            self._received = b""
            self._pacer.answered(self, answer[0])

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so: without this line what is due would wait for an answer that never comes."""
        del exc
        self._pacer.ended()

    def close(self) -> None:
        """End the connection."""
        assert self._transport is not None
        self._transport.close()
