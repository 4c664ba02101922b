"""When people come: by the hour, the weekday and the holiday, or evenly.

The curve is an assumption in the shape of a counter's day, with the hours of the domain page: a
morning and an afternoon peak, few at noon, some online at night, many after days off.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random  # noqa: TID251 - a stream of the world
from typing import Final

from chinese_calendar import is_workday  # type: ignore[import-untyped] # it brings no types

from simulator.plan import BEIJING, Plan

BY_HOUR: Final[Sequence[float]] = (
    *(0.002, 0.001, 0.001, 0.001, 0.001, 0.002, 0.005, 0.012, 0.035),
    *(0.125, 0.15, 0.125, 0.06, 0.06, 0.11, 0.125, 0.1, 0.045),
    *(0.012, 0.01, 0.008, 0.005, 0.003, 0.002),
)
"""Share of a plain working day's cases that come in each hour, from midnight; they add up to 1."""
DAY_OFF: Final = 0.08
"""Of what a working day brings, for whatever is done online on a day off."""
AFTER_DAYS_OFF: Final = 3.0
"""On the first working day after a weekend or a holiday."""
LOOK_AGAIN_MS: Final = 600_000
"""After which the rate of arrivals is taken anew: it changes by the hour."""
CALENDAR_ENDS: Final = date(2026, 12, 31)


@lru_cache(maxsize=4_096)
def day_factor(day: date) -> float:
    """Return how busy a day is, compared with a plain working day."""
    if not _is_worked(day):
        return DAY_OFF
    return 1.0 if _is_worked(day - timedelta(days=1)) else AFTER_DAYS_OFF


def _is_worked(day: date) -> bool:
    """Say whether a day is worked; beyond the calendar's last year, whether it is no weekend."""
    return bool(is_workday(day)) if day <= CALENDAR_ENDS else day.weekday() < 5


def cases_a_day(day: date, plan: Plan) -> float:
    """Return how many cases a plan brings on a day."""
    return plan.cases_per_day * day_factor(day)


class Arrivals:
    """Says how long it takes until the next case comes."""

    def __init__(self, plan: Plan, random: Random) -> None:
        self._plan = plan
        self._random = random
        self._pause_ms = max(1, 60_000 * 8 // plan.acts_per_minute)
        """A case is about eight acts."""

    def wait_ms(self, now_ms: int) -> tuple[int, bool]:
        """Return how long to wait, and whether a case comes then, or one only looks again."""
        if not self._plan.cases_per_day:
            return self._random.randint(self._pause_ms // 2, self._pause_ms * 3 // 2), True
        at = datetime.fromtimestamp(now_ms / 1_000, UTC).astimezone(BEIJING)
        an_hour = cases_a_day(at.date(), self._plan) * BY_HOUR[at.hour]
        wait_ms = int(self._random.expovariate(an_hour / 3_600_000))
        # What is drawn has no memory: it may be drawn anew when the rate may have changed.
        left_ms = min(LOOK_AGAIN_MS, (60 - at.minute) * 60_000)
        return (wait_ms, True) if wait_ms < left_ms else (left_ms, False)
