"""Quantiles from buckets, held against the values themselves."""

import math

from hypothesis import given
from hypothesis import strategies as st

from loadtests.histogram import Histogram, bucket_of, highest_of

values = st.lists(st.integers(0, 60_000_000), min_size=1, max_size=200)


@given(value=st.integers(0, 2**40))
def test_a_bucket_holds_its_value_to_within_a_part_in_128(value: int) -> None:
    bucket = bucket_of(value)
    assert value <= highest_of(bucket) <= value + value / 128
    assert bucket_of(highest_of(bucket)) == bucket
    assert bucket_of(highest_of(bucket) + 1) == bucket + 1


@given(one=values, other=values, share=st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_the_sum_of_two_histograms_has_the_quantiles_of_all_values(
    one: list[int], other: list[int], share: float
) -> None:
    left, right = Histogram(), Histogram()
    for value in one:
        left.add(value / 1e6)
    for value in other:
        right.add(value / 1e6)
    left.merge(Histogram.from_map(right.to_map()))
    ordered = sorted(one + other)
    exact = ordered[max(1, math.ceil(share * len(ordered))) - 1]
    found = left.quantile_ms(share)
    assert found is not None
    assert exact <= round(found * 1e3) <= exact + exact / 128 + 1
    assert left.count == len(ordered)
    assert left.summary()["max_ms"] == ordered[-1] / 1e3


def test_an_empty_histogram_has_no_quantile_and_a_negative_time_counts_as_none() -> None:
    histogram = Histogram()
    assert histogram.summary() == {
        "count": 0,
        "p50_ms": None,
        "p95_ms": None,
        "p99_ms": None,
        "max_ms": None,
    }
    histogram.add(-1.0)
    assert histogram.quantile_ms(1.0) == 0
