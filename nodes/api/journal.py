"""Refused attempts, and who looked at which case: noted in memory, written together, kept a while.

Noting costs a few dictionary entries; who is answered waits for no disk. Once in a while everything
noted is written in one transaction. What was noted in the moments before a crash is lost: these are
no acts, and no rule rests on them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Engine

from ledger.encoding import encode
from ledger.errors import UnavailableError
from nodes.adapters.random import randomness
from nodes.config import JournalSection
from nodes.ports import Clock
from nodes.store import journal as store
from nodes.store.engine import trouble
from nodes.store.journal import DAY_S, ReadingRow, RefusalRow

REQUEST_BYTES: Final = 16
REFUSALS_PENDING_MAX: Final = 500
READINGS_PENDING_MAX: Final = 500
"""Noted between two writes; more are passed over, and counted in the node's own log."""
RETRY_S: Final = 2.0
"""How long a write that failed waits before it is tried again."""

PARTIES_MAX: Final = 10_000

_log: Final = logging.getLogger(__name__)

Write = Callable[[Callable[[], None]], Awaitable[None]]
_Key = tuple[str, int, str, str, str]


class Journal:
    """What waits to be written, and the task that writes it. All but writing is of the loop alone.

    Args:
        engine: Of the database, as ``write`` may use it.
        write: Does the writing, where it meets no other.
        clock: The system's.
        limits: How much is kept, and for how long.
    """

    def __init__(self, engine: Engine, write: Write, clock: Clock, limits: JournalSection) -> None:
        self._engine = engine
        self._write = write
        self._clock = clock
        self._limits = limits
        self._refusals: dict[bytes, RefusalRow] = {}
        self._readings: dict[_Key, ReadingRow] = {}
        self._leaving: Mapping[bytes, RefusalRow] = {}
        """Being written; until that is done they are not in the database yet."""
        self._tried: dict[tuple[str, str], int] = {}
        self._day = 0
        self._passed_over = 0
        self._counts: tuple[int, int] | None = None
        self._noted = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._waiting: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write what is noted."""
        self._task = asyncio.create_task(self._run(), name="journal")

    async def stop(self) -> None:
        """Write what is left, and end."""
        if self._task is not None:
            async with self._flushing:  # what is being written is written to its end
                self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._try_flush()

    def refuse(self, party: str, what: str, told: Mapping[str, Any]) -> bytes | None:
        """Note a refused attempt, and return its number; None where it is one too many.

        A party has so many a day of each sort, so that nobody pushes out what others will look up.

        Args:
            party: Who tried.
            what: The sort of attempt.
            told: What else is known: words, whole numbers, lists and maps of these.
        """
        at_s = self._clock.now_ms() // 1000
        if at_s // DAY_S != self._day or len(self._tried) >= PARTIES_MAX:
            self._day = at_s // DAY_S
            self._tried.clear()
            # Other processes may write there too: what is kept is counted anew each day.
            self._counts = None
        tried = self._tried.get((party, what), 0) + 1
        self._tried[party, what] = tried
        if (
            tried > self._limits.refusal_rows_party_day_max
            or len(self._refusals) >= REFUSALS_PENDING_MAX
        ):
            self._passed_over += 1
            return None
        request = randomness(REQUEST_BYTES)
        self._refusals[request] = RefusalRow(
            request=request, at_s=at_s, party=party, told=encode(dict(told))
        )
        self._noted.set()
        return request

    def look(self, party: str, role: str, case: str, what: str) -> None:
        """Note that somebody looked at something of a case."""
        at_s = self._clock.now_ms() // 1000
        row = ReadingRow(
            case=case, party=party, role=str(role), what=what, first_s=at_s, last_s=at_s, times=1
        )
        key = row.key
        before = self._readings.get(key)
        if before is not None:
            row = row.joined(before)
        elif len(self._readings) >= READINGS_PENDING_MAX:
            self._passed_over += 1
            return
        self._readings[key] = row
        self._noted.set()

    def pending(self, request: bytes) -> RefusalRow | None:
        """Return a refused attempt that is not written yet; None where there is none."""
        return self._refusals.get(request) or self._leaving.get(request)

    async def settled(self) -> None:
        """Wait until what is noted by now is written, or cannot be; nothing is written the sooner.

        Else whoever asks often would make the writer commit as often.
        """
        if not self._refusals and not self._readings:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        await done

    async def flush(self) -> None:
        """Write what is noted.

        Raises:
            UnavailableError: It cannot be written now; it is kept, and tried again.
        """
        async with self._flushing:
            refusals, readings = self._refusals, self._readings
            if not refusals and not readings:
                return
            counts: list[tuple[int, int]] = []

            def work() -> None:
                counts.append(self._store([*refusals.values()], [*readings.values()]))

            self._refusals, self._readings = {}, {}
            self._leaving = refusals
            try:
                await self._write(work)
            except Exception as error:
                # Kept for the next time, as far as there is room.
                self._refusals = {**refusals, **self._refusals}
                self._readings = _joined(readings, self._readings)
                self._counts = None
                found = trouble(error)
                if found is not None:
                    raise UnavailableError(found[1], code=found[0]) from error
                raise
            finally:
                self._leaving = {}
            self._counts = counts[0]
        if self._passed_over:
            _log.warning("%d refusals or readings were too many to note", self._passed_over)
            self._passed_over = 0

    def _store(self, refusals: list[RefusalRow], readings: list[ReadingRow]) -> tuple[int, int]:
        """Write in one transaction, take out what is too old or too much, and return what is kept.

        In the thread that writes.
        """
        now_s, limits = self._clock.now_ms() // 1000, self._limits
        with self._engine.begin() as connection:
            refused, read = self._counts or store.count_rows(connection)
            store.add_refusals(connection, refusals)
            refused += len(refusals)
            read += store.add_readings(connection, readings)
            refused -= store.prune_refusals(
                connection,
                now_s - limits.refusal_days * DAY_S,
                refused - limits.refusal_rows_max,
            )
            read -= store.prune_readings(
                connection,
                now_s - limits.reading_days * DAY_S,
                read - limits.reading_rows_max,
            )
        return refused, read

    async def _run(self) -> None:
        while True:
            await self._noted.wait()
            await asyncio.sleep(self._limits.flush_ms / 1000)
            self._noted.clear()
            if not await self._try_flush():
                self._noted.set()
                await asyncio.sleep(RETRY_S)

    async def _try_flush(self) -> bool:
        waiting, self._waiting = self._waiting, []
        try:
            await self.flush()
        except UnavailableError as error:
            _log.warning("refusals and readings wait to be written: %s", error)
            return False
        except Exception:  # noqa: BLE001 - or what comes later would never be written
            _log.exception("refusals and readings cannot be written")
            return False
        finally:
            for done in waiting:
                if not done.done():
                    done.set_result(None)
        return True


def _joined(
    before: Mapping[_Key, ReadingRow], after: Mapping[_Key, ReadingRow]
) -> dict[_Key, ReadingRow]:
    joined = {key: row.joined(before[key]) if key in before else row for key, row in after.items()}
    return {**before, **joined}
