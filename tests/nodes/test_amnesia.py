"""A witness that has lost its rows rests, and wakes by new keys that the roster gives it."""

from dataclasses import replace
from typing import Any

import pytest

from ledger.cosignature import line_key_id
from ledger.errors import UnavailableError
from ledger.keys import SigningKey
from ledger.names import mirror_name
from ledger.roster import Roster
from ledger.roster_fields import Pin
from ledger.signed_roster import sign_roster
from nodes.core.ready import Freeze
from nodes.node import Ports, RoleKeys, Settings, build
from tests.nodes import neighbours
from tests.nodes.town import Town

A, LOST, C, D, E = neighbours.REGIONS


def fresh_key(role: str) -> SigningKey:
    return neighbours.key(f"{LOST} fresh", role)


class Forgetful(Town):
    """A town in which one region's new keys lie beside its old ones."""

    def begin(self, region: str) -> Any:
        if region != LOST:
            return super().begin(region)
        house = self.houses[LOST]
        old = {
            role: neighbours.key(LOST, role)
            for role in ("log", "witness", "mirror", "receipt", "issuer")
        }
        new = old | {role: fresh_key(role) for role in ("witness", "mirror")}
        ports = Ports(
            clock=self.clock, fence=house.fence, keys=RoleKeys(**old),
            more_keys=lambda: (RoleKeys(**new),), officers=house.officers, engine=house.engine,
        )  # fmt: skip
        house.node = build(Settings(region=region), self.chain, ports, self.kinds)
        self._leave(region, house.node.start(self.clock.ms))
        return house.node

    def replace_keys(self) -> Roster:
        """Let all members sign new witness and mirror keys for the region, and start by it."""
        lost = self.roster.members[LOST]
        keys = replace(
            lost.keys, **{role: fresh_key(role).public for role in ("witness", "mirror")}
        )
        pins = {}
        for origin in self.roster.origins:
            viewer = next(it for it in (A, C) if self.origin(it) != origin)
            known = self.node(viewer).snapshot.known[origin]
            pins[origin] = Pin(known.size, known.root)
        new = replace(
            self.roster,
            version=2,
            previous=self.roster.sha256,
            members={**self.roster.members, LOST: replace(lost, keys=keys)},
            pins=pins,
        )
        governance = {region: neighbours.key(region, "governance") for region in new.members}
        self.chain = self.chain.extended(sign_roster(new, governance).encode())
        for region in self.houses:
            self.kill(region)
        self.start()
        return new


def lines_by(town: Town, key: SigningKey) -> int:
    """How many mirror lines of a key the region has ever given, on whichever log."""
    key_id = line_key_id(mirror_name(town.origin(LOST)), key.public)
    with town.houses[LOST].engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT line FROM lines WHERE role = 'mirror'")
        return sum(bytes(line).startswith(key_id) for (line,) in rows)


def test_keys_that_lost_their_memory_rest_until_the_roster_replaces_them() -> None:
    town = Forgetful(*neighbours.REGIONS)
    town.start()
    for region in neighbours.REGIONS:
        town.act(region, "party.enrol", f"{region}/department/d", {"name": "部门"})
    town.tick(60)
    size = town.node(LOST).snapshot.size
    assert town.node(LOST).snapshot.replicated_size == size

    town.kill(LOST)
    town.houses[LOST].engine = town.engine(LOST)
    town.start(LOST)
    town.tick(30)
    snapshot = town.node(LOST).snapshot
    assert (snapshot.state, snapshot.resting) == ("serving", True)
    assert snapshot.size >= size
    town.act(A, "party.enrol", f"{A}/department/e", {"name": "部门"})
    town.tick(30)
    assert lines_by(town, neighbours.key(LOST, "mirror")) == 0
    with pytest.raises(UnavailableError) as caught:
        town.ask(LOST, Freeze(7, town.origin(A)))
    assert caught.value.code == "resting"

    town.replace_keys()
    town.tick(120)
    assert not town.node(LOST).snapshot.resting
    index = town.act(A, "party.enrol", f"{A}/department/f", {"name": "部门"})
    town.tick(30)
    assert lines_by(town, neighbours.key(LOST, "mirror")) == 0
    assert lines_by(town, fresh_key("mirror")) > 0
    assert town.node(A).snapshot.replicated_size > index
    assert all(town.findings(region) == [] for region in town.houses)
