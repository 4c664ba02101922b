import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import encoding
from ledger.cose import ED25519, EDDSA, TIME_S_MAX, sig_structure
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.hashing import hash_leaf
from ledger.keys import key_thumbprint
from ledger.receipt import (
    RECEIPT_BYTES_MAX,
    check_consistency_receipt,
    check_inclusion_receipt,
    decode_transparent_statement,
    make_consistency_receipt,
    make_inclusion_receipt,
    transparent_statement,
)
from ledger.sign1 import decode_statement_parts
from tests import rfc9162
from tests.strategies import flip, logs, values
from tests.vectors.own.example import Example
from tests.vectors.own.network import CASE, SICHUAN, TIME_S, key

VECTOR = json.loads((Path(__file__).parents[1] / "vectors/own/receipt.json").read_text())
KEY = key("510000", "receipt")
EXAMPLE = Example()
LEAF = EXAMPLE.case.leaf
ENTRIES = EXAMPLE.sichuan.entries
ROOT = rfc9162.root(ENTRIES)


def receipt(
    *,
    label: int = -1,
    proof: Any = None,
    unprotected: Any = None,
    protected: bytes | None = None,
    payload: Any = None,
    root: bytes = ROOT,
    signature: bytes | None = None,
    **changes: Any,
) -> bytes:
    """The example's receipt with some parts replaced, or left out where they are ``...``."""
    header: dict[Any, Any] = {
        1: EDDSA,
        4: key_thumbprint(KEY.public),
        15: {1: SICHUAN, 2: CASE, 6: TIME_S},
        395: 1,
        "tree-size": 4,
    }
    header |= {"tree-size" if it == "size" else int(it[1:]): to for it, to in changes.items()}
    if protected is None:
        protected = encoding.encode({label: to for label, to in header.items() if to is not ...})
    proof = [4, 3, rfc9162.inclusion(3, ENTRIES)] if proof is None else proof
    unprotected = {396: {label: [encoding.encode(proof)]}} if unprotected is None else unprotected
    signature = KEY.sign(sig_structure(protected, root)) if signature is None else signature
    return encoding.encode_tagged([protected, unprotected, payload, signature])


def refused(data: bytes, keys: Any = KEY.public) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        check_inclusion_receipt(data, LEAF, keys)
    return caught.value


def test_the_vectors_verify() -> None:
    public, entry = bytes.fromhex(VECTOR["public"]), bytes.fromhex(VECTOR["entry"])
    made = bytes.fromhex(VECTOR["receipt"])
    found = check_inclusion_receipt(made, hash_leaf(entry), public)
    assert (found.origin, found.size, found.index) == (VECTOR["origin"], 4, 3)
    assert found.root.hex() == VECTOR["root"]
    parts = decode_transparent_statement(bytes.fromhex(VECTOR["transparent"]))
    assert parts == (entry, (made,))
    grown = check_consistency_receipt(
        bytes.fromhex(VECTOR["consistency"]),
        bytes.fromhex(VECTOR["old_root"]),
        bytes.fromhex(VECTOR["root"]),
        public,
    )
    assert (grown.old_size, grown.size) == (3, 4)


