"""Tokens: bound to a party and a role, ended by time or by an operator, every one on the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.errors import ConflictError, LedgerError, MalformedError, NotFoundError, RefusedError
from nodes.adapters.clock import SystemClock
from nodes.adapters.readers import Readers
from nodes.api.problem import UnauthenticatedError
from nodes.api.token_book import TokenBook, add_first_operator, hash_token
from nodes.api.tokens import DAY_S, new_token
from nodes.store.engine import open_sqlite
from nodes.store.tokens import TokenRow, create_token_schema, load_all
from tests.nodes.live import Live, live

HERE = "510000"
PARTY = "510000/officer/w3-01"


def row(token: str, **more: object) -> TokenRow:
    fields = {
        "hash": hash_token(token),
        "party": PARTY,
        "role": "window",
        "label": "",
        "created_s": 100,
        "expires_s": 200,
    }
    return TokenRow(**{**fields, **more})  # type: ignore[arg-type]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[TokenBook]:
    engine = open_sqlite(tmp_path / "node.db")
    create_token_schema(engine)
    readers = Readers(engine, 1)
    yield TokenBook(engine, readers, cache_ms=1_000)
    readers.close()
    engine.dispose()


def code_of(book: TokenBook, token: str, now_ms: int) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        book.find(token, now_ms)
    return caught.value.code


def test_a_token_is_found_until_its_time_is_over(book: TokenBook) -> None:
    book.add(row("t"))
    assert book.find("t", 199_999).party == PARTY
    assert code_of(book, "t", 200_000) == "expired-token"
    assert code_of(book, "T", 100_000) == "unknown-token"


def test_a_revoked_token_is_refused_at_once_here_and_soon_everywhere(book: TokenBook) -> None:
    book.add(row("t"))
    book.find("t", 100_000)
    book.revoke(hash_token("t"), 100)
    # Another process revoked it: this one still believes what it read, no longer than cache_ms.
    book.find("t", 101_000)
    assert code_of(book, "t", 101_001) == "revoked-token"
    book.forget(hash_token("t"))
    assert code_of(book, "t", 101_000) == "revoked-token"


def test_a_token_ends_once(book: TokenBook) -> None:
    book.add(row("t"))
    book.revoke(hash_token("t"), 150)
    for missing in ("t", "u"):
        with pytest.raises(NotFoundError):
            book.revoke(hash_token(missing), 160)
    with pytest.raises(ConflictError):
        book.add(row("t"))


def test_the_first_operator_does_not_come_back_once_ended(book: TokenBook) -> None:
    first = row("t", role="operator", party=HERE)
    add_first_operator(book, book._readers, first)
    book.revoke(first.hash, 150)
    add_first_operator(book, book._readers, first)
    assert code_of(book, "t", 160_000) == "revoked-token"


def test_strangers_cannot_fill_the_memory(book: TokenBook) -> None:
    for number in range(50):
        code_of(book, f"guess {number}", 100_000)
    assert not book._cached


def test_tokens_are_listed_without_their_texts(book: TokenBook) -> None:
    for name in "abc":
        book.add(row(name))
    with book._engine.connect() as connection:
        first = load_all(connection, rows_max=2)
        rest = load_all(connection, after=first[-1].hash, rows_max=2)
    assert [it.hash for it in first + rest] == sorted(hash_token(name) for name in "abc")


def test_no_two_tokens_are_alike_and_each_has_its_32_bytes() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}


# ---- through the API ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("tokens") / "network") as nodes:
        yield nodes


@dataclass
class Issued:
    token: str
    name: str


def issue(node: Live, party: str, role: str, **more: object) -> Issued:
    async def ask() -> Issued:
        async with node.client(HERE) as operator:
            answer = await operator.issue_token(party, role, **more)  # type: ignore[arg-type]
            return Issued(answer["token"], answer["id"])

    return node.run(ask())


def status(node: Live, token: str) -> str:
    """Return "ok", or the code with which a question by this token is refused."""

    async def ask() -> str:
        async with node.client(HERE, token) as caller:
            try:
                await caller.findings()
            except LedgerError as error:
                return error.code
            return "ok"

    return node.run(ask())


def test_a_token_that_was_given_and_ended_stands_on_the_ledger_without_its_hash(
    node: Live,
) -> None:
    given = issue(node, PARTY, "window", label="third window")
    assert status(node, given.token) == "ok"

    async def end() -> bytes:
        async with node.client(HERE) as operator:
            await operator.revoke_token(given.name)
            size = (await operator.status())["size"]
            return await operator.fetch(f"/log/tile/entries/000.p/{size}")

    entries = node.run(end())
    assert status(node, given.token) == "revoked-token"
    assert b"token.issue" in entries
    assert b"token.revoke" in entries
    assert PARTY.encode() in entries
    assert bytes.fromhex(given.name) not in entries
    assert given.token.encode() not in entries


def test_the_database_holds_no_token_in_clear(node: Live) -> None:
    given = issue(node, PARTY, "authority")
    data = node.founded.configs[HERE].parent / "data"
    for path in data.iterdir():
        assert given.token.encode() not in path.read_bytes()


def test_only_an_operator_gives_and_ends_tokens_and_makes_keys(node: Live) -> None:
    auditor = issue(node, HERE, "auditor")

    async def ask(token: str) -> list[str]:
        codes = []
        async with node.client(HERE, token) as caller:
            for call in (
                caller.issue_token(PARTY, "window"),
                caller.revoke_token(auditor.name),
                caller.make_officer_key(PARTY),
                caller.fetch("/v1/tokens"),
            ):
                with pytest.raises(RefusedError) as caught:
                    await call
                codes.append(caught.value.code)
        return codes

    assert node.run(ask(auditor.token)) == ["wrong-role"] * 4
    assert node.run(ask("")) == ["no-token"] * 4
    assert status(node, auditor.token) == "ok"


def test_a_token_is_for_a_party_of_this_region_in_a_known_role_for_a_while(node: Live) -> None:
    async def ask() -> None:
        async with node.client(HERE) as operator:
            for party, role, days, kind in (
                ("500000/officer/x", "window", 1, RefusedError),
                ("nobody", "window", 1, MalformedError),
                (PARTY, "king", 1, MalformedError),
                (PARTY, "window", 0, MalformedError),
                (PARTY, "window", 367, MalformedError),
            ):
                with pytest.raises(kind):
                    await operator.issue_token(party, role, days=days)
            with pytest.raises(MalformedError):
                await operator.issue_token(PARTY, "window", label="a\nb")
            given = await operator.issue_token(PARTY, "window", days=2)
            assert abs(given["expires_s"] - SystemClock().now_ms() // 1000 - 2 * DAY_S) < 60
            with pytest.raises(NotFoundError):
                await operator.revoke_token("00" * 32)
            with pytest.raises(MalformedError):
                await operator.revoke_token("AB" * 32)

    node.run(ask())


def test_an_officers_key_is_made_once_and_only_for_officers_here(node: Live) -> None:
    async def ask() -> None:
        async with node.client(HERE) as operator:
            first = await operator.make_officer_key(PARTY)
            assert await operator.make_officer_key(PARTY) == first
            for party in (HERE, "500000/officer/x"):
                with pytest.raises(RefusedError):
                    await operator.make_officer_key(party)

    size = node.size(HERE)
    node.run(ask())
    assert node.size(HERE) == size


def test_the_first_operator_can_be_replaced_and_ended(tmp_path: Path) -> None:
    with live(tmp_path / "network") as node:
        second = issue(node, HERE, "operator")
        first = node.founded.tokens[HERE]

        async def end(by: str, name: str) -> None:
            async with node.client(HERE, by) as operator:
                await operator.revoke_token(name)

        node.run(end(second.token, hash_token(first).hex()))
        assert status(node, first) == "revoked-token"
        assert status(node, second.token) == "ok"
        with pytest.raises(RefusedError) as caught:
            node.run(end(second.token, hash_token(first).hex()))
        assert caught.value.code == "wrong-state"
