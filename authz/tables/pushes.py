"""What one system sends another for keeps: certificates to the archive, approvals to the regulator.

Each needs a receipt of the other side; without one it stays open and is found out as overdue.
"""

from typing import Final

from authz.party import DECIDE, MANAGE, RECEIVE
from authz.records import NEW, About, Life, Row, Side
from authz.tables.desks import office_step
from authz.tables.words import (
    CASE,
    CASE_MAYBE,
    DUE,
    EVIDENCE,
    REASON,
    REMARK,
    TO,
    code,
    date,
    digest,
    kind_of_step,
)
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Kind

_DESK: Final = (DECIDE, MANAGE, RECEIVE)

CERTIFICATE: Final = Life(
    subject="certificate",
    steps={
        (NEW, "certificate.issue"): "issued",
        ("issued", "certificate.archive"): "archived",
        ("archived", "certificate.revoke"): "revoked",
        ("issued", "certificate.revoke"): "revoked",
    },
    ended=frozenset({"revoked"}),
)
PUSH: Final = Life(
    subject="push",
    steps={
        (NEW, "push.send"): "sent",
        ("sent", "push.receipt:accepted"): "received",
        ("sent", "push.receipt:rejected"): "rejected",
        ("rejected", "push.resend"): "sent",
    },
    ended=frozenset({"received"}),
)
CREDIT: Final = Life(
    subject="credit-event",
    steps={
        (NEW, "credit.push"): "pushed",
        ("pushed", "credit.receipt"): "recorded",
        ("recorded", "credit.repair"): "repaired",
    },
    ended=frozenset({"repaired"}),
)
LIVES: Final = (CERTIFICATE, PUSH, CREDIT)


def _check_same(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the receipt is for what was sent."""
    if acting.act.body["digest"] != before["digest"]:
        raise RefusedError("the receipt is for something else", code="wrong-document")
    return ()


def _check_granted(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that whoever decided on the case, and granted it, certifies it (谁办理、谁入库)."""
    case = acting.facts["case"]
    assert case is not None  # the step has looked
    row = case.state
    if row["item"][:6] != acting.region:
        raise RefusedError("who decides on the case issues its certificate", code="not-competent")
    if row.get("result", "refused") == "refused":  # nor has a row that has only just come
        raise RefusedError("nothing is granted that could be certified", code="not-decided")
    if acting.signer is not None and acting.signer.state.get("dept") != row["dept"]:
        raise RefusedError(f"{row['dept']} decided on the case", code="not-competent")
    return ()


_54: Final = "54 电子证照签发归集"
_66: Final = "66 审批监管协同"
_68: Final = "68 信用"
_SENT: Final = digest("所推送内容的承诺值(加盐)", "salted commitment to what is sent")
_GOT: Final = digest("所收内容的承诺值(加盐)", "salted commitment to what came")

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        office_step(
            CERTIFICATE,
            "certificate.issue",
            roles=(DECIDE,),
            about=About.KNOWN,
            keep=("digest",),
            check=_check_granted,
        ),
        "签发电子证照",
        "issue an electronic certificate",
        {
            "case": CASE,
            "class": code("证照类型", "type of the certificate"),
            "digest": digest("证照文件承诺值(加盐)", "salted commitment to the certificate"),
            "to": TO,
            "due": date("归集期限", "to be archived by"),
        },
        question="Who issued it, for which case?",
        source=_54,
    ),
    kind_of_step(
        office_step(
            CERTIFICATE, "certificate.archive", side=Side.ADDRESSEE, roles=_DESK, check=_check_same
        ),
        "归集入库回执",
        "acknowledge a certificate in the archive",
        {"digest": digest("入库文件承诺值(加盐)", "salted commitment to what came")},
        question="Was it uploaded in full and in time?",
        source=_54,
        cites=("there",),
    ),
    kind_of_step(
        office_step(CERTIFICATE, "certificate.revoke", roles=(DECIDE,)),
        "注销电子证照",
        "revoke an electronic certificate",
        {"reason": REASON},
        question="Until when was it good?",
        source=_54,
        cites=("there",),
    ),
    kind_of_step(
        office_step(PUSH, "push.send", roles=_DESK, keep=("digest", "what")),
        "推送审批或监管信息",
        "push an approval, or what supervision found",
        {
            "what": code("内容", "what", "approval", "supervision"),
            "case": CASE_MAYBE,
            "to": TO,
            "digest": _SENT,
            "due": DUE,
        },
        question="Did the regulator get the approval, and the approver the finding?",
        source=_66,
    ),
    kind_of_step(
        office_step(
            PUSH,
            "push.receipt",
            branch="outcome",
            side=Side.ADDRESSEE,
            roles=_DESK,
            check=_check_same,
        ),
        "推送回执",
        "acknowledge a push",
        {
            "outcome": code("结果", "outcome", "accepted", "rejected"),
            "digest": _GOT,
            "remark": REMARK,
        },
        question="Did it come in time, and as it was sent?",
        source=_66,
        cites=("there",),
    ),
    kind_of_step(
        office_step(PUSH, "push.resend", roles=_DESK, keep=("digest",)),
        "重新推送",
        "push again what was rejected",
        {"digest": _SENT, "due": DUE},
        question="Was what was rejected sent again?",
        source=_66,
        cites=("there",),
    ),
    kind_of_step(
        office_step(CREDIT, "credit.push", roles=(DECIDE, MANAGE), keep=("digest",)),
        "推送信用信息",
        "push a credit event",
        {
            "case": CASE_MAYBE,
            "class": code("类别", "class", "breach", "honour"),
            "digest": digest("主体与事实承诺值(加盐)", "salted commitment to subject and fact"),
            "to": TO,
            "due": DUE,
        },
        question="Which event went to the credit file?",
        source=_68,
    ),
    kind_of_step(
        office_step(CREDIT, "credit.receipt", side=Side.ADDRESSEE, check=_check_same),
        "归入信用档案回执",
        "acknowledge a credit event",
        {"digest": _GOT},
        question="Is it of the right subject?",
        source=_68,
        cites=("there",),
    ),
    kind_of_step(
        office_step(CREDIT, "credit.repair", side=Side.EITHER, roles=(DECIDE, MANAGE)),
        "信用修复",
        "repair a credit event",
        {"reason": REASON, "evidence": EVIDENCE},
        question="Was the subject's credit repaired?",
        source=_68,
        cites=("there",),
    ),
)
