"""Blanks of certificates: taken in by number, printed on one by one, counted on the shelf."""

from typing import Any

import pytest

from tests.authz.bodies import HASH, PRINT, PRINT_BODY
from tests.authz.refusals import refused
from tests.authz.world import CHIEF, CLERK, CLERK_2, HEAD_SC, SICHUAN, World

STOCK = "510000/blank-stock/1"
RECEIVED = {"certificate": "marriage", "first": "B-0001", "last": "B-0100", "evidence": HASH}
# Made here, like those of every module: the tests of hostile writers make them anew.
BACK = World().enrol().lend().open().back()
STOCKED = BACK.copy()
STOCKED.do("blanks.receive", CLERK, STOCK, RECEIVED)
FROM_STOCK = PRINT_BODY | {"stock": STOCK}
WHY = {"reason": "用完"}


def count(world: World, left: int) -> Any:
    return world.do("blanks.count", CLERK, STOCK, {"left": left, "evidence": HASH})


def test_a_print_takes_one_blank_of_the_stock_that_it_names() -> None:
    world = STOCKED.copy()
    world.do("print.record", CLERK, PRINT, FROM_STOCK)
    row = world.state(SICHUAN, STOCK)
    assert (row["number"], row["used"], row["missing"]) == (100, 1, 0)
    world.do("print.void", CLERK, PRINT, WHY)
    assert world.state(SICHUAN, STOCK)["used"] == 1


@pytest.mark.parametrize("blank", ["B-0000", "B-0101", "B-101", "A-0001", "B-00010", "0001"])
def test_a_print_takes_no_blank_that_was_never_in_the_stock(blank: str) -> None:
    with refused("blank-not-in-stock"):
        STOCKED.copy().do("print.record", CLERK, PRINT, FROM_STOCK | {"blank": blank})


def test_a_print_names_a_stock_in_use() -> None:
    with refused("unknown-object"):
        BACK.copy().do("print.record", CLERK, PRINT, FROM_STOCK)
    world = STOCKED.copy()
    world.do("blanks.close", CLERK, STOCK, WHY)
    with refused("ground-not-live"):
        world.do("print.record", CLERK, PRINT, FROM_STOCK)


def test_a_count_that_falls_short_is_marked_until_the_blanks_are_found() -> None:
    world = STOCKED.copy()
    world.do("print.record", CLERK, PRINT, FROM_STOCK)
    assert count(world, 99).flags == ()
    (flag,) = count(world, 97).flags
    assert (flag.code, flag.detail) == ("blanks-missing", "2 blanks are missing")
    assert world.state(SICHUAN, STOCK)["missing"] == 2
    assert count(world, 99).flags == ()
    assert world.state(SICHUAN, STOCK)["missing"] == 0


def test_no_more_blanks_are_counted_than_can_be_left() -> None:
    with refused("counts-differ"):
        count(STOCKED.copy(), 101)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("B-0100", "B-0001"),
        ("B-0001", "C-0100"),
        ("B-1", "B-0100"),
        ("B-", "B-"),
        ("B-0000000", "B-1000000"),
    ],
)
def test_blanks_are_one_row_of_numbers(first: str, last: str) -> None:
    with refused("bad-field"):
        body = RECEIVED | {"first": first, "last": last}
        BACK.copy().do("blanks.receive", CLERK, STOCK, body)


def test_who_took_blanks_in_counts_them() -> None:
    with refused("not-entitled"):
        STOCKED.copy().do("blanks.count", CLERK_2, STOCK, {"left": 100, "evidence": HASH})
    with refused("unknown-object"):
        count(BACK.copy(), 1)
    with refused("not-entitled"):
        BACK.copy().do("blanks.receive", HEAD_SC, STOCK, RECEIVED)
    BACK.copy().do("blanks.receive", CHIEF, STOCK, RECEIVED)
