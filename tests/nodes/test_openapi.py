"""The description of the interface agrees with what the node takes and refuses."""

import re
from typing import Any, cast

import pytest

from ledger.errors import MalformedError
from ledger.kind import Field, FieldType, Kind
from ledger.schema import check_body, check_subject
from nodes.api import app, openapi
from nodes.api.openapi import act_schema, document
from nodes.cli.main import main
from nodes.core.kinds import KINDS

# No handler is asked anything, so no node need stand behind them.
ADDRESSES = openapi.addresses(app.public_app(cast("Any", object())))
TOLD = document(ADDRESSES, KINDS)
REFERENCE = re.compile(r"#/components/schemas/(.+)")


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if "$ref" in value else set()
        return found.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def takes(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value is as its schema says: the few words of JSON Schema that are used here."""
    if "oneOf" in schema:
        return sum(takes(it, value) for it in schema["oneOf"]) == 1
    if "const" in schema:
        return bool(value == schema["const"])
    kinds: dict[str, type] = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "array": list,
        "object": dict,
    }
    if type(value) is not kinds[schema["type"]]:
        return False
    match value:
        case str():
            return (
                re.search(schema.get("pattern", ""), value) is not None
                and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6)
                and value in schema.get("enum", [value])
            )
        case bool():
            return True
        case int():
            return bool(schema["minimum"] <= value <= schema["maximum"])
        case list():
            is_set = not schema.get("uniqueItems") or len(value) == len(set(value))
            return (
                is_set
                and len(value) <= schema["maxItems"]
                and all(takes(schema["items"], it) for it in value)
            )
        case _:
            return (
                value.keys() <= schema["properties"].keys()
                and all(takes(schema["properties"][name], it) for name, it in value.items())
                and set(schema["required"]) <= value.keys()
            )


GOOD: dict[FieldType, tuple[Any, Any]] = {
    FieldType.TEXT: ("说明", "说明"),
    FieldType.CODE: ("000500000001", "000500000001"),
    FieldType.PARTY: ("510000/window/w3", "510000/window/w3"),
    FieldType.HASH: ("ab" * 32, bytes.fromhex("ab" * 32)),
    FieldType.KEY: ("ab" * 32, bytes.fromhex("ab" * 32)),
    FieldType.UINT: (7, 7),
    FieldType.BOOL: (True, True),
    FieldType.SECONDS: (1_767_225_600, 1_767_225_600),
    FieldType.BYTES: ("00ff", b"\x00\xff"),
    FieldType.CODES: (["a", "b"], ["a", "b"]),
    FieldType.PARTIES: (["510000"], ["510000"]),
    FieldType.HASHES: (["ab" * 32], [bytes.fromhex("ab" * 32)]),
}
BAD: dict[FieldType, tuple[Any, ...]] = {
    FieldType.TEXT: ("", 1, "x" * 2_001),
    FieldType.CODE: ("", "a b", 1),
    FieldType.PARTY: ("51000", "510000/Window/w3", 1),
    FieldType.OBJECT: ("510000", "510000/x", 1),
    FieldType.UINT: (-1, True, 2**53),
    FieldType.BOOL: (1,),
    FieldType.SECONDS: (-1, 253_402_300_800),
    FieldType.CODES: (["a", "a"], "a", [1]),
    FieldType.PARTIES: (["x"], "510000"),
}


def good(field: Field) -> tuple[Any, Any]:
    if field.type is FieldType.OBJECT:
        name = f"510000/{field.of or 'case'}/1"
        return name, name
    if field.choices:
        one = field.choices[0]
        return ([one], [one]) if field.type is FieldType.CODES else (one, one)
    return GOOD[field.type]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_what_a_kind_takes_its_schema_takes_and_what_it_refuses_not(kind: Kind) -> None:
    schema = act_schema(kind)
    type_ = {"any": "case", "party": "window"}.get(kind.subject, kind.subject.split(" or ")[0])
    subject = f"510000/{type_}/1"
    both = {name: good(field) for name, field in kind.fields.items()}
    asked = {
        "kind": kind.name,
        "version": kind.version,
        "subject": subject,
        "body": {name: pair[0] for name, pair in both.items()},
    }
    body = {name: pair[1] for name, pair in both.items()}
    check_subject(kind, subject)
    check_body(kind, body)
    assert takes(schema, asked)
    assert not takes(schema, {**asked, "subject": "510000/nothing-such/1/2"})
    assert not takes(schema, {**asked, "body": {**asked["body"], "more": 1}})
    for name, field in kind.fields.items():
        if not field.optional:
            less = {other: it for other, it in asked["body"].items() if other != name}
            assert not takes(schema, {**asked, "body": less})
        for value in BAD.get(field.type, ()):
            assert not takes(schema, {**asked, "body": {**asked["body"], name: value}})
            with pytest.raises(MalformedError):
                check_body(kind, {**body, name: value})


def test_every_address_of_the_interface_is_described_once() -> None:
    told = {(method, path) for path, methods in TOLD["paths"].items() for method in methods}
    routes = [route for module in app.PUBLIC for route in module.routes]
    assert len(told) == len({(it.method, re.sub(r":[^/]+", "", it.path)) for it in routes})
    assert ("get", "/v1/openapi.json") in told
    names = [it["operationId"] for methods in TOLD["paths"].values() for it in methods.values()]
    assert len(names) == len(set(names))
    for path, methods in TOLD["paths"].items():
        for told_ in methods.values():
            named = [it["name"] for it in told_.get("parameters", ())]
            assert named == re.findall(r"\{(\w+)", path)


def test_every_reference_leads_somewhere_and_every_kind_is_referred_to() -> None:
    schemas = TOLD["components"]["schemas"]
    found = {REFERENCE.fullmatch(it) for it in references(TOLD)}
    assert {it[1] for it in found if it} == schemas.keys()
    assert all(found)
    assert schemas.keys() == {"Act", "Problem"} | {f"{kind}.v{it}" for kind, it in KINDS}


def test_every_address_says_what_it_is_for() -> None:
    assert TOLD["openapi"] == "3.1.0"
    assert all(it.summary.endswith(".") for it in ADDRESSES)
    assert "requestBody" in TOLD["paths"]["/v1/acts"]["post"]


def test_a_kind_without_a_subject_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["act", "case.open"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("## `case.open` 收件受理")
    for name, field in KINDS["case.open", 1].fields.items():
        assert f"`{name}`" in shown
        assert field.zh in shown
