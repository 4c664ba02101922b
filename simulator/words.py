"""Words on the next version of the roster, read off the bytes: which may stand, and which not.

Written from protocol.md section 7 and shares no rule with the node; only what the form of a version
is asked of the code that has it (``ledger``). At the end of a run each word that may not stand is a
finding with every honest node that has judged it, and no other word is.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.frozen import FROZEN_KIND
from ledger.hashing import EMPTY_ROOT
from ledger.keys import verify
from ledger.note import Note
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    ROSTER_KINDS,
    Approval,
    Proposal,
    Signed,
    Stall,
    proposer_of,
    roster_object,
)
from ledger.roster_chain import RosterChain
from ledger.roster_change import check_fits
from ledger.roster_fields import Pin
from ledger.signed_roster import SignedRoster, decode_roster, signed_message
from ledger.statement import UnverifiedStatement, decode_statement
from ledger.views import BLOCK_KIND, VIEW_KIND
from simulator.machine import Machine
from simulator.watched import Watched
from simulator.world import BrokenError

STALLS_COUNTED: Final = 16
"""Of one member, the last."""
VIEWS_LOOKED_AT: Final = 64
"""Of one log, the last before a proposal."""
OTHER_CODES: Final = ("declared-time",)
"""Findings that say nothing of what a word says."""


class Word(NamedTuple):
    """What one entry says of the next version.

    Args:
        kind: Of the act.
        round: In which it is said.
        digest: Of the version that is proposed or signed; of a stall, none.
        signed: Of a stall, what it says was signed last.
        new: The version that is proposed.
        stands: Whether it may stand.
        is_true: Of an approval, whether the region's own log shows what the version pins of the
            logs that it writes or witnesses.
    """

    kind: str
    round: int = 0
    digest: bytes = b""
    signed: Signed | None = None
    new: Roster | None = None
    stands: bool = False
    is_true: bool = True


@dataclass(slots=True)
class _Log:
    """Of one log, what words on the roster are, and what they rest on."""

    words: dict[int, UnverifiedStatement] = field(default_factory=dict)
    views: dict[str, list[tuple[int, Pin]]] = field(default_factory=lambda: defaultdict(list))
    """By log, where it was viewed, and as which tree; ascending."""
    covered: list[tuple[int, int]] = field(default_factory=list)
    """Where a block record stands, and the largest tree of which it holds a quorum's lines."""
    frozen: list[tuple[int, str, Pin]] = field(default_factory=list)
    """Where a freeze stands, of which log, and how much of it the region has mirrored."""


