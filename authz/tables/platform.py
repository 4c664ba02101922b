"""The platform: logins, signatures, money, figures between systems, data shared for a purpose."""

from typing import Final

from authz.records import NEW, About, Life, Row, Side, Signer, Step
from authz.tables.desks import ANY_ROLE, office_step
from authz.tables.lives import recorded
from authz.tables.words import (
    CASE,
    CASE_MAYBE,
    DIGEST,
    DUE,
    EVIDENCE,
    REASON,
    REMARK,
    TO,
    code,
    date,
    digest,
    kind_of_step,
    number,
    object_,
    party_,
    text,
)
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Kind

CHARGE: Final = recorded("charge", "charge.record")

PAYMENT: Final = Life(
    subject="payment",
    steps={
        (NEW, "payment.record"): "paid",
        ("paid", "payment.refund"): "refunded",
    },
    ended=frozenset({"refunded"}),
)

SIGNATURE: Final = recorded("signature", "signature.record")

LOGIN: Final = recorded("login", "login.record")

PUBLICATION: Final = recorded("publication", "publication.record")

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

LIVES: Final = (
    CHARGE,
    PAYMENT,
    SIGNATURE,
    LOGIN,
    PUBLICATION,
    COUNTS,
    DATA,
)


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


_73: Final = "73 系统互联/支撑平台"

_74: Final = "74 数据回流/共享供需"

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        Step(
            life=CHARGE,
            event="charge.record",
            roles=ANY_ROLE,
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
        cites=("policy",),
    ),
    kind_of_step(
        office_step(
            PAYMENT,
            "payment.record",
            roles=ANY_ROLE,
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
        changes=("once",),
    ),
    kind_of_step(
        office_step(PAYMENT, "payment.refund", roles=ANY_ROLE),
        "退费",
        "record a refund",
        {"reason": REASON, "receipt": digest("票据摘要", "digest of the receipt")},
        question="Why was it paid back?",
        source="58 电子签名/网上缴费",
        while_stopped=True,
    ),
    kind_of_step(
        office_step(SIGNATURE, "signature.record", roles=ANY_ROLE, about=About.KNOWN),
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
        office_step(PUBLICATION, "publication.record"),
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
        cites=("there",),
    ),
    kind_of_step(
        Step(life=COUNTS, event="counts.explain", side=Side.EITHER, signer=Signer.REGION),
        "说明差异",
        "explain a difference",
        {"reason": REASON, "evidence": EVIDENCE},
        question="Why did the counts differ?",
        source=_73,
        cites=("there",),
    ),
    kind_of_step(
        office_step(DATA, "data.request", roles=ANY_ROLE, keep=("purpose", "dataset")),
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
        office_step(DATA, "data.provide", side=Side.ADDRESSEE, roles=ANY_ROLE),
        "提供数据",
        "provide data",
        {"response": digest("数据承诺值(加盐)", "salted commitment to the data"), "remark": REMARK},
        question="Was the data provided in time?",
        source=_74,
        cites=("there",),
    ),
    kind_of_step(
        office_step(DATA, "data.refuse", side=Side.ADDRESSEE, roles=ANY_ROLE),
        "不提供数据",
        "refuse data",
        {"reason": REASON},
        question="Why was it not provided?",
        source=_74,
        cites=("there",),
    ),
    kind_of_step(
        office_step(DATA, "data.use", roles=ANY_ROLE, check=_check_purpose),
        "使用共享数据",
        "use shared data",
        {"purpose": code("用途", "purpose")},
        question="Was the data used for its purpose only?",
        source=_74,
        cites=("there",),
    ),
    kind_of_step(
        office_step(DATA, "data.end", roles=ANY_ROLE),
        "停止使用",
        "end the use of shared data",
        {"reason": REASON},
        question="Until when was it used?",
        source=_74,
        cites=("there",),
    ),
)
