"""Whatever a region signs into its log, its readers find fault with it and go on."""

from typing import Any

import pytest

from tests.authz.world import FROM_S, UNTIL_S
from tests.nodes import neighbours
from tests.nodes.judging import A, Judge, Writer, judged

HALL, HRSS, DESK = f"{A}/hall/centre", f"{A}/department/hrss", f"{A}/window/w1"
HEAD = f"{A}/officer/head"
CLERK = f"{A}/officer/clerk"


def town() -> Writer:
    log = Writer(A).genesis()
    for unit in (HALL, HRSS):
        log.add("party.enrol", unit, {"name": "x"})
    log.add("party.enrol", DESK, {"name": "x", "hall": HALL, "department": HRSS})
    for who, unit in ((HEAD, HRSS), (CLERK, DESK)):
        body = {
            "unit": unit,
            "key": neighbours.key(who, "officer").public,
            "holder": "officer",
            "roles": ["decide", "grant", "manage", "receive"],
        }
        log.add("party.enrol", who, body)
    return log


def by(log: Writer, who: str, kind: str, subject: str, body: dict[str, Any]) -> int:
    return log.add(kind, subject, body, issuer=who, key=neighbours.key(who, "officer"))


def offer(item: str, **more: Any) -> dict[str, Any]:
    return {
        "item": item,
        "item_version": 1,
        "window": DESK,
        "rights": ["intake"],
        "valid_from": FROM_S,
        "valid_until": UNTIL_S,
        "staleness_s": 600,
        **more,
    }


def opening(item: str) -> dict[str, Any]:
    return {"item": item, "item_version": 1, "department": HRSS, "mode": "counter"}


@pytest.mark.parametrize(
    ("who", "kind", "subject", "body"),
    [
        (HEAD, "grant.offer", f"{A}/grant/1", offer(HALL)),
        (HEAD, "grant.offer", f"{A}/grant/1", offer(DESK)),
        (CLERK, "case.open", f"{A}/case/1", opening(HALL)),
        (CLERK, "case.open", f"{A}/case/1", opening(DESK)),
    ],
)
def test_an_object_of_another_type_is_a_finding_and_no_crash(
    who: str, kind: str, subject: str, body: dict[str, Any]
) -> None:
    log = town()
    index = by(log, who, kind, subject, body)
    log.basis("after")
    judge: Judge = judged(log)
    assert judge.size(log) == len(log.entries)
    assert [at for at, _ in judge.codes()] == [index]


def test_a_basis_of_another_type_is_a_finding_and_no_crash() -> None:
    log = town()
    item = {
        "version": 1,
        "title": "t",
        "code": "c",
        "department": HRSS,
        "materials": [],
        "days": 1,
    }
    by(log, HEAD, "item.publish", f"{A}/item/1", item)
    index = by(log, HEAD, "grant.offer", f"{A}/grant/1", offer(f"{A}/item/1", basis=HALL))
    log.basis("after")
    judge = judged(log)
    assert judge.size(log) == len(log.entries)
    assert [at for at, _ in judge.codes()] == [index]
