"""What a rule sees and what it answers: the types that domain rooms and the node's core share.

The log itself knows no kinds of acts. ``authz`` and ``seals`` each offer a table of ``Kind`` rows,
the node joins them, and its core judges every entry of every log through them. A rule is a pure
function of an ``Acting``; whatever it may look at is in there, so all nodes reach the same verdict.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from ledger.roster import Roster
from ledger.statement import Act, Statement, UnverifiedStatement

UNJUDGED: Final = "unjudged"
"""Stands in a row of which the node knows no more than that."""


# These are named tuples: each act makes a dozen, and a frozen dataclass takes three times as long.
class Fact(NamedTuple):
    """What one entry left an object as, in one log. Rows are only ever added.

    ``state["live"]`` is False once the object has ended (revoked, suspended, closed); objects that
    cannot end have no such key. A row with ``UNJUDGED`` says that an act may have changed the
    object, and that what the act rests on is not copied here.
    """

    origin: str
    object: str
    index: int  # type: ignore[assignment]  # a tuple's method of that name is of no use here
    leaf: bytes
    state: Mapping[str, Any]

    @property
    def live(self) -> bool:
        """Whether the object has not ended."""
        return self.state.get("live", True) is True

    @property
    def is_judged(self) -> bool:
        """Whether it is known here what the entry left the object as."""
        return UNJUDGED not in self.state


class Need(NamedTuple):
    """A fact that a rule wants beside the subject's own: the newest row of an object within sight.

    In the citing log that is the newest below the act; in another log the newest below the size of
    the view the act cites for that log. With ``cite`` the act must cite that row in role ``name``.
    """

    name: str
    object: str
    origin: str | None = None
    """None means the citing log itself."""
    cite: bool = False


@dataclass(frozen=True, slots=True)
class ViewFact:
    """A ``log.view`` entry of the citing log, as rules use it."""

    index: int
    leaf: bytes
    origin: str
    size: int
    root: bytes
    fresh_at_s: int


class Draft(NamedTuple):
    """An act before it has citations: what a caller asks for, or what ``needs`` may look at."""

    kind: str
    version: int
    issuer: str
    subject: str
    time_s: int
    body: Mapping[str, Any]


class Corrected(NamedTuple):
    """An act that stands and is said to be wrong: who made it.

    Args:
        issuer: Who signed it.
        author: The newest row of that officer in this log; None where the region's key signed.
    """

    issuer: str
    author: Fact | None


class Acting(NamedTuple):
    """Everything a rule may look at. Nothing in it depends on when or where it is judged."""

    statement: Statement | UnverifiedStatement
    origin: str
    region: str
    index: int  # type: ignore[assignment]  # a tuple's method of that name is of no use here
    roster: Roster
    own: Fact | None
    """The newest row of the subject in this log below the act; None before the first."""
    signer: Fact | None
    """The newest row of the issuing officer in this log; None where the region's key signed."""
    facts: Mapping[str, Fact | None]
    """By ``Need.name``; None where there is no such row within sight."""
    views: Mapping[str, ViewFact]
    """By origin: the views that the act cites."""
    is_salvaged: bool = False
    """Whether the act stood in a closed log before, beyond its cut."""
    seats: tuple[Fact, ...] = ()
    """The newest rows of the unit that the signer sits in, and of its hall and department."""
    corrected: Corrected | None = None
    """The act on this very subject that it says was wrong; None where it cites none that stands."""

    @property
    def act(self) -> Act:
        """The act itself."""
        return self.statement.act

    @property
    def by_region(self) -> bool:
        """Whether the region's issuer key signed, rather than a person."""
        return self.signer is None

    @property
    def draft(self) -> Draft:
        """The act as its ``needs`` function sees it."""
        made = self.statement
        return Draft(
            kind=made.act.kind,
            version=made.act.version,
            issuer=made.issuer,
            subject=made.subject,
            time_s=made.time_s,
            body=made.act.body,
        )


class Change(NamedTuple):
    """A new row for an object of the citing log."""

    object: str
    state: Mapping[str, Any]


class Use(NamedTuple):
    """A reliance on a foreign fact that later views confirm or unmask (protocol.md section 4)."""

    need: str
    staleness_s: int


class Severity(StrEnum):
    """How grave a finding is."""

    FLAG = "flag"
    BREACH = "breach"


@dataclass(frozen=True, slots=True)
class Flag:
    """Something recorded but not refused: late, outside hours."""

    code: str
    detail: str


class Judgement(NamedTuple):
    """What an act changes. A rule that forbids the act raises ``RefusedError`` instead."""

    changes: tuple[Change, ...] = ()
    uses: tuple[Use, ...] = ()
    flags: tuple[Flag, ...] = ()
    mentions: tuple[str, ...] = ()
    """Other objects this act belongs to, so that their traces find it (a seal use: its case)."""


class FieldType(StrEnum):
    """What a body field may hold."""

    TEXT = "text"
    """Public text: refused where it holds a resident identity or phone number as a whole token."""
    CODE = "code"
    """An identifier of letters, digits and ``._/:-``."""
    PARTY = "party"
    OBJECT = "object"
    HASH = "hash"
    KEY = "key"
    UINT = "uint"
    BOOL = "bool"
    SECONDS = "seconds"
    CODES = "codes"
    """A list of distinct codes, ascending."""
    HASHES = "hashes"
    PARTIES = "parties"
    BYTES = "bytes"
    """Ciphertext or a salted commitment, at most 4,096 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a body."""

    type: FieldType
    zh: str
    en: str
    optional: bool = False
    choices: tuple[str, ...] = ()
    """The only values allowed; empty: any of the type."""
    of: str = ""
    """The only type of object it may name; empty: any. So a rule knows what rows it is given."""


def _no_needs(_draft: Draft, _own: Fact | None) -> tuple[Need, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A row of the table: one kind of act, everything about it that is data, and its rule."""

    name: str
    version: int = 1
    zh: str
    en: str
    subject: str
    """The object type of the subject (``case``, ``grant`` …), or ``party`` types for enrolments."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    rule: Callable[[Acting], Judgement]
    """Raises ``RefusedError`` where the domain forbids the act."""
    needs: Callable[[Draft, Fact | None], tuple[Need, ...]] = _no_needs
    """The facts the rule wants, from the draft and the subject's own row."""
    roles: tuple[str, ...] = ()
    """Of which an officer who signs it holds one; empty: any, or what the rule says."""
    cites: tuple[str, ...] = ()
    """The roles in which it may cite what it rests on, views and what it corrects left out."""
    changes: tuple[str, ...] = ()
    """The types of objects that it may leave otherwise, beside its subject."""
    by_region: bool = False
    """Whether the region's issuer key may sign it (else only an enrolled officer)."""
    by_officer: bool = True
    """Whether an officer may sign it (else only the region's issuer key)."""
    receives_only: bool = True
    """Whether it may stay open under a stale view (信任为先); False where it cannot be undone."""
    while_stopped: bool = False
    """Whether a unit that is suspended or retired may still do it.

    It begins nothing: it gives back what is there, ends what was lent, or answers for what it did.
    """
    question: str = ""
    """What an auditor asks that this act answers."""
    source: str = ""
    """The mechanism rows of the domain page it serves, and the document's phrase."""


Kinds = Mapping[tuple[str, int], Kind]
