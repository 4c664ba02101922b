"""Putting acts before the node, and reading its answer."""

from collections.abc import Callable
from dataclasses import dataclass

from nodes.api.context import Service
from nodes.core.ready import Compose, Freeze, Register, RegisterReply, Salvage


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an act came to stand, its bytes, and the published size that covers it."""

    index: int
    entry: bytes
    size: int


async def compose(service: Service, make: Callable[[int], Compose]) -> Appended:
    """Have the node compose one act.

    Raises:
        LedgerError: The node refused it.
    """
    return _only(await service.driver.ask(make))


async def freeze(service: Service, make: Callable[[int], Freeze]) -> Appended:
    """Have the node freeze a log.

    Raises:
        LedgerError: The node refused it.
    """
    return _only(await service.driver.ask(make))


async def bring(service: Service, make: Callable[[int], Salvage]) -> Appended:
    """Have the node judge an act that the log before has lost.

    Raises:
        LedgerError: The node refused it.
    """
    return _only(await service.driver.ask(make))


async def register(service: Service, make: Callable[[int], Register]) -> RegisterReply:
    """Have the node judge statements, each on its own.

    Raises:
        UnavailableError: None of them was judged.
    """
    reply = await service.driver.ask(make)
    assert isinstance(reply, RegisterReply)
    return reply


async def register_one(service: Service, make: Callable[[int], Register]) -> Appended:
    """Have the node judge one statement.

    Raises:
        LedgerError: The node refused it.
    """
    return _only(await register(service, make))


def _only(reply: object) -> Appended:
    assert isinstance(reply, RegisterReply)
    [result] = reply.results
    if result.error is not None:
        raise result.error
    assert result.index is not None
    return Appended(result.index, result.entry, reply.size)
