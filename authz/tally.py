"""What one act that stands adds to the counts of its day: the work ledger is sums of these.

A tally says how many of what, on which day in Beijing (as declared), for which unit. Counts that
rise and fall, of what is live or owed, are tallied as +1 and -1, so that they too are sums. Sums
over the entries below a size are the same for every node, in whatever batches it read them.

Source: docs/method.md, version 1; mechanisms 9, 46, 47, 61, 62, 64.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from authz.calendar import TERM_DAYS_MAX, day_of
from authz.case import Event as CaseEvent
from authz.custody import Event as CustodyEvent
from authz.grant import Side
from authz.tables.evaluation import BAD
from ledger.kind import Flag

Row = Mapping[str, Any]

NOBODY: Final[Row] = {}
PROMISED: Final = "promised/"
"""Promises begun, by their working days; the day is the last one of the term so far."""
OVER: Final = "over/"
"""Promises ended, likewise; ``detail`` ends with the day on which they did."""
TERM_DIGITS: Final = 4


class Figure(StrEnum):
    """What is counted."""

    TAKEN_IN = "taken-in"
    DECIDED = "decided"
    """``total``: calendar days since the case was opened."""
    REFUSED = "refused"
    DELIVERED = "delivered"
    WITHDRAWN = "withdrawn"
    NOTICES = "notices"
    SUPPLEMENTS = "supplements"
    VERIFIED = "verified"
    RETURNED = "returned"
    """Offers declined."""
    RATED_GOOD = "rated-good"
    RATED_BAD = "rated-bad"
    RECTIFIED = "rectified"
    RECTIFIED_LATE = "rectified-late"
    URGED = "urged"
    """督办 notices to the unit."""
    ANSWERED = "answered"
    ANSWERED_LATE = "answered-late"
    RATING_OWED = "rating-owed"
    """Bad ratings to be put right, by the day on which that is due; +1 and -1."""
    ANSWER_OWED = "answer-owed"
    """督办 notices to be answered, likewise."""
    GRANT_DECIDED = "grant-decided"
    """Decisions on cases taken in under a grant; the unit is the grant."""
    LENT = "lent"
    """Grants on offer, +1 and -1; ``detail``: the first and the last day of the term."""
    ACCEPTED = "accepted"
    """Grants accepted, +1 and -1."""
    CLAIMED = "claimed"
    """Item codes claimed, +1 and -1; ``detail``: the code."""
    LISTED = "listed"
    """Item codes on a published list, likewise."""
    HALTED = "halted"
    """Procedures that stop a promise; the unit is the case, ``detail`` the procedure."""
    RESUMED = "resumed"


class Tally(NamedTuple):
    """One line of what an act adds."""

    figure: str
    day: int
    unit: str
    detail: str = ""
    number: int = 1
    total: int = 0


class Doing(NamedTuple):
    """An act that stands, as tallies are made from it.

    Args:
        before: The row that the act went on from: of its own log, or carried over from a release.
        after: The row that it left its subject with.
    """

    kind: str
    subject: str
    day: int
    before: Row
    after: Row
    is_late: bool


_Of = Callable[[Doing], Iterable[Tally]]


def tallies(  # noqa: PLR0917 - an act, and what it changed
    kind: str,
    subject: str,
    time_s: int,
    before: Row,
    after: Row,
    flags: tuple[Flag, ...],
) -> tuple[Tally, ...]:
    """Return what an act adds; nothing for a kind that no figure counts."""
    of = _OF.get(kind)
    if of is None:
        return ()
    is_late = bool(flags) and any(flag.code == "late" for flag in flags)
    return tuple(of(Doing(kind, subject, day_of(time_s), before, after, is_late)))


@lru_cache(maxsize=256)
def term_figure(family: str, promised: int) -> str:
    """Return the figure of the promises of so many working days."""
    return f"{family}{min(promised, TERM_DAYS_MAX):0{TERM_DIGITS}}"


# ---- cases --------------------------------------------------------------------------------------

# Looked up once: these are asked for with every act on a case.
_TAKEN_IN: Final = Figure.TAKEN_IN.value
_DECIDED: Final = Figure.DECIDED.value
_REFUSED: Final = Figure.REFUSED.value
_GRANT_DECIDED: Final = Figure.GRANT_DECIDED.value
_PLAIN: Final[Mapping[str, str]] = {
    CaseEvent.NOTICE.value: Figure.NOTICES.value,
    CaseEvent.SUPPLEMENT.value: Figure.SUPPLEMENTS.value,
    CaseEvent.VERIFY.value: Figure.VERIFIED.value,
    CaseEvent.DELIVER.value: Figure.DELIVERED.value,
    CaseEvent.WITHDRAW.value: Figure.WITHDRAWN.value,
}


# These run for every act on a case, so they make lists and no generators.


def _opened(it: Doing) -> list[Tally]:
    row = it.after
    return [Tally(_TAKEN_IN, it.day, row["unit"]), *_promised(row, 1)]


def _done(it: Doing) -> list[Tally]:
    before, row = it.before, it.after
    found = [Tally(_PLAIN[it.kind], it.day, row["unit"])]
    if before.get("term") != row.get("term"):
        found += (*_promised(before, -1), *_promised(row, 1))
    if it.kind == CaseEvent.WITHDRAW:
        found += _over(it)
    return found


def _decided(it: Doing) -> list[Tally]:
    row, day = it.after, it.day
    term = row.get("term")
    waited = 0 if term is None else day - term[1]
    found = [Tally(_DECIDED, day, row["dept"], row["item"], 1, waited), *_over(it)]
    if row["result"] == "refused":
        found.append(Tally(_REFUSED, day, row["dept"]))
    if "grant" in row:
        found.append(Tally(_GRANT_DECIDED, day, row["grant"]))
    return found


def _promised(row: Row, count: int) -> tuple[Tally, ...]:
    term = row.get("term")
    if term is None or term[0] is None:
        return ()
    return (Tally(term_figure(PROMISED, term[0]), term[-1], row["dept"], _spelled(term), count),)


def _over(it: Doing) -> tuple[Tally, ...]:
    term = it.after.get("term")
    if term is None or term[0] is None:
        return ()
    detail = f"{_spelled(term)};{it.day}"
    return (Tally(term_figure(OVER, term[0]), term[-1], it.after["dept"], detail),)


def _spelled(term: list[int | None]) -> str:
    """Return a term's days but for the last one, by which it is filed."""
    return "" if len(term) == 2 else ",".join(map(str, term[1:-1]))


