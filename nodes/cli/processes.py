"""Nodes as processes of their own, started, waited for, and ended with whoever started them."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ledger.errors import UnavailableError

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
    process: asyncio.subprocess.Process
    said_before_bytes: int = 0
    greeting: str = ""

    @classmethod
    async def start(cls, region: str, config: Path, environment: Mapping[str, str]) -> Self:
        """Start a node, and return once it listens.

        Raises:
            UnavailableError: ``no-start``: it ended, or said nothing in time; its last words are in
                the message.
        """
        log = (config.parent / LOG_FILE).open("ab")
        said_before_bytes = log.tell()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "nodes.cli",
                "node",
                "run",
                "--leash",
                "--config",
                str(config),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environment},
                # An interrupt at the terminal is for us; we tell the nodes in our own time.
                start_new_session=True,
            )
        finally:
            log.close()
        made = cls(region, config, process, said_before_bytes)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await process.stdout.readline()
            silent = ""
        except TimeoutError:
            line, silent = b"", f"it has said nothing for {START_TIMEOUT_S:.0f} s; "
        if not line.startswith(b"listening "):
            await made.ended_or_killed()
            raise UnavailableError(
                f"the node of {region} did not start: {silent}{made.last_words()}", code="no-start"
            )
        made.greeting = line.decode().strip()
        return made

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.returncode is None

    async def stop(self) -> None:
        """Tell it to stop, and wait; it is killed if it takes too long."""
        if not self.is_running:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.process.wait()
        except TimeoutError:
            await self.kill()

    async def ended_or_killed(self) -> None:
        """Wait a moment for its end, if that is near, and else end it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_S):
                await self.process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it at once, as a power cut would (kill -9)."""
        if self.is_running:
            with suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()

    def last_words(self) -> str:
        """Return the end of what it has written to its log since it was started."""
        try:
            said = (self.config.parent / LOG_FILE).read_bytes()[self.said_before_bytes :]
        except OSError:
            return ""
        return said.decode("utf-8", "replace")[-_LOG_TAIL_CHARS:].strip()


def cancel_on_signals() -> None:
    """Have the running task cancelled by an interrupt, and by whoever tells us to stop."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
