"""An identity number does not get onto the ledger by a prefix and a separator."""

import pytest

from ledger.errors import MalformedError
from ledger.kind import Acting, Field, FieldType, Judgement, Kind
from ledger.schema import check_body, check_subject

IDENTITY = "11010519491231002X"


def rule(_acting: Acting) -> Judgement:
    return Judgement(())


KIND = Kind(
    name="x.y",
    zh="x",
    en="x",
    subject="case",
    rule=rule,
    fields={
        "code": Field(type=FieldType.CODE, zh="x", en="x"),
        "party": Field(type=FieldType.PARTY, zh="x", en="x"),
    },
)
PARTY = "510000/officer/w3-01"


@pytest.mark.parametrize("text", [f"sfz-{IDENTITY}", f"{IDENTITY}.1", f"a/b:{IDENTITY}"])
def test_between_separators_it_is_a_whole_token(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_body(KIND, {"code": text, "party": PARTY})
    assert caught.value.code == "personal-data"


def test_in_names_too() -> None:
    for name in (f"510000/officer/p-{IDENTITY}", f"510000/officer/{IDENTITY}.2"):
        with pytest.raises(MalformedError) as caught:
            check_body(KIND, {"code": "a", "party": name})
        assert caught.value.code == "personal-data"
    with pytest.raises(MalformedError) as caught:
        check_subject(KIND, f"510000/case/2026-{IDENTITY}")
    assert caught.value.code == "personal-data"


@pytest.mark.parametrize("code", ["2026-13912345678", "11510000MB1234567X-000123", "0" * 31])
def test_numbers_that_only_hold_such_digits_are_legal(code: str) -> None:
    check_body(KIND, {"code": code, "party": PARTY})
