"""Settings every test shares."""

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

# Files whose tests start processes. One worker runs them all, so that no two stand in each other's
# way, while the others run the rest.
STARTING = {
    "tests/loadtests/test_load.py",
    "tests/nodes/test_demo.py",
    "tests/nodes/test_durability.py",
    "tests/nodes/test_postgresql.py",
    "tests/nodes/test_readme.py",
    "tests/nodes/test_story.py",
}

settings.register_profile(
    "push",
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("night", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "push"))


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """Gives each worker whole files, for their fixtures; what starts processes counts as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "processes" if file in STARTING else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Share the tests out among workers."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what starts processes first, since it takes longest, and then files with most tests."""
    sizes = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[bool, int, str]:
        starts = item.nodeid.partition("::")[0] in STARTING
        assert starts or item.get_closest_marker("process") is None, f"STARTING lacks {item.path}"
        return not starts, -sizes[item.path], str(item.path)

    items.sort(key=place)
