"""The table of authz's kinds: for each act its fields, who signs it, what it needs, and its rule.

A new mechanism of the domain is a row here, and perhaps a rule function beside its object.
"""

from typing import Final

from authz import basis, branch, calendar, case, correction, custody, grant, item, party, token
from authz.hours import DAYS
from authz.tables import RECORD_KINDS
from ledger.kind import Field, FieldType, Kind, Kinds
from ledger.schema import ANY_SUBJECT, OR, PARTY_SUBJECT
from ledger.suites import SUITES


def _text(zh: str, en: str, *, optional: bool = False) -> Field:
    return Field(type=FieldType.TEXT, zh=zh, en=en, optional=optional)


def _of(
    type_: FieldType, zh: str, en: str, *, optional: bool = False, choices: tuple[str, ...] = ()
) -> Field:
    return Field(type=type_, zh=zh, en=en, optional=optional, choices=choices)


def _object(of: str, zh: str, en: str, *, optional: bool = False) -> Field:
    return Field(type=FieldType.OBJECT, zh=zh, en=en, optional=optional, of=of)


_REASON: Final = _text("理由", "why")
_HOLDER: Final = _of(
    FieldType.CODE, "密钥由谁保管", "who holds the key", choices=("officer", "region")
)
_SUITE: Final = _of(
    FieldType.CODE,
    "密码套件(国密密钥)",
    "suite of the key, unless it is Ed25519",
    optional=True,
    choices=SUITES,
)
_GRANT: Final = _object("grant", "依据的授权", "the grant it rests on", optional=True)
_WINDOW: Final = _of(FieldType.PARTY, "经办窗口", "the window it is done at", optional=True)
_TO: Final = _of(FieldType.PARTY, "受权窗口、大厅或一体机", "window, hall or device it is given to")
_DEVICE: Final = _object("device", "所用一体机", "the machine it is done by", optional=True)
_MATERIALS: Final = _of(
    FieldType.HASHES, "材料承诺值(加盐)", "salted commitments to the papers", optional=True
)

_PARTY_KINDS: Final = (
    Kind(
        name="party.enrol",
        zh="登记主体",
        en="enrol a party",
        subject=PARTY_SUBJECT,
        fields={
            "name": _text(
                "名称(部门、大厅、窗口)", "public name (department, hall, window)", optional=True
            ),
            "hall": _of(FieldType.PARTY, "所在大厅(窗口)", "its hall (window)", optional=True),
            "department": _of(
                FieldType.PARTY, "所属部门(窗口)", "its department (window)", optional=True
            ),
            "outlet": _of(
                FieldType.BOOL,
                "非行政机关网点(窗口)",
                "an outlet that is no public body (window)",
                optional=True,
            ),
            "video": _of(
                FieldType.BOOL, "可视频会商(窗口)", "ready for video (window)", optional=True
            ),
            "scan": _of(
                FieldType.BOOL, "可高拍扫描(窗口)", "ready to scan (window)", optional=True
            ),
            "unit": _of(
                FieldType.PARTY,
                "所属部门、大厅或窗口(人员)",
                "department, hall or window (officer)",
                optional=True,
            ),
            "key": _of(FieldType.KEY, "公钥(人员)", "public key (officer)", optional=True),
            "suite": _SUITE,
            "holder": _of(
                FieldType.CODE,
                "密钥由谁保管(人员)",
                "who holds the key (officer)",
                optional=True,
                choices=("officer", "region"),
            ),
            "roles": _of(
                FieldType.CODES, "职责(人员)", "roles (officer)", optional=True, choices=party.ROLES
            ),
            "training": _of(
                FieldType.CODES, "已完成的培训(人员)", "training completed (officer)", optional=True
            ),
            "device": _object(
                "device", "一体机(设备密钥)", "the machine whose key it is (officer)", optional=True
            ),
        },
        needs=party.enrol_needs,
        rule=party.enrol,
        by_region=True,
        question="Who really acted, and were they enrolled then?",
        source="6 授权账号, 12 专人负责制, 13 窗口设置与设备, 39 政务+银行, 71 公示身份",
    ),
    Kind(
        name="party.rekey",
        zh="更换密钥",
        en="replace an officer's key",
        subject="officer",
        fields={
            "key": _of(FieldType.KEY, "新公钥", "new public key"),
            "suite": _SUITE,
            "holder": _HOLDER,
            "reason": _REASON,
        },
        needs=party.rekey_needs,
        rule=party.rekey,
        by_region=True,
        question="By which key did the officer sign then?",
        source="6 授权账号",
    ),
    Kind(
        name="party.suspend",
        zh="暂停",
        en="suspend an officer or window",
        subject=PARTY_SUBJECT,
        fields={"reason": _REASON},
        rule=party.suspend,
        by_region=True,
        question="Was a suspended officer still active?",
        source="70 双重管理",
    ),
    Kind(
        name="party.resume",
        zh="恢复",
        en="resume an officer or window",
        subject=PARTY_SUBJECT,
        fields={"reason": _REASON},
        rule=party.resume,
        by_region=True,
        question="Who took the suspension back?",
        source="70 双重管理",
    ),
    Kind(
        name="party.retire",
        zh="注销",
        en="retire a party",
        subject=PARTY_SUBJECT,
        fields={"reason": _REASON},
        needs=party.retire_needs,
        rule=party.retire,
        by_region=True,
        question="Until when could they act?",
        source="6 授权账号",
    ),
)

