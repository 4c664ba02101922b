"""A region that has no part in a case cannot bury its evidence under mentions of it."""

import pytest

from authz.case_bundle import counted, judge_bundle, wanted
from authz.replay import Place
from ledger.bundle import check_bundle
from tests.authz.test_case_bundle import Reader, bundle_of
from tests.authz.world import (
    CASE,
    CHONGQING,
    CLERK,
    CLERK_CQ,
    DECIDER,
    FROM_S,
    HEAD,
    HEAD_SC,
    HRSS,
    HRSS_SC,
    KINDS,
    SICHUAN,
    SIGNED,
    TIBET,
    UNTIL_S,
    WINDOW,
    World,
)


def seal(world: World, region: str, keeper: str) -> None:
    body = {
        "name": "章",
        "owner": f"{region}/department/hrss",
        "keepers": [keeper],
        "approval": False,
        "certificate": bytes(32),
        "valid_from": FROM_S,
        "valid_until": UNTIL_S,
    }
    world.do("seal.issue", region, f"{region}/seal/s", body)


def stamp(world: World, keeper: str, number: int) -> Place:
    region = keeper[:6]
    body = {"seal": f"{region}/seal/s", "document": bytes(32), "case": CASE, "purpose": "无"}
    world.do("seal.use", keeper, f"{region}/seal-use/{number}", body)
    return Place(world.logs[region].origin, len(world.logs[region].statements) - 1)


@pytest.fixture
def world() -> World:
    world = World(real_views=True).enrol().lend().open()
    seal(world, CHONGQING, CLERK_CQ)
    seal(world, SICHUAN, CLERK)
    seal(world, TIBET, DECIDER)
    return world


def test_mentions_by_a_stranger_are_not_even_read(world: World) -> None:
    flood = {stamp(world, CLERK_CQ, number) for number in range(30)}
    read: set[Place] = set()

    class Watched(Reader):
        def statement(self, place):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            read.add(place)
            return super().statement(place)

    places = wanted(CASE, Watched(world), KINDS)
    assert world.logs[CHONGQING].origin not in {place.origin for place in places}
    assert not read & flood
    trace = judge_bundle(check_bundle(bundle_of(world).encode(), SIGNED), KINDS)
    assert [line.kind for line in trace.lines] == ["case.open"]


def test_a_stranger_in_a_bundle_all_the_same_does_not_show_in_the_timeline(world: World) -> None:
    place = stamp(world, CLERK_CQ, 1)
    places = [*wanted(CASE, Reader(world), KINDS)]
    origin = place.origin
    places += [Place(origin, at) for at in range(place.index + 1)]
    trace = judge_bundle(check_bundle(bundle_of(world, sorted(places)).encode(), SIGNED), KINDS)
    assert [line.kind for line in trace.lines] == ["case.open"]


def test_who_holds_the_case_counts_and_who_has_given_it_away_no_more(world: World) -> None:
    owners = [stamp(world, DECIDER, 0)]
    held = [stamp(world, CLERK, 1)]
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    held.append(stamp(world, CLERK, 2))
    world.do("handoff.accept", HEAD, CASE, {"holder": SICHUAN})
    world.do("handoff.release", SICHUAN, CASE, {})
    given_away = stamp(world, CLERK, 3)
    owners.append(stamp(world, DECIDER, 4))
    world.do("handoff.offer", HEAD, CASE, {"unit": WINDOW})
    world.do("handoff.accept", CLERK, CASE, {"holder": TIBET})
    held.append(stamp(world, CLERK, 5))
    places = wanted(CASE, Reader(world), KINDS)
    assert set(held) | set(owners) <= set(places)
    assert given_away not in places
    trace = judge_bundle(check_bundle(bundle_of(world).encode(), SIGNED), KINDS)
    assert [line.kind for line in trace.lines].count("seal.use") == len(held) + len(owners)


def test_within_one_region_it_stays_held_and_a_decline_takes_nothing(world: World) -> None:
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS})
    world.do("handoff.decline", HEAD, CASE, {"holder": SICHUAN, "reason": "不收"})
    world.do("handoff.cancel", SICHUAN, CASE, {"reason": "不收"})
    first = stamp(world, CLERK, 1)
    world.do("handoff.offer", CLERK, CASE, {"unit": HRSS_SC})
    world.do("handoff.accept", HEAD_SC, CASE, {"holder": SICHUAN})
    world.do("handoff.release", SICHUAN, CASE, {})
    second = stamp(world, CLERK, 2)
    places = wanted(CASE, Reader(world), KINDS)
    assert {first, second} <= set(places)


def test_a_case_whose_opening_is_not_held_here_has_no_owner_to_trust() -> None:
    assert counted(CASE, [], [Place("x.example/540000", 3)]) == []
