"""Signed notes: a text, and lines that say who signed it (C2SP signed-note).

Decoding says that the bytes are a note, and nothing of its signatures: ``check_signed`` does. Lines
by keys that we do not know are kept and never trusted. What the text means is the callers' concern.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

from ledger.checkpoint import TIME_S_MAX, Checkpoint, cosignature_message, subtree_message
from ledger.errors import MalformedError, UnverifiedError
from ledger.keys import (
    POST_QUANTUM_PUBLIC_BYTES,
    PUBLIC_BYTES,
    SigningKey,
    verify_line,
    verify_post_quantum,
)

NOTE_BYTES_MAX: Final = 1 << 20
SIGNATURES_MAX: Final = 100
KEY_ID_BYTES: Final = 4
TIME_BYTES: Final = 8
NAME_BYTES_MAX: Final = 255

# Type bytes of signed-note's register.
ED25519: Final = 0x01
ED25519_COSIGNATURE: Final = 0x04
POST_QUANTUM_COSIGNATURE: Final = 0x06

_PUBLIC_BYTES_OF: Final = {
    ED25519: PUBLIC_BYTES,
    ED25519_COSIGNATURE: PUBLIC_BYTES,
    POST_QUANTUM_COSIGNATURE: POST_QUANTUM_PUBLIC_BYTES,
}

# Em dash (U+2014) and a space.
_LINE_HEAD: Final = "\u2014 ".encode()

CACHED_MAX: Final = 4_096
"""Of keys' names and ids, and of signature lines: the same few come again and again."""
NOTES_CACHED_MAX: Final = 256
LINE_CACHED_BYTES_MAX: Final = 1 << 12
NOTE_CACHED_BYTES_MAX: Final = 1 << 14
"""What is longer is read anew each time, so that nobody can fill memory."""

_CONTROLS: Final = bytes(octet for octet in range(0x20) if octet != 0x0A)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name and id, and the bytes that its type asks for.

    ``blob`` is a signature (0x01), or a time and a signature (0x04, 0x06). Which it is stands
    nowhere in the line: only who knows the key knows.
    """

    name: str
    key_id: bytes
    blob: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.key_id) != KEY_ID_BYTES:
            raise MalformedError(f"a key id is 4 bytes, not {len(self.key_id)}")
        if not self.blob:
            raise MalformedError("a signature line holds no signature")

    def encode(self) -> bytes:
        """Return the line, with its line feed."""
        if len(self.blob) > LINE_CACHED_BYTES_MAX:
            return _spell_line(self.name, self.key_id, self.blob)
        return _spelled_line(self.name, self.key_id, self.blob)

    @classmethod
    def decode(cls, line: bytes) -> "Signature":
        """Read one line, which ends in a line feed.

        Raises:
            MalformedError: It is no signature line, or is one in another spelling.
        """
        return _known_line(line) if len(line) <= LINE_CACHED_BYTES_MAX else _read_line(line)


def _spell_line(name: str, key_id: bytes, blob: bytes) -> bytes:
    return b"%b%b %b\n" % (_LINE_HEAD, name.encode(), base64.b64encode(key_id + blob))


# A note is spelled anew with each line that comes to it.
_spelled_line = lru_cache(maxsize=CACHED_MAX)(_spell_line)


def _read_line(line: bytes) -> Signature:
    if not line.startswith(_LINE_HEAD):
        raise MalformedError("a signature line starts with an em dash and a space")
    name, _, encoded = line[len(_LINE_HEAD) : -1].partition(b" ")
    try:
        blob = base64.b64decode(encoded)
        signature = Signature(name.decode(), blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])
    except (ValueError, binascii.Error) as error:
        raise MalformedError("a signature line is not text and base64") from error
    # b64decode() skips strange characters and ignores stray bits; spelling again does not.
    if base64.b64encode(blob) != encoded or not line.endswith(b"\n"):
        raise MalformedError("a signature line is not in its one canonical form")
    return signature


_known_line = lru_cache(maxsize=CACHED_MAX)(_read_line)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signature lines, in the order in which they stand.

    The text is kept as bytes, since bytes are what keys sign; it is UTF-8, ends in a line feed, and
    holds no other control character.
    """

    text: bytes
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith(b"\n"):
            raise MalformedError("the text of a note ends in a line feed")
        if self.text.translate(None, _CONTROLS) != self.text:
            raise MalformedError("the text of a note holds a control character")
        try:
            self.text.decode()
        except UnicodeDecodeError as error:
            raise MalformedError("the text of a note is not UTF-8") from error
        if not 1 <= len(self.signatures) <= SIGNATURES_MAX:
            raise MalformedError(f"a note has 1..100 signature lines, not {len(self.signatures)}")

    def encode(self) -> bytes:
        """Return the whole note: text, blank line, signature lines."""
        lines = b"".join(signature.encode() for signature in self.signatures)
        return b"%b\n%b" % (self.text, lines)

    @classmethod
    def decode(cls, data: bytes) -> "Note":
        """Read a note. Its signatures are not checked.

        Raises:
            MalformedError: The bytes are no note; ``too-large`` beyond 1 MiB.
        """
        return _known_note(data) if len(data) <= NOTE_CACHED_BYTES_MAX else _read_note(data)

    def with_signatures(self, *signatures: Signature) -> Self:
        """Return the note with more lines at its end."""
        return type(self)(self.text, (*self.signatures, *signatures))


