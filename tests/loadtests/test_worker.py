"""What a load process makes of answers, good and bad, without a node."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.encoding import decode, encode
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey
from ledger.receipt import make_inclusion_receipt
from ledger.statement import Citation, decode_statement, verify_statement
from loadtests import worker
from loadtests.cases import Cases
from loadtests.load import give_to_workers
from loadtests.order import Order
from loadtests.programme import Stage
from loadtests.scene import Lent, Office, Scene, clerk_key
from loadtests.stage import StageError
from loadtests.worker import Request, Worker

KEY = SigningKey.from_seed(bytes(32))
OTHER = SigningKey.from_seed(bytes([1]) * 32)
NOW_S = 1_790_000_000


def office(region: str) -> Office:
    tokens = {name: f"{name} {region}" for name in ("operator", "desk", "decider", "auditor")}
    return Office(
        region=region,
        origin=f"t/{region}",
        url=f"http://{region}",
        receipt_key=KEY.public.hex(),
        tokens=tokens,
    )


def scene() -> Scene:
    offices = {region: office(region) for region in ("510000", "500000")}
    cited = (Citation("grant", "t/510000", 3, bytes(32)),)
    lent = Lent(owner="510000", to="500000", grant="510000/grant/500000-1", citations=cited)
    return Scene(Path("genesis.roster"), offices, [lent])


class Bench:
    """A worker on a clock that is set by hand."""

    def __init__(self, stage: Stage) -> None:
        self.now_s = 100.0
        self.followed: list[tuple[int, str, int, bytes, float]] = []
        self.is_followed = True
        self.worker = Worker(
            scene(),
            index=0,
            follow=self.follow,
            now_s=lambda: self.now_s,
            unix_s=lambda: NOW_S + self.now_s,
        )
        self.worker.prepare(stage, 1, 1)
        self.worker.begin(stage)

    def follow(self, stage: int, region: str, index: int, leaf: bytes, meant_s: float) -> bool:
        self.followed.append((stage, region, index, leaf, meant_s))
        return self.is_followed

    def draw(self, name: str) -> Request:
        """Return the next turn of this name; all others are answered well."""
        for _ in range(3_000):
            request = self.worker.choose()
            if request.name == name:
                return request
            self.good(request)
            self.now_s += 0.001
        raise AssertionError(f"no turn is a {name}")

    def good(self, request: Request, key: SigningKey = KEY, status: int = 201) -> str:
        if request.count > 1:
            results = [[0, at] for at in range(request.count)]
            return self.worker.answered(
                request, self.now_s, 200, encode({"size": 9, "results": results})
            )
        if request.step is None:
            return self.worker.answered(request, self.now_s, 200, b"{}")
        entry = request.step.entry or b"composed"
        receipt = receipt_for(entry, key)
        body = receipt
        if not request.step.entry:
            pair = {"entry": entry, "receipt": receipt}
            body = json.dumps({k: base64.b64encode(v).decode() for k, v in pair.items()}).encode()
        return self.worker.answered(request, self.now_s, status, body)


def receipt_for(entry: bytes, key: SigningKey) -> bytes:
    return make_inclusion_receipt(
        key, "t/500000", "500000/case/1", 1_790_000_000, 1, 0, (), hash_leaf(entry)
    )


CLOSED = Stage(name="s", loop="closed", clients=1, seconds=8, warm_s=0, verify_one_of=1)
OPEN_OWN = "window: case.open, own key"


def test_a_receipt_that_holds_is_counted_and_the_act_followed() -> None:
    bench = Bench(CLOSED)
    assert bench.good(bench.draw(OPEN_OWN)) == ""
    sums = bench.worker.counts.sums
    assert sums["verified receipts"] == sums["receipts"] > 0
    assert sums["bad receipts"] == 0
    assert bench.followed
    assert bench.worker.followed == sums["followed"] == len(bench.followed)


@pytest.mark.parametrize("name", [OPEN_OWN, "authority: handoff.accept"])
def test_a_receipt_by_another_key_is_found_out(name: str) -> None:
    bench = Bench(CLOSED)
    bench.now_s += 1
    request = bench.draw(name)
    before = len(bench.followed)
    bench.good(request, OTHER)
    assert bench.worker.counts.sums["bad receipts"] == 1
    assert bench.worker.counts.errors == {f"receipt of {name}: unknown-key": 1}
    assert len(bench.followed) == before


def test_a_receipt_for_another_entry_is_found_out() -> None:
    bench = Bench(CLOSED)
    request = bench.draw(OPEN_OWN)
    bench.worker.answered(request, bench.now_s, 201, receipt_for(b"another", KEY))
    assert bench.worker.counts.sums["bad receipts"] == 1


def test_an_act_whose_other_region_is_not_seen_is_held_back_and_tried_again_later() -> None:
    bench = Bench(CLOSED)
    request = bench.draw("authority: handoff.accept")
    body = b'{"code": "wrong-state"}'
    assert bench.worker.answered(request, bench.now_s, 403, body) == "held"
    assert bench.worker.counts.errors == {}
    held = "held back until another region's act is seen"
    assert bench.worker.counts.acts[held].count == 1
    assert request.case is not None
    assert request.case.not_before_s > bench.now_s


def test_refusals_and_silence_are_errors_by_code() -> None:
    bench = Bench(CLOSED)
    for status, body in (
        (403, b'{"code": "no-grant"}'),
        (400, encode({-1: "Bad Request", -2: "stale-view: too old"})),
        (0, b""),
        (502, b"<html>"),
    ):
        bench.worker.answered(bench.draw(OPEN_OWN), bench.now_s, status, body)
    found = {name.rpartition(": ")[2] for name in bench.worker.counts.errors}
    assert found == {"no-grant", "stale-view", "no-answer", "status-502"}
    assert bench.worker.counts.sums["failed"] == 4


def test_an_open_loop_hands_out_each_start_once_and_latency_counts_from_it() -> None:
    stage = Stage(name="o", loop="open", clients=4, rate=20, seconds=10, warm_s=1)
    bench = Bench(stage)
    begin_s, starts = bench.now_s, []
    bench.now_s += 5  # the first half has passed before anybody was free
    while (meant_s := bench.worker.ticket()) is not None:
        starts.append(meant_s)
        bench.worker.answered(bench.worker.choose(), meant_s, 0, b"")
    assert starts == sorted(starts)
    assert len(starts) == pytest.approx(200, abs=50)
    measured = [it for it in starts if it >= begin_s + 1]
    assert bench.worker.counts.sums["offered"] == len(measured)
    assert bench.worker.counts.sums["turns"] == len(measured)
    slowest = max(it.highest_us for it in bench.worker.counts.acts.values())
    assert slowest > 3.5e6


def test_a_case_at_the_counter_is_one_chain_that_the_clerk_signed() -> None:
    cases = Cases(scene(), "t", NOW_S)
    case = max((cases.make() for _ in range(40)), key=lambda it: len(it.steps))
    assert [step.kind for step in case.steps] == [
        *("case.open", "case.verify", "case.notice", "case.supplement", "handoff.offer"),
        *("handoff.accept", "case.decide", "handoff.offer"),
        *("handoff.accept", "case.deliver", "case.close"),
    ]
    cases.date(NOW_S + 7)
    case.steps.popleft()
    before = case.steps[0].act
    assert before is not None
    cases.sign_anew(case)
    previous = before.previous
    for step in case.steps:
        if step.entry:
            made = decode_statement(step.entry)
            verify_statement(made, clerk_key("500000").public)
            assert made.act.previous == previous
            assert made.time_s == NOW_S + 7
            previous = made.leaf
        else:
            assert json.loads(step.body)["officer"].startswith(step.region)


def test_a_stale_date_is_signed_anew_and_not_an_error() -> None:
    bench = Bench(CLOSED)
    request = bench.draw(OPEN_OWN)
    bench.now_s += 3
    body = encode({-1: "Forbidden", -2: "stale-time: declared"})
    assert bench.worker.answered(request, bench.now_s, 403, body) == "held"
    assert request.case is not None
    assert decode_statement(request.case.steps[0].entry).time_s == NOW_S + int(bench.now_s)
    assert bench.worker.counts.errors == {}
    assert bench.worker.counts.acts["held back to be dated anew"].count == 1


def test_what_the_auditor_refuses_is_an_error_and_what_it_proves_a_level() -> None:
    bench = Bench(CLOSED)
    bench.good(bench.draw(OPEN_OWN))
    followed = bench.worker.followed
    bench.worker.heard(1, "proven", 0.2)
    bench.worker.heard(1, "failed no-quorum", 0.2)
    bench.worker.heard(0, "proven", 0.2)  # of a stage that is over
    assert bench.worker.followed == followed - 2
    assert bench.worker.counts.levels["proven"].count == 1
    assert bench.worker.counts.sums["bad proofs"] == 1


def test_what_nobody_follows_counts_as_checked_and_as_nothing_more() -> None:
    bench = Bench(CLOSED)
    bench.is_followed = False
    bench.good(bench.draw(OPEN_OWN))
    assert bench.followed
    assert bench.worker.followed == bench.worker.counts.sums["followed"] == 0
    assert bench.worker.counts.sums["verified receipts"] > 0


def test_what_an_auditor_had_not_done_with_when_it_ended_is_not_proven_and_is_told() -> None:
    bench = Bench(CLOSED)
    bench.good(bench.draw(OPEN_OWN))
    bench.worker.heard(1, "proven", 0.2)
    left = bench.worker.followed
    bench.worker.deserted()
    assert bench.worker.followed == 0
    assert bench.worker.counts.errors == {"auditor: ended": 1}
    assert bench.worker.counts.sums["not proven in time"] == left


def test_a_stage_that_is_ended_early_is_one_that_was_meant_to_be_as_short() -> None:
    stage = Stage(name="s", loop="open", clients=8, rate=50, seconds=8.0)
    whole, early = Bench(stage), Bench(stage)
    offered = whole.worker.counts.sums["offered"]
    for bench, seconds in ((whole, 8.0), (early, 3.0)):
        meant_s = [bench.worker.ticket() for _ in range(100)]
        late = [bench.worker.choose(), bench.worker.choose()]
        bench.now_s += seconds
        assert bench.worker.end() == pytest.approx(seconds)
        assert bench.worker.ticket() is None
        for request, at_s in zip(late, (101.5, 103.5), strict=True):
            bench.worker.answered(request, at_s, 500, b"")
        assert meant_s[0] is not None
        sums = bench.worker.counts.sums
        # A hundred were handed out from the beginning on, those of the first second among them.
        handed_out = sum(it is not None and it >= 101.0 for it in meant_s)
        assert sums["not begun"] == max(0, sums["offered"] - handed_out)
    assert whole.worker.counts.sums["offered"] == offered > 300
    assert 60 < early.worker.counts.sums["offered"] < 140
    assert whole.worker.counts.sums["turns"] == 2
    assert early.worker.counts.sums["turns"] == 1


def test_a_batch_has_ten_signed_cases_of_one_region_and_each_refusal_counts() -> None:
    bench = Bench(CLOSED)
    request = bench.draw("platform: batch")
    assert len(decode(request.body)) == request.count == 10
    results = [[0, at] for at in range(9)] + [[1, "no-grant", "said"]]
    answer = encode({"size": 9, "results": results})
    bench.worker.answered(request, bench.now_s, 200, answer)
    counts = bench.worker.counts
    assert counts.errors == {"platform: batch: no-grant": 1}
    assert counts.sums["failed"] == 1
    answered = sum(
        it.count for name, it in counts.acts.items() if name.startswith(("window", "authority"))
    )
    assert counts.sums["acts in all"] == counts.sums["acts"] == answered + 9
    assert sum(counts.accepted_at.values()) == answered + 9


def test_what_is_cited_is_learnt_anew_within_a_stage_and_stays_where_a_node_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Grants ask for views of ten minutes, and the stage of a soak may last an hour."""
    bench = Bench(CLOSED)
    newer = (Citation("grant", "t/510000", 77, bytes(32)),)

    def silent(_owner: Office, _to: Office) -> tuple[Citation, ...]:
        raise StageError("503")

    def cited() -> tuple[Citation, ...]:
        bench.now_s += 60
        bench.worker.cite_anew_when_due()
        bench.worker.sign_ahead(1.0)
        case = bench.draw(OPEN_OWN).case
        assert case is not None
        assert case.steps[0].act is not None
        return case.steps[0].act.citations

    monkeypatch.setattr(worker, "cite", silent)
    assert [one.index for _ in range(4) for one in cited()] == [3, 3, 3, 3]
    monkeypatch.setattr(worker, "cite", lambda _owner, _to: newer)
    indices = [one.index for _ in range(4) for one in cited()]
    assert indices[0] == 3
    assert indices[-1] == 77


