import contextlib
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.errors import MalformedError, NotFoundError
from ledger.hashing import hash_children, hash_leaf
from ledger.proofs import (
    check_consistency,
    check_inclusion,
    check_subtree_consistency,
    prove_consistency,
    prove_inclusion,
    prove_subtree_consistency,
    root_at,
    subtree_root,
)
from ledger.tiles import (
    TILE_WIDTH,
    EntryBundleID,
    Tile,
    TileID,
    TileUpdate,
    decode_entry_bundle,
    edge_tiles,
    encode_entry_bundle,
    entries_path,
    extend_tiles,
    frontier_from_edge,
    parse_tile_path,
    partial_width,
    read_nodes,
    tile_path,
)
from ledger.tree import Frontier
from tests.strategies import EDGE_SIZES, LARGE_EDGE_SIZES, flip

LEAVES = [hash_leaf(b"%d" % at) for at in range(66_000)]


class Store:
    """Tiles in a dict, and which of them were asked for."""

    def __init__(self) -> None:
        self.tiles: dict[Tile, bytes] = {}
        self.size = 0
        self.edge: tuple[bytes, ...] = ()
        self.calls: list[list[Tile]] = []

    def add(self, leaf_hashes: Sequence[bytes]) -> TileUpdate:
        update = extend_tiles(self.size, self.edge, leaf_hashes)
        for tile, hashes in update.tiles.items():
            before = self.tiles.get(tile, b"")
            assert hashes.startswith(before)
            assert len(hashes) > len(before)
        self.tiles |= update.tiles
        self.size, self.edge = update.size, update.edge
        return update

    def read_tiles(self, tiles: Sequence[Tile]) -> Mapping[Tile, bytes]:
        self.calls.append(list(tiles))
        return {tile: self.tiles[tile] for tile in tiles}


@pytest.fixture(scope="module")
def large() -> Store:
    store = Store()
    store.add(LEAVES)
    return store


# The paths of specification and README are the same for every log.
@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/x001/x234/067", TileID(0, 1_234_067)),
        ("tile/0/000", TileID(0, 0)),
        ("tile/1/000.p/17", TileID(1, 0, 17)),
        ("tile/0/273.p/112", TileID(0, 273, 112)),
        ("tile/63/x001/000.p/255", TileID(63, 1000, 255)),
        ("tile/0/999.p/1", TileID(0, 999, 1)),
        ("tile/entries/x001/x234/067", EntryBundleID(1_234_067)),
        ("tile/entries/000.p/1", EntryBundleID(0, 1)),
        ("tile/0/x009/x223/x372/x036/x854/x775/807", TileID(0, 2**63 - 1)),
    ],
)
def test_a_path_and_a_tile_are_two_names_of_one_thing(
    path: str, tile: TileID | EntryBundleID
) -> None:
    assert tile.path == path
    assert parse_tile_path(path) == tile


def test_paths_can_be_had_from_numbers() -> None:
    assert tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tile_path(1, 0, 17) == "tile/1/000.p/17"
    assert tile_path(1, 0, 256) == "tile/1/000"
    assert entries_path(273) == "tile/entries/273"
    assert entries_path(273, 112) == "tile/entries/273.p/112"


@given(level=st.integers(0, 63), index=st.integers(0, 2**63 - 1), width=st.integers(1, TILE_WIDTH))
def test_every_tile_has_a_path_that_leads_back_to_it(level: int, index: int, width: int) -> None:
    assert parse_tile_path(tile_path(level, index, width)) == TileID(level, index, width)
    assert parse_tile_path(entries_path(index, width)) == EntryBundleID(index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x001/x000",
        "tile/0/X001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.P/1",
        "tile/0/000xp/1",
        "tile/0/٠٠٠",
        "tile/0/+01",
        "tile/data/000",
        "tile/entries/x000/000",
        "tile/entries/000.p/256",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
    ],
)
def test_a_path_in_another_spelling_is_refused(path: str) -> None:
    with pytest.raises(MalformedError):
        parse_tile_path(path)


@given(st.one_of(st.text(), st.text("tile/x0123.p", max_size=30).map("tile/".__add__)))
@example("tile/0/x001/000")
def test_any_text_is_a_path_in_its_one_spelling_or_refused(text: str) -> None:
    try:
        tile = parse_tile_path(text)
    except MalformedError:
        return
    assert tile.path == text


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257), (0, 0, -1)],
)
def test_a_tile_that_cannot_be_has_no_path(level: int, index: int, width: int) -> None:
    with pytest.raises(MalformedError):
        tile_path(level, index, width)
    if 0 <= level < 64:
        with pytest.raises(MalformedError):
            entries_path(index, width)


