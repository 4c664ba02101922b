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


@given(values=values)
def test_each_quantile_of_a_summary_is_found_again_in_its_counts(values: list[int]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value / 1e6)
    summary = histogram.summary()
    in_order = [int(us) for us, count in summary["counts_us"].items() for _ in range(count)]
    assert in_order == sorted(in_order)
    assert len(in_order) == summary["count"]
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99), ("max_ms", 1.0)):
        assert in_order[math.ceil(share * len(in_order)) - 1] / 1e3 == summary[name]


def test_an_empty_histogram_has_no_quantile_and_a_negative_time_counts_as_none() -> None:
    histogram = Histogram()
    assert histogram.summary() == {
        "count": 0,
        "p50_ms": None,
        "p95_ms": None,
        "p99_ms": None,
        "max_ms": None,
        "counts_us": {},
    }
    histogram.add(-1.0)
    assert histogram.quantile_ms(1.0) == 0
