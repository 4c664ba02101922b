"""A region as the story's people use it: its node, its officers' tokens, what it sees."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ledger.errors import LedgerError, NotFoundError, UnavailableError
from ledger.names import number_of_origin
from ledger.roster import Roster
from nodes.cli.demo.cast import Home
from nodes.cli.demo.lags import Lags, Pending
from nodes.cli.processes import NodeProcess
from nodes.client import Acted, Client, Patience, Word

WATCH_S: Final = 0.04
WATCH_S_MAX: Final = 0.5
IDLE_S: Final = 0.25
ONCE_TRIES: Final = 3
ACCEPT: Final = "grant.accept"
WAIT_S: Final = 25.0

HAS_DOCUMENTS: Final = find_spec("pylopdf_fonts_zh_cn") is not None
"""Whether the optional part that papers are drawn with is installed, here and so at the nodes."""

# A story asks once, and tells what it was told.
_ONCE: Final = Patience(attempts_max=1)
_PATIENT: Final = Patience(attempts_max=4)


@dataclass(slots=True, kw_only=True)
class Office:
    """One region.

    Args:
        config: Of its node.
        operator: The operator's token.
        outbox: Folder where its callers keep acts until they are replicated; None for in memory.
        watch_s: How often its node is asked while somebody waits.
        goes_on: Whether what is done ``once`` may stand already, from a time that broke off.
        status: What its node last said of itself; empty while it does not answer.
    """

    home: Home
    config: Path
    operator: str
    roster: Roster
    lags: Lags
    outbox: Path | None = None
    watch_s: float = WATCH_S
    goes_on: bool = False
    process: NodeProcess | None = None
    status: dict[str, Any] = field(default_factory=dict)
    acts: int = 0
    _tokens: dict[str, str] = field(default_factory=dict)
    _clients: dict[str, Client] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _watching: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _pending: Pending = field(init=False)

    def __post_init__(self) -> None:
        self._pending = Pending(self.lags)

    @property
    def code(self) -> str:
        """The region."""
        return self.home.code

    @property
    def origin(self) -> str:
        """The log it writes."""
        return self.roster.origin_of(self.code)

    @property
    def life(self) -> str:
        """What numbers begin with that its log gives out: nothing, or ``2-`` in its second log."""
        number = number_of_origin(self.origin)
        return "" if number == 1 else f"{number}-"

    @property
    def url(self) -> str:
        """Where its node listens."""
        return self.roster.member(self.code).url

    @property
    def folder(self) -> Path:
        """Where its node's things lie."""
        return self.config.parent

    # ---- the node -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the node's process, and watch it."""
        self.process = await NodeProcess.start(self.code, self.config, {})
        self.watch()

    def watch(self) -> None:
        """Watch a node that somebody runs."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop the node in good order."""
        self._pending.forget()
        if self.process is not None:
            await self.process.stop()
        self.status = {}

    async def kill(self) -> None:
        """End the node as a power cut would."""
        self._pending.forget()
        assert self.process is not None
        await self.process.kill()
        self.status = {}

    async def close(self) -> None:
        """End everything."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await self._stack.aclose()
        if self.process is not None:
            await self.process.stop()

    async def _watch(self) -> None:
        """Ask the node every few milliseconds how far it has come."""
        async with Client(self.url, patience=_ONCE) as client:
            while True:
                asked_s = time.monotonic()
                try:
                    self.status = await client.status()
                    self._pending.see(self.status, time.monotonic())
                except LedgerError:
                    self.status = {}
                self._wanted.clear()
                self._news.set()
                self._news = asyncio.Event()
                # Answers that take long come from nodes that have much to do: they are asked less.
                took_s = time.monotonic() - asked_s
                await asyncio.sleep(max(self.watch_s, min(4 * took_s, WATCH_S_MAX)))
                if not self._pending.replicated:
                    # Nobody waits: asking all the time would only take the nodes' time.
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wanted.wait(), IDLE_S)

    async def until(
        self, holds: Callable[[Mapping[str, Any]], bool], *, wait_s: float = WAIT_S
    ) -> bool:
        """Wait until what the node says of itself fits; say whether it did in time."""
        try:
            async with asyncio.timeout(wait_s):
                while not (self.status and holds(self.status)):
                    await self.next_news()
        except TimeoutError:
            return False
        return True

    async def next_news(self) -> None:
        """Wait until the node has been asked again."""
        self._wanted.set()
        await self._news.wait()

    def forget_pending(self) -> None:
        """Leave acts that wait for other regions out of the figures."""
        self._pending.forget()

    # ---- people ---------------------------------------------------------------------------------

    async def client(self, party: str = "", *, patient: bool = True) -> Client:
        """Return the client of an officer, or of the operator."""
        key = f"{party} {patient}"
        if key not in self._clients:
            token = self._tokens[party] if party else self.operator
            made = Client(
                self.url,
                token,
                roster=self.roster,
                region=self.code,
                keep=None if self.outbox is None else self.outbox / party.replace("/", "."),
                patience=_PATIENT if patient else _ONCE,
            )
            self._clients[key] = await self._stack.enter_async_context(made)
        return self._clients[key]

    async def give_token(self, party: str, role: str) -> None:
        """Have the operator give a party its token."""
        operator = await self.client()
        issued = await operator.issue_token(party, role)
        self._tokens[party] = issued["token"]

    async def act(
        self,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
        *,
        officer: str = "",
        wait: Word = "accepted",
        timeout_ms: int = 10_000,
        patient: bool = True,
    ) -> Acted:
        """Record an act, by an officer or by the region itself, and take its times."""
        client = await self.client(officer, patient=patient)
        sent_s = time.monotonic()
        acted = await client.act(
            kind, subject, body, officer=officer or None, wait=wait, timeout_ms=timeout_ms
        )
        if wait == "accepted":
            self.lags.accepted.append((time.monotonic() - sent_s) * 1000)
            self._pending.add(acted.index, sent_s)
        self.acts += 1
        return acted

    async def once(
        self, kind: str, subject: str, body: Mapping[str, Any], *, officer: str = ""
    ) -> int:
        """Record an act on a subject that has no other of its kind; return its index.

        Where this office goes on, the act may stand, and one whose outcome is unknown is looked for
        and tried again: on a slow machine an answer may take longer than anybody waits.
        """
        tries_left = ONCE_TRIES if self.goes_on else 1
        while True:
            tries_left -= 1
            if self.goes_on and (index := await self.index_of(kind, subject)) is not None:
                return index
            try:
                return (await self.act(kind, subject, body, officer=officer)).index
            except UnavailableError:
                if not tries_left:
                    raise

    async def index_of(self, kind: str, subject: str) -> int | None:
        """Return where the newest act on a subject stands in the own log; None: none of a kind.

        A grant within the region has its offer and its answer in one log.
        """
        for fact in await self._facts(subject):
            if fact["origin"] == self.origin and (kind != ACCEPT or "ans" in fact["state"]):
                return int(fact["index"])
        return None

    async def refused(
        self, kind: str, subject: str, body: Mapping[str, Any], *, officer: str = ""
    ) -> LedgerError | None:
        """Try an act that should be refused, and return the refusal; None if it was taken."""
        try:
            await self.act(kind, subject, body, officer=officer, patient=False)
        except LedgerError as error:
            return error
        return None

    # ---- what the node sees ---------------------------------------------------------------------

    async def sees(self, origin: str, index: int) -> None:
        """Wait until an entry of another log can be relied on here.

        Raises:
            UnavailableError: ``not-seen``: not in time.
        """

        def holds(status: Mapping[str, Any]) -> bool:
            log = status["logs"].get(origin, {})
            known = log.get("known", {}).get("size", 0)
            # A note counts once all that it covers is judged; till then an older one is used.
            usable = known if known <= log.get("judged_size", 0) else 0
            reached: int = max(usable, log.get("view", {}).get("size", 0))
            return reached > index

        if not await self.until(holds):
            raise UnavailableError(f"{self.code} did not see {origin} {index}", code="not-seen")

    async def row(
        self, name: str, origin: str, fits: Callable[[Mapping[str, Any]], bool]
    ) -> Mapping[str, Any]:
        """Wait until the newest row of an object in a log fits, and can be relied on here.

        Raises:
            UnavailableError: ``not-seen``: not in time.
        """
        deadline_s = time.monotonic() + WAIT_S
        asked_at = -1
        while time.monotonic() < deadline_s:
            judged = self.status.get("logs", {}).get(origin, {}).get("judged_size", 0)
            if judged != asked_at:
                asked_at = judged
                for fact in await self._facts(name):
                    if fact["origin"] == origin and fits(fact["state"]):
                        if origin != self.origin:
                            await self.sees(origin, fact["index"])
                        state: Mapping[str, Any] = fact["state"]
                        return state
            await self.next_news()
        raise UnavailableError(f"{self.code} waits for {name} in {origin}", code="not-seen")

    async def _facts(self, name: str) -> list[dict[str, Any]]:
        client = await self.client()
        try:
            found: list[dict[str, Any]] = (await client.object(name))["facts"]
        except NotFoundError:
            return []
        return found

    async def case(self, name: str) -> dict[str, Any]:
        """Return a case's timeline, as this region's node tells it."""
        client = await self.client()
        return await client.case(name)
