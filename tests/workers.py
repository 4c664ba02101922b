"""Tests are collected once, and then shared out among forks of the process that has collected them.

To collect is a tenth of all the work there is: modules are read, and seven thousand tests are made.
A fork begins with all of that.

A bundle is what one worker runs, for its fixtures: the tests of one file, or of several. Workers
take the next bundle from a pipe, in order, one ahead of what they run.
"""

import contextlib
import os
import pickle
import signal
import struct
import traceback
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

Bundle = list[pytest.Item]

_NUMBER = struct.Struct("!i")


def bundles_of(items: Sequence[pytest.Item], scope: Callable[[pytest.Item], str]) -> list[Bundle]:
    """The tests by what they share, in their order."""
    return [list(bundle) for _, bundle in groupby(items, scope)]


def run_in_forks(session: pytest.Session, bundles: Sequence[Bundle], count: int) -> None:
    """Run all bundles in so many forks, and report what they report.

    Raises:
        pytest.Session.Failed: A worker has ended before its time, or enough tests have failed.
    """
    queue, filling = os.pipe()
    os.write(filling, b"".join(_NUMBER.pack(number) for number in range(len(bundles))))
    os.close(filling)
    # All of them use one folder, in which each makes its own.
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    workers: dict[Connection, int] = {}
    for number in range(min(count, len(bundles))):
        ours, theirs = Pipe(duplex=False)
        if not (pid := os.fork()):
            ours.close()
            for other in workers:
                other.close()
            _work(session, bundles, queue, theirs, number)
        theirs.close()
        workers[ours] = pid
    os.close(queue)
    try:
        _report(session, workers)
    except BaseException:
        for pid in workers.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        raise
    finally:
        for connection, pid in workers.items():
            connection.close()
            os.waitpid(pid, 0)


# ---- who reports ---------------------------------------------------------------------------------


def _report(session: pytest.Session, workers: dict[Connection, int]) -> None:
    """Take what the workers say until all have said everything."""
    hook = session.config.hook
    left = dict.fromkeys(item.nodeid for item in session.items)
    talking = set(workers)
    while talking:
        for connection in wait(talking):
            try:
                data = pickle.loads(connection.recv_bytes())  # noqa: S301 - a fork of ours
            except EOFError:
                talking.discard(connection)  # type: ignore[arg-type]
                continue
            if isinstance(data, str):
                session.shouldfail = f"a worker has failed\n{data}"
                raise session.Failed(session.shouldfail)
            report = hook.pytest_report_from_serializable(config=session.config, data=data)
            hook.pytest_runtest_logreport(report=report)
            if report.when == "teardown":
                left.pop(report.nodeid, None)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
    if left:
        first = next(iter(left))
        session.shouldfail = f"a worker has ended, and {len(left)} tests were not run: {first}"
        raise session.Failed(session.shouldfail)


# ---- who works -----------------------------------------------------------------------------------


class _Telling:
    """Tells every report to who has forked us."""

    def __init__(self, config: pytest.Config, to: Connection) -> None:
        self._config = config
        self._to = to

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook = self._config.hook
        data = hook.pytest_report_to_serializable(config=self._config, report=report)
        self._to.send_bytes(pickle.dumps(data))


def _work(
    session: pytest.Session, bundles: Sequence[Bundle], queue: int, to: Connection, number: int
) -> None:
    """Run bundles until there are no more, and end."""
    status = 1
    try:
        os.environ["SHOUXIN_TEST_WORKER"] = str(number)
        manager = session.config.pluginmanager
        manager.unregister(name="terminalreporter")
        # What is written while tests run goes to a file, which forks would share.
        capture: Any = manager.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        manager.register(_Telling(session.config, to))
        _run(session, _taken(bundles, queue))
        status = 0
    except KeyboardInterrupt:
        session._setupstate.teardown_exact(None)
    except BaseException:  # noqa: BLE001 - told, and then it is over
        with contextlib.suppress(OSError):
            to.send_bytes(pickle.dumps(traceback.format_exc()))
    finally:
        # Nothing that was to be done at the end of who has forked us is done here.
        os._exit(status)


def _taken(bundles: Sequence[Bundle], queue: int) -> Iterator[pytest.Item]:
    while said := os.read(queue, _NUMBER.size):
        yield from bundles[_NUMBER.unpack(said)[0]]


def _run(session: pytest.Session, items: Iterator[pytest.Item]) -> None:
    """Run tests as pytest's own loop does; which fixtures go is known from the test after."""
    item = next(items, None)
    while item is not None:
        after = next(items, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        item = after
