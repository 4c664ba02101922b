"""Accepted offers that wait for their holder's release.

The table is called ``awaited_releases``; a database of before has ``answers`` in its place, where
the log of an offer was its only holder.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, bindparam, case, delete, inspect, select, text, update

from authz.custody import At
from ledger.encoding import decode
from ledger.kind import UNJUDGED
from ledger.lineage import ancestors, heirs
from ledger.roster_fields import Closing
from ledger.salvage import as_judged
from ledger.statement import decode_statement
from nodes.core.ready import DateAnswers, DropAnswers, InheritAnswers, ViewAnswers
from nodes.core.sight import INDEX_PAST_ALL
from nodes.core.withheld import CODE, answers_in
from nodes.ports import AnswerRow, LateAnswer
from nodes.store import schema
from nodes.store.engine import Prepared, Upsert
from nodes.store.entries import LogIDs, load_entries
from nodes.store.facts import between

_OLD: Final = "answers"
_ACCEPTED: Final = frozenset({At.ACCEPTED, At.ANSWERED})
"""Where a case stands in the log of its acceptance, of another region or of the same one."""
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
    """Await from a log's heir what the log itself was not late with.

    Where a view of the closed log had shown it, the heir's first entry does; that dates it anew.
    """
    connection.execute(
        update(schema.answers)
        .where(_answers.holder_id == ids.get(connection, write.closed), _late.is_(None))
        .values(
            holder_id=ids.get(connection, write.heir),
            view_index=case((_answers.view_index.is_not(None), 0)),
            due_s=None,
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
    cuts: Mapping[str, int],
    again: Collection[str],
) -> None:
    """Forget the acceptances in logs from some sizes on, which are void or were never there.

    Args:
        connection: Open; the facts of all these logs are there still.
        ids: Of logs.
        closed: By the newest roster.
        cuts: By origin, from where on.
        again: Which of them will be judged anew, up to there. What was awaited from these is
            awaited as at first, whatever was found, or done, beyond.
    """
    for origin in again:
        log_id = ids.get(connection, origin)
        connection.execute(delete(schema.answers).where(_answers.holder_id == log_id))
        put(connection, ids, list(_recorded(connection, ids, closed, origin)))
    # Last, since what was just found again may lie beyond as well.
    for origin, size in cuts.items():
        beyond = _answers.answer_log_id == ids.get(connection, origin)
        connection.execute(delete(schema.answers).where(beyond, _answers.answer_index >= size))


def _recorded(
    connection: Connection, ids: LogIDs, closed: Mapping[str, Closing], origin: str
) -> Iterator[AnswerRow]:
    """Find the acceptances, in other logs, of what a log or one that it goes on from has offered.

    The older logs are judged, and stay so: what they were late with is theirs, and what a view of
    theirs shows is known to this log from its first entry on.
    """
    older = [old for old, _ in ancestors(closed, origin)]
    log_id = ids.get(connection, origin)
    line = [log_id, *(ids.get(connection, old) for old in older)]
    facts_ = schema.facts.c
    offered = select(facts_.object).where(facts_.log_id.in_(line))
    rows = connection.execute(
        select(facts_.log_id, facts_.index, facts_.state).where(
            facts_.log_id != log_id, facts_.object.in_(offered)
        )
    ).all()
    for answer_log_id, index, state in rows:
        found = decode(state)
        if found.get("at") not in _ACCEPTED or UNJUDGED in found:
            continue
        answered = ids.origin(connection, answer_log_id)
        [entry] = load_entries(connection, ids, answered, index, index + 1)
        for row in answers_in(as_judged(decode_statement(entry)), answered, index, closed):
            if row.origin == origin:
                yield row
            elif row.origin in older and not _is_found(connection, ids, older, row):
                is_shown = row.view_index is not None or _is_shown(
                    connection, ids, closed, older, row
                )
                yield replace(row, holder=origin, view_index=0 if is_shown else None)


def _is_found(connection: Connection, ids: LogIDs, older: Sequence[str], row: AnswerRow) -> bool:
    """Say whether one of the logs that have ended was itself late with an offer."""
    table = schema.findings.c
    evidence = connection.execute(
        select(table.evidence).where(
            table.log_id.in_([ids.get(connection, old) for old in older]),
            table.code == CODE,
            table.subject == row.case,
        )
    ).scalars()
    return any(tuple(decode(it)[0]) == (row.origin, row.index) for it in evidence)


def _is_shown(
    connection: Connection,
    ids: LogIDs,
    closed: Mapping[str, Closing],
    older: Sequence[str],
    row: AnswerRow,
) -> bool:
    """Say whether a view in one of the logs that have ended shows an acceptance."""
    return any(
        view.is_judged and (shown != row.answer_origin or view.state["size"] > row.answer_index)
        for holder in older
        for shown in heirs(closed, row.answer_origin)
        for view in between(connection, ids, holder, shown, 0, INDEX_PAST_ALL)
    )
