"""``shouxin act``, ``check`` and ``status``: what a window's own system does, by hand."""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from authz.calendar import DAY_S
from authz.reference import describe
from ledger.errors import MalformedError, NotFoundError
from ledger.judge import kind_of
from ledger.kind import Field, FieldType
from ledger.spelling import meant
from nodes.cli.caller import ask
from nodes.cli.show import BEIJING, ENDS, Language, clock, console, print_json, table
from nodes.client import Client
from nodes.core.kinds import KINDS

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
KEEPS_UP_ENTRIES: Final = 256
"""So many entries behind a node is while acts flow."""
RECEIPT_TRIES_MAX: Final = 40
RECEIPT_PAUSE_S: Final = 0.25
_CHECKED: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "yes": "可以",
        "open": "可先收",
        "no": "不可以",
        "version": "事项版本",
        "nearest": "最接近的授权：",
    },
    "en": {"version": "item version", "nearest": "the grant that came nearest:"},
}
ALLOWED: Final = {"yes": "green", "open": "yellow", "no": "red"}


def act(given: argparse.Namespace) -> int:
    """Record an act, and print where it stands; with no subject, tell what the kind wants."""
    names = sorted(name for name, _ in KINDS)
    if given.kind not in names:
        raise MalformedError(
            f"no such kind: {given.kind}; {_near(given.kind, names)}", code="unknown-kind"
        )
    kind = kind_of(KINDS, given.kind, 1)
    if given.subject is None:
        print("\n".join(describe(kind)).rstrip())
        return 0
    body = _load(given) if given.body else parse_fields(given.field, kind.fields)

    async def question(client: Client) -> Any:  # noqa: ANN401 - printed, whatever it is
        return await client.act(
            given.kind,
            given.subject,
            body,
            officer=given.officer,
            wait=given.wait,
            at_least=given.at_least,
        )

    acted = ask(given, question)
    if given.receipt is not None:
        given.receipt.write_bytes(acted.receipt or _receipt_of(given, acted.index))
    print_json(
        {
            "origin": acted.origin,
            "index": acted.index,
            "leaf": acted.leaf,
            "finality": acted.finality,
            "size": acted.size,
            "consistency": acted.consistency,
        }
    )
    return 0


def _near(text: str, names: Sequence[str]) -> str:
    """Return the names that are spelled like ``text``; all of them where none is."""
    return meant(text, names) or f"there are: {', '.join(names)}"


def _receipt_of(given: argparse.Namespace, index: int) -> bytes:
    """Return the receipt of an act that was recorded while the log gave none.

    Raises:
        NotFoundError: It still gives none; the act stands all the same.
    """
    for _ in range(RECEIPT_TRIES_MAX):
        with suppress(NotFoundError):
            return ask(given, lambda client: client.receipt(index))
        time.sleep(RECEIPT_PAUSE_S)
    return ask(given, lambda client: client.receipt(index))


def quorum_words(quorum: int, witnesses: int) -> str:
    """Return how many of its witnesses a log needs."""
    return f"quorum {quorum} of {witnesses}" if witnesses else "no other region witnesses it"


def progress_line(taking_in: Mapping[str, int]) -> str:
    """Return how far a node has come that takes other logs in; empty where it keeps up with them.

    A joiner is verified in this order: entries are hashed and stored, then each one is judged, its
    signature with it.
    """
    wanted, stored, judged = (taking_in[name] for name in ("wanted", "stored", "judged"))
    if wanted - judged <= KEEPS_UP_ENTRIES:
        return ""
    return (
        f"taking other logs in: {stored:,} of {wanted:,} entries hashed and stored "
        f"({stored / wanted:.0%}), {judged:,} with every signature and rule checked "
        f"({judged / wanted:.0%})"
    )


def parse_fields(given: Sequence[str], fields: Mapping[str, Field]) -> dict[str, Any]:
    """Return an act's body from ``name=value`` texts, each by the type of its field.

    Raises:
        MalformedError: ``bad-field``: a field is unknown, given twice, or not of its type.
    """
    body: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise MalformedError(f"a field is written NAME=VALUE, not {text!r}", code="bad-field")
        if name not in fields:
            known = _near(name, list(fields))
            raise MalformedError(f"no such field: {name}; {known}", code="bad-field")
        if name in body:
            raise MalformedError(f"given twice: {name}", code="bad-field")
        try:
            body[name] = _READERS.get(fields[name].type, str)(value)
            if name in ENDS and _DAY.fullmatch(value):
                body[name] += DAY_S
        except ValueError as error:
            wanted = fields[name].type
            raise MalformedError(
                f"{name} is of type {wanted}: {error}", code="bad-field"
            ) from error
    return body


