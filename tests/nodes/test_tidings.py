"""What a peer is told unasked: what it lacks, until it has it, and then no more."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from nodes.core.exchange import FINISHED, ROSTERS, encode_rosters
from nodes.core.tidings import NoteTold, RostersTold, Tidings

PEER = "540000"
SIGNED = (b"genesis", b"second", b"third")


@dataclass
class Own:
    """Our own log's notes, as far as they are told."""

    finished_count: int = 0
    finished_note: bytes = b""


def tidings(versions: int = 3, own: Own | None = None) -> Tidings:
    chain = SimpleNamespace(signed=SIGNED[:versions])
    rosters: Any = SimpleNamespace(chain=chain, newest=SimpleNamespace(version=versions))
    candidate: Any = Own() if own is None else own
    return Tidings(rosters, candidate)


def test_everyone_has_the_genesis() -> None:
    assert tidings(1).rosters(PEER) is None


def test_the_newest_version_is_told_alone_and_all_to_who_lacks_those_before() -> None:
    told = tidings()
    newest = RostersTold(3)
    assert told.rosters(PEER) == (newest, ROSTERS, encode_rosters(SIGNED[2:]))
    assert told.answered(PEER, newest, 422)
    assert told.rosters(PEER) == (newest, ROSTERS, encode_rosters(SIGNED[1:]))
    assert told.answered(PEER, newest, 204)
    assert told.rosters(PEER) is None
    assert told.rosters("another") is not None


def test_who_refuses_all_of_them_has_failed() -> None:
    told = tidings()
    assert told.answered(PEER, RostersTold(3), 422)
    assert not told.answered(PEER, RostersTold(3), 422)


def test_a_note_is_told_once_and_the_next_one_again() -> None:
    own = Own()
    told = tidings(own=own)
    assert told.note(PEER) is None
    own.finished_count, own.finished_note = 1, b"a note"
    assert told.note(PEER) == (NoteTold(1), FINISHED, b"a note")
    assert told.answered(PEER, NoteTold(1), 204)
    assert told.note(PEER) is None
    own.finished_count = 2
    assert told.note(PEER) == (NoteTold(2), FINISHED, b"a note")


@pytest.mark.parametrize("status", [0, 404, 500])
def test_what_was_not_taken_is_told_again(status: int) -> None:
    told = tidings(own=Own(1, b"a note"))
    assert not told.answered(PEER, NoteTold(1), status)
    assert not told.answered(PEER, RostersTold(3), status)
    assert told.note(PEER) is not None
    assert told.rosters(PEER) is not None


def test_an_older_answer_takes_nothing_back() -> None:
    told = tidings(own=Own(2, b"a note"))
    assert told.answered(PEER, NoteTold(2), 204)
    assert told.answered(PEER, NoteTold(1), 204)
    assert told.note(PEER) is None
