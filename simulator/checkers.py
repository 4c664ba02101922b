"""Promises, checked from outside the nodes, on their disks and on what passes between them.

Nothing here asks a node what it believes, except to compare that with what is so. A broken promise
raises ``BrokenError`` at the very event that broke it.
"""

from collections.abc import Mapping

from ledger.roster_chain import RosterChain
from ledger.roster_fields import Closing
from ledger.signed_roster import SignedRoster
from nodes.core.ready import PeerReply, PeerRequest, Registered
from nodes.store.schema import ENTRY_BITS
from simulator.convicted import Convictions
from simulator.dates import Dates
from simulator.lines import Lines
from simulator.machine import Machine
from simulator.projections import Projections
from simulator.reference import Reference
from simulator.settling import Settling
from simulator.shown import Shown
from simulator.turns import Turns
from simulator.verdicts import Verdicts
from simulator.watched import Watched
from simulator.words import check_version, check_words
from simulator.world import BrokenError, World


class Checkers(Watched):
    """Watches every commit, request and answer.

    Args:
        machines: By region; looked at, never touched.
        sample: As that of ``Projections``.
    """

    def __init__(
        self, world: World, chain: RosterChain, machines: Mapping[str, Machine], sample: int = 1
    ) -> None:
        super().__init__(world, Reference(chain), machines)
        self.convictions = Convictions(self)
        self.lines = Lines(self, self.convictions)
        self.shown = Shown(self)
        self.turns = Turns(self, self.lines)
        self.projections = Projections(self, sample)
        self.dates = Dates(self)
        self.verdicts = Verdicts(self, self.projections)
        self.settling = Settling(self, self.projections, self.verdicts, self.convictions)
        self._accepted: dict[tuple[str, int], bytes] = {}
        self._finality: dict[str, tuple[int, int]] = {}
        """By log: what its region called witnessed and replicated."""
        self._chains: dict[str, RosterChain] = {}
        """The versions of the roster that a machine showed last."""
        self._versions = 1
        """How many versions of the roster were looked at."""
        self._newest_note: dict[str, bytes] = {}
        self._resting: set[str] = set()
        """Regions whose witness and mirror keys sign no more, as their nodes say."""

    # ---- machines that come and go --------------------------------------------------------------

    def restarted(self, machine: Machine) -> None:
        """Look at a disk again after its process died: it holds all it held before."""
        self.renumber(machine)
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
        self.renumber(machine)
        self.projections.forget(machine.region)
        self.turns.forget(machine.region)
        self.convictions.forget(machine.region)
        self.shown.forget(machine.region)
        for origin in self.reference.logs:
            self.rows.pop((machine.region, origin), None)

    def _take_own(self, machine: Machine) -> None:
        log = self.reference.histories(machine.origin)[machine.branch]
        is_honest = machine.region not in self.liars
        for entry in self.entries(machine, machine.origin, len(log.entries), 1 << ENTRY_BITS):
            statement = log.append(entry)
            if is_honest:
                self.reference.check_entry(log, statement)
                self.convictions.recorded(machine.region, statement)

    # ---- after every step -----------------------------------------------------------------------

    def committed(self, machine: Machine) -> None:
        """Look at a machine after a step, before anything of it leaves."""
        self._learn(machine)
        self._take_own(machine)
        while self._versions < len(self.reference.chain.signed):
            before = self.reference.chain.rosters[self._versions - 1]
            signed = SignedRoster.decode(self.reference.chain.signed[self._versions])
            check_version(self, before, signed)
            self._versions += 1
        if machine.region in self.liars:
            return
        node = machine.node
        assert node is not None
        seen = node.snapshot
        what = f"the snapshot of {machine.region}"
        if machine.origin in self._closed_to(machine):
            # Its log has been given up, and it knows; it still mirrors those that go on.
            self._check_rows(machine)
            return
        log = self.reference.check_head(machine.origin, seen.size, seen.root, what)
        forgetful = machine.region in self.forgetful
        if seen.size != log.shown_size and seen.state == "serving" and not forgetful:
            raise BrokenError(f"{what} says {seen.size} entries where {log.shown_size} are stored")
        if seen.note and self._newest_note.get(machine.region) != seen.note:
            self._newest_note[machine.region] = seen.note
            self.reference.check_note(seen.note, what)
        self._check_rows(machine)
        self._check_finality(machine, seen.witnessed_size, seen.replicated_size)
        self.projections.check_new(machine)

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
        self.world.count("finality advanced")
        for role, size in (("witness", witnessed), ("mirror", replicated)):
            best = self.lines.quorate_size(origin, role)
            if size > best and self.reference.roster_of(origin).witnesses_of(origin):
                raise BrokenError(f"{origin} is called final at {size}, and {role} lines at {best}")
        # What each of the others stores was compared with the log itself when it came.
        holders = sum(
            self.stored_size(other, origin) >= replicated
            for other in self.machines
            if other != machine.region and other not in self.liars | self.damaged
        )
        holders += len((self.liars | self.damaged) - {machine.region})
        rosters = self.reference.rosters_at(self.reference.logs[origin].checkpoint(replicated))
        needed = max(
            (self.reference.quorum(it, origin) - it.faulty_max(origin) for it in rosters), default=0
        )
        if replicated and holders < needed:
            raise BrokenError(f"{origin} is replicated at {replicated} but held by {holders}")

    def _check_rows(self, machine: Machine) -> None:
        """Check that heads of other logs only grow, along their one tree."""
        node = machine.node
        assert node is not None
        if node.snapshot.resting:
            self._resting.add(machine.region)
        elif machine.region in self._resting:
            self._wake(machine)
        closed = self._closed_to(machine)
        for origin, status in node.snapshot.logs.items():
            if origin == machine.origin:
                continue
            now = (status.stored_size, status.witnessed_size, status.mirrored_size)
            if origin in closed:  # nothing is witnessed of it any more
                now = (min(now[0], closed[origin].size), 0, 0)
            before = self.rows.get((machine.region, origin), (0, 0, 0))
            if now[1] < before[1] and not self._is_witness(machine.region, origin):
                # Its row of before is kept in its store, and counts should it witness again.
                now = (now[0], *before[1:])
            if now == before:
                continue
            if origin not in self.reference.logs:
                raise BrokenError(f"{machine.region} keeps {origin}, which no roster names")
            if now[0] < before[0] and self.turns.is_turn(machine, origin):
                self._turn(machine, origin, now[0])
                before = (now[0], *before[1:])
            if any(new < old for new, old in zip(now, before, strict=True)):
                raise BrokenError(f"{machine.region} went back on {origin}: {before} to {now}")
            if now[2] > now[1] or status.judged_size > status.stored_size:
                raise BrokenError(f"{machine.region} is ahead of itself on {origin}: {status}")
            if now[0] > before[0]:
                self._check_added(machine, origin, before[0], now[0])
            self.rows[machine.region, origin] = now

    def _turn(self, machine: Machine, origin: str, kept: int) -> None:
        """Begin anew with a copy that was laid aside but for its beginning."""
        self.world.count("a node turned to the branch of the quorum")
        self._check_added(machine, origin, 0, kept)
        self.turns.check(machine)
        self.projections.judge_again(machine, origin)

    def _wake(self, machine: Machine) -> None:
        """Let rows begin at the pins again: new keys have signed nothing, as those of a joiner."""
        self._resting.remove(machine.region)
        pins = self._chains[machine.region].newest.pins
        for origin in self.reference.logs:
            stored, witnessed, _ = self.rows.get((machine.region, origin), (0, 0, 0))
            pinned = pins[origin].size if origin in pins else 0
            self.rows[machine.region, origin] = (stored, min(witnessed, pinned), 0)

    def _is_witness(self, region: str, origin: str) -> bool:
        """Say whether a region witnesses a log by a version that may count for it."""
        known = self._chains.get(region)
        return known is None or any(
            roster.has_log(origin) and region in roster.witnesses_of(origin)
            for roster in known.rosters[-2:]
        )

    def _check_added(self, machine: Machine, origin: str, start: int, end: int) -> None:
        """Check that what a machine has newly stored of a log is what its writer wrote."""
        added = self.entries(machine, origin, start, end)
        histories = self.reference.histories(origin)
        for at in range(len(histories) - 1, -1, -1):  # the first one counts where all agree
            if histories[at].entries[start:end] == added:
                self.history[machine.region, origin] = at
                found = True
                break
        else:
            found = False
        if len(added) != end - start or not found:
            raise BrokenError(f"{machine.region} stores other entries of {origin}")

    def _close(self, machine: Machine, origin: str, cut: int) -> None:
        """Forget what a machine made of a log beyond its cut: it is void there from now on."""
        region = machine.region
        final = self._finality.get(origin, (0, 0))
        if final[1] > cut:
            raise BrokenError(f"{origin} was replicated at {final[1]} and is closed at {cut}")
        row = self.rows.get((region, origin))
        if row is not None:
            self.rows[region, origin] = (min(row[0], cut), 0, 0)
        self.projections.close(machine, origin, cut)
        self.renumber(machine)

    # ---- what passes between them ---------------------------------------------------------------

    def asked(self, machine: Machine, request: PeerRequest) -> None:
        """Check a request before it travels; a liar's promises nothing."""
        if machine.region not in self.liars:
            self.lines.check_request(machine, request)

    def answered(self, machine: Machine, request: PeerRequest, reply: PeerReply) -> None:
        """Check an answer before it travels."""
        if reply.status >= 500:
            self.world.count(f"answered {reply.status}")
        self.lines.check_answer(machine, request, reply)
        self.shown.answered(machine, request, reply)

    def accepted(self, region: str, registered: Registered) -> None:
        """Remember what was acknowledged, and check that it is so."""
        index, origin = registered.index, self.machines[region].origin
        assert index is not None
        entries = self.reference.logs[origin].entries
        if index >= len(entries) or (registered.entry and entries[index] != registered.entry):
            raise BrokenError(f"{region} accepted entry {index}, which it does not have")
        known = self._accepted.setdefault((origin, index), entries[index])
        if known != entries[index]:
            raise BrokenError(f"{region} gave index {index} out twice")

    # ---- at the end -----------------------------------------------------------------------------

    def check_readable(self) -> None:
        """Check that what is replicated can be read though any f regions were lost."""
        for origin in self.reference.logs:
            region, roster = self.reference.region_of(origin), self.reference.roster_of(origin)
            _, replicated = self._finality.get(origin, (0, 0))
            faulty = roster.faulty_max(origin)
            if region in self.liars or not replicated:
                continue
            stored = [self.stored_size(it.region, origin) for it in self.sound()]
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

    def check_words(self) -> None:
        """Check that words on the roster that may not stand are findings, and no others."""
        check_words(self, lambda machine, origin: origin in self.settling.near_of(machine))

    def check_leaves(self) -> None:
        """Check that every stored copy hashes to its writer's tree, and each turn was right."""
        for machine in self.sound():
            self.turns.check(machine)
            closed = self.reference.newest.closed
            for origin, held in self.sizes(machine, "logs").items():
                size = min(held, closed[origin].size) if origin in closed else held
                stored = self.entries(machine, origin, 0, size)
                histories = self.reference.histories(origin)
                if not any(stored == log.entries[:size] for log in histories):
                    raise BrokenError(f"{machine.region} holds another {origin}")