def test_a_partial_tile_is_as_wide_as_what_full_tiles_leave_over() -> None:
    """The specification's own example."""
    assert [partial_width(level, 70_000) for level in range(4)] == [112, 17, 1, 0]
    assert [partial_width(level, 256) for level in range(3)] == [0, 1, 0]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=TILE_WIDTH))
def test_a_bundle_gives_back_its_entries_and_no_other_bytes_do(entries: list[bytes]) -> None:
    data = encode_entry_bundle(entries)
    width = len(entries)
    assert decode_entry_bundle(data, width) == entries
    for other, other_width in (
        (data[:-1], width),
        (data + b"\x00", width),
        (data + b"\x00\x00", width),
        (data, width - 1),
        (data, width + 1),
    ):
        with pytest.raises(MalformedError):
            decode_entry_bundle(other, other_width)


@given(st.binary(max_size=60), st.integers(-1, 20))
def test_any_bytes_are_a_bundle_in_its_one_spelling_or_refused(data: bytes, width: int) -> None:
    try:
        entries = decode_entry_bundle(data, width)
    except MalformedError:
        return
    assert encode_entry_bundle(entries) == data


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=9), st.data())
def test_one_flipped_bit_never_gives_the_same_entries(
    entries: list[bytes], data: st.DataObject
) -> None:
    bundle = encode_entry_bundle(entries)
    broken = flip(bundle, data.draw(st.integers(0, 8 * len(bundle) - 1)))
    with contextlib.suppress(MalformedError):
        assert decode_entry_bundle(broken, len(entries)) != entries


def test_a_bundle_has_the_bytes_of_the_specification() -> None:
    assert encode_entry_bundle([b"ab", b"", b"c"]) == b"\x00\x02ab\x00\x00\x00\x01c"


def test_a_bundle_holds_the_longest_entry_and_none_longer() -> None:
    longest = bytes(65_535)
    assert decode_entry_bundle(encode_entry_bundle([longest] * 256), 256) == [longest] * 256
    with pytest.raises(MalformedError):
        encode_entry_bundle([bytes(65_536)])


def test_a_bundle_that_is_cut_short_is_refused_where_it_ends() -> None:
    with pytest.raises(MalformedError, match="ends after 1 of 2 entries"):
        decode_entry_bundle(b"\x00\x01a\x00", 2)
    with pytest.raises(MalformedError, match="ends inside entry 1 of 2"):
        decode_entry_bundle(b"\x00\x01a\x00\x02b", 2)


@pytest.mark.parametrize("width", [0, 257])
def test_a_bundle_holds_neither_nothing_nor_more_than_a_full_one(width: int) -> None:
    with pytest.raises(MalformedError):
        encode_entry_bundle([b""] * width)
    with pytest.raises(MalformedError):
        decode_entry_bundle(bytes(2 * width), width)


@pytest.mark.parametrize("size", [*EDGE_SIZES, *LARGE_EDGE_SIZES])
def test_tiles_of_every_size_are_those_that_the_specification_defines(size: int) -> None:
    store = Store()
    store.add(LEAVES[:size])
    expected: dict[Tile, bytes] = {}
    level, hashes = 0, LEAVES[:size]
    while hashes:
        tiles = [hashes[at : at + TILE_WIDTH] for at in range(0, len(hashes), TILE_WIDTH)]
        expected |= {(level, index): b"".join(tile) for index, tile in enumerate(tiles)}
        hashes = [subtree_root(tile) for tile in tiles if len(tile) == TILE_WIDTH]
        level += 1
    assert store.tiles == expected
    assert len(store.edge) == level
    assert frontier_from_edge(size, store.edge) == Frontier.empty().extend(LEAVES[:size])


@pytest.mark.parametrize("size", LARGE_EDGE_SIZES)
def test_growing_over_a_large_edge_is_the_same_as_starting_beyond_it(size: int) -> None:
    grown, whole = Store(), Store()
    for start, end in ((0, 65_500), (65_500, size - 1), (size - 1, size), (size, size + 2)):
        grown.add(LEAVES[start:end])
    whole.add(LEAVES[: size + 2])
    assert grown.tiles == whole.tiles
    assert grown.edge == whole.edge


