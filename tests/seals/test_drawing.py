import math
import re
from io import BytesIO

import pylopdf_fonts_zh_cn
import pytest
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ledger.errors import MalformedError
from seals.drawing import RED, Drawing, Font, draw_code, draw_round_seal
from tests.seals.papers import ISSUER, faces, picture


def alpha_at(image: Image.Image, drawing: Drawing, x_mm: float, y_mm: float) -> int:
    scale = image.width / drawing.width_mm
    pixel = image.getpixel((int(x_mm * scale), int(y_mm * scale)))
    assert isinstance(pixel, tuple)
    assert pixel[:3] == RED
    return int(pixel[3])


def test_the_round_seal_has_an_edge_a_star_and_clear_ground_between() -> None:
    drawing = draw_round_seal(ISSUER, "51010700000003", faces().serif)
    image = Image.open(BytesIO(drawing.png(150)))
    assert image.size == (248, 248)  # 42 mm at 150 dots an inch
    assert alpha_at(image, drawing, 21, 0.6) == 255  # the edge, 1.2 mm wide
    assert alpha_at(image, drawing, 21, 1.8) == 0  # inside the edge
    assert alpha_at(image, drawing, 21, 21) == 255  # the star's middle
    assert alpha_at(image, drawing, 21, 14.6) == 255  # its upper point reaches 7 mm up
    assert alpha_at(image, drawing, 21, 13.4) == 0
    assert alpha_at(image, drawing, 1, 1) == 0  # outside the round


def test_the_star_stands_upright_and_is_regular() -> None:
    star = picture().paths[1]
    points = [points[0] for operator, points in star if operator != "Z"]
    outer = points[0::2]
    assert outer[0] == pytest.approx((21.0, 14.0))
    sides = [math.dist(outer[index], outer[(index + 2) % 5]) for index in range(5)]
    assert max(sides) - min(sides) < 1e-9


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 20, 28])
@pytest.mark.parametrize("purpose", ["", "跨省通办专用章"])
def test_a_name_of_any_length_stays_between_star_and_edge(count: int, purpose: str) -> None:
    name = ("成都市武侯区政务服务中心审批局" * 3)[:count]
    drawing = draw_round_seal(name, "51010700000003", faces().serif, purpose=purpose)
    for path in drawing.paths[2 : 2 + count]:
        for _, points in path:
            for point in points:
                assert 10.0 < math.dist(point, (21, 21)) < 19.9
    assert len(drawing.paths) == 2 + count + len(purpose) + 14


@pytest.mark.parametrize("count", [5, 12, 28])
def test_neighbouring_characters_do_not_run_into_each_other(count: int) -> None:
    drawing = draw_round_seal("国" * count, "", faces().serif)
    step = None
    for before, after in zip(drawing.paths[2:], drawing.paths[3:], strict=False):
        right = max(turned(point, before) for _, points in before for point in points)
        left = min(turned(point, before) for _, points in after for point in points)
        assert right < left
        step = left - right
    assert step is not None


def turned(point: tuple[float, float], path: tuple[object, ...]) -> float:
    """The angle of a point around the seal's middle, from the path's first point."""
    first = path[0][1][0]  # type: ignore[index]  # a move to the first point
    angle = math.atan2(point[0] - 21, 21 - point[1])
    start = math.atan2(first[0] - 21, 21 - first[1])
    return (angle - start + math.pi) % (2 * math.pi) - math.pi


def test_every_measure_grows_with_the_diameter() -> None:
    small = draw_round_seal(ISSUER, "1", faces().serif, diameter_mm=42)
    large = draw_round_seal(ISSUER, "1", faces().serif, diameter_mm=50)
    for one, other in zip(small.paths, large.paths, strict=True):
        for (_, points), (_, moved) in zip(one, other, strict=True):
            for point, at in zip(points, moved, strict=True):
                assert at == pytest.approx((point[0] * 50 / 42, point[1] * 50 / 42))


def test_vector_forms_say_the_same_and_are_the_same_each_time() -> None:
    svg = picture().svg().decode()
    assert 'width="42mm" height="42mm" viewBox="0 0 42 42"' in svg
    assert svg.count("M") == sum(
        operator == "M" for path in picture().paths for operator, _ in path
    )
    operators = picture().pdf().decode()
    assert operators.endswith("\nf")
    assert len(re.findall(r" m\b", operators)) == svg.count("M")
    assert picture().png() == picture().png()


@pytest.mark.parametrize(
    ("name", "code", "purpose", "diameter_mm", "refusal"),
    [
        ("", "", "", 42, "seal-name"),
        ("国" * 29, "", "", 42, "seal-name"),
        ("国 家", "", "", 42, "seal-name"),
        ("国\n", "", "", 42, "seal-name"),
        ("国", "", "章" * 11, 42, "seal-name"),
        ("国", "5" * 19, "", 42, "seal-code"),
        ("国", "五", "", 42, "seal-code"),
        ("国", "", "", 20, "seal-size"),
        ("国", "", "", math.nan, "seal-size"),
        ("\U000f0000", "", "", 42, "seal-name"),
        ("😀", "", "", 42, "glyph-missing"),
    ],
)
def test_what_cannot_stand_in_a_seal_is_refused(
    name: str, code: str, purpose: str, diameter_mm: float, refusal: str
) -> None:
    with pytest.raises(MalformedError) as caught:
        draw_round_seal(name, code, faces().serif, purpose=purpose, diameter_mm=diameter_mm)
    assert caught.value.code == refusal


def test_a_cut_font_holds_just_its_characters_with_their_widths() -> None:
    cut = faces().serif.cut("受理凭证 A1")
    font = TTFont(BytesIO(cut))
    characters = font.getBestCmap()
    assert {chr(code) for code in characters} == set("受理凭证 A1")
    for code, name in characters.items():
        advance = font["hmtx"][name][0] / font["head"].unitsPerEm
        assert advance == pytest.approx(faces().serif.outline(chr(code)).advance, abs=0.001)
    assert len(cut) < 10_000


def test_a_cut_font_is_the_same_bytes_from_another_font_object() -> None:
    other = Font(pylopdf_fonts_zh_cn.serif_path().read_bytes(), name="ShouxinSong")
    assert other.cut("凭证受理") == faces().serif.cut("受理凭证")


def test_an_outline_and_its_quadratic_cut_agree() -> None:
    again = Font(faces().serif.cut("国"), name="again")
    boxes = []
    for path in (faces().serif.outline("国").path, again.outline("国").path):
        xs = [point[0] for _, points in path for point in points]
        ys = [point[1] for _, points in path for point in points]
        boxes.append((min(xs), max(xs), min(ys), max(ys)))
    assert boxes[0] == pytest.approx(boxes[1], abs=0.004)
    assert boxes[0][1] - boxes[0][0] > 0.7


@given(st.binary(max_size=200))
def test_any_bytes_are_a_font_or_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Font(data, name="x")


def test_the_bars_of_a_code_are_its_dark_squares() -> None:
    bars = draw_code("https://ledger.example/p/1#abc", 29.0)
    module = min(height for _, _, _, height in bars)
    dark = sum(round(width / module) for _, _, width, _ in bars)
    assert bars[0][:2] == (0.0, 0.0)
    assert bars[0][2] == pytest.approx(7 * module)  # the upper edge of the first finder
    assert max(x + width for x, _, width, _ in bars) == pytest.approx(29.0)
    assert 0.3 < dark * module**2 / 29.0**2 < 0.7


def test_a_text_too_long_for_a_code_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        draw_code("x" * 3_000, 29.0)
    assert caught.value.code == "code-text"
