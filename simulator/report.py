"""A report of a run: one HTML page that needs nothing else, and the same figures as JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from simulator import plots
from simulator.asked import AskedError
from simulator.places import places_of
from simulator.run import Outcome, Watch
from simulator.scenario import Scenario
from simulator.sometimes import SOMETIMES

Work = Callable[[Watch | None], Outcome]
"""A run that tells a watcher how far it is."""

FORMAT: Final = "shouxin/simulation/v1"
THROUGHPUT: Final = "acts a second"
BOTH_NAMES_MAX: Final = 7
"""Up to so many regions a plot names them in both languages."""
_STYLE: Final = """
body{font:15px/1.5 sans-serif;color:#222;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.1rem;margin:2rem 0 .4rem}
table{border-collapse:collapse;font-size:.85rem}td,th{padding:.15rem .8rem .15rem 0;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.rows{columns:24rem;column-gap:2rem}tr{break-inside:avoid}
.plot{overflow-x:auto}svg{width:100%;min-width:34rem;height:auto}.two svg{min-width:0}
.bad{color:#b3202c;font-weight:600}.good{color:#23713f}code{font-size:.85em}
.two{display:grid;grid-template-columns:1fr 1fr;gap:2rem}.muted{color:#667}
@media(max-width:50rem){.two{display:block}}
"""
_SERIES: Final = (
    (THROUGHPUT, "Throughput 办理量", "acts a second, by region"),
    ("backlog", "Backlog 积压", "entries not replicated yet, or not judged yet, by region"),
    (
        "deadlines missed",
        "Deadlines missed 超时",
        "acts not replicated R after they were accepted, by region",
    ),
    ("staleness", "Staleness 视图时效", "seconds: the age of the oldest note it relies on"),
    (
        "findings",
        "Findings 发现",
        "that stand in each region's log so far: of its acts, or of what it has found out",
    ),
)


_WORDS: Final = ("accepted", "witnessed", "replicated")
"""In the order in which an act comes to them."""


def to_map(outcome: Outcome, scenario: Scenario) -> dict[str, Any]:
    """Return the report as it stands in the JSON file."""
    plan = outcome.plan
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "title": scenario.title,
        "title_zh": scenario.title_zh,
        "about": scenario.about,
        "source": scenario.source,
        "command": plan.command(),
        "seed": plan.seed,
        "signer": plan.signer,
        "judging": plan.judging,
        "pace_ms": plan.pace_ms,
        "regions": len(places_of(plan.places, plan.regions)),
        "places": plan.places,
        "count": plan.regions,
        "simulated_s": outcome.simulated_ms / 1_000,
        "events": outcome.events,
        "trace": outcome.trace,
        "cpu_s": round(outcome.cpu_s, 2),
        "broken": outcome.broken,
        "expected": [one.words() for one in plan.expect],
        "unmet": list(outcome.unmet),
        "settled_s": outcome.settled_ms / 1_000,
        "sizes": dict(outcome.sizes),
        "injected": dict(outcome.injected),
        "sometimes": {name: outcome.counts.get(name, 0) for name in SOMETIMES},
        "counts": dict(outcome.counts),
        "figures": dict(outcome.figures),
        "measures": dict(outcome.measures),
        "script": [one.words() for one in plan.script],
        "marks": [[one.at_s, one.words()] for one in plan.script],
    }


def write(outcome: Outcome, scenario: Scenario, folder: Path) -> Path:
    """Write ``report.html`` and ``report.json`` into a folder; return the page."""
    made = to_map(outcome, scenario)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    path = folder / "report.html"
    path.write_text(page(made), encoding="utf-8")
    return path


def page(made: Mapping[str, Any]) -> str:
    """Return the HTML page of a report."""
    title = f"{made['title']} · {made['title_zh']}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{_body(made)}</html>\n"
    )


def _body(made: Mapping[str, Any]) -> str:
    return "".join((_head(made), _verdict(made), _plots(made), _tables(made)))


def _head(made: Mapping[str, Any]) -> str:
    faster = made["simulated_s"] / max(made["cpu_s"], 0.01)
    words = [
        f"<p>{escape(made['about'])}</p>",
        f'<p class="muted">{escape(made["source"])}</p>' if made["source"] else "",
        (
            f'<p class="muted">{made["regions"]} regions, seed {made["seed"]}, '
            f"{made['simulated_s'] / 60:.1f} simulated minutes in {made['cpu_s']:.1f} CPU seconds "
            f"({faster:.1f} times as fast as life), {made['events']} events. "
            f"Signatures: {escape(made['signer'])}. Judging: {escape(made['judging'])}. "
            f"Acts gathered for {made['pace_ms']} ms. "
            f"Trace {made['trace'][:16]}…<br><code>{escape(made['command'])}</code></p>"
        ),
    ]
    if made["script"]:
        items = "".join(f"<li>{escape(_with_names(one, made))}</li>" for one in made["script"])
        words.append(
            f'<h2>What happens 情节</h2><ol>{items}</ol><p class="muted">Dotted uprights in the '
            "plots stand where these begin, with their numbers.</p>"
        )
    return "".join(words)


def _with_names(words: str, made: Mapping[str, Any]) -> str:
    """Return words in which each region's code is followed by its name."""
    names = {place.code: place.name for place in places_of(made["places"], made["count"])}
    return " ".join(f"{word} {names[word]}" if word in names else word for word in words.split())


def _verdict(made: Mapping[str, Any]) -> str:
    lines = []
    if made["broken"]:
        lines.append(f'<p class="bad">A promise is broken: {escape(made["broken"])}</p>')
    else:
        lines.append(
            f'<p class="good">All promises held; settled {made["settled_s"]:.0f} s after healing.'
        )
    if "--what-if" in made["command"] and made["expected"]:
        lines.append(
            '<p class="muted">What is expected is the scenario\'s; this run was changed by '
            "<code>--what-if</code>, see above.</p>"
        )
    unmet = {one.split(", and it is ")[0] for one in made["unmet"]}
    lines += [f'<p class="bad">Not as expected: {escape(one)}</p>' for one in made["unmet"]]
    lines += [
        f'<p class="good">As expected: {escape(one)}</p>'
        for one in made["expected"]
        if one not in unmet
    ]
    return "<h2>Verdict 结论</h2>" + "".join(lines)


def _line_plots(
    made: Mapping[str, Any], least_tops: Mapping[str, float]
) -> Iterator[tuple[str, str]]:
    """Give the plots over time, each with its title."""
    marks = [(at_s, _with_names(words, made)) for at_s, words in made.get("marks", ())]
    for name, title, unit in _SERIES:
        lines, bucket_ms = _lines(made, name)
        if name == THROUGHPUT:
            # People come in ones and twos, and what is gathered comes at once: a comb, else.
            unit += f", means over {bucket_ms / 1_000:g} s"  # noqa: PLW2901 - it is said here alone
        plot = plots.over_time(
            title, unit, lines, bucket_ms, marks, least_top=least_tops.get(name, 0.0)
        )
        yield title, plot


def _lines(made: Mapping[str, Any], name: str) -> tuple[dict[str, list[plots.Point]], int]:
    """Return the lines of a plot by region, and how far apart their points are."""
    measures = made["measures"]
    lines: dict[str, list[plots.Point]] = _named(made, measures["series"].get(name, {}))
    bucket_ms: int = measures["bucket_ms"]
    if name != THROUGHPUT:
        return lines, bucket_ms
    times = plots.times_coarser(lines.values())
    return {region: plots.coarser(line, times) for region, line in lines.items()}, bucket_ms * times


def _tops(*reports: Mapping[str, Any]) -> dict[str, float]:
    """Return the greatest value of each plot over time, in all of these reports."""
    tops = {}
    for name, _, _ in _SERIES:
        lines = [line for made in reports for line in _lines(made, name)[0].values()]
        tops[name] = max((value or 0.0 for line in lines for value in line), default=0.0)
    return tops


def _named(made: Mapping[str, Any], by_region: Mapping[str, Any]) -> dict[str, Any]:
    """Return it by the names of regions, in both languages where there is room."""
    names = {place.code: place for place in places_of(made["places"], made["count"])}
    is_short = len(names) > BOTH_NAMES_MAX
    told = {
        code: place.name if is_short else f"{place.name} {place.name_en}"
        for code, place in names.items()
    }
    return {told.get(code, code): by_region[code] for code in sorted(by_region)}


def _plots(made: Mapping[str, Any], least_tops: Mapping[str, float] = MappingProxyType({})) -> str:
    measures = made["measures"]
    names = {place.code: place for place in places_of(made["places"], made["count"])}
    parts = [
        f'<h2>{title}</h2><div class="plot">{plot}</div>'
        for title, plot in _line_plots(made, least_tops)
    ]
    lags = {
        region: {
            word: measures["lags_ms"][word].get(region, {}).get("p95", 0)
            for word in _WORDS
            if word in measures["lags_ms"]
        }
        for region in names
    }
    unit = "milliseconds, 95th percentile, logarithmic: until accepted, and from then on"
    plot = plots.bars("lag", unit, _named(made, lags))
    parts.append(f'<h2>Lag by region 时延</h2><div class="plot">{plot}</div>')
    places = list(names.values())
    parts.append(
        "<h2>Who waited for whom 谁等谁</h2><p class='muted'>As broad as the time that one node's "
        f"requests waited for another{_broadest(made)}; red where one of twenty or more had no "
        "answer. Seen from the one who waits, its line bends to the left.</p>"
        f'<div class="plot">{plots.waits(places, measures["waits"])}</div>'
    )
    return "".join(parts)


def _broadest(made: Mapping[str, Any]) -> str:
    """Say how long the broadest line of the map is."""
    row = max(made["measures"]["waits"], key=lambda it: float(it["ms"]), default=None)
    if row is None:
        return ""
    pair = _with_names(f"{row['from']} for {row['to']}", made)
    return f" (the broadest: {escape(pair)}, {row['ms'] / 1_000:.0f} s in all)"


def _tables(made: Mapping[str, Any]) -> str:
    counts = made["counts"]
    figures = {k: f"{v:g}" for k, v in made["figures"].items() if k not in counts}
    findings = {k: v for k, v in counts.items() if k.startswith("finding ")}
    acts = {k: v for k, v in counts.items() if k.startswith("act ")}
    uses = {k: v for k, v in counts.items() if k.startswith("use ")}
    sometimes = {SOMETIMES[k]: v for k, v in made["sometimes"].items() if k in SOMETIMES}
    lags = made["measures"]["lags_ms"]
    quantiles = {
        f"{region} {word}": " · ".join(f"{name} {value} ms" for name, value in of.items())
        for word, regions in lags.items()
        for region, of in regions.items()
        if of
    }
    held = {
        f"{row['region']} for {row['for']}": row["times"] for row in made["measures"]["held"]
    }  # fmt: skip
    return "".join(
        (
            _table("Figures 数字", figures),
            _table("Findings by kind 发现", findings),
            _table("Uses of lent rights 授权使用", uses),
            _table(f"Injected: {len(made['injected'])} kinds 注入的故障", made["injected"]),
            _table("Sometimes 罕见状态 (0: never reached)", sometimes),
            _table("Acts 业务", acts),
            _table("Lags 时延", quantiles),
            _table("People who asked again, by whose log was not here yet", held),
            _table("Log sizes 日志长度", made["sizes"]),
        )
    )


def _table(title: str, rows: Mapping[str, object]) -> str:
    cells = "".join(
        f'<tr><td class="n">{escape(str(value))}</td><td>{escape(name)}</td></tr>'
        for name, value in rows.items()
    )
    table = f"<table>{cells or '<tr><td>none</td></tr>'}</table>"
    return f'<h2>{escape(title)}</h2><div class="rows">{table}</div>'


# ---- two reports --------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Any]:
    """Read a report's JSON, from its folder or its file.

    Raises:
        AskedError: It is no report.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        made: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AskedError("bad-report", f"no report can be read there: {error}") from error
    if not isinstance(made, dict) or made.get("format") != FORMAT:
        raise AskedError("bad-report", f"not a report of a simulation: {file}")
    return made


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return the figures that differ between two reports."""
    names = sorted(one["figures"].keys() | other["figures"].keys())
    pairs = ((it, one["figures"].get(it, 0.0), other["figures"].get(it, 0.0)) for it in names)
    return [(name, first, second) for name, first, second in pairs if first != second]


def compare(one_path: Path, other_path: Path, out: Path | None) -> int:
    """Lay two reports side by side, as text and, if asked, as a page."""
    one, other = read(one_path), read(other_path)
    rows = differences(one, other)
    lines = [f"{'':48} {one['seed']:>14} {other['seed']:>14}  (seeds)"]
    lines += [f"{name[:48]:48} {first:14g} {second:14g}" for name, first, second in rows]
    sys.stdout.write(f"{one['command']}\n{other['command']}\n" + "\n".join(lines) + "\n")
    if out is not None:
        out.write_text(_side_by_side(one, other, rows), encoding="utf-8")
        sys.stdout.write(f"report: {out}\n")
    return 0


def _side_by_side(
    one: Mapping[str, Any], other: Mapping[str, Any], rows: list[tuple[str, float, float]]
) -> str:
    cells = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{first:g}</td><td class="n">{second:g}</td>'
        f'<td class="n">{_change(first, second)}</td></tr>'
        for name, first, second in rows
    )
    tops = _tops(one, other)
    halves = "".join(
        f"<div><h2>{escape(it['title'])} · {escape(it['title_zh'])}</h2>"
        f"{_head(it)}{_verdict(it)}{_plots(it, tops)}</div>"
        for it in (one, other)
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Two simulations</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}body{{max-width:none}}</style><h1>Two simulations 对照</h1>"
        "<h2>What differs 不同之处</h2><table><tr><th>figure</th>"
        '<th class="n">left 左</th><th class="n">right 右</th><th class="n">change</th></tr>'
        f'{cells}</table><div class="two">{halves}</div></html>\n'
    )


def _change(first: float, second: float) -> str:
    if not first or not second:
        return "only left" if first else "only right"
    return f"{second / first - 1:+.0%}" if second < 2 * first else f"{second / first:.3g} times"
