"""The load as locust runs it: people who take turns, and a shape that goes through a programme.

``python -m loadtests.load`` starts this; with more machines, ``locust -f`` does (README.md).
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import gevent  # type: ignore[import-untyped] # it brings no types
from gevent import subprocess
from locust import FastHttpUser, LoadTestShape, constant, events, task
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner

from loadtests.counts import Counts, measure
from loadtests.order import Order
from loadtests.programme import Measured, Saturation, Stage
from loadtests.scene import Scene
from loadtests.worker import AHEAD_S, Worker

ORDER: Final = Order.read(Path(os.environ["SHOUXIN_LOAD_ORDER"]))
IDLE_S: Final = 0.02
LOOK_S: Final = 0.25
ANY_STATUS: Final = frozenset(range(100, 600))
SIGN_S: Final = 1.5
DRAIN_S_MAX: Final = 10.0
PROVE_S_MAX: Final = 8.0
SPAWNS_A_SECOND: Final = 256.0
INTERRUPTED: Final = "it was interrupted"
LOCAL: Final = "local"
"""How locust names the only process there is."""

_worker: Worker | None = None


class Seat(FastHttpUser):
    """Someone at a desk. Whose turn it is, window, authority, platform or auditor, the day says."""

    wait_time = constant(0)
    host = "http://127.0.0.1"
    connection_timeout = 20.0
    network_timeout = 30.0

    def on_start(self) -> None:
        """Take every answer as one: a refusal's body says why, and is not always text."""
        self.client.client.valid_response_codes = ANY_STATUS  # type: ignore[misc] # of this user

    @task
    def turn(self) -> None:
        """Take the next turn when it is meant to start, or wait a little where there is none."""
        worker = _worker
        meant_s = worker.ticket() if worker is not None else None
        if worker is None or meant_s is None:
            gevent.sleep(IDLE_S)
            return
        delay_s = meant_s - time.monotonic()
        if delay_s > 0:
            gevent.sleep(delay_s)
        request = worker.choose()
        with self.client.request(
            request.method,
            request.url,
            name=request.name,
            data=request.body or None,  # type: ignore[arg-type] # bytes are sent as they are
            headers=dict(request.headers),
            catch_response=True,
        ) as response:
            status = response.status_code or 0
            code = worker.answered(request, meant_s, status, response.content or b"")
            if code and code != "held":
                response.failure(code)
            else:
                response.success()


