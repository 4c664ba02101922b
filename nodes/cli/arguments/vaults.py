"""Arguments of the commands about the papers in a region's vault."""

from pathlib import Path

from nodes.cli.arguments.common import Commands, add_caller, add_output, command

ERASURE: str = "个人信息保护法第四十七条"


def add_vault(commands: Commands) -> None:
    """Add ``shouxin vault``."""
    vault = commands.add_parser("vault", help="papers of cases, kept sealed beside the ledger")
    parts = vault.add_subparsers(metavar="COMMAND", required=True)
    put = command(
        parts,
        "put",
        "vault:put",
        "seal papers of a case, keep them in the vault, and record their commitments",
    )
    put.add_argument("case", metavar="CASE", help="its name, for example 510000/case/2026-1")
    put.add_argument("files", type=Path, nargs="+", metavar="FILE", help="the papers")
    put.add_argument("--officer", help="in whose name; left out, the region itself acts")
    put.add_argument(
        "--salt", metavar="HEX", help="of the commitment that was made to this one file before"
    )
    add_caller(put)
    get = command(
        parts,
        "get",
        "vault:get",
        "read the papers of a case, from here or from the region that has them",
        description=(
            "Read the papers of a case into a folder. The token is that of an officer whose unit "
            "holds the case or held it once. Each paper is checked against its commitment."
        ),
    )
    get.add_argument("case", metavar="CASE", help="its name, for example 510000/case/2026-1")
    get.add_argument("--paper", action="append", metavar="OBJECT", help="only this one")
    add_output(get, "where the papers are written", metavar="DIR")
    add_caller(get)
    listing = command(parts, "list", "vault:listing", "list the papers and tombstones of a case")
    listing.add_argument("case", metavar="CASE", help="its name, for example 510000/case/2026-1")
    add_caller(listing)
    shred = command(
        parts,
        "shred",
        "vault:shred",
        "destroy the region's keys of a case for good, and leave a tombstone",
        description=(
            "Destroy this region's keys of a case and all that they open, for good, and record a "
            "tombstone. Every proof goes on verifying. Other regions that held the case are to "
            "shred it too, or to record vault.keep. See docs/operations.md for what disks and "
            "backups keep, and follow with shouxin vault rotate."
        ),
    )
    shred.add_argument("case", metavar="CASE", help="its name, for example 510000/case/2026-1")
    shred.add_argument("--reason", required=True, help="public; no citizen is named in it")
    shred.add_argument("--basis", default=ERASURE, help=f"in law (default: {ERASURE})")
    shred.add_argument("--tombstone", metavar="OBJECT", help="of another region; answered by this")
    shred.add_argument("--officer", help="in whose name; left out, the region itself acts")
    add_caller(shred)
    keep = command(
        parts, "keep", "vault:keep", "record why the region keeps what another one has shredded"
    )
    keep.add_argument("case", metavar="CASE", help="its name, for example 510000/case/2026-1")
    keep.add_argument("--tombstone", required=True, metavar="OBJECT", help="of the other region")
    keep.add_argument("--reason", required=True, help="public; no citizen is named in it")
    keep.add_argument("--basis", required=True, help="in law")
    keep.add_argument("--officer", help="in whose name; left out, the region itself acts")
    add_caller(keep)
    rotate = command(
        parts, "rotate", "vault:rotate", "publish the vault's next key, and destroy the old one"
    )
    add_caller(rotate)
    status = command(
        parts, "status", "vault:status", "show how full the vault is, and what waits for an answer"
    )
    add_caller(status)
    commit = command(
        parts, "commit", "vault:commit", "make a salted commitment to a file; asks no node"
    )
    commit.add_argument(
        "file", type=Path, metavar="FILE", help="the paper that the commitment is to"
    )
    commit.add_argument("--salt", metavar="HEX", help="of a commitment to compare with")
