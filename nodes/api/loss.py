"""A region that is lost for good: what is reported of its log, where it is cut off, and the freeze.

Source: protocol.md section 6; in words for operators, docs/loss.md.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ledger.checkpoint import Checkpoint
from ledger.cut import check_closing, decide_cut
from ledger.errors import LedgerError, MalformedError, RefusedError, UnavailableError
from ledger.frozen import Frozen, decode_frozen
from ledger.hashing import EMPTY_ROOT, hash_leaf
from ledger.names import check_origin
from ledger.note import checkpoint_of
from ledger.receipt import RECEIPT_BYTES_MAX, decode_transparent_statement
from ledger.roster import Roster
from ledger.roster_fields import Pin
from ledger.statement import ENTRY_BYTES_MAX, decode_statement
from nodes.api.acts import answer_to, wait_for, waiting
from nodes.api.appending import bring, freeze
from nodes.api.context import SERVICE, Service
from nodes.api.replies import json_response
from nodes.api.requests import check_query, read_body, read_json, take
from nodes.api.scitt import COSE_TYPE, entry_at
from nodes.api.tokens import ACTING, ANY, Role, authorize
from nodes.core.ready import Freeze, Salvage
from nodes.core.sight import INDEX_PAST_ALL
from nodes.core.succession import read_reports
from nodes.core.turning import turns_in
from nodes.store.entries import LogIDs, stored_branch
from nodes.store.facts import newest
from nodes.store.notes import load_memory
from nodes.store.peers import load_row
from nodes.store.pins import read_pins
from nodes.store.reader import StoreReader

routes = web.RouteTableDef()


@routes.post("/v1/loss/freeze")
async def freeze_log(request: web.Request) -> web.Response:
    """Cosign a log no more, and record what this region holds of it."""
    service = request.app[SERVICE]
    authorize(request, frozenset({Role.OPERATOR}))
    check_query(request)
    fields = take(await read_json(request, service.limits.act_bytes_max), {"origin": str}, {})
    origin = fields["origin"]
    check_origin(origin)
    appended = await freeze(service, lambda request_id: Freeze(request_id, origin))
    body = decode_statement(appended.entry).act.body
    report = decode_frozen(body, service.region, service.ruled)
    answer = {
        "origin": service.origin,
        "index": appended.index,
        "leaf": hash_leaf(appended.entry),
        "frozen": origin,
        **report_fields(report),
    }
    return json_response(answer, status=201)


@routes.post("/v1/salvage")
async def salvage(request: web.Request) -> web.Response:
    """Bring an act into this log that the one before had accepted and lost.

    An officer's key signed an officer's act, whoever brings it. What the region's own key signed
    only an operator brings: the old key may be in other hands by now.
    """
    service = request.app[SERVICE]
    caller = authorize(request, ACTING)
    word, timeout_ms = waiting(request, service)
    if request.content_type != COSE_TYPE:
        raise MalformedError(f"a statement with its receipt comes as {COSE_TYPE}")
    bytes_max = ENTRY_BYTES_MAX + 2 * RECEIPT_BYTES_MAX
    entry, receipts = decode_transparent_statement(await read_body(request, bytes_max))
    [receipt] = receipts[:1]
    lost = decode_statement(entry)
    if lost.issuer == service.region and caller.role is not Role.OPERATOR:
        raise RefusedError("only an operator acts for the region", code="wrong-role")
    appended = await bring(service, lambda request_id: Salvage(request_id, entry, receipt))
    if not appended.entry:
        appended = replace(appended, entry=entry_at(service, appended.index))
    finality = await wait_for(service, appended.index, word, timeout_ms)
    return answer_to(service, appended, lost.subject, finality)


@routes.get("/v1/loss/cut")
async def show_cut(request: web.Request) -> web.Response:
    """Say where a log would be closed by what its frozen witnesses report, or why not yet."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request, "origin")
    origin = request.query.get("origin", "")
    check_origin(origin)
    service.roster.witnesses_of(origin)
    return json_response(
        await service.readers.run(lambda connection: _cut(service, connection, origin))
    )


