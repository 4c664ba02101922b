"""Acts that were accepted beyond the cut, brought into the successor log by who kept their receipt.

The salvaging entry carries the act's bytes and the old receipt. It is judged as the act itself in
its new place, with its own citations; its time is its new one.

Source: protocol.md section 6.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, overload

from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    RefusedError,
    UnverifiedError,
)
from ledger.kind import Change, Fact
from ledger.lineage import ancestors
from ledger.names import region_of_origin
from ledger.receipt import RECEIPT_BYTES_MAX, Receipt, check_inclusion_receipt
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Closing
from ledger.statement import Statement, UnverifiedStatement, decode_statement, verify_statement
from ledger.suites import CheckSM2

SALVAGE_KIND: Final = "log.salvage"


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a salvaging entry carries; nothing of it is checked yet.

    Args:
        inner: The lost act.
        receipt: The closed log's word for it.
    """

    inner: UnverifiedStatement
    receipt: bytes

    def to_body(self) -> dict[str, Any]:
        """Return the body of a ``log.salvage`` act."""
        return {"statement": self.inner.entry, "receipt": self.receipt}


def decode_salvage(body: Mapping[str, Any]) -> Salvage:
    """Read the body of a ``log.salvage`` act.

    Raises:
        MalformedError: It is not of the form, or what it carries is no act.
    """
    match body:
        case {"statement": bytes(entry), "receipt": bytes(receipt), **rest} if not rest:
            pass
        case _:
            raise MalformedError("a salvage is a statement and a receipt", code="bad-field")
    if len(receipt) > RECEIPT_BYTES_MAX:
        raise MalformedError("the receipt is too long", code="too-large")
    inner = decode_statement(entry)
    if inner.act.kind.startswith("log."):
        raise MalformedError("a log's own words are not salvaged", code="bad-field")
    return Salvage(inner, receipt)


def check_lost(
    salvage: Salvage,
    origin: str,
    closed: Mapping[str, Closing],
    receipt_keys: Callable[[str], Mapping[bytes, bytes]],
    leaf_at: Callable[[str, int], bytes | None],
) -> Receipt:
    """Check that a closed log accepted an act, and lost it.

    1. The receipt is for this very act in a log that ``origin`` goes on from, by a receipt key that
       the log's region had then.
    2. It is about the same subject.
    3. The act does not stand below the cut.

    Args:
        salvage: What is brought.
        origin: Of the successor log.
        closed: By the roster in force.
        receipt_keys: By thumbprint, every key that ever signed receipts of a log.
        leaf_at: The leaf hash of an entry below the cut of a closed log.

    Raises:
        MalformedError: The receipt is not of the form.
        RefusedError: ``not-lost`` (3).
        UnverifiedError: ``unknown-key``, ``bad-signature`` or ``bad-proof`` (1), (2).
    """
    receipt = _check_receipt(salvage, origin, closed, receipt_keys)  # (1)
    if receipt.subject != salvage.inner.subject:  # (2)
        raise UnverifiedError(f"the receipt is about {receipt.subject}", code="bad-proof")
    below = receipt.index < closed[receipt.origin].size
    stands = leaf_at(receipt.origin, receipt.index) if below else None
    if stands == salvage.inner.leaf:  # (3)
        raise RefusedError(
            f"the act was not lost: entry {receipt.index} of {receipt.origin}", code="not-lost"
        )
    return receipt


