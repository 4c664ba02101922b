"""Checks the signatures of statements for the own log, beside the writer and safe for threads."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

from sqlalchemy import Connection

from ledger.errors import LedgerError, UnverifiedError
from ledger.keys import key_thumbprint
from ledger.roster import Roster
from ledger.statement import (
    Statement,
    UnverifiedStatement,
    decode_statement,
    verify_statement,
)
from ledger.suites import SM2_SM3, CheckSM2, no_sm2
from nodes.core.acts import key_object
from nodes.core.limits import Limits
from nodes.core.sight import INDEX_PAST_ALL, Generations
from nodes.store import facts
from nodes.store.entries import LogIDs


class _Own(NamedTuple):
    """What a version says of our own region."""

    roster: Roster
    region: str
    issuer: bytes
    kid: bytes
    sm2: CheckSM2 | None


class Verifier:
    """Checks signatures of statements for our own log, beside the writer.

    What it finds is checked again where it matters: the sequencer looks whether the key is still
    the issuer's. A statement that stands in our log is good by a key that has been replaced since:
    the sequencer answers with its index. Safe for several threads.

    Args:
        roster: Returns the version in force in our own log.
        origin: Of the own log.
        keys_max: How many keys are kept in memory.
        sm2: Checks SM2 signatures, where the roster names them.
    """

    def __init__(
        self,
        roster: Callable[[], Roster],
        origin: str,
        keys_max: int = Limits().keys_cached_max,
        sm2: CheckSM2 = no_sm2,
    ) -> None:
        self._roster = roster
        self._sm2 = sm2
        self._origin = origin
        self._known: _Own | None = None
        self._keys: Generations[bytes, bytes] = Generations(keys_max)
        self._lock = Lock()

    def verify(
        self, connection: Connection, entries_: Sequence[bytes]
    ) -> list[Statement | LedgerError]:
        """Return for each entry the statement, or what is wrong with it.

        All are read before the first signature is checked: the two turn by turn would drive each
        other out of the processor's caches, which costs more than reading itself.
        """
        own = self._own()
        read = [self._read(connection, entry, own) for entry in entries_]
        return [it if isinstance(it, LedgerError) else _checked(it, own) for it in read]

    def _read(
        self, connection: Connection, entry: bytes, own: _Own
    ) -> tuple[UnverifiedStatement, bytes] | LedgerError:
        """Return what an entry claims and the key it names, or what is wrong with that."""
        try:
            unverified = decode_statement(entry)
            return unverified, self._public(connection, unverified, own)
        except LedgerError as error:
            return error

    def _own(self) -> _Own:
        roster, known = self._roster(), self._known
        if known is None or known.roster is not roster:
            region = roster.region_of_origin(self._origin)
            issuer = roster.members[region].keys.issuer
            sm2 = self._sm2 if SM2_SM3 in roster.suites else None
            known = self._known = _Own(roster, region, issuer, key_thumbprint(issuer), sm2)
        return known

    def _public(self, connection: Connection, unverified: UnverifiedStatement, own: _Own) -> bytes:
        issuer, kid = unverified.issuer, unverified.kid
        if kid == own.kid and issuer == own.region:
            return own.issuer
        with self._lock:
            public = self._keys.get(kid, b"")
        if not public:
            wanted = (self._origin, key_object(own.region, kid), INDEX_PAST_ALL)
            (fact,) = facts.newest(connection, LogIDs(), [wanted])
            if fact is None or not (fact.live or self._stands(connection, unverified)):
                raise UnverifiedError(f"no live key of {issuer} here", code="unknown-key")
            public = fact.state["key"]
            if fact.live:
                with self._lock:
                    self._keys.put(kid, public)
        return public

    def _stands(self, connection: Connection, unverified: UnverifiedStatement) -> bool:
        """Say whether the same bytes are an entry of our log already."""
        found = facts.find_leaf(
            connection, LogIDs(), self._origin, unverified.subject, unverified.leaf
        )
        return found is not None


def _checked(read: tuple[UnverifiedStatement, bytes], own: _Own) -> Statement | LedgerError:
    try:
        return verify_statement(*read, own.sm2)
    except LedgerError as error:
        return error
