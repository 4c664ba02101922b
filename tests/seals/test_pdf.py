import hashlib
import re
import zlib
from dataclasses import replace
from functools import cache
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner

from ledger.errors import MalformedError
from seals import pdf
from seals.report import Outcome, Report, Verdict
from seals.sm2 import sm3
from seals.trust import Trust
from tests.seals.office import NOW_S, OFFICE, SM2
from tests.seals.papers import (
    BUNDLE,
    MATERIALS,
    NOTICE,
    RECEIPT,
    RESULT,
    Paperkey,
    faces,
    laid,
    seal_digest,
    sealed_pdf,
    unsealed,
)

TRUST = Trust.of(anchors=[OFFICE.root, Paperkey().root], others=[OFFICE.middle], lists=OFFICE.lists)
SEALS_ONLY = OFFICE.trust


@cache
def beside() -> bytes:
    """The electronic seal over the sealed paper, to lie beside it."""
    return seal_digest(sm3(sealed_pdf()), "")


def verified(data: bytes, trust: Trust = TRUST, signature: bytes | None = None) -> list[Report]:
    return pdf.verify_pdf(data, sm2=SM2, trust=trust, at_s=NOW_S, signature=signature)


def contents_of(data: bytes) -> tuple[int, int]:
    """Where the room of the signature begins and ends, its angle brackets left out."""
    (found,) = re.finditer(rb"/Contents <([0-9a-fA-F]+)>", data)
    return found.span(1)


@pytest.mark.parametrize("facts", [RECEIPT, NOTICE, RESULT], ids=["receipt", "notice", "result"])
def test_a_sealed_paper_is_valid_in_every_step(facts: object) -> None:
    paper = laid(facts)  # type: ignore[arg-type]  # one of three
    data = pdf.seal_pdf(pdf.write_pdf(paper, faces()), paper, Paperkey())
    (report,) = verified(data)
    assert report.verdict is Verdict.VALID
    assert [step.name for step in report.steps] == [
        "pdf-coverage",
        "pdf-digest",
        "pdf-signature",
        "pdf-chain",
    ]
    assert report.facts["time"] == "2026-09-21T14:13:20Z"


def test_the_file_gives_back_its_digests_and_its_evidence() -> None:
    read = pdf.read(sealed_pdf())
    assert read.digest == hashlib.sha256(sealed_pdf()).digest()
    assert read.sm3 == sm3(sealed_pdf())
    assert read.evidence == BUNDLE
    assert read.ses is None
    assert read.signatures == 1


def test_the_unsealed_paper_is_the_same_bytes_each_time() -> None:
    # Laid out anew, and not taken from what the other tests share.
    assert pdf.write_pdf(laid.__wrapped__(), faces()) == unsealed()


def test_the_key_signs_once_for_one_file() -> None:
    key = Paperkey()
    pdf.seal_pdf(unsealed(), laid(), key)
    assert key.signed == 1


def test_an_rsa_key_seals_as_well() -> None:
    key = Paperkey("rsa")
    data = pdf.seal_pdf(unsealed(), laid(), key)
    trust = Trust.of(anchors=[key.root])
    (report,) = verified(data, trust)
    assert report.verdict is Verdict.VALID


def test_a_signer_nobody_vouches_for_is_unproven() -> None:
    (report,) = verified(sealed_pdf(), SEALS_ONLY)
    assert report.verdict is Verdict.UNPROVEN
    step = report.step("pdf-chain")
    assert step is not None
    assert step.outcome is Outcome.UNCHECKED


def test_a_chain_that_does_not_hold_is_a_failure() -> None:
    late = pdf.verify_pdf(sealed_pdf(), sm2=SM2, trust=TRUST, at_s=2_300_000_000)
    assert late[0].codes == ("pdf-chain",)


def test_an_altered_page_has_its_own_code() -> None:
    paper = laid()
    base = unsealed()
    data = pdf.seal_pdf(base, paper, Paperkey())
    # A byte inside the first page's compressed drawing.
    at = next(
        found.end() + 40
        for found in re.finditer(rb"stream\r?\n", base)
        if b" Tf" in inflated(base[found.end() :])
    )
    altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    (report,) = verified(altered)
    assert report.codes == ("pdf-digest",)


def inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data)
    except zlib.error:
        return b""


def test_altered_metadata_has_the_digests_code() -> None:
    data = sealed_pdf().replace(b"/Lang (zh-CN)", b"/Lang (zh-TW)")
    assert data != sealed_pdf()
    (report,) = verified(data)
    assert report.codes == ("pdf-digest",)


def test_bytes_added_after_the_signature_are_not_covered() -> None:
    (report,) = verified(sealed_pdf() + b"\n% more\n")
    assert "pdf-coverage" in report.codes


def test_the_unused_room_of_the_signature_cannot_hide_bytes() -> None:
    start, end = contents_of(sealed_pdf())
    raw = bytearray(sealed_pdf())
    assert raw[end - 2 : end] == b"00"
    raw[end - 2 : end] = b"01"
    (report,) = verified(bytes(raw))
    assert report.codes == ("pdf-coverage",)
    # One letter in the other case: the same number, but not the same file.
    raw = bytearray(sealed_pdf())
    letter = next(at for at in range(start, end) if chr(raw[at]).isalpha())
    raw[letter] ^= 0x20
    (report,) = verified(bytes(raw))
    assert report.codes == ("pdf-coverage",)


def test_an_altered_signature_value_has_its_own_code() -> None:
    start, _ = contents_of(sealed_pdf())
    content = bytes.fromhex(sealed_pdf()[slice(*contents_of(sealed_pdf()))].decode())
    length = pdf._der_length(content)
    raw = bytearray(sealed_pdf())
    at = start + 2 * length - 1  # the last digit of s
    raw[at : at + 1] = b"1" if raw[at : at + 1] != b"1" else b"2"
    (report,) = verified(bytes(raw))
    assert report.codes == ("pdf-signature",)


def signed_again(data: bytes, field: str, at: int) -> bytes:
    """A plain second signature as others make it, with no rule on later changes."""
    out = BytesIO()
    signer = PdfSigner(
        PdfSignatureMetadata(
            field_name=field, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
        ),
        signer=pdf._PortSigner(Paperkey()),
        new_field_spec=SigFieldSpec(field, box=(at, 10, at + 50, 60)),
    )
    # An honest signer keeps to a first signature that forbids changes; this one does not.
    signer._enforce_certification_constraints = lambda _: None  # type: ignore[method-assign]
    writer = IncrementalPdfFileWriter(BytesIO(data))
    signer.sign_pdf(writer, bytes_reserved=8_192, output=out)
    return out.getvalue()


def test_of_two_signatures_the_first_is_covered_by_the_second() -> None:
    once = signed_again(unsealed(), "First", 10)
    first, second = verified(signed_again(once, "Second", 100))
    assert first.verdict is Verdict.UNPROVEN
    assert first.steps[0].code == "pdf-added"
    assert second.verdict is Verdict.VALID


def test_nobody_adds_a_signature_to_a_sealed_paper() -> None:
    first, second = verified(signed_again(sealed_pdf(), "Second", 100))
    assert first.codes == ("pdf-coverage",)
    assert second.verdict is Verdict.VALID


# ---- the electronic seal -------------------------------------------------------------------------


@cache
def with_seal_inside() -> bytes:
    base = unsealed()
    ses = seal_digest(sm3(base), pdf.base_info(base))
    return pdf.seal_pdf(base, laid(), Paperkey(), ses=ses)


def test_a_seal_beside_the_file_covers_all_of_it() -> None:
    _, report = verified(sealed_pdf(), signature=beside())
    assert report.verdict is Verdict.VALID
    _, report = verified(sealed_pdf() + b"\n", signature=beside())
    step = report.step("digest")
    assert step is not None
    assert step.outcome is Outcome.FAILED


def test_a_seal_inside_the_file_covers_its_first_revision() -> None:
    data = with_seal_inside()
    assert set(pdf.read(data).attachments) == {"evidence.bundle", "seal.der"}
    signature, seal = verified(data)
    assert signature.verdict is Verdict.VALID
    assert seal.verdict is Verdict.VALID
    assert seal.steps[0].name == "pdf-revision"


