"""A log that the roster has closed is known by its cut alone: the members have signed it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger import encoding
from ledger.bundle import VerifiedLog, check_bundle
from ledger.bundle_file import FORMAT_WITH_MAPS, Bundle, ClosedLog, ProvenEntry, ProvenLeaf
from ledger.errors import MalformedError, UnverifiedError
from ledger.roster_fields import Closing
from tests import rfc9162
from tests.strategies import flip
from tests.vectors.own.example import Example, Turned
from tests.vectors.own.network import CASE, SICHUAN, closed_log, following, signed

VECTORS = Path(__file__).parents[1] / "vectors/own"
EXAMPLE = Example()
BUNDLE = EXAMPLE.crossed()
DATA = BUNDLE.encode()
GENESIS = EXAMPLE.roster.sha256


def failed_step(bundle: Bundle) -> str:
    with pytest.raises(UnverifiedError) as caught:
        check_bundle(bundle, GENESIS)
    return caught.value.code


def with_log(**changes: Any) -> Bundle:
    """The bundle with parts of the closed log replaced."""
    return replace(BUNDLE, logs={**BUNDLE.logs, SICHUAN: replace(CLOSED, **changes)})


def closed(bundle: Bundle) -> ClosedLog:
    log = bundle.logs[SICHUAN]
    assert isinstance(log, ClosedLog)
    return log


CLOSED = closed(BUNDLE)


def found(bundle: Bundle = BUNDLE) -> VerifiedLog:
    return check_bundle(bundle.encode(), GENESIS).logs[SICHUAN]


def test_a_closed_log_verifies_from_the_genesis_by_its_cut() -> None:
    vector = json.loads((VECTORS / "closed.json").read_text())
    assert bytes.fromhex(vector["bundle"]) == DATA
    assert Bundle.decode(DATA) == BUNDLE
    log = found()
    head = EXAMPLE.sichuan.checkpoint()
    assert log.checkpoint == head
    assert log.closing == EXAMPLE.chain()[2].closed[SICHUAN]
    assert log.replicated
    assert dict(log.roots) == {3: EXAMPLE.sichuan.checkpoint(3).root, 4: head.root}
    assert log.leaves[2] == EXAMPLE.sichuan.statements[2].leaf
    assert (log.witness, log.mirror) == ((), ())
    assert list(log.issued) == [0, 1]


def test_an_entry_of_the_old_log_above_the_cut_is_refused() -> None:
    log = EXAMPLE.forked_on()
    beyond = ProvenEntry(4, log.statements[4].entry, tuple(log.proof(4)))
    assert failed_step(with_log(entries=(*CLOSED.entries, beyond))) == "inclusion"


@pytest.mark.parametrize("part", ["heads", "leaves"])
def test_a_tree_or_leaf_that_the_cut_does_not_hold_is_refused(part: str) -> None:
    (item,) = getattr(CLOSED, part)
    field = "root" if part == "heads" else "leaf"
    forged = replace(item, **{field: flip(getattr(item, field), 3)})
    assert failed_step(with_log(**{part: (forged,)})) == "inclusion"


def test_a_leaf_at_the_cut_is_refused() -> None:
    leaf = ProvenLeaf(4, EXAMPLE.case.leaf, CLOSED.leaves[0].proof)
    assert failed_step(with_log(leaves=(leaf,))) == "inclusion"


@pytest.mark.parametrize("version", [0, 1, 2, 4])
def test_a_log_is_closed_by_one_version_only(version: int) -> None:
    assert failed_step(with_log(closed=version)) == "roster"


def test_a_log_that_goes_on_is_not_known_by_a_cut() -> None:
    assert failed_step(replace(BUNDLE, rosters=BUNDLE.rosters[:2])) == "roster"


def test_retired_keys_show_nothing_of_a_log_that_is_closed() -> None:
    """Whoever has the old disks can sign notes and lines: they count for nothing any more."""
    old = EXAMPLE.bundle.logs[SICHUAN]
    assert failed_step(replace(BUNDLE, logs={**BUNDLE.logs, SICHUAN: old})) == "roster"


def test_a_closed_log_that_leaves_out_an_epoch_it_must_have_come_to_is_refused() -> None:
    turned = Turned(EXAMPLE)
    head = turned.log.checkpoint()
    third = following(turned.new)
    heir = EXAMPLE.chain()[2]
    fourth = following(
        third,
        members=heir.members,
        closed={SICHUAN: Closing(head.size, head.root, f"{SICHUAN}/2")},
    )
    rosters = (*turned.rosters, signed(third).encode(), signed(fourth).encode())

    def bundle(*indexes: int) -> Bundle:
        return Bundle(CASE, rosters, {SICHUAN: closed_log(turned.log, 4, indexes)})

    log = found(bundle(0, 3, 4, 5, 6))
    assert [it.version for it in log.epochs.items] == [1, 2]
    assert failed_step(bundle(0, 3)) == "epoch"


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (["format"], FORMAT_WITH_MAPS),
        (["format"], "shouxin/bundle/v4"),
        (["logs", SICHUAN, "closed"], "3"),
        (["logs", SICHUAN, "note"], b""),
        (["logs", SICHUAN, "heads"], {}),
        (["logs", SICHUAN, "heads", 0, 0], -1),
        (["logs", SICHUAN, "heads", 0, 1], bytes(31)),
        (["logs", SICHUAN, "leaves", 0, 2], [bytes(32)] * 64),
        (["logs", SICHUAN, "leaves"], 2 * [[2, bytes(32), []]]),
        (["logs", SICHUAN, "entries"], []),
        (["logs", SICHUAN, "map"], 7),
    ],
)
def test_a_closed_log_of_another_form_is_refused(path: list[Any], to: Any) -> None:
    body = encoding.decode(DATA)
    at = body
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = to
    with pytest.raises(MalformedError) as caught:
        Bundle.decode(encoding.encode(body))
    assert caught.value.code == "bad-field"


def test_the_heads_of_a_closed_log_are_trees_of_its_own() -> None:
    other = rfc9162.root(EXAMPLE.fork.entries[:3])
    (head,) = CLOSED.heads
    assert failed_step(with_log(heads=(replace(head, root=other),))) == "inclusion"
