"""One log's note on its way to one peer: add-checkpoint, then add-entries until the mirror signs.

A mirror that had signed the note before takes both in one request.

Nothing here trusts the peer: sizes that it claims only choose what to send next, and lines are
checked by whoever collects them. A peer that answers nonsense costs us one request per back-off.
"""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final, Literal

from ledger.errors import LedgerError, MalformedError
from ledger.note import Signature
from ledger.proofs import prove_consistency, prove_subtree_consistency
from ledger.roster import Role
from ledger.tiles import TILE_WIDTH
from nodes.core.copies import LogReader, node_reader
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    MirrorInfo,
    Package,
    Upload,
    decode_lines,
    decode_size,
    encode_add_checkpoint,
    package_end,
)
from nodes.core.extension import EXTEND, decode_extended, encode_extension
from nodes.core.notes import SignedHead

Stage = Literal["checkpoint", "entries", "done"]
_Sent = Literal["checkpoint", "entries", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingLimits:
    """How much goes out at once, and how long we wait.

    Args:
        upload_entries_max: In one upload; a multiple of 256, so that the next one starts a bundle.
        upload_bytes_max: At which an upload is not made longer.
        timeout_ms: Of one request.
        backoff_ms_min: After the first failure.
        backoff_ms_max: After many.
        conflicts_max: How often in a row a peer's own word of where it stands is followed at once.
    """

    upload_entries_max: int = 8_192
    upload_bytes_max: int = 1 << 20
    timeout_ms: int = 10_000
    backoff_ms_min: int = 100
    backoff_ms_max: int = 5_000
    conflicts_max: int = 4

    def __post_init__(self) -> None:
        if self.upload_entries_max < TILE_WIDTH or self.upload_entries_max % TILE_WIDTH:
            raise MalformedError("upload_entries_max is a multiple of 256")
        if not 0 < self.backoff_ms_min <= self.backoff_ms_max:
            raise MalformedError("backoff_ms_min is at most backoff_ms_max")
        if self.upload_bytes_max < 1 or self.timeout_ms < 1 or self.conflicts_max < 1:
            raise MalformedError("limits are at least 1")


BODIES_MAX: Final = 16
_EXPONENT_MAX: Final = 16


def backoff_ms(limits: SendingLimits, who: str, attempt: int) -> int:
    """Return how long to wait after the ``attempt``-th failure in a row, from 1.

    Half of it is jitter, drawn from a hash: nodes differ, and a run can be repeated.
    """
    exponent = min(attempt - 1, _EXPONENT_MAX)
    longest = min(limits.backoff_ms_min << exponent, limits.backoff_ms_max)
    draw = int.from_bytes(sha256(f"{who}\n{attempt}".encode()).digest()[:4])
    return longest // 2 + draw % (longest // 2 + 1)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request of a submission, as it must be remembered until its answer."""

    head: SignedHead
    stage: _Sent
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Gained:
    """Signature lines that a peer sent for a head: not checked yet."""

    role: Role
    head: SignedHead
    signatures: tuple[Signature, ...]


@dataclass(slots=True, kw_only=True)
class Submission:
    """Where one peer stands with one log, and what it is to be sent next.

    Invariant: ``stage`` is ``done`` iff the peer has signed all that it can of ``head``, or says
    that it holds all of it and will not sign.

    Args:
        peer: Region, or ``witness:<name>``.
        mirror: Whether the peer mirrors as well; foreign witnesses do not.
    """

    peer: str
    mirror: bool
    limits: SendingLimits
    salt: str
    head: SignedHead | None = None
    stage: Stage = "done"
    believed: int = 0
    """The size that the peer has witnessed, as far as we know."""
    next_entry: int = 0
    ticket: bytes = b""
    is_in_step: bool = False
    """Whether the peer has signed as a mirror what it was sent last, and lacks nothing below it."""
    takes_both: bool = True
    """Whether the peer knows the one request for both; an older program does not."""
    furthest: int = 0
    """How far uploads of this head have brought the peer: what it forgets again is no progress."""
    conflicts: int = 0
    failures: int = 0
    due_ms: int = 0
    done_ms: int = 0
    """When the peer last said all that it can about ``head``."""
    claimed: int = 0
    """The largest size of our log that the peer claims to know; unproven."""
    unreachable: bool = False
    """Whether the last request got no answer at all."""
    trouble: str = ""
    """The last failure, for operators; empty while all is well."""
    bodies: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    """Shared by the submissions of one log: bodies made for the present head."""

    def aim(self, head: SignedHead) -> None:
        """Send ``head`` from now on, from its checkpoint up; also to refresh the one before."""
        self.head = head
        self.stage = "checkpoint"
        self.furthest = 0
        self.conflicts = 0

    def due(self, now_ms: int) -> bool:
        """Say whether there is something to send now."""
        # A clock that has stepped back must not leave us waiting for hours.
        waiting_ms = self.due_ms - now_ms
        return self.stage != "done" and not 0 < waiting_ms <= self.limits.backoff_ms_max

    def request(self, origin: str, reader: LogReader) -> Outgoing:
        """Return what to send next. Only when ``due``.

        Raises:
            LedgerError: Our own tree cannot be read that far.
        """
        head = self.head
        assert head is not None
        size = head.checkpoint.size
        if self.stage == "checkpoint":
            if self.is_in_step and self.takes_both:
                checkpoint = self._checkpoint_body(head, origin, reader)
                entries = self._entries_body(size, origin, reader)
                key: tuple[object, ...] = ("both", self.believed, self.next_entry, size)
                if key not in self.bodies:
                    self.bodies[key] = encode_extension(checkpoint, entries)
                return Outgoing(head, "both", EXTEND, self.bodies[key])
            body = self._checkpoint_body(head, origin, reader)
            return Outgoing(head, "checkpoint", ADD_CHECKPOINT, body)
        return Outgoing(head, "entries", ADD_ENTRIES, self._entries_body(size, origin, reader))

    def _checkpoint_body(self, head: SignedHead, origin: str, reader: LogReader) -> bytes:
        # A peer that claims more than we send cannot be shown that our tree extends its own.
        # The note goes out all the same: the answer says whether it still claims so.
        size = head.checkpoint.size
        old = min(self.believed, size)
        key = ("checkpoint", old, size)
        if key not in self.bodies:
            proof = prove_consistency(old, size, node_reader(reader, origin))
            self.bodies[key] = encode_add_checkpoint(
                old, () if old == size else proof, head.submitted
            )
        return self.bodies[key]

    def _entries_body(self, size: int, origin: str, reader: LogReader) -> bytes:
        start = min(self.next_entry, size)
        key = ("entries", start, size, self.ticket)
        if key not in self.bodies:
            if len(self.bodies) >= BODIES_MAX:
                self.bodies.clear()
            self.bodies[key] = Upload(
                origin=origin,
                start=start,
                end=size,
                ticket=self.ticket,
                packages=packages(origin, start, size, reader, self.limits),
            ).encode()
        return self.bodies[key]

    def answered(self, sent: Outgoing, status: int, body: bytes, now_ms: int) -> tuple[Gained, ...]:
        """Take the answer to ``sent`` and decide what comes next.

        Returns:
            The lines that came with it, of each role on their own.
        """
        gained: list[Gained] = []
        try:
            for half, its_status, its_body in self._halves(sent, status, body, now_ms):
                found = self._take(half, its_status, its_body, now_ms)
                if found is not None:
                    gained.append(found)
        except LedgerError as error:
            self.fail(now_ms, f"{sent.path}: {error}")
        finally:
            self.unreachable = status == 0
        if self.head is not sent.head and self.stage != "checkpoint":
            # A newer head came while this one was under way.
            self.stage = "checkpoint"
        return tuple(gained)

    def _halves(
        self, sent: Outgoing, status: int, body: bytes, now_ms: int
    ) -> list[tuple[Outgoing, int, bytes]]:
        """Return what each half of a request was answered; a plain request is one half."""
        if sent.stage != "both":
            return [(sent, status, body)]
        if status == 404:
            self.takes_both = False
            self._follow(now_ms, f"{sent.path} is not known there")
            return []
        if status != 200:
            self._refused(sent, status, body, now_ms)
            return []
        stages: tuple[_Sent, _Sent] = ("checkpoint", "entries")
        return [
            (replace(sent, stage=stage), its_status, its_body)
            for stage, (its_status, its_body) in zip(stages, decode_extended(body), strict=False)
        ]

    def fail(self, now_ms: int, trouble: str) -> None:
        """Note a failure; the next request waits, longer each time."""
        self.failures += 1
        self.conflicts = 0
        self.is_in_step = False
        self.trouble = trouble[:200]
        self.due_ms = now_ms + backoff_ms(self.limits, f"{self.salt}\n{self.peer}", self.failures)

    def revive(self, now_ms: int) -> None:
        """The peer was heard of: what waited because it was out of reach need not wait longer.

        After a refusal it does wait: else two nodes that refuse each other would never pause.
        """
        if self.unreachable:
            self.unreachable = False
            self.failures = 0
            self.due_ms = min(self.due_ms, now_ms)

    def _take(self, sent: Outgoing, status: int, body: bytes, now_ms: int) -> Gained | None:
        if status == 409:
            self._conflict(sent, body, now_ms)
            return None
        if status not in {200, 202}:
            self._refused(sent, status, body, now_ms)
            return None
        size = sent.head.checkpoint.size
        if sent.stage == "checkpoint":
            if status != 200:
                raise MalformedError(f"answered {status}")
            signatures = decode_lines(body)
            self.believed = size
            self._well(now_ms)
            self._reach(sent, "entries" if self.mirror else "done", now_ms)
            return Gained("witness", sent.head, signatures) if signatures else None
        if status == 200:
            signatures = decode_lines(body)
            self.next_entry = max(self.next_entry, size)
            self.is_in_step = True
            self._well(now_ms)
            self._reach(sent, "done", now_ms)
            return Gained("mirror", sent.head, signatures)
        info = MirrorInfo.decode(body)
        progress = max(self.next_entry, self.furthest) < info.next_entry <= size
        self.furthest = max(self.furthest, info.next_entry)
        self.next_entry, self.ticket = min(info.next_entry, size), info.ticket
        if info.next_entry >= size:
            # It holds all of it and gives no line: its keys rest.
            self._well(now_ms)
            self._reach(sent, "done", now_ms)
        elif progress:
            self._well(now_ms)
        else:
            self._follow(now_ms, "an upload brings its mirror no further")
        return None

    def _conflict(self, sent: Outgoing, body: bytes, now_ms: int) -> None:
        """The peer stands elsewhere than we believed: follow it at once, a few times in a row."""
        if sent.stage == "checkpoint":
            size = decode_size(body)
            self.claimed = max(self.claimed, size)
            stuck = size > sent.head.checkpoint.size
            self.believed = size
            if stuck and self.head is sent.head:
                self.fail(now_ms, f"the peer claims size {size}")
            else:
                self._follow(now_ms, f"the peer keeps saying {size}")
            return
        info = MirrorInfo.decode(body)
        self.claimed = max(self.claimed, info.pending_size)
        self.next_entry, self.ticket = info.next_entry, info.ticket
        if info.pending_size != sent.head.checkpoint.size:
            self.believed = info.pending_size
            self.stage = "checkpoint"
        self._follow(now_ms, f"the mirror keeps saying {info.pending_size}, {info.next_entry}")

    def _refused(self, sent: Outgoing, status: int, body: bytes, now_ms: int) -> None:
        words = body[:120].decode(errors="replace").strip()
        if sent.stage == "entries" and status == 422:
            self.stage = "checkpoint"
        self.fail(now_ms, f"{sent.path} answered {status}: {words}")

    def _follow(self, now_ms: int, trouble: str) -> None:
        self.conflicts += 1
        self.is_in_step = False
        if self.conflicts > self.limits.conflicts_max:
            self.fail(now_ms, trouble)

    def _well(self, now_ms: int) -> None:
        self.failures = 0
        self.conflicts = 0
        self.trouble = ""
        self.due_ms = min(self.due_ms, now_ms)

    def _reach(self, sent: Outgoing, stage: Stage, now_ms: int) -> None:
        if self.head is sent.head:
            self.stage = stage
        if stage == "done":
            self.done_ms = now_ms


def packages(
    origin: str, start: int, end: int, reader: LogReader, limits: SendingLimits
) -> tuple[Package, ...]:
    """Return the packages that lead from ``start`` towards ``end``, as many as one upload takes.

    Raises:
        LedgerError: We do not hold them.
    """
    made: list[Package] = []
    read = node_reader(reader, origin)
    low, total = start, 0
    stop = min(end, start - start % TILE_WIDTH + limits.upload_entries_max)
    while low < stop and total < limits.upload_bytes_max:
        high = package_end(low, end)
        entries = tuple(reader.entries(origin, low, high))
        if len(entries) != high - low:
            raise MalformedError(f"entries {low} to {high} are not all stored", code="altered")
        rounded = low - low % TILE_WIDTH
        made.append(
            Package(low, entries, tuple(prove_subtree_consistency(rounded, high, end, read)))
        )
        total += sum(map(len, entries))
        low = high
    return tuple(made)
