"""What a run is made of: with its seed, a plan is all there is to know of it.

Every field is a number, a word or a list of them, so that a plan can stand in a file, be overridden
from the command line, and be shrunk.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ledger.spelling import meant
from simulator.asked import AskedError
from simulator.limits import BAD_PLAN, check_number, check_stages
from simulator.phases import ALL_RIGHTS, Phase, check_phases
from simulator.phases import read as read_phases
from simulator.world import START_MS

BEIJING: Final = timezone(timedelta(hours=8))
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_is_duration = re.compile(r"(\d+(?:\.\d+)?)([smhd])").fullmatch


def duration_s(text: str) -> float:
    """Read a length of time: a number and one of ``s``, ``m``, ``h``, ``d``.

    Raises:
        AskedError: It is none.
    """
    found = _is_duration(text)
    if found is None:
        raise AskedError(BAD_PLAN, f"a length of time is such as 90s, 10m, 2h or 1d, not {text!r}")
    return float(found[1]) * _UNITS_S[found[2]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that is done to the network at a stated time; ``do`` names a kind of fault.

    Args:
        at_s: Since the beginning.
        region: To whom; empty where the kind asks for nobody.
        other: The second region of a link; also how a liar lies.
        for_s: After which it is undone; 0: never, or at once.
        value: How much, in the unit of the kind.
    """

    at_s: float
    do: str
    region: str = ""
    other: str = ""
    for_s: float = 0.0
    value: float = 0.0

    def words(self) -> str:
        """Return it as a line of a story."""
        who = " and ".join(word for word in (self.region, self.other) if word)
        parts = [f"at {self.at_s:.1f} s", self.do, who]
        if self.for_s:
            parts.append(f"for {self.for_s:.1f} s")
        if self.value:
            parts.append(f"({self.value:g})")
        return " ".join(part for part in parts if part)

    @property
    def spelled(self) -> str:
        """As it is asked for on the command line."""
        who = f"{self.region}+{self.other}" if self.other else self.region
        parts = [f"{self.at_s:g}s", self.do, who, f"{self.for_s:g}s" if self.for_s else ""]
        parts.append(f"{self.value:g}" if self.value else "")
        return ":".join(parts).rstrip(":")

    @classmethod
    def parse(cls, text: str) -> "Happening":
        """Read it as it is asked for: when, what, to whom, for how long, how much.

        Raises:
            AskedError: A time is none.
            ValueError: There are too few or too many parts, or a number is none.
        """
        at, do, *rest = text.split(":")
        who, lasts, value = [*rest, "", "", ""][:3] if len(rest) <= 3 else (None, "", "")
        if who is None:
            raise ValueError(text)
        region, _, other = who.partition("+")
        return cls(
            at_s=duration_s(at),
            do=do,
            region=region,
            other=other,
            for_s=duration_s(lasts) if lasts else 0.0,
            value=float(value or 0),
        )

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> "Happening":
        """Read it from a scenario's table.

        Raises:
            ValueError: A time is none.
            TypeError: There is a field that nothing is known of.
        """
        rest = dict(table)
        at_s = duration_s(rest.pop("at"))
        for_s = duration_s(rest.pop("for")) if "for" in rest else 0.0
        return cls(at_s=at_s, for_s=for_s, **rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a measure of the run must come to."""

    that: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise AskedError(BAD_PLAN, f"nothing is expected of {self.that!r}")

    def holds(self, value: float) -> bool:
        """Say whether a value is as expected."""
        least, most = self.at_least, self.at_most
        return (least is None or value >= least) and (most is None or value <= most)

    def words(self) -> str:
        """Return it as words."""
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        return f"{self.that}: {' and '.join(bounds)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run.

    Args:
        scenario: The file it comes from.
        places: Which map (``simulator.places``), and ``regions`` of it; 0: all.
        committee: How many regions witness each log; 0: all the others.
        minutes: Of the working phase, simulated; the settling after it is not counted.
        begins: In Beijing, such as ``2026-09-21 08:30``; empty: some evening.
        acts_per_minute: Of the whole network, evenly, where ``cases_per_day`` is 0.
        cases_per_day: Of the whole network on a plain working day, by the hours of such a day.
        stages: Minutes and how many regions are members from then on; empty: all at once.
        items: Items of the catalogue that each region decides, and lends with all four rights.
        phases: Of how many and with which rights from when on, where that changes.
        hub: The one region that lends to all others and borrows from them, and nobody else does;
            empty: see ``windows``.
        at_once: Whether a region's first acts are asked for together, so that a node gathers them.
        levels: At how many levels each region has a window for other places: in its own hall, in a
            town or street (乡镇街道), in a village (村社区).
        windows: To how many other places each region lends.
        neighbours: Whether to those of other provinces with many people and near by; else to those
            with most people.
        careless: Share of cases in which an officer does what the rules forbid.
        think_s: How long people take between two acts, at most.
        revoked: Share of grants that are revoked while they are in use.
        farther: How many times as long messages take as distances ask for.
        jitter_ms: How much longer still a message takes, at most, beside what is usual.
        lost: Share of messages that are lost, beside that of a hostile world; so the next two.
        repeated: Share that arrives twice.
        held_back: Share that is overtaken by later ones.
        bandwidth_kbit: Of each link and direction, in kilobits a second.
        hostile: Whether links are bad and faults are drawn from the seed.
        clocks_beyond: Whether one of those may set a clock off by more than the tolerance.
        damage: Whether one of those may lose a database, restore a backup or turn a region hostile.
        faulty: To how many regions that may happen.
        pause_s: How long after a drawn fault the next one comes, at most.
        together: Share of the drawn faults that another one joins, at once and in the same region.
        servers: Whether databases fail as those behind a server do.
        changes: Whether the roster changes, by what the seed draws.
        more_changes: How often it changes after that.
        keepers_lie: Whether what happens to the faulty regions is that whoever keeps their
            governance keys lies, while people want a change.
        only: Which of the drawn faults happen, by their number; None: all.
        pace_ms: How long a node gathers acts before it sequences them.
        signer: How costly signatures are (``simulator.signing``).
        judging: Whether ``each`` node judges all by itself, or they share answers
            (``simulator.judging``).
        refresh_s: And the two after it: the roster's constants.
        settle_s: How long after healing everything must have settled, unless what acts are
            gathered for asks for longer.
        check_every: Events between two of the costly comparisons of all nodes.
        receipts: Share of acts whose receipt is kept and verified.
        bundle_every_s: How often somebody asks for a bundle; 0: nobody does.
        script: What is done to the network, beside what is drawn.
        expect: What must come of it.
    """

    seed: int = 0
    scenario: str = "small-world"
    places: str = "southwest"
    regions: int = 5
    committee: int = 0
    minutes: float = 2.0
    begins: str = ""
    acts_per_minute: int = 40
    cases_per_day: int = 0
    stages: tuple[tuple[float, int], ...] = ()
    items: int = 1
    phases: tuple[Phase, ...] = ()
    hub: str = ""
    at_once: bool = False
    levels: int = 1
    windows: int = 6
    neighbours: bool = False
    careless: float = 0.0
    think_s: float = 2.5
    revoked: float = 0.5
    farther: float = 1.0
    jitter_ms: int = 0
    lost: float = 0.0
    repeated: float = 0.0
    held_back: float = 0.0
    bandwidth_kbit: int = 100_000
    hostile: bool = True
    clocks_beyond: bool = False
    damage: bool = False
    faulty: int = 1
    pause_s: float = 8.0
    together: float = 0.0
    servers: bool = False
    changes: bool = False
    more_changes: int = 0
    keepers_lie: bool = False
    only: tuple[int, ...] | None = None
    pace_ms: int = 0
    signer: str = "shared"
    judging: str = "each"
    refresh_s: int = 30
    staleness_s: int = 180
    candidate_ms: int = 2_000
    settle_s: int = 420
    check_every: int = 1_500
    receipts: float = 0.05
    bundle_every_s: float = 10.0
    script: tuple[Happening, ...] = ()
    expect: tuple[Expectation, ...] = ()
    base: "Plan | None" = field(default=None, compare=False, repr=False)
    """As the scenario's file has it; None where no file is behind it."""

    @property
    def start_ms(self) -> int:
        """When it begins, as Unix time."""
        if not self.begins:
            return START_MS
        return int(_begin(self.begins).timestamp()) * 1_000

    @property
    def end_ms(self) -> int:
        """When the working phase is over."""
        return self.start_ms + int(self.minutes * 60_000)

    @property
    def lent(self) -> tuple[Phase, ...]:
        """What regions lend from when on; the first is from the beginning."""
        return self.phases or (Phase(0.0, self.items, ALL_RIGHTS),)

    @property
    def is_plain(self) -> bool:
        """Whether nodes share what they judge, all of them all of it, and nothing goes wrong."""
        return self.judging == "shared" and self.is_undisturbed

    @property
    def is_undisturbed(self) -> bool:
        """Whether nothing goes wrong, and every node witnesses all logs."""
        is_lossy = self.lost or self.repeated or self.held_back
        goes_wrong = bool(self.hostile or self.script or self.stages or is_lossy)
        return not (goes_wrong or self.committee)

    @property
    def deadline_s(self) -> int:
        """How long after healing everything must have settled.

        The last acts wait to be gathered, and so do the releases and views that follow from them; a
        log is closed once it has been quiet for R, and that goes along with what is gathered next.
        """
        return max(self.settle_s, 2 * self.refresh_s + 3 * self.pace_ms // 1_000)

    def command(self) -> str:
        """Return the one command that runs this again."""
        words = ["python -m simulator run", self.scenario, f"--seed {self.seed}"]
        plain = self.base or Plan()
        for given in fields(self):
            value = getattr(self, given.name)
            if given.name in {*_NOT_OVERRIDDEN, "seed"} or value == getattr(plain, given.name):
                continue
            words.append(f"--what-if {given.name}={_spell(value)}")
        added = self.script[len(plain.script) :] if self.base else ()
        if added:
            words.append(f'--what-if "{ALSO}={",".join(one.spelled for one in added)}"')
        return " ".join(words)

    def what_if(self, *words: str) -> "Plan":
        """Return the plan with fields overridden, each word being ``key=value``.

        Raises:
            AskedError: There is no such field, or the value is none for it.
        """
        changes: dict[str, Any] = {}
        for word in words:
            key, equals, text = word.partition("=")
            if key == ALSO:
                before = changes.get("script", self.script)
                changes["script"] = (*before, *_parse_also(text))
                continue
            if not equals or key in _NOT_OVERRIDDEN or key not in _FIELDS:
                known = sorted({ALSO, *_FIELDS} - _NOT_OVERRIDDEN)
                hint = meant(key, known) or f"keys are {', '.join(known)}"
                raise AskedError(BAD_PLAN, f"--what-if takes key=value, not {word!r}; {hint}")
            changes[key] = _parse(key, text)
        return replace(self, **changes, base=self.base or self)


ALSO: Final = "also"
"""What is added to a script, by the key that it is asked for under."""
_FIELDS: Final = frozenset(given.name for given in fields(Plan))
_NOT_OVERRIDDEN: Final = frozenset({"scenario", "script", "expect", "base"})


def _spell(value: object) -> str:
    if isinstance(value, tuple):
        parts = (
            one.words
            if isinstance(one, Phase)
            else ":".join(f"{it:g}" for it in one)
            if isinstance(one, tuple)
            else one
            for one in value
        )
        return ",".join(str(one) for one in parts) or "none"
    if isinstance(value, str) and " " in value:
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


_FORMS: Final[Mapping[str, str]] = {
    "only": "numbers with commas between them, or none",
    "stages": "such as 0:2,1.5:4, minutes and members, or none",
    "phases": "such as 0:6:intake,1.5:20:all, minutes, items and rights, or none",
    "begins": "such as 2026-09-21 08:30, in Beijing, from 2000 to 2099",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
}


def _parse_also(text: str) -> tuple[Happening, ...]:
    try:
        return tuple(Happening.parse(word) for word in text.split(","))
    except AskedError:
        raise
    except ValueError as error:
        form = "when, what, to whom, for how long, how much, such as 15m:region cut off:500000:2h"
        raise AskedError(BAD_PLAN, f"{ALSO} is {form}; not {text!r}") from error


def _parse(key: str, text: str) -> Any:  # noqa: ANN401 - the field says of which type
    kind = type(getattr(Plan(), key))
    try:
        value = _value(key, kind, text)
    except AskedError:
        raise
    except (ValueError, KeyError) as error:
        form = _FORMS.get(key) or _FORMS[kind.__name__]
        raise AskedError(BAD_PLAN, f"{key} is {form}, not {text!r}") from error
    if isinstance(value, int | float):
        check_number(key, value)
    elif key == "stages":
        check_stages(value)
    elif key == "phases":
        check_phases(value)
    return value


def _value(key: str, kind: type, text: str) -> Any:  # noqa: ANN401 - see above
    match key:
        case "only":
            return tuple(int(word) for word in text.split(",")) if text != "none" else ()
        case "stages":
            pairs = (word.split(":") for word in text.split(",") if word != "none")
            return tuple((float(minutes), int(count)) for minutes, count in pairs)
        case "phases":
            return read_phases(text)
        case "begins":
            _begin(text)
            return text
        case _ if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        case _:
            return kind(text)


def _begin(text: str) -> datetime:
    begin = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=BEIJING)
    if not 2000 <= begin.year < 2100:
        raise ValueError
    return begin
