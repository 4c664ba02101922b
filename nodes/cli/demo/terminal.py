"""How the story looks: scenes with numbers, what happened, and what was expected and held."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from nodes.cli.demo.cast import Home
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

    def text(self, name: str, **values: object) -> str:
        """Return a text of the story in the reader's language."""
        zh, en = TEXTS[name]
        return (zh if self.language == "zh" else en).format(**values)

    def name(self, home: Home) -> str:
        """Return what a region is called in the reader's language."""
        return home.name if self.language == "zh" else home.name_en

    def scene(self, name: str, **values: object) -> None:
        """Begin a scene."""
        self.scenes += 1
        took = f"{time.monotonic() - self.started:.1f} s"
        title = Text.assemble(
            (f"{self.scenes}  {self.text(name + '.title', **values)}", "bold cyan"),
            (f"  {took}", "dim"),
        )
        self.out.print()
        self.out.print(Rule(title, align="left", style="dim"))
        self._line("", Text(self.text(name + ".about", **values), style="italic"))

    def say(self, name: str, **values: object) -> None:
        """Tell what happened."""
        self._line("·", Text(self.text(name, **values)))

    def show(self, shown: RenderableType) -> None:
        """Show a table."""
        self.out.print(Padding(shown, (0, 0, 0, 2), expand=False))

    def quote(self, words: str, style: str = "dim") -> None:
        """Print what a program said, as it said it."""
        for line in words.splitlines():
            self._line("│", Text(line, style=style), indent=4)

    def expect(self, name: str, held: bool, **values: object) -> bool:  # noqa: FBT001 - reads as a sentence
        """Say whether a claim held, which was read from the nodes, and remember it."""
        said = self.text(name, **values)
        style = "bold green" if held else "bold red"
        self._line(Text("✓" if held else "✗", style=style), Text(said, style="" if held else "red"))
        self.expectations.append(Expectation(name, held, said))
        return held

    def _line(self, mark: str | Text, words: Text, *, indent: int = 2) -> None:
        """Print a line whose further lines stand below its first word, not below its mark."""
        if not mark:
            self.out.print(Padding(words, (0, 0, 0, indent), expand=False))
            return
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column()
        grid.add_column(overflow="fold")
        grid.add_row(mark, words)
        self.out.print(Padding(grid, (0, 0, 0, indent), expand=False))

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
