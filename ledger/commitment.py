"""Salted commitments: what stands in the ledger for a paper, or a number, that must not.

A commitment binds its maker to a content without showing it. The salt is as long as the digest and
drawn anew for each, so that nobody finds a content out by trying, however few there are of it.
Whoever is shown content and salt checks both against the commitment; once the salt is destroyed,
the commitment says nothing any more, and stays where it stands.
"""

from hashlib import sha256
from hmac import compare_digest
from typing import Final

from ledger.errors import MalformedError, UnverifiedError

SALT_BYTES: Final = 32

_DOMAIN: Final = b"shouxin/commitment/v1\n"


def commit(salt: bytes, content: bytes) -> bytes:
    """Return the commitment to ``content`` under a salt.

    Raises:
        MalformedError: ``bad-salt``: the salt does not have 32 bytes, so the two could be shifted.
    """
    if len(salt) != SALT_BYTES:
        raise MalformedError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}", code="bad-salt")
    return sha256(_DOMAIN + salt + content).digest()


def check_opening(commitment: bytes, salt: bytes, content: bytes) -> None:
    """Check that a commitment was made to ``content`` under ``salt``.

    Raises:
        UnverifiedError: ``wrong-opening``: it was made to something else, or under another salt.
        MalformedError: ``bad-salt``.
    """
    if not compare_digest(commitment, commit(salt, content)):
        raise UnverifiedError("content and salt do not open the commitment", code="wrong-opening")
