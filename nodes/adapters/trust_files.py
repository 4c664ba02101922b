"""Whom to believe about seals, from files: certificates and revocation lists, PEM or DER."""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ledger.errors import MalformedError
from nodes.files import read_bounded
from seals.certificate import Certificate, decode_certificate
from seals.revocation import RevocationList, decode_revocation_list
from seals.trust import Trust

TRUST_FILES_MAX: Final = 1000

_PEM: Final = re.compile(
    rb"-----BEGIN (CERTIFICATE|X509 CRL)-----\s+([A-Za-z0-9+/=\s]+?)-----END \1-----"
)


def load_trust(paths: list[Path]) -> Trust:
    """Read certificates and revocation lists from files or folders, PEM or DER.

    Certificates that their own subject issued are roots; all others may link a chain.

    Raises:
        MalformedError: ``trust-file``: a file holds neither.
    """
    anchors: list[Certificate] = []
    others: list[Certificate] = []
    lists: list[RevocationList] = []
    for path in _trust_files(paths):
        for one in _trust_parts(path):
            if isinstance(one, RevocationList):
                lists.append(one)
            elif one.subject == one.issuer:
                anchors.append(one)
            else:
                others.append(one)
    return Trust(tuple(anchors), tuple(others), tuple(lists))


def read_certificates(path: Path) -> list[Certificate]:
    """Return the certificates in one file, PEM or DER, in their order; at least one.

    Raises:
        MalformedError: ``trust-file``: it holds none, or something else.
    """
    found = list(_trust_parts(path))
    certificates = [it for it in found if isinstance(it, Certificate)]
    if not certificates or len(certificates) != len(found):
        raise MalformedError(f"{path} holds no certificates alone", code="trust-file")
    return certificates


def _trust_files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(
                one for one in path.iterdir() if one.suffix in {".pem", ".crt", ".cer", ".crl"}
            )
        else:
            files.append(path)
    if len(files) > TRUST_FILES_MAX:
        raise MalformedError("there are too many files of trust", code="trust-file")
    return files


def _trust_parts(path: Path) -> Iterator[Certificate | RevocationList]:
    data = read_bounded(path)
    try:
        if b"-----BEGIN " not in data:
            yield _certificate_or_list(data)
            return
        for label, body in _PEM.findall(data):
            content = base64.b64decode(b"".join(body.split()), validate=True)
            yield (
                decode_certificate(content)
                if label == b"CERTIFICATE"
                else decode_revocation_list(content)
            )
    except (MalformedError, binascii.Error) as error:
        raise MalformedError(
            f"{path} holds no certificate or revocation list: {error}", code="trust-file"
        ) from error


def _certificate_or_list(data: bytes) -> Certificate | RevocationList:
    try:
        return decode_certificate(data)
    except MalformedError as error:
        try:
            return decode_revocation_list(data)
        except MalformedError:
            raise error from None
