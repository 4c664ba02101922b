"""Seals, certificates, signatures and what is recognised: mechanisms 52 to 59."""

from typing import Final

from authz.mechanisms.mechanism import GUIZHOU, SHANWEI, TIBET, XINING, ZAOZHUANG, Mechanism

MECHANISMS: Final[tuple[Mechanism, ...]] = (
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
)
