import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.encoding import decode
from ledger.errors import FatalError, LedgerError, MalformedError, UnverifiedError
from ledger.map_tree import (
    Node,
    ObjectMap,
    check_stored,
    decode_root,
    encode_root,
    prove,
    rebuild,
)
from ledger.object_map import (
    EMPTY_MAP_ROOT,
    MapProof,
    Standing,
    check_acts,
    check_standing,
    fold,
    hash_node,
    is_object,
    key_of,
)
from tests import slow_map
from tests.strategies import flip

CASES = tuple(f"510000/case/{number}" for number in ("1", "10", "11", "2026-000017", "2026-00001"))
NAMES = (*CASES, "510000/grant/1", "520000/case/1", "440000/seal/a")
names = st.sampled_from(NAMES) | st.from_regex(r"[0-9]{6}/case/[0-9A-Za-z._-]{1,4}", fullmatch=True)


def leaf(index: int) -> bytes:
    return index.to_bytes(32)


class Log:
    """A map with a store beside it, and the acts that went into it."""

    def __init__(self) -> None:
        self.map = ObjectMap()
        self.stored: dict[bytes, bytes] = {}
        self.acts: list[tuple[str, int, bytes]] = []
        self.size = 0

    def act(self, name: str) -> None:
        self.map.note(name, self.size, leaf(self.size))
        self.acts.append((name, self.size, leaf(self.size)))
        self.size += 1

    def load(self, prefix: bytes) -> Node | None:
        data = self.stored.get(prefix)
        return None if data is None else Node.decode(prefix, data)

    def block(self) -> bytes:
        root = self.map.root_at(self.size, self.load)
        grown = self.map.take()
        if grown is not None:
            self.stored.update(grown.nodes)
        return root

    def prove(self, name: str) -> MapProof:
        return prove(name, self.map.root, self.load, leaf)

    def acts_on(self, name: str) -> list[tuple[int, bytes]]:
        return [(index, hash_) for object_, index, hash_ in self.acts if object_ == name]


def log_of(*names_: str) -> Log:
    log = Log()
    for name in names_:
        log.act(name)
    log.block()
    return log


def refusal(name: str, proof: MapProof, root: bytes) -> str:
    with pytest.raises(UnverifiedError) as caught:
        check_standing(name, proof, root)
    return caught.value.code


class MapMachine(RuleBasedStateMachine):
    """The map against the slow one: acts, blocks, restarts; every proof holds, for what is there
    and for what is not."""

    @initialize()
    def begin(self) -> None:
        self.log = Log()
        self.root = EMPTY_MAP_ROOT
        self.counted = 0

    @rule(name=names)
    def act(self, name: str) -> None:
        self.log.act(name)

    @rule()
    def block(self) -> None:
        self.root = self.log.block()
        self.counted = len(self.log.acts)

    @rule()
    def restart(self) -> None:
        old = self.log.map
        root = decode_root(encode_root(old.root))
        assert root == old.root
        self.log.map = ObjectMap(old.size, root)
        for name, index, hash_ in self.log.acts[self.counted :]:
            self.log.map.note(name, index, hash_)

    @rule(name=names)
    def prove(self, name: str) -> None:
        proof = self.log.prove(name)
        standing = check_standing(name, MapProof.decode(proof.encode()), self.root)
        expected = [
            (index, hash_)
            for object_, index, hash_ in self.log.acts[: self.counted]
            if object_ == name
        ]
        check_acts(standing, name, expected)
        assert (standing is None) == (not expected)

    @invariant()
    def the_root_is_the_slow_one(self) -> None:
        assert self.root == slow_map.root(self.log.acts[: self.counted])


TestMap = MapMachine.TestCase
TestMap.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


@given(st.lists(names, max_size=40), st.integers(1, 7))
def test_the_root_does_not_depend_on_how_acts_fall_into_blocks(made: list[str], size: int) -> None:
    log = Log()
    for at, name in enumerate(made):
        log.act(name)
        if at % size == 0:
            log.block()
    whole = rebuild(log.acts, log.size)
    assert log.block() == slow_map.root(log.acts)
    assert (whole.root.hash if whole.root else EMPTY_MAP_ROOT) == slow_map.root(log.acts)


def test_the_empty_map_has_a_root_of_zeros_and_holds_nothing() -> None:
    log = log_of()
    assert log.block() == bytes(32)
    assert check_standing(CASES[0], log.prove(CASES[0]), EMPTY_MAP_ROOT) is None


def test_objects_are_told_from_logs_and_regions() -> None:
    assert is_object("510000/case/1")
    assert is_object("510000/officer/clerk")
    assert not is_object("510000")
    assert not is_object("southwest-five.example/510000")
    assert not is_object("a.test/510000")


