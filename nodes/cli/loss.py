"""``shouxin loss``: a region that is lost for good, one plain step after the other."""

import argparse
from typing import Any

from nodes.cli.caller import ask
from nodes.cli.show import console, print_json, table
from nodes.client import Client

NOT_YET = 5


def freeze(given: argparse.Namespace) -> int:
    """Have our node cosign a log no more."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.freeze(given.origin)

    found = ask(given, question)
    if given.json:
        print_json(found)
        return 0
    print(
        f"frozen: {given.origin}, with {found['mirrored_size']} entries mirrored, "
        f"as entry {found['index']} of {found['origin']}"
    )
    print("this node cosigns that log no more; only a roster version ends that")
    return 0


def cut(given: argparse.Namespace) -> int:
    """Show where a log would be closed, and why there."""

    async def question(client: Client) -> dict[str, Any]:
        return await client.cut(given.origin)

    found = ask(given, question)
    if given.json:
        print_json(found)
    else:
        _tell(found)
    return 0 if found["decided"] else NOT_YET


def _tell(found: dict[str, Any]) -> None:
    reports = table("frozen by", "has seen", "mirrors", right=(1, 2))
    for report in found["reports"]:
        reports.add_row(
            report["region"], str(report["witnessed_size"]), str(report["mirrored_size"])
        )
    console().print(reports)
    if "size" not in found:
        print(f"no cut yet, {found['code']}: {found['detail']}")
        return
    for reason in found["reasons"]:
        print(f"- {reason}")
    if found["lacking"]:
        print(f"no cut yet: the bytes that {', '.join(found['lacking'])} mirrors are not here")
        return
    print(f"cut {found['log']} at {found['size']}, root {found['root']}")
    if found["forked"]:
        print("the log was forked: what stood on the other branch is void")
