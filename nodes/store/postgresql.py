"""The right to write on PostgreSQL, and statements that save round trips to a server.

A process writes in one session alone, which holds an advisory lock; lock and open transaction end
together, whatever ends the session. Beside the lock stands a term in the database that every
transaction which writes holds and compares: a writer that was deposed commits nothing, even where
the lock went lost between us and the server (through a pooler, say).
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Connection,
    Engine,
    Insert,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
    true,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter, ClauseElement
from sqlalchemy.types import String, TypeEngine

from ledger.errors import FatalError, MalformedError, UnavailableError

CONNECT_S_MAX: Final = 3
READERS_KEPT: Final = 5

# A server must notice within seconds that a writer's machine is gone, and we that the server's is.
_SILENT_S: Final = 5
_PROBE_S: Final = 2
_PROBES: Final = 3
_UNANSWERED_MS: Final = 10_000

_ZOMBIE_S_MAX: Final = 2.0
_ZOMBIE_LOOK_S: Final = 0.05

# The session's own settings: what would end a writer that has nothing to do is switched off.
_WRITER_SETTINGS: Final = {
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "tcp_keepalives_idle": str(_SILENT_S),
    "tcp_keepalives_interval": str(_PROBE_S),
    "tcp_keepalives_count": str(_PROBES),
    "tcp_user_timeout": str(_UNANSWERED_MS),
}

# Weaker than "on": a commit that was answered might not survive.
_WEAK_COMMITS: Final = frozenset({"off", "local", "remote_write"})

_SCHEMA_LOCK: Final = 0x5348_4F55_5849_4E00
_WRITER_LOCK: Final = 0x5348_4F55_0000_0000

_TERM: Final = "shouxin_term"

_log: Final = logging.getLogger(__name__)

metadata: Final = MetaData()

writer: Final = Table(
    "writer",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("term", BigInteger, nullable=False),
)
"""One row: how often the right to write has passed from one session to another."""


def open_reading(url: str) -> Engine:
    """Open the database for reading: every transaction sees one moment.

    Raises:
        MalformedError: ``bad-config``: the URL is none, or the driver is not installed.
    """
    return _open(url, "REPEATABLE READ", pool_size=READERS_KEPT, max_overflow=-1)


def _open(url: str, isolation_level: str, **options: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's
    try:
        return create_engine(
            url,
            poolclass=QueuePool,
            pool_timeout=CONNECT_S_MAX,
            isolation_level=isolation_level,
            connect_args={
                "application_name": "shouxin",
                "connect_timeout": CONNECT_S_MAX,
                "keepalives_idle": _SILENT_S,
                "keepalives_interval": _PROBE_S,
                "keepalives_count": _PROBES,
                "tcp_user_timeout": _UNANSWERED_MS,
            },
            **options,
        )
    except ModuleNotFoundError as error:
        raise MalformedError(
            "node.database_url needs the extra: pip install shouxin[postgresql]", code="bad-config"
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError):
        # Not what it says: it quotes the URL, and that may hold a password.
        raise MalformedError("node.database_url is no database's URL", code="bad-config") from None


def create_writer_schema(connection: Connection) -> None:
    """Create the table of terms if it is not there yet; under ``lock_schema``."""
    metadata.create_all(connection)
    if connection.execute(select(writer.c.term)).first() is None:
        connection.execute(insert(writer).values(id=1, term=0))


def lock_schema(connection: Connection) -> None:
    """Have other processes that would create tables wait until this transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))


class LostSessionError(Exception):
    """The writer's session ended, and another has its place; what is in memory may be old."""


class LostCommitError(LostSessionError):
    """It ended inside a commit. Whoever writes next sees whether that happened."""


