"""Where papers are drawn: one thread, typefaces that are opened at the first paper, both formats.

The libraries and typefaces come with the optional part ``documents``; a node without it serves
all else. This module must only be imported when a paper is wanted.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final, Literal

import pylopdf_fonts_zh_cn

from ledger.errors import RefusedError
from nodes.adapters.held_seals import HeldSeal, PaperKey, SealKey
from nodes.adapters.timestamp_http import NO_STAMPS, Stamps
from seals import ofd, pdf
from seals.documents import CaseResult, Facts, Proof, compose
from seals.drawing import Drawing, Font, draw_round_seal
from seals.ses import decode_signature
from seals.sheets import Faces, LaidOut, lay_out
from seals.signing import make_signature
from seals.sm2 import sm3

Format = Literal["pdf", "ofd"]

PURPOSE: Final = "试验专用章"

# It warns of what the caller is told in the report of steps, or of nothing.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
logging.getLogger("fontTools").setLevel(logging.ERROR)
logging.getLogger("fpdf").setLevel(logging.ERROR)


WRITTEN_MAX: Final = 8
_WRITTEN: OrderedDict[bytes, bytes | ofd.Prepared] = OrderedDict()
"""What was written to learn its digest, by that digest; only the drawing thread touches it."""


@lru_cache(maxsize=32)
def _drawn(name: str, code: str) -> Drawing:
    return draw_round_seal(name, code, _faces().serif, purpose=PURPOSE)


@cache
def _faces() -> Faces:
    return Faces(
        Font(pylopdf_fonts_zh_cn.serif_path().read_bytes(), name="ShouxinSong"),
        Font(pylopdf_fonts_zh_cn.sans_path().read_bytes(), name="ShouxinHei"),
    )


def picture(name: str, code: str) -> bytes:
    """Return the PNG of a trial's round seal."""
    return _drawn(name, code).png()


def lay(facts: Facts, proof: Proof, *, name: str, code: str) -> LaidOut:
    """Return a paper on its sheets, with the place of the seal ``name``."""
    return lay_out(compose(facts), proof, _drawn(name, code), _faces())


def show(paper: LaidOut) -> bytes:
    """Return the unsealed paper as PDF, for whoever approves it."""
    return pdf.write_pdf(paper, _faces())


def digest(paper: LaidOut, form: Format) -> bytes:
    """Return what the seal will sign: SM3 of a PDF's first revision, of the list of OFD's parts."""
    made: bytes | ofd.Prepared
    if form == "pdf":
        made = show(paper)
        found = sm3(made)
    else:
        made = ofd.prepare_ofd(paper, _faces())
        found = made.digest
    # Most papers are sealed soon after they were drawn; the others are written once more.
    while len(_WRITTEN) >= WRITTEN_MAX:
        _WRITTEN.popitem(last=False)
    _WRITTEN[found] = made
    return found


def warm() -> None:
    """Draw a paper for nobody, so that the first real one waits for no typeface and no library."""
    facts = CaseResult(
        number="000000/case/0",
        item="办理结果",
        item_code="0",
        applicant="申请人",
        window="政务服务中心",
        officer="0",
        authority="政务服务中心",
        grant="",
        issuer="政务服务中心",
        time_s=0,
        outcome="准予办理",
        reasons="申请材料齐全，符合法定条件。",
        basis="法",
        delivery="由收件窗口送达",
    )
    show(lay(facts, Proof("https://localhost/p/0", b"0"), name="政务服务中心", code="0" * 14))


def seal(
    paper: LaidOut, form: Format, wanted: bytes, time_s: int, stamps: Stamps = NO_STAMPS
) -> Callable[[HeldSeal, SealKey, PaperKey], bytes]:
    """Return the work that seals a paper with keys that are lent to it.

    Args:
        paper: What is sealed.
        form: Of the file.
        wanted: The digest that was announced.
        time_s: When it is sealed.
        stamps: What dates it.
    """

    def work(held: HeldSeal, key: SealKey, paper_key: PaperKey) -> bytes:
        def sign(asked: bytes, info: str) -> bytes:
            if asked != wanted:
                raise RefusedError("the paper is not the one announced", code="seal-key-bound")
            return make_signature(
                seal=held.seal,
                digest=asked,
                property_info=info,
                time_s=time_s,
                certificate=held.certificate,
                key=key,
                timestamp=stamps.seal,
            )

        written = _WRITTEN.pop(wanted, None)
        if form == "ofd":
            if not isinstance(written, ofd.Prepared):
                written = ofd.prepare_ofd(paper, _faces())
            return ofd.seal_ofd(written, paper, seal=held.seal, sign=sign)
        base = written if isinstance(written, bytes) else show(paper)
        ses = sign(sm3(base), pdf.base_info(base))
        return pdf.seal_pdf(base, paper, paper_key, ses=ses, stamp=stamps.pdf)

    return work


def stamped(file: bytes, form: Format) -> bool:
    """Say whether the electronic seal in a sealed file bears a time stamp."""
    if form == "ofd":
        return all(
            decode_signature(it.ses).timestamp is not None for it in ofd.read(file).signatures
        )
    ses = pdf.read(file).ses
    return ses is not None and decode_signature(ses).timestamp is not None
