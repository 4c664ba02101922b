"""Accepted offers that wait for their holder's release.

The table is called ``awaited_releases``; a database of before has ``answers`` in its place, where
the log of an offer was its only holder.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, bindparam, case, delete, inspect, select, text, update

from authz.custody import At
from ledger.encoding import decode
from ledger.lineage import ancestors
from ledger.roster_fields import Closing
from ledger.salvage import as_judged
from ledger.statement import decode_statement
from nodes.core.ready import DateAnswers, DropAnswers, InheritAnswers, ViewAnswers
from nodes.core.withheld import CODE, answers_in
from nodes.ports import AnswerRow, LateAnswer
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs, load_entries
from nodes.store.findings import load_findings_of

_OLD: Final = "answers"
_answers = schema.answers.c
_evidence = schema.evidence.c

_PUT: Final = Upsert(schema.answers, replaced=())
_VIEW: Final = Prepared(
    update(schema.answers)
    .where(
        _answers.holder_id == bindparam("log"),
        _answers.answer_log_id == bindparam("answer_log"),
        _answers.view_index.is_(None),
        _answers.answer_index < bindparam("viewed"),
    )
    .values(view_index=bindparam("view")),
    ("view", "log", "answer_log", "viewed"),
)
_DATE: Final = Prepared(
    update(schema.answers)
    .where(
        _answers.holder_id == bindparam("log"),
        _answers.view_index >= bindparam("low"),
        _answers.view_index < bindparam("high"),
    )
    .values(due_s=bindparam("due")),
    ("due", "log", "low", "high"),
)
_late = (
    select(_evidence.low)
    .where(
        _evidence.log_id == _answers.holder_id,
        _evidence.low > _answers.view_index,
        _evidence.seen_by_s > _answers.due_s,
    )
    .order_by(_evidence.low)
    .limit(1)
    .correlate(schema.answers)
    .scalar_subquery()
)
_LATE: Final = Prepared(
    select(
        _answers.log_id,
        _answers.index,
        _answers.case,
        _answers.answer_log_id,
        _answers.answer_index,
        _answers.view_index,
        _late,
    )
    .where(
        _answers.holder_id == bindparam("log"),
        _answers.due_s < bindparam("before"),
        _late.is_not(None),
    )
    .order_by(_answers.due_s, _answers.log_id, _answers.index)
    .limit(bindparam("most")),
    ("log", "before", "most"),
)


def put(connection: Connection, ids: LogIDs, rows: Sequence[AnswerRow]) -> None:
    """Write answers; one that is there already stays as it is."""
    _PUT.run_many(
        connection,
        [
            (
                ids.get(connection, row.origin),
                row.index,
                ids.get(connection, row.holder),
                row.case,
                ids.get(connection, row.answer_origin),
                row.answer_index,
                row.view_index,
                None,
            )
            for row in rows
        ],
    )


def view(connection: Connection, ids: LogIDs, write: ViewAnswers) -> None:
    """Write at which view the holder's log first covers the answers below a size."""
    logs = (ids.get(connection, write.origin), ids.get(connection, write.answer_origin))
    _VIEW.run(connection, (write.index, *logs, write.size))


def date(connection: Connection, ids: LogIDs, write: DateAnswers) -> None:
    """Write by when the answers viewed in a range of entries are to be released."""
    log_id = ids.get(connection, write.origin)
    _DATE.run(connection, (write.due_s, log_id, write.low, write.high))


def inherit(connection: Connection, ids: LogIDs, write: InheritAnswers) -> None:
    """Await from a log's heir what the log itself was not late with."""
    connection.execute(
        update(schema.answers)
        .where(_answers.holder_id == ids.get(connection, write.closed), _late.is_(None))
        .values(
            holder_id=ids.get(connection, write.heir),
            view_index=case((_answers.view_index.is_not(None), 0)),
        )
    )


