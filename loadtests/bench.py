"""``make bench``: every figure the project promises, as a ratio to floors measured in the same run.

V is the CPU time of one raw Ed25519 verification of a 600-byte statement. H is the rate of an empty
handler of the node's own application. Prints a table and writes ``build/bench.json``.
"""

import argparse
import asyncio
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from ledger.hashing import hash_leaf
from ledger.proofs import check_inclusion, prove_inclusion
from ledger.statement import Statement, decode_statement, verify_statement
from ledger.tiles import (
    TILE_WIDTH,
    decode_entry_bundle,
    entries_path,
    read_nodes,
    tile_path,
)
from loadtests.ahead import ahead_of_others
from loadtests.arguments import PORT_MAX, whole
from loadtests.crowd import Crowd
from loadtests.crowded import crowded
from loadtests.figure import Figure
from loadtests.five import FIVE, gathering, latency
from loadtests.floors import (
    EMPTY,
    Floors,
    LoadError,
    blast,
    cpu_us,
    fsync_ms,
    insertion_us,
    request_bytes,
    verification_us,
)
from loadtests.half_load import full_rates, half_load
from loadtests.ingesting import BATCH, ingest, ingest_requests, statements
from loadtests.joining import joining
from loadtests.sealing import sealing
from loadtests.simulating import simulating
from loadtests.stage import Desk, Stage, StageError, make_desk

BASE_PORT: Final = 18_400
PORTS: Final = 110
"""From the first port of the first node to the last of the last one."""
ROWS: Final = ("ingest", "check", "acts", "crowd")
OUTPUT: Final = Path("build/bench.json")


def emptiness(stage: Stage, region: str, floors: Floors) -> Iterator[Figure]:
    """Measure what an empty request costs the node."""
    before = stage.cpu_s(region)
    result = asyncio.run(blast(stage.port(region), [[EMPTY] * 500 for _ in range(8)]))
    count = len(result.expect(204).latencies_s)
    floors.request_us = (stage.cpu_s(region) - before) * 1e6 / count
    alone = asyncio.run(blast(stage.port(region), [[EMPTY] * 200]))
    floors.request_ms = alone.quantile_ms(0.5)
    yield Figure("floor: an empty request, CPU", floors.request_us / floors.verify_us, "V")


def parsing(floors: Floors, desk: Desk) -> Iterator[Figure]:
    """Measure what one statement costs to parse and verify."""
    made = statements(desk, 0, 1)[0]
    yield Figure("statement size", len(made.entry), "bytes")
    parse_us, both_us, v_us = (
        statistics.median(turns)
        for turns in zip(*(_in_turn(made, desk) for _ in range(7)), strict=True)
    )
    floors.parse_us = parse_us / v_us * floors.verify_us
    yield Figure("floor: parse a statement", parse_us / v_us, "V")
    yield Figure(
        "parse and verify a statement", both_us / v_us, "V", 1.6, floors=1 + parse_us / v_us
    )


def _in_turn(made: Statement, desk: Desk) -> tuple[float, float, float]:
    """Return what parsing, both, and V take right after one another: the machine's speed drifts."""
    entry, public = made.entry, desk.key.public
    return (
        cpu_us(lambda: decode_statement(entry), 200, 1),
        cpu_us(lambda: verify_statement(decode_statement(entry), public), 200, 1),
        verification_us(200, 1),
    )


def checking(stage: Stage, desk: Desk) -> Iterator[Figure]:
    """Measure ``check`` over HTTP against an empty handler of the same application."""
    port, token = stage.port(desk.region), stage.tokens[desk.region]
    path = f"/v1/check?window={desk.window}&right=intake&item={desk.item}"
    check = request_bytes("GET", path, token=token)
    with ahead_of_others([stage.processes[desk.region].pid]) as is_ahead:
        h, rate = full_rates(port, [check])
        yield Figure("floor: H, an empty handler", h, "/s")
        yield Figure("check over HTTP", rate / h, "H", 0.4, least=True, floors=1.0)
        yield Figure("check, answers a second", rate, "/s")
        yield Figure("check, run ahead of all other work", is_ahead, "1: yes")
        yield from half_load("check", port, [check], rate)


