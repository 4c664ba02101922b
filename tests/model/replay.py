"""Traces of real nodes, step by step against the models' rules.

Each event of a recorded trace is translated into a step of a model, and refused where the model
has no such step. Regions are the models' participants; the one history of a log is its common
branch, and anything else another branch. Nothing here is shared with the ledger or the nodes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulator.trace import (
    Accepted,
    Appended,
    Claimed,
    Event,
    Finished,
    Held,
    Lined,
    Lost,
    Published,
    Quoted,
    Restarted,
    Rowed,
    Submitted,
)
from tests.model import custody, lines
from tests.model.invariants import quorum

RULES = lines.Rules()
CUSTODY = custody.Rules()
CLOCKS_MS = 5_000
"""How far a clock may step while a span of time is measured by it."""


class RefusedError(Exception):
    """The model has no such step: what happened, and which rule forbids it."""


@dataclass(slots=True)
class Log:
    """A log as its writer made it; ``roots[n]`` is the root of its first n entries."""

    roots: list[str] = field(default_factory=list)
    published: int = 0
    candidate: int = 0

    @property
    def size(self) -> int:
        return len(self.roots) - 1


@dataclass(slots=True)
class Case:
    """One case: the model's state, and where each of its entries stands in the real logs."""

    state: custody.State
    opened_by: int
    places: list[list[int]]


