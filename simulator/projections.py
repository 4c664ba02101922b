"""Projections: all make the same of the same entries, and nobody sees two holders of a case."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final

from authz.custody import HOLDING
from ledger.encoding import decode
from ledger.kind import UNJUDGED
from ledger.lineage import living
from simulator.machine import Machine
from simulator.watched import Watched
from simulator.world import BrokenError

PROJECTIONS: Final = {
    "facts": ("object, {low}, leaf, state", "index"),
    "mentions": ("object, {low}", "index"),
    "findings": ("{low}, code, subject, severity, detail", "index"),
    "uses": (
        "{low}, fact_origin, fact_object, fact_index, view_size, fresh_at_s, staleness_s, status",
        "index",
    ),
    "evidence": ("{low}, high, seen_by_s, at", "low"),
}
_UNJUDGED: Final = UNJUDGED.encode()
NOBODY_JUDGED: Final = 0
"""Stands for the rows of an entry that nobody has judged so far."""
GROWING: Final = ("facts", "mentions")
"""What entries leave behind for good: comparable though one node has judged more than another."""
SETTLED_LATER: Final = ("findings", "uses")
"""What the evidence of other logs still changes: comparable where all logs are judged alike."""
SETTLED: Final = tuple(name for name in PROJECTIONS if name not in GROWING)
"""What is not there for good as soon as an entry is judged."""


Read = Callable[[str, str, int, int, frozenset[int]], list[tuple[object, ...]]]
"""Reads the rows of a log: by region, table and range, without the entries skipped."""
Standing = Mapping[str, Any]
"""Where a case stands in one log: the state of its newest row."""


@lru_cache(maxsize=1 << 16)
def _decoded(state: bytes) -> Standing:
    """Return a row's state; nodes hold the same bytes, so each is decoded once."""
    found: Standing = decode(state)
    return found


