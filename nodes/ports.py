"""What a node needs of the world, as protocols at the place of use.

The simulator implements the same few. Times are Unix milliseconds unless a name says seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ledger.kind import Fact
from ledger.map_tree import Child


class Clock(Protocol):
    """Wall-clock time; may step."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""


class Signer(Protocol):
    """A role key of this region, or an officer's key that the region holds.

    Deterministic, but for an officer's SM2 key.
    """

    @property
    def public(self) -> bytes:
        """32 bytes; 65 for an officer's SM2 key."""

    def sign(self, message: bytes) -> bytes:
        """Return a 64-byte signature, Ed25519 or SM2 (r and s)."""


class PostQuantumSigner(Protocol):
    """An ML-DSA-44 key of this region. Two signatures on one message may differ."""

    @property
    def public(self) -> bytes:
        """1,312 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return a 2,420-byte ML-DSA-44 signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleKeys:
    """The region's own keys, one for each purpose.

    The ML-DSA-44 keys (``…_pq``) are those that the roster names, and None where it names none.
    """

    log: Signer
    witness: Signer
    mirror: Signer
    receipt: Signer
    issuer: Signer
    log_pq: PostQuantumSigner | None = None
    witness_pq: PostQuantumSigner | None = None
    mirror_pq: PostQuantumSigner | None = None


class Officers(Protocol):
    """The officers' keys that this region's key store holds."""

    def signer(self, party: str) -> Signer | None:
        """Return the officer's signer; None where the officer holds their own key."""


@dataclass(frozen=True, slots=True)
class FenceMark:
    """The head and the number of the last commit, as kept outside the database."""

    commit: int
    size: int
    root: bytes


class Fence(Protocol):
    """Remembers outside the database how far it had come (protocol.md section 6)."""

    def load(self) -> FenceMark | None:
        """Return the mark; None where it is missing, which counts as behind."""

    def store(self, mark: FenceMark) -> None:
        """Make ``mark`` durable before returning."""


# A named tuple: each look at what is unsettled reads many of them.
class UseRow(NamedTuple):
    """A reliance of entry (origin, index) on a foreign fact, and how it stands.

    ``status`` is open, confirmed, confirmed-late, unauthorised or unproven.
    """

    origin: str
    index: int  # type: ignore[assignment]  # a tuple's method of that name is of no use here
    fact_origin: str
    fact_object: str
    fact_index: int
    view_size: int
    fresh_at_s: int
    staleness_s: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """An acceptance that cites the offer shown by entry (origin, index).

    ``holder`` is the log that must release it: that of the offer, or, once that was closed, the one
    that goes on from there.
    """

    origin: str
    index: int
    holder: str
    case: str
    answer_origin: str
    answer_index: int
    view_index: int | None
    """The first view in the holder's log that covers it; None before there is one."""


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer, and the first entry of the holder's log that was seen after it was due."""

    answer: AnswerRow
    index: int


class Reader(Protocol):
    """Reads of the store that core steps ask for, inside the current transaction."""

    def facts(self, wanted: Sequence[tuple[str, str, int]]) -> Sequence[Fact | None]:
        """For each (origin, object, below): the newest row with index < below, or None."""

    def leaves(self, wanted: Sequence[tuple[str, int]]) -> Sequence[bytes | None]:
        """For each (origin, index): the leaf hash stored there, or None."""

    def entries(self, origin: str, start: int, end: int) -> Sequence[bytes]:
        """Return the entries [start, end) of a log; shorter where fewer are stored."""

    def tiles(
        self, origin: str, wanted: Sequence[tuple[int, int]]
    ) -> Mapping[tuple[int, int], bytes]:
        """For each (level, tile index): its hashes stored so far (a prefix of the full tile)."""

    def find(self, origin: str, wanted: Sequence[tuple[str, bytes]]) -> Sequence[int | None]:
        """For each (subject, leaf hash): the index of that entry in the log, or None."""

    def facts_between(self, origin: str, object_: str, low: int, high: int) -> Sequence[Fact]:
        """Return the rows of an object with low <= index < high, ascending."""

    def seen_by(self, origin: str, index: int) -> tuple[int, int] | None:
        """Return the ``seen_by`` of an entry and the block record that fixed it, or None."""

    def unsettled(
        self,
        *,
        origin: str | None = None,
        fact_origin: str | None = None,
        low: int = 0,
        high: int | None = None,
        rows_max: int | None = None,
    ) -> Sequence[UseRow]:
        """Return uses that are open or unproven, ascending by log and index."""

    def map_head(self, origin: str) -> tuple[int, Child | None]:
        """Return how many entries the stored object map of a log covers, and where it begins."""

    def map_node(self, origin: str, prefix: bytes) -> bytes | None:
        """Return the stored node of a log's object map with this prefix, or None."""

    def late_answers(self, origin: str, before_s: int, rows_max: int) -> Sequence[LateAnswer]:
        """Return answers to a log's offers, due before a time, that an entry seen later shows."""
