"""Plans, scenarios and reports."""

import json
import math
import re
from dataclasses import fields, replace
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nodes.core.submission import SendingLimits
from simulator import plots, report
from simulator.agreeing import agrees
from simulator.arrivals import AFTER_DAYS_OFF, BY_HOUR, DAY_OFF, Arrivals, day_factor
from simulator.asked import AskedError
from simulator.clock import SimulatedClock
from simulator.faults import KINDS
from simulator.limits import LIMITS
from simulator.measures import Measures
from simulator.network import Network, Weather, distances_ms
from simulator.places import MAPS, places_of
from simulator.plan import Expectation, Happening, Plan, duration_s
from simulator.run import Outcome, build, run
from simulator.scenario import load, names
from simulator.telling import tell
from simulator.world import World

NEEDED = {
    *("southwest-five", "shanwei-phases", "guizhou-province", "xining-three-level"),
    *("zaozhuang-county", "nation-31", "cities-333", "cut-for-two-hours", "region-burns-down"),
    *("backup-restored", "lying-region", "clock-gone-wrong", "holiday-peak", "join-and-leave"),
    *("witness-slow", "revoked-while-used"),
}


def test_every_scenario_reads_and_expects_something() -> None:
    assert set(names()) >= NEEDED
    for name in names():
        scenario = load(name)
        assert scenario.title_zh
        assert scenario.plan.expect or name == "small-world"
        regions = {place.code for place in places_of(scenario.plan.places, scenario.plan.regions)}
        for one in scenario.plan.script:
            assert one.do in KINDS
            assert not one.region or one.region in regions


def test_more_than_twenty_four_kinds_of_faults_may_be_injected() -> None:
    assert len(KINDS) >= 24


def test_the_command_of_a_plan_leads_back_to_it() -> None:
    plan = load("southwest-five").plan.what_if(
        "seed=7", "regions=4", "stages=0:2,1.5:4", "only=3,1"
    )
    command = plan.command()
    words = command.replace("--what-if ", "").split()
    scenario, seed, changes = words[4], words[6], words[7:]
    again = load(scenario).plan.what_if(f"seed={seed}", *changes)
    assert again == plan


