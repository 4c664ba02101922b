"""One run: a working phase with whatever goes wrong in it, then healing, and a verdict."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from time import process_time  # how fast the run itself was; nothing in it depends on that
from typing import Any, Final

from simulator.agreeing import check_plan, constants_of
from simulator.checkers import Checkers
from simulator.drawing import happenings
from simulator.faults import Faults, heal
from simulator.network import CALM, STORM, Weather, distances_ms
from simulator.papers import Papers
from simulator.places import places_of
from simulator.plan import Plan
from simulator.regions import make_members
from simulator.sharing import sharing
from simulator.signing import signing
from simulator.simulation import Simulation
from simulator.uses import check_settled
from simulator.withholding import check_withheld
from simulator.workload import Workload
from simulator.world import BrokenError, World

__all__ = ["Outcome", "Plan", "run"]

SETTLE_LOOK_MS: Final = 1_000

Watch = Callable[[float, Mapping[str, int]], None]
"""Is told the share of the run that is done, and what has happened so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. ``broken`` says which promise was broken; empty where none was."""

    plan: Plan
    broken: str
    trace: str
    events: int
    cpu_s: float
    simulated_ms: int
    settled_ms: int
    unmet: tuple[str, ...] = ()
    """Expectations of the plan that did not come true."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Of each log, by its region; ``500000/2`` is the log that goes on from a closed one."""
    counts: Mapping[str, int] = field(default_factory=dict)
    injected: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    """What expectations are about, by name."""
    measures: Mapping[str, Any] = field(default_factory=dict)


def build(plan: Plan) -> Simulation:
    """Return the network of a plan; nothing runs in it yet.

    Raises:
        AskedError: ``bad-plan``: there can be none.
    """
    check_plan(plan)
    places = places_of(plan.places, plan.regions)
    founders = [place.code for place in places[: plan.stages[0][1]]] if plan.stages else ()
    members = make_members(
        plan.seed, places, constants_of(plan), committee=plan.committee, founders=founders
    )
    return Simulation(
        World(plan.seed, plan.start_ms),
        members,
        weather_of(plan),
        distances_ms(places, plan.farther),
        plan.pace_ms,
        judging=plan.judging,
        is_plain=plan.is_plain,
        is_undisturbed=plan.is_undisturbed,
    )


def weather_of(plan: Plan) -> Weather:
    """Return how bad the links of a plan are, as long as no storm makes them worse."""
    base = STORM if plan.hostile else CALM
    return replace(
        base,
        jitter_ms_max=base.jitter_ms_max + plan.jitter_ms,
        lost=min(1.0, base.lost + plan.lost),
        repeated=min(1.0, base.repeated + plan.repeated),
        held_back=min(1.0, base.held_back + plan.held_back),
        bandwidth_kbit=plan.bandwidth_kbit,
    )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the interpreter look for cycles of garbage rarely: a world has few, and much memory."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def run(plan: Plan, watch: Watch | None = None) -> Outcome:
    """Run one world from its seed, and say how it ended."""
    began = process_time()
    with (
        signing(plan.signer),
        sharing(plan.judging),
        _rare_collections(),
        closing(build(plan)) as simulation,
    ):
        world = simulation.world
        broken, settled_ms = "", 0
        try:
            settled_ms = _run(plan, simulation, watch)
        except BrokenError as error:
            broken = str(error)
    cpu_s = process_time() - began
    sizes = {
        origin.partition("/")[2]: len(log.entries)
        for origin, log in simulation.checkers.reference.logs.items()
    }
    figures = _figures(simulation, sizes, settled_ms)
    return Outcome(
        plan=plan,
        broken=broken,
        trace=world.trace_hash(),
        events=world.happened,
        cpu_s=cpu_s,
        simulated_ms=world.now_ms - plan.start_ms,
        settled_ms=settled_ms,
        unmet=tuple(
            f"{one.words()}, and it is {figures.get(one.that, 0):g}"
            for one in plan.expect
            if not one.holds(figures.get(one.that, 0))
        ),
        sizes=sizes,
        counts=dict(sorted(world.counts.items())),
        injected=dict(sorted(world.injected.items())),
        figures=figures,
        measures=simulation.measures.to_map(),
    )


