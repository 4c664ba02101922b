"""What one step makes of our own log, and what making it takes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.errors import UnavailableError
from ledger.frozen import Frozen
from ledger.roster import Roster
from nodes.core.duties import Duty
from nodes.core.effects import Effects
from nodes.core.limits import Limits
from nodes.core.log_state import LogState
from nodes.core.projection import Projection
from nodes.core.ready import Registered
from nodes.core.sight import Sight
from nodes.ports import Officers, RoleKeys


@dataclass(frozen=True, slots=True)
class Report:
    """Our last word on another log, to be recorded."""

    request_id: int
    frozen: Frozen


@dataclass(slots=True)
class Batch:
    """What one step makes of our log."""

    now_s: int
    state: LogState
    effects: Effects = field(default_factory=Effects)
    entries: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    at: dict[bytes, int] = field(default_factory=dict)
    """Index by leaf hash, of the entries of this batch."""
    replies: list[tuple[int, tuple[Registered, ...]]] = field(default_factory=list)
    recorded: tuple[int, ...] = ()
    """Sizes of the candidates whose lines the block record holds."""
    done: list[Duty] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What making a batch takes, and what stays the same from one batch to the next.

    Args:
        region: Ours.
        origin: Of our own log.
        projection: Judges; it has the roster too.
        sight: Facts, the same that ``projection`` has.
        keys: The region's keys under a version; None where not all of them are held.
        officers: Keys of officers that the region holds.
        limits: Of the node.
    """

    region: str
    origin: str
    projection: Projection
    sight: Sight
    keys: Callable[[Roster], RoleKeys | None]
    officers: Officers
    limits: Limits

    def keys_of(self, roster: Roster) -> RoleKeys:
        """Return the region's keys under a version.

        Raises:
            UnavailableError: ``lacks-keys``.
        """
        found = self.keys(roster)
        if found is None:
            raise UnavailableError(
                f"the keys of {self.region} by roster version {roster.version} are not all here",
                code="lacks-keys",
            )
        return found
