import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.note import Note, sign_ed25519
from ledger.statement import decode_statement
from ledger.views import (
    Block,
    BlockLines,
    Cover,
    Evidence,
    FixedRange,
    block_body,
    check_lines,
    collect_lines,
    count_lines,
    decode_block,
    decode_view,
    fresh_at,
    seen_by,
    view_body,
)
from tests.strategies import flip, values
from tests.vectors.own.example import Example
from tests.vectors.own.network import SICHUAN, TIBET, TIME_S, Log, key, line, roster, successor_of

VECTORS = Path(__file__).parents[1] / "vectors/own"
EXAMPLE = Example()
ROSTER = EXAMPLE.roster
LOG: Log = EXAMPLE.tibet
HEAD = LOG.checkpoint()
MIRRORS = ("500000", "510000", "520000", "530000")
LINES = LOG.lines(MIRRORS, "mirror")
RAW = [it.line for it in LINES]
BODY = view_body(LOG.note(), ROSTER, LINES)
OTHER = Checkpoint(TIBET, 9, bytes(32))


# Lines


def test_each_good_line_is_given_back_with_its_region_and_time() -> None:
    assert check_lines(ROSTER, TIBET, HEAD, RAW, "mirror") == LINES
    assert collect_lines(ROSTER, TIBET, HEAD, RAW, "mirror") == LINES
    witnesses = LOG.lines(MIRRORS, "witness")
    assert check_lines(ROSTER, TIBET, HEAD, [it.line for it in witnesses], "witness") == witnesses


BAD_LINES = {
    "of another role": line("500000", "witness", HEAD, TIME_S).line,
    "of the log's own region": line("540000", "mirror", HEAD, TIME_S).line,
    "of a stranger": line("990000", "mirror", HEAD, TIME_S).line,
    "on another tree": line("500000", "mirror", OTHER, TIME_S).line,
    "with another time": RAW[0][:4] + bytes(7) + b"\1" + RAW[0][12:],
    "without a time": RAW[0][:4] + bytes(8) + RAW[0][12:],
    "signed by another key": RAW[0][:12] + RAW[1][12:],
    "too short": RAW[0][:75],
    "too long": RAW[0] + b"\0",
    "empty": b"",
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES)
def test_a_line_that_does_not_hold_is_refused_or_passed_over(bad: bytes) -> None:
    with pytest.raises(UnverifiedError) as caught:
        check_lines(ROSTER, TIBET, HEAD, [*RAW[1:], bad], "mirror")
    assert caught.value.code == "bad-line"
    assert collect_lines(ROSTER, TIBET, HEAD, [bad, *RAW[1:]], "mirror") == LINES[1:]


def test_a_region_counts_once_however_often_it_signs() -> None:
    again = line("500000", "mirror", HEAD, TIME_S + 999)
    with pytest.raises(UnverifiedError) as caught:
        check_lines(ROSTER, TIBET, HEAD, [*RAW, again.line], "mirror")
    assert caught.value.code == "bad-line"
    assert collect_lines(ROSTER, TIBET, HEAD, [*RAW, again.line], "mirror") == LINES


def test_lines_on_a_checkpoint_of_another_log_count_for_nothing() -> None:
    head = Checkpoint(SICHUAN, HEAD.size, HEAD.root)
    lines = [line(it, "mirror", head, TIME_S).line for it in ("500000", "520000", "530000")]
    assert len(collect_lines(ROSTER, SICHUAN, head, lines, "mirror")) == 3
    assert collect_lines(ROSTER, TIBET, head, lines, "mirror") == ()
    assert collect_lines(ROSTER, TIBET, HEAD, lines, "mirror") == ()


@given(st.integers(0, 76 * 8 - 1))
def test_one_flipped_bit_in_a_line_is_refused(bit: int) -> None:
    with pytest.raises(UnverifiedError):
        check_lines(ROSTER, TIBET, HEAD, [flip(RAW[0], bit)], "mirror")


def test_two_keys_with_one_key_id_are_both_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.roster.line_key_id", lambda _name, _public: b"same")
    monkeypatch.setattr("ledger.cosignature.line_key_id", lambda _name, _public: b"same")
    crowded = roster()
    assert len(crowded.mirror_keys(TIBET)[b"same"]) == 4
    made = [line(it, "mirror", HEAD, TIME_S) for it in MIRRORS]
    assert check_lines(crowded, TIBET, HEAD, [it.line for it in made], "mirror") == tuple(made)


# Times


