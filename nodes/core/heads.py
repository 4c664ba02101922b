"""What a node remembers of every other log: one row for both its keys, its copy, its last lines.

One lock for all of it: only the node's single step touches it. Signing stands here as well, so that
no line leaves without its row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from ledger.checkpoint import Checkpoint, cosignature_message
from ledger.cosignature import Line, line_key_id, sign_post_quantum
from ledger.encoding import decode, encode
from ledger.equivocation import accuse, said_by_log
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.frozen import Frozen, Held, check_by_log
from ledger.names import mirror_name, witness_name
from ledger.note import KEY_ID_BYTES, Note, Signature, checkpoint_of
from ledger.proofs import prove_roots, root_at
from ledger.roster import Role, Roster
from ledger.roster_fields import Constants, Pin
from nodes.core.convictions import Convictions
from nodes.core.copies import Copy, LogReader, node_reader
from nodes.core.notes import SignedHead
from nodes.core.ready import AdvancePeer, IssueLine, PeerRow, PutMemory, PutSecondNote, Write
from nodes.core.rosters import Rosters, own_keys
from nodes.core.turning import TURNED, Turn, turns_in
from nodes.ports import PostQuantumSigner, RoleKeys, Signer

if TYPE_CHECKING:
    from ledger.keys import PostQuantumKey

FROZEN: Final = "frozen/"
"""Memory under this name and an origin holds the roster version under which we froze the log."""
ROOTS_KEPT_MAX: Final = 4_096

RESTING: Final = "resting"
"""Memory under this name, once there, says that the witness and mirror keys sign no more."""


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
        rosters: What is known of the network.
        region: This node's own.
        held: Its keys: those in force, and any of before and to come.
        rows: By origin, as the store holds them.
        sizes: By origin: how many entries of each log are stored.
        lines: By role and origin: the last line given, as it stands in the store.
        memory: Small values of the core's own, by name.
        second: By role and origin: the second note of what was cosigned last.
    """

    def __init__(
        self,
        *,
        rosters: Rosters,
        region: str,
        held: tuple[RoleKeys, ...],
        rows: Mapping[str, PeerRow],
        sizes: Mapping[str, int],
        lines: Mapping[tuple[str, str], tuple[int, bytes]],
        memory: Mapping[str, bytes],
        second: Mapping[tuple[str, str], bytes] = MappingProxyType({}),
    ) -> None:
        self.rosters = rosters
        self.region = region
        self.own = rosters.home_of(region)
        self.logs: Mapping[str, str] = {
            origin_: where
            for roster in rosters.last_two()
            for origin_ in roster.origins
            for where in (roster.region_of_origin(origin_),)
            if region in roster.witnesses_of(origin_) and origin_ not in rosters.newest.closed
        }
        """Origins that we witness and mirror, and the region of each."""
        self.closed = rosters.newest.closed
        """Logs that have ended: kept and served up to their cut, and never signed for."""
        self._signers: dict[Role, list[tuple[str, Signer, bytes]]] = {"witness": [], "mirror": []}
        """By role: the key of the newest version, then another one of the version before."""
        self._post_quantum: dict[Role, tuple[str, PostQuantumSigner | None]] = {}
        self._second = {key: Note.decode(data) for key, data in second.items()}
        self._rows = dict(rows)
        self._sizes = dict(sizes)
        self._copies: dict[str, Copy] = {}
        self._lines = dict(lines)
        self._roots: dict[tuple[str, int], bytes] = {}
        """By log and size, of our copies: all witnesses and mirrors of a log sign the same few."""
        self._why_resting, self._retired = _decode_rest(memory.get(RESTING, b""))
        self._load_keys(held)
        self.convictions = Convictions(rosters, memory)
        self.turned: Mapping[str, Turn] = turns_in(memory)
        """Logs of which we hold another branch than the one that our keys have signed."""
        self._frozen = {
            name.removeprefix(FROZEN): int.from_bytes(value)
            for name, value in memory.items()
            if name.startswith(FROZEN)
        }
        self.halted = ""
        """Why nothing may be signed at all: behind the fence, or the witnesses; empty: it may."""

    def _load_keys(self, held: tuple[RoleKeys, ...]) -> None:
        """Find our keys by the newest version and the one before.

        Lines are given by both where they differ: the note of an epoch needs both, and elsewhere
        one that does not count does no harm. A key that has lost its memory signs no more, though
        the version before names it still.
        """
        for roster in reversed(self.rosters.last_two()):
            keys = own_keys(roster, self.region, held)
            if keys is None:
                continue
            own = roster.origin_of(self.region)
            named: tuple[tuple[Role, str, Signer, PostQuantumSigner | None], ...] = (
                ("witness", witness_name(own), keys.witness, keys.witness_pq),
                ("mirror", mirror_name(own), keys.mirror, keys.mirror_pq),
            )
            for role, name, signer, post_quantum in named:
                key = (name, signer, line_key_id(name, signer.public))
                if signer.public in self._retired and not self._why_resting:
                    continue
                if all((key[0], key[2]) != (it[0], it[2]) for it in self._signers[role]):
                    self._signers[role].append(key)
                self._post_quantum.setdefault(role, (name, post_quantum))

    @property
    def roster(self) -> Roster:
        """The version in force in our own log."""
        return self.rosters.at(self.rosters.version_of(self.own))

    @property
    def resting(self) -> bool:
        """Whether our witness and mirror keys have lost their memory, and sign no more."""
        return bool(self._why_resting)

    @property
    def constants(self) -> Constants:
        """Those of the newest version."""
        return self.rosters.newest.constants

    def row(self, origin: str) -> PeerRow | None:
        """Return the row of a log; None before the log was first heard of.

        A log that the roster pins begins at its pin: only what extends that is ever cosigned.
        """
        row = self._rows.get(origin)
        if row is None:
            pin = self.rosters.newest.pins.get(origin)
            return _pinned_row(origin, pin) if pin is not None and pin.size else None
        return row

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
    ) -> tuple[tuple[Write, ...], tuple[Signature, ...]]:
        """Move a row to ``row``, dated now, and sign ``checkpoint`` in a role, by each of our keys.

        The caller has seen to it that the checkpoint is on the row's tree. The writes must be
        durable before the signature leaves.

        Raises:
            RefusedError: ``frozen`` or ``turned``.
            UnavailableError: ``resting``, ``halted``, or our clock has stepped back.
        """
        self.check_may_sign()
        self.check_not_turned(row.origin)
        self.check_not_frozen(row.origin)
        if role == "mirror":
            assert checkpoint.size == row.mirrored_size <= row.witnessed_size
        else:
            assert checkpoint.size == row.witnessed_size
        old = self._rows.get(row.origin)
        time_s = dated(0 if old is None else old.time_s, now_ms, self.constants.delta_s)
        message = cosignature_message(time_s, checkpoint.text())
        writes: list[Write] = [self.move(replace(row, time_s=time_s))]
        signatures: list[Signature] = []
        for name, signer, key_id in reversed(self._signers[role]):
            line = Line(key_id, time_s, signer.sign(message))
            raw = line.encode()
            self._lines[role, row.origin] = (checkpoint.size, raw)
            writes.append(IssueLine(role, row.origin, checkpoint.size, checkpoint.root, raw))
            signatures.insert(0, line.to_signature(name))
        return tuple(writes), tuple(signatures)

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
        if not self._post_quantum:
            raise UnavailableError("the keys that the roster names are not here", code="lacks-keys")

    def check_not_turned(self, origin: str) -> None:
        """Check that what we hold of a log is of the tree that our keys have signed.

        Raises:
            RefusedError: ``turned``: a line on what we hold now would lie on a second branch.
        """
        if origin in self.turned:
            raise RefusedError(f"we have signed another branch of {origin}", code="turned")

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

    def freeze(self, origin: str, now_ms: int) -> tuple[Frozen, tuple[Write, ...]]:
        """Cosign a log no more, and return what we report of it.

        Report and writes are to be durable together, before the report is shown to anyone.

        Raises:
            NotFoundError: We do not witness that log.
            RefusedError: ``frozen``: it is already. ``early-roster``: what we hold of it is signed
                by a key of a later version than our own log has come under; it comes first.
            UnavailableError: Our keys rest, or we are halted: our memory of the log is gone.
        """
        if origin not in self.logs:
            raise NotFoundError(f"we do not witness {origin[:80]!r}")
        self.check_may_sign()
        self.check_not_frozen(origin)
        version = self.roster.version
        writes: list[Write] = [PutMemory(FROZEN + origin, version.to_bytes(8))]
        row = self._rows.get(origin)
        turn = self.turned.get(origin)
        if turn is not None:
            self._check_readable(origin, turn.head.note)
        elif row is not None:
            self._check_readable(origin, row.pending, row.mirrored)
        report = Frozen(origin, version, None, None)
        if turn is not None:
            # Of the tree that we hold we have signed nothing; on the other nothing can stand.
            held = Held(turn.checkpoint, turn.head.note, None)
            report = Frozen(origin, version, held, None)
        elif row is not None and row.pending:
            mirrored = self._held("mirror", row.mirrored, now_ms, writes) if row.mirrored else None
            witnessed = self._held("witness", row.pending, now_ms, writes)
            report = Frozen(origin, version, witnessed, mirrored)
        self._frozen[origin] = version
        return report, tuple(writes)

    def _check_readable(self, origin: str, *found: bytes) -> None:
        """Check that whoever reads our log knows the keys by which a log signed its notes."""
        version = self.roster.version
        for note in filter(None, found):
            try:
                check_by_log(Note.decode(note), origin, self.rosters.chain.rosters[:version])
            except UnverifiedError as error:
                raise RefusedError(
                    f"{origin} signs by a later version than {version}, under which our log is",
                    code="early-roster",
                ) from error

    def _held(self, role: Role, note: bytes, now_ms: int, writes: list[Write]) -> Held:
        """Return a note with our last line in a role, if that is on this very note.

        A line by a key that the version in force does not name is given again, by one that it
        does: our keys may have changed since, and the freeze is read by that version.
        """
        checkpoint = checkpoint_of(note)
        origin = checkpoint.origin
        last = self._lines.get((role, origin))
        if last is None or last[0] != checkpoint.size:
            return Held(checkpoint, note, None)
        roster = self.roster
        keys = roster.mirror_keys(origin) if role == "mirror" else roster.witness_keys(origin)

        def counts(line: bytes) -> bool:
            named = keys.get(line[:KEY_ID_BYTES], ())
            return any(region == self.region for region, _, _ in named)

        if counts(last[1]):
            return Held(checkpoint, note, last[1])
        again, _ = self.sign(role, self._rows[origin], checkpoint, now_ms)
        writes += again
        lines = [it.line for it in again if isinstance(it, IssueLine) and counts(it.line)]
        return Held(checkpoint, note, lines[0] if lines else None)

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
        return now_ms - heard_ms >= self.constants.refresh_s * 1000

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
        rosters = self.rosters
        said = [
            said_by_log(rosters.signed_under(origin, Note.decode(note)).version, note)
            for note in notes
        ]
        return self.convictions.take(accuse("log", rosters.region_of_origin(origin), said, hashes))

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
        root = self._roots.get((origin, size))
        if root is None:
            root = root_at(size, node_reader(reader, origin))
            if len(self._roots) >= ROOTS_KEPT_MAX:
                self._roots.clear()
            self._roots[origin, size] = root
        return root

    def compare(self, head: SignedHead, reader: LogReader) -> tuple[Write, ...]:
        """Compare a log-signed head with the row of its log, and convict the log if its bytes do.

        Nothing follows from a head that cannot be compared.
        """
        checkpoint = head.checkpoint
        origin = checkpoint.origin
        row = self._rows.get(origin)
        is_settled = origin in self.turned or self.is_convicted(origin)
        if row is None or not row.pending or is_settled:
            return ()
        if checkpoint.size == row.witnessed_size:
            if checkpoint.root == row.witnessed_root:
                return ()
            return self.convict(origin, (row.pending, head.note))
        # What is stored whole reaches the pending note as a rule, and the mirrored one always.
        size, note = row.witnessed_size, row.pending
        if self.stored_size(origin) < size or self.is_off_branch(checkpoint_of(note), reader):
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
        lost = {key.public for keys in self._signers.values() for _, key, _ in keys}
        self._retired |= lost
        self._why_resting = why
        return self._remember_rest()

    def _remember_rest(self) -> PutMemory:
        return PutMemory(RESTING, encode([self._why_resting, sorted(self._retired)]))

    def wake(self) -> tuple[Write, ...]:
        """Let new keys sign, once a version has replaced those that rest.

        They begin at the pins, like a joiner's: what the old keys signed nobody here remembers. The
        old ones stay known, so that they never sign again.
        """
        if not self._why_resting:
            return ()
        newest = self._signers["witness"][:1] + self._signers["mirror"][:1]
        if not newest or any(key.public in self._retired for _, key, _ in newest):
            return ()
        self._why_resting = ""
        writes: list[Write] = [self._remember_rest()]
        for role in self._signers:
            del self._signers[role][1:]
        for origin, row in list(self._rows.items()):
            pin = self.rosters.newest.pinned(origin)
            new = replace(_pinned_row(origin, pin), time_s=row.time_s, heard_ms=row.heard_ms)
            writes.append(AdvancePeer(row, new))
            self._rows[origin] = new
        # What the old keys had signed binds the new ones to nothing.
        writes += [PutMemory(TURNED + origin, b"") for origin in self.turned]
        self.turned = {}
        return tuple(writes)


def _decode_rest(value: bytes) -> tuple[str, set[bytes]]:
    """Read why our keys rest (empty: they do not), and which keys have ever lost their memory."""
    if not value:
        return "", set()
    why, publics = decode(value)
    return why, set(publics)


def _pinned_row(origin: str, pin: Pin) -> PeerRow:
    """Return the row of a log of which we know no more than its pin."""
    return PeerRow(
        origin=origin,
        witnessed_size=pin.size,
        witnessed_root=pin.root,
        mirrored_size=0,
        time_s=0,
        pending=b"",
        heard_ms=0,
    )
