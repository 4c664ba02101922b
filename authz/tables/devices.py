"""Machines that serve by themselves, and what was done at them."""

from typing import Final

from authz.records import NEW, Life, Row, Step
from authz.tables.desks import ANY_ROLE, office_step
from authz.tables.lives import recorded
from authz.tables.places import check_window, window_needs
from authz.tables.words import (
    CASE_MAYBE,
    REASON,
    code,
    codes,
    date,
    digest,
    kind_of_step,
    object_,
    party_,
    text,
    yes,
)
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Kind

DEVICE: Final = Life(
    subject="device",
    steps={
        (NEW, "device.enrol"): "live",
        ("live", "device.update"): "live",
        ("live", "device.suspend"): "suspended",
        ("suspended", "device.resume"): "live",
        ("live", "device.retire"): "retired",
        ("suspended", "device.retire"): "retired",
    },
    ended=frozenset({"suspended", "retired"}),
)

SESSION: Final = recorded("device-session", "device.session")

LIVES: Final = (
    DEVICE,
    SESSION,
)


def _check_session(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a machine works outside hours for self-service only."""
    body = acting.act.body
    if body["ended"] < body["started"]:
        raise MalformedError("it ended before it began", code="bad-field")
    if body["outside_hours"] and body["right"] != "self-service":
        raise RefusedError("outside hours a device serves by itself only", code="outside-hours")
    return ()


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        Step(
            life=DEVICE,
            event="device.enrol",
            units=("hall",),
            keep=("window", "firmware", "items"),
            wants=window_needs,
            check=check_window,
        ),
        "登记一体机",
        "enrol a device",
        {
            "window": party_("所在窗口或网点", "window or outlet it stands in"),
            "host": text("设置单位", "who hosts it, such as a bank"),
            "certificate": digest("设备证书摘要", "digest of its certificate"),
            "firmware": digest("固件摘要", "digest of its firmware"),
            "items": codes("可办事项编码", "codes of the items it serves"),
        },
        question="Which terminal was it, and for which items was it set up?",
        source="19 一体机互联, 39 政务+银行",
    ),
    kind_of_step(
        office_step(DEVICE, "device.update", units=("hall",), keep=("firmware", "items")),
        "更新固件",
        "update a device",
        {
            "firmware": digest("固件摘要", "digest of its firmware"),
            "items": codes("可办事项编码", "codes of the items it serves"),
        },
        question="Which firmware ran then?",
        source="19 一体机互联",
    ),
    kind_of_step(
        office_step(DEVICE, "device.suspend", units=("hall",)),
        "停用一体机",
        "suspend a device",
        {"reason": REASON},
        question="Was the device in service then?",
        source="19 一体机互联",
    ),
    kind_of_step(
        office_step(DEVICE, "device.resume", units=("hall",)),
        "恢复一体机",
        "resume a device",
        {"reason": REASON},
        question="Was the device in service then?",
        source="19 一体机互联",
    ),
    kind_of_step(
        office_step(DEVICE, "device.retire", units=("hall",)),
        "注销一体机",
        "retire a device",
        {"reason": REASON},
        question="Until when was it in service?",
        source="19 一体机互联",
    ),
    kind_of_step(
        office_step(
            SESSION, "device.session", roles=ANY_ROLE, rests_on=("device",), check=_check_session
        ),
        "一体机办理",
        "record a session at a device",
        {
            "device": object_("device", "一体机", "device"),
            "case": CASE_MAYBE,
            "right": code("权限", "right", "deliver", "intake", "print", "self-service"),
            "outside_hours": yes("非办公时间", "outside hours"),
            "started": date("开始", "from"),
            "ended": date("结束", "until"),
            "log": digest("设备日志摘要", "digest of the device's own log"),
        },
        question="Which terminal did it, and was it outside hours?",
        source="19 一体机互联, 20 24小时自助",
        cites=("device",),
    ),
)
