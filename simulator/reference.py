"""What each log is, as seen from outside: every entry its writer committed, and every root it had.

Built from the writers' disks entry by entry, with nothing of the node's own code but the hashes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from ledger.checkpoint import Checkpoint
from ledger.cosignature import Line, check_line
from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.note import Note, VerifierKey, check_signed
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.roster_change import read_signed
from ledger.signed_roster import SignedRoster
from ledger.statement import UnverifiedStatement, decode_statement
from ledger.tree import Frontier
from simulator.world import BrokenError

OPENING = frozenset({"log.genesis", "log.continues"})
"""What entry 0 is, and no other entry."""


class Signed(NamedTuple):
    """A line that holds: by whom, by which key, and of when."""

    region: str
    key_id: bytes
    time_s: int


class Viewed(NamedTuple):
    """A view: where it stands, of which log, how much of it, and how fresh."""

    at: int
    origin: str
    size: int
    fresh_s: int


@dataclass(slots=True)
class Epoch:
    """A version of the roster, and where in a log it begins to rule.

    ``proven_at`` is the block record that holds both quorums on the epoch's note; None before it.
    """

    version: int
    start: int
    proven_at: int | None = None


@dataclass(slots=True)
class Log:
    """One log. Invariant: entries are only added, and ``roots[n]`` is the root of n entries.

    ``begun`` is the version of the roster that it begins under.
    """

    origin: str
    begun: int = 1
    entries: list[bytes] = field(default_factory=list)
    frontier: Frontier = field(default_factory=Frontier.empty)
    roots: list[bytes] = field(default_factory=lambda: [Frontier.empty().root()])
    blocks: int = 0
    epochs: list[Epoch] = field(default_factory=list)
    """The versions after the first, ascending."""
    ended: dict[str, int] = field(default_factory=dict)
    """Where a grant was revoked, by its name."""
    views: dict[tuple[str, int], dict[bytes, set[int]]] = field(default_factory=dict)
    """By root, how fresh the views of a log at a size are: the q-th latest of their lines' times.
    """
    viewed: list[Viewed] = field(default_factory=list)
    """The views, in their order."""
    records: list[tuple[int, Sequence[Any]]] = field(default_factory=list)
    """Where block records stand, and the candidates in them: size, root and lines."""

    def append(self, entry: bytes) -> UnverifiedStatement:
        """Add an entry and return what it says."""
        self.entries.append(entry)
        self.frontier = self.frontier.extend([hash_leaf(entry)])
        self.roots.append(self.frontier.root())
        statement = decode_statement(entry)
        if statement.act.kind == "grant.revoke":
            self.ended.setdefault(statement.subject, len(self.entries) - 1)
        elif statement.act.kind == "log.epoch":
            version = self.epochs[-1].version if self.epochs else self.begun
            self.epochs.append(Epoch(version + 1, len(self.entries) - 1))
        elif statement.act.kind == "log.block":
            self._prove(statement.act.body)
        return statement

    def _prove(self, body: Mapping[str, object]) -> None:
        """Take note of what a block record covers, and of where the newest epoch is proven."""
        covered = body.get("lines")
        if not isinstance(covered, list):
            return
        self.records.append((len(self.entries) - 1, covered))
        if not self.epochs:
            return
        last = self.epochs[-1]
        if last.proven_at is None and any(size == last.start + 1 for size, _, _ in covered):
            last.proven_at = len(self.entries) - 1

    @property
    def shown_size(self) -> int:
        """The size of the newest note: nothing above an epoch is shown before that is proven."""
        if self.epochs and self.epochs[-1].proven_at is None:
            return self.epochs[-1].start + 1
        return len(self.entries)

    def versions_at(self, size: int) -> tuple[int, ...]:
        """Return by which versions lines on the tree of a size count; empty: by none.

        The first checkpoint that covers an epoch needs a quorum by the version before, too; above
        it nothing counts before both stand in the tree.
        """
        before = self.begun
        for epoch in self.epochs:
            if epoch.start + 1 == size:
                return (before, epoch.version)
            if epoch.start + 1 > size:
                break
            if epoch.proven_at is None or epoch.proven_at >= size:
                return ()
            before = epoch.version
        return (before,)

    def cut(self, size: int) -> None:
        """Forget what was committed beyond ``size`` and shown to nobody, since its disk is lost."""
        shown, self.entries, self.roots, self.blocks = self.entries[:size], [], self.roots[:1], 0
        self.frontier, self.epochs, self.records = Frontier.empty(), [], []
        self.viewed = [it for it in self.viewed if it.at < size]
        for entry in shown:
            self.blocks += self.append(entry).act.kind == "log.block"

    def copy(self, size: int) -> "Log":
        """Return another log that begins as this one does."""
        other = Log(self.origin, self.begun)
        for entry in self.entries[:size]:
            other.blocks += other.append(entry).act.kind == "log.block"
        return other

    def checkpoint(self, size: int) -> Checkpoint:
        """Return the one true checkpoint of this size."""
        return Checkpoint(self.origin, size, self.roots[size])


class Reference:
    """The logs of the network, and checks of whatever is said of them.

    Invariant: a log has one history, but that of a region that is known to lie may have branches;
    and the roster has one chain of versions, whoever shows them.
    """

    def __init__(self, chain: RosterChain) -> None:
        self.chain = RosterChain(chain.signed[:1], chain.rosters[:1])
        self.logs: dict[str, Log] = {}
        self.branches: dict[str, list[Log]] = {}
        """All histories of a log that has more than one; the first is that in ``logs``."""
        self._writers: dict[str, str] = {}
        """By log, who writes it or wrote it."""
        self._written: dict[str, list[str]] = defaultdict(list)
        """By region, its logs: each but the last is closed."""
        self._begin()

    # ---- versions of the roster -----------------------------------------------------------------

    @property
    def newest(self) -> Roster:
        """The newest version that any node has shown."""
        return self.chain.newest

    def learn(self, chain: RosterChain, what: str) -> None:
        """Check the versions that a node knows.

        Each is signed by governance quorums of itself and of the version before, and nobody knows
        another one with the same number.
        """
        for mine, theirs in zip(self.chain.rosters, chain.rosters, strict=False):
            if mine.sha256 != theirs.sha256:
                raise BrokenError(f"{what} knows another version {mine.version} than others do")
        for signed in chain.signed[len(self.chain.signed) :]:
            self._extend(signed, what)

    def _extend(self, signed: bytes, what: str) -> None:
        closed = self.newest.closed.keys()
        self._check_keys(SignedRoster.decode(signed).roster, what)
        try:
            self.chain = self.chain.extended(signed)
        except LedgerError as error:
            raise BrokenError(f"{what} follows a roster that nobody must: {error}") from error
        self._begin()
        for origin in self.newest.closed.keys() - closed:
            closing = self.newest.closed[origin]
            version = f"version {self.newest.version} of the roster"
            self.check_head(origin, closing.size, closing.root, version)

    def _check_keys(self, new: Roster, what: str) -> None:
        """Check that no key is in use again that once was in use and then was not."""
        present = {key for member in self.newest.members.values() for key in member.keys.all()}
        for roster in self.chain.rosters:
            for region, member in roster.members.items():
                old = set(member.keys.all()) - present
                if any(old & set(it.keys.all()) for it in new.members.values()):
                    raise BrokenError(f"{what} takes a retired key of {region} into use again")

    def _begin(self) -> None:
        """Expect the logs of the newest version."""
        for origin in self.newest.origins:
            if origin in self.logs:
                continue
            first = self.chain.first_with(origin)
            self.logs[origin] = Log(origin, first.version)
            region = self._writers[origin] = first.region_of_origin(origin)
            self._written[region].append(origin)

    def region_of(self, origin: str) -> str:
        """Return the region that writes a log, or wrote it."""
        return self._writers[origin]

    def logs_of(self, region: str) -> Sequence[str]:
        """Return the logs that a region has written, in their order."""
        return self._written[region]

    def rosters_at(self, checkpoint: Checkpoint) -> list[Roster]:
        """Return the versions by each of which lines on a tree must be a quorum.

        Of a log with several histories that is the one on which the tree lies.
        """
        origin, size = checkpoint.origin, checkpoint.size
        log = self.history_of(origin, size, checkpoint.root)
        known = len(self.chain.rosters)
        found = [self.chain.at(version) for version in log.versions_at(size) if version <= known]
        return [roster for roster in found if roster.has_log(origin)]

    def roster_of(self, origin: str) -> Roster:
        """Return the version by which the newest entries of a log are judged."""
        log = self.logs[origin]
        version = log.epochs[-1].version if log.epochs else log.begun
        return self.chain.at(min(version, len(self.chain.rosters)))

    def committee_of(self, origin: str) -> tuple[str, ...]:
        """Return who witnesses a log by the newest version that names it."""
        rosters = reversed(self.chain.rosters)
        return next(it.witnesses_of(origin) for it in rosters if it.has_log(origin))

    @staticmethod
    def quorum(roster: Roster, origin: str) -> int:
        """Return q, from its formula: any two quorums have more than f witnesses in common."""
        count, faulty = len(roster.witnesses_of(origin)), roster.faulty_max(origin)
        return (count + faulty) // 2 + 1

    def is_quorum(self, checkpoint: Checkpoint, key_ids: Iterable[bytes], role: str) -> bool:
        """Say whether these keys are a quorum on a tree, by each version that counts there."""
        origin, ids = checkpoint.origin, frozenset(key_ids)
        rosters = self.rosters_at(checkpoint)
        return bool(rosters) and all(
            self._signers(roster, origin, ids, role) >= self.quorum(roster, origin)
            for roster in rosters
            if roster.witnesses_of(origin)  # else nobody could sign by it
        )

    @staticmethod
    def _signers(roster: Roster, origin: str, key_ids: frozenset[bytes], role: str) -> int:
        keys = roster.mirror_keys(origin) if role == "mirror" else roster.witness_keys(origin)
        return len({region for it in key_ids for region, _, _ in keys.get(it, ())})

    # ---- logs -----------------------------------------------------------------------------------

    def branch(self, origin: str, size: int) -> int:
        """Let a log have another history from ``size`` on, and return the number of it."""
        first = self.logs[origin]
        branches = self.branches.setdefault(origin, [first])
        branches.append(first.copy(size))
        return len(branches) - 1

    def histories(self, origin: str) -> list[Log]:
        """Return every history of a log."""
        return self.branches.get(origin) or [self.logs[origin]]

    def history_of(self, origin: str, size: int, root: bytes) -> Log:
        """Return the history of a log that a tree lies on; the first where it lies on none."""
        found = (it for it in self.histories(origin) if it.roots[size : size + 1] == [root])
        return next(found, self.logs[origin])

    def shared_size(self, origin: str) -> int:
        """Return how many entries all histories of a log have in common."""
        histories = self.histories(origin)
        shared = min(len(log.entries) for log in histories)
        while len({log.roots[shared] for log in histories}) > 1:
            shared -= 1
        return shared

    def check_head(self, origin: str, size: int, root: bytes, what: str) -> Log:
        """Check that (size, root) is a head that this log had."""
        histories = self.histories(origin)
        for log in histories:
            if size < len(log.roots) and log.roots[size] == root:
                return log
        longest = max(len(log.entries) for log in histories)
        if size > longest:
            raise BrokenError(f"{what}: {origin} never had {size} entries, only {longest}")
        raise BrokenError(f"{what}: another history of {origin} at size {size}")

    def check_note(self, data: bytes, what: str) -> Checkpoint:
        """Check that a note is signed by its log, and is of its one history."""
        try:
            note = Note.decode(data)
            checkpoint = Checkpoint.decode(note.text)
            check_signed(note, self._log_keys(checkpoint))
        except LedgerError as error:
            raise BrokenError(f"{what}: no note of a log: {error}") from error
        self.check_head(checkpoint.origin, checkpoint.size, checkpoint.root, what)
        return checkpoint

    def _log_keys(self, checkpoint: Checkpoint) -> list[VerifierKey]:
        """Return the keys that may sign a note of a log: those of the versions that count there."""
        if checkpoint.origin in self.branches:  # a liar's note may be of any of its histories
            return list(self.chain.log_keys(checkpoint.origin))
        rosters = self.rosters_at(checkpoint)
        return [roster.log_key(checkpoint.origin) for roster in rosters]

    def line_of(self, checkpoint: Checkpoint, line: bytes, role: str) -> Signed:
        """Return whose line this is over ``checkpoint``, and when it was given.

        It is by a version that rules the log, or by a later one that does not yet.
        """
        decoded = Line.decode(line)
        origin = checkpoint.origin
        for roster in reversed(self.chain.rosters):
            if not roster.has_log(origin):
                continue
            keys = roster.mirror_keys(origin) if role == "mirror" else roster.witness_keys(origin)
            for region, name, public in keys.get(decoded.key_id, ()):
                check_line(decoded, name, public, checkpoint)
                return Signed(region, decoded.key_id, decoded.time_s)
        raise BrokenError(f"a {role} line on {origin} by nobody who may")

    def check_entry(self, log: Log, statement: UnverifiedStatement) -> None:
        """Check what a log says of itself and of others: its block records and views."""
        body = statement.act.body
        if statement.act.kind == "log.view":
            self._check_view(log, body)
        elif statement.act.kind == "log.block":
            self._check_block(log, body)
        elif statement.act.kind == "log.epoch":
            self._check_epoch(log, body)
        elif (statement.act.kind in OPENING) != (len(log.entries) == 1):
            raise BrokenError(f"{log.origin}: the genesis is entry 0, and only entry 0")

    def _check_epoch(self, log: Log, body: Mapping[str, object]) -> None:
        """Check that the version that begins is the next one, as everybody knows it."""
        version, what = log.epochs[-1].version, f"the epoch in {log.origin}"
        if len(log.epochs) > 1 and log.epochs[-2].proven_at is None:
            raise BrokenError(f"{what} begins before the one before it is proven")
        written = body["roster"]
        assert isinstance(written, bytes)
        signed = read_signed(written, self.chain.at(version - 1))
        if version == len(self.chain.signed) + 1:  # its node died before it could show it
            self._extend(signed.encode(), what)
        if signed.roster.sha256 != self.chain.at(version).sha256:
            raise BrokenError(f"{what} names another version {version} than others know")

    def _check_view(self, log: Log, body: Mapping[str, object]) -> None:
        note, lines, before = body["note"], body["lines"], body.get("before", [])
        assert isinstance(note, bytes)
        assert isinstance(lines, list)
        assert isinstance(before, list)  # by the version before, on the note of an epoch
        what = f"a view in {log.origin}"
        checkpoint = self.check_note(note, what)
        if len(Note.decode(note).signatures) != 1:
            raise BrokenError(f"{what} carries more than its log's own line")
        found = self._check_quorum(checkpoint, [*dict.fromkeys((*lines, *before))], what)
        fresh_s = min(
            self._fresh_at(roster, checkpoint.origin, found)
            for roster in self.rosters_at(checkpoint)
            if roster.witnesses_of(checkpoint.origin)
        )
        viewed = log.views.setdefault((checkpoint.origin, checkpoint.size), {})
        viewed.setdefault(checkpoint.root, set()).add(fresh_s)
        at = len(log.entries) - 1
        log.viewed.append(Viewed(at, checkpoint.origin, checkpoint.size, fresh_s))

    def _fresh_at(self, roster: Roster, origin: str, found: Sequence[Signed]) -> int:
        keys = roster.mirror_keys(origin)
        times = sorted((it.time_s for it in found if it.key_id in keys), reverse=True)
        return times[self.quorum(roster, origin) - 1]

    def _check_quorum(
        self, checkpoint: Checkpoint, lines: Sequence[bytes], what: str
    ) -> Sequence[Signed]:
        """Check that a quorum has signed, each key once, and return the lines."""
        found = [self.line_of(checkpoint, line, "mirror") for line in lines]
        key_ids = {it.key_id for it in found}
        if len(key_ids) != len(found) or not self.is_quorum(checkpoint, key_ids, "mirror"):
            raise BrokenError(f"{what} of size {checkpoint.size} has {len(found)} lines")
        return found

    def _check_block(self, log: Log, body: Mapping[str, object]) -> None:
        log.blocks += 1
        what = f"block {log.blocks} in {log.origin}"
        if body["height"] != log.blocks:
            raise BrokenError(f"{what} says that it is block {body['height']}")
        size, root = body["size"], body["root"]
        assert isinstance(size, int)
        assert isinstance(root, bytes)
        self.check_head(log.origin, size, root, what)
        if size >= len(log.entries):
            raise BrokenError(f"{what} closes what is not yet before it")
        if body["note"] != sha256(log.checkpoint(size).text()).digest():
            raise BrokenError(f"{what} names another note of size {size}")
        covered = body["lines"]
        assert isinstance(covered, list)
        for covered_size, covered_root, lines in covered:
            self.check_head(log.origin, covered_size, covered_root, what)
            self._check_quorum(log.checkpoint(covered_size), lines, what)
