"""Which note of another log our own log could record next, and whether it should."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.kind import ViewFact
from ledger.note import Note
from ledger.roster_fields import Constants
from ledger.views import GoodLine, fresh_at
from nodes.core.log_state import LogState
from nodes.core.notes import Known, LineKey, line_key, lines_of
from nodes.core.projection import Projection
from nodes.core.settlement import Wanted


@dataclass(slots=True)
class Shelf:
    """The best note of each other log that is judged here as far as it reaches.

    A view of more than is judged would leave our own acts without the facts they cite, so a larger
    note waits until the follower has come that far.
    """

    _notes: dict[str, Known] = field(default_factory=dict)
    missed: set[str] = field(default_factory=set)
    """Logs of which an act wanted a view, and there was none to be had."""

    @property
    def notes(self) -> Mapping[str, Known]:
        """By origin."""
        return self._notes

    def get(self, origin: str) -> Known | None:
        """Return the note to record of a log; None before there is one."""
        return self._notes.get(origin)

    def is_better(self, origin: str, known: Known, judged_size: int) -> bool:
        """Say whether a note is judged here, and larger or fresher than the one at hand."""
        if known.size > judged_size:
            return False
        have = self._notes.get(origin)
        return have is None or (known.size, known.fresh_at_s) > (have.size, have.fresh_at_s)

    def put(self, origin: str, known: Known) -> None:
        """Take a note whose root is that of our own copy."""
        self._notes[origin] = known

    def usable(self, origin: str, latest_s: int) -> Known | None:
        """Return the note to record of a log, unless a line in it is dated beyond our clock."""
        known = self._notes.get(origin)
        if known is None or any(line.time_s > latest_s for line in known.lines):
            return None
        return known

    def freshest(self, latest_s: int) -> tuple[str, Known] | None:
        """Return the log and note that show the latest time; None where there is none."""
        if not self._notes:
            return None
        usable = [
            (known.fresh_at_s, origin)
            for origin, known in self._notes.items()
            if self.usable(origin, latest_s) is not None
        ]
        if not usable:
            return None
        origin = max(usable)[1]
        return origin, self._notes[origin]


def counted(known: Known, viewed: LogState, projection: Projection) -> Known | None:
    """Return a note with the lines that count on it, now that its log is judged so far.

    None where too few count: a view of it would be void.
    """
    origin = viewed.origin
    counting = viewed.counting(known.size)
    if counting is None:
        return None
    roster = projection.ground.rosters.at(counting.version)
    before = projection.ground.before_of(origin, counting)
    lines: dict[LineKey, GoodLine] = {}
    fresh: list[int] = []
    for version in (roster, before):
        if version is None:
            continue
        of_version = lines_of(version, origin, known.lines)
        found = fresh_at((line.time_s for line in of_version), version.quorum(origin))
        if found is None:
            return None
        fresh.append(found)
        lines |= {line_key(line): line for line in of_version}
    signature = Note.decode(known.note).signatures[0]
    if signature.key_id != roster.log_key(origin).key_id:
        return None
    return known._replace(fresh_at_s=min(fresh), lines=tuple(lines.values()))


def should_renew(
    current: ViewFact | None,
    best: Known,
    needed: Sequence[int],
    now_s: int,
    constants: Constants,
) -> bool:
    """Say whether a new view is to be recorded before an act that relies on its log.

    Args:
        current: The last view recorded.
        best: What could be recorded now.
        needed: Indices of the newest rows that the act asks for.
        now_s: Now.
        constants: Of the roster.

    Source: protocol.md section 4, views.
    """
    if current is None:
        return True
    if best.size < current.size:
        return False
    if best.fresh_at_s > current.fresh_at_s and 2 * (now_s - current.fresh_at_s) > (
        constants.staleness_s
    ):
        return True
    return any(current.size <= index < best.size for index in needed)


def due_for_uses(
    wanted: Mapping[str, Wanted],
    shelf: Shelf,
    views: Mapping[str, ViewFact],
    refresh_s: int,
) -> list[str]:
    """Return the logs of which a view recorded now would settle open uses of ours.

    One that settles all of them is recorded at once; one that settles some, if the last is older
    than R, so that steady use under a slow link does not fill the log with views.
    """
    due: list[str] = []
    for origin in sorted(wanted):
        best, current = shelf.get(origin), views.get(origin)
        if best is None or (current is not None and best.fresh_at_s <= current.fresh_at_s):
            continue
        if current is not None and best.size < current.size:
            continue
        since_s = best.fresh_at_s - (0 if current is None else current.fresh_at_s)
        if best.fresh_at_s >= wanted[origin].most_s or (
            best.fresh_at_s >= wanted[origin].least_s and since_s >= refresh_s
        ):
            due.append(origin)
    return due
