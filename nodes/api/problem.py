"""Errors as HTTP answers: the one place where a class becomes a status.

Problem details are RFC 9457 (JSON) and, under SCRAPI, RFC 9290 (CBOR). Each says what to mend.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from aiohttp import web

from ledger import encoding
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from nodes.core.sentences import sentence_of


class UnauthenticatedError(LedgerError):
    """We do not know who asks: there is no token, or none that we know."""

    code = "no-token"


class TooLargeError(MalformedError):
    """The body is larger than this address takes."""

    code = "too-large"


STATUS: Final[Mapping[type[LedgerError], int]] = MappingProxyType(
    {
        MalformedError: 400,
        TooLargeError: 413,
        UnauthenticatedError: 401,
        UnverifiedError: 422,
        RefusedError: 403,
        NotFoundError: 404,
        ConflictError: 409,
        UnavailableError: 503,
    }
)

WHY: Final = "/v1/why/"
"""Where a refused caller looks up why, by the number that the refusal gave."""

RETRY_AFTER_S: Final = 1
DETAIL_CHARS_MAX: Final = 500

_PROBLEM_TYPE: Final = "application/problem+json"
_CONCISE_TYPE: Final = "application/concise-problem-details+cbor"

# What a caller can do, by the class; and by the code where there is something better to say.
_MEND_CLASS: Final[Mapping[type[LedgerError], str]] = MappingProxyType(
    {
        MalformedError: "mend the request as the detail says and send it again",
        TooLargeError: "send less at once",
        UnauthenticatedError: "send the header Authorization: Bearer with a token that is in force",
        UnverifiedError: "sign again with the key that is enrolled, over exactly the bytes sent",
        RefusedError: "a rule forbids it as things stand; the code names the rule",
        NotFoundError: "check the address and the name",
        ConflictError: "read the newest state, compose again and send it again",
        UnavailableError: "nothing was changed; send the same request again later",
    }
)
_MEND_CODE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "non-canonical": "encode deterministically (RFC 8949, 4.2.1): shortest heads, sorted keys",
        "wrong-tag": "send a COSE_Sign1 behind tag 18",
        "unprotected-header": "leave the unprotected header empty; what matters stands signed",
        "personal-data": "leave citizens' numbers out; a salted commitment may stand instead",
        "unknown-kind": "use a kind of act from the table of kinds",
        "unknown-version": "use a version of this kind that the network's rules know",
        "unknown-key": "enrol the key first, or sign with the one that is enrolled",
        "bad-algorithm": "sign with Ed25519 (COSE algorithm -8)",
        "future-time": "set the clock; a declared time may not lie ahead of ours",
        "stale-time": "declare the time of signing; it lies before what the log has recorded",
        "wrong-previous": "read the newest act on the subject, compose again and send it again",
        "wrong-role": "use a token of a role that may do this",
        "wrong-party": "use a token that is bound to the one in whose name this is done",
        "behind": "ask again later, ask another node, or ask without at_least",
        "busy": "wait as long as Retry-After says and send the same request again",
        "disk": "the node cannot write; its operator must make room; try again later",
        "unknown-outcome": "look whether it was done before you ask again; only a signed statement "
        "may be sent again as it is, since the same bytes get the same index",
        "behind-fence": "the node lost records and writes nothing; its operator must act",
        "behind-witnesses": "the node lost records and writes nothing; its operator must act",
    }
)
# Titles of SCRAPI section 2; a foreign client acts on these words.
_TITLE_CODE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bad-algorithm": "Bad Signature Algorithm",
        "no-key": "No such key",
        "bad-locator": "Invalid locator",
    }
)
_TITLE_STATUS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "Malformed request",
        401: "Rejected",
        403: "Rejected",
        404: "Not Found",
        405: "Malformed request",
        409: "Rejected",
        413: "Malformed request",
        415: "Malformed request",
        422: "Rejected",
        500: "Internal Error",
        503: "Service Unavailable",
    }
)
# SCRAPI has one status for every statement that it does not take.
_SCRAPI_STATUS: Final[Mapping[int, int]] = MappingProxyType({403: 400, 409: 400, 422: 400})


def status_of(error: LedgerError) -> int:
    """Return the HTTP status of an error."""
    if error.code == "unknown-outcome":
        # To many callers and proxies 503 says that nothing was done and the request may go again.
        return HTTPStatus.INTERNAL_SERVER_ERROR.value
    return STATUS[type(error)]


def fields_of(error: LedgerError) -> dict[str, object]:
    """Return the members of the problem details of an error.

    Where a rule refused, what to say to the person at the counter is among them, in both languages.
    """
    status = status_of(error)
    fields: dict[str, object] = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": str(error)[:DETAIL_CHARS_MAX],
        "mend": _MEND_CODE.get(error.code, _MEND_CLASS[type(error)]),
    }
    sentences = sentence_of(error.code)
    if sentences is not None:
        fields["reason_zh"], fields["reason_en"] = sentences
    return fields


def mend_of(code: str) -> dict[str, str]:
    """Return what to mend where a code alone is known, as a member of an answer."""
    return {"mend": _MEND_CODE[code]} if code in _MEND_CODE else {}


def problem(error: LedgerError, request: str | None = None) -> web.Response:
    """Return an error as RFC 9457 problem details.

    ``request`` is the number by which its caller can look up why; None where none is kept.
    """
    fields = fields_of(error)
    if request is not None:
        fields |= {"request": request, "instance": f"{WHY}{request}"}
    return _problem(fields, status_of(error))


def problem_status(status: int, detail: str) -> web.Response:
    """Return problem details for a status that the HTTP server itself gave."""
    codes = {404: "no-such-address", 405: "wrong-method", 413: "too-large", 500: "internal"}
    fields = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": codes.get(status, "malformed"),
        "detail": detail,
        "mend": "see the list of addresses and methods in the documentation"
        if status < HTTPStatus.INTERNAL_SERVER_ERROR
        else "tell the operator of the node when this happened",
    }
    return _problem(fields, status)


def concise_problem(error: LedgerError, request: str | None = None) -> web.Response:
    """Return an error as SCRAPI asks for it: RFC 9290, one of its titles, and a detail.

    ``request`` as for ``problem``; it stands in the instance (-3).
    """
    status = status_of(error)
    title = _TITLE_CODE.get(error.code, _TITLE_STATUS[status])
    detail = f"{error.code}: {fields_of(error)['detail']}"
    instance = None if request is None else f"{WHY}{request}"
    return concise_problem_status(_SCRAPI_STATUS.get(status, status), detail, title, instance)


def concise_problem_status(
    status: int, detail: str, title: str | None = None, instance: str | None = None
) -> web.Response:
    """Return RFC 9290 problem details for a status."""
    fields = {-1: title or _TITLE_STATUS.get(status, "Malformed request"), -2: detail}
    if instance is not None:
        fields[-3] = instance
    body = encoding.encode(fields)
    return web.Response(
        status=status, body=body, headers={"Content-Type": _CONCISE_TYPE, **_retry(status)}
    )


def _problem(fields: Mapping[str, object], status: int) -> web.Response:
    headers = {"Content-Type": _PROBLEM_TYPE, **_retry(status)}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(status=status, body=json.dumps(fields).encode(), headers=headers)


def _retry(status: int) -> dict[str, str]:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_S)}
    return {}
