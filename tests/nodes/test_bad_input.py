"""Bad input one by one, through HTTP to a real node: each has its code, and stores nothing."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest

from ledger.encoding import decode, encode, encode_tagged
from ledger.hashing import hash_leaf
from ledger.keys import SigningKey
from ledger.receipt import check_inclusion_receipt
from ledger.sign1 import decode_statement_parts
from ledger.statement import (
    ACT_CONTENT_TYPE,
    Act,
    Citation,
    UnverifiedStatement,
    decode_statement,
    sign_statement,
)
from nodes.api.token_book import hash_token
from nodes.api.tokens import new_token
from nodes.store.tokens import TokenRow
from tests.nodes.stage import HERE, THERE, Answer, Station, open_desk, station

CBOR, COSE = "application/cbor", "application/cose"
OTHER = f"{HERE}/officer/other"


class Counter:
    """A node with two officers: one signs for themselves, for the other the region does."""

    def __init__(self, made: Station) -> None:
        self.station = made
        self.desk = open_desk(made)
        self.operator = made.founded.tokens[HERE]
        self.token = self.issue(self.desk.officer, "window")
        key = made.call(HERE, "POST", "/v1/officers", {"party": OTHER})["key"]
        body = {"unit": self.desk.window, "key": key, "holder": "region", "roles": ["receive"]}
        made.act(HERE, "party.enrol", OTHER, body)
        self.other_token = self.issue(OTHER, "window")
        self.auditor = self.issue(HERE, "auditor")
        self.count = 0

    def __repr__(self) -> str:
        return "Counter"

    def issue(self, party: str, role: str) -> str:
        asked = {"party": party, "role": role}
        token: str = self.station.call(HERE, "POST", "/v1/tokens", asked)["token"]
        return token

    @property
    def now_s(self) -> int:
        return self.station.clock.now_s()

    def size(self) -> int:
        return self.station.size()

    # ---- what is sent ---------------------------------------------------------------------------

    def case(self, time_s: int | None = None) -> bytes:
        """A statement that the log takes."""
        self.count += 1
        return self.desk.open_case(f"c{self.count}", self.now_s if time_s is None else time_s).entry

    def changed(self, **changes: Any) -> bytes:
        """A statement like that, rightly signed by the officer, with parts of its act changed."""
        made = decode_statement(self.case())
        act = made.act
        return self.sign(
            made,
            Act(
                changes.get("kind", act.kind),
                changes.get("version", act.version),
                changes.get("previous", act.previous),
                changes.get("citations", act.citations),
                {**act.body, **changes.get("body", {})},
            ),
        )

    def sign(self, made: UnverifiedStatement, act: Act) -> bytes:
        return sign_statement(self.desk.key, made.issuer, made.subject, made.time_s, act).entry

    # ---- the three ways in ----------------------------------------------------------------------

    def register(self, entry: bytes) -> Answer:
        return self.station.ask("POST", "/entries", entry, Content_Type=COSE)

    def ingest(self, *entries: bytes, token: str = "") -> Answer:
        return self.station.ask(
            "POST",
            "/v1/ingest",
            encode(list(entries)),
            token=token or self.token,
            Content_Type=CBOR,
        )

    def act(self, token: str, **fields: Any) -> Answer:
        return self.station.ask("POST", "/v1/acts", json.dumps(fields).encode(), token=token)

    def check_refused(self, code: str, entry: bytes) -> None:
        """The entry is refused with ``code`` both alone and in a batch, and nothing is stored."""
        size = self.size()
        alone = self.register(entry)
        status = 413 if code == "too-large" else 400
        assert alone.status == status, alone
        assert alone.type == "application/concise-problem-details+cbor"
        assert decode(alone.body)[-2].startswith(f"{code}: "), decode(alone.body)
        good = self.case()
        batch = self.ingest(entry, good)
        assert batch.status == 200, batch
        first, second = decode(batch.body)["results"]
        assert (first[0], first[1], bool(first[2])) == (1, code, True)
        assert second[0] == 0, second
        # The one that was good, and perhaps the record of the block before it.
        assert size < self.size() <= size + 2


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with station(tmp_path_factory.mktemp("bad") / "network") as made:
        made.start(HERE, THERE)
        yield Counter(made)


# ---- form ---------------------------------------------------------------------------------------


def test_a_good_statement_is_taken(counter: Counter) -> None:
    """Else every refusal below might be for another reason."""
    entry = counter.case()
    answer = counter.register(entry)
    assert (answer.status, answer.type) == (201, COSE)
    answer = counter.ingest(counter.changed())
    assert decode(answer.body)["results"][0][0] == 0


def test_a_second_spelling_is_non_canonical(counter: Counter) -> None:
    entry = counter.case()
    counter.check_refused("non-canonical", b"\xd8\x12" + entry[1:])
    counter.check_refused("non-canonical", b"\xd2\x98\x04" + entry[2:])
    protected, payload, signature = decode_statement_parts(entry)
    # A head one byte longer than it need be, within the payload that is signed.
    longer = b"\x98\x05" + payload[1:]
    counter.check_refused("non-canonical", encode_tagged([protected, {}, longer, signature]))


def test_another_tag_or_none_is_a_wrong_tag(counter: Counter) -> None:
    entry = counter.case()
    for wrong in (entry[1:], b"\xd1" + entry[1:], b"\xd8\x62" + entry[1:]):
        counter.check_refused("wrong-tag", wrong)


def test_an_unprotected_header_is_refused(counter: Counter) -> None:
    protected, payload, signature = decode_statement_parts(counter.case())
    for header in ({1: -8}, {4: b"kid"}, {394: []}):
        entry = encode_tagged([protected, header, payload, signature])
        counter.check_refused("unprotected-header", entry)


def test_another_algorithm_is_refused_by_its_name(counter: Counter) -> None:
    entry = counter.case()
    other = entry.replace(b"\xa4\x01\x27", b"\xa4\x01\x26", 1)
    size = counter.size()
    answer = counter.register(other)
    assert answer.status == 400
    assert decode(answer.body)[-1] == "Bad Signature Algorithm"
    assert decode(answer.body)[-2].startswith("bad-algorithm: ")
    assert decode(counter.ingest(other).body)["results"][0][1] == "bad-algorithm"
    assert counter.size() == size


def test_a_header_of_another_form_is_a_bad_field(counter: Counter) -> None:
    entry = counter.case()
    assert ACT_CONTENT_TYPE.encode() in entry
    counter.check_refused("bad-field", entry.replace(b"shouxin-act", b"shouxin-axt", 1))


def test_an_unknown_kind_or_version_is_named(counter: Counter) -> None:
    counter.check_refused("unknown-kind", counter.changed(kind="case.nothing"))
    counter.check_refused("unknown-version", counter.changed(version=2))
    for change, code in (({"kind": "x.y"}, "unknown-kind"), ({"version": 9}, "unknown-version")):
        asked = {"kind": "party.enrol", "subject": f"{HERE}/hall/k", "body": {"name": "厅"}}
        assert counter.act(counter.operator, **{**asked, **change}).said == (400, code)


# ---- keys and signatures ------------------------------------------------------------------------


def test_a_kid_that_nobody_enrolled_is_unknown(counter: Counter) -> None:
    made = decode_statement(counter.case())
    stranger = SigningKey(sha256(b"a stranger").digest())
    entry = sign_statement(stranger, made.issuer, made.subject, made.time_s, made.act).entry
    counter.check_refused("unknown-key", entry)


def test_the_key_of_another_officer_does_not_sign_for_this_one(counter: Counter) -> None:
    made = decode_statement(counter.case())
    entry = sign_statement(counter.desk.key, OTHER, made.subject, made.time_s, made.act).entry
    counter.check_refused("unknown-key", entry)


def test_any_changed_byte_is_a_bad_signature(counter: Counter) -> None:
    entry = counter.case()
    counter.check_refused("bad-signature", entry[:-1] + bytes((entry[-1] ^ 1,)))
    subject = decode_statement(entry).subject.encode()
    counter.check_refused("bad-signature", entry.replace(subject, subject[:-1] + b"X"))


def test_the_same_bytes_again_have_the_same_index(counter: Counter) -> None:
    entry = counter.case()
    first = counter.register(entry)
    size = counter.size()
    again = counter.register(entry)
    assert (first.status, again.status) == (201, 201)
    assert first.headers["location"] == again.headers["location"]
    index = int(first.headers["location"].rpartition("/")[2])
    public = counter.station.founded.roster.members[HERE].keys.receipt
    assert check_inclusion_receipt(again.body, hash_leaf(entry), public).index == index
    assert decode(counter.ingest(entry, entry).body)["results"] == [[0, index], [0, index]]
    fresh = counter.case()
    first_twice = decode(counter.ingest(fresh, fresh).body)["results"]
    assert first_twice[0] == first_twice[1]
    assert first_twice[0][0] == 0
    assert counter.size() <= size + 2


# ---- time ---------------------------------------------------------------------------------------


def test_a_time_ahead_of_ours_is_future(counter: Counter) -> None:
    delta_s = counter.station.founded.roster.constants.delta_s
    counter.check_refused("future-time", counter.case(counter.now_s + delta_s + 30))
    counter.check_refused("future-time", counter.case(253_402_300_799))


def test_a_time_before_what_the_log_knew_of_is_stale(counter: Counter) -> None:
    # Once a block holds its mirrors' lines, the log knows of their time.
    counter.station.act(HERE, "party.enrol", f"{HERE}/hall/t1", {"name": "厅"}, wait="replicated")
    counter.station.act(HERE, "party.enrol", f"{HERE}/hall/t2", {"name": "厅"})
    counter.check_refused("stale-time", counter.case(counter.now_s - 86_400))
    counter.check_refused("stale-time", counter.case(0))


# ---- what it rests on ---------------------------------------------------------------------------


def test_a_citation_that_no_view_covers_is_void(counter: Counter) -> None:
    citations = decode_statement(counter.case()).act.citations
    foreign = Citation("basis", counter.station.origin(THERE), 0, bytes(32))
    counter.check_refused("void-citation", counter.changed(citations=(*citations, foreign)))
    no_view = Citation("view", counter.station.origin(THERE), 1, bytes(32))
    counter.check_refused("void-citation", counter.changed(citations=(*citations, no_view)))


def test_a_citation_with_another_leaf_or_beyond_the_log_is_void(counter: Counter) -> None:
    citations = decode_statement(counter.case()).act.citations
    for at, good in enumerate(citations):
        wrong = Citation(good.role, good.origin, good.index, bytes(32))
        others = [it for it in citations if it is not good]
        counter.check_refused("void-citation", counter.changed(citations=(*others, wrong)))
        counter.check_refused("void-citation", counter.changed(citations=tuple(others)))
        assert at < 2
    own = counter.station.origin(HERE)
    extra = Citation("corrects", own, 3, bytes(32))
    counter.check_refused("void-citation", counter.changed(citations=(*citations, extra)))
    beyond = Citation("corrects", own, 2**40, bytes(32))
    counter.check_refused("void-citation", counter.changed(citations=(*citations, beyond)))


def test_a_wrong_previous_is_a_conflict(counter: Counter) -> None:
    counter.check_refused("wrong-previous", counter.changed(previous=bytes(32)))


def test_a_rule_that_forbids_has_its_own_code(counter: Counter) -> None:
    entry = counter.case()
    assert counter.register(entry).status == 201
    made = decode_statement(entry)
    again = Act("case.open", 1, hash_leaf(entry), made.act.citations, made.act.body)
    counter.check_refused("exists", counter.sign(made, again))


# ---- sizes --------------------------------------------------------------------------------------


def test_what_is_too_large_is_refused_at_each_limit(counter: Counter) -> None:
    ask, size = counter.station.ask, counter.size()
    long = b"\xd2\x84\x59\xff\xff" + bytes(65_536)
    answer = counter.register(long)
    assert answer.status == 413
    assert decode(answer.body)[-2].startswith("too-large: ")
    # Within a batch that is not too large it stands alone.
    results = decode(counter.ingest(long, long[:65_536]).body)["results"]
    assert [it[1] for it in results] == ["too-large", "too-large"]
    answer = counter.ingest(*[b""] * 1_001)
    assert answer.said == (400, "too-large")
    limits = counter.station.nodes[HERE].service.limits
    body = bytes(limits.body_bytes_max + 1)
    answer = ask("POST", "/v1/ingest", body, token=counter.token, Content_Type=CBOR)
    assert answer.said == (413, "too-large")
    answer = ask("POST", "/v1/acts", bytes(limits.act_bytes_max + 1), token=counter.operator)
    assert answer.said == (413, "too-large")
    proof = b"old 1\n" + b"A" * 43 + b"=\n"
    note = ask("GET", "/log/checkpoint", region=THERE).body
    for hashes, status in ((64, 400), (3_000, 413)):
        sent = b"old 1\n" + proof[6:] * hashes + b"\n" + note
        answer = counter.station.ask_as_peer("POST", "/c2sp/add-checkpoint", sent)
        assert answer.status == status, answer
    assert counter.size() == size


def test_a_text_that_no_entry_could_hold_is_refused_before_it_is_signed(counter: Counter) -> None:
    asked = {"kind": "party.enrol", "subject": f"{HERE}/hall/long"}
    size = counter.size()
    answer = counter.act(counter.operator, **asked, body={"name": "厅" * 2_001})
    assert answer.said == (400, "bad-field")
    assert counter.size() == size


# ---- citizens -----------------------------------------------------------------------------------

IDENTITIES = ["11010519491231002X", "11010519491231002x"]
PHONES = ["13800138000", "8613800138000", "+8613800138000"]


@pytest.mark.parametrize("number", [*IDENTITIES, *PHONES, "１３８００１３８０００"])
@pytest.mark.parametrize("text", ["{}", "申请人{}。", "name: {}, tel."])
def test_a_citizens_number_in_a_public_field_is_refused_by_the_fields_name(
    counter: Counter, number: str, text: str
) -> None:
    size = counter.size()
    answer = counter.act(
        counter.operator,
        kind="party.enrol",
        subject=f"{HERE}/hall/p",
        body={"name": text.format(number)},
    )
    assert answer.said == (400, "personal-data"), answer
    detail = answer.json()["detail"]
    assert detail.endswith(": name")
    assert number not in detail
    assert counter.size() == size


@pytest.mark.parametrize("field", ["window", "item", "department", "grant"])
def test_a_citizens_number_as_a_name_is_refused_by_the_fields_name(
    counter: Counter, field: str
) -> None:
    body = {field: f"{HERE}/{field}/13800138000"}
    counter.check_refused("personal-data", counter.changed(body=body))
    [result] = decode(counter.ingest(counter.changed(body=body)).body)["results"]
    assert result[2].endswith(f": {field}")


def test_a_citizens_number_as_the_subject_is_refused(counter: Counter) -> None:
    for number in ("13800138000", "11010519491231002X"):
        made = decode_statement(counter.case())
        subject = f"{HERE}/case/{number}"
        entry = sign_statement(counter.desk.key, made.issuer, subject, made.time_s, made.act).entry
        counter.check_refused("personal-data", entry)
        asked = {"kind": "party.enrol", "subject": f"{HERE}/hall/{number}", "body": {"name": "厅"}}
        assert counter.act(counter.operator, **asked).said == (400, "personal-data")


@pytest.mark.parametrize(
    "text",
    [
        "000131127004",  # an item's national code
        "91510100MA61RXWN9X",  # a credit code of letters and digits
        "11510000008282029W",  # of a public body
        "川府发〔2021〕13号 事项 000131127004",
        "12800138000",  # no mobile number begins so
        "110105194912310021",  # the check digit is another
        "订单 138001380001",  # one digit too many to be a phone
    ],
)
def test_item_and_credit_codes_are_no_citizens_numbers(counter: Counter, text: str) -> None:
    counter.count += 1
    answer = counter.act(
        counter.operator,
        kind="party.enrol",
        subject=f"{HERE}/hall/n{counter.count}",
        body={"name": text},
    )
    assert answer.status == 201, answer


# ---- who asks -----------------------------------------------------------------------------------


def enrol(counter: Counter, token: str, **more: Any) -> Answer:
    counter.count += 1
    subject = f"{HERE}/hall/w{counter.count}"
    fields = {"kind": "party.enrol", "subject": subject, "body": {"name": "厅"}, **more}
    return counter.act(token, **fields)


def test_only_tokens_in_force_are_let_in(counter: Counter) -> None:
    service = counter.station.nodes[HERE].service
    expired = new_token()
    row = TokenRow(
        hash=hash_token(expired),
        party=HERE,
        role="operator",
        label="",
        created_s=counter.now_s - 20,
        expires_s=counter.now_s,
    )
    counter.station.run(service.driver.write(lambda: service.tokens.add(row)))
    asked = {"party": HERE, "role": "operator"}
    issued = counter.station.call(HERE, "POST", "/v1/tokens", asked)
    revoked = issued["token"]
    assert enrol(counter, revoked).status == 201
    counter.station.call(HERE, "DELETE", f"/v1/tokens/{issued['id']}")
    size = counter.size()
    for token, code in (
        ("", "no-token"),
        (new_token(), "unknown-token"),
        (expired, "expired-token"),
        (revoked, "revoked-token"),
        (counter.operator + "x", "unknown-token"),
        (counter.operator[:-1], "unknown-token"),
    ):
        answer = enrol(counter, token)
        assert answer.said == (401, code)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert counter.ingest(counter.case(), token=token or " ").status == 401
    assert counter.size() == size


def test_a_token_that_runs_out_while_it_is_in_use_is_refused(counter: Counter) -> None:
    asked = {"party": HERE, "role": "operator", "days": 1}
    token = counter.station.call(HERE, "POST", "/v1/tokens", asked)["token"]
    assert enrol(counter, token).status == 201
    counter.station.clock.by_ms = 86_401_000
    try:
        query = "/v1/findings?rows=1"
        answer = counter.station.ask("GET", query, token=token)
    finally:
        counter.station.clock.by_ms = 0
    assert answer.said == (401, "expired-token")


def test_a_role_or_a_party_that_does_not_fit_is_refused(counter: Counter) -> None:
    size = counter.size()
    for token, more, code in (
        (counter.auditor, {}, "wrong-role"),
        (counter.token, {}, "wrong-role"),
        (counter.operator, {"officer": OTHER}, "wrong-role"),
        (counter.other_token, {"officer": counter.desk.officer}, "wrong-party"),
        (counter.token, {"officer": OTHER}, "wrong-party"),
        (counter.token, {"officer": HERE}, "wrong-role"),
    ):
        assert enrol(counter, token, **more).said == (403, code), (more, code)
    asked = json.dumps({"party": HERE, "role": "auditor"}).encode()
    for token in (counter.auditor, counter.token, counter.other_token):
        for method, path, body in (
            ("POST", "/v1/tokens", asked),
            ("GET", "/v1/tokens", None),
            ("DELETE", f"/v1/tokens/{'0' * 64}", None),
            ("POST", "/v1/officers", b'{"party":"510000/officer/x"}'),
        ):
            answer = counter.station.ask(method, path, body, token=token)
            assert answer.said == (403, "wrong-role")
    answer = counter.ingest(counter.case(), token=counter.auditor)
    assert answer.said == (403, "wrong-role")
    asked = json.dumps({"party": f"{THERE}/officer/x", "role": "window"}).encode()
    answer = counter.station.ask("POST", "/v1/tokens", asked, token=counter.operator)
    assert answer.said == (403, "wrong-party")
    assert counter.size() == size


def test_a_token_of_another_region_is_unknown_here(counter: Counter) -> None:
    assert enrol(counter, counter.station.founded.tokens[THERE]).said == (401, "unknown-token")


def test_nobody_has_the_node_sign_for_an_officer_who_holds_their_own_key(counter: Counter) -> None:
    size = counter.size()
    answer = enrol(counter, counter.token, officer=counter.desk.officer)
    assert answer.said == (403, "not-entitled")
    assert "own key" in answer.json()["detail"]
    # Nor by making a key for them after the fact.
    made = counter.station.call(HERE, "POST", "/v1/officers", {"party": counter.desk.officer})
    assert made["key"] != counter.desk.key.public.hex()
    answer = enrol(counter, counter.token, officer=counter.desk.officer)
    assert answer.said == (403, "not-entitled")
    assert counter.size() == size


def test_nobody_else_writes_the_logs_own_entries(counter: Counter) -> None:
    """Not even the region's operator, nor an officer with a good key."""
    size = counter.size()
    origin = counter.station.origin(HERE)
    for kind in ("log.genesis", "log.block", "log.view"):
        answer = counter.act(counter.operator, kind=kind, subject=origin, body={})
        assert answer.status in {400, 403}, answer
        act = Act(kind, 1, None, (), {})
        entry = sign_statement(
            counter.desk.key, counter.desk.officer, origin, counter.now_s, act
        ).entry
        answer = counter.register(entry)
        assert answer.status == 400
        assert decode(answer.body)[-2].startswith(("not-entitled: ", "unknown-kind: "))
    assert counter.size() == size


def test_the_detail_of_a_refusal_never_repeats_a_whole_request(counter: Counter) -> None:
    long: list[Callable[[], Answer]] = [
        lambda: counter.act(counter.operator, kind="x" * 5_000, subject=HERE, body={}),
        lambda: counter.act(counter.operator, kind="party.enrol", subject="y" * 5_000, body={}),
        lambda: counter.act(counter.operator, **{"z" * 5_000: 1}),
    ]
    for send in long:
        answer = send()
        assert answer.status == 400
        assert len(answer.json()["detail"]) <= 500
