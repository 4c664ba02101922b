"""``shouxin seal``: what it says about good, bad and foreign files, and what it makes."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from nodes.cli import seal as command
from nodes.cli.main import main
from seals.sm2 import USER_ID
from seals.trust import Trust
from tests.seals.office import NOW_S, OFFICE, ORIGINAL, SEAL, SIGNED, SM2, STAMPED

REAL = Path(__file__).parents[3] / "shared/data/seals"
AT = "2026-09-21T14:14:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root.cer").write_bytes(OFFICE.root)
    lists = b"".join(armoured("X509 CRL", one) for one in OFFICE.lists)
    (tmp_path / "rest.pem").write_bytes(armoured("CERTIFICATE", OFFICE.middle) + lists)
    (tmp_path / "signed.dat").write_bytes(STAMPED)
    (tmp_path / "seal.esl").write_bytes(SEAL)
    (tmp_path / "original.xml").write_bytes(ORIGINAL)
    return tmp_path


def armoured(label: str, data: bytes) -> bytes:
    body = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main(["seal", *map(str, arguments)])
    shown = capsys.readouterr()
    return status, shown.out + shown.err


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    status, said = run(capsys, *arguments, "--json")
    return status, json.loads(said)


def test_a_good_signature_is_valid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = told(
        capsys, "verify", folder / "signed.dat", "--trust", folder, "--at", AT,
        "--original", folder / "original.xml",
    )  # fmt: skip
    assert status == 0
    assert said["valid"] is True
    assert {step["outcome"] for step in said["reports"][0]["steps"]} == {"passed"}


def test_a_good_seal_is_valid_in_both_languages(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given_ = ("verify", folder / "seal.esl", "--trust", folder / "root.cer")
    more = ("--trust", folder / "rest.pem", "--at", AT)
    status, said = run(capsys, *given_, *more)
    assert status == 0
    assert "Valid" in said
    status, said = run(capsys, *given_, *more, "--lang", "zh")
    assert status == 0
    assert "有效" in said
    assert "制章人证书链" in said


def test_what_is_not_proved_is_not_called_valid(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = told(capsys, "verify", folder / "seal.esl", "--at", AT)
    assert (status, said["valid"]) == (1, False)
    assert said["reports"][0]["verdict"] == "unproven"
    status, text = run(capsys, "verify", folder / "seal.esl", "--at", AT)
    assert "Unproven" in text


def test_a_changed_original_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "original.xml").write_bytes(ORIGINAL + b" ")
    status, said = run(
        capsys, "verify", folder / "signed.dat", "--trust", folder, "--at", AT,
        "--original", folder / "original.xml",
    )  # fmt: skip
    assert status == 1
    assert "digest-differs" in said


def test_a_text_from_a_seal_cannot_paint_the_screen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "seal.esl").write_bytes(SEAL.replace(b"shouxin", b"[red]\x1b["))
    status, said = run(capsys, "verify", folder / "seal.esl", "--at", AT)
    assert status == 1
    assert "\x1b" not in said


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x30\x00", b"\x30\x80\x00\x00"])
def test_a_file_that_is_nothing_sealed_is_malformed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    status, said = run(capsys, "verify", tmp_path / "file")
    assert status == 2
    assert "seal-file" in said


def test_a_file_that_is_missing_or_a_time_that_is_none_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "verify", folder / "nothing")[0] == 2
    status, said = run(capsys, "verify", folder / "seal.esl", "--at", "yesterday")
    assert status == 2
    assert "bad-time" in said


@pytest.mark.parametrize(
    "content",
    [
        b"rubbish",
        SEAL,
        armoured("CERTIFICATE", b"rubbish"),
        b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_file_of_trust_that_holds_none_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (folder / "bad.pem").write_bytes(content)
    status, said = run(capsys, "verify", folder / "seal.esl", "--trust", folder)
    assert status == 2
    assert "trust-file" in said


def test_a_seal_for_trials_is_valid_and_its_keys_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "passphrase").write_text("a long passphrase\n")
    made = (
        "trial", tmp_path / "made", "--name", "成都市政务服务中心", "--id", "51010000000001",
        "--picture", tmp_path / "picture.png", "--passphrase", tmp_path / "passphrase",
    )  # fmt: skip
    status, said = told(capsys, *made)
    assert status == 0
    assert "Seal.esl" in said["files"]
    trust = ("--trust", tmp_path / "made")
    assert run(capsys, "verify", tmp_path / "made/Seal.esl", *trust)[0] == 0
    rest = tmp_path / "made/signer.p8"
    assert stat.S_IMODE(rest.stat().st_mode) == 0o600
    opened = SM2.load(rest.read_bytes(), b"a long passphrase")
    SM2.check(opened.public, b"x", opened.sign(b"x", user_id=USER_ID), user_id=USER_ID)
    # A second time would lay new keys over the old ones.
    assert run(capsys, *made)[0] == 2
    assert rest.read_bytes() == (tmp_path / "made/signer.p8").read_bytes()


@given(st.sampled_from([b"", b"%PDF-", b"PK\x03\x04", SEAL[:40], SIGNED[:60]]), st.binary())
def test_any_bytes_give_reports_or_an_error_with_a_code(start: bytes, rest: bytes) -> None:
    try:
        reports = command.check(start + rest, sm2=SM2, trust=Trust(), at_s=NOW_S)
    except MalformedError:
        return
    assert all(one.verdict.value != "valid" for one in reports)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real seals at {REAL}")
@pytest.mark.parametrize(
    ("name", "verdict", "codes"),
    [
        ("UserV1.esl", "unproven", []),
        ("UserV4.esl", "unproven", []),
        ("signedFile.ofd", "unproven", []),
        ("SESealData.DER", "invalid", ["bad-seal-signature", "maker-out-of-period"]),
    ],
)
def test_the_real_files_have_the_verdicts_that_are_known_of_them(
    name: str, verdict: str, codes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = told(capsys, "verify", REAL / name, "--at", "2021-01-01")
    (found,) = said["reports"]
    assert status == 1
    assert found["verdict"] == verdict
    assert [step["code"] for step in found["steps"] if step["outcome"] == "failed"] == codes
    unchecked = {step["code"] for step in found["steps"] if step["outcome"] == "unchecked"}
    assert unchecked == {"no-anchor"}
