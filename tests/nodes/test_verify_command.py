"""Bundles, rosters and folders that `verify` and its like do not trust."""

import json
from pathlib import Path

import pytest

from ledger.errors import (
    MalformedError,
    UnverifiedError,
)
from nodes.adapters.network import Founded, found_network, southwest_five
from nodes.cli import caller, main, verify
from tests.nodes.folders import NOW_S, REGION


def test_a_file_that_is_no_bundle_fails_at_the_form(
    tmp_path: Path, founded: Founded, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.bundle"
    path.write_bytes(b"\xa0")
    genesis = str(founded.folder / "genesis.roster")
    assert main.main(["verify", str(path), "--roster", genesis, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["verified"], said["step"]) == (False, "form")
    assert main.main(["verify", str(path), "--roster", genesis]) == 1
    assert "step 1, form" in capsys.readouterr().out


def test_a_roster_that_its_members_did_not_sign_is_not_trusted(
    tmp_path: Path, founded: Founded
) -> None:
    data = bytearray((founded.folder / "genesis.roster").read_bytes())
    data[-1] ^= 1
    path = tmp_path / "genesis.roster"
    path.write_bytes(data)
    with pytest.raises(UnverifiedError) as caught:
        verify.load_genesis(path)
    assert caught.value.code == "roster"


def test_a_folder_under_another_genesis_than_was_given_is_not_checked(
    tmp_path: Path, founded: Founded, capsys: pytest.CaptureFixture[str]
) -> None:
    other = found_network(tmp_path / "other", southwest_five(), NOW_S)
    genesis = str(other.folder / "genesis.roster")
    assert main.main(["fsck", str(founded.folder / REGION), "--roster", genesis]) == 1
    assert "shouxin: wrong-genesis: " in capsys.readouterr().err


def test_a_file_that_is_no_roster_is_named(tmp_path: Path) -> None:
    path = tmp_path / "genesis.roster"
    path.write_bytes(b"\xff not a roster")
    for load in (verify.load_genesis, caller.load_roster):
        with pytest.raises(MalformedError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path} is no genesis roster")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(MalformedError) as caught:
        verify.load_genesis(tmp_path / "nowhere")
    assert caught.value.code == "no-file"
