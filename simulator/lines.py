"""Lines on their way: each is true, dated by a clock that is right, and over bytes that are there.

No two checkpoints of one log that contradict each other may both have a quorum.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.note import Note, Signature, checkpoint_of
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    LINES,
    Upload,
    decode_lines,
    split_add_checkpoint,
)
from nodes.core.ready import PeerReply, PeerRequest
from simulator.contradictions import Contradictions
from simulator.convicted import Convictions
from simulator.halves import answered_halves, asked_halves
from simulator.machine import Machine
from simulator.reference import Log, Signed
from simulator.watched import Watched
from simulator.world import BrokenError

HEADS_KEPT_MAX: Final = 256
CLOCKS_APART_S_MAX: Final = 60
"""No clock of a world is further off than this, so no line's date is."""


class Lines:
    """Checks what passes between machines, and remembers which heads have a quorum."""

    def __init__(self, watched: Watched, convictions: Convictions) -> None:
        self._watched = watched
        self._convictions = convictions
        self.contradictions = Contradictions(watched)
        self.dates: dict[tuple[str, str, bytes], list[tuple[int, int]]] = {}
        """By log, role and key: sizes and times of an honest region's lines, both ascending."""
        self._signers: dict[tuple[str, str], dict[tuple[int, bytes], set[bytes]]] = {}
        """By log and role: each head, and by which keys it is signed."""
        self._quorate: dict[tuple[str, str], dict[int, set[bytes]]] = defaultdict(dict)
        """By log and role: the heads that a quorum has signed."""
        self._told: dict[str, tuple[int, bytes]] = {}
        """By path, when a note was sent last, and which; checked."""
        self._heads: dict[tuple[str, bytes], Sequence[Checkpoint]] = {}
        """What lines in answers to a request may be about, by its path and body: many get one."""
        self._forgotten: set[bytes] = set()
        """Keys of regions that no longer know what they signed with them."""

    def forget(self, region: str) -> None:
        """Expect no line by a region's keys any more: it has lost what it knew of them."""
        reference = self._watched.reference
        for origin in reference.newest.origins:
            roster = reference.roster_of(origin)
            for keys in (roster.witness_keys(origin), roster.mirror_keys(origin)):
                self._forgotten |= {
                    key_id for key_id, of in keys.items() if any(it[0] == region for it in of)
                }

    def quorate_size(self, origin: str, role: str) -> int:
        """Return the greatest size of a log that a quorum has signed."""
        return max(self._quorate[origin, role], default=0)

    def is_quorate(self, head: Checkpoint, role: str) -> bool:
        """Say whether a quorum has signed this very tree."""
        return head.root in self._quorate[head.origin, role].get(head.size, ())

    def check_request(self, machine: Machine, request: PeerRequest) -> None:
        """Check that a note that travels is signed by its log, and finished where it says so."""
        for half in asked_halves(request):
            self._check_note(machine, half)

    def _check_note(self, machine: Machine, request: PeerRequest) -> None:
        if request.path not in {ADD_CHECKPOINT, FINISHED}:
            return
        # It goes to all in one moment, and each time it is the same question.
        told = (self._watched.world.now_ms, request.body)
        if self._told.get(request.path) == told:
            return
        self._told[request.path] = told
        what = f"{request.path} by {machine.region}"
        if request.path == ADD_CHECKPOINT:
            _, note = split_add_checkpoint(request.body)
            self._watched.reference.check_note(note, what)
        else:
            checkpoint = self._watched.reference.check_note(request.body, what)
            keys: dict[str, set[bytes]] = {"witness": set(), "mirror": set()}
            for signature in Note.decode(request.body).signatures:
                role = signature.name.rsplit("/", 1)[-1]
                if role in keys:
                    line = signature.key_id + signature.blob
                    signed = self._watched.reference.line_of(checkpoint, line, role)
                    keys[role].add(signed.key_id)
                    self.contradictions.take(machine, checkpoint, signed, role)
            for role, ids in keys.items():
                if not self._watched.reference.is_quorum(checkpoint, ids, role):
                    raise BrokenError(f"{what} is not finished: {len(ids)} {role} lines")

    def check_answer(self, machine: Machine, request: PeerRequest, reply: PeerReply) -> None:
        """Check that each line in an answer is true."""
        is_liar = machine.region in self._watched.liars or request.request_id < 0
        try:
            halves = answered_halves(request, reply)
        except LedgerError:
            if is_liar:
                return
            raise
        for half, answer in halves:
            if answer.status != 200 or half.path not in {ADD_CHECKPOINT, ADD_ENTRIES, LINES}:
                continue
            try:
                heads, signatures = self._given(half, answer)
            except LedgerError:
                if is_liar:
                    continue  # the other half may hold a true line, and count
                raise
            role = "witness" if half.path == ADD_CHECKPOINT else "mirror"
            for signature in signatures:
                self._check_line(machine, heads, signature, role)

    def _given(
        self, request: PeerRequest, reply: PeerReply
    ) -> tuple[Sequence[Checkpoint], Sequence[Signature]]:
        """Return the lines in an answer, and the checkpoints that they may be about."""
        return self._asked_heads(request), decode_lines(reply.body)

    def head_signed(self, request: PeerRequest, line: bytes, role: str) -> Checkpoint | None:
        """Return on which tree a line in the answer to a request is; None: on none that it may."""
        found = self._signed_head(self._asked_heads(request), line, role)
        return None if found is None else found[0]

    def _asked_heads(self, request: PeerRequest) -> Sequence[Checkpoint]:
        """Return the checkpoints that the lines in an answer may be about."""
        asked = (request.path, request.body)
        known = self._heads.get(asked)
        if known is None:
            known = self._read_heads(request)
            # A log with two histories may yet come to the size in question in the other.
            if len(known) == 1 and not self._watched.reference.branches:
                if len(self._heads) >= HEADS_KEPT_MAX:
                    self._heads.clear()
                self._heads[asked] = known
        return known

    def _read_heads(self, request: PeerRequest) -> Sequence[Checkpoint]:
        if request.path == ADD_ENTRIES:
            upload = Upload.decode(request.body)
            histories = self._watched.reference.histories(upload.origin)
            return [it.checkpoint(upload.end) for it in histories if upload.end < len(it.roots)]
        note = split_add_checkpoint(request.body)[1] if request.path == ADD_CHECKPOINT else b""
        return [checkpoint_of(note or request.body)]

    def _check_line(
        self, machine: Machine, heads: Sequence[Checkpoint], signature: Signature, role: str
    ) -> None:
        line = signature.key_id + signature.blob
        found = self._signed_head(heads, line, role)
        if found is None:
            if machine.region in self._watched.liars:
                return
            raise BrokenError(f"a {role} line of {machine.region} is not on what it was asked for")
        checkpoint, (region, key_id, time_s) = found
        what = f"a {role} line of {machine.region} on {checkpoint.origin}"
        size, head = checkpoint.size, (checkpoint.size, checkpoint.root)
        # What two liars sign between them no log need ever have had, as long as no quorum does.
        if machine.region not in self._watched.liars:
            self._watched.reference.check_head(checkpoint.origin, size, checkpoint.root, what)
            if region != machine.region:
                raise BrokenError(f"{what} is signed by {region}")
            if key_id in self._forgotten:
                raise BrokenError(f"{what} is by a key whose past its region has lost")
            self._convictions.check_line(region, checkpoint, what)
            if abs(time_s - self._watched.world.now_ms // 1000) > CLOCKS_APART_S_MAX:
                raise BrokenError(f"{what} is dated {time_s}")
            held = self._watched.rows.get((region, checkpoint.origin), (0, 0, 0))[0]
            if role == "mirror" and held < size:
                raise BrokenError(f"{what} for {size} entries that it does not hold")
            if region in self._watched.damaged and not self._is_first_key(checkpoint, key_id, role):
                self._watched.world.count("a line by new keys after a loss")
            dates = self.dates.setdefault((checkpoint.origin, role, key_id), [])
            self._check_order(dates, checkpoint, time_s, what)
        signers = self._signers.setdefault((checkpoint.origin, role), {}).setdefault(head, set())
        if key_id not in signers:
            signers.add(key_id)
            self._count_quorum(checkpoint, signers, role)

    def _is_first_key(self, checkpoint: Checkpoint, key_id: bytes, role: str) -> bool:
        """Say whether a key is one of those with which the log's network was founded."""
        first = self._watched.reference.chain.rosters[0]
        if not first.has_log(checkpoint.origin):
            return False
        keys = first.mirror_keys if role == "mirror" else first.witness_keys
        return key_id in keys(checkpoint.origin)

    @staticmethod
    def _check_order(
        dates: list[tuple[int, int]], checkpoint: Checkpoint, time_s: int, what: str
    ) -> None:
        """Check that the dates of a key's lines go with sizes.

        Answers may cross on the way, not on the signer's desk.
        """
        at = bisect_left(dates, (checkpoint.size, time_s))
        if at < len(dates) and dates[at] == (checkpoint.size, time_s):
            return
        before = dates[at - 1] if at else (0, 0)
        after = dates[at] if at < len(dates) else None
        if before[1] > time_s or (after is not None and after[1] < time_s):
            raise BrokenError(f"{what} went back: {time_s}, between {before} and {after}")
        dates.insert(at, (checkpoint.size, time_s))

    def _signed_head(
        self, heads: Sequence[Checkpoint], line: bytes, role: str
    ) -> tuple[Checkpoint, Signed] | None:
        """Return which of the checkpoints a line is over, and whose line it is."""
        for checkpoint in heads:
            try:
                return checkpoint, self._watched.reference.line_of(checkpoint, line, role)
            except (BrokenError, LedgerError):
                continue
        return None

    def _count_quorum(self, checkpoint: Checkpoint, signers: set[bytes], role: str) -> None:
        """Take note of a head that a quorum has signed; no two contradict each other."""
        if self.is_quorate(checkpoint, role):
            return  # one line more takes nothing from that
        if not self._watched.reference.is_quorum(checkpoint, signers, role):
            return
        origin = checkpoint.origin
        quorate = self._quorate[origin, role]
        quorate.setdefault(checkpoint.size, set()).add(checkpoint.root)
        if self._watched.is_honest(origin):
            return  # each line was compared with its one history
        if not any(_holds(log, quorate) for log in self._watched.reference.histories(origin)):
            raise BrokenError(f"two histories of {origin} both have a quorum of {role} lines")


def _holds(log: Log, heads: Mapping[int, set[bytes]]) -> bool:
    """Say whether a history had all of these heads."""
    return all(
        size < len(log.roots) and {log.roots[size]} == roots for size, roots in heads.items()
    )
