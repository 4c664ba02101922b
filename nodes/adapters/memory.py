"""How a node's process goes about its memory."""

import gc
from typing import Final

THRESHOLDS: Final = (10_000, 20, 20)
"""After how many more objects than have gone the interpreter looks for cycles among the youngest,
and after how many such looks among older ones. A step makes few cycles and some thousand objects:
with the 700 of its own accord, a tenth of a node's processor time went into looking."""


def settle_memory() -> None:
    """Have what the process holds by now never looked through for garbage again; call it once.

    Modules and tables of kinds are a hundred thousand objects that stay to the end. A full look
    through them stops every thread for 40 ms and more, and whoever asks in that time waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
