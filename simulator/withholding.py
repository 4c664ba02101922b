"""Accepted offers that were neither released nor cancelled in time, found from the bytes alone.

The definition is that of ``nodes.core.withheld``, read off a machine's own entries at the end of a
run: what its node concludes as it goes must be neither less nor more.

1. A log and those that go on from it are a line, as the newest roster closes them. A view shows its
   log below the view's size, and the logs before that in its line below their cuts.
2. In the log of an offer, the time begins at the first view that shows the acceptance, or, inside
   one region, at the acceptance. Where it began in a log that has ended, it begins anew with the
   first entry of the next; and so does what nothing has shown till then, by a view there.
3. Whoever has an entry seen more than S after that, and up to it no release and no cancel, has kept
   the case: the first log of the line that has, and no other.
4. Where the act, or the first view that shows it, was not judged by this machine, it says nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ledger.checkpoint import Checkpoint
from ledger.encoding import encode
from ledger.kind import UNJUDGED
from ledger.note import Note
from ledger.roster_fields import Closing
from ledger.salvage import as_judged
from ledger.statement import Statement, UnverifiedStatement, decode_statement
from simulator.machine import Machine
from simulator.watched import Watched
from simulator.world import BrokenError

_ANSWER, _ENDS = "handoff.accept", frozenset({"handoff.release", "handoff.cancel"})
_decoded = lru_cache(maxsize=4_096)(decode_statement)


class Kept(NamedTuple):
    """A case that was kept: the log, the place that the finding names, and the case.

    ``is_through_heir``: the acceptance stands in a log that has ended, and was shown by a view of
    one that goes on from it.
    """

    log: str
    at: int
    case: str
    is_through_heir: bool = False


@dataclass(frozen=True, slots=True)
class Copy:
    """A log as a machine has it, as far as that is judged there."""

    origin: str
    acts: tuple[tuple[int, Statement | UnverifiedStatement], ...]
    """Views, answers and what ends an offer, those that stand, with their places."""
    seen: tuple[tuple[int, int, int], ...]
    """(low, high, time): entries from ``low`` up to before ``high`` were seen by then."""
    unjudged: frozenset[tuple[int, str]] = frozenset()
    """Entries that are not judged there, with the objects that they may have changed."""

    def shown_at(self, line: Sequence[str], index: int) -> tuple[int, str] | None:
        """Return the first view that shows an entry of the first log of a line, and its subject."""
        for at, statement in self.acts:
            if statement.act.kind != "log.view" or statement.subject not in line:
                continue
            note = Note.decode(statement.act.body["note"])
            if statement.subject != line[0] or Checkpoint.decode(note.text).size > index:
                return at, statement.subject
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

    def may_have_ended(self, case: str, low: int, high: int | None) -> bool:
        """Say whether an offer of a case was ended between two places, or nobody here can say."""
        places = [
            at
            for at, statement in self.acts
            if statement.subject == case and statement.act.kind in _ENDS
        ]
        places += [at for at, name in self.unjudged if name == case]
        return any(low < at and (high is None or at <= high) for at in places)


def check_withheld(watched: Watched) -> None:
    """Check that every honest machine has found the releases that were withheld, and no others."""
    roster = watched.reference.newest
    for machine in watched.sound():
        copies = {it: _copy_of(watched, machine, it) for it in watched.reference.logs}
        expected = set(withheld(copies, roster.closed, roster.constants.staleness_s))
        rows = machine.disk.database.execute(
            'SELECT origin, findings."index", subject FROM findings JOIN logs USING (log_id) '
            "WHERE code = 'release-withheld'"
        )
        found, wanted = set(rows.fetchall()), {kept[:3] for kept in expected}
        if found != wanted:
            raise BrokenError(
                f"{machine.region} finds releases withheld that are not {found - wanted}, "
                f"or finds not those that are {wanted - found}"
            )
        if expected:
            watched.world.count("a withheld release was found")
        if any(kept.is_through_heir for kept in expected):
            watched.world.count("a withheld release was found through a successor")


def withheld(
    copies: Mapping[str, Copy], closed: Mapping[str, Closing], staleness_s: int
) -> Iterator[Kept]:
    """Yield the accepted offers that stood open when their holder's log was past its time.

    Args:
        copies: By origin.
        closed: By the newest roster.
        staleness_s: S.
    """
    for copy in copies.values():
        for index, statement in copy.acts:
            case = statement.subject
            if statement.act.kind != _ANSWER or (index, case) in copy.unjudged:
                continue
            for citation in statement.act.citations:
                if citation.role == "offer":
                    offer = Kept(citation.origin, citation.index, case)
                    yield from _kept(copies, closed, staleness_s, offer, (copy.origin, index))


def _kept(
    copies: Mapping[str, Copy],
    closed: Mapping[str, Closing],
    staleness_s: int,
    offer: Kept,
    accepted: tuple[str, int],
) -> Iterator[Kept]:
    """Yield how an accepted offer was kept, by the first log that is late with it, if one is."""
    holders, receivers = _line(closed, offer.log), _line(closed, accepted[0])
    has_begun = is_through_heir = False
    for log in holders:
        if log not in copies:
            return
        holder, low = copies[log], offer.at if log == offer.log else -1
        begun: int | None = 0 if has_begun else None
        if not has_begun and accepted[0] in holders:
            begun = accepted[1] if log == accepted[0] else None
        elif not has_begun:
            view = holder.shown_at(receivers, accepted[1])
            if view is not None:
                begun = view[0]
                is_through_heir = view[1] != accepted[0]
            if view in holder.unjudged:
                return  # (4)
        has_begun = begun is not None
        late = None if begun is None else holder.late_at(begun, staleness_s)
        if holder.may_have_ended(offer.case, low, late):
            return
        if late is not None:
            named = offer.at if log == offer.log else begun
            yield Kept(log, named or 0, offer.case, is_through_heir)
            return


def _line(closed: Mapping[str, Closing], log: str) -> Sequence[str]:
    """Return a log and those of its region that go on from it."""
    line, region = [log], log.split("/")[1]
    while (closing := closed.get(line[-1])) and closing.successor:
        if closing.successor.split("/")[1] != region:
            break
        line.append(closing.successor)
    return line


def _copy_of(watched: Watched, machine: Machine, origin: str) -> Copy:
    log_id = watched.log_id(machine, origin)
    database = machine.disk.database
    [size] = database.execute(
        "SELECT coalesce(max(size), 0) FROM projections WHERE log_id = ?", (log_id,)
    ).fetchone()
    # What is void left its object as it was.
    rows: Sequence[tuple[int, str, int]] = database.execute(
        'SELECT "index", object, instr(state, ?) FROM facts WHERE log_id = ?',
        (encode(UNJUDGED), log_id),
    ).fetchall()
    standing = {(index, name) for index, name, _ in rows}
    acts = [
        (index, statement)
        for index, entry in enumerate(watched.entries(machine, origin, 0, size))
        if b"handoff." in entry or b"log.view" in entry
        for statement in (as_judged(_decoded(entry)),)
        if (index, statement.subject) in standing
    ]
    unjudged = frozenset((index, name) for index, name, is_unjudged in rows if is_unjudged)
    seen = database.execute(
        "SELECT low, high, seen_by_s FROM evidence WHERE log_id = ? ORDER BY low", (log_id,)
    ).fetchall()
    return Copy(origin, tuple(acts), tuple(seen), unjudged)
