"""The roster over HTTP: the versions that are known, what is proposed next, and words on it.

A word carries what a governance key signed elsewhere: the node has no such key, and puts the word
into its log only if the log may hold it.
"""

import base64
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from ledger.encoding import decode
from ledger.errors import MalformedError
from ledger.hashing import hash_leaf
from ledger.roster_acts import PROPOSE_KIND, ROSTER_KINDS, roster_object
from ledger.roster_change import written_version
from nodes.api.appending import compose
from nodes.api.context import SERVICE, Service
from nodes.api.replies import json_response
from nodes.api.requests import check_query, read_body
from nodes.api.tokens import Role, authorize
from nodes.core.ready import Compose
from nodes.core.roster_judge import APPROVALS, PROPOSALS, STALLS, read_proposal
from nodes.core.sight import INDEX_PAST_ALL
from nodes.store.entries import LogIDs
from nodes.store.facts import newest
from nodes.store.pins import read_pins
from nodes.store.reader import StoreReader

ROSTER_TYPE = "application/cbor"

routes = web.RouteTableDef()


@routes.get("/v1/roster")
async def roster_of(request: web.Request) -> web.Response:
    """Give the roster in force, for people, and every version that is known, as it was signed."""
    service = request.app[SERVICE]
    check_query(request)
    roster, chain = service.roster, service.chain
    answer = {
        "version": roster.version,
        "sha256": roster.sha256,
        "newest": chain.newest.version,
        "signed": [base64.b64encode(signed).decode("ascii") for signed in chain.signed],
        "network": roster.network,
        "steward": roster.steward,
        "rules": roster.rules,
        "constants": roster.constants.to_map(),
        "members": {region: member.to_map() for region, member in roster.members.items()},
    }
    return json_response(answer)


@routes.get("/v1/roster/next")
async def next_of(request: web.Request) -> web.Response:
    """Say what is proposed, approved and stalled of the next version, and what it could pin."""
    service = request.app[SERVICE]
    check_query(request)
    return json_response(await service.readers.run(lambda connection: _next(service, connection)))


@routes.post("/v1/roster/acts")
async def say(request: web.Request) -> web.Response:
    """Record a proposal, an approval or a stall: the CBOR array of its kind and its body."""
    service = request.app[SERVICE]
    authorize(request, frozenset({Role.OPERATOR}))
    check_query(request)
    if request.content_type != ROSTER_TYPE:
        raise MalformedError(f"a word on the roster comes as {ROSTER_TYPE}")
    match decode(await read_body(request, service.limits.act_bytes_max)):
        case [str(kind), dict(body)] if kind in ROSTER_KINDS:
            pass
        case _:
            raise MalformedError("a word on the roster is its kind and its body")
    subject = roster_object(service.region, _version(kind, body))
    appended = await compose(
        service,
        lambda request_id: Compose(
            request_id=request_id, kind=kind, issuer=service.region, subject=subject, body=body
        ),
    )
    answer = {
        "origin": service.origin,
        "index": appended.index,
        "leaf": hash_leaf(appended.entry),
        "subject": subject,
    }
    return json_response(answer, status=201)


def _version(kind: str, body: dict[Any, Any]) -> int:
    if kind == PROPOSE_KIND:
        roster = body.get("roster")
        if type(roster) is not bytes:
            raise MalformedError("a proposal holds a roster's bytes", code="bad-field")
        return written_version(roster)
    version = body.get("version")
    if type(version) is not int or version < 1:
        raise MalformedError("version is a number from 1", code="bad-field")
    return version


def _next(service: Service, connection: Connection) -> dict[str, Any]:
    ids, roster = LogIDs(), service.roster
    version = roster.version + 1
    reader = StoreReader(connection, ids)
    members = tuple(roster.members.items())
    wanted = [
        (member.origin, roster_object(region, version), INDEX_PAST_ALL)
        for region, member in members
    ]
    said: dict[str, dict[str, Any]] = {}
    for (region, member), fact in zip(members, newest(connection, ids, wanted), strict=True):
        if fact is None:
            continue
        proposals = []
        for round_, digest, index in fact.state.get(PROPOSALS, ()):
            body = read_proposal(reader, member.origin, index, roster).body
            encoded = base64.b64encode(body).decode("ascii")
            proposals.append({"round": round_, "sha256": digest, "roster": encoded})
        said[region] = {
            "proposals": proposals,
            "approvals": [it[:2] for it in fact.state.get(APPROVALS, ())],
            "stalls": list(fact.state.get(STALLS, ())),
        }
    known = service.node.snapshot.known
    pins = read_pins(connection, ids, roster, service.origin, known)
    found = {origin: pin.to_map() for origin, pin in pins.items()}
    return {"version": version, "said": said, "pins": found}
