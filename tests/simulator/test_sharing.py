"""What goes to many nodes alike is found out once in a world that shares what it judges."""

import pytest

from ledger.cosignature import sign_line
from ledger.errors import MalformedError
from nodes.core import extension, notes
from nodes.core.extension import encode_extension
from simulator import sharing
from simulator.judging import SAMPLE
from simulator.world import BrokenError
from tests.nodes.neighbours import Log, key, make_roster


def test_what_bytes_say_is_read_once_where_nodes_share_and_each_time_elsewhere() -> None:
    body = encode_extension(b"one", b"two")
    read = extension.decode_extension
    with sharing.sharing("each"):
        assert extension.decode_extension is read
    with sharing.sharing("shared"):
        first = extension.decode_extension(body)
        assert extension.decode_extension(bytes(bytearray(body))) is first
        assert extension.decode_extension(encode_extension(b"one", b"three")) != first
        for _ in range(2):
            with pytest.raises(MalformedError):
                extension.decode_extension(body[:-1])
    assert extension.decode_extension is read
    assert extension.decode_extension(body) is not first


def test_an_answer_that_is_not_found_again_breaks_a_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = ((b"", bytes((at,))) for at in range(100))
    monkeypatch.setattr(extension, "decode_extension", lambda _body: next(answers))
    with sharing.sharing("shared"):
        for _ in range(SAMPLE):
            assert extension.decode_extension(b"") == (b"", b"\0")
        with pytest.raises(BrokenError, match="in two ways"):
            extension.decode_extension(b"")


def test_an_answer_is_found_again_with_the_lines_on_its_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "SAMPLE", 1)
    log, roster = Log("510000", [b"one"]), make_roster()
    name = f"{roster.origin_of('500000')}/mirror"
    line = sign_line(name, key("500000", "mirror"), log.checkpoint(), 30).to_signature(name)
    data, given = log.note() + line.encode(), ((roster,), roster.log_keys(log.origin))
    with sharing.sharing("shared"):
        opened = notes.open_note(data, *given)
        assert opened.lines("mirror", 1 << 40)
        assert notes.open_note(data, *given) is opened
        opened._lines["mirror"] = ()
        with pytest.raises(BrokenError, match="in two ways"):
            notes.open_note(data, *given)


def test_only_so_many_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "KEPT_MAX", 2)
    bodies = [encode_extension(b"", bytes((at,))) for at in range(3)]
    with sharing.sharing("shared"):
        kept = [extension.decode_extension(body) for body in bodies]
        assert extension.decode_extension(bodies[2]) is kept[2]
        assert extension.decode_extension(bodies[0]) is not kept[0]
