"""Stories of hands that hold nothing, of lives that are over, and of records of others.

As in ``tests.authz.slow.wrongs``.
"""

from typing import Final

from tests.authz.slow.steps import HEAD_CQ
from tests.authz.slow.wrongs import (
    AWAY,
    CASE,
    NUMBER,
    OWN,
    OWN_BODY,
    UNDER,
    WHY,
    ZERO,
    Story,
    no,
    over,
    yes,
)
from tests.authz.world import (
    CHIEF,
    CLERK,
    CLERK_2,
    DECIDE_BODY,
    DECIDER,
    FROM_S,
    GRANT,
    GRANT_BODY,
    HALL,
    HEAD,
    HEAD_SC,
    HEALTH,
    HRSS,
    HRSS_CQ,
    HRSS_SC,
    ITEM,
    ITEM_BODY,
    OPEN_BODY,
    OUTSIDER,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    WINDOW_2,
    officer,
)

# ---- holders ------------------------------------------------------------------------------------


def hands_that_hold_nothing() -> Story:
    keeper, to = f"{SICHUAN}/officer/keeper", {"unit": HRSS}
    taken = {"holder": SICHUAN}
    yield yes("party.enrol", SICHUAN, keeper, officer(WINDOW, keeper, ["keeper"]))
    yield no("handoff.offer", CLERK_2, CASE, to)
    yield no("handoff.offer", keeper, CASE, to)
    yield no("handoff.offer", CLERK, CASE, {"unit": WINDOW})
    yield no("handoff.offer", CLERK, CASE, {"unit": HALL})
    yield no("handoff.offer", CLERK, f"{SICHUAN}/case/none", to)
    yield no("handoff.offer", CLERK, AWAY, to)
    yield no("handoff.offer", SICHUAN, CASE, to)
    yield no("handoff.release", SICHUAN, CASE, {})
    yield no("handoff.release", SICHUAN, f"{SICHUAN}/case/none", {})
    yield no("handoff.accept", HEAD, f"{SICHUAN}/case/none", taken)
    yield no("handoff.accept", HEAD, CASE, taken)
    yield yes("handoff.offer", CLERK, CASE, to)
    yield no("handoff.offer", CLERK, CASE, {"unit": HRSS_CQ})
    yield no("handoff.release", SICHUAN, CASE, {})
    yield no("handoff.accept", OUTSIDER, CASE, taken)
    yield no("handoff.accept", HEAD_CQ, CASE, taken)
    yield no("handoff.cancel", CLERK_2, CASE, {})
    yield yes("handoff.accept", HEAD, CASE, taken)
    yield no("handoff.accept", HEAD, CASE, taken)
    yield no("handoff.decline", HEAD, CASE, taken | WHY)
    yield no("case.note", HEAD, CASE, {"remark": "早"})
    yield no("handoff.release", CLERK_2, CASE, {})
    yield yes("handoff.release", SICHUAN, CASE, {})
    yield no("case.note", CLERK, CASE, {"remark": "晚"})
    yield no("case.note", OUTSIDER, CASE, {"remark": "别处"})
    yield yes("case.note", HEAD, CASE, {"remark": "已收到"})
    yield yes("handoff.offer", HEAD, CASE, {"unit": HEALTH})
    yield yes("handoff.accept", OUTSIDER, CASE, {"holder": TIBET})
    yield no("handoff.accept", OUTSIDER, CASE, {"holder": TIBET})
    yield yes("handoff.release", TIBET, CASE, {})
    yield no("handoff.offer", HEAD, CASE, {"unit": HRSS_CQ})
    yield yes("handoff.offer", OUTSIDER, CASE, to)
    yield no("case.withdraw", OUTSIDER, CASE, WHY)


