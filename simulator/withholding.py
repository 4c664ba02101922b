"""Accepted offers that were neither released nor cancelled in time, found from the bytes alone.

The definition is that of ``nodes.core.withheld``, read off a machine's own entries at the end of a
run: what its node concludes as it goes must be neither less nor more. Logs that were closed, or go
on from one that was, are left to the tests of that room.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ledger.checkpoint import Checkpoint
from ledger.lineage import before
from ledger.note import Note
from ledger.statement import Statement, UnverifiedStatement, decode_statement
from simulator.machine import Machine
from simulator.watched import Watched
from simulator.world import BrokenError

Place = tuple[str, int, str]
"""Of the offer, and its case."""

_ANSWER, _ENDS = "handoff.accept", frozenset({"handoff.release", "handoff.cancel"})
_decoded = lru_cache(maxsize=4_096)(decode_statement)


@dataclass(frozen=True, slots=True)
class Copy:
    """A log as a machine has it, as far as that is judged there."""

    origin: str
    acts: tuple[tuple[int, Statement | UnverifiedStatement], ...]
    """Views, answers and what ends an offer, those that stand, with their places."""
    seen: tuple[tuple[int, int, int], ...]
    """(low, high, time): entries from ``low`` up to before ``high`` were seen by then."""

    def covered_at(self, other: str, index: int) -> int | None:
        """Return where the first view stands that shows another log beyond an index."""
        for at, statement in self.acts:
            if statement.act.kind == "log.view" and statement.subject == other:
                note = Note.decode(statement.act.body["note"])
                if Checkpoint.decode(note.text).size > index:
                    return at
        return None

    def late_at(self, begun: int, staleness_s: int) -> int | None:
        """Return the first entry after one that was seen more than so much later than that."""
        times = [time_s for low, high, time_s in self.seen if low <= begun < high]
        after = [
            max(low, begun + 1)
            for low, high, time_s in self.seen
            if times and time_s > times[0] + staleness_s and high > begun + 1
        ]
        return min(after, default=None)

    def is_ended(self, case: str, offer: int, late: int) -> bool:
        """Say whether an offer was released or cancelled after its place and no later than that."""
        return any(
            statement.subject == case and statement.act.kind in _ENDS and offer < at <= late
            for at, statement in self.acts
        )


def check_withheld(watched: Watched) -> None:
    """Check that every honest machine has found the releases that were withheld, and no others."""
    roster = watched.reference.newest
    plain = {it for it in roster.origins if before(roster.closed, it) is None}
    for machine in watched.sound():
        copies = {it: _copy_of(watched, machine, it) for it in watched.reference.logs}
        every = withheld(copies, roster.constants.staleness_s)
        expected = {place for place in every if place[0] in plain}
        rows = machine.disk.database.execute(
            'SELECT origin, findings."index", subject FROM findings JOIN logs USING (log_id) '
            "WHERE code = 'release-withheld'"
        )
        found = {row for row in rows.fetchall() if row[0] in plain}
        if found != expected:
            raise BrokenError(
                f"{machine.region} finds releases withheld that are not {found - expected}, "
                f"or finds not those that are {expected - found}"
            )
        if expected:
            watched.world.count("a withheld release was found")


def withheld(copies: dict[str, Copy], staleness_s: int) -> Iterator[Place]:
    """Yield the accepted offers that stood open when their holder's log was past its time.

    Args:
        copies: By origin.
        staleness_s: S.
    """
    for copy in copies.values():
        for index, statement in copy.acts:
            if statement.act.kind != _ANSWER:
                continue
            for citation in statement.act.citations:
                holder = copies.get(citation.origin)
                if citation.role != "offer" or holder is None:
                    continue
                is_own = holder is copy
                begun = index if is_own else holder.covered_at(copy.origin, index)
                late = None if begun is None else holder.late_at(begun, staleness_s)
                case, offer = statement.subject, citation.index
                if late is not None and not holder.is_ended(case, offer, late):
                    yield (holder.origin, offer, case)


def _copy_of(watched: Watched, machine: Machine, origin: str) -> Copy:
    log_id = watched.log_id(machine, origin)
    database = machine.disk.database
    [size] = database.execute(
        "SELECT coalesce(max(size), 0) FROM projections WHERE log_id = ?", (log_id,)
    ).fetchone()
    # What is void left its object as it was.
    stands: Sequence[tuple[int, str]] = database.execute(
        'SELECT "index", object FROM facts WHERE log_id = ?', (log_id,)
    ).fetchall()
    standing = frozenset(stands)
    acts = [
        (index, statement)
        for index, entry in enumerate(watched.entries(machine, origin, 0, size))
        if b"handoff." in entry or b"log.view" in entry
        for statement in (_decoded(entry),)
        if (index, statement.subject) in standing
    ]
    seen = database.execute(
        "SELECT low, high, seen_by_s FROM evidence WHERE log_id = ? ORDER BY low", (log_id,)
    ).fetchall()
    return Copy(origin, tuple(acts), tuple(seen))
