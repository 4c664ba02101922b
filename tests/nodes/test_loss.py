"""A region is lost for good: each command that its neighbours run, on live nodes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.hashing import EMPTY_ROOT
from ledger.roster import Pin, Roster
from nodes.adapters.keystore import KeyStore
from nodes.adapters.network import CERTIFICATES_FILE
from nodes.cli.main import main
from nodes.config import load_config
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


def test_a_lost_log_is_frozen_cut_and_closed_by_commands_one_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with station(tmp_path / "network", regions=4) as network:
        regions = list(network.founded.configs)
        network.start(*regions)
        wait_replicated(network, LOST)
        origin = network.origin(LOST)
        size = network.size(LOST)
        network.stop(LOST)
        others = [region for region in regions if region != LOST]
        at = ("--node", network.home(others[0]))

        status, told = shouxin(capsys, "loss", "cut", origin, *at)
        assert (status, "too-few-frozen" in told) == (5, True)
        for region in others:
            node = ("--node", network.home(region))
            status, told = shouxin(capsys, "loss", "freeze", origin, *node)
            assert (status, f"with {size} entries mirrored" in told) == (0, True)
        status, told = shouxin(capsys, "loss", "freeze", origin, *at)
        assert (status, told.split(":")[1].strip()) == (3, "frozen")
        own = ("loss", "freeze", network.origin(others[0]), *at)
        assert shouxin(capsys, *own)[0] == 4
        answer = network.ask("POST", "/v1/loss/freeze", b"{}", region=others[0])
        assert answer.said == (401, "no-token")

        found = {}
        for _ in range(100):
            status, told = shouxin(capsys, "loss", "cut", origin, "--json", *at)
            found = json.loads(told)
            if len(found["reports"]) == len(others) and found["decided"]:
                break
        assert (status, found["size"], found["forked"], found["lacking"]) == (0, size, False, [])

        status, told = shouxin(
            capsys, "loss", "prepare", tmp_path / "new", "--region", LOST, *at,
            "--certificates", network.home(others[0]) / CERTIFICATES_FILE,
        )  # fmt: skip
        assert status == 0, told
        draft = tmp_path / "draft"
        status, told = shouxin(
            capsys, "loss", "close", origin, *at,
            "--heir", tmp_path / "new" / "member.cbor", "-o", draft,
        )  # fmt: skip
        assert status == 0, told
        for region in others:
            status, told = shouxin(capsys, "loss", "check", draft, "--node", network.home(region))
            assert (status, f"closes {origin} at {size}" in told) == (0, True)
        closing = Roster.decode(draft.read_bytes())
        cut = closing.closed[origin]
        for size_, root, code in (
            (size - 1, bytes(32), "cut-below-mirror"),
            (size, bytes(32), "cut-elsewhere"),
        ):
            pins = {**closing.pins, origin: Pin(0, EMPTY_ROOT)}
            wrong = {origin: replace(cut, size=size_, root=root)}
            (tmp_path / "wrong").write_bytes(replace(closing, closed=wrong, pins=pins).encode())
            status, told = shouxin(capsys, "loss", "check", tmp_path / "wrong", *at)
            assert (status, told.split(":")[1].strip()) == (3, code)

    new = Roster.decode(draft.read_bytes())
    before = network.founded.roster
    assert (new.version, new.previous) == (2, before.sha256)
    assert (new.closed[origin].size, new.origin_of(LOST)) == (size, f"{origin}/2")
    old_keys, new_keys = before.member(LOST).keys, new.member(LOST).keys
    assert set(old_keys.all()) & set(new_keys.all()) == {old_keys.governance}
    config = load_config(tmp_path / "new" / "node.toml", {})
    secret = (tmp_path / "new" / "unlock.secret").read_bytes().strip()
    store = KeyStore.open(config.node.keys, secret, bytes)
    assert store.load("role/log").public == new_keys.log
