"""The presets are read as their documents have them, and none that contradicts itself is used."""

from importlib import resources

import pytest

from authz import catalogue
from authz.preset import NAMES, check_name, parse
from ledger.errors import MalformedError, NotFoundError


def text_of(name: str) -> str:
    return resources.files("authz").joinpath(f"data/presets/{name}.toml").read_text("utf-8")


def test_every_preset_is_read_with_items_of_the_catalogue() -> None:
    data = resources.files("authz").joinpath("data/catalogue.tsv").read_text("utf-8")
    known = {item.number for item in catalogue.parse(data)}
    for name in NAMES:
        preset = parse(name, text_of(name))
        assert len(preset.regions) >= 3
        assert {number for region in preset.regions for number in region.items} <= known
        assert preset.milestones


def test_the_counts_and_days_are_those_of_the_documents() -> None:
    counts = {
        name: [milestone.target for milestone in parse(name, text_of(name)).milestones]
        for name in NAMES
    }
    assert counts == {
        "southwest-five": [148, 1, 1, 1, 1, 1, 1, 1],
        "shanwei-phases": [1, 96, 96, 9, 20, 20],
        "guizhou-province": [30, 1, 1],
        "xining-three-level": [3, 8, 11, 31],
        "zaozhuang-county": [1, 107, 1, 1, 1, 1, 1, 74, 8],
    }
    # Midnight in Beijing is 16:00 of the day before in UTC.
    assert parse("zaozhuang-county", text_of("zaozhuang-county")).milestones[1].due_s == 1625068800
    assert parse("xining-three-level", text_of("xining-three-level")).basis == (
        1683561600,
        1841414400,
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('steward = "370402"', 'steward = "110000"'),
        ('agreements = ["370400"]', 'agreements = ["370402"]'),
        ('agreements = ["370400"]', 'agreements = ["110000"]'),
        ('code = "370400"', 'code = "370402"'),
        ('code = "370400"', 'code = "3704"'),
        ('place = "zaozhuang"', 'place = "Zao/zhuang"'),
        ('["yuanqu", ', '["zhenjie", '),
        ('items = ["R014"]', "items = []"),
        ('items = ["R014"]', 'items = ["r14"]'),
        ("target = 74", "target = 0"),
        ('counts = "grants"', 'counts = "promises"'),
        ("due = 2021-12-31", 'due = "soon"'),
        ('title = "', 'unknown = 1\ntitle = "'),
        ('title = "', "title = "),
        ("[[milestone]]", "[[stone]]"),
        ("[[region]]", "[basis]\nfrom = 2023-05-09\nuntil = 2020-05-09\n[[region]]"),
    ],
)
def test_a_preset_that_contradicts_itself_is_refused(old: str, new: str) -> None:
    text = text_of("zaozhuang-county")
    assert old in text
    count = -1 if old == "[[milestone]]" else 1
    with pytest.raises(MalformedError) as caught:
        parse("zaozhuang-county", text.replace(old, new, count))
    assert caught.value.code == "bad-field"


def test_a_preset_that_is_none_is_named() -> None:
    with pytest.raises(NotFoundError) as caught:
        check_name("nowhere")
    assert caught.value.code == "unknown-preset"
