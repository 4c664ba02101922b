"""Arguments of the commands with which an operator looks after a node."""

from pathlib import Path

from ledger.suites import SUITES
from nodes.cli.arguments.common import Commands, add_caller, add_json, add_output, command


def add_fsck(commands: Commands) -> None:
    """Add ``shouxin fsck``."""
    fsck = command(
        commands,
        "fsck",
        "fsck:fsck",
        "check whole logs again: every stored entry, the tree, the signed note",
        description=(
            "Check whole logs again from what is stored or served: every entry is hashed, the tree "
            "is grown anew and compared with the tiles and the signed note. Status 1 names the "
            "first entry that differs."
        ),
    )
    fsck.add_argument("source", metavar="DIR|URL", help="a node's folder, or a node's base URL")
    fsck.add_argument("--against", metavar="URL", help="compare with what this node holds")
    fsck.add_argument("--region", help="only the log of this region (default: all that are held)")
    fsck.add_argument(
        "--roster",
        type=Path,
        metavar="GENESIS",
        help="the genesis roster (default: the folder's, or the URL's own word)",
    )
    add_json(fsck)


def add_repair(commands: Commands) -> None:
    """Add ``shouxin repair``."""
    repair = command(
        commands,
        "repair",
        "repair:repair",
        "put altered entries right from the mirrors (node stopped)",
    )
    repair.add_argument("folder", type=Path, metavar="DIR", help="the node's folder")
    repair.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        metavar="URL",
        help="a node to fetch from (default: all of the roster)",
    )
    add_json(repair)


def add_status(commands: Commands) -> None:
    """Add ``shouxin status``."""
    status = command(commands, "status", "acts:status", "show how far every log has come at a node")
    add_json(status)
    add_caller(status)


def add_admin(commands: Commands) -> None:
    """Add ``shouxin officer-key`` and ``token``."""
    key = command(
        commands,
        "officer-key",
        "admin:officer_key",
        "make an officer's key in the region's key store, for party.enrol",
    )
    key.add_argument("party", metavar="OFFICER", help="their name, for example 540000/officer/o-1")
    key.add_argument(
        "--suite", choices=SUITES, help="sign with this instead of Ed25519, as the roster names it"
    )
    add_caller(key)
    token = commands.add_parser("token", help="give a caller a token, or end it")
    parts = token.add_subparsers(metavar="COMMAND", required=True)
    issue = command(parts, "issue", "admin:issue", "make a token for a party, into a file")
    issue.add_argument("party", metavar="PARTY", help="an officer, or a region's six digits")
    issue.add_argument(
        "--role",
        choices=["window", "authority", "auditor", "operator"],
        required=True,
        help="what it may do: act at a window, act for an authority, read all, run the node",
    )
    issue.add_argument("--days", type=int, default=90, help="how long it is good for (default: 90)")
    add_output(issue, "new; where the token is written, for its owner alone")
    add_caller(issue)
    revoke = command(parts, "revoke", "admin:revoke", "end a token at once")
    revoke.add_argument("id", metavar="ID", help="as it was printed when the token was made")
    add_caller(revoke)
