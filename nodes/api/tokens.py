"""Callers' tokens: who asks, in what role, and the routes by which an operator gives them out.

A token is 32 random bytes in base64url. Every issue and end of one is an act of the region in its
own log.
"""

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from ledger.errors import MalformedError, NotFoundError, RefusedError
from ledger.names import check_party, region_of
from ledger.suites import SUITES
from nodes.adapters.random import randomness
from nodes.api.appending import compose
from nodes.api.attempts import remember_caller
from nodes.api.context import SERVICE, Service
from nodes.api.problem import UnauthenticatedError
from nodes.api.replies import json_response
from nodes.api.requests import check_query, query_number, read_json, take
from nodes.api.token_book import hash_token
from nodes.core.ready import Compose
from nodes.store import tokens as store
from nodes.store.tokens import TokenRow

TOKEN_BYTES: Final = 32
LABEL_CHARS_MAX: Final = 100
DAY_S: Final = 86_400

_BEARER: Final = "Bearer "

routes = web.RouteTableDef()


class Role(StrEnum):
    """In what capacity a caller asks."""

    WINDOW = "window"
    AUTHORITY = "authority"
    AUDITOR = "auditor"
    OPERATOR = "operator"


_ROLES: Final = {str(role): role for role in Role}
PEOPLE: Final = frozenset({Role.WINDOW, Role.AUTHORITY})
ACTING: Final = frozenset({Role.WINDOW, Role.AUTHORITY, Role.OPERATOR})
ANY: Final = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token stands for."""

    party: str
    role: Role


def new_token() -> str:
    """Return a new token's text."""
    return base64.urlsafe_b64encode(randomness(TOKEN_BYTES)).rstrip(b"=").decode("ascii")


def authorize(request: web.Request, roles: frozenset[Role]) -> Caller:
    """Return who asks.

    Raises:
        UnauthenticatedError: There is no token in force.
        RefusedError: ``wrong-role``: its role is none of ``roles``.
    """
    service = request.app[SERVICE]
    header = request.headers.get("Authorization", "")
    if not header.startswith(_BEARER):
        raise UnauthenticatedError("this needs a token, and none was sent", code="no-token")
    row = service.tokens.find(header.removeprefix(_BEARER), service.clock.now_ms())
    role = _ROLES[row.role]
    remember_caller(request, row.party, row.role)
    if role not in roles:
        wanted = ", ".join(sorted(roles))
        raise RefusedError(f"a token of role {role} where {wanted} may ask", code="wrong-role")
    return Caller(row.party, role)


@routes.post("/v1/tokens")
async def issue(request: web.Request) -> web.Response:
    """Make a token for a party; its text is in this answer and nowhere else."""
    service = request.app[SERVICE]
    authorize(request, frozenset({Role.OPERATOR}))
    check_query(request)
    fields = take(
        await read_json(request, service.limits.act_bytes_max),
        {"party": str, "role": str},
        {"label": str, "days": int},
    )
    party, label, days = fields["party"], fields.get("label", ""), fields.get("days", 90)
    check_party(party)
    if region_of(party) != service.region:
        raise RefusedError(f"{party} is not a party of {service.region}", code="wrong-party")
    try:
        role = Role(fields["role"])
    except ValueError as error:
        raise MalformedError(f"role is one of {', '.join(Role)}", code="bad-field") from error
    if len(label) > LABEL_CHARS_MAX or not label.isprintable():
        raise MalformedError(f"a label has at most {LABEL_CHARS_MAX} characters", code="bad-field")
    if not 1 <= days <= service.limits.token_days_max:
        raise MalformedError(f"days is in 1..{service.limits.token_days_max}", code="bad-field")
    now_s = service.now_s()
    token = new_token()
    row = TokenRow(
        hash=hash_token(token),
        party=party,
        role=role,
        label=label,
        created_s=now_s,
        expires_s=now_s + days * DAY_S,
    )
    # The record first: a token without one must not be in force, while a record without its token
    # only says that something was begun.
    body = {"holder": party, "role": str(role), "expires": row.expires_s}
    index = await _record(service, "token.issue", row.hash, body)
    await service.driver.write(lambda: service.tokens.add(row))
    answer = {**_public(row), "token": token, "index": index}
    return json_response(answer, status=201)


