"""Accepted offers that wait for their holder's release."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from nodes.core.ready import DateAnswers, DropAnswers, ViewAnswers
from nodes.ports import AnswerRow, LateAnswer
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs

_answers = schema.answers.c
_evidence = schema.evidence.c

_PUT: Final = Upsert(schema.answers, replaced=())
_VIEW: Final = Prepared(
    update(schema.answers)
    .where(
        _answers.log_id == bindparam("log"),
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
        _answers.log_id == bindparam("log"),
        _answers.view_index >= bindparam("low"),
        _answers.view_index < bindparam("high"),
    )
    .values(due_s=bindparam("due")),
    ("due", "log", "low", "high"),
)
_late = (
    select(_evidence.low)
    .where(
        _evidence.log_id == _answers.log_id,
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
        _answers.index,
        _answers.case,
        _answers.answer_log_id,
        _answers.answer_index,
        _answers.view_index,
        _late,
    )
    .where(
        _answers.log_id == bindparam("log"),
        _answers.due_s < bindparam("before"),
        _late.is_not(None),
    )
    .order_by(_answers.due_s, _answers.index)
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
    """Return answers due before a time, above whose view an entry was seen after they were due."""
    rows = _LATE.run(connection, (ids.find(connection, origin) or 0, before_s, rows_max))
    return [
        LateAnswer(
            AnswerRow(
                origin=origin,
                index=index,
                case=case,
                answer_origin=ids.origin(connection, answer_log_id),
                answer_index=answer_index,
                view_index=view_index,
            ),
            late_index,
        )
        for index, case, answer_log_id, answer_index, view_index, late_index in rows.fetchall()
    ]
