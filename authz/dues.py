"""What is owed on records about a case, each until the moment that the record itself names.

A rating that was bad is put right, a challenge answered, a part of the case done, a paper brought:
by whom the record is addressed to, or by whoever opened it. Such a term is no number of working
days, and nothing pauses it.

Source: domain.md rule 9; mechanisms 7, 18, 26, 29, 31, 37, 62, 64, 66.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from authz.deadline import Clock, Counted, Ended
from authz.obligation import Obligation
from ledger.names import split_name


class Owed(NamedTuple):
    """Where a record waits for what is owed on it, and who owes it: a field of its row."""

    obligation: Obligation
    state: str
    by: str


OWED: Final[Mapping[str, Owed]] = {
    "challenge": Owed(Obligation.ANSWER_CHALLENGE, "raised", "to"),
    "part": Owed(Obligation.PART, "asked", "to"),
    "tolerance": Owed(Obligation.SETTLE, "open", "by"),
    "commitment": Owed(Obligation.CHECK_PROMISE, "made", "to"),
    "parcel": Owed(Obligation.ARRIVE, "sent", "by"),
    "evaluation": Owed(Obligation.RECTIFY, "bad", "to"),
    "grievance": Owed(Obligation.ANSWER_GRIEVANCE, "filed", "to"),
    "supervision": Owed(Obligation.ANSWER_NOTICE, "noticed", "to"),
    "push": Owed(Obligation.RECEIPT, "sent", "to"),
}
"""By the type of the record."""

_GIVEN_UP: Final = (".withdraw", ".lapse", ".lose")
"""Ends of kinds by which nothing was done of what was owed."""


@dataclass(slots=True)
class Dues:
    """The clocks of records about one case, while its entries are gone through in order of cause.

    Invariant: at most one clock of a record runs.
    """

    case: str
    running: dict[str, Clock] = field(default_factory=dict)
    made: list[Clock] = field(default_factory=list)

    def take(
        self,
        place: tuple[str, int],
        kind: str,
        changed: Mapping[str, Mapping[str, Any]],
        at: Counted,
    ) -> None:
        """Take in what one act that stands left records as.

        Args:
            place: Of the act.
            kind: Of the act.
            changed: The rows that it left objects with.
            at: The time by which it counts.
        """
        for record, row in changed.items():
            owed = OWED.get(split_name(record).type)
            if owed is None or row.get("case") != self.case:
                continue
            self._end(record, place, kind, at)
            if row["st"] == owed.state and "due" in row:
                self.running[record] = Clock(
                    obligation=owed.obligation,
                    unit=row[owed.by],
                    start=place,
                    start_s=at.time_s,
                    days=None,
                    due_s=row["due"],
                    provisional=False,
                    proven=at.proven,
                )

    def _end(self, record: str, place: tuple[str, int], kind: str, at: Counted) -> None:
        clock = self.running.pop(record, None)
        if clock is None:
            return
        self.made.append(
            replace(
                clock,
                end=place,
                end_s=at.time_s,
                ended=Ended.MOOT if kind.endswith(_GIVEN_UP) else Ended.MET,
                proven=clock.proven and at.proven,
            )
        )

    def clocks(self) -> tuple[Clock, ...]:
        """Return every clock so far."""
        return (*self.made, *self.running.values())
