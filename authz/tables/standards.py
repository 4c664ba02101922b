"""The policies that grants rest on, and the versions of items."""

from typing import Final

from authz import basis, item
from authz.tables.words import (
    REASON,
    code,
    codes,
    date,
    digest,
    number,
    object_,
    party_,
    text,
)
from ledger.kind import Kind

KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        name="basis.publish",
        zh="公布政策依据",
        en="publish a policy basis",
        subject="basis",
        fields={
            "title": text("标题", "title"),
            "document": text("文号", "document number"),
            "valid_from": date("生效", "in force from"),
            "valid_until": date("失效", "in force until"),
            "digest": digest("原文摘要", "digest of the text", optional=True),
        },
        rule=basis.publish,
        by_region=True,
        question="Was a grant given after its basis had lapsed?",
        source="77 政策依据有效期",
        roles=("grant", "manage"),
    ),
    Kind(
        name="item.publish",
        zh="发布事项版本",
        en="publish an item version",
        subject="item",
        fields={
            "version": number("版本", "version, from 1"),
            "title": text("事项名称", "title"),
            "code": code("基本编码", "national code"),
            "department": party_("主管部门", "competent department"),
            "materials": codes("申请材料", "papers that may be asked for"),
            "tolerable": codes("可容缺材料", "papers that may follow later", optional=True),
            "days": number("办结时限(工作日)", "time limit in working days"),
            "accept_days": number("受理时限(工作日)", "days to accept or answer", optional=True),
            "training": code("要求的培训", "training asked for", optional=True),
            "standard": digest("标准文本摘要", "digest of the standard", optional=True),
            "proposal": object_(
                "proposal", "经确认的调整申请", "confirmed proposal", optional=True
            ),
            "confirmed_in": party_("确认所在地区", "region that confirmed it", optional=True),
        },
        needs=item.publish_needs,
        rule=item.publish,
        question="Did both places use the same version?",
        source="41 事项标准统一, 42 不得额外增加材料, 45 事项动态管理",
        roles=("grant", "manage"),
        cites=("proposal",),
        changes=("item-version",),
    ),
    Kind(
        name="item.withdraw",
        zh="停办事项",
        en="withdraw an item",
        subject="item",
        fields={"reason": REASON},
        needs=item.withdraw_needs,
        rule=item.withdraw,
        question="Was the item in force then?",
        source="45 事项动态管理",
        roles=("grant", "manage"),
        changes=("item-version",),
    ),
)
