"""What is recorded beside a case: reviews, consents, 容缺, procedures, parcels, prints, helpers.

None of these changes the case itself: each is a record of its own that mentions it, so that the
case's trace finds it.
"""

from typing import Any, Final

from authz import party
from authz.custody import HOLDING, At
from authz.item import version_object
from authz.party import DECIDE, MANAGE, RECEIVE
from authz.records import NEW, About, Life, Row, Side, Signer, Step, once_object
from authz.right import Right
from authz.shared_papers import bundled
from authz.tables.items import beside
from authz.tables.words import (
    CASE,
    CASE_MAYBE,
    DIGEST,
    DUE,
    EVIDENCE,
    ITEM,
    REASON,
    REMARK,
    TO,
    code,
    codes,
    date,
    digest,
    digests,
    kind_of_step,
    number,
    object_,
    parties,
    party_,
    text,
)
from authz.unsettled import PAPERS, PARTS, check_papers, counted, needs_in, own_need
from authz.use import check_lent, grant_needs
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Field, Kind, Need

_DESK: Final = (DECIDE, RECEIVE)


def _once(subject: str, event: str) -> Life:
    """Return the life of what is recorded once and never changes."""
    return Life(subject=subject, steps={(NEW, event): "recorded"})


FORM_REVIEW: Final = _once("form-review", "review.form")
IDENTITY_CHECK: Final = _once("identity-check", "identity.check")
FIRST_CONTACT: Final = _once("first-contact", "contact.first")
CHANNEL: Final = _once("channel", "channel.choose")
SHARE: Final = _once("data-share", "share.use")
PAPER: Final = _once("paper-request", "paper.ask")
CHALLENGE: Final = Life(
    subject="challenge",
    steps={
        (NEW, "challenge.raise"): "raised",
        ("raised", "challenge.answer:overturned"): "overturned",
        ("raised", "challenge.answer:upheld"): "upheld",
    },
    ended=frozenset({"overturned", "upheld"}),
)
ASSISTANCE: Final = Life(
    subject="assistance",
    steps={
        (NEW, "assist.consent"): "consented",
        ("consented", "assist.file"): "filed",
        ("consented", "assist.withdraw"): "withdrawn",
    },
    ended=frozenset({"filed", "withdrawn"}),
    absent="no-consent",
)
AGENT: Final = Life(
    subject="agent-engagement",
    steps={(NEW, "agent.engage"): "engaged", ("engaged", "agent.end"): "ended"},
    ended=frozenset({"ended"}),
)
PART: Final = Life(
    subject="part",
    steps={
        (NEW, "part.ask"): "asked",
        ("asked", "part.answer:done"): "done",
        ("asked", "part.answer:refused"): "refused",
        ("done", "part.join"): "joined",
        ("asked", "part.withdraw"): "withdrawn",
        ("refused", "part.withdraw"): "withdrawn",
    },
    ended=frozenset({"joined", "withdrawn"}),
)
BUNDLE: Final = Life(
    subject="bundle",
    steps={
        (NEW, "bundle.open"): "open",
        ("open", "bundle.add"): "open",
        ("open", "bundle.close"): "closed",
    },
    ended=frozenset({"closed"}),
)
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
VIDEO: Final = Life(
    subject="video-session",
    steps={
        (NEW, "video.start"): "running",
        ("running", "video.end:done"): "ended",
        ("running", "video.end:failed"): "ended",
    },
    ended=frozenset({"ended"}),
)
PARCEL: Final = Life(
    subject="parcel",
    steps={
        (NEW, "parcel.send"): "sent",
        ("sent", "parcel.receive:damaged"): "damaged",
        ("sent", "parcel.receive:intact"): "received",
        ("sent", "parcel.lose"): "lost",
    },
    ended=frozenset({"received", "damaged", "lost"}),
)
PRINT: Final = Life(
    subject="print",
    steps={(NEW, "print.record"): "printed", ("printed", "print.void"): "void"},
    ended=frozenset({"void"}),
)
CERTIFICATE_USE: Final = Life(
    subject="certificate-consent",
    steps={
        (NEW, "consent.give"): "given",
        ("given", "consent.use"): "given",
        ("given", "consent.spend"): "spent",
        ("given", "consent.withdraw"): "withdrawn",
    },
    ended=frozenset({"spent", "withdrawn"}),
    absent="no-consent",
)
LIVES: Final = (
    FORM_REVIEW,
    IDENTITY_CHECK,
    FIRST_CONTACT,
    CHANNEL,
    SHARE,
    PAPER,
    CHALLENGE,
    ASSISTANCE,
    AGENT,
    PART,
    BUNDLE,
    TOLERANCE,
    PROCEDURE,
    COMMITMENT,
    VIDEO,
    PARCEL,
    PRINT,
    CERTIFICATE_USE,
)


