"""Papers on A4 sheets: text, rules and bars at positions in millimetres, and room for the seal.

``seals.pdf`` and ``seals.ofd`` write what is laid out here, so that both files look alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from seals.documents import Paper, Proof, show_day
from seals.drawing import Drawing, Font, draw_code

PAGE_MM: Final = (210.0, 297.0)

_LEFT_MM: Final = 24.0
_RIGHT_MM: Final = 186.0
_TOP_MM: Final = 25.0
_FOOT_MM: Final = 272.0
_CLOSING: Final = "，。、；：？！）》」』】”’,.;:?!)]"


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
