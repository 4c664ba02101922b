"""What 100,000 live grants and up to a million cases in the database cost: rows of ``make bench``.

Two nodes run side by side, one with nothing but its own acts and one in whose database a crowd was
put (``loadtests.crowd``), and take turns, since the machine's speed drifts.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

from authz.calendar import day_of, day_text
from ledger.encoding import decode, encode
from ledger.statement import Act, Statement, sign_statement
from loadtests.ahead import ahead_of_others
from loadtests.crowd import WINDOWS, Crowd, fill
from loadtests.figure import Figure
from loadtests.floors import blast, request_bytes
from loadtests.half_load import first_time_ratio, full_rates, half_load
from loadtests.stage import Desk, Stage, StageError

BATCH: Final = 100
TURNS: Final = 24
TURN_STATEMENTS: Final = 500
WARMING_STATEMENTS: Final = 2_000
CHECKS: Final = 4_000
CHECKS_KNOWN: Final = 200
"""Questions that the windows of a few halls ask again and again between two commits."""
TRACED_ACTS: Final = 40
NUMBERS_FROM: Final = 5_000_000
FEW_CASES: Final = 100


def crowded(empty: Stage, full: Stage, desks: tuple[Desk, Desk], crowd: Crowd) -> Iterator[Figure]:
    """Fill a stopped node's database, start it again, and measure it beside an empty one."""
    region = crowd.desk.region
    full.stop(region)
    begin = time.perf_counter()
    fill(full.folder / region / "data" / "node.db", crowd)
    yield Figure("crowd: live grants", crowd.grants, "")
    yield Figure("crowd: cases", crowd.cases, "")
    yield Figure("crowd: time to fill the database", time.perf_counter() - begin, "s")
    full.start(region)
    full.wait(region)
    yield from _ingested(empty, full, desks)
    size = int(empty.call(region, "GET", "/v1/status")["size"])
    few = replace(crowd, desk=desks[0], grants=WINDOWS, cases=FEW_CASES, size=size)
    yield from _varied(empty, full, few, crowd)
    yield from _checked(full, crowd)
    yield from _traced(full, crowd.desk)
    yield from _month(full, crowd)
    yield Figure("crowd: node memory", full.memory_bytes(region) / 2**20, "MiB", 250.0)
    yield Figure("crowd: database", full.database_bytes(region) / 2**20, "MiB")


def _ingested(empty: Stage, full: Stage, desks: tuple[Desk, Desk]) -> Iterator[Figure]:
    """Give the rate of batch ingest of one window, by CPU, against that of the empty node."""
    alone, crowded_, ratio = compared(
        _Taking(empty, lambda _number: desks[0]), _Taking(full, lambda _number: desks[1]), "c"
    )
    yield Figure("crowd: batch ingest, CPU a statement", crowded_, "us", floors=alone)
    yield Figure("crowd: rate of batch ingest", ratio, "of empty", 0.9, least=True)


def _varied(empty: Stage, full: Stage, few: Crowd, crowd: Crowd) -> Iterator[Figure]:
    """Give the rate of batch ingest of all windows in turn, each case under another grant.

    The other node has as many windows, and one grant for each.
    """
    region = crowd.desk.region
    empty.stop(region)
    fill(empty.folder / region / "data" / "node.db", few)
    empty.start(region)
    empty.wait(region)
    alone, crowded_, ratio = compared(_Taking(empty, few.at), _Taking(full, crowd.at), "d")
    name = "crowd: batch ingest under all grants in turn"
    yield Figure(f"{name}, CPU a statement", crowded_, "us", floors=alone)
    yield Figure(f"{name}, rate", ratio, f"of {few.grants} grants")


class Taking(Protocol):
    """A node that takes statements in, as the comparison uses it."""

    def spent_us(self, names: str, first: int, count: int) -> float:
        """Return the CPU time for each of some cases that are opened."""


@dataclass(frozen=True, slots=True)
class _Taking:
    """A node that takes cases in, each at the desk that its number stands for."""

    stage: Stage
    desk_at: Callable[[int], Desk]

    def spent_us(self, names: str, first: int, count: int) -> float:
        """Return the CPU time for each of some cases that are opened."""
        now_s = int(time.time())  # noqa: TID251 - the load comes from outside
        numbers = range(first, first + count)
        made = [self.desk_at(it * 7_919).open_case(f"{names}-{it}", now_s) for it in numbers]
        region = self.desk_at(0).region
        before_s = self.stage.cpu_s(region)
        _sent(self.stage, region, made)
        return (self.stage.cpu_s(region) - before_s) * 1e6 / count


