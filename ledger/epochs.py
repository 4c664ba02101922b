"""Which version of the roster rules a log from where on, and by which lines on its trees count.

A node follows this through a whole log. Whoever holds but a few entries is shown, for each version
since the one that the log began under, its epoch entry and the block record that has both quorums.

Source: protocol.md section 7.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.names import region_of_origin
from ledger.roster import Roster
from ledger.roster_chain import check_successor
from ledger.roster_change import read_signed, written_signed
from ledger.signed_roster import SignedRoster
from ledger.statement import UnverifiedStatement, verify_statement
from ledger.views import (
    BLOCK_KIND,
    EPOCH_KIND,
    Block,
    BlockLines,
    count_lines,
    decode_block,
    fresh_at,
    seen_by,
)


class Epoch(NamedTuple):
    """A version of the roster, and the index from where on a log is judged by it.

    ``proven_at`` is the index of the block record that holds both quorums on the epoch's note; None
    while there is none. The version that a log begins under needs no proof.
    """

    version: int
    start: int
    proven_at: int | None


class Counting(NamedTuple):
    """By which versions lines on a tree count.

    ``before`` counts as well on the note of an epoch, and is None for every other note.
    """

    version: int
    before: int | None


def counting(epochs: Sequence[Epoch], size: int, proven: Iterable[int] = ()) -> Counting | None:
    """Return by which versions lines on the tree of a size count; None: by none.

    Nothing above the note of an epoch counts before both quorums on that note stand in the tree.

    Args:
        epochs: Of the log, ascending; the first is the version that it begins under.
        size: Of the tree; all epochs in it are among those given.
        proven: Versions whose note has its quorums in the entry that is being judged.
    """
    last = epochs[0]
    for epoch in epochs[1:]:
        if epoch.start >= size:
            break
        last = epoch
    if last is epochs[0]:
        return Counting(last.version, None)
    if last.start + 1 == size:
        return Counting(last.version, last.version - 1)
    if last.version in proven or (last.proven_at is not None and last.proven_at < size):
        return Counting(last.version, None)
    return None


def epoch_body(signed_roster: bytes, before: Roster | None = None) -> dict[str, Any]:
    """Return the body of a ``log.epoch`` act.

    Args:
        signed_roster: Whole.
        before: The version before it, of which a great one is written as a change.
    """
    return {"roster": written_signed(signed_roster, before)}


def epoch_roster(body: Mapping[str, Any], before: Roster) -> SignedRoster:
    """Read the body of a ``log.epoch`` act; the roster in it is not checked.

    Args:
        body: Of the act.
        before: The version in force in the log until then.

    Raises:
        MalformedError: It is not of the form.
        UnverifiedError: ``roster-previous``: it changes another version.
    """
    signed = body.get("roster")
    if type(signed) is not bytes or body.keys() != {"roster"}:
        raise MalformedError("an epoch is a signed roster", code="bad-field")
    return read_signed(signed, before)


@dataclass(frozen=True, slots=True)
class Epochs:
    """The epochs of one log, with the versions that they begin.

    Args:
        origin: Of the log.
        rosters: By version from 1, in order.
        items: Ascending; the first is the version that the log begins under.
        floors: (index, time): nothing from that index on was seen earlier.
    """

    origin: str
    rosters: tuple[Roster, ...]
    items: tuple[Epoch, ...]
    floors: tuple[tuple[int, int], ...] = ()

    def at(self, index: int) -> Roster:
        """Return the version that the entry at an index is judged by."""
        version = next(it.version for it in reversed(self.items) if it.start <= index)
        return self.rosters[version - 1]

    def dating(self, index: int) -> Roster:
        """Return the version by whose lines an entry is dated.

        It is that which judges the entry. Where nobody could sign by it, the next one dates what it
        left open.
        """
        later = [it.version for it in self.items if it.start > index]
        for version in (self.at(index).version, *later):
            if self.rosters[version - 1].witnesses_of(self.origin):
                return self.rosters[version - 1]
        return self.at(index)

    def floor_at(self, index: int) -> int:
        """Return the time before which the entry at an index was not seen; 0: any time."""
        return max((time_s for start, time_s in self.floors if start <= index), default=0)

    def counted_by(self, size: int, at: int | None = None) -> tuple[Roster, ...]:
        """Return the versions by each of which lines on the tree of a size count; empty: by none.

        Args:
            size: Of the tree.
            at: Index of the block record that holds the lines; None where they stand elsewhere.
        """
        proven = [
            it.version for it in self.items if it.proven_at is not None and it.proven_at == at
        ]
        found = counting(self.items, size, proven)
        if found is None:
            return ()
        roster = self.rosters[found.version - 1]
        before = None if found.before is None else self.rosters[found.before - 1]
        # Where a version gives the log no witnesses, nobody could sign by it.
        return (
            (roster,)
            if before is None or not before.witnesses_of(self.origin)
            else (roster, before)
        )

    def times(self, item: BlockLines, at: int) -> Mapping[int, Mapping[str, int]]:
        """Return the times of the good lines of a candidate in a block record.

        Args:
            item: The candidate.
            at: Index of the block record.

        Returns:
            By version and region; empty where one of the versions lacks its quorum.
        """
        versions = self.counted_by(item.size, at)
        if not versions:
            return {}
        count = count_lines(versions[0], self.origin, item, *versions[1:])
        found = {}
        for roster, covers in zip(versions, (count.covers, count.before), strict=False):
            if len(covers) < roster.quorum(self.origin):
                return {}
            found[roster.version] = {it.region: it.time_s for it in covers}
        return found

    def fresh_at(self, item: BlockLines, at: int) -> int | None:
        """Return until when a log was no larger than a candidate in a block record; None: not told.

        The note of an epoch is as fresh as the less fresh of the two versions has it.
        """
        found = [
            fresh_at(times.values(), self.rosters[version - 1].quorum(self.origin))
            for version, times in self.times(item, at).items()
        ]
        return min((it for it in found if it is not None), default=None)


def find_epochs(
    origin: str,
    rosters: tuple[Roster, ...],
    entries: Mapping[int, UnverifiedStatement],
    root_of: Callable[[int], bytes],
) -> Epochs:
    """Return the epochs of a log that the entries shown of it prove, each after the one before.

    What begins no version by the rules of nodes is passed over: it is void on each of them.

    Args:
        origin: Of the log.
        rosters: Checked, by version from 1.
        entries: By index; known to stand in the log's tree, though anyone may have signed them.
        root_of: Returns the root of the tree whose last entry is that at an index.

    Raises:
        UnverifiedError: An entry begins a version that is not among ``rosters``; or a block record
            of the log names another version than the one in force at its place.
        NotFoundError: No version knows the log.
    """
    first = next((it for it in rosters if origin in it.origins), rosters[0])
    first.region_of_origin(origin)
    epochs = Epochs(origin, rosters, (Epoch(first.version, 0, 0),))
    for index, made in sorted(entries.items()):
        if made.act.kind == EPOCH_KIND:
            epochs = begin_epoch(epochs, index, made)
        elif made.act.kind == BLOCK_KIND:
            epochs = prove_epoch(epochs, index, made, root_of)
    return epochs


def _is_word_of(made: UnverifiedStatement, origin: str, roster: Roster) -> bool:
    """Say whether an entry is the log's own word on itself, signed as a version has it."""
    region = region_of_origin(origin)
    act = made.act
    if (made.issuer, made.subject, act.version, act.citations) != (region, origin, 1, ()):
        return False
    try:
        verify_statement(made, roster.members[region].keys.issuer)
    except LedgerError:
        return False
    return True


