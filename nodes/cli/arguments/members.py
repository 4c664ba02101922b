"""Arguments of the commands that change the roster, and that see to a lost region."""

from pathlib import Path

from nodes.cli.arguments.common import Commands, add_caller, add_json, add_output, command


def add_roster(commands: Commands) -> None:
    """Add ``shouxin roster``."""
    roster = commands.add_parser("roster", help="who belongs to the network, and its next version")
    parts = roster.add_subparsers(metavar="COMMAND", required=True)
    show = command(parts, "show", "roster:show", "the version in force, and the next one")
    history = command(parts, "history", "roster:history", "every version since the genesis")
    add_output(history, "write the signed versions, as CBOR", required=False)
    propose = command(
        parts,
        "propose",
        "roster:propose",
        "propose the next version; the steward does, or who comes after a stalled round",
    )
    propose.add_argument(
        "changes",
        type=Path,
        metavar="FILE",
        help="JSON: what changes, by field; or a whole version, from shouxin loss close",
    )
    propose.add_argument(
        "--stall", action="append", metavar="REGION", help="whose stall opened this round"
    )
    join = command(
        parts, "join", "roster:join", "make a node's folder for a region that is to join"
    )
    join.add_argument("folder", type=Path, metavar="DIR", help="new; where the node will live")
    join.add_argument("--region", required=True, help="its code")
    join.add_argument("--name", required=True, help="in Chinese")
    join.add_argument("--name-en", required=True, help="in English")
    join.add_argument("--host", default="127.0.0.1", help="where it is reached")
    join.add_argument("--public-port", type=int, required=True, help="for callers and the public")
    join.add_argument("--peer-port", type=int, required=True, help="for the other nodes")
    join.add_argument(
        "--certificates", type=Path, required=True, metavar="PEM", help="of the members"
    )
    join.add_argument(
        "--keys", type=Path, required=True, metavar="DIR", help="new; for the governance key"
    )
    add_caller(join)
    keys = command(
        parts, "keys", "roster:keys", "make the next keys of a node, and say how to propose them"
    )
    keys.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="log, witness, mirror, receipt, issuer (without any name: these five), log_pq, "
        "witness_pq, mirror_pq, log_sm2, tls, governance",
    )
    keys.add_argument(
        "--keys", type=Path, metavar="DIR", help="folder of the governance key, to change that"
    )
    add_caller(keys)
    approve = command(
        parts, "approve", "roster:approve", "sign what is proposed with the governance key"
    )
    approve.add_argument("--sha256", default="", help="of the version that you have looked at")
    stall = command(parts, "stall", "roster:stall", "sign nothing more in a round")
    for part in (approve, stall):
        part.add_argument(
            "--keys", type=Path, required=True, metavar="DIR", help="folder of the governance key"
        )
        part.add_argument("--region", required=True, help="whose key it is")
    for part in (propose, approve, stall):
        part.add_argument("--round", type=int, default=1, help="from 1, the steward's")
    for part in (show, history, propose, approve, stall):
        add_json(part)
        add_caller(part)


def add_loss(commands: Commands) -> None:
    """Add ``shouxin loss``."""
    loss = commands.add_parser("loss", help="when a region is lost for good (docs/loss.md)")
    parts = loss.add_subparsers(metavar="COMMAND", required=True)
    freeze = command(
        parts,
        "freeze",
        "loss:freeze",
        "cosign a lost region's log no more, and record what is held of it",
        description=(
            "Cosign a lost region's log no more, and record what this region holds of it. Only a "
            "roster version ends that: a region that is merely cut off must not be frozen."
        ),
    )
    freeze.add_argument("origin", metavar="LOG", help="its origin, as in shouxin status")
    cut = command(
        parts,
        "cut",
        "loss:cut",
        "show where the log would be closed, and why; status 5 while that cannot be said",
    )
    cut.add_argument("origin", metavar="LOG", help="its origin, as in shouxin status")
    asides = command(
        parts,
        "asides",
        "loss:asides",
        "show what was laid aside of a log whose other branch stands, and write it to a file",
    )
    asides.add_argument("origin", metavar="LOG", help="its origin, as in shouxin status")
    add_output(
        asides,
        "where all of it is written, checked: hashes, entries and the notes signed for them",
        required=False,
    )
    prepare = command(
        parts, "prepare", "loss:prepare", "make a folder with fresh keys for the region's new node"
    )
    prepare.add_argument("folder", type=Path, metavar="DIR", help="new; where the node will live")
    prepare.add_argument("--region", required=True, help="the lost region")
    prepare.add_argument(
        "--certificates",
        type=Path,
        required=True,
        metavar="PEM",
        help="of the other members, as in any node's certificates.pem",
    )
    close = command(
        parts,
        "close",
        "loss:close",
        "write the roster version that closes the log at its cut, for the members to sign",
    )
    close.add_argument("origin", metavar="LOG", help="its origin, as in shouxin status")
    close.add_argument(
        "--heir",
        type=Path,
        metavar="FILE",
        help="member.cbor of the region's new node (default: the region leaves the network)",
    )
    add_output(close, "where the version is written, to be proposed")
    check = command(
        parts,
        "check",
        "loss:check",
        "before signing: whether a roster version closes a log below what this region mirrors",
    )
    check.add_argument("roster", type=Path, metavar="FILE", help="as loss close has written it")
    revive = command(
        parts,
        "revive",
        "loss:revive",
        "put a signed roster version into a node's folder (node stopped), so that it starts by it",
    )
    revive.add_argument("folder", type=Path, metavar="DIR", help="the node's folder")
    revive.add_argument(
        "--roster", type=Path, action="append", default=[], metavar="SIGNED", help="in order"
    )
    revive.add_argument(
        "--certificate", type=Path, metavar="PEM", help="of the region's new node, for the others"
    )
    add_json(revive)
    for made in (freeze, cut, asides, prepare, close, check):
        add_json(made)
        add_caller(made)
