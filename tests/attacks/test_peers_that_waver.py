"""A mirror that keeps forgetting what it was sent is asked again ever more slowly."""

from nodes.core.exchange import MirrorInfo
from nodes.core.notes import SignedHead
from nodes.core.submission import SendingLimits, Submission
from tests.nodes.neighbours import START_MS, Log, LogReader


def test_a_mirror_that_takes_one_step_forward_and_one_back_makes_us_wait() -> None:
    log = Log("510000", [b"%d" % index for index in range(600)])
    reader = LogReader(log)
    limits = SendingLimits(upload_entries_max=256)
    submission = Submission(peer="500000", mirror=True, limits=limits, salt="")
    submission.aim(SignedHead(log.checkpoint(), log.note()))
    submission.stage = "entries"
    sent = 0
    while submission.due(START_MS) and sent < 100:
        request = submission.request(log.origin, reader)
        sent += 1
        if sent % 2:
            info = MirrorInfo(pending_size=600, next_entry=256)
            submission.answered(request, 202, info.encode(), START_MS)
        else:
            info = MirrorInfo(pending_size=600, next_entry=0)
            submission.answered(request, 409, info.encode(), START_MS)
    assert sent <= 3 * limits.conflicts_max
