"""The simulated disk keeps what was committed, and nothing else."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from nodes.ports import FenceMark
from nodes.store.engine import LostCommitError, check_undone, trouble
from simulator.disk import Disk, Fault, SimulatedCrashError
from simulator.world import BrokenError


def made() -> Disk:
    disk = Disk()
    with disk.engine.begin() as connection:
        connection.execute(text("CREATE TABLE words (word TEXT)"))
    return disk


def write(disk: Disk, word: str) -> None:
    with disk.engine.begin() as connection:
        connection.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})


def words(disk: Disk) -> list[str]:
    return [word for (word,) in disk.database.execute("SELECT word FROM words ORDER BY word")]


def test_what_was_committed_outlives_a_crash() -> None:
    disk = made()
    write(disk, "kept")
    disk.settle()
    assert words(disk) == ["kept"]


def test_a_crash_before_the_commit_leaves_nothing() -> None:
    disk = made()
    disk.arm(Fault.CRASH_BEFORE_COMMIT)
    with pytest.raises(SimulatedCrashError):
        write(disk, "lost")
    disk.settle()
    assert words(disk) == []


@pytest.mark.parametrize("fault", [Fault.COMMIT_BUSY, Fault.COMMIT_FULL])
def test_a_commit_that_failed_leaves_nothing_and_the_next_one_works(fault: Fault) -> None:
    disk = made()
    disk.arm(fault)
    with pytest.raises(OperationalError):
        write(disk, "lost")
    assert disk.struck is fault
    write(disk, "kept")
    assert words(disk) == ["kept"]


def test_a_commit_of_unknown_outcome_may_have_happened() -> None:
    disk = made()
    disk.arm(Fault.COMMIT_UNKNOWN)
    with pytest.raises(OperationalError):
        write(disk, "there all the same")
    disk.settle()
    assert words(disk) == ["there all the same"]


@pytest.mark.parametrize(
    ("fault", "there"),
    [(Fault.SESSION_LOST_DONE, ["in the end"]), (Fault.SESSION_LOST_UNDONE, [])],
)
def test_a_session_lost_in_a_commit_leaves_it_to_the_database_to_tell(
    fault: Fault, there: list[str]
) -> None:
    disk = made()
    with disk.engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(text("INSERT INTO words VALUES ('in the end')"))
        disk.arm(fault)
        with pytest.raises(OperationalError) as lost:
            transaction.commit()
        with pytest.raises(LostCommitError):
            check_undone(connection, lost.value)
    assert words(disk) == there
    write(disk, "kept")
    assert words(disk) == [*there, "kept"]


def test_a_statement_fails_once_and_only_where_the_node_says_it() -> None:
    disk = made()
    disk.arm(Fault.STATEMENT_FAILED, 1)
    write(disk, "by another")
    with disk.in_use():
        write(disk, "the first of the node's")
        with pytest.raises(OperationalError) as failed:
            write(disk, "lost")
        write(disk, "the third")
    assert trouble(failed.value) == ("busy", "the database is in use, 40P01")
    assert disk.struck is Fault.STATEMENT_FAILED
    assert words(disk) == ["by another", "the first of the node's", "the third"]


def test_a_server_that_is_away_answers_no_node_and_is_back() -> None:
    disk = made()
    disk.is_away = True
    with disk.in_use(), pytest.raises(OperationalError) as away:
        write(disk, "lost")
    assert trouble(away.value) == ("busy", "the database cannot be reached")
    write(disk, "seen by whoever looks on")
    disk.is_away = False
    with disk.in_use():
        write(disk, "kept")
    assert words(disk) == ["kept", "seen by whoever looks on"]


def test_a_crash_before_the_fence_leaves_the_old_mark() -> None:
    disk = made()
    first, second = FenceMark(1, 1, b"a" * 32), FenceMark(2, 2, b"b" * 32)
    disk.store(first)
    disk.arm(Fault.CRASH_BEFORE_FENCE)
    with pytest.raises(SimulatedCrashError):
        disk.store(second)
    assert disk.load() == first


def test_no_handler_of_exceptions_survives_a_simulated_crash() -> None:
    assert not issubclass(SimulatedCrashError, Exception)


def test_where_nothing_goes_wrong_nothing_is_undone_unseen() -> None:
    disk = Disk(undoes=False)
    with disk.engine.begin() as connection:
        connection.execute(text("CREATE TABLE words (word TEXT)"))
    write(disk, "kept")
    with disk.engine.connect() as connection:
        assert connection.execute(text("SELECT word FROM words")).all() == [("kept",)]
    connection = disk.engine.connect()
    connection.execute(text("INSERT INTO words VALUES ('given up')"))
    with pytest.raises(BrokenError, match="was undone"):
        disk.settle()
    with pytest.raises(BrokenError, match="was undone"):
        connection.rollback()
