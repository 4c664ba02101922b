"""How a case, and each branch of one, goes from hand to hand."""

from typing import Final

from authz import branch, custody
from authz.tables.words import (
    REASON,
    code,
    digest,
    object_,
    party_,
    text,
)
from ledger.kind import Kind
from ledger.schema import OR

_HANDED: Final = f"case{OR}branch"

_UNIT: Final = party_("接收部门或窗口", "department or window that is to take over")

_FROM: Final = party_("现持有地区", "region that holds the case")

_CASE_FIELD: Final = object_("case", "办件", "the case it is a branch of")

HANDOFFS: Final[tuple[Kind, ...]] = (
    Kind(
        name="handoff.offer",
        zh="移交",
        en="offer the case",
        subject=_HANDED,
        fields={"unit": _UNIT, "remark": text("说明", "remark", optional=True)},
        needs=custody.offer_needs,
        rule=custody.offer,
        by_region=True,
        question="Who was to take over, and since when?",
        source="15 异地代收代办, 25 首问负责",
        roles=("decide", "receive"),
        cites=("release", "unsettled"),
        while_stopped=True,
    ),
    Kind(
        name="handoff.accept",
        zh="接收",
        en="accept the case",
        subject=_HANDED,
        fields={"holder": _FROM},
        needs=custody.answer_needs,
        rule=custody.accept,
        receives_only=False,
        question="Who took it over?",
        source="15 异地代收代办, 50 收件地/办理地职责",
        roles=("decide", "receive"),
        cites=("offer",),
        while_stopped=True,
    ),
    Kind(
        name="handoff.decline",
        zh="不接收",
        en="decline the case",
        subject=_HANDED,
        fields={"holder": _FROM, "reason": REASON},
        needs=custody.answer_needs,
        rule=custody.decline,
        question="Was the applicant bounced?",
        source="25 首问负责",
        roles=("decide", "receive"),
        cites=("offer",),
        while_stopped=True,
    ),
    Kind(
        name="handoff.release",
        zh="移交完成",
        en="release the case",
        subject=_HANDED,
        needs=custody.settle_needs,
        rule=custody.release,
        by_region=True,
        question="From when on did the other hold it?",
        source="15 异地代收代办",
        cites=("accept",),
        while_stopped=True,
    ),
    Kind(
        name="handoff.cancel",
        zh="取消移交",
        en="cancel the offer",
        subject=_HANDED,
        fields={"reason": text("理由", "why", optional=True)},
        needs=custody.settle_needs,
        rule=custody.cancel,
        by_region=True,
        question="Why did it stay?",
        source="15 异地代收代办",
        cites=("decline",),
        while_stopped=True,
    ),
)

BRANCHES: Final[tuple[Kind, ...]] = (
    Kind(
        name="branch.open",
        zh="拆分联办分支",
        en="split a branch off a case",
        subject="branch",
        fields={
            "case": _CASE_FIELD,
            "part": code("分项", "part"),
            "department": party_("负责部门", "department that owes the part"),
        },
        needs=branch.open_needs,
        rule=branch.open_branch,
        question="Which place owed which part, and who held it at every moment?",
        source="18 多地联办",
        roles=("decide", "receive"),
        cites=("case", "unsettled"),
        changes=("unsettled",),
    ),
    Kind(
        name="branch.report",
        zh="办结联办分支",
        en="report how a branch came out",
        subject="branch",
        fields={
            "result": code("结果", "result", "granted", "refused", "partly-granted"),
            "basis": text("法律依据", "legal basis"),
            "document": digest("分项文书摘要", "digest of the document"),
        },
        needs=custody.release_needs,
        rule=branch.report,
        receives_only=False,
        question="Who decided on the part, and which place was late?",
        source="18 多地联办, 17 受审分离",
        roles=("decide",),
        cites=("release",),
    ),
    Kind(
        name="branch.join",
        zh="汇总联办分支",
        en="join a branch to its case",
        subject="branch",
        fields={"case": _CASE_FIELD},
        needs=branch.back_needs,
        rule=branch.join,
        question="Was every part back before the one result?",
        source="18 多地联办",
        roles=("decide", "receive"),
        cites=("case", "release", "unsettled"),
        changes=("unsettled",),
        while_stopped=True,
    ),
    Kind(
        name="branch.drop",
        zh="撤销联办分支",
        en="drop a branch that is not needed",
        subject="branch",
        fields={"case": _CASE_FIELD, "reason": REASON},
        needs=branch.back_needs,
        rule=branch.drop,
        question="Why was the part not needed?",
        source="18 多地联办",
        roles=("decide", "receive"),
        cites=("case", "release", "unsettled"),
        changes=("unsettled",),
        while_stopped=True,
    ),
)
