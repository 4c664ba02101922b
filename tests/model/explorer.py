"""The explorer that every model of this folder runs on: breadth first, so every trace is shortest.

States that differ only in the names of participants who are alike are visited once. A trace is
walked again with the names kept, so that it reads as one story.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.model.invariants import Invariant

Step = tuple[str, Any]
"""What happened, in words, and the state after it."""


def as_it_is(state: Any) -> Any:
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A protocol, or a part of it, for a few participants.

    Args:
        holds: By invariant: whether it holds in a state.
        canonical: The one state that stands for all that differ in names alone.
        fair: What goes on without liars' help; with ``done``, liveness is checked: from every
            reachable state a done one can be reached by fair steps.
    """

    name: str
    start: Hashable
    steps: Callable[[Any], Iterable[Step]]
    holds: Mapping[Invariant, Callable[[Any], bool]] = field(default_factory=dict)
    canonical: Callable[[Any], Any] = as_it_is
    fair: Callable[[Any], Iterable[Step]] | None = None
    done: Callable[[Any], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What a walk found.

    ``diameter`` is how far the furthest state is from the start; ``trace`` the shortest way to a
    state that breaks ``broken``.
    """

    states: int
    diameter: int
    broken: Invariant | None = None
    trace: tuple[str, ...] = ()


def explore(model: Model, only: Invariant | None = None) -> Explored:
    """Visit every state that can be reached, nearest first, until an invariant breaks.

    Args:
        only: Look at this invariant alone; None looks at all of them.
    """
    checks = [(name, holds) for name, holds in model.holds.items() if only in {None, name}]
    canonical, steps = model.canonical, model.steps
    start = canonical(model.start)
    came_from: dict[Any, Any] = {start: None}
    depth = {start: 0}
    waiting = deque([start])
    state = start
    while waiting:
        state = waiting.popleft()
        for name, holds in checks:
            if not holds(state):
                return _broken(model, name, came_from, depth, state)
        for _, following in steps(state):
            known = canonical(following)
            if known not in came_from:
                came_from[known] = state
                depth[known] = depth[state] + 1
                waiting.append(known)
    if model.fair is not None and only in {None, Invariant.NEVER_WEDGED}:
        wedged = _wedged(model, came_from)
        if wedged is not None:
            return _broken(model, Invariant.NEVER_WEDGED, came_from, depth, wedged)
    return Explored(states=len(came_from), diameter=depth[state])


def walk(model: Model, story: Iterable[str]) -> Any:
    """Return the state to which these steps lead; each must be a step of the model."""
    at = model.start
    for told in story:
        at = next(following for label, following in model.steps(at) if label == told)
    return at


def _wedged(model: Model, reached: Mapping[Any, Any]) -> Any | None:
    """Return the first state from which no fair steps lead to a done one; None: there is none."""
    assert model.fair is not None
    assert model.done is not None
    before: dict[Any, list[Any]] = {}
    for state in reached:
        for _, following in model.fair(state):
            before.setdefault(model.canonical(following), []).append(state)
    waiting = [state for state in reached if model.done(state)]
    lively = set(waiting)
    while waiting:
        for earlier in before.get(waiting.pop(), ()):
            if earlier not in lively:
                lively.add(earlier)
                waiting.append(earlier)
    return next((state for state in reached if state not in lively), None)


def _broken(
    model: Model,
    name: Invariant,
    came_from: Mapping[Any, Any],
    depth: Mapping[Any, int],
    state: Any,
) -> Explored:
    """Walk the shortest way again, this time with the participants' names kept."""
    path = [state]
    while came_from[path[-1]] is not None:
        path.append(came_from[path[-1]])
    at, labels = model.start, []
    for target in reversed(path[:-1]):
        label, at = next(
            (label, following)
            for label, following in model.steps(at)
            if model.canonical(following) == target
        )
        labels.append(label)
    return Explored(states=len(came_from), diameter=depth[state], broken=name, trace=tuple(labels))
