"""A network of N regions: keys that grow from the seed, and the roster that all have signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from ledger.keys import SigningKey
from ledger.member import Member, MemberKeys
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from ledger.roster_fields import Constants
from ledger.signed_roster import SignedRoster, sign_roster
from nodes.ports import RoleKeys
from simulator.places import Place, places_of

NETWORK = "southwest-five.example"
CONSTANTS = Constants(candidate_ms=2_000, delta_s=5, refresh_s=30, staleness_s=180)
"""Shorter than in service, so that a few simulated minutes see views age and be renewed."""

ROLES = ("log", "witness", "mirror", "receipt", "issuer", "governance")


Keys = dict[str, SigningKey]
"""One region's keys by their role, as one version of the roster names them."""


@dataclass(frozen=True, slots=True)
class Members:
    """The first roster of a simulated network, and the private keys behind it and later ones.

    Args:
        roster: The genesis.
        signed: By all its members.
        rings: By region, the keys that it holds: of each version those that were new in it.
        places: Of all regions, also of those that join later.
        committee: How many of the others witness each log; 0: all of them.
    """

    roster: Roster
    signed: SignedRoster
    rings: dict[str, list[Keys]]
    places: Mapping[str, Place]
    committee: int = 0

    @property
    def keys(self) -> dict[str, Keys]:
        """The keys that were made last, by region."""
        return {region: ring[-1] for region, ring in self.rings.items()}

    @property
    def chain(self) -> RosterChain:
        """The genesis alone."""
        return RosterChain((self.signed.encode(),), (self.roster,))


def key_of(seed: int, *words: str) -> SigningKey:
    """Return the key that the seed gives to whoever these words name."""
    return SigningKey.from_seed(sha256("/".join((str(seed), *words)).encode()).digest())


def make_members(
    seed: int,
    places: Sequence[Place] | int,
    constants: Constants = CONSTANTS,
    *,
    committee: int = 0,
    founders: Sequence[str] = (),
) -> Members:
    """Return a network of these places, or of so many in the southwest.

    Args:
        seed: From which all keys grow.
        places: By their codes; or how many of the southwest.
        constants: Of the roster.
        committee: How many of the others witness each log, those that follow it in the order of
            their codes; 0: all of them.
        founders: Codes of those that are members from the beginning; none: all.
    """
    if isinstance(places, int):
        places = places_of("southwest", places)
    found = {place.code: place for place in sorted(places, key=lambda place: place.code)}
    codes = [code for code in found if not founders or code in founders]
    rings = {code: [keys_of(seed, code)] for code in found}
    members = committees(
        {code: member_of(found[code], rings[code][0]) for code in codes}, committee
    )
    roster = Roster(
        network=NETWORK,
        version=1,
        previous=None,
        rules=1,
        steward=codes[0],
        constants=constants,
        members=members,
    )
    governance = {region: rings[region][0]["governance"] for region in codes}
    return Members(roster, sign_roster(roster, governance), rings, found, committee)


def keys_of(seed: int, region: str, *words: str) -> Keys:
    """Return all keys of a region; ``words`` tell those that are made later from the first."""
    return {role: key_of(seed, region, role, *words) for role in ROLES}


def member_of(place: Place, keys: Keys) -> Member:
    """Return a region as a roster names it, witnessed by every other one."""
    return Member(
        name=place.name,
        name_en=place.name_en,
        origin=f"{NETWORK}/{place.code}",
        url=f"https://{place.code}.{NETWORK}",
        peer=f"https://peer.{place.code}.{NETWORK}",
        tls=None,
        keys=public_of(keys),
    )


def role_keys(keys: Keys) -> RoleKeys:
    """Return what a node holds of its region's keys: all but the one for governance."""
    return RoleKeys(**{role: key for role, key in keys.items() if role != "governance"})


def public_of(keys: Keys) -> MemberKeys:
    """Return what a roster names of a region's keys."""
    return MemberKeys(**{role: keys[role].public for role in ROLES})


def committees(members: Mapping[str, Member], size: int) -> dict[str, Member]:
    """Return members each of whose logs is witnessed by the ``size`` that follow it; 0: by all."""
    codes = sorted(members)
    return {
        code: replace(members[code], witnesses=_committee(codes, at, size))
        for at, code in enumerate(codes)
    }


def _committee(codes: Sequence[str], at: int, size: int) -> tuple[str, ...] | None:
    """Return who witnesses the log of the region at this place; None for every other one."""
    if not 0 < size < len(codes) - 1:
        return None
    return tuple(sorted(codes[(at + step) % len(codes)] for step in range(1, size + 1)))
