"""Processes of ``shouxin`` that begin as forks of one which has already read all modules.

To read them is nine tenths of a node's start. Whoever starts several nodes, or one again and again,
has it done once: a process of its own, the nursery, reads them, and forks when it is asked to. What
it forks is a process like any other, with its own memory, session, descriptors and end.
"""

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from ledger.errors import UnavailableError

_NUMBER: Final = struct.Struct("!i")
_COMMON: Final = "nodes.cli.node", "nodes.cli.main", "nodes.adapters.memory"
"""What every node imports; they import the rest."""
_END_S_MAX: Final = 5.0
_NAME_BYTES_MAX: Final = 15
"""Of a process, as Linux keeps it."""


@dataclass(slots=True)
class Born:
    """A process that the nursery has forked for us.

    Args:
        pid: Its number.
        stdin: What it reads; closed once it has ended.
        returncode: What it ended with, as ``subprocess`` tells it; None as long as it runs, or as
            nobody has asked.
    """

    pid: int
    stdin: BinaryIO
    _life: int
    returncode: int | None = None

    def fileno(self) -> int:
        """Return a descriptor that can be read from once the process has ended."""
        return self._life

    def poll(self) -> int | None:
        """Return what it ended with, or None if it runs."""
        if self.returncode is None and self._is_over():
            said = os.read(self._life, _NUMBER.size)
            os.close(self._life)
            self.stdin.close()
            # Nothing is said only where the nursery itself was killed.
            self.returncode = _NUMBER.unpack(said)[0] if said else -signal.SIGKILL
        return self.returncode

    def _is_over(self) -> bool:
        return bool(select.select([self._life], [], [], 0)[0])

    def wait(self, timeout: float | None = None) -> int:
        """Return what it ended with, once it has.

        Raises:
            subprocess.TimeoutExpired: It has not in so many seconds.
        """
        if self.returncode is None:
            select.select([self._life], [], [], timeout)
        if (status := self.poll()) is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        # Its end is only looked at: whoever watches the descriptor is to hear of it, too.
        if self.returncode is None and not self._is_over():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, as a power cut would (kill -9)."""
        self.send_signal(signal.SIGKILL)


class _Nursery:
    """Our side of the process that forks."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "nodes.cli.nursery", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # An interrupt at the terminal is for us; we tell the nodes in our own time.
                start_new_session=True,
            )
        self._socket = ours
        self._lock = threading.Lock()
        atexit.register(self._close)

    def begin(self, wish: Mapping[str, Any], said: Sequence[int]) -> Born:
        life, told = os.pipe()
        theirs, ours = os.pipe()
        try:
            pid = self._ask(wish, [theirs, *said, told])
        except BaseException:
            os.close(life)
            os.close(ours)
            raise
        finally:
            os.close(told)
            os.close(theirs)
        return Born(pid, os.fdopen(ours, "wb", buffering=0), life)

    def _ask(self, wish: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        said = json.dumps(wish).encode()
        with self._lock:
            socket.send_fds(self._socket, [_NUMBER.pack(len(said))], descriptors)
            self._socket.sendall(said)
            pid = self._socket.recv(_NUMBER.size, socket.MSG_WAITALL)
        if len(pid) < _NUMBER.size:
            raise UnavailableError("the process that forks nodes has ended", code="no-start")
        number: int = _NUMBER.unpack(pid)[0]
        return number

    def _close(self) -> None:
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S_MAX)


_making: Final = threading.Lock()


@cache
def _nursery(_ours: int) -> _Nursery:
    return _Nursery()


def begin(
    arguments: Sequence[str],
    *,
    stdout: int,
    stderr: int,
    environment: Mapping[str, str],
    name: str,
) -> Born:
    """Begin a process that runs ``shouxin`` with some arguments.

    The first call of a process waits until the modules have been read.

    Args:
        arguments: Without the program's name.
        stdout: A descriptor; the caller closes its own.
        stderr: The same.
        environment: All of it.
        name: By which the system lists the process, where it lists names.

    Raises:
        UnavailableError: ``no-start``: nothing can be forked.
    """
    wish = {
        "arguments": list(arguments),
        "environment": dict(environment),
        "folder": str(Path.cwd()),
        "name": name,
    }
    try:
        with _making:
            nursery = _nursery(os.getpid())
        return nursery.begin(wish, [stdout, stderr])
    except OSError as error:
        raise UnavailableError(f"nothing can be forked: {error}", code="no-start") from error


# ---- the process that forks ----------------------------------------------------------------------


@dataclass(slots=True)
class _Parent:
    """Forks, and tells what has become of whom it forked.

    Args:
        caller: Who wishes; when it is gone, so are we.
        lives: Where the end of each is told.
    """

    caller: socket.socket
    lives: dict[int, int] = field(default_factory=dict)

    def serve(self) -> int:
        """Fork as often as is wished; return the exit status, in each of the processes."""
        signal.signal(signal.SIGCHLD, lambda _number, _frame: self._reap())
        while (wished := self._wished()) is not None:
            wish, descriptors = wished
            # Nobody's end is looked for before it is known who that is.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            if not (pid := os.fork()):
                self._forget()
                return _live(wish, descriptors)
            *given, self.lives[pid] = descriptors
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            for descriptor in given:
                os.close(descriptor)
            self.caller.sendall(_NUMBER.pack(pid))
        return 0

    def _wished(self) -> tuple[dict[str, Any], list[int]] | None:
        head, descriptors, _, _ = socket.recv_fds(self.caller, _NUMBER.size, 4)
        if not head:
            return None
        (size,) = _NUMBER.unpack(head)
        wish: dict[str, Any] = json.loads(self.caller.recv(size, socket.MSG_WAITALL))
        return wish, descriptors

    def _reap(self) -> None:
        while self.lives:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            life = self.lives.pop(pid)
            with suppress(BrokenPipeError):
                os.write(life, _NUMBER.pack(os.waitstatus_to_exitcode(status)))
            os.close(life)

    def _forget(self) -> None:
        """Have nothing in a forked process of what is the nursery's."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        self.caller.close()
        for life in self.lives.values():
            os.close(life)


def _live(wish: Mapping[str, Any], descriptors: Sequence[int]) -> int:
    """Be what was wished for; return the exit status."""
    from nodes.cli.main import main  # noqa: PLC0415 - our callers need nothing of it

    *given, life = descriptors
    os.close(life)
    for ours, theirs in enumerate(given):
        os.dup2(theirs, ours)
        os.close(theirs)
    os.setsid()
    os.environ.clear()
    os.environ.update(wish["environment"])
    os.chdir(wish["folder"])
    with suppress(OSError):
        Path("/proc/self/comm").write_bytes(wish["name"].encode()[:_NAME_BYTES_MAX])
    return main(wish["arguments"])


def _run() -> int:
    from importlib import import_module  # noqa: PLC0415 - the same

    *_, memory = [import_module(name) for name in _COMMON]
    memory.settle_memory()
    return _Parent(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    sys.exit(_run())
