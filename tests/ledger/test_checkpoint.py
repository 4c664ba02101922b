import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import (
    ORIGIN_BYTES_MAX,
    SIZE_MAX,
    Checkpoint,
    cosignature_message,
    subtree_message,
)
from ledger.errors import MalformedError

VECTORS = Path(__file__).parent.parent / "vectors" / "note"
ROOT = bytes(range(32))
EMPTY = hashlib.sha256(b"").digest()

lines = st.text(
    st.characters(exclude_categories=("Cs",), min_codepoint=0x20), min_size=1, max_size=60
)
roots = st.binary(min_size=32, max_size=32)
checkpoints = st.builds(Checkpoint, lines, st.integers(1, SIZE_MAX), roots)


@given(checkpoint=checkpoints)
def test_a_checkpoint_comes_back_from_its_text(checkpoint: Checkpoint) -> None:
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint
    assert checkpoint.text() == checkpoint.encode()


def test_a_checkpoint_is_three_lines() -> None:
    text = b"log.example/a\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert Checkpoint("log.example/a", 5, ROOT).encode() == text


def test_the_empty_tree_has_its_published_root() -> None:
    text = b"log.example/a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert Checkpoint.decode(text) == Checkpoint("log.example/a", 0, EMPTY)
    with pytest.raises(MalformedError):
        Checkpoint("log.example/a", 0, ROOT)


def test_the_example_of_the_specification_is_read() -> None:
    vector = json.loads((VECTORS / "behind-the-sofa.json").read_text())
    text = vector["note"].partition("\n\n")[0] + "\n"
    checkpoint = Checkpoint.decode(text.encode())
    assert (checkpoint.origin, checkpoint.size) == (vector["origin"], vector["size"])
    assert checkpoint.encode() == text.encode()


B64 = base64.b64encode(ROOT).decode()
OTHER_SPELLINGS = {
    "leading zero": f"o\n05\n{B64}\n",
    "plus sign": f"o\n+5\n{B64}\n",
    "underscore": f"o\n1_0\n{B64}\n",
    "minus zero": f"o\n-0\n{base64.b64encode(EMPTY).decode()}\n",
    "space before the size": f"o\n 5\n{B64}\n",
    "other digits": f"o\n٥\n{B64}\n",
    "hexadecimal": f"o\n0x5\n{B64}\n",
    "no size": f"o\n\n{B64}\n",
    "size 2^63": f"o\n{2**63}\n{B64}\n",
    "negative size": f"o\n-5\n{B64}\n",
    "thousands of digits": f"o\n{'9' * 5000}\n{B64}\n",
    "stray bits in base64": f"o\n5\n{B64[:-2]}9=\n",
    "no padding": f"o\n5\n{B64[:-1]}\n",
    "url alphabet": f"o\n5\n{base64.urlsafe_b64encode(bytes([251] * 32)).decode()}\n",
    "blank in base64": f"o\n5\n{B64[:4]} {B64[4:]}\n",
    "short root": f"o\n5\n{base64.b64encode(ROOT[:31]).decode()}\n",
    "long root": f"o\n5\n{base64.b64encode(ROOT + b'x').decode()}\n",
    "carriage return": f"o\r\n5\n{B64}\n",
    "no origin": f"\n5\n{B64}\n",
    "no last line feed": f"o\n5\n{B64}",
    "two lines": "o\n5\n",
    "nothing": "",
    "tab in the origin": f"o\t\n5\n{B64}\n",
    "long origin": f"{'o' * 256}\n5\n{B64}\n",
}


