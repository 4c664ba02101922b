"""Names of regions, parties, objects and logs, each with one spelling.

A name says which region gave it out, so that two regions never give out the same one. Whether
the region or the party exists is not known here: the roster and the enrolments say that.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from ledger.errors import MalformedError

NETWORK_CHARS_MAX = 128

_REGION = r"[0-9]{6}"
_TYPE = r"[a-z][a-z0-9-]{0,31}"
_LOCAL = r"[0-9A-Za-z._-]{1,64}"
# A network never begins like a party's name, so that no text is both an object and an origin.
_NETWORK = (
    rf"(?!{_REGION}(?:/|$))[0-9a-z](?:[0-9a-z.-]*[0-9a-z])?(?::[1-9][0-9]{{0,4}})?"
    r"(?:/[0-9A-Za-z._-]+)*"
)
_SUCCESSOR = r"(?:/([2-9]|[1-9][0-9]{1,3}))?"

_region = re.compile(_REGION).fullmatch
_party = re.compile(rf"{_REGION}(?:/{_TYPE}/{_LOCAL})?").fullmatch
_object = re.compile(rf"({_REGION})/({_TYPE})/({_LOCAL})").fullmatch
_network = re.compile(_NETWORK).fullmatch
_origin = re.compile(rf"({_NETWORK})/({_REGION}){_SUCCESSOR}").fullmatch


class RecordName(NamedTuple):
    """The three parts of ``<region>/<type>/<number>``."""

    region: str
    type: str
    number: str


def check_region(text: str) -> None:
    """Check that ``text`` is six digits, a GB/T 2260 code."""
    if not _region(text):
        raise MalformedError(f"not a region of six digits: {text[:80]!r}", code="bad-field")


def is_party(text: str) -> bool:
    """Say whether ``text`` is ``<region>`` or ``<region>/<type>/<local>``."""
    return _party(text) is not None


def check_party(text: str) -> None:
    """Check that ``text`` is ``<region>`` or ``<region>/<type>/<local>``."""
    if not _party(text):
        raise MalformedError(f"not the name of a party: {text[:80]!r}", code="bad-field")


def check_object(text: str) -> None:
    """Check that ``text`` is ``<region>/<type>/<number>``."""
    if not _object(text):
        raise _no_object(text)


def check_network(text: str) -> None:
    """Check that ``text`` is a schema-less URL without a slash at its end."""
    if len(text) > NETWORK_CHARS_MAX or not _network(text):
        raise MalformedError(f"not the name of a network: {text[:80]!r}", code="bad-field")


def check_origin(text: str) -> None:
    """Check that ``text`` is ``<network>/<region>``, with ``/2`` or more for a successor log."""
    _match_origin(text)


def check_subject(text: str) -> None:
    """Check that ``text`` names what a statement can be about: object, party or origin."""
    if _party(text):
        return
    try:
        _match_origin(text)
    except MalformedError as error:
        raise _no_object(text) from error


def split_name(name: str) -> RecordName:
    """Return region, type and number of the name of an object, or of a party below a region."""
    match = _object(name)
    if match is None:
        raise _no_object(name)
    return RecordName(*match.groups())


def region_of(name: str) -> str:
    """Return the region that gave out ``name``, a party or an object."""
    check_party(name)
    return name[:6]


def region_of_origin(origin: str) -> str:
    """Return the region whose log ``origin`` names."""
    return _match_origin(origin)[2]


def network_of(origin: str) -> str:
    """Return the network that the log ``origin`` belongs to."""
    return _match_origin(origin)[1]


def origin_for(network: str, region: str) -> str:
    """Return the origin of the first log of ``region``."""
    check_network(network)
    check_region(region)
    return f"{network}/{region}"


def number_of_origin(origin: str) -> int:
    """Return which log of its region ``origin`` names: 1 for the first, 2 for its successor."""
    return int(_match_origin(origin)[3] or 1)


def successor_origin(origin: str) -> str:
    """Return the origin of the log that a region begins once ``origin`` is closed."""
    match = _match_origin(origin)
    return f"{match[1]}/{match[2]}/{int(match[3] or 1) + 1}"


def witness_name(origin: str) -> str:
    """Return the key name under which the node of ``origin`` signs as a witness."""
    return f"{origin}/witness"


def mirror_name(origin: str) -> str:
    """Return the key name under which the node of ``origin`` signs as a mirror."""
    return f"{origin}/mirror"


def _no_object(text: str) -> MalformedError:
    return MalformedError(
        f"not <region>/<type>/<number>, as 510000/case/2026-1 is: {text[:80]!r}", code="bad-field"
    )


# Logs are few and named in every citation. Errors are not kept, and names have a greatest length.
@lru_cache(maxsize=1_024)
def _match_origin(text: str) -> re.Match[str]:
    match = _origin(text)
    if match is None or len(match[1]) > NETWORK_CHARS_MAX:
        raise MalformedError(f"not <network>/<region>: {text[:80]!r}", code="bad-field")
    return match
