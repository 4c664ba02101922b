"""Stories in which somebody does, now and again, what the domain forbids, told act by act.

What ``no`` tells, neither the rules nor the model may let stand. Each differs in one thing from an
act that stands, so that one rule alone is in its way.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tests.authz.slow.steps import CLERK_T, HEAD_CQ, WINDOW_T
from tests.authz.slow.ways import handed_over
from tests.authz.world import (
    CHIEF,
    CLERK,
    CLERK_2,
    CLERK_CQ,
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
    WINDOW_CQ,
    officer,
)


class Said(NamedTuple):
    """An act, and whether it stands."""

    kind: str
    who: str
    name: str
    body: dict[str, Any]
    stands: bool


Story = Iterator[Said]
LAST: Final = -1
"""As the index of what is corrected: that of the last act on the same thing."""
CASE, DECIDED, AWAY = (f"{SICHUAN}/case/{number}" for number in (1, 2, 3))
OWN: Final = f"{TIBET}/case/own"
OTHER_ITEM: Final = f"{TIBET}/item/000500000002"
WHY: Final = {"reason": "调整"}
ZERO: Final = bytes(32)
UNDER: Final = {"grant": GRANT, "window": WINDOW}
OWN_BODY: Final = {name: it for name, it in OPEN_BODY.items() if name != "grant"}
SETTLED: Final[dict[str, Any]] = {"received": ["proof"], "materials": [ZERO]}
NUMBER: Final = ITEM.split("/")[2]


def yes(kind: str, who: str, name: str, body: dict[str, Any]) -> Said:
    return Said(kind, who, name, body, stands=True)


def no(kind: str, who: str, name: str, body: dict[str, Any]) -> Said:
    return Said(kind, who, name, body, stands=False)


def over(name: str, giver: str, unit: str, taker: str) -> Story:
    return (yes(*it) for it in handed_over(name, giver, unit, taker))


def lent(name: str, **changes: Any) -> Story:
    """Another grant for the window, offered and accepted."""
    body = GRANT_BODY | changes
    yield yes("grant.offer", HEAD, name, body)
    yield yes("grant.accept", CHIEF, name, {"window": body["window"], "item": body["item"]})


# ---- branches -----------------------------------------------------------------------------------


def a_branch_on_wrong_ways() -> Story:
    keeper, name = f"{SICHUAN}/officer/keeper", f"{SICHUAN}/branch/1"
    of, split = {"case": CASE}, {"case": CASE, "part": "a1", "department": HRSS_CQ}
    done = {"result": "granted", "basis": "依据", "document": ZERO}
    yield yes("party.enrol", SICHUAN, keeper, officer(WINDOW, keeper, ["keeper"]))
    yield no("branch.open", keeper, name, split)
    yield no("branch.open", CLERK_2, name, split)
    yield no("branch.open", CLERK, f"{TIBET}/branch/1", split)
    yield no("branch.open", CLERK, name, split | {"department": WINDOW_CQ})
    yield no("branch.open", CLERK, name, split | {"case": AWAY})
    yield yes("branch.open", CLERK, name, split)
    yield no("branch.open", CLERK, name, split)
    yield no("handoff.offer", CLERK, CASE, {"unit": HRSS})
    yield no("branch.join", CLERK, name, of)
    yield from over(name, CLERK, HRSS, HEAD)
    yield no("branch.drop", CLERK, name, of | WHY)
    yield no("branch.report", HEAD, name, done)
    yield from over(name, HEAD, HRSS_CQ, HEAD_CQ)
    yield yes("branch.report", HEAD_CQ, name, done)
    yield yes("handoff.offer", HEAD_CQ, name, {"unit": WINDOW})
    yield no("branch.report", HEAD_CQ, name, done)
    yield yes("handoff.accept", CLERK, name, {"holder": HRSS_CQ[:6]})
    yield yes("handoff.release", HRSS_CQ[:6], name, {})
    yield no("branch.join", keeper, name, of)
    yield no("branch.join", CLERK, name, {"case": DECIDED})
    yield no("branch.drop", CLERK, name, of | WHY)
    yield yes("branch.join", CLERK, name, of)
    yield yes("handoff.offer", CLERK, CASE, {"unit": HRSS})
    yield no("branch.open", CLERK, f"{SICHUAN}/branch/2", split)
    yield no("handoff.offer", CLERK, CASE, {"unit": HRSS_CQ})
    yield no("case.withdraw", CLERK, CASE, UNDER | WHY)
    yield yes("handoff.cancel", CLERK, CASE, {})
    yield yes("case.note", CLERK, DECIDED, {"remark": "已收到"})
    yield no("branch.open", CLERK, f"{SICHUAN}/branch/2", split | {"case": DECIDED})
    yield yes("branch.open", CLERK, f"{SICHUAN}/branch/2", split)
    yield yes("case.withdraw", CLERK, CASE, UNDER | WHY)
    yield no("case.close", CLERK, CASE, {})
    yield yes("branch.drop", CLERK, f"{SICHUAN}/branch/2", of | WHY)
    yield no("case.close", keeper, CASE, {})
    yield yes("case.close", CLERK, CASE, {})


# ---- decisions ----------------------------------------------------------------------------------


def decisions_by_those_who_may_not() -> Story:
    second, name = f"{TIBET}/officer/w9-02", f"{TIBET}/branch/own"
    yield yes("party.enrol", TIBET, second, officer(WINDOW_T, second, ["decide", "receive"]))
    yield yes("case.open", CLERK_T, OWN, OWN_BODY | {"window": WINDOW_T})
    yield no("case.decide", second, OWN, DECIDE_BODY)
    term = {"valid_from": FROM_S, "valid_until": UNTIL_S}
    list_ = {"version": 1, "officer": second, "items": ["other"], **term}
    list_name = f"{TIBET}/representative/1"
    yield no("representative.appoint", OUTSIDER, list_name, list_)
    yield no("representative.appoint", HEAD, list_name, list_ | {"deputy": second})
    yield yes("representative.appoint", HEAD, list_name, list_)
    yield no("case.decide", second, OWN, DECIDE_BODY)
    later = {"version": 2, "items": [NUMBER], "valid_from": UNTIL_S - 1}
    yield yes("representative.appoint", HEAD, list_name, list_ | later)
    yield no("case.decide", second, OWN, DECIDE_BODY)
    both = {"version": 3, "items": [NUMBER], "deputy": CLERK_T}
    yield yes("representative.appoint", HEAD, list_name, list_ | both)
    yield no("case.decide", CLERK_T, OWN, DECIDE_BODY)
    split = {"case": OWN, "part": "a1", "department": HRSS}
    yield yes("branch.open", CLERK_T, name, split)
    done = {"result": "granted", "basis": "依据", "document": ZERO}
    yield no("branch.report", CLERK_T, name, done)
    yield no("case.decide", second, OWN, DECIDE_BODY)
    yield yes("branch.report", second, name, done)
    yield yes("branch.join", second, name, {"case": OWN})
    part = {"case": OWN, "to": HRSS_CQ, "part": "a1", "due": UNTIL_S}
    yield yes("part.ask", CLERK_T, f"{TIBET}/part/1", part)
    yield no("case.decide", second, OWN, DECIDE_BODY)
    yield yes("part.withdraw", CLERK_T, f"{TIBET}/part/1", WHY)
    yield yes("case.decide", second, OWN, DECIDE_BODY)
    yield from over(AWAY, HEAD, HEALTH, OUTSIDER)
    yield no("case.decide", OUTSIDER, AWAY, DECIDE_BODY)
    yield no("case.decide", CLERK, CASE, DECIDE_BODY)
    yield no("handoff.accept", HEAD, CASE, {"holder": SICHUAN})


# ---- papers -------------------------------------------------------------------------------------


def papers_asked_for_wrongly() -> Story:
    shared = {"case": CASE, "material": "form", "dataset": "a1", "response": ZERO, "grant": GRANT}
    yield no("share.use", CLERK, f"{SICHUAN}/data-share/1", shared | {"grant": "540000/grant/none"})
    yield yes("share.use", CLERK, f"{SICHUAN}/data-share/1", shared)
    yield no("case.notice", CLERK, CASE, UNDER | {"missing": ["form"]})
    yield no("case.notice", CLERK, CASE, UNDER | {"missing": []})
    yield no("case.notice", CLERK, CASE, UNDER | {"missing": ["photo"]})
    yield yes("case.notice", CLERK, CASE, UNDER | {"missing": ["proof"]})
    yield no("case.notice", CLERK, CASE, UNDER | {"missing": ["id-copy"]})
    yield no("case.supplement", CLERK, CASE, UNDER | {"received": []})
    later = {"item": ITEM, "item_version": 1, "missing": ["proof"], "consent": ZERO}
    later |= {"case": CASE, "due": UNTIL_S, "grant": GRANT}
    name = f"{SICHUAN}/tolerance/1"
    yield no("tolerance.accept", CLERK, name, later | {"missing": ["form"]})
    yield yes("tolerance.accept", CLERK, name, later)
    yield no("tolerance.lapse", CLERK, name, WHY)
    yield from over(CASE, CLERK, HRSS, HEAD)
    yield yes("case.note", HEAD, CASE, {"remark": "已收到"})
    yield no("tolerance.settle", HEAD, name, SETTLED)
    yield yes("case.decide", DECIDER, CASE, DECIDE_BODY)
    yield from over(CASE, HEAD, WINDOW, CLERK)
    deliver = UNDER | {"mode": "counter"}
    yield no("case.deliver", CLERK, CASE, deliver)
    yield no("tolerance.settle", CLERK, name, SETTLED | {"received": ["form"]})
    yield yes("tolerance.settle", CLERK, name, SETTLED)
    yield yes("case.deliver", CLERK, CASE, deliver)
    review = {"case": CASE, "checklist": ZERO, "result": "complete"}
    yield no("review.form", CLERK, f"{SICHUAN}/form-review/1", review)


# ---- grants -------------------------------------------------------------------------------------


def grants_that_do_not_carry() -> Story:
    case, opened = f"{SICHUAN}/case/new", OPEN_BODY
    other = ITEM_BODY | {"code": "000500000002", "training": "medical"}
    yield yes("item.publish", HEAD, OTHER_ITEM, other)
    yield no("case.open", CLERK, case, opened | {"grant": f"{TIBET}/grant/none"})
    yield no("case.open", CLERK, case, opened | {"item": OTHER_ITEM})
    yield no("case.open", CLERK, case, opened | {"item": f"{TIBET}/item/none"})
    yield no("case.open", CLERK, case, opened | {"item_version": 2})
    yield no("case.open", CLERK, case, opened | {"department": HEALTH})
    yield no("case.open", CLERK, case, opened | {"window": WINDOW_2})
    yield no("case.open", CLERK, case, opened | {"window": f"{SICHUAN}/window/none"})
    yield no("case.open", CLERK, case, {k: it for k, it in opened.items() if k != "window"})
    yield no("case.open", CLERK, case, OWN_BODY)
    yield no("case.open", CHIEF, case, opened)
    yield no("case.open", CLERK, f"{TIBET}/case/new", opened)
    yield no("case.open", CLERK_2, case, opened | {"window": WINDOW_2})
    grant = f"{TIBET}/grant/a"
    yield from lent(grant, valid_from=UNTIL_S - 9)
    yield no("case.open", CLERK, case, opened | {"grant": grant})
    grant = f"{TIBET}/grant/b"
    yield from lent(grant, rights=["notice"])
    yield no("case.open", CLERK, case, opened | {"grant": grant})
    grant = f"{TIBET}/grant/c"
    yield yes("grant.offer", HEAD, grant, GRANT_BODY)
    yield no("case.open", CLERK, case, opened | {"grant": grant})
    yield no("grant.accept", CLERK, grant, {"window": WINDOW, "item": ITEM})
    yield no("grant.accept", HEAD_SC, grant, {"window": WINDOW_2, "item": ITEM})
    yield no("grant.accept", CHIEF, grant, {"window": WINDOW, "item": OTHER_ITEM})
    yield no("grant.accept", CLERK_CQ, grant, {"window": WINDOW, "item": ITEM})
    yield yes("grant.suspend", HEAD, grant, WHY)
    yield no("grant.accept", CHIEF, grant, {"window": WINDOW, "item": ITEM})
    yield no("grant.renew", HEAD, grant, WHY | {"valid_until": UNTIL_S + 9})
    grant = f"{TIBET}/grant/d"
    yield from lent(grant, training="medical", item=OTHER_ITEM)
    trained = opened | {"grant": grant, "item": OTHER_ITEM}
    yield no("case.open", CLERK, case, trained)
    yield no("training.attest", CLERK_CQ, CLERK, {"course": "medical", "evidence": ZERO})
    yield no("training.attest", CLERK_2, CLERK, {"course": "medical", "evidence": ZERO})
    yield no("training.attest", CHIEF, CHIEF, {"course": "medical", "evidence": ZERO})
    yield yes("training.attest", CHIEF, CLERK, {"course": "medical", "evidence": ZERO})
    yield yes("case.open", CLERK, case, trained)
    grant = f"{TIBET}/grant/e"
    yield from lent(grant, quota=1)
    yield yes("case.open", CLERK, f"{SICHUAN}/case/f", opened | {"grant": grant})
    yield no("case.open", CLERK, f"{SICHUAN}/case/g", opened | {"grant": grant})
    seen = {"documents": ["id-copy"], "result": "match", "method": "original", "window": WINDOW}
    yield no("case.verify", CLERK, CASE, seen | {"grant": grant})
    yield yes("case.verify", CLERK, f"{SICHUAN}/case/f", seen | {"grant": grant})
    yield yes("grant.revoke", HEAD, grant, WHY)
    yield no("case.verify", CLERK, f"{SICHUAN}/case/f", seen | {"grant": grant})
    yield no("grant.renew", HEAD, GRANT, WHY | {"valid_until": UNTIL_S})
    yield no("grant.renew", OUTSIDER, GRANT, WHY | {"valid_until": UNTIL_S + 9})


def grants_that_may_not_be_offered() -> Story:
    grant, basis = f"{TIBET}/grant/a", f"{TIBET}/basis/1"
    policy = {"title": "方案", "document": "1号", "valid_from": FROM_S, "valid_until": UNTIL_S}
    yield no("basis.publish", DECIDER, basis, policy)
    yield yes("basis.publish", HEAD, basis, policy)
    for changed in (
        {"rights": ["decide"]},
        {"rights": []},
        {"window": HRSS_SC},
        {"window": "990000/window/a"},
        {"valid_until": FROM_S},
        {"basis": f"{TIBET}/basis/none"},
        {"basis": basis, "valid_until": UNTIL_S + 1},
        {"basis": basis, "valid_from": FROM_S - 1},
        {"item": f"{TIBET}/item/none"},
        {"item_version": 2},
    ):
        yield no("grant.offer", HEAD, grant, GRANT_BODY | changed)
    yield no("grant.offer", OUTSIDER, grant, GRANT_BODY)
    yield no("grant.offer", DECIDER, grant, GRANT_BODY)
    yield no("grant.offer", HEAD, f"{SICHUAN}/grant/a", GRANT_BODY)
    yield no("grant.offer", HEAD_SC, f"{SICHUAN}/grant/a", GRANT_BODY)
    yield no("item.publish", OUTSIDER, ITEM, ITEM_BODY | {"version": 2, "department": HEALTH})
    yield no("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 3})
    yield no("item.publish", HEAD, f"{SICHUAN}/item/1", ITEM_BODY)
    yield yes("grant.offer", HEAD, grant, GRANT_BODY | {"basis": basis})
    yield no("grant.renew", HEAD, grant, WHY | {"valid_until": UNTIL_S + 1})
    to_stop = f"{TIBET}/grant/b"
    yield yes("grant.offer", HEAD, to_stop, GRANT_BODY | {"window": WINDOW_2})
    yield yes("party.suspend", SICHUAN, WINDOW_2, WHY)
    yield no("grant.accept", CHIEF, to_stop, {"window": WINDOW_2, "item": ITEM})
    yield yes("item.withdraw", HEAD, ITEM, WHY)
    yield no("grant.offer", HEAD, f"{TIBET}/grant/c", GRANT_BODY)
    yield no("case.open", CLERK, f"{SICHUAN}/case/new", OPEN_BODY)


# ---- parties, corrections -----------------------------------------------------------------------


def parties_and_what_they_said() -> Story:
    colleague, manager = f"{SICHUAN}/officer/w3-02", f"{SICHUAN}/officer/w4-02"
    seat = officer(WINDOW, colleague, ["decide", "receive"])
    yield no("party.enrol", SICHUAN, colleague, seat | {"unit": f"{SICHUAN}/window/none"})
    yield no("party.enrol", CHIEF, colleague, seat)
    yield no("party.enrol", SICHUAN, colleague, officer(WINDOW, CLERK, ["receive"]))
    yield yes("party.enrol", SICHUAN, colleague, seat)
    yield yes("party.enrol", SICHUAN, manager, officer(WINDOW_2, manager, ["manage"]))
    said = {"index": LAST, "reason": "误录", "remark": "应为窗口"}
    yield no("act.correct", colleague, CASE, said)
    yield no("act.correct", manager, CASE, said)
    yield no("act.correct", CLERK, CASE, said | {"index": 0})
    yield no("act.correct", CHIEF, WINDOW, said)
    yield yes("act.correct", CHIEF, CASE, said)
    yield yes("act.correct", CLERK, CASE, said)
    yield no("party.suspend", CLERK, colleague, WHY)
    yield no("party.suspend", manager, colleague, WHY)
    yield yes("party.suspend", CHIEF, colleague, WHY)
    yield no("contact.first", colleague, f"{SICHUAN}/first-contact/1", {"matter": "a1"})
    yield no("party.resume", SICHUAN, colleague, WHY)
    yield no("party.suspend", CHIEF, colleague, WHY)
    yield yes("party.resume", CHIEF, colleague, WHY)
    yield yes("party.suspend", SICHUAN, HALL, WHY)
    yield no("contact.first", CLERK, f"{SICHUAN}/first-contact/1", {"matter": "a1"})
    yield no("party.enrol", SICHUAN, f"{SICHUAN}/window/new", _window())
    yield from over(CASE, CLERK, HRSS, HEAD)
    yield yes("handoff.offer", HEAD, CASE, {"unit": WINDOW})
    yield no("handoff.accept", CLERK, CASE, {"holder": TIBET})
    yield no("handoff.cancel", TIBET, CASE, {})
    yield yes("handoff.decline", CLERK, CASE, {"holder": TIBET, **WHY})
    yield yes("handoff.cancel", TIBET, CASE, {})


def _window() -> dict[str, Any]:
    return {"name": "窗口", "hall": HALL, "department": HRSS_SC}


STORIES: Final = (
    a_branch_on_wrong_ways,
    decisions_by_those_who_may_not,
    papers_asked_for_wrongly,
    grants_that_do_not_carry,
    grants_that_may_not_be_offered,
    parties_and_what_they_said,
)
