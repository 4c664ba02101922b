"""Founding a network: the keys of every region, the genesis roster that all sign, their folders.

On one machine this makes everything at once, which suits trials and tests. In earnest each region
makes its own keys and hands over only the public ones and its governance signature; the formats are
the same.
"""

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ledger.encoding import encode
from ledger.errors import MalformedError, RefusedError
from ledger.hashing import EMPTY_ROOT
from ledger.member import Member, MemberKeys
from ledger.names import origin_for, successor_origin
from ledger.roster import Role, Roster
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Constants
from ledger.roster_policy import post_quantum_policy, tlog_policy
from ledger.signed_roster import SignedRoster, check_genesis, sign_roster
from ledger.suites import SM2_SM3
from nodes.adapters.fence_file import FileFence
from nodes.adapters.keystore import LOG_SM2, POST_QUANTUM_ROLES, ROLES, KeyStore
from nodes.adapters.random import randomness
from nodes.adapters.tls import make_certificate, numbered, pin_of
from nodes.config import Config
from nodes.files import write_durably
from nodes.ports import FenceMark

ROSTER_FILE: Final = "genesis.roster"
CERTIFICATES_FILE: Final = "certificates.pem"
GOVERNANCE_FOLDER: Final = "governance"
CONFIG_FILE: Final = "node.toml"
SECRET_FILE: Final = "unlock.secret"  # noqa: S105 - a file's name
TOKEN_FILE: Final = "operator.token"  # noqa: S105 - a file's name
TOKEN_HASH_FILE: Final = "operator.sha256"  # noqa: S105 - a file's name
FENCE_FILE: Final = "fence"
HEIR_FILE: Final = "member.cbor"
"""In the folder of a lost region's new node: the member that the next roster version is to name."""
RULES_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A region to be founded.

    Args:
        public_port: Where its node answers callers.
        peer_port: Where its node answers other nodes.
        peer_url: What other nodes call it by, where that is not the peer port on ``host`` (a relay
            stands between); empty otherwise.
    """

    region: str
    name: str
    name_en: str
    host: str = "127.0.0.1"
    public_port: int
    peer_port: int
    peer_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """A network to be founded.

    Args:
        steward: The region in whose log the roster's next version is proposed.
        post_quantum: Whether logs, witnesses and mirrors sign with ML-DSA-44 keys too.
        sm2: Whether the roster names the suite sm2-sm3, and gives each log an SM2 key.
    """

    network: str
    steward: str
    places: tuple[Place, ...]
    constants: Constants = field(default_factory=Constants)
    post_quantum: bool = False
    sm2: bool = False


@dataclass(frozen=True, slots=True)
class Founded:
    """What was made: folders of nodes and operators' tokens, by region."""

    folder: Path
    roster: Roster
    configs: dict[str, Path]
    tokens: dict[str, str]


def southwest_five(base_port: int = 8410) -> Founding:
    """Return the founding of the five southwestern regions on this machine.

    Args:
        base_port: The first of ten ports: public and peer port of each region in turn.
    """
    named = (
        ("510000", "四川", "Sichuan"),
        ("500000", "重庆", "Chongqing"),
        ("520000", "贵州", "Guizhou"),
        ("530000", "云南", "Yunnan"),
        ("540000", "西藏", "Tibet"),
    )
    places = tuple(
        Place(
            region=region,
            name=name,
            name_en=name_en,
            public_port=base_port + 2 * number,
            peer_port=base_port + 2 * number + 1,
        )
        for number, (region, name, name_en) in enumerate(named)
    )
    return Founding(network="southwest-five.example", steward="510000", places=places)


