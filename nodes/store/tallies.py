"""What acts count for, added up: the sums that a month's figures are made from.

Every query counts the acts below given sizes of the logs and no others, each the size of a block,
so that any node that holds as much gets the same sums.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, func, inspect, or_, select

from authz.tally import OVER, PROMISED, Figure
from authz.work_ledger import Lent, Sum
from ledger.errors import UnavailableError
from nodes.core.ready import PutTallies
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs
from nodes.store.notes import put_memory

UNTALLIED: Final = "untallied"
REGION_CHARS: Final = 6

_tallies = schema.tallies.c

_PUT: Final = Upsert(schema.tallies, replaced=None)
_NEXT: Final = Prepared(
    select(func.min(_tallies.figure)).where(
        _tallies.figure > bindparam("after"), _tallies.figure < bindparam("below")
    ),
    ("after", "below"),
)


def note_untallied(engine: Engine) -> None:
    """Note that a database has facts of which nothing was tallied, before its tables are made."""
    with engine.begin() as connection:
        known = inspect(connection)
        if not known.has_table(schema.facts.name) or known.has_table(schema.tallies.name):
            return
        if connection.execute(select(schema.facts.c.index).limit(1)).first() is not None:
            put_memory(connection, UNTALLIED, b"")


def check_tallied(connection: Connection) -> None:
    """Check that everything the database holds was tallied.

    Raises:
        UnavailableError: ``not-tallied``.
    """
    query = select(schema.memory.c.name).where(schema.memory.c.name == UNTALLIED)
    if connection.execute(query).first() is not None:
        raise UnavailableError("this database is older than its tallies", code="not-tallied")


def put(connection: Connection, ids: LogIDs, write: PutTallies) -> None:
    """Add rows."""
    log = ids.get(connection, write.origin)
    _PUT.run_many(
        connection,
        [
            (it.figure, it.day, it.unit, it.detail, log, it.at, it.number, it.total)
            for it in write.rows
        ],
    )


class Sums:
    """Adds up the tallies below some sizes of the logs.

    Args:
        connection: Open.
        ids: Of logs.
        known: Size of each log, by origin; each the size of a block.
    """

    def __init__(self, connection: Connection, ids: LogIDs, known: Mapping[str, int]) -> None:
        self._connection = connection
        sizes = ((ids.find(connection, origin), size) for origin, size in known.items())
        self._below: ColumnElement[bool] = or_(
            *(
                (_tallies.log_id == log_id) & (_tallies.at < size)
                for log_id, size in sizes
                if log_id is not None
            )
        )

    def by_unit(self, figures: Iterable[str], low: int, high: int) -> Iterator[Sum]:
        """Give the sums over the days [low, high] by unit."""
        for figure in figures:
            query = (
                select(_tallies.unit, func.sum(_tallies.number), func.sum(_tallies.total))
                .where(*self._days(figure, low, high))
                .group_by(_tallies.unit)
            )
            for unit, count, total in self._connection.execute(query):
                yield Sum(figure, unit, "", int(count), int(total))

    def by_detail(self, figure: str, low: int, high: int) -> Iterator[Sum]:
        """Give the sums over the days [low, high] by unit and detail that are not zero."""
        added = func.sum(_tallies.number)
        query = (
            select(_tallies.unit, _tallies.detail, added)
            .where(*self._days(figure, low, high))
            .group_by(_tallies.unit, _tallies.detail)
            .having(added != 0)
        )
        for unit, detail, count in self._connection.execute(query):
            yield Sum(figure, unit, detail, int(count))

    def by_day(self, figure: str, low: int, high: int) -> Iterator[tuple[int, Sum]]:
        """Give the sums of each day of [low, high] by unit and detail that are not zero."""
        added = func.sum(_tallies.number)
        query = (
            select(_tallies.day, _tallies.unit, _tallies.detail, added)
            .where(*self._days(figure, low, high))
            .group_by(_tallies.day, _tallies.unit, _tallies.detail)
            .having(added != 0)
            .order_by(_tallies.day)
        )
        for day, unit, detail, count in self._connection.execute(query):
            yield day, Sum(figure, unit, detail, int(count))

    def lent(self, low: int, high: int) -> list[Lent]:
        """Return the grants that stood on a day, and whether any was used since another one.

        They are told apart in the database: there may be a hundred thousand.
        """
        added = func.sum(_tallies.number)
        region = func.substr(_tallies.unit, 1, REGION_CHARS).label("region")
        offered, accepted, used = (
            select(*columns, added.label("added"))
            .where(*self._days(figure, first, high))
            .group_by(*columns)
            .having(added > 0)
            .subquery()
            for figure, first, columns in (
                (Figure.LENT, 0, (_tallies.unit, region, _tallies.detail)),
                (Figure.ACCEPTED, 0, (_tallies.unit,)),
                (Figure.GRANT_DECIDED, low, (_tallies.unit,)),
            )
        )
        query = (
            select(offered.c.region, offered.c.detail, func.count(), func.count(used.c.unit))
            .join(accepted, accepted.c.unit == offered.c.unit)
            .outerjoin(used, used.c.unit == offered.c.unit)
            .group_by(offered.c.region, offered.c.detail)
            .order_by(offered.c.region, offered.c.detail)
        )
        return [Lent(*row) for row in self._connection.execute(query)]

    def _days(self, figure: str, low: int, high: int) -> Sequence[ColumnElement[bool]]:
        days = _tallies.day.between(low, high)
        return (_tallies.figure == str(figure), days, self._below)


def promised_days(connection: Connection) -> list[int]:
    """Return the numbers of working days that any case was promised to be decided in."""
    found = []
    for family in (PROMISED, OVER):
        after, below = family, family[:-1] + chr(ord("/") + 1)
        while (row := _NEXT.run(connection, (after, below)).fetchone()) is not None:
            if row[0] is None:
                break
            after = row[0]
            found.append(int(after.removeprefix(family)))
    return sorted(set(found))
