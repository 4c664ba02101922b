"""The eighty mechanisms of the five policy documents, and the kinds and rules that answer each.

A document asks for something in a phrase; here stands by which acts it is recorded, and, where it
asks for more than a record, by which function it is held.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authz import branch, case, custody, grant, item, party, trace, training, use
from ledger import commitment, judge, proofs

TIBET: Final = "藏政办发〔2021〕21号"
SHANWEI: Final = "汕尾市推进政务服务“跨城通办”工作方案"
GUIZHOU: Final = "黔府发〔2020〕4号"
XINING: Final = "城中政发〔2023〕6号"
ZAOZHUANG: Final = "市中政办发〔2021〕7号"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """One thing that the documents ask for.

    Args:
        phrases: Where they ask for it: the document, and its own words.
        kinds: The kinds of acts that record it.
        rules: The functions that hold it, beyond those of its kinds.
    """

    number: int
    name: str
    phrases: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...]
    rules: tuple[Callable[..., object], ...] = ()


MECHANISMS: Final[tuple[Mechanism, ...]] = (
    Mechanism(
        number=1,
        name="窗口授信机制",
        phrases=((TIBET, "建立‘跨省通办’窗口授信机制"),),
        kinds=(
            "grant.offer",
            "grant.accept",
            "grant.decline",
            "grant.suspend",
            "grant.resume",
            "grant.renew",
            "grant.revoke",
        ),
        rules=(use.check_use,),
    ),
    Mechanism(
        number=2,
        name="授权文件模板",
        phrases=((TIBET, "制定‘跨省通办’授权文件模板并下发"),),
        kinds=(
            "template.publish",
            "template.withdraw",
            "grant.offer",
        ),
    ),
    Mechanism(
        number=3,
        name="系统内授权",
        phrases=((TIBET, "自治区各有关单位负责本系统‘跨省通办’事项窗口具体授权工作"),),
        kinds=("grant.offer",),
        rules=(grant.offer,),
    ),
    Mechanism(
        number=4,
        name="四权互授",
        phrases=((GUIZHOU, "相互授予收件受理权、一次性告知权、原件核验权、审批结果送达权"),),
        kinds=(
            "grant.offer",
            "grant.accept",
            "case.open",
            "case.notice",
            "case.verify",
            "case.deliver",
        ),
        rules=(use.check_use,),
    ),
    Mechanism(
        number=5,
        name="区块链信任机制",
        phrases=((GUIZHOU, "确保数据完整性、准确性、可用性和保密性"),),
        kinds=(
            "act.correct",
            "vault.key",
            "vault.put",
            "vault.share",
            "vault.shred",
            "vault.keep",
        ),
        rules=(
            proofs.check_inclusion,
            proofs.check_consistency,
            judge.check_citations,
            commitment.check_opening,
        ),
    ),
    Mechanism(
        number=6,
        name="授权账号",
        phrases=((GUIZHOU, "统一集中配置授权账号"),),
        kinds=(
            "party.enrol",
            "party.rekey",
            "party.retire",
            "token.issue",
            "token.revoke",
        ),
        rules=(party.enrol,),
    ),
    Mechanism(
        number=7,
        name="信任为先 / 窗口+后台",
        phrases=((GUIZHOU, "各级窗口受理人员及后台审批人员本着信任为先原则"),),
        kinds=(
            "challenge.raise",
            "challenge.answer",
        ),
    ),
    Mechanism(
        number=8,
        name="首席事务代表",
        phrases=((XINING, "建立部门业务综合授权的‘首席事务代表’制度"),),
        kinds=(
            "representative.appoint",
            "representative.dismiss",
        ),
    ),
    Mechanism(
        number=9,
        name="进必授权",
        phrases=(
            (XINING, "应进必进"),
            (XINING, "进必授权"),
            (XINING, "杜绝把服务窗口作为‘收发室’"),
        ),
        kinds=(
            "representative.appoint",
            "exception.apply",
            "exception.answer",
            "grant.offer",
        ),
    ),
    Mechanism(
        number=10,
        name="收件即受理+受理凭证",
        phrases=((XINING, "授权窗口工作人员接收申请材料并出具受理凭证"),),
        kinds=(
            "case.open",
            "case.supplement",
        ),
        rules=(case.open_case,),
    ),
    Mechanism(
        number=11,
        name="窗口联络清单",
        phrases=((TIBET, "及时准确做好‘跨省通办’窗口联络清单信息动态更新"),),
        kinds=(
            "contact.publish",
            "contact.withdraw",
        ),
    ),
    Mechanism(
        number=12,
        name="专人负责制/人员配备",
        phrases=(
            (TIBET, "建立专人负责制"),
            (SHANWEI, "指定专人负责"),
        ),
        kinds=(
            "responsible.assign",
            "responsible.relieve",
            "party.enrol",
        ),
    ),
    Mechanism(
        number=13,
        name="窗口设置与设备",
        phrases=(
            (TIBET, "配备专职人员及通用设备(含远程协助所需的高清摄像头…高拍仪等)"),
            (ZAOZHUANG, "完善‘通办’专窗设置"),
        ),
        kinds=(
            "readiness.attest",
            "readiness.withdraw",
            "party.enrol",
        ),
    ),
    Mechanism(
        number=14,
        name="不改变办理事权",
        phrases=((ZAOZHUANG, "在不改变原有办理事权的基础上"),),
        kinds=(
            "case.decide",
            "grant.offer",
        ),
        rules=(case.decide,),
    ),
    Mechanism(
        number=15,
        name="异地代收代办",
        phrases=(
            (TIBET, "由收件地通办窗口代为履行收件职责…属地办结送达"),
            (SHANWEI, "异地窗口代收代办"),
        ),
        kinds=(
            "case.open",
            "case.withdraw",
            "case.close",
            "handoff.offer",
            "handoff.accept",
            "handoff.release",
            "handoff.cancel",
            "handoff.decline",
            "case.deliver",
            "agreement.propose",
        ),
        rules=(custody.held,),
    ),
    Mechanism(
        number=16,
        name="全程网办",
        phrases=(
            (TIBET, "引导、辅助申请人通过政务服务网完成申报"),
            (ZAOZHUANG, "全面深化‘全程网办’"),
        ),
        kinds=(
            "assist.consent",
            "assist.file",
            "assist.withdraw",
            "signature.record",
            "case.open",
        ),
    ),
    Mechanism(
        number=17,
        name="受审分离 / 收受分离",
        phrases=(
            (SHANWEI, "通过‘受审分离’模式"),
            (ZAOZHUANG, "通过‘收受分离’模式,打破…属地化管理限制"),
        ),
        kinds=("case.decide",),
        rules=(case.decide,),
    ),
    Mechanism(
        number=18,
        name="多地联办",
        phrases=((ZAOZHUANG, "一地受理申请,多地协同办理"),),
        kinds=(
            "branch.open",
            "branch.report",
            "branch.join",
            "branch.drop",
            "part.ask",
            "part.answer",
            "part.join",
            "part.withdraw",
        ),
        rules=(branch.open_branch, branch.join, case.decide),
    ),
    Mechanism(
        number=19,
        name="一体机互联",
        phrases=(
            (SHANWEI, "一体机事项互联互通"),
            (SHANWEI, "政银一体机"),
        ),
        kinds=(
            "device.enrol",
            "device.update",
            "device.suspend",
            "device.resume",
            "device.retire",
            "device.session",
        ),
    ),
    Mechanism(
        number=20,
        name="24小时自助",
        phrases=((XINING, "推行24小时自助服务…延伸"),),
        kinds=(
            "device.session",
            "hours.publish",
        ),
    ),
    Mechanism(
        number=21,
        name="形式审查/身份核验",
        phrases=((SHANWEI, "对申请人通过专窗提交的申请材料进行形式审查、身份核验"),),
        kinds=(
            "review.form",
            "identity.check",
            "case.verify",
        ),
    ),
    Mechanism(
        number=22, name="原件核验", phrases=((GUIZHOU, "原件核验权"),), kinds=("case.verify",)
    ),
    Mechanism(
        number=23,
        name="实质性审查/决定",
        phrases=((GUIZHOU, "审批人员对报件进行实质性审查并作出审批决定"),),
        kinds=("case.decide",),
        rules=(case.decide,),
    ),
    Mechanism(
        number=24,
        name="一次性告知",
        phrases=(
            (GUIZHOU, "一次性告知权"),
            (XINING, "一次性告知…等制度"),
        ),
        kinds=(
            "case.notice",
            "case.supplement",
        ),
        rules=(case.next_stage,),
    ),
    Mechanism(
        number=25,
        name="首问负责",
        phrases=((XINING, "严格落实首问负责"),),
        kinds=(
            "contact.first",
            "handoff.offer",
            "handoff.decline",
        ),
    ),
    Mechanism(
        number=26,
        name="容缺受理",
        phrases=((XINING, "缺失材料在取得证照时一次补齐"),),
        kinds=(
            "tolerance.accept",
            "tolerance.settle",
            "tolerance.lapse",
            "exclusion.publish",
            "exclusion.end",
        ),
    ),
    Mechanism(
        number=27,
        name="限时办结",
        phrases=(
            (XINING, "限时办结"),
            (TIBET, "办结时限"),
        ),
        kinds=(
            "calendar.publish",
            "item.publish",
            "procedures.publish",
            "procedure.start",
            "procedure.end",
        ),
    ),
    Mechanism(
        number=28,
        name="现场勘验/技术审查/听证",
        phrases=((XINING, "需要现场勘验、技术审查、听证论证等程序的,实施清单化管理"),),
        kinds=(
            "procedures.publish",
            "procedure.start",
            "procedure.end",
        ),
    ),
    Mechanism(
        number=29,
        name="告知承诺制",
        phrases=(
            (XINING, "你承诺、我审批、你失信、我撤销"),
            (XINING, "推送至公共信用信息共享平台"),
        ),
        kinds=(
            "commitment.make",
            "commitment.check",
            "commitment.revoke",
            "commitment.push",
        ),
    ),
    Mechanism(
        number=30,
        name="视频会商/视频核验",
        phrases=(
            (SHANWEI, "通过‘粤视会’等系统开展会商收件"),
            (GUIZHOU, "全过程记录和点对点视频对话、视频核验"),
            (ZAOZHUANG, "远程视频会商收件"),
        ),
        kinds=(
            "video.start",
            "video.end",
        ),
    ),
    Mechanism(
        number=31,
        name="邮政寄递/双向物流",
        phrases=(
            (TIBET, "收、寄"),
            (GUIZHOU, "用快递跑取代群众跑"),
            (ZAOZHUANG, "双向物流"),
        ),
        kinds=(
            "parcel.send",
            "parcel.receive",
            "parcel.lose",
        ),
    ),
    Mechanism(
        number=32,
        name="寄递费用",
        phrases=((TIBET, "寄递服务费用承担主体"),),
        kinds=(
            "fee-policy.publish",
            "fee-policy.withdraw",
            "charge.record",
        ),
    ),
    Mechanism(
        number=33,
        name="就近打证/颁证",
        phrases=((GUIZHOU, "办结后需颁发证照的,由窗口人员打证颁证"),),
        kinds=(
            "print.record",
            "print.void",
            "blanks.receive",
            "blanks.count",
            "blanks.close",
        ),
    ),
    Mechanism(
        number=34,
        name="结果送达",
        phrases=(
            (GUIZHOU, "审批结果送达权"),
            (SHANWEI, "寄递纸质结果或网络送达"),
        ),
        kinds=(
            "case.deliver",
            "parcel.send",
            "parcel.receive",
            "parcel.lose",
        ),
    ),
    Mechanism(
        number=35,
        name="帮办代办陪办",
        phrases=(
            (GUIZHOU, "推行无偿帮办、代办、陪办服务"),
            (XINING, "建立专(兼)职帮办代办队伍"),
        ),
        kinds=(
            "agent.engage",
            "agent.end",
        ),
    ),
    Mechanism(
        number=36,
        name="事前辅导",
        phrases=((GUIZHOU, "编制全省通办事项事前辅导手册"),),
        kinds=(
            "guide.publish",
            "guide.withdraw",
            "consultation.record",
        ),
    ),
    Mechanism(
        number=37,
        name="办不成事窗口",
        phrases=((XINING, "设置‘办不成事’反映窗口"),),
        kinds=(
            "grievance.file",
            "grievance.answer",
            "grievance.reopen",
            "grievance.close",
        ),
    ),
    Mechanism(
        number=38,
        name="一件事集成",
        phrases=((XINING, "一次告知、一表申请、一套材料…"),),
        kinds=(
            "bundle.open",
            "bundle.add",
            "bundle.close",
        ),
    ),
    Mechanism(
        number=39,
        name="政务+银行",
        phrases=((XINING, "在银行网点提供政府相关部门授权范围内的政务服务事项代办服务"),),
        kinds=(
            "party.enrol",
            "grant.accept",
            "device.enrol",
        ),
        rules=(grant.accept,),
    ),
    Mechanism(
        number=40,
        name="延伸镇村园区",
        phrases=((ZAOZHUANG, "可延伸到有条件的镇街、村(社区)和园区"),),
        kinds=("grant.offer",),
        rules=(grant.offer,),
    ),
    Mechanism(
        number=41,
        name="事项标准统一/四级四同",
        phrases=(
            (TIBET, "同一事项编码、名称、类型和设定依据、权限范围、办结时限、受理条件…全统一"),
            (XINING, "四级四同"),
        ),
        kinds=("item.publish",),
        rules=(item.publish,),
    ),
    Mechanism(
        number=42,
        name="不得额外增加材料",
        phrases=((XINING, "不得额外增加或变相增加办理环节和申请材料"),),
        kinds=(
            "case.notice",
            "scenario.publish",
        ),
        rules=(case.notice,),
    ),
    Mechanism(
        number=43,
        name="不得重复提交/不得强制线上",
        phrases=(
            (XINING, "不得要求申请人重复提交纸质材料"),
            (XINING, "不得强制要求其先到线上预约"),
        ),
        kinds=(
            "channel.choose",
            "paper.ask",
            "share.use",
        ),
    ),
    Mechanism(
        number=44,
        name="颗粒化/多情形",
        phrases=((SHANWEI, "一事项多情形、一事项一标准"),),
        kinds=(
            "scenario.publish",
            "scenario.withdraw",
        ),
    ),
    Mechanism(
        number=45,
        name="事项动态管理",
        phrases=(
            (SHANWEI, "进行事项动态化管理"),
            (XINING, "最终报省政府审改办确认后"),
        ),
        kinds=(
            "proposal.submit",
            "proposal.review",
            "proposal.confirm",
            "proposal.publish",
            "item.publish",
            "item.withdraw",
        ),
    ),
    Mechanism(
        number=46,
        name="事项认领",
        phrases=((ZAOZHUANG, "全面认领通办事项"),),
        kinds=(
            "claim.make",
            "claim.release",
        ),
    ),
    Mechanism(
        number=47,
        name="清单公布",
        phrases=((GUIZHOU, "每年集中公布一次,第一批次事项占比…"),),
        kinds=(
            "item-list.publish",
            "item-list.withdraw",
        ),
    ),
    Mechanism(
        number=48,
        name="阶段与数量",
        phrases=(
            (TIBET, "西南五省政务服务“跨省通办”148项通办事项"),
            (SHANWEI, "上线96个“全程网办”事项"),
        ),
        kinds=(
            "milestone.set",
            "milestone.report",
            "milestone.reach",
            "item-list.publish",
        ),
    ),
    Mechanism(
        number=49,
        name="操作规程/权责划分",
        phrases=((GUIZHOU, "细化岗位职责、资料传输、联动方式、权责划分"),),
        kinds=(
            "process.publish",
            "process.withdraw",
        ),
    ),
    Mechanism(
        number=50,
        name="收件地/办理地职责",
        phrases=((SHANWEI, "明确收件地和办理地的工作职责、业务流转程序"),),
        kinds=(
            "agreement.propose",
            "agreement.sign",
            "agreement.decline",
            "agreement.withdraw",
            "agreement.end",
        ),
    ),
    Mechanism(
        number=51,
        name="两地联席会议",
        phrases=((SHANWEI, "建立两地联席会议制度"),),
        kinds=(
            "meeting.record",
            "issue.raise",
            "issue.settle",
            "issue.reopen",
            "issue.close",
        ),
    ),
    Mechanism(
        number=52,
        name="电子印章制发",
        phrases=((GUIZHOU, "刻制本级政务服务部门电子印章"),),
        kinds=(
            "seal.request",
            "seal.decline",
            "seal.make",
            "seal.file",
            "seal.enable",
            "seal.issue",
            "seal.entrust",
            "seal.suspend",
            "seal.lose",
            "seal.resume",
            "seal.replace",
            "seal.revoke",
        ),
    ),
    Mechanism(
        number=53,
        name="印章核验与用印管理",
        phrases=((XINING, "规范各部门电子印章制发核验和用印管理工作"),),
        kinds=(
            "seal.lend",
            "seal.recall",
            "seal.ask",
            "seal.approve",
            "seal.refuse",
            "seal.use",
        ),
    ),
    Mechanism(
        number=54,
        name="电子证照签发归集",
        phrases=(
            (XINING, "谁办理、谁入库"),
            (XINING, "及时全量上传归集"),
        ),
        kinds=(
            "certificate.issue",
            "certificate.archive",
            "certificate.revoke",
        ),
    ),
    Mechanism(
        number=55,
        name="授权用证/委托用证/亮证",
        phrases=((XINING, "实现电子亮证、授权用证、委托用证和证照验证的便捷化"),),
        kinds=(
            "consent.give",
            "consent.use",
            "consent.spend",
            "consent.withdraw",
        ),
    ),
    Mechanism(
        number=56,
        name="免证办/一证通办",
        phrases=(
            (XINING, "政府部门核发的材料一律免于提交"),
            (XINING, "一证通办"),
        ),
        kinds=(
            "share.use",
            "paper.ask",
        ),
    ),
    Mechanism(
        number=57,
        name="统一身份认证",
        phrases=(
            (XINING, "一次注册、一号登录、多点互认、全网通行"),
            (ZAOZHUANG, "统一身份认证"),
        ),
        kinds=("login.record",),
    ),
    Mechanism(
        number=58,
        name="电子签名/网上缴费",
        phrases=((ZAOZHUANG, "电子印章、电子签名、视频核验、双向物流、网上缴费"),),
        kinds=(
            "signature.record",
            "payment.record",
            "payment.refund",
        ),
    ),
    Mechanism(
        number=59,
        name="业务互信互认",
        phrases=(
            (SHANWEI, "形成…业务互信互认"),
            (TIBET, "电子证照应用互信互认"),
        ),
        kinds=(
            "recognition.propose",
            "recognition.sign",
            "recognition.decline",
            "recognition.end",
        ),
    ),
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
