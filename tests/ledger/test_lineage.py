"""Logs that go on where another was closed, what begins them, and acts salvaged into them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.checkpoint import Checkpoint
from ledger.closing import close_log
from ledger.continuing import (
    CONTINUES_KIND,
    LINES_MAX,
    continues_body,
    covers,
    decode_continues,
    fitting_lines,
    frozen_lines,
)
from ledger.cosignature import LINE_BYTES
from ledger.errors import LedgerError, RefusedError
from ledger.frozen import Frozen, decode_frozen
from ledger.hashing import EMPTY_ROOT, hash_leaf
from ledger.judge import check_citations
from ledger.keys import key_thumbprint
from ledger.kind import Fact, Need, ViewFact
from ledger.lineage import (
    ancestors,
    before,
    has_number_of,
    heir_of,
    heirs,
    is_one_log,
    living,
    numbered,
    shown_by,
)
from ledger.member import Member
from ledger.receipt import make_inclusion_receipt
from ledger.roster_fields import Closing, Pin
from ledger.salvage import Salvage, as_judged, check_lost, decode_salvage
from ledger.statement import Act, Citation, decode_statement, sign_statement
from ledger.views import BlockLines
from tests import rfc9162
from tests.ledger.test_cut import MAIN, ROSTER, held
from tests.vectors.own.example import Example
from tests.vectors.own.network import CASE, OFFICER, SICHUAN, TIBET, TIME_S, key, member

EXAMPLE = Example()
SECOND, THIRD = f"{TIBET}/2", f"{TIBET}/3"
CLOSED = {
    TIBET: Closing(20, rfc9162.root(MAIN[:20]), SECOND),
    SECOND: Closing(5, rfc9162.root(MAIN[:5]), THIRD),
    SICHUAN: Closing(9, rfc9162.root(MAIN[:9]), TIBET + "/3"),
}
AFTER = replace(
    ROSTER,
    version=2,
    previous=ROSTER.sha256,
    members={**ROSTER.members, "540000": member("540000", origin=SECOND)},
    closed={TIBET: CLOSED[TIBET]},
)
GENESIS = {"leaf": "form", "roster": b"roster", "rules": 1}


def test_a_log_goes_on_in_the_one_that_the_roster_names() -> None:
    assert heir_of(CLOSED, TIBET) == SECOND
    assert before(CLOSED, SECOND) == TIBET
    assert before(CLOSED, TIBET) is None
    assert [old for old, _ in ancestors(CLOSED, THIRD)] == [SECOND, TIBET]
    assert list(heirs(CLOSED, TIBET)) == [TIBET, SECOND, THIRD]
    assert living(CLOSED, TIBET) == THIRD
    assert is_one_log(CLOSED, TIBET, THIRD)
    assert is_one_log(CLOSED, THIRD, SECOND)
    assert not is_one_log(CLOSED, THIRD, SICHUAN)


def test_a_view_shows_its_log_and_below_their_cuts_all_that_this_one_goes_on_from() -> None:
    assert list(shown_by(CLOSED, THIRD, 2)) == [(THIRD, 2), (SECOND, 5), (TIBET, 20)]
    assert list(shown_by(CLOSED, SECOND, 3)) == [(SECOND, 3), (TIBET, 20)]
    assert list(shown_by(CLOSED, TIBET, 7)) == [(TIBET, 7)]


def test_a_region_that_takes_over_anothers_cases_is_no_heir_of_its_log() -> None:
    assert heir_of(CLOSED, SICHUAN) is None
    assert living(CLOSED, SICHUAN) == SICHUAN


@pytest.mark.parametrize(
    ("origin", "name", "may"),
    [
        (TIBET, "540000/grant/2026-1", True),
        (SECOND, "540000/grant/2026-1", False),
        (SECOND, "540000/grant/2-2026-1", True),
        (SECOND, "540000/grant/3-2026-1", False),
        (SECOND, "510000/case/2026-1", True),
        (SECOND, "540000/officer/o-1", True),
        (SECOND, "540000/token/0123", True),
        (SECOND, "540000/vault-key/x25519", True),
        (SECOND, "540000/payload/1", False),
        (SECOND, TIBET, True),
    ],
)
def test_numbers_of_a_successor_begin_with_its_own(origin: str, name: str, *, may: bool) -> None:
    assert has_number_of(origin, name) is may


# What a log begins with


def test_a_successor_names_the_cut_and_brings_the_lines_that_date_what_is_below() -> None:
    reports = {
        region: Frozen(TIBET, 1, held(region, "witness", at), held(region, "mirror", at))
        for region, at in (("500000", head(18)), ("510000", head(20)), ("520000", head(25)))
    }
    lines = frozen_lines(reports, 20)
    body = continues_body(GENESIS, AFTER, SECOND, lines)
    found = decode_continues(body, GENESIS, AFTER, SECOND)
    assert (found.origin, found.size, found.root) == (TIBET, 20, CLOSED[TIBET].root)
    good = covers(found, ROSTER, lambda size: rfc9162.root(MAIN[:size]))
    assert sorted(good) == [("500000", 18, TIME_S), ("510000", 20, TIME_S)]
    # A line on another tree dates nothing.
    assert covers(found, ROSTER, lambda _size: bytes(32)) == ()


@pytest.mark.parametrize(("roster_bytes", "least"), [(64_512, 1), (60_000, 35), (100, 256)])
def test_the_first_entry_of_a_successor_fits_whatever_roster_it_begins_under(
    roster_bytes: int, least: int
) -> None:
    genesis = GENESIS | {"roster": bytes(roster_bytes)}
    lines = [BlockLines(2**40 + at, bytes(32), (bytes(LINE_BYTES),)) for at in range(300)]
    kept = fitting_lines(genesis, lines)
    assert len(kept) >= least
    assert kept == tuple(lines[: -len(kept) - 1 : -1])  # on the largest trees
    after = replace(AFTER, closed={TIBET: Closing(2**41, bytes(32), SECOND)})
    body = continues_body(genesis, after, SECOND, kept)
    act = Act(CONTINUES_KIND, 1, None, (), body)
    entry = sign_statement(key("540000", "issuer"), "540000", SECOND, TIME_S, act).entry
    assert len(entry) > 65_535 - 768 - 124 or len(kept) == LINES_MAX
    decode_continues(body, genesis, after, SECOND)


def head(size: int) -> Checkpoint:
    return Checkpoint(TIBET, size, rfc9162.root(MAIN[:size]))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"size": 19}, "bad-genesis"),
        ({"root": bytes(32)}, "bad-genesis"),
        ({"origin": SICHUAN}, "bad-genesis"),
        ({"roster": b"another"}, "bad-genesis"),
        ({"more": 1}, "bad-genesis"),
        ({"lines": None}, "bad-field"),
        ({"lines": [[21, bytes(32), [bytes(76)]]]}, "bad-field"),
        ({"lines": [[2, bytes(32), [bytes(76)]], [1, bytes(32), [bytes(76)]]]}, "bad-field"),
    ],
)
def test_a_successor_that_names_another_past_is_refused(changes: dict[str, Any], code: str) -> None:
    body = continues_body(GENESIS, AFTER, SECOND, ()) | changes
    with pytest.raises(LedgerError) as caught:
        decode_continues(body, GENESIS, AFTER, SECOND)
    assert caught.value.code == code


def test_an_open_log_is_not_continued() -> None:
    for roster, origin in ((ROSTER, SECOND), (AFTER, TIBET), (AFTER, f"{SICHUAN}/2")):
        with pytest.raises(RefusedError) as caught:
            continues_body(GENESIS, roster, origin, ())
        assert caught.value.code == "open-log"


# The version that closes


PINS = {origin: Pin(3, bytes(32)) for origin in ROSTER.origins} | {
    TIBET: Pin(22, rfc9162.root(MAIN[:22]))
}
CUT = Pin(20, rfc9162.root(MAIN[:20]))
FRESH = {
    name: key("540000 second", name).public
    for name in ("log", "witness", "mirror", "receipt", "issuer")
}
HEIR = member("540000", origin=SECOND, keys=replace(ROSTER.members["540000"].keys, **FRESH))


def test_a_lost_log_is_closed_at_its_cut_and_its_region_goes_on_with_fresh_keys() -> None:
    new = close_log(ROSTER, TIBET, CUT, PINS, HEIR)
    assert new.closed == {TIBET: Closing(20, CUT.root, SECOND)}
    # Whoever has frozen the lost log can show no more of it, and must sign: its pin stays.
    assert (new.pins[TIBET], new.pins[SICHUAN]) == (Pin(0, EMPTY_ROOT), PINS[SICHUAN])
    assert new.origin_of("540000") == SECOND


def test_a_region_may_leave_without_a_successor() -> None:
    new = close_log(ROSTER, TIBET, CUT, PINS, None)
    assert "540000" not in new.members
    assert new.closed[TIBET].successor is None
    steward = replace(ROSTER, steward="540000")
    assert close_log(steward, TIBET, CUT, PINS, None).steward == "500000"


def test_a_region_that_leaves_witnesses_nothing_any_more() -> None:
    others = tuple(it for it in ROSTER.members if it != "510000")
    committee = replace(ROSTER.members["510000"], witnesses=others)
    before = replace(ROSTER, members={**ROSTER.members, "510000": committee})
    new = close_log(before, TIBET, CUT, PINS, None)
    assert new.members["510000"].witnesses == tuple(it for it in others if it != "540000")
    assert new.members["520000"] == before.members["520000"]


@pytest.mark.parametrize(
    ("heir", "code"),
    [
        (member("540000", origin=SECOND), "retired-key"),
        (replace(HEIR, origin=THIRD), "bad-successor"),
        (replace(HEIR, origin=TIBET), "bad-successor"),
    ],
)
def test_an_heir_with_an_old_key_or_another_log_is_refused(heir: Member, code: str) -> None:
    with pytest.raises(LedgerError) as caught:
        close_log(ROSTER, TIBET, CUT, PINS, heir)
    assert caught.value.code == code


# Citations across the cut


def check(citation: Citation, origin: str, views: dict[str, int]) -> str:
    act = Act("case.open", 1, None, (citation,), {})
    shown = {at: ViewFact(3, bytes(32), at, size, bytes(32), 0) for at, size in views.items()}
    fact = Fact(citation.origin, "540000/grant/1", citation.index, citation.leaf, {})
    need = Need("grant", "540000/grant/1", next(iter(views), None), cite=True)
    try:
        check_citations(act, 9, origin, (need,), {"grant": fact}, shown, CLOSED)
    except RefusedError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("cited", "index", "origin", "views", "code"),
    [
        (TIBET, 19, SICHUAN, {SECOND: 1}, ""),
        (TIBET, 19, SICHUAN, {THIRD: 1}, ""),
        (TIBET, 20, SICHUAN, {SECOND: 99}, "void-citation"),
        (TIBET, 7, SICHUAN, {TIBET: 8}, ""),
        (TIBET, 8, SICHUAN, {TIBET: 8}, "void-citation"),
        (SECOND, 5, SICHUAN, {THIRD: 1}, "void-citation"),
        (TIBET, 19, SECOND, {}, ""),
        (TIBET, 20, SECOND, {}, "void-citation"),
        (TIBET, 19, f"{SICHUAN}/2", {}, "void-citation"),
    ],
)
def test_a_citation_reaches_below_the_cut_through_the_log_that_goes_on(
    cited: str, index: int, origin: str, views: dict[str, int], code: str
) -> None:
    assert check(Citation("grant", cited, index, bytes(32)), origin, views) == code


# Salvage

ACT = Act("case.note", 1, None, (), {"text": "一次性告知"})
LOST = sign_statement(key(OFFICER), OFFICER, CASE, TIME_S, ACT)
ENTRIES = [*MAIN[:25], LOST.entry, *MAIN[26:30]]


def receipt(
    index: int = 25, *, origin: str = TIBET, subject: str = CASE, by: str = "540000"
) -> bytes:
    return make_inclusion_receipt(
        key(by, "receipt"),
        origin,
        subject,
        TIME_S,
        len(ENTRIES),
        index,
        rfc9162.inclusion(index, ENTRIES),
        rfc9162.root(ENTRIES),
    )


def keys_of(origin: str) -> dict[bytes, bytes]:
    owner = {TIBET: "540000", SECOND: "540000 second"}[origin]
    public = key(owner, "receipt").public
    return {key_thumbprint(public): public}


def salvage(receipt_: bytes, *, closing: Closing = CLOSED[TIBET], leaf: bytes | None = None) -> str:
    lost = Salvage(decode_statement(LOST.entry), receipt_)
    closed = CLOSED | {TIBET: closing}
    try:
        check_lost(lost, THIRD, closed, keys_of, lambda _origin, _index: leaf)
    except LedgerError as error:
        return error.code
    return ""


def test_an_act_beyond_the_cut_with_its_receipt_is_lost_and_may_be_salvaged() -> None:
    assert salvage(receipt()) == ""


def test_an_act_that_stands_below_the_cut_is_not_lost() -> None:
    whole = Closing(30, rfc9162.root(ENTRIES), SECOND)
    assert salvage(receipt(), closing=whole, leaf=hash_leaf(LOST.entry)) == "not-lost"
    # On the branch of a fork that did not stand, its place holds another entry.
    assert salvage(receipt(), closing=whole, leaf=bytes(32)) == ""


FORGED = {
    "by another region's key": receipt(by="510000"),
    "by the successor's own key": receipt(by="540000 second"),
    "of another log by the right key": receipt(origin=SICHUAN),
    "of the successor by the old key": receipt(origin=SECOND),
    "for another act": receipt(24),
    "about another subject": receipt(subject="510000/case/2026-1"),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_receipt_that_the_lost_log_did_not_give_salvages_nothing(forged: bytes) -> None:
    assert salvage(forged) in {"unknown-key", "bad-signature", "bad-proof"}


def test_a_salvaged_act_keeps_its_words_and_gets_a_new_place() -> None:
    body = Salvage(decode_statement(LOST.entry), receipt()).to_body()
    citation = Citation("view", SICHUAN, 3, bytes(32))
    act = Act("log.salvage", 1, b"p" * 32, (citation,), body)
    outer = sign_statement(key("540000", "issuer"), "540000", CASE, TIME_S + 9, act)
    found = as_judged(outer)
    assert (found.issuer, found.subject, found.act.body) == (OFFICER, CASE, ACT.body)
    assert (found.act.kind, found.act.previous) == ("case.note", b"p" * 32)
    assert (found.act.citations, found.time_s) == ((citation,), TIME_S + 9)
    assert (found.leaf, found.entry) == (outer.leaf, outer.entry)
    assert as_judged(LOST) is LOST


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"statement": LOST.entry},
        {"statement": LOST.entry, "receipt": receipt(), "more": 1},
        {"statement": b"", "receipt": receipt()},
        {"statement": LOST.entry, "receipt": bytes(9_000)},
        {
            "statement": sign_statement(
                key("540000", "issuer"), "540000", TIBET, TIME_S, Act("log.view", 1, None, (), {})
            ).entry,
            "receipt": receipt(),
        },
    ],
)
def test_a_salvage_is_one_act_and_one_receipt(body: dict[str, Any]) -> None:
    with pytest.raises(LedgerError):
        decode_salvage(body)


# The vector


def test_the_vector_is_read_as_it_was_made() -> None:
    vector = json.loads((Path(__file__).parents[1] / "vectors/own/loss.json").read_text())
    six, closed = EXAMPLE.chain()[1:]
    made = {
        name: decode_statement(bytes.fromhex(vector[name])).act
        for name in ("frozen", "continues", "salvage")
    }
    frozen = decode_frozen(made["frozen"].body, "520000", EXAMPLE.chain()[:2])
    assert (frozen.origin, frozen.mirrored_size) == (vector["origin"], vector["size"])
    genesis = {name: made["continues"].body[name] for name in GENESIS}
    heir = f"{vector['origin']}/2"
    continues = decode_continues(made["continues"].body, genesis, closed, heir)
    assert (continues.size, continues.root.hex()) == (vector["size"], vector["root"])
    lost = decode_salvage(made["salvage"].body)
    assert lost.inner.leaf.hex() == vector["lost"]
    public = six.members["510000"].keys.receipt
    keys = {key_thumbprint(public): public}
    found = check_lost(lost, heir, closed.closed, lambda _origin: keys, lambda *_at: None)
    assert (found.origin, found.index) == (vector["origin"], vector["size"])


def test_a_number_made_for_a_log_is_one_that_it_may_give_out() -> None:
    for origin, number in (("n.example/510000", "7"), ("n.example/510000/2", "2-7")):
        assert numbered(origin, "7") == number
        assert has_number_of(origin, f"510000/payload/{numbered(origin, '7')}")
