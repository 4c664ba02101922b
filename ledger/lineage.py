"""Logs that go on where a closed one of the same region ended: to rules the two are one.

What a log says is then read through: first in the log itself, then, below the cut, in the one
before it. Citations, too, go through a view of the successor, whose entry 0 names the cut.

Source: protocol.md section 6.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ledger.errors import LedgerError
from ledger.names import number_of_origin, region_of_origin, split_name
from ledger.roster_fields import Closing
from ledger.schema import PARTY_TYPES

_UNNUMBERED: Final = frozenset((*PARTY_TYPES, "token", "vault-key"))


def heir_of(closed: Mapping[str, Closing], origin: str) -> str | None:
    """Return the log of the same region that goes on where ``origin`` was closed; None: none does.

    A region that takes over another one's cases is no heir in this sense: its log stays its own.
    """
    closing = closed.get(origin)
    if closing is None or closing.successor is None:
        return None
    if region_of_origin(closing.successor) != region_of_origin(origin):
        return None
    return closing.successor


def before(closed: Mapping[str, Closing], origin: str) -> str | None:
    """Return the closed log that ``origin`` goes on from; None for a region's first log."""
    if not closed or number_of_origin(origin) == 1:
        return None
    return next((old for old in closed if heir_of(closed, old) == origin), None)


def ancestors(closed: Mapping[str, Closing], origin: str) -> Iterator[tuple[str, Closing]]:
    """Give the closed logs that ``origin`` goes on from, the newest first."""
    old = before(closed, origin)
    while old is not None:
        yield old, closed[old]
        old = before(closed, old)


def heirs(closed: Mapping[str, Closing], origin: str) -> Iterator[str]:
    """Give a log and those that go on from it, in their order."""
    heir: str | None = origin
    while heir is not None:
        yield heir
        heir = heir_of(closed, heir)


def shown_by(closed: Mapping[str, Closing], origin: str, size: int) -> Iterator[tuple[str, int]]:
    """Give what a view of the first ``size`` entries of a log shows: how much of which logs.

    That is the log itself, and up to its cut each one that it goes on from, whatever the size: its
    first entry names the cut, and all that lies below is judged before that entry.
    """
    yield origin, size
    for old, closing in ancestors(closed, origin):
        yield old, closing.size


def is_one_log(closed: Mapping[str, Closing], origin: str, other: str) -> bool:
    """Say whether two logs are one to rules: the same, or one goes on from the other."""
    return (
        origin == other
        or any(old == other for old, _ in ancestors(closed, origin))
        or any(old == origin for old, _ in ancestors(closed, other))
    )


def living(closed: Mapping[str, Closing], origin: str) -> str:
    """Return the log in which a log goes on by now: itself, or its last heir."""
    *_, last = heirs(closed, origin)
    return last


def has_number_of(origin: str, name: str) -> bool:
    """Say whether a new object's number is one that this log may give out.

    A successor's numbers begin with its own number and a hyphen (``510000/case/2-2026-000017``), so
    that none is given out twice: what the lost log gave out beyond the cut is written on papers.
    Parties, tokens and vault keys are known by their names and keys, and carry none.
    """
    number = number_of_origin(origin)
    try:
        parts = split_name(name)
    except LedgerError:
        return True
    if number == 1 or parts.type in _UNNUMBERED or parts.region != region_of_origin(origin):
        return True
    return parts.number.startswith(f"{number}-")


def numbered(origin: str, number: str) -> str:
    """Return a number as this log may give it out; see ``has_number_of``."""
    log = number_of_origin(origin)
    return number if log == 1 else f"{log}-{number}"
