"""Hostile regions: real nodes whose door is altered, and never their code.

Everything a liar does is done to what leaves and what enters its node, with the keys that its
region has, or by giving the node another table of rules.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ledger import names
from ledger.cosignature import sign_line
from ledger.errors import LedgerError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Kind, Kinds, Need
from ledger.note import Signature, checkpoint_of
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    LINES,
    MIRROR,
    NEWEST,
    MirrorInfo,
    decode_lines,
    encode_lines,
    encode_size,
    origin_hash,
    split_add_checkpoint,
)
from nodes.core.extension import EXTEND
from nodes.core.kinds import KINDS
from nodes.core.ready import Compose, PeerReply, PeerRequest, RegisterReply
from simulator.halves import altered, asked_halves
from simulator.machine import Machine
from simulator.offices import Office

if TYPE_CHECKING:
    from simulator.simulation import Simulation

LIES: Final = (
    "equivocates",
    "rolls back",
    "withholds entries",
    "records forbidden acts",
    "cosigns anything",
    "replays",
    "lies about sizes",
    "floods",
    "keeps cases",
    "misdates lines",
)
REMEMBERED_MAX: Final = 200
FLOOD_MAX: Final = 12
MISDATED_S: Final = (-25, 4)
"""By how much a line is dated otherwise: from when to when."""
FORBIDDEN_EVERY_MS: Final = 4_000
ROLLED_BACK_MS: Final = 6_000


def lawless(_region: str, _value: int = 0) -> Kinds:
    """Return the table of kinds with every rule bent: what it forbids is done all the same."""
    return {key: replace(kind, rule=partial(_bent, kind)) for key, kind in KINDS.items()}


def keeping(region: str, value: int = 0) -> Kinds:
    """Return the table of kinds by which one region never releases a case that it has offered.

    With ``value`` 1 its log shows no acceptance for that either: a view that covers one is recorded
    only when something else asks for it.
    """
    release = KINDS["handoff.release", 1]
    kept = replace(release, rule=partial(_kept, release, region))
    if value:
        kept = replace(kept, needs=partial(_unlooked, release, region))
    return {**KINDS, ("handoff.release", 1): kept}


def _kept(kind: Kind, region: str, acting: Acting) -> Judgement:
    if acting.region == region:
        raise RefusedError(f"{region} keeps the case", code="not-entitled")
    return kind.rule(acting)


def _unlooked(kind: Kind, region: str, draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    if draft.issuer[:6] == region:
        raise RefusedError(f"{region} does not look", code="not-entitled")
    return kind.needs(draft, own)


TABLES: Final[Mapping[str, Callable[[str, int], Kinds]]] = {
    "records forbidden acts": lawless,
    "keeps cases": keeping,
}
"""By way of lying, the rules that such a region's node judges by; also by what value is given."""


def _bent(kind: Kind, acting: Acting) -> Judgement:
    try:
        return kind.rule(acting)
    except RefusedError:
        body, own = acting.act.body, acting.own
        unit = body.get("window") or body.get("department", acting.statement.issuer)
        # All that its own node may ask of a case's row later.
        state: Mapping[str, Any] = {
            "at": "held",
            "n": 0,
            "stage": "received",
            "unit": unit,
            "dept": body.get("department", unit),
            "by": acting.statement.issuer,
            "item": body.get("item", ""),
            "v": body.get("item_version", 1),
            "result": body.get("result", ""),
        }
        if own is not None:
            state = {**state, **own.state}
        return Judgement((Change(acting.statement.subject, state),))


