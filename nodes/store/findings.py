"""Findings, uses of foreign facts and how they stand, and when entries were seen."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, literal_column, select

from ledger import encoding
from nodes.core.ready import FindingRow, PutEvidence
from nodes.core.settlement import WITHDRAWN
from nodes.ports import UseRow
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs

_uses = schema.uses.c
_evidence = schema.evidence.c

_PUT_FINDINGS: Final = Upsert(schema.findings, replaced=("severity", "detail", "evidence"))
_PUT_USES: Final = Upsert(schema.uses, replaced=("status",))
_PUT_EVIDENCE: Final = Upsert(schema.evidence, replaced=("high", "seen_by_s", "at"))
_SEEN: Final = Prepared(
    select(_evidence.high, _evidence.seen_by_s, _evidence.at)
    .where(_evidence.log_id == bindparam("log"), _evidence.low <= bindparam("index"))
    .order_by(_evidence.low.desc())
    .limit(1),
    ("log", "index"),
)
_SETTLED: Final = Prepared(
    select(_evidence.high)
    .where(_evidence.log_id == bindparam("log"))
    .order_by(_evidence.low.desc())
    .limit(1),
    ("log",),
)
_OF_ENTRY: Final = Prepared(
    select(schema.findings)
    .where(schema.findings.c.log_id == bindparam("log"))
    .where(schema.findings.c.index == bindparam("index"))
    .order_by(schema.findings.c.code),
    ("log", "index"),
)
_USES_OF_ENTRY: Final = Prepared(
    select(schema.uses)
    .where(_uses.log_id == bindparam("log"), _uses.index == bindparam("index"))
    .order_by(_uses.fact_origin, _uses.fact_object),
    ("log", "index"),
)
_WITHDRAW: Final = Prepared(
    delete(schema.findings).where(
        schema.findings.c.log_id == bindparam("log"),
        schema.findings.c.index == bindparam("index"),
        schema.findings.c.code == bindparam("code"),
        schema.findings.c.subject == bindparam("subject"),
    ),
    ("log", "index", "code", "subject"),
)
# Literal states, not parameters: only so does the planner see that the partial index serves.
_UNSETTLED: Final = _uses.status.in_([literal_column(f"'{it}'") for it in schema.UNSETTLED])


def put_findings(connection: Connection, ids: LogIDs, rows: Sequence[FindingRow]) -> None:
    """Write findings; one there already takes the newer words, one withdrawn is taken out."""
    for row in rows:
        if row.severity == WITHDRAWN:
            _WITHDRAW.run(
                connection,
                (ids.get(connection, row.origin), row.index, row.code, row.subject),
            )
    _PUT_FINDINGS.run_many(
        connection,
        [
            (
                ids.get(connection, row.origin),
                row.index,
                row.code,
                row.subject,
                row.severity,
                # Others' words may hold what PostgreSQL's text cannot.
                row.detail.replace("\0", "\N{REPLACEMENT CHARACTER}"),
                encoding.encode([list(pair) for pair in row.evidence]),
            )
            for row in rows
            if row.severity != WITHDRAWN
        ],
    )


def load_findings(
    connection: Connection, ids: LogIDs, *, origin: str | None = None, rows_max: int = 1_000
) -> list[FindingRow]:
    """Return findings about one log, or about all, the newest entries first."""
    table = schema.findings
    query = (
        select(table).order_by(table.c.index.desc(), table.c.log_id, table.c.code).limit(rows_max)
    )
    if origin is not None:
        query = query.where(table.c.log_id == (ids.find(connection, origin) or 0))
    return [_finding(connection, ids, row) for row in connection.execute(query)]


def load_findings_of(
    connection: Connection, ids: LogIDs, origin: str, index: int
) -> list[FindingRow]:
    """Return the findings about one entry."""
    found = _OF_ENTRY.run(connection, (ids.find(connection, origin) or 0, index)).fetchall()
    return [_finding(connection, ids, row) for row in found]


def put_uses(connection: Connection, ids: LogIDs, rows: Sequence[UseRow]) -> None:
    """Write uses; one that is there already takes the new status."""
    _PUT_USES.run_many(
        connection,
        [
            (
                ids.get(connection, row.origin),
                row.index,
                row.fact_origin,
                row.fact_object,
                row.fact_index,
                row.view_size,
                row.fresh_at_s,
                row.staleness_s,
                row.status,
            )
            for row in rows
        ],
    )


def load_uses(connection: Connection, ids: LogIDs, origin: str, index: int) -> list[UseRow]:
    """Return the uses that one entry makes, and how they stand."""
    found = _USES_OF_ENTRY.run(connection, (ids.find(connection, origin) or 0, index)).fetchall()
    return [_use(connection, ids, row) for row in found]


def load_unsettled(
    connection: Connection,
    ids: LogIDs,
    *,
    origin: str | None = None,
    fact_origin: str | None = None,
    low: int = 0,
    high: int | None = None,
    rows_max: int | None = None,
) -> list[UseRow]:
    """Return uses that are open or unproven, ascending by log and index.

    Args:
        connection: Open.
        ids: Of logs.
        origin: Of the using log; None for any.
        fact_origin: Of the log relied on; None for any.
        low: Smallest index of the using entry.
        high: Past the largest; None for no bound.
        rows_max: None for all.
    """
    # Named one by one, the logs lead into the small index of what is unsettled.
    logs = ids.every(connection) if origin is None else [ids.find(connection, origin) or 0]
    given = {"fact": fact_origin, "low": low, "high": high, "rows": rows_max}
    bounds = {name: value for name, value in given.items() if value is not None}
    query = _unsettled(("log", *bounds))
    return [
        _use(connection, ids, row)
        for log_id in logs
        for row in query.run(connection, (log_id, *bounds.values())).fetchall()
    ][:rows_max]


@cache
def _unsettled(names: tuple[str, ...]) -> Prepared:
    """Return the query for unsettled uses that is bounded by these of its parameters."""
    query = select(schema.uses).where(
        _UNSETTLED, _uses.log_id == bindparam("log"), _uses.index >= bindparam("low")
    )
    if "fact" in names:
        query = query.where(_uses.fact_origin == bindparam("fact"))
    if "high" in names:
        query = query.where(_uses.index < bindparam("high"))
    query = query.order_by(_uses.index, _uses.fact_origin, _uses.fact_object)
    return Prepared(query.limit(bindparam("rows") if "rows" in names else None), names)


def put_evidence(connection: Connection, ids: LogIDs, rows: Sequence[PutEvidence]) -> None:
    """Write when ranges of entries were seen."""
    _PUT_EVIDENCE.run_many(
        connection,
        [
            (ids.get(connection, row.origin), row.low, row.high, row.seen_by_s, row.at)
            for row in rows
        ],
    )


def seen_by(connection: Connection, ids: LogIDs, origin: str, index: int) -> tuple[int, int] | None:
    """Return when an entry was seen at the latest and the block record that says so, or None."""
    log_id = ids.find(connection, origin)
    row = _SEEN.run(connection, (log_id or 0, index)).fetchone()
    return None if row is None or row[0] <= index else (row[1], row[2])


def settled_size(connection: Connection, ids: LogIDs, origin: str) -> int:
    """Return how many entries of a log its own block records show to be replicated."""
    row = _SETTLED.run(connection, (ids.find(connection, origin) or 0,)).fetchone()
    return 0 if row is None else int(row[0])


def _finding(connection: Connection, ids: LogIDs, row: Sequence[Any]) -> FindingRow:
    log_id, index, code, subject, severity, detail, evidence = row
    return FindingRow(
        origin=ids.origin(connection, log_id),
        index=index,
        code=code,
        severity=severity,
        subject=subject,
        detail=detail,
        evidence=tuple((pair[0], pair[1]) for pair in encoding.decode(bytes(evidence))),
    )


def _use(connection: Connection, ids: LogIDs, row: Sequence[Any]) -> UseRow:
    # The columns stand in the order of its fields; under load there are very many.
    return UseRow._make((ids.origin(connection, row[0]), *row[1:]))
