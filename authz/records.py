"""Records with a life: the one rule that most mechanisms of the domain share, driven by data.

Most of what the policy documents ask for has one shape: somebody opens a record about something,
those whom it concerns answer it, and it ends. A ``Step`` says all that differs from one kind of act
to the next: who may sign, what it must cite, whether it is about a case, what is kept; a ``Life``
says which steps may follow which. What more the domain wants of a step is a ``check`` of its own.

A record is numbered by the region that opens it. Where its other side sits in another region, each
side writes into its own log, and cites the newest row of the other's: of the two rows the one with
more steps behind it says where the record stands.

Row: ``{live, st, n, by, to, due, case, …}``: its state; the number of its steps; the unit that
opened it (the region, where the region itself did); the party it is addressed to; the time by which
that party is to answer; the case it is about; and the fields that later steps compare with.

Source: domain.md section 3, and its rules 7, 10, 11 and 13.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from typing import Any, Final

from authz import party
from authz.custody import HOLDING
from authz.ground import check_ground
from authz.right import Right
from authz.use import check_lent, grant_needs
from ledger import judge
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Flag, Judgement, Need, Use

Row = Mapping[str, Any]

NEW: Final = "new"


class Side(Enum):
    """Which side of a record takes a step."""

    OPENER = auto()
    ADDRESSEE = auto()
    EITHER = auto()
    """Anyone who is entitled in the region of the one or the other."""


class Signer(Enum):
    """Whose key signs."""

    OFFICER = auto()
    REGION = auto()
    """The region's own key alone: no officer writes it, so that none can shape it."""
    BOTH = auto()


