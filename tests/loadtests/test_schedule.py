"""Intended start times: fixed beforehand, as many as asked for, and by the hours of the day."""

from itertools import pairwise

import pytest

from loadtests.schedule import COUNTER_DAY, Curve, busyness, intended_starts
from simulator.arrivals import BY_HOUR


def test_starts_are_in_order_and_the_same_for_the_same_seed() -> None:
    starts = intended_starts(rate=50, seconds=40, seed="s")
    assert list(starts) == sorted(starts)
    assert all(0 <= at < 40 for at in starts)
    assert starts == intended_starts(rate=50, seconds=40, seed="s")
    assert starts != intended_starts(rate=50, seconds=40, seed="t")


@pytest.mark.parametrize("curve", ["even", "day"])
def test_the_mean_rate_is_the_one_asked_for(curve: Curve) -> None:
    starts = intended_starts(rate=500, seconds=40, seed="s", curve=curve)
    assert len(starts) == pytest.approx(20_000, rel=0.03)


def test_gaps_are_those_of_people_who_know_nothing_of_each_other() -> None:
    starts = intended_starts(rate=500, seconds=40, seed="s")
    gaps = [after - before for before, after in pairwise(starts)]
    mean = sum(gaps) / len(gaps)
    spread = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    # Of exponential gaps the deviation is the mean; of even ones it is 0.
    assert spread**0.5 == pytest.approx(mean, rel=0.05)


def test_a_day_has_its_peaks_where_the_curve_has_them() -> None:
    starts = intended_starts(rate=500, seconds=100, seed="s", curve="day")
    by_hour = [sum(int(at // 10) == hour for at in starts) for hour in range(10)]
    mean = sum(COUNTER_DAY) / 10
    for count, share in zip(by_hour, COUNTER_DAY, strict=True):
        assert count == pytest.approx(5_000 * share / mean, rel=0.06)
    assert sum(busyness("day", at / 1_000) for at in range(1_000)) == pytest.approx(1_000)


def test_no_rate_is_no_turn() -> None:
    assert intended_starts(rate=0, seconds=10, seed="s") == ()


def test_a_day_at_the_counter_has_the_hours_of_the_simulators() -> None:
    whole = sum(BY_HOUR[8:18])
    for hour, share in enumerate(COUNTER_DAY):
        assert share / sum(COUNTER_DAY) == pytest.approx(BY_HOUR[8 + hour] / whole)
