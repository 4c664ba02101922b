"""The platform: published texts, devices, figures between systems, data shared for a purpose."""

from typing import Final

from authz.party import DECIDE, GRANT, MANAGE, RECEIVE
from authz.records import NEW, About, Life, Row, Side, Signer, Step
from authz.tables.places import check_window, window_needs
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
    VERSION,
    code,
    codes,
    date,
    digest,
    kind_of_step,
    number,
    object_,
    party_,
    text,
    yes,
)
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Field, Kind

_ANY_ROLE: Final = (DECIDE, MANAGE, RECEIVE)
_PERCENT_MAX: Final = 100

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
SESSION: Final = Life(subject="device-session", steps={(NEW, "device.session"): "recorded"})
CHARGE: Final = Life(subject="charge", steps={(NEW, "charge.record"): "recorded"})
PAYMENT: Final = Life(
    subject="payment",
    steps={
        (NEW, "payment.record"): "paid",
        ("paid", "payment.refund"): "refunded",
    },
    ended=frozenset({"refunded"}),
)
SIGNATURE: Final = Life(subject="signature", steps={(NEW, "signature.record"): "recorded"})
LOGIN: Final = Life(subject="login", steps={(NEW, "login.record"): "recorded"})
PUBLICATION: Final = Life(subject="publication", steps={(NEW, "publication.record"): "recorded"})
COUNTS: Final = Life(
    subject="counts",
    steps={
        (NEW, "counts.tell"): "told",
        ("told", "counts.answer:equal"): "equal",
        ("told", "counts.answer:different"): "different",
        ("different", "counts.explain"): "explained",
    },
    ended=frozenset({"equal", "explained"}),
)
DATA: Final = Life(
    subject="data-request",
    steps={
        (NEW, "data.request"): "requested",
        ("requested", "data.provide"): "provided",
        ("requested", "data.refuse"): "refused",
        ("provided", "data.use"): "provided",
        ("provided", "data.end"): "ended",
    },
    ended=frozenset({"refused", "ended"}),
)


def _published(subject: str, name: str) -> Life:
    """Return the life of a text that is published in versions until it is withdrawn."""
    return Life(
        subject=subject,
        steps={
            (NEW, f"{name}.publish"): "current",
            ("current", f"{name}.publish"): "current",
            ("current", f"{name}.withdraw"): "withdrawn",
        },
        ended=frozenset({"withdrawn"}),
    )


TEMPLATE: Final = _published("template", "template")
PROCESS: Final = _published("process", "process")
GUIDE: Final = _published("guide", "guide")
FEE_POLICY: Final = _published("fee-policy", "fee-policy")
ITEM_LIST: Final = _published("item-list", "item-list")
CONSULTATION: Final = Life(subject="consultation", steps={(NEW, "consultation.record"): "recorded"})

LIVES: Final = (
    DEVICE,
    SESSION,
    CHARGE,
    PAYMENT,
    SIGNATURE,
    LOGIN,
    PUBLICATION,
    COUNTS,
    DATA,
    TEMPLATE,
    PROCESS,
    GUIDE,
    FEE_POLICY,
    ITEM_LIST,
    CONSULTATION,
)


