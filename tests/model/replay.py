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
    Burnt,
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
    Ruled,
    Signer,
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


OPENING = {"log.genesis", "log.continues"}


@dataclass(slots=True)
class Epoch:
    """A version, the entry from which on it rules, and the record that has both its quorums."""

    version: int
    start: int
    proven_at: int | None = None


@dataclass(slots=True)
class Log:
    """A log as its writer made it; ``roots[n]`` is the root of its first n entries.

    ``before`` is what the log that it goes on from has at its cut: to cases the two are one.
    """

    begun: int
    before: int = 0
    roots: list[str] = field(default_factory=lambda: [""])
    published: int = 0
    candidate: int = 0
    epochs: list[Epoch] = field(default_factory=list)
    trees: dict[tuple[str, int], set[Signer]] = field(default_factory=lambda: defaultdict(set))
    """By role and size: who has signed it."""

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
        regions: All that are ever members.
        refresh_ms: After so long without a word from it, others may bring a log's notes: R.
    """

    def __init__(self, regions: Iterable[str], *, refresh_ms: int) -> None:
        self.regions = sorted(regions)
        self.logs: dict[str, Log] = {}
        self.ruled: dict[int, dict[str, tuple[frozenset[str], int]]] = {}
        """By version and log: who witnesses it, and q."""
        self.rows: dict[tuple[str, str], lines.Cosigner] = defaultdict(lines.Cosigner)
        self.given: dict[tuple[str, str, str], set[tuple[int, int]]] = defaultdict(set)
        """By (cosigner, role, log): the size and date of each line."""
        self.ordered: dict[tuple[str, str, str], set[tuple[int, int]]] = defaultdict(set)
        """The same, of the keys that a cosigner has now."""
        self.held: dict[tuple[str, str], int] = defaultdict(int)
        """By (cosigner, log): how many entries its disk holds."""
        self.moved_ms: dict[tuple[str, str], int] = {}
        """When a row last moved."""
        self.heard_ms: dict[tuple[str, str], int] = {}
        """When a cosigner last answered the log itself."""
        self.views: dict[tuple[str, str], int] = defaultdict(int)
        self.cases: dict[str, Case] = {}
        self.claimed: dict[str, int] = {}
        """By log: what its region called replicated."""
        self.lost: set[str] = set()
        """Regions whose disks are not what they were."""
        self.refresh_ms = refresh_ms
        self.steps = 0

    def take(self, event: Event) -> None:
        """Take one event; refuse it where the model has no such step."""
        self.steps += 1
        match event:
            case Ruled():
                self._ruled(event)
            case Appended():
                self._appended(event)
            case Lined():
                self._head(event.of, event.size, event.root, event)
                self._brought(event)
                self._line((event.by, event.role, event.of), event.size, event.time_s, event)
                self.logs[event.of].trees[event.role, event.size].add(Signer(event.by, event.under))
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
            case Burnt(region=region):
                self._burnt(region)

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

    # ---- versions of the roster -----------------------------------------------------------------

    def _ruled(self, event: Ruled) -> None:
        """Let a version be known; it rules a log from its epoch entry on."""
        if event.version != len(self.ruled) + 1:
            raise RefusedError(f"a version is left out, or comes again: {event}")
        self.ruled[event.version] = {
            log: (frozenset(by), quorum(len(by), f)) for log, by, f in event.logs
        }
        for log, size, heir in event.closed:
            if log in self.logs and self._claims(log) > size:
                raise RefusedError(f"closed below what was replicated: {event}")
            if heir and heir not in self.logs:
                before = self.logs[log].before + size
                self.logs[heir] = Log(event.version, before)
                self._forget_cases(heir[:6], before)
        for log in self.ruled[event.version]:
            self.logs.setdefault(log, Log(event.version))

    def _claims(self, log: str) -> int:
        return self.claimed.get(log, 0)

    def _versions(self, of: str, size: int) -> tuple[int, ...]:
        """Return by which versions a tree is signed: at an epoch by two, above it by the new."""
        log = self.logs[of]
        version = log.begun
        for epoch in log.epochs:
            if size < epoch.start + 1:
                break
            if size == epoch.start + 1:
                return (version, epoch.version)
            if epoch.proven_at is None or epoch.proven_at >= size:
                return ()
            version = epoch.version
        return (version,)

    def _is_quorum(self, of: str, size: int, signers: Iterable[Signer]) -> bool:
        """Say whether q have signed by each version that counts on a tree."""
        signers, versions = list(signers), self._versions(of, size)
        for version in versions:
            witnesses, q = self.ruled[version][of]
            if len({it.by for it in signers if version in it.under} & witnesses) < q:
                return False
        return bool(versions)

    # ---- logs and lines -------------------------------------------------------------------------

    def _head(self, region: str, size: int, root: str, event: Event | Quoted) -> None:
        """Check that a head is of the log's one history."""
        log = self.logs.get(region)
        if log is None or size > log.size or (size and log.roots[size] != root):
            raise RefusedError(f"no head of this log: {event}")

    def _line(self, key: tuple[str, str, str], size: int, time_s: int, event: Event) -> None:
        """Let a cosigner give a line: it is on its row's branch, and sizes and dates agree."""
        by, role, of = key
        head, one, ordered = ("", size), self.rows[by, of], self.ordered[key]
        if by not in self.regions or by == of:
            raise RefusedError(f"a line by nobody who may: {event}")
        bound = one.row if role == "witness" else one.mirror_row
        if not lines.extends(head, bound):
            raise RefusedError(f"a line beyond the row that is kept: {event}")
        if any((other > size and at < time_s) or (other < size and at > time_s)
               for other, at in ordered):  # fmt: skip
            raise RefusedError(f"sizes and dates of one key disagree: {event}")
        ordered.add((size, time_s))
        self.given[key].add((size, time_s))

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
        """Witnessed and replicated: q lines on one tree that covers it."""
        trees = self.logs[event.region].trees
        for role, size in (("witness", event.witnessed), ("mirror", event.replicated)):
            if size and not any(
                of_role == role and signed >= size and self._is_quorum(event.region, signed, by)
                for (of_role, signed), by in trees.items()
            ):
                raise RefusedError(f"not enough {role} lines, and final: {event}")
        self.claimed[event.region] = event.replicated

    def _finished(self, event: Finished) -> None:
        """A note that is passed on as finished has q lines in each role, all of them given."""
        self._head(event.region, event.size, event.root, event)
        for role, signers in (("witness", event.witnesses), ("mirror", event.mirrors)):
            for by, _ in signers:
                sizes = {size for size, _ in self.given[by, role, event.region]}
                if event.size not in sizes:
                    raise RefusedError(f"a {role} line that {by} never gave: {event}")
            if not self._is_quorum(event.region, event.size, signers):
                raise RefusedError(f"{len(signers)} {role} lines, and final: {event}")

    def _quorum(self, quoted: Quoted, event: Appended) -> None:
        """Check that q lines of distinct mirrors, all of them given, stand on a head."""
        self._head(quoted.of, quoted.size, quoted.root, quoted)
        signers = {Signer(by, under) for by, _, under in quoted.lines}
        is_twice = len(signers) < len(quoted.lines)
        if is_twice or not self._is_quorum(quoted.of, quoted.size, signers):
            raise RefusedError(f"no quorum: {event}")
        for by, time_s, _ in quoted.lines:
            if (quoted.size, time_s) not in self.given[by, "mirror", quoted.of]:
                if by != event.region[:6]:
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
        log.epochs = [it for it in log.epochs if it.start < size]
        self._forget_cases(region[:6], log.before + size)
        self._forget_rows(region[:6])

    def _burnt(self, region: str) -> None:
        """Forget a region's disk and keys; its log is what the others hold of it."""
        self.lost.add(region)
        self._forget_rows(region)
        for key in [key for key in self.ordered if key[0] == region]:
            del self.ordered[key]

    def _forget_rows(self, region: str) -> None:
        for of in self.logs:
            self.rows.pop((region, of), None)
            self.held.pop((region, of), None)

    def _forget_cases(self, region: str, size: int) -> None:
        """Forget what a region did with cases from an entry on."""
        for case in self.cases.values():
            number = self._number(case, region)
            kept = [place for place in case.places[number] if place < size]
            case.places[number] = kept
            logs = list(case.state.logs)
            logs[number] = logs[number][: len(kept)]
            case.state = case.state._replace(logs=tuple(logs))

    # ---- entries --------------------------------------------------------------------------------

    def _appended(self, event: Appended) -> None:
        log = self.logs[event.region]
        if event.place != log.size:
            raise RefusedError(f"an index left out, or given out twice: {event}")
        if (event.place == 0) != (event.kind in OPENING):
            raise RefusedError(f"the genesis is entry 0, and only entry 0: {event}")
        if event.kind == "log.epoch":
            self._epoch(log, event)
        for quoted in event.quotes:
            self._quorum(quoted, event)
            if event.kind == "log.view":
                self._viewed(event.region[:6], quoted.of, quoted.size)
            elif log.epochs and quoted.size == log.epochs[-1].start + 1:
                log.epochs[-1].proven_at = event.place
        for _, other, index in event.cites:
            if self.logs[other].before + index >= self._covered(event, other):
                raise RefusedError(f"a citation that nothing before it covers: {event}")
        log.roots.append(event.root)
        if "/case/" in event.subject:
            self._case(event)

    def _epoch(self, log: Log, event: Appended) -> None:
        """Let the next version begin to rule a log: the one before is proven, this one is known."""
        last = log.epochs[-1] if log.epochs else Epoch(log.begun, 0, 0)
        if event.version != last.version + 1 or event.version not in self.ruled:
            raise RefusedError(f"not the next version: {event}")
        if last.proven_at is None:
            raise RefusedError(f"the version before is not proven here: {event}")
        log.epochs.append(Epoch(event.version, event.place))

    def _viewed(self, region: str, of: str, size: int) -> None:
        """Let a region see so much of a log, and with it of the one that it goes on from."""
        seen = self.logs[of].before + size
        self.views[region, of[:6]] = max(self.views[region, of[:6]], seen)

    def _covered(self, event: Appended, other: str) -> int:
        """Return up to where a region's entry may cite another's: its own place, or its views."""
        if other[:6] == event.region[:6]:
            return self.logs[event.region].before + event.place
        return self.views[event.region[:6], other[:6]]

    def _case(self, event: Appended) -> None:
        """Let a region do something with a case: the custody model says whether it may."""
        region = self.regions.index(event.region[:6])
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
        number = self._number(case, event.region[:6])
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
        case.places[number].append(self.logs[event.region].before + event.place)
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
                offerer, place = self._number(case, region[:6]), self.logs[region].before + index
                if place in case.places[offerer]:
                    return custody.Entry(kind, (offerer, case.places[offerer].index(place)))
        else:
            for index, entry in enumerate(own):
                if entry.kind == "offer" and not custody.ended(own, index, number):
                    to = entry.to if kind == "release" else -1
                    return custody.Entry(kind, (number, index), to)
        raise RefusedError(f"an answer to no offer: {event}")
