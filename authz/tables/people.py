"""Halls, windows and the people in them: who is responsible, reachable, trained and on duty."""

from typing import Final

from authz import party, training
from authz.hours import DAYS, WINDOWS_MAX, days_of, hours_of
from authz.party import GRANT
from authz.records import NEW, Life, Row, Side, Signer, Step
from authz.representative import appointed, relieved
from authz.tables.places import check_own_window, window_needs, without
from authz.tables.words import (
    DIGEST,
    DUE,
    EVIDENCE,
    REASON,
    REMARK,
    TO,
    VERSION,
    code,
    codes,
    date,
    digest,
    kind_of_step,
    object_,
    parties,
    party_,
    text,
    yes,
)
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Kind, Need


def _versions(subject: str, event: str, end: str) -> Life:
    """Return the life of something that is published again and again until it is withdrawn."""
    return Life(
        subject=subject,
        steps={(NEW, event): "current", ("current", event): "current", ("current", end): "ended"},
        ended=frozenset({"ended"}),
    )


REPRESENTATIVE: Final = _versions(
    "representative", "representative.appoint", "representative.dismiss"
)
RESPONSIBLE: Final = _versions("responsible", "responsible.assign", "responsible.relieve")
CONTACT: Final = _versions("contact", "contact.publish", "contact.withdraw")
READINESS: Final = _versions("readiness", "readiness.attest", "readiness.withdraw")
HOURS: Final = _versions("hours", "hours.publish", "hours.withdraw")
EXCEPTION: Final = Life(
    subject="exception",
    steps={
        (NEW, "exception.apply"): "applied",
        ("applied", "exception.answer:approved"): "approved",
        ("applied", "exception.answer:refused"): "refused",
        ("approved", "exception.end"): "ended",
    },
    ended=frozenset({"refused", "ended"}),
)
PUBLIC_SERVICE: Final = Life(
    subject="public-service",
    steps={
        (NEW, "public-service.include"): "proposed",
        ("proposed", "public-service.supervise"): "supervised",
        ("proposed", "public-service.exclude"): "ended",
        ("supervised", "public-service.exclude"): "ended",
    },
    ended=frozenset({"ended"}),
)
LIVES: Final = (
    REPRESENTATIVE,
    RESPONSIBLE,
    CONTACT,
    READINESS,
    HOURS,
    EXCEPTION,
    PUBLIC_SERVICE,
)


def _officer_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    return (Need("officer", draft.body["officer"]),)


