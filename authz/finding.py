"""What a broken rule is called, how grave it is, who answers for it, and how to say it to a clerk.

A rule raises with a code. On the writer's node that refuses the act; on every other node the same
code becomes a finding. The sentences here are for the person at the counter: what is wrong, and
what to do next.
"""

from collections.abc import Mapping
from typing import Final

from ledger.kind import Severity

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "bad-field": (
        "有一项填写的内容不符合格式：请按提示更正该项后重新提交。",
        "One field is not of the form. Mend the one that is named, and send again.",
    ),
    "bad-code": (
        "编码不符合规定的位数或格式，请核对后重新填写。",
        "A code has not the digits or the form that it should. Check it and write it again.",
    ),
    "bad-check-digit": (
        "统一社会信用代码的校验位不正确，请核对原件。",
        "The check digit of the credit code is wrong. Compare it with the original.",
    ),
    "bad-text": (
        "清单文件的文字编码无法识别，请另存为 UTF-8 后再导入。",
        "The list is in no known encoding of text. Save it as UTF-8 and bring it again.",
    ),
    "no-header": (
        "清单首行没有所需的列名，请补上表头。",
        "The first rows of the list do not name the columns. Add a header.",
    ),
    "other-department": (
        "事项编码中的部门与本行所列部门不一致，请核对。",
        "The item's code names another department than its row does. Check both.",
    ),
    "unknown-preset": (
        "没有这个名称的预置网络。",
        "There is no preset of this name.",
    ),
    "personal-data": (
        "公开字段中含有身份证号或手机号，不能记入账本。请删去后重新提交。",
        "A public field holds an identity or phone number. Take it out and send again.",
    ),
    "unknown-kind": (
        "没有这种业务记录，请核对业务名称的拼写。",
        "There is no such kind of act. Compare its spelling.",
    ),
    "unknown-version": ("不支持该记录的这个版本。", "This version of the kind is not known here."),
    "wrong-previous": (
        "该办件刚被更新，请刷新后重新提交。",
        "The object has just changed. Look again and send again.",
    ),
    "void-citation": (
        "所引用的记录无法核对，本次操作无效。请重新提交。",
        "What the act cites cannot be checked, so it has no effect. Compose it again.",
    ),
    "not-entitled": (
        "您的岗位职责、所在窗口或培训不包括此项操作，请由有此职责的人员办理或联系管理员。",
        "Your role, unit or training does not cover this. Have it done by somebody whose does.",
    ),
    "officer-not-live": (
        "该工作人员未登记、已暂停或已注销，请核对编号或联系本地管理员。",
        "The officer is not enrolled, or suspended, or retired. Compare the name.",
    ),
    "window-not-live": (
        "该窗口未登记或已停用。",
        "The window is not enrolled, or not in service.",
    ),
    "unit-stopped": (
        "您所在的窗口、大厅或部门已暂停或注销，不能办理新业务；可移交办件、退还材料、答复询问。",
        (
            "Your window, its hall or its department is suspended or retired. It begins nothing "
            "new; cases may be handed over, papers sent back, questions answered."
        ),
    ),
    "no-grant": (
        "本窗口没有该事项的授权，或未注明所依据的授权，不能代办。可先查询可办窗口。",
        "The window has no grant over this item, or none is named. Ask which windows have one.",
    ),
    "grant-not-live": (
        "授权已中止、撤销或不在有效期内，请改用有效的授权或联系授权部门。",
        "The grant is suspended, revoked or out of its term. Use one that is live.",
    ),
    "right-not-granted": (
        "授权不包括此项权限（收件、告知、核验、送达须分别授予）。",
        "The grant does not lend this right: intake, notice, verify and deliver are lent each.",
    ),
    "item-not-granted": ("授权不包括该事项。", "The grant does not cover this item."),
    "window-not-granted": (
        "授权不是给本窗口的，或未注明经办窗口。",
        "The grant is not for this window, or the act names no window.",
    ),
    "scenario-not-granted": (
        "授权不包括该情形。",
        "The grant does not cover this scenario of the item.",
    ),
    "device-not-live": (
        "该一体机未登记或已停用；一体机办件须注明所用一体机。",
        "The machine is not enrolled or not in service; a case that it takes in names it.",
    ),
    "not-equipped": (
        "本窗口未确认配备授权所要求的设备或人员。",
        "The window is not attested to have what the grant asks for.",
    ),
    "not-representative": (
        "窗口人员只有作为首席事务代表，才能在任期内对清单上的事项现场决定。",
        "At a window only a chief representative decides, on items of the list, in the term.",
    ),
    "checked-again": (
        "该材料已核验过，未提出异议即重复核验，予以记录。",
        "It was checked before, and nobody had challenged that. It counts, and is marked.",
    ),
    "beyond-hours": (
        "办理时间不在公布的办公时间或授权时间内，予以记录。",
        "It was done beyond the hours of the window or the grant. It counts, and is marked.",
    ),
    "not-accepted": (
        "授权尚未被本地接受，暂不能使用，请由本部门或大厅先接受授权。",
        "The grant has not been accepted here yet. The department or hall accepts it first.",
    ),
    "quota-spent": (
        "授权可办理的件数已用完，请联系授权部门续增。",
        "The grant was for a number of cases, and all are used. Ask its department for more.",
    ),
    "item-not-listed": (
        "该事项不在所引用的公布清单内，不能据此授权。",
        "The item is not on the published list that the grant names.",
    ),
    "terms-differ": (
        "互授的两项授权条件不一致，予以记录。",
        "Two grants given in return for one another differ in their terms. It is marked.",
    ),
    "outlives-basis": (
        "授权期限超出政策依据的有效期。",
        "The grant would outlive the policy it rests on.",
    ),
    "ground-not-live": (
        "所依据的记录已失效。",
        "What this rests on has ended.",
    ),
    "depth-exceeded": (
        "受权的事项不得再授权给他人。",
        "What is lent cannot be lent on.",
    ),
    "not-competent": (
        "只有该事项的主管部门可以这样做。",
        "Only the competent department may do this.",
    ),
    "decision-stays": (
        "审批决定权在属地部门，窗口不能作出决定，请移交属地部门。",
        "The decision stays with the owning place. Hand the case on.",
    ),
    "receiver-decides": (
        "收件人不得审批同一办件（受审分离），请由其他审批人员决定。",
        "Whoever received a case does not decide it. Have a colleague decide.",
    ),
    "extra-material": (
        "不得要求清单以外的材料，请按该事项版本的材料清单告知。",
        "Only papers on the list of the item's version may be asked for.",
    ),
    "asked-again": (
        "该材料的数据已通过共享取得，不得再要求提交纸质件。",
        "The data of this paper are here already. It may not be asked for again.",
    ),
    "second-notice": (
        "补正只能一次性告知；没有新情况，不得再次告知。",
        "One notice lists all that is missing. Without a new fact there is no second.",
    ),
    "not-holder": (
        "该办件现不由您所在的部门或窗口持有，请先接收移交或联系现持有单位；刚接收的，稍后再试。",
        "Your unit does not hold this case. Take it over, or wait a moment if you just did.",
    ),
    "wrong-state": (
        "当前环节不能进行此项操作，请先查看该记录进行到哪一步。",
        "This step does not fit where the matter stands. Look how far it has come.",
    ),
    "not-confirmed": (
        "事项调整尚未经省级确认，不能发布。",
        "The change of the item has not been confirmed by the province.",
    ),
    "template-deviation": (
        "授权文本与模板不一致，予以记录。",
        "The grant's text is not that of the template. It counts, and is marked.",
    ),
    "not-joined": (
        "还有联办分支或分项未汇总，不能决定、移交或办结。",
        "A branch or part is still with another place. Join it first.",
    ),
    "offer-open": (
        "办件已移交待接收，请等对方答复或先取消移交。",
        "The case is offered. Wait for the answer, or cancel the offer.",
    ),
    "already-answered": (
        "已经答复过了，无须再次答复。",
        "It has been answered already. Nothing more is to be done.",
    ),
    "exists": (
        "该编号或该事已有记录：请勿重复提交，确属另一件的请换编号。",
        "It is recorded already. If this is another one, give it another number.",
    ),
    "unknown-object": (
        "查不到该对象的记录：请核对编号；外地刚办的，稍后再试。",
        "No such object is within sight. Compare its name; if it is new elsewhere, try again soon.",
    ),
    "item-not-live": (
        "该事项或版本现不办理，请按现行版本重新提交。",
        "This item version is not in force. Use the one that is.",
    ),
    # Of uses, which later views settle.
    "unauthorised-use": (
        "办理时所依据的授权或事项版本已终止，须复核。",
        "The grant or item version had ended before this use was seen. It is to be looked into.",
    ),
    "unproven-use": (
        "未能在规定时间内确认所依据的授权或事项版本，须复核。",
        "The grant or item version was not confirmed in time. It is to be looked into.",
    ),
    "end-not-seen": (
        "授权方未及时公布终止的时间证据，须由授权方说明。",
        "The owning region withholds the evidence of when the grant or item version ended.",
    ),
    "release-withheld": (
        "移交已被接收，持有方未在时限内放行或取消，仍须对该办件负责。",
        (
            "The offer was accepted, and its holder neither released nor cancelled it in time. "
            "The holder still answers for the case."
        ),
    ),
    # Of entries of the log itself, and of time.
    "declared-time": (
        "申报的时间与证据不符。",
        "The declared time is outside what the evidence allows.",
    ),
    "unknown-key": (
        "签名所用的密钥未登记或已停用。",
        "The key that signed is not enrolled, or has ended.",
    ),
    "bad-signature": ("签名不成立。", "The signature does not hold."),
    "bad-genesis": ("账本的首条记录有误。", "The first entry of the log names another roster."),
    "bad-block": ("区块记录与其所在账本不符。", "A block record contradicts the log it is in."),
    "bad-map": (
        "区块记录中的对象表与其所在账本不符。",
        "A block record names an object map that its log does not have.",
    ),
    "already-salvaged": ("该记录已经补录过了。", "This act has been salvaged already."),
    "wrong-number": (
        "接续账本的编号须以账本序号开头。",
        "A number in a log that follows a lost one begins with the log's own number.",
    ),
    "bad-key": ("该公钥不符合格式。", "The public key is not of the form."),
    "suite-not-named": (
        "名册未列入该签名算法。",
        "The roster does not name this suite of algorithms.",
    ),
    "bad-epoch": (
        "该账本的名册更替记录有误。",
        "An epoch entry brings no roster version that may begin here.",
    ),
    "early-roster": (
        "所依据的名册版本尚不能生效。",
        "A view counts by a roster version that cannot be signed yet.",
    ),
    "uncounted-lines": (
        "视图中的签名按该名册版本不计数。",
        "The lines of a view do not count by the version that it names.",
    ),
    "equivocation": (
        "同一密钥对同一账本签署了两种历史，须由该地区说明。",
        "One key has signed two histories of a log. Its region is to answer for it.",
    ),
    "unjudgeable": (
        "该记录无法按规则判断，视为无效。",
        "No rule can read this entry, so it has no effect.",
    ),
}

