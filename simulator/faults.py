"""What is done to a network: every kind of fault by its name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from simulator.asked import AskedError
from simulator.disk import OF_SERVERS, Fault
from simulator.drafts import Wish
from simulator.keepers import MISUSES, obedient
from simulator.keepers import Keeper as LyingKeeper
from simulator.liars import LIES, TABLES, Liar, fork
from simulator.machine import Machine
from simulator.moments import LOOK_MS, has_accepted_unseen, has_offered
from simulator.network import HURRICANE, STORM, Link
from simulator.plan import Happening
from simulator.simulation import Simulation

DOWN_TOGETHER_MAX: Final = 2
STALE_S: Final = (190.0, 240.0)
"""Longer than the staleness of a small world, so that views go stale."""

Act = Callable[["Faults", Happening], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault.

    Args:
        asks: How many regions it is about: 0, 1 or 2.
        for_s: How long a drawn one lasts.
        often: How often it is drawn, compared with others; 0: only where a script says so.
        values: Of which a drawn one takes one.
        lasting: Whether the region it strikes is not as it was after the healing.
    """

    do: Act
    asks: int = 1
    for_s: tuple[float, float] = (0.0, 0.0)
    often: int = 0
    values: Sequence[float] = (0.0,)
    lasting: bool = False


class Faults:
    """Does what happens, at the time at which it happens.

    At most ``DOWN_TOGETHER_MAX`` machines are down at once by what is drawn.
    """

    def __init__(self, simulation: Simulation, happenings: Iterable[Happening]) -> None:
        self.simulation = simulation
        self.world = simulation.world
        for happening in happenings:
            if happening.do not in KINDS:
                raise AskedError("bad-plan", f"no such kind of fault: {happening.do}")
            self.world.after(int(happening.at_s * 1_000), partial(self._do, happening))

    def _do(self, happening: Happening) -> None:
        self.world.trace("fault", happening.words())
        KINDS[happening.do].do(self, happening)

    # ---- what the kinds are made of -------------------------------------------------------------

    def machine(self, happening: Happening) -> Machine:
        """Return the machine that a happening is about."""
        return self.simulation.machines[happening.region]

    def later(self, happening: Happening, undo: Callable[[], None]) -> None:
        """Undo it when its time is up; never, where it has none."""
        if happening.for_s:
            self.world.after(int(happening.for_s * 1_000), undo)

    def once(self, has_come: Callable[[], bool], act: Callable[[], None]) -> None:
        """Do something when its moment has come; never, where it does not before the healing."""
        if has_come():
            act()
        elif not self.simulation.is_healed:
            self.world.after(LOOK_MS, partial(self.once, has_come, act))

    def cut(self, happening: Happening, links: Sequence[Link]) -> None:
        """Cut links for as long as the happening lasts."""
        self.world.inject(happening.do)
        for link in links:
            self.simulation.network.cut(*link)

        def mend() -> None:
            for link in links:
                self.simulation.network.mend(*link)

        self.later(happening, mend)

    def others(self, region: str) -> list[str]:
        """Return all regions but one."""
        return [other for other in self.simulation.machines if other != region]

    def may_go_down(self, machine: Machine) -> bool:
        """Say whether one more machine may go down."""
        down = sum(other.node is None for other in self.simulation.machines.values())
        return machine.node is not None and down < DOWN_TOGETHER_MAX


# ---- links --------------------------------------------------------------------------------------


def _cut_link(faults: Faults, it: Happening) -> None:
    faults.cut(it, [(it.region, it.other), (it.other, it.region)])


def _cut_one_way(faults: Faults, it: Happening) -> None:
    faults.cut(it, [(it.region, it.other)])


def _isolate(faults: Faults, it: Happening) -> None:
    others = faults.others(it.region)
    out = [(it.region, other) for other in others]
    faults.cut(it, [*out, *((other, it.region) for other in others)])


def _mute(faults: Faults, it: Happening) -> None:
    """Let it hear everything and be heard by nobody."""
    faults.cut(it, [(it.region, other) for other in faults.others(it.region)])


def _deafen(faults: Faults, it: Happening) -> None:
    faults.cut(it, [(other, it.region) for other in faults.others(it.region)])


def _split(faults: Faults, it: Happening) -> None:
    """Split the network in two: those before a region in the order of codes, and the rest."""
    regions = list(faults.simulation.machines)
    at = max(1, regions.index(it.region))
    sides = regions[:at], regions[at:]
    links = [(one, other) for one in sides[0] for other in sides[1]]
    faults.cut(it, [*links, *((other, one) for one, other in links)])


