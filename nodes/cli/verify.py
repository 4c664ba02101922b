"""``shouxin verify``: a bundle checked from the genesis roster alone, and its case told.

Nothing here touches a network or a database, and neither library for them is imported.
"""

import argparse
from pathlib import Path
from typing import Any, Final

from authz.case_bundle import judge_bundle
from authz.object_bundle import ObjectLife, judge_object
from authz.trace import Trace
from ledger.bundle import VerifiedBundle, check_bundle
from ledger.bundle_file import Bundle
from ledger.equivocation import Conviction, check_file, is_evidence_file
from ledger.errors import LedgerError, MalformedError, UnverifiedError
from ledger.roster import Roster
from ledger.signed_roster import SignedRoster, check_genesis
from ledger.suites import SM2_SM3, CheckSM2, no_sm2
from nodes.adapters.sm2 import open_sm2
from nodes.cli.object_telling import life_fields, tell_life
from nodes.cli.show import Language, console, print_json
from nodes.cli.telling import tell_trace, trace_fields
from nodes.core.kinds import KINDS
from nodes.files import read_bounded
from seals.sm2 import statement_check

BUNDLE_BYTES_MAX: Final = 64 << 20
ROSTER_BYTES_MAX: Final = 4 << 20

STEPS: Final = (
    "form",
    "roster",
    "note",
    "witness-quorum",
    "mirror-quorum",
    "inclusion",
    "epoch",
    "signature",
    "map",
    "view",
    "chain",
    "rules",
)


def verify(given: argparse.Namespace) -> int:
    """Check the bundle, print its case or object, and return 0; or 1 with the step that failed.

    Asked about a moment, 1 also where the bundle does not prove that the object was live then.
    """
    genesis = load_genesis(given.roster)
    bundle = read_bounded(given.file, BUNDLE_BYTES_MAX)
    if is_evidence_file(bundle):
        return _verify_evidence(bundle, genesis, given)
    told: Trace | ObjectLife
    try:
        if Bundle.subject_of(bundle).split("/")[1] == "case":
            verified, told = check(bundle, genesis)
        else:
            verified, told = check_object(bundle, genesis)
    except UnverifiedError as error:
        if given.json:
            print_json({"verified": False, "step": error.code, "detail": str(error)})
        else:
            _print_failure(error, given.lang)
        return 1
    if given.json:
        print_json({"verified": True, **_fields(verified, told, given.at)})
    else:
        _print_success(verified, told, given)
    if given.at is not None and isinstance(told, ObjectLife):
        return 0 if told.live_at(given.at) else 1
    return 0


def _verify_evidence(data: bytes, genesis: SignedRoster, given: argparse.Namespace) -> int:
    """Check what claims to convict a key, and say whom it convicts of what."""
    try:
        found = check_file(data, genesis)
    except UnverifiedError as error:
        if given.json:
            print_json({"verified": False, "step": error.code, "detail": str(error)})
        else:
            out = console()
            out.print(_CONVICTS_NOT[given.lang].format(code=error.code))
            out.print(f"  {error}", markup=False)
        return 1
    if given.json:
        print_json({"verified": True, **conviction_fields(found)})
    else:
        out = console()
        out.print(
            _CONVICTS[given.lang].format(region=found.region, key=_KEYS[given.lang][found.against])
        )
        out.print(f"  {found.detail}", markup=False)
    return 0


def conviction_fields(found: Conviction) -> dict[str, Any]:
    """Return what evidence proves, as JSON."""
    return {
        "subject": found.subject,
        "against": found.against,
        "region": found.region,
        "log": found.origin,
        "key": found.public,
        "shown": found.shown,
        "sizes": list(found.sizes),
        "times_s": list(found.times_s),
        "detail": found.detail,
    }


def check(bundle: bytes, genesis: SignedRoster) -> tuple[VerifiedBundle, Trace]:
    """Check a bundle, and return what it proves with the case's timeline.

    Raises:
        UnverifiedError: Its code is the step that failed.
    """
    told: list[Trace] = []

    def judge(verified: VerifiedBundle) -> None:
        told.append(judge_bundle(verified, KINDS, _sm2(verified.rosters)))

    return check_bundle(bundle, genesis, judge), told[0]


def check_object(bundle: bytes, genesis: SignedRoster) -> tuple[VerifiedBundle, ObjectLife]:
    """Check a bundle of what is no case, and return what it proves with the object's life.

    Raises:
        UnverifiedError: Its code is the step that failed.
    """
    told: list[ObjectLife] = []

    def judge(verified: VerifiedBundle) -> None:
        told.append(judge_object(verified, KINDS, _sm2(verified.rosters)))

    return check_bundle(bundle, genesis, judge), told[0]


def _sm2(rosters: tuple[Roster, ...]) -> CheckSM2:
    """Return what checks SM2 signatures; its library is loaded only where a roster names them."""
    if any(SM2_SM3 in roster.suites for roster in rosters):
        return statement_check(open_sm2())
    return no_sm2