def _check_officer(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that who is named is an officer in service here."""
    _check_in_service(acting, "officer")
    return ()


def _check_in_service(acting: Acting, name: str) -> Fact:
    officer = acting.facts[name]
    if officer is None or "roles" not in officer.state or not officer.live:
        who = acting.act.body[name]
        raise RefusedError(f"no live officer here: {who}", code="officer-not-live")
    return officer


def _representative_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return who is appointed, and who was before."""
    named = {} if own is None else own.state
    needs = [Need(role, draft.body[role]) for role in _APPOINTED if role in draft.body]
    needs += [Need(f"before-{role}", named[role]) for role in _APPOINTED if role in named]
    return tuple(needs)


def _check_representative(acting: Acting, before: Row, after: Row) -> tuple[Change, ...]:
    """Check that a department appoints two of its own for a term; they may decide on site then."""
    body, signer = acting.act.body, party.person(acting)
    if body["valid_until"] <= acting.statement.time_s:
        raise RefusedError("the term is over already", code="outlives-basis")
    if body["officer"] == body.get("deputy"):
        raise MalformedError("a deputy is somebody else", code="bad-field")
    rows = {it.object: it for it in _check_dismissal(acting, before, after)}
    for role in _APPOINTED:
        if role not in body:
            continue
        officer = _check_in_service(acting, role)
        if officer.state.get("dept") != signer.state["unit"]:
            raise RefusedError(f"{officer.object} is of another department", code="not-competent")
        rows[officer.object] = appointed(
            officer,
            acting.statement.subject,
            body["items"],
            body["valid_from"],
            body["valid_until"],
        )
    return tuple(rows.values())


def _check_dismissal(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that whoever was appointed before decides on site no more."""
    of = acting.statement.subject
    rows = [relieved(acting.facts.get(f"before-{role}"), of) for role in _APPOINTED]
    return tuple(change for row in rows for change in row)


def _check_ready(acting: Acting, before: Row, after: Row) -> tuple[Change, ...]:
    """Check that the hall speaks for its window, which is equipped for this from here on."""
    name = after["window"]
    if before.get("window", name) != name:
        raise RefusedError(f"the attestation is of {before['window']}", code="wrong-state")
    window = check_own_window(acting, acting.facts["window"], name)
    ready = [it for it in EQUIPMENT if acting.act.body[it]]
    return (Change(window.object, {**window.state, "ready": ready}),)


def _check_not_ready(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the window is attested to have nothing from here on."""
    return without(acting.facts["window"], ["ready"])


def _check_contact(acting: Acting, before: Row, after: Row) -> tuple[Change, ...]:
    """Check that the hall speaks for its window, whose row says since when it is reached so."""
    name = after["window"]
    if before.get("window", name) != name:
        raise RefusedError(f"the contact is that of {before['window']}", code="wrong-state")
    window = check_own_window(acting, acting.facts["window"], name)
    contact = [acting.statement.subject, acting.statement.time_s]
    return (Change(window.object, {**window.state, "contact": contact}),)


def _check_no_contact(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that nobody is told to reach the window so any more."""
    window = acting.facts["window"]
    if window is None or window.state.get("contact", [""])[0] != acting.statement.subject:
        return ()
    return without(window, ["contact"])


def _hours_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the windows that the hours are for, and were for."""
    before = [] if own is None else own.state["windows"]
    names = dict.fromkeys([*draft.body.get("windows", ()), *before])
    return tuple(Need(f"window-{name}", name) for name in names)


def _check_hours(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a hall publishes the hours of its own windows, which have them from here on."""
    body = acting.act.body
    if len(body["windows"]) > WINDOWS_MAX:
        raise MalformedError(f"hours are published for {WINDOWS_MAX} windows", code="bad-field")
    hours = [*hours_of(body), acting.statement.subject, *days_of(acting.facts.get("calendar"))]
    rows = {it.object: it for it in _check_no_hours(acting, before, before)}
    for name in body["windows"]:
        window = check_own_window(acting, acting.facts[f"window-{name}"], name)
        rows[name] = Change(name, {**window.state, "hours": hours})
    return tuple(rows.values())


def _check_no_hours(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that no window has these hours any more."""
    of = acting.statement.subject
    found = [acting.facts[f"window-{name}"] for name in before.get("windows", ())]
    return tuple(
        change
        for window in found
        if window is not None and window.state.get("hours", ["", "", "", ""])[3] == of
        for change in without(window, ["hours"])
    )


_HALL: Final = ("hall",)
_APPOINTED: Final = ("officer", "deputy")
EQUIPMENT: Final = ("print", "scan", "staff", "video")
"""What a window may be attested to have: fields of ``readiness.attest``."""
_WINDOW: Final = party_("窗口", "window")
_OFFICER: Final = party_("人员", "officer")

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        Step(
            life=REPRESENTATIVE,
            event="representative.appoint",
            signer=Signer.OFFICER,
            roles=(GRANT,),
            units=("department",),
            versioned=True,
            keep=("officer", "deputy", "items", "valid_from", "valid_until"),
            wants=_representative_needs,
            check=_check_representative,
        ),
        "任命首席事务代表",
        "appoint a chief representative",
        {
            "version": VERSION,
            "officer": party_("首席事务代表", "chief representative"),
            "deputy": party_("副代表", "deputy", optional=True),
            "items": codes("综合授权事项", "codes of the items they may decide on site"),
            "limits": text("权限限制", "limits", optional=True),
            "valid_from": date("起", "from"),
            "valid_until": date("止", "until"),
        },
        question="Who could decide on site, within what list?",
        source="8 首席事务代表, 9 进必授权",
    ),
    kind_of_step(
        Step(
            life=REPRESENTATIVE,
            event="representative.dismiss",
            roles=(GRANT,),
            units=("department",),
            wants=_representative_needs,
            check=_check_dismissal,
        ),
        "解除首席事务代表",
        "end an appointment",
        {"reason": REASON},
        question="Until when could they decide?",
        source="8 首席事务代表",
    ),
    kind_of_step(
        Step(
            life=RESPONSIBLE,
            event="responsible.assign",
            signer=Signer.BOTH,
            versioned=True,
            keep=("officer",),
            wants=_officer_needs,
            check=_check_officer,
        ),
        "指定专人负责",
        "name who is responsible",
        {
            "version": VERSION,
            "officer": _OFFICER,
            "matter": text("负责事项", "what for"),
            "valid_from": date("起", "from"),
        },
        question="Who was responsible on that day?",
        source="12 专人负责制/人员配备",
    ),
    kind_of_step(
        Step(life=RESPONSIBLE, event="responsible.relieve", signer=Signer.BOTH),
        "解除专人负责",
        "relieve who is responsible",
        {"reason": REASON},
        question="Until when were they responsible?",
        source="12 专人负责制/人员配备",
    ),
    kind_of_step(
        Step(
            life=CONTACT,
            event="contact.publish",
            signer=Signer.BOTH,
            versioned=True,
            keep=("window",),
            timed=True,
            wants=window_needs,
            check=_check_contact,
        ),
        "更新窗口联络清单",
        "publish how to reach a window",
        {
            "version": VERSION,
            "window": _WINDOW,
            "address": text("地址", "address"),
            "telephone": text("座机", "landline"),
            "hours": text("办公时间", "hours"),
            "due": date("下次核对期限", "to be confirmed anew by", optional=True),
        },
        question="Was the contact right on that day?",
        source="11 窗口联络清单",
    ),
    kind_of_step(
        Step(
            life=CONTACT,
            event="contact.withdraw",
            signer=Signer.BOTH,
            wants=window_needs,
            check=_check_no_contact,
        ),
        "撤下联络信息",
        "withdraw a contact",
        {"reason": REASON},
        question="Until when was the contact good?",
        source="11 窗口联络清单",
    ),
    kind_of_step(
        Step(
            life=READINESS,
            event="readiness.attest",
            signer=Signer.BOTH,
            versioned=True,
            keep=("window", "staff", "video", "scan", "print"),
            wants=window_needs,
            check=_check_ready,
        ),
        "窗口设备配备确认",
        "attest what a window is equipped for",
        {
            "version": VERSION,
            "window": _WINDOW,
            "staff": yes("已配备专职人员", "has its own staff"),
            "video": yes("高清摄像头、耳机、麦克风", "camera, headset and microphone"),
            "scan": yes("高拍仪", "document camera"),
            "print": yes("打证设备", "certificate printer"),
            "evidence": EVIDENCE,
        },
        question="Was the window able to do video and scan?",
        source="13 窗口设置与设备",
    ),
    kind_of_step(
        Step(
            life=READINESS,
            event="readiness.withdraw",
            signer=Signer.BOTH,
            wants=window_needs,
            check=_check_not_ready,
        ),
        "撤销配备确认",
        "withdraw an attestation",
        {"reason": REASON},
        question="Since when was the window not ready?",
        source="13 窗口设置与设备",
    ),
    kind_of_step(
        Step(
            life=HOURS,
            event="hours.publish",
            signer=Signer.BOTH,
            units=_HALL,
            versioned=True,
            keep=("windows", "calendar"),
            rests_on=("calendar",),
            wants=_hours_needs,
            check=_check_hours,
        ),
        "公布办公及延时服务时间",
        "publish the hours of a hall",
        {
            "version": VERSION,
            "windows": parties("适用窗口", "windows they are for"),
            "days": codes("办公日", "days", *sorted(DAYS)),
            "opens": code("开始(时:分)", "from, hours and minutes"),
            "closes": code("结束(时:分)", "until, hours and minutes"),
            "calendar": object_(
                "calendar", "年度工作日历", "calendar year: closed on its days off", optional=True
            ),
            "extra": text("错时、延时服务", "service beyond that", optional=True),
        },
        question="Were acts beyond the usual hours covered?",
        source="72 延时/错时服务, 20 24小时自助",
    ),
    kind_of_step(
        Step(
            life=HOURS,
            event="hours.withdraw",
            signer=Signer.BOTH,
            units=_HALL,
            wants=_hours_needs,
            check=_check_no_hours,
        ),
        "废止办公时间",
        "withdraw hours",
        {"reason": REASON},
        question="Until when were these the hours?",
        source="72 延时/错时服务",
    ),
    kind_of_step(
        Step(
            life=EXCEPTION,
            event="exception.apply",
            signer=Signer.BOTH,
            units=("department",),
        ),
        "申请设立分中心",
        "apply for an exception",
        {"to": TO, "due": DUE, "reason": REASON, "digest": DIGEST},
        question="Who asked to stay outside the hall, and why?",
        source="76 分中心例外批准, 9 进必授权",
    ),
    kind_of_step(
        Step(
            life=EXCEPTION,
            event="exception.answer",
            branch="outcome",
            side=Side.ADDRESSEE,
            signer=Signer.BOTH,
            keep=("outcome", "valid_until"),
        ),
        "例外审批",
        "answer an application for an exception",
        {
            "outcome": code("结果", "outcome", "approved", "refused"),
            "valid_until": date("有效期至", "valid until"),
            "digest": digest("批复摘要", "digest of the answer"),
        },
        question="Who approved the exception, until when?",
        source="76 分中心例外批准",
    ),
    kind_of_step(
        Step(life=EXCEPTION, event="exception.end", side=Side.EITHER, signer=Signer.REGION),
        "终止例外",
        "end an exception",
        {"reason": REASON},
        question="When did the exception end?",
        source="76 分中心例外批准",
    ),
    kind_of_step(
        Step(
            life=PUBLIC_SERVICE,
            event="public-service.include",
            signer=Signer.BOTH,
            keep=("unit",),
        ),
        "纳入公共服务单位",
        "include a public service body",
        {
            "unit": party_("公共服务单位窗口", "window of the body"),
            "class": code("类别", "class", "enterprise", "institution"),
            "to": party_("指导监督部门", "department that supervises it"),
            "due": DUE,
            "digest": digest("依据文件摘要", "digest of the document it rests on"),
        },
        question="Which bodies outside government serve, and since when?",
        source="80 社会公共服务单位纳入",
    ),
    kind_of_step(
        Step(
            life=PUBLIC_SERVICE,
            event="public-service.supervise",
            side=Side.ADDRESSEE,
            signer=Signer.BOTH,
        ),
        "承担指导监督",
        "take on the supervision of a public service body",
        {"remark": REMARK},
        question="Who supervises it?",
        source="80 社会公共服务单位纳入",
    ),
    kind_of_step(
        Step(life=PUBLIC_SERVICE, event="public-service.exclude", signer=Signer.BOTH),
        "退出公共服务",
        "end the service of a body",
        {"reason": REASON},
        question="Until when did it serve?",
        source="80 社会公共服务单位纳入",
    ),
    Kind(
        name="training.attest",
        zh="培训合格",
        en="attest a training",
        subject="officer",
        fields={
            "course": code("课程", "course"),
            "evidence": EVIDENCE,
        },
        rule=training.attest,
        by_region=True,
        question="Did an untrained officer act?",
        source="69 业务培训",
    ),
    Kind(
        name="training.lapse",
        zh="培训失效",
        en="end a training",
        subject="officer",
        fields={"course": code("课程", "course"), "reason": REASON},
        rule=training.lapse,
        by_region=True,
        question="Until when did the training count?",
        source="69 业务培训",
    ),
)
