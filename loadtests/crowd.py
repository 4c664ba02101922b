"""A database with as many grants and cases as a province has, filled without their signatures.

Signing five acts for each of a million cases would take hours, so a node that has taken in what
``make bench`` signs is stopped, and rows are put beside its own, through the store's own writes and
of the same shape: windows, items, accepted grants, the facts and tallies that whole cases leave.
A hundred thousand cases are made so; what is more are copies of theirs under other names, which the
database makes by itself in a tenth of the time.
What is left out: these acts' entries and tiles, which lie in tables that only grow at their end,
and their part of the object map. The map is that of the acts that were signed.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import shake_128
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from authz import term
from authz.calendar import DAY_S, day_of
from authz.grant import index_object
from authz.item import version_object
from authz.party import key_object
from authz.tally import NOBODY, Figure, tallies
from ledger.keys import SigningKey
from ledger.kind import Fact
from loadtests.stage import YEAR_S, Desk, StageError
from nodes.core.effects import Effects
from nodes.core.ready import PutFacts
from nodes.store import schema
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.facts import insert_facts, insert_mentions
from nodes.store.tallies import put

WINDOWS: Final = 840
"""Six provinces with some 140 county windows each."""
RIGHTS: Final = ["deliver", "intake", "notice", "verify"]
CASES_A_COMMIT: Final = 2_000
CASES_MADE_MAX: Final = 100_000
COPIES_MAX: Final = 10
"""The copies of a case have another first digit."""
ACTS_A_BLOCK: Final = 16
ACTS_A_CASE_MAX: Final = 6
PROMISED: Final = (3, 5, 10, 20)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who is there, by number.

    Args:
        size: Of the node's own log; the rows are said to be from below it.
        now_s: The cases were opened over the year before.
    """

    desk: Desk
    grants: int
    cases: int
    size: int
    now_s: int

    def __post_init__(self) -> None:
        if self.cases > CASES_MADE_MAX * COPIES_MAX or self.cases % self.made:
            raise StageError(f"cases are at most {CASES_MADE_MAX}, or up to ten times as many")
        if not self.part:
            raise self.too_short()

    @property
    def made(self) -> int:
        """How many cases are made one by one; the rest are their copies."""
        return min(self.cases, CASES_MADE_MAX)

    @property
    def copies(self) -> int:
        """How often each of those is there."""
        return self.cases // self.made

    @property
    def part(self) -> int:
        """Over how many entries the acts of one copy of all cases are spread."""
        return self.size // self.copies

    def too_short(self) -> StageError:
        """Return what to say where acts of one day that are put apart would share an entry."""
        return StageError(f"a log of {self.size} entries is too short for {self.cases} cases")

    def window(self, number: int) -> str:
        """Return the window that a grant is for."""
        return f"{self.desk.region}/window/s{number % WINDOWS:04}"

    def item(self, number: int) -> str:
        """Return the item that a grant is over."""
        return f"{self.desk.region}/item/s{number // WINDOWS:04}"

    def grant(self, number: int) -> str:
        """Return the name of a grant."""
        return f"{self.desk.region}/grant/s{number:06}"

    def at(self, number: int) -> Desk:
        """Return the window of a grant, with an officer of its own, as it uses that grant.

        Numbers beyond the last grant begin again with the first.
        """
        number %= self.grants
        window, grant = self.window(number), self.grant(number)
        return replace(
            self.desk,
            window=window,
            officer=self.officer(number),
            key=_key(window),
            item=self.item(number),
            grant=grant,
            acceptance_leaf=_leaf(grant),
        )

    def officer(self, number: int) -> str:
        """Return the officer who sits at the window that a grant is for."""
        return f"{self.desk.region}/officer/s{number % WINDOWS:04}"

    @property
    def first_day(self) -> int:
        """The day of the first case."""
        return day_of(self.now_s) - 365


