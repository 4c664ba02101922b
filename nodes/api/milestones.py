"""The milestones that a region has set, each counted from the records (docs/method.md)."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from authz.milestone import COUNTED, Place, Reached, Recorded, counted, reached
from ledger.names import check_region
from ledger.statement import decode_statement
from nodes.api.answers import as_of
from nodes.api.consistency import NAMES, consistency_of, judged_size, reach
from nodes.api.context import SERVICE, Service
from nodes.api.pages import LOOKING
from nodes.api.replies import json_response
from nodes.api.requests import check_query
from nodes.api.tokens import authorize
from nodes.store.entries import LogIDs, load_entries
from nodes.store.facts import load_type

EVIDENCE_MAX: Final = 100
"""Acts that are shown of each milestone; all are counted."""

routes = web.RouteTableDef()


@routes.get("/v1/milestones")
async def milestones(request: web.Request) -> web.Response:
    """List a region's milestones: target, date, count, met or not, and the acts that show it."""
    service = request.app[SERVICE]
    authorize(request, LOOKING)
    check_query(request, "region", *NAMES)
    region = request.query.get("region", service.region)
    check_region(region)
    await reach(service, request, partial(judged_size, service))
    sizes = as_of(service)

    def read(connection: Connection) -> list[dict[str, Any]]:
        return _Milestones(service, connection).of(region)

    found = await service.readers.run(read)
    return json_response(
        {
            "region": region,
            "milestones": found,
            "as_of": sizes,
            "as_of_s": service.now_s(),
            "consistency": consistency_of(sizes),
        }
    )


class _Milestones:
    """Reads milestones and what they count, each type of object once."""

    def __init__(self, service: Service, connection: Connection) -> None:
        self._service = service
        self._connection = connection
        self._ids = LogIDs()
        self._counted: dict[str, list[tuple[int, Place]]] = {}

    def of(self, region: str) -> list[dict[str, Any]]:
        records: dict[str, list[Recorded]] = {}
        for it in self._rows(region, "milestone"):
            records.setdefault(it.name, []).append(it)
        return [self._told(name, rows) for name, rows in records.items()]

    def _told(self, name: str, rows: list[Recorded]) -> dict[str, Any]:
        row = rows[-1].row
        what = row.get("counts")
        times = self._said(rows) if what is None else self._times(what)
        found: Reached = reached(
            row["target"] if what is not None else 1, row["due"], self._service.now_s(), times
        )
        return {
            "milestone": name,
            "matter": row.get("matter", ""),
            "document": row.get("document", ""),
            "target": row["target"],
            "due_s": row["due"],
            "counts": what,
            "count": found.count if what is not None else row.get("count", 0),
            "reported": row.get("count"),
            "standing": found.standing,
            "met_s": found.met_s,
            "set": rows[0].place,
            "reports": [it.place for it in rows[1:]],
            "evidence": found.evidence[:EVIDENCE_MAX],
        }

    def _said(self, rows: Iterable[Recorded]) -> list[tuple[int, Place]]:
        """Return the act that says a milestone is reached, where nothing is counted for it."""
        return [self._dated(it.place) for it in rows if it.row["st"] == "reached"][:1]

    def _times(self, what: str) -> list[tuple[int, Place]]:
        if what not in self._counted:
            rows = (
                it
                for region in self._service.roster.members
                for it in self._rows(region, COUNTED[what].type)
            )
            self._counted[what] = [
                min(map(self._dated, places)) for places in counted(what, rows).values()
            ]
        return self._counted[what]

    def _dated(self, place: Place) -> tuple[int, Place]:
        origin, index = place
        [entry] = load_entries(self._connection, self._ids, origin, index, index + 1)
        return decode_statement(entry).time_s, place

    def _rows(self, region: str, type_: str) -> Iterable[Recorded]:
        for fact in load_type(self._connection, self._ids, region, type_):
            row: Mapping[str, Any] = fact.state
            yield Recorded(fact.object, (fact.origin, fact.index), row)
