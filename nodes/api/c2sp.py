"""What other nodes ask of this one, on the peer listener: the core answers, this carries.

The caller's region is the one whose pinned certificate the connection showed.
"""

from typing import Final

from aiohttp import web

from ledger.errors import UnavailableError
from nodes.adapters.tls import caller_region, regions_by_pin
from nodes.api.context import SERVICE
from nodes.api.requests import read_body
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_CHECKPOINT_BYTES_MAX,
    ADD_ENTRIES,
    FINISHED,
    LINES,
    NEWEST,
    ROSTERS,
    ROSTERS_BYTES_MAX,
)
from nodes.core.extension import EXTEND, FRAME_BYTES
from nodes.core.ready import PeerCalled, PeerReply

NOTE_BYTES_MAX: Final = 1 << 20

routes = web.RouteTableDef()


@routes.post(ADD_CHECKPOINT)
async def add_checkpoint(request: web.Request) -> web.Response:
    """Witness a checkpoint (C2SP tlog-witness)."""
    return await _ask(request, ADD_CHECKPOINT_BYTES_MAX)


@routes.post(ADD_ENTRIES)
async def add_entries(request: web.Request) -> web.Response:
    """Mirror entries (C2SP tlog-mirror)."""
    return await _ask(request, request.app[SERVICE].limits.peer_body_bytes_max)


@routes.post(EXTEND)
async def extend(request: web.Request) -> web.Response:
    """Witness a checkpoint and mirror the entries up to it."""
    entries_bytes_max = request.app[SERVICE].limits.peer_body_bytes_max
    return await _ask(request, ADD_CHECKPOINT_BYTES_MAX + entries_bytes_max + FRAME_BYTES)


@routes.post(FINISHED)
async def finished(request: web.Request) -> web.Response:
    """Take the hint that a candidate has its quorums."""
    return await _ask(request, NOTE_BYTES_MAX)


@routes.post(ROSTERS)
async def rosters(request: web.Request) -> web.Response:
    """Take roster versions, each of which proves itself."""
    return await _ask(request, ROSTERS_BYTES_MAX)


@routes.post(LINES)
async def lines(request: web.Request) -> web.Response:
    """Give a fresh mirror line on a note that we hold."""
    return await _ask(request, NOTE_BYTES_MAX)


@routes.get(NEWEST + "{log:[0-9a-f]{64}}")
async def newest(request: web.Request) -> web.Response:
    """Give the newest note that we hold of a log."""
    return await _ask(request, 0)


async def _ask(request: web.Request, bytes_max: int) -> web.Response:
    service = request.app[SERVICE]
    body = await read_body(request, bytes_max)
    caller = caller_of(request)

    def make(request_id: int) -> PeerCalled:
        return PeerCalled(request_id, request.path, body, caller)

    try:
        reply = await service.driver.ask(make)
    except UnavailableError as error:
        # A foreign client knows statuses and not our problem details.
        reply = PeerReply(503, f"{error.code}: {error}\n".encode())
    assert isinstance(reply, PeerReply)
    headers = {"Content-Type": reply.content_type, "Cache-Control": "no-store"}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def caller_of(request: web.Request) -> str | None:
    """Return the member whose pinned certificate was shown; None where nobody can tell."""
    transport = request.transport
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    if tls is None:
        return None
    shown = tls.getpeercert(binary_form=True)
    return caller_region(shown, regions_by_pin(request.app[SERVICE].chain.rosters[-2:]))
