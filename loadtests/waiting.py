"""Cases on their way: whose turn is next, and how often a new one begins.

A load that works off what an earlier stage left behind would open no cases for a while and close a
great many, and its figures would be those of another load. So people at the counter go on at once,
as they do, and of the other turns as many open a case as a case has of them: every stage then has
the same mix of acts, however much is waiting.

Pure.
"""

import heapq
from collections import deque
from typing import Final

from loadtests.cases import COMPOSED_ACTS, Case

NEW_SHARE: Final = 1 / (1 + COMPOSED_ACTS)
"""Of the turns of a case that are not at the counter: one opens it, the others come after it."""


class Waiting:
    """Cases that have begun and are not closed, each of them once."""

    def __init__(self) -> None:
        self._at_counter: deque[Case] = deque()
        self._elsewhere: list[tuple[float, int, Case]] = []
        self._put = 0

    def __len__(self) -> int:
        return len(self._at_counter) + len(self._elsewhere)

    def put(self, case: Case) -> None:
        """Have a case wait; what is at the counter does not, anything else until it may go on."""
        if case.steps[0].entry:
            self._at_counter.append(case)
            return
        # Of two that may go on at the same time the first come goes first.
        self._put += 1
        heapq.heappush(self._elsewhere, (case.not_before_s, self._put, case))

    def take(self, now_s: float, drawn: float) -> Case | None:
        """Return the case that goes on now; None where a new one is to begin.

        Args:
            now_s: By the clock that ``not_before_s`` is told by.
            drawn: From 0 to 1, by chance.
        """
        if self._at_counter:
            return self._at_counter.popleft()
        if drawn < NEW_SHARE or not self._elsewhere or self._elsewhere[0][0] > now_s:
            return None
        return heapq.heappop(self._elsewhere)[2]

    def leave_counter(self) -> None:
        """Let those go who are at the counter: it closes between two stages."""
        self._at_counter.clear()