@given(st.lists(st.integers(0, 50), max_size=7), st.integers(1, 7))
def test_the_two_times_are_the_nth_from_either_end(times: list[int], quorum: int) -> None:
    """The slow way: the time at which a quorum stands at or after, or at or before, it."""
    enough = len(times) >= quorum
    fresh = [at for at in times if sum(other >= at for other in times) >= quorum]
    seen = [at for at in times if sum(other <= at for other in times) >= quorum]
    assert fresh_at(times, quorum) == (max(fresh) if enough else None)
    assert seen_by(times, quorum) == (min(seen) if enough else None)


@given(
    st.lists(st.integers(1_000, 2_000), min_size=2, max_size=3),
    st.sampled_from([1, 2**62]) | st.integers(0, 10_000),
)
def test_one_liar_of_four_moves_no_time_past_what_honest_mirrors_say(
    honest: list[int], lie: int
) -> None:
    """n = 4, f = 1, q = 3: two honest mirrors stand behind every bound."""
    times = [*honest, lie]
    fresh, seen = fresh_at(times, 3), seen_by(times, 3)
    assert fresh is not None
    assert seen is not None
    assert fresh <= sorted(honest)[-2]  # an old view is kept fresh by no liar
    assert seen >= sorted(honest)[1]  # and an entry made older by none
    if len(honest) == 3:  # with all the honest ones there, the other way is closed as well
        assert fresh >= min(honest)
        assert seen <= max(honest)


# Views


def test_the_vector_is_a_view_that_its_roster_bears_out() -> None:
    vector = json.loads((VECTORS / "view.json").read_text())
    act = decode_statement(bytes.fromhex(vector["entry"])).act
    view = decode_view(act.body, ROSTER)
    assert (act.kind, view.origin, view.size) == ("log.view", vector["origin"], vector["size"])
    assert (view.root.hex(), view.fresh_at_s) == (vector["root"], vector["fresh_at_s"])


def test_a_view_holds_the_latest_lines_and_is_as_fresh_as_the_oldest_of_them() -> None:
    view = decode_view(BODY, ROSTER)
    assert (view.origin, view.size, view.root, view.roster) == (TIBET, HEAD.size, HEAD.root, 1)
    assert set(view.lines) == set(RAW[1:])
    assert view.fresh_at_s == TIME_S + 101
    assert view.note == LOG.note()


def test_no_view_is_made_that_would_be_refused() -> None:
    with pytest.raises(UnverifiedError) as caught:
        view_body(LOG.note(), ROSTER, LINES[:2])
    assert caught.value.code == "no-quorum"


def test_a_view_takes_only_the_logs_own_line_from_a_note() -> None:
    note = Note.decode(LOG.note())
    cosigned = note.with_signatures(sign_ed25519("a.example", key("a.example"), note.text))
    assert view_body(cosigned.encode(), ROSTER, LINES) == BODY


def with_body(**changes: Any) -> dict[str, Any]:
    """The view's body with fields replaced, or left out where they are ``...``."""
    return {name: to for name, to in (BODY | changes).items() if to is not ...}


def cosigned_note() -> bytes:
    note = Note.decode(LOG.note())
    return note.with_signatures(sign_ed25519("a.example", key("a.example"), note.text)).encode()


def note_by(signer: str) -> bytes:
    text = HEAD.encode()
    return Note(text, (sign_ed25519(TIBET, key(signer, "log"), text),)).encode()


BAD_VIEWS: dict[str, tuple[dict[str, Any], type[LedgerError], str]] = {
    "too few lines": (with_body(lines=RAW[:2]), UnverifiedError, "no-quorum"),
    "more lines than a quorum": (with_body(lines=RAW), MalformedError, "bad-field"),
    "one mirror twice": (with_body(lines=[RAW[0], RAW[1], RAW[1]]), UnverifiedError, "bad-line"),
    "a line of a witness": (
        with_body(lines=[*RAW[:2], BAD_LINES["of another role"]]),
        UnverifiedError,
        "bad-line",
    ),
    "no lines": (with_body(lines=[]), MalformedError, "bad-field"),
    "a short line": (with_body(lines=[*RAW[:2], RAW[2][:75]]), MalformedError, "bad-field"),
    "lines that are none": (with_body(lines=[*RAW[:2], 7]), MalformedError, "bad-field"),
    "lines in a map": (with_body(lines={}), MalformedError, "bad-field"),
    "another roster": (with_body(roster=2), MalformedError, "bad-field"),
    "a roster of true": (with_body(roster=True), MalformedError, "bad-field"),
    "no roster": (with_body(roster=...), MalformedError, "bad-field"),
    "another field": (with_body(more=1), MalformedError, "bad-field"),
    "a note of text": (with_body(note="note"), MalformedError, "bad-field"),
    "no note": (with_body(note=b""), MalformedError, "malformed"),
    "a line beside the log's": (with_body(note=cosigned_note()), MalformedError, "bad-field"),
    "a note of another signer": (
        with_body(note=note_by("510000")),
        UnverifiedError,
        "unknown-key",
    ),
    "a note of no member": (with_body(note=Log("990000").note(0)), UnverifiedError, "unknown-key"),
    "a note on another tree": (
        with_body(note=LOG.note(1)),
        UnverifiedError,
        "bad-line",
    ),
}


