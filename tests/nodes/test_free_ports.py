"""Where processes that look for ports at the same moment begin."""

import os
from itertools import pairwise

import pytest

from nodes.cli.demo.free_ports import SPAN, free_ports


def test_processes_with_numbers_near_each_other_begin_far_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begins = []
    for number in range(4_000, 4_032):
        monkeypatch.setattr(os, "getpid", lambda number=number: number)
        begins.append(free_ports(1)[0])
    begins.sort()
    gaps = [after - before for before, after in pairwise([*begins, begins[0] + SPAN])]
    assert min(gaps) > 150


def test_one_process_offers_no_port_twice() -> None:
    offered = [port for _ in range(20) for port in free_ports(3)]
    assert len(set(offered)) == len(offered)