def drop(connection: Connection, ids: LogIDs, write: DropAnswers) -> None:
    """Forget answers that are settled."""
    connection.execute(
        delete(schema.answers).where(
            _answers.log_id == ids.get(connection, write.origin),
            _answers.index.in_(write.indexes),
        )
    )


def late(
    connection: Connection, ids: LogIDs, origin: str, before_s: int, rows_max: int
) -> list[LateAnswer]:
    """Return answers due before a time, above whose view an entry was seen after they were due.

    Args:
        connection: Open.
        ids: Of logs.
        origin: Of the holder's log.
        before_s: The time.
        rows_max: Of a page.
    """
    rows = _LATE.run(connection, (ids.find(connection, origin) or 0, before_s, rows_max))
    found = []
    for log_id, index, name, answer_log_id, answer_index, view_index, late_index in rows.fetchall():
        answer = AnswerRow(
            origin=ids.origin(connection, log_id),
            index=index,
            holder=origin,
            case=name,
            answer_origin=ids.origin(connection, answer_log_id),
            answer_index=answer_index,
            view_index=view_index,
        )
        found.append(LateAnswer(answer, late_index))
    return found


def upgrade(connection: Connection) -> None:
    """Take over what a database of before awaits, whose table had no holder."""
    if inspect(connection).has_table(_OLD):
        columns = 'log_id, "index", "case", answer_log_id, answer_index, view_index, due_s'
        new = schema.answers.name
        connection.execute(
            text(
                f"INSERT INTO {new} (holder_id, {columns}) SELECT log_id, {columns} FROM {_OLD}"  # noqa: S608
            )
        )
        connection.execute(text(f"DROP TABLE {_OLD}"))


def cut_off(
    connection: Connection,
    ids: LogIDs,
    closed: Mapping[str, Closing],
    origin: str,
    size: int,
    *,
    again: bool,
) -> None:
    """Forget the acceptances in a log from some size on, which are void or were never there.

    Args:
        connection: Open; the facts of the log are there still.
        ids: Of logs.
        closed: By the newest roster.
        origin: Of the log.
        size: From where on.
        again: Whether it will be judged anew, up to there. What was awaited from it is awaited as
            at first, whatever was found, or done, beyond.
    """
    log_id = ids.get(connection, origin)
    beyond = (_answers.answer_log_id == log_id) & (_answers.answer_index >= size)
    connection.execute(delete(schema.answers).where(beyond))
    if not again:
        return
    connection.execute(delete(schema.answers).where(_answers.holder_id == log_id))
    put(connection, ids, list(_recorded(connection, ids, closed, origin)))


def _recorded(
    connection: Connection, ids: LogIDs, closed: Mapping[str, Closing], origin: str
) -> Iterator[AnswerRow]:
    """Find the acceptances of what a log has offered, or goes on from, in the other logs."""
    older = {old for old, _ in ancestors(closed, origin)}
    log_id = ids.get(connection, origin)
    known = select(schema.facts.c.object).where(schema.facts.c.log_id == log_id)
    facts_ = schema.facts.c
    rows = connection.execute(
        select(facts_.log_id, facts_.index, facts_.state).where(
            facts_.log_id != log_id, facts_.object.in_(known)
        )
    ).all()
    for answer_log_id, index, state in rows:
        if decode(state).get("at") != At.ANSWERED:
            continue
        answered = ids.origin(connection, answer_log_id)
        [entry] = load_entries(connection, ids, answered, index, index + 1)
        for row in answers_in(as_judged(decode_statement(entry)), answered, index, closed):
            if row.origin == origin:
                yield row
            elif row.origin in older and not _is_found(connection, ids, row):
                yield replace(row, holder=origin)


def _is_found(connection: Connection, ids: LogIDs, row: AnswerRow) -> bool:
    """Say whether the log of an offer was itself late."""
    against = load_findings_of(connection, ids, row.origin, row.index)
    return any(it.code == CODE for it in against)
