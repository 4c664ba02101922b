"""Shrinking: a failing world made smaller until a person can read it as a story.

One thing at a time (shorter, fewer regions, fewer faults, fewer acts), for as long as it still
fails and there is time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from simulator.agreeing import agrees
from simulator.drawing import kept
from simulator.limits import LIMITS
from simulator.plan import Happening, Plan
from simulator.run import Outcome, build, run

TRIES_MAX: Final = 60
"""Worlds that shrinking may run."""

_PLAIN: Final = Plan()

Run = Callable[[Plan], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """How far shrinking came.

    Args:
        outcome: Of the smallest world found that still fails; of the first one where it held.
        tries: Worlds that were run, the first one included.
        ended: Why there were no more.
    """

    outcome: Outcome
    tries: int
    ended: str


def faults_of(plan: Plan) -> dict[int, Happening]:
    """Return the drawn faults of a world, by their number."""
    return kept(plan, list(build(plan).machines))


def smaller_than(plan: Plan) -> Iterator[Plan]:
    """Yield plans that are smaller in one thing, the greatest steps first."""
    numbers = sorted(faults_of(plan))
    # Numbers stand for the same faults only while length and regions stay as they are.
    if plan.only is None:
        for share in (0.5, 0.75):
            shorter = round(plan.minutes * share, 3)
            if shorter >= LIMITS["minutes"][0]:
                yield replace(plan, minutes=shorter)
        fewer = replace(plan, regions=plan.regions - 1)
        if fewer.regions >= 4 and not plan.stages and agrees(fewer):
            yield fewer
        for field in ("together", "servers", "more_changes"):
            yield replace(plan, **{field: getattr(_PLAIN, field)})
        yield replace(plan, careless=0.0) if plan.careless else replace(plan, revoked=0.0)
    for field in ("begins", "judging", "signer", "pace_ms", "at_once", "receipts"):
        yield replace(plan, **{field: getattr(_PLAIN, field)})
    half = len(numbers) // 2
    if half:
        yield replace(plan, only=tuple(numbers[:half]))
        yield replace(plan, only=tuple(numbers[half:]))
    for number in numbers:
        yield replace(plan, only=tuple(it for it in numbers if it != number))
    if plan.acts_per_minute > 10:
        yield replace(plan, acts_per_minute=plan.acts_per_minute // 2)


def _never() -> bool:
    return False


def shrink(
    plan: Plan,
    run_: Run = run,
    *,
    tries_max: int = TRIES_MAX,
    is_time_up: Callable[[], bool] = _never,
) -> Shrunk:
    """Return the smallest world found that still breaks its promise, and how far this came.

    The world itself is run in any case; no other is begun once the time is up.
    """
    best = run_(plan)
    tries = 1
    if not best.broken:
        return Shrunk(outcome=best, tries=tries, ended="it holds when it is run again")
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for smaller in smaller_than(best.plan):
            if smaller == best.plan:
                continue
            if tries >= tries_max:
                return Shrunk(outcome=best, tries=tries, ended=f"{tries_max} worlds are the most")
            if is_time_up():
                return Shrunk(outcome=best, tries=tries, ended="the time is up")
            tries += 1
            outcome = run_(smaller)
            if outcome.broken:
                best, is_smaller = outcome, True
                break
    return Shrunk(outcome=best, tries=tries, ended="nothing smaller fails")


def story(shrunk: Shrunk) -> str:
    """Tell a failing world so that a person can follow it."""
    outcome, plan = shrunk.outcome, shrunk.outcome.plan
    lines = [
        f"shrunk in {shrunk.tries} worlds: {shrunk.ended}",
        f"{plan.regions} regions, {plan.minutes:g} minutes, {plan.acts_per_minute} acts a minute.",
        *(f"  {number:3}: {one.words()}" for number, one in faults_of(plan).items()),
        f"Then: {outcome.broken or 'all promises held'}",
        f"replay: {plan.command()}",
    ]
    return "\n".join(lines)
