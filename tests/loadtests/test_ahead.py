"""Processes that run before others while they are measured, and as always afterwards."""

import os
import subprocess
import sys
import threading

import pytest

from loadtests.ahead import ahead_of_others

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="classes of scheduling are Linux's")


def may_go_first() -> bool:
    if sys.platform != "linux":
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


@pytest.mark.skipif(not may_go_first(), reason="needs the right to go first")
def test_all_threads_go_first_and_then_as_always_those_begun_meanwhile_too() -> None:
    seen, begun, over = [], threading.Event(), threading.Event()

    def other() -> None:
        seen.append(os.sched_getscheduler(threading.get_native_id()))
        begun.set()
        over.wait(5)
        seen.append(os.sched_getscheduler(threading.get_native_id()))

    with ahead_of_others([os.getpid()]) as allowed:
        assert allowed
        assert os.sched_getscheduler(0) == os.SCHED_RR
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait(5)
    over.set()
    thread.join()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert seen == [os.SCHED_RR, os.SCHED_OTHER]


@pytest.mark.skipif(not may_go_first(), reason="needs the right to go first")
def test_who_was_run_otherwise_before_is_so_again() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        os.sched_setscheduler(other.pid, os.SCHED_BATCH, os.sched_param(0))
        with ahead_of_others([other.pid]) as allowed:
            assert allowed
            assert os.sched_getscheduler(other.pid) == os.SCHED_RR
        assert os.sched_getscheduler(other.pid) == os.SCHED_BATCH
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
        other.kill()


def test_where_we_may_not_go_first_all_is_as_always(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with ahead_of_others([os.getpid()]) as allowed:
        assert not allowed


def test_a_process_that_has_gone_is_no_error() -> None:
    with ahead_of_others([2**22 + 1]):
        pass
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
