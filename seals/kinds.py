"""The table of seals' kinds: for each act its fields, who signs it, what it needs, and its rule."""

from collections.abc import Callable, Mapping
from typing import Final

from ledger.kind import Acting, Draft, Fact, Field, FieldType, Judgement, Kind, Kinds, Need
from seals import lending, life, usage

_MAKING: Final = "52 电子印章制发"
_USING: Final = "53 用印管理"

_REASON: Final = Field(type=FieldType.TEXT, zh="理由", en="why")
_SEAL: Final = Field(type=FieldType.OBJECT, zh="印章", en="seal", of="seal")
_GRANT: Final = Field(type=FieldType.OBJECT, zh="授权", en="grant it rests on", of="grant")
_TRUSTED: Final = {
    "keepers": Field(type=FieldType.PARTIES, zh="保管人", en="officers who keep it"),
    "approvers": Field(
        type=FieldType.PARTIES, zh="审批人", en="officers who approve", optional=True
    ),
}
_OWNED: Final = {
    "name": Field(type=FieldType.TEXT, zh="印章名称", en="name of the seal"),
    "owner": Field(type=FieldType.PARTY, zh="所有部门", en="department that owns it"),
    "approval": Field(type=FieldType.BOOL, zh="须审批", en="a second person is wanted"),
    "uses_max": Field(
        type=FieldType.UINT, zh="用印次数上限", en="how often it may be used", optional=True
    ),
    **_TRUSTED,
}
_TERM: Final = {
    "valid_from": Field(type=FieldType.SECONDS, zh="起", en="valid from"),
    "valid_until": Field(type=FieldType.SECONDS, zh="止", en="valid until"),
}
_MADE: Final = {
    "certificate": Field(type=FieldType.HASH, zh="证书摘要", en="digest of its certificate"),
    **_TERM,
}
_USE_FIELDS: Final = {
    "seal": Field(type=FieldType.OBJECT, zh="印章", en="seal"),
    "document": Field(type=FieldType.HASH, zh="文件摘要", en="digest of the document"),
    "case": Field(type=FieldType.OBJECT, zh="办件", en="case it is for", of="case"),
    "purpose": Field(type=FieldType.TEXT, zh="用途", en="purpose"),
}


