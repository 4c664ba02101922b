"""Acts that this node composes and signs for an officer, and batches that come signed already."""

import base64
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final, get_args

from aiohttp import web
from sqlalchemy import Connection

from authz.custody import Event as CustodyEvent
from ledger.encoding import decode, encode
from ledger.errors import LedgerError, MalformedError, RefusedError, UnavailableError
from ledger.hashing import hash_leaf
from ledger.judge import kind_of
from ledger.kind import FieldType, Kind
from ledger.names import check_party, check_subject
from ledger.statement import Statement
from nodes.api import vault_bringing
from nodes.api.appending import Appended, compose, is_shown, register
from nodes.api.attempts import Attempt, Refused, note_batch, remember_attempt
from nodes.api.check import seen_size
from nodes.api.consistency import consistency_of, reach
from nodes.api.context import SERVICE, Service, make_receipt
from nodes.api.replies import json_response
from nodes.api.requests import check_query, is_of_type, query_number, read_body, read_json, take
from nodes.api.tokens import ACTING, PEOPLE, Caller, Role, authorize
from nodes.core.ready import Compose, Register
from nodes.driver import Finality
from nodes.store.engine import trouble

CBOR_TYPE: Final = "application/cbor"

# A few signatures cost less than a change of threads and back, and hold the loop no longer.
VERIFIED_HERE_MAX: Final = 2

VAULT_ONLY: Final = frozenset({"vault.key", "vault.put", "vault.share", "vault.shred"})

_WORDS: Final = get_args(Finality)
_HEXADECIMAL: Final = frozenset({FieldType.HASH, FieldType.KEY, FieldType.BYTES})

routes = web.RouteTableDef()


@routes.post("/v1/acts")
async def act(request: web.Request) -> web.Response:
    """Compose, sign and append one act; wait for its finality where asked to."""
    service = request.app[SERVICE]
    caller = authorize(request, ACTING)
    word, timeout_ms = waiting(request, service, "at_least")
    fields = take(
        await read_json(request, service.limits.act_bytes_max),
        {"kind": str, "subject": str, "body": dict},
        {"officer": str, "version": int},
    )
    version = fields.get("version", 1)
    kind = kind_of(service.kinds, fields["kind"], version)
    issuer = fields.get("officer", service.region)
    check_party(issuer)
    check_subject(fields["subject"])
    remember_attempt(request, Attempt(kind.name, fields["subject"], issuer))
    check_issuer(service, caller, issuer)
    body = body_from_json(kind, fields["body"])
    if kind.name == "seal.use" and "draft" in body:
        # So those that have one are as many as the signatures of the seals held here.
        raise RefusedError(
            "a draft is named where it is sealed: shouxin paper, or /v1/papers", code="sealing-only"
        )

    if kind.name in VAULT_ONLY:
        # It says what has been done in the vault, and only the vault does that.
        raise RefusedError(
            f"{kind.name} says what the vault has done: shouxin vault {kind.name[6:]}, "
            "or /v1/vault, does it and records it",
            code="vault-only",
        )
    await reach(service, request, partial(seen_size, service))

    def make(request_id: int) -> Compose:
        return Compose(
            request_id=request_id,
            kind=kind.name,
            version=kind.version,
            issuer=issuer,
            subject=fields["subject"],
            body=body,
        )

    appended = await compose(service, make)
    if kind.name == CustodyEvent.ACCEPT and body["holder"] != service.region:
        vault_bringing.expect(service, fields["subject"])
    finality = await wait_for(service, appended.index, word, timeout_ms)
    await is_shown(service, appended.index)
    return answer_to(service, appended, fields["subject"], finality)


@routes.post("/v1/ingest")
async def ingest(request: web.Request) -> web.Response:
    """Append signed statements, each judged on its own."""
    service = request.app[SERVICE]
    authorize(request, ACTING)
    word, timeout_ms = waiting(request, service)
    if not is_of_type(request, CBOR_TYPE):
        raise MalformedError(f"a batch comes as {CBOR_TYPE}")
    entries = _entries(
        await read_body(request, service.limits.body_bytes_max), service.limits.batch_statements_max
    )

    def verify(connection: Connection) -> Sequence[Statement | LedgerError]:
        return service.verifier.verify(connection, entries)

    if len(entries) <= VERIFIED_HERE_MAX:
        checked = await service.gathering.verify(entries)
    else:
        checked = await service.readers.run(verify)
    results: list[list[object]] = [
        [1, it.code, str(it)] if isinstance(it, LedgerError) else [] for it in checked
    ]
    size = service.node.snapshot.size
    good = tuple(it for it in checked if isinstance(it, Statement))
    if good:
        reply = await register(service, lambda request_id: Register(request_id, good))
        size = reply.size
        fates = iter(reply.results)
        for at, result in enumerate(results):
            if result:
                continue
            index, error, _ = next(fates)
            results[at] = [0, index] if error is None else [1, error.code, str(error)]
        if word != "accepted":
            last = max((it.index for it in reply.results if it.index is not None), default=None)
            if last is not None:
                await wait_for(service, last, word, timeout_ms)
    answer: dict[str, object] = {"size": size, "results": results}
    refused = [Refused(at, str(it[1]), str(it[2])) for at, it in enumerate(results) if it[0] == 1]
    number = note_batch(request, refused) if refused else None
    if number is not None:
        answer["request"] = number
    body = encode(answer)
    return web.Response(body=body, headers={"Content-Type": CBOR_TYPE, "Cache-Control": "no-store"})


