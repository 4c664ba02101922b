"""A case's timeline, told to people: who did what, when, on what ground, and who held it after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from authz.obligation import WORDS as OBLIGATIONS
from authz.obligation import Obligation
from authz.trace import Trace
from ledger.names import region_of_origin
from nodes.cli.show import (
    RIGHT_ZH,
    STAGE_ZH,
    Language,
    deadline,
    moment,
    reason,
    short,
    table,
)
from nodes.core.kinds import KINDS
from nodes.plain import plain

_CONFIRMATION_ZH: Final[Mapping[str, str]] = {
    "open": "待核",
    "confirmed": "已核实",
    "confirmed-late": "事后核实",
    "unauthorised": "无权",
    "unproven": "未能核实",
}
_MARKS: Final[Mapping[str, str]] = {"accepted": "○", "witnessed": "◐", "replicated": "●"}
_STYLE: Final[Mapping[str, str]] = {
    "open": "yellow",
    "unauthorised": "red",
    "unproven": "red",
}
_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "case": "办件",
        "holder": "现持有",
        "nobody": "无（已办结）",
        "stage": "环节",
        "columns": "时间|日志|环节|经办人|依据|其后持有|状态",
        "ground": "依据",
        "marks": "● 已复制到法定数量的省  ◐ 已见证  ○ 仅本地已存  ″ 同上  时间为北京时间",
        "findings": "发现的问题",
        "none": "未发现问题",
        "overrun": "逾期",
        "clocks": "时限",
        "clock_columns": "事项|责任方|起|止（含当日）|现状|逾期期间持有",
        "provisional": "* 暂定：所涉年度的工作日历尚未公布，按周一至周五推算。",
        "unproven": "? 起止时间未全部得到佐证，按可佐证的最晚时间计。",
        "seal": "印章",
        "asserted": "† 私钥由地区代管：由该地区声明系此人所为。",
        "beliefs": "更正",
        "believed": "  {of}  {begin} 起至 {end} 以此为准：{said}",
        "believed_now": "  {of}  {begin} 起以此为准：{said}",
        "proofs": "逐条凭证：--json --proofs，或 GET {url}",
    },
    "en": {
        "case": "Case",
        "holder": "held by",
        "nobody": "nobody (closed)",
        "stage": "stage",
        "columns": "time|log|act|by|rests on|then held by|standing",
        "ground": "rests on",
        "marks": "● replicated by a quorum  ◐ witnessed  ○ accepted only  ″ as above  times: UTC+8",
        "findings": "Findings",
        "none": "No findings",
        "overrun": "overdue:",
        "clocks": "Clocks",
        "clock_columns": "owed|by|from|due (that day included)|stands|held while overdue",
        "provisional": "* Provisional: the calendar of a year in it is not published yet.",
        "unproven": "? Not all its times are borne out; the latest that evidence allows counts.",
        "seal": "seal",
        "asserted": "† The region holds the key: it is the region who says that they acted.",
        "beliefs": "Corrections",
        "believed": "  {of}  held to be so from {begin} until {end}: {said}",
        "believed_now": "  {of}  held to be so since {begin}: {said}",
        "proofs": "proof of each line: --json --proofs, or GET {url}",
    },
}


_STANDING_ZH: Final[Mapping[str, str]] = {
    "running": "计时中",
    "paused": "暂停",
    "overdue": "已逾期",
    "met": "按时完成",
    "late": "逾期完成",
    "moot": "已终止",
    "lapsed": "已届满",
}
_STANDING_STYLE: Final[Mapping[str, str]] = {"overdue": "bold red", "late": "red", "met": "green"}


def trace_fields(told: Trace) -> dict[str, Any]:
    """Return a timeline as the API gives it."""
    return {
        "case": told.case,
        "holder": told.holder,
        "stage": told.stage,
        "lines": [plain(asdict(line)) for line in told.lines],
        "beliefs": [plain(asdict(it)) for it in told.beliefs],
        "clocks": [
            plain(clock.fields(told.as_of_s)) for clock in told.clocks if told.as_of_s is not None
        ],
        "clocks_as_of_s": told.as_of_s,
        "findings": [list(found) for found in told.findings],
    }


def tell_trace(
    out: Console, told: Trace, language: Language, names: Mapping[str, str] | None = None
) -> None:
    """Print a timeline; ``names`` as for ``tell_fields``."""
    tell_fields(out, trace_fields(told), language, names)


def tell_fields(
    out: Console,
    told: Mapping[str, Any],
    language: Language,
    names: Mapping[str, str] | None = None,
    indent: int = 0,
) -> None:
    """Print a timeline that came from a node.

    Args:
        out: Where to.
        told: As the API gives it.
        language: Of the words.
        names: What regions are called, by code; None shows the codes.
        indent: Columns left free.
    """

    def put(shown: RenderableType) -> None:
        out.print(Padding(shown, (0, 0, 0, indent), expand=False))

    words, named = _WORDS[language], names or {}
    stage = told["stage"] or "?"
    holder = told["holder"] or words["nobody"]
    head = Text.assemble(
        (f"{words['case']} {told['case']}", "bold"),
        f"  {words['stage']} {_zh(STAGE_ZH, stage, language)}",
        f"  {words['holder']} {place(holder, named)}",
    )
    put(head)
    lines: Sequence[Mapping[str, Any]] = told["lines"]
    days = sorted({moment(line["time_s"])[:10] for line in lines})
    # A day that all share stands above them, and its year does in any case.
    from_ = 11 if len(days) == 1 else 5 if len({day[:4] for day in days}) == 1 else 0
    put(Text(" – ".join(dict.fromkeys((days[0], days[-1]))) if days else "", style="dim"))
    made = table(*words["columns"].split("|"), padding=1)
    before = ""
    for line in lines:
        holder = place(line["holder"], named) if line["holder"] else "–"
        made.add_row(
            moment(line["time_s"])[from_:19],
            f"{named.get(line['region'], line['region'])} {line['index']}",
            Text(line["zh"] if language == "zh" else line["en"]),
            _by(line, named),
            _ground(line, language),
            "″" if holder == before else holder,
            standing(line, language),
        )
        before = holder
    put(made)
    for name in dict.fromkeys(line[it] for line in lines for it in ("grant", "seal") if line[it]):
        put(Text(f"{words['ground']} {name}", style="dim"))
    put(Text(words["marks"], style="dim"))
    if any(line["asserted"] for line in lines):
        put(Text(words["asserted"], style="dim"))
    _put_clocks(put, told.get("clocks", ()), language, named)
    _put_beliefs(put, told.get("beliefs", ()), language, named)
    if lines and "proof" in lines[0]:
        put(Text(words["proofs"].format(url=lines[0]["proof"]["url"]), style="dim"))
    if not told["findings"]:
        put(Text(words["none"], style="green"))
        return
    put(Text(words["findings"], style="bold red"))
    for origin, index, code in told["findings"]:
        put(Text(f"  {origin} #{index} {code}: {reason(code, language)}"))


def _put_clocks(
    put: Callable[[RenderableType], None],
    clocks: Sequence[Mapping[str, Any]],
    language: Language,
    named: Mapping[str, str],
) -> None:
    """Print what was owed, without what a later step ended before anything was late."""
    shown = [clock for clock in clocks if clock["standing"] not in {"moot", "lapsed"}]
    if not shown:
        return
    words = _WORDS[language]
    put(Text(words["clocks"], style="bold"))
    made = table(*words["clock_columns"].split("|"), padding=1)
    for clock_ in shown:
        how = clock_["standing"]
        marks = "*" * clock_["provisional"] + "?" * (not clock_["proven"])
        made.add_row(
            _owed(clock_["obligation"], language),
            place(clock_["unit"], named),
            moment(clock_["start_s"])[:10],
            "–" if clock_["due_s"] is None else deadline(clock_["due_s"]) + marks,
            Text(_zh(_STANDING_ZH, how, language), style=_STANDING_STYLE.get(how, "")),
            ", ".join(place(span["unit"], named) for span in clock_["held"]),
        )
    put(made)
    for mark, name in (("provisional", "provisional"), ("unproven", "proven")):
        if any(clock_[name] is (mark == "provisional") for clock_ in shown):
            put(Text(words[mark], style="dim"))


def _put_beliefs(
    put: Callable[[RenderableType], None],
    beliefs: Sequence[Mapping[str, Any]],
    language: Language,
    named: Mapping[str, str],
) -> None:
    """Print what was held to be so of each act that was corrected, before and after."""
    if not beliefs:
        return
    words = _WORDS[language]
    put(Text(words["beliefs"], style="bold"))
    for belief in beliefs:
        origin, index = belief["of"]
        region = region_of_origin(origin)
        is_last = belief["until_s"] is None
        put(
            Text(
                words["believed_now" if is_last else "believed"].format(
                    of=f"{named.get(region, region)} {index}",
                    begin=moment(belief["from_s"])[:19],
                    end="" if is_last else moment(belief["until_s"])[:19],
                    said=_said(belief, language),
                )
            )
        )


def _said(belief: Mapping[str, Any], language: Language) -> str:
    """Return what an act said, in its own fields; of a correction its words and its reason."""
    body = belief["body"]
    if belief["at"] != belief["of"]:
        return f"{body['remark']} ({body['reason']}; {short(belief['issuer'])})"
    kind = KINDS.get((belief["kind"], 1))
    fields = {} if kind is None or language == "en" else kind.fields
    told = (
        f"{fields[name].zh if name in fields else name}={value}"
        for name, value in body.items()
        if isinstance(value, str | int)
    )
    named = kind.zh if kind is not None and language == "zh" else belief["kind"]
    return f"{named} {', '.join(told)}"


def _by(line: Mapping[str, Any], named: Mapping[str, str]) -> str:
    issuer = line["issuer"]
    if "/" not in issuer:
        return named.get(issuer, issuer)
    return short(issuer) + ("†" if line["asserted"] else "")


def _ground(line: Mapping[str, Any], language: Language) -> Text:
    if line["grant"]:
        right = line["right"] or ""
        return Text(RIGHT_ZH.get(right, right) if language == "zh" else right)
    return Text(_WORDS[language]["seal"] if line["seal"] else "")


def standing(line: Mapping[str, Any], language: Language) -> Text:
    """Return how safe the entry is, and how its reliance on another log stands."""
    if line["findings"]:
        return Text(", ".join(line["findings"]), style="red")
    shown = Text(_MARKS.get(line["finality"], "?"))
    if line["confirmation"]:
        word = line["confirmation"]
        shown.append(f" {_zh(_CONFIRMATION_ZH, word, language)}", style=_STYLE.get(word, "green"))
    if overrun := line.get("overrun"):
        owed = ", ".join(_owed(name, language) for name in overrun)
        shown.append(f" {_WORDS[language]['overrun']} {owed}", style="red")
    return shown


def _owed(obligation: str, language: Language) -> str:
    return OBLIGATIONS[Obligation(obligation)][0 if language == "zh" else 1]


def place(name: str, named: Mapping[str, str]) -> str:
    """Return a party as people read it: its region's name, and what tells it apart there."""
    region, slash, rest = name.partition("/")
    if not slash:
        return named.get(name, name)
    return f"{named.get(region, region)} {rest.rsplit('/', 1)[-1]}"


def _zh(words: Mapping[str, str], word: str, language: Language) -> str:
    return words.get(word, word) if language == "zh" else word