@pytest.mark.parametrize(("body", "refusal", "code"), BAD_VIEWS.values(), ids=BAD_VIEWS)
def test_a_view_that_does_not_hold_is_refused(
    body: dict[str, Any], refusal: type[LedgerError], code: str
) -> None:
    with pytest.raises(refusal) as caught:
        decode_view(body, ROSTER)
    assert caught.value.code == code


@given(st.data())
def test_one_flipped_bit_in_a_view_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, 3))
    parts = [BODY["note"], *BODY["lines"]]
    parts[at] = flip(parts[at], data.draw(st.integers(0, 8 * len(parts[at]) - 1)))
    with pytest.raises(LedgerError):
        decode_view(with_body(note=parts[0], lines=parts[1:]), ROSTER)


@given(st.sampled_from(["note", "roster", "lines"]), values)
def test_any_value_in_a_view_gives_a_refusal(name: str, value: Any) -> None:
    if value != BODY[name]:
        with pytest.raises(LedgerError):
            decode_view(with_body(**{name: value}), ROSTER)


def test_a_log_without_mirrors_can_be_in_no_view() -> None:
    alone = roster(["540000"])
    with pytest.raises(UnverifiedError) as caught:
        decode_view(with_body(lines=RAW[:1]), alone)
    assert caught.value.code == "bad-line"


def test_lines_are_counted_by_the_roster_that_the_view_names() -> None:
    second = successor_of(ROSTER, "540000", witnesses=("500000", "510000"))
    assert decode_view(with_body(roster=2, lines=RAW[:2]), second).fresh_at_s == TIME_S + 100
    with pytest.raises(UnverifiedError):
        decode_view(with_body(roster=2, lines=RAW[1:3]), second)


# Block records


def block(**changes: Any) -> Block:
    fields: dict[str, Any] = {
        "height": 1,
        "size": 9,
        "root": bytes(32),
        "note": bytes(32),
        "roster": 1,
        "rules": 1,
        "map_root": bytes(32),
        "lines": (),
    }
    return Block(**fields | changes)


def test_the_vector_is_a_block_record_whose_lines_hold() -> None:
    vector = json.loads((VECTORS / "block.json").read_text())
    act = decode_statement(bytes.fromhex(vector["entry"])).act
    made = decode_block(act.body)
    assert (act.kind, made.height, made.size) == ("log.block", vector["height"], vector["size"])
    assert block_body(made) == act.body
    [item] = made.lines
    assert count_lines(ROSTER, SICHUAN, item).covers == tuple(
        Cover(region, 1, TIME_S + 100 + at)
        for at, region in enumerate(("500000", "520000", "530000"))
    )


def test_a_block_record_reads_back_with_its_lines_in_order() -> None:
    lines = (BlockLines(7, bytes(32), tuple(RAW)), BlockLines(2, HEAD.root, tuple(RAW[:1])))
    assert decode_block(block_body(block(lines=lines))) == block(lines=lines[::-1])


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 0},
        {"height": True},
        {"size": 0},
        {"size": 2**63},
        {"root": bytes(31)},
        {"note": None},
        {"map_root": ""},
        {"roster": 0},
        {"rules": -1},
        {"lines": (BlockLines(10, bytes(32), (RAW[0],)),)},
        {"lines": (BlockLines(0, bytes(32), (RAW[0],)),)},
        {"lines": (BlockLines(2, bytes(31), (RAW[0],)),)},
        {"lines": (BlockLines(2, bytes(32), ()),)},
        {"lines": (BlockLines(2, bytes(32), (RAW[0][:75],)),)},
        {"lines": (BlockLines(2, bytes(32), (RAW[0],)),) * 2},
    ],
)
def test_a_block_record_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        block_body(block(**changes))
    assert caught.value.code == "bad-field"