def begin_epoch(epochs: Epochs, index: int, made: UnverifiedStatement) -> Epochs:
    """Take an epoch entry in, if it begins the next version; else return ``epochs`` itself.

    Raises:
        UnverifiedError: It begins a version that is not among those given.
    """
    origin, rosters, last = epochs.origin, epochs.rosters, epochs.items[-1]
    before = rosters[last.version - 1]
    try:
        roster = check_successor(before, epoch_roster(made.act.body, before))
    except LedgerError:
        return epochs
    if last.proven_at is None or origin not in roster.origins:
        return epochs
    if not _is_word_of(made, origin, roster):
        return epochs
    if roster.version > len(rosters):
        raise UnverifiedError(f"entry {index} begins version {roster.version}, which is not here")
    if rosters[roster.version - 1].sha256 != roster.sha256:
        return epochs
    # Where neither version gives the log witnesses, nobody could sign its note.
    is_alone = not before.witnesses_of(origin) and not roster.witnesses_of(origin)
    begun = Epoch(roster.version, index, index if is_alone else None)
    return Epochs(origin, rosters, (*epochs.items, begun), epochs.floors)


def prove_epoch(
    epochs: Epochs, index: int, made: UnverifiedStatement, root_of: Callable[[int], bytes]
) -> Epochs:
    """Take in the block record that holds both quorums on the note of the last epoch.

    Args:
        epochs: Of the log, below the record; returned as they are where it proves nothing.
        index: Of the record.
        made: Which stands there.
        root_of: Returns the root of the tree whose last entry is that at an index.

    Raises:
        UnverifiedError: It counts by another version than the one in force there.
    """
    origin, last = epochs.origin, epochs.items[-1]
    roster = epochs.rosters[last.version - 1]
    if not _is_word_of(made, origin, roster):
        return epochs
    try:
        block = decode_block(made.act.body)
    except MalformedError:
        return epochs  # void on every node
    if block.roster != last.version:
        raise UnverifiedError(
            f"entry {index} counts by version {block.roster}, not {last.version}: an epoch is "
            "left out"
        )
    if last.proven_at is not None:
        return epochs
    proven = Epochs(
        origin,
        epochs.rosters,
        (*epochs.items[:-1], last._replace(proven_at=index)),
        epochs.floors,
    )
    times = _times_of_note(proven, block, index, root_of(last.start))
    if not times:
        return epochs
    found = [
        seen_by(by_region.values(), epochs.rosters[version - 1].quorum(origin))
        for version, by_region in times.items()
    ]
    floor = (last.start, max(it for it in found if it is not None))
    return Epochs(origin, proven.rosters, proven.items, (*epochs.floors, floor))


def _times_of_note(
    epochs: Epochs, block: Block, index: int, root: bytes
) -> Mapping[int, Mapping[str, int]]:
    """Return the times of the lines on the last epoch's note in a block record; empty: too few."""
    size = epochs.items[-1].start + 1
    if block.size != index:
        return {}  # void: a record is the first entry after what it records
    for item in block.lines:
        if (item.size, item.root) == (size, root):
            return epochs.times(item, index)
    return {}
