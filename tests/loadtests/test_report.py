"""The report of a canned run: every figure in it, and nothing foreign."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loadtests.histogram import Histogram
from loadtests.order import SHAPES, Order
from loadtests.plots import LEFT, RIGHT, WIDTH, curves
from loadtests.report import html, main, one_line, plots_of, write

PIXELS_A_LETTER = 6.5


def stage(name: str, loop: str, clients: int, rate: float = 0.0) -> dict[str, Any]:
    latency = Histogram()
    for step in range(1, 101):
        latency.add(step / 1_000)
    return {
        "stage": {"name": name, "loop": loop, "clients": clients, "rate": rate}
        | {"seconds": 4.5, "warm_s": 1.0},
        "measured": {"offered": 81.0, "answered": 80.0, "failed": 0.01, "p99_ms": 99.0}
        | {"kept_up": clients == 256 if loop == "open" else None},
        "acts_a_second": 61.5,
        "acts": {"window: case.open, own key": latency.summary()},
        "levels": {"accepted": latency.summary(), "proven": latency.summary()},
        "errors": {"window: case.open: no-answer": 3},
        "sums": {"receipts": 90, "verified receipts": 11, "failed": 3, "turns": 100},
        "processes": {"node 510000": {"cpu_s": 1.0, "cores": 0.25, "memory_bytes": 2.0**26}},
        "metered_s": 4.0,
        "cpu_ms_an_act": 12.25,
        "floor": {"p50_ms": 0.5, "p99_ms": 1.5},
    }


def canned() -> dict[str, Any]:
    return {
        "shape": "saturation",
        "command": "python -m loadtests.load <b>",
        "began": "2026-09-21 09:00:00 +0800",
        "took_s": 133.0,
        "machine": {
            "cpu": "some",
            "cores": 2,
            "system": "Linux",
            "python": "3.11",
            "busy_before": 0.1,
        },
        "network": {"regions": ["510000"], "database": "SQLite", "links": "loopback"},
        "floors": {"verification_us": 61.0, "insertion_us": 5.0, "commit_ms": 3.0},
        "saturation": 85.25,
        "disk": {"bytes_an_entry_and_replica": 1_234.0, "entries_stored": 5_000}
        | {"files_bytes_grown": 7_250_000},
        "happened": {
            "flood": {
                "region": "510000",
                "refused": 7_654,
                "otherwise": 0,
                "a_second": 321.0,
                "p50_ms": 9.5,
                "kept": 1_000,
            }
        },
        "recorded": {"510000": {"accepted": 300, "in_log": 302}},
        "code": {"version": "0.1", "commit": "abc1234"},
        "stages": [
            stage("closed, 1 client", "closed", 1),
            stage("probe 1: 80/s", "open", 256, 80),
            stage("open, 25% of saturation", "open", 256, 20),
        ],
    }


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        assert tag != "script"


def test_the_page_needs_nothing_but_itself_and_shows_each_stage_and_level() -> None:
    page = html(canned())
    seen = Seen()
    seen.feed(page)
    assert seen.links == []
    assert "<b>" not in page.replace("<p class", "").split("<h1>", 1)[1].split("<h2>")[0]
    for words in (
        "closed, 1 client",
        "85.2 turns a second",
        "1234 bytes, the mean of 5000 copies",
        "the files grew by 7.2 MB",
        "7654 acts refused",
        "1000 of them noted",
        "no-answer",
        "12.2",
    ):
        assert words in page
    for level in ("accepted", "proven"):
        assert re.search(rf"<td>{level}</td><td>100</td><td>50.\d* ms</td><td>95.\d* ms</td>", page)


def test_the_page_begins_with_what_it_came_to_and_hides_nothing_bad() -> None:
    found = canned()
    beginning = html(found).split("<svg")[0]
    assert "Kept up with 85 turns a second." in beginning
    assert "9 of 300 turns failed" in beginning
    assert 'class="good"' in beginning
    found["stages"][1]["sums"]["bad proofs"] = 2
    beginning = html(found).split("<svg")[0]
    assert "2 receipts or proofs did not hold" in beginning
    found["recorded"]["510000"]["in_log"] = 297
    assert "3 acts were answered as accepted and are in no log" in html(found).split("<svg")[0]
    assert 'class="good"' not in beginning


def test_the_page_tells_which_proofs_were_checked_and_which_never_came() -> None:
    found = canned()
    found["stages"][0]["sums"] |= {"followed": 300, "not proven in time": 4, "bad proofs": 0}
    beginning = html(found).split("<svg")[0]
    assert "300 proofs were checked" in beginning  # a hundred of each stage were proven
    assert "4 of 300 acts that were followed were not proven." in beginning


def test_a_run_that_did_not_come_to_its_end_begins_with_that() -> None:
    found = canned() | {"cut_short": "it was interrupted", "ended": ["auditor 0 ended in part 2"]}
    beginning = html(found).split("<svg")[0]
    assert "Not to its end: it was interrupted." in beginning
    assert "Not to its end: auditor 0 ended in part 2." in beginning
    assert "Not to its end" not in html(canned())


@pytest.mark.parametrize(
    ("search", "short", "told"),
    [
        ({"is_kept_up": True, "too_much": 92.0}, "Kept up with 85", "second; 92.0 were too much"),
        ({"is_kept_up": True, "too_much": None}, "Kept up with 85", "nothing more was tried"),
        ({"is_kept_up": False, "too_much": 99.0}, "None of the rates", "kept up with; 85.2 turns"),
    ],
)
def test_a_saturation_that_was_only_guessed_is_not_told_as_one_that_was_found(
    search: dict[str, Any], short: str, told: str
) -> None:
    page = html(canned() | {"search": search})
    assert short in page.split("<svg")[0]
    assert told in page


def test_a_machine_that_was_busy_is_said_to_have_been() -> None:
    found = canned()
    assert "was busy before" not in html(found)
    found["machine"]["busy_before"] = 1.4
    assert "was busy before" in html(found)


def test_probes_are_in_the_tables_and_not_in_the_plots() -> None:
    plots = plots_of(canned()["stages"])
    assert set(plots) == {"load-closed", "load-closed-rate", "load-open"}
    assert "25%" in plots["load-open"]
    assert "probe" not in "".join(plots.values())


def test_page_and_json_are_written_and_the_json_is_what_was_found(tmp_path: Path) -> None:
    page = write(canned(), tmp_path / "new")
    assert page.read_text(encoding="utf-8") == html(canned())
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == canned()


def test_a_stage_in_one_line_says_rate_latency_and_failures() -> None:
    line = one_line(canned()["stages"][0])
    assert "62 acts a second" in line
    assert "p99 99.3 ms" in line or "p99 99 ms" in line
    assert "3 failed" in line


def test_what_takes_longer_than_a_second_is_told_in_seconds() -> None:
    found = canned()
    found["stages"][0]["levels"]["accepted"]["p99_ms"] = 2_081.0
    assert "p99 2.08 s" in one_line(found["stages"][0])
    assert "<td>2.08 s</td>" in html(found)


@pytest.mark.parametrize("value", [0.02, 1.0, 50.0, 12_345.0])
def test_a_plot_has_room_for_its_values_and_leaves_out_what_is_not_there(value: float) -> None:
    plot = curves("t <", "ms", ["a", "b", "c"], {"x": [value, None, value], "floor": [0, 1, 2]})
    heights = [float(it) for it in re.findall(r'cy="([\d.]+)"', plot)]
    assert len(heights) == 4
    assert all(0 < it < 300 for it in heights)
    assert "t &lt;" in plot


def test_what_others_took_from_the_machine_is_told_from_its_least_to_its_most() -> None:
    found = canned()
    for cores, one in zip((0.25, 1.5), found["stages"], strict=False):
        one["processes"]["elsewhere"] = {"cpu_s": 1.0, "cores": cores, "memory_bytes": 0.0}
    assert "0.25 to 1.50, by stage" in html(found)


def test_what_was_due_and_never_begun_is_told_and_so_is_what_was_kept_up_with() -> None:
    found = canned()
    found["stages"][1]["sums"] |= {"not begun": 17, "unanswered": 2}
    page = html(found)
    assert "17 were due and had nobody free to begin them, 2 had no answer" in page
    assert "11 of 302 turns failed" in page
    assert "17 turns were due and never begun." in page.split("<svg")[0]
    assert page.count("<td>yes</td>") == 2
    assert "302 in one log; 300 had been answered as accepted there" in page
    assert "0.1 abc1234" in page
    assert "3 failed, 2 had no answer, 17 never begun" in one_line(found["stages"][1])
    assert one_line(found["stages"][0]).endswith("3 failed")


@pytest.mark.parametrize("text", [None, "[]", "no json", '{"stages": [1]}'])
def test_plots_of_what_is_no_report_are_refused_in_a_sentence(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    if text is not None:
        report.write_text(text)
    with pytest.raises(SystemExit) as ended:
        main([str(report), "--images", str(tmp_path / "images")])
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "report.json" in told
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("shape", [it for it in SHAPES if it != "saturation"])
def test_the_names_below_a_plot_do_not_run_into_each_other(shape: str) -> None:
    order = Order(
        shape=shape, seconds=60, rate=1_234.5, clients=(1,), scene=Path("s"), events=Path("e")
    )
    names = [it.name for it in order.programme()]
    plot = plots_of([stage(name, "open", 256, 20) for name in names])["load-open"]
    labels = re.findall(r'text-anchor="middle">([^<]*)<', plot)
    assert len(set(labels)) == len(names)
    for label in labels:
        assert len(label) * PIXELS_A_LETTER < (WIDTH - LEFT - RIGHT) / len(labels)
