"""Hours: when a window serves, and when a grant may be used. What is done beyond is marked.

Hours are days of the week and one span of each day, in Beijing. A window's may follow a published
calendar year: it is closed on the days off of that year, unless the grant is for days off too, and
open on its worked weekends. Nothing here is refused for its hour.

Kept in the row of what they are for as ``hours``: ``[days, from, until]``, days as in ``DAYS``,
from and until in minutes of the day; in that of a window with the record behind it that says so,
and after that the days off and the worked weekends of the year, as ``authz.calendar`` counts days.

Source: domain.md rule 13; mechanisms 20 and 72.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from authz.calendar import BEIJING_S, DAY_S, day_named, day_of
from ledger.errors import MalformedError
from ledger.kind import Fact, Flag

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WINDOWS_MAX: Final = 16
"""That one publication of hours is for: whoever proves an act at one of them shows them all."""
_DAY_MINUTES: Final = 1_440


def hours_of(body: Mapping[str, Any]) -> list[Any]:
    """Return the hours that the fields ``days``, ``opens`` and ``closes`` say.

    Raises:
        MalformedError: ``bad-field``: a field is left out, or no time of day.
    """
    if not body.get("days") or "opens" not in body or "closes" not in body:
        raise MalformedError("hours are days, opens and closes", code="bad-field")
    opens, closes = _minutes(body["opens"]), _minutes(body["closes"])
    if opens >= closes:
        raise MalformedError("closes comes after opens, on the same day", code="bad-field")
    return [list(body["days"]), opens, closes]


def days_of(calendar: Fact | None) -> list[list[int]]:
    """Return the days off and the worked weekends of a calendar year; nothing without one."""
    if calendar is None:
        return []
    return [[day_named(day) for day in calendar.state[name]] for name in ("off", "on")]


def _minutes(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if colon and len(hours) == len(minutes) == 2 and (hours + minutes).isdecimal():
        found = int(hours) * 60 + int(minutes)
        if int(minutes) < 60 and found <= _DAY_MINUTES:
            return found
    raise MalformedError(f"a time of day is written 09:00, not {text[:20]!r}", code="bad-field")


def is_within(hours: Sequence[Any], time_s: int, *, days_off: bool = False) -> bool:
    """Return whether a moment lies within the hours; ``days_off``: days off are like others."""
    days, opens, closes = hours[:3]
    today = day_of(time_s)
    minute = (time_s + BEIJING_S) % DAY_S // 60
    if not opens <= minute < closes:
        return False
    off, on = hours[4:] or ((), ())
    if today in off and not days_off:
        return False
    # 1 January 1970 was a Thursday.
    return today in on or DAYS[(today + 3) % 7] in days


def beyond(
    time_s: int, rows: Mapping[str, Mapping[str, Any]], *, days_off: bool = False
) -> tuple[Flag, ...]:
    """Return a flag for each row, by its name, whose hours a moment lies beyond."""
    found = [
        Flag(code="beyond-hours", detail=f"beyond the hours of the {name}")
        for name, row in rows.items()
        if "hours" in row and not is_within(row["hours"], time_s, days_off=days_off)
    ]
    return tuple(found)
