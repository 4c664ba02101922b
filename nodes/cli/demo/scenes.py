"""The first scenes: who belongs, what is done, who may do it, and several dozen cases."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import permutations
from typing import Any, Final

from ledger.errors import LedgerError
from nodes.cli.demo.cast import (
    CHONGQING,
    GUIZHOU,
    MATERIALS,
    RIGHTS_ALL,
    SICHUAN,
    TIBET,
    TOLERABLE,
    WORKING_DAYS,
    Home,
    load_items,
)
from nodes.cli.demo.flow import Plan, case_name, opening, receive, whole_life
from nodes.cli.demo.lags import WORDS
from nodes.cli.demo.office import HAS_DOCUMENTS, Office
from nodes.cli.demo.terminal import Terminal
from nodes.cli.demo.world import World, now_s
from nodes.cli.show import reason, short, table

CONCURRENT_CASES: Final = 12
QUIET_ACTS: Final = 10
REVOKED_S: Final = 5.0
YEAR_S: Final = 366 * 86_400


async def enrol(world: World, terminal: Terminal) -> None:
    """Departments, halls, windows and officers enter the ledger, each signed by its region."""
    terminal.scene("enrol")
    with terminal.progress(
        "enrol.progress", sum(enrolments(it.home) for it in world.all())
    ) as steps:
        enrolled = (
            # Tibet's department alone seals papers in this story; the others' seals are recorded.
            enrol_region(office, steps.done, seals=HAS_DOCUMENTS and office.code == TIBET.code)
            for office in world.all()
        )
        await asyncio.gather(*enrolled)
    counted = {
        office.code: len((await (await office.client()).object(office.home.receiver))["entries"])
        for office in world.all()
    }
    total = sum(enrolments(office.home) for office in world.all())
    shown = table(*terminal.text("enrol.columns").split("|"))
    for office in world.all():
        home, at = office.home, 0 if terminal.language == "zh" else 1
        shown.add_row(
            (home.name, home.name_en)[at],
            home.city[at],
            home.window,
            short(home.receiver),
            home.competent[at],
            short(home.decider),
        )
    terminal.show(shown)
    terminal.expect("enrol.held", all(counted.values()), count=total, regions=len(counted))


def enrolments(home: Home) -> int:
    """Return how many parties a region enrols."""
    return len(home.units()) + len(home.officers())


async def enrol_region(office: Office, done: Callable[[], None], *, seals: bool) -> None:
    """A region's departments, hall, windows, officers and seal enter its log.

    Args:
        office: The region.
        done: Called after each party.
        seals: Whether papers will be sealed; else the seal's use is recorded, and no key is made.
    """
    home = office.home
    for unit, fields in home.units():
        await office.once("party.enrol", unit, fields)
        done()
    for officer, unit, roles, role in home.officers():
        operator = await office.client()
        key = await operator.make_officer_key(officer)
        fields = {"unit": unit, "key": key, "holder": "region", "roles": list(roles)}
        await office.once("party.enrol", officer, fields)
        await office.give_token(officer, role)
        done()
    await office.give_token(home.auditor, "auditor")
    begins_s = now_s()
    name = f"{home.competent[0]}“跨省通办”专用章"
    # Without the part for documents nothing is sealed, and the ledger's story is told all the same.
    certificate = sha256(home.seal.encode()).digest()
    if seals and await office.index_of("seal.issue", home.seal) is None:
        operator = await office.client()
        held = await operator.make_seal(home.seal, name)
        certificate = bytes.fromhex(held["certificate"])
    seal = {
        "name": name,
        "owner": home.department,
        "keepers": [home.keeper],
        "approval": True,
        "approvers": [home.approver],
        "certificate": certificate,
        "valid_from": begins_s - 60,
        "valid_until": begins_s + YEAR_S,
    }
    await office.once("seal.issue", home.seal, seal)


async def publish(world: World, terminal: Terminal) -> None:
    """Each department publishes the items it decides, out of the catalogue."""
    terminal.scene("publish")
    items = load_items()
    shown = table(*terminal.text("publish.columns").split("|"))
    for office in world.all():
        home = office.home
        await publish_items(office)
        for number in home.items:
            item = items[number]
            competent = home.competent[0 if terminal.language == "zh" else 1]
            status = terminal.text(f"publish.{item.status}")
            shown.add_row(home.item(number), item.name, competent, item.document, status)
    terminal.show(shown)
    terminal.say("publish.codes")


async def publish_items(office: Office) -> None:
    """A region's department publishes what it decides."""
    home, items = office.home, load_items()
    for number in home.items:
        item = items[number]
        fields = {
            "version": 1,
            "title": item.name,
            "code": item.code,
            "department": home.department,
            "materials": sorted(MATERIALS),
            "tolerable": list(TOLERABLE),
            "days": WORKING_DAYS,
        }
        await office.once("item.publish", home.item(number), fields, officer=home.grantor)


