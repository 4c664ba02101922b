"""Which logs and witnesses make a checkpoint stand (C2SP tlog-policy), and quorum arithmetic.

A policy file has no validity window: which file rules when is the roster's concern. Ages of
cosignatures are not judged here either; their times are in the result.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final, Self

from ledger.checkpoint import Checkpoint
from ledger.errors import MalformedError, RefusedError, UnverifiedError
from ledger.note import (
    ED25519,
    ED25519_COSIGNATURE,
    POST_QUANTUM_COSIGNATURE,
    Note,
    VerifiedSignature,
    VerifierKey,
    check_signed,
)

POLICY_BYTES_MAX: Final = 1 << 20
QUORUMS_MAX: Final = 100_000

NONE: Final = "none"

_LOG_KINDS: Final = (ED25519, POST_QUANTUM_COSIGNATURE)
_WITNESS_KINDS: Final = (ED25519_COSIGNATURE, POST_QUANTUM_COSIGNATURE)

_BLANK: Final = b" \t"
_FORBIDDEN: Final = bytes((*range(0x09), *range(0x0B, 0x20), 0x7F))


def byzantine_max(n: int) -> int:
    """Return how many of ``n`` members may lie, unless the roster says otherwise."""
    return (n - 1) // 3 if n > 0 else 0


def quorum(n: int, f: int) -> int:
    """Return the fewest of ``n`` members of which any two choices share more than ``f``."""
    return (n + f) // 2 + 1


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log to trust. The key's name is the origin; ``url`` is ``None`` where the file has none."""

    key: VerifierKey
    url: str | None = None

    def __post_init__(self) -> None:
        if self.key.kind not in _LOG_KINDS:
            raise MalformedError("a log signs with type 01 or 06", code="bad-key")
        if self.url is not None:
            _check_word(self.url)


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness under the name that groups call it by, which need not be its key's name.

    ``url`` is its submission prefix, or ``None`` where the file has none.
    """

    name: str
    key: VerifierKey
    url: str | None = None

    def __post_init__(self) -> None:
        _check_member_name(self.name)
        if self.key.kind not in _WITNESS_KINDS:
            raise MalformedError("a witness signs with type 04 or 06", code="bad-key")
        if self.url is not None:
            _check_word(self.url)


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """A group that has witnessed when ``threshold`` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_member_name(self.name)
        if not 1 <= self.threshold <= len(self.members):
            raise MalformedError(f"a group's threshold is in 1..{len(self.members)}")


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What a policy found good in a note.

    ``logs`` and ``witnesses`` are the lines that hold, in the note's order; ``witness_names`` are
    the policy's names of those witnesses, in the order of ``witnesses``.
    """

    checkpoint: Checkpoint
    logs: tuple[VerifiedSignature, ...]
    witnesses: tuple[VerifiedSignature, ...]
    witness_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses, groups of witnesses, and the quorum a checkpoint needs.

    Names are octets in the file. Here they are text, with octets that are not UTF-8 kept as
    surrogate escapes. Invariants: a group names only witnesses and groups before it, each name is
    a member at most once, and no public key stands twice; so groups form a forest of distinct keys.

    Args:
        logs: Any one of them will do.
        witnesses: All of them, in the groups or not.
        groups: In order of definition.
        quorum: A witness or group, or ``None`` when no cosignature is needed.
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str | None

    def __post_init__(self) -> None:
        publics = [log.key.public for log in self.logs]
        publics += [witness.key.public for witness in self.witnesses]
        if len(set(publics)) != len(publics):
            raise MalformedError("a public key stands twice in the policy", code="bad-policy")
        defined = {witness.name for witness in self.witnesses}
        if len(defined) != len(self.witnesses):
            raise MalformedError("two witnesses have one name", code="bad-policy")
        members: set[str] = set()
        for group in self.groups:
            for member in group.members:
                if member not in defined:
                    raise MalformedError("a group's member is not defined yet", code="bad-policy")
                if member in members:
                    raise MalformedError("a name is a member twice", code="bad-policy")
                members.add(member)
            if group.name in defined:
                raise MalformedError("two definitions have one name", code="bad-policy")
            defined.add(group.name)
        if self.quorum is not None and self.quorum not in defined:
            raise MalformedError("the quorum is not defined", code="bad-policy")

    def encode(self) -> bytes:
        """Return the policy file."""
        lines = [_line("log", entry.key.encode(), entry.url) for entry in self.logs]
        lines += [_line("witness", w.name, w.key.encode(), w.url) for w in self.witnesses]
        lines += [_line("group", g.name, str(g.threshold), *g.members) for g in self.groups]
        lines.append(_line("quorum", NONE if self.quorum is None else self.quorum))
        return "".join(lines).encode("utf-8", "surrogateescape")

    @classmethod
    def decode(cls, data: bytes, *, faulty_max: int = 0, insecure: bool = False) -> Self:
        """Read a policy file that people may have written: blanks and comments are theirs.

        Args:
            data: The file.
            faulty_max: How many witnesses may lie; two quorums must share more than that.
            insecure: Take a policy that promises nothing, such as ``quorum none`` or ``any``.

        Raises:
            MalformedError: The file breaks a rule of the format: ``malformed`` where it is in
                the lines, ``bad-policy`` in what they define, ``bad-key`` in a key.
            RefusedError: ``quorums-may-not-intersect``.
        """
        policy = cls._parse(data)
        if not insecure:
            check_quorums_intersect(policy, faulty_max)
        return policy

    @classmethod
    def _parse(cls, data: bytes) -> Self:
        if len(data) > POLICY_BYTES_MAX:
            raise MalformedError("a policy file is at most 1 MiB", code="too-large")
        if not data.endswith(b"\n"):
            raise MalformedError("each line of a policy ends in a line feed")
        if data.translate(None, _FORBIDDEN) != data:
            raise MalformedError("a policy holds no control character but tab")
        logs: list[PolicyLog] = []
        witnesses: list[PolicyWitness] = []
        groups: list[PolicyGroup] = []
        defined: set[str] = set()
        quorums: list[str] = []
        for line in data[:-1].split(b"\n"):
            stripped = line.strip(_BLANK)
            if not stripped or stripped.startswith(b"#"):
                continue
            words = [
                word.decode("utf-8", "surrogateescape")
                for word in stripped.replace(b"\t", b" ").split(b" ")
                if word
            ]
            match words:
                case ["log", vkey, *url] if len(url) <= 1:
                    logs.append(PolicyLog(VerifierKey.decode(vkey), *url))
                case ["witness", name, vkey, *url] if len(url) <= 1:
                    witnesses.append(PolicyWitness(name, VerifierKey.decode(vkey), *url))
                    defined.add(name)
                case ["group", name, count, *members] if members:
                    # Here, since only here is it known what stood before this line.
                    if not defined.issuperset(members):
                        raise MalformedError(
                            "a group's member is not defined yet", code="bad-policy"
                        )
                    groups.append(PolicyGroup(name, _threshold(count, members), tuple(members)))
                    defined.add(name)
                case ["quorum", name]:
                    if name != NONE and name not in defined:
                        raise MalformedError("the quorum is not defined yet", code="bad-policy")
                    quorums.append(name)
                case _:
                    raise MalformedError("a line of a policy is log, witness, group or quorum")
        if len(quorums) != 1:
            raise MalformedError(f"a policy has one quorum line, not {len(quorums)}")
        chosen = None if quorums[0] == NONE else quorums[0]
        return cls(tuple(logs), tuple(witnesses), tuple(groups), chosen)

    def check(self, note: Note) -> PolicyResult:
        """Check that ``note`` is a checkpoint of one of our logs, cosigned by the quorum.

        1. The text is a checkpoint.
        2. A log of this policy has that origin.
        3. Every line by that log or by a witness of this policy holds.
        4. The log itself has signed.
        5. The witnesses that have signed make up the quorum. An ML-DSA-44 line dated 0 makes no
           statement about the largest tree, and is not counted.

        Raises:
            MalformedError: (1), and as ``check_signed``.
            UnverifiedError: ``unknown-key`` (2, 4, or 3 when nobody known has signed),
                ``bad-signature`` (3), ``no-quorum`` (5).
        """
        checkpoint = Checkpoint.decode(note.text)  # (1)
        log_keys = [log.key for log in self.logs if log.key.name == checkpoint.origin]
        if not log_keys:  # (2)
            raise UnverifiedError(
                f"the policy names no log {checkpoint.origin}", code="unknown-key"
            )
        name_of = {witness.key: witness.name for witness in self.witnesses}
        verified = check_signed(note, (*log_keys, *name_of))  # (3)
        logs = tuple(line for line in verified if line.key not in name_of)
        if not logs:  # (4)
            raise UnverifiedError("the log has not signed", code="unknown-key")
        witnesses = tuple(line for line in verified if line.key in name_of and line.time_s)
        names = tuple(name_of[line.key] for line in witnesses)
        if not self._is_met_by(names):  # (5)
            raise UnverifiedError(f"no quorum among {len(names)} witnesses", code="no-quorum")
        return PolicyResult(checkpoint, logs, witnesses, names)

    def _is_met_by(self, names: tuple[str, ...]) -> bool:
        if self.quorum is None:
            return True
        met = set(names)
        # Groups name only what stands before them, so one pass in order settles all of them.
        for group in self.groups:
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met


def check_quorums_intersect(policy: Policy, faulty_max: int) -> None:
    """Check that any two quorums share more witnesses than may lie.

    Then two conflicting checkpoints cannot both have a quorum while no more than ``faulty_max``
    witnesses sign both.

    Raises:
        RefusedError: ``quorums-may-not-intersect``; also when no quorum is asked for at all.
    """
    shared = shared_witnesses_min(policy)
    if shared <= faulty_max:
        raise RefusedError(
            f"two quorums may share only {shared} witnesses, of which {faulty_max} may lie",
            code="quorums-may-not-intersect",
        )


def shared_witnesses_min(policy: Policy) -> int:
    """Return the fewest witnesses that any two quorums share; 0 when no quorum is asked for.

    No name is a member twice, so the members of a group are disjoint sets of witnesses. Two choices
    of k members out of m share at least 2k - m of them, and may share just those that cost least; a
    member that stands in only one of the two shares nothing. So one pass gives what comparing all
    pairs of quorums would (there are 193,536,720 quorums of 22 in 33).
    """
    if policy.quorum is None:
        return 0
    shared = dict.fromkeys((witness.name for witness in policy.witnesses), 1)
    for group in policy.groups:
        both = max(0, 2 * group.threshold - len(group.members))
        least = heapq.nsmallest(both, (shared[member] for member in group.members))
        shared[group.name] = sum(least)
    return shared[policy.quorum]


def minimal_quorums(policy: Policy, quorums_max: int = QUORUMS_MAX) -> tuple[frozenset[str], ...]:
    """Return each set of witnesses that is a quorum and would not be without any one of them.

    Args:
        policy: Any; one without a quorum has one minimal quorum, the empty set.
        quorums_max: How many to list at most. They are counted before they are listed.

    Raises:
        RefusedError: ``too-many-quorums``.
    """
    if policy.quorum is None:
        return (frozenset(),)
    groups = {group.name: group for group in policy.groups}
    needed = _below(policy.quorum, groups)
    counts = {witness.name: 1 for witness in policy.witnesses}
    for group in policy.groups:
        if group.name in needed:
            counts[group.name] = _choices(group, counts, quorums_max)
    quorums: dict[str, tuple[frozenset[str], ...]] = {
        witness.name: (frozenset((witness.name,)),) for witness in policy.witnesses
    }
    for group in policy.groups:
        if group.name in needed:
            quorums[group.name] = tuple(
                frozenset().union(*parts)
                for chosen in combinations(group.members, group.threshold)
                for parts in product(*(quorums[member] for member in chosen))
            )
    return quorums[policy.quorum]


def _choices(group: PolicyGroup, counts: Mapping[str, int], quorums_max: int) -> int:
    """Count the minimal quorums of one group, whose members' are counted already."""
    # ways[k] is the number of ways to choose k members and one minimal quorum of each.
    ways = [1] + [0] * group.threshold
    for member in group.members:
        for k in range(group.threshold, 0, -1):
            ways[k] += ways[k - 1] * counts[member]
    if ways[-1] > quorums_max:
        raise RefusedError(
            f"the policy has more than {quorums_max} minimal quorums", code="too-many-quorums"
        )
    return ways[-1]


