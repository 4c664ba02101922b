"""One measured figure, and whether it is as good as was promised."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; ``target`` None where it is a floor or given for information."""

    name: str
    value: float
    unit: str
    target: float | None = None
    least: bool = False
    """Whether the target is a lower bound."""
    floors: float | None = None
    """The sum of what it cannot do without (verify, parse, insert, fsync, HTTP), in its unit."""
    is_measurable: bool = True
    """Whether the machine was fit to tell; what it could not tell does not meet a target."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        if not self.is_measurable:
            return False
        return self.value >= self.target if self.least else self.value <= self.target
