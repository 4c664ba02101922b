from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from ledger.errors import LedgerError, MalformedError
from ledger.kind import Acting, Field, FieldType, Judgement, Kind
from ledger.schema import (
    BYTES_MAX,
    CODE_CHARS_MAX,
    LIST_ITEMS_MAX,
    SECONDS_MAX,
    TEXT_CHARS_MAX,
    UINT_MAX,
    check_body,
    check_subject,
    is_mobile_number,
    is_resident_identity,
)
from tests.authz.refusals import refused
from tests.strategies import values


# Made up from the rule of the check digit; the place and the day are real, the person is not.
def with_check_digit(number: str) -> str:
    """The seventeen digits with the eighteenth, as another library reckons it."""
    return number + ric.calc_check_digit(number + "0")


IDENTITY = with_check_digit("11010119000101001")
IDENTITY_X = next(
    number
    for serial in range(1000)
    if (number := with_check_digit(f"11010119000101{serial:03}")).endswith("X")
)
MOBILE = "13800138000"


def rule(_acting: Acting) -> Judgement:
    return Judgement()


def kind_with(type_: FieldType, **more: Any) -> Kind:
    field = Field(type=type_, zh="字段", en="field", **more)
    return Kind(
        name="test.kind", zh="测试", en="test", subject="case", fields={"it": field}, rule=rule
    )


GOOD: dict[FieldType, list[Any]] = {
    FieldType.TEXT: ["x", "授信", "a" * TEXT_CHARS_MAX],
    FieldType.CODE: ["x", "000131127004", "510000/hall.a_b:c-d", "1" * CODE_CHARS_MAX],
    FieldType.PARTY: ["510000", "510000/officer/w3-01"],
    FieldType.OBJECT: ["510000/case/2026-000017"],
    FieldType.HASH: [bytes(32)],
    FieldType.KEY: [bytes(32)],
    FieldType.UINT: [0, UINT_MAX],
    FieldType.BOOL: [True, False],
    FieldType.SECONDS: [0, SECONDS_MAX],
    FieldType.CODES: [[], ["a"], ["a", "b"], [f"{at:03}" for at in range(LIST_ITEMS_MAX)]],
    FieldType.HASHES: [[], [bytes(32), bytes(32)]],
    FieldType.PARTIES: [[], ["510000/officer/a", "510000/officer/b"]],
    FieldType.BYTES: [b"", bytes(BYTES_MAX)],
}
BAD: dict[FieldType, list[Any]] = {
    FieldType.TEXT: ["", "a" * (TEXT_CHARS_MAX + 1), "a\nb", "a\u202eb", b"x", 1, None],
    FieldType.CODE: ["", "a b", "授信", "1" * (CODE_CHARS_MAX + 1), 1],
    FieldType.PARTY: ["51000", "510000/officer", "510000/officer/a b", 510000],
    FieldType.OBJECT: ["510000", "510000/case/", b"510000/case/1"],
    FieldType.HASH: [bytes(31), bytes(33), "x" * 32],
    FieldType.KEY: [bytes(31), bytes(33), "x" * 32],
    FieldType.UINT: [-1, UINT_MAX + 1, True, "1"],
    FieldType.BOOL: [0, 1, None],
    FieldType.SECONDS: [-1, SECONDS_MAX + 1, True],
    FieldType.CODES: [
        ["b", "a"],
        ["a", "a"],
        ["a b"],
        "a",
        ("a",),
        [f"{at:03}" for at in range(LIST_ITEMS_MAX + 1)],
    ],
    FieldType.HASHES: [[bytes(31)], bytes(32), [bytes(32)] * (LIST_ITEMS_MAX + 1)],
    FieldType.PARTIES: [["510000/officer/b", "510000/officer/a"], ["x"], ["510000"] * 2],
    FieldType.BYTES: [bytes(BYTES_MAX + 1), "x"],
}


@pytest.mark.parametrize("type_", FieldType)
def test_each_type_takes_what_is_of_it_and_nothing_else(type_: FieldType) -> None:
    for value in GOOD[type_]:
        check_body(kind_with(type_), {"it": value})
    for value in BAD[type_]:
        with refused("bad-field"):
            check_body(kind_with(type_), {"it": value})


@given(type_=st.sampled_from(FieldType), value=values)
def test_anything_in_a_field_is_taken_or_refused_as_malformed(type_: FieldType, value: Any) -> None:
    with suppress(MalformedError):
        check_body(kind_with(type_), {"it": value})


def test_a_field_must_be_there_unless_it_is_optional() -> None:
    with refused("bad-field"):
        check_body(kind_with(FieldType.TEXT), {})
    check_body(kind_with(FieldType.TEXT, optional=True), {})


def test_a_field_that_the_kind_does_not_have_is_refused() -> None:
    with refused("bad-field"):
        check_body(kind_with(FieldType.TEXT), {"it": "x", "other": "x"})


def test_choices_are_the_only_values() -> None:
    kind = kind_with(FieldType.CODE, choices=("a", "b"))
    check_body(kind, {"it": "a"})
    with refused("bad-field"):
        check_body(kind, {"it": "c"})
    kind = kind_with(FieldType.CODES, choices=("a", "b"))
    check_body(kind, {"it": ["a", "b"]})
    with refused("bad-field"):
        check_body(kind, {"it": ["a", "c"]})


# Personal data

FULL_WIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")