def steps_that_do_not_fit_a_case() -> Story:
    seen = UNDER | {"documents": ["id-copy"], "result": "match", "method": "original"}
    keeper, roleless = f"{SICHUAN}/officer/keeper", f"{TIBET}/officer/hrss-09"
    yield yes("party.enrol", SICHUAN, keeper, officer(WINDOW, keeper, ["decide"]))
    yield yes("party.enrol", TIBET, roleless, officer(HRSS, roleless, ["receive"]))
    yield no("case.open", CLERK, CASE, OPEN_BODY)
    yield no("case.open", keeper, f"{SICHUAN}/case/new", OPEN_BODY)
    yield no("case.open", CLERK, f"{SICHUAN}/case/new", OPEN_BODY | {"mode": "kiosk"})
    yield no("case.verify", CLERK_2, CASE, seen | {"window": WINDOW_2})
    yield no("case.verify", CLERK, CASE, seen | {"window": WINDOW_2})
    yield no("case.verify", keeper, CASE, seen)
    yield no("case.verify", CLERK, CASE, seen | {"challenge": f"{SICHUAN}/challenge/none"})
    yield no("case.verify", CLERK, f"{SICHUAN}/case/none", seen)
    yield no("case.deliver", CLERK, CASE, UNDER | {"mode": "counter"})
    yield no("case.close", CLERK, CASE, {})
    yield yes("case.notice", CLERK, CASE, UNDER | {"missing": ["proof"]})
    yield no("case.notice", CLERK, CASE, UNDER | {"missing": ["proof"]})
    yield yes("case.supplement", CLERK, CASE, UNDER | {"received": ["proof"]})
    yield no("case.decide", keeper, CASE, DECIDE_BODY)
    yield from over(CASE, CLERK, HRSS, HEAD)
    yield no("case.decide", roleless, CASE, DECIDE_BODY)
    yield yes("case.decide", DECIDER, CASE, DECIDE_BODY)
    yield no("case.decide", DECIDER, CASE, DECIDE_BODY)
    yield no("case.notice", HEAD, CASE, {"missing": ["form"]})
    yield no("case.withdraw", HEAD, CASE, WHY)
    yield yes("case.deliver", HEAD, CASE, {"mode": "counter"})
    yield yes("case.close", HEAD, CASE, {})
    yield no("case.note", HEAD, CASE, {"remark": "完"})
    yield no("case.close", HEAD, CASE, {})
    own = {name: it for name, it in OWN_BODY.items() if name != "window"}
    yield no("case.open", OUTSIDER, OWN, own)
    yield yes("case.open", HEAD, OWN, own)
    yield no("case.notice", OUTSIDER, OWN, {"missing": ["proof"]})
    yield no("branch.report", DECIDER, f"{TIBET}/branch/none", DECIDE_BODY)


def lives_that_are_over_or_have_not_begun() -> Story:
    nobody, second = f"{SICHUAN}/officer/none", f"{SICHUAN}/officer/w3-03"
    seat = officer(WINDOW, second, ["receive"])
    public = {"key": officer(WINDOW, nobody, [])["key"], "holder": "officer", **WHY}
    for kind in ("party.suspend", "party.resume", "party.retire"):
        yield no(kind, SICHUAN, nobody, WHY)
    yield no("party.rekey", SICHUAN, nobody, public)
    yield no("party.enrol", SICHUAN, f"{TIBET}/officer/x", seat)
    yield yes("party.enrol", SICHUAN, second, seat)
    yield no("party.enrol", SICHUAN, second, officer(WINDOW, nobody, ["receive"]))
    yield no("party.resume", SICHUAN, second, WHY)
    yield no("party.rekey", CHIEF, second, public)
    yield yes("party.retire", CHIEF, second, WHY)
    for kind in ("party.suspend", "party.resume", "party.retire"):
        yield no(kind, SICHUAN, second, WHY)
    yield no("party.rekey", SICHUAN, second, public)
    course = {"course": "medical", "evidence": ZERO}
    yield no("training.attest", CHIEF, second, course)
    yield no("training.attest", SICHUAN, DECIDER, course)
    yield no("training.lapse", CHIEF, CLERK, {"course": "medical", **WHY})
    yield yes("training.attest", CHIEF, CLERK, course)
    yield no("training.attest", CHIEF, CLERK, course)
    answer = {"window": WINDOW, "item": ITEM}
    yield no("grant.accept", CHIEF, GRANT, answer)
    yield no("grant.decline", CHIEF, GRANT, {"window": WINDOW, **WHY})
    yield no("grant.accept", CHIEF, f"{TIBET}/grant/none", answer)
    yield no("grant.offer", HEAD, GRANT, GRANT_BODY)
    yield no("grant.resume", HEAD, GRANT, WHY)
    yield no("grant.revoke", OUTSIDER, GRANT, WHY)
    yield no("grant.revoke", DECIDER, GRANT, WHY)
    yield no("grant.revoke", HEAD_SC, GRANT, WHY)
    yield no("grant.revoke", HEAD, f"{TIBET}/grant/none", WHY)
    yield yes("grant.revoke", HEAD, GRANT, WHY)
    yield no("grant.resume", HEAD, GRANT, WHY)
    version = ITEM_BODY | {"version": 2}
    yield no("item.publish", DECIDER, ITEM, version)
    yield no("item.publish", HEAD, ITEM, version | {"tolerable": ["other"]})
    yield no("item.withdraw", OUTSIDER, ITEM, WHY)
    yield no("item.withdraw", DECIDER, ITEM, WHY)
    yield no("item.withdraw", HEAD, f"{TIBET}/item/none", WHY)
    yield yes("item.withdraw", HEAD, ITEM, WHY)
    yield no("item.withdraw", HEAD, ITEM, WHY)
    basis = {"title": "方案", "document": "1号", "valid_from": FROM_S, "valid_until": UNTIL_S}
    yield no("basis.publish", HEAD, f"{SICHUAN}/basis/1", basis)
    yield no("basis.publish", HEAD, f"{TIBET}/basis/1", basis | {"valid_until": FROM_S})
    yield yes("basis.publish", HEAD, f"{TIBET}/basis/1", basis)
    yield no("basis.publish", HEAD, f"{TIBET}/basis/1", basis)


