"""Lists of records: each record of a type as it stands, or as it stood at a moment.

Most questions of an auditor ask for such a list: which parcels of the case were lost, which tasks
are overdue, which contact was published on that day. A record may have rows in two logs; of those
the one with more steps behind it says where it stands. What its acts said is told with it, since
rows keep only what rules compare with.

Times are those that acts declare.

Source: domain.md section 3, last column.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from authz.records import NEW, Side, Step
from authz.tables import RECORD_KINDS
from ledger.kind import Kind
from ledger.names import region_of, region_of_origin, split_name

Row = Mapping[str, Any]
Place = tuple[str, int]


class Kept(NamedTuple):
    """What one act left a record as, and what it said.

    Args:
        body: Its fields; of an act on another subject none.
    """

    place: Place
    time_s: int
    kind: str
    issuer: str
    body: Row
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A record as it stands.

    Args:
        since_s: When its first act was done.
        opened_by: Who did that.
        time_s: When the act was done by which it stands so.
        steps: How many acts have made it what it is.
        said: The fields of all its acts, the newest word of each.
        waits: Whether somebody is to answer it, or to end it in time.
    """

    name: str
    since_s: int
    opened_by: str
    time_s: int
    place: Place
    kind: str
    issuer: str
    steps: int
    row: Row
    said: Row
    waits: bool

    def is_overdue(self, at_s: int) -> bool:
        """Return whether what it waits for was due before a moment."""
        due_s = self.row.get("due")
        return self.waits and due_s is not None and due_s < at_s

    def fields(self, at_s: int) -> dict[str, Any]:
        """Return it as programs read it."""
        return {
            "object": self.name,
            "state": self.row.get("st"),
            "live": self.row.get("live", True),
            "overdue": self.is_overdue(at_s),
            "since_s": self.since_s,
            "opened_by": self.opened_by,
            "time_s": self.time_s,
            "act": list(self.place),
            "kind": self.kind,
            "issuer": self.issuer,
            "steps": self.steps,
            "row": self.row,
            "said": self.said,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records of a type a list is to have.

    Args:
        state: Only those that stand so; empty: any.
        about: Only those that name this party, object or code; empty: any.
        overdue: Only those that wait for what was due before.
        older_s: Only those whose newest act is at least so old; 0: any.
    """

    state: str = ""
    about: str = ""
    overdue: bool = False
    older_s: int = 0

    def has(self, it: Standing, at_s: int) -> bool:
        """Return whether a record, as it stands at a moment, is one of these."""
        return (
            (not self.state or it.row.get("st") == self.state)
            and (not self.about or _names(it, self.about))
            and (not self.overdue or it.is_overdue(at_s))
            and (not self.older_s or at_s - it.time_s >= self.older_s)
        )


def stands(name: str, acts: Sequence[Kept], at_s: int) -> Standing | None:
    """Return how a record stood at a moment; None where it was not there yet.

    Args:
        name: Of the record.
        acts: What acts left it as, those of each log in the order of that log.
        at_s: What was done later is not counted.
    """
    done = [it for it in acts if it.time_s <= at_s]
    if not done:
        return None
    own = region_of(name)

    def rank(it: Kept) -> tuple[int, bool, int, Place]:
        return it.row.get("n", 0), region_of_origin(it.place[0]) == own, it.time_s, it.place

    done.sort(key=rank)
    newest = sorted({it.place[0]: it for it in done}.values(), key=rank)
    last = newest[-1]
    said: dict[str, Any] = {}
    for it in done:
        said |= it.body
    row = last.row
    first = min(done, key=lambda it: (it.time_s, it.place))
    if "n" not in row:
        row = {field: value for it in newest for field, value in it.row.items()}
    return Standing(
        name=name,
        since_s=first.time_s,
        opened_by=first.issuer,
        time_s=last.time_s,
        place=last.place,
        kind=last.kind,
        issuer=last.issuer,
        steps=row.get("n", len(done)),
        row=row,
        said=said,
        waits=row.get("st") in WAITING.get(split_name(name).type, ()),
    )


def _names(it: Standing, wanted: str) -> bool:
    return wanted in {it.issuer, it.opened_by} or any(
        wanted == value or (isinstance(value, list) and wanted in value)
        for told in (it.row, it.said)
        for value in told.values()
    )


def _waiting(kinds: Iterable[Kind]) -> dict[str, frozenset[str]]:
    """Return the states of each type of record in which its next step can be late."""
    found: dict[str, set[str]] = {}
    for kind in kinds:
        step = getattr(kind.rule, "__self__", None)
        if not isinstance(step, Step) or not (step.timed or step.side is Side.ADDRESSEE):
            continue
        found.setdefault(kind.subject, set()).update(
            state
            for state, event in step.life.steps
            if event.split(":")[0] == step.event and state != NEW
        )
    return {subject: frozenset(states) for subject, states in found.items()}


WAITING: Final[Mapping[str, frozenset[str]]] = _waiting(RECORD_KINDS)
"""By type of record."""
