"""Items beyond their versions: scenarios, claims, changes on their way up, the lists beside them.

A list that belongs to an item bears the item's own number, so that whoever has the item finds it:
``<region>/procedure-list/<number>`` and ``<region>/exclusion/<number>``.
"""

from typing import Final

from authz.item import version_object
from authz.party import DECIDE, GRANT, MANAGE
from authz.records import NEW, Life, Row, Side, Step
from authz.tables.desks import office_step
from authz.tables.lives import in_versions
from authz.tables.words import (
    DIGEST,
    DUE,
    ITEM,
    REASON,
    REMARK,
    VERSION,
    code,
    codes,
    digest,
    kind_of_step,
    number,
    party_,
    text,
)
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Kind, Need

_COMPETENT: Final = (GRANT, MANAGE)

SCENARIO: Final = in_versions("scenario", "scenario.publish", "scenario.withdraw")
PROPOSAL: Final = Life(
    subject="proposal",
    steps={
        (NEW, "proposal.submit"): "submitted",
        ("submitted", "proposal.review:passed"): "reviewed",
        ("submitted", "proposal.review:returned"): "returned",
        ("reviewed", "proposal.confirm:passed"): "confirmed",
        ("reviewed", "proposal.confirm:returned"): "returned",
        ("confirmed", "proposal.publish"): "published",
    },
    ended=frozenset({"returned", "published"}),
)
CLAIM: Final = Life(
    subject="claim",
    steps={(NEW, "claim.make"): "claimed", ("claimed", "claim.release"): "released"},
    ended=frozenset({"released"}),
)
PROCEDURES: Final = Life(
    subject="procedure-list",
    steps={
        (NEW, "procedures.publish"): "current",
        ("current", "procedures.publish"): "current",
    },
)
EXCLUSION: Final = Life(
    subject="exclusion",
    steps={
        (NEW, "exclusion.publish"): "excluded",
        ("excluded", "exclusion.end"): "ended",
        ("ended", "exclusion.publish"): "excluded",
    },
    ended=frozenset({"ended"}),
)
INTERMEDIARIES: Final = in_versions(
    "intermediary-list", "intermediaries.publish", "intermediaries.withdraw"
)
LIVES: Final = (SCENARIO, PROPOSAL, CLAIM, PROCEDURES, EXCLUSION, INTERMEDIARIES)

EXCLUDED_CLASSES: Final = (
    "ecology",
    "financial-prudence",
    "foreign-affairs",
    "irreparable",
    "life-and-health",
    "national-security",
    "public-safety",
    "state-secrets",
)
"""Classes of items that 容缺受理 is never for. Source: 城中政发〔2023〕6号, task 27."""


def beside(item: str, kind_of_list: str) -> str:
    """Return the name of the list of a type that belongs to an item."""
    region, _, local = item.split("/", 2)
    return f"{region}/{kind_of_list}/{local}"


