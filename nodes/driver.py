"""The loop that steps the node: takes what arrived, has it committed, then lets the answers go.

One writer thread runs every step, so nothing in the node needs a lock, and a commit that waits for
the disk holds up nobody who only reads. There is no batch delay: while one step commits, the next
one's events gather, and that is all the coalescing there is.

An asker's answer waits for as few turns of the loop and changes of threads as there can be: the
writer hands the outcome of a step straight to the loop, and what the step still owes the peers is
the next one's, which is begun once the answers are written.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal, Protocol, TypeVar

from ledger.errors import FatalError, LedgerError, UnavailableError
from nodes.core.ready import (
    Asked,
    Event,
    PeerAnswered,
    PeerCalled,
    PeerReply,
    PeerRequest,
    RegisterReply,
    Reply,
    Tick,
)
from nodes.ports import Clock

Finality = Literal["accepted", "witnessed", "replicated"]

_T = TypeVar("_T")
_log: Final = logging.getLogger(__name__)


class Sizes(Protocol):
    """What the driver reads of a node's snapshot."""

    @property
    def size(self) -> int:
        """Entries in the own log."""

    @property
    def witnessed_size(self) -> int:
        """How many of them are witnessed."""

    @property
    def replicated_size(self) -> int:
        """How many of them are replicated."""


class Sent(Protocol):
    """What a step lets go."""

    @property
    def replies(self) -> Sequence[Reply]:
        """Answers, by the events' request ids."""

    @property
    def requests(self) -> Sequence[PeerRequest]:
        """Requests to peers."""

    @property
    def wake_at_ms(self) -> int | None:
        """When to step again though nothing arrived; None: nothing is due."""


class Stepping(Protocol):
    """The node, as the driver uses it."""

    @property
    def snapshot(self) -> Sizes:
        """How far the log and its finality have come; replaced after each commit."""

    def start(self, now_ms: int) -> Sent:
        """Load what is stored."""

    def step(self, events: Sequence[Event], now_ms: int, *, answers_first: bool = False) -> Sent:
        """Take the events, commit, and return what may leave.

        With ``answers_first``, requests may be left to the step after, which is then due at once.
        """


