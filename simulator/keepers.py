"""Keepers of a governance key who lie: what they have recorded, and what they tell others.

Their region's node is the real one but for one thing: into its own log it takes every word on the
roster that its keeper says (``obedient``). All others judge those words by the node's own code.
Such a keeper signs with the region's own keys alone. What only people can refuse is done as well: a
log closed that lives, a member thrown out, constants that nobody asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ledger.closing import close_log
from ledger.errors import LedgerError
from ledger.names import successor_origin
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    STALL_KIND,
    Approval,
    Proposal,
    Signed,
    Stall,
    proposer_of,
    roster_object,
    sign_proposal,
    sign_stall,
)
from ledger.roster_chain import governance_quorum
from ledger.roster_fields import Pin
from ledger.signed_roster import SignedRoster
from ledger.statement import Statement, UnverifiedStatement
from nodes.core.batch import Means
from nodes.core.effects import Effects
from nodes.core.exchange import ROSTERS, encode_rosters
from nodes.core.log_state import LogState
from nodes.core.ready import Compose, PeerRequest, RegisterReply
from nodes.core.roster_judge import APPROVALS, PROPOSALS, STALLS, RosterJudge
from nodes.core.roster_words import RosterWords
from nodes.core.sequencer import Sequencer
from nodes.ports import Reader
from simulator.drafts import newest_word, said_in
from simulator.forgers import flipped
from simulator.regions import keys_of, public_of

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.simulation import Simulation

MISUSES: Final = "region misuses its governance key"
GAP_MS: Final = (400, 3_000)
"""Between two lies."""
WAYS: Final = (3, 8)
"""In how many ways one keeper lies."""
LIES_MAX: Final = 40
"""Of one keeper on one version: a network is not to be filled with words."""
LATE_FROM: Final = 6
"""So many lies on a version come before those after which a keeper can say little more on it."""
TOLD_MS: Final = 5_000
FAR_ROUNDS: Final = (1, 2, 5, 20, 1_000_000)

_VOID: Final[Mapping[str, Any]] = {}
"""Stands for what a word leaves behind that others find void: nothing."""


# ---- the node that takes everything -------------------------------------------------------------


class _Anything(RosterJudge):
    """Lets a word stand wherever a lawful judge does, and takes it as void elsewhere."""

    def __init__(self, lawful: RosterJudge, roster: Roster) -> None:
        self._lawful = lawful
        self._ruling = roster

    def check_alone(self, kind: str, subject: str, body: Mapping[str, Any]) -> None:
        """Find nothing wrong."""

    def approved(self, approval: Approval) -> Proposal:
        try:
            return self._lawful.approved(approval)
        except LedgerError:
            # Nothing more is viewed for what is not there.
            return Proposal(approval.round, self._ruling.encode())

    def check_own(self, statement: Statement) -> None:
        """Find nothing wrong."""

    def judge(self, statement: Statement | UnverifiedStatement) -> dict[str, Any]:
        try:
            return self._lawful.judge(statement)
        except LedgerError:
            return dict(_VOID)

    def check_near(self, statement: Statement | UnverifiedStatement) -> None:
        """Find nothing wrong."""


class _Obedient(RosterWords):
    """Words on the roster as the node of a keeper who lies has them: in its own log all may stand.

    What the others will find void leaves nothing behind here either: so what its keeper says next
    names the word before it as they do, and is judged by what it says.
    """

    def __init__(self, means: Means) -> None:
        super().__init__(means.projection.ground)
        self._own = means.origin

    def judge_of(self, state: LogState, subject: str, reader: Reader) -> RosterJudge:
        words = super().judge_of(state, subject, reader)
        if state.origin != self._own:
            return words
        return _Anything(words, self._ground.roster_of(state))

    def take(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        row: Mapping[str, Any],
        effects: Effects,
    ) -> None:
        if row:
            super().take(state, statement, row, effects)


def obedient(means: Means) -> Sequencer:
    """Return what takes acts into a log, and every word on the roster with them."""
    means.projection.words.roster = _Obedient(means)
    return Sequencer(means)


# ---- the keeper ---------------------------------------------------------------------------------


class Keeper:
    """The keeper of one region's governance key, who lies about as often as people look.

    Args:
        simulation: Of the world.
        machine: Of the region.
        only: The number of the one lie that is told, from 1; 0: all of ``LIES``, at random.
    """

    def __init__(self, simulation: "Simulation", machine: "Machine", only: int = 0) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._region = machine.region
        self._random = self._world.stream(f"keeper {machine.region}")
        self._names, self._last = self._ways(only)
        self._told = 0
        """Lies on the next version, so far."""
        self._version = 0
        self._slipped = 0
        self._world.after(0, self._look)

    def _ways(self, only: int) -> tuple[Sequence[str], Sequence[str]]:
        """Return how this one lies, and how it does after a while: each has ways of its own."""
        names = tuple(LIES)
        if only:
            return names[only - 1 : only], ()
        most = [it for it in names if it not in LAST]
        some = self._random.sample(most, self._random.randint(*WAYS))
        return some, self._random.sample(LAST, self._random.choice((0, 1, 1, 2)))

    # ---- what it sees ---------------------------------------------------------------------------

    @property
    def _machine(self) -> "Machine":
        return self._simulation.machines[self._region]

    @property
    def _newest(self) -> Roster:
        """The newest version that its own node knows."""
        node = self._machine.node
        assert node is not None
        rosters = node.snapshot.rosters
        assert rosters is not None
        return rosters.newest

    def _said(self, region: str) -> dict[str, Any]:
        newest = self._newest
        name = roster_object(region, newest.version + 1)
        return said_in(newest_word(self._machine, newest.origin_of(region), name))

    def _round(self) -> int:
        """Return the round that people are in, as far as it can tell."""
        under_way = self._simulation.governance.under_way
        if under_way is not None and under_way[1].version == self._newest.version + 1:
            return under_way[1].number
        return 1

    def _look(self) -> None:
        """Tell one lie, if there is something to lie about, and go on a little later."""
        self._world.after(self._random.randint(*GAP_MS), self._look)
        node = self._machine.node
        if node is None or node.snapshot.rosters is None or node.snapshot.state != "serving":
            return
        newest = self._newest
        if self._region not in newest.members:
            return
        if self._version != newest.version + 1:
            self._version, self._told = newest.version + 1, 0
        if self._told >= LIES_MAX:
            return
        is_late = self._told >= LATE_FROM
        name = self._random.choice((*self._names, *self._last) if is_late else self._names)
        if LIES[name](self):
            self._told += 1
            self._world.inject(name)

    # ---- what it says ---------------------------------------------------------------------------

    def _say(
        self,
        kind: str,
        body: Mapping[str, Any],
        *,
        version: int = 0,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Have a word recorded, of the next version or another, and do what comes after it."""
        subject = roster_object(self._region, version or self._newest.version + 1)
        make = partial(Compose, kind=kind, issuer=self._region, subject=subject, body=body)

        def told(value: object) -> None:
            if isinstance(value, RegisterReply):
                error = value.results[0].error
                code = "recorded" if error is None else error.code
                self._world.count(f"a lying keeper's {kind}: {code}")
                if then is not None:
                    then()

        self._simulation.submit(self._region, lambda request_id: make(request_id=request_id), told)

    def _propose(
        self, round_: int, new: Roster, stalls: tuple[str, ...] = (), *, signs: bool = False
    ) -> None:
        """Have a version recorded as proposed, whatever anybody says, and then signed or not."""
        body = new.encode()
        self._simulation.governance.foreign[sha256(body).digest()] = body
        joiners = sorted(new.members.keys() - self._newest.members.keys())
        rings = self._simulation.members.rings
        signatures = tuple(
            (region, sign_proposal(rings[region][-1]["governance"], body, round_))
            for region in joiners
        )
        # Its own node finds no proposal that is not stored yet.
        then = partial(self._approve, round_, body) if signs else None
        proposal = Proposal(round_, body, stalls, signatures)
        self._say(PROPOSE_KIND, proposal.to_body(self._newest), then=then)

    def _approve(self, round_: int, body: bytes) -> None:
        if self._machine.node is None or self._region not in self._newest.members:
            return
        digest = sha256(body).digest()
        signature = sign_proposal(self._key, body, round_)
        version = self._newest.version + 1
        self._say(APPROVE_KIND, Approval(version, round_, digest, signature).to_body())

    def _stall(self, round_: int, signed: Signed | None) -> None:
        stall = Stall(self._newest.version + 1, round_, signed)
        self._say(STALL_KIND, sign_stall(self._key, self._newest.network, stall).to_body())

    @property
    def _key(self) -> Any:  # noqa: ANN401 - a signing key
        public = self._newest.members[self._region].keys.governance
        rings = self._simulation.members.rings[self._region]
        return next(it["governance"] for it in rings if it["governance"].public == public)

    # ---- versions -------------------------------------------------------------------------------

    def _wanted(self) -> Roster | None:
        """Return what people want, as its own node would have it made."""
        governance, newest = self._simulation.governance, self._newest
        if governance.under_way is None or newest.version + 1 != governance.under_way[1].version:
            return None
        try:
            return governance.drafts.made_for(governance.under_way[0], newest, self._machine)
        except LedgerError:
            return None

    def _pins(self) -> dict[str, Pin] | None:
        pins = self._simulation.governance.drafts.pins(self._newest, self._machine)
        return pins if len(pins) == len(self._newest.origins) else None

    def _unwanted(self) -> Roster | None:
        """Return a version that may follow, and that nobody else wants."""
        newest, pins = self._newest, self._pins()
        if pins is None:
            return None
        others = [it for it in newest.members if it != self._region]
        victim = self._random.choice(others)
        origin = newest.origin_of(victim)
        match self._random.randrange(3):
            case 0:
                refresh_s = newest.constants.refresh_s + self._random.randint(1, 9)
                constants = replace(newest.constants, refresh_s=refresh_s)
                return newest.following(pins=pins, constants=constants)
            case 1:  # somebody who is there is thrown out
                heir = None
            case _:  # a log that lives goes on with keys of the liar's
                keys = public_of(keys_of(self._world.seed, victim, "stolen"))
                successor = successor_origin(origin)
                heir = replace(newest.members[victim], origin=successor, keys=keys)
        try:
            return close_log(newest, origin, pins[origin], pins, heir)
        except LedgerError:
            return None

    def _wrongly_pinned(self) -> Roster | None:
        """Return what people want, or else an unwanted version, with one pin that is not so."""
        new = self._wanted() or self._unwanted()
        if new is None:
            return None
        live = [it for it, pin in new.pins.items() if pin.size and it not in new.closed]
        if not live:
            return None
        origin = self._random.choice(live)
        pin = new.pins[origin]
        beyond = self._random.choice((0, 1, 1_000))
        wrong = Pin(pin.size + beyond, flipped(pin.root, self._random))
        return replace(new, pins={**new.pins, origin: wrong})

    def _own_turn(self) -> int:
        """Return the first round from the present one on in which its region is to propose."""
        round_ = self._round()
        while proposer_of(self._newest, round_) != self._region:
            round_ += 1
        return round_

    def _opened_by(self, round_: int) -> tuple[str, ...]:
        """Return who has stalled the round before, as its own log shows: enough, or too few."""
        if round_ == 1:
            return ()
        return tuple(
            sorted(
                region
                for region in self._newest.members
                if any(it[0] == round_ - 1 for it in self._said(region)[STALLS])
            )
        )

    # ---- lies -----------------------------------------------------------------------------------

    def proposes_unwanted(self) -> bool:
        """Propose in its turn what may stand, and what nobody else wants."""
        return self._proposes(self._unwanted())

    def proposes_wrong_pin(self) -> bool:
        """Propose in its turn what others want, with a pin that is not so."""
        return self._proposes(self._wrongly_pinned())

    def _proposes(self, new: Roster | None) -> bool:
        round_ = self._round()
        if new is None or proposer_of(self._newest, round_) != self._region:
            return False
        signs = self._random.random() < 0.5
        self._propose(round_, new, self._opened_by(round_), signs=signs)
        return True

    def proposes_twice(self) -> bool:
        """Propose two versions in one round, and sign both."""
        first, second = self._unwanted(), self._wanted() or self._wrongly_pinned()
        round_ = self._round()
        if first is None or second is None or proposer_of(self._newest, round_) != self._region:
            return False
        for new in (first, second):
            self._propose(round_, new, self._opened_by(round_), signs=True)
        return True

    def proposes_out_of_turn(self) -> bool:
        """Propose what people want in a round that is another region's."""
        new, round_ = self._wanted() or self._unwanted(), self._round()
        if new is None or proposer_of(self._newest, round_) == self._region:
            return False
        self._propose(round_, new, self._opened_by(round_))
        return True

    def opens_a_round_alone(self) -> bool:
        """Propose in a round of its own that too few have opened."""
        new = self._wanted() or self._unwanted()
        round_ = self._own_turn()
        if round_ == 1:
            round_ += len(self._newest.members)
        stalls = self._opened_by(round_)
        if new is None or len(stalls) >= governance_quorum(self._newest):
            return False
        self._propose(round_, new, self._random.choice((stalls, (), (self._region,))))
        return True

    def repeats_nothing(self) -> bool:
        """Propose another version than what those who opened the round have signed."""
        new, round_ = self._unwanted(), self._round()
        stalls = self._opened_by(round_)
        if new is None or proposer_of(self._newest, round_) != self._region or not stalls:
            return False
        self._propose(round_, new, stalls)
        return True

    def signs_everything(self) -> bool:
        """Sign whatever is proposed, by anybody and in any round."""
        proposed = list(self._proposed())
        for round_, body in proposed:
            self._approve(round_, body)
        return bool(proposed)

    def signs_unseen(self) -> bool:
        """Sign a version that nobody has proposed."""
        new = self._unwanted()
        if new is None:
            return False
        self._approve(self._round(), new.encode())
        return True

    def signs_after_stalling(self) -> bool:
        """Stall a round in which something is proposed, truly, and then sign that."""
        proposed = [it for it in self._proposed() if it[0] == self._round()]
        if not proposed:
            return False
        round_, body = proposed[0]
        self._stall(round_, self._signed())
        self._approve(round_, body)
        return True

    def stalls_untruly(self) -> bool:
        """Stall and say otherwise than its log what it has signed."""
        signed = self._signed()
        invented = (self._round(), self._random.randbytes(32))
        said = None if signed is not None and self._random.random() < 0.5 else invented
        self._stall(self._round(), said)
        return True

    def stalls_far_ahead(self) -> bool:
        """Stall rounds that nobody is in."""
        self._stall(self._round() + self._random.choice(FAR_ROUNDS), self._signed())
        return True

    def stalls_every_round(self) -> bool:
        """Stall the round of whoever is to propose, as soon as it begins, and once more."""
        for _ in range(2):
            self._stall(self._round(), self._signed())
        return True

    def speaks_of_later(self) -> bool:
        """Stall a version that cannot be next."""
        version = self._newest.version + 2
        stall = Stall(version, 1, None)
        signed = sign_stall(self._key, self._newest.network, stall)
        self._say(STALL_KIND, signed.to_body(), version=version)
        return True

    def tells_too_early(self) -> bool:
        """Tell everybody of a version that too few have signed, one time or another."""
        for signed in self._gathered():
            self._world.count("a version was told that too few had signed")
            self._slipped -= 1
            for to in self._newest.members:
                if to == self._region:
                    continue
                body = encode_rosters([signed.encode()])
                request = PeerRequest(self._slipped, to, ROSTERS, body, TOLD_MS)
                self._simulation.slip(self._machine, request)
            return True
        return False

    # ---- what it has to lie about ---------------------------------------------------------------

    def _signed(self) -> Signed | None:
        """Return what stands in its log as signed last."""
        found = self._said(self._region)[APPROVALS]
        return max(((it[0], bytes(it[1])) for it in found), default=None)

    def _proposed(self) -> Iterator[tuple[int, bytes]]:
        """Yield what is proposed as its own node sees it, with the round."""
        for region in self._newest.members:
            for round_, digest, _ in self._said(region)[PROPOSALS]:
                body = self._simulation.governance.body_of(bytes(digest))
                if body is not None:
                    yield round_, body

    def _gathered(self) -> Iterator[SignedRoster]:
        """Yield a version with signatures that stand, and with its own, but with too few.

        In some the places of those wanting are filled with its own.
        """
        newest = self._newest
        rows = {region: self._said(region)[APPROVALS] for region in newest.members}
        for round_, body in self._proposed():
            digest = sha256(body).digest()
            signatures = {
                region: bytes(signature)
                for region, said in rows.items()
                for at, signed, signature in said
                if bytes(signed) == digest and (at == round_ or self._random.random() < 0.5)
            }
            own = sign_proposal(self._key, body, round_)
            signatures[self._region] = own
            while len(signatures) >= governance_quorum(newest):
                del signatures[self._random.choice(sorted(signatures))]
            if self._random.random() < 0.5:
                signatures = dict.fromkeys(newest.members, own) | signatures
            yield SignedRoster(body, round_, tuple(sorted(signatures.items())))


