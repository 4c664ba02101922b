"""Parts of a case that other places owe, and several cases of one matter (一件事)."""

from typing import Final

from authz.records import NEW, About, Life, Row, Side
from authz.shared_papers import bundled
from authz.tables.desks import check_undecided, desk_step
from authz.tables.words import (
    CASE,
    DUE,
    EVIDENCE,
    REASON,
    REMARK,
    TO,
    code,
    codes,
    digest,
    digests,
    kind_of_step,
)
from authz.unsettled import PARTS, counted, own_need
from ledger.kind import Acting, Change, Draft, Fact, Kind, Need

PART: Final = Life(
    subject="part",
    steps={
        (NEW, "part.ask"): "asked",
        ("asked", "part.answer:done"): "done",
        ("asked", "part.answer:refused"): "refused",
        ("done", "part.join"): "joined",
        ("asked", "part.withdraw"): "withdrawn",
        ("refused", "part.withdraw"): "withdrawn",
    },
    ended=frozenset({"joined", "withdrawn"}),
)
BUNDLE: Final = Life(
    subject="bundle",
    steps={
        (NEW, "bundle.open"): "open",
        ("open", "bundle.add"): "open",
        ("open", "bundle.close"): "closed",
    },
    ended=frozenset({"closed"}),
)
LIVES: Final = (PART, BUNDLE)


def _part_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return what is open of the case that the part belongs to."""
    case = draft.body.get("case") if own is None else own.state["case"]
    return () if case is None else (own_need(case, draft.issuer[:6]),)


def _check_part(acting: Acting, _before: Row, after: Row) -> tuple[Change, ...]:
    """Check that the case is not decided yet; it waits for the part from here on."""
    case = acting.facts["case"]
    assert case is not None  # the step has looked
    check_undecided(case)
    return (counted(acting, after["case"], PARTS, 1),)


def _check_part_over(acting: Acting, _before: Row, after: Row) -> tuple[Change, ...]:
    """Check that the part is back or not needed: the case waits for it no more."""
    return (counted(acting, after["case"], PARTS, -1),)


def _check_bundled(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a case of the bundle asks for none of its papers again."""
    return (bundled(acting, acting.act.body["case"], before.get("received", [])),)


_18: Final = "18 多地联办"
_38: Final = "38 一件事集成"


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        desk_step(PART, "part.ask", about=About.HELD, wants=_part_needs, check=_check_part),
        "交办联办分项",
        "ask another place for its part",
        {
            "case": CASE,
            "to": TO,
            "part": code("分项", "part"),
            "materials": digests("材料承诺值(加盐)", "salted commitments", optional=True),
            "due": DUE,
        },
        question="Which place owed which part, and by when?",
        source=_18,
        cites=("unsettled",),
        changes=("unsettled",),
    ),
    kind_of_step(
        desk_step(
            PART,
            "part.answer",
            branch="outcome",
            side=Side.ADDRESSEE,
            keep=("outcome", "result"),
        ),
        "办结联办分项",
        "answer with a part",
        {
            "outcome": code("结果", "outcome", "done", "refused"),
            "result": digest("分项结果摘要", "digest of the part's result"),
            "remark": REMARK,
        },
        question="Which place was late?",
        source=_18,
        cites=("there",),
    ),
    kind_of_step(
        desk_step(PART, "part.join", wants=_part_needs, check=_check_part_over),
        "汇总联办分项",
        "join a part to the one result",
        {"result": digest("汇总结果摘要", "digest of the joint result")},
        question="Was every part there before the one result?",
        source=_18,
        cites=("there", "unsettled"),
        changes=("unsettled",),
    ),
    kind_of_step(
        desk_step(PART, "part.withdraw", wants=_part_needs, check=_check_part_over),
        "撤回联办分项",
        "withdraw a part",
        {"reason": REASON},
        question="Why was the part not needed?",
        source=_18,
        cites=("there", "unsettled"),
        changes=("unsettled",),
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(BUNDLE, "bundle.open", keep=("theme", "received")),
        "一件事收件",
        "open a bundle of cases",
        {
            "theme": code("主题", "theme"),
            "received": codes("共用材料", "papers handed in once for all", optional=True),
            "materials": digests("共用材料承诺值(加盐)", "salted commitments to the papers"),
        },
        question="Which papers were handed in once for all?",
        source=_38,
    ),
    kind_of_step(
        desk_step(
            BUNDLE,
            "bundle.add",
            about=About.KNOWN,
            once_per=("case",),
            check=_check_bundled,
        ),
        "加入一件事",
        "add a case to a bundle",
        {"case": CASE},
        question="Which cases belong to it, and did one ask again?",
        source=_38,
        changes=("bundled", "once"),
    ),
    kind_of_step(
        desk_step(BUNDLE, "bundle.close"),
        "一件事办结",
        "close a bundle",
        {"evidence": EVIDENCE},
        question="When was all of it done?",
        source=_38,
    ),
)
