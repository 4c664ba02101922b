import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint, cosignature_message, subtree_message
from ledger.errors import MalformedError, UnverifiedError
from ledger.keys import PostQuantumKey, SigningKey
from ledger.note import (
    ED25519,
    ED25519_COSIGNATURE,
    NOTE_BYTES_MAX,
    POST_QUANTUM_COSIGNATURE,
    Note,
    Signature,
    VerifierKey,
    check_key_name,
    check_signed,
    key_id,
    sign_ed25519,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "note"
LOG = SigningKey.from_seed(b"l" * 32)
WITNESS = SigningKey.from_seed(b"w" * 32)
OTHER = SigningKey.from_seed(b"o" * 32)
POST_QUANTUM = PostQuantumKey.from_seed(b"q" * 32)

LOG_KEY = VerifierKey("log.example/a", ED25519, LOG.public)
WITNESS_KEY = VerifierKey("w.example", ED25519_COSIGNATURE, WITNESS.public)
POST_QUANTUM_KEY = VerifierKey("w.example", POST_QUANTUM_COSIGNATURE, POST_QUANTUM.public)
KEYS = (LOG_KEY, WITNESS_KEY, POST_QUANTUM_KEY)

HEAD = Checkpoint("log.example/a", 5, bytes(range(32)))
LOG_LINE = sign_ed25519("log.example/a", LOG, HEAD.text())
STRANGER = sign_ed25519("stranger.example", OTHER, HEAD.text())


def cosigned(time_s: int = 1_700_000_000) -> Signature:
    signature = WITNESS.sign(cosignature_message(time_s, HEAD.text()))
    return Signature("w.example", WITNESS_KEY.key_id, time_s.to_bytes(8) + signature)


def post_quantum_signed(time_s: int = 1_700_000_000) -> Signature:
    message = subtree_message("w.example", time_s, HEAD.origin, start=0, end=5, root=HEAD.root)
    blob = time_s.to_bytes(8) + POST_QUANTUM.sign(message)
    return Signature("w.example", POST_QUANTUM_KEY.key_id, blob)


names = st.text(
    st.characters(exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc"), exclude_characters="+"),
    min_size=1,
    max_size=20,
)
texts = st.text(
    st.one_of(st.sampled_from("\na—"), st.characters(exclude_categories=("Cs",), min_codepoint=32)),
    max_size=60,
).map(lambda text: (text + "\n").encode())
signatures = st.builds(
    Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)
)
notes = st.builds(Note, texts, st.lists(signatures, min_size=1, max_size=4).map(tuple))


@given(note=notes)
def test_a_note_comes_back_from_its_bytes(note: Note) -> None:
    assert Note.decode(note.encode()) == note


@given(signature=signatures)
def test_a_signature_comes_back_from_its_line(signature: Signature) -> None:
    assert Signature.decode(signature.encode()) == signature


def test_the_published_example_of_the_go_library_verifies_and_is_made_again() -> None:
    vector = json.loads((VECTORS / "peter-neumann.json").read_text())
    text = vector["text"].encode()
    data = text + b"\n" + vector["line"].encode()
    key = VerifierKey.decode(vector["vkey"])
    assert key.encode() == vector["vkey"]

    note = Note.decode(data)
    assert note.encode() == data
    (verified,) = check_signed(note, [key])
    assert (verified.key, verified.time_s) == (key, None)

    signing = SigningKey.from_seed(base64.b64decode(vector["seed_base64"]))
    assert Note(text, (sign_ed25519("PeterNeumann", signing, text),)).encode() == data


def test_the_example_of_the_cosignature_page_is_read() -> None:
    vector = json.loads((VECTORS / "behind-the-sofa.json").read_text())
    note = Note.decode(vector["note"].encode())
    assert [signature.name for signature in note.signatures] == [
        vector["origin"],
        vector["witness"],
    ]
    witness = note.signatures[1]
    assert witness.key_id.hex() == vector["witness_key_id"]
    assert int.from_bytes(witness.blob[:8]) == vector["time_s"]
    assert note.encode() == vector["note"].encode()


def test_a_note_is_split_at_its_last_blank_line() -> None:
    # What stands before it is text, even where it looks like a signature.
    text = b"one\n\n" + LOG_LINE.encode() + b"\nfour\n\n"
    note = Note(text, (sign_ed25519("n", LOG, text),))
    assert Note.decode(note.encode()) == note


@pytest.mark.parametrize("text", [b"", b"no line feed", b"a\tb\n", b"\xff\n"])
def test_a_text_that_a_note_cannot_carry_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedError):
        Note(text, (LOG_LINE,))


