"""What convicts a key, as people and programs see it: status, findings, a file, its check."""

import argparse
import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from ledger.equivocation import check_file, encode_file
from ledger.errors import NotFoundError
from ledger.roster_chain import RosterChain
from nodes.api.answers import convicted_fields, evidence_of, finding_fields
from nodes.api.context import SERVICE
from nodes.cli import verify
from nodes.cli.findings import tell_findings
from nodes.cli.main import parser
from nodes.core.convictions import Convicted
from nodes.core.ready import FindingRow
from nodes.snapshot import Snapshot
from tests.vectors.own.example import Example

EXAMPLE = Example()
FILE = encode_file([EXAMPLE.signed.encode()], EXAMPLE.evidence)


@pytest.fixture(name="genesis")
def make_genesis(tmp_path: Path) -> Path:
    path = tmp_path / "genesis.roster"
    path.write_bytes(EXAMPLE.signed.encode())
    return path


def run(data: bytes, genesis: Path, *more: str) -> int:
    path = genesis.parent / "some.evidence"
    path.write_bytes(data)
    given = parser().parse_args(["verify", str(path), "--roster", str(genesis), *more])
    return verify.verify(given)


def test_verify_says_whom_a_file_convicts_of_what(
    genesis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(FILE, genesis, "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    found = check_file(FILE, EXAMPLE.signed)
    assert (told["verified"], told["region"], told["against"]) == (True, "510000", "log")
    assert (told["subject"], told["shown"]) == (found.subject, "two-branches")
    assert run(FILE, genesis) == 0
    assert found.detail.split(",", maxsplit=1)[0] in capsys.readouterr().out.replace("\n", " ")
    assert run(FILE, genesis, "--lang", "zh") == 0
    assert "证据成立" in capsys.readouterr().out


def test_verify_says_that_a_changed_file_proves_nothing(
    genesis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = FILE.index(EXAMPLE.evidence.said[0].signed)
    changed = FILE[:at] + bytes([FILE[at] ^ 1]) + FILE[at + 1 :]
    assert run(changed, genesis, "--json") == 1
    assert json.loads(capsys.readouterr().out)["step"] == "bad-signature"
    assert run(changed, genesis, "--lang", "zh") == 1
    assert "不能证明任何事" in capsys.readouterr().out


FOUND: dict[str, Any] = {
    "findings": [
        {
            "origin": "southwest-five.example/520000",
            "index": 7,
            "code": "equivocation",
            "severity": "breach",
            "subject": EXAMPLE.conviction.subject,
            "detail": EXAMPLE.conviction.detail,
            "reason_zh": "同一密钥签署了两种历史。",
            "reason_en": "One key has signed two histories.",
            "answers": "region",
            "region": "510000",
            "evidence": [],
        }
    ],
    "convicted": [{"subject": EXAMPLE.conviction.subject, "detail": EXAMPLE.conviction.detail}],
    "as_of": {"southwest-five.example/520000": 8},
}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["equivocation", "510000 region", "Convicted keys", "known up to: 520000 8"]),
        ("zh", ["equivocation", "510000 地区", "已定案的密钥", "截至：520000 8"]),
    ],
)
def test_findings_say_what_is_wrong_who_answers_and_up_to_where_it_is_known(
    language: Any, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tell_findings(FOUND, language)
    said = capsys.readouterr().out
    for word in words:
        assert word in said, said


def test_no_findings_are_told_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    tell_findings({**FOUND, "findings": [], "convicted": []}, "en")
    assert "No findings" in capsys.readouterr().out


def test_both_commands_name_a_node_and_a_language() -> None:
    given = parser().parse_args(["findings", "--lang", "zh", "--rows", "5", "--node", "http://x"])
    assert isinstance(given, argparse.Namespace)
    assert (given.lang, given.rows) == ("zh", 5)
    given = parser().parse_args(["evidence", "510000/evidence/0", "-o", "f"])
    assert given.object == "510000/evidence/0"


def test_every_finding_has_words_and_someone_who_answers() -> None:
    row = FindingRow(
        origin="southwest-five.example/520000",
        index=3,
        code="wrong-tag",
        severity="breach",
        subject="southwest-five.example/520000",
        detail="no tag 18",
    )
    told = finding_fields(row)
    assert (told["answers"], told["region"]) == ("region", "520000")
    assert told["reason_zh"]
    assert told["reason_en"]
    second = finding_fields(replace(row, code="second-notice", subject="510000/case/1"))
    assert (second["answers"], second["region"]) == ("officer", "520000")
    accused = finding_fields(replace(row, code="equivocation", subject="510000/evidence/0"))
    assert (accused["answers"], accused["region"]) == ("region", "510000")


def service() -> Any:
    """As much of a node's API as these handlers ask for."""
    kept = Convicted(EXAMPLE.conviction, EXAMPLE.evidence, ("southwest-five.example/520000", 1))
    snapshot = Snapshot(convicted={EXAMPLE.conviction.subject: kept})
    return SimpleNamespace(
        node=SimpleNamespace(snapshot=snapshot), chain=RosterChain.check([EXAMPLE.signed.encode()])
    )


def test_the_node_gives_the_file_without_a_token_and_names_the_key() -> None:
    (told,) = convicted_fields(service())
    assert (told["region"], told["against"], told["place"][1]) == ("510000", "log", 1)
    app = web.Application()
    app[SERVICE] = service()

    def ask(name: str) -> web.Response:
        request = make_mocked_request(
            "GET", f"/v1/evidence/{name}", app=app, match_info={"id": name}
        )
        return asyncio.run(evidence_of(request))

    assert ask(EXAMPLE.conviction.subject).body == FILE
    with pytest.raises(NotFoundError):
        ask("510000/evidence/none")
