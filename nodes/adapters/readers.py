"""Reads of the database beside the writer: in a few threads, or at once in the event loop.

Every read sees what is committed and nothing else. What takes a few short queries is done in the
loop, where a change of threads would cost more than they do.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

_T = TypeVar("_T")


class Readers:
    """Connections for reading."""

    def __init__(self, engine: Engine, threads_max: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads_max, "reader")
        self._here: Connection | None = None

    async def run(self, read: Callable[[Connection], _T]) -> _T:
        """Read in a thread, as one transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)

    async def work(self, work: Callable[[], _T]) -> _T:
        """Do work of the processor alone in one of the same threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def here(self, read: Callable[[Connection], _T]) -> _T:
        """Read in the calling thread, which must always be the same; for short queries."""
        if self._here is None:
            self._here = self._engine.connect()
        try:
            return read(self._here)
        finally:
            # Else a transaction that a query began would show the past to every later one.
            if self._here.in_transaction():
                self._here.rollback()

    def close(self) -> None:
        """Wait for what is under way, and let go of the connections."""
        self._threads.shutdown()
        if self._here is not None:
            self._here.close()

    def _read(self, read: Callable[[Connection], _T]) -> _T:
        with self._engine.connect() as connection:
            return read(connection)
