"""The description of this interface that other programs read, made from the routes and the kinds.

Nothing in it is written twice: an address is described by its handler's first sentence, an act by
its row in the table of kinds.

Source: OpenAPI Specification 3.1.0, https://spec.openapis.org/oas/v3.1.0
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from aiohttp import web

from ledger.hashing import HASH_BYTES
from ledger.keys import PUBLIC_BYTES
from ledger.kind import Field, FieldType, Kind, Kinds
from ledger.schema import (
    ANY_SUBJECT,
    BYTES_MAX,
    CODE_CHARS_MAX,
    LIST_ITEMS_MAX,
    OR,
    PARTY_SUBJECT,
    PARTY_TYPES,
    SECONDS_MAX,
    TEXT_CHARS_MAX,
    UINT_MAX,
)
from ledger.suites import SM2_PUBLIC_BYTES
from nodes.api.context import SERVICE
from nodes.api.replies import json_response
from nodes.api.requests import check_query

OPENAPI: Final = "3.1.0"
ACTS: Final = "/v1/acts"

_LOCAL: Final = "[0-9A-Za-z._-]{1,64}"
_TYPE: Final = "[a-z][a-z0-9-]{0,31}"
_CODE: Final = {"type": "string", "pattern": "^[0-9A-Za-z._/:-]+$", "maxLength": CODE_CHARS_MAX}
_PARTY: Final = {"type": "string", "pattern": f"^[0-9]{{6}}(/{_TYPE}/{_LOCAL})?$"}
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"

Schema = dict[str, Any]

routes = web.RouteTableDef()


class Address(NamedTuple):
    """One way to ask: method, path with its parameters in braces, and what the handler says."""

    method: str
    path: str
    name: str
    summary: str


@routes.get("/v1/openapi.json")
async def openapi(request: web.Request) -> web.Response:
    """Describe this interface, for programs that call it."""
    check_query(request)
    return json_response(_described(addresses(request.app), _Table(request.app[SERVICE].kinds)))


class _Table:
    """A table of kinds, the same one for as long as the program runs: so it serves as a key."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds

    def __hash__(self) -> int:
        return id(self.kinds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Table) and other.kinds is self.kinds


@lru_cache(maxsize=2)
def _described(asked: tuple[Address, ...], table: _Table) -> Schema:
    return document(asked, table.kinds)


def addresses(app: web.Application) -> tuple[Address, ...]:
    """Return what may be asked of an application, in the order of the paths."""
    found = set()
    for route in app.router.routes():
        if route.method == "HEAD" or route.resource is None:
            continue
        told = (route.handler.__doc__ or "").split("\n")[0]
        name = getattr(route.handler, "__name__", "")
        found.add(Address(route.method.lower(), route.resource.canonical, name, told))
    return tuple(sorted(found, key=lambda it: (it.path, it.method)))


def document(asked: Iterable[Address], kinds: Kinds) -> Schema:
    """Return the description of an interface."""
    paths: dict[str, Schema] = {}
    for address in asked:
        paths.setdefault(address.path, {})[address.method] = _operation(address)
    schemas: dict[str, Schema] = {"Problem": _problem()}
    names = []
    for kind in kinds.values():
        name = f"{kind.name}.v{kind.version}"
        names.append(name)
        schemas[name] = act_schema(kind)
    schemas["Act"] = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}
    return {
        "openapi": OPENAPI,
        "info": {"title": "Shouxin 授信", "version": version("shouxin")},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # Some addresses want no token; which ones, docs/formats/own.md section 9 says.
        "security": [{"token": []}, {}],
    }


