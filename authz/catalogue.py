"""The catalogue of 跨省通办 items that scenarios draw from.

Numbers, names, ministries, batches and documents are facts; a row whose status is ``read`` was
found in a published text, one that is ``illustrative`` was not checked against its document. The
12-digit codes are made up, every one of them, in a range that no real item has (``99…``).
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from ledger.errors import MalformedError

HEADER: Final = ("number", "code", "name", "ministry", "batch", "document", "status")

Status = Literal["read", "illustrative"]

_is_number = re.compile(r"[A-Z][0-9]{3}").fullmatch
_is_code = re.compile(r"99[0-9]{10}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueItem:
    """One row.

    Args:
        number: Our own, for the reader.
        code: Twelve digits, made up.
        batch: By when the document wanted it done.
    """

    number: str
    code: str
    name: str
    ministry: str
    batch: str
    document: str
    status: Status


def parse(text: str) -> tuple[CatalogueItem, ...]:
    """Read the catalogue.

    Args:
        text: Tab-separated lines under a header; lines that begin with ``#`` are remarks.

    Raises:
        MalformedError: A row is not of the form, or a number or code stands there twice.
    """
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    if not rows or tuple(rows[0]) != HEADER:
        raise MalformedError(f"the header is {' '.join(HEADER)}", code="bad-field")
    items = tuple(_item(row) for row in rows[1:])
    for name in ("number", "code"):
        values = [getattr(item, name) for item in items]
        if len(set(values)) != len(values):
            raise MalformedError(f"a {name} stands there twice", code="bad-field")
    return items


def _item(row: list[str]) -> CatalogueItem:
    if len(row) != len(HEADER) or not all(row):
        raise MalformedError(f"not a row of the catalogue: {row!r:.80}", code="bad-field")
    number, code, name, ministry, batch, document, status = row
    if not _is_number(number) or not _is_code(code):
        raise MalformedError(f"not a number and a code: {number} {code}", code="bad-field")
    if status not in {"read", "illustrative"}:
        raise MalformedError(f"a status is read or illustrative, not {status}", code="bad-field")
    return CatalogueItem(
        number=number,
        code=code,
        name=name,
        ministry=ministry,
        batch=batch,
        document=document,
        status="read" if status == "read" else "illustrative",
    )
