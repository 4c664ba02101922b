import base64
import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from seals import ofd
from seals.report import Outcome, Report, Verdict
from seals.sm2 import sm3
from tests.seals.office import NOW_S, OFFICE, SEAL, SM2, TRUST
from tests.seals.papers import (
    BUNDLE,
    MATERIALS,
    NOTICE,
    RECEIPT,
    RESULT,
    faces,
    laid,
    seal_digest,
    sealed_ofd,
)

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

REAL = Path(__file__).parents[3] / "shared" / "data" / "seals" / "signedFile.ofd"
NS = f"{{{ofd.NAMESPACE}}}"
PAGE = "Doc_0/Pages/Page_0/Content.xml"
SIGNATURE = "Doc_0/Signs/Sign_0/Signature.xml"
VALUE = "Doc_0/Signs/Sign_0/SignedValue.dat"
COPY = "Doc_0/Signs/Sign_0/Seal.esl"
Parts = dict[str, bytes]


def parts_of(data: bytes) -> Parts:
    with ZipFile(BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: Parts) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def changed(change: Callable[[Parts], object]) -> bytes:
    parts = parts_of(sealed_ofd())
    change(parts)
    return zipped(parts)


def verified(data: bytes) -> Report:
    (report,) = ofd.verify_ofd(data, sm2=SM2, trust=TRUST, at_s=NOW_S)
    return report


@pytest.mark.parametrize("facts", [RECEIPT, NOTICE, RESULT], ids=["receipt", "notice", "result"])
def test_a_sealed_paper_is_valid_in_every_step(facts: object) -> None:
    data = ofd.write_ofd(laid(facts), faces(), seal=SEAL, sign=seal_digest)  # type: ignore[arg-type]  # one of three
    report = verified(data)
    assert report.verdict is Verdict.VALID
    assert report.of == "ofd"
    assert [step.name for step in report.steps][:4] == [
        "ofd-references",
        "ofd-coverage",
        "ofd-place",
        "ofd-seal",
    ]
    read = ofd.read(data)
    assert read.evidence == BUNDLE
    assert read.signatures[0].seal == SEAL


def test_the_key_is_asked_once_for_the_digest_of_the_signature_part() -> None:
    asked: list[tuple[bytes, str]] = []

    def sign(digest: bytes, info: str) -> bytes:
        asked.append((digest, info))
        return seal_digest(digest, info)

    data = ofd.write_ofd(laid(), faces(), seal=SEAL, sign=sign)
    assert asked == [(sm3(parts_of(data)[SIGNATURE]), "/" + SIGNATURE)]


def test_the_same_paper_is_the_same_bytes() -> None:
    value = seal_digest(bytes(32), "x")
    first, second = (
        ofd.write_ofd(laid(), faces(), seal=SEAL, sign=lambda *_: value) for _ in range(2)
    )
    assert first == second


def test_an_altered_page_has_its_own_code() -> None:
    report = verified(
        changed(lambda it: it.update({PAGE: it[PAGE].replace("格桑".encode(), "桑格".encode())}))
    )
    assert report.codes == ("part-altered",)
    step = report.step("ofd-references")
    assert step is not None
    assert PAGE in step.detail


@pytest.mark.parametrize(
    "name",
    [
        "OFD.xml",
        "Doc_0/Document.xml",
        "Doc_0/PublicRes.xml",
        "Doc_0/Res/serif.ttf",
        "Doc_0/Attachs/evidence.bundle",
        "Doc_0/Attachs/Attachments.xml",
    ],
)
def test_every_part_is_covered(name: str) -> None:
    report = verified(changed(lambda it: it.update({name: it[name] + b"\n"})))
    assert report.codes == ("part-altered",)


def test_an_altered_signature_part_fails_the_digest_step() -> None:
    report = verified(
        changed(
            lambda it: it.update(
                {SIGNATURE: it[SIGNATURE].replace(b'Company="shouxin"', b'Company="someone"')}
            )
        )
    )
    step = report.step("digest")
    assert step is not None
    assert step.outcome is Outcome.FAILED
    assert report.codes == (step.code,)