class Election:
    """This process's right to write, and the one session it writes in. For one thread at a time.

    Invariant: what ``hold`` took is held from before the first transaction that writes until the
    session is gone.

    Args:
        url: Of the database.
        hold: Called once the lock is won; UnavailableError gives the lock back.
        let_go: Called when the session is gone; also without a ``hold`` before.
    """

    def __init__(self, url: str, hold: Callable[[], None], let_go: Callable[[], None]) -> None:
        self._hold = hold
        self._let_go = let_go
        self._pid: int | None = None
        self._was_lost = False
        self.engine = _open(url, "READ COMMITTED", pool_size=1, max_overflow=0)
        event.listen(self.engine, "connect", self._set_up)
        event.listen(self.engine, "close", self._closed)

    def win(self) -> bool:
        """Take the right to write if nobody has it; say whether we have it now.

        Raises:
            MalformedError: ``bad-config``: the server keeps no promises about what it commits.
        """
        with self.engine.connect() as connection:
            return _TERM in connection.info or self._win(connection)

    def begin(self, connection: Connection) -> None:
        """Make sure, inside a transaction that begins to write, that the right to it is ours.

        Raises:
            FatalError: Another process has it.
            LostSessionError: Once after our session was lost.
        """
        self._keep(connection)
        if self._was_lost:
            self._was_lost = False
            raise LostSessionError("the database was away")
        cursor = connection.connection.cursor()
        cursor.execute(
            "SELECT 1 FROM writer WHERE id = 1 AND term = %s FOR UPDATE", (connection.info[_TERM],)
        )
        if cursor.fetchone() is None:
            raise FatalError("another process of this region has begun to write")

    def check_session(self) -> None:
        """Notice a session that is gone, so that what it held is let go.

        Raises:
            FatalError: Another process writes now.
            DBAPIError: The database cannot be reached.
        """
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        if _TERM in connection.info:
            return
        if not self._win_again(connection):
            raise FatalError("another process of this region writes now; start again to stand by")
        self._was_lost = True

    def _win_again(self, connection: Connection) -> bool:
        """Take the right back after our session was lost, unless someone else has it.

        The server may not know yet that our old session is gone; then we end it.
        """
        give_up_s = time.monotonic() + _ZOMBIE_S_MAX
        old = self._pid
        while not self._win(connection):
            if old is None or time.monotonic() > give_up_s:
                return False
            cursor = connection.connection.cursor()
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = %s",
                (old,),
            )
            is_ours = cursor.fetchone() is not None
            connection.connection.commit()
            if not is_ours:
                return self._win(connection)
            time.sleep(_ZOMBIE_LOOK_S)
        return True

    def _win(self, connection: Connection) -> bool:
        raw = connection.connection
        cursor = raw.cursor()
        lock = f"{_WRITER_LOCK} + 'writer'::regclass::oid::bigint"
        cursor.execute(f"SELECT pg_try_advisory_lock({lock}), pg_backend_pid()")
        won, pid = cursor.fetchone() or (False, 0)
        raw.commit()
        if not won:
            return False
        try:
            self._hold()
        except UnavailableError as error:
            _log.warning("the right to write is free, yet %s", error)
            cursor.execute(f"SELECT pg_advisory_unlock({lock})")
            raw.commit()
            return False
        # Waits for a transaction that still holds the row, so from here on nobody else commits.
        cursor.execute("UPDATE writer SET term = term + 1 WHERE id = 1 RETURNING term")
        (term,) = cursor.fetchone() or (0,)
        raw.commit()
        connection.info[_TERM] = term
        self._pid = pid
        _log.info("this process writes now, term %d", term)
        return True

    def _set_up(self, raw: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
        try:
            _make_durable(raw)
        except BaseException:
            # The pool knows it only from the end of this on.
            raw.close()
            raise

    def _closed(self, _raw: object, _record: object) -> None:
        self._let_go()


def _make_durable(raw: Any) -> None:  # noqa: ANN401 - a driver's connection
    """Have a session's commits survive what they must, and the session itself live on.

    Raises:
        MalformedError: ``bad-config``: the server keeps no promises.
    """
    cursor = raw.cursor()
    cursor.execute(
        "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
        (
            [
                "fsync",
                "full_page_writes",
                "synchronous_commit",
                *_WRITER_SETTINGS,
            ],
        ),
    )
    found: dict[str, str] = dict(cursor.fetchall())
    if found["fsync"] != "on" or found["full_page_writes"] != "on":
        raise MalformedError(
            "the database server runs without fsync or full_page_writes; what it commits may"
            " be gone after a power cut",
            code="bad-config",
        )
    wanted = {name: value for name, value in _WRITER_SETTINGS.items() if name in found}
    if found["synchronous_commit"] in _WEAK_COMMITS:
        wanted["synchronous_commit"] = "on"
    for name, value in wanted.items():
        cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
    raw.commit()


# ---- statements ----------------------------------------------------------------------------------


def of_each(statement: ClauseElement, names: Sequence[str]) -> Select[Any]:
    """Return one query that answers what ``statement`` would for each of many values, in order.

    Parameters are arrays of the same names. Where there is no row, all columns are null.
    """
    types = {
        found.key: found.type
        for found in visitors.iterate(statement)
        if isinstance(found, BindParameter) and found.key in names
    }
    wanted = _unnested(names, [types[name] for name in names], ordinality="at")

    def replaced(element: Any, **_: object) -> Any:  # noqa: ANN401 - SQLAlchemy's
        if isinstance(element, BindParameter) and element.key in types:
            return wanted.c[element.key]
        return None

    inner: Any = visitors.replacement_traverse(statement, {}, replaced)
    found = inner.correlate(wanted).limit(1).lateral("found")
    joined = wanted.join(found, true(), isouter=True)
    return select(*found.c).select_from(joined).order_by(wanted.c["at"])


def of_many(table: Table, replaced: Sequence[str] | None) -> Insert:
    """Return one statement that inserts many rows, given as an array for each column.

    Args:
        table: Where.
        replaced: Columns that take the new value where the key is there already; empty to leave the
            row; None: it must not be there.
    """
    # Half a hundred modules of which a node on SQLite needs none.
    from sqlalchemy.dialects.postgresql import insert as insert_postgresql  # noqa: PLC0415

    names = [column.name for column in table.columns]
    rows = _unnested(names, [column.type for column in table.columns])
    made = insert_postgresql(table).from_select(
        names, select(*(rows.c[name] for name in names)), include_defaults=False
    )
    keys = [column.name for column in table.primary_key]
    if replaced:
        return made.on_conflict_do_update(
            index_elements=keys, set_={name: made.excluded[name] for name in replaced}
        )
    return made if replaced is None else made.on_conflict_do_nothing(index_elements=keys)


def _unnested(
    names: Sequence[str], types: Sequence[TypeEngine[Any]], ordinality: str | None = None
) -> Any:  # noqa: ANN401 - SQLAlchemy's
    arrays = [
        bindparam(name, type_=ARRAY(_plain(type_)))
        for name, type_ in zip(names, types, strict=True)
    ]
    options = {} if ordinality is None else {"with_ordinality": ordinality}
    return func.unnest(*arrays).table_valued(*names, **options).render_derived(name="wanted")


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type without collation and variants, which an array's name could not carry."""
    if isinstance(type_, LargeBinary):
        return LargeBinary()
    if isinstance(type_, String):
        return Text()
    return type_
