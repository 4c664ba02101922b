"""What followed from an officer, a window, a grant, a seal or an incident, told to people."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from ledger.names import region_of_origin
from nodes.cli.show import ANSWERS_ZH, STAGE_ZH, Language, moment, reason, table
from nodes.cli.telling import place, standing

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "columns": "时间|日志|行为|经办人|关系|办件或对象|状态",
        "cases": "涉及的办件",
        "case_columns": "办件|环节|现持有|行为数",
        "concerns": "涉及",
        "unknown": "此处未见",
        "none": "未发现问题",
        "findings": "发现的问题",
        "answers": "须答复",
        "more": "仅列出最早的 {count} 条；--rows 可列出更多",
        "proofs": "逐条凭证：--json --proofs；其存续的证明：shouxin prove {name} -o 文件",
    },
    "en": {
        "columns": "time|log|act|by|how|case or object|standing",
        "cases": "Cases it touches",
        "case_columns": "case|stage|held by|acts",
        "concerns": "Concerns",
        "unknown": "not within sight on what it names",
        "none": "No findings",
        "findings": "Findings",
        "answers": "to answer",
        "more": "only the oldest {count}; --rows for more",
        "proofs": "proof of each line: --json --proofs; of its life: shouxin prove {name} -o FILE",
    },
}
_HOW_ZH: Final[Mapping[str, str]] = {
    "about": "对其",
    "by": "由其",
    "at": "在该窗口",
    "under": "依该授权",
    "with": "用该章",
    "names": "提及",
}


_CONCERNS: Final[Mapping[str, tuple[str, str]]] = {
    "case": ("办件", "case"),
    "grant": ("授权", "grant"),
    "seal": ("印章", "seal"),
    "responsible": ("责任方", "responsible"),
    "entry": ("所指条目哈希", "leaf hash of the act"),
    "act": ("所指条目", "the act"),
}


def tell_followed(
    out: Console, told: Mapping[str, Any], language: Language, names: Mapping[str, str]
) -> None:
    """Print what followed from an object; ``names`` are what regions are called, by code."""
    words = _WORDS[language]
    out.print(Text(told["object"], style="bold"))
    made = table(*words["columns"].split("|"), padding=1)
    for line in told["lines"]:
        made.add_row(
            moment(line["time_s"])[:16],
            f"{names.get(line['region'], line['region'])} {line['index']}",
            Text(line["zh"] if language == "zh" else line["en"]),
            place(line["issuer"], names) + ("†" if line["asserted"] else ""),
            _how(line["how"], language),
            line["case"] or line["subject"],
            standing(line, language),
        )
    out.print(made)
    if told["next"] is not None:
        out.print(Text(words["more"].format(count=len(told["lines"])), style="yellow"))
    _tell_cases(out, told["cases"], language, names)
    if told.get("concerns"):
        out.print(Text(words["concerns"], style="bold"))
        for name, value in told["concerns"].items():
            out.print(
                Text(f"  {_CONCERNS[name][language == 'en']}  {_concern(value, names, words)}")
            )
    out.print(Text(words["proofs"].format(name=told["object"]), style="dim"))
    if not told["findings"]:
        out.print(Text(words["none"], style="green"))
        return
    out.print(Text(words["findings"], style="bold red"))
    for row in told["findings"]:
        who = ANSWERS_ZH[row["answers"]] if language == "zh" else row["answers"]
        out.print(
            Text(
                f"  {row['origin']} #{row['index']} {row['code']}: "
                f"{reason(row['code'], language)} ({words['answers']}: {row['region']} {who})"
            )
        )


def _concern(value: object, names: Mapping[str, str], words: Mapping[str, str]) -> str:
    """Return what an incident names: an object, a hash, or the place of an act if it is known."""
    if value is None:
        return words["unknown"]
    if isinstance(value, list):
        origin, index = value
        region = region_of_origin(origin)
        return f"{names.get(region, region)} {index}"
    return str(value)


def _tell_cases(
    out: Console,
    cases: Sequence[Mapping[str, Any]],
    language: Language,
    names: Mapping[str, str],
) -> None:
    if not cases:
        return
    words = _WORDS[language]
    out.print(Text(words["cases"], style="bold"))
    made = table(*words["case_columns"].split("|"), right=(3,))
    for case in cases:
        stage = case["stage"] or "?"
        made.add_row(
            case["case"],
            STAGE_ZH.get(stage, stage) if language == "zh" else stage,
            place(case["holder"], names) if case["holder"] else "–",
            str(len(case["acts"])),
        )
    out.print(made)


def _how(words: Sequence[str], language: Language) -> str:
    return "、".join(_HOW_ZH[it] for it in words) if language == "zh" else ", ".join(words)
