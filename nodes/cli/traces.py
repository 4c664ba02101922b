"""``shouxin trace``, ``bundle``, ``prove``: what became of an object, and files that prove it."""

import argparse
from pathlib import Path
from typing import Any

from nodes.cli.caller import ask
from nodes.cli.show import console, print_json
from nodes.cli.telling import tell_fields
from nodes.client import Client
from nodes.files import save


def trace(given: argparse.Namespace) -> int:
    """Show the timeline of a case."""

    async def question(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        return await client.case(given.case, proofs=given.proofs), await client.roster()

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

    return save_proof(given.output, ask(given, question))


def prove(given: argparse.Namespace) -> int:
    """Write the proof of how an object stands to a file."""

    async def question(client: Client) -> bytes:
        return await client.object_proof(given.object)

    return save_proof(given.output, ask(given, question))


def save_proof(path: Path, data: bytes) -> int:
    """Keep what verifies offline in a file, and say how."""
    save(path, data)
    print(f"{path}: {len(data)} bytes; shouxin verify {path} --roster GENESIS")
    return 0
