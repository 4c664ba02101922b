"""The joined sentences: what each stable code means to the person at the counter."""

from collections.abc import Mapping
from typing import Final

import authz.finding
import authz.tables.sentences
import seals.finding

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    **authz.finding.SENTENCES,
    **authz.tables.sentences.SENTENCES,
    **seals.finding.SENTENCES,
}
