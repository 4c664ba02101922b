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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final, Protocol

from asn1crypto import tsp, x509  # type: ignore[import-untyped]
from fpdf import FPDF
from fpdf.fonts import TTFFont
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.embed import EmbeddedFileObject, FileSpec, embed_file
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, SimpleBoxLayoutRule
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfSigningSession
from pyhanko.sign.timestamps import TimeStamper, TimestampRequestError
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ledger.errors import LedgerError, MalformedError, UnavailableError
from seals import der
from seals.documents import EVIDENCE_NAME
from seals.drawing import POINTS_PER_MM
from seals.report import Outcome, Report, Step
from seals.ses import decode_signature
from seals.sheets import PAGE_MM, Face, Faces, LaidOut
from seals.sm2 import SM2, sm3
from seals.trust import Trust
from seals.verify import verify_signature

SEAL_NAME: Final = "seal.der"
FILE_BYTES_MAX: Final = 32 * 1024 * 1024
ATTACHMENT_BYTES_MAX: Final = 16 * 1024 * 1024
_SIGNATURE_BYTES: Final = 1_536  # room for a CMS signature beside its certificates
_STAMP_BYTES: Final = 12_288  # and for a time stamp with its certificates
_FIELD: Final = "Seal1"


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


def seal_pdf(
    base: bytes,
    paper: LaidOut,
    key: PaperKey,
    *,
    ses: bytes | None = None,
    stamp: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """Return the PDF with its visible seal and PAdES signature.

    Args:
        base: What ``write_pdf`` returned for ``paper``.
        paper: The same paper: where its seal goes, and when it was issued.
        key: Signs the finished file. It is asked once.
        ses: SES_Signature over ``sm3(base)``, with ``base_info(base)`` as its property info, to be
            carried in the file; None if one over the finished file will lie beside it.
        stamp: Answers a TimeStampReq (RFC 3161) over the signature; None for no time stamp.

    Raises:
        UnavailableError: ``timestamp-unavailable``: ``stamp`` gave no good answer; the key has
            signed by then.

    Call it outside any event loop (pyHanko starts one of its own), in a thread of its own.
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
    signer = _DatedSigner(
        at=paper.created,
        signature_meta=PdfSignatureMetadata(
            field_name=_FIELD,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
            reason=paper.title,
            name=paper.issuer,
        ),
        signer=_PortSigner(key),
        timestamper=None if stamp is None else _PortStamper(stamp),
        stamp_style=_stamp(paper),
        new_field_spec=SigFieldSpec(
            _FIELD,
            on_page=len(paper.sheets) - 1,
            box=(
                round(left * POINTS_PER_MM),
                round((PAGE_MM[1] - bottom) * POINTS_PER_MM),
                round(right * POINTS_PER_MM),
                round((PAGE_MM[1] - top) * POINTS_PER_MM),
            ),
        ),
    )
    out = BytesIO()
    # Fixed room, in hexadecimal digits: no dry run, so the key signs once.
    room = _SIGNATURE_BYTES + len(key.certificate) + sum(map(len, key.chain))
    if stamp is not None:
        room += _STAMP_BYTES
    try:
        signer.sign_pdf(writer, bytes_reserved=2 * room, output=out)
    except TimestampRequestError as error:
        raise UnavailableError(
            f"no good answer from the time-stamp service: {error}", code="timestamp-unavailable"
        ) from error
    return out.getvalue()


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
            x_align=AxisAlignment.ALIGN_MID, y_align=AxisAlignment.ALIGN_MID
        ),
        background_opacity=0.88,
    )


class _PortSigner(Signer):
    """Lets pyHanko sign with a key that stays behind its port."""

    def __init__(self, key: PaperKey) -> None:
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        store.register_multiple(x509.Certificate.load(der) for der in key.chain)
        super().__init__(signing_cert=x509.Certificate.load(key.certificate), cert_registry=store)
        self._key = key

    async def async_sign_raw(
        self,
        data: bytes,
        digest_algorithm: str,
        dry_run: bool = False,  # noqa: FBT001, FBT002  # pyHanko's signature
    ) -> bytes:
        assert digest_algorithm == "sha256"
        # The room for the signature is fixed, so no dry run is ever asked for; if one were, the
        # key would sign outside the recorded path.
        assert not dry_run
        return self._key.sign(data)


class _PortStamper(TimeStamper):
    """Lets pyHanko have its time stamps through a port."""

    def __init__(self, stamp: Callable[[bytes], bytes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stamp = stamp

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        try:
            return tsp.TimeStampResp.load(self._stamp(req.dump()), strict=True)
        except ValueError as error:
            raise TimestampRequestError("the answer is no time stamp") from error


class _DatedSigner(PdfSigner):
    """Dates the signature with the paper's time, not the clock's."""

    def __init__(self, *, at: datetime, **settings: Any) -> None:  # noqa: ANN401  # pyHanko's own
        super().__init__(**settings)
        self._at = at

    def init_signing_session(
        self,
        pdf_out: BasePdfFileWriter,
        existing_fields_only: bool = False,  # noqa: FBT001, FBT002  # pyHanko's signature
    ) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self._at
        return session


# ---- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SealedPDF:
    """What a PDF file holds, nothing of it verified.

    Args:
        digest: SHA-256 of the file, as seal uses on the ledger name it.
        sm3: SM3 of the file, as an SES_Signature beside it names it.
        attachments: Attached files by name.
        signatures: How many PDF signatures it has.
    """

    digest: bytes
    sm3: bytes
    attachments: Mapping[str, bytes]
    signatures: int

    @property
    def ses(self) -> bytes | None:
        """The SES_Signature that the file carries; None if it carries none."""
        return self.attachments.get(SEAL_NAME)

    @property
    def evidence(self) -> bytes | None:
        """The evidence bundle; None if the file carries none."""
        return self.attachments.get(EVIDENCE_NAME)


def read(data: bytes) -> SealedPDF:
    """Read a PDF file.

    Raises:
        MalformedError: ``pdf-form`` or ``pdf-too-long``.
    """
    return _opened(data)[0]


def _opened(data: bytes) -> tuple[SealedPDF, list[EmbeddedPdfSignature]]:
    if len(data) > FILE_BYTES_MAX:
        raise MalformedError(f"a PDF has at most {FILE_BYTES_MAX} bytes", code="pdf-too-long")
    try:
        reader = PdfFileReader(BytesIO(data))
        signatures = list(reader.embedded_regular_signatures)
        attachments = _attachments(reader)
    except LedgerError:
        raise
    except Exception as error:  # the parser names no bound for what it raises on hostile bytes
        raise MalformedError("not a PDF that we read", code="pdf-form") from error
    sealed = SealedPDF(hashlib.sha256(data).digest(), sm3(data), attachments, len(signatures))
    return sealed, signatures


def _attachments(reader: PdfFileReader) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    nothing: dict[str, Any] = {}
    names: Any = reader.root.get("/Names", nothing)
    entries = list(names.get("/EmbeddedFiles", nothing).get("/Names", ()))
    room = ATTACHMENT_BYTES_MAX
    for index in range(0, len(entries) - 1, 2):
        name, described = str(entries[index]), entries[index + 1]
        if isinstance(described, generic.IndirectObject):
            described = described.get_object()  # type: ignore[no-untyped-call]
        if name in found:
            raise MalformedError(f"two attachments are called {name!r}", code="pdf-form")
        stream = described["/EF"]["/F"]
        content = bytes(stream.data)
        room -= len(content)
        if room < 0:
            raise MalformedError("the attachments are too long", code="pdf-too-long")
        found[name] = content
    return found


# ---- checking -----------------------------------------------------------------------------------


def verify_pdf(
    data: bytes, *, sm2: SM2, trust: Trust, at_s: int, signature: bytes | None = None
) -> list[Report]:
    """Check every signature of a PDF file, and say what was found.

    Steps of a PDF signature: ``pdf-coverage`` (it covers all bytes but its own), ``pdf-digest`` (no
    covered byte was changed), ``pdf-signature``, ``pdf-chain``. An SES_Signature has the steps of
    the standard, and one in the file itself first ``pdf-revision``: what was added after the bytes
    that it covers is covered by a good PDF signature.

    Args:
        data: The file.
        sm2: Checks the electronic seal.
        trust: Anchors, for both kinds of signature.
        at_s: As seen at this time.
        signature: The SES_Signature that lies beside the file; None if there is none.

    Returns:
        One report for each signature; none for a PDF without any.

    Raises:
        MalformedError: ``pdf-form`` or ``pdf-too-long``.
    """
    sealed, signatures = _opened(data)
    whole = [_covers_all(data, found) for found in signatures]
    steps = [
        _pades_steps(found, trust, at_s, covers=covers, covered_later=any(whole))
        for found, covers in zip(signatures, whole, strict=True)
    ]
    reports = [
        Report("pdf", tuple(one), _facts(found))
        for one, found in zip(steps, signatures, strict=True)
    ]
    if sealed.ses is not None:
        base = _base(data, sealed.ses)
        report = verify_signature(
            sealed.ses, sm2=sm2, trust=trust, at_s=at_s, original_digest=sm3(base)
        )
        reports.append(report.extended([_revision_step(base, steps)], of="pdf"))
    if signature is not None:
        reports.append(
            verify_signature(signature, sm2=sm2, trust=trust, at_s=at_s, original_digest=sealed.sm3)
        )
    return reports


def _facts(signature: EmbeddedPdfSignature) -> dict[str, Any]:
    """Return who the signature says made it, and when."""
    try:
        at = signature.self_reported_timestamp
        signer = signature.signer_cert.subject.human_friendly
    except Exception:  # noqa: BLE001  # see _opened
        return {}
    return {"signer": signer, "time": "" if at is None else der.moment(int(at.timestamp()))}


def _base(data: bytes, ses: bytes) -> bytes:
    """Return the bytes that an SES_Signature in the file says it covers, or none of them."""
    try:
        info = decode_signature(ses).property_info
    except LedgerError:
        return b""
    head, _, tail = info.partition(":0 ")
    if head != "byte-range" or not tail.isdecimal() or len(tail) > 9:
        return b""
    base = data[: int(tail)]
    return base if base_info(base) == info and base.rstrip().endswith(b"%%EOF") else b""


def _revision_step(base: bytes, steps: list[list[Step]]) -> Step:
    name = "pdf-revision"
    if not base:
        return Step.failed(name, "pdf-revision", "the seal names no revision of this file")
    good = [one for one in steps if all(step.outcome is not Outcome.FAILED for step in one)]
    if not good:
        return Step.failed(
            name, "pdf-revision", "no good signature covers what was added after the seal"
        )
    if not any(all(step.outcome is Outcome.PASSED for step in one) for one in good):
        return Step.unchecked(
            name, "pdf-revision", "who signed what was added after the seal is not known"
        )
    return Step.passed(name)


def _pades_steps(
    signature: EmbeddedPdfSignature,
    trust: Trust,
    at_s: int,
    *,
    covers: bool,
    covered_later: bool,
) -> list[Step]:
    try:
        signer = signature.signer_cert
        issuers = _issuers(signature, trust)
        anchors = [
            x509.Certificate.load(anchor.raw)
            for anchor in trust.anchors
            if anchor.subject in issuers or anchor.raw == signer.dump()
        ]
        others = [x509.Certificate.load(other.raw) for other in trust.others]
        moment = datetime.fromtimestamp(at_s, UTC)
        # Whoever dated it has a root of its own; one with an SM2 key is none that it could have.
        stampers = [x509.Certificate.load(it.raw) for it in trust.anchors if it.public is None]
        status = validate_pdf_signature(
            signature,
            ValidationContext(
                # With no anchor that could lead here, the signer stands in for one, so that the
                # other steps are taken; its chain then counts as unchecked.
                trust_roots=anchors or [signer],
                other_certs=others,
                moment=moment,
                allow_fetching=False,
            ),
            ts_validation_context=ValidationContext(
                trust_roots=stampers, other_certs=others, moment=moment, allow_fetching=False
            ),
        )
    except Exception as error:  # noqa: BLE001  # see _opened
        return [Step.failed("pdf-signature", "pdf-signature", f"it cannot be read: {error}")]
    steps = [
        Step.passed("pdf-coverage")
        if covers
        # A file with several signatures grew after the first, which is how PDF does it.
        else Step.unchecked("pdf-coverage", "pdf-added", "a later signature covers what was added")
        if covered_later
        and status.docmdp_ok
        and status.coverage is SignatureCoverageLevel.ENTIRE_REVISION
        else Step.failed("pdf-coverage", "pdf-coverage", "bytes of the file are not covered"),
        Step.passed("pdf-digest")
        if status.intact
        else Step.failed("pdf-digest", "pdf-digest", "covered bytes were changed"),
        Step.passed("pdf-signature")
        if status.valid
        else Step.failed("pdf-signature", "pdf-signature", "the signature does not hold"),
    ]
    subject = signer.subject.human_friendly
    if not (status.intact and status.valid):
        steps.append(Step.unchecked("pdf-chain", "pdf-chain", "no signature to ask it for"))
    elif not anchors:
        steps.append(
            Step.unchecked("pdf-chain", "pdf-chain", f"no anchor given leads to {subject}")
        )
    elif not status.trusted:
        detail = f"the chain of {subject} does not hold"
        steps.append(Step.failed("pdf-chain", "pdf-chain", detail))
    else:
        steps.append(Step.passed("pdf-chain", subject))
    if _is_stamped(signature):
        steps.append(_stamp_step(status.timestamp_validity))
    return steps


def _is_stamped(signature: EmbeddedPdfSignature) -> bool:
    attributes: Any = signature.signer_info["unsigned_attrs"]
    return any(it["type"].native == "signature_time_stamp_token" for it in attributes)


def _stamp_step(found: Any) -> Step:  # noqa: ANN401  # pyHanko has several types for it
    name = "pdf-timestamp"
    if found is None or not (found.intact and found.valid):
        return Step.failed(name, "pdf-timestamp", "the time stamp does not hold")
    at = der.moment(int(found.timestamp.timestamp()))
    if not found.trusted:
        return Step.unchecked(name, "pdf-timestamp", f"{at}: nobody given vouches for the service")
    return Step.passed(name, at)


def _issuers(signature: EmbeddedPdfSignature, trust: Trust) -> set[bytes]:
    """Return the names above the signer, as far as the certificates at hand lead."""
    above = {signature.signer_cert.issuer.dump()}
    known = [(one.subject.dump(), one.issuer.dump()) for one in signature.other_embedded_certs]
    known += [(other.subject, other.issuer) for other in trust.others]
    for _ in known:  # each round climbs one step at least, or none is left
        above |= {issuer for subject, issuer in known if subject in above}
    return above


def _covers_all(data: bytes, signature: EmbeddedPdfSignature) -> bool:
    """Say whether only the signature itself is left out, and that in its one spelling.

    A reader takes any hexadecimal letters and ignores what follows the signature in its room, so
    those bytes could be changed unseen.
    """
    if len(signature.byte_range) != 4:
        return False
    start, before, after, rest = (int(part) for part in signature.byte_range)
    content = bytes(signature.pkcs7_content)
    gap = data[before:after]
    inside = gap[1:-1]
    return (
        start == 0
        and after + rest == len(data)
        and gap[:1] == b"<"
        and gap[-1:] == b">"
        and inside in {content.hex().encode(), content.hex().upper().encode()}
        and not any(content[_der_length(content) :])
    )


def _der_length(content: bytes) -> int:
    """Return how many bytes the first DER value of ``content`` takes."""
    if len(content) < 2 or content[1] < 0x80:
        return 2 + content[1] if len(content) >= 2 else 0
    count = content[1] & 0x7F
    return 2 + count + int.from_bytes(content[2 : 2 + count], "big")
