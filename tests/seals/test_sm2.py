"""SM2 and SM3: known answers, one form of key and signature, and a second implementation's word."""

import json
import secrets
import threading
from functools import cache
from pathlib import Path

import gmssl_pyx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FatalError, LedgerError, MalformedError, UnavailableError, UnverifiedError
from ledger.suites import SM2_PRIME, check_point
from nodes.adapters import sm2_libcrypto
from nodes.adapters.sm2_libcrypto import LibcryptoKey, LibcryptoSM2
from seals.sm2 import (
    ORDER,
    USER_ID,
    check_signature_form,
    decode_signature_value,
    draw_private,
    encode_signature_value,
    sm3,
)
from tests.seals.office import SM2, key
from tests.strategies import flip

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/sm2/standard.json").read_text())
KEY = key("a key")
SIGNATURE = KEY.sign(b"message", user_id=USER_ID)
PASSPHRASE = b"a long passphrase"


def refused(public: bytes, message: bytes, signature: bytes, user_id: bytes = USER_ID) -> str:
    with pytest.raises(UnverifiedError) as caught:
        SM2.check(public, message, signature, user_id=user_id)
    return caught.value.code


def test_the_standards_example_verifies() -> None:
    example = VECTORS["signature"]
    made = SM2.from_private(bytes.fromhex(example["private"]))
    assert made.public.hex() == example["public"]
    signature = encode_signature_value(int(example["r"], 16), int(example["s"], 16))
    SM2.check(
        made.public,
        example["message"].encode(),
        signature,
        user_id=example["user_id"].encode(),
    )


def test_sm3_gives_the_standards_digests() -> None:
    for example in VECTORS["digests"]:
        assert sm3(bytes.fromhex(example["data"])).hex() == example["digest"]


@settings(max_examples=25)
@given(st.binary(max_size=300), st.binary(min_size=1, max_size=40))
def test_another_implementation_accepts_what_we_sign_and_we_what_it_signs(
    message: bytes, user_id: bytes
) -> None:
    private = bytes(range(1, 33))
    made = SM2.from_private(private)
    ours = made.sign(message, user_id=user_id)
    assert gmssl_pyx.sm2_verify(made.public[1:], message, ours, user_id)
    theirs = gmssl_pyx.sm2_sign(private, made.public[1:], message, user_id)
    SM2.check(made.public, message, theirs, user_id=user_id)


@given(st.binary(max_size=2000))
def test_another_implementation_gives_the_same_digests(data: bytes) -> None:
    assert gmssl_pyx.sm3_hash(data) == sm3(data)


def test_a_signature_holds_for_one_message_key_and_user_only() -> None:
    SM2.check(KEY.public, b"message", SIGNATURE, user_id=USER_ID)
    assert refused(KEY.public, b"massage", SIGNATURE) == "sm2-signature"
    assert refused(key("another").public, b"message", SIGNATURE) == "sm2-signature"
    assert refused(KEY.public, b"message", SIGNATURE, b"1234567812345679") == "sm2-signature"


