"""By when a case is to be decided, from the days that its row keeps (``authz.term``).

``clocks`` tells the same of one case from its entries and the evidence of their times; here are
days as declared and nothing more, since one month's figures are about a hundred thousand cases.

Source: domain.md rule 9; mechanisms 24, 27, 28.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from authz.calendar import Calendar, day_of, end_of_day
from authz.deadline import Pause, due
from authz.obligation import TERM_DAYS, Obligation
from authz.term import Term


@dataclass(frozen=True, slots=True)
class Halt:
    """Days of a procedure that stops the promise; ``until_day`` is None while it lasts."""

    from_day: int
    until_day: int | None

    def pause(self) -> Pause:
        """Return the same as moments: a day on whose end it lies is not counted."""
        until = None if self.until_day is None else end_of_day(self.until_day - 1)
        return Pause(end_of_day(self.from_day - 1), until)


@dataclass(frozen=True, slots=True)
class Owed:
    """The last day of a promise, and whether a year that nobody has published lies in it."""

    day: int
    provisional: bool


LastDay = Callable[[int, int], Owed]
"""The last day of a term of so many working days that begins on a day."""


def last_days(calendar: Calendar) -> LastDay:
    """Return what reckons terms without pauses, each one once."""

    @cache
    def last_day(start: int, days: int) -> Owed:
        found = due(calendar, end_of_day(start) - 1, days)
        assert found is not None  # nothing pauses it
        return Owed(day_of(found.due_s - 1), found.provisional)

    return last_day


def promise(
    term: Term, last_day: LastDay, calendar: Calendar, halts: Sequence[Halt] = ()
) -> Owed | None:
    """Return by when a case is to be decided.

    Returns:
        None where nothing is owed: the days are not known, a notice given in time waits for the
        papers, or a procedure lasts.
    """
    promised, *days = term
    if promised is None:
        return None
    start = whole_from(days, last_day)
    if start is None:
        return None
    if not halts:
        return last_day(start, promised)
    found = due(calendar, end_of_day(start) - 1, promised, [it.pause() for it in halts])
    return None if found is None else Owed(day_of(found.due_s - 1), found.provisional)


def whole_from(days: Sequence[int | None], last_day: LastDay) -> int | None:
    """Return the day from which the promise counts; None while a notice given in time waits.

    A notice in time sends the papers back: the case counts as received when it is whole. After a
    late one it counts from where it did.
    """
    start = asked_from = days[0]
    assert start is not None
    assert asked_from is not None
    waiting = False
    for position, day in enumerate(days[1:]):
        assert day is not None
        if position % 2 == 0:
            waiting = day <= last_day(asked_from, TERM_DAYS[Obligation.NOTICE]).day
        else:
            asked_from = day
            start, waiting = (day, False) if waiting else (start, False)
    return None if waiting else start