def found_network(folder: Path, founding: Founding, now_s: int) -> Founded:
    """Make everything a new network needs below ``folder``.

    Each node's folder holds ``node.toml``, ``keys/`` (key store and fence), ``unlock.secret``,
    ``operator.token``, ``tls/``, the genesis roster, and its log's policy files. The governance
    keys lie apart, below ``governance/``: no node needs them, and they belong offline.

    Raises:
        RefusedError: ``not-empty``: the folder holds something.
        MalformedError: A place's fields make no sound roster.
    """
    if folder.exists() and any(folder.iterdir()):
        raise RefusedError(f"{folder} is not empty: name a new folder", code="not-empty")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    governance_folder = folder / GOVERNANCE_FOLDER
    governance_secret = secrets.token_hex(32).encode()
    governance_store = KeyStore.create(governance_folder, governance_secret, randomness)
    write_durably(governance_folder / SECRET_FILE, governance_secret + b"\n")

    members: dict[str, Member] = {}
    governance = {
        place.region: governance_store.make(f"governance/{place.region}")
        for place in founding.places
    }
    certificates: list[bytes] = []
    for place in founding.places:
        home = folder / place.region
        home.mkdir(mode=0o700)
        store = _make_store(home)
        keys = {role: store.make(f"role/{role}") for role in ROLES}
        more = POST_QUANTUM_ROLES if founding.post_quantum else ()
        extra = {role: store.make_post_quantum(role).public for role in more}
        if founding.sm2:
            extra["log_sm2"] = store.make_sm2(LOG_SM2).public
        certificate = _make_transport(home, founding.network, place, now_s)
        certificates.append(certificate)
        public_url = f"http://{place.host}:{place.public_port}"
        members[place.region] = Member(
            name=place.name,
            name_en=place.name_en,
            origin=origin_for(founding.network, place.region),
            url=public_url,
            peer=place.peer_url or f"https://{place.host}:{place.peer_port}",
            tls=pin_of(certificate),
            keys=MemberKeys(
                **{role: keys[role].public for role in ROLES},
                governance=governance[place.region].public,
                **extra,
            ),
        )
    roster = Roster(
        network=founding.network,
        version=1,
        previous=None,
        rules=RULES_VERSION,
        steward=founding.steward,
        constants=founding.constants,
        members=members,
        suites=(SM2_SM3,) if founding.sm2 else (),
    )
    signed = sign_roster(roster, governance)
    # Reading it back is the check that every node makes; better it fails here.
    check_genesis(SignedRoster.decode(signed.encode()))
    shared = {ROSTER_FILE: signed.encode(), CERTIFICATES_FILE: b"".join(certificates)}
    for name, data in shared.items():
        write_durably(folder / name, data, 0o644)
    configs, tokens = {}, {}
    for place in founding.places:
        home = folder / place.region
        for name, data in shared.items():
            write_durably(home / name, data, 0o644)
        _write_policies(home, roster, members[place.region].origin)
        tokens[place.region] = secrets.token_urlsafe(32)
        write_durably(home / TOKEN_FILE, tokens[place.region].encode() + b"\n")
        # The node itself needs only to recognise it.
        digest = hashlib.sha256(tokens[place.region].encode()).hexdigest()
        write_durably(home / TOKEN_HASH_FILE, f"{digest}\n".encode())
        configs[place.region] = home / CONFIG_FILE
        write_durably(home / CONFIG_FILE, _config(place, roster).encode(), 0o600)
    return Founded(folder, roster, configs, tokens)


def found_heir(
    folder: Path, chain: RosterChain, region: str, certificates: bytes, now_s: int
) -> Member:
    """Make the folder of a lost region's new node, with fresh keys, below ``folder``.

    It is as ``found_network`` makes one, for the region's successor log. The governance key is the
    region's own business and stays as the roster has it. The node can start once a roster version
    names these keys.

    Args:
        folder: New, or empty.
        chain: Of the network; the newest version names the region.
        region: Which was lost.
        certificates: Of the other members, as PEM.
        now_s: Now.

    Returns:
        The region as the next version is to name it.

    Raises:
        RefusedError: ``not-empty``: the folder holds something.
        NotFoundError: The region is no member.
    """
    lost = chain.newest.member(region)
    public, peer = urlsplit(lost.url), urlsplit(lost.peer)
    place = Place(
        region=region,
        name=lost.name,
        name_en=lost.name_en,
        host=public.hostname or "",
        public_port=public.port or 0,
        peer_port=peer.port or 0,
        peer_url=lost.peer,
    )
    store = _furnish(folder, chain, place, certificates, now_s)
    keys = {role: store.make(f"role/{role}").public for role in ROLES}
    more = {
        role: store.make_post_quantum(role).public
        for role in POST_QUANTUM_ROLES
        if getattr(lost.keys, role) is not None
    }
    if lost.keys.log_sm2 is not None:
        more["log_sm2"] = store.make_sm2(LOG_SM2).public
    heir = replace(
        lost,
        origin=successor_origin(lost.origin),
        tls=None if lost.tls is None else pin_of((folder / "tls" / "node.pem").read_bytes()),
        keys=replace(lost.keys, **keys, **more),
    )
    write_durably(folder / HEIR_FILE, encode(heir.to_map()), 0o644)
    return heir


def found_joiner(  # noqa: PLR0917 - what a network knows, then what the region brings
    folder: Path,
    chain: RosterChain,
    place: Place,
    certificates: bytes,
    governance: Path,
    now_s: int,
) -> Member:
    """Make the folder of a node whose region is to join, and its governance key apart from it.

    Args:
        folder: New, or empty.
        chain: Of the network that it joins.
        place: Where the node will be reached.
        certificates: Of the members, as PEM.
        governance: Folder for the governance key; new, or empty.
        now_s: Now.

    Returns:
        The region as the next version is to name it.

    Raises:
        RefusedError: ``not-empty``: a folder holds something.
    """
    if governance.exists() and any(governance.iterdir()):
        raise RefusedError(f"{governance} is not empty: name a new folder", code="not-empty")
    store = _furnish(folder, chain, place, certificates, now_s)
    keys = {role: store.make(f"role/{role}").public for role in ROLES}
    secret = secrets.token_hex(32).encode()
    apart = KeyStore.create(governance, secret, randomness)
    write_durably(governance / SECRET_FILE, secret + b"\n")
    own = apart.make(f"governance/{place.region}").public
    return Member(
        name=place.name,
        name_en=place.name_en,
        origin=origin_for(chain.newest.network, place.region),
        url=f"http://{place.host}:{place.public_port}",
        peer=place.peer_url or f"https://{place.host}:{place.peer_port}",
        tls=pin_of((folder / "tls" / "node.pem").read_bytes()),
        keys=MemberKeys(**keys, governance=own),
    )


