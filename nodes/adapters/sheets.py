"""Rows of a table that an office sends: CSV, TSV, or the first sheet of an XLSX file.

An XLSX file is a zip of XML parts; of it only the cells' values are read, never formulas, links or
anything that it points to.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from authz.item_list import read_text
from ledger.errors import MalformedError
from nodes.files import read_bounded

PART_BYTES_MAX: Final = 256 << 20
COLUMNS_MAX: Final = 1_000
ROWS_MAX: Final = 1_000_000

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_DELIMITERS: Final = "\t,;"
_SHEET: Final = "xl/worksheets/sheet1.xml"
_STRINGS: Final = "xl/sharedStrings.xml"
_NO_SHEET: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ET.ParseError,
    EOFError,
    KeyError,
    ValueError,
    RuntimeError,
)
"""What reading a file raises that is none, is cut off or altered, or is locked by a password."""

_letters = re.compile(r"([A-Z]{1,3})([0-9]{1,7})").fullmatch


def read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a table, each a list of its cells' texts.

    Raises:
        MalformedError: ``no-file``, ``too-large``, ``bad-text`` or ``bad-sheet``.
    """
    data = read_bounded(path)
    if data[:4] == b"PK\x03\x04":
        try:
            return list(_sheet_rows(data))
        except _NO_SHEET as error:
            raise MalformedError(f"{path} is no XLSX file: {error}", code="bad-sheet") from error
    return _text_rows(read_text(data))


def _text_rows(text: str) -> list[list[str]]:
    # Above the header there may be titles, which have no delimiter.
    first = next((line for line in text.splitlines() if any(it in line for it in _DELIMITERS)), "")
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        # Not split by hand: a quoted cell may hold line ends.
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise MalformedError(f"not a table: {error}", code="bad-sheet") from error


def _sheet_rows(data: bytes) -> Iterator[list[str]]:
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        names = set(parts.namelist())
        sheets = sorted(it for it in names if it.startswith("xl/worksheets/sheet"))
        if not sheets:
            raise KeyError(_SHEET)
        texts = _texts(_part(parts, _STRINGS)) if _STRINGS in names else []
        root = _part(parts, _SHEET if _SHEET in names else sheets[0])
    reached = 0
    for row in root.iter(f"{_MAIN}row"):
        number = int(row.get("r", str(reached + 1)))
        if not reached < number <= ROWS_MAX:
            raise ValueError(f"row {number} after row {reached}")
        # Empty rows are left out of the file, and counted all the same.
        yield from ([] for _ in range(number - reached - 1))
        reached = number
        yield _cells(row, texts)


def _cells(row: ET.Element, texts: list[str]) -> list[str]:
    cells: list[str] = []
    for cell in row.iter(f"{_MAIN}c"):
        at = _column(cell.get("r", ""), len(cells))
        if not len(cells) <= at < COLUMNS_MAX:
            raise ValueError(f"cell {cell.get('r')!r}")
        cells += [""] * (at - len(cells))
        value = cell.findtext(f"{_MAIN}v", "")
        kind = cell.get("t", "n")
        if kind == "s":
            value = texts[int(value)] if value and int(value) < len(texts) else ""
        elif kind == "inlineStr":
            value = "".join(it.text or "" for it in cell.iter(f"{_MAIN}t"))
        elif kind == "n" and value.endswith(".0"):
            value = value.removesuffix(".0")
        cells.append(value)
    return cells


def _column(place: str, default: int) -> int:
    found = _letters(place)
    if found is None:
        return default
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _texts(root: ET.Element) -> list[str]:
    """Return the shared texts; readings of their characters (phonetic runs) are left out."""
    found = []
    for entry in root.iter(f"{_MAIN}si"):
        direct = [it.text or "" for it in entry.findall(f"{_MAIN}t")]
        runs = [it.findtext(f"{_MAIN}t", "") for it in entry.findall(f"{_MAIN}r")]
        found.append("".join((*direct, *runs)))
    return found


def _part(parts: zipfile.ZipFile, name: str) -> ET.Element:
    if parts.getinfo(name).file_size > PART_BYTES_MAX:
        raise ValueError(f"{name} is larger than {PART_BYTES_MAX} bytes")
    with parts.open(name) as part:
        data = part.read(PART_BYTES_MAX + 1)
    if len(data) > PART_BYTES_MAX:
        raise ValueError(f"{name} is larger than {PART_BYTES_MAX} bytes")
    text = data.decode("utf-8-sig")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        # A sheet has none; one that does wants the reader to unfold or fetch something.
        raise ValueError(f"{name} declares a document type")
    return ET.fromstring(text)  # noqa: S314 - nothing is declared in it
