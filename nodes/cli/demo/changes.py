"""What the operators and the governing bodies do: the roster's next version, by their commands."""

import asyncio
import base64
import io
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

from ledger.errors import UnavailableError
from ledger.roster import Roster
from ledger.roster_chain import RosterChain
from nodes.adapters.network import CERTIFICATES_FILE, GOVERNANCE_FOLDER
from nodes.cli.demo.office import Office
from nodes.cli.demo.world import World
from nodes.cli.main import main

AGAIN_S: Final = 0.25
SEEN_S: Final = 75.0
CHANGE_S: Final = 75.0

_one_at_a_time: Final = asyncio.Lock()


async def run_here(*arguments: object) -> tuple[int, str]:
    """Run a command of ``shouxin`` in this process; return its status and what it printed."""
    said = io.StringIO()
    # Two at once would print into each other's text.
    async with _one_at_a_time:
        with redirect_stdout(said), redirect_stderr(said):
            status = await asyncio.to_thread(main, [str(it) for it in arguments])
    return status, said.getvalue()


async def shouxin(*arguments: object) -> str:
    """Run a command that is to do what it says, and return what it printed.

    Raises:
        UnavailableError: Its status was not 0.
    """
    status, said = await run_here(*arguments)
    if status != 0:
        words = " ".join(map(str, arguments[:2]))
        raise UnavailableError(f"shouxin {words}: {said[-300:].strip()}")
    return said


async def change(world: World, file: Path) -> float:
    """Have the next version proposed, approved by every member, and in force in every log.

    Args:
        world: Everything that runs; it knows the new version afterwards.
        file: What changes, or the whole version.

    Returns:
        How many seconds it took, from the first approval to the last log's epoch.

    Raises:
        UnavailableError: A command failed, or the version did not come into force in time.
    """
    steward = world.office(world.roster.steward)
    wanted = world.roster.version + 1
    await shouxin("roster", "propose", file, "--node", steward.folder)
    began = time.monotonic()
    for office in world.all():
        await _approve(world, office, wanted)
    arrived = await asyncio.gather(*(_is_in_force(it, wanted) for it in world.all()))
    if not all(arrived):
        raise UnavailableError(f"version {wanted} is not in force", code="no-quorum")
    took_s = time.monotonic() - began
    await learn(world)
    return took_s


async def _approve(world: World, office: Office, version: int) -> None:
    """Sign for one member, again until its node has seen the proposal; the last may be too late."""
    deadline_s = time.monotonic() + SEEN_S
    client = await office.client()
    while time.monotonic() < deadline_s:
        if (await client.roster())["newest"] >= version:
            return  # the others were enough, and sooner
        coming = await client.next_roster()
        if any(said["proposals"] for said in coming["said"].values()):
            break
        await asyncio.sleep(AGAIN_S)
    while True:
        try:
            await shouxin(
                "roster", "approve", "--keys", governance(world, office.code),
                "--region", office.code, "--node", office.folder,
            )  # fmt: skip
        except UnavailableError:
            if office.status and office.status["roster"]["version"] >= version:
                return
            if time.monotonic() >= deadline_s:
                raise
            await asyncio.sleep(AGAIN_S)
        else:
            return


async def _is_in_force(office: Office, version: int) -> bool:
    return await office.until(
        lambda status: status["roster"]["version"] >= version, wait_s=CHANGE_S
    )


async def learn(world: World) -> None:
    """Take the newest version from a node."""
    client = await world.all()[0].client()
    served = await client.roster()
    chain = RosterChain.check([base64.b64decode(signed) for signed in served["signed"]])
    take(world, chain.newest)


def take(world: World, roster: Roster) -> None:
    """Go by a version from here on."""
    world.roster = roster
    for office in world.offices.values():
        office.roster = roster


def governance(world: World, region: str) -> Path:
    """Return the folder of a region's governance key, apart from every node."""
    apart = world.folder / f"{GOVERNANCE_FOLDER}-{region}"
    return apart if apart.exists() else world.folder / GOVERNANCE_FOLDER


def share_certificate(world: World, folder: Path) -> None:
    """Give every member the certificate of a new node."""
    certificate = (folder / "tls" / "node.pem").read_bytes()
    for office in world.all():
        with (office.folder / CERTIFICATES_FILE).open("ab") as known:
            known.write(certificate)
