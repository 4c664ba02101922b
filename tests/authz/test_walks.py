"""Random ways through the three regions, against a model of a dozen lines."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.case import RIGHT_OF
from ledger.errors import LedgerError
from tests.authz.world import (
    ALL_RIGHTS,
    CASE,
    CHIEF,
    CLERK,
    DECIDE_BODY,
    DECIDER,
    GRANT,
    GRANT_BODY,
    HEAD,
    HRSS,
    ITEM,
    ITEM_BODY,
    OPEN_BODY,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    World,
)

PUBLISHED = World().enrol()
PUBLISHED.do("item.publish", HEAD, ITEM, ITEM_BODY)
WHY = {"reason": "调整"}
UNDER = {"grant": GRANT, "window": WINDOW}

GRANT_STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("grant.accept", CHIEF, {"window": WINDOW, "item": ITEM}),
    ("grant.decline", CHIEF, {"window": WINDOW, **WHY}),
    ("grant.suspend", HEAD, WHY),
    ("grant.resume", HEAD, WHY),
    ("grant.revoke", HEAD, WHY),
)
CASE_STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("case.open", CLERK, OPEN_BODY),
    ("case.notice", CLERK, {"missing": ["proof"], **UNDER}),
    ("case.supplement", CLERK, {"received": ["proof"], **UNDER}),
    (
        "case.verify",
        CLERK,
        {"documents": ["id-copy"], "result": "match", "method": "original", **UNDER},
    ),
    ("case.withdraw", CLERK, WHY | UNDER),
    ("case.deliver", CLERK, {"mode": "counter", **UNDER}),
    ("case.decide", CLERK, DECIDE_BODY),
    ("case.decide", HEAD, DECIDE_BODY),
    ("case.decide", DECIDER, DECIDE_BODY),
    ("case.notice", HEAD, {"missing": ["proof"]}),
    ("case.deliver", HEAD, {"mode": "counter"}),
    ("case.close", CLERK, {}),
    ("case.close", HEAD, {}),
    ("handoff.offer", CLERK, {"unit": HRSS}),
    ("handoff.offer", HEAD, {"unit": WINDOW}),
    ("handoff.accept", HEAD, {"holder": SICHUAN}),
    ("handoff.accept", CLERK, {"holder": TIBET}),
    ("handoff.release", SICHUAN, {}),
    ("handoff.release", TIBET, {}),
)


class Model:
    """What is true of the grant and the case, kept without any row or rule."""

    def __init__(self, rights: list[str]) -> None:
        self.rights = rights
        self.live, self.ended, self.answer = True, False, ""
        self.decided_by: list[str] = []
        self.notices = self.supplements = 0

    def took(self, kind: str, issuer: str) -> None:
        match kind:
            case "grant.suspend":
                assert self.live
                self.live = False
            case "grant.resume":
                assert not self.live
                assert not self.ended
                self.live = True
            case "grant.revoke":
                assert not self.ended
                self.live, self.ended = False, True
            case "grant.accept" | "grant.decline":
                assert not self.answer
                assert self.live
                self.answer = kind
            case "case.decide":
                self.decided_by.append(issuer)
            case "case.supplement":
                self.supplements += 1
            case "case.notice":
                self.notices += 1
                assert self.notices <= self.supplements + 1

    def check_right(self, world: World, right: str) -> None:
        assert self.live
        assert self.answer == "grant.accept"
        assert right in self.rights
        assert world.now_s < UNTIL_S


@settings(max_examples=150)
@given(
    rights=st.lists(st.sampled_from(ALL_RIGHTS), min_size=1, unique=True).map(sorted),
    accepted=st.booleans(),
    steps=st.lists(
        st.one_of(st.sampled_from(GRANT_STEPS), *[st.sampled_from(CASE_STEPS)] * 6), max_size=40
    ),
)
def test_no_act_without_a_live_grant_and_never_two_holders(
    *, rights: list[str], accepted: bool, steps: list[tuple[str, str, dict[str, Any]]]
) -> None:
    world, model = PUBLISHED.copy(), Model(rights)
    world.do("grant.offer", HEAD, GRANT, GRANT_BODY | {"rights": rights})
    if accepted:
        steps = [GRANT_STEPS[0], *steps]
    for kind, issuer, body in steps:
        subject = GRANT if kind.startswith("grant.") else CASE
        before = world.holders()
        try:
            judgement = world.do(kind, issuer, subject, body)
        except LedgerError:
            continue
        model.took(kind, issuer)
        if "grant" in body:
            model.check_right(world, RIGHT_OF[kind])
            opened = ["version"] if kind == "case.open" else []
            assert [use.need for use in judgement.uses] == ["grant", *opened]
        assert len(world.holders()) <= 1
        if kind.startswith("case.") and kind != "case.open":
            assert before == [issuer[:6]]
    assert len(model.decided_by) <= 1
    assert not {CLERK} & set(model.decided_by)
