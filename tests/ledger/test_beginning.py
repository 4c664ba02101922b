"""What the first entry of a log says of the roster that it begins under."""

from dataclasses import replace
from hashlib import sha256

import pytest

from ledger.beginning import ROSTER_BYTES_MAX, check_beginning, genesis_body
from ledger.errors import RefusedError
from ledger.roster_chain import RosterChain
from tests.nodes import neighbours

ROSTER = neighbours.make_roster(("510000", "520000"))
GREAT = bytes(ROSTER_BYTES_MAX + 1)
CHAIN = RosterChain((GREAT,), (ROSTER,))


def test_a_genesis_roster_that_fits_stands_whole_and_a_greater_one_by_hash_and_length() -> None:
    assert genesis_body(bytes(ROSTER_BYTES_MAX), 1)["roster"] == bytes(ROSTER_BYTES_MAX)
    assert genesis_body(GREAT, 1)["roster"] == [sha256(GREAT).digest(), len(GREAT)]
    body = genesis_body(GREAT, ROSTER.rules)
    assert check_beginning(body, CHAIN, ROSTER) == body
    assert genesis_body(GREAT, 1, version=2)["roster"] == GREAT


@pytest.mark.parametrize(
    "named",
    [
        GREAT,
        [sha256(b"another").digest(), len(GREAT)],
        [sha256(GREAT).digest(), len(GREAT) - 1],
        sha256(GREAT).digest(),
        None,
    ],
)
def test_a_genesis_that_names_a_great_roster_otherwise_is_refused_at_once(named: object) -> None:
    body = {**genesis_body(GREAT, ROSTER.rules), "roster": named}
    with pytest.raises(RefusedError) as caught:
        check_beginning(body, CHAIN, ROSTER)
    assert caught.value.code == "bad-genesis"


def test_a_roster_that_fits_is_not_named_by_its_hash_and_no_later_one_ever_is() -> None:
    small = bytes(9)
    body = genesis_body(GREAT, ROSTER.rules)
    by_hash = {**body, "roster": [sha256(small).digest(), len(small)]}
    with pytest.raises(RefusedError):
        check_beginning(by_hash, RosterChain((small,), (ROSTER,)), ROSTER)
    later = replace(ROSTER, version=2, previous=bytes(32))
    with pytest.raises(RefusedError) as caught:
        check_beginning(body, RosterChain((small, GREAT), (ROSTER, later)), later)
    assert caught.value.code == "bad-genesis"
