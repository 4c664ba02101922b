"""Block records: whether they name their log's own past, and what their lines show."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from ledger.checkpoint import Checkpoint
from ledger.errors import RefusedError
from ledger.kind import Fact, Severity
from ledger.roster import Roster
from ledger.statement import Statement, UnverifiedStatement
from ledger.views import (
    Block,
    BlockLines,
    Count,
    Cover,
    FixedRange,
    GoodLine,
    collect_lines,
    count_lines,
    fresh_at,
)
from nodes.core.effects import Effects
from nodes.core.ground import Ground
from nodes.core.log_state import LogState
from nodes.core.ready import FindingRow, PutEvidence
from nodes.core.waiting import LINE_TIME
from nodes.ports import Reader


class Blocks:
    """Judges block records, and takes them in.

    Args:
        ground: What they are judged by.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def check_block(self, state: LogState, block: Block, reader: Reader) -> None:
        """Check that a block record names its own log's past.

        Raises:
            RefusedError: ``bad-block``.
        """
        if block.height != state.height + 1:
            raise RefusedError(f"block {block.height} after {state.height}", code="bad-block")
        if block.size != state.size:
            # A record is the first entry after what it records.
            raise RefusedError(f"block of size {block.size} at {state.size}", code="bad-block")
        roster = self._ground.roster_of(state)
        if block.roster != roster.version or block.rules != roster.rules:
            raise RefusedError("the block names another roster or rules", code="bad-block")
        for item in block.lines:
            least, most = self._lines_asked(state, item.size, block)
            if not least <= len(item.lines) <= most:
                raise RefusedError(
                    "a candidate is recorded with a quorum of lines", code="bad-block"
                )
        if self._ground.root(state.origin, block.size, reader) != block.root:
            raise RefusedError("the block names another tree", code="bad-block")
        text = Checkpoint(state.origin, block.size, block.root).text()
        if sha256(text).digest() != block.note:
            raise RefusedError("the block names another note", code="bad-block")
        if self._ground.map_root(state, reader) != block.map_root:
            raise RefusedError("the block names another object map", code="bad-map")

    def _lines_asked(self, state: LogState, size: int, block: Block) -> tuple[int, int]:
        """Return how many lines a candidate of a size is recorded with, at least and at most."""
        opened = state.open_epoch
        is_proven = opened is not None and any(it.size == opened.start + 1 for it in block.lines)
        counting = state.counting(size, {state.version} if is_proven else ())
        if counting is None:
            return 1, 0
        quorum = self._ground.rosters.at(counting.version).quorum(state.origin)
        before = self._ground.before_of(state.origin, counting)
        if before is None:
            return quorum, quorum
        other = before.quorum(state.origin)
        return max(quorum, other), quorum + other

    def counts(self, state: LogState, block: Block, reader: Reader) -> list[Count]:
        """Return what the lines of a block say, of each candidate with a quorum of good ones.

        Lines on trees that are not the log's count for nothing, and neither do fewer than a quorum:
        so nothing but whole evidence is ever kept in memory.
        """
        counts: list[Count] = []
        for item in block.lines:
            if self._ground.root(state.origin, item.size, reader) == item.root:
                self.add_count(state, item, counts, count_lines)
        return counts

    def add_count(
        self,
        state: LogState,
        item: BlockLines,
        counts: list[Count],
        counter: Callable[[Roster, str, BlockLines, Roster | None], Count],
    ) -> None:
        """Count the lines of a candidate, and add them to those before it if they are whole."""
        opened = state.open_epoch
        is_proven = opened is not None and any(it.size == opened.start + 1 for it in counts)
        counting = state.counting(item.size, {state.version} if is_proven else ())
        if counting is None:
            return
        roster = self._ground.rosters.at(counting.version)
        before = self._ground.before_of(state.origin, counting)
        count = counter(roster, state.origin, item, before)
        least = 0 if before is None else before.quorum(state.origin)
        if len(count.covers) >= roster.quorum(state.origin) and len(count.before) >= least:
            counts.append(count)

    def show_lines(
        self,
        state: LogState,
        block: Block,
        counts: Sequence[Count],
        reader: Reader,
        effects: Effects,
    ) -> None:
        """Give the lines of a block to whoever compares them, those on other trees as well."""
        origin = state.origin
        held = {
            (cover.region, cover.size, cover.time_s) for count in counts for cover in count.covers
        }
        for item in block.lines:
            head = Checkpoint(origin, item.size, item.root)
            counting = state.counting(item.size, {state.version})
            if counting is None:
                continue
            roster = self._ground.rosters.at(counting.version)
            if self._ground.root(origin, item.size, reader) != item.root:
                lines = collect_lines(roster, origin, head, item.lines, "mirror")
            else:
                good = good_lines(roster, origin, item.lines)
                lines = tuple(it for it in good if (it.region, item.size, it.time_s) in held)
            if lines:
                effects.lines.append((head, lines))

    def take_block(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        block: Block,
        counts: Sequence[Count],
        effects: Effects,
    ) -> None:
        """Take a block record in: what its lines fix, and which times they show to be wrong.

        Args:
            state: Of the log.
            statement: That records the block.
            block: Its body; checked.
            counts: What the good lines of the block say, ascending by size.
            effects: Takes what follows.
        """
        index, origin = state.size, state.origin
        row = Fact(origin, origin, index, statement.leaf, {"height": block.height})
        effects.facts.append(row)
        self._ground.sight.add((row,))
        state.height, state.published_size = block.height, block.size
        ranges: list[FixedRange] = []
        covers: list[Cover] = []
        for count in counts:
            opened = state.open_epoch
            if opened is None or count.size != opened.start + 1:
                covers += count.covers
                _raise_base(state, count, state.evidence.quorum)
                continue
            quorum = self._ground.roster_of(state).quorum(origin)
            fixed, state.evidence = state.evidence.fixed(covers)
            crossed, evidence = state.evidence.crossed(count, quorum)
            ranges += (*fixed, *crossed)
            covers = []
            _raise_base(state, count, quorum, state.evidence.quorum)
            state.evidence = evidence
            state.prove(index)
        fixed, state.evidence = state.evidence.fixed(covers)
        ranges += fixed
        for low, high, seen_by_s in ranges:
            effects.evidence.append(PutEvidence(origin, low, high, seen_by_s, index))
        if ranges:
            self.check_times(state, ranges, index, effects)

    def check_times(
        self, state: LogState, ranges: Sequence[FixedRange], block: int, effects: Effects
    ) -> None:
        """Find the entries declared later than they were seen, and forget the times now settled."""
        settled = ranges[-1].high
        delta_s = self._ground.roster_of(state).constants.delta_s
        for low, high, seen_by_s in ranges:
            for position, (start, time_s) in enumerate(state.times):
                if start >= high:
                    break
                runs_to = (
                    state.times[position + 1][0] if position + 1 < len(state.times) else state.size
                )
                if runs_to <= low or time_s <= seen_by_s + delta_s:
                    continue
                for index in range(max(start, low), min(runs_to, high)):
                    effects.findings.append(
                        FindingRow(
                            origin=state.origin,
                            index=index,
                            code="declared-time",
                            severity=Severity.BREACH.value,
                            subject=state.origin,
                            detail=f"declared {time_s}, seen by {seen_by_s}",
                            evidence=((state.origin, index), (state.origin, block)),
                        )
                    )
        kept = [run for run in state.times if run[0] >= settled]
        before = [run for run in state.times if run[0] < settled]
        if before and settled < state.size and (not kept or kept[0][0] > settled):
            kept.insert(0, (settled, before[-1][1]))
        state.times = kept


def good_lines(roster: Roster, origin: str, lines: Iterable[bytes]) -> tuple[GoodLine, ...]:
    """Return lines that were checked before, with the regions that their key ids name."""
    keys = roster.mirror_keys(origin)
    return tuple(
        GoodLine(keys[line[:4]][0][0], int.from_bytes(line[LINE_TIME]), line)
        for line in lines
        if len(keys.get(line[:4], ())) == 1
    )


def _raise_base(state: LogState, count: Count, quorum: int, before_quorum: int = 0) -> None:
    """Raise b to what a candidate shows; on the note of an epoch, to the less fresh of two."""
    seen = fresh_at([cover.time_s for cover in count.covers], quorum)
    if seen is not None and before_quorum and count.before:
        other = fresh_at([cover.time_s for cover in count.before], before_quorum)
        seen = None if other is None else min(seen, other)
    if seen is not None:
        state.base_s = max(state.base_s, seen)
