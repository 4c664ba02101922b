import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, UnverifiedError
from ledger.keys import (
    PostQuantumKey,
    SigningKey,
    cose_key,
    generate_seed,
    key_thumbprint,
    verify,
    verify_line,
    verify_post_quantum,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "note"
SEED = bytes(range(32))
KEY = SigningKey.from_seed(SEED)
POST_QUANTUM = PostQuantumKey.from_seed(SEED)
seeds = st.binary(min_size=32, max_size=32)


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(
    "vector", json.loads((VECTORS / "rfc8032.json").read_text())["vectors"], ids=lambda v: v["name"]
)
def test_signatures_are_those_of_rfc_8032(vector: dict[str, str]) -> None:
    key = SigningKey.from_seed(bytes.fromhex(vector["seed"]))
    message, signature = bytes.fromhex(vector["message"]), bytes.fromhex(vector["signature"])
    assert key.public.hex() == vector["public"]
    assert key.sign(message) == signature
    verify(key.public, message, signature)


@given(seed=seeds, message=st.binary(max_size=700))
def test_another_library_signs_and_verifies_alike(seed: bytes, message: bytes) -> None:
    key, other = SigningKey.from_seed(seed), Ed25519PrivateKey.from_private_bytes(seed)
    assert key.public == other.public_key().public_bytes_raw()
    assert key.sign(message) == other.sign(message)


@given(message=st.binary(min_size=1, max_size=64), data=st.data())
def test_one_flipped_bit_breaks_a_signature(message: bytes, data: st.DataObject) -> None:
    parts = [KEY.public, message, KEY.sign(message)]
    verify(*parts)
    at = data.draw(st.integers(0, 2))
    parts[at] = flip(parts[at], data.draw(st.integers(0, 8 * len(parts[at]) - 1)))
    with pytest.raises(UnverifiedError) as caught:
        verify(*parts)
    assert caught.value.code == "bad-signature"


@given(public=st.binary(max_size=40), message=st.binary(max_size=9), blob=st.binary(max_size=80))
def test_any_bytes_are_refused_and_nothing_else_happens(
    public: bytes, message: bytes, blob: bytes
) -> None:
    for check in (verify, verify_post_quantum):
        with pytest.raises(UnverifiedError):
            check(public, message, blob)


@pytest.mark.parametrize("public", ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f"])
def test_a_small_order_key_verifies_nothing(public: str) -> None:
    # R the neutral point and S zero satisfy the bare equation for such keys, for many messages.
    signature = bytes.fromhex("01" + "00" * 63)
    for attempt in range(16):
        with pytest.raises(UnverifiedError):
            verify(bytes.fromhex(public), b"%d" % attempt, signature)


def test_a_signature_has_one_spelling() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = KEY.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + order
    assert scalar < 2**256
    with pytest.raises(UnverifiedError):
        verify(KEY.public, b"message", signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("length", [100, 2_000])
def test_a_line_that_held_before_stands_for_no_other(length: int) -> None:
    """What is remembered is key, message and signature together, and only where they held."""
    message = bytes(length)
    signature = KEY.sign(message)
    for _ in range(2):
        verify_line(KEY.public, message, signature)
        for changed in (
            (flip(KEY.public, 3), message, signature),
            (KEY.public, flip(message, 3), signature),
            (KEY.public, message, flip(signature, 3)),
        ):
            with pytest.raises(UnverifiedError):
                verify_line(*changed)


@pytest.mark.parametrize(
    ("key", "check"), [(KEY, verify), (POST_QUANTUM, verify_post_quantum)], ids=["04", "06"]
)
def test_no_byte_can_be_moved_between_key_message_and_signature(
    key: SigningKey | PostQuantumKey, check: Callable[[bytes, bytes, bytes], None]
) -> None:
    signature = key.sign(b"message")
    check(key.public, b"message", signature)
    for public, message, moved in (
        (key.public, b"essage", signature + b"m"),
        (key.public, signature[-1:] + b"message", signature[:-1]),
        (key.public + b"x", b"message", signature),
        (key.public[:-1], b"message", signature),
    ):
        with pytest.raises(UnverifiedError) as caught:
            check(public, message, moved)
        assert caught.value.code == "bad-signature"


@given(message=st.binary(min_size=1, max_size=64), data=st.data())
def test_one_flipped_bit_breaks_a_post_quantum_signature(
    message: bytes, data: st.DataObject
) -> None:
    parts = [POST_QUANTUM.public, message, POST_QUANTUM.sign(message)]
    assert [len(parts[0]), len(parts[2])] == [1312, 2420]
    verify_post_quantum(*parts)
    at = data.draw(st.integers(0, 2))
    parts[at] = flip(parts[at], data.draw(st.integers(0, 8 * len(parts[at]) - 1)))
    with pytest.raises(UnverifiedError) as caught:
        verify_post_quantum(*parts)
    assert caught.value.code == "bad-signature"


@pytest.mark.parametrize("key", [KEY, POST_QUANTUM], ids=lambda key: type(key).__name__)
def test_a_key_shows_its_seed_to_nobody_but_the_key_store(key: SigningKey | PostQuantumKey) -> None:
    assert key.seed() == SEED
    assert SEED.hex() not in repr(key) + str(key)
    assert repr(SEED)[2:-1] not in repr(key) + str(key)
    assert not hasattr(key, "__dict__")


def test_a_seed_is_drawn_from_the_randomness_that_is_given() -> None:
    asked: list[int] = []

    def randomness(count: int) -> bytes:
        asked.append(count)
        return SEED

    assert generate_seed(randomness) == SEED
    assert asked == [32]


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused(length: int) -> None:
    for make in (SigningKey, PostQuantumKey, lambda seed: generate_seed(lambda _: seed)):
        with pytest.raises(MalformedError) as caught:
            make(bytes(length))
        assert caught.value.code == "bad-key"


@given(public=seeds)
def test_a_thumbprint_is_the_hash_of_the_three_required_members(public: bytes) -> None:
    required = {1: 1, -1: 6, -2: public}
    assert key_thumbprint(public) == hashlib.sha256(cbor2.dumps(required, canonical=True)).digest()


def test_a_cose_key_holds_the_public_key_and_its_name() -> None:
    kid = key_thumbprint(KEY.public)
    assert cose_key(KEY.public, kid) == {1: 1, 2: kid, 3: -8, -1: 6, -2: KEY.public}


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_has_neither_thumbprint_nor_cose_key(length: int) -> None:
    with pytest.raises(MalformedError):
        key_thumbprint(bytes(length))
    with pytest.raises(MalformedError):
        cose_key(bytes(length), b"")
