"""A region burns down: the others freeze its log, and never cosign it again (protocol.md 6)."""

import pytest

from ledger.frozen import FROZEN_KIND, decode_frozen
from ledger.statement import decode_statement
from nodes.store.entries import LogIDs
from nodes.store.reader import StoreReader
from tests.simulator.test_losses import LOST, Story


def given_lines(story: Story, by: str) -> int:
    """How many lines a region has given on the lost log."""
    machine = story.simulation.machines[by]
    assert machine.node is not None
    with machine.disk.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT count(*) FROM lines WHERE origin = ?", (story.machine.origin,)
        )
        return int(rows.scalar_one())


@pytest.fixture(name="story", scope="module")
def story_so_far() -> Story:
    story = Story(seed=12, regions=5)
    story.settle()
    return story


def test_who_has_frozen_a_log_gives_no_line_on_it_also_after_a_restart(story: Story) -> None:
    assert story.freeze(LOST, LOST) == "not-found"
    frozen = [region for region in story.simulation.machines if region != LOST][:2]
    for region in frozen:
        assert story.freeze(region) == ""
        assert story.freeze(region) == "frozen"
    before = [given_lines(story, region) for region in frozen]
    other = given_lines(story, "540000")
    assert story.act(LOST, 1) == ""
    story.run(70)
    story.simulation.stop(story.simulation.machines[frozen[0]])
    story.simulation.start(story.simulation.machines[frozen[0]])
    assert story.act(LOST, 2) == ""
    story.run(70)
    assert story.freeze(frozen[0]) == "frozen"
    assert [given_lines(story, region) for region in frozen] == before
    assert given_lines(story, "540000") > other
    # With two of four witnesses gone for it, nothing of the log is witnessed any more.
    node = story.machine.node
    assert node is not None
    assert node.snapshot.witnessed_size < node.snapshot.size
    assert all(story.act(region, 3) == "" for region in frozen)
    story.run(10)


def test_a_freeze_is_judged_alike_everywhere_and_reports_what_its_region_holds(
    story: Story,
) -> None:
    story.simulation.stop(story.machine)
    others = [region for region in story.simulation.machines if region != LOST]
    assert [story.freeze(region) for region in others] == ["frozen"] * 2 + [""] * 2
    story.run(20)
    roster = story.simulation.roster
    for region in others:
        node = story.simulation.machines[region].node
        assert node is not None
        with story.simulation.machines[region].disk.engine.connect() as connection:
            reader = StoreReader(connection, LogIDs())
            facts = reader.facts([(roster.origin_of(it), LOST, 2**62) for it in others])
            for other, fact in zip(others, facts, strict=True):
                assert fact is not None
                [entry] = reader.entries(fact.origin, fact.index, fact.index + 1)
                act = decode_statement(entry).act
                assert act.kind == FROZEN_KIND
                report = decode_frozen(act.body, other, (roster,))
                row = story.simulation.machines[other].node.snapshot.logs[story.machine.origin]
                assert 0 < report.mirrored_size == row.mirrored_size
    story.simulation.checkers.projections.compare()
