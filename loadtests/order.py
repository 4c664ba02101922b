"""What a load test is to do, as a file that every process of it reads."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from loadtests import programme
from loadtests.programme import Programme

SOAK_STAGES: Final = 10
SHORTEST: Final = {
    "saturation": programme.PROBE_SHARE,
    "steady": 1.0,
    "holiday": 1 / 2,
    "soak": 1 / SOAK_STAGES,
    "cut": 1 / 3,
    "flood": 1 / 3,
}
"""The share of an order's seconds that the shortest stage of a shape lasts."""
SHAPES: Final = tuple(SHORTEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One load test.

    Args:
        seconds: Of one stage of ``saturation``, of the whole of any other shape.
        rate: Turns a second; ``saturation`` finds its own.
        clients: Of the closed loops of ``saturation``.
        scene: Who is there (``loadtests.scene``).
        events: Where it is told what happens, a line of JSON each.
    """

    shape: str
    seconds: float
    rate: float
    clients: tuple[int, ...]
    scene: Path
    events: Path

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"a shape is one of {', '.join(SHAPES)}, not {self.shape!r}")
        if self.seconds <= 0 or self.rate <= 0:
            raise ValueError("seconds and rate are greater than 0")

    @property
    def file(self) -> Path:
        """Where it stands for all who carry it out."""
        return self.events.with_name("order.json")

    @property
    def enough(self) -> Path:
        """The file whose being there says that the stage under way is the last, and ends now."""
        return self.events.with_name("enough")

    def programme(self) -> Programme:
        """Return the stages."""
        match self.shape:
            case "saturation":
                return programme.saturation(self.seconds, closed=self.clients)
            case "steady":
                return programme.steady(self.rate, self.seconds)
            case "soak":
                return programme.steady(self.rate, self.seconds, stages=SOAK_STAGES)
            case "holiday":
                return programme.holiday(self.rate, self.seconds)
            case "flood":
                return programme.flood(self.rate, self.seconds)
            case _:
                return programme.cut(self.rate, self.seconds)

    def write(self, path: Path) -> None:
        """Write it as a file; paths that are not absolute start at the folder of that file."""
        value = {**asdict(self), "scene": str(self.scene), "events": str(self.events)}
        path.write_text(json.dumps(value) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what ``write`` wrote."""
        value: dict[str, Any] = json.loads(path.read_text())
        value["clients"] = tuple(value["clients"])
        for name in ("scene", "events"):
            value[name] = path.parent / value[name]
        return cls(**value)
