"""Supervision: 督办, incidents, grievances, tasks, milestones, meetings and assessments."""

from typing import Final

from authz.milestone import COUNTED
from authz.party import DECIDE, MANAGE, RECEIVE
from authz.records import NEW, Life, Row, Side, Signer, Step
from authz.tables.words import (
    CASE_MAYBE,
    DIGEST,
    DUE,
    EVIDENCE,
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
    parties,
    party_,
    text,
)
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Kind

_ANY_ROLE: Final = (DECIDE, MANAGE, RECEIVE)

SUPERVISION: Final = Life(
    subject="supervision",
    steps={
        (NEW, "supervision.notice"): "noticed",
        ("noticed", "supervision.reply"): "replied",
        ("replied", "supervision.return"): "noticed",
        ("replied", "supervision.close"): "closed",
        ("noticed", "supervision.withdraw"): "closed",
    },
    ended=frozenset({"closed"}),
)
INCIDENT: Final = Life(
    subject="incident",
    steps={
        (NEW, "incident.report"): "reported",
        ("reported", "incident.find"): "found",
        ("found", "incident.remedy"): "remedied",
        ("remedied", "incident.close"): "closed",
        ("reported", "incident.close"): "closed",  # looked into, and nothing was wrong
    },
    ended=frozenset({"closed"}),
)
GRIEVANCE: Final = Life(
    subject="grievance",
    steps={
        (NEW, "grievance.file"): "filed",
        ("filed", "grievance.answer:solved"): "answered",
        ("filed", "grievance.answer:explained"): "answered",
        ("filed", "grievance.answer:unsolved"): "answered",
        ("answered", "grievance.reopen"): "filed",
        ("answered", "grievance.close"): "closed",
    },
    ended=frozenset({"closed"}),
)
TASK: Final = Life(
    subject="task",
    steps={
        (NEW, "task.assign"): "assigned",
        ("assigned", "task.report"): "reported",
        ("reported", "task.return"): "assigned",
        ("reported", "task.accept"): "accepted",
        ("assigned", "task.withdraw"): "withdrawn",
    },
    ended=frozenset({"accepted", "withdrawn"}),
)
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
METHOD: Final = Life(
    subject="assessment-method",
    steps={
        (NEW, "method.publish"): "current",
        ("current", "method.publish"): "current",
        ("current", "method.withdraw"): "withdrawn",
    },
    ended=frozenset({"withdrawn"}),
)
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
ISSUE: Final = Life(
    subject="meeting-issue",
    steps={
        (NEW, "issue.raise"): "open",
        ("open", "issue.settle"): "settled",
        ("settled", "issue.reopen"): "open",
        ("settled", "issue.close"): "closed",
    },
    ended=frozenset({"closed"}),
)
MEETING: Final = Life(subject="meeting", steps={(NEW, "meeting.record"): "recorded"})
OVERSIGHT: Final = Life(
    subject="oversight",
    steps={
        (NEW, "oversight.assign"): "assigned",
        ("assigned", "oversight.accept"): "accepted",
        # A new supervisor is named while the old one still answers: there is no gap between them.
        ("assigned", "oversight.assign"): "assigned",
        ("accepted", "oversight.assign"): "assigned",
    },
)

LIVES: Final = (
    SUPERVISION,
    INCIDENT,
    GRIEVANCE,
    TASK,
    MILESTONE,
    BULLETIN,
    METHOD,
    ASSESSMENT,
    ISSUE,
    MEETING,
    OVERSIGHT,
)


