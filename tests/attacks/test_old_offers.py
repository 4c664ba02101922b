"""Offers of one case are told apart, also where an old view still shows an old one."""

from typing import Any

from authz.custody import holder_of
from tests.authz.refusals import refused
from tests.authz.world import (
    CASE,
    CLERK,
    HEAD,
    HRSS,
    SICHUAN,
    TIBET,
    WINDOW_CQ,
    World,
)

OPENED = World().enrol().lend().open()


def test_an_old_offer_by_another_region_does_not_answer_the_one_that_is_open_here() -> None:
    world = OPENED.copy()
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    old = world.view(TIBET, SICHUAN)
    world.do("handoff.accept", HEAD, CASE, {"holder": SICHUAN})
    world.do("handoff.release", SICHUAN, CASE, {})
    world.do("handoff.offer", HEAD, CASE, {"unit": WINDOW_CQ})
    world.viewed[TIBET, SICHUAN] = old
    with refused("wrong-state"):
        world.do("handoff.accept", HEAD, CASE, {"holder": SICHUAN}, stale=True)
    row: Any = world.state(TIBET, CASE)
    assert (row["at"], row["unit"], row["to"]) == ("offered", HRSS, WINDOW_CQ)
    assert holder_of({TIBET: row}) == HRSS
