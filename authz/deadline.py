"""Clocks: what is owed in a case, by whom, until when, and who held it while it was late.

Everything here follows from entries alone, so all nodes and every offline reader count alike. A
term runs in working days: the day it starts on is not counted, and it ends at 24:00 in Beijing on
its last day. Where a day belongs to a year that nobody has published, weekdays are assumed and the
due date is provisional.

A notice given in time sends the papers back, so the clocks of the case end there and start anew
with the supplement: the application counts as received when it is whole. After a late notice it
counts as received when it came in, and the promise runs on. That is no pause; pauses are only
those that the caller lists, of procedures on the item's list.

Source: domain.md rule 9 and section 6; protocol.md section 4; mechanisms 24, 27, 28. Terms run as
civil law counts them: the first day excluded, the last one whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

from authz.calendar import TERM_DAYS_MAX, Calendar, day_of, end_of_day
from authz.case import Event as CaseEvent
from authz.case import Stage
from authz.custody import OPEN_OFFER
from authz.custody import Event as CustodyEvent
from authz.obligation import TERM_DAYS, Obligation
from ledger.kind import Fact


class Ended(StrEnum):
    """How a clock came to its end."""

    MET = "met"
    """By the act that was owed; whether in time, ``Clock.late`` says."""
    MOOT = "moot"
    """Nothing is owed any more: withdrawn, cancelled, or overtaken by a later step."""


class Standing(StrEnum):
    """How a clock stands at a moment."""

    RUNNING = "running"
    PAUSED = "paused"
    OVERDUE = "overdue"
    MET = "met"
    LATE = "late"
    """Ended after it was due: met too late, or overtaken when it was late already."""
    MOOT = "moot"
    LAPSED = "lapsed"
    """Of the notice: the time to ask for more is over, and what came in counts as whole."""


# ---- the time of an act -------------------------------------------------------------------------


class Counted(NamedTuple):
    """The time by which an act counts, and whether evidence bears it out."""

    time_s: int
    proven: bool


def counted_time(
    declared_s: int,
    fresh_at_s: int | None,
    seen_by_s: int | None,
    *,
    staleness_s: int,
    delta_s: int,
) -> Counted:
    """Return the declared time of an act where evidence narrows it down, else when it was seen.

    Args:
        declared_s: Its author's word.
        fresh_at_s: b, the latest time that entries below it in its log prove; None for none.
        seen_by_s: e, it existed by then; None while nothing shows that.
        staleness_s: S, how far apart the two may lie.
        delta_s: δ, how far clocks may differ.

    Source: protocol.md section 4.
    """
    if seen_by_s is None:
        return Counted(declared_s, proven=False)
    if (
        fresh_at_s is not None
        and seen_by_s - fresh_at_s <= staleness_s
        and fresh_at_s - delta_s <= declared_s <= seen_by_s + delta_s
    ):
        return Counted(declared_s, proven=True)
    return Counted(seen_by_s, proven=False)


# ---- working days -------------------------------------------------------------------------------


class Pause(NamedTuple):
    """A procedure on the item's list that stops the promise; ``until_s`` is None while it lasts."""

    from_s: int
    until_s: int | None


PAUSED: Final = "procedure.start"
RESUMED: Final = "procedure.end"


def note_pause(
    pauses: dict[str, Pause],
    case: str,
    kind: str,
    changed: Mapping[str, Mapping[str, Any]],
    at: Counted,
) -> None:
    """Note what one act that stands says of the procedures that stop the promise of a case.

    Args:
        pauses: By procedure; added to.
        case: Its name.
        kind: Of the act.
        changed: The rows that the act left objects with.
        at: The time by which it counts.
    """
    if kind not in {PAUSED, RESUMED}:
        return
    for procedure, row in changed.items():
        if row.get("case") != case:
            continue
        if kind == PAUSED:
            pauses[procedure] = Pause(at.time_s, None)
        elif procedure in pauses:
            pauses[procedure] = Pause(pauses[procedure].from_s, at.time_s)


class Due(NamedTuple):
    """When a term is over, and whether an unpublished year was counted through."""

    due_s: int
    provisional: bool


