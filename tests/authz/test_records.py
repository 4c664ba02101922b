"""Records in the three regions: the generic rule, and what the domain asks of single steps."""

from collections.abc import Mapping
from typing import Any

import pytest

from ledger.kind import Flag, Judgement
from tests.authz.refusals import refused
from tests.authz.test_case_bundle import bundle_of, judged
from tests.authz.world import (
    CASE,
    CHIEF,
    CHONGQING,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    DECIDE_BODY,
    DECIDER,
    GRANT,
    HALL,
    HEAD,
    HEAD_SC,
    HEALTH,
    HRSS,
    HRSS_SC,
    ITEM,
    ITEM_BODY,
    OUTSIDER,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    WINDOW_2,
    WINDOW_CQ,
    World,
)

ENROLLED = World().enrol()
LENT = ENROLLED.copy().lend()
OPENED = LENT.copy().open()
HASH, OTHER = bytes(32), bytes([1]) * 32
WHY = {"reason": "调整"}
EVIDENCE = {"evidence": HASH}
DUE_S = OPENED.now_s + 1_000

NOTICE = "540000/supervision/1"
NOTICE_BODY = {"to": WINDOW, "matter": "逾期未推送", "due": DUE_S}
REPLY = {"reply": "已推送", **EVIDENCE}


def state_of(world: World, region: str, name: str) -> Mapping[str, Any]:
    return world.state(region, name)


def deciding() -> World:
    """The case is in Tibet, where it can be decided."""
    world = OPENED.copy()
    world.hand_over(CLERK, HRSS, HEAD)
    return world


# ---- the generic rule ----------------------------------------------------------------------


def test_a_record_goes_to_and_fro_between_two_logs() -> None:
    world = OPENED.copy()
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    assert "st" in state_of(world, SICHUAN, NOTICE)
    assert state_of(world, SICHUAN, NOTICE)["st"] == "replied"
    assert state_of(world, TIBET, NOTICE)["st"] == "noticed"
    world.do("supervision.return", HEAD, NOTICE, {**WHY, "due": DUE_S + 5})
    with refused("wrong-state"):
        world.do("supervision.close", HEAD, NOTICE, EVIDENCE)
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    world.do("supervision.close", HEAD, NOTICE, EVIDENCE)
    row = state_of(world, TIBET, NOTICE)
    assert row == {
        "live": False,
        "st": "closed",
        "n": 5,
        "by": HRSS,
        "to": WINDOW,
        "due": DUE_S + 5,
    }
    for kind, who, body in (
        ("supervision.reply", CLERK, REPLY),
        ("supervision.close", HEAD, EVIDENCE),
    ):
        with refused("wrong-state"):
            world.do(kind, who, NOTICE, body)


def test_a_step_rests_on_the_newest_row_of_the_other_side_and_cites_it() -> None:
    world = OPENED.copy()
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    made = world.logs[SICHUAN].statements[-1]
    assert [it.role for it in made.act.citations] == ["view", "there"]
    with refused("void-citation"):
        world.do(
            "supervision.close",
            HEAD,
            NOTICE,
            EVIDENCE,
            change=lambda act: type(act)(act.kind, act.version, act.previous, (), act.body),
        )


def test_only_the_addressee_answers_and_only_the_opener_goes_on() -> None:
    world = OPENED.copy()
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
    for other in (CLERK_2, CLERK_CQ, OUTSIDER):
        with refused("not-addressee"):
            world.do("supervision.reply", other, NOTICE, REPLY)
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    with refused("not-entitled"):
        world.do("supervision.close", OUTSIDER, NOTICE, EVIDENCE)
    with refused("not-entitled"):
        world.do("supervision.close", CHIEF, NOTICE, EVIDENCE)


def test_a_region_speaks_for_its_own_side_and_for_no_other() -> None:
    world = OPENED.copy()
    world.do("supervision.notice", TIBET, NOTICE, NOTICE_BODY)
    assert state_of(world, TIBET, NOTICE)["by"] == TIBET
    with refused("not-addressee"):
        world.do("supervision.reply", CHONGQING, NOTICE, REPLY)
    world.do("supervision.reply", SICHUAN, NOTICE, REPLY)
    with refused("not-entitled"):
        world.do("supervision.close", SICHUAN, NOTICE, EVIDENCE)
    world.do("supervision.close", HEAD, NOTICE, EVIDENCE)


def test_either_side_may_where_the_table_says_so_and_nobody_else() -> None:
    world = OPENED.copy()
    name = "540000/credit-event/1"
    body = {"class": "breach", "digest": HASH, "to": SICHUAN, "due": DUE_S}
    world.do("credit.push", HEAD, name, body)
    world.do("credit.receipt", CHIEF, name, {"digest": HASH})
    with refused("not-entitled"):
        world.do("credit.repair", CLERK_CQ, name, {**WHY, **EVIDENCE})
    world.do("credit.repair", CHIEF, name, {**WHY, **EVIDENCE})
    assert state_of(world, SICHUAN, name)["st"] == "repaired"


def test_roles_units_and_the_region_alone() -> None:
    world = OPENED.copy()
    with refused("not-entitled"):
        world.do("supervision.notice", CLERK, "510000/supervision/1", NOTICE_BODY)
    hours = {
        "version": 1,
        "windows": [WINDOW],
        "days": ["mon"],
        "opens": "09:00",
        "closes": "17:00",
    }
    with refused("not-entitled"):
        world.do("hours.publish", HEAD_SC, "510000/hours/centre", hours)
    world.do("hours.publish", CHIEF, "510000/hours/centre", hours)
    claim = {"code": "000500000001", "list": "省内通办清单"}
    with refused("not-entitled"):
        world.do("claim.make", CHIEF, "510000/claim/1", claim)
    world.do("claim.make", HEAD_SC, "510000/claim/1", claim)
    login = {"case": CASE, "level": "high", "provider": "nat", "assertion": HASH}
    with refused("not-entitled"):
        world.do("login.record", CHIEF, "510000/login/1", login)
    world.do("login.record", SICHUAN, "510000/login/1", login)