def _check_target(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a milestone is reached by its count."""
    count, target = acting.act.body["count"], before["target"]
    if count < target:
        raise RefusedError(f"the count is {count} of {target}", code="target-not-met")
    return ()


def _check_overseen(_acting: Acting, before: Row, after: Row) -> tuple[Change, ...]:
    """Check that one record follows one item, from one supervisor to the next."""
    if before.get("item", after["item"]) != after["item"]:
        raise RefusedError(f"this is the supervision of {before['item']}", code="wrong-state")
    return ()


_62: Final = "62 全流程监督管控"
_60: Final = "60 责任追溯"
_61: Final = "61 工作台账和进度通报, 78 责任单位/完成时限"
_63: Final = "63 督办考核评估/通报批评"
_COMPLAINT: Final = "37 办不成事窗口, 65 12345"

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        Step(life=SUPERVISION, event="supervision.notice", signer=Signer.BOTH),
        "督办通知",
        "send a supervision notice",
        {
            "to": TO,
            "matter": text("督办事项", "what is to be put right"),
            "due": DUE,
            "case": CASE_MAYBE,
            "digest": digest("附件摘要", "digest of an attachment", optional=True),
        },
        question="What was to be put right, by whom and by when?",
        source=_62,
    ),
    kind_of_step(
        Step(
            life=SUPERVISION,
            event="supervision.reply",
            side=Side.ADDRESSEE,
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
        ),
        "督办回复",
        "reply to a supervision notice",
        {"reply": text("回复", "reply"), "evidence": EVIDENCE},
        question="Was the supervision notice answered in time?",
        source=_62,
    ),
    kind_of_step(
        Step(life=SUPERVISION, event="supervision.return", signer=Signer.BOTH),
        "退回重报",
        "send a reply back",
        {"reason": REASON, "due": DUE},
        question="Why was the reply not enough?",
        source=_62,
    ),
    kind_of_step(
        Step(life=SUPERVISION, event="supervision.close", signer=Signer.BOTH),
        "办结销号",
        "close a supervision notice",
        {"evidence": EVIDENCE},
        question="On what evidence was it closed?",
        source=_62,
    ),
    kind_of_step(
        Step(life=SUPERVISION, event="supervision.withdraw", signer=Signer.BOTH),
        "撤回督办",
        "withdraw a supervision notice",
        {"reason": REASON},
        question="Why did the notice need no answer?",
        source=_62,
    ),
    kind_of_step(
        Step(
            life=INCIDENT,
            event="incident.report",
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
        ),
        "问题报告",
        "report an incident",
        {
            "matter": text("问题", "what happened"),
            "case": CASE_MAYBE,
            "grant": object_("grant", "涉及的授权", "grant concerned", optional=True),
            "seal": object_("seal", "涉及的印章", "seal concerned", optional=True),
            "evidence": EVIDENCE,
        },
        question="What harm was done, and to which case?",
        source=_60,
    ),
    kind_of_step(
        Step(life=INCIDENT, event="incident.find", keep=("responsible",)),
        "责任认定",
        "say who answers for an incident",
        {
            "responsible": party_("责任主体", "the party that answers"),
            "cause": text("原因", "cause"),
            "entry": digest("责任行为的条目哈希", "leaf hash of the act that caused it"),
        },
        question="Who is answerable for this harm, by which act?",
        source=_60,
    ),
    kind_of_step(
        Step(life=INCIDENT, event="incident.remedy"),
        "补救措施",
        "record the remedy",
        {"remedy": text("补救", "remedy"), "evidence": EVIDENCE},
        question="How was the harm made good?",
        source=_60,
    ),
    kind_of_step(
        Step(life=INCIDENT, event="incident.close"),
        "问题办结",
        "close an incident",
        {"reason": REASON},
        question="Why is it over?",
        source=_60,
    ),
    kind_of_step(
        Step(
            life=GRIEVANCE,
            event="grievance.file",
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
            keep=("cause",),
        ),
        "登记“办不成事”反映",
        "file a grievance or complaint",
        {
            "channel": code("渠道", "channel", "hotline", "online", "window"),
            "ticket": digest("工单承诺值(加盐)", "salted commitment to the ticket"),
            "cause": code("原因类别", "class of cause"),
            "to": TO,
            "due": DUE,
            "case": CASE_MAYBE,
        },
        question="What could not be done, and does the cause come back?",
        source=_COMPLAINT,
    ),
    kind_of_step(
        Step(
            life=GRIEVANCE,
            event="grievance.answer",
            branch="outcome",
            side=Side.ADDRESSEE,
            signer=Signer.BOTH,
            roles=_ANY_ROLE,
            keep=("outcome",),
        ),
        "答复反映",
        "answer a grievance",
        {
            "outcome": code("结果", "outcome", "explained", "solved", "unsolved"),
            "evidence": EVIDENCE,
            "remark": REMARK,
        },
        question="Was it answered in time, and with what outcome?",
        source=_COMPLAINT,
    ),
    kind_of_step(
        Step(life=GRIEVANCE, event="grievance.reopen", signer=Signer.BOTH, roles=_ANY_ROLE),
        "重新交办",
        "open a grievance again",
        {"reason": REASON, "due": DUE},
        question="Why was the answer not enough?",
        source=_COMPLAINT,
    ),
    kind_of_step(
        Step(life=GRIEVANCE, event="grievance.close", signer=Signer.BOTH, roles=_ANY_ROLE),
        "反映办结",
        "close a grievance",
        {"evidence": EVIDENCE},
        question="Closed with evidence?",
        source=_COMPLAINT,
    ),
    kind_of_step(
        Step(life=TASK, event="task.assign", signer=Signer.BOTH),
        "下达任务",
        "assign a task",
        {
            "matter": text("任务", "task"),
            "to": TO,
            "with": parties("配合单位", "who helps", optional=True),
            "due": date("完成时限", "to be done by"),
            "document": text("文件", "document that sets it"),
        },
        question="Whose task is it, and until when?",
        source=_61,
    ),
    kind_of_step(
        Step(life=TASK, event="task.report", side=Side.ADDRESSEE, signer=Signer.BOTH),
        "报告完成",
        "report a task done",
        {"evidence": EVIDENCE, "remark": REMARK},
        question="Who reported done without evidence?",
        source=_61,
    ),
    kind_of_step(
        Step(life=TASK, event="task.return", signer=Signer.BOTH),
        "退回任务",
        "send a report back",
        {"reason": REASON, "due": DUE},
        question="Why was the report not enough?",
        source=_61,
    ),
    kind_of_step(
        Step(life=TASK, event="task.accept", signer=Signer.BOTH),
        "验收任务",
        "accept a task as done",
        {"evidence": EVIDENCE},
        question="Who accepted it as done, on what evidence?",
        source=_61,
    ),
    kind_of_step(
        Step(life=TASK, event="task.withdraw", signer=Signer.BOTH),
        "撤销任务",
        "withdraw a task",
        {"reason": REASON},
        question="Why is it no task any more?",
        source=_61,
    ),
    kind_of_step(
        Step(
            life=MILESTONE,
            event="milestone.set",
            signer=Signer.BOTH,
            keep=("matter", "target", "document", "counts"),
        ),
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
        Step(life=MILESTONE, event="milestone.report", signer=Signer.BOTH, keep=("count",)),
        "报告进度",
        "report on a milestone",
        {"count": number("已完成数", "count so far"), "evidence": EVIDENCE},
        question="How far had it come by then?",
        source="48 阶段与数量",
    ),
    kind_of_step(
        Step(
            life=MILESTONE,
            event="milestone.reach",
            signer=Signer.BOTH,
            keep=("count",),
            timed=True,
            check=_check_target,
        ),
        "达成目标",
        "reach a milestone",
        {"count": number("完成数", "count reached"), "evidence": EVIDENCE},
        question="Was the target met on the date, by what evidence?",
        source="48 阶段与数量",
    ),
    kind_of_step(
        Step(
            life=BULLETIN,
            event="bulletin.publish",
            signer=Signer.BOTH,
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
    ),
    kind_of_step(
        Step(
            life=METHOD,
            event="method.publish",
            signer=Signer.BOTH,
            versioned=True,
            keep=("digest",),
        ),
        "公布考核方法",
        "publish a method of assessment",
        {"version": VERSION, "title": text("名称", "title"), "digest": DIGEST},
        question="By which published method are the figures made?",
        source=_63,
    ),
    kind_of_step(
        Step(life=METHOD, event="method.withdraw", signer=Signer.BOTH),
        "废止考核方法",
        "withdraw a method",
        {"reason": REASON},
        question="Until when was the method in force?",
        source=_63,
    ),
    kind_of_step(
        Step(
            life=ASSESSMENT,
            event="assessment.publish",
            signer=Signer.BOTH,
            rests_on=("method",),
        ),
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
    ),
    kind_of_step(
        Step(life=ASSESSMENT, event="assessment.appeal", side=Side.ADDRESSEE, signer=Signer.BOTH),
        "考核申诉",
        "appeal against an assessment",
        {"reason": REASON, "evidence": EVIDENCE},
        question="Did the assessed party object, and on what ground?",
        source=_63,
    ),
    kind_of_step(
        Step(
            life=ASSESSMENT,
            event="assessment.answer",
            branch="outcome",
            signer=Signer.BOTH,
            keep=("outcome",),
        ),
        "申诉答复",
        "answer an appeal",
        {"outcome": code("结果", "outcome", "changed", "upheld"), "reason": REASON},
        question="What became of the appeal?",
        source=_63,
    ),
    kind_of_step(
        Step(life=ASSESSMENT, event="assessment.criticise", signer=Signer.BOTH),
        "通报批评",
        "publish a criticism",
        {"reason": REASON, "digest": DIGEST},
        question="On which assessment does the criticism rest, and was an appeal answered first?",
        source=_63,
    ),
    kind_of_step(
        Step(life=MEETING, event="meeting.record", signer=Signer.BOTH),
        "联席会议纪要",
        "record a joint meeting",
        {
            "parties": parties("与会单位", "who took part"),
            "digest": digest("纪要摘要", "digest of the minutes"),
            "held": date("会议时间", "when it was held"),
        },
        question="Who met, and what was settled?",
        source="51 两地联席会议",
    ),
    kind_of_step(
        Step(life=ISSUE, event="issue.raise", signer=Signer.BOTH, rests_on=("meeting",)),
        "提出议题",
        "raise an issue of a joint meeting",
        {
            "meeting": object_("meeting", "联席会议", "joint meeting"),
            "matter": text("议题", "issue"),
            "to": TO,
            "due": DUE,
        },
        question="Whose issue is it, and until when?",
        source="51 两地联席会议",
    ),
    kind_of_step(
        Step(life=ISSUE, event="issue.settle", side=Side.ADDRESSEE, signer=Signer.BOTH),
        "落实议题",
        "settle an issue",
        {"evidence": EVIDENCE, "remark": REMARK},
        question="Which issues are overdue?",
        source="51 两地联席会议",
    ),
    kind_of_step(
        Step(life=ISSUE, event="issue.reopen", signer=Signer.BOTH),
        "重提议题",
        "open an issue again",
        {"reason": REASON, "due": DUE},
        question="Why was it not settled?",
        source="51 两地联席会议",
    ),
    kind_of_step(
        Step(life=ISSUE, event="issue.close", signer=Signer.BOTH),
        "议题办结",
        "close an issue",
        {},
        question="When was it over?",
        source="51 两地联席会议",
    ),
    kind_of_step(
        Step(
            life=OVERSIGHT,
            event="oversight.assign",
            signer=Signer.BOTH,
            keep=("item",),
            check=_check_overseen,
        ),
        "指定监管主体",
        "name who supervises an item",
        {"item": object_("item", "事项", "item"), "to": TO, "due": DUE},
        question="Was there any period with no supervisor?",
        source="67 事中事后监管",
    ),
    kind_of_step(
        Step(life=OVERSIGHT, event="oversight.accept", side=Side.ADDRESSEE, signer=Signer.BOTH),
        "承接监管",
        "take over supervision",
        {"remark": REMARK},
        question="From when on did the new supervisor answer?",
        source="67 事中事后监管",
    ),
)