class About(Enum):
    """What a record that names a case asks of it."""

    NOTHING = auto()
    KNOWN = auto()
    """The case is, or was once, in this log."""
    HELD = auto()
    """The signer's own unit holds the case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The life of one type of record.

    Args:
        subject: The type of object that the record is.
        steps: The whole life, from ``new``. What is not in this table is refused. An event is the
            kind's name; where the outcome depends on a field of choices, ``kind:value``.
        ended: The states in which nothing is left to do.
        absent: The code of the refusal where a step needs the record and there is none.
    """

    subject: str
    steps: Mapping[tuple[str, str], str]
    ended: frozenset[str] = frozenset()
    absent: str = "unknown-object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One kind of act on a record.

    Args:
        branch: The field whose value decides where the step leads.
        relay: The field that says in whose log the step before stands, where a record goes through
            more than two hands.
        roles: The officer holds one of them.
        units: The types of unit that the officer may sit in; empty: any.
        about: What a ``case`` in the body must be.
        lent: The right that the step rests on, where the case is another place's.
        noted: What the row keeps beyond the body's fields.
        competent: Whether the officer's department is that of the body's ``item``, published here.
        rests_on: Fields that name objects which must be there and live; each is cited.
        once_per: Fields that together may occur once in a region's log.
        frees: Fields of the row whose record the step gives up: they may occur again.
        versioned: Whether the body's ``version`` counts the steps of the record, from 1.
        keep: Fields of the body that the row keeps.
        relies_on: The need whose fact is a grant: a use of it that later views settle.
        timed: Whether the opener's own step is late after ``due``; the addressee's always is.
        wants: Further facts for ``check``.
        check: What more the domain asks, given the row before and the row after the step.
        marks: What is recorded and marked, likewise.
    """

    life: Life
    event: str
    branch: str = ""
    side: Side = Side.OPENER
    relay: str = ""
    signer: Signer = Signer.OFFICER
    roles: tuple[str, ...] = (party.MANAGE,)
    units: tuple[str, ...] = ()
    about: About = About.NOTHING
    lent: Right | None = None
    noted: Callable[[Acting], Row] | None = None
    competent: bool = False
    rests_on: tuple[str, ...] = ()
    once_per: tuple[str, ...] = ()
    frees: tuple[str, ...] = ()
    versioned: bool = False
    keep: tuple[str, ...] = ()
    relies_on: str = ""
    timed: bool = False
    wants: Callable[[Draft, Fact | None], tuple[Need, ...]] | None = None
    check: Callable[[Acting, Row, Row], tuple[Change, ...]] | None = None
    marks: Callable[[Acting, Row, Row], tuple[Flag, ...]] | None = None

    @property
    def opens(self) -> bool:
        """Whether the step begins a life."""
        return any(
            state == NEW and event.split(":")[0] == self.event for state, event in self.life.steps
        )

    def needs(self, draft: Draft, own: Fact | None) -> tuple[Need, ...]:
        """Return the facts that the step rests on."""
        body, region, needs = draft.body, draft.issuer[:6], []
        elsewhere = draft.subject[:6] if own is None else own.state.get("to", draft.subject)[:6]
        if draft.subject[:6] != region:
            elsewhere = draft.subject[:6]
        if self.relay:
            elsewhere = body[self.relay][:6]
        if elsewhere != region:  # the other side's row
            needs.append(Need(_THERE, draft.subject, elsewhere, cite=True))
        if self.about is not About.NOTHING and "case" in body:
            needs.append(Need("case", body["case"]))
        if self.lent is not None:
            needs += grant_needs(body)
        if self.competent:
            needs.append(Need("item", body["item"]))
        needs += [
            Need(name, body[name], body[name][:6], cite=True)
            for name in self.rests_on
            if name in body
        ]
        if self.once_per:
            needs.append(Need(_ONCE, self._once_object(region, body)))
        if self.wants is not None:
            needs += self.wants(draft, own)
        return tuple(needs)

    def judge(self, acting: Acting) -> Judgement:
        """Judge the step.

        1. The signer is the side whose step it is, and entitled.
        2. The record may take it, from where it stands by the newer of the two sides' rows.
        3. What it rests on is there: the case, the item's department, the objects it names.
        4. It is no repetition, and no version is left out.
        5. What more the domain asks of it.
        """
        before = self._before(acting)
        self._check_side(acting, before)  # (1)
        self._check_entitled(acting)
        state = next_state(self.life, before["st"], self._event(acting))  # (2)
        self._check_grounds(acting)  # (3)
        body = acting.act.body
        if self.once_per and _is_taken(acting):  # (4)
            raise RefusedError(
                f"it is recorded already for {_values(body, self.once_per)}", code="exists"
            )
        if self.versioned and body["version"] != before["n"] + 1:
            raise RefusedError(f"the next version is {before['n'] + 1}", code="wrong-state")
        row = self._after(acting, before, state)
        subject = acting.statement.subject
        changes = [Change(subject, row)]
        if self.once_per:
            changes.append(Change(self._once_object(acting.region, body), {"of": subject}))
        if self.frees:
            freed = once_object(acting.region, self.life.subject, *_values(before, self.frees))
            changes.append(Change(freed, {"live": False, "of": subject}))
        if self.check is not None:  # (5)
            changes += self.check(acting, before, row)
        return Judgement(
            tuple(changes),
            uses=self._uses(acting),
            flags=(*_late(acting, self, before), *self._marked(acting, before, row)),
            mentions=(row["case"],) if "case" in row else (),
        )

    def _marked(self, acting: Acting, before: Row, row: Row) -> tuple[Flag, ...]:
        return () if self.marks is None else self.marks(acting, before, row)

    def _uses(self, acting: Acting) -> tuple[Use, ...]:
        grant = acting.facts.get(self.relies_on)
        if grant is None or grant.origin == acting.origin:
            return ()
        return (Use(self.relies_on, grant.state["stale"]),)

    def _event(self, acting: Acting) -> str:
        return f"{self.event}:{acting.act.body[self.branch]}" if self.branch else self.event

    def _before(self, acting: Acting) -> Row:
        own, there = acting.own, acting.facts.get(_THERE)
        if own is None and there is None:
            if not self.opens:
                raise RefusedError(
                    f"no such record is within sight: {acting.statement.subject}",
                    code=self.life.absent,
                )
            judge.check_own_region(acting)
            return {"st": NEW, "n": 0}
        if own is None or (there is not None and there.state["n"] > own.state["n"]):
            assert there is not None
            return there.state
        return own.state

    def _check_side(self, acting: Acting, before: Row) -> None:
        if before["st"] == NEW:
            return
        if self.side is Side.EITHER:
            if acting.region not in {before["by"][:6], before.get("to", "")[:6]}:
                raise RefusedError("only the record's two sides may", code="not-entitled")
        elif self.side is Side.OPENER:
            if not _is(acting, before["by"]):
                raise RefusedError(f"{before['by']} opened the record", code="not-entitled")
        elif not _is(acting, before.get("to", "")):
            raise RefusedError(
                f"the record is addressed to {before.get('to', 'nobody')}", code="not-addressee"
            )

    def _check_entitled(self, acting: Acting) -> None:
        signer = acting.signer
        if signer is None:
            return  # the judge has asked whether the region may sign this kind
        if self.signer is Signer.REGION:
            raise RefusedError(f"{self.event} is the region's own to write", code="not-entitled")
        party.check_role(signer, *self.roles)
        if self.units and party.type_of(signer.state["unit"]) not in self.units:
            raise RefusedError(
                f"{self.event} is for the officers of a {' or '.join(self.units)}",
                code="not-entitled",
            )

    def _check_grounds(self, acting: Acting) -> None:
        body = acting.act.body
        if self.about is not About.NOTHING and "case" in body:
            case = check_case(acting, held=self.about is About.HELD)
            if self.lent is not None:
                check_lent(acting, case, self.lent)
        if self.competent:
            item = acting.facts["item"]
            if item is None:
                raise RefusedError(
                    f"no such item is published here: {body['item']}", code="unknown-object"
                )
            if acting.signer is not None and acting.signer.state.get("dept") != item.state["dept"]:
                raise RefusedError(f"only {item.state['dept']} may do this", code="not-competent")
        for name in self.rests_on:
            found, version = check_ground(acting, name), body.get(f"{name}_version")
            if found is None or version is None:
                continue
            if not 0 < version <= found.state["n"]:
                raise RefusedError(
                    f"{found.object} has no version {version}", code="unknown-object"
                )

    def _after(self, acting: Acting, before: Row, state: str) -> dict[str, Any]:
        body, row = acting.act.body, dict(before)
        if before["st"] == NEW:
            signer = acting.signer
            row["by"] = acting.region if signer is None else signer.state["unit"]
        if "to" in body:
            _check_addressee(acting, body["to"])
        kept = ("to", "due", "case", *self.keep)
        if self.versioned:  # what a new version leaves out does not count any more
            row = {name: value for name, value in row.items() if name not in kept}
        row |= {name: body[name] for name in kept if name in body}
        if self.noted is not None:
            row |= self.noted(acting)
        row["st"], row["n"] = state, before["n"] + 1
        row["live"] = state not in self.life.ended
        return row

    def _once_object(self, region: str, body: Mapping[str, Any]) -> str:
        return once_object(region, self.life.subject, *_values(body, self.once_per))


_THERE: Final = "there"
_ONCE: Final = "once"


def next_state(life: Life, state: str, event: str) -> str:
    """Return where ``event`` takes a record.

    Raises:
        RefusedError: ``exists`` for a second opening, else ``wrong-state``.
    """
    after = life.steps.get((state, event))
    if after is not None:
        return after
    if (NEW, event) in life.steps:
        raise RefusedError(f"a {life.subject} of this number exists", code="exists")
    raise RefusedError(f"{event} does not fit a {life.subject} that is {state}", code="wrong-state")


def once_object(region: str, subject: str, *values: str) -> str:
    """Return the object that says which record of a type is the one for these values."""
    return f"{region}/once/{sha256(chr(10).join((subject, *values)).encode()).hexdigest()[:32]}"


def check_case(acting: Acting, *, held: bool) -> Row:
    """Check that the case in the body is known here, or held by the signer's unit, and return it.

    Raises:
        RefusedError: ``unknown-object`` or ``not-holder``.
    """
    found = acting.facts["case"]
    if found is None:
        raise RefusedError(
            f"no such case is within sight here: {acting.act.body['case']}", code="unknown-object"
        )
    if held:
        row = found.state
        if row["at"] not in HOLDING:
            raise RefusedError(f"the case is not held here: it is {row['at']}", code="not-holder")
        if acting.signer is not None and acting.signer.state["unit"] != row["unit"]:
            raise RefusedError(f"{row['unit']} holds the case", code="not-holder")
    return found.state


def _is_taken(acting: Acting) -> bool:
    """Return whether there is such a record, and it has not given up what it stood for."""
    once = acting.facts[_ONCE]
    return once is not None and once.live


def _is(acting: Acting, name: str) -> bool:
    """Return whether the act is that of a party: a region, a unit of it, or an officer."""
    if acting.signer is None:
        # A region's own key speaks for all that is in it.
        return acting.region == name[:6]
    return name in {acting.region, acting.signer.state["unit"], acting.statement.issuer}


def _check_addressee(acting: Acting, name: str) -> None:
    if name[:6] not in acting.roster.members:
        raise RefusedError(f"no such region in the network: {name[:6]}", code="unknown-object")


def _late(acting: Acting, step: Step, before: Row) -> tuple[Flag, ...]:
    due = before.get("due")
    is_timed = step.timed or step.side is Side.ADDRESSEE
    if is_timed and due is not None and acting.statement.time_s > due:
        late_s = acting.statement.time_s - due
        return (Flag(code="late", detail=f"{step.event} came {late_s} s after it was due"),)
    return ()


def _values(body: Row, names: tuple[str, ...]) -> list[str]:
    return [str(body.get(name, "")) for name in names]
