"""What an applicant agrees to: being helped to file, a helper, the use of a certificate."""

from typing import Final

from authz import party
from authz.records import NEW, About, Life, Row, Signer
from authz.tables.desks import ANY_ROLE, CONSENT, desk_step
from authz.tables.words import (
    CASE,
    CASE_MAYBE,
    DIGEST,
    ITEM,
    REASON,
    code,
    codes,
    date,
    digest,
    kind_of_step,
    number,
    party_,
)
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Field, Kind

ASSISTANCE: Final = Life(
    subject="assistance",
    steps={
        (NEW, "assist.consent"): "consented",
        ("consented", "assist.file"): "filed",
        ("consented", "assist.withdraw"): "withdrawn",
    },
    ended=frozenset({"filed", "withdrawn"}),
    absent="no-consent",
)
AGENT: Final = Life(
    subject="agent-engagement",
    steps={(NEW, "agent.engage"): "engaged", ("engaged", "agent.end"): "ended"},
    ended=frozenset({"ended"}),
)
CERTIFICATE_USE: Final = Life(
    subject="certificate-consent",
    steps={
        (NEW, "consent.give"): "given",
        ("given", "consent.use"): "given",
        ("given", "consent.spend"): "spent",
        ("given", "consent.withdraw"): "withdrawn",
    },
    ended=frozenset({"spent", "withdrawn"}),
    absent="no-consent",
)
LIVES: Final = (ASSISTANCE, AGENT, CERTIFICATE_USE)


def _check_free(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that help costs the applicant nothing (无偿)."""
    if acting.act.body["fee_fen"]:
        raise RefusedError("helping the applicant is free of charge", code="not-free")
    return ()


def _check_agreed(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the applicant agreed to be helped with the very item of the case."""
    _check_item(acting, before)
    return ()


def _check_item(acting: Acting, before: Row) -> None:
    case = acting.facts["case"]
    assert case is not None  # the step has looked
    if case.state.get("item") != before["item"]:
        raise RefusedError(f"the consent is for {before['item']}", code="no-consent")


def _check_consent(acting: Acting, before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that a certificate is used as its holder agreed: by whom, on what, in time."""
    body = acting.act.body
    _check_delegate(acting, before["delegate"])
    _check_item(acting, before)
    if acting.statement.time_s >= before["valid_until"]:
        raise RefusedError("the consent is out of its term", code="no-consent")
    if body["purpose"] != before["purpose"]:
        raise RefusedError(f"the holder agreed to {before['purpose']}", code="wrong-purpose")
    if (before["uses"] == "once") != (acting.act.kind == "consent.spend"):
        raise RefusedError(f"the holder agreed to use it: {before['uses']}", code="wrong-state")
    return ()


def _check_delegate(acting: Acting, delegate: str) -> None:
    signer = party.person(acting)
    if delegate not in {acting.region, signer.state["unit"], signer.object}:
        raise RefusedError(f"the holder agreed to its use by {delegate}", code="no-consent")


_PURPOSE: Final = code("用途", "purpose")
_16: Final = "16 全程网办"
_55: Final = "55 授权用证/委托用证/亮证"
_USE_FIELDS: Final[dict[str, Field]] = {"purpose": _PURPOSE, "case": CASE, "log": DIGEST}


KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        desk_step(ASSISTANCE, "assist.consent", keep=("scope", "item")),
        "同意帮办申报",
        "record that the applicant agrees to be helped",
        {
            "consent": CONSENT,
            "scope": codes("范围", "what the helper may do"),
            "item": ITEM,
        },
        question="Did the applicant agree before anybody helped?",
        source=_16,
    ),
    kind_of_step(
        desk_step(ASSISTANCE, "assist.file", about=About.KNOWN, check=_check_agreed),
        "辅助网上申报",
        "help an applicant to file",
        {
            "case": CASE,
            "signature": digest("申请人签名承诺值(加盐)", "salted commitment to their signature"),
        },
        question="Did a helper act for the applicant without consent?",
        source=_16,
    ),
    kind_of_step(
        desk_step(ASSISTANCE, "assist.withdraw"),
        "撤回帮办同意",
        "withdraw the consent to be helped",
        {"consent": digest("撤回凭据承诺值(加盐)", "salted commitment to the withdrawal")},
        question="Until when could the helper act?",
        source=_16,
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(
            AGENT,
            "agent.engage",
            roles=ANY_ROLE,
            keep=("agent",),
            check=_check_free,
        ),
        "帮办代办陪办",
        "engage a helper",
        {
            "case": CASE_MAYBE,
            "agent": party_("帮办人员", "who helps"),
            "consent": CONSENT,
            "scope": codes("范围", "what they may do"),
            "fee_fen": number("收费(分)", "fee in fen, which is 0"),
        },
        question="Was there consent, and any fee?",
        source="35 帮办代办陪办",
    ),
    kind_of_step(
        desk_step(AGENT, "agent.end", roles=ANY_ROLE),
        "帮办结束",
        "end an engagement",
        {"reason": REASON},
        question="Until when did they help?",
        source="35 帮办代办陪办",
        while_stopped=True,
    ),
    kind_of_step(
        desk_step(
            CERTIFICATE_USE,
            "consent.give",
            signer=Signer.BOTH,
            keep=("purpose", "valid_until", "uses", "delegate", "item"),
        ),
        "授权用证",
        "record a holder's consent to use a certificate",
        {
            "consent": CONSENT,
            "certificate": code("证照类型", "type of the certificate"),
            "delegate": party_("被授权方", "who may use it"),
            "item": ITEM,
            "purpose": _PURPOSE,
            "uses": code("次数", "how often", "many", "once"),
            "valid_until": date("有效期至", "valid until"),
        },
        question="Was there consent before use?",
        source=_55,
    ),
    kind_of_step(
        desk_step(CERTIFICATE_USE, "consent.use", about=About.KNOWN, check=_check_consent),
        "用证",
        "use a certificate that may be used often",
        _USE_FIELDS,
        question="Does the purpose match the consent?",
        source=_55,
    ),
    kind_of_step(
        desk_step(CERTIFICATE_USE, "consent.spend", about=About.KNOWN, check=_check_consent),
        "用证(一次)",
        "use a certificate that may be used once",
        _USE_FIELDS,
        question="Was it used more than once?",
        source=_55,
    ),
    kind_of_step(
        desk_step(CERTIFICATE_USE, "consent.withdraw", signer=Signer.BOTH),
        "撤回用证授权",
        "withdraw a consent",
        {"consent": digest("撤回凭据承诺值(加盐)", "salted commitment to the withdrawal")},
        question="Was it used after it was withdrawn?",
        source=_55,
        while_stopped=True,
    ),
)
