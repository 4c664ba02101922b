"""The vault over HTTP: papers of cases put in, listed, read and destroyed; the vault's key renewed.

Papers go over the wire as base64 in JSON, never in an address: names of files are often those of
people, and addresses stand in the journals of every machine on the way.
"""

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from ledger.commitment import SALT_BYTES
from ledger.errors import MalformedError
from ledger.names import check_object, check_party
from nodes.api import vault_reading, vaulting
from nodes.api import vault_sight as sight
from nodes.api.acts import check_issuer
from nodes.api.context import SERVICE, Service
from nodes.api.replies import json_response
from nodes.api.requests import check_case, check_query, read_json, take
from nodes.api.tokens import ACTING, ANY, PEOPLE, Caller, Role, authorize
from nodes.store import vault as store

BODY_FRAME_BYTES: Final = 4_096
REASON_BYTES_MAX: Final = 16_384

routes = web.RouteTableDef()


@routes.post("/v1/vault/papers")
async def put(request: web.Request) -> web.Response:
    """Seal a paper of a case that is held here, keep it in the vault, and record it."""
    service = request.app[SERVICE]
    caller = authorize(request, ACTING)
    check_query(request)
    bytes_max = 4 * (service.vault.limits.payload_bytes_max // 3 + 1) + BODY_FRAME_BYTES
    given = take(
        await read_json(request, bytes_max),
        {"case": str, "name": str, "content": str},
        {"officer": str, "salt": str},
    )
    issuer = _issuer(service, caller, given)
    check_case(given["case"])
    kept = await vaulting.put(
        service,
        case=given["case"],
        issuer=issuer,
        name=given["name"],
        content=_base64(given["content"]),
        salt=None if "salt" not in given else _salt(given["salt"]),
    )
    answer = {
        "paper": kept.place.payload,
        "case": kept.place.case,
        "commitment": kept.place.commitment,
        "salt": kept.salt,
        "ciphertext": kept.ciphertext,
        "origin": service.origin,
        "index": kept.index,
    }
    return json_response(answer, status=HTTPStatus.CREATED)


@routes.get("/v1/vault/papers/{id:.+}")
async def get(request: web.Request) -> web.Response:
    """Read a paper, wherever it lies: for officers of units that hold its case or held it once."""
    service = request.app[SERVICE]
    caller = authorize(request, PEOPLE)
    check_query(request)
    name = request.match_info["id"]
    check_object(name)
    paper, payload = await vault_reading.read(service, caller.party, name)
    service.journal.look(caller.party, caller.role, paper.place.case, "paper in the vault")
    return json_response(
        {
            "paper": name,
            "case": paper.place.case,
            "name": payload.name,
            "content": base64.b64encode(payload.content).decode("ascii"),
            "commitment": paper.place.commitment,
            "salt": payload.salt,
            "ciphertext": paper.ciphertext,
        }
    )


@routes.get("/v1/vault/cases/{id:.+}")
async def papers(request: web.Request) -> web.Response:
    """List the papers of a case that the ledger tells of, without names, and every tombstone."""
    service = request.app[SERVICE]
    caller = authorize(request, ANY)
    check_query(request)
    case = request.match_info["id"]
    check_case(case)

    def look(connection: Connection) -> tuple[list[sight.Paper], list[dict[str, Any]]]:
        return sight.papers(connection, case), sight.all_tombstones(service, connection, case)

    found, tombstones = await service.readers.run(look)
    here = await _here(service, [it.place.payload for it in found])
    service.journal.look(caller.party, caller.role, case, "list of papers")
    listed = [
        {
            "paper": it.place.payload,
            "index": it.index,
            "by": it.by,
            "commitment": it.place.commitment,
            "ciphertext": it.ciphertext,
            "here": it.place.payload in here,
        }
        for it in found
    ]
    return json_response({"case": case, "papers": listed, "tombstones": tombstones})


@routes.post("/v1/vault/shreds")
async def shred(request: web.Request) -> web.Response:
    """Destroy this region's keys of a case for good, and leave a tombstone in the ledger."""
    service = request.app[SERVICE]
    caller = authorize(request, ACTING)
    check_query(request)
    given = take(
        await read_json(request, REASON_BYTES_MAX),
        {"case": str, "basis": str, "reason": str},
        {"officer": str, "tombstone": str},
    )
    issuer = _issuer(service, caller, given)
    check_case(given["case"])
    done = await vaulting.shred(
        service,
        case=given["case"],
        issuer=issuer,
        basis=given["basis"],
        reason=given["reason"],
        tombstone=given.get("tombstone"),
    )
    return json_response(done | {"origin": service.origin})


@routes.post("/v1/vault/keys")
async def rotate(request: web.Request) -> web.Response:
    """Publish the vault's next key, wrap all keys for it, and destroy the old private key."""
    service = request.app[SERVICE]
    authorize(request, frozenset({Role.OPERATOR}))
    check_query(request)
    take(await read_json(request, BODY_FRAME_BYTES), {}, {})
    return json_response(await vaulting.rotate(service))


@routes.get("/v1/vault")
async def status(request: web.Request) -> web.Response:
    """Say how full the vault is, and which other regions' tombstones wait for an answer."""
    service = request.app[SERVICE]
    authorize(request, ANY)
    check_query(request)
    await vaulting.settle(service)
    count, size, cases = 0, 0, set[str]()
    if service.vault.path.is_file():
        count, size = await service.vault.run(store.usage)
        cases = await service.vault.run(store.load_cases)
    due = await service.readers.run(lambda it: sight.due(service, it, cases))
    suite = vaulting.suite_of(service)
    key = await service.readers.run(lambda it: sight.vault_key(service, it, service.region, suite))
    return json_response(
        {
            "suite": suite,
            "version": None if key is None else key.state["n"],
            "key": None if key is None else key.state["key"],
            "cases": len(cases),
            "papers": count,
            "bytes": size,
            "unanswered": due,
        }
    )


async def _here(service: Service, wanted: list[str]) -> set[str]:
    room = service.vault
    if not wanted or not room.path.is_file():
        return set()
    return await room.run(store.held, wanted)


def _issuer(service: Service, caller: Caller, given: Mapping[str, Any]) -> str:
    """Return in whose name a caller, who may, has the vault act: an officer's or the region's."""
    issuer: str = given.get("officer", service.region)
    check_party(issuer)
    check_issuer(service, caller, issuer)
    return issuer


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("content is base64", code="bad-field") from error


def _salt(text: str) -> bytes:
    if len(text) != 2 * SALT_BYTES or not set(text) <= set("0123456789abcdef"):
        raise MalformedError(
            f"a salt is {2 * SALT_BYTES} lower-case hexadecimal digits", code="bad-salt"
        )
    return bytes.fromhex(text)