def body_from_json(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return an act's body from its JSON form, where bytes are lower-case hexadecimal.

    Whether each field is of its type is judged with the act; here only text becomes bytes.

    Raises:
        MalformedError: ``bad-field``: a field of bytes is not hexadecimal.
    """
    body = dict(given)
    for name, value in given.items():
        field = kind.fields.get(name)
        if field is None:
            continue
        if field.type in _HEXADECIMAL:
            body[name] = _bytes(name, value)
        elif field.type is FieldType.HASHES and type(value) is list:
            body[name] = [_bytes(name, item) for item in value]
    return body


def _bytes(name: str, value: object) -> bytes:
    if type(value) is str and len(value) % 2 == 0 and set(value) <= set("0123456789abcdef"):
        return bytes.fromhex(value)
    raise MalformedError(f"{name} is lower-case hexadecimal", code="bad-field")


def check_issuer(service: Service, caller: Caller, issuer: str) -> None:
    """Check that the token speaks for the one in whose name the act is to be signed.

    Raises:
        RefusedError: ``wrong-role`` or ``wrong-party``.
    """
    if issuer == service.region:
        if caller.role is not Role.OPERATOR:
            raise RefusedError("only an operator acts for the region", code="wrong-role")
        return
    if caller.role not in PEOPLE:
        raise RefusedError(f"a token of role {caller.role} acts for no officer", code="wrong-role")
    if caller.party != issuer:
        raise RefusedError(f"the token is not that of {issuer}", code="wrong-party")


def waiting(request: web.Request, service: Service, *more: str) -> tuple[Finality, int]:
    """Return the word that the caller waits for, and how long; ``more`` may stand in the query."""
    limits = service.limits
    if not request.query_string:
        return "accepted", limits.wait_ms_default
    check_query(request, "wait", "timeout_ms", *more)
    timeout_ms = query_number(
        request, "timeout_ms", default=limits.wait_ms_default, most=limits.wait_ms_max
    )
    asked = request.query.get("wait", "accepted")
    for word in _WORDS:
        if word == asked:
            return word, timeout_ms
    raise MalformedError(f"wait is one of {', '.join(_WORDS)}", code="bad-field")


async def wait_for(service: Service, index: int, word: Finality, timeout_ms: int) -> Finality:
    """Wait until an entry is as safe as a caller wants it, and return how safe it is."""
    # A log that nobody witnesses never claims more, so there is nothing to wait for.
    if not service.roster.witnesses_of(service.origin):
        return "accepted"
    return await service.driver.wait(index, word, timeout_ms)


def _receipt_of(service: Service, index: int, subject: str) -> bytes:
    """Return the receipt of an act that has just been recorded.

    Raises:
        UnavailableError: ``unknown-outcome``: it is recorded, so it must not be sent again.
    """
    try:
        return make_receipt(service, index, subject)
    except Exception as error:
        if trouble(error) is None and not isinstance(error, UnavailableError):
            raise
        raise UnavailableError(
            f"recorded as entry {index}, but the receipt cannot be read now", code="unknown-outcome"
        ) from error


def answer_to(
    service: Service, appended: Appended, subject: str, finality: Finality
) -> web.Response:
    """Return the answer to an act that stands in the log.

    Its receipt is with it, or null while the log shows nothing above the note of an epoch.
    """
    snapshot = service.node.snapshot
    receipt = None
    if appended.index < snapshot.size:
        made = _receipt_of(service, appended.index, subject)
        receipt = base64.b64encode(made).decode("ascii")
    answer = {
        "origin": service.origin,
        "index": appended.index,
        "leaf": hash_leaf(appended.entry).hex(),
        "finality": finality,
        "size": snapshot.size,
        "witnessed_size": snapshot.witnessed_size,
        "replicated_size": snapshot.replicated_size,
        "entry": base64.b64encode(appended.entry).decode("ascii"),
        "receipt": receipt,
        "consistency": consistency_of({service.origin: appended.index + 1}),
    }
    location = f"/entries/{appended.index}"
    return json_response(answer, status=HTTPStatus.CREATED, headers={"Location": location})


def _entries(body: bytes, statements_max: int) -> list[bytes]:
    value = decode(body)
    if type(value) is not list or not all([type(item) is bytes for item in value]):  # noqa: C419 - faster than a generator
        raise MalformedError("a batch is an array of byte strings")
    if not 1 <= len(value) <= statements_max:
        raise MalformedError(
            f"a batch has 1 to {statements_max} statements, not {len(value)}",
            code="too-large" if value else "malformed",
        )
    return value
