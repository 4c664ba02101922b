"""Opens the database, and prepares statements once for calls without SQLAlchemy's per-call cost.

The tables and every statement are SQLAlchemy Core; on hot paths only the compiled text is handed to
the driver. Whoever owns the write connection is the single writer: SQLite sees to it with its lock,
PostgreSQL with an election. What the two databases do differently is decided here and nowhere else.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, insert, inspect, select
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool
from sqlalchemy.schema import CreateIndex, CreateTable, Table
from sqlalchemy.sql.elements import ClauseElement

from ledger.errors import FatalError
from nodes.store import schema
from nodes.store.postgresql import (
    Election,
    LostCommitError,
    LostSessionError,
    create_writer_schema,
    lock_schema,
    of_each,
    of_many,
    open_reading,
)

BUSY_TIMEOUT_MS: Final = 2_000
CACHE_KIB: Final = 16_384
CHECKPOINT_PAGES: Final = 1_000
PAGE_BYTES: Final = 8192

WRITER: Final = "shouxin_writer"
"""Execution option of the one connection that writes."""

_POSTGRESQL: Final = "postgresql"


@dataclass(frozen=True, slots=True)
class Store:
    """A node's database, as one process uses it.

    Args:
        writing: For the one thread that writes.
        reading: For everyone beside it.
        election: Who writes, where several processes share the database; None where none can.
    """

    writing: Engine
    reading: Engine
    election: Election | None = None

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.reading.dispose()
        self.writing.dispose()


def open_store(
    path: Path,
    url: str = "",
    *,
    hold: Callable[[], None] = lambda: None,
    let_go: Callable[[], None] = lambda: None,
) -> Store:
    """Open the database: PostgreSQL where there is a URL, else SQLite.

    Args:
        path: SQLite's file.
        url: Of a PostgreSQL database.
        hold: Called when this process wins the right to write to a database that others share.
        let_go: Called when it has lost it.

    Raises:
        MalformedError: ``bad-config``.
    """
    if not url:
        engine = open_sqlite(path)
        return Store(engine, engine)
    election = Election(url, hold, let_go)

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITER, False):
            election.begin(connection)

    event.listen(election.engine, "begin", begin)
    return Store(election.engine, open_reading(url), election)


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


class Writing:
    """The connection of the one that writes.

    On SQLite it is kept from one use to the next, since taking it from the pool and giving it back
    costs as much as a small step; in memory as well, where all share one connection of the driver.
    A server's goes back each time: it may be another one by then.

    Invariant: between two uses no transaction is open on it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._keeps = engine.dialect.name != _POSTGRESQL
        self._kept: Connection | None = None
        if self._keeps:
            # The last connection that closes is what leaves the database whole in one file.
            event.listen(engine, "engine_disposed", self._let_go)

    def _let_go(self, _engine: Engine) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.invalidate()  # nothing is open on it that would be undone
            kept.close()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give the connection for one use; one that ends in an error is its last."""
        connection, self._kept = self._kept, None
        if connection is None:
            connection = self._engine.connect().execution_options(**{WRITER: True})
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if self._keeps and not connection.in_transaction():
            self._kept = connection
        else:
            connection.close()


def create_schema(engine: Engine) -> None:
    """Create the tables that are not there yet."""
    with engine.begin() as connection:
        create_tables(connection, schema.metadata)
        if connection.execute(select(schema.commits.c.number)).first() is None:
            connection.execute(insert(schema.commits).values(id=1, number=0))
        if connection.dialect.name == _POSTGRESQL:
            create_writer_schema(connection)


def create_tables(connection: Connection, tables: MetaData) -> None:
    """Create those of the tables that are not there yet."""
    if connection.dialect.name == _POSTGRESQL:
        lock_schema(connection)
    known = set(inspect(connection).get_table_names())
    for table in tables.sorted_tables:
        if table.name not in known:
            for text in _making(table, connection.dialect):
                _cursor(connection).execute(text)


_MAKING: Final[dict[tuple[str, Table], tuple[str, ...]]] = {}
"""The statements that make a table, by the database; they take longer to spell than to run."""


def _making(table: Table, dialect: Dialect) -> tuple[str, ...]:
    texts = _MAKING.get((dialect.name, table))
    if texts is None:
        if dialect.name == _POSTGRESQL:
            # Said here, since the tables are every node's: an option of this database's loads all
            # that there is for it.
            for index in table.indexes:
                kept = index.dialect_options["sqlite"].get("where")
                index.dialect_options[_POSTGRESQL]["where"] = kept
        made: list[ClauseElement] = [CreateTable(table), *map(CreateIndex, table.indexes)]
        texts = tuple(str(it.compile(dialect=dialect)) for it in made)
        _MAKING[dialect.name, table] = texts
    return texts


# ---- what went wrong -----------------------------------------------------------------------------


def driver_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """Return the errors after which a transaction that is rolled back did not happen."""
    driver = engine.dialect.loaded_dbapi
    errors = (DBAPIError, driver.OperationalError, LostSessionError)
    # Of a connection that is gone already, this driver says that it was used wrongly.
    return (*errors, driver.InterfaceError) if engine.dialect.name == _POSTGRESQL else errors


def check_undone(connection: Connection, error: Exception) -> None:
    """Return if a commit that failed certainly did not happen.

    Raises:
        LostCommitError: It may have; the database will tell, once it is back.
        FatalError: Nobody can tell.
    """
    if connection.dialect.name == _POSTGRESQL:
        if is_lost(error):
            raise LostCommitError("the session ended inside a commit") from error
        return  # the server has answered that it rolled back
    raw = connection.connection.driver_connection
    if getattr(raw, "in_transaction", False):
        # The database says that it is still open: so it did not happen.
        connection.connection.rollback()
    elif getattr(_raw(error), "sqlite_errorname", "") != "SQLITE_FULL":
        raise FatalError(f"it is not known whether the commit happened: {error}") from error
    # SQLite has rolled back by itself: the frame that would have committed had no room.


def is_lost(error: BaseException) -> bool:
    """Say whether a session with a server has ended, or could not begin."""
    raw = _raw(error)
    names = {base.__name__ for base in type(raw).__mro__}
    if not hasattr(raw, "sqlstate") or not names & {"OperationalError", "InterfaceError"}:
        return False
    # Without a state it is not the server who speaks; 08: connection, 57P: it shuts down or starts.
    return raw.sqlstate is None or raw.sqlstate.startswith(("08", "57P"))


def trouble(error: BaseException) -> tuple[str, str] | None:
    """Return code and words for an error of the database; None for any other error."""
    if isinstance(error, LostCommitError):
        return "unknown-outcome", "the database went away; whether this was recorded is not known"
    if isinstance(error, LostSessionError) or is_lost(error):
        return "busy", "the database cannot be reached"
    raw = _raw(error)
    name = str(getattr(raw, "sqlite_errorname", ""))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "busy", f"the database is in use, {name}"
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return "disk", f"the database takes no writes, {name}"
    state = str(getattr(raw, "sqlstate", ""))
    if state.startswith(("53100", "58030")):
        return "disk", f"the database takes no writes, {state}"
    if state.startswith(("25006", "40", "53", "55P03", "57014")):
        return "busy", f"the database is in use, {state}"
    return None


def is_no_database(error: BaseException) -> bool:
    """Say whether what stands in SQLite's file is not a database, or not any more."""
    name = str(getattr(_raw(error), "sqlite_errorname", ""))
    return name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))


