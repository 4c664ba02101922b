"""``shouxin seal``: electronic seals checked step by step, and seals for trials made.

A bare seal (``.esl``), a signature made with one (``SignedValue.dat``), a PDF or an OFD, ours or
foreign, is told by its first bytes. Nothing here touches a network; whom to believe comes as files.
"""

import argparse
import logging
import os
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

from ledger.errors import MalformedError
from nodes.adapters.clock import SystemClock
from nodes.adapters.random import randomness
from nodes.adapters.sm2 import open_sm2
from nodes.adapters.trust_files import load_trust
from nodes.cli.paper import find_use
from nodes.cli.show import Language, console, print_json, table
from nodes.files import read_bounded
from nodes.plain import plain
from seals.authority import Profile, issue, issue_list, issue_root
from seals.report import Outcome, Report, Verdict
from seals.ses import Picture, is_signature
from seals.signing import make_seal
from seals.sm2 import SM2, sm3
from seals.trust import Trust
from seals.verify import verify_seal, verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

YEAR_S: Final = 365 * 86_400

# Libraries for files are large; each is imported when such a file comes.
_CONTAINERS: Final = {b"%PDF-": "seals.pdf:verify_pdf", b"PK\x03\x04": "seals.ofd:verify_ofd"}


def verify(given: argparse.Namespace) -> int:
    """Check a file's seals, print the steps, and return 0 if all of them are valid, else 1."""
    # What the library would warn of stands in the steps.
    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
    logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
    data = read_bounded(given.file)
    trust = load_trust(given.trust)
    at_s = _time(given.at) if given.at else SystemClock().now_ms() // 1000
    beside = read_bounded(given.signature) if given.signature else None
    original = read_bounded(given.original) if given.original else None
    sm2 = open_sm2()
    reports = check(data, sm2=sm2, trust=trust, at_s=at_s, original=original, beside=beside)
    valid = bool(reports) and all(one.verdict is Verdict.VALID for one in reports)
    answer: dict[str, Any] = {
        "valid": valid,
        "sm2": sm2.name,
        "reports": [one.fields() for one in reports],
    }
    if given.node:
        answer["record"] = find_use(given, data)
    if given.json:
        print_json(answer)
    else:
        _print(reports, given.lang)
        console().print(f"SM2: {sm2.name}", style="dim", markup=False)
        if given.node:
            _print_record(answer["record"], given.lang)
    return 0 if valid else 1


def check(
    data: bytes,
    *,
    sm2: SM2,
    trust: Trust,
    at_s: int,
    original: bytes | None = None,
    beside: bytes | None = None,
) -> list[Report]:
    """Check all that is sealed in ``data``; one report for each seal or signature.

    Args:
        data: The file.
        sm2: Checks the signatures.
        trust: Whom to believe.
        at_s: The present, or the time asked about.
        original: For a bare signature, the bytes that it was made over; None where not at hand.
        beside: For a PDF, the SES_Signature that travels beside it; None for none.

    Raises:
        MalformedError: ``seal-file``: it is none of the files we know, or has a bad form.
    """
    for start, run in _CONTAINERS.items():
        if data.startswith(start):
            module, _, name = run.partition(":")
            checker: Callable[..., list[Report]] = getattr(import_module(module), name)
            extra: dict[str, Any] = {"signature": beside} if name == "verify_pdf" else {}
            return checker(data, sm2=sm2, trust=trust, at_s=at_s, **extra)
    try:
        signed = is_signature(data)
    except MalformedError as error:
        raise MalformedError(
            f"neither PDF, OFD, seal nor signature: {error}", code="seal-file"
        ) from error
    if not signed:
        return [verify_seal(data, sm2=sm2, trust=trust, at_s=at_s)]
    digest = None if original is None else sm3(original)
    return [verify_signature(data, sm2=sm2, trust=trust, at_s=at_s, original_digest=digest)]