def fork(simulation: "Simulation", machine: Machine, *, rolls_back: bool, apart: int = 0) -> None:
    """Give a region a second history: beside the first, or in its place a little later.

    A region that shows two histories runs two nodes with the same keys, each of which shows its own
    to a quorum of the others. One that rolls back starts again from a backup with its fence.

    Args:
        simulation: Of the world.
        machine: Of the region.
        rolls_back: Which of the two.
        apart: So many of the others are shown the second history, and the rest the first; 0: each
            is shown to a quorum.
    """
    backup, mark = machine.disk.backup(), machine.disk.mark
    if rolls_back:

        def restore() -> None:
            simulation.stop(machine)
            machine.disk.restore(backup)
            machine.disk.mark = mark
            size = 0 if mark is None else mark.size
            machine.branch = simulation.checkers.reference.branch(machine.origin, size)
            simulation.start_again(machine)

        simulation.world.after(ROLLED_BACK_MS, restore)
        return
    # Each history is shown to as many as make a quorum, so that some are shown both.
    others = simulation.roster.witnesses_of(machine.origin)
    quorum = simulation.roster.quorum(machine.origin)
    first, second = (
        (others[:-apart], others[-apart:]) if apart else (others[:quorum], others[-quorum:])
    )
    twin = simulation.twin_of(machine, frozenset(first), frozenset(second))
    twin.disk.restore(backup)
    twin.disk.mark = mark
    size = 0 if mark is None else mark.size
    twin.branch = simulation.checkers.reference.branch(machine.origin, size)
    simulation.start(twin)


