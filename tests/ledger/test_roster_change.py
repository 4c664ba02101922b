"""Great versions, written as what they change of the version before."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger import encoding, roster_change
from ledger.beginning import check_beginning, genesis_body
from ledger.epochs import epoch_body, epoch_roster
from ledger.errors import LedgerError, MalformedError, RefusedError, UnverifiedError
from ledger.roster import Roster
from ledger.roster_acts import Proposal
from ledger.roster_chain import RosterChain
from ledger.roster_change import (
    CHANGE_FORMAT,
    CHANGED_MAX,
    ROSTER_BYTES_MAX,
    apply_change,
    change_of,
    check_fits,
    is_change,
    read,
    read_signed,
    written,
    written_signed,
    written_version,
)
from ledger.roster_fields import Pin
from ledger.signed_roster import SignedRoster
from ledger.statement import Act, sign_statement
from ledger.suites import SM2_SM3
from tests.ledger.test_roster_chain import GENESIS, reborn, rekeyed, with_member
from tests.vectors.own.network import GUANGXI, SICHUAN, TIBET, following, key, signed

VECTOR = json.loads((Path(__file__).parents[1] / "vectors/own/roster-change.json").read_text())
WITH_SUITE = following(GENESIS, suites=(SM2_SM3,))
REKEYED = rekeyed()

CHANGES: dict[str, tuple[Roster, Callable[[], Roster]]] = {
    "nothing": (GENESIS, lambda: following(GENESIS)),
    "steward and rules": (GENESIS, lambda: following(GENESIS, steward="510000", rules=2)),
    "constants": (
        GENESIS,
        lambda: following(GENESIS, constants=replace(GENESIS.constants, refresh_s=20)),
    ),
    "a suite comes": (GENESIS, lambda: WITH_SUITE),
    "a suite goes": (WITH_SUITE, lambda: following(WITH_SUITE, suites=())),
    "one joins": (GENESIS, lambda: following(GENESIS, members=with_member(GUANGXI))),
    "a log is closed and goes on": (GENESIS, lambda: following(GENESIS, **reborn())),
    "a key is proven": (GENESIS, rekeyed),
    "the proof is not carried on": (REKEYED, lambda: following(REKEYED)),
    "a committee": (
        GENESIS,
        lambda: following(GENESIS, members=with_member("510000", witnesses=("530000", "540000"))),
    ),
    "one pin of five": (
        WITH_SUITE,
        lambda: following(WITH_SUITE, pins={**WITH_SUITE.pins, SICHUAN: Pin(7, bytes(32))}),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_version_comes_out_of_its_change_byte_for_byte(what: str) -> None:
    before, make = CHANGES[what]
    new = make()
    change = change_of(before, new)
    assert is_change(change)
    assert not is_change(new.encode())
    assert apply_change(before, change) == new.encode()
    assert written_version(change) == written_version(new.encode()) == new.version
    assert len(change) < len(new.encode()) / 2


def test_the_vector_is_a_join_written_as_a_change() -> None:
    before = Roster.decode(bytes.fromhex(VECTOR["before"]))
    change = bytes.fromhex(VECTOR["change"])
    assert Roster.decode(apply_change(before, change)).sha256.hex() == VECTOR["sha256"]
    assert change_of(before, Roster.decode(apply_change(before, change))) == change


def test_a_change_is_of_one_version_alone() -> None:
    with pytest.raises(UnverifiedError) as caught:
        apply_change(WITH_SUITE, change_of(GENESIS, following(GENESIS)))
    assert caught.value.code == "roster-previous"


ALTERED: dict[str, Callable[[list[Any]], object]] = {
    "another format": lambda it: ["other/v1", *it[1:]],
    "another hash": lambda it: [*it[:3], bytes(32), *it[4:]],
    "an unknown term": lambda it: [*it[:4], {"network": "other.example"}, *it[5:]],
    "a term that stays": lambda it: [*it[:4], {"rules": 1}, *it[5:]],
    "a member that stays": lambda it: [*it[:5], {"510000": {}}, *it[6:]],
    "a member's field that stays": lambda it: [*it[:5], {"510000": {"tls": None}}, *it[6:]],
    "a member that is no map": lambda it: [*it[:5], {"510000": 7}, *it[6:]],
    "keys that are no map": lambda it: [*it[:5], {"510000": {"keys": 7}}, *it[6:]],
    "one pin too few": lambda it: [*it[:6], it[6][1:], it[7]],
    "no pin where none was": lambda it: [*it[:6], [None, *it[6][1:]], it[7]],
    "more": lambda it: [*it, 1],
    "less": lambda it: it[:-1],
    "nothing": lambda _it: [],
}


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({f"{number:06}": 0 for number in range(CHANGED_MAX + 1)}, "at most 2048 members"),
        (dict.fromkeys(range(9), 0), "a region is text"),
    ],
)
def test_members_that_no_roster_holds_are_refused_before_anything_is_made_of_them(
    members: dict[object, int], why: str
) -> None:
    head = [CHANGE_FORMAT, 2, GENESIS.sha256, bytes(32), {}, members]
    with pytest.raises(MalformedError, match=why) as caught:
        apply_change(GENESIS, encoding.encode([*head, [None] * len(GENESIS.origins), {}]))
    assert caught.value.code == "bad-field"


def test_the_members_are_copied_once_however_many_change(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[int] = []
    changed = roster_change._changed
    monkeypatch.setattr(
        roster_change,
        "_changed",
        lambda fields, changes: copies.append(len(fields)) or changed(fields, changes),
    )
    members = {f"{number:06}": 0 for number in range(CHANGED_MAX)}
    head = [CHANGE_FORMAT, 2, GENESIS.sha256, bytes(32), {}, members]
    with pytest.raises(MalformedError, match="another version than it says"):
        apply_change(GENESIS, encoding.encode([*head, [None] * len(GENESIS.origins), {}]))
    assert len(copies) == 1


@pytest.mark.parametrize("how", ALTERED)
def test_a_change_has_one_form_and_no_other_is_read(how: str) -> None:
    whole = encoding.decode(change_of(GENESIS, following(GENESIS)))
    with pytest.raises(MalformedError) as caught:
        apply_change(GENESIS, encoding.encode(ALTERED[how](whole)))
    assert caught.value.code == "bad-field"


def test_what_does_not_follow_has_no_change() -> None:
    closed = following(GENESIS, **reborn())
    cut = closed.closed[SICHUAN]
    moved = following(closed, closed={SICHUAN: replace(cut, size=cut.size + 1)})
    pinless = following(GENESIS, pins={TIBET: Pin(4, bytes(32))})
    for before, new in ((closed, moved), (GENESIS, pinless)):
        with pytest.raises(LedgerError) as caught:
            change_of(before, new)
        assert caught.value.code == "bad-field"


# ---- great ones ---------------------------------------------------------------------------------


def fat(roster: Roster, letter: str, *regions: str) -> Roster:
    """A roster whose members have long names: five of them take what a hundred do."""
    members = dict(roster.members)
    for region in regions or roster.members:
        members[region] = replace(members[region], name=letter * 255, name_en=letter * 255)
    return replace(roster, members=members)


@pytest.fixture(autouse=True)
def _small_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that hold as many long names as real ones hold members."""
    monkeypatch.setattr("ledger.roster_change.ROSTER_BYTES_MAX", 6_000)


