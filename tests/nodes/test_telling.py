"""What people read: the trace, the story of the demo, and what it measures."""

import argparse
import asyncio
import contextlib
import string
from pathlib import Path

import pytest

from ledger.errors import (
    UnavailableError,
)
from nodes.cli import main, processes, telling
from nodes.cli.demo import cast, lags, terminal, texts, trouble
from nodes.cli.demo.free_ports import free_ports
from nodes.cli.demo.relay import Relay
from nodes.cli.show import console
from tests.nodes.folders import NOW_S

# ---- a link that can be cut ----------------------------------------------------------------------


def test_a_relay_carries_bytes_until_it_is_cut_and_again_when_it_is_joined() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def scene() -> list[bytes]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        [port] = free_ports(1)
        relay = Relay(port, server.sockets[0].getsockname()[1])
        await relay.join()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"before")
        heard = [await reader.read(100)]
        await relay.cut()
        with contextlib.suppress(ConnectionError):
            heard.append(await reader.read(100))
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)
        await relay.join()
        again, second = await asyncio.open_connection("127.0.0.1", port)
        second.write(b"after")
        heard.append(await again.read(100))
        for each in (writer, second):
            each.close()
        await relay.cut()
        server.close()
        return [it for it in heard if it]

    assert asyncio.run(scene()) == [b"before", b"after"]


# ---- what people read ----------------------------------------------------------------------------


