"""What all checkers share: the logs as they are, the machines, and who cannot be relied on."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from nodes.store.schema import ENTRY_BITS
from simulator.machine import Machine
from simulator.reference import Reference
from simulator.world import World


class Watched:
    """The machines of a world as they are seen from outside, and what their disks hold.

    Args:
        machines: By region; looked at, never touched.
    """

    def __init__(self, world: World, reference: Reference, machines: Mapping[str, Machine]) -> None:
        self.world = world
        self.reference = reference
        self.machines = machines
        self.forgetful: set[str] = set()
        """Regions whose fence went back with their database: only the others can tell them."""
        self.liars: set[str] = set()
        """Regions that lie: nothing is promised in their name."""
        self.damaged: set[str] = set()
        """Regions whose disk is not what it was; they may serve again, and need not."""
        self.gone: set[str] = set()
        """Regions whose machine is no more."""
        self.left: set[str] = set()
        """Regions that were members once, and are no more."""
        self.rows: dict[tuple[str, str], tuple[int, int, int]] = {}
        """By region and log: how much of it is stored, witnessed and mirrored there."""
        self.history: dict[tuple[str, str], int] = {}
        """Which of a liar's histories a machine holds."""
        self._log_ids: dict[str, dict[str, int]] = defaultdict(dict)

    def stored_size(self, region: str, origin: str) -> int:
        """Return how many entries of a log a machine has, as far as that was compared."""
        return self.rows.get((region, origin), (0, 0, 0))[0]

    def is_honest(self, origin: str) -> bool:
        """Say whether the writer of a log keeps the rules, as far as its world says."""
        return self.reference.region_of(origin) not in self.liars

    def sound(self) -> Iterator[Machine]:
        """Yield the honest machines that serve, or that should."""
        for machine in self.machines.values():
            node = machine.node
            is_well = node is not None and node.snapshot.state == "serving"
            if machine.region in self.liars | self.left:
                continue
            if machine.region in self.damaged and not is_well:
                continue
            yield machine

    # ---- disks ----------------------------------------------------------------------------------

    def log_id(self, machine: Machine, origin: str) -> int | None:
        """Return the number that a machine's database gives to a log."""
        known = self._log_ids[machine.region]
        if origin not in known:
            rows = machine.disk.database.execute("SELECT origin, log_id FROM logs")
            known.update(dict(rows.fetchall()))
        return known.get(origin)

    def entries(self, machine: Machine, origin: str, start: int, end: int) -> list[bytes]:
        """Return the entries [start, end) that a machine has of a log, as far as it has them."""
        log_id = self.log_id(machine, origin)
        if log_id is None:
            return []
        base = log_id << ENTRY_BITS
        rows = machine.disk.database.execute(
            "SELECT entry FROM entries WHERE key >= ? AND key < ? ORDER BY key",
            (base + start, base + end),
        )
        return [entry for (entry,) in rows]

    def sizes(self, machine: Machine, table: str) -> dict[str, int]:
        """Return how far each log has come by a table with sizes: ``logs`` or ``projections``."""
        join = "" if table == "logs" else "JOIN logs USING (log_id)"
        rows = machine.disk.database.execute(
            f"SELECT origin, {table}.size FROM {table} {join}"  # noqa: S608 - our own words
        )
        return dict(rows.fetchall())

    def memory(self, machine: Machine, prefix: str) -> dict[str, bytes]:
        """Return the small values that a machine keeps, of those whose names begin so."""
        rows = machine.disk.database.execute(
            "SELECT name, value FROM memory WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
        )
        return {name.removeprefix(prefix): value for name, value in rows if value}

    def renumber(self, machine: Machine) -> None:
        """Forget which numbers a machine's database gives to logs: it may be another one."""
        self._log_ids[machine.region].clear()
