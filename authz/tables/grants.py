"""The life of a grant."""

from typing import Final

from authz import grant
from authz.hours import DAYS
from authz.tables.words import (
    REASON,
    code,
    codes,
    date,
    digest,
    number,
    object_,
    party_,
    yes,
)
from ledger.kind import Kind

_TO: Final = party_("受权窗口、大厅或一体机", "window, hall or device it is given to")

KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        name="grant.offer",
        zh="授信",
        en="offer a grant",
        subject="grant",
        fields={
            "item": object_("item", "事项", "item"),
            "item_version": number("事项版本", "item version"),
            "also": codes("其他事项", "further items of the same department", optional=True),
            "department": party_(
                "部门(其全部事项)", "the department, where all its items are covered", optional=True
            ),
            "scenarios": codes("情形", "scenarios that it is for alone", optional=True),
            "window": _TO,
            "rights": codes("权项", "rights: deliver, intake, notice, verify"),
            "valid_from": date("起", "valid from"),
            "valid_until": date("止", "valid until"),
            "staleness_s": number("视图时效(秒)", "how old a view may be, seconds"),
            "quota": number(
                "次数上限(办件数)", "greatest number of cases it is used for", optional=True
            ),
            "reciprocal": object_(
                "grant", "互授的另一授权", "the grant given in return", optional=True
            ),
            "basis": object_("basis", "政策依据", "policy basis", optional=True),
            "template": digest("授权文件模板摘要", "digest of the template", optional=True),
            "model": object_("template", "授权文件模板", "template it follows", optional=True),
            "process": object_("process", "操作规程", "standard procedure", optional=True),
            "agreement": object_(
                "agreement", "两地协议", "agreement of both places", optional=True
            ),
            "list": object_(
                "item-list", "所依据的公布清单", "published list of its items", optional=True
            ),
            "training": code("要求的培训", "training that its user must have", optional=True),
            "equipment": codes(
                "要求的设备",
                "what the window must be attested to have",
                "print",
                "scan",
                "staff",
                "video",
                optional=True,
            ),
            "days": codes("可用日", "days of use", *sorted(DAYS), optional=True),
            "opens": code("自(时:分)", "from, hours and minutes", optional=True),
            "closes": code("至(时:分)", "until, hours and minutes", optional=True),
            "holidays": yes("节假日可用", "for days off of the calendar too", optional=True),
        },
        needs=grant.offer_needs,
        rule=grant.offer,
        question="Had the grantor the competence to lend this right?",
        source="1 窗口授信机制, 2 模板, 3 系统内授权, 4 四权互授, 14 不改变办理事权, 40 不再转授",
        roles=("grant",),
        cites=("agreement", "list", "model", "process", "return"),
    ),
    Kind(
        name="grant.accept",
        zh="接受授信",
        en="accept a grant",
        subject="grant",
        fields={
            "window": _TO,
            "item": object_("item", "事项", "item"),
            "also": codes("其他事项", "further items", optional=True),
            "department": party_("部门(其全部事项)", "the department of all items", optional=True),
        },
        needs=grant.accept_needs,
        rule=grant.accept,
        question="Since when was window W authorised for item I?",
        source="1 窗口授信机制, 4 相互授予",
        roles=("grant", "manage"),
        cites=("offer",),
        changes=("may",),
    ),
    Kind(
        name="grant.decline",
        zh="不接受授信",
        en="decline a grant",
        subject="grant",
        fields={
            "window": _TO,
            "reason": REASON,
        },
        needs=grant.decline_needs,
        rule=grant.decline,
        question="Why is the grant not in use?",
        source="1 窗口授信机制",
        roles=("grant", "manage"),
        cites=("offer",),
        while_stopped=True,
    ),
    Kind(
        name="grant.suspend",
        zh="中止授信",
        en="suspend a grant",
        subject="grant",
        fields={"reason": REASON},
        needs=grant.move_needs,
        rule=grant.suspend,
        by_region=True,
        question="Was the grant live at the time of use?",
        source="1 窗口授信机制",
        roles=("grant",),
        while_stopped=True,
    ),
    Kind(
        name="grant.resume",
        zh="恢复授信",
        en="resume a grant",
        subject="grant",
        fields={"reason": REASON},
        needs=grant.move_needs,
        rule=grant.resume,
        by_region=True,
        question="Was the grant live at the time of use?",
        source="1 窗口授信机制",
        roles=("grant",),
    ),
    Kind(
        name="grant.renew",
        zh="续期授信",
        en="renew a grant",
        subject="grant",
        fields={"valid_until": date("止", "valid until"), "reason": REASON},
        needs=grant.renew_needs,
        rule=grant.renew,
        question="Until when was the grant good, and who prolonged it?",
        source="1 窗口授信机制, 77 政策依据有效期",
        roles=("grant",),
        cites=("model",),
    ),
    Kind(
        name="grant.revoke",
        zh="撤销授信",
        en="revoke a grant",
        subject="grant",
        fields={"reason": REASON},
        needs=grant.move_needs,
        rule=grant.revoke,
        by_region=True,
        question="Was the grant live at the time of use?",
        source="1 窗口授信机制",
        roles=("grant",),
        while_stopped=True,
    ),
)
