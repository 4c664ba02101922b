"""Statements of many requests, checked together: each asker gets their own, and no other."""

import asyncio
from collections.abc import Sequence

import pytest

from ledger.errors import LedgerError, MalformedError
from ledger.statement import Statement
from nodes.api.gathering import Checked, Gathering


class _Verifier:
    """Finds every entry malformed, by its own words; fails whole on some."""

    def __init__(self, fails_on: bytes = b"none") -> None:
        self.calls: list[list[bytes]] = []
        self._fails_on = fails_on

    def verify(self, entries: Sequence[bytes]) -> Checked:
        self.calls.append(list(entries))
        if self._fails_on in entries:
            raise OSError("the disk is gone")
        return [MalformedError(entry.decode()) for entry in entries]


def _said(found: Sequence[Statement | LedgerError]) -> list[str]:
    return [str(it) for it in found]


def test_what_comes_in_one_turn_is_checked_in_one_call_and_everyone_gets_their_own() -> None:
    async def story() -> None:
        verifier = _Verifier()
        gathering = Gathering(verifier.verify)
        found = await asyncio.gather(
            gathering.verify([b"a"]), gathering.verify([b"b", b"c"]), gathering.verify([b"d"])
        )
        assert [_said(it) for it in found] == [["a"], ["b", "c"], ["d"]]
        assert _said(await gathering.verify([b"e"])) == ["e"]
        assert verifier.calls == [[b"a", b"b", b"c", b"d"], [b"e"]]

    asyncio.run(story())


def test_a_check_that_fails_is_told_to_nobody_but_the_one_whose_statement_it_was() -> None:
    async def story() -> None:
        gathering = Gathering(_Verifier(fails_on=b"b").verify)
        asked = [asyncio.ensure_future(gathering.verify([it])) for it in (b"a", b"b", b"c")]
        await asyncio.wait(asked)
        assert [_said(asked[at].result()) for at in (0, 2)] == [["a"], ["c"]]
        with pytest.raises(OSError, match="disk"):
            asked[1].result()

    asyncio.run(story())


@pytest.mark.parametrize("fails_on", [b"none", b"b"])
def test_an_asker_who_has_gone_keeps_nobody_from_their_answer(fails_on: bytes) -> None:
    async def story() -> None:
        gathering = Gathering(_Verifier(fails_on).verify)
        asked = [asyncio.ensure_future(gathering.verify([it])) for it in (b"a", b"b", b"c")]
        await asyncio.sleep(0)
        asked[1].cancel()
        await asyncio.wait(asked)
        assert [_said(asked[at].result()) for at in (0, 2)] == [["a"], ["c"]]
        assert asked[1].cancelled()

    asyncio.run(story())
