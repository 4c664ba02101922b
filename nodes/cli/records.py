"""``shouxin records``: a region's records of a type, as they stand or stood on a day."""

import argparse
from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

from authz.calendar import day_named, end_of_day
from authz.party import PARTY_TYPES
from ledger.errors import MalformedError
from ledger.kind import Field, FieldType
from ledger.spelling import meant
from nodes.cli.show import (
    ENDS,
    RIGHT_ZH,
    Language,
    console,
    deadline,
    moment,
    print_json,
    short,
    table,
)
from nodes.cli.states import CODES, STATES_ZH, standing_of
from nodes.cli.sweeps import all_pages, tell_as_of
from nodes.client import Client
from nodes.core.kinds import KINDS

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "columns": "编号|状态|登记单位|对方|期限|最近一次（北京时间）|所记内容",
        "none": "没有这样的记录",
        "overdue": "逾期",
        "true": "是",
        "false": "否",
    },
    "en": {
        "columns": "number|stands|by|to|due|newest act (UTC+8)|says",
        "none": "No such records",
        "overdue": "overdue",
        "true": "yes",
        "false": "no",
    },
}
_SHOWN_CHARS_MAX: Final = 400
_IN_COLUMNS: Final = frozenset({"to", "due", "version"})
_DIGITS_SHOWN: Final = 12
_BYTES: Final = frozenset({FieldType.HASH, FieldType.HASHES, FieldType.KEY, FieldType.BYTES})


def records(given: argparse.Namespace) -> int:
    """Show a region's records of a type.

    Raises:
        MalformedError: ``bad-field``: no record ever stands so.
    """
    state = CODES.get(given.state, given.state)
    if state and state not in STATES_ZH:
        told = filter(None, (f"no record stands so: {state}", meant(state, STATES_ZH)))
        raise MalformedError("; ".join(told), code="bad-field")
    which: dict[str, str | int] = {
        name: value
        for name, value in (
            ("state", state),
            ("about", given.about),
            ("overdue", int(given.overdue)),
            ("older", given.older),
        )
        if value
    }
    if given.at:
        which["at"] = end_of_day(day_named(given.at)) - 1

    async def page(client: Client, after: str) -> dict[str, Any]:
        return await client.records(given.type, given.region, which, after=after)

    found = all_pages(given, "records", page)
    if given.json:
        print_json(found)
        return 0
    out, words = console(), _WORDS[given.lang]
    if found["records"]:
        made = table(*words["columns"].split("|"), padding=1)
        fields = _fields_of(given.type)
        for it in found["records"]:
            made.add_row(*_row(it, fields, given.lang))
        out.print(made)
    else:
        out.print(words["none"])
    tell_as_of(given, found)
    return 0


def _fields_of(type_: str) -> Mapping[str, Field]:
    """Return the fields that acts on records of a type may have, in the order of the tables."""
    found: dict[str, Field] = {}
    for subject in (type_, *(("party",) if type_ in PARTY_TYPES else ()), "any"):
        for kind in KINDS.values():
            if kind.subject == subject:
                for name, field in kind.fields.items():
                    found.setdefault(name, field)
    return found


def _row(
    it: Mapping[str, Any], fields: Mapping[str, Field], language: Language
) -> tuple[Text, ...]:
    row = it["row"]
    state = Text(standing_of(row, language), "" if it["live"] else "dim")
    if it["overdue"]:
        state = Text(f"{state} {_WORDS[language]['overdue']}", "red")
    due = row.get("due")
    cells = (
        _whose(row.get("by") or it["opened_by"], it["object"]),
        _whose(row.get("to"), it["object"]),
        deadline(due) if isinstance(due, int) else "",
        moment(it["time_s"])[:16],
        _said(it["said"], fields, language),
    )
    return Text(short(it["object"])), state, *map(Text, cells)


def _whose(party: str | None, name: str) -> str:
    """Return a party without its type, and with its region where the record is of another."""
    if party is None or party[:6] == name[:6]:
        return short(party)
    return " ".join(dict.fromkeys((party[:6], short(party))))


def _said(said: Mapping[str, Any], fields: Mapping[str, Field], language: Language) -> str:
    """Return what a record says in one line, without what has a column of its own."""
    names = [name for name in (*fields, *said.keys() - fields.keys()) if name in said]
    told = "; ".join(
        f"{_label(name, fields, language)} "
        f"{_value(said[name], fields.get(name), language, is_end=name in ENDS)}"
        for name in names
        if name not in _IN_COLUMNS
    )
    return told if len(told) <= _SHOWN_CHARS_MAX else f"{told[: _SHOWN_CHARS_MAX - 1]}…"


def _label(name: str, fields: Mapping[str, Field], language: Language) -> str:
    return fields[name].zh if language == "zh" and name in fields else name


def _value(value: object, field: Field | None, language: Language, *, is_end: bool = False) -> str:
    """Return a value as people read it: a time as Beijing has it, of digests the first digits."""
    if isinstance(value, list):
        return ", ".join(_value(it, field, language) for it in value)
    if isinstance(value, bool):
        return _WORDS[language][str(value).lower()]
    of = None if field is None else field.type
    if of is FieldType.SECONDS and isinstance(value, int):
        return deadline(value) if is_end else moment(value)[:16]
    text = str(value)
    if language == "zh" and text in RIGHT_ZH and field is not None and not field.of:
        return RIGHT_ZH[text]
    return f"{text[:_DIGITS_SHOWN]}…" if of in _BYTES and len(text) > _DIGITS_SHOWN else text