GREAT = fat(GENESIS, "区")
NEXT = following(GREAT, rules=2)


def test_a_version_that_fits_stands_whole_and_a_greater_one_is_a_change() -> None:
    assert ROSTER_BYTES_MAX == 64_512
    small = following(GENESIS)
    assert written(small.encode(), GENESIS) == small.encode()
    assert written(small.encode(), None) == small.encode()
    assert read(small.encode(), GENESIS) == small.encode()
    great = written(NEXT.encode(), GREAT)
    assert great == change_of(GREAT, NEXT)
    assert read(great, GREAT) == NEXT.encode()
    with pytest.raises(RefusedError) as caught:
        written(NEXT.encode(), None)
    assert caught.value.code == "version-too-large"
    with pytest.raises(MalformedError):
        read(change_of(GENESIS, small), GENESIS)


def test_signatures_are_over_the_whole_however_it_is_written() -> None:
    whole = signed(NEXT)
    held = written_signed(whole.encode(), GREAT)
    assert len(held) < 1_500
    assert read_signed(held, GREAT) == whole
    assert epoch_roster(epoch_body(whole.encode(), GREAT), GREAT) == whole
    small = signed(following(GENESIS))
    assert written_signed(small.encode(), None) == small.encode()
    change = change_of(GENESIS, following(GENESIS))
    with pytest.raises(MalformedError):
        read_signed(SignedRoster(change, 1, small.signatures).encode(), GENESIS)
    with pytest.raises(RefusedError):
        written_signed(whole.encode(), None)


