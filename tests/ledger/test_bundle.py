import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import encoding
from ledger.bundle import VerifiedBundle, check_bundle
from ledger.bundle_file import Bundle, ProvenEntry, ProvenLog
from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.note import Note, sign_ed25519
from ledger.sign1 import decode_statement_parts, encode_statement_parts
from ledger.statement import Act, sign_statement
from tests.strategies import flip, values
from tests.vectors.own.example import Example
from tests.vectors.own.generate import vectors
from tests.vectors.own.network import (
    CASE,
    NETWORK,
    SICHUAN,
    TIBET,
    TIME_S,
    Log,
    key,
    member,
    proven,
    roster,
    signed,
    successor_of,
)

VECTORS = Path(__file__).parents[1] / "vectors/own"
EXAMPLE = Example()
BUNDLE = EXAMPLE.bundle
DATA = BUNDLE.encode()
GENESIS = EXAMPLE.roster.sha256


def failed_step(bundle: bytes | Bundle, genesis: Any = GENESIS) -> str:
    with pytest.raises(UnverifiedError) as caught:
        check_bundle(bundle, genesis)
    return caught.value.code


def with_log(origin: str = SICHUAN, **changes: Any) -> Bundle:
    """The bundle with parts of one log replaced."""
    logs = dict(BUNDLE.logs)
    logs[origin] = replace(logs[origin], **changes)
    return replace(BUNDLE, logs=logs)


def with_entry(at: int, **changes: Any) -> Bundle:
    """The bundle with one entry of Sichuan's log changed."""
    entries = list(BUNDLE.logs[SICHUAN].entries)
    entries[at] = replace(entries[at], **changes)
    return with_log(entries=tuple(entries))


@pytest.mark.parametrize("name", sorted(path.stem for path in VECTORS.glob("*.json")))
def test_the_generator_makes_the_same_bytes_as_ever(name: str) -> None:
    kept = json.loads((VECTORS / f"{name}.json").read_text())
    assert {"source": kept["source"]} | vectors(EXAMPLE)[name] == kept


def test_the_vector_verifies_by_the_hash_of_its_genesis() -> None:
    vector = json.loads((VECTORS / "bundle.json").read_text())
    found = check_bundle(bytes.fromhex(vector["bundle"]), bytes.fromhex(vector["genesis"]))
    assert found.subject == vector["subject"]


def test_a_bundle_reads_back_as_it_was_made() -> None:
    assert Bundle.decode(DATA) == BUNDLE
    assert Bundle.decode(DATA).encode() == DATA


def test_a_bundle_proves_its_entries_as_of_the_sizes_of_its_notes() -> None:
    found = check_bundle(DATA, EXAMPLE.signed)
    assert found == check_bundle(BUNDLE, GENESIS)
    assert found.rosters == (EXAMPLE.roster,)
    sichuan, tibet = found.logs[SICHUAN], found.logs[TIBET]
    assert (sichuan.checkpoint.size, tibet.checkpoint.size) == (4, 2)
    assert list(sichuan.entries) == [0, 1, 3]
    assert sichuan.entries[3].entry == EXAMPLE.case.entry
    # The officer's key is for the domain to find; the region's own statements are done with.
    assert list(sichuan.issued) == [0, 1]
    assert tibet.issued[1] == EXAMPLE.grant
    assert sichuan.replicated
    assert [it.region for it in sichuan.mirror] == ["500000", "520000", "530000"]


@given(st.integers(0, 8 * len(DATA) - 1))
def test_one_flipped_bit_anywhere_is_refused(bit: int) -> None:
    failed_step(flip(DATA, bit))


def test_one_flipped_bit_in_any_part_fails_at_its_step() -> None:
    sichuan = BUNDLE.logs[SICHUAN]
    entry = sichuan.entries[1]
    for step, bundle in (
        ("form", replace(BUNDLE, subject="510000/case/2026-000016")),
        ("roster", replace(BUNDLE, rosters=(flip(BUNDLE.rosters[0], 900),))),
        ("note", with_log(note=flip(sichuan.note, 8 * len(sichuan.note) - 100))),
        ("witness-quorum", with_log(witness=(*sichuan.witness[:2], flip(sichuan.witness[2], 300)))),
        ("mirror-quorum", with_log(mirror=(flip(sichuan.mirror[0], 90), *sichuan.mirror[1:]))),
        ("inclusion", with_entry(1, index=2)),
        ("inclusion", with_entry(1, proof=(flip(entry.proof[0], 7), *entry.proof[1:]))),
        ("inclusion", with_entry(1, entry=flip(entry.entry, 8 * len(entry.entry) - 1))),
    ):
        assert failed_step(bundle) == step


def test_the_entries_are_looked_at_before_the_rosters() -> None:
    assert failed_step(with_entry(0, entry=b"\xd2\x84")) == "form"
    assert failed_step(b"") == "form"


@pytest.mark.parametrize("genesis", [bytes(32), signed(roster(["510000"]))])
def test_another_genesis_is_not_trusted(genesis: Any) -> None:
    assert failed_step(BUNDLE, genesis) == "roster"