async def grant(world: World, terminal: Terminal) -> None:
    """Tibet lends the Chengdu window four rights, Chengdu accepts; then every pair does."""
    terminal.scene("grant")
    tibet, sichuan = world.office(TIBET.code), world.office(SICHUAN.code)
    chengdu = await sichuan.client()
    await sichuan.row(TIBET.item(), tibet.origin, lambda row: row["live"] is True)
    before = await chengdu.check(SICHUAN.window, "intake", TIBET.item())
    terminal.expect(
        "grant.before", before.allowed == "no", code=before.code, why=_why(terminal, before.code)
    )
    await _offer(tibet, sichuan)
    terminal.say("grant.offered", grant=TIBET.grant(SICHUAN))
    offered = await chengdu.check(SICHUAN.window, "intake", TIBET.item())
    terminal.expect("grant.mutual", offered.allowed == "no", code=offered.code)
    await _accept(tibet, sichuan)
    after = await chengdu.check(SICHUAN.window, "intake", TIBET.item())
    reason_said = after.reason_zh if terminal.language == "zh" else after.reason_en
    terminal.expect("grant.after", after.allowed == "yes", why=reason_said)
    decide = await chengdu.check(SICHUAN.window, "decide", TIBET.item())
    terminal.expect(
        "grant.decide", decide.allowed == "no", code=decide.code, why=_why(terminal, decide.code)
    )
    pairs = [
        (owner, grantee)
        for owner, grantee in permutations(world.all(), 2)
        if (owner, grantee) != (tibet, sichuan)
    ]
    await asyncio.gather(*(lend(owner, grantee) for owner, grantee in pairs))
    answers = await asyncio.gather(*(may_take_in(owner, grantee) for owner, grantee in pairs))
    terminal.expect("grant.all", all(answers), count=len(pairs) + 1)


async def may_take_in(owner: Office, grantee: Office) -> bool:
    """Say whether a window may take in papers for another region's department."""
    client = await grantee.client()
    answer = await client.check(grantee.home.window, "intake", owner.home.item())
    return answer.allowed == "yes"


async def lend(owner: Office, grantee: Office, number: str | None = None) -> None:
    """One region's department lends the other's window its rights on an item."""
    await _offer(owner, grantee, number)
    await _accept(owner, grantee, number)


async def _offer(owner: Office, grantee: Office, number: str | None = None) -> None:
    begins_s = now_s()
    fields = {
        "item": owner.home.item(number),
        "item_version": 1,
        "window": grantee.home.window,
        "rights": list(RIGHTS_ALL),
        "valid_from": begins_s - 60,
        "valid_until": begins_s + YEAR_S,
        "staleness_s": owner.roster.constants.staleness_s,
    }
    offered = await owner.act(
        "grant.offer", owner.home.grant(grantee.home, number), fields, officer=owner.home.grantor
    )
    await grantee.sees(owner.origin, offered.index)


async def _accept(owner: Office, grantee: Office, number: str | None = None) -> None:
    await grantee.act(
        "grant.accept",
        owner.home.grant(grantee.home, number),
        {"window": grantee.home.window, "item": owner.home.item(number)},
        officer=grantee.home.manager,
    )


async def cases(world: World, terminal: Terminal, count: int) -> list[Plan]:
    """Cases run through their whole life, several at a time, between all pairs of regions."""
    plans = make_plans(world, count)
    terminal.scene(
        "cases", count=len(plans), pairs=len({(it.window.code, it.owner.code) for it in plans})
    )
    began = time.monotonic()
    gate = asyncio.Semaphore(CONCURRENT_CASES)
    acts = sum(office.acts for office in world.all())
    with terminal.progress("cases.progress", len(plans)) as steps:

        async def carried(plan: Plan) -> str:
            async with gate:
                try:
                    await whole_life(plan)
                except LedgerError as error:
                    return f"{plan.name}: {error.code}: {error}"
                steps.done()
                return ""

        failed = [it for it in await asyncio.gather(*map(carried, plans)) if it]
    for words in failed[:5]:
        terminal.quote(words, "red")
    took_s = time.monotonic() - began
    acts = sum(office.acts for office in world.all()) - acts
    terminal.expect(
        "cases.closed", not failed, count=len(plans) - len(failed), acts=acts, took=took_s
    )
    _tell_directions(world, terminal, plans)
    _tell_lags(world, terminal)
    await everyone_agrees(world, terminal, plans)
    return plans


