"""Exploration: many random worlds on all cores, and a corpus of those worth keeping.

The first that fails is made smaller (``simulator.shrinking``), all in the minutes that are given.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic  # when to stop; nothing in a world depends on it
from typing import Final

from simulator.asked import AskedError
from simulator.drawing import random_plan
from simulator.run import run
from simulator.shrinking import shrink, story
from simulator.sometimes import SOMETIMES

MINUTES_MIN: Final = 0.01
SHRINKING_SHARE: Final = 0.25
"""Of the time, kept for shrinking once a world has failed."""


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


# ---- many worlds --------------------------------------------------------------------------------


@dataclass(slots=True)
class Allowance:
    """The minutes that an exploration may take: worlds, and shrinking one that failed."""

    minutes: float
    clock: Callable[[], float]
    began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.began_s = self.clock()

    def used_s(self) -> float:
        """Return how long it has gone on."""
        return self.clock() - self.began_s

    def is_up(self, share: float = 1.0) -> bool:
        """Say whether this share of the time is over."""
        return self.used_s() >= self.minutes * 60 * share


def explore(
    seeds: range,
    allowance: Allowance,
    workers: Executor,
    at_once: int = 1,
    *,
    look_: Callable[[int], Found],
    told: Callable[[Found], None] | None = None,
) -> list[Found]:
    """Run the worlds of these seeds, so many at once, and begin none once the time is up.

    From the first failure on the end of the time is left to shrinking.
    """
    found: list[Found] = []
    waiting = iter(seeds)
    share = 1.0
    running: set[Future[Found]] = set()
    while True:
        while len(running) < at_once and not allowance.is_up(share):
            seed = next(waiting, None)
            if seed is None:
                break
            running.add(workers.submit(look_, seed))
        if not running:
            return sorted(found, key=lambda one: one.seed)
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            found.append(future.result())
            if found[-1].broken:
                share = 1.0 - SHRINKING_SHARE
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


def _keep(corpus: Path | None, worlds: list[Found]) -> None:
    if corpus is not None:
        rows = [asdict(one) for one in worlds]
        corpus.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def tell(one: Found) -> None:
    """Tell of a world as soon as it is over: of each where somebody looks on, else of failures."""
    if one.broken or sys.stderr.isatty():
        sys.stderr.write(f"seed {one.seed}: {one.broken or 'held'}\n")
        sys.stderr.flush()


def _check(given: argparse.Namespace) -> None:
    """Check that there is something to explore: of no world at all every promise holds.

    Raises:
        AskedError: ``bad-value``.
    """
    for name, value, least in (
        ("--seeds", given.seeds, 1),
        ("--minutes", given.minutes, MINUTES_MIN),
        ("--processes", given.processes, 0),
    ):
        if not value >= least:
            raise AskedError("bad-value", f"{name} is a number from {least:g}, not {value:g}")


def main(given: argparse.Namespace) -> int:
    """Explore as the command line says; the status is 1 where a world failed.

    Raises:
        AskedError: ``bad-value``: so nothing would be explored.
    """
    _check(given)
    seeds = range(given.first, given.first + given.seeds)
    # A file that cannot be written is told now, and not after all these minutes.
    _keep(given.corpus, [])
    allowance = Allowance(given.minutes, monotonic)
    at_once = given.processes or os.cpu_count() or 1
    with ProcessPoolExecutor(at_once) as workers:
        found = explore(seeds, allowance, workers, at_once, look_=look, told=tell)
    counts: Counter[str] = Counter()
    injected: Counter[str] = Counter()
    for one in found:
        counts.update(one.counts)
        injected.update(one.injected)
    lines = [
        (
            f"{len(found)} of {given.seeds} worlds in {allowance.used_s():.0f} s, "
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
    if not failed:
        lines.append("all promises held")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    _keep(given.corpus, interesting(found))
    if not failed:
        return 0
    # The quickest to run is the one of which the time that is left says most.
    quickest = min(failed, key=lambda one: (one.cpu_s, one.seed))
    if allowance.is_up():
        sys.stdout.write("no time is left to shrink one of them\n")
    else:
        sys.stdout.write(f"shrinking seed {quickest.seed}\n")
        sys.stdout.flush()
        shrunk = shrink(random_plan(quickest.seed), run, is_time_up=allowance.is_up)
        sys.stdout.write(story(shrunk) + "\n")
    return 1
