"""``shouxin seal bring``: a maker's seal into the key store of a node, with its keys."""

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nodes.adapters.clock import SystemClock
from nodes.adapters.keystore import KeyStore, Unlock
from nodes.adapters.random import randomness
from nodes.adapters.seal_store import SealStore
from nodes.cli.main import main
from nodes.config import load_config
from tests.nodes.live import found
from tests.seals.papers import Paperkey

SEAL = "510000/seal/brought-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A node's folder, and a folder with what a maker gives out."""
    folder = tmp_path_factory.mktemp("bring")
    founded = found(folder / "network", 1)
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "passphrase").write_text("a long passphrase\n")
    asked = ("--name", "四川省民政厅", "--id", "51000000000001", "--json")
    files = ("--picture", str(folder / "picture.png"), "--passphrase", str(folder / "passphrase"))
    assert main(["seal", "trial", str(folder / "maker"), *asked, *files]) == 0
    return founded.configs["510000"].parent, folder


def arguments(made: tuple[Path, Path], *more: str, seal: str = SEAL) -> list[str]:
    node, folder = made
    maker = folder / "maker"
    return [
        *("seal", "bring", seal, "--folder", str(node), "--esl", str(maker / "Seal.esl")),
        *("--certificate", str(maker / "signer.cer"), "--key", str(maker / "signer.p8")),
        *("--passphrase", str(folder / "passphrase"), *more),
    ]


def store(node: Path) -> SealStore:
    config = load_config(node / "node.toml", {})
    unlock = Unlock(
        credential=config.unlock.credential, env=config.unlock.env, file=config.unlock.file
    )
    return SealStore(KeyStore.open(config.node.keys, unlock.secret({}), randomness))


def test_a_maker_s_seal_is_brought_with_its_key(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    node, folder = made
    capsys.readouterr()
    # Without its roots nothing about it is proved.
    assert main(arguments(made)) == 3
    assert "seal-unproven" in capsys.readouterr().err
    assert store(node).held() == []
    trust = ("--trust", str(folder / "maker"))
    assert main(arguments(made, *trust)) == 0
    told = json.loads(capsys.readouterr().out)
    certificate = (folder / "maker/signer.cer").read_bytes()
    assert told == {
        "seal": SEAL,
        "certificate": sha256(certificate).hexdigest(),
        "pdf": False,
    }
    store(node).check_signer(SEAL, SystemClock().now_ms() // 1000)
    assert main(arguments(made, *trust, seal="500000/seal/x")) == 2
    here = arguments(made, *trust, seal="510000/seal/brought-3")
    at = here.index("--key")
    # The configuration names no device.
    capsys.readouterr()
    assert main([*here[:at], "--device", "3", *here[at + 2 :]]) != 0
    assert "no-device" in capsys.readouterr().err
    at = here.index("--passphrase")
    assert main([*here[:at], *here[at + 2 :]]) == 2
    (folder / "wrong").write_text("another passphrase")
    wrong = arguments(made, *trust)
    wrong[wrong.index("--passphrase") + 1] = str(folder / "wrong")
    capsys.readouterr()
    assert main(wrong) != 0
    assert "sm2-passphrase" in capsys.readouterr().err


def test_keys_come_armoured_too_and_one_for_pdf_files_with_its_chain(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    node, folder = made
    bare = (folder / "maker/signer.p8").read_bytes()
    body = base64.encodebytes(bare)
    armoured = b"-----BEGIN %s-----\n%s-----END %s-----\n"
    name = b"ENCRYPTED PRIVATE KEY"
    (folder / "signer.pem").write_bytes(armoured % (name, body, name))
    paper = Paperkey()
    pem = paper._key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a long passphrase"),
    )
    (folder / "paper.pem").write_bytes(pem)
    chain = b"".join(
        b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % base64.encodebytes(it)
        for it in (paper.certificate, paper.root)
    )
    (folder / "paper.crt").write_bytes(chain)
    seal = "510000/seal/brought-2"
    given = arguments(
        made,
        *("--trust", str(folder / "maker"), "--pdf-certificate", str(folder / "paper.crt")),
        seal=seal,
    )
    given[given.index("--key") + 1] = str(folder / "signer.pem")
    capsys.readouterr()
    assert main(given) == 2
    assert main([*given, "--pdf-key", str(folder / "signer.pem")]) == 2
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a long passphrase"),
    )
    (folder / "other.pem").write_bytes(other)
    assert main([*given, "--pdf-key", str(folder / "other.pem")]) == 2
    assert "bad-key" in capsys.readouterr().err
    assert main([*given, "--pdf-key", str(folder / "paper.pem")]) == 0
    held = store(node).load(seal)
    assert (held.paper_certificate, held.paper_chain) == (paper.certificate, (paper.root,))
