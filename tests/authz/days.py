"""A case day by day, and the clocks that run in it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from authz.calendar import (
    Calendar,
    calendar_object,
    calendar_of,
)
from authz.deadline import (
    Clock,
    Due,
    Timing,
    version_days,
)
from authz.obligation import Obligation
from authz.trace import Trace, TraceEntry, trace
from ledger.kind import Fact
from tests.authz.test_calendar import STEWARD, YEAR_2026
from tests.authz.world import (
    CASE,
    CLERK,
    HEAD,
    HRSS,
    KINDS,
    SICHUAN,
    World,
)
from tests.vectors.own.network import TIME_S

# As the State Council set them.
YEARS = {
    2024: {
        "off": [
            "2024-01-01",
            *(f"2024-02-{day}" for day in range(10, 18)),
            *("2024-04-04", "2024-04-05", "2024-04-06"),
            *(f"2024-05-0{day}" for day in range(1, 6)),
            "2024-06-10",
            *("2024-09-15", "2024-09-16", "2024-09-17"),
            *(f"2024-10-0{day}" for day in range(1, 8)),
        ],
        "on": [
            *("2024-02-04", "2024-02-18", "2024-04-07", "2024-04-28"),
            *("2024-05-11", "2024-09-14", "2024-09-29", "2024-10-12"),
        ],
    },
    2025: {
        "off": [
            "2025-01-01",
            *(f"2025-01-{day}" for day in range(28, 32)),
            *(f"2025-02-0{day}" for day in range(1, 5)),
            *("2025-04-04", "2025-04-05", "2025-04-06"),
            *(f"2025-05-0{day}" for day in range(1, 6)),
            *("2025-05-31", "2025-06-01", "2025-06-02"),
            *(f"2025-10-0{day}" for day in range(1, 9)),
        ],
        "on": ["2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"],
    },
    2026: YEAR_2026,
}
CALENDAR = calendar_of(
    Fact("steward", calendar_object(STEWARD, year), 1, bytes(32), {"v": 1, **days})
    for year, days in YEARS.items()
)
HOUR_S, DAY_S = 3_600, 86_400
ALONE = Calendar()


def at(text: str) -> int:
    """A moment in Beijing."""
    return int(datetime.fromisoformat(f"{text}+08:00").timestamp())


def last_day(found: Due | None) -> str:
    assert found is not None
    return (datetime.fromtimestamp(found.due_s - 1, UTC) + timedelta(hours=8)).date().isoformat()


class Days:
    """A case that goes on as days pass, in a world of three regions."""

    def __init__(self) -> None:
        self.world = World().enrol()
        self.world.do("calendar.publish", STEWARD, f"{STEWARD}/calendar/2026", YEAR_2026)
        self.world.lend(valid_until=TIME_S + 100 * DAY_S)
        self.to("2026-10-27T10:00")  # a Tuesday

    def to(self, text: str) -> "Days":
        self.world.now_s = at(text)
        return self

    def do(self, kind: str, issuer: str, body: dict[str, Any] | None = None) -> "Days":
        self.world.do(kind, issuer, CASE, body or {})
        return self

    def open(self) -> "Days":
        self.world.open()
        return self

    def offer(self, giver: str = CLERK, unit: str = HRSS) -> "Days":
        return self.do("handoff.offer", giver, {"unit": unit})

    def accept(self, taker: str = HEAD, holder: str = SICHUAN) -> "Days":
        self.do("handoff.accept", taker, {"holder": holder})
        return self.do("handoff.release", holder)

    def copy(self) -> "Days":
        made = Days.__new__(Days)
        made.world = self.world.copy()
        return made

    def told(self, as_of: str, calendar: Calendar | None = None) -> Trace:
        return trace(CASE, self.entries(), KINDS, self.timing(at(as_of), calendar))

    def entries(self, case: str = CASE) -> list[TraceEntry]:
        return [
            TraceEntry(
                origin=log.origin,
                index=index,
                statement=made,
                changed={
                    it.object: it.state for it in self.world.judgements[log.origin, index].changes
                },
                finality="replicated",
                seen_by_s=made.time_s + 5,
                fresh_at_s=made.time_s - 5,
            )
            for log in self.world.logs.values()
            for index, made in enumerate(log.statements)
            if (log.origin, index) in self.world.judgements
            and (made.subject == case or case in self.world.judgements[log.origin, index].mentions)
        ]

    def timing(self, as_of_s: int, calendar: Calendar | None) -> Timing:
        rows = [rows[-1] for rows in self.world.facts.values()]
        return Timing(
            calendar=calendar_of(rows) if calendar is None else calendar,
            days_of=version_days(it for it in rows if "/item-version/" in it.object),
            staleness_s=600,
            delta_s=10,
            as_of_s=as_of_s,
        )


BEGUN = Days().open()


def clock(told: Trace, obligation: Obligation, number: int = 0) -> Clock:
    return [it for it in told.clocks if it.obligation is obligation][number]


def standings(told: Trace) -> dict[str, str]:
    assert told.as_of_s is not None
    return {it.obligation: it.standing(told.as_of_s) for it in told.clocks}


def named(clocks: Iterable[Clock]) -> list[str]:
    return [it.obligation for it in clocks]
