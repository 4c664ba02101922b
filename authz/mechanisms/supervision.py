"""Who looks after it all: mechanisms 60 to 80."""

from typing import Final

from authz import grant, party, trace, training
from authz.mechanisms.mechanism import GUIZHOU, SHANWEI, TIBET, XINING, ZAOZHUANG, Mechanism

MECHANISMS: Final[tuple[Mechanism, ...]] = (
    Mechanism(
        number=60,
        name="责任追溯",
        phrases=(
            (SHANWEI, "建立两地…异地受理、问题处理、监督管理、责任追溯机制"),
            (ZAOZHUANG, "问题处置和责任追溯机制"),
        ),
        kinds=(
            "case.note",
            "incident.report",
            "incident.find",
            "incident.remedy",
            "incident.close",
        ),
        rules=(trace.trace,),
    ),
    Mechanism(
        number=61,
        name="工作台账和进度通报",
        phrases=(
            (SHANWEI, "建立工作台账和进度通报机制"),
            (ZAOZHUANG, "建立工作台账"),
        ),
        kinds=(
            "task.assign",
            "task.report",
            "task.return",
            "task.accept",
            "task.withdraw",
            "bulletin.publish",
        ),
    ),
    Mechanism(
        number=62,
        name="全流程监督管控",
        phrases=((GUIZHOU, "全流程监督管控机制…跟踪督办"),),
        kinds=(
            "supervision.notice",
            "supervision.reply",
            "supervision.return",
            "supervision.close",
            "supervision.withdraw",
        ),
    ),
    Mechanism(
        number=63,
        name="督办考核评估/通报批评",
        phrases=(
            (TIBET, "督办考核评估"),
            (SHANWEI, "通报批评"),
            (ZAOZHUANG, "通报批评"),
        ),
        kinds=(
            "method.publish",
            "method.withdraw",
            "assessment.publish",
            "assessment.appeal",
            "assessment.answer",
            "assessment.criticise",
        ),
    ),
    Mechanism(
        number=64,
        name="好差评",
        phrases=(
            (XINING, "一事一评"),
            (XINING, "一次一评"),
            (XINING, "不得强迫或者干扰"),
            (ZAOZHUANG, "评价数据全量、实时上传"),
        ),
        kinds=(
            "evaluation.rate",
            "evaluation.rectify",
            "evaluation.feedback",
        ),
    ),
    Mechanism(
        number=65,
        name="12345",
        phrases=(
            (TIBET, "‘12345’政务服务便民热线"),
            (ZAOZHUANG, "‘12345’政务服务热线"),
        ),
        kinds=(
            "grievance.file",
            "grievance.answer",
            "grievance.reopen",
            "grievance.close",
        ),
    ),
    Mechanism(
        number=66,
        name="审批监管协同",
        phrases=(
            (XINING, "谁审批、谁监管…"),
            (XINING, "同步推送至行业主管部门"),
        ),
        kinds=(
            "push.send",
            "push.receipt",
            "push.resend",
        ),
    ),
    Mechanism(
        number=67,
        name="事中事后监管",
        phrases=((SHANWEI, "防止出现监管真空,确保事有人管、责有人负"),),
        kinds=(
            "oversight.assign",
            "oversight.accept",
        ),
    ),
    Mechanism(
        number=68,
        name="信用",
        phrases=(
            (XINING, "归入信用档案"),
            (SHANWEI, "信用监管"),
        ),
        kinds=(
            "credit.push",
            "credit.receipt",
            "credit.repair",
            "commitment.push",
        ),
    ),
    Mechanism(
        number=69,
        name="业务培训",
        phrases=(
            (TIBET, "分层级、分批次组织…业务培训"),
            (GUIZHOU, "窗口人员辅导培训"),
        ),
        kinds=(
            "training.attest",
            "training.lapse",
        ),
        rules=(training.attest,),
    ),
    Mechanism(
        number=70,
        name="双重管理/人员",
        phrases=((XINING, "接受区政务服务监督管理局管理和进驻窗口单位双重管理"),),
        kinds=(
            "party.suspend",
            "party.resume",
        ),
        rules=(party.suspend,),
    ),
    Mechanism(
        number=71,
        name="公示身份",
        phrases=((XINING, "佩戴胸牌,公开个人姓名、职务、岗位"),),
        kinds=("party.enrol",),
    ),
    Mechanism(
        number=72,
        name="延时/错时服务",
        phrases=(
            (XINING, "周末不打烊、中午不断档"),
            (GUIZHOU, "错时、延时服务"),
        ),
        kinds=(
            "hours.publish",
            "hours.withdraw",
        ),
    ),
    Mechanism(
        number=73,
        name="系统互联/支撑平台",
        phrases=(
            (TIBET, "办件流转、数据共享…在线评价互联互通"),
            (GUIZHOU, "前端收件,部门业务系统联动办理"),
        ),
        kinds=(
            "counts.tell",
            "counts.answer",
            "counts.explain",
        ),
    ),
    Mechanism(
        number=74,
        name="数据回流/共享供需",
        phrases=(
            (XINING, "完善数据回流机制"),
            (XINING, "政务数据共享供需对接机制"),
        ),
        kinds=(
            "data.request",
            "data.provide",
            "data.refuse",
            "data.use",
            "data.end",
        ),
    ),
    Mechanism(
        number=75,
        name="中介服务清单",
        phrases=((XINING, "实行清单化管理并动态调整"),),
        kinds=(
            "intermediaries.publish",
            "intermediaries.withdraw",
            "grievance.file",
        ),
    ),
    Mechanism(
        number=76,
        name="分中心例外批准",
        phrases=((XINING, "提出书面申请,经认定…批准后设立分中心"),),
        kinds=(
            "exception.apply",
            "exception.answer",
            "exception.end",
        ),
    ),
    Mechanism(
        number=77,
        name="政策依据有效期",
        phrases=((XINING, "自2023年5月9日起实施,有效期至2028年5月8日"),),
        kinds=(
            "basis.publish",
            "grant.offer",
        ),
        rules=(grant.offer,),
    ),
    Mechanism(
        number=78,
        name="责任单位/完成时限",
        phrases=(
            (TIBET, "完成时限:2021年7月"),
            (ZAOZHUANG, "2021年6月底前完成"),
        ),
        kinds=(
            "task.assign",
            "task.report",
            "task.return",
            "task.accept",
            "task.withdraw",
        ),
    ),
    Mechanism(
        number=79,
        name="宣传公开/政策解读",
        phrases=(
            (SHANWEI, "工作进展及成效"),
            (ZAOZHUANG, "及时公开工作进展及成效"),
        ),
        kinds=("publication.record",),
    ),
    Mechanism(
        number=80,
        name="社会公共服务单位纳入",
        phrases=((SHANWEI, "承担公共服务职能企事业单位的指导监督"),),
        kinds=(
            "public-service.include",
            "public-service.supervise",
            "public-service.exclude",
            "party.enrol",
        ),
    ),
)
