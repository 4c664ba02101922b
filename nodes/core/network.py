"""The side of a node that faces other nodes: its parts joined, and what leaves for whom.

Each peer has two lanes with at most one request in flight each: one carries notes and entries, the
other short questions and tidings, so that a long upload holds up no one.

A batch goes: ``step`` for each event, whose writes are applied; then ``flush``, whose writes are
applied too; then the commit; and only then may replies and requests leave. If the commit fails, the
object is thrown away and made again from the store.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from types import MappingProxyType
from typing import Final

from ledger.checkpoint import Checkpoint
from ledger.equivocation import Conviction, Equivocation
from ledger.errors import LedgerError, NotFoundError, UnverifiedError
from ledger.views import BlockLines
from nodes.core import recovery
from nodes.core.audit import Audit, Page
from nodes.core.candidate import Candidate, ForeignWitness, Quorums
from nodes.core.catchup import CatchUp, Pull
from nodes.core.copies import LogReader
from nodes.core.exchange import (
    ADD_CHECKPOINT,
    ADD_ENTRIES,
    FINISHED,
    LINES,
    MIRROR,
    NEWEST,
    ROSTERS,
    decode_rosters,
    encode_rosters,
    origin_hash,
    rosters_after,
)
from nodes.core.extension import EXTEND, EXTENSION_TYPE, encode_extended, halves
from nodes.core.finished import FinishedNotes
from nodes.core.freshen import Freshen, Question
from nodes.core.heads import Heads
from nodes.core.mirror import Mirror
from nodes.core.notes import Known, SignedHead, open_head
from nodes.core.ready import (
    PeerAnswered,
    PeerCalled,
    PeerReply,
    PeerRequest,
    PeerRow,
    PutMemory,
    Ready,
    Reply,
    Tick,
    Write,
)
from nodes.core.rosters import Rosters
from nodes.core.submission import Outgoing, SendingLimits, Submission, backoff_ms
from nodes.core.turning import Offer
from nodes.core.watch import Watch
from nodes.core.witness import Witness, refusal
from nodes.ports import FenceMark, RoleKeys

LINES_PAGE: Final = re.compile(r"/(?:witness|mirror)/[0-9a-f]{64}/lines(?:\?|$)")

GRACE_MS: Final = 1_000
"""How long after a request's own time-out we still wait for the driver to say so."""

CLAIM: Final = "claim"
"""Memory under this name: a note of our own log that our store does not agree with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkState:
    """What the store holds for this side of the node. ``nodes.store.peers.load_state`` reads it.

    Args:
        rows: By origin.
        sizes: By origin: how many entries are stored.
        lines: By role and origin: size and bytes of the last line given.
        own_notes: Our own newest note, and the newest finished one, with their lines.
        other_notes: The newest finished note of each other log.
        memory: Small values of the core's own, by name.
        second_own: Second notes of our own log, by size.
        second_given: Second notes of what was cosigned last, by role and origin.
    """

    rows: Mapping[str, PeerRow] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)
    own_notes: Sequence[bytes] = ()
    other_notes: Sequence[bytes] = ()
    memory: Mapping[str, bytes] = field(default_factory=dict)
    second_own: Mapping[int, bytes] = field(default_factory=dict)
    second_given: Mapping[tuple[str, str], bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerHealth:
    """How a peer that witnesses our log looks from here.

    Args:
        believed_size: Of our log, the tree on which its next checkpoint will build.
        next_entry: Of our log, the first entry that it still lacks.
        trouble: Why the last request to it failed; empty while all is well.
        claimed_size: The largest size of our own log that it claims to know.
        failures: Requests to it that have failed one after the other.
    """

    believed_size: int
    next_entry: int
    claimed_size: int
    failures: int
    trouble: str


# Most peers are as they were a step before, and finding that costs less than saying it anew.
_peer_health = lru_cache(maxsize=256)(PeerHealth)


@dataclass(frozen=True, slots=True)
class _Told:
    count: int


@dataclass(frozen=True, slots=True)
class _Rosters:
    """Versions up to this one, told to a peer."""

    version: int


@dataclass(frozen=True, slots=True)
class _Asking:
    """A question about our own log, at the start."""


@dataclass(frozen=True, slots=True)
class _Listening:
    """A question to a log's writer for its newest note; from then on it tells us of its log."""