def test_a_record_is_numbered_by_the_region_that_opens_it_and_once() -> None:
    world = OPENED.copy()
    with refused("not-competent"):
        world.do("supervision.notice", HEAD, "510000/supervision/1", NOTICE_BODY)
    with refused("unknown-object"):
        world.do("supervision.close", HEAD, NOTICE, EVIDENCE)
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
    with refused("exists"):
        world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)


def test_nothing_is_addressed_to_a_region_that_is_no_member() -> None:
    world = OPENED.copy()
    with refused("unknown-object"):
        world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY | {"to": "990000"})


def test_what_comes_late_counts_and_is_marked() -> None:
    for wait_s, flags in ((0, ()), (7, ("late",))):
        world = OPENED.copy()
        world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY)
        world.now_s = DUE_S + wait_s
        judged = world.do("supervision.reply", CLERK, NOTICE, REPLY)
        assert tuple(flag.code for flag in judged.flags) == flags
    assert judged.flags == (Flag("late", "supervision.reply came 7 s after it was due"),)


def test_the_opener_is_late_only_where_the_time_is_its_own() -> None:
    world = OPENED.copy()
    name = "540000/milestone/windows"
    world.do(
        "milestone.set",
        HEAD,
        name,
        {"matter": "设窗", "target": 148, "due": DUE_S, "document": "藏政办发〔2021〕21号"},
    )
    world.now_s = DUE_S + 1
    report = {"count": 147, **EVIDENCE}
    assert world.do("milestone.report", HEAD, name, report).flags == ()
    with refused("target-not-met"):
        world.do("milestone.reach", HEAD, name, report)
    done = world.do("milestone.reach", HEAD, name, {"count": 148, **EVIDENCE})
    assert [flag.code for flag in done.flags] == ["late"]


def test_versions_follow_one_another() -> None:
    world = OPENED.copy()
    name = "510000/process/agency"
    body = {"title": "代收代办规程", "digest": HASH}
    for version, code in ((2, "wrong-state"), (0, "wrong-state")):
        with refused(code):
            world.do("process.publish", CHIEF, name, {"version": version, **body})
    world.do("process.publish", CHIEF, name, {"version": 1, **body})
    with refused("wrong-state"):
        world.do("process.publish", CHIEF, name, {"version": 1, **body})
    world.do("process.publish", CHIEF, name, {"version": 2, **body})
    world.do("process.withdraw", CHIEF, name, WHY)
    with refused("exists"):  # what was withdrawn comes again under a number of its own
        world.do("process.publish", CHIEF, name, {"version": 4, **body})


def test_what_a_record_rests_on_is_there_and_has_not_ended() -> None:
    world = OPENED.copy()
    method, bulletin = "510000/assessment-method/m", "510000/bulletin/2026-11"
    body = {"period": "2026-11", "digest": HASH, "method": method, "method_version": 1}
    with refused("unknown-object"):
        world.do("bulletin.publish", CHIEF, bulletin, body)
    world.do("method.publish", CHIEF, method, {"version": 1, "title": "月报", "digest": HASH})
    ended = world.copy()
    world.do("bulletin.publish", CHIEF, bulletin, body)
    assert world.logs[SICHUAN].statements[-1].act.citations[-1].role == "method"
    ended.do("method.withdraw", CHIEF, method, WHY)
    with refused("ground-not-live"):
        ended.do("bulletin.publish", CHIEF, bulletin, body)


def test_a_record_about_a_case_is_its_holder_s_and_the_case_s_trace_finds_it() -> None:
    world = OPENED.copy()
    body = {"case": CASE, "checklist": HASH, "result": "complete", "grant": GRANT}
    with refused("unknown-object"):
        world.do("review.form", CLERK, "510000/form-review/1", body | {"case": "510000/case/none"})
    with refused("not-holder"):
        world.do("review.form", CLERK_2, "510000/form-review/1", body)
    judged = world.do("review.form", CLERK, "510000/form-review/1", body)
    assert judged.mentions == (CASE,)
    world.hand_over(CLERK, HRSS, HEAD)
    with refused("not-holder"):
        world.do("review.form", CLERK, "510000/form-review/2", body)
    with refused("not-holder"):  # the case has arrived, but nobody there has acted on it yet
        world.do("review.form", HEAD, "540000/form-review/1", body)
    world.do("case.note", HEAD, CASE, {"remark": "已收到"})
    world.do("review.form", HEAD, "540000/form-review/1", body)


def test_what_may_happen_once_for_a_case_happens_once() -> None:
    world = OPENED.copy()
    body = {"case": CASE, "channel": "counter", "consent": HASH}
    world.do("channel.choose", CLERK, "510000/channel/1", body)
    with refused("exists"):
        world.do("channel.choose", CLERK, "510000/channel/2", body | {"channel": "online"})


def test_an_item_s_lists_are_its_department_s() -> None:
    world = LENT.copy()
    name = "540000/procedure-list/000500000001"
    body = {"version": 1, "item": ITEM, "procedures": ["hearing"], "basis": "听证"}
    with refused("not-competent"):
        world.do("procedures.publish", OUTSIDER, name, body)
    with refused("unknown-object"):
        world.do(
            "procedures.publish",
            HEAD_SC,
            "510000/procedure-list/000500000001",
            body,
        )
    with refused("bad-field"):
        world.do("procedures.publish", HEAD, "540000/procedure-list/other", body)
    world.do("procedures.publish", HEAD, name, body)


