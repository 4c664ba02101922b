"""Carries out the writes of a step, in their order, inside the transaction that is open."""

from collections.abc import Iterable

from sqlalchemy import Connection

from nodes.core.ready import (
    AdvancePeer,
    AdvanceProjection,
    AppendEntries,
    DateAnswers,
    DropAnswers,
    InheritAnswers,
    IssueLine,
    PutAnswers,
    PutEvidence,
    PutFacts,
    PutFindings,
    PutMap,
    PutMemory,
    PutNote,
    PutSecondNote,
    PutTallies,
    PutUses,
    ViewAnswers,
    Write,
)
from nodes.store import (
    answers,
    entries,
    facts,
    findings,
    maps,
    notes,
    peers,
    second_notes,
    tallies,
    ties,
)
from nodes.store.entries import LogIDs


def apply(connection: Connection, ids: LogIDs, writes: Iterable[Write]) -> None:
    """Carry out all writes.

    Raises:
        ConflictError: A compare-and-swap found something else than memory says is there.
    """
    for write in writes:
        _apply_one(connection, ids, write)


def _apply_one(connection: Connection, ids: LogIDs, write: Write) -> None:
    match write:
        case AppendEntries():
            entries.append(connection, ids, write.origin, write.start, write.entries, write.tiles)
        case PutFacts():
            facts.insert_facts(connection, ids, write)
            facts.insert_mentions(connection, ids, write.mentions)
            facts.insert_voids(connection, ids, write.voids)
            ties.put(connection, ids, write.ties)
        case PutTallies():
            tallies.put(connection, ids, write)
        case PutMap():
            maps.put(connection, ids, write)
        case PutFindings():
            findings.put_findings(connection, ids, write.rows)
        case PutUses():
            findings.put_uses(connection, ids, write.rows)
        case PutEvidence():
            findings.put_evidence(connection, ids, [write])
        case PutAnswers():
            answers.put(connection, ids, write.rows)
        case ViewAnswers():
            answers.view(connection, ids, write)
        case DateAnswers():
            answers.date(connection, ids, write)
        case InheritAnswers():
            answers.inherit(connection, ids, write)
        case DropAnswers():
            answers.drop(connection, ids, write)
        case AdvanceProjection():
            notes.put_projection(connection, ids, write.origin, write.size, write.state)
        case AdvancePeer():
            peers.advance(connection, write.old, write.new)
        case IssueLine():
            peers.issue(connection, write)
        case PutNote():
            notes.put_note(
                connection, ids, write.origin, write.size, write.note, finished=write.finished
            )
        case PutSecondNote():
            second_notes.put(connection, ids, write)
        case PutMemory():
            notes.put_memory(connection, write.name, write.value)
