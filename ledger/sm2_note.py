"""The SM2 line of a checkpoint: a signature line of a type that signed-note leaves to others.

Standard readers pass it over, as they do with every key that they do not know. It stands in a note
of its own (``/log/checkpoint.sm2``), and nothing of ours rests on it: quorums count Ed25519 lines.

Source: C2SP signed-note, "Signature types": 0xff, then a long identifier of one's own.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Final

from ledger.errors import MalformedError, UnverifiedError
from ledger.note import KEY_ID_BYTES, Note, Signature, check_key_name
from ledger.statement import StatementKey
from ledger.suites import CheckSM2, check_point

IDENTIFIER: Final = b"\xffshouxin/note/sm2-sm3/v1\n"
"""The type byte, and which of the unassigned types this is."""


@dataclass(frozen=True, slots=True)
class SM2NoteKey:
    """A log's SM2 key under the log's name.

    Args:
        name: The origin.
        public: 65 bytes: 04, x, y.
    """

    name: str
    public: bytes
    key_id: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        try:
            check_point(self.public)
        except UnverifiedError as error:
            raise MalformedError(str(error), code="bad-key") from error
        object.__setattr__(self, "key_id", _key_id(self.name, self.public))

    def encode(self) -> str:
        """Return the vkey: name, id in hexadecimal, identifier and key in base64."""
        material = base64.b64encode(IDENTIFIER + self.public).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{material}"

    def check(self, note: Note, sm2: CheckSM2) -> None:
        """Check that the note holds exactly one line by this key, and that it is good.

        Raises:
            UnverifiedError: ``unknown-key``: no line; ``bad-signature``: it does not hold.
            MalformedError: Two lines.
        """
        blobs = [
            it.blob for it in note.signatures if (it.name, it.key_id) == (self.name, self.key_id)
        ]
        if not blobs:
            raise UnverifiedError(f"no SM2 line of {self.name}", code="unknown-key")
        if len(blobs) > 1:
            raise MalformedError(f"two lines by one key, {self.name}")
        try:
            sm2(self.public, note.text, blobs[0])
        except UnverifiedError as error:
            raise UnverifiedError(str(error), code="bad-signature") from error


def sign_sm2(name: str, key: StatementKey, text: bytes) -> Signature:
    """Sign the text of a note with the log's SM2 key."""
    return Signature(name, _key_id(name, key.public), key.sign(text))


def _key_id(name: str, public: bytes) -> bytes:
    named = b"%b\n%b%b" % (name.encode(), IDENTIFIER, public)
    return hashlib.sha256(named).digest()[:KEY_ID_BYTES]
