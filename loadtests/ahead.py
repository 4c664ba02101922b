"""Processes that are run before all others of the machine while their latency is measured."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

PRIORITY: Final = 1
"""The lowest of those that go before all ordinary work."""


class _Turn(NamedTuple):
    """When a thread is run: the system's number of a policy, and its place in that."""

    policy: int
    priority: int


@contextmanager
def ahead_of_others(processes: Sequence[int]) -> Iterator[bool]:
    """Have processes, and this one, run whenever they are due; give whether the system lets us.

    What a node needs can then be told from what other work takes from it. It is not told from what
    the host of a machine takes. Where we may not, everything is run as always. Afterwards each
    process is run as its first thread was before.
    """
    before = {process: _turn(process) for process in (*processes, os.getpid())}
    threads = [thread for process in before for thread in _threads(process)]
    first = _Turn(os.SCHED_RR, PRIORITY)
    allowed = bool(threads) and all(_put(thread, first) for thread in threads)
    try:
        yield allowed
    finally:
        # Threads that were begun meanwhile go first as well.
        for process, turn in before.items():
            if turn is not None:
                for thread in _threads(process):
                    _put(thread, turn)


def _threads(process: int) -> list[int]:
    folder = Path(f"/proc/{process}/task")
    return [int(it.name) for it in folder.iterdir()] if folder.is_dir() else []


def _turn(thread: int) -> _Turn | None:
    """Return when a thread is run; None where it has gone."""
    with suppress(ProcessLookupError):
        return _Turn(os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority)
    return None


def _put(thread: int, turn: _Turn) -> bool:
    """Have a thread run at its turn; return whether that was done."""
    with suppress(PermissionError, ProcessLookupError):
        os.sched_setscheduler(thread, turn.policy, os.sched_param(turn.priority))
        return True
    return False
