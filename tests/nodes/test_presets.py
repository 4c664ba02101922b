"""A preset is founded, loaded into a network that runs, and loaded there only once."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from authz.milestone import COUNTED
from ledger.errors import NotFoundError, UnavailableError
from nodes.api import records, sweeps
from nodes.cli import network
from nodes.cli.demo.free_ports import free_ports
from nodes.cli.demo.loading import count_steps, load_text
from nodes.cli.demo.office import Office
from nodes.cli.demo.presets import founding_of
from nodes.cli.main import main
from nodes.client import Client
from tests.nodes.live import Live, live

NAME = "zaozhuang-county"


def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the answer to an act get lost, and later the whole loading break off."""
    done, act = [0], Office.act

    async def lossy(office: Office, *given: Any, **named: Any) -> Any:
        done[0] += 1
        if done[0] > 40:
            raise UnavailableError("the nodes are gone", code="no-answer")
        acted = await act(office, *given, **named)
        if done[0] in {5, 30}:
            raise UnavailableError("the connection broke", code="unknown-outcome")
        return acted

    monkeypatch.setattr(Office, "act", lossy)


class Loading(NamedTuple):
    """How a network got its preset: broken off once, and then whole."""

    nodes: Live
    broken_off: int
    why: str
    gone_on: int
    told: dict[str, Any]


@pytest.fixture(scope="module")
def loading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loading]:
    preset = load_text(NAME)
    founding = founding_of(preset, free_ports(2 * len(preset.regions)))
    folder = tmp_path_factory.mktemp("preset") / "network"
    load = ["preset", "load", NAME, "--network", str(folder), "--json"]
    with live(folder, founding=founding) as nodes:
        with pytest.MonkeyPatch.context() as patched, redirect_stderr(StringIO()) as why:
            breaking(patched)
            broken_off = main(load)
        with redirect_stdout(StringIO()) as told:
            gone_on = main(load)
        yield Loading(nodes, broken_off, why.getvalue(), gone_on, json.loads(told.getvalue()))


@pytest.fixture
def county(loading: Loading) -> Live:
    return loading.nodes


def test_a_preset_is_loaded_goes_on_where_it_broke_off_and_is_refused_a_second_time(
    loading: Loading, capsys: pytest.CaptureFixture[str]
) -> None:
    """Members' windows are lent every item too, also those of their own region."""
    assert loading.broken_off == 5
    assert "no-answer" in loading.why
    assert loading.gone_on == 0
    county, told = loading.nodes, loading.told
    folder = str(county.founded.folder)
    assert len(told["grants"]) == 12
    assert any("zhenjie" in grant for grant in told["grants"])
    sizes = {region: county.size(region) for region in told["nodes"]}
    node = str(Path(folder) / "370402")
    assert main(["windows", "370402/item/R038", "--node", node, "--json"]) == 0
    windows = {it["window"] for it in json.loads(capsys.readouterr().out)["windows"]}
    assert windows == {
        "370000/window/shandong-1",
        "370400/window/zaozhuang-1",
        "370402/window/yuanqu-1",
        "370402/window/zhenjie-1",
    }
    assert main(["preset", "load", NAME, "--network", folder]) == 3
    assert "exists" in capsys.readouterr().err
    assert {it: county.size(it) for it in sizes} == pytest.approx(sizes, abs=2)


def test_a_preset_wants_all_its_regions(county: Live, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "load", "southwest-five", "--network", str(county.founded.folder)]) == 4
    assert "unknown-region" in capsys.readouterr().err


def test_the_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "list", "--json"]) == 0
    presets = json.loads(capsys.readouterr().out)["presets"]
    assert {it["name"]: len(it["nodes"]) for it in presets} == {
        "southwest-five": 5,
        "shanwei-phases": 5,
        "guizhou-province": 3,
        "xining-three-level": 3,
        "zaozhuang-county": 3,
    }
    assert main(["preset", "list"]) == 0
    assert "guizhou-province" in capsys.readouterr().out
    assert count_steps(load_text(NAME)) == 3 * 12 + 2 * 3 + 12


def test_any_preset_can_be_founded() -> None:
    founding = network.chosen(21_000, None, "guizhou-province")
    assert [place.region for place in founding.places] == ["520000", "520100", "520300"]
    assert founding.steward == "520000"
    with pytest.raises(NotFoundError):
        network.chosen(21_000, None, "nowhere")


