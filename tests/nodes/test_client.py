"""The typed client: what it retries, what it keeps until it is safe, what it believes."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ledger import encoding
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.receipt import decode_transparent_statement
from nodes.api import appending
from nodes.api.problem import concise_problem, problem
from nodes.client import Client, Patience
from nodes.client.wire import _error
from nodes.outbox import Place
from nodes.snapshot import Snapshot
from tests.nodes.live import Live, live

HERE = "510000"
QUICK = Patience(attempts_max=3, backoff_ms=2, timeout_ms=500)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("client") / "network", regions=2) as nodes:
        yield nodes


def against(handler: Handler, story: Callable[[Client], Awaitable[Any]]) -> list[str]:
    """Run a client against a server that only has this handler; return the paths asked for."""
    asked: list[str] = []

    async def main() -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            asked.append(request.path)
            return await handler(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            async with Client(f"http://127.0.0.1:{port}", "token", patience=QUICK) as client:
                await story(client)
        finally:
            await runner.cleanup()

    asyncio.run(main())
    return asked


# ---- retries ------------------------------------------------------------------------------------


def test_a_busy_node_is_asked_again_until_it_answers() -> None:
    answers = iter([503, 503, 200])

    async def handler(request: web.Request) -> web.Response:
        if next(answers) == 503:
            return problem(UnavailableError("wait", code="busy"))
        return web.json_response({"findings": []})

    async def story(client: Client) -> None:
        assert await client.findings() == []

    assert len(against(handler, story)) == 3


def test_patience_ends() -> None:
    async def handler(request: web.Request) -> web.Response:
        return problem(UnavailableError("wait", code="busy"))

    async def story(client: Client) -> None:
        with pytest.raises(UnavailableError) as caught:
            await client.act("party.enrol", "510000/hall/h", {})
        assert caught.value.code == "busy"

    assert len(against(handler, story)) == QUICK.attempts_max


@pytest.mark.parametrize("error", [RefusedError("no"), MalformedError("no"), NotFoundError("no")])
def test_a_refusal_is_not_asked_again(error: LedgerError) -> None:
    async def handler(request: web.Request) -> web.Response:
        return problem(error)

    async def story(client: Client) -> None:
        with pytest.raises(type(error)):
            await client.findings()

    assert len(against(handler, story)) == 1


@pytest.mark.parametrize("gateway", [False, True])
def test_an_act_that_a_dying_node_had_taken_is_not_sent_twice(
    gateway: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def handler(request: web.Request) -> web.Response:
        if gateway:
            return web.Response(status=502)
        return problem(UnavailableError("stopped", code="unknown-outcome"))

    async def act(client: Client) -> None:
        with pytest.raises(UnavailableError) as caught:
            await client.act("party.enrol", "510000/hall/h", {})
        assert caught.value.code == "unknown-outcome"

    async def ask(client: Client) -> None:
        with pytest.raises(UnavailableError):
            await client.findings()

    assert len(against(handler, act)) == 1
    assert len(against(handler, ask)) == QUICK.attempts_max


def test_no_answer_about_an_unknown_outcome_invites_to_send_it_again() -> None:
    answer = problem(UnavailableError("stopped", code="unknown-outcome"))
    assert (answer.status, "Retry-After" in answer.headers) == (500, False)


async def cut(request: web.Request) -> web.Response:
    """Break the connection after the request was taken."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def test_an_act_whose_answer_was_lost_is_not_sent_twice() -> None:
    """The node may have signed it; a second one would be another act."""

    async def story(client: Client) -> None:
        with pytest.raises(UnavailableError) as caught:
            await client.act("party.enrol", "510000/hall/h", {})
        assert caught.value.code == "unknown-outcome"

    assert len(against(cut, story)) == 1


def test_a_batch_whose_answer_was_lost_is_sent_again() -> None:
    async def story(client: Client) -> None:
        with pytest.raises(UnavailableError) as caught:
            await client.ingest([b"x"])
        assert caught.value.code == "no-answer"

    assert len(against(cut, story)) == QUICK.attempts_max


def test_a_node_that_is_not_there_is_no_answer() -> None:
    async def main() -> None:
        async with Client("http://127.0.0.1:9", patience=QUICK) as client:
            with pytest.raises(UnavailableError) as caught:
                await client.act("party.enrol", "510000/hall/h", {})
            assert caught.value.code == "no-answer"
            assert str(caught.value).endswith("127.0.0.1 port 9, connection refused")

    asyncio.run(main())


# ---- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        MalformedError("a field", code="bad-field"),
        UnverifiedError("a signature", code="bad-signature"),
        RefusedError("a rule", code="no-grant"),
        NotFoundError("nothing", code="unknown-object"),
        UnavailableError("later", code="busy"),
        ConflictError(7, code="wrong-previous"),
    ],
)
def test_an_error_comes_back_as_it_was(error: LedgerError) -> None:
    answer = problem(error)
    assert isinstance(answer.body, bytes)
    back = _error(answer.status, "application/problem+json", answer.body)
    assert (type(back), back.code, str(back)) == (type(error), error.code, str(error))
    scitt = concise_problem(error)
    assert isinstance(scitt.body, bytes)
    back = _error(scitt.status, "application/concise-problem-details+cbor", scitt.body)
    assert back.code == error.code


