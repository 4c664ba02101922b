"""What a node remembers of every other log: one row for both its keys, its copy, its last lines.

One lock for all of it: only the node's single step touches it. Signing stands here as well, so that
no line leaves without its row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self, cast

from ledger.checkpoint import Checkpoint, cosignature_message
from ledger.cosignature import Line, line_key_id, sign_post_quantum
from ledger.equivocation import accuse, said_by_log
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.frozen import Frozen, Held
from ledger.hashing import HASH_BYTES
from ledger.names import mirror_name, witness_name
from ledger.note import (
    KEY_ID_BYTES,
    SIGNATURES_MAX,
    TIME_BYTES,
    Note,
    Signature,
    check_signed,
    sign_ed25519,
)
from ledger.proofs import Reader as NodeReader
from ledger.proofs import prove_roots, root_at
from ledger.roster import Role, Roster
from ledger.tiles import TILE_LEVELS, TILE_WIDTH, TileEdge, frontier_from_edge, read_nodes
from ledger.tree import Frontier
from ledger.views import GoodLine, check_lines, collect_lines
from nodes.core.convictions import Convictions
from nodes.core.ready import (
    AdvancePeer,
    IssueLine,
    PeerRow,
    PutMemory,
    PutSecondNote,
    Write,
)
from nodes.ports import PostQuantumSigner, Signer

if TYPE_CHECKING:
    from ledger.keys import PostQuantumKey, SigningKey

ROLE_LINES_MAX: Final = (SIGNATURES_MAX - 2) // 2
"""Of lines in one role in a note: what is left by the log's own lines, halved."""
FROZEN: Final = "frozen/"
"""Memory under this name and an origin holds the roster version under which we froze the log."""
RESTING: Final = "resting"
"""Memory under this name, once there, says that the witness and mirror keys sign no more."""


class LogReader(Protocol):
    """Entries and tiles, inside the current transaction: all that this side of the node reads."""

    def entries(self, origin: str, start: int, end: int) -> Sequence[bytes]:
        """Return the entries [start, end) of a log; shorter where fewer are stored."""

    def tiles(
        self, origin: str, wanted: Sequence[tuple[int, int]]
    ) -> Mapping[tuple[int, int], bytes]:
        """For each (level, tile index): the hashes stored for it so far."""

    def given(
        self, origin: str, role: str, since_s: int, after: int, rows_max: int
    ) -> Sequence[tuple[int, bytes, bytes]]:
        """Return size, root and line of what our key gave for a log, in the order of time."""


class SignedHead(NamedTuple):
    """A checkpoint that its log signed, and the note with the log's own Ed25519 line alone.

    ``post_quantum`` is the log's ML-DSA-44 line where we have one, else empty. It goes to witnesses
    and into second notes, and nowhere else: its bytes are another's each time.
    """

    checkpoint: Checkpoint
    note: bytes
    post_quantum: bytes = b""

    @property
    def submitted(self) -> bytes:
        """The note with all of the log's own lines."""
        return self.note + self.post_quantum


class Known(NamedTuple):
    """The best note of another log that a quorum of its mirrors vouches for."""

    size: int
    root: bytes
    fresh_at_s: int
    note: bytes
    """With the log's own line alone."""
    lines: tuple[GoodLine, ...]
    """All mirror lines we hold on it, the latest of each region."""


def open_head(data: bytes, roster: Roster) -> tuple[SignedHead, Note]:
    """Read a note and check its log's signatures; lines of others are left as they are.

    Raises:
        MalformedError: It is no note, or no checkpoint.
        NotFoundError: No member writes that log.
        UnverifiedError: The log did not sign it.
    """
    note = Note.decode(data)
    checkpoint = Checkpoint.decode(note.text)
    own, post_quantum = check_log(note, roster, checkpoint.origin)
    return SignedHead(checkpoint, Note(note.text, (own,)).encode(), post_quantum), note


