"""What is signed, and what counts: rows, quorums, times, uploads, and branches of a liar's log."""

from typing import Any

from ledger import policy, views
from ledger.roster import Roster
from nodes import loaded
from nodes.core import (
    blocks,
    candidate,
    catchup,
    heads,
    mirror,
    network,
    own_entries,
    turning,
    witness,
)
from nodes.core.notes import SignedHead
from nodes.core.ready import AdvancePeer
from nodes.core.submission import Submission
from nodes.store import copies
from simulator.plan import Happening
from tests.simulator.mutants.planting import Mutant, Patch, script


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


def _views_without_quorum(patch: Patch) -> None:
    patch.setattr(policy, "quorum", lambda n, f: (n + f) // 2)


def _consistency_unchecked(patch: Patch) -> None:
    patch.setattr(witness, "check_consistency", lambda *_given: None)
    patch.setattr(heads.Heads, "check_not_convicted", lambda *_given: None)


def _subtree_unchecked(patch: Patch) -> None:
    patch.setattr(mirror, "_check_package", lambda *_given: None)


def _conflict_repeated(patch: Patch) -> None:
    patch.setattr(Submission, "_conflict", lambda *_given: None)


def _view_never_expires(patch: Patch) -> None:
    def newest(times: Any, _quorum: int) -> int | None:
        return max(times, default=None)

    for room in (views, blocks, own_entries):
        patch.setattr(room, "fresh_at", newest)


def _time_goes_back(patch: Patch) -> None:
    patch.setattr(heads, "dated", lambda _last_s, now_ms, _delta_s: now_ms // 1000)


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


def _knows_no_epoch_of_another_branch(patch: Patch) -> None:
    def nothing(_tree: Any, common: Any, *_given: Any) -> Any:
        yield from ()
        return common

    patch.setattr(catchup, "fetch_epochs", nothing)


FORKED = {
    "regions": 5,
    "hostile": False,
    "script": (
        # One of the others alone is shown the second history.
        Happening(at_s=5, do="region equivocates", region="540000", value=1),
    ),
}

REKEYED = {
    "regions": 5,
    "hostile": False,
    "script": (
        # Whoever has the first history may lack a mirror whose line counts by the old key alone.
        Happening(at_s=7.5, do="keys rotated", region="510000", value=1),
        Happening(at_s=8, do="region equivocates", region="540000", value=1),
    ),
}


MUTANTS = (
    Mutant(name="a cosigner's row is not kept", plant=_row_not_kept, words=("went back on",)),
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
        name="an upload loops on a 409",
        plant=_conflict_repeated,
        words=("in circles", "not settled"),
        plan={"settle_s": 90},
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
    Mutant(
        name="a key that comes right above a fork counts on no branch",
        plant=_knows_no_epoch_of_another_branch,
        words=("not settled",),
        plan=REKEYED,
        costly=True,
    ),
)
