from dataclasses import replace
from typing import Any

import pytest

from authz.trace import Trace, trace
from tests.authz.refusals import refused
from tests.authz.test_trace import entries_of
from tests.authz.world import (
    CASE,
    CHIEF,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    GRANT,
    HEAD_SC,
    KINDS,
    OPEN_BODY,
    OPENED,
    SICHUAN,
    WINDOW,
    WINDOW_2,
    World,
    officer,
)

NOTICE = {"missing": ["proof"], "grant": GRANT, "window": WINDOW}


def test_a_correction_changes_nothing_and_is_followed_by_the_next_act() -> None:
    world = OPENED.copy()
    before = world.state(SICHUAN, CASE)
    index = len(world.logs[SICHUAN].statements) - 1
    body = {"index": index, "reason": "误录", "remark": "受理方式应为窗口"}
    world.do("act.correct", CLERK, CASE, body, corrects=index)
    assert world.state(SICHUAN, CASE) == before
    world.do("case.notice", CLERK, CASE, NOTICE)


def test_a_correction_cites_the_one_entry_it_corrects() -> None:
    world = OPENED.copy()
    index = len(world.logs[SICHUAN].statements) - 1
    body = {"index": index, "reason": "误录", "remark": "应为窗口"}
    with refused("void-citation"):
        world.do("act.correct", CLERK, CASE, body)
    with refused("void-citation"):
        world.do("act.correct", CLERK, CASE, body, corrects=index - 1)
    # Another act on the same case is not the one that it says.
    world.do("case.note", CLERK, CASE, {"remark": "待补"})
    with refused("void-citation"):
        world.do("act.correct", CLERK, CASE, body, corrects=index + 1)


def wrong(index: int) -> dict[str, Any]:
    return {"index": index, "reason": "误录", "remark": "应为窗口"}


@pytest.mark.parametrize("who", [CLERK, HEAD_SC, CHIEF, SICHUAN])
def test_an_act_is_corrected_by_its_author_by_a_manager_over_them_or_by_the_region(
    who: str,
) -> None:
    world = OPENED.copy()
    index = len(world.logs[SICHUAN].statements) - 1
    world.do("act.correct", who, CASE, wrong(index), corrects=index)


def test_nobody_corrects_what_a_colleague_did_or_what_is_done_in_another_unit() -> None:
    world = OPENED.copy()
    index = len(world.logs[SICHUAN].statements) - 1
    colleague, manager = "510000/officer/w3-02", "510000/officer/w4-02"
    world.do("party.enrol", SICHUAN, colleague, officer(WINDOW, colleague, ["decide", "receive"]))
    world.do("party.enrol", SICHUAN, manager, officer(WINDOW_2, manager, ["manage"]))
    for who in (colleague, manager):
        with refused("not-entitled"):
            world.do("act.correct", who, CASE, wrong(index), corrects=index)


def test_what_the_region_signed_the_region_corrects() -> None:
    world = OPENED.copy()
    log = world.logs[SICHUAN].statements
    index = next(at for at, it in enumerate(log) if it.subject == WINDOW)
    with refused("not-entitled"):
        world.do("act.correct", CHIEF, WINDOW, wrong(index), corrects=index)
    world.do("act.correct", SICHUAN, WINDOW, wrong(index), corrects=index)


def test_a_correction_is_of_an_act_on_the_same_object() -> None:
    world = OPENED.copy()
    world.do("case.open", CLERK, "510000/case/2", OPEN_BODY)
    index = len(world.logs[SICHUAN].statements) - 1
    with refused("void-citation"):
        world.do("act.correct", CLERK, CASE, wrong(index), corrects=index)
    # Its row says what was attested of a window, which is no act on the window.
    ready = {"version": 1, "window": WINDOW, "evidence": bytes(32)}
    ready |= dict.fromkeys(("staff", "video", "scan", "print"), True)
    world.do("readiness.attest", CHIEF, "510000/readiness/1", ready)
    index = len(world.logs[SICHUAN].statements) - 1
    with refused("void-citation"):
        world.do("act.correct", CHIEF, WINDOW, wrong(index), corrects=index)


def test_a_void_act_is_corrected_by_nobody() -> None:
    world = OPENED.copy()
    with refused("not-holder"):
        world.do("case.note", CLERK_2, CASE, {"remark": "无"}, force=True)
    index = len(world.logs[SICHUAN].statements) - 1
    with refused("void-citation"):
        world.do("act.correct", CLERK_2, CASE, wrong(index), corrects=index)


def test_a_region_corrects_only_what_it_has_recorded() -> None:
    world = OPENED.copy()
    body = {"index": 1, "reason": "误录", "remark": "应为窗口"}
    with refused("unknown-object"):
        world.do("act.correct", CLERK_CQ, CASE, body, corrects=1)


def timeline(world: World) -> Trace:
    return trace(CASE, entries_of(world), KINDS)


def test_what_was_held_to_be_so_is_told_before_and_after_each_correction() -> None:
    world = OPENED.copy()
    opened = len(world.logs[SICHUAN].statements) - 1
    began_s = world.now_s
    for after_s, remark in ((100, "受理方式应为窗口"), (200, "受理方式应为全程网办")):
        world.now_s = began_s + after_s
        body = {"index": opened, "reason": "误录", "remark": remark}
        world.do("act.correct", CLERK, CASE, body, corrects=opened)
    told = timeline(world)
    origin = world.logs[SICHUAN].origin
    of, first, second = ((origin, opened + at) for at in range(3))
    assert [(it.of, it.at, it.from_s, it.until_s) for it in told.beliefs] == [
        (of, of, began_s, began_s + 100),
        (of, first, began_s + 100, began_s + 200),
        (of, second, began_s + 200, None),
    ]
    assert told.beliefs[0].body["mode"] == "agency"
    assert [it.body.get("remark") for it in told.beliefs][1:] == [
        "受理方式应为窗口",
        "受理方式应为全程网办",
    ]
    assert told.lines[0].corrected_by == (first, second)
    assert [line.corrects for line in told.lines] == [None, of, of]


def test_a_correction_of_a_correction_says_more_of_the_act_that_both_are_about() -> None:
    world = OPENED.copy()
    opened = len(world.logs[SICHUAN].statements) - 1
    for index in (opened, opened + 1):
        body = {"index": index, "reason": "误录", "remark": "应为窗口"}
        world.do("act.correct", CLERK, CASE, body, corrects=index)
    told = timeline(world)
    assert {it.of for it in told.beliefs} == {(world.logs[SICHUAN].origin, opened)}
    assert [it.until_s is None for it in told.beliefs] == [False, False, True]


def test_a_void_correction_is_believed_by_nobody() -> None:
    world = OPENED.copy()
    opened = len(world.logs[SICHUAN].statements) - 1
    body = {"index": opened, "reason": "误录", "remark": "应为窗口"}
    world.do("act.correct", CLERK, CASE, body, corrects=opened)
    void = [replace(it, changed={}) for it in entries_of(world)[-1:]]
    told = trace(CASE, [*entries_of(world)[:-1], *void], KINDS)
    assert told.beliefs == ()
    assert [line.corrects for line in told.lines] == [None, None]
