"""What the machine is, what its processes use, and what raw parts of the work cost on it."""

import asyncio
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from loadtests.floors import EMPTY, blast, fsync_ms, insertion_us, verification_us
from loadtests.pacing import paced

PINGS: Final = 600
PINGS_A_CLIENT_MIN: Final = 40
"""Of fewer, what connecting so many clients takes would be most of the time."""
PACED_S: Final = 1.5
PACED_REQUESTS_MIN: Final = 5
PACED_RATE_MIN: Final = 0.5
"""An empty handler that is asked more seldom takes no longer, and we would wait for hours."""


def describe() -> dict[str, Any]:
    """Return what a reader has to know to compare with another machine."""
    model = ""
    known = Path("/proc/cpuinfo")
    if known.exists():
        for line in known.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "busy_before": os.getloadavg()[0],
    }


def code() -> dict[str, str]:
    """Return which code is measured: its version, and its commit where it lies in a clone."""
    told = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(told, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        commit = ""
    else:
        commit = found.stdout.strip()
    return {"version": version("shouxin"), "commit": commit}


ELSEWHERE: Final = "elsewhere"
"""What all other processes of the machine took: it is not ours, and was not there for ours."""


class Meter:
    """CPU and memory of named processes between two readings, and what all the others took.

    Of a process that ends between them is told what was seen of it last.
    """

    def __init__(self) -> None:
        self._processes: dict[str, psutil.Process] = {}
        self._seen: dict[str, _Reading] = {}
        self._before: dict[str, float] = {}
        self._before_s = 0.0
        self._busy_before_s = 0.0

    def watch(self, name: str, pid: int) -> None:
        """Meter a process from now on; one of the same name is forgotten."""
        self._before.pop(name, None)
        with suppress(psutil.NoSuchProcess):
            self._processes[name] = psutil.Process(pid)
            self._seen[name] = _Reading(0.0, 0)

    def begin(self) -> None:
        """Take the first reading."""
        self._before_s, self._busy_before_s = time.monotonic(), _busy_s()
        self.look()
        self._before = {name: self._seen[name].cpu_s for name in self._processes}

    def look(self) -> Sequence[str]:
        """Take a reading in between, and return which processes have ended."""
        ended = []
        for name, process in self._processes.items():
            found = _read(process)
            if found is None:
                ended.append(name)
            else:
                self._seen[name] = found
        return ended

    def end(self) -> "Metered":
        """Take the last reading; nothing is told from now on of what has ended."""
        seconds = max(time.monotonic() - self._before_s, 1e-3)
        ended = self.look()
        used = {}
        for name in self._processes:
            spent_s = self._seen[name].cpu_s - self._before.get(name, 0.0)
            used[name] = {
                "cpu_s": spent_s,
                "cores": spent_s / seconds,
                "memory_bytes": float(self._seen[name].memory_bytes),
            }
        for name in ended:
            del self._processes[name]
        ours_s = sum(it["cpu_s"] for it in used.values())
        others_s = max(0.0, _busy_s() - self._busy_before_s - ours_s)
        used[ELSEWHERE] = {"cpu_s": others_s, "cores": others_s / seconds, "memory_bytes": 0.0}
        return Metered(used, ended, seconds)


class Metered(NamedTuple):
    """What was read between a beginning and an end.

    Args:
        used: By process: CPU seconds since the beginning, cores kept busy, and memory at the end.
        ended: Which processes were there no more.
        seconds: From the beginning to the end.
    """

    used: dict[str, dict[str, float]]
    ended: Sequence[str]
    seconds: float


class _Reading(NamedTuple):
    """What a process has used so far, and holds."""

    cpu_s: float
    memory_bytes: int


def _read(process: psutil.Process) -> _Reading | None:
    """Return what a process has used; None where it has ended."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        used = process.cpu_times()
        return _Reading(float(used.user + used.system), int(process.memory_info().rss))
    except psutil.NoSuchProcess:
        return None


def _busy_s() -> float:
    """Return the CPU seconds that all cores together have worked since the machine began."""
    times = psutil.cpu_times()
    # What a host takes from a machine that it lends counts as work; not every system tells it.
    names = ("user", "nice", "system", "irq", "softirq", "steal")
    return float(sum(getattr(times, name, 0.0) for name in names))


def stolen_s() -> float:
    """Return what a host has taken from all processors of this machine; 0 where none tells."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def raw_floors(port: int, clients: Sequence[int]) -> dict[str, Any]:
    """Measure the parts that no act can do without, on this machine, now.

    Args:
        port: Of a node at rest, whose empty handler is asked.
        clients: How many connections at once.
    """
    verify_us, insert_us, alone_us = verification_us(), insertion_us(), insertion_us(1)
    http = {}
    for count in clients:
        each = max(PINGS_A_CLIENT_MIN, PINGS // count)
        result = asyncio.run(blast(port, [[EMPTY] * each for _ in range(count)]))
        http[str(count)] = {
            "a_second": result.rate,
            "p50_ms": result.quantile_ms(0.5),
            "p99_ms": result.quantile_ms(0.99),
        }
    return {
        "verification_us": verify_us,
        "insertion_us": insert_us,
        "insertion_alone_us": alone_us,
        "commit_ms": fsync_ms(),
        "http_closed": http,
    }


def paced_floor(port: int, rate: float) -> Mapping[str, float]:
    """Measure an empty handler at a fixed rate, from intended start times as the acts are."""
    rate = max(rate, PACED_RATE_MIN)
    seconds = max(PACED_S, PACED_REQUESTS_MIN / rate)
    result = paced(port, [EMPTY], rate, seconds).blast
    return {"p50_ms": result.quantile_ms(0.5), "p99_ms": result.quantile_ms(0.99)}
