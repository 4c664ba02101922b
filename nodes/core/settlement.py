"""How uses of foreign facts stand: confirmed, confirmed late, unauthorised or unproven.

Each verdict is a function of the using log's prefix and of the log relied on; which use is looked
at when is only a matter of work. Reads what the projections have written in the open transaction.

Source: protocol.md section 4.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ledger.kind import Fact, Severity
from ledger.lineage import ancestors, heirs, is_one_log, living, shown_by
from ledger.roster_fields import Closing
from nodes.core.effects import Effects
from nodes.core.ready import FindingRow, PutEvidence, PutFindings, PutUses, Write
from nodes.core.sight import INDEX_PAST_ALL
from nodes.ports import Reader, UseRow

UNPROVEN_AFTER_S: Final = 24 * 3600
UNPROVEN_PAGE_MAX: Final = 64

OPEN: Final = "open"
CONFIRMED: Final = "confirmed"
CONFIRMED_LATE: Final = "confirmed-late"
UNAUTHORISED: Final = "unauthorised"
UNPROVEN: Final = "unproven"

WITHDRAWN: Final = ""
"""As a severity: the finding no longer holds and is taken out."""


@dataclass(slots=True)
class _Using:
    """What is remembered of the uses of one log, so that most steps need not look for any."""

    undated_low: int | None = None
    """No use below it lacks its ``seen_by``; None: no use lacks it."""
    undated_high: int = 0
    """Past the last use that may lack it."""
    unproven_low: int = 0
    """Every unsettled use below it is found unproven already."""
    unproven_due_s: int = 0
    """No use becomes unproven before an entry is seen after this."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """A use's verdict, and why."""

    status: str
    findings: tuple[FindingRow, ...] = ()
    awaits: str = ""
    """Origin of the log whose evidence is missing, if that is what keeps the use open."""
    seen_by_s: int | None = None
    is_dated: bool = True
    """Whether its ``seen_by`` is fixed, and only a view or another log's evidence is missing."""


@dataclass(slots=True)
class Wanted:
    """What would settle the open uses of one log on another: a view at least so fresh."""

    least_s: int
    most_s: int


