"""Exploration: many random worlds on all cores, a corpus of those worth keeping, and shrinking.

A failing world is made smaller one thing at a time (shorter, fewer regions, fewer faults, fewer
acts) for as long as it still fails, until a person can read it as a story.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from random import Random  # noqa: TID251 - a plan is drawn from its seed
from time import monotonic  # when to stop; nothing in a world depends on it
from typing import Final

from simulator.faults import draw
from simulator.plan import Happening, Plan
from simulator.run import Outcome, build, run
from simulator.scenario import load
from simulator.sometimes import SOMETIMES

TRIES_MAX: Final = 60
"""Worlds that shrinking may run."""

Run = Callable[[Plan], Outcome]


def random_plan(seed: int) -> Plan:
    """Return the small hostile world of a seed."""
    random = Random(f"{seed}/plan")
    regions = random.choice((4, 5, 5, 5, 6))
    # Only a network that bears one faulty region is given one, before and after it grows.
    damage = regions >= 5 and random.random() < 0.5
    grows = random.random() < 0.25 and (regions > 5 or not damage)
    return load("small-world").plan.what_if(
        f"seed={seed}",
        f"regions={regions}",
        f"minutes={random.choice((0.2, 0.3, 0.4)):g}",
        f"acts_per_minute={random.choice((40, 60, 90))}",
        f"careless={random.choice((0.0, 0.1)):g}",
        f"clocks_beyond={random.random() < 0.1}",
        f"damage={damage}",
        f"stages={f'0:{regions - 1},0.1:{regions}' if grows else 'none'}",
        f"changes={regions >= 5 and random.random() < 0.4}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one world of an exploration came to."""

    seed: int
    broken: str
    command: str
    events: int
    cpu_s: float
    counts: dict[str, int]
    injected: dict[str, int]


def look(seed: int) -> Found:
    """Run the world of a seed; a failure of the simulator itself is one as well."""
    plan = random_plan(seed)
    outcome = run(plan)
    return Found(
        seed=seed,
        broken=outcome.broken,
        command=plan.command(),
        events=outcome.events,
        cpu_s=outcome.cpu_s,
        counts=dict(outcome.counts),
        injected=dict(outcome.injected),
    )


# ---- shrinking ----------------------------------------------------------------------------------


def kept(plan: Plan) -> dict[int, Happening]:
    """Return the drawn faults of a plan that happen, by their number."""
    drawn = draw(plan, list(build(plan).machines)) if plan.hostile else ()
    return {
        at: one for at, one in enumerate(drawn) if plan.only is None or at in plan.only
    }  # fmt: skip


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Yield plans that are smaller in one thing, the greatest steps first."""
    numbers = sorted(kept(plan))
    # Numbers stand for the same faults only while length and regions stay as they are.
    if plan.only is None:
        for share in (0.5, 0.75):
            yield replace(plan, minutes=round(plan.minutes * share, 3))
        if plan.regions > 4:
            yield replace(plan, regions=plan.regions - 1)
        yield replace(plan, careless=0.0) if plan.careless else replace(plan, revoked=0.0)
    half = len(numbers) // 2
    if half:
        yield replace(plan, only=tuple(numbers[:half]))
        yield replace(plan, only=tuple(numbers[half:]))
    for number in numbers:
        yield replace(plan, only=tuple(it for it in numbers if it != number))
    if plan.acts_per_minute > 10:
        yield replace(plan, acts_per_minute=plan.acts_per_minute // 2)


def shrink(plan: Plan, run_: Run = run, tries_max: int = TRIES_MAX) -> Outcome:
    """Return the outcome of the smallest plan found that still breaks its promise."""
    best = run_(plan)
    tries = 1
    is_done = not best.broken
    while not is_done:
        is_done = True
        for smaller in _smaller(best.plan):
            if tries >= tries_max:
                return best
            if smaller == best.plan:
                continue
            tries += 1
            outcome = run_(smaller)
            if outcome.broken:
                best, is_done = outcome, False
                break
    return best


def story(outcome: Outcome) -> str:
    """Tell a failing world so that a person can follow it."""
    plan = outcome.plan
    lines = [
        f"{plan.regions} regions, {plan.minutes:g} minutes, {plan.acts_per_minute} acts a minute.",
        *(f"  {number:3}: {one.words()}" for number, one in kept(plan).items()),
        f"Then: {outcome.broken}",
        f"replay: {plan.command()}",
    ]
    return "\n".join(lines)


# ---- many worlds --------------------------------------------------------------------------------


def explore(
    seeds: range, minutes: float, processes: int = 0, told: Callable[[Found], None] | None = None
) -> list[Found]:
    """Run the worlds of these seeds on all cores, and begin none once the time is up."""
    deadline_s = monotonic() + minutes * 60
    found: list[Found] = []
    waiting = iter(seeds)
    workers = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(workers) as pool:
        running: set[Future[Found]] = set()
        while True:
            while len(running) < workers and monotonic() < deadline_s:
                seed = next(waiting, None)
                if seed is None:
                    break
                running.add(pool.submit(look, seed))
            if not running:
                return sorted(found, key=lambda one: one.seed)
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                found.append(future.result())
                if told is not None:
                    told(found[-1])


def interesting(found: list[Found]) -> list[Found]:
    """Return a few worlds that together reach all that the others reach, and those that failed."""
    chosen, known = [], set[str]()
    for one in sorted(found, key=lambda it: (-len(it.counts), it.seed)):
        new = (one.counts.keys() | one.injected.keys()) - known
        if new or one.broken:
            chosen.append(one)
            known |= new
    return chosen


def main(given: argparse.Namespace) -> int:
    """Explore as the command line says; the status is 1 where a world failed."""
    seeds = range(given.first, given.first + given.seeds)

    def told(one: Found) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"seed {one.seed}: {one.broken or 'held'}\n")

    began_s = monotonic()
    found = explore(seeds, given.minutes, given.processes, told)
    took_s = monotonic() - began_s
    counts: Counter[str] = Counter()
    injected: Counter[str] = Counter()
    for one in found:
        counts.update(one.counts)
        injected.update(one.injected)
    lines = [
        (
            f"{len(found)} of {given.seeds} worlds in {took_s:.0f} s, "
            f"{sum(one.events for one in found)} events, "
            f"{sum(one.cpu_s for one in found):.0f} CPU seconds"
        ),
        f"injected, {len(injected)} kinds",
        *(f"  {count:6}  {what}" for what, count in sorted(injected.items())),
        "sometimes",
        *(f"  {counts[what]:6}  {meaning}" for what, meaning in SOMETIMES.items()),
    ]
    failed = [one for one in found if one.broken]
    lines += [f"seed {one.seed} BROKEN: {one.broken}\nreplay: {one.command}" for one in failed]
    sys.stdout.write("\n".join(lines) + "\n")
    if given.corpus is not None:
        rows = [asdict(one) for one in interesting(found)]
        given.corpus.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    if failed:
        sys.stdout.write(
            "shrinking the first of them\n" + story(shrink(random_plan(failed[0].seed)))
        )
        sys.stdout.write("\n")
        return 1
    sys.stdout.write("all promises held\n")
    return 0
