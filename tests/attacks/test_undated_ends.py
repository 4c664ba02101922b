"""What one use has settled says nothing about the ends that another one waits for."""

from typing import Any, cast

from ledger.kind import Fact
from nodes.core.settlement import CONFIRMED_LATE, OPEN, WITHDRAWN, Settlement
from nodes.ports import UseRow

USING, GRANTOR, GRANT = "x.example/510000", "x.example/540000", "540000/grant/1"


class Rows:
    """A grant suspended at 200 and revoked later, at a time that no quorum has seen yet."""

    def __init__(self, used_s: int) -> None:
        self.used_s = used_s

    def facts_between(self, origin: str, object_: str, low: int, high: int) -> list[Fact]:
        assert low < high
        if origin == USING:
            return [Fact(USING, object_, 9, b"", {"fresh_at": 5_000, "size": 50})]
        return [Fact(GRANTOR, GRANT, index, b"", {"live": False}) for index in (7, 8)]

    def seen_by(self, origin: str, index: int) -> tuple[int, int] | None:
        if origin == USING:
            return self.used_s, 5
        return (200, 40) if index == 7 else None


def settled(used_s: int) -> Any:
    use = UseRow(
        origin=USING,
        index=3,
        fact_origin=GRANTOR,
        fact_object=GRANT,
        fact_index=2,
        view_size=4,
        fresh_at_s=-10_000,
        staleness_s=600,
        status=OPEN,
    )
    return Settlement(USING)._stand(use, {}, cast("Any", Rows(used_s)))


def test_the_date_of_a_later_end_is_still_wanted_by_whoever_waits_for_it() -> None:
    early, late = settled(100), settled(300)
    assert early.status == CONFIRMED_LATE
    assert late.status == OPEN
    (wanted,) = late.findings
    assert (wanted.index, wanted.code) == (8, "end-not-seen")
    taken_back = {row.index for row in early.findings if row.severity == WITHDRAWN}
    assert taken_back == {7}
