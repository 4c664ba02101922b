"""Arguments of the commands that ask a node, or check what one gave out."""

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


def add_check(commands: Commands) -> None:
    """Add ``shouxin check``."""
    check = command(
        commands,
        "check",
        "acts:check",
        "ask whether a window may use a right over an item now (status 1: no)",
    )
    check.add_argument("--window", required=True, help="the window, for example 510000/window/w-1")
    check.add_argument("--right", required=True, help="intake, notice, verify, deliver or decide")
    check.add_argument("--item", required=True, help="the item, for example 540000/item/R016")
    check.add_argument(
        "--officer", help="who would do it there; left out, the window alone is asked about"
    )
    check.add_argument("--device", help="the machine at the window by which it would be done")
    check.add_argument("--scenario", help="the item's scenario that the case is one of")
    add_at_least(check)
    add_question(check)


def add_sweeps(commands: Commands) -> None:
    """Add ``shouxin windows``, ``lapsing`` and ``ungranted``."""
    windows = command(
        commands, "windows", "sweeps:windows", "list which windows may use a right over an item now"
    )
    windows.add_argument("item", metavar="ITEM", help="the item, for example 540000/item/R016")
    windows.add_argument("--right", default="intake", help="as in check (default: intake)")
    lapsing = command(
        commands, "lapsing", "sweeps:lapsing", "list the grants that lapse soon, the soonest first"
    )
    lapsing.add_argument("--days", type=int, default=30, help="within so many (default: 30)")
    lapsing.add_argument("--region", default="", help="only what this region has granted")
    ungranted = command(
        commands,
        "ungranted",
        "sweeps:ungranted",
        "list a region's items that no live grant covers (明进暗不进; status 1 if there are any)",
    )
    ungranted.add_argument("region", metavar="REGION", help="its six digits")
    for made in (windows, lapsing, ungranted):
        add_question(made)


def add_records(commands: Commands) -> None:
    """Add ``shouxin records``."""
    records = command(
        commands,
        "records",
        "records:records",
        "list a region's records of a type, as they stand or stood on a day",
        description=(
            "List a region's records of a type, as they stand or stood on a day: contact, parcel, "
            "task, challenge, … docs/mechanisms.md says which answer what, docs/kinds.md names all."
        ),
    )
    records.add_argument(
        "type", metavar="TYPE", help="of the records: contact, parcel, task, challenge, …"
    )
    records.add_argument(
        "region", metavar="REGION", help="its six digits: who numbered the records"
    )
    records.add_argument("--about", default="", help="only those that name this party or object")
    records.add_argument("--state", default="", help="only those that stand so")
    records.add_argument(
        "--overdue", action="store_true", help="only those with an answer due before"
    )
    records.add_argument(
        "--older", type=int, default=0, metavar="DAYS", help="only those with no act for so long"
    )
    records.add_argument("--at", default="", metavar="YYYY-MM-DD", help="as of the end of this day")
    add_question(records)


def add_gaps(commands: Commands) -> None:
    """Add ``shouxin gaps``."""
    gaps = command(
        commands,
        "gaps",
        "gaps:gaps",
        "list what a region lacks in one respect (status 1 if there is anything)",
    )
    gaps.add_argument(
        "what",
        metavar="WHAT",
        help="accounts, blanks, contacts, equipment, listing, outlets, oversight or pairs",
    )
    gaps.add_argument("region", metavar="REGION", help="its six digits")
    gaps.add_argument(
        "--days", type=int, default=0, help="of contacts: stale after so many (default: 90)"
    )
    add_question(gaps)


def add_work_ledger(commands: Commands) -> None:
    """Add ``shouxin workledger`` and ``bulletin``."""
    ledger = command(
        commands,
        "workledger",
        "work_ledger:ledger",
        "show the figures of a month by unit (工作台账)",
    )
    ledger.add_argument(
        "--month", required=True, metavar="YYYY-MM", help="which one, for example 2026-01"
    )
    ledger.add_argument("--unit", default="", help="only a region, or a unit of one")
    ledger.add_argument("--csv", action="store_true", help="print comma-separated values")
    add_json(ledger)
    bulletin = commands.add_parser("bulletin", help="publish the figures of a month (进度通报)")
    parts = bulletin.add_subparsers(metavar="COMMAND", required=True)
    publish = command(
        parts, "publish", "work_ledger:publish", "put the digest of a month's figures on record"
    )
    publish.add_argument(
        "bulletin", metavar="BULLETIN", help="a new name, for example 510000/bulletin/2026-01"
    )
    publish.add_argument(
        "--month", required=True, metavar="YYYY-MM", help="which one, for example 2026-01"
    )
    publish.add_argument("--method", required=True, metavar="METHOD", help="an assessment method")
    publish.add_argument("--officer", metavar="PARTY", help="who signs; the region without")
    check = command(
        parts,
        "check",
        "work_ledger:check",
        "make a bulletin's figures again and compare (status 1 if they differ)",
    )
    check.add_argument(
        "bulletin", metavar="BULLETIN", help="its name, for example 510000/bulletin/2026-01"
    )
    add_json(check)
    for made in (ledger, publish, check):
        add_language(made)
        add_caller(made)


