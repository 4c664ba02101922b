"""A seal whose key is held here, what it has signed, and keys that sign once."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.errors import RefusedError
from seals.sm2 import SigningKey
from seals.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSeal:
    """What anybody may know of a seal that is held here: all DER.

    Args:
        certificate: Of the key that signs with the seal.
        paper_certificate: Of the key that signs PDF files; empty where the seal has none.
        paper_chain: What leads from there to the anchor.
    """

    seal: bytes
    certificate: bytes
    paper_certificate: bytes
    paper_chain: tuple[bytes, ...]

    def check_paper(self, at_s: int) -> None:
        """Check that the key of PDF files may sign at a time.

        Raises:
            RefusedError: ``no-paper-key``, ``outside-certificate`` or ``no-issuer``.
        """
        if not self.paper_certificate:
            raise RefusedError(
                "this seal has no key for PDF files; ask for OFD", code="no-paper-key"
            )
        signer = x509.load_der_x509_certificate(self.paper_certificate)
        at = datetime.fromtimestamp(at_s, UTC)
        if not signer.not_valid_before_utc <= at <= signer.not_valid_after_utc:
            raise RefusedError(
                "the certificate for PDF files is out of its term", code="outside-certificate"
            )
        for der in self.paper_chain:
            issuer = x509.load_der_x509_certificate(der)
            try:
                signer.verify_directly_issued_by(issuer)
            except (ValueError, TypeError, InvalidSignature) as error:
                raise RefusedError(
                    "the chain of the certificate for PDF files does not hold", code="no-issuer"
                ) from error
            signer = issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A paper that was sealed, or begun to be, and whose use is not known to be recorded.

    Args:
        body: Of the act ``seal.use``; its document is the draft's digest until the file is made.
    """

    subject: str
    officer: str
    body: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """How often a seal's key has signed, and what of that is still to be recorded."""

    signatures: int = 0
    pending: Pending | None = None


class SealKey:
    """A seal's key for one paper; implements ``seals.sm2.SigningKey``."""

    def __init__(self, key: SigningKey, digest: bytes) -> None:
        self._key: SigningKey | None = key
        self._digest = digest
        self.public = key.public
        self.signed = 0

    def sign(self, message: bytes, *, user_id: bytes) -> bytes:
        """Return the one signature.

        Raises:
            RefusedError: ``seal-key-bound``: another digest than the one announced;
                ``seal-key-spent``: it has signed, or its time is over.
        """
        key = self._key
        if key is None:
            raise RefusedError("this key has signed its one paper", code="seal-key-spent")
        if self._digest not in message:
            raise RefusedError("this key signs another document", code="seal-key-bound")
        self._key = None
        self.signed += 1
        return key.sign(message, user_id=user_id)

    def end(self) -> None:
        """Sign nothing from now on."""
        self._key = None


class PaperKey:
    """A PDF key for one paper; implements ``seals.pdf.PaperKey``."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey | None, certificate: bytes, chain: tuple[bytes, ...]
    ) -> None:
        self._key = key
        self.certificate = certificate
        self.chain = chain
        self.signed = 0

    def sign(self, data: bytes) -> bytes:
        """Return the one signature.

        Raises:
            RefusedError: ``seal-key-spent``: it has signed, or its time is over.
        """
        key, self._key = self._key, None
        if key is None:
            raise RefusedError("this key has signed its one paper", code="seal-key-spent")
        self.signed += 1
        return key.sign(data, ec.ECDSA(hashes.SHA256()))

    def end(self) -> None:
        """Sign nothing from now on."""
        self._key = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Whom to believe about a seal that a licensed maker made: all DER.

    Args:
        anchors: The roots of its maker and signer.
        others: What leads from them to those roots.
        lists: Revocation lists.
        paper_chain: Certificates over the one for PDF files, nearest first.
    """

    anchors: tuple[bytes, ...]
    others: tuple[bytes, ...]
    lists: tuple[bytes, ...]
    paper_chain: tuple[bytes, ...] = ()

    def trust(self) -> Trust:
        """Return it as what a verification asks for.

        Raises:
            MalformedError: One of them is no certificate or list.
        """
        return Trust.of(anchors=self.anchors, others=self.others, lists=self.lists)
