"""Small parts of a roster: constants, pins and closings, and how its fields are checked.

What is checked here is form alone; what the parts must be to each other, the roster checks.
"""

from dataclasses import dataclass
from typing import Any, Final

from ledger import names
from ledger.checkpoint import SIZE_MAX
from ledger.errors import MalformedError
from ledger.hashing import EMPTY_ROOT, HASH_BYTES

STALENESS_S_MIN: Final = 180
NUMBER_MAX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The times by which all members judge.

    Args:
        candidate_ms: How long a candidate waits for its quorums before the next one is chosen.
        delta_s: Clock tolerance, δ.
        refresh_s: How often a candidate is sent again, R.
        staleness_s: How old a view may be that a use relies on, S.
    """

    candidate_ms: int = 2_000
    delta_s: int = 5
    refresh_s: int = 60
    staleness_s: int = 600

    def __post_init__(self) -> None:
        for name in ("candidate_ms", "delta_s", "refresh_s", "staleness_s"):
            check_number(getattr(self, name), name, least=1)
        if self.staleness_s < STALENESS_S_MIN:
            raise bad_field(f"staleness_s is never below {STALENESS_S_MIN}, not {self.staleness_s}")
        # Views are renewed at half the staleness; a line must have been refreshed by then.
        if 2 * self.refresh_s > self.staleness_s or 2 * self.delta_s > self.staleness_s:
            raise bad_field("refresh_s and delta_s are at most half of staleness_s")

    def to_map(self) -> dict[str, int]:
        """Return the map that the roster holds."""
        return {
            "candidate_ms": self.candidate_ms,
            "delta_s": self.delta_s,
            "refresh_s": self.refresh_s,
            "staleness_s": self.staleness_s,
        }


@dataclass(frozen=True, slots=True)
class Pin:
    """A tree of a log that was replicated when a version was made; copies extend it or are none."""

    size: int
    root: bytes

    def __post_init__(self) -> None:
        check_tree(self.size, self.root)

    def to_map(self) -> list[Any]:
        """Return what the roster holds."""
        return [self.size, self.root]


@dataclass(frozen=True, slots=True)
class Closing:
    """Where a log ended, and the log that takes over its cases.

    Args:
        size: Of the cut: entries from here on are void.
        root: Of the tree of that size.
        successor: Origin of the region's own next log, or of another member's; None where there was
            nothing to take over.
    """

    size: int
    root: bytes
    successor: str | None

    def __post_init__(self) -> None:
        check_tree(self.size, self.root)
        if self.successor is not None:
            if type(self.successor) is not str:
                raise bad_field("a successor is null or an origin")
            names.check_origin(self.successor)

    def to_map(self) -> dict[str, Any]:
        """Return what the roster holds."""
        return {"size": self.size, "root": self.root, "successor": self.successor}


def decode_pin(value: object) -> Pin:
    """Read a pin as the roster's map holds it.

    Raises:
        MalformedError: It is none.
    """
    match value:
        case [int(size), bytes(root)]:
            return Pin(size, root)
        case _:
            raise bad_field("a pin is size and root")


def text_map(value: object, name: str) -> dict[str, Any]:
    """Return ``value``, a map with keys of text."""
    if type(value) is not dict or not all(type(key) is str for key in value):
        raise bad_field(f"{name} is a map")
    return value


def exact(value: object, keys: str) -> dict[str, Any]:
    """Return ``value``, a map with exactly these keys."""
    if type(value) is not dict or value.keys() != set(keys.split()):
        raise bad_field(f"not a map with the keys {keys}")
    return value


def check_region(value: object) -> None:
    """Check that a field names a region."""
    if type(value) is not str:
        raise bad_field("a region is text")
    names.check_region(value)


def check_number(value: object, name: str, *, least: int) -> None:
    """Check that a field is a number from ``least`` on."""
    if type(value) is not int or not least <= value <= NUMBER_MAX:
        raise bad_field(f"{name} is a number from {least}")


def check_tree(size: object, root: object) -> None:
    """Check that two fields are the size and the root of a tree."""
    if type(size) is not int or not 0 <= size <= SIZE_MAX or not is_bytes(root, HASH_BYTES):
        raise bad_field("a tree is size and root")
    if size == 0 and root != EMPTY_ROOT:
        raise bad_field("the empty tree has one root, and this is not it")


def is_bytes(value: object, size: int) -> bool:
    """Say whether a field is so many bytes."""
    return type(value) is bytes and len(value) == size


def bad_field(message: str) -> MalformedError:
    """Return the error of a field that is not as the format has it."""
    return MalformedError(message, code="bad-field")
