"""What a region lacks in one respect: contacts, equipment, supervisors, blanks, and the like."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from authz.gaps import GAPS
from authz.listing import Kept
from ledger.errors import NotFoundError
from ledger.names import check_region
from nodes.api.context import Service
from nodes.api.pages import begin, page
from nodes.api.records import histories
from nodes.api.requests import query_number
from nodes.api.sweeps import DAYS_MAX, newest_of_each
from nodes.store.entries import LogIDs
from nodes.store.facts import load_names as load_all_names
from nodes.store.lent import load_names

routes = web.RouteTableDef()


@routes.get("/v1/gaps/{what}")
async def gaps_of(request: web.Request) -> web.Response:
    """List what a region lacks: contacts, equipment, supervisors, keys of their own."""
    service, rows_max, after = await begin(request, "region", "days")
    what = request.match_info["what"]
    gap = GAPS.get(what)
    if gap is None:
        raise NotFoundError(f"what may lack is one of {', '.join(GAPS)}")
    region = request.query.get("region", service.region)
    check_region(region)
    days = query_number(request, "days", default=0, most=DAYS_MAX)

    def read(connection: Connection) -> tuple[list[dict[str, Any]], str | None]:
        looking = _Looking(service, connection, days)
        names = load_names(connection, region, gap.type, after=after, rows_max=rows_max)
        rows = []
        for name, row in looking.rows(names).items():
            rows += [{"object": name, **asdict(it)} for it in gap.find(looking, name, row)]
        return rows, names[-1] if len(names) == rows_max else None

    return await page(service, "gaps", read, {"region": region, "what": what})


class _Looking:
    """The logs as this node has judged them; what is read of all objects of a type is read once."""

    def __init__(self, service: Service, connection: Connection, days: int) -> None:
        self._service = service
        self._connection = connection
        self._ids = LogIDs()
        self._all: dict[str, Mapping[str, Mapping[str, Any]]] = {}
        self.days = days

    @cached_property
    def now_s(self) -> int:
        return self._service.now_s()

    @property
    def regions(self) -> Sequence[str]:
        return list(self._service.roster.members)

    def rows(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the newest rows of those objects that have one."""
        facts = newest_of_each(self._service, self._connection, names)
        return {
            name: fact.state for name, fact in zip(names, facts, strict=True) if fact is not None
        }

    def row(self, name: str) -> Mapping[str, Any] | None:
        return self.rows([name]).get(name)

    def history(self, name: str) -> Sequence[Kept]:
        return histories(self._connection, self._ids, name, name).get(name, ())

    def all_of(self, region: str, type_: str) -> Mapping[str, Mapping[str, Any]]:
        prefix = f"{region}/{type_}/"
        if prefix not in self._all:
            # All, since what is left out here would be told to be lacking.
            self._all[prefix] = self.rows(load_all_names(self._connection, prefix))
        return self._all[prefix]
