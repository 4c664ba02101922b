"""What is to be reached, what was, and by which method it is counted."""

from typing import Final

from authz.milestone import COUNTED
from authz.records import NEW, Life, Row, Side
from authz.tables.desks import office_step
from authz.tables.lives import in_versions
from authz.tables.words import (
    DIGEST,
    EVIDENCE,
    REASON,
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
)
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Kind

MILESTONE: Final = Life(
    subject="milestone",
    steps={
        (NEW, "milestone.set"): "set",
        ("set", "milestone.report"): "set",
        ("set", "milestone.reach"): "reached",
    },
    ended=frozenset({"reached"}),
)

BULLETIN: Final = Life(
    subject="bulletin",
    steps={(NEW, "bulletin.publish"): "published"},
)

METHOD: Final = in_versions("assessment-method", "method.publish", "method.withdraw")

ASSESSMENT: Final = Life(
    subject="assessment",
    steps={
        (NEW, "assessment.publish"): "published",
        ("published", "assessment.appeal"): "appealed",
        ("appealed", "assessment.answer:upheld"): "final",
        ("appealed", "assessment.answer:changed"): "final",
        ("published", "assessment.criticise"): "criticised",
        ("final", "assessment.criticise"): "criticised",
    },
)

LIVES: Final = (
    MILESTONE,
    BULLETIN,
    METHOD,
    ASSESSMENT,
)


def _check_target(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a milestone is reached by its count."""
    count, target = acting.act.body["count"], before["target"]
    if count < target:
        raise RefusedError(f"the count is {count} of {target}", code="target-not-met")
    return ()


_63: Final = "63 督办考核评估/通报批评"

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        office_step(MILESTONE, "milestone.set", keep=("matter", "target", "document", "counts")),
        "设定阶段目标",
        "set a milestone",
        {
            "matter": text("目标", "what is to be reached"),
            "target": number("数量", "count to be reached"),
            "due": date("时限", "to be reached by"),
            "document": text("文件", "document that sets it"),
            "counts": code(
                "据以计数的记录", "records that are counted", *sorted(COUNTED), optional=True
            ),
        },
        question="How many by when, by which document?",
        source="48 阶段与数量",
    ),
    kind_of_step(
        office_step(MILESTONE, "milestone.report", keep=("count",)),
        "报告进度",
        "report on a milestone",
        {"count": number("已完成数", "count so far"), "evidence": EVIDENCE},
        question="How far had it come by then?",
        source="48 阶段与数量",
    ),
    kind_of_step(
        office_step(MILESTONE, "milestone.reach", keep=("count",), timed=True, check=_check_target),
        "达成目标",
        "reach a milestone",
        {"count": number("完成数", "count reached"), "evidence": EVIDENCE},
        question="Was the target met on the date, by what evidence?",
        source="48 阶段与数量",
    ),
    kind_of_step(
        office_step(
            BULLETIN,
            "bulletin.publish",
            rests_on=("method",),
            keep=("period", "digest", "method", "method_version", "known", "as_of"),
        ),
        "进度通报",
        "publish a bulletin",
        {
            "period": code("期间", "period"),
            "digest": DIGEST,
            "method": object_("assessment-method", "统计方法", "method of the figures"),
            "method_version": number("方法版本", "version of the method"),
            "known": codes(
                "所据账本及条目数", "sizes of the logs it is made from, log:size", optional=True
            ),
            "as_of": code("统计截止日", "day as of which it is made, YYYY-MM-DD", optional=True),
        },
        question="Which figures were told, and can they be made again?",
        source="61 工作台账和进度通报",
        cites=("method",),
    ),
    kind_of_step(
        office_step(METHOD, "method.publish", versioned=True, keep=("digest",)),
        "公布考核方法",
        "publish a method of assessment",
        {"version": VERSION, "title": text("名称", "title"), "digest": DIGEST},
        question="By which published method are the figures made?",
        source=_63,
    ),
    kind_of_step(
        office_step(METHOD, "method.withdraw"),
        "废止考核方法",
        "withdraw a method",
        {"reason": REASON},
        question="Until when was the method in force?",
        source=_63,
    ),
    kind_of_step(
        office_step(ASSESSMENT, "assessment.publish", rests_on=("method",)),
        "公布考核结果",
        "publish an assessment",
        {
            "to": party_("被考核单位", "the party that is assessed"),
            "period": code("期间", "period"),
            "digest": digest("结果摘要", "digest of the figures"),
            "method": object_("assessment-method", "考核方法", "method of the figures"),
            "due": date("申诉期限", "appeals until"),
        },
        question="Can the figures be made again from the ledger?",
        source=_63,
        cites=("method",),
    ),
    kind_of_step(
        office_step(ASSESSMENT, "assessment.appeal", side=Side.ADDRESSEE),
        "考核申诉",
        "appeal against an assessment",
        {"reason": REASON, "evidence": EVIDENCE},
        question="Did the assessed party object, and on what ground?",
        source=_63,
        cites=("there",),
    ),
    kind_of_step(
        office_step(ASSESSMENT, "assessment.answer", branch="outcome", keep=("outcome",)),
        "申诉答复",
        "answer an appeal",
        {"outcome": code("结果", "outcome", "changed", "upheld"), "reason": REASON},
        question="What became of the appeal?",
        source=_63,
        cites=("there",),
    ),
    kind_of_step(
        office_step(ASSESSMENT, "assessment.criticise"),
        "通报批评",
        "publish a criticism",
        {"reason": REASON, "digest": DIGEST},
        question="On which assessment does the criticism rest, and was an appeal answered first?",
        source=_63,
        cites=("there",),
    ),
)