def compared(alone: Taking, crowded_: Taking, names: str) -> tuple[float, float, float]:
    """Return what a statement costs either node, and the rate of the second against the first.

    A processor that others share runs at half its speed for seconds on end. So turns are short,
    each node goes first in every other one, and the ratio is the median of the turns' own.
    """
    number = NUMBERS_FROM
    # What comes first warms code and caches.
    for node in (alone, crowded_):
        node.spent_us(names, number, WARMING_STATEMENTS)
    number += WARMING_STATEMENTS
    turns: list[tuple[float, float]] = []
    for turn in range(TURNS):
        order = (alone, crowded_) if turn % 2 else (crowded_, alone)
        first_us, second_us = (node.spent_us(names, number, TURN_STATEMENTS) for node in order)
        turns.append((first_us, second_us) if turn % 2 else (second_us, first_us))
        number += TURN_STATEMENTS
    ratio = statistics.median(alone_us / crowded_us for alone_us, crowded_us in turns)
    alone_us, crowded_us = (statistics.median(costs) for costs in zip(*turns, strict=True))
    return alone_us, crowded_us, ratio


def _sent(stage: Stage, region: str, statements: Sequence[Statement]) -> None:
    token = stage.tokens[region]
    requests = [
        request_bytes(
            "POST",
            "/v1/ingest",
            token=token,
            body=encode([made.entry for made in statements[at : at + BATCH]]),
            content_type="application/cbor",
        )
        for at in range(0, len(statements), BATCH)
    ]
    answered = asyncio.run(blast(stage.port(region), [requests])).expect(200)
    for body in answered.bodies:
        refused = [it for it in decode(body)["results"] if it[0]]
        if refused:
            raise StageError(f"a statement of the load was refused: {refused[0]}")


def _checked(stage: Stage, crowd: Crowd) -> Iterator[Figure]:
    """Measure ``check`` over grants spread over all of them, against an empty handler.

    Most questions were asked before since the last commit, and are answered from what was gathered
    then; the row of those that were not tells what gathering costs.
    """
    region = crowd.desk.region
    port, token = stage.port(region), stage.tokens[region]
    numbers = [at * 7_919 % crowd.grants for at in range(CHECKS)]
    checks = [
        request_bytes(
            "GET",
            f"/v1/check?window={crowd.window(it)}&right=intake&item={crowd.item(it)}",
            token=token,
        )
        for it in numbers
    ]
    answer = stage.call(region, "GET", checks[1].split()[1].decode())
    if answer["code"] != "allowed" and answer["grant"] is None:
        raise StageError(f"a grant of the crowd is not live: {answer}")

    known = checks[:CHECKS_KNOWN]
    with ahead_of_others([stage.processes[region].pid]):
        first = first_time_ratio(port, checks)
        h, rate = full_rates(port, known)
        yield Figure("crowd: check over HTTP", rate / h, "H", 0.4, least=True, floors=1.0)
        yield Figure("crowd: check, each question for the first time", first, "H")
        yield from half_load("crowd: check", port, known, rate)


def _traced(stage: Stage, desk: Desk) -> Iterator[Figure]:
    """Measure the trace of a case of forty acts, all of them signed and taken in."""
    now_s = int(time.time())  # noqa: TID251 - as above
    made = [desk.open_case("traced", now_s)]
    for number in range(1, TRACED_ACTS):
        act = Act("case.note", 1, made[-1].leaf, (), {"remark": f"{number}"})
        made.append(sign_statement(desk.key, desk.officer, made[0].subject, now_s, act))
    _sent(stage, desk.region, made)
    asked = _asked(stage, desk.region, f"/v1/cases/{made[0].subject}", 20)
    if len(asked.told["lines"]) != TRACED_ACTS:
        raise StageError(f"the trace has {len(asked.told['lines'])} lines")
    yield Figure(
        "crowd: trace of a case of 40 acts, p50", asked.took_ms, "ms", 50.0, floors=asked.least_ms
    )


def _month(stage: Stage, crowd: Crowd) -> Iterator[Figure]:
    """Measure the work ledger of the last whole month."""
    month = day_text(day_of(crowd.now_s) - 31)[:7]
    asked = _asked(stage, crowd.desk.region, f"/v1/workledger?month={month}", 5)
    if asked.told["total"]["decided"] < crowd.cases // 20:
        raise StageError(f"the work ledger does not count the crowd: {asked.told['total']}")
    took_s, least_s = asked.took_ms / 1e3, asked.least_ms / 1e3
    yield Figure("crowd: work ledger of a month, p50", took_s, "s", 2.0, floors=least_s)


class _Asked(NamedTuple):
    """How long answers took, and empty ones by the same client in between: medians of some."""

    took_ms: float
    least_ms: float
    told: dict[str, Any]


def _asked(stage: Stage, region: str, path: str, times: int) -> _Asked:
    """Ask some times over, and for nothing as often."""

    def taken(wanted: str) -> tuple[float, Any]:
        begin = time.perf_counter()
        told = stage.call(region, "GET", wanted)
        return (time.perf_counter() - begin) * 1e3, told

    with ahead_of_others([stage.processes[region].pid]):
        turns = [(taken(path), taken("/v1/ping")) for _ in range(times)]
    took_ms, least_ms = (
        statistics.median(took for took, _told in each) for each in zip(*turns, strict=True)
    )
    return _Asked(took_ms, least_ms, turns[-1][0][1])