def add_milestones(commands: Commands) -> None:
    """Add ``shouxin milestones``."""
    milestones = command(
        commands,
        "milestones",
        "milestones:milestones",
        "show what a region was to reach, by when, and what shows it (status 1: one is missed)",
    )
    milestones.add_argument("region", metavar="REGION", help="its six digits")
    add_question(milestones)


def add_trace(commands: Commands) -> None:
    """Add ``shouxin trace``."""
    trace = command(
        commands,
        "trace",
        "traces:trace",
        "show who did what on a case and who held it, or what followed from another object",
        description=(
            "Show who did what on a case, when, on what ground, and who held it after; or all that "
            "followed from an officer, a window, a grant, a seal or an incident."
        ),
    )
    trace.add_argument("object", metavar="OBJECT", help="a case, officer, window, grant, seal …")
    trace.add_argument(
        "--rows", type=int, default=1_000, help="of what followed, at most (default: 1000)"
    )
    trace.add_argument(
        "--proofs", action="store_true", help="with --json: the proof of each line beside it"
    )
    add_at_least(trace)
    add_question(trace)


def add_why(commands: Commands) -> None:
    """Add ``shouxin why``."""
    why = command(
        commands,
        "why",
        "looking:why",
        "say why an attempt was refused, by the number that the refusal gave",
    )
    why.add_argument(
        "request",
        nargs="?",
        metavar="REQUEST-ID",
        help="left out, the latest refusals are listed: one's own, or to an auditor everyone's",
    )
    why.add_argument("--party", default="", help="of the list: only what was refused to this one")
    why.add_argument("--rows", type=int, default=20, help="of the list, at most (default: 20)")
    add_question(why)


def add_readers(commands: Commands) -> None:
    """Add ``shouxin readers``."""
    readers = command(
        commands,
        "readers",
        "looking:readers",
        "show who looked at a case at this node, for auditors and the case's own authorities",
    )
    readers.add_argument("case", metavar="CASE", help="its name, for example 510000/case/2026-1")
    readers.add_argument("--rows", type=int, default=100, help="at most so many (default: 100)")
    add_question(readers)


def add_bundle(commands: Commands) -> None:
    """Add ``shouxin bundle``."""
    bundle = command(
        commands, "bundle", "traces:bundle", "export the evidence of a case as one file"
    )
    bundle.add_argument("case", metavar="CASE", help="its name, for example 510000/case/2026-1")
    add_output(bundle, "where the bundle is written")
    add_caller(bundle)


def add_findings(commands: Commands) -> None:
    """Add ``shouxin findings`` and ``evidence``."""
    findings = command(
        commands,
        "findings",
        "findings:findings",
        "list what broke a rule, whose it is to answer, and up to where that is known",
    )
    findings.add_argument("--origin", metavar="LOG", help="only of this log (default: all)")
    findings.add_argument("--rows", type=int, default=100, help="at most so many (default: 100)")
    add_question(findings)
    evidence = command(
        commands,
        "evidence",
        "findings:evidence",
        "export what convicts a key that signed two histories, as one file",
    )
    evidence.add_argument("object", metavar="OBJECT", help="as findings and status name it")
    add_output(evidence, "where the evidence is written")
    add_caller(evidence)


def add_prove(commands: Commands) -> None:
    """Add ``shouxin prove``."""
    prove = command(
        commands,
        "prove",
        "traces:prove",
        "export the proof of how a grant, seal, case or other object stands",
    )
    prove.add_argument("object", metavar="OBJECT", help="a grant, seal, case or other object")
    add_output(prove, "where the proof is written")
    add_caller(prove)


def add_verify(commands: Commands) -> None:
    """Add ``shouxin verify``."""
    verify = command(
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
    verify.add_argument("file", type=Path, metavar="FILE", help="a bundle, proof or evidence")
    verify.add_argument(
        "--roster",
        type=Path,
        required=True,
        metavar="GENESIS",
        help="the genesis roster, from a source that you trust",
    )
    verify.add_argument(
        "--at",
        type=int,
        metavar="SECONDS",
        help="say whether a grant or other object was live then (POSIX time); 1 unless proven",
    )
    add_json(verify)
    add_language(verify)
