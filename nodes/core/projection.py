"""What the entries of one log mean: facts, findings, uses, times. The same code for every log.

Each entry is judged by the prefix of its own log and by the prefixes that views in it name, never
by when it arrived; so all nodes reach one state. Uses are settled elsewhere (``settlement``), and
who may append what to our own log is the sequencer's business.
"""

from collections.abc import Iterable
from typing import Final

from ledger.epochs import Epoch
from ledger.errors import LedgerError, RefusedError, UnverifiedError
from ledger.kind import Severity
from ledger.map_tree import Child, ObjectMap
from ledger.object_map import EMPTY_MAP_ROOT, is_object
from ledger.salvage import SALVAGE_KIND
from ledger.statement import decode_statement
from ledger.views import BLOCK_KIND, EPOCH_KIND, Evidence, decode_block
from nodes.core.acts import Acts, view_of
from nodes.core.blocks import Blocks
from nodes.core.effects import Effects
from nodes.core.ground import Ground, stored_nodes
from nodes.core.log_state import LogState
from nodes.core.own_words import LOG_KINDS, OwnWords
from nodes.core.ready import FindingRow
from nodes.core.unjudged import NotJudgedError
from nodes.ports import Reader

MAP_PENDING_MAX: Final = 8_192
"""Acts that a log's object map holds in memory; block records come far more often."""
NO_TIME_S: Final = 0
"""Stands for the declared time of bytes that are no statement: never later than they were seen."""


class Projection:
    """Judges entries against the facts so far. Holds no state of any one log.

    Args:
        ground: What they are judged by.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.acts = Acts(ground)
        self.blocks = Blocks(ground)
        self.words = OwnWords(ground, self.blocks)

    def new_state(self, origin: str) -> LogState:
        """Return the state of a log of which nothing is judged."""
        first = self.ground.rosters.chain.first_with(origin)
        evidence = Evidence(first.quorum(origin))
        return LogState(origin, 0, evidence, (Epoch(first.version, 0, 0),))

    def load_state(
        self, origin: str, size: int, state: bytes, viewed: Iterable[str], reader: Reader
    ) -> LogState:
        """Return the state of a log as it was stored, with what is found again in its entries.

        Args:
            origin: Of the log.
            size: How much of it is judged.
            state: As stored.
            viewed: The logs of which it has rows.
            reader: Of the store.
        """
        loaded = LogState.decode(origin, size, state)
        for other in viewed:
            fact = self.ground.sight.below(reader, origin, other, size)
            if fact is not None and fact.origin == origin != other and fact.is_judged:
                loaded.views[other] = view_of(fact)
        map_size, root = reader.map_head(origin)
        if not self._is_map_root(origin, map_size, root, reader):
            map_size, root = 0, None  # made again from the entries
        loaded.objects = ObjectMap(map_size, root)
        for start in range(min(loaded.evidence.size, map_size), size, 256):
            for at, entry in enumerate(
                reader.entries(origin, start, min(start + 256, size)), start
            ):
                try:
                    made = decode_statement(entry)
                except LedgerError:
                    made = None
                if at >= loaded.evidence.size:
                    loaded.note_time(at, NO_TIME_S if made is None else made.time_s)
                if made is not None and at >= map_size and is_object(made.subject):
                    loaded.objects.note(made.subject, at, made.leaf)
                    if loaded.objects.pending_size >= MAP_PENDING_MAX:
                        loaded.objects.root_at(at + 1, stored_nodes(origin, reader))
        return loaded

    def judge_entry(
        self, state: LogState, entry: bytes, now_s: int, effects: Effects, reader: Reader
    ) -> None:
        """Judge the next entry of a log that we follow, and take it into its state.

        1. It is a statement, by a key that its log knows.
        2. Its declared time is not before b - δ. (Whether it is after e + δ shows later.)
        3. An entry of the log itself, or an act by the table of kinds.
        What fails becomes a finding; the entry is void and changes nothing.

        Raises:
            Wait: It holds a line dated beyond our clock, or a view of what is not judged here yet.
        """
        index, base_s = state.size, state.base_s
        try:
            unverified = decode_statement(entry)
        except LedgerError as error:  # (1)
            _find(effects, state, index, error, subject=state.origin)
            state.grow(NO_TIME_S, is_block=False)
            return
        try:
            roster = self.words.ruling(state, unverified)
            self.acts.check_signature(roster, state.origin, unverified, reader)
            if unverified.act.kind == EPOCH_KIND:
                self.words.judge_epoch(state, unverified, roster, effects, reader)
            elif unverified.act.kind in LOG_KINDS:  # (3)
                self.words.judge(state, unverified, now_s, effects, reader)
            elif unverified.act.kind == SALVAGE_KIND:
                judged, verdict = self.acts.judge_salvage(state, unverified, index, reader)
                self.acts.take(state, judged, index, verdict, effects)
            else:
                verdict = self.acts.judge_act(state, unverified, index, reader)
                self.acts.take(state, unverified, index, verdict, effects)
        except NotJudgedError as error:
            self.acts.take_unjudged(state, unverified, index, error.touched, effects, reader)
        except LedgerError as error:
            _find(effects, state, index, error, subject=unverified.subject)
            if is_object(unverified.subject):
                effects.voids.append((state.origin, unverified.subject, index))
            is_signed = not isinstance(error, UnverifiedError)
            self.acts.tie(state, unverified, index, None, effects, signed=is_signed)
        if unverified.time_s < base_s - self.ground.roster_of(state).constants.delta_s:  # (2)
            early = RefusedError(
                f"declared {unverified.time_s}, after it knew of {base_s}", code="declared-time"
            )
            _find(effects, state, index, early, subject=unverified.subject)
        state.note_act(unverified.subject, unverified.leaf)
        state.grow(unverified.time_s, is_block=unverified.act.kind == BLOCK_KIND)
        if state.objects.pending_size >= MAP_PENDING_MAX:
            self.ground.map_root(state, reader)  # A log without block records must not fill memory.

    def _is_map_root(self, origin: str, size: int, root: Child | None, reader: Reader) -> bool:
        """Say whether the block record of this size, if that stood, names the root that is stored.

        A record that named another root has a finding, and then the one stored is right.
        """
        found = reader.entries(origin, size, size + 1)
        fact = self.ground.sight.newest(reader, origin, origin)
        if not found or fact is None or (fact.origin, fact.index) != (origin, size):
            return True
        act = decode_statement(found[0]).act
        if act.kind != BLOCK_KIND:
            return True
        return decode_block(act.body).map_root == (EMPTY_MAP_ROOT if root is None else root.hash)


def _find(
    effects: Effects, state: LogState, index: int, error: LedgerError, *, subject: str
) -> None:
    effects.findings.append(
        FindingRow(
            origin=state.origin,
            index=index,
            code=error.code,
            severity=Severity.BREACH.value,
            subject=subject,
            detail=str(error),
            evidence=((state.origin, index),),
        )
    )