GOOD = Note(HEAD.text(), (LOG_LINE, cosigned())).encode()
LINE = LOG_LINE.encode()
MALFORMED = {
    "nothing": b"",
    "no blank line": HEAD.text() + LINE,
    "no text": b"\n" + LINE,
    "no signature": HEAD.text() + b"\n",
    "no signature and no blank line": HEAD.text(),
    "no last line feed": GOOD[:-1],
    "another line feed": GOOD + b"\n",
    "a line that is no signature": GOOD + b"x\n",
    "hyphen": GOOD.replace("—".encode(), b"-"),
    "en dash": GOOD.replace("—".encode(), "–".encode()),
    "horizontal bar": GOOD.replace("—".encode(), "―".encode()),
    "two spaces": GOOD.replace("— ".encode(), "—  ".encode()),
    "a no-break space": GOOD.replace("— ".encode(), "—\u00a0".encode()),
    "space at the end of a line": GOOD[:-1] + b" \n",
    "carriage returns": GOOD.replace(b"\n", b"\r\n"),
    "one carriage return": GOOD[:-1] + b"\r\n",
    "a carriage return for a line feed": GOOD[:-1] + b"\r",
    "tab in the text": b"a\tb\n\n" + LINE,
    "nul in the text": b"a\0b\n\n" + LINE,
    "not UTF-8 in the text": b"\xff\n\n" + LINE,
    "overlong UTF-8 in the text": b"\xc0\x80\n\n" + LINE,
    "not UTF-8 in a name": b"a\n\n\xe2\x80\x94 \xff AAAAAAA=\n",
    "plus in a name": "a\n\n— n+m AAAAAAA=\n".encode(),
    "no name": "a\n\n—  AAAAAAA=\n".encode(),
    "ideographic space in a name": "a\n\n— n\u3000m AAAAAAA=\n".encode(),
    "next line in a name": "a\n\n— n\u0085m AAAAAAA=\n".encode(),
    "long name": f"a\n\n— {'n' * 256} AAAAAAA=\n".encode(),
    "no base64": "a\n\n— n\n".encode(),
    "empty base64": "a\n\n— n \n".encode(),
    "key id without a signature": "a\n\n— n AAAAAA==\n".encode(),
    "short key id": "a\n\n— n AAAA\n".encode(),
    "stray bits": "a\n\n— n AAAAAAB=\n".encode(),
    "no padding": "a\n\n— n AAAAAAA\n".encode(),
    "blank in base64": "a\n\n— n AAAA AAA=\n".encode(),
    "other signs in base64": "a\n\n— n AAAA!AAA=\n".encode(),
    "url alphabet": "a\n\n— n AAAA-_A=\n".encode(),
    "other letters in base64": "a\n\n— n AAAAÄAA=\n".encode(),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_another_spelling_of_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Note.decode(data)


@given(data=st.binary(max_size=90) | st.binary(max_size=40).map(lambda part: b"a\n\n" + part))
def test_any_bytes_are_malformed_or_a_note(data: bytes) -> None:
    try:
        note = Note.decode(data)
    except MalformedError:
        return
    assert note.encode() == data


@given(data=st.data())
def test_one_flipped_bit_leaves_nothing_that_holds(data: st.DataObject) -> None:
    """Except in a line by a name that nobody knows then: it is passed over, as the format says."""
    note = bytearray(Note(HEAD.text(), (LOG_LINE,)).encode())
    bit = data.draw(st.integers(0, 8 * len(note) - 1))
    note[bit // 8] ^= 1 << bit % 8
    with pytest.raises((MalformedError, UnverifiedError)):
        check_signed(Note.decode(bytes(note)), KEYS)


def test_a_hundred_lines_are_read_and_one_more_is_not() -> None:
    lines = tuple(Signature(f"n{at}", b"idid", b"blob") for at in range(101))
    note = Note(b"text\n", lines[:100])
    assert Note.decode(note.encode()) == note
    with pytest.raises(MalformedError):
        Note.decode(note.encode() + lines[100].encode())
    with pytest.raises(MalformedError):
        note.with_signatures(lines[100])


def test_a_note_beyond_a_mebibyte_is_refused() -> None:
    def note(text_bytes: int) -> bytes:
        return b"x" * (text_bytes - 1) + b"\n\n" + LINE

    fits = NOTE_BYTES_MAX - len(LINE) - 1
    assert len(Note.decode(note(fits)).encode()) == NOTE_BYTES_MAX
    with pytest.raises(MalformedError) as caught:
        Note.decode(note(fits + 1))
    assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    ("kind", "public"),
    [(1, LOG.public), (4, WITNESS.public), (6, POST_QUANTUM.public)],
    ids=["01", "04", "06"],
)
def test_a_vkey_comes_back_from_its_text(kind: int, public: bytes) -> None:
    key = VerifierKey("log.example/a", kind, public)
    assert VerifierKey.decode(key.encode()) == key
    assert key.encode().split("+")[1] == key.key_id.hex() == key_id(*astuple(key)).hex()


def astuple(key: VerifierKey) -> tuple[str, int, bytes]:
    return key.name, key.kind, key.public


def test_type_and_name_are_part_of_the_key_id() -> None:
    ids = {key_id(name, kind, LOG.public) for name in ("a", "b") for kind in (1, 4)}
    assert len(ids) == 4


VKEY = LOG_KEY.encode()
NAME, ID, MATERIAL = VKEY.split("+", 2)
BAD_VKEYS = {
    "nothing": "",
    "no parts": "log.example/a",
    "no key": f"{NAME}+{ID}+",
    "no id": f"{NAME}++{MATERIAL}",
    "another id": f"{NAME}+00000000+{MATERIAL}",
    "another name": f"other+{ID}+{MATERIAL}",
    "capitals in the id": f"{NAME}+{ID.upper()}+{MATERIAL}",
    "space at the end": VKEY + " ",
    "line feed at the end": VKEY + "\n",
    "padding too much": VKEY + "=",
    "blank in base64": VKEY[:-4] + " " + VKEY[-4:],
    "other letters": f"{NAME}+{ID}+Ä",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("vkey", BAD_VKEYS.values(), ids=BAD_VKEYS)
def test_another_spelling_of_a_vkey_is_refused(vkey: str) -> None:
    with pytest.raises(MalformedError):
        VerifierKey.decode(vkey)


@given(text=st.text(max_size=60) | st.text(max_size=20).map(lambda end: f"{NAME}+{ID}+{end}"))
def test_any_text_is_malformed_or_a_vkey(text: str) -> None:
    with pytest.raises(MalformedError):
        VerifierKey.decode(text)


@pytest.mark.parametrize("kind", [0, 2, 3, 5, 7, 255, 256, -1])
def test_a_type_that_we_cannot_check_is_refused(kind: int) -> None:
    with pytest.raises(MalformedError) as caught:
        VerifierKey("n", kind, LOG.public)
    assert caught.value.code == "bad-key"


@pytest.mark.parametrize(("kind", "length"), [(1, 31), (1, 33), (4, 1312), (6, 32)])
def test_a_key_has_the_length_of_its_type(kind: int, length: int) -> None:
    with pytest.raises(MalformedError) as caught:
        VerifierKey("n", kind, bytes(length))
    assert caught.value.code == "bad-key"


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\0b", "a\tb", "a\u2028b", "\ud800", "n" * 256]
)
def test_a_name_that_no_line_can_carry_is_refused(name: str) -> None:
    for make in (
        lambda: check_key_name(name),
        lambda: Signature(name, b"idid", b"blob"),
        lambda: VerifierKey(name, 1, LOG.public),
    ):
        with pytest.raises(MalformedError):
            make()


@pytest.mark.parametrize(("key", "blob"), [(b"abc", b"x"), (b"abcde", b"x"), (b"abcd", b"")])
def test_a_signature_has_a_key_id_and_something_after_it(key: bytes, blob: bytes) -> None:
    with pytest.raises(MalformedError):
        Signature("n", key, blob)


def test_all_three_types_are_checked_and_unknown_lines_passed_over() -> None:
    note = Note(HEAD.text(), (STRANGER, LOG_LINE, STRANGER, cosigned(7), post_quantum_signed(8)))
    verified = check_signed(Note.decode(note.encode()), KEYS)
    assert [(line.key, line.time_s) for line in verified] == [
        (LOG_KEY, None),
        (WITNESS_KEY, 7),
        (POST_QUANTUM_KEY, 8),
    ]
    assert [line.signature for line in verified] == [note.signatures[at] for at in (1, 3, 4)]


def test_a_note_that_nobody_known_signed_is_refused() -> None:
    with pytest.raises(UnverifiedError) as caught:
        check_signed(Note(HEAD.text(), (STRANGER,)), KEYS)
    assert caught.value.code == "unknown-key"
    with pytest.raises(UnverifiedError):
        check_signed(Note(HEAD.text(), (LOG_LINE,)), ())


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("offset", [0, 7, 8, -1])
def test_one_bad_line_by_a_known_key_condemns_the_note(at: int, offset: int) -> None:
    lines = [LOG_LINE, cosigned(), post_quantum_signed()]
    check_signed(Note(HEAD.text(), tuple(lines)), KEYS)
    blob = bytearray(lines[at].blob)
    blob[offset] ^= 1
    lines[at] = Signature(lines[at].name, lines[at].key_id, bytes(blob))
    with pytest.raises(UnverifiedError) as caught:
        check_signed(Note(HEAD.text(), tuple(lines)), KEYS)
    assert caught.value.code == "bad-signature"


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("length", [1, 7, 8, 63, 65, 71, 73, 2427, 2429])
def test_a_line_of_another_length_condemns_the_note(at: int, length: int) -> None:
    key = KEYS[at]
    line = Signature(key.name, key.key_id, bytes(length))
    with pytest.raises(UnverifiedError) as caught:
        check_signed(Note(HEAD.text(), (line,)), KEYS)
    assert caught.value.code == "bad-signature"


def test_a_second_line_by_a_known_key_is_malformed_though_both_hold() -> None:
    for line in (LOG_LINE, cosigned(), post_quantum_signed()):
        with pytest.raises(MalformedError, match="two lines by one key"):
            check_signed(Note(HEAD.text(), (line, line)), KEYS)
    with pytest.raises(MalformedError):
        check_signed(Note(HEAD.text(), (cosigned(7), cosigned(8))), KEYS)


def test_a_cosignature_time_beyond_the_format_is_refused() -> None:
    time_s = 2**63
    signature = WITNESS.sign(cosignature_message(time_s, HEAD.text()))
    line = Signature("w.example", WITNESS_KEY.key_id, time_s.to_bytes(8) + signature)
    with pytest.raises(UnverifiedError) as caught:
        check_signed(Note(HEAD.text(), (line,)), KEYS)
    assert caught.value.code == "bad-signature"


def test_a_signature_counts_for_its_own_type_only() -> None:
    # The same key under another type gives another id, and so another line; forging the id must
    # not help, since each type signs bytes of its own.
    as_log = VerifierKey("w.example", ED25519, WITNESS.public)
    line = Signature("w.example", as_log.key_id, cosigned().blob[8:])
    with pytest.raises(UnverifiedError):
        check_signed(Note(HEAD.text(), (line,)), [as_log])


def test_a_post_quantum_line_on_a_text_that_is_no_checkpoint_is_malformed() -> None:
    with pytest.raises(MalformedError):
        check_signed(Note(b"a text\n", (post_quantum_signed(),)), KEYS)


def test_two_keys_that_lines_cannot_tell_apart_are_refused() -> None:
    one, two = (VerifierKey("n", ED25519, key.public) for key in (LOG, OTHER))
    object.__setattr__(two, "key_id", one.key_id)
    note = Note(b"text\n", (sign_ed25519("n", LOG, b"text\n"),))
    with pytest.raises(MalformedError) as caught:
        check_signed(note, [one, two])
    assert caught.value.code == "bad-key"
    assert len(check_signed(note, [one, one])) == 1
