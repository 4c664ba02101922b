"""The one note of our own log that is out for cosigning, and what has come back for it.

Publishing never waits for this: the newest published note becomes the candidate when the one before
has its quorums, or its time is up (protocol.md section 2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from ledger.encoding import decode, encode
from ledger.errors import LedgerError, MalformedError
from ledger.note import SIGNATURES_MAX, Note, Signature, VerifierKey
from ledger.roster import Role, Roster
from ledger.views import BlockLines, GoodLine, fresh_at
from nodes.core.exchange import decode_lines
from nodes.core.heads import (
    ROLE_LINES_MAX,
    SignedHead,
    good_lines,
    line_signatures,
    one_line,
    open_head,
)
from nodes.core.ready import PutMemory, PutNote, PutSecondNote, Write
from nodes.core.submission import Gained, SendingLimits, Submission
from nodes.core.watch import Watch

UNRECORDED: Final = "unrecorded"
"""Memory under this name: mirror lines of finished candidates that no block record holds yet."""

_ROLES: Final[tuple[Role, ...]] = ("witness", "mirror")

ROUNDS_MAX: Final = 8
"""Of how many candidates late lines are still taken."""


@dataclass(frozen=True, slots=True)
class ForeignWitness:
    """A C2SP witness from the configuration: its lines are served, and count for nothing here."""

    name: str
    key: VerifierKey

    @property
    def peer(self) -> str:
        """What requests to it are addressed to."""
        return f"witness:{self.name}"


@dataclass(slots=True)
class Round:
    """A candidate and the lines on it, the latest of each region.

    ``arrived`` holds the first mirror line of each region, in the order in which they came: the
    first q of them go into a block record.
    """

    head: SignedHead
    started_ms: int
    witness: dict[str, GoodLine] = field(default_factory=dict)
    mirror: dict[str, GoodLine] = field(default_factory=dict)
    foreign: dict[str, Signature] = field(default_factory=dict)
    second: dict[tuple[Role, str], Signature] = field(default_factory=dict)
    """ML-DSA-44 lines, which are served and count for nothing here."""
    arrived: dict[str, GoodLine] = field(default_factory=dict)
    told_fresh_s: int = 0
    is_unwritten: bool = False
    """Whether lines came that are not in the store yet: they wait for a commit due anyway."""

    def has(self, quorum: int, *roles: Role) -> bool:
        """Say whether there are lines of a quorum in each of these roles."""
        lines: dict[Role, int] = {"witness": len(self.witness), "mirror": len(self.mirror)}
        return all(lines[role] >= quorum for role in roles)

    def note(self, roster: Roster) -> bytes:
        """Return the note with all Ed25519 lines."""
        lines = (
            *line_signatures(roster, _by_region(self.witness), "witness"),
            *line_signatures(roster, _by_region(self.mirror), "mirror"),
            *(self.foreign[name] for name in sorted(self.foreign)),
        )
        return Note.decode(self.head.note).with_signatures(*lines[: SIGNATURES_MAX - 1]).encode()

    def second_note(self) -> bytes:
        """Return the note with the log's own lines and all ML-DSA-44 lines; empty without any."""
        if not self.head.post_quantum and not self.second:
            return b""
        lines = list(decode_lines(self.head.post_quantum))
        for role in ("witness", "mirror"):
            of_role = sorted(key for key in self.second if key[0] == role)
            lines += [self.second[key] for key in of_role[:ROLE_LINES_MAX]]
        return Note.decode(self.head.note).with_signatures(*lines).encode()


