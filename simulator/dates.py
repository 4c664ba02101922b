"""When entries were seen, reckoned a second time from the bytes, and held against every node.

An entry is seen at the time by which a quorum of its log's mirrors had signed trees that hold it,
as the first block record tells that has as many lines. Verdicts on uses, deadlines and declared
times rest on that. A liar's log is left out: what its records say may count for nothing.

Source: protocol.md sections 0, 3 and 7.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.lineage import heir_of
from ledger.roster import Roster
from ledger.statement import decode_statement
from simulator.machine import Machine
from simulator.reference import Log, Reference
from simulator.watched import Watched
from simulator.world import BrokenError


class Seen(NamedTuple):
    """When an entry was seen, and the block record that tells it.

    ``at`` is None where the log is closed and the first entry of the one that goes on tells it.
    """

    time_s: int
    at: int | None


class _Told(NamedTuple):
    """A line that counts: whose, on how many entries, and of when."""

    region: str
    size: int
    time_s: int


@dataclass(frozen=True, slots=True)
class _Term:
    """What a version of the roster says of a log, from one of its entries on.

    ``floor_s`` is when both quorums had signed the note of its epoch: nothing of it was seen
    earlier.
    """

    start: int
    roster: Roster
    quorum: int
    is_witnessed: bool
    floor_s: int


class Dates:
    """When the entries of each honest log were seen.

    Args:
        watched: What each log is, and who lies.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._reckoned: dict[str, tuple[tuple[int, int], Sequence[Seen]]] = {}
        """By log: how long it was with the one that goes on from it, and what followed."""

    def of(self, origin: str) -> Sequence[Seen]:
        """Return when the entries of a log were seen, from the first on as far as they are dated.

        Entry by entry: the q-th smallest of its mirrors' earliest times on trees that hold it, as
        the first record tells that has q of them; but no earlier than its epoch was proven.
        """
        reference = self._watched.reference
        heir = reference.logs.get(heir_of(reference.newest.closed, origin) or "")
        log = reference.logs[origin]
        lengths = (len(log.entries), 0 if heir is None else len(heir.entries))
        known = self._reckoned.get(origin)
        if known is None or known[0] != lengths:
            closing = reference.newest.closed.get(origin)
            size = len(log.entries) if closing is None else closing.size
            known = self._reckoned[origin] = (lengths, _reckon(reference, log, size, heir))
        return known[1]

    def check(self) -> None:
        """Check that every honest machine dates the entries of honest logs so, and no others.

        Raises:
            BrokenError: One does not.
        """
        reference = self._watched.reference
        plain = [
            origin
            for origin in reference.logs
            if self._watched.is_honest(origin) and origin not in reference.branches
        ]
        for machine in self._watched.sound():
            judged = self._watched.sizes(machine, "projections")
            for origin in plain:
                self._check(machine, origin, judged)

    def _check(self, machine: Machine, origin: str, judged: Mapping[str, int]) -> None:
        expected = [it.time_s for it in self.known(origin, judged)]
        rows = machine.disk.database.execute(
            "SELECT low, high, seen_by_s FROM evidence WHERE log_id = ? ORDER BY low",
            (self._watched.log_id(machine, origin),),
        )
        found = [time_s for low, high, time_s in rows for _ in range(low, high)]
        if found == expected:
            self._watched.world.counts["the date of an entry was checked"] += len(found)
            return
        at = next(
            (at for at, (one, two) in enumerate(zip(found, expected, strict=False)) if one != two),
            min(len(found), len(expected)),
        )
        raise BrokenError(
            f"{machine.region} dates {len(found)} entries of {origin} where {len(expected)} are "
            f"dated; {at} as {found[at : at + 1]}, and it was seen by {expected[at : at + 1]}"
        )

    def known(self, origin: str, judged: Mapping[str, int]) -> Sequence[Seen]:
        """Return when the entries of a log were seen, as far as somebody can know it.

        Args:
            origin: Of the log.
            judged: By log, how many entries that one has judged.
        """
        heir = heir_of(self._watched.reference.newest.closed, origin)
        has_heir = bool(heir and judged.get(heir))
        size = judged.get(origin, 0)
        return [it for it in self.of(origin) if (has_heir if it.at is None else it.at < size)]


