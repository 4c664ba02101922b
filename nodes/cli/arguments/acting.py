"""Arguments of the commands that record acts, use seals and make papers."""

from pathlib import Path

from nodes.cli.arguments.common import (
    Commands,
    add_at_least,
    add_caller,
    add_json,
    add_language,
    add_output,
    add_question,
    command,
)


def add_act(commands: Commands) -> None:
    """Add ``shouxin act``."""
    act = command(commands, "act", "acts:act", "record an act, signed by the region for an officer")
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
        help="a field of the act; lists are written with commas; bytes in hexadecimal; times as "
        "2026-01-31 or 2026-01-31T09:00 in Beijing time, where a day alone is its beginning, and "
        "of due, until and valid_until its end",
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
    add_at_least(act)
    add_language(act)
    add_caller(act)


def add_seal(commands: Commands) -> None:
    """Add ``shouxin seal``."""
    seal = commands.add_parser("seal", help="check electronic seals, and make some for trials")
    parts = seal.add_subparsers(metavar="COMMAND", required=True)
    verify = command(
        parts,
        "verify",
        "seal:verify",
        "check the seals of a PDF, OFD, .esl or SES_Signature file, step by step",
        description=(
            "Check the seals of a PDF, OFD, .esl or SES_Signature file, ours or foreign, step by "
            "step. Status 0 only if every step holds; a chain is followed only to roots given."
        ),
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="PDF, OFD, .esl or SES_Signature")
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
    add_question(verify)
    make = command(
        parts, "make", "paper:make", "have a node make the keys of a seal, for trials alone"
    )
    make.add_argument("seal", metavar="SEAL", help="its name, for example 540000/seal/rst-1")
    make.add_argument("--name", required=True, help="what the seal says")
    make.add_argument(
        "--trust", type=Path, metavar="FILE", help="keep the roots and the revocation list here"
    )
    add_caller(make)
    bring = command(
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
    bring.add_argument("seal", metavar="SEAL", help="its name, for example 540000/seal/rst-1")
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
    trial = command(
        parts, "trial", "seal:trial", "make a root, a maker, a signer and a seal for trials"
    )
    trial.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="new; where seal, keys and certificates are written",
    )
    trial.add_argument("--name", required=True, help="what the seal says")
    trial.add_argument("--id", required=True, help="14 digits: county code and serial number")
    trial.add_argument(
        "--picture", type=Path, required=True, metavar="PNG", help="what the seal looks like"
    )
    trial.add_argument("--size-mm", type=int, default=42, help="across (default: 42)")
    trial.add_argument(
        "--passphrase", type=Path, required=True, metavar="FILE", help="encrypts the keys"
    )
    add_json(trial)


def add_paper(commands: Commands) -> None:
    """Add ``shouxin paper``."""
    paper = command(
        commands,
        "paper",
        "paper:paper",
        "draw a sealed paper of a case, or seal one whose draft was approved",
        description=(
            "Draw a sealed paper of a case. Where the seal asks for a second person, the answer "
            "has the fields of seal.approve; after that, the same command with --draft seals it."
        ),
    )
    paper.add_argument(
        "case", metavar="CASE", nargs="?", default="", help="its name; left out with --draft"
    )
    paper.add_argument(
        "--kind",
        choices=["receipt", "notice", "result"],
        default="receipt",
        help="which paper (default: %(default)s)",
    )
    paper.add_argument(
        "--format", choices=["pdf", "ofd"], default="pdf", help="of the file (default: %(default)s)"
    )
    paper.add_argument(
        "--seal", help="its name, for example 540000/seal/rst-1; left out with --draft"
    )
    paper.add_argument("--officer", help="who keeps the seal, and whose token it is")
    paper.add_argument("--applicant", help="as it shall stand on the paper")
    paper.add_argument(
        "--materials",
        type=Path,
        metavar="FILE",
        help="JSON list of name, form, count and note; of a notice, code too",
    )
    paper.add_argument("--telephone", help="to ring with questions, as the paper says it")
    paper.add_argument("--loan", help="the loan of the seal that it is sealed under")
    paper.add_argument("--result", choices=["granted", "refused"], help="what was decided")
    paper.add_argument("--reasons", help="of the decision, as the paper says them")
    paper.add_argument("--basis", help="of the decision in law, as the paper says it")
    paper.add_argument(
        "--delivery", help="how the result reaches the applicant, as the paper says it"
    )
    paper.add_argument("--draft", metavar="DIGEST", help="seal this draft, which was approved")
    paper.add_argument(
        "--show", action="store_true", help="with --draft: only show it, unsealed and as PDF"
    )
    add_output(paper, "where the paper is written")
    add_caller(paper)


def add_calendar(commands: Commands) -> None:
    """Add ``shouxin calendar``."""
    calendar = command(
        commands,
        "calendar",
        "calendar:calendar",
        "publish the working days of a year, by which all clocks count",
        description=(
            "Publish the days off and worked weekends of a year, as the package chinesecalendar "
            "knows them. Compare them with the official notice first: --dry-run prints them."
        ),
    )
    calendar.add_argument(
        "years", type=int, nargs="+", metavar="YEAR", help="to be published, for example 2026"
    )
    calendar.add_argument("--document", metavar="TEXT", help="the notice that sets the days")
    calendar.add_argument("--dry-run", action="store_true", help="print the days, record nothing")
    add_json(calendar)
    add_caller(calendar)


def add_lists(commands: Commands) -> None:
    """Add ``shouxin list`` and ``enrol``."""
    listed = commands.add_parser(
        "list", help="a county's list of items (CSV, TSV, XLSX): check it, or claim what is on it"
    )
    parts = listed.add_subparsers(metavar="COMMAND", required=True)
    check = command(
        parts, "check", "lists:check", "tell each row that cannot be taken, and why (status 1)"
    )
    check.add_argument("file", type=Path, metavar="FILE", help="CSV, TSV or XLSX")
    add_json(check)
    claim = command(
        parts, "claim", "lists:claim", "claim each item of a list for a department (事项认领)"
    )
    claim.add_argument("file", type=Path, metavar="FILE", help="CSV, TSV or XLSX")
    claim.add_argument("--officer", required=True, help="of the department, in whose name")
    claim.add_argument("--department", default="", help="only rows of this name in the list")
    claim.add_argument("--list", default="", help="the list's name (default: the file's)")
    add_json(claim)
    add_caller(claim)
    enrol = command(
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
    enrol.add_argument("file", type=Path, metavar="FILE", help="CSV, TSV or XLSX")
    add_json(enrol)
    add_caller(enrol)
