"""What checks keep in memory is read again as soon as a commit has changed it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from authz.decision import CheckFacts
from ledger.kind import Fact, ViewFact
from nodes.adapters.readers import Readers
from nodes.api import recalled
from nodes.api.recalled import Recalled
from nodes.core.ready import PutFacts
from nodes.core.sight import INDEX_PAST_ALL
from nodes.snapshot import TOUCHED_ROWS_MAX, TOUCHED_STEPS_MAX, Place, Snapshot, Touched
from nodes.store.engine import create_schema, open_sqlite
from nodes.store.entries import LogIDs
from nodes.store.facts import insert_facts
from tests.nodes.town import Town, furnish

OWN, OTHER = "n.example/500000", "n.example/540000"
WINDOW, GRANT = "500000/window/w1", "540000/grant/1"


VIEW = ViewFact(4, bytes(32), OTHER, 9, bytes(32), 100)


class Kept:
    """Rows in a database, and what keeps them beside it."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        create_schema(engine)
        self.engine = engine
        self.readers = Readers(engine, 1)
        self.kept = Recalled(self.readers, LogIDs())
        self.touched = Touched()
        self.view = VIEW
        self.reads = 0
        original = recalled.newest

        def counted(*given: object) -> list[Fact | None]:
            self.reads += 1
            return original(*given)  # type: ignore[arg-type] # passed on as they are

        monkeypatch.setattr(recalled, "newest", counted)

    def commit(self, origin: str, object_: str, index: int, *, told: bool = True) -> None:
        with self.engine.begin() as connection:
            row = Fact(origin, object_, index, bytes(32), {"live": True})
            insert_facts(connection, LogIDs(), PutFacts((row,)))
        self.touched = self.touched.then([(origin, object_)] if told else [])

    def index(self, origin: str, object_: str, below: int = INDEX_PAST_ALL) -> int | None:
        self.kept.of(Snapshot(touched=self.touched), lambda _snapshot, _region: self.view)
        [row] = self.kept.rows([(origin, object_, below)])
        return None if row is None else row.index


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    engine = open_sqlite(None)
    made = Kept(engine, monkeypatch)
    yield made
    made.readers.close()
    engine.dispose()


def test_a_row_is_read_once_until_a_commit_gives_its_object_another(kept: Kept) -> None:
    assert kept.index(OWN, WINDOW) is None
    kept.commit(OWN, WINDOW, 3)
    assert kept.index(OWN, WINDOW) == 3
    kept.commit(OWN, "500000/case/1", 4)
    assert (kept.index(OWN, WINDOW), kept.reads) == (3, 2)
    kept.commit(OWN, WINDOW, 5)
    assert (kept.index(OWN, WINDOW), kept.reads) == (5, 3)


def test_what_stands_above_a_view_is_not_shown_under_it(kept: Kept) -> None:
    for index in (3, 7):
        kept.commit(OTHER, GRANT, index)
    assert [kept.index(OTHER, GRANT, below) for below in (8, 7, 3)] == [7, 3, None]


def test_whoever_was_away_for_too_many_commits_reads_everything_again(kept: Kept) -> None:
    kept.commit(OWN, WINDOW, 3)
    assert kept.index(OWN, WINDOW) == 3
    kept.commit(OWN, WINDOW, 4)
    for index in range(5, 5 + TOUCHED_STEPS_MAX):
        kept.commit(OWN, "500000/case/1", index)
    assert kept.index(OWN, WINDOW) == 4
    kept.commit(OWN, WINDOW, 99, told=False)
    kept.touched = kept.touched.all()
    assert kept.index(OWN, WINDOW) == 99


def test_what_was_gathered_holds_until_what_it_rests_on_has_changed(kept: Kept) -> None:
    key = (WINDOW, "540000/item/1", None, None)

    def gathered() -> bool:
        """Say whether it still was there, and gather it anew."""
        snapshot = Snapshot(touched=kept.touched)
        facts = kept.kept.of(snapshot, lambda _snapshot, _region: kept.view)
        was_there = key in facts
        kept.kept.rows([(OWN, WINDOW, INDEX_PAST_ALL)])
        kept.kept.rests_on("540000", kept.view)
        facts[key] = CheckFacts(window=None, item=None)
        return was_there

    assert [gathered(), gathered()] == [False, True]
    kept.commit(OWN, "500000/case/1", 4)
    assert gathered()
    kept.commit(OWN, WINDOW, 5)
    assert [gathered(), gathered()] == [False, True]
    kept.view = replace(VIEW, fresh_at_s=101)
    assert [gathered(), gathered()] == [False, True]


def test_an_answer_is_given_again_in_its_second_and_under_its_snapshot_and_no_longer(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Snapshot(touched=kept.touched), Snapshot(touched=kept.touched)
    question = (WINDOW, "intake", "540000/item/1", None, None, None)

    def answered(snapshot: Snapshot, now_s: int) -> bool:
        """Say whether it still was there, and give it anew."""
        answers = kept.kept.answers(snapshot, now_s)
        was_there = question in answers
        answers[question] = b"yes"
        return was_there

    assert [answered(first, 100), answered(first, 100)] == [False, True]
    assert [answered(first, 101), answered(first, 101)] == [False, True]
    assert [answered(second, 101), answered(second, 101)] == [False, True]
    monkeypatch.setattr(recalled, "RECALLED_MAX", 1)
    assert not answered(second, 101)


def test_a_step_that_writes_too_much_to_remember_may_have_written_anything() -> None:
    few: list[Place] = [(OWN, WINDOW)]
    touched = Touched().then(few)
    assert list(touched.since(0) or ()) == few
    assert list(touched.then(few * TOUCHED_ROWS_MAX).then(few).since(2) or ()) == few
    assert touched.then(few * TOUCHED_ROWS_MAX).then(few).since(1) is None
    assert touched.since(2) is None


def test_a_commit_tells_which_objects_it_gave_rows_to() -> None:
    town = Town("500000")
    town.start()
    furnish(town, "500000")
    before = town.node("500000").snapshot.touched
    name = "500000/department/another"
    town.act("500000", "party.enrol", name, {"name": "部门"})
    after = town.node("500000").snapshot.touched
    assert (town.origin("500000"), name) in list(after.since(before.number) or ())