_Job = (
    Outgoing
    | tuple[str, Outgoing]
    | Question
    | _Told
    | _Rosters
    | _Asking
    | _Listening
    | recovery.Fetch
    | Pull
    | Page
)


@dataclass(slots=True)
class _Lane:
    """One request at a time to one peer."""

    peer: str
    in_flight: int | None = None
    job: _Job | None = None
    deadline_ms: int = 0
    failures: int = 0
    due_ms: int = 0
    unreachable: bool = False
    told: int = 0
    told_roster: int = 0
    """The newest roster version that the peer has taken from us; 0 before it was told any."""
    pulls_next: bool = False


class Network:
    """Witness, mirror, candidate and the rest, as the node's single step uses them.

    Args:
        rosters: What is known of the network.
        region: This node's.
        held: Its keys: those in force, and any of before and to come.
        state: From the store.
        asked: What a checkpoint of our own log needs; None: a quorum by the version in force.
        foreign: C2SP witnesses from the configuration.
        limits: Of what is sent.
        next_id: Numbers requests; must never repeat while answers may be under way.
    """

    def __init__(
        self,
        *,
        rosters: Rosters,
        region: str,
        held: tuple[RoleKeys, ...],
        state: NetworkState,
        asked: Callable[[int], Quorums] | None = None,
        foreign: Sequence[ForeignWitness] = (),
        limits: SendingLimits | None = None,
        next_id: Callable[[], int] | None = None,
    ) -> None:
        self._rosters = rosters
        self._limits = limits = SendingLimits() if limits is None else limits
        self._next_id = count(1).__next__ if next_id is None else next_id
        self.heads = Heads(
            rosters=rosters,
            region=region,
            held=held,
            rows=state.rows,
            sizes=state.sizes,
            lines=state.lines,
            memory=state.memory,
            second=state.second_given,
        )
        self.witness = Witness(self.heads)
        self.mirror = Mirror(self.heads)
        self.watch = Watch(self.heads, self._own_size)
        self.audit = Audit(self.heads, self.watch, state.memory)
        self.finished = FinishedNotes(self.heads, state.other_notes, self.watch)
        self.freshen = Freshen(self.heads, self.mirror, self.finished, limits, self.watch)
        self.catchup = CatchUp(self.heads, limits)
        in_force = Quorums((self.heads.roster,), is_epoch=False)
        self.candidate = Candidate(
            rosters=rosters,
            asked=(lambda _size: in_force) if asked is None else asked,
            origin=self.heads.own,
            region=region,
            foreign=foreign,
            limits=limits,
            watch=self.watch,
            notes=state.own_notes,
            memory=state.memory,
            second=state.second_own,
        )
        self.rebuild: recovery.Rebuild | None = None
        """While entries of our own log are being fetched back; None otherwise."""
        self._claim = state.memory.get(CLAIM, b"")
        self._members = {peer for roster in rosters.last_two() for peer in roster.members}
        self._witnesses = set(rosters.witnesses_of(self.heads.own))
        self._submit = {witness.peer: _Lane(witness.peer) for witness in foreign}
        self._ask: dict[str, _Lane] = {}
        is_whole = self._witnesses >= rosters.newest.members.keys() - {region}
        near = self._witnesses | set(self.heads.logs.values())
        self._reach(self._members if is_whole else near)
        self._listeners: set[str] = set()
        """Regions that follow our log, and are no witnesses of it."""
        self._followed: dict[str, int] = {}
        """By region, when the writer of a log that we follow is asked again to tell us of it."""
        self._reached: set[str] = set()
        """Logs whose writer and witnesses have a lane."""
        self._unasked = set(self._witnesses)
        self._unheard = set(self._unasked)
        self._flying: dict[int, _Lane] = {}
        self._own_newest = NEWEST + origin_hash(self.heads.own)
        self._listening_ms = rosters.newest.constants.refresh_s * 1000

    # ---- what the node reads and says -----------------------------------------------------------

    @property
    def witnessed_size(self) -> int:
        """Entries of our own log that a quorum of witnesses has signed for."""
        return self.candidate.witnessed_size

    @property
    def replicated_size(self) -> int:
        """Entries of our own log that a quorum of mirrors holds as well."""
        return self.candidate.replicated_size

    @property
    def known(self) -> Mapping[str, Known]:
        """The best note of each other log with a quorum of mirror lines."""
        return self.finished.known

    @property
    def rows(self) -> Mapping[str, PeerRow]:
        """What we have witnessed and mirrored, by origin; logs not heard of are left out."""
        found = ((origin, self.heads.row(origin)) for origin in self.heads.logs)
        return {origin: row for origin, row in found if row is not None}

    @property
    def is_heard(self) -> bool:
        """Whether each witness has been asked once for our own log: it answered, or failed."""
        return not self._unheard

    @property
    def resting(self) -> bool:
        """Whether the witness and mirror keys sign no more."""
        return self.heads.resting

    @property
    def halted(self) -> str:
        """Why nothing may be written or signed; empty: it may."""
        return self.heads.halted

    def stored_size(self, origin: str) -> int:
        """Return how many entries of another log are stored, this batch's included."""
        return self.heads.stored_size(origin)

    def health(self) -> dict[str, PeerHealth]:
        """Return how each peer that witnesses our log looks from here."""
        return {
            peer: _peer_health(
                item.believed, item.next_entry, item.claimed, item.failures, item.trouble
            )
            for peer, item in self.candidate.submissions.items()
        }

    def publish(self, checkpoint: Checkpoint, note: bytes, post_quantum: bytes = b"") -> None:
        """Take the note of our own log that this batch publishes (the log's line alone).

        Args:
            checkpoint: What it says.
            note: With the Ed25519 line.
            post_quantum: The ML-DSA-44 line; empty where the log has no such key.
        """
        self.candidate.publish(SignedHead(checkpoint, note, post_quantum))

    def unrecorded(self) -> tuple[BlockLines, ...]:
        """Return the candidates whose mirror quorum no block record of ours holds yet."""
        return self.candidate.unrecorded()

    def recorded(self, sizes: Iterable[int]) -> tuple[Write, ...]:
        """Take note that a block record in this batch holds the lines of these sizes."""
        return self.candidate.recorded(sizes)

    def want_fresh(self, origin: str, not_before_s: int) -> None:
        """Ask mirrors until a note of ``origin`` has a ``fresh_at`` from ``not_before_s`` on."""
        self.freshen.want(origin, not_before_s)

    def _reach(self, peers: Iterable[str]) -> None:
        """Give members a lane of each sort, those that have none."""
        for peer in sorted(set(peers) & self._members - {self.heads.region} - self._ask.keys()):
            self._submit[peer], self._ask[peer] = _Lane(peer), _Lane(peer)

    def _reach_holders(self, origin: str) -> None:
        """Give whoever holds a log a lane."""
        if origin not in self._reached:
            self._reached.add(origin)
            found = set(self._rosters.witnesses_of(origin))
            self._reach(found | {self._rosters.region_of_origin(origin)})

    def follow(self, origin: str) -> None:
        """Copy a log that our own log relies on, though we do not witness it.

        Its writer is asked to tell us of it, and its witnesses for a note to begin with.
        """
        newest = self._rosters.newest
        # Who witnessed it by the version before is brought nothing more of it, and who has turned
        # takes nothing.
        is_brought = (
            origin in newest.origins
            and self.heads.region in newest.witnesses_of(origin)
            and origin not in self.heads.turned
        )
        if is_brought or origin == self.heads.own or origin in self.heads.closed:
            return
        region = self._rosters.region_of_origin(origin)
        if region not in self._followed:
            self._reach_holders(origin)
            self._followed[region] = 0
            self.freshen.want(origin, 1)

    def followed(self) -> Mapping[str, SignedHead]:
        """Return the newest notes of logs that we follow, as far as our copies do not reach them.

        Nobody brings us their entries.
        """
        found: dict[str, SignedHead] = {}
        for region in self._followed:
            origin = self._rosters.home_of(region)
            known = self.finished.known.get(origin)
            if known is not None and known.size > self.heads.stored_size(origin):
                checkpoint = Checkpoint(origin, known.size, known.root)
                found[origin] = SignedHead(checkpoint, known.note)
        return found

    def catch_up(
        self,
        lacking: Mapping[str, SignedHead],
        reader: LogReader,
        offers: Mapping[str, Offer] = MappingProxyType({}),
    ) -> tuple[Write, ...]:
        """Pull what is lacking of other logs, each at least up to a head that its mirrors signed.

        The newest such head is asked for too, so that one pull serves many views.
        """
        if not self.heads.halted:
            for origin in (*lacking, *offers):
                self._reach_holders(origin)
                if origin in self.heads.logs and origin not in self.finished.known:
                    self.freshen.want(origin, 1)
        return self.catchup.want(lacking, self.finished.known, offers, reader)

    def convicted(
        self, origin: str, convictions: Iterable[tuple[Equivocation, Conviction, int]]
    ) -> tuple[Write, ...]:
        """Take note of evidence that entries of a log, our own or another's, record."""
        return tuple(
            write
            for evidence, conviction, index in convictions
            for write in self.heads.convictions.record(evidence, conviction, (origin, index))
        )

    def look(self, reader: LogReader) -> tuple[Write, ...]:
        """Look through the lines that have come since the last step, wherever they came from."""
        return self.watch.look(reader)

    def _own_size(self) -> int:
        newest = self.candidate.newest
        return 0 if newest is None else newest.checkpoint.size

    def pinned(self) -> Mapping[str, SignedHead]:
        """Return the pins that our copies do not reach yet, of logs whose row begins there.

        So a joiner fetches all that it is to mirror, from whoever holds it. Beside them, what we
        have turned to: nobody brings that.
        """
        found = {
            origin: turn.head
            for origin, turn in self.heads.turned.items()
            if self.heads.stored_size(origin) < turn.checkpoint.size
            and origin not in self.heads.closed
        }
        for origin, pin in self._rosters.newest.pins.items():
            row = self.heads.row(origin)
            if (
                origin in self.heads.logs
                and self.heads.stored_size(origin) < pin.size
                and row is not None
                and row.witnessed_size >= pin.size
            ):
                found[origin] = SignedHead(Checkpoint(origin, pin.size, pin.root), b"")
        return found

    def halt(self, code: str) -> None:
        """Sign and send nothing from now on: ``behind-fence`` or ``behind-witnesses``."""
        self.heads.halted = code

    def begin_rebuild(self, mark: FenceMark, reader: LogReader, stored_size: int) -> None:
        """Fetch what is missing of our own log from its mirrors, at least to the fence's head.

        Nobody is asked to sign that log until all of it is judged.
        """
        self.candidate.is_waiting = True
        self.rebuild = recovery.Rebuild(
            self._rosters, self.heads.own, mark, stored_size, reader, self._limits
        )

    def check_claim(self, reader: LogReader, own_size: int) -> None:
        """Compare our store with the note that once showed us to be behind, if there was one."""
        if self._claim and not self.heads.halted:
            head, _ = open_head(self._claim, self._rosters, is_ours=True)
            self._compare_own(head, reader, own_size)

    # ---- stepping -------------------------------------------------------------------------------

    def step(
        self, event: PeerCalled | PeerAnswered | Tick, now_ms: int, reader: LogReader
    ) -> Ready:
        """Take one event; its writes must be applied before the next call."""
        match event:
            case PeerCalled():
                return self._called(event, now_ms, reader)
            case PeerAnswered():
                return self._answered(event, now_ms, reader)
            case Tick():
                return Ready()

    def flush(self, now_ms: int, reader: LogReader) -> Ready:
        """Return what is to be sent now, after all of a batch's writes are applied."""
        for lane in list(self._flying.values()):
            if now_ms > lane.deadline_ms or lane.deadline_ms - now_ms > 2 * self._patience_ms():
                # The driver owes us an answer; we no longer wait for it.
                self._lost(lane, now_ms)
        writes: tuple[Write, ...] = ()
        if not self.heads.halted:
            writes = (
                *self.candidate.poll(now_ms),
                *self.freshen.poll(now_ms, reader),
                *self.finished.keep(now_ms),
            )
        requests: list[PeerRequest] = []
        for lane in self._submit.values():
            requests += self._send_submission(lane, now_ms, reader)
        for lane in self._ask.values():
            requests += self._send_question(lane, now_ms)
        return Ready(writes=writes, requests=tuple(requests), wake_at_ms=self._wake_at_ms(now_ms))

    def _called(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        if event.caller is not None:
            self._revive(event.caller, now_ms)
        path = event.path
        if path == ADD_CHECKPOINT:
            return self._add_checkpoint(event, now_ms)
        if path == ADD_ENTRIES:
            return self.mirror.add_entries(event, now_ms, reader)
        if path == EXTEND:
            return self._extend(event, now_ms, reader)
        if path == LINES:
            return self.mirror.lines(event, now_ms, reader)
        if path == ROSTERS:
            return self._hear_rosters(event)
        if path == FINISHED:
            return self._finished(event, now_ms, reader)
        if path.startswith(NEWEST):
            if event.caller in self._members and path == self._own_newest:
                self._reach((event.caller,))
                self._listeners.add(event.caller)
            newest = self.candidate.newest
            return self.mirror.newest(event, b"" if newest is None else newest.note)
        if LINES_PAGE.match(path):
            return self.mirror.given(event, reader)
        if path.startswith(MIRROR):
            return self.mirror.read(event, reader)
        missing = NotFoundError("there is nothing at this path")
        return Ready(replies=(Reply(event.request_id, refusal(missing)),))

    def _add_checkpoint(self, event: PeerCalled, now_ms: int) -> Ready:
        ready = self.witness.add_checkpoint(event, now_ms)
        # A commit is due for it anyway, so what waited for one goes along.
        kept = self.finished.keep_all() if ready.writes else ()
        return Ready(writes=(*ready.writes, *kept), replies=ready.replies)

    def _extend(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """Take a checkpoint, and then the entries up to it if it was taken."""
        try:
            checkpoint, entries = halves(event)
        except LedgerError as error:
            return Ready(replies=(Reply(event.request_id, refusal(error)),))
        taken = [self._add_checkpoint(checkpoint, now_ms)]
        if _answer(taken[0]).status == 200:
            taken.append(self.mirror.add_entries(entries, now_ms, reader))
        body = encode_extended([_answer(it) for it in taken])
        reply = PeerReply(200, body, EXTENSION_TYPE)
        return Ready(
            writes=tuple(write for it in taken for write in it.writes),
            replies=(Reply(event.request_id, reply),),
        )

    def _hear_rosters(self, event: PeerCalled) -> Ready:
        """Versions that someone knows: each proves itself, so it does not matter who says so."""
        try:
            later = decode_rosters(event.body)
        except LedgerError as error:
            return Ready(replies=(Reply(event.request_id, refusal(error)),))
        for signed in later:
            if not (self._rosters.knows(signed) or self._rosters.learn(signed)):
                refused = UnverifiedError("no version that follows", code="roster-version")
                return Ready(replies=(Reply(event.request_id, refusal(refused)),))
        return Ready(replies=(Reply(event.request_id, PeerReply(204)),))

    def _finished(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        """A note of our own log would be news only if we had forgotten it."""
        own = self.heads.own.encode() + b"\n"
        if not event.body.startswith(own):
            return self.finished.take(event, now_ms, reader)
        try:
            head, _ = open_head(event.body, self._rosters)
        except LedgerError as error:
            return Ready(replies=(Reply(event.request_id, refusal(error)),))
        writes = self._compare_own(head, reader, None)
        return Ready(writes=writes, replies=(Reply(event.request_id, PeerReply(204)),))

    def _answered(self, event: PeerAnswered, now_ms: int, reader: LogReader) -> Ready:
        lane = self._flying.pop(event.request_id, None)
        if lane is None or lane.in_flight != event.request_id:
            return Ready()  # late, a second time, or to a question asked before a restart
        job = lane.job
        assert job is not None
        lane.in_flight, lane.job = None, None
        lane.unreachable = event.status == 0
        if lane.unreachable:
            self._failed(lane, now_ms)
        else:
            lane.failures, lane.due_ms = 0, 0
        return Ready(writes=self._take(lane, job, event.status, event.body, now_ms, reader))

    def _take(  # noqa: PLR0917 - one call
        self, lane: _Lane, job: _Job, status: int, body: bytes, now_ms: int, reader: LogReader
    ) -> tuple[Write, ...]:
        peer = lane.peer
        match job:
            case Outgoing():
                to = self.candidate.submissions.get(peer)
                gained = () if to is None else to.answered(job, status, body, now_ms)
                return tuple(
                    write for it in gained for write in self.candidate.take(peer, it, now_ms)
                )
            case (str() as origin, Outgoing() as sent):
                submission = self.freshen.pushes.get((peer, origin))
                if submission is None:
                    return ()
                found = submission.answered(sent, status, body, now_ms)
                self.freshen.pushed(peer, origin, found[-1] if found else None, now_ms)
                return ()
            case Question():
                return self.freshen.answered(peer, job, status, body, now_ms, reader)
            case _Told():
                if status == 204:
                    lane.told = max(lane.told, job.count)
                elif status != 0:
                    self._failed(lane, now_ms)
                return ()
            case _Rosters():
                if status == 204:
                    lane.told_roster = max(lane.told_roster, job.version)
                elif status == 422 and not lane.told_roster:
                    # It lacks some of those before, and everyone has the genesis.
                    lane.told_roster = 1
                elif status != 0:
                    self._failed(lane, now_ms)
                return ()
            case _Asking():
                return self._take_own(lane, status, body, now_ms, reader)
            case _Listening():
                return self.finished.hear(body, now_ms, reader) if status == 200 else ()
            case recovery.Fetch():
                if self.rebuild is None:
                    return ()
                return self.rebuild.answered(peer, job, status, body, now_ms)
            case Pull():
                return self.catchup.answered(peer, job, status, body, now_ms, reader)
            case Page():
                return self.audit.answered(peer, job, status, body, now_ms, reader)

    # ---- our own log, as others know it ---------------------------------------------------------

    def _take_own(
        self, lane: _Lane, status: int, body: bytes, now_ms: int, reader: LogReader
    ) -> tuple[Write, ...]:
        """Take a witness's newest note of our own log."""
        self._unheard.discard(lane.peer)
        if status == 404:
            self._unasked.discard(lane.peer)
            return ()
        if status != 200:
            if status:
                self._failed(lane, now_ms)
            return ()
        self._unasked.discard(lane.peer)
        try:
            head, _ = open_head(body, self._rosters)
        except LedgerError:
            return ()
        return self._compare_own(head, reader, None)

    def _compare_own(
        self, head: SignedHead, reader: LogReader, own_size: int | None
    ) -> tuple[Write, ...]:
        """Halt if a note that we once signed is beyond what we remember, or contradicts it."""
        if head.checkpoint.origin != self.heads.own:
            return ()
        newest = self.candidate.newest
        size = 0 if newest is None else newest.checkpoint.size
        size = size if own_size is None else own_size
        if recovery.agrees(head.checkpoint, size, reader):
            return ()
        if not self.heads.halted:
            self.halt(recovery.BEHIND_WITNESSES)
        self._claim = head.note
        return (PutMemory(CLAIM, head.note),)

    # ---- lanes ----------------------------------------------------------------------------------

    def _send_submission(
        self, lane: _Lane, now_ms: int, reader: LogReader
    ) -> tuple[PeerRequest, ...]:
        if lane.in_flight is not None or self.heads.halted:
            return ()
        own = self.candidate.submissions.get(lane.peer)
        if own is not None and own.due(now_ms):
            sent = self._outgoing(own, self.heads.own, now_ms, reader)
            if sent is not None:
                return (self._send(lane, sent, sent.path, sent.body, now_ms),)
        for (peer, origin), push in self.freshen.pushes.items():
            if peer == lane.peer and push.due(now_ms):
                sent = self._outgoing(push, origin, now_ms, reader)
                if sent is not None:
                    job = (origin, sent)
                    return (self._send(lane, job, sent.path, sent.body, now_ms),)
        return ()

    def _outgoing(
        self, submission: Submission, origin: str, now_ms: int, reader: LogReader
    ) -> Outgoing | None:
        try:
            return submission.request(origin, reader)
        except LedgerError as error:
            # Our own store cannot be read: nothing that this peer could mend.
            submission.fail(now_ms, str(error))
            return None

    def _send_question(self, lane: _Lane, now_ms: int) -> tuple[PeerRequest, ...]:
        if lane.in_flight is not None or 0 < lane.due_ms - now_ms <= self._limits.backoff_ms_max:
            return ()
        if self.rebuild is not None:
            fetch = self.rebuild.next_fetch(lane.peer, now_ms)
            if fetch is not None:
                return (self._send(lane, fetch, fetch.path, b"", now_ms),)
        if lane.peer in self._unasked:
            path = NEWEST + origin_hash(self.heads.own)
            return (self._send(lane, _Asking(), path, b"", now_ms),)
        newest = self._rosters.newest.version
        if max(lane.told_roster, 1) < newest:
            # Whoever has the newest has all of them, and mostly a peer does.
            known = lane.told_roster or newest - 1
            later = rosters_after(self._rosters.chain.signed, known)
            job = _Rosters(known + len(later))
            return (self._send(lane, job, ROSTERS, encode_rosters(later), now_ms),)
        if self.heads.halted:
            return ()
        is_told = lane.peer in self._witnesses or lane.peer in self._listeners
        if is_told and lane.told < self.candidate.finished_count:
            told = _Told(self.candidate.finished_count)
            return (self._send(lane, told, FINISHED, self.candidate.finished_note, now_ms),)
        listening = self._followed.get(lane.peer)
        if listening is not None and not 0 < listening - now_ms <= self._listening_ms:
            self._followed[lane.peer] = now_ms + self._listening_ms
            path = NEWEST + origin_hash(self._rosters.home_of(lane.peer))
            return (self._send(lane, _Listening(), path, b"", now_ms),)
        # A long pull and questions take turns: their answers may give it a larger head to aim at.
        lane.pulls_next = not lane.pulls_next
        question = None if lane.pulls_next else self.freshen.question(lane.peer, now_ms)
        pull = None if question is not None else self.catchup.next_pull(lane.peer, now_ms)
        if pull is not None:
            return (self._send(lane, pull, pull.path, b"", now_ms),)
        if question is None:
            question = self.freshen.question(lane.peer, now_ms)
        if question is not None:
            return (self._send(lane, question, question.path, question.body, now_ms),)
        page = self.audit.question(lane.peer, now_ms)
        return () if page is None else (self._send(lane, page, page.path, b"", now_ms),)

    def _send(self, lane: _Lane, job: _Job, path: str, body: bytes, now_ms: int) -> PeerRequest:
        request_id = self._next_id()
        lane.in_flight, lane.job = request_id, job
        lane.deadline_ms = now_ms + self._patience_ms()
        self._flying[request_id] = lane
        return PeerRequest(request_id, lane.peer, path, body, self._limits.timeout_ms)

    def _lost(self, lane: _Lane, now_ms: int) -> None:
        job, request_id = lane.job, lane.in_flight
        assert job is not None
        assert request_id is not None
        del self._flying[request_id]
        lane.in_flight, lane.job = None, None
        self._failed(lane, now_ms)
        match job:
            case Outgoing():
                to = self.candidate.submissions.get(lane.peer)
                if to is not None:
                    to.fail(now_ms, "no answer")
            case (str() as origin, Outgoing()):
                push = self.freshen.pushes.get((lane.peer, origin))
                if push is not None:
                    push.fail(now_ms, "no answer")
                    self.freshen.pushed(lane.peer, origin, None, now_ms)
            case recovery.Fetch() if self.rebuild is not None:
                self.rebuild.answered(lane.peer, job, 0, b"no answer", now_ms)
            case Pull():
                self.catchup.failed(lane.peer, job, now_ms)
            case _Asking():
                self._unheard.discard(lane.peer)
            case _:
                pass

    def _failed(self, lane: _Lane, now_ms: int) -> None:
        lane.failures += 1
        salt = f"{self.heads.region}\n{lane.peer}\nask"
        lane.due_ms = now_ms + backoff_ms(self._limits, salt, lane.failures)

    def _revive(self, peer: str, now_ms: int) -> None:
        """A peer that speaks to us is worth speaking to again at once."""
        submission = self.candidate.submissions.get(peer)
        if submission is not None:
            submission.revive(now_ms)
        lane = self._ask.get(peer)
        if lane is not None and lane.unreachable:
            lane.failures, lane.due_ms, lane.unreachable = 0, 0, False

    def _patience_ms(self) -> int:
        return self._limits.timeout_ms + GRACE_MS

    def _wake_at_ms(self, now_ms: int) -> int | None:
        due = [lane.deadline_ms + 1 for lane in self._flying.values()]
        due += [lane.due_ms for lane in self._ask.values() if lane.in_flight is None]
        due += self._followed.values()
        if self.rebuild is not None:
            due += self.rebuild.wake_at_ms()
        if not self.heads.halted:
            due += [item.due_ms for item in self.candidate.submissions.values()]
            due += [item.due_ms for item in self.freshen.pushes.values()]
            due += [*self.catchup.wake_at_ms(), *self.audit.wake_at_ms()]
            waiting = (self.candidate, self.freshen, self.finished)
            due += [at for part in waiting if (at := part.wake_at_ms()) is not None]
        # What is due already has either been sent or waits for an answer.
        return min((at for at in due if at > now_ms), default=None)


def _answer(ready: Ready) -> PeerReply:
    """Return what a peer is told that asked for one thing."""
    (reply,) = ready.replies
    assert isinstance(reply.value, PeerReply)
    return reply.value
