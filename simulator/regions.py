"""A network of N regions: keys that grow from the seed, and the roster that all have signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.keys import SigningKey
from ledger.roster import Constants, Member, MemberKeys, Roster, SignedRoster, sign_roster
from ledger.roster_chain import RosterChain
from simulator.places import Place, places_of

NETWORK = "southwest-five.example"
CONSTANTS = Constants(candidate_ms=2_000, delta_s=5, refresh_s=30, staleness_s=180)
"""Shorter than in service, so that a few simulated minutes see views age and be renewed."""

ROLES = ("log", "witness", "mirror", "receipt", "issuer", "governance")


@dataclass(frozen=True, slots=True)
class Members:
    """The roster of a simulated network and the private keys behind it, by region and role."""

    roster: Roster
    signed: SignedRoster
    keys: dict[str, dict[str, SigningKey]]

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
) -> Members:
    """Return a network of these places, or of so many in the southwest.

    Args:
        seed: From which all keys grow.
        places: By their codes; or how many of the southwest.
        constants: Of the roster.
        committee: How many of the others witness each log, those that follow it in the order of
            their codes; 0: all of them.
    """
    if isinstance(places, int):
        places = places_of("southwest", places)
    chosen = sorted(places, key=lambda place: place.code)
    codes = [place.code for place in chosen]
    keys = {code: {role: key_of(seed, code, role) for role in ROLES} for code in codes}
    members = {
        place.code: Member(
            name=place.name,
            name_en=place.name_en,
            origin=f"{NETWORK}/{place.code}",
            url=f"https://{place.code}.{NETWORK}",
            peer=f"https://peer.{place.code}.{NETWORK}",
            tls=None,
            keys=MemberKeys(**{role: keys[place.code][role].public for role in ROLES}),
            witnesses=_committee(codes, at, committee),
        )
        for at, place in enumerate(chosen)
    }
    roster = Roster(
        network=NETWORK,
        version=1,
        previous=None,
        rules=1,
        steward=codes[0],
        constants=constants,
        members=members,
    )
    governance = {region: keys[region]["governance"] for region in keys}
    return Members(roster, sign_roster(roster, governance), keys)


def _committee(codes: Sequence[str], at: int, size: int) -> tuple[str, ...] | None:
    """Return who witnesses the log of the region at this place; None for every other one."""
    if not 0 < size < len(codes) - 1:
        return None
    return tuple(sorted(codes[(at + step) % len(codes)] for step in range(1, size + 1)))
