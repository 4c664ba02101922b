"""The vaults of two regions: papers put in, fetched over mutual TLS, shredded; keys renewed."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import Connection

from authz.case_bundle import judge_bundle
from ledger.bundle import check_bundle
from ledger.commitment import check_opening, commit
from ledger.encoding import decode, encode
from ledger.errors import LedgerError, NotFoundError, UnavailableError
from ledger.payload import open_payload, seal_payload
from nodes.adapters.network import ROSTER_FILE
from nodes.adapters.random import randomness
from nodes.api import vault_fetching, vaulting
from nodes.api import vault_sight as sight
from nodes.api.context import SERVICE
from nodes.cli.main import main
from nodes.cli.vault import file_name
from nodes.core.exchange import VAULT
from nodes.core.kinds import KINDS
from nodes.core.ready import PeerAnswered, PeerRequest
from nodes.store import vault as store
from tests.nodes.live import live
from tests.nodes.vaults import (
    GIVER,
    PAPER,
    TAKER,
    WHY,
    Town,
    furnish,
    officer_of,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with live(tmp_path_factory.mktemp("vault") / "network", regions=2) as nodes:
        assert set(nodes.nodes) == {GIVER, TAKER}
        made = Town(nodes, {})
        for region in (GIVER, TAKER):
            furnish(made, region)
        yield made


@pytest.fixture(scope="module")
def given(town: Town) -> list[str]:
    """Three papers of a case that went over."""
    case = town.open("given")
    papers = [town.put(case)["paper"] for _ in range(3)]
    town.hand_over(case)
    return papers


def forget(town: Town, paper: str) -> None:
    """Have the taker's vault know nothing of a paper's case, as before it ever asked."""
    case = town.ask(TAKER, "object", paper)["facts"][0]["state"]["case"]
    room = town.room(TAKER)
    town.live.run(room.run(store.destroy, case))
    town.live.run(room.run(store.put_state, case, ""))


HEAD, THEIR_HEAD = officer_of(GIVER, "head"), officer_of(TAKER, "head")


def test_a_paper_put_in_is_read_again_and_the_ledger_holds_digests_alone(town: Town) -> None:
    case = town.open("read")
    kept = town.put(case)
    read = town.ask(HEAD, "read_from_vault", kept["paper"])
    assert (read["name"], read["content"], read["case"]) == ("户口簿.pdf", PAPER, case)
    check_opening(bytes.fromhex(kept["commitment"]), bytes.fromhex(kept["salt"]), PAPER)
    listed = town.ask(GIVER, "papers_in_vault", case)
    [line] = listed["papers"]
    assert line["paper"] == kept["paper"]
    assert line["here"]
    assert "户口簿" not in json.dumps(listed, ensure_ascii=False)
    data = town.files(GIVER)
    assert len(data) > len(PAPER)
    for secret in (PAPER[:18], "户口簿".encode(), bytes.fromhex(kept["salt"])):
        assert secret not in data
    kinds = [it["kind"] for it in town.ask(GIVER, "case", case)["lines"]]
    assert kinds == ["case.open", "vault.put"]
    looked = {(it["party"], it["what"]) for it in town.ask(HEAD, "readers", case)["readers"]}
    assert looked >= {(HEAD, "paper in the vault"), (GIVER, "list of papers")}


def test_the_region_that_takes_the_case_over_gets_the_paper_and_its_wrapped_key(
    town: Town, given: list[str]
) -> None:
    case = town.ask(TAKER, "object", given[0])["facts"][0]["state"]["case"]
    # They came along by themselves, with the case.
    assert all(it["here"] for it in town.ask(TAKER, "papers_in_vault", case)["papers"])
    for paper in given:
        read = town.ask(THEIR_HEAD, "read_from_vault", paper)
        assert (read["case"], read["content"]) == (case, PAPER)
    # The key went over once, and the ledger says to whom and for which of their keys.
    shares = [it for it in town.ask(GIVER, "case", case)["lines"] if it["kind"] == "vault.share"]
    [share] = shares
    [fact] = town.ask(GIVER, "object", share["subject"])["facts"]
    state = fact["state"]
    assert (state["to"], state["vault_key"]) == (TAKER, f"{TAKER}/vault-key/x25519")
    # Who held it once goes on reading, and the taker's own papers come back the same way.
    theirs = town.put(case, THEIR_HEAD)
    town.seen(GIVER, theirs["paper"])
    assert town.ask(HEAD, "read_from_vault", theirs["paper"])["content"] == PAPER
    assert [it["here"] for it in town.ask(TAKER, "papers_in_vault", case)["papers"]] == [True] * 4


def asked(town: Town, asker: str, giver: str, *question: Any) -> PeerAnswered:
    request = PeerRequest(0, giver, VAULT, encode(list(question)), 5_000)
    answer: PeerAnswered = town.live.run(town.room(asker).peers.send(request))
    return answer


def code_of(answer: PeerAnswered) -> str:
    return str(json.loads(answer.body)["code"])


def test_a_region_that_never_held_the_case_gets_nothing(town: Town) -> None:
    case = town.open("never")
    kept = town.put(case)
    ask = ("shouxin/vault-ask/v1", kept["paper"], "x25519", 1)
    answer = asked(town, TAKER, GIVER, *ask)
    assert (answer.status, code_of(answer)) == (403, "never-held")
    town.seen(TAKER, kept["paper"])
    town.refused("never-held", THEIR_HEAD, "read_from_vault", kept["paper"])


def test_a_caller_without_a_certificate_of_a_member_gets_nothing(town: Town) -> None:
    app = web.Application()
    app[SERVICE] = town.live.nodes[GIVER].service
    request = make_mocked_request("POST", VAULT, app=app)
    with pytest.raises(LedgerError) as caught:
        town.live.run(vault_fetching.give(request))
    assert caught.value.code == "never-held"


def test_a_question_about_another_key_of_the_asker_is_refused_or_put_off(
    town: Town, given: list[str]
) -> None:
    paper = given[0]
    case = town.ask(THEIR_HEAD, "read_from_vault", paper)["case"]
    form = "shouxin/vault-ask/v1"
    later = asked(town, TAKER, GIVER, form, paper, "x25519", 9)
    assert (later.status, code_of(later)) == (503, "behind")
    none = asked(town, TAKER, GIVER, form, f"{GIVER}/payload/none", "x25519", 1)
    assert (none.status, code_of(none)) == (404, "no-payload")
    case_as_payload = asked(town, TAKER, GIVER, form, case, "x25519", 1)
    assert code_of(case_as_payload) == "no-payload"
    not_ours = asked(town, GIVER, TAKER, form, paper, "x25519", 1)
    assert code_of(not_ours) == "no-payload"
    for bad in ((form, paper, "rsa", 1), (form, "x", "x25519", 1), ("v2", 1), (form,)):
        assert asked(town, TAKER, GIVER, *bad).status == 400


def test_only_the_units_of_the_case_read_it_and_no_operator(town: Town) -> None:
    case = town.open("units")
    kept = town.put(case)
    outsider = officer_of(GIVER, "outsider")
    town.refused("not-holder", outsider, "read_from_vault", kept["paper"])
    town.refused("wrong-role", GIVER, "read_from_vault", kept["paper"])
    town.refused("no-payload", HEAD, "read_from_vault", f"{GIVER}/payload/none")
    town.refused("no-payload", HEAD, "read_from_vault", case)
    town.act(GIVER, "party.suspend", HEAD, {"reason": "停职"})
    town.refused("officer-not-live", HEAD, "read_from_vault", kept["paper"])
    town.act(GIVER, "party.resume", HEAD, {"reason": "复职"})


def test_who_puts_in_speaks_for_the_issuer_and_holds_the_case(town: Town) -> None:
    case = town.open("putting")
    outsider = officer_of(GIVER, "outsider")
    town.refused("wrong-party", HEAD, "put_in_vault", case, "a", b"x", officer=outsider)
    town.refused("wrong-role", HEAD, "put_in_vault", case, "a", b"x")
    town.refused("not-holder", outsider, "put_in_vault", case, "a", b"x", officer=outsider)
    town.refused("unknown-object", GIVER, "put_in_vault", f"{GIVER}/case/none", "a", b"x")
    town.refused("bad-field", GIVER, "put_in_vault", f"{GIVER}/item/1", "a", b"x")
    assert town.put(case, GIVER)["index"] > 0
    assert len(town.ask(GIVER, "papers_in_vault", case)["papers"]) == 1
    # What was refused has left nothing behind.
    assert town.live.run(town.room(GIVER).run(store.load_unrecorded)) == []


def test_the_vault_s_acts_are_recorded_by_the_vault_alone(town: Town) -> None:
    case = town.open("acts")
    body = {"case": case, "ciphertext": bytes(32), "commitment": bytes(32)}
    payload = f"{GIVER}/payload/1"
    town.refused("vault-only", HEAD, "act", "vault.put", payload, body, officer=HEAD)
    body = {"version": 1, "key": bytes(32)}
    town.refused("vault-only", GIVER, "act", "vault.key", f"{GIVER}/vault-key/x25519", body)


def test_a_name_with_an_identity_number_and_names_that_are_none_are_refused(town: Town) -> None:
    case = town.open("names")
    for code, name in (
        ("personal-data", "张某11010519491231002X.pdf"),
        ("personal-data", "电话 13812345678"),
        ("bad-field", ""),
        ("bad-field", "a" * 201),
        ("bad-field", "a\nb"),
    ):
        town.refused(code, GIVER, "put_in_vault", case, name, b"x")


def test_a_commitment_made_before_is_opened_by_the_paper_that_is_put_in(town: Town) -> None:
    case, salt = town.open("salted"), hashlib.sha256(b"salt").digest()
    kept = town.put(case, salt=salt)
    assert kept["commitment"] == commit(salt, PAPER).hex()
    town.refused("bad-salt", GIVER, "put_in_vault", case, "a", b"x", salt=bytes(31))


def test_a_paper_and_a_case_have_their_limits(town: Town) -> None:
    case = town.open("limits")
    room = town.room(GIVER)
    before = room.limits
    try:
        room.limits = replace(before, payload_bytes_max=len(PAPER) - 1)
        town.refused("too-large", GIVER, "put_in_vault", case, "a", PAPER)
        town.refused("too-large", GIVER, "put_in_vault", case, "a", PAPER * 20)
        room.limits = replace(before, case_payloads_max=1)
        town.put(case)
        town.refused("vault-full", GIVER, "put_in_vault", case, "a", b"x")
        room.limits = replace(before, payload_bytes_max=4_000, case_bytes_max=len(PAPER) + 3_900)
        town.refused("vault-full", GIVER, "put_in_vault", case, "a", PAPER[:3_900])
    finally:
        room.limits = before


def test_what_is_no_paper_is_refused_before_anything_is_done(town: Town) -> None:
    size = town.live.size(GIVER)
    for body in (
        {"case": f"{GIVER}/case/1", "name": "a", "content": "%%%"},
        {"case": f"{GIVER}/case/1", "name": "a"},
        {"case": "case", "name": "a", "content": ""},
        {"case": f"{GIVER}/case/1", "name": "a", "content": "", "salt": "Ab" * 32},
    ):
        with pytest.raises(LedgerError):
            town.live.run(posted(town, "/v1/vault/papers", body))
    assert town.live.size(GIVER) == size


async def posted(town: Town, path: str, body: dict[str, Any]) -> Any:
    async with town.client(GIVER) as client:
        return await client._json("POST", path, json.dumps(body).encode())


# ---- what a hostile vault sends -----------------------------------------------------------------


def test_what_another_vault_alters_or_takes_from_elsewhere_is_refused(
    town: Town, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = town.open("other")
    kept, second, elsewhere = given[0], given[1], town.put(other)["paper"]
    town.hand_over(other)
    forget(town, kept)
    forget(town, elsewhere)
    room = town.room(TAKER)
    send = room.peers.send
    told = {}

    async def spy(request: PeerRequest) -> PeerAnswered:
        answer: PeerAnswered = await send(request)
        told[decode(request.body)[1]] = decode(answer.body)
        return answer

    def answers(parts: list[Any]) -> None:
        async def lie(request: PeerRequest) -> PeerAnswered:
            return PeerAnswered(request.request_id, 200, encode(parts))

        monkeypatch.setattr(room.peers, "send", lie)

    monkeypatch.setattr(room.peers, "send", spy)
    town.ask(THEIR_HEAD, "read_from_vault", elsewhere)
    town.ask(THEIR_HEAD, "read_from_vault", second)
    forget(town, kept)
    form, sealed, wrapped = told[second]
    for parts, code in (
        ([form, sealed, wrapped], "altered-payload"),  # another paper of the same case
        ([form, sealed[:-1] + bytes((sealed[-1] ^ 1,)), wrapped], "altered-payload"),
        ([form, sealed], "altered-payload"),
        ([form, b"", wrapped], "altered-payload"),
    ):
        answers(parts)
        town.refused(code, THEIR_HEAD, "read_from_vault", kept)
    monkeypatch.setattr(room.peers, "send", spy)
    own = town.live.run(own_sealed(town, kept))
    answers([form, town.live.run(sealed_again(town, kept)), wrapped])
    town.refused("altered-payload", THEIR_HEAD, "read_from_vault", kept)  # not what is recorded
    monkeypatch.setattr(room.peers, "send", spy)
    for key, code in (
        (told[elsewhere][2], "wrong-wrap"),  # of another case, replayed
        (wrapped[:-1] + bytes((wrapped[-1] ^ 1,)), "wrong-wrap"),
        (b"", "malformed"),
    ):
        answers([form, own, key])
        town.refused(code, THEIR_HEAD, "read_from_vault", kept)
    monkeypatch.setattr(room.peers, "send", send)
    assert town.ask(THEIR_HEAD, "read_from_vault", kept)["content"] == PAPER


async def sealed_again(town: Town, paper: str) -> bytes:
    """The same paper in the same place under the same key, with another nonce."""
    room, service = town.room(GIVER), town.live.nodes[GIVER].service

    def seal(connection: Connection) -> bytes:
        row = store.load_payload(connection, paper)
        assert row is not None
        key = room.payload_key(connection, row)
        place = service.readers.here(lambda it: sight.paper(service, it, paper)).place
        return seal_payload(key, place, open_payload(key, place, row.sealed), randomness)

    sealed: bytes = await room.run(seal)
    return sealed


async def own_sealed(town: Town, paper: str) -> bytes:
    row = await town.room(GIVER).run(store.load_payload, paper)
    sealed: bytes = row.sealed
    return sealed


def test_a_vault_that_is_silent_or_talks_nonsense_is_unavailable(
    town: Town, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(town, given[0])
    room = town.room(TAKER)
    for status, body in ((0, b"no way"), (500, b"{}"), (503, b'{"code":"odd","detail":""}')):

        async def silent(
            request: PeerRequest, status: int = status, body: bytes = body
        ) -> PeerAnswered:
            return PeerAnswered(request.request_id, status, body)

        monkeypatch.setattr(room.peers, "send", silent)
        town.refused("no-answer", THEIR_HEAD, "read_from_vault", given[0])


# ---- shredding ----------------------------------------------------------------------------------


def bundle_of(town: Town, case: str, stands: str) -> bytes:
    """The evidence of a case, once it covers an act of this kind."""

    async def export() -> bytes:
        genesis = town.live.founded.roster.sha256
        async with town.client(GIVER) as client, asyncio.timeout(20):
            while True:
                try:
                    data = await client.bundle(case)
                except (UnavailableError, NotFoundError):  # not replicated yet
                    await asyncio.sleep(0.1)
                    continue
                judged = judge_bundle(check_bundle(data, genesis), KINDS)
                if any(line.kind == stands for line in judged.lines):
                    return data
                await asyncio.sleep(0.1)

    return town.live.run(export(), 25)


def test_shredding_destroys_the_keys_for_good_and_every_proof_goes_on_verifying(
    town: Town, tmp_path: Path
) -> None:
    case = town.open("shredded")
    kept = town.put(case)
    before = bundle_of(town, case, "vault.put")
    room = town.room(GIVER)
    [key] = town.live.run(room.run(store.load_keys, case, GIVER))
    wrapped = key.wrapped
    sealed = town.live.run(own_sealed(town, kept["paper"]))
    assert wrapped in town.files(GIVER)
    done = town.ask(HEAD, "shred", case, officer=HEAD, **WHY)
    assert (done["case"], done["keys"]) == (case, 1)
    data = town.files(GIVER)
    for part in (wrapped, wrapped[-60:], sealed[-200:], sealed[200:260]):
        assert part not in data
    town.refused("shredded", HEAD, "read_from_vault", kept["paper"])
    town.refused("shredded", HEAD, "put_in_vault", case, "a", b"x", officer=HEAD)
    again = town.ask(HEAD, "shred", case, officer=HEAD, **WHY)
    assert (again["tombstone"], again["keys"]) == (done["tombstone"], 0)
    after = bundle_of(town, case, "vault.shred")
    genesis = town.live.founded.configs[GIVER].parent / ROSTER_FILE
    for name, bundle in (("before", before), ("after", after)):
        path = tmp_path / f"{name}.bundle"
        path.write_bytes(bundle)
        assert main(["verify", str(path), "--roster", str(genesis), "--json"]) == 0
    told = judge_bundle(check_bundle(after, town.live.founded.roster.sha256), KINDS)
    assert told.findings == ()
    assert [line.kind for line in told.lines] == ["case.open", "vault.put", "vault.shred"]


def test_the_other_holders_see_the_tombstone_and_say_why_not_or_shred_too(town: Town) -> None:
    case = town.open("told")
    paper = town.put(case)["paper"]
    town.hand_over(case)
    assert town.ask(THEIR_HEAD, "read_from_vault", paper)["content"] == PAPER
    theirs = town.put(case, THEIR_HEAD)["paper"]
    town.seen(GIVER, theirs)
    assert town.ask(HEAD, "read_from_vault", theirs)["content"] == PAPER
    tomb = town.ask(GIVER, "shred", case, **WHY)["tombstone"]
    town.seen(TAKER, tomb)
    assert town.ask(TAKER, "vault")["unanswered"] == [{"case": case, "tombstone": tomb}]
    town.refused("unanswered-tombstone", THEIR_HEAD, "read_from_vault", paper)
    version = town.ask(TAKER, "vault")["version"]
    ask = ("shouxin/vault-ask/v1", paper, "x25519", version)
    assert code_of(asked(town, TAKER, GIVER, *ask)) == "shredded"
    ask = ("shouxin/vault-ask/v1", theirs, "x25519", town.ask(GIVER, "vault")["version"])
    assert code_of(asked(town, GIVER, TAKER, *ask)) == "unanswered-tombstone"
    node = str(town.live.founded.configs[TAKER].parent)
    why = ("--basis", WHY["basis"], "--reason", WHY["reason"])
    assert main(["vault", "keep", case, "--tombstone", tomb, *why, "--node", node]) == 0
    assert main(["vault", "keep", case, "--tombstone", tomb, *why, "--node", node]) == 3
    assert town.ask(TAKER, "vault")["unanswered"] == []
    assert town.ask(THEIR_HEAD, "read_from_vault", paper)["content"] == PAPER
    town.ask(THEIR_HEAD, "shred", case, officer=THEIR_HEAD, tombstone=tomb, **WHY)
    town.refused("shredded", THEIR_HEAD, "read_from_vault", paper)
    told = town.ask(TAKER, "papers_in_vault", case)["tombstones"]
    assert [it["unanswered"] for it in told] == [False, False]


def test_a_refused_shred_leaves_everything_as_it_was(town: Town) -> None:
    case = town.open("not-shredded")
    kept = town.put(case)
    outsider = officer_of(GIVER, "outsider")
    bad = WHY | {"reason": "张某 11010519491231002X 申请"}
    town.refused("personal-data", GIVER, "shred", case, **bad)
    town.refused("unknown-object", GIVER, "shred", f"{GIVER}/case/none", **WHY)
    town.refused("wrong-party", HEAD, "shred", case, officer=outsider, **WHY)
    assert town.ask(HEAD, "read_from_vault", kept["paper"])["content"] == PAPER


# ---- crashes ------------------------------------------------------------------------------------


def test_what_a_crash_left_half_done_is_finished_at_the_next_start(town: Town) -> None:
    case, gone, stays = (town.open(name) for name in ("crash-1", "crash-2", "crash-3"))
    kept, lost, safe = town.put(case), town.put(gone), town.put(stays)
    room = town.room(GIVER)
    run = town.live.run
    # Between the paper and its act; between the act and the note of it.
    orphan = unrecorded("orphan")
    run(room.run(store.add_payload, orphan))
    run(room.run(store.record_payload, kept["paper"], None))
    # Between the doom and the tombstone; between the tombstone and the end of the keys.
    run(room.run(store.put_state, stays, store.DOOMED))
    town.ask(GIVER, "shred", gone, **WHY)
    holder = run(in_room(town, vaulting.own_key))
    run(room.run(room.own_case_key, gone, holder))
    run(room.run(store.put_state, gone, store.DOOMED))
    room.is_settled = False
    run(in_service(town, vaulting.settle))
    assert run(room.run(store.load_unrecorded)) == []
    assert run(room.run(store.load_payload, orphan.payload)) is None
    assert run(room.run(store.load_payload, kept["paper"])).index == kept["index"]
    assert run(room.run(store.load_doomed)) == []
    assert run(room.run(store.load_keys, gone, GIVER)) == []
    assert town.ask(HEAD, "read_from_vault", safe["paper"])["content"] == PAPER
    town.refused("shredded", HEAD, "read_from_vault", lost["paper"])


def unrecorded(number: str) -> store.PayloadRow:
    """A paper whose act never came to stand."""
    name = f"{GIVER}/payload/{number}"
    return store.PayloadRow(payload=name, case="", region=GIVER, number=1, index=None, sealed=b"x")


async def in_service(town: Town, step: Any) -> Any:
    return await step(town.live.nodes[GIVER].service)


async def in_room(town: Town, step: Any) -> Any:
    async with town.room(GIVER).lock:
        return await in_service(town, step)


def test_a_node_that_gets_its_log_back_drops_nothing_yet(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, service = town.room(GIVER), town.live.nodes[GIVER].service
    town.put(town.open("rebuilding"))
    orphan = unrecorded("early")
    town.live.run(room.run(store.add_payload, orphan))
    monkeypatch.setattr(room, "is_settled", False)
    snapshot = replace(service.node.snapshot, state="rebuilding")
    town.live.run(vaulting.settle(replace(service, node=SimpleNamespace(snapshot=snapshot))))
    assert town.live.run(room.run(store.load_unrecorded)) == [orphan.payload]
    town.live.run(vaulting.settle(service))
    assert town.live.run(room.run(store.load_unrecorded)) == []


# ---- the vault's own key ------------------------------------------------------------------------


def test_a_renewed_key_opens_everything_and_the_old_one_is_gone(town: Town) -> None:
    case = town.open("rotated")
    kept = town.put(case)
    room = town.room(GIVER)
    folder = room.keys.store.folder / "roles"
    before = town.ask(GIVER, "vault")
    [old] = town.live.run(room.run(store.load_keys, case, GIVER))
    done = town.ask(GIVER, "rotate_vault")
    assert (done["suite"], done["version"], done["lost"]) == ("x25519", before["version"] + 1, 0)
    assert done["rewrapped"] >= before["cases"]
    assert [it.name for it in folder.glob("vault*")] == [f"vault.{done['version']}.key"]
    assert town.ask(HEAD, "read_from_vault", kept["paper"])["content"] == PAPER
    assert old.wrapped not in town.files(GIVER)
    # A copy of the file from before opens no more.
    town.live.run(room.run(store.put_key, old))
    town.refused("no-key", HEAD, "read_from_vault", kept["paper"])
    again = town.ask(GIVER, "rotate_vault")
    assert again["lost"] == 1
    town.live.run(room.run(store.destroy, case))


def test_a_vault_that_lost_its_key_of_a_case_draws_another_beside_it(
    town: Town, given: list[str]
) -> None:
    """And who has papers under the first still reads them, and those under the next."""
    case = town.ask(THEIR_HEAD, "read_from_vault", given[0])["case"]
    room = town.room(GIVER)
    rows = town.live.run(room.run(store.load_keys, case, GIVER))
    town.live.run(room.run(store.put_key, replace(rows[-1], version=rows[-1].version + 90)))
    town.refused("no-key", HEAD, "read_from_vault", given[0])
    town.hand_back(case)
    later = town.put(case)["paper"]
    town.seen(TAKER, later)
    for paper in (later, given[0]):
        assert town.ask(THEIR_HEAD, "read_from_vault", paper)["content"] == PAPER
    town.live.run(room.run(store.put_key, rows[-1]))
    assert town.ask(HEAD, "read_from_vault", given[0])["content"] == PAPER


def test_papers_are_put_in_and_read_while_the_key_is_renewed(town: Town) -> None:
    case = town.open("busy")
    first = town.put(case)["paper"]

    async def busy() -> list[Any]:
        async with town.client(HEAD) as head, town.client(GIVER) as operator:
            return await asyncio.gather(
                *(head.read_from_vault(first) for _ in range(3)),
                operator.rotate_vault(),
                *(head.put_in_vault(case, "a", PAPER, officer=HEAD) for _ in range(3)),
                operator.rotate_vault(),
                *(head.read_from_vault(first) for _ in range(3)),
            )

    kept = [it["paper"] for it in town.live.run(busy(), 30) if "salt" in it]
    assert len(kept) == 9
    for paper in kept:
        assert town.ask(HEAD, "read_from_vault", paper)["content"] == PAPER


def test_only_the_operator_renews_the_key_or_acts_for_the_region(town: Town) -> None:
    town.refused("wrong-role", HEAD, "rotate_vault")
    town.refused("wrong-role", HEAD, "shred", f"{GIVER}/case/read", **WHY)


def test_the_taker_that_renewed_its_key_is_given_a_new_wrap(town: Town, given: list[str]) -> None:
    paper = given[0]
    town.ask(THEIR_HEAD, "read_from_vault", paper)
    version = town.ask(TAKER, "rotate_vault")["version"]
    forget(town, paper)
    assert town.ask(THEIR_HEAD, "read_from_vault", paper)["content"] == PAPER
    ask = ("shouxin/vault-ask/v1", paper, "x25519", version - 1)
    assert code_of(asked(town, TAKER, GIVER, *ask)) == "wrong-state"


# ---- the command --------------------------------------------------------------------------------


def test_the_command_puts_in_reads_lists_shreds_and_renews(
    town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = town.open("command")
    node = str(town.live.founded.configs[GIVER].parent)
    token = tmp_path / "token"
    token.write_text(town.tokens[HEAD])
    token.chmod(0o600)
    file = tmp_path / "户口簿.pdf"
    file.write_bytes(PAPER)

    def vault(*arguments: str, status: int = 0) -> Any:
        assert main(["vault", *arguments]) == status
        told = capsys.readouterr()
        return json.loads(told.out) if status == 0 else told.err

    made = vault("commit", str(file))
    check_opening(bytes.fromhex(made["commitment"]), bytes.fromhex(made["salt"]), PAPER)
    put = vault("put", case, str(file), "--node", node, "--salt", made["salt"])
    [paper] = put["papers"]
    assert paper["commitment"] == made["commitment"]
    listed = vault("list", case, "--node", node)
    assert [it["paper"] for it in listed["papers"]] == [paper["paper"]]
    out = tmp_path / "out"
    got = vault("get", case, "--node", node, "--token", str(token), "-o", str(out))
    [read] = got["papers"]
    assert Path(read["file"]).read_bytes() == PAPER
    assert Path(read["file"]).parent == out
    assert Path(read["file"]).name.endswith("-户口簿.pdf")
    assert "wrong-role" in vault("get", case, "--node", node, "-o", str(out), status=3)
    assert vault("status", "--node", node)["papers"] > 0
    two = ("put", case, str(file), str(file), "--node", node, "--salt", made["salt"])
    assert "bad-field" in vault(*two, status=2)
    assert "bad-salt" in vault("commit", str(file), "--salt", "zz", status=2)
    assert vault("rotate", "--node", node)["version"] > 1
    done = vault("shred", case, "--reason", "当事人申请删除", "--node", node)
    assert done["keys"] == 1
    reading = ("get", case, "--node", node, "--token", str(token), "-o", str(out))
    assert "shredded" in vault(*reading, status=3)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("户口簿.pdf", "7-户口簿.pdf"),
        ("../../etc/passwd", "7-passwd"),
        ("..", "7"),
        ("a/b\\c: *.pdf", "7-b_c_.pdf"),
        ("", "7"),
    ],
)
def test_what_another_region_calls_a_paper_leads_out_of_no_folder(name: str, file: str) -> None:
    assert file_name("510000/payload/7", name) == file


def test_a_vault_whose_private_key_is_lost_publishes_the_next_before_it_keeps_anything(
    town: Town,
) -> None:
    room, version = town.room(GIVER), town.ask(GIVER, "vault")["version"]
    room.keys.destroy("x25519", version)
    kept = town.put(town.open("keyless"))
    assert town.ask(GIVER, "vault")["version"] == version + 1
    assert town.ask(HEAD, "read_from_vault", kept["paper"])["content"] == PAPER
