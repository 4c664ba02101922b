"""``scitt-cose``, against our statements, receipts and transparent statements."""

import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ledger.errors import MalformedError
from ledger.keys import key_thumbprint
from ledger.receipt import (
    check_inclusion_receipt,
    decode_transparent_statement,
    make_inclusion_receipt,
    transparent_statement,
)
from tests import rfc9162
from tests.strategies import flip
from tests.vectors.own.example import Example
from tests.vectors.own.network import CASE, OFFICER, SICHUAN, TIME_S, key

pytestmark = pytest.mark.foreign

EXAMPLE = Example()
ENTRY = EXAMPLE.case.entry


def pem(public: bytes) -> bytes:
    made = Ed25519PublicKey.from_public_bytes(public)
    return made.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


OFFICER_PEM = pem(key(OFFICER).public)
RECEIPT_PEM = pem(key("510000", "receipt").public)


def receipt_result(
    receipt: bytes, entry: bytes = ENTRY, public: bytes = RECEIPT_PEM
) -> scitt_cose.ReceiptResult:
    return scitt_cose.verify_receipt(receipt, leaf_entry_hex=entry.hex(), log_public_key_pem=public)


def test_a_statement_verifies_and_says_the_same_as_to_us() -> None:
    parsed = scitt_cose.parse_signed_statement(ENTRY, public_key_pem=OFFICER_PEM)
    assert parsed["signature_verified"] is True
    assert (parsed["issuer"], parsed["subject"]) == (OFFICER, CASE)
    assert parsed["content_type"] == "application/shouxin-act+cbor"
    assert parsed["claims"][6] == EXAMPLE.case.time_s
    assert parsed["payload"] == EXAMPLE.case.act.encode()


def test_a_changed_statement_does_not_verify() -> None:
    for bit in range(0, 8 * len(ENTRY), 61):
        bad = scitt_cose.parse_signed_statement(flip(ENTRY, bit), public_key_pem=OFFICER_PEM)
        assert bad["signature_verified"] is False
    other = scitt_cose.parse_signed_statement(ENTRY, public_key_pem=RECEIPT_PEM)
    assert other["signature_verified"] is False


def test_a_receipt_verifies_and_says_the_same_as_to_us() -> None:
    result = receipt_result(EXAMPLE.receipt)
    assert result.ok, result.errors
    ours = check_inclusion_receipt(
        EXAMPLE.receipt, EXAMPLE.case.leaf, key("510000", "receipt").public
    )
    assert (result.tree_size, result.leaf_index) == (ours.size, ours.index)
    assert (result.issuer, result.subject, result.iat) == (SICHUAN, CASE, ours.time_s)


def test_a_changed_receipt_or_another_entry_does_not_verify() -> None:
    for bit in range(0, 8 * len(EXAMPLE.receipt), 17):
        assert not receipt_result(flip(EXAMPLE.receipt, bit)).ok
    assert not receipt_result(EXAMPLE.receipt, EXAMPLE.view.entry).ok
    assert not receipt_result(EXAMPLE.receipt, public=OFFICER_PEM).ok


@pytest.mark.parametrize("size", [2, 3, 5, 8, 13])
def test_a_receipt_verifies_for_every_leaf_of_a_tree(size: int) -> None:
    entries = [b"entry %d" % at for at in range(size)]
    for index in range(size):
        receipt = make_inclusion_receipt(
            key("510000", "receipt"),
            SICHUAN,
            CASE,
            TIME_S,
            size,
            index,
            rfc9162.inclusion(index, entries),
            rfc9162.root(entries),
        )
        assert receipt_result(receipt, entries[index]).ok


def test_a_transparent_statement_gives_up_its_receipts_and_still_verifies() -> None:
    made = transparent_statement(ENTRY, [EXAMPLE.receipt])
    assert scitt_cose.extract_receipts(made) == [EXAMPLE.receipt]
    parsed = scitt_cose.parse_signed_statement(made, public_key_pem=OFFICER_PEM)
    assert parsed["signature_verified"] is True


def test_receipts_that_they_attach_are_read_by_us() -> None:
    made = scitt_cose.attach_receipts(ENTRY, [EXAMPLE.receipt])
    assert decode_transparent_statement(made) == (ENTRY, (EXAMPLE.receipt,))


def test_their_receipt_which_signs_no_size_is_not_enough_for_us() -> None:
    entries = EXAMPLE.sichuan.entries
    signer = Ed25519PrivateKey.from_private_bytes(key("510000", "receipt").seed())
    theirs = scitt_cose.build_receipt(
        leaf_entry_hex=entries[3].hex(),
        leaf_index=3,
        tree_entries_hex=[entry.hex() for entry in entries],
        alg="EdDSA",
        log_private_key_pem=signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        iss=SICHUAN,
        sub=CASE,
        kid=key_thumbprint(key("510000", "receipt").public),
        iat=TIME_S,
    )
    assert receipt_result(theirs).ok
    with pytest.raises(MalformedError):
        check_inclusion_receipt(theirs, EXAMPLE.case.leaf, key("510000", "receipt").public)
