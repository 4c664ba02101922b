"""Why an entry cannot be judged yet."""

from collections.abc import Sequence
from typing import Final

from ledger.cosignature import LINE_BYTES
from nodes.core.notes import SignedHead

# A line's time stands behind its key id.
LINE_TIME: Final = slice(4, 12)


class Wait(Exception):  # noqa: N818 - not a failure: the entry is judged later
    """The entry cannot be judged yet, and so none after it.

    Args:
        origin: Of the log of which more must be judged first; None when only time is missing.
        size: How much of it.
        until_s: When our clock allows a line in it; 0 when that is not the reason.
        head: What a quorum of that log's mirrors signed, and so holds; None where nobody need.
        lines: By which they have signed it, as the view shows them.
    """

    def __init__(
        self,
        origin: str | None,
        size: int = 0,
        until_s: int = 0,
        head: SignedHead | None = None,
        lines: Sequence[bytes] = (),
    ) -> None:
        super().__init__(f"{origin} {size}" if origin else f"until {until_s}")
        self.origin = origin
        self.size = size
        self.until_s = until_s
        self.head = head
        self.lines = tuple(lines)


def wait_for_clock(lines: Sequence[object], latest_s: int) -> None:
    """Stop before a line that our clock does not allow yet (protocol.md section 0)."""
    for line in lines:
        if isinstance(line, bytes) and len(line) == LINE_BYTES:
            time_s = int.from_bytes(line[LINE_TIME])
            if time_s > latest_s:
                raise Wait(None, until_s=time_s)