_ITEM_KINDS: Final = (
    Kind(
        name="basis.publish",
        zh="公布政策依据",
        en="publish a policy basis",
        subject="basis",
        fields={
            "title": _text("标题", "title"),
            "document": _text("文号", "document number"),
            "valid_from": _of(FieldType.SECONDS, "生效", "in force from"),
            "valid_until": _of(FieldType.SECONDS, "失效", "in force until"),
            "digest": _of(FieldType.HASH, "原文摘要", "digest of the text", optional=True),
        },
        rule=basis.publish,
        by_region=True,
        question="Was a grant given after its basis had lapsed?",
        source="77 政策依据有效期",
    ),
    Kind(
        name="item.publish",
        zh="发布事项版本",
        en="publish an item version",
        subject="item",
        fields={
            "version": _of(FieldType.UINT, "版本", "version, from 1"),
            "title": _text("事项名称", "title"),
            "code": _of(FieldType.CODE, "基本编码", "national code"),
            "department": _of(FieldType.PARTY, "主管部门", "competent department"),
            "materials": _of(FieldType.CODES, "申请材料", "papers that may be asked for"),
            "tolerable": _of(
                FieldType.CODES, "可容缺材料", "papers that may follow later", optional=True
            ),
            "days": _of(FieldType.UINT, "办结时限(工作日)", "time limit in working days"),
            "accept_days": _of(
                FieldType.UINT, "受理时限(工作日)", "days to accept or answer", optional=True
            ),
            "training": _of(FieldType.CODE, "要求的培训", "training asked for", optional=True),
            "standard": _of(
                FieldType.HASH, "标准文本摘要", "digest of the standard", optional=True
            ),
            "proposal": _object(
                "proposal", "经确认的调整申请", "confirmed proposal", optional=True
            ),
            "confirmed_in": _of(
                FieldType.PARTY, "确认所在地区", "region that confirmed it", optional=True
            ),
        },
        needs=item.publish_needs,
        rule=item.publish,
        question="Did both places use the same version?",
        source="41 事项标准统一, 42 不得额外增加材料, 45 事项动态管理",
    ),
    Kind(
        name="item.withdraw",
        zh="停办事项",
        en="withdraw an item",
        subject="item",
        fields={"reason": _REASON},
        needs=item.withdraw_needs,
        rule=item.withdraw,
        question="Was the item in force then?",
        source="45 事项动态管理",
    ),
)

