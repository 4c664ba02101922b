"""Lists of a region's records of a type, as they stand, or stood at a moment."""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from authz.listing import Kept, Wanted, stands
from authz.party import PARTY_TYPES
from ledger.errors import MalformedError
from ledger.names import check_object, check_region
from ledger.salvage import as_judged
from ledger.spelling import meant
from ledger.statement import decode_statement
from nodes.api.context import Service
from nodes.api.pages import TIME_S_MAX, begin, page
from nodes.api.requests import query_number
from nodes.api.sweeps import DAYS_MAX
from nodes.api.tokens import DAY_S
from nodes.store.entries import LogIDs
from nodes.store.facts import load_histories
from nodes.store.lent import load_names

routes = web.RouteTableDef()


@routes.get("/v1/records/{type}")
async def records_of(request: web.Request) -> web.Response:
    """List a region's records of a type, each as it stands or stood at a moment."""
    service, rows_max, after = await begin(
        request, "region", "about", "state", "overdue", "older", "at"
    )
    type_ = request.match_info["type"]
    region = request.query.get("region", service.region)
    check_region(region)
    check_object(f"{region}/{type_}/1")
    _check_type(service, type_)
    at_s = query_number(request, "at", default=service.now_s(), most=TIME_S_MAX)
    wanted = Wanted(
        state=request.query.get("state", ""),
        about=request.query.get("about", ""),
        overdue=bool(query_number(request, "overdue", default=0, most=1)),
        older_s=query_number(request, "older", default=0, most=DAYS_MAX) * DAY_S,
    )

    def read(connection: Connection) -> tuple[list[dict[str, Any]], str | None]:
        ids = LogIDs()
        names = load_names(connection, region, type_, after=after, rows_max=rows_max)
        if not names:
            return [], None
        kept = histories(connection, ids, names[0], names[-1])
        standing = (stands(name, kept[name], at_s) for name in names)
        rows = [it.fields(at_s) for it in standing if it is not None and wanted.has(it, at_s)]
        return rows, names[-1] if len(names) == rows_max else None

    return await page(service, "records", read, {"region": region, "type": type_, "at_s": at_s})


def _check_type(service: Service, type_: str) -> None:
    """Check that there are records of a type: what is misspelt is not told to be empty.

    Raises:
        MalformedError: ``bad-field``.
    """
    subjects = {it for kind in service.kinds.values() for it in kind.subject.split(" or ")}
    types = (subjects - {"any", "party"}) | PARTY_TYPES
    if type_ not in types:
        told = filter(None, (f"no records are of the type {type_}", meant(type_, types)))
        raise MalformedError("; ".join(told), code="bad-field")


def histories(connection: Connection, ids: LogIDs, first: str, last: str) -> dict[str, list[Kept]]:
    """Return what acts have left each object from ``first`` to ``last`` as, by its name.

    The acts of each log stand in its order.
    """
    found: dict[str, list[Kept]] = {}
    for row, entry in load_histories(connection, ids, first, last):
        made = as_judged(decode_statement(entry))
        body = made.act.body if made.subject == row.object else {}
        kept = Kept(
            (row.origin, row.index), made.time_s, made.act.kind, made.issuer, body, row.state
        )
        found.setdefault(row.object, []).append(kept)
    return found