@pytest.mark.parametrize("user_id", [b"", b"x" * 8192])
def test_a_user_identifier_is_never_left_out_nor_too_long(user_id: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        SM2.check(KEY.public, b"message", SIGNATURE, user_id=user_id)
    assert caught.value.code == "sm2-user-id"
    with pytest.raises(MalformedError):
        KEY.sign(b"message", user_id=user_id)


def other_forms() -> list[bytes]:
    r, s = decode_signature_value(SIGNATURE)
    body = SIGNATURE[2:]
    return [
        b"",
        SIGNATURE[:-1],
        SIGNATURE + b"\x00",
        b"\x30\x81" + bytes((len(body),)) + body,
        b"\x30\x80" + body + b"\x00\x00",
        b"\x31" + SIGNATURE[1:],
        r.to_bytes(32, "big") + s.to_bytes(32, "big"),
        encode_signature_value(0, s),
        encode_signature_value(r, 0),
        encode_signature_value(-r, s),
        encode_signature_value(r + ORDER, s),
        encode_signature_value(r, s + ORDER),
        bytes((0x30, len(body) + 1, 0x02, 0x21 + (body[1] == 0x21), 0)) + body[2:],
    ]


# The key is drawn anew in each process, so the cases are told apart by number.
@pytest.mark.parametrize("signature", other_forms(), ids=range(len(other_forms())))
def test_every_other_form_of_a_signature_is_refused(signature: bytes) -> None:
    assert refused(KEY.public, b"message", signature) == "sm2-signature"
    with pytest.raises(UnverifiedError):
        check_signature_form(signature)


@pytest.mark.parametrize(
    "public",
    [
        b"",
        KEY.public[:-1],
        KEY.public + b"\x00",
        b"\x02" + KEY.public[1:33],
        b"\x06" + KEY.public[1:],
        b"\x04" + bytes(64),
        KEY.public[:-1] + bytes((KEY.public[-1] ^ 1,)),
        b"\x04" + SM2_PRIME.to_bytes(32, "big") + KEY.public[33:],
        b"\x04" + b"\xff" * 64,
    ],
    ids=range(9),
)
def test_a_key_that_is_no_point_of_the_curve_is_refused(public: bytes) -> None:
    assert refused(public, b"message", SIGNATURE) == "sm2-key"
    with pytest.raises(UnverifiedError):
        check_point(public)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_any_bytes_as_key_or_signature_give_an_error(public: bytes, signature: bytes) -> None:
    assert refused(public, b"", SIGNATURE) == "sm2-key"
    assert refused(KEY.public, b"", signature) == "sm2-signature"


def test_random_bytes_out_of_range_are_drawn_again() -> None:
    drawn = iter([bytes(32), b"\xff" * 32, (ORDER - 1).to_bytes(32, "big"), b"\x01" * 32])
    assert draw_private(lambda _: next(drawn)) == b"\x01" * 32
    with pytest.raises(MalformedError):
        draw_private(lambda _: b"short")


@pytest.mark.parametrize("private", [bytes(32), (ORDER - 1).to_bytes(32, "big"), b"\x01" * 31])
def test_a_private_key_out_of_range_is_refused(private: bytes) -> None:
    with pytest.raises(MalformedError):
        SM2.from_private(private)


def test_a_key_at_rest_opens_with_its_passphrase_only() -> None:
    rest = KEY.encrypted(PASSPHRASE, secrets.token_bytes)
    opened = SM2.load(rest, PASSPHRASE)
    assert opened.public == KEY.public
    SM2.check(KEY.public, b"x", opened.sign(b"x", user_id=USER_ID), user_id=USER_ID)
    assert rest != KEY.encrypted(PASSPHRASE, secrets.token_bytes)
    with pytest.raises(UnverifiedError) as caught:
        SM2.load(rest, PASSPHRASE + b"!")
    assert caught.value.code == "sm2-passphrase"
    for broken in (b"", rest[:-1], rest + b"\x00", b"\x30" + rest, bytes(300), bytes(5000)):
        with pytest.raises(MalformedError) as refusal:
            SM2.load(broken, PASSPHRASE)
        assert refusal.value.code == "sm2-key-file"


@settings(max_examples=15)
@given(st.data())
def test_a_key_file_with_one_turned_bit_gives_an_error_or_the_same_key(data: st.DataObject) -> None:
    # The scrypt cost in the file must not keep us busy: the first bytes hold it.
    rest = _rest()
    bit = data.draw(st.integers(8 * 75, 8 * len(rest) - 1))
    try:
        opened = SM2.load(flip(rest, bit), PASSPHRASE)
    except LedgerError:
        return
    assert opened.public == KEY.public


def test_the_secret_is_not_in_the_file_nor_in_what_is_shown() -> None:
    private = bytes(range(2, 34))
    made = SM2.from_private(private)
    assert private not in made.encrypted(PASSPHRASE, secrets.token_bytes)
    assert private.hex() not in repr(made)


@pytest.mark.parametrize("passphrase", [b"", b"too short", b"x" * 2000])
def test_a_key_does_not_rest_under_a_passphrase_that_protects_nothing(passphrase: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        KEY.encrypted(passphrase, secrets.token_bytes)
    assert caught.value.code == "sm2-passphrase"


def test_a_library_that_is_missing_or_another_is_told() -> None:
    for name in ("libnothing.so.9", "libc.so.6"):
        with pytest.raises(UnavailableError) as caught:
            LibcryptoSM2(name)
        assert caught.value.code == "no-libcrypto"


def test_a_library_that_answers_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sm2_libcrypto, "KNOWN_MESSAGE", b"another message")
    with pytest.raises(FatalError):
        LibcryptoSM2()


def test_a_library_that_gives_another_public_key_is_not_used() -> None:
    class Wrong(LibcryptoSM2):
        def from_private(self, private: bytes) -> LibcryptoKey:
            return super().from_private(private[:-1] + b"\x01")

    with pytest.raises(FatalError):
        Wrong()


def test_a_key_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = _rest()
    monkeypatch.setattr(sm2_libcrypto, "PKCS8_BYTES_MAX", len(rest) - 1)
    with pytest.raises(MalformedError) as caught:
        SM2.load(rest, PASSPHRASE)
    assert caught.value.code == "sm2-key-file"


def test_a_library_that_ignores_the_user_identifier_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Deaf(LibcryptoSM2):
        def check(self, public: bytes, message: bytes, signature: bytes, *, user_id: bytes) -> None:
            used = USER_ID if message == b"message digest" else user_id
            super().check(public, message, signature, user_id=used)

    with pytest.raises(FatalError):
        Deaf()


def test_threads_sign_and_check_beside_one_another() -> None:
    wrong: list[Exception] = []

    def work(number: int) -> None:
        mine = key(f"thread {number % 2}")
        try:
            for count in range(40):
                message = b"%d %d" % (number, count)
                user_id = b"user %d" % number
                signature = mine.sign(message, user_id=user_id)
                SM2.check(mine.public, message, signature, user_id=user_id)
                assert refused(mine.public, message + b"!", signature, user_id) == "sm2-signature"
        except Exception as error:  # noqa: BLE001 - whatever a thread meets is the test's answer
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@cache
def _rest() -> bytes:
    return KEY.encrypted(PASSPHRASE, secrets.token_bytes)
