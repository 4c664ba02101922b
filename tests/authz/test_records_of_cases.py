"""Records about a case: what follows later, procedures, prints, ratings, consents and promises."""

import pytest

from tests.authz.bodies import (
    DUE_S,
    EVIDENCE,
    HASH,
    PRINT,
    PRINT_BODY,
    RATE,
    RATING,
    RECTIFY,
    SETTLE,
    TOLERANCE,
    TOLERANCE_BODY,
    UNDER,
    WHY,
    without,
)
from tests.authz.refusals import refused
from tests.authz.world import (
    CASE,
    CHIEF,
    CHONGQING,
    CLERK,
    CLERK_2,
    DECIDE_BODY,
    DECIDER,
    ENROLLED,
    GRANT,
    HEAD,
    HEAD_SC,
    HRSS,
    ITEM,
    ITEM_BODY,
    LENT,
    OPENED,
    OUTSIDER,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
)

# ---- 26 容缺受理 -------------------------------------------------------------------------------


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
    world = OPENED.copy().deciding()
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    with refused("wrong-state"):
        world.do("tolerance.accept", HEAD, "540000/tolerance/1", without(TOLERANCE_BODY, "grant"))


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
    world = OPENED.copy().deciding()
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


def test_a_certificate_is_printed_once_it_is_granted_under_the_right_to_deliver() -> None:
    judged = OPENED.copy().back().do("print.record", CLERK, PRINT, PRINT_BODY)
    assert [use.need for use in judged.uses] == ["grant"]
    assert judged.uses[0].staleness_s == 600
    with refused("not-decided"):
        OPENED.copy().do("print.record", CLERK, PRINT, PRINT_BODY)
    with refused("not-decided"):
        OPENED.copy().back("refused").do("print.record", CLERK, PRINT, PRINT_BODY)
    with refused("not-decided"):
        OPENED.copy().back().do(
            "print.record", CLERK, PRINT, PRINT_BODY | {"decided_in": CHONGQING}
        )
    with refused("no-grant"):
        OPENED.copy().back().do("print.record", CLERK, PRINT, without(PRINT_BODY, "grant"))
    revoked = OPENED.copy().back()
    revoked.do("grant.revoke", HEAD, GRANT, WHY)
    with refused("grant-not-live"):
        revoked.do("print.record", CLERK, PRINT, PRINT_BODY)


def test_who_prints_has_the_training_that_the_grant_asks_for() -> None:
    world = ENROLLED.copy().lend(training="printing")
    world.do("training.attest", SICHUAN, CLERK, {"course": "printing", **EVIDENCE})
    world = world.open().back()
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
        OPENED.copy().back().do("print.record", CLERK_2, PRINT, PRINT_BODY)
    arrived = OPENED.copy().back()
    arrived.do("case.note", CLERK, CASE, {"remark": "已收到"})
    with refused("not-holder"):
        arrived.do("print.record", CLERK_2, PRINT, PRINT_BODY)
    arrived.do("print.record", CLERK, PRINT, PRINT_BODY)
    decided = OPENED.copy()
    decided.hand_over(CLERK, HRSS, HEAD)
    decided.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    with refused("not-holder"):  # decided, but not yet handed back
        decided.do("print.record", CLERK, PRINT, PRINT_BODY)
    decided.do("print.record", HEAD, "540000/print/1", without(PRINT_BODY, "grant"))


def test_a_decision_stays_in_sight_though_the_case_was_offered_to_who_decided_again() -> None:
    world = OPENED.copy().back()
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    world.do("handoff.accept", HEAD, CASE, {"holder": SICHUAN})
    world.copy().do("print.record", CLERK, PRINT, PRINT_BODY)
    world.do("handoff.cancel", CLERK, CASE, {})
    world.do("print.record", CLERK, PRINT, PRINT_BODY)
    issued = {"case": CASE, "class": "medical", "digest": HASH, "to": TIBET, "due": DUE_S}
    world.do("certificate.issue", HEAD, "540000/certificate/1", issued)


def test_one_blank_is_printed_on_once() -> None:
    world = OPENED.copy().back()
    world.do("print.record", CLERK, PRINT, PRINT_BODY)
    world.do("print.void", CLERK, PRINT, WHY)
    with refused("exists"):
        world.do("print.record", CLERK, "510000/print/2", PRINT_BODY)
    world.do("print.record", CLERK, "510000/print/2", PRINT_BODY | {"blank": "B-0002"})


def test_no_result_is_printed_while_a_paper_is_still_to_follow() -> None:
    world = OPENED.copy()
    world.do("tolerance.accept", CLERK, TOLERANCE, TOLERANCE_BODY)
    world.back()
    with refused("unsettled"):
        world.do("print.record", CLERK, PRINT, PRINT_BODY)
    world.do("tolerance.settle", CLERK, TOLERANCE, SETTLE)
    world.do("print.record", CLERK, PRINT, PRINT_BODY)