def test_a_turn_without_an_answer_is_one_of_its_own_stage_alone() -> None:
    """A node that stands still for three stages leaves each turn unanswered once, not thrice."""
    stage = Stage(name="s", loop="closed", clients=1, seconds=8, warm_s=0)
    bench = Bench(stage)
    silent = [bench.worker.choose() for _ in range(5)]
    assert bench.worker.under_way == 5
    bench.now_s += 8
    bench.worker.end()
    bench.worker.prepare(stage, 2, 1)
    bench.worker.begin(stage)
    assert bench.worker.under_way == 0
    bench.worker.choose()
    bench.now_s += 1
    act = next(it for it in silent if it.step is not None)
    bench.good(act)
    for request in silent:
        if request is not act:
            bench.worker.answered(request, bench.now_s, 0, b"")
    sums = bench.worker.counts.sums
    assert bench.worker.under_way == 1
    assert sums["answered"] == sums["turns"] == sums["failed"] == sums["acts"] == 0
    # It was accepted all the same, and the log is to have it.
    assert sums["acts in all"] == sum(bench.worker.counts.accepted_at.values()) == 1


def test_what_has_no_answer_is_not_answered() -> None:
    bench = Bench(CLOSED)
    bench.worker.answered(bench.worker.choose(), bench.now_s, 0, b"")
    sums = bench.worker.counts.sums
    assert (sums["answered"], sums["turns"], sums["failed"]) == (0, 1, 1)


