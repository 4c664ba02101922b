"""The folders of a network of which nothing runs; the fixture ``founded`` makes them."""

NOW_S = 1_790_000_000
REGION = "510000"
