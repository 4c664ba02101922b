"""Whom a verifier believes: anchors, other certificates, revocation lists; and chains over them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from ledger.errors import UnverifiedError
from seals.certificate import CRL_SIGN, KEY_CERT_SIGN, Certificate, decode_certificate
from seals.revocation import RevocationList, decode_revocation_list
from seals.sm2 import OID_SIGN, SM2, USER_ID

CHAIN_MAX: Final = 8
"""Certificates in a chain, the anchor included."""

TRIED_MAX: Final = 64
"""Signatures tried for one chain, so that look-alike issuers cannot keep us busy."""

_PROVED_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier holds to be true before it starts.

    Args:
        anchors: Certificates believed without further ado.
        others: Certificates that may link a chain.
        lists: Revocation lists, each checked against its issuer's key when it is used.
    """

    anchors: tuple[Certificate, ...] = ()
    others: tuple[Certificate, ...] = ()
    lists: tuple[RevocationList, ...] = ()
    # Links already checked, (issuer's key, signed bytes, signature): the same few over and over.
    _proved: set[tuple[bytes, bytes, bytes]] = field(
        default_factory=set, init=False, repr=False, compare=False
    )

    @classmethod
    def of(
        cls,
        *,
        anchors: Iterable[bytes] = (),
        others: Iterable[bytes] = (),
        lists: Iterable[bytes] = (),
    ) -> Self:
        """Read all of it from DER.

        Raises:
            MalformedError: A part cannot be read.
        """
        return cls(
            tuple(map(decode_certificate, anchors)),
            tuple(map(decode_certificate, others)),
            tuple(map(decode_revocation_list, lists)),
        )

    def chain(self, certificate: Certificate, *, at_s: int, sm2: SM2) -> tuple[Certificate, ...]:
        """Return the certificate's issuers, the nearest first and an anchor last, all checked.

        Each had to be valid at ``at_s``, an authority, entitled to sign certificates, and not too
        high above the certificate. The certificate's own period and usage are not looked at.

        Raises:
            UnverifiedError: ``no-issuer`` where no chain reaches an anchor; else what was wrong
                with the one that came furthest: ``chain-signature``, ``chain-period``,
                ``chain-usage``, ``chain-length``.
        """
        if certificate.unknown_critical:
            raise UnverifiedError(
                f"an extension that must be understood: {certificate.unknown_critical[0]}",
                code="chain-usage",
            )
        if any(certificate.raw == anchor.raw for anchor in self.anchors):
            return ()
        search = _Search(self, at_s, sm2)
        found = search.climb(certificate, ())
        if found is None:
            raise search.failure
        return found

    def is_signed_by(
        self, issuer: Certificate, signed: bytes, signature: bytes, *, sm2: SM2
    ) -> bool:
        """Whether the issuer's key made this signature; remembered where it did."""
        if issuer.public is None:
            return False
        link = (issuer.public, signed, signature)
        if link in self._proved:
            return True
        try:
            sm2.check(issuer.public, signed, signature, user_id=USER_ID)
        except UnverifiedError:
            return False
        if len(self._proved) >= _PROVED_MAX:
            self._proved.clear()
        self._proved.add(link)
        return True

    def revoked_s(
        self, certificate: Certificate, issuer: Certificate, *, at_s: int, sm2: SM2
    ) -> int | None:
        """Return when a certificate was revoked; None where a list says that it is not.

        Of the lists that speak for ``at_s`` the newest counts. One made after the certificate ended
        says nothing by leaving it out: issuers drop what has ended.

        Raises:
            UnverifiedError: ``no-revocation-list``: none of this issuer's lists speaks for then.
        """
        speaking = sorted(
            (
                one
                for one in self.lists
                if one.issuer == certificate.issuer
                and one.algorithm == OID_SIGN
                and at_s <= one.next_s
            ),
            key=lambda one: one.this_s,
            reverse=True,
        )
        if issuer.key_usage is None or issuer.allows(CRL_SIGN):
            for one in speaking:
                if not self.is_signed_by(issuer, one.signed, one.signature, sm2=sm2):
                    continue
                revoked_s = one.revoked.get(certificate.serial)
                if revoked_s is not None or one.this_s <= certificate.until_s:
                    return revoked_s
        raise UnverifiedError("no revocation list speaks for that time", code="no-revocation-list")


class _Search:
    """One search for a chain: what it has tried, and its best failure."""

    def __init__(self, trust: Trust, at_s: int, sm2: SM2) -> None:
        self._trust = trust
        self._at_s = at_s
        self._sm2 = sm2
        self._tries_left = TRIED_MAX
        self.failure = UnverifiedError("no chain reaches a trusted root", code="no-issuer")

    def climb(
        self, certificate: Certificate, below: tuple[Certificate, ...]
    ) -> tuple[Certificate, ...] | None:
        """Return the issuers above ``certificate``; ``below`` are the authorities under it."""
        trust = self._trust
        for issuers, final in ((trust.anchors, True), (trust.others, False)):
            for issuer in issuers:
                if issuer.subject != certificate.issuer or not _keys_agree(certificate, issuer):
                    continue
                if issuer == certificate or issuer in below:  # no ring leads to an anchor
                    continue
                if self._is_fit(certificate, issuer, len(below)):
                    if final:
                        return (issuer,)
                    above = self.climb(issuer, (*below, issuer))
                    if above is not None:
                        return (issuer, *above)
        return None

    def _is_fit(self, certificate: Certificate, issuer: Certificate, below: int) -> bool:
        if (
            below + 2 > CHAIN_MAX
            or self._tries_left == 0
            or (issuer.path_max is not None and below > issuer.path_max)
        ):
            return self._fail("chain-length", f"too many authorities below {issuer.name}")
        if not issuer.authority or issuer.unknown_critical or not issuer.allows(KEY_CERT_SIGN):
            return self._fail("chain-usage", f"{issuer.name} may not sign certificates")
        if not issuer.from_s <= self._at_s <= issuer.until_s:
            return self._fail("chain-period", f"{issuer.name} was not valid then")
        self._tries_left -= 1
        if certificate.algorithm != OID_SIGN or not self._trust.is_signed_by(
            issuer, certificate.signed, certificate.signature, sm2=self._sm2
        ):
            return self._fail("chain-signature", f"{issuer.name} did not sign {certificate.name}")
        return True

    def _fail(self, code: str, message: str) -> bool:
        self.failure = UnverifiedError(message, code=code)
        return False


def _keys_agree(certificate: Certificate, issuer: Certificate) -> bool:
    return (
        certificate.authority_key is None
        or issuer.subject_key is None
        or certificate.authority_key == issuer.subject_key
    )
