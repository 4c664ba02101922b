"""What a node finds in its folder that it cannot start with, and says by name."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.errors import LedgerError
from nodes.adapters.clock import SystemClock
from nodes.adapters.network import found_network
from nodes.api.serve import running
from nodes.cli import network
from nodes.client import Client
from nodes.config import Config, load_config

REGION = "510000"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("founded") / "net"
    founded = found_network(folder, network.chosen(8_410, REGION), 1_800_000_000)
    return load_config(founded.configs[REGION], {})


async def start(config: Config) -> None:
    async with running(config, {}, SystemClock()):
        pass


def test_a_file_that_is_no_database_is_told_with_what_to_do(config: Config) -> None:
    config.node.data.mkdir(exist_ok=True)
    config.node.database.write_bytes(b"junk" * 4_096)
    with pytest.raises(LedgerError, match="move it away, and the node rebuilds") as caught:
        asyncio.run(start(config))
    assert caught.value.code == "bad-database"
    assert config.node.database.read_bytes() == b"junk" * 4_096


def test_a_file_that_is_no_roster_is_told_by_its_name(config: Config, tmp_path: Path) -> None:
    junk = tmp_path / "genesis.roster"
    junk.write_bytes(b"junk")
    with pytest.raises(LedgerError, match=r"genesis\.roster is no genesis roster"):
        asyncio.run(start(replace(config, node=replace(config.node, roster=junk))))


def test_a_host_that_nobody_knows_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def ask() -> None:
        async with Client("http://no-such-host.invalid", "") as client:
            await client.status()

    with pytest.raises(LedgerError, match="no such host is known"):
        asyncio.run(ask())