def fill(path: Path, crowd: Crowd) -> None:
    """Put the rows of a crowd into the database of a node that is stopped.

    Raises:
        StageError: Its log is too short for them; the database is to be thrown away.
    """
    engine = open_sqlite(path)
    try:
        create_schema(engine)
        ids = LogIDs()
        with engine.begin() as connection:
            _put(connection, ids, crowd, _places(crowd), {}, crowd.desk.acceptance_index - 1)
        for start in range(0, crowd.grants, CASES_A_COMMIT):
            with engine.begin() as connection:
                _fill_grants(connection, ids, crowd, start)
        for start in range(0, crowd.made, CASES_A_COMMIT):
            with engine.begin() as connection:
                _fill_cases(connection, ids, crowd, start)
        for number in range(1, crowd.copies):
            with engine.begin() as connection:
                _copy_cases(connection, crowd, number)
    except (sqlite3.IntegrityError, IntegrityError) as error:
        raise crowd.too_short() from error
    finally:
        engine.dispose()


def _put(  # noqa: PLR0917 - a connection, and what is put there
    connection: Connection,
    ids: LogIDs,
    crowd: Crowd,
    rows: Mapping[str, Row],
    moved: Row,
    index: int,
) -> None:
    desk = crowd.desk
    facts = [Fact(desk.origin, name, index, _leaf(name), row) for name, row in rows.items()]
    insert_facts(connection, ids, PutFacts(tuple(facts)))
    effects = Effects()
    for name, row in moved.items():
        found = tallies("grant.offer", name, crowd.now_s - YEAR_S, NOBODY, row, ())
        effects.tally(0, desk.acceptance_index, found)
    for write in effects.tallied(desk.origin):
        put(connection, ids, write)


