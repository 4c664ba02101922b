"""What a node remembers of a hostile log is the same before a restart and after it."""

from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.projection import Projection
from nodes.core.rosters import Rosters
from nodes.core.sight import Sight
from tests.nodes.judging import CHAIN, NOW_S, A, B, C, Writer, judged


def test_bytes_that_are_no_statement_have_no_declared_time_before_or_after() -> None:
    log = Writer(A).genesis()
    log.entries.append(b"nonsense")
    log.block((log.seen(1, {B: NOW_S, C: NOW_S}),))
    judge = judged(log)
    kept = judge.follower.states[log.origin]
    fresh = Projection(Ground(Rosters(CHAIN), KINDS, Sight(100), lambda _origin: None))
    loaded = fresh.load_state(log.origin, kept.size, kept.encode(), CHAIN.origins(), judge.reader)
    assert loaded.times == kept.times