@given(st.lists(st.integers(0, 600), max_size=6))
def test_it_does_not_matter_in_which_batches_leaves_come(batches: list[int]) -> None:
    grown, whole = Store(), Store()
    for batch in batches:
        update = grown.add(LEAVES[grown.size : grown.size + batch])
        assert frontier_from_edge(update.size, update.edge).root() == subtree_root(
            LEAVES[: update.size]
        )
    whole.add(LEAVES[: sum(batches)])
    assert grown.tiles == whole.tiles
    assert grown.edge == whole.edge


def test_only_changed_tiles_are_given_back() -> None:
    store = Store()
    store.add(LEAVES[:255])
    assert list(store.add(LEAVES[255:256]).tiles) == [(0, 0), (1, 0)]
    assert list(store.add(LEAVES[256:257]).tiles) == [(0, 1)]
    assert not store.add([]).tiles
    assert list(store.add(LEAVES[257:800]).tiles) == [(0, 1), (0, 2), (0, 3), (1, 0)]


@pytest.mark.parametrize(
    ("size", "edge"),
    [
        (-1, ()),
        (0, (b"",)),
        (1, ()),
        (1, (b"",)),
        (1, (bytes(31),)),
        (1, (bytes(64),)),
        (1, (bytes(32), b"")),
        (256, (b"",)),
        (256, (bytes(256 * 32), b"")),
        (257, (bytes(32), b"")),
    ],
)
def test_an_edge_that_does_not_fit_the_size_is_refused(size: int, edge: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedError):
        extend_tiles(size, edge, LEAVES[:1])
    with pytest.raises(MalformedError):
        frontier_from_edge(size, edge)


def test_leaf_hashes_of_the_wrong_length_are_refused() -> None:
    """Even where the lengths make up for each other."""
    with pytest.raises(MalformedError):
        extend_tiles(0, (), [bytes(31), bytes(33)])


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, *LARGE_EDGE_SIZES])
def test_proofs_made_from_tiles_hold_for_any_size_that_the_log_had(large: Store, size: int) -> None:
    read = read_nodes(large.read_tiles)
    frontier = Frontier.empty().extend(LEAVES[:size])
    root = root_at(size, read)
    assert root == frontier.root()
    for index in {0, size // 3, size // 2, size - 2, size - 1} - {-1}:
        proof = prove_inclusion(index, size, read)
        check_inclusion(index, size, LEAVES[index], proof, root)
    new_root = root_at(66_000, read)
    proof = prove_consistency(size, 66_000, read)
    check_consistency(size, 66_000, root, new_root, proof)
    start = (size - 1) // TILE_WIDTH * TILE_WIDTH
    package = subtree_root(LEAVES[start:size])
    proof = prove_subtree_consistency(start, size, 66_000, read)
    check_subtree_consistency(start, size, 66_000, package, proof, new_root)


@pytest.mark.parametrize("size", [1, 2, 3, 255, 257, 511, 513, 65_537])
def test_the_edge_alone_proves_the_newest_leaf(size: int) -> None:
    store = Store()
    store.add(LEAVES[:size])
    edge = edge_tiles(size, store.edge)
    assert edge.items() <= store.tiles.items()
    proof = prove_inclusion(size - 1, size, read_nodes(lambda _wanted: edge))
    root = Frontier.empty().extend(LEAVES[:size]).root()
    check_inclusion(size - 1, size, LEAVES[size - 1], proof, root)


def test_a_proof_reads_few_tiles_each_once_and_all_in_one_call(large: Store) -> None:
    large.calls.clear()
    prove_inclusion(12_345, 66_000, read_nodes(large.read_tiles))
    assert large.calls == [[(0, 48), (0, 257), (1, 0), (1, 1)]]


def test_a_node_inside_a_tile_is_computed_from_its_hashes(large: Store) -> None:
    read = read_nodes(large.read_tiles)
    four = hash_children(hash_children(*LEAVES[4:6]), hash_children(*LEAVES[6:8]))
    assert read([(2, 1), (0, 256), (8, 3), (7, 1), (15, 0)]) == [
        four,
        LEAVES[256],
        subtree_root(LEAVES[768:1024]),
        subtree_root(LEAVES[128:256]),
        subtree_root(LEAVES[:32_768]),
    ]


def test_a_tile_that_is_missing_or_too_short_gives_no_node() -> None:
    with pytest.raises(NotFoundError):
        read_nodes(lambda _: {})([(0, 0)])
    with pytest.raises(MalformedError):
        read_nodes(lambda _: {(0, 0): LEAVES[0]})([(1, 0)])
