from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ledger import judge
from ledger.errors import ConflictError, RefusedError
from ledger.kind import (
    Acting,
    Change,
    Draft,
    Fact,
    Field,
    FieldType,
    Judgement,
    Kind,
    Need,
    ViewFact,
)
from ledger.statement import Act, Citation, sign_statement
from tests.authz.refusals import refused
from tests.vectors.own.network import SICHUAN, TIBET, TIME_S, key, roster

ROSTER = roster()
REGION, CASE, GRANT = "510000", "510000/case/1", "540000/grant/1"
OFFICER = "510000/officer/w3-01"
LEAF, OTHER_LEAF = b"\1" * 32, b"\2" * 32
SIGNER = Fact(SICHUAN, OFFICER, 3, LEAF, {"live": True})
OWN = Fact(SICHUAN, CASE, 7, LEAF, {})
LENT = Fact(TIBET, GRANT, 4, LEAF, {"live": True})
VIEW = ViewFact(8, OTHER_LEAF, TIBET, 6, bytes(32), TIME_S)
CITATIONS = (Citation("view", TIBET, 8, OTHER_LEAF), Citation("grant", TIBET, 4, LEAF))


def rule(acting: Acting) -> Judgement:
    return Judgement((Change(acting.statement.subject, {}),))


def needs(_draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    return (Need("grant", GRANT, origin="540000", cite=True), Need("window", "510000/window/w3"))


KIND = Kind(
    name="case.try",
    zh="试",
    en="try",
    subject="case",
    fields={"note": Field(type=FieldType.TEXT, zh="注", en="note")},
    rule=rule,
    needs=needs,
)


def acting(
    *,
    issuer: str = OFFICER,
    previous: bytes | None = LEAF,
    citations: tuple[Citation, ...] = CITATIONS,
    body: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Acting:
    act = Act("case.try", 1, previous, citations, body or {"note": "x"})
    fields: dict[str, Any] = {
        "statement": sign_statement(key(issuer), issuer, CASE, TIME_S, act),
        "origin": SICHUAN,
        "region": REGION,
        "index": 10,
        "roster": ROSTER,
        "own": OWN,
        "signer": SIGNER,
        "facts": {"grant": LENT, "window": None, "signer": SIGNER},
        "views": {TIBET: VIEW},
    }
    return Acting(**fields | changes)


def draft_of(made: Acting) -> Draft:
    return made.draft


def test_an_act_that_holds_in_every_way_is_judged_by_its_rule() -> None:
    assert judge.judge(KIND, acting()) == Judgement((Change(CASE, {}),))


def test_the_needs_handed_over_are_those_that_would_be_found() -> None:
    made = acting()
    found = judge.wants(KIND, draft_of(made), OWN, REGION, ROSTER)
    assert found == (
        Need("signer", OFFICER),
        Need("grant", GRANT, origin=TIBET, cite=True),
        Need("window", "510000/window/w3"),
    )
    assert judge.judge(KIND, made, found) == judge.judge(KIND, made)


def test_a_need_in_the_own_region_is_one_in_the_own_log() -> None:
    made = draft_of(acting())._replace(issuer="540000")
    found = judge.wants(KIND, made, None, "540000", ROSTER)
    assert found[0] == Need("grant", GRANT, cite=True)


def test_a_need_in_a_region_that_is_no_member_is_refused() -> None:
    strange = replace(KIND, needs=lambda _draft, _own: (Need("grant", GRANT, origin="990000"),))
    with refused("unknown-object"):
        judge.wants(strange, draft_of(acting()), OWN, REGION, ROSTER)


def test_a_body_or_subject_that_is_not_of_the_form_is_refused_before_anything_is_looked_up() -> (
    None
):
    good = draft_of(acting())
    for bad in (good._replace(body={}), good._replace(subject=GRANT)):
        with refused("bad-field"):
            judge.wants(KIND, bad, OWN, REGION, ROSTER)
    with refused("bad-field"):
        judge.judge(KIND, acting(body={"note": 1}))


def test_kinds_are_found_by_name_and_version() -> None:
    kinds = {("case.try", 1): KIND}
    assert judge.kind_of(kinds, "case.try", 1) is KIND
    with refused("unknown-version"):
        judge.kind_of(kinds, "case.try", 2)
    with refused("unknown-kind"):
        judge.kind_of(kinds, "case.other", 1)


# Who signs


def test_the_region_signs_only_kinds_that_let_it() -> None:
    made = acting(issuer=REGION, signer=None)
    with refused("not-entitled"):
        judge.judge(KIND, made)
    judge.judge(replace(KIND, by_region=True), made)


def test_an_officer_of_another_region_signs_nothing_here() -> None:
    with refused("not-entitled"):
        judge.judge(KIND, acting(issuer="540000/officer/a"))


@pytest.mark.parametrize(
    ("issuer", "signer"),
    [
        (OFFICER, None),
        (OFFICER, SIGNER._replace(state={"live": False})),
        ("510000/window/w3", SIGNER._replace(object="510000/window/w3")),
    ],
)
def test_who_is_no_live_officer_signs_nothing(issuer: str, signer: Fact | None) -> None:
    with refused("officer-not-live"):
        judge.judge(KIND, acting(issuer=issuer, signer=signer))


# Previous


@pytest.mark.parametrize(
    ("previous", "own"), [(None, OWN), (OTHER_LEAF, OWN), (LEAF, None), (b"\0" * 32, None)]
)
def test_previous_is_the_last_act_on_the_subject(previous: bytes | None, own: Fact | None) -> None:
    with pytest.raises(ConflictError) as caught:
        judge.judge(KIND, acting(previous=previous, own=own))
    assert (caught.value.code, caught.value.known_size) == ("wrong-previous", 10)
    judge.judge(KIND, acting(previous=None, own=None))


# Citations

VIEW_CITED, GRANT_CITED = CITATIONS


@pytest.mark.parametrize(
    "citations",
    [
        (VIEW_CITED,),
        (VIEW_CITED, GRANT_CITED, GRANT_CITED),
        (VIEW_CITED, GRANT_CITED._replace(index=3)),
        (VIEW_CITED, GRANT_CITED._replace(leaf=OTHER_LEAF)),
        (VIEW_CITED, GRANT_CITED._replace(role="offer")),
        (VIEW_CITED, GRANT_CITED._replace(origin=SICHUAN)),
        (VIEW_CITED._replace(index=10), GRANT_CITED),
        (*CITATIONS, Citation("corrects", SICHUAN, 10, LEAF)),
        (*CITATIONS, Citation("corrects", SICHUAN, 11, LEAF)),
        (*CITATIONS, Citation("corrects", TIBET, 6, LEAF)),
        (*CITATIONS, Citation("corrects", "southwest-five.example/500000", 0, LEAF)),
        (*CITATIONS, Citation("offer", SICHUAN, 9, LEAF)),
    ],
)
def test_a_citation_that_is_not_the_very_one_is_void(citations: tuple[Citation, ...]) -> None:
    with refused("void-citation"):
        judge.judge(KIND, acting(citations=citations))


def test_citations_below_the_act_and_within_views_hold() -> None:
    more = (Citation("corrects", SICHUAN, 9, LEAF), Citation("corrects", TIBET, 5, LEAF))
    judge.judge(KIND, acting(citations=CITATIONS + more))


def test_without_a_view_of_its_log_a_need_is_void() -> None:
    with refused("void-citation"):
        judge.judge(KIND, acting(views={}))
    facts = {"grant": None, "window": None}
    with refused("void-citation"):
        judge.judge(KIND, acting(views={}, citations=(), facts=facts))


def test_what_is_not_within_sight_is_not_cited_and_left_to_the_rule() -> None:
    facts = {"grant": None, "window": None}
    with refused("void-citation"):
        judge.judge(KIND, acting(facts=facts))
    seen: list[Acting] = []

    def refuse(made: Acting) -> Judgement:
        seen.append(made)
        raise RefusedError("no grant", code="no-grant")

    with refused("no-grant"):
        judge.judge(replace(KIND, rule=refuse), acting(facts=facts, citations=(VIEW_CITED,)))
    assert seen


def test_an_act_is_refused_where_the_signer_s_unit_is_stopped_unless_it_is_done_there_still() -> (
    None
):
    window = Fact(SICHUAN, "510000/window/w3", 2, LEAF, {"live": False})
    hall = Fact(SICHUAN, "510000/hall/centre", 1, LEAF, {"live": True})
    assert judge.judge(KIND, acting(seats=(hall,))).changes
    with refused("unit-stopped"):
        judge.judge(KIND, acting(seats=(hall, window)))
    assert judge.judge(replace(KIND, while_stopped=True), acting(seats=(hall, window))).changes


def test_the_units_of_an_officer_are_where_they_sit_and_what_that_is_part_of() -> None:
    rows = {name: Fact(SICHUAN, name, 1, LEAF, {}) for name in ("w", "h", "d")}
    sat = SIGNER._replace(state={"unit": "w", "hall": "h", "dept": "d", "key": "k"})
    assert judge.units_of(sat) == ("w", "h", "d")
    assert judge.seats_of(sat, rows.get) == tuple(rows.values())
    assert judge.seats_of(SIGNER._replace(state={"unit": "d", "dept": "d"}), rows.get) == (
        rows["d"],
    )
    assert judge.seats_of(None, rows.get) == ()
