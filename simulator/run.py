"""One run: a hostile phase, then healing, and a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import process_time  # how fast the run itself was; nothing in it depends on that
from typing import Final

from simulator.faults import Faults, heal
from simulator.network import CALM, STORM
from simulator.regions import make_members
from simulator.simulation import Simulation
from simulator.workload import Workload
from simulator.world import START_MS, BrokenError, World

COMPARE_EVERY: Final = 150
SETTLE_MS_MAX: Final = 420_000
"""How long after healing everything must have settled: a cut of stale views, and their renewal."""
SETTLE_LOOK_MS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is made of; with the seed, all there is to know of it."""

    seed: int
    regions: int = 5
    minutes: float = 2.0
    acts_per_minute: int = 40
    hostile: bool = True
    clocks_beyond: bool = False

    def command(self) -> str:
        """Return the one command that runs this again."""
        words = [
            f"python -m simulator run --seed {self.seed} --regions {self.regions}",
            f"--minutes {self.minutes:g} --acts {self.acts_per_minute}",
        ]
        if not self.hostile:
            words.append("--calm")
        if self.clocks_beyond:
            words.append("--clocks-beyond")
        return " ".join(words)


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
    sizes: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


def run(plan: Plan) -> Outcome:
    """Run one world from its seed, and say how it ended."""
    began = process_time()
    world = World(plan.seed)
    simulation = Simulation(
        world, make_members(plan.seed, plan.regions), STORM if plan.hostile else CALM
    )
    broken, settled_ms = "", 0
    try:
        settled_ms = _run(plan, simulation)
    except BrokenError as error:
        broken = str(error)
    return Outcome(
        plan=plan,
        broken=broken,
        trace=world.trace_hash(),
        events=world.happened,
        cpu_s=process_time() - began,
        simulated_ms=world.now_ms - START_MS,
        settled_ms=settled_ms,
        sizes={
            origin.rsplit("/", 1)[-1]: len(log.entries)
            for origin, log in simulation.checkers.reference.logs.items()
        },
        counts=dict(sorted(world.counts.items())),
    )


def _run(plan: Plan, simulation: Simulation) -> int:
    """Run the two phases and return how long healing took."""
    world, checkers = simulation.world, simulation.checkers
    end_ms = START_MS + int(plan.minutes * 60_000)
    next_compare = COMPARE_EVERY

    def look() -> bool:
        nonlocal next_compare
        if world.happened >= next_compare:
            next_compare = world.happened + COMPARE_EVERY
            checkers.compare_projections()
            checkers.check_custody()
        return False

    simulation.start_all()
    workload = Workload(simulation, per_minute=plan.acts_per_minute, end_ms=end_ms)
    if plan.hostile:
        Faults(simulation, end_ms=end_ms, clocks_beyond=plan.clocks_beyond)
    world.run_until(end_ms, look)
    workload.stop()
    heal(simulation)
    left = checkers.unfinished()
    while left and world.now_ms < end_ms + SETTLE_MS_MAX:
        world.run_until(world.now_ms + SETTLE_LOOK_MS, look)
        left = checkers.unfinished()
    checkers.compare_projections()
    checkers.check_custody()
    checkers.check_accepted()
    checkers.check_leaves()
    checkers.count_uses()
    if left:
        raise BrokenError(f"not settled {SETTLE_MS_MAX // 1000} s after healing: {'; '.join(left)}")
    return world.now_ms - end_ms
