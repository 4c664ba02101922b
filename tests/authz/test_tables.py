"""The tables of records as data: that each row can be kept, and that each life is all there is."""

import re

import pytest

from authz import finding, party
from authz.kinds import KINDS
from authz.records import NEW, About, Life, Side, Step, next_state
from authz.reference import reference, step_of
from authz.tables import LIVES, RECORD_KINDS
from authz.tables.sentences import SENTENCES
from ledger.errors import MalformedError
from ledger.kind import Field, FieldType, Kind
from ledger.schema import check_body
from nodes.core.sentences import SENTENCES as ALL_SENTENCES
from seals.finding import SENTENCES as SEAL_SENTENCES
from tests.authz.refusals import refused
from tests.authz.test_finding import ROOT, codes_in

STEPS = {kind.name: step for kind in RECORD_KINDS if (step := step_of(kind)) is not None}
IDENTITY = "11010519491231002X"
MOBILE = "13812345678"


def _good(field: Field) -> object:
    if field.choices:
        one = field.choices[0]
        return [one] if field.type is FieldType.CODES else one
    return {
        FieldType.TEXT: "办理",
        FieldType.CODE: "a1",
        FieldType.PARTY: "540000/department/hrss",
        FieldType.OBJECT: f"540000/{field.of or 'item'}/1",
        FieldType.HASH: bytes(32),
        FieldType.KEY: bytes(32),
        FieldType.UINT: 1,
        FieldType.BOOL: True,
        FieldType.SECONDS: 1,
        FieldType.CODES: ["a1"],
        FieldType.HASHES: [bytes(32)],
        FieldType.PARTIES: ["540000/department/hrss"],
    }[field.type]


@pytest.mark.parametrize("kind", RECORD_KINDS, ids=lambda kind: kind.name)
def test_no_field_of_a_record_takes_what_identifies_a_citizen(kind: Kind) -> None:
    body = {name: _good(field) for name, field in kind.fields.items()}
    check_body(kind, body)
    for name, field in kind.fields.items():
        if field.choices:
            continue
        for secret in (IDENTITY, MOBILE):
            if field.type is FieldType.TEXT:
                bad: object = f"申请人 {secret} 来电"
            elif field.type is FieldType.CODE:
                bad = secret
            elif field.type is FieldType.CODES:
                bad = [secret]
            elif field.type is FieldType.PARTY:
                bad = f"540000/officer/{secret}"
            elif field.type is FieldType.PARTIES:
                bad = [f"540000/officer/{secret}"]
            elif field.type is FieldType.OBJECT:
                bad = f"540000/{field.of}/{secret}"
            else:
                continue
            with pytest.raises(MalformedError) as caught:
                check_body(kind, body | {name: bad})
            assert caught.value.code == "personal-data"


@pytest.mark.parametrize("kind", RECORD_KINDS, ids=lambda kind: kind.name)
def test_an_object_field_says_of_which_type_it_is(kind: Kind) -> None:
    for field in kind.fields.values():
        assert field.type is not FieldType.OBJECT or field.of


