"""How the story looks: scenes with numbers, what happened, and what was expected and held."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.text import Text

from nodes.cli.demo.texts import TEXTS
from nodes.cli.show import Language

PLAIN_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Expectation:
    """One claim of the story, and whether reading the nodes bore it out."""

    name: str
    held: bool
    detail: str


@dataclass(slots=True)
class Terminal:
    """Prints the story, and keeps what was expected.

    Args:
        started: When the story began, by the monotonic clock.
    """

    language: Language
    out: Console = field(default_factory=lambda: Console(highlight=False))
    expectations: list[Expectation] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    scenes: int = 0

    def __post_init__(self) -> None:
        if not self.out.is_terminal:
            self.out = Console(highlight=False, width=PLAIN_WIDTH)

    def text(self, name: str, **values: Any) -> str:
        """Return a text of the story in the reader's language."""
        zh, en = TEXTS[name]
        return (zh if self.language == "zh" else en).format(**values)

    def scene(self, name: str, **values: Any) -> None:
        """Begin a scene."""
        self.scenes += 1
        took = f"{time.monotonic() - self.started:.1f} s"
        title = Text(f"{self.scenes} {self.text(name + '.title', **values)}", style="bold cyan")
        self.out.print()
        self.out.print(Rule(title, align="left", style="dim"))
        about = self.text(name + ".about", **values)
        self.out.print(Text.assemble(about, (f"  [{took}]", "dim")))

    def say(self, name: str, **values: Any) -> None:
        """Tell what happened."""
        self.out.print(Text("  " + self.text(name, **values)))

    def quote(self, words: str, style: str = "dim") -> None:
        """Print what a program said, as it said it."""
        for line in words.splitlines():
            self.out.print(Text("    │ " + line, style=style))

    def expect(self, name: str, held: bool, **values: Any) -> bool:  # noqa: FBT001 - reads as a sentence
        """Say whether a claim held, which was read from the nodes, and remember it."""
        said = self.text(name, **values)
        mark = Text("  ✓ ", style="bold green") if held else Text("  ✗ ", style="bold red")
        body = Text(said) if held else Text(said, style="bold red")
        self.out.print(Text.assemble(mark, body))
        self.expectations.append(Expectation(name, held, said))
        return held

    @property
    def all_held(self) -> bool:
        """Whether every claim so far held."""
        return all(it.held for it in self.expectations)

    @contextmanager
    def progress(self, name: str, total: int) -> Iterator["Steps"]:
        """Show how far a scene has come."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        made = Progress(
            *columns, console=self.out, transient=True, disable=not self.out.is_terminal
        )
        with made as progress:
            task = progress.add_task(self.text(name), total=total)
            yield Steps(progress, task)


@dataclass(frozen=True, slots=True)
class Steps:
    """A bar that grows."""

    progress: Progress
    task: Any

    def done(self, count: int = 1) -> None:
        """Grow the bar."""
        self.progress.advance(self.task, count)
