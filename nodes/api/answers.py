"""What callers read: the state of the node, proofs, objects, findings.

Every answer says as of which sizes of the logs it is. Nothing here goes through the writer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from ledger.equivocation import Equivocation, encode_file
from ledger.errors import NotFoundError
from ledger.names import check_origin, check_subject, region_of, region_of_origin
from nodes.api.consistency import NAMES, consistency_of, judged_size, reach
from nodes.api.context import SERVICE, Service
from nodes.api.entry_proofs import EntryProofs
from nodes.api.replies import json_response
from nodes.api.requests import check_query, is_case, query_number
from nodes.api.scitt import locate
from nodes.api.tokens import ANY, authorize
from nodes.core.ready import FindingRow
from nodes.core.sentences import FORMLESS, SENTENCES, who_answers
from nodes.core.sight import INDEX_PAST_ALL
from nodes.snapshot import NOT_HEARD_OF
from nodes.store.entries import LogIDs
from nodes.store.facts import load_trace, newest
from nodes.store.findings import load_findings, load_findings_of

EVIDENCE_TYPE: Final = "application/cbor"
PROOF_TYPE: Final = "text/plain; charset=utf-8"

routes = web.RouteTableDef()


@routes.get("/v1/ping")
async def ping(_request: web.Request) -> web.Response:
    """Say that the node is alive, and nothing else."""
    return web.Response(status=HTTPStatus.NO_CONTENT)


@routes.get("/v1/status")
async def status(request: web.Request) -> web.Response:
    """Say who this node is, how far every log has come as it sees it, and whether it writes."""
    service = request.app[SERVICE]
    check_query(request)
    snapshot = service.node.snapshot
    roster = service.roster
    logs = {}
    for region, member in roster.members.items():
        origin = member.origin
        seen: dict[str, Any] = {"region": region}
        seen |= asdict(snapshot.logs.get(origin, NOT_HEARD_OF))
        if (known := snapshot.known.get(origin)) is not None:
            seen["known"] = {
                "size": known.size,
                "root": known.root,
                "fresh_at_s": known.fresh_at_s,
            }
        if (view := snapshot.views.get(origin)) is not None:
            seen["view"] = {"size": view.size, "root": view.root, "fresh_at_s": view.fresh_at_s}
        logs[origin] = seen
    answer = {
        "region": service.region,
        "network": roster.network,
        "origin": service.origin,
        "state": snapshot.state,
        "detail": snapshot.detail,
        "resting": snapshot.resting,
        "commit": snapshot.commit,
        "size": snapshot.size,
        "root": snapshot.root,
        "witnessed_size": snapshot.witnessed_size,
        "replicated_size": snapshot.replicated_size,
        "now_ms": service.clock.now_ms(),
        "roster": {"version": roster.version, "sha256": roster.sha256, "rules": roster.rules},
        "quorum": roster.quorum(service.origin),
        "witnesses": list(roster.witnesses_of(service.origin)),
        "convicted": convicted_fields(service),
        "taking_in": taking_in(service),
        "logs": logs,
        "sm2": service.sm2,
        "peers": {region: asdict(peer) for region, peer in snapshot.peers.items()},
    }
    return json_response(answer, headers={"Access-Control-Allow-Origin": "*"})


def taking_in(service: Service) -> dict[str, int]:
    """Return how much of the other logs is here, of what there is by all that this node knows.

    A region that joins begins with the pins; from there its writers and the notes that come tell.
    """
    snapshot, roster = service.node.snapshot, service.roster
    told = {"wanted": 0, "stored": 0, "judged": 0}
    for origin in roster.origins:
        log = snapshot.logs.get(origin)
        if origin == service.origin or log is None:
            continue
        known, pin = snapshot.known.get(origin), service.chain.newest.pins.get(origin)
        sizes = (log.stored_size, log.witnessed_size, known and known.size, pin and pin.size)
        told["wanted"] += max(size or 0 for size in sizes)
        told["stored"] += log.stored_size
        told["judged"] += log.judged_size
    return told


@routes.get("/v1/entries/{index}/proof")
async def proof(request: web.Request) -> web.Response:
    """Prove an entry under the newest note that has its quorums (C2SP tlog-proof).

    It is of our own log, or with ``?origin=`` of another that is held here. While none covers an
    entry of our own, it is the newest published one, signed by our own key alone.
    """
    service = request.app[SERVICE]
    check_query(request, "origin")
    index = locate(request)
    origin = request.query.get("origin", service.origin)
    check_origin(origin)

    def read(connection: Connection) -> bytes:
        return EntryProofs(service, connection, LogIDs()).prove(origin, index)

    body = await service.readers.run(read)
    return web.Response(body=body, headers={"Content-Type": PROOF_TYPE})


@routes.get("/v1/findings")
async def findings(request: web.Request) -> web.Response:
    """List what broke a rule, the newest entries first."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request, "origin", "rows")
    rows_max = query_number(request, "rows", default=100, most=service.limits.page_rows_max)
    origin = request.query.get("origin")
    if origin is not None:
        check_origin(origin)

    def read(connection: Connection) -> list[FindingRow]:
        return load_findings(connection, LogIDs(), origin=origin, rows_max=rows_max)

    rows = await service.readers.run(read)
    return json_response(
        {
            "findings": [finding_fields(row) for row in rows],
            "convicted": convicted_fields(service),
            "rules": service.roster.rules,
            "as_of": as_of(service),
        }
    )


