"""A relay for one link between two nodes, which can be cut.

It carries bytes and knows nothing of them: the nodes' own transport security runs through it, end
to end, so it could not change a thing.
"""

import asyncio
from contextlib import suppress
from typing import Final

from nodes.api.protocol import stop_listening

_CHUNK_BYTES: Final = 64 * 1024


class Relay:
    """Listens on one port of the loopback, and passes everything on to another."""

    def __init__(self, port: int, target_port: int) -> None:
        self._port = port
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Carry from now on."""
        if self._server is None:
            self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """Break every connection, and let no new one through."""
        if self._server is None:
            return
        server, self._server = self._server, None
        await stop_listening(server)
        # Both ends of each connection break, which ends whatever carries it.
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        opened = [writer]
        self._open.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            opened.append(back)
            self._open.add(back)
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except OSError:
            # The other end is not there: to the caller that is a connection that broke.
            pass
        finally:
            for each in opened:
                self._open.discard(each)
                each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
