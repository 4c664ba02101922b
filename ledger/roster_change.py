"""A great version of the roster, written as what it changes of the version before.

A version stands whole in the entries that carry it, as long as it fits there. A greater one is
written as a change: whoever has the version before derives the next one's very bytes from the entry
alone, and has to wait for nobody. Signatures are over those bytes, however they were written.

Source: docs/formats/own.md section 4.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from ledger import encoding
from ledger.errors import RefusedError, UnverifiedError
from ledger.roster import MEMBERS_MAX, Roster
from ledger.roster_fields import bad_field
from ledger.signed_roster import SignedRoster

CHANGE_FORMAT: Final = "shouxin/roster-change/v1"
ROSTER_BYTES_MAX: Final = 64_512
"""Of a roster that stands in an entry; the rest of the entry is for what is around."""
SIGNATURE_ROOM_BYTES: Final = 76
"""What a member's signature takes, with its region."""
CHANGED_MAX: Final = 2 * MEMBERS_MAX
"""All members of one version leave, and as many others join."""

_TERMS: Final = ("rules", "steward", "constants", "suites", "proofs")
_ARRAY: Final = 4
"""CBOR's major type: a roster is a map, a change is an array."""


def change_of(before: Roster, new: Roster) -> bytes:
    """Return what a version changes of the one before, in its one form.

    Raises:
        MalformedError: It is no version after that one: something that stays is left out.
    """
    return _change(_Version(before), _Version(new))


# It is wanted for the proposal, and again for each log that begins under the version.
@lru_cache(maxsize=4)
def _change(of: "_Version", to: "_Version") -> bytes:
    before, new = of.roster, to.roster
    old, fresh = _fields(before), _fields(new)
    terms = {
        name: fresh.get(name)
        for name in _TERMS
        if (name == "proofs" and name in fresh)
        or (name != "proofs" and fresh.get(name) != old.get(name))
    }
    regions = sorted(old["members"].keys() | fresh["members"].keys())
    members = {
        region: _member_change(old["members"].get(region), fresh["members"].get(region))
        for region in regions
        if old["members"].get(region) != fresh["members"].get(region)
    }
    pins = [
        None if fresh["pins"].get(origin) == old["pins"].get(origin) else fresh["pins"][origin]
        for origin in before.origins
        if origin in fresh["pins"]
    ]
    closed = {at: it for at, it in fresh["closed"].items() if at not in old["closed"]}
    body = new.encode()
    data = encoding.encode(
        [
            CHANGE_FORMAT,
            new.version,
            new.previous,
            sha256(body).digest(),
            terms,
            members,
            pins,
            closed,
        ]
    )
    if _derive(before, data) != body:
        raise bad_field(f"no version that follows {before.version}")
    return data


def apply_change(before: Roster, data: bytes) -> bytes:
    """Return the bytes of the version that a change makes of the one before.

    Raises:
        MalformedError: It is no change, or not in its one form.
        UnverifiedError: ``roster-previous``: it changes another version.
    """
    return _applied(_Version(before), data)


def written(data: bytes, before: Roster | None, beside_bytes: int = 0) -> bytes:
    """Return a version's bytes as an entry holds them: whole where they fit, else as a change.

    Args:
        data: The version.
        before: What it changes.
        beside_bytes: Of what stands in the entry beside it.

    Raises:
        RefusedError: ``version-too-large``: the change does not fit either, or nobody said what it
            changes.
    """
    if len(data) + beside_bytes <= ROSTER_BYTES_MAX:
        return data
    if before is None:
        raise RefusedError("this version does not fit into an entry", code="version-too-large")
    return change_of(before, Roster.decode(data))


def read(data: bytes, before: Roster, beside_bytes: int = 0) -> bytes:
    """Return a version's bytes, however an entry holds them.

    Args:
        data: Out of the entry.
        before: The version that is in force there.
        beside_bytes: As for ``written``.

    Raises:
        MalformedError: It is a change though the whole had fitted, or not of the form.
        UnverifiedError: ``roster-previous``: it changes another version.
    """
    return _whole(apply_change(before, data), beside_bytes) if is_change(data) else data


def written_signed(signed: bytes, before: Roster | None) -> bytes:
    """Return a signed version as an entry holds it; as ``written``."""
    if len(signed) <= ROSTER_BYTES_MAX:
        return signed
    whole = SignedRoster.decode(signed)
    if before is None:
        raise RefusedError("this version does not fit into an entry", code="version-too-large")
    change = change_of(before, Roster.decode(whole.body))
    return SignedRoster(change, whole.round, whole.signatures).encode()


def read_signed(data: bytes, before: Roster) -> SignedRoster:
    """Return a signed version, however an entry holds it; as ``read``."""
    found = SignedRoster.decode(data)
    if not is_change(found.body):
        return found
    body = apply_change(before, found.body)
    whole = SignedRoster(body, found.round, found.signatures)
    _whole(whole.encode())
    return whole


