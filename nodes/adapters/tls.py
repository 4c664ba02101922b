"""Transport security: self-signed certificates that the roster pins by their SHA-256.

No authority stands above the members, so each certificate is its own anchor. A peer's region is
what its certificate says by being pinned, and nothing inside the certificate counts.
"""

import hashlib
import ipaddress
import ssl
import stat
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.roster import Roster

CERTIFICATE_DAYS = 3650


def make_certificate(name: str, hosts: Sequence[str], now_s: int) -> tuple[bytes, bytes]:
    """Make a key and a self-signed certificate, both PEM, the certificate first.

    Args:
        name: Common name, for people to read.
        hosts: DNS names and addresses it answers at.
        now_s: Unix time from which it is valid, less a day for clocks that differ.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    # The key is named too: of two certificates with one subject, OpenSSL looks at the one that it
    # met first alone, and a running node would not let in a region with a new one.
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, hashlib.sha256(public).hexdigest()),
        ]
    )
    start = datetime.fromtimestamp(now_s, UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def pin_of(certificate_pem: bytes) -> bytes:
    """Return the SHA-256 of a certificate's DER, as the roster holds it."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


def own_certificate(
    certificate: Path, key: Path, rosters: Sequence[Roster], region: str
) -> tuple[Path, Path]:
    """Return our certificate and its key, as the first of these versions pins one that is here.

    Beside the files that the configuration names lie those that follow them, with a number.

    Raises:
        MalformedError: ``bad-certificates``: none of ours is there.
        UnverifiedError: ``wrong-key``: none of the versions pins one of ours.
    """
    ours = {}
    for number in count(1):
        pair = numbered(certificate, number), numbered(key, number)
        if not all(path.is_file() for path in pair):
            if number > 1:
                break
            continue
        ours[pin_of(pair[0].read_bytes())] = pair
    if not ours:
        raise MalformedError(f"{certificate} or {key} is not there", code="bad-certificates")
    for roster in rosters:
        pin = roster.members[region].tls if region in roster.members else None
        if pin in ours:
            return ours[pin]
    raise UnverifiedError("our certificate is not the one in the roster", code="wrong-key")


def numbered(path: Path, number: int) -> Path:
    """Return where the certificate or key lies that is the ``number``-th of its name."""
    return path if number == 1 else path.with_name(f"{path.stem}.{number}{path.suffix}")


def load_pinned(path: Path, rosters: Sequence[Roster]) -> Mapping[str, str]:
    """Read the file of all members' certificates, and return them as PEM by region.

    While a member changes its certificate, both of them let it in. Certificates that no version
    pins are passed over.

    Args:
        path: Of the file.
        rosters: The versions that pin, the newest last.

    Raises:
        MalformedError: ``bad-certificates``: it is no file of certificates, or lacks one that the
            newest version pins.
    """
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MalformedError(
            f"{path} is no file of certificates", code="bad-certificates"
        ) from error
    by_pin = {}
    for certificate in certificates:
        der = certificate.public_bytes(serialization.Encoding.DER)
        by_pin[hashlib.sha256(der).digest()] = certificate
    found: dict[str, dict[bytes, str]] = {}
    for roster in rosters:
        for region, member in roster.members.items():
            if member.tls is None:
                continue
            if member.tls in by_pin:
                pem = by_pin[member.tls].public_bytes(serialization.Encoding.PEM)
                found.setdefault(region, {})[member.tls] = pem.decode("ascii")
            elif roster is rosters[-1]:
                raise MalformedError(
                    f"{path} lacks the certificate of {region}", code="bad-certificates"
                )
    return {region: "".join(pems.values()) for region, pems in found.items()}


def show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Have a context show a certificate.

    Raises:
        MalformedError: ``bad-certificates``: it cannot be read, or the key is that of another.
        RefusedError: ``open-secret``: everybody may read the key.
    """
    try:
        if key.stat().st_mode & stat.S_IROTH:
            raise RefusedError(f"everybody may read {key}; chmod it to 0600", code="open-secret")
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise MalformedError(
            f"{certificate} cannot be shown with {key}: {error.strerror or error}",
            code="bad-certificates",
        ) from error


def peer_server(certificate: Path, key: Path, pinned: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context of the peer listener: only a pinned certificate gets in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    show(context, certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    for pem in pinned.values():
        context.load_verify_locations(cadata=pem)
    return context


def peer_client(certificate: Path, key: Path, pinned_pem: str) -> ssl.SSLContext:
    """Return the context for calling one peer, which must show exactly its pinned certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The certificate itself is pinned, so whatever host it is reached at is the right one.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pinned_pem)
    show(context, certificate, key)
    return context


def public_server(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of the public listener: callers show tokens, not certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    show(context, certificate, key)
    return context


def caller_region(certificate_der: bytes | None, regions: Mapping[bytes, str]) -> str | None:
    """Return the region, of those by pin, whose certificate the caller showed; None for no such."""
    if certificate_der is None:
        return None
    return regions.get(hashlib.sha256(certificate_der).digest())


def regions_by_pin(rosters: Sequence[Roster]) -> Mapping[bytes, str]:
    """Return the member of each certificate that one of these versions pins."""
    return {
        member.tls: region
        for roster in rosters
        for region, member in roster.members.items()
        if member.tls is not None
    }


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
