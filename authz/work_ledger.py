"""The work ledger of a month (工作台账): figures by unit, made from sums of tallies.

The same tallies below the same sizes of the logs give the same document, and so the same digest:
that is what a bulletin (进度通报) carries, and what any node makes again to compare. Every figure
is defined in docs/method.md; what is changed there gets another version here.

Source: mechanisms 9, 46, 47, 61, 62, 63, 64.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, Final, NamedTuple

from authz.calendar import Calendar, day_named, day_text
from authz.promise import Halt, LastDay, last_days, promise
from authz.tally import Figure
from authz.term import Term
from ledger.encoding import encode
from ledger.errors import LedgerError, MalformedError
from ledger.names import region_of

METHOD: Final = "work-ledger"
METHOD_VERSION: Final = 1


class Month(NamedTuple):
    """A month, from its first to its last day in Beijing."""

    name: str
    first: int
    last: int


def month_named(text: str) -> Month:
    """Return the month that ``YYYY-MM`` names.

    Raises:
        MalformedError: ``bad-field``.
    """
    try:
        first = day_named(f"{text}-01")
        year, month = int(text[:4]), int(text[5:])
        after = f"{year + 1:04}-01-01" if month == 12 else f"{year:04}-{month + 1:02}-01"
        return Month(text, first, day_named(after) - 1)
    except (LedgerError, ValueError) as error:
        raise MalformedError(
            f"a month is written YYYY-MM, not {text[:40]!r}", code="bad-field"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one unit did in the month; all are counts, ``decided_days`` of days."""

    taken_in: int = 0
    decided: int = 0
    decided_days: int = 0
    refused: int = 0
    delivered: int = 0
    withdrawn: int = 0
    notices: int = 0
    supplements: int = 0
    verified: int = 0
    returned: int = 0
    due: int = 0
    overdue: int = 0
    rated_good: int = 0
    rated_bad: int = 0
    rectified: int = 0
    rectified_late: int = 0
    rectifying_overdue: int = 0
    urged: int = 0
    answered: int = 0
    answered_late: int = 0
    answering_overdue: int = 0
    claimed: int = 0
    unclaimed: int = 0
    lent: int = 0
    idle: int = 0

    def fields(self) -> dict[str, int]:
        """Return every count by its name."""
        return {name: getattr(self, name) for name in COLUMNS}


COLUMNS: Final = tuple(it.name for it in fields(Line))

_COUNTED: Final[Mapping[str, str]] = {
    figure: figure.value.replace("-", "_")
    for figure in (
        Figure.TAKEN_IN,
        Figure.DECIDED,
        Figure.REFUSED,
        Figure.DELIVERED,
        Figure.WITHDRAWN,
        Figure.NOTICES,
        Figure.SUPPLEMENTS,
        Figure.VERIFIED,
        Figure.RETURNED,
        Figure.RATED_GOOD,
        Figure.RATED_BAD,
        Figure.RECTIFIED,
        Figure.RECTIFIED_LATE,
        Figure.URGED,
        Figure.ANSWERED,
        Figure.ANSWERED_LATE,
    )
}
_OWED: Final[Mapping[str, str]] = {
    Figure.RATING_OWED: "rectifying_overdue",
    Figure.ANSWER_OWED: "answering_overdue",
}
MONTHLY: Final = tuple(_COUNTED)
"""Figures that are summed over the days of the month, by unit."""
OWED: Final = tuple(_OWED)
"""Likewise, over the days that are over."""


class Sum(NamedTuple):
    """The tallies of one figure and unit, added up."""

    figure: str
    unit: str
    detail: str
    number: int
    total: int = 0


class Promises(NamedTuple):
    """Promises that began and ended alike; a negative number takes some away again.

    Args:
        over: The day on which nothing was to be decided any more; None while something is.
    """

    department: str
    term: Term
    over: int | None
    number: int
    halts: Sequence[Halt] = ()


