"""How records stand, in words for people."""

from collections.abc import Mapping
from typing import Any, Final

from nodes.cli.show import Language, short

STATES_ZH: Final[Mapping[str, str]] = {
    "accepted": "已接受",
    "active": "有效",
    "answered": "已答复",
    "appealed": "已申诉",
    "applied": "已申请",
    "approved": "已批准",
    "archived": "已归集",
    "asked": "已提出",
    "assigned": "已交办",
    "away": "已移出",
    "bad": "差评待整改",
    "breached": "已失信",
    "claimed": "已认领",
    "closed": "已办结",
    "confirmed": "已确认",
    "consented": "已同意",
    "criticised": "已通报批评",
    "current": "现行",
    "damaged": "收到时破损",
    "decided": "已决定",
    "declined": "已谢绝",
    "delivered": "已送达",
    "different": "数目不符",
    "done": "已完成",
    "dropped": "已取消",
    "ended": "已终止",
    "engaged": "帮办中",
    "equal": "数目相符",
    "excluded": "已移出名单",
    "explained": "已说明",
    "filed": "已登记",
    "final": "已定论",
    "found": "已认定责任",
    "given": "已授权",
    "good": "已评价",
    "held": "持有中",
    "in-use": "使用中",
    "issued": "已签发",
    "joined": "已汇合",
    "kept": "已说明保留",
    "lapsed": "逾期未补",
    "lent": "已出借",
    "live": "在用",
    "lost": "已遗失",
    "made": "已制作",
    "noticed": "已发通知",
    "offered": "已授出",
    "open": "未了结",
    "overturned": "原核验被推翻",
    "paid": "已缴费",
    "printed": "已打印",
    "proposed": "已提议",
    "provided": "已提供",
    "published": "已发布",
    "pushed": "已推送",
    "raised": "已提出异议",
    "reached": "已达成",
    "recalled": "已收回",
    "received": "已收到",
    "recorded": "已记录",
    "rectified": "已整改",
    "refunded": "已退费",
    "refused": "已拒绝",
    "rejected": "未采纳",
    "released": "已放弃认领",
    "remedied": "已补救",
    "repaired": "信用已修复",
    "replaced": "已换发",
    "replied": "已回复",
    "reported": "已报完成",
    "requested": "已请求",
    "retired": "已注销",
    "returned": "已退回",
    "reviewed": "已审查",
    "revoked": "已撤销",
    "running": "进行中",
    "sent": "已发出",
    "set": "已设定",
    "settled": "已了结",
    "shredded": "已销毁",
    "signed": "已签署",
    "spent": "已用毕",
    "submitted": "已报送",
    "supervised": "已明确监督",
    "supplemented": "已补正",
    "suspended": "已暂停",
    "told": "待对方核对",
    "turned-down": "被谢绝",
    "unanswered": "待答复",
    "upheld": "原核验成立",
    "used": "已用印",
    "void": "已作废",
    "withdrawn": "已撤回",
}
CODES: Final[Mapping[str, str]] = {zh: code for code, zh in STATES_ZH.items()}
_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {"stopped": "已由{by}暂停", "comma": "、", "on": "有效", "off": "失效"},
    "en": {"stopped": "suspended by {by}", "comma": ", ", "on": "in force", "off": "not in force"},
}


def standing_of(row: Mapping[str, Any], language: Language) -> str:
    """Return how a record stands by its row: its state, or whether it is in force.

    Of a grant its grantor's word and the window's; of a party the masters who have stopped it.
    """
    states = [row["st"]] if row.get("st") else []
    if states and row.get("ans"):
        states.append(row["ans"])
    if row.get("ended"):
        states = ["retired"]
    words = _WORDS[language]
    if states:
        said = [STATES_ZH.get(it, it) if language == "zh" else it for it in states]
        return words["comma"].join(said)
    if row.get("off"):
        return words["stopped"].format(by=words["comma"].join(map(short, row["off"])))
    return words["on" if row.get("live", True) else "off"]