def test_a_proof_in_a_map_of_many_cases_has_less_than_two_kilobytes() -> None:
    log = log_of(*(f"510000/case/2026-{number:06d}" for number in range(5_000)))
    assert len(log.prove("510000/case/2026-002345").encode()) < 2_048


def test_few_nodes_change_where_numbers_follow_one_another() -> None:
    log = log_of(*(f"510000/case/2026-{number:06d}" for number in range(1_000)))
    for number in range(1_000, 1_100):
        log.act(f"510000/case/2026-{number:06d}")
    log.map.root_at(log.size, log.load)
    grown = log.map.take()
    assert grown is not None
    assert len(grown.nodes) < 20


# ---- attacks ------------------------------------------------------------------------------------


def test_a_withheld_last_act_is_found() -> None:
    log = log_of(CASES[0], CASES[1], CASES[0])
    standing = check_standing(CASES[0], log.prove(CASES[0]), log.block())
    with pytest.raises(UnverifiedError, match="2 that the map counts") as caught:
        check_acts(standing, CASES[0], log.acts_on(CASES[0])[:-1])
    assert caught.value.code == "withheld-act"


def test_a_withheld_middle_act_is_found_even_if_another_takes_its_place() -> None:
    log = log_of(CASES[0], CASES[0], CASES[1], CASES[0])
    standing = check_standing(CASES[0], log.prove(CASES[0]), log.block())
    first, _, last = log.acts_on(CASES[0])
    for shown in ([first, last], [first, (2, leaf(2)), last], [first, last, last], [last, first]):
        with pytest.raises(UnverifiedError) as caught:
            check_acts(standing, CASES[0], shown)
        assert caught.value.code == "withheld-act"


def test_acts_on_an_object_that_the_map_does_not_hold_are_refused() -> None:
    with pytest.raises(UnverifiedError) as caught:
        check_acts(None, CASES[0], [(0, leaf(0))])
    assert caught.value.code == "withheld-act"
    check_acts(None, CASES[0], [])


def test_a_proof_holds_against_the_root_of_its_own_size_and_no_other() -> None:
    log = log_of(*NAMES)
    old_root, old_proof = log.block(), log.prove(CASES[0])
    log.act(CASES[0])
    new_root = log.block()
    assert refusal(CASES[0], old_proof, new_root) == "bad-map-proof"
    assert refusal(CASES[0], log.prove(CASES[0]), old_root) == "bad-map-proof"


def test_the_proof_of_another_object_with_the_same_beginning_shows_nothing() -> None:
    log = log_of(*NAMES)
    root = log.block()
    for held in NAMES:
        for asked in NAMES:
            if held == asked:
                continue
            with contextlib.suppress(UnverifiedError):
                assert check_standing(asked, log.prove(held), root) is None
                pytest.fail("another object's proof says that this one is not there")


def test_an_object_that_is_there_cannot_be_shown_to_be_absent() -> None:
    log = log_of(*NAMES)
    root, proof = log.block(), log.prove(CASES[0])
    for cut in range(len(proof.nodes) + 1):
        assert refusal(CASES[0], MapProof(proof.nodes[:cut], None), root) == "bad-map-proof"
    other = log.prove(CASES[1])
    assert refusal(CASES[0], MapProof(proof.nodes, other.found), root) == "bad-map-proof"


def test_a_standing_that_says_anything_else_does_not_hold() -> None:
    log = log_of(CASES[0], CASES[1], CASES[0], CASES[0])
    root, proof = log.block(), log.prove(CASES[0])
    found = proof.found
    assert found is not None
    for changed in (
        replace(found, count=2),
        replace(found, index=4),
        replace(found, leaf=leaf(9)),
        replace(found, previous=leaf(9)),
        replace(found, object=CASES[2]),
    ):
        assert refusal(CASES[0], MapProof(proof.nodes, changed), root) == "bad-map-proof"


def test_nodes_beyond_the_way_are_refused() -> None:
    log = log_of(*NAMES)
    root, proof = log.block(), log.prove(CASES[0])
    longer = MapProof((*proof.nodes, proof.nodes[-1]), proof.found)
    assert refusal(CASES[0], longer, root) == "bad-map-proof"
    assert refusal(CASES[0], proof, EMPTY_MAP_ROOT) == "bad-map-proof"
    absent = log.prove("510000/case/9")
    assert check_standing("510000/case/9", absent, root) is None
    assert refusal("510000/case/9", replace(absent, found=proof.found), root) == "bad-map-proof"