def check_log(note: Note, roster: Roster, origin: str) -> tuple[Signature, bytes]:
    """Check every line of a log's own keys on its note.

    Returns:
        The Ed25519 line, which must be there, and the ML-DSA-44 line, which may not be (empty).

    Raises:
        MalformedError: A key has signed twice.
        NotFoundError: No member writes that log.
        UnverifiedError: A line does not hold, or the Ed25519 line is missing.
    """
    keys = roster.log_keys(origin)
    found = {line.key: line.signature for line in check_signed(note, keys)}
    if keys[0] not in found:
        raise UnverifiedError(f"no Ed25519 line of {origin}", code="unknown-key")
    return found[keys[0]], b"".join(found[key].encode() for key in keys[1:] if key in found)


def sign_head(
    checkpoint: Checkpoint, log: Signer, post_quantum: PostQuantumSigner | None
) -> SignedHead:
    """Sign a checkpoint of our own log.

    The ML-DSA-44 line is dated 0: it says that the tree is consistent, and not when it was the
    largest, which the log's own clock could not prove.
    """
    origin, text = checkpoint.origin, checkpoint.text()
    note = Note(text, (sign_ed25519(origin, cast("SigningKey", log), text),)).encode()
    if post_quantum is None:
        return SignedHead(checkpoint, note)
    line = sign_post_quantum(origin, cast("PostQuantumKey", post_quantum), checkpoint, 0)
    return SignedHead(checkpoint, note, line.encode())


def line_bytes(signatures: Iterable[Signature]) -> list[bytes]:
    """Return the signature lines that may be lines of ours: 76 bytes, whoever signed them."""
    wanted = TIME_BYTES + 64
    return [item.key_id + item.blob for item in signatures if len(item.blob) == wanted]


def good_lines(
    roster: Roster,
    checkpoint: Checkpoint,
    signatures: Iterable[Signature],
    role: Role,
    latest_s: int,
) -> tuple[GoodLine, ...]:
    """Return the lines that hold and are not dated later than ``latest_s``, one a region."""
    keys = (
        roster.mirror_keys(checkpoint.origin)
        if role == "mirror"
        else roster.witness_keys(checkpoint.origin)
    )
    raw = [item for item in line_bytes(signatures) if item[:KEY_ID_BYTES] in keys]
    timely = [item for item in raw if int.from_bytes(item[4:12]) <= latest_s]
    return collect_lines(roster, checkpoint.origin, checkpoint, timely, role)


def one_line(
    roster: Roster, checkpoint: Checkpoint, signatures: Iterable[Signature], role: Role, region: str
) -> GoodLine | None:
    """Return a region's line among signatures that it sent us; None if none of them holds."""
    keys = (
        roster.mirror_keys(checkpoint.origin)
        if role == "mirror"
        else roster.witness_keys(checkpoint.origin)
    )
    for item in line_bytes(signatures):
        if item[:KEY_ID_BYTES] not in keys:
            continue
        try:
            (good,) = check_lines(roster, checkpoint.origin, checkpoint, (item,), role)
        except UnverifiedError:
            continue
        if good.region == region:
            return good
    return None


def line_signatures(roster: Roster, lines: Iterable[GoodLine], role: Role) -> tuple[Signature, ...]:
    """Return lines as signature lines of a note, the latest of them if a note cannot hold all."""
    name = mirror_name if role == "mirror" else witness_name
    chosen = list(lines)
    if len(chosen) > ROLE_LINES_MAX:
        chosen = sorted(chosen, key=lambda item: item.time_s)[-ROLE_LINES_MAX:]
    return tuple(
        Line.decode(item.line).to_signature(name(roster.origin_of(item.region))) for item in chosen
    )


def second_note(head: SignedHead) -> tuple[Write, ...]:
    """Return the write that keeps the second note of our own log; none where it has none."""
    if not head.post_quantum:
        return ()
    origin, size = head.checkpoint.origin, head.checkpoint.size
    return (PutSecondNote(origin, "log", size, head.submitted),)


