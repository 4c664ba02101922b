"""Short ways to write the rows of the tables: fields, and a kind from its step."""

from collections.abc import Mapping
from typing import Final

from authz.records import Signer, Step
from ledger.kind import Field, FieldType, Kind


def text(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field of public text."""
    return Field(type=FieldType.TEXT, zh=zh, en=en, optional=optional)


def code(zh: str, en: str, *choices: str, optional: bool = False) -> Field:
    """Return a field of one code, of ``choices`` where there are some."""
    return Field(type=FieldType.CODE, zh=zh, en=en, choices=choices, optional=optional)


def codes(zh: str, en: str, *choices: str, optional: bool = False) -> Field:
    """Return a field of distinct codes."""
    return Field(type=FieldType.CODES, zh=zh, en=en, choices=choices, optional=optional)


def digest(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field of one hash: a digest, or a salted commitment."""
    return Field(type=FieldType.HASH, zh=zh, en=en, optional=optional)


def digests(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field of hashes."""
    return Field(type=FieldType.HASHES, zh=zh, en=en, optional=optional)


def number(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field of a whole number."""
    return Field(type=FieldType.UINT, zh=zh, en=en, optional=optional)


def date(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field of a time in seconds."""
    return Field(type=FieldType.SECONDS, zh=zh, en=en, optional=optional)


def yes(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field that is true or false."""
    return Field(type=FieldType.BOOL, zh=zh, en=en, optional=optional)


def party_(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field that names a party."""
    return Field(type=FieldType.PARTY, zh=zh, en=en, optional=optional)


def parties(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field that names distinct parties."""
    return Field(type=FieldType.PARTIES, zh=zh, en=en, optional=optional)


def key(zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field of a public key."""
    return Field(type=FieldType.KEY, zh=zh, en=en, optional=optional)


def object_(of: str, zh: str, en: str, *, optional: bool = False) -> Field:
    """Return a field that names an object of the type ``of``."""
    return Field(type=FieldType.OBJECT, zh=zh, en=en, of=of, optional=optional)


REASON: Final = text("理由", "why")
DIGEST: Final = digest("文本摘要", "digest of the text")
EVIDENCE: Final = digest("证明材料摘要", "digest of the evidence")
DUE: Final = date("答复期限", "to be answered by")
TO: Final = party_("承办单位", "the party that is to answer")
CASE: Final = object_("case", "办件", "case it is about")
CASE_MAYBE: Final = object_("case", "办件", "case it is about", optional=True)
ITEM: Final = object_("item", "事项", "item")
VERSION: Final = number("版本", "version, from 1")
REMARK: Final = text("说明", "remark", optional=True)


def kind_of_step(
    step: Step,
    zh: str,
    en: str,
    fields: Mapping[str, Field],
    *,
    question: str,
    source: str,
    receives_only: bool = True,
    while_stopped: bool = False,
    cites: tuple[str, ...] = (),
    changes: tuple[str, ...] = (),
) -> Kind:
    """Return the row of the table for a step in the life of a record."""
    return Kind(
        name=step.event,
        zh=zh,
        en=en,
        subject=step.life.subject,
        fields=fields,
        needs=step.needs,
        rule=step.judge,
        by_region=step.signer is not Signer.OFFICER,
        receives_only=receives_only,
        while_stopped=while_stopped,
        by_officer=step.signer is not Signer.REGION,
        roles=() if step.signer is Signer.REGION else step.roles,
        cites=cites,
        changes=changes,
        question=question,
        source=source,
    )
