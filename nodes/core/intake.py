"""What our own log takes from others: signed statements, acts to compose, duties, lost acts."""

from collections.abc import Mapping
from typing import Any

from ledger.errors import LedgerError, RefusedError
from ledger.judge import CORRECTS, kind_of, wants
from ledger.keys import key_thumbprint
from ledger.kind import Draft, Need
from ledger.lineage import living
from ledger.roster_acts import ROSTER_KINDS
from ledger.salvage import SALVAGE_KIND, as_judged, decode_salvage
from ledger.salvage import Salvage as Lost
from ledger.statement import ROLE_VIEW, Act, Citation, Statement, sign_statement
from nodes.core.acts import Verdict, key_object
from nodes.core.duties import SETTLED_CODES, Duty
from nodes.core.own_entries import OwnEntries
from nodes.core.own_words import LOG_KINDS
from nodes.core.ready import Compose, Registered, Salvage
from nodes.ports import Signer


class Intake(OwnEntries):
    """The making of one batch: each act is judged against all before it."""

    # ---- statements that callers made -----------------------------------------------------------

    def register(self, statement: Statement) -> Registered:
        """Take a statement whose signature holds, or say why not.

        1. It is no entry of the log itself, and its key is the issuer's here and now.
        2. Its time is not beyond our clock and not before b (protocol.md section 4).
        3. The kind's rule allows it.
        4. What cannot be undone does not rest on a stale view.
        The same bytes again get the same index, whatever has changed since.
        """
        try:
            if statement.act.kind in LOG_KINDS or statement.act.kind == SALVAGE_KIND:  # (1)
                raise RefusedError("only the log itself records this", code="not-entitled")
            self._projection.acts.public_of(self._roster, self._origin, statement, self._reader)
            self._check_time(statement.time_s)  # (2)
            return self._admit(statement)
        except LedgerError as error:
            index = self._find(statement)
            if index is not None:
                return Registered(index, None, statement.entry)
            return Registered(None, error)

    def _admit(self, statement: Statement, needs: tuple[Need, ...] | None = None) -> Registered:
        index = self._state.size + self._block_due
        verdict = self._judge(statement, index, needs)  # (3)
        if not verdict.kind.receives_only:
            self._check_fresh(verdict)  # (4)
        if self.base_is_stale() and self.freshen():
            self._check_time(statement.time_s)
        self.open_block()
        index = self._state.size
        self._projection.acts.take(
            self._state, as_judged(statement), index, verdict, self._batch.effects
        )
        self._append(statement)
        return Registered(index, None, statement.entry)

    def _judge(self, statement: Statement, index: int, needs: tuple[Need, ...] | None) -> Verdict:
        """Judge an act, or one that is salvaged."""
        acts = self._projection.acts
        if statement.act.kind == SALVAGE_KIND:
            return acts.judge_salvage(self._state, statement, index, self._reader)[1]
        return acts.judge_act(self._state, statement, index, self._reader, needs=needs)

    def _check_time(self, time_s: int) -> None:
        if time_s > self._batch.now_s + self._delta_s:
            raise RefusedError(f"declared {time_s}, later than now", code="future-time")
        if time_s < self._base_s - self._delta_s:
            raise RefusedError(
                f"declared {time_s}, before what this log knew of at {self._base_s}",
                code="stale-time",
            )

    def _check_fresh(self, verdict: Verdict) -> None:
        """Refuse what cannot be undone under a view that R would not carry to its evidence."""
        refresh_s, now_s = self._roster.constants.refresh_s, self._batch.now_s
        bounds = dict.fromkeys(verdict.views, self._staleness_s)
        for use in verdict.judgement.uses:
            fact = verdict.facts[use.need]
            view = None
            if fact is not None:
                view = self._projection.acts.view_over(self._roster, fact, verdict.views)
            if view is not None:
                bounds[view.origin] = min(bounds[view.origin], use.staleness_s)
        for origin, staleness_s in bounds.items():
            age_s = now_s - verdict.views[origin].fresh_at_s
            if age_s > staleness_s - refresh_s:
                raise RefusedError(f"the view of {origin} is {age_s} s old", code="stale-view")

    def _find(self, statement: Statement) -> int | None:
        index = self._batch.at.get(statement.leaf)
        if index is None:
            (index,) = self._reader.find(self._origin, [(statement.subject, statement.leaf)])
        return index

    # ---- acts that we compose -------------------------------------------------------------------

    def compose(self, event: Compose) -> Registered:
        """Fill in ``previous``, citations and views, sign, and take the act."""
        try:
            if event.kind in ROSTER_KINDS:
                return self.say_on_roster(event.kind, event.subject, event.body)
            return self._compose(event.kind, event.version, event.issuer, event.subject, event.body)
        except LedgerError as error:
            return Registered(None, error)

    def do(self, duty: Duty) -> None:
        """Do an act that the region owes, if the answer it cites can be cited by now.

        What stands in a closed log is cited through the log that goes on from it, at any size; if
        that is our own, as what stands in it itself.
        """
        origin = living(self._roster.closed, duty.origin)
        if origin != self._origin:
            known = self._shelf.get(origin)
            seen = self._state.views.get(origin)
            shown = max(known.size if known else 0, seen.size if seen else 0)
            if shown <= (duty.index if origin == duty.origin else 0):
                return
        try:
            self._compose(duty.kind, 1, self._region, duty.subject, {})
        except LedgerError as error:
            if error.code not in SETTLED_CODES:
                return
        self._batch.done.append(duty)

    def _compose(
        self, name: str, version: int, issuer: str, subject: str, body: Mapping[str, Any]
    ) -> Registered:
        kind = kind_of(self._means.projection.ground.kinds, name, version)
        key = self._signer(issuer)
        draft = Draft(
            kind=name,
            version=version,
            issuer=issuer,
            subject=subject,
            time_s=max(self._batch.now_s, self._base_s - self._delta_s),
            body=body,
        )
        own = self._sight.newest(self._reader, self._origin, subject)
        needs = wants(kind, draft, own, self._region, self._roster)
        citations = (*self._citations(needs), *self._corrected(name, body))
        act = Act(name, version, None if own is None else own.leaf, citations, body)
        statement = sign_statement(key, issuer, subject, draft.time_s, act)
        return self._admit(statement, needs)

    def _citations(self, needs: tuple[Need, ...]) -> tuple[Citation, ...]:
        """Return what an act has to cite, with views recorded now where they are needed."""
        needed: dict[str, list[str]] = {}
        for need in needs:
            if need.origin is not None:
                needed.setdefault(need.origin, []).append(need.object)
        views = {origin: self.view_for(origin, objects) for origin, objects in needed.items()}
        facts = self._projection.acts.resolve(self._origin, needs, views, self._reader)
        citations = [
            Citation(ROLE_VIEW, view.origin, view.index, view.leaf) for view in views.values()
        ]
        for need in needs:
            fact = facts[need.name]
            if need.cite and fact is not None:
                citations.append(Citation(need.name, fact.origin, fact.index, fact.leaf))
        return tuple(citations)

    def salvage(self, event: Salvage) -> Registered:
        """Bring an act that the log before lost into this one.

        Brought again, it is the entry that it is already.
        """
        try:
            return self._salvage(
                decode_salvage({"statement": event.entry, "receipt": event.receipt})
            )
        except LedgerError as error:
            return Registered(None, error)

    def _salvage(self, lost: Lost) -> Registered:
        inner = lost.inner
        known = self._projection.acts.salvaged(self._origin, inner.leaf, self._reader)
        if known is not None and known.origin == self._origin:
            return Registered(known.index, None, b"")
        if known is not None:
            raise RefusedError(f"salvaged as {known.origin} {known.index}", code="not-lost")
        kind = kind_of(self._means.projection.ground.kinds, inner.act.kind, inner.act.version)
        draft = Draft(
            kind=kind.name,
            version=kind.version,
            issuer=inner.issuer,
            subject=inner.subject,
            time_s=max(self._batch.now_s, self._base_s - self._delta_s),
            body=inner.act.body,
        )
        own = self._sight.newest(self._reader, self._origin, inner.subject)
        needs = wants(kind, draft, own, self._region, self._roster)
        citations = (
            *self._citations(needs),
            *self._corrected(kind.name, inner.act.body),
        )
        previous = None if own is None else own.leaf
        act = Act(SALVAGE_KIND, 1, previous, citations, lost.to_body())
        return self._admit(self._own_word(inner.subject, act))

    def _corrected(self, name: str, body: Mapping[str, Any]) -> tuple[Citation, ...]:
        """Return the citation of the entry that a correction is about."""
        index = body.get("index")
        if name != "act.correct" or type(index) is not int or not 0 <= index < self._state.size:
            return ()
        (leaf,) = self._reader.leaves([(self._origin, index)])
        return () if leaf is None else (Citation(CORRECTS, self._origin, index, leaf),)

    def _signer(self, issuer: str) -> Signer:
        if issuer == self._region:
            return self._keys.issuer
        officer = self._sight.newest(self._reader, self._origin, issuer)
        if officer is not None and officer.state.get("holder") == "officer":
            raise RefusedError(f"{issuer} holds their own key", code="not-entitled")
        key = self._means.officers.signer(issuer)
        if key is None:
            raise RefusedError(f"no key of {issuer} is held here", code="not-entitled")
        name = key_object(self._region, key_thumbprint(key.public))
        if officer is not None and officer.state.get("key") != name:
            raise RefusedError(
                f"the key held is not that of {issuer} any more", code="not-entitled"
            )
        return key
