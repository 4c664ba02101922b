"""Mistakes that a careless change could make, planted one at a time in the real node.

Each is planted at one place and leaves the rest as it is. What finds it is named, so that a checker
that no longer looks is missed. ``python -m tests.simulator.mutants`` says how many worlds it takes
to find each, as a table for docs/simulator.md.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from statistics import median
from typing import Any

import pytest

import authz.case
import authz.grant
import authz.party
from authz import custody
from ledger import bundle, policy, receipt, views
from ledger.errors import FatalError
from ledger.kind import Change, Judgement
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from nodes import loaded, standing
from nodes import node as nodes
from nodes.core import (
    acts,
    blocks,
    candidate,
    duties,
    heads,
    mirror,
    network,
    own_entries,
    recovery,
    sequencer,
    settlement,
    turning,
    withheld,
    witness,
)
from nodes.core.kinds import KINDS
from nodes.core.notes import SignedHead
from nodes.core.ready import AdvancePeer, Asked
from nodes.core.submission import Submission
from nodes.store import copies
from simulator.machine import Machine
from simulator.plan import Happening
from simulator.run import Outcome, Plan, run
from simulator.simulation import Simulation

SEEDS_MAX = 200
FROM = (0, 1_000, 2_000)
"""From where seeds are counted, so that a median can be told."""

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A planted mistake: how it is planted, in which worlds, and by which words it is found."""

    name: str
    plant: Callable[[Patch], None]
    words: tuple[str, ...]
    plan: dict[str, Any] = field(default_factory=dict)
    costly: bool = False
    """Whether finding it takes longer than the suite has."""

    def worlds(self, start: int) -> Iterator[Plan]:
        """Yield the worlds in which it is looked for, from a seed on."""
        base = {"regions": 4, "minutes": 0.5, "acts_per_minute": 60, **self.plan}
        for seed in range(start, start + SEEDS_MAX):
            yield Plan(seed=seed, **base)

    def found(self, start: int = 0, seeds_max: int = SEEDS_MAX) -> tuple[int, Outcome | None]:
        """Return in which of the worlds it is found, counted from 1, and how that world ended."""
        with pytest.MonkeyPatch.context() as patch:
            self.plant(patch)
            for number, plan in enumerate(self.worlds(start), start=1):
                if number > seeds_max:
                    break
                outcome = run(plan)
                if outcome.broken:
                    return number, outcome
        return seeds_max, None


def script(do: str, region: str, at_s: float = 12.0, for_s: float = 0.0) -> dict[str, Any]:
    """Return a calm world of five regions in which one thing happens."""
    it = Happening(at_s=at_s, do=do, region=region, for_s=for_s)
    return {"regions": 5, "hostile": False, "script": (it,)}


# ---- planting -----------------------------------------------------------------------------------


def _answer_before_commit(patch: Patch) -> None:
    commit, calls = nodes.Node._commit_now, count()

    def commit_now(self: nodes.Node, connection: Any, transaction: Any) -> None:
        if next(calls) % 40 == 39:
            transaction.rollback()
        else:
            commit(self, connection, transaction)

    patch.setattr(nodes.Node, "_commit_now", commit_now)


def _row_not_kept(patch: Patch) -> None:
    keep = loaded.apply

    def forgetful(connection: Any, ids: Any, writes: Any) -> None:
        keep(connection, ids, tuple(item for item in writes if not isinstance(item, AdvancePeer)))

    patch.setattr(loaded, "apply", forgetful)


def _quorum_one_less(patch: Patch) -> None:
    def has(self: candidate.Round, *roles: str) -> bool:
        needed = self.asked.rosters[0].quorum(self.head.checkpoint.origin)
        return all(len(getattr(self, role)) >= needed - 1 for role in roles)

    patch.setattr(candidate.Round, "has", has)


