"""The table of seals' kinds: for each act its fields, who signs it, what it needs, and its rule."""

from typing import Final

from ledger.kind import Field, FieldType, Kind, Kinds
from seals import usage

_REASON: Final = Field(type=FieldType.TEXT, zh="理由", en="why")
_USE_FIELDS: Final = {
    "seal": Field(type=FieldType.OBJECT, zh="印章", en="seal"),
    "document": Field(type=FieldType.HASH, zh="文件摘要", en="digest of the document"),
    "case": Field(type=FieldType.OBJECT, zh="办件", en="case it is for", of="case"),
    "purpose": Field(type=FieldType.TEXT, zh="用途", en="purpose"),
}

_KINDS: Final = (
    Kind(
        name="seal.issue",
        zh="制发印章",
        en="issue a seal",
        subject="seal",
        fields={
            "name": Field(type=FieldType.TEXT, zh="印章名称", en="name of the seal"),
            "owner": Field(type=FieldType.PARTY, zh="所有部门", en="department that owns it"),
            "keepers": Field(type=FieldType.PARTIES, zh="保管人", en="officers who keep it"),
            "approval": Field(type=FieldType.BOOL, zh="须审批", en="a second person is wanted"),
            "approvers": Field(
                type=FieldType.PARTIES, zh="审批人", en="officers who approve", optional=True
            ),
            "certificate": Field(
                type=FieldType.HASH, zh="证书摘要", en="digest of its certificate"
            ),
            "valid_from": Field(type=FieldType.SECONDS, zh="起", en="valid from"),
            "valid_until": Field(type=FieldType.SECONDS, zh="止", en="valid until"),
        },
        rule=usage.issue,
        by_region=True,
        question="Whose seal is it, and who may use it?",
        source="52 电子印章制发",
    ),
    Kind(
        name="seal.suspend",
        zh="停用印章",
        en="suspend a seal",
        subject="seal",
        fields={"reason": _REASON},
        rule=usage.suspend,
        by_region=True,
        question="Was the seal valid when used?",
        source="52 电子印章制发",
    ),
    Kind(
        name="seal.resume",
        zh="恢复印章",
        en="resume a seal",
        subject="seal",
        fields={"reason": _REASON},
        rule=usage.resume,
        by_region=True,
        question="Was the seal valid when used?",
        source="52 电子印章制发",
    ),
    Kind(
        name="seal.revoke",
        zh="注销印章",
        en="revoke a seal",
        subject="seal",
        fields={"reason": _REASON},
        rule=usage.revoke,
        by_region=True,
        question="Was the seal valid when used?",
        source="52 电子印章制发",
    ),
    Kind(
        name="seal.approve",
        zh="用印审批",
        en="approve one use of a seal",
        subject="seal-use",
        fields=_USE_FIELDS,
        needs=usage.use_needs,
        rule=usage.approve,
        question="Any use without approval?",
        source="53 用印管理",
    ),
    Kind(
        name="seal.use",
        zh="用印",
        en="use a seal",
        subject="seal-use",
        fields={
            **_USE_FIELDS,
            "draft": Field(
                type=FieldType.HASH,
                zh="印章所签摘要",
                en="digest that the seal signs (SM3)",
                optional=True,
            ),
        },
        needs=usage.use_needs,
        rule=usage.use,
        receives_only=False,
        question="Who sealed what, for which case, and with whose approval?",
        source="53 用印管理",
    ),
)

KINDS: Final[Kinds] = {(kind.name, kind.version): kind for kind in _KINDS}
