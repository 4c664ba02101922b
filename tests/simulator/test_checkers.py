"""Each checker can fail: one thing of a sound world is spoilt, and the checker says which.

What is spoilt is a row on a disk, a message, or what a checker remembers of an earlier moment, as a
node that broke the promise would have left it.
"""

from dataclasses import replace

import pytest

from authz.custody import At
from ledger.checkpoint import Checkpoint
from ledger.encoding import encode
from ledger.errors import LedgerError
from ledger.note import Note, sign_ed25519
from ledger.statement import decode_statement
from nodes.core.exchange import ADD_CHECKPOINT, ADD_ENTRIES, FINISHED, encode_add_checkpoint
from nodes.core.extension import EXTEND
from nodes.core.ready import PeerReply, PeerRequest, Registered, Reply
from simulator.halves import altered
from simulator.regions import make_members
from simulator.run import check_at_rest
from simulator.uses import check_settled
from simulator.withholding import check_withheld
from simulator.world import BrokenError
from tests.simulator.sound import ONE, OTHER, Patch, Sound, Spoil, snapshot, status

# ---- logs and heads -----------------------------------------------------------------------------


def rewritten(sound: Sound, _patch: Patch) -> None:
    sound.one.disk.alter_entry(sound.one.origin)
    sound.checkers.restarted(sound.one)


def another_root(sound: Sound, patch: Patch) -> None:
    snapshot(sound, patch, root=bytes(32))
    sound.checkers.committed(sound.one)


def beyond_the_end(sound: Sound, patch: Patch) -> None:
    snapshot(sound, patch, size=10_000)
    sound.checkers.committed(sound.one)


def shown_too_little(sound: Sound, patch: Patch) -> None:
    log = sound.checkers.reference.logs[sound.one.origin]
    snapshot(sound, patch, size=5, root=log.roots[5])
    sound.checkers.committed(sound.one)


def note_of_nobody(sound: Sound, patch: Patch) -> None:
    assert sound.one.node is not None
    note = sound.one.node.snapshot.note
    snapshot(sound, patch, note=note[:-8] + b"AAAAAAA\n")
    sound.checkers.committed(sound.one)


def finality_fell(sound: Sound, patch: Patch) -> None:
    assert sound.one.node is not None
    snapshot(sound, patch, witnessed_size=sound.one.node.snapshot.witnessed_size - 1)
    sound.checkers.committed(sound.one)


def final_without_lines(sound: Sound, patch: Patch) -> None:
    patch.setitem(sound.checkers._finality, sound.one.origin, (0, 0))
    patch.setattr(sound.checkers.lines, "quorate_size", lambda *_given: 3)
    sound.checkers.committed(sound.one)


def replicated_nowhere(sound: Sound, patch: Patch) -> None:
    patch.setitem(sound.checkers._finality, sound.one.origin, (0, 0))
    patch.setattr(sound.checkers, "stored_size", lambda *_given: 0)
    sound.checkers.committed(sound.one)


def went_back(sound: Sound, patch: Patch) -> None:
    status(sound, patch, witnessed_size=3, mirrored_size=3)
    sound.checkers.committed(sound.one)


def ahead_of_itself(sound: Sound, patch: Patch) -> None:
    status(sound, patch, mirrored_size=10_000)
    sound.checkers.committed(sound.one)


def unknown_log(sound: Sound, patch: Patch) -> None:
    assert sound.one.node is not None
    logs = dict(sound.one.node.snapshot.logs)
    logs["shouxin.example/nobody"] = logs[sound.other.origin]
    snapshot(sound, patch, logs=logs)
    sound.checkers.committed(sound.one)


def stores_others(sound: Sound, patch: Patch) -> None:
    patch.setitem(sound.checkers.rows, (ONE, sound.other.origin), (0, 0, 0))
    sound.one.disk.alter_entry(sound.other.origin)
    sound.checkers.committed(sound.one)


def copy_altered(sound: Sound, _patch: Patch) -> None:
    sound.one.disk.alter_entry(sound.other.origin)
    sound.checkers.check_leaves()


def closed_below(sound: Sound, _patch: Patch) -> None:
    sound.checkers._close(sound.one, sound.other.origin, 3)


# ---- what was acknowledged ----------------------------------------------------------------------


def accepted_nothing(sound: Sound, _patch: Patch) -> None:
    sound.checkers.accepted(ONE, Registered(10_000))


def accepted_twice(sound: Sound, patch: Patch) -> None:
    patch.setitem(sound.checkers._accepted, (sound.one.origin, 4), b"something else")
    sound.checkers.accepted(ONE, Registered(4))


