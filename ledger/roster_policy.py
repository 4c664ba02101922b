"""The quorum of a log as a policy file that other programs read.

Source: C2SP tlog-policy.
"""

from collections.abc import Mapping, Sequence

from ledger import names
from ledger.errors import NotFoundError
from ledger.note import ED25519_COSIGNATURE, VerifierKey
from ledger.roster import Role, Roster


def tlog_policy(roster: Roster, origin: str, role: Role) -> str:
    """Return the log's quorum as a policy file that other programs read.

    Source: C2SP tlog-policy.
    """
    keys = {}
    for region in roster.witnesses_of(origin):
        witness = roster.members[region]
        if role == "witness":
            name, public = names.witness_name(witness.origin), witness.keys.witness
        else:
            name, public = names.mirror_name(witness.origin), witness.keys.mirror
        keys[region] = VerifierKey(name, ED25519_COSIGNATURE, public)
    return _policy(roster, f"{role} lines", origin, roster.log_keys(origin), keys)


def post_quantum_policy(roster: Roster, origin: str, role: Role) -> str:
    """Return the log's quorum by ML-DSA-44 lines alone, for the second note of its checkpoints.

    The quorum is that of ``tlog_policy``, though fewer regions may have such a key. Where the
    log has one, its Ed25519 line does not do.

    Raises:
        NotFoundError: Fewer regions than the quorum have such a key.

    Source: C2SP tlog-policy.
    """
    regions = roster.witnesses_of(origin)
    found = {region: roster.post_quantum_key(region, role) for region in regions}
    keys = {region: key for region, key in found.items() if key is not None}
    if regions and len(keys) < roster.quorum(origin):
        raise NotFoundError(
            f"{len(keys)} of {len(regions)} regions have an ML-DSA-44 {role} key", code="no-key"
        )
    return _policy(roster, f"ML-DSA-44 {role} lines", origin, roster.log_keys(origin)[-1:], keys)


def _policy(
    roster: Roster,
    what: str,
    origin: str,
    logs: Sequence[VerifierKey],
    witnesses: Mapping[str, VerifierKey],
) -> str:
    url = roster.member(roster.region_of_origin(origin)).url
    lines = [f"# {origin}: {what} by roster version {roster.version}"]
    lines += [f"log {key.encode()} {url}/log" for key in logs]
    lines += [
        f"witness {region} {key.encode()} {roster.members[region].peer}/c2sp"
        for region, key in witnesses.items()
    ]
    regions = tuple(witnesses)
    if regions:
        lines.append(f"group members {roster.quorum(origin)} {' '.join(regions)}")
    lines.append(f"quorum {'members' if regions else 'none'}")
    return "\n".join(lines) + "\n"