# ---- 26 容缺受理 -------------------------------------------------------------------------------

TOLERANCE = "510000/tolerance/1"
TOLERANCE_BODY = {
    "case": CASE,
    "item": ITEM,
    "item_version": 1,
    "missing": ["proof"],
    "consent": HASH,
    "due": DUE_S,
    "grant": GRANT,
}
SETTLE = {"received": ["proof"], "materials": [HASH]}


def test_only_what_is_published_as_tolerable_may_follow() -> None:
    for change, code in (
        ({"missing": ["form"]}, "not-tolerable"),
        ({"missing": ["proof", "zzz"]}, "not-tolerable"),
        ({"missing": []}, "bad-field"),
        ({"item_version": 2}, "item-not-live"),
        ({"item": "540000/item/other"}, "item-not-live"),
    ):
        with refused(code):
            OPENED.copy().do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY | change)
    OPENED.copy().do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)


def test_a_view_from_before_the_version_says_nothing_of_what_is_tolerable() -> None:
    world = LENT.copy()
    early = world.view(SICHUAN, TIBET)
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 2})
    world.open(item_version=2)
    world.viewed[SICHUAN, TIBET] = early
    body = TOLERANCE_BODY | {"item_version": 2}
    with refused("unknown-object"):
        world.copy().do("tolerance.accept", CLERK, TOLERANCE, body, stale=True)
    world.do("tolerance.accept", CLERK, TOLERANCE, body)


def test_an_excluded_class_is_never_taken_in_incomplete() -> None:
    world = OPENED.copy()
    name = "540000/exclusion/000500000001"
    world.do("exclusion.publish", HEAD, name, {"item": ITEM, "class": "public-safety"})
    with refused("excluded-class"):
        world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    world.do("exclusion.end", HEAD, name, WHY)
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)


def test_a_case_that_is_decided_takes_nothing_in_any_more() -> None:
    world = deciding()
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    with refused("wrong-state"):
        world.do("tolerance.accept", HEAD, "540000/tolerance/1", TOLERANCE_BODY)


def test_all_that_was_missing_comes_and_late_is_marked() -> None:
    world = OPENED.copy()
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    with refused("unsettled"):
        world.do("tolerance.settle", CLERK, TOLERANCE, SETTLE | {"received": ["form"]})
    with refused("wrong-state"):
        world.do("tolerance.lapse", CLERK, TOLERANCE, WHY)
    world.now_s = DUE_S + 1
    late = world.copy()
    assert [it.code for it in world.do("tolerance.settle", CLERK, TOLERANCE, SETTLE).flags] == [
        "late"
    ]
    late.do("tolerance.lapse", CLERK, TOLERANCE, WHY)


# ---- 28 procedures -------------------------------------------------------------------------


def test_the_clock_stops_only_for_a_procedure_on_the_list() -> None:
    world = deciding()
    world.do("case.note", HEAD, CASE, {"remark": "已收到"})
    name = "540000/procedure/1"
    body = {
        "case": CASE,
        "item": ITEM,
        "item_version": 1,
        "procedure": "hearing",
        "notice": HASH,
    }
    with refused("procedure-not-listed"):
        world.do("procedure.start", HEAD, name, body)
    world.do(
        "procedures.publish",
        HEAD,
        "540000/procedure-list/000500000001",
        {"version": 1, "item": ITEM, "procedures": ["hearing"], "basis": "听证"},
    )
    with refused("procedure-not-listed"):
        world.do("procedure.start", HEAD, name, body | {"procedure": "coffee"})
    with refused("item-not-live"):
        world.do("procedure.start", HEAD, name, body | {"item_version": 2})
    world.do("procedure.start", HEAD, name, body)
    world.do("procedure.end", HEAD, name, {"result": HASH})
    with refused("wrong-state"):
        world.do("procedure.end", HEAD, name, {"result": HASH})


# ---- 33 printing ---------------------------------------------------------------------------

PRINT = "510000/print/1"
PRINT_BODY = {
    "case": CASE,
    "decided_in": TIBET,
    "certificate": HASH,
    "blank": "B-0001",
    "grant": GRANT,
}


def back(result: str = "granted", world: World | None = None) -> World:
    """Decided in Tibet, and handed back to the window."""
    made = world or OPENED.copy()
    made.hand_over(CLERK, HRSS, HEAD)
    made.do("case.decide", DECIDER, CASE, DECIDE_BODY | {"result": result})
    made.hand_over(HEAD, WINDOW, CLERK)
    return made


def test_a_certificate_is_printed_once_it_is_granted_under_the_right_to_deliver() -> None:
    judged: Judgement = back().do("print.record", CLERK, PRINT, PRINT_BODY)
    assert [use.need for use in judged.uses] == ["grant"]
    assert judged.uses[0].staleness_s == 600
    with refused("not-decided"):
        OPENED.copy().do("print.record", CLERK, PRINT, PRINT_BODY)
    with refused("not-decided"):
        back("refused").do("print.record", CLERK, PRINT, PRINT_BODY)
    with refused("not-decided"):
        back().do("print.record", CLERK, PRINT, PRINT_BODY | {"decided_in": CHONGQING})
    without = {name: it for name, it in PRINT_BODY.items() if name != "grant"}
    with refused("no-grant"):
        back().do("print.record", CLERK, PRINT, without)
    revoked = back()
    revoked.do("grant.revoke", HEAD, GRANT, WHY)
    with refused("grant-not-live"):
        revoked.do("print.record", CLERK, PRINT, PRINT_BODY)