def test_the_milestones_of_a_preset_are_counted_from_its_records(
    county: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was set in 2021 is missed by records of today; the numbers are there all the same."""
    node = ["--node", str(county.founded.folder / "370402")]
    assert main(["milestones", "370402", *node, "--json"]) == 1
    told = {it["matter"]: it for it in json.loads(capsys.readouterr().out)["milestones"]}
    assert len(told) == len(load_text(NAME).milestones)
    windows, claims = told["完善“通办”专窗设置"], told["“跨省通办”事项落地"]
    assert (windows["counts"], windows["standing"], windows["count"]) == ("windows", "late", 0)
    assert len(windows["evidence"]) == 1
    assert (claims["target"], claims["standing"], claims["evidence"]) == (74, "missed", [])
    assert main(["milestones", "370402", *node, "--lang", "zh"]) == 1
    assert "未达成" in (told_zh := capsys.readouterr().out)
    assert not {word for word in COUNTED if word in told_zh}
    assert main(["milestones", "370000", *node]) == 0
    assert "No milestones" in capsys.readouterr().out


def listed(capsys: pytest.CaptureFixture[str], *given: str) -> list[dict[str, object]]:
    assert main(["records", *given, "--json"]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["records"]
    return found


def test_records_are_listed_as_they_stand_and_as_they_stood(
    county: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    node = ["--node", str(county.founded.folder / "370402")]
    grants = listed(capsys, "grant", "370402", *node)
    assert {it["state"] for it in grants} == {"offered"}
    [name] = {str(it["said"]["window"]) for it in grants if "zhenjie" in str(it["object"])}  # type: ignore[index]
    assert 0 < len(listed(capsys, "grant", "370402", "--about", name, *node)) < len(grants)
    assert listed(capsys, "grant", "370402", "--state", "revoked", *node) == []
    assert listed(capsys, "grant", "370402", "--at", "2021-01-01", *node) == []
    assert listed(capsys, "grant", "370402", "--older", "1", *node) == []
    assert listed(capsys, "milestone", "370402", "--overdue", *node)
    assert main(["records", "milestone", "370402", "--overdue", *node]) == 0
    assert "overdue" in capsys.readouterr().out
    assert main(["records", "grant", "370402", "--state", "revoked", "--lang", "zh", *node]) == 0
    assert "没有这样的记录" in capsys.readouterr().out
    for wrong in (["Grant", "370402"], ["grant", "37"], ["grant", "370402", "--at", "1 May"]):
        assert main(["records", *wrong, *node]) == 2
    capsys.readouterr()
    assert main(["records", "grants", "370402", *node]) == 2
    assert "is it grant?" in capsys.readouterr().err
    assert main(["records", "grant", "370402", "--state", "ofered", *node]) == 2
    assert "is it offered" in capsys.readouterr().err
    assert main(["records", "grant", "370402", "--state", "已授出", *node]) == 0
    assert "已授出" not in (told := capsys.readouterr().out)
    assert "offered" in told


def test_what_a_region_lacks_is_listed(county: Live, capsys: pytest.CaptureFixture[str]) -> None:
    node = ["--node", str(county.founded.folder / "370402")]

    def found(*given: str) -> dict[str, set[str]]:
        assert main(["gaps", *given, *node, "--json"]) == 1
        told: dict[str, set[str]] = {}
        for it in json.loads(capsys.readouterr().out)["gaps"]:
            told.setdefault(it["code"], set()).add(it["object"])
        return told

    places = ("shizhong-1", "shizhong-2", "yuanqu-1", "zhenjie-1")
    windows = {f"370402/window/{place}" for place in places}
    assert found("contacts", "370402", "--days", "30") == {"no-contact": windows}
    assert found("equipment", "370402") == {"not-attested": windows}
    assert all("/item/" in name for name in found("oversight", "370402")["no-supervisor"])
    assert found("listing", "370402").keys() == {"not-listed"}
    assert main(["gaps", "blanks", "370402", *node]) == 0
    assert "Nothing is missing" in capsys.readouterr().out
    assert main(["gaps", "contacts", "370402", *node, "--lang", "zh"]) == 1
    assert "未公布联络信息" in capsys.readouterr().out
    assert main(["gaps", "money", "370402", *node]) == 4


Ask = Callable[[Client, str, int], Awaitable[dict[str, Any]]]
LISTS: dict[str, Ask] = {
    "windows": lambda at, after, rows: at.windows(
        "370402/item/R038", "intake", after=after, rows=rows
    ),
    "grants": lambda at, after, rows: at.lapsing(3_660, after=after, rows=rows),
    "records": lambda at, after, rows: at.records("grant", "370402", after=after, rows=rows),
    "gaps": lambda at, after, rows: at.gaps("listing", "370402", after=after, rows=rows),
}


@pytest.mark.parametrize("name", LISTS)
def test_pages_are_the_whole_list_in_its_order_and_each_is_read_at_once(
    county: Live, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0

    def counted(read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(*given: Any) -> Any:
            nonlocal reads
            reads += 1
            return read(*given)

        return reading

    monkeypatch.setattr(sweeps, "newest", counted(sweeps.newest))
    monkeypatch.setattr(records, "load_histories", counted(records.load_histories))

    async def ask(after: str, rows: int) -> dict[str, Any]:
        async with county.client("370402") as client:
            return await LISTS[name](client, after, rows)

    whole = county.run(ask("", 500))
    assert len(whole[name]) >= 4
    assert whole["next"] is None
    # A page asks for what it shows all at once, however many objects that is about.
    assert reads <= 3
    paged: list[dict[str, Any]] = []
    after = ""
    while after is not None:
        told = county.run(ask(after, 3))
        paged += told[name]
        after = told["next"]
    assert paged == whole[name]
