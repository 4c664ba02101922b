"""Nodes of a roster that names sm2-sm3: officers sign with SM2, and everybody judges alike."""

import contextlib
import secrets
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from authz.party import key_object_of_kid
from authz.replay import Place, Replay
from ledger.epochs import Epoch, Epochs
from ledger.errors import FatalError, UnavailableError
from ledger.keys import key_thumbprint
from ledger.kind import Fact
from ledger.note import Note, check_signed
from ledger.roster_chain import RosterChain
from ledger.signed_roster import SignedRoster, sign_roster
from ledger.sm2_note import SM2NoteKey
from ledger.statement import Act, decode_statement, sign_statement
from ledger.suites import CheckSM2, no_sm2
from nodes.adapters.key_ring import KeyRing
from nodes.adapters.keystore import KeyStore, StoredOfficers
from nodes.adapters.sm2 import open_sm2
from nodes.api.serve import _open_keys
from nodes.cli import verify
from nodes.cli.verify import check
from nodes.config import load_config
from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.projection import Projection
from nodes.core.rosters import Rosters
from nodes.core.sight import Sight
from nodes.node import Ports
from nodes.store.reader import StoreReader
from nodes.verifier import Verifier
from seals.sm2 import SM2StatementKey, statement_check
from tests.authz.refusals import refused
from tests.nodes import neighbours, town
from tests.nodes.live import live
from tests.nodes.town import Town, furnish
from tests.seals.office import SM2
from tests.seals.office import key as sm2_key

if TYPE_CHECKING:
    from ledger.roster import Roster

A, B = "510000", "520000"
CLERK = f"{A}/officer/sm2"
KEY = SM2StatementKey(sm2_key(CLERK))
CHECK = statement_check(SM2)
BODY = {
    "unit": f"{A}/department/d",
    "key": KEY.public,
    "suite": "sm2-sm3",
    "holder": "region",
    "roles": ["grant", "manage", "receive"],
}
ITEM = {
    "version": 1,
    "title": "事项",
    "code": "000131127004",
    "department": f"{A}/department/d",
    "materials": ["form", "photo"],
    "days": 20,
}


class SuiteTown(Town):
    """A town whose roster names the suite, unless told otherwise."""

    def __init__(self, *regions: str, suites: tuple[str, ...] = ("sm2-sm3",)) -> None:
        super().__init__(*regions)
        self.roster: Roster = replace(self.roster, suites=suites)
        governance = {region: neighbours.key(region, "governance") for region in regions}
        self.signed = sign_roster(self.roster, governance).encode()
        self.chain = RosterChain.check([self.signed])


@pytest.fixture(autouse=True)
def _sm2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(town, "Ports", lambda **given: Ports(**given, sm2=CHECK))


def officers(*regions: str, **more: Any) -> SuiteTown:
    made = SuiteTown(*regions, **more)
    made.start()
    furnish(made, A)
    return made


def enrolled(*regions: str) -> SuiteTown:
    made = officers(*regions)
    made.houses[A].officers.keys[CLERK] = KEY  # type: ignore[assignment]
    made.act(A, "party.enrol", CLERK, BODY)
    return made


def test_an_officers_sm2_acts_are_recorded_and_every_node_judges_them_good() -> None:
    made = enrolled(A, B)
    index = made.act(A, "item.publish", f"{A}/item/i", ITEM, CLERK)
    made.rounds()
    origin = made.origin(A)
    row = made.fact(B, origin, f"{A}/key/{key_thumbprint(KEY.public).hex()[:32]}")
    assert row.state == {"live": True, "party": CLERK, "key": KEY.public, "suite": "sm2-sm3"}
    assert made.findings(A) == made.findings(B) == []
    assert made.fact(B, origin, f"{A}/item/i").index == index
    entry = made.register(A, own_act(made, ITEM | {"version": 2}))[0].entry
    assert decode_statement(entry or b"").algorithm == -65_537


def own_act(made: SuiteTown, body: dict[str, Any], key: SM2StatementKey = KEY) -> Any:
    """An act that the officer signs by themselves."""
    before = made.fact(A, made.origin(A), f"{A}/item/i")
    previous = None if before is None else before.leaf
    time_s = made.clock.ms // 1000
    act = Act("item.publish", 1, previous, (), body)
    return sign_statement(key, CLERK, f"{A}/item/i", time_s, act)


def test_a_verifier_takes_sm2_where_the_roster_names_it_and_nowhere_else() -> None:
    made = enrolled(A)
    good = own_act(made, ITEM)
    stolen = own_act(made, ITEM, SM2StatementKey(sm2_key("thief")))
    broken = good.entry[:-1] + bytes((good.entry[-1] ^ 1,))
    codes = {}
    for roster in (made.roster, replace(made.roster, suites=())):
        verifier = Verifier(iter((roster,)).__next__, made.origin(A), sm2=CHECK)
        with made.houses[A].engine.connect() as connection:
            results = verifier.verify(connection, [good.entry, stolen.entry, broken])
        codes[roster.suites] = [getattr(result, "code", "good") for result in results]
    assert codes == {
        ("sm2-sm3",): ["good", "unknown-key", "bad-signature"],
        (): ["suite-not-named", "unknown-key", "suite-not-named"],
    }


