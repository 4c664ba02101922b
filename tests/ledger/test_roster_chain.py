"""Versions that follow one another, and every reason why one may not."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger import encoding
from ledger.errors import MalformedError, NotFoundError, UnverifiedError
from ledger.hashing import EMPTY_ROOT
from ledger.key_proof import proof_message, prove_key
from ledger.member import Member
from ledger.roster import Roster
from ledger.roster_chain import RosterChain, check_follows, check_successor, governance_quorum
from ledger.roster_fields import Closing, Pin
from ledger.signed_roster import SignedRoster, sign_roster
from tests.vectors.own.example import Example
from tests.vectors.own.network import (
    GUANGXI,
    NETWORK,
    REGIONS,
    SICHUAN,
    TIBET,
    following,
    key,
    member,
    new_keys,
    roster,
    signed,
)

VECTOR = json.loads((Path(__file__).parents[1] / "vectors/own/roster-chain.json").read_text())
KEY_PROOF = json.loads((Path(__file__).parents[1] / "vectors/own/key-proof.json").read_text())
GENESIS = roster()
SIGNED = signed(GENESIS)
FRESH = key("510000/2", "governance")
HEIR = f"{SICHUAN}/2"
CUT = Pin(4, bytes(31) + b"\x04")


def with_member(region: str, **changes: Any) -> dict[str, Member]:
    """The members with one of them changed."""
    return dict(GENESIS.members) | {region: member(region, **changes)}


def without(*regions: str) -> dict[str, Member]:
    """The members without some of them."""
    return {region: it for region, it in GENESIS.members.items() if region not in regions}


def pinned(**pins: Pin) -> dict[str, Pin]:
    """A pin for each log of the genesis, some of them given by region."""
    return {origin: pins.get(f"r{origin[-6:]}", Pin(0, EMPTY_ROOT)) for origin in GENESIS.origins}


def reborn(**changes: Any) -> dict[str, Any]:
    """Sichuan's log is closed, and the region goes on in the next one."""
    fields = {"origin": HEIR, "keys": new_keys("510000", 2)} | changes
    return {
        "members": with_member("510000", **fields),
        "pins": pinned(r510000=CUT),
        "closed": {SICHUAN: Closing(CUT.size, CUT.root, HEIR)},
    }


def test_the_vector_is_a_chain_in_which_one_joins_and_a_log_is_closed() -> None:
    chain = RosterChain.check([bytes.fromhex(item) for item in VECTOR["signed"]])
    assert [made.sha256.hex() for made in chain.rosters] == VECTOR["sha256"]
    assert [list(made.origins) for made in chain.rosters] == VECTOR["origins"]
    assert {origin: item.successor for origin, item in chain.newest.closed.items()} == VECTOR[
        "closed"
    ]
    assert chain.rosters == Example().chain()
    assert Roster.decode(chain.newest.encode()) == chain.newest


def test_a_chain_starts_with_the_genesis_and_follows_link_by_link() -> None:
    second = following(GENESIS, rules=2)
    third = following(second, steward="520000")
    links = [signed(made).encode() for made in (GENESIS, second, third)]
    chain = RosterChain.check(links)
    assert chain.rosters == (GENESIS, second, third)
    assert (chain.genesis, chain.newest, chain.at(2)) == (GENESIS, third, second)
    for version in (0, 4):
        with pytest.raises(NotFoundError) as caught:
            chain.at(version)
        assert caught.value.code == "unknown-roster"
    for bad in ([], links[1:], [links[0], links[2]], [links[0], links[0]], [*links[:2], links[1]]):
        with pytest.raises(UnverifiedError):
            RosterChain.check(bad)


def test_a_successor_needs_four_of_five() -> None:
    new = following(GENESIS)
    regions = sorted(REGIONS)
    assert governance_quorum(GENESIS) == 4
    check_successor(GENESIS, signed(new, regions[:4]))
    with pytest.raises(UnverifiedError) as caught:
        check_successor(GENESIS, signed(new, regions[:3]))
    assert caught.value.code == "no-quorum"


