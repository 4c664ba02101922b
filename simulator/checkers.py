"""Promises, checked from outside the nodes, on their disks and on what passes between them.

Nothing here asks a node what it believes, except to compare that with what is so. A broken promise
raises ``BrokenError`` at the very event that broke it.
"""

from collections.abc import Mapping
from typing import Any, Final

from authz.custody import HOLDING, At
from ledger.checkpoint import Checkpoint
from ledger.encoding import decode
from ledger.hashing import hash_leaf
from ledger.note import Note, Signature
from ledger.roster import Roster
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
from simulator.reference import Reference
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


class Checkers:
    """Watches every commit, request and answer.

    Args:
        machines: By region; looked at, never touched.
    """

    def __init__(self, world: World, roster: Roster, machines: Mapping[str, Machine]) -> None:
        self.reference = Reference(roster)
        self.forgetful: set[str] = set()
        """Regions whose fence went back with their database: only the others can tell them."""
        self._world = world
        self._roster = roster
        self._machines = machines
        self._accepted: dict[tuple[str, int], bytes] = {}
        self._rows: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._lines: dict[tuple[str, str, str], dict[tuple[int, bytes], int]] = {}
        self._finality: dict[str, tuple[int, int]] = {}
        self._newest_note: dict[str, bytes] = {}
        self._log_ids: dict[str, dict[str, int]] = {region: {} for region in machines}

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
        if mark is not None:
            self.reference.logs[machine.origin].cut(mark.size)
        self._log_ids[machine.region].clear()
        self._finality.pop(machine.region, None)
        for origin in self.reference.logs:
            self._rows.pop((machine.region, origin), None)

    def _take_own(self, machine: Machine) -> None:
        log = self.reference.logs[machine.origin]
        for entry in self.entries(machine, machine.origin, len(log.entries), 1 << ENTRY_BITS):
            self.reference.check_entry(log, log.append(entry))

    # ---- after every step -----------------------------------------------------------------------

    def committed(self, machine: Machine) -> None:
        """Look at a machine after a step, before anything of it leaves."""
        self._take_own(machine)
        node = machine.node
        assert node is not None
        seen = node.snapshot
        what = f"the snapshot of {machine.region}"
        log = self.reference.check_head(machine.origin, seen.size, seen.root, what)
        forgetful = machine.region in self.forgetful
        if seen.size != len(log.entries) and seen.state == "serving" and not forgetful:
            raise BrokenError(
                f"{what} says {seen.size} entries where {len(log.entries)} are stored"
            )
        if seen.note and self._newest_note.get(machine.region) != seen.note:
            self._newest_note[machine.region] = seen.note
            self.reference.check_note(seen.note, what)
        self._check_finality(machine, seen.witnessed_size, seen.replicated_size)
        self._check_rows(machine)

    def _check_finality(self, machine: Machine, witnessed: int, replicated: int) -> None:
        """Check that ``witnessed`` and ``replicated`` never fall, and are so."""
        before = self._finality.get(machine.region, (0, 0))
        now = (witnessed, replicated)
        if now == before:
            return
        if min(now[0] - before[0], now[1] - before[1]) < 0:
            raise BrokenError(f"finality of {machine.origin} fell from {before} to {now}")
        self._finality[machine.region] = now
        self._world.count("finality advanced")
        origin = machine.origin
        needed = self._roster.quorum(origin) - self._roster.faulty_max(origin)
        for role, size in (("witness", witnessed), ("mirror", replicated)):
            signers = sum(
                any(signed >= size for signed, _ in self._lines.get((origin, role, region), ()))
                for region in self._roster.witnesses_of(origin)
            )
            if size and signers < self._roster.quorum(origin):
                raise BrokenError(f"{origin} is called final at {size} with {signers} {role} lines")
        entries = self.reference.logs[origin].entries[:replicated]
        holders = sum(
            self.entries(other, origin, 0, replicated) == entries
            for other in self._machines.values()
            if other is not machine
        )
        if replicated and holders < needed:
            raise BrokenError(f"{origin} is replicated at {replicated} but held by {holders}")

    def _check_rows(self, machine: Machine) -> None:
        """Check that heads of other logs only grow, along their one tree."""
        node = machine.node
        assert node is not None
        for origin, status in node.snapshot.logs.items():
            if origin == machine.origin:
                continue
            now = (status.stored_size, status.witnessed_size, status.mirrored_size)
            before = self._rows.get((machine.region, origin), (0, 0, 0))
            if now == before:
                continue
            if any(new < old for new, old in zip(now, before, strict=True)):
                raise BrokenError(f"{machine.region} went back on {origin}: {before} to {now}")
            if (
                status.mirrored_size > status.witnessed_size
                or status.judged_size > status.stored_size
            ):
                raise BrokenError(f"{machine.region} is ahead of itself on {origin}: {status}")
            added = self.entries(machine, origin, before[0], now[0])
            if added != self.reference.logs[origin].entries[before[0] : now[0]]:
                raise BrokenError(f"{machine.region} stores other entries of {origin}")
            self._rows[machine.region, origin] = now

    # ---- what passes between them ---------------------------------------------------------------

    def accepted(self, region: str, registered: Registered) -> None:
        """Remember what was acknowledged, and check that it is so."""
        index = registered.index
        assert index is not None
        entries = self.reference.logs[self._roster.origin_of(region)].entries
        if index >= len(entries) or (registered.entry and entries[index] != registered.entry):
            raise BrokenError(f"{region} accepted entry {index}, which it does not have")
        known = self._accepted.setdefault((region, index), entries[index])
        if known != entries[index]:
            raise BrokenError(f"{region} gave index {index} out twice")

    def asked(self, machine: Machine, request: PeerRequest) -> None:
        """Check a request before it travels."""
        what = f"{request.path} by {machine.region}"
        if request.path == ADD_CHECKPOINT:
            _, note = split_add_checkpoint(request.body)
            self.reference.check_note(note, what)
        elif request.path == FINISHED:
            checkpoint = self.reference.check_note(request.body, what)
            roles = {"witness": 0, "mirror": 0}
            for signature in Note.decode(request.body).signatures[1:]:
                role = signature.name.rsplit("/", 1)[-1]
                self.reference.line_of(checkpoint, signature.key_id + signature.blob, role)
                roles[role] += 1
            if min(roles.values()) < self._roster.quorum(checkpoint.origin):
                raise BrokenError(f"{what} is not finished: {roles}")

    def answered(self, machine: Machine, request: PeerRequest, reply: PeerReply) -> None:
        """Check an answer before it travels: each line in it is true."""
        if reply.status >= 500:
            self._world.count(f"answered {reply.status}")
        if reply.status != 200 or request.path not in {ADD_CHECKPOINT, ADD_ENTRIES, LINES}:
            return
        role = "witness" if request.path == ADD_CHECKPOINT else "mirror"
        if request.path == ADD_ENTRIES:
            upload = Upload.decode(request.body)
            checkpoint = self.reference.logs[upload.origin].checkpoint(upload.end)
        elif request.path == ADD_CHECKPOINT:
            checkpoint = self._checkpoint(split_add_checkpoint(request.body)[1])
        else:
            checkpoint = self._checkpoint(request.body)
        for signature in decode_lines(reply.body):
            self._check_line(machine, checkpoint, signature, role)

    @staticmethod
    def _checkpoint(note: bytes) -> Checkpoint:
        return Checkpoint.decode(Note.decode(note).text)

    def _check_line(
        self, machine: Machine, checkpoint: Checkpoint, signature: Signature, role: str
    ) -> None:
        what = f"a {role} line of {machine.region} on {checkpoint.origin}"
        log = self.reference.check_head(checkpoint.origin, checkpoint.size, checkpoint.root, what)
        line = signature.key_id + signature.blob
        region, time_s = self.reference.line_of(checkpoint, line, role)
        if region != machine.region:
            raise BrokenError(f"{what} is signed by {region}")
        if abs(time_s - self._world.now_ms // 1000) > CLOCKS_APART_S_MAX:
            raise BrokenError(f"{what} is dated {time_s}")
        if role == "mirror":
            size = checkpoint.size
            if self.entries(machine, log.origin, 0, size) != log.entries[:size]:
                raise BrokenError(f"{what} for {size} entries that it does not hold")
        given = self._lines.setdefault((checkpoint.origin, role, region), {})
        for (size, _), other_s in given.items():
            # Answers may cross on the way, not on the signer's desk: dates and sizes go together.
            if size > checkpoint.size and other_s < time_s:
                raise BrokenError(f"{what} went back from {size} to {checkpoint.size}")
        head = (checkpoint.size, checkpoint.root)
        given[head] = max(time_s, given.get(head, 0))

    # ---- now and then ---------------------------------------------------------------------------

    def compare_projections(self) -> None:
        """Check that all nodes made the same of the same entries."""
        judged = {
            machine.region: self.sizes(machine, "projections")
            for machine in self._machines.values()
        }
        for origin in self.reference.logs:
            # The one that has judged most of a log is what the others are compared with.
            best = max(self._machines.values(), key=lambda one: judged[one.region].get(origin, 0))
            for machine in self._machines.values():
                if machine is not best:
                    self._compare(origin, machine, best, judged)

    def _compare(
        self, origin: str, one: Machine, other: Machine, judged: Mapping[str, Mapping[str, int]]
    ) -> None:
        size = judged[one.region].get(origin, 0)
        if size == 0:
            return
        same = judged[other.region][origin] == size
        all_same = judged[one.region] == judged[other.region]
        if all_same:
            self._world.count("two nodes compared in full")
        for table in PROJECTIONS:
            if table in GROWING or (all_same if table in SETTLED_LATER else same):
                rows = [self._projected(machine, table, origin, size) for machine in (one, other)]
                if rows[0] != rows[1]:
                    differing = sorted(set(rows[0]) ^ set(rows[1]), key=repr)[:4]
                    raise BrokenError(
                        f"{table} of {origin} below {size} differ between {one.region} and "
                        f"{other.region}: {differing}"
                    )

    def _projected(
        self, machine: Machine, table: str, origin: str, size: int
    ) -> list[tuple[object, ...]]:
        columns, key = PROJECTIONS[table]
        names = ", ".join(f'"{name.strip()}"' for name in columns.format(low=key).split(","))
        rows = machine.disk.database.execute(
            f'SELECT {names} FROM {table} WHERE log_id = ? AND "{key}" < ? '  # noqa: S608 - our own words
            f"ORDER BY {names}",
            (self.log_id(machine, origin), size),
        )
        return rows.fetchall()

    def check_accepted(self) -> None:
        """Check that nothing acknowledged is missing from its region."""
        for (region, index), entry in self._accepted.items():
            machine = self._machines[region]
            if self.entries(machine, machine.origin, index, index + 1) != [entry]:
                raise BrokenError(f"{region} lost entry {index}, which it had accepted")

    def check_leaves(self) -> None:
        """Check that every stored copy hashes to its writer's tree."""
        for machine in self._machines.values():
            for origin, size in self.sizes(machine, "logs").items():
                log = self.reference.logs[origin]
                stored = self.entries(machine, origin, 0, size)
                if [hash_leaf(entry) for entry in stored] != [
                    hash_leaf(entry) for entry in log.entries[:size]
                ]:
                    raise BrokenError(f"{machine.region} holds another {origin}")

    def count_uses(self) -> None:
        """Count how the uses of foreign facts ended, each once, as its own region sees it."""
        for machine in self._machines.values():
            rows = machine.disk.database.execute(
                "SELECT status, count(*) FROM uses WHERE log_id = ? GROUP BY status ORDER BY 1",
                (self.log_id(machine, machine.origin),),
            )
            for status, count in rows:
                self._world.counts[f"use {status}"] += count

    def unfinished(self) -> list[str]:
        """Return what keeps the network from having settled; nothing once it has."""
        left: list[str] = []
        for machine in self._machines.values():
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
            judged = self.sizes(machine, "projections")
            for origin, log in self.reference.logs.items():
                if judged.get(origin, 0) < len(log.entries):
                    left.append(
                        f"{machine.region} has judged {judged.get(origin, 0)} of "
                        f"{len(log.entries)} of {origin}"
                    )
            ((open_uses,),) = machine.disk.database.execute(
                "SELECT count(*) FROM uses WHERE status = 'open'"
            ).fetchall()
            if open_uses:
                left.append(f"{machine.region} sees {open_uses} uses open")
            left += self._owed(machine)
        return left

    def _cases(self, machine: Machine) -> dict[str, dict[str, dict[str, Any]]]:
        """Return where each case stands in each log, as a machine's projection has it."""
        rows = machine.disk.database.execute(
            'SELECT object, origin, max("index"), state FROM facts JOIN logs USING (log_id) '
            "WHERE object LIKE '%/case/%' GROUP BY object, origin ORDER BY object, origin"
        )
        cases: dict[str, dict[str, dict[str, Any]]] = {}
        for name, origin, _index, state in rows:
            cases.setdefault(name, {})[origin] = decode(state)
        return cases

    def check_custody(self) -> None:
        """Check that every node sees at most one holder of each case."""
        for machine in self._machines.values():
            for name, rows in self._cases(machine).items():
                holders = [origin for origin, row in rows.items() if row["at"] in HOLDING]
                if len(holders) > 1:
                    raise BrokenError(f"{machine.region} sees two holders of {name}: {holders}")

    def _owed(self, machine: Machine) -> list[str]:
        """Return the answers to this region's offers that its node has not acted upon."""
        owed: list[str] = []
        for name, rows in self._cases(machine).items():
            own = rows.get(machine.origin)
            if own is None or own["at"] != At.OFFERED:
                continue
            answer = rows.get(self._roster.origin_of(own["to"][:6]))
            if (
                answer is not None
                and answer["at"] in {At.ANSWERED, At.TURNED_DOWN}
                and (answer["n"], answer.get("from")) == (own["n"], machine.region)
            ):
                owed.append(f"{machine.region} owes an answer to the {answer['at']} of {name}")
        return owed
