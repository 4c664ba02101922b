"""What may be done where, by which standard: mechanisms 39 to 51."""

from typing import Final

from authz import case, grant, item
from authz.mechanisms.mechanism import GUIZHOU, SHANWEI, TIBET, XINING, ZAOZHUANG, Mechanism

MECHANISMS: Final[tuple[Mechanism, ...]] = (
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
)