def _figures(simulation: Simulation, sizes: Mapping[str, int], settled_ms: int) -> dict[str, float]:
    """Return everything that can be expected of a run, by name."""
    counts = simulation.world.counts
    figures: dict[str, float] = {name: float(count) for name, count in sorted(counts.items())}
    figures |= simulation.measures.flat()
    figures["settled s"] = settled_ms / 1_000
    figures["entries"] = float(sum(sizes.values()))
    figures["kinds injected"] = float(len(simulation.world.injected))
    figures["breaches"] = float(
        sum(count for name, count in counts.items() if name.startswith("finding breach"))
    )
    figures["cases opened"] = float(counts["act case.open: accepted"])
    figures["cases closed"] = float(counts["act case.close: accepted"])
    return figures


def _run(plan: Plan, simulation: Simulation, watch: Watch | None) -> int:
    """Run the two phases and return how long healing took."""
    world, checkers = simulation.world, simulation.checkers
    next_compare = plan.check_every

    def look() -> bool:
        nonlocal next_compare
        if world.happened >= next_compare:
            next_compare = world.happened + plan.check_every
            checkers.projections.compare(recent=True)
            checkers.verdicts.check_uses(recent=True)
        return False

    simulation.measures.begin(plan.minutes, plan.refresh_s)
    simulation.start_all()
    workload = Workload(simulation, plan)
    papers = Papers(simulation, plan)
    Faults(simulation, happenings(plan, list(simulation.machines)))
    _every(simulation, plan, watch)
    world.run_until(plan.end_ms, look)
    if watch is not None:
        watch(1.0, world.counts)
    workload.stop()
    heal(simulation)
    simulation.is_healed = True
    left = _unfinished(simulation, papers)
    deadline_ms = plan.end_ms + plan.deadline_s * 1_000
    while left and world.now_ms < deadline_ms:
        world.run_until(world.now_ms + SETTLE_LOOK_MS, look)
        left = _unfinished(simulation, papers)
    check_at_rest(checkers, papers)
    checkers.verdicts.count_uses()
    checkers.verdicts.count_findings()
    if left:
        raise BrokenError(f"not settled {plan.deadline_s} s after healing: {'; '.join(left)}")
    return world.now_ms - plan.end_ms


def check_at_rest(checkers: Checkers, papers: Papers) -> None:
    """Check what can be said of a whole world, once it rests.

    Raises:
        BrokenError: A promise is broken.
    """
    checkers.projections.compare()
    checkers.check_accepted()
    checkers.check_leaves()
    checkers.check_readable()
    checkers.dates.check()
    checkers.verdicts.check_findings()
    checkers.verdicts.check_uses()
    check_settled(checkers, checkers.dates)
    check_withheld(checkers)
    checkers.check_words()
    checkers.lines.contradictions.check()
    papers.check()


def _unfinished(simulation: Simulation, papers: Papers) -> list[str]:
    """Return what keeps a world from having settled."""
    return [
        *simulation.governance.unfinished(),
        *papers.unfinished(),
        *simulation.checkers.settling.unfinished(),
    ]


def _every(simulation: Simulation, plan: Plan, watch: Watch | None) -> None:
    """Look at the whole once a bucket, until the working phase is over."""
    world, measures = simulation.world, simulation.measures
    measures.look(simulation.machines, simulation.checkers.verdicts.findings_by_region())
    if watch is not None:
        watch((world.now_ms - plan.start_ms) / (plan.end_ms - plan.start_ms), world.counts)
    if world.now_ms + measures.bucket_ms <= plan.end_ms:
        world.after(measures.bucket_ms, partial(_every, simulation, plan, watch))
