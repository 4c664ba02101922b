"""A sound world whose rows, messages and memories may be spoilt, one at a time."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from nodes.core.ready import PeerReply, PeerRequest
from simulator import run as running
from simulator.machine import Machine
from simulator.papers import Papers
from simulator.plan import Plan
from simulator.run import Outcome, build, run
from simulator.simulation import Simulation
from simulator.workload import Workload

ONE, OTHER = "500000", "510000"
Exchange = tuple[Machine, PeerRequest, PeerReply]


class Sound:
    """A calm world of four regions that has worked for a while and settled."""

    def __init__(self) -> None:
        plan = Plan(
            seed=9,
            regions=4,
            minutes=0.6,
            acts_per_minute=60,
            hostile=False,
            revoked=0.0,
            receipts=0.3,
            bundle_every_s=4.0,
            pace_ms=500,
        )
        self.simulation = build(plan)
        self.checkers = self.simulation.checkers
        self.world = self.simulation.world
        self.exchanges: list[tuple[int, Exchange]] = []
        """What was answered, and when."""
        self.requests: list[tuple[Machine, PeerRequest]] = []
        self._listen()
        self.simulation.start_all()
        workload = Workload(self.simulation, plan)
        self.papers = Papers(self.simulation, plan)
        self.world.run_until(plan.end_ms)
        workload.stop()
        while self.checkers.settling.unfinished():
            self.world.run_until(self.world.now_ms + 1_000)

    def _listen(self) -> None:
        checkers = self.simulation.checkers
        asked, answered = checkers.asked, checkers.answered

        def hear_request(machine: Machine, request: PeerRequest) -> None:
            self.requests.append((machine, request))
            asked(machine, request)

        def hear_reply(machine: Machine, request: PeerRequest, reply: PeerReply) -> None:
            if reply.status == 200:
                self.exchanges.append((self.world.now_ms, (machine, request, reply)))
            answered(machine, request, reply)

        checkers.asked, checkers.answered = hear_request, hear_reply  # type: ignore[method-assign]

    @property
    def one(self) -> Machine:
        return self.simulation.machines[ONE]

    @property
    def other(self) -> Machine:
        return self.simulation.machines[OTHER]

    def say(self, machine: Machine, sql: str, *given: object) -> None:
        """Write to a machine's disk, behind its node."""
        assert machine.disk.database.execute(sql, given).rowcount

    def newest(self, path: str, patch: "Patch") -> Exchange:
        """Return the newest answered request to a path, and go back to its moment."""
        at_ms, exchange = next(it for it in reversed(self.exchanges) if it[1][1].path == path)
        patch.setattr(self.world, "now_ms", at_ms)
        return exchange

    def use(self) -> tuple[Machine, str, int, str]:
        """Return a confirmed use: at whom, of which log's object, and its place."""
        for machine in self.simulation.machines.values():
            found = machine.disk.database.execute(
                'SELECT uses.log_id, uses."index", fact_object, fact_origin FROM uses '
                "JOIN logs USING (log_id) WHERE status = 'confirmed' AND origin = ?",
                (machine.origin,),
            ).fetchone()
            if found is not None:
                return machine, found[2], found[1], found[3]
        raise AssertionError("no use was confirmed")


Patch = pytest.MonkeyPatch
Spoil = Callable[[Sound, Patch], object]


def snapshot(sound: Sound, patch: Patch, **given: object) -> None:
    """Let the first machine's node say something else of itself."""
    node = sound.one.node
    assert node is not None
    patch.setattr(node, "snapshot", replace(node.snapshot, **given))


def status(sound: Sound, patch: Patch, **given: object) -> None:
    """Let the first machine's node say something else of the other's log."""
    node = sound.one.node
    assert node is not None
    logs = dict(node.snapshot.logs)
    logs[sound.other.origin] = replace(logs[sound.other.origin], **given)
    snapshot(sound, patch, logs=logs)


def run_and_keep(plan: Plan) -> tuple[Outcome, Simulation]:
    """Run a world to its end, see its promises held, and return it as it then is."""
    kept: list[Simulation] = []

    def keep(given: Plan) -> Simulation:
        kept.append(build(given))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "build", keep)
        patch.setattr(Simulation, "close", lambda _simulation: None)
        outcome = run(plan)
    assert not outcome.broken, f"{outcome.broken}\nreplay: {plan.command()}"
    return outcome, kept[0]