def records_of_those_whose_they_are_not() -> Story:
    name, notice = f"{SICHUAN}/supervision/1", {"to": HRSS_SC, "matter": "改正", "due": UNTIL_S}
    reply = {"reply": "已改正", "evidence": ZERO}
    yield no("supervision.reply", HEAD_SC, name, reply)
    yield no("supervision.notice", CLERK, name, notice)
    yield no("supervision.notice", CHIEF, f"{TIBET}/supervision/1", notice)
    yield no("supervision.notice", CHIEF, name, notice | {"to": "990000/department/x"})
    yield yes("supervision.notice", CHIEF, name, notice)
    yield no("supervision.notice", CHIEF, name, notice)
    yield no("supervision.reply", CLERK, name, reply)
    yield no("supervision.close", CHIEF, name, {"evidence": ZERO})
    yield yes("supervision.reply", HEAD_SC, name, reply)
    yield no("supervision.return", HEAD_SC, name, WHY | {"due": UNTIL_S})
    login = {"case": CASE, "level": "high", "provider": "a1", "assertion": ZERO}
    yield no("login.record", CHIEF, f"{SICHUAN}/login/1", login)
    check = {"case": CASE, "method": "card", "result": "match", "evidence": ZERO}
    yield no("identity.check", CLERK, f"{SICHUAN}/identity-check/1", check)
    yield no("identity.check", CLERK_2, f"{SICHUAN}/identity-check/1", check | {"grant": GRANT})
    away = check | {"case": AWAY, "grant": GRANT}
    yield no("identity.check", CLERK, f"{SICHUAN}/identity-check/1", away)
    none = check | {"case": f"{SICHUAN}/case/none", "grant": GRANT}
    yield no("identity.check", CLERK, f"{SICHUAN}/identity-check/1", none)
    yield yes("identity.check", CLERK, f"{SICHUAN}/identity-check/1", check | {"grant": GRANT})
    chosen = {"case": CASE, "channel": "counter", "consent": ZERO}
    yield yes("channel.choose", CLERK, f"{SICHUAN}/channel/1", chosen)
    yield no("channel.choose", CLERK, f"{SICHUAN}/channel/2", chosen)
    guide = {"version": 3, "title": "办法", "digest": ZERO}
    yield no("guide.publish", CHIEF, f"{SICHUAN}/guide/1", guide)
    yield yes("guide.publish", CHIEF, f"{SICHUAN}/guide/1", guide | {"version": 2})
    appointed = {"version": 1, "officer": CLERK, "items": [NUMBER]}
    appointed |= {"valid_from": FROM_S, "valid_until": UNTIL_S}
    yield no("representative.appoint", CHIEF, f"{SICHUAN}/representative/1", appointed)
    scenario = {"version": 1, "item": ITEM, "item_version": 1, "title": "情形"}
    scenario |= {"materials": ["form"]}
    yield no("scenario.publish", OUTSIDER, f"{TIBET}/scenario/1", scenario)
    yield yes("scenario.publish", HEAD, f"{TIBET}/scenario/1", scenario)


MORE_STORIES: Final = (
    hands_that_hold_nothing,
    steps_that_do_not_fit_a_case,
    lives_that_are_over_or_have_not_begun,
    records_of_those_whose_they_are_not,
)
