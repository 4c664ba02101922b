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
    """Where an act came to stand, its bytes, and the published size that covers it."""

    index: int
    entry: bytes
    size: int


HELD_MS_MAX: Final = 10_000
"""How long an answer waits while nothing is published: until an epoch's note has its quorums."""
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
    """Have the node judge an act that the log before has lost.

    Raises:
        LedgerError: The node refused it.
    """
    return await _appended(service, make)


async def register(service: Service, make: Callable[[int], Register]) -> RegisterReply:
    """Have the node judge statements, each on its own.

    Raises:
        UnavailableError: None of them was judged.
    """
    reply = await service.driver.ask(make)
    assert isinstance(reply, RegisterReply)
    await _published(service, reply)
    return reply


async def register_one(service: Service, make: Callable[[int], Register]) -> Appended:
    """Have the node judge one statement.

    Raises:
        LedgerError: The node refused it.
    """
    return _only(await register(service, make))


async def _appended(
    service: Service, make: Callable[[int], Compose | Freeze | Salvage]
) -> Appended:
    reply = await service.driver.ask(make)
    assert isinstance(reply, RegisterReply)
    await _published(service, reply)
    return _only(reply)


async def _published(service: Service, reply: RegisterReply) -> None:
    """Wait until a published checkpoint covers what was taken: receipts are given over no other.

    Raises:
        UnavailableError: ``unknown-outcome``: it takes long, though all of it is in the log.
    """
    indexes = [result.index for result in reply.results if result.index is not None]
    if not indexes:
        return
    waited_ms = 0.0
    while service.node.snapshot.size <= max(indexes):
        if waited_ms >= HELD_MS_MAX:
            raise UnavailableError(
                "it is in the log, and will be shown once a roster change has its quorums",
                code="unknown-outcome",
            )
        await asyncio.sleep(_LOOK_S)
        waited_ms += _LOOK_S * 1000


def _only(reply: object) -> Appended:
    assert isinstance(reply, RegisterReply)
    [result] = reply.results
    if result.error is not None:
        raise result.error
    assert result.index is not None
    return Appended(result.index, result.entry, reply.size)
