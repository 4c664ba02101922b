"""Lists of records as people read them: states in words, times of Beijing, digests cut short."""

from argparse import Namespace
from typing import Any

import pytest

from authz.tables import LIVES as TABLES
from nodes.cli import records
from nodes.cli.following import tell_followed
from nodes.cli.show import Language, console
from nodes.cli.states import CODES, STATES_ZH, standing_of
from nodes.core.lives import LIVES

HASH = "ab" * 32
GRANT = {
    "object": "540000/grant/1",
    "state": "offered",
    "live": True,
    "overdue": False,
    "time_s": 1_767_225_600,
    "opened_by": "540000/officer/hrss-1",
    "issuer": "510000/officer/hall-1",
    "row": {"st": "offered", "ans": "accepted", "to": "510000/window/w3", "due": 1_767_225_601},
    "said": {
        "rights": ["intake"],
        "valid_from": 1_767_225_600,
        "valid_until": 1_767_283_200,
        "model": "540000/template/1",
        "later": 7,
    },
}
TASK = {
    **GRANT,
    "object": "540000/task/1",
    "overdue": True,
    "row": {"st": "reported", "by": "540000/department/hrss", "live": True},
    "said": {"evidence": HASH, "matter": "培训"},
}


def listed(
    type_: str, record: dict[str, Any], language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"records": [record], "as_of": {}, "next": None}
    monkeypatch.setattr(records, "all_pages", lambda *_given: told)
    given = Namespace(
        type=type_,
        region="540000",
        state="",
        about="",
        overdue=False,
        older=0,
        at="",
        json=False,
        lang=language,
    )
    assert records.records(given) == 0


def test_a_record_is_told_in_the_words_of_its_reader(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(records, "console", wide)
    listed("grant", GRANT, "zh", monkeypatch)
    told = " ".join(capsys.readouterr().out.split())
    assert "1 已授出、已接受 hrss-1 510000 w3 2026-01-01 08:00 2026-01-01 08:00" in told
    said = ["权项 收件受理权", "起 2026-01-01 08:00", "止 2026-01-01"]
    assert "; ".join([*said, "授权文件模板 540000/template/1", "later 7"]) in told
    listed("grant", GRANT, "en", monkeypatch)
    told = " ".join(capsys.readouterr().out.split())
    assert "1 offered, accepted hrss-1 510000 w3" in told
    said = ["rights intake", "valid_from 2026-01-01 08:00", "valid_until 2026-01-01"]
    assert "; ".join([*said, "model 540000/template/1", "later 7"]) in told


def test_digests_are_cut_short_and_what_is_late_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(records, "console", wide)
    listed("task", TASK, "en", monkeypatch)
    told = " ".join(capsys.readouterr().out.split())
    assert "1 reported overdue hrss" in told
    assert "matter 培训; evidence abababababab…" in told


def wide() -> object:
    made = console()
    made.width = 300
    return made


def test_every_state_of_every_table_has_a_word_of_its_own() -> None:
    states = {after for life in TABLES for after in life.steps.values()}
    states |= {after for _, steps in LIVES.values() for after in steps.values()}
    assert states <= STATES_ZH.keys()
    assert {CODES[zh]: zh for zh in STATES_ZH.values()} == STATES_ZH


@pytest.mark.parametrize(
    ("row", "zh", "en"),
    [
        ({"live": True}, "有效", "in force"),
        ({}, "有效", "in force"),
        ({"live": False}, "失效", "not in force"),
        (
            {"live": False, "off": ["510000", "510000/department/zwj"]},
            "已由510000、zwj暂停",
            "suspended by 510000, zwj",
        ),
        ({"live": False, "ended": True, "off": ["510000"]}, "已注销", "retired"),
        ({"live": True, "st": "offered", "ans": "declined"}, "已授出、已谢绝", "offered, declined"),
        ({"live": True, "st": "unheard-of"}, "unheard-of", "unheard-of"),
    ],
)
def test_a_record_stands_as_its_row_says(row: dict[str, Any], zh: str, en: str) -> None:
    assert (standing_of(row, "zh"), standing_of(row, "en")) == (zh, en)


def test_what_an_incident_names_is_told_by_name_and_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: dict[str, Any] = {
        "object": "510000/incident/1",
        "lines": [],
        "cases": [],
        "next": None,
        "findings": [],
        "concerns": {"case": "510000/case/1", "entry": HASH, "act": ["net/540000", 7]},
    }
    tell_followed(console(), told, "zh", {"540000": "西藏"})
    assert "办件  510000/case/1" in (zh := capsys.readouterr().out)
    assert "所指条目  西藏 7" in zh
    told["concerns"]["act"] = None
    tell_followed(console(), told, "en", {})
    assert "the act  not within sight on what it names" in capsys.readouterr().out
