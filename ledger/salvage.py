"""Acts that were accepted beyond the cut, brought into the successor log by who kept their receipt.

The salvaging entry carries the act's bytes and the old receipt. It is judged as the act itself in
its new place, with its own citations; its time is its new one.

Source: protocol.md section 6.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, overload

from ledger.errors import LedgerError, MalformedError, RefusedError, UnverifiedError
from ledger.lineage import ancestors
from ledger.names import region_of_origin
from ledger.receipt import RECEIPT_BYTES_MAX, Receipt, check_inclusion_receipt
from ledger.roster import Closing
from ledger.statement import Statement, UnverifiedStatement, decode_statement

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
    act = replace(inner.act, previous=statement.act.previous, citations=statement.act.citations)
    return replace(
        inner, act=act, time_s=statement.time_s, entry=statement.entry, leaf=statement.leaf
    )


def salvaged_object(origin: str, leaf: bytes) -> str:
    """Return the name of the object that says that an act was salvaged."""
    return f"{region_of_origin(origin)}/salvage/{leaf.hex()[:32]}"
