"""Ports for the nodes of a demo, found so that nobody takes them before the nodes do."""

import itertools
import os
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
# Below the range that systems give to outgoing connections, which would take them.
LOWEST: Final = 15_000
SPAN: Final = 15_000
STEP: Final = 9_271
"""Between processes with numbers in a row: by the golden ratio, so that no few of them meet."""
_offered = itertools.count()


def free_ports(count: int) -> list[int]:
    """Return a run of ports that nobody listens on now.

    Raises:
        OSError: No run of that length is free.
    """
    run: list[int] = []
    # Processes that look at the same moment start apart; one process does not offer a port twice.
    begin = os.getpid() * STEP
    for _ in range(SPAN):
        port = LOWEST + (begin + next(_offered)) % SPAN
        if run and port != run[-1] + 1:
            run = []
        run = [*run, port] if _is_free(port) else []
        if len(run) == count:
            return run
    message = f"no {count} ports in a row are free between {LOWEST} and {LOWEST + SPAN}"
    raise OSError(message)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the nodes will bind it: what rests after a closed connection is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