@pytest.mark.parametrize(
    "number", [IDENTITY, IDENTITY_X, IDENTITY_X.lower(), MOBILE, f"+86{MOBILE}", f"86{MOBILE}"]
)
@pytest.mark.parametrize(
    "text", ["{}", "电话{}", "张某{}来访", "({})", "见 {}。", "a {} b", "x\u3000{}"]
)
def test_a_text_with_an_identity_or_phone_number_as_a_token_is_refused(
    text: str, number: str
) -> None:
    for written in (number, number.translate(FULL_WIDTH)):
        with refused("personal-data"):
            check_body(kind_with(FieldType.TEXT), {"it": text.format(written)})


@pytest.mark.parametrize(
    "text",
    [
        "000131127004",
        "11440232MB2D06811W4000117051000202010200008",
        f"a{MOBILE}",
        f"{MOBILE}1",
        f"1{IDENTITY}",
        f"{IDENTITY}a",
        "12800138000",
        "03800138000",
        "2026-11-21 18:25:38",
        IDENTITY[:17] + str((int(IDENTITY[17]) + 1) % 10 if IDENTITY[17] != "X" else 0),
    ],
)
def test_other_digits_are_legal(text: str) -> None:
    check_body(kind_with(FieldType.TEXT), {"it": text})


@pytest.mark.parametrize("number", [IDENTITY, IDENTITY_X, MOBILE])
def test_a_name_or_code_that_is_such_a_number_as_a_whole_is_refused(number: str) -> None:
    for type_, value in (
        (FieldType.CODE, number),
        (FieldType.CODES, [number]),
        (FieldType.PARTY, f"510000/officer/{number}"),
        (FieldType.PARTIES, [f"510000/officer/{number}"]),
        (FieldType.OBJECT, f"510000/case/{number}"),
    ):
        with refused("personal-data"):
            check_body(kind_with(type_), {"it": value})
    with refused("personal-data"):
        check_subject(kind_with(FieldType.TEXT), f"510000/case/{number}")


@pytest.mark.parametrize("name", ["510000", "510000/item/" + "x" * 200])
def test_a_name_that_was_looked_at_before_is_what_it_is(name: str) -> None:
    """Names are kept in mind by what they are to name."""
    party, object_ = kind_with(FieldType.PARTY), kind_with(FieldType.OBJECT)
    for _ in range(2):
        check_body(object_, {"it": "510000/item/x"})
        check_body(party, {"it": "510000/item/x"})
        with refused("bad-field"):
            check_body(object_, {"it": name})
        if name == "510000":
            check_body(party, {"it": name})


def test_a_code_that_only_holds_such_digits_is_legal() -> None:
    for value in (f"{MOBILE}0", f"2026-{MOBILE}", f"{IDENTITY}00"):
        check_body(kind_with(FieldType.CODE), {"it": value})
        check_body(kind_with(FieldType.OBJECT), {"it": f"510000/case/{value}"})


@given(st.integers(0, 999), st.dates())
def test_every_number_that_another_library_finds_valid_is_found(serial: int, day: Any) -> None:
    year = max(day.year, 1850) % 2100
    number = f"110101{year:04}{day.month:02}{day.day:02}{serial:03}"
    number = with_check_digit(number)
    assert is_resident_identity(number) == (1850 <= year <= 2200)


@given(st.text(alphabet="0123456789Xx", min_size=17, max_size=19))
def test_what_the_other_library_refuses_by_its_digit_is_refused_here(text: str) -> None:
    if is_resident_identity(text):
        assert ric.calc_check_digit(text) == text[17].upper()


def test_a_birthday_is_a_day() -> None:
    for day in ("18491231", "22010101", "19901301", "19900001", "19900132", "19900100"):
        assert not is_resident_identity(with_check_digit(f"110101{day}001"))


def test_a_mobile_number_begins_with_13_or_more() -> None:
    assert is_mobile_number("19900000000")
    for text in ("12000000000", "23000000000", "1380013800", "138001380000", "1380013800a"):
        assert not is_mobile_number(text)


# Subjects


def test_a_subject_is_of_the_kind_s_type() -> None:
    kind = kind_with(FieldType.TEXT)
    check_subject(kind, "510000/case/1")
    for subject in ("510000/grant/1", "510000", "southwest.example/510000", "510000/case/a b"):
        with refused("bad-field"):
            check_subject(kind, subject)


def test_some_kinds_are_about_any_party_or_anything() -> None:
    party = Kind(name="p.p", zh="p", en="p", subject="party", rule=rule)
    anything = Kind(name="a.a", zh="a", en="a", subject="any", rule=rule)
    for type_ in ("department", "hall", "window", "officer"):
        check_subject(party, f"510000/{type_}/1")
    for subject in ("510000/case/1", "510000"):
        with refused("bad-field"):
            check_subject(party, subject)
    check_subject(anything, "510000/case/1")
    with pytest.raises(LedgerError):
        check_subject(anything, "510000")


def test_all_fields_that_are_missing_are_told_at_once() -> None:
    fields = {
        name: Field(type=FieldType.UINT, zh="数", en="number", optional=name == "b")
        for name in ("a", "b", "c", "d")
    }
    kind = Kind(
        name="x.y", zh="试", en="try", subject="task", fields=fields, rule=lambda _: Judgement(())
    )
    with pytest.raises(MalformedError, match=r"^fields are missing: a, d$"):
        check_body(kind, {"c": 1})
