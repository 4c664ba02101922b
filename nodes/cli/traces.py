"""``shouxin trace``, ``bundle``, ``prove``: what became of an object, and files that prove it."""

import argparse
from typing import Any

from ledger.errors import MalformedError
from nodes.cli.caller import ask
from nodes.cli.show import console, print_json
from nodes.cli.telling import tell_fields
from nodes.client import Client


def trace(given: argparse.Namespace) -> int:
    """Show the timeline of a case."""

    async def question(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        return await client.case(given.case), await client.roster()

    told, roster = ask(given, question)
    if given.json:
        print_json(told)
        return 0
    out = console()
    name = "name" if given.lang == "zh" else "name_en"
    names = {region: member[name] for region, member in roster["members"].items()}
    tell_fields(out, told, given.lang, names)
    sizes = ", ".join(f"{origin} {size}" for origin, size in told["as_of"].items())
    out.print(f"as of {sizes}" if given.lang == "en" else f"截至 {sizes}", style="dim")
    return 0


def bundle(given: argparse.Namespace) -> int:
    """Write the evidence of a case to a file."""

    async def question(client: Client) -> bytes:
        return await client.bundle(given.case)

    return _save(given, ask(given, question))


def prove(given: argparse.Namespace) -> int:
    """Write the proof of how an object stands to a file."""

    async def question(client: Client) -> bytes:
        return await client.object_proof(given.object)

    return _save(given, ask(given, question))


def _save(given: argparse.Namespace, data: bytes) -> int:
    try:
        given.output.write_bytes(data)
    except OSError as error:
        raise MalformedError(
            f"cannot write {given.output}: {error.strerror}", code="no-file"
        ) from error
    print(f"{given.output}: {len(data)} bytes; shouxin verify {given.output} --roster GENESIS")
    return 0
