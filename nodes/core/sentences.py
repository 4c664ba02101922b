"""The joined sentences: what each stable code means to the person at the counter."""

from collections.abc import Mapping
from typing import Final

import authz.finding
import authz.tables.sentences
import seals.finding

FORMLESS: Final = (
    "该记录的格式或其中的签名、证明不成立，视为无效。",
    "The entry is not of the form, or what it holds does not hold, so it has no effect.",
)
"""Of findings about bytes that no caller of an honest node could have had recorded."""

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    **authz.finding.SENTENCES,
    **authz.tables.sentences.SENTENCES,
    **seals.finding.SENTENCES,
}

# What no rule of the domain says: who asks, the place where papers lie, the node itself.
_CALLERS: Final[Mapping[str, tuple[str, str]]] = {
    "no-token": (
        "未出示令牌。请用 --token 指明令牌文件。",
        "No token was shown. Name the file of yours with --token.",
    ),
    "unknown-token": (
        "本节点不认识该令牌。请核对文件，或请本地区运维人员另发。",
        "This node does not know the token. Compare the file, or have your operator make another.",
    ),
    "expired-token": (
        "令牌已过期，请本地区运维人员另发。",
        "The token has expired. Have your operator make another.",
    ),
    "revoked-token": (
        "令牌已收回，请本地区运维人员另发。",
        "The token was ended. Have your operator make another.",
    ),
    "wrong-role": (
        "本令牌的角色无权办理此事。",
        "The role of the token that was used may not do this.",
    ),
    "wrong-party": (
        "本令牌不能代表该经办人或单位。",
        "The token that was used does not speak for that officer or unit.",
    ),
    "wrong-previous": (
        "该对象在此期间已有新的记录，请读取最新记录后重新办理。",
        "Something was recorded about it meanwhile: read that, and try again.",
    ),
    "vault-only": (
        "材料的存取只由保管库办理并自行记录，请用 shouxin vault。",
        "What is done with papers the vault records by itself. Use shouxin vault.",
    ),
    "never-held": (
        "本地区从未持有该办件，没有其材料。",
        "This region never held the case, and has none of its papers.",
    ),
    "vault-full": (
        "保管库对该办件的容量已满，请减少或缩小文件。",
        "The vault takes no more for this case. Put in fewer or smaller files.",
    ),
    "unanswered-tombstone": (
        "他地已销毁该办件的材料。请先在本地销毁，或说明保留理由。",
        "Another region has shredded the case's papers. Shred them here, or say why they are kept.",
    ),
    "behind": (
        "本节点尚未看到所要求的记录，请稍后再问。",
        "This node has not seen as much as you ask for yet. Ask again soon.",
    ),
    "not-judged-here": (
        "本节点不核验该日志，请向其他节点查询。",
        "This node does not judge that log. Ask another.",
    ),
    "busy": (
        "节点正忙，未做任何更改，请稍后重试。",
        "The node is busy and has changed nothing. Try again soon.",
    ),
    "judging-again": (
        "本节点正在重新核对所依据的日志，未做任何更改，请稍后重试。",
        "The node judges again what acts rely on, and has changed nothing. Try again soon.",
    ),
    "disk": (
        "节点暂时无法写入，未做任何更改，请告知运维人员。",
        "The node cannot write and has changed nothing. Tell its operator.",
    ),
    "standby": (
        "该节点处于备用，不办理写入，请使用主节点。",
        "This node stands by and writes nothing. Use the one that serves.",
    ),
    "no-answer": (
        "节点没有应答，请检查地址和网络，稍后重试。",
        "The node does not answer. Compare its address, look at the link, and try again.",
    ),
    "unknown-outcome": (
        "连接中断，不知是否已办成。请先查询，再决定是否重办。",
        "The connection broke, and it may have been done. Look before you do it again.",
    ),
}


def sentence_of(code: str) -> tuple[str, str] | None:
    """Return what a code means to a caller, in Chinese and English; None where none is said."""
    return SENTENCES.get(code) or _CALLERS.get(code)


def who_answers(code: str) -> str:
    """Return who answers for a finding: ``officer``, ``window``, ``department`` or ``region``.

    What no rule names is of the bytes of an entry, and an honest node lets none such into its log.
    """
    return authz.finding.who_answers(code) if code in SENTENCES else "region"