def test_signatures_of_different_rounds_do_not_count_together() -> None:
    new = following(GENESIS)
    regions = sorted(REGIONS)
    first, second = (
        sign_roster(new, {it: key(it, "governance") for it in regions[:4]}, round_)
        for round_ in (1, 2)
    )
    check_successor(GENESIS, first)
    check_successor(GENESIS, second)
    mixed = SignedRoster(first.body, 2, (*first.signatures[:1], *second.signatures[1:]))
    none = sign_roster(new, {it: key(it, "governance") for it in regions}, 0)
    for bad, code in ((mixed, "bad-signature"), (none, "no-quorum")):
        with pytest.raises(UnverifiedError) as caught:
            check_successor(GENESIS, bad)
        assert caught.value.code == code


def test_a_successor_needs_a_quorum_of_the_new_members_too() -> None:
    joiners = [f"61{at:04}" for at in range(5)]
    members = dict(GENESIS.members) | {region: member(region) for region in joiners}
    new = following(GENESIS, members=members)
    with pytest.raises(UnverifiedError) as caught:
        check_successor(GENESIS, signed(new, REGIONS))
    assert caught.value.code == "no-quorum"
    assert check_successor(GENESIS, signed(new, [*REGIONS, *joiners[:2]])) == new


def test_a_successor_needs_a_quorum_of_the_old_members_too() -> None:
    joiners = [f"61{at:04}" for at in range(5)]
    members = dict(GENESIS.members) | {region: member(region) for region in joiners}
    new = following(GENESIS, members=members)
    with pytest.raises(UnverifiedError) as caught:
        check_successor(GENESIS, signed(new, ["500000", "510000", "520000", *joiners]))
    assert caught.value.code == "no-quorum"


def test_a_strangers_or_a_false_signature_spoils_a_successor() -> None:
    new = following(GENESIS)
    stranger = sign_roster(new, {it: key(it, "governance") for it in [*REGIONS, "990000"]})
    false = sign_roster(
        new, {it: key(it, "log" if it == "510000" else "governance") for it in REGIONS}
    )
    for bad in (stranger, false):
        with pytest.raises(UnverifiedError) as caught:
            check_successor(GENESIS, bad)
        assert caught.value.code == "bad-signature"


def rekeyed(proof: bytes | None = None) -> Roster:
    """The next version, in which Sichuan has another governance key; with its proof, or this."""
    keys = replace(GENESIS.members["510000"].keys, governance=FRESH.public)
    proofs = {"510000": prove_key(FRESH, NETWORK, 2, "510000") if proof is None else proof}
    return following(
        GENESIS, members=with_member("510000", keys=keys), proofs={} if proof == b"" else proofs
    )


def test_the_vector_is_a_version_in_which_a_governance_key_changes() -> None:
    chain = RosterChain.check([bytes.fromhex(item) for item in KEY_PROOF["signed"]])
    assert chain.newest == rekeyed()
    assert chain.newest.proofs["510000"].hex() == KEY_PROOF["proof"]
    public = chain.newest.members["510000"].keys.governance
    assert proof_message(NETWORK, 2, "510000", public).hex() == KEY_PROOF["message"]


def test_who_changes_its_governance_key_signs_with_the_old_one_for_both_versions() -> None:
    """Else one silent member beside it would keep the version from its quorum for ever."""
    four = ["500000", "510000", "520000", "530000"]
    assert check_successor(GENESIS, signed(rekeyed(), four)) == rekeyed()
    chain = RosterChain.check([SIGNED.encode(), signed(rekeyed(), four).encode()])
    third = following(rekeyed(), rules=2)
    with pytest.raises(UnverifiedError) as caught:
        chain.extended(signed(third).encode())  # by the key that is retired
    assert caught.value.code == "bad-signature"
    assert third.proofs == {}


def test_without_the_new_keys_proof_the_old_one_counts_for_the_version_before_alone() -> None:
    bare = rekeyed(b"")
    with pytest.raises(UnverifiedError) as caught:
        check_successor(GENESIS, signed(bare, ["500000", "510000", "520000", "530000"]))
    assert caught.value.code == "no-quorum"
    others = ["500000", "520000", "530000", "540000"]
    assert check_successor(GENESIS, signed(bare, others)) == bare


