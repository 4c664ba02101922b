"""What is measured beside the stages of a load, and what is left of it for who interrupts."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests import load
from loadtests.driving import Driven
from loadtests.network import Network

CLOSED = {"16": {"p50_ms": 1.0}}


def driven() -> Driven:
    closed: dict[str, Any] = {"stage": {"loop": "closed", "clients": 16}}
    opened = [{"stage": {"loop": "open", "rate": rate}} for rate in (10.0, 20.0)]
    return Driven(stages=[closed, *opened])


def network(*, is_alive: bool = True) -> Network:
    """Return one whose only node lives, or does not."""
    process = SimpleNamespace(poll=lambda: None if is_alive else 1)
    return cast("Network", SimpleNamespace(processes={"a": process}, port=lambda _region: 1))


def test_each_stage_has_the_floor_of_as_many_clients_or_of_its_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load, "paced_floor", lambda _port, rate: {"p50_ms": rate})
    found = driven()
    load._add_floors(found, network(), CLOSED)
    assert [it["floor"] for it in found.stages] == [{"p50_ms": it} for it in (1.0, 10.0, 20.0)]
    assert found.cut_short == ""


def test_who_interrupts_as_floors_are_measured_has_a_report_without_those_that_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured(_port: int, rate: float) -> dict[str, float]:
        if rate > 10:
            raise KeyboardInterrupt
        return {"p50_ms": rate}

    monkeypatch.setattr(load, "paced_floor", measured)
    found = driven()
    load._add_floors(found, network(), CLOSED)
    assert [it["floor"] for it in found.stages] == [{"p50_ms": 1.0}, {"p50_ms": 10.0}, None]
    assert found.cut_short == "it was interrupted as the floors were measured"


def test_where_no_node_lives_open_stages_have_no_floor() -> None:
    found = driven()
    load._add_floors(found, network(is_alive=False), CLOSED)
    assert [it["floor"] for it in found.stages] == [{"p50_ms": 1.0}, None, None]
