"""How the client reaches its node: patient retries, and errors as the node says them."""

import asyncio
import json
import os
import secrets
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from ledger import encoding
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)

ANSWER_BYTES_MAX: Final = 64 << 20
UNKNOWN_OUTCOME: Final = "unknown-outcome"
"""As a code: it may have been done, and it may not."""

CBOR: Final = "application/cbor"
COSE: Final = "application/cose"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one call is tried.

    Args:
        attempts_max: Times that it is sent.
        backoff_ms: Before the second attempt; doubled before each further one, half of it jitter.
        timeout_ms: Of one attempt, besides the time that it waits for finality.
    """

    attempts_max: int = 5
    backoff_ms: int = 100
    backoff_ms_max: int = 5_000
    timeout_ms: int = 15_000


class Wire:
    """One connection pool to one node; each part of the client calls over it.

    Args:
        url: The node's public base URL.
        token: Of the caller; empty for what needs none.
        patience: None for the usual one.
        tls: For a node whose certificate no public authority signed.
        connections_max: At once.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        connections_max: int = 64,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._patience = patience or Patience()
        self._tls = tls
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max),
            headers={"User-Agent": "shouxin-client", **self._headers},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def _json(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        wait_ms: int = 0,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        data = await self._bytes(method, path, body, _JSON, wait_ms=wait_ms, repeatable=repeatable)
        try:
            value = json.loads(data)
        except ValueError as error:
            raise MalformedError("the node's answer is not JSON") from error
        if type(value) is not dict:
            raise MalformedError("the node's answer is not a JSON object")
        return value

    async def _bytes(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "",
        *,
        wait_ms: int = 0,
        repeatable: bool = True,
    ) -> bytes:
        """Send a request until it is answered, or patience ends.

        503 says that nothing was changed, and a connection that was refused carried nothing: both
        are always tried again. One that broke later is tried again only where that does no harm,
        and so is what the node itself does not know the outcome of.
        """
        patience = self._patience
        for attempt in range(1, patience.attempts_max + 1):
            try:
                async with asyncio.timeout((patience.timeout_ms + wait_ms) / 1000):
                    return await self._once(method, path, body, content_type)
            except (UnavailableError, aiohttp.ClientConnectorError) as error:
                is_unknown = isinstance(error, UnavailableError) and error.code == UNKNOWN_OUTCOME
                if (is_unknown and not repeatable) or attempt == patience.attempts_max:
                    raise _unavailable(error) from error
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                if not repeatable:
                    raise UnavailableError(
                        f"the connection broke: {_why(error)}", code=UNKNOWN_OUTCOME
                    ) from error
                if attempt == patience.attempts_max:
                    raise _unavailable(error) from error
            longest_ms = min(patience.backoff_ms << (attempt - 1), patience.backoff_ms_max)
            delay_ms = longest_ms // 2 + secrets.randbelow(longest_ms // 2 + 1)
            await asyncio.sleep(delay_ms / 1000)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, method: str, path: str, body: bytes | None, content_type: str) -> bytes:
        assert self._session is not None, "use the client as a context manager"
        async with self._session.request(
            method,
            self._url + path,
            data=body,
            headers={"Content-Type": content_type} if body is not None else {},
            ssl=self._tls or True,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            data = await _read(response)
            if response.status >= 300:
                raise _error(response.status, response.content_type, data)
            return data


def also(at_least: str) -> str:
    """Return what a path that has a query goes on with, to ask for at least so much."""
    return f"&at_least={quote(at_least, safe='')}" if at_least else ""


def plain(value: object) -> Any:  # noqa: ANN401 - what JSON knows
    """Return a value as JSON has it; bytes as hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


_CLASSES: Final[Mapping[int, type[LedgerError]]] = {
    400: MalformedError,
    401: RefusedError,
    403: RefusedError,
    404: NotFoundError,
    405: MalformedError,
    413: MalformedError,
    422: UnverifiedError,
    503: UnavailableError,
}


def _error(status: int, content_type: str, data: bytes) -> LedgerError:
    """Return the error that problem details, of either form, say."""
    code, detail, request = "", data[:200].decode("utf-8", "replace"), ""
    try:
        if content_type == "application/problem+json":
            fields = json.loads(data)
            code, detail = str(fields.get("code", "")), str(fields.get("detail", ""))
            request = str(fields.get("request", ""))
        elif content_type == "application/concise-problem-details+cbor":
            fields = encoding.decode(data)
            code, _, detail = str(fields.get(-2, "")).partition(": ")
            request = str(fields.get(-3, "")).rpartition("/")[2]
    except (ValueError, AttributeError, MalformedError):
        # A proxy's words rather than the node's: the status has to do.
        pass
    error = _error_of(status, code or None, detail)
    error.request = request
    return error


def _error_of(status: int, code: str | None, detail: str) -> LedgerError:
    if status == 409:
        conflict = ConflictError(0, code=code)
        conflict.args = (detail,)
        return conflict
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _CLASSES:
        # Only 503 is the node's word that it did nothing; a mistake, or a proxy's answer, is not.
        return UnavailableError(detail, code=UNKNOWN_OUTCOME)
    return _CLASSES.get(status, UnavailableError)(detail, code=code)


def _unavailable(error: Exception) -> UnavailableError:
    if isinstance(error, UnavailableError):
        return error
    return UnavailableError(f"the node does not answer: {_why(error)}", code="no-answer")


def _why(error: Exception) -> str:
    """Return what went wrong on the way, in words for a person."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorError):
        # One address, or several at once; only the one has a number that says what it was.
        number = error.os_error.errno
        if isinstance(error.os_error, socket.gaierror):
            return f"{error.host} port {error.port}, no such host is known"
        said = os.strerror(number).lower() if number else str(error.os_error)
        return f"{error.host} port {error.port}, {said}"
    return str(error) or type(error).__name__


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts, total = [], 0
    async for part in response.content.iter_any():
        total += len(part)
        if total > ANSWER_BYTES_MAX:
            raise MalformedError(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)
