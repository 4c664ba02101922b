"""The joined sentences: what each stable code means to the person at the counter."""

from collections.abc import Mapping
from typing import Final

import authz.finding
import authz.tables.sentences
import seals.finding

FORMLESS: Final = (
    "该记录的格式或其中的签名、证明不成立，视为无效。",
    "The entry is not of the form, or what it holds does not hold, so it has no effect.",
)
"""Of findings about bytes that no caller of an honest node could have had recorded."""

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    **authz.finding.SENTENCES,
    **authz.tables.sentences.SENTENCES,
    **seals.finding.SENTENCES,
}


def who_answers(code: str) -> str:
    """Return who answers for a finding: ``officer``, ``window``, ``department`` or ``region``.

    What no rule names is of the bytes of an entry, and an honest node lets none such into its log.
    """
    return authz.finding.who_answers(code) if code in SENTENCES else "region"
