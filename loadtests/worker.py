"""What one load process does in a stage: hands out turns, reads the answers, and counts.

A turn is one request. Whose it is depends on what there is to do, as on a real day: windows take
cases in and finish them, authorities decide what was handed over, platforms ask what a window may
do and send batches, auditors read. No sockets here: ``locustfile`` sends.
"""

import base64
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from random import Random  # noqa: TID251 - load is drawn from a seed
from typing import Final

from ledger.encoding import decode, encode
from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.keys import key_thumbprint
from ledger.receipt import check_inclusion_receipt
from loadtests.cases import HELD_BACK_CODES, Case, Cases, Step
from loadtests.counts import SUMS, Counts
from loadtests.histogram import Histogram
from loadtests.programme import Stage
from loadtests.scene import Scene, cite
from loadtests.schedule import intended_starts
from loadtests.stage import StageError
from loadtests.waiting import Waiting

CHECKS: Final = 0.10
TRACES: Final = 0.03
BATCHES: Final = 0.01
"""Shares of the turns; the rest are steps of cases."""
BATCH: Final = 10
BATCH_AGE_S_MAX: Final = 2
"""What a batch brings was signed so lately: well within δ."""
SAMPLES_A_SECOND: Final = 20.0
"""How many acts a second are followed until they are proven; every one where there are fewer."""
HOLD_S: Final = 0.25
HOLD_S_MAX: Final = 2.0
TRIES_MAX: Final = 20
CITED_ANEW_S: Final = 150.0
"""After which a clerk's system learns anew what to cite: grants ask for views of ten minutes."""
AHEAD_S: Final = 4.0
"""How long before its turn a case is signed at most."""
CASE_SHARE: Final = 0.4
"""Cases signed beforehand, of the turns that are expected; a case is eight to eleven acts."""
GUESS: Final = 60.0
GUESS_MAX: Final = 500.0
"""Turns a second that a closed loop is expected to make: a client, and all of them."""

_HELD: Final = ("held back until another region's act is seen", "held back to be dated anew")
"""What turns are called whose act has to be tried again: composed by the node, and signed by a
clerk, before whose date the log has recorded something."""

Follow = Callable[[int, str, int, bytes, float], bool]
"""Have an act followed: stage, region, index, leaf, and when it was meant to start; say whether
anybody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, and what it is about; ``name`` begins with the role whose it is."""

    name: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    case: Case | None = None
    step: Step | None = None
    region: str = ""
    count: int = 0
    """Acts that it brings."""
    stage: int = 0
    """The number of the stage in which it was sent."""


