"""What views show behind an entry that waits: it is fetched together with what that one wants.

A proposal of the next roster may stand behind a view of each member's log, none of which a witness
of the proposer holds. Fetched one after the other, they would take as many journeys.
"""

from collections.abc import Mapping, Sequence

from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.note import checkpoint_of
from ledger.statement import UnverifiedStatement, decode_statement
from ledger.views import EPOCH_KIND, VIEW_KIND
from nodes.core.log_state import LogState
from nodes.core.notes import SignedHead
from nodes.core.own_words import OwnWords
from nodes.core.waiting import Wait


def foresee(
    words: OwnWords,
    state: LogState,
    entries: Sequence[bytes],
    stored: Mapping[str, int],
    now_s: int,
) -> dict[str, SignedHead]:
    """Return, by log, the largest head shown by views in entries to come of which bytes lack.

    Each is signed by a quorum of its log's mirrors, so it does not matter whether the view stands.

    Args:
        words: Reads views.
        state: Of the log, before these entries.
        entries: What follows in it, up to any length.
        stored: How much of each log is here.
        now_s: Now.
    """
    found: dict[str, SignedHead] = {}
    for entry in entries:
        try:
            statement = decode_statement(entry)
            if statement.act.kind == EPOCH_KIND:
                break  # what follows is read by another version
            if statement.act.kind != VIEW_KIND or not _is_lacking(statement, stored):
                continue
            view = words.read_view(state, statement, now_s)
        except (LedgerError, Wait):
            continue  # said when its turn comes
        if not words.is_followed(state.origin, view.origin):
            continue
        known = found.get(view.origin)
        if known is None or known.checkpoint.size < view.size:
            checkpoint = Checkpoint(view.origin, view.size, view.root)
            found[view.origin] = SignedHead(checkpoint, view.note)
    return found


def _is_lacking(statement: UnverifiedStatement, stored: Mapping[str, int]) -> bool:
    """Say whether a view shows more than is here, before any of its lines is checked."""
    note = statement.act.body.get("note")
    if type(note) is not bytes:
        return False
    checkpoint = checkpoint_of(note)
    return stored.get(checkpoint.origin, 0) < checkpoint.size
