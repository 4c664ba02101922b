"""The roster as one node knows it: the chain of versions, and which of them rule which log.

A version is known here as soon as its signatures make it one; in a log it rules from the log's
epoch entry on. In between, lines are asked for and kept by both, and count where the log says so.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from ledger.errors import LedgerError, NotFoundError, UnverifiedError
from ledger.frozen import check_by_log
from ledger.keys import POST_QUANTUM_PUBLIC_BYTES
from ledger.note import Note, VerifierKey
from ledger.roster import Roster
from ledger.roster_chain import RosterChain, check_successor
from ledger.signed_roster import SignedRoster
from nodes.ports import PostQuantumSigner, RoleKeys, Signer

CHAIN: Final = "roster/"
"""Memory under this name and a version, six digits, holds that signed roster."""
RULES_KNOWN: Final = frozenset({1})
"""Versions of the rules that this program can judge by."""

_ROLE_KEYS: Final = ("log", "witness", "mirror", "receipt", "issuer")
_POST_QUANTUM_KEYS: Final = ("log_pq", "witness_pq", "mirror_pq")


def memory_name(version: int) -> str:
    """Return the name that a version is remembered under."""
    return f"{CHAIN}{version:06}"


def recalled(chain: RosterChain, memory: Mapping[str, bytes]) -> RosterChain:
    """Return the chain with the later versions that the store remembers.

    Raises:
        LedgerError: What is stored does not follow.
    """
    while (signed := memory.get(memory_name(chain.newest.version + 1))) is not None:
        chain = chain.extended(signed)
    return chain


@dataclass(slots=True)
class Rosters:
    """The chain, and the version in force at the end of what is judged of each log.

    Args:
        chain: From the genesis to the newest version that is known here.
        in_force: By origin; a log that is not there is at the version it begins under.
    """

    chain: RosterChain
    in_force: Mapping[str, int] = field(default_factory=dict)
    learnt: list[bytes] = field(default_factory=list)
    """Signed versions that came since the chain was loaded, to be remembered."""
    _witnesses: dict[tuple[str, int, int], tuple[str, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """By log, the version in force there, and the newest."""
    _counting: dict[str, tuple[RosterChain, int, tuple[Roster, ...]]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """By log, what ``of`` returned last, for which chain and which version in force there."""

    @property
    def newest(self) -> Roster:
        """The newest version that is known here."""
        return self.chain.newest

    def at(self, version: int) -> Roster:
        """Return a version.

        Raises:
            NotFoundError: ``unknown-roster``.
        """
        return self.chain.at(version)

    def knows(self, signed: bytes) -> bool:
        """Say whether a version is one of those that are known here, whoever signed it there."""
        if signed in self.chain.signed:
            return True
        try:
            return SignedRoster.decode(signed).roster.version <= self.newest.version
        except LedgerError:
            return False

    def learn(self, signed: bytes) -> bool:
        """Take the version after the newest, and say whether it was one.

        A version that is known already, or comes too early, is no error: it is late, or will come
        again.
        """
        try:
            chain = self.chain.extended(signed)
        except LedgerError:
            return False
        self.chain = chain
        self.learnt.append(signed)
        return True

    def following(self, before: Roster, signed: SignedRoster) -> Roster:
        """Return the version after one, checked; bytes that are known here were checked before.

        Raises:
            MalformedError: It is no sound roster.
            UnverifiedError: It does not follow, or is not signed as it must be.
        """
        known = self.chain.signed[before.version : before.version + 1]
        if known and known[0] == signed.encode():
            return self.at(before.version + 1)
        return check_successor(before, signed)

    def version_of(self, origin: str) -> int:
        """Return the version in force in a log, as far as it is judged here.

        Raises:
            NotFoundError: It was never a log of the network.
        """
        found = self.in_force.get(origin)
        return self.chain.first_with(origin).version if found is None else found

    def of(self, origin: str) -> tuple[Roster, ...]:
        """Return the versions by which lines on the next notes of a log may count, in order.

        Raises:
            NotFoundError: It was never a log of the network.
        """
        low, chain = self.version_of(origin), self.chain
        known = self._counting.get(origin)
        if known is None or known[0] is not chain or known[1] != low:
            found = tuple([it for it in chain.rosters[low - 1 :] if it.has_log(origin)])
            known = self._counting[origin] = (chain, low, found)
        return known[2]

    def last_two(self) -> tuple[Roster, ...]:
        """Return the newest version, and the one before: no log that goes on is further behind."""
        return self.chain.rosters[-2:]

    def near(self, region: str) -> frozenset[str]:
        """Return the logs that a region's node judges whole: its own, and those it witnesses.

        Logs that are closed are copied by everybody.
        """
        found = {
            origin
            for roster in self.last_two()
            for origin in roster.origins
            if region in roster.witnesses_of(origin)
        }
        return frozenset((*found, self.home_of(region), *self.newest.closed))

    def home_of(self, region: str) -> str:
        """Return the origin of the log that a region writes, or wrote last.

        Raises:
            NotFoundError: It was never a member.
        """
        for roster in reversed(self.chain.rosters):
            if region in roster.members:
                return roster.origin_of(region)
        raise NotFoundError(f"no member of the network: {region}")

    def region_of_origin(self, origin: str) -> str:
        """Return the region that writes a log, or wrote it.

        Raises:
            NotFoundError: It was never a log of the network.
        """
        return self.chain.first_with(origin).region_of_origin(origin)

    def witnesses_of(self, origin: str) -> tuple[str, ...]:
        """Return the regions that witness and mirror a log by any version that may count now."""
        key = (origin, self.version_of(origin), self.newest.version)
        found = self._witnesses.get(key)
        if found is None:
            every = {it for roster in self.of(origin) for it in roster.witnesses_of(origin)}
            found = self._witnesses[key] = tuple(sorted(every))
        return found

    def log_keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """Return the keys that may sign the log's next notes: the newest first."""
        found = [key for roster in reversed(self.of(origin)) for key in roster.log_keys(origin)]
        return tuple(dict.fromkeys(found))

    def signed_under(self, origin: str, note: Note) -> Roster:
        """Return the newest version by which a log's own line on a note is its key's.

        The line must hold: four bytes call a key, and a liar may have two that are called alike.

        Raises:
            NotFoundError: Its key in none of them has signed.
        """
        for roster in reversed(self.chain.rosters):
            with suppress(UnverifiedError):
                check_by_log(note, origin, (roster,))
                return roster
        raise NotFoundError(f"no key of {origin} has signed the note")


