"""Sealed papers as PDF: written, sealed, read back and checked.

A sealed PDF has two revisions. The first is the paper with its fonts and the evidence bundle as an
attachment. The second adds the visible seal, which is a signature field, and under it a PAdES
signature (P-256 or RSA) over every byte but its own, so that any viewer can check the file. The
second may also bring the electronic seal's SES_Signature over the first revision, attached as
``seal.der``; otherwise an SES_Signature over the finished file lies beside it or on the ledger.

The key never enters this module: a ``PaperKey`` signs behind its own port. Nothing here asks a
network or a clock.

Source: ISO 32000-2 section 12.8; ETSI EN 319 142-1; GB/T 38540-2020.
"""

import hashlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final, Protocol, TypeVar

from asn1crypto import x509
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.embed import EmbeddedFileObject, FileSpec, embed_file
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import BoxConstraints, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, Signer
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ledger.errors import LedgerError, MalformedError
from seals.documents import EVIDENCE_NAME, PAGE_MM, Face, Faces, LaidOut
from seals.drawing import POINTS_PER_MM
from seals.sm2 import SM2, sm3
from seals.trust import Trust
from seals.verify import Report, Step, verify_signature

SEAL_NAME: Final = "seal.der"
FILE_BYTES_MAX: Final = 32 * 1024 * 1024
ATTACHMENT_BYTES_MAX: Final = 16 * 1024 * 1024
_SIGNATURE_BYTES: Final = 6_144  # room for the CMS signature and its certificates, before hex
_FIELD: Final = "Seal1"
_T = TypeVar("_T")


class PaperKey(Protocol):
    """Signs PDF files: a P-256 or RSA key, in a file, a module or a service.

    ``sign`` takes the bytes to be signed, hashes them with SHA-256, and returns an ECDSA signature
    as DER or an RSA signature by PKCS #1 version 1.5, as its certificate says.
    """

    @property
    def certificate(self) -> bytes:
        """DER of the key's certificate."""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER of the certificates that lead to the anchor, nearest first."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``."""


# ---- writing ------------------------------------------------------------------------------------


def write_pdf(paper: LaidOut, faces: Faces) -> bytes:
    """Return the paper as an unsealed PDF with its evidence attached, the same bytes each time.

    Raises:
        MalformedError: ``glyph-missing``.
    """
    pdf = FPDF(unit="mm", format="A4")
    pdf.set_creation_date(paper.created)
    pdf.set_auto_page_break(auto=False)
    pdf.set_margin(0)
    pdf.set_title(paper.title)
    pdf.set_author(paper.issuer)
    pdf.set_lang("zh-CN")
    pdf.set_producer("Shouxin")
    names: tuple[Face, ...] = ("serif", "sans")
    for name in names:
        characters = paper.characters(name)
        if characters:
            # add_font() wants a file's name; the class under it takes any open file.
            source: Any = BytesIO(faces.of(name).cut(characters))
            pdf.fonts[name] = TTFFont(pdf, source, name, "")
    for sheet in paper.sheets:
        pdf.add_page()
        for rule in sheet.rules:
            pdf.set_draw_color(rule.grey)
            pdf.set_line_width(rule.width)
            pdf.line(rule.x, rule.y, rule.to_x, rule.to_y)
        pdf.set_fill_color(0)
        for bar in sheet.bars:
            pdf.rect(bar.x, bar.y, bar.width, bar.height, style="F")
        for text in sheet.texts:
            pdf.set_text_color(text.grey)
            pdf.set_font(text.face, size=text.size * POINTS_PER_MM)
            pdf.text(text.x, text.y, text.text)
    pdf.embed_file(
        bytes=paper.proof.bundle,
        basename=EVIDENCE_NAME,
        desc="办件存证：证据包",
        mime_type="application/octet-stream",
        creation_date=paper.created,
        modification_date=paper.created,
        compress=True,
    )
    return bytes(pdf.output())


def seal_pdf(base: bytes, paper: LaidOut, key: PaperKey, *, ses: bytes | None = None) -> bytes:
    """Return the PDF with its visible seal and PAdES signature.

    Args:
        base: What ``write_pdf`` returned for ``paper``.
        paper: The same paper: where its seal goes, and when it was issued.
        key: Signs the finished file.
        ses: SES_Signature over ``sm3(base)``, with ``base_info(base)`` as its property info, to be
            carried in the file; None if one over the finished file will lie beside it.
    """
    writer = IncrementalPdfFileWriter(BytesIO(base))
    if ses is not None:
        embedded = EmbeddedFileObject.from_file_data(
            writer, data=ses, compress=False, mime_type="application/octet-stream"
        )
        embed_file(
            writer,
            FileSpec(
                file_spec_string=SEAL_NAME,
                file_name=SEAL_NAME,
                embedded_data=embedded,
                description="电子印章签章数据",
            ),
        )
    left, top = paper.seal_at
    right, bottom = left + paper.seal.width_mm, top + paper.seal.height_mm
    signer = PdfSigner(
        PdfSignatureMetadata(
            field_name=_FIELD,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
            reason=paper.title,
            name=paper.issuer,
        ),
        signer=_PortSigner(key),
        stamp_style=_stamp(paper),
        new_field_spec=SigFieldSpec(
            _FIELD,
            on_page=len(paper.sheets) - 1,
            # Whole points are what the type asks for; PDF itself takes any number.
            box=_whole(
                left * POINTS_PER_MM,
                (PAGE_MM[1] - bottom) * POINTS_PER_MM,
                right * POINTS_PER_MM,
                (PAGE_MM[1] - top) * POINTS_PER_MM,
            ),
        ),
    )
    session = signer.init_signing_session(writer)
    session.system_time = paper.created
    document = session.prepare_tbs_document(
        validation_info=None, bytes_reserved=2 * _SIGNATURE_BYTES
    )
    digest, out = document.digest_tbs_document()
    _run(
        document.perform_signature(
            document_digest=digest.document_digest,
            pdf_cms_signed_attrs=PdfCMSSignedAttributes(signing_time=paper.created),
        )
    )
    return out.getvalue() if isinstance(out, BytesIO) else bytes(out.getbuffer())


def base_info(base: bytes) -> str:
    """Return the property info of an SES_Signature over a PDF's first revision."""
    return f"byte-range:0 {len(base)}"


def _stamp(paper: LaidOut) -> StaticStampStyle:
    box = BoxConstraints(
        width=paper.seal.width_mm * POINTS_PER_MM, height=paper.seal.height_mm * POINTS_PER_MM
    )
    return StaticStampStyle(
        border_width=0,
        background=RawContent(paper.seal.pdf(), box=box),
        background_layout=SimpleBoxLayoutRule(
            *SimpleBoxLayoutRule.substitute_margins_defaults(Margins.uniform(0))
        )
        if False
        else _tight(),
        background_opacity=0.88,
    )
