"""Texts that are published in versions: templates, procedures, guides, lists of items."""

from collections.abc import Mapping
from typing import Any, Final

from authz.party import GRANT, MANAGE
from authz.records import Life, Row, Step
from authz.tables.desks import ANY_ROLE, office_step
from authz.tables.lives import in_versions, recorded
from authz.tables.words import (
    DIGEST,
    ITEM,
    REASON,
    VERSION,
    code,
    codes,
    date,
    kind_of_step,
    number,
    object_,
    text,
)
from ledger.errors import MalformedError
from ledger.kind import Acting, Change, Field, Kind

TEMPLATE: Final = in_versions("template", "template.publish", "template.withdraw")

PROCESS: Final = in_versions("process", "process.publish", "process.withdraw")

GUIDE: Final = in_versions("guide", "guide.publish", "guide.withdraw")

FEE_POLICY: Final = in_versions("fee-policy", "fee-policy.publish", "fee-policy.withdraw")

ITEM_LIST: Final = in_versions("item-list", "item-list.publish", "item-list.withdraw")

CONSULTATION: Final = recorded("consultation", "consultation.record")

LIVES: Final = (
    TEMPLATE,
    PROCESS,
    GUIDE,
    FEE_POLICY,
    ITEM_LIST,
    CONSULTATION,
)

_PERCENT_MAX: Final = 100


def _check_share(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a share is one of a hundred."""
    if acting.act.body["share"] > _PERCENT_MAX:
        raise MalformedError("a share is at most 100 per cent", code="bad-field")
    return ()


def _check_term(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the term ends after it begins."""
    body = acting.act.body
    if body["valid_from"] >= body["valid_until"]:
        raise MalformedError("valid_until comes after valid_from", code="bad-field")
    return ()


def _text_kinds(
    life: Life,
    zh: str,
    en: str,
    question: str,
    source: str,
    *,
    more: Mapping[str, Field] | None = None,
    **step: Any,  # noqa: ANN401 - the fields of a Step
) -> tuple[Kind, Kind]:
    """Return the two kinds of a text that is published in versions."""
    name = life.subject
    publish = {"roles": (GRANT, MANAGE), "keep": ("digest",), **step}
    return (
        kind_of_step(
            office_step(life, f"{name}.publish", versioned=True, **publish),
            f"发布{zh}",
            f"publish {en}",
            {"version": VERSION, "title": text("名称", "title"), "digest": DIGEST, **(more or {})},
            question=question,
            source=source,
        ),
        kind_of_step(
            office_step(life, f"{name}.withdraw", roles=(GRANT, MANAGE)),
            f"废止{zh}",
            f"withdraw {en}",
            {"reason": REASON},
            question="Until when was it in force?",
            source=source,
        ),
    )


KINDS: Final[tuple[Kind, ...]] = (
    *_text_kinds(
        TEMPLATE,
        "授权文件模板",
        "a template of grants",
        "Which template version, and was any clause changed?",
        "2 授权文件模板",
        more={"valid_from": date("起", "valid from"), "valid_until": date("止", "valid until")},
        roles=(MANAGE,),
        keep=("digest", "valid_from", "valid_until"),
        check=_check_term,
    ),
    *_text_kinds(
        PROCESS,
        "操作规程",
        "a standard procedure",
        "Which standard procedure applied?",
        "49 操作规程/权责划分",
        more={"duties": codes("岗位职责", "duties", optional=True)},
    ),
    *_text_kinds(
        GUIDE,
        "事前辅导手册",
        "a guide for applicants",
        "Which version was the applicant told?",
        "36 事前辅导",
    ),
    *_text_kinds(
        FEE_POLICY,
        "寄递费用承担办法",
        "who bears the postage",
        "Who pays, by which version of the policy?",
        "32 寄递费用",
        more={"bearer": code("承担主体", "who pays", "applicant", "department", "hall")},
        roles=(MANAGE,),
        keep=("digest", "bearer"),
    ),
    *_text_kinds(
        ITEM_LIST,
        "通办事项清单",
        "a public list of items",
        "Was the item on the public list then?",
        "47 清单公布",
        more={
            "count": number("事项数", "how many items"),
            "share": number("占比(%)", "share of all items, per cent"),
            "items": codes("事项编码", "codes of the items", optional=True),
        },
        keep=("digest", "count", "share", "items"),
        check=_check_share,
    ),
    kind_of_step(
        Step(
            life=CONSULTATION,
            event="consultation.record",
            roles=ANY_ROLE,
            rests_on=("guide",),
        ),
        "事前辅导",
        "record a consultation",
        {
            "guide": object_("guide", "手册", "guide"),
            "guide_version": number("手册版本", "version of the guide"),
            "item": ITEM,
        },
        question="What was the applicant told before applying?",
        source="36 事前辅导",
        cites=("guide",),
    ),
)
