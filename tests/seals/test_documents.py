import contextlib
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from seals import documents, sheets
from seals.documents import Proof, compose, decode_code, encode_code, show_day, show_time
from seals.sheets import LaidOut
from tests.seals.papers import BUNDLE, LINK, MATERIALS, NOTICE, PROOF, RECEIPT, RESULT, faces, laid


def text_of(paper: LaidOut) -> str:
    return "".join(text.text for sheet in paper.sheets for text in sheet.texts)


@pytest.mark.parametrize(
    ("facts", "title"),
    [(RECEIPT, "受理凭证"), (NOTICE, "一次性告知书"), (RESULT, "办理结果通知书")],
    ids=["receipt", "notice", "result"],
)
def test_a_paper_says_all_its_facts(facts: documents.Facts, title: str) -> None:
    paper = laid(facts)
    said = text_of(paper)
    assert paper.title == title
    for fact in (facts.number, facts.item, facts.applicant, facts.authority, facts.grant):
        assert fact in said
    assert facts.issuer in said
    assert PROOF.digest.hex()[:16] in said


def test_the_receipt_lists_every_material_and_what_is_still_owed() -> None:
    said = text_of(laid(RECEIPT))
    for material in MATERIALS:
        assert material.name[:12] in said
    assert "应在领取结果前一次补齐：户口簿首页及本人页。" in said
    settled = replace(RECEIPT, materials=MATERIALS[:3])
    assert "容缺" not in text_of(laid(settled))


def test_the_notice_says_that_no_second_one_follows() -> None:
    said = text_of(laid(NOTICE))
    assert "10 个工作日内一次补齐" in said
    assert "不再就本办件要求补充其他材料" in said


def test_an_authority_acting_on_its_own_competence_says_so() -> None:
    assert "本机关法定职权" in text_of(laid(replace(RESULT, grant="")))


def test_times_are_beijing_times() -> None:
    assert show_time(1_795_250_000) == "2026年11月21日 16:33"
    assert show_day(1_795_250_000) == "二〇二六年十一月二十一日"
    assert show_day(1_795_250_000 + 8 * 3600) == "二〇二六年十一月二十二日"
    assert show_day(1_791_734_400) == "二〇二六年十月十二日"
    assert show_day(1_793_376_000) == "二〇二六年十月三十一日"


def test_text_stays_inside_the_page_and_off_the_feet() -> None:
    for facts in (RECEIPT, NOTICE, RESULT):
        for sheet in laid(facts).sheets:
            for text in sheet.texts:
                right = text.x + faces().of(text.face).width(text.text) * text.size
                assert text.x > 23.9
                assert right < 188.1, text.text
                assert 20 < text.y < 282


def test_a_long_list_goes_on_with_its_head_repeated() -> None:
    many = replace(RECEIPT, materials=MATERIALS * 20)
    paper = laid(many)
    assert len(paper.sheets) >= 3
    for number, sheet in enumerate(paper.sheets, 1):
        said = [text.text for text in sheet.texts]
        assert any(f"第 {number} 页，共 {len(paper.sheets)} 页" in text for text in said)
    assert sum(text.text == "收存材料" for sheet in paper.sheets for text in sheet.texts) >= 3
    numbers = {text.text for sheet in paper.sheets for text in sheet.texts}
    assert {str(number) for number in range(1, 81)} <= numbers


def test_the_seal_and_the_code_stand_on_the_last_sheet_within_it() -> None:
    for facts in (RECEIPT, replace(RECEIPT, materials=MATERIALS * 20)):
        paper = laid(facts)
        left, top = paper.seal_at
        assert left + 42 < 210
        assert top > 0
        assert top + 42 < 275
        assert paper.sheets[-1].bars
        assert not any(sheet.bars for sheet in paper.sheets[:-1])


@given(st.text(st.sampled_from("政务服务，。（）《》abc123 -/"), max_size=120))
def test_lines_lose_nothing_and_fit_their_room(text: str) -> None:
    setter = sheets._Setter(faces())
    lines = setter._wrapped(text, 3.9, "serif", 40.0)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert faces().serif.width(line.rstrip()) * 3.9 <= 40.0 + 1e-6


def test_no_line_begins_with_a_closing_mark() -> None:
    setter = sheets._Setter(faces())
    for room in range(20, 60):
        lines = setter._wrapped(
            "依法需要勘验、评审、听证等程序的，所需时间不计。" * 3, 3.9, "serif", room
        )
        assert not any(line[0] in "，。、" for line in lines)


@pytest.mark.parametrize(
    "changed",
    [
        {"applicant": "a\nb"},
        {"item": "\x00"},
        {"number": ""},
        {"issuer": ""},
        {"item": ""},
        {"authority": ""},
    ],
)
def test_a_paper_without_its_names_or_with_control_characters_is_refused(
    changed: dict[str, str],
) -> None:
    with pytest.raises(MalformedError) as caught:
        compose(replace(RECEIPT, **changed))
    assert caught.value.code == "paper-text"


def test_a_character_no_typeface_draws_is_refused_rather_than_left_out() -> None:
    with pytest.raises(MalformedError) as caught:
        laid(replace(RECEIPT, applicant="张😀"))
    assert caught.value.code == "glyph-missing"


def test_the_code_names_link_and_bundle_and_reads_back() -> None:
    text = PROOF.code_text()
    assert text.startswith(LINK + "#")
    assert decode_code(text) == (LINK, hashlib.sha256(BUNDLE).digest())


@given(st.binary(min_size=32, max_size=32))
def test_a_code_is_read_as_it_was_written(digest: bytes) -> None:
    assert decode_code(encode_code(LINK, digest)) == (LINK, digest)


@given(st.text(max_size=120))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    with contextlib.suppress(MalformedError):
        link, digest = decode_code(text)
        assert encode_code(link, digest) == text


@pytest.mark.parametrize(
    "spelling",
    [
        lambda text: text + "=",
        lambda text: text.replace("https", "ftp"),
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text.replace("#", "#x#"),
        lambda text: " " + text,
        lambda text: text[:-1] + {"A": "B"}.get(text[-1], chr(ord(text[-1]) + 1)),
    ],
)
def test_another_spelling_of_a_code_is_refused(spelling: object) -> None:
    text = encode_code(LINK, bytes(32))
    assert callable(spelling)
    with pytest.raises(MalformedError):
        decode_code(spelling(text))


def test_a_paper_without_evidence_or_with_a_long_link_is_refused() -> None:
    with pytest.raises(MalformedError, match="evidence"):
        Proof(LINK, b"")
    with pytest.raises(MalformedError):
        Proof("https://ledger.example/" + "x" * 120, BUNDLE)
    with pytest.raises(MalformedError):
        encode_code(LINK, bytes(31))
