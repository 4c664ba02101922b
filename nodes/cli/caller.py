"""Which node a command asks, and with whose token."""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ledger.errors import MalformedError, NotFoundError, RefusedError
from ledger.roster import Roster
from ledger.signed_roster import SignedRoster, check_genesis
from nodes.adapters.network import CONFIG_FILE, TOKEN_FILE
from nodes.adapters.roster_files import load_chain
from nodes.client import Client, Patience
from nodes.config import Config, load_config
from nodes.files import read_bounded

TOKEN_VARIABLE = "SHOUXIN_TOKEN"  # noqa: S105 - the name of a variable, not a secret

_T = TypeVar("_T")

# A person waits at the terminal.
_PATIENCE = Patience(attempts_max=3, timeout_ms=10_000)


@dataclass(frozen=True, slots=True)
class Target:
    """A node to ask.

    Args:
        roster: The newest version that its folder has; None for one known by its URL alone.
    """

    url: str
    token: str
    region: str = ""
    roster: Roster | None = None

    def client(self) -> Client:
        """Return a client; receipts are checked where the roster is known."""
        return Client(
            self.url, self.token, roster=self.roster, region=self.region, patience=_PATIENCE
        )


def target(given: argparse.Namespace) -> Target:
    """Return the node that the arguments name.

    Raises:
        MalformedError: ``no-node``: they name none.
        RefusedError: ``open-secret``: others may read the file of the token.
    """
    if not given.node:
        raise MalformedError("name a node: --node URL or DIR, or $SHOUXIN_NODE", code="no-node")
    if given.node.startswith(("http://", "https://")):
        return Target(given.node.rstrip("/"), _token(given.token, None))
    folder = Path(given.node)
    config = load_folder(folder)
    roster = load_chain(config).newest
    member = roster.member(config.node.region)
    token = _token(given.token, folder / TOKEN_FILE)
    return Target(member.url, token, config.node.region, roster)


def load_folder(folder: Path) -> Config:
    """Return the configuration in a node's folder."""
    path = folder if folder.is_file() else folder / CONFIG_FILE
    if not path.is_file():
        raise NotFoundError(f"no {CONFIG_FILE} in {folder}", code="no-node")
    return load_config(path, os.environ)


def load_roster(path: Path) -> Roster:
    """Return the genesis roster in a file, signed by all its members."""
    data = read_bounded(path)
    try:
        return check_genesis(SignedRoster.decode(data))
    except MalformedError as error:
        raise MalformedError(f"{path} is no genesis roster: {error}", code=error.code) from error


def ask(given: argparse.Namespace, question: Callable[[Client], Awaitable[_T]]) -> _T:
    """Ask the node that the arguments name."""
    wanted = target(given)

    async def asked() -> _T:
        async with wanted.client() as client:
            return await question(client)

    return asyncio.run(asked())


def _token(path: Path | None, beside: Path | None) -> str:
    """Return the token: of the file that is named, of the environment, or of the node's folder."""
    if path is None:
        if token := os.environ.get(TOKEN_VARIABLE, ""):
            return token.strip()
        if beside is None or not beside.is_file():
            return ""
        path = beside
    try:
        if path.stat().st_mode & 0o077:
            raise RefusedError(f"others may read {path}; chmod it to 0600", code="open-secret")
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedError(f"cannot read the token in {path}", code="no-file") from error


__all__ = ["Target", "ask", "load_folder", "load_roster", "target"]
