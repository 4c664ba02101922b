"""Sealed papers as OFD: written, sealed, read back and checked.

An OFD file is a zip of XML parts. Its seal is a folder ``Signs/Sign_n``: ``Signature.xml`` lists
the other parts with their SM3, ``SignedValue.dat`` is the SES_Signature over the SM3 of
``Signature.xml``, and ``Seal.esl`` is a copy of the seal inside that signature.

What is not done here: only what a paper needs is written (text, rules, bars, two fonts,
attachments). A foreign file is read for its signatures and attachments, not for its looks.

Source: GB/T 33190-2016, chapter 18 for signatures; GB/T 38540-2020.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from ledger.errors import LedgerError, MalformedError
from seals.documents import BEIJING, EVIDENCE_NAME
from seals.drawing import Font
from seals.report import Report, Step
from seals.ses import decode_signature
from seals.sheets import PAGE_MM, Face, Faces, LaidOut, Sheet, Text
from seals.sm2 import OID_SIGN, OID_SM3, SM2, sm3
from seals.trust import Trust
from seals.verify import verify_signature

NAMESPACE: Final = "http://www.ofdspec.org/2016"
FILE_BYTES_MAX: Final = 32 * 1024 * 1024
PART_BYTES_MAX: Final = 16 * 1024 * 1024
PARTS_MAX: Final = 2_000
DEPTH_MAX: Final = 64

_NS: Final = f"{{{NAMESPACE}}}"
_SIGNATURE: Final = "Doc_0/Signs/Sign_0/Signature.xml"
PROPERTY_INFO: Final = f"/{_SIGNATURE}"
_FONT_IDS: Final[Mapping[Face, int]] = {"serif": 1, "sans": 2}
# Writers of OFD name the digest by its arc, by the hash-only arc under it, or by its name.
_SM3_NAMES: Final = frozenset({OID_SM3, f"{OID_SM3}.1", "SM3", "sm3"})


# ---- writing ------------------------------------------------------------------------------------


def write_ofd(
    paper: LaidOut, faces: Faces, *, seal: bytes, sign: Callable[[bytes, str], bytes]
) -> bytes:
    """Return the paper as a sealed OFD file.

    Args:
        paper: What is written.
        faces: What it is set in.
        seal: DER SESeal, whose picture readers show at the paper's seal place.
        sign: Takes the SM3 to be sealed and the property info, and returns a DER SES_Signature
            made with ``seal``. It is called once.

    Raises:
        MalformedError: ``glyph-missing``.
    """
    return seal_ofd(prepare_ofd(paper, faces), paper, seal=seal, sign=sign)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An OFD before it is sealed: its parts, and the list of them that the seal will cover.

    Args:
        parts: All that the list names.
        signature: ``Signature.xml``, whose SM3 is what the seal signs.
    """

    parts: Mapping[str, bytes]
    signature: bytes

    @property
    def digest(self) -> bytes:
        """What the seal signs."""
        return sm3(self.signature)


def prepare_ofd(paper: LaidOut, faces: Faces) -> Prepared:
    """Return what there is of an OFD before it is sealed, the same each time.

    Raises:
        MalformedError: ``glyph-missing``.
    """
    parts = _parts(paper, faces)
    return Prepared(parts, _signature_xml(paper, parts))


def seal_ofd(
    prepared: Prepared, paper: LaidOut, *, seal: bytes, sign: Callable[[bytes, str], bytes]
) -> bytes:
    """Return the sealed file; the arguments are those of ``write_ofd``."""
    parts = {
        **prepared.parts,
        "Doc_0/Signs/Signatures.xml": _part(
            "Signatures",
            "<ofd:MaxSignId>1</ofd:MaxSignId>"
            f'<ofd:Signature ID="1" Type="Seal" BaseLoc="{PROPERTY_INFO}"/>',
        ),
        _SIGNATURE: prepared.signature,
        "Doc_0/Signs/Sign_0/Seal.esl": seal,
        "Doc_0/Signs/Sign_0/SignedValue.dat": sign(prepared.digest, PROPERTY_INFO),
    }
    return _zip(paper, parts)


def _zip(paper: LaidOut, parts: Mapping[str, bytes]) -> bytes:
    at = paper.created.astimezone(BEIJING)
    when = (at.year, at.month, at.day, at.hour, at.minute, at.second)
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for name, content in parts.items():
            entry = ZipInfo(name, when)
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, content, compresslevel=6)
    return out.getvalue()


def _part(name: str, inside: str, attributes: str = "") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ofd:{name} xmlns:ofd="{NAMESPACE}"{attributes}>{inside}</ofd:{name}>'
    ).encode()


