"""What a region lacks is found from the rows of its objects, and gone once it is put right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from authz.gaps import CONTACT_DAYS, GAPS, Lack
from authz.listing import Kept
from tests.authz.bodies import CONTACT, PRINT, REACHED
from tests.authz.test_blanks import FROM_STOCK, STOCK, STOCKED
from tests.authz.test_grant_terms import LIST, LISTED, OURS, THEIRS, mutual
from tests.authz.test_listing import acts_on
from tests.authz.world import (
    CHIEF,
    CLERK,
    ENROLLED,
    GRANT,
    GRANT_BODY,
    HALL,
    HEAD,
    HEALTH,
    HRSS,
    HRSS_SC,
    ITEM,
    LENT,
    OUTSIDER,
    SICHUAN,
    TIBET,
    WINDOW,
    World,
)
from tests.vectors.own.network import key

DAY_S = 86_400
HASH = bytes(32)


@dataclass
class Looking:
    """A world, looked at as a node looks at its store."""

    world: World
    days: int = 0

    @property
    def now_s(self) -> int:
        return self.world.now_s

    @property
    def regions(self) -> Sequence[str]:
        return [SICHUAN, TIBET]

    def rows(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return {name: row for name in names if (row := self.row(name)) is not None}

    def row(self, name: str) -> Mapping[str, Any] | None:
        fact = self.world.newest(name[:6], name)
        return None if fact is None else fact.state

    def history(self, name: str) -> Sequence[Kept]:
        return acts_on(self.world, name)

    def all_of(self, region: str, type_: str) -> Mapping[str, Mapping[str, Any]]:
        names = {name for _, name in self.world.facts if name.startswith(f"{region}/{type_}/")}
        return self.rows(sorted(names))


def lacks(world: World, what: str, name: str, days: int = 0) -> list[Lack]:
    looking = Looking(world, days)
    row = looking.row(name)
    assert row is not None
    return list(GAPS[what].find(looking, name, row))


def codes(world: World, what: str, name: str) -> list[str]:
    return [it.code for it in lacks(world, what, name)]


def test_a_window_without_a_contact_or_with_a_stale_one_is_shown_while_in_service() -> None:
    world = ENROLLED.copy()
    assert codes(world, "contacts", WINDOW) == ["no-contact"]
    world.do("contact.publish", CHIEF, CONTACT, REACHED)
    published_s = world.now_s
    world.now_s += (CONTACT_DAYS + 1) * DAY_S - 1
    assert lacks(world, "contacts", WINDOW) == []
    assert [it.code for it in lacks(world, "contacts", WINDOW, days=30)] == ["stale-contact"]
    world.now_s += 1
    assert lacks(world, "contacts", WINDOW) == [
        Lack(code="stale-contact", detail="91 days", other=CONTACT, since_s=published_s)
    ]
    world.do("contact.publish", CHIEF, CONTACT, REACHED | {"version": 2})
    assert lacks(world, "contacts", WINDOW) == []
    world.do("party.suspend", SICHUAN, WINDOW, {"reason": "整修"})
    world.now_s += 1_000 * DAY_S
    assert lacks(world, "contacts", WINDOW) == []


def test_a_window_is_shown_by_what_it_is_not_attested_to_have() -> None:
    world = ENROLLED.copy()
    assert codes(world, "equipment", WINDOW) == ["not-attested"]
    ready = {"version": 1, "window": WINDOW, "staff": True, "video": False, "scan": True}
    name = "510000/readiness/w3"
    world.do("readiness.attest", CHIEF, name, ready | {"print": False, "evidence": HASH})
    assert lacks(world, "equipment", WINDOW) == [Lack(code="not-equipped", detail="video")]
    better = ready | {"version": 2, "video": True, "print": False, "evidence": HASH}
    world.do("readiness.attest", CHIEF, name, better)
    assert lacks(world, "equipment", WINDOW) == []
    world.do("party.suspend", SICHUAN, WINDOW, {"reason": "整修"})
    world.do("readiness.withdraw", CHIEF, name, {"reason": "整修"})
    assert lacks(world, "equipment", WINDOW) == []


def test_two_officers_of_two_regions_with_one_key_are_shown_while_both_may_act() -> None:
    world, double = ENROLLED.copy(), "540000/officer/double"
    assert codes(world, "accounts", CLERK) == []
    fields = {
        "unit": HRSS,
        "key": key(CLERK).public,
        "holder": "officer",
        "roles": ["decide"],
    }
    world.do("party.enrol", TIBET, double, fields)
    assert lacks(world, "accounts", CLERK) == [Lack(code="shared-key", other=double)]
    assert lacks(world, "accounts", double) == [Lack(code="shared-key", other=CLERK)]
    world.do("party.retire", TIBET, double, {"reason": "调离"})
    assert codes(world, "accounts", CLERK) == []
    assert codes(world, "accounts", double) == []


def test_an_outlet_is_shown_until_a_department_supervises_it() -> None:
    world, bank = ENROLLED.copy(), "510000/window/bank"
    place = {"name": "银行网点", "hall": HALL, "department": HRSS_SC, "outlet": True}
    world.do("party.enrol", SICHUAN, bank, place)
    assert lacks(world, "outlets", WINDOW) == []
    assert codes(world, "outlets", bank) == ["no-supervising-department"]
    body = {"unit": bank, "class": "enterprise", "to": HRSS_SC, "due": world.now_s, "digest": HASH}
    name = "510000/public-service/bank"
    world.do("public-service.include", CHIEF, name, body)
    assert codes(world, "outlets", bank) == ["no-supervising-department"]
    world.do("public-service.supervise", "510000/officer/hrss-01", name, {})
    assert lacks(world, "outlets", bank) == []


def test_the_time_in_which_nobody_supervised_an_item_is_shown() -> None:
    world, name = LENT.copy(), "540000/oversight/1"
    published_s = world.now_s
    missing = Lack(code="no-supervisor", since_s=published_s)
    assert lacks(world, "oversight", ITEM) == [missing]
    body = {"item": ITEM, "to": HEALTH, "due": world.now_s}
    world.do("oversight.assign", HEAD, name, body)
    [named] = lacks(world, "oversight", ITEM)
    assert (named.code, named.other) == ("no-supervisor", name)
    world.now_s += DAY_S
    world.do("oversight.accept", OUTSIDER, name, {})
    was = Lack(code="was-unsupervised", since_s=published_s, until_s=published_s + DAY_S)
    assert lacks(world, "oversight", ITEM) == [was]
    # From one supervisor to the next there is no gap: the first answers until the second accepts.
    world.do("oversight.assign", HEAD, name, body | {"to": HRSS})
    assert lacks(world, "oversight", ITEM) == [was]
    world.do("item.withdraw", HEAD, ITEM, {"reason": "停办"})
    assert lacks(world, "oversight", ITEM) == []


def test_an_item_that_is_supervised_from_its_first_day_lacks_nothing() -> None:
    world, name = LENT.copy(), "540000/oversight/1"
    world.do("oversight.assign", HEAD, name, {"item": ITEM, "to": HEALTH, "due": world.now_s})
    world.do("oversight.accept", OUTSIDER, name, {})
    assert lacks(world, "oversight", ITEM) == []


def test_a_grant_over_an_item_on_no_published_list_is_shown() -> None:
    world = LENT.copy()
    assert lacks(world, "listing", GRANT) == [Lack(code="not-listed", detail=ITEM)]
    world.do("item-list.publish", TIBET, LIST, LISTED)
    assert lacks(world, "listing", GRANT) == []
    world.do("item-list.withdraw", TIBET, LIST, {"reason": "调整"})
    assert codes(world, "listing", GRANT) == ["not-listed"]
    world.do("grant.revoke", HEAD, GRANT, {"reason": "调整"})
    assert lacks(world, "listing", GRANT) == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"rights": ["intake"]}, [Lack(code="terms-differ", detail="rights", other=THEIRS)]),
        (
            {"reciprocal": "540000/grant/x"},
            [Lack(code="no-return", detail="is for 540000/grant/x", other=THEIRS)],
        ),
    ],
)
def test_a_grant_whose_counterpart_has_other_terms_or_is_for_another_is_shown(
    given: dict[str, Any], found: list[Lack]
) -> None:
    world = mutual(**given)
    world.do("grant.offer", HEAD, OURS, GRANT_BODY | {"reciprocal": THEIRS})
    assert lacks(world, "pairs", OURS) == found


def test_a_grant_without_its_counterpart_is_shown() -> None:
    world = mutual()
    assert lacks(world, "pairs", THEIRS) == [Lack(code="no-return", other=OURS)]
    assert lacks(LENT.copy(), "pairs", GRANT) == []
    world.do("grant.offer", HEAD, OURS, GRANT_BODY | {"reciprocal": THEIRS})
    assert lacks(world, "pairs", THEIRS) == []
    world.do("grant.revoke", HEAD, OURS, {"reason": "调整"})
    assert codes(world, "pairs", THEIRS) == ["no-return"]
    assert lacks(world, "pairs", OURS) == []


def test_a_stock_of_blanks_that_does_not_add_up_or_is_used_up_is_shown() -> None:
    world = STOCKED.copy()
    world.do("print.record", CLERK, PRINT, FROM_STOCK)
    assert lacks(world, "blanks", STOCK) == []
    world.do("blanks.count", CLERK, STOCK, {"left": 90, "evidence": HASH})
    assert lacks(world, "blanks", STOCK) == [Lack(code="blanks-missing", detail="9")]
    world.do("blanks.count", CLERK, STOCK, {"left": 0, "evidence": HASH})
    assert codes(world, "blanks", STOCK) == ["blanks-missing", "blanks-spent"]
    world.do("blanks.close", CLERK, STOCK, {"reason": "用完"})
    assert codes(world, "blanks", STOCK) == ["blanks-missing"]