class Peers(Protocol):
    """Carries requests to peers."""

    async def send(self, request: PeerRequest) -> PeerAnswered:
        """Send, and return the answer; status 0 where there was none. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverLimits:
    """How much waits, and for how long."""

    inbox_events_max: int = 4_096
    step_events_max: int = 512
    stop_timeout_ms: int = 10_000


class Driver:
    """Owns the writer thread and everything that is under way.

    Invariant: each request id of an event in the inbox or in the node has a future in ``_asked``,
    unless its asker has gone.
    """

    def __init__(self, node: Stepping, clock: Clock, peers: Peers, limits: DriverLimits) -> None:
        self._node = node
        self._clock = clock
        self._peers = peers
        self._limits = limits
        self._writer = ThreadPoolExecutor(1, "writer")
        self._inbox: list[Event] = []
        self._ids = count(1)
        self._asked: dict[int, asyncio.Future[RegisterReply | PeerReply]] = {}
        self._waiting: dict[str, list[tuple[int, int, asyncio.Future[None]]]] = {
            "witnessed": [],
            "replicated": [],
        }
        self._sending: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._tick_is_due = False
        self._is_stepping = False
        self._is_looking = False
        """Whether the loop is about to look into the inbox."""
        self._stopping = False
        self._ended: asyncio.Future[None] | None = None
        """Done when no step comes any more; None before the start."""

    async def start(self) -> None:
        """Start the node and the loop.

        Raises:
            FatalError: What is on disk cannot be relied on.
        """
        self._loop = loop = asyncio.get_running_loop()
        now_ms = self._clock.now_ms()
        sent = await loop.run_in_executor(self._writer, self._node.start, now_ms)
        self._ended = loop.create_future()
        self._let_go(sent)
        self._look()

    @property
    def is_started(self) -> bool:
        """Whether the node was started; before, it is asked for nothing."""
        return self._ended is not None

    async def wait_failed(self) -> None:
        """Return when the driver was stopped.

        Raises:
            FatalError: It stopped by itself, because the state on disk is unknown.
        """
        assert self._ended is not None
        await asyncio.shield(self._ended)

    async def ask(self, make: Callable[[int], Event]) -> RegisterReply | PeerReply:
        """Put an event into the inbox and return the node's answer.

        Args:
            make: Makes the event for a request id.

        Raises:
            UnavailableError: ``busy`` when the inbox is full, ``stopping``, ``standby``, or what
                the node says; ``unknown-outcome`` when it ended in the step that had taken the
                event.
            LedgerError: The node refused it.
        """
        self._check_started()
        if self._stopping:
            raise UnavailableError("the node is stopping", code="stopping")
        if len(self._inbox) >= self._limits.inbox_events_max:
            raise UnavailableError(f"{len(self._inbox)} requests are waiting already", code="busy")
        request_id = next(self._ids)
        future: asyncio.Future[RegisterReply | PeerReply]
        future = asyncio.get_running_loop().create_future()
        self._asked[request_id] = future
        self._inbox.append(make(request_id))
        self._look()
        try:
            return await future
        finally:
            # An asker who hung up takes no answer; what it asked for is done all the same.
            self._asked.pop(request_id, None)

    async def write(self, work: Callable[[], _T]) -> _T:
        """Do other writing in the writer thread, so that it never meets the node's transaction."""
        self._check_started()
        if self._stopping:
            raise UnavailableError("the node is stopping", code="stopping")
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    def finality(self, index: int) -> Finality:
        """Return how safe the entry at ``index`` is by now."""
        snapshot = self._node.snapshot
        if snapshot.replicated_size > index and snapshot.witnessed_size > index:
            return "replicated"
        return "witnessed" if snapshot.witnessed_size > index else "accepted"

    async def wait(self, index: int, word: Finality, timeout_ms: int) -> Finality:
        """Wait until the entry at ``index`` is as safe as ``word``, or the time is up.

        Returns:
            What it is then.
        """
        if word != "accepted" and _RANK[self.finality(index)] < _RANK[word]:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting[word], (index, next(self._ids), future))
            try:
                async with asyncio.timeout(timeout_ms / 1000):
                    await future
            except TimeoutError:
                pass
        return self.finality(index)

    async def stop(self) -> None:
        """Finish what is in the inbox, let the rest go, and end the writer thread."""
        self._stopping = True
        if self._alarm is not None:
            self._alarm.cancel()
        if self._ended is not None:
            self._look()
            await asyncio.wait([self._ended], timeout=self._limits.stop_timeout_ms / 1000)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        self._give_up("the node is stopping")
        await asyncio.get_running_loop().run_in_executor(None, self._writer.shutdown)

    def _check_started(self) -> None:
        if not self.is_started:
            raise UnavailableError(
                "another process of this region writes; this one stands by", code="standby"
            )

    def _look(self) -> None:
        """Have the loop look into the inbox, after all that it has to do just now."""
        if not self._is_looking:
            self._is_looking = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Begin a step, unless one is under way: its end looks again."""
        self._is_looking = False
        if self._is_stepping or self._ended is None or self._ended.done():
            return
        events = self._take()
        if events:
            self._is_stepping = True
            self._writer.submit(self._step, events)
        elif self._stopping:
            self._ended.set_result(None)

    def _step(self, events: list[Event]) -> None:
        """Step the node, in the writer thread."""
        outcome: Sent | BaseException
        try:
            outcome = self._node.step(events, self._clock.now_ms(), answers_first=True)
        except BaseException as error:  # noqa: BLE001 - handed to the loop, which ends by it
            outcome = error
        self._loop.call_soon_threadsafe(self._stepped, outcome)

    def _stepped(self, outcome: Sent | BaseException) -> None:
        self._is_stepping = False
        if isinstance(outcome, BaseException):
            self._fail(outcome)
            return
        self._let_go(outcome)
        if self._inbox or self._tick_is_due or self._stopping:
            self._look()

    def _fail(self, error: BaseException) -> None:
        """Stop for good.

        Whether it was a disk that failed or a bug, what is stored and what is in memory may differ
        now. Nothing may leave; the start after this one reads the disk.
        """
        assert self._ended is not None
        self._stopping = True
        self._give_up("the node has stopped")
        failed = error if isinstance(error, FatalError) else None
        if failed is None:
            failed = FatalError(f"a step failed, {error!r}")
            failed.__cause__ = error
        if not self._ended.done():
            self._ended.set_exception(failed)

    def _take(self) -> list[Event]:
        """Return what the next step takes; what is left over has it run again at once."""
        most = self._limits.step_events_max
        events, self._inbox = self._inbox[:most], self._inbox[most:]
        if self._tick_is_due:
            self._tick_is_due = False
            events.append(Tick())
        return events

    def _let_go(self, sent: Sent) -> None:
        for reply in sent.replies:
            future = self._asked.get(reply.request_id)
            if future is None or future.done():
                continue
            if isinstance(reply.value, LedgerError):
                future.set_exception(reply.value)
            else:
                future.set_result(reply.value)
        if not self._stopping:
            for request in sent.requests:
                task = asyncio.create_task(self._send(request))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
        self._set_alarm(sent.wake_at_ms)
        self._wake_waiting()

    def _set_alarm(self, wake_at_ms: int | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if wake_at_ms is not None and not self._stopping:
            delay_s = max(0, wake_at_ms - self._clock.now_ms()) / 1000
            self._alarm = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._tick_is_due = True
        self._look()

    def _wake_waiting(self) -> None:
        snapshot = self._node.snapshot
        for word, size in (
            ("witnessed", snapshot.witnessed_size),
            ("replicated", min(snapshot.witnessed_size, snapshot.replicated_size)),
        ):
            waiting = self._waiting[word]
            while waiting and waiting[0][0] < size:
                future = heapq.heappop(waiting)[2]
                if not future.done():
                    future.set_result(None)

    async def _send(self, request: PeerRequest) -> None:
        answered = await self._peers.send(request)
        # Not counted against the inbox: the node has asked for it, and has few under way.
        self._inbox.append(answered)
        self._look()

    def _give_up(self, why: str) -> None:
        """Answer whoever still waits.

        What stands in the inbox was not begun. Of what a step has taken nobody can say here whether
        it is on disk: the start after this one finds out.
        """
        untouched = {
            event.request_id for event in self._inbox if isinstance(event, Asked | PeerCalled)
        }
        for request_id, future in self._asked.items():
            if future.done():
                continue
            if request_id in untouched:
                future.set_exception(UnavailableError(why, code="stopping"))
            else:
                unknown = f"{why}, and it is not known whether this was done"
                future.set_exception(UnavailableError(unknown, code="unknown-outcome"))
        for waiting in self._waiting.values():
            for _, _, waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)
            waiting.clear()


_RANK: Final = {"accepted": 0, "witnessed": 1, "replicated": 2}
