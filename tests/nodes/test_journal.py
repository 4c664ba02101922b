"""Refusals and readings: noted without waiting, written together, bounded, and kept for a time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from ledger.encoding import decode
from ledger.errors import MalformedError, UnavailableError
from nodes.api import journal as noting
from nodes.api.journal import READINGS_PENDING_MAX, REFUSALS_PENDING_MAX, Journal
from nodes.config import JournalSection
from nodes.store import journal as store
from nodes.store.journal import DAY_S, ReadingRow, create_journal_schema

CASE, OTHER, PARTY = "510000/case/1", "510000/case/2", "510000/officer/w1"
NOW_S = 1_800_000_000 // DAY_S * DAY_S


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def now_ms(self) -> int:
        return self.now_s * 1000


async def write(work: Callable[[], None]) -> None:
    work()


class Made:
    """A journal that writes at once when it is told to, and what stands in its database."""

    def __init__(self, engine: Engine, **limits: int) -> None:
        create_journal_schema(engine)
        self.engine, self.clock, self.write = engine, Clock(), write
        self.journal = Journal(engine, self._write, self.clock, JournalSection(**limits))

    async def _write(self, work: Callable[[], None]) -> None:
        await self.write(work)

    def flush(self) -> None:
        asyncio.run(self.journal.flush())

    def readings(self, case: str = CASE) -> list[ReadingRow]:
        with self.engine.connect() as connection:
            return store.load_readings(connection, case, 99)

    def counts(self) -> tuple[int, int]:
        with self.engine.connect() as connection:
            return store.count_rows(connection)

    def refuse(self, party: str = PARTY, what: str = "act", **told: Any) -> bytes | None:
        return self.journal.refuse(party, what, told)

    def is_kept(self, request: bytes) -> bool:
        with self.engine.connect() as connection:
            return store.find_refusal(connection, request) is not None


@pytest.fixture
def made(engine: Engine) -> Made:
    return Made(engine, refusal_rows_max=5, reading_rows_max=5, refusal_rows_party_day_max=3)


def test_a_refusal_is_found_by_its_number_before_and_after_it_is_written(made: Made) -> None:
    request = made.refuse(code="late", sizes={"n": 7})
    assert request is not None
    waiting = made.journal.pending(request)
    made.flush()
    assert made.journal.pending(request) is None
    with made.engine.connect() as connection:
        assert store.find_refusal(connection, request) == waiting
        assert store.find_refusal(connection, bytes(16)) is None
    assert waiting is not None
    assert (waiting.party, waiting.at_s, decode(waiting.told)) == (
        PARTY,
        NOW_S,
        {"code": "late", "sizes": {"n": 7}},
    )


def test_a_party_that_is_refused_over_and_over_pushes_nobody_else_out(made: Made) -> None:
    first = made.refuse("510000/officer/other")
    flood = [made.refuse() for _ in range(9)]
    assert [it is not None for it in flood] == [True] * 3 + [False] * 6
    assert made.refuse(what="check") is not None
    made.flush()
    assert first is not None
    assert made.is_kept(first)
    assert made.counts()[0] == 5
    made.clock.now_s += DAY_S
    assert made.refuse() is not None


def test_the_oldest_refusals_go_when_there_are_too_many_or_their_time_is_over(made: Made) -> None:
    kept = []
    for number in range(7):
        made.clock.now_s += 10
        kept.append(made.refuse(f"510000/officer/w{number}"))
        made.flush()
    assert [made.is_kept(it or b"") for it in kept] == [False] * 2 + [True] * 5
    made.clock.now_s += JournalSection().refusal_days * DAY_S - 15
    last = made.refuse("510000/officer/last")
    made.flush()
    assert [made.is_kept(it or b"") for it in (*kept[-2:], last)] == [True, True, True]
    assert made.counts()[0] == 3


def test_no_more_is_noted_between_two_writes_than_there_is_room_for(engine: Engine) -> None:
    made = Made(engine, refusal_rows_party_day_max=10**6)
    noted = [made.refuse() for _ in range(REFUSALS_PENDING_MAX + 5)]
    assert noted.count(None) == 5
    for number in range(READINGS_PENDING_MAX + 5):
        made.journal.look(PARTY, "window", f"510000/case/{number}", "timeline")
    made.flush()
    assert made.counts() == (REFUSALS_PENDING_MAX, READINGS_PENDING_MAX)


def test_a_parties_table_that_grows_is_begun_anew(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noting, "PARTIES_MAX", 2)
    for number in range(4):
        assert made.refuse(f"510000/officer/w{number}") is not None


def test_who_looks_again_on_a_day_is_counted_in_one_row(made: Made) -> None:
    made.journal.look(PARTY, "window", CASE, "timeline")
    made.clock.now_s += 5
    made.journal.look(PARTY, "window", CASE, "timeline")
    made.flush()
    made.clock.now_s += 5
    for what, case in (("timeline", CASE), ("bundle", CASE), ("timeline", OTHER)):
        made.journal.look(PARTY, "window", case, what)
    made.flush()
    made.clock.now_s += DAY_S
    made.journal.look(PARTY, "window", CASE, "timeline")
    made.flush()
    told = [(it.what, it.first_s - NOW_S, it.last_s - NOW_S, it.times) for it in made.readings()]
    assert told == [
        ("timeline", DAY_S + 10, DAY_S + 10, 1),
        ("bundle", 10, 10, 1),
        ("timeline", 0, 10, 3),
    ]
    assert made.counts()[1] == 4


def test_the_oldest_days_of_readings_go_first(made: Made) -> None:
    for day in range(7):
        made.clock.now_s = NOW_S + day * DAY_S
        made.journal.look(PARTY, "window", CASE, "timeline")
        made.flush()
    assert [it.first_s for it in made.readings()] == [
        NOW_S + day * DAY_S for day in (6, 5, 4, 3, 2)
    ]
    made.clock.now_s += JournalSection().reading_days * DAY_S
    made.journal.look(PARTY, "window", CASE, "timeline")
    made.flush()
    assert len(made.readings()) == 2


def test_what_cannot_be_written_now_is_kept_and_told_once_it_can(made: Made) -> None:
    async def locked(_work: Callable[[], None]) -> None:
        error = type("Locked", (Exception,), {"sqlite_errorname": "SQLITE_BUSY"})()
        raise OperationalError("", {}, error)

    request = made.refuse(code="late")
    made.journal.look(PARTY, "window", CASE, "timeline")
    made.write = locked
    with pytest.raises(UnavailableError) as caught:
        made.flush()
    assert caught.value.code == "busy"
    made.journal.look(PARTY, "window", CASE, "timeline")
    assert request is not None
    assert made.journal.pending(request) is not None
    made.write = write
    made.flush()
    assert made.is_kept(request)
    assert [it.times for it in made.readings()] == [2]
    assert made.counts() == (1, 1)


def test_a_refusal_is_found_while_it_is_being_written_and_written_again_stands_once(
    made: Made,
) -> None:
    request = made.refuse(code="late")
    assert request is not None

    async def twice(work: Callable[[], None]) -> None:
        assert made.journal.pending(request) is not None
        work()
        work()

    made.write = twice
    made.flush()
    assert made.journal.pending(request) is None
    assert made.counts()[0] == 1


def test_what_is_noted_is_written_by_itself_and_at_the_end(engine: Engine) -> None:
    made, written = Made(engine, flush_ms=1), asyncio.Event()

    async def told(work: Callable[[], None]) -> None:
        work()
        written.set()

    made.write = told

    async def story() -> None:
        made.journal.start()
        made.refuse()
        async with asyncio.timeout(10):
            await written.wait()
        await made.journal.settled()
        made.journal.look(PARTY, "window", CASE, "timeline")
        await made.journal.settled()
        assert made.counts() == (1, 1)
        made.journal.look(PARTY, "window", OTHER, "timeline")
        await made.journal.stop()

    asyncio.run(story())
    assert made.counts() == (1, 2)


def test_limits_are_at_least_one() -> None:
    with pytest.raises(MalformedError):
        replace(JournalSection(), refusal_days=0)
