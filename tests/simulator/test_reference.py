"""What logs are, as seen from outside: also those that have two histories."""

from simulator.reference import Epoch, Reference
from simulator.regions import make_members


def test_a_tree_counts_by_the_versions_of_the_history_that_it_lies_on() -> None:
    """The twin of a liar's node may come under a version otherwise than the first does."""
    members = make_members(seed=1, places=4)
    reference, origin = Reference(members.chain), members.roster.origin_of("510000")
    first = reference.logs[origin]
    number = reference.branch(origin, 0)
    twin = reference.histories(origin)[number]
    for log, mark in ((first, 1), (twin, 2)):
        log.roots += [bytes([mark, size]).ljust(32) for size in range(1, 6)]
    first.epochs.append(Epoch(version=2, start=2))  # above it nothing counts before it is proven
    assert reference.rosters_at(twin.checkpoint(5)) == [members.roster]
    assert reference.rosters_at(first.checkpoint(5)) == []
    assert reference.rosters_at(first.checkpoint(2)) == [members.roster]
    assert reference.history_of(origin, 5, twin.roots[5]) is twin
    assert reference.history_of(origin, 5, bytes(32)) is first
