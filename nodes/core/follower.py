"""Judges the entries of other logs as they are stored, as far as what they rely on is judged.

Nothing waits for this: storing, mirroring and cosigning go on whatever it finds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nodes.core.effects import Effects
from nodes.core.foresight import foresee
from nodes.core.limits import Limits
from nodes.core.log_state import LogState
from nodes.core.notes import SignedHead
from nodes.core.projection import Projection
from nodes.core.ready import Write
from nodes.core.sight import INDEX_PAST_ALL
from nodes.core.turning import Shown
from nodes.core.waiting import Wait
from nodes.ports import Reader


@dataclass(frozen=True, slots=True)
class Judged:
    """A few entries of one log, judged; ``writes`` are done before anything else is judged."""

    origin: str
    state: LogState
    effects: Effects
    writes: tuple[Write, ...]


class Follower:
    """Keeps every stored log judged, each up to the first entry that must wait.

    Invariant: ``judged_size(o) <= stored_size(o)``; every view below a log's judged size is of a
    prefix that is judged here.

    Args:
        projection: Judges.
        limits: Of the node.
    """

    def __init__(self, projection: Projection, limits: Limits) -> None:
        self._projection = projection
        self._limits = limits
        self.states: dict[str, LogState] = {}
        self._waits: dict[str, Wait] = {}
        self._foreseen: dict[str, tuple[int, Mapping[str, SignedHead]]] = {}
        """By log that waits or did: heads that views in it show further on, and up to which index.

        Each entry is looked at once.
        """
        self._stored: Mapping[str, int] = {}
        self._bytes_left = 0
        self._owed: dict[str, int] = {}
        """Logs that are judged again, and how far others rely on them."""

    def judged_size(self, origin: str) -> int:
        """Return how far a log is judged."""
        state = self.states.get(origin)
        return 0 if state is None else state.size

    def step(self, stored: Mapping[str, int], now_ms: int, reader: Reader) -> Iterator[Judged]:
        """Judge what can be judged now, a chunk at a time; the caller writes each before the next.

        Goes round the logs, so that one whose views wait for another goes on as soon as it can.
        """
        now_s = now_ms // 1000
        left = self._limits.judged_entries_max
        self._bytes_left, self._stored = self._limits.judged_bytes_max, stored
        progress = True
        while progress and left > 0 and self._bytes_left > 0:
            progress = False
            for origin in stored:
                state = self.states.get(origin)
                if state is None:
                    if not stored[origin]:
                        continue
                    state = self.states[origin] = self._projection.new_state(origin)
                end = min(
                    stored[origin], state.size + min(left, self._limits.judged_chunk_entries_max)
                )
                if state.size >= end or self.is_held(state) or self._must_wait(origin, now_s):
                    continue
                start = state.size
                found = self._chunk(state, end, now_s, reader)
                if found.state.size > start:
                    left -= found.state.size - start
                    progress = True
                    yield found

    def lacking(self, stored: Mapping[str, int]) -> Mapping[str, SignedHead]:
        """Return what must be stored, and is not, for judging to go on: the largest of each log."""
        lacking: dict[str, SignedHead] = {}
        for origin, wait in self._waits.items():
            if wait.head is None or wait.size >= INDEX_PAST_ALL:
                continue
            _, foreseen = self._foreseen.get(origin, (0, {}))
            for head in (wait.head, *foreseen.values()):
                viewed, size = head.checkpoint.origin, head.checkpoint.size
                known = lacking.get(viewed)
                if stored.get(viewed, 0) < size and (known is None or known.checkpoint.size < size):
                    lacking[viewed] = head
        return lacking

    def shown(self) -> Sequence[Shown]:
        """Return the heads that views record which wait for what they show."""
        return [
            Shown(wait.head, wait.lines)
            for wait in self._waits.values()
            if wait.head is not None and wait.lines
        ]

    def judge_again(self, owed: Mapping[str, int]) -> None:
        """Judge these logs up to these sizes before anything that relies on them.

        What was projected of them is gone, and views show them judged: what is judged by such a
        view would find nothing, or half of it.
        """
        self._owed = dict(owed)

    @property
    def owed(self) -> Mapping[str, int]:
        """Logs that are judged again and are not there yet, and how far others rely on them."""
        for origin in [it for it, size in self._owed.items() if self.judged_size(it) >= size]:
            del self._owed[origin]
        return self._owed

    def is_held(self, state: LogState) -> bool:
        """Say whether a log relies on another that is being judged again."""
        owed = self.owed
        return bool(owed) and state.origin not in owed and not owed.keys().isdisjoint(state.views)

    def disputed(self) -> Sequence[SignedHead]:
        """Return heads that views record and that are not on the tree that we hold."""
        return [
            wait.head
            for wait in self._waits.values()
            if wait.head is not None and wait.size >= INDEX_PAST_ALL
        ]

    def is_behind(self, stored: Mapping[str, int]) -> bool:
        """Say whether there is more to judge that nothing holds back."""
        return any(
            size > self.judged_size(origin)
            and origin not in self._waits
            and not self._is_held(origin)
            for origin, size in stored.items()
        )

    def _is_held(self, origin: str) -> bool:
        state = self.states.get(origin)
        return state is not None and self.is_held(state)

    def wake_at_ms(self) -> int | None:
        """Return when our clock allows a line that a log waits for; None if none does."""
        delta_s = self._projection.ground.delta_s
        due = [(wait.until_s - delta_s) * 1000 for wait in self._waits.values() if wait.until_s]
        return min(due, default=None)

    def _chunk(self, state: LogState, end: int, now_s: int, reader: Reader) -> Judged:
        """Judge the next entries of a log, below ``end`` and up to the first that must wait."""
        effects, start = Effects(), state.size
        entries = reader.entries(state.origin, start, end)
        for entry in entries:
            if self._bytes_left <= 0:
                break
            self._bytes_left -= len(entry)
            try:
                self._projection.judge_entry(state, entry, now_s, effects, reader)
            except Wait as wait:
                self._waits[state.origin] = wait
                if wait.head is not None and wait.size < INDEX_PAST_ALL:
                    rest = entries[state.size + 1 - start :]
                    self._foresee(state, rest, now_s)
                break
        writes = effects.writes(state) if state.size > start else ()
        return Judged(state.origin, state, effects, writes)

    def _foresee(self, state: LogState, entries: Sequence[bytes], now_s: int) -> None:
        """Note what the views after an entry that waits will want."""
        first = state.size + 1
        seen, known = self._foreseen.get(state.origin, (0, {}))
        if seen < first + len(entries):
            words = self._projection.words
            found = foresee(words, state, entries[max(0, seen - first) :], self._stored, now_s)
            kept = {
                viewed: head
                for viewed, head in known.items()
                if self._stored.get(viewed, 0) < head.checkpoint.size
            }
            self._foreseen[state.origin] = (first + len(entries), kept | found)

    def _must_wait(self, origin: str, now_s: int) -> bool:
        """Say whether the log still waits for what it waited for last time."""
        wait = self._waits.get(origin)
        if wait is None:
            return False
        if wait.until_s:
            still = now_s + self._projection.ground.delta_s < wait.until_s
        else:
            still = wait.origin is not None and self.judged_size(wait.origin) < wait.size
        if not still:
            del self._waits[origin]
        return still
