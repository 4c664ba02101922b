"""What followed from an officer, a window, a grant, a seal or an incident: acts, and their cases.

Source: domain.md mechanism 60 (责任追溯): who answers for this harm, and what else it touches.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from authz.custody import HOLDING, At, holder_of
from authz.deadline import Timing
from authz.trace import TraceEntry, TraceLine, in_order, line_of
from ledger.kind import Kinds
from ledger.names import region_of_origin

_LAST: Final = frozenset({*HOLDING, At.CLOSED})
_FIELDS: Final = (("window", "at"), ("grant", "under"), ("seal", "with"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One act that followed from an object.

    Args:
        line: The act, as in the timeline of a case.
        how: ``about`` it, ``by`` it, ``at`` it, ``under`` it, ``with`` it; ``names`` where the act
            only names it.
        case: The case that the act is on, or names; None for none.
    """

    line: TraceLine
    how: tuple[str, ...]
    case: str | None


def follow(
    name: str, entries: Iterable[TraceEntry], kinds: Kinds, timing: Timing
) -> list[Followed]:
    """Return acts that follow from an object, in the order of cause."""
    return [_followed(name, entry, kinds, timing) for entry in in_order(list(entries))]


def _followed(name: str, entry: TraceEntry, kinds: Kinds, timing: Timing) -> Followed:
    made = entry.statement
    row: Mapping[str, Any] = entry.changed.get(made.subject, {})
    case = case_of(entry)
    holder = None
    if case == made.subject and row:
        holder = holder_of({region_of_origin(entry.origin): row})
    line = line_of(entry, row if case == made.subject else {}, holder, kinds)
    at = timing.counted(line.time_s, entry.fresh_at_s, entry.seen_by_s)
    return Followed(
        line=replace(line, counted_s=at.time_s, proven=at.proven),
        how=_how(name, entry),
        case=case,
    )


def case_of(entry: TraceEntry) -> str | None:
    """Return the case that an act is on, or that it names; None for none."""
    made = entry.statement
    row = entry.changed.get(made.subject, {})
    for value in (made.subject, made.act.body.get("case"), row.get("case")):
        if isinstance(value, str) and value[6:12] == "/case/":
            return value
    return None


def _how(name: str, entry: TraceEntry) -> tuple[str, ...]:
    made = entry.statement
    found = [
        word
        for value, word in ((made.subject, "about"), (made.issuer, "by"), (entry.unit, "at"))
        if value == name
    ]
    found += [word for field, word in _FIELDS if made.act.body.get(field) == name]
    return tuple(dict.fromkeys(found)) or ("names",)


def stage_of(rows: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return how far a case has come, by its newest row in each log that has one.

    That of the latest offer says so; of its two sides, the one that holds the case or closed it.
    """
    staged = [
        (row["n"], row["at"] in _LAST, row["stage"]) for row in rows.values() if "stage" in row
    ]
    return max(staged)[2] if staged else None
