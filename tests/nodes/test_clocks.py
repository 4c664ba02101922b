"""Clocks on real nodes: every region, and whoever has the bundle alone, counts alike."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authz.case_bundle import judge_bundle
from authz.trace import Trace
from ledger.bundle import check_bundle
from ledger.errors import NotFoundError
from nodes.cli import calendar, main, telling
from nodes.cli.show import console
from nodes.core.kinds import KINDS
from tests.nodes.live import live
from tests.nodes.province import CASE, OWNER, SICHUAN, TIBET, WINDOW, Province, carry, enrol

YEARS = ("2026", "2025")


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    with live(tmp_path_factory.mktemp("clocks") / "network", regions=5) as nodes:
        made = Province(nodes, {})
        publish(made)
        nodes.run(enrol(made), 30)
        nodes.run(carry(made), 60)
        nodes.run(go_on(made), 60)
        yield made


async def go_on(province: Province) -> None:
    """Record something else: a block record that proves the last acts is written with the next."""
    for region in (SICHUAN, TIBET):
        async with province.live.client(region) as client:
            for number in range(2):
                name = {"name": "政务大厅"}
                await client.act("party.enrol", f"{region}/hall/x{number}", name, wait="replicated")


def publish(province: Province) -> None:
    roster = province.live.founded.roster
    url = roster.members[roster.steward].url
    token = Path(province.live.founded.folder) / "steward.token"
    token.touch(0o600)
    token.write_text(province.live.founded.tokens[roster.steward])
    assert main.main(["calendar", *YEARS, "--node", url, "--token", str(token)]) == 0


def told_by(province: Province, region: str) -> dict[str, Any]:
    async def story() -> dict[str, Any]:
        async with province.live.client(region) as client, asyncio.timeout(15):
            while True:
                told = await client.case(CASE)
                lines = told["lines"]
                if told["stage"] == "closed" and all(line["proven"] for line in lines):
                    return told
                await asyncio.sleep(0.1)

    return province.live.run(story())


def dues(clocks: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("obligation", "unit", "start_s", "due_s", "end_s", "provisional", "proven", "held")
    return [tuple(json.dumps(clock[name]) for name in names) for clock in clocks]


def test_every_region_counts_alike(province: Province) -> None:
    told = {region: told_by(province, region) for region in (SICHUAN, TIBET, "530000")}
    clocks = told[SICHUAN]["clocks"]
    assert [it["obligation"] for it in clocks if it["unit"] == OWNER] == [
        "promise",
        "answer",
        "recheck",
        "delivery",
        "post",
    ]
    assert {it["unit"] for it in clocks} == {OWNER, WINDOW}
    assert {it["standing"] for it in clocks} <= {"met", "moot"}
    for other in told.values():
        assert dues(other["clocks"]) == dues(clocks)


def test_the_bundle_alone_tells_the_same_clocks(province: Province) -> None:
    genesis = province.live.founded.roster.sha256
    expected = dues(told_by(province, SICHUAN)["clocks"])

    async def story() -> Trace:
        async with province.live.client(SICHUAN) as client, asyncio.timeout(20):
            while True:
                told = judge_bundle(check_bundle(await client.bundle(CASE), genesis), KINDS)
                if told.stage == "closed" and all(line.proven for line in told.lines):
                    return told
                await asyncio.sleep(0.1)

    told = province.live.run(story(), 30)
    assert dues(telling.trace_fields(told)["clocks"]) == expected


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_trace_shows_when_things_were_due(
    province: Province, language: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    telling.tell_fields(console(), told_by(province, SICHUAN), language)
    said = capsys.readouterr().out
    for word in {"zh": ["时限", "承诺办结", "按时完成"], "en": ["Clocks", "decide", "met"]}[
        language
    ]:
        assert word in said


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_trace_shows_what_was_overdue_and_who_held_it(
    language: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    span = {"unit": WINDOW, "from_s": 1_793_000_000, "until_s": None}
    clock = {
        "obligation": "push",
        "unit": WINDOW,
        "start_s": 1_792_900_000,
        "due_s": 1_793_000_000,
        "provisional": True,
        "proven": False,
        "standing": "overdue",
        "held": [span],
    }
    line = {
        "time_s": 1_793_000_001,
        "region": SICHUAN,
        "index": 7,
        "kind": "case.note",
        "zh": "备注",
        "en": "note a remark",
        "issuer": SICHUAN,
        "asserted": False,
        "right": None,
        "grant": None,
        "seal": None,
        "holder": WINDOW,
        "finality": "accepted",
        "confirmation": "",
        "overrun": ["push"],
        "findings": [],
    }
    told = {"case": CASE, "holder": WINDOW, "stage": "received", "lines": [line], "findings": []}
    telling.tell_fields(console(), {**told, "clocks": [clock]}, language)
    said = capsys.readouterr().out
    words = {
        "zh": ["逾期 受理推送", "已逾期", "2026-10-26 15:33*?", "暂定", "佐证"],
        "en": ["overdue: hand the case on", "2026-10-26 15:33*?", "Provisional", "borne out"],
    }
    for word in words[language]:
        assert word in said, said
    assert said.count("510000 w3") >= 3


def test_a_year_published_again_has_the_next_version(
    province: Province, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(province)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["version"] for line in lines] == [2, 2]
    assert [line["calendar"][-4:] for line in lines] == list(YEARS)


# ---- the command alone --------------------------------------------------------------------------


def test_the_days_of_a_year_are_those_that_were_set(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["calendar", "2025", "--dry-run", "--json", "--document", "国办发明电"]
    assert main.main(words) == 0
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert line["on"] == ["2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"]
    assert (len(line["off"]), line["off"][-1], line["document"]) == (28, "2025-10-08", "国办发明电")


def test_the_days_of_a_year_are_shown_as_a_notice_has_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["calendar", "2025", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2025: 28 days off, 5 days of weekends worked"
    assert lines[1] == "  off   01-01 Wed"
    assert "  off   10-01 Wed to 10-08 Wed" in lines
    assert lines[-1] == "  work  10-11 Sat"


def test_a_year_that_the_package_does_not_know_is_not_made_up() -> None:
    with pytest.raises(NotFoundError):
        calendar.year_days(1999)
