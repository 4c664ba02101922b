"""What nodes hand out, kept as callers keep it: receipts and bundles, which verify for good.

They are made by the node's own interface, and verified as a stranger does: from the genesis roster
and the chain of versions. A sample is drawn; what was handed out is looked at again at the end,
when logs may have been closed and keys replaced.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Engine

from authz.object_bundle import judge_object
from ledger.bundle import VerifiedBundle, check_bundle
from ledger.errors import LedgerError, NotFoundError, UnavailableError
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey
from ledger.receipt import check_inclusion_receipt
from ledger.roster import Roster
from ledger.statement import decode_statement
from nodes.api.cases import prove
from nodes.api.context import Service, make_receipt
from nodes.config import LimitsSection
from nodes.core.kinds import KINDS
from nodes.core.ready import Registered, RegisterReply, Salvage
from simulator.forgers import BUNDLES, RECEIPTS, Forge
from simulator.machine import Machine
from simulator.plan import Plan
from simulator.regions import Keys
from simulator.world import BrokenError

if TYPE_CHECKING:
    from simulator.simulation import Simulation

_T = TypeVar("_T")

PENDING_MAX: Final = 1_000
SALVAGE_TRIES: Final = 30
RECHECKED_MAX: Final = 5
"""Bundles that are checked again at the end, and asked for anew of another node."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A receipt as its caller keeps it."""

    origin: str
    index: int
    entry: bytes
    receipt: bytes


def _judge(proven: VerifiedBundle) -> None:
    judge_object(proven, KINDS)


@dataclass(frozen=True, slots=True)
class Ring:
    """The receipt keys of a region, as the interface asks for them."""

    keys: Sequence[Keys]

    def receipt(self, roster: Roster, region: str) -> SigningKey:
        """Return the key that signs a region's receipts under a version."""
        public = roster.member(region).keys.receipt
        return next(it["receipt"] for it in self.keys if it["receipt"].public == public)


@dataclass(frozen=True, slots=True)
class _Readers:
    """Reads of a machine's disk, which has no threads."""

    engine: Engine

    def here(self, read: Callable[[Connection], _T]) -> _T:
        """Read at once."""
        with self.engine.connect() as connection:
            return read(connection)


def _service(machine: Machine, ring: Sequence[Keys]) -> Service:
    """Return the interface of a machine's node as far as proofs need it: there is no server."""
    node = machine.node
    assert node is not None
    chain = node.snapshot.rosters
    assert chain is not None
    given: dict[str, Any] = {
        "region": machine.region,
        "origin": machine.origin,
        "first": chain,
        "kinds": KINDS,
        "limits": LimitsSection(),
        "clock": machine.clock,
        "node": node,
        "keys": Ring(ring),
        "readers": _Readers(machine.disk.engine),
    }
    # What else a server has, no proof asks for.
    others = {it.name: None for it in fields(Service) if _is_asked(it)}
    return Service(**(others | given))


