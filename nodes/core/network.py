"""The side of a node that faces other nodes: its parts joined, and what leaves for whom.

Which part answers a request, ``door`` says; whom we speak with, ``reach``; how requests fly and
fail, ``lanes``. Here stands what is asked of whom next, and who reads the answer.

A batch goes: ``step`` for each event, whose writes are applied; then ``flush``, whose writes are
applied too; then the commit; and only then may replies and requests leave. If the commit fails, the
object is thrown away and made again from the store.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from types import MappingProxyType

from ledger.checkpoint import Checkpoint
from ledger.equivocation import Conviction, Equivocation
from ledger.errors import LedgerError
from ledger.views import BlockLines
from nodes.core.audit import Audit, Page
from nodes.core.candidate import Candidate, ForeignWitness, Quorums
from nodes.core.catchup import CatchUp, Pull
from nodes.core.claims import Asking, Claims
from nodes.core.copies import LogReader
from nodes.core.door import Door
from nodes.core.finished import FinishedNotes
from nodes.core.freshen import Freshen, Question
from nodes.core.heads import Heads
from nodes.core.lanes import Lane, Lanes
from nodes.core.mirror import Mirror
from nodes.core.notes import Known, SignedHead
from nodes.core.reach import Listening, Reach
from nodes.core.ready import (
    PeerAnswered,
    PeerCalled,
    PeerRequest,
    PeerRow,
    Ready,
    Tick,
    Write,
)
from nodes.core.rebuild import Fetch, Rebuild
from nodes.core.rosters import Rosters
from nodes.core.submission import Outgoing, SendingLimits, Submission
from nodes.core.tidings import NoteTold, RostersTold, Tidings
from nodes.core.turning import Offer
from nodes.core.watch import Watch
from nodes.core.witness import Witness
from nodes.ports import FenceMark, RoleKeys


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


Job = (
    Outgoing
    | tuple[str, Outgoing]
    | Question
    | RostersTold
    | NoteTold
    | Asking
    | Listening
    | Fetch
    | Pull
    | Page
)
"""What a request is about; an ``Outgoing`` beside an origin brings another log's note onwards."""


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
        self.rebuild: Rebuild | None = None
        """While entries of our own log are being fetched back; None otherwise."""
        self._lanes: Lanes[Job] = Lanes(
            region, limits, count(1).__next__ if next_id is None else next_id
        )
        for it in foreign:
            self._lanes.open_submit(it.peer)
        self._pulls_next: dict[str, bool] = {}
        """By peer, whether a pull goes before a question when it is asked next."""
        self._reach = Reach(rosters, self.heads, self.freshen, self._lanes.open)
        self._claims = Claims(self.heads, self._own_size, self._reach.witnesses, state.memory)
        self._tidings = Tidings(rosters, self.candidate)
        self._door = Door(
            rosters=rosters,
            heads=self.heads,
            witness=self.witness,
            mirror=self.mirror,
            finished=self.finished,
            candidate=self.candidate,
            claims=self._claims,
            reach=self._reach,
        )

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
        return self._claims.is_heard

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

    def follow(self, origin: str) -> None:
        """Copy a log that our own log relies on, though we do not witness it."""
        self._reach.follow(origin)

    def followed(self) -> Mapping[str, SignedHead]:
        """Return the newest notes of logs that we follow, as far as our copies do not reach them.

        Nobody brings us their entries.
        """
        return self._reach.followed(self.finished.known)

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
                self._reach.holders(origin)
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
        self.rebuild = Rebuild(
            self._rosters, self.heads.own, mark, stored_size, reader, self._limits
        )

    def check_claim(self, reader: LogReader, own_size: int) -> None:
        """Compare our store with the note that once showed us to be behind, if there was one."""
        self._claims.check(reader, own_size)

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
        for lane, job in self._lanes.overdue(now_ms):
            self._lost(lane.peer, job, now_ms)
        writes: tuple[Write, ...] = ()
        if not self.heads.halted:
            writes = (
                *self.candidate.poll(now_ms),
                *self.freshen.poll(now_ms, reader),
                *self.finished.keep(now_ms),
            )
        sent = [self._submission(lane, now_ms, reader) for lane in self._lanes.submit.values()]
        sent += [self._question(lane, now_ms) for lane in self._lanes.ask.values()]
        requests = tuple(request for request in sent if request is not None)
        return Ready(writes=writes, requests=requests, wake_at_ms=self._wake_at_ms(now_ms))

    def _called(self, event: PeerCalled, now_ms: int, reader: LogReader) -> Ready:
        if event.caller is not None:
            # A peer that speaks to us is worth speaking to again at once.
            submission = self.candidate.submissions.get(event.caller)
            if submission is not None:
                submission.revive(now_ms)
            self._lanes.revive(event.caller)
        return self._door.called(event, now_ms, reader)

    def _answered(self, event: PeerAnswered, now_ms: int, reader: LogReader) -> Ready:
        found = self._lanes.answered(event, now_ms)
        if found is None:
            return Ready()
        lane, job = found
        return Ready(writes=self._take(lane, job, event, now_ms, reader))

    def _take(
        self, lane: Lane[Job], job: Job, event: PeerAnswered, now_ms: int, reader: LogReader
    ) -> tuple[Write, ...]:
        """Give an answer to whoever asked."""
        peer, status, body = lane.peer, event.status, event.body
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
            case RostersTold() | NoteTold():
                if not self._tidings.answered(peer, job, status) and status:
                    self._lanes.failed(lane, now_ms)
                return ()
            case Asking():
                if status not in {0, 200, 404}:
                    self._lanes.failed(lane, now_ms)
                return self._claims.answered(peer, status, body, reader)
            case Listening():
                return self.finished.hear(body, now_ms, reader) if status == 200 else ()
            case Fetch():
                if self.rebuild is None:
                    return ()
                return self.rebuild.answered(peer, job, status, body, now_ms)
            case Pull():
                return self.catchup.answered(peer, job, status, body, now_ms, reader)
            case Page():
                return self.audit.answered(peer, job, status, body, now_ms, reader)

    def _lost(self, peer: str, job: Job, now_ms: int) -> None:
        """Tell whoever asked that no answer will come."""
        match job:
            case Outgoing():
                to = self.candidate.submissions.get(peer)
                if to is not None:
                    to.fail(now_ms, "no answer")
            case (str() as origin, Outgoing()):
                push = self.freshen.pushes.get((peer, origin))
                if push is not None:
                    push.fail(now_ms, "no answer")
                    self.freshen.pushed(peer, origin, None, now_ms)
            case Fetch() if self.rebuild is not None:
                self.rebuild.answered(peer, job, 0, b"no answer", now_ms)
            case Pull():
                self.catchup.failed(peer, job, now_ms)
            case Asking():
                self._claims.lost(peer)
            case _:
                pass

    # ---- what is asked next ---------------------------------------------------------------------

    def _submission(self, lane: Lane[Job], now_ms: int, reader: LogReader) -> PeerRequest | None:
        """Return what a peer is sent of notes and entries: our own log's first."""
        if lane.in_flight is not None or self.heads.halted:
            return None
        own = self.candidate.submissions.get(lane.peer)
        if own is not None and own.due(now_ms):
            sent = _outgoing(own, self.heads.own, now_ms, reader)
            if sent is not None:
                return self._lanes.send(lane, sent, sent.path, sent.body, now_ms)
        for (peer, origin), push in self.freshen.pushes.items():
            if peer == lane.peer and push.due(now_ms):
                sent = _outgoing(push, origin, now_ms, reader)
                if sent is not None:
                    return self._lanes.send(lane, (origin, sent), sent.path, sent.body, now_ms)
        return None

    def _question(self, lane: Lane[Job], now_ms: int) -> PeerRequest | None:
        """Return what a peer is asked or told: what keeps us from working comes first."""
        if not self._lanes.may_ask(lane, now_ms):
            return None
        found = self._next_question(lane.peer, now_ms)
        return None if found is None else self._lanes.send(lane, *found, now_ms)

    def _next_question(self, peer: str, now_ms: int) -> tuple[Job, str, bytes] | None:
        """Return a job, its path and body; None: there is nothing to ask a peer."""
        if self.rebuild is not None:
            fetch = self.rebuild.next_fetch(peer, now_ms)
            if fetch is not None:
                return fetch, fetch.path, b""
        if self._claims.is_to_ask(peer):
            return Asking(), self._claims.path, b""
        rosters = self._tidings.rosters(peer)
        if rosters is not None:
            return rosters
        if self.heads.halted:
            return None
        told = self._tidings.note(peer) if self._reach.is_told(peer) else None
        if told is not None:
            return told
        listening = self._reach.listening(peer, now_ms)
        if listening is not None:
            return listening
        # A long pull and questions take turns: their answers may give it a larger head to aim at.
        pulls_first = self._pulls_next.get(peer, True)
        self._pulls_next[peer] = not pulls_first
        question = None if pulls_first else self.freshen.question(peer, now_ms)
        pull = None if question is not None else self.catchup.next_pull(peer, now_ms)
        if pull is not None:
            return pull, pull.path, b""
        if question is None:
            question = self.freshen.question(peer, now_ms)
        if question is not None:
            return question, question.path, question.body
        page = self.audit.question(peer, now_ms)
        return None if page is None else (page, page.path, b"")

    def _wake_at_ms(self, now_ms: int) -> int | None:
        due = [*self._lanes.wake_at_ms(), *self._reach.wake_at_ms()]
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


def _outgoing(
    submission: Submission, origin: str, now_ms: int, reader: LogReader
) -> Outgoing | None:
    try:
        return submission.request(origin, reader)
    except LedgerError as error:
        # Our own store cannot be read: nothing that this peer could mend.
        submission.fail(now_ms, str(error))
        return None
