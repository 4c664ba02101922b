"""Windows as a hall tells of them: how they are reached, equipped and open."""

from typing import Final

from authz.hours import DAYS, WINDOWS_MAX, days_of, hours_of
from authz.records import Row
from authz.tables.desks import office_step
from authz.tables.lives import in_versions
from authz.tables.places import check_own_window, window_needs, without
from authz.tables.words import (
    EVIDENCE,
    REASON,
    VERSION,
    code,
    codes,
    date,
    kind_of_step,
    object_,
    parties,
    party_,
    text,
    yes,
)
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Kind, Need

CONTACT: Final = in_versions("contact", "contact.publish", "contact.withdraw", "ended")

READINESS: Final = in_versions("readiness", "readiness.attest", "readiness.withdraw", "ended")

HOURS: Final = in_versions("hours", "hours.publish", "hours.withdraw", "ended")

LIVES: Final = (
    CONTACT,
    READINESS,
    HOURS,
)


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

EQUIPMENT: Final = ("print", "scan", "staff", "video")

_WINDOW: Final = party_("窗口", "window")

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        office_step(
            CONTACT,
            "contact.publish",
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
        changes=("window",),
    ),
    kind_of_step(
        office_step(CONTACT, "contact.withdraw", wants=window_needs, check=_check_no_contact),
        "撤下联络信息",
        "withdraw a contact",
        {"reason": REASON},
        question="Until when was the contact good?",
        source="11 窗口联络清单",
        changes=("window",),
    ),
    kind_of_step(
        office_step(
            READINESS,
            "readiness.attest",
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
        changes=("window",),
    ),
    kind_of_step(
        office_step(READINESS, "readiness.withdraw", wants=window_needs, check=_check_not_ready),
        "撤销配备确认",
        "withdraw an attestation",
        {"reason": REASON},
        question="Since when was the window not ready?",
        source="13 窗口设置与设备",
        changes=("window",),
    ),
    kind_of_step(
        office_step(
            HOURS,
            "hours.publish",
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
        cites=("calendar",),
        changes=("window",),
    ),
    kind_of_step(
        office_step(
            HOURS, "hours.withdraw", units=_HALL, wants=_hours_needs, check=_check_no_hours
        ),
        "废止办公时间",
        "withdraw hours",
        {"reason": REASON},
        question="Until when were these the hours?",
        source="72 延时/错时服务",
        changes=("window",),
    ),
)