_GRANT_KINDS: Final = (
    Kind(
        name="grant.offer",
        zh="授信",
        en="offer a grant",
        subject="grant",
        fields={
            "item": _object("item", "事项", "item"),
            "item_version": _of(FieldType.UINT, "事项版本", "item version"),
            "also": _of(
                FieldType.CODES, "其他事项", "further items of the same department", optional=True
            ),
            "department": _of(
                FieldType.PARTY,
                "部门(其全部事项)",
                "the department, where all its items are covered",
                optional=True,
            ),
            "scenarios": _of(
                FieldType.CODES, "情形", "scenarios that it is for alone", optional=True
            ),
            "window": _TO,
            "rights": _of(FieldType.CODES, "权项", "rights: deliver, intake, notice, verify"),
            "valid_from": _of(FieldType.SECONDS, "起", "valid from"),
            "valid_until": _of(FieldType.SECONDS, "止", "valid until"),
            "staleness_s": _of(FieldType.UINT, "视图时效(秒)", "how old a view may be, seconds"),
            "quota": _of(
                FieldType.UINT,
                "次数上限(办件数)",
                "greatest number of cases it is used for",
                optional=True,
            ),
            "reciprocal": _object(
                "grant", "互授的另一授权", "the grant given in return", optional=True
            ),
            "basis": _object("basis", "政策依据", "policy basis", optional=True),
            "template": _of(
                FieldType.HASH, "授权文件模板摘要", "digest of the template", optional=True
            ),
            "model": _object("template", "授权文件模板", "template it follows", optional=True),
            "process": _object("process", "操作规程", "standard procedure", optional=True),
            "agreement": _object(
                "agreement", "两地协议", "agreement of both places", optional=True
            ),
            "list": _object(
                "item-list", "所依据的公布清单", "published list of its items", optional=True
            ),
            "training": _of(
                FieldType.CODE, "要求的培训", "training that its user must have", optional=True
            ),
            "equipment": _of(
                FieldType.CODES,
                "要求的设备",
                "what the window must be attested to have",
                optional=True,
                choices=("print", "scan", "staff", "video"),
            ),
            "days": _of(
                FieldType.CODES, "可用日", "days of use", optional=True, choices=tuple(sorted(DAYS))
            ),
            "opens": _of(FieldType.CODE, "自(时:分)", "from, hours and minutes", optional=True),
            "closes": _of(FieldType.CODE, "至(时:分)", "until, hours and minutes", optional=True),
            "holidays": _of(
                FieldType.BOOL, "节假日可用", "for days off of the calendar too", optional=True
            ),
        },
        needs=grant.offer_needs,
        rule=grant.offer,
        question="Had the grantor the competence to lend this right?",
        source="1 窗口授信机制, 2 模板, 3 系统内授权, 4 四权互授, 14 不改变办理事权, 40 不再转授",
    ),
    Kind(
        name="grant.accept",
        zh="接受授信",
        en="accept a grant",
        subject="grant",
        fields={
            "window": _TO,
            "item": _object("item", "事项", "item"),
            "also": _of(FieldType.CODES, "其他事项", "further items", optional=True),
            "department": _of(
                FieldType.PARTY, "部门(其全部事项)", "the department of all items", optional=True
            ),
        },
        needs=grant.accept_needs,
        rule=grant.accept,
        question="Since when was window W authorised for item I?",
        source="1 窗口授信机制, 4 相互授予",
    ),
    Kind(
        name="grant.decline",
        zh="不接受授信",
        en="decline a grant",
        subject="grant",
        fields={
            "window": _TO,
            "reason": _REASON,
        },
        needs=grant.decline_needs,
        rule=grant.decline,
        question="Why is the grant not in use?",
        source="1 窗口授信机制",
    ),
    Kind(
        name="grant.suspend",
        zh="中止授信",
        en="suspend a grant",
        subject="grant",
        fields={"reason": _REASON},
        needs=grant.move_needs,
        rule=grant.suspend,
        by_region=True,
        question="Was the grant live at the time of use?",
        source="1 窗口授信机制",
    ),
    Kind(
        name="grant.resume",
        zh="恢复授信",
        en="resume a grant",
        subject="grant",
        fields={"reason": _REASON},
        needs=grant.move_needs,
        rule=grant.resume,
        by_region=True,
        question="Was the grant live at the time of use?",
        source="1 窗口授信机制",
    ),
    Kind(
        name="grant.renew",
        zh="续期授信",
        en="renew a grant",
        subject="grant",
        fields={"valid_until": _of(FieldType.SECONDS, "止", "valid until"), "reason": _REASON},
        needs=grant.renew_needs,
        rule=grant.renew,
        question="Until when was the grant good, and who prolonged it?",
        source="1 窗口授信机制, 77 政策依据有效期",
    ),
    Kind(
        name="grant.revoke",
        zh="撤销授信",
        en="revoke a grant",
        subject="grant",
        fields={"reason": _REASON},
        needs=grant.move_needs,
        rule=grant.revoke,
        by_region=True,
        question="Was the grant live at the time of use?",
        source="1 窗口授信机制",
    ),
)

