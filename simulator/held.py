"""The planner's model held against a load test: how far off it is, and what that is worth.

A plan says what a region needs. Here the same model is asked what the nodes of a report of
``make load`` should have used and stored at the rates they had, with the cores that were left to
them, and is laid beside what was metered.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from simulator.asked import AskedError
from simulator.capacity import Rates, Services, need

CROWDED_BELOW: Final = 0.05
"""The share of a machine's cores that is idle where there is room for whoever wants to run."""


def read_load(path: Path) -> Mapping[str, Any]:
    """Read a load test's report.

    Raises:
        AskedError: It is none.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AskedError("bad-report", f"no report can be read there: {error}") from error
    parts = {"stages", "network", "floors", "machine", "disk", "recorded"}
    if not isinstance(report, dict) or not parts <= set(report):
        raise AskedError("bad-report", f"not a report of today's make load: {path}")
    return report


class _Point:
    """A stage of a load test: what was asked of its nodes, and what was left to them."""

    def __init__(
        self, services: Services, report: Mapping[str, Any], stage: Mapping[str, Any]
    ) -> None:
        self.regions = len(report["network"]["regions"])
        self.metered_s: float = stage["metered_s"]
        self.acts: float = stage["sums"]["acts in all"] / self.metered_s
        in_logs = report["recorded"].values()
        brought = sum(it["in_log"] for it in in_logs)
        # What nodes add to acts costs as much as they do.
        added = sum(it["releases"] for it in in_logs) / brought if brought else 0.0
        reads = stage["sums"]["turns without an act in all"] / self.metered_s
        rates = Rates(
            regions=self.regions,
            acts=self.acts * (1 + added) / self.regions,
            reads=reads / self.regions,
        )
        self.needed = need(services, rates)
        # A machine is not equally fast at all times, so both are told in the load test's own V.
        self.pace = float(report["floors"]["verification_us"]) / services.verify_us
        nodes = others = 0.0
        for name, it in stage["processes"].items():
            if name.startswith("node "):
                nodes += it["cores"]
            else:
                others += it["cores"]
        self.left = float(report["machine"]["cores"]) - others
        self.idle = self.left - nodes

    @property
    def there(self) -> float:
        """Cores left to each node, as the bench's would have to be."""
        return self.left / self.regions / self.pace

    def cpu_ms_an_act(self, cores: float) -> float:
        """Return what all nodes spend on an act while each keeps so many cores busy."""
        spent_ms: float = cores * self.pace * self.regions * 1e3
        return spent_ms / self.acts

    @property
    def stored_bytes(self) -> float:
        """What all nodes together store in the stage."""
        stored: float = self.needed.stored_within(self.there) * self.regions * self.metered_s
        return stored


class Held(NamedTuple):
    """A model held against a load test: stage by stage in CPU, and over all of them in storage."""

    checked: list[dict[str, Any]]
    stored: dict[str, float]


def hold(services: Services, path: Path) -> Held:
    """Hold the model against a load test's report.

    Raises:
        AskedError: It is none, or none that says anything.
    """
    report = read_load(path)
    try:
        return Held(check(services, report), check_storage(services, report))
    except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise AskedError("bad-report", f"not a report of today's make load: {path}") from error


def check(services: Services, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hold the model against each open stage of a load test, least load first.

    Raises:
        AskedError: The report has no open stage with acts.
    """
    points = [
        stage
        for stage in report["stages"]
        if stage["stage"]["loop"] == "open"
        and stage["cpu_ms_an_act"]
        and not stage["stage"]["name"].startswith("probe")
    ]
    if not points:
        raise AskedError(
            "bad-report", "the report has no open stage with acts to hold the model against"
        )
    points.sort(key=lambda it: float(it["stage"]["rate"]))
    return [_hold(services, report, point) for point in points]


def _hold(
    services: Services, report: Mapping[str, Any], stage: Mapping[str, Any]
) -> dict[str, Any]:
    """Reckon what the nodes used in a stage, from its rates and from what was left to them."""
    point = _Point(services, report, stage)
    needed, there = point.needed, point.there
    reckoned_ms = point.cpu_ms_an_act(needed.within(there))
    measured_ms = float(stage["cpu_ms_an_act"])
    return {
        "stage": stage["stage"]["name"],
        "acts_a_second": point.acts,
        "cores_left": point.left,
        "least_cpu_ms_an_act": point.cpu_ms_an_act(needed.work),
        "unhurried_cpu_ms_an_act": point.cpu_ms_an_act(needed.cpu),
        "reckoned_cpu_ms_an_act": reckoned_ms,
        "measured_cpu_ms_an_act": measured_ms,
        "error": reckoned_ms / measured_ms - 1,
        "is_all_that_was_left": needed.work < there < needed.cpu,
        "cores_idle": point.idle,
        "is_crowded": point.idle < CROWDED_BELOW * float(report["machine"]["cores"]),
    }


def check_storage(services: Services, report: Mapping[str, Any]) -> dict[str, float]:
    """Hold the model against what the databases of a load test grew by, over all its stages.

    Raises:
        AskedError: They did not grow.
    """
    measured = float(report["disk"]["database_bytes_grown"])
    if measured <= 0:
        raise AskedError("bad-report", "the report's databases did not grow")
    stages = (it for it in report["stages"] if it["sums"]["acts in all"])
    reckoned = sum(_Point(services, report, stage).stored_bytes for stage in stages)
    return {
        "reckoned_bytes": reckoned,
        "measured_bytes": measured,
        "error": reckoned / measured - 1,
    }


def _is_beside_others(one: Mapping[str, Any]) -> bool:
    """Say whether a stage's nodes were not the reason that no core was idle."""
    return bool(one["is_crowded"]) and not one["is_all_that_was_left"]


def _worth(one: Mapping[str, Any]) -> str:
    """Say what an error is worth."""
    if _is_beside_others(one):
        return ", beside others"
    return ", which says little" if one["is_all_that_was_left"] else ""


def tell(checked: Sequence[Mapping[str, Any]], stored: Mapping[str, float]) -> str:
    """Return in words what ``check`` and ``check_storage`` returned."""
    lines = ["Held against a load test, in CPU of all nodes an act:"]
    lines += [
        f"  {one['stage']}: {one['acts_a_second']:.0f} acts a second; at least "
        f"{one['least_cpu_ms_an_act']:.1f} ms, unhurried {one['unhurried_cpu_ms_an_act']:.1f} ms, "
        f"with {one['cores_left']:.2f} cores left for the nodes "
        f"{one['reckoned_cpu_ms_an_act']:.1f} ms; measured {one['measured_cpu_ms_an_act']:.1f} ms: "
        f"{one['error']:+.0%}{_worth(one)}"
        for one in checked
    ]
    if any(one["is_all_that_was_left"] for one in checked):
        lines.append(
            "Where it says little, the nodes used all that was left to them, as rounds do: that "
            "they did is all that is shown. Hold it against a load at which cores are free."
        )
    if any(_is_beside_others(one) for one in checked):
        lines.append(
            "Beside others no core was idle though the nodes would have used fewer: what that work "
            "does to an act is not in V. Hold it against a load on a machine of its own."
        )
    lines.append(
        f"Its databases: {stored['reckoned_bytes'] / 1e6:,.1f} MB reckoned, "
        f"{stored['measured_bytes'] / 1e6:,.1f} MB measured: {stored['error']:+.0%}"
    )
    return "\n".join(lines)
