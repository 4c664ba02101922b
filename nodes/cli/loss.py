"""``shouxin loss``: a region that is lost for good, one plain step after the other."""

import argparse
import base64
from collections.abc import Sequence
from typing import Any

from ledger.closing import close_log
from ledger.encoding import decode, encode
from ledger.errors import UnverifiedError
from ledger.hashing import hash_leaf
from ledger.member import decode_member
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Pin
from ledger.tiles import TILE_WIDTH
from ledger.tree import Frontier
from nodes.adapters.clock import SystemClock
from nodes.adapters.network import HEIR_FILE, found_heir
from nodes.adapters.roster_files import read_versions
from nodes.cli.caller import ask, load_folder, target
from nodes.cli.show import console, print_json, table
from nodes.client import Client
from nodes.files import read_bounded, write_durably

NOT_YET = 5


def prepare(given: argparse.Namespace) -> int:
    """Make a folder with fresh keys for the lost region's new node."""
    certificates = read_bounded(given.certificates)
    now_s = SystemClock().now_ms() // 1000
    heir = found_heir(given.folder, _chain(given), given.region, certificates, now_s)
    if given.json:
        print_json({"folder": str(given.folder), "member": heir.to_map()})
        return 0
    print(f"fresh keys for {heir.origin} in {given.folder}; the old ones must never sign again")
    print(f"hand {given.folder / HEIR_FILE} to whoever runs: shouxin loss close")
    return 0


def check(given: argparse.Namespace) -> int:
    """Say whether our region may sign a roster version, as far as it closes logs."""
    roster = read_bounded(given.roster)

    async def question(client: Client) -> dict[str, Any]:
        return await client.check_closings(roster)

    found = ask(given, question)
    if given.json:
        print_json(found)
        return 0
    for origin, closing in found["closes"].items():
        print(f"it closes {origin} at {closing['size']}; all that this region mirrors is below")
    if not found["closes"]:
        print("it closes no log")
    return 0


def revive(given: argparse.Namespace) -> int:
    """Put a signed roster version into a node's folder, so that its node can start under it."""
    config = load_folder(given.folder)
    path = config.node.rosters
    versions = read_versions(path)
    for file in given.roster:
        versions += [it for it in _signed_in(file.read_bytes()) if it not in versions]
    chain = RosterChain.check([config.node.roster.read_bytes(), *versions])
    if chain.genesis.sha256.hex() != config.node.genesis:
        raise UnverifiedError("the chain begins with another genesis", code="wrong-genesis")
    if given.certificate is not None:
        known = b"" if config.tls.peers is None else config.tls.peers.read_bytes()
        more = given.certificate.read_bytes()
        if config.tls.peers is not None and more not in known:
            write_durably(config.tls.peers, known + more, 0o644)
    write_durably(path, encode(versions), 0o644)
    member = chain.newest.member(config.node.region)
    if given.json:
        print_json({"version": chain.newest.version, "origin": member.origin})
        return 0
    print(f"{given.folder} knows version {chain.newest.version}; its log is {member.origin}")
    print(f"start it: shouxin node run --config {given.folder}/node.toml")
    return 0


def _signed_in(data: bytes) -> list[bytes]:
    """Return the versions in a file: one signed roster, or many as a node keeps them."""
    found = decode(data)
    if type(found) is list and all(type(it) is bytes for it in found):
        return found
    return [data]


def close(given: argparse.Namespace) -> int:
    """Write the roster version that closes a log at its cut, for the members to sign."""
    chain = _chain(given)

    async def question(client: Client) -> dict[str, Any]:
        return await client.cut(given.origin)

    found = ask(given, question)
    if not found["decided"]:
        if given.json:
            print_json(found)
        else:
            _tell(found)
        return NOT_YET
    heir = None
    if given.heir is not None:
        heir = decode_member(decode(read_bounded(given.heir)))
    pins = {at: Pin(size, bytes.fromhex(root)) for at, (size, root) in found["pins"].items()}
    cut_ = Pin(found["size"], bytes.fromhex(found["root"]))
    new = close_log(chain.newest, given.origin, cut_, pins, heir)
    chain.check_next(new)
    given.output.write_bytes(new.encode())
    if given.json:
        print_json({"version": new.version, "sha256": new.sha256, "size": cut_.size})
        return 0
    _tell(found)
    follower = new.closed[given.origin].successor or "no log: the region leaves"
    print(
        f"version {new.version} closes {given.origin} at {cut_.size}; it is followed by {follower}"
    )
    print(f"nothing has changed yet: {given.output} is to be proposed and signed by the members")
    return 0


def _chain(given: argparse.Namespace) -> RosterChain:
    """Return the chain of rosters as a node has it; each version is checked by the one before.

    Raises:
        UnverifiedError: ``wrong-genesis``: it does not begin as the named folder says.
    """

    async def question(client: Client) -> dict[str, Any]:
        return await client.roster()

    chain = RosterChain.check([base64.b64decode(it) for it in ask(given, question)["signed"]])
    known = target(given).roster
    if known is not None and all(known.sha256 != roster.sha256 for roster in chain.rosters):
        raise UnverifiedError("the node begins with another genesis roster", code="wrong-genesis")
    return chain


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


def asides(given: argparse.Namespace) -> int:
    """Show what our node has laid aside of a log, and write it to a file."""

    async def question(client: Client) -> tuple[dict[str, Any], list[list[bytes]]]:
        found = await client.asides(given.origin)
        if given.output is None:
            return found, []
        return found, [await _laid_aside(client, given.origin, it) for it in found["copies"]]

    found, entries = ask(given, question)
    if given.output is not None:
        copies = [_checked(it, of) for it, of in zip(found["copies"], entries, strict=True)]
        write_durably(given.output, encode({"log": given.origin, "copies": copies}), 0o644)
    if given.json:
        print_json(found)
        return 0
    if found["turned"] is not None:
        print(f"this node has turned to the tree of {found['turned']['size']} entries")
    for it in found["copies"]:
        print(f"laid aside: entries {it['kept_size']} to {it['size']}, root {it['root']}")
    if not found["copies"]:
        print("nothing is laid aside")
    return 0


async def _laid_aside(client: Client, origin: str, copy: dict[str, Any]) -> list[bytes]:
    entries: list[bytes] = []
    while (first := copy["kept_size"] + len(entries)) < copy["size"]:
        count = min(TILE_WIDTH, copy["size"] - first)
        entries += await client.aside_entries(origin, copy["number"], first, count)
    return entries


def _checked(copy: dict[str, Any], entries: Sequence[bytes]) -> dict[str, Any]:
    """Return a copy as the file has it; its entries lead from its beginning to its root."""
    peaks = [bytes.fromhex(it) for it in copy["peaks"]]
    root, kept_size = bytes.fromhex(copy["root"]), copy["kept_size"]
    grown = Frontier(kept_size, tuple(peaks)).extend([hash_leaf(it) for it in entries])
    if (grown.size, grown.root()) != (copy["size"], root):
        raise UnverifiedError("the entries laid aside do not lead to their root", code="altered")
    return {
        "size": grown.size,
        "root": root,
        "kept_size": kept_size,
        "peaks": peaks,
        "entries": list(entries),
        "notes": [bytes.fromhex(it) for it in copy["notes"]],
    }


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
