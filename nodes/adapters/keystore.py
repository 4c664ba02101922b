"""Keys at rest: each in a file of its own, sealed under one secret that lies elsewhere.

The folder's key comes from the unlocking secret by scrypt (RFC 7914), once for each start; every
file is sealed with AES-256-GCM, and its name and public key are sealed in with it, so that no file
can stand in for another. A hardware module takes this module's place behind ``nodes.ports.Signer``.
"""

import hmac
import re
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, Self, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ledger import encoding
from ledger.errors import MalformedError, NotFoundError, RefusedError, UnverifiedError
from ledger.keys import PostQuantumKey, SigningKey, generate_seed
from ledger.names import check_party, check_region
from ledger.sealed_box import BoxKey
from ledger.suites import SM2_SM3
from nodes.adapters.sm2 import StoredKey, open_sm2
from nodes.files import overwrite, sync_folder, write_durably
from seals.sm2 import SM2StatementKey

STORE_FORMAT: Final = "shouxin/keystore/v1"
KEY_FORMAT: Final = "shouxin/key/v1"
LOG_SM2: Final = "role/log_sm2"
VAULT: Final = "role/vault"
VAULT_SM2: Final = "role/vault_sm2"
SECRET_ENV: Final = "SHOUXIN_KEYS_SECRET"  # noqa: S105 - the name of a variable, not a secret
SECRET_BYTES_MIN: Final = 16
SECRET_BYTES_MAX: Final = 1024
ROLES: Final = ("log", "witness", "mirror", "receipt", "issuer")
POST_QUANTUM_ROLES: Final = ("log_pq", "witness_pq", "mirror_pq")
POST_QUANTUM_SUFFIX: Final = "_pq"

_STORE_FILE: Final = "keystore.cbor"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
# 16 MiB and about 50 ms: paid once at a start.
_SCRYPT_N: Final = 2**14
_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 1
_FILE_BYTES_MAX: Final = 4096
_NUMBER: Final = re.compile(r"\.(?:[2-9]|[1-9][0-9]{1,3})$", re.ASCII)

Randomness = Callable[[int], bytes]
Key = SigningKey | PostQuantumKey | BoxKey
K = TypeVar("K", SigningKey, PostQuantumKey, BoxKey)
_SM2_ROLES: Final = frozenset(name.partition("/")[2] for name in (LOG_SM2, VAULT_SM2))


@dataclass(frozen=True, slots=True)
class Unlock:
    """Where the secret that opens the key store comes from; the first that is there counts.

    Args:
        credential: Name of a credential that the service manager puts below
            ``$CREDENTIALS_DIRECTORY``; empty for none.
        env: Name of an environment variable; empty for none.
        file: A file that only its owner may read; None for none.
    """

    credential: str = ""
    env: str = SECRET_ENV
    file: Path | None = None

    def secret(self, environment: Mapping[str, str]) -> bytes:
        """Return the secret.

        Raises:
            NotFoundError: ``no-secret``: none of the places has one.
            RefusedError: ``open-secret``: the file may be read by others.
            MalformedError: It is too short to protect anything, or too long.
        """
        folder = environment.get("CREDENTIALS_DIRECTORY")
        if self.credential and folder and (path := Path(folder, self.credential)).is_file():
            return _checked_secret(path.read_bytes())
        if self.env and environment.get(self.env):
            return _checked_secret(environment[self.env].encode())
        if self.file is not None and self.file.is_file():
            return _checked_secret(read_secret(self.file))
        places = [f"the credential {self.credential}"] if self.credential else []
        places += [f"${self.env}"] if self.env else []
        places += [f"the file {self.file}"] if self.file is not None else []
        raise NotFoundError(
            f"no secret opens the key store: not there: {', '.join(places) or 'any place'}",
            code="no-secret",
        )


def read_secret(path: Path) -> bytes:
    """Return what a file holds that only its owner may read, less the line feed at its end.

    Raises:
        NotFoundError: ``no-secret``: it is not there.
        RefusedError: ``open-secret``: the file may be read by others.
    """
    if not path.is_file():
        raise NotFoundError(f"no such file: {path}", code="no-secret")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RefusedError(f"others may read {path}; chmod it to 0600", code="open-secret")
    return path.read_bytes().rstrip(b"\r\n")


