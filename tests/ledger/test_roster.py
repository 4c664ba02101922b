import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import encoding
from ledger.cosignature import line_key_id
from ledger.errors import LedgerError, MalformedError, NotFoundError, UnverifiedError
from ledger.hashing import EMPTY_ROOT
from ledger.member import MemberKeys
from ledger.names import mirror_name, witness_name
from ledger.policy import Policy
from ledger.roster import Roster
from ledger.roster_fields import Constants
from ledger.roster_policy import post_quantum_policy, tlog_policy
from ledger.signed_roster import SignedRoster, check_genesis, sign_roster, signed_message
from tests.strategies import flip, values
from tests.vectors.own.network import (
    NETWORK,
    PURPOSES,
    REGIONS,
    SICHUAN,
    TIBET,
    following,
    key,
    member,
    roster,
    signed,
)

VECTOR = json.loads((Path(__file__).parents[1] / "vectors/own/roster.json").read_text())
GENESIS = roster()
SIGNED = signed(GENESIS)


def with_member(region: str, **changes: Any) -> dict[str, Any]:
    """The members with one of them changed."""
    return dict(GENESIS.members) | {region: member(region, **changes)}


def changed(path: list[str], to: Any) -> bytes:
    """The genesis roster's bytes with one value replaced, or left out where it is ``...``."""
    body = encoding.decode(GENESIS.encode())
    at = body
    for name in path[:-1]:
        at = at[name]
    if to is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return encoding.encode(body)


def test_the_vector_is_the_roster_that_its_hash_names() -> None:
    made = SignedRoster.decode(bytes.fromhex(VECTOR["signed"]))
    assert check_genesis(made).sha256.hex() == VECTOR["sha256"] == sha256(made.body).hexdigest()
    assert tlog_policy(made.roster, SICHUAN, "witness") == VECTOR["policy"]


@given(st.lists(st.sampled_from(sorted(REGIONS)), min_size=1, unique=True), st.booleans())
def test_a_roster_reads_back_as_it_was_made(regions: list[str], pinned: bool) -> None:  # noqa: FBT001
    changes = {} if pinned else {"tls": None}
    made = roster(regions, members={region: member(region, **changes) for region in regions})
    assert Roster.decode(made.encode()) == made
    assert list(made.members) == sorted(regions)
    whole = signed(made)
    assert SignedRoster.decode(whole.encode()) == whole
    assert check_genesis(whole) == made


def test_post_quantum_keys_are_kept_where_they_are() -> None:
    keys = {purpose: key("510000", purpose).public for purpose in PURPOSES}
    pq = MemberKeys(**keys, log_pq=b"\x01" * 1312, mirror_pq=b"\x02" * 1312)
    made = roster(members=with_member("510000", keys=pq))
    read = Roster.decode(made.encode())
    assert read.member("510000").keys == pq
    assert tlog_policy(read, SICHUAN, "mirror").count("\nlog ") == 2
    with pytest.raises(MalformedError):
        MemberKeys(**keys, witness_pq=bytes(32))


def with_post_quantum(regions: Sequence[str], *roles: str) -> Roster:
    """The genesis with ML-DSA-44 keys for some roles of some regions."""
    members = dict(GENESIS.members)
    for at, region in enumerate(regions):
        named = {role: bytes([at + 1]) * 1311 + role[:1].encode() for role in roles}
        keys = replace(members[region].keys, **named)
        members[region] = replace(members[region], keys=keys)
    return roster(members=members)


@pytest.mark.parametrize("role", ["witness", "mirror"])
def test_the_post_quantum_policy_asks_for_the_same_quorum_and_no_other_keys(role: Any) -> None:
    made = with_post_quantum(list(GENESIS.members), "log_pq", "witness_pq", "mirror_pq")
    text = post_quantum_policy(made, SICHUAN, role).encode()
    policy = Policy.decode(text, faulty_max=made.faulty_max(SICHUAN))
    assert [log.key for log in policy.logs] == [made.log_keys(SICHUAN)[1]]
    for witness in policy.witnesses:
        assert witness.key == made.post_quantum_key(witness.name, role)
        assert witness.key.name == f"{made.origin_of(witness.name)}/{role}"
    assert [witness.name for witness in policy.witnesses] == list(made.witnesses_of(SICHUAN))
    assert policy.groups[0].threshold == made.quorum(SICHUAN)


def test_a_post_quantum_policy_needs_a_quorum_of_such_keys() -> None:
    others = GENESIS.witnesses_of(SICHUAN)
    quorum = GENESIS.quorum(SICHUAN)
    enough = with_post_quantum(others[:quorum], "witness_pq")
    text = post_quantum_policy(enough, SICHUAN, "witness").encode()
    policy = Policy.decode(text, faulty_max=GENESIS.faulty_max(SICHUAN))
    # A log without such a key is known by the one it has.
    assert [log.key for log in policy.logs] == [GENESIS.log_key(SICHUAN)]
    assert len(policy.witnesses) == quorum
    with pytest.raises(NotFoundError) as caught:
        post_quantum_policy(
            with_post_quantum(others[: quorum - 1], "witness_pq"), SICHUAN, "witness"
        )
    assert caught.value.code == "no-key"


