"""Milestones (阶段与数量): how many of what by when, counted from the records themselves.

A milestone that names what it ``counts`` is met by the record that brings the number to its target,
whatever was reported; one that names nothing is met by the act that says so. Each shows the acts
that it rests on.

Source: domain.md section 4; mechanism 48; docs/method.md.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from ledger.names import region_of

Row = Mapping[str, Any]
Place = tuple[str, int]


class Standing(StrEnum):
    """How a milestone stands at a moment."""

    MET = "met"
    LATE = "late"
    """Met, after it was due."""
    OPEN = "open"
    MISSED = "missed"
    """Due, and not met."""


def _live(row: Row) -> bool:
    return bool(row.get("live", True))


def _is(state: str) -> Callable[[Row], bool]:
    return lambda row: row.get("st") == state


def _accepted(row: Row) -> bool:
    return row.get("ans") == "accepted" and _live(row)


def _lent(rows: Sequence[Row]) -> bool:
    return any(map(_accepted, rows)) and any(row.get("st") == "offered" for row in rows)


def _itself(name: str, _row: Row) -> str:
    return name


def _region(name: str, row: Row) -> str:
    """Return the region that a grant is for; none for one inside its own."""
    grantee = region_of(row["to"])
    return "" if grantee == region_of(name) else grantee


class Counting(NamedTuple):
    """What is counted under one name.

    Args:
        type: Of the objects.
        marks: Whether a row makes its object count.
        stands: Whether the newest rows of it, one of each log, still do; None: if any does.
        key: What one of is counted once; empty: not at all.
    """

    type: str
    marks: Callable[[Row], bool] = _live
    stands: Callable[[Sequence[Row]], bool] | None = None
    key: Callable[[str, Row], str] = _itself


COUNTED: Final[Mapping[str, Counting]] = {
    "agreements": Counting("agreement", _is("signed")),
    "claims": Counting("claim"),
    "devices": Counting("device"),
    "grants": Counting("grant", _accepted, _lent),
    "items": Counting("item"),
    "parcels": Counting("parcel"),
    "ratings": Counting("evaluation"),
    "regions": Counting("grant", _accepted, _lent, _region),
    "tasks": Counting("task", _is("accepted")),
    "windows": Counting("window"),
}
"""By the name that a milestone gives. A rating or a parcel counts once recorded, settled or not."""

_ONCE: Final = frozenset({"parcels", "ratings"})


class Recorded(NamedTuple):
    """One row of an object, in the order of its log."""

    name: str
    place: Place
    row: Row


def counted(what: str, rows: Iterable[Recorded]) -> dict[str, list[Place]]:
    """Return what counts under a name, each with the first acts that made it count, by log.

    Args:
        what: One of ``COUNTED``.
        rows: Of all objects of its type, those of one log in their order.
    """
    of = COUNTED[what]
    first: dict[str, dict[str, Recorded]] = {}
    newest: dict[str, dict[str, Row]] = {}
    for it in rows:
        newest.setdefault(it.name, {})[it.place[0]] = it.row
        if what in _ONCE or of.marks(it.row):
            first.setdefault(it.name, {}).setdefault(it.place[0], it)
    found: dict[str, list[Place]] = {}
    for name, marked in first.items():
        standing = list(newest[name].values())
        if what not in _ONCE and not (
            any(map(of.marks, standing)) if of.stands is None else of.stands(standing)
        ):
            continue
        for it in marked.values():
            key = of.key(name, it.row)
            if key:
                found.setdefault(key, []).append(it.place)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far a milestone has come.

    Args:
        count: By the end of its term, or until now while it lasts.
        met_s: When the target was reached; None: not yet.
        evidence: The acts that count, in the order of their times.
    """

    count: int
    met_s: int | None
    standing: Standing
    evidence: tuple[Place, ...]


def reached(target: int, due_s: int, now_s: int, times: Iterable[tuple[int, Place]]) -> Reached:
    """Return how far a milestone has come, given when each of what it counts came to count."""
    ordered = sorted(times)
    in_time = sum(time_s < due_s for time_s, _ in ordered)
    met_s = ordered[target - 1][0] if len(ordered) >= target else None
    if met_s is not None:
        standing = Standing.MET if met_s < due_s else Standing.LATE
    else:
        standing = Standing.OPEN if now_s < due_s else Standing.MISSED
    return Reached(
        count=in_time,
        met_s=met_s,
        standing=standing,
        evidence=tuple(place for _, place in ordered[: max(target, 1)]),
    )
