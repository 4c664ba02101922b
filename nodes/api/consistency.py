"""How far an answer had read the logs, as one word that the next question can ask for at least.

A caller need not understand it. It says for each log that was relied on how many of its entries
were counted, so that who asks two nodes, or one node twice, is never told an older state than they
know of: the node waits until it is as far, or says that it is behind.

Form: base64url without padding of deterministic CBOR, ``{16 digits of the origin's hash: size}``.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from aiohttp import web

from ledger import encoding
from ledger.errors import LedgerError, MalformedError, NotFoundError, UnavailableError
from nodes.api.context import Service
from nodes.api.requests import query_number
from nodes.core.exchange import origin_hash

CONSISTENCY_CHARS_MAX: Final = 4_096
POLL_S: Final = 0.02
NAMES: Final = ("at_least", "timeout_ms")
"""Of the query's parameters."""

_HASH_DIGITS: Final = 16


def consistency_of(sizes: Mapping[str, int]) -> str:
    """Return the word for these sizes of logs, by origin."""
    return _word(tuple(sizes.items()))


# Between two commits every answer that relies on the same logs carries the same word.
@lru_cache(maxsize=1_024)
def _word(sizes: tuple[tuple[str, int], ...]) -> str:
    hashed = {origin_hash(origin)[:_HASH_DIGITS]: size for origin, size in sizes}
    return base64.urlsafe_b64encode(encoding.encode(hashed)).rstrip(b"=").decode("ascii")


def parse_consistency(word: str) -> dict[str, int]:
    """Return the sizes by the first digits of the hash of the log's origin.

    Raises:
        MalformedError: ``bad-field``: it is no word of ours.
    """
    try:
        if len(word) > CONSISTENCY_CHARS_MAX:
            raise MalformedError("too long")
        data = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
        sizes = encoding.decode(data)
    except (LedgerError, ValueError, binascii.Error) as error:
        raise _bad() from error
    if type(sizes) is not dict or not all(
        type(name) is str and type(size) is int and size >= 0 for name, size in sizes.items()
    ):
        raise _bad()
    return sizes


async def reach(service: Service, request: web.Request, size_of: Callable[[str], int]) -> None:
    """Wait until this node is as far as the query demands; where it demands nothing, do nothing.

    Args:
        service: The node's.
        request: Its query may have ``at_least``, and ``timeout_ms`` for how long to wait.
        size_of: How far a log counts for this question, by origin.

    Raises:
        MalformedError: ``bad-field``.
        NotFoundError: ``unknown-log``: it names a log that is not of this network.
        UnavailableError: ``behind``: the time is up.
    """
    word = request.query.get("at_least")
    if word is None:
        return
    limits = service.limits
    timeout_ms = query_number(
        request, "timeout_ms", default=limits.wait_ms_default, most=limits.wait_ms_max
    )
    await reach_word(service, word, timeout_ms, size_of)


async def reach_word(
    service: Service, word: str, timeout_ms: int, size_of: Callable[[str], int]
) -> None:
    """Wait until this node is as far as a word says; errors as of ``reach``."""
    wanted = _by_origin(service, parse_consistency(word))
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_ms / 1000
    while True:
        behind = {origin: size for origin, size in wanted.items() if size_of(origin) < size}
        if not behind:
            return
        if loop.time() >= end_s:
            told = ", ".join(f"{origin} {size_of(origin)} of {behind[origin]}" for origin in behind)
            raise UnavailableError(f"this node is behind: {told}", code="behind")
        await asyncio.sleep(POLL_S)


def judged_size(service: Service, origin: str) -> int:
    """Return up to which size a log is judged here."""
    found = service.node.snapshot.logs.get(origin)
    return 0 if found is None else found.judged_size


def _by_origin(service: Service, sizes: Mapping[str, int]) -> dict[str, int]:
    known = {name[:_HASH_DIGITS]: at for name, at in service.by_hash.items()}
    unknown = sizes.keys() - known.keys()
    if unknown:
        raise NotFoundError(
            f"at_least names a log that is not of this network: {min(unknown)[:80]!r}",
            code="unknown-log",
        )
    return {known[name]: size for name, size in sizes.items()}


def _bad() -> MalformedError:
    return MalformedError("at_least is a word that an answer gave as consistency", code="bad-field")
