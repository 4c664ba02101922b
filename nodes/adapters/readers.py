"""Reads of the database beside the writer: in a few threads, or at once in the event loop.

Every read sees what is committed and nothing else. What takes a few short queries is done in the
loop, where a change of threads would cost more than they do.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

from ledger.errors import UnavailableError
from nodes.store.engine import is_lost

_T = TypeVar("_T")


class Readers:
    """Connections for reading."""

    def __init__(self, engine: Engine, threads_max: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads_max, "reader")
        self._here: Connection | None = None
        self._away_until_s = 0.0

    async def run(self, read: Callable[[Connection], _T]) -> _T:
        """Read in a thread, as one transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)

    async def work(self, work: Callable[[], _T]) -> _T:
        """Do work of the processor alone in one of the same threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def here(self, read: Callable[[Connection], _T]) -> _T:
        """Read in the calling thread, which must always be the same; for short queries."""
        try:
            return self._read_here(read)
        except Exception as error:
            if not is_lost(error):
                raise
        # A server that was started again has ended every session; a new one may do.
        return self._read_here(read)

    def close(self) -> None:
        """Wait for what is under way, and let go of the connections."""
        self._threads.shutdown()
        self._drop()

    def _read_here(self, read: Callable[[Connection], _T]) -> _T:
        try:
            if self._here is None:
                self._here = self._connect()
            try:
                return read(self._here)
            finally:
                # Else a transaction that a query began would show the past to every later one.
                if self._here.in_transaction():
                    self._here.rollback()
        except Exception as error:
            if is_lost(error):
                self._drop()
                self._engine.dispose()
            raise

    def _read(self, read: Callable[[Connection], _T]) -> _T:
        try:
            return self._read_once(read)
        except Exception as error:
            if not is_lost(error):
                raise
        return self._read_once(read)

    def _read_once(self, read: Callable[[Connection], _T]) -> _T:
        try:
            with self._connect() as connection:
                return read(connection)
        except Exception as error:
            if is_lost(error):
                self._engine.dispose()
            raise

    def _connect(self) -> Connection:
        """Connect; as long as it took to find a server silent, it is not asked again.

        Else the loop would do nothing but wait for it.
        """
        begun_s = time.monotonic()
        if begun_s < self._away_until_s:
            raise UnavailableError("the database cannot be reached", code="busy")
        try:
            return self._engine.connect()
        except Exception as error:
            if is_lost(error):
                now_s = time.monotonic()
                self._away_until_s = now_s + (now_s - begun_s)
            raise

    def _drop(self) -> None:
        if self._here is not None:
            self._here.close()
            self._here = None