class Projections:
    """Compares what machines made of entries, and where cases stand with each of them.

    Invariant: ``_seen`` says up to where each machine's rows of each log were compared with those
    of the machines that had judged as much before it.

    Args:
        watched: The machines.
        sample: What entries left behind elsewhere already is read again on one machine in so many
            when it has judged them too; all of it is compared at the end.
    """

    def __init__(self, watched: Watched, sample: int = 1) -> None:
        self._watched = watched
        self._sample = sample
        self._read_at_once = frozenset(list(watched.machines)[::sample])
        for region in self._read_at_once:
            watched.machines[region].disk.read_all()
        self._seen: dict[tuple[str, str], int] = {}
        self._has_unjudged: set[tuple[str, str]] = set()
        """Regions, and logs of which one entry or more was not judged there."""
        self._compared: dict[str, tuple[int, int]] = {}
        """By log, how much all had judged at the last two looks."""
        self._growing: dict[str, list[int]] = defaultdict(list)
        """By log: a hash, of this process, of what each of its entries left behind for good."""
        self._moved: dict[str, dict[int, list[tuple[str, Standing]]]] = defaultdict(dict)
        """By log and entry: the cases that it moved, and whereto."""
        self._standing: dict[str, dict[str, dict[str, Standing]]] = defaultdict(dict)

    def seen_size(self, region: str, origin: str) -> int:
        """Return up to where a machine's rows of a log were compared."""
        return self._seen.get((region, origin), 0)

    def standing(self, region: str) -> Mapping[str, Mapping[str, Standing]]:
        """Return where each case stands with a region's node: by case and log."""
        return self._standing[region]

    def forget(self, region: str) -> None:
        """Start anew with a machine whose database is gone."""
        self._standing[region].clear()
        for origin in self._watched.reference.logs:
            self._seen.pop((region, origin), None)

    def close(self, machine: Machine, origin: str, cut: int) -> None:
        """Forget what a machine made of a closed log beyond its cut."""
        region = machine.region
        if self._seen.get((region, origin), 0) > cut:
            self._seen[region, origin] = cut
        del self._growing[origin][cut:]
        moved = self._moved[origin]
        self._moved[origin] = {at: cases for at, cases in moved.items() if at < cut}
        for name, rows in self._standing[region].items():
            if rows.pop(origin, None) is None:
                continue
            found = machine.disk.database.execute(
                'SELECT state FROM facts WHERE object = ? AND log_id = ? AND "index" < ? '
                'ORDER BY "index" DESC LIMIT 1',
                (name, self._watched.log_id(machine, origin), cut),
            ).fetchone()
            if found is not None:
                rows[origin] = _decoded(found[0])

    def judge_again(self, machine: Machine, origin: str) -> None:
        """Begin anew with what a machine makes of one log."""
        self._seen.pop((machine.region, origin), None)
        for rows in self._standing[machine.region].values():
            rows.pop(origin, None)

    def check_new(self, machine: Machine) -> None:
        """Compare what a machine has judged in its last step, and whom it sees holding cases."""
        assert machine.node is not None
        touched: dict[str, None] = {}
        for origin, status in machine.node.snapshot.logs.items():
            if status.judged_size > self.seen_size(machine.region, origin):
                self._read_new(machine, origin, status.judged_size, touched)
        for name in touched:
            self._check_holder(machine, name)

    def is_unjudged(self, machine: Machine, origin: str, index: int) -> bool:
        """Say whether a machine says of an entry that it is not judged there."""
        return index in self._unjudged(machine, origin, index, index + 1)

    def _unjudged(self, machine: Machine, origin: str, low: int, size: int) -> set[int]:
        """Return the entries of a range that a machine says are not judged there."""
        if (machine.region, origin) not in self._has_unjudged:
            return set()
        machine.disk.read_all()
        rows = machine.disk.database.execute(
            'SELECT DISTINCT "index" FROM facts INDEXED BY seen_facts '
            'WHERE log_id = ? AND "index" >= ? AND "index" < ? AND instr(state, ?)',
            (self._watched.log_id(machine, origin), low, size, _UNJUDGED),
        )
        return {index for (index,) in rows}

    def _read_new(self, machine: Machine, origin: str, size: int, touched: dict[str, None]) -> None:
        """Compare what newly judged entries left behind here with what they left elsewhere."""
        region = machine.region
        start = self._seen.get((region, origin), 0)
        self._seen[region, origin] = size
        known = self._growing[origin]
        has_branches = origin in self._watched.reference.branches
        if self._is_known(region, origin, start, size):
            moved = self._moved[origin]
            for name, standing in (it for at in range(start, size) for it in moved.get(at, ())):
                self._standing[region].setdefault(name, {})[origin] = standing
                touched[name] = None
            return
        for at, rows in self._grown(machine, origin, start, size, touched):
            if is_unjudged(rows):
                self._has_unjudged.add((region, origin))
                self._watched.world.count("an act was not judged here")
                if at == len(known):
                    known.append(NOBODY_JUDGED)
                continue
            digest = hash(tuple(rows))
            if at < len(known):
                if known[at] == NOBODY_JUDGED:
                    known[at] = digest
                elif known[at] != digest and not has_branches:
                    raise BrokenError(
                        f"{_table(rows)} {origin} at {at} differ between {region} and others: "
                        f"{rows}"
                    )
            elif at == len(known):
                known.append(digest)

    def _is_known(self, region: str, origin: str, start: int, end: int) -> bool:
        """Say whether entries need not be read, since others have and this is not of the sample."""
        if self._sample == 1 or region in self._read_at_once or end > len(self._growing[origin]):
            return False
        return NOBODY_JUDGED not in self._growing[origin][start:end]

    def _grown(
        self,
        machine: Machine,
        origin: str,
        start: int,
        end: int,
        touched: dict[str, None],
    ) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
        """Yield each index with its rows, and take note of the cases that are touched by them."""
        log_id = self._watched.log_id(machine, origin)
        database = machine.disk.database
        first_seen = len(self._growing[origin])
        assert log_id is not None  # what is judged is stored
        machine.disk.read_log(log_id)
        facts, mentions = (
            database.execute(
                f'SELECT "index", object{more} FROM {table} WHERE log_id = {log_id:d} '  # noqa: S608 - our own words
                'AND "index" >= ? AND "index" < ? ORDER BY 1, 2',
                (start, end),
            ).fetchall()
            for table, more in (("facts", ", leaf, state"), ("mentions", ""))
        )
        found: list[list[tuple[Any, ...]]] = [[] for _ in range(start, end)]
        for row in (*facts, *mentions):
            found[row[0] - start].append(row)
        yield from enumerate(found, start)
        standing = self._standing[machine.region]
        for row in facts:
            name = row[1]
            if "/case/" not in name:
                continue
            if is_unjudged((row,)):
                standing.get(name, {}).pop(origin, None)
            else:
                state = _decoded(row[3])
                standing.setdefault(name, {})[origin] = state
                touched[name] = None
                if row[0] >= first_seen:
                    self._moved[origin].setdefault(row[0], []).append((name, state))

    def _check_holder(self, machine: Machine, name: str) -> None:
        """Check that a node sees at most one holder of a case."""
        rows = self._standing[machine.region][name]
        if len([True for row in rows.values() if row["at"] in HOLDING]) < 2:
            return
        closed = self._watched.reference.newest.closed
        holders = [
            origin
            for origin, row in rows.items()
            if row["at"] in HOLDING
            and self._watched.is_honest(origin)
            # What stood in a closed log has gone over to the one that follows it.
            and (origin not in closed or living(closed, origin) not in rows)
        ]
        if len(holders) > 1:
            raise BrokenError(f"{machine.region} sees two holders of {name}: {holders}")

    def compare(self, *, recent: bool = False) -> None:
        """Check that all nodes made the same of the same entries, also of what settles later.

        Args:
            recent: Whether only what entries left that were not yet judged everywhere at the look
                before the last; else everything.
        """
        judged: dict[str, Mapping[str, int]] = {}
        having: dict[str, list[Machine]] = defaultdict(list)
        for machine in self._watched.sound():
            sizes = judged[machine.region] = self._watched.sizes(machine, "projections")
            for origin, size in sizes.items():
                if size:
                    having[origin].append(machine)
        for origin in self._watched.reference.logs:
            machines = having[origin]
            if not machines:
                continue
            read = lru_cache(maxsize=None)(partial(self._projected, origin=origin))
            is_grown = recent and origin not in self._watched.reference.branches
            # What is there for good was compared when it came, entry by entry.
            tables = SETTLED if is_grown else tuple(PROJECTIONS)
            # The one that has judged most of a log is what the others are compared with.
            best = max(machines, key=lambda one: judged[one.region][origin])
            before, last = self._compared.get(origin, (0, 0))
            for machine in machines:
                if machine is not best:
                    low = before if recent else 0
                    self._compare(origin, (machine, best), judged, low, tables, read)
            least = min(judged[machine.region][origin] for machine in machines)
            self._compared[origin] = (last, least)

    def _compare(  # noqa: PLR0917 - one call
        self,
        origin: str,
        nodes: tuple[Machine, Machine],
        judged: Mapping[str, Mapping[str, int]],
        low: int,
        tables: Sequence[str],
        read: "Read",
    ) -> None:
        one, other = nodes
        size = judged[one.region][origin]
        if not self._share_histories(one, other):
            return
        same = judged[other.region][origin] == size
        all_same = judged[one.region] == judged[other.region]
        skipped = frozenset[int]().union(*(self._unjudged(it, origin, low, size) for it in nodes))
        if all_same:
            self._watched.world.count("two nodes compared in full")
        for table in tables:
            # A closed log is dated by what the log that follows it says.
            is_late = table in SETTLED_LATER or origin in self._watched.reference.newest.closed
            if table in GROWING or (all_same if is_late else same):
                rows = [read(it.region, table, low, size, skipped) for it in nodes]
                if rows[0] != rows[1]:
                    differing = sorted(set(rows[0]) ^ set(rows[1]), key=repr)[:4]
                    raise BrokenError(
                        f"{table} of {origin} below {size} differ between {one.region} and "
                        f"{other.region}: {differing}"
                    )

    def _share_histories(self, one: Machine, other: Machine) -> bool:
        """Say whether two machines hold the same history of every log that has several."""
        return all(
            self._watched.history.get((one.region, origin))
            == self._watched.history.get((other.region, origin))
            for origin in self._watched.reference.branches
        )

    def _projected(
        self,
        region: str,
        table: str,
        low: int,
        size: int,
        skipped: frozenset[int],
        *,
        origin: str,
    ) -> list[tuple[object, ...]]:
        machine = self._watched.machines[region]
        if table in GROWING:
            machine.disk.read_all()
        columns, key = PROJECTIONS[table]
        names = ", ".join(f'"{name.strip()}"' for name in columns.format(low=key).split(","))
        rows = machine.disk.database.execute(
            f'SELECT "{key}", {names} FROM {table} WHERE log_id = ? AND "{key}" >= ? '  # noqa: S608 - our own words
            f'AND "{key}" < ? ORDER BY {names}',
            (self._watched.log_id(machine, origin), low, size),
        )
        return [row[1:] for row in rows if row[0] not in skipped]


def is_unjudged(rows: Sequence[tuple[Any, ...]]) -> bool:
    """Say whether rows of one entry say that it is not judged where they come from."""
    return any([len(row) == 4 and _UNJUDGED in row[3] for row in rows])  # noqa: C419 - few, and cheaper than a generator


def _table(rows: Sequence[tuple[Any, ...]]) -> str:
    """Return where a difference most likely lies, for the message."""
    return "facts of" if all(len(row) == 4 for row in rows) else "facts and mentions of"