def growth(floors: Floors, stage: Stage, desk: Desk, start: int, total: int) -> Iterator[Figure]:
    """Measure what a log of ``total`` entries costs in memory and on disk, and to prove from."""
    port, token = stage.port(desk.region), stage.tokens[desk.region]
    memory_before = stage.memory_bytes(desk.region)
    size = int(stage.call(desk.region, "GET", "/v1/status")["size"])
    added = bytes_added = 0
    number = start
    while size < total:
        made = statements(desk, number, 5_000)
        number += len(made)
        bytes_added += sum(len(it.entry) for it in made)
        added += len(made)
        asyncio.run(blast(port, [ingest_requests(made, token, BATCH)])).expect(200)
        size = int(stage.call(desk.region, "GET", "/v1/status")["size"])
    yield Figure("entries in the log", size, "")
    memory = stage.memory_bytes(desk.region)
    yield Figure("node memory", memory / 2**20, "MiB", 150.0)
    yield Figure(
        "node memory, grown over the last entries", (memory - memory_before) / 2**20, "MiB"
    )
    mean = bytes_added / max(added, 1)
    yield Figure(
        "database against statements",
        stage.database_bytes(desk.region) / (mean * size),
        "x",
        1.9,
        floors=1.0,
    )
    reads, milliseconds = _prove(stage, desk.region, size)
    yield Figure("tiles read for one proof", reads, "", 2 * math.ceil(math.log2(size)))
    yield Figure(
        "a proof made from tiles over HTTP, p50",
        milliseconds,
        "ms",
        floors=reads * floors.request_ms,
    )