def _load(given: argparse.Namespace) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if str(given.body) == "-" else given.body.read_text("utf-8")
        body = json.loads(text)
    except OSError as error:
        raise MalformedError(
            f"cannot read {given.body}: {error.strerror}", code="no-file"
        ) from error
    except ValueError as error:
        raise MalformedError(f"{given.body} holds no JSON: {error}", code="bad-field") from error
    if type(body) is not dict:
        raise MalformedError("the fields are a JSON object", code="bad-field")
    return body


def _boolean(value: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueError("write true or false")
    return value == "true"


def _seconds(value: str) -> int:
    """Read Unix seconds, or a date and time of ISO 8601, in Beijing time where it names no zone."""
    if value.isascii() and value.isdigit():
        return int(value)
    try:
        when = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("write 2026-01-31, 2026-01-31T09:00 or Unix seconds") from error
    return int((when if when.tzinfo else when.replace(tzinfo=BEIJING)).timestamp())


def _list(value: str) -> list[str]:
    """Read a set, whatever its order."""
    return sorted(_ordered(value))


def _ordered(value: str) -> list[str]:
    """Read a list with commas between, as either keyboard writes them."""
    return [it.strip() for it in re.split("[,，、]", value)] if value else []


_READERS: Final[Mapping[FieldType, Callable[[str], Any]]] = {
    FieldType.UINT: int,
    FieldType.BOOL: _boolean,
    FieldType.SECONDS: _seconds,
    FieldType.CODES: _list,
    FieldType.PARTIES: _list,
    FieldType.HASHES: _ordered,
}


def check(given: argparse.Namespace) -> int:
    """Ask whether it may be done; 0 for yes or open, 1 for no."""

    async def question(client: Client) -> Any:  # noqa: ANN401 - printed, whatever it is
        return await client.check(
            given.window,
            given.right,
            given.item,
            officer=given.officer,
            device=given.device,
            scenario=given.scenario,
            at_least=given.at_least,
        )

    answer = ask(given, question)
    if given.json:
        print_json(asdict(answer))
    else:
        out = console()
        said = answer.reason_zh if given.lang == "zh" else answer.reason_en
        words, style = _CHECKED[given.lang], ALLOWED.get(answer.allowed, "")
        allowed = words.get(answer.allowed, answer.allowed)
        out.print(Text.assemble((allowed, f"bold {style}"), f"  {answer.code}  {said}"))
        if answer.detail:
            out.print(f"  {answer.detail}", style="dim", markup=False)
        if answer.grant:
            version = f"{words['version']} {answer.item_version}"
            out.print(f"  {answer.grant} · {version}", markup=False)
        if answer.nearest:
            out.print(f"  {words['nearest']} {answer.nearest}", markup=False)
        for it in answer.relied:
            out.print(
                f"  {it['origin']}: {it['size']} entries, fresh at {clock(it['fresh_at_s'])}",
                style="dim",
                markup=False,
            )
    return 1 if answer.allowed == "no" else 0


def status(given: argparse.Namespace) -> int:
    """Show how far every log has come at a node."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.status()

    found = ask(given, question)
    if given.json:
        print_json(found)
        return 0
    out = console()
    state = found["state"]
    out.print(
        Text.assemble(
            (f"{found['region']} {found['origin']}  ", "bold"),
            (state, "green" if state == "serving" else "bold red"),
            "  keys rest" if found["resting"] else "",
            f"  {quorum_words(found['quorum'], len(found['witnesses']))}",
        )
    )
    if detail := found.get("detail"):
        out.print(f"  {detail}", markup=False)
    made = table("log", "stored", "judged", "witnessed", "replicated", right=(1, 2, 3, 4))
    for origin, log in found["logs"].items():
        sizes = [log.get("stored_size", 0), log.get("judged_size", 0)]
        if origin == found["origin"]:
            sizes += [found["witnessed_size"], found["replicated_size"]]
        else:
            # Of another log: what we have cosigned, and the newest note that a quorum mirrors.
            sizes += [log.get("witnessed_size", 0), log.get("known", {}).get("size", 0)]
        made.add_row(origin, *map(str, sizes))
    out.print(made)
    legend = "of another log: witnessed = cosigned by this region, replicated = as far as it knows"
    out.print(legend, style="dim")
    if line := progress_line(found["taking_in"]):
        out.print(line, style="yellow")
    for key in found["convicted"]:
        out.print(f"convicted: {key['subject']}  {key['detail']}", style="bold red", markup=False)
    for region, peer in found["peers"].items():
        if peer["failures"]:
            said = f"{region} has failed {peer['failures']} times in a row: {peer['trouble']}"
            out.print(said, style="yellow", markup=False)
    return 0