class KeyStore:
    """The sealed keys of one folder, opened.

    Names are ``role/<role>``, ``governance/<region>`` and ``officer/<party>``. A role that ends in
    ``_pq`` has an ML-DSA-44 key, ``role/vault`` one of X25519, all else Ed25519; but
    ``role/log_sm2``, ``role/vault_sm2`` and such officers as were given one have an SM2 key, in a
    file of PKCS #8. The key that follows another one of a role or a
    region has the same name with a number, from 2: old keys stay, and which of them counts, only
    the roster says. Safe for threads: handlers make officers' keys while the writer thread signs.
    """

    def __init__(
        self,
        folder: Path,
        sealing_key: bytes,
        randomness: Randomness,
    ) -> None:
        self._folder = folder
        self._cipher = AESGCM(sealing_key)
        self._sealing_key = sealing_key
        self._randomness = randomness
        self._opened: dict[str, Key] = {}
        self._opened_sm2: dict[str, StoredKey] = {}
        self._lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path, secret: bytes, randomness: Randomness) -> Self:
        """Make an empty key store.

        Raises:
            RefusedError: ``exists``: there is one already.
        """
        path = folder / _STORE_FILE
        if path.exists():
            raise RefusedError(f"there is a key store already in {folder}", code="exists")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        salt = randomness(_SALT_BYTES)
        header = {
            "format": STORE_FORMAT,
            "salt": salt,
            "n": _SCRYPT_N,
            "r": _SCRYPT_R,
            "p": _SCRYPT_P,
        }
        write_durably(path, encoding.encode(header))
        return cls(folder, _derive(_checked_secret(secret), header), randomness)

    @classmethod
    def open(cls, folder: Path, secret: bytes, randomness: Randomness) -> Self:
        """Open a key store. Whether the secret is right shows when a key is loaded.

        Raises:
            NotFoundError: There is none.
            MalformedError: Its header is not of the form.
        """
        path = folder / _STORE_FILE
        if not path.is_file():
            raise NotFoundError(f"no key store in {folder}", code="no-keystore")
        header = encoding.decode(_read(path))
        match header:
            case {
                "format": str(form),
                "salt": bytes(),
                "n": int(n),
                "r": int(r),
                "p": int(p),
            } if len(header) == 5:
                pass
            case _:
                raise MalformedError(
                    f"{path} is not the header of a key store", code="bad-keystore"
                )
        # Less would be a header that someone weakened; more would let it exhaust memory.
        if form != STORE_FORMAT or not 2**14 <= n <= 2**20 or (r, p) != (_SCRYPT_R, _SCRYPT_P):
            raise MalformedError(f"{path} has parameters we do not use", code="bad-keystore")
        return cls(folder, _derive(_checked_secret(secret), header), randomness)

    def make(self, name: str) -> SigningKey:
        """Make and seal a new key, or return the one of this name that is there."""
        return self._make(name, SigningKey)

    def numbered(self, name: str) -> tuple[str, ...]:
        """Return the names of the keys of a role or a region that are here, the oldest first."""
        found = []
        for number in count(1):
            at = name if number == 1 else f"{name}.{number}"
            if not self._path(at).is_file() and not self._sm2_path(at).is_file():
                # A role that the region's first roster did not name has no first key.
                if number > 1:
                    break
                continue
            found.append(at)
        return tuple(found)

    def make_post_quantum(self, role: str) -> PostQuantumKey:
        """Make and seal a new ML-DSA-44 key, or return the one of this role that is there."""
        return self._make(f"role/{role}", PostQuantumKey)

    def add(self, name: str, key: SigningKey) -> None:
        """Seal a key that was made elsewhere.

        Raises:
            RefusedError: ``exists``: there is another of this name.
        """
        with self._lock:
            if self._path(name).exists():
                raise RefusedError(f"there is a key {name} already", code="exists")
            self._seal(name, key)

    def load(self, name: str) -> SigningKey:
        """Return a key.

        Raises:
            NotFoundError: There is none of this name.
            UnverifiedError: ``wrong-secret``: the secret does not open it, or the file was changed.
        """
        with self._lock:
            return self._load(name, SigningKey)

    def load_post_quantum(self, role: str) -> PostQuantumKey:
        """Return the ML-DSA-44 key of a role.

        Raises:
            NotFoundError: There is none.
            UnverifiedError: As ``load``.
        """
        with self._lock:
            return self._load(f"role/{role}", PostQuantumKey)

    def make_box(self, name: str) -> BoxKey:
        """Make and seal a new key of the vault, or return the one of this name that is there."""
        return self._make(name, BoxKey)

    def load_box(self, name: str) -> BoxKey:
        """Return a key of the vault.

        Raises:
            NotFoundError: There is none of this name.
            UnverifiedError: As ``load``.
        """
        with self._lock:
            return self._load(name, BoxKey)

    def make_sm2_box(self, name: str) -> StoredKey:
        """Make and seal a new SM2 key of the vault, or return the one of this name.

        Raises:
            UnavailableError: ``sm2-unavailable``: there is no SM2 here.
        """
        with self._lock:
            return self._make_sm2(name)

    def load_sm2_box(self, name: str) -> StoredKey:
        """Return an SM2 key of the vault.

        Raises:
            LedgerError: As ``load_sm2``.
        """
        with self._lock:
            return self._load_sm2(name)

    def destroy(self, name: str) -> None:
        """Overwrite a key's file and delete it; nothing where there is none.

        What the disk does underneath is its own: a file system that writes elsewhere, or a drive
        that spreads its wear, may keep the old bytes for a time. They are sealed.
        """
        with self._lock:
            self._opened.pop(name, None)
            self._opened_sm2.pop(name, None)
            for path in (self._path(name), self._sm2_path(name)):
                overwrite(path)

    def make_sm2(self, name: str) -> SM2StatementKey:
        """Make and seal a new SM2 key, or return the one of this name that is there.

        Raises:
            RefusedError: ``exists``: there is one of another suite, and which signs would be open.
            UnavailableError: ``sm2-unavailable``: there is no SM2 here.
        """
        with self._lock:
            if self._path(name).exists():
                raise RefusedError(f"{name} has an Ed25519 key already", code="exists")
            return SM2StatementKey(self._make_sm2(name))

    def load_sm2(self, name: str) -> SM2StatementKey:
        """Return an SM2 key.

        Raises:
            NotFoundError: There is none of this name.
            UnverifiedError: ``wrong-secret``: the secret does not open it, or the file was changed.
            MalformedError: ``sm2-key-file``: it is no file of such a key.
            UnavailableError: ``sm2-unavailable``: there is no SM2 here.
        """
        with self._lock:
            return SM2StatementKey(self._load_sm2(name))

    def _make_sm2(self, name: str) -> StoredKey:
        try:
            return self._load_sm2(name)
        except NotFoundError:
            key = open_sm2().generate(self._randomness)
            path = self._sm2_path(name)
            self._make_folder(path)
            write_durably(path, key.encrypted(self.passphrase(name), self._randomness))
            self._opened_sm2[name] = key
            return key

    def _load_sm2(self, name: str) -> StoredKey:
        found = self._opened_sm2.get(name)
        if found is not None:
            return found
        path = self._sm2_path(name)
        if not path.is_file():
            raise NotFoundError(f"no SM2 key {name}", code="no-key")
        try:
            key = open_sm2().load(_read(path), self.passphrase(name))
        except UnverifiedError as error:
            raise UnverifiedError(
                f"the secret does not open {path}", code="wrong-secret"
            ) from error
        self._opened_sm2[name] = key
        return key

    def _sm2_path(self, name: str) -> Path:
        path = self._path(name)
        return path.with_name(f"{path.stem}.p8")

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._folder

    def passphrase(self, name: str) -> bytes:
        """Return what encrypts a key that lies here as PKCS #8; another for each name."""
        bound = f"shouxin/passphrase/v1 {name}".encode()
        return hmac.digest(self._sealing_key, bound, "sha256").hex().encode()

    def _make(self, name: str, kind: type[K]) -> K:
        with self._lock:
            if self._sm2_path(name).exists():
                raise RefusedError(f"{name} has an SM2 key already", code="exists")
            try:
                return self._load(name, kind)
            except NotFoundError:
                key = kind(generate_seed(self._randomness))
                self._seal(name, key)
                return key

    def _load(self, name: str, kind: type[K]) -> K:
        role = _role_of(name)
        is_post_quantum, is_box = role.endswith(POST_QUANTUM_SUFFIX), f"role/{role}" == VAULT
        if (is_post_quantum, is_box) != (kind is PostQuantumKey, kind is BoxKey):
            raise MalformedError(f"not the name of such a key: {name!r}", code="bad-field")
        key = self._opened.get(name)
        if isinstance(key, kind):
            return key
        path = self._path(name)
        if not path.is_file():
            raise NotFoundError(f"no key {name}", code="no-key")
        match encoding.decode(_read(path)):
            case [str(form), bytes(public), bytes(sealed)] if form == KEY_FORMAT:
                pass
            case _:
                raise MalformedError(f"{path} is not a sealed key", code="bad-keystore")
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            seed = self._cipher.decrypt(nonce, ciphertext, _bound(name, public))
        except (InvalidTag, ValueError) as error:
            raise UnverifiedError(
                f"the secret does not open {path}", code="wrong-secret"
            ) from error
        made = kind(seed)
        self._opened[name] = made
        return made

    def _seal(self, name: str, key: Key) -> None:
        path = self._path(name)
        self._make_folder(path)
        nonce = self._randomness(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, key.seed(), _bound(name, key.public))
        write_durably(path, encoding.encode([KEY_FORMAT, key.public, sealed]))
        self._opened[name] = key

    def _make_folder(self, path: Path) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700)
            sync_folder(self._folder)

    def _path(self, name: str) -> Path:
        role = _role_of(name)
        kind, _, rest = name.partition("/")
        if role in _SM2_ROLES or role.removesuffix(POST_QUANTUM_SUFFIX).isalpha():
            return self._folder / "roles" / f"{rest}.key"
        if kind == "governance":
            check_region(_NUMBER.sub("", rest))
            return self._folder / "governance" / f"{rest}.key"
        if kind == "officer":
            check_party(rest)
            # A region is six digits and a type has no dot, so no two parties share a file.
            return self._folder / "officers" / f"{rest.replace('/', '.')}.key"
        raise MalformedError(f"not the name of a key: {name!r}", code="bad-field")


