"""The vaults of two regions: papers put in and fetched over mutual TLS, by whom and how many."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import Connection

from ledger.commitment import check_opening, commit
from ledger.encoding import decode, encode
from ledger.errors import LedgerError
from ledger.payload import open_payload, seal_payload
from nodes.adapters.random import randomness
from nodes.api import vault_fetching
from nodes.api import vault_sight as sight
from nodes.api.context import SERVICE
from nodes.core.exchange import VAULT
from nodes.core.ready import PeerAnswered, PeerRequest
from nodes.store import vault as store
from tests.nodes.vaults import (
    GIVER,
    HEAD,
    OUTSIDER,
    PAPER,
    TAKER,
    THEIR_HEAD,
    Town,
    asked,
    code_of,
    forget,
    given_papers,
    own_sealed,
    two_vaults,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with two_vaults(tmp_path_factory.mktemp("vault")) as made:
        yield made


@pytest.fixture(scope="module")
def given(town: Town) -> list[str]:
    return given_papers(town)


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
    town.refused("not-holder", OUTSIDER, "read_from_vault", kept["paper"])
    town.refused("wrong-role", GIVER, "read_from_vault", kept["paper"])
    town.refused("no-payload", HEAD, "read_from_vault", f"{GIVER}/payload/none")
    town.refused("no-payload", HEAD, "read_from_vault", case)
    town.act(GIVER, "party.suspend", HEAD, {"reason": "停职"})
    town.refused("officer-not-live", HEAD, "read_from_vault", kept["paper"])
    town.act(GIVER, "party.resume", HEAD, {"reason": "复职"})


def test_who_puts_in_speaks_for_the_issuer_and_holds_the_case(town: Town) -> None:
    case = town.open("putting")
    town.refused("wrong-party", HEAD, "put_in_vault", case, "a", b"x", officer=OUTSIDER)
    town.refused("wrong-role", HEAD, "put_in_vault", case, "a", b"x")
    town.refused("not-holder", OUTSIDER, "put_in_vault", case, "a", b"x", officer=OUTSIDER)
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
