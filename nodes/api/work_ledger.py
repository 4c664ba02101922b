"""The work ledger of a month, as of sizes of the logs that a caller may name (docs/method.md)."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from authz.calendar import day_named, day_of
from authz.work_ledger import Month, WorkLedger, digest_of, month_named, work_ledger
from ledger.errors import MalformedError, NotFoundError, UnavailableError
from ledger.names import check_party
from nodes.api.consistency import NAMES, judged_size, reach
from nodes.api.context import SERVICE, Service
from nodes.api.pages import LOOKING
from nodes.api.replies import json_response
from nodes.api.requests import asked, check_query, parse_number
from nodes.api.tokens import authorize
from nodes.store.entries import LogIDs
from nodes.store.tallies import check_tallied
from nodes.store.work_ledger import block_below, load_blocks, load_calendar, load_tallied

_SIZE_MAX: Final = 2**40

routes = web.RouteTableDef()


@routes.get("/v1/workledger")
async def work_ledger_of(request: web.Request) -> web.Response:
    """Give the figures of a month by unit, with the digest that a bulletin of them carries."""
    service = request.app[SERVICE]
    authorize(request, LOOKING)
    check_query(request, "month", "unit", "as_of", "known", *NAMES)
    month = month_named(asked(request, "month"))
    unit = request.query.get("unit")
    if unit is not None:
        check_party(unit)
    today = day_of(service.now_s())
    as_of_day = day_named(request.query["as_of"]) if "as_of" in request.query else today
    known = _known(service, request.query["known"]) if "known" in request.query else None
    await reach(service, request, partial(judged_size, service))

    def read(connection: Connection) -> tuple[dict[str, Any], bytes]:
        document = _read(service, connection, known, month, as_of_day).document()
        return document, digest_of(document)

    document, digest = await service.readers.run(read)
    if unit is not None:
        document["units"] = {
            name: line
            for name, line in document["units"].items()
            if name == unit or name.startswith(f"{unit}/")
        }
    return json_response({**document, "digest": digest.hex()})


def _read(
    service: Service,
    connection: Connection,
    known: Mapping[str, int] | None,
    month: Month,
    as_of_day: int,
) -> WorkLedger:
    check_tallied(connection)
    ids = LogIDs()
    if known is None:
        known = load_blocks(connection, ids)
    else:
        _check_blocks(service, connection, ids, known)
    calendar = load_calendar(connection, ids, known, month)
    tallied = load_tallied(connection, ids, known, month, as_of_day, calendar)
    return work_ledger(month, as_of_day, calendar, tallied)


def _known(service: Service, text: str) -> dict[str, int]:
    """Return the sizes that ``origin:size,…`` names.

    Raises:
        MalformedError: ``bad-field``.
        NotFoundError: ``unknown-log``.
    """
    found: dict[str, int] = {}
    origins = service.chain.origins()
    for part in text.split(","):
        origin, _, size = part.rpartition(":")
        if origin not in origins:
            raise NotFoundError(f"no log of this network: {origin[:80]!r}", code="unknown-log")
        if origin in found:
            raise MalformedError(f"{origin} stands in known twice", code="bad-field")
        found[origin] = parse_number(size, "known", most=_SIZE_MAX)
    return found


def _check_blocks(
    service: Service, connection: Connection, ids: LogIDs, known: Mapping[str, int]
) -> None:
    """Check that each size is that of a block, and judged here.

    Raises:
        MalformedError: ``bad-field``.
        UnavailableError: ``behind``.
    """
    for origin, size in known.items():
        if size >= judged_size(service, origin):
            raise UnavailableError(f"this node is behind {origin} {size}", code="behind")
        if size != block_below(connection, ids, origin, size + 1):
            raise MalformedError(f"no block of {origin} has the size {size}", code="bad-field")
