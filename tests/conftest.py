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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests one worker runs, one after the other, and which of these come first.

    A file stays together, for its fixtures. All files that start processes stay together too, so
    that no two of them stand in each other's way, and come first, since they take longest.
    """
    sizes = Counter(item.path for item in items)
    starting = {item.path for item in items if item.get_closest_marker("process")}
    items.sort(key=lambda item: (item.path not in starting, -sizes[item.path], str(item.path)))
    for item in items:
        group = "processes" if item.path in starting else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
