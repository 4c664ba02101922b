from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from authz.case_bundle import wanted
from authz.evidence import block_fresh_at, block_seen_by
from authz.obligation import Obligation
from authz.replay import Place
from authz.trace import Trace
from ledger.bundle_file import Bundle
from ledger.epochs import Epoch, Epochs
from ledger.statement import Act, sign_statement
from ledger.views import Block, BlockLines, block_body
from tests.authz.refusals import refused
from tests.authz.test_calendar import STEWARD, YEAR_2026
from tests.authz.test_case_bundle import Reader, judged
from tests.authz.world import CASE, KINDS, ROSTER, SICHUAN, SIGNED, TIBET, World
from tests.vectors.own.network import TIME_S, Log, key, line, proven

ORIGIN = ROSTER.members[SICHUAN].origin
MIRRORS = ROSTER.witnesses_of(ORIGIN)
QUORUM = ROSTER.quorum(ORIGIN)
EPOCHS = Epochs(ORIGIN, (ROSTER,), (Epoch(1, 0, 0),))


def lines_at(log: Log, size: int, times: Sequence[int]) -> BlockLines:
    head = log.checkpoint(size)
    made = [line(region, "mirror", head, at) for region, at in zip(MIRRORS, times, strict=False)]
    return BlockLines(size, head.root, tuple(sorted(it.line for it in made)))


def block(log: Log, *items: BlockLines) -> Block:
    size = len(log.statements)
    return Block(
        height=1,
        size=size,
        root=log.checkpoint().root,
        note=bytes(32),
        roster=1,
        rules=1,
        map_root=bytes(32),
        lines=items,
    )


@pytest.fixture
def log() -> Log:
    return World().enrol().logs[SICHUAN]


def times(*least: int) -> list[int]:
    """As many times as make a quorum, from these on."""
    return [least[min(at, len(least) - 1)] + at for at in range(QUORUM)]


def test_the_largest_candidate_with_a_quorum_proves_the_time(log: Log) -> None:
    made = block(log, lines_at(log, 3, times(100)), lines_at(log, 5, times(200)))
    assert block_fresh_at(EPOCHS, 9, made) == 200
    assert block_fresh_at(EPOCHS, 9, block(log)) is None


def test_an_entry_was_seen_by_the_quorum_of_the_first_lines_that_cover_it(log: Log) -> None:
    made = block(log, lines_at(log, 3, times(100)), lines_at(log, 5, times(200)))
    assert block_seen_by(EPOCHS, 9, made, 2) == times(100)[-1]
    assert block_seen_by(EPOCHS, 9, made, 3) == times(200)[-1]
    assert block_seen_by(EPOCHS, 9, made, 5) is None


def test_fewer_lines_than_a_quorum_or_forged_ones_prove_no_time(log: Log) -> None:
    whole = lines_at(log, 5, times(200))
    few = replace(whole, lines=whole.lines[1:])
    last = whole.lines[-1]
    forged = replace(whole, lines=(*whole.lines[:-1], last[:-1] + bytes([last[-1] ^ 1])))
    other_tree = replace(whole, root=bytes(32))
    for bad in (few, forged, other_tree):
        assert block_fresh_at(EPOCHS, 9, block(log, bad)) is None
        assert block_seen_by(EPOCHS, 9, block(log, bad), 0) is None
        smaller = block(log, lines_at(log, 3, times(100)), bad)
        assert block_fresh_at(EPOCHS, 9, smaller) == 100


def test_two_candidates_without_a_quorum_each_make_none_together(log: Log) -> None:
    assert QUORUM == 2
    first, second = lines_at(log, 3, times(100)), lines_at(log, 5, times(200))
    head = log.checkpoint(3)
    first = replace(first, lines=(line(MIRRORS[0], "mirror", head, 100).line,))
    head = log.checkpoint(5)
    second = replace(second, lines=(line(MIRRORS[1], "mirror", head, 200).line,))
    assert block_seen_by(EPOCHS, 9, block(log, first, second), 0) is None


