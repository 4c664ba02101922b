"""The one note of our own log that is out for cosigning, and what has come back for it.

Publishing never waits for this: the newest published note becomes the candidate when the one before
has its quorums, or its time is up (protocol.md section 2).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ledger.checkpoint import TIME_S_MAX
from ledger.encoding import decode, encode
from ledger.errors import LedgerError, MalformedError
from ledger.note import SIGNATURES_MAX, Note, Signature, VerifierKey
from ledger.roster import Role, Roster
from ledger.views import BlockLines, GoodLine, fresh_at
from nodes.core.exchange import decode_lines
from nodes.core.notes import (
    ROLE_LINES_MAX,
    LineKey,
    SignedHead,
    good_lines,
    line_key,
    line_signatures,
    lines_of,
    open_head,
    region_lines,
)
from nodes.core.ready import PutMemory, PutNote, PutSecondNote, Write
from nodes.core.rosters import Rosters
from nodes.core.submission import Gained, SendingLimits, Submission
from nodes.core.watch import Watch

UNRECORDED: Final = "unrecorded"
"""Memory under this name: mirror lines of finished candidates that no block record holds yet."""

_ROLES: Final[tuple[Role, ...]] = ("witness", "mirror")

ROUNDS_MAX: Final = 8
"""Of how many candidates late lines are still taken."""


OWED_MS_MIN: Final = 100
"""How soon a peer is asked again for lines that it owes on the note of an epoch."""


@dataclass(frozen=True, slots=True)
class ForeignWitness:
    """A C2SP witness from the configuration: its lines are served, and count for nothing here."""

    name: str
    key: VerifierKey

    @property
    def peer(self) -> str:
        """What requests to it are addressed to."""
        return f"witness:{self.name}"


class Quorums(NamedTuple):
    """What a checkpoint of our own log needs: a quorum in each role by each of these versions.

    The note that first covers an epoch stays the candidate until it has them, whatever the time.
    """

    rosters: tuple[Roster, ...]
    is_epoch: bool


@dataclass(slots=True)
class Round:
    """A candidate and the lines on it, the latest of each key.

    ``arrived`` holds the first mirror line of each key, in the order in which they came: the first
    q of them by each version go into a block record.
    """

    head: SignedHead
    started_ms: int
    asked: Quorums
    witness: dict[LineKey, GoodLine] = field(default_factory=dict)
    mirror: dict[LineKey, GoodLine] = field(default_factory=dict)
    foreign: dict[str, Signature] = field(default_factory=dict)
    second: dict[tuple[Role, str], Signature] = field(default_factory=dict)
    """ML-DSA-44 lines, which are served and count for nothing here."""
    arrived: dict[LineKey, GoodLine] = field(default_factory=dict)
    told_fresh_s: int = 0
    is_unwritten: bool = False
    """Whether lines came that are not in the store yet: they wait for a commit due anyway."""
    _had: dict[Role, Quorums] = field(default_factory=dict)
    """By role, what was asked for when it was there."""

    def has(self, *roles: Role) -> bool:
        """Say whether there are lines of all quorums in each of these roles."""
        return all(self._has(role) for role in roles)

    def _has(self, role: Role) -> bool:
        # No line is ever taken out of a round; what it was asked for may change.
        if self._had.get(role) is self.asked:
            return True
        origin = self.head.checkpoint.origin
        lines = self.witness if role == "witness" else self.mirror
        for roster in self.asked.rosters:
            quorum = roster.quorum(origin)
            if len(lines) < quorum or len(_counted(roster, origin, role, lines)) < quorum:
                return False
        self._had[role] = self.asked
        return True

    def first_lines(self) -> tuple[GoodLine, ...]:
        """Return the first q mirror lines by each version, in the order in which they came."""
        origin = self.head.checkpoint.origin
        found: dict[LineKey, GoodLine] = {}
        for roster in self.asked.rosters:
            counted = lines_of(roster, origin, self.arrived.values())
            found |= {line_key(line): line for line in counted[: roster.quorum(origin)]}
        return tuple(found.values())

    def fresh_s(self) -> int:
        """Return how fresh the mirror lines make the note, by the less fresh of the versions."""
        origin = self.head.checkpoint.origin
        found = [
            fresh_at(
                (it.time_s for it in lines_of(roster, origin, self.mirror.values())),
                roster.quorum(origin),
            )
            for roster in self.asked.rosters
        ]
        return min((it or 0 for it in found), default=0)

    def note(self) -> bytes:
        """Return the note with all Ed25519 lines."""
        rosters, origin = self.asked.rosters, self.head.checkpoint.origin
        lines = (
            *line_signatures(rosters, origin, _in_order(self.witness), "witness"),
            *line_signatures(rosters, origin, _in_order(self.mirror), "mirror"),
            *(self.foreign[name] for name in sorted(self.foreign)),
        )
        # The head's note ends in the log's own line, and more lines simply follow.
        return self.head.note + b"".join(line.encode() for line in lines[: SIGNATURES_MAX - 1])

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
        rosters: What is known of the network.
        asked: What a checkpoint of a size needs.
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
        rosters: Rosters,
        asked: Callable[[int], Quorums],
        origin: str,
        region: str,
        foreign: Sequence[ForeignWitness],
        limits: SendingLimits,
        watch: Watch,
        notes: Iterable[bytes],
        memory: Mapping[str, bytes],
        second: Mapping[int, bytes] = MappingProxyType({}),
    ) -> None:
        self._rosters = rosters
        self._asked = asked
        self._origin = origin
        self._region = region
        self._limits = limits
        self._foreign = {witness.peer: witness for witness in foreign}
        self._watch = watch
        self._constants = rosters.newest.constants
        self._refresh_ms = self._constants.refresh_s * 750  # so that none is older than R
        self._bodies: dict[tuple[object, ...], bytes] = {}
        self.submissions: dict[str, Submission] = {}
        self._rounds: dict[int, Round] = {}
        self._current: Round | None = None
        self._newest: SignedHead | None = None
        self._unrecorded = decode_unrecorded(memory.get(UNRECORDED, b"\x80"))
        self.witnessed_size = 0
        self.replicated_size = 0
        self.finished_note = b""
        """The newest note of ours that has both quorums, with its lines; to be told to all."""
        self.is_waiting = False
        """Whether nobody is asked to sign yet: of a log not judged, nobody knows what it needs."""
        self.finished_count = 0
        """Grows with each note to be told."""
        self._load(notes, second)
        self._address(asked(1 if self._newest is None else self._newest.checkpoint.size))

    def _address(self, asked: Quorums) -> None:
        """Submit to those whose lines count, and to nobody else."""
        for peer in self._foreign:
            self._submit_to(peer, mirror=False)
        members = {peer for roster in asked.rosters for peer in roster.witnesses_of(self._origin)}
        for peer in sorted(members):
            self._submit_to(peer, mirror=True)
        for peer in self.submissions.keys() - members - self._foreign.keys():
            del self.submissions[peer]

    def _submit_to(self, peer: str, *, mirror: bool) -> None:
        if peer not in self.submissions:
            self.submissions[peer] = Submission(
                peer=peer,
                mirror=mirror,
                limits=self._limits,
                salt=self._region,
                bodies=self._bodies,
            )

    def _load(self, notes: Iterable[bytes], second: Mapping[int, bytes]) -> None:
        for data in notes:
            head, note = open_head(data, self._rosters, is_ours=True)
            signatures = note.signatures
            made = self._load_second(head, second.get(head.checkpoint.size, b""))
            head = made.head
            for role, into in (("witness", made.witness), ("mirror", made.mirror)):
                for line in good_lines(
                    made.asked.rosters, head.checkpoint, signatures, _role(role), TIME_S_MAX
                ):
                    into[line_key(line)] = line
            made.arrived = dict(made.mirror)
            size = head.checkpoint.size
            self._rounds[size] = made
            if made.has("witness"):
                self.witnessed_size = max(self.witnessed_size, size)
            if made.has("witness", "mirror") and size >= self.replicated_size:
                self.replicated_size = size
                self._tell(made)
            if self._newest is None or size > self._newest.checkpoint.size:
                self._newest = head

    def _load_second(self, head: SignedHead, data: bytes) -> Round:
        """Return a round with the ML-DSA-44 lines that the store holds of it."""
        try:
            beside, note = open_head(data, self._rosters, is_ours=True) if data else (head, None)
        except LedgerError:
            beside, note = head, None  # altered: it is made anew, line by line
        if note is None or beside.checkpoint != head.checkpoint:
            return Round(head, 0, self._asked(head.checkpoint.size))
        asked = self._asked(head.checkpoint.size)
        made = Round(head._replace(post_quantum=beside.post_quantum), 0, asked)
        for region in asked.rosters[-1].witnesses_of(self._origin):
            for role in _ROLES:
                line = self._second_line(made, region, role, note.signatures, TIME_S_MAX)
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
        if newest is None or self.is_waiting or not self.submissions:
            return ()
        if current is None or (
            newest.checkpoint.size > current.head.checkpoint.size
            and (self._is_finished(current) or self._is_late(current, now_ms))
        ):
            return self._start(newest, now_ms)
        stale = [
            submission
            for submission in self.submissions.values()
            if submission.stage == "done" and self._is_stale(current, submission, now_ms)
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
            submission.done_ms + self._patience_ms(current, submission)
            for submission in self.submissions.values()
            if submission.stage == "done"
        ]
        if self._newest is not None and self._newest.checkpoint.size > current.head.checkpoint.size:
            due.append(current.started_ms + self._constants.candidate_ms)
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
        rosters = made.asked.rosters
        found = region_lines(rosters, checkpoint, gained.signatures, gained.role, peer)
        latest_s = now_ms // 1000 + self._constants.delta_s
        lines = [line for line in found if line.time_s <= latest_s]
        if not lines:
            self._unusable(peer, now_ms, f"no usable {gained.role} line came back")
            return ()
        self._watch.note(gained.role, checkpoint, lines)
        into = made.witness if gained.role == "witness" else made.mirror
        had_witness, had_mirror = made.has("witness"), made.has("mirror")
        was_finished = had_witness and had_mirror
        is_new = False
        for line in lines:
            key = line_key(line)
            before = into.get(key)
            if before is not None and before.time_s > line.time_s:
                continue  # a late answer; we hold a fresher line
            into[key] = line
            is_new = is_new or before is None
            if gained.role == "mirror":
                made.arrived.setdefault(key, line)
        is_second_new = self._take_second(peer, made, gained, latest_s)
        return self._count(
            made,
            is_new=is_new or is_second_new,
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

    def _start(self, head: SignedHead, now_ms: int) -> tuple[Write, ...]:
        size = head.checkpoint.size
        asked = self._asked(size)
        made = self._rounds.setdefault(size, Round(head, now_ms, asked))
        made.started_ms, made.asked = now_ms, asked
        self._address(asked)
        self._current = made
        gone = [self._rounds.pop(at) for at in sorted(self._rounds)[:-ROUNDS_MAX]]
        self._bodies.clear()
        for submission in self.submissions.values():
            submission.aim(head)
        return tuple(write for it in gone if it.is_unwritten for write in self._put(it))

    def _count(
        self, made: Round, *, is_new: bool, had: tuple[bool, bool], was_finished: bool
    ) -> tuple[Write, ...]:
        writes: list[Write] = []
        size = made.head.checkpoint.size
        witnessed = had[0] or made.has("witness")
        mirrored = had[1] or made.has("mirror")
        finished = witnessed and mirrored
        if witnessed:
            self.witnessed_size = max(self.witnessed_size, size)
        # What lifts the bar on all that is above an epoch is recorded once it has both quorums.
        is_due = finished and not was_finished if made.asked.is_epoch else mirrored and not had[1]
        if is_due:
            first = made.first_lines()
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
            # The commit that is due for this takes along what came late for the candidate before.
            writes += (*self._write_late_lines(), *self._put(made))
        elif is_new:
            made.is_unwritten = True
        return tuple(writes)

    def _put(self, made: Round) -> tuple[Write, ...]:
        made.is_unwritten = False
        size, note = made.head.checkpoint.size, made.note()
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
        if self._second_key(made, peer, role) is None:
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
        key = self._second_key(made, region, role)
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

    def _second_key(self, made: Round, region: str, role: Role) -> VerifierKey | None:
        roster = made.asked.rosters[-1]
        return roster.post_quantum_key(region, role) if region in roster.members else None

    def _tell(self, made: Round) -> None:
        made.told_fresh_s = made.fresh_s()
        self.finished_note = made.note()
        self.finished_count += 1

    def _is_fresher(self, made: Round) -> bool:
        step_s = max(self._constants.refresh_s // 4, 1)
        return made.fresh_s() >= made.told_fresh_s + step_s

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
        return made.has("witness", "mirror")

    def _is_late(self, made: Round, now_ms: int) -> bool:
        if made.asked.is_epoch:
            return False
        # A negative time: our clock has stepped back.
        waited_ms = now_ms - made.started_ms
        return not 0 <= waited_ms < self._constants.candidate_ms

    def _is_stale(self, made: Round, submission: Submission, now_ms: int) -> bool:
        return not 0 <= now_ms - submission.done_ms < self._patience_ms(made, submission)

    def _patience_ms(self, made: Round, submission: Submission) -> int:
        """Return how long after its last word a peer is asked again for the candidate.

        One that owes lines on the note of an epoch did not know the version yet: it is asked soon,
        and then after twice the time, since all that is above the note waits.
        """
        if not made.asked.is_epoch or self._is_finished(made) or not self._owes(made, submission):
            return self._refresh_ms
        longest_ms = max(self._constants.candidate_ms, OWED_MS_MIN)
        return min(max(submission.done_ms - made.started_ms, OWED_MS_MIN), longest_ms)

    def _owes(self, made: Round, submission: Submission) -> bool:
        """Say whether a peer has not signed for each version that asks for its lines."""
        origin, peer = self._origin, submission.peer
        return any(
            peer in roster.witnesses_of(origin)
            and peer
            not in _counted(
                roster, origin, role, made.witness if role == "witness" else made.mirror
            )
            for roster in made.asked.rosters
            for role in _ROLES
        )


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


def _in_order(lines: Mapping[LineKey, GoodLine]) -> list[GoodLine]:
    return [lines[key] for key in sorted(lines)]


def _counted(
    roster: Roster, origin: str, role: Role, lines: Mapping[LineKey, GoodLine]
) -> set[str]:
    """Return the regions of which a line counts by a version."""
    keys = roster.mirror_keys(origin) if role == "mirror" else roster.witness_keys(origin)
    return {
        region
        for region, key_id in lines
        for named, _, _ in keys.get(key_id, ())
        if named == region
    }


def _role(name: str) -> Role:
    return "mirror" if name == "mirror" else "witness"
