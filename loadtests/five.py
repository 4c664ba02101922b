"""Acts of five regions on loopback: one at a time, and many at once."""

import asyncio
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.ahead import ahead_of_others
from loadtests.figure import Figure
from loadtests.floors import EMPTY, Blast, Floors, blast, fsync_ms, request_bytes, verification_us
from loadtests.stage import Desk, Stage, StageError, make_desk

FIVE: Final = ("510000", "500000", "520000", "530000", "540000")
REST_S: Final = 0.15
TURNS: Final = 10
TURN_EMPTY: Final = 5
TURN_FSYNCS: Final = 5
MANY_CLIENTS: Final = 12
"""At each of five regions: more are answered no sooner, and share rounds as well."""
MANY_EACH: Final = 30


@dataclass(frozen=True, slots=True)
class _Turn:
    """Some acts one after another, and what the machine's own parts of one took right after them.

    Args:
        acts: What came of them.
        cpu_us: What all nodes used.
        verify_us: V.
        request_ms: An empty request that comes as seldom.
        fsync_ms: A small durable transaction.
    """

    acts: Blast
    cpu_us: float
    verify_us: float
    request_ms: float
    fsync_ms: float


def latency(stage: Stage, floors: Floors) -> Iterator[Figure]:
    """Measure one act at a time over five regions: until accepted, and until replicated.

    Figures are medians of short turns, each with the machine's own share beside it; what a fast
    second or a slow one does is then in both.
    """
    desk = make_desk(stage, FIVE[0])
    clerk = _clerk(stage, desk)
    with ahead_of_others([stage.processes[region].pid for region in FIVE]):
        for word, target, rounds in (("accepted", 6.0, 100), ("replicated", 60.0, 60)):
            requests = _openings(desk, clerk, word, rounds)
            each = rounds // TURNS
            turns = [_turn(stage, word, requests[at : at + each]) for at in range(0, rounds, each)]
            if word == "accepted":
                yield _spent(turns, each, floors)
            yield from _taken(turns, word, target)


def _turn(stage: Stage, word: str, requests: Sequence[bytes]) -> _Turn:
    port = stage.port(FIVE[0])
    # Before the next act the network comes to rest, unless that is awaited.
    rest_s = REST_S if word == "accepted" else 0.0
    before_s = _cpu_s(stage)
    acts = asyncio.run(blast(port, [requests], rest_s=rest_s)).expect(201)
    spent_us = (_cpu_s(stage) - before_s) * 1e6
    finalities = {json.loads(answer)["finality"] for answer in acts.bodies}
    if word == "replicated" and finalities != {word}:
        raise StageError(f"an act did not become replicated: {finalities}")
    empty = asyncio.run(blast(port, [[EMPTY] * TURN_EMPTY], rest_s=rest_s)).expect(204)
    return _Turn(
        acts, spent_us, verification_us(200, 1), empty.quantile_ms(0.5), fsync_ms(TURN_FSYNCS)
    )


def _spent(turns: Sequence[_Turn], each: int, floors: Floors) -> Figure:
    """Return what planning takes a round of cosigning from (``python -m simulator plan``).

    Every node parses, checks and stores two entries, the act and a block record; the act is one
    request, and each peer takes a checkpoint, entries, and word of the quorums.
    """
    entry_us = floors.verify_us + floors.parse_us + floors.insert_us
    least_us = 2 * len(FIVE) * entry_us + (1 + 3 * (len(FIVE) - 1)) * floors.request_us
    return Figure(
        "five regions, CPU of an act alone, all nodes",
        statistics.median(turn.cpu_us / each / turn.verify_us for turn in turns),
        "V",
        floors=least_us / floors.verify_us,
    )


def _taken(turns: Sequence[_Turn], word: str, target: float) -> Iterator[Figure]:
    """Give what an act took, beside what no act can do without.

    Accepted: a request, a commit, a fence. Replicated: each mirror besides takes a checkpoint and
    then entries, each a request and a commit.
    """
    request_ms = statistics.median(turn.request_ms for turn in turns)
    fsync = statistics.median(turn.fsync_ms for turn in turns)
    least = (request_ms + 2 * fsync) * (3 if word == "replicated" else 1)
    p50 = statistics.median(turn.acts.quantile_ms(0.5) for turn in turns)
    every = sum((turn.acts for turn in turns), Blast(0.0, [], {}))
    yield Figure(f"five regions, beside {word}: an empty request, p50", request_ms, "ms")
    yield Figure(f"five regions, beside {word}: a small durable transaction", fsync, "ms")
    yield Figure(f"five regions, {word} p50", p50, "ms", target, floors=least)
    yield Figure(f"five regions, {word} p95", every.quantile_ms(0.95), "ms")


def _cpu_s(stage: Stage) -> float:
    return sum(stage.cpu_s(region) for region in FIVE)


def gathering(stage: Stage) -> Iterator[Figure]:
    """Measure acts that come to all five regions at once, so that many share a round.

    Beside the act alone it is what planning takes the price of an act from, and of a round
    (``python -m simulator plan``).
    """
    desks = [make_desk(stage, region, "many") for region in FIVE]
    clerks = [_clerk(stage, desk) for desk in desks]

    async def at_once(name: str, count: int) -> None:
        results = await asyncio.gather(
            *(
                blast(
                    stage.port(desk.region),
                    [_openings(desk, clerk, f"{name}-{at}", count) for at in range(MANY_CLIENTS)],
                )
                for desk, clerk in zip(desks, clerks, strict=True)
            )
        )
        for result in results:
            result.expect(201)

    asyncio.run(at_once("warm", 2))
    v_before_us = verification_us()
    before_s = _cpu_s(stage)
    asyncio.run(at_once("measured", MANY_EACH))
    spent_us = (_cpu_s(stage) - before_s) * 1e6
    v_us = (v_before_us + verification_us()) / 2
    acts = len(FIVE) * MANY_CLIENTS * MANY_EACH
    yield Figure("five regions, CPU of an act among many, all nodes", spent_us / acts / v_us, "V")


def _clerk(stage: Stage, desk: Desk) -> tuple[str, str]:
    """Enrol an officer whose key the region holds, and return their name and token."""
    clerk = f"{desk.region}/officer/{desk.department.rpartition('/')[2]}-clerk"
    made = stage.call(desk.region, "POST", "/v1/officers", {"party": clerk})
    enrolment = {
        "unit": desk.department,
        "key": made["key"],
        "holder": "region",
        "roles": ["receive"],
    }
    stage.act(desk.region, "party.enrol", clerk, enrolment)
    asked = {"party": clerk, "role": "authority"}
    return clerk, stage.call(desk.region, "POST", "/v1/tokens", asked)["token"]


def _openings(desk: Desk, clerk: tuple[str, str], word: str, count: int) -> list[bytes]:
    """Return requests that open cases; ``replicated`` ones wait until they are."""
    name, token = clerk
    body = {
        "item": desk.item,
        "item_version": 1,
        "department": desk.department,
        "mode": "counter",
    }
    awaited = "replicated" if word == "replicated" else "accepted"
    return [
        request_bytes(
            "POST",
            f"/v1/acts?wait={awaited}&timeout_ms=20000",
            token=token,
            body=json.dumps(
                {
                    "kind": "case.open",
                    "subject": f"{desk.region}/case/{word}-{number}",
                    "body": body,
                    "officer": name,
                }
            ).encode(),
            content_type="application/json",
        )
        for number in range(count)
    ]
