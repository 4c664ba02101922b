"""``shouxin roster``: who belongs to the network and by which keys, and how that changes.

Governance keys never meet a node: a word on the next version is signed here, from the folder that
holds the key, and only the signed word is sent.
"""

import argparse
import base64
import json
import os
import time
from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from ledger import encoding
from ledger.errors import LedgerError, MalformedError, NotFoundError, RefusedError
from ledger.hashing import EMPTY_ROOT
from ledger.key_proof import prove_key
from ledger.keys import SigningKey
from ledger.roster import Roster
from ledger.roster_acts import (
    APPROVE_KIND,
    PROPOSE_KIND,
    STALL_KIND,
    Approval,
    Proposal,
    Stall,
    sign_proposal,
    sign_stall,
)
from ledger.roster_chain import RosterChain, governance_quorum
from nodes.adapters.clock import SystemClock
from nodes.adapters.key_ring import maker, next_key
from nodes.adapters.keystore import (
    POST_QUANTUM_ROLES,
    ROLES,
    SECRET_ENV,
    KeyStore,
    Unlock,
    check_opens,
    read_secret,
)
from nodes.adapters.network import SECRET_FILE, Place, found_joiner, next_certificate
from nodes.adapters.random import randomness
from nodes.cli.caller import ask, load_folder
from nodes.cli.show import console, print_json, table
from nodes.client import Client
from nodes.files import read_bounded, write_durably

_T = TypeVar("_T")

_CHANGED = ("constants", "rules", "steward", "suites")

SEEN_TRIES_MAX = 10
SEEN_PAUSE_S = 1.0
"""Words of others are relied on once they are replicated, some seconds after they were said."""

KEY_NAMES = (*ROLES, *POST_QUANTUM_ROLES, "log_sm2", "governance", "tls")
"""What ``shouxin roster keys`` makes anew: keys by their purpose, and the node's certificate."""


