"""A stream of real acts: officers enrol, grants come and go, cases live and change hands.

Every agent is a generator that yields acts and is sent their fate; it goes on, asks again, or gives
up, as a clerk would. Nothing here knows what a node is doing beyond what it answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Final

from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.names import number_of_origin
from ledger.statement import Act, Statement, sign_statement
from nodes.core.ready import Compose, Register, RegisterReply
from simulator.arrivals import Arrivals
from simulator.beginnings import borrowers, first_acts, publications
from simulator.offices import Office
from simulator.phases import BEYOND, WITHIN, Phase, begun
from simulator.places import places_of
from simulator.plan import Plan
from simulator.regions import key_of
from simulator.simulation import Simulation
from simulator.wanted import Agent, Wanted, forbidden, idle, until_done
from simulator.world import BrokenError

PATIENCE: Final = 60
"""How often an agent asks before it gives up."""
AGAIN_MS: Final = (500, 3_000)
HURRY_MS: Final = (1, 50)
SET_UP: Final = frozenset({"party.enrol", "item.publish"})
"""Kinds of acts with which a world begins; they follow each other without a pause."""
KEPT: Final = 0.5
"""Of the cases that are kept after their acceptance, so many are not taken back."""
TAKING_OVER: Final = "handoff.accept"
"""Whoever has done this has the case once the place that held it has released it."""
FORBIDDEN: Final = frozenset(
    {"extra-material", "no-grant", "not-entitled", "decision-stays", "not-competent"}
)
"""What a careless officer must be told."""

YEAR_S: Final = 365 * 86_400
MODES: Final = (("online", 0.7), ("agency", 0.2), ("joint", 0.08), ("counter", 0.02))
"""全程网办, 代收代办, 多地联办: an assumption of the domain page. Its 2 % by machines (一体机)
come in at the counter here: a machine would have to be enrolled, and be lent the item."""
REFUSED: Final = 0.06
RATED: Final = 0.3
BADLY: Final = 0.06
LATE: Final = 0.04
"""Share of cases that their owner takes over late."""


Pair = tuple[str, str, int, int]
"""Who lends, to whom, the rank of the item, and the level of the window."""


@dataclass(frozen=True, slots=True)
class Lent:
    """A grant in force, as far as people know."""

    owner: Office
    to: Office
    rank: int
    name: str
    rights: str
    """As its phase has them."""


class Workload:
    """Sets every region up, then starts cases and grants until it is stopped."""

    def __init__(self, simulation: Simulation, plan: Plan) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._plan = plan
        self._random = simulation.world.stream("workload")
        self._offices: dict[str, Office] = {}
        self._places = {place.code: place for place in places_of(plan.places, plan.regions)}
        self._active: list[Office] = []
        self._arrivals = Arrivals(plan, self._random)
        self._think_ms = (100, int(plan.think_s * 1_000))
        self._stopped = False
        self._cases = 0
        self._grants: dict[Pair, Lent] = {}
        self._choice: tuple[list[Pair], list[float]] | None = None
        """What ``_some_grant`` draws from, and how often up to each; None: to be reckoned anew."""
        self._numbers: dict[Pair, int] = {}
        self._lent: dict[Pair, str] = {}
        """With which rights an item was lent to a place in its latest phase."""
        self._phases: dict[str, Phase] = {}
        """What is lent now, within a province and beyond."""
        self._published: dict[str, int] = {}
        self._undone: dict[str, int] = {}
        """How many of its first acts each region has still to do."""
        self._ready: set[str] = set()
        self._retired: set[str] = set()
        for number, phase in enumerate(plan.lent):
            if number:
                self._world.after(int(phase.minutes * 60_000), partial(self._begin_phase, phase))
            else:
                self._phases = begun({}, phase)
        for region in self._places:
            if region in simulation.machines:
                self._world.after(0, partial(self._join, region))
        simulation.governance.joined.append(self._join)
        simulation.governance.leaving.append(self._leave)
        self._later((0, 1_000), self._next_case)

    def _join(self, region: str) -> None:
        """Let a region set itself up, and lend to the others from then on."""
        machine = self._simulation.machines[region]
        office = Office(region, number_of_origin(machine.origin))
        if region in self._offices:  # it is back, and is set up: only its numbers are new
            self._offices[region].number = office.number
            return
        self._offices[region] = office
        levels = self._plan.levels
        clerks = [office.at(level).clerk for level in range(1, levels + 1)]
        for officer in (*clerks, office.decider):
            machine.officers.keys[officer] = key_of(self._world.seed, officer)
        self._active.append(office)
        self._published[region] = self._to_publish
        self._do_all(office, first_acts(office, self._world.seed, self._to_publish, levels))

    @property
    def _to_publish(self) -> int:
        """How many items each region has to have published by now."""
        return max(phase.items for phase in self._phases.values())

    def _do_all(self, office: Office, acts: Sequence[Wanted]) -> None:
        """Do acts that others wait for: one after the other, or all at once."""
        self._undone[office.region] = len(acts)
        if not self._plan.at_once:
            self._begin(self._set_up(office, acts))
            return
        for at_ms, wanted in enumerate(acts):
            agent = self._set_up(office, [wanted])
            self._world.after(at_ms, partial(self._ask, agent, next(agent), 1))

    def _begin_phase(self, phase: Phase) -> None:
        """Let everybody publish and lend what is lent from now on."""
        if self._stopped:
            return
        self._phases = begun(self._phases, phase)
        self._world.count("a phase began")
        for office in self._active:
            if office.region in self._ready:
                self._go_on(office)

    def _go_on(self, office: Office) -> None:
        """Publish what is still to be published; once that is done everywhere, all lend."""
        region, items = office.region, self._to_publish
        published = self._published[region]
        if published < items:
            self._published[region] = items
            self._ready.discard(region)
            self._do_all(office, publications(office, range(published, items)))
            return
        self._ready.add(region)
        if self._ready >= {one.region for one in self._active}:
            self._lend_all()

    def _leave(self, region: str) -> None:
        """Let nobody want anything of a region any more."""
        self._retired.add(region)
        self._active = [office for office in self._active if office.region != region]
        self._grants = {pair: lent for pair, lent in self._grants.items() if region not in pair[:2]}
        self._choice = None

    def stop(self) -> None:
        """Let nobody want anything any more."""
        self._stopped = True

    # ---- agents ---------------------------------------------------------------------------------

    def _begin(self, agent: Agent) -> None:
        try:
            wanted = next(agent)
        except StopIteration:
            return
        self._later(self._think_ms, partial(self._ask, agent, wanted, 1))

    def _later(self, range_ms: tuple[int, int], action: Callable[[], None]) -> None:
        self._world.after(self._random.randint(*range_ms), action)

    def _ask(self, agent: Agent, wanted: Wanted, tries: int) -> None:
        if self._stopped or self._retired & {wanted.region, wanted.after}:
            return
        asked_ms = self._world.now_ms
        self._simulation.submit(
            wanted.region,
            lambda request_id: self._event(request_id, wanted),
            partial(self._told, agent, wanted, tries, asked_ms),
        )

    def _event(self, request_id: int, wanted: Wanted) -> Compose | Register:
        if wanted.issuer.endswith("/manager"):  # who holds their own key
            return Register(request_id, (self._signed(wanted),))
        return Compose(
            request_id=request_id,
            kind=wanted.kind,
            issuer=wanted.issuer,
            subject=wanted.subject,
            body=wanted.body,
        )

    def _signed(self, wanted: Wanted) -> Statement:
        """Sign as an officer with a key of their own, who reads the region's log first."""
        machine = self._simulation.machines[wanted.region]
        log_id = self._simulation.checkers.log_id(machine, machine.origin)
        newest = machine.disk.database.execute(
            'SELECT leaf FROM facts WHERE object = ? AND log_id = ? ORDER BY "index" DESC LIMIT 1',
            (wanted.subject, log_id),
        ).fetchone()
        previous = None if newest is None else newest[0]
        clock = self._simulation.machines[wanted.region].clock
        act = Act(wanted.kind, 1, previous, (), wanted.body)
        key = key_of(self._world.seed, wanted.issuer)
        return sign_statement(key, wanted.issuer, wanted.subject, clock.now_ms() // 1000, act)

    def _told(self, agent: Agent, wanted: Wanted, tries: int, asked_ms: int, value: object) -> None:
        code = self._code(wanted, asked_ms, value)
        self._world.trace("act", wanted.region, wanted.kind, wanted.subject, code)
        self._world.count(f"act {wanted.kind}: {code or 'accepted'}")
        if wanted.forbidden:
            self._check_refused(wanted, code)
        try:
            following = agent.send(code)
        except StopIteration:
            return
        if following is wanted:
            if code and wanted.after:
                self._simulation.measures.held[wanted.region, wanted.after] += 1
            if tries < PATIENCE:
                self._later(AGAIN_MS, partial(self._ask, agent, wanted, tries + 1))
            else:
                self._world.count("gave up waiting")
        else:
            least, most = HURRY_MS if following.kind in SET_UP else self._think_ms
            # Acts of the other place are gathered as well: nobody looks for its release before.
            away_ms = self._plan.pace_ms if not code and wanted.kind == TAKING_OVER else 0
            think_ms = (least + away_ms, most + away_ms)
            self._later(think_ms, partial(self._ask, agent, following, 1))

    def _check_refused(self, wanted: Wanted, code: str) -> None:
        """Check that a node does not do what the rules forbid."""
        if not code and wanted.region not in self._simulation.checkers.liars:
            raise BrokenError(f"{wanted.region} recorded a forbidden {wanted.kind}: {wanted.body}")
        if code in FORBIDDEN:
            self._world.count("a careless act was refused")

    def _code(self, wanted: Wanted, asked_ms: int, value: object) -> str:
        match value:
            case None:
                return "lost"
            case RegisterReply(results=(registered,)):
                if registered.error is not None:
                    return registered.error.code
                if wanted.region not in self._simulation.checkers.liars:
                    self._simulation.accepted(wanted.region, wanted.subject, registered)
                    assert registered.index is not None
                    measures = self._simulation.measures
                    measures.accepted(wanted.region, registered.index, asked_ms)
                return ""
            case LedgerError():
                return value.code
            case _:
                raise AssertionError(f"no answer to an act: {value!r}")

    # ---- what people do -------------------------------------------------------------------------

    def _set_up(self, office: Office, acts: Sequence[Wanted]) -> Agent:
        """Do some of a region's first acts; once all are done everywhere, the regions lend."""
        for wanted in acts:
            yield from until_done(wanted)
            self._undone[office.region] -= 1
        if not self._undone[office.region]:
            self._go_on(office)

    def _lend_all(self) -> None:
        """Let every active region lend to some others, where it did not before as it does now."""
        active = {office.region: office for office in self._active}
        for owner in self._active:
            others = [region for region in active if region != owner.region]
            for to in borrowers(owner.region, others, self._places, self._plan):
                phase = self._phase_between(owner.region, to)
                for rank in range(phase.items if phase else 0):
                    for level in range(1, self._plan.levels + 1):
                        pair = (owner.region, to, rank, level)
                        if phase and self._lent.get(pair) != phase.rights:
                            self._lent[pair] = phase.rights
                            self._begin(self._lend(owner, active[to].at(level), rank, phase.rights))

    def _phase_between(self, owner: str, to: str) -> Phase | None:
        """Return what one place lends to another now; None where that has not begun."""
        return self._phases.get(WITHIN if owner[:2] == to[:2] else BEYOND)

    def _lend(self, owner: Office, to: Office, rank: int, rights: str) -> Agent:
        """Lend rights to another place's window, which accepts; later, perhaps, revoke."""
        pair = (owner.region, to.region, rank, to.level)
        number = self._numbers[pair] = self._numbers.get(pair, 0) + 1
        lent = Lent(owner, to, rank, owner.grant_to(to, rank, number), rights)
        start_s = self._world.start_ms // 1000 - 86_400
        offer = Wanted(
            region=owner.region,
            issuer=owner.manager,
            kind="grant.offer",
            subject=lent.name,
            body={
                "item": owner.item(rank),
                "item_version": 1,
                "window": to.window,
                "rights": rights.split("+"),
                "valid_from": start_s,
                "valid_until": start_s + YEAR_S,
                "staleness_s": self._simulation.roster.constants.staleness_s,
            },
        )
        yield from until_done(offer)
        accept = Wanted(
            region=to.region,
            issuer=to.clerk,
            kind="grant.accept",
            subject=lent.name,
            body={"window": to.window, "item": owner.item(rank)},
            after=owner.region,
        )
        yield from until_done(accept)
        if self._retired & {owner.region, to.region} or self._lent[pair] != rights:
            return
        before = self._grants.get(pair)
        self._grants[pair] = lent
        if before is None:
            self._choice = None
        if before is not None and before.rights != rights:
            yield from until_done(self._revocation(before, "已由下一阶段的授权取代"))
        if self._random.random() < self._plan.revoked:
            # A case begins in the very moment in which its grant ends.
            self._begin(self._case(lent))
            yield from until_done(self._revocation(lent, "期满"))
            again = self._lend(owner, to, rank, rights)
            self._later((5_000, 30_000), partial(self._begin, again))

    @staticmethod
    def _revocation(lent: Lent, reason: str) -> Wanted:
        owner = lent.owner
        return Wanted(
            region=owner.region,
            issuer=owner.manager,
            kind="grant.revoke",
            subject=lent.name,
            body={"reason": reason},
        )

    def _next_case(self) -> None:
        """Let a case come, and the next one after it."""
        if self._stopped:
            return
        wait_ms, comes = self._arrivals.wait_ms(self._world.now_ms)
        self._world.after(wait_ms, partial(self._come, comes=comes))

    def _come(self, *, comes: bool) -> None:
        if self._stopped:
            return
        lent = self._some_grant() if comes else None
        if lent is not None:
            self._begin(self._case(lent))
        self._next_case()

    def _some_grant(self) -> Lent | None:
        """Draw a grant by how many live in its two places, its item's rank and its level."""
        if not self._grants:
            return None
        if self._choice is None:
            known = sorted(self._grants)
            weights = accumulate(
                self._places[owner].people * self._places[to].people / (1 + rank) / level
                for owner, to, rank, level in known
            )
            self._choice = known, list(weights)
        known, cumulated = self._choice
        (drawn,) = self._random.choices(known, cum_weights=cumulated)
        return self._grants[drawn]

    def _case(self, lent: Lent) -> Agent:
        """One case: received at a window, decided by its owner, delivered where it began."""
        random, window, owner = self._random, lent.to, lent.owner
        self._cases += 1
        case = f"{window.region}/case/{window.prefix}2026-{self._cases:06}"
        rests = {"grant": lent.name, "window": window.window}

        def at_window(kind: str, **body: object) -> Wanted:
            return Wanted(
                region=window.region,
                issuer=window.clerk,
                kind=kind,
                subject=case,
                body=body,
                after=owner.region,
            )

        def at_owner(kind: str, **body: object) -> Wanted:
            return Wanted(
                region=owner.region,
                issuer=owner.decider,
                kind=kind,
                subject=case,
                body=body,
                after=window.region,
            )

        (mode,) = random.choices([name for name, _ in MODES], [share for _, share in MODES])
        opening = {
            "item": owner.item(lent.rank),
            "item_version": 1,
            "department": owner.department,
            "mode": mode,
        }
        is_careless = random.random() < self._plan.careless
        if is_careless:
            yield Wanted(
                region=window.region,
                issuer=window.clerk,
                kind="case.open",
                subject=case,
                body=opening,
                forbidden=True,
            )
        if not (yield from until_done(at_window("case.open", **opening, **rests))):
            return
        self._world.count(f"mode {mode}")
        if self._plan.levels > 1:
            self._world.count(f"received at level {window.level}")
        if is_careless:
            yield forbidden(at_window("case.notice", missing=["hukou-of-the-neighbour"], **rests))
            yield forbidden(
                at_window("case.decide", result="granted", basis="x", document=bytes(32))
            )
        if random.random() < 0.5 and "verify" in lent.rights:
            how = "shared-data" if mode == "online" else "original"
            yield from until_done(
                at_window(
                    "case.verify",
                    documents=["identity-proof"],
                    result="match",
                    method=how,
                    **rests,
                )
            )
        if (
            random.random() < 0.3
            and "notice" in lent.rights
            and (yield from until_done(at_window("case.notice", missing=["photo"], **rests)))
        ):
            yield from until_done(at_window("case.supplement", received=["photo"], **rests))
        while True:
            yield from until_done(at_window("handoff.offer", unit=owner.department))
            if random.random() < 0.1:  # taken back; the answer may cross it on the way
                yield from until_done(at_window("handoff.cancel"))
                continue
            if random.random() < 0.1:
                yield from until_done(
                    at_owner("handoff.decline", holder=window.region, reason="材料不全")
                )
                continue
            if random.random() < LATE:
                self._world.count("taken over late")
                yield from idle(at_owner("case.note", remark="积压"), 6)
            if not (yield from until_done(at_owner("handoff.accept", holder=window.region))):
                return
            if not self._takes_back(window.region):
                break
            yield from until_done(at_window("handoff.cancel"))
        result = "refused" if random.random() < REFUSED else "granted"
        decide = at_owner(
            "case.decide", result=result, basis="行政许可法", document=hash_leaf(case.encode())
        )
        if not (yield from until_done(decide)):
            return
        if is_careless:  # its owner has decided, so the case is there
            yield forbidden(at_window("handoff.offer", unit=window.department))
        if "deliver" not in lent.rights:  # 邮寄送达
            if (yield from until_done(at_owner("case.deliver", mode="post"))):
                self._world.count("delivered by post")
                yield from until_done(at_owner("case.close"))
            return
        yield from until_done(at_owner("handoff.offer", unit=window.window))
        if not (yield from until_done(at_window("handoff.accept", holder=owner.region))):
            return
        how = "online" if mode == "online" else "counter"
        if (yield from until_done(at_window("case.deliver", mode=how, **rests))):
            yield from until_done(at_window("case.close"))
        if random.random() < RATED:
            yield from self._rate(window, case)

    def _takes_back(self, region: str) -> bool:
        """Say whether people take a case back that was accepted, to offer it again.

        Only who keeps cases can: an honest node releases as soon as it sees the acceptance.
        """
        liar = self._simulation.machines[region].liar
        if liar is None or liar.how != "keeps cases" or self._random.random() < KEPT:
            return False
        self._world.count("a kept case was offered again")
        return True

    def _rate(self, window: Office, case: str) -> Agent:
        """Rate a case; a bad rating is put right by the window and closed."""
        grade = "dissatisfied" if self._random.random() < BADLY else "very-satisfied"
        name = f"{window.region}/evaluation/{case.rsplit('/', 1)[-1]}"

        def said(kind: str, issuer: str, **body: object) -> Wanted:
            return Wanted(region=window.region, issuer=issuer, kind=kind, subject=name, body=body)

        rated = said(
            "evaluation.rate",
            window.region,
            case=case,
            grade=grade,
            token=hash_leaf(name.encode()),
            to=window.window,
            due=self._world.now_ms // 1_000 + 15 * 86_400,
        )
        if (yield from until_done(rated)) and grade == "dissatisfied":
            self._world.count("rated badly")
            yield from until_done(
                said(
                    "evaluation.rectify",
                    window.clerk,
                    cause="slow",
                    reply="已整改",
                    evidence=hash_leaf(name.encode()),
                )
            )
            yield from until_done(
                said(
                    "evaluation.feedback",
                    window.region,
                    outcome="settled",
                    evidence=hash_leaf(case.encode()),
                )
            )
