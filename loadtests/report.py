"""The report of a load test: one page without a foreign part, and the same figures as JSON.

``python -m loadtests.report build/load/report.json --images docs/images`` draws the README's plots.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from loadtests.flood import CONNECTIONS
from loadtests.machine import ELSEWHERE
from loadtests.plots import curves
from loadtests.recorded import missing

LEVELS: Final = ("accepted", "witnessed", "replicated", "proven")
QUANTILES: Final = ("p50_ms", "p95_ms", "p99_ms", "max_ms")
_STYLE: Final = (
    "body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:.6em 0;font-variant-numeric:tabular-nums}"
    "td,th{padding:.15em .45em;text-align:right;border-bottom:1px solid #e4e6ea;vertical-align:top}"
    "td:first-child,th:first-child,table.facts td{text-align:left}"
    "div.wide{overflow-x:auto}div.wide td,div.wide th{white-space:nowrap}"
    "table.facts td{white-space:normal!important}"
    "svg{width:100%;min-width:36em;height:auto}h2{margin-top:2em}"
    "summary{cursor:pointer;font-size:1.15em;font-weight:600;margin-top:1em}"
    ".note{color:#555}.good{color:#23713f}.bad{color:#b3202c;font-weight:600}"
)


_WORDS: Final = (
    '<p class="note">A <i>turn</i> is one request of one person; an <i>act</i> is what a region '
    "records, and a turn may bring none (a question) or ten (a batch). In a <i>closed loop</i> "
    "each client sends when it has its answer; in an <i>open loop</i> people come at a rate "
    "whatever the answers do. <i>p50</i>, <i>p95</i> and <i>p99</i>: so many of a hundred took no "
    "longer. The <i>floor</i> is an empty request to the same node, asked as often; <i>V</i> is "
    "one signature verified.</p>"
)
_HOW_MEASURED: Final = (
    '<p class="note">Every latency counts from when the request was meant to start. '
    "<i>Proven</i>: a process that holds only the genesis roster has fetched the proof and "
    "checked it. The nodes, the load and that process share this machine. "
    "<i>Witnessed</i> and <i>replicated</i> are looked for every 50 ms.</p>"
)


def one_line(stage: Mapping[str, Any]) -> str:
    """Return a stage in one line, for whoever looks on."""
    accepted = stage["levels"].get("accepted", {})
    proven = stage["levels"].get("proven", {})
    unanswered, not_begun = (stage["sums"].get(it, 0) for it in ("unanswered", "not begun"))
    return (
        f"{stage['stage']['name']}: {stage['acts_a_second']:.0f} acts a second, "
        f"{stage['measured']['answered']:.0f} turns; accepted p50 {_ms(accepted.get('p50_ms'))}, "
        f"p99 {_ms(accepted.get('p99_ms'))}; proven p50 {_ms(proven.get('p50_ms'))}; "
        f"{stage['sums'].get('failed', 0)} failed"
        + (f", {unanswered} had no answer" if unanswered else "")
        + (f", {not_begun} never begun" if not_begun else "")
    )


def write(found: Mapping[str, Any], folder: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into a folder, and return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    page = folder / "report.html"
    page.write_text(html(found), encoding="utf-8")
    return page


def _saturation(found: Mapping[str, Any]) -> str:
    """Tell what the search came to, and whether it was kept up with."""
    rate, search = found["saturation"], found.get("search") or {}
    if rate is None:
        return "-"
    told = f"{rate:.1f} turns a second"
    if not search.get("is_kept_up", True):
        return f"none of the rates tried was kept up with; {told} is the next lower one"
    too_much = search.get("too_much")
    return told + (f"; {too_much:.1f} were too much" if too_much else "; nothing more was tried")


def _disk(disk: Mapping[str, float]) -> str:
    """Tell what an entry takes, of how many that is the mean, and what the files came to."""
    count = disk["entries_stored"]
    return (
        f"{disk['bytes_an_entry_and_replica']:.0f} bytes, the mean of {count:.0f} copies stored; "
        f"with write-ahead logs the files grew by {disk['files_bytes_grown'] / 1e6:.1f} MB"
    )


def _recorded(compared: Mapping[str, Mapping[str, int]]) -> str:
    """Tell how many acts the logs hold, of how many they answered for."""
    accepted, in_log = (
        sum(it[name] for it in compared.values()) for name in ("accepted", "in_log")
    )
    logs = "one log" if len(compared) == 1 else f"{len(compared)} logs"
    return f"{in_log} in {logs}; {accepted} had been answered as accepted there"


def html(found: Mapping[str, Any]) -> str:
    """Return the page."""
    machine, floors, network = found["machine"], found["floors"], found["network"]
    plots = plots_of(found["stages"])
    facts = [
        ("Machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"),
        ("Python", machine["python"]),
        ("Shouxin", " ".join(filter(None, found["code"].values()))),
        ("Load average before it began", f"{machine['busy_before']:.2f}"),
        ("Cores that all others kept busy", _elsewhere(found["stages"])),
        ("Regions", f"{len(network['regions'])} ({', '.join(network['regions'])})"),
        ("Storage and links", f"{network['database']}, {network['links']}"),
        ("Command", found["command"]),
        ("Began, and took", f"{found['began']}, {found['took_s']:.0f} s"),
        ("Saturation, as found", _saturation(found)),
        ("Disk, an entry and replica", _disk(found["disk"])),
        ("Acts of cases, in the logs afterwards", _recorded(found["recorded"])),
        ("Floor: one raw verification, V", f"{floors['verification_us']:.0f} µs"),
        ("Floor: one row inserted, 100 a transaction", f"{floors['insertion_us']:.0f} µs"),
        ("Floor: one row in a transaction of its own", f"{floors['commit_ms']:.2f} ms"),
    ]
    if flood := found["happened"].get("flood"):
        told = (
            f"{flood['refused']} acts refused, {flood['otherwise']} otherwise, "
            f"{flood['a_second']:.0f} a second, p50 {_ms(flood['p50_ms'])}; "
            f"{flood['kept']} of them noted"
        )
        facts.append((f"Flood at {flood['region']} by {CONNECTIONS} connections", told))
    if machine["busy_before"] > machine["cores"] / 4:
        busy = (
            '<p class="note"><b>The machine was busy before the test began</b>: what others took '
            "from it is in every figure below.</p>"
        )
    else:
        busy = ""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Shouxin load test</title>",
        '<meta name="viewport" content="width=device-width">',
        f"<style>{_STYLE}</style><h1>Shouxin load test: {escape(found['shape'])}</h1>{busy}",
        _in_short(found),
        *(f'<div class="wide">{plot}</div>' for plot in plots.values()),
        "<h2>All stages</h2>",
        _stages(found["stages"], floors["verification_us"]),
        _WORDS,
        _HOW_MEASURED,
        "<h2>Where and how</h2>",
        _table(("", ""), facts, kind="facts"),
        "<h2>Each stage</h2>",
    ]
    parts += [_stage(stage) for stage in found["stages"]]
    return "".join(parts) + "</html>\n"


def _in_short(found: Mapping[str, Any]) -> str:
    """Return what a reader in a hurry wants to know, with nothing left out that went wrong."""
    stages = found["stages"]

    def total(*names: str) -> int:
        return sum(stage["sums"].get(name, 0) for stage in stages for name in names)

    best = max(stages, key=lambda it: float(it["acts_a_second"]), default=None)
    words = []
    if found["saturation"] is not None and (found.get("search") or {}).get("is_kept_up", True):
        words.append(f"Kept up with {found['saturation']:.0f} turns a second.")
    elif found["saturation"] is not None:
        words.append("None of the rates that were tried was kept up with.")
    if best is not None:
        words.append(
            f"Most acts a second in a stage: {best['acts_a_second']:.0f} ({best['stage']['name']})."
        )
    proven = sum(it["levels"].get("proven", {}).get("count", 0) for it in stages)
    words.append(
        f"{total('verified receipts')} receipts and {proven + total('bad proofs')} proofs were "
        f"checked; {total('failed', 'unanswered')} of {total('turns', 'unanswered')} turns failed."
    )
    if late := total("not proven in time"):
        words.append(f"{late} of {total('followed')} acts that were followed were not proven.")
    if never := total("not begun"):
        words.append(f"{never} turns were due and never begun.")
    bad, lost = total("bad receipts", "bad proofs"), missing(found["recorded"])
    verdict = f'<p class="bad">{bad} receipts or proofs did not hold.</p>' if bad else ""
    if lost:
        verdict += f'<p class="bad">{lost} acts were answered as accepted and are in no log.</p>'
    if not bad and not lost:
        verdict = (
            '<p class="good">Every receipt and proof that was checked held, and every act that was '
            "answered as accepted is in its log.</p>"
        )
    stopped = [one for one in (found.get("cut_short"), *found.get("ended", ())) if one]
    warnings = [f'<p class="bad">Not to its end: {escape(one)}.</p>' for one in stopped]
    return f"{''.join(warnings)}<p>{escape(' '.join(words))}</p>{verdict}"


def _elsewhere(stages: Sequence[Mapping[str, Any]]) -> str:
    """Return what was not there for the load, over the stages; the host's share is in it."""
    cores = [it["processes"][ELSEWHERE]["cores"] for it in stages if ELSEWHERE in it["processes"]]
    return f"{min(cores):.2f} to {max(cores):.2f}, by stage" if cores else "-"