def lost_what_was_accepted(sound: Sound, _patch: Patch) -> None:
    _, index = max(key for key in sound.checkers._accepted if key[0] == sound.one.origin)
    entry = sound.checkers.reference.logs[sound.one.origin].entries[index]
    sound.say(sound.one, "DELETE FROM entries WHERE entry = ?", entry)
    sound.checkers.check_accepted()


def unreadable(sound: Sound, patch: Patch) -> None:
    patch.setattr(sound.checkers, "stored_size", lambda *_given: 0)
    sound.checkers.check_readable()


def receipt_for_another(sound: Sound, patch: Patch) -> None:
    kept = sound.papers._kept[0]
    patch.setattr(sound.papers, "_kept", [replace(kept, entry=kept.entry[:-1])])
    sound.papers.check()


def receipt_and_log_differ(sound: Sound, patch: Patch) -> None:
    kept = sound.papers._kept[0]
    log = sound.checkers.reference.logs[kept.origin]
    patch.setattr(log, "entries", [b""] * len(log.entries))
    sound.papers.check()


def bundle_altered(sound: Sound, patch: Patch) -> None:
    name, made = sound.papers._bundles[-1]
    patch.setattr(sound.papers, "_bundles", [(name, made[:-1] + bytes((made[-1] ^ 1,)))])
    sound.papers.check()


# ---- lines and notes on their way ---------------------------------------------------------------


def line_by_another(sound: Sound, patch: Patch) -> None:
    machine, request, reply = sound.newest(ADD_CHECKPOINT, patch)
    wrong = next(it for it in sound.simulation.machines.values() if it is not machine)
    sound.checkers.lines.check_answer(wrong, request, reply)


def line_on_something_else(sound: Sound, patch: Patch) -> None:
    machine, _, reply = sound.newest(ADD_CHECKPOINT, patch)
    elder = next(it for _, it in sound.exchanges if it[1].path == ADD_CHECKPOINT)
    sound.checkers.lines.check_answer(machine, elder[1], reply)


def line_dated_wrongly(sound: Sound, patch: Patch) -> None:
    exchange = sound.newest(ADD_CHECKPOINT, patch)
    patch.setattr(sound.world, "now_ms", sound.world.now_ms + 3_600_000)
    sound.checkers.lines.check_answer(*exchange)


def line_by_a_key_that_rests(sound: Sound, patch: Patch) -> None:
    machine, request, reply = sound.newest(ADD_CHECKPOINT, patch)
    patch.setattr(sound.checkers.lines, "_forgotten", set())
    sound.checkers.lines.forget(machine.region)
    sound.checkers.lines.check_answer(machine, request, reply)


def line_on_a_convicted_log(sound: Sound, patch: Patch) -> None:
    machine, request, reply = sound.newest(ADD_CHECKPOINT, patch)
    newest = sound.checkers.reference.newest
    since = {
        (machine.region, origin, newest.log_key(origin).public): sound.world.now_ms - 1
        for origin in newest.origins
    }
    patch.setattr(sound.checkers.convictions, "_since", since)
    sound.checkers.lines.check_answer(machine, request, reply)


def line_over_bytes_not_held(sound: Sound, patch: Patch) -> None:
    machine, request, reply = sound.newest(ADD_ENTRIES, patch)
    for origin in sound.checkers.reference.logs:
        patch.setitem(sound.checkers.rows, (machine.region, origin), (0, 0, 0))
    sound.checkers.lines.check_answer(machine, request, reply)


def line_dated_before_a_smaller_one(sound: Sound, patch: Patch) -> None:
    machine, request, reply = sound.newest(ADD_CHECKPOINT, patch)
    for key, dates in sound.checkers.lines.dates.items():
        patch.setitem(sound.checkers.lines.dates, key, [(0, dates[-1][1] + 9)])
    sound.checkers.lines.check_answer(machine, request, reply)


def finished_without_a_quorum(sound: Sound, _patch: Patch) -> None:
    machine, request = next(it for it in reversed(sound.requests) if it[1].path == FINISHED)
    note = Note.decode(request.body)
    kept = [it for it in note.signatures if not it.name.endswith("/witness")]
    bare = replace(note, signatures=tuple(kept)).encode()
    sound.checkers.asked(machine, replace(request, body=bare))


def two_quorums(sound: Sound, patch: Patch) -> None:
    """A liar's two histories, each signed by as many as make a quorum."""
    lines, reference = sound.checkers.lines, sound.checkers.reference
    log = reference.logs[sound.other.origin]
    patch.setattr(sound.checkers, "liars", {OTHER})
    one = log.checkpoint(9)
    keys = set(reference.newest.witness_keys(one.origin))
    for checkpoint in (one, replace(one, root=bytes(32))):
        lines._count_quorum(checkpoint, keys, "witness")