@pytest.mark.parametrize("word", ["nonsense=1", "regions", "hostile=perhaps", "script=x"])
def test_what_if_refuses_what_is_no_field_of_a_plan(word: str) -> None:
    with pytest.raises(ValueError, match=word.split("=", maxsplit=1)[0]):
        Plan().what_if(word)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("regoins=4", "is it regions"),
        ("regions=four", "regions is a whole number, not 'four'"),
        ("regions=1", "two or more"),
        ("minutes=nan", "minutes is a number from 0.01"),
        ("minutes=-1", "minutes is a number from 0.01"),
        ("acts_per_minute=0", "acts_per_minute is a number from 1"),
        ("items=999", "items is a number from 1 to 167"),
        ("careless=7", "careless is a number from 0 to 1"),
        ("staleness_s=1", "staleness_s is a number from 180"),
        ("begins=tomorrow", "begins is such as 2026-09-21 08:30"),
        ("only=x", "only is numbers with commas"),
        ("stages=1", "stages is such as 0:2"),
        ("stages=3:4", "stages begin at 0 and grow"),
        ("stages=0:4,1:3", "stages begin at 0 and grow"),
        ("stages=0:2,nan:4", "stages begin at 0 and grow"),
        ("stages=0:2,inf:4", "stages begin at 0 and grow"),
        ("stages=0:2,1e300:4", "stages begin at 0 and grow"),
        ("begins=1900-01-01 00:00", "from 2000 to 2099"),
        ("begins=9999-12-31 23:59", "from 2000 to 2099"),
        ("bundle_every_s=1e-9", "bundle_every_s is 0, or a number from 0.1"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name_before_anything_is_run(
    word: str, told: str
) -> None:
    with pytest.raises(AskedError, match=told) as refused:
        Plan().what_if(word)
    assert refused.value.code == "bad-plan"


@pytest.mark.parametrize(
    ("scenario", "words", "told"),
    [
        ("small-world", "committee=9", "committee is a number of the 4 others"),
        ("small-world", "committee=5", "committee is a number of the 4 others"),
        ("small-world", "regions=3 committee=3", "committee is a number of the 2 others"),
        ("small-world", "regions=99", "the map southwest has 7 places"),
        ("small-world", "places=nowhere", "no such map"),
        ("small-world", "stages=0:2,1:9", "stages bring 9 members, and there are 5 regions"),
        ("small-world", "stages=0:1", "a second member before the end"),
        ("small-world", "stages=0:1,3:5 minutes=2", "a second member before the end"),
        ("small-world", "refresh_s=600", "at most half of staleness_s"),
        ("small-world", "damage=true regions=4", "has not the witnesses to bear that"),
        ("small-world", "damage=true faulty=2", "has not the witnesses to bear that"),
        ("small-world", "damage=true committee=3", "has not the witnesses to bear that"),
        ("small-world", "faulty=2", "nothing is without damage=true"),
        ("small-world", "more_changes=1", "nothing is without changes=true"),
        ("small-world", "only=999", "only names some of .* drawn faults, from 0 on, not 999"),
        ("small-world", "only=-1", "only names some of .* drawn faults, from 0 on, not -1"),
        ("southwest-five", "damage=true", "nothing is without hostile=true"),
        ("southwest-five", "acts_per_minute=9", "counts where cases_per_day is 0"),
        ("lying-region", "regions=1000 places=prefectures", "the map prefectures has 333 places"),
        ("lying-region", "places=xining", "the script is about 510000"),
        ("steward-lost", "regions=3", "the script is about 540000, which is none of the 3"),
    ],
)
def test_what_a_plan_says_of_one_thing_agrees_with_what_it_says_of_others(
    scenario: str, words: str, told: str
) -> None:
    plan = load(scenario).plan.what_if("minutes=0.05", *words.split())
    with pytest.raises(AskedError, match=told) as refused:
        run(plan)
    assert refused.value.code == "bad-plan"


def test_every_scenario_agrees_with_itself_and_a_committee_may_be_of_all_the_others() -> None:
    assert all(agrees(load(name).plan) for name in names())
    assert agrees(Plan(regions=5, committee=4))
    assert agrees(Plan(regions=5, committee=0))


def test_every_number_of_a_plan_has_its_limits_and_every_scenario_keeps_them() -> None:
    numbers = {
        it.name for it in fields(Plan) if isinstance(it.default, int | float) and it.name != "seed"
    }
    assert {it for it in numbers if not isinstance(getattr(Plan(), it), bool)} == set(LIMITS)
    for name in names():
        for field, (least, most) in LIMITS.items():
            assert least <= getattr(load(name).plan, field) <= most


def test_a_length_of_time_is_a_number_and_a_unit() -> None:
    assert (duration_s("90s"), duration_s("1.5h"), duration_s("2d")) == (90, 5_400, 172_800)
    with pytest.raises(ValueError, match="90s"):
        duration_s("ninety")


def test_an_expectation_has_bounds() -> None:
    one = Expectation(that="x", at_least=2, at_most=3)
    assert [one.holds(value) for value in (1, 2, 3, 4)] == [False, True, True, False]
    with pytest.raises(ValueError, match="nothing is expected"):
        Expectation(that="x")


# ---- places and times ---------------------------------------------------------------------------


def test_shanwei_grows_by_the_cities_that_its_document_names_for_each_stage() -> None:
    scenario = load("shanwei-phases").plan
    names_of = [place.name for place in places_of(scenario.places)]
    counts = [0, *(count for _, count in scenario.stages)]
    stages = [set(names_of[one:other]) for one, other in pairwise(counts)]
    assert stages[0] == {"汕尾"}
    assert stages[1] == {"广州", "深圳", "东莞", "惠州"}
    assert stages[2] == {"中山", "珠海", "肇庆", "江门", "佛山"}
    assert len(stages[3]) == 11


def test_maps_have_as_many_places_as_the_country() -> None:
    assert {name: len(places_of(name)) for name in MAPS} == {
        "southwest": 7,
        "nation": 32,
        "guangdong": 21,
        "guizhou": 10,
        "xining": 6,
        "zaozhuang": 9,
        "prefectures": 333,
    }
    for name in MAPS:
        codes = [place.code for place in places_of(name)]
        assert len(set(codes)) == len(codes)


def test_messages_take_as_long_as_the_way_is() -> None:
    places = places_of("nation")
    links = distances_ms(places)
    far, near = links["230000", "460000"], links["110000", "120000"]
    assert 20 < far < 40
    assert near < 6
    assert all(links[one, other] == links[other, one] for one, other in links)


def test_a_narrow_link_lets_messages_queue() -> None:
    world = World(1)
    network = Network(world, ["a", "b"], Weather(jitter_ms_max=0), {("a", "b"): 5, ("b", "a"): 5})
    network.narrow(("a", "b"), 8)
    assert network.delays_ms("a", "b", 1_000) == [1_005]
    assert network.delays_ms("a", "b", 1_000) == [2_005]
    assert network.delays_ms("b", "a", 1_000) == [5]
    network.slow(("b", "a"), 100)
    assert network.delays_ms("b", "a") == [105]
    network.mend_all()
    assert network.delays_ms("a", "b", 1_000) == [5]


def test_a_clock_drifts_and_is_set() -> None:
    world = World(1)
    clock = SimulatedClock(world, 100)
    clock.drift(10_000)
    world.run_until(world.now_ms + 60_000)
    assert clock.offset_ms == 700
    clock.drift(0)
    world.run_until(world.now_ms + 60_000)
    assert clock.offset_ms == 700
    clock.offset_ms = 0
    assert clock.now_ms() == world.now_ms


def test_people_come_by_the_hour_and_after_days_off() -> None:
    assert math.isclose(sum(BY_HOUR), 1.0, abs_tol=1e-9)
    assert day_factor(date(2026, 9, 22)) == 1.0
    assert day_factor(date(2026, 9, 19)) == DAY_OFF
    assert day_factor(date(2026, 9, 14)) == AFTER_DAYS_OFF
    assert day_factor(date(2026, 9, 20)) == AFTER_DAYS_OFF  # a Sunday, worked for a holiday
    assert day_factor(date(2026, 9, 21)) == 1.0
    assert day_factor(date(2026, 10, 8)) == AFTER_DAYS_OFF


def test_as_many_come_on_a_day_as_the_plan_says() -> None:
    plan = Plan(begins="2026-09-22 00:00", cases_per_day=2_000)
    world = World(3, plan.start_ms)
    arrivals = Arrivals(plan, world.stream("arrivals"))
    now_ms, came, at_night = plan.start_ms, 0, 0
    while now_ms < plan.start_ms + 86_400_000:
        wait_ms, comes = arrivals.wait_ms(now_ms)
        now_ms += max(1, wait_ms)
        came += comes
        at_night += comes and now_ms < plan.start_ms + 6 * 3_600_000
    assert 1_800 < came < 2_200
    assert at_night < 60


# ---- reports ------------------------------------------------------------------------------------


@pytest.fixture(name="outcome", scope="module")
def small_outcome() -> Outcome:
    cut = Happening(at_s=3, do="link cut", region="500000", other="510000", for_s=4)
    expect = (Expectation(that="cases opened", at_least=10_000),)
    return run(
        Plan(regions=4, minutes=0.3, only=(), script=(cut,), expect=expect, acts_per_minute=200)
    )


def test_a_report_is_a_page_of_its_own_with_the_figures_beside_it(
    outcome: Outcome, tmp_path: Path
) -> None:
    page = report.write(outcome, load("small-world"), tmp_path)
    text = page.read_text()
    # Each has a frame of its own to be moved in where the page is narrow.
    assert text.count("<svg") == text.count('<div class="plot"><svg') == 5
    assert "acts not replicated R after they were accepted, by region: none" in text
    assert "<title>at 3.0 s link cut 500000 重庆 and 510000 四川 for 4.0 s</title>" in text
    assert "http://" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "https://" not in text
    opened: list[str] = []

    class Balanced(HTMLParser):
        def handle_starttag(self, tag: str, _attrs: object) -> None:
            if tag not in {"meta", "line", "br", "rect", "circle", "path"}:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            while opened and opened[-1] in {"p", "li"} and tag not in {"p", "li"}:
                opened.pop()  # these may stay open in HTML
            if tag not in {"line", "rect", "circle", "path"} or (opened and opened[-1] == tag):
                assert opened.pop() == tag

    Balanced().feed(text)
    assert opened == []
    made = json.loads((tmp_path / "report.json").read_text())
    assert made["injected"] == outcome.injected
    assert made["figures"]["acts accepted"] > 0
    assert "nan" not in (tmp_path / "report.json").read_text().lower().split('"')


def test_an_expectation_that_is_not_met_is_told_and_how_to_see_it_again(outcome: Outcome) -> None:
    assert not outcome.broken
    assert len(outcome.unmet) == 1
    assert "cases opened" in outcome.unmet[0]
    last = tell(outcome).splitlines()[-1]
    assert last == f"replay: {outcome.plan.command()}"
    assert not tell(replace(outcome, unmet=())).splitlines()[-1].startswith("replay")


def test_two_reports_are_laid_side_by_side(
    outcome: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.write(outcome, load("small-world"), tmp_path / "one")
    other = replace(outcome, figures={**outcome.figures, "cases opened": 1.0})
    report.write(other, load("small-world"), tmp_path / "two")
    page = tmp_path / "both.html"
    assert report.compare(tmp_path / "one", tmp_path / "two", page) == 0
    told = capsys.readouterr().out
    assert "cases opened" in told
    assert "acts accepted" not in told
    text = page.read_text()
    assert text.count("<svg") == 10
    # What differs stands before the plots.
    assert text.index("cases opened") < text.index("<svg")


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ValueError, match="not a report"):
        report.read(tmp_path)
    with pytest.raises(ValueError, match="no report"):
        report.read(tmp_path / "nowhere")


def test_a_region_that_comes_later_has_nothing_until_then_and_its_points_at_their_times() -> None:
    measures = Measures(World(1, 0), ("500000", "510000"))
    machine = cast("Any", SimpleNamespace(node=None))
    findings = {"500000": 1, "510000": 2}
    measures.look({"500000": machine}, findings)
    measures.look({"500000": machine, "510000": machine}, findings)
    found = measures.to_map()["series"]["findings"]
    assert found == {"500000": [1, 1], "510000": [None, 2]}


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0], [0, 1]),
        ([1, 2], [0, 1, 2]),
        ([0.3, 0.5], [0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        ([22], [0, 5, 10, 15, 20, 25]),
        ([1_001], [0, 500, 1_000, 1_500]),
    ],
)
def test_an_axis_has_few_round_numbers_and_whole_ones_for_what_is_counted(
    values: list[float], ticks: list[float]
) -> None:
    assert plots._ticks(values) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("length_s", "words"),
    [
        (0, []),
        (117, ["0 s", "20 s", "40 s", "60 s", "80 s", "100 s"]),
        (120, ["0 s", "20 s", "40 s", "60 s", "80 s", "100 s", "120 s"]),
        (1_790, ["0 min", "5 min", "10 min", "15 min", "20 min", "25 min"]),
        (7_200, ["0 min", "20 min", "40 min", "60 min", "80 min", "100 min", "120 min"]),
        (86_400, ["0 h", "4 h", "8 h", "12 h", "16 h", "20 h", "24 h"]),
    ],
)
def test_time_is_told_in_round_numbers_wherever_a_plot_ends(
    length_s: float, words: list[str]
) -> None:
    assert [told for _, told in plots._time_ticks(length_s)] == words


