"""The proof that whoever changes a governance key holds the new one.

It is no word on a version and binds no round, so it can be given beforehand, and a proposal that
has to be repeated in a later round repeats it as well. Signed by the new key, it says for which
version of which network the key is meant: it opens no other version.

Source: docs/adr/0019-a-new-governance-key-is-proven-and-the-old-one-signs.md.
"""

from typing import Final

from ledger.encoding import encode
from ledger.keys import SigningKey

PROOF_PREFIX: Final = b"shouxin/roster-key/v1\n"


def prove_key(key: SigningKey, network: str, version: int, region: str) -> bytes:
    """Sign, with a new governance key, that it is the region's from a version on."""
    return key.sign(proof_message(network, version, region, key.public))


def proof_message(network: str, version: int, region: str, public: bytes) -> bytes:
    """Return what a new governance key signs of itself."""
    return PROOF_PREFIX + encode([network, version, region, public])