_CASE_KINDS: Final = (
    Kind(
        name="case.open",
        zh="收件受理",
        en="open a case",
        subject="case",
        fields={
            "item": _object("item", "事项", "item"),
            "item_version": _of(FieldType.UINT, "事项版本", "item version"),
            "department": _of(FieldType.PARTY, "决定部门", "department that decides"),
            "mode": _of(
                FieldType.CODE,
                "办理方式",
                "way of handling",
                choices=("counter", "online", "agency", "joint", "kiosk"),
            ),
            "materials": _MATERIALS,
            "scenario": _object(
                "scenario", "情形", "the scenario that the case is one of", optional=True
            ),
            "grant": _GRANT,
            "window": _WINDOW,
            "device": _DEVICE,
        },
        needs=case.open_needs,
        rule=case.open_case,
        question="Under which right, grant and item version were the papers taken in?",
        source="10 收件即受理, 15 异地代收代办, 16 全程网办, 41 版本",
    ),
    Kind(
        name="case.notice",
        zh="一次性告知",
        en="give the one notice",
        subject="case",
        fields={
            "missing": _of(FieldType.CODES, "缺少的材料", "papers that are missing"),
            "remark": _text("说明", "remark", optional=True),
            "grant": _GRANT,
            "window": _WINDOW,
        },
        needs=case.notice_needs,
        rule=case.notice,
        question="More than one notice? Was an extra paper asked for?",
        source="24 一次性告知, 42 不得额外增加材料",
    ),
    Kind(
        name="case.supplement",
        zh="补正收件",
        en="take in further papers",
        subject="case",
        fields={
            "received": _of(FieldType.CODES, "收到的材料", "papers received"),
            "materials": _MATERIALS,
            "grant": _GRANT,
            "window": _WINDOW,
            "device": _DEVICE,
        },
        needs=case.act_needs,
        rule=case.supplement,
        question="What new fact allowed a second notice?",
        source="10 收件, 24 一次性告知",
    ),
    Kind(
        name="case.verify",
        zh="原件核验",
        en="verify originals",
        subject="case",
        fields={
            "documents": _of(FieldType.CODES, "核验的材料", "papers whose originals were seen"),
            "result": _of(FieldType.CODE, "结果", "result", choices=("match", "mismatch")),
            "method": _of(
                FieldType.CODE, "方式", "method", choices=("original", "video", "shared-data")
            ),
            "challenge": _object("challenge", "异议记录", "why it is checked again", optional=True),
            "materials": _MATERIALS,
            "grant": _GRANT,
            "window": _WINDOW,
        },
        needs=case.verify_needs,
        rule=case.verify,
        question="Who saw the original?",
        source="22 原件核验, 21 形式审查/身份核验",
    ),
    Kind(
        name="case.decide",
        zh="审批决定",
        en="decide",
        subject="case",
        fields={
            "result": _of(
                FieldType.CODE, "结果", "result", choices=("granted", "refused", "partly-granted")
            ),
            "basis": _text("法律依据", "legal basis"),
            "document": _of(FieldType.HASH, "决定文书摘要", "digest of the document"),
            "seal_use": _object("seal-use", "用印记录", "the use of the seal", optional=True),
        },
        needs=case.decide_needs,
        rule=case.decide,
        receives_only=False,
        question="Who decided, on what basis, and did they receive the case too?",
        source="14 不改变办理事权, 17 受审分离, 23 审批决定",
    ),
    Kind(
        name="case.deliver",
        zh="结果送达",
        en="deliver the result",
        subject="case",
        fields={
            "mode": _of(
                FieldType.CODE, "送达方式", "way of delivery", choices=("counter", "post", "online")
            ),
            "evidence": _of(FieldType.HASH, "送达证明摘要", "digest of the proof", optional=True),
            "grant": _GRANT,
            "window": _WINDOW,
            "device": _DEVICE,
        },
        needs=case.deliver_needs,
        rule=case.deliver,
        receives_only=False,
        question="When was the result served, and by whom?",
        source="34 结果送达, 4 审批结果送达权",
    ),
    Kind(
        name="case.withdraw",
        zh="申请人撤回",
        en="the applicant withdraws",
        subject="case",
        fields={"reason": _REASON, "grant": _GRANT, "window": _WINDOW, "device": _DEVICE},
        needs=case.act_needs,
        rule=case.withdraw,
        question="Why was there no decision?",
        source="15 异地代收代办",
    ),
    Kind(
        name="case.close",
        zh="办结归档",
        en="close the case",
        subject="case",
        fields={"remark": _text("说明", "remark", optional=True)},
        needs=custody.offer_needs,
        rule=case.close,
        receives_only=False,
        question="When was nothing left to do?",
        source="15 异地代收代办, 27 限时办结",
    ),
    Kind(
        name="case.note",
        zh="备注",
        en="note a remark",
        subject="case",
        fields={
            "remark": _text("备注", "remark"),
            "digest": _of(FieldType.HASH, "附件摘要", "digest of an attachment", optional=True),
        },
        needs=custody.release_needs,
        rule=case.note,
        question="What else happened?",
        source="60 责任追溯",
    ),
)

