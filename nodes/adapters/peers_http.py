"""Requests to peers, over HTTP with the certificates that the roster pins."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

from nodes.core.ready import PeerAnswered, PeerRequest

_FOREIGN: Final = "witness:"
_SUBMISSION_PREFIX: Final = "/c2sp"
_CONNECTIONS_A_PEER_MAX: Final = 4
_KEPT_OPEN_S: Final = 300
"""Longer than a quiet log waits before it is sent again: else each time would begin with TLS."""


class HTTPPeers:
    """One client session to all peers. Connections are kept open, since candidates come often.

    Args:
        urls: Base URL by region, and submission prefix by ``witness:<name>``.
        contexts: TLS by region, where the roster pins a certificate.
        answer_bytes_max: No longer answer is read.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        contexts: Mapping[str, ssl.SSLContext],
        *,
        timeout_ms_max: int,
        answer_bytes_max: int,
    ) -> None:
        self._urls = urls
        self._contexts = contexts
        self._timeout_ms_max = timeout_ms_max
        self._answer_bytes_max = answer_bytes_max
        self._session: aiohttp.ClientSession | None = None

    def reach(self, urls: Mapping[str, str], contexts: Mapping[str, ssl.SSLContext]) -> None:
        """Use other addresses and certificates from the next request on."""
        self._urls, self._contexts = urls, contexts

    async def send(self, request: PeerRequest) -> PeerAnswered:
        """Send, and return the answer; status 0 where there was none, and why as its body."""
        try:
            async with asyncio.timeout(min(request.timeout_ms, self._timeout_ms_max) / 1000):
                status, body = await self._exchange(request)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return PeerAnswered(request.request_id, 0, repr(error)[:200].encode())
        return PeerAnswered(request.request_id, status, body)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _exchange(self, request: PeerRequest) -> tuple[int, bytes]:
        base = self._urls.get(request.to)
        if base is None:
            raise ValueError(f"no address for {request.to}")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,  # each peer has its own
                    limit_per_host=_CONNECTIONS_A_PEER_MAX,
                    keepalive_timeout=_KEPT_OPEN_S,
                    ttl_dns_cache=60,
                ),
                auto_decompress=True,
                headers={"User-Agent": "shouxin"},
            )
        path = request.path
        if request.to.startswith(_FOREIGN):
            # A foreign witness knows no paths of ours, only those of the specification.
            path = path.removeprefix(_SUBMISSION_PREFIX)
        method = "POST" if request.body or path.startswith(_SUBMISSION_PREFIX) else "GET"
        async with self._session.request(
            method,
            base + path,
            data=request.body or None,
            headers={"Content-Type": "application/octet-stream"} if request.body else {},
            ssl=self._contexts.get(request.to, True),
            allow_redirects=False,
        ) as response:
            return response.status, await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts, total = [], 0
        async for part in response.content.iter_chunked(1 << 16):
            total += len(part)
            if total > self._answer_bytes_max:
                raise ValueError(f"the answer has more than {self._answer_bytes_max} bytes")
            parts.append(part)
        return b"".join(parts)
