"""``shouxin findings`` and ``evidence``: what broke a rule, and the file that convicts a key."""

import argparse
from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

from nodes.cli.caller import ask
from nodes.cli.show import ANSWERS_ZH, Language, console, print_json, short, table
from nodes.cli.traces import save_proof
from nodes.client import Client

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "none": "未发现问题",
        "columns": "账本|序号|问题|须答复|对象",
        "convicted": "已定案的密钥：",
        "as_of": "截至：",
        "more": "导出证据：shouxin evidence 对象 -o 文件",
    },
    "en": {
        "none": "No findings",
        "columns": "log|index|finding|answers|about",
        "convicted": "Convicted keys:",
        "as_of": "known up to: ",
        "more": "to export what convicts a key: shouxin evidence OBJECT -o FILE",
    },
}


def findings(given: argparse.Namespace) -> int:
    """Show what broke a rule, the newest entries first, and up to where that is known."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.found(origin=given.origin or "", rows=given.rows)

    found = ask(given, question)
    if given.json:
        print_json(found)
        return 0
    tell_findings(found, given.lang)
    return 0


def tell_findings(found: Mapping[str, Any], language: Language) -> None:
    """Print what a node answers about findings."""
    out, words = console(), _WORDS[language]
    if not found["findings"]:
        out.print(words["none"], style="green")
    else:
        made = table(*words["columns"].split("|"), right=(1,))
        for row in found["findings"]:
            made.add_row(
                short(row["origin"]),
                str(row["index"]),
                _sentence(row, language),
                _who(row, language),
                Text(row["subject"]),
            )
        out.print(made)
    if found["convicted"]:
        out.print(f"\n{words['convicted']}", style="bold red")
        for key in found["convicted"]:
            out.print(f"  {key['subject']}  {key['detail']}", markup=False)
        out.print(f"  {words['more']}", style="dim")
    sizes = ", ".join(f"{short(origin)} {size}" for origin, size in found["as_of"].items())
    out.print(f"{words['as_of']}{sizes}", style="dim", markup=False)


def evidence(given: argparse.Namespace) -> int:
    """Write what convicts a key to a file, which verifies with nothing but the genesis roster."""

    async def question(client: Client) -> bytes:
        return await client.evidence(given.object)

    data = ask(given, question)
    return save_proof(given.output, data)


def _sentence(row: Mapping[str, Any], language: Language) -> Text:
    style = "red" if row["severity"] == "breach" else "yellow"
    said = row["reason_zh" if language == "zh" else "reason_en"]
    return Text.assemble((row["code"], style), f"  {said or row['detail']}")


def _who(row: Mapping[str, Any], language: Language) -> str:
    who = ANSWERS_ZH[row["answers"]] if language == "zh" else row["answers"]
    return f"{row['region']} {who}"
