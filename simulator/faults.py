"""What goes wrong, drawn from the seed: cuts, crashes, failing commits, stepping clocks."""

from collections.abc import Callable
from functools import partial
from typing import Final

from simulator.disk import Fault
from simulator.machine import Machine
from simulator.network import CALM
from simulator.simulation import Simulation

PAUSE_MS: Final = (500, 8_000)
CUT_MS: Final = (500, 20_000)
LONG_CUT_MS: Final = (190_000, 240_000)
"""Longer than the staleness of a simulated network, so that views go stale."""
DOWN_TOGETHER_MAX: Final = 2


Kind = Callable[[], None]


class Faults:
    """Injects one fault after another until ``end_ms``, then heals the world.

    At most ``DOWN_TOGETHER_MAX`` machines are down at once by its doing.
    """

    def __init__(self, simulation: Simulation, *, end_ms: int, clocks_beyond: bool) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._random = simulation.world.stream("faults")
        self._end_ms = end_ms
        self._kinds: list[Kind] = [
            self._cut_link,
            self._cut_one_way,
            self._isolate,
            self._fail,
            self._fail,
            self._fail,
            self._step_clock,
        ]
        if clocks_beyond:
            self._kinds.append(self._step_clock_beyond)
        self._isolated_long = False
        self._world.after(self._random.randint(*PAUSE_MS), self._next)

    def _next(self) -> None:
        if self._world.now_ms >= self._end_ms:
            return
        self._random.choice(self._kinds)()
        self._world.after(self._random.randint(*PAUSE_MS), self._next)

    def _machine(self) -> Machine:
        return self._random.choice(list(self._simulation.machines.values()))

    def _pair(self) -> tuple[str, str]:
        one, other = self._random.sample(list(self._simulation.machines), 2)
        return one, other

    def _cut(self, links: list[tuple[str, str]], for_ms: int, what: str) -> None:
        network = self._simulation.network
        self._world.count(what)
        for sender, receiver in links:
            network.cut(sender, receiver)
            self._world.after(for_ms, partial(network.mend, sender, receiver))

    def _cut_link(self) -> None:
        one, other = self._pair()
        self._cut([(one, other), (other, one)], self._random.randint(*CUT_MS), "link cut")

    def _cut_one_way(self) -> None:
        self._cut([self._pair()], self._random.randint(*CUT_MS), "link cut one way")

    def _isolate(self) -> None:
        region = self._machine().region
        others = [other for other in self._simulation.machines if other != region]
        links = [(region, other) for other in others] + [(other, region) for other in others]
        what, for_ms = "region cut off", self._random.randint(*CUT_MS)
        if not self._isolated_long and self._random.random() < 0.15:
            self._isolated_long = True
            what, for_ms = "region cut off until stale", self._random.randint(*LONG_CUT_MS)
        self._cut(links, for_ms, what)

    def _fail(self) -> None:
        machine = self._machine()
        down = sum(other.node is None for other in self._simulation.machines.values())
        if machine.node is None or down >= DOWN_TOGETHER_MAX:
            return
        fault = self._random.choice(list(Fault))
        self._world.count(f"armed {fault.value}")
        machine.disk.arm(fault)

    def _step_clock(self) -> None:
        machine = self._machine()
        self._world.count("clock stepped within tolerance")
        machine.clock.offset_ms = self._random.randint(-2_400, 2_400)

    def _step_clock_beyond(self) -> None:
        machine = self._machine()
        self._world.count("clock stepped beyond tolerance")
        machine.clock.offset_ms = self._random.choice((-20_000, 20_000))
        self._kinds.remove(self._step_clock_beyond)


def heal(simulation: Simulation) -> None:
    """Mend everything: links, weather, clocks, disks, processes."""
    simulation.network.mend_all()
    simulation.network.weather = CALM
    for machine in simulation.machines.values():
        machine.disk.arm(None)
        machine.clock.offset_ms = 0
        if machine.node is None:
            simulation.start(machine)
