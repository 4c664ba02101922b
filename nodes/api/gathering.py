"""Signatures of statements that come one or two a request, checked for many requests together.

Each request by itself would have its statement read, its signature checked and its answer waited
for, turn by turn with all others: three kinds of work that drive each other out of the processor's
caches. What one turn of the loop has brought is read together, then checked together. Nobody waits
for more to come: who comes alone is checked alone, in the next turn.
"""

import asyncio
from collections.abc import Callable, Sequence

from ledger.errors import LedgerError
from ledger.statement import Statement

Checked = Sequence[Statement | LedgerError]


class Gathering:
    """Checks, in the loop, what came in one of its turns.

    Invariant: while anything is pending, ``_begin`` is about to be called.

    Args:
        check: Returns each statement, or why it is none, in the order of the entries.
    """

    def __init__(self, check: Callable[[Sequence[bytes]], Checked]) -> None:
        self._check = check
        self._pending: list[tuple[Sequence[bytes], asyncio.Future[Checked]]] = []

    async def verify(self, entries: Sequence[bytes]) -> Checked:
        """Check statements together with those of whoever else asks in this turn."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Checked] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._begin)
        self._pending.append((entries, future))
        return await future

    def _begin(self) -> None:
        pending, self._pending = self._pending, []
        every = [entry for entries, _ in pending for entry in entries]
        try:
            checked = self._check(every)
        except Exception:  # noqa: BLE001 - told to the one whose it is
            self._check_each(pending)
            return
        at = 0
        for entries, future in pending:
            end = at + len(entries)
            if not future.done():
                future.set_result(checked[at:end])
            at = end

    def _check_each(
        self, pending: Sequence[tuple[Sequence[bytes], asyncio.Future[Checked]]]
    ) -> None:
        """Check each request by itself, since one of them or the database has failed."""
        for entries, future in pending:
            if future.done():
                continue
            try:
                future.set_result(self._check(entries))
            except Exception as error:  # noqa: BLE001 - handed to the one who asked
                future.set_exception(error)
