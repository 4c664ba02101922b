"""The vaults of regions: their keys, the payloads kept in them, who was let in, what is destroyed.

The papers themselves lie beside the ledger, sealed (``ledger.payload``). Here stands what can be
told of them for ever: digests, commitments, and the tombstone that outlives the keys.
"""

from typing import Final

from authz.party import ARCHIVE, DECIDE, RECEIVE
from authz.records import NEW, About, Life, Row, Signer, Step, once_object
from authz.tables.desks import office_step
from authz.tables.words import (
    CASE,
    REASON,
    VERSION,
    date,
    digest,
    kind_of_step,
    number,
    object_,
    party_,
    text,
)
from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.kind import Acting, Change, Draft, Fact, Field, FieldType, Kind, Need
from ledger.payload import X25519
from ledger.suites import SM2_SM3, check_point

VAULT_KEY: Final = Life(
    subject="vault-key",
    steps={(NEW, "vault.key"): "live", ("live", "vault.key"): "live"},
)
PAYLOAD: Final = Life(subject="payload", steps={(NEW, "vault.put"): "kept"})
KEY_SHARE: Final = Life(subject="key-share", steps={(NEW, "vault.share"): "given"})
TOMBSTONE: Final = Life(subject="tombstone", steps={(NEW, "vault.shred"): "shredded"})
RETENTION: Final = Life(subject="retention", steps={(NEW, "vault.keep"): "kept"})

LIVES: Final = (VAULT_KEY, PAYLOAD, KEY_SHARE, TOMBSTONE, RETENTION)

_SHREDDED: Final = "shredded"
_PUBLIC_BYTES: Final = {X25519: 32, SM2_SM3: 65}


def vault_key_object(region: str, suite: str) -> str:
    """Return the object that is a region's vault key of a suite; its rows are the versions."""
    return f"{region}/{VAULT_KEY.subject}/{suite}"


def tombstone_of(region: str, case: str) -> str:
    """Return the object that is there once a region has destroyed its keys of a case."""
    return once_object(region, TOMBSTONE.subject, case)


def retention_of(region: str, tombstone: str) -> str:
    """Return the object that is there once a region has said why it keeps what another shreds."""
    return once_object(region, RETENTION.subject, tombstone)


def _tombstone_need(draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    return (Need(_SHREDDED, tombstone_of(draft.issuer[:6], draft.body["case"])),)


def _check_key(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the key is one of the suite that its object names, which the roster lets in."""
    suite, public = acting.statement.subject.split("/")[2], acting.act.body["key"]
    if len(public) != _PUBLIC_BYTES.get(suite):
        raise MalformedError(f"not a vault key of {suite}", code="bad-key")
    if suite == SM2_SM3:
        if suite not in acting.roster.suites:
            raise RefusedError(f"the roster does not name {suite}", code="suite-not-named")
        try:
            check_point(public)
        except UnverifiedError as error:
            raise MalformedError(f"the vault's key: {error}", code="bad-key") from error
    return ()


def _check_not_shredded(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the region has not destroyed its keys of the case."""
    if acting.facts[_SHREDDED] is not None:
        raise RefusedError("the keys of this case are destroyed here", code="shredded")
    return ()


def _check_share(acting: Acting, before: Row, after: Row) -> tuple[Change, ...]:
    """Check that the key goes to another region, and has not been destroyed here."""
    if acting.act.body["to"] == acting.region:
        raise RefusedError("a region needs no leave of its own", code="wrong-state")
    return _check_not_shredded(acting, before, after)


def _check_same_case(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the tombstone is one of the same case, and of another region."""
    found = acting.facts.get("tombstone")
    if found is None:
        return ()  # it answers none
    if found.state["case"] != acting.act.body["case"] or found.object[:6] == acting.region:
        raise RefusedError(f"{found.object} does not ask this of us", code="not-addressee")
    return ()


_5: Final = "5 区块链信任机制"
_BASIS: Final = text("法律依据", "legal basis")
_ASKED: Final = object_("tombstone", "所答复的销毁记录", "tombstone of another region")
_ASKED_MAYBE: Final = object_(
    "tombstone", "所答复的销毁记录", "tombstone of another region that it follows", optional=True
)

KINDS: Final[tuple[Kind, ...]] = (
    kind_of_step(
        Step(
            life=VAULT_KEY,
            event="vault.key",
            signer=Signer.REGION,
            versioned=True,
            keep=("key",),
            check=_check_key,
        ),
        "公布保管库公钥",
        "publish the key of the region's vault",
        {
            "version": VERSION,
            "key": Field(type=FieldType.KEY, zh="公钥", en="public key"),
        },
        question="For which key were papers sealed to that region?",
        source=_5,
    ),
    kind_of_step(
        office_step(
            PAYLOAD,
            "vault.put",
            roles=(DECIDE, RECEIVE),
            about=About.HELD,
            keep=("ciphertext", "commitment"),
            wants=_tombstone_need,
            check=_check_not_shredded,
        ),
        "存入材料",
        "put a paper into the vault",
        {
            "case": CASE,
            "ciphertext": digest("密文摘要", "digest of the ciphertext"),
            "commitment": digest("材料承诺值(加盐)", "salted commitment to the paper"),
        },
        question="Which papers were there, and is this one of them unchanged?",
        source=_5,
    ),
    kind_of_step(
        Step(
            life=KEY_SHARE,
            event="vault.share",
            signer=Signer.REGION,
            about=About.KNOWN,
            keep=("vault_key", "key_version", "wrap"),
            wants=_tombstone_need,
            check=_check_share,
        ),
        "向经办地区交付办件密钥",
        "give a region the key of a case",
        {
            "case": CASE,
            "to": party_("所交付的地区", "region that held the case"),
            "vault_key": object_("vault-key", "所用公钥", "vault key that it is wrapped for"),
            "key_version": number("公钥版本", "version of that key"),
            "wrap": digest("加密后密钥摘要", "digest of the wrapped key"),
        },
        question="Which regions could read the papers, and since when?",
        source=_5,
    ),
    kind_of_step(
        office_step(
            TOMBSTONE,
            "vault.shred",
            roles=(ARCHIVE,),
            about=About.KNOWN,
            rests_on=("tombstone",),
            once_per=("case",),
            check=_check_same_case,
        ),
        "销毁办件密钥",
        "destroy the keys of a case",
        {"case": CASE, "basis": _BASIS, "reason": REASON, "tombstone": _ASKED_MAYBE},
        question="Why can the papers not be read any more, and who decided that?",
        source=_5,
        cites=("tombstone",),
        changes=("once",),
    ),
    kind_of_step(
        office_step(
            RETENTION,
            "vault.keep",
            roles=(ARCHIVE,),
            about=About.KNOWN,
            rests_on=("tombstone",),
            once_per=("tombstone",),
            check=_check_same_case,
        ),
        "说明不予销毁",
        "say why the keys of a case are kept",
        {
            "case": CASE,
            "tombstone": _ASKED,
            "basis": _BASIS,
            "reason": REASON,
            "until": date("保留至", "kept until", optional=True),
        },
        question="Why does this region keep what another has destroyed?",
        source=_5,
        cites=("tombstone",),
        changes=("once",),
    ),
)