def told_case() -> dict[str, object]:
    line = {
        "origin": "southwest-five.example/510000",
        "index": 7,
        "region": "510000",
        "time_s": NOW_S,
        "seen_by_s": None,
        "kind": "case.open",
        "zh": "收件受理",
        "en": "open a case",
        "subject": "510000/case/1",
        "issuer": "510000/officer/w1",
        "asserted": True,
        "window": None,
        "right": "intake",
        "grant": "540000/grant/g1",
        "item": None,
        "item_version": None,
        "seal": None,
        "holder": "510000/window/w1",
        "stage": "received",
        "finality": "accepted",
        "confirmation": "open",
        "findings": [],
    }
    return {
        "case": "510000/case/1",
        "holder": "510000/window/w1",
        "stage": "received",
        "lines": [line, {**line, "index": 8, "findings": ["no-grant"], "asserted": False}],
        "findings": [["southwest-five.example/510000", 8, "no-grant"]],
    }


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["收件受理", "收件受理权", "待核", "四川 w1", "本窗口没有该事项的授权"]),
        ("en", ["open a case", "intake", "open", "四川 w1", "The window has no grant"]),
    ],
)
def test_a_trace_says_who_held_the_case_on_what_ground_and_what_is_wrong(
    language: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    telling.tell_fields(console(), told_case(), language, {"510000": "四川"})  # type: ignore[arg-type]
    said = capsys.readouterr().out
    for word in [*words, "540000/grant/g1", "no-grant"]:
        assert word in said


@pytest.mark.parametrize(
    ("later_s", "span", "first"),
    [
        (60, "2026-09-14", "14:40:00 "),
        (86_400, "2026-09-14 – 2026-09-15", "09-14 14:40:00 "),
        (200 * 86_400, "2026-09-14 – 2027-04-02", "2026-09-14 14:40:00 "),
    ],
)
def test_a_timeline_has_its_years_and_deadlines_have_theirs(
    later_s: int, span: str, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = told_case()
    begin_s = 1_789_368_000
    told["lines"][0]["time_s"], told["lines"][1]["time_s"] = begin_s, begin_s + later_s
    told["clocks"] = [owed(begin_s, 1_789_488_000), owed(begin_s, 1_789_488_060)]
    said = {"body": {"remark": "已告知"}, "kind": "case.note", "issuer": "510000/officer/w1"}
    times = {"from_s": begin_s, "until_s": begin_s + 60}
    told["beliefs"] = [{"at": ["net/510000", 7], "of": ["net/510000", 7], **said, **times}]
    telling.tell_fields(console(), told, "zh", {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].strip() == span
    assert lines[3].startswith(first)
    text = "\n".join(lines)
    assert "2026-09-15 " in text  # at midnight: that day is in time
    assert "2026-09-16 00:01" in text
    assert "2026-09-14 14:40:00 起至 2026-09-14 14:41:00 以此为准：备注 备注=已告知" in text


def owed(start_s: int, due_s: int) -> dict[str, object]:
    return {
        "obligation": "promise",
        "unit": "540000/department/d",
        "start_s": start_s,
        "due_s": due_s,
        "standing": "running",
        "provisional": False,
        "proven": True,
        "held": [],
    }


def test_every_text_of_the_story_has_both_languages_and_the_same_values() -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for name, (zh, en) in texts.TEXTS.items():
        assert zh, name
        assert en, name
        assert names(zh) == names(en), name
        assert zh.count("|") == en.count("|"), name


def test_an_expectation_that_fails_is_remembered() -> None:
    made = terminal.Terminal("en")
    made.expect("end.same", held=True, nodes=5)
    assert made.all_held
    made.expect("end.fsck", held=False, nodes=5)
    assert not made.all_held


def test_the_cast_plays_on_items_that_the_catalogue_has() -> None:
    items = cast.load_items()
    assert {number for home in cast.HOMES for number in home.items} <= items.keys()
    assert len({home.code for home in cast.HOMES}) == 5


def test_quantiles_are_those_of_the_ordered_values() -> None:
    assert lags.quantiles([3, 1, 2]) == {"count": 3, "p50": 2, "p95": 3}
    assert lags.quantiles([]) == {"count": 0, "p50": 0, "p95": 0}


def test_lags_count_an_act_once_both_sizes_cover_it() -> None:
    made = lags.Lags()
    pending = lags.Pending(made)
    pending.add(4, 1.0)
    pending.see({"witnessed_size": 4, "replicated_size": 9}, 2.0)
    assert (made.witnessed, made.replicated) == ([], [])
    pending.see({"witnessed_size": 5, "replicated_size": 4}, 2.5)
    pending.see({"witnessed_size": 5, "replicated_size": 5}, 3.0)
    assert (made.witnessed, made.replicated) == ([1500.0], [2000.0])


def test_an_act_that_is_replicated_at_once_was_witnessed_in_that_time() -> None:
    made = lags.Lags()
    made.take("witnessed", "replicated", 30.0)
    made.take("replicated", "witnessed", 40.0)
    made.take("accepted", "accepted", 20.0)
    assert (made.accepted, made.witnessed, made.replicated) == ([20.0], [30.0], [])


def test_one_bit_of_the_decision_is_changed() -> None:
    bundle = b"..case.open..case.decide..granted.."
    made = trouble.changed(bundle)
    assert [at for at, (a, b) in enumerate(zip(bundle, made, strict=True)) if a != b] == [26]


def test_json_is_found_as_the_last_line() -> None:
    assert trouble.said_json('words\n{"a": 1}\n') == {"a": 1}
    assert trouble.said_json("words") == {}


def test_a_node_that_does_not_start_says_why(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text("[node]\n")
    (tmp_path / "node.log").write_text("said by the one before\n")
    with pytest.raises(UnavailableError) as caught:
        asyncio.run(processes.NodeProcess.start("510000", config, {}))
    assert caught.value.code == "no-start"
    assert "bad-config" in str(caught.value)
    assert "the one before" not in str(caught.value)


def test_arguments_of_the_demo_have_defaults() -> None:
    given = main.parser().parse_args(["demo"])
    assert given == argparse.Namespace(
        folder=None,
        story="windows",
        preset=None,
        once=False,
        cases=30,
        base_port=0,
        json=False,
        lang="en",
        run="nodes.cli.demo.story:demo",
    )