def test_a_genesis_that_not_all_signed_is_not_trusted() -> None:
    part = signed(EXAMPLE.roster, ["510000", "520000"]).encode()
    assert failed_step(replace(BUNDLE, rosters=(part,))) == "roster"


@pytest.mark.parametrize("version", [0, 2, 2**63])
def test_a_log_counts_by_a_roster_that_is_there(version: int) -> None:
    assert failed_step(with_log(roster=version)) == "roster"


def test_a_log_of_no_member_is_refused() -> None:
    stranger = Log("990000")
    stranger.act("log.genesis", stranger.origin, {})
    part = replace(BUNDLE.logs[SICHUAN], note=stranger.note())
    assert failed_step(replace(BUNDLE, logs={**BUNDLE.logs, f"{NETWORK}/990000": part})) == "roster"


def test_the_note_is_its_own_logs_and_signed_by_it_alone() -> None:
    text = EXAMPLE.sichuan.checkpoint().encode()
    other = Note(text, (sign_ed25519(SICHUAN, key("520000", "log"), text),))
    beside = Note.decode(EXAMPLE.sichuan.note()).with_signatures(
        sign_ed25519("a.example", key("a.example"), text)
    )
    text = EXAMPLE.tibet.checkpoint().encode()
    strange = Note(text, (sign_ed25519(SICHUAN, key("510000", "log"), text),))
    with pytest.raises(UnverifiedError, match=f"one of {TIBET}"):
        check_bundle(with_log(note=strange.encode()), GENESIS)
    for note in (EXAMPLE.tibet.note(), other.encode(), beside.encode(), b"note"):
        assert failed_step(with_log(note=note)) == "note"


@pytest.mark.parametrize("role", ["witness", "mirror"])
def test_a_quorum_is_of_distinct_regions_and_of_good_lines_alone(role: Any) -> None:
    good = getattr(BUNDLE.logs[SICHUAN], role)
    other = "mirror" if role == "witness" else "witness"
    step = f"{role}-quorum"
    assert failed_step(with_log(**{role: good[:2]})) == step
    assert failed_step(with_log(**{role: ()})) == step
    assert failed_step(with_log(**{role: (*good[:2], good[1])})) == step
    assert failed_step(with_log(**{role: getattr(BUNDLE.logs[SICHUAN], other)})) == step
    older = EXAMPLE.sichuan.lines(("540000",), role, size=3)
    assert failed_step(with_log(**{role: (*good, older[0].line)})) == step
    more = EXAMPLE.sichuan.lines(("540000",), role)
    check_bundle(with_log(**{role: (*good, more[0].line)}), GENESIS)


def test_an_entry_is_in_the_tree_at_its_own_index() -> None:
    entries = BUNDLE.logs[SICHUAN].entries
    assert failed_step(with_entry(1, proof=())) == "inclusion"
    assert failed_step(with_entry(2, index=4)) == "inclusion"
    swapped = (entries[0], replace(entries[1], entry=entries[2].entry), entries[2])
    assert failed_step(with_log(entries=swapped)) == "inclusion"


def forged(issuer: str, signer: str) -> Bundle:
    """A bundle whose log truly holds an entry with a broken signature."""
    log = Log("510000")
    log.act("log.genesis", SICHUAN, {})
    made = sign_statement(
        key(signer, "issuer"), issuer, CASE, TIME_S, Act("case.open", 1, None, (), {})
    )
    protected, payload, signature = decode_statement_parts(made.entry)
    broken = encode_statement_parts(protected, payload, flip(signature, 9))
    log.statements.append(made._replace(entry=broken))
    return replace(BUNDLE, logs={SICHUAN: proven(log, EXAMPLE.roster, (1,))})


def test_a_statement_that_names_an_issuer_key_is_signed_by_it() -> None:
    assert failed_step(forged("510000", "510000")) == "signature"
    assert failed_step(forged("520000", "520000")) == "signature"


def test_an_issuer_key_signs_for_its_region_and_nobody_else() -> None:
    """What names it otherwise stays unverified, and the domain will find no such officer's key."""
    for issuer, signer in (("510000/officer/w3-01", "510000"), ("510000", "520000")):
        found = check_bundle(forged(issuer, signer), GENESIS)
        assert not found.logs[SICHUAN].issued


def test_the_domain_judges_last_and_its_refusal_comes_through() -> None:
    seen = []

    def judge(bundle: VerifiedBundle) -> None:
        seen.append(bundle)
        raise RefusedError("no such grant", code="no-grant")

    with pytest.raises(RefusedError):
        check_bundle(BUNDLE, GENESIS, judge)
    assert seen == [check_bundle(BUNDLE, GENESIS)]
    with pytest.raises(UnverifiedError):
        check_bundle(BUNDLE, bytes(32), judge)
    assert len(seen) == 1


