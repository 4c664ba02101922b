"""Who acts, under which key, and by which token through a node; and what corrects an act."""

from typing import Final

from authz import correction, party, token
from authz.tables.words import (
    REASON,
    code,
    codes,
    date,
    key,
    number,
    object_,
    party_,
    text,
    yes,
)
from ledger.kind import Kind
from ledger.schema import ANY_SUBJECT, PARTY_SUBJECT
from ledger.suites import SUITES

_HOLDER: Final = code("密钥由谁保管", "who holds the key", "officer", "region")

_SUITE: Final = code(
    "密码套件(国密密钥)", "suite of the key, unless it is Ed25519", *SUITES, optional=True
)

PARTIES: Final[tuple[Kind, ...]] = (
    Kind(
        name="party.enrol",
        zh="登记主体",
        en="enrol a party",
        subject=PARTY_SUBJECT,
        fields={
            "name": text(
                "名称(部门、大厅、窗口)", "public name (department, hall, window)", optional=True
            ),
            "hall": party_("所在大厅(窗口)", "its hall (window)", optional=True),
            "department": party_("所属部门(窗口)", "its department (window)", optional=True),
            "outlet": yes(
                "非行政机关网点(窗口)", "an outlet that is no public body (window)", optional=True
            ),
            "video": yes("可视频会商(窗口)", "ready for video (window)", optional=True),
            "scan": yes("可高拍扫描(窗口)", "ready to scan (window)", optional=True),
            "unit": party_(
                "所属部门、大厅或窗口(人员)", "department, hall or window (officer)", optional=True
            ),
            "key": key("公钥(人员)", "public key (officer)", optional=True),
            "suite": _SUITE,
            "holder": code(
                "密钥由谁保管(人员)",
                "who holds the key (officer)",
                "officer",
                "region",
                optional=True,
            ),
            "roles": codes("职责(人员)", "roles (officer)", *party.ROLES, optional=True),
            "training": codes("已完成的培训(人员)", "training completed (officer)", optional=True),
            "device": object_(
                "device", "一体机(设备密钥)", "the machine whose key it is (officer)", optional=True
            ),
        },
        needs=party.enrol_needs,
        rule=party.enrol,
        by_region=True,
        by_officer=False,
        question="Who really acted, and were they enrolled then?",
        source="6 授权账号, 12 专人负责制, 13 窗口设置与设备, 39 政务+银行, 71 公示身份",
        changes=("key",),
    ),
    Kind(
        name="party.rekey",
        zh="更换密钥",
        en="replace an officer's key",
        subject="officer",
        fields={
            "key": key("新公钥", "new public key"),
            "suite": _SUITE,
            "holder": _HOLDER,
            "reason": REASON,
        },
        needs=party.rekey_needs,
        rule=party.rekey,
        by_region=True,
        by_officer=False,
        question="By which key did the officer sign then?",
        source="6 授权账号",
        changes=("key",),
    ),
    Kind(
        name="party.suspend",
        zh="暂停",
        en="suspend an officer or window",
        subject=PARTY_SUBJECT,
        fields={"reason": REASON},
        rule=party.suspend,
        by_region=True,
        question="Was a suspended officer still active?",
        source="70 双重管理",
        roles=("manage",),
    ),
    Kind(
        name="party.resume",
        zh="恢复",
        en="resume an officer or window",
        subject=PARTY_SUBJECT,
        fields={"reason": REASON},
        rule=party.resume,
        by_region=True,
        question="Who took the suspension back?",
        source="70 双重管理",
        roles=("manage",),
    ),
    Kind(
        name="party.retire",
        zh="注销",
        en="retire a party",
        subject=PARTY_SUBJECT,
        fields={"reason": REASON},
        needs=party.retire_needs,
        rule=party.retire,
        by_region=True,
        question="Until when could they act?",
        source="6 授权账号",
        roles=("manage",),
        changes=("key",),
    ),
)

CORRECTIONS: Final[tuple[Kind, ...]] = (
    Kind(
        name="act.correct",
        zh="更正",
        en="correct an act",
        subject=ANY_SUBJECT,
        fields={
            "index": number("被更正条目的序号", "index of the entry it corrects"),
            "reason": REASON,
            "remark": text("应为", "what it should have said"),
        },
        rule=correction.correct,
        by_region=True,
        question="What was wrong, and who said so?",
        source="protocol.md section 9",
        while_stopped=True,
    ),
)

TOKENS: Final[tuple[Kind, ...]] = (
    Kind(
        name="token.issue",
        zh="发放授权令牌",
        en="give a token",
        subject="token",
        fields={
            "holder": party_("持有人", "the party it stands for"),
            "role": code("角色", "role", "window", "authority", "auditor", "operator"),
            "expires": date("有效期至", "expires"),
        },
        rule=token.issue,
        by_region=True,
        by_officer=False,
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
        by_officer=False,
        question="From when on was the token good for nothing?",
        source="6 授权账号",
    ),
)
