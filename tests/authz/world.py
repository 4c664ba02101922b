"""Three regions in memory: their logs, the facts in them, and views made whenever one is wanted.

It composes acts as a node does (``previous``, citations and views filled in) and judges them by
the real rules. What is refused is not recorded, unless it is forced in as a bad node would.
"""

from collections.abc import Callable, Mapping
from typing import Any

from authz.kinds import KINDS as AUTHZ_KINDS
from ledger import judge
from ledger.errors import LedgerError
from ledger.kind import Acting, Draft, Fact, Judgement, Kinds, Need, ViewFact
from ledger.statement import Act, Citation, Statement, sign_statement
from ledger.views import view_body
from seals.kinds import KINDS as SEAL_KINDS
from tests.vectors.own.network import TIME_S, Log, key, roster, signed

REGIONS = ("500000", "510000", "540000")
SICHUAN, CHONGQING, TIBET = "510000", "500000", "540000"
KINDS: Kinds = {**AUTHZ_KINDS, **SEAL_KINDS}
ROSTER = roster(REGIONS)
SIGNED = signed(ROSTER)
FROM_S, UNTIL_S = TIME_S - 1_000, TIME_S + 1_000_000

HALL = "510000/hall/centre"
HRSS_SC = "510000/department/hrss"
WINDOW = "510000/window/w3"
WINDOW_2 = "510000/window/w4"
CLERK = "510000/officer/w3-01"
CLERK_2 = "510000/officer/w4-01"
CHIEF = "510000/officer/hall-01"
HEAD_SC = "510000/officer/hrss-01"
HRSS = "540000/department/hrss"
HEALTH = "540000/department/health"
HEAD = "540000/officer/hrss-01"
DECIDER = "540000/officer/hrss-02"
OUTSIDER = "540000/officer/health-01"
HALL_CQ, HRSS_CQ = "500000/hall/centre", "500000/department/hrss"
WINDOW_CQ, CLERK_CQ = "500000/window/w1", "500000/officer/w1-01"
ITEM = "540000/item/000500000001"
GRANT = "540000/grant/2026-000001"
CASE = "510000/case/2026-000017"
SEAL = "540000/seal/hrss-01"
ALL_RIGHTS = ["deliver", "intake", "notice", "verify"]

ITEM_BODY = {
    "version": 1,
    "title": "异地就医结算备案",
    "code": "000500000001",
    "department": HRSS,
    "materials": ["form", "id-copy", "proof"],
    "tolerable": ["proof"],
    "days": 5,
}
GRANT_BODY = {
    "item": ITEM,
    "item_version": 1,
    "window": WINDOW,
    "rights": ALL_RIGHTS,
    "valid_from": FROM_S,
    "valid_until": UNTIL_S,
    "staleness_s": 600,
}
OPEN_BODY = {
    "item": ITEM,
    "item_version": 1,
    "department": HRSS,
    "mode": "agency",
    "materials": [bytes(32)],
    "grant": GRANT,
    "window": WINDOW,
}
DECIDE_BODY = {"result": "granted", "basis": "社会保险法第二十九条", "document": bytes(32)}


def officer(unit: str, name: str, roles: list[str], **more: Any) -> dict[str, Any]:
    return {
        "unit": unit,
        "key": key(name).public,
        "holder": "officer",
        "roles": sorted(roles),
        **more,
    }


