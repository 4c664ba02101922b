"""``python -m simulator``: run scenarios, list them, explore, plan, measure, compare reports."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from simulator import capacity, explore, held, report, speed
from simulator.plan import duration_s
from simulator.run import Outcome, run
from simulator.scenario import Scenario, load, names
from simulator.telling import tell


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run a scenario and report on it")
    one.add_argument("scenario", nargs="?", default="small-world")
    one.add_argument("--seed", type=int, default=0)
    lasts = one.add_mutually_exclusive_group()
    lasts.add_argument("--lasts", help="of the working phase, such as 10m, 2h or 1d")
    lasts.add_argument("--minutes", help="the same, as a number of minutes")
    one.add_argument("--what-if", action="append", default=[], metavar="KEY=VALUE")
    one.add_argument("--report", type=Path, metavar="DIR", help="write report.html and report.json")
    commands.add_parser("list", help="list the scenarios")
    many = commands.add_parser("explore", help="run random worlds with random faults")
    many.add_argument("--seeds", type=int, default=50)
    many.add_argument("--from", type=int, default=0, dest="first", metavar="SEED")
    many.add_argument("--minutes", type=float, default=5.0, help="for worlds and shrinking")
    many.add_argument("--processes", type=int, default=0, help="0: one a core")
    many.add_argument("--corpus", type=Path, metavar="FILE", help="keep interesting seeds here")
    fast = commands.add_parser("speed", help="how fast a scenario runs, as JSON")
    fast.add_argument("scenario", nargs="?", default="southwest-five")
    fast.add_argument("--warm", default="5m", help="left out at the beginning, such as 5m")
    fast.add_argument("--lasts", default="2m", help="how long is measured, such as 2m")
    fast.add_argument("--what-if", action="append", default=[], metavar="KEY=VALUE")
    two = commands.add_parser("compare", help="lay two reports side by side")
    two.add_argument("one", type=Path)
    two.add_argument("other", type=Path)
    two.add_argument("--report", type=Path, metavar="FILE", help="write an HTML page")
    need = commands.add_parser("plan", help="what a region needs for a year of cases")
    need.add_argument("--cases", type=float, default=5_000_000, help="a year, all regions")
    need.add_argument("--regions", type=int, default=5)
    need.add_argument("--bench", type=Path, default=Path("build/bench.json"))
    need.add_argument("--check", type=Path, metavar="FILE", help="a report.json of make load")
    need.add_argument("--json", action="store_true")
    return parser.parse_args()


def _run(given: argparse.Namespace) -> int:
    scenario = load(given.scenario)
    words = [f"seed={given.seed}", *given.what_if]
    if given.lasts:
        words.append(f"minutes={duration_s(given.lasts) / 60:g}")
    if given.minutes is not None:
        words.append(f"minutes={given.minutes}")
    plan = scenario.plan.what_if(*words)
    if given.report is not None:
        given.report.mkdir(parents=True, exist_ok=True)  # now, and not after a long run
    outcome = _watched(scenario, lambda watch: run(plan, watch))
    sys.stdout.write(tell(outcome, scenario) + "\n")
    if given.report is not None:
        page = report.write(outcome, scenario, given.report)
        sys.stdout.write(f"report: {page}\n")
    return 1 if outcome.broken or outcome.unmet else 0


def _speed(given: argparse.Namespace) -> int:
    minutes = f"minutes={duration_s(given.lasts) / 60:g}"
    plan = load(given.scenario).plan.what_if(minutes, *given.what_if)
    found = speed.measure(plan, duration_s(given.warm) / 60)
    sys.stdout.write(json.dumps(found.to_map()) + "\n")
    return 0


def _watched(scenario: Scenario, work: "report.Work") -> Outcome:
    """Do it with a progress bar where somebody looks on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return work(None)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(scenario.title, total=1.0)

        def watch(share: float, counts: Mapping[str, int]) -> None:
            acts = counts.get("act case.open: accepted", 0)
            doing = "healed, settling" if share >= 1 else f"{acts} cases"
            progress.update(task, completed=share, description=f"{scenario.name}: {doing}")

        return work(watch)


def _list() -> int:
    for name in names():
        scenario = load(name)
        plan = scenario.plan
        load_ = f"{plan.cases_per_day} cases a day" if plan.cases_per_day else "a few acts a minute"
        sys.stdout.write(
            f"{name:22} {scenario.title} · {scenario.title_zh}\n"
            f"{'':22} {plan.minutes:g} minutes, {load_}. {scenario.about}\n"
        )
    return 0


def _plan(given: argparse.Namespace) -> int:
    services = capacity.Services.read(given.bench)
    found = capacity.plan(services, cases=given.cases, regions=given.regions)
    said = capacity.assumptions(services)
    checked: list[dict[str, Any]] = []
    stored: dict[str, float] | None = None
    words = "It was held against no load test (--check build/load/report.json)."
    if given.check is not None:
        checked, stored = held.hold(services, given.check)
        words = held.tell(checked, stored)
    if given.json:
        answer = {"need": found, "assumptions": said, "checked": checked, "stored": stored}
        sys.stdout.write(json.dumps(answer, indent=1) + "\n")
    else:
        sys.stdout.write(f"{capacity.tell(found, said)}\n{words}\n")
    return 0


def main() -> int:
    """Do what the command line says; the status is 1 for a broken promise or expectation."""
    given = _arguments()
    try:
        match given.command:
            case "run":
                return _run(given)
            case "list":
                return _list()
            case "plan":
                return _plan(given)
            case "speed":
                return _speed(given)
            case "explore":
                return explore.main(given)
            case _:
                return report.compare(given.one, given.other, given.report)
    except (OSError, ValueError) as error:
        code = getattr(error, "code", "bad-value" if isinstance(error, ValueError) else "files")
        sys.stderr.write(f"{code}: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
