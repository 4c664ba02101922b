"""From the entries of a case, in all its logs, to who did what, when, on what ground.

A trace says nothing of its own: each line is one entry and what its judge found. The order is that
of cause: an entry stands below all that its log held before it and all that it cites; where neither
says which came first, the declared time does.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from authz.case import RIGHT_OF
from authz.correction import Belief, Said, beliefs, corrected
from authz.custody import holder_of
from authz.deadline import (
    REVIEWED,
    Clock,
    Counted,
    Pause,
    Standing,
    Step,
    Timing,
    clocks,
    note_pause,
)
from authz.dues import Dues
from authz.obligation import Obligation
from ledger.kind import Kinds
from ledger.names import number_of_origin, region_of_origin
from ledger.statement import ROLE_VIEW, Statement, UnverifiedStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEntry:
    """One entry of a case, with what is known of it.

    Args:
        changed: The row that each object was left with; empty where the act is void.
        finality: ``accepted``, ``witnessed`` or ``replicated``.
        confirmation: How its reliance on another log stands: ``open``, ``confirmed``,
            ``confirmed-late``, ``unauthorised``, ``unproven``; empty where it relies on none.
        seen_by_s: It existed by then; None while nothing shows that.
        fresh_at_s: The latest time that its log proves below it; None where it proves none.
        asserted: Whether the region held the signing key, so that it is the region who says so.
        unit: Where the officer who signed sat then; None for the region, or where none is known.
        findings: Codes of the rules that it breaks.
    """

    origin: str
    index: int
    statement: Statement | UnverifiedStatement
    changed: Mapping[str, Mapping[str, Any]]
    finality: str
    confirmation: str = ""
    seen_by_s: int | None = None
    fresh_at_s: int | None = None
    asserted: bool = False
    unit: str | None = None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """One step of a case, as a person reads it.

    Args:
        time_s: As declared by who acted.
        counted_s: The time by which it counts, where clocks are told.
        proven: Whether evidence bears that time out.
        issuer: The officer, or the region itself.
        leaf: Of the entry, which its proof of inclusion leads from.
        unit: Where the officer sat then.
        right: Which of the four it used for another place; None on own competence.
        holder: The department or window that holds the case after it; None where nobody does.
        corrects: The entry that it says was wrong; None for anything but a correction that stands.
        corrected_by: Where corrections of it stand, in order.
        running: What is owed after it, in time yet when it was done.
        overrun: What is owed after it, and was overdue when it was done.
    """

    origin: str
    index: int
    region: str
    time_s: int
    seen_by_s: int | None
    kind: str
    zh: str
    en: str
    subject: str
    issuer: str
    asserted: bool
    window: str | None
    right: str | None
    grant: str | None
    item: str | None
    item_version: int | None
    seal: str | None
    holder: str | None
    stage: str | None
    finality: str
    confirmation: str
    findings: tuple[str, ...]
    leaf: bytes
    unit: str | None = None
    corrects: tuple[str, int] | None = None
    corrected_by: tuple[tuple[str, int], ...] = ()
    counted_s: int | None = None
    proven: bool = False
    running: tuple[Obligation, ...] = ()
    overrun: tuple[Obligation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A case from first to last.

    Args:
        holder: Who holds it now; None where nobody does, or the entries do not say.
        stage: How far it has come; None where it was never opened within sight.
        beliefs: Of each act that was corrected, what was held to be so and from when until when.
        clocks: What was and is owed, by whom and until when; empty where no calendar was given.
        as_of_s: The moment for which running clocks are told; None without clocks.
        of_logs: Rules that a log's words on itself break, as far as a bundle shows them.
    """

    case: str
    lines: tuple[TraceLine, ...]
    holder: str | None
    stage: str | None
    beliefs: tuple[Belief, ...] = ()
    clocks: tuple[Clock, ...] = ()
    as_of_s: int | None = None
    of_logs: tuple[tuple[str, int, str], ...] = ()

    @property
    def findings(self) -> tuple[tuple[str, int, str], ...]:
        """Every broken rule, with the place of the entry that breaks it."""
        found = ((it.origin, it.index, code) for it in self.lines for code in it.findings)
        return (*found, *self.of_logs)


