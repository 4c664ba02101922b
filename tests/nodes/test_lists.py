"""Tables of an office: read from any of its formats, claimed and enrolled row by row."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import MalformedError
from nodes.adapters.sheets import read_rows
from nodes.cli.main import main
from tests.nodes.live import Live, live

SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="C2" t="inlineStr"><is><t>事项</t></is></c></row>'
    '<row r="4"><c r="B4"><v>370402.0</v></c><c><v>7</v></c></row>'
    "</sheetData></worksheet>"
)
STRINGS = (
    '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<si><r><t>民政</t></r><r><t>局</t></r><rPh><t>min</t></rPh></si></sst>"
)


def workbook(path: Path, sheet: str, strings: str = STRINGS) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/worksheets/sheet1.xml", sheet)
        made.writestr("xl/sharedStrings.xml", strings)
    return path


def test_the_first_sheet_of_a_workbook_is_read(tmp_path: Path) -> None:
    assert read_rows(workbook(tmp_path / "a.xlsx", SHEET)) == [
        [],
        ["民政局", "", "事项"],
        [],
        ["", "370402", "7"],
    ]


def test_text_tables_are_read_with_the_delimiter_they_have(tmp_path: Path) -> None:
    rows = [["部门", "事项"], ["民政局", 'a "b"\nc']]
    for delimiter in "\t,;":
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(rows)
        path = tmp_path / "list.csv"
        path.write_bytes(text.getvalue().encode("gbk"))
        assert read_rows(path) == rows
        path.write_bytes(f"某县清单\n{text.getvalue()}".encode("gbk"))
        assert read_rows(path) == [["某县清单"], *rows]


@pytest.mark.parametrize(
    "sheet",
    [
        "<a",
        '<!DOCTYPE a [<!ENTITY x "y">]>' + SHEET,
        SHEET.replace('r="4"', 'r="1"'),
        SHEET.replace('r="4"', 'r="9999999"'),
        SHEET.replace("C2", "A2"),
        SHEET.replace("C2", "ZZZ2"),
        SHEET.replace("<v>0</v>", "<v>x</v>"),
    ],
)
def test_a_sheet_that_is_none_is_refused(tmp_path: Path, sheet: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_rows(workbook(tmp_path / "a.xlsx", sheet))
    assert caught.value.code == "bad-sheet"


def test_files_that_are_no_workbook_are_refused(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "a.xlsx", SHEET).read_bytes()
    for data in (b"PK\x03\x04", whole[:200], whole[:60] + bytes(20) + whole[80:]):
        path = tmp_path / "broken.xlsx"
        path.write_bytes(data)
        with pytest.raises(MalformedError) as caught:
            read_rows(path)
        assert caught.value.code == "bad-sheet"
    with zipfile.ZipFile(tmp_path / "empty.xlsx", "w") as made:
        made.writestr("a", "")
    for name, code in (("empty.xlsx", "bad-sheet"), ("none", "no-file")):
        with pytest.raises(MalformedError) as caught:
            read_rows(tmp_path / name)
        assert caught.value.code == code


def test_a_table_of_parties_is_enrolled_and_a_list_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told row by row; what stands already stands, and what is refused stops nothing."""
    with live(tmp_path / "network") as nodes:
        _enrol_and_claim(nodes, tmp_path, capsys)


def _enrol_and_claim(nodes: Live, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = str(nodes.founded.configs["510000"].parent)

    def said(*command: str, status: int) -> dict[str, Any]:
        assert main([*command, "--node", node, "--json"]) == status
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    parties = folder / "parties.csv"
    parties.write_bytes(
        "\ufeffparty,name,hall,department,unit,roles\n"
        "510000/department/mzj,民政局,,,,\n"
        "510000/hall/h1,政务大厅,,,,\n"
        "510000/window/w1,一号窗口,510000/hall/h1,510000/department/mzj,,\n"
        ",,,,,\n"
        "510000/officer/p1,,,,510000/department/mzj,manage grant\n"
        "510000/officer/p2,,,,510000/department/none,grant\n"
        "540000/officer/p3,,,,510000/department/mzj,grant\n".encode()
    )
    told = said("enrol", str(parties), status=1)
    assert [(it["row"], it["code"]) for it in told["rows"]] == [
        (2, "done"),
        (3, "done"),
        (4, "done"),
        (6, "done"),
        (7, "unknown-object"),
        (8, "wrong-party"),
    ]
    assert {it["code"] for it in said("enrol", str(parties), status=1)["rows"][:4]} == {"known"}

    items = folder / "items.csv"
    items.write_bytes(
        "部门,事项名称,事项编码\n民政局,婚姻登记,000131127004\n,收养登记,000131127005\n"
        ",殡葬,0001\n".encode("gbk")
    )
    assert main(["list", "check", str(items)]) == 1
    assert "bad-code" in capsys.readouterr().out
    token = folder / "token"
    issued = nodes.run(_token(nodes))
    token.touch(mode=0o600)
    token.write_text(issued)
    claim = ["list", "claim", str(items), "--officer", "510000/officer/p1", "--token", str(token)]
    told = said(*claim, status=1)
    assert [(it["row"], it["code"]) for it in told["rows"]] == [
        (2, "done"),
        (3, "done"),
        (4, "bad-code"),
    ]
    assert [it["code"] for it in said(*claim, status=1)["rows"]] == ["known", "known", "bad-code"]


async def _token(nodes: Live) -> str:
    async with nodes.client("510000") as client:
        token: str = (await client.issue_token("510000/officer/p1", "authority"))["token"]
        return token
