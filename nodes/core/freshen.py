"""Fresher lines on a log whose writer is silent, or cannot reach us: asked of its mirrors.

Each mirror signs only the size that it mirrors. One that is behind, while the writer has been
silent for R, is sent the note and the entries from our own copy; one that is ahead is asked for its
note.
Whatever comes back is checked, and kept by ``FinishedNotes``.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from ledger.errors import LedgerError, MalformedError
from ledger.note import checkpoint_of
from ledger.roster import Role
from ledger.views import GoodLine
from nodes.core.copies import LogReader
from nodes.core.exchange import LINES, NEWEST, decode_lines, decode_size, origin_hash
from nodes.core.finished import FinishedNotes
from nodes.core.heads import Heads
from nodes.core.mirror import Mirror
from nodes.core.notes import SignedHead, good_lines, open_head, region_lines
from nodes.core.ready import Write
from nodes.core.submission import Gained, Outgoing, SendingLimits, Submission, backoff_ms
from nodes.core.watch import Watch

Step = Literal["lines", "newest"]
_ROLES: Final[tuple[Role, ...]] = ("witness", "mirror")


@dataclass(frozen=True, slots=True)
class Question:
    """A request to one mirror, as it must be remembered until its answer."""

    origin: str
    step: Step
    head: SignedHead | None
    path: str
    body: bytes


@dataclass(slots=True)
class _Asked:
    """Where we stand with one mirror."""

    step: Step = "lines"
    failures: int = 0
    due_ms: int = 0


@dataclass(slots=True)
class _Want:
    """A log that someone here relies on, and how fresh its note must be."""

    not_before_s: int
    head: SignedHead | None = None
    lines: dict[str, tuple[GoodLine, ...]] = field(default_factory=dict)
    """By region, one for each of its keys; all of one time."""
    asked: dict[str, _Asked] = field(default_factory=dict)


class Freshen:
    """Keeps asking for what is wanted, until ``FinishedNotes`` knows it."""

    def __init__(
        self,
        heads: Heads,
        mirror: Mirror,
        finished: FinishedNotes,
        limits: SendingLimits,
        watch: Watch,
    ) -> None:
        self._heads = heads
        self._watch = watch
        self._mirror = mirror
        self._finished = finished
        self._limits = limits
        self._wants: dict[str, _Want] = {}
        self.pushes: dict[tuple[str, str], Submission] = {}
        """By peer and origin: what mirrors that are behind are sent of silent logs."""

    @property
    def wanted(self) -> tuple[str, ...]:
        """The origins that are being asked about."""
        return tuple(self._wants)

    def want(self, origin: str, not_before_s: int) -> None:
        """Ask until a note of ``origin`` has a ``fresh_at`` of ``not_before_s`` or later."""
        if origin == self._heads.own or not self._heads.rosters.witnesses_of(origin):
            return
        want = self._wants.get(origin)
        if want is None:
            self._wants[origin] = _Want(not_before_s)
        else:
            want.not_before_s = max(want.not_before_s, not_before_s)

    def poll(self, now_ms: int, reader: LogReader) -> tuple[Write, ...]:
        """Drop what is fresh by now, choose what to ask for, and give our own line to it."""
        writes: tuple[Write, ...] = ()
        for origin, want in list(self._wants.items()):
            known = self._finished.known.get(origin)
            if known is not None and known.fresh_at_s >= want.not_before_s:
                self._drop(origin)
            elif want.not_before_s * 1000 <= now_ms:
                self._choose(origin, want)
                writes += self._own_line(origin, want, now_ms, reader)
                self._settle(origin, want)
        return writes

    def question(self, peer: str, now_ms: int) -> Question | None:
        """Return what to ask a mirror now; None: nothing."""
        for origin, want in self._wants.items():
            if now_ms < want.not_before_s * 1000:
                continue
            if peer not in self._heads.rosters.witnesses_of(origin) or peer == self._heads.region:
                continue
            asked = want.asked.setdefault(peer, _Asked())
            lines = want.lines.get(peer)
            if (
                0 < asked.due_ms - now_ms <= self._longest_ms()
                or (lines and lines[0].time_s >= want.not_before_s)
                or (peer, origin) in self.pushes
            ):
                continue
            if asked.step == "newest" or want.head is None:
                path = NEWEST + origin_hash(origin)
                return Question(origin, "newest", want.head, path, b"")
            return Question(origin, "lines", want.head, LINES, want.head.note)
        return None

    def answered(  # noqa: PLR0917 - peer, question, answer, time, store: no two alike
        self, peer: str, sent: Question, status: int, body: bytes, now_ms: int, reader: LogReader
    ) -> tuple[Write, ...]:
        """Take a mirror's answer."""
        want = self._wants.get(sent.origin)
        if want is None:
            return ()
        asked = want.asked.setdefault(peer, _Asked())
        try:
            if sent.step == "lines":
                self._take_line(peer, want, asked, sent, status, body, now_ms)
                self._settle(sent.origin, want)
                return ()
            return self._take_newest(want, asked, sent, status, body, now_ms, reader)
        except LedgerError:
            self._wait(peer, asked, now_ms)
            return ()

    def pushed(self, peer: str, origin: str, gained: Gained | None, now_ms: int) -> None:
        """Take what a mirror that was behind answered to what we sent it."""
        submission = self.pushes.get((peer, origin))
        want = self._wants.get(origin)
        if submission is not None and (submission.stage == "done" or submission.failures):
            del self.pushes[peer, origin]
            if want is not None and submission.failures:
                self._wait(peer, want.asked.setdefault(peer, _Asked()), now_ms)
        if want is None or gained is None or gained.role != "mirror" or gained.head != want.head:
            return
        rosters = self._heads.rosters.of(origin)
        lines = region_lines(rosters, gained.head.checkpoint, gained.signatures, "mirror", peer)
        if lines and self._is_timely(lines[0], now_ms):
            self._watch.note("mirror", gained.head.checkpoint, lines)
            want.lines[peer] = lines
        self._settle(origin, want)

    def wake_at_ms(self) -> int | None:
        """Return when there may be something to ask; None: nothing is wanted."""
        due: list[int] = []
        for want in self._wants.values():
            due.append(want.not_before_s * 1000)
            due += [asked.due_ms for asked in want.asked.values()]
        return min((at for at in due if at), default=None)

    def _choose(self, origin: str, want: _Want) -> None:
        """Ask about the largest note that we hold: known to be mirrored, or mirrored by us."""
        row = self._heads.row(origin)
        known = self._finished.known.get(origin)
        best = want.head
        found: list[bytes] = []
        if known is not None:
            found.append(known.note)
        # Of a log that we have turned away from, what we mirror is not what others hold.
        if row is not None and row.mirrored and origin not in self._heads.turned:
            found.append(row.mirrored)
        for note in found:
            checkpoint = checkpoint_of(note)
            if best is None or checkpoint.size > best.checkpoint.size:
                best = SignedHead(checkpoint, note)
        if best is not want.head:
            want.head = best
            want.lines = {}
            for asked in want.asked.values():
                asked.step = "lines"

    def _own_line(
        self, origin: str, want: _Want, now_ms: int, reader: LogReader
    ) -> tuple[Write, ...]:
        row, head = self._heads.row(origin), want.head
        lines = want.lines.get(self._heads.region)
        if (
            row is None
            or head is None
            or row.mirrored_size != head.checkpoint.size
            or not row.mirrored
            or (lines and lines[0].time_s >= want.not_before_s)
        ):
            return ()
        try:
            writes, signatures = self._mirror.own_line(origin, now_ms, reader)
        except LedgerError:
            return ()
        checkpoint = head.checkpoint
        rosters = self._heads.rosters.of(origin)
        own = region_lines(rosters, checkpoint, signatures, "mirror", self._heads.region)
        if own:
            want.lines[self._heads.region] = own
        return writes

    def _settle(self, origin: str, want: _Want) -> None:
        """Hand over the lines so far, and stop asking once they are fresh enough."""
        if want.head is None:
            return
        self._finished.learn(want.head, [line for lines in want.lines.values() for line in lines])
        known = self._finished.known.get(origin)
        if known is not None and known.fresh_at_s >= want.not_before_s:
            self._drop(origin)

    def _take_line(  # noqa: PLR0917 - as above
        self,
        peer: str,
        want: _Want,
        asked: _Asked,
        sent: Question,
        status: int,
        body: bytes,
        now_ms: int,
    ) -> None:
        head = sent.head
        assert head is not None
        if status == 409:
            size = decode_size(body)
            if size > head.checkpoint.size:
                asked.step = "newest"
                asked.due_ms = now_ms
            elif self._may_push(head, now_ms):
                submission = Submission(
                    peer=peer, mirror=True, limits=self._limits, salt=self._heads.region
                )
                submission.believed = submission.next_entry = size
                submission.aim(head)
                self.pushes[peer, sent.origin] = submission
            else:
                self._wait(peer, asked, now_ms)
            return
        if status != 200:
            raise MalformedError(f"answered {status}")
        rosters = self._heads.rosters.of(sent.origin)
        lines = region_lines(rosters, head.checkpoint, decode_lines(body), "mirror", peer)
        if not lines or not self._is_timely(lines[0], now_ms):
            raise MalformedError("no usable line came back")
        self._watch.note("mirror", head.checkpoint, lines)
        if want.head == head:
            want.lines[peer] = lines
        if lines[0].time_s < want.not_before_s:
            self._wait(peer, asked, now_ms)  # its clock is behind ours
        else:
            asked.failures = 0

    def _take_newest(  # noqa: PLR0917 - as above
        self,
        want: _Want,
        asked: _Asked,
        sent: Question,
        status: int,
        body: bytes,
        now_ms: int,
        reader: LogReader,
    ) -> tuple[Write, ...]:
        asked.step = "lines"
        if status != 200:
            raise MalformedError(f"answered {status}")
        head, note = open_head(body, self._heads.rosters)
        if head.checkpoint.origin != sent.origin:
            raise MalformedError("a note of another log came back")
        latest_s = now_ms // 1000 + self._heads.constants.delta_s
        rosters = self._heads.rosters.of(sent.origin)
        given: dict[Role, tuple[GoodLine, ...]] = {}
        for role in _ROLES:
            given[role] = good_lines(rosters, head.checkpoint, note.signatures, role, latest_s)
            self._watch.note(role, head.checkpoint, given[role])
        writes = self._heads.compare(head, reader)
        if writes:
            self._drop(sent.origin)
            return writes
        if want.head is None or head.checkpoint.size > want.head.checkpoint.size:
            want.head, want.lines = head, {}
            for other in want.asked.values():
                other.step = "lines"
            asked.failures = 0
        elif head.checkpoint != want.head.checkpoint:
            raise MalformedError("nothing newer came back")
        by_region: dict[str, tuple[GoodLine, ...]] = {}
        for line in given["mirror"]:
            by_region[line.region] = (*by_region.get(line.region, ()), line)
        want.lines.update(by_region)
        self._settle(sent.origin, want)
        return ()

    def _may_push(self, head: SignedHead, now_ms: int) -> bool:
        origin = head.checkpoint.origin
        held = self._heads.stored_size(origin) >= head.checkpoint.size
        return held and self._heads.silent(origin, now_ms)

    def _is_timely(self, line: GoodLine, now_ms: int) -> bool:
        return line.time_s <= now_ms // 1000 + self._heads.constants.delta_s

    def _wait(self, peer: str, asked: _Asked, now_ms: int) -> None:
        asked.failures += 1
        salt = f"{self._heads.region}\n{peer}\nfreshen"
        asked.due_ms = now_ms + backoff_ms(self._limits, salt, asked.failures)

    def _drop(self, origin: str) -> None:
        del self._wants[origin]
        for peer, pushed in list(self.pushes):
            if pushed == origin:
                del self.pushes[peer, pushed]

    def _longest_ms(self) -> int:
        return self._limits.backoff_ms_max


__all__ = ["Freshen", "Outgoing", "Question"]