def test_a_batch_whose_answer_cannot_be_read_is_an_error() -> None:
    bench = Bench(CLOSED)
    request = bench.draw("platform: batch")
    acts = bench.worker.counts.sums["acts in all"]
    assert bench.worker.answered(request, bench.now_s, 200, b"\xff") == "malformed"
    assert bench.worker.counts.errors == {"platform: batch: malformed": 1}
    assert bench.worker.counts.sums["acts in all"] == acts


def test_every_turn_brings_acts_or_is_counted_as_one_that_brings_none() -> None:
    bench = Bench(CLOSED)
    bench.draw("auditor: trace of a case")
    for _ in range(400):
        bench.good(bench.worker.choose())
        bench.now_s += 0.01
    sums, acts = bench.worker.counts.sums, bench.worker.counts.acts
    batches = acts["platform: batch"].count if "platform: batch" in acts else 0
    questions = acts["platform: check"].count + acts["auditor: trace of a case"].count
    assert sums["turns without an act in all"] == questions
    assert (
        sums["turns"]
        == questions + batches + bench.worker.counts.levels["accepted"].count - batches
    )


def test_no_case_of_a_batch_was_signed_long_ago() -> None:
    """A log refuses what is dated before what it knew of, and a batch has no second try."""
    bench = Bench(CLOSED)
    bench.now_s += 4
    request = bench.draw("platform: batch")
    dated = [decode_statement(entry).time_s for entry in decode(request.body)]
    assert min(dated) >= NOW_S + int(bench.now_s) - 2
    assert bench.worker.counts.sums["signed anew"] >= 10


def test_what_is_given_to_workers_elsewhere_is_read_wherever_it_was_copied_to(
    tmp_path: Path,
) -> None:
    roster = tmp_path / "network" / "genesis.roster"
    roster.parent.mkdir()
    roster.write_bytes(b"the roster")
    order = Order(
        shape="steady",
        seconds=1.0,
        rate=2.0,
        clients=(1,),
        scene=tmp_path / "scene.json",
        events=tmp_path / "events",
    )
    here = give_to_workers(tmp_path / "workers", order, replace(scene(), roster=roster))
    assert here.stat().st_mode & 0o077 == 0
    there = tmp_path / "elsewhere"
    here.rename(there)
    read = Order.read(there / "order.json")
    assert read == replace(order, scene=there / "scene.json", events=there / "events")
    found = Scene.read(read.scene)
    assert found == replace(scene(), roster=there / "genesis.roster")
    assert found.roster.read_bytes() == b"the roster"


def test_a_scene_is_read_as_it_was_written(tmp_path: Path) -> None:
    scene().write(tmp_path / "scene.json")
    read = Scene.read(tmp_path / "scene.json")
    assert read == replace(scene(), roster=tmp_path / "genesis.roster")