def load_genesis(path: Path) -> SignedRoster:
    """Read the genesis roster, and check that all its members signed it.

    Raises:
        MalformedError: It cannot be read, or is no roster.
        UnverifiedError: ``roster``: a signature does not hold.
    """
    data = read_bounded(path, ROSTER_BYTES_MAX)
    try:
        signed = SignedRoster.decode(data)
    except MalformedError as error:
        raise MalformedError(f"{path} is no genesis roster: {error}", code=error.code) from error
    try:
        check_genesis(signed)
    except LedgerError as error:
        raise UnverifiedError(f"{path}: {error}", code="roster") from error
    return signed


def region_names(roster: Roster, language: Language) -> dict[str, str]:
    """Return what the regions of a roster are called, by code."""
    return {
        region: member.name if language == "zh" else member.name_en
        for region, member in roster.members.items()
    }


def _fields(verified: VerifiedBundle, told: Trace | ObjectLife, at_s: int | None) -> dict[str, Any]:
    life = trace_fields(told) if isinstance(told, Trace) else life_fields(told, at_s)
    return {
        "subject": verified.subject,
        "network": verified.rosters[0].network,
        "genesis": verified.rosters[0].sha256,
        "as_of": {
            origin: {
                "size": log.checkpoint.size,
                "root": log.checkpoint.root,
                "entries": len(log.entries),
                "witness_lines": len(log.witness),
                "mirror_lines": len(log.mirror),
                "quorum": log.roster.quorum(origin) if log.roster.witnesses_of(origin) else 0,
                "time_s": max((line.time_s for line in log.mirror), default=None),
                "complete_size": log.complete_size,
                "complete_at_s": log.complete_at_s,
            }
            for origin, log in verified.logs.items()
        },
        **life,
    }


_CONVICTS: Final = {
    "zh": "[bold red]证据成立[/]：{region} 的{key}密钥签署了两种历史。",
    "en": "[bold red]It convicts[/]: the {key} key of {region} has signed two histories.",
}
_CONVICTS_NOT: Final = {
    "zh": "[bold]不能证明任何事[/]：{code}",
    "en": "[bold]It proves nothing[/]: {code}",
}
_KEYS: Final = {
    "zh": {"log": "账本", "witness": "见证", "mirror": "镜像"},
    "en": {"log": "log", "witness": "witness", "mirror": "mirror"},
}
_FAILED: Final = {
    "zh": "[bold red]不成立[/]：第 {number} 步 [bold]{step}[/] 未通过",
    "en": "[bold red]Does not verify[/]: step {number}, [bold]{step}[/], failed",
}
_HELD: Final = {
    "zh": "[bold green]成立[/]：{count} 步全部通过（{steps}）",
    "en": "[bold green]Verified[/]: all {count} steps hold ({steps})",
}
_AS_OF: Final = {
    "zh": "截至 {origin} 第 {size} 条（{lines} 个镜像签名，法定 {quorum} 个）。",
    "en": "As of {size} entries of {origin} ({lines} mirrors signed, {quorum} make a quorum).",
}
_COMPLETE: Final = {
    "zh": "  其中关于本对象的记录，第 {size} 条之前的已全部在此，无一遗漏。",
    "en": "  Of these all acts on this object are here, complete as of size {size}.",
}
_NOT_COMPLETE: Final = {
    "zh": "  关于本对象的记录是否齐全，未予证明。",
    "en": "  Whether all acts on this object are here is not shown.",
}
_UNKNOWN: Final = {
    "zh": "此后追加的内容，本证据包无从得知。",
    "en": "What a log appended after that size, a bundle cannot know.",
}


def _print_failure(error: UnverifiedError, language: Language) -> None:
    out = console()
    number = STEPS.index(error.code) + 1 if error.code in STEPS else 0
    out.print(_FAILED[language].format(number=number, step=error.code))
    out.print(f"  {error}", markup=False)


def _print_success(
    verified: VerifiedBundle, told: Trace | ObjectLife, given: argparse.Namespace
) -> None:
    out, language = console(), given.lang
    out.print(_HELD[language].format(count=len(STEPS), steps=" · ".join(STEPS)))
    out.print()
    if isinstance(told, Trace):
        tell_trace(out, told, language, region_names(verified.rosters[-1], language))
    else:
        tell_life(out, told, language, given.at)
    out.print()
    for origin, log in verified.logs.items():
        quorum = log.roster.quorum(origin) if log.roster.witnesses_of(origin) else 0
        out.print(
            _AS_OF[language].format(
                origin=origin, size=log.checkpoint.size, lines=len(log.mirror), quorum=quorum
            ),
            style="dim",
            markup=False,
        )
        complete = _COMPLETE if log.complete_size is not None else _NOT_COMPLETE
        out.print(complete[language].format(size=log.complete_size), style="dim", markup=False)
    out.print(_UNKNOWN[language], style="dim")
