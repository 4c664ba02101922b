"""``shouxin list`` and ``enrol``: tables that offices keep, checked row by row and taken over."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from authz.item_list import ItemList, clean, read_items
from ledger.errors import ConflictError, LedgerError, MalformedError
from nodes.adapters.sheets import read_rows
from nodes.cli.caller import ask
from nodes.cli.main import DOES_NOT_HOLD
from nodes.cli.show import console, print_json, table
from nodes.client import Client

LIST_CHARS_MAX: Final = 100
KNOWN: Final = "known"

_ENROL_COLUMNS: Final = ("party", "name", "hall", "department", "unit", "roles")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one row: ``done``, ``known`` already, or a code and why."""

    row: int
    subject: str
    code: str
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the ledger holds now what the row says."""
        return self.code in {"done", KNOWN}


def check(given: argparse.Namespace) -> int:
    """Read a county's list of items, and tell each row that cannot be taken; status 1 if any."""
    found = read_items(read_rows(given.file))
    _tell_list(given, found)
    return DOES_NOT_HOLD if found.untaken else 0


def claim(given: argparse.Namespace) -> int:
    """Claim every item of a list that can be taken, for the officer's department (事项认领)."""
    found = read_items(read_rows(given.file))
    name = clean(given.list or given.file.stem)
    if len(name) > LIST_CHARS_MAX:
        raise MalformedError(f"--list has at most {LIST_CHARS_MAX} characters", code="bad-field")
    region = given.officer[:6]
    rows = [
        (
            item.row,
            f"{region}/claim/{sha256(item.code.code.encode()).hexdigest()[:16]}",
            {"code": item.code.code, "list": name},
        )
        for item in found.items
        if not given.department or item.department == given.department
    ]

    async def question(client: Client) -> list[Fate]:
        return [
            await _act(client, row, "claim.make", subject, body, officer=given.officer)
            for row, subject, body in rows
        ]

    fates = ask(given, question)
    bad = [Fate(it.row, "", it.code, it.why) for it in found.untaken]
    return _tell_fates(given, sorted([*fates, *bad], key=lambda it: it.row))


def enrol(given: argparse.Namespace) -> int:
    """Enrol the departments, halls, windows and officers of a table, in its order."""
    rows = read_rows(given.file)
    head = [clean(it).casefold() for it in rows[0]] if rows else []
    if "party" not in head or not set(head) <= set(_ENROL_COLUMNS):
        raise MalformedError(
            f"the first row names the columns {', '.join(_ENROL_COLUMNS)}", code="no-header"
        )

    async def question(client: Client) -> list[Fate]:
        fates = []
        for number, row in enumerate(rows[1:], 2):
            cells = dict(zip(head, (clean(it) for it in row), strict=False))
            fields = {name: value for name, value in cells.items() if value}
            if fields:
                fates.append(await _enrol(client, number, fields))
        return fates

    return _tell_fates(given, ask(given, question))


async def _enrol(client: Client, number: int, fields: Mapping[str, str]) -> Fate:
    party = fields.get("party", "")
    body: dict[str, Any] = {name: value for name, value in fields.items() if name != "party"}
    if "roles" in body:
        body["roles"] = sorted(body["roles"].replace(",", " ").split())
    try:
        if "/officer/" in party:
            key = await client.make_officer_key(party)
            body |= {"key": key, "holder": "region"}
    except LedgerError as error:
        return Fate(number, party, error.code, str(error))
    return await _act(client, number, "party.enrol", party, body)


async def _act(
    client: Client,
    row: int,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    *,
    officer: str | None = None,
) -> Fate:
    try:
        await client.act(kind, subject, body, officer=officer)
    except ConflictError as error:
        return Fate(row, subject, error.code, str(error))
    except LedgerError as error:
        if error.code in {"no-answer", "unknown-outcome", "no-token", "unknown-token"}:
            raise  # The node is gone or knows us not: no further row would fare better.
        return Fate(row, subject, KNOWN if error.code == "exists" else error.code, str(error))
    return Fate(row, subject, "done")


def _tell_list(given: argparse.Namespace, found: ItemList) -> None:
    if given.json:
        print_json(
            {
                "items": [asdict(it) for it in found.items],
                "untaken": [asdict(it) for it in found.untaken],
            }
        )
        return
    out = console()
    out.print(f"{len(found.items)} items, {len(found.untaken)} rows not taken")
    _table(
        ("row", "field", "code", "why"),
        [(str(it.row), it.field, it.code, it.why) for it in found.untaken],
    )


def _tell_fates(given: argparse.Namespace, fates: Sequence[Fate]) -> int:
    bad = [it for it in fates if not it.is_good]
    done = sum(it.code == "done" for it in fates)
    if given.json:
        print_json({"done": done, "rows": [asdict(it) for it in fates]})
    else:
        known = len(fates) - done - len(bad)
        console().print(f"{done} recorded, {known} known already, {len(bad)} not taken")
        _table(
            ("row", "subject", "code", "why"),
            [(str(it.row), it.subject, it.code, it.why) for it in bad],
        )
    return DOES_NOT_HOLD if bad else 0


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        made = table(*head, right=(0,))
        for row in rows:
            made.add_row(*row)
        console().print(made)
