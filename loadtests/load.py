"""``make load``: real nodes, real HTTP, real signatures, and a report of what they can do.

Founds a network in a folder of its own, sets the scene, has locust go through the programme, and
writes ``report.html`` and ``report.json``. README.md says how to run the large ones.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from loadtests import report
from loadtests.arguments import PORT_MAX, above_zero, whole, wholes
from loadtests.counts import Counts
from loadtests.happenings import Happenings
from loadtests.machine import Meter, describe, paced_floor, raw_floors
from loadtests.network import CODES, Network
from loadtests.order import SHAPES, Order
from loadtests.programme import CLOSED_CLIENTS
from loadtests.scene import Scene, set_scene
from loadtests.stage import StageError

BASE_PORT: Final = 19_400
PORTS_A_REGION: Final = 3
"""For callers, for peers, and of a link that can be cut."""
LOOK_S: Final = 0.1
SILENT_S_MAX: Final = 120.0
LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; what cannot be run ends here, before anything is founded."""
    parser = argparse.ArgumentParser(
        prog="make load",
        description="Real nodes, real HTTP, real signatures, and a report of what they can do. "
        'Arguments are given as ARGS="--shape steady --rate 60"; loadtests/README.md says what '
        "the shapes are, and how to run the large ones.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--shape", choices=SHAPES, default="saturation", help="what load is made")
    regions_max = len(CODES)
    add("--regions", type=whole(1, regions_max), default=5, help=f"nodes, 1 to {regions_max}")
    each = "of each stage of saturation, of the whole of any other shape"
    add("--seconds", type=above_zero, default=8.0, help=each)
    rate = "turns a second, all regions together; saturation finds its own"
    add("--rate", type=above_zero, default=40.0, help=rate)
    clients = ",".join(map(str, CLOSED_CLIENTS))
    add("--clients", type=wholes(1, 4_096), default=clients, help="of the closed loops")
    add("--processes", type=whole(1, 256), default=1, help="that make the load")
    elsewhere = "wait for so many workers, started by hand"
    add("--workers-elsewhere", type=whole(0, 256), default=0, help=elsewhere)
    add("--base-port", type=whole(1, PORT_MAX), default=BASE_PORT, help="of the first node")
    add("--output", type=Path, default=Path("build/load"), help="folder of the report")
    given = parser.parse_args(words)
    if given.base_port + PORTS_A_REGION * given.regions > PORT_MAX:
        parser.error(f"--base-port {given.base_port} leaves too few ports for the regions")
    if given.shape == "cut" and given.regions == 1:
        parser.error("--shape cut needs two regions or more: one has no links")
    return given