def _is_asked(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


class Papers:
    """Takes a sample of what nodes hand out, and checks that it verifies then and for ever.

    Args:
        plan: Says which share of acts is given a receipt, and how often a bundle is asked for.
    """

    def __init__(self, simulation: "Simulation", plan: Plan) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._random = simulation.world.stream("papers")
        self._share, self._every_ms = plan.receipts, int(plan.bundle_every_s * 1_000)
        self._names: dict[str, None] = {}
        """Objects that somebody may want proof of."""
        self._waiting: list[tuple[str, int, bytes]] = []
        self._kept: list[Kept] = []
        self._brought_to_come = 0
        self._bundles: list[tuple[str, bytes]] = []
        simulation.accepted_by.append(self._accepted)
        simulation.governance.joined.append(self._salvage)
        if self._every_ms:
            self._world.after(self._every_ms, self._look)

    # ---- receipts -------------------------------------------------------------------------------

    def _accepted(self, region: str, subject: str, registered: Registered) -> None:
        if subject not in self._names and self._random.random() < 0.2:
            self._names[subject] = None
        if region in self._simulation.checkers.liars:
            return
        if self._random.random() >= self._share or len(self._waiting) >= PENDING_MAX:
            return
        assert registered.index is not None
        self._waiting.append((region, registered.index, registered.entry))
        self._give_receipts()

    def _give_receipts(self) -> None:
        """Give the receipts that can be given: no earlier than a checkpoint covers the act."""
        waiting, self._waiting = self._waiting, []
        for region, index, entry in waiting:
            machine = self._simulation.machines[region]
            if machine.node is None or region in self._simulation.checkers.gone:
                continue  # its caller never gets one
            if machine.node.snapshot.size <= index:
                self._waiting.append((region, index, entry))
                continue
            self._give_receipt(machine, index, entry)

    def _give_receipt(self, machine: Machine, index: int, entry: bytes) -> None:
        """Ask for the receipt of an act, and keep it."""
        subject = decode_statement(entry).subject
        receipt = make_receipt(self._service(machine), index, subject)
        kept = Kept(machine.origin, index, entry, receipt)
        self._kept.append(kept)
        self._check_receipt(kept)

    def _ask_again(self) -> None:
        """Ask for a newer receipt of an act that has one: it is over a larger tree."""
        if not self._kept:
            return
        kept = self._random.choice(self._kept)
        region = self._simulation.checkers.reference.region_of(kept.origin)
        machine = self._simulation.machines[region]
        is_well = any(it is machine for it in self._simulation.checkers.sound())
        if is_well and machine.node is not None and machine.origin == kept.origin:
            self._give_receipt(machine, kept.index, kept.entry)

    def _check_receipt(self, kept: Kept) -> None:
        """Check a receipt as its holder does, with the keys that the chain of rosters names."""
        reference = self._simulation.checkers.reference
        what = f"the receipt for entry {kept.index} of {kept.origin}"
        keys = reference.chain.keys_of(kept.origin, "receipt")
        try:
            found = check_inclusion_receipt(kept.receipt, hash_leaf(kept.entry), keys)
        except LedgerError as error:
            raise BrokenError(f"{what} does not verify: {error}") from error
        reference.check_head(kept.origin, found.size, found.root, what)
        self._world.count("a receipt was verified")
        leaf = hash_leaf(kept.entry)
        self._check_forged(
            RECEIPTS, kept.receipt, lambda forged: check_inclusion_receipt(forged, leaf, keys)
        )

    def _check_forged(
        self, forgers: Mapping[str, Forge], paper: bytes, verify: Callable[[bytes], object]
    ) -> None:
        """Check that a paper is refused where one thing in it is altered on its way."""
        name = self._random.choice(list(forgers))
        forged = forgers[name](paper, self._random)
        if forged is None or forged == paper:
            return
        try:
            verify(forged)
        except LedgerError:
            self._world.count(f"forged paper refused: {name}")
            return
        raise BrokenError(f"a forged paper was believed: {name}")

    # ---- bundles --------------------------------------------------------------------------------

    def _look(self) -> None:
        """Ask a node for the proof of an object that people have dealt with."""
        self._world.after(self._every_ms, self._look)
        self._give_receipts()
        self._ask_again()
        machines = [it for it in self._simulation.checkers.sound() if it.node is not None]
        if not self._names or not machines:
            return
        name = self._random.choice(list(self._names))
        made = self._bundle(self._random.choice(machines), name)
        if made:
            self._bundles.append((name, made))

    def _bundle(self, machine: Machine, name: str) -> bytes:
        """Return a bundle, verified; empty where the node cannot prove it yet."""
        service = self._service(machine)
        with machine.disk.engine.connect() as connection:
            try:
                made = prove(service, connection, name).encode()
            except (NotFoundError, UnavailableError) as error:
                self._world.count(f"no bundle yet: {error.code}")
                return b""
        self._check_bundle(name, made, machine.region)
        return made

    def _check_bundle(self, name: str, made: bytes, by: str) -> None:
        """Check a bundle offline, from the genesis alone, and its notes against the logs."""
        reference = self._simulation.checkers.reference
        genesis = reference.chain.genesis.sha256
        try:
            verified = check_bundle(made, genesis, _judge)
        except LedgerError as error:
            raise BrokenError(
                f"the bundle of {name} by {by} fails: {error.code} {error}"
            ) from error
        for origin, log in verified.logs.items():
            head = log.checkpoint
            reference.check_head(origin, head.size, head.root, f"the bundle of {name}")
        self._world.count("a bundle was verified from the genesis")
        self._check_forged(BUNDLES, made, lambda forged: check_bundle(forged, genesis, _judge))

    def _service(self, machine: Machine) -> Service:
        return _service(machine, self._simulation.members.rings[machine.region])

    # ---- at the end -----------------------------------------------------------------------------

    def check(self) -> None:
        """Check all that was handed out once more, and that others can still prove the same."""
        self._give_receipts()
        checkers = self._simulation.checkers
        closed = checkers.reference.newest.closed
        unsound = checkers.liars | checkers.damaged | checkers.gone
        for kept in self._kept:
            if checkers.reference.region_of(kept.origin) in unsound:
                continue
            self._check_receipt(kept)
            entries = checkers.reference.logs[kept.origin].entries
            is_void = kept.origin in closed and kept.index >= closed[kept.origin].size
            if not is_void and entries[kept.index] != kept.entry:
                raise BrokenError(f"{kept.origin} has another entry {kept.index} than its receipt")
        machines = [it for it in checkers.sound() if it.node is not None]
        for name, made in self._bundles[-RECHECKED_MAX:]:
            self._check_bundle(name, made, "whoever gave it")
            self._bundle(self._random.choice(machines), name)

    def unfinished(self) -> list[str]:
        """Return what people still bring to the log that follows a closed one."""
        count = self._brought_to_come
        return [f"{count} acts are to be brought to a successor"] if count else []

    # ---- what a lost log had accepted -----------------------------------------------------------

    def _salvage(self, region: str) -> None:
        """Bring what callers kept into the log that follows a closed one, in its order."""
        machine = self._simulation.machines[region]
        closed = self._simulation.checkers.reference.newest.closed
        lost = sorted(
            (it for it in self._kept
             if it.origin in closed and closed[it.origin].successor == machine.origin
             and it.index >= closed[it.origin].size),
            key=lambda it: it.index,
        )  # fmt: skip
        self._brought_to_come += len(lost)
        for at, kept in enumerate(lost):
            self._world.after(at * 200, partial(self._bring, region, kept, SALVAGE_TRIES))

    def _bring(self, region: str, kept: Kept, tries: int) -> None:
        def told(value: object) -> None:
            code = "lost" if value is None else getattr(value, "code", "")
            if isinstance(value, RegisterReply):
                [registered] = value.results
                code = "" if registered.error is None else registered.error.code
                if not code:
                    self._simulation.checkers.accepted(region, registered)
            self._world.count(f"salvage: {code or 'accepted'}")
            if code and tries:
                self._world.after(1_000, partial(self._bring, region, kept, tries - 1))
            else:
                self._brought_to_come -= 1

        self._simulation.submit(
            region, lambda request_id: Salvage(request_id, kept.entry, kept.receipt), told
        )