def next_certificate(config: Config, roster: Roster, now_s: int) -> bytes:
    """Make a node's next certificate beside the one in use, and return the pin of it.

    The newest one here, if the roster does not pin it yet; else a new one.

    Raises:
        MalformedError: ``bad-config``: the node has no certificate.
    """
    paths, region = config.tls, config.node.region
    if paths.certificate is None or paths.key is None:
        raise MalformedError("the node has no certificate: [tls]", code="bad-config")
    newest = 1
    while numbered(paths.certificate, newest + 1).is_file():
        newest += 1
    pin = pin_of(numbered(paths.certificate, newest).read_bytes())
    if pin != roster.member(region).tls and numbered(paths.key, newest).is_file():
        return pin
    hosts = dict.fromkeys([config.listen.peer_host, "localhost"])
    if host := urlsplit(roster.member(region).peer).hostname:
        hosts[host] = None
    certificate, key = make_certificate(f"{roster.network}/{region}", [*hosts], now_s)
    # The key first: a certificate without its key would be taken for one that can be shown.
    write_durably(numbered(paths.key, newest + 1), key)
    write_durably(numbered(paths.certificate, newest + 1), certificate, 0o644)
    return pin_of(certificate)


def _furnish(
    folder: Path, chain: RosterChain, place: Place, certificates: bytes, now_s: int
) -> KeyStore:
    """Make all of a node's folder but its role keys, and return the store for them."""
    if folder.exists() and any(folder.iterdir()):
        raise RefusedError(f"{folder} is not empty: name a new folder", code="not-empty")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = _make_store(folder)
    certificate = _make_transport(folder, chain.newest.network, place, now_s)
    write_durably(folder / ROSTER_FILE, chain.signed[0], 0o644)
    write_durably(folder / CERTIFICATES_FILE, certificates + certificate, 0o644)
    token = secrets.token_urlsafe(32)
    write_durably(folder / TOKEN_FILE, token.encode() + b"\n")
    digest = hashlib.sha256(token.encode()).hexdigest()
    write_durably(folder / TOKEN_HASH_FILE, f"{digest}\n".encode())
    write_durably(folder / CONFIG_FILE, _config(place, chain.genesis).encode(), 0o600)
    return store


def _make_store(home: Path) -> KeyStore:
    secret = secrets.token_hex(32).encode()
    store = KeyStore.create(home / "keys", secret, randomness)
    write_durably(home / SECRET_FILE, secret + b"\n")
    fence = FileFence.open(home / "keys" / FENCE_FILE)
    # A node without a fence counts as one that has forgotten; a new one has nothing to forget.
    fence.store(FenceMark(0, 0, EMPTY_ROOT))
    fence.close()
    return store


def _make_transport(home: Path, network: str, place: Place, now_s: int) -> bytes:
    (home / "tls").mkdir(mode=0o700)
    hosts = [place.host, "localhost"]
    if place.peer_url and (host := urlsplit(place.peer_url).hostname) and host not in hosts:
        hosts.append(host)
    certificate, key = make_certificate(f"{network}/{place.region}", hosts, now_s)
    write_durably(home / "tls" / "node.pem", certificate, 0o644)
    write_durably(home / "tls" / "node.key", key)
    return certificate


def _write_policies(home: Path, roster: Roster, origin: str) -> None:
    (home / "policy").mkdir(mode=0o755)
    roles: tuple[Role, ...] = ("witness", "mirror")
    for role in roles:
        texts = {f"{role}-{roster.version}.policy": tlog_policy(roster, origin, role)}
        if roster.member(roster.region_of_origin(origin)).keys.log_pq is not None:
            name = f"{role}-{roster.version}.pq.policy"
            texts[name] = post_quantum_policy(roster, origin, role)
        for name, text in texts.items():
            write_durably(home / "policy" / name, text.encode(), 0o644)


def _config(place: Place, roster: Roster) -> str:
    return f"""\
# The node of {place.name} ({place.name_en}). Every key may also stand in the environment,
# as SHOUXIN_<SECTION>_<KEY>. Paths start from this file's folder.

[node]
region = "{place.region}"
roster = "{ROSTER_FILE}"
genesis = "{roster.sha256.hex()}"
data = "data"
keys = "keys"
operator = "{TOKEN_HASH_FILE}"

[listen]
public_host = "{place.host}"
public_port = {place.public_port}
peer_host = "{place.host}"
peer_port = {place.peer_port}

[tls]
certificate = "tls/node.pem"
key = "tls/node.key"
peers = "{CERTIFICATES_FILE}"

[unlock]
file = "{SECRET_FILE}"

[seals]
# Seals made here say that they are for trials. Leave this out where real ones are brought.
trial = true
"""
