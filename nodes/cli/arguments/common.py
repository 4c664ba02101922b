"""What many commands take alike: the node they ask, the language, and the form of the answer."""

import argparse
import os
from pathlib import Path
from typing import TypeAlias

# argparse gives the type no public name.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def command(
    commands: Commands,
    name: str,
    run: str,
    text: str,
    *,
    description: str = "",
) -> argparse.ArgumentParser:
    """Add a command, to be run by the function ``run``, ``module:name`` below ``nodes.cli``."""
    made = commands.add_parser(name, help=text, description=description or text)
    made.set_defaults(run=f"nodes.cli.{run}")
    return made


def add_caller(made: argparse.ArgumentParser) -> None:
    """Say which node is asked, and as whom."""
    made.add_argument(
        "--node",
        default=os.environ.get("SHOUXIN_NODE", ""),
        metavar="URL|DIR",
        help="base URL of a node, or its folder (default: $SHOUXIN_NODE)",
    )
    made.add_argument(
        "--token",
        type=Path,
        metavar="FILE",
        help="the caller's token (default: $SHOUXIN_TOKEN, or the operator's in the folder)",
    )


def add_output(
    made: argparse.ArgumentParser, text: str, *, metavar: str = "FILE", required: bool = True
) -> None:
    """Say where something is written."""
    made.add_argument("-o", dest="output", type=Path, required=required, metavar=metavar, help=text)


def add_json(made: argparse.ArgumentParser) -> None:
    """Offer one line of JSON in place of words."""
    made.add_argument("--json", action="store_true", help="print one line of JSON")


def add_language(made: argparse.ArgumentParser) -> None:
    """Offer both languages."""
    made.add_argument(
        "--lang", choices=["zh", "en"], default="en", help="of what is told (default: %(default)s)"
    )


def add_at_least(made: argparse.ArgumentParser) -> None:
    """Let the node wait until it is as far as another answer was."""
    made.add_argument(
        "--at-least",
        default="",
        metavar="WORD",
        help="the consistency that an answer gave: the node waits until it is as far, or says that "
        "it is behind",
    )


def add_question(made: argparse.ArgumentParser) -> None:
    """Offer what every question to a node takes: the form of the answer, the language, the node."""
    add_json(made)
    add_language(made)
    add_caller(made)