def trace(
    case: str, entries: Iterable[TraceEntry], kinds: Kinds, timing: Timing | None = None
) -> Trace:
    """Return the timeline of a case from all entries that are about it or mention it.

    Without ``timing`` no clocks are told.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    latest: Mapping[str, Any] = {}
    lines = []
    said = []
    steps = []
    pauses: dict[str, Pause] = {}
    dues = Dues(case)
    for entry in in_order(list(entries)):
        region = region_of_origin(entry.origin)
        row = entry.changed.get(case)
        if row is not None:
            rows[region] = row
            if "stage" in row:  # a receiver's answer does not say how far the case has come
                latest = row
        holder = holder_of(rows)
        line = line_of(entry, latest, holder, kinds)
        if timing is not None:
            at = timing.counted(line.time_s, entry.fresh_at_s, entry.seen_by_s)
            line = replace(line, counted_s=at.time_s, proven=at.proven)
            if row is not None:
                steps.append(_step(entry, at, row, holder))
            kind = entry.statement.act.kind
            if _is_found_whole(entry, case) and latest:
                steps.append(_step(entry, at, latest, holder))
            note_pause(pauses, case, kind, entry.changed, at)
            dues.take((entry.origin, entry.index), kind, entry.changed, at)
        lines.append(line)
        if entry.changed:
            at_s = line.time_s if line.counted_s is None else line.counted_s
            said.append(Said((entry.origin, entry.index), entry.statement, at_s))
    stops = tuple(pauses.values())
    told: tuple[Clock, ...] = ()
    if timing is not None:
        told = clocks(steps, timing.calendar, timing.days_of, stops, dues.clocks())
    return Trace(
        case=case,
        lines=tuple(_with_clocks(_with_corrections(lines), told)),
        holder=holder_of(rows),
        stage=latest.get("stage"),
        beliefs=beliefs(said),
        clocks=told,
        as_of_s=None if timing is None else timing.as_of_s,
    )


def _is_found_whole(entry: TraceEntry, case: str) -> bool:
    """Return whether an act that stands says that the papers of the case are whole."""
    act = entry.statement.act
    return (
        act.kind == REVIEWED
        and bool(entry.changed)
        and (act.body["case"], act.body["result"]) == (case, "complete")
    )


def _step(entry: TraceEntry, at: Counted, row: Mapping[str, Any], holder: str | None) -> Step:
    kind = entry.statement.act.kind
    return Step(origin=entry.origin, index=entry.index, kind=kind, at=at, row=row, holder=holder)


def _with_corrections(lines: Sequence[TraceLine]) -> list[TraceLine]:
    by: dict[tuple[str, int], tuple[tuple[str, int], ...]] = {}
    for line in lines:
        if line.corrects is not None:
            by[line.corrects] = (*by.get(line.corrects, ()), (line.origin, line.index))
    return [
        replace(line, corrected_by=by[line.origin, line.index])
        if (line.origin, line.index) in by
        else line
        for line in lines
    ]


def _with_clocks(lines: Sequence[TraceLine], told: Sequence[Clock]) -> Iterator[TraceLine]:
    places = {(line.origin, line.index): position for position, line in enumerate(lines)}
    spans = [
        (
            places[clock.start],
            len(lines) if clock.end is None else places[clock.end],
            # As it stood before it ended.
            replace(clock, end=None, ended=None),
        )
        for clock in told
    ]
    for position, line in enumerate(lines):
        now_s = line.counted_s
        if now_s is None:
            yield line
            continue
        standing = [
            (clock.obligation, clock.standing(now_s))
            for start, end, clock in spans
            if start <= position < end
        ]
        yield replace(
            line,
            running=tuple(
                name for name, how in standing if how in {Standing.RUNNING, Standing.PAUSED}
            ),
            overrun=tuple(name for name, how in standing if how is Standing.OVERDUE),
        )


def line_of(
    entry: TraceEntry, row: Mapping[str, Any], holder: str | None, kinds: Kinds
) -> TraceLine:
    """Return an act as a person reads it, given the row of its case and who holds that after it."""
    made, act = entry.statement, entry.statement.act
    kind = kinds.get((act.kind, act.version))
    grant = _text(act.body.get("grant"))
    return TraceLine(
        origin=entry.origin,
        index=entry.index,
        region=region_of_origin(entry.origin),
        time_s=made.time_s,
        seen_by_s=entry.seen_by_s,
        kind=act.kind,
        zh=act.kind if kind is None else kind.zh,
        en=act.kind if kind is None else kind.en,
        subject=made.subject,
        issuer=made.issuer,
        asserted=entry.asserted,
        window=_text(act.body.get("window")),
        right=None if grant is None or act.kind not in RIGHT_OF else RIGHT_OF[act.kind].value,
        grant=grant,
        item=row.get("item"),
        item_version=row.get("v"),
        seal=_text(act.body.get("seal")),
        holder=holder,
        stage=row.get("stage"),
        finality=entry.finality,
        confirmation=entry.confirmation,
        findings=entry.findings,
        leaf=made.leaf,
        unit=entry.unit,
        corrects=corrected(act) if entry.changed else None,
    )


def _text(value: object) -> str | None:
    # The body of a void act may hold anything.
    return value if isinstance(value, str) else None


def _log(origin: str) -> tuple[str, int]:
    """Return what puts the logs of one region in order, which go on from one another."""
    return region_of_origin(origin), number_of_origin(origin)


def in_order(entries: Sequence[TraceEntry]) -> list[TraceEntry]:
    """Return the entries so that each comes after its own region's earlier ones and all it cites.

    A log that goes on from a closed one comes after it.
    """
    known = {(entry.origin, entry.index): entry for entry in entries}
    after: dict[tuple[str, int], list[tuple[str, int]]] = {place: [] for place in known}
    waiting = dict.fromkeys(known, 0)
    newest: dict[str, tuple[str, int]] = {}
    for place in sorted(known, key=lambda it: (*_log(it[0]), it[1])):
        before = {
            (citation.origin, citation.index)
            for citation in known[place].statement.act.citations
            if citation.role != ROLE_VIEW
        }
        region, _ = _log(place[0])
        if region in newest:
            before.add(newest[region])
        newest[region] = place
        for earlier in before & known.keys() - {place}:
            after[earlier].append(place)
            waiting[place] += 1
    ready = [
        (entry.statement.time_s, *place) for place, entry in known.items() if not waiting[place]
    ]
    heapq.heapify(ready)
    ordered = []
    while ready:
        _, origin, index = heapq.heappop(ready)
        ordered.append(known[origin, index])
        for later in after[origin, index]:
            waiting[later] -= 1
            if not waiting[later]:
                heapq.heappush(ready, (known[later].statement.time_s, *later))
    # Only made-up citations, void all of them, can go round in a circle. They come last.
    done = {(entry.origin, entry.index) for entry in ordered}
    return ordered + [known[place] for place in sorted(known) if place not in done]
