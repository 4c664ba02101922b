"""What comes of a case: parcels both ways, and certificates printed at a window."""

from typing import Final

from authz.custody import HOLDING, At
from authz.party import RECEIVE
from authz.records import NEW, About, Life, Row, Side
from authz.right import Right
from authz.tables.desks import GRANT_MAYBE, desk_step
from authz.tables.words import (
    CASE,
    EVIDENCE,
    REASON,
    REMARK,
    code,
    date,
    digest,
    kind_of_step,
    party_,
)
from authz.unsettled import check_papers, needs_in
from authz.use import check_lent, grant_needs
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Kind, Need

PARCEL: Final = Life(
    subject="parcel",
    steps={
        (NEW, "parcel.send"): "sent",
        ("sent", "parcel.receive:damaged"): "damaged",
        ("sent", "parcel.receive:intact"): "received",
        ("sent", "parcel.lose"): "lost",
    },
    ended=frozenset({"received", "damaged", "lost"}),
)
PRINT: Final = Life(
    subject="print",
    steps={(NEW, "print.record"): "printed", ("printed", "print.void"): "void"},
    ended=frozenset({"void"}),
)
LIVES: Final = (PARCEL, PRINT)


def _print_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    body = draft.body
    needs = (
        Need("case", body["case"]),
        Need("decision", body["case"], body["decided_in"][:6], cite=True),
        *needs_in(body["case"], draft.issuer[:6], (body["decided_in"][:6],)),
    )
    return (*needs, *grant_needs(body))


def _check_print(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a certificate is printed only once it is decided, and by who may deliver it.

    1. The owning place has decided to grant it, and has released the case to this unit or holds it
       in it; the first act here after the release need not have come yet.
    2. Nothing is still missing of what was let follow later.
    3. For another place, a grant lends the right to deliver.
    """
    body, decision, own = acting.act.body, acting.facts["decision"], acting.facts["case"]
    if decision is None or "result" not in decision.state:  # (1)
        raise RefusedError("no decision is within sight", code="not-decided")
    row: Row = decision.state
    if row["item"][:6] != body["decided_in"][:6] or row["result"] == "refused":
        raise RefusedError(f"the decision there is {row['result']}", code="not-decided")
    signer = acting.signer
    assert signer is not None  # only an officer prints
    if not _holds(own, row, signer.state["unit"]):
        raise RefusedError("the case is not with this unit", code="not-holder")
    check_papers(acting)  # (2)
    check_lent(acting, row, Right.DELIVER)  # (3)
    return ()


def _holds(own: Fact | None, decided: Row, unit: str) -> bool:
    if own is None:
        return False
    if own.state["at"] in HOLDING:
        return bool(own.state["unit"] == unit)
    return (own.state["at"], decided["at"]) == (At.ANSWERED, At.AWAY) and (
        own.state["n"],
        own.state["to"],
        unit,
    ) == (decided["n"], decided["to"], decided["to"])


def _check_contents(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a parcel called intact holds what was sent."""
    body = acting.act.body
    if body["state"] == "intact" and body["contents"] != before["contents"]:
        raise RefusedError("something else was sent", code="wrong-document")
    return ()


_31: Final = "31 邮政寄递/双向物流, 34 结果送达"


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        desk_step(PARCEL, "parcel.send", about=About.KNOWN, keep=("contents", "direction")),
        "寄出",
        "send a parcel",
        {
            "case": CASE,
            "to": party_("收件方(申请人填本窗口)", "receiver; for an applicant, this window"),
            "direction": code("内容", "what it holds", "papers", "result"),
            "tracking": digest("运单号承诺值(加盐)", "salted commitment to the tracking number"),
            "contents": digest("内件清单摘要", "digest of the list of contents"),
            "seal_number": code("封签号", "number of the seal", optional=True),
            "due": date("送达期限", "to arrive by"),
        },
        question="Who sent what, and when?",
        source=_31,
    ),
    kind_of_step(
        desk_step(
            PARCEL,
            "parcel.receive",
            branch="state",
            side=Side.ADDRESSEE,
            check=_check_contents,
        ),
        "签收",
        "receive a parcel",
        {
            "state": code("状况", "state", "damaged", "intact"),
            "contents": digest("内件清单摘要", "digest of the list of contents"),
            "remark": REMARK,
        },
        question="Did all that was sent arrive?",
        source=_31,
    ),
    kind_of_step(
        desk_step(PARCEL, "parcel.lose"),
        "寄递遗失",
        "record a parcel as lost",
        {"evidence": EVIDENCE, "remark": REMARK},
        question="Lost between whom?",
        source=_31,
    ),
    kind_of_step(
        desk_step(
            PRINT,
            "print.record",
            roles=(RECEIVE,),
            once_per=("blank",),
            relies_on="grant",
            wants=_print_needs,
            check=_check_print,
        ),
        "就近打证",
        "print a certificate",
        {
            "case": CASE,
            "decided_in": party_("作出决定的地区", "region that decided"),
            "certificate": digest("证照编号承诺值(加盐)", "salted commitment to its number"),
            "blank": code("空白证照号", "number of the blank"),
            "grant": GRANT_MAYBE,
        },
        question="Was it printed only after the decision, and does the stock of blanks add up?",
        source="33 就近打证/颁证",
        receives_only=False,
    ),
    kind_of_step(
        desk_step(PRINT, "print.void", roles=(RECEIVE,)),
        "作废",
        "void a print",
        {"reason": REASON},
        question="What became of the blank?",
        source="33 就近打证/颁证",
    ),
)