def _ring(faults: Faults, it: Happening) -> None:
    """Leave each region only the links to its two neighbours in the order of codes."""
    regions = list(faults.simulation.machines)
    count = len(regions)
    links = [
        (regions[at], regions[to])
        for at in range(count)
        for to in range(count)
        if (at - to) % count not in {0, 1, count - 1}
    ]
    faults.cut(it, links)


def _weather(faults: Faults, it: Happening) -> None:
    faults.world.inject(it.do)
    network = faults.simulation.network
    storm = network.begin_storm(HURRICANE if it.value else STORM)
    faults.later(it, partial(network.end_storm, storm))


def _slow_links(faults: Faults, it: Happening) -> None:
    _weaken(faults, it, faults.simulation.network.slow)


def _narrow_links(faults: Faults, it: Happening) -> None:
    _weaken(faults, it, faults.simulation.network.narrow)


def _weaken(faults: Faults, it: Happening, weaken: Callable[[Link, int], None]) -> None:
    """Make every link of a region worse, for as long as the happening lasts."""
    faults.world.inject(it.do)
    links = [link for other in faults.others(it.region) for link in _both(it.region, other)]
    for link in links:
        weaken(link, int(it.value))

    def undo() -> None:
        for link in links:
            weaken(link, 0)

    faults.later(it, undo)


def _both(one: str, other: str) -> tuple[Link, Link]:
    return (one, other), (other, one)


# ---- disks and processes ------------------------------------------------------------------------


def _arm(fault: Fault, faults: Faults, it: Happening) -> None:
    machine = faults.machine(it)
    if faults.may_go_down(machine):
        faults.world.inject(f"armed {fault.value}")
        machine.disk.arm(fault, int(it.value))


def _fill_disk(faults: Faults, it: Happening) -> None:
    machine = faults.machine(it)
    faults.world.inject(it.do)
    machine.disk.is_full = True
    faults.later(it, lambda: setattr(machine.disk, "is_full", False))


def _lose_server(faults: Faults, it: Happening) -> None:
    """Let the server of a region's database be away; whoever asks it meanwhile is told so."""
    machine = faults.machine(it)
    faults.world.inject(it.do)
    machine.disk.is_away = True
    faults.later(it, lambda: setattr(machine.disk, "is_away", False))


def _kill(faults: Faults, it: Happening) -> None:
    machine = faults.machine(it)
    if faults.may_go_down(machine):
        faults.simulation.crash(machine, it.do)


def _stop(faults: Faults, it: Happening) -> None:
    machine = faults.machine(it)
    if faults.may_go_down(machine):
        faults.world.inject(it.do)
        faults.simulation.stop(machine)
        faults.later(it, partial(faults.simulation.start_again, machine))


def _power_cut(faults: Faults, it: Happening) -> None:
    """End every process at once; each starts again in its own time."""
    faults.world.inject(it.do)
    for machine in faults.simulation.machines.values():
        if machine.node is not None:
            faults.simulation.crash(machine, "crashed in a power cut")


def _freeze(faults: Faults, it: Happening) -> None:
    machine = faults.machine(it)
    faults.world.inject(it.do)
    machine.is_frozen = True
    faults.later(it, partial(faults.simulation.thaw, machine))


def _slow_node(faults: Faults, it: Happening) -> None:
    machine = faults.machine(it)
    faults.world.inject(it.do)
    machine.slow = max(1, int(it.value))
    faults.later(it, lambda: setattr(machine, "slow", 1))


# ---- clocks -------------------------------------------------------------------------------------


def _step_clock(faults: Faults, it: Happening) -> None:
    clock = faults.machine(it).clock
    faults.world.inject(it.do)
    clock.offset_ms = int(it.value)
    faults.later(it, lambda: setattr(clock, "offset_ms", 0))


def _drift_clock(faults: Faults, it: Happening) -> None:
    clock = faults.machine(it).clock
    faults.world.inject(it.do)
    clock.drift(int(it.value))

    def undo() -> None:
        clock.drift(0)
        clock.offset_ms = 0

    faults.later(it, undo)


# ---- what heals no more by itself ---------------------------------------------------------------


def _lose_database(faults: Faults, it: Happening) -> None:
    machine, checkers = faults.machine(it), faults.simulation.checkers
    faults.world.inject(it.do)
    faults.simulation.stop(machine)
    machine.disk.lose_database()
    checkers.damaged.add(it.region)
    checkers.lost(machine)
    checkers.lines.forget(it.region)
    faults.world.after(2_000, partial(faults.simulation.start_again, machine))


