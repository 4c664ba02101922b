"""The openssl command, which shares our library but none of our code, on our keys and files."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from seals.authority import encode_public
from seals.certificate import decode_certificate
from seals.revocation import decode_revocation_list
from seals.ses import decode_seal, decode_signature
from seals.sm2 import USER_ID, sm3
from tests.seals.office import NOW_S, OFFICE, SEAL, SIGNED, SM2, STAMPED, key

REAL = Path(__file__).parents[3] / "shared/data/seals"
OPENSSL = shutil.which("openssl")
PASSPHRASE = "a long passphrase"  # noqa: S105 - of a key made for the test

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(OPENSSL is None, reason="no openssl command on this machine"),
]


def openssl(*arguments: str, input_: bytes = b"") -> tuple[int, bytes]:
    done = subprocess.run(
        ["openssl", *arguments], input=input_, capture_output=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def pem(folder: Path, name: str, data: bytes, kind: str = "x509") -> str:
    path = folder / name
    status, said = openssl(kind, "-inform", "DER", "-out", str(path), input_=data)
    assert status == 0, said
    return str(path)


def verifies(folder: Path, public: bytes, signed: bytes, signature: bytes) -> bool:
    (folder / "key.der").write_bytes(encode_public(public))
    (folder / "signature").write_bytes(signature)
    assert (
        openssl(
            "pkey",
            "-pubin",
            "-inform",
            "DER",
            "-in",
            str(folder / "key.der"),
            "-pubout",
            "-out",
            str(folder / "key.pem"),
        )[0]
        == 0
    )
    status, said = openssl(
        "dgst",
        "-sm3",
        "-verify",
        str(folder / "key.pem"),
        "-sigopt",
        f"distid:{USER_ID.decode()}",
        "-signature",
        str(folder / "signature"),
        input_=signed,
    )
    assert (b"Verified OK" in said) == (status == 0)
    return status == 0


def test_openssl_accepts_our_signature_and_not_a_changed_one(tmp_path: Path) -> None:
    signature = key("signer").sign(b"message", user_id=USER_ID)
    assert verifies(tmp_path, key("signer").public, b"message", signature)
    assert not verifies(tmp_path, key("signer").public, b"massage", signature)


def test_openssl_opens_what_we_encrypt_and_we_open_what_it_does(tmp_path: Path) -> None:
    made = SM2.generate(lambda size: b"\x07" * size)
    private, public = tmp_path / "key.p8", tmp_path / "public.der"
    private.write_bytes(made.encrypted(PASSPHRASE.encode(), lambda size: b"\x09" * size))
    public.write_bytes(encode_public(made.public))
    box, theirs = tmp_path / "box", tmp_path / "theirs"
    box.write_bytes(SM2.encrypt(made.public, b"a key of a case"))
    opening = ("-decrypt", "-inkey", str(private), "-keyform", "DER", "-in", str(box))
    status, said = openssl("pkeyutl", *opening, "-passin", f"pass:{PASSPHRASE}")
    assert (status, said) == (0, b"a key of a case")
    sealing = ("-encrypt", "-pubin", "-inkey", str(public), "-keyform", "DER", "-out", str(theirs))
    status, said = openssl("pkeyutl", *sealing, input_=b"another key")
    assert status == 0, said
    assert made.open(theirs.read_bytes()) == b"another key"


def test_we_accept_what_openssl_signs_with_a_key_that_it_made(tmp_path: Path) -> None:
    secret = tmp_path / "secret.pem"
    assert (
        openssl(
            "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2", "-out", str(secret)
        )[0]
        == 0
    )
    status, signature = openssl(
        "dgst",
        "-sm3",
        "-sign",
        str(secret),
        "-sigopt",
        f"distid:{USER_ID.decode()}",
        input_=b"message",
    )
    assert status == 0
    sealed = tmp_path / "sealed.der"
    assert (
        openssl(
            "pkcs8",
            "-topk8",
            "-v2",
            "aes-256-cbc",
            "-in",
            str(secret),
            "-outform",
            "DER",
            "-out",
            str(sealed),
            "-passout",
            f"pass:{PASSPHRASE}",
        )[0]
        == 0
    )
    opened = SM2.load(sealed.read_bytes(), PASSPHRASE.encode())
    SM2.check(opened.public, b"message", signature, user_id=USER_ID)


def test_openssl_opens_our_key_at_rest(tmp_path: Path) -> None:
    rest = tmp_path / "key.p8"
    rest.write_bytes(key("signer").encrypted(PASSPHRASE.encode(), bytes))
    status, said = openssl(
        "pkey",
        "-inform",
        "DER",
        "-in",
        str(rest),
        "-passin",
        f"pass:{PASSPHRASE}",
        "-pubout",
        "-outform",
        "DER",
    )
    assert status == 0, said
    assert said == encode_public(key("signer").public)
    shown = openssl("asn1parse", "-inform", "DER", "-in", str(rest))[1]
    assert b"scrypt" in shown
    assert b"aes-256-cbc" in shown


def test_a_key_of_another_curve_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "p256.der"
    made = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")[1]
    assert (
        openssl(
            "pkcs8",
            "-topk8",
            "-v2",
            "aes-256-cbc",
            "-outform",
            "DER",
            "-out",
            str(secret),
            "-passout",
            f"pass:{PASSPHRASE}",
            input_=made,
        )[0]
        == 0
    )
    with pytest.raises(Exception, match="not an SM2 key"):
        SM2.load(secret.read_bytes(), PASSPHRASE.encode())


@pytest.mark.parametrize(
    ("leaf", "issuer"), [("signer", "middle"), ("maker", "middle"), ("middle", "root")]
)
def test_openssl_verifies_each_link_of_our_chain(tmp_path: Path, leaf: str, issuer: str) -> None:
    # The command gives the user identifier to the last certificate only, so link by link.
    above = pem(tmp_path, "above.pem", getattr(OFFICE, issuer))
    below = pem(tmp_path, "below.pem", getattr(OFFICE, leaf))
    status, said = openssl(
        "verify",
        "-vfyopt",
        f"distid:{USER_ID.decode()}",
        "-partial_chain",
        "-x509_strict",
        "-attime",
        str(NOW_S),
        "-CAfile",
        above,
        below,
    )
    assert status == 0, said
    status, said = openssl(
        "verify",
        "-vfyopt",
        "distid:another",
        "-partial_chain",
        "-attime",
        str(NOW_S),
        "-CAfile",
        above,
        below,
    )
    assert b"signature failure" in said


def test_openssl_reads_our_revocation_list(tmp_path: Path) -> None:
    office = OFFICE.but(revoked={4: NOW_S - 5})
    data = office.lists[1]
    status, said = openssl("crl", "-inform", "DER", "-noout", "-text", input_=data)
    assert status == 0
    assert re.search(rb"Serial Number: 04\s", said)
    opened = decode_revocation_list(data)
    public = decode_certificate(office.middle).public
    assert public is not None
    assert verifies(tmp_path, public, opened.signed, opened.signature)


def test_openssl_verifies_our_seal_and_signature(tmp_path: Path) -> None:
    seal, signed = decode_seal(SEAL), decode_signature(SIGNED)
    assert openssl("asn1parse", "-inform", "DER", input_=SIGNED)[0] == 0
    assert verifies(tmp_path, key("maker").public, seal.signed, seal.signature)
    assert verifies(tmp_path, key("signer").public, signed.signed, signed.signature)


def test_openssl_reads_our_time_stamp(tmp_path: Path) -> None:
    token = tmp_path / "token"
    stamp = decode_signature(STAMPED).timestamp
    assert stamp is not None
    token.write_bytes(stamp)
    status, said = openssl("ts", "-reply", "-token_in", "-in", str(token), "-text")
    assert status == 0, said
    assert b"Hash Algorithm: sm3" in said
    assert b"Serial number: 0x01" in said


def test_openssl_gives_the_same_digests() -> None:
    for data in (b"", b"abc", bytes(1000)):
        assert openssl("dgst", "-sm3", "-binary", input_=data) == (0, sm3(data))


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real seals at {REAL}")
def test_openssl_agrees_about_the_real_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(REAL / "signedFile.ofd") as file:
        signed = decode_signature(file.read("Doc_0/Signs/Sign_0/SignedValue.dat"))
    seals = [
        (signed, True),
        (signed.seal, True),
        (decode_seal((REAL / "UserV1.esl").read_bytes()), True),
        (decode_seal((REAL / "UserV4.esl").read_bytes()), True),
        (decode_seal((REAL / "SESealData.DER").read_bytes()), False),
    ]
    for one, holds in seals:
        public = decode_certificate(one.certificate).public
        assert public is not None
        assert verifies(tmp_path, public, one.signed, one.signature) is holds
