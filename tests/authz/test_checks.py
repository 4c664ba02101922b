"""Checks that are challenged cite the very check; sessions by video want the equipment for it."""

from typing import Any

import pytest

from tests.authz.refusals import refused
from tests.authz.test_beside import (
    CHALLENGE,
    DUE_S,
    HASH,
    SEEN,
    UNDER,
    at_owner,
    equip,
    raised,
)
from tests.authz.world import (
    CASE,
    CLERK,
    GRANT,
    HEAD,
    HRSS,
    HRSS_SC,
    LENT,
    OPEN_BODY,
    OPENED,
    SICHUAN,
    TIBET,
    WINDOW,
    WINDOW_2,
    World,
)

OTHER = bytes([1]) * 32


def test_a_challenge_cites_the_check_that_it_is_of() -> None:
    world = at_owner(OPENED)
    body = raised(world)
    world.do("challenge.raise", HEAD, CHALLENGE, body)
    made = world.logs[TIBET].statements[-1]
    [cited] = [it for it in made.act.citations if it.role == "checked"]
    checked = world.logs[SICHUAN].statements[cited.index]
    assert (checked.act.kind, cited.leaf) == ("case.verify", body["check"])


def test_a_check_that_nobody_made_is_not_challenged() -> None:
    world = at_owner(OPENED)
    with refused("unknown-object"):
        world.do("challenge.raise", HEAD, CHALLENGE, raised(world) | {"check": OTHER})
    review = {"review": "510000/form-review/9"}
    with refused("unknown-object"):
        world.do("challenge.raise", HEAD, CHALLENGE, raised(world) | review)
    with refused("bad-field"):
        both = review | {"identity": "510000/identity-check/9"}
        world.do("challenge.raise", HEAD, CHALLENGE, raised(world) | both)


def test_a_check_of_another_case_is_not_challenged_on_this_one() -> None:
    world = at_owner(OPENED)
    other = "510000/case/2026-000018"
    body = {name: it for name, it in OPEN_BODY.items() if it is not None}
    world.do("case.open", CLERK, other, body)
    world.do("case.verify", CLERK, other, SEEN | UNDER)
    with refused("wrong-document"):
        world.do("challenge.raise", HEAD, CHALLENGE, raised(world))


def test_a_check_is_challenged_at_the_unit_that_made_it_and_not_at_one_s_own() -> None:
    world = at_owner(OPENED)
    with refused("not-addressee"):
        world.do("challenge.raise", HEAD, CHALLENGE, raised(world) | {"to": WINDOW_2})
    with refused("wrong-state"):
        world.do("challenge.raise", HEAD, CHALLENGE, raised(world) | {"to": HRSS})


def test_a_review_of_the_form_is_challenged_by_its_record() -> None:
    world = LENT.copy().open()
    record = "510000/form-review/1"
    review = {"case": CASE, "checklist": HASH, "result": "complete", "grant": GRANT}
    world.do("review.form", CLERK, record, review)
    leaf = world.logs[SICHUAN].statements[-1].leaf
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.note", HEAD, CASE, {"remark": "已接收"})
    body = {"case": CASE, "to": WINDOW, "review": record, "check": leaf, "reason": "漏项"}
    with refused("wrong-document"):
        world.do("challenge.raise", HEAD, CHALLENGE, body | {"due": DUE_S, "check": OTHER})
    world.do("challenge.raise", HEAD, CHALLENGE, body | {"due": DUE_S})
    assert world.state(TIBET, CHALLENGE)["st"] == "raised"


# ---- video --------------------------------------------------------------------------------------

SESSION = "510000/video-session/1"
START = {"case": CASE, "parties": [HRSS_SC, WINDOW], "purpose": "verify", "started": 100}


def session(world: World, **changes: Any) -> None:
    world.do("video.start", CLERK, SESSION, START | changes)


def test_a_window_holds_a_video_session_once_it_is_attested_to_be_equipped_for_it() -> None:
    world = OPENED.copy()
    with refused("not-equipped"):
        session(world)
    equip(world, video=False)
    with refused("not-equipped"):
        session(world)
    equip(world, version=2)
    with refused("not-equipped"):
        session(world, parties=[WINDOW, WINDOW_2])
    session(world)


def test_a_session_is_recorded_by_who_takes_part_with_windows_in_service() -> None:
    world = OPENED.copy()
    equip(world)
    with refused("not-entitled"):
        session(world, parties=[HRSS_SC])
    with refused("window-not-live"):
        session(world, parties=[WINDOW, "510000/window/w9"])
    world.do("party.suspend", SICHUAN, WINDOW_2, {"reason": "整修"})
    with refused("window-not-live"):
        session(world, parties=[WINDOW, WINDOW_2])
    session(world, parties=["500000/window/w1", WINDOW])


@pytest.mark.parametrize("parties", [[HRSS], [WINDOW, HRSS]])
def test_an_authority_needs_no_attestation_for_the_other_side_s_window(parties: list[str]) -> None:
    world = at_owner(OPENED)
    world.do("video.start", HEAD, "540000/video-session/1", START | {"parties": parties})