class Replay:
    """Takes a trace event by event.

    Args:
        f: How many of a log's witnesses may lie; n is everybody but the writer.
        refresh_ms: After so long without a word from it, others may bring a log's notes: R.
    """

    def __init__(self, regions: Iterable[str], f: int, *, refresh_ms: int) -> None:
        self.regions = sorted(regions)
        self.q = quorum(len(self.regions) - 1, f)
        self.logs = {region: Log([""]) for region in self.regions}
        self.rows: dict[tuple[str, str], lines.Cosigner] = defaultdict(lines.Cosigner)
        self.given: dict[tuple[str, str, str], set[tuple[int, int]]] = defaultdict(set)
        """By (cosigner, role, log): the size and date of each line."""
        self.held: dict[tuple[str, str], int] = defaultdict(int)
        """By (cosigner, log): how many entries its disk holds."""
        self.moved_ms: dict[tuple[str, str], int] = {}
        """When a row last moved."""
        self.heard_ms: dict[tuple[str, str], int] = {}
        """When a cosigner last answered the log itself."""
        self.views: dict[tuple[str, str], int] = defaultdict(int)
        self.cases: dict[str, Case] = {}
        self.lost: set[str] = set()
        """Regions whose disks are not what they were."""
        self.refresh_ms = refresh_ms
        self.steps = 0

    def take(self, event: Event) -> None:
        """Take one event; refuse it where the model has no such step."""
        self.steps += 1
        match event:
            case Appended():
                self._appended(event)
            case Lined():
                self._head(event.of, event.size, event.root, event)
                self._brought(event)
                self._line((event.by, event.role, event.of), event.size, event.time_s, event)
            case Rowed():
                self._row(event)
            case Held(by=by, of=of, size=size, root=root):
                self._head(of, size, root, event)
                self.held[by, of] = size
            case Published(region=region, size=size, root=root):
                self._head(region, size, root, event)
                log = self.logs[region]
                if size < log.published:
                    raise RefusedError(f"a log publishes less than before: {event}")
                log.published = size
            case Submitted():
                self._submitted(event)
            case Claimed():
                self._claimed(event)
            case Finished():
                self._finished(event)
            case Accepted(region=region, place=place):
                if place >= self.logs[region].size:
                    raise RefusedError(f"accepted, and not durable: {event}")
            case Restarted(region=region, size=size):
                if size != self.logs[region].size and region not in self.lost:
                    raise RefusedError(f"a crash changed the log: {event}")
            case Lost(region=region, size=size):
                self._lost(region, size, event)

    def finish(self) -> None:
        """Look at what is left, once everything is settled: nobody owes a step."""
        for subject, case in self.cases.items():
            for region, log in enumerate(case.state.logs):
                for index, entry in enumerate(log):
                    if entry.kind != "offer" or custody.ended(log, index, region):
                        continue
                    answer = custody.answer_to(case.state.logs[entry.to], (region, index))
                    if answer:
                        raise RefusedError(f"nobody acts on the {answer} of an offer of {subject}")

    # ---- logs and lines -------------------------------------------------------------------------

    def _head(self, region: str, size: int, root: str, event: Event | Quoted) -> None:
        """Check that a head is of the log's one history."""
        log = self.logs[region]
        if size > log.size or (size and log.roots[size] != root):
            raise RefusedError(f"no head of this log: {event}")

    def _line(self, key: tuple[str, str, str], size: int, time_s: int, event: Event) -> None:
        """Let a cosigner give a line: it is on its row's branch, and sizes and dates agree."""
        by, role, of = key
        head, one, given = ("", size), self.rows[by, of], self.given[key]
        if by not in self.regions or by == of:
            raise RefusedError(f"a line by nobody who may: {event}")
        bound = one.row if role == "witness" else one.mirror_row
        if not lines.extends(head, bound):
            raise RefusedError(f"a line beyond the row that is kept: {event}")
        if any((other > size and at < time_s) or (other < size and at > time_s)
               for other, at in given):  # fmt: skip
            raise RefusedError(f"sizes and dates of one key disagree: {event}")
        given.add((size, time_s))

    def _brought(self, event: Lined) -> None:
        """A row moves for the log itself; for others only where it has been silent for R."""
        key = (event.by, event.of)
        if event.asker == event.of:
            self.heard_ms[key] = event.at_ms
        elif event.role == "witness" and self.moved_ms.get(key) == event.at_ms:
            silent_ms = event.at_ms - self.heard_ms.get(key, 0)
            if silent_ms < self.refresh_ms - CLOCKS_MS:
                raise RefusedError(f"someone else moves the row of a log that speaks: {event}")

    def _row(self, event: Rowed) -> None:
        """Let a row move: both parts grow, and the mirrored part stays within the witnessed."""
        one, witnessed, mirrored = (
            self.rows[event.by, event.of],
            ("", event.witnessed),
            ("", event.mirrored),
        )
        if event.witnessed > self.logs[event.of].size:
            raise RefusedError(f"a row of what was never written: {event}")
        if not lines.may_witness(one.row, witnessed, RULES):
            raise RefusedError(f"a row went back: {event}")
        moved = one._replace(row=witnessed)
        if not lines.may_mirror(moved, mirrored, RULES):
            raise RefusedError(f"a mirror's row went back, or beyond the witness's: {event}")
        if event.mirrored > self.held[event.by, event.of]:
            raise RefusedError(f"a mirror's row beyond the entries that it holds: {event}")
        if moved.row != one.row:
            self.moved_ms[event.by, event.of] = event.at_ms
        self.rows[event.by, event.of] = moved._replace(mirror_row=mirrored)

    def _submitted(self, event: Submitted) -> None:
        """One candidate to all: the next is chosen for good, among what is published."""
        self._head(event.of, event.size, event.root, event)
        if event.by == event.of:
            log = self.logs[event.of]
            if event.size < log.candidate or event.size > log.published:
                raise RefusedError(f"not the candidate: {event}")
            log.candidate = event.size

    def _claimed(self, event: Claimed) -> None:
        """Witnessed and replicated: q lines on trees that cover it."""
        for role, size in (("witness", event.witnessed), ("mirror", event.replicated)):
            signers = sum(
                any(signed >= size for signed, _ in self.given[by, role, event.region])
                for by in self.regions
            )
            if size and signers < self.q:
                raise RefusedError(f"{signers} {role} lines, and final: {event}")

    def _finished(self, event: Finished) -> None:
        """A note that is passed on as finished has q lines in each role, all of them given."""
        self._head(event.region, event.size, event.root, event)
        for role, signers in (("witness", event.witnesses), ("mirror", event.mirrors)):
            for by in signers:
                sizes = {size for size, _ in self.given[by, role, event.region]}
                if event.size not in sizes:
                    raise RefusedError(f"a {role} line that {by} never gave: {event}")
            if len(signers) < self.q:
                raise RefusedError(f"{len(signers)} {role} lines, and final: {event}")

    def _quorum(self, quoted: Quoted, event: Appended) -> None:
        """Check that q lines of distinct mirrors, all of them given, stand on a head."""
        self._head(quoted.of, quoted.size, quoted.root, quoted)
        signers = {by for by, _ in quoted.lines}
        if len(signers) < self.q or len(signers) < len(quoted.lines):
            raise RefusedError(f"no quorum: {event}")
        for by, time_s in quoted.lines:
            if (quoted.size, time_s) not in self.given[by, "mirror", quoted.of]:
                if by != event.region:
                    raise RefusedError(f"a line that {by} never gave: {event}")
                # The viewer is itself a mirror, and gives its own line into its own entry.
                self._line((by, "mirror", quoted.of), quoted.size, time_s, event)

    def _lost(self, region: str, size: int, event: Event) -> None:
        """Forget what was shown to nobody; its rows are gone, and its lines were given."""
        log = self.logs[region]
        if size > log.size or size < log.published:
            raise RefusedError(f"the fence is not where the log was shown: {event}")
        self.lost.add(region)
        del log.roots[size + 1 :]
        for case in self.cases.values():
            number = self._number(case, region)
            kept = [place for place in case.places[number] if place < size]
            case.places[number] = kept
            logs = list(case.state.logs)
            logs[number] = logs[number][: len(kept)]
            case.state = case.state._replace(logs=tuple(logs))
        for of in self.regions:
            self.rows.pop((region, of), None)
            self.held.pop((region, of), None)

    # ---- entries --------------------------------------------------------------------------------

    def _appended(self, event: Appended) -> None:
        log = self.logs[event.region]
        if event.place != log.size:
            raise RefusedError(f"an index left out, or given out twice: {event}")
        if (event.place == 0) != (event.kind == "log.genesis"):
            raise RefusedError(f"the genesis is entry 0, and only entry 0: {event}")
        for quoted in event.quotes:
            self._quorum(quoted, event)
            if event.kind == "log.view":
                known = self.views[event.region, quoted.of]
                self.views[event.region, quoted.of] = max(known, quoted.size)
        for _, other, index in event.cites:
            covered = event.place if other == event.region else self.views[event.region, other]
            if index >= covered:
                raise RefusedError(f"a citation that nothing before it covers: {event}")
        log.roots.append(event.root)
        if "/case/" in event.subject:
            self._case(event)

    def _case(self, event: Appended) -> None:
        """Let a region do something with a case: the custody model says whether it may."""
        region = self.regions.index(event.region)
        if event.kind == "case.open":
            if event.subject in self.cases:
                raise RefusedError(f"the case exists: {event}")
            count = len(self.regions)
            state = custody.State(((),) * count, ((0,) * count,) * count, (custody.OPEN,) * count)
            self.cases[event.subject] = Case(state, region, [[] for _ in self.regions])
            return
        case = self.cases.get(event.subject)
        if case is None:
            raise RefusedError(f"nobody opened the case: {event}")
        state = self._as_seen(case)
        number = self._number(case, event.region)
        kind = event.kind.removeprefix("handoff.")
        if kind == event.kind:
            if not custody.holds_it(state, number, CUSTODY):
                raise RefusedError(f"by a region that does not hold the case: {event}")
            return
        entry = self._entry(case, event, kind, number)
        if entry not in set(custody.acts(state, number, CUSTODY)):
            raise RefusedError(f"no step of custody: {event}")
        logs = list(state.logs)
        logs[number] = (*logs[number], entry)
        case.places[number].append(event.place)
        case.state = state._replace(logs=tuple(logs))

    def _number(self, case: Case, region: str) -> int:
        """Return a region's number in the model, where number 0 has the case at the start."""
        return (self.regions.index(region) - case.opened_by) % len(self.regions)

    def _as_seen(self, case: Case) -> custody.State:
        """Return the case as the regions' newest views show it."""
        views = [[0] * len(self.regions) for _ in self.regions]
        for viewer in self.regions:
            for of in self.regions:
                size, at = self.views[viewer, of], self._number(case, of)
                views[self._number(case, viewer)][at] = sum(
                    place < size for place in case.places[at]
                )
        return case.state._replace(views=tuple(tuple(row) for row in views))

    def _entry(self, case: Case, event: Appended, kind: str, number: int) -> custody.Entry:
        """Translate an entry of custody: which offer it answers or ends."""
        if kind == "offer":
            if event.to not in self.regions:
                raise RefusedError(f"an offer to nobody: {event}")
            return custody.Entry("offer", to=self._number(case, event.to))
        own = case.state.logs[number]
        if kind in {"accept", "decline"}:
            for _, region, index in (cited for cited in event.cites if cited.role == "offer"):
                offerer = self._number(case, region)
                if index in case.places[offerer]:
                    return custody.Entry(kind, (offerer, case.places[offerer].index(index)))
        else:
            for index, entry in enumerate(own):
                if entry.kind == "offer" and not custody.ended(own, index, number):
                    to = entry.to if kind == "release" else -1
                    return custody.Entry(kind, (number, index), to)
        raise RefusedError(f"an answer to no offer: {event}")