def _check_beside(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a list beside an item bears the item's number."""
    subject, item = acting.statement.subject, acting.act.body["item"]
    if subject != beside(item, subject.split("/", 2)[1]):
        raise MalformedError(f"the list of {item} bears its number", code="bad-field")
    return ()


def _version_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    body = draft.body
    return (Need("version", version_object(body["item"], body["item_version"])),)


def _check_materials(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a scenario asks for no paper that its item version does not."""
    version, body = acting.facts["version"], acting.act.body
    if version is None:
        raise RefusedError(
            f"no version {body['item_version']} of {body['item']} is published here",
            code="unknown-object",
        )
    for material in body["materials"]:
        if material not in version.state["mat"]:
            raise RefusedError(
                f"not on the list of {version.object}: {material}", code="extra-material"
            )
    return ()


def _check_review(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that what has passed is addressed to who confirms it, and the rest to nobody."""
    body = acting.act.body
    if (body["verdict"] == "passed") != ("to" in body):
        raise MalformedError("what has passed is addressed to who confirms it", code="bad-field")
    return ()


def _check_province(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the last word is the province's own (最终报省政府审改办确认)."""
    province = f"{acting.statement.subject[:2]}0000"
    if acting.region != province:
        raise RefusedError(f"the last word is that of {province}", code="not-competent")
    return ()


def _check_text(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that what is published is what was confirmed."""
    if acting.act.body["digest"] != before["digest"]:
        raise RefusedError("another text was confirmed", code="wrong-document")
    return ()


_45: Final = "45 事项动态管理"
_VERDICT: Final = code("意见", "verdict", "passed", "returned")
_BEFORE: Final = party_("上一环节所在地区", "region whose log has the step before")

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        Step(
            life=SCENARIO,
            event="scenario.publish",
            roles=_COMPETENT,
            competent=True,
            versioned=True,
            keep=("item", "item_version", "materials"),
            wants=_version_needs,
            check=_check_materials,
        ),
        "发布情形",
        "publish a scenario of an item",
        {
            "version": VERSION,
            "item": ITEM,
            "item_version": number("事项版本", "item version"),
            "title": text("情形", "scenario"),
            "materials": codes("所需材料", "papers that this scenario needs"),
        },
        question="Is the scenario covered by the grant?",
        source="44 颗粒化/多情形",
    ),
    kind_of_step(
        Step(life=SCENARIO, event="scenario.withdraw", roles=_COMPETENT),
        "停用情形",
        "withdraw a scenario",
        {"reason": REASON},
        question="Was the scenario in force then?",
        source="44 颗粒化/多情形",
    ),
    kind_of_step(
        office_step(PROPOSAL, "proposal.submit", roles=_COMPETENT, keep=("digest",)),
        "申请调整事项",
        "propose a change of an item",
        {
            "code": code("事项编码", "code of the item"),
            "change": code("调整类型", "what changes", "add", "alter", "remove"),
            "digest": digest("拟发布文本摘要", "digest of the text proposed"),
            "reason": REASON,
            "to": party_("审核单位", "who reviews it"),
            "due": DUE,
        },
        question="Who proposed the change?",
        source=_45,
    ),
    kind_of_step(
        office_step(
            PROPOSAL,
            "proposal.review",
            branch="verdict",
            side=Side.ADDRESSEE,
            relay="before",
            check=_check_review,
        ),
        "审核调整",
        "review a proposed change",
        {
            "before": _BEFORE,
            "verdict": _VERDICT,
            "to": party_("确认单位", "who confirms it", optional=True),
            "remark": REMARK,
        },
        question="Did the city review it?",
        source=_45,
        cites=("there",),
    ),
    kind_of_step(
        office_step(
            PROPOSAL,
            "proposal.confirm",
            branch="verdict",
            side=Side.ADDRESSEE,
            relay="before",
            check=_check_province,
        ),
        "确认调整",
        "confirm a proposed change",
        {"before": _BEFORE, "verdict": _VERDICT, "remark": REMARK},
        question="Is the chain of approval complete?",
        source=_45,
        cites=("there",),
    ),
    kind_of_step(
        office_step(
            PROPOSAL, "proposal.publish", roles=_COMPETENT, relay="before", check=_check_text
        ),
        "公布调整",
        "publish a confirmed change",
        {"before": _BEFORE, "digest": DIGEST},
        question="Was it confirmed before it was published?",
        source=_45,
        cites=("there",),
        receives_only=False,
    ),
    kind_of_step(
        Step(
            life=CLAIM,
            event="claim.make",
            roles=_COMPETENT,
            units=("department",),
            once_per=("code",),
            keep=("code",),
        ),
        "认领事项",
        "claim an item",
        {"code": code("事项编码", "code of the item"), "list": text("清单", "list it stands on")},
        question="Which items of the list are not claimed?",
        source="46 事项认领",
        changes=("once",),
    ),
    kind_of_step(
        Step(life=CLAIM, event="claim.release", roles=_COMPETENT, frees=("code",)),
        "取消认领",
        "release a claim",
        {"reason": REASON},
        question="Why is it claimed no more?",
        source="46 事项认领",
        changes=("once",),
    ),
    kind_of_step(
        Step(
            life=PROCEDURES,
            event="procedures.publish",
            roles=_COMPETENT,
            competent=True,
            versioned=True,
            keep=("procedures",),
            check=_check_beside,
        ),
        "公布特别程序清单",
        "publish which procedures an item may need",
        {
            "version": VERSION,
            "item": ITEM,
            "procedures": codes(
                "特别程序", "procedures that stop the clock: inspection, review, hearing …"
            ),
            "basis": text("依据", "legal basis"),
        },
        question="Is a pause justified by the list?",
        source="28 现场勘验/技术审查/听证, 27 限时办结",
    ),
    kind_of_step(
        Step(
            life=EXCLUSION,
            event="exclusion.publish",
            roles=_COMPETENT,
            competent=True,
            check=_check_beside,
        ),
        "列为不适用容缺事项",
        "say that nothing may be missing",
        {"item": ITEM, "class": code("排除类别", "excluded class", *EXCLUDED_CLASSES)},
        question="Is the item of a class that is never taken in incomplete?",
        source="26 容缺受理",
    ),
    kind_of_step(
        Step(life=EXCLUSION, event="exclusion.end", roles=_COMPETENT),
        "解除不适用容缺",
        "end an exclusion",
        {"reason": REASON},
        question="Until when was it excluded?",
        source="26 容缺受理",
    ),
    kind_of_step(
        office_step(
            INTERMEDIARIES,
            "intermediaries.publish",
            roles=(DECIDE, GRANT, MANAGE),
            versioned=True,
            keep=("digest",),
        ),
        "公布中介服务清单",
        "publish the list of intermediaries",
        {"version": VERSION, "digest": DIGEST, "services": codes("中介服务", "services")},
        question="Was an intermediary imposed that is not on the list?",
        source="75 中介服务清单",
    ),
    kind_of_step(
        office_step(INTERMEDIARIES, "intermediaries.withdraw", roles=(DECIDE, GRANT, MANAGE)),
        "废止中介服务清单",
        "withdraw a list of intermediaries",
        {"reason": REASON},
        question="Until when was the list in force?",
        source="75 中介服务清单",
    ),
)