def test_a_seal_inside_proves_nothing_while_the_signer_of_the_rest_is_unknown() -> None:
    _, seal = verified(with_seal_inside(), SEALS_ONLY)
    assert seal.verdict is Verdict.UNPROVEN
    assert [step.code for step in seal.steps if step.outcome is Outcome.UNCHECKED] == [
        "pdf-revision"
    ]


def test_a_seal_inside_falls_with_the_signature_that_covers_what_came_after() -> None:
    _, seal = verified(with_seal_inside() + b"\n% more\n")
    assert seal.codes == ("pdf-revision",)


def test_an_altered_page_fails_the_seal_inside_as_well() -> None:
    data = with_seal_inside()
    altered = data.replace(b"/Lang (zh-CN)", b"/Lang (zh-TW)")
    signature, seal = verified(altered)
    assert signature.codes == ("pdf-digest",)
    digest = seal.step("digest")
    assert digest is not None
    assert digest.outcome is Outcome.FAILED
    assert "pdf-revision" in seal.codes


@pytest.mark.parametrize("info", ["", "byte-range:0 010", "byte-range:0 99", "byte-range:1 99"])
def test_a_seal_inside_that_names_no_revision_is_a_failure(info: str) -> None:
    base = unsealed()
    data = pdf.seal_pdf(base, laid(), Paperkey(), ses=seal_digest(sm3(base), info))
    _, seal = verified(data)
    assert "pdf-revision" in seal.codes


def test_bytes_that_are_no_seal_fail_at_their_form() -> None:
    base = unsealed()
    _, seal = verified(pdf.seal_pdf(base, laid(), Paperkey(), ses=b"not a seal"))
    step = seal.step("form")
    assert step is not None
    assert step.outcome is Outcome.FAILED


# ---- bad input -----------------------------------------------------------------------------------


def test_a_paper_not_yet_sealed_has_no_report() -> None:
    base = unsealed()
    assert verified(base) == []
    assert pdf.read(base).signatures == 0


def test_a_paper_of_many_sheets_is_sealed_on_its_last() -> None:
    paper = laid(replace(RECEIPT, materials=MATERIALS * 20))
    data = pdf.seal_pdf(pdf.write_pdf(paper, faces()), paper, Paperkey())
    (report,) = verified(data)
    assert report.verdict is Verdict.VALID


def test_a_file_too_long_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        pdf.read(bytes(pdf.FILE_BYTES_MAX + 1))
    assert caught.value.code == "pdf-too-long"


@given(st.binary(max_size=400))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        pdf.read(b"%PDF-1.7\n" + data)
    assert caught.value.code == "pdf-form"


@settings(max_examples=40)
@given(st.data())
def test_a_truncated_file_is_refused_or_not_valid(data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(sealed_pdf()) - 1))
    try:
        reports = verified(sealed_pdf()[:length])
    except MalformedError:
        return
    assert all(report.verdict is Verdict.INVALID for report in reports)


@settings(max_examples=60)
@given(st.data())
def test_no_flipped_bit_outside_the_signature_leaves_a_file_valid(data: st.DataObject) -> None:
    raw = bytearray(sealed_pdf())
    start, end = contents_of(sealed_pdf())
    # A third of the flips each before the structure of the last revision, in it, and at the end.
    low, high = data.draw(st.sampled_from([(0, start), (start - 5_000, start), (end, len(raw))]))
    at = data.draw(st.integers(low, high - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        reports = verified(bytes(raw))
    except MalformedError:
        return
    assert all(report.verdict is Verdict.INVALID for report in reports)


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_bit_in_the_signature_never_raises_and_the_seal_beside_finds_it(
    data: st.DataObject,
) -> None:
    # CMS leaves some of its own words unsigned (its version numbers): a PDF signature alone
    # may bear such a flip. The electronic seal over the finished file does not.
    raw = bytearray(sealed_pdf())
    start, end = contents_of(sealed_pdf())
    at = data.draw(st.integers(start, end - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        *_, report = verified(bytes(raw), signature=beside())
    except MalformedError:
        return
    assert report.codes == ("digest-differs",)
