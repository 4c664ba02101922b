"""Proposals, approvals and stalls as a log may hold them, and the signed version that they make.

Like every entry, each is judged by its own log's prefix and by what the views in that prefix show.

Source: protocol.md section 7.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from ledger.checkpoint import Checkpoint
from ledger.cut import Branch, check_closing
from ledger.epochs import Counting
from ledger.errors import LedgerError, RefusedError
from ledger.frozen import decode_frozen
from ledger.hashing import EMPTY_ROOT
from ledger.keys import verify
from ledger.kind import Fact
from ledger.policy import byzantine_max
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    Approval,
    Proposal,
    Signed,
    Stall,
    proposer_of,
    roster_object,
)
from ledger.roster_chain import RosterChain, check_follows, governance_quorum
from ledger.roster_change import check_fits
from ledger.roster_fields import Pin
from ledger.signed_roster import SignedRoster, decode_roster, signed_message
from ledger.statement import Statement, UnverifiedStatement, decode_statement
from nodes.core.log_state import LogState
from nodes.core.rosters import Rosters
from nodes.core.unjudged import NotJudgedError
from nodes.ports import Reader

Row = Callable[[str, str], Fact | None]
"""By origin and object: the newest row within sight of the log that is judged."""
Views = Callable[[str], Iterator[Pin]]
"""By origin: the trees that views of it in the log that is judged show, the newest first."""

_NOTHING: Final = Branch(0, lambda _size: EMPTY_ROOT)
"""Of the closed log's bytes a verdict says nothing: nodes hold more or less of them."""

PIN_VIEWS_MAX: Final = 64
"""So many views of a log before a proposal may hold what it pins: people take their time."""
STALLS_KEPT: Final = 16
"""So many of a member's stalls count, the last: a round that is proposed in was stalled lately."""
PROPOSALS: Final = "proposals"
APPROVALS: Final = "approvals"
STALLS: Final = "stalls"


