"""Which stretches of a measurement count, and what is said where too few do."""

import pytest

from loadtests.figure import Figure
from loadtests.fitness import (
    EMPTY_P99_MS_MAX,
    LATE_P99_MS_MAX,
    STOLEN_MAX,
    TURNS_FIT_ENOUGH,
    TURNS_FIT_MIN,
    Series,
    Turn,
)
from loadtests.floors import Blast
from loadtests.half_load import P99_MS_MAX, TURNS_MAX, taken_in_turns, told
from loadtests.pacing import Pace


def turn(ms: float = 0.5, *, late_ms: float = 0.1, stolen: float = 0.0) -> Turn:
    """Return a stretch in which every answer took as long."""
    return Turn(Pace(Blast(1.0, [ms / 1e3] * 100, {200: 100}), [late_ms / 1e3] * 100), stolen)


def rows(series: Series) -> dict[str, Figure]:
    return {figure.name: figure for figure in told("x", series)}


def test_a_slow_answer_does_not_make_a_stretch_unfit() -> None:
    series = Series([turn()] * 3, [turn(900.0), turn()])
    assert series.fit == [0, 1]


@pytest.mark.parametrize(
    "disturbed",
    [
        turn(EMPTY_P99_MS_MAX * 1.01),
        turn(late_ms=LATE_P99_MS_MAX * 1.01),
        turn(stolen=STOLEN_MAX * 1.01),
    ],
)
def test_a_disturbed_stretch_of_empty_requests_spoils_the_stretches_on_both_sides(
    disturbed: Turn,
) -> None:
    series = Series([turn(), turn(), disturbed, turn(), turn()], [turn()] * 4)
    assert series.fit == [0, 3]


@pytest.mark.parametrize(
    "disturbed", [turn(late_ms=LATE_P99_MS_MAX * 1.01), turn(stolen=STOLEN_MAX * 1.01)]
)
def test_a_stretch_in_which_the_machine_stood_still_is_not_fit(disturbed: Turn) -> None:
    assert Series([turn()] * 3, [disturbed, turn()]).fit == [1]


def test_the_slowest_hundredth_is_that_of_fit_stretches_with_all_of_them_beside_it() -> None:
    count = TURNS_FIT_MIN
    told_ = rows(
        Series(
            [turn(9.0), *[turn(0.3)] * (count + 1)], [turn(80.0, stolen=0.5), *[turn(2.0)] * count]
        )
    )
    assert told_["x at half load, p99"].value == pytest.approx(2.0)
    assert told_["x at half load, p99"].met is True
    assert told_["x, an empty request at that load, p99"].value == pytest.approx(0.3)
    assert told_["x at half load, p99 of all turns"].value == pytest.approx(80.0)
    assert told_["x at half load, p99 of all turns"].met is None
    fit = told_["x, turns that the machine was fit for"]
    assert (fit.value, fit.unit) == (count, f"of {count + 1}")


def test_a_tail_of_the_nodes_own_is_not_met_however_fit_the_machine_was() -> None:
    series = Series([turn()] * 30, [turn(P99_MS_MAX * 1.01)] * 29)
    assert rows(series)["x at half load, p99"].met is False


def test_what_a_machine_cannot_tell_is_not_met_though_its_figure_would_do() -> None:
    few = TURNS_FIT_MIN - 1
    series = Series([turn()] * (few + 2), [*[turn(1.0)] * few, turn(1.0, stolen=0.9)])
    figure = rows(series)["x at half load, p99"]
    assert not figure.is_measurable
    assert figure.value < P99_MS_MAX
    assert figure.met is False


def test_stretches_are_taken_until_enough_are_fit() -> None:
    measured = iter([turn(stolen=0.9), *[turn()] * 99])
    series = taken_in_turns(turn, lambda: next(measured))
    assert len(series.measured) == TURNS_FIT_ENOUGH + 1
    assert len(series.empty) == len(series.measured) + 1


def test_on_a_machine_that_is_never_fit_an_end_is_made() -> None:
    series = taken_in_turns(lambda: turn(9.0), turn)
    assert len(series.measured) == TURNS_MAX
    assert not series.is_measurable