class Candidate:
    """Chooses candidates, aims every peer's submission at them, and counts lines.

    Invariant: ``witnessed_size`` and ``replicated_size`` never fall, and each is the size of a tree
    on which a quorum's lines stand.

    Args:
        roster: In force.
        origin: Of our own log.
        region: Ours.
        foreign: Witnesses from the configuration.
        limits: Of what is sent.
        watch: Looks at every line that comes.
        notes: Our own notes that the store holds, with their lines: the newest, and the newest
            finished one.
        memory: Small values of the core's own, by name.
        second: The second notes of our own log that the store holds, by size.
    """

    def __init__(
        self,
        *,
        roster: Roster,
        origin: str,
        region: str,
        foreign: Sequence[ForeignWitness],
        limits: SendingLimits,
        watch: Watch,
        notes: Iterable[bytes],
        memory: Mapping[str, bytes],
        second: Mapping[int, bytes] = MappingProxyType({}),
    ) -> None:
        self._roster = roster
        self._origin = origin
        self._quorum = roster.quorum(origin)
        self._foreign = {witness.peer: witness for witness in foreign}
        self._watch = watch
        self._refresh_ms = roster.constants.refresh_s * 750  # so that none is older than R
        bodies: dict[tuple[object, ...], bytes] = {}
        self._bodies = bodies
        members = roster.witnesses_of(origin)
        peers = [*((peer, True) for peer in members), *((peer, False) for peer in self._foreign)]
        self.submissions = {
            peer: Submission(peer=peer, mirror=mirror, limits=limits, salt=region, bodies=bodies)
            for peer, mirror in peers
        }
        self._rounds: dict[int, Round] = {}
        self._current: Round | None = None
        self._newest: SignedHead | None = None
        self._unrecorded = decode_unrecorded(memory.get(UNRECORDED, b"\x80"))
        self.witnessed_size = 0
        self.replicated_size = 0
        self.finished_note = b""
        """The newest note of ours that has both quorums, with its lines; to be told to all."""
        self.finished_count = 0
        """Grows with each note to be told."""
        self._load(notes, second)

    def _load(self, notes: Iterable[bytes], second: Mapping[int, bytes]) -> None:
        for data in notes:
            head, note = open_head(data, self._roster)
            signatures = note.signatures
            made = self._load_second(head, second.get(head.checkpoint.size, b""))
            head = made.head
            for role, into in (("witness", made.witness), ("mirror", made.mirror)):
                for line in good_lines(
                    self._roster, head.checkpoint, signatures, _role(role), 2**62
                ):
                    into[line.region] = line
            made.arrived = dict(made.mirror)
            size = head.checkpoint.size
            self._rounds[size] = made
            if made.has(self._quorum, "witness"):
                self.witnessed_size = max(self.witnessed_size, size)
            if made.has(self._quorum, "witness", "mirror") and size >= self.replicated_size:
                self.replicated_size = size
                self._tell(made)
            if self._newest is None or size > self._newest.checkpoint.size:
                self._newest = head

    def _load_second(self, head: SignedHead, data: bytes) -> Round:
        """Return a round with the ML-DSA-44 lines that the store holds of it."""
        try:
            beside, note = open_head(data, self._roster) if data else (head, None)
        except LedgerError:
            beside, note = head, None  # altered: it is made anew, line by line
        if note is None or beside.checkpoint != head.checkpoint:
            return Round(head, 0)
        made = Round(head._replace(post_quantum=beside.post_quantum), 0)
        for region in self._roster.witnesses_of(self._origin):
            for role in _ROLES:
                line = self._second_line(made, region, role, note.signatures, 2**62)
                if line is not None:
                    made.second[role, region] = line
        return made

    @property
    def newest(self) -> SignedHead | None:
        """The newest published head; None before the first."""
        return self._newest

    @property
    def head(self) -> SignedHead | None:
        """The candidate; None before the first."""
        return None if self._current is None else self._current.head

    def publish(self, head: SignedHead) -> None:
        """Take the newest published checkpoint of our log."""
        assert head.checkpoint.origin == self._origin
        if self._newest is None or head.checkpoint.size >= self._newest.checkpoint.size:
            self._newest = head

    def poll(self, now_ms: int) -> tuple[Write, ...]:
        """Choose the next candidate if it is time, and refresh peers that have been quiet for R."""
        newest, current = self._newest, self._current
        if newest is None or not self.submissions:
            return ()
        if current is None or (
            newest.checkpoint.size > current.head.checkpoint.size
            and (self._is_finished(current) or self._is_late(current, now_ms))
        ):
            self._start(newest, now_ms)
            return self._write_late_lines()
        stale = [
            submission
            for submission in self.submissions.values()
            if submission.stage == "done" and self._is_stale(submission, now_ms)
        ]
        for submission in stale:
            submission.aim(current.head)
        return self._write_late_lines() if stale else ()

    def wake_at_ms(self) -> int | None:
        """Return when ``poll`` will have something to do; None: nothing is due."""
        current = self._current
        if current is None:
            return None
        due = [
            submission.done_ms + self._refresh_ms
            for submission in self.submissions.values()
            if submission.stage == "done"
        ]
        if self._newest is not None and self._newest.checkpoint.size > current.head.checkpoint.size:
            due.append(current.started_ms + self._roster.constants.candidate_ms)
        return min(due, default=None)

    def take(self, peer: str, gained: Gained, now_ms: int) -> tuple[Write, ...]:
        """Check lines that a peer sent, and count those that hold.

        A line that does not hold, or is dated beyond our clock and its tolerance, counts as no
        answer.
        """
        checkpoint = gained.head.checkpoint
        made = self._rounds.get(checkpoint.size)
        if made is None or made.head.checkpoint != checkpoint:
            return ()
        foreign = self._foreign.get(peer)
        if foreign is not None:
            return self._take_foreign(foreign, made, gained, now_ms)
        line = one_line(self._roster, checkpoint, gained.signatures, gained.role, peer)
        latest_s = now_ms // 1000 + self._roster.constants.delta_s
        if line is None or line.time_s > latest_s:
            self._unusable(peer, now_ms, f"no usable {gained.role} line came back")
            return ()
        self._watch.note(gained.role, checkpoint, (line,))
        into = made.witness if gained.role == "witness" else made.mirror
        before = into.get(peer)
        if before is not None and before.time_s > line.time_s:
            return ()  # a late answer; we hold a fresher line
        had_witness = made.has(self._quorum, "witness")
        had_mirror = made.has(self._quorum, "mirror")
        was_finished = had_witness and had_mirror
        into[peer] = line
        if gained.role == "mirror":
            made.arrived.setdefault(peer, line)
        is_second_new = self._take_second(peer, made, gained, latest_s)
        return self._count(
            made,
            is_new=before is None or is_second_new,
            had=(had_witness, had_mirror),
            was_finished=was_finished,
        )

    def unrecorded(self) -> tuple[BlockLines, ...]:
        """Return, ascending, the candidates whose mirror quorum no block record holds yet."""
        return tuple(self._unrecorded[size] for size in sorted(self._unrecorded))

    def recorded(self, sizes: Iterable[int]) -> tuple[Write, ...]:
        """Take note that a block record, in this transaction, holds the lines of these sizes."""
        gone = [size for size in sizes if self._unrecorded.pop(size, None) is not None]
        return (self._remember(),) if gone else ()

    def _start(self, head: SignedHead, now_ms: int) -> None:
        size = head.checkpoint.size
        made = self._rounds.setdefault(size, Round(head, now_ms))
        made.started_ms = now_ms
        self._current = made
        while len(self._rounds) > ROUNDS_MAX:
            del self._rounds[min(self._rounds)]
        self._bodies.clear()
        for submission in self.submissions.values():
            submission.aim(head)

    def _count(
        self, made: Round, *, is_new: bool, had: tuple[bool, bool], was_finished: bool
    ) -> tuple[Write, ...]:
        writes: list[Write] = []
        size = made.head.checkpoint.size
        witnessed = made.has(self._quorum, "witness")
        mirrored = made.has(self._quorum, "mirror")
        finished = witnessed and mirrored
        if witnessed:
            self.witnessed_size = max(self.witnessed_size, size)
        if mirrored and not had[1]:
            first = list(made.arrived.values())[: self._quorum]
            checkpoint = made.head.checkpoint
            self._unrecorded[size] = BlockLines(
                size, checkpoint.root, tuple(line.line for line in first)
            )
            writes.append(self._remember())
        if finished and size >= self.replicated_size:
            self.replicated_size = size
            if not was_finished or self._is_fresher(made):
                self._tell(made)
        if (witnessed, mirrored) != had:
            writes += self._put(made)
        elif is_new:
            made.is_unwritten = True
        return tuple(writes)

    def _put(self, made: Round) -> tuple[Write, ...]:
        made.is_unwritten = False
        size, note = made.head.checkpoint.size, made.note(self._roster)
        put = PutNote(self._origin, size, note, self._is_finished(made))
        second = made.second_note()
        return (put, PutSecondNote(self._origin, "log", size, second)) if second else (put,)

    def _write_late_lines(self) -> tuple[Write, ...]:
        """Keep lines that came when no commit was due."""
        unwritten = [made for made in self._rounds.values() if made.is_unwritten]
        return tuple(write for made in unwritten for write in self._put(made))

    def _take_second(self, peer: str, made: Round, gained: Gained, latest_s: int) -> bool:
        """Keep the ML-DSA-44 line beside a line that holds, and say whether it is the first.

        One that is missing, or does not hold, takes nothing from the Ed25519 line.
        """
        role = gained.role
        if self._roster.post_quantum_key(peer, role) is None:
            return False
        line = self._second_line(made, peer, role, gained.signatures, latest_s)
        if line is None:
            self.submissions[peer].trouble = f"no usable ML-DSA-44 {role} line came back"
            return False
        is_new = (role, peer) not in made.second
        made.second[role, peer] = line
        return is_new

    def _second_line(
        self,
        made: Round,
        region: str,
        role: Role,
        signatures: Iterable[Signature],
        latest_s: int,
    ) -> Signature | None:
        """Return a region's ML-DSA-44 line among signatures; None if none of them holds."""
        key = self._roster.post_quantum_key(region, role)
        if key is None:
            return None
        text = made.head.checkpoint.text()
        for signature in signatures:
            if (signature.name, signature.key_id) != (key.name, key.key_id):
                continue
            try:
                time_s = key.check(text, signature.blob)
            except LedgerError:
                continue
            # Dated 0 it would say nothing of the largest tree, which is no cosignature.
            if time_s is not None and 0 < time_s <= latest_s:
                return signature
        return None

    def _tell(self, made: Round) -> None:
        made.told_fresh_s = self._fresh_s(made)
        self.finished_note = made.note(self._roster)
        self.finished_count += 1

    def _is_fresher(self, made: Round) -> bool:
        step_s = max(self._roster.constants.refresh_s // 4, 1)
        return self._fresh_s(made) >= made.told_fresh_s + step_s

    def _fresh_s(self, made: Round) -> int:
        return fresh_at((line.time_s for line in made.mirror.values()), self._quorum) or 0

    def _take_foreign(
        self, foreign: ForeignWitness, made: Round, gained: Gained, now_ms: int
    ) -> tuple[Write, ...]:
        key = foreign.key
        for signature in gained.signatures:
            if (signature.name, signature.key_id) != (key.name, key.key_id):
                continue
            try:
                key.check(made.head.checkpoint.text(), signature.blob)
            except LedgerError:
                continue
            is_new = foreign.name not in made.foreign
            made.foreign[foreign.name] = signature
            if is_new and made is self._current:
                # No count of ours waits for it, so no other commit would come for its sake, and
                # once the next candidate has begun nobody is served this note any more.
                return self._put(made)
            made.is_unwritten = made.is_unwritten or is_new
            return ()
        self._unusable(foreign.peer, now_ms, "no usable line came back")
        return ()

    def _unusable(self, peer: str, now_ms: int, trouble: str) -> None:
        submission = self.submissions[peer]
        if submission.head is not None:
            submission.aim(submission.head)
        submission.fail(now_ms, trouble)

    def _remember(self) -> PutMemory:
        return PutMemory(UNRECORDED, encode_unrecorded(self.unrecorded()))

    def _is_finished(self, made: Round) -> bool:
        return made.has(self._quorum, "witness", "mirror")

    def _is_late(self, made: Round, now_ms: int) -> bool:
        # A negative time: our clock has stepped back.
        waited_ms = now_ms - made.started_ms
        return not 0 <= waited_ms < self._roster.constants.candidate_ms

    def _is_stale(self, submission: Submission, now_ms: int) -> bool:
        return not 0 <= now_ms - submission.done_ms < self._refresh_ms


def encode_unrecorded(lines: Iterable[BlockLines]) -> bytes:
    """Return what is remembered of lines that no block record holds yet."""
    return encode([[item.size, item.root, list(item.lines)] for item in lines])


def decode_unrecorded(value: bytes) -> dict[int, BlockLines]:
    """Read what ``encode_unrecorded`` wrote.

    Raises:
        MalformedError: It is something else.
    """
    items: Any = decode(value)
    made: dict[int, BlockLines] = {}
    for item in items if isinstance(items, list) else [None]:
        match item:
            case [int(size), bytes(root), list() as lines]:
                made[size] = BlockLines(size, root, tuple(lines))
            case _:
                raise MalformedError("not candidates with their lines")
    return made


def _by_region(lines: Mapping[str, GoodLine]) -> list[GoodLine]:
    return [lines[region] for region in sorted(lines)]


def _role(name: str) -> Role:
    return "mirror" if name == "mirror" else "witness"