def test_means_leave_out_what_is_not_there_and_a_last_part_that_is_short() -> None:
    assert plots.coarser([1, 3, None, 5, None, None, 7], 2) == [2, 5, None]


def test_a_plot_says_itself_whose_each_line_is_in_as_many_rows_as_that_takes() -> None:
    names = [f"{number} 内蒙古自治区" for number in range(9)]
    plot = plots.over_time("t", "u", {name: [1.0, 2.0] for name in names}, 1_000)
    rows = re.findall(r'<text x="([\d.]+)" y="(\d+)">\d 内蒙古自治区</text>', plot)
    assert len(rows) == 9
    assert len({y for _, y in rows}) > 1
    height = int(re.findall(r'viewBox="0 0 720 (\d+)"', plot)[0])
    assert all(float(x) < 720 and int(y) < height for x, y in rows)


def test_two_pages_beside_each_other_have_the_same_axes(outcome: Outcome) -> None:
    made = report.to_map(outcome, load("small-world"))
    other = json.loads(json.dumps(made))
    line = next(iter(other["measures"]["series"]["backlog"].values()))
    line[-1] = 70_000
    page = report._side_by_side(made, other, [])
    assert page.count(">80k</text>") == 2
    # The script names codes as logs do, and the page says whose they are.
    assert "link cut 500000 重庆 and 510000 四川 for" in page