# ---- what a log says of itself and of others ----------------------------------------------------


def record(sound: Sound, kind: str, **given: object) -> None:
    """Let the first log record something of a kind again, which says something else in part."""
    log = sound.checkers.reference.logs[sound.one.origin]
    statements = map(decode_statement, reversed(log.entries))
    statement = next(it for it in statements if it.act.kind == kind)
    act = statement.act._replace(body={**statement.act.body, **given})
    sound.checkers.reference.check_entry(log.copy(len(log.entries)), statement._replace(act=act))


def view_without_lines(sound: Sound, _patch: Patch) -> None:
    record(sound, "log.view", lines=[])


def view_of_another_note(sound: Sound, _patch: Patch) -> None:
    record(sound, "log.view", note=b"nothing\n")


def view_with_all_lines_in_its_note(sound: Sound, _patch: Patch) -> None:
    _, request = next(it for it in reversed(sound.requests) if it[1].path == FINISHED)
    record(sound, "log.view", note=request.body)


def block_out_of_order(sound: Sound, _patch: Patch) -> None:
    record(sound, "log.block")


def block_of_another_note(sound: Sound, _patch: Patch) -> None:
    blocks = sound.checkers.reference.logs[sound.one.origin].blocks
    record(sound, "log.block", height=blocks + 1, note=bytes(32))


def genesis_in_the_middle(sound: Sound, _patch: Patch) -> None:
    record(sound, "log.genesis")


def another_network(sound: Sound, _patch: Patch) -> None:
    sound.checkers.reference.learn(make_members(10, 4).chain, "a node")


# ---- what nodes make of it ----------------------------------------------------------------------


def judged_otherwise(sound: Sound, _patch: Patch) -> None:
    sound.say(sound.one, "UPDATE mentions SET object = object || 'x'")
    sound.checkers.projections.forget(ONE)
    sound.checkers.projections.check_new(sound.one)


def settled_otherwise(sound: Sound, _patch: Patch) -> None:
    sound.say(sound.one, "UPDATE uses SET view_size = view_size + 1")
    sound.checkers.projections.compare()


def two_holders(sound: Sound, patch: Patch) -> None:
    standing = sound.checkers.projections.standing(ONE)
    name = next(iter(standing))
    others = {it.origin: {"at": At.HELD} for it in sound.simulation.machines.values()}
    patch.setitem(standing, name, others)
    sound.checkers.projections._check_holder(sound.one, name)


def view_not_so_fresh(sound: Sound, _patch: Patch) -> None:
    machine, _, index, _ = sound.use()
    sound.say(machine, 'UPDATE uses SET fresh_at_s = fresh_at_s + 7 WHERE "index" = ?', index)
    sound.checkers.verdicts.check_uses()


def view_too_old(sound: Sound, _patch: Patch) -> None:
    machine, _, index, _ = sound.use()
    sound.say(machine, 'UPDATE uses SET staleness_s = -999 WHERE "index" = ?', index)
    sound.checkers.verdicts.check_uses()


def used_after_its_end(sound: Sound, patch: Patch) -> None:
    _, name, _, origin = sound.use()
    patch.setitem(sound.checkers.reference.logs[origin].ended, name, 0)
    sound.checkers.verdicts.check_uses()


def dated_otherwise(sound: Sound, _patch: Patch) -> None:
    sound.say(sound.one, "UPDATE evidence SET seen_by_s = seen_by_s + 1 WHERE low > 40")
    sound.checkers.dates.check()


def dated_too_far(sound: Sound, _patch: Patch) -> None:
    sound.say(
        sound.one, "UPDATE evidence SET high = high + 1 WHERE at = (SELECT max(at) FROM evidence)"
    )
    sound.checkers.dates.check()


def settled_by_nothing(sound: Sound, _patch: Patch) -> None:
    machine, _, index, _ = sound.use()
    words = "UPDATE uses SET status = 'unauthorised' WHERE \"index\" = ?"
    sound.say(machine, words, index)
    check_settled(sound.checkers, sound.checkers.dates)


def ended_before_it_was_used(sound: Sound, patch: Patch) -> None:
    """Its view was too old, and the next one shows an end that was seen before."""
    machine, name, index, origin = sound.use()
    sound.say(machine, 'UPDATE uses SET staleness_s = -999 WHERE "index" = ?', index)
    patch.setitem(sound.checkers.reference.logs[origin].ended, name, 0)
    check_settled(sound.checkers, sound.checkers.dates)


