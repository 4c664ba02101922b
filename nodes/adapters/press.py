"""Where papers are drawn: one thread, typefaces that are opened at the first paper, both formats.

The libraries and typefaces come with the optional part ``documents``; a node without it serves
all else. This module must only be imported when a paper is wanted.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Final, Literal

import pylopdf_fonts_zh_cn

from ledger.errors import RefusedError
from nodes.adapters.seal_store import HeldSeal, PaperKey, SealKey
from seals import ofd, pdf
from seals.documents import Faces, Facts, LaidOut, Proof, compose, lay_out
from seals.drawing import Font, draw_round_seal
from seals.signing import make_signature
from seals.sm2 import sm3

Format = Literal["pdf", "ofd"]

PURPOSE: Final = "试验专用章"

# It warns of what the caller is told in the report of steps, or of nothing.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
logging.getLogger("fontTools").setLevel(logging.ERROR)
logging.getLogger("fpdf").setLevel(logging.ERROR)


@cache
def _faces() -> Faces:
    return Faces(
        Font(pylopdf_fonts_zh_cn.serif_path().read_bytes(), name="ShouxinSong"),
        Font(pylopdf_fonts_zh_cn.sans_path().read_bytes(), name="ShouxinHei"),
    )


def picture(name: str, code: str) -> bytes:
    """Return the PNG of a trial's round seal."""
    return draw_round_seal(name, code, _faces().serif, purpose=PURPOSE).png()


def lay(facts: Facts, proof: Proof, *, name: str, code: str) -> LaidOut:
    """Return a paper on its sheets, with the place of the seal ``name``."""
    drawing = draw_round_seal(name, code, _faces().serif, purpose=PURPOSE)
    return lay_out(compose(facts), proof, drawing, _faces())


def show(paper: LaidOut) -> bytes:
    """Return the unsealed paper as PDF, for whoever approves it."""
    return pdf.write_pdf(paper, _faces())


def digest(paper: LaidOut, form: Format) -> bytes:
    """Return what the seal will sign: SM3 of a PDF's first revision, of the list of OFD's parts."""
    if form == "pdf":
        return sm3(show(paper))
    found: list[bytes] = []

    def keep(asked: bytes, _info: str) -> bytes:
        found.append(asked)
        return b""

    ofd.write_ofd(paper, _faces(), seal=b"", sign=keep)
    return found[0]


def seal(
    paper: LaidOut, form: Format, wanted: bytes, time_s: int
) -> Callable[[HeldSeal, SealKey, PaperKey], bytes]:
    """Return the work that seals a paper with keys that are lent to it.

    Args:
        paper: What is sealed.
        form: Of the file.
        wanted: The digest that was announced.
        time_s: When it is sealed.
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
                timestamp=None,
            )

        if form == "ofd":
            return ofd.write_ofd(paper, _faces(), seal=held.seal, sign=sign)
        base = show(paper)
        ses = sign(sm3(base), pdf.base_info(base))
        return pdf.seal_pdf(base, paper, paper_key, ses=ses)

    return work
