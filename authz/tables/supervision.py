"""Supervision: 督办, incidents, grievances and tasks."""

from typing import Final

from authz.records import NEW, Life, Side, Step
from authz.tables.desks import ANY_ROLE, office_step
from authz.tables.words import (
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
    object_,
    parties,
    party_,
    text,
)
from ledger.kind import Kind

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

LIVES: Final = (
    SUPERVISION,
    INCIDENT,
    GRIEVANCE,
    TASK,
)

_62: Final = "62 全流程监督管控"

_60: Final = "60 责任追溯"

_61: Final = "61 工作台账和进度通报, 78 责任单位/完成时限"

_COMPLAINT: Final = "37 办不成事窗口, 65 12345"

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        office_step(SUPERVISION, "supervision.notice"),
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
        office_step(SUPERVISION, "supervision.reply", side=Side.ADDRESSEE, roles=ANY_ROLE),
        "督办回复",
        "reply to a supervision notice",
        {"reply": text("回复", "reply"), "evidence": EVIDENCE},
        question="Was the supervision notice answered in time?",
        source=_62,
        cites=("there",),
        while_stopped=True,
    ),
    kind_of_step(
        office_step(SUPERVISION, "supervision.return"),
        "退回重报",
        "send a reply back",
        {"reason": REASON, "due": DUE},
        question="Why was the reply not enough?",
        source=_62,
        cites=("there",),
    ),
    kind_of_step(
        office_step(SUPERVISION, "supervision.close"),
        "办结销号",
        "close a supervision notice",
        {"evidence": EVIDENCE},
        question="On what evidence was it closed?",
        source=_62,
        cites=("there",),
    ),
    kind_of_step(
        office_step(SUPERVISION, "supervision.withdraw"),
        "撤回督办",
        "withdraw a supervision notice",
        {"reason": REASON},
        question="Why did the notice need no answer?",
        source=_62,
        cites=("there",),
    ),
    kind_of_step(
        office_step(INCIDENT, "incident.report", roles=ANY_ROLE),
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
        while_stopped=True,
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
        office_step(GRIEVANCE, "grievance.file", roles=ANY_ROLE, keep=("cause",)),
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
        office_step(
            GRIEVANCE,
            "grievance.answer",
            branch="outcome",
            side=Side.ADDRESSEE,
            roles=ANY_ROLE,
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
        cites=("there",),
        while_stopped=True,
    ),
    kind_of_step(
        office_step(GRIEVANCE, "grievance.reopen", roles=ANY_ROLE),
        "重新交办",
        "open a grievance again",
        {"reason": REASON, "due": DUE},
        question="Why was the answer not enough?",
        source=_COMPLAINT,
        cites=("there",),
    ),
    kind_of_step(
        office_step(GRIEVANCE, "grievance.close", roles=ANY_ROLE),
        "反映办结",
        "close a grievance",
        {"evidence": EVIDENCE},
        question="Closed with evidence?",
        source=_COMPLAINT,
        cites=("there",),
    ),
    kind_of_step(
        office_step(TASK, "task.assign"),
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
        office_step(TASK, "task.report", side=Side.ADDRESSEE),
        "报告完成",
        "report a task done",
        {"evidence": EVIDENCE, "remark": REMARK},
        question="Who reported done without evidence?",
        source=_61,
        cites=("there",),
    ),
    kind_of_step(
        office_step(TASK, "task.return"),
        "退回任务",
        "send a report back",
        {"reason": REASON, "due": DUE},
        question="Why was the report not enough?",
        source=_61,
        cites=("there",),
    ),
    kind_of_step(
        office_step(TASK, "task.accept"),
        "验收任务",
        "accept a task as done",
        {"evidence": EVIDENCE},
        question="Who accepted it as done, on what evidence?",
        source=_61,
        cites=("there",),
    ),
    kind_of_step(
        office_step(TASK, "task.withdraw"),
        "撤销任务",
        "withdraw a task",
        {"reason": REASON},
        question="Why is it no task any more?",
        source=_61,
        cites=("there",),
    ),
)
