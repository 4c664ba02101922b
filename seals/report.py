"""What a verification found, step by step: for people, for programs, and in one word."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self


class Outcome(StrEnum):
    """How one step ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNCHECKED = "unchecked"
    """What it needs was not given: a trusted root, a revocation list, the sealed file."""


class Verdict(StrEnum):
    """What all steps together say."""

    VALID = "valid"
    INVALID = "invalid"
    UNPROVEN = "unproven"
    """Nothing failed, but a step could not be checked."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, how it ended, a stable code for it, and the particulars.

    The code is empty for a step that passed and has nothing to add.
    """

    name: str
    outcome: Outcome
    code: str = ""
    detail: str = ""

    @classmethod
    def passed(cls, name: str, detail: str = "", *, code: str = "") -> Self:
        """Return a step that held."""
        return cls(name, Outcome.PASSED, code, detail)

    @classmethod
    def failed(cls, name: str, code: str, detail: str = "") -> Self:
        """Return a step that did not hold."""
        return cls(name, Outcome.FAILED, code, detail)

    @classmethod
    def unchecked(cls, name: str, code: str, detail: str = "") -> Self:
        """Return a step that could not be taken."""
        return cls(name, Outcome.UNCHECKED, code, detail)


@dataclass(frozen=True, slots=True)
class Report:
    """A verification: of what (``seal``, ``signature``, ``pdf``, ``ofd``), its steps, what it read.

    ``facts`` say what the bytes claim, such as the seal's name; they are proved only where the
    verdict is VALID.
    """

    of: str
    steps: tuple[Step, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """All steps in one word."""
        outcomes = {step.outcome for step in self.steps}
        if Outcome.FAILED in outcomes or not outcomes:
            return Verdict.INVALID
        return Verdict.UNPROVEN if Outcome.UNCHECKED in outcomes else Verdict.VALID

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the steps that failed, in order."""
        return tuple(step.code for step in self.steps if step.outcome is Outcome.FAILED)

    def step(self, name: str) -> Step | None:
        """Return the step of this name; None where the verification did not come to it."""
        return next((step for step in self.steps if step.name == name), None)

    def extended(self, steps: Iterable[Step], *, of: str | None = None) -> "Report":
        """Return the report with a container's own steps before the others.

        Args:
            steps: What was checked of the container.
            of: What the whole is a report of; None to leave it.
        """
        return replace(self, of=of or self.of, steps=(*steps, *self.steps))

    def fields(self) -> dict[str, Any]:
        """Return the report as values for JSON."""
        return {
            "of": self.of,
            "verdict": self.verdict.value,
            "steps": [
                {
                    "step": step.name,
                    "outcome": step.outcome.value,
                    "code": step.code,
                    "detail": step.detail,
                }
                for step in self.steps
            ],
            **self.facts,
        }
