"""A lane carries one request at a time, waits no longer than it must, and rests after a failure."""

from itertools import count

import pytest

from nodes.core.lanes import GRACE_MS, Lanes
from nodes.core.ready import PeerAnswered
from nodes.core.submission import SendingLimits

LIMITS = SendingLimits(timeout_ms=2_000, backoff_ms_min=100, backoff_ms_max=5_000)
PATIENCE_MS = LIMITS.timeout_ms + GRACE_MS
NOW_MS = 1_800_000_000_000
PEER = "540000"


@pytest.fixture(name="lanes")
def one_peer() -> Lanes[str]:
    lanes: Lanes[str] = Lanes("510000", LIMITS, count(1).__next__)
    lanes.open(PEER)
    return lanes


def ask(lanes: Lanes[str], job: str, now_ms: int = NOW_MS) -> int:
    """Send a question, and return the number of its request."""
    return lanes.send(lanes.ask[PEER], job, "/path", b"body", now_ms).request_id


def test_an_answer_comes_back_with_its_job_and_only_once(lanes: Lanes[str]) -> None:
    lane = lanes.ask[PEER]
    number = ask(lanes, "how large?")
    assert not lanes.may_ask(lane, NOW_MS)
    answer = PeerAnswered(number, 200, b"5")
    assert lanes.answered(answer, NOW_MS) == (lane, "how large?")
    assert lanes.may_ask(lane, NOW_MS)
    assert lanes.answered(answer, NOW_MS) is None


def test_the_lanes_of_a_peer_do_not_wait_for_each_other(lanes: Lanes[str]) -> None:
    lanes.send(lanes.submit[PEER], "a long upload", "/path", b"", NOW_MS)
    assert lanes.may_ask(lanes.ask[PEER], NOW_MS)


def test_opening_a_lane_again_forgets_nothing_that_is_in_flight(lanes: Lanes[str]) -> None:
    number = ask(lanes, "how large?")
    lanes.open(PEER)
    assert lanes.answered(PeerAnswered(number, 200, b""), NOW_MS) is not None


def test_a_foreign_witness_is_sent_notes_and_asked_nothing(lanes: Lanes[str]) -> None:
    lanes.open_submit("witness:far")
    assert "witness:far" in lanes.submit
    assert "witness:far" not in lanes.ask


def test_a_request_is_given_up_after_its_time_and_a_late_answer_is_no_answer(
    lanes: Lanes[str],
) -> None:
    lane = lanes.ask[PEER]
    number = ask(lanes, "how large?")
    assert lanes.wake_at_ms() == [NOW_MS + PATIENCE_MS + 1]
    assert not list(lanes.overdue(NOW_MS + PATIENCE_MS))
    assert list(lanes.overdue(NOW_MS + PATIENCE_MS + 1)) == [(lane, "how large?")]
    assert lane.failures == 1
    assert lanes.answered(PeerAnswered(number, 200, b"5"), NOW_MS + PATIENCE_MS + 2) is None


@pytest.mark.parametrize(("back_ms", "is_lost"), [(PATIENCE_MS, False), (PATIENCE_MS + 1, True)])
def test_a_clock_that_stepped_back_holds_up_no_lane(
    lanes: Lanes[str], *, back_ms: int, is_lost: bool
) -> None:
    ask(lanes, "how large?")
    assert bool(list(lanes.overdue(NOW_MS - back_ms))) is is_lost


def test_a_lane_rests_longer_after_each_failure_and_at_once_no_more_after_an_answer(
    lanes: Lanes[str],
) -> None:
    lane, now_ms, waited_ms = lanes.ask[PEER], NOW_MS, []
    for _ in range(8):
        lanes.answered(PeerAnswered(ask(lanes, "how large?", now_ms), 0, b"cut"), now_ms)
        assert not lanes.may_ask(lane, now_ms)
        waited_ms.append(lane.due_ms - now_ms)
        now_ms = lane.due_ms
        assert lanes.may_ask(lane, now_ms)
    assert waited_ms[0] <= LIMITS.backoff_ms_min
    assert LIMITS.backoff_ms_max // 2 <= waited_ms[-1] <= LIMITS.backoff_ms_max
    lanes.answered(PeerAnswered(ask(lanes, "how large?", now_ms), 404, b""), now_ms)
    assert (lane.failures, lane.due_ms) == (0, 0)


def test_a_wait_that_a_clock_stepped_back_from_is_waited_no_longer(lanes: Lanes[str]) -> None:
    lane = lanes.ask[PEER]
    lanes.failed(lane, NOW_MS)
    assert not lanes.may_ask(lane, NOW_MS)
    assert lanes.may_ask(lane, NOW_MS - LIMITS.backoff_ms_max)


def test_who_speaks_again_is_asked_again_at_once_unless_its_answers_were_bad(
    lanes: Lanes[str],
) -> None:
    lane = lanes.ask[PEER]
    lanes.answered(PeerAnswered(ask(lanes, "how large?"), 0, b"cut"), NOW_MS)
    lanes.revive(PEER)
    assert lanes.may_ask(lane, NOW_MS)
    lanes.answered(PeerAnswered(ask(lanes, "how large?"), 500, b""), NOW_MS)
    lanes.failed(lane, NOW_MS)
    lanes.revive(PEER)
    assert not lanes.may_ask(lane, NOW_MS)
    lanes.revive("nobody we know")
