"""Certificates that a node makes for trials: they say so, and nobody else's trust leads to them."""

from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nodes.adapters.random import randomness

TRIAL: Final = "授信试验，无法律效力"
"""Stands as organisation in every certificate of a trial."""

YEAR_S: Final = 366 * 86_400
_SERIAL_BYTES: Final = 8


def new_serial() -> int:
    """Return a serial number that nobody can guess and no other certificate has."""
    return int.from_bytes(randomness(_SERIAL_BYTES), "big") >> 1 | 1


def paper_certificate(
    name: str,
    public: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    now_s: int,
    *,
    is_root: bool = False,
) -> bytes:
    """Return the DER certificate of a key that signs PDF files, or of the root above such keys."""
    signs = not is_root
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(new_serial())
        .not_valid_before(datetime.fromtimestamp(now_s - 60, UTC))
        .not_valid_after(datetime.fromtimestamp(now_s + (5 if is_root else 1) * YEAR_S, UTC))
        .add_extension(
            x509.BasicConstraints(ca=is_root, path_length=0 if is_root else None), critical=True
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs,
                content_commitment=signs,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_root,
                crl_sign=is_root,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.DER)


def _name(name: str) -> x509.Name:
    # X.520 gives a common name 64 octets here; the seal itself has all of it.
    name = name.encode()[:64].decode(errors="ignore")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, TRIAL),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
