import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import encoding
from ledger.checkpoint import Checkpoint
from ledger.equivocation import (
    Equivocation,
    Said,
    accuse,
    check_evidence,
    check_file,
    decode_evidence,
    encode_file,
    evidence_body,
    is_evidence_file,
    said_by_log,
)
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.roster import Role
from ledger.statement import decode_statement
from tests import rfc9162
from tests.strategies import flip, values
from tests.vectors.own.example import Example
from tests.vectors.own.network import (
    SICHUAN,
    TIME_S,
    Log,
    key,
    line,
    member,
    roster,
    signed,
    successor_of,
)

EXAMPLE = Example()
ROSTERS = {1: EXAMPLE.roster}
GENESIS = EXAMPLE.signed
VECTOR = json.loads((Path(__file__).parents[1] / "vectors/own/evidence.json").read_text())
LIAR, COSIGNER = "510000", "540000"


def grown(name: str, size: int = 9) -> Log:
    """A log of Sichuan whose entries are its own from the first on."""
    log = Log(LIAR)
    for number in range(size):
        log.act("case.open", f"510000/case/{name}-{number}", {}, officer="510000/officer/w3-01")
    return log


LEFT, RIGHT = grown("left"), grown("right")


def notes(*heads: tuple[Log, int], hashes: Any = ()) -> Equivocation:
    """Evidence of two notes that Sichuan's log key signed."""
    return accuse("log", LIAR, [said_by_log(1, log.note(size)) for log, size in heads], hashes)


def lines(*signed_: tuple[Log, int, int], role: Role = "witness", hashes: Any = ()) -> Equivocation:
    """Evidence of two lines of Tibet's, each of a log, a size and a time."""
    said = [
        Said(1, log.checkpoint(size), line(COSIGNER, role, log.checkpoint(size), time_s).line)
        for log, size, time_s in signed_
    ]
    return accuse(role, COSIGNER, said, hashes)


def branches(old: int, log: Log) -> list[bytes]:
    """The hashes of both roots, from the RFC's own recursion."""
    proof = rfc9162.consistency(old, log.entries)
    return proof if old & (old - 1) else [log.checkpoint(old).root, *proof]


def refused(evidence: Equivocation, code: str, rosters: Any = ROSTERS) -> None:
    with pytest.raises(UnverifiedError) as caught:
        check_evidence(evidence, rosters)
    assert caught.value.code == code, str(caught.value)


def test_two_notes_of_one_size_with_different_roots_convict_the_log() -> None:
    found = check_evidence(notes((LEFT, 5), (RIGHT, 5)), ROSTERS)
    assert (found.against, found.region, found.origin) == ("log", LIAR, SICHUAN)
    assert (found.shown, found.sizes) == ("two-roots", (5, 5))
    assert found.public == key(LIAR, "log").public


@pytest.mark.parametrize("old", [1, 2, 3, 4, 7, 8])
def test_hashes_that_give_another_old_root_convict_the_log(old: int) -> None:
    evidence = notes((LEFT, old), (RIGHT, 9), hashes=branches(old, RIGHT))
    assert check_evidence(evidence, ROSTERS).shown == "two-branches"