# ---- in a bundle --------------------------------------------------------------------------------


class Story:
    """A case opened in Sichuan between two block records, and the calendar that it counts by."""

    def __init__(self, signer: str = SICHUAN) -> None:
        world = World(real_views=True).enrol()
        name = f"{STEWARD}/calendar/2026"
        world.do("calendar.publish", STEWARD, name, YEAR_2026)
        steward = world.logs[STEWARD]
        self.year = Place(steward.origin, len(steward.statements) - 1)
        world.lend()
        self.world, self.log = world, world.logs[SICHUAN]
        self.before = self.block(TIME_S + 650, signer)
        world.now_s = TIME_S + 660
        world.open()
        self.case = len(self.log.statements) - 1
        self.after = self.block(TIME_S + 760, signer)

    def block(self, time_s: int, signer: str) -> Place:
        item = lines_at(self.log, len(self.log.statements), [time_s] * QUORUM)
        body = block_body(block(self.log, item))
        act = Act("log.block", 1, self.log.statements[0].leaf, (), body)
        made = sign_statement(key(signer, "issuer"), signer, self.log.origin, time_s, act)
        self.log.statements.append(made)
        return Place(self.log.origin, len(self.log.statements) - 1)

    def told(self, also: Iterable[Place]) -> Trace:
        by_origin: dict[str, list[int]] = {}
        for place in wanted(CASE, Reader(self.world), KINDS, also):
            by_origin.setdefault(place.origin, []).append(place.index)
        logs = {log.origin: log for log in self.world.logs.values()}
        made = {origin: proven(logs[origin], ROSTER, at) for origin, at in by_origin.items()}
        return judged(Bundle(CASE, (SIGNED.encode(),), made))


def test_a_bundle_with_its_block_records_proves_when_a_case_was_opened() -> None:
    story = Story()
    [opened] = story.told([story.before, story.after, story.year]).lines
    assert (opened.seen_by_s, opened.counted_s) == (TIME_S + 760, TIME_S + 660)
    assert opened.proven


def test_without_the_record_before_it_the_act_counts_as_of_when_it_was_seen() -> None:
    """The views that the act rests on are older than S by then."""
    story = Story()
    [opened] = story.told([story.after]).lines
    assert (opened.counted_s, opened.proven) == (TIME_S + 760, False)


def test_without_any_record_the_lines_on_the_note_are_all_there_is() -> None:
    assert Story().told([]).lines[0].seen_by_s == TIME_S + 100 + QUORUM - 1


def test_a_bundle_with_the_calendar_is_certain_and_one_without_is_provisional() -> None:
    story = Story()
    sure, unsure = story.told([story.year]), story.told([])
    for told, provisional in ((sure, False), (unsure, True)):
        [promise] = [it for it in told.clocks if it.obligation is Obligation.PROMISE]
        assert promise.provisional is provisional
    assert sure.as_of_s == TIME_S + 100 + QUORUM - 1


def test_a_block_record_that_another_region_signed_proves_nothing() -> None:
    story = Story(TIBET)
    assert story.told([story.after]).lines[0].seen_by_s == TIME_S + 100 + QUORUM - 1


def test_what_is_no_block_record_proves_nothing_and_spoils_nothing() -> None:
    story = Story()
    story.log.act("log.block", story.log.origin, {"height": "first"})
    place = Place(story.log.origin, len(story.log.statements) - 1)
    assert story.told([place]).lines[0].seen_by_s == TIME_S + 100 + QUORUM - 1


def test_a_calendar_that_another_region_wrote_anyway_is_found_and_counts_for_nothing() -> None:
    story = Story()
    name = f"{SICHUAN}/calendar/2026"
    with refused("not-competent"):
        story.world.do("calendar.publish", SICHUAN, name, YEAR_2026, force=True)
    place = Place(story.log.origin, len(story.log.statements) - 1)
    told = story.told([place])
    assert all(it.provisional for it in told.clocks)
