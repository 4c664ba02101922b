"""What a node's process does about its memory once it has started."""

import gc

from nodes.adapters.memory import settle_memory


def test_what_is_there_at_the_start_is_not_looked_through_again() -> None:
    before, usual = gc.get_threshold(), (700, 10, 10)
    gc.set_threshold(*usual)
    kept = [[number] for number in range(1_000)]
    try:
        settle_memory()
        assert gc.get_freeze_count() > len(kept)
        assert not any(it is kept for it in gc.get_objects())
        assert gc.get_threshold() > usual
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
    assert any(it is kept for it in gc.get_objects())
