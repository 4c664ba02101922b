"""A world has settled when nothing is owed any more, and each thing that may be owed is seen."""

import pytest

from authz.custody import At
from ledger.roster_fields import Closing
from tests.simulator.sound import ONE, OTHER, Patch, Sound, Spoil, snapshot, status


def down(sound: Sound, patch: Patch) -> None:
    patch.setattr(sound.one, "node", None)


def not_serving(sound: Sound, patch: Patch) -> None:
    snapshot(sound, patch, state="behind-fence")


def not_replicated(sound: Sound, patch: Patch) -> None:
    snapshot(sound, patch, replicated_size=3)


def not_judged(sound: Sound, patch: Patch) -> None:
    status(sound, patch, judged_size=3)


def use_left_open(sound: Sound, _patch: Patch) -> None:
    sound.say(sound.one, "UPDATE uses SET status = 'open'")


def release_owed(sound: Sound, patch: Patch) -> None:
    offered = {"at": At.OFFERED, "to": f"{OTHER}/window/1", "n": 1}
    answered = {"at": At.ANSWERED, "from": ONE, "n": 1}
    case = {sound.one.origin: offered, sound.other.origin: answered}
    patch.setitem(sound.checkers.projections.standing(ONE), f"{ONE}/case/1", case)


def fork_not_found_out(sound: Sound, patch: Patch) -> None:
    origin = sound.simulation.machines["530000"].origin
    log = sound.checkers.reference.logs[origin]
    patch.setitem(sound.checkers.reference.branches, origin, [log, log.copy(9)])
    for region, history in ((ONE, 0), (OTHER, 1)):
        patch.setitem(sound.checkers.history, (region, origin), history)


OWED: dict[str, Spoil] = {
    "500000 is down": down,
    "500000 is behind-fence": not_serving,
    "3 replicated": not_replicated,
    "has judged 3 of": not_judged,
    "uses open": use_left_open,
    "owes an answer": release_owed,
    "nobody has found out": fork_not_found_out,
}


@pytest.mark.parametrize(
    ("words", "spoil"), OWED.items(), ids=[it.__name__ for it in OWED.values()]
)
def test_a_world_in_which_something_is_owed_has_not_settled(
    sound: Sound, monkeypatch: Patch, words: str, spoil: Spoil
) -> None:
    with monkeypatch.context() as patch:
        spoil(sound, patch)
        left = sound.checkers.settling.unfinished()
    assert any(words in one for one in left), left


def test_who_left_and_came_back_owes_nothing_for_the_log_of_before(
    sound: Sound, monkeypatch: Patch
) -> None:
    settling, old = sound.checkers.settling, sound.one.origin
    row = {"at": At.OFFERED, "to": OTHER, "n": 1}
    heir = f"{old}/2"
    monkeypatch.setattr(sound.one, "origin", heir)
    for successor, found in ((None, None), (heir, row)):
        closed = {old: Closing(5, bytes(32), successor)}
        monkeypatch.setattr(settling, "_closed", lambda closed=closed: closed)
        assert settling._newest_row({old: row}, ONE) == found
