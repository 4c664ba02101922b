"""How many cores, how much storage and bandwidth a region needs for a year of cases.

It is reckoned from service times that ``make bench`` has measured, by a model that is listed with
its answer: nothing is simulated here. ``simulator.held`` says how far off it is.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from simulator.arrivals import AFTER_DAYS_OFF, BY_HOUR, day_factor
from simulator.asked import AskedError
from simulator.workload import RATED

YEAR: Final = 2026
ACTS_A_CASE: Final = 9.1 + RATED
"""Opened, half verified, three in ten noticed and supplemented, offered, accepted, decided, offered
back, accepted, delivered, closed; some are rated."""
RELEASES_A_CASE: Final = 2.0
"""Entries that the nodes add by themselves: custody moves by release."""
CHECKS_A_CASE: Final = 10.0
ROUNDS_OF_AN_ACT_ALONE: Final = 2.0
"""The candidate that covers it, and the closing block."""
ROUND_FIXED: Final = 0.8
"""The share of a round's cost at one of five nodes that does not grow with the cosigners: with 16
regions an act alone cost each node 1.4 times what it costs with five."""
LINE_BYTES: Final = 110
"""A cosignature line in a note."""
RECORD_BYTES: Final = 380
"""A block without lines; with those of five regions it has 925 bytes, with those of eight 1,237."""
REQUEST_BYTES: Final = 700
"""Headers, framing and transport security of one request and its answer."""
CASES_MAX: Final = 1e12
REGIONS_MAX: Final = 10_000
BUSY_MAX: Final = 0.5
"""How busy a core is planned to be in the busiest hour: what is left bears peaks within it."""
NODE_CORES: Final = 1.0
"""What a node can keep busy: it is one process, whose Python runs in one thread at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Measured service times of this machine, in microseconds of CPU unless they say otherwise.

    Args:
        verify_us: One raw verification when all this was measured.
        take_us: An act over HTTP, singly, at the node that records it, receipt not counted.
        many_us: An act when many come to five regions at once and share rounds: all nodes.
        check_us: One answer of ``check``.
        alone_us: An act when nothing else happens in five regions: all nodes, with its rounds.
        round_s: How long a round of cosigning takes when nothing else happens.
        statement_bytes: Of an act.
        stored: Bytes of database for a byte of statements.
    """

    verify_us: float
    take_us: float
    many_us: float
    check_us: float
    alone_us: float
    round_s: float
    statement_bytes: float
    stored: float

    @property
    def follow_us(self) -> float:
        """Return what an act costs each other node, its share in a round of many included."""
        return max(0.0, self.many_us - self.take_us) / (_BENCH_REGIONS - 1)

    @property
    def round_us(self) -> float:
        """Return what a round of cosigning costs one node of five."""
        rounds_us = max(0.0, self.alone_us - self.many_us)
        return rounds_us / _BENCH_REGIONS / ROUNDS_OF_AN_ACT_ALONE

    @classmethod
    def read(cls, path: Path) -> "Services":
        """Read what ``make bench`` wrote.

        Raises:
            AskedError: There is no such file, or a figure is not in it.
        """
        if not path.exists():
            raise AskedError("bad-bench", f"there is no {path}: run make bench first")
        try:
            found = {row["name"]: float(row["value"]) for row in json.loads(path.read_text())}
        except (ValueError, TypeError, KeyError) as error:
            raise AskedError("bad-bench", f"{path} is not what make bench writes") from error

        def figure(name: str) -> float:
            if name not in found:
                raise AskedError(
                    "bad-bench", f"{path} has no figure {name!r}: run make bench again"
                )
            return found[name]

        v_us = figure("floor: V, one raw verification")
        return cls(
            verify_us=v_us,
            take_us=figure("single ingest at 64 connections, CPU a statement") * v_us,
            many_us=figure("five regions, CPU of an act among many, all nodes") * v_us,
            check_us=1e6 / figure("check, answers a second"),
            alone_us=figure("five regions, CPU of an act alone, all nodes") * v_us,
            round_s=figure("five regions, replicated p50") / 1e3,
            statement_bytes=figure("statement size"),
            stored=figure("database against statements"),
        )


_BENCH_REGIONS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What happens in one second, in one of ``regions`` alike.

    Args:
        acts: That a region records.
        reads: Answers of ``check`` and the like that it gives.
    """

    regions: int
    acts: float
    reads: float

    def rounds(self, services: Services) -> float:
        """Return the rounds of a region's log a second: one after the other, while there is work.

        Acts share a round as soon as they come faster than rounds end.
        """
        wanted = self.acts * ROUNDS_OF_AN_ACT_ALONE
        return wanted / (1 + wanted * services.round_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one region needs while these rates last."""

    work: float
    """Cores kept busy with acts and answers, which cannot wait."""
    rounds: float
    """Cores kept busy with cosigning where there is room for it; else acts share rounds."""
    acts_bytes: float
    """Stored a second for acts, over all logs that it keeps."""
    records_bytes: float
    """Stored a second for the records of rounds, where there is room for all of those."""
    sent_bits: float
    """A second."""

    @property
    def cpu(self) -> float:
        """Return the cores kept busy where there are enough of them."""
        return self.work + self.rounds

    @property
    def stored_bytes(self) -> float:
        """Return what is stored a second where there are cores enough for every round."""
        return self.acts_bytes + self.records_bytes

    def stored_within(self, cores: float) -> float:
        """Return what is stored a second with so many cores: fewer rounds, fewer records."""
        if not self.rounds:
            return self.stored_bytes
        share = (self.within(cores) - self.work) / self.rounds
        return self.acts_bytes + share * self.records_bytes

    def within(self, cores: float) -> float:
        """Return the cores kept busy where there are so many: rounds take what acts leave them."""
        return max(self.work, min(self.cpu, cores))


def need(services: Services, rates: Rates) -> Need:
    """Return what one region needs: its own log, and its share in those of the others."""
    others = rates.regions - 1
    rounds = rates.rounds(services) if others else 0.0
    # The lines of a round are looked at by everybody, and there are as many as cosigners.
    more = (1 - ROUND_FIXED) * (rates.regions / _BENCH_REGIONS - 1)
    round_us = services.round_us * (1 + more)
    work_us = (
        rates.acts * (services.take_us + others * services.follow_us)
        + rates.reads * services.check_us
    )
    lines_bytes = 2 * others * LINE_BYTES
    entry_bytes = rates.acts * services.statement_bytes
    # Of the two blocks of an act alone one is bare, and the other has a line of each region.
    block_bytes = RECORD_BYTES + rates.regions * LINE_BYTES / 2
    records_bytes = rounds * block_bytes if others else 0.0
    copies = services.stored * rates.regions
    sent = others * (
        entry_bytes + records_bytes + rounds * 3 * (REQUEST_BYTES + RECORD_BYTES + lines_bytes)
    )
    return Need(
        work=work_us / 1e6,
        rounds=rounds * rates.regions * round_us / 1e6,
        acts_bytes=entry_bytes * copies,
        records_bytes=records_bytes * copies,
        sent_bits=sent * 8,
    )


def plain_days(year: int = YEAR) -> float:
    """Return to how many plain working days' cases a year amounts."""
    first = date(year, 1, 1)
    days = (date(year + 1, 1, 1) - first).days
    return sum(day_factor(first + timedelta(days=at)) for at in range(days))


def plan(services: Services, *, cases: float, regions: int) -> dict[str, Any]:
    """Return what each region needs for so many cases a year in all regions together.

    Raises:
        AskedError: There are not so many cases or regions.
    """
    if not 1 <= cases <= CASES_MAX or not 1 <= regions <= REGIONS_MAX:
        raise AskedError(
            "bad-plan",
            f"cases are a number from 1 to {CASES_MAX:g}, and regions 1 to {REGIONS_MAX}; "
            f"not {cases:g} and {regions}",
        )
    day = cases / regions / plain_days()
    entries_a_case = ACTS_A_CASE + RELEASES_A_CASE

    def during(an_hour: float) -> Need:
        a_second = an_hour / 3_600
        rates = Rates(
            regions=regions, acts=a_second * entries_a_case, reads=a_second * CHECKS_A_CASE
        )
        return need(services, rates)

    peak_hour = day * AFTER_DAYS_OFF * max(BY_HOUR)
    peak = during(peak_hour)
    # By the hours of a plain day: when little happens, acts share no rounds, and records are many.
    stored = sum(during(day * share).stored_bytes * 3_600 for share in BY_HOUR) * plain_days()
    return {
        "cases_a_year": cases,
        "regions": regions,
        "cases_a_plain_day_and_region": day,
        "acts_a_second_at_the_peak": peak_hour / 3_600 * entries_a_case,
        "cores_busy_at_the_peak": peak.cpu,
        "cores_busy_with_acts_at_the_peak": peak.work,
        "cores": max(1, math.ceil(min(peak.cpu, NODE_CORES) / BUSY_MAX)),
        "cases_a_year_at_most": cases * NODE_CORES * BUSY_MAX / peak.work,
        "storage_bytes_a_year": stored,
        "bandwidth_bits_at_the_peak": peak.sent_bits,
    }


def assumptions(services: Services) -> Sequence[str]:
    """Return what the answer rests on, a sentence each."""
    return (
        (
            f"a case is {ACTS_A_CASE:.1f} acts and {RELEASES_A_CASE:g} releases, and brings "
            f"{CHECKS_A_CASE:g} answers of check; regions are alike"
        ),
        (
            f"the busiest hour has {max(BY_HOUR):.0%} of the first day after days off, which is "
            f"{AFTER_DAYS_OFF:g} times a plain day; a year has {plain_days():.0f} plain days"
        ),
        (
            f"CPU: {services.take_us:.0f} us to take an act, {services.follow_us:.0f} us at every "
            f"other region, {services.check_us:.0f} us an answer, as measured"
        ),
        (
            f"a round of cosigning costs each of five nodes {services.round_us:.0f} us, and a "
            "fifth of that more for every five cosigners more: measured from acts that came "
            "alone, beside acts that came many at once"
        ),
        (
            f"an act alone makes {ROUNDS_OF_AN_ACT_ALONE:g} rounds; rounds of a log follow each "
            f"other, {services.round_s * 1e3:.0f} ms each on links of no length"
        ),
        "every region witnesses and mirrors every log; in committees the others are fewer",
        (
            f"storage: {services.stored:.2f} times the statements, and records with their lines; "
            "papers, backups and a standby are not counted"
        ),
        (
            "rounds take what acts leave: where there are fewer cores than they would use, acts "
            "share rounds, and are replicated later"
        ),
        f"cores are planned to be {BUSY_MAX:.0%} busy in the busiest hour",
        (
            f"a node is one process and keeps about {NODE_CORES:g} core busy, however many there "
            "are; another may sign, commit and answer beside it"
        ),
    )


def _regions(found: Mapping[str, Any]) -> str:
    return "one region" if found["regions"] == 1 else f"{found['regions']} regions"


def _too_much(found: Mapping[str, Any]) -> list[str]:
    """Say so where a node could not do it, however many cores it had."""
    most = found["cases_a_year_at_most"]
    if found["cases_a_year"] <= most:
        return []
    why = "a node is one process, and what cannot wait keeps more than half a core busy"
    return [
        f"  TOO MUCH   {_regions(found)} bear {most:,.0f} cases a year: {why}",
        "             (where logs have committees, each node follows fewer of them)",
    ]


def _alone(found: Mapping[str, Any]) -> list[str]:
    """Say what a region without others is not asked for: its acts make no rounds, but steps."""
    if found["regions"] > 1:
        return []
    return [
        "  ALONE      acts are priced as if many came at once; one by one, without others to",
        "             cosign, each costs several times that (4 to 7 times were measured)",
    ]


def tell(found: Mapping[str, Any], said: Sequence[str]) -> str:
    """Return the answer in words; ``said`` is what it rests on."""
    lines = [
        f"{found['cases_a_year']:,.0f} cases a year in {_regions(found)}; each needs",
        (
            f"  cores      {found['cores']} ({found['cores_busy_at_the_peak']:.2f} busy at "
            f"{found['acts_a_second_at_the_peak']:.1f} acts a second of its own, "
            f"{found['cores_busy_with_acts_at_the_peak']:.2f} of them with what cannot wait)"
        ),
        f"  storage    {found['storage_bytes_a_year'] / 1e9:,.1f} GB a year",
        f"  bandwidth  {found['bandwidth_bits_at_the_peak'] / 1e6:,.2f} Mbit/s sent at the peak",
        *_too_much(found),
        *_alone(found),
        "It rests on this:",
        *(f"  - {sentence}" for sentence in said),
    ]
    return "\n".join(lines)