def _parts(paper: LaidOut, faces: Faces) -> dict[str, bytes]:
    """Return all parts but the signature's, in the order in which they are written."""
    number = _Numbers()
    pages = [
        (number.next(), f"Pages/Page_{index}/Content.xml") for index in range(len(paper.sheets))
    ]
    contents = [_page(sheet, faces, number) for sheet in paper.sheets]
    fonts = {face: faces.of(face) for face in _FONT_IDS if paper.characters(face)}
    width, height = PAGE_MM
    attachment = f"Attachs/{EVIDENCE_NAME}"
    document = hashlib.sha256(paper.proof.digest + paper.title.encode()).hexdigest()[:32]
    parts = {
        "OFD.xml": _part(
            "OFD",
            f"<ofd:DocBody><ofd:DocInfo><ofd:DocID>{document}</ofd:DocID>"
            f"<ofd:Title>{escape(paper.title)}</ofd:Title>"
            f"<ofd:Author>{escape(paper.issuer)}</ofd:Author>"
            f"<ofd:CreationDate>{paper.created.astimezone(BEIJING):%Y-%m-%d}</ofd:CreationDate>"
            "<ofd:Creator>Shouxin</ofd:Creator></ofd:DocInfo>"
            "<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot>"
            "<ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures></ofd:DocBody>",
            ' Version="1.1" DocType="OFD"',
        ),
        "Doc_0/Document.xml": _part(
            "Document",
            f"<ofd:CommonData><ofd:MaxUnitID>{number.last}</ofd:MaxUnitID><ofd:PageArea>"
            f"<ofd:PhysicalBox>0 0 {width:g} {height:g}</ofd:PhysicalBox></ofd:PageArea>"
            "<ofd:PublicRes>PublicRes.xml</ofd:PublicRes></ofd:CommonData><ofd:Pages>"
            + "".join(f'<ofd:Page ID="{page}" BaseLoc="{place}"/>' for page, place in pages)
            + "</ofd:Pages><ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments>",
        ),
        "Doc_0/PublicRes.xml": _part(
            "Res",
            "<ofd:Fonts>"
            + "".join(
                f'<ofd:Font ID="{_FONT_IDS[face]}" FontName={quoteattr(font.name)}>'
                f"<ofd:FontFile>{face}.ttf</ofd:FontFile></ofd:Font>"
                for face, font in fonts.items()
            )
            + "</ofd:Fonts>",
            ' BaseLoc="Res"',
        ),
    }
    for face, font in fonts.items():
        parts[f"Doc_0/Res/{face}.ttf"] = font.cut(paper.characters(face))
    for (_, place), content in zip(pages, contents, strict=True):
        parts[f"Doc_0/{place}"] = content
    kilobytes = len(paper.proof.bundle) / 1024
    parts["Doc_0/Attachs/Attachments.xml"] = _part(
        "Attachments",
        f'<ofd:Attachment ID="1" Name="{EVIDENCE_NAME}" Format="bundle" '
        f'CreationDate="{paper.created.astimezone(BEIJING):%Y-%m-%dT%H:%M:%S}" '
        f'Size="{kilobytes:.3f}" Visible="true"><ofd:FileLoc>/Doc_0/{attachment}</ofd:FileLoc>'
        "</ofd:Attachment>",
    )
    parts[f"Doc_0/{attachment}"] = paper.proof.bundle
    return parts


class _Numbers:
    """Gives each object of the file a number of its own; those of the fonts come first."""

    def __init__(self) -> None:
        self.last = max(_FONT_IDS.values())

    def next(self) -> int:
        self.last += 1
        return self.last