def test_a_log_without_witnesses_comes_without_lines_and_is_not_replicated() -> None:
    alone = roster(["510000"])
    log = Log("510000")
    log.act("log.genesis", SICHUAN, {})
    log.act("case.open", CASE, {})
    part = ProvenLog(
        roster=1,
        note=log.note(),
        witness=(),
        mirror=(),
        entries=(ProvenEntry(1, log.entries[1], tuple(log.proof(1))),),
    )
    bundle = Bundle(CASE, (signed(alone).encode(),), {SICHUAN: part})
    assert not check_bundle(bundle, alone.sha256).logs[SICHUAN].replicated
    lines = tuple(it.line for it in log.lines(("520000",), "mirror"))
    bad = replace(bundle, logs={SICHUAN: replace(part, mirror=lines)})
    assert failed_step(bad, alone.sha256) == "mirror-quorum"


def test_lines_count_by_the_roster_version_that_the_log_names() -> None:
    """Version 2 has a mirror more, so four lines are a quorum there."""
    turned = EXAMPLE.turned()
    bundle = turned.bundle()
    assert check_bundle(bundle, GENESIS).logs[SICHUAN].roster == turned.new
    part = bundle.logs[SICHUAN]
    for step, few in (
        ("witness-quorum", replace(part, witness=part.witness[1:])),
        ("mirror-quorum", replace(part, mirror=part.mirror[1:])),
    ):
        assert failed_step(replace(bundle, logs={SICHUAN: few})) == step
    unsigned = (*BUNDLE.rosters, signed(turned.new, ["510000"]).encode())
    assert failed_step(replace(bundle, rosters=unsigned)) == "roster"


def test_a_rotated_issuer_key_leaves_what_the_old_one_signed() -> None:
    keys = replace(EXAMPLE.roster.member("540000").keys, issuer=key("540000", "issuer 2").public)
    second = successor_of(EXAMPLE.roster, "540000", keys=keys)
    assert second.member("540000") == member("540000", keys=keys)
    rosters = (*BUNDLE.rosters, signed(second).encode())
    found = check_bundle(replace(BUNDLE, rosters=rosters), GENESIS)
    assert found.logs[TIBET].issued[1] == EXAMPLE.grant


def changed(path: list[Any], to: Any) -> bytes:
    """The bundle's bytes with one value replaced, or left out where it is ``...``."""
    body = encoding.decode(DATA)
    at = body
    for name in path[:-1]:
        at = at[name]
    if to is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return encoding.encode(body)


LOG_PATH = ["logs", SICHUAN]


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (["format"], "shouxin/bundle/v2"),
        (["format"], ...),
        (["more"], 1),
        (["subject"], "510000"),
        (["subject"], 7),
        (["rosters"], []),
        (["rosters"], [7]),
        (["rosters"], 7),
        (["logs"], {}),
        (["logs"], []),
        (["logs", "510000"], encoding.decode(DATA)["logs"][SICHUAN]),
        (["logs", 7], {}),
        ([*LOG_PATH, "more"], 1),
        ([*LOG_PATH, "roster"], True),
        ([*LOG_PATH, "note"], "note"),
        ([*LOG_PATH, "witness"], ...),
        ([*LOG_PATH, "witness"], [bytes(75)]),
        ([*LOG_PATH, "mirror"], [bytes(76)] * 257),
        ([*LOG_PATH, "mirror"], {}),
        ([*LOG_PATH, "entries"], []),
        ([*LOG_PATH, "entries"], {}),
        ([*LOG_PATH, "entries"], 7),
        ([*LOG_PATH, "entries", 0], []),
        ([*LOG_PATH, "entries", 0, 0], True),
        ([*LOG_PATH, "entries", 0, 0], -1),
        ([*LOG_PATH, "entries", 0, 0], 2),
        ([*LOG_PATH, "entries", 0, 1], "entry"),
        ([*LOG_PATH, "entries", 0, 2], [bytes(31)]),
        ([*LOG_PATH, "entries", 0, 2], [bytes(32)] * 64),
        ([*LOG_PATH, "entries", 1, 0], 0),
    ],
)
def test_a_bundle_of_another_form_is_refused(path: list[Any], to: Any) -> None:
    data = changed(path, to)
    with pytest.raises(MalformedError) as caught:
        Bundle.decode(data)
    assert caught.value.code == "bad-field"
    assert failed_step(data) == "form"


@given(st.binary(max_size=200) | values.map(encoding.encode))
def test_any_bytes_give_a_refusal(data: bytes) -> None:
    assert failed_step(data) == "form"


@given(
    st.sampled_from(
        [
            *([name] for name in ("format", "subject", "rosters", "logs")),
            *([*LOG_PATH, name] for name in ("roster", "note", "witness", "mirror", "entries")),
            *([*LOG_PATH, "entries", 0, at] for at in range(3)),
        ]
    ),
    values,
)
def test_any_value_in_a_bundle_gives_a_refusal(path: list[Any], to: Any) -> None:
    data = changed(path, to)
    with suppress(MalformedError):
        Bundle.decode(data)
    if data != DATA:
        failed_step(data)
