from authz.item import version_object
from tests.authz.refusals import refused
from tests.authz.world import (
    DECIDER,
    ENROLLED,
    HEAD,
    HEAD_SC,
    HEALTH,
    HRSS,
    HRSS_SC,
    ITEM,
    ITEM_BODY,
    OUTSIDER,
    TIBET,
)

WHY = {"reason": "停办"}


def test_items_are_published_by_their_own_department_in_turn() -> None:
    world = ENROLLED.copy()
    for who, code in (
        (OUTSIDER, "not-competent"),
        (DECIDER, "not-entitled"),
        (HEAD_SC, "not-competent"),
    ):
        with refused(code):
            world.do("item.publish", who, ITEM, ITEM_BODY)
    for change, code in (
        ({"version": 2}, "wrong-state"),
        ({"tolerable": ["other"]}, "extra-material"),
    ):
        with refused(code):
            world.do("item.publish", HEAD, ITEM, ITEM_BODY | change)
    with refused("bad-field"):
        world.do("item.publish", HEAD, "540000/item/" + "1" * 55, ITEM_BODY)
    with refused("not-competent"):
        world.do("item.publish", HEAD_SC, ITEM, ITEM_BODY | {"department": HRSS_SC})
    world.do("item.publish", HEAD, ITEM, ITEM_BODY)
    with refused("not-competent"):
        world.do("item.publish", OUTSIDER, ITEM, ITEM_BODY | {"version": 2, "department": HEALTH})
    with refused("not-competent"):
        world.do("item.withdraw", OUTSIDER, ITEM, WHY)
    with refused("unknown-object"):
        world.do("item.withdraw", HEAD, "540000/item/none", WHY)
    world.do("item.withdraw", HEAD, ITEM, WHY)
    with refused("wrong-state"):
        world.do("item.withdraw", HEAD, ITEM, WHY)
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 2})
    assert world.state(TIBET, ITEM) == {"live": True, "v": 2, "dept": HRSS}


def test_an_item_wants_a_live_department() -> None:
    world = ENROLLED.copy()
    world.do("party.retire", TIBET, HRSS, WHY)
    with refused("unit-stopped"):
        world.do("item.publish", HEAD, ITEM, ITEM_BODY)


def test_a_version_keeps_its_lists_when_another_follows() -> None:
    world = ENROLLED.copy()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY)
    first = world.state(TIBET, version_object(ITEM, 1))
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 2, "materials": ["proof"]})
    # It has ended, and those who work under it read it on.
    assert world.state(TIBET, version_object(ITEM, 1)) == {**first, "live": False}
    assert world.state(TIBET, version_object(ITEM, 2))["mat"] == ["proof"]
    assert first["mat"] == ITEM_BODY["materials"]


def test_a_version_ends_when_its_item_is_withdrawn_and_does_not_come_back() -> None:
    world = ENROLLED.copy()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY)
    world.do("item.withdraw", HEAD, ITEM, WHY)
    ended = world.newest(TIBET, version_object(ITEM, 1))
    assert ended is not None
    assert not ended.live
    judgement = world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 2})
    assert world.newest(TIBET, version_object(ITEM, 1)) == ended
    assert len(judgement.changes) == 2