def test_a_proposal_of_a_great_version_is_named_by_the_whole() -> None:
    proposal = Proposal(1, NEXT.encode())
    body = proposal.to_body(GREAT)
    assert is_change(body["roster"])
    assert Proposal.decode(body, GREAT) == proposal
    assert proposal.sha256 == NEXT.sha256


def test_a_version_that_only_its_stalls_and_joiners_crowd_out_is_a_change_in_that_proposal() -> (
    None
):
    """So what was proposed in the first round fits in every later one."""
    new = following(fat(GENESIS, "州", *list(GENESIS.members)[:4]), rules=2)
    before = fat(GENESIS, "州", *list(GENESIS.members)[:4])
    room = len(new.encode()) + 2 * 8 + 76
    stalls, joiners = ("510000", "520000"), (("530000", bytes(64)),)
    crowded = Proposal(2, new.encode(), stalls, joiners)
    for bytes_max, is_whole in ((room, True), (room - 1, False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ledger.roster_change.ROSTER_BYTES_MAX", bytes_max)
            body = crowded.to_body(before)
            assert is_change(body["roster"]) is not is_whole
            assert Proposal.decode(body, before) == crowded
            # As it stood in logs until now, and in the first round.
            whole = body | {"roster": new.encode()}
            assert Proposal.decode(whole, before) == crowded
            assert not is_change(Proposal(1, new.encode()).to_body(before)["roster"])
            change = change_of(before, new)
            with pytest.raises(MalformedError, match="stands whole"):
                Proposal.decode(body | {"roster": change, "stalls": [], "signatures": []}, before)


def test_a_proposal_fits_into_an_entry_whatever_stands_beside_its_version() -> None:
    regions = [f"{number:06}" for number in range(100_000, 101_000)]
    for stalls, joiners in ((80, 1), (1_000, 5), (0, 700)):
        pairs = tuple((region, bytes(64)) for region in regions[:joiners])
        beside = 8 * stalls + 76 * joiners
        body = {
            "round": 2**53,
            "roster": bytes(64_512 - beside),
            "stalls": regions[:stalls],
            "signatures": [list(pair) for pair in pairs],
        }
        act = Act("roster.propose", 1, bytes(32), (), body)
        entry = sign_statement(key("510000"), "510000", "510000/roster/999999", 2**37, act).entry
        assert len(entry) < 65_000


def test_a_log_may_begin_under_a_great_version() -> None:
    chain = RosterChain((signed(GREAT).encode(), signed(NEXT).encode()), (GREAT, NEXT))
    body = genesis_body(written_signed(chain.signed[1], GREAT), NEXT.rules, 2)
    assert check_beginning(body, chain, NEXT) == body
    fewer = signed(NEXT, list(NEXT.members)[:4])
    other = genesis_body(written_signed(fewer.encode(), GREAT), NEXT.rules, 2)
    assert check_beginning(other, chain, NEXT) == other
    third = genesis_body(written_signed(signed(following(GREAT)).encode(), GREAT), NEXT.rules, 2)
    with pytest.raises(RefusedError) as caught:
        check_beginning(third, chain, NEXT)
    assert caught.value.code == "bad-genesis"


def test_too_much_at_once_is_refused_before_anyone_signs() -> None:
    check_fits(GREAT, NEXT)
    check_fits(GENESIS, following(GENESIS))
    check_fits(GREAT, fat(following(GREAT), "州", "510000", "520000"))
    with pytest.raises(RefusedError) as caught:
        check_fits(GREAT, fat(following(GREAT), "州"))
    assert caught.value.code == "version-too-large"
