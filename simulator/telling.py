"""How a run ended, as text for a terminal."""

from simulator.places import places_of
from simulator.run import Outcome
from simulator.scenario import Scenario
from simulator.sometimes import SOMETIMES


def tell(outcome: Outcome, scenario: Scenario | None = None) -> str:
    """Return what a reader wants to know of a run."""
    plan = outcome.plan
    regions = len(places_of(plan.places, plan.regions))
    minutes = outcome.simulated_ms / 60_000
    rate = outcome.events / max(outcome.cpu_s, 1e-9)
    faster = outcome.simulated_ms / 1_000 / max(outcome.cpu_s, 1e-9)
    lines = [] if scenario is None else [f"{scenario.title} · {scenario.title_zh}", scenario.about]
    lines += [
        f"seed {plan.seed}, {regions} regions, {minutes:.1f} simulated minutes",
        (
            f"{outcome.events} events in {outcome.cpu_s:.1f} CPU seconds "
            f"({rate:.0f} a second, {faster:.1f} times as fast as life)"
        ),
        f"signatures {plan.signer}; acts gathered for {plan.pace_ms} ms",
        f"trace {outcome.trace}",
    ]
    if len(outcome.sizes) <= 12:
        sizes = (f"{region} {size}" for region, size in outcome.sizes.items())
        lines.append("log sizes  " + "  ".join(sizes))
    lines.append(f"injected, {len(outcome.injected)} kinds")
    lines += [f"  {count:6}  {what}" for what, count in outcome.injected.items()]
    lines.append("happened")
    lines += [
        f"  {count:6}  {what}"
        for what, count in outcome.counts.items()
        if what not in outcome.injected and what not in SOMETIMES
    ]
    lines.append("sometimes")
    lines += [
        f"  {outcome.counts.get(what, 0):6}  {meaning}" for what, meaning in SOMETIMES.items()
    ]
    for word in ("accepted", "witnessed", "replicated"):
        of_word = {
            name.rsplit(" ", 1)[-1]: value
            for name, value in outcome.figures.items()
            if name.startswith(f"{word} ms ")
        }
        if of_word:
            tail = "  ".join(f"{name} {value:.0f} ms" for name, value in of_word.items())
            lines.append(f"{word:11} {tail}")
    lines += [f"EXPECTED {words}" for words in outcome.unmet]
    if plan.expect and not outcome.unmet:
        lines += [f"as expected: {one.words()}" for one in plan.expect]
    if outcome.broken:
        lines.append(f"BROKEN: {outcome.broken}")
    else:
        lines.append(f"all promises held; settled {outcome.settled_ms / 1000:.0f} s after healing")
    if outcome.broken or outcome.unmet:
        lines.append(f"replay: {plan.command()}")
    return "\n".join(lines)