def _raw(error: BaseException) -> Any:  # noqa: ANN401 - a driver's error
    return error.orig if isinstance(error, DBAPIError) else error


# ---- SQLite --------------------------------------------------------------------------------------


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
    # Straight to the driver: every step and every read begins one.
    _cursor(connection).execute("BEGIN IMMEDIATE" if writes else "BEGIN")


# ---- statements ----------------------------------------------------------------------------------


class Prepared:
    """A Core statement as the text and parameter order that the driver wants.

    Parameters are given by position, in the order of ``names``; literals in the statement keep
    their values.

    Args:
        statement: The statement.
        names: Of its parameters.
        arrays: Whether they are PostgreSQL's arrays.
    """

    __slots__ = ("_arrays", "_compiled", "_each", "_names", "_statement")

    def __init__(
        self, statement: ClauseElement, names: Sequence[str], *, arrays: bool = False
    ) -> None:
        self._statement = statement
        self._arrays = arrays
        self._names = tuple(names)
        self._compiled: dict[str, tuple[str, _Arrange | None]] = {}
        self._each: Prepared | None = None

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
            text = str(compiled)
            if self._arrays:
                # In the driver's binary form, which escapes nothing.
                for name in self._names:
                    text = text.replace(f"%({name})s", f"%({name})b")
            found = self._compiled[dialect.name] = (text, arrange)
        return found

    def run(self, connection: Connection, values: Sequence[object] = ()) -> Any:  # noqa: ANN401 - of either driver
        """Execute once and return the driver's cursor."""
        text, arrange = self._text(connection.dialect)
        cursor = _cursor(connection)
        cursor.execute(text, values if arrange is None else arrange(values))
        return cursor

    def run_each(
        self, connection: Connection, wanted: Sequence[Sequence[object]]
    ) -> list[tuple[Any, ...] | None]:
        """Execute for each and return the first row of every result.

        The first column of a row is never null.
        """
        if connection.dialect.name == _POSTGRESQL:
            # A round trip for all of them, where SQLite has none.
            if not wanted:
                return []
            if self._each is None:
                each = of_each(self._statement, self._names)
                self._each = Prepared(each, self._names, arrays=True)
            columns = list(map(list, zip(*wanted, strict=True)))
            found = self._each.run(connection, columns).fetchall()
            return [None if row[0] is None else row for row in found]
        text, arrange = self._text(connection.dialect)
        cursor = _cursor(connection)
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
        cursor = _cursor(connection)
        arranged: Any = rows if arrange is None else list(map(arrange, rows))
        cursor.executemany(text, arranged)
        changed: int = cursor.rowcount
        return changed