def _burn_down(faults: Faults, it: Happening) -> None:
    """Lose the machine with its disks and its fence; nobody starts it again."""
    machine, checkers = faults.machine(it), faults.simulation.checkers
    faults.world.inject(it.do)
    faults.simulation.stop(machine)
    machine.disk.lose_database()
    machine.disk.mark = None
    checkers.damaged.add(it.region)
    checkers.gone.add(it.region)
    checkers.burnt(machine)


def _isolate_once_offered(faults: Faults, it: Happening) -> None:
    """Cut a region off as soon as another may accept what it has offered, and not before."""
    holder, receiver = faults.machine(it), faults.simulation.machines[it.other]
    faults.once(partial(has_offered, holder, receiver), partial(_isolate, faults, it))


def _burn_once_accepted(faults: Faults, it: Happening) -> None:
    """Burn a region down once others hold what it has accepted of one that it cannot reach."""
    receiver, holder = faults.machine(it), faults.simulation.machines[it.other]

    def has_come() -> bool:
        is_cut = faults.simulation.network.is_cut(it.region, it.other)
        return is_cut and has_accepted_unseen(receiver, holder)

    faults.once(has_come, partial(_burn_down, faults, it))


def _restore(faults: Faults, it: Happening, *, with_fence: bool) -> None:
    """Take a backup now; put it back in place of the database when the time is up."""
    machine, checkers = faults.machine(it), faults.simulation.checkers
    if machine.node is None:
        return
    backup, mark = machine.disk.backup(), machine.disk.mark

    def restore() -> None:
        faults.world.inject(it.do)
        faults.simulation.stop(machine)
        machine.disk.restore(backup)
        if with_fence:
            # Where nobody can tell it at its start, it goes on from there: a second history.
            checkers.liars.add(it.region)
            machine.disk.mark = mark
            size = 0 if mark is None else mark.size
            machine.branch = checkers.reference.branch(machine.origin, size)
        else:
            checkers.damaged.add(it.region)
        checkers.lost(machine)
        faults.simulation.start_again(machine)

    faults.world.after(int(it.for_s * 1_000), restore)


def _alter(faults: Faults, it: Happening) -> None:
    """Flip a bit on a disk, and let the node start from it."""
    machine, checkers = faults.machine(it), faults.simulation.checkers
    if machine.node is None or not machine.disk.alter_entry(machine.origin):
        return
    faults.world.inject(it.do)
    checkers.damaged.add(it.region)
    faults.simulation.stop(machine)
    faults.simulation.start_again(machine)


def _lie(how: str, faults: Faults, it: Happening) -> None:
    machine = faults.machine(it)
    if machine.node is None or machine.liar is not None:
        return
    faults.world.inject(it.do)
    faults.simulation.checkers.liars.add(it.region)
    if how in {"equivocates", "rolls back"}:
        rolls_back = how == "rolls back"
        fork(faults.simulation, machine, rolls_back=rolls_back, apart=int(it.value))
    machine.liar = Liar(faults.simulation, machine, how)
    if how in TABLES:
        faults.simulation.rebuild(machine, TABLES[how](it.region, int(it.value)))


def _misuse_key(faults: Faults, it: Happening) -> None:
    """Let a region's keeper lie from now on; ``value`` is the number of the one lie, or 0."""
    machine = faults.machine(it)
    if machine.sequencer is not None:
        return
    faults.world.inject(it.do)
    faults.simulation.checkers.liars.add(it.region)
    machine.sequencer = obedient
    if machine.node is not None:
        faults.simulation.rebuild(machine, machine.kinds)
    LyingKeeper(faults.simulation, machine, int(it.value))


# ---- the roster ---------------------------------------------------------------------------------


def _wish(faults: Faults, it: Happening) -> None:
    """Let people want a change of the roster; it comes once it is signed and in force."""
    faults.world.inject(it.do)
    regions = tuple(it.region.split()) if it.region else ()
    faults.simulation.governance.want(Wish(do=it.do, regions=regions, value=it.value))


def _keeper_away(faults: Faults, it: Happening) -> None:
    """Let nobody at a region sign, propose or stall; its node goes on."""
    faults.world.inject(it.do)
    away = faults.simulation.governance.away
    away.add(it.region)
    faults.later(it, lambda: away.discard(it.region))