@routes.get("/v1/evidence/{id:.+}")
async def evidence_of(request: web.Request) -> web.Response:
    """Give what convicts a key, as a file that verifies with nothing but the genesis roster.

    Whoever holds it may show it to anyone, so it needs no token.
    """
    service = request.app[SERVICE]
    check_query(request)
    name = request.match_info["id"]
    snapshot = service.node.snapshot
    found = snapshot.convicted.get(name)
    if found is None:
        raise NotFoundError(f"no key is convicted here under the name {name[:80]!r}")
    return web.Response(
        body=encode_file(_rosters_for(service, found.evidence), found.evidence),
        headers={
            "Content-Type": EVIDENCE_TYPE,
            "Content-Disposition": f'attachment; filename="{name.replace("/", "-")}.evidence"',
            "Cache-Control": "no-store",
        },
    )


@routes.get("/v1/objects/{id:.+}")
async def object_of(request: web.Request) -> web.Response:
    """Give the newest row of an object in each log, and the entries that concern it."""
    service = request.app[SERVICE]
    caller = authorize(request, ANY)
    check_query(request, *NAMES)
    name = request.match_info["id"]
    check_subject(name)
    await reach(service, request, partial(judged_size, service))
    sizes = as_of(service)
    origins = [member.origin for member in service.roster.members.values()]

    def read(connection: Connection) -> dict[str, Any]:
        ids = LogIDs()
        rows = newest(connection, ids, [(origin, name, INDEX_PAST_ALL) for origin in origins])
        facts = [
            {"origin": row.origin, "index": row.index, "leaf": row.leaf, "state": row.state}
            for row in rows
            if row is not None
        ]
        return {"facts": facts, "entries": load_trace(connection, ids, name)}

    found = await service.readers.run(read)
    if not found["entries"]:
        raise NotFoundError(f"nothing is recorded here about {name}", code="unknown-object")
    if is_case(name):
        service.journal.look(caller.party, caller.role, name, "object")
    return json_response(
        {"object": name, **found, "as_of": sizes, "consistency": consistency_of(sizes)}
    )


def as_of(service: Service) -> Mapping[str, int]:
    """Return the sizes up to which each log is judged here."""
    snapshot = service.node.snapshot
    sizes = {origin: log.judged_size for origin, log in snapshot.logs.items()}
    return {**sizes, service.origin: snapshot.size}


def _rosters_for(service: Service, evidence: Equivocation) -> tuple[bytes, ...]:
    """Return the signed rosters from the genesis to the newest that evidence names."""
    chain = service.node.snapshot.rosters
    newest = max(said.roster for said in evidence.said)
    return (service.chain.signed[0],) if chain is None else chain.signed[:newest]


def convicted_fields(service: Service) -> list[dict[str, Any]]:
    """Return the keys that evidence convicts of two histories, and where that is recorded."""
    return [
        {
            "subject": name,
            "against": it.conviction.against,
            "region": it.conviction.region,
            "log": it.conviction.origin,
            "shown": it.conviction.shown,
            "detail": it.conviction.detail,
            "place": it.place,
        }
        for name, it in sorted(service.node.snapshot.convicted.items())
    ]


def findings_at(
    connection: Connection, ids: LogIDs, places: Iterable[tuple[str, int]]
) -> list[dict[str, Any]]:
    """Return the findings about some entries as JSON."""
    return [
        finding_fields(row)
        for origin, index in places
        for row in load_findings_of(connection, ids, origin, index)
    ]


def finding_fields(row: FindingRow) -> dict[str, Any]:
    """Return a finding as JSON, with the words for the person at the counter.

    ``region`` is the one whose officer, window, department or node answers: the writer of the
    log, save for evidence, which accuses another.
    """
    zh, en = SENTENCES.get(row.code, FORMLESS)
    accused = region_of(row.subject) if row.code == "equivocation" else region_of_origin(row.origin)
    return {
        "origin": row.origin,
        "index": row.index,
        "code": row.code,
        "severity": row.severity,
        "subject": row.subject,
        "detail": row.detail,
        "reason_zh": zh,
        "reason_en": en,
        "answers": who_answers(row.code),
        "region": accused,
        "evidence": [list(pair) for pair in row.evidence],
    }
