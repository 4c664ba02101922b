"""The joined table of kinds: everything that a statement in these logs can be about."""

from typing import Final

import authz.kinds
import seals.kinds
from ledger.kind import Kinds

KINDS: Final[Kinds] = {**authz.kinds.KINDS, **seals.kinds.KINDS}

assert len(KINDS) == len(authz.kinds.KINDS) + len(seals.kinds.KINDS)