@routes.post("/v1/loss/check")
async def check_version(request: web.Request) -> web.Response:
    """Say whether this member may sign a roster version, as far as it closes logs.

    A version that it may not sign is refused, with the reason.
    """
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request)
    fields = take(await read_json(request, service.limits.act_bytes_max), {"roster": str}, {})
    try:
        new = Roster.decode(base64.b64decode(fields["roster"], validate=True))
    except binascii.Error as error:
        raise MalformedError("the roster is base64", code="bad-field") from error
    closes = {at: it for at, it in new.closed.items() if at not in service.roster.closed}

    def check(connection: Connection) -> None:
        for origin, closing in closes.items():
            _check_closing(service, connection, Checkpoint(origin, closing.size, closing.root))

    await service.readers.run(check)
    return json_response({"closes": {at: it.to_map() for at, it in closes.items()}})


def _check_closing(service: Service, connection: Connection, head: Checkpoint) -> None:
    """Check one cut against the freezes and against what this member has signed for.

    Raises:
        LedgerError: Fewer than a quorum have frozen the log, or the cut is below or beside that.
    """
    ids, roster, origin = LogIDs(), service.roster, head.origin
    reports = read_reports(service.ruled, origin, StoreReader(connection, ids))
    quorum = roster.quorum(origin)
    if len(reports) < quorum:
        raise UnavailableError(
            f"{len(reports)} of the {quorum} witnesses needed have frozen {origin}",
            code="too-few-frozen",
        )
    check_closing(head, must_stay(connection, origin), stored_branch(connection, ids, origin))


def must_stay(connection: Connection, origin: str) -> Checkpoint | None:
    """Return what a member lets nobody cut off: what it has mirrored; None for nothing.

    Of a log that it has turned away from, what it mirrored cannot have been replicated, and what it
    has turned to is.
    """
    turn = turns_in(load_memory(connection)).get(origin)
    if turn is not None:
        return turn.checkpoint
    row = load_row(connection, origin)
    return None if row is None or not row.mirrored else checkpoint_of(row.mirrored)


def _cut(service: Service, connection: Connection, origin: str) -> dict[str, Any]:
    ids = LogIDs()
    roster = service.roster
    reports = read_reports(service.ruled, origin, StoreReader(connection, ids))
    answer: dict[str, Any] = {
        "log": origin,
        "quorum": roster.quorum(origin),
        "reports": [
            {"region": region, **report_fields(report)} for region, report in reports.items()
        ],
    }
    try:
        cut = decide_cut(
            roster,
            origin,
            reports,
            [stored_branch(connection, ids, origin)],
            _proven(service, connection, ids, origin),
        )
    except LedgerError as error:
        return {**answer, "decided": False, "code": error.code, "detail": str(error)}
    return {
        **answer,
        "decided": not cut.lacking,
        "pins": _pins(service, connection, ids),
        "size": cut.size,
        "root": cut.root,
        "forked": cut.is_forked,
        "lacking": cut.lacking,
        "reasons": cut.reasons,
    }


def _pins(service: Service, connection: Connection, ids: LogIDs) -> Mapping[str, list[Any]]:
    """Return, for each log of the roster, a tree of it that is replicated, as this node knows."""
    roster = service.roster
    pins = read_pins(connection, ids, roster, service.origin, service.node.snapshot.known)
    empty = Pin(0, EMPTY_ROOT)
    return {origin: pins.get(origin, empty).to_map() for origin in roster.origins}


def report_fields(report: Frozen) -> dict[str, Any]:
    """Return what a member reports, for people."""
    witnessed, mirrored = report.witnessed, report.mirrored
    return {
        "witnessed_size": 0 if witnessed is None else witnessed.checkpoint.size,
        "witnessed_s": None if witnessed is None else witnessed.time_s,
        "mirrored_size": report.mirrored_size,
        "mirrored_s": None if mirrored is None else mirrored.time_s,
    }


def _proven(service: Service, connection: Connection, ids: LogIDs, origin: str) -> list[Checkpoint]:
    """Return heads of a log for which a quorum of mirrors has signed, as this node knows them."""
    turn = turns_in(load_memory(connection)).get(origin)
    heads = {} if turn is None else {turn.checkpoint.size: turn.checkpoint}
    known = service.node.snapshot.known.get(origin)
    if known is not None:
        heads[known.size] = Checkpoint(origin, known.size, known.root)
    others = [other for other in service.roster.origins if other != origin]
    for fact in newest(connection, ids, [(other, origin, INDEX_PAST_ALL) for other in others]):
        if fact is not None:
            size = fact.state["size"]
            heads.setdefault(size, Checkpoint(origin, size, fact.state["root"]))
    return list(heads.values())
