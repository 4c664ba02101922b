"""A region is lost for good: each command that its neighbours run, on live nodes."""

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.encoding import encode
from ledger.hashing import EMPTY_ROOT
from ledger.roster import Roster
from ledger.roster_fields import Pin
from ledger.signed_roster import sign_roster
from nodes.adapters.keystore import KeyStore
from nodes.adapters.network import CERTIFICATES_FILE
from nodes.cli.main import main
from nodes.client import Client
from tests.nodes.stage import Station, station

LOST = "500000"


def shouxin(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main([str(it) for it in arguments])
    told = capsys.readouterr()
    return status, told.out + told.err


def wait_replicated(network: Station, region: str) -> None:
    network.act(
        region, "party.enrol", f"{region}/department/d", {"name": "大厅"}, wait="replicated"
    )


def test_a_destroyed_region_comes_back_and_its_callers_salvage_what_it_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with station(tmp_path / "network", regions=4) as network:
        founded = network.founded
        regions = list(founded.configs)
        others = [region for region in regions if region != LOST]
        network.start(*regions)
        wait_replicated(network, LOST)
        origin, size = network.origin(LOST), network.size(LOST)

        async def lose() -> None:
            async with Client(
                founded.roster.member(LOST).url,
                founded.tokens[LOST],
                roster=founded.roster,
                region=LOST,
                keep=tmp_path / "outbox",
            ) as client:
                acted = await client.act("party.enrol", f"{LOST}/hall/lost", {"name": "大厅"})
                assert acted.finality == "accepted"

        network.stop(*others)
        network.run(lose())
        network.stop(LOST)
        shutil.rmtree(network.home(LOST))
        network.start(*others)
        at = ("--node", network.home(others[0]))
        status, told = shouxin(capsys, "loss", "cut", origin, *at)
        assert (status, "too-few-frozen" in told) == (5, True)
        for region in others:
            node = ("--node", network.home(region))
            status, told = shouxin(capsys, "loss", "freeze", origin, *node)
            assert (status, f"with {size} entries mirrored" in told) == (0, True)
        status, told = shouxin(capsys, "loss", "freeze", origin, *at)
        assert (status, told.split(":")[1].strip()) == (3, "frozen")
        assert shouxin(capsys, "loss", "freeze", network.origin(others[0]), *at)[0] == 4
        answer = network.ask("POST", "/v1/loss/freeze", b"{}", region=others[0])
        assert answer.said == (401, "no-token")
        found = {}
        for _ in range(100):
            status, told = shouxin(capsys, "loss", "cut", origin, "--json", *at)
            found = json.loads(told)
            if len(found["reports"]) == len(others) and found["decided"]:
                break
        assert (status, found["size"], found["forked"], found["lacking"]) == (0, size, False, [])
        home, draft, signed = network.home(LOST), tmp_path / "draft", tmp_path / "signed"
        pem = network.home(others[0]) / CERTIFICATES_FILE
        for command in (
            ("prepare", home, "--region", LOST, "--certificates", pem, *at),
            ("close", origin, "--heir", home / "member.cbor", "-o", draft, *at),
        ):
            status, told = shouxin(capsys, "loss", *command)
            assert status == 0, told
        for region in others:
            status, told = shouxin(capsys, "loss", "check", draft, "--node", network.home(region))
            assert (status, f"closes {origin} at {size}" in told) == (0, True)
        new = Roster.decode(draft.read_bytes())
        cut = new.closed[origin]
        for size_, code in ((size - 1, "cut-below-mirror"), (size, "cut-elsewhere")):
            pins = {**new.pins, origin: Pin(0, EMPTY_ROOT)}
            wrong = {origin: replace(cut, size=size_, root=bytes(32))}
            (tmp_path / "wrong").write_bytes(replace(new, closed=wrong, pins=pins).encode())
            status, told = shouxin(capsys, "loss", "check", tmp_path / "wrong", *at)
            assert (status, told.split(":")[1].strip()) == (3, code)
        network.stop(*others)
        old_keys, new_keys = founded.roster.member(LOST).keys, new.member(LOST).keys
        assert set(old_keys.all()) & set(new_keys.all()) == {old_keys.governance}

        # The members sign, each with the key that lies apart from its node.
        folder = founded.folder / "governance"
        secret = (folder / "unlock.secret").read_bytes().strip()
        store = KeyStore.open(folder, secret, bytes)
        keys = {region: store.load(f"governance/{region}") for region in regions}
        signed.write_bytes(sign_roster(new, keys).encode())
        many = tmp_path / "many"
        many.write_bytes(encode([signed.read_bytes()]))
        for region in regions:
            status, told = shouxin(
                capsys, "loss", "revive", network.home(region),
                "--roster", many if region == LOST else signed,
                "--certificate", home / "tls" / "node.pem",
            )  # fmt: skip
            assert status == 0, told
        network.start(*regions)

        async def salvage() -> None:
            token = (home / "operator.token").read_text().strip()
            async with Client(
                new.member(LOST).url,
                token,
                roster=founded.roster,
                region=LOST,
                keep=tmp_path / "outbox",
            ) as client:
                [place] = client.outstanding
                assert place.origin == origin
                assert place.index >= size
                for _ in range(300):
                    if (await client.status())["size"] and not await client.settle():
                        break
                    assert client.refused == {}
                    await asyncio.sleep(0.1)
                assert not client.outstanding
                found = await client.object(f"{LOST}/hall/lost")
                assert [fact["origin"] for fact in found["facts"]] == [f"{origin}/2"]

        network.run(salvage(), timeout_s=60)
        assert not list((tmp_path / "outbox").iterdir())
