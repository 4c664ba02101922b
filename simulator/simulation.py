"""The real node of each region in a simulated world: events in, what leaves is carried on.

This does what the driver and the peer client do in service, and nothing that the node does.
"""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sqlalchemy.exc import OperationalError

from ledger.errors import FatalError
from ledger.kind import Kinds
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from nodes import node as nodes
from nodes.core.follower import Follower
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits
from nodes.core.ready import (
    Event,
    PeerAnswered,
    PeerCalled,
    PeerReply,
    PeerRequest,
    Registered,
    Reply,
    Tick,
)
from nodes.core.sequencer import Sequencer
from simulator.asked import AskedError
from simulator.checkers import Checkers
from simulator.clock import SimulatedClock
from simulator.disk import COMMIT_LOST, OF_SERVERS, Disk, Fault, SimulatedCrashError
from simulator.governance import Governance
from simulator.judging import MODES, Book, SharedFollower, SharedSequencer
from simulator.machine import Answer, Machine
from simulator.measures import Measures
from simulator.network import Link, Network, Weather
from simulator.regions import Members, role_keys
from simulator.world import BrokenError, World

SERVICE_MS_MAX: Final = 3
COMPARED: Final = 8
"""In a plain world, one disk in so many is read back at once; all are compared at the end."""
GATHERED_MS: Final = 20_000
"""What comes in so long is judged in one step by the limits of a node in service."""
PACED_SERVICE_MS_MAX: Final = 7_500
"""Of a machine that gathers acts: what it is asked is answered before whoever asks gives up.
Where nothing goes wrong it gathers that as well, for all of this time; elsewhere it gets to it
sooner or later, so that things happen in many orders."""
RESTART_MS: Final = (50, 4_000)
CERTAIN: Final = frozenset({Fault.COMMIT_BUSY, Fault.COMMIT_FULL, *OF_SERVERS})
"""After which a node goes on: nothing was done, or the database will tell."""
EVENTS_AT_ONCE_MAX: Final = 10_000


def _limits(pace_ms: int) -> Limits:
    """Return the limits of a node that gathers acts: it judges what the others gather in one go."""
    plain = Limits(pace_ms=pace_ms)
    times = 1 + pace_ms // GATHERED_MS
    return replace(
        plain,
        judged_entries_max=plain.judged_entries_max * times,
        judged_bytes_max=plain.judged_bytes_max * times,
        judged_chunk_entries_max=plain.judged_chunk_entries_max * times,
    )


@dataclass(frozen=True, slots=True)
class Call:
    """A peer request on its way: whose it is, and in which of its lives it was sent."""

    sender: Machine
    life: int
    request: PeerRequest
    asked_ms: int


