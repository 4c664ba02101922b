"""``shouxin milestones``: what a region was to reach, by when, and the acts that show it."""

import argparse
from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

from nodes.cli.caller import ask
from nodes.cli.main import DOES_NOT_HOLD
from nodes.cli.show import Language, console, moment, print_json, short, table
from nodes.client import Client

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "columns": "目标|数量|时限|计数依据|完成数|状态|证据（账本 序号）",
        "none": "未设定阶段目标",
        "said": "报告",
        "met": "已达成",
        "late": "逾期达成",
        "open": "进行中",
        "missed": "未达成",
    },
    "en": {
        "columns": "matter|target|due|counts|so far|stands|evidence (log index)",
        "none": "No milestones",
        "said": "reports",
        "met": "met",
        "late": "late",
        "open": "open",
        "missed": "missed",
    },
}
_COUNTS_ZH: Final[Mapping[str, str]] = {
    "agreements": "协议",
    "claims": "认领",
    "devices": "一体机",
    "grants": "授信",
    "items": "事项",
    "parcels": "寄递",
    "ratings": "评价",
    "regions": "地区",
    "tasks": "任务",
    "windows": "窗口",
}
_STYLE: Final[Mapping[str, str]] = {"met": "green", "late": "yellow", "missed": "red"}
_SHOWN: Final = 3


def milestones(given: argparse.Namespace) -> int:
    """Show a region's milestones; status 1 if one is missed."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.milestones(given.region)

    found = ask(given, question)
    if given.json:
        print_json(found)
    else:
        _tell(found["milestones"], given.lang)
    missed = any(it["standing"] == "missed" for it in found["milestones"])
    return DOES_NOT_HOLD if missed else 0


def _tell(rows: list[dict[str, Any]], language: Language) -> None:
    out, words = console(), _WORDS[language]
    if not rows:
        out.print(words["none"])
        return
    made = table(*words["columns"].split("|"), right=(1, 4), padding=1)
    for it in rows:
        made.add_row(
            Text(it["matter"]),
            str(it["target"]),
            moment(it["due_s"] - 1)[:10],
            _counts(it["counts"], language),
            str(it["count"]),
            Text(words[it["standing"]], _STYLE.get(it["standing"], "")),
            Text(_places(it["evidence"])),
        )
    out.print(made)


def _counts(what: str | None, language: Language) -> str:
    """Return what a milestone counts: records of a type, or reports that say so."""
    if not what:
        return _WORDS[language]["said"]
    return _COUNTS_ZH.get(what, what) if language == "zh" else what


def _places(evidence: list[list[Any]]) -> str:
    shown = ", ".join(f"{short(origin)} {index}" for origin, index in evidence[:_SHOWN])
    return shown + (" …" if len(evidence) > _SHOWN else "")
