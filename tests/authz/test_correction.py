from tests.authz.refusals import refused
from tests.authz.world import CASE, CLERK, CLERK_CQ, GRANT, SICHUAN, WINDOW, World

OPENED = World().enrol().lend().open()
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


def test_a_region_corrects_only_what_it_has_recorded() -> None:
    world = OPENED.copy()
    body = {"index": 1, "reason": "误录", "remark": "应为窗口"}
    with refused("unknown-object"):
        world.do("act.correct", CLERK_CQ, CASE, body, corrects=1)
