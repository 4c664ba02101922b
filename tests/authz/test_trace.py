from dataclasses import replace

from authz.trace import TraceEntry, in_order, trace
from ledger.statement import Act, Citation, sign_statement
from tests.authz.world import CASE, CLERK, CLERK_2, GRANT, HEAD, HRSS, KINDS, WINDOW, World
from tests.vectors.own.network import NETWORK, TIME_S, key

SICHUAN, TIBET, CHONGQING = (f"{NETWORK}/{it}" for it in ("510000", "540000", "500000"))


def entry(
    origin: str, index: int, time_s: int, *cited: tuple[str, int], kind: str = "case.note"
) -> TraceEntry:
    citations = tuple(Citation("offer", *place, bytes(32)) for place in cited)
    act = Act(kind, 1, None, citations, {"remark": "x"})
    made = sign_statement(key(CLERK), CLERK, CASE, TIME_S + time_s, act)
    return TraceEntry(origin=origin, index=index, statement=made, changed={}, finality="accepted")


def order(*entries: TraceEntry) -> list[tuple[str, int]]:
    return [(it.origin, it.index) for it in in_order(entries)]


def test_cause_comes_before_effect_whatever_the_clocks_say() -> None:
    late = entry(SICHUAN, 1, 500)
    early = entry(TIBET, 9, 0, (SICHUAN, 1))
    assert order(early, late) == [(SICHUAN, 1), (TIBET, 9)]


def test_a_log_is_in_the_order_of_its_entries() -> None:
    assert order(entry(SICHUAN, 2, 0), entry(SICHUAN, 1, 9)) == [(SICHUAN, 1), (SICHUAN, 2)]


def test_where_neither_causes_the_other_the_declared_time_decides() -> None:
    made = order(entry(SICHUAN, 1, 5), entry(TIBET, 1, 3), entry(CHONGQING, 1, 4))
    assert made == [(TIBET, 1), (CHONGQING, 1), (SICHUAN, 1)]


def test_citations_that_go_round_in_a_circle_lose_no_entry() -> None:
    first, second = entry(SICHUAN, 1, 0, (TIBET, 1)), entry(TIBET, 1, 0, (SICHUAN, 1))
    itself = entry(CHONGQING, 1, 9, (CHONGQING, 1))
    assert order(first, second, itself) == [(CHONGQING, 1), (SICHUAN, 1), (TIBET, 1)]


def entries_of(world: World) -> list[TraceEntry]:
    return [
        TraceEntry(
            origin=log.origin,
            index=index,
            statement=made,
            changed={it.object: it.state for it in world.judgements[log.origin, index].changes},
            finality="witnessed",
            confirmation="open" if world.judgements[log.origin, index].uses else "",
        )
        for log in world.logs.values()
        for index, made in enumerate(log.statements)
        if made.subject == CASE
    ]


def test_a_trace_says_who_held_the_case_after_each_step() -> None:
    world = World().enrol().lend().open().hand_over(CLERK, HRSS, HEAD)
    made = trace(CASE, entries_of(world)[::-1], KINDS)
    assert [(it.kind, it.holder, it.stage) for it in made.lines] == [
        ("case.open", WINDOW, "received"),
        ("handoff.offer", WINDOW, "received"),
        ("handoff.accept", WINDOW, "received"),
        ("handoff.release", HRSS, "received"),
    ]
    assert (made.holder, made.stage, made.findings) == (HRSS, "received", ())
    first = made.lines[0]
    assert (first.right, first.grant, first.confirmation) == ("intake", GRANT, "open")
    assert (first.zh, first.en, first.finality) == ("收件受理", "open a case", "witnessed")


def test_a_void_act_and_an_unknown_kind_move_nothing_and_show() -> None:
    world = World().enrol().lend().open()
    strange = replace(
        entry(SICHUAN, 99, 50, kind="case.burn"), findings=("unknown-kind",), asserted=True
    )
    made = trace(CASE, [*entries_of(world), strange], KINDS)
    assert made.lines[-1].zh == "case.burn"
    assert made.lines[-1].asserted
    assert made.holder == WINDOW
    assert made.findings == ((SICHUAN, 99, "unknown-kind"),)


def test_a_body_of_other_types_does_no_harm() -> None:
    act = Act("case.note", 1, None, (), {"grant": 1, "window": b"x", "seal": []})
    made = sign_statement(key(CLERK_2), CLERK_2, CASE, TIME_S, act)
    bare = TraceEntry(origin=SICHUAN, index=1, statement=made, changed={}, finality="accepted")
    line = trace(CASE, [bare], KINDS).lines[0]
    assert (line.grant, line.window, line.seal, line.right, line.holder) == (None,) * 5
    assert trace(CASE, [], KINDS).lines == ()
