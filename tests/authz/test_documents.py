"""The real list and the policy documents, where they lie beside the project; else it skips."""

import csv
import json
import re
from importlib import resources
from pathlib import Path

import pytest

from authz import catalogue
from authz.preset import NAMES, Preset, parse
from nodes.cli.main import main

SHARED = Path(__file__).parents[3] / "shared"
LIST, POLICY = SHARED / "data/items.tsv", SHARED / "policy"
USCC = "11440232MB2D06811W"

has_list = pytest.mark.skipif(not LIST.is_file(), reason=f"no real list at {LIST}")
has_policy = pytest.mark.skipif(not POLICY.is_dir(), reason=f"no documents at {POLICY}")


def listed() -> list[dict[str, str]]:
    with LIST.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@has_list
def test_the_real_list_names_no_codes_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "check", str(LIST)]) == 2
    assert "no-header" in capsys.readouterr().err


@has_list
def test_the_catalogue_has_every_item_of_the_real_list_and_what_is_known_of_it() -> None:
    text = resources.files("authz").joinpath("data/catalogue.tsv").read_text("utf-8")
    known = {it.number: (it.name, it.status) for it in catalogue.parse(text)}
    words = {"read": "read", "recalled": "illustrative"}
    assert known == {row["no"]: (row["name"], words[row["status"]]) for row in listed()}
    assert len(known) == 167


@has_list
def test_the_real_names_are_taken_with_codes_of_every_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a county would write them: full-width, merged cells, a local code beside the national."""
    rows = listed()
    path = tmp_path / "county.csv"
    with path.open("w", encoding="gb18030", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["某县“跨省通办”事项清单"])
        heads = ("序号", "部门", "事项名称", "基本编码", "地方编码", "统一社会信用代码")
        writer.writerow(heads)
        before = ""
        for at, row in enumerate(rows):
            basic = f"000131{at:03}000"
            code = (basic, f"{USCC}4{basic}", f"{basic}01")[at % 3]
            local = f"511A{at:010}-511602000000-000-{USCC}-1-00" if at % 2 else ""
            department = "" if row["ministry"] == before else row["ministry"]
            before = row["ministry"]
            # Where the department's cell is merged, so is that of its code.
            writer.writerow([at + 1, department, f" {row['name']}　", f"'{code}", local, USCC])
        writer.writerow([168, "民政部", "错一位", f"{USCC[:17]}X4000131999000", "", ""])
        writer.writerow([169, "民政部", "少一位", "00013199900", "", ""])
        writer.writerow([170, "民政部", "地方编码有误", "000131999000", "511A", "".join(USCC)])
        writer.writerow([171, "民政部", "地方编码有误", "000131998000", "1", ""])
    assert main(["list", "check", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [it["name"] for it in told["items"][:167]] == [row["name"] for row in rows]
    assert [it["department"] for it in told["items"][:167]] == [row["ministry"] for row in rows]
    assert told["items"][1]["local_code"].startswith("511A0000000001-")
    assert {it["code"]["form"] for it in told["items"]} == {"basic", "handled", "implementation"}
    assert [(it["field"], it["code"]) for it in told["untaken"]] == [
        ("code", "bad-check-digit"),
        ("code", "bad-code"),
        ("local_code", "bad-code"),
    ]


@has_policy
@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("southwest-five", "tibet-southwest-five-2021", {"148项": 148}),
        (
            "shanwei-phases",
            "shanwei-cross-city-2021",
            {"96个“全程网办”": 96, "实现96个事项": 96, "其他20个地市": 20, "完成20个": 20},
        ),
        ("xining-three-level", "xining-chengzhong-2023", {"31.提升数据共享能力": 31}),
        (
            "zaozhuang-county",
            "zaozhuang-shizhong-2021",
            {"107项": 107, "74项": 74, "8项": 8},
        ),
    ],
)
def test_the_counts_of_a_preset_stand_in_its_document(
    name: str, file: str, said: dict[str, int]
) -> None:
    document = re.sub(r"\s", "", (POLICY / f"{file}.txt").read_text("utf-8"))
    preset = _preset(name)
    targets = [it.target for it in preset.milestones]
    for words, number in said.items():
        assert words in document
        assert number in targets
    told = {number for number in targets if number > 1}
    if name == "xining-three-level":
        # Of the 31 tasks: how many are due by the end of April, of June, and of the year 2023.
        table = document[document.rindex("1.明确政务服务事项范围") :]
        dues = re.findall(r"2023年(4月|6月)?底前", table)
        assert told == {
            dues.count("4月"),
            dues.count("4月") + dues.count("6月"),
            len(dues),
            31,
        }
    else:
        assert told <= {*said.values(), 9}


@has_policy
def test_the_cities_of_the_third_phase_are_those_of_the_document() -> None:
    document = (POLICY / "shanwei-cross-city-2021.txt").read_text("utf-8")
    named = re.search(r"跨城通办模式在(广州、深圳、东莞、惠州、中山[^等]*)等地市落地", document)
    assert named is not None
    assert len(named[1].split("、")) == 9
    assert 9 in {it.target for it in _preset("shanwei-phases").milestones}


def test_every_preset_counts_its_milestones_or_has_them_reported() -> None:
    for name in NAMES:
        preset = _preset(name)
        assert len({it.matter for it in preset.milestones}) == len(preset.milestones)
        assert all(it.due_s % 86_400 == 57_600 for it in preset.milestones)


def _preset(name: str) -> Preset:
    text = resources.files("authz").joinpath(f"data/presets/{name}.toml").read_text("utf-8")
    return parse(name, text)
