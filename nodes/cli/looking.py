"""``shouxin why`` and ``readers``: why an attempt was refused, and who has looked at a case."""

import argparse
from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

from nodes.cli.caller import ask
from nodes.cli.show import Language, console, moment, print_json, table
from nodes.client import Client

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "refused": "{at} {party} 的请求被拒绝：{what}  [{request}]",
        "sizes": "所依据的账本：",
        "more": "共 {count} 条被拒绝，以上为其中的前 {shown} 条",
        "columns": "单位或人员|角色|查看内容|首次|末次|次数",
        "nobody": "无查看记录",
        "paper": "持有凭证者",
    },
    "en": {
        "refused": "{at} {party} was refused: {what}  [{request}]",
        "sizes": "logs relied on: ",
        "more": "{count} were refused; these are the first {shown}",
        "columns": "party|role|looked at|first|last|times",
        "nobody": "Nobody has looked at it",
        "paper": "whoever has the paper",
    },
}


def why(given: argparse.Namespace) -> int:
    """Show why an attempt was refused; without a number, the latest that were."""

    async def question(client: Client) -> dict[str, Any]:
        if given.request is None:
            return await client.refusals(party=given.party, rows=given.rows)
        return await client.why(given.request)

    told = ask(given, question)
    if given.json:
        print_json(told)
        return 0
    for row in [told] if given.request else told["refusals"]:
        _tell_refusal(row, given.lang)
    return 0


def _tell_refusal(told: Mapping[str, Any], language: Language) -> None:
    out, words = console(), _WORDS[language]
    after = ("kind", "subject", "issuer", "window", "right", "item", "officer")
    what = " ".join(str(told[name]) for name in after if name in told)
    at = moment(told["at_s"])
    what = what or f"{told['method']} {told['path']}"
    head = words["refused"].format(at=at, party=told["party"], what=what, request=told["request"])
    out.print(Text(head, style="bold"))
    for row in told.get("results", [told]):
        _tell_reason(row, language)
    if "results" in told:
        shown = len(told["results"])
        out.print(Text(words["more"].format(count=told["refused"], shown=shown), style="dim"))
    sizes = ", ".join(f"{origin} {size}" for origin, size in told["sizes"].items())
    out.print(Text(words["sizes"] + sizes, style="dim"))


def _tell_reason(row: Mapping[str, Any], language: Language) -> None:
    out = console()
    said = row["reason_zh" if language == "zh" else "reason_en"]
    out.print(Text.assemble("  ", (row["code"], "red"), f"  {said}"))
    out.print(Text(f"  {row['detail']}", style="dim"))
    if "mend" in row:
        out.print(Text(f"  {row['mend']}"))


def readers(given: argparse.Namespace) -> int:
    """Show who looked at a case."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.readers(given.case, rows=given.rows)

    told = ask(given, question)
    if given.json:
        print_json(told)
        return 0
    out, words = console(), _WORDS[given.lang]
    if not told["readers"]:
        out.print(words["nobody"])
        return 0
    made = table(*words["columns"].split("|"), right=(5,))
    for row in told["readers"]:
        times = (moment(row["first_s"]), moment(row["last_s"]), str(row["times"]))
        made.add_row(row["party"] or words["paper"], row["role"], row["what"], *times)
    out.print(made)
    return 0
