"""Acts that the region owes by itself: a release for an accept, a cancel for a decline.

Noticed while logs are judged, kept in the store until done, so that a crash forgets none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ledger import encoding
from ledger.lineage import ancestors
from ledger.roster_fields import Closing
from nodes.core.effects import Effects
from nodes.core.ready import PutMemory

DUTIES: Final = "duties"
"""Memory under this name: what is owed."""

OFFER_ROLE: Final = "offer"
ANSWERS: Final = {"handoff.accept": "handoff.release", "handoff.decline": "handoff.cancel"}
"""What follows in the holder's log from an answer that cites its offer (protocol.md section 5)."""

# The act can never stand: someone else released or cancelled first, or it was another offer.
SETTLED_CODES: Final = frozenset({
    "wrong-state", "not-holder", "unknown-object", "already-answered", "not-entitled", "exists",
})  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Duty:
    """An act owed: its kind and subject, and the entry that it answers."""

    kind: str
    subject: str
    origin: str
    index: int


class Duties:
    """What is owed, in the order in which it was noticed.

    Args:
        own: Origin of our own log.
        closed: By the roster: offers of a log that ours goes on from are ours.
        stored: What the store remembers.
        duties_max: The oldest are kept; more than that is not taken in.
    """

    def __init__(
        self,
        own: str,
        stored: bytes,
        duties_max: int,
        closed: Mapping[str, Closing] = MappingProxyType({}),
    ) -> None:
        self._ours = frozenset((own, *(old for old, _ in ancestors(closed, own))))
        self._duties_max = duties_max
        self._owed = [Duty(*item) for item in encoding.decode(stored)] if stored else []
        self._stored = list(self._owed)

    @property
    def owed(self) -> tuple[Duty, ...]:
        """What is owed now."""
        return tuple(self._owed)

    def notice(self, origin: str, effects: Effects) -> None:
        """Look for answers to our own offers among newly judged acts."""
        for index, statement in effects.noticed:
            follows = ANSWERS.get(statement.act.kind)
            if follows is None:
                continue
            cites = any(
                citation.role == OFFER_ROLE and citation.origin in self._ours
                for citation in statement.act.citations
            )
            duty = Duty(follows, statement.subject, origin, index)
            if cites and duty not in self._owed and len(self._owed) < self._duties_max:
                self._owed.append(duty)

    def done(self, duties: Iterable[Duty]) -> None:
        """Forget what is done, or can never be."""
        gone = set(duties)
        self._owed = [duty for duty in self._owed if duty not in gone]

    def writes(self) -> tuple[PutMemory, ...]:
        """Return what has to be stored since the last time."""
        if self._owed == self._stored:
            return ()
        self._stored = list(self._owed)
        rows = [[duty.kind, duty.subject, duty.origin, duty.index] for duty in self._owed]
        return (PutMemory(DUTIES, encoding.encode(rows)),)


def unowed(stored: bytes, kept: Mapping[str, int]) -> tuple[PutMemory, ...]:
    """Return what forgets the answers to be acted upon that no longer stand in their log.

    Args:
        stored: What is owed, as the store remembers it.
        kept: By origin of the logs that are judged again: how many entries are what they were.
    """
    rows = encoding.decode(stored) if stored else []
    left = [row for row in rows if row[2] not in kept or row[3] < kept[row[2]]]
    return () if len(left) == len(rows) else (PutMemory(DUTIES, encoding.encode(left)),)
