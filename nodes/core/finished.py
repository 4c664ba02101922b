"""Notes of other logs that have their quorums: checked, compared with our own row, and kept.

What is kept here speeds up answers and makes views; no verdict rests on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ledger.checkpoint import TIME_S_MAX, Checkpoint
from ledger.errors import LedgerError
from ledger.note import Note
from ledger.views import GoodLine
from nodes.core import notes
from nodes.core.copies import LogReader
from nodes.core.heads import Heads
from nodes.core.notes import Known, OpenNote, SignedHead, good_lines, open_head
from nodes.core.ready import PeerCalled, PeerReply, PutNote, Ready, Reply, Write
from nodes.core.watch import Watch
from nodes.core.witness import refusal

KEEP_MS: Final = 1_000
"""How long a note waits for a commit that is due for another reason."""


class FinishedNotes:
    """The best note of each other log with a quorum of mirror lines.

    Invariant: every line in ``known`` holds; of two notes the one with the larger tree is kept, of
    one tree the latest line of each mirror.
    """

    def __init__(self, heads: Heads, stored: Iterable[bytes], watch: Watch) -> None:
        self._heads = heads
        self._watch = watch
        self._known: dict[str, Known] = {}
        self._held: dict[str, frozenset[GoodLine]] = {}
        """The lines of those: most that come are among them."""
        self._unwritten: dict[str, int | None] = {}
        """Origins whose newest known note is not in the store yet, and by when it is to be."""
        self._witnessed: dict[str, tuple[int, tuple[GoodLine, ...]]] = {}
        """By origin, the witness lines on the tree of that size: bundles need both kinds."""
        for data in stored:
            head, note = open_head(data, heads.rosters, is_ours=True)
            checkpoint = head.checkpoint
            rosters = heads.rosters.of(checkpoint.origin)
            lines = good_lines(rosters, checkpoint, note.signatures, "mirror", TIME_S_MAX)
            self._merge(head, lines)
            witness = good_lines(rosters, checkpoint, note.signatures, "witness", TIME_S_MAX)
            self._witnessed[checkpoint.origin] = (checkpoint.size, witness)

    @property
    def known(self) -> Mapping[str, Known]:
        """By origin."""
        return self._known

    def take(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """Take a note that someone says has its quorums; it is only a hint.

        Our own log's notes are the caller's concern. A note that brings nothing new is answered
        alike.
        """
        try:
            writes = self._take(event.body, now_ms, reader)
        except LedgerError as error:
            return Ready(replies=(Reply(event.request_id, refusal(error)),))
        return Ready(writes=writes, replies=(Reply(event.request_id, PeerReply(204)),))

    def hear(self, data: bytes, now_ms: int, reader: LogReader) -> tuple[Write, ...]:
        """Take a note that a log's writer answered with, whatever lines it has by now."""
        try:
            return self._take(data, now_ms, reader)
        except LedgerError:
            return ()

    def _take(self, data: bytes, now_ms: int, reader: LogReader) -> tuple[Write, ...]:
        # Most of what comes is a repetition. It is told apart before any signature is checked.
        note = Note.decode(data)
        checkpoint = Checkpoint.decode(note.text)
        old = self._known.get(checkpoint.origin)
        if (
            old is not None
            and checkpoint.size < old.size
            and not self._watch.stands_out(checkpoint, note.signatures)
            and not self._heads.is_off_branch(checkpoint, reader)
        ):
            return ()
        rosters, origin = self._heads.rosters, checkpoint.origin
        opened = notes.open_note(data, rosters.of(origin), rosters.log_keys(origin))
        writes = self._heads.compare(opened.head, reader)
        if writes:
            return writes
        latest_s = now_ms // 1000 + self._heads.constants.delta_s
        lines = opened.lines("mirror", latest_s)
        self._watch.note("mirror", checkpoint, lines)
        if old is not None and checkpoint.size < old.size:
            self._watch.note("witness", checkpoint, opened.lines("witness", latest_s))
            return ()
        self.learn(opened.head, lines)
        self._learn_witness(opened, latest_s)
        return ()

    def _is_held(self, checkpoint: Checkpoint) -> bool:
        """Say whether a tree is the very one that we hold."""
        turn = self._heads.turned.get(checkpoint.origin)
        if turn is not None:
            # Whoever shows it here was judged by our copy. What is smaller is no better.
            return checkpoint.size <= self._heads.stored_size(checkpoint.origin)
        row = self._heads.row(checkpoint.origin)
        return row is not None and (row.mirrored_size, row.witnessed_size, row.witnessed_root) == (
            checkpoint.size,
            checkpoint.size,
            checkpoint.root,
        )

    def _learn_witness(self, opened: OpenNote, latest_s: int) -> None:
        """Take the witness lines too, of the note that is the best one now."""
        checkpoint = opened.head.checkpoint
        origin, size, root = checkpoint.origin, checkpoint.size, checkpoint.root
        known = self._known.get(origin)
        if known is None or (known.size, known.root) != (size, root):
            return
        rosters = self._heads.rosters.of(origin)
        had_size, had = self._witnessed.get(origin, (0, ()))
        if had_size == size and all(len(had) >= it.quorum(origin) for it in rosters):
            return
        lines = opened.lines("witness", latest_s)
        self._watch.note("witness", checkpoint, lines)
        if lines and (had_size != size or len(lines) > len(had)):
            self._witnessed[origin] = (size, lines)
            self._unwritten.setdefault(origin, None)

    def hear_of(self, head: SignedHead, lines: Sequence[GoodLine]) -> None:
        """Take a note that another log shows, with lines that hold.

        Its own writer may have fallen silent, or tell nobody any more.
        """
        origin = head.checkpoint.origin
        if origin == self._heads.own:
            return
        # What was replicated before a log was convicted stays so; its other history does not count.
        if not self._heads.is_convicted(origin) or self._is_held(head.checkpoint):
            self._keep_better(head, lines)

    def learn(self, head: SignedHead, lines: Sequence[GoodLine]) -> None:
        """Take lines that hold on a head that holds, and keep what is better than before."""
        if not self._heads.is_convicted(head.checkpoint.origin):
            self._keep_better(head, lines)

    def _keep_better(self, head: SignedHead, lines: Sequence[GoodLine]) -> None:
        origin, size = head.checkpoint.origin, head.checkpoint.size
        old = self._known.get(origin)
        if not self._merge(head, lines):
            return
        # The store has it a little later: losing it costs a refresh, a commit costs a disk's flush.
        # Fresher lines on the same tree stay in memory, since they come again.
        if old is None or old.size != size:
            self._unwritten.setdefault(origin, None)

    def keep(self, now_ms: int) -> tuple[Write, ...]:
        """Return the notes that have waited long enough for another commit to go along with."""
        due: list[str] = []
        for origin, by_ms in self._unwritten.items():
            if by_ms is None:
                self._unwritten[origin] = now_ms + KEEP_MS
            elif not 0 < by_ms - now_ms <= KEEP_MS:
                due.append(origin)
        return tuple(self._keep(origin) for origin in due)

    def keep_all(self) -> tuple[Write, ...]:
        """Return all notes that are not in the store yet, for a commit that is due anyway."""
        return tuple(self._keep(origin) for origin in list(self._unwritten))

    def wake_at_ms(self) -> int | None:
        """Return when ``keep`` has something; None: nothing waits."""
        return min((by_ms for by_ms in self._unwritten.values() if by_ms), default=None)

    def _keep(self, origin: str) -> PutNote:
        del self._unwritten[origin]
        known = self._known[origin]
        rosters = self._heads.rosters.of(origin)
        size, witness = self._witnessed.get(origin, (0, ()))
        lines = (witness if size == known.size else (), known.lines)
        note = notes.spelled(known.note, origin, rosters, *lines)
        return PutNote(origin, known.size, note, finished=True)

    def _merge(self, head: SignedHead, lines: Sequence[GoodLine]) -> bool:
        """Put a head and its lines in place of what is known, if they are better."""
        checkpoint = head.checkpoint
        origin = checkpoint.origin
        old = self._known.get(origin)
        before: tuple[GoodLine, ...] = ()
        if old is not None:
            if checkpoint.size < old.size:
                return False
            if checkpoint.size == old.size:
                if checkpoint.root != old.root:
                    return False
                if head.note == old.note and self._held[origin].issuperset(lines):
                    return False
                before = old.lines
        merged, fresh_at_s = notes.merged(
            origin, self._heads.rosters.of(origin), before, tuple(lines)
        )
        if fresh_at_s is None:
            return False
        new = Known(checkpoint.size, checkpoint.root, fresh_at_s, head.note, merged)
        self._known[origin], self._held[origin] = new, frozenset(merged)
        return new != old
