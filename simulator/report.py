"""A report of a run: one HTML page that needs nothing else, and the same figures as JSON."""

import json
import sys
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from simulator import plots
from simulator.places import places_of
from simulator.run import Outcome, Watch
from simulator.scenario import Scenario
from simulator.sometimes import SOMETIMES

Work = Callable[[Watch | None], Outcome]
"""A run that tells a watcher how far it is."""

FORMAT: Final = "shouxin/simulation/v1"
_STYLE: Final = """
body{font:15px/1.5 sans-serif;color:#222;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.1rem;margin:2rem 0 .4rem}
table{border-collapse:collapse;font-size:.85rem}td,th{padding:.15rem .8rem .15rem 0;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.plot{overflow-x:auto}svg{width:100%;min-width:34rem;height:auto}.two svg{min-width:0}
.legend span{margin-right:1rem;font-size:.8rem}.legend i{display:inline-block;width:.8em;
height:.8em;margin-right:.3em}.bad{color:#b3202c;font-weight:600}.good{color:#23713f}code{font-size:.85em}
.two{display:grid;grid-template-columns:1fr 1fr;gap:2rem}.muted{color:#667}
@media(max-width:50rem){.two{display:block}}
"""
_SERIES: Final = (
    ("acts a second", "Throughput 办理量", "acts a second, by region"),
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
        items = "".join(f"<li>{escape(one)}</li>" for one in made["script"])
        words.append(
            f'<h2>What happens 情节</h2><ul>{items}</ul><p class="muted">Dotted uprights in the '
            "plots stand where these begin.</p>"
        )
    return "".join(words)


def _verdict(made: Mapping[str, Any]) -> str:
    lines = []
    if made["broken"]:
        lines.append(f'<p class="bad">A promise is broken: {escape(made["broken"])}</p>')
    else:
        lines.append(
            f'<p class="good">All promises held; settled {made["settled_s"]:.0f} s after healing.'
        )
    unmet = {one.split(", and it is ")[0] for one in made["unmet"]}
    lines += [f'<p class="bad">Not as expected: {escape(one)}</p>' for one in made["unmet"]]
    lines += [
        f'<p class="good">As expected: {escape(one)}</p>'
        for one in made["expected"]
        if one not in unmet
    ]
    return "<h2>Verdict 结论</h2>" + "".join(lines)


def _plots(made: Mapping[str, Any]) -> str:
    measures = made["measures"]
    bucket_ms = measures["bucket_ms"]
    names = {place.code: place for place in places_of(made["places"], made["count"])}

    def named(by_region: Mapping[str, Any]) -> dict[str, Any]:
        return {names[code].name if code in names else code: it for code, it in by_region.items()}

    parts = []
    for name, title, unit in _SERIES:
        lines = named(measures["series"].get(name, {}))
        plot = plots.over_time(title, unit, lines, bucket_ms, made.get("marks", ()))
        parts.append(f'<h2>{title}</h2><div class="plot">{plot}</div>')
    lags = {
        region: {
            word: measures["lags_ms"][word].get(region, {}).get("p95", 0)
            for word in _WORDS
            if word in measures["lags_ms"]
        }
        for region in names
    }
    unit = "milliseconds, 95th percentile, logarithmic"
    plot = plots.bars("lag", unit, named(lags))
    parts.append(f'<h2>Lag by region 时延</h2><div class="plot">{plot}</div>')
    places = list(names.values())
    parts.append(
        "<h2>Who waited for whom 谁等谁</h2><p class='muted'>As broad as the time that one node's "
        "requests waited for another; red where some had no answer.</p>"
        + plots.waits(places, measures["waits"])
    )
    return "".join(parts)


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
    return f"<h2>{escape(title)}</h2><table>{cells or '<tr><td>none</td></tr>'}</table>"


# ---- two reports --------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Any]:
    """Read a report's JSON, from its folder or its file.

    Raises:
        ValueError: It is no report.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        made: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"no report can be read there: {error}") from error
    if not isinstance(made, dict) or made.get("format") != FORMAT:
        raise ValueError(f"not a report of a simulation: {file}")
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
    halves = "".join(
        f"<div><h2>{escape(it['title'])} · {escape(it['title_zh'])}</h2>"
        f"{_head(it)}{_verdict(it)}{_plots(it)}</div>"
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
