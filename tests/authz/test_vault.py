"""What the ledger keeps of the vaults: keys, digests, who was let in, and what was destroyed."""

from dataclasses import replace

import pytest

from authz.tables.vault import tombstone_of, vault_key_object
from tests.authz import world as worlds
from tests.authz.refusals import refused
from tests.authz.test_case_bundle import bundle_of, judged
from tests.authz.world import (
    CASE,
    CHIEF,
    CLERK,
    CLERK_2,
    HEAD,
    HEAD_SC,
    HRSS,
    OPENED,
    SICHUAN,
    TIBET,
    World,
)

X_KEY, SM2_KEY = (vault_key_object(SICHUAN, suite) for suite in ("x25519", "sm2-sm3"))
HASH, OTHER = bytes(32), bytes([1]) * 32
PAYLOAD, SHARE = "510000/payload/1", "510000/key-share/1"
TOMB, THEIR_TOMB = "510000/tombstone/1", "540000/tombstone/1"
PUT = {"case": CASE, "ciphertext": HASH, "commitment": OTHER}
GIVE = {
    "case": CASE,
    "to": TIBET,
    "vault_key": vault_key_object(TIBET, "x25519"),
    "key_version": 1,
    "wrap": HASH,
}
WHY = {"basis": "个人信息保护法第四十七条", "reason": "当事人申请删除"}
SHRED = {"case": CASE, **WHY}


def moved() -> World:
    """The case went from Sichuan to Tibet, who has begun to act on it."""
    world = OPENED.copy()
    world.hand_over(CLERK, HRSS, HEAD)
    world.do("case.note", HEAD, CASE, {"remark": "收到"})
    return world


def test_a_region_publishes_its_vault_key_in_versions_that_count_from_one() -> None:
    world = OPENED.copy()
    with refused("wrong-state"):
        world.do("vault.key", SICHUAN, X_KEY, {"version": 2, "key": HASH})
    world.do("vault.key", SICHUAN, X_KEY, {"version": 1, "key": HASH})
    world.do("vault.key", SICHUAN, X_KEY, {"version": 2, "key": OTHER})
    with refused("wrong-state"):
        world.do("vault.key", SICHUAN, X_KEY, {"version": 2, "key": OTHER})
    row = world.state(SICHUAN, X_KEY)
    assert (row["n"], row["key"]) == (2, OTHER)


def test_the_vault_key_is_the_region_s_own_word() -> None:
    world = OPENED.copy()
    with refused("not-entitled"):
        world.do("vault.key", CHIEF, X_KEY, {"version": 1, "key": HASH})
    with refused("not-competent"):
        world.do("vault.key", TIBET, X_KEY, {"version": 1, "key": HASH})


@pytest.mark.parametrize(
    ("name", "key"),
    [(X_KEY, bytes(65)), (SM2_KEY, bytes(32)), (f"{SICHUAN}/vault-key/rsa", bytes(32))],
)
def test_a_vault_key_is_of_the_suite_that_its_object_names(name: str, key: bytes) -> None:
    world = OPENED.copy()
    with refused("bad-key"):
        world.do("vault.key", SICHUAN, name, {"version": 1, "key": key})


def test_an_sm2_vault_key_wants_its_suite_in_the_roster_and_is_a_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = OPENED.copy()
    no_point = {"version": 1, "key": b"\x04" + bytes(64)}
    with refused("suite-not-named"):
        world.do("vault.key", SICHUAN, SM2_KEY, no_point)
    monkeypatch.setattr(worlds, "ROSTER", replace(worlds.ROSTER, suites=("sm2-sm3",)))
    with refused("bad-key"):
        world.do("vault.key", SICHUAN, SM2_KEY, no_point)


def test_who_holds_the_case_puts_papers_in_and_nobody_else() -> None:
    world = OPENED.copy()
    world.do("vault.put", CLERK, PAYLOAD, PUT)
    row = world.state(SICHUAN, PAYLOAD)
    assert (row["ciphertext"], row["commitment"], row["case"]) == (HASH, OTHER, CASE)
    with refused("exists"):
        world.do("vault.put", CLERK, PAYLOAD, PUT)
    with refused("not-holder"):
        world.do("vault.put", CLERK_2, "510000/payload/2", PUT)
    with refused("unknown-object"):
        world.do("vault.put", HEAD, "540000/payload/1", PUT)
    with refused("not-entitled"):
        world.do("vault.put", CHIEF, "510000/payload/2", PUT)


