"""The bundle of an object that is no case: was it live then, was it ended, are these all its acts.

A grant stands in two logs: its grantor's, and the grantee's, which accepted it. Each is told by
itself, as far as the object map in the bundle shows that none of its acts is withheld.

Source: docs/formats/own.md section 6.
"""

from dataclasses import dataclass
from typing import Final

from authz.replay import Replay
from ledger.bundle import VerifiedBundle
from ledger.kind import Kinds
from ledger.suites import CheckSM2, no_sm2

_ACCEPT: Final = "grant.accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeLine:
    """One act on the object.

    Args:
        seen_by_s: When it existed by, on evidence; None where the bundle holds none.
        live: Whether the object was live after it; None where the act is void.
        findings: Which rules it broke.
    """

    origin: str
    index: int
    kind: str
    zh: str
    en: str
    issuer: str
    time_s: int
    seen_by_s: int | None
    live: bool | None
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLife:
    """The object in one log.

    Args:
        lines: Its acts, in their order.
        complete_size: Below this size of the log these are all; None where that is not shown.
        complete_at_s: Until then these are all, as a quorum of mirrors saw it; None: not told.
    """

    origin: str
    lines: tuple[LifeLine, ...]
    complete_size: int | None
    complete_at_s: int | None

    @property
    def live(self) -> bool | None:
        """Whether the last act that stands left it live; None without any."""
        return next((it.live for it in reversed(self.lines) if it.live is not None), None)

    def live_at(self, time_s: int) -> bool | None:
        """Say whether it was live at a moment; None: the bundle does not prove either.

        An act counts from when it was seen by. What came after the bundle is not known, so nothing
        is said of a moment later than all acts are known to be here.
        """
        if self.complete_at_s is None or time_s > self.complete_at_s:
            return None
        live: bool | None = False
        for line in self.lines:
            if line.live is None:
                continue
            if line.seen_by_s is None:
                # It may have come before that moment, or after.
                live = live if live == line.live else None
            elif line.seen_by_s <= time_s:
                live = line.live
        return live


@dataclass(frozen=True, slots=True)
class ObjectLife:
    """What a bundle proves of an object, log by log."""

    object: str
    logs: tuple[LogLife, ...]

    def live_at(self, time_s: int) -> bool | None:
        """Say whether the object was live at a moment; None: the bundle does not prove either.

        It must be live in every log that has acts on it; a grant also must have been accepted.
        """
        told = [log.live_at(time_s) for log in self.logs if log.lines]
        if any(live is False for live in told) or not told:
            return False
        if self.object.split("/")[1] == "grant" and not any(
            line.kind == _ACCEPT and line.live for log in self.logs for line in log.lines
        ):
            return False
        return None if None in told else True


def judge_object(verified: VerifiedBundle, kinds: Kinds, sm2: CheckSM2 = no_sm2) -> ObjectLife:
    """Judge the acts of a verified bundle again, and return the life of its object.

    The steps are those of ``judge_bundle``.

    Raises:
        UnverifiedError: Its code is the name of the step that failed.
    """
    replay = Replay(verified, kinds, sm2)
    replay.run()
    name = verified.subject
    lines: dict[str, list[LifeLine]] = {origin: [] for origin in verified.logs}
    for judged in sorted(replay.judged, key=lambda entry: (entry.origin, entry.index)):
        made = judged.statement
        if made.subject != name:
            continue
        entry = replay.timed(judged)
        kind = kinds.get((made.act.kind, made.act.version))
        row = None if entry.findings else entry.changed.get(name)
        lines[entry.origin].append(
            LifeLine(
                origin=entry.origin,
                index=entry.index,
                kind=made.act.kind,
                zh=made.act.kind if kind is None else kind.zh,
                en=made.act.kind if kind is None else kind.en,
                issuer=made.issuer,
                time_s=made.time_s,
                seen_by_s=entry.seen_by_s,
                live=None if row is None else row.get("live", True) is True,
                findings=entry.findings,
            )
        )
    return ObjectLife(
        name,
        tuple(
            LogLife(
                origin=origin,
                lines=tuple(lines[origin]),
                complete_size=log.complete_size,
                complete_at_s=log.complete_at_s,
            )
            for origin, log in verified.logs.items()
            if lines[origin]
        ),
    )