def test_an_entry_of_a_suite_that_the_roster_does_not_name_any_more_is_refused() -> None:
    made = enrolled(A)
    good = decode_statement(own_act(made, ITEM).entry)
    for suites, code in ((("sm2-sm3",), None), ((), "suite-not-named")):
        roster = replace(made.roster, suites=suites)
        signed = sign_roster(roster, {A: neighbours.key(A, "governance")}).encode()
        rosters = Rosters(RosterChain.check([signed]))
        projection = Projection(Ground(rosters, KINDS, Sight(10), lambda _: None, sm2=CHECK))
        with made.houses[A].engine.connect() as connection:
            reader = StoreReader(connection)
            if code is None:
                projection.acts.check_signature(roster, made.origin(A), good, reader)
                continue
            with refused(code):
                projection.acts.check_signature(roster, made.origin(A), good, reader)


def test_in_a_bundle_too_the_roster_says_whether_sm2_counts() -> None:
    made = enrolled(A)
    good = decode_statement(own_act(made, ITEM).entry)
    place = Place(made.origin(A), 9)
    row = {"live": True, "party": CLERK, "key": KEY.public, "suite": "sm2-sm3"}
    name = key_object_of_kid(A, good.kid)
    chain = SimpleNamespace(newest=SimpleNamespace(closed={}))
    for suites, check_ in ((("sm2-sm3",), contextlib.nullcontext()), ((), refused("signature"))):
        rosters = (replace(made.roster, suites=suites),)
        epochs = Epochs(place.origin, rosters, (Epoch(1, 0, 0),))
        log: Any = SimpleNamespace(issued={}, entries={}, epochs=epochs)
        bundle: Any = SimpleNamespace(logs={place.origin: log}, rosters=(), chain=chain)
        replay = Replay(bundle, KINDS, CHECK)
        replay._rows[place.origin, name] = [Fact(place.origin, name, 1, bytes(32), row)]
        with check_:
            replay._check_signature(place, good, log)


def test_no_sm2_key_is_enrolled_where_the_roster_does_not_name_the_suite() -> None:
    made = officers(A, suites=())
    with refused("suite-not-named"):
        made.act(A, "party.enrol", CLERK, BODY)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"suite": ...}, "bad-field"),
        ({"key": town.officer_key("x").public}, "bad-field"),
        ({"key": KEY.public[:-1]}, "bad-field"),
        ({"suite": "sm2"}, "bad-field"),
        ({"key": KEY.public[:-1] + bytes((KEY.public[-1] ^ 1,))}, "bad-key"),
    ],
    ids=range(5),
)
def test_an_enrolment_says_what_its_key_is(changes: dict[str, Any], code: str) -> None:
    body = {name: it for name, it in (BODY | changes).items() if it is not ...}
    with refused(code):
        officers(A).act(A, "party.enrol", CLERK, body)


def test_a_window_has_no_suite() -> None:
    made = officers(A)
    body = {"name": "窗口", "hall": f"{A}/hall/h", "department": f"{A}/department/d"}
    with refused("bad-field"):
        made.act(A, "party.enrol", f"{A}/window/w2", body | {"suite": "sm2-sm3"})


def test_an_officer_changes_from_ed25519_to_sm2_and_the_old_key_signs_nothing_more() -> None:
    made = officers(A)
    clerk = f"{A}/officer/manager"
    body = {"key": KEY.public, "suite": "sm2-sm3", "holder": "region", "reason": "换用国密"}
    made.act(A, "party.rekey", clerk, body)
    with refused("not-entitled"):
        made.act(A, "item.publish", f"{A}/item/i", ITEM, clerk)
    made.houses[A].officers.keys[clerk] = KEY  # type: ignore[assignment]
    made.act(A, "item.publish", f"{A}/item/i", ITEM, clerk)


def test_a_node_without_sm2_does_not_start_under_a_roster_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(town, "Ports", Ports)
    with refused("sm2-unavailable"):
        SuiteTown(A).start()
    SuiteTown(A, suites=()).start()


def test_a_node_whose_sm2_stops_answering_stops_and_calls_nothing_a_forgery() -> None:
    made = enrolled(A, B)
    made.act(A, "item.publish", f"{A}/item/i", ITEM, CLERK)

    def gone(_public: bytes, _message: bytes, _signature: bytes) -> None:
        no_sm2(b"", b"", b"")

    check: CheckSM2 = gone
    node = made.node(B)
    node._projection.ground._sm2 = check
    with pytest.raises(FatalError):
        made.rounds()
    node._projection.ground._sm2 = CHECK
    made.rounds()
    assert made.findings(B) == []


# ---- keys at rest -------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore.create(tmp_path / "keys", b"a secret of some length", secrets.token_bytes)


