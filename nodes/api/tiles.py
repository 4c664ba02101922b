"""Logs as files: our own, those we mirror, and what we cosigned (C2SP tlog-tiles, tlog-witness).

Tiles and bundles never change, so anyone may keep them for ever; a checkpoint is worth a second.
"""

from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from ledger.errors import MalformedError, NotFoundError
from ledger.hashing import HASH_BYTES
from ledger.note import Note
from ledger.roster import Role
from ledger.sm2_note import sign_sm2
from ledger.tiles import (
    TILE_WIDTH,
    EntryBundleID,
    TileID,
    encode_entry_bundle,
    parse_tile_path,
)
from nodes.api.context import SERVICE, Service
from nodes.api.requests import check_query, query_number
from nodes.core.exchange import MIRROR, NEWEST, encode_given
from nodes.core.ready import PeerCalled, PeerReply
from nodes.store.entries import LogIDs, load_entries, load_tiles
from nodes.store.notes import load_newest_note
from nodes.store.peers import LINES_ROWS_MAX, GivenLine, load_lines
from nodes.store.second_notes import load_newest

CHECKPOINT_TYPE: Final = "text/plain; charset=utf-8"
TILE_TYPE: Final = "application/octet-stream"
LINES_TYPE: Final = "application/octet-stream"
NUMBER_MAX: Final = 2**62

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_FOR_A_SECOND: Final = "public, max-age=1"

routes = web.RouteTableDef()


@routes.get("/log/checkpoint")
async def own_checkpoint(request: web.Request) -> web.Response:
    """Give the newest checkpoint of our own log, with the lines that have come in on it."""
    return _checkpoint(_newest(request.app[SERVICE]))


def _newest(service: Service) -> bytes:
    commit = service.node.snapshot.commit
    kept = service.notes.get(service.origin)
    if kept is None or kept[0] != commit:

        def read(connection: Connection) -> tuple[int, bytes] | None:
            return load_newest_note(connection, service.ids, service.origin)

        found = service.readers.here(read)
        if found is None:
            raise NotFoundError("nothing is published yet")
        kept = service.notes[service.origin] = (commit, found[1])
    return kept[1]


@routes.get("/log/checkpoint.pq")
async def own_second_note(request: web.Request) -> web.Response:
    """Give the newest checkpoint of our own log with all ML-DSA-44 lines that came in on it."""
    service = request.app[SERVICE]
    return _second_note(service, service.origin, "log")


@routes.get("/log/checkpoint.sm2")
async def own_sm2_note(request: web.Request) -> web.Response:
    """Give the newest checkpoint of our own log with the log's SM2 line.

    It is signed when it is asked for, once for each checkpoint: what is signed is public already.
    """
    service = request.app[SERVICE]
    key = service.log_sm2
    if key is None:
        raise NotFoundError("the log has no SM2 key", code="no-key")
    published = Note.decode(_newest(service))
    own = service.roster.log_key(service.origin)
    place = f"{service.origin} sm2"
    kept = service.notes.get(place)
    if kept is None or Note.decode(kept[1]).text != published.text:
        line = await service.readers.work(lambda: sign_sm2(service.origin, key, published.text))
        lines = (it for it in published.signatures if it.key_id == own.key_id)
        note = Note(published.text, (*lines, line)).encode()
        kept = service.notes[place] = (service.node.snapshot.commit, note)
    return _checkpoint(kept[1])


@routes.get("/log/{path:tile/.*}")
async def own_tile(request: web.Request) -> web.Response:
    """Give a tile or an entry bundle of our own log."""
    service = request.app[SERVICE]
    return await _tile(service, service.origin, request.match_info["path"])


@routes.get("/mirror/{log}/checkpoint")
async def mirror_checkpoint(request: web.Request) -> web.Response:
    """Give the newest checkpoint of another log whose entries we hold, with our mirror's line."""
    service = request.app[SERVICE]
    _origin(service, request)
    return _checkpoint(await _asked(service, f"{MIRROR}{request.match_info['log']}/checkpoint"))


@routes.get("/mirror/{log}/checkpoint.pq")
async def mirror_second_note(request: web.Request) -> web.Response:
    """Give the newest checkpoint of another log with our mirror's ML-DSA-44 line."""
    service = request.app[SERVICE]
    return _second_note(service, _origin(service, request), "mirror")


@routes.get("/mirror/{log}/{path:tile/.*}")
async def mirror_tile(request: web.Request) -> web.Response:
    """Give a tile or an entry bundle of another log."""
    service = request.app[SERVICE]
    return await _tile(service, _origin(service, request), request.match_info["path"])