class Simulation:
    """The machines of a network, the links between them, and the checkers that watch.

    Args:
        latency_ms: Of links, where they are known.
        pace_ms: How long acts are gathered before a node gets them; 0: not at all.
        judging: Whether each node judges all by itself (``simulator.judging``).
        is_plain: Whether nothing goes wrong in this world, so that no step is undone, and a sample
            of what nodes have made of entries as others did before is read again at once.
        is_undisturbed: Whether nothing goes wrong, however nodes judge: then what a machine is
            asked by others is gathered for as long as it may be.
    """

    def __init__(
        self,
        world: World,
        members: Members,
        weather: Weather,
        latency_ms: Mapping[Link, int] | None = None,
        pace_ms: int = 0,
        *,
        judging: str = "each",
        is_plain: bool = False,
        is_undisturbed: bool = False,
    ) -> None:
        self.world = world
        if judging not in MODES:
            raise AskedError("bad-plan", f"judging is one of {', '.join(MODES)}, not {judging}")
        book = Book(world)
        shares = judging == "shared"
        self._follower = partial(SharedFollower, book=book) if shares else Follower
        self._sequencer = partial(SharedSequencer, book=book) if shares else Sequencer
        self.members = members
        self.network = Network(world, list(members.places), weather, latency_ms)
        self.measures = Measures(world, members.places)
        self.is_healed = False
        self.pace_ms = pace_ms
        gathers_ms = min(pace_ms // 8, PACED_SERVICE_MS_MAX)
        self._service_ms_max = max(SERVICE_MS_MAX, gathers_ms)
        self._service_ms_least = gathers_ms if is_undisturbed else 0
        self._random = world.stream("machines")
        self._faults = world.stream("disks")
        self._disks: list[Disk] = []
        """All that there ever were."""
        self.machines = {
            region: Machine(
                region,
                members.roster.origin_of(region),
                self._new_disk(is_plain=is_plain),
                SimulatedClock(world, self._random.randint(-2_000, 2_000)),
            )
            for region in members.roster.members
        }
        self.twins: dict[str, Machine] = {}
        """Second nodes of regions that show two histories."""
        self.checkers = Checkers(world, members.chain, self.machines, COMPARED if is_plain else 1)
        self.governance = Governance(self)
        self.accepted_by: list[Callable[[str, str, Registered], None]] = []
        """Are told of each act that a region has accepted, with its subject."""
        self._at_once = (0, 0)

    @property
    def roster(self) -> Roster:
        """The newest version of the roster that any node knows."""
        return self.checkers.reference.newest

    # ---- processes ------------------------------------------------------------------------------

    def start(self, machine: Machine) -> None:
        """Start a process on a machine that has none."""
        assert machine.node is None
        machine.life += 1
        ports = nodes.Ports(
            clock=machine.clock,
            fence=machine.disk,
            keys=role_keys(self.members.rings[machine.region][0]),
            officers=machine.officers,
            engine=machine.disk.engine,
            follower=self._follower,
            sequencer=machine.sequencer or self._sequencer,
            more_keys=lambda: tuple(map(role_keys, self.members.rings[machine.region][1:])),
        )
        settings = nodes.Settings(region=machine.region, limits=_limits(self.pace_ms))
        try:
            chain = machine.chain or self.members.chain
            with machine.disk.in_use():
                machine.node = nodes.build(settings, chain, ports, machine.kinds)
        except OperationalError:
            self.world.count("could not start: no database, or a full one")
            self.world.after(RESTART_MS[1], partial(self.start_again, machine))
            return
        self.world.trace("start", machine.region, machine.life)
        self._run(machine, lambda node, now_ms: node.start(now_ms))

    def crash(self, machine: Machine, why: str) -> None:
        """End the process at once, and start another one a little later."""
        self.world.inject(why)
        self.world.trace("crash", machine.region, why)
        self._end(machine)
        self.checkers.restarted(machine)
        self.world.after(self._random.randint(*RESTART_MS), partial(self.start_again, machine))

    def stop(self, machine: Machine) -> None:
        """End the process; it starts again when someone says so."""
        self.world.trace("stop", machine.region)
        self._end(machine)

    def _end(self, machine: Machine) -> None:
        machine.node = None
        machine.inbox = []
        machine.gathered = []
        machine.step_is_due = False
        machine.asking = {}
        machine.disk.settle()
        waiting, machine.waiting = machine.waiting, {}
        for answer in waiting.values():
            answer(None)

    def close(self) -> None:
        """Let go of all databases, once nobody looks at them any more."""
        for disk in self._disks:
            disk.close()

    def _new_disk(self, *, is_plain: bool = False) -> Disk:
        disk = Disk(undoes=not is_plain, is_read=not is_plain)
        self._disks.append(disk)
        return disk

    def start_again(self, machine: Machine) -> None:
        """Start a process on a machine that has none, unless the machine is gone."""
        if machine.node is None and machine.region not in self.checkers.gone | self.checkers.left:
            self.start(machine)

    def install(self, region: str, origin: str, chain: RosterChain) -> Machine:
        """Put up a machine for a region that has none, or none any more, and start its node."""
        before = self.machines.get(region)
        machine = Machine(
            region,
            origin,
            self._new_disk(),
            SimulatedClock(self.world, self._random.randint(-2_000, 2_000)),
            chain=chain,
        )
        if before is not None:
            # Nothing that was asked of the old machine reaches the new one.
            machine.life, machine.next_id = before.life, before.next_id
            machine.officers = before.officers
        self.machines[region] = machine
        self.start(machine)
        return machine

    def rebuild(self, machine: Machine, kinds: Kinds) -> None:
        """Start the process anew, with the rules of the project or with bent ones."""
        self.stop(machine)
        machine.kinds = kinds
        self.start_again(machine)

    def thaw(self, machine: Machine) -> None:
        """Let a process go on that stood still."""
        machine.is_frozen = False
        if machine.node is not None and machine.inbox:
            self._call(machine)

    def twin_of(
        self, machine: Machine, audience: frozenset[str], of_twin: frozenset[str]
    ) -> Machine:
        """Return a second machine with a region's keys.

        The first talks to ``audience`` from now on, the second to ``of_twin``; it answers those
        that the first does not talk to.
        """
        twin = Machine(
            machine.region,
            machine.origin,
            self._new_disk(),
            machine.clock,
            officers=machine.officers,
            audience=of_twin,
            liar=machine.liar,
        )
        machine.audience = audience
        self.twins[machine.region] = twin
        return twin

    # ---- events in ------------------------------------------------------------------------------

    def submit(self, region: str, make: Callable[[int], Event], answer: Answer) -> None:
        """Ask a region's node for something, as a window does; where it has two, one of them."""
        machine = self.machines.get(region)
        if machine is None:  # not installed yet
            answer(None)
            return
        if region in self.twins and self._random.random() < 0.5:
            machine = self.twins[region]
        if machine.node is None:
            answer(None)
            return
        request_id = machine.next_id
        machine.next_id += 1
        machine.waiting[request_id] = answer
        if not self.pace_ms:
            self._deliver(machine, make(request_id))
            return
        # Signed when it is handed over: a time declared a minute before would be refused.
        machine.gathered.append(partial(make, request_id))
        if len(machine.gathered) == 1:
            wait_ms = self.pace_ms - self.world.now_ms % self.pace_ms
            self.world.after(wait_ms, partial(self._hand_over, machine, machine.life))

    def accepted(self, region: str, subject: str, registered: Registered) -> None:
        """Take note that somebody was told that their act stands."""
        self.checkers.accepted(region, registered)
        for told in self.accepted_by:
            told(region, subject, registered)

    def _hand_over(self, machine: Machine, life: int) -> None:
        """Give a node the acts that were gathered for it."""
        if machine.node is None or machine.life != life:
            return
        gathered, machine.gathered = machine.gathered, []
        for make in gathered:
            self._deliver(machine, make())

    def _deliver(self, machine: Machine, event: Event) -> None:
        machine.inbox.append(event)
        if not machine.step_is_due:
            self._call(machine)

    def _call(self, machine: Machine) -> None:
        """Let a machine step as soon as it gets to it."""
        machine.step_is_due = True
        drawn_ms = self._random.randint(self._service_ms_least, self._service_ms_max)
        delay_ms = drawn_ms * machine.slow
        self.world.after(delay_ms, partial(self._step, machine, machine.life))

    def _step(self, machine: Machine, life: int) -> None:
        if machine.node is None or machine.life != life:
            return
        machine.step_is_due = False
        if machine.is_frozen:
            return
        events, machine.inbox = machine.inbox, []
        # As the driver of a real node does it.
        self._run(machine, lambda node, now_ms: node.step(events, now_ms, answers_first=True))

    def _run(self, machine: Machine, step: Callable[[nodes.Node, int], nodes.Outbox]) -> None:
        node = machine.node
        assert node is not None
        self._check_progress()
        now_ms = machine.clock.now_ms()
        try:
            with machine.disk.in_use():
                outbox = step(node, now_ms)
        except SimulatedCrashError:
            self.crash(machine, "crashed in a step")
            return
        except FatalError as error:
            if machine.disk.struck in CERTAIN:
                raise BrokenError(
                    f"{machine.region} stopped where it could go on: {error}"
                ) from error
            self.crash(machine, "stopped by itself")
            return
        except Exception as error:
            # What it has recorded against the rules, a liar may not bear itself.
            if machine.kinds is not KINDS:
                self.crash(machine, "a lawless node failed")
                return
            raise BrokenError(
                f"the node of {machine.region} failed: {traceback.format_exc()}"
            ) from error
        struck, machine.disk.struck = machine.disk.struck, None
        if struck is not None:
            self.world.count("went on after a failed commit")
        self.world.trace(
            "step",
            machine.region,
            node.snapshot.size,
            node.snapshot.root.hex(),
            len(outbox.replies),
        )
        sent: list[Reply | PeerRequest] = [*outbox.replies, *outbox.requests]
        keep = len(sent)
        fault = machine.disk.armed
        if fault in {Fault.CRASH_BEFORE_SEND, Fault.CRASH_WHILE_SENDING} and sent:
            machine.disk.arm(None)
            self.world.inject(f"injected {fault.value}")
            keep = 0
            if fault is Fault.CRASH_WHILE_SENDING:
                keep = self._faults.randrange(len(sent))
        # A node that does not know whether it has committed finds out in its next step.
        if struck not in COMMIT_LOST:
            self.checkers.committed(machine)
            self.measures.stepped(machine)
        for item in sent[:keep]:
            if isinstance(item, Reply):
                self._answer(machine, item)
            else:
                self._send(machine, item)
        if keep < len(sent):
            self.crash(machine, "crashed while sending")
            return
        self._set_alarm(machine, outbox.wake_at_ms, now_ms)

    def _check_progress(self) -> None:
        """Check that the nodes do not spin without time passing."""
        at_ms, count = self._at_once
        self._at_once = (self.world.now_ms, count + 1 if at_ms == self.world.now_ms else 1)
        if count > EVENTS_AT_ONCE_MAX:
            raise BrokenError("the nodes go round in circles while time stands still")

    def _set_alarm(self, machine: Machine, wake_at_ms: int | None, now_ms: int) -> None:
        machine.alarm += 1
        if wake_at_ms is not None:
            delay_ms = max(1, wake_at_ms - now_ms)
            self.world.after(delay_ms, partial(self._ring, machine, machine.life, machine.alarm))

    def _ring(self, machine: Machine, life: int, alarm: int) -> None:
        if machine.node is not None and (machine.life, machine.alarm) == (life, alarm):
            self._deliver(machine, Tick())

    # ---- what leaves ----------------------------------------------------------------------------

    def _answer(self, machine: Machine, reply: Reply) -> None:
        answer = machine.waiting.pop(reply.request_id, None)
        if answer is None:
            raise BrokenError(f"{machine.region} answers {reply.request_id}, which nobody asked")
        answer(reply.value)

    def _send(self, machine: Machine, request: PeerRequest) -> None:
        self.checkers.asked(machine, request)
        machine.asking[request.request_id] = request
        lost = PeerAnswered(request.request_id, 0, b"no answer in time")
        call = Call(machine, machine.life, request, self.world.now_ms)
        self.world.after(request.timeout_ms, partial(self._returned, call, lost))
        liar = machine.liar
        for leaving in (request,) if liar is None else liar.sends(request):
            self._carry(machine, leaving)

    def slip(self, machine: Machine, request: PeerRequest) -> None:
        """Carry a request that a machine's node has not made; its answer goes nowhere."""
        assert request.request_id < 0
        self._carry(machine, request)

    def _carry(self, machine: Machine, request: PeerRequest) -> None:
        if machine.audience is not None and request.to not in machine.audience:
            return
        if request.to not in self.machines:  # nothing is installed there yet
            return
        call = Call(machine, machine.life, request, self.world.now_ms)
        length_bytes = len(request.body)
        self.measures.sent(machine.region, request.to, length_bytes)
        for delay_ms in self.network.delays_ms(machine.region, request.to, length_bytes):
            self.world.after(delay_ms, partial(self._arrive, call))

    def _door(self, region: str, caller: str) -> Machine:
        """Return the machine that answers a caller in a region's name."""
        twin = self.twins.get(region)
        first = self.machines[region]
        if twin is not None and first.audience is not None and caller not in first.audience:
            return twin
        return first

    def _arrive(self, call: Call) -> None:
        target = self._door(call.request.to, call.sender.region)
        if target.node is None:
            refused = PeerAnswered(call.request.request_id, 0, b"connection refused")
            self._travel_back(target, call, refused)
            return
        request_id = target.next_id
        target.next_id += 1
        target.waiting[request_id] = partial(self._replied, target, call)
        request = call.request
        event = PeerCalled(request_id, request.path, request.body, call.sender.region)
        self._deliver(target, event)

    def _replied(self, target: Machine, call: Call, value: object) -> None:
        if isinstance(value, PeerReply):
            if target.liar is not None:
                value = target.liar.replies(call.request, value)
            self.checkers.answered(target, call.request, value)
            status, body = value.status, value.body
        else:  # refused as a whole (503 in service), or the process died
            status, body = (0, b"connection lost") if value is None else (503, b"")
        answered = PeerAnswered(call.request.request_id, status, body)
        self._travel_back(target, call, answered)

    def _travel_back(self, target: Machine, call: Call, answered: PeerAnswered) -> None:
        sender = call.sender.region
        self.measures.sent(target.region, sender, len(answered.body))
        for delay_ms in self.network.delays_ms(target.region, sender, len(answered.body))[:1]:
            self.world.after(delay_ms, partial(self._returned, call, answered))

    def _returned(self, call: Call, answered: PeerAnswered) -> None:
        sender = call.sender
        if sender.node is None or sender.life != call.life:
            return
        # The first answer, or the time-out, ends a request; whatever comes later is not heard.
        if sender.asking.pop(answered.request_id, None) is not None:
            waited_ms = self.world.now_ms - call.asked_ms
            in_vain = answered.status == 0
            self.measures.answered(sender.region, call.request.to, waited_ms, in_vain=in_vain)
            self._deliver(sender, answered)

    # ---- the whole ------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Start every machine."""
        for machine in self.machines.values():
            self.start(machine)
