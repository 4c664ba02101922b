"""The papers a window hands out, as data: acceptance receipt, one-time notice and result.

A paper goes three steps: its facts (``AcceptanceReceipt``, ``OneTimeNotice``, ``CaseResult``) are
put into words as a ``Paper``, the paper is laid out on sheets (``seals.sheets``), and ``seals.pdf``
and ``seals.ofd`` write these.

Each paper carries a ``Proof``: the evidence bundle of the case's act, attached to the file, and a
code that holds a short link and the bundle's SHA-256. What the code names can be checked without
the network against the attachment, and against the ledger behind the link.

What is not done here: nothing is read from the ledger, and nobody is asked whether the act stands.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, TypeAlias

from ledger.errors import MalformedError

BEIJING: Final = timezone(timedelta(hours=8))
EVIDENCE_NAME: Final = "evidence.bundle"
LINK_BYTES_MAX: Final = 120
_DIGITS: Final = "〇一二三四五六七八九"


# ---- facts --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One piece of the applicant's papers.

    Args:
        form: Original, copy, electronic (原件、复印件、电子证照).
        count: Number of copies.
        note: What was done with it or is still owed (已核验原件, 容缺后补).
    """

    name: str
    form: str
    count: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every paper says.

    Args:
        number: The case, e.g. ``510000/case/2026-000017``.
        item: Name of the item; ``item_code`` with its pinned version.
        applicant: As it shall stand on the paper, masked where the window masks it (张*).
        window: The window and hall that act; ``officer`` is the officer's work number.
        authority: Who decides, in the owning place (业务属地).
        grant: The grant that the act rests on; empty where an authority acts on its own competence.
        issuer: Whose seal it bears.
        time_s: When it was issued, POSIX seconds; shown as Beijing time.
    """

    number: str
    item: str
    item_code: str
    applicant: str
    window: str
    officer: str
    authority: str
    grant: str
    issuer: str
    time_s: int
    telephone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceReceipt(Common):
    """The acceptance receipt (受理凭证): what was received, and until when it will be decided.

    Args:
        due: The promised day, written as it shall stand (2026年12月15日).
        working_days: The promised number of working days.
    """

    materials: tuple[Material, ...]
    due: str
    working_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeNotice(Common):
    """The one-time notice (一次性告知书): all that is missing, named once.

    Args:
        missing: All pieces to be brought; the note says what is wrong or missing.
        days: Working days in which the applicant may bring them.
    """

    missing: tuple[Material, ...]
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult(Common):
    """The result (办理结果): what was decided, on what basis, and how it reaches the applicant."""

    outcome: str
    reasons: str
    basis: str
    delivery: str
    remedy: str = (
        "如对本决定不服，可自收到之日起六十日内依法申请行政复议，"
        "或自收到之日起六个月内依法提起行政诉讼。"
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the act is proven: a short link, and the evidence bundle that the file carries."""

    link: str
    bundle: bytes

    def __post_init__(self) -> None:
        _check_link(self.link)
        if not self.bundle:
            raise MalformedError("a paper carries its evidence", code="proof-missing")

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bundle."""
        return hashlib.sha256(self.bundle).digest()

    def code_text(self) -> str:
        """Return what the two-dimensional code says.

        The digest stands behind ``#``, so that a phone that opens the link does not send it.
        """
        return encode_code(self.link, self.digest)


def encode_code(link: str, digest: bytes) -> str:
    """Return ``<link>#<SHA-256 in unpadded base64url>``.

    Raises:
        MalformedError: ``code-text``.
    """
    _check_link(link)
    if len(digest) != 32:
        raise MalformedError("a proof's digest is 32 bytes", code="code-text")
    return f"{link}#{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def decode_code(text: str) -> tuple[str, bytes]:
    """Return link and digest of what a code says; the one spelling is taken.

    Raises:
        MalformedError: ``code-text``.
    """
    link, _, tail = text.rpartition("#")
    try:
        digest = base64.b64decode(tail + "=", altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise MalformedError("the code holds no digest", code="code-text") from error
    if encode_code(link, digest) != text:
        raise MalformedError("the code is not in its one form", code="code-text")
    return link, digest


def _check_link(link: str) -> None:
    if (
        not link.startswith(("https://", "http://"))
        or not link.isascii()
        or not link.isprintable()
        or " " in link
        or "#" in link
        or len(link) > LINK_BYTES_MAX
    ):
        raise MalformedError(
            f"a proof's link is a short web address without a fragment: {link!r}", code="code-text"
        )


# ---- words --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A paper in words: title, fields, one table, paragraphs, and who signs it when."""

    title: str
    number: str
    opening: str
    fields: tuple[tuple[str, str], ...]
    table: tuple[tuple[str, ...], ...]
    table_widths: tuple[float, ...]
    paragraphs: tuple[str, ...]
    issuer: str
    time_s: int

    def text(self) -> Iterator[str]:
        """Yield every string of the paper."""
        yield from (self.title, self.number, self.opening, self.issuer)
        for row in (*self.fields, *self.table):
            yield from row
        yield from self.paragraphs


Facts: TypeAlias = AcceptanceReceipt | OneTimeNotice | CaseResult


