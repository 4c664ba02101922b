"""Waiting for what comes about by itself."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WAIT_S = 40.0
"""Enough for anything that takes a moment, on a machine that has much else to do."""

_LOOK_S = 0.05


def until(
    holds: Callable[[], T], why: str = "it does not come about", *, wait_s: float = WAIT_S
) -> T:
    """Return what ``holds`` returns, as soon as that is true; the test fails once time is up."""
    end_s = time.monotonic() + wait_s
    while not (found := holds()):
        assert time.monotonic() < end_s, why
        time.sleep(_LOOK_S)
    return found