def test_a_page_and_its_listed_digest_altered_together_still_fail() -> None:
    def change(parts: Parts) -> None:
        old = base64.b64encode(sm3(parts[PAGE]))
        parts[PAGE] = parts[PAGE].replace(b"028-12345", b"028-54321")
        parts[SIGNATURE] = parts[SIGNATURE].replace(old, base64.b64encode(sm3(parts[PAGE])))

    report = verified(changed(change))
    step = report.step("digest")
    assert step is not None
    assert report.codes == (step.code,)


def test_a_seal_file_that_is_not_the_signatures_seal_has_its_own_code() -> None:
    other = OFFICE.but(seal_until_s=NOW_S + 99).seal()
    report = verified(changed(lambda it: it.update({COPY: other})))
    assert report.codes == ("seal-differs",)
    one_byte = verified(changed(lambda it: it.update({COPY: it[COPY][:-1] + b"\x00"})))
    assert one_byte.codes == ("seal-differs",)


def test_a_part_that_is_not_covered_has_its_own_code() -> None:
    report = verified(changed(lambda it: it.update({"Doc_0/Annots/Annotations.xml": b"<x/>"})))
    assert report.codes == ("ofd-uncovered",)


def test_a_part_cannot_pass_as_a_part_of_another_signature() -> None:
    hidden = "Doc_0/Pages/Page_0/PageRes.xml"

    def change(parts: Parts) -> None:
        parts[hidden] = parts[VALUE]
        second = parts[SIGNATURE].replace(VALUE.encode(), hidden.encode())
        parts["Doc_0/Signs/Sign_1/Signature.xml"] = second
        parts["Doc_0/Signs/Signatures.xml"] = parts["Doc_0/Signs/Signatures.xml"].replace(
            b"</ofd:Signatures>",
            b'<ofd:Signature ID="2" BaseLoc="/Doc_0/Signs/Sign_1/Signature.xml"/></ofd:Signatures>',
        )

    first, second = ofd.verify_ofd(changed(change), sm2=SM2, trust=TRUST, at_s=NOW_S)
    assert first.codes == ("ofd-uncovered",)
    assert "ofd-uncovered" in second.codes


def test_a_missing_part_has_its_own_code() -> None:
    report = verified(changed(lambda it: it.pop("Doc_0/Res/serif.ttf")))
    assert report.codes == ("ofd-part-missing",)


def test_a_signature_made_for_another_place_has_its_own_code() -> None:
    report = verified(
        changed(
            lambda it: it.update({VALUE: seal_digest(sm3(it[SIGNATURE]), "/Doc_1/Signature.xml")})
        )
    )
    assert report.codes == ("ofd-place",)


def test_digests_by_another_name_are_read_and_by_another_method_refused() -> None:
    def renamed(method: bytes) -> Callable[[Parts], None]:
        def change(parts: Parts) -> None:
            parts[SIGNATURE] = parts[SIGNATURE].replace(
                b'CheckMethod="1.2.156.10197.1.401"', b'CheckMethod="' + method + b'"'
            )
            parts[VALUE] = seal_digest(sm3(parts[SIGNATURE]), "/" + SIGNATURE)

        return change

    assert verified(changed(renamed(b"SM3"))).verdict is Verdict.VALID
    assert verified(changed(renamed(b"MD5"))).codes == ("ofd-method",)


def test_a_signed_value_that_cannot_be_read_fails_at_its_form() -> None:
    report = verified(changed(lambda it: it.update({VALUE: it[VALUE][:100]})))
    step = report.step("form")
    assert step is not None
    assert step.outcome is Outcome.FAILED
    assert report.verdict is Verdict.INVALID