@dataclass(slots=True)
class Copy:
    """Our copy of a log, as far as growing it needs: its size, and the tree's right edge."""

    size: int = 0
    edge: TileEdge = ()
    frontier: Frontier = field(default_factory=Frontier.empty)

    @classmethod
    def load(cls, origin: str, size: int, reader: LogReader) -> Self:
        """Read the right edge of the ``size`` entries that are stored.

        Raises:
            MalformedError: The tiles do not reach that far.
        """
        edge = read_edge(origin, size, reader)
        return cls(size, edge, frontier_from_edge(size, edge))


def read_edge(origin: str, size: int, reader: LogReader) -> TileEdge:
    """Read the partial tiles at the right edge of a tree of ``size``.

    Raises:
        MalformedError: A tile is shorter than the tree asks for.
    """
    levels = -(-size.bit_length() // TILE_LEVELS)
    widths = [(size >> (TILE_LEVELS * level)) % TILE_WIDTH for level in range(levels)]
    wanted = [
        (level, size >> (TILE_LEVELS * (level + 1))) for level in range(levels) if widths[level]
    ]
    found = reader.tiles(origin, wanted) if wanted else {}
    edge: list[bytes] = []
    for level, width in enumerate(widths):
        tile = found.get((level, size >> (TILE_LEVELS * (level + 1))), b"")
        if len(tile) < width * HASH_BYTES:
            raise MalformedError(
                f"the tile at the edge of level {level} is shorter than a tree of {size} asks for",
                code="altered",
            )
        edge.append(tile[: width * HASH_BYTES])
    return tuple(edge)


def node_reader(reader: LogReader, origin: str) -> NodeReader:
    """Return a reader of one log's tree nodes."""
    return read_nodes(lambda wanted: reader.tiles(origin, wanted))


def dated(last_s: int, now_ms: int, delta_s: int) -> int:
    """Return the time of the next line of an origin, which never goes back (protocol.md section 0).

    Raises:
        UnavailableError: ``clock``: our clock has stepped back by more than the tolerance.
    """
    now_s = now_ms // 1000
    if last_s - now_s > delta_s:
        raise UnavailableError(
            f"our clock is {last_s - now_s} s behind a line we gave", code="clock"
        )
    return max(now_s, last_s, 1)


class Heads:
    """All rows, copies and last lines of the node, and the two keys that sign from them.

    Invariant: for each origin the witnessed size and root only move along one growing tree, the
    mirrored size stays at or below it on the same tree, and no line is dated before one given
    earlier.

    Args:
        roster: In force.
        region: This node's own.
        witness: Its witness key.
        mirror: Its mirror key.
        rows: By origin, as the store holds them.
        sizes: By origin: how many entries of each log are stored.
        lines: By role and origin: the last line given, as it stands in the store.
        memory: Small values of the core's own, by name.
        witness_pq: Its witness's ML-DSA-44 key, if it has one.
        mirror_pq: Its mirror's.
        second: By role and origin: the second note of what was cosigned last.
    """

    def __init__(
        self,
        *,
        roster: Roster,
        region: str,
        witness: Signer,
        mirror: Signer,
        witness_pq: PostQuantumSigner | None = None,
        mirror_pq: PostQuantumSigner | None = None,
        rows: Mapping[str, PeerRow],
        sizes: Mapping[str, int],
        lines: Mapping[tuple[str, str], tuple[int, bytes]],
        memory: Mapping[str, bytes],
        second: Mapping[tuple[str, str], bytes] = MappingProxyType({}),
    ) -> None:
        self.roster = roster
        self.region = region
        self.own = roster.origin_of(region)
        self.logs: Mapping[str, str] = {
            origin_: where
            for where, member in roster.members.items()
            for origin_ in (member.origin,)
            if region in roster.witnesses_of(origin_)
        }
        """Origins that we witness and mirror, and the region of each."""
        self.closed = roster.closed
        """Logs that have ended: kept and served up to their cut, and never signed for."""
        self._signers: Mapping[str, tuple[str, Signer, bytes]] = {
            "witness": self._key(witness_name(self.own), witness),
            "mirror": self._key(mirror_name(self.own), mirror),
        }
        self._post_quantum: Mapping[str, tuple[str, PostQuantumSigner | None]] = {
            "witness": (witness_name(self.own), witness_pq),
            "mirror": (mirror_name(self.own), mirror_pq),
        }
        self._second = {key: Note.decode(data) for key, data in second.items()}
        self._rows = dict(rows)
        self._sizes = dict(sizes)
        self._copies: dict[str, Copy] = {}
        self._lines = dict(lines)
        self.resting = RESTING in memory
        self.convictions = Convictions(roster, memory)
        self._frozen = {
            name.removeprefix(FROZEN): int.from_bytes(value)
            for name, value in memory.items()
            if name.startswith(FROZEN)
        }
        self.halted = ""
        """Why nothing may be signed at all: behind the fence, or the witnesses; empty: it may."""

    @staticmethod
    def _key(name: str, signer: Signer) -> tuple[str, Signer, bytes]:
        return name, signer, line_key_id(name, signer.public)

    def row(self, origin: str) -> PeerRow | None:
        """Return the row of a log; None before the log was first heard of."""
        return self._rows.get(origin)

    def stored_size(self, origin: str) -> int:
        """Return how many entries of a log we hold."""
        copy = self._copies.get(origin)
        return copy.size if copy is not None else self._sizes.get(origin, 0)

    def copy(self, origin: str, reader: LogReader) -> Copy:
        """Return our copy of a log, read on first use.

        Raises:
            UnavailableError: ``altered``: its tiles are not what they were.
        """
        copy = self._copies.get(origin)
        if copy is None:
            try:
                copy = Copy.load(origin, self._sizes.get(origin, 0), reader)
            except MalformedError as error:
                raise UnavailableError(str(error), code="altered") from error
            self._copies[origin] = copy
        return copy

    def last_line(self, role: Role, origin: str) -> tuple[int, bytes] | None:
        """Return size and bytes of the last line given in a role; None before the first."""
        return self._lines.get((role, origin))

    def sign(
        self, role: Role, row: PeerRow, checkpoint: Checkpoint, now_ms: int
    ) -> tuple[tuple[Write, ...], Signature]:
        """Move a row to ``row``, dated now, and sign ``checkpoint`` in a role.

        The caller has seen to it that the checkpoint is on the row's tree. The writes must be
        durable before the signature leaves.

        Raises:
            RefusedError: ``frozen``.
            UnavailableError: ``resting``, ``halted``, or our clock has stepped back.
        """
        self.check_may_sign()
        self.check_not_frozen(row.origin)
        if role == "mirror":
            assert checkpoint.size == row.mirrored_size <= row.witnessed_size
        else:
            assert checkpoint.size == row.witnessed_size
        old = self._rows.get(row.origin)
        time_s = dated(0 if old is None else old.time_s, now_ms, self.roster.constants.delta_s)
        name, signer, key_id = self._signers[role]
        signature = signer.sign(cosignature_message(time_s, checkpoint.text()))
        line = Line(key_id, time_s, signature)
        raw = line.encode()
        self._lines[role, row.origin] = (checkpoint.size, raw)
        issued = IssueLine(role, row.origin, checkpoint.size, checkpoint.root, raw)
        return (self.move(replace(row, time_s=time_s)), issued), line.to_signature(name)

    def sign_second(
        self, role: Role, data: bytes, post_quantum: bytes = b""
    ) -> tuple[tuple[Write, ...], tuple[Signature, ...]]:
        """Return our ML-DSA-44 line beside the one that ``sign`` has just given in a role.

        It is dated like that one. The second note with it is kept for those who ask; what no key
        asks for costs nothing.

        Args:
            role: In which ``sign`` was called.
            data: The signed note, with the log's Ed25519 line.
            post_quantum: The log's ML-DSA-44 line; empty where it did not come along.
        """
        name, signer = self._post_quantum[role]
        if signer is None and not post_quantum and not self._second:
            return (), ()
        note = Note.decode(data)
        checkpoint = Checkpoint.decode(note.text)
        origin = checkpoint.origin
        own: tuple[Signature, ...] = ()
        if signer is not None:
            time_s = self._rows[origin].time_s
            own = (sign_post_quantum(name, cast("PostQuantumKey", signer), checkpoint, time_s),)
        by_log = Signature.decode(post_quantum) if post_quantum else self._log_line(origin, note)
        log = () if by_log is None else (by_log,)
        if not own and not log:
            return (), ()
        second = self._second[role, origin] = note.with_signatures(*log, *own)
        return (PutSecondNote(origin, role, checkpoint.size, second.encode()),), own

    def _log_line(self, origin: str, note: Note) -> Signature | None:
        """Return the log's ML-DSA-44 line on a text, if it came to either of our keys before."""
        for role in ("witness", "mirror"):
            known = self._second.get((role, origin))
            if known is not None and known.text == note.text:
                for signature in known.signatures[1:]:
                    if signature.name == origin:
                        return signature
        return None

    def check_may_sign(self) -> None:
        """Check that our keys may sign at all.

        Raises:
            UnavailableError: ``resting``, or the code that says why the node is halted.
        """
        if self.halted:
            raise UnavailableError("this node's store has forgotten something", code=self.halted)
        if self.resting:
            raise UnavailableError(
                "the witness and mirror keys rest until the roster replaces them", code=RESTING
            )

    def check_not_frozen(self, origin: str) -> None:
        """Check that we have not given our last word on a log.

        Raises:
            RefusedError: ``frozen``.
        """
        # A freeze ends only by a roster version (protocol.md section 6).
        if self._frozen.get(origin, 0) >= self.roster.version:
            raise RefusedError(f"{origin} is frozen until the roster settles it", code="frozen")

    @property
    def frozen(self) -> frozenset[str]:
        """The logs on which we have given our last word under the roster in force."""
        version = self.roster.version
        return frozenset(origin for origin, at in self._frozen.items() if at >= version)

    def freeze(self, origin: str) -> tuple[Frozen, PutMemory]:
        """Cosign a log no more, and return what we report of it.

        Both are to be durable together, before the report is shown to anyone.

        Raises:
            NotFoundError: We do not witness that log.
            RefusedError: ``frozen``: it is already.
            UnavailableError: Our keys rest, or we are halted: our memory of the log is gone.
        """
        if origin not in self.logs:
            raise NotFoundError(f"we do not witness {origin[:80]!r}")
        self.check_may_sign()
        self.check_not_frozen(origin)
        version = self._frozen[origin] = self.roster.version
        row = self._rows.get(origin)
        report = Frozen(origin, version, None, None)
        if row is not None and row.pending:
            mirrored = self._held("mirror", row.mirrored) if row.mirrored else None
            report = Frozen(origin, version, self._held("witness", row.pending), mirrored)
        return report, PutMemory(FROZEN + origin, version.to_bytes(8))

    def _held(self, role: Role, note: bytes) -> Held:
        """Return a note with our last line in a role, if that is on this very note."""
        checkpoint = Checkpoint.decode(Note.decode(note).text)
        last = self._lines.get((role, checkpoint.origin))
        line = last[1] if last is not None and last[0] == checkpoint.size else None
        return Held(checkpoint, note, line)

    def move(self, row: PeerRow) -> AdvancePeer:
        """Put ``row`` in place of what was there for its origin."""
        old = self._rows.get(row.origin)
        if old is not None:
            assert row.witnessed_size >= old.witnessed_size
            assert row.mirrored_size >= old.mirrored_size
            assert row.time_s >= old.time_s
        assert row.mirrored_size <= row.witnessed_size
        self._rows[row.origin] = row
        return AdvancePeer(old, row)

    def heard_from_origin(self, origin: str, caller: str | None) -> bool:
        """Say whether a caller counts as the log's writer: it is, or nobody could tell."""
        return caller is None or caller == self.logs.get(origin)

    def silent(self, origin: str, now_ms: int) -> bool:
        """Say whether the log's writer has sent us nothing for R."""
        row = self._rows.get(origin)
        heard_ms = 0 if row is None else row.heard_ms
        return now_ms - heard_ms >= self.roster.constants.refresh_s * 1000

    def is_convicted(self, origin: str) -> bool:
        """Say whether a log has shown two histories, so that we cosign it no more."""
        return self.convictions.is_log(origin)

    def check_not_convicted(self, origin: str) -> None:
        """Check that a log may be cosigned, for all that its key has signed so far.

        Raises:
            UnverifiedError: ``equivocation``.
        """
        if self.is_convicted(origin):
            raise UnverifiedError("the log has signed two histories", code="equivocation")

    def convict(
        self, origin: str, notes: Sequence[bytes], hashes: Sequence[bytes] = ()
    ) -> tuple[Write, ...]:
        """Keep the bytes that show two histories of a log, and never cosign it again.

        Args:
            origin: Of the log.
            notes: Two notes that the log signed.
            hashes: Where their sizes differ: what ``consistency_roots`` makes the newer root from.
        """
        said = [said_by_log(self.roster.version, note) for note in notes]
        return self.convictions.take(
            accuse("log", self.roster.region_of_origin(origin), said, hashes)
        )

    def is_off_branch(self, checkpoint: Checkpoint, reader: LogReader) -> bool:
        """Say whether we hold a log as far as a checkpoint of it, and its root is another."""
        if not 0 < checkpoint.size <= self.stored_size(checkpoint.origin):
            return False
        try:
            return self.root_of(checkpoint.origin, checkpoint.size, reader) != checkpoint.root
        except LedgerError:
            return False  # our own tiles are not what they were, which says nothing of the log

    def root_of(self, origin: str, size: int, reader: LogReader) -> bytes:
        """Return the root of the first ``size`` entries of a log that we hold.

        Raises:
            LedgerError: Our tiles do not reach that far.
        """
        return root_at(size, node_reader(reader, origin))

    def compare(self, head: SignedHead, reader: LogReader) -> tuple[Write, ...]:
        """Compare a log-signed head with the row of its log, and convict the log if its bytes do.

        Nothing follows from a head that cannot be compared.
        """
        checkpoint = head.checkpoint
        origin = checkpoint.origin
        row = self._rows.get(origin)
        if row is None or not row.pending or self.is_convicted(origin):
            return ()
        if checkpoint.size == row.witnessed_size:
            if checkpoint.root == row.witnessed_root:
                return ()
            return self.convict(origin, (row.pending, head.note))
        # What is stored whole reaches the pending note as a rule, and the mirrored one always.
        size, note = row.witnessed_size, row.pending
        if self.stored_size(origin) < size:
            size, note = row.mirrored_size, row.mirrored
        if checkpoint.size > size or not self.is_off_branch(checkpoint, reader):
            return ()
        hashes: Sequence[bytes] = ()
        if checkpoint.size < size:
            try:
                hashes = prove_roots(checkpoint.size, size, node_reader(reader, origin))
            except LedgerError:
                return ()  # as above
        return self.convict(origin, (head.note, note), hashes)

    def rest(self, why: str) -> PutMemory:
        """Let both keys rest from now on, until a roster version replaces them."""
        self.resting = True
        return PutMemory(RESTING, why.encode())
