"""``shouxin vault``: papers of cases put in, read, listed and shredded; the vault's key renewed."""

import argparse
import re
from pathlib import Path
from typing import Any, Final

from authz.tables.vault import RETENTION
from ledger.commitment import SALT_BYTES
from ledger.commitment import commit as commitment_to
from ledger.errors import MalformedError
from ledger.lineage import numbered
from nodes.adapters.random import randomness
from nodes.cli.caller import ask
from nodes.cli.show import print_json
from nodes.client import Client
from nodes.files import read_bounded, write_durably

NUMBER_BYTES: Final = 16

_NAME_CHARS_MAX: Final = 100
_unsafe = re.compile(r"[^\w.()（）-]+").sub


def put(given: argparse.Namespace) -> int:
    """Seal papers and record them, one after the other; what stands of each is printed."""
    if given.salt is not None and len(given.files) != 1:
        raise MalformedError("--salt is that of one file", code="bad-field")
    salt = None if given.salt is None else _salt(given.salt)
    papers = [(path.name, read_bounded(path)) for path in given.files]

    async def question(client: Client) -> list[dict[str, Any]]:
        return [
            await client.put_in_vault(given.case, name, content, officer=given.officer, salt=salt)
            for name, content in papers
        ]

    print_json({"case": given.case, "papers": ask(given, question)})
    return 0


def get(given: argparse.Namespace) -> int:
    """Read papers into a folder, each under its number and the name that it was given."""

    async def question(client: Client) -> list[dict[str, Any]]:
        wanted = given.paper
        if wanted is None:
            listed = (await client.papers_in_vault(given.case))["papers"]
            wanted = [paper["paper"] for paper in listed]
        return [await client.read_from_vault(name) for name in wanted]

    found = ask(given, question)
    given.output.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = []
    for paper in found:
        path = given.output / file_name(paper["paper"], paper["name"])
        write_durably(path, paper.pop("content"))
        told.append({**paper, "file": str(path)})
    print_json({"case": given.case, "papers": told})
    return 0


def file_name(paper: str, name: str) -> str:
    """Return the name of a paper's file; what another region calls it leads out of no folder."""
    number = paper.rsplit("/", 1)[-1]
    plain = _unsafe("_", Path(name).name).strip("._")[-_NAME_CHARS_MAX:]
    return f"{number}-{plain}" if plain else number


def listing(given: argparse.Namespace) -> int:
    """List papers and tombstones of a case."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.papers_in_vault(given.case)

    print_json(ask(given, question))
    return 0


def shred(given: argparse.Namespace) -> int:
    """Destroy the region's keys of a case."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.shred(
            given.case,
            basis=given.basis,
            reason=given.reason,
            officer=given.officer,
            tombstone=given.tombstone,
        )

    print_json(ask(given, question))
    return 0


def keep(given: argparse.Namespace) -> int:
    """Record why the region keeps what another one has shredded."""

    async def question(client: Client) -> dict[str, Any]:
        told = await client.status()
        number = numbered(told["origin"], randomness(NUMBER_BYTES).hex())
        subject = f"{told['region']}/{RETENTION.subject}/{number}"
        names = ("case", "tombstone", "basis", "reason")
        body = {name: getattr(given, name) for name in names}
        acted = await client.act("vault.keep", subject, body, officer=given.officer)
        return {"case": given.case, "retention": subject, "index": acted.index}

    print_json(ask(given, question))
    return 0


def rotate(given: argparse.Namespace) -> int:
    """Renew the vault's key."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.rotate_vault()

    print_json(ask(given, question))
    return 0


def status(given: argparse.Namespace) -> int:
    """Show the vault's state."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.vault()

    print_json(ask(given, question))
    return 0


def commit(given: argparse.Namespace) -> int:
    """Print a commitment to a file, and the salt that opens it."""
    content = read_bounded(given.file)
    salt = randomness(SALT_BYTES) if given.salt is None else _salt(given.salt)
    print_json({"commitment": commitment_to(salt, content), "salt": salt})
    return 0


def _salt(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise MalformedError("a salt is written in hexadecimal", code="bad-salt") from error
