"""Freezes, and where what they report cuts a lost log off."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.cut import Branch, Cut, check_closing, decide_cut
from ledger.errors import (
    LedgerError,
    MalformedError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.frozen import Frozen, Held, decode_frozen
from ledger.hashing import EMPTY_ROOT
from ledger.names import mirror_name, origin_for, witness_name
from ledger.note import Note, sign_ed25519
from ledger.roster import Role, Roster, _verifier_key
from tests import rfc9162
from tests.vectors.own.network import NETWORK, TIBET, TIME_S, following, key, roster

ROSTER = roster()
MAIN = [f"entry {index}".encode() for index in range(40)]
OTHER = MAIN[:25] + [f"forged {index}".encode() for index in range(25, 40)]
WITNESSES = ("500000", "510000", "520000", "530000")


def head(size: int, entries: Sequence[bytes] = MAIN) -> Checkpoint:
    return Checkpoint(TIBET, size, rfc9162.root(entries[:size]))


def branch(size: int, entries: Sequence[bytes] = MAIN) -> Branch:
    return Branch(size, lambda at: rfc9162.root(entries[:at]))


def held(region: str, role: Role, at: Checkpoint, *, by: str = "540000") -> Held:
    text = at.text()
    note = Note(text, (sign_ed25519(TIBET, key(by, "log"), text),)).encode()
    name = (witness_name if role == "witness" else mirror_name)(origin_for(NETWORK, region))
    return Held(at, note, sign_line(name, key(region, role), at, TIME_S).encode())


def report(
    region: str, seen: int, mirrored: int, entries: Sequence[bytes] = MAIN
) -> tuple[str, Frozen]:
    return region, Frozen(
        TIBET,
        1,
        held(region, "witness", head(seen, entries)) if seen else None,
        held(region, "mirror", head(mirrored, entries)) if mirrored else None,
    )


def cut(reports: Sequence[tuple[str, Frozen]], *branches: Branch, **given: Any) -> Cut:
    return decide_cut(ROSTER, TIBET, dict(reports), branches, **given)


# Freezes


def test_a_freeze_is_read_as_it_was_written() -> None:
    for region, made in (report("510000", 30, 20), report("520000", 30, 0), report("500000", 0, 0)):
        assert decode_frozen(made.to_body(), region, (ROSTER,)) == made


def test_a_freeze_reports_notes_that_the_log_signed_before_it_had_another_key() -> None:
    second = renewed()
    _, first = report("510000", 30, 20)
    newest = held("510000", "witness", head(30), by="540000/2")
    for witnessed in (first.witnessed, newest):
        made = replace(first, roster=2, witnessed=witnessed)
        assert decode_frozen(made.to_body(), "510000", (ROSTER, second)) == made
    # A key that the log gets only later has signed nothing yet.
    early = replace(first, witnessed=newest)
    with pytest.raises(UnverifiedError):
        decode_frozen(early.to_body(), "510000", (ROSTER,))


def renewed() -> Roster:
    """The second version, in which the log has another key."""
    member = ROSTER.members["540000"]
    anew = replace(member, keys=replace(member.keys, log=key("540000/2", "log").public))
    return following(ROSTER, members={**ROSTER.members, "540000": anew})


def test_a_note_that_the_log_signed_with_both_its_keys_is_no_note_of_a_freeze() -> None:
    _, made = report("510000", 30, 20)
    text = head(30).text()
    lines = tuple(sign_ed25519(TIBET, key(by, "log"), text) for by in ("540000", "540000/2"))
    assert made.witnessed is not None
    both = replace(made.witnessed, note=Note(text, lines).encode())
    body = replace(made, roster=2, witnessed=both).to_body()
    with pytest.raises(MalformedError) as caught:
        decode_frozen(body, "510000", (ROSTER, renewed()))
    assert caught.value.code == "bad-field"


def test_a_key_that_is_called_as_the_one_before_keeps_nobody_from_freezing_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four bytes call a key: whoever wants two that are called alike tries some 2^32."""
    monkeypatch.setattr("ledger.note.key_id", lambda *_: bytes(4))
    _verifier_key.cache_clear()
    _, first = report("510000", 30, 20)
    newest = held("510000", "witness", head(30), by="540000/2")
    other = held("510000", "witness", head(30), by="510000")
    try:
        for witnessed in (first.witnessed, newest):
            made = replace(first, roster=2, witnessed=witnessed)
            assert decode_frozen(made.to_body(), "510000", (ROSTER, renewed())) == made
        made = replace(first, roster=2, witnessed=other)
        with pytest.raises(UnverifiedError) as caught:
            decode_frozen(made.to_body(), "510000", (ROSTER, renewed()))
        assert caught.value.code == "bad-signature"
    finally:
        _verifier_key.cache_clear()


def changed(**fields: Any) -> Mapping[str, Any]:
    return report("510000", 30, 20)[1].to_body() | fields


def as_list(of: Held | None) -> Any:
    assert of is not None
    return [of.note, of.line]


BAD = {
    "of a log that nobody writes": (changed(origin=f"{TIBET}/2"), "not-found"),
    "of another version": (changed(roster=2), "bad-field"),
    "without a field": ({"origin": TIBET, "roster": 1}, "bad-field"),
    "of one's own log": (changed(origin=origin_for(NETWORK, "510000")), "not-entitled"),
    "with another's line": (
        changed(mirrored=as_list(held("500000", "mirror", head(20)))),
        "bad-field",
    ),
    "with a witness's line for a mirror's": (
        changed(mirrored=as_list(held("510000", "witness", head(20)))),
        "bad-line",
    ),
    "with a note that the log did not sign": (
        changed(witnessed=as_list(held("510000", "witness", head(30), by="510000"))),
        "unknown-key",
    ),
    "that mirrors more than it has seen": (
        changed(mirrored=as_list(held("510000", "mirror", head(31)))),
        "bad-field",
    ),
    "that mirrors without a line": (
        changed(mirrored=[held("510000", "mirror", head(20)).note, None]),
        "bad-field",
    ),
}


