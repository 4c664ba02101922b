"""What seals cost, against the floors beneath them: ``openssl speed`` and one SM2 verification."""

import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

from ledger.errors import UnavailableError
from loadtests.floors import cpu_us
from nodes.adapters.sm2_libcrypto import LibcryptoSM2
from seals.authority import Profile, issue, issue_root
from seals.ses import Picture, decode_signature
from seals.signing import make_seal, make_signature
from seals.sm2 import USER_ID, sm3
from seals.trust import Trust
from seals.verify import verify_signature

SPEED_S: Final = 2
ROUNDS: Final = 300
SIGNATURE_BYTES: Final = 6_000
NOW_S: Final = 1_790_000_000
YEAR_S: Final = 365 * 86_400

_SPEED_LINE: Final = re.compile(r"SM2 \(CurveSM2\)\s+\S+\s+\S+\s+([0-9.]+)\s+([0-9.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealFigures:
    """Measured on one core. The two ratios to openssl's own speed are better when larger."""

    sign_us: float
    verify_us: float
    sign_of_openssl: float
    verify_of_openssl: float
    signature_bytes: int
    signature_us: float
    signature_of_verifications: float
    """CPU time of a whole SES_Signature, over one SM2 verification for each signature it holds."""


def openssl_rates() -> tuple[float, float]:
    """Return how often a second the ``openssl`` command signs and verifies.

    Raises:
        UnavailableError: There is no such command here, or it does not know SM2.
    """
    command = shutil.which("openssl")
    if command is None:
        raise UnavailableError("no openssl command on this machine")
    done = subprocess.run(
        [command, "speed", "-seconds", str(SPEED_S), "sm2"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = _SPEED_LINE.search(done.stdout)
    if found is None:
        raise UnavailableError("the openssl command does not measure SM2")
    return float(found[1]), float(found[2])


def seal_figures() -> SealFigures:
    """Measure the provider and the verification of a signature of 6 KB with two signatures in it.

    Raises:
        UnavailableError: As ``openssl_rates``.
    """
    sm2 = LibcryptoSM2()
    key = sm2.generate(secrets.token_bytes)
    period = (NOW_S - YEAR_S, NOW_S + YEAR_S)
    root = issue_root("root", key=key, serial=1, from_s=period[0], until_s=period[1])
    leaf = issue(
        issuer=root,
        issuer_key=key,
        name="signer",
        public=key.public,
        serial=2,
        from_s=period[0],
        until_s=period[1],
        profile=Profile.SEAL,
    )
    digest = sm3(b"original")
    seal = make_seal(
        seal_id="51010000000001",
        name="figures",
        vendor="shouxin",
        kind=1,
        picture=Picture("PNG", bytes(SIGNATURE_BYTES - 4 * len(leaf)), 42, 42),
        certificates=[leaf],
        made_s=NOW_S,
        from_s=NOW_S,
        until_s=period[1],
        maker_certificate=leaf,
        maker_key=key,
    )
    whole = make_signature(
        seal=seal,
        digest=digest,
        property_info="/Doc_0/Signs/Sign_0/Signature.xml",
        time_s=NOW_S,
        certificate=leaf,
        key=key,
    )
    trust = Trust.of(anchors=[root])
    opened = decode_signature(whole)
    signed_s, verified_s = openssl_rates()
    message = bytes(64)
    short = key.sign(message, user_id=USER_ID)
    sign_us = cpu_us(lambda: key.sign(message, user_id=USER_ID), ROUNDS)
    verify_us = cpu_us(lambda: sm2.check(key.public, message, short, user_id=USER_ID), ROUNDS)
    bare_us = cpu_us(
        lambda: sm2.check(key.public, opened.signed, opened.signature, user_id=USER_ID), ROUNDS
    )
    signature_us = cpu_us(
        lambda: verify_signature(whole, sm2=sm2, trust=trust, at_s=NOW_S, original_digest=digest),
        ROUNDS,
    )
    return SealFigures(
        sign_us=sign_us,
        verify_us=verify_us,
        sign_of_openssl=1e6 / sign_us / signed_s,
        verify_of_openssl=1e6 / verify_us / verified_s,
        signature_bytes=len(whole),
        signature_us=signature_us,
        signature_of_verifications=signature_us / (2 * bare_us),
    )
