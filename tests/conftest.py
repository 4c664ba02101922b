"""Settings every test shares."""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "push",
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("night", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "push"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that start processes first, and then those with most tests.

    Workers take whole files in this order. What waits for processes takes longest and must not be
    left for the end, when one worker would run it alone.
    """
    sizes = Counter(item.path for item in items)
    waiting = {item.path for item in items if item.get_closest_marker("process")}
    items.sort(key=lambda item: (item.path not in waiting, -sizes[item.path], str(item.path)))
