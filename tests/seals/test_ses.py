"""Seals and signatures: what is written comes back, and all else is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, RefusedError
from seals import der
from seals.ses import (
    EXTENSIONS_MAX,
    SEAL_BYTES_MAX,
    Extension,
    ListKind,
    Picture,
    Version,
    decode_seal,
    decode_signature,
    is_signature,
)
from seals.signing import make_seal, make_signature
from seals.sm2 import OID_SIGN, USER_ID, sm3
from tests.seals.office import (
    DAY_S,
    DIGEST,
    NOW_S,
    OFFICE,
    PLACE,
    SEAL,
    SIGNED,
    SM2,
    STAMPED,
    YEAR_S,
    key,
)
from tests.strategies import flip


def children(data: bytes) -> list[bytes]:
    at = der.Reader(data).inside(der.ANY)
    found = []
    while at.more():
        found.append(at.raw())
    return found


def rebuilt(data: bytes, path: tuple[int, ...], new: list[bytes]) -> bytes:
    """Return DER with the element at ``path`` replaced by others, all lengths made to fit."""
    if not path:
        raise AssertionError
    parts = children(data)
    at = path[0]
    if len(path) == 1:
        parts[at : at + 1] = new
    else:
        parts[at] = rebuilt(parts[at], path[1:], new)
    return der.element(data[0], *parts)


def seal_code(data: bytes) -> str:
    with pytest.raises(MalformedError) as caught:
        decode_seal(data)
    return caught.value.code


def signature_code(data: bytes) -> str:
    with pytest.raises(MalformedError) as caught:
        decode_signature(data)
    return caught.value.code


def test_a_seal_comes_back_as_it_was_made() -> None:
    seal = decode_seal(SEAL)
    assert seal.raw == SEAL
    assert seal.version is Version.V4
    assert (seal.vendor, seal.seal_id, seal.name, seal.kind) == (
        "shouxin",
        "51010000000001",
        "成都市政务服务中心",
        1,
    )
    assert seal.certificates == (OFFICE.signer,)
    assert (seal.made_s, seal.from_s, seal.until_s) == (
        NOW_S - DAY_S,
        NOW_S - DAY_S,
        NOW_S + YEAR_S,
    )
    assert seal.picture == Picture("PNG", b"\x89PNG" + bytes(1000), 42, 42)
    assert seal.certificate == OFFICE.maker
    assert seal.algorithm == OID_SIGN
    assert seal.signed in SEAL
    SM2.check(key("maker").public, seal.signed, seal.signature, user_id=USER_ID)


def test_a_signature_comes_back_as_it_was_made() -> None:
    signed = decode_signature(SIGNED)
    assert signed.version is Version.V4
    assert signed.seal.raw in SIGNED
    assert (signed.time_s, signed.digest, signed.property_info) == (NOW_S, DIGEST, PLACE)
    assert signed.certificate == OFFICE.signer
    assert signed.timestamp is None
    SM2.check(key("signer").public, signed.signed, signed.signature, user_id=USER_ID)
    assert decode_signature(STAMPED).timestamp is not None


def test_a_list_of_digests_comes_back() -> None:
    seal = decode_seal(OFFICE.but(list_kind=ListKind.DIGESTS).seal())
    assert seal.certificates == ()
    assert seal.digests == (("1.2.156.10197.1.401", sm3(OFFICE.signer)),)


def test_extensions_come_back_tagged_or_not() -> None:
    extensions = (Extension("1.2.3", False, b"a"), Extension("1.2.4", True, b""))
    seal = make_seal(
        seal_id="1",
        name="n",
        vendor="v",
        kind=1,
        picture=Picture("PNG", b"", 1, 1),
        certificates=[],
        made_s=0,
        from_s=0,
        until_s=0,
        maker_certificate=OFFICE.maker,
        maker_key=key("maker"),
        extensions=extensions,
    )
    assert decode_seal(seal).extensions == extensions
    bare = children(children(seal)[0])[4]
    tagged = rebuilt(seal, (0, 4), [der.element(der.context(0), bare)])
    assert decode_seal(tagged).extensions == extensions
    explicit = der.sequence(der.oid("1.2.3"), der.boolean(False), der.octets(b"a"))
    written_out = rebuilt(seal, (0, 4, 0), [explicit])
    assert decode_seal(written_out).extensions == extensions
    assert explicit in decode_seal(written_out).signed


def test_a_seal_has_few_extensions() -> None:
    one = der.sequence(der.oid("1.2.3"), der.octets(b""))
    info = children(SEAL)[0]
    for count, code in ((EXTENSIONS_MAX, ""), (EXTENSIONS_MAX + 1, "seal-extensions")):
        grown = der.sequence(*children(info), der.sequence(*[one] * count))
        data = der.sequence(grown, *children(SEAL)[1:])
        if code:
            assert seal_code(data) == code
        else:
            assert len(decode_seal(data).extensions) == count


def v1_seal() -> bytes:
    """A seal as GM/T 0031-2014 lays it out, from the same parts."""
    info, certificate, algorithm, _ = children(SEAL)
    listed = children(children(info)[2])
    times = [der.certificate_time(NOW_S)] * 3
    old = rebuilt(info, (2,), [der.sequence(listed[0], listed[1], listed[3], *times)])
    old = rebuilt(old, (0, 1), [der.integer(1)])
    signature = key("maker").sign(der.sequence(old, certificate, algorithm), user_id=USER_ID)
    return der.sequence(old, der.sequence(certificate, algorithm, der.bits(signature)))


def v1_signature(time: bytes) -> bytes:
    signed = der.sequence(
        der.integer(1),
        v1_seal(),
        der.bits(time),
        der.bits(DIGEST),
        der.ascii_string(PLACE),
        der.octets(OFFICE.signer),
        der.oid(OID_SIGN),
    )
    return der.sequence(signed, der.bits(key("signer").sign(signed, user_id=USER_ID)))


def test_a_seal_of_2014_is_read_and_its_signature_covers_three_parts() -> None:
    seal = decode_seal(v1_seal())
    assert seal.version is Version.V1
    assert seal.certificates == (OFFICE.signer,)
    assert seal.from_s == NOW_S
    SM2.check(key("maker").public, seal.signed, seal.signature, user_id=USER_ID)


@pytest.mark.parametrize(
    ("time", "seen"),
    [
        (der.generalized_time(NOW_S), NOW_S),
        (der.certificate_time(NOW_S), NOW_S),
        (der.generalized_time(NOW_S)[2:], NOW_S),
        (b"some token", None),
        (b"", None),
    ],
)
def test_a_signature_of_2014_is_read_whatever_its_time_looks_like(
    time: bytes, seen: int | None
) -> None:
    signed = decode_signature(v1_signature(time))
    assert signed.version is Version.V1
    assert signed.time_s == seen
    assert signed.certificate == OFFICE.signer
    SM2.check(key("signer").public, signed.signed, signed.signature, user_id=USER_ID)


def test_a_seal_of_2025_is_read_with_its_time_stamp() -> None:
    five = rebuilt(SEAL, (0, 0, 1), [der.integer(5)])
    assert decode_seal(five).version is Version.V5
    token = der.element(der.context(0), der.bits(b"token"))
    stamped = der.sequence(*children(five), token)
    assert decode_seal(stamped).timestamp == b"token"
    assert seal_code(der.sequence(*children(SEAL), token)) == "seal-version"


@pytest.mark.parametrize("number", [0, 6, 100, -1])
def test_a_version_that_nobody_has_published_has_its_own_code(number: int) -> None:
    assert seal_code(rebuilt(SEAL, (0, 0, 1), [der.integer(number)])) == "seal-version"
    assert signature_code(rebuilt(SIGNED, (0, 0), [der.integer(number)])) == "signature-version"


def test_layout_and_version_must_agree() -> None:
    assert seal_code(rebuilt(SEAL, (0, 0, 1), [der.integer(1)])) == "seal-version"
    assert seal_code(rebuilt(v1_seal(), (0, 0, 1), [der.integer(4)])) == "seal-version"
    assert signature_code(rebuilt(SIGNED, (0, 0), [der.integer(5)])) == "signature-version"


@pytest.mark.parametrize(
    ("path", "new", "code"),
    [
        ((0, 0, 0), [der.ascii_string("XX")], "seal-header"),
        ((0, 2, 2), [der.integer(3)], "seal-list"),
        ((0, 2, 2), [der.integer(2)], "der-tag"),
        ((0, 2, 4), [der.certificate_time(NOW_S)], "der-tag"),
        ((0, 2, 1), [der.element(der.UTF8_STRING, b"\xff")], "der-value"),
        ((0, 1), [der.element(der.IA5_STRING, b"\xff")], "der-value"),
        ((0, 3), [], "der-truncated"),
        ((0, 3), [der.NULL.to_bytes(1, "big") + b"\x00"], "der-tag"),
        ((3,), [der.element(der.BIT_STRING, b"\x01\x00")], "der-value"),
        ((3,), [], "der-truncated"),
        ((1,), [der.ascii_string("x")], "der-tag"),
        ((0, 2, 3), [der.sequence(*[der.octets(b"")] * 257)], "seal-list"),
    ],
)
def test_every_field_of_a_seal_that_is_not_its_own_is_refused(
    path: tuple[int, ...], new: list[bytes], code: str
) -> None:
    assert seal_code(rebuilt(SEAL, path, new)) == code


@pytest.mark.parametrize(
    ("path", "new", "code"),
    [
        ((0, 1), [der.sequence()], "der-truncated"),
        ((0, 2), [der.certificate_time(NOW_S)], "der-tag"),
        ((0, 3), [der.bits(b"")], "signature-digest"),
        ((0, 3), [der.bits(bytes(65))], "signature-digest"),
        ((0, 4), [der.utf8(PLACE)], "der-tag"),
        ((0, 4), [der.ascii_string(PLACE), der.integer(1)], "der-tag"),
        ((1,), [], "der-tag"),
        ((3,), [der.bits(b""), der.bits(b"")], "der-tag"),
    ],
)
def test_every_field_of_a_signature_that_is_not_its_own_is_refused(
    path: tuple[int, ...], new: list[bytes], code: str
) -> None:
    assert signature_code(rebuilt(SIGNED, path, new)) == code


def test_trailing_and_missing_bytes_are_refused() -> None:
    assert seal_code(SEAL + b"\x00") == "der-trailing"
    assert signature_code(SIGNED + b"\x00") == "der-trailing"
    assert seal_code(SEAL[:-1]) == "der-truncated"
    assert seal_code(b"") == "der-truncated"


def test_what_is_too_large_is_not_read() -> None:
    assert seal_code(bytes(SEAL_BYTES_MAX + 1)) == "seal-too-large"
    assert signature_code(bytes(2 * SEAL_BYTES_MAX + 1)) == "signature-too-large"


@given(st.binary(max_size=300))
def test_any_bytes_are_no_seal_and_no_signature(data: bytes) -> None:
    seal_code(data)
    signature_code(data)


@given(st.integers(0, 8 * 1200), st.integers(0, 255))
def test_a_changed_byte_gives_an_error_or_other_values_never_an_exception(
    at: int, value: int
) -> None:
    for whole, decode in ((SEAL, decode_seal), (STAMPED, decode_signature), (V1, decode_signature)):
        for damaged in (
            flip(whole, at % (8 * len(whole))),
            whole[: at % len(whole)],
            whole[: at % len(whole)] + bytes((value,)) + whole[at % len(whole) :],
        ):
            try:
                assert decode(damaged).raw == damaged
            except MalformedError:
                continue


def test_seals_and_signatures_are_told_apart() -> None:
    assert is_signature(SIGNED)
    assert is_signature(V1)
    assert not is_signature(SEAL)
    assert not is_signature(v1_seal())
    with pytest.raises(MalformedError):
        is_signature(b"rubbish")


@pytest.mark.parametrize(
    ("office", "code"),
    [
        (OFFICE.but(seal_until_s=NOW_S - 1), "seal-out-of-period"),
        (OFFICE.but(seal_from_s=NOW_S + 1), "seal-out-of-period"),
        (OFFICE.but(signer_until_s=NOW_S - 1), "certificate-out-of-period"),
        (OFFICE.but(signer_from_s=NOW_S + 1), "certificate-out-of-period"),
    ],
)
def test_what_would_not_verify_is_not_signed(office: object, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        office.sign()
    assert caught.value.code == code


@pytest.mark.parametrize("kind", list(ListKind))
def test_a_certificate_that_the_seal_does_not_name_does_not_sign(kind: ListKind) -> None:
    office = OFFICE.but(list_kind=kind)
    assert office.sign()
    with pytest.raises(RefusedError) as caught:
        office.sign(seal=office.seal(certificates=[OFFICE.maker]))
    assert caught.value.code == "not-in-list"


def test_a_key_that_is_not_the_certificates_does_not_sign() -> None:
    with pytest.raises(RefusedError) as caught:
        make_signature(
            seal=SEAL,
            digest=DIGEST,
            property_info=PLACE,
            time_s=NOW_S,
            certificate=OFFICE.signer,
            key=key("thief"),
        )
    assert caught.value.code == "key-differs"


def test_old_seals_are_not_signed_with() -> None:
    with pytest.raises(RefusedError) as caught:
        OFFICE.sign(seal=v1_seal())
    assert caught.value.code == "seal-version"


V1 = v1_signature(der.generalized_time(NOW_S))
