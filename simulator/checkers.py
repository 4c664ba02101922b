"""Promises, checked from outside the nodes, on their disks and on what passes between them.

Nothing here asks a node what it believes, except to compare that with what is so. A broken promise
raises ``BrokenError`` at the very event that broke it.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from authz.custody import HOLDING, At
from ledger.checkpoint import Checkpoint
from ledger.encoding import decode
from ledger.errors import LedgerError
from ledger.lineage import living
from ledger.note import Note, Signature
from ledger.roster import Closing
from ledger.roster_chain import RosterChain
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    LINES,
    Upload,
    decode_lines,
    split_add_checkpoint,
)
from nodes.core.ready import PeerReply, PeerRequest, Registered
from nodes.store.schema import ENTRY_BITS
from simulator.machine import Machine
from simulator.reference import Log, Reference, Signed
from simulator.world import BrokenError, World

CLOCKS_APART_S_MAX: Final = 60
"""No clock of a world is further off than this, so no line's date is."""

PROJECTIONS: Final = {
    "facts": ("object, {low}, leaf, state", "index"),
    "mentions": ("object, {low}", "index"),
    "findings": ("{low}, code, subject, severity, detail", "index"),
    "uses": (
        "{low}, fact_origin, fact_object, fact_index, view_size, fresh_at_s, staleness_s, status",
        "index",
    ),
    "evidence": ("{low}, high, seen_by_s, at", "low"),
}
GROWING: Final = ("facts", "mentions")
"""What entries leave behind for good: comparable though one node has judged more than another."""
SETTLED_LATER: Final = ("findings", "uses")
"""What the evidence of other logs still changes: comparable where all logs are judged alike."""


Standing = Mapping[str, Any]
"""Where a case stands in one log: the state of its newest row."""


@lru_cache(maxsize=1 << 16)
def _decoded(state: bytes) -> Standing:
    """Return a row's state; nodes hold the same bytes, so each is decoded once."""
    found: Standing = decode(state)
    return found


