"""Attack: lines of a roster version counted before that version is in force, offline.

Regions that the next version lets in sign a view of a log, before the old quorum of that log has
seen its epoch. A verifier who counts them takes a grant for live that is revoked already.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from authz.case_bundle import judge_bundle, wanted
from authz.replay import Place
from ledger.bundle import VerifiedBundle, check_bundle
from ledger.bundle_file import Bundle
from ledger.epochs import epoch_body
from ledger.errors import UnverifiedError
from ledger.hashing import EMPTY_ROOT
from ledger.kind import ViewFact
from ledger.roster import Roster
from ledger.roster_fields import Pin
from ledger.views import EPOCH_KIND, Block, BlockLines, GoodLine, block_body, view_body
from tests.authz.test_case_bundle import Reader
from tests.authz.world import CASE, CHONGQING, KINDS, ROSTER, SICHUAN, TIBET, World
from tests.vectors.own.network import GUANGXI, Log, following, member, proven, signed

PINS = {origin: Pin(0, EMPTY_ROOT) for origin in ROSTER.origins}
SECOND = following(ROSTER, members={**ROSTER.members, GUANGXI: member(GUANGXI)}, pins=PINS)
THIRD = following(SECOND, pins={it: Pin(0, EMPTY_ROOT) for it in SECOND.origins})
ROSTERS = (ROSTER, SECOND, THIRD)
CHAIN = [signed(it).encode() for it in ROSTERS]
TIBET_LOG = ROSTER.members[TIBET].origin


class Hurried(World):
    """Sichuan's views of other logs count by the version ``by``, and on request by one more."""

    def __init__(self) -> None:
        super().__init__(real_views=True)
        self.by = 1
        self.has_before = False
        self.shown: list[Place] = []

    def view(self, region: str, of: str) -> ViewFact:
        if region != SICHUAN:
            return super().view(region, of)
        log, other = self.logs[region], self.logs[of]
        before = None
        if self.has_before:
            before = (ROSTERS[self.by - 2], quorum_of(other, ROSTERS[self.by - 2]))
        roster = ROSTERS[self.by - 1]
        body = view_body(other.note(), roster, quorum_of(other, roster), before)
        made = log.act("log.view", other.origin, body)
        index, head = len(log.statements) - 1, other.checkpoint()
        return ViewFact(index, made.leaf, other.origin, head.size, head.root, self.now_s)

    def turn(self, version: int) -> None:
        """Tibet's log comes to a version."""
        log = self.logs[TIBET]
        self.shown.append(Place(TIBET_LOG, len(log.statements)))
        log.act(EPOCH_KIND, TIBET_LOG, epoch_body(CHAIN[version - 1]))

    def record(self, version: int) -> None:
        """Both quorums on the note of its last epoch stand in Tibet's log."""
        log, epoch = self.logs[TIBET], self.shown[-1].index
        head, at = log.checkpoint(epoch + 1), log.checkpoint()
        lines = {
            it.line
            for roster in ROSTERS[version - 2 : version]
            for it in quorum_of(log, roster, epoch + 1)
        }
        block = Block(
            height=1,
            size=at.size,
            root=at.root,
            note=bytes(32),
            roster=version,
            rules=1,
            map_root=bytes(32),
            lines=(BlockLines(head.size, head.root, tuple(sorted(lines))),),
        )
        self.shown.append(Place(TIBET_LOG, at.size))
        log.act("log.block", TIBET_LOG, block_body(block))

    def open_by(self, version: int, *, has_before: bool = False) -> "Hurried":
        """Open the case on a view of Tibet's log that counts by a version."""
        self.by, self.has_before = version, has_before
        self.open()
        self.by, self.has_before = 1, False
        return self


def quorum_of(log: Log, roster: Roster, size: int | None = None) -> tuple[GoodLine, ...]:
    regions = roster.witnesses_of(log.origin)[: roster.quorum(log.origin)]
    return log.lines(regions, "mirror", size=size)


def ready() -> Hurried:
    world = Hurried()
    world.enrol().lend()
    return world


def check(world: Hurried, *, version: int = 1, also: Iterable[Place] = ()) -> None:
    """Check and judge the bundle of the case, with Tibet's log counted by a version."""
    by_origin: dict[str, list[int]] = {}
    for place in sorted({*wanted(CASE, Reader(world), KINDS), *world.shown, *also}):
        by_origin.setdefault(place.origin, []).append(place.index)
    logs = {log.origin: log for log in world.logs.values()}
    made = {
        origin: proven(logs[origin], ROSTERS[version - 1 if origin == TIBET_LOG else 0], indexes)
        for origin, indexes in by_origin.items()
    }

    def judge(verified: VerifiedBundle) -> None:
        judge_bundle(verified, KINDS)

    check_bundle(Bundle(CASE, tuple(CHAIN), made).encode(), ROSTER.sha256, judge)


def failed_step(world: Hurried, **options: Any) -> str:
    with pytest.raises(UnverifiedError) as caught:
        check(world, **options)
    return caught.value.code


def test_a_view_by_the_next_version_of_a_log_without_its_epoch_proves_nothing() -> None:
    assert failed_step(ready().open_by(2)) == "view"
    check(ready().open_by(1))


def test_a_view_above_an_epoch_counts_once_its_tree_holds_both_quorums() -> None:
    world = ready()
    world.turn(2)
    world.record(2)
    world.open_by(2)
    check(world, version=2)
    assert failed_step(world, version=1) == "epoch"
    # Who leaves the epoch out has nothing to count by the new version with, nor the view of it.
    world.shown = []
    assert failed_step(world, version=2) == "epoch"
    assert failed_step(world, version=1) == "view"


def test_a_view_above_an_epoch_by_the_version_before_proves_nothing() -> None:
    world = ready()
    world.turn(2)
    world.record(2)
    assert failed_step(world.open_by(1), version=2) == "view"


def test_a_view_between_an_epoch_and_its_record_comes_too_early() -> None:
    world = ready()
    world.turn(2)
    world.logs[TIBET].act("party.enrol", f"{TIBET}/hall/later", {"name": "大厅"})
    world.open_by(2)
    world.record(2)
    assert failed_step(world, version=2) == "view"


def test_a_view_of_the_note_of_an_epoch_holds_lines_by_both_versions_and_no_other_does() -> None:
    for has_before in (True, False):
        world = ready()
        world.turn(2)
        world.open_by(2, has_before=has_before)
        world.record(2)
        if has_before:
            check(world, version=2)
        else:
            assert failed_step(world, version=2) == "view"
    world = ready()
    world.turn(2)
    world.record(2)
    assert failed_step(world.open_by(2, has_before=True), version=2) == "view"


def test_a_log_knows_one_version_more_than_its_own_at_most() -> None:
    world = ready()
    for version in (2, 3):
        world.turn(version)
        world.record(version)
    assert failed_step(world.open_by(3), version=3) == "view"


def test_a_view_of_a_log_that_is_not_here_counts_by_the_version_it_began_under() -> None:
    for version in (1, 2):
        world = ready().open_by(1)
        world.by = version
        view = world.view(SICHUAN, CHONGQING)
        also = [Place(ROSTER.members[SICHUAN].origin, view.index)]
        if version == 1:
            check(world, also=also)
        else:
            assert failed_step(world, also=also) == "view"
