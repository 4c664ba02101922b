"""Keys that sign two histories, in the simulated world: found, held by all, and outlived (8)."""

import pytest

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line
from ledger.hashing import hash_leaf
from ledger.names import witness_name
from ledger.note import Note, sign_ed25519
from ledger.tree import Frontier
from nodes.core.exchange import ADD_CHECKPOINT, FINISHED, encode_add_checkpoint
from nodes.core.ready import PeerCalled
from simulator.plan import Happening, Plan
from simulator.run import run
from simulator.scenario import load
from simulator.world import BrokenError
from tests.simulator.sound import run_and_keep
from tests.simulator.test_losses import LOST as LIAR
from tests.simulator.test_losses import Story

ROUND_TRIPS_MS = 250
"""Two exchanges over the slowest link of a calm world, with the steps between them."""


class Lies(Story):
    """A story in which one region's keys sign what they must not."""

    def call(self, region: str, path: str, body: bytes) -> None:
        """Have the liar send something to an honest region."""
        machine = self.simulation.machines[region]
        request_id = machine.next_id
        machine.next_id += 1
        machine.waiting[request_id] = lambda _value: None
        self.simulation._deliver(machine, PeerCalled(request_id, path, body, LIAR))

    def fork(self, region: str) -> None:
        """Show a region a second history of the liar's log, of the size that it has witnessed."""
        node = self.simulation.machines[region].node
        assert node is not None
        size = node._network.rows[self.machine.origin].witnessed_size
        leaves = [hash_leaf(b"other %d" % index) for index in range(size)]
        root = Frontier.empty().extend(leaves).root()
        text = Checkpoint(self.machine.origin, size, root).text()
        log = self.simulation.members.keys[LIAR]["log"]
        note = Note(text, (sign_ed25519(self.machine.origin, log, text),)).encode()
        self.call(region, ADD_CHECKPOINT, encode_add_checkpoint(size, (), note))

    def go_back(self, region: str) -> None:
        """Show a region a line of the liar's witness on less than it has signed before."""
        roster, keys = self.simulation.roster, self.simulation.members.keys
        node = self.simulation.machines[region].node
        assert node is not None
        # Of which log this region has met a line of that witness: a note may do with others'.
        past = node._network.watch._past
        met = next(
            it.largest
            for (role, origin), keys_seen in past.items()
            for it in keys_seen.values()
            if (role, it.largest.line.region) == ("witness", LIAR) and not origin.endswith(region)
        )
        origin = met.head.origin
        about = roster.region_of_origin(origin)
        machine = self.simulation.machines[region]
        entries = self.simulation.checkers.entries(machine, origin, 0, met.head.size - 1)
        time_s = machine.clock.now_ms() // 1000
        name = witness_name(self.machine.origin)
        root = Frontier.empty().extend([hash_leaf(it) for it in entries]).root()
        head = Checkpoint(origin, len(entries), root)
        log = sign_ed25519(origin, keys[about]["log"], head.text())
        line = sign_line(name, keys[LIAR]["witness"], head, time_s).to_signature(name)
        self.call(region, FINISHED, Note(head.text(), (log, line)).encode())

    def convicted(self, region: str) -> set[tuple[str, str]]:
        node = self.simulation.machines[region].node
        assert node is not None
        return {
            (it.conviction.against, it.conviction.region) for it in node.snapshot.convicted.values()
        }

    def restart_all(self) -> None:
        for machine in self.simulation.machines.values():
            self.simulation.stop(machine)
        for machine in self.simulation.machines.values():
            self.simulation.start(machine)
        self.run(5)


