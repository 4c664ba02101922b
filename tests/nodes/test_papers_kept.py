"""What becomes of papers when a process ends between two steps, and where keys lie."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.encoding import encode
from ledger.errors import (
    LedgerError,
    MalformedError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from nodes.adapters import press
from nodes.adapters.draft_store import DraftStore
from nodes.adapters.held_seals import HeldSeal, PaperKey, Pending, SealKey
from nodes.adapters.keystore import KeyStore
from nodes.adapters.random import randomness
from nodes.adapters.seal_store import SealStore
from nodes.api import papers
from seals.report import Verdict
from seals.sm2 import USER_ID
from tests.nodes.live import NOW_S
from tests.nodes.papers import HEAD, HERE, KEEPER, OTHER, SEAL, Office, one_office, verdicts


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with one_office(tmp_path_factory.mktemp("papers_kept")) as made:
        yield made


def test_what_was_signed_and_not_recorded_is_recorded_before_the_next(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = papers._record

    async def away(*_args: object) -> int:
        raise UnavailableError("the node is busy", code="busy")

    monkeypatch.setattr(papers, "_record", away)
    with pytest.raises(UnavailableError):
        office.draw(seal=OTHER)
    counted = office.counted(OTHER)
    assert counted["unrecorded"] is not None
    assert counted["signatures"] == office.uses(OTHER) + 1
    monkeypatch.setattr(papers, "_record", record)
    forget(office)
    made = office.draw(seal=OTHER)
    assert made["subject"] != counted["unrecorded"]
    assert office.use(counted["unrecorded"])["st"] == "used"
    after = office.counted(OTHER)
    assert after["unrecorded"] is None
    assert after["signatures"] == counted["signatures"] + 1 == office.uses(OTHER)


def forget(office: Office) -> None:
    """Leave the desk with what lies on disk, as a restart does."""
    desk = office.live.nodes[HERE].service.desk
    desk.drafts.clear()
    desk.store = DraftStore(desk.store._folder)


def test_a_draft_outlives_the_process_and_is_sealed_as_it_was_approved(office: Office) -> None:
    for form in ("pdf", "ofd"):
        told, signed = office.draw(format=form), office.counted()["signatures"]
        office.approve(told)
        forget(office)
        made = office.seal(told["draft"])
        forget(office)
        # The use is on the ledger and the caller never got the file: it can be had again.
        assert office.seal(told["draft"]) == made
        assert office.counted()["signatures"] == signed + 1 == office.uses()


def test_a_crash_after_signing_leaves_the_file_and_signs_nothing_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, signed = office.draw(format="ofd"), office.counted()["signatures"]
    office.approve(told)
    store = office.store
    write = store._write

    def dies(seal: str, journal: Any) -> None:
        if journal.pending is not None and journal.pending.body["document"] != bytes.fromhex(
            told["draft"]
        ):
            raise OSError("the process ended")
        write(seal, journal)

    monkeypatch.setattr(store, "_write", dies)
    with pytest.raises(LedgerError):
        office.seal(told["draft"])
    monkeypatch.setattr(store, "_write", write)
    assert office.counted()["unrecorded"] == told["subject"]
    forget(office)
    made = office.seal(told["draft"])
    assert verdicts(office, made["file"]) == [Verdict.VALID]
    assert office.use(told["subject"])["doc"] == made["document"]
    assert office.counted() == {"seal": SEAL, "signatures": signed + 1, "unrecorded": None}
    assert office.counted()["signatures"] == office.uses()


def test_a_keeper_finds_the_papers_that_are_kept_and_nobody_else_s(office: Office) -> None:
    told = office.draw(format="ofd")

    async def ask(party: str) -> list[dict[str, Any]]:
        async with office.live.client(HERE, office.tokens[party]) as client:
            return await client.papers()

    found = {it["draft"]: it for it in office.live.run(ask(KEEPER))}
    assert found[told["draft"]]["subject"] == told["subject"]
    assert found[told["draft"]]["sealed"] is False
    assert office.live.run(ask(HEAD)) == []


def test_a_file_that_was_lost_on_the_way_is_a_use_too_and_its_number_is_not_used_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = office.draw()
    office.approve(told)
    signed = office.counted()["signatures"]
    real = press.seal

    def breaks(*given: Any) -> Any:
        work = real(*given)

        def broken(*lent: Any) -> bytes:
            work(*lent)
            raise UnavailableError("the thread ended", code="busy")

        return broken

    monkeypatch.setattr(press, "seal", breaks)
    with pytest.raises(UnavailableError):
        office.seal(told["draft"])
    assert office.counted()["unrecorded"] == told["subject"]
    monkeypatch.setattr(press, "seal", real)
    with pytest.raises(RefusedError) as caught:
        office.seal(told["draft"])
    assert caught.value.code == "exists"
    assert office.use(told["subject"])["doc"] == told["draft"]
    assert office.counted() == {"seal": SEAL, "signatures": signed + 1, "unrecorded": None}
    assert office.counted()["signatures"] == office.uses()


def test_keys_at_rest_open_under_their_own_name_and_secret_alone(tmp_path: Path) -> None:
    keys = KeyStore.create(tmp_path / "keys", b"a secret of the office", randomness)
    store = SealStore(keys)
    for seal in (SEAL, OTHER):
        store.make_trial(
            seal, name="民政厅", code="51000000000001", picture=b"\x89PNG", now_s=NOW_S
        )
    with pytest.raises(RefusedError) as caught:
        store.make_trial(SEAL, name="民", code="51000000000001", picture=b"", now_s=NOW_S)
    assert caught.value.code == "exists"
    homes = [tmp_path / "keys" / "seals" / it.replace("/", ".") for it in (SEAL, OTHER)]
    for path in homes[0].iterdir():
        assert path.stat().st_mode & 0o077 == 0
    pending = Pending(subject="x", officer=KEEPER, body={"draft": bytes(32)})

    def work(_held: HeldSeal, key: SealKey, _paper_key: PaperKey) -> bytes:
        return key.sign(bytes(32), user_id=USER_ID)

    (homes[0] / "seal.p8").write_bytes((homes[1] / "seal.p8").read_bytes())
    with pytest.raises(UnverifiedError):
        store.sign(SEAL, pending, work)
    assert store.journal(SEAL).signatures == 0
    assert store.sign(OTHER, pending, work)
    assert store.journal(OTHER).signatures == 1
    other = SealStore(KeyStore.open(tmp_path / "keys", b"another secret, wrong", randomness))
    other.recorded(OTHER, "x")
    with pytest.raises(UnverifiedError):
        other.sign(OTHER, pending, work)
    (homes[1] / "signatures.cbor").write_bytes(encode(["many"]))
    with pytest.raises(MalformedError):
        store.journal(OTHER)


def test_only_an_operator_makes_seals_and_only_where_trials_are_allowed(office: Office) -> None:
    async def ask(token: str | None, seal: str) -> None:
        async with office.live.client(HERE, token) as client:
            await client.make_seal(seal, "民政厅")

    for token, seal, code in (
        (office.tokens[KEEPER], f"{HERE}/seal/new", "wrong-role"),
        (None, "500000/seal/new", "not-competent"),
        (None, f"{HERE}/window/w3", "bad-field"),
        (None, SEAL, "exists"),
    ):
        with pytest.raises(LedgerError) as caught:
            office.live.run(ask(token, seal))
        assert caught.value.code == code
    desk = office.live.nodes[HERE].service.desk
    desk.trial = False
    try:
        with pytest.raises(RefusedError) as refused:
            office.live.run(ask(None, f"{HERE}/seal/new"))
    finally:
        desk.trial = True
    assert refused.value.code == "no-trial"