def make_plans(world: World, count: int) -> list[Plan]:
    """Return the cases: every pair of regions in turn, some with a notice, some refused."""
    pairs = list(permutations(world.all(), 2))
    numbers = dict.fromkeys(world.offices, 0)
    plans = []
    for at in range(count):
        owner, window = pairs[at % len(pairs)]
        numbers[window.code] += 1
        plans.append(
            Plan(
                case_name(window.home, numbers[window.code]),
                window,
                owner,
                noticed=at % 5 == 2,
                result="refused" if at % 9 == 4 else "granted",
            )
        )
    return plans


def _tell_directions(world: World, terminal: Terminal, plans: Sequence[Plan]) -> None:
    """Show how many cases each region took in for each other."""
    at = 0 if terminal.language == "zh" else 1
    names = {it.code: (it.home.name, it.home.name_en)[at] for it in world.all()}
    counts = Counter((plan.window.code, plan.owner.code) for plan in plans)
    head = terminal.text("cases.directions")
    shown = table(head, *names.values(), right=range(1, len(names) + 1))
    for window, name in names.items():
        shown.add_row(name, *(str(counts[window, owner] or "·") for owner in names))
    terminal.show(shown)


def _tell_lags(world: World, terminal: Terminal) -> None:
    shown = table(*terminal.text("cases.lags").split("|"), right=(1, 2, 3))
    for word, row in world.lags.fields().items():
        cells = (f"{row['count']:.0f}", f"{row['p50']:.0f} ms", f"{row['p95']:.0f} ms")
        shown.add_row(terminal.text(f"word.{word}"), *cells)
    terminal.show(shown)


async def everyone_agrees(world: World, terminal: Terminal, plans: Sequence[Plan]) -> None:
    """Ask every node about every case: closed, held by nobody, and no rule broken."""
    await settled(world)
    wrong: list[str] = []

    async def ask(office: Office) -> None:
        for plan in plans:
            told = await office.case(plan.name)
            if told["stage"] != "closed" or told["holder"] is not None or told["findings"]:
                wrong.append(f"{office.code}: {told['case']} {told['stage']} {told['findings']}")

    await asyncio.gather(*map(ask, world.all()))
    for words in wrong[:5]:
        terminal.quote(words, "red")
    terminal.expect("cases.agreed", not wrong, count=len(plans), regions=len(world.offices))


async def settled(world: World, *, wait_s: float = 20.0) -> bool:
    """Wait until every node has judged every log as far as its writer has written it."""
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        if is_settled(world):
            return True
        await world.all()[0].next_news()
    return False


def is_settled(world: World) -> bool:
    """Say whether all nodes know the same."""
    statuses = [office.status for office in world.all()]
    if not all(statuses):
        return False
    sizes = {status["origin"]: status["size"] for status in statuses}
    return all(
        status["replicated_size"] >= status["size"]
        and all(
            log.get("judged_size") == sizes[origin]
            for origin, log in status["logs"].items()
            if origin in sizes
        )
        for status in statuses
    )


async def quiet(world: World, terminal: Terminal) -> None:
    """One act at a time: how long the three words take when nobody else asks for anything."""
    tibet = world.office(TIBET.code)
    for word in WORDS:
        for number in range(QUIET_ACTS):
            fields = {
                "title": "西南五省政务服务“跨省通办”工作实施方案",
                "document": "藏政办发〔2021〕21号",
                "valid_from": 1_624_464_000,
                "valid_until": now_s() + YEAR_S,
            }
            basis = f"{TIBET.code}/basis/2021-21-{word}-{number}"
            sent_s = time.monotonic()
            acted = await tibet.act(
                "basis.publish", basis, fields, officer=TIBET.grantor, wait=word
            )
            world.quiet.take(word, acted.finality, (time.monotonic() - sent_s) * 1000)
            await tibet.until(_replicates(acted.index))
    tibet.forget_pending()
    figures = world.quiet.fields()
    terminal.say(
        "quiet.figures", count=QUIET_ACTS, **{word: row["p50"] for word, row in figures.items()}
    )


def _replicates(index: int) -> Callable[[Mapping[str, Any]], bool]:
    def holds(status: Mapping[str, Any]) -> bool:
        return bool(status["replicated_size"] > index)

    return holds