def test_a_forking_writer_is_convicted_everywhere_within_a_round_trip_and_cosigned_no_more() -> (
    None
):
    story = Lies(seed=11)
    story.settle()
    honest = [region for region in story.simulation.machines if region != LIAR]
    finder = honest[0]
    story.fork(finder)
    story.world.run_until(story.world.now_ms + 20)
    assert story.convicted(finder) == {("log", LIAR)}
    story.world.run_until(story.world.now_ms + ROUND_TRIPS_MS)
    for region in honest:
        assert story.convicted(region) == {("log", LIAR)}
    node = story.machine.node
    assert node is not None
    before = node.snapshot.witnessed_size
    assert story.act(LIAR, 0) == ""
    assert all(story.act(region, 1) == "" for region in honest)
    story.run(20)
    assert node.snapshot.size > before == node.snapshot.witnessed_size
    # Restarts keep it, and it outlives the finder's whole disk.
    story.simulation.stop(story.simulation.machines[finder])
    others = honest[1:]
    for region in others:
        story.simulation.crash(story.simulation.machines[region], "crashed by the story")
    story.run(10)
    for region in others:
        assert story.convicted(region) == {("log", LIAR)}
    assert node.snapshot.witnessed_size == before
    assert all(story.act(region, 2) == "" for region in others)


def test_a_lying_witness_is_convicted_everywhere_and_nothing_stops() -> None:
    story = Lies(seed=12)
    story.settle()
    honest = [region for region in story.simulation.machines if region != LIAR]
    story.go_back(honest[0])
    story.world.run_until(story.world.now_ms + 20)
    assert story.convicted(honest[0]) == {("witness", LIAR)}
    story.world.run_until(story.world.now_ms + ROUND_TRIPS_MS)
    for region in story.simulation.machines:
        assert story.convicted(region) == {("witness", LIAR)}
    assert all(story.act(region, 1) == "" for region in story.simulation.machines)
    story.settle()
    story.restart_all()
    for region in story.simulation.machines:
        assert story.convicted(region) == {("witness", LIAR)}
    story.simulation.checkers.projections.compare()


def test_a_witness_that_dates_lines_as_it_likes_is_convicted_by_whoever_has_seen_two() -> None:
    """And a node that does not know it, though its own notes show it, is told."""
    lies = Happening(at_s=4, do="region misdates lines", region="510000")
    plan = Plan(
        seed=2,
        regions=5,
        minutes=0.3,
        acts_per_minute=60,
        hostile=False,
        receipts=0,
        bundle_every_s=0,
        script=(lies,),
    )
    outcome, simulation = run_and_keep(plan)
    assert outcome.counts["a line was dated otherwise"] > 0
    assert outcome.counts["a lying witness was convicted by who saw its lines"] >= 4
    checkers, machine = simulation.checkers, simulation.machines["530000"]
    contradictions = checkers.lines.contradictions
    contradictions.check()
    database = machine.disk.database
    database.execute("UPDATE memory SET name = 'x' || name WHERE name LIKE 'equivocation/%'")
    with pytest.raises(BrokenError, match="530000 has convicted nobody by two"):
        contradictions.check()


def test_who_alone_was_shown_another_history_turns_to_that_of_the_others_and_all_settle() -> None:
    """One region of five holds the other history; the others' logs view what the quorum holds."""
    forked = Happening(at_s=3, do="region equivocates", region="540000", value=1)
    outcome = run(
        Plan(
            seed=3,
            regions=5,
            minutes=0.12,
            acts_per_minute=90,
            hostile=False,
            receipts=0,
            bundle_every_s=0,
            script=(forked,),
        )
    )
    assert not outcome.broken, f"{outcome.broken}\nreplay: {outcome.plan.command()}"
    assert outcome.counts["a node turned to the branch of the quorum"] == 1
    assert outcome.counts["two histories were found out"] > 0


def test_what_one_liar_spoils_and_another_one_signs_breaks_no_promise() -> None:
    """One floods the others with its own checkpoints, a bit of them flipped; one signs anything."""
    plan = load("small-world").plan.what_if("seed=302074", "places=nation", "regions=8")
    plan = plan.what_if("minutes=0.3", "careless=0.1", "clocks_beyond=True", "damage=True")
    outcome = run(plan.what_if("faulty=2", "receipts=0.5"))
    assert outcome.broken == ""
    assert outcome.counts["cosigned what a witness must refuse"] > 0
    assert outcome.counts["requests of a flood"] > 0
