"""Bodies against their kinds: every field there, of its type, and none that names a citizen.

The ledger is public and for ever, so a resident identity or a mobile number in a field that anyone
can read is refused before anything else is asked. A token counts as a whole: item and credit codes
hold such digits inside them and are legal.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from ledger.errors import LedgerError, MalformedError
from ledger.hashing import HASH_BYTES
from ledger.kept import KeptTexts
from ledger.keys import PUBLIC_BYTES
from ledger.kind import Field, FieldType, Kind
from ledger.names import check_object, check_party
from ledger.suites import SM2_PUBLIC_BYTES

TEXT_CHARS_MAX: Final = 2_000
CODE_CHARS_MAX: Final = 128
LIST_ITEMS_MAX: Final = 256
BYTES_MAX: Final = 4_096
UINT_MAX: Final = 2**53 - 1
SECONDS_MAX: Final = 253_402_300_799
"""The last second of the year 9999, as in a statement's declared time."""

# Types of subject that say nothing narrower than themselves.
ANY_SUBJECT: Final = "any"
PARTY_SUBJECT: Final = "party"
OR: Final = " or "
"""Between the types of subject of a kind that is about several."""
PARTY_TYPES: Final = ("department", "hall", "window", "officer")

_parts = re.compile(r"[._/:-]").split
_is_code = re.compile(r"[0-9A-Za-z._/:-]+").fullmatch
# A control character hides what a reader sees; line breaks are of no use in one field of a form.
_has_control = re.compile(r"[\x00-\x1f\x7f\u0085\u2028-\u202e\u2066-\u2069\ud800-\udfff]").search

# `\d` is any decimal digit, the full-width ones too, so another keyboard is no way round. Chinese
# characters bound a token as a space does; Latin letters and digits do not.
_tokens = re.compile(
    r"(?<![0-9A-Za-z\uff10-\uff19])(?:(?:[8８][6６])?(\d{11})|(\d{17}[\dXxＸｘ]))(?![0-9A-Za-z\uff10-\uff19])"
).finditer
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS: Final = "10X98765432"


def is_resident_identity(text: str) -> bool:
    """Return whether ``text`` as a whole is a resident identity number with a good check digit.

    Source: GB 11643, whose last digit is ISO 7064 MOD 11-2.
    """
    if len(text) != 18 or not text[:17].isdecimal():
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _WEIGHTS, strict=True))
    last = "X" if text[17] in "XxＸｘ" else str(int(text[17])) if text[17].isdecimal() else ""
    if last != _CHECK_DIGITS[total % 11]:
        return False
    # A credit code of digits alone passes the check once in eleven; a birthday is rare in one.
    year, month, day = int(text[6:10]), int(text[10:12]), int(text[12:14])
    return 1850 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= 31


def is_mobile_number(text: str) -> bool:
    """Return whether ``text`` as a whole is a mainland mobile number, without its country code."""
    return (
        len(text) == 11
        and text.isdecimal()
        and int(text[0]) == 1
        and int(text[1]) >= 3
    )  # fmt: skip


def names_citizen(text: str) -> bool:
    """Return whether a resident identity or a mobile number stands in ``text`` as a whole token."""
    return any(
        is_mobile_number(token[1]) if token[1] else is_resident_identity(token[2])
        for token in _tokens(text)
    )


def check_body(kind: Kind, body: Mapping[str, Any]) -> None:
    """Check that ``body`` has the fields of ``kind``, no other, and that none names a citizen.

    Raises:
        MalformedError: ``bad-field`` or ``personal-data``, with the name of the field.
    """
    fields = kind.fields
    found = 0
    for name, field in fields.items():
        if name in body:
            found += 1
            value, choices, of = body[name], field.choices, field.of
            if choices and type(value) is str and value in choices:
                continue  # the table has none that is not good
            problem = _PROBLEMS[field.type](value)
            if problem is not None:
                raise _refused(name, problem)
            if choices:
                _check_choice(name, field, value)
            # An object's name has its type in the middle, after six digits.
            if of and not value.startswith(of + "/", 7):
                raise _refused(name, f"names an object of type {of}")
        elif not field.optional:
            absent = [it for it, one in fields.items() if not one.optional and it not in body]
            raise MalformedError(f"fields are missing: {', '.join(absent)}", code="bad-field")
    if found != len(body):
        unknown = sorted(name for name in body if name not in fields)
        raise MalformedError(f"{kind.name} has no such field: {unknown[0][:80]}", code="bad-field")


def check_subject(kind: Kind, subject: str) -> None:
    """Check that ``subject`` names an object of the type that ``kind`` is about.

    Raises:
        MalformedError: ``bad-field`` or ``personal-data``.
    """
    parts = subject.split("/")
    if len(parts) != 3 or (
        parts[1] != kind.subject
        and kind.subject != ANY_SUBJECT
        and not (kind.subject == PARTY_SUBJECT and parts[1] in PARTY_TYPES)
        and parts[1] not in kind.subject.split(OR)
    ):
        raise MalformedError(
            f"the subject of {kind.name} is a {kind.subject}, not {subject[:80]!r}",
            code="bad-field",
        )
    problem = _name_problem(subject, check_object, "an object")
    if problem is not None:
        raise _refused("subject", problem)


