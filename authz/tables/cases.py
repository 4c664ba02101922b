"""A case, from the papers taken in to the file closed."""

from typing import Final

from authz import case, custody
from authz.tables.words import (
    REASON,
    code,
    codes,
    digest,
    digests,
    number,
    object_,
    party_,
    text,
)
from ledger.kind import Kind

_GRANT: Final = object_("grant", "依据的授权", "the grant it rests on", optional=True)

_WINDOW: Final = party_("经办窗口", "the window it is done at", optional=True)

_DEVICE: Final = object_("device", "所用一体机", "the machine it is done by", optional=True)

_MATERIALS: Final = digests("材料承诺值(加盐)", "salted commitments to the papers", optional=True)

KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        name="case.open",
        zh="收件受理",
        en="open a case",
        subject="case",
        fields={
            "item": object_("item", "事项", "item"),
            "item_version": number("事项版本", "item version"),
            "department": party_("决定部门", "department that decides"),
            "mode": code(
                "办理方式", "way of handling", "counter", "online", "agency", "joint", "kiosk"
            ),
            "materials": _MATERIALS,
            "scenario": object_(
                "scenario", "情形", "the scenario that the case is one of", optional=True
            ),
            "grant": _GRANT,
            "window": _WINDOW,
            "device": _DEVICE,
        },
        needs=case.open_needs,
        rule=case.open_case,
        question="Under which right, grant and item version were the papers taken in?",
        source="10 收件即受理, 15 异地代收代办, 16 全程网办, 41 版本",
    ),
    Kind(
        name="case.notice",
        zh="一次性告知",
        en="give the one notice",
        subject="case",
        fields={
            "missing": codes("缺少的材料", "papers that are missing"),
            "remark": text("说明", "remark", optional=True),
            "grant": _GRANT,
            "window": _WINDOW,
        },
        needs=case.notice_needs,
        rule=case.notice,
        question="More than one notice? Was an extra paper asked for?",
        source="24 一次性告知, 42 不得额外增加材料",
    ),
    Kind(
        name="case.supplement",
        zh="补正收件",
        en="take in further papers",
        subject="case",
        fields={
            "received": codes("收到的材料", "papers received"),
            "materials": _MATERIALS,
            "grant": _GRANT,
            "window": _WINDOW,
            "device": _DEVICE,
        },
        needs=case.act_needs,
        rule=case.supplement,
        question="What new fact allowed a second notice?",
        source="10 收件, 24 一次性告知",
    ),
    Kind(
        name="case.verify",
        zh="原件核验",
        en="verify originals",
        subject="case",
        fields={
            "documents": codes("核验的材料", "papers whose originals were seen"),
            "result": code("结果", "result", "match", "mismatch"),
            "method": code("方式", "method", "original", "video", "shared-data"),
            "challenge": object_("challenge", "异议记录", "why it is checked again", optional=True),
            "materials": _MATERIALS,
            "grant": _GRANT,
            "window": _WINDOW,
        },
        needs=case.verify_needs,
        rule=case.verify,
        question="Who saw the original?",
        source="22 原件核验, 21 形式审查/身份核验",
    ),
    Kind(
        name="case.decide",
        zh="审批决定",
        en="decide",
        subject="case",
        fields={
            "result": code("结果", "result", "granted", "refused", "partly-granted"),
            "basis": text("法律依据", "legal basis"),
            "document": digest("决定文书摘要", "digest of the document"),
            "seal_use": object_("seal-use", "用印记录", "the use of the seal", optional=True),
        },
        needs=case.decide_needs,
        rule=case.decide,
        receives_only=False,
        question="Who decided, on what basis, and did they receive the case too?",
        source="14 不改变办理事权, 17 受审分离, 23 审批决定",
    ),
    Kind(
        name="case.deliver",
        zh="结果送达",
        en="deliver the result",
        subject="case",
        fields={
            "mode": code("送达方式", "way of delivery", "counter", "post", "online"),
            "evidence": digest("送达证明摘要", "digest of the proof", optional=True),
            "grant": _GRANT,
            "window": _WINDOW,
            "device": _DEVICE,
        },
        needs=case.deliver_needs,
        rule=case.deliver,
        receives_only=False,
        question="When was the result served, and by whom?",
        source="34 结果送达, 4 审批结果送达权",
    ),
    Kind(
        name="case.withdraw",
        zh="申请人撤回",
        en="the applicant withdraws",
        subject="case",
        fields={"reason": REASON, "grant": _GRANT, "window": _WINDOW, "device": _DEVICE},
        needs=case.act_needs,
        rule=case.withdraw,
        question="Why was there no decision?",
        source="15 异地代收代办",
    ),
    Kind(
        name="case.close",
        zh="办结归档",
        en="close the case",
        subject="case",
        fields={"remark": text("说明", "remark", optional=True)},
        needs=custody.offer_needs,
        rule=case.close,
        receives_only=False,
        question="When was nothing left to do?",
        source="15 异地代收代办, 27 限时办结",
    ),
    Kind(
        name="case.note",
        zh="备注",
        en="note a remark",
        subject="case",
        fields={
            "remark": text("备注", "remark"),
            "digest": digest("附件摘要", "digest of an attachment", optional=True),
        },
        needs=custody.release_needs,
        rule=case.note,
        question="What else happened?",
        source="60 责任追溯",
    ),
)
