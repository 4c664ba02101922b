"""The lanes to other nodes: one request at a time in each, how long it may take, and when to go on.

Each peer has two: one carries notes and entries, the other short questions and tidings, so that a
long upload holds up no one. What a request is about, a lane does not know: that is its job.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from nodes.core.ready import PeerAnswered, PeerRequest
from nodes.core.submission import SendingLimits, backoff_ms

GRACE_MS: Final = 1_000
"""How long after a request's own time-out we still wait for the driver to say so."""

Job = TypeVar("Job")


@dataclass(slots=True)
class Lane(Generic[Job]):
    """One request at a time to one peer.

    Invariant: ``job`` is there iff a request is in flight.
    """

    peer: str
    in_flight: int | None = None
    job: Job | None = None
    deadline_ms: int = 0
    failures: int = 0
    """Requests that failed one after the other."""
    due_ms: int = 0
    """When the next may leave after a failure."""
    unreachable: bool = False
    """Whether the last request got no answer at all."""


class Lanes(Generic[Job]):
    """All lanes of a node, and what is in flight in them.

    Args:
        region: This node's.
        limits: Of what is sent.
        next_id: Numbers requests; must never repeat while answers may be under way.
    """

    def __init__(self, region: str, limits: SendingLimits, next_id: Callable[[], int]) -> None:
        self._region = region
        self._limits = limits
        self._next_id = next_id
        self._patience_ms = limits.timeout_ms + GRACE_MS
        self.submit: dict[str, Lane[Job]] = {}
        """For notes and entries, by peer."""
        self.ask: dict[str, Lane[Job]] = {}
        """For questions and tidings, by region."""
        self.flying: dict[int, Lane[Job]] = {}
        """By request."""

    def open(self, region: str) -> None:
        """Give a member a lane of each sort, unless it has them."""
        if region not in self.ask:
            self.open_submit(region)
            self.ask[region] = Lane(region)

    def open_submit(self, peer: str) -> None:
        """Give a peer a lane for notes alone, as to a foreign witness, which is asked nothing."""
        self.submit[peer] = Lane(peer)

    def may_ask(self, lane: Lane[Job], now_ms: int) -> bool:
        """Say whether a lane is free, and its last failure long enough ago.

        A wait beyond the longest is none of ours: the clock has stepped back since.
        """
        waits_ms = lane.due_ms - now_ms
        return lane.in_flight is None and not 0 < waits_ms <= self._limits.backoff_ms_max

    def send(self, lane: Lane[Job], job: Job, path: str, body: bytes, now_ms: int) -> PeerRequest:
        """Put a request into a lane that has none in flight."""
        assert lane.in_flight is None
        request_id = self._next_id()
        lane.in_flight, lane.job = request_id, job
        lane.deadline_ms = now_ms + self._patience_ms
        self.flying[request_id] = lane
        return PeerRequest(request_id, lane.peer, path, body, self._limits.timeout_ms)

    def answered(self, event: PeerAnswered, now_ms: int) -> tuple[Lane[Job], Job] | None:
        """Return whose answer this is, and to what; None: late, a second time, or of a life before.

        No answer at all counts as a failure. Whether another one is, its reader says.
        """
        lane = self.flying.pop(event.request_id, None)
        if lane is None:
            return None
        job = _emptied(lane)
        lane.unreachable = event.status == 0
        if lane.unreachable:
            self.failed(lane, now_ms)
        else:
            lane.failures, lane.due_ms = 0, 0
        return lane, job

    def overdue(self, now_ms: int) -> Iterator[tuple[Lane[Job], Job]]:
        """Give up what the driver owes us an answer to for too long; each has failed.

        A deadline far ahead was set before the clock stepped back.
        """
        for request_id, lane in list(self.flying.items()):
            if not 0 <= lane.deadline_ms - now_ms <= 2 * self._patience_ms:
                del self.flying[request_id]
                job = _emptied(lane)
                self.failed(lane, now_ms)
                yield lane, job

    def failed(self, lane: Lane[Job], now_ms: int) -> None:
        """Let a lane rest, longer after each failure in a row."""
        lane.failures += 1
        salt = f"{self._region}\n{lane.peer}\nask"
        lane.due_ms = now_ms + backoff_ms(self._limits, salt, lane.failures)

    def revive(self, region: str) -> None:
        """Speak to a peer again at once, if all that it failed to do was to answer."""
        lane = self.ask.get(region)
        if lane is not None and lane.unreachable:
            lane.failures, lane.due_ms, lane.unreachable = 0, 0, False

    def wake_at_ms(self) -> list[int]:
        """Return when something is overdue, or may be asked again; some of it may be past."""
        due = [lane.deadline_ms + 1 for lane in self.flying.values()]
        return due + [lane.due_ms for lane in self.ask.values() if lane.in_flight is None]


def _emptied(lane: Lane[Job]) -> Job:
    """Take the job out of a lane."""
    job = lane.job
    assert job is not None
    lane.in_flight, lane.job = None, None
    return job