def test_who_prints_has_the_training_that_the_grant_asks_for() -> None:
    world = ENROLLED.copy().lend(training="printing")
    world.do("training.attest", SICHUAN, CLERK, {"course": "printing", **EVIDENCE})
    world = back(world=world.open())
    world.copy().do("print.record", CLERK, PRINT, PRINT_BODY)
    world.do("training.lapse", SICHUAN, CLERK, {"course": "printing", **WHY})
    with refused("not-entitled"):
        world.do("print.record", CLERK, PRINT, PRINT_BODY)


def test_who_is_responsible_is_in_service() -> None:
    body = {"version": 1, "officer": CLERK, "matter": "通办窗口", "valid_from": 1}
    with refused("officer-not-live"):
        absent = body | {"officer": "510000/officer/none"}
        OPENED.copy().do("responsible.assign", CHIEF, "510000/responsible/w3", absent)
    OPENED.copy().do("responsible.assign", CHIEF, "510000/responsible/w3", body)


def test_a_certificate_is_printed_where_the_case_is() -> None:
    with refused("not-holder"):
        back().do("print.record", CLERK_2, PRINT, PRINT_BODY)
    arrived = back()
    arrived.do("case.note", CLERK, CASE, {"remark": "已收到"})
    with refused("not-holder"):
        arrived.do("print.record", CLERK_2, PRINT, PRINT_BODY)
    arrived.do("print.record", CLERK, PRINT, PRINT_BODY)
    decided = OPENED.copy()
    decided.hand_over(CLERK, HRSS, HEAD)
    decided.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    with refused("not-holder"):  # decided, but not yet handed back
        decided.do("print.record", CLERK, PRINT, PRINT_BODY)
    decided.do("print.record", HEAD, "540000/print/1", PRINT_BODY)


def test_one_blank_is_printed_on_once() -> None:
    world = back()
    world.do("print.record", CLERK, PRINT, PRINT_BODY)
    world.do("print.void", CLERK, PRINT, WHY)
    with refused("exists"):
        world.do("print.record", CLERK, "510000/print/2", PRINT_BODY)
    world.do("print.record", CLERK, "510000/print/2", PRINT_BODY | {"blank": "B-0002"})


def test_no_result_is_printed_while_a_paper_is_still_to_follow() -> None:
    world = OPENED.copy()
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    back(world=world)
    with refused("unsettled"):
        world.do("print.record", CLERK, PRINT, PRINT_BODY)
    world.do("tolerance.settle", CLERK, TOLERANCE, SETTLE)
    world.do("print.record", CLERK, PRINT, PRINT_BODY)


# ---- 45 changes of items, 50 agreements ----------------------------------------------------

PROPOSAL = "510000/proposal/1"


def test_a_change_is_published_only_once_the_province_has_confirmed_it() -> None:
    # The world has provinces only; Sichuan stands for its own county, city and province.
    world = ENROLLED.copy()
    submit = {
        "code": "000500000001",
        "change": "alter",
        "digest": HASH,
        **WHY,
        "to": HALL,
        "due": DUE_S,
    }
    passed = {"before": SICHUAN, "verdict": "passed"}
    publish = {"before": SICHUAN, "digest": HASH}
    world.do("proposal.submit", HEAD_SC, PROPOSAL, submit)
    with refused("wrong-state"):
        world.do("proposal.publish", HEAD_SC, PROPOSAL, publish)
    with refused("wrong-state"):
        world.do("proposal.confirm", CHIEF, PROPOSAL, passed)
    with refused("bad-field"):
        world.do("proposal.review", CHIEF, PROPOSAL, passed)
    with refused("bad-field"):
        world.do(
            "proposal.review",
            CHIEF,
            PROPOSAL,
            {"before": SICHUAN, "verdict": "returned", "to": HALL},
        )
    world.do("proposal.review", CHIEF, PROPOSAL, {**passed, "to": SICHUAN})
    with refused("wrong-state"):
        world.do("proposal.publish", HEAD_SC, PROPOSAL, publish)
    world.do("proposal.confirm", SICHUAN, PROPOSAL, passed)
    with refused("wrong-document"):
        world.do("proposal.publish", HEAD_SC, PROPOSAL, publish | {"digest": OTHER})
    world.do("proposal.publish", HEAD_SC, PROPOSAL, publish)
    assert state_of(world, SICHUAN, PROPOSAL)["st"] == "published"


def test_a_change_goes_through_three_logs_and_the_last_word_is_the_province_s() -> None:
    world = ENROLLED.copy()
    submit = {
        "code": "000500000001",
        "change": "add",
        "digest": HASH,
        **WHY,
        "to": TIBET,
        "due": DUE_S,
    }
    world.do("proposal.submit", HEAD_SC, PROPOSAL, submit)
    passed = {"before": SICHUAN, "verdict": "passed"}
    with refused("not-addressee"):
        world.do("proposal.review", CHONGQING, PROPOSAL, passed | {"to": CHONGQING})
    world.do("proposal.review", TIBET, PROPOSAL, passed | {"to": CHONGQING})
    with refused("not-addressee"):  # it looks into the wrong log for the step before
        world.do("proposal.confirm", CHONGQING, PROPOSAL, passed)
    with refused("not-competent"):
        world.do("proposal.confirm", CHONGQING, PROPOSAL, passed | {"before": TIBET})


AGREEMENT = "510000/agreement/1"
AGREEMENT_BODY = {
    "to": TIBET,
    "title": "川藏通办协议",
    "here": ["intake"],
    "there": ["decide"],
    "valid_from": 1,
    "valid_until": UNTIL_S,
    "digest": HASH,
    "due": DUE_S,
}


