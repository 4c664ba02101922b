"""One small office for the tests: an authority, a maker, a signer, a time-stamp service, a seal."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache

from nodes.adapters.sm2_libcrypto import LibcryptoKey, LibcryptoSM2
from seals.authority import Profile, issue, issue_list, issue_root
from seals.ses import ListKind, Picture
from seals.signing import make_seal, make_signature
from seals.sm2 import sm3
from seals.timestamp import answer, make_request, read_response
from seals.trust import Trust

NOW_S = 1_790_000_000
DAY_S = 86_400
YEAR_S = 365 * DAY_S
ORIGINAL = b"<Signature/>"
DIGEST = sm3(ORIGINAL)
PLACE = "/Doc_0/Signs/Sign_0/Signature.xml"
NONCE = 77

SM2 = LibcryptoSM2()


@cache
def key(name: str) -> LibcryptoKey:
    """The same key for the same name."""
    return SM2.generate(lambda size: hashlib.shake_256(name.encode()).digest(size))


# Signatures are never alike twice, so a certificate is made once and then remembered.
_root = cache(issue_root)
_issue = cache(issue)


@dataclass(frozen=True, kw_only=True)
class Office:
    """What may be set wrong, each by itself; the rest is made to fit."""

    signer_profile: Profile = Profile.SEAL
    maker_profile: Profile = Profile.SEAL
    middle_profile: Profile = Profile.AUTHORITY
    service_profile: Profile = Profile.TIMESTAMP
    middle_until_s: int = NOW_S + 8 * YEAR_S
    signer_from_s: int = NOW_S - YEAR_S
    signer_until_s: int = NOW_S + 5 * YEAR_S
    maker_until_s: int = NOW_S + 5 * YEAR_S
    seal_from_s: int = NOW_S - DAY_S
    seal_until_s: int = NOW_S + YEAR_S
    middle_path_max: int | None = 0
    list_kind: ListKind = ListKind.CERTIFICATES
    revoked: dict[int, int] = field(default_factory=dict)
    root_revoked: dict[int, int] = field(default_factory=dict)
    list_from_s: int = NOW_S
    list_until_s: int = NOW_S + YEAR_S
    list_key: str = "middle"

    MIDDLE, MAKER, SIGNER, SERVICE = 2, 3, 4, 5

    @property
    def root(self) -> bytes:
        return _root(
            "授信测试根",
            key=key("root"),
            serial=1,
            from_s=NOW_S - 5 * YEAR_S,
            until_s=NOW_S + 20 * YEAR_S,
        )

    @property
    def middle(self) -> bytes:
        return _issue(
            issuer=self.root,
            issuer_key=key("root"),
            name="授信测试中级",
            public=key("middle").public,
            serial=self.MIDDLE,
            from_s=NOW_S - 4 * YEAR_S,
            until_s=self.middle_until_s,
            profile=self.middle_profile,
            path_max=self.middle_path_max if self.middle_profile is Profile.AUTHORITY else None,
        )

    def leaf(self, name: str, serial: int, profile: Profile, from_s: int, until_s: int) -> bytes:
        return _issue(
            issuer=self.middle,
            issuer_key=key("middle"),
            name=name,
            organisation="成都市人民政府",
            public=key(name).public,
            serial=serial,
            from_s=from_s,
            until_s=until_s,
            profile=profile,
        )

    @property
    def maker(self) -> bytes:
        return self.leaf(
            "maker", self.MAKER, self.maker_profile, NOW_S - YEAR_S, self.maker_until_s
        )

    @property
    def signer(self) -> bytes:
        return self.leaf(
            "signer", self.SIGNER, self.signer_profile, self.signer_from_s, self.signer_until_s
        )

    @property
    def service(self) -> bytes:
        return self.leaf(
            "service", self.SERVICE, self.service_profile, NOW_S - YEAR_S, NOW_S + YEAR_S
        )

    @property
    def lists(self) -> list[bytes]:
        return [
            issue_list(
                issuer=self.root,
                issuer_key=key("root"),
                this_s=self.list_from_s,
                next_s=self.list_until_s,
                revoked=self.root_revoked,
            ),
            issue_list(
                issuer=self.middle,
                issuer_key=key(self.list_key),
                this_s=self.list_from_s,
                next_s=self.list_until_s,
                revoked=self.revoked,
            ),
        ]

    def seal(self, *, certificates: list[bytes] | None = None) -> bytes:
        return make_seal(
            seal_id="51010000000001",
            name="成都市政务服务中心",
            vendor="shouxin",
            kind=1,
            picture=Picture("PNG", b"\x89PNG" + bytes(1000), 42, 42),
            certificates=[self.signer] if certificates is None else certificates,
            made_s=self.seal_from_s,
            from_s=self.seal_from_s,
            until_s=self.seal_until_s,
            maker_certificate=self.maker,
            maker_key=key("maker"),
            list_kind=self.list_kind,
        )

    def stamp(self, signature: bytes, *, time_s: int = NOW_S) -> bytes:
        request = make_request(signature, nonce=NONCE)
        response = answer(
            request, certificate=self.service, key=key("service"), time_s=time_s, serial=1
        )
        return read_response(response, signature, nonce=NONCE)

    def sign(self, *, seal: bytes | None = None, stamped_s: int | None = None) -> bytes:
        return make_signature(
            seal=self.seal() if seal is None else seal,
            digest=DIGEST,
            property_info=PLACE,
            time_s=NOW_S,
            certificate=self.signer,
            key=key("signer"),
            timestamp=None
            if stamped_s is None
            else lambda signature: self.stamp(signature, time_s=stamped_s),
        )

    @property
    def trust(self) -> Trust:
        return Trust.of(anchors=[self.root], others=[self.middle], lists=self.lists)

    def but(self, **changes: object) -> "Office":
        return replace(self, **changes)


OFFICE = Office()
SEAL = OFFICE.seal()
SIGNED = OFFICE.sign()
STAMPED = OFFICE.sign(stamped_s=NOW_S + 1)
TRUST = OFFICE.trust