@routes.get("/v1/tokens")
async def listing(request: web.Request) -> web.Response:
    """List tokens without their texts."""
    service = request.app[SERVICE]
    authorize(request, frozenset({Role.OPERATOR}))
    check_query(request, "after", "rows")
    rows_max = query_number(request, "rows", default=100, most=service.limits.page_rows_max)
    after = parse_hash(request.query.get("after", "0" * 64), "after")

    def load(connection: Connection) -> list[TokenRow]:
        return store.load_all(connection, after=after, rows_max=rows_max)

    rows = await service.readers.run(load)
    return json_response({"tokens": [_public(row) for row in rows]})


@routes.delete("/v1/tokens/{hash}")
async def revoke(request: web.Request) -> web.Response:
    """End a token at once."""
    service = request.app[SERVICE]
    authorize(request, frozenset({Role.OPERATOR}))
    token_hash = parse_hash(request.match_info["hash"], "hash")
    now_s = service.now_s()
    row = service.readers.here(lambda connection: store.find(connection, token_hash))
    if row is None:
        raise NotFoundError(f"no token {token_hash.hex()}", code="unknown-token")
    if row.revoked_s is None:
        # The end first: a token that must not serve any more is not to wait for the log. If the
        # record fails then, asking again makes it.
        await service.driver.write(lambda: service.tokens.revoke(token_hash, now_s))
        service.tokens.forget(token_hash)
    try:
        index = await _record(service, "token.revoke", token_hash, {})
    except RefusedError as error:
        if error.code != "unknown-object":
            raise
        # The first operator's token is older than the log, so both records are made now.
        body = {"holder": row.party, "role": row.role, "expires": row.expires_s}
        await _record(service, "token.issue", token_hash, body)
        index = await _record(service, "token.revoke", token_hash, {})
    return json_response({"id": token_hash.hex(), "revoked_s": now_s, "index": index})


@routes.post("/v1/officers")
async def make_officer_key(request: web.Request) -> web.Response:
    """Make a key for an officer in the region's key store, and return what enrolment asks for.

    With ``"suite": "sm2-sm3"`` it is an SM2 key; whether the roster names it, enrolment judges.

    Asked again, it returns the same key: nothing is enrolled by this.
    """
    service = request.app[SERVICE]
    authorize(request, frozenset({Role.OPERATOR}))
    check_query(request)
    given = await read_json(request, service.limits.act_bytes_max)
    fields = take(given, {"party": str}, {"suite": str})
    party, suite = fields["party"], fields.get("suite")
    if suite not in {None, *SUITES}:
        raise MalformedError(f"suite is one of {', '.join(SUITES)}", code="bad-field")
    check_party(party)
    if region_of(party) != service.region or "/" not in party:
        raise RefusedError(f"{party} is not an officer of {service.region}", code="wrong-party")
    public = await service.readers.work(lambda: service.officers.make(party, suite))
    named = {} if suite is None else {"suite": suite}
    return json_response({"party": party, "key": public.hex(), "holder": "region"} | named)


def parse_hash(text: str, name: str) -> bytes:
    """Return the 32 bytes that 64 lower-case hexadecimal digits say.

    Raises:
        MalformedError: ``bad-field``.
    """
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise MalformedError(f"{name} is 64 lower-case hexadecimal digits", code="bad-field")
    return bytes.fromhex(text)


async def _record(service: Service, kind: str, token_hash: bytes, body: dict[str, object]) -> int:
    """Record an administrative act in the region's own log, and return its index."""
    # A name that gives nothing away, not even the hash that the node compares with.
    number = hashlib.sha256(token_hash).hexdigest()[:16]

    def make(request_id: int) -> Compose:
        return Compose(
            request_id=request_id,
            kind=kind,
            issuer=service.region,
            subject=f"{service.region}/token/{number}",
            body=body,
        )

    return (await compose(service, make)).index


def _public(row: TokenRow) -> dict[str, object]:
    return {
        "id": row.hash.hex(),
        "party": row.party,
        "role": row.role,
        "label": row.label,
        "created_s": row.created_s,
        "expires_s": row.expires_s,
        "revoked_s": row.revoked_s,
    }
