"""Where a programme goes, held against servers that are known."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.counts import Counts, measure
from loadtests.histogram import Histogram
from loadtests.order import SHAPES, SHORTEST, Order
from loadtests.programme import (
    Measured,
    Programme,
    Saturation,
    Stage,
    cut,
    flood,
    holiday,
    saturation,
    search,
)


def server(capacity: float) -> Callable[[Stage], Measured]:
    """A server that answers up to its capacity at once, and beyond it later and later."""

    def answer(stage: Stage) -> Measured:
        asked = stage.rate or stage.clients * 50
        over = max(0.0, asked - capacity) * stage.seconds / capacity
        return Measured(
            offered=asked,
            answered=min(asked, capacity),
            failed=0.0,
            p99_ms=10 + over * 1_000,
        )

    return answer


def go(
    programme: Programme, answer: Callable[[Stage], Measured]
) -> tuple[list[Stage], Saturation | None]:
    stages = [next(programme)]
    try:
        while True:
            stages.append(programme.send(answer(stages[-1])))
    except StopIteration as stop:
        return stages, stop.value


@pytest.mark.parametrize("capacity", [3, 40, 777, 20_000])
@pytest.mark.parametrize("start", [0.3, 0.9, 1.0, 2.5])
def test_the_search_finds_the_capacity_of_a_server_from_either_side(
    capacity: float, start: float
) -> None:
    stages, found = go(search(capacity * start, 5), server(capacity))
    assert found is not None
    assert found.is_kept_up
    assert 0.8 * capacity <= found.rate <= 1.03 * capacity
    assert found.too_much is None or found.rate < found.too_much
    assert len(stages) <= 6


def test_a_server_that_never_keeps_up_is_guessed_below_all_that_was_tried() -> None:
    def broken(stage: Stage) -> Measured:
        return Measured(offered=stage.rate, answered=0.0, failed=1.0, p99_ms=None)

    stages, found = go(search(100, 5), broken)
    assert found is not None
    assert not found.is_kept_up
    assert found.rate < min(stage.rate for stage in stages) == found.too_much


@pytest.mark.parametrize(
    "measured",
    [
        Measured(offered=100, answered=96, failed=0, p99_ms=5),
        Measured(offered=100, answered=100, failed=0.02, p99_ms=5),
        Measured(offered=100, answered=100, failed=0, p99_ms=1_001),
        Measured(offered=100, answered=100, failed=0, p99_ms=None),
    ],
)
def test_too_slow_too_late_or_too_many_failures_is_not_keeping_up(measured: Measured) -> None:
    assert not measured.kept_up


def test_saturation_goes_through_the_loops_and_shares_that_the_report_promises() -> None:
    stages, found = go(saturation(8), server(200))
    assert found is not None
    assert found.rate == pytest.approx(200, rel=0.1)
    assert [it.clients for it in stages if it.loop == "closed"] == [1, 16, 64, 256]
    rates = [it.rate / found.rate for it in stages if it.name.startswith("open")]
    assert rates == pytest.approx([0.25, 0.5, 0.8, 0.95])
    assert [it.verify_one_of for it in stages if it.loop == "closed"] == [1, 1, 8, 8]


def test_a_holiday_is_three_times_as_busy_and_a_cut_is_joined_again() -> None:
    plain, after = go(holiday(10, 60), server(100))[0]
    assert after.rate == 3 * plain.rate
    assert after.curve == "day"
    assert [it.happening for it in go(cut(10, 60), server(100))[0]] == ["", "cut", "join"]
    flooded = go(flood(10, 60), server(100))[0]
    assert [(it.happening, it.rate) for it in flooded] == [("", 10), ("flood", 10), ("calm", 10)]


def test_an_order_is_read_as_it_was_written_and_each_shape_has_stages(tmp_path: Path) -> None:
    for shape in SHAPES:
        order = Order(
            shape=shape,
            seconds=5,
            rate=10,
            clients=(1, 2),
            scene=tmp_path / "scene",
            events=tmp_path / "events",
        )
        order.write(tmp_path / "order")
        assert Order.read(tmp_path / "order") == order
        stages, _ = go(order.programme(), server(100))
        assert stages
        assert all(it.seconds > 0 for it in stages)
    with pytest.raises(ValueError, match="a shape is one of"):
        Order(shape="x", seconds=1, rate=1, clients=(), scene=tmp_path, events=tmp_path)


def test_what_processes_counted_adds_up() -> None:
    stage = Stage(name="s", loop="open", clients=4, rate=10, seconds=11)
    whole = Counts()
    for latency_s in (0.010, 0.990):
        part = Counts()
        part.acts["window: case.open"] = Histogram()
        part.acts["window: case.open"].add(latency_s)
        part.sums.update(offered=50, answered=45, turns=49, failed=1, unanswered=1)
        whole.merge(part.to_map())
    measured = measure(stage, whole)
    assert (measured.offered, measured.answered, measured.failed) == (10, 9, 0.04)
    assert measured.p99_ms == pytest.approx(990, rel=0.01)
    # A tenth of a turn is under way at either end, at the median of 10 ms.
    assert measured.chance == pytest.approx(math.sqrt(0.2) / 10, rel=0.01)


def test_what_chance_leaves_under_way_at_the_end_is_no_sign_of_not_keeping_up() -> None:
    behind = Measured(offered=100, answered=94, failed=0, p99_ms=5)
    assert not behind.kept_up
    assert replace(behind, chance=3.5).kept_up
    assert not replace(behind, chance=2.5).kept_up


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shortest_stage_of_a_shape_lasts_what_is_said_of_it(shape: str) -> None:
    order = Order(
        shape=shape, seconds=60, rate=9, clients=(1,), scene=Path("scene"), events=Path("events")
    )
    stages, _ = go(order.programme(), server(200))
    assert min(it.seconds for it in stages) == pytest.approx(60 * SHORTEST[shape])