class Lent(NamedTuple):
    """Grants of one region and one term.

    Args:
        term: The first and the last day, with a comma between them.
        used: How many of them something was decided under in the month.
    """

    region: str
    term: str
    number: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallied:
    """All that a month's figures are made from.

    Args:
        known: Up to which size of each log, by origin.
        monthly: Sums over the days of the month of the figures in ``MONTHLY``.
        owed: Likewise of those in ``OWED``, over its days that are over.
        promises: Every promise that may have fallen due in the month.
        lent: Grants on offer and accepted when it ended.
        claimed: Codes claimed when it ended, by unit.
        listed: Codes on lists, likewise.
    """

    known: Mapping[str, int]
    monthly: Sequence[Sum]
    owed: Sequence[Sum]
    promises: Iterable[Promises]
    lent: Iterable[Lent]
    claimed: Iterable[tuple[str, str]]
    listed: Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLedger:
    """The figures of a month.

    Args:
        as_of_day: What was to be done by a day before this one and is not is overdue.
        provisional: Whether weekdays of a year that nobody has published are counted in it.
        lines: By unit; a region's own line has what is counted for the region as a whole.
    """

    month: Month
    as_of_day: int
    known: Mapping[str, int]
    provisional: bool
    lines: Mapping[str, Line]

    @property
    def total(self) -> Line:
        """The sums of all lines."""
        lines = self.lines.values()
        return Line(**{name: sum(getattr(it, name) for it in lines) for name in COLUMNS})

    def document(self) -> dict[str, Any]:
        """Return the ledger as it is published; only counts, names and days stand in it."""
        return {
            "method": METHOD,
            "method_version": METHOD_VERSION,
            "month": self.month.name,
            "as_of": day_text(self.as_of_day),
            "known": dict(self.known),
            "provisional": self.provisional,
            "units": {unit: line.fields() for unit, line in sorted(self.lines.items())},
            "total": self.total.fields(),
        }


def digest_of(document: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of a document in deterministic CBOR."""
    return sha256(encode(document)).digest()


def lookback_day(month: Month, promised: int, last_day: LastDay) -> int:
    """Return the earliest last day of a term that can fall due in the month, without halts."""
    low, high = month.first - 2 * promised - 400, month.first
    while low < high:
        middle = (low + high) // 2
        if last_day(middle, promised).day < month.first:
            low = middle + 1
        else:
            high = middle
    return low


def work_ledger(month: Month, as_of_day: int, calendar: Calendar, given: Tallied) -> WorkLedger:
    """Return the work ledger of a month.

    Raises:
        MalformedError: ``bad-field``: the month begins after ``as_of_day``.
    """
    if as_of_day < month.first:
        raise MalformedError(f"{month.name} has not begun", code="bad-field")
    made = _Counts()
    for it in given.monthly:
        made.add(it.unit, _COUNTED[it.figure], it.number)
        if it.figure == Figure.DECIDED:
            made.add(it.unit, "decided_days", it.total)
    for it in given.owed:
        made.add(it.unit, _OWED[it.figure], it.number)
    provisional = _add_promises(made, month, as_of_day, calendar, given.promises)
    at_day = min(month.last, as_of_day)
    for region, term, number, used in given.lent:
        low, high = map(int, term.split(","))
        if low <= at_day <= high:
            made.add(region, "lent", number)
            made.add(region, "idle", number - used)
    claimed = set()
    for unit, code in given.claimed:
        claimed.add((region_of(unit), code))
        made.add(unit, "claimed", 1)
    for region, code in {(region_of(unit), code) for unit, code in given.listed}:
        made.add(region, "unclaimed", (region, code) not in claimed)
    return WorkLedger(
        month=month,
        as_of_day=as_of_day,
        known=given.known,
        provisional=provisional,
        lines={unit: Line(**row) for unit, row in made.rows.items() if any(row.values())},
    )


class _Counts:
    """Lines while they are added to."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, int]] = {}

    def add(self, unit: str, column: str, count: int) -> None:
        row = self.rows.setdefault(unit, {})
        row[column] = row.get(column, 0) + count


def _add_promises(
    made: _Counts,
    month: Month,
    as_of_day: int,
    calendar: Calendar,
    promises: Iterable[Promises],
) -> bool:
    """Add what fell due in the month; return whether an unpublished year was counted through."""
    last_day = last_days(calendar)
    provisional = False
    for it in promises:
        owed = promise(it.term, last_day, calendar, it.halts)
        if owed is None or not month.first <= owed.day <= month.last or owed.day >= as_of_day:
            continue
        provisional = provisional or owed.provisional
        made.add(it.department, "due", it.number)
        if it.over is None or it.over > owed.day:
            made.add(it.department, "overdue", it.number)
    return provisional