def _no_needs(_draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    return ()


def _life(
    event: life.Event,
    zh: str,
    en: str,
    rule: Callable[[Acting], Judgement],
    fields: Mapping[str, Field],
    *,
    needs: Callable[[Draft, Fact | None], tuple[Need, ...]] = _no_needs,
    by_region: bool = True,
    while_stopped: bool = False,
    roles: tuple[str, ...] = (),
    cites: tuple[str, ...] = (),
    question: str = "Was the seal valid when used?",
) -> Kind:
    return Kind(
        name=event.value,
        zh=zh,
        en=en,
        subject="seal",
        fields=fields,
        needs=needs,
        rule=rule,
        by_region=by_region,
        while_stopped=while_stopped,
        roles=roles,
        cites=cites,
        question=question,
        source=_MAKING,
    )


_WHY: Final = {"reason": _REASON}
_MAKER: Final = (life.MAKER,)

_KINDS: Final = (
    _life(
        life.Event.REQUEST,
        "申请印章",
        "ask for a seal",
        life.request,
        {**_OWNED, **_WHY},
        question="Whose seal is it, and who may use it?",
    ),
    _life(
        life.Event.DECLINE,
        "不予制作印章",
        "decline to make a seal",
        life.decline,
        _WHY,
        roles=_MAKER,
    ),
    _life(
        life.Event.MAKE,
        "制作印章",
        "make a seal",
        life.make,
        _MADE,
        question="Who made it, and with which certificate?",
        roles=_MAKER,
    ),
    _life(
        life.Event.FILE,
        "印章备案",
        "file a seal in the register",
        life.file,
        {
            "number": Field(type=FieldType.CODE, zh="备案编号", en="number in the register"),
            "register": Field(type=FieldType.TEXT, zh="备案机关", en="who keeps the register"),
        },
        question="Where is the seal on file?",
        roles=_MAKER,
    ),
    _life(
        life.Event.ENABLE,
        "启用印章",
        "take a seal into use",
        life.enable,
        {},
        by_region=False,
        question="Since when may the seal be used, and who took it over?",
    ),
    _life(
        life.Event.ISSUE,
        "制发印章",
        "issue a seal made and filed elsewhere",
        life.issue,
        {**_OWNED, **_MADE},
        question="Whose seal is it, and who may use it?",
        roles=_MAKER,
    ),
    _life(
        life.Event.ENTRUST,
        "移交印章保管",
        "give a seal into other hands",
        life.entrust,
        {**_TRUSTED, **_WHY},
        question="Who kept the seal at that time?",
        roles=_MAKER,
    ),
    _life(life.Event.SUSPEND, "停用印章", "suspend a seal", life.suspend, _WHY, while_stopped=True),
    _life(life.Event.LOSE, "印章挂失", "report a seal lost", life.lose, _WHY, while_stopped=True),
    _life(life.Event.RESUME, "恢复印章", "resume a seal", life.resume, _WHY, roles=_MAKER),
    _life(
        life.Event.REPLACE,
        "更换印章",
        "replace a seal by another",
        life.replace,
        {
            "successor": Field(
                type=FieldType.OBJECT, zh="新印章", en="seal that takes its place", of="seal"
            ),
            **_WHY,
        },
        needs=life.replace_needs,
        cites=("successor",),
        roles=_MAKER,
    ),
    _life(life.Event.REVOKE, "注销印章", "revoke a seal", life.revoke, _WHY, roles=_MAKER),
    Kind(
        name=lending.Event.LEND.value,
        zh="出借用印",
        en="lend a seal's use to a window",
        subject="seal-loan",
        fields={
            "seal": _SEAL,
            "window": Field(type=FieldType.PARTY, zh="窗口", en="window it is lent to"),
            "grant": _GRANT,
            "uses_max": Field(type=FieldType.UINT, zh="用印次数上限", en="for how many uses"),
            **_TERM,
            **_WHY,
        },
        needs=lending.lend_needs,
        cites=("grant", "seal"),
        rule=lending.lend,
        by_region=True,
        question="On what does a window's use of this seal rest?",
        source=_USING,
    ),
    Kind(
        name=lending.Event.RECALL.value,
        zh="收回用印",
        en="recall a loan of a seal's use",
        subject="seal-loan",
        fields=_WHY,
        needs=lending.recall_needs,
        rule=lending.recall,
        by_region=True,
        while_stopped=True,
        question="On what does a window's use of this seal rest?",
        source=_USING,
    ),
    Kind(
        name=usage.UseEvent.ASK.value,
        zh="申请用印",
        en="ask for one use of a seal",
        subject="seal-use",
        fields=_USE_FIELDS,
        needs=usage.ask_needs,
        cites=("seal",),
        rule=usage.ask,
        question="Who wanted this sealed?",
        source=_USING,
    ),
    Kind(
        name=usage.UseEvent.APPROVE.value,
        zh="用印审批",
        en="approve one use of a seal",
        subject="seal-use",
        fields=_USE_FIELDS,
        needs=usage.ask_needs,
        cites=("seal",),
        rule=usage.approve,
        question="Any use without approval?",
        source=_USING,
    ),
    Kind(
        name=usage.UseEvent.REFUSE.value,
        zh="不予用印",
        en="refuse one use of a seal",
        subject="seal-use",
        fields={**_USE_FIELDS, **_WHY},
        needs=usage.ask_needs,
        cites=("seal",),
        rule=usage.refuse,
        while_stopped=True,
        question="Who would not have this sealed, and why?",
        source=_USING,
    ),
    Kind(
        name=usage.UseEvent.USE.value,
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
            "grant": Field(
                type=FieldType.OBJECT,
                zh="授权",
                en="grant the case or the loan rests on",
                of="grant",
                optional=True,
            ),
            "loan": Field(
                type=FieldType.OBJECT,
                zh="用印出借",
                en="loan it is used under",
                of="seal-loan",
                optional=True,
            ),
        },
        needs=usage.use_needs,
        cites=("grant", "loan", "seal"),
        changes=("quota",),
        rule=usage.use,
        receives_only=False,
        question="Who sealed what, for which case, and with whose approval?",
        source=_USING,
    ),
)

KINDS: Final[Kinds] = {(kind.name, kind.version): kind for kind in _KINDS}