@given(logs, st.data())
def test_a_receipt_holds_for_its_leaf_and_no_other(
    entries: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    root, proof = rfc9162.root(entries), rfc9162.inclusion(index, entries)
    made = make_inclusion_receipt(KEY, SICHUAN, CASE, TIME_S, len(entries), index, proof, root)
    found = check_inclusion_receipt(made, hash_leaf(entries[index]), KEY.public)
    assert (found.origin, found.subject, found.time_s) == (SICHUAN, CASE, TIME_S)
    assert (found.size, found.index, found.root) == (len(entries), index, root)
    with pytest.raises(UnverifiedError):
        check_inclusion_receipt(made, hash_leaf(b"another"), KEY.public)


@given(logs.filter(lambda entries: len(entries) > 1), st.data())
def test_a_consistency_receipt_holds_for_its_two_roots(
    entries: list[bytes], data: st.DataObject
) -> None:
    old_size, size = data.draw(st.integers(1, len(entries) - 1)), len(entries)
    old_root, root = rfc9162.root(entries[:old_size]), rfc9162.root(entries)
    proof = rfc9162.consistency(old_size, entries)
    made = make_consistency_receipt(KEY, SICHUAN, SICHUAN, TIME_S, old_size, size, proof, root)
    found = check_consistency_receipt(made, old_root, root, KEY.public)
    assert (found.old_size, found.size, found.root) == (old_size, size, root)
    for bad_old, bad in ((hash_leaf(b""), root), (old_root, hash_leaf(b""))):
        with pytest.raises(UnverifiedError):
            check_consistency_receipt(made, bad_old, bad, KEY.public)


@given(st.integers(0, 8 * len(EXAMPLE.receipt) - 1))
def test_one_flipped_bit_in_a_receipt_is_refused(bit: int) -> None:
    refused(flip(EXAMPLE.receipt, bit))


@given(st.integers(0, 8 * len(EXAMPLE.consistency) - 1))
def test_one_flipped_bit_in_a_consistency_receipt_is_refused(bit: int) -> None:
    old_root = EXAMPLE.sichuan.checkpoint(3).root
    with pytest.raises(LedgerError):
        check_consistency_receipt(flip(EXAMPLE.consistency, bit), old_root, ROOT, KEY.public)


def test_a_proof_whose_size_was_not_signed_is_refused() -> None:
    # With three entries below it, the fourth leaf has the same path whether the tree is of 4 or 5.
    entries = [*ENTRIES, b"fifth"]
    path = rfc9162.inclusion(3, entries)
    assert refused(receipt(proof=[5, 3, path], root=rfc9162.root(entries))).code == "bad-proof"


def test_a_consistency_proof_whose_size_was_not_signed_is_refused() -> None:
    bad = receipt(label=-2, proof=[3, 4, rfc9162.consistency(3, ENTRIES)], size=5)
    with pytest.raises(UnverifiedError) as caught:
        check_consistency_receipt(bad, EXAMPLE.sichuan.checkpoint(3).root, ROOT, KEY.public)
    assert caught.value.code == "bad-proof"


def test_a_receipt_is_by_a_key_that_is_trusted() -> None:
    other = key("520000", "receipt").public
    keys = {key_thumbprint(public): public for public in (other, KEY.public)}
    assert check_inclusion_receipt(EXAMPLE.receipt, LEAF, keys).index == 3
    assert refused(EXAMPLE.receipt, other).code == "unknown-key"
    assert refused(EXAMPLE.receipt, {}).code == "unknown-key"
    # A table that gives another key under this name must not help either.
    assert refused(EXAMPLE.receipt, {key_thumbprint(KEY.public): other}).code == "bad-signature"


def test_ed25519_by_its_new_number_is_read() -> None:
    assert check_inclusion_receipt(receipt(_1=ED25519), LEAF, KEY.public).size == 4


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (receipt(_1=-7), "bad-algorithm"),
        (receipt(_1="EdDSA"), "bad-algorithm"),
        (receipt(_1=[]), "bad-algorithm"),
        (receipt(_4=b"short"), "bad-field"),
        (receipt(_4="k" * 32), "bad-field"),
        (receipt(protected=encoding.encode([])), "bad-field"),
        (receipt(_4=...), "bad-field"),
        (receipt(_395=2), "bad-field"),
        (receipt(_395=True), "bad-field"),
        (receipt(_395=...), "bad-field"),
        (receipt(size=...), "bad-field"),
        (receipt(size="4"), "bad-field"),
        (receipt(size=5), "bad-proof"),
        (receipt(_2=[395]), "bad-field"),
        (receipt(_15=...), "bad-field"),
        (receipt(_15={1: SICHUAN, 2: CASE}), "bad-field"),
        (receipt(_15={1: SICHUAN, 2: CASE, 6: TIME_S, 7: b""}), "bad-field"),
        (receipt(_15={1: "510000", 2: CASE, 6: TIME_S}), "bad-field"),
        (receipt(_15={1: SICHUAN, 2: "case", 6: TIME_S}), "bad-field"),
        (receipt(_15={1: SICHUAN, 2: CASE, 6: TIME_S_MAX + 1}), "bad-field"),
        (receipt(_15={1: SICHUAN, 2: CASE, 6: True}), "bad-field"),
        (receipt(label=-2), "bad-field"),
        (receipt(unprotected={}), "bad-field"),
        (receipt(unprotected={396: {-1: []}}), "bad-field"),
        (receipt(unprotected={396: {-1: [b"", b""]}}), "bad-field"),
        (receipt(unprotected={396: {-1: [encoding.encode([4, 3, []])]}, 1: 1}), "bad-field"),
        (receipt(unprotected={396: {-1: [[4, 3, []]]}}), "bad-field"),
        (receipt(proof=[4, 3]), "bad-field"),
        (receipt(proof=[4, True, []]), "bad-field"),
        (receipt(proof=[4, -1, []]), "bad-field"),
        (receipt(proof=[4, 3, [bytes(31)]]), "bad-field"),
        (receipt(proof=[4, 3, [bytes(32)] * 65]), "bad-field"),
        (receipt(signature=bytes(63)), "bad-field"),
        (receipt(signature=bytes(64)), "bad-signature"),
        (receipt(payload=ROOT), "malformed"),
        (b"\xd3" + receipt()[1:], "wrong-tag"),
        (receipt()[1:], "wrong-tag"),
        (receipt(_15="x" * RECEIPT_BYTES_MAX), "too-large"),
    ],
)
def test_a_receipt_of_another_form_is_refused(bad: bytes, code: str) -> None:
    assert refused(bad).code == code


@given(st.binary(max_size=200) | values.map(encoding.encode))
def test_any_bytes_give_a_refusal(data: bytes) -> None:
    for candidate in (data, b"\xd2" + data, receipt(unprotected={396: {-1: [data]}})):
        refused(candidate)
        with pytest.raises(LedgerError):
            check_consistency_receipt(candidate, ROOT, ROOT, KEY.public)
        with suppress(MalformedError, UnverifiedError):
            decode_transparent_statement(candidate)


def test_a_transparent_statement_gives_back_the_entry_and_its_receipts() -> None:
    entry, receipts = EXAMPLE.case.entry, (EXAMPLE.receipt, EXAMPLE.receipt)
    made = transparent_statement(entry, receipts)
    assert decode_transparent_statement(made) == (entry, receipts)


@pytest.mark.parametrize(
    ("unprotected", "code"),
    [
        ({}, "unprotected-header"),
        ({394: b""}, "unprotected-header"),
        ({394: [b""], 4: b""}, "unprotected-header"),
        ({394: []}, "bad-field"),
        ({394: [[b""]]}, "bad-field"),
        ({394: [b""] * 65}, "bad-field"),
    ],
)
def test_a_transparent_statement_of_another_form_is_refused(unprotected: Any, code: str) -> None:
    protected, payload, signature = decode_statement_parts(EXAMPLE.case.entry)
    made = encoding.encode_tagged([protected, unprotected, payload, signature])
    with pytest.raises(MalformedError) as caught:
        decode_transparent_statement(made)
    assert caught.value.code == code


def test_a_transparent_statement_holds_a_statement() -> None:
    made = encoding.encode_tagged([b"", {394: [b""]}, b"", b""])
    with pytest.raises(MalformedError):
        decode_transparent_statement(made)
