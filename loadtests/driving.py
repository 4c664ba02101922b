"""How a load test has locust go through its programme: begun, listened to, metered, and ended."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console

from loadtests import report
from loadtests.counts import Counts
from loadtests.happenings import Happenings
from loadtests.machine import Meter, Metered
from loadtests.network import HOST, Network
from loadtests.order import Order
from loadtests.stage import StageError

LOOK_S: Final = 0.1
SILENT_S_MAX: Final = 120.0
END_S_MAX: Final = 30
_is_error: Final = re.compile(r"\w*(Error|Exception): ").match
LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")


@dataclass(slots=True)
class Driven:
    """What came of a programme.

    Args:
        stages: Those that were gone through, as the report has them.
        saturation: What the search came to, as a map; None where none was looked for.
        cut_short: Why it ended before it was through; empty where it did not.
        ended: Processes that ended before they should have, and the stage in which they did.
    """

    stages: list[dict[str, Any]] = field(default_factory=list)
    saturation: dict[str, Any] | None = None
    cut_short: str = ""
    ended: dict[str, str] = field(default_factory=dict)


class Told:
    """The events that the load processes write, as they come.

    Args:
        silent_s_max: How long they may say nothing before the first.
    """

    def __init__(
        self, path: Path, process: subprocess.Popen[bytes], silent_s_max: float = SILENT_S_MAX
    ) -> None:
        self._path = path
        self._process = process
        self._silent_s_max = silent_s_max

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give each event until the programme is over.

        Raises:
            StageError: The load ended, or fell silent, before it was through.
        """
        heard_s, silent_s_max = time.monotonic(), self._silent_s_max
        with self._path.open() as file:
            part = ""
            while True:
                part += file.readline()
                if part.endswith("\n"):
                    event = json.loads(part)
                    part, heard_s, silent_s_max = "", time.monotonic(), SILENT_S_MAX
                    yield event
                    if event["event"] == "over":
                        return
                    continue
                if (status := self._process.poll()) is not None:
                    raise StageError(f"the load ended with status {status} before it was through")
                if time.monotonic() - heard_s > silent_s_max:
                    raise StageError(f"the load has said nothing for {silent_s_max:.0f} s")
                time.sleep(LOOK_S)


def drive(
    order: Order,
    network: Network,
    happenings: Happenings,
    *,
    ways: Sequence[str],
    is_awaited: bool,
    log: Path,
    console: Console,
) -> Driven:
    """Have locust go through the programme of an order.

    Whoever interrupts us ends the stage that is under way, and has what was measured until then;
    whoever does so twice has nothing.

    Args:
        order: What is to be done.
        network: Whose nodes are metered.
        happenings: What is done to it as stages begin.
        ways: What locust is told beside the programme: how many processes there are, and where.
        is_awaited: Whether workers are started by hand, which takes as long as it takes.
        log: Where locust writes what it has to say.
        console: Where whoever looks on is told how far it is.

    Raises:
        KeyboardInterrupt: We were interrupted twice.
    """
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"]
    command += ["--only-summary", "--loglevel", "WARNING", "--stop-timeout", "5", *ways]
    meter, driven = Meter(), Driven()
    for region, node in network.processes.items():
        meter.watch(f"node {region}", node.pid)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**os.environ, "SHOUXIN_LOAD_ORDER": str(order.file)},
            # Whoever interrupts us at a terminal is not to end it as well.
            process_group=0,
        )
        meter.watch("load, locust", process.pid)
        try:
            told = Told(order.events, process, float("inf") if is_awaited else SILENT_S_MAX)
            with _enough_when_interrupted(order, console), console.status("locust starts") as line:
                for event in told:
                    match event["event"]:
                        case "process":
                            if event["pid"] != process.pid:
                                meter.watch(f"load {event['index']}", event["pid"])
                            meter.watch(f"auditor {event['index']}", event["auditor"])
                        case "begin":
                            meter.begin()
                            happenings.do(event["stage"]["happening"])
                            line.update(f"{event['stage']['name']}: begins")
                        case "tick":
                            meter.look()
                            line.update(
                                f"{event['stage']}: {event['turns_a_second']:.0f} turns a second, "
                                f"{event['failed']} failed"
                            )
                        case "end":
                            metered = meter.end()
                            driven.stages.append(_stage(event, metered))
                            driven.ended |= dict.fromkeys(metered.ended, event["stage"]["name"])
                            console.print(report.one_line(driven.stages[-1]))
                        case "over":
                            driven.saturation = event["saturation"]
                            driven.cut_short = event["cut_short"]
                            process.wait(END_S_MAX)
                        case _:
                            raise AssertionError(f"no such event: {event}")
        except (StageError, OSError) as error:
            driven.cut_short = "; ".join(filter(None, (str(error), last_error(log))))
        finally:
            _end(process)
    return driven


@contextmanager
def _enough_when_interrupted(order: Order, console: Console) -> Iterator[None]:
    """Ask the load to end its stage when we are interrupted.

    Where no stage has begun, and the second time, there is nothing to wait for.
    """

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        if order.enough.exists() or order.events.stat().st_size == 0:
            raise KeyboardInterrupt
        order.enough.touch()
        console.print("this stage is the last; interrupt once more to have no report")

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def last_error(log: Path) -> str:
    """Return the last error that a log tells of, and where it stands; empty where there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.strip() for line in lines if _is_error(line)]
    return f"{errors[-1]} ({log.name})" if errors else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ways(processes: int, workers_elsewhere: int, port: int) -> list[str]:
    """Return what locust is told of how many processes there are.

    The master listens for them on the loopback interface alone: who can talk to it can have it do
    what they like.

    Args:
        processes: That locust begins itself.
        workers_elsewhere: For whom it waits instead.
        port: Where it listens for processes of its own.
    """
    if workers_elsewhere:
        found = ["--master", "--expect-workers", str(workers_elsewhere)]
        return [*found, "--master-bind-host", HOST]
    if processes > 1:
        found = ["--processes", str(processes), "--master-host", HOST, "--master-port", str(port)]
        return [*found, "--master-bind-host", HOST, "--master-bind-port", str(port)]
    return []


def _stage(event: Mapping[str, Any], metered: Metered) -> dict[str, Any]:
    counts = Counts()
    counts.merge(event["counts"])
    acts = counts.sums["acts in all"]
    nodes_s = sum(it["cpu_s"] for name, it in metered.used.items() if name.startswith("node"))
    seconds = event["stage"]["seconds"] - event["stage"]["warm_s"]
    return {
        "stage": event["stage"],
        "measured": event["measured"],
        "acts_a_second": counts.sums["acts"] / seconds,
        "acts": {name: it.summary() for name, it in sorted(counts.acts.items())},
        "levels": {name: it.summary() for name, it in counts.levels.items()},
        "errors": dict(counts.errors.most_common()),
        "sums": dict(counts.sums),
        "accepted_at": dict(sorted(counts.accepted_at.items())),
        "processes": metered.used,
        "metered_s": metered.seconds,
        "cpu_ms_an_act": nodes_s * 1e3 / acts if acts else None,
    }
