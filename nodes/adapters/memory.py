"""How a node's process goes about its memory."""

import gc
from typing import Final

THRESHOLDS: Final = (2_000, 10, 20)
"""After how many new objects the youngest are looked through, and after how many such looks the
older ones are: a third as often as usual, and all of them a sixth as often."""


def settle_memory() -> None:
    """Have what the process holds by now never looked through for garbage again; call it once.

    Modules and tables of kinds are a hundred thousand objects that stay to the end. A full look
    through them stops every thread for 40 ms and more, and whoever asks in that time waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