def _read_note(data: bytes) -> Note:
    if len(data) > NOTE_BYTES_MAX:
        raise MalformedError(f"a note has at most 1 MiB, not {len(data)}", code="too-large")
    # The text may hold blank lines, signature lines may not: so it is the last one that counts.
    split = data.rfind(b"\n\n")
    if split < 0:
        raise MalformedError("a note has a blank line before its signatures")
    lines = data[split + 2 :].splitlines(keepends=True)
    # Counted before they are read, so that a note of short lines costs little.
    if len(lines) > SIGNATURES_MAX:
        raise MalformedError(f"a note has at most 100 signature lines, not {len(lines)}")
    # splitlines() also ends a line at a carriage return, where a signature line does not: so
    # each line must spell itself, and with them the note does.
    return Note(data[: split + 1], tuple(Signature.decode(line) for line in lines))


_known_note = lru_cache(maxsize=NOTES_CACHED_MAX)(_read_note)


def checkpoint_of(note: bytes) -> Checkpoint:
    """Return what a signed note says; whether its signatures hold, nobody has looked.

    Raises:
        MalformedError: It is no note, or its text is no checkpoint.
    """
    return Checkpoint.decode(Note.decode(note).text)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name, for one of the three types of signature that we check.

    Args:
        name: Of the log (then it is the origin) or of the cosigner.
        kind: ``ED25519``, ``ED25519_COSIGNATURE`` or ``POST_QUANTUM_COSIGNATURE``.
        public: 32 bytes, or 1,312 for ML-DSA-44.
    """

    name: str
    kind: int
    public: bytes
    key_id: bytes = field(init=False, repr=False, compare=False)
    """The four bytes that signature lines call this key by; kept, since every check asks for it."""

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.public) != _PUBLIC_BYTES_OF.get(self.kind):
            raise MalformedError(
                f"no type of key that we know, or not its length: {self.kind}, {len(self.public)}",
                code="bad-key",
            )
        object.__setattr__(self, "key_id", key_id(self.name, self.kind, self.public))

    def encode(self) -> str:
        """Return the vkey: name, id in hexadecimal, type and key in base64."""
        material = base64.b64encode(bytes((self.kind,)) + self.public).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @classmethod
    def decode(cls, vkey: str) -> Self:
        """Read a vkey.

        Raises:
            MalformedError: ``bad-key`` for a key of another type or length, else ``malformed``;
                also when the id is not the one that name and key give.
        """
        name, _, rest = vkey.partition("+")
        _, _, encoded = rest.partition("+")
        try:
            material = base64.b64decode(encoded)
        except (ValueError, binascii.Error) as error:
            raise MalformedError("a vkey is name, id and base64") from error
        if not material:
            raise MalformedError("a vkey holds no key")
        key = cls(name, material[0], material[1:])
        if key.encode() != vkey:
            raise MalformedError("a vkey is not in its one canonical form, or has another id")
        return key

    def check(self, text: bytes, blob: bytes) -> int | None:
        """Check this key's signature on a note's text.

        Args:
            text: The signed text; for ML-DSA-44 it must be a checkpoint.
            blob: What the signature line holds after the key id.

        Returns:
            The time that was signed too, in seconds, or ``None`` for the type that has none. An
            ML-DSA-44 time may be 0, which does not say that the tree was the largest seen.

        Raises:
            UnverifiedError: ``bad-signature``.
            MalformedError: ML-DSA-44 signs checkpoints only, and this text is none.
        """
        if self.kind == ED25519:
            verify_line(self.public, text, blob)
            return None
        time_s, signature = int.from_bytes(blob[:TIME_BYTES]), blob[TIME_BYTES:]
        if time_s > TIME_S_MAX:
            raise UnverifiedError("a cosignature is dated before 2^63", code="bad-signature")
        if self.kind == ED25519_COSIGNATURE:
            verify_line(self.public, cosignature_message(time_s, text), signature)
            return time_s
        head = Checkpoint.decode(text)
        message = subtree_message(
            self.name, time_s, head.origin, start=0, end=head.size, root=head.root
        )
        verify_post_quantum(self.public, message, signature)
        return time_s


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature line that holds for the note it came from.

    ``time_s`` is the signed time, or ``None`` for a plain Ed25519 signature, which has none.
    """

    key: VerifierKey
    signature: Signature
    time_s: int | None


