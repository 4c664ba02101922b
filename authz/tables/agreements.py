"""What two places sign together: the agreement on who does what, and what they recognise.

An agreement is proposed in one log and signed in the other's; each side's log keeps its own word.
"""

from typing import Final

from authz.party import GRANT, MANAGE
from authz.records import NEW, Life, Row, Side
from authz.tables.desks import office_step
from authz.tables.words import (
    DIGEST,
    DUE,
    REASON,
    codes,
    date,
    digest,
    kind_of_step,
    object_,
    party_,
    text,
)
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Field, Kind, Need

_ROLES: Final = (GRANT, MANAGE)

AGREEMENT: Final = Life(
    subject="agreement",
    steps={
        (NEW, "agreement.propose"): "proposed",
        ("proposed", "agreement.sign"): "signed",
        ("proposed", "agreement.decline"): "declined",
        ("proposed", "agreement.withdraw"): "withdrawn",
        ("signed", "agreement.end"): "ended",
    },
    ended=frozenset({"declined", "withdrawn", "ended"}),
)
RECOGNITION: Final = Life(
    subject="recognition",
    steps={
        (NEW, "recognition.propose"): "proposed",
        ("proposed", "recognition.sign"): "signed",
        ("proposed", "recognition.decline"): "declined",
        ("signed", "recognition.end"): "ended",
        ("proposed", "recognition.end"): "ended",
    },
    ended=frozenset({"declined", "ended"}),
)
LIVES: Final = (AGREEMENT, RECOGNITION)


def _seal_needs(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    use = draft.body.get("seal_use")
    return () if use is None else (Need("seal", use, use[:6], cite=True),)


def _check_seal(acting: Acting) -> None:
    """Check that the seal, where one is named, was put to this very text."""
    body = acting.act.body
    if "seal_use" not in body:
        return
    use = acting.facts["seal"]
    if use is None:
        raise RefusedError(
            f"no such use of a seal is within sight: {body['seal_use']}", code="unknown-object"
        )
    if use.state.get("doc") != body["digest"]:
        raise RefusedError("the seal was put to another document", code="wrong-document")


def _check_proposal(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the other side is in another place, and the seal was put to this text."""
    body = acting.act.body
    if body["to"][:6] == acting.region:
        raise RefusedError("an agreement has two sides, in two places", code="wrong-state")
    if body["valid_from"] >= body["valid_until"]:
        raise MalformedError("valid_until comes after valid_from", code="bad-field")
    _check_seal(acting)
    return ()


def _check_signature(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that both sides sign the same text."""
    if acting.act.body["digest"] != before["digest"]:
        raise RefusedError("another text was proposed", code="wrong-document")
    _check_seal(acting)
    return ()


_SEAL: Final = object_("seal-use", "用印记录", "the use of the seal", optional=True)
_TERM: Final[dict[str, Field]] = {
    "valid_from": date("起", "valid from"),
    "valid_until": date("止", "valid until"),
}
_50: Final = "50 收件地/办理地职责"
_59: Final = "59 业务互信互认"


def _life(  # noqa: PLR0917 - in the order of a row of the table
    life: Life, zh: str, en: str, fields: dict[str, Field], question: str, source: str
) -> tuple[Kind, ...]:
    """Return the three steps that both lives share: propose, sign, decline."""
    name = life.subject
    return (
        kind_of_step(
            office_step(
                life,
                f"{name}.propose",
                roles=_ROLES,
                keep=("digest", "valid_from", "valid_until"),
                wants=_seal_needs,
                check=_check_proposal,
            ),
            f"提出{zh}",
            f"propose {en}",
            {"to": party_("对方", "the other side"), **fields, **_TERM, "digest": DIGEST}
            | {"seal_use": _SEAL, "due": DUE},
            question=question,
            source=source,
            cites=("seal",),
        ),
        kind_of_step(
            office_step(
                life,
                f"{name}.sign",
                side=Side.ADDRESSEE,
                roles=_ROLES,
                wants=_seal_needs,
                check=_check_signature,
            ),
            f"签署{zh}",
            f"sign {en}",
            {"digest": digest("所签文本摘要", "digest of the text signed"), "seal_use": _SEAL},
            question="Did both sides sign the same text?",
            source=source,
            cites=("seal", "there"),
        ),
        kind_of_step(
            office_step(life, f"{name}.decline", side=Side.ADDRESSEE, roles=_ROLES),
            f"不签署{zh}",
            f"decline {en}",
            {"reason": REASON},
            question="Why is there none?",
            source=source,
            cites=("there",),
        ),
    )


KINDS: Final[tuple[Kind, ...]] = (
    *_life(
        AGREEMENT,
        "协议",
        "an agreement",
        {
            "title": text("名称", "title"),
            "here": codes("收件地职责", "duties of the place that receives"),
            "there": codes("办理地职责", "duties of the place that decides"),
        },
        "Which side owed this step?",
        _50,
    ),
    kind_of_step(
        office_step(AGREEMENT, "agreement.withdraw", roles=_ROLES),
        "撤回协议",
        "withdraw the proposal of an agreement",
        {"reason": REASON},
        question="Why was it never signed?",
        source=_50,
        cites=("there",),
    ),
    kind_of_step(
        office_step(AGREEMENT, "agreement.end", side=Side.EITHER, roles=_ROLES),
        "终止协议",
        "end an agreement",
        {"reason": REASON},
        question="Until when did the duties bind, and who ended them?",
        source=_50,
        cites=("there",),
    ),
    *_life(
        RECOGNITION,
        "互认规则",
        "a rule of recognition",
        {
            "result": codes("互认的结果", "results that are recognised"),
            "authority": party_("出具机关", "authority whose results they are"),
        },
        "On what basis was the other's result accepted?",
        _59,
    ),
    kind_of_step(
        office_step(RECOGNITION, "recognition.end", side=Side.EITHER, roles=_ROLES),
        "终止互认",
        "end a rule of recognition",
        {"reason": REASON},
        question="Until when was it accepted?",
        source=_59,
        cites=("there",),
    ),
)