def test_an_officers_sm2_key_rests_encrypted_and_is_there_after_a_restart(
    store: KeyStore, tmp_path: Path
) -> None:
    held = StoredOfficers(store)
    public = held.make(CLERK, "sm2-sm3")
    assert held.make(CLERK, "sm2-sm3") == public
    again = KeyStore.open(tmp_path / "keys", b"a secret of some length", secrets.token_bytes)
    signer = StoredOfficers(again).signer(CLERK)
    assert signer is not None
    assert signer.public == public
    CHECK(public, b"message", signer.sign(b"message"))
    (file,) = (tmp_path / "keys/officers").iterdir()
    assert file.name == "510000.officer.sm2.p8"
    opened = open_sm2().load(file.read_bytes(), again.passphrase(f"officer/{CLERK}"))
    assert opened.public == public
    other = KeyStore.open(tmp_path / "keys", b"another secret of length", secrets.token_bytes)
    with refused("wrong-secret"):
        StoredOfficers(other).signer(CLERK)


def test_an_officer_has_one_key_in_the_store_of_one_suite(store: KeyStore) -> None:
    held = StoredOfficers(store)
    held.make(CLERK, "sm2-sm3")
    with refused("exists"):
        held.make(CLERK)
    held.make(f"{A}/officer/plain")
    with refused("exists"):
        held.make(f"{A}/officer/plain", "sm2-sm3")
    assert held.signer(f"{A}/officer/nobody") is None


# ---- real nodes ---------------------------------------------------------------------------------


def test_real_nodes_take_sm2_from_the_key_store_to_the_bundle_that_verifies_offline(
    tmp_path: Path,
) -> None:
    with live(tmp_path, 2, sm2=True) as nodes:
        region, other = nodes.founded.configs
        roster = nodes.founded.roster
        officer, case = f"{region}/officer/sm2", f"{region}/case/1"
        item, unit = f"{region}/item/i", f"{region}/department/d"

        async def tell() -> dict[str, Any]:
            async with nodes.client(region) as client:
                key = await client.make_officer_key(officer, "sm2-sm3")
                with refused("bad-field"):
                    await client.make_officer_key(officer, "sm2")
                await client.act("party.enrol", unit, {"name": "部门"})
                body = BODY | {"unit": unit, "key": key.hex(), "roles": ["grant", "receive"]}
                await client.act("party.enrol", officer, body)
                token = (await client.issue_token(officer, "authority"))["token"]
            async with nodes.client(region, token) as client:
                published = ITEM | {"department": unit}
                await client.act("item.publish", item, published, officer=officer)
                opened = {"item": item, "item_version": 1, "department": unit, "mode": "agency"}
                await client.act("case.open", case, opened, officer=officer, wait="replicated")
                told = {
                    "bundle": await client.bundle(case),
                    "note": await client.fetch("/log/checkpoint"),
                    "sm2": await client.fetch("/log/checkpoint.sm2"),
                    "again": await client.fetch("/log/checkpoint.sm2"),
                    "status": await client.status(),
                }
            async with nodes.client(other) as client:
                told["findings"] = await client.findings()
            return told

        told = nodes.run(tell())
        genesis = SignedRoster.decode(roster_bytes(nodes.founded.folder))
        _, trace = check(told["bundle"], genesis)
        assert [(line.kind, line.issuer) for line in trace.lines] == [("case.open", officer)]
        assert trace.findings == ()
        assert told["status"]["sm2"] == "libcrypto"
        assert told["findings"] == []
        # The plain note has no such line; the other one has the log's own line before it.
        plain, note = Note.decode(told["note"]), Note.decode(told["sm2"])
        assert (told["sm2"], note.text) == (told["again"], plain.text)
        public = roster.members[region].keys.log_sm2
        assert public is not None
        key = SM2NoteKey(roster.origin_of(region), public)
        key.check(note, CHECK)
        assert [len(it.blob) for it in note.signatures] == [64, 64]
        assert key.key_id not in {it.key_id for it in plain.signatures}
        check_signed(note, [roster.log_key(roster.origin_of(region))])

        config = load_config(nodes.founded.configs[region], {})
        member = roster.members[region]
        keys = replace(member.keys, log_sm2=sm2_key("x").public)
        members = dict(roster.members) | {region: replace(member, keys=keys)}
        with refused("wrong-key"):
            KeyRing(_open_keys(config, {})).named(
                RosterChain((), (replace(roster, members=members),)), region
            )


def roster_bytes(folder: Path) -> bytes:
    return (folder / "genesis.roster").read_bytes()


def test_a_bundle_with_sm2_acts_does_not_verify_where_there_is_no_sm2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> None:
        raise UnavailableError("no SM2 on this machine", code="sm2-unavailable")

    monkeypatch.setattr(verify, "open_sm2", none)
    with refused("sm2-unavailable"):
        verify._sm2((SuiteTown(A).roster,))
    assert verify._sm2((SuiteTown(A, suites=()).roster,)) is no_sm2


def test_a_log_without_an_sm2_key_has_no_note_of_that_kind(tmp_path: Path) -> None:
    with live(tmp_path, 1) as nodes:
        (region,) = nodes.founded.configs

        async def ask() -> None:
            async with nodes.client(region) as client:
                await client.fetch("/log/checkpoint.sm2")

        with refused("no-key"):
            nodes.run(ask())
