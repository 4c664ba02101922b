"""``shouxin trace``, ``bundle``, ``prove``: what became of an object, and files that prove it."""

import argparse
from pathlib import Path
from typing import Any, Final

from ledger.errors import MalformedError
from ledger.names import split_name
from nodes.cli.caller import ask
from nodes.cli.following import tell_followed
from nodes.cli.show import console, print_json
from nodes.cli.telling import tell_fields
from nodes.client import Client
from nodes.files import save

PAGE_ROWS: Final = 200


def trace(given: argparse.Namespace) -> int:
    """Show the timeline of a case, or what followed from another object.

    Raises:
        MalformedError: ``bad-field``: what followed is not asked for as of at least something.
    """
    if given.at_least and split_name(given.object).type != "case":
        raise MalformedError("--at-least is for the trace of a case", code="bad-field")
    tell = tell_fields if split_name(given.object).type == "case" else tell_followed

    async def question(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        if tell is tell_fields:
            told = await client.case(given.object, proofs=given.proofs, at_least=given.at_least)
        else:
            told = await _followed(client, given)
        return told, await client.roster()

    told, roster = ask(given, question)
    if given.json:
        print_json(told)
        return 0
    out = console()
    name = "name" if given.lang == "zh" else "name_en"
    names = {region: member[name] for region, member in roster["members"].items()}
    tell(out, told, given.lang, names)
    sizes = ", ".join(f"{origin} {size}" for origin, size in told["as_of"].items())
    out.print(f"as of {sizes}" if given.lang == "en" else f"截至 {sizes}", style="dim")
    return 0


async def _followed(client: Client, given: argparse.Namespace) -> dict[str, Any]:
    """Return pages of what followed from an object as one answer, as of what the last one says."""
    lines: list[dict[str, Any]] = []
    cases: dict[str, dict[str, Any]] = {}
    findings: list[dict[str, Any]] = []
    after = ""
    while True:
        rows = min(PAGE_ROWS, given.rows - len(lines))
        told = await client.followed(given.object, after=after, rows=rows, proofs=given.proofs)
        lines += told["lines"]
        findings += told["findings"]
        for case in told["cases"]:
            acts = cases.get(case["case"], {"acts": []})["acts"]
            cases[case["case"]] = {**case, "acts": acts + case["acts"]}
        after = told["next"] or ""
        if not after or len(lines) >= given.rows:
            return {**told, "lines": lines, "cases": list(cases.values()), "findings": findings}


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
