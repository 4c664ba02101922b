"""BouncyCastle, as most Chinese seal software uses it, on our certificates, seals and stamps."""

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from seals import der
from seals.ses import decode_signature
from seals.sm2 import OID_CURVE, OID_EC_PUBLIC_KEY, USER_ID, sm3
from tests.seals.office import NOW_S, OFFICE, SEAL, SIGNED, SM2, STAMPED

REAL = Path(__file__).parents[3] / "shared/data/seals"
SOURCE = Path(__file__).parent / "java/CheckSeal.java"
JARS = [Path("/usr/share/java") / name for name in ("bcprov.jar", "bcutil.jar", "bcpkix.jar")]
MISSING = (shutil.which("javac") is None) or not all(jar.exists() for jar in JARS)

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(
        MISSING, reason="no Java compiler, or no libbcprov-java and libbcpkix-java here"
    ),
]


class Castle:
    """The running program, and a folder for what it is asked about."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def ask(self, question: str, *files: bytes) -> str:
        names = []
        for number, data in enumerate(files):
            path = self._folder / str(number)
            path.write_bytes(data)
            names.append(str(path))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join([question, *names]) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def castle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Castle]:
    folder = tmp_path_factory.mktemp("castle")
    jars = ":".join(map(str, [*JARS, folder]))
    subprocess.run(["javac", "-cp", jars, "-d", str(folder), str(SOURCE)], check=True, timeout=120)
    with subprocess.Popen(
        ["java", "-cp", jars, "CheckSeal"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Castle(process, folder)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)


def test_it_gives_the_same_digest(castle: Castle) -> None:
    assert int(castle.ask("digest", b"abc"), 16) == int.from_bytes(sm3(b"abc"), "big")


@pytest.mark.parametrize(
    ("below", "above", "said"),
    [
        ("root", "root", "holds"),
        ("middle", "root", "holds"),
        ("signer", "middle", "holds"),
        ("service", "middle", "holds"),
        ("signer", "root", "fails"),
    ],
)
def test_it_judges_our_certificates_as_we_do(
    castle: Castle, below: str, above: str, said: str
) -> None:
    assert castle.ask("certificate", getattr(OFFICE, below), getattr(OFFICE, above)) == said


def test_it_judges_our_revocation_lists_as_we_do(castle: Castle) -> None:
    assert castle.ask("list", OFFICE.lists[1], OFFICE.middle) == "holds"
    assert castle.ask("list", OFFICE.lists[1], OFFICE.root) == "fails"


def test_it_accepts_our_seal_and_not_a_changed_one(castle: Castle) -> None:
    assert castle.ask("seal", SEAL) == "holds 4"
    assert castle.ask("seal", SEAL.replace(b"51010000000001", b"51010000000002")) == "fails 4"


def test_it_accepts_our_signature_and_not_a_changed_one(castle: Castle) -> None:
    assert castle.ask("signature", SIGNED) == "holds seal holds 4"
    assert castle.ask("signature", SIGNED.replace(b"/Sign_0/", b"/Sign_1/")) == "fails seal holds 4"


def test_it_accepts_our_time_stamp(castle: Castle) -> None:
    signed = decode_signature(STAMPED)
    assert signed.timestamp is not None
    assert castle.ask("token", signed.timestamp, signed.signature) == f"holds {NOW_S + 1}"
    assert castle.ask("token", signed.timestamp, b"another") == "fails imprint"


def test_we_accept_what_it_signs(castle: Castle) -> None:
    private = bytes(range(1, 33))
    made = SM2.from_private(private)
    inner = der.sequence(
        der.integer(1),
        der.octets(private),
        der.element(der.context(1), der.bits(made.public)),
    )
    method = der.sequence(der.oid(OID_EC_PUBLIC_KEY), der.oid(OID_CURVE))
    plain = der.sequence(der.integer(0), method, der.octets(inner))
    said = castle.ask("sign", plain, b"message")
    SM2.check(made.public, b"message", bytes.fromhex(said), user_id=USER_ID)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real seals at {REAL}")
def test_it_agrees_about_the_real_files(castle: Castle) -> None:
    with zipfile.ZipFile(REAL / "signedFile.ofd") as file:
        signed = file.read("Doc_0/Signs/Sign_0/SignedValue.dat")
    assert castle.ask("signature", signed).startswith("holds seal holds")
    assert castle.ask("seal", (REAL / "UserV4.esl").read_bytes()) == "holds 4"
    assert castle.ask("seal", (REAL / "SESealData.DER").read_bytes()) == "fails 4"