@pytest.mark.parametrize("role", ["witness", "mirror"])
@pytest.mark.parametrize(
    ("signed_", "hashes", "shown"),
    [
        (((LEFT, 5, TIME_S), (RIGHT, 5, TIME_S)), (), "two-roots"),
        (((LEFT, 5, TIME_S), (LEFT, 4, TIME_S + 1)), (), "back-in-size"),
        (((LEFT, 5, TIME_S), (LEFT, 0, TIME_S + 1)), (), "back-in-size"),
        (((LEFT, 5, TIME_S), (RIGHT, 9, TIME_S + 1)), branches(5, RIGHT), "two-branches"),
    ],
)
def test_two_lines_of_one_key_convict_it(role: Role, signed_: Any, hashes: Any, shown: str) -> None:
    found = check_evidence(lines(*signed_, role=role, hashes=hashes), ROSTERS)
    assert (found.against, found.region, found.shown) == (role, COSIGNER, shown)
    assert found.public == key(COSIGNER, role).public


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (notes((LEFT, 4), (LEFT, 9), hashes=branches(4, LEFT)), "no-contradiction"),
        (notes((LEFT, 4), (RIGHT, 9)), "no-contradiction"),
        (notes((LEFT, 4), (RIGHT, 9), hashes=branches(4, LEFT)), "bad-proof"),
        (notes((LEFT, 4), (RIGHT, 9), hashes=[bytes(32)] * 4), "bad-proof"),
        (notes((LEFT, 4), (RIGHT, 9), hashes=branches(4, RIGHT)[1:]), "bad-proof"),
        (notes((LEFT, 0), (RIGHT, 9), hashes=branches(4, RIGHT)), "bad-proof"),
        (notes((LEFT, 5), (RIGHT, 5), hashes=[bytes(32)]), "no-contradiction"),
        (lines((LEFT, 5, TIME_S), (LEFT, 4, TIME_S)), "no-contradiction"),
        (lines((LEFT, 5, TIME_S), (LEFT, 4, TIME_S - 1)), "no-contradiction"),
        (lines((LEFT, 5, TIME_S), (LEFT, 5, TIME_S + 1)), "no-contradiction"),
        (
            lines((LEFT, 5, TIME_S), (LEFT, 4, TIME_S + 1), hashes=[bytes(32)]),
            "no-contradiction",
        ),
        (replace(lines((LEFT, 5, 1), (RIGHT, 5, 1)), against="mirror"), "unknown-key"),
        (replace(lines((LEFT, 5, 1), (RIGHT, 5, 1)), region="500000"), "unknown-key"),
        (replace(notes((LEFT, 5), (RIGHT, 5)), region="500000"), "unknown-key"),
        (replace(notes((LEFT, 5), (RIGHT, 5)), region="110000"), "unknown-key"),
    ],
)
def test_what_honest_keys_may_sign_or_did_not_sign_proves_nothing(
    evidence: Equivocation, code: str
) -> None:
    refused(evidence, code)


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    "evidence", [notes((LEFT, 5), (RIGHT, 5)), lines((LEFT, 5, 1), (RIGHT, 5, 1))]
)
def test_either_signature_must_hold(evidence: Equivocation, at: int) -> None:
    said = list(evidence.said)
    said[at] = replace(said[at], signed=said[at].signed[:-1] + bytes([said[at].signed[-1] ^ 1]))
    refused(replace(evidence, said=tuple(said)), "bad-signature")


def test_an_undated_line_has_no_form() -> None:
    evidence = lines((LEFT, 5, 1), (RIGHT, 5, 1))
    one, other = evidence.said
    undated = replace(one, signed=one.signed[:4] + bytes(8) + one.signed[12:])
    refused(replace(evidence, said=(undated, other)), "bad-signature")


def test_a_rotated_log_key_is_still_the_one_log_but_a_cosigners_is_another() -> None:
    keys = replace(
        member(LIAR).keys, log=key("new", "log").public, witness=key("new", "witness").public
    )
    second = successor_of(EXAMPLE.roster, LIAR, keys=keys)
    rosters = {**ROSTERS, 2: second}
    head = RIGHT.checkpoint(5)
    later = Said(2, head, key("new", "log").sign(head.text()))
    evidence = accuse("log", LIAR, [said_by_log(1, LEFT.note(5)), later])
    found = check_evidence(evidence, rosters)
    assert found.sizes == (5, 5)
    refused(evidence, "unknown-key")
    head = Checkpoint("southwest-five.example/500000", 3, bytes(32))
    old = Said(1, head, line(LIAR, "witness", head, 9).line)
    new = Said(2, replace(head, root=b"1" * 32), old.signed)
    refused(accuse("witness", LIAR, [old, new]), "unknown-key", rosters)


def test_a_new_key_is_another_object_than_the_convicted_one() -> None:
    found = check_evidence(notes((LEFT, 5), (RIGHT, 5)), ROSTERS)
    assert found.subject.startswith(f"{LIAR}/evidence/")
    assert replace(found, public=key("new", "log").public).subject != found.subject


def every_kind() -> Iterator[Equivocation]:
    yield notes((LEFT, 5), (RIGHT, 5))
    yield notes((LEFT, 5), (RIGHT, 9), hashes=branches(5, RIGHT))
    yield lines((LEFT, 5, TIME_S), (LEFT, 4, TIME_S + 1))


