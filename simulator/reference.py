"""What each log is, as seen from outside: every entry its writer committed, and every root it had.

Built from the writers' disks entry by entry, with nothing of the node's own code but the hashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from ledger.checkpoint import Checkpoint
from ledger.cosignature import Line, check_line
from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.note import Note, check_signed
from ledger.roster import Roster
from ledger.statement import UnverifiedStatement, decode_statement
from ledger.tree import Frontier
from simulator.world import BrokenError


@dataclass(slots=True)
class Log:
    """One log. Invariant: entries are only added, and ``roots[n]`` is the root of n entries."""

    origin: str
    entries: list[bytes] = field(default_factory=list)
    frontier: Frontier = field(default_factory=Frontier.empty)
    roots: list[bytes] = field(default_factory=lambda: [Frontier.empty().root()])
    blocks: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    """Where a grant was revoked, by its name."""
    views: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    """How fresh the views of a log at a size are: the q-th latest of their lines' times."""

    def append(self, entry: bytes) -> UnverifiedStatement:
        """Add an entry and return what it says."""
        self.entries.append(entry)
        self.frontier = self.frontier.extend([hash_leaf(entry)])
        self.roots.append(self.frontier.root())
        statement = decode_statement(entry)
        if statement.act.kind == "grant.revoke":
            self.ended.setdefault(statement.subject, len(self.entries) - 1)
        return statement

    def cut(self, size: int) -> None:
        """Forget what was committed beyond ``size`` and shown to nobody, since its disk is lost."""
        shown, self.entries, self.roots, self.blocks = self.entries[:size], [], self.roots[:1], 0
        self.frontier = Frontier.empty()
        for entry in shown:
            self.blocks += self.append(entry).act.kind == "log.block"

    def copy(self, size: int) -> "Log":
        """Return another log that begins as this one does."""
        other = Log(self.origin)
        for entry in self.entries[:size]:
            other.blocks += other.append(entry).act.kind == "log.block"
        return other

    def checkpoint(self, size: int) -> Checkpoint:
        """Return the one true checkpoint of this size."""
        return Checkpoint(self.origin, size, self.roots[size])


class Reference:
    """The logs of the network, and checks of whatever is said of them.

    Invariant: a log has one history, but that of a region that is known to lie may have branches.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self.logs = {
            roster.origin_of(region): Log(roster.origin_of(region)) for region in roster.members
        }
        self.branches: dict[str, list[Log]] = {}
        """All histories of a log that has more than one; the first is that in ``logs``."""

    def quorum(self, origin: str) -> int:
        """Return q, from its formula: any two quorums have more than f witnesses in common."""
        count, faulty = len(self._roster.witnesses_of(origin)), self._roster.faulty_max(origin)
        return (count + faulty) // 2 + 1

    def branch(self, origin: str, size: int) -> int:
        """Let a log have another history from ``size`` on, and return the number of it."""
        first = self.logs[origin]
        branches = self.branches.setdefault(origin, [first])
        branches.append(first.copy(size))
        return len(branches) - 1

    def histories(self, origin: str) -> list[Log]:
        """Return every history of a log."""
        return self.branches.get(origin) or [self.logs[origin]]

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
            check_signed(note, [self._roster.log_key(checkpoint.origin)])
        except LedgerError as error:
            raise BrokenError(f"{what}: no note of a log: {error}") from error
        self.check_head(checkpoint.origin, checkpoint.size, checkpoint.root, what)
        return checkpoint

    def line_of(self, checkpoint: Checkpoint, line: bytes, role: str) -> tuple[str, int]:
        """Return whose line this is over ``checkpoint``, and when it was given."""
        decoded = Line.decode(line)
        roster = self._roster
        origin = checkpoint.origin
        keys = roster.mirror_keys(origin) if role == "mirror" else roster.witness_keys(origin)
        for region, name, public in keys.get(decoded.key_id, ()):
            check_line(decoded, name, public, checkpoint)
            return region, decoded.time_s
        raise BrokenError(f"a {role} line on {origin} by nobody who may")

    def check_entry(self, log: Log, statement: UnverifiedStatement) -> None:
        """Check what a log says of itself and of others: its block records and views."""
        body = statement.act.body
        if statement.act.kind == "log.view":
            self._check_view(log, body)
        elif statement.act.kind == "log.block":
            self._check_block(log, body)
        elif (statement.act.kind == "log.genesis") != (len(log.entries) == 1):
            raise BrokenError(f"{log.origin}: the genesis is entry 0, and only entry 0")

    def _check_view(self, log: Log, body: Mapping[str, object]) -> None:
        note, lines = body["note"], body["lines"]
        assert isinstance(note, bytes)
        assert isinstance(lines, list)
        what = f"a view in {log.origin}"
        checkpoint = self.check_note(note, what)
        if len(Note.decode(note).signatures) != 1:
            raise BrokenError(f"{what} carries more than its log's own line")
        times = self._check_quorum(checkpoint, lines, what)
        fresh_s = sorted(times, reverse=True)[self.quorum(checkpoint.origin) - 1]
        log.views.setdefault((checkpoint.origin, checkpoint.size), set()).add(fresh_s)

    def _check_quorum(
        self, checkpoint: Checkpoint, lines: Sequence[bytes], what: str
    ) -> Sequence[int]:
        """Check that a quorum has signed, each once, and return the times."""
        found = [self.line_of(checkpoint, line, "mirror") for line in lines]
        signers = [region for region, _ in found]
        quorum = self.quorum(checkpoint.origin)
        if len(set(signers)) != len(signers) or len(signers) < quorum:
            raise BrokenError(f"{what} of size {checkpoint.size} has {len(signers)} lines")
        return [time_s for _, time_s in found]

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