def _page(sheet: Sheet, faces: Faces, number: _Numbers) -> bytes:
    layer = number.next()
    width, height = PAGE_MM
    page = f"0 0 {width:g} {height:g}"
    objects = [
        f'<ofd:PathObject ID="{number.next()}" Boundary="{page}" LineWidth="{rule.width:g}">'
        f'<ofd:StrokeColor Value="{rule.grey} {rule.grey} {rule.grey}"/>'
        f"<ofd:AbbreviatedData>M {_mm(rule.x)} {_mm(rule.y)} L {_mm(rule.to_x)} {_mm(rule.to_y)}"
        "</ofd:AbbreviatedData></ofd:PathObject>"
        for rule in sheet.rules
    ]
    if sheet.bars:
        bars = " ".join(
            f"M {_mm(bar.x)} {_mm(bar.y)} L {_mm(bar.x + bar.width)} {_mm(bar.y)} "
            f"L {_mm(bar.x + bar.width)} {_mm(bar.y + bar.height)} "
            f"L {_mm(bar.x)} {_mm(bar.y + bar.height)} C"
            for bar in sheet.bars
        )
        objects.append(
            f'<ofd:PathObject ID="{number.next()}" Boundary="{page}" Stroke="false" Fill="true">'
            f'<ofd:FillColor Value="0 0 0"/><ofd:AbbreviatedData>{bars}</ofd:AbbreviatedData>'
            "</ofd:PathObject>"
        )
    objects += [_text(text, faces.of(text.face), number.next()) for text in sheet.texts]
    return _part(
        "Page",
        f"<ofd:Area><ofd:PhysicalBox>{page}</ofd:PhysicalBox></ofd:Area><ofd:Content>"
        f'<ofd:Layer ID="{layer}" Type="Body">{"".join(objects)}</ofd:Layer></ofd:Content>',
    )


def _text(text: Text, font: Font, number: int) -> str:
    advances = [_mm(font.outline(character).advance * text.size) for character in text.text]
    # A run of equal advances is written once, as "g <count> <advance>".
    runs = [(advance, len(list(run))) for advance, run in groupby(advances[:-1])]
    delta = " ".join(advance if count == 1 else f"g {count} {advance}" for advance, count in runs)
    # The boundary starts a little to the left, for strokes that reach over their place.
    above = 0.95 * text.size
    width = font.width(text.text) * text.size + text.size
    return (
        f'<ofd:TextObject ID="{number}" Boundary="{_mm(text.x)} {_mm(text.y - above)} '
        f'{_mm(width)} {_mm(1.3 * text.size)}" Font="{_FONT_IDS[text.face]}" '
        f'Size="{_mm(text.size)}"><ofd:FillColor Value="{text.grey} {text.grey} {text.grey}"/>'
        f'<ofd:TextCode X="0" Y="{_mm(above)}"'
        + (f' DeltaX="{delta}"' if delta else "")
        + f">{escape(text.text)}</ofd:TextCode></ofd:TextObject>"
    )


