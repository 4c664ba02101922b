"""Whatever an altered node writes, every other node finds the same, by the same code.

The acts come from the rules' own tests: each act that a rule refuses there is written into the log
all the same, as a node would that keeps no rules. The table of codes in the formats says which must
be met.
"""

import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from authz.party import type_of
from ledger.errors import LedgerError
from ledger.hashing import hash_leaf
from ledger.judge import CORRECTS
from ledger.kind import Fact, Judgement, ViewFact
from ledger.roster_chain import RosterChain
from ledger.statement import ROLE_VIEW, Act, Statement, sign_statement
from ledger.tiles import extend_tiles
from ledger.views import view_body
from nodes.core.follower import Follower
from nodes.core.ground import Ground
from nodes.core.kinds import KINDS
from nodes.core.limits import Limits
from nodes.core.log_state import LogState
from nodes.core.projection import Projection
from nodes.core.ready import FindingRow
from nodes.core.rosters import Rosters
from nodes.core.sight import Sight
from tests.authz import world as worlds
from tests.authz.refusing_lines import all_lines, places_of, was_met
from tests.authz.world import REGIONS, ROSTER, SIGNED, World
from tests.vectors.own.network import TIME_S, key

ROOT = Path(__file__).parents[2]
MODULES = (
    "authz/test_party",
    "authz/test_item",
    "authz/test_grant",
    "authz/test_grant_terms",
    "authz/test_grant_scope",
    "authz/test_representative",
    "authz/test_branch",
    "authz/test_case",
    "authz/test_custody",
    "authz/test_calendar",
    "authz/test_correction",
    "authz/test_records",
    "authz/test_records_of_cases",
    "authz/test_records_of_offices",
    "authz/test_beside",
    "authz/test_token",
    "authz/test_vault",
    "authz/test_checks",
    "authz/test_stopped",
    "authz/test_blanks",
    "seals/test_usage",
)
ELSEWHERE = {
    # Of time: the writer's clock refuses, and what other nodes find is `declared-time`, in
    # test_projection.
    "future-time",
    "stale-time",
    "declared-time",
    # Of keys of another suite, in test_suite.
    "suite-not-named",
    # Of the log's own words about the roster, in test_roster_acts.
    "not-proposer",
    "not-proposed",
    "other-proposal",
    "already-signed",
    "pin-not-replicated",
    # Of the same, and of more members than these worlds have, in ledger/test_roster_change.
    "version-too-large",
    # Of logs that follow a lost one, in their own tests.
    "not-lost",
    "already-salvaged",
    "wrong-number",
}
UNREACHED = frozenset(
    {
        # These worlds' roster names no SM2: tests/nodes/test_suite and tests/authz/test_vault.
        ("authz/party.py", "_check_suite", "bad-field"),
        ("authz/party.py", "_check_suite", "bad-key"),
        ("authz/party.py", "_check_suite", "suite-not-named"),
        ("authz/party.py", "_check_suite", "check_point"),
        ("authz/party.py", "_new_key", "_check_suite"),
        ("authz/tables/vault.py", "_check_key", "check_point"),
        ("authz/tables/vault.py", "_check_key", "bad-key"),
        ("authz/tables/vault.py", "_check_key", "suite-not-named"),
        # Asked before a paper is made; of an act, the table of lives says it first: test_papers.
        ("seals/usage.py", "_check_approval", "use-refused"),
    }
)
"""Lines of rules that no act in a log of these worlds can reach, and where they are tested."""
CHAIN = RosterChain.check([SIGNED.encode()])
LATER_S = 400 * 86_400