def show(given: argparse.Namespace) -> int:
    """Show the version in force, and what is said of the next one."""

    async def question(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        return await client.roster(), await client.next_roster()

    found, coming = ask(given, question)
    if given.json:
        print_json({**found, "next": coming})
        return 0
    print(f"{found['network']}: version {found['version']} in force, {found['newest']} known")
    members = table("region", "name", "address", "version " + str(coming["version"]))
    for region, member in found["members"].items():
        steward = " (steward)" if region == found["steward"] else ""
        members.add_row(
            region, member["name"] + steward, member["url"], _words(coming["said"].get(region, {}))
        )
    console().print(members)
    return 0


def history(given: argparse.Namespace) -> int:
    """Check every version from the genesis on, and show what each changed."""
    chain = _chain(given)
    if given.output is not None:
        write_durably(given.output, encoding.encode(list(chain.signed[1:])), 0o644)
    rows: list[dict[str, Any]] = [
        {
            "version": roster.version,
            "sha256": roster.sha256.hex(),
            "members": list(roster.members),
            "rules": roster.rules,
            "steward": roster.steward,
            "closed": sorted(roster.closed),
        }
        for roster in chain.rosters
    ]
    if given.json:
        print_json({"versions": rows})
        return 0
    for row in rows:
        print(f"{row['version']}  {row['sha256']}  {' '.join(row['members'])}")
        for origin in row["closed"]:
            print(f"   closed: {origin}")
    return 0


def propose(given: argparse.Namespace) -> int:
    """Propose the next version: a whole one, or the newest one with a file of changes."""
    data, stalls = given.changes.read_bytes(), tuple(sorted(given.stall or ()))
    newest = _chain(given).newest
    # With committees the views that the node recorded meanwhile show what is pinned.
    passing = {"pin-not-replicated"}
    if len(stalls) >= governance_quorum(newest):
        passing.add("no-quorum")
    new, said = _once_seen(passing, lambda: _propose(given, data, stalls))
    return _tell(given, said, f"version {new.version}, {new.sha256.hex()}, is proposed")


def _propose(
    given: argparse.Namespace, data: bytes, stalls: tuple[str, ...]
) -> tuple[Roster, dict[str, Any]]:
    new = _proposed(given, data)
    proposal = Proposal(given.round, new.encode(), stalls)
    return new, _say(given, PROPOSE_KIND, proposal.to_body(_chain(given).newest))


def _once_seen(passing: Collection[str], say: Callable[[], _T]) -> _T:
    """Say a word, again for some seconds while it is refused by one of these codes."""
    for _ in range(SEEN_TRIES_MAX - 1):
        try:
            return say()
        except LedgerError as error:
            if error.code not in passing:
                raise
        time.sleep(SEEN_PAUSE_S)
    return say()


def _proposed(given: argparse.Namespace, data: bytes) -> Roster:
    """Return the version that a file holds, or that it changes the newest one to."""
    try:
        return Roster.decode(data)  # as ``shouxin loss close`` writes it
    except MalformedError:
        pass
    try:
        changes = json.loads(data)
    except ValueError as error:
        raise MalformedError(f"{given.changes} is not JSON", code="bad-field") from error
    coming = ask(given, lambda client: client.next_roster())
    return changed(_chain(given).newest, coming["pins"], changes)


def join(given: argparse.Namespace) -> int:
    """Make the folder of a node whose region is to join, and say how the proposal names it."""
    certificates = read_bounded(given.certificates)
    place = Place(
        region=given.region,
        name=given.name,
        name_en=given.name_en,
        host=given.host,
        public_port=given.public_port,
        peer_port=given.peer_port,
    )
    joiner = found_joiner(given.folder, _chain(given), place, certificates, given.keys, _now_s())
    fields = joiner.to_map()
    fields["keys"] = {name: key.hex() for name, key in fields["keys"].items()}
    fields["tls"] = None if joiner.tls is None else joiner.tls.hex()
    print(json.dumps({"members": {given.region: fields}}, ensure_ascii=False, indent=1))
    return 0


def keys(given: argparse.Namespace) -> int:
    """Make a region's next keys beside those in force, and say how the proposal names them.

    Asked again before the version is known, it names the same keys: none is ever made in vain.
    """
    if given.node.startswith(("http://", "https://")):
        raise MalformedError("keys are made in the node's own folder: --node DIR", code="no-node")
    wanted = dict.fromkeys(given.names or ROLES)
    if unknown := wanted.keys() - set(KEY_NAMES):
        raise MalformedError(f"no key is called {min(unknown)}", code="bad-field")
    config = load_folder(Path(given.node))
    newest, region = _chain(given).newest, config.node.region
    member = newest.member(region)
    if "governance" in wanted and given.keys is None:
        raise MalformedError("name the governance key's folder: --keys DIR", code="no-node")
    unlock = config.unlock
    secret = Unlock(unlock.credential, unlock.env, unlock.file).secret(os.environ)
    store = KeyStore.open(config.node.keys, secret, randomness)
    check_opens(store)
    made: dict[str, str] = {}
    fields: dict[str, Any] = {"keys": made}
    proofs: dict[str, str] = {}
    for name in wanted:
        if name == "tls":
            fields["tls"] = next_certificate(config, newest, _now_s()).hex()
        elif name == "governance":
            apart = _open_governance(given)
            key = next_key(apart, f"governance/{region}", member.keys.governance, apart.make)
            made[name] = key.public.hex()
            proofs[region] = prove_key(key, newest.network, newest.version + 1, region).hex()
        else:
            named = getattr(member.keys, name)
            made[name] = next_key(store, f"role/{name}", named, maker(store, name)).public.hex()
    said = {"members": {region: fields}} | ({"proofs": proofs} if proofs else {})
    print(json.dumps(said, ensure_ascii=False, indent=1))
    return 0


def approve(given: argparse.Namespace) -> int:
    """Sign what is proposed in a round, and record it."""
    coming = ask(given, lambda client: client.next_roster())
    found = [
        proposal
        for said in coming["said"].values()
        for proposal in said["proposals"]
        if proposal["round"] == given.round
    ]
    if len(found) != 1:
        raise NotFoundError(f"no proposal is known here in round {given.round}", code="no-file")
    body = base64.b64decode(found[0]["roster"])
    if given.sha256 and sha256(body).hexdigest() != given.sha256:
        raise RefusedError("another version is proposed than you name", code="other-proposal")
    new = Roster.decode(body)
    signature = sign_proposal(_key(given), body, given.round)
    approval = Approval(new.version, given.round, new.sha256, signature)
    said = _once_seen({"not-proposed"}, lambda: _say(given, APPROVE_KIND, approval.to_body()))
    return _tell(given, said, f"version {new.version}, {new.sha256.hex()}, is approved")


def stall(given: argparse.Namespace) -> int:
    """Sign nothing more in a round, and say what was signed last."""
    coming = ask(given, lambda client: client.next_roster())
    approvals = coming["said"].get(given.region, {}).get("approvals", [])
    last = max(((it[0], bytes.fromhex(it[1])) for it in approvals), default=None)
    made = Stall(coming["version"], given.round, last)
    signed = sign_stall(_key(given), _chain(given).newest.network, made)
    said = _say(given, STALL_KIND, signed.to_body())
    return _tell(given, said, f"round {given.round} is stalled")


def changed(newest: Roster, pins: dict[str, Any], changes: dict[str, Any]) -> Roster:
    """Return the next version: the newest one with changes, and what is replicated now pinned.

    ``changes`` may hold ``constants`` (those that change), ``rules``, ``steward``, ``suites``,
    ``members`` (by region the fields that change, a new member's all, or null for one that leaves;
    keys and pins of certificates in hexadecimal), ``proofs`` (by region: that its new governance
    key is held, in hexadecimal) and ``closed`` (by origin: the log that takes over, or null).
    """
    body = encoding.decode(newest.following().encode())
    empty = [0, EMPTY_ROOT.hex()]
    found = {origin: pins.get(origin, empty) for origin in newest.origins}
    body["pins"] = {origin: [pin[0], bytes.fromhex(pin[1])] for origin, pin in found.items()}
    unknown = changes.keys() - {*_CHANGED, "members", "proofs", "closed"}
    if unknown:
        raise MalformedError(f"nothing is called {sorted(unknown)}", code="bad-field")
    for name in _CHANGED:
        if name in changes:
            is_map = isinstance(changes[name], dict)
            body[name] = {**body[name], **changes[name]} if is_map else changes[name]
    for region, fields in changes.get("members", {}).items():
        if fields is None:
            body["members"].pop(region, None)
            continue
        member: dict[str, Any] = {"tls": None, "witnesses": None, "faulty_max": None, "keys": {}}
        member |= body["members"].get(region, {}) | fields
        keys = body["members"].get(region, {}).get("keys", {})
        member["keys"] = {**keys, **_bytes(fields.get("keys", {}))}
        if isinstance(member["tls"], str):
            member["tls"] = bytes.fromhex(member["tls"])
        body["members"][region] = member
    if changes.get("proofs"):
        body["proofs"] = _bytes(changes["proofs"])
    for origin, heir in changes.get("closed", {}).items():
        size, root = body["pins"].get(origin, [0, EMPTY_ROOT])
        body["closed"][origin] = {"size": size, "root": root, "successor": heir}
    return Roster.decode(encoding.encode(body))


def _bytes(keys: dict[str, str]) -> dict[str, bytes]:
    try:
        return {name: bytes.fromhex(value) for name, value in keys.items()}
    except (TypeError, ValueError) as error:
        raise MalformedError("a key or proof is hexadecimal", code="bad-field") from error


def _chain(given: argparse.Namespace) -> RosterChain:
    found = ask(given, lambda client: client.roster())
    return RosterChain.check([base64.b64decode(signed) for signed in found["signed"]])


def _key(given: argparse.Namespace) -> SigningKey:
    """Return a region's governance key, as the newest version names it.

    One that is no member yet has its first key.
    """
    store, members = _open_governance(given), _chain(given).newest.members
    names = store.numbered(f"governance/{given.region}")
    named = members[given.region].keys.governance if given.region in members else None
    found = (key for name in names if (key := store.load(name)).public == named)
    return next(found, None) or store.load(f"governance/{given.region}")


def _open_governance(given: argparse.Namespace) -> KeyStore:
    """Open the folder of governance keys, which no node ever sees."""
    secret = os.environ.get(SECRET_ENV, "").encode()
    if (given.keys / SECRET_FILE).is_file():
        secret = read_secret(given.keys / SECRET_FILE)
    return KeyStore.open(given.keys, secret, randomness)


def _now_s() -> int:
    return SystemClock().now_ms() // 1000


def _say(given: argparse.Namespace, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return ask(given, lambda client: client.say_on_roster(kind, body))


def _tell(given: argparse.Namespace, said: dict[str, Any], words: str) -> int:
    if given.json:
        print_json(said)
    else:
        print(f"{words}, as entry {said['index']} of {said['origin']}")
    return 0


def _words(said: dict[str, Any]) -> str:
    words = [f"proposes in {it['round']}" for it in said.get("proposals", ())]
    words += [f"approves in {it[0]}" for it in said.get("approvals", ())]
    words += [f"stalls {it[0]}" for it in said.get("stalls", ())]
    return ", ".join(words)