_HANDED: Final = f"case{OR}branch"
_UNIT: Final = _of(FieldType.PARTY, "接收部门或窗口", "department or window that is to take over")
_FROM: Final = _of(FieldType.PARTY, "现持有地区", "region that holds the case")

_HANDOFF_KINDS: Final = (
    Kind(
        name="handoff.offer",
        zh="移交",
        en="offer the case",
        subject=_HANDED,
        fields={"unit": _UNIT, "remark": _text("说明", "remark", optional=True)},
        needs=custody.offer_needs,
        rule=custody.offer,
        question="Who was to take over, and since when?",
        source="15 异地代收代办, 25 首问负责",
    ),
    Kind(
        name="handoff.accept",
        zh="接收",
        en="accept the case",
        subject=_HANDED,
        fields={"holder": _FROM},
        needs=custody.answer_needs,
        rule=custody.accept,
        receives_only=False,
        question="Who took it over?",
        source="15 异地代收代办, 50 收件地/办理地职责",
    ),
    Kind(
        name="handoff.decline",
        zh="不接收",
        en="decline the case",
        subject=_HANDED,
        fields={"holder": _FROM, "reason": _REASON},
        needs=custody.answer_needs,
        rule=custody.decline,
        question="Was the applicant bounced?",
        source="25 首问负责",
    ),
    Kind(
        name="handoff.release",
        zh="移交完成",
        en="release the case",
        subject=_HANDED,
        needs=custody.settle_needs,
        rule=custody.release,
        by_region=True,
        question="From when on did the other hold it?",
        source="15 异地代收代办",
    ),
    Kind(
        name="handoff.cancel",
        zh="取消移交",
        en="cancel the offer",
        subject=_HANDED,
        fields={"reason": _text("理由", "why", optional=True)},
        needs=custody.settle_needs,
        rule=custody.cancel,
        by_region=True,
        question="Why did it stay?",
        source="15 异地代收代办",
    ),
)

