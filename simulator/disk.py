"""What outlives a process: the database, the fence, and the moments at which a process may die.

The database is the node's own SQL on SQLite in memory. It is kept across crashes; what was not
committed is rolled back, as a real disk would do it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from enum import StrEnum
from functools import cache
from typing import Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from ledger.hashing import EMPTY_ROOT
from nodes.ports import FenceMark
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.schema import ENTRY_BITS
from simulator.world import BrokenError

_NAMES: Final = {
    sqlite3.SQLITE_BUSY: "SQLITE_BUSY",
    sqlite3.SQLITE_FULL: "SQLITE_FULL",
    sqlite3.SQLITE_IOERR: "SQLITE_IOERR",
}


class SimulatedCrashError(BaseException):
    """The process is gone. Not an ``Exception``, so that no handler of the node survives it."""


class Fault(StrEnum):
    """What may go wrong in the one step for which it is armed."""

    CRASH_BEFORE_COMMIT = "crash before commit"
    CRASH_BEFORE_FENCE = "crash between commit and fence"
    CRASH_BEFORE_SEND = "crash between fence and send"
    CRASH_WHILE_SENDING = "crash between sends"
    COMMIT_BUSY = "commit failed: locked"
    COMMIT_FULL = "commit failed: disk full"
    COMMIT_UNKNOWN = "commit done but reported as failed"
    STATEMENT_FAILED = "statement failed: deadlock"
    SESSION_LOST_DONE = "session lost in a commit, which is done"
    SESSION_LOST_UNDONE = "session lost in a commit, which is not done"


OF_SERVERS: Final = frozenset(
    {Fault.STATEMENT_FAILED, Fault.SESSION_LOST_DONE, Fault.SESSION_LOST_UNDONE}
)
"""What happens to a database behind a server only."""
COMMIT_LOST: Final = frozenset({Fault.SESSION_LOST_DONE, Fault.SESSION_LOST_UNDONE})
"""After which a node finds out in its next step whether it happened."""


class ServerError(sqlite3.OperationalError):
    """What the driver of a server says; without a state it is not the server that speaks."""

    sqlstate: str | None = None


class DeadlockError(ServerError):
    """The server has undone a transaction in favour of another."""

    sqlstate = "40P01"


class Disk:
    """A database and a fence. ``armed`` is the fault that the next chance brings.

    ``database`` is the one connection there is; checkers look at it from outside the node.
    Invariant: ``mark`` is what the fence held when it was last stored in full.

    Args:
        undoes: Whether what was not committed can be undone. Where nothing goes wrong nothing is:
            a fifth of what rows cost is to keep each page as it was, and to undo one all the same
            breaks the world.
        is_read: Whether the checkers find all rows by an index of theirs, of which no node knows.
            It costs as much as a row does; else they say what they read (``read_log``,
            ``read_all``).
    """

    def __init__(self, *, undoes: bool = True, is_read: bool = True) -> None:
        self._undoes = undoes
        self._is_read = is_read
        self._committed = 0
        """How many rows had been changed at the last commit."""
        self.mark: FenceMark | None = FenceMark(0, 0, EMPTY_ROOT)  # as an installation leaves it
        self.armed: Fault | None = None
        self.struck: Fault | None = None
        """The fault that came true and that nobody has looked at yet."""
        self.is_full = False
        """Whether no commit succeeds until somebody makes room."""
        self.is_away = False
        """Whether its server cannot be reached by the node."""
        self.is_in_use = False
        """Whether it is the node that reads and writes now, and not somebody who looks on."""
        self._statements_left = 0
        self._open()

    def lose_database(self) -> None:
        """Put an empty database in place of the one there is; the fence is elsewhere, and stays."""
        self.close()
        self._open()

    def _open(self) -> None:
        self.engine: Engine = open_sqlite(None)
        borrowed = self.engine.raw_connection()
        database = borrowed.driver_connection
        assert isinstance(database, sqlite3.Connection)
        self.database = database
        borrowed.close()
        event.listen(self.engine, "begin", self._on_begin)
        event.listen(self.engine, "commit", self._on_commit)
        # Copied in and not deserialized: of a file in memory each page is written twice.
        source = sqlite3.connect(":memory:")
        source.deserialize(_empty_database())
        source.backup(database)
        source.close()
        self._logs_read: set[int] = set()
        if self._is_read:
            self._index("")
        if not self._undoes:
            event.listen(self.engine, "rollback", lambda _connection: self._check_undone())
            database.execute("PRAGMA journal_mode=OFF")
            self._committed = database.total_changes

    def _index(self, name: str, where: str = "") -> None:
        for table in ("facts", "mentions"):
            self.database.execute(
                f'CREATE INDEX seen_{table}{name} ON {table} (log_id, "index") {where}'
            )

    def read_log(self, log_id: int) -> None:
        """Let the checkers find the rows of one log, which a query must name by its very number."""
        if not self._is_read and log_id not in self._logs_read:
            self._logs_read.add(log_id)
            self._index(f"_{log_id}", f"WHERE log_id = {log_id}")

    def read_all(self) -> None:
        """Let the checkers find the rows of all logs from now on."""
        if not self._is_read:
            self._is_read = True
            self._index("")

    def close(self) -> None:
        """Let go of the database; its pool would keep it for as long as the process lives."""
        self.engine.dispose()

    def _check_undone(self) -> None:
        """Check that what is given up has changed nothing, where nothing can be undone."""
        if not self._undoes and self.database.total_changes != self._committed:
            raise BrokenError("a step was undone in a world in which nothing goes wrong")

    def arm(self, fault: Fault | None, statements: int = 0) -> None:
        """Let ``fault`` happen from now on until it is disarmed, at its first chance.

        Args:
            fault: What happens; None: nothing.
            statements: How many pass before the one that fails, where it is a statement.
        """
        self.armed, self.struck = fault, None
        self._statements_left = statements
        # There are very many: they are looked at only where one may fail.
        name, hear = "before_cursor_execute", self._on_statement
        if fault is Fault.STATEMENT_FAILED and not event.contains(self.engine, name, hear):
            event.listen(self.engine, name, hear)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let the node read and write."""
        self.is_in_use = True
        try:
            yield
        finally:
            self.is_in_use = False

    def settle(self) -> None:
        """Do what the disk does after its process died: forget what was not committed."""
        self.arm(None)
        if self.database.in_transaction:
            self._check_undone()
            self.database.rollback()

    def backup(self) -> bytes:
        """Return the database as it is."""
        return self.database.serialize()

    def restore(self, backup: bytes) -> None:
        """Put an old database in place of the one there is."""
        self.database.deserialize(backup)

    def load(self) -> FenceMark | None:
        """Return the fence's mark."""
        return self.mark

    def store(self, mark: FenceMark) -> None:
        """Keep the fence's mark."""
        if self.armed is Fault.CRASH_BEFORE_FENCE:
            self._strike()
            raise SimulatedCrashError
        self.mark = mark

    def alter_entry(self, origin: str) -> bool:
        """Flip a bit in the oldest stored entry of a log; return whether there is one."""
        found = self.database.execute(
            "SELECT key, entry FROM entries WHERE key >> ? = (SELECT log_id FROM logs "
            "WHERE origin = ?) ORDER BY key LIMIT 1",
            (ENTRY_BITS, origin),
        ).fetchone()
        if found is None:
            return False
        key, entry = found
        altered = entry[:-1] + bytes((entry[-1] ^ 1,))
        self.database.execute("UPDATE entries SET entry = ? WHERE key = ?", (altered, key))
        self.database.commit()
        return True

    def _on_begin(self, _connection: Connection) -> None:
        if self.is_away and self.is_in_use:
            raise OperationalError("BEGIN", None, ServerError("the server cannot be reached"))

    def _on_statement(self, *_given: object) -> None:
        if self.armed is not Fault.STATEMENT_FAILED or not self.is_in_use:
            return
        if self._statements_left:
            self._statements_left -= 1
            return
        self._strike()
        raise OperationalError("a statement", None, DeadlockError("deadlock detected"))

    def _on_commit(self, connection: Connection) -> None:
        self._committed = self.database.total_changes
        if self.is_full:
            self.struck = Fault.COMMIT_FULL
            self.database.rollback()
            raise _failed("database or disk is full", sqlite3.SQLITE_FULL)
        match self.armed:
            case Fault.CRASH_BEFORE_COMMIT:
                self._strike()
                raise SimulatedCrashError
            case Fault.COMMIT_BUSY:
                self._strike()
                raise _failed("database is locked", sqlite3.SQLITE_BUSY)
            case Fault.COMMIT_FULL:
                self._strike()
                self.database.rollback()  # as SQLite does by itself on this error
                raise _failed("database or disk is full", sqlite3.SQLITE_FULL)
            case Fault.COMMIT_UNKNOWN:
                self._strike()
                self.database.commit()
                raise _failed("disk I/O error", sqlite3.SQLITE_IOERR)
            case Fault.SESSION_LOST_DONE | Fault.SESSION_LOST_UNDONE as how:
                self._strike()
                if how is Fault.SESSION_LOST_DONE:
                    self.database.commit()
                else:
                    self.database.rollback()
                # What a failed commit means, a node asks by the kind of database.
                connection.dialect = copy(connection.dialect)
                connection.dialect.name = "postgresql"
                raise OperationalError("COMMIT", None, ServerError("the session is lost"))
            case _:
                pass

    def _strike(self) -> None:
        self.armed, self.struck = None, self.armed


@cache
def _empty_database() -> bytes:
    """Return a database with its tables."""
    engine = open_sqlite(None)
    create_schema(engine)
    borrowed = engine.raw_connection()
    database = borrowed.driver_connection
    assert isinstance(database, sqlite3.Connection)
    return database.serialize()


def _failed(message: str, code: int) -> OperationalError:
    """Return the error that SQLAlchemy makes of SQLite's own."""
    original = sqlite3.OperationalError(message)
    original.sqlite_errorcode = code
    original.sqlite_errorname = _NAMES[code]
    return OperationalError("COMMIT", None, original)
