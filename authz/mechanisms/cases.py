"""How a case is taken in, done and handed back: mechanisms 15 to 38."""

from typing import Final

from authz import branch, case, custody
from authz.mechanisms.mechanism import GUIZHOU, SHANWEI, TIBET, XINING, ZAOZHUANG, Mechanism

MECHANISMS: Final[tuple[Mechanism, ...]] = (
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
)
