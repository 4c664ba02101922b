"""A county's list is read through its dirt, and each row that cannot be taken is told with why."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.codes import check_area, check_uscc, parse_item_code, uscc_check_digit
from authz.item_list import ItemList, clean, read_items, read_text
from ledger.errors import MalformedError

USCC = "11440232MB2D06811W"
HEAD = ["部门", "事项名称", "事项编码", "区划代码", "部门编码", "类型"]


def code_of(call: object, *given: str) -> str:
    with pytest.raises(MalformedError) as caught:
        call(*given)  # type: ignore[operator]
    return caught.value.code


def taken(*rows: list[object]) -> ItemList:
    return read_items([HEAD, *rows])


def test_a_uscc_is_checked_by_its_last_character() -> None:
    check_uscc(USCC)
    check_uscc("91110000600037341L")
    assert code_of(check_uscc, USCC[:17] + "X") == "bad-check-digit"
    assert code_of(check_uscc, USCC[:17] + "I") == "bad-code"
    assert code_of(check_uscc, USCC[:17]) == "bad-code"


@given(st.integers(0, 16), st.sampled_from("0123456789"))
def test_one_digit_changed_anywhere_in_a_uscc_is_found(at: int, digit: str) -> None:
    changed = USCC[:at] + digit + USCC[at + 1 : 17]
    assert (uscc_check_digit(changed) == USCC[17]) == (changed == USCC[:17])


def test_national_codes_are_taken_apart_and_local_ones_kept() -> None:
    assert parse_item_code("000131127004").form == "basic"
    assert parse_item_code("00013112700y").basic == "00013112700Y"
    assert parse_item_code("00013112700401").basic == "000131127004"
    full = parse_item_code(f"{USCC}4000117051000")
    assert (full.form, full.basic, full.uscc) == ("implementation", "000117051000", USCC)
    assert parse_item_code(f"{USCC}400011705100001").form == "implementation"
    sichuan = f"511A0138000000-511602000000-000-{USCC}-1-00"
    assert (parse_item_code(sichuan).form, parse_item_code(sichuan).code) == ("local", sichuan)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("00013112700", "bad-code"),
        ("0001311270040", "bad-code"),
        ("", "bad-code"),
        ("事项一", "bad-code"),
        ("a" * 65, "bad-code"),
        (f"{USCC[:17]}X4000117051000", "bad-check-digit"),
        (f"{USCC}4000117051000AB", "bad-code"),
    ],
)
def test_a_code_that_is_none_is_refused(text: str, code: str) -> None:
    assert code_of(parse_item_code, text) == code


def test_an_area_has_six_nine_or_twelve_digits() -> None:
    for area in ("370402", "370402001", "370402001002"):
        check_area(area)
    for area in ("37040", "3704020", "370402A01"):
        assert code_of(check_area, area) == "bad-code"


def test_a_dirty_list_is_read() -> None:
    found = read_items(
        [
            ["市中区政务服务事项清单", None],
            [],
            ["序号", "部门(单位)", " 事项 名称", "事项编码", "区划代码", "部门编码", "类型"],
            [
                1.0,
                "民政局",
                "婚姻　登记",
                "'０００１３１１２７００４",
                370402.0,
                USCC.lower(),
                "行政确认",
            ],
            [2.0, None, "补领结婚证\u200b", "000131127 005", None, "", None],
            ["序号", "部门", "事项名称", "事项编码", "区划代码", "部门编码", "类型"],
            [None, "", "  ", None],
            [3, "医保局", "备案", "000131127006"],
        ]
    )
    assert found.untaken == ()
    first, second, third = found.items
    assert (first.row, first.name, first.code.code) == (4, "婚姻 登记", "000131127004")
    assert (first.area, first.department_code, first.type) == ("370402", USCC, "行政确认")
    # A merged cell counts for the rows below it, until another department begins.
    assert (second.department, second.area, second.department_code) == ("民政局", "370402", USCC)
    assert second.name == "补领结婚证"
    assert (third.department, third.area, third.department_code) == ("医保局", "", "")


def test_each_row_that_cannot_be_taken_says_why_and_the_others_are_taken() -> None:
    found = taken(
        ["民政局", "一", "000131127004"],
        ["民政局", "一", "000131127004"],
        ["民政局", "", "000131127005"],
        ["民政局", "三", ""],
        ["民政局", "四", "12345"],
        ["医保局", "五", "000131127006", "3704"],
        ["民政局", "六", "000131127007", "", USCC[:17] + "X"],
        ["民政局", "七", "91110000600037341L4000117051000", "", USCC],
        ["民政局", "八" * 201, "000131127008"],
        ["民政局", "一", "000131127004", "370402"],
    )
    assert [(it.row, it.field, it.code) for it in found.untaken] == [
        (3, "code", "listed-twice"),
        (4, "name", "empty-cell"),
        (5, "code", "empty-cell"),
        (6, "code", "bad-code"),
        (7, "area", "bad-code"),
        (8, "department_code", "bad-check-digit"),
        (9, "department_code", "other-department"),
        (10, "name", "too-long"),
    ]
    assert [it.row for it in found.items] == [2, 11]


def test_a_first_row_without_a_department_is_told() -> None:
    [untaken] = taken(["", "一", "000131127004"]).untaken
    assert (untaken.row, untaken.field, untaken.code) == (2, "department", "empty-cell")


def test_a_list_without_a_header_is_refused() -> None:
    for rows in ([], [["a", "b"]], [[""]] * 10 + [HEAD]):
        assert code_of(read_items, rows) == "no-header"  # type: ignore[arg-type]


def test_text_is_read_as_offices_save_it() -> None:
    text = "部门,事项名称\n民政局,婚姻登记\n"
    for encoding in ("utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"):
        assert read_text(text.encode(encoding)) == text
    assert code_of(read_text, b"\x00\x01") == "bad-text"  # type: ignore[arg-type]
    assert code_of(read_text, b"\xff") == "bad-text"  # type: ignore[arg-type]


@given(st.lists(st.lists(st.one_of(st.none(), st.text(), st.floats(), st.integers()))))
def test_any_rows_are_taken_or_told(rows: list[list[object]]) -> None:
    found = taken(*rows)
    assert len(found.items) + len(found.untaken) <= len(rows)


@given(st.binary())
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    with suppress(MalformedError):
        assert "\0" not in read_text(data)


def test_a_cell_is_cleaned() -> None:
    assert clean(None) == ""
    assert clean(3.0) == "3"
    assert clean("\ufeff　Ａ１\n b ") == "A1 b"
