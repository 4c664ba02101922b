"""The machine's clock."""

import time


class SystemClock:
    """Wall-clock time as the machine keeps it; it may step."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return time.time_ns() // 1_000_000
