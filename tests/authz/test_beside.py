"""What is done beside a case for another place rests on one right of one grant, like the case."""

from typing import Any

import pytest

from tests.authz.refusals import refused
from tests.authz.world import (
    CASE,
    CHIEF,
    CLERK,
    CLERK_2,
    DECIDER,
    GRANT,
    GRANT_BODY,
    HEAD,
    HEAD_SC,
    HEALTH,
    HRSS,
    HRSS_SC,
    ITEM,
    LENT,
    OPEN_BODY,
    OPENED,
    OUTSIDER,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
    World,
    officer,
)

HASH = bytes(32)
DUE_S = OPENED.now_s + 1_000
UNDER = {"grant": GRANT, "window": WINDOW}
WHY = {"reason": "调整"}

BESIDE: list[tuple[str, str, dict[str, Any], str]] = [
    ("review.form", "form-review", {"checklist": HASH, "result": "complete"}, "intake"),
    (
        "identity.check",
        "identity-check",
        {"method": "card", "result": "match", "evidence": HASH},
        "verify",
    ),
    (
        "share.use",
        "data-share",
        {"material": "proof", "dataset": "d1", "response": HASH},
        "intake",
    ),
    (
        "paper.ask",
        "paper-request",
        {"item": ITEM, "item_version": 1, "material": "proof", "reason": "无共享数据"},
        "notice",
    ),
    (
        "tolerance.accept",
        "tolerance",
        {
            "item": ITEM,
            "item_version": 1,
            "missing": ["proof"],
            "consent": HASH,
            "due": DUE_S,
        },
        "intake",
    ),
    (
        "commitment.make",
        "commitment",
        {"materials": ["proof"], "promise": HASH, "due": DUE_S},
        "intake",
    ),
]


@pytest.mark.parametrize(("kind", "record", "body", "right"), BESIDE)
def test_an_act_beside_a_case_of_another_place_rests_on_the_right_to_it(
    kind: str, record: str, body: dict[str, Any], right: str
) -> None:
    name, body = f"510000/{record}/1", body | {"case": CASE}
    with refused("no-grant"):
        OPENED.copy().do(kind, CLERK, name, body)
    judgement = OPENED.copy().do(kind, CLERK, name, body | {"grant": GRANT})
    assert [use.need for use in judgement.uses] == ["grant"]
    world = OPENED.copy()
    world.do("grant.revoke", HEAD, GRANT, WHY)
    with refused("grant-not-live"):
        world.do(kind, CLERK, name, body | {"grant": GRANT})
    rest = sorted({"intake", "notice", "verify", "deliver"} - {right})
    other = OPENED.copy()
    other.do("grant.offer", HEAD, "540000/grant/rest", _grant(rest))
    other.do("grant.accept", HEAD_SC, "540000/grant/rest", {"window": WINDOW, "item": ITEM})
    with refused("right-not-granted"):
        other.do(kind, CLERK, name, body | {"grant": "540000/grant/rest"})


def _grant(rights: list[str]) -> dict[str, Any]:
    offered = next(it for it in LENT.logs["540000"].statements if it.act.kind == "grant.offer")
    return {**offered.act.body, "rights": rights}


def test_an_authority_s_own_act_beside_a_case_needs_no_grant() -> None:
    world = OPENED.copy().hand_over(CLERK, HRSS, HEAD)
    world.do("case.note", HEAD, CASE, {"remark": "已接收"})
    body = {"case": CASE, "checklist": HASH, "result": "complete"}
    judgement = world.do("review.form", HEAD, "540000/form-review/1", body)
    assert judgement.uses == ()


def test_at_another_department_s_window_in_the_same_region_a_grant_is_wanted_too() -> None:
    world = LENT.copy()
    window, clerk, case = "540000/window/w1", "540000/officer/w1-01", "540000/case/1"
    grant, record = "540000/grant/within", "540000/form-review/1"
    world.do("party.enrol", TIBET, "540000/hall/main", {"name": "大厅"})
    body = {"name": "综合窗口", "hall": "540000/hall/main", "department": HEALTH}
    world.do("party.enrol", TIBET, window, body)
    world.do("party.enrol", TIBET, clerk, officer(window, clerk, ["receive"]))
    world.do("grant.offer", HEAD, grant, GRANT_BODY | {"window": window})
    world.do("grant.accept", OUTSIDER, grant, {"window": window, "item": ITEM})
    world.do("case.open", clerk, case, OPEN_BODY | {"grant": grant, "window": window})
    review = {"case": case, "checklist": HASH, "result": "complete"}
    with refused("not-competent"):
        world.do("review.form", clerk, record, review)
    world.copy().do("review.form", clerk, record, review | {"grant": grant})
    world.do("grant.revoke", HEAD, grant, WHY)
    with refused("grant-not-live"):
        world.do("review.form", clerk, record, review | {"grant": grant})


def test_only_who_owns_the_item_stops_its_clock() -> None:
    world = OPENED.copy()
    decider = "510000/officer/w3-08"
    world.do("party.enrol", SICHUAN, decider, officer(WINDOW, decider, ["decide"]))
    start = {"case": CASE, "item": ITEM, "item_version": 1, "procedure": "hearing", "notice": HASH}
    with refused("unknown-object"):
        world.do("procedure.start", decider, "510000/procedure/1", start)


