"""What is checked, asked for and met about a case: reviews, first contacts, papers, video."""

from typing import Final

from authz import party
from authz.originals import check_object
from authz.records import NEW, About, Life, Row, Side
from authz.right import Right
from authz.shared_papers import DATA_SHARE, check_not_come, come_needs
from authz.tables.desks import ANY_ROLE, CONSENT, GRANT_MAYBE, desk_step
from authz.tables.lives import recorded
from authz.tables.pinned import ITEM_VERSION, check_pinned, pinned_need, pinned_version
from authz.tables.words import (
    CASE,
    CASE_MAYBE,
    DUE,
    EVIDENCE,
    ITEM,
    REASON,
    REMARK,
    code,
    date,
    digest,
    kind_of_step,
    object_,
    parties,
    party_,
)
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Kind, Need

FORM_REVIEW: Final = recorded("form-review", "review.form")
IDENTITY_CHECK: Final = recorded("identity-check", "identity.check")
FIRST_CONTACT: Final = recorded("first-contact", "contact.first")
CHANNEL: Final = recorded("channel", "channel.choose")
SHARE: Final = recorded(DATA_SHARE, "share.use")
PAPER: Final = recorded("paper-request", "paper.ask")
CHALLENGE: Final = Life(
    subject="challenge",
    steps={
        (NEW, "challenge.raise"): "raised",
        ("raised", "challenge.answer:overturned"): "overturned",
        ("raised", "challenge.answer:upheld"): "upheld",
    },
    ended=frozenset({"overturned", "upheld"}),
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
LIVES: Final = (FORM_REVIEW, IDENTITY_CHECK, FIRST_CONTACT, CHANNEL, SHARE, PAPER, CHALLENGE, VIDEO)


def _video_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the windows of this region that take part."""
    region = draft.issuer[:6]
    return tuple(
        Need(f"window-{name}", name)
        for name in draft.body["parties"]
        if name[:6] == region and "/window/" in name
    )


def _check_video(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that whoever records a session takes part, and its windows are equipped for video."""
    unit = party.person(acting).state["unit"]
    if unit not in acting.act.body["parties"]:
        raise RefusedError(f"{unit} takes no part in the session", code="not-entitled")
    for name, window in acting.facts.items():
        if not name.startswith("window-"):
            continue
        if window is None or not window.live:
            raise RefusedError(f"no live window here: {name[7:]}", code="window-not-live")
        party.check_equipped(window.state, ["video"])
    return ()


def _check_span(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that what has ended began before."""
    if acting.act.body["ended"] < before["started"]:
        raise MalformedError("it ended before it began", code="bad-field")
    return ()


def _challenge_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    """Return the check that is challenged: originals seen, or the record of another check.

    Raises:
        MalformedError: ``bad-field``: two records are named.
    """
    body = draft.body
    if body.keys() >= _RECORDS.keys():
        raise MalformedError("a challenge is of one check", code="bad-field")
    region = body["to"][:6]
    named = [body[name] for name in _RECORDS if name in body]
    [checked] = named or [check_object(region, body["check"])]
    return (Need("checked", checked, region, cite=True),)


def _check_colleague(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a challenge cites the very check of another unit on this case."""
    body, found = acting.act.body, acting.facts["checked"]
    if party.person(acting).state["unit"] == body["to"]:
        raise RefusedError("a unit does not challenge itself", code="wrong-state")
    if found is None:
        raise RefusedError(
            f"no such check is within sight in the log of {body['to'][:6]}", code="unknown-object"
        )
    # Originals that were seen are named by the leaf, so that they are the ones.
    if found.state["case"] != body["case"] or not (
        _RECORDS.keys().isdisjoint(body) or found.leaf == body["check"]
    ):
        raise RefusedError(f"{found.object} is another check", code="wrong-document")
    if found.state["by"] != body["to"]:
        raise RefusedError(f"{found.state['by']} made the check", code="not-addressee")
    return ()


def _asked_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    body = draft.body
    return (pinned_need(body), *come_needs(draft, [body["material"]], body["case"]))


def _check_asked(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a paper asked for is on the pinned list, and has not come yet, nor its data."""
    case, material = check_pinned(acting), acting.act.body["material"]
    if material not in case.get("mat", pinned_version(acting).state["mat"]):
        raise RefusedError(
            f"not on the list of the item's version: {material}", code="extra-material"
        )
    check_not_come(acting, [material])
    return ()


_RECORDS: Final = {
    "review": object_(
        FORM_REVIEW.subject, "被异议的形式审查", "the review that it is of", optional=True
    ),
    "identity": object_(
        IDENTITY_CHECK.subject, "被异议的身份核验", "the check of identity", optional=True
    ),
}
"""Fields that name the record of a check; without one it is of originals that were seen."""
_MATERIAL: Final = code("材料", "paper")


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        desk_step(
            FORM_REVIEW, "review.form", about=About.HELD, lent=Right.INTAKE, relies_on="grant"
        ),
        "形式审查",
        "review the form of the papers",
        {
            "case": CASE,
            "checklist": digest("核查表摘要", "digest of the checklist"),
            "grant": GRANT_MAYBE,
            "result": code("结果", "result", "complete", "incomplete"),
            "remark": REMARK,
        },
        question="What was checked, against which checklist?",
        source="21 形式审查/身份核验",
        cites=("acceptance", "grant"),
    ),
    kind_of_step(
        desk_step(
            IDENTITY_CHECK, "identity.check", about=About.HELD, lent=Right.VERIFY, relies_on="grant"
        ),
        "身份核验",
        "check the applicant's identity",
        {
            "case": CASE,
            "method": code("方式", "method", "card", "face", "login", "video"),
            "result": code("结果", "result", "match", "mismatch"),
            "evidence": digest("核验凭据承诺值(加盐)", "salted commitment to the evidence"),
            "grant": GRANT_MAYBE,
        },
        question="How was the applicant's identity checked?",
        source="21 形式审查/身份核验",
        cites=("acceptance", "grant"),
    ),
    kind_of_step(
        desk_step(FIRST_CONTACT, "contact.first", roles=ANY_ROLE),
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
        desk_step(CHANNEL, "channel.choose", about=About.KNOWN, once_per=("case",)),
        "渠道选择",
        "record the channel that the applicant chose",
        {
            "case": CASE,
            "channel": code("渠道", "channel", "counter", "kiosk", "online", "post"),
            "consent": CONSENT,
        },
        question="Did the applicant choose the channel?",
        source="43 不得重复提交/不得强制线上",
        changes=("once",),
    ),
    kind_of_step(
        desk_step(
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
            "grant": GRANT_MAYBE,
        },
        question="Which papers needed not be brought?",
        source="56 免证办/一证通办, 43 不得重复提交/不得强制线上",
        cites=("acceptance", "grant"),
        changes=("once",),
    ),
    kind_of_step(
        desk_step(
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
            "item": ITEM,
            "item_version": ITEM_VERSION,
            "material": _MATERIAL,
            "issued_by": party_("核发部门", "who issued it", optional=True),
            "grant": GRANT_MAYBE,
            "reason": REASON,
        },
        question="Was a government-issued paper still asked for, and why?",
        source="56 免证办/一证通办, 43 不得重复提交/不得强制线上",
        cites=("acceptance", "grant", "version"),
        changes=("once",),
    ),
    kind_of_step(
        desk_step(
            CHALLENGE,
            "challenge.raise",
            about=About.HELD,
            wants=_challenge_needs,
            check=_check_colleague,
        ),
        "对核验提出异议",
        "challenge a colleague's check",
        {
            "case": CASE,
            "to": party_("原核验窗口", "window that made the check"),
            "check": digest("被异议条目哈希", "leaf hash of the check"),
            **_RECORDS,
            "reason": REASON,
            "due": DUE,
        },
        question="Why was a check done again?",
        source="7 信任为先 / 窗口+后台",
        cites=("checked",),
    ),
    kind_of_step(
        desk_step(
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
        cites=("there",),
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(
            VIDEO,
            "video.start",
            about=About.KNOWN,
            keep=("started",),
            wants=_video_needs,
            check=_check_video,
        ),
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
        desk_step(VIDEO, "video.end", branch="outcome", check=_check_span),
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
        while_stopped=True,
    ),
)