def _places(crowd: Crowd) -> dict[str, Row]:
    desk = crowd.desk
    hall = f"{desk.region}/hall/s"
    elsewhere = f"{desk.region}/department/s"
    rows: dict[str, Row] = {hall: {"live": True}, elsewhere: {"live": True}}
    for number in range(WINDOWS):
        window, officer = crowd.window(number), crowd.officer(number)
        sits = {"dept": elsewhere, "hall": hall, "live": True}
        rows[window] = sits
        public = _key(window).public
        name = key_object(desk.region, public)
        roles = {"holder": "officer", "roles": ["receive"]}
        rows[officer] = sits | roles | {"unit": window, "key": name}
        rows[name] = {"live": True, "party": officer, "key": public}
    for number in range(0, crowd.grants, WINDOWS):
        item = crowd.item(number)
        rows[item] = {"v": 1, "dept": desk.department, "live": True}
        days = PROMISED[number // WINDOWS % len(PROMISED)]
        rows[version_object(item, 1)] = {
            "mat": ["m1", "m2", "m3"],
            "tol": [],
            "days": days,
            "dept": desk.department,
        }
    return rows


def _fill_grants(connection: Connection, ids: LogIDs, crowd: Crowd, start: int) -> None:
    rows: dict[str, Row] = {}
    moved: dict[str, Row] = {}
    for number in range(start, min(start + CASES_A_COMMIT, crowd.grants)):
        name, window, item = crowd.grant(number), crowd.window(number), crowd.item(number)
        rows[name] = moved[name] = {
            "v": 1,
            "st": "offered",
            "ans": "accepted",
            "to": window,
            "item": item,
            "from": crowd.now_s - YEAR_S,
            "until": crowd.now_s + YEAR_S + number,
            "live": True,
            "stale": 600,
            "rights": RIGHTS,
        }
        rows[index_object(window, item)] = {"g": [[name, RIGHTS]]}
    # Nothing else is said to be of that entry, which is what an act under the grant cites.
    _put(connection, ids, crowd, rows, moved, crowd.desk.acceptance_index)


def _fill_cases(connection: Connection, ids: LogIDs, crowd: Crowd, start: int) -> None:
    effects, facts, mentions = Effects(), [], []
    for number in range(start, min(start + CASES_A_COMMIT, crowd.made)):
        name = f"{crowd.desk.region}/case/s{number:08}"
        before: Row = NOBODY
        for at, (kind, time_s, row) in enumerate(_acts(crowd, number)):
            index = crowd.desk.acceptance_index + at
            facts.append(Fact(crowd.desk.origin, name, index, _leaf(f"{name} {at}"), row))
            block = (number * ACTS_A_CASE_MAX + at) // ACTS_A_BLOCK
            effects.tally(block, block % crowd.part, tallies(kind, name, time_s, before, row, ()))
            before = row
        mentions.append((crowd.desk.origin, f"{name}/parcel", crowd.desk.acceptance_index))
    insert_facts(connection, ids, PutFacts(tuple(facts)))
    insert_mentions(connection, ids, mentions)
    for write in effects.tallied(crowd.desk.origin):
        put(connection, ids, write)


def _copy_cases(connection: Connection, crowd: Crowd, number: int) -> None:
    """Copy the rows of the cases that were made, under names and from entries of their own."""
    made, copied = (f"{crowd.desk.region}/case/s{digit}" for digit in (0, number))
    for table in (schema.facts, schema.mentions):
        name = func.replace(table.c.object, made, copied)
        theirs = table.c.object.between(made, f"{made}~")
        _copy_rows(connection, table, {"object": name}, theirs)
    at, figure = schema.tallies.c["at"], schema.tallies.c.figure
    counted = (at < crowd.part) & figure.not_in([Figure.LENT.value, Figure.ACCEPTED.value])
    _copy_rows(connection, schema.tallies, {"at": at + number * crowd.part}, counted)


def _copy_rows(
    connection: Connection,
    table: Table,
    changed: Mapping[str, ColumnElement[Any]],
    which: ColumnElement[bool],
) -> None:
    columns = [changed.get(column.name, column) for column in table.c]
    rows = select(*columns).where(which)
    connection.execute(insert(table).from_select(list(table.c), rows))


def _acts(crowd: Crowd, number: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Give the acts of one whole case: some noticed, late or still open."""
    desk, grant = crowd.desk, number * 7_919 % crowd.grants
    opened_s = (crowd.first_day + number * 365 // crowd.made) * DAY_S + number % 20_000
    promised = PROMISED[grant // WINDOWS % len(PROMISED)]
    row: dict[str, Any] = {
        "at": "held",
        "n": 0,
        "stage": "received",
        "item": crowd.item(grant),
        "v": 1,
        "dept": desk.department,
        "by": desk.officer,
        "unit": crowd.window(grant),
        "win": crowd.window(grant),
        "grant": crowd.grant(grant),
        "term": term.opened(promised, opened_s),
    }
    yield "case.open", opened_s, row
    time_s = opened_s + 3_600
    if number % 10 == 0:
        row = {**row, "stage": "noticed", "term": term.noticed(row["term"], time_s)}
        yield "case.notice", time_s, row
        time_s += 3 * DAY_S
        row = {**row, "stage": "supplemented", "term": term.supplemented(row["term"], time_s)}
        yield "case.supplement", time_s, row
    row = {**row, "at": "offered", "n": 1, "to": desk.department}
    yield "handoff.offer", time_s, row
    if number % 50 == 1:
        return
    time_s += (2 * promised if number % 12 == 0 else promised // 2) * DAY_S
    row = {**row, "at": "held", "unit": desk.department, "stage": "decided", "result": "granted"}
    row["over"] = day_of(time_s)
    yield "case.decide", time_s, row
    row = {**row, "unit": row["win"], "n": 2, "stage": "delivered"}
    yield "case.deliver", time_s + 2 * DAY_S, row


# A thousandth of a second each, and every statement asks.
@lru_cache(maxsize=WINDOWS)
def _key(window: str) -> SigningKey:
    return SigningKey.from_seed(_leaf(window))


def _leaf(name: str) -> bytes:
    return shake_128(name.encode()).digest(32)
