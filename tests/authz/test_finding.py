import ast
import re
from pathlib import Path

import pytest

from authz import finding
from authz.tables.sentences import SENTENCES as RECORD_SENTENCES
from ledger.kind import Severity
from nodes.core.withheld import CODE as WITHHELD
from seals.finding import SENTENCES as SEAL_SENTENCES

ROOT = Path(__file__).parents[2]
JUDGED = [
    # What a region lacks is no breach; the command that shows it has the words.
    *sorted(it for it in (ROOT / "authz").glob("*.py") if it.name != "gaps.py"),
    ROOT / "ledger/judge.py",
    ROOT / "ledger/schema.py",
]
CORE = [
    ROOT / f"nodes/core/{name}.py"
    for name in ("acts", "blocks", "own_words", "projection", "settlement", "withheld")
]
# Steps of a bundle's judge, which are no rules of the domain.
STEPS = {"signature", "view", "chain", "rules"}


def codes_in(path: Path) -> set[str]:
    """Every code that a module raises with, read from its source."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "code":
            found |= {
                it.value
                for it in ast.walk(node.value)
                if isinstance(it, ast.Constant) and isinstance(it.value, str)
            }
    return found


@pytest.mark.parametrize("path", [*JUDGED, *CORE], ids=lambda path: path.name)
def test_every_code_a_rule_raises_has_its_sentence(path: Path) -> None:
    assert codes_in(path) - STEPS <= finding.SENTENCES.keys() | RECORD_SENTENCES.keys()


def test_every_code_that_seals_raise_has_its_sentence() -> None:
    # What a rule raises, a clerk reads; what a file's check finds has its words in its report.
    rules = [ROOT / "seals" / name for name in ("usage.py", "kinds.py")]
    codes = {code for path in rules for code in codes_in(path)}
    assert codes <= SEAL_SENTENCES.keys() | finding.SENTENCES.keys()
    assert not SEAL_SENTENCES.keys() & finding.SENTENCES.keys()


def test_no_sentence_is_for_a_code_that_nothing_raises() -> None:
    raised = {code for path in JUDGED for code in codes_in(path)}
    found = {code for path in (*CORE, ROOT / "ledger/salvage.py") for code in codes_in(path)}
    assert finding.SENTENCES.keys() <= raised | found | {"bad-signature", WITHHELD}


@pytest.mark.parametrize(
    ("code", "pair"), sorted((finding.SENTENCES | SEAL_SENTENCES).items()), ids=lambda it: it
)
def test_a_sentence_is_chinese_and_english_and_ends(code: str, pair: tuple[str, str]) -> None:
    chinese, english = pair
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert chinese.endswith("。")
    assert english.isascii()
    assert english.endswith(".")


def test_what_may_still_be_settled_is_a_flag_and_the_rest_a_breach() -> None:
    assert finding.severity("unproven-use") is Severity.FLAG
    assert finding.severity("unauthorised-use") is Severity.BREACH
    assert finding.severity("second-notice") is Severity.BREACH


def test_somebody_answers_for_everything() -> None:
    assert finding.who_answers("second-notice") == "officer"
    assert finding.who_answers("no-grant") == "window"
    assert finding.who_answers("depth-exceeded") == "department"
    assert finding.who_answers("void-citation") == "region"
    answers = {finding.who_answers(code) for code in finding.SENTENCES}
    assert answers == {"officer", "window", "department", "region"}
