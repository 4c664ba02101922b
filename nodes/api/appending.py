"""Putting acts before the node, and reading its answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ledger.errors import UnavailableError
from nodes.api.context import Service
from nodes.core.ready import Compose, Freeze, Register, RegisterReply, Salvage


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an act came to stand, its bytes, and the size of the log with it."""

    index: int
    entry: bytes
    size: int


HELD_MS_MAX: Final = 10_000
"""How long an answer that is a receipt waits while nothing is published: until an epoch's note has
its quorums."""
RECEIPT_MS_MAX: Final = 250
"""How long one waits that can do without."""
_LOOK_S: Final = 0.02


async def compose(service: Service, make: Callable[[int], Compose]) -> Appended:
    """Have the node compose one act.

    Raises:
        LedgerError: The node refused it.
    """
    return await _appended(service, make)


async def freeze(service: Service, make: Callable[[int], Freeze]) -> Appended:
    """Have the node freeze a log.

    Raises:
        LedgerError: The node refused it.
    """
    return await _appended(service, make)


async def bring(service: Service, make: Callable[[int], Salvage]) -> Appended:
    """Have the node judge an act that the log before has lost, and wait until it is shown.

    Raises:
        UnavailableError: ``unknown-outcome``: it is recorded, and not shown yet.
        LedgerError: The node refused it.
    """
    return await _published(service, await _appended(service, make))


async def register(service: Service, make: Callable[[int], Register]) -> RegisterReply:
    """Have the node judge statements, each on its own.

    Raises:
        UnavailableError: None of them was judged.
    """
    reply = await service.driver.ask(make)
    assert isinstance(reply, RegisterReply)
    return reply


async def register_one(service: Service, make: Callable[[int], Register]) -> Appended:
    """Have the node judge one statement, and wait until there is a receipt for it.

    Raises:
        UnavailableError: ``unknown-outcome``: it is recorded, and there is no receipt yet.
        LedgerError: The node refused it.
    """
    return await _published(service, _only(await register(service, make)))


async def _appended(
    service: Service, make: Callable[[int], Compose | Freeze | Salvage]
) -> Appended:
    reply = await service.driver.ask(make)
    assert isinstance(reply, RegisterReply)
    return _only(reply)


async def is_shown(service: Service, index: int, patience_ms: float = RECEIPT_MS_MAX) -> bool:
    """Say whether a published checkpoint covers an entry, once that is so or patience has ended.

    What is accepted while the note of an epoch waits for its quorums is shown after it; receipts
    are given over published checkpoints alone.
    """
    while service.node.snapshot.size <= index:
        if patience_ms <= 0:
            return False
        await asyncio.sleep(_LOOK_S)
        patience_ms -= _LOOK_S * 1000
    return True


async def _published(service: Service, appended: Appended) -> Appended:
    if not await is_shown(service, appended.index, HELD_MS_MAX):
        raise UnavailableError(
            f"recorded as entry {appended.index}, which is shown once a roster change has its "
            "quorums",
            code="unknown-outcome",
        )
    return appended


def _only(reply: object) -> Appended:
    assert isinstance(reply, RegisterReply)
    [result] = reply.results
    if result.error is not None:
        raise result.error
    assert result.index is not None
    return Appended(result.index, result.entry, reply.size)