# ---- 64 好差评 --------------------------------------------------------------------------------


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
    moved = OPENED.copy().deciding()
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
    assert world.state(SICHUAN, RATING)["live"]
    world.do("evaluation.rectify", CLERK, RATING, RECTIFY)
    world.do("evaluation.feedback", SICHUAN, RATING, settled)
    assert not world.state(SICHUAN, RATING)["live"]


# ---- consent, purpose, promises ------------------------------------------------------------


def test_nobody_files_for_an_applicant_without_consent() -> None:
    world = OPENED.copy()
    name, file = "510000/assistance/1", {"case": CASE, "signature": HASH}
    with refused("no-consent"):
        world.do("assist.file", CLERK, name, file)
    consent = {"consent": HASH, "scope": ["fill"], "item": ITEM}
    other = world.copy()
    other.do("assist.consent", CLERK, name, consent | {"item": "540000/item/other"})
    with refused("no-consent"):
        other.do("assist.file", CLERK, name, file)
    world.do("assist.consent", CLERK, name, consent)
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
    assert world.state(TIBET, name)["st"] == "pushed"


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
    paper = of | WHY | {"item": ITEM, "item_version": 1}
    share = of | {"dataset": "d1", "response": HASH}
    world.copy().do("paper.ask", CLERK, "510000/paper-request/1", paper)
    world.do("share.use", CLERK, "510000/data-share/1", share)
    with refused("asked-again"):
        world.do("paper.ask", CLERK, "510000/paper-request/1", paper)
    with refused("asked-again"):
        world.do("case.notice", CLERK, CASE, UNDER | {"missing": ["form", "proof"]})
    world.copy().do("paper.ask", CLERK, "510000/paper-request/1", paper | {"material": "form"})
    world.do("case.notice", CLERK, CASE, UNDER | {"missing": ["form"]})


def test_no_paper_is_asked_for_that_the_pinned_version_does_not_list() -> None:
    world, name = OPENED.copy(), "510000/paper-request/1"
    paper = WHY | {"case": CASE, "item": ITEM, "item_version": 1, "grant": GRANT}
    with refused("extra-material"):
        world.do("paper.ask", CLERK, name, paper | {"material": "hukou-of-the-neighbour"})
    new = {"version": 2, "materials": ["form", "new"], "tolerable": []}
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | new)
    later = paper | {"item_version": 2, "material": "new"}
    with refused("item-not-live"):
        world.do("paper.ask", CLERK, name, later)
    world.do("paper.ask", CLERK, name, paper | {"material": "form"})


def test_nothing_is_promised_and_no_clock_stopped_once_a_case_is_decided() -> None:
    world = OPENED.copy().deciding()
    listed = {"version": 1, "item": ITEM, "procedures": ["hearing"], "basis": "听证"}
    world.do("procedures.publish", HEAD, "540000/procedure-list/000500000001", listed)
    start = {"case": CASE, "item": ITEM, "item_version": 1, "procedure": "hearing", "notice": HASH}
    promise = {"case": CASE, "materials": ["proof"], "promise": HASH, "due": DUE_S}
    world.do("case.note", HEAD, CASE, {"remark": "已收到"})
    for kind, name, body in (
        ("procedure.start", "540000/procedure/1", start),
        ("commitment.make", "540000/commitment/1", promise),
    ):
        decided = world.copy()
        decided.do("case.decide", DECIDER, CASE, DECIDE_BODY)
        with refused("wrong-state"):
            decided.do(kind, HEAD, name, body)
        world.do(kind, HEAD, name, body)


def test_a_certificate_is_issued_by_who_granted_it() -> None:
    body = {"case": CASE, "class": "medical", "digest": HASH, "to": TIBET, "due": DUE_S}
    world, name = OPENED.copy().deciding(), "540000/certificate/1"
    with refused("not-competent"):
        world.do("certificate.issue", SICHUAN, "510000/certificate/1", body)
    for issuer in (HEAD, TIBET):  # the case has arrived, but nobody there has acted on it yet
        with refused("not-decided"):
            world.do("certificate.issue", issuer, name, body)
    world.do("case.note", HEAD, CASE, {"remark": "已收到"})
    with refused("not-decided"):
        world.do("certificate.issue", HEAD, name, body)
    not_granted = world.copy()
    not_granted.do("case.decide", DECIDER, CASE, DECIDE_BODY | {"result": "refused"})
    with refused("not-decided"):
        not_granted.do("certificate.issue", HEAD, name, body)
    world.do("case.decide", DECIDER, CASE, DECIDE_BODY)
    with refused("not-competent"):
        world.do("certificate.issue", OUTSIDER, name, body)
    world.copy().do("certificate.issue", TIBET, name, body)
    world.do("certificate.issue", HEAD, name, body)
