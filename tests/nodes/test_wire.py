"""The bodies between nodes: round trips, other spellings, any bytes, and compression."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.note import Signature
from nodes.wire import (
    MirrorInfo,
    Package,
    Upload,
    compress,
    decode_lines,
    decode_old,
    decode_size,
    decompress,
    encode_add_checkpoint,
    encode_lines,
    encode_size,
    split_add_checkpoint,
)
from tests.strategies import flip, hashes

sizes = st.one_of(st.integers(0, 1_000), st.integers(0, 2**63 - 1))


@given(size=sizes)
def test_a_size_is_read_back(size: int) -> None:
    assert decode_size(encode_size(size)) == size


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"5",
        b"05\n",
        b"+5\n",
        b"-5\n",
        b" 5\n",
        b"5 \n",
        b"5\n\n",
        b"5\r\n",
        b"1_0\n",
        b"9223372036854775808\n",
        b"9" * 5_000 + b"\n",
        "٥\n".encode(),
    ],
)
def test_another_spelling_of_a_size_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_size(body)


@given(old=sizes, proof=st.lists(hashes, max_size=63), note=st.binary(max_size=200))
def test_an_add_checkpoint_is_read_back(old: int, proof: list[bytes], note: bytes) -> None:
    header, rest = split_add_checkpoint(encode_add_checkpoint(old, proof, note))
    assert (decode_old(header), rest) == ((old, tuple(proof)), note)


@given(body=st.binary(max_size=300))
def test_any_bytes_are_an_add_checkpoint_or_refused(body: bytes) -> None:
    try:
        header, note = split_add_checkpoint(body)
        old, proof = decode_old(header)
    except MalformedError:
        return
    assert encode_add_checkpoint(old, proof, note) == body


@given(old=st.integers(0, 99), proof=st.lists(hashes, max_size=3), data=st.data())
def test_one_flipped_bit_of_a_header_reads_as_something_else_or_not_at_all(
    old: int, proof: list[bytes], data: st.DataObject
) -> None:
    body = encode_add_checkpoint(old, proof, b"")
    changed = flip(body, data.draw(st.integers(0, 8 * (len(body) - 1) - 1)))
    try:
        header, note = split_add_checkpoint(changed)
        found = decode_old(header)
    except MalformedError:
        return
    assert (found, note) != ((old, tuple(proof)), b"")


infos = st.builds(MirrorInfo, pending_size=sizes, next_entry=sizes, ticket=st.binary(max_size=50))


@given(info=infos)
def test_a_mirrors_information_is_read_back(info: MirrorInfo) -> None:
    assert MirrorInfo.decode(info.encode()) == info


@given(
    body=st.one_of(st.binary(max_size=60), st.text("0123456789\n=AQ", max_size=20).map(str.encode))
)
def test_any_bytes_are_a_mirrors_information_or_refused(body: bytes) -> None:
    try:
        info = MirrorInfo.decode(body)
    except MalformedError:
        return
    assert info.encode() == body


@pytest.mark.parametrize(
    "body",
    [
        b"1\n2\n",
        b"1\n2\n\n\n",
        b"01\n2\n\n",
        b"1\n2\nQQ\n",
        b"1\n2\nQQ==",
        b"1\n2\nQR==\n",
        b"1\n2\nQ-==\n",
    ],
)
def test_another_spelling_of_a_mirrors_information_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        MirrorInfo.decode(body)


@st.composite
def uploads(draw: st.DrawFn) -> Upload:
    start = draw(st.integers(0, 600))
    end = start + draw(st.integers(0, 600))
    packages, low = [], start
    wanted = draw(st.integers(0, 4))
    while low < end and len(packages) < wanted:
        high = min(low - low % 256 + 256, end)
        word = draw(st.binary(max_size=3))
        entries = tuple(word + b"%d" % at for at in range(low, high))
        packages.append(Package(low, entries, tuple(draw(st.lists(hashes, max_size=3)))))
        low = high
    return Upload(
        origin=draw(st.sampled_from(["a.example/510000", "日志.example"])),
        start=start,
        end=end,
        ticket=draw(st.binary(max_size=20)),
        packages=tuple(packages),
    )


@given(made=uploads())
def test_an_upload_is_read_back(made: Upload) -> None:
    assert Upload.decode(made.encode()) == made


@given(made=uploads(), data=st.data())
def test_an_upload_that_is_cut_holds_its_whole_packages_or_is_refused(
    made: Upload, data: st.DataObject
) -> None:
    whole = made.encode()
    body = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        found = Upload.decode(body)
    except MalformedError:
        return
    assert found.packages == made.packages[: len(found.packages)]
    assert (found.origin, found.start, found.end) == (made.origin, made.start, made.end)


@given(body=st.binary(max_size=400))
def test_any_bytes_are_an_upload_or_refused(body: bytes) -> None:
    try:
        found = Upload.decode(body)
    except MalformedError:
        return
    assert body.startswith(found.encode())


@given(made=uploads(), data=st.data())
def test_one_flipped_bit_makes_another_upload_or_none(made: Upload, data: st.DataObject) -> None:
    body = made.encode()
    try:
        found = Upload.decode(flip(body, data.draw(st.integers(0, 8 * len(body) - 1))))
    except MalformedError:
        return
    assert found != made


def test_an_upload_whose_range_is_none_or_too_large_is_refused() -> None:
    for start, end in ((5, 4), (0, 2**63), (2**64 - 1, 2**64 - 1)):
        with pytest.raises(MalformedError):
            Upload.decode(Upload(origin="a", start=start, end=end).encode())


def test_a_proof_of_more_than_63_hashes_is_no_package() -> None:
    made = Upload(origin="a", start=0, end=1, packages=(Package(0, (b"x",), (b"h" * 32,) * 64),))
    assert Upload.decode(made.encode()).packages == ()


signatures = st.builds(
    Signature,
    st.sampled_from(["a.example/witness", "b.example/mirror"]),
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=1, max_size=80),
)


@given(given_=st.lists(signatures, max_size=4))
def test_signature_lines_are_read_back(given_: list[Signature]) -> None:
    assert decode_lines(encode_lines(given_)) == tuple(given_)


@given(body=st.binary(max_size=100))
def test_any_bytes_are_signature_lines_or_refused(body: bytes) -> None:
    try:
        found = decode_lines(body)
    except MalformedError:
        return
    assert encode_lines(found) == body


def test_too_many_signature_lines_are_refused() -> None:
    line = Signature("a", b"idid", b"x").encode()
    with pytest.raises(MalformedError):
        decode_lines(line * 101)


@given(body=st.binary(max_size=2_000))
def test_what_is_compressed_comes_back_and_is_the_same_bytes_each_time(body: bytes) -> None:
    assert decompress(compress(body), len(body)) == body
    assert compress(body) == compress(body)


def test_a_body_that_holds_more_than_is_allowed_is_refused_before_it_is_made() -> None:
    bomb = compress(bytes(50_000_000))
    assert len(bomb) < 1_000_000
    with pytest.raises(MalformedError) as refused:
        decompress(bomb, 1_000)
    assert refused.value.code == "too-large"


@given(data=st.binary(max_size=200))
def test_any_bytes_decompress_or_are_refused(data: bytes) -> None:
    try:
        decompress(data, 10_000)
    except MalformedError:
        return
    assert data[:2] == b"\x1f\x8b"


@pytest.mark.parametrize(
    "data",
    [
        compress(b"entries")[:-1],
        compress(b"entries") + b"x",
        compress(b"entries") * 2,
        zlib.compress(b"entries"),
        b"",
    ],
)
def test_a_gzip_body_is_one_whole_member(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decompress(data, 1_000)
