"""Keys at rest, what opens them, and the fence beside them."""

import os
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import (
    FatalError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.keys import SigningKey, verify, verify_post_quantum
from nodes.adapters.fence_file import FileFence
from nodes.adapters.keystore import KeyStore, StoredOfficers, Unlock, check_opens
from nodes.adapters.random import randomness
from nodes.ports import FenceMark

SECRET = b"a secret of enough length"
OFFICER = "510000/officer/w3-01"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore.create(tmp_path / "keys", SECRET, randomness)


def reopened(store: KeyStore, secret: bytes = SECRET) -> KeyStore:
    return KeyStore.open(store._folder, secret, randomness)


def test_a_key_comes_back_with_the_right_secret_and_signs(store: KeyStore) -> None:
    public = store.make("role/log").public
    key = reopened(store).load("role/log")
    assert key.public == public
    verify(public, b"message", key.sign(b"message"))


def test_a_line_feed_at_the_end_of_the_secret_does_not_count(store: KeyStore) -> None:
    store.make("role/log")
    reopened(store, SECRET + b"\n").load("role/log")


def test_another_secret_opens_nothing(store: KeyStore) -> None:
    store.make("role/log")
    with pytest.raises(UnverifiedError) as caught:
        reopened(store, SECRET + b"!").load("role/log")
    assert caught.value.code == "wrong-secret"


def test_no_seed_stands_in_any_file(store: KeyStore) -> None:
    seed = store.make("role/log").seed()
    files = [path for path in store._folder.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert all(seed not in path.read_bytes() for path in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_one_key_cannot_stand_in_for_another(store: KeyStore) -> None:
    store.make("role/log")
    store.make("role/witness")
    roles = store._folder / "roles"
    (roles / "witness.key").write_bytes((roles / "log.key").read_bytes())
    with pytest.raises(UnverifiedError):
        reopened(store).load("role/witness")


def test_a_flipped_bit_is_found(store: KeyStore) -> None:
    store.make("role/log")
    path = store._folder / "roles" / "log.key"
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises((MalformedError, UnverifiedError)):
            reopened(store).load("role/log")


def test_making_a_key_again_returns_the_same(store: KeyStore) -> None:
    assert store.make("role/log").public == reopened(store).make("role/log").public


def test_a_key_store_is_not_made_over_another(store: KeyStore) -> None:
    with pytest.raises(RefusedError) as caught:
        KeyStore.create(store._folder, SECRET, randomness)
    assert caught.value.code == "exists"
    store.add("governance/510000", SigningKey(bytes(32)))
    with pytest.raises(RefusedError):
        store.add("governance/510000", SigningKey(bytes(32)))


def test_weakened_parameters_are_refused(store: KeyStore) -> None:
    path = store._folder / "keystore.cbor"
    path.write_bytes(path.read_bytes().replace(b"\x19\x40\x00", b"\x19\x04\x00"))
    with pytest.raises(MalformedError):
        reopened(store)


@pytest.mark.parametrize("name", ["role/../x", "role/", "log", "officer/x", "governance/1", "a/b"])
def test_a_name_that_is_none_reaches_no_file(store: KeyStore, name: str) -> None:
    with pytest.raises(MalformedError):
        store.make(name)


def test_missing_keys_are_said_at_the_start(store: KeyStore) -> None:
    store.make("role/log")
    with pytest.raises(NotFoundError):
        check_opens(store)
    for role in ("witness", "mirror", "receipt", "issuer"):
        store.make(f"role/{role}")
    check_opens(store)


def test_a_post_quantum_key_comes_back_and_signs(store: KeyStore) -> None:
    public = store.make_post_quantum("log_pq").public
    key = reopened(store).load_post_quantum("log_pq")
    assert key.public == public
    verify_post_quantum(public, b"message", key.sign(b"message"))
    assert store.make_post_quantum("log_pq").public == public


def test_a_key_of_one_sort_is_none_of_the_other(store: KeyStore) -> None:
    for attempt in (
        lambda: store.make("role/log_pq"),
        lambda: store.load("role/log_pq"),
        lambda: store.make_post_quantum("log"),
        lambda: store.make_post_quantum("../log_pq"),
    ):
        with pytest.raises(MalformedError):
            attempt()
    # An officer may be called anything.
    assert store.make("officer/510000/officer/a_pq").public


def test_officers_have_keys_of_their_own_and_strangers_none(store: KeyStore) -> None:
    officers = StoredOfficers(store)
    assert officers.signer(OFFICER) is None
    public = officers.make(OFFICER)
    assert officers.make("510000/officer/w3.01") != public
    again = StoredOfficers(reopened(store)).signer(OFFICER)
    assert again is not None
    assert again.public == public


# ---- unlocking ----------------------------------------------------------------------------------


def test_a_credential_comes_before_a_variable_and_a_variable_before_a_file(tmp_path: Path) -> None:
    (tmp_path / "shouxin").write_bytes(b"from the credential")
    file = tmp_path / "secret"
    file.write_bytes(b"from the file itself")
    file.chmod(0o600)
    unlock = Unlock(credential="shouxin", env="SECRET", file=file)
    folder = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    variable = {"SECRET": "from the variable"}
    assert unlock.secret({**folder, **variable}) == b"from the credential"
    assert unlock.secret(variable) == b"from the variable"
    assert unlock.secret({}) == b"from the file itself"


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    file.chmod(0o640)
    with pytest.raises(RefusedError) as caught:
        Unlock(file=file).secret({})
    assert caught.value.code == "open-secret"


def test_no_secret_and_a_short_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"the credential c, \$SECRET, the file .*none$"):
        Unlock(credential="c", env="SECRET", file=tmp_path / "none").secret({})
    with pytest.raises(MalformedError):
        Unlock(env="SECRET").secret({"SECRET": "short"})


# ---- keys of the vault --------------------------------------------------------------------------


def test_a_vault_key_rests_sealed_and_goes_for_good(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    store = KeyStore.create(folder, SECRET, os.urandom)
    for make, load, name, file in (
        (store.make_box, "load_box", "role/vault", "vault.key"),
        (store.make_box, "load_box", "role/vault.2", "vault.2.key"),
        (store.make_sm2_box, "load_sm2_box", "role/vault_sm2", "vault_sm2.p8"),
        (store.make_sm2_box, "load_sm2_box", "role/vault_sm2.3", "vault_sm2.3.p8"),
    ):
        made: Any = make(name)
        assert make(name).public == made.public
        path = folder / "roles" / file
        again = KeyStore.open(folder, SECRET, os.urandom)
        assert getattr(again, load)(name).public == made.public
        other = path.with_name(f"{file}.other")
        other.hardlink_to(path)
        store.destroy(name)
        assert not path.exists()
        assert set(other.read_bytes()) == {0}, "what lay there is overwritten"
        with pytest.raises(NotFoundError):
            getattr(store, load)(name)
        store.destroy(name)


def test_a_vault_key_signs_nothing_and_a_log_key_opens_nothing(tmp_path: Path) -> None:
    store = KeyStore.create(tmp_path / "keys", SECRET, os.urandom)
    store.make_box("role/vault")
    store.make("role/log")
    for load, name in ((store.load, "role/vault"), (store.load_box, "role/log")):
        with pytest.raises(MalformedError):
            load(name)


# ---- the fence ----------------------------------------------------------------------------------


@pytest.fixture
def fence_path(tmp_path: Path) -> Path:
    return tmp_path / "fence"


def mark(number: int) -> FenceMark:
    return FenceMark(number, number * 10, bytes([number]) * 32)


def test_a_new_fence_has_no_mark_and_keeps_the_last_one_stored(fence_path: Path) -> None:
    fence = FileFence.open(fence_path)
    assert fence.load() is None
    for number in range(1, 6):
        fence.store(mark(number))
    assert fence.load() == mark(5)
    fence.close()
    again = FileFence.open(fence_path)
    assert again.load() == mark(5)
    again.close()


def test_two_nodes_cannot_share_a_fence(fence_path: Path) -> None:
    fence = FileFence.open(fence_path)
    with pytest.raises(UnavailableError) as caught:
        FileFence.open(fence_path)
    assert caught.value.code == "fence-in-use"
    fence.close()
    FileFence.open(fence_path).close()


def test_a_torn_write_leaves_the_mark_before_it(fence_path: Path) -> None:
    """Cut the newest record short at every byte: the one before it stands."""
    fence = FileFence.open(fence_path)
    fence.store(mark(1))
    before = fence_path.read_bytes()
    fence.store(mark(2))
    fence.close()
    after = fence_path.read_bytes()
    changed = [at for at in range(len(after)) if before[at] != after[at]]
    for cut in range(changed[0], changed[-1] + 1):
        fence_path.write_bytes(after[:cut] + before[cut:])
        torn = FileFence.open(fence_path)
        assert torn.load() == mark(1)
        torn.store(mark(3))
        assert torn.load() == mark(3)
        torn.close()


def test_a_spoilt_file_has_no_mark(fence_path: Path) -> None:
    fence_path.write_bytes(os.urandom(9_000))
    fence = FileFence.open(fence_path)
    assert fence.load() is None
    fence.close()


def test_a_fence_never_goes_back(fence_path: Path) -> None:
    fence = FileFence.open(fence_path)
    fence.store(mark(2))
    with pytest.raises(FatalError):
        fence.store(mark(1))
    fence.close()


def test_a_disk_that_fails_is_fatal(fence_path: Path) -> None:
    fence = FileFence.open(fence_path)
    fence.close()
    with pytest.raises(FatalError):
        fence.store(mark(1))