class RosterJudge:
    """What one log may say of the next version, at one place.

    Words on it stand on themselves as far as they can: on the log's own prefix, on governance
    signatures, and on the words of other members. So they are judged alike in logs that are near
    and in those that are only followed. What an approval says of the logs that its region witnesses
    is judged where that region's log is near: see ``check_near``.

    Args:
        rosters: All versions that are known.
        state: Of the log, before the entry.
        state_of: How other logs are judged here; of what the log's views show, all is.
        row: Rows that the log's newest views show, its own included.
        views: Views that the log holds.
        root: Root of a log at a size, of what is stored here.
        reader: Of entries.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        rosters: Rosters,
        state: LogState,
        state_of: Callable[[str], LogState | None],
        row: Row,
        views: Views,
        root: Callable[[str, int], bytes],
        reader: Reader,
    ) -> None:
        self._views = views
        self._state = state
        self._roster = rosters.at(state.version)
        self._chain = RosterChain(
            rosters.chain.signed[: state.version], rosters.chain.rosters[: state.version]
        )
        self._state_of = state_of
        self._row = row
        self._root = root
        self._reader = reader
        self._region = self._roster.region_of_origin(state.origin)

    def judge(self, statement: Statement | UnverifiedStatement) -> dict[str, Any]:
        """Judge an entry, and return the state that it leaves its object in.

        Raises:
            NotJudgedError: It rests on a word that is not judged here.
            LedgerError: It may not stand here.
        """
        act = statement.act
        kept = self._own(statement.subject)
        if act.kind == PROPOSE_KIND:
            proposal = Proposal.decode(act.body, self._roster)
            new = decode_roster(proposal.body)
            self._check_subject(statement.subject, new.version)
            self._check_proposal(proposal, new, kept)
            row = [proposal.round, proposal.sha256, self._state.size]
            return kept | {PROPOSALS: [*kept[PROPOSALS], row]}
        if act.kind == APPROVE_KIND:
            approval = Approval.decode(act.body)
            self._check_subject(statement.subject, approval.version)
            self._check_approval(approval, kept)
            said = [approval.round, approval.sha256, approval.signature]
            return kept | {APPROVALS: [*kept[APPROVALS], said]}
        stall = Stall.decode(act.body)
        self._check_subject(statement.subject, stall.version)
        self._check_stall(stall, kept)
        signed = None if stall.signed is None else list(stall.signed)
        # Each row holds all that counts, and a liar may stall as often as numbers ascend.
        return kept | {STALLS: [*kept[STALLS], [stall.round, signed]][-STALLS_KEPT:]}

    def check_alone(self, kind: str, subject: str, body: Mapping[str, Any]) -> None:
        """Check a word by what its own log says alone, before any view is recorded for it.

        Raises:
            LedgerError: It may not stand here, whatever others say.
        """
        kept = self._own(subject)
        if kind == PROPOSE_KIND:
            proposal = Proposal.decode(body, self._roster)
            self._check_subject(subject, decode_roster(proposal.body).version)
            self._check_turn(proposal, kept)
        elif kind == APPROVE_KIND:
            approval = Approval.decode(body)
            self._check_subject(subject, approval.version)
            self._check_unsigned(approval, kept)
        else:
            stall = Stall.decode(body)
            self._check_subject(subject, stall.version)
            self._check_stall(stall, kept)

    def _own(self, subject: str) -> dict[str, Any]:
        """Return what the log itself says so far.

        Raises:
            NotJudgedError: A word in it is not judged here, and what follows rests on it.
        """
        fact = self._row(self._state.origin, subject)
        self._check_known(fact, subject)
        return _said(fact)

    def _check_known(self, fact: Fact | None, subject: str) -> None:
        """Check that a row leaves nothing open: what it does not say, its log may say all the same.

        Raises:
            NotJudgedError: It does.
        """
        if fact is not None and not fact.is_judged:
            raise NotJudgedError((subject,))

    def _check_subject(self, subject: str, version: int) -> None:
        if version != self._roster.version + 1:
            raise RefusedError(
                f"version {version} cannot be next under {self._roster.version}",
                code="roster-version",
            )
        if subject != roster_object(self._region, version):
            raise RefusedError("a word on the roster is about that version", code="wrong-state")

    def _check_proposal(self, proposal: Proposal, new: Roster, kept: Mapping[str, Any]) -> None:
        """Check that a region may propose a version now.

        1. The round is the region's, and it has proposed nothing in it: that is told before what
           a great version costs.
        2. It may follow the version in force, and fits into an entry of each log.
        3. q_m stalls opened the round, and the highest proposal that they signed is repeated.
        4. Joiners' signatures hold.
        5. Of each log that only a committee holds, the proposer's log shows the pin replicated:
           everyone reads it there, and nobody need copy that log. Of what is repeated, the log of
           whoever proposed it first has shown that.
        """
        self._check_turn(proposal, kept)  # (1)
        check_follows(self._roster, new)  # (2)
        self._chain.check_keys(new)
        check_fits(self._roster, new)
        is_repeated = self._check_opened(proposal, new.version)  # (3)
        message = signed_message(proposal.body, proposal.round)
        for region, signature in proposal.signatures:  # (4)
            if region in self._roster.members or region not in new.members:
                raise RefusedError(f"{region} does not join", code="not-entitled")
            verify(new.members[region].keys.governance, message, signature)
        for member in self._roster.members.values():  # (5)
            if member.witnesses is not None and not is_repeated:
                ends = member.origin in new.closed
                self._check_shown(member.origin, new.pins[member.origin], ends=ends)

    def _check_turn(self, proposal: Proposal, kept: Mapping[str, Any]) -> None:
        if proposer_of(self._roster, proposal.round) != self._region:
            raise RefusedError(
                f"round {proposal.round} is that of {proposer_of(self._roster, proposal.round)}",
                code="not-proposer",
            )
        if any(round_ == proposal.round for round_, _, _ in kept[PROPOSALS]):
            raise RefusedError(f"proposed already in round {proposal.round}", code="exists")

    def _check_shown(self, origin: str, pin: Pin, *, ends: bool) -> None:
        """Check that the log itself shows a tree of another one, or of its own, replicated.

        An empty pin of before is of a log that had not begun then. Who is near it never signs that
        again, so that the signatures of those who are far would wedge the version.
        """
        is_kept = pin == self._roster.pinned(origin) and (pin.size > 0 or ends)
        if is_kept or (not pin.size and self._roster.version == 1):
            return
        if origin == self._state.origin:
            covered = self._state.evidence.size
            is_shown = pin.size <= covered and self._root(origin, pin.size) == pin.root
        else:
            is_shown = pin in islice(self._views(origin), PIN_VIEWS_MAX)
        if not is_shown:
            raise RefusedError(
                f"the proposer's log has no view of {origin} at {pin.size}",
                code="pin-not-replicated",
            )

    def _check_opened(self, proposal: Proposal, version: int) -> bool:
        """Check that a round has begun, and say whether the proposal in it repeats one.

        Who has signed one says so in a stall that stands only where the approval does, and that
        only where the proposal did.
        """
        if proposal.round == 1:
            if proposal.stalls:
                raise RefusedError("nothing stalls before the first round", code="wrong-state")
            return False
        signed: list[Signed] = []
        for region in proposal.stalls:
            fact = self._row(self._roster.origin_of(region), roster_object(region, version))
            found = [it for round_, it in _said(fact)[STALLS] if round_ == proposal.round - 1]
            if not found:
                self._check_known(fact, roster_object(self._region, version))
                raise RefusedError(
                    f"no stall of {region} is seen in round {proposal.round - 1}", code="no-quorum"
                )
            signed += [(it[0], it[1]) for it in found if it is not None]
        if len(proposal.stalls) < governance_quorum(self._roster):
            raise RefusedError(
                f"{governance_quorum(self._roster)} stalls open a round", code="no-quorum"
            )
        return self._check_repeats(proposal, signed, len(proposal.stalls))

    def _check_repeats(self, proposal: Proposal, signed: Sequence[Signed], stalls: int) -> bool:
        """Check that a proposal is what its stalls leave possible; say whether they name it.

        What they signed in the highest round is repeated. That is one proposal, unless more than f
        of the committee of its proposer's log let that log show two. Then each of those that are
        not repeated must be out of the question: it lacks q_m signatures though all who are not
        heard have signed it, and f_m of those who say otherwise.
        """
        highest = max((round_ for round_, _ in signed), default=0)
        claims = Counter(digest for round_, digest in signed if round_ == highest)
        if claims and proposal.sha256 not in claims:
            raise RefusedError("another proposal was signed before", code="other-proposal")
        count = len(self._roster.members)
        others_least = count - governance_quorum(self._roster) + byzantine_max(count) + 1
        for digest, claimed in claims.items():
            if digest != proposal.sha256 and stalls - claimed < others_least:
                raise RefusedError("another one may have been signed", code="other-proposal")
        return bool(claims)

    def _check_approval(self, approval: Approval, kept: Mapping[str, Any]) -> None:
        """Check that a member may sign a proposal now.

        1. The member has neither signed nor stalled in this round or a later one: that is told by
           its own words alone, and a great version is derived for no other approval.
        2. The proposal is the one of its round, and within sight, so replicated.
        3. Its governance key signed the version.
        4. Of a log that it closes and the member witnesses, the member has frozen its part, and
           mirrors nothing beyond the cut or beside it.
        """
        self._check_unsigned(approval, kept)  # (1)
        proposal = self.approved(approval)  # (2)
        key = self._roster.members[self._region].keys.governance
        verify(key, signed_message(proposal.body, approval.round), approval.signature)  # (3)
        self._check_cuts(decode_roster(proposal.body))  # (4)

    def _check_unsigned(self, approval: Approval, kept: Mapping[str, Any]) -> None:
        rounds = [it[0] for it in (*kept[APPROVALS], *kept[STALLS])]
        if max(rounds, default=0) >= approval.round:
            raise RefusedError(
                f"signed or stalled in round {max(rounds)} already", code="already-signed"
            )

    def approved(self, approval: Approval) -> Proposal:
        """Return the proposal that an approval is of.

        Raises:
            NotJudgedError: It rests on a word that is not judged here.
            RefusedError: ``not-proposed``: none such is within sight.
        """
        proposer = proposer_of(self._roster, approval.round)
        origin = self._roster.origin_of(proposer)
        fact = self._row(origin, roster_object(proposer, approval.version))
        found = [
            index
            for round_, digest, index in _said(fact)[PROPOSALS]
            if (round_, digest) == (approval.round, approval.sha256)
        ]
        if not found:
            self._check_known(fact, roster_object(self._region, approval.version))
            raise RefusedError(
                f"no such proposal is seen in round {approval.round}", code="not-proposed"
            )
        return read_proposal(self._reader, origin, found[0], self._roster)

    def check_near(self, statement: Statement | UnverifiedStatement) -> None:
        """Check, of a word that may stand, what it says of logs that only its region's node holds.

        That is of an approval: what the version pins of the logs that the member writes or
        witnesses is on the tree that its log shows replicated, and their epochs are as well. A
        member who signed all the same has signed, and the signature counts; it has to answer for
        it. No version comes from such signatures alone (``ledger.roster_chain``).

        Raises:
            RefusedError: ``pin-not-replicated``.
        """
        if statement.act.kind == APPROVE_KIND:
            proposal = self.approved(Approval.decode(statement.act.body))
            self._check_pins(decode_roster(proposal.body))

    def check_own(self, statement: Statement) -> None:
        """Check, of a word that its own node is to record, what is asked of nobody else.

        That is what ``check_near`` says; and of a proposal that repeats none, that each log which
        only a committee holds has come under the version in force, or is closed. Until it has, its
        committee does not sign; but those who are far would, and so many that each later round
        repeats it: then no version came that closes the log, should it be lost.

        Raises:
            RefusedError: ``pin-not-replicated``.
        """
        self.check_near(statement)
        if statement.act.kind != PROPOSE_KIND or self._roster.version == 1:
            return
        proposal = Proposal.decode(statement.act.body, self._roster)
        new = decode_roster(proposal.body)
        if self._check_opened(proposal, new.version):
            return
        for member in self._roster.members.values():
            if member.witnesses is not None and member.origin not in new.closed:
                self._check_come(member.origin, new.pins[member.origin])

    def _check_come(self, origin: str, pin: Pin) -> None:
        """Check that the log shows another one, or itself, under the version in force."""
        counting = self._counting(origin, pin)
        if counting is None or counting.version != self._roster.version:
            raise RefusedError(
                f"{origin} has not come under version {self._roster.version}; it is waited for, "
                "or closed",
                code="pin-not-replicated",
            )

    def _counting(self, origin: str, pin: Pin) -> Counting | None:
        """Return by which versions lines count on what our log shows of a log that is pinned.

        None where that does not reach the pin.
        """
        own = origin == self._state.origin
        state = self._state if own else self._state_of(origin)
        view = None if own else self._state.views.get(origin)
        covered = self._state.evidence.size if own else 0 if view is None else view.size
        if state is None or not 0 < pin.size <= (shown := min(covered, state.size)):
            return None
        return state.counting(shown)

    def _check_cuts(self, new: Roster) -> None:
        """Check that the member gives no line any more on a log that ends, and loses nothing of it.

        Whoever still cosigned it could complete a quorum above the cut, though q others had stopped
        (docs/model.md).
        """
        roster = self._roster
        for origin in sorted(new.closed.keys() & set(roster.origins)):
            if self._region not in roster.witnesses_of(origin):
                continue
            fact = self._row(self._state.origin, roster.region_of_origin(origin))
            if fact is None or fact.state.get("frozen") != origin:
                raise RefusedError(f"{origin} is to be frozen here first", code="not-frozen")
            for entry in self._reader.entries(fact.origin, fact.index, fact.index + 1):
                body = decode_statement(entry).act.body
                held = decode_frozen(body, self._region, self._chain.rosters).mirrored
                closing = new.closed[origin]
                head = Checkpoint(origin, closing.size, closing.root)
                check_closing(head, None if held is None else held.checkpoint, _NOTHING)

    def _check_pins(self, new: Roster) -> None:
        for origin, pin in new.pins.items():
            own = origin == self._state.origin
            if not own and self._region not in self._roster.witnesses_of(origin):
                continue  # those who hold it sign as well
            if not pin.size and self._roster.version == 1:
                continue  # a member that has not begun yet holds up nobody
            if origin in new.closed and pin == self._roster.pinned(origin):
                continue  # replicated before; of a log that all have frozen nobody shows more
            seen = None if own else self._row(self._state.origin, origin)
            if seen is not None and not seen.is_judged:
                continue  # a view of when its log was not near us; what it shows, we cannot say
            counting = self._counting(origin, pin)
            is_closed = origin in new.closed
            if counting is None or (counting.version != self._roster.version and not is_closed):
                raise RefusedError(
                    f"no view shows {origin} replicated at {pin.size} under version "
                    f"{self._roster.version}",
                    code="pin-not-replicated",
                )
            if self._root(origin, pin.size) != pin.root:
                raise RefusedError(f"{origin} is another at {pin.size}", code="pin-not-replicated")

    def _check_stall(self, stall: Stall, kept: Mapping[str, Any]) -> None:
        """Check that a member may stall: once a round, and saying truly what it has signed last."""
        if any(round_ >= stall.round for round_, _ in kept[STALLS]):
            raise RefusedError(f"stalled already in round {stall.round}", code="already-signed")
        signed = max(((it[0], it[1]) for it in kept[APPROVALS]), default=None)
        if stall.signed != signed:
            raise RefusedError("the stall says otherwise than the log", code="other-proposal")
        if signed is not None and signed[0] > stall.round:
            raise RefusedError(f"signed in round {signed[0]} already", code="already-signed")
        key = self._roster.members[self._region].keys.governance
        verify(key, replace(stall).message(self._roster.network), stall.signature)


def read_proposal(reader: Reader, origin: str, index: int, before: Roster) -> Proposal:
    """Return the proposal that stands at a place, as its row says; ``before`` was in force."""
    found = reader.entries(origin, index, index + 1)
    if not found:
        raise RefusedError("the proposal is not stored yet", code="not-proposed")
    return Proposal.decode(decode_statement(found[0]).act.body, before)


def assemble(rosters: Rosters, row: Row, reader: Reader) -> bytes:
    """Return the next version, signed, where enough approvals in one round are known; or empty.

    That it is enough, the chain itself checks.
    """
    roster = rosters.newest
    version = roster.version + 1
    signatures: dict[Signed, dict[str, bytes]] = {}
    places: dict[Signed, tuple[str, int]] = {}
    for region, member in roster.members.items():
        said = _said(row(member.origin, roster_object(region, version)))
        for round_, digest, index in said[PROPOSALS]:
            places[round_, digest] = (member.origin, index)
        for round_, digest, signature in said[APPROVALS]:
            signatures.setdefault((round_, digest), {})[region] = signature
    for proposed, signed_by in signatures.items():
        if proposed not in places or len(signed_by) < governance_quorum(roster):
            continue
        proposal = read_proposal(reader, *places[proposed], roster)
        pairs = sorted((signed_by | dict(proposal.signatures)).items())
        signed = SignedRoster(proposal.body, proposal.round, tuple(pairs)).encode()
        try:
            rosters.chain.extended(signed)
        except LedgerError:
            continue
        return signed
    return b""


def _said(fact: Fact | None) -> dict[str, Any]:
    """Return what a region's log says of a version so far."""
    empty: dict[str, Any] = {PROPOSALS: [], APPROVALS: [], STALLS: []}
    return empty if fact is None else empty | dict(fact.state)