class StoredOfficers:
    """The officers' keys in a key store (``nodes.ports.Officers``)."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def signer(self, party: str) -> SigningKey | SM2StatementKey | None:
        """Return the officer's key; None where the officer holds their own."""
        name = f"officer/{party}"
        for load in (self._store.load, self._store.load_sm2):
            try:
                return load(name)
            except NotFoundError:
                continue
        return None

    def make(self, party: str, suite: str | None = None) -> bytes:
        """Make a key for an officer, or keep the one there is, and return its public key.

        Raises:
            RefusedError: ``exists``: the officer has one of another suite.
        """
        name = f"officer/{party}"
        if suite == SM2_SM3:
            return self._store.make_sm2(name).public
        return self._store.make(name).public


def _role_of(name: str) -> str:
    """Return the role that a key's name names, without its number; empty for other names."""
    kind, _, rest = name.partition("/")
    return _NUMBER.sub("", rest) if kind == "role" else ""


def _bound(name: str, public: bytes) -> bytes:
    return encoding.encode([KEY_FORMAT, name, public])


def _derive(secret: bytes, header: Mapping[str, object]) -> bytes:
    salt, n = header["salt"], header["n"]
    assert isinstance(salt, bytes)
    assert isinstance(n, int)
    return Scrypt(salt=salt, length=32, n=n, r=_SCRYPT_R, p=_SCRYPT_P).derive(secret)


def _checked_secret(secret: bytes) -> bytes:
    # Editors and `echo` put a line feed at the end of a file.
    secret = secret.rstrip(b"\r\n")
    if not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        raise MalformedError(
            f"a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, not {len(secret)}",
            code="bad-secret",
        )
    return secret


def _read(path: Path) -> bytes:
    if path.stat().st_size > _FILE_BYTES_MAX:
        raise MalformedError(f"{path} is larger than a sealed key", code="bad-keystore")
    return path.read_bytes()


def check_opens(store: KeyStore) -> None:
    """Check that the secret opens every role key, so that a node fails at its start and not later.

    Raises:
        NotFoundError: One is missing.
        UnverifiedError: One does not open.
    """
    for role in ROLES:
        store.load(f"role/{role}")
