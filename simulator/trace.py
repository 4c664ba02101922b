"""What nodes did, as plain values: entries, lines, rows, candidates and finality, in order.

A recorder looks where the checkers look, at disks and at what passes between nodes, just before
they do. It judges nothing; a model of the protocol can replay what it wrote down.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from ledger.cosignature import Line
from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.note import Note, checkpoint_of
from ledger.roster import Role
from ledger.roster_chain import RosterChain
from ledger.roster_change import written_version
from ledger.signed_roster import SignedRoster
from ledger.statement import UnverifiedStatement, decode_statement
from ledger.tree import Frontier
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
from simulator.halves import answered_halves, asked_halves
from simulator.machine import Machine
from simulator.regions import NETWORK
from simulator.simulation import Simulation

HOOKS: Final = ("restarted", "lost", "burnt", "committed", "accepted", "asked", "answered")
"""Where the checkers look; the recorder looks there first."""


class Signer(NamedTuple):
    """Whose key it is, and under which versions of the roster it counts for the log in question.

    ``by`` is empty where it is nobody's.
    """

    by: str
    under: tuple[int, ...] = ()


class Dated(NamedTuple):
    """Whose line it is, and of when."""

    by: str
    time_s: int
    under: tuple[int, ...] = ()


class Quoted(NamedTuple):
    """A head of a log and lines on it, as a view or a block record holds them."""

    of: str
    size: int
    root: str
    lines: tuple[Dated, ...]


class Cited(NamedTuple):
    """What an act names: in which role, and where it stands."""

    role: str
    region: str
    """The log; it is named by its region, or by its region and number (``510000/2``)."""
    place: int


class Ended(NamedTuple):
    """A log that a version of the roster closes; ``heir`` is empty where no log goes on from it."""

    log: str
    size: int
    heir: str


class Ruled(NamedTuple):
    """Somebody knows a version of the roster: by log, its witnesses and how many of them may lie.

    A version rules a log from its epoch entry on.
    """

    at_ms: int
    version: int
    logs: tuple[tuple[str, tuple[str, ...], int], ...]
    closed: tuple[Ended, ...]


class Appended(NamedTuple):
    """A region's log has one entry more; ``root`` is its root with it."""

    at_ms: int
    region: str
    place: int
    root: str
    kind: str
    subject: str
    to: str
    """The region that a case is offered to; empty in other kinds."""
    cites: tuple[Cited, ...]
    quotes: tuple[Quoted, ...]
    version: int = 0
    """Of the roster that an epoch entry brings into force; 0 in other kinds."""


class Lined(NamedTuple):
    """A cosigner gave a line, in an answer to ``asker``."""

    at_ms: int
    by: str
    role: Role
    of: str
    size: int
    root: str
    time_s: int
    asker: str
    under: tuple[int, ...] = ()


class Rowed(NamedTuple):
    """How far a cosigner's row for a log has come, after a commit."""

    at_ms: int
    by: str
    of: str
    witnessed: int
    mirrored: int


class Held(NamedTuple):
    """What a region's disk holds of another log: so many entries, and their root."""

    at_ms: int
    by: str
    of: str
    size: int
    root: str


class Published(NamedTuple):
    """A log's newest signed note."""

    at_ms: int
    region: str
    size: int
    root: str


class Submitted(NamedTuple):
    """A note was sent to a witness."""

    at_ms: int
    by: str
    to: str
    of: str
    size: int
    root: str


class Claimed(NamedTuple):
    """What a region calls witnessed and replicated of its own log."""

    at_ms: int
    region: str
    witnessed: int
    replicated: int


class Finished(NamedTuple):
    """A region told another of a note of its own with all its lines: who signed it, by role."""

    at_ms: int
    region: str
    size: int
    root: str
    witnesses: tuple[Signer, ...]
    mirrors: tuple[Signer, ...]


class Accepted(NamedTuple):
    """Somebody was told that their act stands at this place."""

    at_ms: int
    region: str
    place: int


class Restarted(NamedTuple):
    """A process died, and its disk holds so many entries of its own log."""

    at_ms: int
    region: str
    size: int


class Lost(NamedTuple):
    """A machine's database is gone; ``size`` is what its fence says of its own log."""

    at_ms: int
    region: str
    size: int


