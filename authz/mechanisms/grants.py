"""What windows are lent, by whom, and who may act: mechanisms 1 to 14."""

from typing import Final

from authz import case, grant, party, use
from authz.mechanisms.mechanism import GUIZHOU, SHANWEI, TIBET, XINING, ZAOZHUANG, Mechanism
from ledger import commitment, judge, proofs

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
)
