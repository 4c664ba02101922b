"""What checks have read, so that the next one need not read it again until it has changed."""

from collections.abc import Callable, Sequence
from typing import Final, cast

from sqlalchemy import Connection

from authz.decision import CheckFacts
from ledger.kind import Fact, ViewFact
from nodes.adapters.readers import Readers
from nodes.core.sight import INDEX_PAST_ALL, Generations
from nodes.snapshot import Place, Snapshot
from nodes.store.entries import LogIDs
from nodes.store.facts import newest

RECALLED_MAX: Final = 4_096
ROWS_KEPT_MAX: Final = 16_384
"""A row takes about a kilobyte, the knowledge that there is none a fifth of it."""

Asked = tuple[str, str, str | None, str | None]
"""Window, item, officer, device."""
Question = tuple[str | None, ...]
"""All that a check is asked, by name."""


class _Unread:
    """Marks what memory knows nothing about; None says that the store has no such row."""


_UNREAD: Final = _Unread()


class Recalled:
    """What was gathered for questions, and the rows it was gathered from.

    Every commit says which objects it gave new rows to. Other rows are kept, and so is what was
    gathered, unless it rests on one of those or on a view that is another one now. For one thread,
    the loop's.

    Invariant: a row that is kept is the newest of its object in its log, as of ``_number``; what
    was gathered rests on rows of ``_relied`` and on ``_views``.
    """

    def __init__(self, readers: Readers, ids: LogIDs) -> None:
        self._readers = readers
        self._ids = ids
        self._snapshot: Snapshot | None = None
        self._number = -1
        self._rows: Generations[Place, Fact | _Unread | None] = Generations(ROWS_KEPT_MAX)
        self._facts: dict[Asked, CheckFacts] = {}
        self._relied: set[Place] = set()
        self._views: dict[str, ViewFact] = {}
        self._answers: dict[Question, bytes] = {}
        self._answered: tuple[Snapshot | None, int] = (None, 0)

    def answers(self, snapshot: Snapshot, now_s: int) -> dict[Question, bytes]:
        """Return what was allowed under this very snapshot in this very second, as it was told."""
        known, second = self._answered
        if known is not snapshot or second != now_s or len(self._answers) >= RECALLED_MAX:
            self._answers, self._answered = {}, (snapshot, now_s)
        return self._answers

    def of(
        self, snapshot: Snapshot, sight: Callable[[Snapshot, str], ViewFact]
    ) -> dict[Asked, CheckFacts]:
        """Return what was gathered that holds under this very snapshot.

        Args:
            snapshot: The newest.
            sight: Returns the view of a region's log under a snapshot.
        """
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            is_other = any(sight(snapshot, region) != it for region, it in self._views.items())
            if self._let_go(snapshot) or is_other:
                self._gather_anew()
        if len(self._facts) >= RECALLED_MAX:
            self._gather_anew()
        return self._facts

    def rests_on(self, region: str, view: ViewFact) -> None:
        """Note the view of another region's log that something is gathered under."""
        self._views[region] = view

    def rows(self, wanted: Sequence[tuple[str, str, int]]) -> list[Fact | None]:
        """Return for each (origin, object, below) the newest row with a smaller index, or None."""
        known = self._rows.get
        places = [(origin, object_) for origin, object_, _ in wanted]
        self._relied.update(places)
        found = [known(place, _UNREAD) for place in places]
        unread = [at for at, row in enumerate(found) if row is _UNREAD]
        if unread:
            read = self._read([(*places[at], INDEX_PAST_ALL) for at in unread])
            for at, row in zip(unread, read, strict=True):
                found[at] = row
                self._rows.put(places[at], row)
        return [
            row if row is None or row.index < it[2] else self._below(row, *it)
            for row, it in zip(cast("list[Fact | None]", found), wanted, strict=True)
        ]

    def _below(self, row: Fact, origin: str, object_: str, below: int) -> Fact | None:
        # One of a log that this one goes on from stands below its cut, and so below everything.
        if row.origin != origin:
            return row
        [older] = self._read([(origin, object_, below)])
        return older

    def _read(self, wanted: Sequence[tuple[str, str, int]]) -> list[Fact | None]:
        def read(connection: Connection) -> list[Fact | None]:
            return newest(connection, self._ids, wanted)

        return self._readers.here(read)

    def _gather_anew(self) -> None:
        self._facts, self._relied, self._views = {}, set(), {}

    def _let_go(self, snapshot: Snapshot) -> bool:
        """Drop rows that may have changed since the last look; say whether one was relied on."""
        changed = snapshot.touched.since(self._number)
        self._number = snapshot.touched.number
        if changed is None:
            self._rows.clear()
            return True
        places = set(changed)
        for place in places:
            self._rows.drop(place)
        return not self._relied.isdisjoint(places)
