"""The codes of the public service: who an authority is, which item, which case; and their checks.

A unified social credit code (USCC) has 18 characters, the last of which checks the others. A basic
code has 12 digits and names an item for the whole country; an implementation code has 31
characters, USCC, one digit of the level, and basic code; one more pair of digits names what is
handled under it. Provinces have codes of their own beside the national ones, kept as they are.

Source: GB 32100-2015; GB/T 39554.1-2020; the ranges of letters in domain.md section 5.
"""

import re
from dataclasses import dataclass
from typing import Final

from ledger.errors import MalformedError

_DIGITS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""Of a USCC: no I, O, S, V and Z, which look like others."""

_is_uscc = re.compile(rf"[{_DIGITS}]{{2}}[0-9]{{6}}[{_DIGITS}]{{10}}").fullmatch
_is_basic = re.compile(r"[0-9]{9}(?:[0-9]{3}|00Y)").fullmatch
_is_handled = re.compile(r"[0-9]{9}(?:[0-9]{3}|00Y)[0-9]{2}").fullmatch
_is_local = re.compile(r"[0-9A-Z][0-9A-Z_./-]{3,63}").fullmatch
_is_area = re.compile(r"[0-9]{6}(?:[0-9]{3}|[0-9]{6})?").fullmatch

LEVELS: Final = "123456"
"""Country, province, city, county, township, village."""


@dataclass(frozen=True, slots=True)
class ItemCode:
    """An item's code as a list has it, taken apart.

    Args:
        code: In full, in capitals.
        form: ``basic`` (12), ``handled`` (14), ``implementation`` (31 or 33) or ``local``.
        basic: The national code in it; empty for a local one.
        uscc: Of the authority; empty where the code names none.
    """

    code: str
    form: str
    basic: str = ""
    uscc: str = ""


def check_uscc(code: str) -> None:
    """Check a unified social credit code.

    Raises:
        MalformedError: ``bad-code``: it is not of the form; ``bad-check-digit``.
    """
    if not _is_uscc(code):
        raise MalformedError(f"not a unified social credit code: {code[:80]!r}", code="bad-code")
    if uscc_check_digit(code[:17]) != code[17]:
        raise MalformedError(
            f"the last character of {code} should be {uscc_check_digit(code[:17])}",
            code="bad-check-digit",
        )


def uscc_check_digit(first: str) -> str:
    """Return the character that checks the first 17 of a USCC."""
    total = sum(_DIGITS.index(it) * pow(3, at, 31) for at, it in enumerate(first))
    return _DIGITS[-total % 31]


def check_area(code: str) -> None:
    """Check an area code: 6 digits, or 9 or 12 below a county.

    Raises:
        MalformedError: ``bad-code``.
    """
    if not _is_area(code):
        raise MalformedError(f"not an area code: {code[:80]!r}", code="bad-code")


def parse_item_code(text: str) -> ItemCode:
    """Take an item's code apart: national of 12, 14, 31 or 33 characters, or a province's own.

    Raises:
        MalformedError: ``bad-code`` or ``bad-check-digit``.
    """
    code = text.upper()
    if _is_basic(code):
        return ItemCode(code, "basic", basic=code)
    if _is_handled(code):
        return ItemCode(code, "handled", basic=code[:12])
    if len(code) in {31, 33} and code[18] in LEVELS and _is_basic(code[19:31]):
        if len(code) == 33 and not code[31:].isdigit():
            raise MalformedError(f"not the code of an item: {code!r}", code="bad-code")
        check_uscc(code[:18])
        return ItemCode(code, "implementation", basic=code[19:31], uscc=code[:18])
    if code.isdigit() or not _is_local(code):
        # Digits alone in another number are a national code with some lost or doubled.
        raise MalformedError(
            f"not the code of an item: {text[:80]!r}, {len(text)} characters", code="bad-code"
        )
    return ItemCode(code, "local")
