"""``pycose``, against our statements and receipts.

It needs cbor2 below 6 and so lives in an environment of its own, below ``build/``, whose packages
are pinned by hash in ``pycose.txt``.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.foreign.environments import environment
from tests.strategies import flip
from tests.vectors.own.example import Example
from tests.vectors.own.network import OFFICER, key

pytestmark = pytest.mark.foreign

EXAMPLE = Example()

# Reads a list of [message, public key, detached payload or null] in hexadecimal, and answers with
# the protected header's labels, the payload that is there, and whether the signature holds.
VERIFIER = """
import json, sys
from pycose.keys import OKPKey
from pycose.keys.curves import Ed25519
from pycose.messages import Sign1Message

answers = []
for message, public, detached in json.load(sys.stdin):
    try:
        made = Sign1Message.decode(bytes.fromhex(message))
        made.key = OKPKey(crv=Ed25519, x=bytes.fromhex(public))
        inside = None if made.payload is None else made.payload.hex()
        if detached is not None:
            made.payload = bytes.fromhex(detached)
        labels = [getattr(label, "identifier", label) for label in made.phdr]
        answers.append([labels, inside, made.verify_signature()])
    except Exception as error:
        answers.append([[], None, repr(error)])
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of an environment with pycose."""
    return environment("pycose", "pycose")


def verified(
    python: Path, *questions: tuple[bytes, bytes, bytes | None]
) -> list[tuple[object, ...]]:
    asked = [
        [message.hex(), public.hex(), None if payload is None else payload.hex()]
        for message, public, payload in questions
    ]
    done = subprocess.run(
        [str(python), "-c", VERIFIER],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(answer) for answer in json.loads(done.stdout)]


def test_a_statement_verifies_and_a_changed_one_does_not(python: Path) -> None:
    entry, public = EXAMPLE.case.entry, key(OFFICER).public
    bits = [8 * len(entry) - 9, 8 * (len(entry) - 80), 8 * (entry.index(b"case.open") + 2)]
    good, other, *flipped = verified(
        python,
        (entry, public, None),
        (entry, key("510000/officer/w3-02").public, None),
        *((flip(entry, bit), public, None) for bit in bits),
    )
    assert good == ([1, 3, 4, 15], EXAMPLE.case.act.encode().hex(), True)
    assert other[2] is False
    assert all(answer[2] is not True for answer in flipped)


@pytest.mark.parametrize(
    "receipt", [EXAMPLE.receipt, EXAMPLE.consistency], ids=["inclusion", "consistency"]
)
def test_a_receipt_verifies_over_the_root_it_leaves_out(python: Path, receipt: bytes) -> None:
    public, root = key("510000", "receipt").public, EXAMPLE.sichuan.checkpoint().root
    good, other, flipped = verified(
        python,
        (receipt, public, root),
        (receipt, public, EXAMPLE.sichuan.checkpoint(3).root),
        (flip(receipt, 8 * len(receipt) - 9), public, root),
    )
    assert good == ([1, 4, 15, 395, "tree-size"], None, True)
    assert other[2] is False
    assert flipped[2] is False
