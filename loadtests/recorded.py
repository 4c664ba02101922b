"""Whether the logs have what was answered for: counted in their entries, as anybody could.

The load counts answers, and whoever counts answers alone finds no act that was acknowledged and is
missing. So the logs are read from beginning to end when the load is over.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ledger.errors import MalformedError
from ledger.statement import decode_statement
from ledger.tiles import TILE_WIDTH, decode_entry_bundle, entries_path
from loadtests.cases import KINDS
from loadtests.scene import OF_SCENE, Scene
from loadtests.stage import Stage, StageError


def acts_of_cases(entries: Iterable[bytes]) -> int:
    """Return how many of a log's entries are acts of cases that a load brought.

    Neither those of the scene are, nor what nodes write by themselves.
    """
    count = 0
    for entry in entries:
        try:
            made = decode_statement(entry)
        except MalformedError:
            continue  # a record of the log's own
        is_load = not made.subject.rpartition("/")[2].startswith(OF_SCENE)
        count += is_load and made.act.kind in KINDS
    return count


def recorded(stage: Stage, scene: Scene) -> dict[str, int]:
    """Return how many acts of the load each log holds; none of a node that does not answer."""
    found = {}
    for region in scene.offices:
        with suppress(OSError, StageError):
            size = int(stage.fetch(region, "/log/checkpoint").split(b"\n")[1])
            found[region] = sum(
                acts_of_cases(_bundle(stage, region, index, size))
                for index in range(-(-size // TILE_WIDTH))
            )
    return found


def _bundle(stage: Stage, region: str, index: int, size: int) -> list[bytes]:
    width = min(TILE_WIDTH, size - index * TILE_WIDTH)
    return decode_entry_bundle(stage.fetch(region, f"/log/{entries_path(index, width)}"), width)


def compare(
    stages: Sequence[Mapping[str, Any]], in_logs: Mapping[str, int]
) -> dict[str, dict[str, int]]:
    """Lay beside each other, by region, acts answered as accepted and acts that its log holds.

    A log may hold more: of a turn whose answer never came, or of a load process that was lost.
    """
    answered: Counter[str] = Counter()
    for stage in stages:
        answered.update(stage["accepted_at"])
    return {
        region: {"accepted": answered[region], "in_log": count}
        for region, count in sorted(in_logs.items())
    }


def missing(compared: Mapping[str, Mapping[str, int]]) -> int:
    """Return how many acts were answered as accepted and are in no log."""
    return sum(max(0, it["accepted"] - it["in_log"]) for it in compared.values())