def test_every_act_accepted_has_its_lags(outcome: Outcome) -> None:
    figures = outcome.figures
    assert figures["acts accepted"] >= figures["acts witnessed"] >= figures["acts replicated"] > 0
    assert figures["accepted ms p50"] <= figures["witnessed ms p50"] <= figures["replicated ms max"]


def test_a_world_that_gathers_acts_for_long_has_longer_to_settle() -> None:
    assert Plan(settle_s=90).deadline_s == 90
    assert Plan(pace_ms=60_000, refresh_s=300).deadline_s == 780
    assert Plan(pace_ms=240_000, refresh_s=300).deadline_s == 1_320


def test_who_gathers_acts_answers_before_whoever_asks_gives_up() -> None:
    for pace_ms in (0, 60_000, 240_000, 3_600_000):
        simulation = build(Plan(pace_ms=pace_ms, hostile=False))
        assert simulation._service_ms_max < SendingLimits().timeout_ms


def test_what_is_gathered_for_long_is_signed_when_it_is_handed_over() -> None:
    gathers = replace(load("southwest-five").plan, items=3, minutes=5.0, cases_per_day=2_000)
    counts = run(replace(gathers, pace_ms=40_000, signer="fast")).counts
    assert counts["act grant.offer: accepted"] >= 10
    assert not [it for it in counts if it.endswith(": stale-time")]


def test_where_nothing_goes_wrong_calls_are_gathered_for_as_long_as_they_may_be() -> None:
    gathering = Plan(pace_ms=20_000, hostile=False)
    assert not gathering.is_plain
    for judging in ("each", "shared"):
        calm = build(replace(gathering, judging=judging))
        assert (calm._service_ms_least, calm._service_ms_max) == (2_500, 2_500)
    for other in (
        replace(gathering, hostile=True),
        replace(gathering, committee=3),
        replace(gathering, lost=0.01),
    ):
        assert (build(other)._service_ms_least, build(other)._service_ms_max) == (0, 2_500)
    at_once = build(replace(gathering, pace_ms=0))
    assert (at_once._service_ms_least, at_once._service_ms_max) == (0, 3)
