"""The picture of a seal: the round official seal from a name and a code, as vector and as PNG.

Also what a picture and a paper are drawn with: ``Font``, a typeface read once, which gives the
outlines and widths of characters and cuts small fonts for embedding.

Sizes are millimetres, y runs down as on a page. What is not done here: which seal may be drawn, and
for whom (``seals.usage``); a picture proves nothing.

Source: 国发〔1999〕25号 (round, a star in the middle, the name around it from left to right);
GB/T 33481 (pictures for electronic seals).
"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from typing import Any, Final, Literal, TypeAlias

import segno
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.cu2quPen import Cu2QuPen  # type: ignore[import-untyped]
from fontTools.pens.recordingPen import DecomposingRecordingPen  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]
from fontTools.ttLib.tables.DefaultTable import DefaultTable  # type: ignore[import-untyped]
from PIL import Image, ImageDraw

from ledger.errors import MalformedError

Point: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[Literal["M", "L", "C", "Z"], tuple[Point, ...]]
Path: TypeAlias = tuple[Segment, ...]

RED: Final = (0xD7, 0x0C, 0x18)
POINTS_PER_MM: Final = 72 / 25.4
DIAMETERS_MM: Final = (38.0, 60.0)  # smallest and largest round seal that the rules know
NAME_CHARACTERS_MAX: Final = 28
_SUBSETS_MAX: Final = 64
_FONT_TIME: Final = 3_660_681_600  # 2020-01-01, as fonts count: seconds since 1904
# A circle drawn with four cubic curves is off by less than 0.03 % of its radius.
_KAPPA: Final = 0.5522847498


# ---- typefaces ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outline:
    """The shape of one character in parts of an em, y up, and how far it advances."""

    advance: float
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """One glyph as TrueType holds it, in units of the typeface, ready to be written."""

    advance: int
    data: bytes
    box: tuple[int, int, int, int]
    points: int
    contours: int


_NO_SHAPE: Final = _Shape(advance=1000, data=b"", box=(0, 0, 0, 0), points=0, contours=0)
_MAXIMA: Final = (
    "maxCompositePoints",
    "maxCompositeContours",
    "maxTwilightPoints",
    "maxStorage",
    "maxFunctionDefs",
    "maxInstructionDefs",
    "maxStackElements",
    "maxSizeOfInstructions",
    "maxComponentElements",
    "maxComponentDepth",
)


class Font:
    """One typeface, read once: the outlines and widths of characters, and fonts cut from it.

    Opening takes about 0.2 s, each character some 0.5 ms when it is first met; both are kept. One
    thread at a time uses a ``Font``.

    Args:
        data: An OpenType or TrueType font.
        name: How embedded cuts of it are called; an open licence may reserve the original's name.

    Raises:
        MalformedError: ``font``: the bytes are no font that we read.
    """

    def __init__(self, data: bytes, *, name: str) -> None:
        try:
            self._font = TTFont(BytesIO(data), lazy=True)
            self._characters: dict[int, str] = self._font.getBestCmap() or {}
            self._glyphs = self._font.getGlyphSet()
            self._em: int = self._font["head"].unitsPerEm
        except (TTLibError, KeyError, AssertionError, ValueError, TypeError, EOFError) as error:
            raise MalformedError("not a font that we read", code="font") from error
        self.name = name
        self._outlines: dict[str, Outline] = {}
        self._shapes: dict[str, _Shape] = {}
        self._cuts: dict[tuple[str, ...], bytes] = {}

    def has(self, character: str) -> bool:
        """Say whether the typeface draws ``character``."""
        return ord(character) in self._characters

    def outline(self, character: str) -> Outline:
        """Return the shape of one character.

        Raises:
            MalformedError: ``glyph-missing``: the typeface has no such character.
        """
        found = self._outlines.get(character)
        if found is None:
            glyph = self._glyph(character)
            pen = DecomposingRecordingPen(self._glyphs)
            glyph.draw(pen)
            found = Outline(glyph.width / self._em, tuple(self._segments(pen.value)))
            self._outlines[character] = found
        return found

    def width(self, text: str) -> float:
        """Return how wide a line of text is, in parts of its size."""
        return sum(self.outline(character).advance for character in text)

    def cut(self, text: str) -> bytes:
        """Return a small TrueType font with the characters of ``text``, the same bytes each time.

        Raises:
            MalformedError: ``glyph-missing``.
        """
        characters = tuple(sorted(set(text)))
        found = self._cuts.get(characters)
        if found is None:
            found = self._cut(characters)
            if len(self._cuts) >= _SUBSETS_MAX:
                self._cuts.pop(next(iter(self._cuts)))
            self._cuts[characters] = found
        return found

    def _glyph(self, character: str) -> Any:  # noqa: ANN401  # fontTools has no type for it
        name = self._characters.get(ord(character))
        if name is None:
            raise MalformedError(
                f"the typeface does not draw U+{ord(character):04X}", code="glyph-missing"
            )
        return self._glyphs[name]

    def _shape(self, character: str) -> "_Shape":
        found = self._shapes.get(character)
        if found is None:
            pen = TTGlyphPen(None)
            self._glyph(character).draw(
                Cu2QuPen(pen, max_err=self._em / 1000, reverse_direction=True)
            )
            glyph = pen.glyph()
            data = glyph.compile(None)
            empty = glyph.numberOfContours == 0
            found = _Shape(
                advance=round(self.outline(character).advance * self._em),
                data=data + bytes(-len(data) % 4),
                box=(0, 0, 0, 0) if empty else (glyph.xMin, glyph.yMin, glyph.xMax, glyph.yMax),
                points=0 if empty else len(glyph.coordinates),
                contours=glyph.numberOfContours,
            )
            self._shapes[character] = found
        return found

    def _segments(self, drawn: list[tuple[str, tuple[Any, ...]]]) -> Iterator[Segment]:
        scale = 1 / self._em
        last = (0.0, 0.0)
        for operator, points in drawn:
            at = [(x * scale, y * scale) for x, y in points]
            if operator == "moveTo":
                yield "M", (at[0],)
            elif operator == "lineTo":
                yield "L", (at[0],)
            elif operator == "curveTo":
                yield "C", (at[0], at[1], at[2])
            elif operator == "qCurveTo":
                # A run of quadratic curves with implied points between; raised to cubics.
                for index, control in enumerate(at[:-1]):
                    end = at[-1] if index == len(at) - 2 else _between(control, at[index + 1], 0.5)
                    yield (
                        "C",
                        (_between(last, control, 2 / 3), _between(end, control, 2 / 3), end),
                    )
                    last = end
            else:
                yield "Z", ()
            if at:
                last = at[-1]

    def _cut(self, characters: tuple[str, ...]) -> bytes:
        shapes = [_NO_SHAPE, *(self._shape(character) for character in characters)]
        names = [".notdef", *(f"u{ord(character):04X}" for character in characters)]
        builder = FontBuilder(self._em, isTTF=True)
        font = builder.font
        # The glyphs are compiled once each and only strung together here; the library would
        # unpack and measure each of them again.
        font.recalcBBoxes = False
        font.recalcTimestamp = False
        builder.setupGlyphOrder(names)
        builder.setupCharacterMap(
            {ord(character): name for character, name in zip(characters, names[1:], strict=True)}
        )
        places = [0, *accumulate(len(shape.data) for shape in shapes)]
        for tag, data in (
            ("glyf", b"".join(shape.data for shape in shapes)),
            ("loca", b"".join(place.to_bytes(4) for place in places)),
        ):
            font[tag] = DefaultTable(tag)
            font[tag].data = data
        builder.updateHead(
            # The times come from the clock unless they are given.
            created=_FONT_TIME,
            modified=_FONT_TIME,
            indexToLocFormat=1,
            xMin=min(shape.box[0] for shape in shapes),
            yMin=min(shape.box[1] for shape in shapes),
            xMax=max(shape.box[2] for shape in shapes),
            yMax=max(shape.box[3] for shape in shapes),
        )
        builder.setupMaxp()
        for name in _MAXIMA:
            setattr(font["maxp"], name, 0)
        font["maxp"].maxZones = 1
        font["maxp"].maxPoints = max(shape.points for shape in shapes)
        font["maxp"].maxContours = max(shape.contours for shape in shapes)
        builder.setupHorizontalMetrics(
            {name: (shape.advance, shape.box[0]) for name, shape in zip(names, shapes, strict=True)}
        )
        ascent, descent = round(0.88 * self._em), -round(0.12 * self._em)
        builder.setupHorizontalHeader(
            ascent=ascent,
            descent=descent,
            advanceWidthMax=max(shape.advance for shape in shapes),
            numberOfHMetrics=len(shapes),
        )
        builder.setupNameTable(
            {
                "familyName": self.name,
                "styleName": "Regular",
                "psName": f"{self.name}-{zlib.crc32(''.join(characters).encode()):08x}",
            }
        )
        builder.setupOS2(
            sTypoAscender=ascent, sTypoDescender=descent, usWinAscent=ascent, usWinDescent=-descent
        )
        builder.setupPost(keepGlyphNames=False)
        out = BytesIO()
        builder.save(out)
        return out.getvalue()


def _between(start: Point, end: Point, part: float) -> Point:
    return (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)


# ---- drawings -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drawing:
    """Filled shapes of one colour in a box; a point is inside by the non-zero rule."""

    width_mm: float
    height_mm: float
    paths: tuple[Path, ...]
    colour: tuple[int, int, int] = RED

    def svg(self) -> bytes:
        """Return the drawing as an SVG file."""
        width, height = _number(self.width_mm), _number(self.height_mm)
        data = " ".join(_operators(path, _svg_segment) for path in self.paths)
        red, green, blue = self.colour
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm" '
            f'viewBox="0 0 {width} {height}">'
            f'<path fill="#{red:02x}{green:02x}{blue:02x}" d="{data}"/></svg>\n'
        ).encode()

    def pdf(self) -> bytes:
        """Return PDF drawing operators, in points, from the lower left corner of the box."""
        data = "\n".join(
            _operators(_moved(path, self._to_points), _pdf_segment) for path in self.paths
        )
        colour = " ".join(_number(part / 255) for part in self.colour)
        return f"{colour} rg\n{data}\nf".encode()

    def _to_points(self, point: Point) -> Point:
        return point[0] * POINTS_PER_MM, (self.height_mm - point[1]) * POINTS_PER_MM

    def png(self, dots_per_inch: int = 300) -> bytes:
        """Return the drawing as a PNG file with a transparent ground.

        Each shape is drawn four times too large and made smaller, which smooths its edges.
        """
        scale = dots_per_inch / 25.4
        size = (round(self.width_mm * scale), round(self.height_mm * scale))
        over = 4
        mask = Image.new("L", (size[0] * over, size[1] * over), 0)
        draw = ImageDraw.Draw(mask)
        for path in self.paths:
            # Nested contours alternate in direction: from the largest in, each either
            # fills or cuts out.
            contours = [(_area(contour), contour) for contour in _contours(path, scale * over)]
            contours.sort(key=lambda found: abs(found[0]), reverse=True)
            for area, contour in contours:
                fills = (area > 0) is (contours[0][0] > 0)
                draw.polygon(contour, fill=255 if fills else 0)
        image = Image.new("RGBA", size, (*self.colour, 0))
        image.putalpha(mask.resize(size, Image.Resampling.BOX))
        out = BytesIO()
        image.save(out, "PNG", optimize=True, dpi=(dots_per_inch, dots_per_inch))
        return out.getvalue()


def _number(value: float, digits: int = 3) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _points(points: tuple[Point, ...], digits: int = 3) -> str:
    return " ".join(f"{_number(x, digits)} {_number(y, digits)}" for x, y in points)


def _svg_segment(operator: str, points: tuple[Point, ...]) -> str:
    return operator + _points(points)


def _pdf_segment(operator: str, points: tuple[Point, ...]) -> str:
    # A hundredth of a point is finer than any printer.
    return f"{_points(points, 2)} {_PDF_OPERATORS[operator]}".lstrip()


_PDF_OPERATORS: Final[Mapping[str, str]] = {"M": "m", "L": "l", "C": "c", "Z": "h"}


def _operators(path: Path, write: Callable[[str, tuple[Point, ...]], str]) -> str:
    return " ".join(write(operator, points) for operator, points in path)


def _moved(path: Path, move: Callable[[Point], Point]) -> Path:
    return tuple((operator, tuple(move(point) for point in points)) for operator, points in path)


def _contours(path: Path, scale: float) -> Iterator[list[Point]]:
    contour: list[Point] = []
    for operator, points in path:
        at = [(x * scale, y * scale) for x, y in points]
        if operator == "M":
            if len(contour) > 2:
                yield contour
            contour = at
        elif operator == "L":
            contour += at
        elif operator == "C":
            start, (first, second, end) = contour[-1], at
            length = math.dist(start, first) + math.dist(first, second) + math.dist(second, end)
            steps = max(3, min(96, round(length / 8)))
            contour += [
                _on_curve(start, first, second, end, step / steps) for step in range(1, steps + 1)
            ]
    if len(contour) > 2:
        yield contour


def _on_curve(start: Point, first: Point, second: Point, end: Point, part: float) -> Point:
    rest = 1 - part
    a, b, c, d = rest**3, 3 * rest * rest * part, 3 * rest * part * part, part**3
    return (
        a * start[0] + b * first[0] + c * second[0] + d * end[0],
        a * start[1] + b * first[1] + c * second[1] + d * end[1],
    )


def _area(contour: list[Point]) -> float:
    total = 0.0
    before = contour[-1]
    for point in contour:
        total += before[0] * point[1] - point[0] * before[1]
        before = point
    return total / 2


# ---- the round seal -----------------------------------------------------------------------------


def draw_round_seal(
    name: str, code: str, font: Font, *, purpose: str = "", diameter_mm: float = 42.0
) -> Drawing:
    """Draw an organisation's round seal.

    Args:
        name: Stands around the star, from the lower left over the top.
        code: The seal's number, small along the lower edge; empty for none.
        font: A Song typeface, as the rules ask.
        purpose: Stands straight below the star (业务专用章); empty for none.
        diameter_mm: Outer diameter; 42 for a county's or department's seal.

    Raises:
        MalformedError: ``seal-name``, ``seal-code``, ``seal-size`` or ``glyph-missing``.
    """
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or not name.isprintable() or " " in name:
        raise MalformedError(
            f"a seal's name has 1 to {NAME_CHARACTERS_MAX} characters and no space: {name!r}",
            code="seal-name",
        )
    if len(purpose) > 10 or (purpose and not purpose.isprintable()):
        raise MalformedError(f"a purpose has at most 10 characters: {purpose!r}", code="seal-name")
    if len(code) > 18 or (code and not (code.isascii() and code.isalnum())):
        raise MalformedError(f"a seal's code is up to 18 figures: {code!r}", code="seal-code")
    if not DIAMETERS_MM[0] <= diameter_mm <= DIAMETERS_MM[1]:
        raise MalformedError(f"no round seal is {diameter_mm} mm wide", code="seal-size")
    radius = diameter_mm / 2
    unit = diameter_mm / 42  # the sizes below are those of the 42 mm seal
    centre = (radius, radius)
    edge = 1.2 * unit
    arc = math.radians(236 if purpose else 262 if code else 300)
    paths = [
        (*_circle(centre, radius), *_circle(centre, radius - edge, reverse=True)),
        _star(centre, 7.0 * unit),
        *_around(name, font, centre, radius - edge - 0.9 * unit, unit, arc),
    ]
    if purpose:
        paths += _straight(purpose, font, (radius, radius + 10.7 * unit), 4.3 * unit, 19.0 * unit)
    if code:
        paths += _below(code, font, centre, radius - edge - 0.75 * unit, 1.75 * unit)
    return Drawing(diameter_mm, diameter_mm, tuple(paths))


def _circle(centre: Point, radius: float, *, reverse: bool = False) -> Path:
    x, y = centre
    sign = -1 if reverse else 1
    corners = [(radius, 0.0), (0.0, sign * radius), (-radius, 0.0), (0.0, -sign * radius)]
    path: list[Segment] = [("M", ((x + radius, y),))]
    for index, (from_x, from_y) in enumerate(corners):
        to_x, to_y = corners[(index + 1) % 4]
        path.append(
            (
                "C",
                (
                    (x + from_x + to_x * _KAPPA, y + from_y + to_y * _KAPPA),
                    (x + to_x + from_x * _KAPPA, y + to_y + from_y * _KAPPA),
                    (x + to_x, y + to_y),
                ),
            )
        )
    return (*path, ("Z", ()))


def _star(centre: Point, radius: float) -> Path:
    # The inner corners of a regular five-pointed star lie where its sides cross.
    inner = radius * math.sin(math.radians(18)) / math.sin(math.radians(54))
    points = [
        (
            centre[0] + (radius, inner)[index % 2] * math.sin(index * math.pi / 5),
            centre[1] - (radius, inner)[index % 2] * math.cos(index * math.pi / 5),
        )
        for index in range(10)
    ]
    return (("M", (points[0],)), *(("L", (point,)) for point in points[1:]), ("Z", ()))


def _around(  # noqa: PLR0917  # what is drawn, and where
    name: str, font: Font, centre: Point, top: float, unit: float, arc: float
) -> Iterator[Path]:
    count = len(name)
    # Few characters stand apart, many draw together and grow slimmer and a little lower, so that
    # the arc never closes at the foot.
    height = unit * (6.6 if count <= 10 else max(4.6, 6.6 - 0.13 * (count - 10)))
    step = min(math.radians(27), arc / count)
    middle = top - height / 2
    width = min(height * 0.86, step * (middle - 0.25 * height) * 0.97)
    for index, character in enumerate(name):
        angle = (index - (count - 1) / 2) * step
        sine, cosine = math.sin(angle), math.cos(angle)
        outline = font.outline(character)
        half = outline.advance / 2

        def move(
            point: Point, sine: float = sine, cosine: float = cosine, half: float = half
        ) -> Point:
            across = (point[0] - half) * width
            out = top - height + (point[1] + 0.12) * height
            return (
                centre[0] + across * cosine + out * sine,
                centre[1] + across * sine - out * cosine,
            )

        yield _moved(outline.path, move)


def _below(code: str, font: Font, centre: Point, foot: float, height: float) -> Iterator[Path]:
    step = height * 0.86 / (foot - height / 2)
    for index, character in enumerate(code):
        angle = (index - (len(code) - 1) / 2) * step
        sine, cosine = math.sin(angle), math.cos(angle)
        outline = font.outline(character)
        half = outline.advance / 2

        def move(
            point: Point, sine: float = sine, cosine: float = cosine, half: float = half
        ) -> Point:
            across = (point[0] - half) * height * 1.15
            out = foot - point[1] * height * 1.15
            return (
                centre[0] + across * cosine + out * sine,
                centre[1] - across * sine + out * cosine,
            )

        yield _moved(outline.path, move)


def _straight(text: str, font: Font, middle: Point, size: float, room: float) -> Iterator[Path]:
    width = font.width(text)
    across = min(size * 0.92, room / width)
    left = middle[0] - width * across / 2
    for character in text:
        outline = font.outline(character)

        def move(point: Point, left: float = left) -> Point:
            return left + point[0] * across, middle[1] + (0.38 - point[1]) * size

        yield _moved(outline.path, move)
        left += outline.advance * across


# ---- the two-dimensional code -------------------------------------------------------------------


def draw_code(text: str, width_mm: float) -> tuple[tuple[float, float, float, float], ...]:
    """Return a QR code as black bars ``(x, y, width, height)`` in millimetres, without its margin.

    Args:
        text: What it says; error correction level M.
        width_mm: How wide it is drawn.

    Raises:
        MalformedError: ``code-text``: it does not fit.
    """
    try:
        matrix = segno.make(text, error="m", micro=False, boost_error=False).matrix
    except segno.DataOverflowError as error:
        raise MalformedError("too long for a code", code="code-text") from error
    module = width_mm / len(matrix)
    bars: list[tuple[float, float, float, float]] = []
    for row, cells in enumerate(matrix):
        start: int | None = None
        for column, dark in enumerate((*cells, 0)):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                bars.append((start * module, row * module, (column - start) * module, module))
                start = None
    return tuple(bars)
