"""What was laid aside of a log whose other branch stands: for auditors, and for people.

Source: docs/adr/0026-a-node-turns-to-the-branch-of-the-quorum.md.
"""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ledger.errors import NotFoundError
from ledger.names import check_origin
from ledger.tiles import TILE_WIDTH, encode_entry_bundle
from nodes.api.context import SERVICE
from nodes.api.replies import json_response
from nodes.api.requests import check_query, parse_number, query_number
from nodes.api.tokens import ANY, authorize
from nodes.core.mirror import OCTETS
from nodes.core.turning import turns_in
from nodes.store.copies import Aside, load_aside_entries, load_asides
from nodes.store.entries import ENTRIES_MAX, LogIDs
from nodes.store.notes import load_memory

routes = web.RouteTableDef()


@routes.get("/v1/loss/asides")
async def show_asides(request: web.Request) -> web.Response:
    """Say what copies of a log this node has laid aside, and to which tree it has turned."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request, "origin")
    origin = request.query.get("origin", "")
    check_origin(origin)
    return json_response(
        await service.readers.run(lambda connection: asides_fields(connection, origin))
    )


@routes.get("/v1/loss/asides/{number}/entries")
async def show_entries(request: web.Request) -> web.Response:
    """Give up to 256 of the entries that were laid aside of a copy, from ``first`` on."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request, "origin", "first")
    origin = request.query.get("origin", "")
    check_origin(origin)
    which = parse_number(request.match_info["number"], "number", most=ENTRIES_MAX)
    first = query_number(request, "first", default=0, most=ENTRIES_MAX)
    body = await service.readers.run(
        lambda connection: aside_bundle(connection, origin, which, first)
    )
    return web.Response(body=body, content_type=OCTETS)


def asides_fields(connection: Connection, origin: str) -> dict[str, Any]:
    """Return what was laid aside of a log, without the entries."""
    turn = turns_in(load_memory(connection)).get(origin)
    copies = load_asides(connection, LogIDs(), origin)
    return {
        "log": origin,
        "turned": None
        if turn is None
        else {"size": turn.checkpoint.size, "root": turn.checkpoint.root, "note": turn.head.note},
        "copies": [_fields(it) for it in copies],
    }


def aside_bundle(connection: Connection, origin: str, which: int, first: int) -> bytes:
    """Return entries of what was laid aside of a copy, as a bundle of a mirror has them."""
    entries = load_aside_entries(connection, LogIDs(), origin, which, first, first + TILE_WIDTH)
    if not entries:
        raise NotFoundError(f"nothing is laid aside of {origin[:80]!r} from {first} on")
    return encode_entry_bundle(entries)


def _fields(aside: Aside) -> dict[str, Any]:
    return {
        "number": aside.number,
        "size": aside.size,
        "root": aside.root,
        "kept_size": aside.kept_size,
        "peaks": list(aside.peaks),
        "notes": list(aside.notes),
    }
