"""The load as locust runs it: people who take turns, and a shape that goes through a programme.

``python -m loadtests.load`` starts this; with more machines, ``locust -f`` does (README.md).
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import gevent  # type: ignore[import-untyped] # it brings no types
from gevent import subprocess
from locust import FastHttpUser, LoadTestShape, constant, events, task
from locust.env import Environment
from locust.runners import MasterRunner

from loadtests.counts import Counts, measure
from loadtests.order import Order
from loadtests.programme import Measured, Stage
from loadtests.scene import Scene
from loadtests.worker import AHEAD_S, Worker

ORDER: Final = Order.read(Path(os.environ["SHOUXIN_LOAD_ORDER"]))
IDLE_S: Final = 0.02
ANY_STATUS: Final = frozenset(range(100, 600))
SIGN_S: Final = 1.5
DRAIN_S_MAX: Final = 10.0
PROVE_S_MAX: Final = 8.0
SPAWNS_A_SECOND: Final = 256.0

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
        self._parts: list[Mapping[str, Any]] = []

    def tick(self) -> tuple[int, float] | None:
        """Say how many users there are to be now; None ends the test."""
        assert self.runner is not None
        if self._is_running:
            total = self.runner.stats.total
            _tell("tick", turns_a_second=total.current_rps, failed=total.num_failures)
        if self._is_running and len(self._parts) >= self._processes():
            self._is_running = False
            self._next(self._finish())
        if self._stage is None:
            return None
        users = self._stage.clients
        if not self._is_running and self._users == users:
            self._begin()
        self._users = users
        return users, SPAWNS_A_SECOND

    def taken(self, part: Mapping[str, Any]) -> None:
        """Take what one process counted."""
        if part["number"] == self._number:
            self._parts.append(part)

    def _processes(self) -> int:
        assert self.runner is not None
        return self.runner.worker_count if isinstance(self.runner, MasterRunner) else 1

    def _begin(self) -> None:
        assert self.runner is not None
        assert self._stage is not None
        self._number += 1
        self._parts = []
        self._is_running = True
        _tell("begin", number=self._number, stage=asdict(self._stage))
        order = {
            "number": self._number,
            "stage": asdict(self._stage),
            "processes": self._processes(),
        }
        self.runner.send_message("stage", order)

    def _finish(self) -> Measured:
        assert self._stage is not None
        counts = Counts()
        for part in self._parts:
            counts.merge(part["counts"])
        measured = measure(self._stage, counts)
        _tell(
            "end",
            number=self._number,
            stage=asdict(self._stage),
            counts=counts.to_map(),
            measured=asdict(measured),
        )
        return measured

    def _next(self, measured: Measured) -> None:
        try:
            self._stage = self._programme.send(measured)
        except StopIteration as stop:
            self._stage = None
            _tell("over", saturation=stop.value)


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
        shape.taken(msg.data)

    if not isinstance(runner, MasterRunner):
        hand = Hand(environment)
        runner.register_message("stage", hand.take, concurrent=True)
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

    def take(self, environment: Environment, msg: Any, **_: object) -> None:  # noqa: ANN401 - locust's message
        """Go through one stage."""
        gevent.spawn(self._run, environment.runner, msg.data)

    def _run(self, runner: Any, order: Mapping[str, Any]) -> None:  # noqa: ANN401 - locust's runner
        worker = self._worker(runner.worker_index)
        stage, number = Stage(**order["stage"]), order["number"]
        worker.prepare(stage, number, order["processes"])
        worker.begin(stage)
        end_s = time.monotonic() + stage.seconds
        while (left_s := end_s - time.monotonic()) > 0:
            gevent.sleep(min(left_s, SIGN_S))
            if left_s > SIGN_S:
                worker.sign_ahead(min(left_s, AHEAD_S))
        worker.end()
        _wait(lambda: worker.under_way == 0, DRAIN_S_MAX)
        worker.counts.sums["unanswered"] += worker.under_way
        _wait(lambda: worker.followed == 0, PROVE_S_MAX)
        worker.counts.sums["not proven in time"] += worker.followed
        runner.send_message("part", {"number": number, "counts": worker.counts.to_map()})

    def _worker(self, index: int) -> Worker:
        global _worker  # noqa: PLW0603 - users are made by locust, which passes them nothing
        if _worker is None:
            scene = Scene.read(ORDER.scene)
            command = [sys.executable, "-m", "loadtests.auditor", str(scene.roster)]
            self._auditor = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            _worker = Worker(scene, index=index, follow=self._follow)
            gevent.spawn(self._listen, _worker)
            _tell("process", index=index, pid=os.getpid(), auditor=self._auditor.pid)
        return _worker

    def _follow(self, stage: int, region: str, index: int, leaf: bytes, meant_s: float) -> None:
        line = json.dumps([stage, region, index, leaf.hex(), meant_s])
        self._auditor.stdin.write(line + "\n")

    def _listen(self, worker: Worker) -> None:
        for line in self._auditor.stdout:
            worker.heard(*json.loads(line))


def _wait(done: Any, seconds: float) -> None:  # noqa: ANN401 - a question
    end_s = time.monotonic() + seconds
    while not done() and time.monotonic() < end_s:
        gevent.sleep(IDLE_S)