class Shape(LoadTestShape):
    """Goes through the programme: each stage begins when what the last one came to is known."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # locust gives it no types
        self._programme = ORDER.programme()
        self._stage: Stage | None = next(self._programme)
        self._number = 0
        self._users = 0
        self._is_running = False
        self._is_enough = False
        self._parent = os.getppid()
        self._asked: set[str] = set()
        self._parts: dict[str, Mapping[str, Any]] = {}

    def tick(self) -> tuple[int, float] | None:
        """Say how many users there are to be now; None ends the test."""
        assert self.runner is not None
        if os.getppid() != self._parent:
            return None  # whoever had us do this has gone, and the nodes with them
        if self._is_running and self._stage is not None:
            total = self.runner.stats.total
            _tell(
                "tick",
                stage=self._stage.name,
                turns_a_second=total.current_rps,
                failed=total.num_failures,
            )
        if not self._is_enough and ORDER.enough.exists():
            self._is_enough = True
            self.runner.send_message("enough")
        if self._is_running and not self._missing():
            self._is_running = False
            self._next(self._finish())
        if self._is_enough and not self._is_running and self._stage is not None:
            self._stage = None
            _tell("over", saturation=None, cut_short=INTERRUPTED)
        if self._stage is None:
            return None
        users = self._stage.clients
        if not self._is_running and self._users == users:
            self._begin()
        self._users = users
        return users, SPAWNS_A_SECOND

    def taken(self, process: str, part: Mapping[str, Any]) -> None:
        """Take what one process counted."""
        if part["number"] == self._number:
            self._parts[process] = part

    def _processes(self) -> set[str]:
        """Return the processes that make the load now."""
        assert self.runner is not None
        if not isinstance(self.runner, MasterRunner):
            return {LOCAL}
        clients = self.runner.clients
        return {it.id for it in (*clients.ready, *clients.spawning, *clients.running)}

    def _missing(self) -> set[str]:
        """Return those that were asked, have not answered, and still can."""
        return (self._asked & self._processes()) - set(self._parts)

    def _begin(self) -> None:
        assert self.runner is not None
        assert self._stage is not None
        self._number += 1
        self._asked, self._parts = self._processes(), {}
        self._is_running = True
        _tell("begin", number=self._number, stage=asdict(self._stage))
        order = {
            "number": self._number,
            "stage": asdict(self._stage),
            "processes": len(self._asked),
        }
        self.runner.send_message("stage", order)

    def _finish(self) -> Measured | None:
        """Tell what the stage came to; nothing of one that was ended before it had begun."""
        assert self._stage is not None
        counts = Counts()
        for part in self._parts.values():
            counts.merge(part["counts"])
        if lost := len(self._asked) - len(self._parts):
            counts.errors["load: a process ended, and its part is missing"] = lost
        if self._is_enough:
            seconds = max((it["seconds"] for it in self._parts.values()), default=0.0)
            if seconds <= self._stage.warm_s:
                return None
            self._stage = replace(self._stage, seconds=seconds)
        measured = measure(self._stage, counts)
        _tell(
            "end",
            number=self._number,
            stage=asdict(self._stage),
            counts=counts.to_map(),
            measured={**asdict(measured), "kept_up": _kept_up(self._stage, measured)},
        )
        return measured

    def _next(self, measured: Measured | None) -> None:
        if measured is None:
            return
        try:
            self._stage = self._programme.send(measured)
        except StopIteration as stop:
            self._stage = None
            found: Saturation | None = stop.value
            cut_short = INTERRUPTED if self._is_enough else ""
            _tell("over", saturation=found and asdict(found), cut_short=cut_short)


def _kept_up(stage: Stage, measured: Measured) -> bool | None:
    """Return whether a rate was kept up with; None of a closed loop, which asks for none."""
    return measured.kept_up if stage.loop == "open" else None


def _tell(event: str, **fields: object) -> None:
    with ORDER.events.open("a") as file:
        file.write(json.dumps({"event": event, "at_s": time.monotonic(), **fields}) + "\n")


@events.init.add_listener  # type: ignore[untyped-decorator] # locust's hooks bring no types
def _set_up(environment: Environment, **_: object) -> None:
    runner = environment.runner
    assert runner is not None

    def part(environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401 - locust's message
        shape = environment.shape_class
        assert isinstance(shape, Shape)
        shape.taken(msg.node_id, msg.data)

    if not isinstance(runner, MasterRunner):
        hand = Hand(environment)
        runner.register_message("stage", hand.take, concurrent=True)
        runner.register_message("enough", hand.enough)
    # A local runner is both: it gives itself the orders.
    if environment.shape_class is not None:
        runner.register_message("part", part)


@events.quitting.add_listener  # type: ignore[untyped-decorator] # see above
def _leave(environment: Environment, **_: object) -> None:
    environment.process_exit_code = 0  # refusals are figures of the report, not a failed run


class Hand:
    """A process's own end: its worker, and the auditor that it has follow some acts."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._auditor: Any = None
        self._is_enough = False

    def take(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401 - locust's message
        """Go through one stage."""
        runner = environment.runner
        assert runner is not None
        # A stage that breaks would have everybody wait for its part; what broke is in the log.
        gevent.spawn(self._run, runner, msg.data).link_exception(lambda _: runner.quit())

    def enough(self, **_: object) -> None:
        """End the stage that is under way now."""
        self._is_enough = True

    def _run(self, runner: Any, order: Mapping[str, Any]) -> None:  # noqa: ANN401 - locust's runner
        worker = self._worker(runner.worker_index)
        stage, number = Stage(**order["stage"]), order["number"]
        worker.prepare(stage, number, order["processes"])
        worker.begin(stage)
        begin_s = signed_s = time.monotonic()
        while (left_s := begin_s + stage.seconds - time.monotonic()) > 0 and not self._is_enough:
            gevent.sleep(min(left_s, LOOK_S))
            if time.monotonic() - signed_s >= SIGN_S:
                signed_s = time.monotonic()
                gevent.spawn(worker.cite_anew_when_due)
                worker.sign_ahead(min(left_s, AHEAD_S))
        seconds = worker.end()
        _wait(lambda: worker.under_way == 0, DRAIN_S_MAX)
        worker.counts.sums["unanswered"] += worker.under_way
        _wait(lambda: worker.followed == 0, PROVE_S_MAX)
        worker.counts.sums["not proven in time"] += worker.followed
        counted = {"number": number, "seconds": seconds, "counts": worker.counts.to_map()}
        runner.send_message("part", counted)

    def _worker(self, index: int) -> Worker:
        """Return our worker, with an auditor that lives."""
        global _worker  # noqa: PLW0603 - users are made by locust, which passes them nothing
        scene = Scene.read(ORDER.scene) if _worker is None else _worker.scene
        if _worker is None:
            _worker = Worker(scene, index=index, follow=self._follow)
            if not isinstance(self._environment.runner, LocalRunner):
                _worker.cite_anew()  # who knows how long ago the scene was set
        if self._auditor is None:
            command = [sys.executable, "-m", "loadtests.auditor", str(scene.roster)]
            self._auditor = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            gevent.spawn(self._listen, self._auditor, _worker)
            _tell("process", index=index, pid=os.getpid(), auditor=self._auditor.pid)
        return _worker

    def _follow(self, stage: int, region: str, index: int, leaf: bytes, meant_s: float) -> bool:
        if self._auditor is None:
            return False
        line = json.dumps([stage, region, index, leaf.hex(), meant_s])
        try:
            self._auditor.stdin.write(line + "\n")
        except OSError:
            return False  # it has just ended, which its output says as well
        return True

    def _listen(self, auditor: Any, worker: Worker) -> None:  # noqa: ANN401 - gevent's process
        for line in auditor.stdout:
            worker.heard(*json.loads(line))
        self._auditor = None
        auditor.wait()
        worker.deserted()


def _wait(done: Any, seconds: float) -> None:  # noqa: ANN401 - a question
    end_s = time.monotonic() + seconds
    while not done() and time.monotonic() < end_s:
        gevent.sleep(IDLE_S)