async def refuse(world: World, terminal: Terminal) -> None:
    """A window without the right is refused, and told why, in advance and at the act."""
    terminal.scene("refuse")
    sichuan = world.office(SICHUAN.code)
    client = await sichuan.client()
    answer = await client.check(SICHUAN.other_window, "intake", TIBET.item())
    terminal.expect(
        "refuse.check",
        answer.allowed == "no" and answer.code == "no-grant",
        window=SICHUAN.other_window,
        code=answer.code,
        why=_why(terminal, answer.code),
    )
    plan = Plan(case_name(SICHUAN, 900_001), sichuan, world.office(TIBET.code))
    borrowed = opening(plan) | {"window": SICHUAN.other_window}
    await _refusal(
        world, terminal, "refuse.borrowed", sichuan, plan.name, borrowed, SICHUAN.other_receiver,
        "window-not-granted",
    )  # fmt: skip
    bare = {key: value for key, value in borrowed.items() if key != "grant"}
    await _refusal(
        world, terminal, "refuse.bare", sichuan, plan.name, bare, SICHUAN.other_receiver, "no-grant"
    )
    guizhou = world.office(GUIZHOU.code)
    await receive(held := Plan(case_name(GUIZHOU, 900_002), guizhou, world.office(CHONGQING.code)))
    extra = {"missing": ["bank-statement"], **held.lent}
    await _refusal(
        world, terminal, "refuse.extra", guizhou, held.name, extra, GUIZHOU.receiver,
        "extra-material", kind="case.notice",
    )  # fmt: skip
    decision: Mapping[str, Any] = {"result": "granted", "basis": "无", "document": bytes(32)}
    await _refusal(
        world, terminal, "refuse.decide", guizhou, held.name, decision, GUIZHOU.receiver,
        "decision-stays", kind="case.decide",
    )  # fmt: skip
    named = {"missing": ["photo"], "remark": "联系电话 13812345678", **held.lent}
    await _refusal(
        world, terminal, "refuse.personal", guizhou, held.name, named, GUIZHOU.receiver,
        "personal-data", kind="case.notice",
    )  # fmt: skip


async def _refusal(  # noqa: PLR0917 - one line of a table each
    world: World,
    terminal: Terminal,
    name: str,
    office: Office,
    subject: str,
    body: Mapping[str, Any],
    officer: str,
    code: str,
    *,
    kind: str = "case.open",
) -> None:
    """Try what must be refused, tell the refusal, and remember it."""
    error = await office.refused(kind, subject, body, officer=officer)
    said = "" if error is None else error.code
    world.refusals.append(
        {
            "region": office.code,
            "kind": kind,
            "subject": subject,
            "code": said,
            "detail": str(error),
        }
    )
    terminal.expect(name, said == code, code=said, why=_why(terminal, said), by=short(officer))


def _why(terminal: Terminal, code: str) -> str:
    return reason(code, terminal.language)


async def revoke(world: World, terminal: Terminal) -> None:
    """A grant is used, revoked, and the next use refused, in another region's log."""
    terminal.scene("revoke")
    tibet, sichuan = world.office(TIBET.code), world.office(SICHUAN.code)
    number = TIBET.items[1]
    await lend(tibet, sichuan, number)
    used = Plan(case_name(SICHUAN, 900_011), sichuan, tibet, number=number)
    opened = await sichuan.act("case.open", used.name, opening(used), officer=SICHUAN.receiver)
    terminal.say("revoke.used", grant=used.grant, index=opened.index)
    began = time.monotonic()
    revoked = await tibet.act(
        "grant.revoke", used.grant, {"reason": "授权范围调整"}, officer=TIBET.grantor
    )
    await sichuan.sees(tibet.origin, revoked.index)
    client = await sichuan.client()
    answer = await client.check(SICHUAN.window, "intake", TIBET.item(number))
    while answer.allowed == "yes" and time.monotonic() - began < REVOKED_S:
        await sichuan.next_news()
        answer = await client.check(SICHUAN.window, "intake", TIBET.item(number))
    took_ms = (time.monotonic() - began) * 1000
    terminal.expect(
        "revoke.check",
        answer.code == "grant-not-live",
        took=took_ms,
        why=_why(terminal, answer.code),
    )
    again = Plan(case_name(SICHUAN, 900_012), sichuan, tibet, number=number)
    await _refusal(
        world, terminal, "revoke.refused", sichuan, again.name, opening(again), SICHUAN.receiver,
        "grant-not-live",
    )  # fmt: skip
    first = await client.check(SICHUAN.window, "intake", TIBET.item())
    terminal.expect("revoke.other", first.allowed == "yes", grant=TIBET.grant(SICHUAN))
