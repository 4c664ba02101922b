"""好差评: one evaluation of a case and visit, and the loop that a bad one must go through."""

from typing import Any, Final

from authz import party
from authz.records import NEW, About, Life, Row, Side, Signer, Step
from authz.tables.desks import ANY_ROLE
from authz.tables.words import (
    CASE,
    DUE,
    EVIDENCE,
    TO,
    code,
    digest,
    kind_of_step,
    text,
)
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Kind

GRADES: Final = ("dissatisfied", "fair", "satisfied", "very-dissatisfied", "very-satisfied")
"""基本满意 is ``fair``. Source: GB/T 39735-2020."""
BAD: Final = ("dissatisfied", "very-dissatisfied")

_RATED: Final[dict[tuple[str, str], str]] = {
    (NEW, f"evaluation.rate:{grade}"): "bad" if grade in BAD else "good" for grade in GRADES
}
EVALUATION: Final = Life(
    subject="evaluation",
    steps={
        **_RATED,
        ("bad", "evaluation.rectify"): "rectified",
        ("rectified", "evaluation.feedback:settled"): "closed",
        ("rectified", "evaluation.feedback:unsettled"): "bad",
    },
    ended=frozenset({"good", "closed"}),
)
LIVES: Final = (EVALUATION,)

_SOURCE: Final = "64 好差评"


def _check_home(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the evaluation stands where the case was opened, so that it is the only one."""
    case: Any = acting.act.body["case"]
    if case[:6] != acting.region:
        raise RefusedError(f"the case was opened in {case[:6]}", code="not-competent")
    return ()


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        Step(
            life=EVALUATION,
            event="evaluation.rate",
            branch="grade",
            signer=Signer.REGION,
            about=About.KNOWN,
            once_per=("case", "visit"),
            keep=("grade",),
            check=_check_home,
        ),
        "评价",
        "record an evaluation",
        {
            "case": CASE,
            "visit": code("办事次序", "visit, where there were several", optional=True),
            "grade": code("评价等级", "grade", *GRADES),
            "token": digest("匿名评价令牌", "blinded token of who rates"),
            "text": digest("评语承诺值(加盐)", "salted commitment to the words", optional=True),
            "to": TO,
            "due": DUE,
        },
        question="Were ratings dropped or edited?",
        source=_SOURCE,
        changes=("once",),
    ),
    kind_of_step(
        Step(
            life=EVALUATION,
            event="evaluation.rectify",
            side=Side.ADDRESSEE,
            roles=ANY_ROLE,
        ),
        "差评整改",
        "answer a bad rating",
        {
            "cause": code("差评类别", "class of cause"),
            "reply": text("整改情况", "what was put right"),
            "evidence": EVIDENCE,
        },
        question="Was the bad rating put right, and in time?",
        source=_SOURCE,
        cites=("there",),
        while_stopped=True,
    ),
    kind_of_step(
        Step(
            life=EVALUATION,
            event="evaluation.feedback",
            branch="outcome",
            signer=Signer.REGION,
            roles=party.ROLES,
        ),
        "整改反馈",
        "record whether that settled it",
        {
            "outcome": code("结果", "outcome", "settled", "unsettled"),
            "evidence": EVIDENCE,
        },
        question="Was the rater told, and is it settled?",
        source=_SOURCE,
        cites=("there",),
    ),
)
