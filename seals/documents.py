"""The papers a window hands out, as data: acceptance receipt, one-time notice and result.

A paper goes three steps: its facts (``AcceptanceReceipt``, ``OneTimeNotice``, ``CaseResult``) are
put into words as a ``Paper``, the paper is laid out on ``Sheet``s (text, rules and bars at
positions in millimetres), and ``seals.pdf`` and ``seals.ofd`` write the sheets. Both files so look
alike.

Each paper carries a ``Proof``: the evidence bundle of the case's act, attached to the file, and a
code that holds a short link and the bundle's SHA-256. What the code names can be checked without
the network against the attachment, and against the ledger behind the link.

What is not done here: nothing is read from the ledger, and nobody is asked whether the act stands.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from ledger.errors import MalformedError
from seals.drawing import Drawing, Font, draw_code

PAGE_MM: Final = (210.0, 297.0)
BEIJING: Final = timezone(timedelta(hours=8))
EVIDENCE_NAME: Final = "evidence.bundle"
LINK_BYTES_MAX: Final = 120

_LEFT_MM: Final = 24.0
_RIGHT_MM: Final = 186.0
_TOP_MM: Final = 25.0
_FOOT_MM: Final = 272.0
_CLOSING: Final = "，。、；：？！）》」』】”’,.;:?!)]"
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


# ---- sheets -------------------------------------------------------------------------------------

Face: TypeAlias = Literal["serif", "sans"]


@dataclass(frozen=True, slots=True)
class Faces:
    """The two typefaces of a paper: Song for text, Hei for titles and labels."""

    serif: Font
    sans: Font

    def of(self, face: Face) -> Font:
        """Return the typeface of this name."""
        return self.serif if face == "serif" else self.sans


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text, its baseline starting at ``x``, ``y``."""

    x: float
    y: float
    size: float
    face: Face
    text: str
    grey: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line."""

    x: float
    y: float
    to_x: float
    to_y: float
    width: float = 0.2
    grey: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """A black rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Sheet:
    """One page."""

    texts: list[Text] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOut:
    """A paper on its sheets, with the place of its seal on the last."""

    title: str
    issuer: str
    time_s: int
    sheets: tuple[Sheet, ...]
    seal: Drawing
    seal_at: tuple[float, float]
    proof: Proof

    def characters(self, face: Face) -> str:
        """Return all text set in one typeface."""
        return "".join(
            text.text for sheet in self.sheets for text in sheet.texts if text.face == face
        )

    @property
    def created(self) -> datetime:
        """When it was issued."""
        return datetime.fromtimestamp(self.time_s, UTC)


def lay_out(paper: Paper, proof: Proof, seal: Drawing, faces: Faces) -> LaidOut:
    """Place a paper's words on A4 sheets.

    Raises:
        MalformedError: ``glyph-missing``: a typeface lacks a character.
    """
    setter = _Setter(faces)
    setter.title(paper)
    setter.box(paper.fields)
    if paper.table:
        setter.table(paper.table, paper.table_widths)
    setter.space(7.0)
    for paragraph in paper.paragraphs:
        setter.paragraph(paragraph)
    seal_at = setter.closing(paper, proof, seal)
    setter.feet(paper)
    return LaidOut(
        title=paper.title,
        issuer=paper.issuer,
        time_s=paper.time_s,
        sheets=tuple(setter.sheets),
        seal=seal,
        seal_at=seal_at,
        proof=proof,
    )


_TEXT_MM: Final = 3.9
_LINE_MM: Final = 6.0
_PAD_MM: Final = 2.4
_LABEL_MM: Final = 28.0
_CODE_MM: Final = 27.0