@lru_cache(maxsize=CACHED_MAX)
def check_key_name(name: str) -> None:
    """Check that ``name`` may stand in a signature line or a vkey.

    Raises:
        MalformedError: It is empty, too long, or holds a space, a plus sign or a control
            character.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise MalformedError("a key name is not Unicode text") from error
    if not 1 <= len(encoded) <= NAME_BYTES_MAX:
        raise MalformedError(f"a key name must have 1..255 bytes, not {len(encoded)}")
    if "+" in name or min(encoded) < 0x20 or any(map(str.isspace, name)):
        raise MalformedError("a key name holds a space, a plus sign or a control character")


@lru_cache(maxsize=CACHED_MAX)
def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the four bytes that name a key in signature lines.

    Source: C2SP signed-note, "Verifier keys".
    """
    return hashlib.sha256(b"%b\n%c%b" % (name.encode(), kind, public)).digest()[:KEY_ID_BYTES]


def sign_ed25519(name: str, key: SigningKey, text: bytes) -> Signature:
    """Sign the text of a note with a plain Ed25519 key (0x01)."""
    return Signature(name, key_id(name, ED25519, key.public), key.sign(text))


def check_signed(note: Note, keys: Iterable[VerifierKey]) -> tuple[VerifiedSignature, ...]:
    """Check a note against the keys that we know, and return the lines that hold, in their order.

    1. Lines by other keys are passed over.
    2. A known key signs once; a second line of it makes the note malformed.
    3. Each line by a known key must hold, or the whole note is refused.
    4. At least one must be there.

    Raises:
        MalformedError: (2), or ``bad-key`` for two of ``keys`` that lines cannot tell apart.
        UnverifiedError: ``bad-signature`` (3), ``unknown-key`` (4).

    Source: C2SP signed-note, "Signatures".
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise MalformedError(f"two keys are called {key.name} alike", code="bad-key")
    verified: dict[VerifierKey, VerifiedSignature] = {}
    for signature in note.signatures:
        found = known.get((signature.name, signature.key_id))
        if found is None:  # (1)
            continue
        if found in verified:  # (2)
            raise MalformedError(f"two lines by one key, {found.name}")
        time_s = found.check(note.text, signature.blob)  # (3)
        verified[found] = VerifiedSignature(found, signature, time_s)
    if not verified:  # (4)
        raise UnverifiedError("no line by a key that we know", code="unknown-key")
    return tuple(verified.values())
