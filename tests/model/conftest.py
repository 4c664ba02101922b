"""The explorer that every model of this folder runs on."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Explored:
    """What an exhaustive walk found: how many states, and the shortest way to a broken one."""

    states: int
    broken: tuple[Hashable, ...] | None
    """None: the invariant holds in every reachable state."""


def explore(
    start: Hashable,
    steps: Callable[[Hashable], Iterable[Hashable]],
    holds: Callable[[Hashable], bool],
) -> Explored:
    """Visit every state that can be reached, nearest first, until the invariant breaks."""
    came_from: dict[Hashable, Hashable | None] = {start: None}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        if not holds(state):
            path: list[Hashable] = []
            at: Hashable | None = state
            while at is not None:
                path.append(at)
                at = came_from[at]
            return Explored(len(came_from), tuple(reversed(path)))
        for following in steps(state):
            if following not in came_from:
                came_from[following] = state
                waiting.append(following)
    return Explored(len(came_from), None)


@pytest.fixture(name="explore")
def explore_fixture() -> Callable[..., Explored]:
    return explore
