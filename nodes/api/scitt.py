"""Statements in, receipts out, as any SCITT client asks for them (SCRAPI).

Headers and paths say nothing that counts: only the statement's own bytes are registered.
"""

import base64
import binascii
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from ledger.cose import encode_key_set
from ledger.encoding import encode
from ledger.errors import LedgerError, MalformedError, NotFoundError
from ledger.keys import cose_key
from ledger.statement import ENTRY_BYTES_MAX, decode_statement
from nodes.api.appending import register_one
from nodes.api.attempts import Attempt, remember_attempt, remember_caller
from nodes.api.context import SERVICE, Service, make_receipt
from nodes.api.requests import is_of_type, parse_number, read_body
from nodes.core.ready import Register
from nodes.store.entries import load_entries

COSE_TYPE: Final = "application/cose"
CBOR_TYPE: Final = "application/cbor"
INDEX_MAX: Final = 2**40 - 1

routes = web.RouteTableDef()


@routes.post("/entries")
async def register_statement(request: web.Request) -> web.Response:
    """Register a signed statement; the same bytes again get the same index."""
    service = request.app[SERVICE]
    if not is_of_type(request, COSE_TYPE):
        raise MalformedError(f"a statement comes as {COSE_TYPE}")
    entry = await read_body(request, ENTRY_BYTES_MAX)
    [statement] = await service.gathering.verify([entry])
    if isinstance(statement, LedgerError):
        raise statement
    # No token is asked for: whoever signed it is who wanted it.
    remember_caller(request, statement.issuer, "")
    remember_attempt(request, Attempt(statement.act.kind, statement.subject, statement.issuer))
    appended = await register_one(service, lambda request_id: Register(request_id, (statement,)))
    return _receipt(service, appended.index, statement.subject, status=201)


@routes.get("/entries/{index}")
async def receipt_of(request: web.Request) -> web.Response:
    """Give the receipt of an entry, over the newest published size."""
    service = request.app[SERVICE]
    index = locate(request)
    subject = decode_statement(entry_at(service, index)).subject
    return _receipt(service, index, subject, status=200)


@routes.get("/.well-known/scitt-keys")
async def keys(request: web.Request) -> web.Response:
    """Give the keys that receipts are signed with, as a set: that of now, then those of before."""
    service = request.app[SERVICE]
    return web.Response(
        body=encode_key_set([*service.receipt_keys.values()]), headers={"Content-Type": CBOR_TYPE}
    )


@routes.get("/.well-known/scitt-keys/{kid}")
async def key(request: web.Request) -> web.Response:
    """Give one key by its kid, in base64url without padding."""
    service = request.app[SERVICE]
    try:
        text = request.match_info["kid"]
        asked = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotFoundError("a kid is base64url without padding", code="no-key") from error
    public = service.receipt_keys.get(asked)
    if public is None:
        raise NotFoundError("no key of that kid signs receipts here", code="no-key")
    return web.Response(body=encode(cose_key(public, asked)), headers={"Content-Type": CBOR_TYPE})


def locate(request: web.Request) -> int:
    """Return the index in a path.

    Raises:
        NotFoundError: It is no index.
    """
    try:
        return parse_number(request.match_info["index"], "index", most=INDEX_MAX)
    except MalformedError as error:
        raise NotFoundError(str(error), code="bad-locator") from error


def entry_at(service: Service, index: int) -> bytes:
    """Return an entry of our own log that is published.

    Raises:
        NotFoundError: There is none so far.
    """
    if index >= service.node.snapshot.size:
        raise NotFoundError(f"the log has no entry {index} so far")

    def read(connection: Connection) -> list[bytes]:
        return load_entries(connection, service.ids, service.origin, index, index + 1)

    [entry] = service.readers.here(read)
    return entry


def _receipt(service: Service, index: int, subject: str, *, status: int) -> web.Response:
    receipt = make_receipt(service, index, subject)
    return web.Response(
        status=status,
        body=receipt,
        headers={"Content-Type": COSE_TYPE, "Location": f"/entries/{index}"},
    )
