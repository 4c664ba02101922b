"""An event loop in a thread of its own, for nodes that a test talks to from outside."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Run a loop in the background; whatever is still open at its end is broken off."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="nodes", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_break_off(loop), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _break_off(loop: asyncio.AbstractEventLoop) -> None:
    """End connections whose handshake outlived their listener; a closed loop never would."""
    for transport in list(loop._transports.values()):  # type: ignore[attr-defined]
        transport.abort()
    # An aborted transport closes its socket in the next turn of the loop.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