def compose(facts: Facts) -> Paper:
    """Put a paper's facts into words.

    Raises:
        MalformedError: ``paper-text``: a control character, or nothing where something must stand.
    """
    paper = _worded(facts)
    for text in paper.text():
        if any(not (character.isprintable()) for character in text):
            raise MalformedError(f"a paper holds printable text: {text!r}", code="paper-text")
    if not all((facts.number, facts.item, facts.authority, facts.issuer)):
        raise MalformedError("a paper names case, item, authority and issuer", code="paper-text")
    return paper


def _worded(facts: Facts) -> Paper:
    match facts:
        case AcceptanceReceipt():
            return _receipt(facts)
        case OneTimeNotice():
            return _notice(facts)
        case CaseResult():
            return _result(facts)


def show_time(time_s: int) -> str:
    """Return a time as Beijing time, to the minute."""
    at = datetime.fromtimestamp(time_s, BEIJING)
    return f"{at.year}年{at.month}月{at.day}日 {at.hour:02d}:{at.minute:02d}"


def show_day(time_s: int) -> str:
    """Return a day in Chinese figures, as it stands under a seal (二〇二六年十一月二十一日)."""
    at = datetime.fromtimestamp(time_s, BEIJING)
    year = "".join(_DIGITS[int(digit)] for digit in str(at.year))
    return f"{year}年{_small(at.month)}月{_small(at.day)}日"


def _small(value: int) -> str:
    tens, ones = divmod(value, 10)
    head = "" if tens == 0 else "十" if tens == 1 else f"{_DIGITS[tens]}十"
    return head + ("" if ones == 0 else _DIGITS[ones])


def _fields(facts: Common) -> tuple[tuple[str, str], ...]:
    return (
        ("办件编号", facts.number),
        ("事项名称", facts.item),
        ("事项编码", facts.item_code),
        ("申请人", facts.applicant),
        ("经办窗口", f"{facts.window}（经办人：{facts.officer}）"),
        ("决定机关", facts.authority),
        ("授权依据", facts.grant or "本机关法定职权"),
    )


def _receipt(facts: AcceptanceReceipt) -> Paper:
    paragraphs = [
        "上列材料经形式审查予以收存。办件将按业务流转程序转送决定机关办理，办理权限不因收件地点而改变。",
        "承诺办结日期按工作日计算；依法需要勘验、评审、听证等程序的，所需时间不计入办理期限。",
    ]
    owed = [material.name for material in facts.materials if "容缺" in material.note]
    if owed:
        paragraphs.insert(1, f"以下材料按容缺受理办理，应在领取结果前一次补齐：{'、'.join(owed)}。")
    if facts.telephone:
        paragraphs.append(f"办理进度可扫描下方二维码查询，或致电 {facts.telephone}。")
    return Paper(
        title="受理凭证",
        number=facts.number,
        opening="您提交的申请符合受理条件，现予受理，出具本凭证。",
        fields=(
            *_fields(facts),
            ("受理时间", show_time(facts.time_s)),
            ("承诺办结", f"{facts.due}前（{facts.working_days} 个工作日）"),
        ),
        table=(
            ("序号", "收存材料", "形式", "份数", "备注"),
            *_materials(facts.materials),
        ),
        table_widths=(14.0, 76.0, 24.0, 14.0, 34.0),
        paragraphs=tuple(paragraphs),
        issuer=facts.issuer,
        time_s=facts.time_s,
    )


_ONCE: Final = "除出现新的事实外，本机关不再就本办件要求补充其他材料。"


def _notice(facts: OneTimeNotice) -> Paper:
    paragraphs = [
        f"请自收到本告知书之日起 {facts.days} 个工作日内一次补齐上列材料。{_ONCE}",
        "期限内未能补齐的，您可以在材料齐备后重新提出申请。",
    ]
    if facts.telephone:
        paragraphs.append(f"咨询电话：{facts.telephone}。")
    return Paper(
        title="一次性告知书",
        number=facts.number,
        opening="您提交的申请材料不齐全或者不符合法定形式，现将需要补正的全部内容一次告知如下。",
        fields=(*_fields(facts), ("告知时间", show_time(facts.time_s))),
        table=(
            ("序号", "需补正的材料", "形式", "份数", "补正要求"),
            *_materials(facts.missing),
        ),
        table_widths=(14.0, 58.0, 24.0, 14.0, 52.0),
        paragraphs=tuple(paragraphs),
        issuer=facts.issuer,
        time_s=facts.time_s,
    )


def _result(facts: CaseResult) -> Paper:
    return Paper(
        title="办理结果通知书",
        number=facts.number,
        opening="您申请的事项已办理完毕，现将办理结果通知如下。",
        fields=(
            *_fields(facts),
            ("办理结果", facts.outcome),
            ("决定理由", facts.reasons),
            ("决定依据", facts.basis),
            ("送达方式", facts.delivery),
            ("决定时间", show_time(facts.time_s)),
        ),
        table=(),
        table_widths=(),
        paragraphs=(
            facts.remedy,
            *((f"咨询电话：{facts.telephone}。",) if facts.telephone else ()),
        ),
        issuer=facts.issuer,
        time_s=facts.time_s,
    )


def _materials(materials: tuple[Material, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (str(index), material.name, material.form, str(material.count), material.note)
        for index, material in enumerate(materials, 1)
    )
