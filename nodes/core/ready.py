"""Events in, a ``Ready`` out: the vocabulary of the node's core.

The driver commits all ``writes`` of a step in one transaction, then stores the fence, then sends
``replies`` and ``requests``. Nothing that others may rely on leaves before the write beneath it is
durable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from ledger import encoding
from ledger.errors import LedgerError
from ledger.hashing import EMPTY_ROOT
from ledger.kind import Fact
from ledger.map_tree import Grown
from ledger.statement import Statement
from nodes.ports import AnswerRow, UseRow

# ---- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Register:
    """Statements whose signatures are checked, to be judged and appended, each on its own."""

    request_id: int
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """An act to be composed here: previous, citations and views filled in, then signed."""

    request_id: int
    kind: str
    version: int = 1
    issuer: str
    """An officer whose key the region holds, or the region itself."""
    subject: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Freeze:
    """A log, given up by people, is to be cosigned no more; what we hold of it is recorded."""

    request_id: int
    origin: str


@dataclass(frozen=True, slots=True)
class Salvage:
    """An act that the log before ours accepted and lost, with that log's receipt for it."""

    request_id: int
    entry: bytes
    receipt: bytes


@dataclass(frozen=True, slots=True)
class PeerCalled:
    """A peer (or any C2SP client) asked for something; ``path`` as in own.md section 8."""

    request_id: int
    path: str
    body: bytes
    caller: str | None = None
    """The member region whose pinned certificate the caller showed; None where nobody can tell."""


@dataclass(frozen=True, slots=True)
class PeerAnswered:
    """The answer to a ``PeerRequest``; status 0 when there was none (``body`` then says why)."""

    request_id: int
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; ``Ready.wake_at_ms`` asked for it."""


Asked = Register | Compose | Salvage | Freeze
"""What becomes entries of our own log."""

Event = Asked | PeerCalled | PeerAnswered | Tick


# ---- writes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AppendEntries:
    """Entries of a log, with every tile they change. ``start`` is the log's stored size before."""

    origin: str
    start: int
    entries: tuple[bytes, ...]
    leaves: tuple[bytes, ...]
    tiles: Mapping[tuple[int, int], bytes]


@dataclass(frozen=True, slots=True)
class PutFacts:
    """New rows of objects.

    Args:
        states: Of each of ``facts``, as it is stored.
    """

    facts: tuple[Fact, ...]
    mentions: tuple[tuple[str, str, int], ...] = ()
    """(origin, object, index): the entry belongs to a trace of the object too."""
    voids: tuple[tuple[str, str, int], ...] = ()
    """(origin, object, index): the entry names the object, and is void."""
    ties: tuple[tuple[str, str, int, int], ...] = ()
    """(origin, name, index, declared time): the entry follows from an officer, a grant, a seal."""
    states: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        states = tuple([encoding.encode(fact.state) for fact in self.facts])
        object.__setattr__(self, "states", states)


class TallyRow(NamedTuple):
    """What some acts of one block of a log count for; ``at`` is the index of the first of them.

    Whatever batches a log is read in, the sum of the rows with ``at`` below the size of a block is
    that of the acts below it.
    """

    at: int
    figure: str
    day: int
    unit: str
    detail: str
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class PutTallies:
    """New tallies of one log."""

    origin: str
    rows: tuple[TallyRow, ...]


@dataclass(frozen=True, slots=True)
class PutMap:
    """What a block changed in the object map of a log."""

    origin: str
    grown: Grown


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """A broken rule, or a flag. Unique by (origin, index, code, subject)."""

    origin: str
    index: int
    code: str
    severity: str
    subject: str
    detail: str
    evidence: tuple[tuple[str, int], ...] = ()
    """(origin, index) of the entries that show it."""


@dataclass(frozen=True, slots=True)
class PutFindings:
    """New findings."""

    rows: tuple[FindingRow, ...]


@dataclass(frozen=True, slots=True)
class PutUses:
    """Uses opened or settled (by origin, index, fact_origin, fact_object)."""

    rows: tuple[UseRow, ...]


@dataclass(frozen=True, slots=True)
class PutEvidence:
    """``seen_by`` of the entries [low, high) of a log, fixed by its block record at ``at``."""

    origin: str
    low: int
    high: int
    seen_by_s: int
    at: int


@dataclass(frozen=True, slots=True)
class PutAnswers:
    """New answers to offers; one that is there already stays as it is."""

    rows: tuple[AnswerRow, ...]


@dataclass(frozen=True, slots=True)
class ViewAnswers:
    """The view at ``index`` of a log covers another's answers below ``size``, unless one did."""

    origin: str
    answer_origin: str
    size: int
    index: int


