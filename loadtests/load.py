"""``make load``: real nodes, real HTTP, real signatures, and a report of what they can do.

Founds a network in a folder of its own, sets the scene, has locust go through the programme, and
writes ``report.html`` and ``report.json``. README.md says how to run the large ones.
"""

import argparse
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console

from loadtests import report
from loadtests.arguments import PORT_MAX, above_zero, whole, wholes
from loadtests.driving import Driven, drive, ways
from loadtests.happenings import Happenings
from loadtests.machine import code, describe, paced_floor, raw_floors
from loadtests.network import CODES, Network
from loadtests.order import SHAPES, SHORTEST, Order
from loadtests.programme import CLOSED_CLIENTS
from loadtests.recorded import compare, missing, recorded
from loadtests.scene import Scene, set_scene
from loadtests.stage import StageError, check_free

BASE_PORT: Final = 19_400
PORTS_A_REGION: Final = 3
"""For callers, for peers, and of a link that can be cut; one more is for the load's processes."""
MASTER_PORT: Final = 5_557
"""Where locust's master listens for workers elsewhere, who know it by that."""
RATE: Final = 40.0
RATE_MAX: Final = 100_000.0
SECONDS_MAX: Final = 7 * 86_400.0
TURNS_MAX: Final = 20_000_000
"""Of a stage: all its starts are drawn before it begins."""
STAGE_S_MIN: Final = 2.0
"""Of a stage; in its first second nothing is measured."""
NOT_HELD: Final = 1
NOT_TO_ITS_END: Final = 2
INTERRUPTED: Final = 130
"""As a shell has it."""


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
    add("--seconds", type=above_zero(SECONDS_MAX), default=8.0, help=each)
    rate = f"turns a second, all regions together (default: {RATE:g}); saturation finds its own"
    add("--rate", type=above_zero(RATE_MAX), default=argparse.SUPPRESS, help=rate)
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
    least_s = STAGE_S_MIN / SHORTEST[given.shape]
    if given.seconds < least_s:
        parser.error(f"--seconds of {given.shape} are {least_s:g} or more: a stage needs some")
    if given.shape == "saturation" and "rate" in given:
        parser.error("--rate is for the other shapes: saturation finds its own")
    given.rate = getattr(given, "rate", RATE)
    if (turns := given.rate * given.seconds * SHORTEST[given.shape]) > TURNS_MAX:
        parser.error(f"a stage would be {turns:,.0f} turns, and {TURNS_MAX:,} are the most")
    if given.workers_elsewhere and given.processes > 1:
        parser.error("the load is made by --processes here or by --workers-elsewhere, not by both")
    if given.shape == "cut" and given.regions == 1:
        parser.error("--shape cut needs two regions or more: one has no links")
    return given


