"""What may follow later (容缺), what is promised (告知承诺), and what stops the clock."""

from typing import Final

from authz import party
from authz.party import DECIDE, MANAGE
from authz.records import NEW, About, Life, Row, Side
from authz.right import Right
from authz.tables.desks import GRANT_MAYBE, check_undecided, check_working, desk_step
from authz.tables.items import beside
from authz.tables.pinned import ITEM_VERSION, check_pinned, pinned_need, pinned_version
from authz.tables.words import (
    CASE,
    EVIDENCE,
    ITEM,
    REASON,
    code,
    codes,
    date,
    digest,
    digests,
    kind_of_step,
    text,
)
from authz.unsettled import PAPERS, counted, own_need
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Kind, Need

TOLERANCE: Final = Life(
    subject="tolerance",
    steps={
        (NEW, "tolerance.accept"): "open",
        ("open", "tolerance.settle"): "settled",
        ("open", "tolerance.lapse"): "lapsed",
    },
    ended=frozenset({"settled", "lapsed"}),
)
PROCEDURE: Final = Life(
    subject="procedure",
    steps={(NEW, "procedure.start"): "running", ("running", "procedure.end"): "ended"},
    ended=frozenset({"ended"}),
)
COMMITMENT: Final = Life(
    subject="commitment",
    steps={
        (NEW, "commitment.make"): "made",
        ("made", "commitment.check:kept"): "kept",
        ("made", "commitment.check:breached"): "breached",
        ("breached", "commitment.revoke"): "revoked",
        ("revoked", "commitment.push"): "pushed",
    },
    ended=frozenset({"kept", "pushed"}),
)
LIVES: Final = (TOLERANCE, PROCEDURE, COMMITMENT)


def _tolerance_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    body = draft.body
    item = body["item"]
    return (
        pinned_need(body),
        Need("exclusion", beside(item, "exclusion"), item[:6], cite=True),
        own_need(body["case"], draft.issuer[:6]),
    )