class _Setter:
    """Sets a paper from the top of its first sheet to the foot of its last."""

    def __init__(self, faces: Faces) -> None:
        self.faces = faces
        self.sheets = [Sheet()]
        self.y = _TOP_MM

    def space(self, height: float) -> None:
        self.y += height

    def title(self, paper: Paper) -> None:
        size = 8.2
        spread = "　".join(paper.title) if len(paper.title) <= 4 else paper.title
        self._line(self._centred(spread, size, "sans"), self.y + 4, size, "sans", spread)
        self.y += 10.5
        self.sheets[-1].rules += [
            Rule(_LEFT_MM, self.y, _RIGHT_MM, self.y, 0.7),
            Rule(_LEFT_MM, self.y + 1.1, _RIGHT_MM, self.y + 1.1, 0.2),
        ]
        self.y += 9.5
        self.paragraph(paper.opening)
        self.y += 0.5

    def paragraph(self, text: str) -> None:
        for index, line in enumerate(
            self._wrapped(text, _TEXT_MM, "serif", _RIGHT_MM - _LEFT_MM, indent=2 * _TEXT_MM)
        ):
            self._room(_LINE_MM)
            x = _LEFT_MM + (2 * _TEXT_MM if index == 0 else 0)
            self._line(x, self.y, _TEXT_MM, "serif", line)
            self.y += _LINE_MM
        self.y += 0.8

    def box(self, fields: tuple[tuple[str, str], ...]) -> None:
        self._rows(
            [((label, "sans"), (value, "serif")) for label, value in fields],
            (_LABEL_MM, _RIGHT_MM - _LEFT_MM - _LABEL_MM),
            centred=(),
        )

    def table(self, rows: tuple[tuple[str, ...], ...], widths: tuple[float, ...]) -> None:
        head, *rest = rows
        self.space(4.0)
        self._rows(
            [
                tuple((cell, "sans") for cell in head),
                *(tuple((cell, "serif") for cell in row) for row in rest),
            ],
            widths,
            centred=(0, 2, 3),
            repeat_head=True,
        )

    def closing(self, paper: Paper, proof: Proof, seal: Drawing) -> tuple[float, float]:
        """Set code, issuer, day, and return where the seal goes."""
        self._room(max(46.0, seal.height_mm + 5))
        sheet = self.sheets[-1]
        top = self.y + 6
        sheet.bars += [
            Bar(_LEFT_MM + x, top + y, width, height)
            for x, y, width, height in draw_code(proof.code_text(), _CODE_MM)
        ]
        beside = _LEFT_MM + _CODE_MM + 4
        for index, (line, size, grey) in enumerate(
            (
                ("扫码核验办件存证", 3.4, 0),
                ("证据包摘要（SHA-256）", 2.6, 96),
                *((part, 2.6, 96) for part in _parts(proof.digest.hex(), 16)),
            )
        ):
            face: Face = "sans" if index == 0 else "serif"
            self._line(beside, top + 3.2 + index * 4.4, size, face, line, grey)
        middle = _RIGHT_MM - 30
        self._line(
            max(
                beside + 34,
                min(
                    middle - self.faces.serif.width(paper.issuer) * 4.4 / 2,
                    _RIGHT_MM - self.faces.serif.width(paper.issuer) * 4.4,
                ),
            ),
            top + 20,
            4.4,
            "serif",
            paper.issuer,
        )
        day = show_day(paper.time_s)
        self._line(middle - self.faces.serif.width(day) * 4.4 / 2, top + 28.5, 4.4, "serif", day)
        # The seal stands on the day and the issuer's name, as the rules for papers ask (骑年盖月).
        return middle - seal.width_mm / 2, top + 21 - seal.height_mm / 2

    def feet(self, paper: Paper) -> None:
        for index, sheet in enumerate(self.sheets, 1):
            y = PAGE_MM[1] - 17
            sheet.rules.append(Rule(_LEFT_MM, y - 5, _RIGHT_MM, y - 5, 0.15, 128))
            note = "本文件附有证据包与电子印章，离线可验；任何改动均使印章失效。"
            sheet.texts.append(Text(_LEFT_MM, y, 2.7, "serif", note, 96))
            page = f"{paper.number}　第 {index} 页，共 {len(self.sheets)} 页"
            width = self.faces.serif.width(page) * 2.7
            sheet.texts.append(Text(_RIGHT_MM - width, y, 2.7, "serif", page, 96))

    def _rows(
        self,
        rows: list[tuple[tuple[str, Face], ...]],
        widths: tuple[float, ...],
        *,
        centred: tuple[int, ...],
        repeat_head: bool = False,
    ) -> None:
        edges = [_LEFT_MM]
        for width in widths:
            edges.append(edges[-1] + width)
        start = self.y
        self._across(edges)
        for number, row in enumerate(rows):
            height = self._row_height(row, widths)
            if self.y + height > _FOOT_MM:
                self._down(edges, start)
                self._new_sheet()
                start = self.y
                self._across(edges)
                if repeat_head and number:
                    self._row(rows[0], edges, centred)
            self._row(row, edges, centred)
        self._down(edges, start)
        self.y += 1.5

    def _row_height(self, row: tuple[tuple[str, Face], ...], widths: tuple[float, ...]) -> float:
        lines = max(
            len(self._wrapped(text, _TEXT_MM, face, width - 2 * _PAD_MM))
            for (text, face), width in zip(row, widths, strict=True)
        )
        return lines * 5.2 + 2.6

    def _row(
        self, row: tuple[tuple[str, Face], ...], edges: list[float], centred: tuple[int, ...]
    ) -> None:
        widths = tuple(right - left for left, right in pairwise(edges))
        height = self._row_height(row, widths)
        for column, ((text, face), width) in enumerate(zip(row, widths, strict=True)):
            lines = self._wrapped(text, _TEXT_MM, face, width - 2 * _PAD_MM)
            y = self.y + (height - len(lines) * 5.2) / 2 + 4.0
            for line in lines:
                x = edges[column] + _PAD_MM
                if column in centred or (face == "sans" and centred):
                    x = edges[column] + (width - self.faces.of(face).width(line) * _TEXT_MM) / 2
                self._line(x, y, _TEXT_MM, face, line)
                y += 5.2
        self.y += height
        self._across(edges)

    def _across(self, edges: list[float]) -> None:
        self.sheets[-1].rules.append(Rule(edges[0], self.y, edges[-1], self.y))

    def _down(self, edges: list[float], start: float) -> None:
        self.sheets[-1].rules += [Rule(x, start, x, self.y) for x in edges]

    def _room(self, height: float) -> None:
        if self.y + height > _FOOT_MM:
            self._new_sheet()

    def _new_sheet(self) -> None:
        self.sheets.append(Sheet())
        self.y = _TOP_MM

    def _line(  # noqa: PLR0917  # a place, how it looks, and what it says
        self, x: float, y: float, size: float, face: Face, text: str, grey: int = 0
    ) -> None:
        if text:
            self.sheets[-1].texts.append(Text(x, y, size, face, text, grey))

    def _centred(self, text: str, size: float, face: Face) -> float:
        return (PAGE_MM[0] - self.faces.of(face).width(text) * size) / 2

    def _wrapped(
        self, text: str, size: float, face: Face, room: float, *, indent: float = 0.0
    ) -> list[str]:
        """Break text into lines: between Chinese characters, but never before a closing mark."""
        font = self.faces.of(face)
        lines: list[str] = []
        line, left = "", room - indent
        for piece in _pieces(text):
            width = font.width(piece) * size
            if line and width > left + 1e-6:
                lines.append(line.rstrip())
                line, left = "", room
                piece = piece.lstrip()  # noqa: PLW2901  # a line does not begin with a space
                width = font.width(piece) * size
            # A piece wider than a whole line (a long number) is broken where it must be.
            while width > left and len(piece) > 1:
                take = next(
                    count
                    for count in range(len(piece) - 1, 0, -1)
                    if count == 1 or font.width(piece[:count]) * size <= left
                )
                lines.append(piece[:take])
                piece, left = piece[take:], room  # noqa: PLW2901  # the rest goes on
                width = font.width(piece) * size
            line += piece
            left -= width
        return [*lines, line] if line or not lines else lines


def _pieces(text: str) -> Iterator[str]:
    """Split text where a line may break: words of Latin letters and figures hold together."""
    piece = ""
    for character in text:
        joins = piece and (
            character in _CLOSING
            or piece[-1] in "（《「『【“‘(["
            or (
                character.isascii()
                and piece[-1].isascii()
                and not character.isspace()
                and not piece[-1].isspace()
            )
        )
        if piece and not joins:
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _parts(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))