class Liar:
    """The altered door of one region. ``how`` is one of ``LIES``."""

    def __init__(self, simulation: "Simulation", machine: Machine, how: str) -> None:
        self.simulation = simulation
        self.machine = machine
        self.how = how
        self._random = simulation.world.stream(f"liar {machine.region}")
        self._sent: list[PeerRequest] = []
        self._replied: list[PeerReply] = []
        self._forged = 0
        if how == "records forbidden acts":
            simulation.world.after(FORBIDDEN_EVERY_MS, self._forbid)

    # ---- what leaves ----------------------------------------------------------------------------

    def sends(self, request: PeerRequest) -> tuple[PeerRequest, ...]:
        """Return what leaves in place of a request."""
        match self.how:
            case "rolls back" if request.path.startswith(NEWEST):
                return ()  # it does not want to know what others have of it
            case "withholds entries" if request.path == ADD_ENTRIES:
                return ()
            case "withholds entries":
                return asked_halves(request)[:1]
            case "replays":
                return (request, *self._replayed(request))
            case "floods":
                return (request, *self._flood(request))
            case _:
                return (request,)

    def _replayed(self, request: PeerRequest) -> tuple[PeerRequest, ...]:
        self._sent = [*self._sent, request][-REMEMBERED_MAX:]
        if self._random.random() > 0.5:
            return ()
        old = self._random.choice(self._sent)
        self.simulation.world.count("an old request was sent again")
        return (replace(old, request_id=self._forge()),)

    def _flood(self, request: PeerRequest) -> tuple[PeerRequest, ...]:
        count = self._random.randint(1, FLOOD_MAX)
        flood = []
        for _ in range(count):
            body = bytearray(request.body)
            if body and self._random.random() < 0.7:
                body[self._random.randrange(len(body))] ^= 1 << self._random.randrange(8)
            to = self._random.choice([it for it in self.simulation.machines if it != request.to])
            if to == self.machine.region:
                to = request.to
            flood.append(replace(request, request_id=self._forge(), to=to, body=bytes(body)))
        self.simulation.world.counts["requests of a flood"] += count
        return tuple(flood)

    def _forge(self) -> int:
        """Return a number that the node itself never gives out: its answers go nowhere."""
        self._forged -= 1
        return self._forged

    # ---- what is answered -----------------------------------------------------------------------

    def replies(self, request: PeerRequest, reply: PeerReply) -> PeerReply:
        """Return what is answered in place of the node's reply."""
        if request.path == EXTEND:
            with suppress(LedgerError):
                return altered(request, reply, self.replies)
        match self.how:
            case "withholds entries" if request.path.startswith(
                MIRROR + origin_hash(self.machine.origin)
            ):
                return PeerReply(404, b"")
            case "cosigns anything" if request.path == ADD_CHECKPOINT and reply.status != 200:
                return self._cosigned(request, reply)
            case "misdates lines" if request.path in {ADD_CHECKPOINT, ADD_ENTRIES, LINES}:
                return self._misdated(request, reply)
            case "replays":
                return self._old_reply(reply)
            case "lies about sizes":
                return self._another_size(request, reply)
            case _:
                return reply

    def _cosigned(self, request: PeerRequest, reply: PeerReply) -> PeerReply:
        """Sign what the node refused to sign."""
        try:
            checkpoint = checkpoint_of(split_add_checkpoint(request.body)[1])
        except LedgerError:
            return reply
        self.simulation.world.count("cosigned what a witness must refuse")
        name = names.witness_name(self.machine.origin)
        key = self.simulation.members.keys[self.machine.region]["witness"]
        time_s = self.machine.clock.now_ms() // 1_000
        line = sign_line(name, key, checkpoint, time_s)
        return PeerReply(200, encode_lines([line.to_signature(name)]))

    def _misdated(self, request: PeerRequest, reply: PeerReply) -> PeerReply:
        """Sign anew, with another date, the lines that the node has given."""
        if reply.status != 200 or self._random.random() < 0.5:
            return reply
        role = "witness" if request.path == ADD_CHECKPOINT else "mirror"
        own = self.machine.origin
        name = names.witness_name(own) if role == "witness" else names.mirror_name(own)
        rings = self.simulation.members.rings[self.machine.region]
        time_s = self.machine.clock.now_ms() // 1_000 + self._random.randint(*MISDATED_S)
        made: list[Signature] = []
        for given in decode_lines(reply.body):
            line = given.key_id + given.blob
            head = self.simulation.checkers.lines.head_signed(request, line, role)
            if head is None:
                return reply
            anew = [sign_line(name, ring[role], head, time_s).to_signature(name) for ring in rings]
            made += [it for it in anew if it.key_id == given.key_id][:1] or [given]
        self.simulation.world.count("a line was dated otherwise")
        return PeerReply(200, encode_lines(made))

    def _old_reply(self, reply: PeerReply) -> PeerReply:
        self._replied = [*self._replied, reply][-REMEMBERED_MAX:]
        return self._random.choice(self._replied) if self._random.random() < 0.3 else reply

    def _another_size(self, request: PeerRequest, reply: PeerReply) -> PeerReply:
        if self._random.random() < 0.5:
            return reply
        size = self._random.choice((0, 1, self._random.randint(0, 1_000), 2**40))
        self.simulation.world.count("told another size")
        if request.path == ADD_CHECKPOINT:
            return PeerReply(409, encode_size(size), "text/x.tlog.size")
        if request.path == ADD_ENTRIES:
            info = MirrorInfo(pending_size=size, next_entry=self._random.randint(0, size))
            return PeerReply(self._random.choice((202, 409)), info.encode())
        return reply

    # ---- forbidden acts -------------------------------------------------------------------------

    def _forbid(self) -> None:
        """Take in a case for another place without a grant, as no node would."""
        machine, world = self.machine, self.simulation.world
        self.simulation.world.after(FORBIDDEN_EVERY_MS, self._forbid)
        if machine.node is None or self.simulation.is_healed:
            return
        self._forged += 1
        number = self._forged
        other = self._random.choice([it for it in self.simulation.machines if it != machine.region])

        def told(value: object) -> None:
            match value:
                case RegisterReply(results=(registered,)) if registered.index is not None:
                    world.count("a forbidden act was recorded")
                    self.simulation.checkers.verdicts.forbidden.append(
                        (machine.origin, registered.index)
                    )
                case _:
                    pass

        make: Callable[[int], Compose] = lambda request_id: Compose(  # noqa: E731 - one expression
            request_id=request_id,
            kind="case.open",
            issuer=Office(machine.region).clerk,
            subject=f"{machine.region}/case/2026-F{number:05}",
            body={
                "item": Office(other).item(),
                "item_version": 1,
                "department": Office(other).department,
                "mode": "agency",
            },
        )
        self.simulation.submit(machine.region, make, told)