def plots_of(stages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the plots, by the name of their file."""
    plots = {}
    closed = [it for it in stages if it["stage"]["loop"] == "closed"]
    opened = [
        it
        for it in stages
        if it["stage"]["loop"] == "open" and not it["stage"]["name"].startswith("probe")
    ]
    if closed:
        clients = [it["stage"]["clients"] for it in closed]
        labels = [f"{number} client{'s' if number > 1 else ''}" for number in clients]
        plots["load-closed-rate"] = curves(
            "Closed loop, throughput: more clients, each sending when it has its answer",
            "a second",
            labels,
            {
                "acts recorded": [it["acts_a_second"] for it in closed],
                "floor: HTTP": [(it["floor"] or {}).get("a_second") for it in closed],
            },
        )
        plots["load-closed"] = curves(
            "Closed loop, latency: each client sends when it has its answer",
            "ms",
            labels,
            {
                "accepted p50": _line(closed, "accepted", "p50_ms"),
                "accepted p99": _line(closed, "accepted", "p99_ms"),
                "proven p50": _line(closed, "proven", "p50_ms"),
                "floor: HTTP p50": [(it["floor"] or {}).get("p50_ms") for it in closed],
            },
        )
    if opened:
        lines = {f"{level} p50": _line(opened, level, "p50_ms") for level in LEVELS}
        lines["accepted p99"] = _line(opened, "accepted", "p99_ms")
        lines["floor: HTTP p50"] = [(it["floor"] or {}).get("p50_ms") for it in opened]
        plots["load-open"] = curves(
            "Open loop: time from the intended start until an act is this safe",
            "ms",
            [_label(it["stage"]["name"]) for it in opened],
            lines,
        )
    return plots


def _label(name: str) -> str:
    """Return what of a stage's name goes below a plot: its share, its part, its day."""
    before, _, part = name.rpartition(", ")
    if before.startswith("steady"):
        return part
    return name.removeprefix("open, ").partition(" of ")[0].partition(",")[0]


def _line(stages: Sequence[Mapping[str, Any]], level: str, quantile: str) -> list[float | None]:
    return [it["levels"].get(level, {}).get(quantile) for it in stages]


def _stages(stages: Sequence[Mapping[str, Any]], verification_us: float) -> str:
    names = "stage|meant/s|answered/s|kept up|acts/s|p50|p99|floor p50|floor p99|failed"
    heads = [*names.split("|"), "CPU an act"]
    rows = []
    for it in stages:
        accepted, floor = it["levels"].get("accepted", {}), it["floor"] or {}
        rows.append(
            (
                it["stage"]["name"],
                f"{it['measured']['offered']:.0f}" if it["stage"]["loop"] == "open" else "",
                f"{it['measured']['answered']:.0f}",
                {True: "yes", False: "no", None: ""}[it["measured"]["kept_up"]],
                f"{it['acts_a_second']:.0f}",
                _ms(accepted.get("p50_ms")),
                _ms(accepted.get("p99_ms")),
                _ms(floor.get("p50_ms")),
                _ms(floor.get("p99_ms")),
                str(it["sums"].get("failed", 0) + it["sums"].get("unanswered", 0)),
                _cpu(it["cpu_ms_an_act"], verification_us),
            )
        )
    return _table(heads, rows) + (
        '<p class="note">Meant, answered and failed: turns. Kept up: 97 of a hundred were answered '
        "in the stage but for chance, 99 within a second, and at most one failed. "
        "p50 and p99: of acts until accepted. Floor: an empty handler of the same "
        "node, by as many connections or at the same rate, with nothing else to do. CPU: of all "
        "nodes together, for whatever they did in the stage.</p>"
    )


def _cpu(an_act_ms: float | None, verification_us: float) -> str:
    if an_act_ms is None:
        return "-"
    return f"{an_act_ms:.1f} ms, {an_act_ms * 1e3 / verification_us:.0f} V"


def _stage(it: Mapping[str, Any]) -> str:
    sums = it["sums"]
    late = sums.get("signed in the loop", 0) + sums.get("signed anew", 0)
    seconds = it["stage"]["seconds"] - it["stage"]["warm_s"]
    said = (
        f"Measured for {seconds:.1f} s, metered for {it['metered_s']:.1f}: "
        f"{sums.get('turns', 0)} turns were answered that began then, {sums.get('not begun', 0)} "
        f"were due and had nobody free to begin them, {sums.get('unanswered', 0)} had no answer. "
        f"{sums.get('receipts', 0)} receipts came, {sums.get('verified receipts', 0)} were "
        f"verified, {sums.get('bad receipts', 0)} did not hold; {sums.get('followed', 0)} acts "
        f"were followed, {sums.get('not proven in time', 0)} were not proven in time, "
        f"{sums.get('bad proofs', 0)} proofs did not hold; {late} cases were signed within the "
        "loop."
    )
    measured = [(name, it["levels"][name]) for name in LEVELS if name in it["levels"]]
    measured += list(it["acts"].items())
    rows = [
        (name, str(one["count"]), *(_ms(one[quantile]) for quantile in QUANTILES))
        for name, one in measured
    ]
    used = [
        (
            name,
            f"{one['cores']:.2f}",
            f"{one['memory_bytes'] / 2**20:.0f}" if one["memory_bytes"] else "-",
        )
        for name, one in it["processes"].items()
    ]
    parts = [
        f"<details><summary>{escape(it['stage']['name'])}</summary><p>{said}</p>",
        _table(("level, or whose turn", "count", "p50", "p95", "p99", "max"), rows),
        _table(("process", "cores kept busy", "memory, MiB"), used),
    ]
    if it["errors"]:
        errors = [(name, str(count)) for name, count in it["errors"].items()]
        parts.append(_table(("error", "times"), errors))
    return "".join([*parts, "</details>"])


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g} ms" if value < 999.5 else f"{value / 1_000:.3g} s"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, kind: str = "") -> str:
    cells = [f"<th>{escape(head)}</th>" for head in heads] if any(heads) else []
    parts = [f'<div class="wide"><table class="{kind}"><tr>', *cells, "</tr>"]
    for row in rows:
        parts += ["<tr>", *(f"<td>{escape(cell)}</td>" for cell in row), "</tr>"]
    return "".join([*parts, "</table></div>"])


def main(words: Sequence[str] | None = None) -> None:
    """Draw the plots of a report as files."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.report", description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    given = parser.parse_args(words)
    try:
        found = json.loads(given.report.read_text(encoding="utf-8"))
        plots = plots_of(found["stages"])
        given.images.mkdir(parents=True, exist_ok=True)
        for name, plot in plots.items():
            (given.images / f"{name}.svg").write_text(plot + "\n", encoding="utf-8")
    except OSError as error:
        parser.error(str(error))
    except (ValueError, KeyError, TypeError):
        parser.error(f"{given.report} is no report.json of make load")


if __name__ == "__main__":
    main()
