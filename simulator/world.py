"""Virtual time: what happens next, in one order for one seed.

Nothing here knows of nodes. Whoever wants something done later puts it on the heap; equal times are
settled by a ticket, so the order never depends on anything that Python leaves open.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from random import Random  # noqa: TID251 - every draw of a simulation comes from its seed
from typing import Final

START_MS: Final = 1_790_000_000_000
"""A Monday evening in 2026, long before the calendar ends: where nothing else is said."""

Action = Callable[[], None]


class BrokenError(Exception):
    """A promise is broken: which, and by whom."""


class World:
    """A heap of actions, seeded streams of randomness, and a running hash of all that happened.

    Invariant: time never goes back, and the same seed gives the same trace.
    """

    def __init__(self, seed: int, start_ms: int = START_MS) -> None:
        self.seed = seed
        self.start_ms = start_ms
        self.now_ms = start_ms
        self.happened = 0
        self.counts: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self._heap: list[tuple[int, int, Action]] = []
        self._ticket = 0
        self._trace = sha256(str(seed).encode())

    def stream(self, part: str) -> Random:
        """Return the randomness of one part, which no draw elsewhere disturbs."""
        return Random(f"{self.seed}/{part}")

    def after(self, delay_ms: int, action: Action) -> None:
        """Do ``action`` in ``delay_ms``; at once if that is not later than now."""
        self._ticket += 1
        heapq.heappush(self._heap, (self.now_ms + max(0, delay_ms), self._ticket, action))

    def trace(self, *words: object) -> None:
        """Add something that happened to the trace."""
        self._trace.update(f"{self.now_ms} {words!r}\n".encode())

    def trace_hash(self) -> str:
        """Return the hash of all that happened so far."""
        return self._trace.hexdigest()

    def count(self, what: str) -> None:
        """Count something that was reached."""
        self.counts[what] += 1

    def inject(self, kind: str) -> None:
        """Count something that was done to the network."""
        self.injected[kind] += 1
        self.counts[kind] += 1

    def run_until(self, time_ms: int, stop: Callable[[], bool] | None = None) -> None:
        """Do everything that is due up to ``time_ms``, or until ``stop`` says so."""
        while self._heap and self._heap[0][0] <= time_ms:
            if stop is not None and stop():
                return
            due_ms, _, action = heapq.heappop(self._heap)
            self.now_ms = due_ms
            self.happened += 1
            action()
        self.now_ms = max(self.now_ms, time_ms)