_PERSONAL: Final = "personal-data"


def _refused(name: str, problem: str) -> MalformedError:
    if problem == _PERSONAL:
        return MalformedError(
            f"a resident identity or phone number stands in the public field: {name}",
            code="personal-data",
        )
    return MalformedError(f"the field {name} {problem}", code="bad-field")


def _check_choice(name: str, field: Field, value: object) -> None:
    for item in value if type(value) is list else (value,):
        if item not in field.choices:
            raise MalformedError(
                f"the field {name} is one of {', '.join(field.choices)}, not {item!r:.80}",
                code="bad-field",
            )


def _is_personal(text: str) -> bool:
    """Return whether a code or the last part of a name is such a number.

    An identity is found between separators too. A mobile number is not: serial numbers of eleven
    digits behind a year look alike, and are legal.
    """
    length = len(text)
    if length == 11:
        return is_mobile_number(text)
    if length == 18:
        return is_resident_identity(text)
    return length > 18 and any(map(is_resident_identity, _parts(text)))


def _text_problem(value: object) -> str | None:
    if type(value) is not str or not 0 < len(value) <= TEXT_CHARS_MAX:
        return f"is text of 1 to {TEXT_CHARS_MAX} characters"
    if _has_control(value):
        return "holds a control character"
    return _PERSONAL if names_citizen(value) else None


def _code_problem(value: object) -> str | None:
    if type(value) is not str or len(value) > CODE_CHARS_MAX or not _is_code(value):
        return f"is a code of at most {CODE_CHARS_MAX} letters, digits and ._/:-"
    return _PERSONAL if _is_personal(value) else None


def _party_problem(value: object) -> str | None:
    if type(value) is not str:
        return "names a party"
    return _party_problems[value]


def _object_problem(value: object) -> str | None:
    if type(value) is not str:
        return "names an object"
    return _object_problems[value]


def _name_problem(text: str, check: Callable[[str], None], what: str) -> str | None:
    try:
        check(text)
    except LedgerError:
        return f"names {what}, not {text[:80]!r}"
    return _PERSONAL if _is_personal(text[text.rfind("/") + 1 :]) else None


# Acts name the same windows, items and grants again and again.
_party_problems: Final = KeptTexts(partial(_name_problem, check=check_party, what="a party"))
_object_problems: Final = KeptTexts(partial(_name_problem, check=check_object, what="an object"))


def _hash_problem(value: object) -> str | None:
    if type(value) is bytes and len(value) == HASH_BYTES:
        return None
    return f"is a hash of {HASH_BYTES} bytes"


def _key_problem(value: object) -> str | None:
    good = type(value) is bytes and len(value) in {PUBLIC_BYTES, SM2_PUBLIC_BYTES}
    if not good:
        return f"is an Ed25519 key of {PUBLIC_BYTES} bytes or an SM2 key of {SM2_PUBLIC_BYTES}"
    return None


def _uint_problem(value: object) -> str | None:
    good = type(value) is int and 0 <= value <= UINT_MAX
    return None if good else "is a whole number from 0"


def _bool_problem(value: object) -> str | None:
    return None if type(value) is bool else "is true or false"


def _seconds_problem(value: object) -> str | None:
    good = type(value) is int and 0 <= value <= SECONDS_MAX
    return None if good else "is a time in seconds since 1970"


def _bytes_problem(value: object) -> str | None:
    good = type(value) is bytes and len(value) <= BYTES_MAX
    return None if good else f"is at most {BYTES_MAX} bytes"


def _list_problem(value: object, one: Callable[[object], str | None], what: str) -> str | None:
    if type(value) is not list or len(value) > LIST_ITEMS_MAX:
        return f"is a list of at most {LIST_ITEMS_MAX} {what}"
    for item in value:
        problem = one(item)
        if problem is not None:
            return problem
    return None


def _codes_problem(value: object) -> str | None:
    problem = _list_problem(value, _code_problem, "codes")
    if problem is None and isinstance(value, list) and value != sorted(set(value)):
        return "is a list of distinct codes, ascending"
    return problem


def _parties_problem(value: object) -> str | None:
    problem = _list_problem(value, _party_problem, "parties")
    if problem is None and isinstance(value, list) and value != sorted(set(value)):
        return "is a list of distinct parties, ascending"
    return problem


def _hashes_problem(value: object) -> str | None:
    return _list_problem(value, _hash_problem, "hashes")


_PROBLEMS: Final[Mapping[FieldType, Callable[[object], str | None]]] = {
    FieldType.TEXT: _text_problem,
    FieldType.CODE: _code_problem,
    FieldType.PARTY: _party_problem,
    FieldType.OBJECT: _object_problem,
    FieldType.HASH: _hash_problem,
    FieldType.KEY: _key_problem,
    FieldType.UINT: _uint_problem,
    FieldType.BOOL: _bool_problem,
    FieldType.SECONDS: _seconds_problem,
    FieldType.CODES: _codes_problem,
    FieldType.HASHES: _hashes_problem,
    FieldType.PARTIES: _parties_problem,
    FieldType.BYTES: _bytes_problem,
}