@given(st.sampled_from(sorted(block_body(block()))), values | st.just(...))
def test_any_value_in_a_block_record_gives_a_refusal_or_a_record(name: str, value: Any) -> None:
    body = block_body(block()) | {name: value}
    with suppress(MalformedError):
        decode_block({field: to for field, to in body.items() if to is not ...})


def test_a_block_records_lines_descend_in_no_spelling() -> None:
    lines = [[7, bytes(32), [RAW[0]]], [2, bytes(32), [RAW[0]]]]
    with pytest.raises(MalformedError):
        decode_block(block_body(block()) | {"lines": lines})


def test_a_bad_line_in_a_block_record_counts_for_nothing_and_spoils_nothing() -> None:
    for bad in BAD_LINES.values():
        if len(bad) == 76:
            item = BlockLines(2, HEAD.root, (bad, RAW[1]))
            assert count_lines(ROSTER, TIBET, item).covers == (Cover("510000", 2, TIME_S + 101),)


# Evidence

covers = st.lists(
    st.builds(Cover, st.sampled_from(MIRRORS), st.integers(1, 12), st.integers(100, 120)),
    max_size=8,
)
records = st.lists(covers, max_size=6)


def settled(history: Sequence[Sequence[Cover]], index: int, quorum: int) -> int | None:
    """When the entry at ``index`` was seen, by the words of the protocol."""
    for upto in range(1, len(history) + 1):
        earliest: dict[str, int] = {}
        for record in history[:upto]:
            for cover in record:
                if cover.size > index:
                    earliest[cover.region] = min(
                        cover.time_s, earliest.get(cover.region, cover.time_s)
                    )
        if len(earliest) >= quorum:
            return sorted(earliest.values())[quorum - 1]
    return None


@given(records, st.integers(1, 4))
def test_each_entry_is_settled_when_and_as_the_protocol_says(
    history: list[list[Cover]], quorum: int
) -> None:
    evidence = Evidence(quorum)
    found: dict[int, int] = {}
    for upto, record in enumerate(history, start=1):
        ranges, evidence = evidence.fixed(record)
        for low, high, seen_by_s in ranges:
            for index in range(low, high):
                assert index not in found
                found[index] = seen_by_s
        expected = {at: settled(history[:upto], at, quorum) for at in range(13)}
        assert found == {at: time_s for at, time_s in expected.items() if time_s is not None}
        assert evidence.size == len(found)
        assert all(cover.size > evidence.size for cover in evidence.covers)


@given(records)
def test_ranges_join_and_neighbours_differ(history: list[list[Cover]]) -> None:
    evidence = Evidence(3)
    for record in history:
        at = evidence.size
        ranges, evidence = evidence.fixed(record)
        for item in ranges:
            assert item.low == at < item.high
            at = item.high
        assert at == evidence.size
        assert all(left.seen_by_s != right.seen_by_s for left, right in pairwise(ranges))


def test_a_later_line_moves_nothing_that_is_settled() -> None:
    ranges, evidence = Evidence(3).fixed(
        [Cover(it, 5, 100 + at) for at, it in enumerate(MIRRORS[:3])]
    )
    assert ranges == [FixedRange(0, 5, 102)]
    ranges, evidence = evidence.fixed([Cover(it, 5, 1) for it in MIRRORS])
    assert (ranges, evidence) == ([], Evidence(3, 5))


def test_a_mirror_that_covers_an_entry_twice_counts_once() -> None:
    twice = [Cover("500000", 5, 100), Cover("500000", 6, 101), Cover("510000", 5, 102)]
    ranges, evidence = Evidence(3).fixed(twice)
    assert ranges == []
    ranges, _ = evidence.fixed([Cover("520000", 5, 110)])
    assert ranges == [FixedRange(0, 5, 110)]


def test_an_earlier_line_on_a_larger_tree_counts_for_the_smaller_one() -> None:
    covers_ = [
        Cover("500000", 9, 50),
        Cover("500000", 5, 100),
        *(Cover(it, 5, 60) for it in MIRRORS[1:3]),
    ]
    assert Evidence(3).fixed(covers_)[0] == [FixedRange(0, 5, 60)]


def test_evidence_is_a_value_and_stays_as_it_was() -> None:
    start = Evidence(1)
    start.fixed([Cover("500000", 3, 7)])
    assert start == Evidence(1, 0, ())
