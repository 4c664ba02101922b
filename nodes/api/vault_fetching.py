"""Papers between vaults: what a region that holds the case asks another one for, and is given.

Asked for: deterministic CBOR of ``[format, payload, suite, version]``, the latter two of the
asker's vault key. Given: ``[format, sealed payload, wrapped key]``. Who asks, its certificate says.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from authz.tables.vault import vault_key_object
from ledger.encoding import decode, encode
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.names import check_object
from ledger.payload import VAULT_SUITES, Holder, check_digest, open_payload, unwrap_key
from nodes.api import vault_sight as sight
from nodes.api import vaulting
from nodes.api.c2sp import caller_of
from nodes.api.context import SERVICE, Service
from nodes.api.requests import read_body
from nodes.core.exchange import VAULT
from nodes.core.ready import PeerRequest
from nodes.store import vault as store

ASK_FORMAT: Final = "shouxin/vault-ask/v1"
GIVE_FORMAT: Final = "shouxin/vault-give/v1"
ASK_BYTES_MAX: Final = 1_024
ASK_AGAIN_S: Final = 0.25

# What the other side may refuse with, and what that is here.
_REFUSALS: Final[dict[str, type[LedgerError]]] = {
    "never-held": RefusedError,
    "shredded": RefusedError,
    "unanswered-tombstone": RefusedError,
    "no-payload": NotFoundError,
}
_AGAIN: Final = frozenset({"behind", "busy", "standby"})

routes = web.RouteTableDef()


# ---- giving -------------------------------------------------------------------------------------


@routes.post(VAULT)
async def give(request: web.Request) -> web.Response:
    """Give a region that holds the case, or held it once, a sealed paper and its wrapped key."""
    service = request.app[SERVICE]
    caller = caller_of(request)
    if caller is None:
        raise RefusedError("only a member's certificate is let into the vault", code="never-held")
    payload, suite, version = _decode_ask(await read_body(request, ASK_BYTES_MAX))
    await vaulting.settle(service)

    def look(connection: Connection) -> tuple[sight.Paper, bytes]:
        paper = sight.paper(service, connection, payload)
        if paper.region != service.region:
            raise NotFoundError(f"{payload} is not ours to give", code="no-payload")
        sight.check_region(connection, paper.place.case, caller)
        sight.check_unanswered(service, connection, paper.place.case)
        key = sight.vault_key(service, connection, caller, suite)
        if key is None or key.state["n"] < version:
            raise UnavailableError(
                f"version {version} of {vault_key_object(caller, suite)} is not in sight yet",
                code="behind",
            )
        if key.state["n"] > version:
            raise RefusedError(f"{caller} has a newer vault key", code="wrong-state")
        return paper, key.state["key"]

    paper, public = await service.readers.run(look)
    case, holder = paper.place.case, Holder(region=caller, suite=suite, version=version)
    room = service.vault
    async with room.lock:
        await vaulting.check_not_shredded(service, case)
        row = await room.run(store.load_payload, payload)
        if row is None:
            raise NotFoundError(f"{payload} is not in the vault", code="no-payload")
        wrapped = await vaulting.share(service, row, holder, public)
    return web.Response(
        body=encode([GIVE_FORMAT, row.sealed, wrapped]),
        content_type="application/octet-stream",
        headers={"Cache-Control": "no-store"},
    )


def _decode_ask(body: bytes) -> tuple[str, str, int]:
    match decode(body):
        case [str(form), str(payload), str(suite), int(version)] if (
            form == ASK_FORMAT and suite in VAULT_SUITES and version > 0
        ):
            check_object(payload)
            return payload, suite, version
        case _:
            raise MalformedError("not a question to a vault")


# ---- asking -------------------------------------------------------------------------------------


async def fetch(service: Service, paper: sight.Paper) -> None:
    """Get a paper from the vault that it was put into, check it, and keep it here.

    Raises:
        RefusedError: ``never-held``, ``shredded``, ``unanswered-tombstone``: it is not given out.
        UnverifiedError: What came is not the paper that is recorded, or its key not for us.
        UnavailableError: ``no-answer``; ``behind``: the other region does not see our vault key.
    """
    room = service.vault
    async with room.lock:
        own = await vaulting.own_key(service)
    sealed, wrapped = await _asked(service, paper, own.holder)
    check_digest(sealed, paper.ciphertext)
    async with room.lock:
        case = paper.place.case
        await vaulting.check_not_shredded(service, case)
        now = await vaulting.own_key(service)
        opener = room.keys.load(own.holder.suite, own.holder.version)
        key = unwrap_key(wrapped, opener, case=case, region=paper.region, holder=own.holder)
        open_payload(key, paper.place, sealed)

        def keep(connection: Connection) -> None:
            if store.load_payload(connection, paper.place.payload) is not None:
                return  # another reader has brought it meanwhile
            vaulting.check_room(service, connection, case, len(sealed))
            row = store.PayloadRow(
                payload=paper.place.payload,
                case=case,
                region=paper.region,
                number=room.add_case_key(connection, key, now),
                index=paper.index,
                sealed=sealed,
            )
            store.add_payload(connection, row)

        await room.run(keep)


async def _asked(service: Service, paper: sight.Paper, holder: Holder) -> tuple[bytes, bytes]:
    """Ask until there is an answer, or no time is left."""
    body = encode([ASK_FORMAT, paper.place.payload, holder.suite, holder.version])
    left_ms = service.vault.limits.fetch_timeout_ms
    while True:
        answer = await service.vault.peers.send(
            PeerRequest(
                request_id=0, to=paper.region, path=VAULT, body=body, timeout_ms=max(left_ms, 1)
            )
        )
        if answer.status == HTTPStatus.OK:
            return _decode_given(answer.body)
        error = _refusal(paper.region, answer.status, answer.body)
        left_ms -= round(ASK_AGAIN_S * 1000)
        if error.code not in _AGAIN or left_ms <= 0:
            raise error
        await asyncio.sleep(ASK_AGAIN_S)


def _decode_given(body: bytes) -> tuple[bytes, bytes]:
    match decode(body):
        case [str(form), bytes(sealed), bytes(wrapped)] if form == GIVE_FORMAT:
            return sealed, wrapped
        case _:
            raise UnverifiedError("not the answer of a vault", code="altered-payload")


def _refusal(region: str, status: int, body: bytes) -> LedgerError:
    try:
        told = json.loads(body)
        code, detail = str(told["code"]), str(told["detail"])
    except (ValueError, TypeError, KeyError):
        return UnavailableError(
            f"the vault of {region} gives no answer: {status}", code="no-answer"
        )
    if code in _REFUSALS:
        return _REFUSALS[code](f"{region}: {detail}", code=code)
    known = code if code in _AGAIN else "no-answer"
    return UnavailableError(f"{region}: {code}: {detail}", code=known)
