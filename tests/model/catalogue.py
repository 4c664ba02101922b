"""All models with their bounds, and all mutants with the promise that each of them breaks."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.model import candidates, custody, epochs, freshness, lines, pins, recovery, rounds
from tests.model.explorer import Model
from tests.model.invariants import Invariant


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """The protocol with one rule left out, and what that breaks.

    ``is_limit`` marks what no rule promises: more liars than the protocol bears. ``story`` is told
    where the search is long, and found again by the deep run; else it is empty.
    """

    name: str
    breaks: Invariant
    build: Callable[[], Model]
    is_limit: bool = False
    story: tuple[str, ...] = ()


MODELS: tuple[Callable[[], Model], ...] = (
    lambda: lines.build(lines.Rules()),
    lambda: lines.build(lines.Rules(), n=3, f=0, liars=0),
    lambda: lines.build(lines.Rules(), n=3, f=1, liars=1, heads=lines.LONG),
    lambda: freshness.build(freshness.Rules(), ticks=2),
    lambda: freshness.build(freshness.Rules(), n=3, f=0, liars=0, ticks=2),
    lambda: candidates.build(candidates.Rules()),
    lambda: custody.build(custody.Rules(), entries_max=6),
    lambda: custody.build(custody.Rules(), entries_max=5, closings_max=1),
    lambda: recovery.build(recovery.Rules()),
    lambda: recovery.build(recovery.Rules(), forks=True),
    lambda: recovery.build(recovery.Rules(turns=True), forks=True),
    lambda: recovery.build(recovery.Rules(), amnesia=True, loss=False),
    lambda: rounds.build(rounds.Rules()),
    lambda: rounds.build(rounds.Rules(), rounds=2, forks=True),
    lambda: epochs.build_forks(epochs.Rules()),
    lambda: epochs.build_views(epochs.Rules(), epochs.LAYOUTS[0]),
    lambda: pins.build(pins.Rules(), stolen=True),
    lambda: pins.build(pins.Rules(), stolen=False),
)

DEEPER: tuple[Callable[[], Model], ...] = (
    lambda: lines.build(lines.Rules(), heads=lines.LONG),
    lambda: lines.build(lines.Rules(), n=5, f=1, liars=1, heads=lines.LONG),
    lambda: lines.build(lines.Rules(), n=7, f=2, liars=2),
    lambda: freshness.build(freshness.Rules(), ticks=4),
    lambda: freshness.build(freshness.Rules(), n=5, f=1, liars=1, ticks=3),
    lambda: candidates.build(candidates.Rules(), published_max=6),
    lambda: custody.build(custody.Rules(), entries_max=8),
    lambda: custody.build(custody.Rules(), entries_max=7, closings_max=2),
    lambda: recovery.build(recovery.Rules(), sizes=3),
    lambda: recovery.build(recovery.Rules(), sizes=3, amnesia=True),
    lambda: rounds.build(rounds.Rules(), rounds=4),
    lambda: rounds.build(rounds.Rules(), forks=True),
    lambda: rounds.build(rounds.Rules(), members=5),
    lambda: epochs.build_views(epochs.Rules(), epochs.LAYOUTS[0], ticks=2),
    lambda: epochs.build_views(epochs.Rules(), epochs.LAYOUTS[1]),
    lambda: epochs.build_views(epochs.Rules(), epochs.LAYOUTS[2]),
)
"""The same rules with wider bounds: minutes, not seconds."""

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a quorum of q - 1",
        breaks=Invariant.ONE_HISTORY,
        build=lambda: lines.build(lines.Rules(quorum_less=1)),
    ),
    Mutant(
        name="a quorum of q - 1, three witnesses and no liar",
        breaks=Invariant.ONE_HISTORY,
        build=lambda: lines.build(lines.Rules(quorum_less=1), n=3, f=0, liars=0),
    ),
    Mutant(
        name="separate witness and mirror state",
        breaks=Invariant.ONE_HISTORY,
        build=lambda: lines.build(lines.Rules(one_row=False)),
    ),
    Mutant(
        name="an answer that leaves before its row is durable",
        breaks=Invariant.ONE_HISTORY,
        build=lambda: lines.build(lines.Rules(durable_first=False)),
    ),
    Mutant(
        name="a cosigner that does not check growth",
        breaks=Invariant.ONE_BRANCH,
        build=lambda: lines.build(lines.Rules(check_growth=False)),
    ),
    Mutant(
        name="f + 1 liars beside a forking writer",
        breaks=Invariant.ONE_HISTORY,
        build=lambda: lines.build(lines.Rules(), liars=2),
        is_limit=True,
    ),
    Mutant(
        name="a clock that steps back",
        breaks=Invariant.FRESH,
        build=lambda: freshness.build(freshness.Rules(clock_may_step_back=True), ticks=2),
    ),
    Mutant(
        name="the smallest date for freshness",
        breaks=Invariant.FRESH,
        build=lambda: freshness.build(freshness.Rules(fresh_smallest=True), ticks=2),
    ),
    Mutant(
        name="the first line for existence",
        breaks=Invariant.EXISTED,
        build=lambda: freshness.build(freshness.Rules(seen_first=True), ticks=2),
    ),
    Mutant(
        name="an open use settled by a view older than itself",
        breaks=Invariant.BINDS,
        build=lambda: freshness.build(freshness.Rules(any_view_settles=True), ticks=2),
    ),
    Mutant(
        name="f + 1 liars among those who date",
        breaks=Invariant.FRESH,
        build=lambda: freshness.build(freshness.Rules(), liars=2, ticks=2),
        is_limit=True,
    ),
    Mutant(
        name="notes from anyone scatter the candidate",
        breaks=Invariant.CANDIDATE,
        build=lambda: candidates.build(candidates.Rules(from_anyone=True)),
    ),
    Mutant(
        name="the newest note to each witness, not one candidate",
        breaks=Invariant.CANDIDATE,
        build=lambda: candidates.build(candidates.Rules(newest_to_each=True)),
    ),
    Mutant(
        name="custody moves at acceptance",
        breaks=Invariant.ONE_HOLDER,
        build=lambda: custody.build(custody.Rules(moves_at_acceptance=True), entries_max=6),
    ),
    Mutant(
        name="any later release is taken for one's own",
        breaks=Invariant.ONE_HOLDER,
        build=lambda: custody.build(custody.Rules(any_release=True), entries_max=6),
    ),
    Mutant(
        name="a release after a cancel counts",
        breaks=Invariant.ONE_HOLDER,
        build=lambda: custody.build(custody.Rules(cancel_ends_nothing=True), entries_max=6),
    ),
    Mutant(
        name="accepted offers of a closed log count as released",
        breaks=Invariant.ONE_HOLDER,
        build=lambda: custody.build(
            custody.Rules(accepted_is_released=True), entries_max=6, closings_max=1
        ),
    ),
    Mutant(
        name="same-origin recovery: the region goes on though its tail is missing",
        breaks=Invariant.SIGNS_ONCE,
        build=lambda: recovery.build(recovery.Rules(heeds_tail=False)),
    ),
    Mutant(
        name="a restored backup goes on, behind its fence",
        breaks=Invariant.SIGNS_ONCE,
        build=lambda: recovery.build(recovery.Rules(heeds_fence=False)),
    ),
    Mutant(
        name="the fence is written after the note is shown",
        breaks=Invariant.SIGNS_ONCE,
        build=lambda: recovery.build(recovery.Rules(fence_first=False)),
    ),
    Mutant(
        name="a cut from q - 1 frozen reports, whoever signs it going on",
        breaks=Invariant.REPLICATED_STAYS,
        build=lambda: recovery.build(recovery.Rules(frozen_less=1, signer_rests=False)),
    ),
    Mutant(
        name="a frozen log is cosigned again",
        breaks=Invariant.REPLICATED_STAYS,
        build=lambda: recovery.build(recovery.Rules(frozen_rests=False)),
    ),
    Mutant(
        name="a cut signed below one's own mirrored size",
        breaks=Invariant.REPLICATED_STAYS,
        build=lambda: recovery.build(recovery.Rules(own_size=False), forks=True),
    ),
    Mutant(
        name="who signed the closing goes on cosigning the log",
        breaks=Invariant.REPLICATED_STAYS,
        build=lambda: recovery.build(recovery.Rules(signer_rests=False), forks=True),
    ),
    Mutant(
        name="a mirror turns to a branch that no quorum has signed",
        breaks=Invariant.REPLICATED_STAYS,
        build=lambda: recovery.build(recovery.Rules(turns=True, turns_to_quorum=False), forks=True),
    ),
    Mutant(
        name="a mirror that forgot starts from nothing with its old key",
        breaks=Invariant.ONE_BRANCH,
        build=lambda: recovery.build(
            recovery.Rules(forgetful_rests=False), amnesia=True, loss=False
        ),
    ),
    Mutant(
        name="a mirror that forgot counts among the frozen",
        breaks=Invariant.REPLICATED_STAYS,
        build=lambda: recovery.build(
            recovery.Rules(forgetful_rests=False), amnesia=True, loss=False
        ),
    ),
    Mutant(
        name="callers let go at accepted",
        breaks=Invariant.NOTHING_LOST,
        build=lambda: recovery.build(recovery.Rules(keeps_until_replicated=False)),
    ),
    Mutant(
        name="no stall rounds: five members split 2/3 over two proposals",
        breaks=Invariant.NEVER_WEDGED,
        build=lambda: rounds.build(
            rounds.Rules(rounds=False, rounds_apart=False), members=5, rounds=2, liars=0
        ),
    ),
    Mutant(
        name="who changes its governance key signs for the version before alone",
        breaks=Invariant.NEVER_WEDGED,
        build=lambda: rounds.build(rounds.Rules(old_key_counts=False)),
    ),
    Mutant(
        name="a new round need not repeat the highest signed proposal",
        breaks=Invariant.ONE_VERSION,
        build=lambda: rounds.build(rounds.Rules(repeats=False)),
    ),
    Mutant(
        name="of two proposals that a log shows in one round any is repeated",
        breaks=Invariant.ONE_VERSION,
        build=lambda: rounds.build(rounds.Rules(excludes=False), rounds=2, forks=True),
    ),
    Mutant(
        name="a member signs in a round that it stalled",
        breaks=Invariant.ONE_VERSION,
        build=lambda: rounds.build(rounds.Rules(signs_after_stall=True)),
    ),
    Mutant(
        name="q_m - 1 stalls open a round",
        breaks=Invariant.ONE_VERSION,
        build=lambda: rounds.build(rounds.Rules(stalls_less=1)),
    ),
    Mutant(
        name="a stall is believed though its proposal stands in no log",
        breaks=Invariant.ONE_VERSION,
        build=lambda: rounds.build(rounds.Rules(claims_unchecked=True)),
    ),
    Mutant(
        name="signatures of different rounds on one proposal count together",
        breaks=Invariant.ONE_VERSION,
        build=lambda: rounds.build(rounds.Rules(rounds_apart=False), rounds=4),
        story=(
            "round 1: P is proposed",
            "member 1 signs P in round 1",
            "member 2 stalls round 1, having signed nothing",
            "member 3 stalls round 1, having signed nothing",
            "round 2: Q is proposed",
            "member 2 signs Q in round 2",
            "member 3 stalls round 2, having signed nothing",
            "member 1 stalls round 2, having signed P",
            "round 3: P is proposed",
            "member 3 signs P in round 3",
            "member 2 stalls round 3, having signed Q",
            "member 1 stalls round 3, having signed P",
            "round 4: Q is proposed",
            "member 3 signs Q in round 4",
        ),
    ),
    Mutant(
        name="joint signatures on the roster, without the epoch entry's note",
        breaks=Invariant.ONE_HISTORY,
        build=lambda: epochs.build_forks(epochs.Rules(epoch_note=False)),
    ),
    Mutant(
        name="epoch lines counted too early: a fork through views",
        breaks=Invariant.ONE_HISTORY,
        build=lambda: epochs.build_forks(epochs.Rules(early_views=True)),
    ),
    Mutant(
        name="epoch lines counted too early: a stale view outlives a revocation",
        breaks=Invariant.FRESH,
        build=lambda: epochs.build_views(epochs.Rules(early_views=True), epochs.LAYOUTS[2]),
    ),
    Mutant(
        name="no floor at the epoch note: a revocation seen before the old quorum saw it",
        breaks=Invariant.FRESH,
        build=lambda: epochs.build_views(epochs.Rules(floor=False), epochs.LAYOUTS[0]),
    ),
    Mutant(
        name="version v + 2 signed before the epoch of v + 1 is replicated",
        breaks=Invariant.ONE_HISTORY,
        build=lambda: pins.build(pins.Rules(waits_for_epoch=False), stolen=True),
    ),
    Mutant(
        name="a member that returns starts from the pin with its old key",
        breaks=Invariant.ONE_BRANCH,
        build=lambda: pins.build(pins.Rules(returns_with_row=False), stolen=False),
    ),
)

SLOW_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="two offers open at once",
        breaks=Invariant.ONE_HOLDER,
        build=lambda: custody.build(custody.Rules(open_max=2), entries_max=6),
    ),
    Mutant(
        name="epoch lines counted too early, the end after the epoch entry",
        breaks=Invariant.FRESH,
        build=lambda: epochs.build_views(epochs.Rules(early_views=True), epochs.LAYOUTS[1]),
    ),
    Mutant(
        name="no floor at the epoch note, the end after the epoch entry",
        breaks=Invariant.FRESH,
        build=lambda: epochs.build_views(epochs.Rules(floor=False), epochs.LAYOUTS[1]),
    ),
)
"""Those whose shortest story is long."""
