"""Words on the next version of the roster, as they stand in logs that are near or only followed."""

from collections.abc import Iterator, Mapping
from heapq import merge
from typing import Any, Final

from ledger.checkpoint import Checkpoint
from ledger.errors import RefusedError
from ledger.kind import Fact, Severity
from ledger.roster_fields import Pin
from ledger.statement import Statement, UnverifiedStatement, decode_statement
from nodes.core.effects import Effects
from nodes.core.ground import Ground
from nodes.core.log_state import LogState
from nodes.core.notes import SignedHead
from nodes.core.ready import FindingRow
from nodes.core.roster_judge import RosterJudge, assemble
from nodes.core.sight import INDEX_PAST_ALL
from nodes.core.unjudged import NotJudgedError
from nodes.core.waiting import Wait
from nodes.ports import Reader

LATE: Final = "late"
"""In the row of a view: it is by keys too old for a word on the roster to rest on it."""


def void_views(origin: str) -> str:
    """Return the name that views of a log are kept under which are void, though good in bytes."""
    return f"{origin}/void"


def _index_of(fact: Fact) -> int:
    return fact.index


class RosterWords:
    """Judges them and takes them in.

    Args:
        ground: What they are judged by.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def judge(
        self, state: LogState, statement: UnverifiedStatement, effects: Effects, reader: Reader
    ) -> None:
        """Judge a word in a followed log and take it in.

        Raises:
            LedgerError: It may not stand there.
            Wait: Another member's words are to be judged first.
        """
        words = self.judge_of(state, statement.subject, reader)
        row = words.judge(statement)
        if self._ground.is_near(state.origin):
            self._find_bad_approval(state, statement, words, effects)
        self.take(state, statement, row, effects)

    def judge_of(self, state: LogState, subject: str, reader: Reader) -> RosterJudge:
        """Return what judges a proposal, an approval or a stall in a log here.

        It raises ``Wait`` where another member's words are to be judged first.
        """

        def row(origin: str, object_: str) -> Fact | None:
            if origin == state.origin:
                return self._ground.sight.newest(reader, origin, object_)
            size = self._shown(state, origin, subject, reader)
            return self._ground.sight.below(reader, origin, object_, size) if size else None

        def views(origin: str) -> Iterator[Pin]:
            for fact in self._views(state, origin, reader):
                yield Pin(fact.state["size"], fact.state["root"])

        def root(origin: str, size: int) -> bytes:
            return self._ground.root(origin, size, reader)

        return RosterJudge(
            self._ground.rosters, state, self._ground.state_of, row, views, root, reader
        )

    def _views(self, state: LogState, origin: str, reader: Reader) -> Iterator[Fact]:
        """Yield what views of another log in a log show by their bytes alone, the newest first.

        Where both logs are far, nobody can say that a view is void for what the other log holds or
        for the view before it. So for words on the roster a void one counts everywhere.
        """

        def rows(name: str) -> Iterator[Fact]:
            below = state.size
            while (
                fact := self._ground.sight.below(reader, state.origin, name, below)
            ) is not None and fact.origin == state.origin:
                yield fact
                below = fact.index

        found = merge(rows(origin), rows(void_views(origin)), key=_index_of, reverse=True)
        return (fact for fact in found if LATE not in fact.state)

    def _shown(self, state: LogState, origin: str, subject: str, reader: Reader) -> int:
        """Return how much of another log the newest view in a log shows; 0: nothing.

        A view that is not judged here, or void, was counted by its bytes alone. Its lines say that
        honest regions hold what it shows: so that is fetched, and words on the roster in it are
        judged. It is not relied on for anything else.

        Raises:
            Wait: That much of the other log is not judged here yet, or is another near us.
            NotJudgedError: We hold another history of the other log, which is far.
        """
        fact = next(self._views(state, origin, reader), None)
        if fact is None:
            return 0
        size: int = fact.state["size"]
        if fact.object == origin and fact.is_judged:
            return size
        checkpoint = Checkpoint(origin, size, fact.state["root"])
        shown = self._ground.state_of(origin)
        is_lacking = shown is None or shown.size < size
        if not is_lacking and self._ground.root(origin, size, reader) == checkpoint.root:
            return size
        if not (is_lacking or self._ground.is_near(state.origin) or self._ground.is_near(origin)):
            raise NotJudgedError((subject,))
        [entry] = reader.entries(state.origin, fact.index, fact.index + 1)
        body = decode_statement(entry).act.body
        wanted = size if is_lacking else INDEX_PAST_ALL
        lines = (*body["lines"], *body.get("before", ()))
        raise Wait(origin, wanted, head=SignedHead(checkpoint, body["note"]), lines=lines)

    def _find_bad_approval(
        self,
        state: LogState,
        statement: UnverifiedStatement,
        words: RosterJudge,
        effects: Effects,
    ) -> None:
        """Find an approval whose signature counts, but should not have been given."""
        try:
            words.check_near(statement)
        except RefusedError as error:
            effects.findings.append(
                FindingRow(
                    origin=state.origin,
                    index=state.size,
                    code=error.code,
                    severity=Severity.BREACH.value,
                    subject=statement.subject,
                    detail=str(error),
                    evidence=((state.origin, state.size),),
                )
            )

    def take(
        self,
        state: LogState,
        statement: Statement | UnverifiedStatement,
        row: Mapping[str, Any],
        effects: Effects,
    ) -> None:
        """Take a word on the next version in."""
        fact = Fact(state.origin, statement.subject, state.size, statement.leaf, row)
        effects.facts.append(fact)
        self._ground.sight.add((fact,))
        effects.is_on_roster = True

    def assembled(self, reader: Reader) -> bytes:
        """Return the next version, signed, once enough approvals of it are known; or empty."""
        return assemble(
            self._ground.rosters,
            lambda origin, name: self._ground.sight.newest(reader, origin, name),
            reader,
        )
