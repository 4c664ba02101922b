"""One region's computer: its disk, clock and keys outlive the process that runs on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.keys import SigningKey
from ledger.kind import Kinds
from ledger.roster_chain import RosterChain
from nodes.core.batch import Means
from nodes.core.kinds import KINDS
from nodes.core.ready import Event, PeerRequest
from nodes.core.sequencer import Sequencer
from nodes.node import Node
from nodes.ports import Signer
from simulator.clock import SimulatedClock
from simulator.disk import Disk

if TYPE_CHECKING:
    from simulator.liars import Liar

Answer = Callable[[object], None]
"""Takes a ``Reply``'s value; None when the process died before it answered."""


@dataclass(slots=True)
class Officers:
    """Officers' keys that the region holds."""

    keys: dict[str, SigningKey] = field(default_factory=dict)

    def signer(self, party: str) -> Signer | None:
        """Return the officer's signer; None where the officer holds their own key."""
        return self.keys.get(party)


@dataclass(slots=True)
class Machine:
    """A machine and the process on it.

    Invariant: what a process was asked, or has asked, carries its ``life``; nothing of an earlier
    life reaches a later one.
    """

    region: str
    origin: str
    """Of the log that it writes."""
    disk: Disk
    clock: SimulatedClock
    officers: Officers = field(default_factory=Officers)
    liar: "Liar | None" = None
    """What alters its door; None: it is honest."""
    kinds: Kinds = field(default_factory=lambda: KINDS)
    """The rules that its node judges by: another table than everybody's only where it lies."""
    sequencer: Callable[[Means], Sequencer] | None = None
    """What takes acts into its log: another one only where its keeper lies."""
    branch: int = 0
    """Which of its log's histories it writes; an honest log has one."""
    audience: frozenset[str] | None = None
    """Whom it talks to; None: everybody."""
    gathered: list[Callable[[], Event]] = field(default_factory=list)
    """Makes each act that waits to be sequenced together with others."""
    node: Node | None = None
    """None while it is down."""
    chain: RosterChain | None = None
    """The versions of the roster that it was installed with; None: the genesis alone."""
    life: int = 0
    inbox: list[Event] = field(default_factory=list)
    step_is_due: bool = False
    alarm: int = 0
    slow: int = 1
    """How many times longer everything takes here."""
    is_frozen: bool = False
    """Whether the process stands still, as a stopped one does; what arrives waits."""
    next_id: int = 1
    waiting: dict[int, Answer] = field(default_factory=dict)
    """Who waits for the answer to an event, by its request id."""
    asking: dict[int, PeerRequest] = field(default_factory=dict)
    """Requests to peers that are under way, by their id."""
