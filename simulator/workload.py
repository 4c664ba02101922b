"""A small stream of real acts: officers enrol, grants come and go, cases live and change hands.

Every agent is a generator that yields acts and is sent their fate; it goes on, asks again, or gives
up, as a clerk would. Nothing here knows what a node is doing beyond what it answers.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.statement import Act, Statement, decode_statement, sign_statement
from nodes.core.ready import Compose, Register, RegisterReply
from simulator.regions import key_of
from simulator.simulation import Simulation
from simulator.world import START_MS, World

PATIENCE: Final = 60
"""How often an agent asks before it gives up."""
AGAIN_MS: Final = (500, 3_000)
THINK_MS: Final = (100, 2_500)
HURRY_MS: Final = (1, 50)
SET_UP: Final = frozenset({"party.enrol", "item.publish"})
"""Kinds of acts with which a world begins; they follow each other without a pause."""
LEAVE_IT: Final = frozenset({"exists", "already-answered"})
"""Codes that say it is done already: the answer to an earlier try was lost."""

DONE_BEFORE: Final = frozenset({"wrong-state", "second-notice", "offer-open"})
"""Codes that say so too, where an earlier try was lost."""

YEAR_S: Final = 365 * 86_400
MATERIALS: Final = ["application-form", "identity-proof", "photo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An act that somebody wants done in a region's log."""

    region: str
    issuer: str
    kind: str
    subject: str
    body: Mapping[str, Any]


Agent = Generator[Wanted, str, None]
"""Is sent "" where the act was accepted, else the code of the refusal; "lost" without an answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """The parties and the item of one region, by name."""

    region: str

    @property
    def department(self) -> str:
        """Who decides, and who grants."""
        return f"{self.region}/department/d1"

    @property
    def hall(self) -> str:
        """Where the window is."""
        return f"{self.region}/hall/h1"

    @property
    def window(self) -> str:
        """Who receives for other places."""
        return f"{self.region}/window/w1"

    @property
    def clerk(self) -> str:
        """Sits at the window."""
        return f"{self.region}/officer/clerk"

    @property
    def decider(self) -> str:
        """Decides for the department."""
        return f"{self.region}/officer/decider"

    @property
    def manager(self) -> str:
        """Publishes and grants for the department, with a key of their own."""
        return f"{self.region}/officer/manager"

    @property
    def item(self) -> str:
        """What is done here for people elsewhere."""
        return f"{self.region}/item/000131127004"

    def grant_to(self, other: "Place", number: int) -> str:
        """Return the name of a grant to another place's window."""
        return f"{self.region}/grant/{other.region}-{number}"


