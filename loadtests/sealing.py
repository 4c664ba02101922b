"""What seals and papers cost: SM2 against ``openssl speed`` on the same core, SES, PDF and OFD.

OpenSSL's figure is of the library that the provider calls, without an interpreter in between.
"""

import os
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtests.figure import Figure
from loadtests.floors import cpu_us
from nodes.adapters import press
from nodes.adapters.held_seals import Pending
from nodes.adapters.keystore import KeyStore
from nodes.adapters.seal_store import SealStore
from nodes.adapters.sm2_libcrypto import LibcryptoSM2
from seals.authority import Profile, issue, issue_list, issue_root
from seals.documents import AcceptanceReceipt, Material, Proof
from seals.ses import Picture
from seals.signing import make_seal, make_signature
from seals.sm2 import USER_ID, sm3
from seals.trust import Trust
from seals.verify import verify_signature

NOW_S: Final = 1_790_000_000
YEAR_S: Final = 366 * 86_400
MESSAGE: Final = bytes(range(32))
PICTURE_BYTES: Final = 3_000
BUNDLE_BYTES: Final = 60_000
SEAL: Final = "510000/seal/bench-1"
NAME: Final = "成都市武侯区政务服务中心"
_SPEED_S: Final = 1
_TURNS: Final = 5
_CALLS: Final = 400


class Counting:
    """A provider that counts how often it is asked."""

    def __init__(self, sm2: LibcryptoSM2) -> None:
        self._sm2 = sm2
        self.checks = 0

    def check(self, public: bytes, message: bytes, signature: bytes, *, user_id: bytes) -> None:
        """Check a signature, and count."""
        self.checks += 1
        self._sm2.check(public, message, signature, user_id=user_id)