def _returned(it: Doing) -> Iterator[Tally]:
    yield Tally(Figure.RETURNED, it.day, it.after["to"])


def _halted(it: Doing) -> Iterator[Tally]:
    figure = Figure.HALTED if it.kind == "procedure.start" else Figure.RESUMED
    yield Tally(figure, it.day, it.after["case"], it.subject)


# ---- what is answered for -----------------------------------------------------------------------


def _rated(it: Doing) -> Iterator[Tally]:
    row = it.after
    is_bad = row["grade"] in BAD
    yield Tally(Figure.RATED_BAD if is_bad else Figure.RATED_GOOD, it.day, row["to"])
    if is_bad:
        yield from _owed(it, Figure.RATING_OWED, 1)


def _rectified(it: Doing) -> Iterator[Tally]:
    yield from _answered(it, Figure.RECTIFIED, Figure.RECTIFIED_LATE, Figure.RATING_OWED)


def _fed_back(it: Doing) -> Iterator[Tally]:
    if it.after["st"] == "bad":  # not settled: it is owed again
        yield from _owed(it, Figure.RATING_OWED, 1)


def _urged(it: Doing) -> Iterator[Tally]:
    yield Tally(Figure.URGED, it.day, it.after["to"])
    yield from _owed(it, Figure.ANSWER_OWED, 1)


def _sent_back(it: Doing) -> Iterator[Tally]:
    yield from _owed(it, Figure.ANSWER_OWED, 1)


def _taken_back(it: Doing) -> Iterator[Tally]:
    yield from _owed(it, Figure.ANSWER_OWED, -1)


def _replied(it: Doing) -> Iterator[Tally]:
    yield from _answered(it, Figure.ANSWERED, Figure.ANSWERED_LATE, Figure.ANSWER_OWED)


def _answered(it: Doing, done: Figure, late: Figure, owed: Figure) -> Iterator[Tally]:
    yield Tally(done, it.day, it.after["to"])
    if it.is_late:
        yield Tally(late, it.day, it.after["to"])
    yield from _owed(it, owed, -1)


def _owed(it: Doing, figure: Figure, count: int) -> Iterator[Tally]:
    yield Tally(figure, day_of(it.after["due"]), it.after["to"], number=count)


# ---- what is lent, claimed and listed -----------------------------------------------------------


def _lent(it: Doing) -> Iterator[Tally]:
    for row, count in ((it.before, -1), (it.after, 1)):
        if row.get("st") == Side.OFFERED:
            term = f"{day_of(row['from'])},{day_of(row['until'] - 1)}"
            yield Tally(Figure.LENT, it.day, it.subject, term, count)
        if row.get("ans") == Side.ACCEPTED:
            yield Tally(Figure.ACCEPTED, it.day, it.subject, number=count)


def _claimed(it: Doing) -> Iterator[Tally]:
    count = 1 if it.after["live"] else -1
    yield Tally(Figure.CLAIMED, it.day, it.after["by"], it.after["code"], count)


def _listed(it: Doing) -> Iterator[Tally]:
    before, after = (set(row.get("items", ())) for row in (it.before, it.after))
    for count, codes in ((-1, before - after), (1, after - before)):
        for code in sorted(codes):
            yield Tally(Figure.LISTED, it.day, it.after["by"], code, count)


_OF: Final[Mapping[str, _Of]] = {
    CaseEvent.OPEN.value: _opened,
    **dict.fromkeys(_PLAIN, _done),
    CaseEvent.DECIDE.value: _decided,
    CustodyEvent.DECLINE.value: _returned,
    "procedure.start": _halted,
    "procedure.end": _halted,
    "evaluation.rate": _rated,
    "evaluation.rectify": _rectified,
    "evaluation.feedback": _fed_back,
    "supervision.notice": _urged,
    "supervision.reply": _replied,
    "supervision.return": _sent_back,
    "supervision.withdraw": _taken_back,
    **{
        f"grant.{step}": _lent
        for step in ("offer", "accept", "decline", "suspend", "resume", "revoke", "renew")
    },
    "claim.make": _claimed,
    "claim.release": _claimed,
    "item-list.publish": _listed,
}
