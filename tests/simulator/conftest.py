"""The sound world that tests of checkers spoil."""

from collections.abc import Iterator

import pytest

from simulator.signing import signing
from tests.simulator.sound import Sound


@pytest.fixture(name="sound_world", scope="module")
def sound_world_of_the_module() -> Iterator[Sound]:
    with signing("shared"):
        yield Sound()


@pytest.fixture(name="sound")
def sound_again(sound_world: Sound) -> Iterator[Sound]:
    """Hand the world out, and put its disks back afterwards."""
    kept = {it.region: it.disk.backup() for it in sound_world.simulation.machines.values()}
    yield sound_world
    for region, backup in kept.items():
        machine = sound_world.simulation.machines[region]
        if machine.disk.database.in_transaction:
            machine.disk.database.rollback()
        machine.disk.restore(backup)