@pytest.mark.parametrize(
    "node",
    [
        b"",
        b"\x05ab",
        b"\x01a",
        b"\x01a" + b"b" + bytes(32),
        b"\x01a" + b"b" + bytes(32) + b"c" + bytes(31),
        b"\x01a" + b"c" + bytes(32) + b"b" + bytes(32),
        b"\x01a" + b"b" + bytes(32) + b"b" + bytes(32),
    ],
)
def test_a_node_that_is_not_spelled_as_one_is_refused_though_it_hashes_right(node: bytes) -> None:
    assert refusal(CASES[0], MapProof((node,), None), hash_node(node)) == "bad-map-proof"


# ---- bytes --------------------------------------------------------------------------------------


@given(st.data())
def test_one_flipped_bit_of_a_proof_is_refused_or_fails(data: st.DataObject) -> None:
    log = log_of(*NAMES, CASES[0])
    root, proof = log.block(), log.prove(CASES[0])
    encoded = proof.encode()
    broken = flip(encoded, data.draw(st.integers(0, 8 * len(encoded) - 1)))
    with contextlib.suppress(LedgerError):
        check_standing(CASES[0], MapProof.decode(broken), root)
        pytest.fail("a broken proof holds")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_proof_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        assert MapProof.decode(data).encode() == data


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"nodes": [], "found": None, "more": 1},
        {"nodes": b"", "found": None},
        {"nodes": [1], "found": None},
        {"nodes": [b""] * 129, "found": None},
        {"nodes": [bytes(20_000)], "found": None},
        {"nodes": [], "found": [CASES[0], 1, 0, bytes(32)]},
        {"nodes": [], "found": [CASES[0], True, 0, bytes(32), bytes(32)]},
        {"nodes": [], "found": ["nobody", 1, 0, bytes(32), bytes(32)]},
        {"nodes": [], "found": [CASES[0], 0, 0, bytes(32), bytes(32)]},
        {"nodes": [], "found": [CASES[0], 2, 0, bytes(32), b"p" * 32]},
        {"nodes": [], "found": [CASES[0], 1, 0, bytes(31), bytes(32)]},
        {"nodes": [], "found": [CASES[0], 1, 1, bytes(32), b"p" * 32]},
        {"nodes": [], "found": [CASES[0], 2, 1, bytes(32), bytes(32)]},
        {"nodes": [], "found": [CASES[0], 1, 2**63, bytes(32), bytes(32)]},
    ],
)
def test_what_is_not_of_the_form_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        MapProof.of_fields(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_stored_node_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        Node.decode(b"5", data)
    with contextlib.suppress(MalformedError):
        decode_root(data)


@pytest.mark.parametrize("damage", ["gone", "changed", "cut"])
def test_a_stored_node_that_has_changed_is_told_and_no_root_is_made_of_it(damage: str) -> None:
    log = log_of(*NAMES)
    root = log.map.root
    assert root is not None
    prefix = max(log.stored)
    if damage == "gone":
        del log.stored[prefix]
    else:
        data = log.stored[prefix]
        log.stored[prefix] = flip(data, 20) if damage == "changed" else data[:-1]
    assert list(check_stored(root, log.load)) == [prefix]
    name = next(name for name in NAMES if key_of(name).startswith(prefix))
    with pytest.raises(MalformedError):
        log.prove(name)
    log.map = ObjectMap(log.map.size, root)
    log.act(name)
    with pytest.raises(FatalError):
        log.block()


def test_a_standing_counts_from_one_and_folds_in_order() -> None:
    assert fold(CASES[0], []) is None
    made = fold(CASES[0], [(3, leaf(3)), (7, leaf(7))])
    assert made is not None
    assert (made.count, made.index, made.leaf) == (2, 7, leaf(7))
    with pytest.raises(MalformedError):
        fold(CASES[0], [(3, leaf(3)), (3, leaf(3))])
    with pytest.raises(MalformedError):
        Standing(object=CASES[0], count=2, index=0, leaf=leaf(0), previous=leaf(1))


def test_a_proof_is_a_small_map_of_cbor() -> None:
    log = log_of(CASES[0])
    assert decode(log.prove(CASES[0]).encode()) == {
        "nodes": [],
        "found": [CASES[0], 1, 0, leaf(0), bytes(32)],
    }


def test_the_vector_holds() -> None:
    path = Path(__file__).parents[1] / "vectors/own/map.json"
    vector = json.loads(path.read_text())
    acts = [(name, index, bytes.fromhex(hash_)) for name, index, hash_ in vector["acts"]]
    root, name = bytes.fromhex(vector["root"]), vector["object"]
    assert slow_map.root(acts) == root
    held = MapProof.decode(bytes.fromhex(vector["held"]))
    mine = [act[1:] for act in acts if act[0] == name]
    check_acts(check_standing(name, held, root), name, mine)
    for absent, proof in vector["absent"].items():
        assert check_standing(absent, MapProof.decode(bytes.fromhex(proof)), root) is None