@dataclass(frozen=True, slots=True)
class DateAnswers:
    """The answers whose first view is one of the entries [low, high) are due by ``due_s``."""

    origin: str
    low: int
    high: int
    due_s: int


@dataclass(frozen=True, slots=True)
class InheritAnswers:
    """What a closed log was not late with is awaited from the log that goes on from it.

    Its first entry stands for the views of the closed one.
    """

    closed: str
    heir: str


@dataclass(frozen=True, slots=True)
class DropAnswers:
    """Forget the answers to the offers at these indexes of a log."""

    origin: str
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AdvanceProjection:
    """The log is judged up to ``size``; ``state`` is the follower's own small memory of it."""

    origin: str
    size: int
    state: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRow:
    """The one row a node keeps for an origin, for its witness key and its mirror key.

    Witnessed size only grows along one tree; ``mirrored_size <= witnessed_size``; ``time_s`` never
    falls.
    ``pending`` is the signed note (the log's line only) at the witnessed size.
    """

    origin: str
    witnessed_size: int
    witnessed_root: bytes
    mirrored_size: int
    time_s: int
    pending: bytes
    heard_ms: int
    mirrored: bytes = b""
    """The signed note (the log's line only) at the mirrored size; empty before the first."""

    @classmethod
    def unheard(cls, origin: str) -> Self:
        """Return the row of a log that was never heard of."""
        return cls(
            origin=origin,
            witnessed_size=0,
            witnessed_root=EMPTY_ROOT,
            mirrored_size=0,
            time_s=0,
            pending=b"",
            heard_ms=0,
        )


@dataclass(frozen=True, slots=True)
class AdvancePeer:
    """Move the row from ``old`` (None: there was none) to ``new``: compare-and-swap."""

    old: PeerRow | None
    new: PeerRow


@dataclass(frozen=True, slots=True)
class IssueLine:
    """A line we gave, with ``role`` witness or mirror. Every one is kept."""

    role: str
    origin: str
    size: int
    root: bytes
    line: bytes


@dataclass(frozen=True, slots=True)
class PutNote:
    """A signed note with the lines we know: of our own published checkpoint, or of another log.

    The store keeps, for each (origin, size), the union of lines; ``finished`` marks quorums of both
    kinds.
    """

    origin: str
    size: int
    note: bytes
    finished: bool


@dataclass(frozen=True, slots=True)
class PutSecondNote:
    """The second note of a checkpoint: the log's own lines, then ML-DSA-44 lines of cosigners.

    ``role`` is ``log`` for our own log, whose notes keep the lines of all cosigners; ``witness`` or
    ``mirror`` for the newest checkpoint of another log that we cosigned in that role.
    """

    origin: str
    role: str
    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class PutMemory:
    """A small named value of the core's own (its candidate, its rests), replaced whole."""

    name: str
    value: bytes


Write = (
    AppendEntries
    | PutFacts
    | PutTallies
    | PutMap
    | PutFindings
    | PutUses
    | PutEvidence
    | PutAnswers
    | ViewAnswers
    | DateAnswers
    | InheritAnswers
    | DropAnswers
    | AdvanceProjection
    | AdvancePeer
    | IssueLine
    | PutNote
    | PutSecondNote
    | PutMemory
)


# ---- what leaves --------------------------------------------------------------------------------


class Registered(NamedTuple):
    """One statement's fate: its index, or why not."""

    index: int | None  # type: ignore[assignment]  # a tuple's method of that name is of no use here
    error: LedgerError | None = None
    entry: bytes = b""


@dataclass(frozen=True, slots=True)
class RegisterReply:
    """In the order of the request; ``size`` is the published size that covers them."""

    results: tuple[Registered, ...]
    size: int


@dataclass(frozen=True, slots=True)
class PeerReply:
    """A status with a body, for a ``PeerCalled``."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the event with this ``request_id``."""

    request_id: int
    value: RegisterReply | PeerReply | LedgerError


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """A request to send to a region's peer listener, or to a foreign witness by its URL."""

    request_id: int
    to: str
    """A region code, or ``witness:<name>`` for a foreign witness from the configuration."""
    path: str
    body: bytes
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Work for the driver, in this order: commit ``writes``, store the fence, then send the rest.

    A crash between the two is allowed: it loses answers, and their askers ask again.
    """

    writes: tuple[Write, ...] = ()
    replies: tuple[Reply, ...] = ()
    requests: tuple[PeerRequest, ...] = ()
    wake_at_ms: int | None = None
    """None: nothing is due."""
