"""The other providers of SM2: GmSSL as the fallback, and a device behind an SDF library."""

import ctypes
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FatalError, UnavailableError
from nodes.adapters import sm2, sm2_gmssl
from nodes.adapters.sm2 import Provider, open_sm2
from nodes.adapters.sm2_key_file import open_key, seal_key
from nodes.adapters.sm2_libcrypto import KNOWN_PRIVATE, KNOWN_PUBLIC
from nodes.adapters.sm2_sdf import SDFDevice
from nodes.api import serve
from nodes.config import SealsSection
from seals.sm2 import ORDER, USER_ID, decode_signature_value, encode_signature_value, user_digest
from tests.authz.refusals import refused
from tests.seals.office import SM2, key
from tests.strategies import flip

PASSPHRASE = b"a long passphrase"
KEY = key("a key")
SIGNATURE = KEY.sign(b"message", user_id=USER_ID)

# ---- GmSSL --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gmssl() -> sm2_gmssl.GmSSLSM2:
    pytest.importorskip("gmssl_pyx", reason="gmssl-pyx is not installed: no second opinion on SM2")
    return sm2_gmssl.GmSSLSM2()


def test_gmssl_and_libcrypto_take_each_others_signatures_and_key_files(gmssl: Provider) -> None:
    for make, other in ((SM2, gmssl), (gmssl, SM2)):
        made = make.generate(secrets.token_bytes)
        other.check(made.public, b"m", made.sign(b"m", user_id=b"who"), user_id=b"who")
        rest = made.encrypted(PASSPHRASE, secrets.token_bytes)
        opened = other.load(rest, PASSPHRASE)
        assert opened.public == made.public
        make.check(made.public, b"n", opened.sign(b"n", user_id=USER_ID), user_id=USER_ID)
        with refused("sm2-passphrase"):
            other.load(rest, PASSPHRASE + b"!")


def test_each_provider_opens_what_the_other_encrypts_and_nothing_else(gmssl: Provider) -> None:
    for make, other in ((SM2, gmssl), (gmssl, SM2), (SM2, SM2)):
        made = make.generate(secrets.token_bytes)
        box = other.encrypt(made.public, b"a key of a case")
        assert b"a key of a case" not in box
        assert made.open(box) == b"a key of a case"
        with refused("wrong-wrap"):
            make.generate(secrets.token_bytes).open(box)
        for bad in (b"", box[:-1], flip(box, len(box) * 8 - 1), b"\x30\x00"):
            with refused("wrong-wrap"):
                made.open(bad)
        for size in (0, 256):
            with refused("bad-payload"):
                other.encrypt(made.public, bytes(size))
        with refused("sm2-key"):
            other.encrypt(made.public[:-1] + bytes((made.public[-1] ^ 1,)), b"x")


def test_gmssl_refuses_what_libcrypto_refuses_with_the_same_codes(gmssl: Provider) -> None:
    r, s = decode_signature_value(SIGNATURE)
    off_curve = KEY.public[:-1] + bytes((KEY.public[-1] ^ 1,))
    cases: list[tuple[str, bytes, bytes, bytes, bytes]] = [
        ("sm2-signature", KEY.public, b"massage", SIGNATURE, USER_ID),
        ("sm2-signature", KEY.public, b"message", SIGNATURE, b"1234567812345679"),
        ("sm2-signature", key("x").public, b"message", SIGNATURE, USER_ID),
        ("sm2-signature", KEY.public, b"message", SIGNATURE + b"\x00", USER_ID),
        ("sm2-signature", KEY.public, b"message", b"", USER_ID),
        ("sm2-signature", KEY.public, b"message", encode_signature_value(r + ORDER, s), USER_ID),
        ("sm2-signature", KEY.public, b"message", encode_signature_value(r, 0), USER_ID),
        ("sm2-key", off_curve, b"message", SIGNATURE, USER_ID),
        ("sm2-key", KEY.public[1:], b"message", SIGNATURE, USER_ID),
        ("sm2-user-id", KEY.public, b"message", SIGNATURE, b""),
    ]
    for provider in (SM2, gmssl):
        for code, public, message, signature, user_id in cases:
            with refused(code):
                provider.check(public, message, signature, user_id=user_id)


@settings(max_examples=25)
@given(st.binary(max_size=200), st.binary(min_size=1, max_size=30), st.integers(0, 8 * 60))
def test_gmssl_and_libcrypto_agree_on_any_message_and_on_any_turned_bit(
    message: bytes, user_id: bytes, bit: int
) -> None:
    pytest.importorskip("gmssl_pyx", reason="gmssl-pyx is not installed: no second opinion on SM2")
    providers: tuple[Provider, ...] = (SM2, sm2_gmssl.GmSSLSM2())
    good = KEY.sign(message, user_id=user_id)
    for signature in (good, flip(good, bit)):
        verdicts = []
        for provider in providers:
            try:
                provider.check(KEY.public, message, signature, user_id=user_id)
                verdicts.append("good")
            except Exception as error:  # noqa: BLE001 - whatever it says is compared
                verdicts.append(getattr(error, "code", "?"))
        assert verdicts[0] == verdicts[1] == ("good" if signature == good else "sm2-signature")


