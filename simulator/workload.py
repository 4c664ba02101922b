"""A stream of real acts: officers enrol, grants come and go, cases live and change hands.

Every agent is a generator that yields acts and is sent their fate; it goes on, asks again, or gives
up, as a clerk would. Nothing here knows what a node is doing beyond what it answers.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any, Final

from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.names import number_of_origin
from ledger.statement import Act, Statement, sign_statement
from nodes.core.ready import Compose, Register, RegisterReply
from simulator.arrivals import Arrivals
from simulator.offices import Office, items
from simulator.places import places_of
from simulator.plan import Plan
from simulator.regions import key_of
from simulator.simulation import Simulation
from simulator.world import BrokenError

PATIENCE: Final = 60
"""How often an agent asks before it gives up."""
AGAIN_MS: Final = (500, 3_000)
HURRY_MS: Final = (1, 50)
SET_UP: Final = frozenset({"party.enrol", "item.publish"})
"""Kinds of acts with which a world begins; they follow each other without a pause."""
LEAVE_IT: Final = frozenset({"exists", "already-answered"})
"""Codes that say it is done already: the answer to an earlier try was lost."""

DONE_BEFORE: Final = frozenset({"wrong-state", "second-notice", "offer-open"})
"""Codes that say so too, where an earlier try was lost."""

GIVE_UP: Final = frozenset(
    {"grant-not-live", "right-not-granted", "no-grant", "not-entitled", "not-competent"}
)

FORBIDDEN: Final = frozenset(
    {"extra-material", "no-grant", "not-entitled", "decision-stays", "not-competent"}
)
"""What a careless officer must be told."""

WINDOWS_MAX: Final = 6
"""To how many other places each region lends."""
YEAR_S: Final = 365 * 86_400
MATERIALS: Final = ["application-form", "identity-proof", "photo"]
MODES: Final = (("online", 0.7), ("agency", 0.2), ("joint", 0.08), ("counter", 0.02))
"""全程网办, 代收代办, 多地联办: an assumption of the domain page. Its 2 % by machines (一体机)
come in at the counter here: a machine would have to be enrolled, and be lent the item."""
REFUSED: Final = 0.06
RATED: Final = 0.3
BADLY: Final = 0.06
LATE: Final = 0.04
"""Share of cases that their owner takes over late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An act that somebody wants done in a region's log.

    Args:
        after: The region in whose log must stand what it rests on; empty: in none other.
        forbidden: Whether the rules forbid it, and its node must say so.
    """

    region: str
    issuer: str
    kind: str
    subject: str
    body: Mapping[str, Any]
    after: str = ""
    forbidden: bool = False


Agent = Generator[Wanted, str, None]
"""Is sent "" where the act was accepted, else the code of the refusal; "lost" without an answer."""


@dataclass(frozen=True, slots=True)
class Lent:
    """A grant in force, as far as people know."""

    owner: Office
    to: Office
    rank: int
    name: str


class Workload:
    """Sets every region up, then starts cases and grants until it is stopped."""

    def __init__(self, simulation: Simulation, plan: Plan) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._plan = plan
        self._random = simulation.world.stream("workload")
        self._offices: dict[str, Office] = {}
        self._people = {
            place.code: place.people for place in places_of(plan.places, plan.regions)
        }  # fmt: skip
        self._active: list[Office] = []
        self._arrivals = Arrivals(plan, self._random)
        self._think_ms = (100, int(plan.think_s * 1_000))
        self._stopped = False
        self._cases = 0
        self._grants: dict[tuple[str, str, int], Lent] = {}
        self._numbers: dict[tuple[str, str, int], int] = {}
        self._ready: set[str] = set()
        self._retired: set[str] = set()
        order = [place.code for place in places_of(plan.places, plan.regions)]
        for region in order:
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
        for officer in (office.clerk, office.decider):
            machine.officers.keys[officer] = key_of(self._world.seed, officer)
        self._active.append(office)
        self._begin(self._set_up(office))

    def _leave(self, region: str) -> None:
        """Let nobody want anything of a region any more."""
        self._retired.add(region)
        self._active = [office for office in self._active if office.region != region]
        self._grants = {pair: lent for pair, lent in self._grants.items() if region not in pair[:2]}

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
            think_ms = HURRY_MS if following.kind in SET_UP else self._think_ms
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

    def _set_up(self, office: Office) -> Agent:
        enrol = partial(self._enrol, office)
        yield from _until_done(enrol(office.department, name="审批局"))
        yield from _until_done(enrol(office.hall, name="政务大厅"))
        yield from _until_done(
            enrol(
                office.window, name="跨省通办窗口", hall=office.hall, department=office.department
            )
        )
        for officer, unit, holder, roles in (
            (office.clerk, office.window, "region", ["grant", "receive"]),
            (office.decider, office.department, "region", ["decide", "receive"]),
            (office.manager, office.department, "officer", ["grant", "manage"]),
        ):
            key = key_of(self._world.seed, officer).public
            yield from _until_done(enrol(officer, unit=unit, key=key, holder=holder, roles=roles))
        for rank in range(self._plan.items):
            item = items()[rank]
            body = {
                "department": office.department,
                "version": 1,
                "title": item.name[:80],
                "code": item.code,
                "materials": MATERIALS,
                "days": 5,
            }
            yield from _until_done(
                Wanted(
                    region=office.region,
                    issuer=office.manager,
                    kind="item.publish",
                    subject=office.item(rank),
                    body=body,
                )
            )
        self._ready.add(office.region)
        if self._ready >= {one.region for one in self._active}:
            self._lend_all()

    def _lend_all(self) -> None:
        """Let every active region lend to the most populous others, where it did not before."""
        asked = {(owner, to) for owner, to, _ in self._numbers}
        for owner in self._active:
            others = [other for other in self._active if other != owner]
            others.sort(key=lambda other: -self._people[other.region])
            for other in others[:WINDOWS_MAX]:
                if (owner.region, other.region) not in asked:
                    for rank in range(self._plan.items):
                        self._begin(self._lend(owner, other, rank))

    @staticmethod
    def _enrol(office: Office, subject: str, **body: object) -> Wanted:
        return Wanted(
            region=office.region,
            issuer=office.region,
            kind="party.enrol",
            subject=subject,
            body=body,
        )

    def _lend(self, owner: Office, to: Office, rank: int) -> Agent:
        """Lend all four rights to another place's window, which accepts; later, perhaps, revoke."""
        pair = (owner.region, to.region, rank)
        number = self._numbers[pair] = self._numbers.get(pair, 0) + 1
        lent = Lent(owner, to, rank, owner.grant_to(to, rank, number))
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
                "rights": ["deliver", "intake", "notice", "verify"],
                "valid_from": start_s,
                "valid_until": start_s + YEAR_S,
                "staleness_s": self._simulation.roster.constants.staleness_s,
            },
        )
        yield from _until_done(offer)
        accept = Wanted(
            region=to.region,
            issuer=to.clerk,
            kind="grant.accept",
            subject=lent.name,
            body={"window": to.window, "item": owner.item(rank)},
            after=owner.region,
        )
        yield from _until_done(accept)
        if self._retired & {owner.region, to.region}:
            return
        self._grants[pair] = lent
        if self._random.random() < self._plan.revoked:
            # A case begins in the very moment in which its grant ends.
            self._begin(self._case(lent))
            revoke = Wanted(
                region=owner.region,
                issuer=owner.manager,
                kind="grant.revoke",
                subject=lent.name,
                body={"reason": "期满"},
            )
            yield from _until_done(revoke)
            self._later((5_000, 30_000), partial(self._begin, self._lend(owner, to, rank)))

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
        """Draw a grant by how many people live in its two places, and by its item's rank."""
        if not self._grants:
            return None
        known = sorted(self._grants)
        weights = accumulate(
            self._people[owner] * self._people[to] / (1 + rank) for owner, to, rank in known
        )
        (drawn,) = self._random.choices(known, cum_weights=list(weights))
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
        if not (yield from _until_done(at_window("case.open", **opening, **rests))):
            return
        self._world.count(f"mode {mode}")
        if is_careless:
            yield _forbidden(at_window("case.notice", missing=["hukou-of-the-neighbour"], **rests))
            yield _forbidden(
                at_window("case.decide", result="granted", basis="x", document=bytes(32))
            )
        if random.random() < 0.5:
            how = "shared-data" if mode == "online" else "original"
            yield from _until_done(
                at_window(
                    "case.verify",
                    documents=["identity-proof"],
                    result="match",
                    method=how,
                    **rests,
                )
            )
        if random.random() < 0.3 and (
            yield from _until_done(at_window("case.notice", missing=["photo"], **rests))
        ):
            yield from _until_done(at_window("case.supplement", received=["photo"], **rests))
        while True:
            yield from _until_done(at_window("handoff.offer", unit=owner.department))
            if random.random() < 0.1:  # taken back; the answer may cross it on the way
                yield from _until_done(at_window("handoff.cancel"))
                continue
            if random.random() < 0.1:
                yield from _until_done(
                    at_owner("handoff.decline", holder=window.region, reason="材料不全")
                )
                continue
            if random.random() < LATE:
                self._world.count("taken over late")
                yield from _idle(at_owner("case.note", remark="积压"), 6)
            if (yield from _until_done(at_owner("handoff.accept", holder=window.region))):
                break
            return
        result = "refused" if random.random() < REFUSED else "granted"
        decide = at_owner(
            "case.decide", result=result, basis="行政许可法", document=hash_leaf(case.encode())
        )
        if not (yield from _until_done(decide)):
            return
        if is_careless:  # its owner has decided, so the case is there
            yield _forbidden(at_window("handoff.offer", unit=window.department))
        yield from _until_done(at_owner("handoff.offer", unit=window.window))
        if not (yield from _until_done(at_window("handoff.accept", holder=owner.region))):
            return
        how = "online" if mode == "online" else "counter"
        if (yield from _until_done(at_window("case.deliver", mode=how, **rests))):
            yield from _until_done(at_window("case.close"))
        if random.random() < RATED:
            yield from self._rate(window, case)

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
        if (yield from _until_done(rated)) and grade == "dissatisfied":
            self._world.count("rated badly")
            yield from _until_done(
                said(
                    "evaluation.rectify",
                    window.clerk,
                    cause="slow",
                    reply="已整改",
                    evidence=hash_leaf(name.encode()),
                )
            )
            yield from _until_done(
                said(
                    "evaluation.feedback",
                    window.region,
                    outcome="settled",
                    evidence=hash_leaf(case.encode()),
                )
            )


def _forbidden(wanted: Wanted) -> Wanted:
    return replace(wanted, forbidden=True)


def _idle(wanted: Wanted, times: int) -> Generator[Wanted, str, None]:
    """Let time pass as an officer does who asks for what they cannot have yet."""
    for _ in range(times):
        yield replace(wanted)


def _until_done(wanted: Wanted) -> Generator[Wanted, str, bool]:
    """Ask for an act until it is done, or refused for good; return whether it is done."""
    was_lost = False
    while True:
        code = yield wanted
        if not code or code in LEAVE_IT or (was_lost and code in DONE_BEFORE):
            return True
        if code in GIVE_UP:
            return False
        was_lost = was_lost or code == "lost"
