"""What acts come to: custody, grants, rules, uses, and what is judged by whom."""

from dataclasses import replace
from itertools import count
from typing import Any

import authz.case
import authz.grant
import authz.party
from authz import custody
from authz.custody import OPEN_OFFER
from ledger.kind import Change, Judgement
from nodes.core import (
    acts,
    settlement,
    withheld,
)
from nodes.core.kinds import KINDS
from simulator.plan import Happening
from simulator.scenario import load
from tests.simulator.mutants.planting import Mutant, Patch, script


def _custody_at_acceptance(patch: Patch) -> None:
    held = custody.held

    def too_early(acting: Any) -> Any:
        own, release = acting.own, acting.facts.get("release")
        if own is not None and own.state["at"] == custody.At.ANSWERED and release is not None:
            return custody._carried({**release.state, "to": own.state["to"]}, own.state["from"])
        return held(acting)

    patch.setattr(custody, "held", too_early)


def _depends_on_who_judges(patch: Patch) -> None:
    take = acts.Acts.take
    made = count()

    def careless(self: Any, state: Any, *given: Any) -> None:
        take(self, state, *given)
        if next(made) % 50 == 49:
            _statement, index, _verdict, effects = given
            effects.mentions.append((state.origin, f"{state.origin[-6:]}/case/none", index))

    patch.setattr(acts.Acts, "take", careless)


def _revocation_forgotten(patch: Patch) -> None:
    move = authz.grant._move

    def forgetful(acting: Any, event: Any) -> Any:
        judged = move(acting, event)
        own = acting.own
        if event is authz.grant.Event.REVOKE:
            return Judgement((Change(own.object, dict(own.state)),))
        return judged

    patch.setattr(authz.grant, "_move", forgetful)


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


def _released_twice(patch: Patch) -> None:
    held = custody.held

    def again(acting: Any) -> Any:
        own = acting.own
        if own is not None and own.state["at"] == custody.At.AWAY:
            unit = authz.party.person(acting).state["unit"]
            return {**own.state, "at": custody.At.HELD.value, "unit": unit}
        return held(acting)

    patch.setattr(custody, "held", again)


def _view_survives(patch: Patch) -> None:
    stand = settlement.Settlement._stand

    def cached(self: Any, use: Any, *given: Any) -> Any:
        return stand(self, use._replace(staleness_s=1 << 40), *given)

    patch.setattr(settlement.Settlement, "_stand", cached)


def _settled_by_any_view(patch: Patch) -> None:
    """Settle a use by the first view after it, however old that is."""
    after = settlement.Settlement._views_after

    def fresh(self: Any, use: Any, reader: Any) -> Any:
        for view in after(self, use, reader):
            yield view._replace(state={**view.state, "fresh_at": 1 << 40})

    patch.setattr(settlement.Settlement, "_views_after", fresh)


def _unjudged_counts(patch: Patch) -> None:
    patch.setattr(acts, "unknown", lambda before: {} if before is None else dict(before.state))


def _release_never_late(patch: Patch) -> None:
    patch.setattr(withheld.Withheld, "_is_open", staticmethod(lambda *_given: False))


def _any_offer_is_the_accepted_one(patch: Patch) -> None:
    """Take whatever offer of a case is open for the one that was accepted."""

    def is_open(late: Any, reader: Any) -> bool:
        place = (late.answer.holder, late.answer.case, late.index + 1)
        [held] = reader.facts([place])
        return held is not None and held.state.get("at") in OPEN_OFFER

    patch.setattr(withheld.Withheld, "_is_open", staticmethod(is_open))


def _shows_itself_alone(patch: Patch) -> None:
    patch.setattr(withheld, "shown_by", lambda _closed, origin, size: [(origin, size)])


CARELESS = {"hostile": False, "careless": 0.6}
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
ALONE_WITH_ONE = {
    "regions": 4,
    "hostile": False,
    "minutes": 4.4,
    "acts_per_minute": 40,
    "revoked": 1.0,
    "receipts": 0.0,
    "bundle_every_s": 0.0,
    "script": tuple(
        Happening(at_s=15.0, do="link cut", region="510000", other=other, for_s=245.0)
        for other in ("520000", "530000")
    ),
}
"""One other alone hears a region and lends to it: views come, and nobody dates what it does."""
KEPT = {
    **script("region keeps cases", "510000"),
    "regions": 4,
    "minutes": 4.2,
    "acts_per_minute": 20,
    "receipts": 0.0,
    "bundle_every_s": 0.0,
}


_LOST = load("kept-after-a-fire").plan
KEPT_THROUGH = {
    "scenario": _LOST.scenario,
    "script": _LOST.script,
    "regions": _LOST.regions,
    "minutes": _LOST.minutes,
    "acts_per_minute": _LOST.acts_per_minute,
    "windows": _LOST.windows,
    "revoked": 0.0,
    "hostile": False,
    "receipts": 0.0,
    "bundle_every_s": 0.0,
    "signer": "fast",
}


MUTANTS = (
    Mutant(
        name="custody moves at the acceptance",
        plant=_custody_at_acceptance,
        words=("two holders",),
        plan={"minutes": 1.0},
    ),
    Mutant(
        name="a projection depends on who judges",
        plant=_depends_on_who_judges,
        words=("mentions", "facts"),
        plan={"hostile": False},
    ),
    Mutant(
        name="a revocation is forgotten",
        plant=_revocation_forgotten,
        words=("revoked", "no-grant"),
        plan={"hostile": False, "minutes": 1.5, "revoked": 1.0, "acts_per_minute": 90},
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
        name="two releases that both count",
        plant=_released_twice,
        words=("recorded a forbidden", "two holders"),
        plan={**CARELESS, "minutes": 1.0},
    ),
    Mutant(
        name="nobody minds a case that is kept after its acceptance",
        plant=_release_never_late,
        words=("releases withheld",),
        plan=KEPT,
        costly=True,
    ),
    Mutant(
        name="another offer of a case is taken for the one that was accepted",
        plant=_any_offer_is_the_accepted_one,
        words=("releases withheld",),
        plan={**KEPT, "acts_per_minute": 40},
        costly=True,
    ),
    Mutant(
        name="a view of a successor shows nothing of the log before it",
        plant=_shows_itself_alone,
        words=("releases withheld",),
        plan=KEPT_THROUGH,
        costly=True,
    ),
    Mutant(
        name="a view survives its expiry in a cache",
        plant=_view_survives,
        words=("was not fresh enough",),
        plan=STALE,
        costly=True,
    ),
    Mutant(
        name="a use is settled by an older view than itself",
        plant=_settled_by_any_view,
        words=("calls its use",),
        plan=ALONE_WITH_ONE,
        costly=True,
    ),
    Mutant(
        name="an object is relied on after an act that was not judged here",
        plant=_unjudged_counts,
        words=("differ between",),
        plan=COMMITTEES,
    ),
)