@pytest.mark.parametrize("text", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Checkpoint.decode(text.encode())
    assert caught.value.code == "malformed"


@pytest.mark.parametrize("more", ["ext\n", "\n", "ext", "a\nb\n", "\n\n"])
def test_an_extension_line_is_refused_by_its_own_code(more: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Checkpoint.decode(f"o\n5\n{B64}\n{more}".encode())
    assert caught.value.code == "extension-line"


@given(data=st.binary(max_size=120))
def test_any_bytes_are_malformed_or_a_checkpoint(data: bytes) -> None:
    try:
        checkpoint = Checkpoint.decode(data)
    except MalformedError:
        return
    assert checkpoint.encode() == data


@given(checkpoint=checkpoints, data=st.data())
def test_a_flipped_bit_is_malformed_or_another_checkpoint(
    checkpoint: Checkpoint, data: st.DataObject
) -> None:
    text = bytearray(checkpoint.encode())
    bit = data.draw(st.integers(0, 8 * len(text) - 1))
    text[bit // 8] ^= 1 << bit % 8
    try:
        changed = Checkpoint.decode(bytes(text))
    except MalformedError:
        return
    assert changed != checkpoint
    assert changed.encode() == text


@pytest.mark.parametrize("origin", ["", "a\nb", "a\rb", "a\0b", "\ud800", "o" * 256, "信" * 86])
def test_an_origin_is_one_line_of_text(origin: str) -> None:
    with pytest.raises(MalformedError):
        Checkpoint(origin, 5, ROOT)
    with pytest.raises(MalformedError):
        subtree_message(origin, 0, "o", start=0, end=1, root=ROOT)
    with pytest.raises(MalformedError):
        subtree_message("o", 0, origin, start=0, end=1, root=ROOT)


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (2**63, ROOT), (1, b""), (1, ROOT + b"x")])
def test_size_and_root_are_in_range(size: int, root: bytes) -> None:
    with pytest.raises(MalformedError):
        Checkpoint("o", size, root)


def test_the_longest_origin_and_the_largest_size_are_read() -> None:
    checkpoint = Checkpoint("o" * ORIGIN_BYTES_MAX, SIZE_MAX, ROOT)
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


def test_an_ed25519_cosigner_signs_its_time_and_the_text() -> None:
    text = Checkpoint("example.com/behind-the-sofa", 20852163, ROOT).text()
    message = cosignature_message(1679315147, text)
    assert message.splitlines()[:4] == [
        b"cosignature/v1",
        b"time 1679315147",
        b"example.com/behind-the-sofa",
        b"20852163",
    ]
    assert message.endswith(text)


def test_a_post_quantum_key_signs_every_field_at_its_place() -> None:
    message = subtree_message("w.example", 7, "log.example/a", start=0, end=258, root=ROOT)
    assert message == (
        b"subtree/v1\n\x00"
        b"\x09w.example"
        b"\x00\x00\x00\x00\x00\x00\x00\x07"
        b"\x0dlog.example/a"
        b"\x00\x00\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x00\x01\x02" + ROOT
    )


@pytest.mark.parametrize(
    ("time_s", "start", "end", "root"),
    [
        (1, 1, 2, ROOT),
        (0, 2, 1, ROOT),
        (0, -1, 1, ROOT),
        (0, 0, 2**63, ROOT),
        (-1, 0, 1, ROOT),
        (2**63, 0, 1, ROOT),
        (0, 0, 1, ROOT[1:]),
    ],
)
def test_a_subtree_that_must_not_be_signed_has_no_message(
    time_s: int, start: int, end: int, root: bytes
) -> None:
    with pytest.raises(MalformedError):
        subtree_message("w", time_s, "o", start=start, end=end, root=root)


@given(checkpoint=checkpoints, time_s=st.integers(0, 2**63 - 1))
def test_no_message_of_one_type_is_a_message_of_another(
    checkpoint: Checkpoint, time_s: int
) -> None:
    text = checkpoint.text()
    messages = {
        text,
        cosignature_message(time_s, text),
        subtree_message(
            "w", time_s, checkpoint.origin, start=0, end=checkpoint.size, root=checkpoint.root
        ),
    }
    assert len(messages) == 3
    with pytest.raises(MalformedError):
        Checkpoint.decode(cosignature_message(time_s, text))