def _check_tolerance(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that only what is published as tolerable is let follow later, and counted.

    1. The case is one of this very item version, and not yet decided or withdrawn.
    2. The item is of no excluded class.
    3. Every paper is on the version's tolerable list.
    """
    body, case = acting.act.body, acting.facts["case"]
    assert case is not None  # the step has looked
    check_pinned(acting)  # (1)
    check_undecided(case)
    exclusion = acting.facts["exclusion"]
    if exclusion is not None and exclusion.live:  # (2)
        raise RefusedError(f"{body['item']} is never taken in incomplete", code="excluded-class")
    version = pinned_version(acting)
    if not body["missing"]:
        raise MalformedError("nothing is missing", code="bad-field")
    for material in body["missing"]:  # (3)
        if material not in version.state["tol"]:
            raise RefusedError(f"not on the tolerable list: {material}", code="not-tolerable")
    return (counted(acting, body["case"], PAPERS, 1),)


def _settle_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return what is open of the case that an open record is about."""
    return () if own is None else (own_need(own.state["case"], draft.issuer[:6]),)


def _check_settlement(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that all that was missing has come, and is counted off."""
    left = [it for it in before["missing"] if it not in acting.act.body["received"]]
    if left:
        raise RefusedError(f"still missing: {left[0]}", code="unsettled")
    return (counted(acting, before["case"], PAPERS, -1),)


def _check_lapse(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the time for it is over; the case is then decided without the papers."""
    if acting.statement.time_s <= before["due"]:
        raise RefusedError("the papers may still come", code="wrong-state")
    # The count stays: what was never settled is never handed over.
    return ()


def _procedure_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    item = draft.body["item"]
    return (Need("list", beside(item, "procedure-list"), item[:6], cite=True),)


def _check_procedure(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the clock stops only for a procedure on the item's list."""
    body, case, listed = acting.act.body, acting.facts["case"], acting.facts["list"]
    assert case is not None  # the step has looked
    check_pinned(acting)
    check_working(case)
    if listed is None or body["procedure"] not in listed.state["procedures"]:
        raise RefusedError(
            f"{body['item']} lists no procedure {body['procedure']}", code="procedure-not-listed"
        )
    return ()


def _decider(acting: Acting) -> Row:
    """Return to whom a promise is made: the department that decides on the case, and checks it."""
    case = acting.facts["case"]
    assert case is not None  # the step has looked
    return {"to": case.state["dept"]}


def _check_promised(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that what is promised can still be decided on."""
    case = acting.facts["case"]
    assert case is not None  # the step has looked
    check_working(case)
    return ()


def _check_decider(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that only the department that was promised looks into it, and revokes (我撤销)."""
    if party.person(acting).state.get("dept") != before["to"]:
        raise RefusedError(f"the promise was made to {before['to']}", code="not-competent")
    return ()


_26: Final = "26 容缺受理"
_28: Final = "28 现场勘验/技术审查/听证, 27 限时办结"
_29: Final = "29 告知承诺制"


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        desk_step(
            TOLERANCE,
            "tolerance.accept",
            about=About.HELD,
            lent=Right.INTAKE,
            relies_on="grant",
            keep=("missing",),
            wants=_tolerance_needs,
            check=_check_tolerance,
        ),
        "容缺受理",
        "take in a case with a paper to follow",
        {
            "case": CASE,
            "item": ITEM,
            "item_version": ITEM_VERSION,
            "missing": codes("容缺材料", "papers to follow"),
            "consent": digest("申请人承诺书承诺值(加盐)", "salted commitment to their promise"),
            "grant": GRANT_MAYBE,
            "due": date("补齐期限", "to follow by"),
        },
        question="Was the missing paper on the published list?",
        source=_26,
        cites=("acceptance", "exclusion", "grant", "unsettled", "version"),
        changes=("unsettled",),
    ),
    kind_of_step(
        desk_step(
            TOLERANCE,
            "tolerance.settle",
            timed=True,
            wants=_settle_needs,
            check=_check_settlement,
        ),
        "容缺补齐",
        "settle what was missing",
        {
            "received": codes("补齐的材料", "papers received"),
            "materials": digests("材料承诺值(加盐)", "salted commitments to the papers"),
        },
        question="Was it settled before the result was handed over?",
        source=_26,
        cites=("unsettled",),
        changes=("unsettled",),
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(TOLERANCE, "tolerance.lapse", check=_check_lapse),
        "逾期未补",
        "record that it never came",
        {"reason": REASON},
        question="What became of what never came?",
        source=_26,
    ),
    kind_of_step(
        desk_step(
            PROCEDURE,
            "procedure.start",
            roles=(DECIDE,),
            about=About.HELD,
            competent=True,
            keep=("procedure",),
            wants=_procedure_needs,
            check=_check_procedure,
        ),
        "特别程序开始",
        "start a procedure that stops the clock",
        {
            "case": CASE,
            "item": ITEM,
            "item_version": ITEM_VERSION,
            "procedure": code("特别程序", "procedure"),
            "notice": digest("告知书摘要", "digest of the letter that tells the applicant"),
        },
        question="Who stopped the clock, and by which entry of the list?",
        source=_28,
        cites=("list",),
    ),
    kind_of_step(
        desk_step(PROCEDURE, "procedure.end", roles=(DECIDE,)),
        "特别程序结束",
        "end a procedure; the clock goes on",
        {"result": digest("结论摘要", "digest of the outcome")},
        question="How long did the clock stand?",
        source=_28,
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(
            COMMITMENT,
            "commitment.make",
            about=About.HELD,
            lent=Right.INTAKE,
            relies_on="grant",
            noted=_decider,
            once_per=("case",),
            check=_check_promised,
        ),
        "告知承诺",
        "record the applicant's promise",
        {
            "case": CASE,
            "materials": codes("以承诺代替的材料", "papers that the promise stands for"),
            "promise": digest("承诺书承诺值(加盐)", "salted commitment to the promise"),
            "grant": GRANT_MAYBE,
            "due": date("核查期限", "to be checked by"),
        },
        question="What was promised in place of which papers?",
        source=_29,
        cites=("acceptance", "grant"),
        changes=("once",),
    ),
    kind_of_step(
        desk_step(
            COMMITMENT,
            "commitment.check",
            branch="result",
            side=Side.EITHER,
            roles=(DECIDE,),
            timed=True,
            check=_check_decider,
        ),
        "承诺核查",
        "check whether a promise was kept",
        {"result": code("结果", "result", "breached", "kept"), "evidence": EVIDENCE},
        question="Was the promise checked in time?",
        source=_29,
        cites=("there",),
    ),
    kind_of_step(
        desk_step(
            COMMITMENT,
            "commitment.revoke",
            side=Side.EITHER,
            roles=(DECIDE,),
            check=_check_decider,
        ),
        "失信撤销",
        "revoke what rested on a broken promise",
        {"basis": text("依据", "legal basis"), "document": digest("决定书摘要", "digest")},
        question="Was the breach acted on?",
        source=_29,
        cites=("there",),
        receives_only=False,
    ),
    kind_of_step(
        desk_step(COMMITMENT, "commitment.push", side=Side.EITHER, roles=(DECIDE, MANAGE)),
        "推送失信信息",
        "push a breach to the credit platform",
        {"receipt": digest("回执摘要", "digest of the platform's receipt")},
        question="Did the credit platform get it?",
        source="29 告知承诺制, 68 信用",
        cites=("there",),
    ),
)
