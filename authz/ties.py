"""Which parties and objects an act follows from: who did it, where, under what, with what.

So everything that an officer did, that was done at a window, under a grant or with a seal, and all
that an incident is about, is found without reading any log through.

Source: domain.md mechanism 60 (责任追溯): incident, finding, responsible grant or act, remedy.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from ledger.kind import FieldType, Kinds
from ledger.statement import Statement, UnverifiedStatement

TYPES: Final = ("officer", "window", "grant", "seal", "incident")
"""What is followed. Cases have their own timelines; halls and departments are seen from these."""

TIES_MAX: Final = 64
"""Of one act; a longer list of parties would bury the others."""

_name = re.compile(rf"[0-9]{{6}}/(?:{'|'.join(TYPES)})/[0-9A-Za-z._-]{{1,64}}").fullmatch


# A few officers, windows and grants are named over and over.
@lru_cache(maxsize=4_096)
def _is_followed(text: str) -> bool:
    return _name(text) is not None


def fields_followed(kinds: Kinds) -> Mapping[tuple[str, int], tuple[str, ...]]:
    """Return for each kind, by name and version, the fields that can name what is followed."""
    return {
        key: tuple(
            name
            for name, field in kind.fields.items()
            if field.type in {FieldType.PARTY, FieldType.PARTIES}
            or (field.type is FieldType.OBJECT and field.of in {"", *TYPES})
        )
        for key, kind in kinds.items()
    }


def ties_of(
    made: Statement | UnverifiedStatement, fields: Iterable[str], unit: str | None, *, signed: bool
) -> tuple[str, ...]:
    """Return what an act is found by.

    Args:
        made: The act; the body of a void one may hold anything.
        fields: Of its kind, as ``fields_followed`` has them.
        unit: Where the officer who signed sits; None for the region, or where that is not known.
        signed: Whether its issuer's key has signed it, so that it is theirs at all.
    """
    subject, body = made.subject, made.act.body
    values: list[Any] = [made.issuer] if signed else []
    if "/case/" not in subject:
        values.append(subject)
    values.append(unit)
    for name in fields:
        value = body.get(name)
        if type(value) is list:
            values += value
        else:
            values.append(value)
    found = dict.fromkeys([it for it in values if type(it) is str and _is_followed(it)])
    return tuple(found) if len(found) <= TIES_MAX else tuple(found)[:TIES_MAX]
