"""Several processes of one region on one database: one writes, the others stand by.

Who stands by shows what is committed, answers reads, and refuses everything else until the right to
write is free; then it loads and checks the store as at any start. Who has lost the right stops: a
start makes it stand by.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from ledger.errors import UnavailableError
from nodes.driver import Driver
from nodes.node import Node
from nodes.ports import Clock
from nodes.store.engine import Store, is_lost
from nodes.store.postgresql import Election

LOOK_S: Final = 0.25
"""How often a process that stands by looks whether it may write, and what is new."""

CHECK_S: Final = 1.0
"""How often a process that writes looks whether its session is still there."""

_log: Final = logging.getLogger(__name__)


class Standby:
    """Starts the driver once this process may write.

    Args:
        store: Shared.
        election: Its.
        node: Not started.
        driver: Not started; it starts the node.
        clock: The system's.
        first: Done before the start, when this process has come to write.
    """

    def __init__(  # noqa: PLR0917 - what it joins, each once
        self,
        store: Store,
        election: Election,
        node: Node,
        driver: Driver,
        clock: Clock,
        first: Callable[[], None],
    ) -> None:
        self._store = store
        self._election = election
        self._node = node
        self._driver = driver
        self._clock = clock
        self._first = first
        # Apart from the readers: what waits for a server that is away must not hold them up.
        self._thread = ThreadPoolExecutor(1, "standby")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Write if nobody does, else show what is committed; and go on so in the background.

        Raises:
            LedgerError: The server keeps no promises, or cannot be reached.
            FatalError: What is stored cannot be relied on.
        """
        leads = await self._look()
        if leads:
            await self._lead()
        else:
            _log.info("another process of this region writes; this one stands by")
        self._task = asyncio.create_task(self._run(leads=leads), name="standby")

    async def wait_failed(self) -> None:
        """Return when the driver was stopped.

        Raises:
            FatalError: It stopped by itself, or another process writes now.
        """
        assert self._task is not None
        await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Stand by no more. The driver is stopped by whoever made it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)

    async def _run(self, *, leads: bool) -> None:
        while not leads:
            await asyncio.sleep(LOOK_S)
            try:
                leads = await self._look()
            except Exception as error:
                if not is_lost(error):
                    raise
                _log.warning("the database cannot be reached")
        if not self._driver.is_started:
            await self._lead()
        ended = asyncio.ensure_future(self._driver.wait_failed())
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=CHECK_S)
                if not ended.done():
                    await self._check()
            await ended
        finally:
            ended.cancel()

    async def _look(self) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._look_now)

    def _look_now(self) -> bool:
        if self._election.win():
            return True
        with self._store.reading.connect() as connection:
            self._node.follow(connection, self._clock.now_ms())
        return False

    async def _lead(self) -> None:
        self._first()
        await self._driver.start()

    async def _check(self) -> None:
        try:
            # Stopping, it needs no session any more.
            with suppress(UnavailableError):
                await self._driver.write(self._election.check_session)
        except Exception as error:
            if not is_lost(error):
                raise
