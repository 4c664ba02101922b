"""What followed from an officer, a window, a grant, a seal or an incident, in every log held here.

Acts are found by their ties (``authz.ties``), a page at a time in the order of their declared
times; nothing is read through.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from authz.custody import holder_of
from authz.follow import Followed, follow, stage_of
from authz.replay import Place
from authz.ties import TYPES
from ledger.errors import MalformedError, NotFoundError
from ledger.kind import Fact
from ledger.names import check_object, check_origin, region_of_origin, split_name
from nodes.api.answers import as_of, findings_at
from nodes.api.clocks import timing
from nodes.api.consistency import NAMES, consistency_of, judged_size, reach
from nodes.api.context import SERVICE, Service
from nodes.api.entry_proofs import EntryProofs, wants_proofs
from nodes.api.pages import LOOKING, ROWS_DEFAULT
from nodes.api.replies import json_response
from nodes.api.requests import check_query, parse_number, query_number
from nodes.api.timelines import Judged, read
from nodes.api.tokens import authorize
from nodes.core.sight import INDEX_PAST_ALL
from nodes.plain import plain
from nodes.store import ties
from nodes.store.entries import LogIDs
from nodes.store.facts import find_leaf, newest

_TIME_S_MAX: Final = 2**62
_INDEX_MAX: Final = 2**62

routes = web.RouteTableDef()


@routes.get("/v1/traces/{id:.+}")
async def trace_of(request: web.Request) -> web.Response:
    """Tell what followed from an officer, a window, a grant, a seal or an incident."""
    service = request.app[SERVICE]
    caller = authorize(request, LOOKING)
    check_query(request, "rows", "after", "from_s", "until_s", "proofs", *NAMES)
    name = request.match_info["id"]
    check_object(name)
    type_ = split_name(name).type
    if type_ not in TYPES:
        raise MalformedError(f"what is followed is one of {', '.join(TYPES)}", code="bad-field")
    rows_max = query_number(
        request, "rows", default=ROWS_DEFAULT, most=service.limits.page_rows_max
    )
    if rows_max < 1:
        raise MalformedError("rows is at least 1", code="bad-field")
    from_s = query_number(request, "from_s", default=0, most=_TIME_S_MAX)
    until_s = query_number(request, "until_s", default=_TIME_S_MAX, most=_TIME_S_MAX)
    after = _after(request)
    is_whole = wants_proofs(request)
    await reach(service, request, partial(judged_size, service))
    sizes = as_of(service)

    def load(connection: Connection) -> dict[str, Any]:
        ids = LogIDs()
        found = ties.load(
            connection,
            ids,
            name,
            from_s=from_s,
            until_s=until_s,
            after=after,
            rows_max=rows_max,
        )
        page = _Page(service, connection, ids, name, [Place(*it[1:]) for it in found])
        if not found and not page.stands:
            raise NotFoundError(f"nothing is recorded here about {name}", code="unknown-object")
        last = "{},{},{}".format(*found[-1]) if len(found) == rows_max else None
        return page.told(whole=is_whole) | {"next": last}

    told = await service.readers.run(load)
    for case in told["cases"]:
        service.journal.look(
            caller.party,
            caller.role,
            case["case"],
            f"trace of {'an' if type_[0] in 'io' else 'a'} {type_}",
        )
    return json_response(
        {"object": name, **plain(told), "as_of": sizes, "consistency": consistency_of(sizes)}
    )


class _Page:
    """Some of the acts that follow from an object, with what they touch.

    Args:
        service: The node's.
        connection: Open.
        ids: Of logs.
        name: Of the object.
        places: Of the acts.
    """

    def __init__(
        self,
        service: Service,
        connection: Connection,
        ids: LogIDs,
        name: str,
        places: Sequence[Place],
    ) -> None:
        self._service = service
        self._connection = connection
        self._ids = ids
        self._name = name
        judged = Judged(service, connection, ids)
        self._entries = [
            judged.entry(place, read(connection, ids, place.origin, place.index), name)
            for place in places
        ]
        self.stands = self._newest(name)
        """The object's newest row in each log that has one."""

    def told(self, *, whole: bool) -> dict[str, Any]:
        """Return the page as JSON; ``whole`` with the proof of each line."""
        times = [
            it for entry in self._entries for it in (entry.statement.time_s, entry.seen_by_s) if it
        ]
        count = timing(self._service, self._connection, self._ids, (), times)
        followed = follow(self._name, self._entries, self._service.kinds, count)
        proofs = EntryProofs(self._service, self._connection, self._ids)
        told: dict[str, Any] = {
            "stands": [
                {"origin": row.origin, "index": row.index, "state": row.state}
                for row in self.stands
            ],
            "lines": [
                asdict(it.line)
                | {"how": it.how, "case": it.case}
                | {"proof": proofs.tell(it.line.origin, it.line.index, it.line.leaf, whole=whole)}
                for it in followed
            ],
            "cases": self._cases(followed),
            "findings": findings_at(
                self._connection,
                self._ids,
                [(it.origin, it.index) for it in self._entries if it.findings],
            ),
        }
        if split_name(self._name).type == "incident":
            told["concerns"] = self._concerns()
        return told

    def _cases(self, followed: Sequence[Followed]) -> list[dict[str, Any]]:
        """Return the cases that the acts of the page touch, and where each stands now."""
        acts: dict[str, list[tuple[str, int]]] = {}
        for it in followed:
            if it.case is not None:
                acts.setdefault(it.case, []).append((it.line.origin, it.line.index))
        cases = []
        for case, places in acts.items():
            rows = {
                region_of_origin(row.origin): row.state
                for row in self._newest(case)
                if "at" in row.state
            }
            cases.append(
                {
                    "case": case,
                    "holder": holder_of(rows),
                    "stage": stage_of(rows),
                    "acts": places,
                }
            )
        return cases

    def _concerns(self) -> dict[str, Any]:
        """Return what the acts on an incident name, and the act that was found to have caused it.

        That is looked for on the case, the grant and the seal that the report names.
        """
        named: dict[str, Any] = {}
        for entry in self._entries:
            if entry.statement.subject == self._name and entry.changed:
                body = entry.statement.act.body
                known = ("case", "grant", "seal", "responsible", "entry")
                named |= {field: body[field] for field in known if field in body}
        leaf = named.get("entry")
        if leaf is not None:
            named["act"] = next(
                (
                    [origin, index]
                    for field in ("case", "grant", "seal")
                    if field in named
                    for origin in self._service.chain.origins()
                    for index in (
                        find_leaf(self._connection, self._ids, origin, named[field], leaf),
                    )
                    if index is not None
                ),
                None,
            )
        return named

    def _newest(self, name: str) -> list[Fact]:
        members = self._service.roster.members.values()
        wanted = [(member.origin, name, INDEX_PAST_ALL) for member in members]
        found = newest(self._connection, self._ids, wanted)
        return [row for row in found if row is not None]


def _after(request: web.Request) -> tuple[int, str, int] | None:
    """Return what the page before ended with; None for the first page."""
    text = request.query.get("after")
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3:
        raise MalformedError("after is what the page before gave as next", code="bad-field")
    check_origin(parts[1])
    at_s, index = (parse_number(it, "after", most=_INDEX_MAX) for it in (parts[0], parts[2]))
    return at_s, parts[1], index