class Workload:
    """Sets every region up, then starts cases and grants until it is stopped."""

    def __init__(self, simulation: Simulation, *, per_minute: int, end_ms: int) -> None:
        self._simulation = simulation
        self._world: World = simulation.world
        self._random = simulation.world.stream("workload")
        self._places = [Place(region) for region in simulation.machines]
        self._end_ms = end_ms
        self._pause_ms = max(1, 60_000 * 8 // per_minute)
        """A case is about eight acts."""
        self._stopped = False
        self._cases = 0
        self._grants: dict[tuple[str, str], int] = {}
        self._ready: set[str] = set()
        for place in self._places:
            machine = simulation.machines[place.region]
            for officer in (place.clerk, place.decider):
                machine.officers.keys[officer] = key_of(simulation.world.seed, officer)
            self._begin(self._set_up(place))

    def stop(self) -> None:
        """Let nobody want anything any more."""
        self._stopped = True

    # ---- agents ---------------------------------------------------------------------------------

    def _begin(self, agent: Agent) -> None:
        try:
            wanted = next(agent)
        except StopIteration:
            return
        self._later(THINK_MS, partial(self._ask, agent, wanted, 1))

    def _later(self, range_ms: tuple[int, int], action: Callable[[], None]) -> None:
        self._world.after(self._random.randint(*range_ms), action)

    def _ask(self, agent: Agent, wanted: Wanted, tries: int) -> None:
        if self._stopped:
            return
        self._simulation.submit(
            wanted.region,
            lambda request_id: self._event(request_id, wanted),
            partial(self._told, agent, wanted, tries),
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
        log = self._simulation.checkers.reference.logs[self._origin(wanted.region)]
        previous = None
        for entry in reversed(log.entries):
            statement = decode_statement(entry)
            if statement.subject == wanted.subject:
                previous = hash_leaf(entry)
                break
        clock = self._simulation.machines[wanted.region].clock
        act = Act(wanted.kind, 1, previous, (), wanted.body)
        key = key_of(self._world.seed, wanted.issuer)
        return sign_statement(key, wanted.issuer, wanted.subject, clock.now_ms() // 1000, act)

    def _origin(self, region: str) -> str:
        return self._simulation.roster.origin_of(region)

    def _told(self, agent: Agent, wanted: Wanted, tries: int, value: object) -> None:
        code = self._code(wanted, value)
        self._world.trace("act", wanted.region, wanted.kind, wanted.subject, code)
        self._world.count(f"act {wanted.kind}: {code or 'accepted'}")
        try:
            following = agent.send(code)
        except StopIteration:
            return
        if following is wanted:
            if tries < PATIENCE:
                self._later(AGAIN_MS, partial(self._ask, agent, wanted, tries + 1))
        else:
            think_ms = HURRY_MS if following.kind in SET_UP else THINK_MS
            self._later(think_ms, partial(self._ask, agent, following, 1))

    def _code(self, wanted: Wanted, value: object) -> str:
        match value:
            case None:
                return "lost"
            case RegisterReply(results=(registered,)):
                if registered.error is not None:
                    return registered.error.code
                self._simulation.checkers.accepted(wanted.region, registered)
                return ""
            case LedgerError():
                return value.code
            case _:
                raise AssertionError(f"no answer to an act: {value!r}")

    # ---- what people do -------------------------------------------------------------------------

    def _set_up(self, place: Place) -> Agent:
        enrol = partial(self._enrol, place)
        yield from _until_done(enrol(place.department, name="审批局"))
        yield from _until_done(enrol(place.hall, name="政务大厅"))
        yield from _until_done(
            enrol(place.window, name="跨省通办窗口", hall=place.hall, department=place.department)
        )
        for officer, unit, holder, roles in (
            (place.clerk, place.window, "region", ["grant", "receive"]),
            (place.decider, place.department, "region", ["decide", "receive"]),
            (place.manager, place.department, "officer", ["grant", "manage"]),
        ):
            key = key_of(self._world.seed, officer).public
            yield from _until_done(enrol(officer, unit=unit, key=key, holder=holder, roles=roles))
        yield from _until_done(
            Wanted(
                region=place.region,
                issuer=place.manager,
                kind="item.publish",
                subject=place.item,
                body={
                    "department": place.department,
                    "version": 1,
                    "title": "公司登记注册",
                    "code": "000131127004",
                    "materials": MATERIALS,
                    "days": 5,
                },
            )
        )
        self._ready.add(place.region)
        if len(self._ready) == len(self._places):
            for other in self._places:
                self._begin(self._lend(other, self._random.choice(self._others(other))))
            self._later((0, self._pause_ms), self._new_case)

    def _others(self, place: Place) -> list[Place]:
        return [other for other in self._places if other != place]

    @staticmethod
    def _enrol(place: Place, subject: str, **body: object) -> Wanted:
        return Wanted(
            region=place.region, issuer=place.region, kind="party.enrol", subject=subject, body=body
        )

    def _lend(self, owner: Place, to: Place) -> Agent:
        """Lend all four rights to another place's window, which accepts; later, perhaps, revoke."""
        pair = (owner.region, to.region)
        number = self._grants.get(pair, 0) + 1
        grant = owner.grant_to(to, number)
        start_s = START_MS // 1000 - 86_400
        offer = Wanted(
            region=owner.region,
            issuer=owner.manager,
            kind="grant.offer",
            subject=grant,
            body={
                "item": owner.item,
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
            subject=grant,
            body={"window": to.window, "item": owner.item},
        )
        yield from _until_done(accept)
        self._grants[pair] = number
        for _ in range(self._random.randint(0, 3)):
            self._later((0, self._pause_ms), partial(self._begin, self._case(to, owner)))
        if self._random.random() < 0.5:
            revoke = Wanted(
                region=owner.region,
                issuer=owner.manager,
                kind="grant.revoke",
                subject=grant,
                body={"reason": "期满"},
            )
            yield from _until_done(revoke)
            self._later((5_000, 30_000), partial(self._begin, self._lend(owner, to)))

    def _new_case(self) -> None:
        if self._stopped:
            return
        if self._grants:
            owner, receiver = self._random.choice(sorted(self._grants))
            self._begin(self._case(Place(receiver), Place(owner)))
        self._later((self._pause_ms // 2, self._pause_ms * 3 // 2), self._new_case)

    def _case(self, window: Place, owner: Place) -> Agent:
        """One case: received at a window, decided by its owner, delivered where it began."""
        self._cases += 1
        case = f"{window.region}/case/2026-{self._cases:06}"
        grant = owner.grant_to(window, self._grants[owner.region, window.region])
        rests = {"grant": grant, "window": window.window}

        def at_window(kind: str, **body: object) -> Wanted:
            return Wanted(
                region=window.region, issuer=window.clerk, kind=kind, subject=case, body=body
            )

        def at_owner(kind: str, **body: object) -> Wanted:
            return Wanted(
                region=owner.region, issuer=owner.decider, kind=kind, subject=case, body=body
            )

        opened = at_window(
            "case.open",
            item=owner.item,
            item_version=1,
            department=owner.department,
            mode="agency",
            **rests,
        )
        if not (yield from _until_done(opened)):
            return
        if self._random.random() < 0.5:
            yield from _until_done(
                at_window(
                    "case.verify",
                    documents=["identity-proof"],
                    result="match",
                    method="original",
                    **rests,
                )
            )
        if self._random.random() < 0.3:
            yield from _until_done(at_window("case.notice", missing=["photo"], **rests))
        while True:
            yield from _until_done(at_window("handoff.offer", unit=owner.department))
            if self._random.random() < 0.15:  # taken back; the answer may cross it on the way
                yield from _until_done(at_window("handoff.cancel"))
                continue
            if self._random.random() < 0.15:
                yield from _until_done(
                    at_owner("handoff.decline", holder=window.region, reason="材料不全")
                )
                continue
            if (yield from _until_done(at_owner("handoff.accept", holder=window.region))):
                break
            return
        decide = at_owner(
            "case.decide", result="granted", basis="行政许可法", document=hash_leaf(case.encode())
        )
        if not (yield from _until_done(decide)):
            return
        yield from _until_done(at_owner("handoff.offer", unit=window.window))
        if not (yield from _until_done(at_window("handoff.accept", holder=owner.region))):
            return
        if (yield from _until_done(at_window("case.deliver", mode="counter", **rests))):
            yield from _until_done(at_window("case.close"))


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


GIVE_UP: Final = frozenset(
    {"grant-not-live", "right-not-granted", "no-grant", "not-entitled", "not-competent"}
)
