"""``shouxin token`` and ``officer-key``: what an operator gives to the people of a region."""

import argparse
import os
from typing import Any

from ledger.errors import MalformedError
from nodes.cli.caller import ask
from nodes.cli.show import print_json
from nodes.client import Client


def officer_key(given: argparse.Namespace) -> int:
    """Have the region's key store make an officer's key, and print what enrolment asks for."""

    async def question(client: Client) -> bytes:
        return await client.make_officer_key(given.party, given.suite)

    key = ask(given, question)
    named = {} if given.suite is None else {"suite": given.suite}
    print_json({"party": given.party, "key": key, "holder": "region"} | named)
    return 0


def issue(given: argparse.Namespace) -> int:
    """Make a token for a party, and keep its text in a file that only its owner may read."""
    try:
        descriptor = os.open(given.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise MalformedError(
            f"cannot make {given.output}: {error.strerror}", code="no-file"
        ) from error

    async def question(client: Client) -> dict[str, Any]:
        return await client.issue_token(given.party, given.role, days=given.days)

    try:
        issued = ask(given, question)
    except BaseException:
        os.close(descriptor)
        given.output.unlink()
        raise
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(issued.pop("token") + "\n")
    print_json(issued)
    return 0


def revoke(given: argparse.Namespace) -> int:
    """End a token at once."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.revoke_token(given.id)

    print_json(ask(given, question))
    return 0