@routes.get("/witness/{log}/checkpoint")
async def witness_checkpoint(request: web.Request) -> web.Response:
    """Give the newest checkpoint of another log that we cosigned."""
    service = request.app[SERVICE]
    if _origin(service, request) == service.origin:
        raise NotFoundError("nobody witnesses their own log")
    return _checkpoint(await _asked(service, f"{NEWEST}{request.match_info['log']}"))


@routes.get("/witness/{log}/checkpoint.pq")
async def witness_second_note(request: web.Request) -> web.Response:
    """Give the newest checkpoint of another log that we cosigned with ML-DSA-44."""
    service = request.app[SERVICE]
    return _second_note(service, _origin(service, request), "witness")


@routes.get("/witness/{log}/lines")
async def witness_lines(request: web.Request) -> web.Response:
    """Give a page of the lines that our witness key ever signed for another log."""
    return await _lines(request, "witness")


@routes.get("/mirror/{log}/lines")
async def mirror_lines(request: web.Request) -> web.Response:
    """Give a page of the lines that our mirror key ever signed for another log."""
    return await _lines(request, "mirror")


async def _lines(request: web.Request, role: Role) -> web.Response:
    """Give lines in the order of time; where a page is full, the next one begins after its last.

    So anyone can see whether this node ever signed for less than before, or for two histories.
    """
    service = request.app[SERVICE]
    origin = _origin(service, request)
    check_query(request, "since", "after", "rows")
    since_s = query_number(request, "since", default=0, most=NUMBER_MAX)
    after = query_number(request, "after", default=-1, most=NUMBER_MAX)
    rows_max = query_number(request, "rows", default=LINES_ROWS_MAX, most=LINES_ROWS_MAX)

    def read(connection: Connection) -> list[GivenLine]:
        return load_lines(
            connection, origin, role, since_s=since_s, after_size=after, rows_max=rows_max
        )

    given = await service.readers.run(read)
    return web.Response(
        body=encode_given((it.size, it.root, it.line) for it in given),
        headers={
            "Content-Type": LINES_TYPE,
            "Cache-Control": _FOR_A_SECOND,
            "Access-Control-Allow-Origin": "*",
        },
    )


def _second_note(service: Service, origin: str, role: str) -> web.Response:
    found = service.readers.here(lambda connection: load_newest(connection, origin, role))
    if found is None:
        raise NotFoundError("there are no ML-DSA-44 lines of that log")
    return _checkpoint(found[1])


def _origin(service: Service, request: web.Request) -> str:
    try:
        return service.by_hash[request.match_info["log"]]
    except KeyError as error:
        raise NotFoundError("no log of the network has that hash") from error


async def _asked(service: Service, path: str) -> bytes:
    """Return what the node's core answers to a peer's question, once for each commit."""
    commit = service.node.snapshot.commit
    kept = service.notes.get(path)
    if kept is not None and kept[0] == commit:
        return kept[1]
    reply = await service.driver.ask(lambda request_id: PeerCalled(request_id, path, b""))
    assert isinstance(reply, PeerReply)
    if reply.status != web.HTTPOk.status_code:
        raise NotFoundError("we hold no checkpoint of that log")
    service.notes[path] = (commit, reply.body)
    return reply.body


async def _tile(service: Service, origin: str, path: str) -> web.Response:
    try:
        tile = parse_tile_path(path)
    except MalformedError as error:
        # To a client of the specification there is simply nothing at such an address.
        raise NotFoundError(str(error)) from error

    def read(connection: Connection) -> bytes | None:
        return read_tile(connection, LogIDs(), origin, tile)

    data = await service.readers.run(read)
    if data is None:
        raise NotFoundError("that is not stored so far")
    return web.Response(
        body=data,
        headers={
            "Content-Type": TILE_TYPE,
            "Cache-Control": _FOR_EVER,
            "Access-Control-Allow-Origin": "*",
        },
    )


def read_tile(
    connection: Connection, ids: LogIDs, origin: str, tile: TileID | EntryBundleID
) -> bytes | None:
    """Return a tile or an entry bundle as it is served; None where not all of it is stored."""
    if isinstance(tile, EntryBundleID):
        first = tile.index * TILE_WIDTH
        entries = load_entries(connection, ids, origin, first, first + tile.width)
        return encode_entry_bundle(entries) if len(entries) == tile.width else None
    place = (tile.level, tile.index)
    hashes = load_tiles(connection, ids, origin, [place]).get(place, b"")
    wanted = tile.width * HASH_BYTES
    return hashes[:wanted] if len(hashes) >= wanted else None


def _checkpoint(note: bytes) -> web.Response:
    return web.Response(
        body=note,
        headers={
            "Content-Type": CHECKPOINT_TYPE,
            "Cache-Control": _FOR_A_SECOND,
            "Access-Control-Allow-Origin": "*",
        },
    )
