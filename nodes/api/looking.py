"""Looking up afterwards: why an attempt was refused, and who has looked at a case at this node."""

from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from authz.party import type_of_unit
from ledger.encoding import decode
from ledger.errors import MalformedError, NotFoundError, RefusedError
from nodes.api.cases import case_named
from nodes.api.context import SERVICE, Service
from nodes.api.journal import REQUEST_BYTES
from nodes.api.pages import LOOKING, ROWS_DEFAULT
from nodes.api.problem import mend_of
from nodes.api.replies import json_response
from nodes.api.requests import check_query, parse_number, query_number
from nodes.api.tokens import ANY, Caller, Role, authorize
from nodes.core.sentences import sentence_of
from nodes.core.sight import INDEX_PAST_ALL
from nodes.plain import plain
from nodes.store.entries import LogIDs
from nodes.store.facts import between, load_changes, newest
from nodes.store.journal import RefusalRow, find_refusal, load_readings, load_refusals

_ELSE: Final = (
    "该请求未被接受，原因见代码与说明。",
    "The request was not taken; the code and the detail say why.",
)

_TIME_S_MAX: Final = 2**62

routes = web.RouteTableDef()


@routes.get("/v1/why/{id}")
async def why(request: web.Request) -> web.Response:
    """Say why an attempt was refused, to whom it concerned and to auditors."""
    service = request.app[SERVICE]
    caller = authorize(request, ANY)
    check_query(request)
    number = _number(request.match_info["id"])
    row = service.journal.pending(number)
    if row is None:
        row = await service.readers.run(lambda connection: find_refusal(connection, number))
    if row is None:
        raise NotFoundError(
            "no refusal of this number is kept here, or not any more", code="unknown-request"
        )
    if caller.role is not Role.AUDITOR and caller.party != row.party:
        raise RefusedError("the refusal concerned somebody else", code="wrong-party")
    return json_response(plain(_explained(row)))


@routes.get("/v1/refusals")
async def refusals(request: web.Request) -> web.Response:
    """List refused attempts, the latest first, to auditors; a caller sees their own alone."""
    service = request.app[SERVICE]
    caller = authorize(request, ANY)
    check_query(request, "party", "rows", "after")
    rows_max = query_number(
        request, "rows", default=ROWS_DEFAULT, most=service.limits.page_rows_max
    )
    mine = "" if caller.role is Role.AUDITOR else caller.party
    party = request.query.get("party", mine)
    if mine not in {"", party}:
        raise RefusedError("refusals of others are for auditors", code="wrong-party")
    before = _before(request.query.get("after", ""))
    await service.journal.settled()

    def load(connection: Connection) -> list[RefusalRow]:
        return load_refusals(connection, party=party, before=before, rows_max=rows_max)

    rows = await service.readers.run(load)
    last = rows[-1] if rows and len(rows) == rows_max else None
    return json_response(
        {
            "refusals": plain([_explained(row) for row in rows]),
            "next": None if last is None else f"{last.at_s},{last.request.hex()}",
        }
    )


@routes.get("/v1/cases/{id:[^/]+/[^/]+/[^/]+}/readers")
async def readers_of(request: web.Request) -> web.Response:
    """Say who looked at a case at this node, to auditors and to the case's own authorities."""
    service = request.app[SERVICE]
    caller = authorize(request, LOOKING - {Role.OPERATOR})
    check_query(request, "rows")
    rows_max = query_number(
        request, "rows", default=ROWS_DEFAULT, most=service.limits.page_rows_max
    )
    case = case_named(request)
    await service.readers.run(lambda connection: _check_may(service, connection, caller, case))
    # What was looked at a moment ago is to be there.
    await service.journal.settled()
    rows = await service.readers.run(lambda connection: load_readings(connection, case, rows_max))
    return json_response(
        {
            "case": case,
            "readers": [
                {
                    "party": row.party,
                    "role": row.role,
                    "what": row.what,
                    "first_s": row.first_s,
                    "last_s": row.last_s,
                    "times": row.times,
                }
                for row in rows
            ],
        }
    )


def _before(text: str) -> tuple[int, bytes]:
    """Return when the last attempt of the page before was, and its number."""
    if not text:
        return _TIME_S_MAX, b""
    at_s, _, number = text.partition(",")
    return parse_number(at_s, "after", most=_TIME_S_MAX), _number(number)


def _number(text: str) -> bytes:
    if len(text) != 2 * REQUEST_BYTES or not set(text) <= set("0123456789abcdef"):
        raise MalformedError(
            f"a refusal's number has {2 * REQUEST_BYTES} hexadecimal digits", code="bad-field"
        )
    return bytes.fromhex(text)


def _explained(row: RefusalRow) -> dict[str, Any]:
    """Return a refused attempt with the words for the person at the counter."""
    told = decode(row.told)
    if "code" in told:
        told |= _words(told["code"])
    if "results" in told:
        told["results"] = [it | _words(it["code"]) for it in told["results"]]
    return {"request": row.request, "at_s": row.at_s, "party": row.party, **told}


def _words(code: str) -> dict[str, str]:
    zh, en = sentence_of(code) or _ELSE
    return {"reason_zh": zh, "reason_en": en} | mend_of(code)


def _check_may(service: Service, connection: Connection, caller: Caller, case: str) -> None:
    """Check that a caller may know who looked at a case.

    Raises:
        NotFoundError: ``unknown-object``.
        RefusedError: ``wrong-party``: it is neither an auditor nor of a unit that decides the case,
            holds it or has held it.
    """
    ids = LogIDs()
    changes = load_changes(connection, ids, case)
    if not changes:
        raise NotFoundError(f"nothing is recorded here about {case}", code="unknown-object")
    if caller.role is Role.AUDITOR:
        return
    rows = [
        row.state
        for origin, index in changes
        for row in between(connection, ids, origin, case, index, index + 1)
    ]
    units = {row[name] for row in rows for name in ("dept", "unit") if name in row}
    if not units & _units_of(service, connection, caller.party):
        raise RefusedError("the case is not one of this authority's", code="wrong-party")


def _units_of(service: Service, connection: Connection, name: str) -> set[str]:
    """Return the units that a party speaks for: itself, or where an officer sits."""
    if type_of_unit(name) is not None:
        return {name}
    [found] = newest(connection, LogIDs(), [(service.origin, name, INDEX_PAST_ALL)])
    if found is None or not found.live:
        return set()
    return {found.state[field] for field in ("unit", "dept") if found.state.get(field)}