def check_salvage(
    statement: Statement | UnverifiedStatement,
    origin: str,
    index: int,
    roster: Roster,
    chain: RosterChain,
    *,
    public_of: Callable[[UnverifiedStatement], bytes],
    newest: Callable[[str], Fact | None],
    leaf_at: Callable[[str, int], bytes | None],
    sm2: CheckSM2 | None,
) -> Statement | UnverifiedStatement:
    """Check that an act may be salvaged at ``index`` of a successor log, and return it as judged.

    1. The region brings it, about the same subject, once.
    2. The closed log accepted it and lost it, by its receipt.
    3. Its author's key, as known here, or the region's key of then, signed it.
    4. It follows the act that its author knew as the last one.

    Args:
        statement: The salvaging entry.
        origin: Of the successor log.
        index: Where the entry stands, or is to stand.
        roster: The version in force there.
        chain: All versions that are known.
        public_of: The key of an officer, as that log knows it.
        newest: The newest row of an object as seen from there.
        leaf_at: The leaf hash of an entry below the cut of a closed log.
        sm2: Checks SM2 signatures; None where the version does not name them.

    Raises:
        LedgerError: The act is void, or may not be appended.
    """
    region = roster.region_of_origin(origin)
    salvage = decode_salvage(statement.act.body)
    inner = salvage.inner
    if statement.issuer != region or statement.act.version != 1:  # (1)
        raise RefusedError("only the region salvages into its log", code="not-entitled")
    if inner.subject != statement.subject:
        raise MalformedError("a salvage is about what the lost act is about", code="bad-field")
    if newest(salvaged_object(origin, inner.leaf)) is not None:
        raise RefusedError("the act was salvaged before", code="already-salvaged")
    receipt = check_lost(  # (2)
        salvage, origin, roster.closed, lambda old: chain.keys_of(old, "receipt"), leaf_at
    )
    if inner.issuer == region:  # (3)
        public = chain.keys_of(receipt.origin, "issuer").get(inner.kid)
        if public is None:
            raise UnverifiedError("not the region's issuer key of then", code="unknown-key")
    else:
        public = public_of(inner)
    verify_statement(inner, public, sm2)
    own = newest(inner.subject)  # (4)
    known = inner.act.previous
    if known is not None and (before := newest(salvaged_object(origin, known))) is not None:
        known = before.state["leaf"]
    if known != (None if own is None else own.leaf):
        raise ConflictError(index, code="wrong-previous")
    return as_judged(statement)


def salvage_mark(origin: str, statement: Statement | UnverifiedStatement) -> Change:
    """Return what a salvaging entry changes besides what its act does: it was salvaged."""
    lost = decode_salvage(statement.act.body).inner.leaf
    return Change(salvaged_object(origin, lost), {"leaf": statement.leaf})


def _check_receipt(
    salvage: Salvage,
    origin: str,
    closed: Mapping[str, Closing],
    receipt_keys: Callable[[str], Mapping[bytes, bytes]],
) -> Receipt:
    """Check a receipt by the keys of the very log that it names."""
    failed = UnverifiedError("no log is closed that this one goes on from", code="unknown-key")
    for old, _ in ancestors(closed, origin):
        try:
            receipt = check_inclusion_receipt(
                salvage.receipt, salvage.inner.leaf, receipt_keys(old)
            )
        except UnverifiedError as error:
            failed = error
            continue
        if receipt.origin == old:
            return receipt
        failed = UnverifiedError(f"the receipt is not of {old}", code="unknown-key")
    raise failed


@overload
def as_judged(statement: UnverifiedStatement) -> UnverifiedStatement: ...


@overload
def as_judged(statement: Statement) -> Statement | UnverifiedStatement: ...


def as_judged(
    statement: Statement | UnverifiedStatement,
) -> Statement | UnverifiedStatement:
    """Return the act that a statement is judged as: itself, or the act that it salvages.

    That one keeps its words and its author; place, time, citations and previous are the new ones.
    """
    if statement.act.kind != SALVAGE_KIND:
        return statement
    try:
        inner = decode_salvage(statement.act.body).inner
    except LedgerError:
        return statement
    act = inner.act._replace(previous=statement.act.previous, citations=statement.act.citations)
    return inner._replace(
        act=act, time_s=statement.time_s, entry=statement.entry, leaf=statement.leaf
    )


def salvaged_object(origin: str, leaf: bytes) -> str:
    """Return the name of the object that says that an act was salvaged."""
    return f"{region_of_origin(origin)}/salvage/{leaf.hex()[:32]}"
