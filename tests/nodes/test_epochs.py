"""A version of the roster comes into force: whole nodes, each log at its own epoch."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, select

from ledger.cosignature import line_key_id
from ledger.errors import RefusedError, UnavailableError
from ledger.member import Member, MemberKeys
from ledger.names import origin_for
from ledger.roster import Roster
from ledger.roster_fields import Closing, Pin
from ledger.signed_roster import sign_roster
from ledger.statement import decode_statement
from ledger.views import BLOCK_KIND
from nodes.core.exchange import ROSTERS, encode_rosters
from nodes.core.log_state import LogState
from nodes.core.ready import Event, Freeze, PeerAnswered, PeerCalled, PeerReply
from nodes.core.rosters import own_keys
from nodes.core.succession import read_reports
from nodes.node import Outbox
from nodes.ports import RoleKeys
from nodes.store.entries import LogIDs
from nodes.store.maps import load_newest
from nodes.store.reader import StoreReader
from nodes.store.schema import ENTRY_BITS, entries, metadata, notes
from tests.nodes import neighbours
from tests.nodes.town import Driven, House, Town

A, B, C, D, E = neighbours.REGIONS
ROLES = neighbours.ROLES[:-1]


def town_of(*regions: str) -> Town:
    town = Town(*regions, staleness_s=180, refresh_s=30)
    town.start()
    town.rounds()
    return town


def following(town: Town, **changes: Any) -> Roster:
    """The next version; every log pinned where it is replicated."""
    newest = town.chain.newest
    pins = {}
    for region, member in newest.members.items():
        snapshot = town.node(region).snapshot
        assert snapshot.replicated_size == snapshot.size
        pins[member.origin] = Pin(snapshot.size, snapshot.root)
    fields = {"version": newest.version + 1, "previous": newest.sha256, "pins": pins}
    return replace(newest, **fields | changes)


def sign(roster: Roster, signers: Iterable[str] = ()) -> bytes:
    regions = signers or roster.members
    return sign_roster(roster, {it: neighbours.key(it, "governance") for it in regions}).encode()


def tell(town: Town, region: str, signed: bytes) -> PeerReply:
    """Let one node hear of a version; the others hear of it from that one."""
    body = encode_rosters([*town.chain.signed[1:], signed])
    outbox = town.step(region, PeerCalled(9, ROSTERS, body))
    (reply,) = [it.value for it in outbox.replies if it.request_id == 9]
    assert isinstance(reply, PeerReply)
    return reply


def change(town: Town, roster: Roster) -> None:
    signed = sign(roster)
    assert tell(town, A, signed).status == 204
    town.chain = town.chain.extended(signed)
    town.settle()
    town.rounds(4)


def state_of(town: Town, at: str, region: str) -> LogState:
    """How a log is judged at a node."""
    state = town.node(at)._state_of(town.chain.newest.origin_of(region))
    assert state is not None
    return state


def check_all_at(town: Town, version: int, *regions: str) -> None:
    """Every log is at the version at every node, with its proof, and all of it is replicated."""
    for region in regions:
        town.act(region, "party.enrol", f"{region}/hall/after-{version}", {"name": "大厅"})
        town.rounds(1)
    town.tick(40)
    for at in regions:
        snapshot = town.node(at).snapshot
        assert (snapshot.state, snapshot.version) == ("serving", version)
        assert snapshot.replicated_size == snapshot.size
        assert town.findings(at) == []
        for region in regions:
            state = state_of(town, at, region)
            assert state.version == version
            assert state.open_epoch is None
            assert state.size == town.node(region).snapshot.size


def test_a_change_of_constants_comes_into_force_in_every_log_and_stops_no_window() -> None:
    town = town_of(A, B, C, D)
    constants = replace(town.roster.constants, staleness_s=200)
    change(town, following(town, constants=constants, rules=1))
    check_all_at(town, 2, A, B, C, D)
    for region in (A, B, C, D):
        entry_of_epoch = state_of(town, A, region).epochs[-1]
        assert entry_of_epoch.proven_at is not None
        assert entry_of_epoch.proven_at > entry_of_epoch.start


def test_nothing_above_the_note_of_an_epoch_is_shown_before_it_has_both_quorums() -> None:
    town = town_of(A, B, C, D)
    roster = following(town)
    town.cut = {C, D}  # q is two of three mirrors: A's note gets none
    signed = sign(roster)
    tell(town, A, signed)
    town.chain = town.chain.extended(signed)
    town.settle()
    town.rounds(3)
    epoch = state_of(town, A, A).open_epoch
    assert epoch is not None
    index = town.act(A, "party.enrol", f"{A}/hall/meanwhile", {"name": "大厅"})
    town.tick(40)
    assert index > epoch.start
    snapshot = town.node(A).snapshot
    assert snapshot.size == epoch.start + 1 < state_of(town, A, A).size
    town.kill(A)
    town.begin(A)
    town.tick(20)
    assert town.node(A).snapshot.size == epoch.start + 1
    assert state_of(town, A, A).size > index
    town.cut = set()
    town.tick(60)
    assert town.node(A).snapshot.size > index
    check_all_at(town, 2, A, B, C, D)


def test_below_the_note_of_an_epoch_the_map_is_not_written_ahead_of_a_block_record() -> None:
    town = Driven(A, B, C, D, staleness_s=180, refresh_s=30)
    town.start()
    town.rounds()
    roster = following(town)
    town.cut = {C, D}
    signed = sign(roster)
    tell(town, A, signed)
    town.chain = town.chain.extended(signed)
    town.settle()
    town.rounds(3)
    assert state_of(town, A, A).open_epoch is not None
    town.act(A, "party.enrol", f"{A}/hall/meanwhile", {"name": "大厅"})
    town.settle()
    town.tick(40)  # so that A has something to commit while nobody asks
    with town.houses[A].engine.connect() as connection:
        reader = StoreReader(connection)
        size = load_newest(connection, reader.ids, town.origin(A)).size
        (record,) = reader.entries(town.origin(A), size, size + 1)
    assert decode_statement(record).act.kind == BLOCK_KIND
    town.cut = set()
    town.tick(60)
    check_all_at(town, 2, A, B, C, D)


def test_a_region_joins_and_starts_from_the_pins() -> None:
    town = town_of(A, B, C, D)
    for number in range(20):
        town.act(B, "party.enrol", f"{B}/hall/h{number}", {"name": "大厅"})
    town.rounds(3)
    joined = dict(town.roster.members) | {E: neighbours.make_roster((E,)).members[E]}
    roster = following(town, members=joined)
    assert roster.pins[origin_for(neighbours.NETWORK, B)].size > 20
    change(town, roster)
    town.houses[E] = House(E, town.engine(E))
    town.begin(E)
    town.settle()
    town.tick(60)
    check_all_at(town, 2, A, B, C, D, E)
    # From now on its lines count like anyone's.
    assert town.chain.newest.quorum(town.origin(B)) == 3
    town.cut = {C}
    index = town.act(B, "party.enrol", f"{B}/hall/by-three", {"name": "大厅"})
    town.tick(30)
    assert town.node(B).snapshot.replicated_size > index


def test_a_joiner_cosigns_nothing_that_does_not_extend_the_pin() -> None:
    town = town_of(A, B, C, D)
    joined = dict(town.roster.members) | {E: neighbours.make_roster((E,)).members[E]}
    roster = following(town, members=joined)
    origin = origin_for(neighbours.NETWORK, B)
    pin = roster.pins[origin]
    wrong = replace(roster, pins=dict(roster.pins) | {origin: Pin(pin.size, bytes(32))})
    change(town, wrong)
    town.houses[E] = House(E, town.engine(E))
    town.begin(E)
    town.settle()
    town.tick(60)
    assert town.node(E).snapshot.logs[origin].mirrored_size == 0
    assert town.node(E).snapshot.logs[town.origin(A)].mirrored_size > 0


def rotated(region: str, *names: str) -> tuple[Member, RoleKeys]:
    """A member with other keys for some purposes, and all its keys."""
    member = neighbours.make_roster((region,)).members[region]
    keys = {role: neighbours.key(region, f"{role} 2" if role in names else role) for role in ROLES}
    public = {role: key.public for role, key in keys.items()}
    named = MemberKeys(**public, governance=member.keys.governance)
    return replace(member, keys=named), RoleKeys(**keys)


@pytest.mark.parametrize("names", [("log",), ("witness", "mirror"), ("issuer", "receipt"), ROLES])
def test_a_region_changes_its_keys_and_both_sign_for_a_time(names: tuple[str, ...]) -> None:
    town = town_of(A, B, C, D)
    member, keys = rotated(B, *names)
    node = town.node(B)
    node._ports = replace(node._ports, more_keys=lambda: (keys,))
    change(town, following(town, members=dict(town.roster.members) | {B: member}))
    assert own_keys(town.chain.newest, B, (keys,)) == keys
    check_all_at(town, 2, A, B, C, D)


def test_a_freeze_after_new_keys_came_gives_its_last_lines_again_by_those() -> None:
    """The lost log has shown nothing since, so that our lines on it are by the old keys."""
    town = town_of(A, B, C, D)
    member, keys = rotated(B, "witness", "mirror")
    node = town.node(B)
    node._ports = replace(node._ports, more_keys=lambda: (keys,))
    roster = following(town, members=dict(town.roster.members) | {B: member})
    town.kill(C)
    change(town, roster)
    assert town.node(B).snapshot.version == 2
    lost = town.origin(C)
    town.ask(B, Freeze(7, lost))
    with town.houses[B].engine.connect() as connection:
        [report] = read_reports(town.chain.rosters, lost, StoreReader(connection)).values()
    for role, held in (("witness", report.witnessed), ("mirror", report.mirrored)):
        assert held is not None
        assert held.line is not None
        name = f"{town.origin(B)}/{role}"
        assert held.line[:4] == line_key_id(name, getattr(keys, role).public)


def test_a_version_that_this_node_cannot_follow_is_said_and_stops_no_window() -> None:
    town = town_of(A, B, C, D)
    change(town, following(town, rules=2))
    town.tick(20)
    snapshot = town.node(A).snapshot
    assert (snapshot.state, snapshot.version) == ("serving", 1)
    assert snapshot.detail.endswith("names rules 2, which this program does not know")
    index = town.act(A, "party.enrol", f"{A}/hall/all-the-same", {"name": "大厅"})
    town.tick(40)
    assert town.node(A).snapshot.replicated_size > index


def test_a_node_without_the_keys_of_a_version_says_so_and_goes_on_under_the_one_before() -> None:
    town = town_of(A, B, C, D)
    member, _ = rotated(B, "log")
    change(town, following(town, members=dict(town.roster.members) | {B: member}))
    town.tick(20)
    assert town.node(A).snapshot.detail == ""
    snapshot = town.node(B).snapshot
    assert (snapshot.state, snapshot.version) == ("serving", 1)
    assert snapshot.detail == "version 2 of the roster names keys that are not here"
    assert town.act(B, "party.enrol", f"{B}/hall/all-the-same", {"name": "大厅"})


def test_a_region_leaves_and_the_rest_goes_on() -> None:
    town = town_of(A, B, C, D, E)
    origin = town.origin(E)
    members = {region: it for region, it in town.roster.members.items() if region != E}
    roster = following(town, members=members)
    pin = roster.pins[origin]
    closed = {origin: Closing(pin.size, pin.root, town.origin(A))}
    change(town, replace(roster, closed=closed))
    with pytest.raises(UnavailableError) as caught:
        town.act(E, "party.enrol", f"{E}/hall/late", {"name": "大厅"})
    assert caught.value.code == "log-closed"
    town.kill(E)
    check_all_at(town, 2, A, B, C, D)


def test_a_log_that_was_closed_below_what_was_signed_stops_nobody_who_starts_again() -> None:
    town = town_of(A, B, C, D, E)
    origin = town.origin(E)
    town.act(E, "party.enrol", f"{E}/hall/below", {"name": "大厅"})
    town.tick(40)
    members = {region: it for region, it in town.roster.members.items() if region != E}
    roster = following(town, members=members)
    pin = roster.pins[origin]
    town.act(E, "party.enrol", f"{E}/hall/beyond", {"name": "大厅"})
    town.tick(40)
    assert town.node(A).snapshot.logs[origin].mirrored_size > pin.size
    change(town, replace(roster, closed={origin: Closing(pin.size, pin.root, town.origin(A))}))
    for region in (A, B, C, D, E):
        town.kill(region)
        town.begin(region)
    town.settle()
    town.tick(20)
    for region in (A, B, C, D, E):
        assert (town.node(region).snapshot.state, town.findings(region)) == ("serving", [])
    assert town.node(E).snapshot.detail == f"the roster has closed {origin}"
    with pytest.raises(UnavailableError) as caught:
        town.act(E, "party.enrol", f"{E}/hall/late", {"name": "大厅"})
    assert caught.value.code == "log-closed"
    check_all_at(town, 2, A, B, C, D)
    # An entry below the cut that is altered is found as before.
    town.kill(B)
    with town.houses[B].engine.begin() as connection:
        key = LogIDs().get(connection, origin) << ENTRY_BITS
        altered = entries.update().where(entries.c.key == key).values(entry=b"something else")
        assert connection.execute(altered).rowcount == 1
    town.begin(B)
    assert town.node(B).snapshot.state == "behind-fence"


def test_what_was_within_sight_before_a_version_came_stays_within_sight() -> None:
    """A window that was told of an act by another region relies on it in the next moment."""
    town = town_of(A, B, C)
    signed = sign(following(town))
    town.act(B, "party.enrol", f"{B}/hall/told", {"name": "大厅"})
    town.rounds()
    origin, node = town.origin(B), town.node(A)
    before = node.snapshot.known[origin]
    assert before.size == town.node(B).snapshot.size
    # The store has such a note a little later, so the memory made from it may lack it.
    with town.houses[A].engine.begin() as connection:
        connection.execute(delete(notes).where(notes.c.log_id == LogIDs().find(connection, origin)))
    town.cut = {A}
    assert tell(town, A, signed).status == 204
    town.step(A)
    assert node._rosters.newest.version == 2
    assert node.snapshot.known[origin] == before


def test_versions_follow_one_another() -> None:
    town = town_of(A, B, C)
    for version in (2, 3):
        change(town, following(town))
        check_all_at(town, version, A, B, C)
    town.kill(B)
    town.begin(B)
    town.rounds(2)
    assert town.node(B).snapshot.version == 3


def test_a_version_that_is_late_early_or_signed_by_too_few_changes_nothing() -> None:
    town = town_of(A, B, C, D)
    second = following(town)
    few = sign(second, (A, B))
    assert (tell(town, A, few).status, town.node(A).snapshot.version) == (422, 1)
    third = replace(second, version=3, previous=second.sha256)
    assert tell(town, A, sign(third)).status == 422
    change(town, second)
    body = encode_rosters([sign(second)])
    outbox = town.step(A, PeerCalled(9, ROSTERS, body))
    (reply,) = [it.value for it in outbox.replies if it.request_id == 9]
    assert isinstance(reply, PeerReply)
    assert reply.status == 204
    check_all_at(town, 2, A, B, C, D)


class Eavesdropped(Town):
    """A town of which every call and every answer is kept."""

    def __init__(self, *regions: str, **constants: int) -> None:
        self.kept: list[tuple[str, str, bytes, str]] = []
        self.answers: list[tuple[str, PeerAnswered]] = []
        super().__init__(*regions, **constants)

    def _leave(self, region: str, outbox: Outbox) -> None:
        self.kept += [(region, it.path, it.body, it.to) for it in outbox.requests]
        super()._leave(region, outbox)

    def step(self, region: str, *events: Event) -> Outbox:
        self.answers += [(region, it) for it in events if isinstance(it, PeerAnswered)]
        return super().step(region, *events)

    def say_again(self, calls: Iterable[tuple[str, str, bytes, str]]) -> set[int]:
        """Deliver calls once more; return the status codes of the answers, which nobody takes."""
        seen = set()
        for caller, path, body, to in calls:
            outbox = self.step(to, PeerCalled(9, path, body, caller))
            (reply,) = [it.value for it in outbox.replies if it.request_id == 9]
            assert isinstance(reply, PeerReply)
            seen.add(reply.status)
            self.settle()
        return seen

    def memory(self, region: str) -> dict[str, list[str]]:
        """All that a node keeps, but for when it was that it gave its newest lines."""
        found = {}
        with self.houses[region].engine.connect() as connection:
            for table in metadata.sorted_tables:
                if table.name in ("commits", "memory"):
                    continue
                columns = [it for it in table.c if it.name not in ("time_s", "line", "heard_ms")]
                rows = connection.execute(select(*columns).distinct()).all()
                found[table.name] = sorted(map(repr, rows))
        return found


def test_messages_of_an_old_epoch_that_come_again_or_late_do_no_harm() -> None:
    town = Eavesdropped(A, B, C, D, staleness_s=180, refresh_s=30)
    town.start()
    town.rounds()
    for region in (A, B, C, D):
        town.act(region, "party.enrol", f"{region}/hall/before", {"name": "大厅"})
        town.rounds(1)
    member, keys = rotated(B, *ROLES)
    node = town.node(B)
    node._ports = replace(node._ports, more_keys=lambda: (keys,))
    change(town, following(town, members=dict(town.roster.members) | {B: member}))
    check_all_at(town, 2, A, B, C, D)
    calls, answers = tuple(town.kept), tuple(town.answers)
    assert {path for _, path, _, _ in calls} >= {ROSTERS}
    before = {region: town.memory(region) for region in (A, B, C, D)}
    for order in (calls, calls[::-1]):
        assert town.say_again(order) <= {200, 204, 403, 409}
    for region, answer in answers:
        town.step(region, answer)
    town.settle()
    for region in (A, B, C, D):
        assert town.node(region).snapshot.version == 2
        assert town.memory(region) == before[region]
    town.act(A, "party.enrol", f"{A}/hall/afterwards", {"name": "大厅"})
    town.tick(40)
    assert state_of(town, D, A).size == town.node(A).snapshot.replicated_size
    assert all(town.findings(region) == [] for region in (A, B, C, D))


def test_a_note_by_a_key_of_a_later_version_is_frozen_only_under_that_version() -> None:
    """Whoever reads a freeze knows no key of a later version than its log is under."""
    town = town_of(A, B, C, D)
    late, _ = rotated(B, "issuer")
    lost, keys = rotated(C, "log")
    node = town.node(C)
    node._ports = replace(node._ports, more_keys=lambda: (keys,))
    change(town, following(town, members=dict(town.roster.members) | {B: late, C: lost}))
    town.tick(20)
    assert [town.node(it).snapshot.version for it in (A, B, C, D)] == [2, 1, 2, 2]
    town.kill(C)
    with pytest.raises(RefusedError) as caught:
        town.ask(B, Freeze(7, town.origin(C)))
    assert caught.value.code == "early-roster"
    assert town.ask(A, Freeze(7, town.origin(C)))
    town.tick(40)
    assert all(town.findings(region) == [] for region in (A, B, D))
