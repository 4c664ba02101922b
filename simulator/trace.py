"""What nodes did, as plain values: entries, lines, rows, candidates and finality, in order.

A recorder looks where the checkers look, at disks and at what passes between nodes, just before
they do. It judges nothing; a model of the protocol can replay what it wrote down.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ledger.checkpoint import Checkpoint
from ledger.cosignature import Line
from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.note import Note
from ledger.roster import Role
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
from simulator.machine import Machine
from simulator.simulation import Simulation

HOOKS: Final = ("restarted", "lost", "committed", "accepted", "asked", "answered")
"""Where the checkers look; the recorder looks there first."""


class Dated(NamedTuple):
    """Whose line it is, and of when; ``by`` is empty where nobody of the roster signed it."""

    by: str
    time_s: int


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
    place: int


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
    witnesses: tuple[str, ...]
    mirrors: tuple[str, ...]


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


Event = (
    Appended
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
        for region in simulation.machines:
            self._roots[region] = [Frontier.empty().root().hex()]
            self._frontiers[region] = Frontier.empty()
            self._leaves[region] = []
        for name in HOOKS:
            checked = getattr(simulation.checkers, name)
            setattr(simulation.checkers, name, _first(getattr(self, name), checked))

    @property
    def _now_ms(self) -> int:
        return self._simulation.world.now_ms

    # ---- disks ----------------------------------------------------------------------------------

    def _take_own(self, machine: Machine) -> None:
        region = machine.region
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
            Cited(cited.role, self.roster.region_of_origin(cited.origin), cited.index)
            for cited in act.citations
            if cited.role != "view"
        )
        quotes: tuple[Quoted, ...] = ()
        if act.kind == "log.view":
            checkpoint = _checkpoint(act.body["note"])
            head = (checkpoint.size, checkpoint.root)
            quotes = (self._quote(checkpoint.origin, *head, act.body["lines"]),)
        elif act.kind == "log.block":
            origin = self.roster.member(region).origin
            quotes = tuple(self._quote(origin, *covered) for covered in act.body["lines"])
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
            )
        )

    def _quote(self, origin: str, size: int, root: bytes, lines: Iterable[bytes]) -> Quoted:
        keys = self.roster.mirror_keys(origin)
        dated = []
        for data in lines:
            line = Line.decode(data)
            signers = [region for region, _, _ in keys.get(line.key_id, ())]
            dated.append(Dated(signers[0] if signers else "", line.time_s))
        return Quoted(self.roster.region_of_origin(origin), size, root.hex(), tuple(dated))

    # ---- where the checkers look ----------------------------------------------------------------

    def restarted(self, machine: Machine) -> None:
        """Write down what a dead process left on its disk."""
        self._take_own(machine)
        size = len(self._entries(machine, machine.origin, 0, 1 << ENTRY_BITS))
        self.events.append(Restarted(self._now_ms, machine.region, size))

    def lost(self, machine: Machine) -> None:
        """Write down that a database is gone; what was shown to nobody is forgotten."""
        region, mark = machine.region, machine.disk.mark
        size = len(self._roots[region]) - 1 if mark is None else mark.size
        self.events.append(Lost(self._now_ms, region, size))
        del self._roots[region][size + 1 :]
        del self._leaves[region][size:]
        self._frontiers[region] = Frontier.empty().extend(self._leaves[region])
        for of in self._roots:
            self._rows.pop((region, of), None)
            self._copies.pop((region, of), None)
        self._final.pop(region, None)

    def committed(self, machine: Machine) -> None:
        """Write down what is new after a step."""
        self._take_own(machine)
        node, region, now_ms = machine.node, machine.region, self._now_ms
        assert node is not None
        seen = node.snapshot
        for origin, status in seen.logs.items():
            of = self.roster.region_of_origin(origin)
            if of == region:
                continue
            self._hold(machine, origin, of, status.stored_size)
            row = (status.witnessed_size, status.mirrored_size)
            if self._rows.get((region, of)) != row:
                self._rows[region, of] = row
                self.events.append(Rowed(now_ms, region, of, *row))
        if seen.note and self._published.get(region) != seen.note:
            self._published[region] = seen.note
            checkpoint = _checkpoint(seen.note)
            self.events.append(Published(now_ms, region, checkpoint.size, checkpoint.root.hex()))
        final = (seen.witnessed_size, seen.replicated_size)
        if self._final.get(region, (0, 0)) != final:
            self._final[region] = final
            self.events.append(Claimed(now_ms, region, *final))

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
        self.events.append(Accepted(self._now_ms, region, registered.index))

    def asked(self, machine: Machine, request: PeerRequest) -> None:
        """Write down which note is sent to whom, and remember who asks."""
        self._asked[id(request)] = (request, machine.region)
        if request.path == ADD_CHECKPOINT:
            checkpoint = _checkpoint(split_add_checkpoint(request.body)[1])
            self.events.append(
                Submitted(
                    at_ms=self._now_ms,
                    by=machine.region,
                    to=request.to,
                    of=self.roster.region_of_origin(checkpoint.origin),
                    size=checkpoint.size,
                    root=checkpoint.root.hex(),
                )
            )
        elif request.path == FINISHED:
            checkpoint, origin = _checkpoint(request.body), machine.origin
            self.events.append(
                Finished(
                    at_ms=self._now_ms,
                    region=machine.region,
                    size=checkpoint.size,
                    root=checkpoint.root.hex(),
                    witnesses=_signers(request.body, self.roster.witness_keys(origin)),
                    mirrors=_signers(request.body, self.roster.mirror_keys(origin)),
                )
            )

    def answered(self, _machine: Machine, request: PeerRequest, reply: PeerReply) -> None:
        """Write down the lines that an answer brings."""
        if reply.status != 200 or request.path not in {ADD_CHECKPOINT, ADD_ENTRIES, LINES}:
            return
        role: Role = "witness" if request.path == ADD_CHECKPOINT else "mirror"
        asker = self._asked.get(id(request), (request, ""))[1]
        try:
            origin, size, root = self._asked_head(request)
            signatures = decode_lines(reply.body)
        except LedgerError:
            return  # a liar's answer is no line of the protocol
        keys = self.roster.witness_keys if role == "witness" else self.roster.mirror_keys
        for signature in signatures:
            signers = [region for region, _, _ in keys(origin).get(signature.key_id, ())]
            line = Line.decode(signature.key_id + signature.blob)
            self.events.append(
                Lined(
                    at_ms=self._now_ms,
                    by=signers[0] if signers else "",
                    role=role,
                    of=self.roster.region_of_origin(origin),
                    size=size,
                    root=root,
                    time_s=line.time_s,
                    asker=asker,
                )
            )

    def _asked_head(self, request: PeerRequest) -> tuple[str, int, str]:
        """Return the head that the lines in an answer are about: origin, size and root."""
        if request.path == ADD_ENTRIES:
            upload = Upload.decode(request.body)
            roots = self._roots[self.roster.region_of_origin(upload.origin)]
            root = roots[upload.end] if upload.end < len(roots) else ""
            return upload.origin, upload.end, root
        is_witness = request.path == ADD_CHECKPOINT
        note = split_add_checkpoint(request.body)[1] if is_witness else request.body
        checkpoint = _checkpoint(note)
        return checkpoint.origin, checkpoint.size, checkpoint.root.hex()


def _first(record: Callable[..., None], check: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that lets the recorder look, and then the checker."""

    def both(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the checker takes
        record(*args, **named)
        return check(*args, **named)

    return both


def _checkpoint(note: bytes) -> Checkpoint:
    return Checkpoint.decode(Note.decode(note).text)


def _signers(
    note: bytes, keys: Mapping[bytes, Sequence[tuple[str, str, bytes]]]
) -> tuple[str, ...]:
    """Return whose lines of one role a note carries, each once."""
    ids = {signature.key_id for signature in Note.decode(note).signatures}
    return tuple(sorted({region for key in ids for region, _, _ in keys.get(key, ())}))
