"""Opens the database, and prepares statements once for calls without SQLAlchemy's per-call cost.

The tables and every statement are SQLAlchemy Core; on hot paths only the compiled text is handed to
the driver. Whoever owns the write connection is the single writer: SQLite sees to it with its lock.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.pool import QueuePool, StaticPool
from sqlalchemy.schema import Table
from sqlalchemy.sql.elements import ClauseElement

from nodes.store import schema

BUSY_TIMEOUT_MS: Final = 2_000
CACHE_KIB: Final = 16_384
CHECKPOINT_PAGES: Final = 4_000
PAGE_BYTES: Final = 8192

WRITER: Final = "shouxin_writer"
"""Execution option of the one connection that writes."""


def open_sqlite(path: Path | None) -> Engine:
    """Open the database file, or one in memory for ``None``.

    Write-ahead log with full synchronisation: a commit that returned survives a power cut.
    """
    if path is None:
        engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
    else:
        engine = create_engine(
            f"sqlite:///{path}",
            poolclass=QueuePool,
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def create_schema(engine: Engine) -> None:
    """Create the tables that are not there yet."""
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
        if connection.execute(select(schema.commits.c.number)).first() is None:
            connection.execute(insert(schema.commits).values(id=1, number=0))


def _set_up(raw: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
    # The driver must not begin transactions by itself: SQLAlchemy's begin does, below.
    raw.isolation_level = None
    cursor = raw.cursor()
    for pragma in (
        f"page_size={PAGE_BYTES}",
        "journal_mode=WAL",
        "synchronous=FULL",
        f"cache_size=-{CACHE_KIB}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: a read that turns into a write later can fail half-way.
    writes = connection.get_execution_options().get(WRITER, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Prepared:
    """A Core statement as the text and parameter order that the driver wants.

    Parameters are given by position, in the order of ``names``; literals in the statement keep
    their values.
    """

    __slots__ = ("_compiled", "_names", "_statement")

    def __init__(self, statement: ClauseElement, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = tuple(names)
        self._compiled: dict[str, tuple[str, _Arrange | None]] = {}

    def _text(self, dialect: Dialect) -> tuple[str, "_Arrange | None"]:
        """Return the text, and what puts values into the driver's form; None: as they are."""
        found = self._compiled.get(dialect.name)
        if found is None:
            compiled: Any = self._statement.compile(dialect=dialect)
            order: list[str] | None = getattr(compiled, "positiontup", None)
            literals = {
                name: value for name, value in compiled.params.items() if name not in self._names
            }
            names = (*self._names, *literals)
            more = tuple(literals.values())
            arrange: _Arrange | None
            if order is None:
                arrange = _by_name(names, more)
            elif tuple(order) == self._names:
                arrange = None
            elif tuple(order) == names:
                arrange = _with(more)
            else:
                arrange = _in_order([names.index(name) for name in order], more)
            found = self._compiled[dialect.name] = (str(compiled), arrange)
        return found

    def run(self, connection: Connection, values: Sequence[object] = ()) -> Any:  # noqa: ANN401
        """Execute once and return the driver's cursor."""
        text, arrange = self._text(connection.dialect)
        cursor = connection.connection.cursor()
        cursor.execute(text, values if arrange is None else arrange(values))
        return cursor

    def run_each(
        self, connection: Connection, wanted: Iterable[Sequence[object]]
    ) -> list[tuple[Any, ...] | None]:
        """Execute once for each and return the first row of every result."""
        text, arrange = self._text(connection.dialect)
        cursor = connection.connection.cursor()
        execute, first = cursor.execute, cursor.fetchone
        rows = []
        for values in wanted:
            execute(text, values if arrange is None else arrange(values))
            rows.append(first())
        return rows

    def run_many(self, connection: Connection, rows: Sequence[Sequence[object]]) -> int:
        """Execute for all rows in one driver call and return how many rows changed."""
        if not rows:
            return 0
        text, arrange = self._text(connection.dialect)
        cursor = connection.connection.cursor()
        arranged: Any = rows if arrange is None else list(map(arrange, rows))
        cursor.executemany(text, arranged)
        changed: int = cursor.rowcount
        return changed


_Arrange = Callable[[Sequence[object]], Any]


def _with(more: tuple[object, ...]) -> _Arrange:
    return lambda values: (*values, *more)


def _in_order(order: Sequence[int], more: tuple[object, ...]) -> _Arrange:
    def arrange(values: Sequence[object]) -> list[object]:
        every = (*values, *more)
        return [every[at] for at in order]

    return arrange


def _by_name(names: Sequence[str], more: tuple[object, ...]) -> _Arrange:
    return lambda values: dict(zip(names, (*values, *more), strict=True))


class Upsert:
    """Insert rows, replacing some columns where the key is there already."""

    __slots__ = ("_names", "_prepared", "_replaced", "_table")

    def __init__(self, table: Table, *, replaced: Sequence[str]) -> None:
        self._table = table
        self._names = tuple(column.name for column in table.columns)
        self._replaced = tuple(replaced)
        self._prepared: dict[str, Prepared] = {}

    def run_many(self, connection: Connection, rows: Sequence[Sequence[object]]) -> int:
        """Write the rows, whose values stand in the order of the table's columns."""
        name = connection.dialect.name
        prepared = self._prepared.get(name)
        if prepared is None:
            make = insert_postgresql if name == "postgresql" else insert_sqlite
            statement = make(self._table)
            keys = [column.name for column in self._table.primary_key]
            chosen = (
                statement.on_conflict_do_update(
                    index_elements=keys,
                    set_={column: statement.excluded[column] for column in self._replaced},
                )
                if self._replaced
                else statement.on_conflict_do_nothing(index_elements=keys)
            )
            prepared = self._prepared[name] = Prepared(chosen, self._names)
        return prepared.run_many(connection, rows)
