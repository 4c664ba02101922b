"""The people who keep the governance keys: they propose versions of the roster, sign and stall.

They act as operators do (docs/operations.md): on what one node shows, through what a node takes,
and they try again. What they want is done one version after the other. What another has proposed
they read before they sign: they want that very change and no other, and whether what it pins is so
their own node has to say. Who keeps a key and lies is none of these (``simulator.keepers``). No
checker relies on them.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import LedgerError
from ledger.keys import SigningKey
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    STALL_KIND,
    Approval,
    Proposal,
    Stall,
    proposer_of,
    roster_object,
    sign_proposal,
    sign_stall,
)
from ledger.roster_chain import RosterChain, governance_quorum
from nodes.core.ready import Compose, Event, Freeze, RegisterReply
from nodes.core.recovery import REBUILDING
from nodes.core.roster_judge import APPROVALS, PROPOSALS, STALLS
from simulator.drafts import CLOSING, Drafts, Wish, newest_word, said_in, well
from simulator.regions import Keys, keys_of
from simulator.world import BrokenError

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.simulation import Simulation

LOOK_MS: Final = 1_000
STALL_AFTER_MS: Final = 40_000
"""How long people wait in a round before they turn to the next proposer, at least."""
DONE: Final = frozenset({"", "exists", "already-signed", "frozen"})
"""Codes after which nobody tries the same again."""


@dataclass(slots=True)
class Round:
    """One version on its way: what was said of it so far, by round."""

    version: int
    began_ms: int
    number: int = 1
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    """What was proposed of this version by those who mean it, by its hash."""
    read: dict[bytes, bool] = field(default_factory=dict)
    """Whether what somebody else has proposed is what people want, by its hash."""
    asked: set[tuple[str, str, int]] = field(default_factory=set)
    """Who is asking their node for what, in which round, and has no answer yet."""
    done: set[tuple[str, str, int]] = field(default_factory=set)
    tries_old_keys: bool = True
    """Whether a region that returns still hopes to be let in with its old keys."""

    @property
    def is_proposed(self) -> bool:
        """Whether a version stands in a log, so that it may be too late to want another one."""
        return any(kind == PROPOSE_KIND for _, kind, _ in self.done)


class Governance:
    """Brings one wish after the other into force.

    Args:
        simulation: Whose nodes are asked.
    """

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._world = simulation.world
        self.drafts = Drafts(simulation)
        self._wishes: deque[Wish] = deque()
        self._round: Round | None = None
        self._is_made = False
        self._is_awake = False
        # A far node asks the proposer's log what is new once in R, and both words are gathered.
        refresh_ms = simulation.roster.constants.refresh_s * 1_000
        self._patience_ms = max(STALL_AFTER_MS, refresh_ms + 3 * simulation.pace_ms)
        self._made = 0
        """Keys that were made since the beginning, so that none is made twice."""
        self.joined: list[Callable[[str], None]] = []
        """Are told of a region whose node has begun, also of one that comes back."""
        self.leaving: list[Callable[[str], None]] = []
        """Are told of a region that is about to leave, and asks for nothing any more."""
        self.away: set[str] = set()
        """Regions whose keeper of the governance key is on leave: nothing is signed there."""
        self.foreign: dict[bytes, bytes] = {}
        """What keepers who lie have proposed, by its hash: everybody can read it."""

    def want(self, wish: Wish) -> None:
        """Begin with a wish once those before it are in force."""
        self._wishes.append(wish)
        if not self._is_awake:
            self._is_awake = True
            self._world.after(0, self._look)

    def unfinished(self) -> list[str]:
        """Return what people still wait for."""
        newest = self._simulation.roster.version
        return [
            f"version {newest if self._is_made else newest + 1} of the roster is to come: {wish.do}"
            for wish in self._wishes
        ]

    # ---- one wish -------------------------------------------------------------------------------

    def _look(self) -> None:
        """Do what can be done now, and look again a little later."""
        if not self._wishes:
            self._is_awake = False
            return
        self._world.after(LOOK_MS, self._look)
        newest = self._simulation.roster
        if self._round is None or not self._round.is_proposed:
            self._close_first(newest)
        wish = self._wishes[0]
        if self._round is None:
            self._round = Round(newest.version + 1, self._world.now_ms)
            self._begin(wish)
        if newest.version >= self._round.version:
            if not self._is_made:
                self._is_made = True
                self._check_wanted(newest, self._round)
                self._world.count("a version of the roster was signed")
                self._follow_up(wish)
            if self._is_in_force(self._round.version):
                self._end(wish)
            return
        self._say(wish, newest, self._round)

    def _close_first(self, newest: Roster) -> None:
        """Want a log closed before all else that comes under no version any more (docs/loss.md).

        Nobody can show a tree of it that is replicated under the newest version, so that no other
        one comes but the one that closes it.
        """
        lost = next((it for it in newest.members if self._is_lost(it)), None)
        if newest.version == 1 or lost is None:
            return
        first = self._wishes[0]
        if first.do in CLOSING and lost in first.regions:
            return
        wanted = (it for it in self._wishes if it.do in CLOSING and lost in it.regions)
        wish = next(wanted, Wish(do="lost log closed", regions=(lost,)))
        if wish in self._wishes:
            self._wishes.remove(wish)
        self._wishes.appendleft(wish)
        if self._round is not None:
            # What was refused may be what is wanted now.
            self._round.read = {digest: it for digest, it in self._round.read.items() if it}
            self._begin(wish)
        self._world.count("a lost log was closed before all else")

    def _is_lost(self, region: str) -> bool:
        """Say whether a region that has lost entries never writes again, whatever is waited for.

        Its machine is no more, its store is behind its fence or its witnesses, or is rebuilt from
        others who do not have all that was shown either.
        """
        machine, checkers = self._simulation.machines.get(region), self._simulation.checkers
        if region in checkers.gone:
            return True
        if machine is None or machine.node is None:
            return False
        state, mark = machine.node.snapshot.state, machine.disk.mark
        if region not in checkers.damaged - checkers.liars or state == "serving" or mark is None:
            return False
        others = (it.region for it in checkers.sound() if it is not machine)
        has_tail = any(checkers.stored_size(it, machine.origin) >= mark.size for it in others)
        return state != REBUILDING or not has_tail

    @property
    def under_way(self) -> tuple[Wish, Round] | None:
        """What people want of the next version, and how far it is; None: nothing, or it is signed.

        A keeper who lies knows it as well.
        """
        if self._round is None or self._is_made:
            return None
        return self._wishes[0], self._round

    def _check_wanted(self, new: Roster, now: Round) -> None:
        """Check that the version which was signed is one that people had read and wanted.

        Raises:
            BrokenError: It is another one: no keeper who lies may bring that about.
        """
        if new.sha256 not in now.bodies and not now.read.get(new.sha256):
            raise BrokenError(f"version {new.version} of the roster is one that nobody wanted")

    def _begin(self, wish: Wish) -> None:
        """Make what must be there before the version is proposed."""
        for region in wish.regions:
            self._made += 1
            fresh = keys_of(self._world.seed, region, str(self._made))
            rings = self._simulation.members.rings
            if wish.do in {"keys rotated", "lost log closed", "region returns"}:
                rings[region].append(fresh)
            elif wish.do == "region leaves":
                for told in self.leaving:
                    told(region)

    def _is_in_force(self, version: int) -> bool:
        """Say whether a version rules every log that goes on, as its own node says."""
        checkers = self._simulation.checkers
        for machine in self._simulation.machines.values():
            region = machine.region
            if region in checkers.liars | checkers.gone | checkers.left | checkers.damaged:
                continue
            node = machine.node
            if node is None or node.snapshot.proven_version < version or not node.snapshot.size:
                return False
        return True

    def _end(self, wish: Wish) -> None:
        self._world.count(f"in force: {wish.do}")
        self._wishes.popleft()
        self._round, self._is_made = None, False
        if wish.do in {"region joins", "lost log closed"}:
            for region in wish.regions:
                for told in self.joined:
                    told(region)

    def _follow_up(self, wish: Wish) -> None:
        """Do what operators do once a version is signed: put up machines, or switch one off."""
        simulation = self._simulation
        chain = simulation.checkers.reference.chain
        self._world.trace("roster", chain.newest.version, chain.newest.sha256.hex())
        for region in wish.regions:
            if wish.do == "region joins":
                simulation.install(region, chain.newest.origin_of(region), chain)
            elif wish.do == "lost log closed":
                self._succeed(region, chain)
            elif wish.do == "region returns":
                simulation.checkers.left.discard(region)
                simulation.checkers.burnt(simulation.machines[region])
                simulation.checkers.reborn(region)
                # Of its old keys none is held any more.
                simulation.members.rings[region][:] = simulation.members.rings[region][-1:]
                simulation.install(region, chain.newest.origin_of(region), chain)
            elif wish.do == "region leaves":
                simulation.checkers.left.add(region)
                simulation.stop(simulation.machines[region])

    def _succeed(self, region: str, chain: RosterChain) -> None:
        """Put up a machine for the log that goes on from a closed one.

        A node that lives, and was merely cut off, is switched off once it says that its log is
        closed; what it has accepted beyond the cut is gone but for what people kept.
        """
        simulation = self._simulation
        machine = simulation.machines[region]
        if machine.node is not None:
            known = machine.node.snapshot.rosters
            if known is None or known.newest.version < chain.newest.version:
                self._world.after(LOOK_MS, partial(self._succeed, region, chain))
                return
            self._world.count("a node that lives was told that its log is closed")
            simulation.stop(machine)
            simulation.checkers.burnt(machine)
        rings = simulation.members.rings
        rings[region][:] = rings[region][-1:]  # the old keys are retired
        simulation.checkers.reborn(region)
        simulation.install(region, chain.newest.origin_of(region), chain)

    # ---- words on the next version --------------------------------------------------------------

    def _say(self, wish: Wish, newest: Roster, now: Round) -> None:
        """Let everybody say what they can say now; who is refused tries again later."""
        self._take_turns(newest, now)
        if wish.do in CLOSING:
            self._freeze(wish, newest, now)
        proposer = proposer_of(newest, now.number)
        self._propose(wish, newest, now, proposer)
        for region in newest.members:
            self._approve(wish, newest, now, region, proposer)

    def _take_turns(self, newest: Roster, now: Round) -> None:
        """Stall a round that goes on for too long, and open the next one."""
        if self._world.now_ms - now.began_ms < self._patience_ms * now.number:
            return
        for region in newest.members:
            said = self._said(region, region, now.version)
            if said is None:
                continue
            last = max(((it[0], bytes(it[1])) for it in said[APPROVALS]), default=None)
            stall = Stall(now.version, now.number, last)
            signed = sign_stall(self._key(newest, region), newest.network, stall)
            self._ask(now, region, STALL_KIND, signed.to_body())
        # Whoever comes next may be gone as well: then that round is stalled in its turn.
        needed = governance_quorum(newest)
        if any(len(self._stalls(newest, now, it)) >= needed for it in newest.members):
            self._world.count("a round of signing was stalled")
            now.number += 1

    def _stalls(
        self, newest: Roster, now: Round, viewer: str, *, shown: bool = False
    ) -> Mapping[str, tuple[int, bytes] | None]:
        """Return who has stalled this round, as a region's node sees it, and what they signed.

        With ``shown``, only as far as a view in that region's own log could show it by now.
        """
        found: dict[str, tuple[int, bytes] | None] = {}
        for region in newest.members:
            said = self._said(viewer, region, now.version, shown=shown)
            for round_, signed in () if said is None else said[STALLS]:
                if round_ == now.number:
                    found[region] = None if signed is None else (signed[0], bytes(signed[1]))
        return found

    def _propose(self, wish: Wish, newest: Roster, now: Round, proposer: str) -> None:
        if proposer in self.away or (proposer, PROPOSE_KIND, now.number) in now.done | now.asked:
            return
        machine = well(self._simulation, proposer)
        if machine is None:
            return
        stalls: tuple[str, ...] = ()
        body = None
        if now.number > 1:
            before = replace(now, number=now.number - 1)
            seen = self._stalls(newest, before, proposer, shown=True)
            heard = len(seen)
            # What these stalls say was signed is to be repeated. Who has signed what nobody else
            # wants is left out, if there are enough without them.
            seen = {
                region: said
                for region, said in seen.items()
                if said is None or self._may_sign(wish, newest, now, machine, said[1])
            }
            if len(seen) < governance_quorum(newest):
                lacks = "its log cannot show the stalls"
                if heard >= governance_quorum(newest):
                    lacks = "too few have not signed what nobody wants"
                self._world.count(f"no proposal yet: {lacks}")
                return
            if heard > len(seen):
                self._world.count("a stall was left out that says what nobody wants")
            stalls = tuple(sorted(seen))
            signed = [it for it in seen.values() if it is not None]
            if signed:
                body = self.body_of(max(signed)[1])
                self._world.count("a proposal that some had signed was repeated")
        if body is None:
            try:
                new = self.drafts.made_for(wish, newest, machine, tries_old_keys=now.tries_old_keys)
            except LedgerError as error:
                self._world.count(f"no proposal yet: {error.code}")
                return
            if new is None:
                return
            body = new.encode()
        now.bodies[sha256(body).digest()] = body
        joiners = Roster.decode(body).members.keys() - newest.members.keys()
        signatures = tuple(
            (region, sign_proposal(self._new_key(region, body), body, now.number))
            for region in sorted(joiners)
        )
        proposal = Proposal(now.number, body, stalls, signatures)
        self._ask(now, proposer, PROPOSE_KIND, proposal.to_body(newest))

    def _approve(self, wish: Wish, newest: Roster, now: Round, region: str, proposer: str) -> None:
        said = self._said(region, proposer, now.version)
        for round_, digest, _ in () if said is None else said[PROPOSALS]:
            machine = well(self._simulation, region)
            if round_ != now.number or machine is None:
                continue
            if not self._may_sign(wish, newest, now, machine, bytes(digest)):
                continue
            body = self.body_of(bytes(digest))
            assert body is not None
            signature = sign_proposal(self._key(newest, region), body, now.number)
            approval = Approval(now.version, now.number, bytes(digest), signature)
            self._ask(now, region, APPROVE_KIND, approval.to_body())

    def body_of(self, digest: bytes) -> bytes | None:
        """Return a version that was proposed, by its hash; None where nobody has proposed it."""
        meant = None if self._round is None else self._round.bodies.get(digest)
        return self.foreign.get(digest) if meant is None else meant

    def _may_sign(
        self, wish: Wish, newest: Roster, now: Round, machine: "Machine", digest: bytes
    ) -> bool:
        """Say whether a region's keeper would sign a version, having read it.

        It must be what people want now: members, keys, constants, and where logs are closed, as
        their own node says. The rest of what it pins nobody can tell by looking at it.
        """
        if digest in now.bodies:
            return True
        if digest in now.read:
            return now.read[digest]
        if digest not in self.foreign:
            return False  # they have not got its bytes
        try:
            wanted = self.drafts.made_for(wish, newest, machine, tries_old_keys=now.tries_old_keys)
        except LedgerError:
            return False  # not yet
        if wanted is None:
            return False
        found = replace(Roster.decode(self.foreign[digest]), pins={}) == replace(wanted, pins={})
        self._world.count("a keeper read " + ("what was wanted" if found else "what nobody wanted"))
        now.read[digest] = found
        return found

    def _freeze(self, wish: Wish, newest: Roster, now: Round) -> None:
        """Have every other node cosign a log no more that is to be closed."""
        for lost in wish.regions:
            origin = newest.origin_of(lost)
            for region in newest.witnesses_of(origin):
                if well(self._simulation, region) is not None:
                    self._ask_for(now, (region, origin, 0), partial(Freeze, origin=origin))

    # ---- nodes ----------------------------------------------------------------------------------

    def _said(
        self, viewer: str, region: str, version: int, *, shown: bool = False
    ) -> dict[str, Any] | None:
        """Return what a region's log says of a version, as another's node sees it."""
        machine = well(self._simulation, viewer)
        if machine is None:
            return None
        origin = self._simulation.roster.origin_of(region)
        fact = newest_word(machine, origin, roster_object(region, version))
        if fact is not None and shown and viewer != region:
            assert machine.node is not None
            known = machine.node.snapshot.known.get(origin)
            if known is None or known.size <= fact.index:
                return said_in(None)
        return said_in(fact)

    def _key(self, newest: Roster, region: str) -> SigningKey:
        """Return a member's governance key, as the newest version names it."""
        public = newest.members[region].keys.governance
        return self._governance_key(region, public)

    def _new_key(self, region: str, body: bytes) -> SigningKey:
        return self._governance_key(region, Roster.decode(body).members[region].keys.governance)

    def _governance_key(self, region: str, public: bytes) -> SigningKey:
        rings: list[Keys] = self._simulation.members.rings[region]
        return next(ring["governance"] for ring in rings if ring["governance"].public == public)

    def _ask(self, now: Round, region: str, kind: str, body: Mapping[str, Any]) -> None:
        """Ask a region's own node to record a word on the version, if its keeper is there."""
        if region in self.away:
            return
        make = partial(
            Compose,
            kind=kind,
            issuer=region,
            subject=roster_object(region, now.version),
            body=body,
        )
        self._ask_for(now, (region, kind, now.number), make)

    def _ask_for(self, now: Round, what: tuple[str, str, int], make: Callable[..., Event]) -> None:
        """Ask for something once at a time, until it is done."""
        if what in now.done | now.asked:
            return
        now.asked.add(what)
        region = what[0]

        def told(value: object) -> None:
            now.asked.discard(what)
            code = _code(value)
            if code in DONE:
                now.done.add(what)
            if code == "retired-key":
                self._world.count("a retired key was refused")
                now.tries_old_keys = False
            if isinstance(value, RegisterReply) and not code:
                self._simulation.checkers.accepted(region, value.results[0])
            self._world.trace("word", *what, code)
            self._world.count(f"word {what[1].rsplit('/', 1)[-1]}: {code or 'accepted'}")

        self._simulation.submit(region, lambda request_id: make(request_id=request_id), told)


def _code(value: object) -> str:
    """Return how a question to a node ended: empty where it was done."""
    match value:
        case None:
            return "lost"
        case RegisterReply(results=(registered,)):
            return "" if registered.error is None else registered.error.code
        case LedgerError():
            return value.code
        case _:
            raise AssertionError(f"no answer to a word on the roster: {value!r}")
