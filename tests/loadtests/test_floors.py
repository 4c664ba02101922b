"""What the load generator does to what it measures."""

import contextlib
import gc

import pytest

from loadtests.floors import Blast, LoadError, uncollected


def test_no_garbage_is_looked_for_while_answers_are_timed() -> None:
    assert gc.isenabled()
    with contextlib.suppress(ValueError), uncollected():
        assert not gc.isenabled()
        raise ValueError("ended early")
    assert gc.isenabled()


def test_turns_are_one_measurement_with_all_their_answers() -> None:
    both = Blast(1.0, [0.003, 0.001], {200: 2}) + Blast(1.0, [0.002], {200: 1, 404: 1})
    assert both.latencies_s == [0.001, 0.002, 0.003]
    assert both.statuses == {200: 3, 404: 1}
    assert both.rate == 1.5


def test_a_load_that_is_answered_in_another_way_is_no_measurement() -> None:
    answered = Blast(1.0, [0.001, 0.001], {200: 2})
    assert answered.expect(200) is answered
    for other in (Blast(1.0, [0.001], {200: 1, 503: 1}), Blast(1.0, [], {})):
        with pytest.raises(LoadError, match="200 alone"):
            other.expect(200)
