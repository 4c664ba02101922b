"""How to say to a clerk what the rules of records refuse; beside those of ``authz.finding``."""

from collections.abc import Mapping
from typing import Final

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "blank-not-in-stock": (
        "该空白证照号不在所选库存的起止号内，请核对号码。",
        "The stock has no blank of this number. Compare the numbers.",
    ),
    "blanks-missing": (
        "盘点发现空白证照短缺，予以记录并须说明去向。",
        "Blanks are missing by the count. It is marked, and is to be explained.",
    ),
    "counts-differ": (
        "数量与所选结论或库存不符，请核对后重新提交。",
        "The counts do not bear out what is said. Count or compare again.",
    ),
    "excluded-class": (
        "该事项属于不适用容缺受理的类别，材料须齐全。",
        "This item is never taken in with a paper to follow.",
    ),
    "late": ("已超过规定时限，予以记录。", "It came after it was due. It counts, and is marked."),
    "no-consent": (
        "没有当事人的有效同意。",
        "There is no consent in force.",
    ),
    "not-addressee": (
        "该记录不是发给您单位的，不能由您答复。",
        "The record is not addressed to you.",
    ),
    "not-decided": (
        "属地部门尚未作出准予的决定，不能打证。",
        "The owning place has not granted it yet, so nothing is printed.",
    ),
    "not-free": ("帮办代办陪办不得收费。", "Helping an applicant is free of charge."),
    "not-tolerable": (
        "该材料不在公布的可容缺清单内。",
        "This paper is not on the published list of those that may follow.",
    ),
    "outside-hours": (
        "非办公时间一体机只能提供自助服务。",
        "Outside hours a device serves by itself only.",
    ),
    "procedure-not-listed": (
        "该特别程序不在事项清单内，不能暂停计时。",
        "The item lists no such procedure, so the clock does not stop.",
    ),
    "shredded": (
        "该办件的密钥已在本地销毁，不能再存入或交付材料。",
        "The keys of this case are destroyed here. Nothing can be put in or given out.",
    ),
    "target-not-met": (
        "完成数未达到目标数，请按进度报告。",
        "The count is below the target. Report progress instead.",
    ),
    "unsettled": (
        "容缺材料尚未补齐，不能交付结果。",
        "Papers that were to follow have not come.",
    ),
    "wrong-document": (
        "文本与对方确认的不一致。",
        "The text is not the one that the other side has.",
    ),
    "wrong-payer": (
        "付费方与费用承担办法不符。",
        "The policy in force has somebody else pay.",
    ),
    "wrong-purpose": (
        "用途与同意或提供时的用途不符。",
        "It was agreed to or provided for another purpose.",
    ),
}