def _below(name: str, groups: Mapping[str, PolicyGroup]) -> frozenset[str]:
    """Return ``name`` and all that it is made of."""

    def walk() -> Iterator[str]:
        waiting = [name]
        while waiting:
            at = waiting.pop()
            yield at
            if at in groups:
                waiting.extend(groups[at].members)

    return frozenset(walk())


def _threshold(word: str, members: list[str]) -> int:
    if word == "all":
        return len(members)
    if word == "any":
        return 1
    # int() takes "+2", "02" and digits of other scripts; a threshold has one spelling.
    if not word.isascii() or not word.isdigit() or word.startswith("0") or len(word) > 9:
        raise MalformedError("a group's threshold is any, all or a decimal number")
    return int(word)


def _check_member_name(name: str) -> None:
    _check_word(name)
    if name == NONE:
        raise MalformedError("no witness or group may be called none", code="bad-policy")


def _check_word(word: str) -> None:
    """Check that ``word`` comes back as it is when it is written into a policy file."""
    try:
        octets = word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise MalformedError("a name or URL is not made of octets", code="bad-policy") from error
    if not octets or min(octets) <= 0x20 or 0x7F in octets:
        raise MalformedError("a name or URL has a blank in it", code="bad-policy")
    if octets.decode("utf-8", "surrogateescape") != word:
        raise MalformedError("a name or URL is not in its one form", code="bad-policy")


def _line(keyword: str, *words: str | None) -> str:
    return " ".join((keyword, *(word for word in words if word is not None))) + "\n"