class Told:
    """The events that the load processes write, as they come."""

    def __init__(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        self._path = path
        self._process = process

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give each event until the programme is over.

        Raises:
            StageError: The load ended, or fell silent, before it was through.
        """
        heard_s = time.monotonic()
        with self._path.open() as file:
            part = ""
            while True:
                part += file.readline()
                if part.endswith("\n"):
                    event = json.loads(part)
                    part, heard_s = "", time.monotonic()
                    yield event
                    if event["event"] == "over":
                        return
                    continue
                if self._process.poll() is not None:
                    raise StageError(f"the load ended with status {self._process.returncode}")
                if time.monotonic() - heard_s > SILENT_S_MAX:
                    raise StageError(f"the load has said nothing for {SILENT_S_MAX:.0f} s")
                time.sleep(LOOK_S)


def run(given: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run one load test and return what there is to report.

    Raises:
        StageError: The network or the load does not do what it should.
        OSError: The report cannot be written.
    """
    given.output.mkdir(parents=True, exist_ok=True)
    began, began_s = time.strftime("%Y-%m-%d %H:%M:%S %z"), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shouxin-load-") as folder:
        network = Network(
            Path(folder) / "network",
            CODES[: given.regions],
            given.base_port,
            can_cut=given.shape == "cut",
        )
        machine = describe()
        with console.status("founding the network and setting the scene"), network:
            scene = set_scene(network)
            console.print(f"{given.regions} regions, {len(scene.lent)} grants: the scene is set")
            floors = raw_floors(network.port(CODES[0]), given.clients)
            console.print(
                f"floors: one verification {floors['verification_us']:.0f} us, one commit "
                f"{floors['commit_ms']:.2f} ms"
            )
            events = Path(folder) / "events"
            events.touch()
            order = Order(
                shape=given.shape,
                seconds=given.seconds,
                rate=given.rate,
                clients=given.clients,
                scene=Path(folder) / "scene.json",
                events=events,
            )
            scene.write(order.scene)
            order.write(Path(folder) / "order.json")
            if given.workers_elsewhere:
                folder_of_workers = give_to_workers(given.output / "workers", order, scene)
                console.print(
                    f"waiting for {given.workers_elsewhere} workers, each with a copy of "
                    f"{folder_of_workers} (loadtests/README.md)"
                )
            before = _sizes(network, scene)
            happenings = Happenings(network, scene)
            stages, saturation = _load(given, network, happenings, Path(folder), console)
            for stage in stages:
                plan = stage["stage"]
                if plan["loop"] == "open":
                    stage["floor"] = paced_floor(network.port(CODES[0]), plan["rate"])
                else:
                    stage["floor"] = floors["http_closed"].get(str(plan["clients"]))
            disk = _disk(network, scene, before)
    return {
        "about": "a load test of real Shouxin nodes on one machine",
        "began": began,
        "took_s": time.monotonic() - began_s,
        "command": " ".join(["python -m loadtests.load", *sys.argv[1:]]),
        "machine": machine,
        "network": {"regions": list(network.regions), "database": "SQLite", "links": "loopback"},
        "shape": given.shape,
        "processes": given.processes,
        "floors": floors,
        "saturation": saturation,
        "stages": stages,
        "disk": disk,
        "happened": happenings.told,
    }


def give_to_workers(folder: Path, order: Order, scene: Scene) -> Path:
    """Write what workers elsewhere need into a folder that can be copied to them, and return it.

    There are tokens in it, so nobody else may read it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(scene.roster, folder / "genesis.roster")
    replace(scene, roster=Path("genesis.roster")).write(folder / "scene.json")
    beside = replace(order, scene=Path("scene.json"), events=Path("events"))
    beside.write(folder / "order.json")
    return folder


def _load(
    given: argparse.Namespace,
    network: Network,
    happenings: Happenings,
    folder: Path,
    console: Console,
) -> tuple[list[dict[str, Any]], float | None]:
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"]
    command += ["--only-summary", "--loglevel", "WARNING", "--stop-timeout", "5"]
    if given.workers_elsewhere:
        command += ["--master", "--expect-workers", str(given.workers_elsewhere)]
    elif given.processes > 1:
        command += ["--processes", str(given.processes)]
    meter = Meter()
    for region, node in network.processes.items():
        meter.watch(f"node {region}", node.pid)
    stages: list[dict[str, Any]] = []
    with (given.output / "locust.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, "SHOUXIN_LOAD_ORDER": str(folder / "order.json")},
        )
        meter.watch("load, locust", process.pid)
        try:
            name = ""
            with console.status("locust starts") as line:
                for event in Told(folder / "events", process):
                    match event["event"]:
                        case "process":
                            if event["pid"] != process.pid:
                                meter.watch(f"load {event['index']}", event["pid"])
                            meter.watch(f"auditor {event['index']}", event["auditor"])
                        case "begin":
                            meter.begin()
                            happenings.do(event["stage"]["happening"])
                            name = event["stage"]["name"]
                            line.update(f"{name}: begins")
                        case "tick":
                            line.update(
                                f"{name}: {event['turns_a_second']:.0f} turns a second, "
                                f"{event['failed']} failed"
                            )
                        case "end":
                            stages.append(_stage(event, meter.end()))
                            console.print(report.one_line(stages[-1]))
                        case "over":
                            process.wait(30)
                            return stages, event["saturation"]
                        case _:
                            raise AssertionError(f"no such event: {event}")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
    raise StageError("the load ended before it was through")


def _stage(event: Mapping[str, Any], used: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    counts = Counts()
    counts.merge(event["counts"])
    acts = counts.sums["acts in all"]
    nodes_s = sum(it["cpu_s"] for name, it in used.items() if name.startswith("node"))
    seconds = event["stage"]["seconds"] - event["stage"]["warm_s"]
    return {
        "stage": event["stage"],
        "measured": event["measured"],
        "acts_a_second": counts.sums["acts"] / seconds,
        "acts": {name: it.summary() for name, it in sorted(counts.acts.items())},
        "levels": {name: it.summary() for name, it in counts.levels.items()},
        "errors": dict(counts.errors.most_common()),
        "sums": dict(counts.sums),
        "processes": used,
        "cpu_ms_an_act": nodes_s * 1e3 / acts if acts else None,
    }


def _sizes(network: Network, scene: Scene) -> dict[str, tuple[int, int]]:
    """Return, by region, entries that its node stores of all logs, and bytes of its database."""
    sizes = {}
    for region in scene.offices:
        status = network.call(region, "GET", "/v1/status")
        others = [
            log.get("stored_size", 0)
            for origin, log in status["logs"].items()
            if origin != status["origin"]
        ]
        sizes[region] = (status["size"] + sum(others), network.database_bytes(region))
    return sizes


def _disk(
    network: Network, scene: Scene, before: Mapping[str, tuple[int, int]]
) -> dict[str, float]:
    after = _sizes(network, scene)
    entries = sum(after[region][0] - before[region][0] for region in after)
    grown = sum(after[region][1] - before[region][1] for region in after)
    return {
        "entries_stored": entries,
        "database_bytes_grown": grown,
        "bytes_an_entry_and_replica": grown / entries if entries else 0.0,
    }


def main() -> int:
    """Run what the command line says; the status is 1 where a proof or a receipt did not hold."""
    given = arguments()
    console = Console(stderr=True)
    try:
        found = run(given, console)
    except (StageError, OSError) as error:
        console.print(f"{error}", style="red")
        return 2
    page = report.write(found, given.output)
    console.print(f"report: {page}")
    bad = sum(
        stage["sums"].get(name, 0)
        for stage in found["stages"]
        for name in ("bad receipts", "bad proofs")
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