def _check_session(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a machine works outside hours for self-service only."""
    body = acting.act.body
    if body["outside_hours"] and body["right"] != "self-service":
        raise RefusedError("outside hours a device serves by itself only", code="outside-hours")
    return ()


def _check_charge(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that who pays is who the policy in force says."""
    policy, payer = acting.facts["policy"], acting.act.body["payer"]
    assert policy is not None  # it is cited, so it is there
    if policy.state["bearer"] != payer:
        raise RefusedError(f"the policy has {policy.state['bearer']} pay", code="wrong-payer")
    return ()


def _check_counts(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that figures called equal are."""
    body = acting.act.body
    equal = (body["sent"], body["received"]) == (before["received"], before["sent"])
    if equal != (body["outcome"] == "equal"):
        raise RefusedError(
            f"here {body['sent']} sent and {body['received']} received, there {before['sent']} and "
            f"{before['received']}",
            code="counts-differ",
        )
    return ()


def _check_purpose(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that shared data serve the purpose that they were asked for."""
    if acting.act.body["purpose"] != before["purpose"]:
        raise RefusedError(f"provided for {before['purpose']}", code="wrong-purpose")
    return ()


def _check_share(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a share is one of a hundred."""
    if acting.act.body["share"] > _PERCENT_MAX:
        raise MalformedError("a share is at most 100 per cent", code="bad-field")
    return ()


def _check_term(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the term ends after it begins."""
    body = acting.act.body
    if body["valid_from"] >= body["valid_until"]:
        raise MalformedError("valid_until comes after valid_from", code="bad-field")
    return ()


def _text_kinds(  # noqa: PLR0917 - in the order of a row of the table
    life: Life,
    zh: str,
    en: str,
    question: str,
    source: str,
    more: dict[str, Field] | None = None,
    step: Step | None = None,
) -> tuple[Kind, Kind]:
    """Return the two kinds of a text that is published in versions."""
    name = life.subject
    publish = step or Step(
        life=life,
        event=f"{name}.publish",
        signer=Signer.BOTH,
        roles=(GRANT, MANAGE),
        versioned=True,
        keep=("digest",),
    )
    return (
        kind_of_step(
            publish,
            f"发布{zh}",
            f"publish {en}",
            {"version": VERSION, "title": text("名称", "title"), "digest": DIGEST, **(more or {})},
            question=question,
            source=source,
        ),
        kind_of_step(
            Step(life=life, event=f"{name}.withdraw", signer=Signer.BOTH, roles=(GRANT, MANAGE)),
            f"废止{zh}",
            f"withdraw {en}",
            {"reason": REASON},
            question="Until when was it in force?",
            source=source,
        ),
    )


def _of(life: Life, **keep: tuple[str, ...]) -> Step:
    """Return the step that publishes a version of what only a manager publishes."""
    return Step(
        life=life,
        event=f"{life.subject}.publish",
        signer=Signer.BOTH,
        versioned=True,
        keep=keep.get("keep", ()),
    )


_73: Final = "73 系统互联/支撑平台"
_74: Final = "74 数据回流/共享供需"

KINDS: Final[tuple[Kind, ...]] = (
    *_text_kinds(
        TEMPLATE,
        "授权文件模板",
        "a template of grants",
        "Which template version, and was any clause changed?",
        "2 授权文件模板",
        {"valid_from": date("起", "valid from"), "valid_until": date("止", "valid until")},
        Step(
            life=TEMPLATE,
            event="template.publish",
            signer=Signer.BOTH,
            versioned=True,
            keep=("digest", "valid_from", "valid_until"),
            check=_check_term,
        ),
    ),
    *_text_kinds(
        PROCESS,
        "操作规程",
        "a standard procedure",
        "Which standard procedure applied?",
        "49 操作规程/权责划分",
        {"duties": codes("岗位职责", "duties", optional=True)},
    ),
    *_text_kinds(
        GUIDE,
        "事前辅导手册",
        "a guide for applicants",
        "Which version was the applicant told?",
        "36 事前辅导",
    ),
    *_text_kinds(
        FEE_POLICY,
        "寄递费用承担办法",
        "who bears the postage",
        "Who pays, by which version of the policy?",
        "32 寄递费用",
        {"bearer": code("承担主体", "who pays", "applicant", "department", "hall")},
        _of(FEE_POLICY, keep=("digest", "bearer")),
    ),
    *_text_kinds(
        ITEM_LIST,
        "通办事项清单",
        "a public list of items",
        "Was the item on the public list then?",
        "47 清单公布",
        {
            "count": number("事项数", "how many items"),
            "share": number("占比(%)", "share of all items, per cent"),
            "items": codes("事项编码", "codes of the items", optional=True),
        },
        Step(
            life=ITEM_LIST,
            event="item-list.publish",
            signer=Signer.BOTH,
            roles=(GRANT, MANAGE),
            versioned=True,
            keep=("digest", "count", "share", "items"),
            check=_check_share,
        ),
    ),
    kind_of_step(
        Step(
            life=CONSULTATION,
            event="consultation.record",
            roles=_ANY_ROLE,
            rests_on=("guide",),
        ),
        "事前辅导",
        "record a consultation",
        {
            "guide": object_("guide", "手册", "guide"),
            "guide_version": number("手册版本", "version of the guide"),
            "item": ITEM,
        },
        question="What was the applicant told before applying?",
        source="36 事前辅导",
    ),
    kind_of_step(
        Step(
            life=CHARGE,
            event="charge.record",
            roles=_ANY_ROLE,
            about=About.KNOWN,
            rests_on=("policy",),
            check=_check_charge,
        ),
        "寄递收费",
        "record a charge for postage",
        {
            "case": CASE,
            "policy": object_("fee-policy", "承担办法", "policy"),
            "payer": code("付费方", "who paid", "applicant", "department", "hall"),
            "amount_fen": number("金额(分)", "amount in fen"),
            "receipt": digest("票据摘要", "digest of the receipt"),
        },
        question="Who paid, and was the applicant charged?",
        source="32 寄递费用",
    ),
    kind_of_step(
        Step(
            life=PAYMENT,
            event="payment.record",
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
            about=About.KNOWN,
            once_per=("case", "receipt_number"),
        ),
        "网上缴费",
        "record a payment",
        {
            "case": CASE,
            "fee": code("收费项目编码", "code of the fee"),
            "basis": text("收费依据", "legal basis of the fee"),
            "amount_fen": number("金额(分)", "amount in fen"),
            "receipt_number": code("票据号", "number of the receipt"),
            "receipt": digest("票据摘要", "digest of the receipt"),
        },
        question="Was the fee legal and receipted?",
        source="58 电子签名/网上缴费",
    ),
    kind_of_step(
        Step(life=PAYMENT, event="payment.refund", signer=Signer.BOTH, roles=_ANY_ROLE),
        "退费",
        "record a refund",
        {"reason": REASON, "receipt": digest("票据摘要", "digest of the receipt")},
        question="Why was it paid back?",
        source="58 电子签名/网上缴费",
    ),
    kind_of_step(
        Step(
            life=SIGNATURE,
            event="signature.record",
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
            about=About.KNOWN,
        ),
        "申请人电子签名",
        "record an applicant's signature",
        {
            "case": CASE,
            "document": digest("所签文件摘要", "digest of the document signed"),
            "certificate": digest("证书承诺值(加盐)", "salted commitment to the certificate"),
            "method": code("签名方式", "method", "certificate", "face", "handwritten", "sms"),
            "evidence": EVIDENCE,
        },
        question="What did the applicant sign, and by what means?",
        source="58 电子签名/网上缴费, 16 全程网办",
    ),
    kind_of_step(
        Step(
            life=LOGIN,
            event="login.record",
            signer=Signer.REGION,
            about=About.KNOWN,
        ),
        "统一身份认证",
        "record a login",
        {
            "case": CASE,
            "level": code("认证等级", "level of assurance", "high", "low", "medium"),
            "provider": code("认证源", "who vouches"),
            "assertion": digest("认证断言承诺值(加盐)", "salted commitment to the assertion"),
        },
        question="What was the assurance of that login?",
        source="57 统一身份认证",
    ),
    kind_of_step(
        Step(life=PUBLICATION, event="publication.record", signer=Signer.BOTH),
        "宣传公开",
        "record a publication",
        {
            "title": text("标题", "title"),
            "channel": text("渠道", "channel"),
            "published": date("发布时间", "when"),
            "digest": DIGEST,
        },
        question="Was it really published?",
        source="79 宣传公开/政策解读",
    ),
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
        Step(
            life=DEVICE,
            event="device.update",
            signer=Signer.BOTH,
            units=("hall",),
            keep=("firmware", "items"),
        ),
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
        Step(life=DEVICE, event="device.suspend", signer=Signer.BOTH, units=("hall",)),
        "停用一体机",
        "suspend a device",
        {"reason": REASON},
        question="Was the device in service then?",
        source="19 一体机互联",
    ),
    kind_of_step(
        Step(life=DEVICE, event="device.resume", signer=Signer.BOTH, units=("hall",)),
        "恢复一体机",
        "resume a device",
        {"reason": REASON},
        question="Was the device in service then?",
        source="19 一体机互联",
    ),
    kind_of_step(
        Step(life=DEVICE, event="device.retire", signer=Signer.BOTH, units=("hall",)),
        "注销一体机",
        "retire a device",
        {"reason": REASON},
        question="Until when was it in service?",
        source="19 一体机互联",
    ),
    kind_of_step(
        Step(
            life=SESSION,
            event="device.session",
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
            rests_on=("device",),
            check=_check_session,
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
    ),
    kind_of_step(
        Step(
            life=COUNTS,
            event="counts.tell",
            signer=Signer.REGION,
            keep=("sent", "received", "period"),
        ),
        "通报交换数量",
        "tell how much was exchanged",
        {
            "to": TO,
            "period": code("期间", "period"),
            "sent": number("发出数", "messages sent"),
            "received": number("收到数", "messages received"),
            "digest": digest("编号清单摘要", "digest of the list of their numbers"),
            "due": DUE,
        },
        question="How many messages went each way?",
        source=_73,
    ),
    kind_of_step(
        Step(
            life=COUNTS,
            event="counts.answer",
            branch="outcome",
            side=Side.ADDRESSEE,
            signer=Signer.REGION,
            check=_check_counts,
        ),
        "核对交换数量",
        "compare how much was exchanged",
        {
            "outcome": code("结果", "outcome", "different", "equal"),
            "sent": number("发出数", "messages sent"),
            "received": number("收到数", "messages received"),
        },
        question="Are the counts equal on both platforms?",
        source=_73,
    ),
    kind_of_step(
        Step(life=COUNTS, event="counts.explain", side=Side.EITHER, signer=Signer.REGION),
        "说明差异",
        "explain a difference",
        {"reason": REASON, "evidence": EVIDENCE},
        question="Why did the counts differ?",
        source=_73,
    ),
    kind_of_step(
        Step(
            life=DATA,
            event="data.request",
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
            keep=("purpose", "dataset"),
        ),
        "数据需求",
        "ask for data",
        {
            "to": party_("数据提供单位", "who is to provide it"),
            "dataset": code("数据目录编码", "code of the data"),
            "purpose": code("用途", "purpose"),
            "basis": text("依据", "legal basis"),
            "case": CASE_MAYBE,
            "due": DUE,
        },
        question="Who asked for which data, and what for?",
        source=_74,
    ),
    kind_of_step(
        Step(
            life=DATA,
            event="data.provide",
            side=Side.ADDRESSEE,
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
        ),
        "提供数据",
        "provide data",
        {"response": digest("数据承诺值(加盐)", "salted commitment to the data"), "remark": REMARK},
        question="Was the data provided in time?",
        source=_74,
    ),
    kind_of_step(
        Step(
            life=DATA,
            event="data.refuse",
            side=Side.ADDRESSEE,
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
        ),
        "不提供数据",
        "refuse data",
        {"reason": REASON},
        question="Why was it not provided?",
        source=_74,
    ),
    kind_of_step(
        Step(
            life=DATA,
            event="data.use",
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
            check=_check_purpose,
        ),
        "使用共享数据",
        "use shared data",
        {"purpose": code("用途", "purpose")},
        question="Was the data used for its purpose only?",
        source=_74,
    ),
    kind_of_step(
        Step(life=DATA, event="data.end", signer=Signer.BOTH, roles=_ANY_ROLE),
        "停止使用",
        "end the use of shared data",
        {"reason": REASON},
        question="Until when was it used?",
        source=_74,
    ),
)