def test_an_agreement_is_one_text_that_both_sides_sign() -> None:
    world = ENROLLED.copy()
    with refused("wrong-state"):
        world.do("agreement.propose", CHIEF, AGREEMENT, AGREEMENT_BODY | {"to": HRSS_SC})
    with refused("bad-field"):
        world.do("agreement.propose", CHIEF, AGREEMENT, AGREEMENT_BODY | {"valid_until": 1})
    world.do("agreement.propose", CHIEF, AGREEMENT, AGREEMENT_BODY)
    with refused("not-addressee"):
        world.do("agreement.sign", CHIEF, AGREEMENT, {"digest": HASH})
    with refused("wrong-document"):
        world.do("agreement.sign", HEAD, AGREEMENT, {"digest": OTHER})
    with refused("wrong-state"):
        world.do("agreement.end", CHIEF, AGREEMENT, WHY)
    world.do("agreement.sign", HEAD, AGREEMENT, {"digest": HASH})
    with refused("not-entitled"):
        world.do("agreement.end", CLERK_CQ, AGREEMENT, WHY)
    world.do("agreement.end", HEAD_SC, AGREEMENT, WHY)
    assert not state_of(world, SICHUAN, AGREEMENT)["live"]


def test_a_seal_that_an_agreement_names_was_put_to_this_text() -> None:
    world = ENROLLED.copy()
    world.do(
        "seal.issue",
        SICHUAN,
        "510000/seal/hrss-01",
        {
            "name": "专用章",
            "owner": HRSS_SC,
            "keepers": [HEAD_SC],
            "approval": False,
            "certificate": HASH,
            "valid_from": 1,
            "valid_until": UNTIL_S,
        },
    )
    use = {"seal": "510000/seal/hrss-01", "document": HASH, "case": CASE, "purpose": "签约"}
    world.do("seal.use", HEAD_SC, "510000/seal-use/1", use)
    sealed = AGREEMENT_BODY | {"seal_use": "510000/seal-use/1"}
    with refused("wrong-document"):
        world.do("agreement.propose", HEAD_SC, AGREEMENT, sealed | {"digest": OTHER})
    with refused("unknown-object"):
        world.do(
            "agreement.propose", HEAD_SC, AGREEMENT, sealed | {"seal_use": "510000/seal-use/2"}
        )
    world.do("agreement.propose", HEAD_SC, AGREEMENT, sealed)
    with refused("unknown-object"):
        signed = {"digest": HASH, "seal_use": "510000/seal-use/2"}
        world.do("agreement.sign", HEAD, AGREEMENT, signed)


# ---- 64 好差评 --------------------------------------------------------------------------------

RATING = "510000/evaluation/1"
RATE = {"case": CASE, "grade": "dissatisfied", "token": HASH, "to": WINDOW, "due": DUE_S}
RECTIFY = {"cause": "attitude", "reply": "已整改", **EVIDENCE}


def test_a_case_is_evaluated_once_and_by_no_officer() -> None:
    world = OPENED.copy()
    with refused("not-entitled"):
        world.do("evaluation.rate", CHIEF, RATING, RATE)
    with refused("bad-field"):
        world.do("evaluation.rate", SICHUAN, RATING, RATE | {"grade": "five"})
    world.do("evaluation.rate", SICHUAN, RATING, RATE)
    with refused("exists"):
        world.do("evaluation.rate", SICHUAN, "510000/evaluation/2", RATE | {"grade": "fair"})
    world.do("evaluation.rate", SICHUAN, "510000/evaluation/2", RATE | {"visit": "2"})
    moved = deciding()
    with refused("not-competent"):
        moved.do("evaluation.rate", TIBET, "540000/evaluation/1", RATE)


@pytest.mark.parametrize("grade", ["fair", "satisfied", "very-satisfied"])
def test_a_good_rating_needs_no_reply(grade: str) -> None:
    world = OPENED.copy()
    world.do("evaluation.rate", SICHUAN, RATING, RATE | {"grade": grade})
    with refused("wrong-state"):
        world.do("evaluation.rectify", CLERK, RATING, RECTIFY)


@pytest.mark.parametrize("grade", ["dissatisfied", "very-dissatisfied"])
def test_a_bad_rating_is_over_only_once_it_is_put_right(grade: str) -> None:
    world = OPENED.copy()
    world.do("evaluation.rate", SICHUAN, RATING, RATE | {"grade": grade})
    settled = {"outcome": "settled", **EVIDENCE}
    with refused("wrong-state"):
        world.do("evaluation.feedback", SICHUAN, RATING, settled)
    with refused("not-addressee"):
        world.do("evaluation.rectify", CLERK_2, RATING, RECTIFY)
    world.do("evaluation.rectify", CLERK, RATING, RECTIFY)
    world.do("evaluation.feedback", SICHUAN, RATING, settled | {"outcome": "unsettled"})
    assert state_of(world, SICHUAN, RATING)["live"]
    world.do("evaluation.rectify", CLERK, RATING, RECTIFY)
    world.do("evaluation.feedback", SICHUAN, RATING, settled)
    assert not state_of(world, SICHUAN, RATING)["live"]


# ---- consent, purpose, promises ------------------------------------------------------------


def test_nobody_files_for_an_applicant_without_consent() -> None:
    world = OPENED.copy()
    name, file = "510000/assistance/1", {"case": CASE, "signature": HASH}
    with refused("no-consent"):
        world.do("assist.file", CLERK, name, file)
    world.do("assist.consent", CLERK, name, {"consent": HASH, "scope": ["fill"], "item": ITEM})
    withdrawn = world.copy()
    withdrawn.do("assist.withdraw", CLERK, name, {"consent": HASH})
    with refused("wrong-state"):
        withdrawn.do("assist.file", CLERK, name, file)
    world.do("assist.file", CLERK, name, file)