class Checkers:
    """Watches every commit, request and answer.

    Invariant: ``_seen`` says up to where each machine's rows of each log were compared with those
    of the machines that had judged as much before it.

    Args:
        machines: By region; looked at, never touched.
    """

    def __init__(self, world: World, chain: RosterChain, machines: Mapping[str, Machine]) -> None:
        self.reference = Reference(chain)
        self.forgetful: set[str] = set()
        """Regions whose fence went back with their database: only the others can tell them."""
        self.liars: set[str] = set()
        """Regions that lie: nothing is promised in their name."""
        self.damaged: set[str] = set()
        """Regions whose disk is not what it was; they may serve again, and need not."""
        self.gone: set[str] = set()
        """Regions whose machine is no more."""
        self.left: set[str] = set()
        """Regions that were members once, and are no more."""
        self.forbidden: list[tuple[str, int]] = []
        """Acts that a lawless node recorded: each must have its finding with everybody else."""
        self._world = world
        self._machines = machines
        self._accepted: dict[tuple[str, int], bytes] = {}
        self._rows: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._history: dict[tuple[str, str], int] = {}
        """Which of a liar's histories a machine holds."""
        self._dates: dict[tuple[str, str, bytes], list[tuple[int, int]]] = {}
        """By log, role and key: sizes and times of an honest region's lines, both ascending."""
        self._signers: dict[tuple[str, str], dict[tuple[int, bytes], set[bytes]]] = {}
        """By log and role: each head, and by which keys it is signed."""
        self._quorate: dict[tuple[str, str], dict[int, set[bytes]]] = defaultdict(dict)
        """By log and role: the heads that a quorum has signed."""
        self._finality: dict[str, tuple[int, int]] = {}
        """By log: what its region called witnessed and replicated."""
        self._chains: dict[str, RosterChain] = {}
        """The versions of the roster that a machine showed last."""
        self._newest_note: dict[str, bytes] = {}
        self._log_ids: dict[str, dict[str, int]] = defaultdict(dict)
        self._seen: dict[tuple[str, str], int] = {}
        self._compared: dict[str, tuple[int, int]] = {}
        """By log, how much all had judged at the last two looks."""
        self._uses_seen: dict[str, tuple[int, int]] = {}
        """By region, how long its log was at the last two looks."""
        self._growing: dict[str, list[bytes]] = defaultdict(list)
        self._standing: dict[str, dict[str, dict[str, Standing]]] = defaultdict(dict)

    def is_honest(self, origin: str) -> bool:
        """Say whether the writer of a log keeps the rules, as far as its world says."""
        return self.reference.region_of(origin) not in self.liars

    def sound(self) -> Iterator[Machine]:
        """Yield the honest machines that serve, or that should."""
        for machine in self._machines.values():
            node = machine.node
            is_well = node is not None and node.snapshot.state == "serving"
            if machine.region in self.liars | self.left:
                continue
            if machine.region in self.damaged and not is_well:
                continue
            yield machine

    # ---- disks ----------------------------------------------------------------------------------

    def log_id(self, machine: Machine, origin: str) -> int | None:
        """Return the number that a machine's database gives to a log."""
        known = self._log_ids[machine.region]
        if origin not in known:
            rows = machine.disk.database.execute("SELECT origin, log_id FROM logs")
            known.update(dict(rows.fetchall()))
        return known.get(origin)

    def entries(self, machine: Machine, origin: str, start: int, end: int) -> list[bytes]:
        """Return the entries [start, end) that a machine has of a log, as far as it has them."""
        log_id = self.log_id(machine, origin)
        if log_id is None:
            return []
        base = log_id << ENTRY_BITS
        rows = machine.disk.database.execute(
            "SELECT entry FROM entries WHERE key >= ? AND key < ? ORDER BY key",
            (base + start, base + end),
        )
        return [entry for (entry,) in rows]

    def sizes(self, machine: Machine, table: str) -> dict[str, int]:
        """Return how far each log has come by a table with sizes: ``logs`` or ``projections``."""
        join = "" if table == "logs" else "JOIN logs USING (log_id)"
        rows = machine.disk.database.execute(
            f"SELECT origin, {table}.size FROM {table} {join}"  # noqa: S608 - our own words
        )
        return dict(rows.fetchall())

    def restarted(self, machine: Machine) -> None:
        """Look at a disk again after its process died: it holds all it held before."""
        self._log_ids[machine.region].clear()
        self._take_own(machine)
        if machine.region in self.liars | self.damaged:
            return
        log = self.reference.logs[machine.origin]
        stored = self.entries(machine, machine.origin, 0, len(log.entries) + 1)
        if stored != log.entries:
            raise BrokenError(f"{machine.region} has rewritten its log across a crash")

    def lost(self, machine: Machine) -> None:
        """Start anew with a machine whose database is gone, or is an old one.

        What it had committed but not yet fenced was shown to nobody. Its copies of other logs may
        start again; what it was asked to keep of its own is known to the others.
        """
        mark = machine.disk.mark
        if mark is not None and machine.region in self.damaged:
            self.reference.logs[machine.origin].cut(mark.size)
        self._finality.pop(machine.origin, None)
        self._forget(machine)

    def burnt(self, machine: Machine) -> None:
        """Begin to do without a machine: what was shown to nobody else died with it."""
        self._forget(machine)
        self._accepted = {
            key: entry for key, entry in self._accepted.items() if key[0] != machine.origin
        }

    def reborn(self, region: str) -> None:
        """Begin anew with a region whose log was closed: it has a new machine, keys and log."""
        self.damaged.discard(region)
        self.gone.discard(region)
        self._newest_note.pop(region, None)
        self._chains.pop(region, None)

    def _forget(self, machine: Machine) -> None:
        region = machine.region
        self._log_ids[region].clear()
        self._standing[region].clear()
        for origin in self.reference.logs:
            self._rows.pop((region, origin), None)
            self._seen.pop((region, origin), None)

    def _take_own(self, machine: Machine) -> None:
        log = self.reference.histories(machine.origin)[machine.branch]
        is_honest = machine.region not in self.liars
        for entry in self.entries(machine, machine.origin, len(log.entries), 1 << ENTRY_BITS):
            statement = log.append(entry)
            if is_honest:
                self.reference.check_entry(log, statement)

    # ---- after every step -----------------------------------------------------------------------

    def committed(self, machine: Machine) -> None:
        """Look at a machine after a step, before anything of it leaves."""
        self._learn(machine)
        self._take_own(machine)
        if machine.region in self.liars:
            return
        node = machine.node
        assert node is not None
        seen = node.snapshot
        what = f"the snapshot of {machine.region}"
        if machine.origin in self._closed_to(machine):
            return  # its log has been given up, and it knows
        log = self.reference.check_head(machine.origin, seen.size, seen.root, what)
        forgetful = machine.region in self.forgetful
        if seen.size != log.shown_size and seen.state == "serving" and not forgetful:
            raise BrokenError(f"{what} says {seen.size} entries where {log.shown_size} are stored")
        if seen.note and self._newest_note.get(machine.region) != seen.note:
            self._newest_note[machine.region] = seen.note
            self.reference.check_note(seen.note, what)
        self._check_rows(machine)
        self._check_finality(machine, seen.witnessed_size, seen.replicated_size)
        touched: dict[str, None] = {}
        for origin, status in seen.logs.items():
            if status.judged_size > self._seen.get((machine.region, origin), 0):
                self._read_new(machine, origin, status.judged_size, touched)
        for name in touched:
            self._check_holder(machine, name)

    def _learn(self, machine: Machine) -> None:
        """Look at the versions of the roster that a node knows, where it has learnt one."""
        node = machine.node
        assert node is not None
        chain = node.snapshot.rosters
        known = self._chains.get(machine.region)
        if chain is None or chain is known or machine.region in self.liars:
            return
        self.reference.learn(chain, machine.region)
        self._chains[machine.region] = chain
        closed = set(chain.newest.closed) - set(() if known is None else known.newest.closed)
        for origin in sorted(closed):
            self._close(machine, origin, chain.newest.closed[origin].size)

    def _closed_to(self, machine: Machine) -> Mapping[str, Closing]:
        """Return the logs that a machine knows to be closed."""
        known = self._chains.get(machine.region)
        return {} if known is None else known.newest.closed

    def _close(self, machine: Machine, origin: str, cut: int) -> None:
        """Forget what a machine made of a log beyond its cut: it is void there from now on."""
        region = machine.region
        final = self._finality.get(origin, (0, 0))
        if final[1] > cut:
            raise BrokenError(f"{origin} was replicated at {final[1]} and is closed at {cut}")
        row = self._rows.get((region, origin))
        if row is not None:
            self._rows[region, origin] = (min(row[0], cut), 0, 0)
        if self._seen.get((region, origin), 0) > cut:
            self._seen[region, origin] = cut
        del self._growing[origin][cut:]
        self._log_ids[region].clear()
        for name, rows in self._standing[region].items():
            if rows.pop(origin, None) is None:
                continue
            found = machine.disk.database.execute(
                'SELECT state FROM facts WHERE object = ? AND log_id = ? AND "index" < ? '
                'ORDER BY "index" DESC LIMIT 1',
                (name, self.log_id(machine, origin), cut),
            ).fetchone()
            if found is not None:
                rows[origin] = _decoded(found[0])

    def _check_finality(self, machine: Machine, witnessed: int, replicated: int) -> None:
        """Check that ``witnessed`` and ``replicated`` never fall, and are so."""
        before = self._finality.get(machine.origin, (0, 0))
        now = (witnessed, replicated)
        if now == before:
            return
        if min(now[0] - before[0], now[1] - before[1]) < 0:
            raise BrokenError(f"finality of {machine.origin} fell from {before} to {now}")
        origin = machine.origin
        self._finality[origin] = now
        self._world.count("finality advanced")
        for role, size in (("witness", witnessed), ("mirror", replicated)):
            best = max(self._quorate[origin, role], default=0)
            if size > best and self.reference.roster_of(origin).witnesses_of(origin):
                raise BrokenError(f"{origin} is called final at {size}, and {role} lines at {best}")
        # What each of the others stores was compared with the log itself when it came.
        holders = sum(
            self._rows.get((other, origin), (0, 0, 0))[0] >= replicated
            for other in self._machines
            if other != machine.region and other not in self.liars | self.damaged
        )
        holders += len((self.liars | self.damaged) - {machine.region})
        rosters = self.reference.rosters_at(origin, replicated)
        needed = max(
            (self.reference.quorum(it, origin) - it.faulty_max(origin) for it in rosters), default=0
        )
        if replicated and holders < needed:
            raise BrokenError(f"{origin} is replicated at {replicated} but held by {holders}")

    def _check_rows(self, machine: Machine) -> None:
        """Check that heads of other logs only grow, along their one tree."""
        node = machine.node
        assert node is not None
        closed = self._closed_to(machine)
        for origin, status in node.snapshot.logs.items():
            if origin == machine.origin:
                continue
            now = (status.stored_size, status.witnessed_size, status.mirrored_size)
            if origin in closed:  # nothing is witnessed of it any more
                now = (min(now[0], closed[origin].size), 0, 0)
            before = self._rows.get((machine.region, origin), (0, 0, 0))
            if now == before:
                continue
            if origin not in self.reference.logs:
                raise BrokenError(f"{machine.region} keeps {origin}, which no roster names")
            if any(new < old for new, old in zip(now, before, strict=True)):
                raise BrokenError(f"{machine.region} went back on {origin}: {before} to {now}")
            if now[2] > now[1] or status.judged_size > status.stored_size:
                raise BrokenError(f"{machine.region} is ahead of itself on {origin}: {status}")
            if now[0] > before[0]:
                self._check_added(machine, origin, before[0], now[0])
            self._rows[machine.region, origin] = now

    def _check_added(self, machine: Machine, origin: str, start: int, end: int) -> None:
        """Check that what a machine has newly stored of a log is what its writer wrote."""
        added = self.entries(machine, origin, start, end)
        histories = self.reference.histories(origin)
        for at in range(len(histories) - 1, -1, -1):  # the first one counts where all agree
            if histories[at].entries[start:end] == added:
                self._history[machine.region, origin] = at
                found = True
                break
        else:
            found = False
        if len(added) != end - start or not found:
            raise BrokenError(f"{machine.region} stores other entries of {origin}")

    # ---- what passes between them ---------------------------------------------------------------

    def accepted(self, region: str, registered: Registered) -> None:
        """Remember what was acknowledged, and check that it is so."""
        index, origin = registered.index, self._machines[region].origin
        assert index is not None
        entries = self.reference.logs[origin].entries
        if index >= len(entries) or (registered.entry and entries[index] != registered.entry):
            raise BrokenError(f"{region} accepted entry {index}, which it does not have")
        known = self._accepted.setdefault((origin, index), entries[index])
        if known != entries[index]:
            raise BrokenError(f"{region} gave index {index} out twice")

    def asked(self, machine: Machine, request: PeerRequest) -> None:
        """Check a request before it travels; a liar's promises nothing."""
        if machine.region in self.liars:
            return
        what = f"{request.path} by {machine.region}"
        if request.path == ADD_CHECKPOINT:
            _, note = split_add_checkpoint(request.body)
            self.reference.check_note(note, what)
        elif request.path == FINISHED:
            checkpoint = self.reference.check_note(request.body, what)
            keys: dict[str, set[bytes]] = {"witness": set(), "mirror": set()}
            for signature in Note.decode(request.body).signatures:
                role = signature.name.rsplit("/", 1)[-1]
                if role in keys:
                    line = signature.key_id + signature.blob
                    keys[role].add(self.reference.line_of(checkpoint, line, role).key_id)
            for role, signed in keys.items():
                if not self.reference.is_quorum(checkpoint, signed, role):
                    raise BrokenError(f"{what} is not finished: {len(signed)} {role} lines")

    def answered(self, machine: Machine, request: PeerRequest, reply: PeerReply) -> None:
        """Check an answer before it travels: each line in it is true."""
        if reply.status >= 500:
            self._world.count(f"answered {reply.status}")
        if reply.status != 200 or request.path not in {ADD_CHECKPOINT, ADD_ENTRIES, LINES}:
            return
        role = "witness" if request.path == ADD_CHECKPOINT else "mirror"
        try:
            heads = self._asked_heads(request)
            signatures = decode_lines(reply.body)
        except LedgerError:
            if machine.region in self.liars or request.request_id < 0:
                return
            raise
        for signature in signatures:
            self._check_line(machine, heads, signature, role)

    def _asked_heads(self, request: PeerRequest) -> Sequence[Checkpoint]:
        """Return the checkpoints that the lines in an answer may be about."""
        if request.path == ADD_ENTRIES:
            upload = Upload.decode(request.body)
            histories = self.reference.histories(upload.origin)
            return [it.checkpoint(upload.end) for it in histories if upload.end < len(it.roots)]
        note = split_add_checkpoint(request.body)[1] if request.path == ADD_CHECKPOINT else b""
        return [Checkpoint.decode(Note.decode(note or request.body).text)]

    def _check_line(
        self, machine: Machine, heads: Sequence[Checkpoint], signature: Signature, role: str
    ) -> None:
        line = signature.key_id + signature.blob
        found = self._signed_head(heads, line, role)
        if found is None:
            if machine.region in self.liars:
                return
            raise BrokenError(f"a {role} line of {machine.region} is not on what it was asked for")
        checkpoint, (region, key_id, time_s) = found
        what = f"a {role} line of {machine.region} on {checkpoint.origin}"
        self.reference.check_head(checkpoint.origin, checkpoint.size, checkpoint.root, what)
        size, head = checkpoint.size, (checkpoint.size, checkpoint.root)
        if machine.region not in self.liars:
            if region != machine.region:
                raise BrokenError(f"{what} is signed by {region}")
            if abs(time_s - self._world.now_ms // 1000) > CLOCKS_APART_S_MAX:
                raise BrokenError(f"{what} is dated {time_s}")
            held = self._rows.get((region, checkpoint.origin), (0, 0, 0))[0]
            if role == "mirror" and held < size:
                raise BrokenError(f"{what} for {size} entries that it does not hold")
            dates = self._dates.setdefault((checkpoint.origin, role, key_id), [])
            self._check_order(dates, checkpoint, time_s, what)
        signers = self._signers.setdefault((checkpoint.origin, role), {}).setdefault(head, set())
        if key_id not in signers:
            signers.add(key_id)
            self._count_quorum(checkpoint, signers, role)

    @staticmethod
    def _check_order(
        dates: list[tuple[int, int]], checkpoint: Checkpoint, time_s: int, what: str
    ) -> None:
        """Check that the dates of a key's lines go with sizes.

        Answers may cross on the way, not on the signer's desk.
        """
        at = bisect_left(dates, (checkpoint.size, time_s))
        if at < len(dates) and dates[at] == (checkpoint.size, time_s):
            return
        before = dates[at - 1] if at else (0, 0)
        after = dates[at] if at < len(dates) else None
        if before[1] > time_s or (after is not None and after[1] < time_s):
            raise BrokenError(f"{what} went back: {time_s}, between {before} and {after}")
        dates.insert(at, (checkpoint.size, time_s))

    def _signed_head(
        self, heads: Sequence[Checkpoint], line: bytes, role: str
    ) -> tuple[Checkpoint, Signed] | None:
        """Return which of the checkpoints a line is over, and whose line it is."""
        for checkpoint in heads:
            try:
                return checkpoint, self.reference.line_of(checkpoint, line, role)
            except (BrokenError, LedgerError):
                continue
        return None

    def _count_quorum(self, checkpoint: Checkpoint, signers: set[bytes], role: str) -> None:
        """Take note of a head that a quorum has signed; no two contradict each other."""
        if not self.reference.is_quorum(checkpoint, signers, role):
            return
        origin = checkpoint.origin
        quorate = self._quorate[origin, role]
        quorate.setdefault(checkpoint.size, set()).add(checkpoint.root)
        if self.is_honest(origin):
            return  # each line was compared with its one history
        if not any(_holds(log, quorate) for log in self.reference.histories(origin)):
            raise BrokenError(f"two histories of {origin} both have a quorum of {role} lines")

    # ---- now and then ---------------------------------------------------------------------------

    def _read_new(self, machine: Machine, origin: str, size: int, touched: dict[str, None]) -> None:
        """Compare what newly judged entries left behind here with what they left elsewhere."""
        region = machine.region
        start = self._seen.get((region, origin), 0)
        self._seen[region, origin] = size
        known = self._growing[origin]
        has_branches = origin in self.reference.branches
        for at, rows in self._grown(machine, origin, start, size, touched):
            digest = blake2b(repr(rows).encode(), digest_size=16).digest()
            if at < len(known):
                if known[at] != digest and not has_branches:
                    raise BrokenError(
                        f"{_table(rows)} {origin} at {at} differ between {region} and others: "
                        f"{rows}"
                    )
            elif at == len(known):
                known.append(digest)

    def _grown(
        self,
        machine: Machine,
        origin: str,
        start: int,
        end: int,
        touched: dict[str, None],
    ) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
        """Yield each index with its rows, and take note of the cases that are touched by them."""
        log_id = self.log_id(machine, origin)
        database = machine.disk.database
        rows = database.execute(
            'SELECT "index", object, leaf, state FROM facts '
            'WHERE log_id = ? AND "index" >= ? AND "index" < ? ORDER BY 1, 2',
            (log_id, start, end),
        ).fetchall()
        rows += database.execute(
            'SELECT "index", object FROM mentions '
            'WHERE log_id = ? AND "index" >= ? AND "index" < ? ORDER BY 1, 2',
            (log_id, start, end),
        ).fetchall()
        rows.sort(key=itemgetter(0))
        found = {index: list(group) for index, group in groupby(rows, key=itemgetter(0))}
        for index in range(start, end):
            yield index, found.get(index, [])
        standing = self._standing[machine.region]
        for row in rows:
            if len(row) == 4 and "/case/" in row[1]:
                standing.setdefault(row[1], {})[origin] = _decoded(row[3])
                touched[row[1]] = None

    def _check_holder(self, machine: Machine, name: str) -> None:
        """Check that a node sees at most one holder of a case."""
        rows = self._standing[machine.region][name]
        closed = self.reference.newest.closed
        holders = [
            origin
            for origin, row in rows.items()
            if row["at"] in HOLDING
            and self.is_honest(origin)
            # What stood in a closed log has gone over to the one that follows it.
            and (origin not in closed or living(closed, origin) not in rows)
        ]
        if len(holders) > 1:
            raise BrokenError(f"{machine.region} sees two holders of {name}: {holders}")

    def compare_projections(self, *, recent: bool = False) -> None:
        """Check that all nodes made the same of the same entries, also of what settles later.

        Args:
            recent: Whether only what entries left that were not yet judged everywhere at the look
                before the last; else everything.
        """
        machines = list(self.sound())
        judged = {machine.region: self.sizes(machine, "projections") for machine in machines}
        for origin in self.reference.logs:
            # The one that has judged most of a log is what the others are compared with.
            best = max(machines, key=lambda one: judged[one.region].get(origin, 0))
            before, last = self._compared.get(origin, (0, 0))
            for machine in machines:
                if machine is not best:
                    self._compare(origin, machine, best, judged, before if recent else 0)
            least = min(judged[machine.region].get(origin, 0) for machine in machines)
            self._compared[origin] = (last, least)

    def _compare(
        self,
        origin: str,
        one: Machine,
        other: Machine,
        judged: Mapping[str, Mapping[str, int]],
        low: int,
    ) -> None:
        size = judged[one.region].get(origin, 0)
        if size == 0 or not self._share_histories(one, other):
            return
        same = judged[other.region][origin] == size
        all_same = judged[one.region] == judged[other.region]
        if all_same:
            self._world.count("two nodes compared in full")
        for table in PROJECTIONS:
            # A closed log is dated by what the log that follows it says.
            is_late = table in SETTLED_LATER or origin in self.reference.newest.closed
            if table in GROWING or (all_same if is_late else same):
                rows = [self._projected(it, table, origin, low, size) for it in (one, other)]
                if rows[0] != rows[1]:
                    differing = sorted(set(rows[0]) ^ set(rows[1]), key=repr)[:4]
                    raise BrokenError(
                        f"{table} of {origin} below {size} differ between {one.region} and "
                        f"{other.region}: {differing}"
                    )

    def _share_histories(self, one: Machine, other: Machine) -> bool:
        """Say whether two machines hold the same history of every log that has several."""
        return all(
            self._history.get((one.region, origin)) == self._history.get((other.region, origin))
            for origin in self.reference.branches
        )

    def _projected(
        self, machine: Machine, table: str, origin: str, low: int, size: int
    ) -> list[tuple[object, ...]]:
        columns, key = PROJECTIONS[table]
        names = ", ".join(f'"{name.strip()}"' for name in columns.format(low=key).split(","))
        rows = machine.disk.database.execute(
            f'SELECT {names} FROM {table} WHERE log_id = ? AND "{key}" >= ? '  # noqa: S608 - our own words
            f'AND "{key}" < ? ORDER BY {names}',
            (self.log_id(machine, origin), low, size),
        )
        return rows.fetchall()

    def check_uses(self, *, recent: bool = False) -> None:
        """Check the verdicts on uses of lent rights against the bytes that they rest on.

        A use is confirmed only where its view does not show the grant as revoked, is as fresh as
        its lines say, and was fresh enough when the use was seen.

        Args:
            recent: Whether only uses that were not there at the look before the last; else all.
        """
        for machine in self.sound():
            before, last = self._uses_seen.get(machine.region, (0, 0))
            log = self.reference.logs[machine.origin]
            rows = machine.disk.database.execute(
                "SELECT uses.fact_origin, fact_object, view_size, fresh_at_s, staleness_s, "
                'seen_by_s, uses."index" FROM uses LEFT JOIN evidence ON evidence.log_id = '
                'uses.log_id AND low <= uses."index" AND uses."index" < high '
                "WHERE uses.log_id = ? AND uses.\"index\" >= ? AND status = 'confirmed'",
                (self.log_id(machine, machine.origin), before if recent else 0),
            )
            self._uses_seen[machine.region] = (last, len(log.entries))
            for origin, name, size, fresh_s, staleness_s, seen_s, index in rows:
                what = f"{machine.region} confirms its use {index} of {name}"
                ended = self.reference.logs[origin].ended.get(name)
                if ended is not None and ended < size:
                    raise BrokenError(f"{what}, which its view shows as revoked")
                if fresh_s not in log.views.get((origin, size), ()):
                    raise BrokenError(f"{what} by a view that is not as fresh as it says")
                if seen_s is not None and seen_s - fresh_s > staleness_s:
                    raise BrokenError(f"{what} by a view that was not fresh enough any more")
                self._world.count("a verdict on a use was checked")

    def check_findings(self) -> None:
        """Check that every forbidden act that was recorded is a finding with everybody else."""
        for origin, index in self.forbidden:
            for machine in self.sound():
                if self._seen.get((machine.region, origin), 0) <= index:
                    continue
                found = machine.disk.database.execute(
                    'SELECT count(*) FROM findings WHERE log_id = ? AND "index" = ?',
                    (self.log_id(machine, origin), index),
                ).fetchone()
                if not found[0]:
                    raise BrokenError(f"{machine.region} finds nothing wrong with {origin}/{index}")
                self._world.count("a forbidden act was found by another node")
        self._check_convicted()

    def _check_convicted(self) -> None:
        """Check that two histories of a log, once found out, are a finding with everybody."""
        machines = list(self.sound())
        found = {machine.region: self._count_equivocations(machine) for machine in machines}
        if any(found.values()):
            self._world.count("two histories were found out")
            missing = [
                machine.region
                for machine in machines
                if not found[machine.region] and not self._waits_for_liar(machine, machines)
            ]
            if missing:
                raise BrokenError(f"{missing} know nothing of two histories that others found")

    def check_readable(self) -> None:
        """Check that what is replicated can be read though any f regions were lost."""
        for origin in self.reference.logs:
            region, roster = self.reference.region_of(origin), self.reference.roster_of(origin)
            _, replicated = self._finality.get(origin, (0, 0))
            faulty = roster.faulty_max(origin)
            if region in self.liars or not replicated:
                continue
            stored = [self._rows.get((it.region, origin), (0, 0, 0))[0] for it in self.sound()]
            holders = sum(size >= replicated for size in stored)
            spare = faulty - len((self.liars | self.damaged) - {region})
            if holders <= max(0, spare):
                raise BrokenError(f"{origin} is replicated at {replicated}, held by {holders}")

    def check_accepted(self) -> None:
        """Check that nothing acknowledged is missing from its region."""
        writers = {machine.origin: machine for machine in self.sound()}
        for (origin, index), entry in self._accepted.items():
            machine = writers.get(origin)
            if machine is None:
                continue
            if self.entries(machine, origin, index, index + 1) != [entry]:
                raise BrokenError(f"{origin} lost entry {index}, which it had accepted")

    def check_leaves(self) -> None:
        """Check that every stored copy hashes to its writer's tree."""
        for machine in self.sound():
            closed = self.reference.newest.closed
            for origin, held in self.sizes(machine, "logs").items():
                size = min(held, closed[origin].size) if origin in closed else held
                stored = self.entries(machine, origin, 0, size)
                histories = self.reference.histories(origin)
                if not any(stored == log.entries[:size] for log in histories):
                    raise BrokenError(f"{machine.region} holds another {origin}")

    def count_uses(self) -> None:
        """Count how the uses of foreign facts ended, each once, as its own region sees it."""
        for machine in self.sound():
            rows = machine.disk.database.execute(
                "SELECT status, count(*) FROM uses WHERE log_id = ? GROUP BY status ORDER BY 1",
                (self.log_id(machine, machine.origin),),
            )
            for status, count in rows:
                self._world.counts[f"use {status}"] += count

    def count_findings(self) -> None:
        """Count the findings by their code, as the first honest node has them."""
        for machine in self.sound():
            rows = machine.disk.database.execute(
                "SELECT severity, code, count(*) FROM findings GROUP BY 1, 2 ORDER BY 1, 2"
            )
            for severity, code, count in rows:
                self._world.counts[f"finding {severity}: {code}"] += count
            return

    def unfinished(self) -> list[str]:
        """Return what keeps the network from having settled; nothing once it has.

        Nothing is owed to or by regions that lie, or whose disk is not what it was.
        """
        left: list[str] = []
        machines = list(self.sound())
        well = {machine.origin for machine in machines}
        for machine in machines:
            node = machine.node
            if node is None:
                left.append(f"{machine.region} is down")
                continue
            seen = node.snapshot
            if seen.state != "serving":
                left.append(f"{machine.region} is {seen.state}")
            if min(seen.witnessed_size, seen.replicated_size) < seen.size:
                left.append(
                    f"{machine.region} has {seen.size} entries, {seen.witnessed_size} witnessed, "
                    f"{seen.replicated_size} replicated"
                )
            if self._waits_for_liar(machine, machines):
                continue
            for origin in well:
                size = len(self.reference.logs[origin].entries)
                judged = seen.logs[origin].judged_size if origin in seen.logs else 0
                if judged < size:
                    left.append(f"{machine.region} has judged {judged} of {size} of {origin}")
            open_uses = self._open_uses(machine, well)
            if open_uses:
                left.append(f"{machine.region} sees {open_uses} uses open")
            left += self._owed(machine, well)
        return left + self._not_found_out(machines)

    def _not_found_out(self, machines: Sequence[Machine]) -> list[str]:
        """Return which logs with two histories, both of them stored by honest nodes, stand unfound.

        Each history was shown to a quorum, so some honest node has seen both.
        """
        unfound: list[str] = []
        for origin in self.reference.branches:
            shared = self.reference.shared_size(origin)
            held = {
                self._history.get((machine.region, origin))
                for machine in machines
                if self._rows.get((machine.region, origin), (0, 0, 0))[0] > shared
            }
            if len(held) > 1 and not any(self._count_equivocations(it) for it in machines):
                unfound.append(f"nobody has found out the two histories of {origin}")
        return unfound

    @staticmethod
    def _count_equivocations(machine: Machine) -> int:
        query = "SELECT count(*) FROM findings WHERE code = 'equivocation'"
        [count] = machine.disk.database.execute(query).fetchone()
        return int(count)

    def _waits_for_liar(self, machine: Machine, machines: Sequence[Machine]) -> bool:
        """Say whether a machine lacks what others hold of a liar's log, or holds another history.

        What cites those bytes it cannot judge until the roster has settled the matter.
        """
        for origin in self.reference.logs:
            if self.is_honest(origin):
                continue
            stored = {
                it.region: self._rows.get((it.region, origin), (0, 0, 0))[0] for it in machines
            }
            histories = {self._history.get((it.region, origin), 0) for it in machines}
            if stored[machine.region] < max(stored.values()) or len(histories) > 1:
                self._world.count("waited for the bytes of a log that lies")
                return True
        return False

    def _open_uses(self, machine: Machine, well: set[str]) -> int:
        """Return how many uses of facts between logs that are well wait for their verdict."""
        rows = machine.disk.database.execute(
            "SELECT origin, fact_origin, count(*) FROM uses JOIN logs USING (log_id) "
            "WHERE status = 'open' GROUP BY 1, 2"
        )
        return sum(count for origin, fact, count in rows if origin in well and fact in well)

    def _owed(self, machine: Machine, well: set[str]) -> list[str]:
        """Return the answers to this region's offers that its node has not acted upon."""
        owed: list[str] = []
        for name, rows in sorted(self._standing[machine.region].items()):
            own = self._newest_row(rows, machine.region)
            if own is None or own["at"] != At.OFFERED:
                continue
            asked = own["to"][:6]
            answer = self._newest_row(rows, asked)
            if (
                answer is not None
                and self._machines[asked].origin in well
                and answer["at"] in {At.ANSWERED, At.TURNED_DOWN}
                and (answer["n"], answer.get("from")) == (own["n"], machine.region)
            ):
                owed.append(f"{machine.region} owes an answer to the {answer['at']} of {name}")
        return owed

    def _newest_row(self, rows: Mapping[str, Standing], region: str) -> Standing | None:
        """Return where a case stands with a region: in its log, or in the one before that."""
        origins = [it for it in self.reference.logs if self.reference.region_of(it) == region]
        return next((rows[origin] for origin in reversed(origins) if origin in rows), None)


def _table(rows: Sequence[tuple[Any, ...]]) -> str:
    """Return where a difference most likely lies, for the message."""
    return "facts of" if all(len(row) == 4 for row in rows) else "facts and mentions of"


def _holds(log: Log, heads: Mapping[int, set[bytes]]) -> bool:
    """Say whether a history had all of these heads."""
    return all(
        size < len(log.roots) and {log.roots[size]} == roots for size, roots in heads.items()
    )
