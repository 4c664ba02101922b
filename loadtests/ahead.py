"""Processes that are run before all others of the machine while their latency is measured."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PRIORITY: Final = 1
"""The lowest of those that go before all ordinary work."""


@contextmanager
def ahead_of_others(processes: Sequence[int]) -> Iterator[bool]:
    """Have processes, and this one, run whenever they are due; give whether the system lets us.

    What a node needs can then be told from what other work takes from it. It is not told from what
    the host of a machine takes. Where we may not, everything is run as always.
    """
    threads = [thread for process in (*processes, os.getpid()) for thread in _threads(process)]
    allowed = bool(threads) and all(_put(thread, first=True) for thread in threads)
    try:
        yield allowed
    finally:
        # Threads that were begun meanwhile go first as well.
        for process in (*processes, os.getpid()):
            for thread in _threads(process):
                _put(thread, first=False)


def _threads(process: int) -> list[int]:
    folder = Path(f"/proc/{process}/task")
    return [int(it.name) for it in folder.iterdir()] if folder.is_dir() else []


def _put(thread: int, *, first: bool) -> bool:
    """Let a thread go before all others, or among them; return whether that was done."""
    policy = os.SCHED_RR if first else os.SCHED_OTHER
    with suppress(PermissionError, ProcessLookupError):
        os.sched_setscheduler(thread, policy, os.sched_param(PRIORITY if first else 0))
        return True
    return False