def _whole(data: bytes, beside_bytes: int = 0) -> bytes:
    """Return what is written as a change; what fits never is."""
    if len(data) + beside_bytes <= ROSTER_BYTES_MAX:
        raise bad_field("a version that fits stands whole")
    return data


def check_fits(before: Roster, new: Roster) -> None:
    """Check that a version fits into entries, though every member signs it.

    Raises:
        RefusedError: ``version-too-large``: it is to be made in two versions.
    """
    room = SIGNATURE_ROOM_BYTES * len(before.members.keys() | new.members.keys())
    if len(new.encode()) + room <= ROSTER_BYTES_MAX:
        return
    size = len(change_of(before, new)) + room
    if size > ROSTER_BYTES_MAX:
        raise RefusedError(
            f"this change takes {size} bytes of {ROSTER_BYTES_MAX} with its signatures: "
            "make two versions of it",
            code="version-too-large",
        )


def is_change(data: bytes) -> bool:
    """Say whether bytes are a change, where they are either that or a roster."""
    return bool(data) and data[0] >> 5 == _ARRAY


def written_version(data: bytes) -> int:
    """Return the number of the version that bytes out of a proposal are of; not checked.

    Raises:
        MalformedError: They are neither a roster nor a change.
    """
    if not is_change(data):
        return Roster.decode(data).version
    match encoding.decode(data):
        case [_, int(version), *_]:
            return version
        case _:
            raise bad_field("a change of the roster has a version")


class _Version:
    """A version as a key: its hash tells it from any other."""

    __slots__ = ("roster",)

    def __init__(self, roster: Roster) -> None:
        self.roster = roster

    def __hash__(self) -> int:
        return hash(self.roster.sha256)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Version) and other.roster.sha256 == self.roster.sha256


# The same change stands in the proposal and in every log, and each approval is of it.
@lru_cache(maxsize=4)
def _applied(before: _Version, data: bytes) -> bytes:
    body = _derive(before.roster, data)
    if change_of(before.roster, Roster.decode(body)) != data:
        raise bad_field("a change is written in one form alone")
    return body


def _derive(before: Roster, data: bytes) -> bytes:
    match encoding.decode(data):
        case [
            str(format_),
            int(version),
            bytes(previous),
            bytes(digest),
            dict(terms),
            dict(members),
            list(pins),
            dict(closed),
        ] if format_ == CHANGE_FORMAT:
            pass
        case _:
            raise bad_field("not a change of the roster")
    if (version, previous) != (before.version + 1, before.sha256):
        raise UnverifiedError(
            f"version {version} changes another version {before.version}", code="roster-previous"
        )
    if not terms.keys() <= set(_TERMS) or len(pins) != len(before.origins):
        raise bad_field("a change is of the terms of a roster, with a pin for each log")
    fields = _fields(before)
    fields.pop("proofs", None)
    fields = _changed({**fields, "version": version, "previous": previous}, terms)
    _change_members(fields["members"], members)
    kept = fields["pins"]
    fields["pins"] = {
        origin: kept.get(origin) if pin is None else pin
        for origin, pin in zip(before.origins, pins, strict=True)
    }
    fields["closed"] = {**fields["closed"], **closed}
    body = encoding.encode(fields)
    if sha256(body).digest() != digest:
        raise bad_field("a change makes another version than it says")
    return body


def _change_members(members: dict[str, Any], changes: Mapping[object, Any]) -> None:
    # A liar names as many as an entry holds: that is told before anything is made of them.
    if len(changes) > CHANGED_MAX:
        raise bad_field(f"a change is of at most {CHANGED_MAX} members")
    for region, change in changes.items():
        if type(region) is not str:
            raise bad_field("a region is text")
        if change is None:
            members.pop(region, None)
        elif region in members:
            members[region] = _changed_member(members[region], change)
        else:
            members[region] = change


def _fields(roster: Roster) -> dict[str, Any]:
    found: dict[str, Any] = encoding.decode(roster.encode())
    return found


def _member_change(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - null or a map
    """Return what changes of a member: all of one who joins, null for one who leaves."""
    if old is None or new is None:
        return new
    change: dict[str, Any] = {name: it for name, it in new.items() if it != old[name]}
    if "keys" in change:
        names = old["keys"].keys() | new["keys"].keys()
        pairs = {name: (old["keys"].get(name), new["keys"].get(name)) for name in sorted(names)}
        change["keys"] = {name: made for name, (had, made) in pairs.items() if had != made}
    return change


def _changed_member(member: Mapping[str, Any], change: object) -> dict[str, Any]:
    if type(change) is not dict or type(change.get("keys", {})) is not dict:
        raise bad_field("a member's change is a map")
    keys = _changed(member["keys"], change.get("keys", {}))
    return {**member, **change, "keys": keys}


def _changed(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with others in their place; null takes one away."""
    merged = {**fields, **changes}
    return {name: it for name, it in merged.items() if not (name in changes and it is None)}