class Burnt(NamedTuple):
    """A region's machine is gone with its disks, its fence and its keys."""

    at_ms: int
    region: str


Event = (
    Ruled
    | Appended
    | Lined
    | Rowed
    | Held
    | Published
    | Submitted
    | Claimed
    | Finished
    | Accepted
    | Restarted
    | Lost
    | Burnt
)


class Recorder:
    """Writes down what the machines of a simulation do, from the moment that it is told to watch.

    Invariant: ``roots[region][n]`` is the root of the first n entries that the region committed.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._roots: dict[str, list[str]] = {}
        self._frontiers: dict[str, Frontier] = {}
        self._leaves: dict[str, list[bytes]] = {}
        self._published: dict[str, bytes] = {}
        self._final: dict[str, tuple[int, int]] = {}
        self._rows: dict[tuple[str, str], tuple[int, int]] = {}
        self._copies: dict[tuple[str, str], Frontier] = {}
        self._asked: dict[int, tuple[PeerRequest, str]] = {}

    def watch(self, simulation: Simulation) -> None:
        """Look wherever the checkers of ``simulation`` look, before anything has started."""
        self._simulation = simulation
        self.roster = simulation.roster
        self.regions = tuple(simulation.members.places)
        self._chain = RosterChain((), ())
        self._learn(simulation.members.chain)
        for name in HOOKS:
            checked = getattr(simulation.checkers, name)
            setattr(simulation.checkers, name, _first(getattr(self, name), checked))

    @property
    def _now_ms(self) -> int:
        return self._simulation.world.now_ms

    # ---- versions of the roster -----------------------------------------------------------------

    def _learn(self, chain: RosterChain | None) -> None:
        """Write down the versions that nobody had shown before."""
        if chain is None or len(chain.rosters) <= len(self._chain.rosters):
            return
        new = chain.rosters[len(self._chain.rosters) :]
        self._chain = chain
        for roster in new:
            for origin in roster.origins:
                self._expect(_name(origin))
            logs = tuple(
                (_name(it), roster.witnesses_of(it), roster.faulty_max(it)) for it in roster.origins
            )
            closed = tuple(
                Ended(_name(origin), it.size, _name(it.successor or ""))
                for origin, it in roster.closed.items()
            )
            self.events.append(Ruled(self._now_ms, roster.version, logs, closed))

    def _expect(self, log: str) -> None:
        """Begin with a log that is not known yet."""
        if log not in self._roots:
            self._roots[log] = [Frontier.empty().root().hex()]
            self._frontiers[log] = Frontier.empty()
            self._leaves[log] = []

    def _signer(self, origin: str, role: Role, key_id: bytes) -> Signer:
        """Return whose key this is, and which versions name it for a log."""
        by, under = "", []
        for roster in self._chain.rosters:
            if origin not in roster.origins:
                continue
            keys = roster.witness_keys(origin) if role == "witness" else roster.mirror_keys(origin)
            for region, _, _ in keys.get(key_id, ())[:1]:
                by = region
                under.append(roster.version)
        return Signer(by, tuple(under))

    # ---- disks ----------------------------------------------------------------------------------

    def _take_own(self, machine: Machine) -> None:
        region = _name(machine.origin)
        known = len(self._roots[region]) - 1
        for place, entry in self._entries(machine, machine.origin, known, 1 << ENTRY_BITS):
            leaf = hash_leaf(entry)
            self._leaves[region].append(leaf)
            frontier = self._frontiers[region].extend([leaf])
            self._frontiers[region] = frontier
            self._roots[region].append(frontier.root().hex())
            self._append(region, place, decode_statement(entry))

    @staticmethod
    def _entries(machine: Machine, origin: str, start: int, end: int) -> list[tuple[int, bytes]]:
        """Return the entries [start, end) of a log that a disk has, each with its place."""
        rows = machine.disk.database.execute(
            "SELECT key, entry FROM logs JOIN entries "
            "ON key >= (log_id << :bits) + :start AND key < (log_id << :bits) + :end "
            "WHERE origin = :origin ORDER BY key",
            {"bits": ENTRY_BITS, "start": start, "end": end, "origin": origin},
        )
        return [(key & ((1 << ENTRY_BITS) - 1), entry) for key, entry in rows]

    def _append(self, region: str, place: int, statement: UnverifiedStatement) -> None:
        act = statement.act
        unit = act.body.get("unit", "") if act.kind == "handoff.offer" else ""
        cites = tuple(
            Cited(cited.role, _name(cited.origin), cited.index)
            for cited in act.citations
            if cited.role != "view"
        )
        quotes: tuple[Quoted, ...] = ()
        if act.kind == "log.view":
            checkpoint = checkpoint_of(act.body["note"])
            head = (checkpoint.size, checkpoint.root)
            lines = dict.fromkeys((*act.body["lines"], *act.body.get("before", ())))
            quotes = (self._quote(checkpoint.origin, *head, lines),)
        elif act.kind == "log.block":
            quotes = tuple(self._quote(_origin(region), *it) for it in act.body["lines"])
        version = 0
        if act.kind == "log.epoch":
            version = written_version(SignedRoster.decode(act.body["roster"]).body)
        self.events.append(
            Appended(
                at_ms=self._now_ms,
                region=region,
                place=place,
                root=self._roots[region][-1],
                kind=act.kind,
                subject=statement.subject,
                to=unit[:6],
                cites=cites,
                quotes=quotes,
                version=version,
            )
        )

    def _quote(self, origin: str, size: int, root: bytes, lines: Iterable[bytes]) -> Quoted:
        dated = []
        for data in lines:
            line = Line.decode(data)
            by, under = self._signer(origin, "mirror", line.key_id)
            dated.append(Dated(by, line.time_s, under))
        return Quoted(_name(origin), size, root.hex(), tuple(dated))

    # ---- where the checkers look ----------------------------------------------------------------

    def restarted(self, machine: Machine) -> None:
        """Write down what a dead process left on its disk."""
        self._take_own(machine)
        size = len(self._entries(machine, machine.origin, 0, 1 << ENTRY_BITS))
        self.events.append(Restarted(self._now_ms, _name(machine.origin), size))

    def lost(self, machine: Machine) -> None:
        """Write down that a database is gone; what was shown to nobody is forgotten."""
        region, mark = _name(machine.origin), machine.disk.mark
        size = len(self._roots[region]) - 1 if mark is None else mark.size
        self.events.append(Lost(self._now_ms, region, size))
        del self._roots[region][size + 1 :]
        del self._leaves[region][size:]
        self._frontiers[region] = Frontier.empty().extend(self._leaves[region])
        self._forget(machine)
        self._final.pop(region, None)

    def burnt(self, machine: Machine) -> None:
        """Write down that a machine is gone; what it had given to others is theirs."""
        self._forget(machine)
        self.events.append(Burnt(self._now_ms, machine.region))

    def _forget(self, machine: Machine) -> None:
        """Forget what a machine had of other logs: whatever follows it begins anew."""
        for of in self._roots:
            self._rows.pop((machine.region, of), None)
            self._copies.pop((machine.region, of), None)

    def committed(self, machine: Machine) -> None:
        """Write down what is new after a step."""
        node, region, now_ms = machine.node, machine.region, self._now_ms
        assert node is not None
        seen, own = node.snapshot, _name(machine.origin)
        self._learn(seen.rosters)
        self._take_own(machine)
        ended = () if seen.rosters is None else seen.rosters.newest.closed
        for origin, status in seen.logs.items():
            of = _name(origin)
            if of == own or origin in ended:
                continue
            self._expect(of)
            self._hold(machine, origin, of, status.stored_size)
            row = (status.witnessed_size, status.mirrored_size)
            if self._rows.get((region, of)) != row:
                self._rows[region, of] = row
                self.events.append(Rowed(now_ms, region, of, *row))
        if seen.note and self._published.get(own) != seen.note:
            self._published[own] = seen.note
            checkpoint = checkpoint_of(seen.note)
            self.events.append(Published(now_ms, own, checkpoint.size, checkpoint.root.hex()))
        final = (seen.witnessed_size, seen.replicated_size)
        if self._final.get(own, (0, 0)) != final:
            self._final[own] = final
            self.events.append(Claimed(now_ms, own, *final))

    def _hold(self, machine: Machine, origin: str, of: str, size: int) -> None:
        """Write down what a machine's disk has of another log, where that has grown."""
        key = (machine.region, of)
        copy = self._copies.get(key, Frontier.empty())
        if size > copy.size:
            added = self._entries(machine, origin, copy.size, size)
            self._copies[key] = copy = copy.extend([hash_leaf(entry) for _, entry in added])
            self.events.append(Held(self._now_ms, *key, size, copy.root().hex()))

    def accepted(self, region: str, registered: Registered) -> None:
        """Write down what somebody was told."""
        assert registered.index is not None
        log = _name(self._simulation.machines[region].origin)
        self.events.append(Accepted(self._now_ms, log, registered.index))

    def asked(self, machine: Machine, request: PeerRequest) -> None:
        """Write down which note is sent to whom, and remember who asks."""
        self._asked[id(request)] = (request, _name(machine.origin))
        for half in asked_halves(request):
            self._sent(machine, half)

    def _sent(self, machine: Machine, request: PeerRequest) -> None:
        if request.path == ADD_CHECKPOINT:
            checkpoint = checkpoint_of(split_add_checkpoint(request.body)[1])
            self.events.append(
                Submitted(
                    at_ms=self._now_ms,
                    by=_name(machine.origin),
                    to=request.to,
                    of=_name(checkpoint.origin),
                    size=checkpoint.size,
                    root=checkpoint.root.hex(),
                )
            )
        elif request.path == FINISHED:
            checkpoint, origin = checkpoint_of(request.body), machine.origin
            self.events.append(
                Finished(
                    at_ms=self._now_ms,
                    region=_name(origin),
                    size=checkpoint.size,
                    root=checkpoint.root.hex(),
                    witnesses=self._signers(origin, request.body, "witness"),
                    mirrors=self._signers(origin, request.body, "mirror"),
                )
            )

    def answered(self, _machine: Machine, request: PeerRequest, reply: PeerReply) -> None:
        """Write down the lines that an answer brings."""
        asker = self._asked.get(id(request), (request, ""))[1]
        # A liar's answer is no line of the protocol.
        with suppress(LedgerError):
            for half, answer in answered_halves(request, reply):
                if answer.status == 200 and half.path in {ADD_CHECKPOINT, ADD_ENTRIES, LINES}:
                    self._lined(half, answer, asker)

    def _lined(self, request: PeerRequest, reply: PeerReply, asker: str) -> None:
        role: Role = "witness" if request.path == ADD_CHECKPOINT else "mirror"
        origin, size, root = self._asked_head(request)
        signatures = decode_lines(reply.body)
        for signature in signatures:
            by, under = self._signer(origin, role, signature.key_id)
            line = Line.decode(signature.key_id + signature.blob)
            self.events.append(
                Lined(
                    at_ms=self._now_ms,
                    by=by,
                    role=role,
                    of=_name(origin),
                    size=size,
                    root=root,
                    time_s=line.time_s,
                    asker=asker,
                    under=under,
                )
            )

    def _signers(self, origin: str, note: bytes, role: Role) -> tuple[Signer, ...]:
        """Return whose lines of one role a note carries, each key once."""
        ids = {signature.key_id for signature in Note.decode(note).signatures}
        found = (self._signer(origin, role, key_id) for key_id in sorted(ids))
        return tuple(sorted(it for it in found if it.by))

    def _asked_head(self, request: PeerRequest) -> tuple[str, int, str]:
        """Return the head that the lines in an answer are about: origin, size and root."""
        if request.path == ADD_ENTRIES:
            upload = Upload.decode(request.body)
            roots = self._roots[_name(upload.origin)]
            root = roots[upload.end] if upload.end < len(roots) else ""
            return upload.origin, upload.end, root
        is_witness = request.path == ADD_CHECKPOINT
        note = split_add_checkpoint(request.body)[1] if is_witness else request.body
        checkpoint = checkpoint_of(note)
        return checkpoint.origin, checkpoint.size, checkpoint.root.hex()


def _first(record: Callable[..., None], check: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that lets the recorder look, and then the checker."""

    def both(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the checker takes
        record(*args, **named)
        return check(*args, **named)

    return both


def _name(origin: str) -> str:
    """Return how a trace calls a log: by its region, with the number of a later one."""
    return origin.removeprefix(f"{NETWORK}/")


def _origin(log: str) -> str:
    return f"{NETWORK}/{log}"