def test_help_is_free_of_charge() -> None:
    world = OPENED.copy()
    body = {"agent": CLERK, "consent": HASH, "scope": ["run"], "fee_fen": 100}
    with refused("not-free"):
        world.do("agent.engage", CLERK, "510000/agent-engagement/1", body)
    world.do("agent.engage", CLERK, "510000/agent-engagement/1", body | {"fee_fen": 0})


def test_a_certificate_is_used_as_its_holder_agreed() -> None:
    name = "510000/certificate-consent/1"
    give = {
        "consent": HASH,
        "certificate": "id",
        "delegate": WINDOW,
        "item": ITEM,
        "purpose": "filing",
        "uses": "once",
        "valid_until": DUE_S,
    }
    use = {"purpose": "filing", "case": CASE, "log": HASH}
    world = OPENED.copy()
    with refused("no-consent"):
        world.do("consent.use", CLERK, name, use)
    world.do("consent.give", CLERK, name, give)
    with refused("wrong-purpose"):
        world.do("consent.spend", CLERK, name, use | {"purpose": "loan"})
    with refused("wrong-state"):
        world.do("consent.use", CLERK, name, use)
    for change in ({"delegate": WINDOW_2}, {"item": "540000/item/other"}):
        other = OPENED.copy()
        other.do("consent.give", CLERK, name, give | change)
        with refused("no-consent"):
            other.do("consent.spend", CLERK, name, use)
    late = world.copy()
    late.now_s = DUE_S
    with refused("no-consent"):
        late.do("consent.spend", CLERK, name, use)
    world.do("consent.spend", CLERK, name, use)
    with refused("wrong-state"):
        world.do("consent.spend", CLERK, name, use)


def test_a_breach_is_looked_for_and_acted_on_by_the_department_that_was_promised() -> None:
    world = OPENED.copy()
    name = "510000/commitment/1"
    body = {"case": CASE, "materials": ["proof"], "promise": HASH, "due": DUE_S, "grant": GRANT}
    world.do("commitment.make", CLERK, name, body)
    revoke = {"basis": "告知承诺制", "document": HASH}
    breached = {"result": "breached", **EVIDENCE}
    with refused("wrong-state"):
        world.do("commitment.revoke", HEAD, name, revoke)
    for other in (HEAD_SC, OUTSIDER):
        with refused("not-competent"):
            world.do("commitment.check", other, name, breached)
    world.do("commitment.check", HEAD, name, breached)
    with refused("wrong-state"):
        world.do("commitment.push", HEAD, name, {"receipt": HASH})
    for other in (HEAD_SC, OUTSIDER):
        with refused("not-competent"):
            world.do("commitment.revoke", other, name, revoke)
    world.do("commitment.revoke", DECIDER, name, revoke)
    world.do("commitment.push", HEAD, name, {"receipt": HASH})
    assert state_of(world, TIBET, name)["st"] == "pushed"


def test_shared_data_serve_their_purpose() -> None:
    world = OPENED.copy()
    name = "510000/data-request/1"
    ask = {
        "to": HRSS,
        "dataset": "d1",
        "purpose": "filing",
        "basis": "令809号",
        "due": DUE_S,
    }
    world.do("data.request", CLERK, name, ask)
    with refused("wrong-state"):
        world.do("data.use", CLERK, name, {"purpose": "filing"})
    world.do("data.provide", HEAD, name, {"response": HASH})
    with refused("wrong-purpose"):
        world.do("data.use", CLERK, name, {"purpose": "loan"})
    world.do("data.use", CLERK, name, {"purpose": "filing"})


def test_a_paper_whose_data_are_shared_is_not_asked_for() -> None:
    world = OPENED.copy()
    of = {"case": CASE, "material": "proof", "grant": GRANT}
    paper, share = of | WHY, of | {"dataset": "d1", "response": HASH}
    world.copy().do("paper.ask", CLERK, "510000/paper-request/1", paper)
    world.do("share.use", CLERK, "510000/data-share/1", share)
    with refused("asked-again"):
        world.do("paper.ask", CLERK, "510000/paper-request/1", paper)
    world.do("paper.ask", CLERK, "510000/paper-request/1", paper | {"material": "form"})


# ---- receipts, figures, devices, money -----------------------------------------------------


def test_a_receipt_is_for_what_was_sent() -> None:
    world = OPENED.copy()
    name = "540000/push/1"
    body = {"what": "approval", "to": SICHUAN, "digest": HASH, "due": DUE_S}
    world.do("push.send", HEAD, name, body)
    with refused("wrong-document"):
        world.do("push.receipt", SICHUAN, name, {"outcome": "accepted", "digest": OTHER})
    world.do("push.receipt", SICHUAN, name, {"outcome": "rejected", "digest": HASH})
    world.do("push.resend", HEAD, name, {"digest": OTHER, "due": DUE_S})
    world.do("push.receipt", SICHUAN, name, {"outcome": "accepted", "digest": OTHER})
    assert not state_of(world, SICHUAN, name)["live"]


def test_a_parcel_that_arrives_intact_holds_what_was_sent() -> None:
    name = "510000/parcel/1"
    send = {
        "case": CASE,
        "to": HRSS,
        "direction": "papers",
        "tracking": HASH,
        "contents": HASH,
        "due": DUE_S,
    }
    for state, contents, fits in (
        ("intact", HASH, True),
        ("intact", OTHER, False),
        ("damaged", OTHER, True),
    ):
        world = OPENED.copy()
        world.do("parcel.send", CLERK, name, send)
        body = {"state": state, "contents": contents}
        if fits:
            world.do("parcel.receive", HEAD, name, body)
        else:
            with refused("wrong-document"):
                world.do("parcel.receive", HEAD, name, body)


