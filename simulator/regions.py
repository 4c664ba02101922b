"""A network of N regions: keys that grow from the seed, and the roster that all have signed."""

from dataclasses import dataclass
from hashlib import sha256

from ledger.keys import SigningKey
from ledger.roster import Constants, Member, MemberKeys, Roster, SignedRoster, sign_roster

NETWORK = "southwest-five.example"
REGIONS = (
    ("500000", "重庆", "Chongqing"),
    ("510000", "四川", "Sichuan"),
    ("520000", "贵州", "Guizhou"),
    ("530000", "云南", "Yunnan"),
    ("540000", "西藏", "Tibet"),
    ("450000", "广西", "Guangxi"),
    ("460000", "海南", "Hainan"),
)
CONSTANTS = Constants(candidate_ms=2_000, delta_s=5, refresh_s=30, staleness_s=180)
"""Shorter than in service, so that a few simulated minutes see views age and be renewed."""

ROLES = ("log", "witness", "mirror", "receipt", "issuer", "governance")


@dataclass(frozen=True, slots=True)
class Members:
    """The roster of a simulated network and the private keys behind it, by region and role."""

    roster: Roster
    signed: SignedRoster
    keys: dict[str, dict[str, SigningKey]]


def key_of(seed: int, *words: str) -> SigningKey:
    """Return the key that the seed gives to whoever these words name."""
    return SigningKey.from_seed(sha256("/".join((str(seed), *words)).encode()).digest())


def make_members(seed: int, count: int, constants: Constants = CONSTANTS) -> Members:
    """Return a network of ``count`` regions, everyone witnessing everyone."""
    chosen = sorted(REGIONS[:count])
    keys = {region: {role: key_of(seed, region, role) for role in ROLES} for region, _, _ in chosen}
    members = {
        region: Member(
            name=name,
            name_en=name_en,
            origin=f"{NETWORK}/{region}",
            url=f"https://{region}.{NETWORK}",
            peer=f"https://peer.{region}.{NETWORK}",
            tls=None,
            keys=MemberKeys(**{role: keys[region][role].public for role in ROLES}),
        )
        for region, name, name_en in chosen
    }
    roster = Roster(
        network=NETWORK,
        version=1,
        previous=None,
        rules=1,
        steward=chosen[0][0],
        constants=constants,
        members=members,
    )
    governance = {region: keys[region]["governance"] for region in keys}
    return Members(roster, sign_roster(roster, governance), keys)
