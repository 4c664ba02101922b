"""``shouxin records``: a region's records of a type, as they stand or stood on a day."""

import argparse
from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

from authz.calendar import day_named, end_of_day
from nodes.cli.show import Language, console, moment, print_json, short, table
from nodes.cli.sweeps import all_pages, tell_as_of
from nodes.client import Client

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "columns": "编号|状态|登记单位|对方|期限|最近一次|所记内容",
        "none": "没有这样的记录",
        "overdue": "逾期",
    },
    "en": {
        "columns": "number|stands|by|to|due|newest act|says",
        "none": "No such records",
        "overdue": "overdue",
    },
}
_SHOWN_CHARS_MAX: Final = 160
_IN_COLUMNS: Final = frozenset({"to", "due", "version"})


def records(given: argparse.Namespace) -> int:
    """Show a region's records of a type."""
    which: dict[str, str | int] = {
        name: value
        for name, value in (
            ("state", given.state),
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
        for it in found["records"]:
            made.add_row(*_row(it, words))
        out.print(made)
    else:
        out.print(words["none"])
    tell_as_of(given, found)
    return 0


def _row(it: Mapping[str, Any], words: Mapping[str, str]) -> tuple[Text, ...]:
    row = it["row"]
    state = Text(it["state"] or "", "" if it["live"] else "dim")
    if it["overdue"]:
        state = Text(f"{it['state']} {words['overdue']}", "red")
    due = row.get("due")
    cells = (
        short(row.get("by") or it["issuer"]),
        short(row.get("to")),
        moment(due - 1)[:10] if isinstance(due, int) else "",
        moment(it["time_s"])[:16],
        _said(it["said"]),
    )
    return Text(short(it["object"])), state, *map(Text, cells)


def _said(said: Mapping[str, Any]) -> str:
    """Return what a record says in one line, without what has a column of its own."""
    told = "; ".join(
        f"{name} {_value(value)}" for name, value in said.items() if name not in _IN_COLUMNS
    )
    return told if len(told) <= _SHOWN_CHARS_MAX else f"{told[: _SHOWN_CHARS_MAX - 1]}…"


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return str(value)
