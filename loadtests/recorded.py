"""Whether the logs have what was answered for: counted in their entries, as anybody could.

The load counts answers, and whoever counts answers alone finds no act that was acknowledged and is
missing. So the logs are read from beginning to end when the load is over.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from ledger.errors import MalformedError
from ledger.statement import decode_statement
from ledger.tiles import TILE_WIDTH, decode_entry_bundle, entries_path
from loadtests.cases import KINDS
from loadtests.scene import OF_SCENE, Scene
from loadtests.stage import Stage, StageError

RELEASE: Final = "handoff.release"


class Found(NamedTuple):
    """What a log holds of a load: acts of its cases, and the releases that nodes added to them."""

    acts: int
    releases: int


def of_cases(entries: Iterable[bytes]) -> Found:
    """Return how many of a log's entries came of the cases of a load.

    Those of the scene did not, nor did the records by which a node keeps its log.
    """
    acts = releases = 0
    for entry in entries:
        try:
            made = decode_statement(entry)
        except MalformedError:
            continue  # a record of the log's own
        if made.subject.rpartition("/")[2].startswith(OF_SCENE):
            continue
        acts += made.act.kind in KINDS
        releases += made.act.kind == RELEASE
    return Found(acts, releases)


def recorded(stage: Stage, scene: Scene) -> dict[str, Found]:
    """Return what each log holds of the load; nothing of a node that does not answer."""
    found = {}
    for region in scene.offices:
        with suppress(OSError, StageError):
            size = int(stage.fetch(region, "/log/checkpoint").split(b"\n")[1])
            found[region] = of_cases(
                entry
                for index in range(-(-size // TILE_WIDTH))
                for entry in _bundle(stage, region, index, size)
            )
    return found


def _bundle(stage: Stage, region: str, index: int, size: int) -> list[bytes]:
    width = min(TILE_WIDTH, size - index * TILE_WIDTH)
    return decode_entry_bundle(stage.fetch(region, f"/log/{entries_path(index, width)}"), width)


def compare(
    stages: Sequence[Mapping[str, Any]], in_logs: Mapping[str, Found]
) -> dict[str, dict[str, int]]:
    """Lay beside each other, by region, acts answered as accepted and acts that its log holds.

    A log may hold more: of a turn whose answer never came, or of a load process that was lost.
    """
    answered: Counter[str] = Counter()
    for stage in stages:
        answered.update(stage["accepted_at"])
    return {
        region: {
            "accepted": answered[region],
            "in_log": found.acts,
            "releases": found.releases,
        }
        for region, found in sorted(in_logs.items())
    }


def missing(compared: Mapping[str, Mapping[str, int]]) -> int:
    """Return how many acts were answered as accepted and are in no log."""
    return sum(max(0, it["accepted"] - it["in_log"]) for it in compared.values())
