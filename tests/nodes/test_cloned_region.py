"""A region's machine was copied, and the copy ran on its own: whole nodes, over HTTP.

The copy brings another history of its log to one region than the first machine brought to all the
others. That region turns to the history of the quorum, on either kind of database.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.adapters.network import Founded
from tests.nodes.five import (
    CHONGQING,
    GUIZHOU,
    SICHUAN,
    TIBET,
    YUNNAN,
    Five,
    five_regions,
)
from tests.nodes.postgres import Cluster, put_on
from tests.nodes.waiting import until

COPIED = TIBET
ALONE = YUNNAN
"""Is shown what the copy writes."""
OTHERS = (CHONGQING, SICHUAN, GUIZHOU)


@pytest.fixture(params=["sqlite", "postgresql"])
def five(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Five]:
    def prepare(founded: Founded) -> None:
        if request.param == "postgresql":
            server: Cluster = request.getfixturevalue("cluster")
            put_on(founded.configs[ALONE.code].parent, server.new_database())

    with five_regions(tmp_path, prepare) as made:
        yield made


def stored(five: Five) -> int:
    """Return how much of the copied region's log is at the region that was shown the other one."""
    size: int = five.status(ALONE)["logs"][five.origin(COPIED)]["stored_size"]
    return size


def fork(five: Five) -> tuple[str, list[str]]:
    """Return a case that rests on the one history, and halls that only the other one names."""
    five.lend(COPIED, ALONE, "shared")
    five.settle()
    home = five.founded.configs[COPIED.code].parent
    copy = home.with_name("copy")
    five.run(five.stop(COPIED, ALONE))
    shutil.copytree(home, copy)
    five.run(five.start(COPIED))
    case = f"{GUIZHOU.code}/case/rests-on-it"
    lent = five.lend(COPIED, GUIZHOU, "lent")
    lent.open(case)
    five.run(five.stop(COPIED, *OTHERS))
    shutil.rmtree(home)
    copy.rename(home)
    five.run(five.start(COPIED, ALONE))
    halls = [f"{COPIED.code}/hall/other{number}" for number in range(20)]
    for hall in halls:
        five.act(COPIED.code, "party.enrol", hall, {"name": "大厅"})
    size = five.status(COPIED)["size"]
    until(lambda: stored(five) == size)
    five.run(five.stop(COPIED))
    return case, halls


def test_who_was_shown_the_copys_history_turns_to_that_of_the_quorum(five: Five) -> None:
    case, halls = fork(five)
    size = stored(five)
    assert all(five.row(COPIED, hall, at=ALONE) for hall in halls)
    five.run(five.start(*OTHERS))
    origin = five.origin(COPIED)

    def has_turned() -> bool:
        """Say whether all of the log that relies on the other history is judged."""
        judged = five.status(ALONE)["logs"][five.origin(GUIZHOU)]["judged_size"]
        return bool(judged == five.status(GUIZHOU)["size"])

    until(has_turned)
    told = five.ask(ALONE, lambda client: client.asides(origin))
    [aside] = told["copies"]
    assert aside["kept_size"] < told["turned"]["size"] < aside["size"] == size
    for home in (ALONE, CHONGQING):
        [convicted] = five.status(home)["convicted"]
        assert (convicted["log"], convicted["shown"]) == (origin, "two-branches")
    for hall in halls:
        assert not five.row(COPIED, hall, at=ALONE)
    for home, name in ((GUIZHOU, case), (COPIED, f"{COPIED.code}/grant/lent")):
        row = five.row(home, name, at=ALONE)
        assert row
        assert row == five.row(home, name, at=CHONGQING)
    after = f"{ALONE.code}/hall/after"
    five.act(ALONE.code, "party.enrol", after, {"name": "大厅"}, wait="replicated")
