import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import names
from ledger.errors import MalformedError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/own/names.json").read_text())


@pytest.mark.parametrize("name", VECTORS["parties"])
def test_a_party_is_a_region_or_lies_below_one(name: str) -> None:
    names.check_party(name)
    assert names.region_of(name) == "510000"


@pytest.mark.parametrize("name", VECTORS["objects"])
def test_an_object_splits_into_region_type_and_number(name: str) -> None:
    names.check_object(name)
    assert "/".join(names.split_name(name)) == name


@pytest.mark.parametrize("name", VECTORS["origins"])
def test_an_origin_ends_in_its_region_and_a_successor_in_its_number(name: str) -> None:
    names.check_origin(name)
    assert names.region_of_origin(name) == "510000"
    assert names.network_of(name) == "southwest-five.example"


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        *((names.check_party, name) for name in VECTORS["no_parties"]),
        *((names.check_object, name) for name in VECTORS["no_objects"]),
        *((names.check_origin, name) for name in VECTORS["no_origins"]),
        (names.check_party, "510000\n"),
        (names.check_object, "510000/case/1\n"),
        (names.check_origin, "a.example/510000\n"),
        (names.check_origin, "a.example/510000/02"),
        (names.check_origin, "a+b/510000"),
        (names.check_origin, f"{'a' * 129}/510000"),
        (names.check_network, "510000/case"),
        (names.check_network, "a.example/"),
        (names.check_network, "a" * 129),
        (names.check_region, "51000"),
        (names.check_subject, "510000/case"),
    ],
)
def test_a_name_of_another_form_is_refused(check: Callable[[str], None], bad: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check(bad)
    assert caught.value.code == "bad-field"


def test_parts_of_another_form_make_no_name() -> None:
    for make in (
        lambda: names.region_of("51"),
        lambda: names.region_of(VECTORS["origins"][0]),
        lambda: names.origin_for("a.example/", "510000"),
        lambda: names.origin_for("a.example", "51"),
    ):
        with pytest.raises(MalformedError):
            make()


def test_the_keys_of_a_node_are_named_after_its_origin() -> None:
    origin = names.origin_for("a.example", "510000")
    assert origin == "a.example/510000"
    assert names.witness_name(origin) == "a.example/510000/witness"
    assert names.mirror_name(origin) == "a.example/510000/mirror"


@given(st.text(max_size=40) | st.from_regex(r"[0-9a-z./]{1,30}/[0-9]{6}(/[0-9])?", fullmatch=True))
def test_no_text_names_both_a_party_and_a_log(text: str) -> None:
    accepted = []
    for check in (names.check_party, names.check_origin):
        try:
            check(text)
        except MalformedError:
            continue
        accepted.append(check)
    assert len(accepted) <= 1
    if accepted:
        names.check_subject(text)
    else:
        with pytest.raises(MalformedError):
            names.check_subject(text)


@pytest.mark.parametrize("text", ["510000/case/510000", "500000/case/000017"])
def test_an_object_whose_number_is_like_a_region_is_no_origin(text: str) -> None:
    names.check_object(text)
    with pytest.raises(MalformedError):
        names.check_origin(text)