def run(given: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run one load test and return what there is to report.

    Raises:
        StageError: Nothing was measured.
        OSError: A port is taken, or something cannot be written.
        sqlite3.Error: The disk is full as the floors are measured.
        KeyboardInterrupt: We were interrupted, and nothing was measured or is wanted.
    """
    given.output.mkdir(parents=True, exist_ok=True)
    began, began_s = time.strftime("%Y-%m-%d %H:%M:%S %z"), time.monotonic()
    port = given.base_port + PORTS_A_REGION * given.regions
    check_free([MASTER_PORT] if given.workers_elsewhere else [port] * (given.processes > 1))
    with tempfile.TemporaryDirectory(prefix="shouxin-load-") as folder:
        network = Network(
            Path(folder) / "network",
            CODES[: given.regions],
            given.base_port,
            can_cut=given.shape == "cut",
        )
        machine = describe()
        with ExitStack() as stack:
            with console.status("founding the network and setting the scene"):
                stack.enter_context(network)
                scene = set_scene(network)
            console.print(f"{given.regions} regions, {len(scene.lent)} grants: the scene is set")
            floors = raw_floors(network.port(CODES[0]), given.clients)
            console.print(
                f"floors: one verification {floors['verification_us']:.0f} us, one commit "
                f"{floors['commit_ms']:.2f} ms"
            )
            order = _ordered(given, Path(folder), scene, console)
            before = _sizes(network, scene)
            happenings = Happenings(network, scene)
            driven = drive(
                order,
                network,
                happenings,
                ways=ways(given.processes, given.workers_elsewhere, port),
                is_awaited=given.workers_elsewhere > 0,
                log=given.output / "locust.log",
                console=console,
            )
            if not driven.stages:
                raise StageError(driven.cut_short or "the load was over before it began")
            _add_floors(driven, network, floors["http_closed"])
            disk = _disk(network, scene, before)
            compared = compare(driven.stages, recorded(network, scene))
            kept = _logs_of_ended_nodes(network, given.output)
            when = dict.fromkeys(kept, "a stage that was not finished") | driven.ended
            ended = [f"{who} ended in {stage}{kept.get(who, '')}" for who, stage in when.items()]
    return {
        "about": "a load test of real Shouxin nodes on one machine",
        "began": began,
        "took_s": time.monotonic() - began_s,
        "command": " ".join(["python -m loadtests.load", *sys.argv[1:]]),
        "code": code(),
        "machine": machine,
        "network": {"regions": list(network.regions), "database": "SQLite", "links": "loopback"},
        "shape": given.shape,
        "processes": given.processes,
        "floors": floors,
        "saturation": driven.saturation and driven.saturation["rate"],
        "search": driven.saturation,
        "stages": driven.stages,
        "disk": disk,
        "recorded": compared,
        "happened": happenings.told,
        "cut_short": driven.cut_short,
        "ended": ended,
    }


def _ordered(given: argparse.Namespace, folder: Path, scene: Scene, console: Console) -> Order:
    """Write down what is to be done, for all who do it."""
    events = folder / "events"
    events.touch()
    order = Order(
        shape=given.shape,
        seconds=given.seconds,
        rate=given.rate,
        clients=given.clients,
        scene=folder / "scene.json",
        events=events,
    )
    scene.write(order.scene)
    order.write(order.file)
    if given.workers_elsewhere:
        folder_of_workers = give_to_workers(given.output / "workers", order, scene)
        console.print(
            f"waiting for {given.workers_elsewhere} workers, each with a copy of "
            f"{folder_of_workers} (loadtests/README.md)"
        )
    return order


def _add_floors(
    driven: Driven, network: Network, closed: Mapping[str, Mapping[str, float]]
) -> None:
    """Put beside each stage what an empty handler takes: as many clients, or the same rate.

    Whoever interrupts us here has waited long enough, and has a report of what was measured.
    """
    for stage in driven.stages:
        stage["floor"] = None
    try:
        _measure_floors(driven, network, closed)
    except KeyboardInterrupt:
        told = "it was interrupted as the floors were measured"
        driven.cut_short = "; ".join(filter(None, (driven.cut_short, told)))


def _measure_floors(
    driven: Driven, network: Network, closed: Mapping[str, Mapping[str, float]]
) -> None:
    living = [it for it, process in network.processes.items() if process.poll() is None]
    for stage in driven.stages:
        plan = stage["stage"]
        if plan["loop"] == "closed":
            stage["floor"] = closed.get(str(plan["clients"]))
        elif living:
            with suppress(OSError):
                stage["floor"] = paced_floor(network.port(living[0]), plan["rate"])


def _logs_of_ended_nodes(network: Network, folder: Path) -> dict[str, str]:
    """Keep what nodes said that have ended by themselves, and tell how and where."""
    told = {}
    for region, process in network.processes.items():
        if process.poll() is not None:
            kept = folder / f"node-{region}.log"
            shutil.copy(network.log_of(region), kept)
            told[f"node {region}"] = f", status {process.returncode}; its log is {kept.name}"
    return told


def give_to_workers(folder: Path, order: Order, scene: Scene) -> Path:
    """Write what workers elsewhere need into a folder that can be copied to them, and return it.

    There are tokens in it, so nobody else may read it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(scene.roster, folder / "genesis.roster")
    replace(scene, roster=Path("genesis.roster")).write(folder / "scene.json")
    beside = replace(order, scene=Path("scene.json"), events=Path("events"))
    beside.write(folder / order.file.name)
    return folder


class _Size(NamedTuple):
    """What a node stores: entries of all logs, what its database holds, and what that takes."""

    entries: int
    content_bytes: int
    files_bytes: int


def _sizes(network: Network, scene: Scene) -> dict[str, _Size]:
    """Return what each region's node stores; nothing of one that does not answer."""
    sizes = {}
    for region in scene.offices:
        try:
            status = network.call(region, "GET", "/v1/status")
        except (OSError, StageError):
            continue
        others = [
            log.get("stored_size", 0)
            for origin, log in status["logs"].items()
            if origin != status["origin"]
        ]
        sizes[region] = _Size(
            status["size"] + sum(others),
            network.content_bytes(region),
            network.database_bytes(region),
        )
    return sizes


def _disk(network: Network, scene: Scene, before: Mapping[str, _Size]) -> dict[str, float]:
    after = _sizes(network, scene)
    entries, content, files = (
        sum(after[region][at] - before[region][at] for region in after)
        for at in range(len(_Size._fields))
    )
    return {
        "entries_stored": entries,
        "database_bytes_grown": content,
        "files_bytes_grown": files,
        "bytes_an_entry_and_replica": content / entries if entries else 0.0,
    }


def main() -> int:
    """Run what the command line says.

    The status is 1 where a proof or a receipt did not hold, or an act that was answered as accepted
    is in no log; 2 where it was not gone through to its end by all who were to be there.
    """
    given = arguments()
    console = Console(stderr=True)
    # Whoever ends us otherwise than at a terminal wants no more either, and no folder left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        found = run(given, console)
    except (StageError, OSError, sqlite3.Error) as error:
        console.print(f"{error}", style="red")
        return NOT_TO_ITS_END
    except KeyboardInterrupt:
        console.print("interrupted; there is no report", style="red")
        return INTERRUPTED
    for one in filter(None, (found["cut_short"], *found["ended"])):
        console.print(f"not to its end: {one}", style="red")
    page = report.write(found, given.output)
    console.print(f"report: {page}")
    bad = sum(
        stage["sums"].get(name, 0)
        for stage in found["stages"]
        for name in ("bad receipts", "bad proofs")
    )
    if bad or missing(found["recorded"]):
        return NOT_HELD
    return NOT_TO_ITS_END if found["cut_short"] or found["ended"] else 0


if __name__ == "__main__":
    sys.exit(main())