@given(st.integers(0, 8 * len(SIGNED.encode()) - 1))
def test_one_flipped_bit_in_a_signed_roster_is_refused(bit: int) -> None:
    with pytest.raises(LedgerError):
        check_genesis(SignedRoster.decode(flip(SIGNED.encode(), bit)))


@given(st.binary(max_size=100) | values.map(encoding.encode))
def test_any_bytes_give_a_refusal_or_a_roster(data: bytes) -> None:
    with suppress(MalformedError):
        Roster.decode(data)
    with suppress(MalformedError):
        SignedRoster.decode(data)


@given(
    st.sampled_from(
        [
            *([name] for name in encoding.decode(GENESIS.encode())),
            *(["constants", name] for name in ("delta_s", "staleness_s")),
            ["members", "510000"],
            *(
                ["members", "510000", name]
                for name in encoding.decode(GENESIS.encode())["members"]["510000"]
            ),
            *(["members", "510000", "keys", name] for name in PURPOSES),
        ]
    ),
    values | st.just(...),
)
def test_a_field_with_any_value_gives_a_refusal_or_a_roster(path: list[str], to: Any) -> None:
    with suppress(MalformedError):
        Roster.decode(changed(path, to))


BAD_FIELDS: list[tuple[list[str], Any]] = [
    (["format"], "shouxin/roster/v2"),
    (["format"], ...),
    (["extra"], 1),
    (["network"], "a.example"),
    (["network"], 7),
    (["version"], 0),
    (["version"], 2),
    (["version"], True),
    (["previous"], bytes(32)),
    (["rules"], -1),
    (["steward"], "990000"),
    (["steward"], []),
    (["constants"], []),
    (["constants", "delta_s"], 0),
    (["constants", "delta_s"], 301),
    (["constants", "refresh_s"], 301),
    (["constants", "candidate_ms"], 0),
    (["constants", "staleness_s"], 179),
    (["constants", "other"], 1),
    (["members"], {}),
    (["members"], []),
    (["members", "51000"], {}),
    (["members", "510000", "name"], ""),
    (["members", "510000", "name"], "x" * 256),
    (["members", "510000", "origin"], f"{NETWORK}/520000"),
    (["members", "510000", "origin"], "other.example/510000"),
    (["members", "510000", "url"], "ftp://a.example"),
    (["members", "510000", "url"], "https://a.example/"),
    (["members", "510000", "url"], "https://a.example\n"),
    (["members", "510000", "peer"], "https://a b"),
    (["members", "510000", "tls"], bytes(31)),
    (["members", "510000", "keys", "log"], bytes(31)),
    (["members", "510000", "keys", "log"], key("520000", "log").public),
    (["members", "510000", "keys", "log"], key("510000", "witness").public),
    (["members", "510000", "keys", "log"], ...),
    (["members", "510000", "keys", "log_pq"], None),
    (["members", "510000", "keys", "other"], bytes(32)),
    (["members", "510000", "witnesses"], ["510000", "520000"]),
    (["members", "510000", "witnesses"], ["990000"]),
    (["members", "510000", "witnesses"], ["540000", "520000"]),
    (["members", "510000", "witnesses"], ["520000", "520000"]),
    (["members", "510000", "witnesses"], "520000"),
    (["members", "510000", "witnesses"], 7),
    (["members", "510000", "faulty_max"], -1),
    (["members", "510000", "faulty_max"], True),
    (["pins"], []),
    (["pins"], {SICHUAN: [0, EMPTY_ROOT]}),
    (["closed"], ...),
    (["closed"], {TIBET: {"size": 0, "root": EMPTY_ROOT, "successor": None}}),
]


@pytest.mark.parametrize(("path", "to"), BAD_FIELDS)
def test_a_roster_of_another_form_is_refused(path: list[str], to: Any) -> None:
    with pytest.raises(MalformedError) as caught:
        Roster.decode(changed(path, to))
    assert caught.value.code == "bad-field"


@pytest.mark.parametrize(
    ("witnesses", "faulty_max", "quorum"),
    [
        (0, 0, 1),
        (1, 0, 1),
        (2, 0, 2),
        (3, 0, 2),
        (4, 1, 3),
        (5, 1, 4),
        (6, 1, 4),
        (7, 2, 5),
        (10, 3, 7),
    ],
)
def test_quorums_are_those_of_the_table(witnesses: int, faulty_max: int, quorum: int) -> None:
    regions = [f"51{at:04}" for at in range(witnesses + 1)]
    made = roster(regions)
    origin = made.origin_of("510000")
    assert len(made.witnesses_of(origin)) == witnesses
    assert (made.faulty_max(origin), made.quorum(origin)) == (faulty_max, quorum)