@pytest.mark.parametrize("evidence", list(every_kind()))
def test_a_body_is_read_back_and_says_in_words_what_it_proves(evidence: Equivocation) -> None:
    assert decode_evidence(evidence_body(evidence)) == evidence
    assert check_evidence(evidence, ROSTERS).detail.startswith(f"the {evidence.against} key of ")


BODY = evidence_body(notes((LEFT, 5), (RIGHT, 9), hashes=branches(5, RIGHT)))


@pytest.mark.parametrize(
    "changed",
    [
        {"against": "receipt"},
        {"against": "witness"},
        {"region": "51000"},
        {"region": 510000},
        {"origin": "no/origin"},
        {"origin": None},
        {"said": BODY["said"][::-1]},
        {"said": [BODY["said"][0]] * 2},
        {"said": BODY["said"][:1]},
        {"said": [[0, *BODY["said"][0][1:]], BODY["said"][1]]},
        {"said": [[1, 0, bytes(32), bytes(64)], BODY["said"][1]]},
        {"said": [BODY["said"][0], [1, 2**63, bytes(32), bytes(64)]]},
        {"said": [BODY["said"][0], [1, 9, bytes(31), bytes(64)]]},
        {"said": [BODY["said"][0], [1, True, bytes(32), bytes(64)]]},
        {"said": [BODY["said"][0], [1, 9, bytes(32)]]},
        {"hashes": [bytes(31)]},
        {"hashes": [bytes(32)] * 129},
        {"hashes": None},
        {"more": 1},
    ],
)
def test_a_body_of_another_form_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        decode_evidence(BODY | changed)
    assert caught.value.code in {"bad-field", "malformed"}


@settings(max_examples=25)
@given(values)
def test_any_body_is_evidence_or_malformed(value: object) -> None:
    try:
        decode_evidence(value)
    except MalformedError:
        pass
    else:
        raise AssertionError(value)


FILE = encode_file([GENESIS.encode()], notes((LEFT, 5), (RIGHT, 9), hashes=branches(5, RIGHT)))


@given(st.integers(0, 8 * len(FILE) - 1))
def test_a_file_with_one_flipped_bit_convicts_nobody(bit: int) -> None:
    with pytest.raises(LedgerError):
        check_file(flip(FILE, bit), GENESIS)


def test_a_file_is_checked_from_the_genesis_roster_alone() -> None:
    assert is_evidence_file(FILE)
    assert not is_evidence_file(EXAMPLE.bundle.encode())
    assert not is_evidence_file(b"garbage")
    assert check_file(FILE, GENESIS).shown == "two-branches"
    for data, code in (
        (b"garbage", "form"),
        (encoding.encode(encoding.decode(FILE) | {"format": "other"}), "form"),
        (encoding.encode(encoding.decode(FILE) | {"rosters": []}), "form"),
        (encode_file([b"none"], notes((LEFT, 5), (RIGHT, 5))), "roster"),
    ):
        with pytest.raises(UnverifiedError) as caught:
            check_file(data, GENESIS)
        assert caught.value.code == code
    other = signed(roster(("500000", "510000", "540000")))
    with pytest.raises(UnverifiedError) as caught:
        check_file(FILE, other)
    assert caught.value.code == "roster"


def test_the_vector_is_what_it_was_and_convicts() -> None:
    assert EXAMPLE.recorded.entry.hex() == VECTOR["entry"]
    assert encode_file([GENESIS.encode()], EXAMPLE.evidence).hex() == VECTOR["file"]
    found = check_file(bytes.fromhex(VECTOR["file"]), GENESIS)
    assert (found.subject, found.shown) == (VECTOR["subject"], VECTOR["shown"])
    act = decode_statement(bytes.fromhex(VECTOR["entry"])).act
    assert act.kind == "log.evidence"
    assert decode_evidence(act.body) == EXAMPLE.evidence


def test_honest_histories_give_no_evidence_whatever_pair_is_taken() -> None:
    """Every note and line of one growing log, in any two, with the log's own hashes."""
    sizes = range(1, len(LEFT.entries) + 1)
    for small, large in pairwise(sizes):
        hashes = branches(small, grown("left", large))
        refused(notes((LEFT, small), (LEFT, large), hashes=hashes), "no-contradiction")
        dated = ((LEFT, small, TIME_S + small), (LEFT, large, TIME_S + large))
        refused(lines(*dated, hashes=hashes), "no-contradiction")
