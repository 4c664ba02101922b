"""A county's list of items, as its office keeps it, row by row: what can be taken, and what not.

Such lists are made by hand over years: full-width digits, blanks inside words, cells merged over
several rows, a title above the header, the same item twice. All of that is read; what cannot be
taken is told with its row, its field and the reason, and the other rows are taken.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from authz.codes import ItemCode, check_area, check_uscc, parse_item_code
from ledger.errors import LedgerError, MalformedError

HEADER_ROWS_MAX: Final = 10
"""Of titles and remarks above the header."""
NAME_CHARS_MAX: Final = 200

FIELDS: Final = ("department", "name", "code", "area", "department_code", "local_code", "type")

_NEEDED: Final = ("department", "name", "code")

# Heads as they occur, without blanks and brackets.
_HEADS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "部门": "department",
        "部门名称": "department",
        "实施部门": "department",
        "实施主体": "department",
        "主管部门": "department",
        "所属部门": "department",
        "department": "department",
        "事项名称": "name",
        "事项": "name",
        "名称": "name",
        "政务服务事项名称": "name",
        "itemname": "name",
        "name": "name",
        "事项编码": "code",
        "编码": "code",
        "基本编码": "code",
        "实施编码": "code",
        "事项代码": "code",
        "itemcode": "code",
        "code": "code",
        "区划代码": "area",
        "行政区划代码": "area",
        "区域代码": "area",
        "区划编码": "area",
        "行政区划": "area",
        "areacode": "area",
        "部门编码": "department_code",
        "部门代码": "department_code",
        "实施主体编码": "department_code",
        "统一社会信用代码": "department_code",
        "departmentcode": "department_code",
        "地方编码": "local_code",
        "本地编码": "local_code",
        "省级编码": "local_code",
        "地方事项编码": "local_code",
        "localcode": "local_code",
        "事项类型": "type",
        "类型": "type",
        "事项类别": "type",
        "type": "type",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedItem:
    """A row that was taken.

    Args:
        row: Its number in the list, from 1.
        area: Empty where the list has none.
        department_code: USCC of the department; empty where the list has none.
        local_code: The province's own, where the list has it beside the national one.
        type: As the list says it; empty where it does not.
    """

    row: int
    department: str
    name: str
    code: ItemCode
    area: str = ""
    department_code: str = ""
    local_code: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Untaken:
    """A row that was not taken, or a cell of it, and why.

    Args:
        field: Empty where it is about the whole row.
        code: Stable.
    """

    row: int
    field: str
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class ItemList:
    """What a list came to."""

    items: tuple[ListedItem, ...]
    untaken: tuple[Untaken, ...]


def read_text(data: bytes) -> str:
    """Return a list's text: UTF-8, with or without a mark at its front, UTF-16 with one, or GBK.

    Raises:
        MalformedError: ``bad-text``.
    """
    encodings = ["utf-8-sig", "gb18030"]
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encodings = ["utf-16"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise MalformedError("the list is no text in UTF-8, UTF-16 or GBK", code="bad-text")


def clean(cell: object) -> str:
    """Return a cell's text: full-width letters and digits made plain, blanks at its ends gone."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # Spreadsheets keep every number as one with a point.
    text = unicodedata.normalize("NFKC", str(cell))
    kept = [" " if it.isspace() else it for it in text if unicodedata.category(it) != "Cf"]
    return " ".join("".join(kept).split())


def read_items(rows: Iterable[Sequence[object]]) -> ItemList:
    """Read a list.

    1. The header is the first row that names department, item and code; what stands above is not
       read.
    2. A department that a row leaves empty is that of the row above: its cell was merged.
    3. A repeated header, or a row without a name and a code, is passed over without a word.
    4. A second row of the same code, department and area is told, and not taken.

    Raises:
        MalformedError: ``no-header``.
    """
    numbered = enumerate((([clean(cell) for cell in row]) for row in rows), 1)
    columns: dict[str, int] | None = None
    items: list[ListedItem] = []
    untaken: list[Untaken] = []
    seen: dict[tuple[str, str, str], int] = {}
    above = {"department": "", "department_code": "", "area": ""}
    for number, cells in numbered:
        found = _columns(cells)
        if columns is None or found is not None:  # (1)
            columns = found
            if columns is None and number >= HEADER_ROWS_MAX:
                break
            continue
        given = {name: cells[at] if at < len(cells) else "" for name, at in columns.items()}
        if not given["name"] and not given["code"]:  # (3)
            # What a title in between says, no later row is merged with.
            continue
        _fill_down(given, above)  # (2)
        try:
            item = _item(number, given)
        except _UntakenError as error:
            untaken.append(error.untaken)
            continue
        key = (item.code.code, item.department, item.area)
        if key in seen:  # (4)
            why = f"the same as row {seen[key]}"
            untaken.append(Untaken(number, "code", "listed-twice", why))
            continue
        seen[key] = number
        items.append(item)
    if columns is None:
        raise MalformedError(
            "no row names the department (部门), the item (事项名称) and its code (事项编码)",
            code="no-header",
        )
    return ItemList(tuple(items), tuple(untaken))


class _UntakenError(Exception):
    def __init__(self, untaken: Untaken) -> None:
        super().__init__(untaken.why)
        self.untaken = untaken


def _columns(cells: Sequence[str]) -> dict[str, int] | None:
    """Return the column of each field; None where the row is no header."""
    found: dict[str, int] = {}
    for at, cell in enumerate(cells):
        head = cell.casefold().split("(")[0]
        name = _HEADS.get("".join(it for it in head if it.isalnum()))
        if name is not None:
            found.setdefault(name, at)
    return found if found.keys() >= set(_NEEDED) else None


def _fill_down(given: dict[str, str], above: dict[str, str]) -> None:
    if given["department"] and given["department"] != above["department"]:
        above.update(department=given["department"], department_code="", area="")
    for name, value in above.items():
        if name in given:
            given[name] = above[name] = given[name] or value


def _item(number: int, given: Mapping[str, str]) -> ListedItem:
    for name in _NEEDED:
        if not given[name]:
            raise _UntakenError(Untaken(number, name, "empty-cell", f"{name} is empty"))
        if len(given[name]) > NAME_CHARS_MAX:
            why = f"{name} has more than {NAME_CHARS_MAX} characters"
            raise _UntakenError(Untaken(number, name, "too-long", why))
    squeezed = {
        name: given.get(name, "").replace(" ", "").lstrip("'").upper()
        for name in ("code", "area", "department_code", "local_code")
    }
    at = "code"
    try:
        code = parse_item_code(squeezed["code"])
        at = "area"
        if squeezed["area"]:
            check_area(squeezed["area"])
        at = "department_code"
        if squeezed["department_code"]:
            check_uscc(squeezed["department_code"])
            if code.uscc and code.uscc != squeezed["department_code"]:
                raise MalformedError(
                    f"the item's code names {code.uscc} as the department", code="other-department"
                )
        at = "local_code"
        if squeezed["local_code"]:
            parse_item_code(squeezed["local_code"])
    except LedgerError as error:
        raise _UntakenError(Untaken(number, at, error.code, str(error))) from error
    return ListedItem(
        row=number,
        department=given["department"].replace(" ", ""),
        name=given["name"],
        code=code,
        area=squeezed["area"],
        department_code=squeezed["department_code"],
        local_code=squeezed["local_code"],
        type=given.get("type", ""),
    )