def test_a_region_puts_papers_in_by_itself_while_it_holds_the_case() -> None:
    world = moved()
    with refused("not-holder"):
        world.do("vault.put", SICHUAN, PAYLOAD, PUT)
    world.do("vault.put", TIBET, "540000/payload/1", PUT)


def test_a_key_that_is_given_out_is_told_with_its_wrap() -> None:
    world = moved()
    with refused("not-entitled"):
        world.do("vault.share", HEAD_SC, SHARE, GIVE)
    with refused("wrong-state"):
        world.do("vault.share", SICHUAN, SHARE, GIVE | {"to": SICHUAN})
    with refused("unknown-object"):
        world.do("vault.share", SICHUAN, SHARE, GIVE | {"to": "650000"})
    world.do("vault.share", SICHUAN, SHARE, GIVE)
    row = world.state(SICHUAN, SHARE)
    assert (row["to"], row["wrap"], row["key_version"]) == (TIBET, HASH, 1)


def test_a_case_is_shredded_once_and_nothing_is_put_in_or_given_out_after() -> None:
    world = OPENED.copy()
    for who in (CLERK, CHIEF):  # to receive, to manage: neither is to answer for the archive
        with refused("not-entitled"):
            world.do("vault.shred", who, TOMB, SHRED)
    with refused("unknown-object"):
        world.do("vault.shred", HEAD, THEIR_TOMB, SHRED)
    world.do("vault.shred", HEAD_SC, TOMB, SHRED)
    assert world.newest(SICHUAN, tombstone_of(SICHUAN, CASE)) is not None
    with refused("exists"):
        world.do("vault.shred", SICHUAN, "510000/tombstone/2", SHRED)
    with refused("shredded"):
        world.do("vault.put", CLERK, PAYLOAD, PUT)
    with refused("shredded"):
        world.do("vault.share", SICHUAN, SHARE, GIVE)


def test_another_holder_shreds_as_well_or_says_why_not() -> None:
    world = moved()
    world.do("vault.shred", SICHUAN, TOMB, SHRED)
    keep = {"case": CASE, "tombstone": TOMB, **WHY}
    world.do("vault.keep", HEAD, "540000/retention/1", keep | {"until": world.now_s + 9})
    with refused("exists"):
        world.do("vault.keep", TIBET, "540000/retention/2", keep)
    world.do("vault.shred", HEAD, THEIR_TOMB, SHRED | {"tombstone": TOMB})
    with refused("not-addressee"):
        world.do("vault.keep", SICHUAN, "510000/retention/1", keep)


def test_a_tombstone_of_another_case_asks_nothing() -> None:
    world = moved()
    other = "540000/case/2026-000001"
    body = worlds.OPEN_BODY | {"mode": "counter"}
    body = {name: it for name, it in body.items() if name not in {"grant", "window"}}
    world.do("case.open", HEAD, other, body)
    world.do("vault.shred", SICHUAN, TOMB, SHRED)
    with refused("not-addressee"):
        world.do(
            "vault.keep", TIBET, "540000/retention/1", {"tombstone": TOMB, **WHY, "case": other}
        )


def test_the_tombstone_tells_no_citizen() -> None:
    world = OPENED.copy()
    with refused("personal-data"):
        world.do("vault.shred", SICHUAN, TOMB, SHRED | {"reason": "张某 11010519491231002X 申请"})


def test_the_evidence_of_a_case_verifies_alike_before_and_after_its_keys_are_gone() -> None:
    world = World(real_views=True).enrol().lend().open()
    world.do("vault.put", CLERK, PAYLOAD, PUT)
    before = bundle_of(world)
    assert judged(before).findings == ()
    world.do("vault.shred", SICHUAN, TOMB, SHRED)
    after = judged(bundle_of(world))
    assert judged(before).findings == after.findings == ()
    kinds = [line.kind for line in after.lines]
    assert [line.kind for line in judged(before).lines] == [
        it for it in kinds if it != "vault.shred"
    ]
    assert kinds.count("vault.shred") == 1
