"""The store of second notes, and how the lines of two notes of one size are put together."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from ledger.note import SIGNATURES_MAX, Note, Signature
from nodes.core.ready import PutNote, PutSecondNote
from nodes.store import second_notes
from nodes.store.apply import apply
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.notes import merge_lines

LOG, OTHER = "n.example/510000", "n.example/500000"


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = open_sqlite(None)
    create_schema(engine)
    with engine.begin() as opened:
        yield opened


def line(name: str, value: int, key: bytes = b"keyA") -> Signature:
    return Signature(name, key, bytes([value]) * 2_428)


def note(*lines: Signature, text: bytes = b"a text\n") -> bytes:
    return Note(text, lines).encode()


def test_of_one_key_the_newer_line_alone_is_kept() -> None:
    newer = note(line("log", 1), line("w1", 2))
    older = note(line("log", 3), line("w1", 4), line("w2", 5))
    assert merge_lines(newer, older) == note(line("log", 1), line("w1", 2), line("w2", 5))


def test_two_keys_of_one_name_are_two_keys() -> None:
    newer, older = note(line("w1", 1)), note(line("w1", 1, b"keyB"))
    assert merge_lines(newer, older) == note(line("w1", 1), line("w1", 1, b"keyB"))


def test_a_merged_note_holds_no_more_lines_than_a_note_may() -> None:
    newer = note(*(line(f"a{number}", 1) for number in range(60)))
    older = note(*(line(f"b{number}", 1) for number in range(60)))
    merged = Note.decode(merge_lines(newer, older))
    assert len(merged.signatures) == SIGNATURES_MAX
    assert merged.signatures[:60] == Note.decode(newer).signatures


def test_another_text_of_one_size_brings_no_lines() -> None:
    newer = note(line("log", 1))
    assert merge_lines(newer, note(line("w", 1), text=b"another\n")) == newer


def test_second_notes_of_our_own_log_stay_as_long_as_the_notes_beside_them(
    connection: Connection,
) -> None:
    ids = LogIDs()
    for size in (1, 2, 3):
        apply(
            connection,
            ids,
            [
                PutNote(LOG, size, note(line("log", 1)), finished=False),
                PutSecondNote(LOG, "log", size, note(line("log", size))),
            ],
        )
    # Notes that nobody cosigned are dropped once there is a newer one.
    assert second_notes.load_own(connection, LOG) == {3: note(line("log", 3))}
    apply(connection, ids, [PutSecondNote(LOG, "log", 3, note(line("log", 4), line("w", 4)))])
    apply(connection, ids, [PutSecondNote(LOG, "log", 3, note(line("log", 5)))])
    merged = note(line("log", 5), line("w", 4))
    assert second_notes.load_newest(connection, LOG, "log") == (3, merged)
    assert second_notes.load_given(connection) == {}


def test_of_what_we_cosigned_the_last_second_note_alone_is_kept(connection: Connection) -> None:
    ids = LogIDs()
    for role in ("witness", "mirror"):
        for size in (1, 2):
            put = PutSecondNote(OTHER, role, size, note(line(role, size)))
            apply(connection, ids, [put])
    assert second_notes.load_given(connection) == {
        (role, OTHER): note(line(role, 2)) for role in ("witness", "mirror")
    }
    assert second_notes.load_own(connection, OTHER) == {}
    assert second_notes.load_newest(connection, LOG, "witness") is None
