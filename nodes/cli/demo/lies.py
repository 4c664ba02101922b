"""Two regions lie: one forks its log, one swears as a witness that the past was another."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.errors import LedgerError, UnavailableError
from ledger.note import checkpoint_of
from nodes.adapters.network import CERTIFICATES_FILE
from nodes.cli.demo.cast import CHONGQING, GUIZHOU, SICHUAN, TIBET
from nodes.cli.demo.changes import run_here
from nodes.cli.demo.office import Office
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.traffic import Traffic
from nodes.cli.demo.trouble import one_act, said_json
from nodes.cli.demo.world import World
from nodes.cli.show import table

CONVICTED_S: Final = 20.0
LOOK_S: Final = 0.1
SAID_S: Final = 30.0


async def fork(world: World, terminal: Terminal, traffic: Traffic) -> Path:
    """A region shows each half of the others another history, and is convicted at every one.

    Returns:
        A note of Sichuan's log as it was before, for who wants to go back to it.
    """
    terminal.scene("fork")
    liar = world.office(GUIZHOU.code)
    await traffic.without(liar.code)
    await _told_to_all(world, liar)
    note = await _keep_note(world)
    await liar.stop()
    world.gone.add(liar.code)
    quorum, size = world.roster.quorum(liar.origin), 0
    async with _altered(world, liar, "fork") as altered:
        shown = await altered.said()
        began = time.monotonic()
        size = shown["size"]
        _tell_shown(world, terminal, [*shown["shown"], shown["both"]])
        signed = [it["root"] for it in shown["shown"] if "witness" in it["lines"]]
        most = max((signed.count(root) for root in signed), default=0)
        terminal.expect(
            "fork.halves",
            len(signed) == len(shown["shown"]) and most < quorum,
            count=len(signed),
            most=most,
            quorum=quorum,
        )
        both = shown["both"]
        terminal.expect(
            "fork.both", not both["lines"], at=terminal.name(world.office(both["region"]).home)
        )
        everyone = world.all()
        found = await _convicted(everyone, "log", liar.code)
        took_ms = (time.monotonic() - began) * 1000
        terminal.expect(
            "fork.convicted", len(found) == len(everyone), count=len(found), took=took_ms
        )
        await altered.go_on()
        refused = (await altered.said())["refused"]
    cosigned = [it["region"] for it in refused if it["lines"]]
    terminal.expect("fork.refused", len(refused) > 0 and not cosigned, count=len(refused))
    verdict = await _evidence(world, terminal, "fork", found)
    signs = await asyncio.gather(*(one_act(office, "after-the-fork") for office in world.all()))
    terminal.expect("fork.others", all(it["mirror"] for it in signs), count=len(signs))
    world.verdicts["fork"] = {
        "region": liar.code, "size": size, "convicted_at": sorted(found),
        "took_ms": round(took_ms), "cosigned_after": cosigned, "evidence": verdict,
    }  # fmt: skip
    return note


async def swear(world: World, terminal: Terminal, old: Path) -> None:
    """A witness signs that a log is smaller than it has signed before, and is convicted."""
    terminal.scene("swear")
    liar, sichuan, tibet = (world.office(it.code) for it in (CHONGQING, SICHUAN, TIBET))
    await one_act(sichuan, "before-the-lie")
    size = sichuan.status["size"]
    arguments = ("--old", str(old), "--to", tibet.code)
    began = time.monotonic()
    async with _altered(world, liar, "swear", *arguments) as altered:
        sworn = await altered.said()
    terminal.say("swear.sworn", size=sworn["size"], before=size)
    found = await _convicted(world.all(), "witness", liar.code)
    took_ms = (time.monotonic() - began) * 1000
    everyone = len(world.all())
    terminal.expect("swear.convicted", len(found) == everyone, count=len(found), took=took_ms)
    verdict = await _evidence(world, terminal, "swear", found)
    signs = await asyncio.gather(*(one_act(office, "after-the-lie") for office in world.all()))
    terminal.expect("swear.counts", all(it["mirror"] for it in signs), count=len(signs))
    world.verdicts["swear"] = {
        "region": liar.code, "log": sworn["log"], "sizes": [sworn["size"], size],
        "convicted_at": sorted(found), "took_ms": round(took_ms), "evidence": verdict,
    }  # fmt: skip


async def _told_to_all(world: World, office: Office) -> None:
    """Wait until every other node holds all that a region has written."""
    size = office.status["size"]
    others = [it for it in world.all() if it is not office]
    await asyncio.gather(
        *(
            it.until(lambda status: status["logs"][office.origin].get("judged_size") == size)
            for it in others
        )
    )


async def _keep_note(world: World) -> Path:
    """Keep the newest note of Sichuan's log in a file."""
    client = await world.office(SICHUAN.code).client()
    path = world.folder / "sichuan.note"
    path.write_bytes(await client.fetch("/log/checkpoint"))
    assert checkpoint_of(path.read_bytes()).size
    return path


