"""A region as the roster names it: its log, its addresses, its public keys and its witnesses."""

from dataclasses import dataclass
from typing import Any, Final

from ledger import names
from ledger.errors import UnverifiedError
from ledger.keys import POST_QUANTUM_PUBLIC_BYTES, PUBLIC_BYTES
from ledger.roster_fields import bad_field, check_number, check_region, exact, is_bytes
from ledger.suites import SM2_PUBLIC_BYTES, check_point

TEXT_CHARS_MAX: Final = 255

_KEY_NAMES: Final = ("log", "witness", "mirror", "receipt", "issuer", "governance")
_POST_QUANTUM_NAMES: Final = ("log_pq", "witness_pq", "mirror_pq")
_OPTIONAL_NAMES: Final = (*_POST_QUANTUM_NAMES, "log_sm2")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberKeys:
    """A region's public keys, one for each purpose.

    The ML-DSA-44 keys (``…_pq``) and the SM2 key of the log are None where the region signs with
    Ed25519 alone.
    """

    log: bytes
    witness: bytes
    mirror: bytes
    receipt: bytes
    issuer: bytes
    governance: bytes
    log_pq: bytes | None = None
    witness_pq: bytes | None = None
    mirror_pq: bytes | None = None
    log_sm2: bytes | None = None

    def __post_init__(self) -> None:
        for name in _KEY_NAMES:
            if not is_bytes(getattr(self, name), PUBLIC_BYTES):
                raise bad_field(f"the {name} key has {PUBLIC_BYTES} bytes")
        for name in _POST_QUANTUM_NAMES:
            key = getattr(self, name)
            if key is not None and not is_bytes(key, POST_QUANTUM_PUBLIC_BYTES):
                raise bad_field(f"the {name} key has {POST_QUANTUM_PUBLIC_BYTES} bytes")
        if self.log_sm2 is not None:
            if not is_bytes(self.log_sm2, SM2_PUBLIC_BYTES):
                raise bad_field(f"the log_sm2 key has {SM2_PUBLIC_BYTES} bytes")
            try:
                check_point(self.log_sm2)
            except UnverifiedError as error:
                raise bad_field("the log_sm2 key is no point of its curve") from error

    def all(self) -> tuple[bytes, ...]:
        """Return every key that is there."""
        named = (getattr(self, name) for name in (*_KEY_NAMES, *_OPTIONAL_NAMES))
        return tuple(key for key in named if key is not None)

    def to_map(self) -> dict[str, bytes]:
        """Return the map that the roster holds."""
        named = ((name, getattr(self, name)) for name in (*_KEY_NAMES, *_OPTIONAL_NAMES))
        return {name: key for name, key in named if key is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A region in the network.

    Args:
        name: In Chinese.
        name_en: In English.
        origin: Of the log that it writes.
        url: Public base URL, without a slash at its end.
        peer: Base URL for other nodes, the same way.
        tls: SHA-256 of the pinned certificate's DER; None where the transport is not pinned.
        witnesses: Regions that witness and mirror its log, ascending; None for every other member.
        faulty_max: f; None for the greatest third.
    """

    name: str
    name_en: str
    origin: str
    url: str
    peer: str
    tls: bytes | None
    keys: MemberKeys
    witnesses: tuple[str, ...] | None = None
    faulty_max: int | None = None

    def __post_init__(self) -> None:
        for text in (self.name, self.name_en, self.origin, self.url, self.peer):
            if type(text) is not str or not 1 <= len(text) <= TEXT_CHARS_MAX:
                raise bad_field(f"a member's texts have 1 to {TEXT_CHARS_MAX} characters")
        names.check_origin(self.origin)
        for url in (self.url, self.peer):
            if not url.startswith(("http://", "https://")) or not _is_plain(url):
                raise bad_field(f"not a base URL: {url!r}")
        if self.tls is not None and not is_bytes(self.tls, 32):
            raise bad_field("tls is null or the SHA-256 of a certificate")
        if self.faulty_max is not None:
            check_number(self.faulty_max, "faulty_max", least=0)
        if self.witnesses is not None:
            for region in self.witnesses:
                check_region(region)
            if list(self.witnesses) != sorted(set(self.witnesses)):
                raise bad_field("witnesses are distinct and ascending")

    def to_map(self) -> dict[str, Any]:
        """Return the map that the roster holds."""
        return {
            "name": self.name,
            "name_en": self.name_en,
            "origin": self.origin,
            "url": self.url,
            "peer": self.peer,
            "tls": self.tls,
            "keys": self.keys.to_map(),
            "witnesses": None if self.witnesses is None else list(self.witnesses),
            "faulty_max": self.faulty_max,
        }


def decode_member(value: object) -> Member:
    """Read a member as the roster's map holds it.

    Raises:
        MalformedError: It is none.
    """
    fields = exact(value, "name name_en origin url peer tls keys witnesses faulty_max")
    keys = fields.pop("keys")
    if type(keys) is not dict or not (
        set(_KEY_NAMES) <= keys.keys() <= {*_KEY_NAMES, *_OPTIONAL_NAMES}
    ):
        raise bad_field("a member's keys are not those of the format")
    if None in keys.values():
        raise bad_field("a key that is not there has no field")
    witnesses = fields.pop("witnesses")
    if witnesses is not None and type(witnesses) is not list:
        raise bad_field("witnesses is null or a list of regions")
    return Member(
        **fields,
        keys=MemberKeys(**keys),
        witnesses=None if witnesses is None else tuple(witnesses),
    )


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url and not url.endswith("/")
