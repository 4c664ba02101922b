"""ML-DSA-44 keys beside Ed25519: who signs with them, and where their lines go and never go."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ledger.checkpoint import Checkpoint
from ledger.cosignature import Line, check_post_quantum, line_key_id, sign_post_quantum
from ledger.errors import MalformedError, NotFoundError, UnverifiedError
from ledger.names import origin_for
from ledger.note import SIGNATURES_MAX, Note, sign_ed25519
from ledger.policy import Policy, PolicyResult
from ledger.roster import Role, Roster
from ledger.roster_policy import post_quantum_policy
from ledger.views import GoodLine
from nodes.adapters.clock import SystemClock
from nodes.adapters.keystore import KeyStore
from nodes.adapters.random import randomness
from nodes.api.serve import running
from nodes.cli import main
from nodes.config import load_config
from nodes.core.candidate import Quorums, Round
from nodes.core.exchange import ADD_CHECKPOINT, encode_add_checkpoint, origin_hash
from nodes.core.extension import EXTEND, decode_extension
from nodes.core.notes import SignedHead, check_log, open_head
from nodes.core.ready import PeerCalled, PeerReply
from nodes.store import notes, second_notes
from nodes.store.entries import LogIDs
from nodes.store.peer_schema import second_notes as second_table
from nodes.store.reader import StoreReader
from tests.nodes import neighbours
from tests.nodes.live import live
from tests.nodes.neighbours import (
    NETWORK,
    REGIONS,
    Host,
    Log,
    Neighbours,
    key,
    make_roster,
    post_quantum_key,
    rosters_of,
)
from tests.nodes.town import Town, furnish, lend, open_case

ALL = ("log_pq", "witness_pq", "mirror_pq")
ROLES: tuple[Role, ...] = ("witness", "mirror")
A, B, *_ = REGIONS
LINE_BYTES = 8 + 2_420


def second(engine: Any, origin: str, role: str = "log") -> Note:
    with engine.connect() as connection:
        found = second_notes.load_newest(connection, origin, role)
    assert found is not None
    return Note.decode(found[1])


def finished(engine: Any, origin: str) -> Note:
    with engine.connect() as connection:
        found = notes.load_newest_note(connection, LogIDs(), origin, finished=True)
    assert found is not None
    return Note.decode(found[1])


def check_second(roster: Roster, origin: str, role: Role, note: Note) -> PolicyResult:
    """Check a note as a stranger would who has nothing but the policy file."""
    text = post_quantum_policy(roster, origin, role).encode()
    policy = Policy.decode(text, faulty_max=roster.faulty_max(origin))
    return policy.check(note)


def a_story(post_quantum: tuple[str, ...] = ALL) -> Town:
    """Five nodes, a grant from one to another, a case opened under it."""
    town = Town(*REGIONS, post_quantum=post_quantum, staleness_s=180, refresh_s=30)
    town.start()
    furnish(town, A)
    furnish(town, B)
    grant = lend(town, A, B)
    open_case(town, B, A, grant, "1")
    town.tick(30)
    return town


@pytest.fixture(scope="module")
def story() -> Town:
    return a_story()


# ---- five nodes ---------------------------------------------------------------------------------


def test_every_finished_checkpoint_of_five_has_a_quorum_of_lines_that_a_policy_accepts(
    story: Town,
) -> None:
    busy = 0
    for region, house in story.houses.items():
        origin = story.origin(region)
        snapshot = story.node(region).snapshot
        busy += snapshot.size > 5
        assert snapshot.replicated_size == snapshot.size
        note = second(house.engine, origin)
        counts = finished(house.engine, origin)
        assert note.text == counts.text
        # Each is dated like the Ed25519 line beside it.
        dated = {item.name: item.blob[:8] for item in note.signatures[2:]}
        assert dated == {item.name: item.blob[:8] for item in counts.signatures[1:]}
        for role in ROLES:
            result = check_second(story.roster, origin, role, note)
            assert len(result.witnesses) >= story.roster.quorum(origin)
            assert {line.key for line in result.logs} == {story.roster.log_keys(origin)[1]}
    assert busy >= 2


def test_what_a_witness_and_a_mirror_gave_is_kept_with_the_lines_of_its_log(story: Town) -> None:
    origin = story.origin(B)
    keys = story.roster.log_keys(origin)
    for region, house in story.houses.items():
        if region == B:
            continue
        for role in ROLES:
            note = second(house.engine, origin, role)
            by_log, also, own = note.signatures
            assert keys[0].check(note.text, by_log.blob) is None
            assert keys[1].check(note.text, also.blob) == 0
            key = story.roster.post_quantum_key(region, role)
            assert key is not None
            assert check_post_quantum(own, key.public, Checkpoint.decode(note.text)) > 0


def test_no_post_quantum_byte_enters_a_log_or_the_notes_that_count(story: Town) -> None:
    publics = [neighbours.post_quantum_key(A, role).public for role in ALL]
    for house in story.houses.values():
        with house.engine.connect() as connection:
            reader = StoreReader(connection)
            for region in REGIONS:
                origin = story.origin(region)
                entries = reader.entries(origin, 1, 1 << 30)
                assert all(len(entry) < 8_000 for entry in entries)
                assert not any(public in entry for entry in entries for public in publics)
                found = notes.load_newest_note(connection, LogIDs(), origin)
                if found is not None:
                    blobs = [item.blob for item in Note.decode(found[1]).signatures]
                    assert max(map(len, blobs)) == 72 or len(blobs) == 1


def test_two_runs_write_the_same_entries_and_notes_though_their_second_notes_differ(
    story: Town,
) -> None:
    again = a_story()
    for region, house in story.houses.items():
        origin = story.origin(region)
        with house.engine.connect() as ours, again.houses[region].engine.connect() as theirs:
            for other in REGIONS:
                of = story.origin(other)
                one, two = (StoreReader(at).entries(of, 0, 1 << 30) for at in (ours, theirs))
                assert one == two
            found = [notes.load_newest_note(at, LogIDs(), origin) for at in (ours, theirs)]
            assert found[0] == found[1]
    assert second(story.houses[A].engine, story.origin(A)) != second(
        again.houses[A].engine, again.origin(A)
    )


# ---- with and without the option ----------------------------------------------------------------


def written(post_quantum: tuple[str, ...]) -> tuple[Neighbours, list[tuple[str, str, str, bytes]]]:
    peers = Neighbours(make_roster(post_quantum=post_quantum))
    for number in range(3):
        for region in REGIONS[:2]:
            peers.append(region, f"{region} {number}".encode())
        peers.tick(500)
    peers.tick(1_000)
    sent = [(caller, it.to, it.path, it.body) for caller, it in peers.sent]
    return peers, sent


def test_without_such_keys_nothing_is_kept_or_sent_and_the_notes_that_count_are_the_same() -> None:
    plain, sent = written(())
    both, more = written(ALL)
    for region, host in plain.hosts.items():
        with host.engine.connect() as connection:
            assert connection.execute(select(second_table)).all() == []
        if region in REGIONS[:2]:
            other = both.hosts[region].engine
            assert finished(host.engine, host.origin) == finished(other, host.origin)
    assert [item[:3] for item in sent] == [item[:3] for item in more]
    # With the keys, add-checkpoint carries the log's second line, and nothing else differs.
    for (*_, path, body), (*_, longer) in zip(sent, more, strict=True):
        first, second = body, longer
        if path == EXTEND:
            (first, entries), (second, same) = decode_extension(body), decode_extension(longer)
            assert same == entries
        if path in {ADD_CHECKPOINT, EXTEND}:
            assert second.startswith(first)
            assert 3_200 < len(second) - len(first) < 3_400
        else:
            assert longer == body


@pytest.mark.parametrize("keys", [("log_pq",), ("witness_pq",), ("mirror_pq", "log_pq")])
def test_each_role_may_have_such_a_key_alone(keys: tuple[str, ...]) -> None:
    peers, _ = written(keys)
    host, roster = peers.hosts[A], peers.roster
    note = second(host.engine, host.origin)
    for role in ROLES:
        if f"{role}_pq" in keys:
            found = check_second(roster, host.origin, role, note).witnesses
            assert len(found) >= roster.quorum(host.origin)
        else:
            with pytest.raises(NotFoundError) as caught:
                post_quantum_policy(roster, host.origin, role)
            assert caught.value.code == "no-key"
    assert bool(check_log(note, roster.log_keys(host.origin), host.origin)[1]) == ("log_pq" in keys)


# ---- lines that do not hold ---------------------------------------------------------------------


class Forger:
    """Claims a key that it does not have."""

    def __init__(self, public: bytes) -> None:
        self.public = public

    def sign(self, _message: bytes) -> bytes:
        return bytes(2_420)


def test_a_bad_line_of_a_peer_is_dropped_and_its_ed25519_line_counts() -> None:
    peers = Neighbours(make_roster(post_quantum=ALL))
    for role in ROLES:
        name, key = peers.hosts[B].network.heads._post_quantum[role]
        assert key is not None
        peers.hosts[B].network.heads._post_quantum[role] = (name, Forger(key.public))  # type: ignore[index]
    host = peers.hosts[A]
    peers.append(A, b"one", b"two")
    assert host.network.replicated_size == 2
    peers.tick(60_000)  # late lines wait for a commit
    good = finished(host.engine, host.origin)
    assert f"{origin_for(neighbours.NETWORK, B)}/mirror" in {it.name for it in good.signatures}
    note = second(host.engine, host.origin)
    for role in ROLES:
        names = check_second(peers.roster, host.origin, role, note).witness_names
        assert set(names) == set(REGIONS) - {A, B}
    assert "ML-DSA-44" in host.network.health()[B].trouble
    assert host.network.health()[B].failures == 0


def test_lines_that_are_undated_or_from_the_future_are_dropped() -> None:
    peers = Neighbours(make_roster(post_quantum=ALL))
    host = peers.hosts[A]
    peers.append(A, b"one")
    made = host.network.candidate._current
    assert made is not None
    checkpoint = made.head.checkpoint
    name = f"{origin_for(neighbours.NETWORK, B)}/mirror"
    key = post_quantum_key(B, "mirror_pq")
    now_s = peers.now_ms // 1000

    def found(time_s: int, signer: str = name) -> object:
        line = sign_post_quantum(signer, key, checkpoint, time_s)
        return host.network.candidate._second_line(made, B, "mirror", (line,), now_s + 5)

    assert found(0) is None
    assert found(now_s + 6) is None
    assert found(now_s + 5) is not None
    assert found(now_s, f"{origin_for(neighbours.NETWORK, A)}/mirror") is None


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (lambda ed, pq: (ed, pq), 200),
        (lambda ed, _: (ed,), 200),
        (lambda _, pq: (pq,), 403),
        (lambda ed, pq: (ed, broken(pq)), 403),
        (lambda ed, pq: (ed, pq, pq), 400),
    ],
    ids=["both", "Ed25519 alone", "ML-DSA-44 alone", "a bad one", "twice"],
)
def test_a_witness_checks_every_line_of_the_logs_own_keys(
    lines: Callable[[Any, Any], tuple[Any, ...]], status: int
) -> None:
    roster = make_roster(post_quantum=ALL)
    host, log = Host(roster, B), Log(A, [b"one"])
    head = log.checkpoint()
    ed = sign_ed25519(log.origin, neighbours.key(A, "log"), head.text())
    pq = sign_post_quantum(log.origin, post_quantum_key(A, "log_pq"), head, 0)
    body = encode_add_checkpoint(0, (), Note(head.text(), lines(ed, pq)).encode())
    ready = host.step([PeerCalled(1, ADD_CHECKPOINT, body, A)], neighbours.START_MS)
    reply = ready.replies[0].value
    assert isinstance(reply, PeerReply)
    assert reply.status == status
    assert reply.body.count(b"\n") == (2 if status == 200 else 1)


def broken(signature: Any) -> Any:
    blob = signature.blob[:-1] + bytes([signature.blob[-1] ^ 1])
    return type(signature)(signature.name, signature.key_id, blob)


def test_a_head_needs_its_ed25519_line_and_keeps_it_apart() -> None:
    roster, log = make_roster(post_quantum=ALL), Log(A, [b"one"])
    head = log.checkpoint()
    pq = sign_post_quantum(log.origin, post_quantum_key(A, "log_pq"), head, 0)
    opened, _ = open_head(Note.decode(log.note()).with_signatures(pq).encode(), rosters_of(roster))
    assert opened == SignedHead(head, log.note(), pq.encode())
    assert opened.submitted == log.note() + pq.encode()
    with pytest.raises(UnverifiedError) as caught:
        open_head(Note(head.text(), (pq,)).encode(), rosters_of(roster))
    assert caught.value.code == "unknown-key"


# ---- starting again -----------------------------------------------------------------------------


def test_second_notes_outlive_a_restart_and_go_on(tmp_path: Path) -> None:
    town = Town(*REGIONS, folder=tmp_path, post_quantum=ALL)
    town.start()
    town.act(A, "party.enrol", f"{A}/department/d", {"name": "部门"})
    town.rounds()
    before = second(town.houses[A].engine, town.origin(A))
    others = second(town.houses[B].engine, town.origin(A), "mirror")
    town.kill(A)
    town.kill(B)
    town.cut |= {*REGIONS}
    town.start(A, B)
    made = town.node(A)._network.candidate._rounds
    newest = made[max(made)]
    assert {*Note.decode(newest.second_note()).signatures} == {*before.signatures}
    assert second(town.houses[B].engine, town.origin(A), "mirror") == others
    town.cut.clear()
    town.tick(10, by=5)
    town.act(A, "party.enrol", f"{A}/department/e", {"name": "部门"})
    town.rounds()
    after = second(town.houses[A].engine, town.origin(A))
    assert after.text != before.text
    for role in ROLES:
        check_second(town.roster, town.origin(A), role, after)


def test_a_log_that_was_fetched_back_has_a_second_note_again(tmp_path: Path) -> None:
    town = Town(*REGIONS[:3], folder=tmp_path, post_quantum=ALL)
    town.start()
    town.act(A, "party.enrol", f"{A}/department/e", {"name": "部门"})
    town.rounds()
    house = town.houses[A]
    town.kill(A)
    house.engine.dispose()
    for left in tmp_path.glob(f"{A}.sqlite*"):
        left.unlink()
    house.engine = town.engine(A)
    town.start(A)
    town.tick(10, by=5)
    assert town.node(A).snapshot.state == "serving"
    for role in ROLES:
        check_second(town.roster, town.origin(A), role, second(house.engine, town.origin(A)))


@pytest.mark.parametrize("keys", [(), ALL[:2]])
def test_a_node_without_a_key_that_the_roster_names_does_not_start(keys: tuple[str, ...]) -> None:
    town = Town(*REGIONS[:2], post_quantum=ALL)
    town.post_quantum = keys
    with pytest.raises(MalformedError) as caught:
        town.start(A)
    assert caught.value.code == "bad-key"


def test_a_node_with_a_key_that_the_roster_does_not_name_does_not_start() -> None:
    town = Town(*REGIONS[:2])
    town.post_quantum = ("log_pq",)
    with pytest.raises(MalformedError) as caught:
        town.start(A)
    assert caught.value.code == "bad-key"


# ---- sizes --------------------------------------------------------------------------------------


def test_notes_of_sixty_witnesses_keep_within_a_hundred_lines() -> None:
    regions = [f"{number}" for number in range(510_001, 510_061)]
    roster, log = make_roster(regions), Log(regions[0], [b"one"])
    made = Round(SignedHead(log.checkpoint(), log.note()), 0, Quorums((roster,), is_epoch=False))
    pq = sign_post_quantum("x", post_quantum_key(A, "log_pq"), log.checkpoint(), 1)
    for number, region in enumerate(regions[1:], 1):
        for role, into in (("witness", made.witness), ("mirror", made.mirror)):
            key_id = line_key_id(f"{NETWORK}/{region}/{role}", key(region, role).public)
            line = Line(key_id, number, bytes(64)).encode()
            into[region, key_id] = GoodLine(region, number, line)
            made.second[role, region] = pq  # type: ignore[index]
    note, beside = Note.decode(made.note()), Note.decode(made.second_note())
    assert max(len(note.signatures), len(beside.signatures)) <= SIGNATURES_MAX
    # Of each role as many, and the latest ones.
    times = [int.from_bytes(item.blob[:8]) for item in note.signatures[1:]]
    assert times == [*range(11, 60), *range(11, 60)]


# ---- real nodes ---------------------------------------------------------------------------------


def test_nodes_founded_with_the_option_serve_both_notes(tmp_path: Path) -> None:
    with live(tmp_path, 4, post_quantum=True) as nodes:
        region, other, *_ = nodes.founded.configs
        roster = nodes.founded.roster
        origin = roster.origin_of(region)

        async def tell() -> dict[str, bytes]:
            async with nodes.client(region) as client:
                await client.act(
                    "party.enrol", f"{region}/department/d", {"name": "部门"}, wait="replicated"
                )
                own = {
                    path: await client.fetch(f"/log/{path}")
                    for path in ("checkpoint", "checkpoint.pq")
                }
            async with nodes.client(other) as client:
                for role in ROLES:
                    path = f"/{role}/{origin_hash(origin)}/checkpoint.pq"
                    own[role] = await client.fetch(path)
            return own

        found = nodes.run(tell())
    plain, beside = Note.decode(found["checkpoint"]), Note.decode(found["checkpoint.pq"])
    assert plain.text == beside.text
    home = nodes.founded.configs[region].parent / "policy"
    for role in ROLES:
        Policy.decode((home / f"{role}-1.policy").read_bytes()).check(plain)
        Policy.decode((home / f"{role}-1.pq.policy").read_bytes()).check(beside)
        key = roster.post_quantum_key(other, role)
        assert key is not None
        given = Note.decode(found[role])
        assert key.check(given.text, given.signatures[-1].blob)


def test_without_the_option_a_node_has_no_second_note_to_serve(tmp_path: Path) -> None:
    with live(tmp_path, 1) as nodes:
        (region,) = nodes.founded.configs

        async def ask(path: str) -> None:
            async with nodes.client(region) as client:
                await client.fetch(path)

        for path in ("/log/checkpoint.pq", f"/mirror/{'0' * 64}/checkpoint.pq"):
            with pytest.raises(NotFoundError):
                nodes.run(ask(path))


@pytest.mark.parametrize("role", ALL)
def test_a_node_whose_post_quantum_key_is_gone_or_another_does_not_start(
    tmp_path: Path, role: str
) -> None:
    status = main.main(
        ["network", "init", str(tmp_path / "net"), "--regions", A, "--post-quantum", "--json"]
    )
    assert status == 0
    home = tmp_path / "net" / A
    config = load_config(home / "node.toml", {})

    async def start() -> None:
        async with running(config, {}, SystemClock()):
            pass

    (home / "keys" / "roles" / f"{role}.key").unlink()
    with pytest.raises(NotFoundError) as gone:
        asyncio.run(start())
    assert gone.value.code == "no-key"
    secret = (home / "unlock.secret").read_bytes()
    KeyStore.open(home / "keys", secret, randomness).make_post_quantum(role)
    with pytest.raises(UnverifiedError) as other:
        asyncio.run(start())
    assert other.value.code == "wrong-key"