def trial(given: argparse.Namespace) -> int:
    """Make a root, a maker, a signer and a seal, all for trials, and return 0."""
    folder: Path = given.folder
    picture = read_bounded(given.picture)
    passphrase = read_bounded(given.passphrase).strip()
    sm2 = open_sm2()
    from_s = SystemClock().now_ms() // 1000
    until_s = from_s + YEAR_S
    keys = {name: sm2.generate(randomness) for name in ("root", "maker", "signer")}
    root = issue_root("授信试验根证书", key=keys["root"], serial=1, from_s=from_s, until_s=until_s)
    maker, signer = (
        issue(
            issuer=root,
            issuer_key=keys["root"],
            name=name,
            organisation=given.name,
            public=keys[role].public,
            serial=serial,
            profile=Profile.SEAL,
            from_s=from_s,
            until_s=until_s,
        )
        for serial, role, name in ((2, "maker", "试验制章人"), (3, "signer", given.name))
    )
    listed = issue_list(
        issuer=root, issuer_key=keys["root"], this_s=from_s, next_s=until_s, revoked={}
    )
    seal = make_seal(
        seal_id=given.id,
        name=given.name,
        vendor="shouxin",
        kind=1,
        picture=Picture("PNG", picture, given.size_mm, given.size_mm),
        certificates=[signer],
        made_s=from_s,
        maker_certificate=maker,
        maker_key=keys["maker"],
        from_s=from_s,
        until_s=until_s,
    )
    files = {
        "root.cer": root,
        "maker.cer": maker,
        "signer.cer": signer,
        "root.crl": listed,
        "Seal.esl": seal,
        **{f"{name}.p8": key.encrypted(passphrase, randomness) for name, key in keys.items()},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            # Never over an older key: what it signed could no longer be signed again.
            mode = 0o600 if name.endswith(".p8") else 0o644
            made = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(made, "wb") as file:
                file.write(content)
    except OSError as error:
        raise MalformedError(f"cannot write {folder}: {error.strerror}", code="no-file") from error
    if given.json:
        print_json({"files": sorted(files)})
    else:
        for name in sorted(files):
            print(folder / name)
    return 0


def _time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(f"not an ISO 8601 time: {text}", code="bad-time") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


STEPS: Final = {
    "form": ("格式", "form"),
    "signature": ("签章值", "signature's value"),
    "signer-chain": ("签章人证书链", "signer's chain"),
    "signer-usage": ("签章人密钥用法", "signer's key usage"),
    "signer-listed": ("印章所列签章人", "signer named by the seal"),
    "signer-period": ("签章人证书有效期", "signer's period"),
    "signing-time": ("签章时间", "signing time"),
    "signer-revocation": ("签章人证书撤销", "signer's revocation"),
    "digest": ("原文杂凑", "original's digest"),
    "seal-signature": ("印章签名值", "maker's signature on the seal"),
    "maker-chain": ("制章人证书链", "maker's chain"),
    "maker-usage": ("制章人密钥用法", "maker's key usage"),
    "maker-period": ("制章人证书有效期", "maker's period"),
    "maker-revocation": ("制章人证书撤销", "maker's revocation"),
    "seal-period": ("印章有效期", "seal's period"),
    "seal-timestamp": ("印章时间戳", "seal's time stamp"),
    "timestamp": ("签章时间戳", "time stamp"),
}
"""What people call each step, in Chinese and English; a container's steps stand under their own."""

_VERDICTS: Final = {
    Verdict.VALID: ("[bold green]有效[/]", "[bold green]Valid[/]"),
    Verdict.INVALID: ("[bold red]无效[/]", "[bold red]Invalid[/]"),
    Verdict.UNPROVEN: (
        "[bold yellow]未证实[/]：无一步不通过，但有的步骤无从核对",
        "[bold yellow]Unproven[/]: no step failed, but some could not be taken",
    ),
}
_MARKS: Final = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.UNCHECKED: ("?", "yellow"),
}
_RECORD: Final = (
    {"subject": "用印", "seal": "印章", "case": "办件", "officer": "经办人"},
    {"subject": "use", "seal": "seal", "case": "case", "officer": "officer"},
)
_FINDINGS: Final = ("异议", "findings")
_NONE: Final = ("没有电子印章。", "There is no seal in it.")


def _print(reports: list[Report], language: Language) -> None:
    out = console()
    pick = 0 if language == "zh" else 1
    if not reports:
        out.print(_NONE[pick])
    for number, report in enumerate(reports):
        if number:
            out.print()
        _print_one(out, report, pick)


def _print_one(out: Console, report: Report, pick: int) -> None:
    out.print(_VERDICTS[report.verdict][pick])
    heads = (("步骤", "代码", "说明"), ("step", "code", "what was seen"))[pick]
    shown = table("", *heads)
    for step in report.steps:
        mark, style = _MARKS[step.outcome]
        name = STEPS.get(step.name, (step.name, step.name))[pick]
        cells = (name, step.code, step.detail)
        shown.add_row(Text(mark, style), *(Text(_printable(one)) for one in cells))
    out.print(shown)
    for name, value in report.facts.items():
        out.print(_printable(f"{name}: {plain(value)}"), markup=False, style="dim")


def _print_record(record: dict[str, Any] | None, language: Language) -> None:
    """Say where the ledger has the use of the seal for this very file."""
    out, pick = console(), 0 if language == "zh" else 1
    if record is None:
        out.print(("账本上没有这份文件的用印记录。", "The ledger has no use for it.")[pick])
        return
    place = f"{record['origin']} #{record['index']} {record['finality']}"
    words = ("用印记录", "The ledger has its use")[pick]
    out.print(Text(f"{words}: {_printable(place)}", style="bold"))
    for name, label in _RECORD[pick].items():
        out.print(_printable(f"{label}: {plain(record[name])}"), markup=False, style="dim")
    if record["findings"]:
        findings = ", ".join(str(plain(it)) for it in record["findings"])
        out.print(_printable(f"{_FINDINGS[pick]}: {findings}"), markup=False, style="bold red")


def _printable(text: str) -> str:
    """Return the text with what would steer a terminal, or turn its lines round, escaped."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
