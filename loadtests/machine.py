"""What the machine is, what its processes use, and what raw parts of the work cost on it."""

import asyncio
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from loadtests.floors import EMPTY, blast, fsync_ms, insertion_us, verification_us
from loadtests.pacing import paced

PINGS: Final = 600
PACED_S: Final = 1.5
PACED_REQUESTS_MIN: Final = 5


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


ELSEWHERE: Final = "elsewhere"
"""What all other processes of the machine took: it is not ours, and was not there for ours."""


class Meter:
    """CPU and memory of named processes between two readings, and what all the others took."""

    def __init__(self) -> None:
        self._processes: dict[str, psutil.Process] = {}
        self._before: dict[str, float] = {}
        self._before_s = 0.0
        self._busy_before_s = 0.0

    def watch(self, name: str, pid: int) -> None:
        """Meter a process from now on."""
        self._processes[name] = psutil.Process(pid)

    def begin(self) -> None:
        """Take the first reading."""
        self._before_s, self._busy_before_s = time.monotonic(), _busy_s()
        self._before = {name: _cpu_s(it) for name, it in self._processes.items()}

    def end(self) -> dict[str, dict[str, float]]:
        """Return, by process, CPU seconds since ``begin``, cores kept busy, and memory now."""
        seconds = max(time.monotonic() - self._before_s, 1e-3)
        used = {}
        for name, process in self._processes.items():
            spent_s = _cpu_s(process) - self._before.get(name, 0.0)
            used[name] = {
                "cpu_s": spent_s,
                "cores": spent_s / seconds,
                "memory_bytes": float(process.memory_info().rss),
            }
        ours_s = sum(it["cpu_s"] for it in used.values())
        others_s = max(0.0, _busy_s() - self._busy_before_s - ours_s)
        used[ELSEWHERE] = {"cpu_s": others_s, "cores": others_s / seconds, "memory_bytes": 0.0}
        return used


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


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
        each = max(2, PINGS // count)
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
    seconds = max(PACED_S, PACED_REQUESTS_MIN / rate)
    result = paced(port, [EMPTY], rate, seconds).blast
    return {"p50_ms": result.quantile_ms(0.5), "p99_ms": result.quantile_ms(0.99)}