def test_figures_called_equal_are_and_others_are_not() -> None:
    name = "510000/counts/2026-11"
    body = {"to": TIBET, "period": "2026-11", "sent": 5, "received": 3, "digest": HASH}
    for sent, received, outcome, fits in (
        (3, 5, "equal", True),
        (3, 5, "different", False),
        (5, 3, "equal", False),
        (3, 4, "different", True),
    ):
        world = OPENED.copy()
        world.do("counts.tell", SICHUAN, name, body | {"due": DUE_S})
        answer = {"outcome": outcome, "sent": sent, "received": received}
        if fits:
            world.do("counts.answer", TIBET, name, answer)
        else:
            with refused("counts-differ"):
                world.do("counts.answer", TIBET, name, answer)


def test_a_device_serves_by_itself_only_outside_hours_and_only_in_service() -> None:
    world = OPENED.copy()
    device = "510000/device/d1"
    enrol = {
        "window": WINDOW,
        "host": "某银行",
        "certificate": HASH,
        "firmware": HASH,
        "items": ["000500000001"],
    }
    session = {
        "device": device,
        "right": "self-service",
        "outside_hours": True,
        "started": 1,
        "ended": 2,
        "log": HASH,
    }
    world.do("device.enrol", CHIEF, device, enrol)
    with refused("outside-hours"):
        world.do(
            "device.session", SICHUAN, "510000/device-session/1", session | {"right": "intake"}
        )
    world.do("device.session", SICHUAN, "510000/device-session/1", session)
    world.do("device.suspend", CHIEF, device, WHY)
    with refused("ground-not-live"):
        world.do("device.session", SICHUAN, "510000/device-session/2", session)


def test_postage_is_paid_by_whom_the_policy_names() -> None:
    world = OPENED.copy()
    policy = "510000/fee-policy/p"
    text = {"version": 1, "title": "办法", "digest": HASH, "bearer": "hall"}
    world.do("fee-policy.publish", CHIEF, policy, text)
    charge = {"case": CASE, "policy": policy, "amount_fen": 1200, "receipt": HASH}
    with refused("wrong-payer"):
        world.do("charge.record", CLERK, "510000/charge/1", charge | {"payer": "applicant"})
    world.do("charge.record", CLERK, "510000/charge/1", charge | {"payer": "hall"})


def test_terms_and_shares_make_sense() -> None:
    world = OPENED.copy()
    text = {"version": 1, "title": "模板", "digest": HASH}
    with refused("bad-field"):
        world.do(
            "template.publish",
            CHIEF,
            "510000/template/t",
            text | {"valid_from": 5, "valid_until": 5},
        )
    with refused("bad-field"):
        world.do(
            "item-list.publish", CHIEF, "510000/item-list/l", text | {"count": 3, "share": 101}
        )
    world.do("item-list.publish", CHIEF, "510000/item-list/l", text | {"count": 3, "share": 100})


# ---- people, items -------------------------------------------------------------------------


def test_a_department_appoints_one_of_its_own_who_is_in_service() -> None:
    world = OPENED.copy()
    name = "510000/representative/hrss"
    body = {
        "version": 1,
        "officer": HEAD_SC,
        "items": ["000500000001"],
        "valid_from": 1,
        "valid_until": UNTIL_S,
    }
    with refused("officer-not-live"):
        world.do("representative.appoint", HEAD_SC, name, body | {"officer": "510000/officer/no"})
    with refused("officer-not-live"):
        world.do("representative.appoint", HEAD_SC, name, body | {"officer": WINDOW})
    with refused("not-competent"):
        world.do("representative.appoint", HEAD_SC, name, body | {"officer": CHIEF})
    with refused("outlives-basis"):
        world.do("representative.appoint", HEAD_SC, name, body | {"valid_until": 2})
    world.do("representative.appoint", HEAD_SC, name, body)


CONTACT = "510000/contact/w3"
REACHED = {
    "version": 1,
    "window": WINDOW,
    "address": "政务大厅",
    "telephone": "028-1",
    "hours": "9-17",
}


def test_a_window_s_row_says_since_when_it_is_reached_as_published() -> None:
    world = ENROLLED.copy()
    world.do("contact.publish", CHIEF, CONTACT, REACHED)
    assert state_of(world, SICHUAN, WINDOW)["contact"] == [CONTACT, world.now_s]
    with refused("wrong-state"):
        world.do("contact.publish", CHIEF, CONTACT, REACHED | {"version": 2, "window": WINDOW_2})
    with refused("not-entitled"):
        world.do("contact.publish", HEAD_SC, "510000/contact/2", REACHED)
    with refused("window-not-live"):
        world.do("contact.publish", CHIEF, "510000/contact/2", REACHED | {"window": WINDOW_CQ})
    other = "510000/contact/new"
    world.do("contact.publish", CHIEF, other, REACHED)
    world.do("contact.withdraw", CHIEF, CONTACT, WHY)
    assert state_of(world, SICHUAN, WINDOW)["contact"] == [other, world.now_s]
    world.do("contact.withdraw", CHIEF, other, WHY)
    assert "contact" not in state_of(world, SICHUAN, WINDOW)


def test_a_contact_that_was_to_be_confirmed_earlier_is_marked_late() -> None:
    world = ENROLLED.copy()
    world.do("contact.publish", CHIEF, CONTACT, REACHED | {"due": DUE_S})
    world.now_s = DUE_S + 1
    [flag] = world.do("contact.publish", CHIEF, CONTACT, REACHED | {"version": 2}).flags
    assert flag.code == "late"
    # The new version names no day by which it is to be confirmed, so none is missed.
    assert world.do("contact.publish", CHIEF, CONTACT, REACHED | {"version": 3}).flags == ()


