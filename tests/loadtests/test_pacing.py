"""Requests at a fixed rate: from when a latency counts, and whose lateness is whose."""

import asyncio
import gc
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from loadtests import machine, pacing
from loadtests.floors import Blast, whole_answer
from loadtests.pacing import paced

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Answering(asyncio.Protocol):
    """A line of a server; it answers each request by the number it has among all."""

    def __init__(
        self, answer: Callable[[int], tuple[float, bytes]], numbers: Iterator[int]
    ) -> None:
        self._answer = answer
        self._numbers = numbers
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        del data
        delay_s, said = self._answer(next(self._numbers))
        asyncio.get_running_loop().call_later(delay_s, self._say, said)

    def _say(self, said: bytes) -> None:
        assert self._transport is not None
        if not said:
            self._transport.abort()
        for at in range(0, len(said), 30):
            self._transport.write(said[at : at + 30])


@contextmanager
def answering(answer: Callable[[int], tuple[float, bytes]]) -> Iterator[int]:
    """Serve on a port; ``answer`` tells for each request how long it takes, and what is said."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    numbers = itertools.count()

    async def begin() -> asyncio.Server:
        return await loop.create_server(lambda: Answering(answer, numbers), "127.0.0.1", 0)

    async def end() -> None:
        server.close()
        # Once more round the loop, so that it sees the ends of its connections.
        await asyncio.sleep(0.01)

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(5)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_an_answer_is_whole_with_all_of_its_body() -> None:
    assert [whole_answer(ANSWER[:end]) for end in (3, len(ANSWER) - 1)] == [None, None]
    assert whole_answer(ANSWER) == (200, b"ok")
    assert whole_answer(b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n") == (204, b"")


def test_a_slow_answer_is_charged_to_those_who_waited_for_it_and_not_to_the_sender() -> None:
    with answering(lambda number: (0.2 if number == 0 else 0.0, ANSWER)) as port:
        pace = paced(port, [REQUEST], rate=100.0, seconds=0.1, connections=1)
    assert pace.blast.statuses == {200: 10}
    # The second was due after 10 ms, and got the only connection after 200.
    assert len([it for it in pace.blast.latencies_s if it > 0.08]) >= 9
    assert len(pace.late_s) < 10


def test_every_request_is_sent_at_its_time_while_connections_are_free() -> None:
    with answering(lambda _number: (0.0, ANSWER)) as port:
        pace = paced(port, [REQUEST], rate=200.0, seconds=0.1, connections=20)
    assert pace.blast.statuses == {200: 20}
    assert len(pace.late_s) == 20
    assert pace.blast.seconds >= 0.09
    assert pace.late_ms(0.5) >= 0.0


def test_a_connection_that_ends_is_told() -> None:
    with (
        answering(lambda _number: (0.0, b"")) as port,
        pytest.raises(ConnectionError, match="the node ended a connection"),
    ):
        paced(port, [REQUEST], rate=100.0, seconds=0.1, connections=2)


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pacing, "PATIENCE_S", 0.05)
    with answering(lambda _: (600.0, ANSWER)) as port, pytest.raises(TimeoutError):
        paced(port, [REQUEST], 20, 0.1)


def test_the_floor_of_a_rate_of_one_turn_an_hour_is_there_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def seen(_port: int, _requests: object, rate: float, seconds: float) -> pacing.Pace:
        asked.append((rate, seconds))
        return pacing.Pace(Blast(1.0, [0.25], {200: 1}), [])

    monkeypatch.setattr(machine, "paced", seen)
    assert machine.paced_floor(1, 1 / 3_600)["p50_ms"] == 250.0
    machine.paced_floor(1, 400.0)
    assert asked == [(0.5, 10.0), (400.0, 1.5)]


def test_who_interrupts_leaves_nothing_behind_that_could_complain(
    recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", unheard.append)

    def interrupted(self: object, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with answering(lambda _: (0.0, ANSWER)) as port:
        monkeypatch.setattr(pacing._Pacer, "answered", interrupted)
        with pytest.raises(KeyboardInterrupt):
            paced(port, [REQUEST], 20, 0.1, 2)
    gc.collect()
    assert unheard == []
    assert list(recwarn) == []