def _operation(address: Address) -> Schema:
    made: Schema = {
        "operationId": f"{address.method}-{address.name}-{address.path.strip('/')}",
        "summary": address.summary,
        "responses": {
            "2XX": {"description": "done"},
            "default": {
                "description": "refused, with a stable code",
                "content": {_PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    names = re.findall(r"\{(\w+)\}", address.path)
    if names:
        made["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if (address.method, address.path) == ("post", ACTS):
        made["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Act"}}},
        }
    return made


def _problem() -> Schema:
    return {
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "title": {"type": "string"},
            "detail": {"type": "string"},
            "status": {"type": "integer"},
            "mend": {"type": "string"},
            "reason_zh": {"type": "string"},
            "reason_en": {"type": "string"},
            "request": {"type": "string"},
            "instance": {"type": "string"},
        },
        "required": ["code"],
    }


def act_schema(kind: Kind) -> Schema:
    """Return what a request for an act of a kind looks like."""
    body: Schema = {
        "type": "object",
        "properties": {name: _described_field(field) for name, field in kind.fields.items()},
        "required": [name for name, field in kind.fields.items() if not field.optional],
        "additionalProperties": False,
    }
    versions: Schema = {"const": kind.version}
    needed = ["kind", "subject", "body"]
    if kind.version != 1:  # left out, it is 1
        needed.append("version")
    return {
        "title": kind.zh,
        "description": f"{kind.en}. {kind.question}",
        "type": "object",
        "properties": {
            "kind": {"const": kind.name},
            "version": versions,
            "subject": {"type": "string", "pattern": f"^[0-9]{{6}}/{_types(kind)}/{_LOCAL}$"},
            "officer": _PARTY,
            "body": body,
        },
        "required": needed,
        "additionalProperties": False,
    }


def _types(kind: Kind) -> str:
    match kind.subject:
        case subject if subject == ANY_SUBJECT:
            return _TYPE
        case subject if subject == PARTY_SUBJECT:
            return f"({'|'.join(PARTY_TYPES)})"
        case subject:
            return f"({'|'.join(subject.split(OR))})"


def _described_field(field: Field) -> Schema:
    return {"description": f"{field.zh}; {field.en}", **field_schema(field)}


def field_schema(field: Field) -> Schema:
    """Return what a field of an act looks like in JSON, where bytes are hexadecimal."""
    match field.type:
        case FieldType.TEXT:
            return {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX}
        case FieldType.CODE:
            return {**_CODE, **_choices(field)}
        case FieldType.PARTY:
            return dict(_PARTY)
        case FieldType.OBJECT:
            type_ = field.of or _TYPE
            return {"type": "string", "pattern": f"^[0-9]{{6}}/{type_}/{_LOCAL}$"}
        case FieldType.HASH:
            return _hexadecimal(HASH_BYTES)
        case FieldType.KEY:
            return {"oneOf": [_hexadecimal(PUBLIC_BYTES), _hexadecimal(SM2_PUBLIC_BYTES)]}
        case FieldType.UINT:
            return {"type": "integer", "minimum": 0, "maximum": UINT_MAX}
        case FieldType.BOOL:
            return {"type": "boolean"}
        case FieldType.SECONDS:
            return {"type": "integer", "minimum": 0, "maximum": SECONDS_MAX}
        case FieldType.BYTES:
            pattern = f"^([0-9a-f]{{2}}){{0,{BYTES_MAX}}}$"
            return {"type": "string", "pattern": pattern}
        case FieldType.CODES:
            return _list({**_CODE, **_choices(field)}, is_set=True)
        case FieldType.PARTIES:
            return _list(dict(_PARTY), is_set=True)
        case FieldType.HASHES:
            return _list(_hexadecimal(HASH_BYTES), is_set=False)


def _choices(field: Field) -> Schema:
    return {"enum": list(field.choices)} if field.choices else {}


def _hexadecimal(size: int) -> Schema:
    return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * size}}}$"}


def _list(item: Schema, *, is_set: bool) -> Schema:
    made: Schema = {"type": "array", "items": item, "maxItems": LIST_ITEMS_MAX}
    return {**made, "uniqueItems": True} if is_set else made
