"""The life of a grant, seal or other object, as a bundle proves it, told to people."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console

from authz.object_bundle import ObjectLife
from nodes.cli.show import Language, moment, table

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "columns": "日志|序号|行为|经办人|时间|佐证存在于|其后",
        "live": "有效",
        "ended": "已终止",
        "void": "无效记录",
        "at": "{moment}：",
        "yes": "当时有效，已证明",
        "no": "当时无效，已证明",
        "unknown": "本证据包不足以证明当时是否有效",
    },
    "en": {
        "columns": "log|entry|act|by|declared|seen by|after it",
        "live": "live",
        "ended": "not live",
        "void": "void",
        "at": "At {moment}: ",
        "yes": "it was live, and that is proven",
        "no": "it was not live, and that is proven",
        "unknown": "the bundle does not prove whether it was live",
    },
}
_ANSWERS: Final[Mapping[bool | None, tuple[str, str]]] = {
    True: ("yes", "bold green"),
    False: ("no", "bold red"),
    None: ("unknown", "bold yellow"),
}


def life_fields(told: ObjectLife, at_s: int | None) -> dict[str, Any]:
    """Return a life as JSON has it."""
    made: dict[str, Any] = {
        "object": told.object,
        "logs": {log.origin: {"live": log.live, **asdict(log)} for log in told.logs},
    }
    if at_s is not None:
        made["at_s"] = at_s
        made["live_at"] = told.live_at(at_s)
    return made


def tell_life(out: Console, told: ObjectLife, language: Language, at_s: int | None) -> None:
    """Print each act, and what the bundle proves of a moment, if one was asked about."""
    words = _WORDS[language]
    out.print(told.object, style="bold", markup=False)
    made = table(*words["columns"].split("|"), right=(1,))
    for log in told.logs:
        for line in log.lines:
            after = "void" if line.live is None else "live" if line.live else "ended"
            made.add_row(
                log.origin,
                str(line.index),
                line.zh if language == "zh" else line.en,
                line.issuer,
                moment(line.time_s),
                "?" if line.seen_by_s is None else moment(line.seen_by_s),
                " ".join((words[after], *line.findings)),
            )
    out.print(made)
    if at_s is not None:
        answer, style = _ANSWERS[told.live_at(at_s)]
        out.print(words["at"].format(moment=moment(at_s)) + words[answer], style=style)