@dataclass(slots=True)
class Settlement:
    """Settles uses as their evidence comes in.

    Args:
        own: The log whose open uses its node appends views for.
        closed: By the roster: which logs go on in which.
        is_owed: Says whether a log is judged again, and not yet as far as others have viewed it:
            nobody can say by its rows then how what relied on it stands. ``start`` once none is.
    """

    own: str
    closed: Mapping[str, Closing] = field(default_factory=dict)
    is_owed: Callable[[str], bool] = lambda _origin: False
    _using: dict[str, _Using] = field(default_factory=dict)
    _awaited: set[str] | None = None
    """Logs whose ends are not seen yet while a use waits for that; None: not known, look at all."""
    wanted: dict[str, Wanted] = field(default_factory=dict)
    """Per foreign log: which view the open uses of our own log need."""
    _viewless: set[tuple[str, str]] = field(default_factory=set)
    """Using logs, and logs relied on, of which a use is dated and not settled: a view may do it."""
    _fixed: dict[str, list[PutEvidence]] = field(default_factory=dict)
    """By log, what the entries of this step have dated."""

    def start(self, reader: Reader) -> tuple[Write, ...]:
        """Look at everything unsettled once, after a start."""
        self._using.clear()
        self._viewless.clear()
        self._fixed.clear()
        self._awaited = None
        self.wanted.clear()
        unsettled = reader.unsettled()
        self.opened(unsettled)
        return self._settle(unsettled, {}, reader)

    def opened(self, uses: Iterable[UseRow]) -> None:
        """Take note of new uses."""
        for use in uses:
            using = self._using.setdefault(use.origin, _Using())
            if using.undated_low is None:
                using.undated_low, using.undated_high = use.index, use.index
            using.undated_high = max(using.undated_high, use.index + 1)

    def step(self, judged: Sequence[tuple[str, Effects]], reader: Reader) -> tuple[Write, ...]:
        """Settle what the newly judged entries allow; their writes are already carried out.

        Args:
            judged: Effects by origin of the log, in the order they were judged.
            reader: Sees them.
        """
        rows: dict[tuple[str, int, str, str], UseRow] = {}
        latest: dict[str, int] = {}
        for origin, effects in judged:
            self.opened(effects.uses)
            for row in effects.evidence:
                self._fixed.setdefault(row.origin, []).append(row)
                latest[row.origin] = max(row.seen_by_s, latest.get(row.origin, 0))
                for old, _ in ancestors(self.closed, row.origin):
                    latest[old] = max(row.seen_by_s, latest.get(old, 0))
            # The first entry of a successor dates what its predecessor left open.
            for dated, high in {row.origin: row.high for row in effects.evidence}.items():
                _add(rows, self._dated(dated, high, reader))
                if self._awaited is None or dated in self._awaited:
                    _add(rows, reader.unsettled(fact_origin=dated))
            for view in effects.views:
                for name, _ in shown_by(self.closed, view.origin, view.size):
                    _add(rows, self._unviewed(origin, name, view.index, reader))
                    for old, _ in ancestors(self.closed, origin):
                        _add(rows, self._unviewed(old, name, None, reader))
        for origin, seen_s in latest.items():
            _add(rows, self._overdue(origin, seen_s, reader))
        written: tuple[Write, ...] = ()
        if rows:
            written = self._settle([rows[key] for key in sorted(rows)], latest, reader)
        self._fixed.clear()
        return written

    def _unviewed(
        self, origin: str, viewed: str, high: int | None, reader: Reader
    ) -> Sequence[UseRow]:
        """Return uses of a log that a view newly recorded above them may settle.

        Only those that are dated: of any other, its date settles what it can when it comes.
        """
        if (origin, viewed) not in self._viewless:
            return ()
        found = reader.unsettled(origin=origin, fact_origin=viewed)
        if not found:
            self._viewless.discard((origin, viewed))
        return [use for use in found if high is None or use.index < high]

    def _seen_by(self, origin: str, index: int, reader: Reader) -> int | None:
        """Return when an entry was seen at the latest; mostly an entry of this step says so."""
        for row in self._fixed.get(origin, ()):
            if row.low <= index < row.high:
                return row.seen_by_s
        seen = reader.seen_by(origin, index)
        return None if seen is None else seen[0]

    def _dated(self, origin: str, high: int, reader: Reader) -> Sequence[UseRow]:
        """Return uses of a log whose ``seen_by`` may have just been fixed."""
        using = self._using.setdefault(origin, _Using())
        if using.undated_low is None or using.undated_low >= high:
            return ()
        rows = reader.unsettled(origin=origin, low=using.undated_low, high=high)
        using.undated_low = high if using.undated_high > high else None
        return rows

    def _overdue(self, origin: str, seen_s: int, reader: Reader) -> Sequence[UseRow]:
        """Return uses of a log that have stayed open for a day of the log's own evidence."""
        using = self._using.setdefault(origin, _Using())
        overdue: list[UseRow] = []
        while seen_s > using.unproven_due_s:
            page = reader.unsettled(
                origin=origin, low=using.unproven_low, rows_max=UNPROVEN_PAGE_MAX
            )
            for use in page:
                seen = reader.seen_by(origin, use.index)
                if seen is None or seen[0] + UNPROVEN_AFTER_S >= seen_s:
                    using.unproven_low = use.index
                    # Without a date it cannot be overdue before something is seen a day from now.
                    using.unproven_due_s = (seen_s if seen is None else seen[0]) + UNPROVEN_AFTER_S
                    return overdue
                overdue.append(use)
            if not page:
                using.unproven_due_s = seen_s + UNPROVEN_AFTER_S
                return overdue
            using.unproven_low = page[-1].index + 1
        return overdue

    def _settle(
        self, rows: Sequence[UseRow], latest: dict[str, int], reader: Reader
    ) -> tuple[Write, ...]:
        """Give each of these uses its verdict."""
        uses: list[UseRow] = []
        findings: list[FindingRow] = []
        awaited: set[str] = set()
        for use in rows:
            standing = self._stand(use, latest, reader)
            if standing.awaits:
                awaited.add(standing.awaits)
            if standing.status != use.status:
                uses.append(use._replace(status=standing.status))
            findings += standing.findings
            if standing.status not in {OPEN, UNPROVEN}:
                continue
            if standing.is_dated:
                self._viewless.add((use.origin, use.fact_origin))
            if is_one_log(self.closed, self.own, use.origin):
                self._want(living(self.closed, use.fact_origin), standing.seen_by_s)
        self._awaited = awaited if self._awaited is None else self._awaited | awaited
        written: list[Write] = []
        if uses:
            written.append(PutUses(tuple(uses)))
        if findings:
            written.append(PutFindings(tuple(findings)))
        return tuple(written)

    def _want(self, origin: str, seen_by_s: int | None) -> None:
        if seen_by_s is None:
            return
        wanted = self.wanted.get(origin)
        if wanted is None:
            self.wanted[origin] = Wanted(seen_by_s, seen_by_s)
        else:
            wanted.least_s = min(wanted.least_s, seen_by_s)
            wanted.most_s = max(wanted.most_s, seen_by_s)

    def satisfied(self, origin: str, fresh_at_s: int) -> None:
        """Our own log has recorded a view this fresh: what it cannot settle, no view of now can."""
        wanted = self.wanted.get(origin)
        if wanted is not None:
            if fresh_at_s >= wanted.most_s:
                del self.wanted[origin]
            else:
                wanted.least_s = max(wanted.least_s, fresh_at_s + 1)

    def _stand(self, use: UseRow, latest: dict[str, int], reader: Reader) -> _Standing:
        """Judge one use from what is written.

        1. t, its ``seen_by``; without it the use stays open.
        2. Confirmed where the view it cites was fresh enough at t. (That the fact was live in that
           view, the act's own rule has seen to.)
        3. Else by the first later view v' of that log with ``fresh_at`` >= t: live there, confirmed
           late; else by the rows seen by t.
        4. Without such a view, unproven after a day.
        """
        seen_by_s = self._seen_by(use.origin, use.index, reader)  # (1)
        if seen_by_s is None:
            return _Standing(use.status, is_dated=False)
        if seen_by_s - use.fresh_at_s <= use.staleness_s:  # (2)
            return _Standing(CONFIRMED, _withdrawn(use))
        later = next(
            (
                fact
                for fact in self._views_after(use, reader)
                if fact.is_judged and fact.state["fresh_at"] >= seen_by_s
            ),
            None,
        )
        if later is None:  # (4)
            if use.status == OPEN and latest.get(use.origin, 0) > seen_by_s + UNPROVEN_AFTER_S:
                return _Standing(UNPROVEN, (_unproven(use),), seen_by_s=seen_by_s)
            return _Standing(use.status, seen_by_s=seen_by_s)
        if any(map(self.is_owed, heirs(self.closed, use.fact_origin))):
            return _Standing(use.status, seen_by_s=seen_by_s)
        return self._by_view(use, seen_by_s, later, reader)  # (3)

    def _by_view(self, use: UseRow, seen_by_s: int, later: Fact, reader: Reader) -> _Standing:
        """Judge a use by the first view that shows the log relied on as it was after the use."""
        changes = self._changes(use, later, reader)
        if not all(change.is_judged for change in changes):
            return _Standing(use.status)  # whether it has ended is not known here
        if not changes or changes[-1].live:
            return _Standing(CONFIRMED_LATE, _withdrawn(use))
        ended: Fact | None = None
        dated: list[Fact] = []
        for change in changes:
            seen = reader.seen_by(change.origin, change.index)
            if seen is None:
                # The grantor has recorded an end that its own log does not date yet.
                return _Standing(use.status, (_undated(use, change),), change.origin)
            dated.append(change)
            if seen[0] > seen_by_s:
                break
            ended = None if change.live else ended or change
        # Of these alone: for the date of a later end another use may still wait.
        undone = _withdrawn(use, *dated)
        if ended is None:
            return _Standing(CONFIRMED_LATE, undone)
        return _Standing(UNAUTHORISED, (*undone, self._unauthorised(use, ended, later, reader)))

    def _views_after(self, use: UseRow, reader: Reader) -> Iterator[Fact]:
        """Give the views of the log relied on, recorded after a use, in their order."""
        low = use.index + 1
        for using in heirs(self.closed, use.origin):
            views = [
                view
                for viewed in heirs(self.closed, use.fact_origin)
                for view in reader.facts_between(using, viewed, low, INDEX_PAST_ALL)
            ]
            yield from sorted(views, key=lambda view: view.index)
            low = 0

    def _changes(self, use: UseRow, later: Fact, reader: Reader) -> list[Fact]:
        """Return the rows of what was relied on that came after it, as far as a view shows."""
        changes: list[Fact] = []
        low = use.fact_index + 1
        for origin in heirs(self.closed, use.fact_origin):
            is_last = origin == later.object
            high = later.state["size"] if is_last else self.closed[origin].size
            changes += reader.facts_between(origin, use.fact_object, low, high)
            if is_last:
                break
            low = 0
        return changes

    def _unauthorised(self, use: UseRow, ended: Fact, later: Fact, reader: Reader) -> FindingRow:
        relied_on = [
            (use.origin, fact.index)
            for viewed in heirs(self.closed, use.fact_origin)
            for fact in reader.facts_between(use.origin, viewed, 0, use.index)
            if (fact.state["size"], fact.state["fresh_at"]) == (use.view_size, use.fresh_at_s)
        ]
        return FindingRow(
            origin=use.origin,
            index=use.index,
            code="unauthorised-use",
            severity=Severity.BREACH.value,
            subject=use.fact_object,
            detail=f"{use.fact_object} had ended before the use was seen",
            evidence=(
                (use.origin, use.index),
                *relied_on[-1:],
                (later.origin, later.index),
                (ended.origin, ended.index),
            ),
        )


def _add(rows: dict[tuple[str, int, str, str], UseRow], more: Iterable[UseRow]) -> None:
    for use in more:
        rows[use.origin, use.index, use.fact_origin, use.fact_object] = use


def _unproven(use: UseRow) -> FindingRow:
    return FindingRow(
        origin=use.origin,
        index=use.index,
        code="unproven-use",
        severity=Severity.FLAG.value,
        subject=use.fact_object,
        detail="no view shows within a day whether the use was covered",
        evidence=((use.origin, use.index),),
    )


def _undated(use: UseRow, end: Fact) -> FindingRow:
    return FindingRow(
        origin=end.origin,
        index=end.index,
        code="end-not-seen",
        severity=Severity.FLAG.value,
        subject=use.fact_object,
        detail="the end is recorded, and no quorum has seen it yet",
        evidence=((end.origin, end.index), (use.origin, use.index)),
    )


def _withdrawn(use: UseRow, *ends: Fact) -> tuple[FindingRow, ...]:
    """Take back what was only said while the use was not settled."""
    found = [replace(_undated(use, end), severity=WITHDRAWN) for end in ends if not end.live]
    if use.status == UNPROVEN:
        found.append(replace(_unproven(use), severity=WITHDRAWN))
    return tuple(found)