def _tell_shown(world: World, terminal: Terminal, shown: Sequence[dict[str, Any]]) -> None:
    made = table(*terminal.text("fork.columns").split("|"))
    for it in shown:
        signs = terminal.text("fork.signs" if it["lines"] else "fork.signs-not")
        made.add_row(terminal.name(world.office(it["region"]).home), it["root"][:16] + "…", signs)
    terminal.show(made)


async def _evidence(
    world: World, terminal: Terminal, scene: str, found: dict[str, str]
) -> dict[str, Any]:
    """Export what convicts a key, and check it with nothing but the genesis roster."""
    office = world.all()[0]
    name = found.get(office.code, "")
    good, bad = world.folder / f"{scene}.evidence", world.folder / f"{scene}-changed.evidence"
    client = await office.client()
    try:
        data = await client.evidence(name)
    except LedgerError as error:
        data = str(error).encode()
    good.write_bytes(data)
    bad.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    genesis = ("--roster", str(world.genesis), "--json")
    status, said = await run_here("verify", good, *genesis)
    bad_status, _ = await run_here("verify", bad, *genesis)
    verdict = said_json(said)
    terminal.expect(
        f"{scene}.evidence",
        status == 0 and verdict.get("verified") is True and bad_status != 0,
        size=len(data),
    )
    terminal.quote(str(verdict.get("detail", said[-200:])))
    return {"status": status, "changed_byte": bad_status} | {
        key: verdict.get(key) for key in ("against", "region", "shown", "sizes")
    }


async def _convicted(offices: Sequence[Office], against: str, region: str) -> dict[str, str]:
    """Wait until all offices hold a region's key convicted; return the key's object by office."""
    found = await asyncio.gather(*(_convicted_at(it, against, region) for it in offices))
    return {office.code: name for office, name in zip(offices, found, strict=True) if name}


async def _convicted_at(office: Office, against: str, region: str) -> str:
    client = await office.client()
    deadline_s = time.monotonic() + CONVICTED_S
    while time.monotonic() < deadline_s:
        for key in (await client.found())["convicted"]:
            if (key["against"], key["region"]) == (against, region):
                return str(key["subject"])
        await asyncio.sleep(LOOK_S)
    return ""


@dataclass(slots=True)
class _Altered:
    """The process that lies."""

    process: asyncio.subprocess.Process

    async def said(self) -> dict[str, Any]:
        """Return the next line that it prints.

        Raises:
            UnavailableError: ``no-start``: it ended instead.
        """
        assert self.process.stdout is not None
        async with asyncio.timeout(SAID_S):
            line = await self.process.stdout.readline()
        if not line:
            raise UnavailableError("the altered node ended", code="no-start")
        said: dict[str, Any] = json.loads(line)
        return said

    async def go_on(self) -> None:
        """Let it take its next step."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()


@asynccontextmanager
async def _altered(
    world: World, office: Office, lie: str, *arguments: str
) -> AsyncIterator[_Altered]:
    """Run the process that lies, with the keys in a region's folder."""
    honest = world.all()[0]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nodes.cli.demo.liar", lie, str(office.folder),
        "--ask", honest.url, "--certificates", str(honest.folder / CERTIFICATES_FILE), *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield _Altered(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