@pytest.mark.parametrize("name", STEPS)
def test_a_step_speaks_of_fields_that_its_kind_has(name: str) -> None:
    step, fields = STEPS[name], KINDS[name, 1].fields
    known = {field for kind in RECORD_KINDS for field in kind.fields}
    assert fields.keys() >= {*step.keep, *step.once_per, *step.rests_on}
    assert fields.keys() >= {it for it in (step.branch, step.relay) if it}
    assert set(step.keep) <= known - {"to", "due", "case", "live", "st", "n", "by"}
    assert (step.about is About.NOTHING) or "case" in fields
    assert not step.competent or "item" in fields
    assert step.versioned == ("version" in fields)
    assert step.roles
    assert set(step.roles) <= set(party.ROLES)
    assert step.life.subject == KINDS[name, 1].subject
    for field in step.rests_on:
        assert fields[field].type is FieldType.OBJECT
        assert re.fullmatch(r"[a-z][a-z0-9-]*", field), "its name is the role of a citation"
    if step.branch:
        told = {event for _, event in step.life.steps if event.split(":")[0] == name}
        assert told == {f"{name}:{value}" for value in fields[step.branch].choices}
    if "to" in fields and not step.opens:
        assert step.relay
    if step.check is not None:
        assert (step.check.__doc__ or "").startswith("Check that ")


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.subject)
def test_a_life_begins_is_all_reachable_and_each_of_its_steps_is_a_kind(life: Life) -> None:
    reached = {NEW}
    for _ in life.steps:
        reached |= {after for (state, _), after in life.steps.items() if state in reached}
    assert {state for state, _ in life.steps} <= reached
    assert life.ended <= reached
    events = {event.split(":")[0] for _, event in life.steps}
    steps = {name: step for name, step in STEPS.items() if step.life is life}
    assert events == steps.keys()
    opening = [name for name, step in steps.items() if step.opens]
    assert opening
    if any(step.side is Side.ADDRESSEE for step in steps.values()):
        assert all("to" in KINDS[name, 1].fields for name in opening)
        assert all(not KINDS[name, 1].fields["to"].optional for name in opening)
    if any(step.timed or step.side is Side.ADDRESSEE for step in steps.values()):
        assert all("due" in KINDS[name, 1].fields for name in opening)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.subject)
def test_what_is_not_in_the_table_of_a_life_is_refused(life: Life) -> None:
    events = {event for _, event in life.steps}
    states = {NEW, *life.steps.values()}
    for state in states:
        for event in events:
            after = life.steps.get((state, event))
            if after is not None:
                assert next_state(life, state, event) == after
                continue
            with refused("exists" if (NEW, event) in life.steps else "wrong-state"):
                next_state(life, state, event)


def test_two_lives_never_share_a_type_of_object() -> None:
    subjects = [life.subject for life in LIVES]
    assert len(set(subjects)) == len(subjects)


def test_every_record_kind_stands_in_the_one_table() -> None:
    assert len({kind.name for kind in RECORD_KINDS}) == len(RECORD_KINDS)
    assert all(KINDS[kind.name, kind.version] is kind for kind in RECORD_KINDS)
    own = {kind.name for kind in RECORD_KINDS} - STEPS.keys()
    assert own == {"training.attest", "training.lapse"}


def test_every_code_that_a_record_raises_has_its_sentence_and_none_has_two() -> None:
    paths = [*(ROOT / "authz/tables").glob("*.py"), ROOT / "authz/records.py"]
    raised = {code for path in paths for code in codes_in(path)}
    raised |= {life.absent for life in LIVES}
    assert raised <= SENTENCES.keys() | finding.SENTENCES.keys()
    assert SENTENCES.keys() <= raised
    assert not SENTENCES.keys() & (finding.SENTENCES.keys() | SEAL_SENTENCES.keys())
    joined = {**finding.SENTENCES, **SENTENCES, **SEAL_SENTENCES}
    assert joined == ALL_SENTENCES


@pytest.mark.parametrize(("code", "pair"), sorted(SENTENCES.items()), ids=lambda it: it)
def test_a_sentence_is_chinese_and_english_and_ends(code: str, pair: tuple[str, str]) -> None:
    chinese, english = pair
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert chinese.endswith("。")
    assert english.isascii()
    assert english.endswith(".")


def test_the_page_says_who_signs_what_is_cited_and_what_may_follow() -> None:
    page = reference(KINDS)
    assert "Signed by the region." in page
    assert "Signed by an officer (decide or manage or receive) or the region, to whom it is" in page
    assert "Cites: method." in page
    assert "Rule: only what is published as tolerable is let follow later, and counted." in page
    for life in LIVES:
        for (state, event), after in life.steps.items():
            assert f"| {life.subject} | {state} | `{event}` | {after} |" in page


def test_a_step_is_opening_where_its_life_begins_with_it() -> None:
    life = Life(subject="thing", steps={(NEW, "thing.make:a"): "made", ("made", "thing.end"): "x"})
    assert Step(life=life, event="thing.make", branch="how").opens
    assert not Step(life=life, event="thing.end").opens
