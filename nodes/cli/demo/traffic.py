"""Cases that flow all the while, between all regions that are there."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import permutations
from typing import Final

from ledger.errors import LedgerError
from nodes.cli.demo.flow import Plan, case_name, whole_life
from nodes.cli.demo.office import Office

WORKERS: Final = 2
REST_S: Final = 6.0
"""Between a worker's cases while nobody waits for them, so that the story has the machine too."""
FIRST_NUMBER: Final = 700_001


@dataclass(slots=True)
class Traffic:
    """Workers who carry one case after the other from the counter and back to it.

    Args:
        offices: Regions that take part; one may join while cases flow.
        closed: How many cases came to their end.
        first: The first that did.
        failed: Words of those that did not.
    """

    offices: list[Office]
    closed: int = 0
    first: Plan | None = None
    failed: list[str] = field(default_factory=list)
    _away: set[str] = field(default_factory=set)
    _under_way: Counter[str] = field(default_factory=Counter)
    _ended: Counter[str] = field(default_factory=Counter)
    _numbers: Counter[str] = field(default_factory=Counter)
    _turns: Counter[tuple[str, str]] = field(default_factory=Counter)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _workers: list[asyncio.Task[None]] = field(default_factory=list)
    _is_over: bool = False

    def start(self) -> None:
        """Begin to carry cases."""
        self._is_over = False
        self._hurry.clear()
        self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    async def stop(self) -> None:
        """Carry what is under way to its end, and no more."""
        self._is_over = True
        self._hurry.set()
        await asyncio.gather(*self._workers)
        self._workers = []

    async def cancel(self) -> None:
        """Drop everything."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers = []

    async def without(self, code: str) -> None:
        """Begin no more cases with a region, and wait until those under way have ended."""
        self._away.add(code)
        while self._under_way[code]:
            await self._next()

    def back(self, office: Office) -> None:
        """Begin cases with a region, again or for the first time."""
        self._away.discard(office.code)
        self.offices = [it for it in self.offices if it.code != office.code] + [office]

    async def more(self, count: int, wait_s: float, code: str = "") -> int:
        """Wait until so many more cases have ended, or time is up; return how many did.

        Args:
            count: Of cases.
            wait_s: At most.
            code: Count only cases with this region, if one is given.
        """
        before = self._ended[code]
        with self.dense(), suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while self._ended[code] < before + count and not self.failed:
                    await self._next()
        return self._ended[code] - before

    @contextmanager
    def dense(self) -> Iterator[None]:
        """Let nobody rest between cases meanwhile."""
        self._hurry.set()
        try:
            yield
        finally:
            self._hurry.clear()

    async def _next(self) -> None:
        event = self._moved
        await event.wait()

    async def _work(self) -> None:
        while not self._is_over:
            plan = self._plan()
            codes = (plan.window.code, plan.owner.code)
            self._under_way.update(codes)
            try:
                await whole_life(plan)
                self.closed += 1
                self.first = self.first or plan
                self._ended.update(("", *codes))
            except LedgerError as error:
                self.failed.append(f"{plan.name}: {error.code}: {error}")
            finally:
                self._under_way.subtract(codes)
                self._moved.set()
                self._moved = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), REST_S)

    def _plan(self) -> Plan:
        """Return the next case: of the pair that has had the fewest."""
        window, owner = min(self._pairs(), key=lambda pair: self._turns[pair[0].code, pair[1].code])
        self._turns[window.code, owner.code] += 1
        self._numbers[window.code] += 1
        number = FIRST_NUMBER + self._numbers[window.code]
        return Plan(case_name(window.home, number, window.life), window, owner)

    def _pairs(self) -> Iterator[tuple[Office, Office]]:
        there = [office for office in self.offices if office.code not in self._away]
        yield from permutations(there, 2)
