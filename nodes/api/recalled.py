"""What checks have read since the last commit, so that the next one need not read it again."""

from typing import Final

from authz.decision import CheckFacts
from nodes.snapshot import Snapshot

RECALLED_MAX: Final = 10_000

Asked = tuple[str, str, str | None, str | None]
"""Window, item, officer, device."""


class Recalled:
    """What was gathered since the last commit: until the next one it cannot change."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._facts: dict[Asked, CheckFacts] = {}

    def of(self, snapshot: Snapshot) -> dict[Asked, CheckFacts]:
        """Return what was gathered under this very snapshot."""
        if snapshot is not self._snapshot or len(self._facts) >= RECALLED_MAX:
            self._snapshot, self._facts = snapshot, {}
        return self._facts