def sealing() -> Iterator[Figure]:
    """Measure all of it on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield from _signatures()
        yield from _papers()
    finally:
        os.sched_setaffinity(0, cores)


def _signatures() -> Iterator[Figure]:
    sm2 = LibcryptoSM2()
    key = sm2.generate(secrets.token_bytes)
    signature = key.sign(MESSAGE, user_id=USER_ID)
    own, floors = [], []
    # A shared machine is twice as fast in one second as in the next: so the two take turns, each
    # turn is a ratio of neighbours, and their median is what counts.
    for _ in range(_TURNS):
        sign_us = cpu_us(lambda: key.sign(MESSAGE, user_id=USER_ID), _CALLS, 1)
        verify_us = cpu_us(
            lambda: sm2.check(key.public, MESSAGE, signature, user_id=USER_ID), _CALLS, 1
        )
        own.append((sign_us, verify_us))
        floor = _openssl_us()
        if floor is not None:
            floors.append(floor)
    for at, word in enumerate(("sign", "verify")):
        if len(floors) == _TURNS:
            turns = zip(own, floors, strict=True)
            times = statistics.median(mine[at] / floor[at] for mine, floor in turns)
            floor_us = statistics.median(floor[at] for floor in floors)
            yield Figure(f"floor: openssl speed sm2, {word}", floor_us, "us")
            yield Figure(f"SM2 {word}", times, "x openssl", 1.3)
        else:
            own_us = statistics.median(mine[at] for mine in own)
            yield Figure(f"SM2 {word} (no openssl to compare with)", own_us, "us")
    yield from _ses(sm2)


def _ses(sm2: LibcryptoSM2) -> Iterator[Figure]:
    root_key, maker_key, key = (sm2.generate(secrets.token_bytes) for _ in range(3))
    from_s, until_s = NOW_S - YEAR_S, NOW_S + YEAR_S
    root = issue_root("试验根", key=root_key, serial=1, from_s=from_s, until_s=until_s)
    maker, signer = (
        issue(
            issuer=root,
            issuer_key=root_key,
            name=NAME,
            public=one.public,
            serial=serial,
            profile=Profile.SEAL,
            from_s=from_s,
            until_s=until_s,
        )
        for serial, one in ((2, maker_key), (3, key))
    )
    listed = issue_list(issuer=root, issuer_key=root_key, this_s=from_s, next_s=until_s, revoked={})
    seal = make_seal(
        seal_id="51010700000003",
        name=NAME,
        vendor="shouxin",
        kind=1,
        picture=Picture("PNG", secrets.token_bytes(PICTURE_BYTES), 42, 42),
        certificates=[signer],
        made_s=from_s,
        maker_certificate=maker,
        maker_key=maker_key,
        from_s=from_s,
        until_s=until_s,
    )
    digest = sm3(MESSAGE)
    signed = make_signature(
        seal=seal,
        digest=digest,
        property_info="/Doc_0/Signs/Sign_0/Signature.xml",
        time_s=NOW_S,
        certificate=signer,
        key=key,
        timestamp=None,
    )
    counting = Counting(sm2)

    def check(provider: LibcryptoSM2 | Counting) -> None:
        # A new trust each time, so that no link of the chain is remembered.
        trust = Trust.of(anchors=[root], lists=[listed])
        verify_signature(signed, sm2=provider, trust=trust, at_s=NOW_S, original_digest=digest)

    check(counting)
    yield Figure("SES_Signature, size", len(signed), "bytes")
    yield Figure("SES_Signature, SM2 signatures checked for it", counting.checks, "")
    signature = key.sign(MESSAGE, user_id=USER_ID)
    turns = []
    for _ in range(_TURNS):
        verify_us = cpu_us(
            lambda: sm2.check(key.public, MESSAGE, signature, user_id=USER_ID), 50, 1
        )
        turns.append(cpu_us(lambda: check(sm2), 20, 1) / verify_us / counting.checks)
    yield Figure("verify an SES_Signature", statistics.median(turns), "x its SM2", 1.5)


def _papers() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyStore.create(Path(folder) / "keys", secrets.token_bytes(32), secrets.token_bytes)
        store = SealStore(keys)
        now_s = int(time.time())  # noqa: TID251 - the load comes from outside
        begin = time.process_time()
        picture = press.picture(NAME, "51010700000003")
        store.make_trial(SEAL, name=NAME, code="51010700000003", picture=picture, now_s=now_s)
        _paper(store, "pdf", now_s)
        first_ms = (time.process_time() - begin) * 1e3
        yield Figure("the first paper of a process, its typefaces and a new seal", first_ms, "ms")
        wanted: tuple[tuple[press.Format, float], ...] = (("pdf", 400.0), ("ofd", 40.0))
        for form, target in wanted:
            spent = []
            for number in range(9):
                begin = time.process_time()
                _paper(store, form, now_s + number)
                spent.append((time.process_time() - begin) * 1e3)
            yield Figure(
                f"a sealed receipt as {form.upper()}, CPU from facts to file",
                sorted(spent)[4],
                "ms",
                target,
            )


def _paper(store: SealStore, form: press.Format, time_s: int) -> bytes:
    facts = AcceptanceReceipt(
        number="510000/case/2026-000017",
        item="基本养老保险关系转移接续申请",
        item_code="990014005000（第 3 版）",
        applicant="格桑*",
        window=f"{NAME}跨省通办专窗",
        officer="w3-01",
        authority="西藏自治区人力资源和社会保障厅",
        grant="540000/grant/2026-000003",
        issuer=NAME,
        time_s=time_s,
        materials=(
            Material(name="基本养老保险关系转移接续申请表", form="原件", count=1),
            Material(name="居民身份证", form="原件核验", count=1, note="已核验原件"),
            Material(name="户口簿首页及本人页", form="复印件", count=1, note="容缺后补"),
        ),
        due="2026年12月15日",
        working_days=15,
    )
    proof = Proof("https://ledger.example/p/8f3k2m", bytes(BUNDLE_BYTES))
    paper = press.lay(facts, proof, name=NAME, code="51010700000003")
    digest = press.digest(paper, form)
    subject = f"510000/seal-use/{form}-{time_s}"
    pending = Pending(subject=subject, officer="510000/officer/bench", body={"draft": digest})
    file = store.sign(SEAL, pending, press.seal(paper, form, digest, time_s))
    store.recorded(SEAL, subject)
    return file


def _openssl_us() -> tuple[float, float] | None:
    """Return the CPU microseconds of one signature and one verification by ``openssl speed``."""
    command = shutil.which("openssl")
    if command is None:
        return None
    said = subprocess.run(
        [command, "speed", "-seconds", str(_SPEED_S), "sm2"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in said.splitlines():
        words = line.split()
        if "SM2" in line and len(words) >= 2 and line.strip().startswith("256"):
            signs, verifies = float(words[-2]), float(words[-1])
            return 1e6 / signs, 1e6 / verifies
    return None