def test_a_new_version_keeps_nothing_that_it_leaves_out() -> None:
    world = ENROLLED.copy()
    listed = {"version": 1, "title": "清单", "digest": HASH, "count": 1, "share": 30}
    name = "540000/item-list/2026"
    world.do("item-list.publish", TIBET, name, listed | {"items": ["000500000001"]})
    world.do("item-list.publish", TIBET, name, listed | {"version": 2})
    assert "items" not in state_of(world, TIBET, name)


def test_one_record_follows_the_supervision_of_one_item() -> None:
    world = ENROLLED.copy()
    name, body = "540000/oversight/1", {"item": ITEM, "to": HEALTH, "due": DUE_S}
    world.do("oversight.assign", HEAD, name, body)
    world.do("oversight.accept", OUTSIDER, name, {})
    with refused("wrong-state"):
        world.do("oversight.assign", HEAD, name, body | {"item": "540000/item/2"})
    world.do("oversight.assign", HEAD, name, body | {"to": HRSS})


def test_a_hall_speaks_for_its_own_windows() -> None:
    world = OPENED.copy()
    name = "510000/readiness/w3"
    body = {
        "version": 1,
        "window": WINDOW,
        "staff": True,
        "video": True,
        "scan": True,
        "print": False,
        **EVIDENCE,
    }
    with refused("not-entitled"):
        world.do("readiness.attest", HEAD_SC, name, body)
    with refused("window-not-live"):
        world.do("readiness.attest", CHIEF, name, body | {"window": WINDOW_CQ})
    world.do("readiness.attest", CHIEF, name, body)
    world.do("party.suspend", SICHUAN, WINDOW_2, WHY)
    with refused("window-not-live"):
        world.do("readiness.attest", CHIEF, "510000/readiness/w4", body | {"window": WINDOW_2})


def test_a_training_lets_an_officer_act_until_it_ends() -> None:
    world = ENROLLED.copy().lend()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 2, "training": "medical"})
    case = {"item_version": 2}
    with refused("not-entitled"):
        world.copy().open(**case)
    attest = {"course": "medical", **EVIDENCE}
    with refused("not-entitled"):
        world.do("training.attest", CLERK_2, CLERK, attest)
    with refused("not-entitled"):
        world.do("training.attest", CHIEF, CHIEF, attest)
    with refused("officer-not-live"):
        world.do("training.attest", CHIEF, "510000/officer/no", attest)
    with refused("not-competent"):
        world.do("training.attest", CHIEF, HEAD, attest)
    world.do("training.attest", CHIEF, CLERK, attest)
    with refused("exists"):
        world.do("training.attest", CHIEF, CLERK, attest)
    world.copy().open(**case)
    lapse = {"course": "medical", **WHY}
    world.do("training.lapse", CHIEF, CLERK, lapse)
    with refused("wrong-state"):
        world.do("training.lapse", CHIEF, CLERK, lapse)
    with refused("not-entitled"):
        world.open(**case)


def test_a_scenario_asks_for_no_paper_that_its_item_does_not() -> None:
    world = LENT.copy()
    name = "540000/scenario/1"
    body = {
        "version": 1,
        "item": ITEM,
        "item_version": 1,
        "title": "首次备案",
        "materials": ["form"],
    }
    with refused("extra-material"):
        world.do("scenario.publish", HEAD, name, body | {"materials": ["photo"]})
    with refused("unknown-object"):
        world.do("scenario.publish", HEAD, name, body | {"item_version": 9})
    world.do("scenario.publish", HEAD, name, body)


def test_an_item_is_claimed_once_in_a_region() -> None:
    world = ENROLLED.copy()
    claim = {"code": "000500000001", "list": "107项"}
    world.do("claim.make", HEAD, "540000/claim/1", claim)
    with refused("exists"):
        world.do("claim.make", OUTSIDER, "540000/claim/2", claim)


# ---- offline -------------------------------------------------------------------------------


def test_the_evidence_of_a_case_holds_the_records_about_it_and_stands_offline() -> None:
    world = World(real_views=True).enrol().lend()
    world.do(
        "exclusion.publish",
        HEAD,
        "540000/exclusion/000500000001",
        {"item": ITEM, "class": "ecology"},
    )
    world.do("exclusion.end", HEAD, "540000/exclusion/000500000001", WHY)
    assistance = "510000/assistance/1"
    world.do("assist.consent", CLERK, assistance, {"consent": HASH, "scope": ["a"], "item": ITEM})
    world.open()
    world.do("assist.file", CLERK, assistance, {"case": CASE, "signature": HASH})
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    world.do("tolerance.settle", CLERK, TOLERANCE, SETTLE)
    world.do("supervision.notice", HEAD, NOTICE, NOTICE_BODY | {"case": CASE})
    world.do("supervision.reply", CLERK, NOTICE, REPLY)
    world.do("supervision.close", HEAD, NOTICE, EVIDENCE)
    back(world=world)
    world.do("print.record", CLERK, PRINT, PRINT_BODY)
    world.do("evaluation.rate", SICHUAN, RATING, RATE)
    trace = judged(bundle_of(world))
    assert trace.findings == ()
    kinds = {line.kind for line in trace.lines}
    assert kinds >= {
        "assist.file",
        "tolerance.accept",
        "tolerance.settle",
        "supervision.notice",
        "supervision.reply",
        "supervision.close",
        "print.record",
        "evaluation.rate",
    }
