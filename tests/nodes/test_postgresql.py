"""A database on PostgreSQL: one writer at a time, and what the server must promise."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from authz.tally import Figure, tallies
from ledger.errors import FatalError, MalformedError
from ledger.hashing import EMPTY_ROOT
from nodes.adapters.fence_file import FileFence, SharedFence
from nodes.core.effects import Effects
from nodes.core.ready import PutMemory
from nodes.ports import FenceMark
from nodes.store import notes, postgresql
from nodes.store.apply import apply
from nodes.store.engine import (
    WRITER,
    Store,
    check_undone,
    create_schema,
    driver_errors,
    is_lost,
    open_store,
    trouble,
)
from nodes.store.entries import LogIDs
from nodes.store.postgresql import LostCommitError, LostSessionError
from nodes.store.tallies import Sums, promised_days
from tests.nodes.postgres import Cluster, end_writer
from tests.nodes.waiting import until


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.new_database()


@pytest.fixture
def pair(url: str) -> Iterator[tuple[Store, Store]]:
    """One database as two processes open it."""
    stores = open_store(Path(), url), open_store(Path(), url)
    create_schema(stores[0].writing)
    yield stores
    for store in stores:
        store.close()


@contextlib.contextmanager
def writing(store: Store) -> Iterator[Connection]:
    with store.writing.connect() as plain:
        connection = plain.execution_options(**{WRITER: True})
        with connection.begin():
            yield connection


def write(store: Store, name: str) -> None:
    with writing(store) as connection:
        apply(connection, LogIDs(), [PutMemory(name, b"1")])


def names(store: Store) -> set[str]:
    with store.reading.connect() as connection:
        return set(notes.load_memory(connection))


def won(store: Store) -> bool:
    assert store.election is not None
    return store.election.win()


# ---- who writes ----------------------------------------------------------------------------------


def test_one_process_writes_until_it_closes(pair: tuple[Store, Store]) -> None:
    first, second = pair
    assert won(first)
    assert won(first)
    assert not won(second)
    write(first, "a")
    assert names(second) == {"a"}
    first.close()
    assert won(second)
    write(second, "b")
    assert names(second) == {"a", "b"}


def test_the_sums_of_a_work_ledger_are_those_of_sqlite(
    pair: tuple[Store, Store], tmp_path: Path
) -> None:
    """The same acts counted by both: by unit, by detail, by day, and the grants that were used."""
    effects = Effects()
    grant = {"st": "offered", "ans": "accepted", "from": 0, "until": 10**9}
    for at in range(40):
        used = {"dept": "5/d", "item": "5/i", "grant": f"5/grant/{at % 3}", "unit": "5/w"}
        used |= {"term": [5, at // 10], "result": "granted"}
        day_s = at // 10 * 86_400
        for kind in ("case.open", "case.decide"):
            effects.tally(at, at, tallies(kind, "5/case/c", day_s, {}, used, ()))
        lent = tallies("grant.offer", f"5/grant/{at % 8}", 0, {}, grant, ())
        effects.tally(0, 1, lent if at < 8 else ())
    told = []
    assert won(pair[0])
    file = open_store(tmp_path / "node.db")
    create_schema(file.writing)
    for store in (pair[0], file):
        ids = LogIDs()
        with writing(store) as connection:
            apply(connection, ids, effects.tallied("n/5"))
        with store.reading.connect() as connection:
            sums = Sums(connection, ids, {"n/5": 30})
            told.append(
                (
                    promised_days(connection),
                    sorted(sums.by_unit(Figure, 0, 9)),
                    sorted(sums.by_detail("promised/0005", 0, 9)),
                    sorted(sums.by_day("over/0005", 0, 9)),
                    sums.lent(0, 9),
                )
            )
    file.close()
    assert told[0] == told[1]
    assert [(it.number, it.used) for it in told[0][4]] == [(8, 3)]
    assert sum(it.number for it in told[0][1] if it.figure == Figure.DECIDED) == 30


def test_who_never_won_cannot_write(pair: tuple[Store, Store]) -> None:
    first, second = pair
    assert won(first)
    with pytest.raises(FatalError):
        write(second, "b")
    assert names(first) == set()


def test_a_writer_whose_session_was_ended_commits_nothing(
    pair: tuple[Store, Store], cluster: Cluster, url: str
) -> None:
    first, second = pair
    assert won(first)
    with first.writing.connect() as plain:
        connection = plain.execution_options(**{WRITER: True})
        transaction = connection.begin()
        apply(connection, LogIDs(), [PutMemory("a", b"1")])
        end_writer(cluster, url)
        until(lambda: won(second))
        with pytest.raises(driver_errors(first.writing)) as caught:
            transaction.commit()
        assert is_lost(caught.value)
        transaction.rollback()
    with pytest.raises(FatalError):
        write(first, "a")
    write(second, "b")
    assert names(second) == {"b"}


def test_a_writer_whose_lock_went_lost_unseen_commits_nothing(pair: tuple[Store, Store]) -> None:
    first, second = pair
    assert won(first)
    with first.writing.begin() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
    assert won(second)
    with pytest.raises(FatalError, match="has begun to write"):
        write(first, "a")
    assert names(second) == set()


def test_who_takes_over_waits_for_a_transaction_that_may_still_commit(
    pair: tuple[Store, Store],
) -> None:
    first, second = pair
    assert won(first)
    results: list[bool] = []
    with writing(first) as connection:
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        thread = threading.Thread(target=lambda: results.append(won(second)))
        thread.start()
        thread.join(0.5)
        assert not results
        apply(connection, LogIDs(), [PutMemory("a", b"1")])
    thread.join(5)
    assert results == [True]
    assert names(second) == {"a"}


def test_a_writer_takes_its_right_back_and_is_told_once_to_load_anew(
    pair: tuple[Store, Store], cluster: Cluster, url: str
) -> None:
    first, _ = pair
    assert won(first)
    write(first, "a")
    end_writer(cluster, url)
    with pytest.raises(driver_errors(first.writing)) as caught:
        write(first, "b")
    assert is_lost(caught.value)
    with pytest.raises(LostSessionError):
        write(first, "b")
    write(first, "c")
    assert names(first) == {"a", "c"}


def test_a_session_that_is_gone_is_noticed_without_a_write(
    url: str, cluster: Cluster, tmp_path: Path
) -> None:
    fence = SharedFence(tmp_path / "fence")
    store = open_store(Path(), url, hold=fence.hold, let_go=fence.let_go)
    create_schema(store.writing)
    assert won(store)
    fence.store(FenceMark(1, 0, EMPTY_ROOT))
    end_writer(cluster, url)
    assert store.election is not None
    with pytest.raises(driver_errors(store.writing)) as caught:
        store.election.check_session()
    assert is_lost(caught.value)
    with pytest.raises(FatalError):
        fence.load()
    store.election.check_session()
    assert fence.load() == FenceMark(1, 0, EMPTY_ROOT)
    store.close()
    FileFence.open(tmp_path / "fence").close()


def test_without_the_fence_nobody_writes(url: str, tmp_path: Path) -> None:
    held = FileFence.open(tmp_path / "fence")
    fence = SharedFence(tmp_path / "fence")
    store = open_store(Path(), url, hold=fence.hold, let_go=fence.let_go)
    other = open_store(Path(), url)
    create_schema(store.writing)
    assert not won(store)
    # It does not keep the right that it cannot use.
    assert won(other)
    other.close()
    held.store(FenceMark(7, 0, EMPTY_ROOT))
    held.close()
    assert won(store)
    assert fence.load() == FenceMark(7, 0, EMPTY_ROOT)
    store.close()


def test_a_commit_that_the_server_refused_did_not_happen(pair: tuple[Store, Store]) -> None:
    first, _ = pair
    assert won(first)
    with first.writing.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE once (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
        )
    with first.writing.connect() as connection:
        transaction = connection.begin()
        connection.exec_driver_sql("INSERT INTO once VALUES (1), (1)")
        with pytest.raises(driver_errors(first.writing)) as caught:
            transaction.commit()
        check_undone(connection, caught.value)


def test_a_commit_whose_session_ended_may_have_happened(
    pair: tuple[Store, Store], cluster: Cluster, url: str
) -> None:
    first, _ = pair
    assert won(first)
    with first.writing.connect() as connection:
        transaction = connection.begin()
        connection.execute(select(1))
        end_writer(cluster, url)
        with pytest.raises(driver_errors(first.writing)) as caught:
            transaction.commit()
        with pytest.raises(LostCommitError) as told:
            check_undone(connection, caught.value)
        found = trouble(told.value)
        assert found is not None
        assert found[0] == "unknown-outcome"
        transaction.rollback()


# ---- what the server promises --------------------------------------------------------------------


def test_a_weaker_commit_is_made_durable_for_the_writer(cluster: Cluster, url: str) -> None:
    name = url.rpartition("/")[2]
    for weak in ("off", "local", "remote_write"):
        cluster.execute(f"ALTER DATABASE {name} SET synchronous_commit = {weak}", "postgres")
        store = open_store(Path(), url)
        with store.writing.connect() as connection:
            shown = connection.exec_driver_sql("SHOW synchronous_commit").scalar()
        assert shown == "on", weak
        store.close()


def test_a_server_that_forgets_is_refused(own_cluster: Cluster) -> None:
    for setting in ("fsync", "full_page_writes"):
        own_cluster.execute(f"ALTER SYSTEM SET {setting} = off", "postgres")
        own_cluster.stop()
        own_cluster.start()
        store = open_store(Path(), own_cluster.url("postgres"))
        with pytest.raises(MalformedError, match="fsync"):
            create_schema(store.writing)
        store.close()
        own_cluster.execute(f"ALTER SYSTEM RESET {setting}", "postgres")


def test_a_url_is_never_repeated() -> None:
    for bad in ("postgresql+psycopg://u:secret@h:port/x", "postgresql+other://u:secret@h/x"):
        with pytest.raises(MalformedError) as caught:
            open_store(Path(), bad)
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_two_processes_may_create_the_tables_at_once(url: str) -> None:
    stores = [open_store(Path(), url) for _ in range(3)]
    failed: list[Exception] = []

    def create(store: Store) -> None:
        try:
            create_schema(store.writing)
        except Exception as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=create, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with stores[0].reading.connect() as connection:
        assert notes.load_commit(connection) == 0
        assert connection.execute(select(postgresql.writer.c.term)).all() == [(0,)]
    for store in stores:
        store.close()
