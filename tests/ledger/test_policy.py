from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.cosignature import sign_line, sign_post_quantum
from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.keys import PostQuantumKey, SigningKey
from ledger.note import (
    ED25519,
    ED25519_COSIGNATURE,
    POST_QUANTUM_COSIGNATURE,
    Note,
    Signature,
    VerifierKey,
    sign_ed25519,
)
from ledger.policy import (
    POLICY_BYTES_MAX,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    byzantine_max,
    check_quorums_intersect,
    minimal_quorums,
    quorum,
    shared_witnesses_min,
)

ORIGIN = "log.example/a"
LOG = SigningKey.from_seed(b"l" * 32)
LOG_VKEY = VerifierKey(ORIGIN, ED25519, LOG.public).encode()
KEYS = [SigningKey.from_seed(b"%032d" % at) for at in range(40)]
WITNESSES = tuple(
    PolicyWitness(f"w{at}", VerifierKey(f"w{at}.example", ED25519_COSIGNATURE, key.public))
    for at, key in enumerate(KEYS)
)
HEAD = Checkpoint(ORIGIN, 5, bytes(range(32)))
LOG_LINE = sign_ed25519(ORIGIN, LOG, HEAD.text())
TIME_S = 1_700_000_000


def policy(witnesses: int, *groups: PolicyGroup, chosen: str | None) -> Policy:
    logs = (PolicyLog(VerifierKey(ORIGIN, ED25519, LOG.public)),)
    return Policy(logs, WITNESSES[:witnesses], groups, chosen)


def threshold(n: int, q: int) -> Policy:
    return policy(n, PolicyGroup("g", q, tuple(w.name for w in WITNESSES[:n])), chosen="g")


def cosignature(at: int) -> Signature:
    name = WITNESSES[at].key.name
    return sign_line(name, KEYS[at], HEAD, TIME_S + at).to_signature(name)