def needed(roster: Roster) -> int:
    """Return q_m of a version."""
    count = len(roster.members)
    return (count + (count - 1) // 3) // 2 + 1


class Words:
    """All words of a world, judged one by one, each by what stands below it.

    Args:
        watched: Whose logs are read.
    """

    def __init__(self, watched: Watched) -> None:
        self._reference = reference = watched.reference
        self._logs: dict[str, _Log] = {}
        self._found: dict[tuple[str, int], Word] = {}
        closed = reference.newest.closed
        for origin, log in reference.logs.items():
            end = closed[origin].size if origin in closed else len(log.entries)
            self._logs[origin] = _read(log.entries[:end])

    def all(self) -> Iterator[tuple[str, int, Word]]:
        """Yield each word with its place; those of logs with two histories are left out."""
        for origin, log in self._logs.items():
            if origin in self._reference.branches:
                continue
            for index in log.words:
                yield origin, index, self.word(origin, index)

    def word(self, origin: str, index: int) -> Word:
        """Return what an entry says, and whether it may."""
        known = self._found.get((origin, index))
        if known is None:
            known = self._found[origin, index] = self._judged(origin, index)
        return known

    # ---- one word -------------------------------------------------------------------------------

    def _judged(self, origin: str, index: int) -> Word:
        statement = self._logs[origin].words[index]
        kind, body = statement.act.kind, statement.act.body
        roster = self._roster_at(origin, index)
        region = roster.region_of_origin(origin)
        nothing = Word(kind)
        if statement.subject != roster_object(region, roster.version + 1):
            return nothing
        before = list(self._standing(origin, statement.subject, index))
        try:
            if kind == PROPOSE_KIND:
                return self._proposal(origin, index, roster, Proposal.decode(body, roster), before)
            if kind == APPROVE_KIND:
                return self._approval(origin, index, roster, Approval.decode(body), before)
            return _stall(roster, region, Stall.decode(body), before)
        except LedgerError:
            return nothing

    def _proposal(
        self, origin: str, index: int, roster: Roster, said: Proposal, before: Sequence[Word]
    ) -> Word:
        """Judge a proposal: its turn, its first, may follow, opened, repeats, and shown."""
        new, region = decode_roster(said.body), roster.region_of_origin(origin)
        word = Word(PROPOSE_KIND, said.round, said.sha256, None, new)
        if new.version != roster.version + 1 or proposer_of(roster, said.round) != region:
            return word
        if any((it.kind, it.round) == (PROPOSE_KIND, said.round) for it in before):
            return word
        chain = self._reference.chain
        RosterChain(chain.signed[: roster.version], chain.rosters[: roster.version]).check_next(new)
        check_fits(roster, new)
        message = signed_message(said.body, said.round)
        for joiner, signature in said.signatures:
            if joiner in roster.members or joiner not in new.members:
                return word
            verify(new.members[joiner].keys.governance, message, signature)
        claims: Counter[bytes] = Counter()
        if said.round == 1:
            if said.stalls:
                return word
        else:
            stalled = [
                self._stalled(origin, index, roster, it, said.round - 1) for it in said.stalls
            ]
            if None in stalled or len(stalled) < needed(roster):
                return word
            signed = [it.signed for it in stalled if it is not None and it.signed is not None]
            highest = max((it[0] for it in signed), default=0)
            claims.update(digest for round_, digest in signed if round_ == highest)
            if claims and said.sha256 not in claims:
                return word
            count = len(roster.members)
            least = count - needed(roster) + (count - 1) // 3 + 1
            for digest, claimed in claims.items():
                if digest != said.sha256 and len(stalled) - claimed < least:
                    return word
        if not claims and not self._shows(origin, index, roster, new):
            return word
        return word._replace(stands=True)

    def _stalled(
        self, origin: str, index: int, roster: Roster, region: str, round_: int
    ) -> Word | None:
        """Return a region's stall of a round, as a log shows it at a place; None: it does not."""
        if region not in roster.members:
            return None
        subject = roster_object(region, roster.version + 1)
        seen = self._seen(origin, index, roster.origin_of(region), subject)
        stalls = [it for it in seen if it.kind not in {PROPOSE_KIND, APPROVE_KIND}]
        return next((it for it in stalls[-STALLS_COUNTED:] if it.round == round_), None)

    def _shows(self, origin: str, index: int, roster: Roster, new: Roster) -> bool:
        """Say whether a log shows what a version pins of logs that only a committee holds."""
        for member in roster.members.values():
            pin = new.pins[member.origin]
            is_kept = pin == roster.pinned(member.origin) and (
                pin.size > 0 or member.origin in new.closed
            )
            if member.witnesses is None or is_kept or not (pin.size or roster.version > 1):
                continue
            if member.origin == origin:
                if pin.size > self._covered(origin, index) or not self._is_so(origin, pin):
                    return False
            elif pin not in self._views(origin, member.origin, index)[-VIEWS_LOOKED_AT:]:
                return False
        return True

    def _approval(
        self, origin: str, index: int, roster: Roster, said: Approval, before: Sequence[Word]
    ) -> Word:
        """Judge an approval: its first in this round, seen, signed, frozen; and what it pins."""
        word = Word(APPROVE_KIND, said.round, said.sha256)
        region = roster.region_of_origin(origin)
        if said.version != roster.version + 1:
            return word
        if any(it.round >= said.round for it in before if it.kind != PROPOSE_KIND):
            return word
        proposer = proposer_of(roster, said.round)
        subject = roster_object(proposer, said.version)
        seen = self._seen(origin, index, roster.origin_of(proposer), subject)
        proposed = [
            it.new
            for it in seen
            if (it.kind, it.round, it.digest) == (PROPOSE_KIND, said.round, said.sha256)
        ]
        if not proposed or proposed[0] is None:
            return word
        new = proposed[0]
        message = signed_message(new.encode(), said.round)
        verify(roster.members[region].keys.governance, message, said.signature)
        for closed in sorted(new.closed.keys() & set(roster.origins)):
            if region not in roster.witnesses_of(closed):
                continue
            held = [it[2] for it in self._logs[origin].frozen if it[0] < index and it[1] == closed]
            cut = new.closed[closed]
            if not held or held[-1].size > cut.size:
                return word
            if held[-1].size == cut.size and held[-1].root != cut.root:
                return word
        is_true = all(
            self._is_shown(origin, index, roster, new, pinned)
            for pinned in new.pins
            if pinned == origin or region in roster.witnesses_of(pinned)
        )
        return word._replace(stands=True, is_true=is_true)

    def _is_shown(self, origin: str, index: int, roster: Roster, new: Roster, pinned: str) -> bool:
        """Say whether a log shows at a place what a version pins of itself or of another one."""
        pin, is_closed = new.pins[pinned], pinned in new.closed
        if is_closed and pin == roster.pinned(pinned):
            return True
        if not pin.size:
            return roster.version == 1
        if pinned == origin:
            shown, log = self._covered(origin, index), self._reference.logs[pinned]
        else:
            views = self._views(origin, pinned, index)
            if not views:
                return False
            # Of a liar's log the history counts that the member itself has seen.
            shown = views[-1].size
            log = self._reference.history_of(pinned, shown, views[-1].root)
        counted = log.versions_at(shown)
        is_at = bool(counted) and (counted[-1] == roster.version or is_closed)
        return pin.size <= shown and is_at and log.roots[pin.size] == pin.root

    # ---- what it rests on -----------------------------------------------------------------------

    def _roster_at(self, origin: str, index: int) -> Roster:
        """Return the version that rules an entry."""
        log = self._reference.logs[origin]
        begun = [epoch.version for epoch in log.epochs if epoch.start < index]
        return self._reference.chain.at(begun[-1] if begun else log.begun)

    def _standing(self, origin: str, subject: str, below: int) -> Iterator[Word]:
        """Yield the words of a log on one version that stand below a place."""
        for index, statement in self._logs[origin].words.items():
            if index < below and statement.subject == subject:
                word = self.word(origin, index)
                if word.stands:
                    yield word

    def _seen(self, origin: str, index: int, other: str, subject: str) -> list[Word]:
        """Return the words of a log that another one's newest view shows, or all of its own."""
        if other == origin:
            return list(self._standing(origin, subject, index))
        views = self._views(origin, other, index)
        return list(self._standing(other, subject, views[-1].size)) if views else []

    def _views(self, origin: str, other: str, index: int) -> Sequence[Pin]:
        """Return the trees that a log's views of another one show below a place, in their order."""
        return [shown for at, shown in self._logs[origin].views[other] if at < index]

    def _covered(self, origin: str, index: int) -> int:
        """Return how much of itself a log shows replicated at a place."""
        return max((size for at, size in self._logs[origin].covered if at < index), default=0)

    def _is_so(self, origin: str, pin: Pin) -> bool:
        log = self._reference.logs[origin]
        return pin.size < len(log.roots) and log.roots[pin.size] == pin.root


def _stall(roster: Roster, region: str, said: Stall, before: Sequence[Word]) -> Word:
    """Judge a stall: of the next version, ascending, and true."""
    word = Word("roster.stall", said.round, b"", said.signed)
    stalls = [it.round for it in before if it.kind not in {PROPOSE_KIND, APPROVE_KIND}]
    signed = [(it.round, it.digest) for it in before if it.kind == APPROVE_KIND]
    last = max(signed, default=None)
    if said.version != roster.version + 1 or max(stalls, default=0) >= said.round:
        return word
    if said.signed != last or (last is not None and last[0] > said.round):
        return word
    verify(roster.members[region].keys.governance, said.message(roster.network), said.signature)
    return word._replace(stands=True)


def _read(entries: Sequence[bytes]) -> _Log:
    """Read off a log's entries what words on the roster need."""
    found = _Log()
    kinds = [kind.encode() for kind in (*sorted(ROSTER_KINDS), VIEW_KIND, BLOCK_KIND, FROZEN_KIND)]
    for index, entry in enumerate(entries):
        if not any(kind in entry for kind in kinds):
            continue
        statement = decode_statement(entry)
        kind, body = statement.act.kind, statement.act.body
        if kind in ROSTER_KINDS:
            found.words[index] = statement
        elif kind == VIEW_KIND:
            head = Checkpoint.decode(Note.decode(body["note"]).text)
            found.views[statement.subject].append((index, Pin(head.size, head.root)))
        elif kind == BLOCK_KIND and body["lines"]:
            found.covered.append((index, max(size for size, _, _ in body["lines"])))
        elif kind == FROZEN_KIND:
            found.frozen.append((index, body["origin"], _mirrored(body["mirrored"])))
    return found


def _mirrored(held: list[bytes] | None) -> Pin:
    """Return the tree that a freeze says its region has mirrored."""
    if held is None:
        return Pin(0, EMPTY_ROOT)
    head = Checkpoint.decode(Note.decode(held[0]).text)
    return Pin(head.size, head.root)


# ---- what is checked ----------------------------------------------------------------------------


def check_words(watched: Watched, is_near: Callable[[Machine, str], bool]) -> None:
    """Check that every honest machine has found the words that may not stand, and no others.

    Args:
        watched: At the end of a run.
        is_near: Whether a machine judges all that a log says; else it leaves pins to others.
    """
    words: dict[str, dict[int, Word]] = defaultdict(dict)
    for origin, index, word in Words(watched).all():
        words[origin][index] = word
    for machine in watched.sound() if words else ():
        judged = watched.sizes(machine, "projections")
        for origin, of_log in words.items():
            near = is_near(machine, origin)
            known = of_log.keys() - _open(watched, machine, origin)
            below = {index for index in known if index < judged.get(origin, 0)}
            wrong = {
                index
                for index in below
                if not of_log[index].stands or (near and not of_log[index].is_true)
            }
            found = below & _found(watched, machine, origin)
            if found != wrong:
                raise BrokenError(
                    f"{machine.region} finds words on the roster in {origin} wrong that are not "
                    f"{[(at, of_log[at]) for at in sorted(found - wrong)]}, or finds not those "
                    f"that are {[(at, of_log[at]) for at in sorted(wrong - found)]}"
                )
            watched.world.counts["a forbidden word on the roster was found"] += len(found)


def _open(watched: Watched, machine: Machine, origin: str) -> set[int]:
    """Return the entries of a log that a machine says are not judged there."""
    rows = machine.disk.database.execute(
        "SELECT DISTINCT \"index\" FROM facts WHERE log_id = ? AND instr(state, 'unjudged')",
        (watched.log_id(machine, origin),),
    )
    return {index for (index,) in rows}


def _found(watched: Watched, machine: Machine, origin: str) -> set[int]:
    """Return the entries of a log of which a machine has found a rule broken."""
    rows = machine.disk.database.execute(
        "SELECT \"index\", code FROM findings WHERE log_id = ? AND severity = 'breach'",
        (watched.log_id(machine, origin),),
    )
    return {index for index, code in rows if code not in OTHER_CODES}


def check_version(watched: Watched, before: Roster, signed: SignedRoster) -> None:
    """Check a new version: who has signed it, and that what it pins was so.

    1. q_m members of each of the two versions have signed it, in one round.
    2. Each honest one of them has said so in its own log.
    3. Each pin is a tree that its log once had.

    Raises:
        BrokenError: One of these is not so.
    """
    new, what = signed.roster, f"version {signed.roster.version} of the roster"
    message = signed_message(signed.body, signed.round)
    old_signers = {
        region
        for region, signature in signed.signatures
        if region in before.members
        and _holds(before.members[region].keys.governance, message, signature)
    }
    new_signers = {
        region
        for region, signature in signed.signatures
        if region in new.members
        and (
            _holds(new.members[region].keys.governance, message, signature)
            or (region in new.proofs and region in old_signers)
        )
    }
    for roster, signers in ((before, old_signers), (new, new_signers)):
        if len(signers) < needed(roster):  # (1)
            raise BrokenError(f"{what} is signed by {sorted(signers)} alone")
    reference = watched.reference
    for region in sorted(old_signers - watched.liars - watched.damaged - watched.gone):  # (2)
        if not _has_said(reference.logs[before.origin_of(region)].entries, signed):
            raise BrokenError(f"{what} is signed by {region}, whose log says nothing of it")
    for origin, pin in new.pins.items():  # (3)
        reference.check_head(origin, pin.size, pin.root, f"{what} pins")


def _has_said(entries: Sequence[bytes], signed: SignedRoster) -> bool:
    """Say whether a log holds an approval of a version in the round in which it was signed."""
    for entry in reversed(entries):
        if APPROVE_KIND.encode() in entry:
            act = decode_statement(entry).act
            if act.kind == APPROVE_KIND:
                said = Approval.decode(act.body)
                if (said.round, said.sha256) == (signed.round, sha256(signed.body).digest()):
                    return True
    return False


def _holds(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        verify(public, message, signature)
    except LedgerError:
        return False
    return True