# ---- what is missing: 容缺 ----------------------------------------------------------------------


def _tolerance_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    body = draft.body
    item = body["item"]
    return (
        Need("version", version_object(item, body["item_version"]), item[:6], cite=True),
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
    _check_pinned(acting, case)  # (1)
    _check_undecided(case)
    exclusion, version = acting.facts["exclusion"], acting.facts["version"]
    if exclusion is not None and exclusion.live:  # (2)
        raise RefusedError(f"{body['item']} is never taken in incomplete", code="excluded-class")
    if version is None:
        raise RefusedError("the pinned item version is not within sight", code="unknown-object")
    if not body["missing"]:
        raise MalformedError("nothing is missing", code="bad-field")
    for material in body["missing"]:  # (3)
        if material not in version.state["tol"]:
            raise RefusedError(f"not on the tolerable list: {material}", code="not-tolerable")
    return (counted(acting, body["case"], PAPERS, 1),)


def _check_undecided(case: Fact) -> None:
    """Check that nothing is decided or offered: what is open goes along as of the offer."""
    if case.state["stage"] not in {"received", "noticed", "supplemented"}:
        raise RefusedError(f"the case is {case.state['stage']} already", code="wrong-state")
    if case.state["at"] != At.HELD:
        raise RefusedError("the case is offered, and waits for the answer", code="offer-open")


def _check_pinned(acting: Acting, case: Fact) -> None:
    body = acting.act.body
    if (case.state.get("item"), case.state.get("v")) != (body["item"], body["item_version"]):
        raise RefusedError(
            f"the case is done under version {case.state.get('v')} of {case.state.get('item')}",
            code="item-not-live",
        )


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


# ---- parts that other places owe ---------------------------------------------------------------


def _part_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return what is open of the case that the part belongs to."""
    case = draft.body.get("case") if own is None else own.state["case"]
    return () if case is None else (own_need(case, draft.issuer[:6]),)


def _check_part(acting: Acting, _before: Row, after: Row) -> tuple[Change, ...]:
    """Check that the case is not decided yet; it waits for the part from here on."""
    case = acting.facts["case"]
    assert case is not None  # the step has looked
    _check_undecided(case)
    return (counted(acting, after["case"], PARTS, 1),)


def _check_part_over(acting: Acting, _before: Row, after: Row) -> tuple[Change, ...]:
    """Check that the part is back or not needed: the case waits for it no more."""
    return (counted(acting, after["case"], PARTS, -1),)


# ---- procedures that stop the clock ------------------------------------------------------------


def _procedure_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    item = draft.body["item"]
    return (Need("list", beside(item, "procedure-list"), item[:6], cite=True),)


def _check_procedure(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the clock stops only for a procedure on the item's list."""
    body, case, listed = acting.act.body, acting.facts["case"], acting.facts["list"]
    assert case is not None  # the step has looked
    _check_pinned(acting, case)
    if listed is None or body["procedure"] not in listed.state["procedures"]:
        raise RefusedError(
            f"{body['item']} lists no procedure {body['procedure']}", code="procedure-not-listed"
        )
    return ()


# ---- printing and handing over elsewhere ---------------------------------------------------------


def _print_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    body = draft.body
    needs = (
        Need("case", body["case"]),
        Need("decision", body["case"], body["decided_in"][:6], cite=True),
        *needs_in(body["case"], draft.issuer[:6], (body["decided_in"][:6],)),
    )
    return (*needs, *grant_needs(body))


def _check_print(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a certificate is printed only once it is decided, and by who may deliver it.

    1. The owning place has decided to grant it, and has released the case to this unit or holds it
       in it; the first act here after the release need not have come yet.
    2. Nothing is still missing of what was let follow later.
    3. For another place, a grant lends the right to deliver.
    """
    body, decision, own = acting.act.body, acting.facts["decision"], acting.facts["case"]
    if decision is None or "result" not in decision.state:  # (1)
        raise RefusedError("no decision is within sight", code="not-decided")
    row: Row = decision.state
    if row["item"][:6] != body["decided_in"][:6] or row["result"] == "refused":
        raise RefusedError(f"the decision there is {row['result']}", code="not-decided")
    signer = acting.signer
    assert signer is not None  # only an officer prints
    if not _holds(own, row, signer.state["unit"]):
        raise RefusedError("the case is not with this unit", code="not-holder")
    check_papers(acting)  # (2)
    check_lent(acting, row, Right.DELIVER)  # (3)
    return ()


def _holds(own: Fact | None, decided: Row, unit: str) -> bool:
    if own is None:
        return False
    if own.state["at"] in HOLDING:
        return bool(own.state["unit"] == unit)
    return (own.state["at"], decided["at"]) == (At.ANSWERED, At.AWAY) and (
        own.state["n"],
        own.state["to"],
        unit,
    ) == (decided["n"], decided["to"], decided["to"])


# ---- promises (告知承诺) ----------------------------------------------------------------------


def _decider(acting: Acting) -> Row:
    """Return to whom a promise is made: the department that decides on the case, and checks it."""
    case = acting.facts["case"]
    assert case is not None  # the step has looked
    return {"to": case.state["dept"]}


def _check_decider(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that only the department that was promised looks into it, and revokes (我撤销)."""
    if party.person(acting).state.get("dept") != before["to"]:
        raise RefusedError(f"the promise was made to {before['to']}", code="not-competent")
    return ()


# ---- consent ------------------------------------------------------------------------------------


def _check_free(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that help costs the applicant nothing (无偿)."""
    if acting.act.body["fee_fen"]:
        raise RefusedError("helping the applicant is free of charge", code="not-free")
    return ()


def _check_consent(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a certificate is used as its holder agreed: by whom, on what, in time."""
    body, case = acting.act.body, acting.facts["case"]
    assert case is not None  # the step has looked
    _check_delegate(acting, before["delegate"])
    if case.state.get("item") != before["item"]:
        raise RefusedError(f"the holder agreed to its use on {before['item']}", code="no-consent")
    if acting.statement.time_s >= before["valid_until"]:
        raise RefusedError("the consent is out of its term", code="no-consent")
    if body["purpose"] != before["purpose"]:
        raise RefusedError(f"the holder agreed to {before['purpose']}", code="wrong-purpose")
    if (before["uses"] == "once") != (acting.act.kind == "consent.spend"):
        raise RefusedError(f"the holder agreed to use it: {before['uses']}", code="wrong-state")
    return ()


def _check_delegate(acting: Acting, delegate: str) -> None:
    signer = party.person(acting)
    if delegate not in {acting.region, signer.state["unit"], signer.object}:
        raise RefusedError(f"the holder agreed to its use by {delegate}", code="no-consent")


def _check_contents(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a parcel called intact holds what was sent."""
    body = acting.act.body
    if body["state"] == "intact" and body["contents"] != before["contents"]:
        raise RefusedError("something else was sent", code="wrong-document")
    return ()


def _check_bundled(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a case of the bundle asks for none of its papers again."""
    return (bundled(acting, acting.act.body["case"], before.get("received", [])),)


def _check_span(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that what has ended began before."""
    if acting.act.body["ended"] < before["started"]:
        raise MalformedError("it ended before it began", code="bad-field")
    return ()


def _check_colleague(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a challenge is of a check that another unit has made."""
    if party.person(acting).state["unit"] == acting.act.body["to"]:
        raise RefusedError("a unit does not challenge itself", code="wrong-state")
    return ()


def _asked_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    body = draft.body
    shared = once_object(draft.issuer[:6], SHARE.subject, body["case"], body["material"])
    return (Need("shared", shared),)


def _check_asked(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that no paper is asked for whose data are shared already."""
    if acting.facts["shared"] is not None:
        raise RefusedError("the data of this paper are here already", code="asked-again")
    return ()


_GRANT: Final = object_("grant", "依据的授权", "the grant it rests on", optional=True)
_MATERIAL: Final = code("材料", "paper")
_VERSION_OF_ITEM: Final = number("事项版本", "item version")
_PURPOSE: Final = code("用途", "purpose")
_CONSENT: Final = digest("同意书承诺值(加盐)", "salted commitment to the consent")
_16: Final = "16 全程网办"
_18: Final = "18 多地联办"
_26: Final = "26 容缺受理"
_28: Final = "28 现场勘验/技术审查/听证, 27 限时办结"
_29: Final = "29 告知承诺制"
_31: Final = "31 邮政寄递/双向物流, 34 结果送达"
_38: Final = "38 一件事集成"
_55: Final = "55 授权用证/委托用证/亮证"
_USE_FIELDS: Final[dict[str, Field]] = {"purpose": _PURPOSE, "case": CASE, "log": DIGEST}


def _step(life: Life, event: str, **more: Any) -> Step:  # noqa: ANN401 - the fields of a Step
    """Return a step of a desk officer: who receives or decides."""
    return Step(life=life, event=event, **({"roles": _DESK} | more))


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        _step(FORM_REVIEW, "review.form", about=About.HELD, lent=Right.INTAKE, relies_on="grant"),
        "形式审查",
        "review the form of the papers",
        {
            "case": CASE,
            "checklist": digest("核查表摘要", "digest of the checklist"),
            "grant": _GRANT,
            "result": code("结果", "result", "complete", "incomplete"),
            "remark": REMARK,
        },
        question="What was checked, against which checklist?",
        source="21 形式审查/身份核验",
    ),
    kind_of_step(
        _step(
            IDENTITY_CHECK, "identity.check", about=About.HELD, lent=Right.VERIFY, relies_on="grant"
        ),
        "身份核验",
        "check the applicant's identity",
        {
            "case": CASE,
            "method": code("方式", "method", "card", "face", "login", "video"),
            "result": code("结果", "result", "match", "mismatch"),
            "evidence": digest("核验凭据承诺值(加盐)", "salted commitment to the evidence"),
            "grant": _GRANT,
        },
        question="How was the applicant's identity checked?",
        source="21 形式审查/身份核验",
    ),
    kind_of_step(
        _step(FIRST_CONTACT, "contact.first", roles=(DECIDE, MANAGE, RECEIVE)),
        "首问登记",
        "record a first contact",
        {
            "case": CASE_MAYBE,
            "matter": code("咨询类别", "class of matter"),
            "passed_to": party_("转交", "passed on to", optional=True),
        },
        question="Was the applicant bounced?",
        source="25 首问负责",
    ),
    kind_of_step(
        _step(CHANNEL, "channel.choose", about=About.KNOWN, once_per=("case",)),
        "渠道选择",
        "record the channel that the applicant chose",
        {
            "case": CASE,
            "channel": code("渠道", "channel", "counter", "kiosk", "online", "post"),
            "consent": _CONSENT,
        },
        question="Did the applicant choose the channel?",
        source="43 不得重复提交/不得强制线上",
    ),
    kind_of_step(
        _step(
            SHARE,
            "share.use",
            about=About.HELD,
            lent=Right.INTAKE,
            relies_on="grant",
            once_per=("case", "material"),
        ),
        "以共享数据免交材料",
        "use shared data in place of a paper",
        {
            "case": CASE,
            "material": _MATERIAL,
            "dataset": code("数据目录编码", "code of the data"),
            "response": digest("数据承诺值(加盐)", "salted commitment to the answer"),
            "grant": _GRANT,
        },
        question="Which papers needed not be brought?",
        source="56 免证办/一证通办, 43 不得重复提交/不得强制线上",
    ),
    kind_of_step(
        _step(
            PAPER,
            "paper.ask",
            about=About.HELD,
            lent=Right.NOTICE,
            relies_on="grant",
            once_per=("case", "material"),
            wants=_asked_needs,
            check=_check_asked,
        ),
        "要求提交纸质材料",
        "ask for a paper though data could be shared",
        {
            "case": CASE,
            "material": _MATERIAL,
            "issued_by": party_("核发部门", "who issued it", optional=True),
            "grant": _GRANT,
            "reason": REASON,
        },
        question="Was a government-issued paper still asked for, and why?",
        source="56 免证办/一证通办, 43 不得重复提交/不得强制线上",
    ),
    kind_of_step(
        _step(CHALLENGE, "challenge.raise", about=About.HELD, check=_check_colleague),
        "对核验提出异议",
        "challenge a colleague's check",
        {
            "case": CASE,
            "to": party_("原核验窗口", "window that made the check"),
            "check": digest("被异议条目哈希", "leaf hash of the check"),
            "reason": REASON,
            "due": DUE,
        },
        question="Why was a check done again?",
        source="7 信任为先 / 窗口+后台",
    ),
    kind_of_step(
        _step(
            CHALLENGE,
            "challenge.answer",
            branch="outcome",
            side=Side.ADDRESSEE,
            keep=("outcome",),
        ),
        "答复异议",
        "answer a challenge",
        {
            "outcome": code("结果", "outcome", "overturned", "upheld"),
            "remark": REMARK,
            "evidence": EVIDENCE,
        },
        question="How often is a window's check overturned?",
        source="7 信任为先 / 窗口+后台",
    ),
    kind_of_step(
        _step(ASSISTANCE, "assist.consent", keep=("scope",)),
        "同意帮办申报",
        "record that the applicant agrees to be helped",
        {
            "consent": _CONSENT,
            "scope": codes("范围", "what the helper may do"),
            "item": ITEM,
        },
        question="Did the applicant agree before anybody helped?",
        source=_16,
    ),
    kind_of_step(
        _step(ASSISTANCE, "assist.file", about=About.KNOWN),
        "辅助网上申报",
        "help an applicant to file",
        {
            "case": CASE,
            "signature": digest("申请人签名承诺值(加盐)", "salted commitment to their signature"),
        },
        question="Did a helper act for the applicant without consent?",
        source=_16,
    ),
    kind_of_step(
        _step(ASSISTANCE, "assist.withdraw"),
        "撤回帮办同意",
        "withdraw the consent to be helped",
        {"consent": digest("撤回凭据承诺值(加盐)", "salted commitment to the withdrawal")},
        question="Until when could the helper act?",
        source=_16,
    ),
    kind_of_step(
        _step(
            AGENT,
            "agent.engage",
            roles=(DECIDE, MANAGE, RECEIVE),
            keep=("agent",),
            check=_check_free,
        ),
        "帮办代办陪办",
        "engage a helper",
        {
            "case": CASE_MAYBE,
            "agent": party_("帮办人员", "who helps"),
            "consent": _CONSENT,
            "scope": codes("范围", "what they may do"),
            "fee_fen": number("收费(分)", "fee in fen, which is 0"),
        },
        question="Was there consent, and any fee?",
        source="35 帮办代办陪办",
    ),
    kind_of_step(
        _step(AGENT, "agent.end", roles=(DECIDE, MANAGE, RECEIVE)),
        "帮办结束",
        "end an engagement",
        {"reason": REASON},
        question="Until when did they help?",
        source="35 帮办代办陪办",
    ),
    kind_of_step(
        _step(PART, "part.ask", about=About.HELD, wants=_part_needs, check=_check_part),
        "交办联办分项",
        "ask another place for its part",
        {
            "case": CASE,
            "to": TO,
            "part": code("分项", "part"),
            "materials": digests("材料承诺值(加盐)", "salted commitments", optional=True),
            "due": DUE,
        },
        question="Which place owed which part, and by when?",
        source=_18,
    ),
    kind_of_step(
        _step(
            PART,
            "part.answer",
            branch="outcome",
            side=Side.ADDRESSEE,
            keep=("outcome", "result"),
        ),
        "办结联办分项",
        "answer with a part",
        {
            "outcome": code("结果", "outcome", "done", "refused"),
            "result": digest("分项结果摘要", "digest of the part's result"),
            "remark": REMARK,
        },
        question="Which place was late?",
        source=_18,
    ),
    kind_of_step(
        _step(PART, "part.join", wants=_part_needs, check=_check_part_over),
        "汇总联办分项",
        "join a part to the one result",
        {"result": digest("汇总结果摘要", "digest of the joint result")},
        question="Was every part there before the one result?",
        source=_18,
    ),
    kind_of_step(
        _step(PART, "part.withdraw", wants=_part_needs, check=_check_part_over),
        "撤回联办分项",
        "withdraw a part",
        {"reason": REASON},
        question="Why was the part not needed?",
        source=_18,
    ),
    kind_of_step(
        _step(BUNDLE, "bundle.open", keep=("theme", "received")),
        "一件事收件",
        "open a bundle of cases",
        {
            "theme": code("主题", "theme"),
            "received": codes("共用材料", "papers handed in once for all", optional=True),
            "materials": digests("共用材料承诺值(加盐)", "salted commitments to the papers"),
        },
        question="Which papers were handed in once for all?",
        source=_38,
    ),
    kind_of_step(
        _step(
            BUNDLE,
            "bundle.add",
            about=About.KNOWN,
            once_per=("case",),
            check=_check_bundled,
        ),
        "加入一件事",
        "add a case to a bundle",
        {"case": CASE},
        question="Which cases belong to it, and did one ask again?",
        source=_38,
    ),
    kind_of_step(
        _step(BUNDLE, "bundle.close"),
        "一件事办结",
        "close a bundle",
        {"evidence": EVIDENCE},
        question="When was all of it done?",
        source=_38,
    ),
    kind_of_step(
        _step(
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
            "item_version": _VERSION_OF_ITEM,
            "missing": codes("容缺材料", "papers to follow"),
            "consent": digest("申请人承诺书承诺值(加盐)", "salted commitment to their promise"),
            "grant": _GRANT,
            "due": date("补齐期限", "to follow by"),
        },
        question="Was the missing paper on the published list?",
        source=_26,
    ),
    kind_of_step(
        _step(
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
    ),
    kind_of_step(
        _step(TOLERANCE, "tolerance.lapse", check=_check_lapse),
        "逾期未补",
        "record that it never came",
        {"reason": REASON},
        question="What became of what never came?",
        source=_26,
    ),
    kind_of_step(
        _step(
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
            "item_version": _VERSION_OF_ITEM,
            "procedure": code("特别程序", "procedure"),
            "notice": digest("告知书摘要", "digest of the letter that tells the applicant"),
        },
        question="Who stopped the clock, and by which entry of the list?",
        source=_28,
    ),
    kind_of_step(
        _step(PROCEDURE, "procedure.end", roles=(DECIDE,)),
        "特别程序结束",
        "end a procedure; the clock goes on",
        {"result": digest("结论摘要", "digest of the outcome")},
        question="How long did the clock stand?",
        source=_28,
    ),
    kind_of_step(
        _step(
            COMMITMENT,
            "commitment.make",
            about=About.HELD,
            lent=Right.INTAKE,
            relies_on="grant",
            noted=_decider,
            once_per=("case",),
        ),
        "告知承诺",
        "record the applicant's promise",
        {
            "case": CASE,
            "materials": codes("以承诺代替的材料", "papers that the promise stands for"),
            "promise": digest("承诺书承诺值(加盐)", "salted commitment to the promise"),
            "grant": _GRANT,
            "due": date("核查期限", "to be checked by"),
        },
        question="What was promised in place of which papers?",
        source=_29,
    ),
    kind_of_step(
        _step(
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
    ),
    kind_of_step(
        _step(
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
        receives_only=False,
    ),
    kind_of_step(
        _step(COMMITMENT, "commitment.push", side=Side.EITHER, roles=(DECIDE, MANAGE)),
        "推送失信信息",
        "push a breach to the credit platform",
        {"receipt": digest("回执摘要", "digest of the platform's receipt")},
        question="Did the credit platform get it?",
        source="29 告知承诺制, 68 信用",
    ),
    kind_of_step(
        _step(VIDEO, "video.start", about=About.KNOWN, keep=("started",)),
        "视频会商开始",
        "start a video session",
        {
            "case": CASE,
            "parties": parties("参加方", "who takes part"),
            "purpose": code("用途", "purpose", "intake", "meeting", "verify"),
            "started": date("开始", "from"),
        },
        question="Who took part?",
        source="30 视频会商/视频核验",
    ),
    kind_of_step(
        _step(VIDEO, "video.end", branch="outcome", check=_check_span),
        "视频会商结束",
        "end a video session",
        {
            "outcome": code("结果", "outcome", "done", "failed"),
            "ended": date("结束", "until"),
            "recording": digest("录像摘要(SM3)", "SM3 digest of the recording"),
            "retention": code("保存期限", "retention", "10y", "30y", "permanent"),
        },
        question="Is the recording intact?",
        source="30 视频会商/视频核验",
    ),
    kind_of_step(
        _step(PARCEL, "parcel.send", about=About.KNOWN, keep=("contents", "direction")),
        "寄出",
        "send a parcel",
        {
            "case": CASE,
            "to": party_("收件方(申请人填本窗口)", "receiver; for an applicant, this window"),
            "direction": code("内容", "what it holds", "papers", "result"),
            "tracking": digest("运单号承诺值(加盐)", "salted commitment to the tracking number"),
            "contents": digest("内件清单摘要", "digest of the list of contents"),
            "seal_number": code("封签号", "number of the seal", optional=True),
            "due": date("送达期限", "to arrive by"),
        },
        question="Who sent what, and when?",
        source=_31,
    ),
    kind_of_step(
        _step(
            PARCEL,
            "parcel.receive",
            branch="state",
            side=Side.ADDRESSEE,
            check=_check_contents,
        ),
        "签收",
        "receive a parcel",
        {
            "state": code("状况", "state", "damaged", "intact"),
            "contents": digest("内件清单摘要", "digest of the list of contents"),
            "remark": REMARK,
        },
        question="Did all that was sent arrive?",
        source=_31,
    ),
    kind_of_step(
        _step(PARCEL, "parcel.lose"),
        "寄递遗失",
        "record a parcel as lost",
        {"evidence": EVIDENCE, "remark": REMARK},
        question="Lost between whom?",
        source=_31,
    ),
    kind_of_step(
        _step(
            PRINT,
            "print.record",
            roles=(RECEIVE,),
            once_per=("blank",),
            relies_on="grant",
            wants=_print_needs,
            check=_check_print,
        ),
        "就近打证",
        "print a certificate",
        {
            "case": CASE,
            "decided_in": party_("作出决定的地区", "region that decided"),
            "certificate": digest("证照编号承诺值(加盐)", "salted commitment to its number"),
            "blank": code("空白证照号", "number of the blank"),
            "grant": _GRANT,
        },
        question="Was it printed only after the decision, and does the stock of blanks add up?",
        source="33 就近打证/颁证",
        receives_only=False,
    ),
    kind_of_step(
        _step(PRINT, "print.void", roles=(RECEIVE,)),
        "作废",
        "void a print",
        {"reason": REASON},
        question="What became of the blank?",
        source="33 就近打证/颁证",
    ),
    kind_of_step(
        _step(
            CERTIFICATE_USE,
            "consent.give",
            signer=Signer.BOTH,
            keep=("purpose", "valid_until", "uses", "delegate", "item"),
        ),
        "授权用证",
        "record a holder's consent to use a certificate",
        {
            "consent": _CONSENT,
            "certificate": code("证照类型", "type of the certificate"),
            "delegate": party_("被授权方", "who may use it"),
            "item": ITEM,
            "purpose": _PURPOSE,
            "uses": code("次数", "how often", "many", "once"),
            "valid_until": date("有效期至", "valid until"),
        },
        question="Was there consent before use?",
        source=_55,
    ),
    kind_of_step(
        _step(CERTIFICATE_USE, "consent.use", about=About.KNOWN, check=_check_consent),
        "用证",
        "use a certificate that may be used often",
        _USE_FIELDS,
        question="Does the purpose match the consent?",
        source=_55,
    ),
    kind_of_step(
        _step(CERTIFICATE_USE, "consent.spend", about=About.KNOWN, check=_check_consent),
        "用证(一次)",
        "use a certificate that may be used once",
        _USE_FIELDS,
        question="Was it used more than once?",
        source=_55,
    ),
    kind_of_step(
        _step(CERTIFICATE_USE, "consent.withdraw", signer=Signer.BOTH),
        "撤回用证授权",
        "withdraw a consent",
        {"consent": digest("撤回凭据承诺值(加盐)", "salted commitment to the withdrawal")},
        question="Was it used after it was withdrawn?",
        source=_55,
    ),
)