def _half_is_a_quorum(patch: Patch) -> None:
    def half(self: Roster, origin: str) -> int:
        return max(1, len(self.witnesses_of(origin)) // 2)

    patch.setattr(Roster, "quorum", half)


def _custody_at_acceptance(patch: Patch) -> None:
    held = custody.held

    def too_early(acting: Any) -> Any:
        own, release = acting.own, acting.facts.get("release")
        if own is not None and own.state["at"] == custody.At.ANSWERED and release is not None:
            return custody._carried({**release.state, "to": own.state["to"]}, own.state["from"])
        return held(acting)

    patch.setattr(custody, "held", too_early)


def _release_forgotten(patch: Patch) -> None:
    patch.setattr(duties.Duties, "writes", lambda _self: ())


def _depends_on_who_judges(patch: Patch) -> None:
    take = acts.Acts.take
    made = count()

    def careless(self: Any, state: Any, *given: Any) -> None:
        take(self, state, *given)
        if next(made) % 50 == 49:
            _statement, index, _verdict, effects = given
            effects.mentions.append((state.origin, f"{state.origin[-6:]}/case/none", index))

    patch.setattr(acts.Acts, "take", careless)


def _consistency_unchecked(patch: Patch) -> None:
    patch.setattr(witness, "check_consistency", lambda *_given: None)
    patch.setattr(heads.Heads, "check_not_convicted", lambda *_given: None)


def _subtree_unchecked(patch: Patch) -> None:
    patch.setattr(mirror, "_check_package", lambda *_given: None)


def _disk_believed(patch: Patch) -> None:
    serving = recovery.Start("serving", move_fence=False, why="")
    patch.setattr(standing, "decide_start", lambda *_given: serving)


def _panics_when_full(patch: Patch) -> None:
    def panic(_self: Any, _events: Any, error: Exception, _now_ms: int) -> Any:
        raise FatalError("the disk is full") from error

    patch.setattr(nodes.Node, "_unavailable", panic)


def _conflict_repeated(patch: Patch) -> None:
    patch.setattr(Submission, "_conflict", lambda *_given: None)


def _revocation_forgotten(patch: Patch) -> None:
    move = authz.grant._move

    def forgetful(acting: Any, event: Any) -> Any:
        judged = move(acting, event)
        own = acting.own
        if event is authz.grant.Event.REVOKE:
            return Judgement((Change(own.object, dict(own.state)),))
        return judged

    patch.setattr(authz.grant, "_move", forgetful)


def _view_never_expires(patch: Patch) -> None:
    def newest(times: Any, _quorum: int) -> int | None:
        return max(times, default=None)

    for room in (views, blocks, own_entries):
        patch.setattr(room, "fresh_at", newest)


def _time_goes_back(patch: Patch) -> None:
    patch.setattr(heads, "dated", lambda _last_s, now_ms, _delta_s: now_ms // 1000)


def _roles_unchecked(patch: Patch) -> None:
    patch.setattr(authz.party, "check_role", lambda *_given: None)
    patch.setitem(KINDS, ("case.decide", 1), _decided_anywhere())


def _decided_anywhere() -> Any:
    kind = KINDS["case.decide", 1]

    def rule(acting: Any) -> Judgement:
        row = authz.case._advance(acting, authz.case.Event.NOTE)
        row = {**row, "result": acting.act.body["result"]}
        return Judgement((Change(acting.statement.subject, row),))

    return replace(kind, rule=rule)


def _no_grant_needed(patch: Patch) -> None:
    rest = authz.case._rest

    def lenient(acting: Any, row: Any, event: Any) -> Any:
        without = acting.act.body.get("grant") is None
        return authz.case._Rested() if without else rest(acting, row, event)

    patch.setattr(authz.case, "_rest", lenient)


def _any_paper_asked(patch: Patch) -> None:
    kind = KINDS["case.notice", 1]

    def rule(acting: Any) -> Any:
        return authz.case._resting(acting, authz.case.Event.NOTICE)

    patch.setitem(KINDS, ("case.notice", 1), replace(kind, rule=rule))


def _finality_forgotten(patch: Patch) -> None:
    made = candidate.Candidate.__init__

    def forgetful(self: candidate.Candidate, **given: Any) -> None:
        made(self, **{**given, "notes": ()})

    patch.setattr(candidate.Candidate, "__init__", forgetful)


def _alarm_forgotten(patch: Patch) -> None:
    patch.setattr(nodes.Node, "_wake_at_ms", lambda *_given: None)


def _audit_never_hashes(patch: Patch) -> None:
    patch.setattr(standing, "check_all", lambda *_given: iter(()))


def _views_without_quorum(patch: Patch) -> None:
    patch.setattr(policy, "quorum", lambda n, f: (n + f) // 2)


def _block_forgets_its_number(patch: Patch) -> None:
    made = sequencer.Sequencer.load

    def load(self: Any, head: Any, state: Any, now_ms: int) -> None:
        made(self, head, state, now_ms)
        if head.size > 20:
            self.state.height = 0

    patch.setattr(sequencer.Sequencer, "load", load)


def _released_twice(patch: Patch) -> None:
    held = custody.held

    def again(acting: Any) -> Any:
        own = acting.own
        if own is not None and own.state["at"] == custody.At.AWAY:
            unit = authz.party.person(acting).state["unit"]
            return {**own.state, "at": custody.At.HELD.value, "unit": unit}
        return held(acting)

    patch.setattr(custody, "held", again)


def _inclusion_skipped(patch: Patch) -> None:
    patch.setattr(bundle, "check_inclusion", lambda *_given: None)


def _any_tree_size(patch: Patch) -> None:
    patch.setattr(receipt, "_check_size", lambda *_given: None)


def _old_keys_again(patch: Patch) -> None:
    patch.setattr(RosterChain, "check_keys", lambda *_given: None)


def _shown_above_an_epoch(patch: Patch) -> None:
    patch.setattr(sequencer.Sequencer, "held_size", property(lambda _self: None))


def _view_survives(patch: Patch) -> None:
    stand = settlement.Settlement._stand

    def cached(self: Any, use: Any, *given: Any) -> Any:
        return stand(self, use._replace(staleness_s=1 << 40), *given)

    patch.setattr(settlement.Settlement, "_stand", cached)


def _unjudged_counts(patch: Patch) -> None:
    patch.setattr(acts, "unknown", lambda before: {} if before is None else dict(before.state))


def _turns_to_whatever_it_hears(patch: Patch) -> None:
    """Turn to the other history as soon as there is evidence of one, whoever has signed it."""
    convicted = network.Network.convicted

    def turns(self: network.Network, origin: str, found: Any) -> Any:
        found = list(found)
        writes = convicted(self, origin, found)
        for evidence, conviction, _ in found:
            row = self.heads.row(conviction.origin)
            if conviction.against != "log" or row is None or conviction.origin in self.heads.turned:
                continue
            ours = {(row.witnessed_size, row.witnessed_root)}
            others = [it for it in evidence.said if (it.head.size, it.head.root) not in ours]
            head = SignedHead(others[-1].head, others[-1].signed)
            writes = (*writes, *turning.Turn(head, ()).writes(0))
        return writes

    patch.setattr(network.Network, "convicted", turns)


def _keeps_what_it_had_judged(patch: Patch) -> None:
    patch.setattr(copies, "unproject", lambda _connection, _log_id: None)


def _release_never_late(patch: Patch) -> None:
    patch.setattr(withheld.Withheld, "_is_open", staticmethod(lambda *_given: False))


def _answer_from_memory_before_commit(patch: Patch) -> None:
    """Let what a step has answered at once reach the disk with the step after it."""
    step, end = nodes.Node.step, Simulation._end
    lost: dict[Any, tuple[bytes, Any]] = {}

    def eager(self: Any, events: Any, now_ms: int, *, answers_first: bool = False) -> Any:
        disk = self._ports.fence
        is_asked = answers_first and any(isinstance(it, Asked) for it in events)
        before = (disk.backup(), disk.mark) if is_asked else None
        lost.pop(disk, None)
        outbox = step(self, events, now_ms, answers_first=answers_first)
        if before is not None and self._owes_requests:
            lost[disk] = before
        return outbox

    def ended(self: Simulation, machine: Machine) -> None:
        end(self, machine)
        before = lost.pop(machine.disk, None)
        if before is not None:
            machine.disk.restore(before[0])
            machine.disk.mark = before[1]

    patch.setattr(nodes.Node, "step", eager)
    patch.setattr(Simulation, "_end", ended)


def _frozen_cosigned(patch: Patch) -> None:
    patch.setattr(heads.Heads, "check_not_frozen", lambda *_given: None)


def _rest_ignored(patch: Patch) -> None:
    patch.setattr(heads.Heads, "resting", property(lambda _self: False))


CARELESS = {"hostile": False, "careless": 0.6}
PAPERS = {"hostile": False, "receipts": 0.5, "bundle_every_s": 1.0}
RETURNS = {
    "regions": 5,
    "hostile": False,
    "acts_per_minute": 20,
    "script": (
        Happening(at_s=6, do="region leaves", region="540000"),
        Happening(at_s=7, do="region returns", region="540000"),
    ),
}
COMMITTEES = {
    "places": "prefectures",
    "regions": 6,
    "committee": 3,
    "minutes": 0.75,
    "hostile": False,
    "acts_per_minute": 40,
    "receipts": 0.0,
    "bundle_every_s": 0.0,
    "pace_ms": 4_000,
    "signer": "fast",
}
STALE = {
    **script("region cut off", "510000", at_s=15.0, for_s=245.0),
    "regions": 4,
    "minutes": 4.4,
    "acts_per_minute": 40,
    "revoked": 0.0,
}

KEPT = {
    **script("region keeps cases", "510000"),
    "regions": 4,
    "minutes": 4.2,
    "acts_per_minute": 20,
    "receipts": 0.0,
    "bundle_every_s": 0.0,
}

FORKED = {
    "regions": 5,
    "hostile": False,
    "script": (
        # One of the others alone is shown the second history.
        Happening(at_s=5, do="region equivocates", region="540000", value=1),
    ),
}

CLOSED = {
    "regions": 5,
    "hostile": False,
    "acts_per_minute": 60,
    "receipts": 0.0,
    "bundle_every_s": 0.0,
    "script": (
        # So that a region which comes back is frozen for a while before its log is closed.
        Happening(at_s=9, do="keeper of keys away", region="510000", for_s=40),
        Happening(at_s=9, do="keeper of keys away", region="540000", for_s=40),
        Happening(at_s=10, do="region cut off", region="520000", for_s=8),
        Happening(at_s=12, do="lost log closed", region="520000"),
    ),
}

MUTANTS = (
    Mutant(
        name="an answer leaves before its commit",
        plant=_answer_before_commit,
        words=("stored", "never had", "other entries", "fell from", "does not have"),
        plan={"hostile": False},
    ),
    Mutant(
        name="a cosigner's row is not kept", plant=_row_not_kept, words=("went back on",)
    ),
    Mutant(
        name="a quorum one too small",
        plant=_quorum_one_less,
        words=("lines", "is not finished"),
        plan={"hostile": False},
    ),
    Mutant(
        name="half of the witnesses are a quorum",
        plant=_half_is_a_quorum,
        words=("lines", "is not finished"),
        plan={"hostile": False, "regions": 5},
    ),
    Mutant(
        name="the formula of the quorum one too small",
        plant=_views_without_quorum,
        words=("lines", "is not finished"),
        plan={"hostile": False, "regions": 5},
    ),
    Mutant(
        name="custody moves at the acceptance",
        plant=_custody_at_acceptance,
        words=("two holders",),
        plan={"minutes": 1.0},
    ),
    Mutant(
        name="a release is forgotten in a crash",
        plant=_release_forgotten,
        words=("owes an answer",),
        plan={"minutes": 1.0, "settle_s": 90},
    ),
    Mutant(
        name="a projection depends on who judges",
        plant=_depends_on_who_judges,
        words=("mentions", "facts"),
        plan={"hostile": False},
    ),
    Mutant(
        name="the consistency of a new checkpoint is not checked",
        plant=_consistency_unchecked,
        words=("two histories", "other entries", "another history"),
        plan={**script("region equivocates", "510000", 10.0), "acts_per_minute": 120},
    ),
    Mutant(
        name="the proof of an upload is not checked",
        plant=_subtree_unchecked,
        words=("stores other entries", "failed:"),
        plan={**script("region floods", "510000"), "acts_per_minute": 120},
    ),
    Mutant(
        name="a node believes its disk, whatever the fence says",
        plant=_disk_believed,
        words=("entries", "history", "never had", "index"),
        plan={**script("backup restored", "510000", for_s=10.0), "acts_per_minute": 120},
    ),
    Mutant(
        name="a node panics for ever after a full disk",
        plant=_panics_when_full,
        words=("stopped where it could go on",),
    ),
    Mutant(
        name="an upload loops on a 409",
        plant=_conflict_repeated,
        words=("in circles", "not settled"),
        plan={"settle_s": 90},
    ),
    Mutant(
        name="a revocation is forgotten",
        plant=_revocation_forgotten,
        words=("revoked", "no-grant"),
        plan={"hostile": False, "minutes": 1.5, "revoked": 1.0, "acts_per_minute": 90},
    ),
    Mutant(
        name="a view is dated by its newest line",
        plant=_view_never_expires,
        words=("fresh", "differ"),
        plan={"minutes": 1.0},
    ),
    Mutant(
        name="the date of a line goes back with the clock",
        plant=_time_goes_back,
        words=("went back", "failed:"),
        plan={"minutes": 1.0},
    ),
    Mutant(
        name="whoever receives a case may decide it",
        plant=_roles_unchecked,
        words=("recorded a forbidden",),
        plan=CARELESS,
    ),
    Mutant(
        name="a case for another place needs no grant",
        plant=_no_grant_needed,
        words=("recorded a forbidden",),
        plan=CARELESS,
    ),
    Mutant(
        name="papers are asked for that are not on the list",
        plant=_any_paper_asked,
        words=("recorded a forbidden",),
        plan=CARELESS,
    ),
    Mutant(
        name="what was final is forgotten at a restart",
        plant=_finality_forgotten,
        words=("fell from", "not settled"),
        plan={"settle_s": 90},
    ),
    Mutant(
        name="a node forgets when it wanted to wake",
        plant=_alarm_forgotten,
        words=("not settled",),
        plan={"settle_s": 90},
    ),
    Mutant(
        name="an audit never hashes what is stored",
        plant=_audit_never_hashes,
        words=("holds another", "lost entry", "rewritten", "differ", "failed:"),
        plan={**script("bit flipped on a disk", "510000", 20.0), "acts_per_minute": 120},
    ),
    Mutant(
        name="a block forgets its number at a restart",
        plant=_block_forgets_its_number,
        words=("says that it is block", "failed:"),
    ),
    Mutant(
        name="two releases that both count",
        plant=_released_twice,
        words=("recorded a forbidden", "two holders"),
        plan={**CARELESS, "minutes": 1.0},
    ),
    Mutant(
        name="a client skips the paths of a bundle",
        plant=_inclusion_skipped,
        words=("a forged paper was believed",),
        plan=PAPERS,
    ),
    Mutant(
        name="a receipt is accepted at the wrong tree size",
        plant=_any_tree_size,
        words=("a forged paper was believed",),
        plan=PAPERS,
    ),
    Mutant(
        name="a member is removed and comes back with its old keys",
        plant=_old_keys_again,
        words=("a retired key",),
        plan=RETURNS,
    ),
    Mutant(
        name="notes above an epoch are shown before it is proven",
        plant=_shown_above_an_epoch,
        words=("where", "no note of a log"),
        plan={"hostile": False, "stages": ((0.0, 3), (0.1, 4))},
    ),
    Mutant(
        name="nobody minds a case that is kept after its acceptance",
        plant=_release_never_late,
        words=("releases withheld",),
        plan=KEPT,
        costly=True,
    ),
    Mutant(
        name="an answer made in memory leaves before its commit",
        plant=_answer_from_memory_before_commit,
        words=("rewritten", "never had", "other entries", "fell from", "does not have", "stored"),
        plan={"acts_per_minute": 120},
    ),
    Mutant(
        name="a frozen log is cosigned again",
        plant=_frozen_cosigned,
        words=("is closed at",),
        plan=CLOSED,
        costly=True,
    ),
    Mutant(
        name="keys sign on whose past is lost",
        plant=_rest_ignored,
        words=("whose past its region has lost",),
        plan=script("database lost", "530000", 10.0),
    ),
    Mutant(
        name="a view survives its expiry in a cache",
        plant=_view_survives,
        words=("was not fresh enough",),
        plan=STALE,
        costly=True,
    ),
    Mutant(
        name="an object is relied on after an act that was not judged here",
        plant=_unjudged_counts,
        words=("differ between",),
        plan=COMMITTEES,
    ),
    Mutant(
        name="a node turns to a branch that no quorum holds",
        plant=_turns_to_whatever_it_hears,
        words=("which no quorum of mirrors has signed",),
        plan=FORKED,
    ),
    Mutant(
        name="a node that turns keeps what it had judged",
        plant=_keeps_what_it_had_judged,
        words=("is ahead of itself", "differ between"),
        plan=FORKED,
        costly=True,
    ),
)  # fmt: skip


def told(mutant: Mutant) -> tuple[str, list[int], str]:
    """Return how many worlds it takes from each start, and what found it."""
    numbers, words = [], ""
    for start in FROM:
        number, outcome = mutant.found(start)
        numbers.append(number if outcome is not None else SEEDS_MAX + 1)
        if outcome is not None:
            words = outcome.broken.splitlines()[0]
    return mutant.name, numbers, words


def main() -> int:
    """Print the table; the status is 1 where a mistake is not found."""
    lines = ["| planted | worlds until it is found, from each start | median |", "|---|---|---|"]
    status = 0
    with ProcessPoolExecutor() as pool:
        for name, numbers, words in pool.map(told, MUTANTS):
            middle = median(numbers)
            status |= middle > SEEDS_MAX
            lines.append(f"| {name} | {', '.join(map(str, numbers))} | {middle:g} |")
            sys.stderr.write(f"{name}: {numbers} {words[:160]}\n")
    sys.stdout.write("\n".join(lines) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
