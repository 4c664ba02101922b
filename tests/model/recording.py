"""Worlds run with a recorder in them, for replaying what their nodes did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import simulator.run
from ledger.roster import Roster
from simulator.run import Outcome, Plan
from simulator.simulation import Simulation
from simulator.trace import Appended, Event, Recorder
from tests.model.replay import Replay


@dataclass(frozen=True, slots=True)
class Trace:
    """What the nodes of a world did, and how it ended."""

    roster: Roster
    regions: tuple[str, ...]
    events: list[Event]
    outcome: Outcome

    @property
    def broken(self) -> str:
        """Which promise the checkers of the world saw broken; empty where none was."""
        return self.outcome.broken

    def kinds(self) -> set[str]:
        return {event.kind for event in self.events if isinstance(event, Appended)}

    def replay(self, events: Sequence[Event], *, is_settled: bool = False) -> Replay:
        model = Replay(self.regions, refresh_ms=self.roster.constants.refresh_s * 1000)
        for event in events:
            model.take(event)
        if is_settled:
            model.finish()
        return model


def record(plan: Plan) -> Trace:
    """Run a world with a recorder in it."""
    recorder = Recorder()

    class Watched(Simulation):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            recorder.watch(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulator.run, "Simulation", Watched)
        outcome = simulator.run.run(plan)
    return Trace(recorder.roster, recorder.regions, recorder.events, outcome)