def _reckon(reference: Reference, log: Log, end: int, heir: Log | None) -> Sequence[Seen]:
    terms = list(_terms(reference, log))
    told: dict[int, list[_Told]] = defaultdict(list)
    seen: list[Seen] = []
    for at, covered in _records(log, end, heir):
        for size, _, lines in covered:
            if at is None:  # out of freezes, by the last version that had the log
                last = reference.chain.last_with(log.origin)
                told[terms[-1].roster.version] += _lines(last, log.origin, size, lines)
                continue
            for version in log.versions_at(size):
                told[version] += _lines(reference.chain.at(version), log.origin, size, lines)
        while len(seen) < end:
            time_s = _seen_by(len(seen), terms, told)
            if time_s is None:
                break
            seen.append(Seen(time_s, at))
        for version, its in told.items():  # no other can count any more
            told[version] = [it for it in its if it.size > len(seen)]
    return seen


def _records(log: Log, end: int, heir: Log | None) -> Iterator[tuple[int | None, Sequence[Any]]]:
    """Yield where lines on a log are told, and what is told there: size, root and lines of trees.

    Nothing beyond the end counts, where the log was closed; what dates the rest stands in its heir.
    """
    yield from (it for it in log.records if it[0] < end)
    if heir is not None and heir.entries:
        body = decode_statement(heir.entries[0]).act.body
        if body.get("origin") == log.origin:
            yield None, body["lines"]


def _terms(reference: Reference, log: Log) -> Iterator[_Term]:
    """Yield the versions under which entries of a log stand, in order."""
    records, before, floor_s = dict(log.records), None, 0
    starts = [(0, log.begun), *((it.start, it.version) for it in log.epochs)]
    proofs = [None, *(it.proven_at for it in log.epochs)]
    for (start, version), proven_at in zip(starts, proofs, strict=True):
        roster = reference.chain.at(version)
        for by in (before, roster):
            if by is not None and proven_at is not None and by.witnesses_of(log.origin):
                times = sorted(
                    it.time_s
                    for size, _, lines in records[proven_at]
                    if size == start + 1
                    for it in _lines(by, log.origin, size, lines)
                )
                floor_s = max(floor_s, times[reference.quorum(by, log.origin) - 1])
        quorum = reference.quorum(roster, log.origin)
        yield _Term(start, roster, quorum, bool(roster.witnesses_of(log.origin)), floor_s)
        before = roster


def _lines(roster: Roster, origin: str, size: int, lines: Sequence[bytes]) -> Iterator[_Told]:
    """Yield what lines say that count by a version; that they hold was checked when they came."""
    keys = roster.mirror_keys(origin)
    for line in lines:
        for region, _, _ in keys.get(line[:4], ()):
            yield _Told(region, size, int.from_bytes(line[4:12]))


def _seen_by(index: int, terms: Sequence[_Term], told: Mapping[int, Sequence[_Told]]) -> int | None:
    """Return when an entry was seen by what is told so far; None: by no quorum."""
    under = [it for it in terms if it.start <= index]
    later = [it for it in terms if it.start > index]
    # Where nobody could sign by a version, the next one dates what it left open.
    of = next((it for it in (under[-1], *later) if it.is_witnessed), None)
    if of is None:
        return None
    earliest: dict[str, int] = {}
    for region, size, time_s in told.get(of.roster.version, ()):
        if size > index:
            earliest[region] = min(time_s, earliest.get(region, time_s))
    if len(earliest) < of.quorum:
        return None
    return max(sorted(earliest.values())[of.quorum - 1], under[-1].floor_s)
