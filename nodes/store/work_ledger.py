"""Reads all that a month's work ledger is made from, as of given sizes of the logs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from authz.calendar import Calendar, calendar_names, calendar_of, end_of_day
from authz.promise import Halt, last_days
from authz.tally import OVER, PROMISED, Figure, term_figure
from authz.term import Term
from authz.work_ledger import MONTHLY, OWED, Month, Promises, Tallied, lookback_day
from ledger.kind import Fact
from ledger.names import region_of_origin
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.entries import LogIDs
from nodes.store.facts import newest
from nodes.store.notes import load_projections
from nodes.store.tallies import Sums, promised_days

_LOOKBACK_DAYS: Final = 2_100
"""No term reaches further back: a thousand working days, and the longest holidays."""


def load_blocks(connection: Connection, ids: LogIDs) -> dict[str, int]:
    """Return the size of the newest block of each log that is judged here, by origin."""
    found = {}
    for origin in sorted(load_projections(connection)):
        block = block_below(connection, ids, origin, INDEX_PAST_ALL)
        if block:
            found[origin] = block
    return found


def block_below(connection: Connection, ids: LogIDs, origin: str, size: int) -> int:
    """Return the size of the newest block of a log whose record has a smaller index; 0: none."""
    [row] = newest(connection, ids, [(origin, origin, size)])
    # The row of a log under its own name is that of its newest block record, or of its beginning.
    return row.index if row is not None and row.origin == origin else 0


def load_calendar(
    connection: Connection, ids: LogIDs, known: Mapping[str, int], month: Month
) -> Calendar:
    """Return the calendar that the known entries publish, for every term that bears on a month."""
    origins = {region_of_origin(origin): origin for origin in sorted(known)}
    days = (month.first - _LOOKBACK_DAYS, month.first, month.last)
    names = calendar_names(origins, [end_of_day(day) - 1 for day in days])
    wanted = [(origins[name[:6]], name, known[origins[name[:6]]]) for name in names]
    return calendar_of(it for it in newest(connection, ids, wanted) if it is not None)


def load_tallied(  # noqa: PLR0917 - a connection, and what is asked
    connection: Connection,
    ids: LogIDs,
    known: Mapping[str, int],
    month: Month,
    as_of_day: int,
    calendar: Calendar,
) -> Tallied:
    """Return the sums that a month's figures are made from."""
    sums = Sums(connection, ids, known)
    days = (month.first, month.last)
    return Tallied(
        known=known,
        monthly=tuple(sums.by_unit(MONTHLY, *days)),
        owed=tuple(sums.by_unit(OWED, month.first, min(month.last, as_of_day - 1))),
        promises=_promises(connection, ids, sums, known, month, calendar),
        lent=sums.lent(month.first, month.last),
        claimed=_held(sums, Figure.CLAIMED, month),
        listed=_held(sums, Figure.LISTED, month),
    )


def _held(sums: Sums, figure: Figure, month: Month) -> list[tuple[str, str]]:
    found = sums.by_detail(figure, 0, month.last)
    return sorted((it.unit, it.detail) for it in found if it.number > 0)


def _promises(  # noqa: PLR0917 - a connection, and what is asked
    connection: Connection,
    ids: LogIDs,
    sums: Sums,
    known: Mapping[str, int],
    month: Month,
    calendar: Calendar,
) -> Iterator[Promises]:
    last_day = last_days(calendar)
    earliest = month.first
    for promised in promised_days(connection):
        low = lookback_day(month, promised, last_day)
        earliest = min(earliest, low)
        for day, it in sums.by_day(term_figure(PROMISED, promised), low, month.last):
            yield Promises(it.unit, _term(promised, it.detail, day), None, it.number)
        for day, it in sums.by_day(term_figure(OVER, promised), low, month.last):
            days, _, over = it.detail.partition(";")
            term = _term(promised, days, day)
            # It began like the others, and ended.
            yield Promises(it.unit, term, None, -it.number)
            yield Promises(it.unit, term, int(over), it.number)
    yield from _halted(connection, ids, sums, known, earliest, month.last)


def _term(promised: int, days: str, last: int) -> Term:
    return (promised, *map(int, days.split(",")), last) if days else (promised, last)


def _halted(  # noqa: PLR0917 - as above
    connection: Connection,
    ids: LogIDs,
    sums: Sums,
    known: Mapping[str, int],
    low: int,
    high: int,
) -> Iterator[Promises]:
    """Give what procedures change: each such case once without its halts, taken away, and with."""
    cases = {
        it.unit
        for figure in (Figure.HALTED, Figure.RESUMED)
        for it in sums.by_unit((figure,), low, high)
    }
    halts = _halts(sums, cases, high) if cases else {}
    for case in sorted(cases):
        wanted = [(origin, case, size) for origin, size in known.items()]
        row = _furthest([it for it in newest(connection, ids, wanted) if it is not None])
        if row is None:
            continue
        term, over = row["term"], row.get("over")
        yield Promises(row["dept"], term, over, -1)
        yield Promises(row["dept"], term, over, 1, halts[case])


def _halts(sums: Sums, cases: set[str], high: int) -> dict[str, list[Halt]]:
    begun: dict[str, tuple[str, int]] = {}
    ended: dict[str, int] = {}
    for day, it in sums.by_day(Figure.HALTED, 0, high):
        if it.unit in cases:
            begun[it.detail] = (it.unit, day)
    for day, it in sums.by_day(Figure.RESUMED, 0, high):
        ended[it.detail] = day
    found: dict[str, list[Halt]] = {case: [] for case in cases}
    for procedure, (case, day) in begun.items():
        found[case].append(Halt(day, ended.get(procedure)))
    return found


def _furthest(rows: Sequence[Fact]) -> Mapping[str, Any] | None:
    """Return the row of a case, out of those in all logs, that knows most of its term."""
    told = [it.state for it in rows if "term" in it.state]
    return max(told, key=lambda row: ("over" in row, len(row["term"])), default=None)
