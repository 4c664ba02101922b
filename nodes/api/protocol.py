"""Bytes that never become a request: refused in the same form as everything else.

aiohttp answers them itself, before any handler or middleware, in words of its own.
"""

import asyncio
import logging
import ssl
from http import HTTPStatus
from typing import Final

from aiohttp import web

from ledger.errors import UnavailableError
from nodes.api.middleware import answer_status

_BACKLOG: Final = 1_024

# From an accepted socket to its protocol, asyncio takes fewer turns of the loop than this.
_ACCEPTING_TURNS: Final = 4

_log: Final = logging.getLogger(__name__)


class _Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - what aiohttp would have said
    ) -> web.StreamResponse:
        """Answer what could not be read, and end the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer has been sent already")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("%s %s failed", request.method, request.path, exc_info=exc)
        what = "nothing" if exc is None else type(exc).__name__
        response = answer_status(request.path, status, f"the request cannot be read, {what}")
        response.force_close()
        return response


async def listen(
    runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None
) -> asyncio.Server:
    """Serve an application that is set up already.

    Raises:
        UnavailableError: ``no-listener``: the address is not ours, or another process has it.
    """
    server = runner.server
    assert server is not None

    def connect() -> web.RequestHandler:
        connection = server()
        # aiohttp makes them of its own class and offers no other way to say how errors are told.
        connection.__class__ = _Protocol
        return connection

    try:
        return await asyncio.get_running_loop().create_server(
            connect, host, port, ssl=tls, backlog=_BACKLOG, reuse_address=True
        )
    except OSError as error:
        raise UnavailableError(
            f"nothing can listen at {host}:{port}: {error.strerror}", code="no-listener"
        ) from error


async def stop_listening(server: asyncio.Server) -> None:
    """Close a listener without losing a connection that it has just accepted.

    asyncio sets a connection up some turns after it has accepted the socket, and drops it, still
    open, if the listener is closed in between.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(_ACCEPTING_TURNS):
        await asyncio.sleep(0)
    server.close()