@dataclass
class Shelf:
    """Logs and what they were judged to mean, in memory: what a node's store answers."""

    logs: Mapping[str, Sequence[bytes]]
    facts_of: dict[tuple[str, str], list[Fact]] = field(default_factory=dict)

    def facts(self, wanted: Sequence[tuple[str, str, int]]) -> list[Fact | None]:
        return [
            next(
                (it for it in reversed(self.facts_of.get((of, name), ())) if it.index < below), None
            )
            for of, name, below in wanted
        ]

    def facts_between(self, origin: str, name: str, low: int, high: int) -> list[Fact]:
        return [it for it in self.facts_of.get((origin, name), ()) if low <= it.index < high]

    def leaves(self, wanted: Sequence[tuple[str, int]]) -> list[bytes | None]:
        return [
            hash_leaf(self.logs[of][at]) if at < len(self.logs.get(of, ())) else None
            for of, at in wanted
        ]

    def entries(self, origin: str, start: int, end: int) -> Sequence[bytes]:
        return self.logs[origin][start:end]

    def tiles(self, origin: str, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        held = extend_tiles(0, (), [hash_leaf(entry) for entry in self.logs[origin]]).tiles
        return {place: held[place] for place in wanted if place in held}


def judge(
    logs: Mapping[str, Sequence[bytes]],
    order: Sequence[str],
    chunk: int,
    chain: RosterChain = CHAIN,
) -> set[FindingRow]:
    """Every finding of a node at which logs arrive in an order, a piece at a time."""
    shelf = Shelf(logs)
    sight = Sight(10_000)
    follower: Follower

    def state_of(origin: str) -> LogState | None:
        return follower.states.get(origin)

    projection = Projection(Ground(Rosters(chain), KINDS, sight, state_of))
    follower = Follower(projection, Limits(judged_chunk_entries_max=chunk))
    found: set[FindingRow] = set()
    stored: dict[str, int] = {}
    for origin in order:
        stored[origin] = len(logs[origin])
        for judged in follower.step(stored, (TIME_S + LATER_S) * 1000, shelf):  # type: ignore[arg-type]
            for fact in judged.effects.facts:
                shelf.facts_of.setdefault((fact.origin, fact.object), []).append(fact)
            found |= set(judged.effects.findings)
            sight.settle()
    assert {origin: follower.judged_size(origin) for origin in order} == stored
    return found


# ---- the acts that rules refuse -----------------------------------------------------------------


@dataclass(frozen=True)
class Hostile:
    """An act that a rule refuses, in the log of a region that has written it all the same."""

    code: str
    kind: str
    region: str
    logs: Mapping[str, tuple[bytes, ...]]


def view(self: World, region: str, of: str) -> ViewFact:
    """Record a real view; like ``World.view``, with lines and a declared time of now."""
    log, other = self.logs[region], self.logs[of]
    size = len(other.statements)
    known = self.viewed.get((region, of))
    if known is not None and known.size == size:
        return known
    regions = ROSTER.witnesses_of(other.origin)[: ROSTER.quorum(other.origin)]
    lines = other.lines(regions, "mirror", times=[self.now_s] * len(regions))
    body = view_body(other.note(), ROSTER, lines)
    before = [it.leaf for it in log.statements if it.subject == other.origin]
    act = Act("log.view", 1, before[-1] if before else None, (), body)
    made = sign_statement(key(region, "issuer"), region, other.origin, self.now_s, act)
    log.statements.append(made)
    root = other.checkpoint().root
    index = len(log.statements) - 1
    self.viewed[region, of] = ViewFact(index, made.leaf, other.origin, size, root, self.now_s)
    return self.viewed[region, of]


def written_anyway(world: World, kind: str, issuer: str, subject: str, given: Any) -> Statement:
    """The act as a node would sign it that does not even know what it wants."""
    region = given.get("region") or issuer[:6]
    own = world.newest(region, subject)
    act = Act(kind, 1, None if own is None else own.leaf, (), given["body"])
    signer = key(issuer, "issuer") if len(issuer) == 6 else key(issuer)
    return sign_statement(signer, issuer, subject, world.now_s, act)


def calls_of(module: ModuleType, function: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """The arguments of each case of a test; none where it asks for more than its parameters.

    A fixture ``world`` is what everybody enrolled makes of it.
    """
    axes = []
    for mark in getattr(function, "pytestmark", ()):
        names = mark.args[0]
        names = names.replace(" ", "").split(",") if isinstance(names, str) else list(names)
        rows = [
            it.values if isinstance(it, ParameterSet) else it if len(names) > 1 else (it,)
            for it in mark.args[1]
        ]
        axes.append([dict(zip(names, row, strict=True)) for row in rows])
    wanted = set(inspect.signature(function).parameters)
    for rows in product(*axes):
        made = {name: value for row in rows for name, value in row.items()}
        if "world" in wanted:
            made["world"] = module.ENROLLED.copy()
        if made.keys() == wanted:
            yield made


@dataclass
class Harvest:
    """What the rules' own tests see refused.

    Args:
        acts: One for each kind and code.
        places: Lines of the project that a refusal has come through.
        stood: For each kind, the roles in which acts that stood cited, and the types of what they
            changed beside their subject.
        signed: The kinds and rows of officers who signed such acts.
    """

    acts: dict[tuple[str, str], Hostile] = field(default_factory=dict)
    places: set[tuple[str, int]] = field(default_factory=set)
    stood: dict[str, tuple[set[str], set[str]]] = field(default_factory=dict)
    signed: list[tuple[str, Fact]] = field(default_factory=list)

    def note(self, act: Statement, signer: Fact | None, judgement: Judgement) -> None:
        """Keep who signed an act that stands, and what it cited and changed."""
        if signer is not None:
            self.signed.append((act.act.kind, signer))
        cites, changes = self.stood.setdefault(act.act.kind, (set(), set()))
        # What other regions have open of a case is cited with their names.
        roles = {re.sub(r"-\d{6}$", "", it.role) for it in act.act.citations}
        cites |= roles - {ROLE_VIEW, CORRECTS}
        changes |= {type_of(it.object) for it in judgement.changes if it.object != act.subject}


def harvest() -> Harvest:
    """Run the rules' own tests, and keep what they see refused."""
    harvested = Harvest()
    found = harvested.acts
    patch = pytest.MonkeyPatch()
    do = World.do

    def watched(self: World, kind: str, issuer: str, subject: str, body: Any, **more: Any) -> Any:
        try:
            judgement = do(self, kind, issuer, subject, body, **more)
        except LedgerError as error:
            harvested.places |= places_of(error.__traceback__)
            if (kind, error.code) not in found:
                other = self.copy()
                region = more.get("region") or issuer[:6]
                before = len(other.logs[region].statements)
                with pytest.raises(LedgerError):
                    do(other, kind, issuer, subject, body, **{**more, "force": True})
                log = other.logs[region]
                if len(log.statements) == before or log.statements[-1].act.kind != kind:
                    try:
                        given = {**more, "body": body}
                        log.statements.append(written_anyway(other, kind, issuer, subject, given))
                    except LedgerError:
                        raise error from None  # no entry could hold it
                logs = {it.origin: tuple(it.entries) for it in other.logs.values()}
                found[kind, error.code] = Hostile(error.code, kind, region, logs)
            raise
        else:
            statement = self.logs[more.get("region") or issuer[:6]].statements[-1]
            harvested.note(statement, self.newest(issuer[:6], issuer), judgement)
            return judgement

    patch.setattr(World, "do", watched)
    patch.setattr(World, "view", view)
    try:
        for name, made in zip(("ENROLLED", "LENT", "OPENED"), worlds.make_stages(), strict=True):
            patch.setattr(worlds, name, made)
        for name in MODULES:
            module = fresh(name)
            for function in vars(module).values():
                if not inspect.isfunction(function) or function.__module__ != module.__name__:
                    continue
                if not function.__name__.startswith("test_"):
                    continue
                source = inspect.getsource(function)
                # Who takes facts away shows what no log could.
                if "refused(" in source and "del world.facts" not in source:
                    for given in calls_of(module, function):
                        function(**given)
    finally:
        patch.undo()
    return harvested


def fresh(name: str) -> ModuleType:
    """A module of tests of its own, made anew with what is patched."""
    path = ROOT / "tests" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"hostile.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def codes_of_rules() -> set[str]:
    """The codes of the formats' table that are both a refusal and a finding."""
    table = (ROOT / "docs/formats/own.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \| refused, finding \|", table, re.MULTILINE)
    return {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}


@pytest.fixture(scope="module")
def harvested() -> Harvest:
    return harvest()


@pytest.fixture(scope="module")
def hostile(harvested: Harvest) -> dict[tuple[str, str], Hostile]:
    return harvested.acts


def test_every_code_of_a_rule_has_a_hostile_act(
    hostile: dict[tuple[str, str], Hostile],
) -> None:
    assert sorted(codes_of_rules() - {code for _, code in hostile} - ELSEWHERE) == []


def test_every_line_of_a_rule_that_refuses_was_seen_to_refuse(harvested: Harvest) -> None:
    """Delete one, and the act that a test has refused by its code stands: that test fails."""
    unmet = [it for it in all_lines() if not was_met(it, harvested.places)]
    assert [str(it) for it in unmet if it.key not in UNREACHED] == []
    assert {it.key for it in unmet} == UNREACHED


def test_an_act_cites_and_changes_what_the_table_says_of_its_kind(harvested: Harvest) -> None:
    """And of most kinds that name something, an act was seen that does just that."""
    for name, (cites, changes) in harvested.stood.items():
        kind = KINDS[name, 1]
        assert cites <= set(kind.cites), name
        assert changes <= set(kind.changes), name
    for name, signer in harvested.signed:
        kind = KINDS[name, 1]
        assert kind.by_officer, name
        assert not kind.roles or set(kind.roles) & set(signer.state["roles"]), name
    rows = [it for it in KINDS.values() if it.cites or it.changes]
    shown = [
        it
        for it in rows
        if harvested.stood.get(it.name, ((), ())) == (set(it.cites), set(it.changes))
    ]
    assert len(shown) > len(rows) // 2


def test_every_node_finds_the_same_in_whatever_order_the_logs_arrive(
    hostile: dict[tuple[str, str], Hostile],
) -> None:
    origins = [ROSTER.origin_of(region) for region in REGIONS]
    wrong, met = [], set[str]()
    for number, act in enumerate(hostile.values()):
        one = judge(act.logs, origins[:: 1 if number % 2 else -1], 256)
        if act.code not in met:
            met.add(act.code)
            assert judge(act.logs, origins[:: -1 if number % 2 else 1], 7) == one
        origin = ROSTER.origin_of(act.region)
        last = len(act.logs[origin]) - 1
        found = [it for it in one if (it.origin, it.index) == (origin, last)]
        if [(it.code, it.severity, it.evidence) for it in found] != [
            (act.code, "breach", ((origin, last),))
        ]:
            wrong.append((act.code, act.kind, found))
    assert wrong == []