@given(st.integers(1, 12), st.integers(0, 12))
def test_a_roster_whose_quorums_may_meet_in_liars_alone_is_refused(count: int, faulty: int) -> None:
    regions = [f"51{at:04}" for at in range(count + 1)]
    members = {region: member(region) for region in regions}
    members["510000"] = member("510000", faulty_max=faulty)
    q = (count + faulty) // 2 + 1
    if q <= count and 2 * q - count > faulty:
        assert roster(regions, members=members).quorum(f"{NETWORK}/510000") == q
    else:
        with pytest.raises(MalformedError) as caught:
            roster(regions, members=members)
        assert caught.value.code == "unsafe-quorum"


def test_a_log_without_witnesses_has_none_that_may_fail_and_no_quorum_is_reached() -> None:
    alone = roster(["510000"])
    assert alone.witnesses_of(SICHUAN) == ()
    assert alone.quorum(SICHUAN) > 0
    assert not alone.mirror_keys(SICHUAN)
    with pytest.raises(MalformedError, match="no witnesses"):
        roster(["510000"], members={"510000": member("510000", faulty_max=1)})


@pytest.mark.parametrize(
    "changes",
    [{"origin": "510000"}, {"witnesses": ("52",)}, {"witnesses": (7,)}, {"url": 7}, {"name": None}],
)
def test_a_member_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        member("510000", **changes)
    assert caught.value.code == "bad-field"


def test_a_roster_names_the_one_before_by_a_hash_and_has_at_most_1024_members() -> None:
    with pytest.raises(MalformedError):
        following(GENESIS, previous=bytes(31))
    with pytest.raises(MalformedError, match="1024 members"):
        roster(members={f"51{at:04}": member("510000") for at in range(1025)})


def test_witnesses_are_all_other_members_or_those_listed() -> None:
    made = roster(members=with_member("510000", witnesses=("500000", "540000")))
    assert made.witnesses_of(SICHUAN) == ("500000", "540000")
    assert made.witnesses_of(TIBET) == ("500000", "510000", "520000", "530000")
    assert {cosigners[0][0] for cosigners in made.mirror_keys(SICHUAN).values()} == {
        "500000",
        "540000",
    }


def test_lines_are_looked_up_by_the_key_ids_of_their_role() -> None:
    for role, name_of in (("witness", witness_name), ("mirror", mirror_name)):
        name, public = name_of(TIBET), key("540000", role).public
        keys = {"witness": GENESIS.witness_keys, "mirror": GENESIS.mirror_keys}[role](SICHUAN)
        assert len(keys) == 4
        assert keys[line_key_id(name, public)] == (("540000", name, public),)
    assert GENESIS.mirror_keys("a.example/990000") == {}


def test_what_is_not_there_is_not_found() -> None:
    for ask in (GENESIS.member, GENESIS.origin_of, GENESIS.region_of_origin, GENESIS.witnesses_of):
        with pytest.raises(NotFoundError):
            ask("990000")
    assert GENESIS.region_of_origin(SICHUAN) == "510000"


@pytest.mark.parametrize("role", ["witness", "mirror"])
def test_the_policy_file_is_one_that_the_policy_reader_takes(role: Any) -> None:
    text = tlog_policy(GENESIS, SICHUAN, role)
    assert text.count("witness 5") == 4
    assert "group members 3 500000 520000 530000 540000\n" in text
    Policy.decode(text.encode(), faulty_max=GENESIS.faulty_max(SICHUAN))
    alone = tlog_policy(roster(["510000"]), SICHUAN, role)
    assert alone.endswith("quorum none\n")
    Policy.decode(alone.encode(), insecure=True)


@pytest.mark.parametrize("missing", sorted(REGIONS))
def test_a_genesis_lacks_no_members_signature(missing: str) -> None:
    part = signed(GENESIS, [region for region in REGIONS if region != missing])
    with pytest.raises(UnverifiedError) as caught:
        check_genesis(part)
    assert caught.value.code == "no-quorum"


def test_a_genesis_is_signed_with_governance_keys_over_the_marked_bytes() -> None:
    wrong_key = sign_roster(GENESIS, {region: key(region, "issuer") for region in REGIONS})
    bare = tuple((it, key(it, "governance").sign(GENESIS.encode())) for it in sorted(REGIONS))
    for bad in (wrong_key, SignedRoster(GENESIS.encode(), 0, bare)):
        with pytest.raises(UnverifiedError) as caught:
            check_genesis(bad)
        assert caught.value.code == "bad-signature"
    governance = key("500000", "governance")
    assert SIGNED.signatures[0][1] == governance.sign(signed_message(SIGNED.body, 0))


def test_a_genesis_is_of_no_round() -> None:
    made = sign_roster(GENESIS, {it: key(it, "governance") for it in REGIONS}, 1)
    with pytest.raises(UnverifiedError):
        check_genesis(made)


def test_signatures_are_by_distinct_regions_in_order() -> None:
    first, second, *_ = SIGNED.signatures
    for bad in ((), (second, first), (first, first), (("51", first[1]),), (("510000", b""),)):
        with pytest.raises(MalformedError):
            SignedRoster(SIGNED.body, 0, bad)


def test_the_default_constants_are_those_of_the_protocol() -> None:
    assert Constants() == Constants(candidate_ms=2_000, delta_s=5, refresh_s=60, staleness_s=600)
