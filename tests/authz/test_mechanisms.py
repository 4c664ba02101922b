import re

import pytest

from authz import mechanisms
from authz.kinds import KINDS
from authz.mechanisms import MECHANISMS, Mechanism
from authz.reference import reference as page_of
from authz.tables import RECORD_KINDS
from ledger.kind import Kind
from seals.kinds import KINDS as SEAL_KINDS

ALL = {**KINDS, **SEAL_KINDS}
NAMES = {name for name, _ in ALL}
DOCUMENTS = {
    mechanisms.TIBET,
    mechanisms.SHANWEI,
    mechanisms.GUIZHOU,
    mechanisms.XINING,
    mechanisms.ZAOZHUANG,
}


def test_all_eighty_mechanisms_are_there_in_their_order() -> None:
    assert [it.number for it in MECHANISMS] == list(range(1, 81))


@pytest.mark.parametrize("row", MECHANISMS, ids=lambda row: str(row.number))
def test_a_mechanism_is_recorded_by_acts_that_exist_and_says_who_asks_for_it(
    row: Mechanism,
) -> None:
    assert row.kinds
    assert NAMES.issuperset(row.kinds)
    assert len(set(row.kinds)) == len(row.kinds)
    assert row.phrases
    for document, phrase in row.phrases:
        assert document in DOCUMENTS
        assert re.search(r"[\u4e00-\u9fff]", phrase)


def test_every_kind_serves_a_mechanism() -> None:
    assert {name for row in MECHANISMS for name in row.kinds} == NAMES


def test_every_document_asks_for_something() -> None:
    assert {document for row in MECHANISMS for document, _ in row.phrases} == DOCUMENTS


@pytest.mark.parametrize("kind", RECORD_KINDS, ids=lambda kind: kind.name)
def test_a_kind_and_its_mechanisms_name_each_other(kind: Kind) -> None:
    told = {int(number) for number in re.findall(r"(?:^|, )(\d+) ", kind.source)}
    assert told <= {row.number for row in MECHANISMS if kind.name in row.kinds}
    assert told


def test_the_page_shows_every_mechanism() -> None:
    page = page_of(ALL)
    for row in MECHANISMS:
        assert f"| {row.number} | {row.name} | " in page
