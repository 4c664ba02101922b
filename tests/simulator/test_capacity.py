"""Planning, from canned service times: what grows with what, and what a load test says to it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from simulator import held
from simulator.__main__ import main
from simulator.asked import AskedError
from simulator.capacity import Rates, Services, assumptions, need, plain_days, plan, tell
from simulator.held import check, check_storage, hold

SERVICES = Services(
    verify_us=60,
    take_us=600,
    many_us=1_800,
    check_us=150,
    alone_us=11_800,
    round_s=0.1,
    statement_bytes=600,
    stored=1.5,
)
LIKE_ONE = '{"stages": [1], "network": {}, "floors": {}, "machine": {}, "disk": {}, "recorded": {}}'
STORED = {"reckoned_bytes": 1e6, "measured_bytes": 1e6, "error": 0.0}


def test_a_round_costs_what_an_act_alone_costs_beyond_one_among_many() -> None:
    # 11,800 less 1,800 is 10,000 for two rounds at five nodes.
    assert SERVICES.round_us == pytest.approx(1_000)
    # And 1,800 less 600 is what four others have with it.
    assert SERVICES.follow_us == pytest.approx(300)


def test_a_region_alone_has_no_rounds_and_sends_nothing() -> None:
    found = need(SERVICES, Rates(regions=1, acts=10, reads=100))
    assert found.cpu == pytest.approx((10 * 600 + 100 * 150) / 1e6)
    assert found.sent_bits == 0
    assert found.stored_bytes == pytest.approx(10 * 600 * 1.5)


def test_acts_share_rounds_once_they_come_faster_than_rounds_end() -> None:
    few = Rates(regions=5, acts=0.01, reads=0).rounds(SERVICES)
    many = Rates(regions=5, acts=10_000, reads=0).rounds(SERVICES)
    assert few == pytest.approx(0.02, rel=0.01)
    assert many == pytest.approx(1 / SERVICES.round_s, rel=0.01)


def test_every_region_follows_all_the_others() -> None:
    five = need(SERVICES, Rates(regions=5, acts=10_000, reads=0))
    ten = need(SERVICES, Rates(regions=10, acts=10_000, reads=0))
    assert five.cpu == pytest.approx(10_000 * (600 + 4 * 300) / 1e6, rel=0.01)
    assert ten.cpu / five.cpu == pytest.approx((600 + 9 * 300) / (600 + 4 * 300), rel=0.01)
    assert ten.stored_bytes == pytest.approx(2 * five.stored_bytes, rel=0.01)


def test_a_round_costs_each_node_a_fifth_more_for_every_five_cosigners_more() -> None:
    five = need(SERVICES, Rates(regions=5, acts=0.001, reads=0))
    ten = need(SERVICES, Rates(regions=10, acts=0.001, reads=0))
    # Each node takes part in the rounds of twice as many logs.
    assert ten.rounds / five.rounds == pytest.approx(2 * 1.2)


def test_a_year_has_fewer_plain_days_than_days_and_more_than_half_of_them() -> None:
    assert 200 < plain_days() < 365


def test_twice_the_cases_need_at_most_twice_of_all() -> None:
    one = plan(SERVICES, cases=5e6, regions=5)
    two = plan(SERVICES, cases=1e7, regions=5)
    for name in ("cores_busy_at_the_peak", "storage_bytes_a_year", "bandwidth_bits_at_the_peak"):
        assert one[name] < two[name] <= 2 * one[name]
    assert one["cores"] >= 1
    # Each region keeps what all five record: at least the statements of every case.
    assert one["storage_bytes_a_year"] > 5e6 * 11 * 600 * 1.5


def test_more_than_one_process_can_do_is_told_and_no_number_of_cores_is_said_to_bear_it() -> None:
    few, many = (plan(SERVICES, cases=cases, regions=5) for cases in (5e6, 1e9))
    assert few["cases_a_year_at_most"] == pytest.approx(many["cases_a_year_at_most"])
    assert 5e6 < few["cases_a_year_at_most"] < 1e9
    assert many["cores"] == 2
    at_most = plan(SERVICES, cases=few["cases_a_year_at_most"], regions=5)
    assert at_most["cores_busy_with_acts_at_the_peak"] == pytest.approx(0.5)
    said = assumptions(SERVICES)
    assert "TOO MUCH" in tell(many, said)
    assert "TOO MUCH" not in tell(few, said)


def report(cpu_ms: float | None, *, elsewhere: float = 0.0) -> dict[str, Any]:
    def stage(name: str, rate: float) -> dict[str, Any]:
        return {
            "stage": {"name": name, "loop": "open", "rate": rate},
            "sums": {"acts in all": rate * 8, "turns without an act in all": rate * 2},
            "metered_s": 10.0,
            "processes": {
                "node 1": {"cpu_s": 5.0, "cores": 0.5},
                "load 0": {"cpu_s": 2.0, "cores": 0.2},
                "elsewhere": {"cpu_s": elsewhere * 10, "cores": elsewhere},
            },
            "cpu_ms_an_act": cpu_ms,
        }

    names = ("probe 1: 50/s", "open, 50% of saturation", "open, 25% of saturation")
    return {
        "network": {"regions": ["1", "2", "3", "4", "5"]},
        "machine": {"cores": 16},
        "floors": {"verification_us": 90.0},
        "recorded": {"1": {"accepted": 800, "in_log": 800, "releases": 200}},
        "disk": {"database_bytes_grown": 1e7},
        "stages": [stage(name, rate) for name, rate in zip(names, (50, 50, 25), strict=True)],
    }


def test_the_model_is_held_against_every_open_stage_in_the_time_of_its_own_run() -> None:
    # A quarter as many releases as acts: they cost as much. Turns that bring no act are answers.
    rates = Rates(regions=5, acts=10, reads=2)
    # The machine was half as slow again when the load test was run.
    reckoned = need(SERVICES, rates).cpu * 1.5 * 5 * 1e3 / 40
    few, many = check(SERVICES, report(2 * reckoned))
    assert (few["stage"], many["stage"]) == ("open, 25% of saturation", "open, 50% of saturation")
    assert many["acts_a_second"] == pytest.approx(40)
    assert many["cores_left"] == pytest.approx(15.8)
    assert many["reckoned_cpu_ms_an_act"] == pytest.approx(reckoned)
    assert many["error"] == pytest.approx(-0.5)
    words = held.tell([few, many], STORED)
    assert "-50%" in words
    assert "says little" not in words
    assert "50% busy" in tell(plan(SERVICES, cases=5e6, regions=5), assumptions(SERVICES))
    with pytest.raises(ValueError, match="no open stage"):
        check(SERVICES, report(None))


def test_rounds_take_what_acts_leave_them_and_acts_do_not_give_way() -> None:
    needed = need(SERVICES, Rates(regions=5, acts=10, reads=2))
    between = (needed.work + needed.cpu) / 2
    assert needed.within(2 * needed.cpu) == needed.cpu
    assert needed.within(between) == between
    assert needed.within(needed.work / 2) == needed.work
    few, many = check(SERVICES, report(10.0, elsewhere=15.5))
    assert many["is_all_that_was_left"]
    assert "which says little" in held.tell([few, many], STORED)
    words = tell(plan(SERVICES, cases=5e6, regions=1), assumptions(SERVICES))
    assert "one region; each needs" in words
    assert "ALONE" in words
    assert many["cores_left"] == pytest.approx(0.3)
    assert many["reckoned_cpu_ms_an_act"] == pytest.approx(
        max(0.3, 1.5 * 5 * needed.work) * 1e3 / 40
    )
    assert many["reckoned_cpu_ms_an_act"] < many["unhurried_cpu_ms_an_act"]


def test_the_command_reads_what_the_bench_wrote_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = tmp_path / "bench.json"
    monkeypatch.setattr("sys.argv", ["simulator", "plan", "--bench", str(bench), "--regions", "3"])

    assert main() == 2
    assert "run make bench" in capsys.readouterr().err
    rows = {
        "floor: V, one raw verification": 60.0,
        "single ingest at 64 connections, CPU a statement": 10.0,
        "five regions, CPU of an act among many, all nodes": 50.0,
        "check, answers a second": 5_000.0,
        "five regions, replicated p50": 70.0,
        "statement size": 600.0,
        "database against statements": 1.7,
    }
    bench.write_text(json.dumps([{"name": name, "value": value} for name, value in rows.items()]))
    assert main() == 2
    assert "an act alone" in capsys.readouterr().err
    rows["five regions, CPU of an act alone, all nodes"] = 250.0
    bench.write_text(json.dumps([{"name": name, "value": value} for name, value in rows.items()]))
    assert main() == 0
    words = capsys.readouterr().out
    assert re.search(r"cores +\d+ \(", words)
    assert "held against no load test" in words
    assert Services.read(bench).take_us == pytest.approx(600)


def test_what_databases_grew_by_is_held_against_what_was_reckoned_for_every_stage() -> None:
    found = report(10.0)
    rates = [Rates(regions=5, acts=rate * 0.2, reads=0) for rate in (50, 50, 25)]
    reckoned = sum(need(SERVICES, it).stored_bytes * 5 * 10 for it in rates)
    stored = check_storage(SERVICES, found)
    assert stored["reckoned_bytes"] == pytest.approx(reckoned)
    assert stored["error"] == pytest.approx(reckoned / 1e7 - 1)
    assert f"10.0 MB measured: {stored['error']:+.0%}" in held.tell([], stored)
    found["disk"]["database_bytes_grown"] = 0
    with pytest.raises(ValueError, match="did not grow"):
        check_storage(SERVICES, found)


def test_where_cores_are_few_fewer_rounds_leave_fewer_records() -> None:
    needed = need(SERVICES, Rates(regions=5, acts=10, reads=2))
    half = (needed.work + needed.cpu) / 2
    assert needed.stored_within(needed.cpu) == pytest.approx(needed.stored_bytes)
    assert needed.stored_within(half) == pytest.approx(needed.acts_bytes + needed.records_bytes / 2)
    assert needed.stored_within(0.0) == needed.acts_bytes
    alone = need(SERVICES, Rates(regions=1, acts=10, reads=2))
    assert alone.stored_within(0.0) == alone.stored_bytes


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"stages": [], "network": 1}', "none", json.dumps(LIKE_ONE)]
)
def test_what_is_no_report_of_todays_load_test_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(AskedError, match="report"):
        hold(SERVICES, path)


@pytest.mark.parametrize(("cases", "regions"), [(0, 5), (1e-9, 5), (-1, 5), (1e13, 5), (5e6, 0)])
def test_no_cases_and_no_regions_are_no_plan(cases: float, regions: int) -> None:
    with pytest.raises(ValueError, match="cases are a number from 1"):
        plan(SERVICES, cases=cases, regions=regions)


def test_an_error_beside_other_work_is_told_as_one() -> None:
    found = report(50.0)
    found["machine"]["cores"] = 0.75  # the nodes had half a core, and the load 0.2
    few, many = check(SERVICES, found)
    assert few["cores_idle"] == pytest.approx(0.05)
    assert few["is_crowded"] is False
    found["machine"]["cores"] = 0.72
    few, many = check(SERVICES, found)
    assert few["is_crowded"] is many["is_crowded"] is True
    assert not few["is_all_that_was_left"]
    words = held.tell([few], STORED)
    assert "%, beside others" in words
    assert "on a machine of its own" in words