def _prove(stage: Stage, region: str, size: int) -> tuple[int, float]:
    """Make inclusion proofs from a log's tiles, as any reader can; return most reads and p50 ms."""
    reads: list[int] = []
    latencies_ms: list[float] = []
    root = bytes.fromhex(stage.call(region, "GET", "/v1/status")["root"])
    for step in range(25):
        index = step * (size // 25)
        fetched = 0

        def fetch(wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
            nonlocal fetched
            fetched += len(wanted)
            return {
                (level, tile): stage.fetch(
                    region, f"/log/{tile_path(level, tile, tile_width(level, tile, size))}"
                )
                for level, tile in wanted
            }

        begin = time.perf_counter()
        proof = prove_inclusion(index, size, read_nodes(fetch))
        latencies_ms.append((time.perf_counter() - begin) * 1e3)
        entry = decode_entry_bundle(
            stage.fetch(
                region, f"/log/{entries_path(index // 256, tile_width(0, index // 256, size))}"
            ),
            tile_width(0, index // 256, size),
        )[index % 256]
        check_inclusion(index, size, hash_leaf(entry), proof, root)
        reads.append(fetched)
    return max(reads), sorted(latencies_ms)[12]


def tile_width(level: int, tile: int, size: int) -> int:
    """Return how many hashes a tile holds in a tree of ``size``."""
    return min((size >> (8 * level)) - tile * TILE_WIDTH, TILE_WIDTH)


def crowding(empty: Stage, full: Stage, desk: Desk, cases: int, grants: int) -> Iterator[Figure]:
    """Measure a node whose database holds a province's grants and cases, beside an empty one."""
    size = int(full.call(desk.region, "GET", "/v1/status")["size"])
    now_s = int(time.time())  # noqa: TID251 - the load comes from outside, on the world's own clock
    crowd = Crowd(desk=desk, grants=grants, cases=cases, size=size, now_s=now_s)
    return crowded(empty, full, (make_desk(empty, desk.region), desk), crowd)


def _show(figures: Sequence[Figure]) -> None:
    table = Table(title="Shouxin bench", title_justify="left")
    for name in ("figure", "value", "unit", "target", "", "x floors"):
        table.add_column(name, justify="left" if name in {"figure", "unit", ""} else "right")
    for figure in figures:
        target = (
            "" if figure.target is None else f"{'≥' if figure.least else '≤'} {figure.target:g}"
        )
        verdict = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.met]
        if not figure.is_measurable:
            verdict = "[yellow]not measurable here now[/]"
        floors = "" if figure.floors is None else f"{figure.value / figure.floors:.2f}"
        table.add_row(figure.name, f"{figure.value:,.2f}", figure.unit, target, verdict, floors)
    Console(width=110).print(table)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Every figure the project promises, as a ratio to floors measured in the same "
        f"run. Prints a table, and writes {OUTPUT} if all rows are measured. The status is 1 where "
        "a target is missed.",
    )
    add, many = parser.add_argument, whole(1, 10_000_000)
    add("--entries", type=many, default=100_000, help="size the log is grown to (%(default)s)")
    add("--grants", type=many, default=100_000, help="live grants of the crowd (%(default)s)")
    add("--cases", type=many, default=100_000, help="cases of the crowd (%(default)s)")
    add("--full", action="store_true", help="a crowd of a million cases")
    ports = "of the first node; they take 110 from it on (%(default)s)"
    add("--base-port", type=whole(1, PORT_MAX - PORTS), default=BASE_PORT, help=ports)
    add("--only", choices=ROWS, help="only these rows; writes no file")
    given = parser.parse_args(words)
    if given.full:
        given.cases = 1_000_000
    return given


def _one_region(
    folder: Path,
    given: argparse.Namespace,
    floors: Floors,
    take: Callable[[Callable[[], Iterator[Figure]]], None],
) -> None:
    with Stage(folder / "one", FIVE[:1], given.base_port) as stage:
        desk = make_desk(stage, FIVE[0])
        take(lambda: emptiness(stage, FIVE[0], floors))
        if given.only in {None, "ingest"}:
            take(lambda: parsing(floors, desk))
            take(lambda: ingest(floors, stage, desk))
        if given.only in {None, "check"}:
            take(lambda: checking(stage, desk))
        if given.only in {None, "crowd"}:
            take(lambda: growth(floors, stage, desk, 1_000_000, given.entries))
            with Stage(folder / "empty", FIVE[:1], given.base_port + 50) as empty:
                take(lambda: crowding(empty, stage, desk, given.cases, given.grants))


def _main() -> None:
    given = arguments()
    figures: list[Figure] = []

    def take(more: Callable[[], Iterator[Figure]]) -> None:
        for figure in more():
            figures.append(figure)
            print(f"  {figure.name}: {figure.value:,.2f} {figure.unit}", file=sys.stderr)  # noqa: T201

    floors = Floors(verification_us(), insertion_us(), fsync_ms())
    figures += [
        Figure("floor: V, one raw verification", floors.verify_us, "us"),
        Figure(
            "floor: one row inserted, 100 a transaction", floors.insert_us / floors.verify_us, "V"
        ),
        Figure("floor: one small durable transaction", floors.fsync_ms, "ms"),
    ]
    is_whole = given.only is None
    try:
        if is_whole:
            take(sealing)
            take(joining)
            take(simulating)
        with tempfile.TemporaryDirectory() as folder:
            if given.only != "acts":
                _one_region(Path(folder), given, floors, take)
            if given.only in {None, "acts"}:
                with Stage(Path(folder) / "five", FIVE, given.base_port + 100) as stage:
                    take(lambda: latency(stage, floors))
                    take(lambda: gathering(stage))
    except (StageError, LoadError) as error:
        sys.exit(f"{error}")
    _show(figures)
    if is_whole:
        OUTPUT.parent.mkdir(exist_ok=True)
        rows = [{**asdict(figure), "met": figure.met} for figure in figures]
        OUTPUT.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    sys.exit(0 if all(figure.met is not False for figure in figures) else 1)


if __name__ == "__main__":
    _main()
