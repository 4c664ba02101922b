"""``shouxin vault``: papers put in, read, listed and shredded, and what they are called on disk."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.commitment import check_opening
from nodes.cli.main import main
from nodes.cli.vault import file_name
from tests.nodes.vaults import (
    GIVER,
    HEAD,
    PAPER,
    Town,
    two_vaults,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with two_vaults(tmp_path_factory.mktemp("vault")) as made:
        yield made


def test_the_command_puts_in_reads_lists_shreds_and_renews(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = town.open("command")
    node = str(town.live.founded.configs[GIVER].parent)
    token = tmp_path / "token"
    token.write_text(town.tokens[HEAD])
    token.chmod(0o600)
    file = tmp_path / "户口簿.pdf"
    file.write_bytes(PAPER)

    def vault(*arguments: str, status: int = 0) -> Any:
        assert main(["vault", *arguments]) == status
        told = capsys.readouterr()
        return json.loads(told.out) if status == 0 else told.err

    made = vault("commit", str(file))
    check_opening(bytes.fromhex(made["commitment"]), bytes.fromhex(made["salt"]), PAPER)
    put = vault("put", case, str(file), "--node", node, "--salt", made["salt"])
    [paper] = put["papers"]
    assert paper["commitment"] == made["commitment"]
    listed = vault("list", case, "--node", node)
    assert [it["paper"] for it in listed["papers"]] == [paper["paper"]]
    out = tmp_path / "out"
    got = vault("get", case, "--node", node, "--token", str(token), "-o", str(out))
    [read] = got["papers"]
    assert Path(read["file"]).read_bytes() == PAPER
    assert Path(read["file"]).parent == out
    assert Path(read["file"]).name.endswith("-户口簿.pdf")
    assert "wrong-role" in vault("get", case, "--node", node, "-o", str(out), status=3)
    assert vault("status", "--node", node)["papers"] > 0
    two = ("put", case, str(file), str(file), "--node", node, "--salt", made["salt"])
    assert "bad-field" in vault(*two, status=2)
    assert "bad-salt" in vault("commit", str(file), "--salt", "zz", status=2)
    assert vault("rotate", "--node", node)["version"] > 1
    done = vault("shred", case, "--reason", "当事人申请删除", "--node", node)
    assert done["keys"] == 1
    reading = ("get", case, "--node", node, "--token", str(token), "-o", str(out))
    assert "shredded" in vault(*reading, status=3)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("户口簿.pdf", "7-户口簿.pdf"),
        ("../../etc/passwd", "7-passwd"),
        ("..", "7"),
        ("a/b\\c: *.pdf", "7-b_c_.pdf"),
        ("", "7"),
    ],
)
def test_what_another_region_calls_a_paper_leads_out_of_no_folder(name: str, file: str) -> None:
    assert file_name("510000/payload/7", name) == file