def forbidden_and_not_found(sound: Sound, patch: Patch) -> None:
    patch.setattr(sound.checkers.verdicts, "forbidden", [(sound.one.origin, 7)])
    sound.checkers.verdicts.check_findings()


def found_out_by_one_alone(sound: Sound, _patch: Patch) -> None:
    sound.say(
        sound.one,
        "INSERT INTO findings SELECT log_id, 1, 'equivocation', '', 'breach', '', x'' FROM logs",
    )
    sound.checkers.verdicts.check_findings()


def shown_two_histories(sound: Sound, patch: Patch) -> None:
    """A node says twice where it stands, and minds no history but the one that it holds."""
    checkers, origin = sound.checkers, sound.other.origin
    patch.setitem(checkers.reference.branches, origin, [checkers.reference.logs[origin]])
    patch.setitem(checkers.history, (ONE, origin), 0)
    text = Checkpoint(origin, 5, bytes(32)).text()
    log = sound.simulation.members.keys[OTHER]["log"]
    note = Note(text, (sign_ed25519(origin, log, text),)).encode()
    request = PeerRequest(1, ONE, ADD_CHECKPOINT, encode_add_checkpoint(5, (), note), 1_000)
    for at_ms in (sound.world.now_ms, sound.world.now_ms + 1):
        patch.setattr(sound.world, "now_ms", at_ms)
        checkers.answered(sound.one, request, PeerReply(409, b"9\n"))


def withheld_by_nobody(sound: Sound, _patch: Patch) -> None:
    sound.say(
        sound.one,
        "INSERT INTO findings SELECT log_id, 1, 'release-withheld', '', '', '', x'' FROM logs",
    )
    check_withheld(sound.checkers)


# ---- turns --------------------------------------------------------------------------------------


def turn(sound: Sound, size: int) -> Checkpoint:
    """Let one's disk say that its node has turned to a head of the other's log."""
    origin = sound.other.origin
    head = sound.checkers.reference.logs[origin].checkpoint(size)
    value = encode([head.size, head.root, b"", []])
    sound.one.disk.database.execute(
        "INSERT INTO memory (name, value) VALUES (?, ?)", (f"turned/{origin}", value)
    )
    return head


def unsigned_size(sound: Sound) -> int:
    """A size of the other's log that no candidate had."""
    log, lines = sound.checkers.reference.logs[sound.other.origin], sound.checkers.lines
    sizes = range(1, len(log.entries))
    return next(it for it in sizes if not lines.is_quorate(log.checkpoint(it), "mirror"))


def turned_in_an_honest_log(sound: Sound, _patch: Patch) -> None:
    turn(sound, 5)
    sound.checkers.check_leaves()


def turned_without_a_quorum(sound: Sound, patch: Patch) -> None:
    patch.setattr(sound.checkers, "liars", {OTHER})
    turn(sound, unsigned_size(sound))
    sound.checkers.check_leaves()


def turned_twice(sound: Sound, patch: Patch) -> None:
    patch.setattr(sound.checkers, "liars", {OTHER})
    turned = turn(sound, sound.checkers.lines.quorate_size(sound.other.origin, "mirror"))
    before = replace(turned, size=3)
    patch.setattr(sound.checkers.turns, "_known", {(ONE, sound.other.origin): before})
    sound.checkers.check_leaves()


def went_back_and_turned_in_an_honest_log(sound: Sound, patch: Patch) -> None:
    turn(sound, 5)
    status(sound, patch, stored_size=3, judged_size=3)
    sound.checkers.committed(sound.one)