_FLAGS: Final = frozenset(
    {
        "beyond-hours",
        "checked-again",
        "end-not-seen",
        "blanks-missing",
        "late",
        "release-withheld",
        "template-deviation",
        "terms-differ",
        "unproven-use",
    }
)

# Where one side's fault shows in another's log. The rest is answered by whoever wrote the entry.
_ANSWERS: Final[Mapping[str, str]] = {
    "unauthorised-use": "window",
    "unproven-use": "region",
    "end-not-seen": "region",
    "release-withheld": "region",
    "unknown-key": "region",
    "bad-signature": "region",
    "bad-genesis": "region",
    "bad-block": "region",
    "bad-map": "region",
    "already-salvaged": "region",
    "suite-not-named": "region",
    "bad-epoch": "region",
    "early-roster": "region",
    "uncounted-lines": "region",
    "equivocation": "region",
    "unjudgeable": "region",
    "void-citation": "region",
    "wrong-previous": "region",
    "officer-not-live": "region",
    "unit-stopped": "window",
    "no-grant": "window",
    "grant-not-live": "window",
    "right-not-granted": "window",
    "item-not-granted": "window",
    "window-not-granted": "window",
    "not-accepted": "window",
    "scenario-not-granted": "window",
    "device-not-live": "window",
    "not-equipped": "window",
    "quota-spent": "region",
    "depth-exceeded": "department",
    "outlives-basis": "department",
    "template-deviation": "department",
    "terms-differ": "department",
    "item-not-listed": "department",
    "blanks-missing": "window",
    "not-confirmed": "department",
    "decision-stays": "department",
}


def severity(code: str) -> Severity:
    """Return how grave a finding of this code is."""
    return Severity.FLAG if code in _FLAGS else Severity.BREACH


def who_answers(code: str) -> str:
    """Return who answers for it: ``officer``, ``window``, ``department`` or ``region``.

    ``region`` means its node: an honest one lets no such act into its log.
    """
    return _ANSWERS.get(code, "officer")
