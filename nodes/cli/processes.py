"""Nodes as processes of their own, started, waited for, and ended with whoever started them."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ledger.errors import UnavailableError
from nodes.cli.nursery import Born, begin

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 15.0
LOG_FILE: Final = "node.log"

_LOG_TAIL_CHARS: Final = 2_000
_ENDING_S: Final = 2.0


@dataclass(slots=True)
class NodeProcess:
    """One node's process.

    It ends when its standard input does, so that no node outlives us, however we end.

    Args:
        said_before_bytes: What stood in its log before it was started.
    """

    region: str
    config: Path
    process: Born
    said_before_bytes: int
    greeting: str
    _ended: asyncio.Event

    @classmethod
    async def start(cls, region: str, config: Path, environment: Mapping[str, str]) -> Self:
        """Start a node, and return once it listens.

        Raises:
            UnavailableError: ``no-start``: it ended, or said nothing in time; its last words are in
                the message.
        """
        with (config.parent / LOG_FILE).open("ab") as log:
            said_before_bytes = log.tell()
            ours, stdout = os.pipe()
            try:
                process = await asyncio.to_thread(
                    begin,
                    ("node", "run", "--leash", "--config", str(config)),
                    stdout=stdout,
                    stderr=log.fileno(),
                    environment={**os.environ, **environment},
                    name=f"shouxin {region}",
                )
            except BaseException:
                os.close(ours)
                raise
            finally:
                os.close(stdout)
        made = cls(region, config, process, said_before_bytes, "", asyncio.Event())
        asyncio.get_running_loop().add_reader(process.fileno(), made._has_ended)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await _first_line(ours)
            silent = ""
        except TimeoutError:
            line, silent = b"", f"it has said nothing for {START_TIMEOUT_S:.0f} s; "
        except asyncio.CancelledError:
            process.kill()
            raise
        if not line.startswith(b"listening "):
            await made.ended_or_killed()
            raise UnavailableError(
                f"the node of {region} did not start: {silent}{made.last_words()}", code="no-start"
            )
        made.greeting = line.decode().strip()
        return made

    def _has_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self.process.fileno())
        self.process.poll()
        self._ended.set()

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return not self._ended.is_set()

    async def wait(self) -> int:
        """Wait until the process has ended, and return its status."""
        await self._ended.wait()
        return self.process.wait()

    async def stop(self) -> None:
        """Tell it to stop, and wait; it is killed if it takes too long."""
        if not self.is_running:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.wait()
        except TimeoutError:
            await self.kill()

    async def ended_or_killed(self) -> None:
        """Wait a moment for its end, if that is near, and else end it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_S):
                await self.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it at once, as a power cut would (kill -9)."""
        if self.is_running:
            self.process.kill()
        await self.wait()

    def last_words(self) -> str:
        """Return the end of what it has written to its log since it was started."""
        try:
            said = (self.config.parent / LOG_FILE).read_bytes()[self.said_before_bytes :]
        except OSError:
            return ""
        return said.decode("utf-8", "replace")[-_LOG_TAIL_CHARS:].strip()


async def _first_line(descriptor: int) -> bytes:
    """Return what is said first; whoever says more is heard until its end."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return await reader.readline()


def cancel_on_signals() -> None:
    """Have the running task cancelled by an interrupt, and by whoever tells us to stop."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
