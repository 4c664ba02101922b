"""``python -m simulator run``: one world from its seed, and a short report."""

import argparse
import sys

from simulator.run import Outcome, Plan, run


def report(outcome: Outcome) -> str:
    """Return what a reader wants to know of a run."""
    plan = outcome.plan
    minutes = outcome.simulated_ms / 60_000
    rate = outcome.events / max(outcome.cpu_s, 1e-9)
    lines = [
        f"seed {plan.seed}, {plan.regions} regions, {minutes:.1f} simulated minutes",
        f"{outcome.events} events in {outcome.cpu_s:.1f} CPU seconds ({rate:.0f} a second)",
        f"trace {outcome.trace}",
        "log sizes  " + "  ".join(f"{region} {size}" for region, size in outcome.sizes.items()),
        "happened",
        *(f"  {count:6}  {what}" for what, count in outcome.counts.items()),
    ]
    if outcome.broken:
        lines += [f"BROKEN: {outcome.broken}", f"replay: {plan.command()}"]
    else:
        lines.append(f"all promises held; settled {outcome.settled_ms / 1000:.0f} s after healing")
    return "\n".join(lines)


def main() -> int:
    """Run what the command line says and return the exit status: 1 for a broken promise."""
    parser = argparse.ArgumentParser(prog="python -m simulator")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run one world and report on it")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--regions", type=int, default=5, choices=range(3, 8))
    one.add_argument("--minutes", type=float, default=2.0, help="of the hostile phase, simulated")
    one.add_argument("--acts", type=int, default=40, help="acts a simulated minute")
    one.add_argument("--calm", action="store_true", help="inject no faults")
    one.add_argument("--clocks-beyond", action="store_true", help="step one clock beyond δ, once")
    given = parser.parse_args()
    outcome = run(
        Plan(
            seed=given.seed,
            regions=given.regions,
            minutes=given.minutes,
            acts_per_minute=given.acts,
            hostile=not given.calm,
            clocks_beyond=given.clocks_beyond,
        )
    )
    sys.stdout.write(report(outcome) + "\n")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
