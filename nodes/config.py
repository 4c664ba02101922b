"""What an operator decides about a node: one TOML file, and the environment over it.

Any value ``section.key`` can be given as ``SHOUXIN_<SECTION>_<KEY>``. Unknown keys are refused,
since a misspelt limit would be no limit. Paths are relative to the file's folder.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ledger.errors import LedgerError, MalformedError
from ledger.names import check_region
from ledger.note import VerifierKey

ENV_PREFIX: Final = "SHOUXIN_"
CONFIG_BYTES_MAX: Final = 1 << 20
STATEMENT_BYTES_MAX: Final = 65_535

PAYLOAD_BYTES_MAX: Final = 15 << 20
"""What fits with its frame into one record."""
PAYLOAD_FRAME_BYTES: Final = 8_192
"""How much more than the paper itself another region is sent for it."""

POSTGRESQL_URL: Final = "postgresql+psycopg://"

_PORT_MAX: Final = 65_535

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSection:
    """Which region this is, and where its things lie.

    Args:
        region: The region whose node this is.
        roster: File of the signed genesis roster.
        genesis: SHA-256 of the roster's bytes, in hexadecimal: what makes it the right one.
        data: Folder of the database. Not that of the keys: the fence lies with the keys, and must
            not be lost or restored together with the database.
        keys: Folder of the key store and the fence.
        operator: File with the SHA-256 of the first operator's token, in hexadecimal; None once
            other operators have theirs.
        database_url: A PostgreSQL database (``postgresql+psycopg://…``) in place of the file.
            Several processes of this region may share one: one writes, the others stand by.
        rosters: File of the signed versions after the genesis, in order, which need not be there: a
            node that is new to the network begins under the newest of them.
        fence_file: The fence, where it does not lie in ``keys``: processes that stand by for each
            other on several machines need one that all of them see.
    """

    region: str
    roster: Path
    genesis: str
    data: Path = Path("data")
    keys: Path = Path("keys")
    operator: Path | None = None
    # It may hold a password, which belongs in no message.
    database_url: str = field(default="", repr=False)
    rosters: Path = Path("rosters.cbor")
    fence_file: Path | None = None

    def __post_init__(self) -> None:
        check_region(self.region)
        if self.database_url and not self.database_url.startswith(POSTGRESQL_URL):
            raise _bad(f"node.database_url begins with {POSTGRESQL_URL}")
        if len(self.genesis) != 64 or not set(self.genesis) <= set("0123456789abcdef"):
            raise _bad("node.genesis is a SHA-256 in 64 lower-case hexadecimal digits")
        if self.data == self.keys:
            raise _bad("node.data and node.keys are two folders")

    @property
    def database(self) -> Path:
        """The database's file."""
        return self.data / "node.db"

    @property
    def fence(self) -> Path:
        """The fence's file."""
        return self.keys / "fence" if self.fence_file is None else self.fence_file


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSection:
    """Where the node listens.

    Args:
        public_tls: Whether the public listener speaks TLS itself, with the certificate of ``tls``;
            False behind a proxy that does.
    """

    public_host: str = "127.0.0.1"
    public_port: int
    public_tls: bool = False
    peer_host: str = "127.0.0.1"
    peer_port: int

    def __post_init__(self) -> None:
        for name in ("public_port", "peer_port"):
            _check_range(f"listen.{name}", getattr(self, name), 0, _PORT_MAX)
        for name in ("public_host", "peer_host"):
            if not getattr(self, name):
                raise _bad(f"listen.{name} is an address")
        if self.public_port == self.peer_port != 0 and self.public_host == self.peer_host:
            raise _bad("the public and the peer listener are two")


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSSection:
    """This node's certificate, and those of its peers as the roster pins them.

    All are empty only where the roster pins none (``tls`` null), on a single machine.
    """

    certificate: Path | None = None
    key: Path | None = None
    peers: Path | None = None

    def __post_init__(self) -> None:
        given = [path is not None for path in (self.certificate, self.key, self.peers)]
        if any(given) and not all(given):
            raise _bad("tls.certificate, tls.key and tls.peers go together")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockSection:
    """Where the secret is that opens the key store; see ``nodes.adapters.keystore.Unlock``."""

    credential: str = ""
    env: str = "SHOUXIN_KEYS_SECRET"
    file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealsSection:
    """How the region seals papers.

    Args:
        trial: Whether the node may make seals of its own, which say that they are for trials.
        link: Base URL that the codes on papers lead to; empty for the node's own.
        timestamp_url: A time-stamp service with SM2 (GB/T 20520), asked for a token over each
            electronic seal's signature; empty for none.
        pdf_timestamp_url: One with RSA or ECDSA (RFC 3161), asked for a token over each PDF
            signature; empty for none.
        timestamp_trust: File or folder with the first service's root, links and revocation lists.
        timestamp_required: Whether nothing is sealed while a service that is named does not
            answer; else it is sealed without, and the answer says so.
        timestamp_s: How long a service may take, in seconds.
        device: The SDF library (GM/T 0018) of the device that holds seals' keys; None for none.
        device_password: A file with the device's password, which only its owner may read.
    """

    trial: bool = False
    link: str = ""
    timestamp_url: str = ""
    pdf_timestamp_url: str = ""
    timestamp_trust: Path | None = None
    timestamp_required: bool = True
    timestamp_s: int = 5
    device: Path | None = None
    device_password: Path | None = None

    def __post_init__(self) -> None:
        if (self.device is None) != (self.device_password is None):
            raise _bad("seals.device and seals.device_password go together")
        for name in ("link", "timestamp_url", "pdf_timestamp_url"):
            if getattr(self, name):
                _check_url(f"seals.{name}", getattr(self, name))
        if bool(self.timestamp_url) != (self.timestamp_trust is not None):
            raise _bad("seals.timestamp_url and seals.timestamp_trust go together")
        _check_range("seals.timestamp_s", self.timestamp_s, 1, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSection:
    """The region's vault: papers sealed beside the ledger.

    Args:
        file: Its database; None for ``vault.db`` in the node's data folder.
        payload_bytes_max: Of one paper.
        case_bytes_max: Of all papers of a case that are kept here, sealed.
        case_payloads_max: How many papers of a case are kept here.
        fetch_timeout_ms: How long another region may take to give a paper out.
    """

    file: Path | None = None
    payload_bytes_max: int = 4 << 20
    case_bytes_max: int = 64 << 20
    case_payloads_max: int = 200
    fetch_timeout_ms: int = 10_000

    def __post_init__(self) -> None:
        _check_range("vault.payload_bytes_max", self.payload_bytes_max, 1, PAYLOAD_BYTES_MAX)
        for name in ("case_bytes_max", "case_payloads_max", "fetch_timeout_ms"):
            _check_range(f"vault.{name}", getattr(self, name), 1, 2**40)
        if self.payload_bytes_max > self.case_bytes_max:
            raise _bad("vault.payload_bytes_max is at most vault.case_bytes_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSection:
    """What one caller, and all of them together, may ask of this node."""

    body_bytes_max: int = 8 << 20
    act_bytes_max: int = 65_536
    peer_body_bytes_max: int = 32 << 20
    batch_statements_max: int = 1_000
    inbox_events_max: int = 4_096
    step_events_max: int = 512
    reader_threads_max: int = 4
    page_rows_max: int = 500
    wait_ms_max: int = 60_000
    wait_ms_default: int = 10_000
    peer_timeout_ms_max: int = 60_000
    token_days_max: int = 366
    token_cache_ms: int = 5_000
    stop_timeout_ms: int = 10_000

    def __post_init__(self) -> None:
        for limit in fields(self):
            _check_range(f"limits.{limit.name}", getattr(self, limit.name), 1, 2**31)
        if self.wait_ms_default > self.wait_ms_max:
            raise _bad("limits.wait_ms_default is at most limits.wait_ms_max")
        if (
            self.body_bytes_max < STATEMENT_BYTES_MAX
            or self.peer_body_bytes_max < STATEMENT_BYTES_MAX
        ):
            raise _bad(f"a body holds at least one statement of {STATEMENT_BYTES_MAX} bytes")
        if self.step_events_max > self.inbox_events_max:
            raise _bad("limits.step_events_max is at most limits.inbox_events_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSection:
    """What is kept beside the ledger of refused attempts, and of who looked at which case.

    Args:
        refusal_days: How long a refused attempt is kept.
        refusal_rows_max: How many are kept; beyond that the oldest go.
        refusal_rows_party_day_max: How many of one sort are kept of one party a day, so that nobody
            pushes out what others will look up.
        reading_days: How long it is kept who looked at a case.
        reading_rows_max: How many rows of that are kept; beyond that the oldest days go.
        flush_ms: How long both wait to be written together.
    """

    refusal_days: int = 200
    refusal_rows_max: int = 100_000
    refusal_rows_party_day_max: int = 1_000
    reading_days: int = 200
    reading_rows_max: int = 1_000_000
    flush_ms: int = 500

    def __post_init__(self) -> None:
        for limit in fields(self):
            _check_range(f"journal.{limit.name}", getattr(self, limit.name), 1, 2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessSection:
    """A witness of another network that is asked for lines, which count only if the roster says so.

    Args:
        name: What this node calls it.
        vkey: Its verifier key, of type 04.
        url: Its submission prefix.
    """

    name: str
    vkey: str
    url: str

    def __post_init__(self) -> None:
        if not self.name.isascii() or not self.name.replace("-", "").isalnum():
            raise _bad(f"a witness's name is letters, digits and hyphens, not {self.name[:80]!r}")
        VerifierKey.decode(self.vkey)
        _check_url(f"the url of witness {self.name}", self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A node's whole configuration, checked."""

    node: NodeSection
    listen: ListenSection
    tls: TLSSection = field(default_factory=TLSSection)
    unlock: UnlockSection = field(default_factory=UnlockSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    seals: SealsSection = field(default_factory=SealsSection)
    vault: VaultSection = field(default_factory=VaultSection)
    journal: JournalSection = field(default_factory=JournalSection)
    witnesses: tuple[WitnessSection, ...] = ()
    peers: Mapping[str, str] = field(default_factory=dict)
    """Base URL by region, of peers that this node reaches another way than the roster says (over a
    gateway, a relay). Their certificates are pinned all the same."""

    def __post_init__(self) -> None:
        for region, url in self.peers.items():
            check_region(region)
            _check_url(f"peers.{region}", url)
        if self.vault.payload_bytes_max + PAYLOAD_FRAME_BYTES > self.limits.peer_body_bytes_max:
            raise _bad("limits.peer_body_bytes_max holds a paper of vault.payload_bytes_max")
        names = [witness.name for witness in self.witnesses]
        if len(set(names)) != len(names):
            raise _bad("two witnesses have one name")


_SECTIONS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "node": NodeSection,
        "listen": ListenSection,
        "tls": TLSSection,
        "unlock": UnlockSection,
        "limits": LimitsSection,
        "seals": SealsSection,
        "vault": VaultSection,
        "journal": JournalSection,
    }
)


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read the configuration file, with the environment over it.

    Raises:
        MalformedError: ``bad-config``: it cannot be read, or a value is missing, unknown or out of
            range; the message names it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _bad(f"cannot read {path}: {error.strerror}") from error
    if len(data) > CONFIG_BYTES_MAX:
        raise _bad(f"{path} is larger than {CONFIG_BYTES_MAX} bytes")
    try:
        document = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _bad(f"{path}: {error}") from error
    return parse_config(document, environment, path.parent)


def parse_config(
    document: Mapping[str, Any], environment: Mapping[str, str], folder: Path
) -> Config:
    """Check a configuration that is already TOML's types.

    ``environment`` stands over ``document``; relative paths start from ``folder``.

    Raises:
        MalformedError: ``bad-config``.
    """
    unknown = document.keys() - _SECTIONS.keys() - {"witness", "peers"}
    if unknown:
        raise _bad(f"unknown section: {min(unknown)}")
    overrides = _overrides(environment)
    parts: dict[str, Any] = {}
    for name, section in _SECTIONS.items():
        given = document.get(name, {})
        if not isinstance(given, dict):
            raise _bad(f"{name} is a section")
        parts[name] = _section(name, section, {**given, **overrides.get(name, {})}, folder)
    witnesses = document.get("witness", [])
    if not isinstance(witnesses, list) or not all(isinstance(item, dict) for item in witnesses):
        raise _bad("witness is a list of sections, [[witness]]")
    made = tuple(_section("witness", WitnessSection, item, folder) for item in witnesses)
    peers = document.get("peers", {})
    if not isinstance(peers, dict) or not all(isinstance(url, str) for url in peers.values()):
        raise _bad("peers is a section of base URLs by region")
    return _checked(Config, **parts, witnesses=made, peers=dict(peers))


def _overrides(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what the environment says, by section and key; other programs' variables are left."""
    found: dict[str, dict[str, str]] = {}
    for variable, value in environment.items():
        if not variable.startswith(ENV_PREFIX):
            continue
        section, _, key = variable.removeprefix(ENV_PREFIX).lower().partition("_")
        # A name without a key (SHOUXIN_NODE) tells a command which node it speaks to.
        if section in _SECTIONS and key:
            found.setdefault(section, {})[key] = value
    return found


def _section(name: str, section: type, given: Mapping[str, Any], folder: Path) -> Any:  # noqa: ANN401 - any section
    known: dict[str, Field[Any]] = {item.name: item for item in fields(section)}
    unknown = given.keys() - known.keys()
    if unknown:
        raise _bad(f"unknown key: {name}.{min(unknown)}")
    values: dict[str, Any] = {}
    for key, item in known.items():
        if key in given:
            values[key] = _value(f"{name}.{key}", item.type, given[key], folder)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise _bad(f"missing: {name}.{key}")
        elif isinstance(item.default, Path):
            values[key] = folder / item.default
    return _checked(section, **values)


def _value(name: str, wanted: object, given: object, folder: Path) -> object:
    """Turn a TOML value, or the text of an environment variable, into the field's type."""
    if wanted is str and isinstance(given, str):
        return given
    if wanted in {Path, Path | None} and isinstance(given, str) and given:
        return folder / given
    if wanted is bool:
        if isinstance(given, bool):
            return given
        if given in {"true", "false"}:
            return given == "true"
        raise _bad(f"{name} is true or false")
    if wanted is int:
        if type(given) is int:
            return given
        if isinstance(given, str) and given.isascii() and given.isdigit():
            return int(given)
        raise _bad(f"{name} is a whole number")
    raise _bad(f"{name} is {'a path' if wanted is not str else 'text'}")


def _checked(section: type[_T], **values: Any) -> _T:  # noqa: ANN401 - checked field by field
    try:
        return section(**values)
    except LedgerError as error:
        raise _bad(str(error)) from error


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise _bad(f"{name} is in {least}..{most}, not {value}")


def _check_url(name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or url.endswith("/"):
        raise _bad(f"{name} is a base URL without a slash at its end")


def _bad(message: str) -> MalformedError:
    return MalformedError(message, code="bad-config")
