"""The command ``shouxin``: its tree of subcommands, and how refusals become exit statuses.

Exit statuses: 0 done, or what was asked about holds; 1 it does not hold (``verify``, ``fsck``,
``check``, ``demo``); 2 wrong usage or malformed input; 3 a rule or a missing right forbids it; 4
there is no such thing; 5 it cannot be done now, try again; 70 a bug, or a disk that cannot be
relied on; 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Final

from ledger.errors import (
    ConflictError,
    FatalError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from nodes.cli.arguments import acting, asking, founding, keeping, members, vaults

DOES_NOT_HOLD: Final = 1
USAGE: Final = 2
INTERNAL: Final = 70
INTERRUPTED: Final = 130

_STATUS: Final[tuple[tuple[type[LedgerError], int], ...]] = (
    (MalformedError, USAGE),
    (UnverifiedError, DOES_NOT_HOLD),
    (RefusedError, 3),
    (NotFoundError, 4),
    (ConflictError, 5),
    (UnavailableError, 5),
)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit status."""
    sys.exit(main(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        arguments: Without the program's name; None for those of this process.
    """
    if not __debug__:
        print(
            "shouxin: its checks are assertions too; do not run it with python -O", file=sys.stderr
        )
        return USAGE
    given = parser().parse_args(arguments)
    module, _, name = given.run.partition(":")
    try:
        # Imported only now, so that each command loads no more than it needs.
        status: int = getattr(import_module(module), name)(given)
        sys.stdout.flush()
    except LedgerError as error:
        print(f"shouxin: {error.code}: {error}", file=sys.stderr)
        if said := _sentence(error.code, getattr(given, "lang", "en")):
            print(f"shouxin: {said}", file=sys.stderr)
        if error.request:
            print(f"shouxin: to look it up: shouxin why {error.request}", file=sys.stderr)
        return status_of(error)
    except FatalError as error:
        print(f"shouxin: {error.code}: {error}", file=sys.stderr)
        return INTERNAL
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be written to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A folder that cannot be made, a file that cannot be written: the caller's to put right.
        if error.filename is None:
            raise
        print(f"shouxin: no-file: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE
    return status


def _sentence(code: str, language: str) -> str:
    """Return what a code means to the person at the counter; empty where nothing is said."""
    # As with the commands: nothing of the domain is loaded before it is wanted.
    found = import_module("nodes.core.sentences").sentence_of(code)
    return "" if found is None else str(found[language == "en"])


def status_of(error: LedgerError) -> int:
    """Return the exit status for an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), INTERNAL)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command; it imports none of the commands."""
    top = argparse.ArgumentParser(
        prog="shouxin",
        description="A trust ledger for window authorization between regions (跨省通办窗口授信).",
        epilog=(
            "Exit status: 0 done or it holds; 1 it does not hold; 2 wrong usage or input; "
            "3 forbidden by a rule; 4 no such thing; 5 not now, try again; 70 internal error."
        ),
    )
    top.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        default=argparse.SUPPRESS,
        help="print the version and end",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    founding.add_network(commands)
    founding.add_node(commands)
    acting.add_act(commands)
    asking.add_check(commands)
    asking.add_sweeps(commands)
    asking.add_records(commands)
    asking.add_gaps(commands)
    asking.add_work_ledger(commands)
    asking.add_milestones(commands)
    asking.add_trace(commands)
    asking.add_why(commands)
    asking.add_readers(commands)
    asking.add_bundle(commands)
    asking.add_findings(commands)
    asking.add_prove(commands)
    asking.add_verify(commands)
    acting.add_seal(commands)
    acting.add_paper(commands)
    vaults.add_vault(commands)
    keeping.add_fsck(commands)
    keeping.add_repair(commands)
    keeping.add_status(commands)
    acting.add_calendar(commands)
    keeping.add_admin(commands)
    members.add_roster(commands)
    members.add_loss(commands)
    acting.add_lists(commands)
    founding.add_preset(commands)
    founding.add_demo(commands)
    return top


class _Version(argparse.Action):
    """Print the version of the package that is installed, looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_given: object) -> None:
        print(f"shouxin {version('shouxin')}")
        parser.exit()


if __name__ == "__main__":
    run()
