"""Grants by item, by window and by the end of their term: which ones bear on a question.

The rows here only narrow the question down; whether a grant stands, its facts say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, exists, literal, select

from authz.grant import Side
from authz.lent import lent_of
from ledger import encoding
from ledger.kind import Fact
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert

_BACKFILL_ROWS: Final = 10_000

_offer, _answer = schema.lent.alias("offer"), schema.lent.alias("answer")
_accepted = exists().where(
    _answer.c.grant == _offer.c.grant, _answer.c.answered == Side.ACCEPTED.value
)
_offered = _offer.c.offered == Side.OFFERED.value

_covers = schema.lent_covers

_PUT: Final = Upsert(
    schema.lent, replaced=("item", "window", "offered", "answered", "from_s", "until_s")
)
_PUT_COVERS: Final = Upsert(schema.lent_covers, replaced=())
_OF_COVERED: Final = (
    _offer.c.grant == _covers.c.grant,
    _offer.c.log_id == _covers.c.log_id,
    _offered,
    _offer.c.from_s <= bindparam("now"),
    _offer.c.until_s > bindparam("still"),
    _accepted,
)
_COVERING: Final = Prepared(
    select(_covers.c.window, _covers.c.grant)
    .where(
        _covers.c.covered == bindparam("covered"),
        _covers.c.window >= bindparam("low"),
        (_covers.c.window > bindparam("at")) | (_covers.c.grant > bindparam("after")),
        *_OF_COVERED,
    )
    .order_by(_covers.c.window, _covers.c.grant)
    .limit(bindparam("rows")),
    ("covered", "low", "at", "after", "now", "still", "rows"),
)
_LAPSING: Final = Prepared(
    select(_offer.c.grant, _offer.c.item, _offer.c.window, _offer.c.until_s, _accepted)
    .where(
        _offered,
        _offer.c.until_s >= bindparam("low"),
        _offer.c.until_s < bindparam("high"),
        (_offer.c.until_s > bindparam("at")) | (_offer.c.grant > bindparam("after")),
        _offer.c.grant >= bindparam("first"),
        _offer.c.grant < bindparam("below"),
    )
    .order_by(_offer.c.until_s, _offer.c.grant)
    .limit(bindparam("rows")),
    ("low", "high", "at", "after", "first", "below", "rows"),
)
_IS_LENT: Final = Prepared(
    select(literal(1)).where(_covers.c.covered == bindparam("covered"), *_OF_COVERED).limit(1),
    ("covered", "now", "still"),
)
_facts = schema.facts.c
_NAMES: Final = Prepared(
    select(_facts.object)
    .where(_facts.object > bindparam("after"), _facts.object < bindparam("below"))
    .distinct()
    .order_by(_facts.object)
    .limit(bindparam("rows")),
    ("after", "below", "rows"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapsing:
    """A grant on offer whose term ends soon; ``accepted`` where it is live until then."""

    grant: str
    item: str
    window: str
    until_s: int
    accepted: bool


def put_lent(connection: Connection, rows: Iterable[tuple[int, Fact]]) -> None:
    """Keep the newest row of each grant, given (log, row) in the order of the entries."""
    made, covers = [], []
    for log_id, fact in rows:
        it = lent_of(fact)
        if it is not None:
            sides = (it.offered, it.answered)
            made.append((it.grant, log_id, it.item, it.window, *sides, it.from_s, it.until_s))
            covers += [(name, it.window, it.grant, log_id) for name in it.covers]
    _PUT.run_many(connection, made)
    _PUT_COVERS.run_many(connection, covers)


def fill(connection: Connection) -> None:
    """Make the rows from the facts of a database that is older than the table."""
    query = (
        select(_facts.log_id, _facts.object, _facts.index, _facts.leaf, _facts.state)
        .where(_facts.object.like("%/grant/%"))
        .order_by(_facts.log_id, _facts.index)
    )
    for part in connection.execute(query).partitions(_BACKFILL_ROWS):
        put_lent(
            connection,
            [
                (log_id, Fact("", object_, index, leaf, encoding.decode(state)))
                for log_id, object_, index, leaf, state in part
            ],
        )


def load_covering(
    connection: Connection,
    covered: Iterable[str],
    *,
    after: tuple[str, str],
    now_s: int,
    rows_max: int,
) -> list[tuple[str, str]]:
    """Return (window, grant) of accepted grants in their term, by window.

    Args:
        connection: Open.
        covered: An item, and the department that decides on it: a grant covers the one or the
            other.
        after: The window and the grant that the page before ended with.
        now_s: In whose term.
        rows_max: Of a page.
    """
    window, grant = after
    found = set[tuple[str, str]]()
    for name in covered:
        values = (name, window, window, grant, now_s, now_s, rows_max)
        found |= {(row[0], row[1]) for row in _COVERING.run(connection, values).fetchall()}
    return sorted(found)[:rows_max]


def load_lapsing(
    connection: Connection,
    *,
    region: str,
    now_s: int,
    until_s: int,
    after: tuple[int, str],
    rows_max: int,
) -> list[Lapsing]:
    """Return offered grants whose term ends in [now, until), the soonest first.

    Args:
        connection: Open.
        region: Only of this grantor region; empty for all.
        now_s: What has ended before is not asked for.
        until_s: Past the last end.
        after: End and name of the grant that the page before ended with.
        rows_max: Of a page.
    """
    at_s, name = after
    names = (f"{region}/", f"{region}0") if region else ("", ":")
    values = (max(now_s, at_s), until_s, at_s, name, *names, rows_max)
    return [
        Lapsing(grant=row[0], item=row[1], window=row[2], until_s=row[3], accepted=bool(row[4]))
        for row in _LAPSING.run(connection, values).fetchall()
    ]


def load_names(
    connection: Connection, region: str, of_type: str, *, after: str, rows_max: int
) -> list[str]:
    """Return the names of a region's objects of a type, from the one after ``after`` on."""
    first = f"{region}/{of_type}/"
    values = (max(first, after), f"{region}/{of_type}0", rows_max)
    return [row[0] for row in _NAMES.run(connection, values).fetchall()]


def are_lent(connection: Connection, covered: Sequence[str], now_s: int) -> list[bool]:
    """Say of each item or department whether any accepted grant is in its term that covers it."""
    found = _IS_LENT.run_each(connection, [(name, now_s, now_s) for name in covered])
    return [row is not None for row in found]
