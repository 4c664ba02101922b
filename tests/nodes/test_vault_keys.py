"""A vault's own key: renewed, lost, and renewed under way."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from nodes.store import vault as store
from tests.nodes.vaults import (
    GIVER,
    HEAD,
    PAPER,
    TAKER,
    THEIR_HEAD,
    WHY,
    Town,
    asked,
    code_of,
    forget,
    given_papers,
    two_vaults,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with two_vaults(tmp_path_factory.mktemp("vault")) as made:
        yield made


@pytest.fixture(scope="module")
def given(town: Town) -> list[str]:
    return given_papers(town)


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


def test_a_vault_whose_private_key_is_lost_publishes_the_next_before_it_keeps_anything(
    town: Town,
) -> None:
    room, version = town.room(GIVER), town.ask(GIVER, "vault")["version"]
    room.keys.destroy("x25519", version)
    kept = town.put(town.open("keyless"))
    assert town.ask(GIVER, "vault")["version"] == version + 1
    assert town.ask(HEAD, "read_from_vault", kept["paper"])["content"] == PAPER
