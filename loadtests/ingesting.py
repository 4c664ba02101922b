"""Statements that windows have signed, over HTTP: in batches, and one a request.

Figures are medians of short turns, each with V measured right before and after it: what a fast
second of the machine does, or a slow one, is then in both.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Final

from ledger.encoding import encode
from ledger.statement import Statement
from loadtests.ahead import ahead_of_others
from loadtests.figure import Figure
from loadtests.floors import Blast, Floors, blast, request_bytes, verification_us
from loadtests.stage import Desk, Stage

BATCH: Final = 100
SINGLE_CONNECTIONS: Final = 64
WARM: Final = 200
TURNS: Final = 9
TURN_BATCHES: Final = 10
TURN_SINGLES: Final = 24
"""Of each connection, so that opening it counts for little."""


def statements(desk: Desk, start: int, count: int) -> list[Statement]:
    """Return signed statements, each of which opens a case."""
    now_s = int(time.time())  # noqa: TID251 - the load comes from outside, on the world's own clock
    return [desk.open_case(f"b-{number}", now_s) for number in range(start, start + count)]


def ingest_requests(made: Sequence[Statement], token: str, size: int) -> list[bytes]:
    """Return the requests that bring statements, so many each."""
    return [
        request_bytes(
            "POST",
            "/v1/ingest",
            token=token,
            body=encode([it.entry for it in made[at : at + size]]),
            content_type="application/cbor",
        )
        for at in range(0, len(made), size)
    ]


def ingest(floors: Floors, stage: Stage, desk: Desk) -> Iterator[Figure]:
    """Measure ingest in batches of 100, then singly over 64 connections."""
    token = stage.tokens[desk.region]
    # Statements are signed before the clock starts; a small round first warms code and caches.
    warm = ingest_requests(statements(desk, 0, WARM), token, BATCH)
    asyncio.run(blast(stage.port(desk.region), [warm]))
    each = BATCH * TURN_BATCHES
    batches = ingest_requests(statements(desk, WARM, TURNS * each), token, BATCH)
    parts_us = floors.verify_us + floors.parse_us + floors.insert_us
    spent, rate = _in_turns(stage, desk, each, [[batches[at::TURNS]] for at in range(TURNS)])
    yield Figure(
        "batch ingest, CPU a statement",
        spent,
        "V",
        4.0,
        floors=(parts_us + floors.request_us / BATCH) / floors.verify_us,
    )
    yield Figure("batch ingest, statements a second", rate * BATCH, "/s")

    each = SINGLE_CONNECTIONS * TURN_SINGLES
    singles = ingest_requests(statements(desk, 100_000, TURNS * each), token, 1)
    shares = [singles[at::SINGLE_CONNECTIONS] for at in range(SINGLE_CONNECTIONS)]
    spent, rate = _in_turns(
        stage, desk, each, [[share[at::TURNS] for share in shares] for at in range(TURNS)]
    )
    yield Figure(
        "single ingest at 64 connections, CPU a statement",
        spent,
        "V",
        10.0,
        floors=(parts_us + floors.request_us) / floors.verify_us,
    )
    yield Figure("single ingest, statements a second", rate, "/s")


def _in_turns(
    stage: Stage, desk: Desk, each: int, turns: Sequence[Sequence[Sequence[bytes]]]
) -> tuple[float, float]:
    """Return what a statement takes of the node in V, and how many requests a second it answers.

    Args:
        stage: Where the node runs.
        desk: Whose statements they are.
        each: How many statements a turn has.
        turns: The requests of each, by connection.
    """
    spent, every = [], Blast(0.0, [], {})
    with ahead_of_others([stage.processes[desk.region].pid]):
        v_us = verification_us(200, 3)
        for requests in turns:
            before_us, begun_s = v_us, stage.cpu_s(desk.region)
            every += asyncio.run(blast(stage.port(desk.region), requests)).expect(200)
            spent_us = (stage.cpu_s(desk.region) - begun_s) * 1e6 / each
            v_us = verification_us(200, 3)
            spent.append(2 * spent_us / (before_us + v_us))
    return statistics.median(spent), every.rate