def test_the_fallback_is_taken_only_where_libcrypto_is_missing(
    gmssl: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise UnavailableError("none", code="no-libcrypto")

    def wrong() -> None:
        raise FatalError("wrong answers")

    choose: Callable[[], Provider] = open_sm2.__wrapped__
    assert choose().name == "libcrypto"
    monkeypatch.setattr(sm2, "LibcryptoSM2", missing)
    assert choose().name == gmssl.name == "gmssl"
    monkeypatch.setattr(sm2, "GmSSLSM2", missing)
    with refused("sm2-unavailable"):
        choose()
    monkeypatch.setattr(sm2, "LibcryptoSM2", wrong)
    with pytest.raises(FatalError):
        choose()


def test_a_gmssl_that_is_missing_or_answers_wrongly_is_not_used(
    gmssl: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("KNOWN_MESSAGE", b"another"), ("KNOWN_PRIVATE", b"\x01" * 32)):
        with monkeypatch.context() as patch:
            patch.setattr(sm2_gmssl, name, value)
            with pytest.raises(FatalError):
                sm2_gmssl.GmSSLSM2()

    def missing(_name: str) -> None:
        raise ImportError("no such package")

    monkeypatch.setattr(sm2_gmssl, "import_module", missing)
    with refused("no-gmssl"):
        sm2_gmssl.GmSSLSM2()
    assert gmssl.name == "gmssl"


def test_a_key_file_whose_halves_differ_or_that_is_none_is_refused(gmssl: Provider) -> None:
    rest = seal_key(KNOWN_PRIVATE, KEY.public, PASSPHRASE, secrets.token_bytes)
    with refused("sm2-key-file"):
        gmssl.load(rest, PASSPHRASE)
    good = seal_key(KNOWN_PRIVATE, KNOWN_PUBLIC, PASSPHRASE, secrets.token_bytes)
    assert open_key(good, PASSPHRASE) == (KNOWN_PRIVATE, KNOWN_PUBLIC)
    for broken in (b"", good[:-1], good + b"\x00", bytes(300), bytes(5000)):
        with refused("sm2-key-file"):
            open_key(broken, PASSPHRASE)
    # A cost that was changed in the file is not followed.
    with refused("sm2-key-file"):
        open_key(good.replace(b"\x02\x02\x40\x00", b"\x02\x02\x20\x00"), PASSPHRASE)
    with refused("sm2-passphrase"):
        seal_key(KNOWN_PRIVATE, KNOWN_PUBLIC, b"short", secrets.token_bytes)


# ---- a device -----------------------------------------------------------------------------------

_ANSWER = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p
)