LIES: Final[Mapping[str, Callable[[Keeper], bool]]] = {
    "keeper proposes what nobody wants": Keeper.proposes_unwanted,
    "keeper proposes a wrong pin": Keeper.proposes_wrong_pin,
    "keeper proposes twice in a round": Keeper.proposes_twice,
    "keeper proposes out of turn": Keeper.proposes_out_of_turn,
    "keeper opens a round alone": Keeper.opens_a_round_alone,
    "keeper repeats nothing": Keeper.repeats_nothing,
    "keeper signs everything": Keeper.signs_everything,
    "keeper signs what is not proposed": Keeper.signs_unseen,
    "keeper signs after stalling": Keeper.signs_after_stalling,
    "keeper stalls untruly": Keeper.stalls_untruly,
    "keeper stalls far ahead": Keeper.stalls_far_ahead,
    "keeper stalls every round": Keeper.stalls_every_round,
    "keeper speaks of a later version": Keeper.speaks_of_later,
    "keeper tells a version too early": Keeper.tells_too_early,
}
"""What such a keeper does, by the name under which it is counted; each says whether it was done."""

LAST: Final = (
    "keeper signs after stalling",
    "keeper stalls far ahead",
    "keeper stalls every round",
)
"""After these, what else it signs in such a round is wrong whatever it is."""
