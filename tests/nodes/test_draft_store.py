"""Drafts and sealed files of a case's papers go with the case's keys, and nothing else does."""

from pathlib import Path

import pytest

from nodes.adapters.draft_store import DraftStore, Origin

documents = pytest.importorskip("seals.documents", reason="the optional part documents")


def origin(case: str) -> Origin:
    from tests.seals.papers import RECEIPT  # noqa: PLC0415 - needs the optional part

    return Origin(
        form="pdf",
        subject="510000/seal-use/p1",
        officer="510000/officer/o",
        seal="510000/seal/s",
        case=case,
        purpose="受理凭证",
        grounds={},
        facts=RECEIPT,
        proof=documents.Proof("https://x.example/p/1", b"bundle"),
        name="章",
        code="51010400000001",
    )


def test_what_was_drawn_from_a_case_is_overwritten_and_gone(tmp_path: Path) -> None:
    store = DraftStore(tmp_path / "papers")
    first, second, pending, other = (bytes([number]) * 32 for number in range(1, 5))
    for digest in (first, second, pending):
        store.save(digest, origin("510000/case/1"))
    store.save(other, origin("510000/case/2"))
    store.save_file(first, b"a sealed file that names a citizen")
    links = []
    for path in sorted((tmp_path / "papers").glob(f"{first.hex()}*")):
        links.append(tmp_path / path.name)
        links[-1].hardlink_to(path)
    assert sorted(store.forget("510000/case/1", {pending})) == [first, second]
    assert set(store.digests()) == {pending, other}
    assert store.load_file(first) is None
    assert len(links) == 2
    for link in links:
        assert set(link.read_bytes()) == {0}, "what lay there is overwritten"