@given(
    st.sampled_from([400, 401, 403, 404, 409, 418, 422, 500, 503]),
    st.sampled_from(
        ["application/problem+json", "application/concise-problem-details+cbor", "text/html"]
    ),
    st.binary(max_size=60) | st.integers().map(lambda n: json.dumps([n]).encode()),
)
def test_any_answer_is_some_refusal(status: int, kind: str, data: bytes) -> None:
    assert isinstance(_error(status, kind, data), LedgerError)


def test_an_answer_of_another_form_is_malformed() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=201, body=b'{"index": 1}')

    async def story(client: Client) -> None:
        with pytest.raises(MalformedError):
            await client.act("party.enrol", "510000/hall/h", {})

    against(handler, story)


# ---- what is kept -------------------------------------------------------------------------------


def test_what_is_not_replicated_is_kept_over_a_restart_and_let_go_later(
    node: Live, tmp_path: Path
) -> None:
    roster = node.founded.roster

    async def story() -> None:
        options = {"roster": roster, "region": HERE, "keep": tmp_path}
        async with node.client(HERE, **options) as client:
            acted = await client.act("party.enrol", "510000/hall/k1", {"name": "大厅"})
            assert acted.finality in {"accepted", "witnessed"}
            place = Place(roster.origin_of(HERE), acted.index)
            assert list(client.outstanding) == [place]
        async with node.client(HERE, **options) as client:
            kept = client.outstanding[place]
            assert decode_transparent_statement(kept) == (acted.entry, (acted.receipt,))
            later = await client.act(
                "party.enrol", "510000/hall/k2", {"name": "大厅"}, wait="replicated"
            )
            assert later.finality == "replicated"
            assert await client.settle() == {}

    node.run(story())
    assert not list(tmp_path.iterdir())


class Holding:
    """A node that shows nothing above a size, as it does below the note of an epoch."""

    def __init__(self, node: Any, size: int) -> None:
        self.node, self.size = node, size

    @property
    def snapshot(self) -> Snapshot:
        shown = self.node.snapshot
        return replace(
            shown,
            size=min(shown.size, self.size),
            witnessed_size=min(shown.witnessed_size, self.size),
            replicated_size=min(shown.replicated_size, self.size),
        )


def test_while_nothing_is_shown_acts_are_accepted_at_once_and_their_receipts_come_later(
    node: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A roster change stops no window."""
    service, roster = node.nodes[HERE].service, node.founded.roster
    shown = service.node
    monkeypatch.setattr(appending, "HELD_MS_MAX", 50)

    async def story() -> None:
        options = {"roster": roster, "region": HERE, "keep": tmp_path}
        async with node.client(HERE, **options) as client:
            object.__setattr__(service, "node", Holding(shown, shown.snapshot.size))
            try:
                began_s = time.monotonic()
                acted = await client.act("party.enrol", "510000/hall/h1", {"name": "大厅"})
                assert time.monotonic() - began_s < 5
                place = Place(roster.origin_of(HERE), acted.index)
                assert (acted.receipt, client.outstanding[place]) == (b"", acted.entry)
                at_least = acted.consistency
                again = await client.act(
                    "party.enrol", "510000/hall/h2", {"name": "大厅"}, at_least=at_least
                )
                assert again.index > acted.index
                with pytest.raises(NotFoundError):
                    await client.receipt(acted.index)
                with pytest.raises(UnavailableError) as caught:
                    await client.register(acted.entry)
                assert caught.value.code == "unknown-outcome"
                await client.ingest([acted.entry])
                assert client.outstanding[place] == acted.entry
            finally:
                object.__setattr__(service, "node", shown)
        async with node.client(HERE, **options) as client:
            assert client.outstanding[place] == acted.entry
            status = await client.status()
            monkeypatch.setattr(client, "status", lambda: _soon(status | {"replicated_size": 0}))
            await client.settle()
            entry, [receipt] = decode_transparent_statement(client.outstanding[place])
            assert (entry, bool(receipt)) == (acted.entry, True)
            monkeypatch.undo()
            later = await client.act("party.enrol", "510000/hall/h3", {"name": "大厅"})
            assert later.receipt

    node.run(story())


async def _soon(value: Any) -> Any:
    return value


def test_a_receipt_by_another_key_is_not_believed(node: Live) -> None:
    async def story() -> None:
        options = {"roster": node.founded.roster, "region": "500000"}
        async with node.client(HERE, **options) as client:
            with pytest.raises(UnverifiedError):
                await client.act("party.enrol", "510000/hall/k3", {"name": "大厅"})

    node.run(story())


def test_a_statement_registered_twice_has_one_place(node: Live) -> None:
    async def story() -> None:
        async with node.client(HERE, roster=node.founded.roster, region=HERE) as client:
            acted = await client.act("party.enrol", "510000/hall/k4", {"name": "大厅"})
            await client.register(acted.entry)
            fates = await client.ingest([acted.entry, b"\xff"], wait="replicated")
            assert fates[0].index == acted.index
            assert fates[1].index is None
            assert fates[1].code
            assert await client.receipt(acted.index)
            roster = await client.roster()
            assert roster["sha256"] == node.founded.roster.sha256.hex()

    node.run(story())


def test_the_batch_is_canonical_on_the_wire() -> None:
    seen: list[bytes] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(await request.read())
        body = encoding.encode({"size": 1, "results": [[0, 0], [1, "malformed", "no"]]})
        return web.Response(body=body, content_type="application/cbor")

    async def story(client: Client) -> None:
        fates = await client.ingest([b"a", b"b"])
        assert [fate.index for fate in fates] == [0, None]

    against(handler, story)
    assert seen == [encoding.encode([b"a", b"b"])]
