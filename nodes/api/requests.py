"""Reading what callers send: bodies within their limits, JSON in one meaning, query values."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, Never

from aiohttp import web

from ledger.errors import MalformedError
from ledger.names import check_object
from nodes.api.problem import TooLargeError

BODY_S_MAX: Final = 60
"""How long a caller may take to send a body."""

_ENCODINGS: Final = frozenset({"", "identity", "gzip"})


async def read_body(request: web.Request, bytes_max: int) -> bytes:
    """Return the whole body.

    Raises:
        TooLargeError: It has more than ``bytes_max`` bytes, after decompression.
        MalformedError: It is compressed in another way than gzip, or does not come to an end.
    """
    if request.headers.get("Content-Encoding", "identity").lower() not in _ENCODINGS:
        # For some of the others aiohttp never says that the bytes are none of that encoding.
        raise MalformedError("a body comes as it is, or as gzip")
    if (request.content_length or 0) > bytes_max:
        raise TooLargeError(f"the body has more than {bytes_max} bytes")
    if request.content.is_eof():
        # A short body is there already, and needs no turn of the loop for each of its parts.
        body = request.content.read_nowait(-1)
        if len(body) > bytes_max:
            raise TooLargeError(f"the body has more than {bytes_max} bytes")
        return body
    parts, total = [], 0
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for part in request.content.iter_any():
                total += len(part)
                if total > bytes_max:
                    raise TooLargeError(f"the body has more than {bytes_max} bytes")
                parts.append(part)
    except TimeoutError as error:
        raise MalformedError(f"the body did not come within {BODY_S_MAX} s") from error
    return b"".join(parts)


def is_of_type(request: web.Request, wanted: str) -> bool:
    """Say whether a body is of a media type, whatever parameters stand behind that."""
    # Nearly always it is spelled so, and need not be taken apart.
    return request.headers.get("Content-Type") == wanted or request.content_type == wanted


async def read_json(request: web.Request, bytes_max: int) -> dict[str, Any]:
    """Return the JSON object in the body.

    Raises:
        MalformedError: It is none, or means different things to different readers (a key twice).
    """
    return parse_json(await read_body(request, bytes_max))


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``; numbers are whole, and no key stands twice.

    Raises:
        MalformedError: It is none.
    """
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is not JSON") from error
    if type(value) is not dict:
        raise MalformedError("the body is not a JSON object")
    return value


def take(
    fields: Mapping[str, Any],
    wanted: Mapping[str, type],
    optional: Mapping[str, type],
) -> dict[str, Any]:
    """Return the fields of a JSON object, each of its type; absent optional ones are left out.

    Raises:
        MalformedError: ``bad-field``: one is missing, unknown, or of another type.
    """
    unknown = fields.keys() - wanted.keys() - optional.keys()
    if unknown:
        raise MalformedError(f"unknown field: {min(unknown)[:80]!r}", code="bad-field")
    missing = wanted.keys() - fields.keys()
    if missing:
        raise MalformedError(f"missing field: {min(missing)}", code="bad-field")
    taken = {}
    for name, value in fields.items():
        type_ = wanted.get(name) or optional[name]
        if type(value) is not type_:
            raise MalformedError(f"{name} is of type {type_.__name__}", code="bad-field")
        taken[name] = value
    return taken


def check_query(request: web.Request, *known: str) -> None:
    """Check that the query has no parameter but these, each once.

    Raises:
        MalformedError: ``bad-field``.
    """
    if not request.query_string:
        return
    seen = set[str]()
    for name in request.query:
        if name not in known:
            raise MalformedError(f"unknown parameter: {name[:80]!r}", code="bad-field")
        if name in seen:
            raise MalformedError(f"parameter {name} stands twice", code="bad-field")
        seen.add(name)


def asked(request: web.Request, name: str) -> str:
    """Return a parameter that must be there.

    Raises:
        MalformedError: ``bad-field``.
    """
    value = request.query.get(name)
    if value is None:
        raise MalformedError(f"missing parameter: {name}", code="bad-field")
    return value


def query_number(request: web.Request, name: str, *, default: int, most: int) -> int:
    """Return a whole number from the query.

    Raises:
        MalformedError: ``bad-field``: it is none, or more than ``most``.
    """
    text = request.query.get(name)
    return default if text is None else parse_number(text, name, most=most)


def parse_number(text: str, name: str, *, most: int) -> int:
    """Return a whole number in its one spelling.

    Raises:
        MalformedError: ``bad-field``: it is none, or more than ``most``.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 19 or (text[0] == "0" != text):
        raise MalformedError(f"{name} is a whole number", code="bad-field")
    if int(text) > most:
        raise MalformedError(f"{name} is at most {most}", code="bad-field")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse_number(text: str) -> Never:
    raise ValueError(f"not a whole number: {text}")


def is_case(name: str) -> bool:
    """Say whether an object is a case."""
    return name[6:12] == "/case/"


def check_case(name: str) -> None:
    """Check that ``name`` is that of a case.

    Raises:
        MalformedError: ``bad-field``: it is none.
    """
    check_object(name)
    if not is_case(name):
        raise MalformedError(f"not the name of a case: {name[:80]!r}", code="bad-field")
