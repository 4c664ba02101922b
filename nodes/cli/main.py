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
from pathlib import Path
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
from ledger.suites import SUITES

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
    _network(commands)
    _node(commands)
    _act(commands)
    _check(commands)
    _sweeps(commands)
    _trace(commands)
    _bundle(commands)
    _findings(commands)
    _prove(commands)
    _verify(commands)
    _seal(commands)
    _paper(commands)
    _fsck(commands)
    _repair(commands)
    _status(commands)
    _calendar(commands)
    _admin(commands)
    _roster(commands)
    _loss(commands)
    _lists(commands)
    _preset(commands)
    _demo(commands)
    return top


_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives the type no public name


class _Version(argparse.Action):
    """Print the version of the package that is installed, looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_given: object) -> None:
        print(f"shouxin {version('shouxin')}")
        parser.exit()


def _command(
    commands: "_Commands[argparse.ArgumentParser]",
    name: str,
    run: str,
    text: str,
    *,
    description: str = "",
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=description or text)
    made.set_defaults(run=f"nodes.cli.{run}")
    return made


def _network(commands: "_Commands[argparse.ArgumentParser]") -> None:
    network = commands.add_parser("network", help="found a network, or run all its nodes here")
    parts = network.add_subparsers(metavar="COMMAND", required=True)
    init = _command(
        parts,
        "init",
        "network:init",
        "make the keys, the genesis roster and a folder for each node",
    )
    init.add_argument("folder", type=Path, metavar="DIR")
    init.add_argument(
        "--preset", metavar="NAME", default="southwest-five", help="see shouxin preset list"
    )
    init.add_argument(
        "--base-port", type=int, default=8410, help="the first of ten ports (default: 8410)"
    )
    init.add_argument(
        "--regions",
        metavar="CODE,…",
        help="only these of the preset's regions; a single one has no witnesses",
    )
    init.add_argument(
        "--post-quantum",
        action="store_true",
        help="logs, witnesses and mirrors sign with ML-DSA-44 keys too",
    )
    init.add_argument(
        "--sm2",
        action="store_true",
        help="officers may sign with SM2 (sm2-sm3), and logs add an SM2 line to checkpoints",
    )
    _json(init)
    up = _command(
        parts, "up", "network:up", "start all nodes as processes and stay until interrupted"
    )
    up.add_argument("folder", type=Path, metavar="DIR")


def _node(commands: "_Commands[argparse.ArgumentParser]") -> None:
    node = commands.add_parser("node", help="run one node")
    parts = node.add_subparsers(metavar="COMMAND", required=True)
    run_ = _command(parts, "run", "network:run_node", "run one node until it is told to stop")
    run_.add_argument("--config", type=Path, required=True, metavar="FILE", help="its node.toml")
    run_.add_argument(
        "--leash",
        action="store_true",
        help="stop when standard input ends, with whoever started it",
    )


def _act(commands: "_Commands[argparse.ArgumentParser]") -> None:
    act = _command(
        commands, "act", "acts:act", "record an act, signed by the region for an officer"
    )
    act.add_argument(
        "kind",
        metavar="KIND",
        help="for example case.open; an unknown one is answered with the list",
    )
    act.add_argument(
        "--subject",
        help="the object or party it is about; left out, the kind is described and nothing is done",
    )
    act.add_argument("--officer", help="in whose name; left out, the region itself acts")
    body = act.add_mutually_exclusive_group()
    body.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a field of the act; lists are written with commas; bytes in hexadecimal",
    )
    body.add_argument(
        "--json", dest="body", type=Path, metavar="FILE", help="all fields; - for stdin"
    )
    act.add_argument(
        "--wait",
        choices=["accepted", "witnessed", "replicated"],
        default="accepted",
        help="how safe the record is to be before this returns",
    )
    act.add_argument(
        "--receipt", type=Path, metavar="FILE", help="keep the signed receipt in this file"
    )
    _caller(act)


def _check(commands: "_Commands[argparse.ArgumentParser]") -> None:
    check = _command(
        commands,
        "check",
        "acts:check",
        "ask whether a window may use a right over an item now (status 1: no)",
    )
    check.add_argument("--window", required=True)
    check.add_argument("--right", required=True, help="intake, notice, verify, deliver or decide")
    check.add_argument("--item", required=True)
    check.add_argument("--officer")
    _json(check)
    _language(check)
    _caller(check)


def _sweeps(commands: "_Commands[argparse.ArgumentParser]") -> None:
    windows = _command(
        commands, "windows", "sweeps:windows", "list which windows may use a right over an item now"
    )
    windows.add_argument("item", metavar="ITEM")
    windows.add_argument("--right", default="intake", help="as in check (default: intake)")
    lapsing = _command(
        commands, "lapsing", "sweeps:lapsing", "list the grants that lapse soon, the soonest first"
    )
    lapsing.add_argument("--days", type=int, default=30, help="within so many (default: 30)")
    lapsing.add_argument("--region", default="", help="only what this region has granted")
    ungranted = _command(
        commands,
        "ungranted",
        "sweeps:ungranted",
        "list a region's items that no live grant covers (明进暗不进; status 1 if there are any)",
    )
    ungranted.add_argument("region", metavar="REGION")
    for made in (windows, lapsing, ungranted):
        _json(made)
        _language(made)
        _caller(made)


def _trace(commands: "_Commands[argparse.ArgumentParser]") -> None:
    trace = _command(
        commands, "trace", "traces:trace", "show who did what on a case, and who held it"
    )
    trace.add_argument("case", metavar="CASE")
    _json(trace)
    _language(trace)
    _caller(trace)


def _bundle(commands: "_Commands[argparse.ArgumentParser]") -> None:
    bundle = _command(
        commands, "bundle", "traces:bundle", "export the evidence of a case as one file"
    )
    bundle.add_argument("case", metavar="CASE")
    bundle.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE")
    _caller(bundle)


def _findings(commands: "_Commands[argparse.ArgumentParser]") -> None:
    findings = _command(
        commands,
        "findings",
        "findings:findings",
        "list what broke a rule, whose it is to answer, and up to where that is known",
    )
    findings.add_argument("--origin", metavar="LOG", help="only of this log (default: all)")
    findings.add_argument("--rows", type=int, default=100, help="at most so many (default: 100)")
    _json(findings)
    _language(findings)
    _caller(findings)
    evidence = _command(
        commands,
        "evidence",
        "findings:evidence",
        "export what convicts a key that signed two histories, as one file",
    )
    evidence.add_argument("object", metavar="OBJECT", help="as findings and status name it")
    evidence.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE")
    _caller(evidence)


def _prove(commands: "_Commands[argparse.ArgumentParser]") -> None:
    prove = _command(
        commands,
        "prove",
        "traces:prove",
        "export the proof of how a grant, seal, case or other object stands",
    )
    prove.add_argument("object", metavar="OBJECT")
    prove.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE")
    _caller(prove)


def _verify(commands: "_Commands[argparse.ArgumentParser]") -> None:
    verify = _command(
        commands,
        "verify",
        "verify:verify",
        "check a bundle or evidence with nothing but the genesis roster",
        description=(
            "Check a bundle, or evidence that a key has signed two histories, with nothing but the "
            "genesis roster: no network, no database. "
            "Status 1 names the step that failed."
        ),
    )
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument("--roster", type=Path, required=True, metavar="GENESIS")
    verify.add_argument(
        "--at",
        type=int,
        metavar="SECONDS",
        help="say whether a grant or other object was live then (POSIX time); 1 unless proven",
    )
    _json(verify)
    _language(verify)


def _seal(commands: "_Commands[argparse.ArgumentParser]") -> None:
    seal = commands.add_parser("seal", help="check electronic seals, and make some for trials")
    parts = seal.add_subparsers(metavar="COMMAND", required=True)
    verify = _command(
        parts,
        "verify",
        "seal:verify",
        "check the seals of a PDF, OFD, .esl or SES_Signature file, step by step",
        description=(
            "Check the seals of a PDF, OFD, .esl or SES_Signature file, ours or foreign, step by "
            "step. Status 0 only if every step holds; a chain is followed only to roots given."
        ),
    )
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument(
        "--trust",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="roots, other certificates and revocation lists, PEM or DER",
    )
    verify.add_argument("--at", metavar="TIME", help="as of this ISO 8601 time (default: now)")
    verify.add_argument(
        "--original", type=Path, metavar="FILE", help="what a bare signature was made over"
    )
    verify.add_argument(
        "--signature", type=Path, metavar="FILE", help="the SES_Signature beside a PDF"
    )
    _json(verify)
    _language(verify)
    _caller(verify)
    make = _command(
        parts, "make", "paper:make", "have a node make the keys of a seal, for trials alone"
    )
    make.add_argument("seal", metavar="SEAL")
    make.add_argument("--name", required=True, help="what the seal says")
    make.add_argument(
        "--trust", type=Path, metavar="FILE", help="keep the roots and the revocation list here"
    )
    _caller(make)
    bring = _command(
        parts,
        "bring",
        "bring:bring",
        "lay a licensed maker's seal and its keys into a node's key store",
        description=(
            "Lay a licensed maker's seal (.esl), its certificate and its encrypted SM2 key into "
            "the key store of a node on this machine. Everything that is asked before a signature "
            "is asked here first. Again with newer lists, those take the place of the older ones."
        ),
    )
    bring.add_argument("seal", metavar="SEAL")
    bring.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="the node's folder"
    )
    bring.add_argument("--esl", type=Path, required=True, metavar="FILE", help="the seal")
    bring.add_argument(
        "--certificate", type=Path, required=True, metavar="FILE", help="of the key that signs"
    )
    bring.add_argument(
        "--trust",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="its roots, other certificates and revocation lists, PEM or DER",
    )
    key = bring.add_mutually_exclusive_group(required=True)
    key.add_argument("--key", type=Path, metavar="FILE", help="the key, encrypted PKCS #8")
    key.add_argument(
        "--device", metavar="LABEL", help="where the key lies in the device of the configuration"
    )
    bring.add_argument("--passphrase", type=Path, metavar="FILE", help="opens the key files")
    bring.add_argument("--pdf-key", type=Path, metavar="FILE", help="a P-256 key for PDF files")
    bring.add_argument(
        "--pdf-certificate", type=Path, metavar="FILE", help="its certificate and those above it"
    )
    trial = _command(
        parts, "trial", "seal:trial", "make a root, a maker, a signer and a seal for trials"
    )
    trial.add_argument("folder", type=Path, metavar="DIR")
    trial.add_argument("--name", required=True, help="what the seal says")
    trial.add_argument("--id", required=True, help="14 digits: county code and serial number")
    trial.add_argument("--picture", type=Path, required=True, metavar="PNG")
    trial.add_argument("--size-mm", type=int, default=42, help="across (default: 42)")
    trial.add_argument(
        "--passphrase", type=Path, required=True, metavar="FILE", help="encrypts the keys"
    )
    _json(trial)


def _paper(commands: "_Commands[argparse.ArgumentParser]") -> None:
    paper = _command(
        commands,
        "paper",
        "paper:paper",
        "draw a sealed paper of a case, or seal one whose draft was approved",
        description=(
            "Draw a sealed paper of a case. Where the seal asks for a second person, the answer "
            "has the fields of seal.approve; after that, the same command with --draft seals it."
        ),
    )
    paper.add_argument("case", metavar="CASE", nargs="?", default="")
    paper.add_argument("--kind", choices=["receipt", "notice", "result"], default="receipt")
    paper.add_argument("--format", choices=["pdf", "ofd"], default="pdf")
    paper.add_argument("--seal")
    paper.add_argument("--officer", help="who keeps the seal, and whose token it is")
    paper.add_argument("--applicant", help="as it shall stand on the paper")
    paper.add_argument(
        "--materials",
        type=Path,
        metavar="FILE",
        help="JSON list of name, form, count and note; of a notice, code too",
    )
    paper.add_argument("--telephone")
    paper.add_argument("--loan", help="the loan of the seal that it is sealed under")
    paper.add_argument("--result", choices=["granted", "refused"])
    paper.add_argument("--reasons")
    paper.add_argument("--basis")
    paper.add_argument("--delivery")
    paper.add_argument("--draft", metavar="DIGEST", help="seal this draft, which was approved")
    paper.add_argument(
        "--show", action="store_true", help="with --draft: only show it, unsealed and as PDF"
    )
    paper.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE")
    _caller(paper)


def _fsck(commands: "_Commands[argparse.ArgumentParser]") -> None:
    fsck = _command(
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
    _json(fsck)


def _repair(commands: "_Commands[argparse.ArgumentParser]") -> None:
    repair = _command(
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
    _json(repair)


def _status(commands: "_Commands[argparse.ArgumentParser]") -> None:
    status = _command(
        commands, "status", "acts:status", "show how far every log has come at a node"
    )
    _json(status)
    _caller(status)


def _calendar(commands: "_Commands[argparse.ArgumentParser]") -> None:
    calendar = _command(
        commands,
        "calendar",
        "calendar:calendar",
        "publish the working days of a year, by which all clocks count",
        description=(
            "Publish the days off and worked weekends of a year, as the package chinesecalendar "
            "knows them. Compare them with the official notice first: --dry-run prints them."
        ),
    )
    calendar.add_argument("years", type=int, nargs="+", metavar="YEAR")
    calendar.add_argument("--document", metavar="TEXT", help="the notice that sets the days")
    calendar.add_argument("--dry-run", action="store_true", help="print the days, record nothing")
    _caller(calendar)


def _admin(commands: "_Commands[argparse.ArgumentParser]") -> None:
    key = _command(
        commands,
        "officer-key",
        "admin:officer_key",
        "make an officer's key in the region's key store, for party.enrol",
    )
    key.add_argument("party", metavar="OFFICER")
    key.add_argument(
        "--suite", choices=SUITES, help="sign with this instead of Ed25519, as the roster names it"
    )
    _caller(key)
    token = commands.add_parser("token", help="give a caller a token, or end it")
    parts = token.add_subparsers(metavar="COMMAND", required=True)
    issue = _command(parts, "issue", "admin:issue", "make a token for a party, into a file")
    issue.add_argument("party", metavar="PARTY")
    issue.add_argument(
        "--role", choices=["window", "authority", "auditor", "operator"], required=True
    )
    issue.add_argument("--days", type=int, default=90, help="how long it is good for (default: 90)")
    issue.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE")
    _caller(issue)
    revoke = _command(parts, "revoke", "admin:revoke", "end a token at once")
    revoke.add_argument("id", metavar="ID", help="as it was printed when the token was made")
    _caller(revoke)


def _roster(commands: "_Commands[argparse.ArgumentParser]") -> None:
    roster = commands.add_parser("roster", help="who belongs to the network, and its next version")
    parts = roster.add_subparsers(metavar="COMMAND", required=True)
    show = _command(parts, "show", "roster:show", "the version in force, and the next one")
    history = _command(parts, "history", "roster:history", "every version since the genesis")
    history.add_argument(
        "-o", dest="output", type=Path, metavar="FILE", help="write the signed versions, as CBOR"
    )
    propose = _command(
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
    join = _command(
        parts, "join", "roster:join", "make a node's folder for a region that is to join"
    )
    join.add_argument("folder", type=Path, metavar="DIR", help="new; where the node will live")
    join.add_argument("--region", required=True, help="its code")
    join.add_argument("--name", required=True, help="in Chinese")
    join.add_argument("--name-en", required=True, help="in English")
    join.add_argument("--host", default="127.0.0.1", help="where it is reached")
    join.add_argument("--public-port", type=int, required=True)
    join.add_argument("--peer-port", type=int, required=True)
    join.add_argument(
        "--certificates", type=Path, required=True, metavar="PEM", help="of the members"
    )
    join.add_argument(
        "--keys", type=Path, required=True, metavar="DIR", help="new; for the governance key"
    )
    _caller(join)
    keys = _command(
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
    _caller(keys)
    approve = _command(
        parts, "approve", "roster:approve", "sign what is proposed with the governance key"
    )
    approve.add_argument("--sha256", default="", help="of the version that you have looked at")
    stall = _command(parts, "stall", "roster:stall", "sign nothing more in a round")
    for part in (approve, stall):
        part.add_argument(
            "--keys", type=Path, required=True, metavar="DIR", help="folder of the governance key"
        )
        part.add_argument("--region", required=True, help="whose key it is")
    for part in (propose, approve, stall):
        part.add_argument("--round", type=int, default=1, help="from 1, the steward's")
    for part in (show, history, propose, approve, stall):
        _json(part)
        _caller(part)


def _loss(commands: "_Commands[argparse.ArgumentParser]") -> None:
    loss = commands.add_parser("loss", help="when a region is lost for good (docs/loss.md)")
    parts = loss.add_subparsers(metavar="COMMAND", required=True)
    freeze = _command(
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
    cut = _command(
        parts,
        "cut",
        "loss:cut",
        "show where the log would be closed, and why; status 5 while that cannot be said",
    )
    cut.add_argument("origin", metavar="LOG", help="its origin, as in shouxin status")
    prepare = _command(
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
    close = _command(
        parts,
        "close",
        "loss:close",
        "write the roster version that closes the log at its cut, for the members to sign",
    )
    close.add_argument("origin", metavar="LOG")
    close.add_argument(
        "--heir",
        type=Path,
        metavar="FILE",
        help="member.cbor of the region's new node (default: the region leaves the network)",
    )
    close.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE")
    check = _command(
        parts,
        "check",
        "loss:check",
        "before signing: whether a roster version closes a log below what this region mirrors",
    )
    check.add_argument("roster", type=Path, metavar="FILE", help="as loss close has written it")
    revive = _command(
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
    _json(revive)
    for made in (freeze, cut, prepare, close, check):
        _json(made)
        _caller(made)


def _lists(commands: "_Commands[argparse.ArgumentParser]") -> None:
    listed = commands.add_parser(
        "list", help="a county's list of items (CSV, TSV, XLSX): check it, or claim what is on it"
    )
    parts = listed.add_subparsers(metavar="COMMAND", required=True)
    check = _command(
        parts, "check", "lists:check", "tell each row that cannot be taken, and why (status 1)"
    )
    check.add_argument("file", type=Path, metavar="FILE")
    _json(check)
    claim = _command(
        parts, "claim", "lists:claim", "claim each item of a list for a department (事项认领)"
    )
    claim.add_argument("file", type=Path, metavar="FILE")
    claim.add_argument("--officer", required=True, help="of the department, in whose name")
    claim.add_argument("--department", default="", help="only rows of this name in the list")
    claim.add_argument("--list", default="", help="the list's name (default: the file's)")
    _json(claim)
    _caller(claim)
    enrol = _command(
        commands,
        "enrol",
        "lists:enrol",
        "enrol the departments, halls, windows and officers of a table",
        description=(
            "Enrol the parties of a table (CSV, TSV, XLSX) with the columns party, name, hall, "
            "department, unit, roles. Officers' keys are made in the region's key store. Rows "
            "that stand already are passed over, so the same table can be sent again."
        ),
    )
    enrol.add_argument("file", type=Path, metavar="FILE")
    _json(enrol)
    _caller(enrol)


def _preset(commands: "_Commands[argparse.ArgumentParser]") -> None:
    preset = commands.add_parser(
        "preset", help="the networks that the policy documents describe: list them, load one"
    )
    parts = preset.add_subparsers(metavar="COMMAND", required=True)
    listing = _command(parts, "list", "presets:listing", "list the presets and what is in each")
    _json(listing)
    load = _command(
        parts,
        "load",
        "presets:load",
        "enrol a preset's parties, publish its items and lend them, in a network that runs",
        description=(
            "Enrol a preset's parties, publish its items, lend them to all other windows, sign its "
            "agreements and set its milestones, in a network whose nodes run and whose folders lie "
            "here. A region that has its department already is refused."
        ),
    )
    load.add_argument("name", metavar="NAME")
    load.add_argument(
        "--network", type=Path, required=True, metavar="DIR", help="the folder of network init"
    )
    _json(load)


def _demo(commands: "_Commands[argparse.ArgumentParser]") -> None:
    demo = _command(
        commands,
        "demo",
        "demo.story:demo",
        "start five regions here, tell their story, and check every claim",
    )
    demo.add_argument(
        "folder", type=Path, nargs="?", metavar="DIR", help="default: a temporary one"
    )
    demo.add_argument(
        "--story",
        choices=("windows", "membership"),
        default="windows",
        help="what windows do; or how regions join, are lost and lie (default: windows)",
    )
    demo.add_argument(
        "--preset", metavar="NAME", help="instead: the network of a document; see shouxin preset"
    )
    demo.add_argument("--once", action="store_true", help="end after the story, 0 if all held")
    demo.add_argument(
        "--cases", type=int, default=30, help="how many cases run through (default: 30)"
    )
    demo.add_argument(
        "--base-port", type=int, default=0, help="first of 17 ports (default: free ones)"
    )
    _json(demo)
    _language(demo)


def _caller(made: argparse.ArgumentParser) -> None:
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


def _json(made: argparse.ArgumentParser) -> None:
    made.add_argument("--json", action="store_true", help="print one line of JSON")


def _language(made: argparse.ArgumentParser) -> None:
    made.add_argument("--lang", choices=["zh", "en"], default="en")


if __name__ == "__main__":
    run()
