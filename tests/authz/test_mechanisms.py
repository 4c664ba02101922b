import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from authz.gaps import GAPS
from authz.kinds import KINDS
from authz.listing import WAITING
from authz.mechanisms import MECHANISMS, mechanism
from authz.mechanisms.mechanism import Mechanism
from authz.questions import QUESTIONS
from authz.reference import mechanisms_page
from authz.tables import LIVES, RECORD_KINDS
from ledger.kind import Kind
from ledger.schema import OR, PARTY_TYPES
from nodes.api.app import PUBLIC
from nodes.cli.main import parser
from nodes.core.sentences import SENTENCES
from seals.kinds import KINDS as SEAL_KINDS

ALL = {**KINDS, **SEAL_KINDS}
NAMES = {name for name, _ in ALL}
DOCUMENTS = {
    mechanism.TIBET,
    mechanism.SHANWEI,
    mechanism.GUIZHOU,
    mechanism.XINING,
    mechanism.ZAOZHUANG,
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


def test_every_mechanism_has_a_question_and_something_that_answers_it() -> None:
    assert list(QUESTIONS) == [row.number for row in MECHANISMS]
    for number, question in QUESTIONS.items():
        assert question.asked.endswith("?"), number
        assert question.asks, number
        assert len(set(question.asks)) == len(question.asks), number


PARSER = parser()
ASKS = sorted({ask for question in QUESTIONS.values() for ask in question.asks})
# Rows that other acts make, beside the objects that acts are about.
MADE = {"check", "item-version"}


@pytest.mark.parametrize("ask", ASKS)
def test_what_answers_a_question_is_a_command_or_an_address_that_there_is(ask: str) -> None:
    if ask.startswith("GET "):
        paths = {
            (route.method, route.path)  # type: ignore[attr-defined]
            for module in PUBLIC
            for route in module.routes
        }
        assert tuple(ask.split(" ")) in paths
        return
    given = PARSER.parse_args(shlex.split(ask))
    module, _, name = given.run.partition(":")
    assert callable(getattr(import_module(module), name))
    if ask.startswith("records "):
        subjects = {part for kind in ALL.values() for part in kind.subject.split(OR)}
        assert given.type in subjects | MADE | set(PARTY_TYPES)
        states = {state for life in LIVES for pair in life.steps.items() for state in (pair[1],)}
        assert given.state in states | {""}
    if ask.startswith("gaps "):
        assert given.what in GAPS


def test_every_code_that_tells_of_a_breach_has_its_sentence() -> None:
    for number, question in QUESTIONS.items():
        assert SENTENCES.keys() | {"unmade"} >= set(question.codes), number


def test_every_gap_answers_a_question() -> None:
    asked = {ask.split(" ")[1] for ask in ASKS if ask.startswith("gaps ")}
    assert asked == GAPS.keys()


def test_every_type_of_record_that_waits_for_an_answer_is_asked_for_by_some_question() -> None:
    listed = {ask.split(" ")[1] for ask in ASKS if ask.startswith("records ")}
    assert WAITING.keys() - listed <= {"milestone"}  # which has a command of its own


def test_the_page_in_the_documentation_is_the_one_the_tables_make() -> None:
    page = Path(__file__).parents[2] / "docs/mechanisms.md"
    assert page.read_text(encoding="utf-8") == mechanisms_page()
    for row in MECHANISMS:
        assert f"## {row.number}. {row.name}\n" in mechanisms_page()