def due(calendar: Calendar, start_s: int, days: int, pauses: Sequence[Pause] = ()) -> Due | None:
    """Return the end of the ``days``-th working day after the one ``start_s`` falls on.

    A day on whose end a pause lies is not counted. With 0 days the term ends with the first day.

    Returns:
        None while a pause lasts that began before the term was over.
    """
    day = day_of(start_s)
    provisional = not calendar.is_published(day)
    left = min(days, TERM_DAYS_MAX)
    while left:
        day += 1
        provisional = provisional or not calendar.is_published(day)
        if not calendar.is_worked(day):
            continue
        end = end_of_day(day)
        stopped = [
            it for it in pauses if it.from_s < end and (it.until_s is None or it.until_s >= end)
        ]
        if not stopped:
            left -= 1
        elif any(it.until_s is None for it in stopped):
            return None
    return Due(end_of_day(day), provisional)


class VersionDays(NamedTuple):
    """Promised days by item and version: to decide, and to accept where that is promised."""

    decide: Mapping[tuple[str, int], int]
    accept: Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What the clocks of a case count by, beside its acts.

    Args:
        calendar: Of the published years.
        days_of: What each item version within sight promises.
        staleness_s: S of the roster.
        delta_s: δ of the roster.
        as_of_s: The moment at which running clocks are told to be overdue or not.
    """

    calendar: Calendar
    days_of: VersionDays
    staleness_s: int
    delta_s: int
    as_of_s: int

    def counted(self, declared_s: int, fresh_at_s: int | None, seen_by_s: int | None) -> Counted:
        """Return the time by which an act counts."""
        return counted_time(
            declared_s,
            fresh_at_s,
            seen_by_s,
            staleness_s=self.staleness_s,
            delta_s=self.delta_s,
        )


def version_days(facts: Iterable[Fact]) -> VersionDays:
    """Return the promised days, from rows of item versions.

    An item version never changes what it promises, so one row of each is all there is.
    """
    decide, accept = dict[tuple[str, int], int](), dict[tuple[str, int], int]()
    for fact in facts:
        region, _, number = fact.object.split("/", 2)
        item, _, version = number.rpartition(".")
        of = (f"{region}/item/{item}", int(version))
        decide[of] = fact.state["days"]
        if "accept" in fact.state:
            accept[of] = fact.state["accept"]
    return VersionDays(decide, accept)


# ---- clocks -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time during which a unit held the case; ``until_s`` is None while it still does."""

    unit: str
    from_s: int
    until_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One act that stands, as clocks see it.

    Args:
        row: Of the case, as the act left it in its log.
        holder: Who holds the case after it; None where nobody does.
    """

    origin: str
    index: int
    kind: str
    at: Counted
    row: Mapping[str, Any]
    holder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """One obligation, from the act that began it to the act that ended it.

    Args:
        unit: Who owes it.
        start: Place of the act that began it.
        days: Working days; None where the record that it is owed on names the moment.
        proven: Whether the times of both its ends are borne out by evidence.
        due_s: The first moment that is too late; None while it is paused.
        provisional: Whether weekdays of an unpublished year are assumed in it.
        ended: None while it runs.
        held: Who held the case from when it was due until it ended or still does; empty in time.
    """

    obligation: Obligation
    unit: str
    start: tuple[str, int]
    start_s: int
    days: int | None
    due_s: int | None
    provisional: bool
    proven: bool
    end: tuple[str, int] | None = None
    end_s: int | None = None
    ended: Ended | None = None
    held: tuple[Span, ...] = ()

    @property
    def late(self) -> bool:
        """Whether it ended after it was due; a notice that nobody had to give cannot be late."""
        is_owed = self.ended is Ended.MET or self.obligation is not Obligation.NOTICE
        return self.ended is not None and is_owed and self._is_past(self.end_s)

    def standing(self, at_s: int) -> Standing:
        """Return how it stands at a moment that is not before any act that it knows."""
        past = self._is_past(at_s)
        if self.ended is not None:
            if self.late:
                return Standing.LATE
            return Standing.MET if self.ended is Ended.MET else Standing.MOOT
        if self.due_s is None:
            return Standing.PAUSED
        if not past:
            return Standing.RUNNING
        return Standing.LAPSED if self.obligation is Obligation.NOTICE else Standing.OVERDUE

    def overdue_since(self, at_s: int) -> int | None:
        """Return since when it has been late at a moment; None where it is or was in time."""
        stands = self.standing(at_s)
        return self.due_s if stands in {Standing.OVERDUE, Standing.LATE} else None

    def fields(self, at_s: int) -> dict[str, Any]:
        """Return the clock as programs read it, with how it stands at a moment.

        What is not overdue yet, nobody has held while it was.
        """
        told = asdict(self)
        del told["start"], told["end"]
        return told | {
            "held": tuple(asdict(it) for it in self.held if it.from_s <= at_s),
            "start": list(self.start),
            "end": None if self.end is None else list(self.end),
            "standing": self.standing(at_s),
            "overdue_since_s": self.overdue_since(at_s),
        }

    def _is_past(self, at_s: int | None) -> bool:
        return self.due_s is not None and at_s is not None and at_s >= self.due_s


_OPEN_STAGES: Final = frozenset({Stage.RECEIVED.value, Stage.SUPPLEMENTED.value})
"""Where the case is whole and undecided, so that somebody owes the next step."""

_LOOKED_AT: Final = frozenset({*CaseEvent, CustodyEvent.OFFER})
"""What a holder does with a case; only who holds it can, so it has looked at what came."""


REVIEWED: Final = "review.form"
_ACCEPTED: Final = frozenset({REVIEWED, CaseEvent.NOTICE, CaseEvent.DECIDE, CustodyEvent.OFFER})
"""By which an application is accepted, or answered: the papers are found whole, or what they lack
is said, or the case goes on."""


@dataclass(slots=True)
class _Run:
    """The clocks of one case while its acts are gone through.

    Invariant: at most one clock of each obligation runs.
    """

    calendar: Calendar
    days_of: VersionDays
    pauses: Sequence[Pause]
    running: dict[Obligation, Clock] = field(default_factory=dict)
    made: list[Clock] = field(default_factory=list)

    def start(self, obligation: Obligation, step: Step, unit: str, days: int | None = None) -> None:
        if obligation in self.running:
            return
        count = TERM_DAYS[obligation] if days is None else days
        pauses = self.pauses if obligation is Obligation.PROMISE else ()
        until = due(self.calendar, step.at.time_s, count, pauses)
        self.running[obligation] = Clock(
            obligation=obligation,
            unit=unit,
            start=(step.origin, step.index),
            start_s=step.at.time_s,
            days=count,
            due_s=None if until is None else until.due_s,
            provisional=until is not None and until.provisional,
            proven=step.at.proven,
        )

    def end(self, step: Step, how: Ended, *obligations: Obligation) -> None:
        for obligation in obligations:
            clock = self.running.pop(obligation, None)
            if clock is not None:
                self.made.append(
                    replace(
                        clock,
                        end=(step.origin, step.index),
                        end_s=step.at.time_s,
                        ended=how,
                        proven=clock.proven and step.at.proven,
                    )
                )

    def promise(self, step: Step) -> None:
        row = step.row
        version = (row["item"], row["v"])
        days = self.days_of.decide.get(version)
        if days is not None:  # else the item version is not within sight
            self.start(Obligation.PROMISE, step, row["dept"], days)
        days = self.days_of.accept.get(version)
        if days is not None:
            self.start(Obligation.ACCEPT, step, row["unit"], days)

    def push(self, step: Step, holder: str) -> None:
        """Start what a unit other than the deciding one owes while a whole case lies with it."""
        row = step.row
        is_offered = row["at"] in OPEN_OFFER
        if row["stage"] in _OPEN_STAGES and holder != row["dept"] and not is_offered:
            self.start(Obligation.PUSH, step, holder)


def clocks(
    steps: Iterable[Step],
    calendar: Calendar,
    days_of: VersionDays,
    pauses: Sequence[Pause] = (),
    of_records: Iterable[Clock] = (),
) -> tuple[Clock, ...]:
    """Return every clock of a case, in the order of their starts.

    Args:
        steps: The acts that stand, in the order of cause.
        calendar: Of the published years.
        days_of: What each item version within sight promises.
        pauses: Of the promise.
        of_records: What is owed on records about the case (``authz.dues``).
    """
    run = _Run(calendar, days_of, pauses)
    holders: list[tuple[int, str | None]] = []
    opened_at: str | None = None
    stage: str | None = None
    for step in steps:
        holders.append((step.at.time_s, step.holder))
        opened_at = _take(run, step, stage, opened_at)
        stage = step.row.get("stage", stage)
    found = [*run.made, *run.running.values(), *of_records]
    found = [replace(it, held=_held(it, holders)) for it in found]
    return tuple(sorted(found, key=lambda it: (it.start_s, it.start, it.obligation)))


def _take(run: _Run, step: Step, stage: str | None, opened_at: str | None) -> str | None:
    """Take one act in, and return the unit that the case was opened at."""
    row, holder = step.row, step.holder
    if step.kind in _LOOKED_AT:
        run.end(step, Ended.MET, Obligation.RECHECK)
    if step.kind in _ACCEPTED:
        run.end(step, Ended.MET, Obligation.ACCEPT)
    match step.kind:
        case CaseEvent.OPEN:
            opened_at = row["unit"]
            run.promise(step)
            run.start(Obligation.NOTICE, step, row["unit"])
            run.push(step, row["unit"])
        case CaseEvent.NOTICE:
            in_time = Obligation.NOTICE in run.running
            run.end(step, Ended.MET, Obligation.NOTICE)
            if in_time and not run.made[-1].late:
                run.end(step, Ended.MOOT, Obligation.PROMISE, Obligation.PUSH)
        case CaseEvent.SUPPLEMENT if stage == Stage.NOTICED:
            run.promise(step)
            run.start(Obligation.NOTICE, step, row["unit"])
            run.push(step, row["unit"])
        case CaseEvent.DECIDE:
            run.end(step, Ended.MET, Obligation.PROMISE)
            run.end(step, Ended.MOOT, Obligation.NOTICE, Obligation.PUSH)
            if opened_at is not None and opened_at != row["dept"]:
                run.start(Obligation.POST, step, row["dept"])
            run.start(Obligation.DELIVERY, step, row["dept"])
        case CaseEvent.DELIVER:
            run.end(step, Ended.MET, Obligation.POST, Obligation.DELIVERY)
        case CaseEvent.WITHDRAW | CaseEvent.CLOSE:
            run.end(step, Ended.MOOT, *Obligation)
        case CustodyEvent.OFFER:
            run.end(step, Ended.MET, Obligation.PUSH, Obligation.POST)
            run.start(Obligation.ANSWER, step, row["to"])
        case CustodyEvent.ACCEPT | CustodyEvent.DECLINE:
            run.end(step, Ended.MET, Obligation.ANSWER)
        case CustodyEvent.CANCEL:
            run.end(step, Ended.MOOT, Obligation.ANSWER)
            run.push(step, row["unit"])
            if stage == Stage.DECIDED and row["unit"] == row["dept"] != opened_at:
                run.start(Obligation.POST, step, row["dept"])
        case CustodyEvent.RELEASE if holder is not None:
            run.end(step, Ended.MOOT, Obligation.ANSWER)
            if holder == row["dept"] and row["stage"] in _OPEN_STAGES:
                run.start(Obligation.RECHECK, step, holder)
            run.push(step, holder)
        case _:
            pass
    return opened_at


def _held(clock: Clock, holders: Sequence[tuple[int, str | None]]) -> tuple[Span, ...]:
    """Return who held the case while the clock was overrun."""
    low, high = clock.due_s, clock.end_s
    is_owed = clock.ended is None and clock.obligation is not Obligation.NOTICE
    if low is None or not (clock.late or is_owed):
        return ()
    # Times of two logs may cross by what their clocks differ; custody never goes back.
    changes: list[tuple[int, str | None]] = []
    for time_s, holder in holders:
        at = max(time_s, changes[-1][0]) if changes else time_s
        if not changes or changes[-1][1] != holder:
            changes.append((at, holder))
    spans = []
    for (from_s, unit), (until_s, _) in pairwise([*changes, (2**62, None)]):
        last = None if until_s == 2**62 else until_s
        if high is not None:
            last = high if last is None else min(last, high)
        first = max(from_s, low)
        if unit is not None and (last is None or first < last):
            spans.append(Span(unit=unit, from_s=first, until_s=last))
    return tuple(spans)