_CASE_FIELD: Final = _object("case", "办件", "the case it is a branch of")

_BRANCH_KINDS: Final = (
    Kind(
        name="branch.open",
        zh="拆分联办分支",
        en="split a branch off a case",
        subject="branch",
        fields={
            "case": _CASE_FIELD,
            "part": _of(FieldType.CODE, "分项", "part"),
            "department": _of(FieldType.PARTY, "负责部门", "department that owes the part"),
        },
        needs=branch.open_needs,
        rule=branch.open_branch,
        question="Which place owed which part, and who held it at every moment?",
        source="18 多地联办",
    ),
    Kind(
        name="branch.report",
        zh="办结联办分支",
        en="report how a branch came out",
        subject="branch",
        fields={
            "result": _of(
                FieldType.CODE, "结果", "result", choices=("granted", "refused", "partly-granted")
            ),
            "basis": _text("法律依据", "legal basis"),
            "document": _of(FieldType.HASH, "分项文书摘要", "digest of the document"),
        },
        needs=custody.release_needs,
        rule=branch.report,
        receives_only=False,
        question="Who decided on the part, and which place was late?",
        source="18 多地联办, 17 受审分离",
    ),
    Kind(
        name="branch.join",
        zh="汇总联办分支",
        en="join a branch to its case",
        subject="branch",
        fields={"case": _CASE_FIELD},
        needs=branch.back_needs,
        rule=branch.join,
        question="Was every part back before the one result?",
        source="18 多地联办",
    ),
    Kind(
        name="branch.drop",
        zh="撤销联办分支",
        en="drop a branch that is not needed",
        subject="branch",
        fields={"case": _CASE_FIELD, "reason": _REASON},
        needs=branch.back_needs,
        rule=branch.drop,
        question="Why was the part not needed?",
        source="18 多地联办",
    ),
)

_CORRECTION_KINDS: Final = (
    Kind(
        name="act.correct",
        zh="更正",
        en="correct an act",
        subject=ANY_SUBJECT,
        fields={
            "index": _of(FieldType.UINT, "被更正条目的序号", "index of the entry it corrects"),
            "reason": _REASON,
            "remark": _text("应为", "what it should have said"),
        },
        rule=correction.correct,
        by_region=True,
        question="What was wrong, and who said so?",
        source="protocol.md section 9",
    ),
)

_TOKEN_KINDS: Final = (
    Kind(
        name="token.issue",
        zh="发放授权令牌",
        en="give a token",
        subject="token",
        fields={
            "holder": _of(FieldType.PARTY, "持有人", "the party it stands for"),
            "role": _of(
                FieldType.CODE,
                "角色",
                "role",
                choices=("window", "authority", "auditor", "operator"),
            ),
            "expires": _of(FieldType.SECONDS, "有效期至", "expires"),
        },
        rule=token.issue,
        by_region=True,
        question="Who could act in this name through the node, and until when?",
        source="6 授权账号",
    ),
    Kind(
        name="token.revoke",
        zh="收回授权令牌",
        en="take a token back",
        subject="token",
        rule=token.revoke,
        by_region=True,
        question="From when on was the token good for nothing?",
        source="6 授权账号",
    ),
)

KINDS: Final[Kinds] = {
    (kind.name, kind.version): kind
    for kind in (
        *_PARTY_KINDS,
        *_ITEM_KINDS,
        *calendar.KINDS.values(),
        *_GRANT_KINDS,
        *_CASE_KINDS,
        *_HANDOFF_KINDS,
        *_BRANCH_KINDS,
        *_CORRECTION_KINDS,
        *_TOKEN_KINDS,
        *RECORD_KINDS,
    )
}
