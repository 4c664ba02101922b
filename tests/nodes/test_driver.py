"""The driver: what is asked is answered once, after its step, and it ends cleanly."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger.errors import FatalError, LedgerError, RefusedError, UnavailableError
from nodes.core.ready import (
    Event,
    PeerAnswered,
    PeerCalled,
    PeerReply,
    PeerRequest,
    Reply,
    Tick,
)
from nodes.driver import Driver, DriverLimits


@dataclass(frozen=True)
class FakeSnapshot:
    size: int = 0
    witnessed_size: int = 0
    replicated_size: int = 0


@dataclass(frozen=True)
class FakeOutbox:
    replies: tuple[Reply, ...] = ()
    requests: tuple[PeerRequest, ...] = ()
    wake_at_ms: int | None = None


class FakeNode:
    """Answers each call with its own body; ``plan`` may do otherwise."""

    def __init__(self) -> None:
        self.snapshot = FakeSnapshot()
        self.steps: list[tuple[Event, ...]] = []
        self.threads: set[int] = set()
        self.plan: Callable[[Sequence[Event]], FakeOutbox] = echo
        self.held = threading.Event()
        self.held.set()

    def start(self, _now_ms: int) -> FakeOutbox:
        self.threads.add(threading.get_ident())
        return FakeOutbox()

    def step(self, events: Sequence[Event], _now_ms: int, *, answers_first: bool) -> FakeOutbox:
        assert answers_first
        self.threads.add(threading.get_ident())
        self.held.wait()
        self.steps.append(tuple(events))
        return self.plan(events)


def echo(events: Sequence[Event]) -> FakeOutbox:
    called = [event for event in events if isinstance(event, PeerCalled)]
    return FakeOutbox(tuple(Reply(it.request_id, PeerReply(200, it.body)) for it in called))


@dataclass
class FakeClock:
    now: int = 1_000_000

    def now_ms(self) -> int:
        return self.now


@dataclass
class FakePeers:
    answer: Callable[[PeerRequest], Awaitable[PeerAnswered]] | None = None
    sent: list[PeerRequest] = field(default_factory=list)

    async def send(self, request: PeerRequest) -> PeerAnswered:
        self.sent.append(request)
        if self.answer is not None:
            return await self.answer(request)
        return PeerAnswered(request.request_id, 200, b"from the peer")


def call(body: bytes) -> Callable[[int], Event]:
    return lambda request_id: PeerCalled(request_id, "/x", body)


def run(
    story: Callable[[Driver, FakeNode, FakePeers], Awaitable[Any]], **limits: int
) -> tuple[FakeNode, FakePeers]:
    node, peers = FakeNode(), FakePeers()

    async def main() -> None:
        driver = Driver(node, FakeClock(), peers, DriverLimits(**limits))
        await driver.start()
        try:
            async with asyncio.timeout(5):
                await story(driver, node, peers)
        finally:
            node.held.set()
            await driver.stop()

    asyncio.run(main())
    return node, peers


async def steps(node: FakeNode, count: int) -> None:
    while True:
        if len(node.steps) >= count:
            return
        await asyncio.sleep(0.001)


def test_every_asker_gets_their_own_answer_from_one_thread() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        answers = await asyncio.gather(*(driver.ask(call(b"%d" % n)) for n in range(500)))
        assert [answer.body for answer in answers] == [b"%d" % n for n in range(500)]  # type: ignore[union-attr]

    node, _ = run(story)
    assert len(node.threads) == 1
    assert threading.get_ident() not in node.threads


def test_what_arrives_during_a_step_is_taken_together_by_the_next() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        node.held.clear()
        first = asyncio.create_task(driver.ask(call(b"first")))
        await asyncio.sleep(0.02)
        rest = [asyncio.create_task(driver.ask(call(b"%d" % n))) for n in range(9)]
        await asyncio.sleep(0.02)
        node.held.set()
        await asyncio.gather(first, *rest)

    node, _ = run(story)
    assert [len(events) for events in node.steps] == [1, 9]


def test_a_step_takes_no_more_than_its_limit() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        await asyncio.gather(*(driver.ask(call(b"x")) for _ in range(10)))

    node, _ = run(story, step_events_max=3)
    assert [len(events) for events in node.steps] == [3, 3, 3, 1]


def test_a_full_inbox_is_busy_and_recovers() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        node.held.clear()
        first = asyncio.create_task(driver.ask(call(b"first")))
        await asyncio.sleep(0.02)
        rest = [asyncio.create_task(driver.ask(call(b"x"))) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError) as caught:
            await driver.ask(call(b"too many"))
        assert caught.value.code == "busy"
        node.held.set()
        await asyncio.gather(first, *rest)
        await driver.ask(call(b"again"))

    node, _ = run(story, inbox_events_max=4, step_events_max=4)
    assert sum(len(events) for events in node.steps) == 6


def test_a_refusal_reaches_its_asker_alone() -> None:
    def plan(events: Sequence[Event]) -> FakeOutbox:
        replies = []
        for event in events:
            assert isinstance(event, PeerCalled)
            value: PeerReply | LedgerError = PeerReply(200)
            if event.body == b"bad":
                value = RefusedError("no", code="no-grant")
            replies.append(Reply(event.request_id, value))
        return FakeOutbox(tuple(replies))

    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        node.plan = plan
        good, bad = await asyncio.gather(
            driver.ask(call(b"good")), driver.ask(call(b"bad")), return_exceptions=True
        )
        assert good == PeerReply(200)
        assert isinstance(bad, RefusedError)

    run(story)


def test_an_asker_who_hangs_up_disturbs_nobody() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        node.held.clear()
        gone = asyncio.create_task(driver.ask(call(b"gone")))
        stays = asyncio.create_task(driver.ask(call(b"stays")))
        await asyncio.sleep(0.02)
        gone.cancel()
        await asyncio.sleep(0)
        node.held.set()
        answer = await stays
        assert isinstance(answer, PeerReply)
        assert answer.body == b"stays"
        assert not driver._asked

    run(story)


def test_a_request_to_a_peer_comes_back_as_an_event() -> None:
    def plan(events: Sequence[Event]) -> FakeOutbox:
        out = echo(events)
        requests = tuple(
            PeerRequest(7, "500000", "/peer/finished", b"note", 1_000)
            for event in events
            if isinstance(event, PeerCalled) and event.body == b"send"
        )
        return FakeOutbox(out.replies, requests)

    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        node.plan = plan
        await driver.ask(call(b"send"))
        await steps(node, 2)

    node, peers = run(story)
    assert [request.path for request in peers.sent] == ["/peer/finished"]
    assert node.steps[1] == (PeerAnswered(7, 200, b"from the peer"),)


def test_the_node_is_woken_when_it_asked_for_it() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        node.plan = lambda events: FakeOutbox(echo(events).replies, wake_at_ms=1_000_010)
        await driver.ask(call(b"x"))
        node.plan = echo
        await steps(node, 2)

    node, _ = run(story)
    assert node.steps[1] == (Tick(),)


def test_waiting_ends_with_the_finality_or_with_the_time() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        assert await driver.wait(0, "accepted", 0) == "accepted"
        assert await driver.wait(0, "replicated", 1) == "accepted"
        waiting = [
            asyncio.create_task(driver.wait(index, word, 4_000))
            for index, word in ((4, "witnessed"), (4, "replicated"), (5, "witnessed"))
        ]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        node.snapshot = FakeSnapshot(6, 5, 0)
        await driver.ask(call(b"x"))
        assert await waiting[0] == "witnessed"
        assert not waiting[1].done()
        # Mirrored but not witnessed is not yet replicated.
        node.snapshot = FakeSnapshot(6, 5, 6)
        await driver.ask(call(b"x"))
        assert await waiting[1] == "replicated"
        assert not waiting[2].done()
        node.snapshot = FakeSnapshot(6, 6, 6)
        await driver.ask(call(b"x"))
        assert await waiting[2] == "replicated"

    run(story)


@pytest.mark.parametrize("failure", [FatalError("unknown"), AssertionError("a bug")])
def test_a_step_that_fails_stops_everything(failure: Exception) -> None:
    """Nothing is answered as done, and nothing is taken any more."""

    def plan(events: Sequence[Event]) -> FakeOutbox:
        raise failure

    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        node.plan = plan
        node.held.clear()
        taken = asyncio.create_task(driver.ask(call(b"x")))
        await asyncio.sleep(0.02)
        waits = asyncio.create_task(driver.ask(call(b"not begun")))
        await asyncio.sleep(0)
        node.held.set()
        codes = []
        for asked in (taken, waits):
            with pytest.raises(UnavailableError) as caught:
                await asked
            codes.append(caught.value.code)
        # Of what the step had taken nobody knows; what still stood in the inbox was not begun.
        assert codes == ["unknown-outcome", "stopping"]
        with pytest.raises(FatalError):
            await driver.wait_failed()
        with pytest.raises(UnavailableError):
            await driver.ask(call(b"y"))
        with pytest.raises(UnavailableError):
            await driver.write(lambda: None)

    node, _ = run(story)
    assert len(node.steps) == 1


def test_stopping_finishes_what_was_asked_and_refuses_the_rest() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        node.held.clear()
        asked = [asyncio.create_task(driver.ask(call(b"%d" % n))) for n in range(3)]
        forever = asyncio.create_task(driver.wait(9, "replicated", 60_000))
        await asyncio.sleep(0.02)
        stopping = asyncio.create_task(driver.stop())
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError) as caught:
            await driver.ask(call(b"late"))
        assert caught.value.code == "stopping"
        node.held.set()
        await stopping
        assert len(await asyncio.gather(*asked)) == 3
        assert await forever == "accepted"

    run(story)


def test_other_writing_is_done_in_the_writer_thread() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        assert await driver.write(threading.get_ident) in node.threads

    run(story)


def test_stopping_with_events_in_the_inbox_takes_no_longer_than_their_step() -> None:
    async def story(driver: Driver, node: FakeNode, peers: FakePeers) -> None:
        asked = asyncio.create_task(driver.ask(call(b"last")))
        await asyncio.sleep(0)  # It is in the inbox, and the loop has not woken yet.
        async with asyncio.timeout(2):
            await driver.stop()
        assert await asked == PeerReply(200, b"last")

    run(story)
