"""Programs that others wrote, against our sealed papers: pdfsig, pdftoppm and zbarimg.

The first two are in Debian's ``poppler-utils``, the third in ``zbar-tools``.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from seals.documents import decode_code
from seals.drawing import RED
from tests.seals.papers import BUNDLE, PROOF, laid, sealed_pdf

pytestmark = pytest.mark.foreign


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine; it is in Debian's {package}")
    return found


def said(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    path = tmp_path / "paper.pdf"
    path.write_bytes(sealed_pdf())
    return path


def rendered(paper: Path, dots_per_inch: int) -> Image.Image:
    tool = program("pdftoppm", "poppler-utils")
    out = paper.with_name("page")
    assert said(tool, "-r", str(dots_per_inch), "-png", "-singlefile", paper, out) == ""
    return Image.open(out.with_suffix(".png")).convert("RGB")


def test_pdfsig_finds_one_good_signature_over_the_whole_file(paper: Path) -> None:
    text = said(program("pdfsig", "poppler-utils"), paper)
    assert text.count("Signature #") == 1
    assert "Signature is Valid." in text
    assert "Total document signed" in text
    assert "ETSI.CAdES.detached" in text
    assert "成都市武侯区政务服务中心" in text


@pytest.mark.parametrize("place", [b"/Lang (zh-CN)", b"/Type /Page", b"/Title"])
def test_pdfsig_finds_one_changed_byte(paper: Path, place: bytes) -> None:
    tool = program("pdfsig", "poppler-utils")
    raw = bytearray(sealed_pdf())
    match = re.search(re.escape(place), bytes(raw))
    assert match is not None
    # The last letter's case: the file stays one that a reader can open.
    raw[match.end() - 2] ^= 0x20
    paper.write_bytes(bytes(raw))
    text = said(tool, paper)
    assert "Signature is Valid." not in text


def test_pdftoppm_draws_the_red_seal_where_the_paper_says(paper: Path) -> None:
    page = rendered(paper, 100)
    scale = page.width / 210
    left, top = laid().seal_at
    edge = page.getpixel((int((left + 21) * scale), int((top + 0.6) * scale)))
    star = page.getpixel((int((left + 21) * scale), int((top + 17.5) * scale)))
    for found in (edge, star):
        assert isinstance(found, tuple)
        assert found[0] > 190
        assert found[0] - max(found[1:]) > RED[0] // 2
    assert page.getpixel((int(10 * scale), int(10 * scale))) == (255, 255, 255)


def test_a_scanner_reads_the_code_on_the_rendered_page(paper: Path) -> None:
    scanner = program("zbarimg", "zbar-tools")
    rendered(paper, 150)
    text = said(scanner, "--quiet", "--raw", paper.with_name("page.png")).splitlines()[0]
    assert decode_code(text) == (PROOF.link, PROOF.digest)


def test_pdfdetach_takes_the_evidence_out_as_it_was(paper: Path) -> None:
    tool = program("pdfdetach", "poppler-utils")
    out = paper.with_name("evidence")
    said(tool, "-save", "1", "-o", out, paper)
    assert out.read_bytes() == BUNDLE