def test_a_new_governance_key_signs_no_version_before_it_is_in_force() -> None:
    """It counts for the version that brings it, and not for the one before."""
    new = rekeyed()
    fresh = {it: key(it, "governance") for it in ["500000", "520000", "530000"]}
    with pytest.raises(UnverifiedError) as caught:
        check_successor(
            GENESIS, sign_roster(new, {**fresh, "510000": key("510000/2", "governance")})
        )
    assert caught.value.code == "no-quorum"


@pytest.mark.parametrize(
    "proof",
    [
        prove_key(key("510000", "governance"), NETWORK, 2, "510000"),
        prove_key(FRESH, NETWORK, 3, "510000"),
        prove_key(FRESH, NETWORK, 2, "520000"),
        prove_key(FRESH, "other.example", 2, "510000"),
        bytes(64),
    ],
    ids=["by the old key", "another version", "another region", "another network", "nothing"],
)
def test_a_proof_that_does_not_hold_spoils_the_version(proof: bytes) -> None:
    with pytest.raises(UnverifiedError) as caught:
        check_follows(GENESIS, rekeyed(proof))
    assert caught.value.code == "unproven-key"


def test_nobody_proves_a_key_that_does_not_change() -> None:
    old = prove_key(key("510000", "governance"), NETWORK, 2, "510000")
    joiner = prove_key(key(GUANGXI, "governance"), NETWORK, 2, GUANGXI)
    for new in (
        following(GENESIS, proofs={"510000": old}),
        following(GENESIS, members=with_member(GUANGXI), proofs={GUANGXI: joiner}),
    ):
        with pytest.raises(UnverifiedError) as caught:
            check_follows(GENESIS, new)
        assert caught.value.code == "unproven-key"


@pytest.mark.parametrize(
    "proofs", [{}, {"510000": b"short"}, {"990000": bytes(64)}, {7: bytes(64)}, [], {"510000": 1}]
)
def test_proofs_of_another_form_are_refused(proofs: Any) -> None:
    body = encoding.decode(rekeyed().encode()) | {"proofs": proofs}
    with pytest.raises(MalformedError) as caught:
        Roster.decode(encoding.encode(body))
    assert caught.value.code == "bad-field"


def test_a_genesis_proves_nothing() -> None:
    with pytest.raises(MalformedError):
        roster(proofs={"510000": bytes(64)})


def in_committees() -> Roster:
    """A genesis in which two members witness each log, Tibet's neighbours all but its own."""
    pairs = dict.fromkeys(["500000", "510000", "520000"], ("530000", "540000"))
    pairs |= {"530000": ("500000", "540000"), "540000": ("500000", "530000")}
    return replace(GENESIS, members={it: member(it, witnesses=pairs[it]) for it in REGIONS})


def test_a_quorum_of_a_logs_committee_signs_the_version_that_closes_it() -> None:
    before = in_committees()
    fields = reborn(witnesses=("530000", "540000"))
    members = {**before.members, "510000": fields["members"]["510000"]}
    closing, going_on = following(before, **fields | {"members": members}), following(before)

    def without_one(absent: str, new: Roster) -> SignedRoster:
        return signed(new, [it for it in REGIONS if it != absent])

    assert check_successor(before, without_one("540000", going_on)) == going_on
    assert check_successor(before, without_one("520000", closing)) == closing
    with pytest.raises(UnverifiedError) as caught:
        check_successor(before, without_one("540000", closing))
    assert caught.value.code == "no-quorum"


def test_a_version_that_none_of_a_logs_committee_signs_has_no_quorum() -> None:
    """Nobody else holds that log: its pin may be anything."""
    alone = {it: replace(made, witnesses=("540000",)) for it, made in GENESIS.members.items()}
    alone["540000"] = replace(GENESIS.members["540000"], witnesses=("500000",))
    before = replace(GENESIS, members=alone)
    new = following(before, rules=2)
    with pytest.raises(UnverifiedError) as caught:
        check_successor(before, signed(new, [it for it in REGIONS if it != "540000"]))
    assert caught.value.code == "no-quorum"
    assert check_successor(before, signed(new, [it for it in REGIONS if it != "510000"])) == new


