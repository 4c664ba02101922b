"""What a node keeps beside the ledger: refused attempts, and who looked at which case."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from sqlalchemy import Connection, Engine, Table, bindparam, delete, func, insert, select, update

from nodes.store import journal_schema
from nodes.store.engine import Prepared, Upsert, create_tables

DAY_S: Final = 86_400
PRUNED_ROWS_MAX: Final = 1_000
"""Taken out at once, of each table: more than ever comes in at once, and no long wait."""

_refusals = journal_schema.refusals
_readings = journal_schema.readings
_KEY: Final = ("case", "day", "party", "role", "what")

_PUT: Final = Upsert(_refusals, replaced=())
_FIND: Final = Prepared(
    select(_refusals.c.request, _refusals.c.at_s, _refusals.c.party, _refusals.c.told).where(
        _refusals.c.request == bindparam("asked")
    ),
    ("asked",),
)
_AGAIN: Final = Prepared(
    update(_readings)
    .where(*(_readings.c[name] == bindparam(f"of_{name}") for name in _KEY))
    .values(last_s=bindparam("seen_s"), times=_readings.c.times + bindparam("more")),
    ("seen_s", "more", *(f"of_{name}" for name in _KEY)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """One attempt that was refused.

    Args:
        request: The number that the answer gave, 16 bytes.
        at_s: When.
        party: Who tried.
        told: What else is known of it, encoded.
    """

    request: bytes
    at_s: int
    party: str
    told: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRow:
    """That somebody looked at something of a case on a day; ``times`` in all."""

    case: str
    party: str
    role: str
    what: str
    first_s: int
    last_s: int
    times: int

    @property
    def key(self) -> tuple[str, int, str, str, str]:
        """What tells it apart."""
        return (self.case, self.first_s // DAY_S, self.party, self.role, self.what)

    def joined(self, before: Self) -> Self:
        """Return this row and an earlier one of the same key as one."""
        return replace(self, first_s=before.first_s, times=before.times + self.times)


def create_journal_schema(engine: Engine) -> None:
    """Create the tables if they are not there yet."""
    with engine.begin() as connection:
        create_tables(connection, journal_schema.metadata)


def add_refusals(connection: Connection, rows: Sequence[RefusalRow]) -> None:
    """Keep refused attempts; what is there already, when a commit's end was not known, stays."""
    _PUT.run_many(connection, [(row.request, row.at_s, row.party, row.told) for row in rows])


def find_refusal(connection: Connection, request: bytes) -> RefusalRow | None:
    """Return the refused attempt of this number; None where none is kept."""
    row = _FIND.run(connection, (request,)).fetchone()
    if row is None:
        return None
    return RefusalRow(request=bytes(row[0]), at_s=row[1], party=row[2], told=bytes(row[3]))


def load_refusals(
    connection: Connection, *, party: str, before: tuple[int, bytes], rows_max: int
) -> list[RefusalRow]:
    """Return refused attempts, the latest first, from the one before ``before`` on.

    Args:
        connection: Open.
        party: Only theirs; empty for everyone's.
        before: When the last one of the page before was, and its number.
        rows_max: Of a page.
    """
    at_s, request = before
    kept = _refusals.c
    query = select(kept.request, kept.at_s, kept.party, kept.told).where(
        (kept.at_s < at_s) | ((kept.at_s == at_s) & (kept.request < request))
    )
    if party:
        query = query.where(kept.party == party)
    query = query.order_by(kept.at_s.desc(), kept.request.desc()).limit(rows_max)
    return [
        RefusalRow(request=bytes(row[0]), at_s=row[1], party=row[2], told=bytes(row[3]))
        for row in connection.execute(query)
    ]


def add_readings(connection: Connection, rows: Sequence[ReadingRow]) -> int:
    """Count readings, and return how many rows are new."""
    new = []
    for row in rows:
        key = row.key
        if not _AGAIN.run(connection, (row.last_s, row.times, *key)).rowcount:
            values = (*key, row.first_s, row.last_s, row.times)
            new.append(dict(zip(_readings.c.keys(), values, strict=True)))
    if new:
        connection.execute(insert(_readings), new)
    return len(new)


def load_readings(connection: Connection, case: str, rows_max: int) -> list[ReadingRow]:
    """Return who looked at a case, the latest days first."""
    query = (
        select(_readings)
        .where(_readings.c.case == case)
        .order_by(_readings.c.day.desc(), *(_readings.c[name] for name in _KEY[2:]))
        .limit(rows_max)
    )
    return [
        ReadingRow(
            case=row.case,
            party=row.party,
            role=row.role,
            what=row.what,
            first_s=row.first_s,
            last_s=row.last_s,
            times=row.times,
        )
        for row in connection.execute(query)
    ]


def count_rows(connection: Connection) -> tuple[int, int]:
    """Return how many refusals and how many readings are kept."""
    return _count(connection, _refusals), _count(connection, _readings)


def prune_refusals(connection: Connection, before_s: int, excess: int) -> int:
    """Take out what is older than a time, and the oldest beyond that; return how many."""
    query = select(_refusals.c.request, _refusals.c.at_s).order_by(_refusals.c.at_s)
    found = connection.execute(query.limit(PRUNED_ROWS_MAX)).all()
    ended = [row.request for at, row in enumerate(found) if at < excess or row.at_s < before_s]
    if ended:
        connection.execute(
            delete(_refusals).where(_refusals.c.request == bindparam("ended")),
            [{"ended": request} for request in ended],
        )
    return len(ended)


def prune_readings(connection: Connection, before_s: int, excess: int) -> int:
    """Take out what is of days before a time's, and the oldest beyond that; return how many."""
    query = select(*(_readings.c[name] for name in _KEY)).order_by(_readings.c.day)
    found = connection.execute(query.limit(PRUNED_ROWS_MAX)).all()
    ended = [row for at, row in enumerate(found) if at < excess or row.day < before_s // DAY_S]
    if ended:
        connection.execute(
            delete(_readings).where(
                *(_readings.c[name] == bindparam(f"of_{name}") for name in _KEY)
            ),
            [{f"of_{name}": value for name, value in zip(_KEY, row, strict=True)} for row in ended],
        )
    return len(ended)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
