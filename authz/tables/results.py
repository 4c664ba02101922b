"""What comes of a case: parcels both ways, and certificates printed at a window.

Certificates are printed on blanks. A window takes blanks in by their numbers, from the first to the
last; each print takes one of them, and a count on the shelf says whether any are missing.
"""

from typing import Final

from authz.custody import HOLDING, At
from authz.ground import check_ground
from authz.party import MANAGE, RECEIVE
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
    number,
    object_,
    party_,
)
from authz.unsettled import check_papers, needs_in
from authz.use import check_lent, grant_needs
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Flag, Kind, Need

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
BLANKS: Final = Life(
    subject="blank-stock",
    steps={
        (NEW, "blanks.receive"): "in-use",
        ("in-use", "blanks.count"): "in-use",
        ("in-use", "blanks.close"): "closed",
    },
    ended=frozenset({"closed"}),
)
LIVES: Final = (PARCEL, PRINT, BLANKS)

BLANKS_MAX: Final = 1_000_000
"""In one stock."""


# ---- blanks -------------------------------------------------------------------------------------


def _split(blank: str) -> tuple[str, str]:
    """Return what a blank's number begins with, and the digits that count it."""
    letters = blank.rstrip("0123456789")
    return letters, blank[len(letters) :]


def _range_of(first: str, last: str) -> range:
    """Return the numbers of the blanks of a stock.

    Raises:
        MalformedError: ``bad-field``: the two are not the ends of one row of numbers.
    """
    (before, low), (same, high) = _split(first), _split(last)
    if before != same or len(low) != len(high) or not low or low > high:
        raise MalformedError(
            f"blanks run from {first} to {last}: the same letters, then digits that grow",
            code="bad-field",
        )
    found = range(int(low), int(high) + 1)
    if len(found) > BLANKS_MAX:
        raise MalformedError(f"a stock has at most {BLANKS_MAX} blanks", code="bad-field")
    return found


def _is_in(stock: Row, blank: str) -> bool:
    before, digits = _split(blank)
    of, width = _split(stock["first"])
    return (before, len(digits)) == (of, len(width)) and (stock["first"] <= blank <= stock["last"])


def _received(acting: Acting) -> Row:
    """Return what is in a new stock: none of it used, none missing."""
    body = acting.act.body
    return {"number": len(_range_of(body["first"], body["last"])), "used": 0, "missing": 0}


def _counted(acting: Acting) -> Row:
    """Return how many blanks are missing by a count of those on the shelf."""
    own = acting.own
    assert own is not None  # only its opener comes so far
    return {"missing": _unused(own.state) - acting.act.body["left"]}


def _unused(stock: Row) -> int:
    return int(stock["number"] - stock["used"])


def _check_count(_acting: Acting, before: Row, after: Row) -> tuple[Change, ...]:
    """Check that no more blanks are on the shelf than can be."""
    if after["missing"] < 0:
        raise RefusedError(
            f"{_unused(before)} blanks of the stock are not printed on, and more were counted",
            code="counts-differ",
        )
    return ()


def _missing(_acting: Acting, _before: Row, after: Row) -> tuple[Flag, ...]:
    """Return a flag where a count falls short."""
    if not after["missing"]:
        return ()
    return (Flag(code="blanks-missing", detail=f"{after['missing']} blanks are missing"),)


def _printed_on(acting: Acting) -> tuple[Change, ...]:
    """Return the stock with one blank less, where the print names one.

    Raises:
        RefusedError: ``unknown-object``, ``ground-not-live`` or ``blank-not-in-stock``.
    """
    body, stock = acting.act.body, check_ground(acting, "stock")
    if stock is None:
        return ()
    if not _is_in(stock.state, body["blank"]):
        raise RefusedError(
            f"{stock.object} has no blank {body['blank']}", code="blank-not-in-stock"
        )
    return (Change(stock.object, {**stock.state, "used": stock.state["used"] + 1}),)


# ---- prints -------------------------------------------------------------------------------------


def _print_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    body = draft.body
    needs = (
        Need("case", body["case"]),
        Need("decision", body["case"], body["decided_in"][:6], cite=True),
        *needs_in(body["case"], draft.issuer[:6], (body["decided_in"][:6],)),
    )
    if "stock" in body:
        needs += (Need("stock", body["stock"]),)
    return (*needs, *grant_needs(body))


def _check_print(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a certificate is printed only once it is decided, and by who may deliver it.

    1. The owning place has decided to grant it, and has released the case to this unit or holds it
       in it; the first act here after the release need not have come yet.
    2. Nothing is still missing of what was let follow later.
    3. For another place, a grant lends the right to deliver.
    4. Where a stock of blanks is named, the blank is one of it.
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
    return _printed_on(acting)  # (4)


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


_33: Final = "33 就近打证/颁证"
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
        while_stopped=True,
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
        cites=("there",),
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(PARCEL, "parcel.lose"),
        "寄递遗失",
        "record a parcel as lost",
        {"evidence": EVIDENCE, "remark": REMARK},
        question="Lost between whom?",
        source=_31,
        cites=("there",),
        while_stopped=True,
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
            "stock": object_("blank-stock", "空白证照库存", "stock it is from", optional=True),
            "grant": GRANT_MAYBE,
        },
        question="Was it printed only after the decision, and does the stock of blanks add up?",
        source=_33,
        cites=("acceptance", "decision", "grant", "unsettled"),
        changes=("blank-stock", "once"),
        receives_only=False,
    ),
    kind_of_step(
        desk_step(PRINT, "print.void", roles=(RECEIVE,)),
        "作废",
        "void a print",
        {"reason": REASON},
        question="What became of the blank?",
        source=_33,
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(
            BLANKS,
            "blanks.receive",
            roles=(MANAGE, RECEIVE),
            units=("hall", "window"),
            keep=("first", "last"),
            noted=_received,
        ),
        "空白证照入库",
        "take blanks in",
        {
            "certificate": code("证照类型", "type of the certificate"),
            "first": code("起号", "number of the first"),
            "last": code("止号", "number of the last"),
            "evidence": EVIDENCE,
        },
        question="Which blanks came in, and where?",
        source=_33,
    ),
    kind_of_step(
        desk_step(
            BLANKS,
            "blanks.count",
            roles=(MANAGE, RECEIVE),
            noted=_counted,
            check=_check_count,
            marks=_missing,
        ),
        "空白证照盘点",
        "count the blanks that are left",
        {"left": number("库存数", "how many are left"), "evidence": EVIDENCE},
        question="Does the stock of blanks add up?",
        source=_33,
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(BLANKS, "blanks.close", roles=(MANAGE, RECEIVE)),
        "空白证照销号",
        "close a stock of blanks",
        {"reason": REASON},
        question="What became of the blanks that were left?",
        source=_33,
        while_stopped=True,
    ),
)