REFUSED: Mapping[str, tuple[str, Callable[[], Roster]]] = {
    "it skips a version": ("roster-version", lambda: following(GENESIS, version=3)),
    "it is of another network": (
        "roster-version",
        lambda: following(
            GENESIS,
            network="other.example",
            members={it: member(it, origin=f"other.example/{it}") for it in REGIONS},
            pins={},
        ),
    ),
    "it follows another version": (
        "roster-previous",
        lambda: following(GENESIS, previous=bytes(32)),
    ),
    "a log vanishes": ("open-log", lambda: following(GENESIS, members=without("540000"))),
    "a log is closed that never was": (
        "closing-changed",
        lambda: following(GENESIS, closed={f"{NETWORK}/990000": Closing(0, EMPTY_ROOT, None)}),
    ),
    "a log has no pin": (
        "bad-pin",
        lambda: following(GENESIS, pins={it: pin for it, pin in pinned().items() if it != TIBET}),
    ),
    "a stranger's log is pinned": (
        "bad-pin",
        lambda: following(GENESIS, pins=pinned() | {f"{NETWORK}/990000": CUT}),
    ),
    "the pin lies beyond the cut": (
        "bad-pin",
        lambda: following(GENESIS, **reborn() | {"pins": pinned(r510000=Pin(5, CUT.root))}),
    ),
    "the pin is another tree than the cut": (
        "bad-pin",
        lambda: following(GENESIS, **reborn() | {"pins": pinned(r510000=Pin(4, bytes(32)))}),
    ),
    "a closed log's region keeps a key": (
        "retired-key",
        lambda: following(
            GENESIS,
            **reborn(
                keys=replace(new_keys("510000", 2), receipt=GENESIS.members["510000"].keys.receipt)
            ),
        ),
    ),
    "two of four mirrors go": (
        "removes-too-many",
        lambda: following(GENESIS, members=with_member("510000", witnesses=("500000", "520000"))),
    ),
    "one mirror goes and another loses its disk": (
        "removes-too-many",
        lambda: following(
            GENESIS,
            **reborn()
            | {
                "members": reborn()["members"]
                | {"540000": member("540000", witnesses=("500000", "510000", "530000"))}
            },
        ),
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_version_that_may_not_follow_is_refused_and_the_code_says_why(why: str) -> None:
    code, make = REFUSED[why]
    with pytest.raises(UnverifiedError) as caught:
        check_successor(GENESIS, signed(make()))
    assert caught.value.code == code


def test_a_region_may_lose_its_log_or_leave_and_nobody_else_with_it() -> None:
    check_follows(GENESIS, following(GENESIS, **reborn()))
    left = following(
        GENESIS,
        members=without("540000"),
        closed={TIBET: Closing(0, EMPTY_ROOT, SICHUAN)},
    )
    check_follows(GENESIS, left)
    check_follows(GENESIS, following(GENESIS, members=with_member(GUANGXI)))


def test_closings_stay_and_pins_never_go_back() -> None:
    second = following(GENESIS, **reborn())
    again = following(second, pins=pinned() | {HEIR: Pin(0, EMPTY_ROOT)})
    again = replace(again, pins={it: again.pins[it] for it in second.origins})
    check_follows(second, again)
    for changes, code in (
        ({"closed": {SICHUAN: Closing(5, CUT.root, HEIR)}}, "closing-changed"),
        ({"closed": {SICHUAN: Closing(4, CUT.root, TIBET)}}, "closing-changed"),
    ):
        with pytest.raises(UnverifiedError) as caught:
            check_follows(second, replace(again, **changes))
        assert caught.value.code == code
    higher = following(GENESIS, pins=pinned(r540000=CUT))
    for pin in (Pin(3, CUT.root), Pin(4, bytes(32))):
        lower = following(higher, pins=pinned(r540000=pin))
        with pytest.raises(UnverifiedError) as caught:
            check_follows(higher, lower)
        assert caught.value.code == "bad-pin"


def test_the_cases_of_a_closed_log_go_to_one_that_has_a_writer() -> None:
    second = following(GENESIS, **reborn())
    heirless = following(
        second,
        members=dict(second.members) | {"510000": member("510000", origin=f"{SICHUAN}/3")},
        closed=dict(second.closed) | {HEIR: Closing(0, EMPTY_ROOT, SICHUAN)},
    )
    with pytest.raises(UnverifiedError) as caught:
        check_follows(second, heirless)
    assert caught.value.code == "bad-successor"


@pytest.mark.parametrize("place", [("510000", "issuer"), ("520000", "log")])
def test_a_key_that_was_retired_never_returns_not_even_elsewhere(place: tuple[str, str]) -> None:
    old = GENESIS.members["510000"].keys
    keys = replace(old, issuer=key("510000/2", "issuer").public)
    second = following(GENESIS, members=with_member("510000", keys=keys))
    chain = RosterChain.check([SIGNED.encode(), signed(second).encode()])
    region, purpose = place
    holder = second.members[region]
    taken = replace(holder, keys=replace(holder.keys, **{purpose: old.issuer}))
    third = following(second, members=dict(second.members) | {region: taken})
    with pytest.raises(UnverifiedError) as caught:
        chain.extended(signed(third).encode())
    assert caught.value.code == "retired-key"
    with pytest.raises(UnverifiedError):
        chain.check_next(third)
    assert len(chain.rosters) == 2


def test_the_old_key_of_a_log_stays_known_for_old_notes() -> None:
    old = GENESIS.members["510000"].keys
    keys = replace(old, log=key("510000/2", "log").public)
    second = following(GENESIS, members=with_member("510000", keys=keys))
    chain = RosterChain.check([SIGNED.encode(), signed(second).encode()])
    assert [it.public for it in chain.log_keys(SICHUAN)] == [keys.log, old.log]
    assert {it.name for it in chain.log_keys(SICHUAN)} == {SICHUAN}
    assert chain.log_keys(TIBET) == GENESIS.log_keys(TIBET)


def test_a_chain_knows_every_log_and_the_version_it_began_under() -> None:
    second = following(GENESIS, **reborn())
    chain = RosterChain.check([SIGNED.encode(), signed(second).encode()])
    assert chain.origins() == (*GENESIS.origins, HEIR)
    assert chain.first_with(HEIR) == second
    assert chain.first_with(SICHUAN) == GENESIS
    with pytest.raises(NotFoundError):
        chain.first_with(f"{NETWORK}/990000")


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (["pins", TIBET], [0]),
        (["pins", TIBET], [0, bytes(32)]),
        (["pins", TIBET], [-1, EMPTY_ROOT]),
        (["pins", TIBET], [True, bytes(32)]),
        (["pins"], {"other.example/540000": [0, EMPTY_ROOT]}),
        (["pins"], {7: [0, EMPTY_ROOT]}),
        (["closed", SICHUAN, "successor"], f"{NETWORK}/990000"),
        (["closed", SICHUAN, "successor"], SICHUAN),
        (["closed", SICHUAN, "successor"], 7),
        (["closed", SICHUAN, "root"], b""),
        (["closed", SICHUAN, "extra"], 1),
        (["closed"], {}),
        (["closed", TIBET], {"size": 0, "root": EMPTY_ROOT, "successor": None}),
        (["closed", "other.example/510000"], {"size": 0, "root": EMPTY_ROOT, "successor": None}),
    ],
)
def test_a_past_of_another_form_is_refused(path: list[str], to: Any) -> None:
    body = encoding.decode(following(GENESIS, **reborn()).encode())
    at = body
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = to
    with pytest.raises(MalformedError) as caught:
        Roster.decode(encoding.encode(body))
    assert caught.value.code == "bad-field"


def test_a_signed_version_reads_back() -> None:
    whole = signed(following(GENESIS, **reborn()))
    assert SignedRoster.decode(whole.encode()) == whole
    assert whole.roster.region_of_origin(HEIR) == "510000"