@pytest.mark.parametrize(("body", "code"), BAD.values(), ids=BAD)
def test_a_freeze_that_proves_nothing_is_refused(body: Mapping[str, Any], code: str) -> None:
    with pytest.raises(LedgerError) as caught:
        decode_frozen(body, "510000", (ROSTER,))
    assert caught.value.code == code


# The cut


def test_fewer_than_a_quorum_of_freezes_cut_nothing() -> None:
    two = [report("500000", 30, 30), report("510000", 30, 30)]
    stranger = report("540000", 30, 30)
    for reports in (two, [*two, stranger]):
        with pytest.raises(UnavailableError) as caught:
            cut(reports, branch(40))
        assert caught.value.code == "too-few-frozen"


def test_the_cut_is_the_largest_size_reported_whose_bytes_are_held() -> None:
    reports = [report("500000", 30, 20), report("510000", 35, 28), report("520000", 10, 10)]
    found = cut(reports, branch(30))
    assert (found.size, found.root, found.lacking) == (30, head(30).root, ())
    assert not found.is_forked
    # Entries that nobody reports were promised to nobody, though they are here.
    assert cut(reports, branch(40)).size == 35


def test_bytes_that_a_member_mirrors_and_are_not_here_are_asked_for() -> None:
    reports = [report("500000", 30, 30), report("510000", 20, 20), report("520000", 20, 20)]
    assert cut(reports, branch(20)).lacking == ("500000",)


def test_a_log_that_nobody_has_heard_of_is_cut_at_nothing() -> None:
    found = cut([report(region, 0, 0) for region in WITNESSES], branch(0))
    assert (found.size, found.root) == (0, EMPTY_ROOT)


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 40), min_size=4, max_size=4),
    st.sampled_from(list(combinations(range(4), 3))),
)
def test_what_was_ever_replicated_is_below_the_cut(sizes: list[int], frozen: tuple[int]) -> None:
    """Whichever quorum freezes, and whatever one member that lies says less than it signed."""
    replicated = sorted(sizes, reverse=True)[ROSTER.quorum(TIBET) - 1]
    for liar in frozen:
        told = [0 if at == liar else size for at, size in enumerate(sizes)]
        reports = [report(WITNESSES[at], told[at], told[at]) for at in frozen]
        assert cut(reports, branch(40)).size >= replicated


# Two histories


def test_of_two_branches_the_one_with_a_quorum_stands() -> None:
    reports = [
        report("500000", 38, 38),
        report("510000", 36, 30),
        report("520000", 39, 33),
        report("530000", 39, 39, OTHER),
    ]
    for branches in ([branch(40), branch(40, OTHER)], [branch(40, OTHER), branch(40)]):
        found = cut(reports, *branches)
        assert (found.size, found.root, found.is_forked) == (39, head(39).root, True)


def test_a_quorum_at_the_very_size_of_another_branch_needs_none_of_its_bytes() -> None:
    reports = [report(region, 39, 39) for region in WITNESSES[:3]]
    found = cut([*reports, report("530000", 39, 39, OTHER)], branch(40))
    assert (found.size, found.root, found.is_forked) == (39, head(39).root, True)


def test_where_neither_branch_has_a_quorum_the_last_common_size_is_the_cut() -> None:
    reports = [
        report("500000", 38, 38),
        report("510000", 36, 30),
        report("520000", 39, 39, OTHER),
        report("530000", 39, 39, OTHER),
    ]
    found = cut(reports, branch(40), branch(10), branch(40, OTHER))
    assert (found.size, found.root, found.is_forked) == (25, head(25).root, True)


def test_a_quorum_of_mirrors_that_a_view_shows_decides_between_branches() -> None:
    reports = [
        report("500000", 38, 38),
        report("520000", 39, 39, OTHER),
        report("530000", 39, 39, OTHER),
    ]
    found = cut(reports, branch(40), branch(40, OTHER), proven=[head(30)])
    assert (found.size, found.root) == (38, head(38).root)


def test_without_the_bytes_of_the_other_branch_nothing_is_decided() -> None:
    reports = [
        report("500000", 38, 38),
        report("510000", 36, 30),
        report("530000", 39, 39, OTHER),
    ]
    with pytest.raises(UnavailableError) as caught:
        cut(reports, branch(40))
    assert caught.value.code == "bytes-missing"


def test_two_quorums_are_more_than_a_cut_can_settle() -> None:
    reports = [report(region, 38, 38) for region in WITNESSES]
    with pytest.raises(UnverifiedError) as caught:
        cut(reports, branch(40), branch(40, OTHER), proven=[head(30, OTHER)])
    assert caught.value.code == "two-quorums"


# What a member signs


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (head(20), ""),
        (head(39), ""),
        (head(19), "cut-below-mirror"),
        (head(39, OTHER), "cut-elsewhere"),
        (head(20, [b"x"] * 20), "cut-elsewhere"),
        (head(40, [b"x"] * 40), ""),
    ],
)
def test_a_member_signs_no_cut_below_or_beside_what_it_mirrors(at: Checkpoint, code: str) -> None:
    """What lies beyond the bytes that it holds it cannot compare."""
    if not code:
        check_closing(at, head(20), branch(39))
        return
    with pytest.raises(RefusedError) as caught:
        check_closing(at, head(20), branch(39))
    assert caught.value.code == code
