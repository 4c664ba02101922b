"""A region's role keys as its node picks them: by the public key that a roster version names.

A key store keeps every key that a role ever had, and those that are to come. Which one is to sign,
only the roster says; so a key made for a version that is not signed yet does no harm.
"""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from ledger.errors import LedgerError, NotFoundError, UnavailableError, UnverifiedError
from ledger.keys import PostQuantumKey, SigningKey
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from nodes.adapters.keystore import LOG_SM2, POST_QUANTUM_ROLES, ROLES, KeyStore
from nodes.core.rosters import own_keys
from nodes.ports import RoleKeys
from seals.sm2 import SM2StatementKey

_log: Final = logging.getLogger(__name__)

RoleKey = SigningKey | PostQuantumKey | SM2StatementKey
T = TypeVar("T", SigningKey, PostQuantumKey, SM2StatementKey)
K = TypeVar("K", bound=RoleKey)


def next_key(store: KeyStore, name: str, named: bytes | None, make: Callable[[str], K]) -> K:
    """Return the key after the one that the newest version names for a purpose.

    The newest one here, if the roster does not name it yet; else a new one.

    Args:
        store: Of the region.
        name: Of the purpose's first key.
        named: Public key that the newest version names; None: it names none.
        make: Makes the key of a name, or loads it.
    """
    names = store.numbered(name)
    if names:
        newest = make(names[-1])
        if newest.public != named:
            return newest
    number = 1 if not names else int(names[-1].removeprefix(name).lstrip(".") or 1) + 1
    return make(name if number == 1 else f"{name}.{number}")


def maker(store: KeyStore, role: str) -> Callable[[str], RoleKey]:
    """Return what makes, or loads, a key of a role by its name."""
    if role == LOG_SM2.partition("/")[2]:
        return store.make_sm2
    if role in POST_QUANTUM_ROLES:
        return lambda name: store.make_post_quantum(name.partition("/")[2])
    return store.make


class KeyRing:
    """All role keys in a key store. Safe for threads, as the store is."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._receipt: SigningKey | None = None
        self._log_sm2: SM2StatementKey | None = None

    def sets(self) -> tuple[RoleKeys, ...]:
        """Return every key, in as many sets as the role with most keys has; empty without any.

        Keys that came into the folder since are found too. One that cannot be opened is passed
        over: if a version names it, the node says that it lacks it.
        """
        found = {role: self._ed25519(role) for role in ROLES}
        more = {role: self._post_quantum(role) for role in POST_QUANTUM_ROLES}
        if not all(found.values()):
            return ()
        most = max(*map(len, found.values()), *map(len, more.values()))
        return tuple(
            RoleKeys(
                **{role: keys[min(at, len(keys) - 1)] for role, keys in found.items()},
                **{role: keys[min(at, len(keys) - 1)] for role, keys in more.items() if keys},
            )
            for at in range(most)
        )

    def named(self, chain: RosterChain, region: str) -> RoleKeys:
        """Return the keys that the newest version names for a region, or the one before.

        Raises:
            NotFoundError: ``no-key``: there is none for a role.
            UnverifiedError: ``wrong-key``: those of a role are none of the roster's.
        """
        recent = [roster for roster in chain.rosters if region in roster.members][-2:]
        sets = self.sets()
        for roster in reversed(recent):
            keys = own_keys(roster, region, sets)
            if keys is not None and self._has_sm2(roster, region):
                return keys
        self._check(chain.newest, region)
        raise UnverifiedError("the keys are not the roster's", code="wrong-key")

    def receipt(self, roster: Roster, region: str) -> SigningKey:
        """Return the key that signs a region's receipts under a version.

        Raises:
            UnavailableError: ``lacks-keys``: it is not here.
        """
        public, key = roster.member(region).keys.receipt, self._receipt
        if key is None or key.public != public:
            found = (it for it in self._ed25519("receipt") if it.public == public)
            key = self._receipt = next(found, None)
        if key is None:
            raise UnavailableError("the key that signs receipts is not here", code="lacks-keys")
        return key

    def log_sm2(self, roster: Roster, region: str) -> SM2StatementKey | None:
        """Return the key of the log's SM2 line; None where the version gives it none, or not this.

        Raises:
            LedgerError: As ``KeyStore.load_sm2``.
        """
        public = roster.member(region).keys.log_sm2
        if public is None:
            return None
        key = self._log_sm2
        if key is None or key.public != public:
            found = map(self._store.load_sm2, self._store.numbered(LOG_SM2))
            key = self._log_sm2 = next((it for it in found if it.public == public), None)
        return key

    def _check(self, roster: Roster, region: str) -> None:
        """Say which role's key is missing, or another.

        Raises:
            LedgerError: As ``named``, and as the key store says of a key that it cannot open.
        """
        named = roster.member(region).keys
        for role in (*ROLES, *POST_QUANTUM_ROLES, LOG_SM2.partition("/")[2]):
            public = getattr(named, role)
            if public is None:
                continue
            names = self._store.numbered(f"role/{role}")
            if not names:
                raise NotFoundError(f"no key role/{role}", code="no-key")
            if all(self._load(role, name).public != public for name in names):
                raise UnverifiedError(f"the {role} key is not the roster's", code="wrong-key")

    def _load(self, role: str, name: str) -> RoleKey:
        if name.startswith(LOG_SM2):
            return self._store.load_sm2(name)
        if role in POST_QUANTUM_ROLES:
            return self._store.load_post_quantum(name.partition("/")[2])
        return self._store.load(name)

    def _has_sm2(self, roster: Roster, region: str) -> bool:
        return roster.member(region).keys.log_sm2 is None or bool(self.log_sm2(roster, region))

    def _ed25519(self, role: str) -> list[SigningKey]:
        return self._opened(f"role/{role}", self._store.load)

    def _post_quantum(self, role: str) -> list[PostQuantumKey]:
        def load(name: str) -> PostQuantumKey:
            return self._store.load_post_quantum(name.partition("/")[2])

        return self._opened(f"role/{role}", load)

    def _opened(self, name: str, load: Callable[[str], T]) -> list[T]:
        keys: list[T] = []
        for at in self._store.numbered(name):
            try:
                keys.append(load(at))
            except LedgerError as error:
                _log.warning("%s", error)
        return keys