SPOILT: dict[str, Spoil] = {
    "has turned to 5 entries of .*, whose writer is honest": turned_in_an_honest_log,
    "turned to 5 entries of .*, whose writer is honest": went_back_and_turned_in_an_honest_log,
    "which no quorum of mirrors has signed": turned_without_a_quorum,
    "and to 3 before": turned_twice,
    "has rewritten its log": rewritten,
    "another history of": another_root,
    "never had 10000 entries": beyond_the_end,
    "says 5 entries where": shown_too_little,
    "no note of a log": note_of_nobody,
    "finality of .* fell": finality_fell,
    "is called final at .* lines at 3": final_without_lines,
    "is replicated at .* but held by 0": replicated_nowhere,
    "went back on": went_back,
    "is ahead of itself": ahead_of_itself,
    "which no roster names": unknown_log,
    "stores other entries of": stores_others,
    "holds another": copy_altered,
    "and is closed at 3": closed_below,
    "accepted entry 10000, which it does not have": accepted_nothing,
    "gave index 4 out twice": accepted_twice,
    "lost entry": lost_what_was_accepted,
    "is replicated at .*, held by 0": unreadable,
    "does not verify": receipt_for_another,
    "has another entry": receipt_and_log_differ,
    "the bundle of .* fails": bundle_altered,
    "is signed by": line_by_another,
    "is not on what it was asked for": line_on_something_else,
    "is dated": line_dated_wrongly,
    "is by a key whose past its region has lost": line_by_a_key_that_rests,
    "whose key its own log has convicted": line_on_a_convicted_log,
    "entries that it does not hold": line_over_bytes_not_held,
    "went back: ": line_dated_before_a_smaller_one,
    "is not finished: 0 witness lines": finished_without_a_quorum,
    "two histories of .* both have a quorum": two_quorums,
    "a view in .* has 0 lines": view_without_lines,
    "a view in .*: no note of a log": view_of_another_note,
    "carries more than its log's own line": view_with_all_lines_in_its_note,
    "says that it is block": block_out_of_order,
    "names another note of size": block_of_another_note,
    "the genesis is entry 0": genesis_in_the_middle,
    "knows another version 1": another_network,
    "differ between 500000 and others": judged_otherwise,
    "uses of .* differ between": settled_otherwise,
    "sees two holders of": two_holders,
    "is not as fresh as it says": view_not_so_fresh,
    "was not fresh enough": view_too_old,
    "its view shows as revoked": used_after_its_end,
    "dates .* and it was seen by": dated_otherwise,
    "dates .* where .* are dated": dated_too_far,
    "calls its use .* unauthorised, and it is confirmed": settled_by_nothing,
    "calls its use .* confirmed, and it is unauthorised": ended_before_it_was_used,
    "finds nothing wrong with": forbidden_and_not_found,
    "know nothing of two histories": found_out_by_one_alone,
    "was shown two histories of .* and minds neither": shown_two_histories,
    "finds releases withheld that are not": withheld_by_nobody,
}
"""What a checker says, and how its promise is broken."""


@pytest.mark.parametrize(
    ("words", "spoil"), SPOILT.items(), ids=[it.__name__ for it in SPOILT.values()]
)
def test_a_checker_says_what_is_broken(
    sound: Sound, monkeypatch: Patch, words: str, spoil: Spoil
) -> None:
    with pytest.raises(BrokenError, match=words), monkeypatch.context() as patch:
        spoil(sound, patch)


def test_nodes_that_go_round_in_circles_are_found(sound: Sound, monkeypatch: Patch) -> None:
    monkeypatch.setattr(sound.simulation, "_at_once", (sound.world.now_ms, 1 << 30))
    with pytest.raises(BrokenError, match="round in circles"):
        sound.simulation._check_progress()


def test_an_answer_that_nobody_asked_for_is_found(sound: Sound) -> None:
    with pytest.raises(BrokenError, match="which nobody asked"):
        sound.simulation._answer(sound.one, Reply(1 << 40, None))


def test_the_world_that_is_spoilt_is_sound(sound: Sound, monkeypatch: Patch) -> None:
    """All the same checks pass where nothing is spoilt."""
    checkers = sound.checkers
    for machine in sound.simulation.machines.values():
        checkers.restarted(machine)
        checkers.committed(machine)
    check_at_rest(checkers, sound.papers)
    assert checkers.settling.unfinished() == []
    for at_ms, exchange in sound.exchanges[-20:]:
        monkeypatch.setattr(sound.world, "now_ms", at_ms)
        checkers.lines.check_answer(*exchange)


def test_half_an_answer_of_a_liar_may_be_nonsense_and_the_other_half_counts(
    sound: Sound, monkeypatch: Patch
) -> None:
    lines = sound.checkers.lines
    at_ms, (machine, request, reply) = next(
        it for it in reversed(sound.exchanges) if it[1][1].path == EXTEND and it[1][2].status == 200
    )
    spoilt = altered(
        request,
        reply,
        lambda half, it: PeerReply(200, b"none") if half.path == ADD_ENTRIES else it,
    )
    monkeypatch.setattr(sound.world, "now_ms", at_ms)
    monkeypatch.setattr(lines, "_signers", {})
    monkeypatch.setattr(sound.checkers, "liars", {machine.region})
    lines.check_answer(machine, request, spoilt)
    [(_, role)] = lines._signers
    assert role == "witness"
    monkeypatch.setattr(sound.checkers, "liars", set())
    with pytest.raises(LedgerError):
        lines.check_answer(machine, request, spoilt)