def _mm(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _signature_xml(paper: LaidOut, parts: Mapping[str, bytes]) -> bytes:
    left, top = paper.seal_at
    pages = len(paper.sheets)
    page = max(_FONT_IDS.values()) + pages  # the last sheet's, numbered right after the fonts
    references = "".join(
        f"<ofd:Reference FileRef={quoteattr('/' + name)}><ofd:CheckValue>"
        f"{base64.b64encode(sm3(content)).decode()}</ofd:CheckValue></ofd:Reference>"
        for name, content in parts.items()
    )
    return _part(
        "Signature",
        '<ofd:SignedInfo><ofd:Provider ProviderName="shouxin" Version="1.0" Company="shouxin"/>'
        f"<ofd:SignatureMethod>{OID_SIGN}</ofd:SignatureMethod>"
        f"<ofd:SignatureDateTime>{paper.created:%Y%m%d%H%M%SZ}</ofd:SignatureDateTime>"
        f'<ofd:References CheckMethod="{OID_SM3}">{references}</ofd:References>'
        f'<ofd:StampAnnot ID="1" PageRef="{page}" Boundary="{_mm(left)} {_mm(top)} '
        f'{_mm(paper.seal.width_mm)} {_mm(paper.seal.height_mm)}"/>'
        "<ofd:Seal><ofd:BaseLoc>/Doc_0/Signs/Sign_0/Seal.esl</ofd:BaseLoc></ofd:Seal>"
        "</ofd:SignedInfo><ofd:SignedValue>/Doc_0/Signs/Sign_0/SignedValue.dat</ofd:SignedValue>",
    )


# ---- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OFDSignature:
    """One signature of an OFD file, nothing of it verified.

    Args:
        place: Where its ``Signature.xml`` lies in the file.
        digest: SM3 of ``Signature.xml``, as the SES_Signature names it.
        method: The digest of its references, as written.
        references: Digest by part, as ``Signature.xml`` lists them.
        ses: DER SES_Signature.
        seal: ``Seal.esl``; None if the file has none, as the standard allows.
    """

    place: str
    digest: bytes
    method: str
    references: Mapping[str, bytes]
    ses: bytes
    seal: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedOFD:
    """What an OFD file holds, nothing of it verified.

    Args:
        digest: SHA-256 of the file, as seal uses on the ledger name it.
        parts: All parts by name.
        attachments: Attached files by name.
        signatures: Its signatures, in their order.
        signing_parts: The parts that signatures are made of, which none need cover.
    """

    digest: bytes
    parts: Mapping[str, bytes]
    attachments: Mapping[str, bytes]
    signatures: tuple[OFDSignature, ...]
    signing_parts: frozenset[str]

    @property
    def evidence(self) -> bytes | None:
        """The evidence bundle; None if the file carries none."""
        return self.attachments.get(EVIDENCE_NAME)


def read(data: bytes) -> SealedOFD:
    """Read an OFD file.

    Raises:
        MalformedError: ``ofd-form``, ``ofd-part-missing`` or ``ofd-too-long``.
    """
    parts = _unzip(data)
    root = _xml(parts, "OFD.xml")
    attachments: dict[str, bytes] = {}
    signatures: list[OFDSignature] = []
    signing: set[str] = set()
    for body in root.iter(f"{_NS}DocBody"):
        place = _place("OFD.xml", _said(body, "DocRoot"))
        document = _xml(parts, place)
        listed = document.findtext(f"{_NS}Attachments")
        if listed:
            attachments |= _attachments(parts, _place(place, listed))
        listed = body.findtext(f"{_NS}Signatures")
        if listed:
            index = _place("OFD.xml", listed)
            signing.add(index)
            for entry in _xml(parts, index).iter(f"{_NS}Signature"):
                signature, used = _signature(parts, _place(index, entry.get("BaseLoc", "")))
                signatures.append(signature)
                # Only what lies among the signatures may pass as a part of one and go uncovered.
                folder = index.rpartition("/")[0] + "/"
                signing |= {part for part in used if part.startswith(folder)}
    return SealedOFD(
        digest=hashlib.sha256(data).digest(),
        parts=parts,
        attachments=attachments,
        signatures=tuple(signatures),
        signing_parts=frozenset(signing),
    )


def _signature(parts: Mapping[str, bytes], place: str) -> tuple[OFDSignature, set[str]]:
    """Return a signature and the parts that make it up."""
    root = _xml(parts, place)
    listed = root.find(f"{_NS}SignedInfo/{_NS}References")
    if listed is None:
        raise MalformedError(f"a signature lists what it covers: {place}", code="ofd-form")
    references: dict[str, bytes] = {}
    for reference in listed.iter(f"{_NS}Reference"):
        name = _place(place, reference.get("FileRef", ""))
        if name in references:
            raise MalformedError(f"a part is listed twice: {name}", code="ofd-form")
        try:
            references[name] = base64.b64decode(
                "".join(_said(reference, "CheckValue").split()), validate=True
            )
        except (ValueError, binascii.Error) as error:
            raise MalformedError(f"a digest is not base64: {name}", code="ofd-form") from error
    value = _place(place, _said(root, "SignedValue"))
    used = {place, value}
    copy = root.findtext(f"{_NS}SignedInfo/{_NS}Seal/{_NS}BaseLoc")
    seal = None
    if copy:
        used.add(_place(place, copy))
        seal = _content(parts, _place(place, copy))
    else:
        # Some writers lay the copy beside the signature and do not name it.
        beside = f"{place.rpartition('/')[0]}/Seal.esl"
        if beside in parts:
            used.add(beside)
            seal = parts[beside]
    signature = OFDSignature(
        place=place,
        digest=sm3(parts[place]),
        method=listed.get("CheckMethod", ""),
        references=references,
        ses=_content(parts, value),
        seal=seal,
    )
    return signature, used


def _attachments(parts: Mapping[str, bytes], place: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in _xml(parts, place).iter(f"{_NS}Attachment"):
        name = entry.get("Name", "")
        if name in found:
            raise MalformedError(f"two attachments are called {name!r}", code="ofd-form")
        found[name] = _content(parts, _place(place, _said(entry, "FileLoc")))
    return found


def _said(element: "ET.Element[str]", name: str) -> str:
    text = element.findtext(f"{_NS}{name}")
    if not text:
        raise MalformedError(f"{element.tag} lacks its {name}", code="ofd-form")
    return text.strip()


def _place(base: str, said: str) -> str:
    """Return the part that a place means: from the root, or from where it is said."""
    steps = [] if said.startswith("/") else base.split("/")[:-1]
    for step in said.strip().split("/"):
        if step == "..":
            if not steps:
                raise MalformedError(f"a place outside the file: {said!r}", code="ofd-form")
            steps.pop()
        elif step not in {"", "."}:
            steps.append(step)
    return "/".join(steps)


def _content(parts: Mapping[str, bytes], place: str) -> bytes:
    content = parts.get(place)
    if content is None:
        raise MalformedError(f"the file lacks {place!r}", code="ofd-part-missing")
    return content


def _unzip(data: bytes) -> dict[str, bytes]:
    if len(data) > FILE_BYTES_MAX:
        raise MalformedError(f"an OFD has at most {FILE_BYTES_MAX} bytes", code="ofd-too-long")
    parts: dict[str, bytes] = {}
    room = FILE_BYTES_MAX * 2
    try:
        with ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > PARTS_MAX:
                raise MalformedError(f"more than {PARTS_MAX} parts", code="ofd-too-long")
            for entry in entries:
                if entry.is_dir():
                    continue
                name = entry.filename
                # Two parts of one name, and a name that leaves the file, read differently in
                # different readers.
                if name in parts or _place("", name) != name or "\\" in name:
                    raise MalformedError(f"a part may not be called {name!r}", code="ofd-form")
                with archive.open(entry) as stream:
                    content = stream.read(PART_BYTES_MAX + 1)
                room -= len(content)
                if len(content) > PART_BYTES_MAX or room < 0:
                    raise MalformedError(f"a part is too long: {name!r}", code="ofd-too-long")
                parts[name] = content
    except LedgerError:
        raise
    except (
        BadZipFile,
        zlib.error,
        ValueError,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,  # an encrypted part
    ) as error:
        raise MalformedError("not a zip file that we read", code="ofd-form") from error
    return parts


def _xml(parts: Mapping[str, bytes], place: str) -> "ET.Element[str]":
    """Return the root of an XML part.

    Only a document type could make a parser fetch or grow something; OFD has none, so one is
    refused before the parser sees it. As text, the part has one encoding and cannot hide it.
    """
    content = _content(parts, place)
    try:
        text = content.decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise MalformedError(f"a document type in {place}", code="ofd-form")
        return ET.fromstring(text)  # noqa: S314  # the docstring says why this is safe
    except (ET.ParseError, ValueError) as error:
        raise MalformedError(f"not XML: {place}", code="ofd-form") from error


# ---- checking -----------------------------------------------------------------------------------


def verify_ofd(data: bytes, *, sm2: SM2, trust: Trust, at_s: int) -> list[Report]:
    """Check every signature of an OFD file, and say what was found.

    The container's own steps: ``ofd-references`` (each part listed is there and unchanged),
    ``ofd-coverage`` (no part is left out), ``ofd-place`` (the signature was made for this place)
    and ``ofd-seal`` (``Seal.esl`` is the seal of the signature, byte for byte). A changed
    ``Signature.xml`` fails the standard's own step on the original's digest.

    Returns:
        One report for each signature; none for a file without any.

    Raises:
        MalformedError: ``ofd-form``, ``ofd-part-missing`` or ``ofd-too-long``.
    """
    sealed = read(data)
    return [
        verify_signature(
            signature.ses, sm2=sm2, trust=trust, at_s=at_s, original_digest=signature.digest
        ).extended(_steps(sealed, signature), of="ofd")
        for signature in sealed.signatures
    ]


def _steps(sealed: SealedOFD, signature: OFDSignature) -> Iterator[Step]:
    yield _check_references(sealed, signature)
    left = sorted(set(sealed.parts) - set(signature.references) - sealed.signing_parts)
    yield (
        Step.failed("ofd-coverage", "ofd-uncovered", f"not covered: {', '.join(left[:5])}")
        if left
        else Step.passed("ofd-coverage")
    )
    try:
        embedded = decode_signature(signature.ses)
    except LedgerError:
        return  # the standard's first step tells what is wrong with it
    said = embedded.property_info
    if _place("", said) == signature.place:
        yield Step.passed("ofd-place")
    else:
        yield Step.failed("ofd-place", "ofd-place", f"the signature was made for {said}")
    if signature.seal is None:
        yield Step.passed("ofd-seal", "the file has no copy of the seal, which the standard allows")
    elif signature.seal == embedded.seal.raw:
        yield Step.passed("ofd-seal")
    else:
        yield Step.failed("ofd-seal", "seal-differs", "Seal.esl is not the signature's seal")


def _check_references(sealed: SealedOFD, signature: OFDSignature) -> Step:
    name = "ofd-references"
    if signature.method not in _SM3_NAMES:
        return Step.failed(name, "ofd-method", f"digests are not SM3: {signature.method!r}")
    for place, digest in signature.references.items():
        content = sealed.parts.get(place)
        if content is None:
            return Step.failed(name, "ofd-part-missing", f"the file lacks {place}")
        if sm3(content) != digest:
            return Step.failed(name, "part-altered", f"changed after sealing: {place}")
    return Step.passed(name)
