"""``shouxin seal bring``: a licensed maker's seal into a node's key store, its keys with it.

It works on the folder of the node, running or not, so that no private key ever crosses a wire.
"""

import argparse
import base64
import binascii
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.errors import MalformedError
from nodes.adapters.clock import SystemClock
from nodes.adapters.held_seals import Brought
from nodes.adapters.keystore import KeyStore, Unlock, check_opens, read_secret
from nodes.adapters.random import randomness
from nodes.adapters.seal_store import SealStore
from nodes.adapters.sm2 import open_sm2
from nodes.adapters.sm2_sdf import SDFDevice
from nodes.adapters.trust_files import load_trust, read_certificates
from nodes.cli.caller import load_folder
from nodes.cli.show import print_json
from nodes.config import Config
from nodes.files import read_bounded
from seals.sm2 import SigningKey

_ARMOUR: Final = re.compile(rb"-----(?:BEGIN|END) ENCRYPTED PRIVATE KEY-----|\s+")


def bring(given: argparse.Namespace) -> int:
    """Check a seal and its keys, lay them into the node's key store, and say what to issue."""
    config = load_folder(given.folder)
    unlock = Unlock(
        credential=config.unlock.credential, env=config.unlock.env, file=config.unlock.file
    )
    keys = KeyStore.open(config.node.keys, unlock.secret(os.environ), randomness)
    check_opens(keys)
    if given.seal[:7] != f"{config.node.region}/":
        raise MalformedError(f"not a seal of {config.node.region}: {given.seal}", code="bad-field")
    with ExitStack() as stack:
        store = SealStore(keys, _device(config, stack))
        return _bring(given, store)


def _bring(given: argparse.Namespace, store: SealStore) -> int:
    trust = load_trust(given.trust)
    [certificate] = read_certificates(given.certificate)
    paper, chain = _paper(given)
    store.bring(
        given.seal,
        esl=read_bounded(given.esl),
        certificate=certificate.raw,
        brought=Brought(
            anchors=tuple(it.raw for it in trust.anchors),
            others=tuple(it.raw for it in trust.others),
            lists=tuple(it.raw for it in trust.lists),
            paper_chain=chain,
        ),
        key=given.device or store.sm2.load(_der(read_bounded(given.key)), _secret(given)),
        paper=paper,
        at_s=SystemClock().now_ms() // 1000,
    )
    print_json(
        {
            "seal": given.seal,
            "certificate": sha256(certificate.raw).hexdigest(),
            "pdf": paper is not None,
        }
    )
    return 0


def _device(config: Config, stack: ExitStack) -> Callable[[str], SigningKey] | None:
    """Return what gives the keys of the node's device; None where it has none."""
    path, password = config.seals.device, config.seals.device_password
    if path is None or password is None:
        return None
    device = SDFDevice(path, read_secret(password), open_sm2())
    stack.callback(device.close)
    return device.key


def _secret(given: argparse.Namespace) -> bytes:
    if given.passphrase is None:
        raise MalformedError("a key in a file comes with --passphrase", code="bad-field")
    return read_bounded(given.passphrase).strip()


def _paper(
    given: argparse.Namespace,
) -> tuple[tuple[ec.EllipticCurvePrivateKey, bytes] | None, tuple[bytes, ...]]:
    """Return key and certificate for PDF files, and what stands over that certificate."""
    if (given.pdf_key is None) != (given.pdf_certificate is None):
        raise MalformedError("--pdf-key and --pdf-certificate go together", code="bad-field")
    if given.pdf_key is None:
        return None, ()
    first, *above = read_certificates(given.pdf_certificate)
    secret = _secret(given)
    data = read_bounded(given.pdf_key)
    load = (
        serialization.load_pem_private_key
        if b"-----BEGIN" in data
        else serialization.load_der_private_key
    )
    try:
        key = load(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedError(f"{given.pdf_key} does not open: {error}", code="bad-key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError(f"{given.pdf_key} is no P-256 key", code="bad-key")
    return (key, first.raw), tuple(it.raw for it in above)


def _der(data: bytes) -> bytes:
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in data:
        return data
    try:
        return base64.b64decode(_ARMOUR.sub(b"", data), validate=True)
    except binascii.Error as error:
        raise MalformedError(
            f"the key's armour holds no base64: {error}", code="bad-key"
        ) from error