def test_a_file_without_signatures_has_no_report() -> None:
    def change(parts: Parts) -> None:
        parts["OFD.xml"] = parts["OFD.xml"].replace(
            b"<ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures>", b""
        )

    assert ofd.verify_ofd(changed(change), sm2=SM2, trust=TRUST, at_s=NOW_S) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda it: it.pop("OFD.xml"), "ofd-part-missing"),
        (lambda it: it.pop("Doc_0/Document.xml"), "ofd-part-missing"),
        (lambda it: it.pop(VALUE), "ofd-part-missing"),
        (lambda it: it.pop(COPY), "ofd-part-missing"),
        (lambda it: it.update({"OFD.xml": b"<x"}), "ofd-form"),
        (lambda it: it.update({"OFD.xml": b"\xff\xfe<\x00x\x00/\x00>\x00"}), "ofd-form"),
        (
            lambda it: it.update(
                {"OFD.xml": b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + it["OFD.xml"][38:]}
            ),
            "ofd-form",
        ),
        (lambda it: it.update({"../outside": b"x"}), "ofd-form"),
        (lambda it: it.update({"a//b": b"x"}), "ofd-form"),
        (
            lambda it: it.update(
                {"OFD.xml": it["OFD.xml"].replace(b"Doc_0/Document.xml", b"../../etc")}
            ),
            "ofd-form",
        ),
        (
            lambda it: it.update(
                {SIGNATURE: it[SIGNATURE].replace(b"<ofd:CheckValue>", b"<ofd:CheckValue>*")}
            ),
            "ofd-form",
        ),
        (
            lambda it: it.update(
                {SIGNATURE: it[SIGNATURE].replace(b"/Doc_0/PublicRes.xml", b"/OFD.xml")}
            ),
            "ofd-form",
        ),
        (
            lambda it: it.update(
                {SIGNATURE: it[SIGNATURE].replace(b"SignedValue>", b"SignedValues>")}
            ),
            "ofd-form",
        ),
        (
            lambda it: it.update(
                {SIGNATURE: it[SIGNATURE].replace(b"ofd:References", b"ofd:Referencez")}
            ),
            "ofd-form",
        ),
    ],
)
def test_a_broken_container_is_refused(change: Callable[[Parts], object], code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        ofd.read(changed(change))
    assert caught.value.code == code


def test_two_parts_of_one_name_are_refused() -> None:
    out = BytesIO(sealed_ofd())
    with ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(ZipInfo(PAGE), b"another page")
    with pytest.raises(MalformedError) as caught:
        ofd.read(out.getvalue())
    assert caught.value.code == "ofd-form"


def test_a_file_that_grows_too_large_is_refused_before_it_is_kept() -> None:
    bomb = changed(lambda it: it.update({"Doc_0/zeros": bytes(ofd.PART_BYTES_MAX + 1)}))
    assert len(bomb) < 300_000
    with pytest.raises(MalformedError) as caught:
        ofd.read(bomb)
    assert caught.value.code == "ofd-too-long"
    with pytest.raises(MalformedError) as caught:
        ofd.read(bytes(ofd.FILE_BYTES_MAX + 1))
    assert caught.value.code == "ofd-too-long"
    with pytest.raises(MalformedError) as caught:
        ofd.read(changed(lambda it: it.update({f"x{n}": b"" for n in range(ofd.PARTS_MAX)})))
    assert caught.value.code == "ofd-too-long"


@given(st.binary(max_size=400))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        ofd.read(data)


@given(st.data())
def test_a_flipped_bit_is_found_unless_it_is_only_in_the_zips_own_words(
    data: st.DataObject,
) -> None:
    raw = bytearray(sealed_ofd())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        reports = ofd.verify_ofd(bytes(raw), sm2=SM2, trust=TRUST, at_s=NOW_S)
    except MalformedError:
        return
    if parts_of(bytes(raw)) != parts_of(sealed_ofd()):
        assert all(report.verdict is Verdict.INVALID for report in reports)


@given(st.sampled_from([SIGNATURE, VALUE, COPY, "OFD.xml", "Doc_0/Document.xml", PAGE]), st.data())
def test_a_flipped_bit_in_any_part_is_found(name: str, data: st.DataObject) -> None:
    parts = parts_of(sealed_ofd())
    content = bytearray(parts[name])
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    parts[name] = bytes(content)
    try:
        reports = ofd.verify_ofd(zipped(parts), sm2=SM2, trust=TRUST, at_s=NOW_S)
    except MalformedError:
        return
    # A flip in OFD.xml may hide the list of signatures: then there is no seal to speak of.
    assert all(report.verdict is Verdict.INVALID for report in reports)


# ---- the written file against the schema ---------------------------------------------------------

# Element: (attributes that must stand, attributes that may, children in order). Facts of the schema
# of GB/T 33190, for the elements that we write.
SCHEMA: dict[str, tuple[set[str], set[str], list[str]]] = {
    "OFD": ({"Version", "DocType"}, set(), ["DocBody"]),
    "DocBody": (set(), set(), ["DocInfo", "DocRoot", "Versions", "Signatures"]),
    "DocInfo": (
        set(),
        set(),
        ["DocID", "Title", "Author", "Subject", "CreationDate", "ModDate", "Creator"],
    ),
    "Document": (
        set(),
        set(),
        ["CommonData", "Pages", "Outlines", "Permissions", "Annotations", "Attachments"],
    ),
    "CommonData": (set(), set(), ["MaxUnitID", "PageArea", "PublicRes", "DocumentRes"]),
    "PageArea": (set(), set(), ["PhysicalBox"]),
    "Area": (set(), set(), ["PhysicalBox"]),
    "Pages": (set(), set(), ["Page"]),
    "Res": ({"BaseLoc"}, set(), ["Fonts"]),
    "Fonts": (set(), set(), ["Font"]),
    "Font": ({"ID", "FontName"}, {"FamilyName"}, ["FontFile"]),
    "Attachments": (set(), set(), ["Attachment"]),
    "Attachment": ({"ID", "Name"}, {"Format", "CreationDate", "Size", "Visible"}, ["FileLoc"]),
    "Content": (set(), set(), ["Layer"]),
    "Layer": ({"ID"}, {"Type"}, ["PathObject", "TextObject"]),
    "PathObject": (
        {"ID", "Boundary"},
        {"LineWidth", "Stroke", "Fill"},
        ["StrokeColor", "FillColor", "AbbreviatedData"],
    ),
    "TextObject": ({"ID", "Boundary", "Font", "Size"}, set(), ["FillColor", "TextCode"]),
    "StrokeColor": ({"Value"}, set(), []),
    "FillColor": ({"Value"}, set(), []),
    "TextCode": ({"X", "Y"}, {"DeltaX"}, []),
    "Signatures": (set(), set(), ["MaxSignId", "Signature"]),
    "SignedInfo": (
        set(),
        set(),
        [
            "Provider",
            "SignatureMethod",
            "SignatureDateTime",
            "References",
            "StampAnnot",
            "Seal",
        ],
    ),
    "Provider": ({"ProviderName"}, {"Version", "Company"}, []),
    "References": ({"CheckMethod"}, set(), ["Reference"]),
    "Reference": ({"FileRef"}, set(), ["CheckValue"]),
    "StampAnnot": ({"ID", "PageRef", "Boundary"}, set(), []),
    "Seal": (set(), set(), ["BaseLoc"]),
}


def check_element(element: "ET.Element[str]", parent: str) -> None:
    name = element.tag.removeprefix(NS)
    assert element.tag.startswith(NS)
    if name == "Page" and parent == "Pages":
        assert set(element.attrib) == {"ID", "BaseLoc"}
        return
    if name == "Signature" and parent == "Signatures":
        assert {"ID", "BaseLoc"} <= set(element.attrib) <= {"ID", "BaseLoc", "Type"}
        return
    if name in {"Page", "Signature"}:
        order = {"Page": ["Area", "Content"], "Signature": ["SignedInfo", "SignedValue"]}[name]
        must, may = set[str](), set[str]()
    else:
        must, may, order = SCHEMA.get(name, (set(), set(), []))
    assert must <= set(element.attrib) <= must | may, name
    places = [order.index(child.tag.removeprefix(NS)) for child in element]
    assert places == sorted(places), name
    for child in element:
        check_element(child, name)


@pytest.mark.parametrize("materials", [MATERIALS, MATERIALS * 20], ids=["one", "many"])
def test_the_written_file_follows_the_schema(materials: object) -> None:
    facts = replace(RECEIPT, materials=materials)  # type: ignore[arg-type]  # parametrized
    paper = laid(facts)
    parts = parts_of(ofd.write_ofd(paper, faces(), seal=SEAL, sign=seal_digest))
    roots = {name: ofd._xml(parts, name) for name in parts if name.endswith(".xml")}
    for root in roots.values():
        check_element(root, "")

    document = roots["Doc_0/Document.xml"]
    unit_max = int(document.findtext(f"{NS}CommonData/{NS}MaxUnitID", ""))
    pages = [page.attrib for page in document.iter(f"{NS}Page")]
    assert len(pages) == len(paper.sheets)
    numbers = [int(page["ID"]) for page in pages]
    fonts = [int(font.attrib["ID"]) for font in roots["Doc_0/PublicRes.xml"].iter(f"{NS}Font")]
    numbers += fonts
    for page in pages:
        content = roots[f"Doc_0/{page['BaseLoc']}"]
        numbers += [int(one.attrib["ID"]) for one in content.iter() if "ID" in one.attrib]
        for text in content.iter(f"{NS}TextObject"):
            assert int(text.attrib["Font"]) in fonts
            code = text.find(f"{NS}TextCode")
            assert code is not None
            assert code.text is not None
            assert spread(code.attrib.get("DeltaX", "")) == len(code.text) - 1
    assert len(numbers) == len(set(numbers))
    assert max(numbers) == unit_max
    for font in roots["Doc_0/PublicRes.xml"].iter(f"{NS}FontFile"):
        assert f"Doc_0/Res/{font.text}" in parts
    stamp = roots[SIGNATURE].find(f"{NS}SignedInfo/{NS}StampAnnot")
    assert stamp is not None
    assert stamp.attrib["PageRef"] == pages[-1]["ID"]
    assert stamp.attrib["Boundary"].endswith(" 42 42")


def spread(delta: str) -> int:
    """How many advances a DeltaX writes."""
    words, count = delta.split(), 0
    while words:
        if words[0] == "g":
            count += int(words[1])
            words = words[3:]
        else:
            count += 1
            words = words[1:]
    return count


@pytest.mark.skipif(not REAL.exists(), reason=f"no real sealed file at {REAL}")
class TestRealFile:
    def test_a_real_tax_invoice_holds_but_for_its_unknown_root(self) -> None:
        (report,) = ofd.verify_ofd(REAL.read_bytes(), sm2=SM2, trust=TRUST, at_s=NOW_S)
        assert set(report.codes) <= {"no-issuer"}
        for name in ("ofd-references", "ofd-coverage", "ofd-place", "ofd-seal", "digest"):
            step = report.step(name)
            assert step is not None
            assert step.outcome is Outcome.PASSED
        read = ofd.read(REAL.read_bytes())
        assert read.signatures[0].seal is None
        assert list(read.attachments) == ["original_invoice.xml"] or read.attachments

    def test_a_real_invoice_with_another_sum_is_found(self) -> None:
        parts = parts_of(REAL.read_bytes())
        page = parts[PAGE]
        assert b"198.04" in page
        parts[PAGE] = page.replace(b"198.04", b"998.04")
        (report,) = ofd.verify_ofd(zipped(parts), sm2=SM2, trust=TRUST, at_s=NOW_S)
        assert "part-altered" in report.codes


def test_two_attachments_of_one_name_are_refused() -> None:
    place = "Doc_0/Attachs/Attachments.xml"

    def twice(parts: Parts) -> None:
        found = re.search(rb"<ofd:Attachment .*?</ofd:Attachment>", parts[place], re.DOTALL)
        assert found is not None
        parts[place] = parts[place].replace(found[0], found[0] * 2)

    with pytest.raises(MalformedError) as caught:
        ofd.read(changed(twice))
    assert caught.value.code == "ofd-form"
