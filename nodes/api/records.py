"""Lists of a region's records of a type, as they stand, or stood at a moment."""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from authz.listing import Kept, Wanted, stands
from ledger.names import check_object, check_region
from nodes.api.pages import TIME_S_MAX, begin, page
from nodes.api.requests import query_number
from nodes.api.sweeps import DAYS_MAX
from nodes.api.timelines import read as read_act
from nodes.api.tokens import DAY_S
from nodes.store.entries import LogIDs
from nodes.store.facts import between, load_changes
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
        standing = (stands(name, history(connection, ids, name), at_s) for name in names)
        rows = [it.fields(at_s) for it in standing if it is not None and wanted.has(it, at_s)]
        return rows, names[-1] if len(names) == rows_max else None

    return await page(service, "records", read, {"region": region, "type": type_, "at_s": at_s})


def history(connection: Connection, ids: LogIDs, name: str) -> list[Kept]:
    """Return what acts have left an object as, those of each log in its order."""
    found = []
    for origin, index in load_changes(connection, ids, name):
        made = read_act(connection, ids, origin, index)
        [row] = between(connection, ids, origin, name, index, index + 1)
        body = made.act.body if made.subject == name else {}
        found.append(
            Kept((origin, index), made.time_s, made.act.kind, made.issuer, body, row.state)
        )
    return found