class Maker:
    """A device of no vendor: the C side keeps to the standard's structures, GmSSL computes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.library = ctypes.CDLL(str(path))
        self.algorithm = 0x00020100
        self.status = 0
        self.public = KNOWN_PUBLIC
        self.garbage = False
        self.trusting = False
        self._answer = _ANSWER(self.answer)

    def set(self, *, device: bool = True, session: bool = True) -> None:
        self.library.fake_set(self._answer, int(not device), int(not session))

    def answer(self, what: int, which: int, given: Any, out: Any) -> int:
        import gmssl_pyx  # noqa: PLC0415 - skipped where it is not installed

        if self.status:
            return self.status
        if what == 0:
            if which != 3:
                return 0x01000008
            for at, half in ((32, self.public[1:33]), (96, self.public[33:])):
                ctypes.memmove(out + at, half, 32)
            return 0
        if what == 1:
            der = gmssl_pyx.sm2_sign_sm3_digest(KNOWN_PRIVATE, ctypes.string_at(given, 32))
            r, s = decode_signature_value(der)
            if self.garbage:
                r += 1
            ctypes.memmove(out + 32, r.to_bytes(32), 32)
            ctypes.memmove(out + 96, s.to_bytes(32), 32)
            return 0
        if which != self.algorithm:
            return 0x01000009
        whole = ctypes.string_at(given, 288)
        parts = [whole[at + 32 : at + 64] for at in (32, 96, 160, 224)]
        der = encode_signature_value(int.from_bytes(parts[2]), int.from_bytes(parts[3]))
        held = gmssl_pyx.sm2_verify_sm3_digest(parts[0] + parts[1], whole[:32], der)
        return 0 if held or self.trusting else 0x0100000E


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine: the SDF boundary is not tested")
    pytest.importorskip(
        "gmssl_pyx", reason="gmssl-pyx is not installed: the fake device computes with it"
    )
    folder = tmp_path_factory.mktemp("sdf")
    made = folder / "libfake.so"
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-o",
        str(made),
        str(Path(__file__).with_name("fake_sdf.c")),
    ]
    subprocess.run(command, check=True, timeout=60)
    return made


@pytest.fixture
def maker(built: Path) -> Iterator[Maker]:
    made = Maker(built)
    made.set()
    before = made.library.fake_open()
    yield made
    assert made.library.fake_open() == before == 0, "a device or a session was left open"


def test_a_device_signs_what_software_verifies_and_the_other_way_round(maker: Maker) -> None:
    device = SDFDevice(maker.path, b"secret", SM2)
    held = device.key("3")
    assert held.public == KNOWN_PUBLIC
    SM2.check(held.public, b"m", held.sign(b"m", user_id=b"who"), user_id=b"who")
    device.check(KEY.public, b"message", SIGNATURE, user_id=USER_ID)
    for public, message, user_id, code in (
        (KEY.public, b"massage", USER_ID, "sm2-signature"),
        (KEY.public, b"message", b"another", "sm2-signature"),
        (key("x").public, b"message", USER_ID, "sm2-signature"),
        (KEY.public[:-1] + b"\x00", b"message", USER_ID, "sm2-key"),
    ):
        with refused(code):
            device.check(public, message, SIGNATURE, user_id=user_id)
    with refused("sm2-signature"):
        device.check(KEY.public, b"message", SIGNATURE[:-1], user_id=USER_ID)
    device.close()


def test_a_device_that_counts_algorithms_as_of_old_is_understood(maker: Maker) -> None:
    maker.algorithm = 0x00020200
    SDFDevice(maker.path, b"secret", SM2).close()


def test_what_a_device_refuses_is_unavailable_and_its_session_is_opened_anew(maker: Maker) -> None:
    device = SDFDevice(maker.path, b"secret", SM2)
    held = device.key("3")
    for status in (0x01000003, 0x01000007, -1):
        maker.status = status
        with refused("sm2-unavailable"):
            held.sign(b"m", user_id=USER_ID)
        with refused("sm2-unavailable"):
            device.check(KEY.public, b"message", SIGNATURE, user_id=USER_ID)
        assert maker.library.fake_open() == 100
    maker.status = 0
    with refused("sm2-unavailable"):
        device.key("4")
    for label in ("", "0", "x", "-1", "3 ", "4097", "\u0663"):
        with refused("bad-field"):
            device.key(label)
    SM2.check(held.public, b"m", held.sign(b"m", user_id=USER_ID), user_id=USER_ID)
    maker.set(session=False)
    device._drop()
    with refused("sm2-unavailable"):
        held.sign(b"m", user_id=USER_ID)
    device.close()


def test_a_device_that_signs_by_another_key_or_wrongly_hands_out_nothing(maker: Maker) -> None:
    device = SDFDevice(maker.path, b"secret", SM2)
    maker.public = KEY.public
    with refused("sm2-unavailable"):
        device.key("3").sign(b"m", user_id=USER_ID)
    maker.public, maker.garbage = KNOWN_PUBLIC, True
    with refused("sm2-unavailable"):
        device.key("3").sign(b"m", user_id=USER_ID)
    maker.public = b"\x04" + bytes(64)
    with refused("sm2-unavailable"):
        device.key("3")
    device.close()


def test_a_device_without_the_right_password_signs_nothing(maker: Maker) -> None:
    device = SDFDevice(maker.path, b"guess", SM2)
    with refused("sm2-unavailable"):
        device.key("3").sign(b"m", user_id=USER_ID)
    device.close()


def test_a_device_that_is_missing_or_answers_wrongly_is_not_used(
    maker: Maker, tmp_path: Path
) -> None:
    with refused("no-device"):
        SDFDevice(tmp_path / "nothing.so", b"", SM2)
    with refused("no-device"):
        SDFDevice(Path("libc.so.6"), b"", SM2)
    maker.set(device=False)
    with refused("no-device"):
        SDFDevice(maker.path, b"", SM2)
    with refused("bad-config"):
        SDFDevice(maker.path, bytes(257), SM2)
    maker.set()
    for status, trusting in ((0x0100000E, False), (0x01000003, False), (0, True)):
        maker.status, maker.trusting = status, trusting
        with pytest.raises(FatalError):
            SDFDevice(maker.path, b"", SM2)


def test_a_nodes_device_is_opened_with_its_password_and_closed_with_the_node(
    maker: Maker, tmp_path: Path
) -> None:
    word = tmp_path / "password"
    word.write_bytes(b"secret\n")
    config: Any = SimpleNamespace(
        seals=SealsSection(device=maker.path, device_password=word),
    )
    word.chmod(0o644)
    stack: Any = ExitStack()
    with refused("open-secret"):
        serve._open_device(config, SM2, stack)
    word.chmod(0o600)
    with refused("sm2-unavailable"):
        serve._open_device(config, None, stack)
    with stack:
        keys = serve._open_device(config, SM2, stack)
        assert keys is not None
        held = keys("3")
        SM2.check(held.public, b"m", held.sign(b"m", user_id=USER_ID), user_id=USER_ID)
    word.unlink()
    with refused("no-secret"):
        serve._open_device(config, SM2, stack)
    assert serve._open_device(SimpleNamespace(seals=SealsSection()), SM2, stack) is None
    with refused("bad-config"):
        SealsSection(device=maker.path)


def test_the_digest_of_the_standards_example_is_the_standards() -> None:
    digest = user_digest(KNOWN_PUBLIC, b"message digest", user_id=USER_ID)
    assert digest.hex().startswith("f0b43e94ba45acca")
