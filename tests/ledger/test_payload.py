"""Commitments, sealed boxes, payloads and wrapped keys: what opens them, and what never does."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import nacl.public
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commitment import check_opening, commit
from ledger.encoding import decode, encode
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.payload import (
    KEY_BYTES,
    SM4_GCM,
    XCHACHA20,
    CaseKey,
    Holder,
    Payload,
    Place,
    check_digest,
    holder_key,
    make_case_key,
    open_payload,
    seal_payload,
    unwrap_key,
    wrap_key,
)
from ledger.sealed_box import BOX_EXTRA_BYTES, BoxKey, seal_box
from tests.strategies import flip
from tests.vectors.own.vault import drawn, vault_vector

VECTOR = Path(__file__).parents[1] / "vectors/own/vault.json"
CASE, PAYLOAD = "510000/case/2026-000017", "510000/payload/1"
SALT = bytes(range(32))
PAPER = Payload(name="户口簿.pdf", salt=SALT, content=b"%PDF-1.7 ...")
PLACE = Place(payload=PAYLOAD, case=CASE, commitment=commit(SALT, PAPER.content))
HOLDER = Holder(region="540000", suite="x25519", version=3)
CIPHERS = (XCHACHA20, SM4_GCM)


def key(cipher: str = XCHACHA20) -> CaseKey:
    return make_case_key(CASE, "510000", cipher, drawn(cipher))


def refused(code: str, call: Callable[[], object]) -> None:
    with pytest.raises(LedgerError) as caught:
        call()
    assert caught.value.code == code


# ---- commitments --------------------------------------------------------------------------------


@given(content=st.binary(max_size=200), other=st.binary(max_size=200), bit=st.integers(0, 255))
def test_a_commitment_opens_to_what_was_committed_to_and_to_nothing_else(
    content: bytes, other: bytes, bit: int
) -> None:
    made = commit(SALT, content)
    check_opening(made, SALT, content)
    if other != content:
        refused("wrong-opening", lambda: check_opening(made, SALT, other))
    refused("wrong-opening", lambda: check_opening(made, flip(SALT, bit), content))
    refused("wrong-opening", lambda: check_opening(flip(made, bit), SALT, content))


def test_a_salt_is_never_shorter_so_that_none_can_be_shifted_into_the_content() -> None:
    for salt in (b"", SALT[:31], SALT + b"\0"):
        refused("bad-salt", lambda salt=salt: commit(salt, b"content"))


def test_two_salts_hide_that_two_contents_are_one() -> None:
    assert commit(SALT, b"x") != commit(bytes(32), b"x")


# ---- boxes --------------------------------------------------------------------------------------


@given(message=st.binary(max_size=300))
def test_libsodium_opens_our_boxes_and_we_open_its_own(message: bytes) -> None:
    ours = BoxKey(sha256(b"holder").digest())
    theirs = nacl.public.PrivateKey(ours.seed())
    box = seal_box(ours.public, message, drawn("box"))
    assert len(box) == len(message) + BOX_EXTRA_BYTES
    assert nacl.public.SealedBox(theirs).decrypt(box) == message
    assert ours.open(nacl.public.SealedBox(theirs.public_key).encrypt(message)) == message


def test_a_box_opens_for_nobody_else_and_not_when_changed() -> None:
    ours, other = BoxKey(bytes([1]) * 32), BoxKey(bytes([2]) * 32)
    box = seal_box(ours.public, b"message", drawn("box"))
    refused("wrong-wrap", lambda: other.open(box))
    for at in range(0, len(box) * 8, 7):
        refused("wrong-wrap", lambda at=at: ours.open(flip(box, at)))
    for short in (b"", box[:31], box[:47], box[:-1]):
        refused("wrong-wrap", lambda short=short: ours.open(short))


def test_no_box_is_made_for_a_point_under_which_anybody_could_open_it() -> None:
    for public in (bytes(32), bytes([1]) + bytes(31), bytes(31)):
        refused("bad-key", lambda public=public: seal_box(public, b"x", drawn("box")))
    refused("bad-key", lambda: BoxKey(bytes(31)))


def test_a_key_does_not_show_its_secret() -> None:
    assert bytes([7] * 32).hex() not in repr(BoxKey(bytes([7] * 32)))
    assert key().secret.hex() not in repr(key())
    assert repr(key().secret) not in repr(key())


# ---- payloads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_payload_opens_with_the_key_of_its_case_in_its_place(cipher: str) -> None:
    sealed = seal_payload(key(cipher), PLACE, PAPER, drawn("nonce"))
    assert PAPER.content not in sealed
    assert PAPER.name.encode() not in sealed
    assert open_payload(key(cipher), PLACE, sealed) == PAPER
    check_digest(sealed, sha256(sealed).digest())


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_payload_with_one_bit_changed_is_refused(cipher: str) -> None:
    sealed = seal_payload(key(cipher), PLACE, PAPER, drawn("nonce"))
    for at in range(len(sealed) * 8):
        with pytest.raises((UnverifiedError, MalformedError)):
            open_payload(key(cipher), PLACE, flip(sealed, at))
        with pytest.raises(UnverifiedError) as caught:
            check_digest(flip(sealed, at), sha256(sealed).digest())
        assert caught.value.code == "altered-payload"


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, payload="510000/payload/2"),
        replace(PLACE, case="510000/case/2026-000018"),
        replace(PLACE, commitment=bytes(32)),
    ],
    ids=["payload", "case", "commitment"],
)
def test_a_payload_does_not_open_in_another_place(cipher: str, place: Place) -> None:
    sealed = seal_payload(key(cipher), PLACE, PAPER, drawn("nonce"))
    refused("altered-payload", lambda: open_payload(key(cipher), place, sealed))


def test_a_payload_opens_with_no_other_key_and_by_no_other_cipher() -> None:
    sealed = seal_payload(key(), PLACE, PAPER, drawn("nonce"))
    other = make_case_key(CASE, "510000", XCHACHA20, drawn("other"))
    refused("altered-payload", lambda: open_payload(other, PLACE, sealed))
    refused("altered-payload", lambda: open_payload(key(SM4_GCM), PLACE, sealed))


def test_nothing_is_sealed_that_does_not_open_its_commitment() -> None:
    wrong = replace(PAPER, content=b"another")
    refused("wrong-opening", lambda: seal_payload(key(), PLACE, wrong, drawn("nonce")))


def test_a_sender_who_seals_another_content_than_was_committed_to_is_found_out() -> None:
    false = replace(PLACE, commitment=commit(SALT, b"another"))
    sealed = seal_payload(key(), false, replace(PAPER, content=b"another"), drawn("nonce"))
    refused("altered-payload", lambda: open_payload(key(), PLACE, sealed))
    # With the right place bound and the wrong content inside, as only altered code would seal it.
    form, cipher, nonce, _ = decode(sealed)
    bound = encode([form, cipher, PLACE.payload, PLACE.case, PLACE.commitment])
    plain = encode(["shouxin/payload/v1", PAPER.name, SALT, b"another"])
    box = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain, bound, nonce, key().secret
    )
    lie = encode([form, cipher, nonce, box])
    refused("wrong-opening", lambda: open_payload(key(), PLACE, lie))


@given(data=st.binary(max_size=100))
def test_any_bytes_are_no_payload_and_no_wrapped_key(data: bytes) -> None:
    for call in (
        lambda: open_payload(key(), PLACE, data),
        lambda: holder_key(data),
        lambda: unwrap_key(data, BoxKey(SALT), case=CASE, region="510000", holder=HOLDER),
    ):
        with pytest.raises((MalformedError, UnverifiedError)):
            call()


def test_a_key_is_of_a_cipher_that_is_known_and_as_long_as_that_wants() -> None:
    for cipher, size in KEY_BYTES.items():
        for length in (0, size - 1, size + 1):
            with pytest.raises(MalformedError) as caught:
                CaseKey(case=CASE, region="510000", cipher=cipher, secret=bytes(length))
            assert caught.value.code == "bad-key"
    refused(
        "bad-key", lambda: CaseKey(case=CASE, region="510000", cipher="rot13", secret=bytes(32))
    )


# ---- wrapped keys -------------------------------------------------------------------------------

VAULT = BoxKey(sha256(b"tibet's vault").digest())


def wrapped(of: CaseKey, holder: Holder = HOLDER) -> bytes:
    return wrap_key(of, holder, lambda inside: seal_box(VAULT.public, inside, drawn("wrap")))


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_wrapped_key_opens_for_its_holder(cipher: str) -> None:
    box = wrapped(key(cipher))
    assert key(cipher).secret not in box
    assert holder_key(box) == ("x25519", 3)
    found = unwrap_key(box, VAULT, case=CASE, region="510000", holder=HOLDER)
    assert found == key(cipher)


@pytest.mark.parametrize(
    ("case", "region", "holder"),
    [
        ("510000/case/2026-000018", "510000", HOLDER),
        (CASE, "520000", HOLDER),
        (CASE, "510000", replace(HOLDER, region="530000")),
        (CASE, "510000", replace(HOLDER, suite="sm2-sm3")),
        (CASE, "510000", replace(HOLDER, version=4)),
    ],
    ids=["case", "region", "holder", "suite", "version"],
)
def test_a_wrapped_key_is_good_for_nothing_else(case: str, region: str, holder: Holder) -> None:
    box = wrapped(key())
    refused("wrong-wrap", lambda: unwrap_key(box, VAULT, case=case, region=region, holder=holder))


def test_a_wrapped_key_that_says_outside_what_it_does_not_inside_is_refused() -> None:
    form, suite, _, box = decode(wrapped(key()))
    lie = encode([form, suite, 4, box])
    refused("wrong-wrap", lambda: unwrap_key(lie, VAULT, case=CASE, region="510000", holder=HOLDER))


# ---- the vector ---------------------------------------------------------------------------------


def test_the_vector_opens_and_is_made_again_alike() -> None:
    vector = json.loads(VECTOR.read_text("utf-8"))
    assert vector.pop("source")
    assert vault_vector() == vector
    salt, content = bytes.fromhex(vector["salt"]), bytes.fromhex(vector["content"])
    commitment = bytes.fromhex(vector["commitment"])
    assert commit(salt, content) == commitment
    place = Place(payload=vector["payload"], case=vector["case"], commitment=commitment)
    vault = BoxKey(bytes.fromhex(vector["vault_secret"]))
    assert vault.public.hex() == vector["vault_public"]
    holder = Holder(region="540000", suite="x25519", version=vector["vault_version"])
    for name in CIPHERS:
        made = vector[name]
        found = unwrap_key(
            bytes.fromhex(made["wrapped"]), vault, case=place.case, region="510000", holder=holder
        )
        assert (found.cipher, found.secret.hex()) == (name, made["key"])
        paper = open_payload(found, place, bytes.fromhex(made["sealed"]))
        assert paper == Payload(name=vector["name"], salt=salt, content=content)