def cosigned(*by: int) -> Note:
    return Note(HEAD.text(), (LOG_LINE, *(cosignature(at) for at in by)))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Up to eight witnesses in any forest of groups."""
    n = draw(st.integers(1, 8))
    free = [witness.name for witness in WITNESSES[:n]]
    groups = []
    for at in range(draw(st.integers(0, 4))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, max_size=5, unique=True))
        groups.append(
            PolicyGroup(f"g{at}", draw(st.integers(1, len(members))), tuple(members)),
        )
        free = [*(name for name in free if name not in members), f"g{at}"]
    defined = [*(w.name for w in WITNESSES[:n]), *(group.name for group in groups)]
    return policy(n, *groups, chosen=draw(st.sampled_from(defined)))


def is_quorum(of: Policy, names: frozenset[str]) -> bool:
    """Say by the definition whether these witnesses are enough."""
    groups = {group.name: group for group in of.groups}

    def has_witnessed(name: str) -> bool:
        group = groups.get(name)
        if group is None:
            return name in names
        return sum(map(has_witnessed, group.members)) >= group.threshold

    return of.quorum is None or has_witnessed(of.quorum)


def subsets(of: Policy) -> list[frozenset[str]]:
    names = [witness.name for witness in of.witnesses]
    return [frozenset(some) for k in range(len(names) + 1) for some in combinations(names, k)]


# Quorums.


# n, f, q: the usual networks, and the least ones.
TABLE = """3 0 2, 4 1 3, 5 1 4, 6 1 4, 7 2 5, 9 2 6, 10 3 7, 12 3 8, 16 5 11, 20 6 14, 31 10 21,
33 10 22, 0 0 1, 1 0 1, 2 0 2"""


@pytest.mark.parametrize(
    ("n", "f", "q"), [tuple(map(int, row.split())) for row in TABLE.split(",")]
)
def test_quorums_are_those_of_the_table(n: int, f: int, q: int) -> None:
    assert byzantine_max(n) == f
    assert quorum(n, f) == q
    assert 2 * q - n >= f + 1
    assert 2 * (q - 1) - n <= f
    if n:
        check_quorums_intersect(threshold(n, q), f)


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 9, 10, 12, 16, 20, 31, 33])
def test_one_witness_fewer_might_not_intersect(n: int) -> None:
    f = byzantine_max(n)
    with pytest.raises(RefusedError) as caught:
        check_quorums_intersect(threshold(n, quorum(n, f) - 1), f)
    assert caught.value.code == "quorums-may-not-intersect"


@given(policy=policies())
def test_minimal_quorums_are_the_least_of_all_quorums(policy: Policy) -> None:
    enough = [names for names in subsets(policy) if is_quorum(policy, names)]
    least = {names for names in enough if not any(other < names for other in enough)}
    listed = minimal_quorums(policy)
    assert len(listed) == len(least)
    assert set(listed) == least


@given(policy=policies())
def test_the_fewest_shared_witnesses_are_those_of_some_two_quorums(policy: Policy) -> None:
    quorums = minimal_quorums(policy)
    assert shared_witnesses_min(policy) == min(len(one & two) for one in quorums for two in quorums)


def test_too_many_quorums_are_counted_and_not_listed() -> None:
    wide = threshold(33, 22)
    with pytest.raises(RefusedError) as caught:
        minimal_quorums(wide)
    assert caught.value.code == "too-many-quorums"
    assert shared_witnesses_min(wide) == 11
    assert len(minimal_quorums(threshold(5, 3), 10)) == 10
    with pytest.raises(RefusedError):
        minimal_quorums(threshold(5, 3), 9)


def test_groups_beside_the_quorum_cost_nothing() -> None:
    names = tuple(witness.name for witness in WITNESSES)
    wide = policy(40, PolicyGroup("wide", 20, names[1:]), chosen="w0")
    assert minimal_quorums(wide) == (frozenset(("w0",)),)


def test_a_policy_without_a_quorum_shares_nobody() -> None:
    free = policy(3, chosen=None)
    assert minimal_quorums(free) == (frozenset(),)
    assert shared_witnesses_min(free) == 0


def test_groups_nest_deeply_without_harm() -> None:
    groups = [PolicyGroup("g0", 1, ("w0",))]
    groups += [PolicyGroup(f"g{at}", 1, (f"g{at - 1}",)) for at in range(1, 3_000)]
    deep = policy(1, *groups, chosen="g2999")
    assert shared_witnesses_min(deep) == 1
    assert minimal_quorums(deep) == (frozenset(("w0",)),)
    assert deep.check(cosigned(0)).witness_names == ("w0",)


# Checking notes.


@pytest.mark.parametrize("by", subsets(threshold(4, 3)), ids=lambda names: "-".join(sorted(names)))
def test_a_note_stands_iff_its_witnesses_are_a_quorum(by: frozenset[str]) -> None:
    chosen = threshold(4, 3)
    note = cosigned(*sorted(int(name[1:]) for name in by))
    if len(by) >= 3:
        result = chosen.check(note)
        assert result.checkpoint == HEAD
        assert result.witness_names == tuple(sorted(by))
        assert [line.time_s for line in result.witnesses] == [
            TIME_S + int(name[1:]) for name in sorted(by)
        ]
        assert [line.signature for line in result.logs] == [LOG_LINE]
        return
    with pytest.raises(UnverifiedError) as caught:
        chosen.check(note)
    assert caught.value.code == "no-quorum"


@given(policy=policies(), by=st.sets(st.integers(0, 7)))
def test_a_nested_quorum_is_met_as_its_definition_says(policy: Policy, by: set[int]) -> None:
    names = frozenset(f"w{at}" for at in by)
    assert policy._is_met_by(tuple(names)) == is_quorum(policy, names)


def test_witnesses_outside_the_policy_are_passed_over() -> None:
    with pytest.raises(UnverifiedError) as caught:
        threshold(4, 3).check(cosigned(0, 1, 4, 5, 6))
    assert caught.value.code == "no-quorum"
    assert threshold(4, 3).check(cosigned(4, 0, 5, 1, 2)).witness_names == ("w0", "w1", "w2")


def test_a_witness_that_signs_badly_condemns_the_note_though_a_quorum_is_there() -> None:
    good = cosigned(0, 1, 2)
    bad = Signature("w3.example", WITNESSES[3].key.key_id, b"\1" * 72)
    threshold(4, 3).check(good)
    with pytest.raises(UnverifiedError) as caught:
        threshold(4, 3).check(good.with_signatures(bad))
    assert caught.value.code == "bad-signature"


def test_a_log_that_the_policy_does_not_name_is_refused() -> None:
    head = Checkpoint("log.example/b", 5, HEAD.root)
    note = Note(head.text(), (sign_ed25519("log.example/b", LOG, head.text()),))
    with pytest.raises(UnverifiedError, match="names no log") as caught:
        threshold(4, 3).check(note)
    assert caught.value.code == "unknown-key"


def test_a_log_signs_for_its_own_origin_only() -> None:
    """Two logs of one policy: the key of one is no word for the other."""
    other = SigningKey.from_seed(b"o" * 32)
    logs = tuple(
        PolicyLog(VerifierKey(name, ED25519, key.public))
        for name, key in ((ORIGIN, LOG), ("log.example/b", other))
    )
    both = Policy(logs, WITNESSES[:1], (), "w0")
    head = Checkpoint("log.example/b", 5, HEAD.root)
    witness = sign_line("w0.example", KEYS[0], head, TIME_S).to_signature("w0.example")
    wrong = Note(head.text(), (sign_ed25519(ORIGIN, LOG, head.text()), witness))
    with pytest.raises(UnverifiedError, match="the log has not signed") as caught:
        both.check(wrong)
    assert caught.value.code == "unknown-key"
    right = Note(head.text(), (sign_ed25519("log.example/b", other, head.text()), witness))
    assert both.check(right).checkpoint == head
    assert both.check(cosigned(0)).checkpoint == HEAD


def test_witnesses_alone_do_not_make_a_log() -> None:
    note = Note(HEAD.text(), tuple(cosignature(at) for at in range(3)))
    with pytest.raises(UnverifiedError, match="the log has not signed") as caught:
        threshold(4, 3).check(note)
    assert caught.value.code == "unknown-key"


def test_a_note_that_is_no_checkpoint_is_malformed() -> None:
    text = HEAD.text() + b"extension\n"
    with pytest.raises(MalformedError) as caught:
        threshold(4, 3).check(Note(text, (sign_ed25519(ORIGIN, LOG, text),)))
    assert caught.value.code == "extension-line"


def test_an_undated_post_quantum_line_is_no_cosignature() -> None:
    key, log = PostQuantumKey.from_seed(b"q" * 32), PostQuantumKey.from_seed(b"p" * 32)
    chosen = Policy(
        (PolicyLog(VerifierKey(ORIGIN, POST_QUANTUM_COSIGNATURE, log.public)),),
        (PolicyWitness("q", VerifierKey("q.example", POST_QUANTUM_COSIGNATURE, key.public)),),
        (),
        "q",
    )
    by_log = sign_post_quantum(ORIGIN, log, HEAD, 0)
    dated = Note(HEAD.text(), (by_log, sign_post_quantum("q.example", key, HEAD, TIME_S)))
    assert chosen.check(dated).witness_names == ("q",)
    undated = Note(HEAD.text(), (by_log, sign_post_quantum("q.example", key, HEAD, 0)))
    with pytest.raises(UnverifiedError) as caught:
        chosen.check(undated)
    assert caught.value.code == "no-quorum"


def test_without_a_quorum_the_log_alone_is_enough() -> None:
    assert policy(3, chosen=None).check(cosigned()).witnesses == ()


# The file.


@given(policy=policies())
def test_a_policy_comes_back_from_its_file(policy: Policy) -> None:
    assert Policy.decode(policy.encode(), insecure=True) == policy


VKEYS = [witness.key.encode() for witness in WITNESSES]
FILE = f"""\
# A comment, and an empty line.