KINDS: Final[dict[str, Kind]] = {
    "link cut": Kind(do=_cut_link, asks=2, for_s=(0.5, 20), often=2),
    "link cut one way": Kind(do=_cut_one_way, asks=2, for_s=(0.5, 20), often=2),
    "region cut off": Kind(do=_isolate, for_s=(0.5, 20), often=2),
    "region cut off until stale": Kind(do=_isolate, for_s=STALE_S),
    "region heard by nobody": Kind(do=_mute, for_s=(0.5, 20), often=1),
    "region hears nobody": Kind(do=_deafen, for_s=(0.5, 20), often=1),
    "network split in two": Kind(do=_split, for_s=(0.5, 15), often=1),
    "network cut to a ring": Kind(do=_ring, asks=0, for_s=(0.5, 15), often=1),
    "storm": Kind(do=_weather, asks=0, for_s=(2, 10), often=1, values=(1.0,)),
    "links slow": Kind(do=_slow_links, for_s=(2, 20), often=1, values=(200, 900, 4_000)),
    "links narrow": Kind(do=_narrow_links, for_s=(2, 20), often=1, values=(8, 64, 256)),
    **{
        fault.value: Kind(do=partial(_arm, fault), often=int(fault not in OF_SERVERS))
        for fault in Fault
    },
    Fault.STATEMENT_FAILED.value: Kind(
        do=partial(_arm, Fault.STATEMENT_FAILED), values=(0, 2, 5, 10, 20, 40)
    ),
    "database away for a while": Kind(do=_lose_server, for_s=(0.5, 10)),
    "disk full for a while": Kind(do=_fill_disk, for_s=(0.5, 6), often=1),
    "process killed": Kind(do=_kill, often=1),
    "process down": Kind(do=_stop, for_s=(2, 20), often=1),
    "power cut everywhere": Kind(do=_power_cut, asks=0, often=1),
    "process frozen": Kind(do=_freeze, for_s=(0.5, 12), often=1),
    "node slow": Kind(do=_slow_node, for_s=(2, 20), often=1, values=(20, 100, 400)),
    "clock stepped within tolerance": Kind(
        do=_step_clock, often=2, values=tuple(range(-2_400, 2_401, 300))
    ),
    "clock stepped beyond tolerance": Kind(do=_step_clock, values=(-20_000, 20_000)),
    "clock drifts": Kind(do=_drift_clock, for_s=(2, 20), often=1, values=(-20_000, 500, 20_000)),
    "database lost": Kind(do=_lose_database, lasting=True),
    "region burnt down": Kind(do=_burn_down, lasting=True),
    "region cut off once it has offered": Kind(do=_isolate_once_offered, asks=2),
    "region burnt down once it has accepted": Kind(do=_burn_once_accepted, asks=2),
    "backup restored": Kind(do=partial(_restore, with_fence=False), for_s=(3, 12), lasting=True),
    "backup restored with its fence": Kind(
        do=partial(_restore, with_fence=True), for_s=(3, 12), lasting=True
    ),
    "bit flipped on a disk": Kind(do=_alter, lasting=True),
    **{f"region {how}": Kind(do=partial(_lie, how), lasting=True) for how in LIES},
    "region keeps cases": Kind(do=partial(_lie, "keeps cases"), values=(0.0, 1.0), lasting=True),
    MISUSES: Kind(do=_misuse_key, lasting=True),
    "region joins": Kind(do=_wish),
    "region leaves": Kind(do=_wish),
    "region returns": Kind(do=_wish),
    "keys rotated": Kind(do=_wish),
    "constants changed": Kind(do=_wish, asks=0, values=(20.0, 40.0, 50.0)),
    "lost log closed": Kind(do=_wish),
    "keeper of keys away": Kind(do=_keeper_away, for_s=(10, 60)),
}  # fmt: skip
"""Every kind of fault, by the name under which it is counted."""


def heal(simulation: Simulation) -> None:
    """Mend everything that can be mended: links, weather, clocks, disks, processes."""
    simulation.network.mend_all()
    simulation.network.clear_up()
    for machine in simulation.machines.values():
        machine.disk.arm(None)
        machine.disk.is_full = machine.disk.is_away = False
        machine.slow = 1
        machine.clock.drift(0)
        machine.clock.offset_ms = 0
        if machine.is_frozen:
            simulation.thaw(machine)
        if machine.node is None and machine.region not in simulation.checkers.gone:
            simulation.start(machine)
