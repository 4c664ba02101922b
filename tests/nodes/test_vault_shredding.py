"""Papers are shredded for good, and what a crash left half done is finished."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from authz.case_bundle import judge_bundle
from ledger.bundle import check_bundle
from ledger.errors import NotFoundError, UnavailableError
from nodes.adapters.network import ROSTER_FILE
from nodes.api import vaulting
from nodes.cli.main import main
from nodes.core.kinds import KINDS
from nodes.store import vault as store
from tests.nodes.vaults import (
    GIVER,
    HEAD,
    OUTSIDER,
    PAPER,
    TAKER,
    THEIR_HEAD,
    WHY,
    Town,
    asked,
    code_of,
    own_sealed,
    two_vaults,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with two_vaults(tmp_path_factory.mktemp("vault")) as made:
        yield made


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
    bad = WHY | {"reason": "张某 11010519491231002X 申请"}
    town.refused("personal-data", GIVER, "shred", case, **bad)
    town.refused("unknown-object", GIVER, "shred", f"{GIVER}/case/none", **WHY)
    town.refused("wrong-party", HEAD, "shred", case, officer=OUTSIDER, **WHY)
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