log {LOG_VKEY} https://log.example/
 \twitness  w0\t{VKEYS[0]} https://w0.example/ \t
witness w1 {VKEYS[1]}
witness w2 {VKEYS[2]}
  # witness w3 {VKEYS[3]}
group g 2 w0 w1 w2
quorum g
witness w4 {VKEYS[4]}
"""


def test_blanks_comments_and_addresses_are_read() -> None:
    read = Policy.decode(FILE.encode())
    assert read.logs[0].url == "https://log.example/"
    assert [(w.name, w.url) for w in read.witnesses] == [
        ("w0", "https://w0.example/"),
        ("w1", None),
        ("w2", None),
        ("w4", None),
    ]
    assert read.groups == (PolicyGroup("g", 2, ("w0", "w1", "w2")),)
    assert read.quorum == "g"
    assert read.encode().decode() == (
        f"log {LOG_VKEY} https://log.example/\n"
        f"witness w0 {VKEYS[0]} https://w0.example/\n"
        f"witness w1 {VKEYS[1]}\nwitness w2 {VKEYS[2]}\nwitness w4 {VKEYS[4]}\n"
        "group g 2 w0 w1 w2\nquorum g\n"
    )


@pytest.mark.parametrize(("word", "count"), [("any", 1), ("all", 3), ("1", 1), ("2", 2), ("3", 3)])
def test_thresholds_have_two_words_and_numbers(word: str, count: int) -> None:
    data = FILE.replace("group g 2", f"group g {word}").encode()
    assert Policy.decode(data, insecure=True).groups[0].threshold == count


def test_names_are_octets() -> None:
    file = FILE.replace("witness  w0", "witness \udcff\udcfe").replace("witness w1", "witness 授信")
    file = file.replace("group g 2 w0 w1", "group g 2 \udcff\udcfe 授信")
    data = file.encode("utf-8", "surrogateescape")
    assert b" \xff\xfe " in data
    read = Policy.decode(data)
    assert read.groups[0].members == ("\udcff\udcfe", "授信", "w2")
    assert b"group g 2 \xff\xfe \xe6\x8e\x88\xe4\xbf\xa1 w2\n" in read.encode()
    assert Policy.decode(read.encode()) == read


def changed(old: str, new: str) -> bytes:
    assert old in FILE
    return FILE.replace(old, new).encode()


MALFORMED = {
    "nothing": b"",
    "no quorum": changed("quorum g\n", ""),
    "two quorums": changed("quorum g", "quorum g\nquorum g"),
    "quorum of two": changed("quorum g", "quorum g w0"),
    "quorum of nothing": changed("quorum g", "quorum"),
    "quorum not defined": changed("quorum g", "quorum h"),
    "quorum defined later": changed("quorum g", "quorum w4"),
    "no last line feed": FILE.encode()[:-1],
    "carriage returns": FILE.replace("\n", "\r\n").encode(),
    "form feed": changed("quorum g", "quorum\fg"),
    "delete": changed("A comment", "A\x7fcomment"),
    "nul": changed("A comment", "A\0comment"),
    "comment after a line": changed("quorum g", "quorum g # that is it"),
    "capitals": changed("quorum g", "Quorum g"),
    "unknown word": changed("quorum g", "quorum g\nepoch 4"),
    "log without a key": changed(f"log {LOG_VKEY} https://log.example/", "log"),
    "log with two addresses": changed("https://log.example/", "https://a/ https://b/"),
    "log twice": changed("quorum g", f"quorum g\nlog {LOG_VKEY}"),
    "log with a witness key": changed(LOG_VKEY, VKEYS[9]),
    "witness without a key": changed(f"w1 {VKEYS[1]}", "w1"),
    "witness with two addresses": changed("https://w0.example/", "https://a/ https://b/"),
    "witness with a log key": changed(VKEYS[1], LOG_VKEY),
    "witness with a broken key": changed(VKEYS[1], VKEYS[1][:-1]),
    "witness twice": changed("quorum g", f"quorum g\nwitness w1 {VKEYS[9]}"),
    "witness called none": changed("quorum g", f"quorum g\nwitness none {VKEYS[9]}"),
    "one key twice": changed(VKEYS[4], VKEYS[1]),
    "one key under another name": changed(
        VKEYS[4], VerifierKey("other", ED25519_COSIGNATURE, KEYS[1].public).encode()
    ),
    "a log's key as a witness": changed(
        VKEYS[4], VerifierKey(ORIGIN, ED25519_COSIGNATURE, LOG.public).encode()
    ),
    "group of nobody": changed("group g 2 w0 w1 w2", "group g any"),
    "group called like a witness": changed("group g 2", "group w4 2"),
    "group called none": changed("group g 2", "group none 2"),
    "group twice": changed("quorum g", "quorum g\ngroup g any w4"),
    "group of itself": changed("group g 2 w0 w1 w2", "group g any g"),
    "group of none": changed("group g 2 w0 w1 w2", "group g any none"),
    "member defined later": changed("group g 2 w0 w1 w2", "group g 2 w0 w1 w4"),
    "member twice in a group": changed("group g 2 w0 w1 w2", "group g 2 w0 w1 w1"),
    "member of two groups": changed("quorum g", "quorum g\ngroup h any w1"),
    "threshold zero": changed("group g 2", "group g 0"),
    "threshold too high": changed("group g 2", "group g 4"),
    "threshold with a sign": changed("group g 2", "group g +2"),
    "threshold with a zero": changed("group g 2", "group g 02"),
    "threshold in other digits": changed("group g 2", "group g ٢"),
    "threshold in capitals": changed("group g 2", "group g ALL"),
    "threshold of thousands of digits": changed("group g 2", "group g " + "9" * 5000),
    "no-break space": changed("quorum g", "quorum\u00a0g"),
    "too large": b"#" * POLICY_BYTES_MAX + b"\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_file_that_breaks_a_rule_is_refused(data: bytes) -> None:
    Policy.decode(FILE.encode())
    with pytest.raises(MalformedError):
        Policy.decode(data, insecure=True)


@given(data=st.binary(max_size=80) | st.binary(max_size=40).map(FILE.encode().__add__))
def test_any_bytes_are_malformed_or_a_policy(data: bytes) -> None:
    try:
        read = Policy.decode(data, insecure=True)
    except MalformedError:
        return
    assert Policy.decode(read.encode(), insecure=True) == read


@pytest.mark.parametrize("line", ["none", "w0", "g"])
def test_what_two_disjoint_quorums_could_contradict_needs_a_flag(line: str) -> None:
    data = changed("group g 2", "group g any").replace(b"quorum g", b"quorum " + line.encode())
    assert Policy.decode(data, insecure=True).quorum == (None if line == "none" else line)
    if line == "w0":  # One witness is shared by all of its quorums.
        assert Policy.decode(data).quorum == "w0"
        return
    with pytest.raises(RefusedError) as caught:
        Policy.decode(data)
    assert caught.value.code == "quorums-may-not-intersect"


def test_a_file_is_judged_by_how_many_may_lie() -> None:
    data = threshold(4, 3).encode()
    assert Policy.decode(data, faulty_max=1) == threshold(4, 3)
    with pytest.raises(RefusedError):
        Policy.decode(data, faulty_max=2)


@pytest.mark.parametrize(
    "word", ["", "a b", "a\tb", "a\nb", "a\x7fb", "\ud800", "\udce6\udc8e\udc88"]
)
def test_a_name_or_address_that_would_not_come_back_is_refused(word: str) -> None:
    for make in (
        lambda: PolicyWitness(word, WITNESSES[0].key),
        lambda: PolicyWitness("w", WITNESSES[0].key, word),
        lambda: PolicyLog(VerifierKey(ORIGIN, ED25519, LOG.public), word),
        lambda: PolicyGroup(word, 1, ("w0",)),
    ):
        with pytest.raises(MalformedError):
            make()


def test_a_policy_made_by_hand_keeps_the_rules() -> None:
    group = PolicyGroup("g", 1, ("w0",))
    for groups, chosen, message in (
        ((PolicyGroup("g", 1, ("h",)), PolicyGroup("h", 1, ("w0",))), "g", "not defined yet"),
        ((group, PolicyGroup("h", 1, ("w0",))), "g", "a member twice"),
        ((group, PolicyGroup("g", 1, ("w1",))), "g", "definitions have one name"),
        ((PolicyGroup("w1", 1, ("w0",)),), "w1", "definitions have one name"),
        ((group,), "h", "quorum is not defined"),
    ):
        with pytest.raises(MalformedError, match=message) as caught:
            policy(2, *groups, chosen=chosen)
        assert caught.value.code == "bad-policy"
    with pytest.raises(MalformedError, match="witnesses have one name"):
        Policy((), (WITNESSES[0], PolicyWitness("w0", WITNESSES[1].key)), (), None)
    with pytest.raises(MalformedError, match="public key stands twice"):
        Policy((), (WITNESSES[0], PolicyWitness("w1", WITNESSES[0].key)), (), None)


def test_a_group_has_a_threshold_that_it_can_meet() -> None:
    for count, members in ((0, ("a",)), (2, ("a",)), (1, ())):
        with pytest.raises(MalformedError):
            PolicyGroup("g", count, members)