class World:
    """Logs by region, and what every entry left its objects as."""

    def __init__(self, *, real_views: bool = False) -> None:
        self.real_views = real_views
        self.logs = {region: Log(region) for region in REGIONS}
        self.facts: dict[tuple[str, str], list[Fact]] = {}
        self.viewed: dict[tuple[str, str], ViewFact] = {}
        self.judgements: dict[tuple[str, int], Judgement] = {}
        self.now_s = TIME_S
        for log in self.logs.values():
            log.act(
                "log.genesis",
                log.origin,
                {"leaf": "cose-sign1/rfc9162-sha256", "roster": SIGNED.encode(), "rules": 1},
            )

    def copy(self) -> "World":
        made = World.__new__(World)
        made.real_views, made.now_s = self.real_views, self.now_s
        made.logs = {}
        for region, log in self.logs.items():
            made.logs[region] = Log(region)
            made.logs[region].statements = list(log.statements)
        made.facts = {name: list(rows) for name, rows in self.facts.items()}
        made.viewed, made.judgements = dict(self.viewed), dict(self.judgements)
        return made

    def newest(self, region: str, name: str, below: int | None = None) -> Fact | None:
        rows = self.facts.get((self.logs[region].origin, name), [])
        return next((it for it in reversed(rows) if below is None or it.index < below), None)

    def state(self, region: str, name: str) -> Mapping[str, Any]:
        fact = self.newest(region, name)
        assert fact is not None
        return fact.state

    def view(self, region: str, of: str) -> ViewFact:
        """Record a view in the log of ``region``: all there is of another log, now."""
        log, other = self.logs[region], self.logs[of]
        size = len(other.statements)
        known = self.viewed.get((region, of))
        if known is not None and known.size == size:
            return known
        body: dict[str, Any] = {"note": b"", "roster": 1, "lines": []}
        root = bytes(32)
        if self.real_views:
            root = other.checkpoint().root
            regions = ROSTER.witnesses_of(other.origin)[: ROSTER.quorum(other.origin)]
            body = view_body(other.note(), ROSTER, other.lines(regions, "mirror"))
        made = log.act("log.view", other.origin, body)
        index = len(log.statements) - 1
        view = ViewFact(index, made.leaf, other.origin, size, root, self.now_s)
        self.viewed[region, of] = view
        return view

    def do(
        self,
        kind_name: str,
        issuer: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        region: str | None = None,
        change: Callable[[Act], Act] = lambda act: act,
        force: bool = False,
        stale: bool = False,
        corrects: int | None = None,
    ) -> Judgement:
        """Compose, judge and, if it stands or is forced, append.

        Args:
            region: Whose log it is for, the issuer's own if not given.
            change: Tampers with the act before it is signed.
            stale: Rely on the last view there is, if there is one.
        """
        region = region or issuer[:6]
        log = self.logs[region]
        kind = judge.kind_of(KINDS, kind_name, 1)
        own = self.newest(region, subject)
        draft = Draft(
            kind=kind_name,
            version=1,
            issuer=issuer,
            subject=subject,
            time_s=self.now_s,
            body=body,
        )
        needs = judge.wants(kind, draft, own, region, ROSTER)
        views: dict[str, ViewFact] = {}
        for need in needs:
            if need.origin is not None and need.origin not in views:
                of = ROSTER.region_of_origin(need.origin)
                known = self.viewed.get((region, of)) if stale else None
                views[need.origin] = known or self.view(region, of)
        facts = {need.name: self._resolve(region, need, views) for need in needs}
        citations = [
            Citation("view", origin, view.index, view.leaf) for origin, view in views.items()
        ]
        for need in needs:
            fact = facts[need.name]
            if need.cite and fact is not None:
                citations.append(Citation(need.name, fact.origin, fact.index, fact.leaf))
        if corrects is not None:
            citations.append(log.cite("corrects", corrects))
        previous = None if own is None else own.leaf
        act = change(Act(kind_name, 1, previous, tuple(citations), body))
        signer = key(issuer, "issuer") if len(issuer) == 6 else key(issuer)
        statement = sign_statement(signer, issuer, subject, self.now_s, act)
        signer_row = facts.get(judge.SIGNER)
        acting = Acting(
            statement=statement,
            origin=log.origin,
            region=region,
            index=len(log.statements),
            roster=ROSTER,
            own=own,
            signer=signer_row,
            facts=facts,
            views=views,
            seats=judge.seats_of(signer_row, lambda name: self.newest(region, name)),
            corrected=judge.corrected(
                act,
                subject,
                log.origin,
                below=lambda index: self.newest(region, subject, index),
                made_at=lambda index: log.statements[index],
                newest=lambda name: self.newest(region, name),
            ),
        )
        try:
            judgement = judge.judge(kind, acting, needs)
        except LedgerError:
            if force:
                log.statements.append(statement)
            raise
        self._append(log, statement, judgement)
        return judgement

    def _resolve(self, region: str, need: Need, views: Mapping[str, ViewFact]) -> Fact | None:
        if need.origin is None:
            return self.newest(region, need.object)
        view = views[need.origin]
        return self.newest(ROSTER.region_of_origin(need.origin), need.object, view.size)

    def _append(self, log: Log, statement: Statement, judgement: Judgement) -> None:
        index = len(log.statements)
        log.statements.append(statement)
        self.judgements[log.origin, index] = judgement
        subject_changes = [it for it in judgement.changes if it.object == statement.subject]
        assert len(subject_changes) == 1, "the next act on the subject could not follow this one"
        for change in judgement.changes:
            fact = Fact(log.origin, change.object, index, statement.leaf, change.state)
            self.facts.setdefault((log.origin, change.object), []).append(fact)

    # ---- steps that many tests take -------------------------------------------------------------

    def enrol(self) -> "World":
        """Enrol everybody."""
        name = {"name": "人力资源和社会保障厅"}
        for unit in (HRSS_SC, HRSS, HEALTH, HRSS_CQ, HALL, HALL_CQ):
            self.do("party.enrol", unit[:6], unit, name)
        window = {"name": "跨省通办三号窗口", "hall": HALL, "department": HRSS_SC}
        self.do("party.enrol", SICHUAN, WINDOW, window)
        self.do("party.enrol", SICHUAN, WINDOW_2, window)
        self.do(
            "party.enrol",
            CHONGQING,
            WINDOW_CQ,
            {"name": "一号窗口", "hall": HALL_CQ, "department": HRSS_CQ},
        )
        for who, unit, roles in (
            (CLERK, WINDOW, ["receive"]),
            (CLERK_2, WINDOW_2, ["receive"]),
            (CHIEF, HALL, ["manage"]),
            (HEAD_SC, HRSS_SC, ["archive", "decide", "grant", "manage", "receive"]),
            (HEAD, HRSS, ["archive", "decide", "grant", "manage", "receive"]),
            (DECIDER, HRSS, ["decide"]),
            (OUTSIDER, HEALTH, ["decide", "grant", "manage", "receive"]),
            (CLERK_CQ, WINDOW_CQ, ["manage", "receive"]),
        ):
            self.do("party.enrol", who[:6], who, officer(unit, who, roles))
        return self

    def lend(self, **changes: Any) -> "World":
        """Publish the item; Tibet lends rights over it, Sichuan accepts."""
        self.do("item.publish", HEAD, ITEM, ITEM_BODY)
        self.do("grant.offer", HEAD, GRANT, GRANT_BODY | changes)
        self.do("grant.accept", CHIEF, GRANT, {"window": WINDOW, "item": ITEM})
        return self

    def open(self, **changes: Any) -> "World":
        """Open the case at the Sichuan window."""
        body = {name: it for name, it in (OPEN_BODY | changes).items() if it is not None}
        self.do("case.open", CLERK, CASE, body)
        return self

    def hand_over(self, giver: str, unit: str, taker: str) -> "World":
        """Offer, accept, release."""
        self.do("handoff.offer", giver, CASE, {"unit": unit})
        self.do("handoff.accept", taker, CASE, {"holder": giver[:6]})
        self.do("handoff.release", giver[:6], CASE, {})
        return self

    def deciding(self) -> "World":
        """Hand the case to Tibet, where it can be decided."""
        return self.hand_over(CLERK, HRSS, HEAD)

    def back(self, result: str = "granted") -> "World":
        """Decide in Tibet, and hand back to the window."""
        self.deciding().do("case.decide", DECIDER, CASE, DECIDE_BODY | {"result": result})
        return self.hand_over(HEAD, WINDOW, CLERK)

    def holders(self, case: str = CASE) -> list[str]:
        """Regions that hold the case, told from all logs at once as an outsider would."""
        held = []
        for region in REGIONS:
            own = self.newest(region, case)
            if own is None:
                continue
            at = own.state["at"]
            if at in {"held", "offered", "accepted", "declined"}:
                held.append(region)
            elif at == "answered":
                source = self.newest(own.state["from"], case)
                if (
                    source is not None
                    and source.state["at"] == "away"
                    and (source.state["n"], source.state["to"]) == (own.state["n"], own.state["to"])
                ):
                    held.append(region)
        return held


def previous_of(leaf: bytes | None) -> Callable[[Act], Act]:
    """A change that gives an act another ``previous``."""
    return lambda act: act._replace(previous=leaf)


def make_stages() -> tuple[World, World, World]:
    """Make the worlds that most tests begin with: all enrolled, an item lent, a case opened."""
    enrolled = World().enrol()
    lent = enrolled.copy().lend()
    return enrolled, lent, lent.copy().open()


ENROLLED, LENT, OPENED = make_stages()
"""Each test takes a copy of one; the tests of hostile writers make them anew."""
