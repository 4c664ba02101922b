"""What a region does that has lost its database, its fence, or some of its past (protocol.md 6)."""

import pytest

from nodes.core.ready import Compose, Freeze, RegisterReply
from nodes.node import Node
from simulator.drafts import Wish
from simulator.machine import Machine
from simulator.network import CALM
from simulator.plan import Plan
from simulator.regions import make_members
from simulator.simulation import Simulation
from simulator.workload import Workload
from simulator.world import World

LOST = "530000"


class Story:
    """A calm network that has worked for a while, and is told what happens next."""

    def __init__(self, seed: int, regions: int = 4) -> None:
        self.world = World(seed)
        self.simulation = Simulation(self.world, make_members(seed, regions), CALM)
        self.simulation.start_all()
        self.workload = Workload(
            self.simulation, Plan(seed=seed, regions=regions, acts_per_minute=30, minutes=60)
        )
        self.run(6)
        self.workload.stop()

    def run(self, seconds: int) -> None:
        self.world.run_until(self.world.now_ms + seconds * 1000)

    def settle(self) -> None:
        for _ in range(90):
            self.run(1)
            if not self.simulation.checkers.settling.unfinished():
                return
        pytest.fail("; ".join(self.simulation.checkers.settling.unfinished()))

    @property
    def machine(self) -> Machine:
        return self.simulation.machines[LOST]

    def state(self, region: str = LOST) -> str:
        node = self.simulation.machines[region].node
        assert node is not None
        return node.snapshot.state

    def act(self, region: str, number: int) -> str:
        """Enrol a department and return how that went: "" or the code of the refusal."""
        codes: list[str] = []

        def told(value: object) -> None:
            if isinstance(value, RegisterReply):
                (result,) = value.results
                if result.error is None:
                    self.simulation.checkers.accepted(region, result)
                codes.append("" if result.error is None else result.error.code)
            else:
                codes.append(getattr(value, "code", "lost"))

        self.simulation.submit(
            region,
            lambda request_id: Compose(
                request_id=request_id,
                kind="party.enrol",
                issuer=region,
                subject=f"{region}/department/extra{number}",
                body={"name": "新设部门"},
            ),
            told,
        )
        self.run(1)
        assert len(codes) == 1
        return codes[0]

    def freeze(self, region: str, lost: str = LOST) -> str:
        """Freeze a log at a region, and return how that went: "" or the code of the refusal."""
        codes: list[str] = []

        def told(value: object) -> None:
            if isinstance(value, RegisterReply):
                self.simulation.checkers.accepted(region, value.results[0])
            codes.append(getattr(value, "code", ""))

        origin = self.simulation.machines[lost].origin
        self.simulation.submit(region, lambda request_id: Freeze(request_id, origin), told)
        self.run(1)
        [code] = codes
        return code

    def cut_off(self) -> None:
        for other in self.simulation.machines:
            if other != LOST:
                self.simulation.network.cut(LOST, other)
                self.simulation.network.cut(other, LOST)

    def line_count(self) -> int:
        """How many lines the others hold that the region in question gave, by their tables."""
        roster, dates = self.simulation.roster, self.simulation.checkers.lines.dates
        keys = {
            key_id
            for origin in roster.origins
            for of in (roster.witness_keys, roster.mirror_keys)
            for key_id, owners in of(origin).items()
            if any(region == LOST for region, _, _ in owners)
        }
        return sum(len(given) for (_, _, key_id), given in dates.items() if key_id in keys)


def node_of(machine: Machine) -> Node:
    assert machine.node is not None
    return machine.node


@pytest.fixture(name="story")
def story_so_far() -> Story:
    return Story(seed=11)


def test_a_lost_database_is_rebuilt_from_the_mirrors_and_its_keys_rest() -> None:
    story = Story(seed=11, regions=5)
    story.settle()
    before = list(story.simulation.checkers.reference.logs[story.machine.origin].entries)
    story.simulation.stop(story.machine)
    story.machine.disk.lose_database()
    story.simulation.checkers.lost(story.machine)
    lines = story.line_count()
    story.simulation.start(story.machine)
    assert story.act(LOST, 0) == "rebuilding"
    story.run(30)
    node = story.machine.node
    assert node is not None
    assert node.snapshot.state == "serving", node.snapshot.detail
    assert node.snapshot.resting
    stored = story.simulation.checkers.entries(story.machine, story.machine.origin, 0, len(before))
    assert stored == before
    # What it once signed for it has forgotten, so its word on another log would mislead.
    assert story.freeze(LOST, "540000") == "resting"
    # It writes again, the others reach their quorum without it, and it cosigns for nobody.
    assert story.act(LOST, 1) == ""
    assert all(story.act(region, 2) == "" for region in story.simulation.machines)
    story.settle()
    assert story.line_count() == lines
    # New keys begin at the pins, as a joiner's do, and sign from there on.
    governance = story.simulation.governance
    governance.want(Wish(do="keys rotated", regions=(LOST,)))
    story.run(5)
    assert governance.unfinished() == []
    assert not node_of(story.machine).snapshot.resting
    assert all(story.act(region, 3) == "" for region in story.simulation.machines)
    story.settle()
    assert story.line_count() > 4  # of the keys that the newest version names
    story.simulation.checkers.projections.compare()
    story.simulation.checkers.check_accepted()


def test_a_lost_tail_keeps_the_region_from_writing(story: Story) -> None:
    """What was only accepted died with its database; signing those sizes again would be a fork."""
    story.settle()
    story.cut_off()
    assert story.act(LOST, 0) == ""
    story.simulation.stop(story.machine)
    story.machine.disk.lose_database()
    story.simulation.checkers.lost(story.machine)
    lines = story.line_count()
    story.simulation.network.mend_all()
    story.simulation.start(story.machine)
    story.run(40)
    assert story.state() == "rebuilding"
    assert story.act(LOST, 1) == "rebuilding"
    assert story.line_count() == lines
    assert all(story.act(region, 2) == "" for region in story.simulation.machines if region != LOST)


def test_a_database_from_a_backup_is_behind_its_fence(story: Story) -> None:
    backup = story.machine.disk.backup()
    story.settle()
    assert story.act(LOST, 0) == ""
    story.run(10)
    story.simulation.stop(story.machine)
    story.machine.disk.restore(backup)
    story.simulation.checkers.lost(story.machine)
    lines = story.line_count()
    story.simulation.start(story.machine)
    story.run(40)
    assert story.state() == "behind-fence"
    assert story.act(LOST, 1) == "behind-fence"
    assert story.line_count() == lines


def test_a_missing_fence_counts_as_behind(story: Story) -> None:
    story.settle()
    story.simulation.stop(story.machine)
    story.machine.disk.mark = None
    story.simulation.start(story.machine)
    story.run(5)
    assert story.state() == "behind-fence"
    assert story.act(LOST, 0) == "behind-fence"


def test_a_fence_that_was_restored_with_the_backup_is_told_by_the_witnesses(story: Story) -> None:
    backup, mark = story.machine.disk.backup(), story.machine.disk.mark
    story.settle()
    assert story.act(LOST, 0) == ""
    story.run(10)
    story.simulation.stop(story.machine)
    story.machine.disk.restore(backup)
    # The reference keeps its entries: the others hold them, and nobody may write others instead.
    story.simulation.checkers.lost(story.machine)
    story.simulation.checkers.forgetful.add(LOST)
    story.machine.disk.mark = mark
    story.simulation.start(story.machine)
    story.run(10)
    assert story.state() == "behind-witnesses"
    assert story.act(LOST, 1) == "behind-witnesses"
