"""Calendar years: which days off and which worked weekends the State Council has set.

A year is an act in the log of the roster's steward, so that all nodes count by the same days. The
row of ``<steward>/calendar/<year>`` is ``{v, off, on}``, days as ``YYYY-MM-DD``. A year may be
published anew when the arrangement is changed; the version with the greatest number counts, also
where an earlier steward published the others.

Days are numbers here, counted from 1 January 1970 in Beijing, which has kept one offset since 1991.

Source: domain.md rule 9; mechanism 27.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from authz import party
from ledger import judge
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Fact, Field, FieldType, Judgement, Kind, Kinds

BEIJING_S: Final = 8 * 3_600
DAY_S: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()
_LAST: Final = date.max.toordinal()

OFF_DAYS_MAX: Final = 60
"""Of a year. None since 2004 had more than 33; without a bound a steward could stop every clock."""
ON_DAYS_MAX: Final = 20
TERM_DAYS_MAX: Final = 1_000
"""Of working days in a term. What an item promises beyond four years is no promise."""
TERM_YEARS_MAX: Final = 7
"""That a term touches: a year has at least 261 - ``OFF_DAYS_MAX`` working days."""


def day_of(time_s: int) -> int:
    """Return the day in Beijing on which a moment falls."""
    return (time_s + BEIJING_S) // DAY_S


def end_of_day(day: int) -> int:
    """Return the moment at which a day in Beijing is over: 24:00, which is the next day's 00:00."""
    return (day + 1) * DAY_S - BEIJING_S


def day_named(text: str) -> int:
    """Return the day that ``YYYY-MM-DD`` names.

    Raises:
        MalformedError: ``bad-field``: there is no such day, or it is spelled another way.
    """
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(f"no such day: {text[:40]!r}", code="bad-field") from error
    if found.isoformat() != text:
        raise MalformedError(f"a day is written YYYY-MM-DD, not {text[:40]!r}", code="bad-field")
    return found.toordinal() - _EPOCH


def day_text(day: int) -> str:
    """Return a day as ``YYYY-MM-DD``."""
    return date.fromordinal(day + _EPOCH).isoformat()


def year_of(day: int) -> int:
    """Return the year of a day; 10000 for all that lie past the year 9999."""
    ordinal = day + _EPOCH
    return date.fromordinal(ordinal).year if ordinal <= _LAST else 10_000


def is_weekend(day: int) -> bool:
    """Return whether a day is a Saturday or a Sunday; 1 January 1970 was a Thursday."""
    return (day + 3) % 7 >= 5


@dataclass(frozen=True, slots=True)
class Calendar:
    """The published years, as clocks count by them.

    Args:
        years: That are published.
        off: Days that are not worked, weekends among them or not.
        on: Weekend days that are worked.
    """

    years: frozenset[int] = frozenset()
    off: frozenset[int] = frozenset()
    on: frozenset[int] = frozenset()

    def is_worked(self, day: int) -> bool:
        """Return whether a day is a working day; of a year not published, each weekday is."""
        return day in self.on if is_weekend(day) else day not in self.off

    def is_published(self, day: int) -> bool:
        """Return whether the year of a day is known, so that nothing is assumed about it."""
        return year_of(day) in self.years


def calendar_object(steward: str, year: int) -> str:
    """Return the name of the object that is one calendar year."""
    return f"{steward}/calendar/{year:04}"


def calendar_of(facts: Iterable[Fact]) -> Calendar:
    """Return the calendar that published years make; other rows are passed over.

    Args:
        facts: Rows of calendar years, from any log, in any order.
    """
    newest: dict[int, Fact] = {}
    for fact in facts:
        _, kind, number = fact.object.split("/", 2)
        if kind != "calendar":
            continue
        year = int(number)
        known = newest.get(year)
        if known is None or _rank(known) < _rank(fact):
            newest[year] = fact
    return Calendar(
        frozenset(newest),
        frozenset(day_named(day) for fact in newest.values() for day in fact.state["off"]),
        frozenset(day_named(day) for fact in newest.values() for day in fact.state["on"]),
    )


def calendar_names(regions: Iterable[str], times_s: Iterable[int]) -> list[str]:
    """Return the names of all calendar years that terms begun at these times can reach.

    Only a steward can have published one; a region that is none any more may have been it.
    """
    begun = {year_of(day_of(time_s)) for time_s in times_s}
    years = {year + reach for year in begun for reach in range(TERM_YEARS_MAX)}
    listed = sorted(regions)
    return [calendar_object(it, year) for year in sorted(years) if year < 10_000 for it in listed]


def _rank(fact: Fact) -> tuple[int, str, int]:
    return fact.state["v"], fact.origin, fact.index


# ---- calendar.publish ---------------------------------------------------------------------------


def publish(acting: Acting) -> Judgement:
    """Judge ``calendar.publish``: the steward sets a year's days off and worked weekends."""
    judge.check_own_region(acting)
    if acting.region != acting.roster.steward:
        raise RefusedError(
            f"the calendar is published by the steward, {acting.roster.steward}",
            code="not-competent",
        )
    if acting.signer is not None:
        party.check_role(acting.signer, party.MANAGE)
    subject, body, own = acting.statement.subject, acting.act.body, acting.own
    number = subject.rsplit("/", 1)[1]
    # Only ASCII digits are in a name, so the year has one spelling.
    if len(number) != 4 or not number.isdecimal() or number == "0000":
        raise MalformedError(f"a calendar is named by its year, not {number!r}", code="bad-field")
    # Not only the next one: a new steward goes on above what the last one published.
    if body["version"] <= (0 if own is None else own.state["v"]):
        raise RefusedError("a later version has a greater number", code="wrong-state")
    _check_days(int(number), body)
    row = {"v": body["version"], "off": body["off"], "on": body["on"]}
    return Judgement((Change(subject, row),))


def _check_days(year: int, body: Mapping[str, list[str]]) -> None:
    for name, days_max in (("off", OFF_DAYS_MAX), ("on", ON_DAYS_MAX)):
        if len(body[name]) > days_max:
            raise MalformedError(f"{name} lists at most {days_max} days", code="bad-field")
        for text in body[name]:
            day = day_named(text)
            if year_of(day) != year:
                raise MalformedError(f"not a day of {year}: {text}", code="bad-field")
            if name == "on" and not is_weekend(day):
                raise MalformedError(f"not a weekend that is worked: {text}", code="bad-field")
            if name == "on" and text in body["off"]:
                raise MalformedError(f"both off and worked: {text}", code="bad-field")


KINDS: Final[Kinds] = {
    ("calendar.publish", 1): Kind(
        name="calendar.publish",
        zh="公布年度工作日历",
        en="publish a calendar year",
        subject="calendar",
        fields={
            "version": Field(type=FieldType.UINT, zh="版本", en="version, greater than the last"),
            "off": Field(type=FieldType.CODES, zh="放假日期", en="days off, YYYY-MM-DD"),
            "on": Field(type=FieldType.CODES, zh="调休上班日期", en="weekend days that are worked"),
            "document": Field(
                type=FieldType.TEXT, zh="放假安排文号", en="the notice that sets it", optional=True
            ),
        },
        rule=publish,
        by_region=True,
        question="Which days counted when the deadline was reckoned?",
        source="27 限时办结, 10 受理凭证",
        roles=("manage",),
    ),
}