_Arrange = Callable[[Sequence[object]], Any]


def _cursor(connection: Connection) -> Any:  # noqa: ANN401 - a driver's cursor
    # This driver begins by itself; SQLAlchemy must know, or it would not end what has begun.
    if connection.dialect.name == _POSTGRESQL and not connection.in_transaction():
        connection.begin()
    # Past the pool's own cursor: statements are many, and small.
    raw: Any = connection.connection.dbapi_connection
    return raw.cursor()


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
    """Inserts rows into a table, or replaces some columns where the key is there already.

    Args:
        table: Where; values stand in the order of its columns.
        replaced: Columns that take the new value where the key is there already; empty to leave the
            row as it is; None: the key must not be there.
    """

    __slots__ = ("_keys", "_names", "_prepared", "_replaced", "_table")

    def __init__(self, table: Table, *, replaced: Sequence[str] | None) -> None:
        self._table = table
        self._names = tuple(column.name for column in table.columns)
        self._keys = [self._names.index(column.name) for column in table.primary_key]
        self._replaced = replaced
        self._prepared: dict[str, Prepared] = {}

    def run_many(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        """Write the rows, the later over the earlier."""
        if not rows:
            return
        name = connection.dialect.name
        prepared = self._prepared.get(name)
        if prepared is None:
            make = of_many if name == _POSTGRESQL else _sqlite_insert
            statement = make(self._table, self._replaced)
            prepared = self._prepared[name] = Prepared(
                statement, self._names, arrays=name == _POSTGRESQL
            )
        if name == _POSTGRESQL:
            if self._replaced:
                # One statement writes all, and none writes a row twice.
                keys = self._keys
                rows = list({tuple(row[at] for at in keys): row for row in rows}.values())
            prepared.run(connection, list(map(list, zip(*rows, strict=True))))
        else:
            prepared.run_many(connection, rows)


def _sqlite_insert(table: Table, replaced: Sequence[str] | None) -> ClauseElement:
    if replaced is None:
        return insert(table)
    made = insert_sqlite(table)
    keys = [column.name for column in table.primary_key]
    if not replaced:
        return made.on_conflict_do_nothing(index_elements=keys)
    return made.on_conflict_do_update(
        index_elements=keys, set_={column: made.excluded[column] for column in replaced}
    )