def are_named(keys: RoleKeys, roster: Roster, region: str) -> bool:
    """Say whether keys are all those, and only those, that a version names for a region."""
    if region not in roster.members:
        return False
    named = roster.members[region].keys
    held = {name: getattr(keys, name) for name in (*_ROLE_KEYS, *_POST_QUANTUM_KEYS)}
    return all(
        (None if key is None else key.public) == getattr(named, name) for name, key in held.items()
    )


def own_keys(roster: Roster, region: str, held: tuple[RoleKeys, ...]) -> RoleKeys | None:
    """Return a region's keys as a version names them, from all that its node holds.

    None where one of them is not held: then the node cannot do its part under that version.
    """
    if region not in roster.members:
        return None
    named = roster.members[region].keys
    found: dict[str, Signer | PostQuantumSigner | None] = {}
    for name in (*_ROLE_KEYS, *_POST_QUANTUM_KEYS):
        public = getattr(named, name)
        if public is None:
            continue
        assert name in _ROLE_KEYS or len(public) == POST_QUANTUM_PUBLIC_BYTES
        keys = (getattr(role_keys, name) for role_keys in held)
        key = next((key for key in keys if key is not None and key.public == public), None)
        if key is None:
            return None
        found[name] = key
    return RoleKeys(**found)  # type: ignore[arg-type]