# ---- checks are trusted (信任为先) --------------------------------------------------------------

SEEN = {"documents": ["id-copy"], "result": "match", "method": "original"}
CHALLENGE = "540000/challenge/1"


def raised(world: World) -> dict[str, Any]:
    """The challenge of the last check at the window."""
    checks = [it for it in world.logs[SICHUAN].statements if it.act.kind == "case.verify"]
    reason = {"reason": "照片不符", "due": DUE_S}
    return {"case": CASE, "to": WINDOW, "check": checks[-1].leaf, **reason}


def at_owner(opened: World = OPENED) -> World:
    world = opened.copy()
    world.do("case.verify", CLERK, CASE, SEEN | UNDER)
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.note", HEAD, CASE, {"remark": "已接收"})
    return world


def test_a_check_made_again_without_a_challenge_counts_and_is_marked() -> None:
    world = at_owner()
    (flag,) = world.copy().do("case.verify", HEAD, CASE, SEEN).flags
    assert (flag.code, flag.detail) == ("checked-again", "it was checked before: id-copy")
    other = SEEN | {"documents": ["form"]}
    assert world.copy().do("case.verify", HEAD, CASE, other).flags == ()
    world.do("challenge.raise", HEAD, CHALLENGE, raised(world))
    again = SEEN | {"challenge": CHALLENGE}
    assert world.do("case.verify", HEAD, CASE, again).flags == ()


def test_a_paper_that_did_not_match_or_came_in_anew_may_be_checked_again() -> None:
    world = OPENED.copy()
    world.do("case.verify", CLERK, CASE, SEEN | UNDER | {"result": "mismatch"})
    assert world.do("case.verify", CLERK, CASE, SEEN | UNDER).flags == ()
    world.do("case.supplement", CLERK, CASE, {"received": ["id-copy"], **UNDER})
    assert world.do("case.verify", CLERK, CASE, SEEN | UNDER).flags == ()
    assert world.do("case.verify", CLERK, CASE, SEEN | UNDER).flags != ()


def test_the_challenge_that_is_named_is_the_unit_s_own_on_this_case() -> None:
    world = at_owner()
    with refused("unknown-object"):
        world.do("case.verify", HEAD, CASE, SEEN | {"challenge": CHALLENGE})
    other = "510000/challenge/1"
    mine = LENT.copy().open()
    mine.do("case.verify", CLERK, CASE, SEEN | UNDER)
    mine.hand_over(CLERK, WINDOW_2, CLERK_2)
    lent = "540000/grant/2"
    mine.do("grant.offer", HEAD, lent, _grant(["verify"]) | {"window": WINDOW_2})
    mine.do("grant.accept", HEAD_SC, lent, {"window": WINDOW_2, "item": ITEM})
    mine.do("challenge.raise", CLERK_2, other, raised(mine))
    mine.hand_over(CLERK_2, WINDOW, CLERK)
    with refused("unknown-object"):
        mine.do("case.verify", CLERK, CASE, SEEN | UNDER | {"challenge": other})


# ---- 一件事, sessions --------------------------------------------------------------------------


def test_what_came_with_a_bundle_none_of_its_cases_asks_for_again() -> None:
    world = OPENED.copy()
    bundle = {"theme": "newborn", "received": ["id-copy"], "materials": [HASH]}
    world.do("bundle.open", CLERK, "510000/bundle/1", bundle)
    world.do("bundle.add", CLERK, "510000/bundle/1", {"case": CASE})
    with refused("asked-again"):
        world.do("case.notice", CLERK, CASE, UNDER | {"missing": ["form", "id-copy"]})
    world.do("case.notice", CLERK, CASE, UNDER | {"missing": ["form"]})


def equip(world: World, **changes: Any) -> None:
    """Attest what the window has."""
    ready = {"version": 1, "window": WINDOW, "staff": True, "video": True, "scan": True}
    attested = ready | {"print": False, "evidence": HASH} | changes
    world.do("readiness.attest", CHIEF, "510000/readiness/w3", attested)


def test_a_video_session_ends_after_it_began() -> None:
    world = OPENED.copy()
    equip(world)
    name = "510000/video-session/1"
    start = {"case": CASE, "parties": [HRSS_SC, WINDOW], "purpose": "verify", "started": 100}
    world.do("video.start", CLERK, name, start)
    end = {"outcome": "done", "recording": HASH, "retention": "10y"}
    with refused("bad-field"):
        world.do("video.end", CLERK, name, end | {"ended": 99})
    world.do("video.end", CLERK, name, end | {"ended": 100})


def test_whoever_decides_does_not_stop_the_clock_of_another_department() -> None:
    world = OPENED.copy().hand_over(CLERK, HRSS, HEAD)
    world.do("case.note", HEAD, CASE, {"remark": "已接收"})
    listed = {"version": 1, "item": ITEM, "procedures": ["hearing"], "basis": "听证"}
    world.do("procedures.publish", HEAD, "540000/procedure-list/000500000001", listed)
    start = {"case": CASE, "item": ITEM, "item_version": 1, "procedure": "hearing", "notice": HASH}
    world.do("procedure.start", DECIDER, "540000/procedure/1", start)