class Worker:
    """One process's part of the load.

    Args:
        index: Of the process among its like.
        follow: Where acts go whose safety is to be followed.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        index: int,
        follow: Follow,
        now_s: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,  # noqa: TID251 - the load comes from outside
    ) -> None:
        self.scene = scene
        self._index = index
        self._follow = follow
        self._now_s = now_s
        self._unix_s = unix_s
        self._random = Random(f"worker {index}")
        self._keys = {}
        for office in scene.offices.values():
            public = bytes.fromhex(office.receipt_key)
            self._keys[office.region] = {key_thumbprint(public): public}
        self._number = 0
        self._stage: Stage | None = None
        self._starts: tuple[float, ...] = ()
        self._next_start = 0
        self._begin_s = self._end_s = self._from_s = 0.0
        self._fresh: deque[Case] = deque()
        self._waiting = Waiting()
        self._closed: deque[Case] = deque(maxlen=64)
        self._cases: Cases | None = None
        self._cited_s = now_s()
        self._cases_a_second = 0.0
        self._replicated_s = HOLD_S
        self.counts = Counts()
        self.under_way = 0
        """Turns of this stage that have no answer yet."""
        self.followed = 0
        """Acts of this stage that the auditor has not done with."""

    # ---- a stage --------------------------------------------------------------------------------

    def prepare(self, stage: Stage, number: int, processes: int) -> None:
        """Sign what the stage will send; nothing is measured yet."""
        self.counts = Counts(sums=Counter(dict.fromkeys(SUMS, 0)))
        self._number, self.followed, self.under_way = number, 0, 0
        unix_s = int(self._unix_s())
        self._cases = Cases(self.scene, f"{unix_s}-{self._index}-{number}", unix_s)
        # What waits for another region still waits; at the counter the day begins anew.
        self._fresh.clear()
        self._waiting.leave_counter()
        turns = stage.rate or min(GUESS_MAX, GUESS * stage.clients)
        self._cases_a_second = turns * CASE_SHARE / processes
        self.sign_ahead(min(stage.seconds, AHEAD_S))
        self._starts = tuple(
            intended_starts(
                rate=stage.rate / processes,
                seconds=stage.seconds,
                seed=f"{stage.name} {self._index}",
                curve=stage.curve,
            )
        )

    def sign_ahead(self, seconds: float) -> None:
        """Sign the cases of the next seconds, beside the turns and not within one."""
        assert self._cases is not None
        now_s = int(self._unix_s())
        self._cases.date(now_s)
        while self._fresh and now_s - self._fresh[0].signed_s > AHEAD_S:
            self._fresh.popleft()
        while len(self._fresh) < self._cases_a_second * seconds + 8:
            self._fresh.append(self._cases.make())

    def begin(self, stage: Stage) -> None:
        """Let the stage begin now."""
        self._stage = stage
        self._next_start = 0
        self._begin_s = self._now_s()
        self._from_s = self._begin_s + stage.warm_s
        self._end_s = self._begin_s + stage.seconds
        measured = [it for it in self._starts if it >= stage.warm_s]
        self.counts.sums["offered"] = len(measured)

    def end(self) -> float:
        """Hand out no more turns, and return how many seconds the stage lasted.

        One that is ended early is one that was meant to be as short. Turns that were due and that
        nobody was free to begin have no latency, so that they are counted.
        """
        stage, now_s = self._stage, self._now_s()
        self._stage = None
        if stage is None:
            return 0.0
        self._end_s = min(self._end_s, now_s)
        lasted_s = self._end_s - self._begin_s

        def due(starts: Sequence[float]) -> int:
            return sum(stage.warm_s <= it < lasted_s for it in starts)

        self.counts.sums["offered"] = due(self._starts)
        self.counts.sums["not begun"] = due(self._starts[self._next_start :])
        return lasted_s

    def cite_anew_when_due(self) -> None:
        """Learn anew what to cite, every few minutes and beside the turns: nodes are waited for."""
        if self._now_s() - self._cited_s > CITED_ANEW_S:
            self.cite_anew()

    def cite_anew(self) -> None:
        """Learn anew what to cite; where a node does not say, that stays as it was."""
        self._cited_s = self._now_s()
        offices, lent = self.scene.offices, []
        for it in self.scene.lent:
            try:
                citations = cite(offices[it.owner], offices[it.to])
            except (OSError, HTTPException, StageError):
                citations = it.citations
            lent.append(replace(it, citations=citations))
        self.scene = Scene(self.scene.roster, offices, lent)
        if self._cases is not None:
            self._cases.scene = self.scene

    # ---- turns ----------------------------------------------------------------------------------

    def ticket(self) -> float | None:
        """Return when the next turn is meant to start; None where there is none now."""
        stage, now_s = self._stage, self._now_s()
        if stage is None or now_s >= self._end_s:
            return None
        if stage.loop == "closed":
            return now_s
        if self._next_start >= len(self._starts):
            return None
        start_s = self._begin_s + self._starts[self._next_start]
        self._next_start += 1
        return start_s

    def choose(self) -> Request:
        """Return what is to be sent in this turn."""
        self.under_way += 1
        return replace(self._chosen(), stage=self._number)

    def _chosen(self) -> Request:
        drawn = self._random.random()
        if drawn < CHECKS:
            return self._check()
        if drawn < CHECKS + TRACES and self._closed:
            return self._trace()
        if drawn < CHECKS + TRACES + BATCHES:
            return self._batch()
        return self._step(self._some_case())

    def _some_case(self) -> Case:
        """Return a case that can go on, or a new one."""
        case = self._waiting.take(self._now_s(), self._random.random())
        if case is not None:
            return case
        if self._fresh:
            return self._fresh.popleft()
        # It costs the measured loop a few signatures, so the report says how often.
        self.counts.sums["signed in the loop"] += 1
        assert self._cases is not None
        return self._cases.make()

    def _step(self, case: Case) -> Request:
        step = case.steps[0]
        office = self.scene.offices[step.region]
        at_owner = step.token and step.token == office.tokens["decider"]
        role = "authority" if at_owner else "window"
        if step.entry:
            path, body = "/entries", step.entry
            headers = {"Content-Type": "application/cose"}
        else:
            path, body = "/v1/acts", step.body
            headers = {
                "Content-Type": "application/json",
                "Authorization": f"Bearer {step.token}",
            }
        return Request(
            name=f"{role}: {step.kind}" + (", own key" if step.entry else ""),
            method="POST",
            url=office.url + path,
            headers=headers,
            body=body,
            case=case,
            step=step,
            region=step.region,
            count=1,
        )

    def _check(self) -> Request:
        lent = self._random.choice(self.scene.lent)
        owner, to = self.scene.offices[lent.owner], self.scene.offices[lent.to]
        return Request(
            name="platform: check",
            method="GET",
            url=f"{to.url}/v1/check?window={to.window}&right=intake&item={owner.item}",
            headers={"Authorization": f"Bearer {to.tokens['desk']}"},
        )

    def _trace(self) -> Request:
        case = self._random.choice(self._closed)
        office = self.scene.offices[case.name[:6]]
        return Request(
            name="auditor: trace of a case",
            method="GET",
            url=f"{office.url}/v1/cases/{case.name}",
            headers={"Authorization": f"Bearer {office.tokens['auditor']}"},
        )

    def _date_lately(self, case: Case) -> None:
        """Sign a case anew that a log may find dated too long ago; a batch has no second try."""
        now_s = int(self._unix_s())
        if now_s - case.signed_s > BATCH_AGE_S_MAX:
            assert self._cases is not None
            self._cases.date(now_s)
            self._cases.sign_anew(case)
            self.counts.sums["signed anew"] += 1

    def _batch(self) -> Request:
        """Ten cases that were opened elsewhere and come at once; they go no further here."""
        batch: list[bytes] = []
        others: list[Case] = []
        region = self._random.choice(list(self.scene.offices))
        at = self.scene.offices[region]
        while self._fresh:
            case = self._fresh.pop()  # the newest: all of a batch is dated lately
            if case.steps[0].region == region:
                self._date_lately(case)
                batch.append(case.steps[0].entry)
                if len(batch) == BATCH:
                    break
            else:
                others.append(case)
        self._fresh.extend(reversed(others))
        if not batch:
            return self._check()
        return Request(
            name="platform: batch",
            method="POST",
            url=f"{at.url}/v1/ingest",
            headers={
                "Content-Type": "application/cbor",
                "Authorization": f"Bearer {at.tokens['operator']}",
            },
            body=encode(batch),
            region=region,
            count=len(batch),
        )

    # ---- answers --------------------------------------------------------------------------------

    def answered(self, request: Request, meant_s: float, status: int, body: bytes) -> str:
        """Take an answer; ``status`` 0: there was none.

        One to a turn of an earlier stage, which went without it there, is no figure of this one;
        what it brought is in the log.

        Returns:
            "" where all is well, ``held`` where the act has to wait for another region, or the code
            of the refusal.
        """
        now_s = self._now_s()
        is_own = request.stage == self._number
        self.under_way -= is_own
        code, refused = "" if 200 <= status < 300 else _code(status, body), list[str]()
        if request.count and request.step is None and not code:
            code, refused = _refused(body)
        case, step = request.case, request.step
        if case is not None and step is not None:
            code = self._move_on(case, step, code, now_s)
        accepted = 0 if code else request.count - len(refused)
        sums = self.counts.sums
        sums["acts in all"] += accepted
        sums["turns without an act in all"] += not accepted
        if accepted:
            self.counts.accepted_at[request.region] += accepted
        if is_own and status and self._from_s <= now_s < self._end_s:
            sums["answered"] += 1
            sums["acts"] += accepted
        if not is_own or not self._from_s <= meant_s < self._end_s:
            return code
        sums["turns"] += 1
        name = _HELD[bool(step and step.entry)] if code == "held" else request.name
        self.counts.acts.setdefault(name, Histogram()).add(now_s - meant_s)
        failures = refused or [code] * (code not in {"", "held"})
        for one in failures:
            self.counts.errors[f"{request.name}: {one}"] += 1
        sums["failed"] += bool(failures)
        if accepted:
            self.counts.levels.setdefault("accepted", Histogram()).add(now_s - meant_s)
            self._receipt(request, meant_s, body)
        return code

    def _move_on(self, case: Case, step: Step, code: str, now_s: float) -> str:
        """Let the case go on from here; what is to be tried later is ``held``."""
        if not code:
            case.steps.popleft()
            case.tries = 0
            if not case.steps:
                self._closed.append(case)
            elif case.steps[0].rests:
                case.not_before_s = now_s + self._hold_s()
                self._waiting.put(case)
            else:
                case.not_before_s = now_s
                self._waiting.put(case)
        elif step.entry and code == "stale-time" and case.tries < TRIES_MAX:
            # The log has recorded something newer than the clerk's date.
            case.tries += 1
            assert self._cases is not None
            self._cases.date(int(self._unix_s()))
            self._cases.sign_anew(case)
            self.counts.sums["signed anew"] += 1
            self._waiting.put(case)
            return "held"
        elif step.rests and code in HELD_BACK_CODES:
            case.tries += 1
            if case.tries >= TRIES_MAX:
                return f"still {code}"
            case.not_before_s = now_s + self._hold_s() * min(case.tries, 4)
            self._waiting.put(case)
            return "held"
        return code

    def _hold_s(self) -> float:
        """Return how long people wait for another region: as long as that takes just now."""
        return min(max(HOLD_S, 1.5 * self._replicated_s), HOLD_S_MAX)

    def _receipt(self, request: Request, meant_s: float, body: bytes) -> None:
        """Verify the receipt, of as many as the stage says; have some acts followed."""
        sums, stage, step = self.counts.sums, self._stage, request.step
        if step is None:
            return  # a batch has results, and no receipts
        sums["receipts"] += 1
        elapsed_s = max(self._now_s() - self._from_s, 0.1)
        is_followed = self._random.random() * sums["receipts"] < SAMPLES_A_SECOND * elapsed_s
        is_verified = stage is None or self._random.random() * stage.verify_one_of < 1
        if not (is_followed or is_verified):
            return
        try:
            if step.entry:
                receipt, leaf = body, hash_leaf(step.entry)
            else:
                answer = json.loads(body)
                if answer["receipt"] is None:
                    sums["receipts that come later"] += 1
                    return
                receipt = _base64(answer["receipt"])
                leaf = hash_leaf(_base64(answer["entry"]))
            checked = check_inclusion_receipt(receipt, leaf, self._keys[step.region])
        except (LedgerError, ValueError, KeyError) as error:
            bad = error.code if isinstance(error, LedgerError) else "malformed"
            self.counts.errors[f"receipt of {request.name}: {bad}"] += 1
            sums["bad receipts"] += 1
            return
        sums["verified receipts"] += 1
        if is_followed and self._follow(self._number, step.region, checked.index, leaf, meant_s):
            sums["followed"] += 1
            self.followed += 1

    def deserted(self) -> None:
        """Take note that the auditor has ended: what it had not done with will not be proven."""
        self.counts.errors["auditor: ended"] += 1
        self.counts.sums["not proven in time"] += self.followed
        self.followed = 0

    def heard(self, number: int, level: str, seconds: float) -> None:
        """Take what the auditor says of an act."""
        if level == "replicated":
            self._replicated_s += (seconds - self._replicated_s) / 8
        if number != self._number:
            return  # of a stage whose report has gone out
        if level.startswith("failed"):
            self.counts.errors[f"auditor: proof {level}"] += 1
            self.counts.sums["bad proofs"] += 1
            self.followed -= 1
            return
        self.counts.levels.setdefault(level, Histogram()).add(seconds)
        if level == "proven":
            self.followed -= 1


def _refused(body: bytes) -> tuple[str, list[str]]:
    """Return what a batch's answer comes to: a code where it is none, and those of its refusals."""
    try:
        return "", [str(result[1]) for result in decode(body)["results"] if result[0] != 0]
    except (LedgerError, KeyError, TypeError, IndexError):
        return "malformed", []


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _code(status: int, body: bytes) -> str:
    """Return the code of a refusal, from either form of problem details."""
    if status == 0:
        return "no-answer"
    try:
        if body[:1] == b"{":
            return str(json.loads(body)["code"])
        return str(decode(body)[-2]).partition(":")[0]
    except (LedgerError, ValueError, KeyError, TypeError):
        return f"status-{status}"
